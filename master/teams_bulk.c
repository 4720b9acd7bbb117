/* SPDX-License-Identifier: MIT
 * teams_bulk.c - many users taken into a team at once, or all that there are. One that is in it
 * already is told, and does not keep the others out. */
#include <errno.h>

#include "master/master.h"
#include "master/roles.h"
#include "master/teams_private.h"

/* All users become members by their ids. */
static int read_users(struct team_call *tc, struct store_db *db)
{
	struct arena *a = tc->c->mem;
	bool failed = false;
	int r;
	tc->members = arena_array(a, TEAM_MEMBERS_MAX, sizeof *tc->members);
	if (!tc->members)
		return -ENOMEM;
	struct sql *q = sql_query(db, "SELECT name, email FROM tenants WHERE kind = 3 ORDER BY id");
	while ((r = sql_row(q)) > 0 && tc->n_members < TEAM_MEMBERS_MAX)
		tc->members[tc->n_members++] = (struct team_member){
			.user_id = key_row_text(q, 0, a, &failed),
			.user_email = key_row_text(q, 1, a, &failed),
			.role = STR("user"), .max_budget = tc->limits.max_budget,
		};
	sql_end(q);
	return failed ? -ENOMEM : r < 0 ? r : r > 0 ? -E2BIG : 0;
}

/* Those that are in it keep the limits that they have. */
static int insert(struct team_call *tc, struct store_db *db)
{
	struct arena *a = tc->c->mem;
	struct team_member *all = tc->members;
	size_t n = tc->n_members, n_new = 0;
	struct team_member *new = arena_array(a, n + 1, sizeof *new);
	tc->are_refused = arena_array(a, n + 1, sizeof *tc->are_refused);
	if (!new || !tc->are_refused)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int err = team_member_insert(db, tc->row.r.id, &all[i]);
		tc->are_refused[i] = err == -EEXIST;
		if (err && err != -EEXIST)
			return err;
		if (!err)
			new[n_new++] = all[i];
	}
	tc->members = new;
	tc->n_members = n_new;
	int err = team_call_limit_members(tc, db);
	tc->members = all;
	tc->n_members = n;
	return err;
}

static int bulk_job(struct store_db *db, void *data)
{
	struct team_call *tc = data;
	int err = role_check_team(tc->c, db, tc->team_id, true);
	if (!err)
		err = team_call_find(tc, db);
	if (!err && tc->all_users)
		err = read_users(tc, db);
	if (!err)
		err = insert(tc, db);
	return err ? err : team_call_find(tc, db);
}

static void put_result(const struct team_call *tc, struct json_out *o, size_t i)
{
	const struct team_member *m = &tc->members[i];
	json_open(o, NULL);
	json_put_str(o, "user_id", m->user_id);
	json_put_str(o, "user_email", m->user_email);
	json_put_bool(o, "success", !tc->are_refused[i]);
	struct str why = STR_NONE;
	if (tc->are_refused[i])
		why = arena_printf(tc->c->mem, "User=" STR_FMT " is already in team=" STR_FMT,
				   STR_ARG(m->user_id), STR_ARG(tc->team_id));
	json_put_str(o, "error", why);
	json_close(o);
}

static void answer(struct team_call *tc)
{
	struct command_call *c = tc->c;
	struct json_out o = json_out(&c->out);
	size_t n_refused = 0;
	json_open(&o, NULL);
	json_put_str(&o, "team_id", tc->team_id);
	json_open_array(&o, "results");
	for (size_t i = 0; i < tc->n_members; i++) {
		put_result(tc, &o, i);
		n_refused += tc->are_refused[i];
	}
	json_close_array(&o);
	json_put_u64(&o, "total_requested", tc->n_members);
	json_put_u64(&o, "successful_additions", tc->n_members - n_refused);
	json_put_u64(&o, "failed_additions", n_refused);
	json_open(&o, "updated_team");
	team_put(&o, &tc->row.r, team_call_spend(tc), tc->row.members);
	json_close(&o);
	json_close(&o);
	command_finish(c);
}

static void on_added(void *data, int err)
{
	struct team_call *tc = data;
	if (err == -E2BIG)
		command_fail(tc->c, 400, "invalid_request_error", "all_users",
			     "there are more than %d users: add them by name", TEAM_MEMBERS_MAX);
	else if (team_call_publish_members(tc, err))
		answer(tc);
}

void teams_bulk_member_add(struct command_call *c)
{
	struct team_call *tc = team_call_new(c);
	if (!tc || !team_call_take_id(tc) || !member_limits_read(c, &tc->limits) ||
	    command_bool(c, "all_users", &tc->all_users) == -EINVAL ||
	    !team_call_take_members(tc, "members", tc->limits.max_budget))
		return;
	if (tc->all_users == (tc->n_members > 0))
		command_fail(c, 400, "invalid_request_error", "members",
			     "say who: members, or all_users");
	else if (tc->all_users && c->own_user.n)
		role_refuse(c);		/* who is no administrator does not see all users */
	else
		team_call_start(tc, bulk_job, on_added);
}
