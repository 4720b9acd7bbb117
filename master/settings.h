/* SPDX-License-Identifier: MIT
 * settings.h - settings by API, as LiteLLM has them: /config, /router/settings, /fallback. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "master/commands.h"

void settings_list(struct command_call *c);	/* /config/list */
void settings_field(struct command_call *c);	/* /config/field/info */
void settings_field_update(struct command_call *c);
void settings_field_delete(struct command_call *c);
void settings_update(struct command_call *c);	/* /config/update */
void settings_callbacks(struct command_call *c);	/* /get/config/callbacks */
void settings_router(struct command_call *c);	/* /router/settings */
void settings_router_fields(struct command_call *c);	/* /router/fields */
void settings_make_public(struct command_call *c);	/* /model_group/make_public */

void fallbacks_set(struct command_call *c);
void fallbacks_show(struct command_call *c);
void fallbacks_delete(struct command_call *c);

#endif
