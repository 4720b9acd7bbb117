/* SPDX-License-Identifier: MIT
 * roles.h - what a key may do here that is no administrator's: the role of its user decides.
 *
 * A command that is in the table of roles.c for the user's role runs with call.own_user set, and
 * then reaches only what is that user's: its keys, itself, the teams that it is in. Others' ids
 * are answered as unknown ones. */
#ifndef ROLES_H
#define ROLES_H

#include "common/directory.h"
#include "master/commands.h"
#include "master/keys_private.h"

enum user_role { ROLE_OF_NOBODY, ROLE_INTERNAL, ROLE_INTERNAL_VIEWER, ROLES };

/* Whether that role reaches its own by this command. */
bool role_reaches_own(enum user_role role, const char *words);
/* Finds out who calls: sets is_viewer, or own_user and own_key where the table says so.
 * false: the command is not for them. */
bool roles_admit(struct command_call *c);

/* -- for commands; each is true when own_user is not set -- */

/* Whether a row is the caller's. */
bool role_owns(const struct command_call *c, const struct key_row *key);
/* Whether only the named members are given; the last name is NULL. false: answered. */
bool role_takes_only(struct command_call *c, const char *const names[]) MUST_USE;
/* Whether the caller's key is one that may: what it is held to for single models, another key of
 * its user would not be. false: answered. */
bool role_may_make_keys(struct command_call *c) MUST_USE;
/* Makes a new key the caller's: none has more than the one that made it. */
void role_cap_key(const struct command_call *c, struct key_row *row);
/* On the store's threads: 0, or -EACCES: the user is not in the team (team_id .n 0: in none), or
 * not as its admin. */
int role_check_team(const struct command_call *c, struct store_db *db, struct str team_id,
		    bool as_admin) MUST_USE;
/* Ends the call for -EACCES. */
void role_fail(struct command_call *c);

#endif
