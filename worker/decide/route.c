/* SPDX-License-Identifier: MIT
 * route.c - learning: samples of latency, failures, and who is left alone for how long.
 *
 * The facts are LiteLLM's (its router of 2026): which failures count, when they cool, for how
 * long. Better here: the state is one for all workers, a longer cooldown is never shortened by
 * a later, shorter one, a deployment that only fails is left after a few, and one that comes back
 * is tried by one request before it gets all of them. */
#include "worker/decide/route.h"

#include "common/arena.h"
#include "common/clock.h"
#include "common/gate.h"
#include "common/limiter.h"

enum { MINUTE_SHIFT = 40, FAIL_SHIFT = 20, COUNT_MASK = 0xfffff };
enum { SINGLE_THRESHOLD = 1000, SHARE_MIN_REQUESTS = 5 };
#define NS_PER_MINUTE (60 * NS_PER_S)
/* A time-out is a sample, too, and a bad one: LiteLLM's 1000 seconds. */
#define TIMEOUT_SAMPLE_US UINT32_C(1000000000)

/* ---- samples ---- */

/* Workers may sample at once: one of two may be lost, and the mean is of what stood there. */
static void sample(_Atomic uint32_t *count, _Atomic uint32_t *ring, uint32_t most, uint32_t us,
		   _Atomic uint64_t *mean_ns)
{
	uint32_t n = atomic_fetch_add_explicit(count, 1, memory_order_relaxed) + 1;
	uint64_t sum = 0;
	uint32_t have = n < most ? n : most;
	atomic_store_explicit(&ring[(n - 1) % most], us ? us : 1, memory_order_relaxed);
	for (uint32_t i = 0; i < have; i++)
		sum += atomic_load_explicit(&ring[i], memory_order_relaxed);
	atomic_store_explicit(mean_ns, sum * 1000 / have, memory_order_relaxed);
}

static uint32_t as_us(uint64_t ns)
{
	return ns / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 1000);
}

static void take_sample(const struct snap_settings *set, struct board_deployment *b,
			const struct route_sample *s, uint64_t now_ns)
{
	uint32_t most = set->latency_samples;
	if (!most || most > BOARD_SAMPLES)
		most = BOARD_SAMPLES;
	if (s->duration_ns)
		sample(&b->n_samples, b->samples_us, most,
		       as_us(s->duration_ns / (s->tokens ? s->tokens : 1)), &b->latency_ns);
	if (s->first_token_ns)
		sample(&b->n_ttft_samples, b->ttft_us, most, as_us(s->first_token_ns),
		       &b->ttft_ns);
	atomic_store_explicit(&b->sampled_ns, now_ns, memory_order_relaxed);
}

static void take_timeout(struct board_deployment *b, uint64_t now_ns)
{
	sample(&b->n_samples, b->samples_us, BOARD_SAMPLES, TIMEOUT_SAMPLE_US, &b->latency_ns);
	sample(&b->n_ttft_samples, b->ttft_us, BOARD_SAMPLES, TIMEOUT_SAMPLE_US, &b->ttft_ns);
	atomic_store_explicit(&b->sampled_ns, now_ns, memory_order_relaxed);
}

/* ---- failures ---- */

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

/* One row per outcome of a provider: whether it says something of the deployment (429, 401, 408,
 * 404 and 5xx do, the caller's own mistakes never), and its class for the policies. A refused
 * connection counts here, though LiteLLM lets it pass: a dead host is the plainest failure. */
static const struct {
	bool is_providers, counts;
	enum policy_class class;
} kinds[OUTCOME_COUNT] = {
	[OUTCOME_UP_BAD_REQUEST] = { true, false, POLICY_BAD_REQUEST },
	[OUTCOME_UP_UNPROCESSABLE] = { true, false, POLICY_BAD_REQUEST },
	[OUTCOME_CONTEXT_LENGTH] = { true, false, POLICY_BAD_REQUEST },
	[OUTCOME_CONTENT_POLICY] = { true, false, POLICY_CONTENT },
	[OUTCOME_UP_PERMISSION] = { true, false, POLICY_AUTH },
	[OUTCOME_UP_AUTH] = { true, true, POLICY_AUTH },
	[OUTCOME_UP_NOT_FOUND] = { true, true, POLICY_NOT_FOUND },
	[OUTCOME_UP_RATE_LIMITED] = { true, true, POLICY_RATE_LIMIT },
	[OUTCOME_UP_TIMEOUT] = { true, true, POLICY_TIMEOUT },
	[OUTCOME_UP_CONNECT] = { true, true, POLICY_INTERNAL },
	[OUTCOME_UP_BARRED] = { true, true, POLICY_BAD_GATEWAY },
	[OUTCOME_UP_ERROR] = { true, true, POLICY_INTERNAL },
	[OUTCOME_UP_MALFORMED] = { true, true, POLICY_BAD_GATEWAY },
	[OUTCOME_UP_BROKEN] = { true, true, POLICY_BAD_GATEWAY },
	[OUTCOME_UP_UNAVAILABLE] = { true, true, POLICY_UNAVAILABLE },
};

