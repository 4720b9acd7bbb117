/* SPDX-License-Identifier: MIT
 * models_store.h - models given by API: LiteLLM's /model/new, update and delete. */
#ifndef MODELS_STORE_H
#define MODELS_STORE_H

#include "master/commands.h"

void models_new(struct command_call *c);
void models_update(struct command_call *c);	/* the id in the path, or model_info.id */
void models_delete(struct command_call *c);

#endif
