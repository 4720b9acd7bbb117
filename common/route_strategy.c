/* SPDX-License-Identifier: MIT
 * route_strategy.c - the strategies: which of several deployments that would all do.
 *
 * Each gives every candidate a score; the smallest wins, and draws decide among equals. Shuffle
 * draws by weight. Affinity goes before all of them, bounded by load. */
#include <math.h>

#include "common/hash.h"
#include "common/route_private.h"

static const char *const names[STRATEGY_COUNT] = {
	[STRATEGY_SHUFFLE] = "simple-shuffle",
	[STRATEGY_BUSY] = "least-busy",
	[STRATEGY_USAGE] = "usage-based-routing",
	[STRATEGY_LATENCY] = "latency-based-routing",
	[STRATEGY_COST] = "cost-based-routing",
};

const char *route_strategy_name(enum route_strategy s)
{
	return (unsigned)s < STRATEGY_COUNT ? names[s] : "unknown";
}

bool route_find_strategy(struct str name, uint32_t *ret)
{
	static const struct {
		const char *name;
		enum route_strategy strategy;
	} others[] = {
		{ "usage-based-routing-v2", STRATEGY_USAGE },
		{ "provider-budget-routing", STRATEGY_SHUFFLE },
	};
	for (uint32_t i = 0; i < STRATEGY_COUNT; i++) {
		if (str_eq_z(name, names[i])) {
			*ret = i;
			return true;
		}
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		if (str_eq_z(name, others[i].name)) {
			*ret = others[i].strategy;
			return true;
		}
	}
	return false;
}

/* A bijection (splitmix64's), for one draw a candidate out of the query's one. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static const struct snap_deployment *deployment(const struct look *l, uint32_t i)
{
	return look_deployment(l, l->q->room[i].index);
}

static bool is_kept(const struct look *l, uint32_t i)
{
	return l->q->room[i].reason == l->best;
}

/* ---- weights ---- */

static enum weighing weighing_of(const struct snap_deployment *d)
{
	return d->weight_milli ? BY_WEIGHT : d->rpm ? BY_RPM : d->tpm ? BY_TPM : BY_NOTHING;
}

static uint64_t weight_of(const struct snap_deployment *d, enum weighing by)
{
	switch (by) {
	case BY_WEIGHT:
		return d->weight_milli;
	case BY_RPM:
		return d->rpm;
	case BY_TPM:
		return d->tpm;
	default:
		return 1;
	}
}

/* All weights 0: as if none were given. */
static enum weighing weigh_all(const struct look *l, uint32_t n)
{
	uint64_t total = 0;
	for (uint32_t i = 0; i < n && !total; i++)
		if (is_kept(l, i))
			total += weight_of(deployment(l, i), l->by);
	return total ? l->by : BY_NOTHING;
}

static uint32_t draw_by_weight(const struct look *l, uint32_t n)
{
	uint64_t draw = l->q->random % (l->total ? l->total : l->kept);
	uint32_t last = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (!is_kept(l, i))
			continue;
		uint64_t w = l->total ? l->q->room[i].score : 1;
		last = i;
		if (draw < w)
			return i;
		draw -= w;
	}
	return last;
}

/* ---- scores ---- */

/* Dollars x 10^12 of a token in and one out; what is not known counts as LiteLLM counts it: five
 * dollars a token. */
static uint64_t cost_of(const struct route_query *q, const struct snap_deployment *d)
{
	const uint64_t unknown = UINT64_C(10000000000000);
	struct snap_price room;
	const struct price *p = snap_price_of(q->snap, q->group, d, q->asked, &room);
	if (!(p->flags & PRICE_KNOWN))
		return unknown;
	return (uint64_t)(p->input > 0 ? p->input : 0) + (uint64_t)(p->output > 0 ? p->output : 0);
}

/* Nobody's latency is 0: who is not known yet is tried first. */
static uint64_t latency_of(const struct look *l, const struct board_deployment *b)
{
	const struct route_query *q = l->q;
	uint64_t ttl = l->latency_ttl_ns;
	uint64_t at = atomic_load_explicit(&b->sampled_ns, memory_order_relaxed), ttft;
	if (!at || (ttl && q->now_ns > at && q->now_ns - at > ttl))
		return 0;
	ttft = q->is_stream ? atomic_load_explicit(&b->ttft_ns, memory_order_relaxed) : 0;
	return ttft ? ttft : atomic_load_explicit(&b->latency_ns, memory_order_relaxed);
}

