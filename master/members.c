/* SPDX-License-Identifier: MIT
 * members.c - limits of members of a team, and the command that changes one; see members.h. */
#include "master/members.h"

#include <errno.h>

#include "common/clock.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/roles.h"
#include "master/teams.h"

enum { MEMBERS_MAX = 1000 };

static bool refuse_members(struct command_call *c, const char *name, const char *what)
{
	command_fail(c, 400, "invalid_request_error", name, "%s", what);
	return false;
}

bool members_read(struct command_call *c, const char *name, const struct json **ret, size_t *ret_n)
{
	struct json_error e;
	const struct json *j = json_get(c->args, name);
	*ret_n = 0;
	if (json_is(j, JSON_STRING))		/* a command line's */
		j = json_parse(c->mem, json_str(c->mem, j), JSON_ONE_KEY, &e);
	bool is_list = json_is(j, JSON_ARRAY);
	if (!json_is_given(json_get(c->args, name)))
		return true;
	if (!is_list && !json_is(j, JSON_OBJECT))
		return refuse_members(c, name, "members must be an object or a list of them");
	if (is_list && j->count > MEMBERS_MAX)
		return refuse_members(c, name, "at most 1000 members at once");
	for (const struct json *m = is_list ? j->child : NULL; m; m = m->next)
		if (!json_is(m, JSON_OBJECT))
			return refuse_members(c, name, "a member must be an object");
	*ret = is_list ? j->child : j;
	*ret_n = is_list ? j->count : 1;
	return true;
}

bool member_limits_given(const struct member_limits *l)
{
	return l->sets_budget || l->sets_rpm || l->sets_tpm || l->budget_id.n;
}

/* null takes a limit away. */
static bool is_named(struct command_call *c, const char *name)
{
	return json_get(c->args, name) != NULL;
}

bool member_limits_read(struct command_call *c, struct member_limits *ret)
{
	uint64_t rpm = 0, tpm = 0;
	*ret = (struct member_limits){ .max_budget = MONEY_NONE };
	ret->sets_budget = is_named(c, "max_budget_in_team");
	ret->sets_rpm = is_named(c, "rpm_limit");
	ret->sets_tpm = is_named(c, "tpm_limit");
	if (command_money(c, "max_budget_in_team", &ret->max_budget) == -EINVAL ||
	    command_u64(c, "rpm_limit", &rpm) == -EINVAL ||
	    command_u64(c, "tpm_limit", &tpm) == -EINVAL)
		return false;
	ret->rpm = rpm > INT32_MAX ? INT32_MAX : (int64_t)rpm;
	ret->tpm = tpm > INT32_MAX ? INT32_MAX : (int64_t)tpm;
	return true;
}

struct key_row member_row_new(struct command_call *c, uint64_t team, struct str user_id,
			      uint64_t now_ns)
{
	return (struct key_row){
		.owner = team, .key_name = user_id, .models = STR("[]"), .aliases = STR("{}"),
		.metadata = STR("{}"), .permissions = STR("{}"), .extra = STR("{}"),
		.max_budget = MONEY_NONE, .soft_budget = MONEY_NONE, .spend_since = now_ns,
		.created_at = now_ns, .created_by = key_caller_name(c),
	};
}

/* A budget that is gone limits nobody. */
static int adopt(struct store_db *db, struct arena *a, uint64_t now_ns, struct str budget_id,
		 struct key_row *row)
{
	if (!budget_id.n || row->budget_id.n)
		return 0;
	row->budget_id = budget_id;
	int err = budget_adopt(db, a, now_ns, row);
	if (err == -ENODATA)
		row->budget_id = STR_NONE;
	return err == -ENODATA ? 0 : err;
}

int member_limit(struct store_db *db, struct command_call *c, uint64_t team, struct str user_id,
		 const struct member_limits *l, struct key_row *ret)
{
	int64_t kind = tenant_number(DIR_MEMBER);
	uint64_t now_ns = clock_wall_ns();
	int err = tenant_row_find(db, kind, team, user_id, c->mem, ret);
	bool is_new = err == -ENOENT;
	if (err && !is_new)
		return err;
	if (is_new)
		*ret = member_row_new(c, team, user_id, now_ns);
	if (l->sets_budget)
		ret->max_budget = l->max_budget;
	if (l->sets_rpm)
		ret->rpm_limit = l->rpm;
	if (l->sets_tpm)
		ret->tpm_limit = l->tpm;
	err = adopt(db, c->mem, now_ns, l->budget_id, ret);
	if (err)
		return err;
	ret->updated_at = now_ns;
	ret->updated_by = key_caller_name(c);
	return is_new ? tenant_row_insert(db, kind, ret) : tenant_row_update(db, ret);
}

int member_limits_delete(struct store_db *db, struct arena *a, uint64_t team, struct str user_id,
			 struct key_row **ret, size_t *ret_n)
{
	struct key_row *v;
	size_t n, kept = 0;
	int err = tenant_rows_of(db, tenant_number(DIR_MEMBER), team, STR_NONE, a, &v, &n);
	for (size_t i = 0; i < n && !err; i++) {
		if (user_id.n && !str_eq(v[i].key_name, user_id))
			continue;
		err = tenant_row_delete(db, v[i].id);
		v[kept++] = v[i];
	}
	*ret = v;
	*ret_n = err ? 0 : kept;
	return err;
}

