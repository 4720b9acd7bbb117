/* SPDX-License-Identifier: MIT
 * route.c - what speaks for and against each deployment of a group; see route.h. The choice among
 * the best of them is a strategy's: route_strategy.c. */
#include "common/route.h"

#include "common/clock.h"
#include "common/limiter.h"
#include "common/route_private.h"

enum { MINUTE_SHIFT = 40 };
#define COUNT_MASK ((UINT64_C(1) << MINUTE_SHIFT) - 1)
#define NS_PER_MINUTE (60 * NS_PER_S)
/* How long a trial may keep the others away, and how long after a failure the first one is made
 * of a deployment that still cools while nobody else is left. */
#define TRIAL_NS (30 * NS_PER_S)
#define FORCED_NS NS_PER_S

static const struct {
	const char *word, *text;
} reasons[ROUTE_REASON_COUNT] = {
#define X(name, word, doc) { word, doc },
	ROUTE_REASONS(X)
#undef X
};

const char *route_reason_word(enum route_reason r)
{
	return (unsigned)r < ROUTE_REASON_COUNT ? reasons[r].word : "unknown";
}

const char *route_reason_text(enum route_reason r)
{
	return (unsigned)r < ROUTE_REASON_COUNT ? reasons[r].text : "unknown";
}

/* ---- counters by the minute ---- */

static uint64_t minute_of(uint64_t now_ns)
{
	return (now_ns / NS_PER_MINUTE) & 0xffffff;
}

uint64_t route_minute_count(const _Atomic uint64_t *word, uint64_t now_ns)
{
	uint64_t v = atomic_load_explicit(word, memory_order_relaxed);
	return v >> MINUTE_SHIFT == minute_of(now_ns) ? v & COUNT_MASK : 0;
}

void route_minute_add(_Atomic uint64_t *word, uint64_t now_ns, uint64_t n)
{
	uint64_t minute = minute_of(now_ns), old, have;
	old = atomic_load_explicit(word, memory_order_relaxed);
	do {
		have = old >> MINUTE_SHIFT == minute ? old & COUNT_MASK : 0;
		have = n > COUNT_MASK - have ? COUNT_MASK : have + n;
	} while (!atomic_compare_exchange_weak_explicit(word, &old, minute << MINUTE_SHIFT | have,
							memory_order_relaxed,
							memory_order_relaxed));
}

/* ---- what is the same for all of a group ---- */

static enum route_strategy strategy_of(const struct snap *s, const struct snap_group *g)
{
	return (enum route_strategy)(g->strategy ? g->strategy - 1 : snap_settings(s)->strategy);
}

static bool counts_tokens(const struct snap *s, enum route_strategy by)
{
	return by == STRATEGY_USAGE || by == STRATEGY_LATENCY || by == STRATEGY_COST ||
	       snap_settings(s)->flags & (SET_PRECALL | SET_RATE_LIMITS);
}

bool route_counts_tokens(const struct snap *s, const struct snap_group *g)
{
	return counts_tokens(s, strategy_of(s, g));
}

static bool has_tag(const struct snap *s, const struct snap_deployment *d, struct str tag)
{
	for (uint32_t i = 0; i < d->tags.count; i++)
		if (str_eq(snap_name(s, d->tags, i), tag))
			return true;
	return false;
}

static bool has_tags_of(const struct route_query *q, const struct snap_deployment *d)
{
	bool all = snap_settings(q->snap)->flags & SET_TAGS_ALL;
	for (unsigned i = 0; i < q->n_tags; i++)
		if (has_tag(q->snap, d, q->tags[i]) != all)
			return !all;
	return all;
}

/* A tagged request goes to those with its tags, else to those tagged "default". One without tags
 * goes to those tagged "default", else to all. */
static enum tag_rule tag_rule_of(const struct route_query *q)
{
	bool any_default = false;
	if (!(snap_settings(q->snap)->flags & SET_TAGS))
		return TAG_ALL;
	for (uint32_t i = 0; i < q->group->members.count; i++) {
		const struct snap_deployment *d =
			snap_deployment(q->snap, snap_member(q->snap, q->group, i));
		if (q->n_tags && has_tags_of(q, d))
			return TAG_MATCH;
		any_default = any_default || has_tag(q->snap, d, STR("default"));
	}
	return any_default ? TAG_DEFAULT : q->n_tags ? TAG_NOBODY : TAG_ALL;
}

