/* SPDX-License-Identifier: MIT
 * customers_default.c - see customers_default.h. An amount in the configuration is a budget of our
 * own, so that a change of it is one for all customers. */
#include "master/customers_default.h"

#include <errno.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/config.h"
#include "master/ledger_rollup.h"
#include "master/master.h"
#include "master/tenants.h"

enum {
	EACH_S = 2,
	ROWS_MAX = 500,			/* a round */
	ROUND_MEMORY = 8 << 20,
	NAME_MAX_BYTES = 1000,
	ENTITIES_MAX = BOARD_ENTITIES / 10 * 9	/* the rest is for keys, which somebody makes */
};
#define BUDGET "max_end_user_budget"

struct round {
	struct keys *keys;
	struct arena *mem;
	struct str id;			/* of the budget; .n 0: none */
	int64_t amount;			/* of our own; MONEY_NONE: it limits nobody */
	uint64_t now_ns;
	bool makes_rows;
	struct key_row budget;		/* our own; .id 0: as it was */
	struct key_row *rows;		/* ROWS_MAX */
	size_t n;
};

/* ---- the job ---- */

static struct key_row new_row(const struct round *r, struct str name)
{
	return (struct key_row){
		.key_name = name, .models = STR("[]"), .aliases = STR("{}"),
		.metadata = STR("{}"), .permissions = STR("{}"), .extra = STR("{}"),
		.max_budget = MONEY_NONE, .soft_budget = MONEY_NONE, .spend_since = r->now_ns,
		.created_at = r->now_ns, .updated_at = r->now_ns, .created_by = STR("llmgw"),
		.updated_by = STR("llmgw"),
	};
}

static int set_amount(struct round *r, struct store_db *db)
{
	int64_t kind = tenant_number(DIR_BUDGET);
	struct key_row b;
	int err = tenant_row_find(db, kind, 0, STR(BUDGET), r->mem, &b);
	if (err && err != -ENOENT)
		return err;
	if (err ? r->amount < 0 : b.max_budget == r->amount)
		return 0;
	if (err)
		b = new_row(r, STR(BUDGET));
	b.max_budget = r->amount;
	b.updated_at = r->now_ns;
	err = err ? tenant_row_insert(db, kind, &b) : tenant_row_update(db, &b);
	if (!err)
		r->budget = b;
	return err;
}

/* The rows of a query with TENANT_COLUMNS. */
static int read_bare(struct round *r, struct store_db *db)
{
	int found;
	struct sql *q = sql_query(db, "SELECT " TENANT_COLUMNS " FROM tenants WHERE kind = 6"
				      " AND budget_id IS NULL AND max_budget IS NULL LIMIT ?1");
	sql_int(q, 1, ROWS_MAX);
	while ((found = sql_row(q)) > 0 && r->n < ROWS_MAX) {
		found = tenant_row_read(q, r->mem, &r->rows[r->n]);
		if (found)
			break;
		r->n++;
	}
	sql_end(q);
	return found < 0 ? found : 0;
}

static int read_unknown(struct round *r, struct store_db *db)
{
	bool failed = false;
	int found;
	uint64_t minute_ago_s = r->now_ns / NS_PER_S - 60;
	struct sql *q = sql_query(db,
		"SELECT n.name, sum(l.cost) FROM spend_labels l JOIN spend_names n ON n.id = l.label"
		" WHERE l.kind = ?1 AND l.day >= ?2 AND length(n.name) <= ?3 AND NOT EXISTS"
		" (SELECT 1 FROM tenants WHERE kind = 6 AND owner = 0 AND name = n.name)"
		" GROUP BY l.label HAVING sum(l.cost) > 0 LIMIT ?4");
	sql_int(q, 1, ROLLUP_END_USER);
	sql_int(q, 2, (int64_t)(minute_ago_s / 86400));
	sql_int(q, 3, NAME_MAX_BYTES / 4);	/* characters */
	sql_int(q, 4, ROWS_MAX);
	while ((found = sql_row(q)) > 0 && r->n < ROWS_MAX) {
		struct key_row *row = &r->rows[r->n++];
		*row = new_row(r, key_row_text(q, 0, r->mem, &failed));
		row->spend = sql_get_int(q, 1);
	}
	sql_end(q);
	return failed ? -ENOMEM : found < 0 ? found : 0;
}

