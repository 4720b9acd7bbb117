/* SPDX-License-Identifier: MIT
 * org_members.c - members of organizations: who they are, who of them are its admins, and what
 * each may spend there.
 *
 * A row without a limit is not published: no request goes by it, and roles_check.c reads it from
 * the database. A user that nobody knows yet is made, as with LiteLLM, without a key. */
#include <errno.h>

#include "common/clock.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/members.h"
#include "master/newcomers.h"
#include "master/roles.h"

enum { ID_MAX = 1000, UUID_ROOM = 37 };

struct org_member {
	struct str user_id, email, role;
	struct key_row row, user;
	bool is_new_user;
};
struct org_call {			/* lives in the call's arena */
	struct command_call *c;
	struct keys *keys;
	struct str organization_id;
	struct key_row organization;
	struct org_member *v, *refused;
	size_t n;
	uint64_t now_ns;
	bool sets_budget;
	int64_t max_budget;
	struct key_change defaults;	/* what a user who is made gets */
};

/* ---- common ---- */

static const struct str default_role = { "internal_user", 13 };

static bool refuse(struct org_call *oc, const char *arg, const char *what)
{
	command_fail(oc->c, 400, "invalid_request_error", arg, "%s", what);
	return false;
}

static bool is_role(struct str s)
{
	return str_eq(s, STR("org_admin")) || str_eq(s, default_role) ||
	       str_eq(s, STR("internal_user_viewer"));
}

/* false: answered. */
static bool check_member(struct org_call *oc, const char *arg, const struct org_member *m)
{
	if (m->role.n && !is_role(m->role))
		return refuse(oc, arg, "a member's role is 'org_admin', 'internal_user' or "
				       "'internal_user_viewer'");
	if (!m->user_id.n && !m->email.n)
		return refuse(oc, arg, "say who: user_id or user_email");
	if (m->user_id.n > ID_MAX || m->email.n > ID_MAX)
		return refuse(oc, arg, "a member's names are longer than 1000 bytes");
	return true;
}

static void fail(struct org_call *oc, int err)
{
	struct command_call *c = oc->c;
	const struct org_member *m = oc->refused;
	int conflict = c->kind == CALLER_SOCKET ? 409 : 400;	/* LiteLLM's clients know 400 */
	if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", "organization_id",
			     "There is no organization with organization_id=" STR_FMT,
			     STR_ARG(oc->organization_id));
	else if (err == -EEXIST && m)
		command_fail(c, conflict, "invalid_request_error", "user_id",
			     "User=" STR_FMT " is already in organization=" STR_FMT,
			     STR_ARG(m->user_id), STR_ARG(oc->organization_id));
	else if (err == -ENODATA && m)
		command_fail(c, 404, "not_found_error", "user_id",
			     "User=" STR_FMT " is not in organization=" STR_FMT,
			     STR_ARG(m->user_id.n ? m->user_id : m->email),
			     STR_ARG(oc->organization_id));
	else if (!role_failed(c, err))
		command_fail_store(c, err);
}

/* NULL: answered. */
static struct org_call *call_new(struct command_call *c)
{
	struct org_call *oc = command_state(c, sizeof *oc);
	if (!oc)
		return NULL;
	*oc = (struct org_call){ .c = c, .keys = c->master->keys, .now_ns = clock_wall_ns(),
				 .max_budget = MONEY_NONE };
	oc->sets_budget = json_get(c->args, "max_budget_in_organization") != NULL;
	if (command_str(c, "organization_id", &oc->organization_id) != 0 ||
	    command_money(c, "max_budget_in_organization", &oc->max_budget) == -EINVAL)
		return NULL;		/* the id is required: command_run() has seen it */
	return oc;
}

static void start(struct org_call *oc, store_job_fn *job, store_done_fn *done)
{
	int err = store_write(oc->keys->store, job, done, oc);
	if (err)
		fail(oc, err);
}

static int find_organization(struct org_call *oc, struct store_db *db)
{
	int err = role_check_command(oc->c, db);
	if (!err)
		err = role_check_org(oc->c, db, oc->organization_id);
	return err ? err : tenant_row_find(db, tenant_number(DIR_ORGANIZATION), 0,
					   oc->organization_id, oc->c->mem, &oc->organization);
}

static void put_membership(const struct org_call *oc, struct json_out *o,
			   const struct org_member *m)
{
	json_put_str(o, "user_id", m->row.key_name);
	json_put_str(o, "user_email", m->row.email);
	json_put_str(o, "organization_id", oc->organization_id);
	json_put_str(o, "user_role", m->row.role);
	json_put_money(o, "spend", tenant_spend(oc->keys, DIR_ORGANIZATION_MEMBER, &m->row));
	json_put_str(o, "budget_id", m->row.budget_id);
	key_put_money(o, "max_budget_in_organization", m->row.max_budget);
	json_put_time(o, "created_at", m->row.created_at);
	json_put_time(o, "updated_at", m->row.updated_at);
}

