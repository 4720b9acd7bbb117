/* SPDX-License-Identifier: MIT
 * route.c - choosing a deployment, and cooling those that fail. See route.h.
 *
 * The facts are LiteLLM's (its router of 2026): which failures count, when they cool, for how
 * long. Two things are better here: the state is one for all workers, and a longer cooldown is
 * never shortened by a later, shorter one. */
#include "worker/decide/route.h"

#include "common/clock.h"

enum { MINUTE_SHIFT = 40, FAIL_SHIFT = 20, COUNT_MASK = 0xfffff };
enum { SINGLE_THRESHOLD = 1000, SHARE_MIN_REQUESTS = 5 };
#define NS_PER_MINUTE (60 * NS_PER_S)

static const struct board_deployment *row_of(const struct route_query *q, uint32_t index)
{
	return &q->board->deployments[snap_deployment(q->snap, index)->board_row];
}

static bool was_tried(const struct route_query *q, uint32_t index)
{
	for (unsigned i = 0; i < q->n_tried; i++)
		if (q->tried[i] == index)
			return true;
	return false;
}

static uint64_t cooling_ns(const struct route_query *q, uint32_t index)
{
	uint64_t until =
		atomic_load_explicit(&row_of(q, index)->cooldown_until_ns, memory_order_relaxed);
	return until > q->now_ns ? until - q->now_ns : 0;
}

static bool is_full(const struct route_query *q, uint32_t index)
{
	const struct snap_deployment *d = snap_deployment(q->snap, index);
	return d->max_parallel && board_inflight(q->board, d->board_row) >= d->max_parallel;
}

static bool is_probed_ill(const struct route_query *q, uint32_t index)
{
	return atomic_load_explicit(&row_of(q, index)->probe_status, memory_order_relaxed) == 2;
}

/* How good a candidate is: the best class that has members is drawn from. */
enum class { CLASS_BEST, CLASS_PROBED_ILL, CLASS_TRIED, CLASS_OUT };

static enum class class_of(const struct route_query *q, uint32_t index)
{
	if (cooling_ns(q, index) || is_full(q, index))
		return CLASS_OUT;
	if (was_tried(q, index))
		return CLASS_TRIED;
	return is_probed_ill(q, index) ? CLASS_PROBED_ILL : CLASS_BEST;
}

/* The field that weighs is the first one that the first candidate has; missing counts 0. */
enum weighing { BY_NOTHING, BY_WEIGHT, BY_RPM, BY_TPM };

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

struct survey {
	enum class best;
	uint32_t order;			/* the lowest one in the best class */
	enum weighing by;
	unsigned count;
	uint64_t total, wait_ns;
};

static bool is_in(const struct route_query *q, const struct survey *s, uint32_t index)
{
	return class_of(q, index) == s->best && snap_deployment(q->snap, index)->order == s->order;
}

static void survey_classes(const struct route_query *q, struct survey *s)
{
	*s = (struct survey){ .best = CLASS_OUT, .order = UINT32_MAX, .wait_ns = UINT64_MAX };
	for (uint32_t i = 0; i < q->group->members.count; i++) {
		uint32_t index = snap_member(q->snap, q->group, i);
		enum class c = class_of(q, index);
		uint32_t order = snap_deployment(q->snap, index)->order;
		uint64_t wait = cooling_ns(q, index);
		if (c < s->best || (c == s->best && order < s->order)) {
			s->best = c;
			s->order = order;
		}
		if (wait && wait < s->wait_ns)
			s->wait_ns = wait;
	}
}

static void survey_weights(const struct route_query *q, struct survey *s)
{
	for (uint32_t i = 0; i < q->group->members.count; i++) {
		uint32_t index = snap_member(q->snap, q->group, i);
		const struct snap_deployment *d = snap_deployment(q->snap, index);
		if (!is_in(q, s, index))
			continue;
		if (s->count++ == 0)
			s->by = weighing_of(d);
		s->total += weight_of(d, s->by);
	}
	if (s->total == 0) {		/* all weights 0: as if none were given; nobody: still 0 */
		s->by = BY_NOTHING;
		s->total = s->count;
	}
}

bool route_may_use(const struct snap *s, const struct dir_key *k, struct str name,
		   const struct snap_group *g)
{
	if (g->alias_of != SNAP_NONE)
		g = snap_group(s, g->alias_of);
	return dir_key_may_use(k, name) ||
	       (!(g->flags & GROUP_PATTERN) && dir_key_may_use(k, snap_text(s, g->name)));
}

/* Other workers may put a deployment aside between two looks at it: then the last one that was
 * well is taken, or nobody. */
void route_pick(const struct route_query *q, struct route_choice *ret)
{
	struct survey s;
	*ret = (struct route_choice){ .deployment = SNAP_NONE };
	survey_classes(q, &s);
	if (s.best != CLASS_OUT)
		survey_weights(q, &s);
	if (s.best == CLASS_OUT || s.total == 0) {
		ret->wait_ns = s.wait_ns == UINT64_MAX ? NS_PER_S : s.wait_ns;
		return;
	}
	uint64_t draw = q->random % s.total, weight;
	ret->wait_ns = NS_PER_S;
	ret->others_well = s.count - 1;
	for (uint32_t i = 0; i < q->group->members.count; i++) {
		uint32_t index = snap_member(q->snap, q->group, i);
		if (!is_in(q, &s, index))
			continue;
		ret->deployment = index;
		weight = weight_of(snap_deployment(q->snap, index), s.by);
		if (draw < weight)
			return;
		draw -= weight;
	}
}