/* ---- /team/member_update ---- */

struct update_call {
	struct command_call *c;
	struct keys *keys;
	struct str team_id, user_id, email, role;
	struct member_limits limits;
	struct key_row row;
	bool is_member;			/* else the team is missing, or the member */
};

static int find_member(struct update_call *uc, struct store_db *db, uint64_t team)
{
	bool failed = false;
	struct sql *q = sql_query(db,
		"SELECT user_id, user_email, role FROM team_members WHERE team = ?1"
		" AND CASE WHEN ?2 IS NULL THEN user_email = ?3 ELSE user_id = ?2 END");
	sql_int(q, 1, (int64_t)team);
	sql_text(q, 2, uc->user_id.n ? uc->user_id : STR_NONE);
	sql_text(q, 3, uc->email);
	int r = sql_row(q);
	uc->is_member = r > 0;
	if (r > 0) {
		uc->user_id = key_row_text(q, 0, uc->c->mem, &failed);
		uc->email = key_row_text(q, 1, uc->c->mem, &failed);
		if (!uc->role.n)
			uc->role = key_row_text(q, 2, uc->c->mem, &failed);
	}
	sql_end(q);
	return failed ? -ENOMEM : r > 0 ? 0 : r < 0 ? r : -ENODATA;
}

static int update_job(struct store_db *db, void *data)
{
	struct update_call *uc = data;
	struct team_row team;
	int err = role_check_team(uc->c, db, uc->team_id, true);
	if (!err)
		err = team_row_find_named(db, uc->c, &uc->team_id, &team);
	if (!err)
		err = find_member(uc, db, team.r.id);
	if (err)
		return err;
	struct sql *q = sql_query(db,
		"UPDATE team_members SET role = ?3 WHERE team = ?1 AND user_id = ?2");
	sql_int(q, 1, (int64_t)team.r.id);
	sql_text(q, 2, uc->user_id);
	sql_text(q, 3, uc->role);
	err = sql_run(q);
	if (err || !member_limits_given(&uc->limits))
		return err;
	return member_limit(db, uc->c, team.r.id, uc->user_id, &uc->limits, &uc->row);
}

static void answer(struct update_call *uc)
{
	struct json_out o = json_out(&uc->c->out);
	json_open(&o, NULL);
	json_put_str(&o, "team_id", uc->team_id);
	json_put_str(&o, "user_id", uc->user_id);
	json_put_str(&o, "user_email", uc->email);
	json_put_str(&o, "role", uc->role);
	if (uc->row.id && uc->row.max_budget >= 0)
		json_put_money(&o, "max_budget_in_team", uc->row.max_budget);
	else
		json_put_null(&o, "max_budget_in_team");
	key_put_limit(&o, "tpm_limit", uc->row.tpm_limit);
	key_put_limit(&o, "rpm_limit", uc->row.rpm_limit);
	json_close(&o);
	command_finish(uc->c);
}

static void on_updated(void *data, int err)
{
	struct update_call *uc = data;
	struct command_call *c = uc->c;
	if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", "team_id",
			     "Team not found, passed team_id=" STR_FMT, STR_ARG(uc->team_id));
	else if (role_failed(c, err))
		return;
	else if (err == -ENODATA)
		command_fail(c, 400, "invalid_request_error", "user_id",
			     "User=" STR_FMT " is not in team=" STR_FMT,
			     STR_ARG(uc->user_id.n ? uc->user_id : uc->email),
			     STR_ARG(uc->team_id));
	else if (err)
		command_fail_store(c, err);
	if (err)
		return;
	err = uc->row.id ? tenants_publish(uc->keys, DIR_MEMBER, &uc->row) : 0;
	if (err)
		key_fail_unpublished(c, "member", uc->row.id, err, err);
	else
		answer(uc);
}

void teams_member_update(struct command_call *c)
{
	struct update_call *uc = command_state(c, sizeof *uc);
	if (!uc)
		return;
	uc->keys = c->master->keys;
	if (command_str(c, "team_id", &uc->team_id) != 0 ||
	    command_str(c, "user_id", &uc->user_id) == -EINVAL ||
	    command_str(c, "user_email", &uc->email) == -EINVAL ||
	    command_str(c, "role", &uc->role) == -EINVAL || !member_limits_read(c, &uc->limits))
		return;
	if (uc->role.n && !str_eq(uc->role, STR("admin")) && !str_eq(uc->role, STR("user")))
		command_fail(c, 400, "invalid_request_error", "role",
			     "a member's role is 'admin' or 'user'");
	else if (!uc->user_id.n && !uc->email.n)
		command_fail(c, 400, "invalid_request_error", "user_id",
			     "say who: user_id or user_email");
	else {
		command_write(uc, update_job, on_updated);
	}
}