static int give(struct round *r, struct store_db *db, struct key_row *row)
{
	row->budget_id = r->id;
	row->updated_at = r->now_ns;
	int err = budget_adopt(db, r->mem, r->now_ns, row);
	if (err)
		return err;
	err = row->id ? tenant_row_update(db, row) :
			tenant_row_insert(db, tenant_number(DIR_CUSTOMER), row);
	return err || !key_model_has(DIR_CUSTOMER, row) ? err
							 : key_models_store(db, DIR_CUSTOMER, row);
}

static int round_job(struct store_db *db, void *data)
{
	struct round *r = data;
	struct key_row budget;
	int err = set_amount(r, db);
	if (!err && r->id.n)
		err = tenant_row_find(db, tenant_number(DIR_BUDGET), 0, r->id, r->mem, &budget);
	if (err == -ENOENT)
		return -ENODATA;
	if (!err && r->id.n)
		err = read_bare(r, db);
	if (!err && r->id.n && r->makes_rows)
		err = read_unknown(r, db);
	for (size_t i = 0; i < r->n && !err; i++)
		err = give(r, db, &r->rows[i]);
	return err;
}

/* ---- the rounds ---- */

static void publish(struct round *r, enum dir_kind kind, const struct key_row *row)
{
	int err = tenants_publish(r->keys, kind, row);
	if (err)
		LOG(LOG_ERROR, "key.unpublished", F_INT("id", row->id),
		    F_Z("what", kind == DIR_BUDGET ? "budget" : "customer"),
		    F_Z("why", strerror(-err)));
}

static void on_round(void *data, int err)
{
	struct round *r = data;
	struct keys *k = r->keys;
	if (err)
		LOG(LOG_WARN, "customers.default_failed",
		    F_Z("error", err == -ENODATA ? "there is no such budget" : strerror(-err)));
	if (!err && r->budget.id)
		publish(r, DIR_BUDGET, &r->budget);
	for (size_t i = 0; i < r->n && !err; i++)
		publish(r, DIR_CUSTOMER, &r->rows[i]);
	/* A budget that is not there may come; it is not asked for each time. */
	k->next_customers_ns = clock_wall_ns() + (err ? 60 : EACH_S) * NS_PER_S;
	k->is_giving = false;
	if (!err)
		k->customers_amount = r->amount;
	arena_free(r->mem);
	mem_free(r);
}

static int begin(struct master *m, struct str id, int64_t amount, uint64_t wall_ns)
{
	struct round *r = mem_alloc(sizeof *r);
	struct arena *a = arena_new(ROUND_MEMORY);
	if (!r || !a) {
		mem_free(r);
		arena_free(a);
		return -ENOMEM;
	}
	*r = (struct round){ .keys = m->keys, .mem = a, .amount = amount, .now_ns = wall_ns,
			     .makes_rows = m->keys->entities.used < ENTITIES_MAX };
	r->id = id.n ? arena_dup(a, id) : STR_NONE;
	r->rows = arena_array(a, ROWS_MAX, sizeof *r->rows);
	int err = r->rows ? store_write(m->keys->store, round_job, on_round, r) : -ENOMEM;
	if (err) {
		arena_free(a);
		mem_free(r);
	}
	return err;
}

void customers_default_tick(struct master *m, uint64_t wall_ns)
{
	struct keys *k = m->keys;
	const struct config *c = m->config;
	if (!c || k->is_giving || m->stopping || wall_ns < k->next_customers_ns)
		return;
	bool has_amount = c->customer_budget != PRICE_NONE && !c->customer_budget_id.n;
	/* Of pico-dollars. */
	int64_t amount = has_amount ? c->customer_budget / 1000 : MONEY_NONE;
	struct str id = c->customer_budget_id.n ? c->customer_budget_id :
			has_amount ? STR(BUDGET) : STR_NONE;
	if (id.n || amount != k->customers_amount)
		k->is_giving = begin(m, id, amount, wall_ns) == 0;
}
