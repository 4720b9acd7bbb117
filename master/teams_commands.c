/* SPDX-License-Identifier: MIT
 * teams_commands.c - create, change, delete teams and their members: database first, then
 * directory, then the answer.
 *
 * All keys of a team see a change at once: it is one row that is replaced. A change that the
 * directory cannot take is taken back in the database before the caller is told. Those that
 * are deleted with a team, or with a member of it, are the keys that carry its id. */
#include <errno.h>

#include "common/clock.h"
#include "common/mem.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/newcomers.h"
#include "master/roles.h"
#include "master/teams_private.h"

enum { ID_MAX = 1024, UUID_ROOM = 37 };

/* ---- common ---- */

void team_call_fail(struct team_call *tc, int err)
{
	struct command_call *c = tc->c;
	int conflict = c->kind == CALLER_SOCKET ? 409 : 400;	/* LiteLLM's clients know 400 */
	if (err == -ENOENT && tc->refused.n)
		command_fail(c, 400, "invalid_request_error", "user_id",
			     "User=" STR_FMT " is not in team=" STR_FMT, STR_ARG(tc->refused),
			     STR_ARG(tc->team_id));
	else if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", "team_id",
			     "Team not found, passed team_id=" STR_FMT, STR_ARG(tc->team_id));
	else if (err == -EXDEV)
		command_fail(c, 404, "not_found_error", "organization_id",
			     "There is no organization with organization_id=" STR_FMT,
			     STR_ARG(tc->row.r.organization_id));
	else if (err == -ECHILD)
		command_fail(c, 400, "invalid_request_error", "models",
			     "no model would be left, and a team without any in its list may use "
			     "all: block it instead");
	else if (role_failed(c, err))
		return;
	else if (err == -ENODATA)
		command_fail(c, 400, "invalid_request_error", "budget_id",
			     "There is no budget with budget_id=" STR_FMT,
			     STR_ARG(tc->change.to.budget_id));
	else if (err == -EEXIST && tc->refused.n)
		command_fail(c, conflict, "team_member_already_in_team", "user_id",
			     "User=" STR_FMT " is already in team=" STR_FMT, STR_ARG(tc->refused),
			     STR_ARG(tc->team_id));
	else if (err == -EEXIST)
		command_fail(c, conflict, "invalid_request_error", "team_id",
			     "Team id = " STR_FMT " already exists. Please use a different team id.",
			     STR_ARG(tc->team_id));
	else
		command_fail_store(c, err);
}

struct team_call *team_call_new(struct command_call *c)
{
	struct team_call *tc = command_state(c, sizeof *tc);
	if (!tc)
		return NULL;
	tc->keys = c->master->keys;
	tc->change = (struct key_change){ .now_ns = clock_wall_ns(), .args = c->args };
	return tc;
}

int64_t team_call_spend(const struct team_call *tc)
{
	return keys_settled_of(tc->keys, ENTITY_TEAM | tc->row.r.id, tc->row.r.spend);
}

static struct str random_id(struct arena *a)
{
	char *p = arena_alloc(a, UUID_ROOM);
	if (!p)
		return STR_NONE;
	hash_uuid(p);
	return str_z(p);
}

/* ---- members. false: answered ---- */

static bool refuse_member(struct team_call *tc, const char *arg, const char *what)
{
	command_fail(tc->c, 400, "invalid_request_error", arg, "%s", what);
	return false;
}

static bool take_member(struct team_call *tc, const char *arg, const struct json *j,
			int64_t max_budget)
{
	struct arena *a = tc->c->mem;
	struct team_member m = {
		.user_id = json_get_str(a, j, "user_id"),
		.user_email = json_get_str(a, j, "user_email"),
		.role = json_get_str(a, j, "role"),
		.max_budget = max_budget,
	};
	if (!m.user_email.n)
		m.user_email = STR_NONE;
	if (!m.role.n)
		m.role = STR("user");
	if (!str_eq(m.role, STR("user")) && !str_eq(m.role, STR("admin")))
		return refuse_member(tc, arg, "a member's role is 'admin' or 'user'");
	if (!m.user_id.n && !m.user_email.n)
		return refuse_member(tc, arg, "a member needs user_id or user_email");
	if (m.user_id.n > ID_MAX || m.user_email.n > ID_MAX)
		return refuse_member(tc, arg, "a member's names are longer than 1024 bytes");
	if (!m.user_id.n)
		m.user_id = random_id(a);
	if (!m.user_id.p)
		return command_fail_store(tc->c, -ENOMEM), false;
	tc->members[tc->n_members++] = m;
	return true;
}

