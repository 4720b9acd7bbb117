/* SPDX-License-Identifier: MIT
 * tenants_delete.c - what is done to several tenants at once: deleting them, and blocking
 * customers. All of them or, if one is missing, none. With a user go its keys and its places in
 * teams; an organization goes when no team and no key is left in it. */
#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "master/budget_models.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/tenants.h"

enum { MANY_MAX = 1000 };

struct one {
	struct str id;
	struct key_row row;
	struct key_row *gone, *members;	/* of a user: keys; what limited it in teams */
	struct key_row *org_members;	/* of a user or an organization */
	size_t n_gone, n_members, n_org_members;
	struct budget_lent lent;	/* of a budget: who had it */
	bool is_new;			/* a customer that was not known is blocked all the same */
};
struct many_call {			/* lives in the call's arena */
	struct command_call *c;
	struct keys *keys;
	const struct tenant_kind *kind;
	struct one *v;
	size_t n;
	struct str culprit;
	uint64_t now_ns;
	bool is_blocked;
};

/* One name or a list of them. false: answered. */
static bool take_ids(struct many_call *mc)
{
	struct command_call *c = mc->c;
	const struct json *j = json_get(c->args, mc->kind->ids);
	bool is_list = json_is(j, JSON_ARRAY);
	size_t n = is_list ? j->count : json_is_given(j) ? 1 : 0;
	size_t room = 512;
	mc->v = n && n <= MANY_MAX ? arena_array(c->mem, n, sizeof *mc->v) : NULL;
	for (const struct json *e = is_list ? j->child : j; e && mc->v;
	     e = is_list ? e->next : NULL) {
		struct str s = json_str(c->mem, e);
		if (!s.n)
			break;
		mc->v[mc->n++].id = s;
		room += 8192 + 16 * s.n;
	}
	if (!n || mc->n != n) {
		command_fail(c, 400, "invalid_request_error", mc->kind->ids,
			     "%s must name a %s, or be a list of at most %d names", mc->kind->ids,
			     mc->kind->noun, MANY_MAX);
		return false;
	}
	if (buf_reserve(&c->out, room) == 0)	/* so that what was done is also said */
		return true;
	return command_fail_store(c, -ENOMEM), false;
}

static struct many_call *call_new(struct command_call *c)
{
	struct many_call *mc = command_state(c, sizeof *mc);
	if (!mc)
		return NULL;
	mc->keys = c->master->keys;
	mc->kind = tenant_kind_of(c->command);
	mc->now_ns = clock_wall_ns();
	return take_ids(mc) ? mc : NULL;
}

static void fail(struct many_call *mc, int err)
{
	struct command_call *c = mc->c;
	if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", mc->kind->ids,
			     "There is no %s with %s=" STR_FMT "; nothing was changed",
			     mc->kind->noun, mc->kind->id, STR_ARG(mc->culprit));
	else if (err == -EBUSY)
		command_fail(c, 400, "invalid_request_error", mc->kind->ids,
			     "Organization=" STR_FMT " still has teams or keys; nothing was deleted",
			     STR_ARG(mc->culprit));
	else
		command_fail_store(c, err);
}

static void start(struct many_call *mc, store_job_fn *job, store_done_fn *done)
{
	int err = store_write(mc->keys->store, job, done, mc);
	if (err)
		fail(mc, err);
}

/* ---- deleting ---- */

static int leave_teams(struct store_db *db, struct str user_id)
{
	struct sql *q = sql_query(db, "DELETE FROM team_members WHERE user_id = ?");
	sql_text(q, 1, user_id);
	int err = sql_run(q);
	if (err)
		return err;
	q = sql_query(db, "DELETE FROM tenants WHERE kind IN (5, 9) AND name = ?");
	sql_text(q, 1, user_id);
	return sql_run(q);
}