/* One whose limit was taken away stays published, and goes on being counted. 0; or answered. */
static int publish(struct org_call *oc, const struct org_member *m)
{
	if (!oc->sets_budget && !m->row.budget_id.n)
		return 0;
	int err = tenants_publish(oc->keys, DIR_ORGANIZATION_MEMBER, &m->row);
	if (err)
		key_fail_unpublished(oc->c, "member", m->row.id, err, err);
	return err;
}

void org_member_withdraw(struct keys *keys, const struct key_row *row)
{
	uint32_t entity;
	if (entities_find(&keys->entities, ENTITY_OF(DIR_ORGANIZATION_MEMBER) | row->id, &entity))
		tenants_withdraw(keys, DIR_ORGANIZATION_MEMBER, row);
}

/* ---- added ---- */

static struct key_row new_row(struct command_call *c, struct str name, uint64_t now_ns)
{
	struct str by = key_caller_name(c);
	return (struct key_row){
		.key_name = name, .models = STR("[]"), .aliases = STR("{}"),
		.metadata = STR("{}"), .permissions = STR("{}"), .extra = STR("{}"),
		.max_budget = MONEY_NONE, .soft_budget = MONEY_NONE, .spend_since = now_ns,
		.created_at = now_ns, .created_by = by, .updated_at = now_ns, .updated_by = by,
	};
}

int org_member_join(struct store_db *db, struct command_call *c, struct str organization_id,
		    const struct key_row *user)
{
	struct key_row org, row = new_row(c, user->key_name, user->created_at);
	bool looks = str_eq(user->role, STR("internal_user_viewer"));
	int err = role_check_org(c, db, organization_id);
	if (!err)
		err = tenant_row_find(db, tenant_number(DIR_ORGANIZATION), 0, organization_id,
				      c->mem, &org);
	if (err)
		return err;
	row.owner = org.id;
	row.email = user->email;
	row.role = looks ? user->role : default_role;
	return tenant_row_insert(db, tenant_number(DIR_ORGANIZATION_MEMBER), &row);
}

static int make_user(struct org_call *oc, struct store_db *db, struct org_member *m)
{
	if (!m->user_id.n) {
		char *p = arena_alloc(oc->c->mem, UUID_ROOM);
		if (!p)
			return -ENOMEM;
		hash_uuid(p);
		m->user_id = str_z(p);
	}
	m->user = new_row(oc->c, m->user_id, oc->now_ns);
	m->user.email = m->email;
	int err = key_change_apply(&oc->defaults, oc->c->mem, &m->user);
	if (err)
		return err;
	m->user.role = str_eq(m->role, STR("org_admin")) ? default_role : m->role;
	m->is_new_user = true;
	return tenant_row_insert(db, tenant_number(DIR_USER), &m->user);
}

static int find_user(struct org_call *oc, struct store_db *db, struct org_member *m)
{
	struct arena *a = oc->c->mem;
	int err = m->user_id.n ?
		tenant_row_find(db, tenant_number(DIR_USER), 0, m->user_id, a, &m->user) :
		tenant_row_by_email(db, m->email, a, &m->user);
	if (err == -ENOENT)
		return make_user(oc, db, m);
	if (err)
		return err;
	m->user_id = m->user.key_name;
	m->email = m->user.email;
	return 0;
}

static int add_one(struct org_call *oc, struct store_db *db, struct org_member *m)
{
	oc->refused = m;
	int err = find_user(oc, db, m);
	if (err)
		return err;
	m->row = new_row(oc->c, m->user_id, oc->now_ns);
	m->row.owner = oc->organization.id;
	m->row.email = m->email;
	m->row.role = m->role;
	m->row.max_budget = oc->max_budget;
	return tenant_row_insert(db, tenant_number(DIR_ORGANIZATION_MEMBER), &m->row);
}

static int add_job(struct store_db *db, void *data)
{
	struct org_call *oc = data;
	int err = find_organization(oc, db);
	for (size_t i = 0; i < oc->n && !err; i++)
		err = add_one(oc, db, &oc->v[i]);
	return err;
}