bool team_call_take_members(struct team_call *tc, const char *arg, int64_t max_budget)
{
	const struct json *j = NULL;
	size_t n;
	if (!members_read(tc->c, arg, &j, &n))
		return false;
	tc->members = n ? arena_array(tc->c->mem, n, sizeof *tc->members) : NULL;
	if (n && !tc->members)
		return command_fail_store(tc->c, -ENOMEM), false;
	for (size_t i = 0; i < n; i++, j = j->next)
		if (!take_member(tc, arg, j, max_budget))
			return false;
	return true;
}

/* ---- jobs ---- */

static int insert_members(struct team_call *tc, struct store_db *db)
{
	int err = 0;
	for (size_t i = 0; i < tc->n_members && !err; i++) {
		err = team_member_insert(db, tc->row.r.id, &tc->members[i]);
		if (err == -EEXIST)
			tc->refused = tc->members[i].user_id;
	}
	return err;
}

int team_call_limit_members(struct team_call *tc, struct store_db *db)
{
	int err = 0;
	tc->limits.budget_id = member_defaults_id(tc->c->mem, &tc->row.r);
	if (!member_limits_given(&tc->limits) || !tc->n_members)
		return 0;
	tc->limited = arena_array(tc->c->mem, tc->n_members, sizeof *tc->limited);
	if (!tc->limited)
		return -ENOMEM;
	for (size_t i = 0; i < tc->n_members && !err; i++)
		err = member_limit(db, tc->c, tc->row.r.id, tc->members[i].user_id, &tc->limits,
				   &tc->limited[i]);
	tc->n_limited = err ? 0 : tc->n_members;
	return err;
}

int team_call_find(struct team_call *tc, struct store_db *db)
{
	return team_row_find_named(db, tc->c, &tc->team_id, &tc->row);
}

/* A team stays in what its caller administers. */
static int check_organization(struct team_call *tc, struct store_db *db)
{
	int err = role_check_org(tc->c, db, tc->row.r.organization_id);
	return err == -ENOENT ? -EXDEV : err;
}

/* Keys may name a team before there is one: with its id an organization's admin would get them. */
static int check_unnamed(struct team_call *tc, struct store_db *db)
{
	if (!tc->c->own_user.n)
		return 0;
	struct sql *q = sql_query(db, "SELECT 1 FROM keys WHERE team_id = ? LIMIT 1");
	sql_text(q, 1, tc->team_id);
	int r = sql_row(q);
	sql_end(q);
	return r > 0 ? -EEXIST : r;
}

static int set_defaults(struct team_call *tc, struct store_db *db)
{
	if (!tc->defaults.are_given)
		return 0;
	return member_defaults_set(db, tc->c, tc->change.now_ns, &tc->defaults, &tc->row.r,
				   &tc->budget);
}

static int give_defaults(struct team_call *tc, struct store_db *db)
{
	if (!tc->defaults.are_given)
		return 0;
	return member_defaults_give(db, tc->c, &tc->row.r, &tc->limited, &tc->n_limited);
}

static int create_job(struct store_db *db, void *data)
{
	struct team_call *tc = data;
	int err = role_check_command(tc->c, db);
	if (!err)
		err = check_organization(tc, db);
	if (!err)
		err = check_unnamed(tc, db);
	if (!err)
		err = budget_adopt(db, tc->c->mem, tc->change.now_ns, &tc->row.r);
	if (!err)
		err = set_defaults(tc, db);
	if (!err)
		err = team_row_insert(db, &tc->row.r);
	if (!err)
		err = insert_members(tc, db);
	if (!err)
		err = give_defaults(tc, db);
	return err ? err : team_call_find(tc, db);
}

