/* SPDX-License-Identifier: MIT
 * metrics_litellm.c - what /metrics shows under LiteLLM's names, for dashboards made for it: only
 * what is known as LiteLLM means it. Deployments come from the board's own rows; keys from the
 * pairs that common/series.h counts. Labels that would be empty are left out. */
#include <stdlib.h>

#include "common/gate.h"
#include "common/series.h"
#include "worker/admin/metrics_page.h"

/* ---- deployments ------------------------------------------------------------------------------
 */

/* LiteLLM's: the last attempt failed; put aside. */
enum { STATE_WELL, STATE_PARTIAL_OUTAGE, STATE_OUTAGE };

struct place_family {
	const char *name, *type, *help;
	bool is_sum;			/* the rest beyond the cap is shown, as a sum */
	bool has_group;			/* labelled with requested_model, too */
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

static uint64_t place_failures(const struct place *p)
{
	return LOAD(p->row->failures);
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

static const struct place_family place_families[] = {
	{ "litellm_deployment_state", "gauge", "0: well; 1: the last attempt failed; 2: put aside", false, false, place_state },
	{ "litellm_deployment_total_requests_total", "counter", "Attempts at a deployment", true, true, place_total },
	{ "litellm_deployment_success_responses_total", "counter", "Attempts that were answered", true, true, place_successes },
	{ "litellm_deployment_failure_responses_total", "counter", "Attempts that failed", true, true, place_failures },
	{ "litellm_deployment_cooled_down_total", "counter", "Times that a deployment was put aside", true, false, place_cooldowns },
	{ "litellm_deployment_rpm_limit", "gauge", "Requests per minute that are configured", false, false, place_rpm },
	{ "litellm_deployment_tpm_limit", "gauge", "Tokens per minute that are configured", false, false, place_tpm },
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
			     const struct place_labels *labels)
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
	if (f->is_sum && s->n_shown < s->n_deployments)
		page_sample(&s->page, f->name, STR("model_id=\"other\""), UNIT_ONE, rest);
}

static void put_places(struct scrape *s)
{
	struct place_labels *labels =
		arena_alloc(s->r->mem, (s->n_shown + 1) * sizeof *labels);
	if (!labels) {
		s->page.out.failed = true;
		return;
	}
	for (uint32_t i = 0; i < s->n_shown; i++)
		labels[i] = label_place(s, i);
	for (size_t f = 0; f < COUNT(place_families); f++)
		put_place_family(s, &place_families[f], labels);
}

/* ---- pairs of key and deployment --------------------------------------------------------------
 */

struct pair {
	const struct board_series *row;
	struct sha256 key;
	struct label_set all, of_key;	/* of_key: those of the key alone */
};
struct pairs {
	struct pair *v;
	size_t n;
};
struct pair_family {
	const char *name, *type, *help;
	enum unit unit;
	uint64_t (*value)(const struct board_series *row);
};

static uint64_t pair_all(const struct board_series *row)
{
	return LOAD(row->successes) + LOAD(row->failures);
}

static uint64_t pair_successes(const struct board_series *row)
{
	return LOAD(row->successes);
}

static uint64_t pair_failures(const struct board_series *row)
{
	return LOAD(row->failures);
}

static uint64_t pair_input(const struct board_series *row)
{
	return LOAD(row->tokens_in);
}

static uint64_t pair_output(const struct board_series *row)
{
	return LOAD(row->tokens_out);
}

static uint64_t pair_tokens(const struct board_series *row)
{
	return LOAD(row->tokens_in) + LOAD(row->tokens_out);
}

static uint64_t pair_cost(const struct board_series *row)
{
	return LOAD(row->cost_nano);
}

static const struct pair_family pair_families[] = {
	{ "litellm_proxy_total_requests_metric_total", "counter", "Requests to models, refused ones included", UNIT_ONE, pair_all },
	{ "litellm_proxy_failed_requests_metric_total", "counter", "Requests to models that had no whole answer", UNIT_ONE, pair_failures },
	{ "litellm_requests_metric_total", "counter", "Requests to models that were answered", UNIT_ONE, pair_successes },
	{ "litellm_spend_metric_total", "counter", "Cost booked, in dollars", UNIT_NANO, pair_cost },
	{ "litellm_total_tokens_metric_total", "counter", "Tokens of prompts and answers", UNIT_ONE, pair_tokens },
	{ "litellm_input_tokens_metric_total", "counter", "Tokens of prompts", UNIT_ONE, pair_input },
	{ "litellm_output_tokens_metric_total", "counter", "Tokens of answers", UNIT_ONE, pair_output },
};

static int by_key(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	return memcmp(x->key.b, y->key.b, sizeof x->key.b);
}

/* A deployment's index by its row on the board: SNAP_NONE where there is none. */
static uint32_t *index_rows(struct scrape *s)
{
	uint32_t *of_row = arena_alloc(s->r->mem, BOARD_DEPLOYMENTS * sizeof *of_row);
	for (uint32_t i = 0; of_row && i < BOARD_DEPLOYMENTS; i++)
		of_row[i] = SNAP_NONE;
	for (uint32_t i = 0; of_row && i < s->n_deployments; i++)
		of_row[snap_deployment(s->r->snap, i)->board_row] = i;
	return of_row;
}

static void label_pair(struct scrape *s, struct pair *p, const struct snap_deployment *d)
{
	static const struct sha256 nobody;
	struct buf *b = &s->labels;
	size_t at = b->n;
	struct dir_key key, team;
	char hex[2 * sizeof p->key.b + 1];
	if (memcmp(p->key.b, nobody.b, sizeof nobody.b) != 0) {
		hash_hex(hex, p->key.b, sizeof p->key.b);
		label_put(b, at, "hashed_api_key", str_of(hex, sizeof hex - 1));
		if (dir_find(s->r->w->dir, &p->key, &key)) {
			label_put(b, at, "api_key_alias", key.alias);
			label_put(b, at, "team", key.team_id);
			if (key.team_id.n &&
			    dir_find_named(s->r->w->dir, DIR_TEAM, key.team_id, &team))
				label_put(b, at, "team_alias", team.alias);
			label_put(b, at, "user", key.user_id);
		}
	}
	p->of_key = (struct label_set){ at, b->n - at };
	if (d) {
		label_put(b, at, "model", snap_text(s->r->snap, d->model));
		label_put(b, at, "model_id", snap_text(s->r->snap, d->id));
		label_put(b, at, "requested_model", snap_text(s->r->snap, d->group));
	}
	p->all = (struct label_set){ at, b->n - at };
}

/* Its deployment's index; SNAP_NONE: none was asked. False: it is no longer there. */
static bool find_place(const struct scrape *s, const uint32_t *of_row,
		       const struct board_series *row, uint32_t *ret)
{
	uint64_t deployment = atomic_load_explicit(&row->deployment, memory_order_acquire);
	uint32_t at = deployment ? board_find_deployment(s->board, deployment) : UINT32_MAX;
	*ret = at == UINT32_MAX ? SNAP_NONE : of_row[at];
	return !deployment || *ret != SNAP_NONE;
}

/* Of a deployment that is gone nothing is shown: in another series it would look like new spend. */
static bool find_pairs(struct scrape *s, struct pairs *ret)
{
	uint64_t n = LOAD(s->board->head->series_used);
	const uint32_t *of_row = index_rows(s);
	uint32_t at;
	n = n < SERIES_MAX ? n : SERIES_MAX;
	*ret = (struct pairs){ .v = arena_alloc(s->r->mem, (n + 1) * sizeof *ret->v) };
	if (!ret->v || !of_row)
		return false;
	for (uint32_t i = 0; i < BOARD_SERIES && ret->n < n; i++) {
		const struct board_series *row = &s->board->series[i];
		if (!series_is_named(row) || !find_place(s, of_row, row, &at))
			continue;
		struct pair *p = &ret->v[ret->n++];
		*p = (struct pair){ .row = row, .key = series_key(row) };
		label_pair(s, p, at == SNAP_NONE ? NULL : snap_deployment(s->r->snap, at));
	}
	qsort(ret->v, ret->n, sizeof *ret->v, by_key);
	return true;
}

static void put_pair_family(struct scrape *s, const struct pairs *pairs,
			    const struct pair_family *f)
{
	const struct board_series *others = &s->board->series[BOARD_SERIES];
	page_family(&s->page, f->name, f->type, f->help);
	for (size_t i = 0; i < pairs->n; i++)
		page_sample(&s->page, f->name, label_text(&s->labels, pairs->v[i].all), f->unit,
			    f->value(pairs->v[i].row));
	if (pair_all(others))
		page_sample(&s->page, f->name,
			    STR("hashed_api_key=\"other\",model=\"other\",model_id=\"other\","
				"requested_model=\"other\""),
			    f->unit, f->value(others));
}

/* ---- budgets of the keys that occur in pairs, and of their teams and users --------------------
 */

struct budget_family {
	const char *name, *type, *help;
	enum dir_kind kind;
	uint64_t (*value)(const struct scrape *s, const struct dir_key *k);
};

static uint64_t budget_max(const struct scrape *s, const struct dir_key *k)
{
	(void)s;
	return (uint64_t)k->max_budget_nano;
}

static uint64_t budget_left(const struct scrape *s, const struct dir_key *k)
{
	int64_t settled = LOAD(s->board->entities[k->entity].settled);
	return settled < k->max_budget_nano ? (uint64_t)(k->max_budget_nano - settled) : 0;
}

static const struct budget_family budget_families[] = {
	{ "litellm_remaining_api_key_budget_metric", "gauge", "Dollars left of a key's budget", DIR_KEY, budget_left },
	{ "litellm_api_key_max_budget_metric", "gauge", "A key's budget in dollars", DIR_KEY, budget_max },
	{ "litellm_remaining_team_budget_metric", "gauge", "Dollars left of a team's budget", DIR_TEAM, budget_left },
	{ "litellm_team_max_budget_metric", "gauge", "A team's budget in dollars", DIR_TEAM, budget_max },
	{ "litellm_remaining_user_budget_metric", "gauge", "Dollars left of a user's budget", DIR_USER, budget_left },
	{ "litellm_user_max_budget_metric", "gauge", "A user's budget in dollars", DIR_USER, budget_max },
};

struct holder {				/* of a budget */
	struct dir_key row;
	struct label_set labels;
};
struct holders {
	struct holder *v;
	size_t n;
};

static int by_entity(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;
	return (x->row.entity > y->row.entity) - (x->row.entity < y->row.entity);
}

static void label_holder(struct scrape *s, const struct pair *p, struct holder *h)
{
	size_t at = s->labels.n;
	if (h->row.kind == DIR_KEY) {
		h->labels = p->of_key;
		return;
	}
	label_put(&s->labels, at, h->row.kind == DIR_TEAM ? "team" : "user", h->row.last4);
	if (h->row.kind == DIR_TEAM)
		label_put(&s->labels, at, "team_alias", h->row.alias);
	h->labels = (struct label_set){ at, s->labels.n - at };
}

/* Who of the pairs' keys, teams or users has a budget, each once. False: no memory. */
static bool find_holders(struct scrape *s, const struct pairs *pairs, enum dir_kind kind,
			 struct holders *ret)
{
	size_t n = 0;
	*ret = (struct holders){ .v = arena_alloc(s->r->mem, (pairs->n + 1) * sizeof *ret->v) };
	for (size_t i = 0; ret->v && i < pairs->n; i++) {
		struct holder *h = &ret->v[ret->n];
		const struct dir *dir = s->r->w->dir;
		if ((i && by_key(&pairs->v[i], &pairs->v[i - 1]) == 0) ||
		    !dir_find(dir, &pairs->v[i].key, &h->row))
			continue;
		struct str name = kind == DIR_TEAM ? h->row.team_id : h->row.user_id;
		if (kind != DIR_KEY && (!name.n || !dir_find_named(dir, kind, name, &h->row)))
			continue;
		if (h->row.max_budget_nano < 0 || h->row.entity >= BOARD_ENTITIES)
			continue;
		h->row.kind = kind;
		h->row.last4 = kind == DIR_KEY ? h->row.last4 : name;
		label_holder(s, &pairs->v[i], h);
		ret->n++;
	}
	if (ret->v)
		qsort(ret->v, ret->n, sizeof *ret->v, by_entity);
	for (size_t i = 0; i < ret->n; i++)
		if (!n || by_entity(&ret->v[i], &ret->v[n - 1]) != 0)
			ret->v[n++] = ret->v[i];
	ret->n = n;
	return ret->v != NULL;
}

static void put_budgets(struct scrape *s, const struct pairs *pairs)
{
	struct holders holders = { 0 };
	for (size_t f = 0; f < COUNT(budget_families); f++) {
		const struct budget_family *b = &budget_families[f];
		bool is_next = !f || b->kind != budget_families[f - 1].kind;
		if (is_next && !find_holders(s, pairs, b->kind, &holders)) {
			s->page.out.failed = true;
			return;
		}
		page_family(&s->page, b->name, b->type, b->help);
		for (size_t i = 0; i < holders.n; i++)
			page_sample(&s->page, b->name,
				    label_text(&s->labels, holders.v[i].labels), UNIT_NANO,
				    b->value(s, &holders.v[i].row));
	}
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
	static const char name[] = "litellm_provider_remaining_budget_metric";
	const struct snap *snap = s->r->snap;
	page_family(&s->page, name, "gauge", "Dollars left of a provider's budget");
	for (uint32_t i = 0; i < s->n_deployments; i++) {
		const struct snap_deployment *d = snap_deployment(snap, i);
		const struct snap_gate *g = d->gates.count ? provider_gate(snap, d) : NULL;
		if (!g || !is_first_of_provider(snap, i))
			continue;
		uint64_t used = gate_used(s->board, g, 0);
		size_t at = s->labels.n;
		label_put(&s->labels, at, "api_provider", snap_text(snap, d->provider));
		page_sample(&s->page, name,
			    label_text(&s->labels, (struct label_set){ at, s->labels.n - at }),
			    UNIT_NANO, used < g->limit ? g->limit - used : 0);
	}
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static const struct litellm_histogram {
	const char *name, *type, *help;
	size_t at;
	enum metric_histogram_id id;
} litellm_histograms[] = {
	{ "litellm_request_total_latency_metric", "histogram", "Time from a request's first byte to the last of its answer, in seconds",
	  offsetof(struct metric_row, duration), METRIC_H_duration },
	{ "litellm_llm_api_time_to_first_token_metric", "histogram", "Time to the first content of a stream, in seconds",
	  offsetof(struct metric_row, first_token), METRIC_H_first_token },
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
	{ "litellm_cache_hits_metric_total", "counter", "Requests answered from the response cache", offsetof(struct metric_row, cache_hits) },
	{ "litellm_cache_misses_metric_total", "counter", "Requests that were looked up there and asked for", offsetof(struct metric_row, cache_misses) },
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
	put_places(s);
	if (!find_pairs(s, &pairs) || s->labels.failed) {
		s->page.out.failed = true;
		return;
	}
	for (size_t f = 0; f < COUNT(pair_families); f++)
		put_pair_family(s, &pairs, &pair_families[f]);
	put_budgets(s, &pairs);
	for (size_t f = 0; f < COUNT(litellm_histograms); f++)
		page_histogram(&s->page, litellm_histograms[f].name, litellm_histograms[f].help,
			       (const void *)((const char *)s->sum + litellm_histograms[f].at),
			       metric_bounds_ns[litellm_histograms[f].id]);
	put_provider_budgets(s);
	put_counters(s);
	put_in_flight(s);
}
