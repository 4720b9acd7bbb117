/* SPDX-License-Identifier: MIT
 * roles_check.c - what a role reaches, as the database says it: asked in the job that then does
 * it, so that who was an admin a moment ago does nothing more; see roles.h. */
#include <errno.h>

#include "master/key_makers.h"
#include "master/roles.h"

#define ADMINISTERED ROLE_ADMINISTERED("?1")

/* Whether there is a row. 0 or `no`, or another -errno. */
static int answer_of(struct sql *q, int no)
{
	int r = sql_row(q);
	sql_end(q);
	return r > 0 ? 0 : r < 0 ? r : no;
}

int role_check_command(const struct command_call *c, struct store_db *db)
{
	if (!c->own_user.n || !role_reaches_own(ROLE_ORGANIZATION_ADMIN, c->command->words))
		return 0;
	struct sql *q = sql_query(db, ADMINISTERED " LIMIT 1");
	sql_text(q, 1, c->own_user);
	return answer_of(q, -EPERM);
}

int role_check_org(const struct command_call *c, struct store_db *db, struct str organization_id)
{
	if (!c->own_user.n)
		return 0;
	struct sql *q = sql_query(db, ADMINISTERED " AND o.name = ?2");
	sql_text(q, 1, c->own_user);
	sql_text(q, 2, organization_id);
	return answer_of(q, -ENOENT);
}

int role_check_user(const struct command_call *c, struct store_db *db, struct str user_id)
{
	if (!c->own_user.n || str_eq(user_id, c->own_user))
		return 0;
	struct sql *q = sql_query(db, "SELECT 1 WHERE ?2 IN (" ROLE_ADMINISTERED_USERS("?1") ")");
	sql_text(q, 1, c->own_user);
	sql_text(q, 2, user_id);
	return answer_of(q, -ENOENT);
}

int role_check_team_org(const struct command_call *c, struct store_db *db, struct str team_id)
{
	if (!c->own_user.n)
		return 0;
	struct sql *q = sql_query(db, "SELECT 1 FROM teams WHERE team_id = ?2"
				      " AND organization_id IN (" ADMINISTERED ")");
	sql_text(q, 1, c->own_user);
	sql_text(q, 2, team_id);
	return answer_of(q, -ENOENT);
}

/* ---- teams ---- */

int role_check_team(const struct command_call *c, struct store_db *db, struct str team_id,
		    bool as_admin)
{
	if (!c->own_user.n || (!team_id.n && !as_admin))
		return 0;
	struct sql *q = sql_query(db,
		"SELECT 1 FROM team_members m JOIN teams t ON t.id = m.team WHERE t.team_id = ?1"
		" AND m.user_id = ?2 AND (m.role = 'admin' OR NOT ?3)");
	sql_text(q, 1, team_id);
	sql_text(q, 2, c->own_user);
	sql_int(q, 3, as_admin);
	int err = answer_of(q, -ENOENT);
	if (err == -ENOENT)
		err = role_check_team_org(c, db, team_id);
	return err == -ENOENT ? -EACCES : err;
}

int role_check_team_admin(const struct command_call *c, struct store_db *db, struct str team_id)
{
	return role_check_team(c, db, team_id, true);
}

/* What stands in a team's list for a command; NULL: looking, which always goes. */
static const char *const *paths_of(const char *words)
{
	static const struct {
		const char *words, *paths[2];
	} v[] = {
		{ "keys create", { "/key/generate", "/key/generate" } },
		{ "keys update", { "/key/update", "/key/update" } },
		{ "keys delete", { "/key/delete", "/key/delete" } },
		{ "keys rotate", { "/key/regenerate", "/key/{key_id}/regenerate" } },
		{ "keys regenerate", { "/key/regenerate", "/key/{key_id}/regenerate" } },
	};
	for (size_t i = 0; i < COUNT(v); i++)
		if (str_eq_z(str_z(words), v[i].words))
			return v[i].paths;
	return NULL;
}

/* Whether the team lets its members do that; who is no member has no more than one. */
static int check_permission(const struct command_call *c, struct store_db *db, struct str team_id)
{
	const char *const *paths = paths_of(c->command->words);
	if (!paths || !team_id.n)
		return 0;
	struct sql *q = sql_query(db,
		"SELECT 1 FROM teams t WHERE t.team_id = ?1"
		" AND coalesce(json_type(t.extra, '$.team_member_permissions'), 'null') <> 'null'"
		" AND NOT EXISTS (SELECT 1 FROM team_members m WHERE m.team = t.id"
		" AND m.user_id = ?2 AND m.role = 'admin')"
		" AND NOT EXISTS (SELECT 1 FROM json_each(t.extra, '$.team_member_permissions')"
		" WHERE value IN (?3, ?4))");
	sql_text(q, 1, team_id);
	sql_text(q, 2, c->own_user);
	sql_text(q, 3, str_z(paths[0]));
	sql_text(q, 4, str_z(paths[1]));
	int err = answer_of(q, -ENOENT);
	return err == -ENOENT ? 0 : err ? err : -EKEYREJECTED;
}

/* ---- keys ---- */

