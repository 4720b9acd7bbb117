/* SPDX-License-Identifier: MIT
 * tenants_row.c - tenants between the database and memory.
 *
 * A tenant's row has the form of a key's, so that one reader and one binding serve all. */
#include <errno.h>

#include "master/budget_models.h"
#include "master/tenants.h"

int tenant_row_more(struct sql *q, struct arena *a, struct key_row *row)
{
	bool failed = false;
	row->owner = (uint64_t)sql_get_int(q, TENANT_OWNER);
	row->role = key_row_text(q, TENANT_ROLE, a, &failed);
	row->email = key_row_text(q, TENANT_EMAIL, a, &failed);
	return failed ? -ENOMEM : 0;
}

int tenant_row_read(struct sql *q, struct arena *a, struct key_row *ret)
{
	int err = key_row_read(q, a, ret);
	return err ? err : tenant_row_more(q, a, ret);
}

static int find_by(struct sql *q, struct arena *a, struct key_row *ret)
{
	int r = sql_row(q);
	if (r > 0)
		r = tenant_row_read(q, a, ret);
	else if (r == 0)
		r = -ENOENT;
	sql_end(q);
	return r;
}

int tenant_row_find(struct store_db *db, int64_t kind, uint64_t owner, struct str name,
		    struct arena *a, struct key_row *ret)
{
	struct sql *q = sql_query(db, "SELECT " TENANT_COLUMNS " FROM tenants "
				      "WHERE kind = ? AND owner = ? AND name = ?");
	sql_int(q, 1, kind);
	sql_int(q, 2, (int64_t)owner);
	sql_text(q, 3, name);
	return find_by(q, a, ret);
}

int tenant_row_by_email(struct store_db *db, struct str email, struct arena *a,
			struct key_row *ret)
{
	struct sql *q = sql_query(db, "SELECT " TENANT_COLUMNS " FROM tenants "
				      "WHERE kind = ? AND email = ? ORDER BY id LIMIT 1");
	sql_int(q, 1, tenant_number(DIR_USER));
	sql_text(q, 2, email);
	return find_by(q, a, ret);
}

static void bind_row(struct sql *q, const struct key_row *row)
{
	key_row_bind(q, row);
	sql_int(q, 30, (int64_t)row->owner);
	sql_text(q, 31, row->role);
	sql_text(q, 32, row->email);
}

int tenant_row_insert(struct store_db *db, int64_t kind, struct key_row *row)
{
	struct sql *q = sql_query(db,
		"INSERT INTO tenants (id, alias, name, organization_id, models, aliases, metadata,"
		" extra, max_budget, soft_budget, spend, spend_since, budget_duration,"
		" budget_reset_at, rpm_limit, tpm_limit, max_parallel_requests, blocked,"
		" created_at, created_by, updated_at, updated_by, last_used, budget_id, owner,"
		" role, email, kind) VALUES (?1,?4,?3,?7,?8,?9,?10,?12,?13,?14,?15,?16,?17,?18,"
		"?19,?20,?21,?22,?24,?25,?26,?27,?28,?29,?30,?31,?32,?33)");
	sql_null(q, 1);
	bind_row(q, row);
	sql_int(q, 33, kind);
	int err = sql_run(q);
	if (!err)
		row->id = (uint64_t)sql_last_id(db);
	return err;
}

int tenant_row_update(struct store_db *db, const struct key_row *row)
{
	struct sql *q = sql_query(db,
		"UPDATE tenants SET (alias, organization_id, models, aliases, metadata, extra,"
		" max_budget, soft_budget, spend, spend_since, budget_duration, budget_reset_at,"
		" rpm_limit, tpm_limit, max_parallel_requests, blocked, created_at, created_by,"
		" updated_at, updated_by, last_used, budget_id, role, email) = (?4,?7,?8,?9,?10,"
		"?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?24,?25,?26,?27,?28,?29,?31,?32) "
		"WHERE id = ?1");
	sql_int(q, 1, (int64_t)row->id);
	bind_row(q, row);
	return sql_run(q);
}