static int delete_user(struct many_call *mc, struct store_db *db, struct one *o)
{
	struct arena *a = mc->c->mem;
	int err = team_keys_delete(db, STR_NONE, o->id, a, mc->now_ns, key_caller_name(mc->c),
				   &o->gone, &o->n_gone);
	if (!err)
		err = tenant_rows_of(db, tenant_number(DIR_MEMBER), 0, o->id, a, &o->members,
				     &o->n_members);
	if (!err)
		err = tenant_rows_of(db, tenant_number(DIR_ORGANIZATION_MEMBER), 0, o->id, a,
				     &o->org_members, &o->n_org_members);
	return err ? err : leave_teams(db, o->id);
}

static int delete_organization(struct many_call *mc, struct store_db *db, struct one *o)
{
	struct sql *q = sql_query(db, "SELECT 1 FROM teams WHERE organization_id = ?1 "
				      "UNION ALL SELECT 1 FROM keys WHERE organization_id = ?1 LIMIT 1");
	sql_text(q, 1, o->id);
	int r = sql_row(q);
	sql_end(q);
	if (r)
		return r < 0 ? r : -EBUSY;
	r = tenant_rows_of(db, tenant_number(DIR_ORGANIZATION_MEMBER), o->row.id, STR_NONE,
			   mc->c->mem, &o->org_members, &o->n_org_members);
	if (r)
		return r;
	q = sql_query(db, "DELETE FROM tenants WHERE kind = 9 AND owner = ?");
	sql_int(q, 1, (int64_t)o->row.id);
	return sql_run(q);
}

/* Whoever has it has no limits of it any more. */
static int delete_budget(struct many_call *mc, struct store_db *db, struct one *o)
{
	if (!budget_models_differ(o->row.extra, STR("{}")))
		return 0;
	return budget_models_relend(db, mc->c->mem, o->id, STR("{}"), &o->lent);
}

static int delete_job(struct store_db *db, void *data)
{
	struct many_call *mc = data;
	int err = 0;
	for (size_t i = 0; i < mc->n && !err; i++) {
		struct one *o = &mc->v[i];
		mc->culprit = o->id;
		err = tenant_row_find(db, tenant_number(mc->kind->dir), 0, o->id, mc->c->mem,
				      &o->row);
		if (!err && mc->kind->dir == DIR_USER)
			err = delete_user(mc, db, o);
		if (!err && mc->kind->dir == DIR_ORGANIZATION)
			err = delete_organization(mc, db, o);
		if (!err && mc->kind->dir == DIR_BUDGET)
			err = delete_budget(mc, db, o);
		if (!err)
			err = tenant_row_delete(db, o->row.id);
	}
	return err;
}

/* The keys first: one that is still there while its user is gone would be without limits. */
static void withdraw(struct many_call *mc, const struct one *o)
{
	for (size_t i = 0; i < o->n_gone; i++)
		keys_withdraw(mc->keys, &o->gone[i]);
	for (size_t i = 0; i < o->n_members; i++)
		tenants_withdraw(mc->keys, DIR_MEMBER, &o->members[i]);
	for (size_t i = 0; i < o->n_org_members; i++)
		org_member_withdraw(mc->keys, &o->org_members[i]);
	int err = budget_models_publish(mc->keys, &o->lent);
	if (err)
		LOG(LOG_ERROR, "key.unpublished", F_INT("id", o->row.id), F_Z("what", "budget"),
		    F_Z("why", strerror(-err)));
	tenants_withdraw(mc->keys, mc->kind->dir, &o->row);
}

static void put_deleted(const struct many_call *mc, struct json_out *o)
{
	if (mc->kind->dir == DIR_USER) {
		json_put_u64(o, NULL, mc->n);
		return;
	}
	if (mc->kind->dir == DIR_ORGANIZATION) {
		json_open_array(o, NULL);
		for (size_t i = 0; i < mc->n; i++) {
			json_open(o, NULL);
			tenant_put(o, mc->kind, &mc->v[i].row, mc->v[i].row.spend);
			json_close(o);
		}
		json_close_array(o);
		return;
	}
	json_open(o, NULL);
	if (mc->kind->dir == DIR_CUSTOMER)
		json_put_u64(o, "deleted_customers", mc->n);
	const char *noun = mc->kind->dir == DIR_TAG ? "Tag" : mc->kind->noun;
	json_put_str(o, "message", arena_printf(mc->c->mem, "%s " STR_FMT "%s deleted successfully",
						noun, STR_ARG(mc->v[0].id),
						mc->n > 1 ? " and others" : ""));
	json_close(o);
}

