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

/* Fixed windows of days begin at midnight, and of weeks on Monday: 1970-01-05 was one. */
#define FIXED_EPOCH_NS (UINT64_C(4) * 24 * 3600 * 1000000000)

/* How many buckets count beside the one of now: a fixed window is one bucket. */
static uint64_t older_buckets(const struct snap_gate *g)
{
	return g->is_fixed ? 0 : BUCKETS;
}

static uint64_t bucket_ns(const struct snap_gate *g)
{
	return g->is_fixed ? g->span_ns : g->span_ns / BUCKETS;
}

static uint64_t bucket_at(const struct snap_gate *g, uint64_t wall_ns)
{
	uint64_t epoch = g->is_fixed ? FIXED_EPOCH_NS : 0;
	return (wall_ns > epoch ? wall_ns - epoch : 0) / bucket_ns(g);
}

static uint64_t begin_of(const struct snap_gate *g, uint64_t number)
{
	return number * bucket_ns(g) + (g->is_fixed ? FIXED_EPOCH_NS : 0);
}

/* What a bucket counts is finer than the limit where a factor may be a fraction. */
static uint64_t unit_of(const struct snap_gate *g)
{
	return g->kind == GATE_REQUESTS ? 1000 : 1;
}

/* What a word counts for the window that ends in bucket `now`: 0, unless it is of one of its
 * buckets. One ahead counts, too: somebody's clock is there already. */
static uint64_t used_by(const struct snap_gate *g, uint64_t v, uint64_t now)
{
	uint64_t older = older_buckets(g);
	uint64_t age = ((now + older) - (v >> NUMBER_SHIFT)) & NUMBER_MASK;
	return age <= 2 * older ? v & USED_MASK : 0;
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
	uint64_t now = bucket_at(g, wall_ns), sum = 0;
	for (uint64_t i = 0; i <= older_buckets(g); i++)
		sum += used_in(row, now - i);
	return sum;
}

static uint64_t limit_of_plan(const struct snap_gate *g)
{
	uint64_t limit = g->kind == GATE_COST ? g->limit / 1000 : g->limit;
	return limit > UINT64_MAX / 1000 ? limit : limit * unit_of(g);
}

/* Until so much of the oldest has gone that `used` is no more than `most`. */
static uint64_t wait_for_plan(const struct board_gate *row, const struct snap_gate *g,
			      uint64_t wall_ns, uint64_t used, uint64_t most)
{
	uint64_t now = bucket_at(g, wall_ns), older = older_buckets(g), number = now - older;
	for (; number < now && used > most; number++)
		used -= used_in(row, number);
	if (used > most)
		number++;		/* all of it */
	return begin_of(g, number + older) - wall_ns;
}

static enum gate_verdict judge_plan(const struct board_gate *row, const struct snap_gate *g,
				    uint64_t wall_ns, uint64_t *ret_wait_ns)
{
	uint64_t used = used_of_plan(row, g, wall_ns), limit = limit_of_plan(g);
	if (used < limit)
		return GATE_OPEN;
	*ret_wait_ns = wait_for_plan(row, g, wall_ns, used, limit ? limit - 1 : 0);
	return GATE_USED_UP;
}

/* In the unit of buckets: thousandths of requests, tokens, thousandths of a nano-dollar's
 * thousand. Never more than a bucket holds. */
static uint64_t in_buckets(const struct snap_gate *g, uint64_t n)
{
	double v = (double)n * (double)g->factor_milli;
	if (g->kind == GATE_COST)
		v /= 1000000;
	else if (g->kind != GATE_REQUESTS)
		v /= 1000;
	return v > (double)USED_MASK ? USED_MASK : (uint64_t)(v + 0.5);
}

/* Into the bucket of that number, which begins with it if it has not begun yet. */
static void add_to(struct board_gate *row, uint64_t number, uint64_t more)
{
	_Atomic uint64_t *at = &row->words[number % GATE_WORDS];
	uint64_t old = word(at), have;
	number &= NUMBER_MASK;
	do {
		have = old >> NUMBER_SHIFT == number ? old & USED_MASK : 0;
		have = more > USED_MASK - have ? USED_MASK : have + more;
	} while (!atomic_compare_exchange_weak(at, &old, number << NUMBER_SHIFT | have));
}

/* From it, as long as it is there. */
static void take_from(struct board_gate *row, uint64_t number, uint64_t less)
{
	_Atomic uint64_t *at = &row->words[number % GATE_WORDS];
	uint64_t old = word(at), have;
	number &= NUMBER_MASK;
	do {
		if (old >> NUMBER_SHIFT != number)
			return;
		have = old & USED_MASK;
		have = less > have ? 0 : have - less;
	} while (!atomic_compare_exchange_weak(at, &old, number << NUMBER_SHIFT | have));
}

