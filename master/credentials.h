/* SPDX-License-Identifier: MIT
 * credentials.h - LiteLLM's /credentials: sets of secrets that models name. */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include "master/commands.h"

void credentials_new(struct command_call *c);
void credentials_list(struct command_call *c);
void credentials_by_name(struct command_call *c);
void credentials_by_model(struct command_call *c);
void credentials_update(struct command_call *c);
void credentials_delete(struct command_call *c);
/* Whether what is sealed can be read, and with which key it was. */
void secrets_status(struct command_call *c);

#endif
