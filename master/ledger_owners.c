/* SPDX-License-Identifier: MIT
 * ledger_owners.c - who pays for a request: its key, its team and the others that its levels
 * name. Each one's `spend` is what requests that ended since `spend_since` have cost. */
#include <errno.h>

#include "common/clock.h"
#include "master/ledger_fold.h"

static uint64_t owner_id(uint64_t kind, uint64_t number)
{
	return kind << 56 | number;
}

struct str record_levels(const struct batch *b, uint32_t i)
{
	struct journal_levels l;
	if (!i || b->r[i - 1].kind != JOURNAL_LEVELS ||
	    memcmp(b->r[i - 1].request_id, b->r[i].request_id, sizeof b->r[i].request_id) != 0)
		return STR_NONE;
	memcpy((void *)&l, (const void *)&b->r[i - 1], sizeof l);
	if (l.n > BOARD_LEVELS)		/* a stranger's */
		l.n = BOARD_LEVELS;
	return str_of((const char *)&b->r[i - 1] + offsetof(struct journal_levels, level),
		      l.n * sizeof *l.level);
}

void batch_add_levels(struct batch *b, const uint8_t request_id[16], struct str levels)
{
	struct journal_levels l = { .kind = JOURNAL_LEVELS };
	if (!levels.n || levels.n > BOARD_LEVELS * sizeof *l.level)
		return;
	l.n = (uint8_t)(levels.n / sizeof *l.level);
	memcpy(l.level, levels.p, l.n * sizeof *l.level);
	memcpy(l.request_id, request_id, sizeof l.request_id);
	memcpy((void *)&b->r[b->n++], (const void *)&l, sizeof l);
}

/* The master key has no row and no budget, and not every key has a team. */
unsigned record_owners(const struct batch *b, uint32_t i, uint64_t ret[BOARD_LEVELS + 2])
{
	const struct journal_record *r = &b->r[i];
	struct str levels = record_levels(b, i);
	unsigned n = 0;
	if (r->key_id && r->key_id >> 56 == 0)
		ret[n++] = owner_id(OWNER_KEY, r->key_id);
	if (r->team)
		ret[n++] = owner_id(OWNER_TEAM, r->team);
	for (; levels.n; levels = str_skip(levels, sizeof *ret)) {
		memcpy(&ret[n], levels.p, sizeof *ret);
		uint64_t kind = ret[n] >> 56;
		n += kind > OWNER_TEAM && kind <= OWNER_KINDS;
	}
	return n;
}

static uint16_t *place_of(struct batch *b, uint64_t id)
{
	uint64_t hash = id * UINT64_C(0x9e3779b97f4a7c15) >> 32;
	for (;; hash++) {
		uint16_t *at = &b->owner_at[hash % OWNER_TABLE];
		if (!*at || b->owners[*at - 1u].id == id)
			return at;
	}
}

int64_t owner_add_cost(int64_t sum, int64_t cost)
{
	return sum > PRICE_NANO_MAX - cost ? PRICE_NANO_MAX : sum + cost;
}

static void sum_owner(struct batch *b, uint64_t id, const struct journal_record *r)
{
	uint16_t *at = place_of(b, id);
	if (!*at) {
		b->owners[b->n_owners] =
			(struct owner_sum){ .id = id, .first_end_ns = r->end_ns };
		*at = (uint16_t)++b->n_owners;
	}
	struct owner_sum *o = &b->owners[*at - 1];
	if (r->end_ns < o->first_end_ns)
		o->first_end_ns = r->end_ns;
	if (r->end_ns > o->last_end_ns)
		o->last_end_ns = r->end_ns;
	o->cost = owner_add_cost(o->cost, r->cost_nano);
}

void sum_owners(struct batch *b, uint32_t i)
{
	uint64_t ids[BOARD_LEVELS + 2];
	unsigned n = record_owners(b, i, ids);
	for (unsigned k = 0; k < n; k++)
		sum_owner(b, ids[k], &b->r[i]);
}

/* The same statements for all tables: sql_query() knows a text by its address. */
#define ADD_SPEND(table)                                                                          \
	"UPDATE " table " SET spend = min(spend + ?2, 1000000000000000000),"                      \
	" last_used = max(coalesce(last_used, 0), ?3) WHERE id = ?1"
#define SPEND_SINCE(table) "SELECT spend_since FROM " table " WHERE id = ?"

static unsigned table_of(const struct owner_sum *o)
{
	uint64_t kind = o->id >> 56;
	return kind == OWNER_KEY ? 0 : kind == OWNER_TEAM ? 1 : kind < OWNER_MODEL ? 2 : 3;
}

static int64_t number_of(const struct owner_sum *o)
{
	return (int64_t)(o->id & ~(UINT64_C(0xff) << 56));
}

static int add_spend(struct store_db *db, const struct owner_sum *o, int64_t cost)
{
	static const char *const texts[] = { ADD_SPEND("keys"), ADD_SPEND("teams"),
					     ADD_SPEND("tenants"), ADD_SPEND("model_limits") };
	struct sql *q = sql_query(db, texts[table_of(o)]);
	sql_int(q, 1, number_of(o));
	sql_int(q, 2, cost);
	sql_int(q, 3, (int64_t)o->last_end_ns);
	return sql_run(q);
}

/* From when on requests count in its spend; 1, 0 (it is gone) or -errno. */
static int spend_since(struct store_db *db, const struct owner_sum *o, uint64_t *ret)
{
	static const char *const texts[] = { SPEND_SINCE("keys"), SPEND_SINCE("teams"),
					     SPEND_SINCE("tenants"),
					     SPEND_SINCE("model_limits") };
	struct sql *q = sql_query(db, texts[table_of(o)]);
	sql_int(q, 1, number_of(o));
	int r = sql_row(q);
	if (r > 0)
		*ret = (uint64_t)sql_get_int(q, 0);
	sql_end(q);
	return r;
}

static bool is_of(const struct batch *b, uint32_t i, uint64_t id)
{
	uint64_t ids[BOARD_LEVELS + 2];
	unsigned n = record_owners(b, i, ids);
	for (unsigned k = 0; k < n; k++)
		if (ids[k] == id)
			return true;
	return false;
}

/* A budget period began inside the batch: what ended before it is not of this period. */
static int64_t cost_since(const struct batch *b, uint64_t id, uint64_t since)
{
	int64_t cost = 0;
	for (uint32_t i = 0; i < b->n; i++) {
		const struct journal_record *r = &b->r[i];
		if (r->kind == JOURNAL_SETTLE && b->is_done[i] && r->end_ns >= since &&
		    is_of(b, i, id))
			cost = owner_add_cost(cost, r->cost_nano);
	}
	return cost;
}

static int add_owner(const struct batch *b, struct store_db *db, const struct owner_sum *o)
{
	uint64_t since = 0;
	int r = spend_since(db, o, &since);
	if (r <= 0)
		return r;
	/* A beginning that is yet to come: the clock was set back. Then all counts. */
	bool is_whole = since <= o->first_end_ns || since > clock_wall_ns();
	return add_spend(db, o, is_whole ? o->cost : cost_since(b, o->id, since));
}

int add_owners(const struct batch *b, struct store_db *db)
{
	int err = 0;
	for (uint32_t i = 0; i < b->n_owners && !err; i++)
		err = add_owner(b, db, &b->owners[i]);
	return err;
}
