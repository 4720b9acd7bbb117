/* SPDX-License-Identifier: MIT
 * import_members.c - what members of another gateway's teams may spend there, and have spent;
 * and who is a member of an organization, as what.
 *
 * Their limits stand in a budget there, and so they do here: the row names it. A member of a team
 * who has none has no row, as everywhere (members.h), and what that member has spent is in the
 * team's sum. */
#include <errno.h>

#include "common/clock.h"
#include "master/command_job.h"
#include "master/import_rows.h"
#include "master/master.h"
#include "master/members.h"
#include "master/store.h"

struct membership {			/* a row of LiteLLM_TeamMembership, or of organizations' */
	struct str user, of, budget, role;	/* of: the team or the organization */
	int64_t spend;
	struct key_row row;
	bool is_changed;
};
struct members_page {
	struct command_call *c;
	bool overwrite, is_org;
	struct membership *v;
	struct import_result *results;
	size_t n;
};

static int is_member(struct store_db *db, int64_t team, struct str user)
{
	struct sql *q = sql_query(db,
		"SELECT 1 FROM team_members WHERE team = ? AND user_id = ?");
	sql_int(q, 1, team);
	sql_text(q, 2, user);
	int r = sql_row(q);
	sql_end(q);
	return r;
}

/* 0; *ret_why says what is missing, if anything is. Or -errno. */
static int find_team(struct store_db *db, const struct membership *m, int64_t *ret_team,
		     const char **ret_why)
{
	int r = import_find_team(db, m->of, ret_team);
	if (r == 0)
		*ret_why = "there is no such team";
	if (r <= 0)
		return r;
	r = is_member(db, *ret_team, m->user);
	if (r == 0)
		*ret_why = "the team has no such member";
	return r < 0 ? r : 0;
}

/* The same. The user's row tells the address. */
static int find_organization(struct store_db *db, struct members_page *p, struct membership *m,
			     int64_t *ret, struct str *ret_email, const char **ret_why)
{
	struct key_row org, user;
	int err = tenant_row_find(db, tenant_number(DIR_ORGANIZATION), 0, m->of, p->c->mem, &org);
	if (err == -ENOENT)
		*ret_why = "there is no such organization";
	if (err)
		return err == -ENOENT ? 0 : err;
	err = tenant_row_find(db, tenant_number(DIR_USER), 0, m->user, p->c->mem, &user);
	if (err == -ENOENT)
		*ret_why = "there is no such user";
	if (err)
		return err == -ENOENT ? 0 : err;
	*ret = (int64_t)org.id;
	*ret_email = user.email;
	return 0;
}

static int write_row(struct store_db *db, struct members_page *p, struct membership *m,
		     int64_t owner, struct str email, struct import_result *result)
{
	int64_t kind = tenant_number(p->is_org ? DIR_ORGANIZATION_MEMBER : DIR_MEMBER);
	uint64_t now_ns = clock_wall_ns();
	int err = tenant_row_find(db, kind, (uint64_t)owner, m->user, p->c->mem, &m->row);
	bool is_new = err == -ENOENT;
	if (err && !is_new)
		return err;
	if (!is_new && !p->overwrite) {
		result->result = "exists";
		return 0;
	}
	if (is_new)
		m->row = member_row_new(p->c, (uint64_t)owner, m->user, now_ns);
	m->row.budget_id = m->budget.n ? m->budget : STR_NONE;
	m->row.role = m->role;
	m->row.email = email;
	m->row.spend = m->spend;
	m->row.updated_at = now_ns;
	m->row.updated_by = key_caller_name(p->c);
	err = budget_adopt(db, p->c->mem, now_ns, &m->row);
	if (err == -ENODATA) {
		result->why = "there is no such budget";
		return 0;
	}
	if (!err)
		err = is_new ? tenant_row_insert(db, kind, &m->row)
			     : tenant_row_update(db, &m->row);
	m->is_changed = !err;
	result->result = is_new ? "created" : "replaced";
	return err;
}

static int members_job(struct store_db *db, void *data)
{
	struct members_page *p = data;
	for (size_t i = 0; i < p->n; i++) {
		struct membership *m = &p->v[i];
		struct import_result *result = &p->results[i];
		struct str email = STR_NONE;
		int64_t owner = 0;
		int err = 0;
		if (!result->why)
			err = p->is_org ? find_organization(db, p, m, &owner, &email, &result->why)
					: find_team(db, m, &owner, &result->why);
		if (!err && !result->why && !p->is_org && !m->budget.n)
			result->result = "exists";
		else if (!err && !result->why)
			err = write_row(db, p, m, owner, email, result);
		if (err)
			return err;
	}
	return 0;
}

/* What was spent is on the board already when the row is an old one. A member of an organization
 * that has no limit there has no row in the directory. */
static int publish(struct members_page *p, const struct membership *m)
{
	struct keys *keys = p->c->master->keys;
	enum dir_kind kind = p->is_org ? DIR_ORGANIZATION_MEMBER : DIR_MEMBER;
	if (!m->is_changed || (p->is_org && !m->row.budget_id.n && !m->spend))
		return 0;
	int err = tenants_publish(keys, kind, &m->row);
	if (!err)
		keys_move_settled(keys, ENTITY_OF(kind) | m->row.id, m->spend, true);
	return err;
}

static void on_written(void *data, int err)
{
	struct members_page *p = data;
	if (err) {
		command_fail_store(p->c, err);
		return;
	}
	for (size_t i = 0; i < p->n; i++)
		if (publish(p, &p->v[i]) != 0)
			p->results[i].why = "it is in force from the gateway's next start on: there "
					    "is no room for more limits (max_keys)";
	import_answer(p->c, p->results, p->n);
}

static bool is_role(struct str s)
{
	return str_eq_z(s, "org_admin") || str_eq_z(s, "internal_user") ||
	       str_eq_z(s, "internal_user_viewer");
}

static const char *read_row(const struct members_page *p, const struct json *row,
			    struct membership *m)
{
	struct arena *a = p->c->mem;
	m->user = json_get_str(a, row, "user_id");
	m->of = json_get_str(a, row, p->is_org ? "organization_id" : "team_id");
	m->budget = json_get_str(a, row, "budget_id");
	if (p->is_org) {
		struct str role = json_get_str(a, row, "user_role");
		m->role = role.n ? role : STR("internal_user");
		if (!is_role(m->role))
			return "user_role is not org_admin, internal_user or internal_user_viewer";
	}
	if (!m->user.n || !m->of.n)
		return p->is_org ? "user_id or organization_id is empty"
				 : "user_id or team_id is empty";
	return import_money(row, "spend", &m->spend) < 0 ? "spend is no amount of dollars" : NULL;
}

void import_members(struct command_call *c, const struct json *rows, bool overwrite, bool is_org)
{
	struct members_page *p = arena_alloc(c->mem, sizeof *p);
	struct membership *v = arena_array(c->mem, rows->count + 1, sizeof *v);
	struct import_result *results = arena_array(c->mem, rows->count + 1, sizeof *results);
	if (!p || !v || !results) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	*p = (struct members_page){ .c = c, .overwrite = overwrite, .is_org = is_org, .v = v,
				    .results = results };
	for (const struct json *j = rows->child; j; j = j->next, p->n++) {
		results[p->n].why = read_row(p, j, &v[p->n]);
		results[p->n].name = v[p->n].user;
	}
	command_write(p, members_job, on_written);
}