/* ---- learning ------------------------------------------------------------------------------- */

struct minute {
	uint32_t failures, successes;
};

/* Counts one more in this minute's word; returns the counts. */
static struct minute count(_Atomic uint64_t *word, uint64_t now_ns, bool is_failure)
{
	uint64_t minute = (now_ns / NS_PER_MINUTE) & 0xffffff, old, next;
	struct minute m;
	old = atomic_load_explicit(word, memory_order_relaxed);
	do {
		uint64_t base = old >> MINUTE_SHIFT == minute ? old : minute << MINUTE_SHIFT;
		m.failures = (uint32_t)(base >> FAIL_SHIFT) & COUNT_MASK;
		m.successes = (uint32_t)base & COUNT_MASK;
		if (is_failure && m.failures < COUNT_MASK)
			m.failures++;
		if (!is_failure && m.successes < COUNT_MASK)
			m.successes++;
		next = minute << MINUTE_SHIFT | (uint64_t)m.failures << FAIL_SHIFT | m.successes;
	} while (!atomic_compare_exchange_weak_explicit(word, &old, next, memory_order_relaxed,
							memory_order_relaxed));
	return m;
}

/* 429, 401, 408, 404 and 5xx count; the caller's own mistakes never do. A connection that was
 * refused counts here, though LiteLLM lets it pass: a dead host is the plainest failure. */
static bool is_eligible(const struct llm_error *e)
{
	switch (e->outcome) {
	case OUTCOME_UP_AUTH:
	case OUTCOME_UP_NOT_FOUND:
	case OUTCOME_UP_RATE_LIMITED:
	case OUTCOME_UP_TIMEOUT:
	case OUTCOME_UP_CONNECT:
	case OUTCOME_UP_ERROR:
	case OUTCOME_UP_MALFORMED:
	case OUTCOME_UP_BROKEN:
	case OUTCOME_UP_UNAVAILABLE:
		return true;
	default:
		return false;
	}
}

/* LiteLLM's legacy counter, used where allowed_fails is configured: its window is the cooldown. */
static bool is_over_allowed(_Atomic uint64_t *word, uint64_t now_ns, uint64_t window_ms,
			    uint32_t allowed)
{
	uint64_t now_ms = now_ns / NS_PER_MS, old, next, n;
	old = atomic_load_explicit(word, memory_order_relaxed);
	do {
		bool runs = old >> 16 > now_ms;
		n = runs ? (old & 0xffff) + 1 : 1;
		next = (runs ? old >> 16 : now_ms + window_ms) << 16 | (n > 0xffff ? 0xffff : n);
	} while (!atomic_compare_exchange_weak_explicit(word, &old, next, memory_order_relaxed,
							memory_order_relaxed));
	return n > allowed;
}

static bool should_cool(const struct snap_settings *s, struct board_deployment *b,
			const struct snap_group *g, const struct llm_error *e, struct minute m,
			uint64_t now_ns)
{
	uint32_t total = m.failures + m.successes;
	bool is_single = g->members.count <= 1;
	if (s->flags & SET_ALLOWED_FAILS)
		return is_over_allowed(&b->fails, now_ns, s->cooldown_ms, s->allowed_fails);
	if (e->outcome == OUTCOME_UP_AUTH || e->outcome == OUTCOME_UP_NOT_FOUND)
		return true;
	if (is_single)
		return m.successes == 0 && total >= SINGLE_THRESHOLD;
	if (e->outcome == OUTCOME_UP_RATE_LIMITED)
		return true;
	return total >= SHARE_MIN_REQUESTS && m.failures * 2 > total;
}

static uint64_t cooldown_ms(const struct snap_settings *s, const struct snap_deployment *d,
			    const struct llm_error *e)
{
	if (d->cooldown_ms != UINT64_MAX)
		return d->cooldown_ms;
	return e->retry_after_ms ? e->retry_after_ms : s->cooldown_ms;
}

static void extend_to(_Atomic uint64_t *word, uint64_t until)
{
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
	while (old < until && !atomic_compare_exchange_weak_explicit(word, &old, until,
								     memory_order_relaxed,
								     memory_order_relaxed))
		;
}

bool route_note(const struct snap *s, struct board *b, const struct snap_group *g,
		const struct snap_deployment *d, const struct llm_error *e, uint64_t now_ns)
{
	const struct snap_settings *set = snap_settings(s);
	struct board_deployment *row = &b->deployments[d->board_row];
	bool counts = e && is_eligible(e);
	atomic_fetch_add_explicit(&row->requests, 1, memory_order_relaxed);
	if (e && !counts)
		return false;
	struct minute m = count(&row->minute, now_ns, counts);
	if (!counts)
		return false;
	atomic_fetch_add_explicit(&row->failures, 1, memory_order_relaxed);
	atomic_store_explicit(&row->last_status, (uint32_t)e->status, memory_order_relaxed);
	uint64_t ms = cooldown_ms(set, d, e);
	if (set->flags & SET_DISABLE_COOLDOWNS || d->flags & DEPLOY_DEFAULT || ms == 0)
		return false;
	if (!should_cool(set, row, g, e, m, now_ns))
		return false;
	extend_to(&row->cooldown_until_ns, now_ns + ms * NS_PER_MS);
	atomic_fetch_add_explicit(&row->cooldowns, 1, memory_order_relaxed);
	return true;
}