enum policy_class route_policy_class(enum outcome o)
{
	return kinds[o].is_providers ? kinds[o].class : POLICY_CLASSES;
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

static uint32_t allowed_of(const struct snap_settings *s, const struct llm_error *e)
{
	enum policy_class class = route_policy_class(e->outcome);
	if (class < POLICY_CLASSES && s->allowed_fails_policy[class])
		return s->allowed_fails_policy[class] - 1;
	return s->allowed_fails;
}

static bool should_cool(const struct snap_settings *s, struct board_deployment *b,
			const struct snap_group *g, const struct llm_error *e, struct minute m,
			uint32_t in_a_row, uint64_t now_ns)
{
	uint32_t total = m.failures + m.successes;
	bool is_single = g->members.count <= 1;
	if (s->flags & SET_ALLOWED_FAILS)
		return is_over_allowed(&b->fails, now_ns, s->cooldown_ms, allowed_of(s, e));
	if (e->outcome == OUTCOME_UP_AUTH || e->outcome == OUTCOME_UP_NOT_FOUND)
		return true;
	if (is_single)
		return m.successes == 0 && total >= SINGLE_THRESHOLD;
	if (e->outcome == OUTCOME_UP_RATE_LIMITED || in_a_row >= s->allowed_fails)
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

/* A success ends what failures began: also a cooldown, where a trial was made amid it. */
static void note_success(const struct snap_settings *set, struct board_deployment *b,
			 const struct route_sample *s, uint64_t now_ns)
{
	count(&b->minute, now_ns, false);
	atomic_fetch_add_explicit(&b->successes, 1, memory_order_relaxed);
	if (atomic_load_explicit(&b->in_a_row, memory_order_relaxed))
		atomic_store_explicit(&b->in_a_row, 0, memory_order_relaxed);
	if (s)
		take_sample(set, b, s, now_ns);
	uint64_t until = atomic_load_explicit(&b->cooldown_until_ns, memory_order_relaxed);
	uint64_t trial = atomic_load_explicit(&b->trial_until_ns, memory_order_relaxed);
	if (!until || (until > now_ns && trial <= now_ns))
		return;
	/* Only the cooldown that was seen: a newer one stays. */
	atomic_compare_exchange_strong_explicit(&b->cooldown_until_ns, &until, 0,
						memory_order_relaxed, memory_order_relaxed);
	atomic_store_explicit(&b->trial_until_ns, 0, memory_order_relaxed);
}

/* ---- requests at a time ---- */

enum { FIRST_TOKEN_WORTH = 20 };	/* in tokens: what comes before it takes as long */

/* A whole answer's latency is that of as many tokens as its first is worth. A stream's is to its
 * first token: a client may read slowly. Where nothing was counted, nothing is known. */
static uint32_t latency_us(const struct route_sample *s, enum limiter_kind kind)
{
	if (kind == LIMITER_STREAM)
		return as_us(s->first_token_ns);
	return s->tokens ? as_us(s->duration_ns / (s->tokens + FIRST_TOKEN_WORTH) *
				 FIRST_TOKEN_WORTH) : 0;
}

static void limit_by_answer(const struct snap *s, struct board *b,
			    const struct snap_deployment *d, const struct route_sample *sampled)
{
	enum adaptive how = route_adaptive(s, d);
	enum limiter_kind kind = sampled && sampled->first_token_ns ? LIMITER_STREAM
								     : LIMITER_WHOLE;
	bool has_limit = limiter_most(&b->deployments[d->board_row]);
	uint32_t us = how == ADAPTIVE_ON && sampled ? latency_us(sampled, kind) : 0;
	if (how != ADAPTIVE_OFF && (us || has_limit))
		limiter_answered(b, d->board_row, kind, us);
}

/* True: it had too many at a time, has fewer now, and need not be left alone. */
static bool limit_by_failure(const struct snap *s, struct board *b,
			     const struct snap_deployment *d, enum outcome o,
			     const struct route_sample *sampled, uint64_t now_ns)
{
	enum adaptive how = route_adaptive(s, d);
	if (how == ADAPTIVE_OFF || !sampled ||
	    (o != OUTCOME_UP_RATE_LIMITED && o != OUTCOME_UP_UNAVAILABLE &&
	     o != OUTCOME_UP_TIMEOUT))
		return false;
	return limiter_refused(b, d->board_row, now_ns - sampled->duration_ns, now_ns) &&
	       how == ADAPTIVE_ON;
}

static bool never_cools(const struct snap_settings *set, const struct snap_deployment *d,
			uint64_t ms)
{
	return set->flags & SET_DISABLE_COOLDOWNS || d->flags & DEPLOY_DEFAULT || ms == 0;
}

static void cool(struct board_deployment *row, uint64_t ms, uint64_t now_ns)
{
	extend_to(&row->cooldown_until_ns, now_ns + ms * NS_PER_MS);
	atomic_fetch_add_explicit(&row->cooldowns, 1, memory_order_relaxed);
}

/* A key that is refused is refused everywhere: the others that use it need not find out each by a
 * request of their own. The same provider with another key stays. */
static uint32_t retire_credential(const struct snap *s, struct board *b,
				  const struct snap_deployment *d, const struct llm_error *e,
				  uint64_t now_ns)
{
	uint32_t n, count = 0;
	const struct snap_deployment *all = snap_deployments(s, &n);
	for (uint32_t i = 0; i < n; i++) {
		struct board_deployment *row = &b->deployments[all[i].board_row];
		uint64_t ms = cooldown_ms(snap_settings(s), &all[i], e);
		if (all[i].credential != d->credential || all[i].board_row == d->board_row ||
		    never_cools(snap_settings(s), &all[i], ms))
			continue;
		atomic_store_explicit(&row->last_status, (uint32_t)e->status,
				      memory_order_relaxed);
		atomic_store_explicit(&row->failed_ns, now_ns, memory_order_relaxed);
		cool(row, ms, now_ns);
		count++;
	}
	return count;
}

uint32_t route_note(const struct snap *s, struct board *b, const struct snap_group *g,
		const struct snap_deployment *d, const struct llm_error *e,
		const struct route_sample *sampled, uint64_t now_ns)
{
	const struct snap_settings *set = snap_settings(s);
	struct board_deployment *row = &b->deployments[d->board_row];
	atomic_fetch_add_explicit(&row->requests, 1, memory_order_relaxed);
	if (!e) {
		note_success(set, row, sampled, now_ns);
		limit_by_answer(s, b, d, sampled);
		return 0;
	}
	if (!kinds[e->outcome].counts || e->is_askers)
		return 0;
	struct minute m = count(&row->minute, now_ns, true);
	uint32_t in_a_row = atomic_fetch_add_explicit(&row->in_a_row, 1, memory_order_relaxed) + 1;
	bool was_on_trial = atomic_load_explicit(&row->cooldown_until_ns, memory_order_relaxed) &&
			    atomic_exchange_explicit(&row->trial_until_ns, 0,
						     memory_order_relaxed) > now_ns;
	atomic_fetch_add_explicit(&row->failures, 1, memory_order_relaxed);
	atomic_store_explicit(&row->last_status, (uint32_t)e->status, memory_order_relaxed);
	atomic_store_explicit(&row->failed_ns, now_ns, memory_order_relaxed);
	if (e->outcome == OUTCOME_UP_TIMEOUT)
		take_timeout(row, now_ns);
	uint64_t ms = cooldown_ms(set, d, e);
	bool is_limited = limit_by_failure(s, b, d, e->outcome, sampled, now_ns);
	if (never_cools(set, d, ms) || is_limited)
		return 0;
	if (!was_on_trial && !should_cool(set, row, g, e, m, in_a_row, now_ns))
		return 0;
	cool(row, ms, now_ns);
	if (e->outcome == OUTCOME_UP_AUTH && d->credential)
		return 1 + retire_credential(s, b, d, e, now_ns);
	return 1;
}

/* ---- what is told ---- */

/* The first budget of a deployment that is spent; NULL: none. */
static const struct snap_gate *spent_gate(const struct snap *s, const struct board *b,
					  const struct snap_deployment *d)
{
	const struct snap_gate *g = snap_gates(s, d);
	for (uint32_t i = 0; i < d->gates.count; i++)
		if (g[i].kind == GATE_BUDGET && gate_used(b, &g[i], 0) >= g[i].limit)
			return &g[i];
	return NULL;
}

static struct str spent_text(struct arena *a, const struct snap *s, const struct board *b,
			     const char *whose, const struct snap_gate *g)
{
	return arena_printf(a,
			    "No deployments available - crossed budget: Exceeded budget for %s"
			    STR_FMT ": %.9g >= %.9g",
			    whose, STR_ARG(snap_text(s, g->name)),
			    (double)gate_used(b, g, 0) / 1e9, (double)g->limit / 1e9);
}

struct str route_budget_text(struct arena *a, const struct snap *s, const struct board *b,
			     const struct snap_group *g)
{
	for (uint32_t i = 0; i < g->members.count; i++) {
		const struct snap_deployment *d = snap_deployment(s, snap_member(s, g, i));
		const struct snap_gate *spent = spent_gate(s, b, d);
		if (spent)
			return spent_text(a, s, b, "", spent);
	}
	return STR("No deployments available - crossed budget");
}

struct str route_tag_budget_text(struct arena *a, const struct snap *s, const struct board *b,
				 const struct str *tags, unsigned n_tags)
{
	uint64_t wait_ns;
	const struct snap_gate *g = gate_spent_tag(b, s, tags, n_tags, 0, &wait_ns);
	return g ? spent_text(a, s, b, "tag ", g) :
		   STR("No deployments available - crossed budget");
}