static uint64_t score_of(const struct look *l, const struct snap_deployment *d,
			 const struct board_deployment *b)
{
	switch (l->strategy) {
	case STRATEGY_SHUFFLE:
		return weight_of(d, l->by);
	case STRATEGY_BUSY:
		return look_inflight(l, d->board_row);
	case STRATEGY_USAGE:
		return route_minute_count(&b->minute_tokens, l->q->now_ns);
	case STRATEGY_LATENCY:
		return latency_of(l, b);
	default:
		return cost_of(l->q, d);
	}
}

void strategy_weigh(struct look *l, uint32_t i, const struct snap_deployment *d,
		    const struct board_deployment *b)
{
	if (l->kept++ == 0) {
		l->by = weighing_of(d);
		l->total = 0;
		l->least = UINT64_MAX;
		l->first = i;
	}
	uint64_t score = l->q->room[i].score = score_of(l, d, b);
	l->total += score;
	if (score < l->least) {
		l->least = score;
		l->first = i;
	}
}

/* One of those within the buffer above the smallest score; the first, where ties stay in order. */
static uint32_t draw_by_score(const struct look *l, uint32_t n)
{
	uint64_t limit = l->least;
	uint32_t count = 0;
	if (l->strategy == STRATEGY_COST)
		return l->first;
	if (l->strategy == STRATEGY_LATENCY)
		limit += (uint64_t)((double)limit *
				    (double)snap_settings(l->q->snap)->latency_buffer_milli / 1000);
	for (uint32_t i = 0; i < n; i++)
		count += is_kept(l, i) && l->q->room[i].score <= limit;
	uint64_t draw = count ? l->q->random % count : 0;
	for (uint32_t i = 0; i < n; i++)
		if (is_kept(l, i) && l->q->room[i].score <= limit && draw-- == 0)
			return i;
	return l->first;
}

/* ---- affinity ---- */

/* Weighted rendezvous hashing: the same affinity has the same order of preference in every
 * worker, without a table, and only what was on a lost deployment moves. A deployment that has
 * more than `most` in flight is passed over. */
static uint32_t choose_by_hash(const struct look *l, uint32_t n, uint64_t hash, uint64_t most)
{
	enum weighing by = weigh_all(l, n);
	uint32_t best = UINT32_MAX;
	double least = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct snap_deployment *d = deployment(l, i);
		if (!is_kept(l, i) ||
		    (most != UINT64_MAX && look_inflight(l, d->board_row) > most))
			continue;
		uint64_t h = mix(hash ^ mix(d->id_hash));
		double u = ((double)(h >> 11) + 0.5) / 9007199254740992.0;
		double weight = (double)weight_of(d, by);
		/* -log(u) is above 1 - u: most need not be worked out. */
		if (best != UINT32_MAX && 1 - u >= least * weight)
			continue;
		double score = -log(u) / weight;
		if (best == UINT32_MAX || score < least) {
			best = i;
			least = score;
		}
	}
	return best;
}

/* With more than its share in flight a deployment is passed over, so that the bonus stays
 * bounded. */
static uint64_t most_in_flight(const struct look *l, uint32_t n)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < n; i++)
		if (is_kept(l, i))
			sum += look_inflight(l, deployment(l, i)->board_row);
	return l->kept > 1 ? sum * 5 / ((uint64_t)l->kept * 4) + 2 : UINT64_MAX;
}

static const char *const stickies[STICKY_KINDS] = { "", "user", "key", "session", "header" };

const char *route_sticky_name(enum snap_sticky s)
{
	return (unsigned)s < STICKY_KINDS ? stickies[s] : "";
}

uint64_t route_sticky(const struct snap_group *g, struct str what)
{
	return hash_stable_more(hash_stable(str_z(route_sticky_name((enum snap_sticky)g->sticky))),
				what) | 1;
}

uint32_t strategy_choose(const struct look *l, uint32_t n)
{
	uint32_t i;
	MUST(l->kept > 0);
	if (l->q->sticky)
		return choose_by_hash(l, n, l->q->sticky, UINT64_MAX);
	if (l->q->affinity) {
		i = choose_by_hash(l, n, l->q->affinity, most_in_flight(l, n));
		if (i != UINT32_MAX)
			return i;
	}
	return l->strategy == STRATEGY_SHUFFLE ? draw_by_weight(l, n) : draw_by_score(l, n);
}
