/* SPDX-License-Identifier: MIT
 * key_makers.c - see key_makers.h. */
#include "master/key_makers.h"

#include <errno.h>

#include "master/master.h"
#include "master/roles.h"

/* ---- what the configuration says ---- */

static const struct json *part(const struct json *all, const char *name)
{
	const struct json *j = json_is(all, JSON_OBJECT) ? json_get(all, name) : NULL;
	return json_is(j, JSON_OBJECT) ? j : NULL;
}

/* Without a list everybody may. */
static bool may(struct arena *a, const struct json *settings, const char *list, const char *role)
{
	const struct json *roles = settings ? json_get(settings, list) : NULL;
	if (!json_is(roles, JSON_ARRAY))
		return true;
	for (const struct json *j = roles->child; j; j = j->next)
		if (str_eq_z(json_str(a, j), role))
			return true;
	return false;
}

static const struct json *required(const struct json *settings)
{
	const struct json *list = settings ? json_get(settings, "required_params") : NULL;
	return json_is(list, JSON_ARRAY) ? list : NULL;
}

const struct key_makers *key_makers_of(struct command_call *c, bool *ret_failed)
{
	const struct config *config = c->master->config;
	struct json_error e;
	if (!config || (!config->key_generation.n && !config->no_personal_keys))
		return NULL;
	struct key_makers *m = arena_alloc(c->mem, sizeof *m);
	const struct json *all = config->key_generation.n
				       ? json_parse(c->mem, config->key_generation, 0, &e) : NULL;
	*ret_failed = !m || (config->key_generation.n && !all);
	if (*ret_failed)
		return NULL;
	const struct json *team = part(all, "team_key_generation");
	const struct json *personal = part(all, "personal_key_generation");
	bool may_any = !config->no_personal_keys;
	*m = (struct key_makers){
		.personal_by_user = may_any && may(c->mem, personal, "allowed_user_roles",
						   "internal_user"),
		.personal_by_org_admin = may_any && may(c->mem, personal, "allowed_user_roles",
							"org_admin"),
		.team_by_user = may(c->mem, team, "allowed_team_member_roles", "user"),
		.team_by_admin = may(c->mem, team, "allowed_team_member_roles", "admin"),
		.personal_required = required(personal),
		.team_required = required(team),
	};
	return m;
}

/* ---- a key ---- */

/* The key that makes it gives it its team where nothing is said. */
static bool is_of_team(const struct command_call *c)
{
	return json_is_given(json_get(c->args, "team_id")) || c->own_key->team_id.n;
}

bool key_makers_ask(struct command_call *c)
{
	const struct key_makers *m = c->makers;
	if (!m)
		return true;
	const struct json *list = is_of_team(c) ? m->team_required : m->personal_required;
	for (const struct json *j = list ? list->child : NULL; j; j = j->next) {
		struct str name = json_str(c->mem, j);
		if (json_is_given(json_member(c->args, name)))
			continue;
		command_fail(c, 400, "invalid_request_error", arena_dup_z(c->mem, name),
			     "Required param " STR_FMT " not in data", STR_ARG(name));
		return false;
	}
	return true;
}

static int check_personal(const struct command_call *c, struct store_db *db)
{
	if (c->makers->personal_by_user)
		return 0;
	if (!c->makers->personal_by_org_admin)
		return -EKEYREVOKED;
	struct sql *q = sql_query(db, ROLE_ADMINISTERED("?1") " LIMIT 1");
	sql_text(q, 1, c->own_user);
	int r = sql_row(q);
	sql_end(q);
	return r > 0 ? 0 : r < 0 ? r : -EKEYREVOKED;
}

/* Who is no member reaches the team as an admin of its organization. */
static int check_team(const struct command_call *c, struct store_db *db, struct str team_id)
{
	struct sql *q = sql_query(db,
		"SELECT m.role = 'admin' FROM team_members m JOIN teams t ON t.id = m.team"
		" WHERE t.team_id = ?1 AND m.user_id = ?2");
	sql_text(q, 1, team_id);
	sql_text(q, 2, c->own_user);
	int r = sql_row(q);
	bool is_admin = r == 0 || (r > 0 && sql_get_int(q, 0));
	sql_end(q);
	if (r < 0)
		return r;
	return (is_admin ? c->makers->team_by_admin : c->makers->team_by_user) ? 0 : -EKEYREVOKED;
}

int key_makers_check(const struct command_call *c, struct store_db *db, const struct key_row *row)
{
	if (!c->makers)
		return 0;
	return row->team_id.n ? check_team(c, db, row->team_id) : check_personal(c, db);
}

void key_makers_refuse(struct command_call *c)
{
	if (is_of_team(c))
		command_fail(c, 400, "invalid_request_error", "team_id",
			     "Key creation for teams has been restricted by admin: the caller's "
			     "role in the team is not in allowed_team_member_roles");
	else
		command_fail(c, 400, "invalid_request_error", "team_id",
			     "Personal key creation has been restricted by admin: the caller's "
			     "role is not in allowed_user_roles, or keys must have a team");
}
