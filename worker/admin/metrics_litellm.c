/* SPDX-License-Identifier: MIT
 * metrics_litellm.c - what /metrics shows under LiteLLM's names, for dashboards made for it: only
 * what is known as LiteLLM means it. Deployments come from the board's own rows; keys from what
 * common/series.h counts (metrics_pairs.c). Labels that would be empty are left out. */
#include "common/gate.h"
#include "worker/admin/metrics_pairs.h"

/* ---- deployments ------------------------------------------------------------------------------
 */

/* LiteLLM's: the last attempt failed; put aside. */
enum { STATE_WELL, STATE_PARTIAL_OUTAGE, STATE_OUTAGE };

struct place_family {
	const char *name, *type, *help;
	bool is_sum;			/* the rest beyond the cap is shown, as a sum */
	bool has_group;			/* labelled with requested_model, too */
	bool has_errors;		/* those that metrics_put_failures() has, too */
	uint64_t (*value)(const struct place *p);
};

static uint64_t place_state(const struct place *p)
{
	if (LOAD(p->row->cooldown_until_ns) > p->s->now_ns)
		return STATE_OUTAGE;
	return LOAD(p->row->in_a_row) ? STATE_PARTIAL_OUTAGE : STATE_WELL;
}

static uint64_t place_total(const struct place *p)
{
	return LOAD(p->row->requests);
}

static uint64_t place_successes(const struct place *p)
{
	return LOAD(p->row->successes);
}

/* Of which it is not known how they failed. */
static uint64_t place_failures(const struct place *p)
{
	return LOAD(p->row->failures_other);
}

static uint64_t place_cooldowns(const struct place *p)
{
	return LOAD(p->row->cooldowns);
}

static uint64_t place_rpm(const struct place *p)
{
	return p->d->rpm ? p->d->rpm : SAMPLE_NONE;
}

static uint64_t place_tpm(const struct place *p)
{
	return p->d->tpm ? p->d->tpm : SAMPLE_NONE;
}

static uint64_t place_requests_left(const struct place *p)
{
	uint32_t left = LOAD(p->row->remaining[0]);
	return left ? left - 1 : SAMPLE_NONE;
}

static uint64_t place_tokens_left(const struct place *p)
{
	uint32_t left = LOAD(p->row->remaining[1]);
	return left ? left - 1 : SAMPLE_NONE;
}

static const struct place_family place_families[] = {
	{ "litellm_deployment_state", "gauge", "0: well; 1: the last attempt failed; 2: put aside", false, false, false, place_state },
	{ "litellm_deployment_total_requests_total", "counter", "Attempts at a deployment", true, true, false, place_total },
	{ "litellm_deployment_success_responses_total", "counter", "Attempts that were answered", true, true, false, place_successes },
	{ "litellm_deployment_failure_responses_total", "counter", "Attempts that failed", true, true, true, place_failures },
	{ "litellm_deployment_cooled_down_total", "counter", "Times that a deployment was put aside", true, false, false, place_cooldowns },
	{ "litellm_deployment_rpm_limit", "gauge", "Requests per minute that are configured", false, false, false, place_rpm },
	{ "litellm_deployment_tpm_limit", "gauge", "Tokens per minute that are configured", false, false, false, place_tpm },
	{ "litellm_remaining_requests_metric", "gauge", "Requests that remain, as its provider said last", false, true, false, place_requests_left },
	{ "litellm_remaining_tokens_metric", "gauge", "Tokens that remain, as its provider said last", false, true, false, place_tokens_left },
};

struct place_labels {
	struct label_set all, bare;	/* bare: without the group */
};

static struct place_labels label_place(struct scrape *s, uint32_t i)
{
	const struct snap *snap = s->r->snap;
	const struct snap_deployment *d = snap_deployment(snap, i);
	struct buf *b = &s->labels;
	size_t at = b->n, bare;
	label_put(b, at, "requested_model", snap_text(snap, d->group));
	bare = b->n + (b->n > at);	/* behind the comma to come */
	label_put(b, at, "litellm_model_name", snap_text(snap, d->model));
	label_put(b, at, "model_id", snap_text(snap, d->id));
	label_put(b, at, "api_base", snap_text(snap, d->base));
	label_put(b, at, "api_provider", snap_text(snap, d->provider));
	return (struct place_labels){ { at, b->n - at }, { bare, b->n > bare ? b->n - bare : 0 } };
}

