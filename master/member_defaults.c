/* SPDX-License-Identifier: MIT
 * member_defaults.c - limits that a team gives to all its members who have none of their own.
 *
 * They are a budget, as with LiteLLM, whose id the team's row keeps; each member has a row that
 * names it. So a change of the one row is a change for all, and no request pays for the rest. */
#include <errno.h>

#include "master/members.h"

enum { UUID_ROOM = 37 };
#define BUDGET_ID "team_member_budget_id"

/* ---- what is asked for. false: answered ---- */

static bool read_limit(struct command_call *c, const char *name, struct member_default *ret)
{
	uint64_t v = 0;
	ret->is_given = json_get(c->args, name) != NULL;
	int err = command_u64(c, name, &v);
	if (err == -EINVAL)
		return false;
	ret->value = v > INT32_MAX ? INT32_MAX : (int64_t)v;
	if (err || v)
		return true;
	command_fail(c, 400, "invalid_request_error", name, "%s must be at least 1", name);
	return false;
}

static bool read_period(struct command_call *c, struct member_defaults *ret)
{
	static const char name[] = "team_member_budget_duration";
	ret->sets_period = json_get(c->args, name) != NULL;
	int err = command_str(c, name, &ret->duration);
	if (err || !ret->duration.n || period_read(ret->duration, &ret->period) == 0)
		return err != -EINVAL;
	command_fail(c, 400, "invalid_request_error", name,
		     "%s must be a number with s, m, h, d, w or mo behind it, such as 30d", name);
	return false;
}

bool member_defaults_read(struct command_call *c, struct member_defaults *ret)
{
	static const char budget[] = "team_member_budget";
	*ret = (struct member_defaults){ .budget.value = MONEY_NONE };
	ret->budget.is_given = json_get(c->args, budget) != NULL;
	if (command_money(c, budget, &ret->budget.value) == -EINVAL ||
	    !read_limit(c, "team_member_rpm_limit", &ret->rpm) ||
	    !read_limit(c, "team_member_tpm_limit", &ret->tpm) || !read_period(c, ret))
		return false;
	ret->are_given = ret->budget.is_given || ret->rpm.is_given || ret->tpm.is_given ||
			 ret->sets_period;
	return true;
}

/* ---- jobs ---- */

static struct str id_in(struct arena *a, struct str object)
{
	struct json_error e;
	if (str_find(object, STR("\"" BUDGET_ID "\"")) == SIZE_MAX)
		return STR_NONE;
	return json_get_str(a, json_parse(a, object, 0, &e), BUDGET_ID);
}

/* Of a team that came from LiteLLM its metadata say it. */
struct str member_defaults_id(struct arena *a, const struct key_row *team)
{
	struct str id = id_in(a, team->extra);
	return id.n ? id : id_in(a, team->metadata);
}

static int keep_id(struct store_db *db, struct arena *a, struct key_row *team, struct str id)
{
	bool failed = false;
	struct sql *q = sql_query(db, "SELECT json_set(?1, '$." BUDGET_ID "', ?2)");
	sql_text(q, 1, team->extra);
	sql_text(q, 2, id);
	int r = sql_row(q);
	if (r > 0)
		team->extra = key_row_text(q, 0, a, &failed);
	sql_end(q);
	return failed || r == 0 ? -ENOMEM : r < 0 ? r : 0;
}

static int make_budget(struct store_db *db, struct command_call *c, uint64_t now_ns,
		       struct key_row *team, struct key_row *ret)
{
	char *p = arena_alloc(c->mem, UUID_ROOM);
	if (!p)
		return -ENOMEM;
	hash_uuid(p);
	*ret = (struct key_row){
		.key_name = str_z(p), .models = STR("[]"), .aliases = STR("{}"),
		.metadata = STR("{}"), .permissions = STR("{}"), .extra = STR("{}"),
		.max_budget = MONEY_NONE, .soft_budget = MONEY_NONE, .spend_since = now_ns,
		.created_at = now_ns, .created_by = key_caller_name(c), .updated_at = now_ns,
	};
	int err = tenant_row_insert(db, tenant_number(DIR_BUDGET), ret);
	return err ? err : keep_id(db, c->mem, team, ret->key_name);
}

int member_defaults_set(struct store_db *db, struct command_call *c, uint64_t now_ns,
			const struct member_defaults *d, struct key_row *team, struct key_row *ret)
{
	struct str id = member_defaults_id(c->mem, team);
	int err = id.n ? tenant_row_find(db, tenant_number(DIR_BUDGET), 0, id, c->mem, ret) :
			 -ENOENT;
	if (err == -ENOENT)
		err = make_budget(db, c, now_ns, team, ret);
	if (err)
		return err;
	if (d->budget.is_given)
		ret->max_budget = d->budget.value;
	if (d->rpm.is_given)
		ret->rpm_limit = d->rpm.value;
	if (d->tpm.is_given)
		ret->tpm_limit = d->tpm.value;
	if (d->sets_period) {
		ret->budget_duration = d->duration;
		ret->budget_reset_at = d->duration.n ? period_reset(d->period, now_ns) : 0;
	}
	ret->updated_at = now_ns;
	ret->updated_by = key_caller_name(c);
	err = tenant_row_update(db, ret);
	return err || !d->sets_period ? err : budget_set_periods(db, ret);
}

static int count_without(struct store_db *db, uint64_t team, size_t *ret)
{
	struct sql *q = sql_query(db, "SELECT count(*) FROM team_members WHERE team = ?");
	sql_int(q, 1, (int64_t)team);
	int r = sql_row(q);
	*ret = r > 0 ? (size_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	return r < 0 ? r : 0;
}

int member_defaults_give(struct store_db *db, struct command_call *c, const struct key_row *team,
			 struct key_row **ret, size_t *ret_n)
{
	struct member_limits limits = { .budget_id = member_defaults_id(c->mem, team),
					.max_budget = MONEY_NONE };
	size_t room, n = 0;
	bool failed = false;
	int r = count_without(db, team->id, &room);
	struct str *users = r ? NULL : arena_array(c->mem, room + 1, sizeof *users);
	*ret = r ? NULL : arena_array(c->mem, room + 1, sizeof **ret);
	if (!users || !*ret)
		return r ? r : -ENOMEM;
	struct sql *q = sql_query(db,
		"SELECT user_id FROM team_members m WHERE team = ?1 AND NOT EXISTS (SELECT 1 FROM"
		" tenants x WHERE x.kind = 5 AND x.owner = ?1 AND x.name = m.user_id"
		" AND x.budget_id IS NOT NULL)");
	sql_int(q, 1, (int64_t)team->id);
	while ((r = sql_row(q)) > 0 && n < room)
		users[n++] = key_row_text(q, 0, c->mem, &failed);
	sql_end(q);
	r = failed ? -ENOMEM : r < 0 ? r : 0;
	for (size_t i = 0; i < n && !r; i++)
		r = member_limit(db, c, team->id, users[i], &limits, &(*ret)[i]);
	*ret_n = r ? 0 : n;
	return r;
}

int member_defaults_delete(struct store_db *db, struct arena *a, const struct key_row *team,
			   struct key_row *ret)
{
	struct str id = id_in(a, team->extra);	/* one that LiteLLM made may be others', too */
	ret->id = 0;
	int err = id.n ? tenant_row_find(db, tenant_number(DIR_BUDGET), 0, id, a, ret) : -ENOENT;
	if (err)
		return err == -ENOENT ? 0 : err;
	return tenant_row_delete(db, ret->id);
}