static void on_deleted(void *data, int err)
{
	struct many_call *mc = data;
	if (err) {
		fail(mc, err);
		return;
	}
	struct json_out o = json_out(&mc->c->out);
	put_deleted(mc, &o);
	for (size_t i = 0; i < mc->n; i++)
		withdraw(mc, &mc->v[i]);
	command_finish(mc->c);
}

void tenants_delete(struct command_call *c)
{
	struct many_call *mc = call_new(c);
	if (mc)
		start(mc, delete_job, on_deleted);
}

/* ---- blocking: of customers ---- */

static struct key_row new_row(const struct many_call *mc, struct str id)
{
	return (struct key_row){
		.key_name = id, .models = STR("[]"), .aliases = STR("{}"), .metadata = STR("{}"),
		.permissions = STR("{}"), .extra = STR("{}"), .max_budget = MONEY_NONE,
		.soft_budget = MONEY_NONE, .spend_since = mc->now_ns, .created_at = mc->now_ns,
		.created_by = key_caller_name(mc->c),
	};
}

static int block_job(struct store_db *db, void *data)
{
	struct many_call *mc = data;
	int err = 0;
	for (size_t i = 0; i < mc->n && !err; i++) {
		struct one *o = &mc->v[i];
		mc->culprit = o->id;
		err = tenant_row_find(db, tenant_number(mc->kind->dir), 0, o->id, mc->c->mem,
				      &o->row);
		o->is_new = err == -ENOENT && mc->is_blocked;
		if (err && !o->is_new)
			return err;
		if (o->is_new)
			o->row = new_row(mc, o->id);
		o->row.blocked = mc->is_blocked;
		o->row.updated_at = mc->now_ns;
		o->row.updated_by = key_caller_name(mc->c);
		err = o->is_new ? tenant_row_insert(db, tenant_number(mc->kind->dir), &o->row) :
				  tenant_row_update(db, &o->row);
	}
	return err;
}

static void put_blocked(const struct many_call *mc, struct json_out *o)
{
	json_open(o, NULL);
	json_open_array(o, "blocked_users");
	for (size_t i = 0; i < mc->n && mc->is_blocked; i++) {
		const struct key_row *row = &mc->v[i].row;
		json_open(o, NULL);
		tenant_put(o, mc->kind, row, tenant_spend(mc->keys, mc->kind->dir, row));
		json_close(o);
	}
	json_close_array(o);
	json_close(o);
}

/* What cannot be published stays in the database: it takes effect at the next start, and that is
 * said. */
static void on_blocked(void *data, int err)
{
	struct many_call *mc = data;
	if (err) {
		fail(mc, err);
		return;
	}
	for (size_t i = 0; i < mc->n; i++) {
		err = tenants_publish(mc->keys, mc->kind->dir, &mc->v[i].row);
		if (err) {
			key_fail_unpublished(mc->c, mc->kind->noun, mc->v[i].row.id, err, err);
			return;
		}
	}
	struct json_out o = json_out(&mc->c->out);
	put_blocked(mc, &o);
	command_finish(mc->c);
}

static void block(struct command_call *c, bool is_blocked)
{
	struct many_call *mc = call_new(c);
	if (!mc)
		return;
	mc->is_blocked = is_blocked;
	start(mc, block_job, on_blocked);
}

void tenants_block(struct command_call *c)
{
	block(c, true);
}

void tenants_unblock(struct command_call *c)
{
	block(c, false);
}