static void put_place_family(struct scrape *s, const struct place_family *f,
			     const struct place_labels *labels, const struct label_set *all,
			     const struct pairs *pairs)
{
	uint64_t rest = 0;
	page_family(&s->page, f->name, f->type, f->help);
	for (uint32_t i = 0; i < s->n_deployments; i++) {
		struct place p = place_of(s, i);
		uint64_t v = f->value(&p);
		if (i < s->n_shown)
			page_sample(&s->page, f->name,
				    label_text(&s->labels,
					       f->has_group ? labels[i].all : labels[i].bare),
				    UNIT_ONE, v);
		else
			rest += v;
	}
	if (f->has_errors)
		rest += metrics_put_failures(s, f->name, pairs, all);
	if (f->is_sum && s->n_shown < s->n_deployments)
		page_sample(&s->page, f->name, STR("model_id=\"other\""), UNIT_ONE, rest);
}

static void put_places(struct scrape *s, const struct pairs *pairs)
{
	struct place_labels *labels =
		arena_alloc(s->r->mem, (s->n_shown + 1) * sizeof *labels);
	struct label_set *all = arena_alloc(s->r->mem, (s->n_shown + 1) * sizeof *all);
	if (!labels || !all) {
		s->page.out.failed = true;
		return;
	}
	for (uint32_t i = 0; i < s->n_shown; i++) {
		labels[i] = label_place(s, i);
		all[i] = labels[i].all;
	}
	for (size_t f = 0; f < COUNT(place_families); f++)
		put_place_family(s, &place_families[f], labels, all, pairs);
}

/* ---- budgets of providers ---------------------------------------------------------------------
 */

/* The gate that is the budget of a deployment's provider; NULL: there is none. */
static const struct snap_gate *provider_gate(const struct snap *snap,
					     const struct snap_deployment *d)
{
	const struct snap_gate *g = snap_gates(snap, d);
	for (uint32_t i = 0; i < d->gates.count; i++)
		if (g[i].kind == GATE_BUDGET &&
		    str_starts(snap_text(snap, g[i].name), STR("provider ")))
			return &g[i];
	return NULL;
}

/* Once for each provider: that of the first of its deployments. */
static bool is_first_of_provider(const struct snap *snap, uint32_t index)
{
	struct str provider = snap_text(snap, snap_deployment(snap, index)->provider);
	for (uint32_t i = 0; i < index; i++)
		if (snap_deployment(snap, i)->gates.count &&
		    str_eq(snap_text(snap, snap_deployment(snap, i)->provider), provider))
			return false;
	return true;
}

static void put_provider_budgets(struct scrape *s)
{
	const struct snap *snap = s->r->snap;
	page_family(&s->page, "litellm_provider_remaining_budget_metric", "gauge", "Dollars left of a provider's budget");
	for (uint32_t i = 0; i < s->n_deployments; i++) {
		const struct snap_deployment *d = snap_deployment(snap, i);
		const struct snap_gate *g = d->gates.count ? provider_gate(snap, d) : NULL;
		if (!g || !is_first_of_provider(snap, i))
			continue;
		uint64_t used = gate_used(s->board, g, 0);
		size_t at = s->labels.n;
		label_put(&s->labels, at, "api_provider", snap_text(snap, d->provider));
		page_sample(&s->page, "litellm_provider_remaining_budget_metric",
			    label_text(&s->labels, (struct label_set){ at, s->labels.n - at }),
			    UNIT_NANO, used < g->limit ? g->limit - used : 0);
	}
}

/* ---- latencies of deployments ----------------------------------------------------------------
 */

/* Of how many deployments: a histogram has as many samples as this many counters. */
enum { SAMPLES_EACH = METRIC_BUCKETS + 2 };

static const struct latency_family {
	const char *name, *type, *help;
	size_t at;
	enum metric_histogram_id id;
} latency_families[] = {
	{ "litellm_request_total_latency_metric", "histogram", "Time from a request's first byte to the last of its answer, in seconds",
	  offsetof(struct board_latency, duration), METRIC_H_duration },
	{ "litellm_llm_api_latency_metric", "histogram", "Time that the provider took for it, in seconds",
	  offsetof(struct board_latency, upstream), METRIC_H_duration },
	{ "litellm_llm_api_time_to_first_token_metric", "histogram", "Time to the first content of a stream, in seconds",
	  offsetof(struct board_latency, first_token), METRIC_H_first_token },
	{ "litellm_deployment_latency_per_output_token", "histogram", "Time that the provider took, by each token of its answer, in seconds",
	  offsetof(struct board_latency, token), METRIC_H_first_token },
};

static void add_histogram(struct metric_histogram *to, const struct metric_histogram *from)
{
	for (unsigned i = 0; i < METRIC_BUCKETS; i++)
		to->bucket[i] += LOAD(from->bucket[i]);
	to->sum_ns += LOAD(from->sum_ns);
}