static int change_job(struct store_db *db, void *data)
{
	struct team_call *tc = data;
	int err = role_check_command(tc->c, db);
	if (!err)
		err = (tc->check ? tc->check : role_check_team_org)(tc->c, db, tc->team_id);
	if (!err)
		err = team_call_find(tc, db);
	if (err)
		return err;
	tc->before = tc->row.r;
	err = key_change_apply(&tc->change, tc->c->mem, &tc->row.r);
	if (!err && (tc->change.to.budget_id.n || !tc->row.r.budget_id.n))
		err = budget_change(db, tc->c->mem, tc->change.now_ns, &tc->before,
				    key_change_sets_period(&tc->change), &tc->row.r);
	if (err)
		return err;
	if (!str_eq(tc->before.organization_id, tc->row.r.organization_id))
		err = check_organization(tc, db);
	tc->row.r.updated_by = key_caller_name(tc->c);
	if (!err && tc->edit)
		err = tc->edit(tc, &tc->row.r);
	if (!err)
		err = set_defaults(tc, db);
	if (!err)
		err = team_row_update(db, &tc->row.r);
	return err ? err : give_defaults(tc, db);
}

static int undo_job(struct store_db *db, void *data)
{
	struct team_call *tc = data;
	if (!tc->is_new)
		return team_row_update(db, &tc->before);
	int err = member_limits_delete(db, tc->c->mem, tc->row.r.id, STR_NONE, &tc->limited,
				       &tc->n_limited);
	if (!err && tc->budget.id)
		err = tenant_row_delete(db, tc->budget.id);
	return err ? err : team_row_delete(db, tc->row.r.id);
}

static void on_undone(void *data, int err)
{
	struct team_call *tc = data;
	key_fail_unpublished(tc->c, "team", tc->row.r.id, tc->undo_why, err);
}

/* ---- the answer ---- */

/* The row itself; an update wraps it as LiteLLM's does. */
static void answer_team(struct team_call *tc)
{
	struct command_call *c = tc->c;
	struct json_out o = json_out(&c->out);
	bool is_wrapped = c->command->run == teams_update;
	if (tc->answer) {
		tc->answer(tc);
		return;
	}
	json_open(&o, NULL);
	if (is_wrapped) {
		json_put_str(&o, "team_id", tc->team_id);
		json_open(&o, "data");
	}
	team_put(&o, &tc->row.r, team_call_spend(tc), tc->row.members);
	if (is_wrapped)
		json_close(&o);
	key_put_warnings(&o, tc->change.warnings, tc->change.n_warnings);
	json_close(&o);
	command_finish(c);
}

static size_t answer_room(const struct team_call *tc)
{
	size_t texts = 0;
	for (size_t i = 0; i < tc->change.n_warnings; i++)
		texts += tc->change.warnings[i].n;
	return key_put_room(&tc->row.r) + tc->row.members.n + 6 * (texts + tc->team_id.n);
}

/* What members have first: a team without is one that limits them less. */
static int publish(struct team_call *tc)
{
	int err = tc->budget.id ? tenants_publish(tc->keys, DIR_BUDGET, &tc->budget) : 0;
	for (size_t i = 0; i < tc->n_limited && !err; i++)
		err = tenants_publish(tc->keys, DIR_MEMBER, &tc->limited[i]);
	return err ? err : teams_publish(tc->keys, &tc->row.r);
}

static void on_written(void *data, int err)
{
	struct team_call *tc = data;
	if (err) {
		team_call_fail(tc, err);
		return;
	}
	err = buf_reserve(&tc->c->out, answer_room(tc));
	if (!err)
		err = publish(tc);
	if (err && tc->budget.id && !tc->is_new) {
		key_fail_unpublished(tc->c, "team", tc->row.r.id, err, err);
		return;
	}
	if (err) {
		tc->undo_why = err;
		err = store_write(tc->keys->store, undo_job, on_undone, tc);
		if (err)
			on_undone(tc, err);
		return;
	}
	if (!tc->is_new) {
		keys_forget_rates(tc->keys, ENTITY_TEAM | tc->row.r.id, &tc->before, &tc->row.r);
		if (key_change_sets_spend(&tc->change))
			keys_move_settled(tc->keys, ENTITY_TEAM | tc->row.r.id, tc->row.r.spend,
					  true);
	}
	answer_team(tc);
}