int tenant_row_delete(struct store_db *db, uint64_t id)
{
	struct sql *q = sql_query(db, "DELETE FROM tenants WHERE id = ?");
	sql_int(q, 1, (int64_t)id);
	return sql_run(q);
}

static struct sql *rows_of(struct store_db *db, const char *text, int64_t kind, uint64_t owner,
			   struct str name)
{
	struct sql *q = sql_query(db, text);
	sql_int(q, 1, kind);
	sql_int(q, 2, (int64_t)owner);
	sql_text(q, 3, name);
	return q;
}

#define OF_OWNER " FROM tenants WHERE kind = ?1 AND CASE WHEN ?2 THEN owner = ?2 ELSE name = ?3 END"

int tenant_rows_of(struct store_db *db, int64_t kind, uint64_t owner, struct str name,
		   struct arena *a, struct key_row **ret, size_t *ret_n)
{
	struct sql *q = rows_of(db, "SELECT count(*)" OF_OWNER, kind, owner, name);
	size_t n = 0;
	int r = sql_row(q);
	size_t room = r > 0 ? (size_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	struct key_row *v = r < 0 ? NULL : arena_array(a, room + 1, sizeof *v);
	if (!v)
		return r < 0 ? r : -ENOMEM;
	q = rows_of(db, "SELECT " TENANT_COLUMNS OF_OWNER " ORDER BY id", kind, owner, name);
	while ((r = sql_row(q)) > 0 && n < room) {
		r = tenant_row_read(q, a, &v[n]);
		if (r)
			break;
		n++;
	}
	sql_end(q);
	*ret = v;
	*ret_n = n;
	return r < 0 ? r : 0;
}

int budget_adopt(struct store_db *db, struct arena *a, uint64_t now_ns, struct key_row *row)
{
	struct key_row budget;
	struct period p;
	if (!row->budget_id.n)
		return budget_models_lend(db, a, STR("{}"), row);
	int err = tenant_row_find(db, tenant_number(DIR_BUDGET), 0, row->budget_id, a, &budget);
	if (err)
		return err == -ENOENT ? -ENODATA : err;
	if (!row->budget_duration.n && period_read(budget.budget_duration, &p) == 0) {
		row->budget_duration = budget.budget_duration;
		row->budget_reset_at = period_reset(p, now_ns);
	}
	return budget_models_lend(db, a, budget.extra, row);
}

int budget_change(struct store_db *db, struct arena *a, uint64_t now_ns,
		  const struct key_row *before, bool sets_period, struct key_row *row)
{
	struct key_row old;
	bool is_left = before->budget_id.n && !str_eq(before->budget_id, row->budget_id);
	if (is_left && !sets_period && row->budget_duration.n) {
		int err = tenant_row_find(db, tenant_number(DIR_BUDGET), 0, before->budget_id, a,
					  &old);
		if (err && err != -ENOENT)
			return err;
		if (!err && str_eq(old.budget_duration, row->budget_duration)) {
			row->budget_duration = STR_NONE;
			row->budget_reset_at = 0;
		}
	}
	return budget_adopt(db, a, now_ns, row);
}

#define SET_PERIOD(table)                                                                         \
	"UPDATE " table " SET budget_duration = ?2, budget_reset_at = ?3 WHERE budget_id = ?1"

int budget_set_periods(struct store_db *db, const struct key_row *budget)
{
	static const char *const texts[] = { SET_PERIOD("keys"), SET_PERIOD("teams"),
					     SET_PERIOD("tenants") };
	int err = 0;
	for (size_t i = 0; i < COUNT(texts) && !err; i++) {
		struct sql *q = sql_query(db, texts[i]);
		sql_text(q, 1, budget->key_name);
		sql_text(q, 2, budget->budget_duration);
		sql_int_or_null(q, 3, (int64_t)budget->budget_reset_at, budget->budget_reset_at);
		err = sql_run(q);
	}
	return err;
}