/* A key's organization is the one that it names, or else that of its team. */
static int check_key_org(const struct command_call *c, struct store_db *db,
			 const struct key_row *key)
{
	if (key->organization_id.n)
		return role_check_org(c, db, key->organization_id);
	return key->team_id.n ? role_check_team_org(c, db, key->team_id) : -ENOENT;
}

int role_check_key(const struct command_call *c, struct store_db *db, const struct key_row *key,
		   bool *ret_is_organizations)
{
	bool is_own = role_owns(c, key) && (role_reaches_own(ROLE_INTERNAL, c->command->words));
	*ret_is_organizations = false;
	if (!c->own_user.n)
		return 0;
	int err = check_key_org(c, db, key);
	if (err != -ENOENT) {
		*ret_is_organizations = !err;
		return err;
	}
	return is_own ? check_permission(c, db, key->team_id) : -ENOENT;
}

/* Whose name a key of an organization may have: its admin's, or that of a member, of it or of the
 * team, who manages nothing by it. */
static int check_key_user(struct store_db *db, const struct key_row *row)
{
	struct sql *q = sql_query(db,
		"SELECT 1 WHERE (EXISTS (SELECT 1 FROM tenants o JOIN tenants m ON m.owner = o.id"
		" WHERE o.kind = 4 AND o.owner = 0 AND m.kind = 9 AND m.name = ?1 AND o.name = "
		"coalesce(?2, (SELECT organization_id FROM teams WHERE team_id = ?3)))"
		" OR EXISTS (SELECT 1 FROM team_members x JOIN teams t ON t.id = x.team"
		" WHERE t.team_id = ?3 AND x.user_id = ?1))"
		" AND NOT EXISTS (SELECT 1 FROM tenants WHERE kind = 3 AND owner = 0 AND name = ?1"
		" AND role LIKE 'proxy_admin%')");
	sql_text(q, 1, row->user_id);
	sql_text(q, 2, row->organization_id);
	sql_text(q, 3, row->team_id);
	return answer_of(q, -EACCES);
}

/* It calls models and nothing else: by the rest its user's rights would be its maker's. */
static int hold_to_models(const struct command_call *c, struct store_db *db, struct key_row *row)
{
	bool failed = false;
	struct sql *q = sql_query(db,
		"SELECT json_set(?1, '$.allowed_routes', json('[\"llm_api_routes\"]'))");
	sql_text(q, 1, row->extra);
	int r = sql_row(q);
	if (r > 0)
		row->extra = key_row_text(q, 0, c->mem, &failed);
	sql_end(q);
	return failed || r == 0 ? -ENOMEM : r < 0 ? r : 0;
}

static int check_org_key(const struct command_call *c, struct store_db *db, struct key_row *row)
{
	/* A key is no way to have a team's work paid by another organization. */
	if (row->organization_id.n && row->team_id.n &&
	    role_check_team_org(c, db, row->team_id) != 0)
		return -EACCES;
	row->spend = 0;
	if (!row->user_id.n || role_owns(c, row))
		return 0;
	int err = check_key_user(db, row);
	return err ? err : hold_to_models(c, db, row);
}

/* Who names an organization that the calling key does not belong to must be in it. */
static int check_member(const struct command_call *c, struct store_db *db,
			const struct key_row *row)
{
	if (!row->organization_id.n || str_eq(row->organization_id, c->own_key->organization_id))
		return 0;
	struct sql *q = sql_query(db,
		"SELECT 1 FROM tenants o JOIN tenants m ON m.owner = o.id WHERE o.kind = 4"
		" AND o.owner = 0 AND o.name = ?1 AND m.kind = 9 AND m.name = ?2");
	sql_text(q, 1, row->organization_id);
	sql_text(q, 2, c->own_user);
	return answer_of(q, -EACCES);
}

/* The metadata of the key that makes another. -EPERM: that is gone. */
static int read_own_metadata(const struct command_call *c, struct store_db *db, struct str *ret)
{
	bool failed = false;
	struct sql *q = sql_query(db, "SELECT metadata FROM keys WHERE token_hash = ?1");
	sql_blob(q, 1, c->caller_hash->b, sizeof c->caller_hash->b);
	int r = sql_row(q);
	if (r > 0)
		*ret = key_row_text(q, 0, c->mem, &failed);
	sql_end(q);
	return failed ? -ENOMEM : r < 0 ? r : r > 0 ? 0 : -EPERM;
}

static int cap_members(const struct command_call *c, struct store_db *db, struct key_row *row)
{
	struct str own = STR_NONE;
	int err = read_own_metadata(c, db, &own);
	return err ? err : role_cap_members(c, own, row);
}

static int check_own_key(const struct command_call *c, struct store_db *db, struct key_row *row)
{
	role_cap_key(c, row);
	int err = cap_members(c, db, row);
	if (!err)
		err = role_check_team(c, db, row->team_id, false);
	if (!err)
		err = check_permission(c, db, row->team_id);
	return err ? err : check_member(c, db, row);
}

int role_check_new_key(const struct command_call *c, struct store_db *db, struct key_row *row)
{
	if (!c->own_user.n)
		return 0;
	int err = check_key_org(c, db, row);
	if (err == -ENOENT)
		err = check_own_key(c, db, row);
	else if (!err)
		err = check_org_key(c, db, row);
	return err ? err : key_makers_check(c, db, row);
}