void team_call_start(struct team_call *tc, store_job_fn *job, store_done_fn *done)
{
	int err = store_write(tc->keys->store, job, done, tc);
	if (err)
		team_call_fail(tc, err);
}

/* ---- create and change ---- */

bool team_call_take_id(struct team_call *tc)
{
	int err = command_str(tc->c, "team_id", &tc->team_id);
	if (err == -EINVAL)
		return false;
	if (tc->team_id.n > ID_MAX) {
		command_fail(tc->c, 400, "invalid_request_error", "team_id",
			     "team_id is longer than 1024 bytes");
		return false;
	}
	return true;
}

static void start_row(struct team_call *tc)
{
	uint64_t now_ns = tc->change.now_ns;
	tc->row.r = (struct key_row){
		.team_id = tc->team_id, .models = STR("[]"), .aliases = STR("{}"),
		.metadata = STR("{}"), .extra = STR("{}"), .max_budget = MONEY_NONE,
		.soft_budget = MONEY_NONE, .spend_since = now_ns, .created_at = now_ns,
		.created_by = key_caller_name(tc->c), .updated_by = key_caller_name(tc->c),
	};
}

void teams_new(struct command_call *c)
{
	struct team_call *tc = team_call_new(c);
	if (!tc || !team_call_take_id(tc) || !team_permissions_are_valid(c) ||
	    !member_defaults_read(c, &tc->defaults) ||
	    key_change_read(c, FIELDS_OF_TEAM, &tc->change) != 0 ||
	    !team_call_take_members(tc, "members_with_roles", MONEY_NONE))
		return;
	if (!tc->team_id.n)
		tc->team_id = random_id(c->mem);
	team_permissions_warn(tc);
	tc->is_new = true;
	start_row(tc);
	int err = tc->team_id.p ? key_change_apply(&tc->change, c->mem, &tc->row.r) : -ENOMEM;
	if (err)
		team_call_fail(tc, err);
	else
		team_call_start(tc, create_job, on_written);
}

void teams_update(struct command_call *c)
{
	struct team_call *tc = team_call_new(c);
	if (!tc || !team_call_take_id(tc) || !team_permissions_are_valid(c) ||
	    !member_defaults_read(c, &tc->defaults) ||
	    key_change_read(c, FIELDS_OF_TEAM, &tc->change) != 0)
		return;
	team_permissions_warn(tc);
	team_call_change(tc);
}

void team_call_change(struct team_call *tc)
{
	team_call_start(tc, change_job, on_written);
}

static int edit_block(struct team_call *tc, struct key_row *row)
{
	(void)tc;
	row->blocked = true;
	return 0;
}

static int edit_unblock(struct team_call *tc, struct key_row *row)
{
	(void)tc;
	row->blocked = false;
	return 0;
}

static void change_blocked(struct command_call *c,
			   int (*edit)(struct team_call *tc, struct key_row *row))
{
	struct team_call *tc = team_call_new(c);
	if (!tc || !team_call_take_id(tc))
		return;
	tc->edit = edit;
	team_call_change(tc);
}

void teams_block(struct command_call *c)
{
	change_blocked(c, edit_block);
}

void teams_unblock(struct command_call *c)
{
	change_blocked(c, edit_unblock);
}

/* ---- members ---- */

/* A user takes itself, as no admin and with no limits but those that all have, into a team that is
 * there for it. */
static bool is_joining(struct team_call *tc)
{
	const struct team_member *m = tc->members;
	return tc->c->own_user.n && tc->n_members == 1 && str_eq(m->user_id, tc->c->own_user) &&
	       str_eq_z(m->role, "user") && !member_limits_given(&tc->limits) &&
	       team_is_available(tc->c, tc->team_id);
}

static int add_job(struct store_db *db, void *data)
{
	struct team_call *tc = data;
	int err = role_check_team(tc->c, db, tc->team_id, true);
	if (err == -EACCES && tc->is_joining)
		err = 0;
	if (!err)
		err = team_call_find(tc, db);
	if (!err)
		err = insert_members(tc, db);
	if (!err)
		err = team_call_limit_members(tc, db);
	return err ? err : team_call_find(tc, db);
}