static bool has_any(const struct metric_histogram *h)
{
	for (unsigned i = 0; i < METRIC_BUCKETS; i++)
		if (LOAD(h->bucket[i]))
			return true;
	return false;
}

static void label_latency(struct scrape *s, const struct snap_deployment *d, size_t at)
{
	const struct snap *snap = s->r->snap;
	label_put(&s->labels, at, "model", snap_text(snap, d->model));
	label_put(&s->labels, at, "litellm_model_name", snap_text(snap, d->model));
	label_put(&s->labels, at, "model_id", snap_text(snap, d->id));
	label_put(&s->labels, at, "requested_model", snap_text(snap, d->group));
	label_put(&s->labels, at, "api_base", snap_text(snap, d->base));
	label_put(&s->labels, at, "api_provider", snap_text(snap, d->provider));
}

/* Those that have answered; behind the first ones all others are one. */
static void put_latency_family(struct scrape *s, const struct latency_family *f)
{
	uint32_t most = snap_settings(s->r->snap)->metric_series / SAMPLES_EACH, n = 0;
	struct metric_histogram rest = { 0 };
	page_family(&s->page, f->name, f->type, f->help);
	for (uint32_t i = 0; i < s->n_deployments; i++) {
		const struct snap_deployment *d = snap_deployment(s->r->snap, i);
		const struct metric_histogram *h =
			(const void *)((const char *)&s->board->latencies[d->board_row] + f->at);
		if (!has_any(h))
			continue;
		if (n++ >= most) {
			add_histogram(&rest, h);
			continue;
		}
		size_t at = s->labels.n;
		label_latency(s, d, at);
		page_buckets(&s->page, f->name,
			     str_of(s->labels.p + at, s->labels.n - at), h,
			     metric_bounds_ns[f->id]);
		s->labels.n = at;
	}
	if (n > most)
		page_buckets(&s->page, f->name, STR("model=\"other\",model_id=\"other\""), &rest,
			     metric_bounds_ns[f->id]);
}

static void put_latencies(struct scrape *s)
{
	for (size_t f = 0; f < COUNT(latency_families); f++)
		put_latency_family(s, &latency_families[f]);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static const struct litellm_histogram {
	const char *name, *type, *help;
	size_t at;
	enum metric_histogram_id id;
} litellm_histograms[] = {
	{ "litellm_request_queue_time_seconds", "histogram", "Time that a request waited for room at a provider, in seconds",
	  offsetof(struct metric_row, queue_wait), METRIC_H_queue_wait },
	{ "litellm_overhead_latency_metric", "histogram", "Time that a request spent in the gateway itself, in seconds",
	  offsetof(struct metric_row, overhead), METRIC_H_overhead },
};

/* What is counted for all together: LiteLLM has labels on it. */
static const struct litellm_counter {
	const char *name, *type, *help;
	size_t at;
} litellm_counters[] = {
	{ "litellm_callback_logging_failures_metric_total", "counter", "Batches that a callback did not take at once", offsetof(struct metric_row, export_failures) },
};

static void put_counters(struct scrape *s)
{
	for (size_t i = 0; i < COUNT(litellm_counters); i++) {
		const struct litellm_counter *c = &litellm_counters[i];
		const _Atomic uint64_t *at = (const void *)((const char *)s->sum + c->at);
		page_single(&s->page, c->name, c->type, c->help, UNIT_ONE, LOAD(*at));
	}
}

static void put_in_flight(struct scrape *s)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (board_worker_lives(&s->board->workers[i]))
			sum += LOAD(s->board->workers[i].requests);
	page_single(&s->page, "litellm_in_flight_requests", "gauge",
		    "Requests under way, this one included", UNIT_ONE, sum);
}

void metrics_put_litellm(struct scrape *s)
{
	struct pairs pairs;
	if (!metrics_find_pairs(s, &pairs)) {
		s->page.out.failed = true;
		return;
	}
	put_places(s, &pairs);
	metrics_put_pairs(s, &pairs);
	metrics_put_budgets(s, &pairs);
	put_latencies(s);
	for (size_t f = 0; f < COUNT(litellm_histograms); f++)
		page_histogram(&s->page, litellm_histograms[f].name, litellm_histograms[f].help,
			       (const void *)((const char *)s->sum + litellm_histograms[f].at),
			       metric_bounds_ns[litellm_histograms[f].id]);
	put_provider_budgets(s);
	put_counters(s);
	put_in_flight(s);
}