static void look_around(struct look *l, const struct route_query *q)
{
	const struct snap_settings *set = snap_settings(q->snap);
	*l = (struct look){ .q = q, .tags = tag_rule_of(q), .best = ROUTE_REASON_COUNT,
			    .default_parallel = set->default_max_parallel,
			    .adaptive = (enum adaptive)set->adaptive,
			    .latency_ttl_ns = set->latency_ttl_ms * NS_PER_MS,
			    .gates = { q->snap, q->board, q->wall_ns, 0, false, GATE_OPEN, 0 } };
	l->strategy = q->strategy ? (enum route_strategy)(q->strategy - 1)
				  : strategy_of(q->snap, q->group);
	l->counts_limits = counts_tokens(q->snap, l->strategy);
	l->is_picky = l->tags != TAG_ALL || q->region.n || q->has_max_cost ||
		      set->flags & SET_PRECALL;
	l->members = snap_members(q->snap, q->group);
	l->deployments = snap_deployments(q->snap, &l->n_deployments);
	if (q->n_tags && set->tag_budgets.count)
		l->is_tag_spent = gate_spent_tag(q->board, q->snap, q->tags, q->n_tags, q->wall_ns,
						 &l->tag_wait_ns) != NULL;
	for (uint8_t w = 0; w < BOARD_WORKERS; w++)
		if (board_worker_lives(&q->board->workers[w]))
			l->live[l->n_live++] = w;
}

/* ---- one candidate ---- */

static bool was_tried(const struct route_query *q, uint32_t index)
{
	for (unsigned i = 0; i < q->n_tried; i++)
		if (q->tried[i] == index)
			return true;
	return false;
}

static bool has_right_tags(const struct look *l, const struct snap_deployment *d)
{
	switch (l->tags) {
	case TAG_ALL:
		return true;
	case TAG_MATCH:
		return has_tags_of(l->q, d);
	case TAG_DEFAULT:
		return has_tag(l->q->snap, d, STR("default"));
	default:
		return false;
	}
}

static bool costs_too_much(const struct route_query *q, const struct snap_deployment *d)
{
	uint64_t out = q->worst_out ? q->worst_out : d->max_output_tokens;
	struct snap_price room;
	if (!q->has_max_cost)
		return false;
	if (!out)
		out = snap_settings(q->snap)->default_max_tokens;
	return price_worst(snap_price_of(q->snap, q->group, d, q->asked, &room), q->worst_in, out) >
	       q->max_cost_nano;
}

/* ---- regions ---- */

static bool has_word(struct str s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_find(s, str_z(words[i])) != SIZE_MAX)
			return true;
	return false;
}

/* "eu-west-1", "europe-west4", "westeurope", "swedencentral". */
static bool is_in_europe(struct str lower)
{
	static const char *const words[] = { "europe", "sweden", "france", "germany", "switzerland",
					     "norway", "italy", "spain", "poland", "austria",
					     "belgium", "denmark", "finland", "ireland", "uk" };
	return str_starts(lower, STR("eu-")) || str_eq(lower, STR("eu")) ||
	       has_word(lower, words, COUNT(words));
}

/* "us-east-1", "us-central1", "eastus2"; and not "australiaeast". */
static bool is_in_us(struct str lower)
{
	size_t n = lower.n;
	while (n && lower.p[n - 1] >= '0' && lower.p[n - 1] <= '9')
		n--;
	return str_starts(lower, STR("us-")) || str_ends(str_of(lower.p, n), STR("us"));
}