static void answer_added(struct org_call *oc)
{
	struct json_out o = json_out(&oc->c->out);
	json_open(&o, NULL);
	json_put_str(&o, "organization_id", oc->organization_id);
	json_open_array(&o, "updated_users");
	for (size_t i = 0; i < oc->n; i++) {
		const struct key_row *u = &oc->v[i].user;
		json_open(&o, NULL);
		json_put_str(&o, "user_id", u->key_name);
		json_put_str(&o, "user_email", u->email);
		json_put_str(&o, "user_role", u->role);
		json_close(&o);
	}
	json_close_array(&o);
	json_open_array(&o, "updated_organization_memberships");
	for (size_t i = 0; i < oc->n; i++) {
		json_open(&o, NULL);
		put_membership(oc, &o, &oc->v[i]);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(oc->c);
}

static void on_added(void *data, int err)
{
	struct org_call *oc = data;
	if (err) {
		fail(oc, err);
		return;
	}
	for (size_t i = 0; i < oc->n; i++) {
		struct org_member *m = &oc->v[i];
		err = m->is_new_user ? tenants_publish(oc->keys, DIR_USER, &m->user) : 0;
		if (err) {
			key_fail_unpublished(oc->c, "user", m->user.id, err, err);
			return;
		}
		if (publish(oc, m) != 0)
			return;
	}
	answer_added(oc);
}

/* false: answered. */
static bool take_members(struct org_call *oc)
{
	struct arena *a = oc->c->mem;
	const struct json *j = NULL;
	if (!members_read(oc->c, "member", &j, &oc->n))
		return false;
	oc->v = oc->n ? arena_array(a, oc->n, sizeof *oc->v) : NULL;
	if (!oc->n)
		return refuse(oc, "member", "member must be an object, or a list of them");
	if (!oc->v)
		return command_fail_store(oc->c, -ENOMEM), false;
	for (size_t i = 0; i < oc->n; i++, j = j->next) {
		struct org_member *m = &oc->v[i];
		m->user_id = json_get_str(a, j, "user_id");
		m->email = json_get_str(a, j, "user_email");
		m->role = json_get_str(a, j, "role");
		if (!check_member(oc, "member", m))
			return false;
		m->email = m->email.n ? m->email : STR_NONE;
		m->role = m->role.n ? m->role : default_role;
	}
	return true;
}

void orgs_member_add(struct command_call *c)
{
	struct org_call *oc = call_new(c);
	if (oc && take_members(oc) && user_defaults_read(c, &oc->defaults))
		start(oc, add_job, on_added);
}

/* ---- one that is there ---- */

static int find_member(struct org_call *oc, struct store_db *db)
{
	struct org_member *m = oc->v;
	int err = find_organization(oc, db);
	if (err)
		return err;
	oc->refused = m;
	struct sql *q = sql_query(db,
		"SELECT " TENANT_COLUMNS " FROM tenants WHERE kind = 9 AND owner = ?1"
		" AND CASE WHEN ?2 IS NULL THEN email = ?3 ELSE name = ?2 END");
	sql_int(q, 1, (int64_t)oc->organization.id);
	sql_text(q, 2, m->user_id.n ? m->user_id : STR_NONE);
	sql_text(q, 3, m->email);
	int r = sql_row(q);
	if (r > 0)
		r = tenant_row_read(q, oc->c->mem, &m->row);
	else if (r == 0)
		r = -ENODATA;
	sql_end(q);
	return r;
}

static int update_job(struct store_db *db, void *data)
{
	struct org_call *oc = data;
	struct org_member *m = oc->v;
	int err = find_member(oc, db);
	if (err)
		return err;
	if (m->role.n)
		m->row.role = m->role;
	if (oc->sets_budget)
		m->row.max_budget = oc->max_budget;
	m->row.updated_at = oc->now_ns;
	m->row.updated_by = key_caller_name(oc->c);
	return tenant_row_update(db, &m->row);
}

static int delete_job(struct store_db *db, void *data)
{
	struct org_call *oc = data;
	int err = find_member(oc, db);
	return err ? err : tenant_row_delete(db, oc->v->row.id);
}

static void answer_one(struct org_call *oc)
{
	struct json_out o = json_out(&oc->c->out);
	json_open(&o, NULL);
	put_membership(oc, &o, oc->v);
	json_close(&o);
	command_finish(oc->c);
}

static void on_updated(void *data, int err)
{
	struct org_call *oc = data;
	if (err)
		fail(oc, err);
	else if (publish(oc, oc->v) == 0)
		answer_one(oc);
}

static void on_deleted(void *data, int err)
{
	struct org_call *oc = data;
	if (err) {
		fail(oc, err);
		return;
	}
	org_member_withdraw(oc->keys, &oc->v->row);
	answer_one(oc);
}

static void change(struct command_call *c, store_job_fn *job, store_done_fn *done)
{
	struct org_call *oc = call_new(c);
	struct org_member *m = oc ? arena_alloc(c->mem, sizeof *m) : NULL;
	if (!oc)
		return;
	if (!m) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	oc->v = m;
	if (command_str(c, "user_id", &m->user_id) != -EINVAL &&
	    command_str(c, "user_email", &m->email) != -EINVAL &&
	    command_str(c, "role", &m->role) != -EINVAL && check_member(oc, "user_id", m))
		start(oc, job, done);
}

void orgs_member_update(struct command_call *c)
{
	change(c, update_job, on_updated);
}

void orgs_member_delete(struct command_call *c)
{
	change(c, delete_job, on_deleted);
}
