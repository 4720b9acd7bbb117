/* SPDX-License-Identifier: MIT
 * users_info.c - GET /v2/user/info: one user without its keys, for itself, for admins of a team or
 * an organization that it is in, and for administrators. Others' are unknown.
 *
 * An admin of a team takes into it whom it likes, and by that learns who it is, but not what is
 * kept of it elsewhere: its metadata, its money, and the teams that are others'. */
#include <errno.h>

#include "master/command_job.h"
#include "master/master.h"
#include "master/roles.h"
#include "master/tenants.h"
#include "master/users_more.h"

struct info_call {
	struct command_call *c;
	struct str user_id, teams;	/* JSON: their ids */
	bool is_of_team;		/* it is seen by an admin of a team, and no more */
	struct key_row row;
};

int users_check_teams(const struct command_call *c, struct store_db *db, struct str user_id)
{
	struct sql *q = sql_query(db,
		"SELECT 1 FROM team_members a JOIN team_members m ON m.team = a.team"
		" WHERE a.user_id = ?1 AND a.role = 'admin' AND m.user_id = ?2 LIMIT 1");
	sql_text(q, 1, c->own_user);
	sql_text(q, 2, user_id);
	int r = sql_row(q);
	sql_end(q);
	return r > 0 ? 0 : r < 0 ? r : -ENOENT;
}

static int read_teams(struct info_call *ic, struct store_db *db)
{
	bool failed = false;
	struct sql *q = sql_query(db,
		"SELECT json_group_array(team_id) FROM (SELECT t.team_id FROM team_members m"
		" JOIN teams t ON t.id = m.team WHERE m.user_id = ?1 AND (?2 IS NULL OR EXISTS"
		" (SELECT 1 FROM team_members a WHERE a.team = t.id AND a.user_id = ?2))"
		" ORDER BY t.id)");
	sql_text(q, 1, ic->user_id);
	sql_text(q, 2, ic->is_of_team ? ic->c->own_user : STR_NONE);
	int r = sql_row(q);
	if (r > 0)
		ic->teams = key_row_text(q, 0, ic->c->mem, &failed);
	sql_end(q);
	return failed ? -ENOMEM : r < 0 ? r : 0;
}

static void hide(struct key_row *row)
{
	row->metadata = STR("{}");
	row->extra = STR("{}");
	row->max_budget = row->soft_budget = MONEY_NONE;
	row->budget_duration = row->budget_id = STR_NONE;
	row->budget_reset_at = 0;
}

static int info_job(struct store_db *db, void *data)
{
	struct info_call *ic = data;
	int err = role_check_user(ic->c, db, ic->user_id);
	if (err == -ENOENT) {
		err = users_check_teams(ic->c, db, ic->user_id);
		ic->is_of_team = true;
	}
	if (!err)
		err = tenant_row_find(db, tenant_number(DIR_USER), 0, ic->user_id, ic->c->mem,
				      &ic->row);
	if (!err && ic->is_of_team)
		hide(&ic->row);
	return err ? err : read_teams(ic, db);
}

static void on_info(void *data, int err)
{
	struct info_call *ic = data;
	struct command_call *c = ic->c;
	if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", "user_id", "User not found: " STR_FMT,
			     STR_ARG(ic->user_id));
	else if (err)
		command_fail_store(c, err);
	if (err)
		return;
	struct json_out o = json_out(&c->out);
	struct json_error e;
	const struct json *extra = json_parse(c->mem, ic->row.extra, 0, &e);
	json_open(&o, NULL);
	tenant_put(&o, tenant_kind_of(c->command), &ic->row,
		   ic->is_of_team ? 0 : tenant_spend(c->master->keys, DIR_USER, &ic->row));
	if (!json_get(extra, "sso_user_id"))
		json_put_null(&o, "sso_user_id");
	json_put_raw(&o, "teams", ic->teams.p ? ic->teams : STR("[]"));
	json_close(&o);
	command_finish(c);
}

/* Whose the calling key is; .n 0: nobody's. */
static struct str caller(struct command_call *c)
{
	struct dir_key key;
	if (c->own_user.n)
		return c->own_user;
	if (!c->caller_hash || !dir_find(c->master->dir, c->caller_hash, &key))
		return STR_NONE;
	return arena_dup(c->mem, key.user_id);
}

void users_info_alone(struct command_call *c)
{
	struct info_call *ic = command_state(c, sizeof *ic);
	if (!ic)
		return;
	if (command_str(c, "user_id", &ic->user_id) == -EINVAL)
		return;
	if (!ic->user_id.n)
		ic->user_id = caller(c);
	if (!ic->user_id.n) {
		command_fail(c, 400, "invalid_request_error", "user_id",
			     "user_id is missing, and the calling key is no user's");
		return;
	}
	command_read(ic, info_job, on_info);
}