bool route_is_in_region(struct str region, struct str wanted)
{
	char room[64];
	if (!region.n || region.n > sizeof room)
		return false;
	for (size_t i = 0; i < region.n; i++) {
		char c = region.p[i];
		room[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	struct str lower = str_of(room, region.n);
	if (str_eq_nocase(wanted, STR("eu")))
		return is_in_europe(lower);
	if (str_eq_nocase(wanted, STR("us")))
		return is_in_us(lower);
	return region.n >= wanted.n && str_eq_nocase(str_of(region.p, wanted.n), wanted) &&
	       (region.n == wanted.n || region.p[wanted.n] == '-');
}

/* Of Vertex AI, the location. */
static struct str region_of(const struct snap *s, const struct snap_deployment *d)
{
	struct str region = snap_text(s, d->region);
	return region.n ? region : snap_text(s, d->location);
}

/* ---- what rules one out ---- */

/* What no waiting would change. */
static enum route_reason never(const struct look *l, const struct snap_deployment *d)
{
	const struct route_query *q = l->q;
	if (l->tags != TAG_ALL && !has_right_tags(l, d))
		return ROUTE_TAGS;
	if (q->region.n && !route_is_in_region(region_of(q->snap, d), q->region))
		return ROUTE_REGION;
	if (snap_settings(q->snap)->flags & SET_PRECALL && d->max_input_tokens &&
	    q->prompt_tokens > d->max_input_tokens)
		return ROUTE_CONTEXT;
	return costs_too_much(q, d) ? ROUTE_COST : ROUTE_WELL;
}

enum adaptive route_adaptive(const struct snap *s, const struct snap_deployment *d)
{
	return (enum adaptive)(d->adaptive ? d->adaptive - 1 : snap_settings(s)->adaptive);
}

uint32_t route_most_parallel(const struct snap *s, const struct snap_deployment *d,
			     const struct board_deployment *b)
{
	uint32_t most = d->max_parallel ? d->max_parallel : snap_settings(s)->default_max_parallel;
	uint32_t learned = limiter_most(b);
	if (!learned || route_adaptive(s, d) == ADAPTIVE_OFF)
		return most;
	return most && most < learned ? most : learned;
}

/* The same, with what a look knows already. */
static uint32_t most_parallel(const struct look *l, const struct snap_deployment *d,
			      const struct board_deployment *b)
{
	uint32_t most = d->max_parallel ? d->max_parallel : l->default_parallel;
	return limiter_most(b) ? route_most_parallel(l->q->snap, d, b) : most;
}

static uint64_t word(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

static enum route_reason over_limits(const struct look *l, const struct snap_deployment *d,
				     const struct board_deployment *b)
{
	uint64_t now = l->q->now_ns;
	uint32_t most = most_parallel(l, d, b);
	if (word(&b->paused_until_ns) > now)
		return ROUTE_PAUSED;
	if (most && look_inflight(l, d->board_row) >= most)
		return ROUTE_FULL;
	if (!l->counts_limits)
		return ROUTE_WELL;
	if (d->rpm && route_minute_count(&b->minute_requests, now) >= d->rpm)
		return ROUTE_RPM;
	if (d->tpm && route_minute_count(&b->minute_tokens, now) + l->q->prompt_tokens > d->tpm)
		return ROUTE_TPM;
	return ROUTE_WELL;
}

bool route_excludes(const struct snap *s, const struct dir_key *k, const struct snap_group *g)
{
	if (dir_key_excludes(k, snap_text(s, g->name)))
		return true;
	for (uint32_t i = 0; i < g->access.count; i++)
		if (dir_key_excludes(k, snap_name(s, g->access, i)))
			return true;
	return false;
}

static bool lists(const struct snap *s, const struct dir_key *k, struct str name,
		  const struct snap_group *g)
{
	if (dir_key_may_use(k, name) ||
	    (!(g->flags & GROUP_PATTERN) && dir_key_may_use(k, snap_text(s, g->name))))
		return true;
	for (uint32_t i = 0; i < g->access.count; i++)
		if (dir_key_lists(k, snap_name(s, g->access, i)))
			return true;
	return false;
}

/* A group without models gives none, as with LiteLLM; a list without names gives all. */
static bool groups_list(const struct snap *s, const struct dir *d, const struct dir_key *k,
			struct str name, const struct snap_group *g)
{
	struct str left = dir_models_groups(k->models);
	struct dir_key row;
	while (left.n) {
		struct str id = str_skip(str_cut(&left, '\0'), 1);
		if (dir_find_named(d, DIR_ACCESS_GROUP, id, &row) && row.models.n &&
		    lists(s, &row, name, g))
			return true;
	}
	return false;
}

bool route_may_use(const struct snap *s, const struct dir *d, const struct dir_key *k,
		   struct str name, const struct snap_group *g)
{
	if (g->alias_of != SNAP_NONE)
		g = snap_group(s, g->alias_of);
	if (dir_key_has_exclusions(k) && (dir_key_excludes(k, name) || route_excludes(s, k, g)))
		return false;
	return lists(s, k, name, g) || groups_list(s, d, k, name, g);
}

/* Left alone, or tried by one: whoever was set aside counts as well only after a success. */
static enum route_reason health(const struct look *l, const struct board_deployment *b)
{
	uint64_t now = l->q->now_ns, until = word(&b->cooldown_until_ns);
	bool on_trial = until && word(&b->trial_until_ns) > now;
	if (until > now) {
		bool may_try = !on_trial && now - word(&b->failed_ns) >= FORCED_NS &&
			       atomic_load_explicit(&b->last_status, memory_order_relaxed) != 429;
		return may_try ? ROUTE_TRIAL : ROUTE_COOLING;
	}
	if (on_trial)
		return ROUTE_RECOVERING;
	return atomic_load_explicit(&b->probe_status, memory_order_relaxed) == 2 ? ROUTE_ILL
										   : ROUTE_WELL;
}

static enum route_reason at_gates(struct look *l, const struct snap_deployment *d,
				  uint64_t *wait_ns)
{
	static const enum route_reason reasons_of[] = { [GATE_OPEN] = ROUTE_WELL,
							[GATE_SPENT] = ROUTE_BUDGET,
							[GATE_USED_UP] = ROUTE_PLAN,
							[GATE_CLOSED] = ROUTE_HOURS };
	uint64_t wait = 0;
	enum gate_verdict v = gate_check(&l->gates, d, &wait);
	if (v != GATE_OPEN && wait && wait < *wait_ns)
		*wait_ns = wait;
	return reasons_of[v];
}

static enum route_reason judge(struct look *l, uint32_t index, const struct snap_deployment *d,
			       const struct board_deployment *b, uint64_t *wait_ns)
{
	const struct route_query *q = l->q;
	enum route_reason r = l->is_picky ? never(l, d) : ROUTE_WELL, h;
	if (r != ROUTE_WELL)
		return r;
	if (l->is_tag_spent) {
		if (l->tag_wait_ns && l->tag_wait_ns < *wait_ns)
			*wait_ns = l->tag_wait_ns;
		return ROUTE_TAG_BUDGET;
	}
	h = health(l, b);
	if (h == ROUTE_COOLING || h == ROUTE_TRIAL) {
		uint64_t wait = word(&b->cooldown_until_ns) - q->now_ns;
		*wait_ns = wait < *wait_ns ? wait : *wait_ns;
	}
	if (h == ROUTE_COOLING)
		return h;
	if (d->flags & DEPLOY_GATED && (r = at_gates(l, d, wait_ns)) != ROUTE_WELL)
		return r;
	r = over_limits(l, d, b);
	if (r == ROUTE_PAUSED && word(&b->paused_until_ns) - q->now_ns < *wait_ns)
		*wait_ns = word(&b->paused_until_ns) - q->now_ns;
	if (r != ROUTE_WELL)
		return r;
	return was_tried(q, index) && h < ROUTE_TRIED ? ROUTE_TRIED : h;
}

/* ---- the choice ---- */

/* The best reason that there is, and the smallest order in it: whoever betters what was found so
 * far begins anew, whoever equals it is weighed with the others. */
static void consider(struct look *l, uint32_t i, const struct snap_deployment *d,
		     const struct board_deployment *b)
{
	uint32_t reason = l->q->room[i].reason;
	if (reason > ROUTE_LAST_RESORT || reason > l->best)
		return;
	if (reason == l->best && d->order != l->order)
		l->is_mixed = true;
	if (reason < l->best || d->order < l->order) {
		l->best = reason;
		l->order = d->order;
		l->kept = 0;
	}
	if (d->order == l->order)
		strategy_weigh(l, i, d, b);
}

/* How far ahead rows are fetched that the loop will look at: they lie apart. */
enum { AHEAD = 8 };

static void judge_all(struct look *l, uint32_t n, uint64_t *wait_ns)
{
	const struct route_query *q = l->q;
	for (uint32_t i = 0; i < n; i++) {
		const struct snap_deployment *d = look_deployment(l, l->members[i]);
		const struct board_deployment *b = &q->board->deployments[d->board_row];
		if (i + 2 * AHEAD < n)
			__builtin_prefetch(look_deployment(l, l->members[i + 2 * AHEAD]));
		if (i + AHEAD < n)
			__builtin_prefetch(&q->board->deployments[look_deployment(
				l, l->members[i + AHEAD])->board_row]);
		q->room[i] = (struct route_candidate){ .index = l->members[i] };
		q->room[i].reason = judge(l, l->members[i], d, b, wait_ns);
		consider(l, i, d, b);
	}
}

/* Who has the right reason but not the smallest order. */
static void drop_other_orders(const struct look *l, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct route_candidate *c = &l->q->room[i];
		if (c->reason == l->best && look_deployment(l, c->index)->order != l->order)
			*c = (struct route_candidate){ .index = c->index, .reason = ROUTE_ORDER };
	}
}

/* Nobody can be asked: what is told is what most lack, but for those who are merely busy. */
static enum route_reason why_nobody(const struct route_query *q, uint32_t n, bool *ret_full)
{
	uint32_t counts[ROUTE_REASON_COUNT] = { 0 };
	enum route_reason most = ROUTE_COOLING;
	for (uint32_t i = 0; i < n; i++)
		counts[q->room[i].reason]++;
	*ret_full = counts[ROUTE_FULL] > 0;
	for (unsigned r = 0; r < ROUTE_REASON_COUNT; r++)
		if (counts[r] > counts[most])
			most = (enum route_reason)r;
	/* What passes by itself is told before what does not. */
	for (unsigned r = ROUTE_COOLING; r <= ROUTE_TPM; r++)
		if (counts[r])
			return (enum route_reason)r;
	return most;
}

static uint64_t wait_for(enum route_reason why, uint64_t cooling_ns, uint64_t now_ns)
{
	if (why == ROUTE_RPM || why == ROUTE_TPM)
		return NS_PER_MINUTE - now_ns % NS_PER_MINUTE;
	return cooling_ns == UINT64_MAX ? NS_PER_S : cooling_ns;
}

void route_pick(const struct route_query *q, struct route_choice *ret)
{
	struct look l;
	uint32_t n = q->group->members.count;
	uint64_t cooling = UINT64_MAX;
	MUST(n <= q->n_room);
	look_around(&l, q);
	*ret = (struct route_choice){ .deployment = SNAP_NONE, .strategy = l.strategy,
				      .n_candidates = n };
	judge_all(&l, n, &cooling);
	if (l.kept == 0) {
		ret->why = why_nobody(q, n, &ret->is_full);
		ret->wait_ns = wait_for(ret->why, cooling, q->now_ns);
		return;
	}
	if (l.is_mixed)
		drop_other_orders(&l, n);
	ret->why = (enum route_reason)l.best;
	ret->deployment = q->room[strategy_choose(&l, n)].index;
	ret->others_well = l.best < ROUTE_TRIED ? l.kept - 1 : 0;
}

void route_pause(struct board *b, const struct snap_deployment *d, uint64_t until_ns)
{
	atomic_store_explicit(&b->deployments[d->board_row].paused_until_ns, until_ns,
			      memory_order_relaxed);
}

bool route_take(struct board *b, const struct snap_deployment *d, const struct route_choice *c,
		uint64_t now_ns)
{
	struct board_deployment *row = &b->deployments[d->board_row];
	uint64_t trial = word(&row->trial_until_ns);
	bool recovers = word(&row->cooldown_until_ns) != 0;
	if (recovers && trial <= now_ns &&
	    !atomic_compare_exchange_strong_explicit(&row->trial_until_ns, &trial,
						     now_ns + TRIAL_NS, memory_order_relaxed,
						     memory_order_relaxed) &&
	    c->why == ROUTE_TRIAL)
		return false;
	route_minute_add(&row->minute_requests, now_ns, 1);
	return true;
}
