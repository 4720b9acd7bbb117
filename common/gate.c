/* SPDX-License-Identifier: MIT
 * gate.c - see gate.h. */
#include "common/gate.h"

#include "common/check.h"

enum {
	BUCKETS = 60,			/* of a plan's window; one more is counted, for it rolls */
	NUMBER_SHIFT = 40
};
#define NUMBER_MASK UINT64_C(0xffffff)
#define USED_MASK ((UINT64_C(1) << NUMBER_SHIFT) - 1)
_Static_assert((int)BUCKETS + 1 <= (int)GATE_WORDS, "the ring holds a window");

static uint64_t word(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

/* ---- budgets ---- */

/* A worker's word may be below 0 for a moment: its record is booked before it counts it. */
static uint64_t spent(const struct board_gate *row)
{
	int64_t sum = atomic_load_explicit(&row->booked, memory_order_relaxed);
	for (unsigned w = 0; w < BOARD_WORKERS; w++)
		sum += (int64_t)word(&row->words[w]);
	return sum > 0 ? (uint64_t)sum : 0;
}

static enum gate_verdict judge_budget(const struct board_gate *row, const struct snap_gate *g,
				      uint64_t wall_ns, uint64_t *ret_wait_ns)
{
	uint64_t until = word(&row->until_ns);
	if (spent(row) < g->limit)
		return GATE_OPEN;
	*ret_wait_ns = until > wall_ns ? until - wall_ns : 0;
	return GATE_SPENT;
}

/* ---- plans ---- */

static uint64_t bucket_ns(const struct snap_gate *g)
{
	return g->span_ns / BUCKETS;
}

/* What a bucket counts is finer than the limit where a factor may be a fraction. */
static uint64_t unit_of(const struct snap_gate *g)
{
	return g->kind == GATE_REQUESTS ? 1000 : 1;
}

static uint64_t used_in(const struct board_gate *row, uint64_t number)
{
	uint64_t v = word(&row->words[number % GATE_WORDS]);
	return v >> NUMBER_SHIFT == (number & NUMBER_MASK) ? v & USED_MASK : 0;
}

/* In the unit of buckets. */
static uint64_t used_of_plan(const struct board_gate *row, const struct snap_gate *g,
			     uint64_t wall_ns)
{
	uint64_t now = wall_ns / bucket_ns(g), sum = 0;
	for (uint64_t i = 0; i <= BUCKETS; i++)
		sum += used_in(row, now - i);
	return sum;
}

static uint64_t limit_of_plan(const struct snap_gate *g)
{
	uint64_t limit = g->kind == GATE_COST ? g->limit / 1000 : g->limit;
	return limit > UINT64_MAX / 1000 ? limit : limit * unit_of(g);
}

/* Until so much of the oldest has gone that there is room again. */
static uint64_t wait_for_plan(const struct board_gate *row, const struct snap_gate *g,
			      uint64_t wall_ns, uint64_t used)
{
	uint64_t now = wall_ns / bucket_ns(g), limit = limit_of_plan(g), number = now - BUCKETS;
	for (; number < now && used >= limit; number++)
		used -= used_in(row, number);
	return (number + BUCKETS) * bucket_ns(g) - wall_ns;
}

static enum gate_verdict judge_plan(const struct board_gate *row, const struct snap_gate *g,
				    uint64_t wall_ns, uint64_t *ret_wait_ns)
{
	uint64_t used = used_of_plan(row, g, wall_ns);
	if (used < limit_of_plan(g))
		return GATE_OPEN;
	*ret_wait_ns = wait_for_plan(row, g, wall_ns, used);
	return GATE_USED_UP;
}

/* In the unit of buckets: thousandths of requests, tokens, thousandths of a nano-dollar's
 * thousand. Never more than a bucket holds. */
static uint64_t in_buckets(const struct snap_gate *g, uint64_t n)
{
	double v = (double)n * (double)g->factor_milli;
	if (g->kind == GATE_TOKENS)
		v /= 1000;
	else if (g->kind == GATE_COST)
		v /= 1000000;
	return v > (double)USED_MASK ? USED_MASK : (uint64_t)(v + 0.5);
}

void gate_plan_add(struct board_gate *row, const struct snap_gate *g, uint64_t wall_ns, uint64_t n)
{
	uint64_t number = wall_ns / bucket_ns(g), more = in_buckets(g, n);
	_Atomic uint64_t *at = &row->words[number % GATE_WORDS];
	uint64_t old = word(at), have;
	number &= NUMBER_MASK;
	do {
		have = old >> NUMBER_SHIFT == number ? old & USED_MASK : 0;
		have = more > USED_MASK - have ? USED_MASK : have + more;
	} while (!atomic_compare_exchange_weak_explicit(at, &old, number << NUMBER_SHIFT | have,
							memory_order_relaxed,
							memory_order_relaxed));
}

/* ---- hours ---- */

/* Behind the next change it is the other way round, until the master has worked out the one after
 * it. */
static enum gate_verdict judge_hours(const struct board_gate *row, uint64_t wall_ns,
				     uint64_t *ret_wait_ns)
{
	uint64_t v = word(&row->hours), change = v & ~UINT64_C(1);
	bool is_open = v & 1;
	if (change && wall_ns >= change)
		return is_open ? GATE_CLOSED : GATE_OPEN;
	if (is_open)
		return GATE_OPEN;
	*ret_wait_ns = change ? change - wall_ns : 0;	/* 0: it is not worked out yet */
	return GATE_CLOSED;
}

/* ---- all of them ---- */

enum gate_verdict gate_judge(const struct board *b, const struct snap_gate *g, uint64_t wall_ns,
			     uint64_t *ret_wait_ns)
{
	const struct board_gate *row = &b->gates[g->row];
	*ret_wait_ns = 0;
	switch (g->kind) {
	case GATE_BUDGET:
		return judge_budget(row, g, wall_ns, ret_wait_ns);
	case GATE_HOURS:
		return judge_hours(row, wall_ns, ret_wait_ns);
	default:
		return judge_plan(row, g, wall_ns, ret_wait_ns);
	}
}

enum gate_verdict gate_check(struct gate_look *l, const struct snap_deployment *d,
			     uint64_t *ret_wait_ns)
{
	const struct snap_gate *g = snap_gates(l->snap, d);
	for (uint32_t i = 0; i < d->gates.count; i++) {
		if (!l->is_known || l->row != g[i].row) {
			l->row = g[i].row;
			l->is_known = true;
			l->verdict = gate_judge(l->board, &g[i], l->wall_ns, &l->wait_ns);
		}
		*ret_wait_ns = l->wait_ns;
		if (l->verdict != GATE_OPEN)
			return l->verdict;
	}
	return GATE_OPEN;
}

uint64_t gate_used(const struct board *b, const struct snap_gate *g, uint64_t wall_ns)
{
	const struct board_gate *row = &b->gates[g->row];
	if (g->kind == GATE_BUDGET)
		return spent(row);
	if (g->kind == GATE_HOURS)
		return 0;
	uint64_t used = used_of_plan(row, g, wall_ns) / unit_of(g);
	return g->kind == GATE_COST ? used * 1000 : used;
}

void gate_asked(struct board *b, const struct snap *s, const struct snap_deployment *d,
		uint64_t wall_ns)
{
	const struct snap_gate *g = snap_gates(s, d);
	for (uint32_t i = 0; i < d->gates.count; i++)
		if (g[i].kind == GATE_REQUESTS)
			gate_plan_add(&b->gates[g[i].row], &g[i], wall_ns, 1);
}

void gate_answered(struct board *b, const struct snap *s, const struct snap_deployment *d,
		   uint64_t tokens, int64_t cost_nano, uint64_t wall_ns)
{
	const struct snap_gate *g = snap_gates(s, d);
	for (uint32_t i = 0; i < d->gates.count; i++) {
		struct board_gate *row = &b->gates[g[i].row];
		if (g[i].kind == GATE_TOKENS)
			gate_plan_add(row, &g[i], wall_ns, tokens);
		else if (g[i].kind == GATE_COST && cost_nano > 0)
			gate_plan_add(row, &g[i], wall_ns, (uint64_t)cost_nano);
	}
}

void gate_spent(struct board *b, const struct snap *s, const struct snap_deployment *d,
		uint32_t worker, int64_t cost_nano)
{
	const struct snap_gate *g = snap_gates(s, d);
	MUST(worker < BOARD_WORKERS);
	for (uint32_t i = 0; i < d->gates.count; i++)
		if (g[i].kind == GATE_BUDGET)
			atomic_fetch_add_explicit(&b->gates[g[i].row].words[worker],
						  (uint64_t)cost_nano, memory_order_relaxed);
}

/* ---- budgets of tags ---- */

/* Whether it is the budget of one of them. */
static bool is_of_tags(const struct snap *s, const struct snap_gate *g, const struct str *tags,
		       unsigned n_tags)
{
	struct str name = snap_text(s, g->name);
	for (unsigned i = 0; i < n_tags; i++)
		if (str_eq(tags[i], name))
			return true;
	return false;
}

const struct snap_gate *gate_spent_tag(const struct board *b, const struct snap *s,
				       const struct str *tags, unsigned n_tags, uint64_t wall_ns,
				       uint64_t *ret_wait_ns)
{
	const struct snap_gate *g = snap_tag_budgets(s);
	for (uint32_t i = 0; i < snap_settings(s)->tag_budgets.count; i++)
		if (is_of_tags(s, &g[i], tags, n_tags) &&
		    gate_judge(b, &g[i], wall_ns, ret_wait_ns) != GATE_OPEN)
			return &g[i];
	return NULL;
}

void gate_tags_spent(struct board *b, const struct snap *s, const struct str *tags,
		     unsigned n_tags, uint32_t worker, int64_t cost_nano)
{
	const struct snap_gate *g = snap_tag_budgets(s);
	MUST(worker < BOARD_WORKERS);
	for (uint32_t i = 0; i < snap_settings(s)->tag_budgets.count; i++)
		if (is_of_tags(s, &g[i], tags, n_tags))
			atomic_fetch_add_explicit(&b->gates[g[i].row].words[worker],
						  (uint64_t)cost_nano, memory_order_relaxed);
}
