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

/* An admin of an organization is an internal user whom a row of the database makes one: the job
 * of the command sees it, in its own transaction. */
enum user_role {
	ROLE_OF_NOBODY, ROLE_INTERNAL, ROLE_INTERNAL_VIEWER, ROLE_ORGANIZATION_ADMIN, ROLES
};

/* Whether that role reaches its own by this command. */
bool role_reaches_own(enum user_role role, const char *words);
/* Finds out who calls: sets is_viewer, or own_user and own_key where the table says so.
 * false: the command is not for them. */
bool roles_admit(struct command_call *c);

/* Ends the call: it is for administrators. */
void role_refuse(struct command_call *c);

/* -- for commands; each is true, or 0, when own_user is not set -- */

/* Whether a row is the caller's. */
bool role_owns(const struct command_call *c, const struct key_row *key);
/* Whether the caller's key is one that may: what it is held to for single models, another key of
 * its user would not be. false: answered. */
bool role_may_make_keys(struct command_call *c) MUST_USE;
/* The first argument that such a caller may not give: of its own key all but the named ones (the
 * last is NULL), of its organization's what would make the key another's, or let it do more. NULL:
 * it may give them. */
const struct json *role_forbidden(const struct command_call *c, const char *const names[],
				  bool is_organizations);
/* Makes a new key the caller's: none has more than the one that made it. */
void role_cap_key(const struct command_call *c, struct key_row *row);
/* The same of what stands in its objects; own_metadata is that of the key that makes it. 0, or
 * -ENOMEM. */
int role_cap_members(const struct command_call *c, struct str own_metadata, struct key_row *row)
	MUST_USE;
void role_fail_argument(struct command_call *c, const struct json *argument);

/* -- roles_check.c, on the store's threads. 0; -EPERM: for administrators; -EACCES: not (as an
 * admin) in the team; -EKEYREJECTED: the team does not permit it to its members; -ENOENT: a
 * stranger's, and as if it were not there; -EKEYREVOKED: key_makers.h -- */

/* The organizations that the user in that parameter ("?1") administers. */
#define ROLE_ADMINISTERED(parameter)                                                              \
	"SELECT o.name FROM tenants m JOIN tenants o ON o.id = m.owner"                           \
	" WHERE m.kind = 9 AND m.name = " parameter " AND m.role = 'org_admin'"
/* The users that are members of those. */
#define ROLE_ADMINISTERED_USERS(parameter)                                                        \
	"SELECT u.name FROM tenants u JOIN tenants x ON x.id = u.owner WHERE u.kind = 9"          \
	" AND x.name IN (" ROLE_ADMINISTERED(parameter) ")"
/* Who is no admin of any organization does not get to a command that is for those. */
int role_check_command(const struct command_call *c, struct store_db *db) MUST_USE;
int role_check_org(const struct command_call *c, struct store_db *db, struct str organization_id)
	MUST_USE;
/* Whether that user is the caller, or a member of an organization that it administers. */
int role_check_user(const struct command_call *c, struct store_db *db, struct str user_id)
	MUST_USE;
/* Whether the caller administers the team's organization. */
int role_check_team_org(const struct command_call *c, struct store_db *db, struct str team_id)
	MUST_USE;
/* Whether it is in the team (team_id .n 0: in none), and as its admin, or administers its
 * organization. */
int role_check_team(const struct command_call *c, struct store_db *db, struct str team_id,
		    bool as_admin) MUST_USE;
int role_check_team_admin(const struct command_call *c, struct store_db *db, struct str team_id)
	MUST_USE;
/* The same of a key: the caller's own, or one of an organization that it administers. */
int role_check_key(const struct command_call *c, struct store_db *db, const struct key_row *key,
		   bool *ret_is_organizations) MUST_USE;
/* Whether the caller may make that key, and makes it what it may be: the caller's, with no more
 * than the key that makes it; or of an organization that it administers. */
int role_check_new_key(const struct command_call *c, struct store_db *db, struct key_row *row)
	MUST_USE;
/* Ends the call for the errors above, but -ENOENT. false: it is none of them. */
bool role_failed(struct command_call *c, int err);

#endif
