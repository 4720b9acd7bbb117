/* SPDX-License-Identifier: MIT
 * teams_delete.c - teams deleted, with their keys and with what limited their members. */
#include <errno.h>

#include "common/clock.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/members.h"
#include "master/roles.h"
#include "master/teams.h"

enum { DELETE_MAX = 1000 };

struct delete_call {
	struct command_call *c;
	struct keys *keys;
	struct str missing;
	size_t n;
	struct deleted {
		struct str team_id;
		struct team_row row;
		struct key_row *gone, *limited, budget;
		size_t n_gone, n_limited;
	} *v;
};

static int delete_job(struct store_db *db, void *data)
{
	struct delete_call *dc = data;
	struct arena *a = dc->c->mem;
	int err = role_check_command(dc->c, db);
	for (size_t i = 0; i < dc->n && !err; i++) {
		struct deleted *d = &dc->v[i];
		err = role_check_team_org(dc->c, db, d->team_id);
		if (!err)
			err = team_row_find_named(db, dc->c, &d->team_id, &d->row);
		if (err == -ENOENT)
			dc->missing = d->team_id;
		if (!err)
			err = team_keys_delete(db, d->team_id, STR_NONE, a, clock_wall_ns(),
					       key_caller_name(dc->c), &d->gone, &d->n_gone);
		if (!err)
			err = member_limits_delete(db, a, d->row.r.id, STR_NONE, &d->limited,
						   &d->n_limited);
		if (!err)
			err = member_defaults_delete(db, a, &d->row.r, &d->budget);
		if (!err)
			err = team_row_delete(db, d->row.r.id);
	}
	return err;
}

/* The keys first: one that is still there while its team is gone would be without limits. */
static void withdraw(struct delete_call *dc, const struct deleted *d)
{
	for (size_t i = 0; i < d->n_gone; i++)
		keys_withdraw(dc->keys, &d->gone[i]);
	for (size_t i = 0; i < d->n_limited; i++)
		tenants_withdraw(dc->keys, DIR_MEMBER, &d->limited[i]);
	if (d->budget.id)
		tenants_withdraw(dc->keys, DIR_BUDGET, &d->budget);
	teams_withdraw(dc->keys, &d->row.r);
}

static void on_deleted(void *data, int err)
{
	struct delete_call *dc = data;
	struct command_call *c = dc->c;
	if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", "team_ids",
			     "Team not found, passed team_id=" STR_FMT "; nothing was deleted",
			     STR_ARG(dc->missing));
	else if (err && !role_failed(c, err))
		command_fail_store(c, err);
	if (err)
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "deleted_teams");
	for (size_t i = 0; i < dc->n; i++) {
		withdraw(dc, &dc->v[i]);
		json_put_str(&o, NULL, dc->v[i].team_id);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}

/* false: answered. */
static bool take_ids(struct delete_call *dc)
{
	const struct json *j = json_get(dc->c->args, "team_ids");
	size_t room = 256;
	for (const struct json *e = json_is(j, JSON_ARRAY) ? j->child : j; json_is_given(e);
	     e = e == j ? NULL : e->next) {
		struct str s = json_str(dc->c->mem, e);
		if (!s.n || dc->n == DELETE_MAX) {
			command_fail(dc->c, 400, "invalid_request_error", "team_ids",
				     "team_ids must be a list of 1 to %d ids", DELETE_MAX);
			return false;
		}
		dc->v[dc->n++].team_id = s;
		room += 8 + 6 * s.n;
	}
	if (!dc->n)
		command_fail(dc->c, 400, "invalid_request_error", "team_ids",
			     "say which: team_ids");
	else if (buf_reserve(&dc->c->out, room) != 0)
		command_fail_store(dc->c, -ENOMEM);
	else
		return true;
	return false;
}

void teams_delete(struct command_call *c)
{
	struct delete_call *dc = arena_alloc(c->mem, sizeof *dc);
	if (dc)
		*dc = (struct delete_call){ .c = c, .keys = c->master->keys,
					    .v = arena_array(c->mem, DELETE_MAX, sizeof *dc->v) };
	if (!dc || !dc->v) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	if (!take_ids(dc))
		return;
	command_write(dc, delete_job, on_deleted);
}
