/* SPDX-License-Identifier: MIT
 * newcomers.c - see newcomers.h. */
#include "master/newcomers.h"

#include <errno.h>

#include "common/price.h"
#include "master/command_job.h"
#include "master/config.h"
#include "master/keys_more.h"
#include "master/master.h"
#include "master/roles.h"
#include "master/teams.h"
#include "master/tenants.h"

#define AVAILABLE "available_teams"
enum { TEXT_ROOM = 1024 };

/* ---- what new ones get ---- */

/* The two settings that are one value each, as JSON. .p NULL: no memory. */
static struct str budget_of(struct command_call *c, const struct config *config)
{
	struct buf text;
	buf_init(&text, TEXT_ROOM);
	struct json_out o = json_out(&text);
	json_open(&o, NULL);
	if (config->user_budget != PRICE_NONE)
		json_put_money(&o, "max_budget", config->user_budget / 1000);
	if (config->user_duration.n)
		json_put_str(&o, "budget_duration", config->user_duration);
	json_close(&o);
	struct str s = text.failed ? STR_NONE : arena_dup(c->mem, buf_str(&text));
	buf_done(&text);
	return s;
}

/* false: answered. */
static bool fill_user(struct command_call *c)
{
	const struct config *config = c->master->config;
	if (!command_fill(c, config->user_defaults, AVAILABLE))
		return false;
	if (config->user_budget == PRICE_NONE && !config->user_duration.n)
		return true;
	struct str budget = budget_of(c, config);
	if (budget.p)
		return command_fill(c, budget, AVAILABLE);
	return command_fail_store(c, -ENOMEM), false;
}

static bool is_internal(struct command_call *c)
{
	struct str role = json_get_str(c->mem, c->args, "user_role");
	return !role.n || str_starts(role, STR("internal_user"));
}

/* What an organization's admin may not say of a user: false, answered. */
static bool may_make(struct command_call *c)
{
	static const char *const fixed[] = { "teams", "spend", "sso_user_id", "organization_id" };
	const struct json *bad = NULL;
	for (size_t i = 0; i < COUNT(fixed) && !bad; i++)
		bad = json_get(c->args, fixed[i]);
	if (!c->own_user.n || !bad)
		return true;
	role_fail_argument(c, bad);
	return false;
}

/* Nor does the configuration's word make an administrator at that admin's call. */
static bool may_have_role(struct command_call *c)
{
	if (!c->own_user.n || is_internal(c))
		return true;
	role_fail_argument(c, json_get(c->args, "user_role"));
	return false;
}

void users_create(struct command_call *c)
{
	bool is_filled = c->master->config && !c->is_import && is_internal(c);
	if (may_make(c) && (!is_filled || fill_user(c)) && may_have_role(c))
		tenants_new(c);
}

void teams_create(struct command_call *c)
{
	if (!c->master->config || c->is_import ||
	    command_fill(c, c->master->config->team_defaults, AVAILABLE))
		teams_new(c);
}

bool user_defaults_read(struct command_call *c, struct key_change *ret)
{
	static const struct json none = { .type = JSON_OBJECT };
	const struct json *args = c->args;
	c->args = &none;
	if (c->master->config && !fill_user(c))
		return false;
	bool is_read = key_change_read(c, FIELDS_OF_USER, ret) == 0;
	if (is_read)
		c->args = args;
	return is_read;
}

/* ---- teams to be joined ---- */

/* NULL: there are none. */
static const struct json *available(struct command_call *c)
{
	struct json_error e;
	const struct config *config = c->master->config;
	struct str text = config ? config->user_defaults : STR_NONE;
	const struct json *j = text.n ? json_parse(c->mem, text, 0, &e) : NULL;
	j = json_is(j, JSON_OBJECT) ? json_get(j, AVAILABLE) : NULL;
	return json_is(j, JSON_ARRAY) ? j : NULL;
}

bool team_is_available(struct command_call *c, struct str team_id)
{
	const struct json *list = available(c);
	for (const struct json *j = list ? list->child : NULL; j; j = j->next)
		if (str_eq(json_str(c->mem, j), team_id))
			return true;
	return false;
}

struct available_call {			/* lives in the call's arena */
	struct command_call *c;
	struct str ids, user_id, teams;	/* JSON, and who is in none of them */
};

/* Who is not in a team yet learns its name, and how many are, but not what it spends. */
static int available_job(struct store_db *db, void *data)
{
	struct available_call *ac = data;
	bool failed = false;
	struct sql *q = sql_query(db,
		"SELECT json_group_array(json_object('team_id', t.team_id, 'team_alias', t.alias,"
		" 'organization_id', t.organization_id, 'models', json(t.models), 'blocked',"
		" json(iif(t.blocked, 'true', 'false')), 'members_with_roles', json((SELECT"
		" json_group_array(json_object('role', role)) FROM team_members WHERE team = t.id))))"
		" FROM (SELECT * FROM teams WHERE team_id IN (SELECT value FROM json_each(?1))"
		" AND NOT EXISTS (SELECT 1 FROM team_members m WHERE m.team = teams.id"
		" AND m.user_id = ?2) ORDER BY id) t");
	sql_text(q, 1, ac->ids);
	sql_text(q, 2, ac->user_id);
	int r = sql_row(q);
	if (r > 0)
		ac->teams = key_row_text(q, 0, ac->c->mem, &failed);
	sql_end(q);
	return failed ? -ENOMEM : r < 0 ? r : 0;
}

static void on_available(void *data, int err)
{
	struct available_call *ac = data;
	struct json_out o = json_out(&ac->c->out);
	if (err) {
		command_fail_store(ac->c, err);
		return;
	}
	json_put_raw(&o, NULL, ac->teams);
	command_finish(ac->c);
}

void teams_available(struct command_call *c)
{
	struct available_call *ac = command_state(c, sizeof *ac);
	const struct json *list = available(c);
	if (!ac)
		return;
	ac->user_id = c->own_user;
	ac->ids = list ? arena_dup(c->mem, list->raw) : STR("[]");
	if (!c->own_user.n && command_str(c, "user_id", &ac->user_id) == -EINVAL)
		return;
	if (ac->ids.p)
		command_read(ac, available_job, on_available);
	else
		command_fail_store(c, -ENOMEM);
}
