/* SPDX-License-Identifier: MIT
 * key_makers.h - who may make which keys: litellm_settings.key_generation_settings and
 * general_settings.default_team_disabled.
 *
 * A key is its team's, or personal, without one. Administrators are held to none of it; who else
 * makes keys is an internal user (roles.h). */
#ifndef KEY_MAKERS_H
#define KEY_MAKERS_H

#include "master/keys_private.h"

/* In the call's arena: what the configuration said when it began. */
struct key_makers {
	bool personal_by_user;		/* internal_user */
	bool personal_by_org_admin;
	bool team_by_user, team_by_admin;	/* roles in the team */
	const struct json *personal_required, *team_required;	/* lists of names, or NULL */
};

/* NULL: it says nothing, or *ret_failed, for want of memory. On the loop. */
const struct key_makers *key_makers_of(struct command_call *c, bool *ret_failed);
/* Whether the arguments have what a key of theirs must say. false: answered. */
bool key_makers_ask(struct command_call *c) MUST_USE;
/* Whether the caller may make that key. 0, -EKEYREVOKED, or another -errno. On a store's thread. */
int key_makers_check(const struct command_call *c, struct store_db *db,
		     const struct key_row *row) MUST_USE;
/* Ends the call for -EKEYREVOKED. */
void key_makers_refuse(struct command_call *c);

#endif