static void put_updated(const struct team_call *tc, struct json_out *o)
{
	json_open_array(o, "updated_users");
	for (size_t i = 0; i < tc->n_members; i++) {
		json_open(o, NULL);
		json_put_str(o, "user_id", tc->members[i].user_id);
		json_put_str(o, "user_email", tc->members[i].user_email);
		json_close(o);
	}
	json_close_array(o);
	json_put_raw(o, "updated_team_memberships", tc->row.memberships);
}

static void answer_members(struct team_call *tc, bool is_added)
{
	struct json_out o = json_out(&tc->c->out);
	json_open(&o, NULL);
	team_put(&o, &tc->row.r, team_call_spend(tc), tc->row.members);
	if (is_added)
		put_updated(tc, &o);
	key_put_warnings(&o, tc->change.warnings, tc->change.n_warnings);
	json_close(&o);
	command_finish(tc->c);
}

bool team_call_publish_members(struct team_call *tc, int err)
{
	if (err) {
		team_call_fail(tc, err);
		return false;
	}
	for (size_t i = 0; i < tc->n_limited; i++) {
		err = tenants_publish(tc->keys, DIR_MEMBER, &tc->limited[i]);
		if (err) {
			key_fail_unpublished(tc->c, "member", tc->limited[i].id, err, err);
			return false;
		}
	}
	return true;
}

static void on_added(void *data, int err)
{
	struct team_call *tc = data;
	if (team_call_publish_members(tc, err))
		answer_members(tc, true);
}

void teams_member_add(struct command_call *c)
{
	struct team_call *tc = team_call_new(c);
	if (!tc || !team_call_take_id(tc) || !member_limits_read(c, &tc->limits) ||
	    !team_call_take_members(tc, "member", tc->limits.max_budget))
		return;
	if (!tc->n_members) {
		command_fail(c, 400, "invalid_request_error", "member",
			     "member must be an object with user_id or user_email");
		return;
	}
	tc->is_joining = is_joining(tc);
	team_call_start(tc, add_job, on_added);
}

static int member_delete_job(struct store_db *db, void *data)
{
	struct team_call *tc = data;
	struct team_member *m = tc->members;
	int err = role_check_team(tc->c, db, tc->team_id, true);
	if (!err)
		err = team_call_find(tc, db);
	if (err)
		return err;
	tc->refused = m->user_id.n ? m->user_id : m->user_email;
	err = team_member_delete(db, tc->row.r.id, m, tc->c->mem);
	if (!err)
		err = team_keys_delete(db, tc->team_id, m->user_id, tc->c->mem, clock_wall_ns(),
				       key_caller_name(tc->c), &tc->gone, &tc->n_gone);
	if (!err)
		err = member_limits_delete(db, tc->c->mem, tc->row.r.id, m->user_id, &tc->limited,
					   &tc->n_limited);
	return err ? err : team_call_find(tc, db);
}

static void on_member_deleted(void *data, int err)
{
	struct team_call *tc = data;
	if (err) {
		team_call_fail(tc, err);
		return;
	}
	for (size_t i = 0; i < tc->n_gone; i++)
		keys_withdraw(tc->keys, &tc->gone[i]);
	for (size_t i = 0; i < tc->n_limited; i++)
		tenants_withdraw(tc->keys, DIR_MEMBER, &tc->limited[i]);
	answer_members(tc, false);
}

void teams_member_delete(struct command_call *c)
{
	struct team_call *tc = team_call_new(c);
	if (!tc || !team_call_take_id(tc))
		return;
	struct team_member *m = tc->members = arena_alloc(c->mem, sizeof *m);
	if (!m) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	if (command_str(c, "user_id", &m->user_id) == -EINVAL ||
	    command_str(c, "user_email", &m->user_email) == -EINVAL)
		return;
	if (m->user_id.n || m->user_email.n)
		team_call_start(tc, member_delete_job, on_member_deleted);
	else
		command_fail(c, 400, "invalid_request_error", "user_id",
			     "say who: user_id or user_email");
}
