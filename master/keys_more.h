/* SPDX-License-Identifier: MIT
 * keys_more.h - commands about keys that are made of others (keys.h). */
#ifndef KEYS_MORE_H
#define KEYS_MORE_H

#include "master/commands.h"

/* keys_generate(), keys_update() and keys_rotate() within what the configuration says. */
void keys_create(struct command_call *c);
void keys_change(struct command_call *c);
void keys_regenerate(struct command_call *c);
void keys_service_account(struct command_call *c);	/* needs team_id */
void keys_reset_spend(struct command_call *c);		/* needs key, reset_to */
void keys_bulk_update(struct command_call *c);
void keys_info_several(struct command_call *c);
void keys_aliases(struct command_call *c);
void keys_health(struct command_call *c);

/* The arguments get what they lack of a JSON object (.n 0: nothing), without the member `but`.
 * false: answered. */
bool command_fill(struct command_call *c, struct str defaults, const char *but) MUST_USE;

#endif