void gate_plan_add(struct board_gate *row, const struct snap_gate *g, uint64_t wall_ns, uint64_t n)
{
	add_to(row, bucket_at(g, wall_ns), in_buckets(g, n));
}

uint64_t gate_plan_used(const struct board_gate *row, const struct snap_gate *g, uint64_t wall_ns)
{
	uint64_t used = used_of_plan(row, g, wall_ns), unit = unit_of(g);
	used = used / unit + (used % unit != 0);
	return g->kind == GATE_COST ? used * 1000 : used;
}

uint64_t gate_plan_begin(const struct snap_gate *g, uint64_t wall_ns)
{
	uint64_t now = bucket_at(g, wall_ns), older = older_buckets(g);
	return now > older ? begin_of(g, now - older) : 0;
}

/* ---- taking: all or nothing, and exact ---- */

enum { TRIES = 1000 };

/* All that counts in bucket `now` or, by others' clocks, will a moment later. */
static uint64_t used_about(const struct board_gate *row, const struct snap_gate *g, uint64_t now,
			   uint64_t *ret_newest)
{
	uint64_t sum = 0, ahead = 0;
	for (unsigned i = 0; i < GATE_WORDS; i++) {
		uint64_t v = atomic_load(&row->words[i]), used = used_by(g, v, now);
		uint64_t far = ((v >> NUMBER_SHIFT) - now) & NUMBER_MASK;
		sum += used;
		if (used && far <= older_buckets(g) && far > ahead)
			ahead = far;
	}
	*ret_newest = now + ahead;
	return sum;
}

/* Who takes in the same bucket is serialized by its word. Two whose clocks are in different ones
 * may both have found room before either has taken: the later one sees both when it looks again,
 * gives back, and tries in the newer bucket. */
static bool try_take(struct board_gate *row, const struct snap_gate *g, uint64_t *number,
		     uint64_t more, uint64_t limit, bool *ret_is_full)
{
	_Atomic uint64_t *at = &row->words[*number % GATE_WORDS];
	uint64_t old = atomic_load(at), mark = (*number & NUMBER_MASK) << NUMBER_SHIFT, newest;
	uint64_t have = old >> NUMBER_SHIFT == (*number & NUMBER_MASK) ? old & USED_MASK : 0;
	uint64_t used = used_about(row, g, *number, &newest);
	*ret_is_full = used && (used > limit || more > limit - used);
	if (*ret_is_full || more > USED_MASK - have)
		return false;
	if (!atomic_compare_exchange_strong(at, &old, mark | (have + more)))
		return false;
	uint64_t now_used = used_about(row, g, *number, &newest);
	if (now_used <= limit || now_used == more)
		return true;
	take_from(row, *number, more);
	*number = newest;
	return false;
}

bool gate_take(struct board_gate *row, const struct snap_gate *g, uint64_t wall_ns, uint64_t n,
	       struct gate_hold *ret, uint64_t *ret_wait_ns)
{
	uint64_t number = bucket_at(g, wall_ns), more = in_buckets(g, n), limit = limit_of_plan(g);
	bool is_full = false;
	for (unsigned i = 0; i < TRIES && !is_full; i++)
		if (try_take(row, g, &number, more, limit, &is_full)) {
			*ret = (struct gate_hold){ .number = number, .amount = more };
			return true;
		}
	uint64_t from = begin_of(g, number);
	if (from < wall_ns)
		from = wall_ns;
	*ret_wait_ns = from - wall_ns + wait_for_plan(row, g, from, used_of_plan(row, g, from),
						      more < limit ? limit - more : 0);
	return false;
}

void gate_correct(struct board_gate *row, const struct snap_gate *g, const struct gate_hold *h,
		  uint64_t wall_ns, uint64_t n)
{
	uint64_t real = in_buckets(g, n);
	if (real > h->amount)
		add_to(row, bucket_at(g, wall_ns), real - h->amount);
	else if (real < h->amount)
		take_from(row, h->number, h->amount - real);
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

bool gate_is_open_hour(const struct board_gate *row, uint64_t wall_ns)
{
	uint64_t wait;
	return judge_hours(row, wall_ns, &wait) == GATE_OPEN;
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
	return g->kind == GATE_HOURS ? 0 : gate_plan_used(row, g, wall_ns);
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
