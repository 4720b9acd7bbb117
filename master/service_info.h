/* SPDX-License-Identifier: MIT
 * service_info.h - what LiteLLM's dashboard and its clients ask about the service itself, told of
 * the configuration in force. */
#ifndef SERVICE_INFO_H
#define SERVICE_INFO_H

#include "master/commands.h"

void service_callbacks(struct command_call *c);	/* GET /active/callbacks, /settings */
void service_callback_names(struct command_call *c);	/* GET /callbacks/list */
void service_callback_kinds(struct command_call *c);	/* GET /callbacks/configs */
void service_providers(struct command_call *c);		/* GET /model/settings */
void service_license(struct command_call *c);		/* GET /health/license */
void service_shared_status(struct command_call *c);	/* GET /health/shared-status */

#endif
