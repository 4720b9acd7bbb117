/* SPDX-License-Identifier: MIT
 * metrics_pairs.c - requests, spend and tokens with LiteLLM's names and labels. One row of the
 * board stands for one way to end, so a sample is often the sum of several that have its labels:
 * rows are sorted so that those stand together. */
#include <stdio.h>
#include <stdlib.h>

#include "worker/admin/metrics_pairs.h"

enum shape { SHAPE_BASE, SHAPE_STATUS, SHAPE_EXCEPTION };

struct pair_family {
	const char *name, *type, *help;
	enum unit unit;
	enum shape shape;
	bool is_sparse;			/* what is 0 has no sample */
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

/* Those that a provider was asked for. */
static uint64_t pair_asked_failures(const struct board_series *row)
{
	return LOAD(row->deployment) ? LOAD(row->failures) : 0;
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

static uint64_t pair_hits(const struct board_series *row)
{
	return LOAD(row->cache_hits);
}

static uint64_t pair_misses(const struct board_series *row)
{
	return LOAD(row->cache_misses);
}

static uint64_t pair_cached(const struct board_series *row)
{
	return LOAD(row->cached_tokens);
}

static const struct pair_family pair_families[] = {
	{ "litellm_proxy_total_requests_metric_total", "counter", "Requests to models, refused ones included", UNIT_ONE, SHAPE_STATUS, true, pair_all },
	{ "litellm_proxy_failed_requests_metric_total", "counter", "Requests to models that had no whole answer", UNIT_ONE, SHAPE_EXCEPTION, true, pair_failures },
	{ "litellm_llm_api_failed_requests_metric_total", "counter", "Those of them for which a deployment had been asked", UNIT_ONE, SHAPE_BASE, true, pair_asked_failures },
	{ "litellm_requests_metric_total", "counter", "Requests to models that were answered", UNIT_ONE, SHAPE_BASE, false, pair_successes },
	{ "litellm_spend_metric_total", "counter", "Cost booked, in dollars", UNIT_NANO, SHAPE_BASE, false, pair_cost },
	{ "litellm_total_tokens_metric_total", "counter", "Tokens of prompts and answers", UNIT_ONE, SHAPE_BASE, false, pair_tokens },
	{ "litellm_input_tokens_metric_total", "counter", "Tokens of prompts", UNIT_ONE, SHAPE_BASE, false, pair_input },
	{ "litellm_output_tokens_metric_total", "counter", "Tokens of answers", UNIT_ONE, SHAPE_BASE, false, pair_output },
	{ "litellm_cache_hits_metric_total", "counter", "Requests answered from the response cache", UNIT_ONE, SHAPE_BASE, true, pair_hits },
	{ "litellm_cache_misses_metric_total", "counter", "Requests that were looked up there and asked for", UNIT_ONE, SHAPE_BASE, true, pair_misses },
	{ "litellm_cached_tokens_metric_total", "counter", "Tokens of answers from the response cache, and of their prompts", UNIT_ONE, SHAPE_BASE, true, pair_cached },
};

/* ---- how requests end, in LiteLLM's words ----------------------------------------------------
 */

/* What its own errors are called; others are ProxyException. */
static const char *const own_classes[OUTCOME_COUNT] = {
	[OUTCOME_CLIENT_GONE] = "CancelledError",
	[OUTCOME_BAD_REQUEST] = "BadRequestError",
	[OUTCOME_UNKNOWN_MODEL] = "ProxyModelNotFoundError",
	[OUTCOME_BUDGET_SPENT] = "BudgetExceededError",
	[OUTCOME_RATE_LIMITED] = "HTTPException",
	[OUTCOME_TIMEOUT_BODY] = "Timeout",
	[OUTCOME_NO_DEPLOYMENT] = "RouterRateLimitError",
	[OUTCOME_ALL_COOLING] = "RouterRateLimitError",
	[OUTCOME_QUEUE_FULL] = "RouterRateLimitError",
};

/* A provider's error: "Openai.RateLimitError", behind `provider` where that is known. */
static void put_class(struct buf *b, size_t at, uint8_t outcome, struct str provider)
{
	const char *class = llm_error_class((enum outcome)outcome);
	char text[128];
	size_t n = 0;
	if (class && provider.n && provider.n < 64) {
		memcpy(text, provider.p, provider.n);
		n = provider.n;
		if (text[0] >= 'a' && text[0] <= 'z')
			text[0] = (char)(text[0] - 'a' + 'A');
		text[n++] = '.';
	}
	if (!class && outcome < OUTCOME_COUNT)
		class = own_classes[outcome];
	struct str name = str_z(class ? class : "ProxyException");
	if (name.n > sizeof text - n)
		return;
	memcpy(text + n, name.p, name.n);
	label_put(b, at, "exception_class", str_of(text, n + name.n));
}

static void put_number(struct buf *b, size_t at, const char *name, unsigned v)
{
	char digits[8];
	int n = snprintf(digits, sizeof digits, "%u", v);
	label_put(b, at, name, str_of(digits, (size_t)n));
}

static struct label_set since(const struct buf *b, size_t at)
{
	return (struct label_set){ at, b->n - at };
}

/* ---- rows and their labels -------------------------------------------------------------------
 */

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

/* Its deployment's index; SNAP_NONE: none was asked. False: it is no longer there. */
static bool find_place(const struct scrape *s, const uint32_t *of_row, struct pair *p)
{
	uint64_t deployment = p->name.deployment;
	uint32_t at = deployment ? board_find_deployment(s->board, deployment) : UINT32_MAX;
	p->place = at == UINT32_MAX ? SNAP_NONE : of_row[at];
	return !deployment || p->place != SNAP_NONE;
}

/* Rows that others take while all are looked through: were the place for these missing, others that
 * stand behind them would be left out. */
enum { TAKEN_MEANWHILE = 256 };

/* Of a deployment that is gone nothing is shown: in another series it would look like new spend. */
static bool collect(struct scrape *s, struct pairs *ret)
{
	const uint32_t *of_row = index_rows(s);
	char room[SERIES_LABELS];
	uint64_t n = LOAD(s->board->head->series_used) + TAKEN_MEANWHILE;
	n = n < SERIES_MAX ? n : SERIES_MAX;
	*ret = (struct pairs){ .v = arena_alloc(s->r->mem, (n + 1) * sizeof *ret->v),
			       .attempts = arena_alloc(s->r->mem, (n + 1) * sizeof *ret->v) };
	if (!ret->v || !ret->attempts || !of_row)
		return false;
	for (uint32_t i = 0; i < BOARD_SERIES && ret->n + ret->n_attempts < n; i++) {
		struct pair p = { .row = &s->board->series[i] };
		if (!series_read(p.row, room, &p.name) || !find_place(s, of_row, &p))
			continue;
		if (p.name.labels.n) {
			p.name.labels = arena_dup(s->r->mem, p.name.labels);
			if (!p.name.labels.p)
				return false;
		}
		if (p.name.kind.is_attempt)
			ret->attempts[ret->n_attempts++] = p;
		else
			ret->v[ret->n++] = p;
	}
	return true;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_base(const struct pair *x, const struct pair *y)
{
	int c = memcmp(x->name.key.b, y->name.key.b, sizeof x->name.key.b);
	c = c ? c : compare(x->name.deployment, y->name.deployment);
	c = c ? c : compare(x->name.asked, y->name.asked);
	return c ? c : str_cmp(x->name.labels, y->name.labels);
}

static int by_name(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int c = by_base(x, y);
	c = c ? c : compare(x->name.kind.route, y->name.kind.route);
	c = c ? c : compare(x->name.kind.status, y->name.kind.status);
	return c ? c : compare(x->name.kind.outcome, y->name.kind.outcome);
}

static struct label_set label_key(struct scrape *s, const struct sha256 *hash)
{
	static const struct sha256 nobody;
	struct buf *b = &s->labels;
	size_t at = b->n;
	char hex[2 * sizeof hash->b + 1];
	if (hash_sha256_eq(hash, &nobody))
		return since(b, at);
	hash_hex(hex, hash->b, sizeof hash->b);
	label_put(b, at, "hashed_api_key", str_of(hex, sizeof hex - 1));
	return since(b, at);
}

static void label_owners(struct scrape *s, const struct sha256 *hash, size_t at,
			 struct label_set *of_key)
{
	struct buf *b = &s->labels;
	struct dir_key key, team;
	if (!of_key->n || !dir_find(s->r->w->dir, hash, &key))
		return;
	label_put(b, at, "api_key_alias", key.alias);
	*of_key = since(b, at);
	label_put(b, at, "team", key.team_id);
	if (key.team_id.n && dir_find_named(s->r->w->dir, DIR_TEAM, key.team_id, &team))
		label_put(b, at, "team_alias", team.alias);
	label_put(b, at, "user", key.user_id);
}

/* The name of the group that was asked for; a group that is gone has none. */
static struct str asked_name(const struct scrape *s, const struct pair *p)
{
	const struct snap *snap = s->r->snap;
	uint32_t n = snap_head(snap)->groups.count + snap_head(snap)->patterns.count;
	if (!p->name.asked)
		return p->place == SNAP_NONE
			       ? STR("")
			       : snap_text(snap, snap_deployment(snap, p->place)->group);
	for (uint32_t i = 0; i < n; i++) {
		struct str name = snap_text(snap, snap_group(snap, i)->name);
		if (hash_stable(name) == p->name.asked)
			return name;
	}
	return STR("");
}

static void label_base(struct scrape *s, struct pair *p)
{
	struct buf *b = &s->labels;
	size_t at = b->n;
	p->of_key = label_key(s, &p->name.key);
	label_owners(s, &p->name.key, at, &p->of_key);
	p->who = since(b, at);
	if (p->place != SNAP_NONE) {
		const struct snap_deployment *d = snap_deployment(s->r->snap, p->place);
		label_put(b, at, "model", snap_text(s->r->snap, d->model));
		label_put(b, at, "model_id", snap_text(s->r->snap, d->id));
		label_put(b, at, "requested_model", asked_name(s, p));
	}
	if (p->name.labels.n && b->n > at)
		buf_put_char(b, ',');
	buf_put(b, p->name.labels);
	p->base = since(b, at);
}

static struct str provider_of(const struct scrape *s, const struct pair *p)
{
	const struct snap *snap = s->r->snap;
	return p->place == SNAP_NONE ? STR("")
				     : snap_text(snap, snap_deployment(snap, p->place)->provider);
}

static void label_end(struct scrape *s, struct pair *p, struct str route)
{
	struct buf *b = &s->labels;
	size_t at = b->n;
	label_put(b, at, "route", route);
	put_number(b, at, "status_code", p->name.kind.status);
	p->status = since(b, at);
	if (p->name.kind.outcome == OUTCOME_OK)
		return;
	at = b->n;
	label_put(b, at, "route", route);
	put_number(b, at, "exception_status", p->name.kind.status);
	put_class(b, at, p->name.kind.outcome, provider_of(s, p));
	p->class = since(b, at);
}

struct routes {
	uint32_t *hash;			/* of all endpoints */
};

static bool read_routes(struct scrape *s, struct routes *ret)
{
	ret->hash = arena_alloc(s->r->mem, (endpoints_count + 1) * sizeof *ret->hash);
	for (size_t i = 0; ret->hash && i < endpoints_count; i++)
		ret->hash[i] = endpoints[i].flags & EP_LLM ? series_route(str_z(endpoints[i].path))
							   : 0;
	return ret->hash != NULL;
}

static struct str route_of(const struct routes *routes, uint32_t hash)
{
	const struct endpoint *const more[] = { &endpoint_target, &endpoint_open_target };
	for (size_t i = 0; hash && i < endpoints_count; i++)
		if (routes->hash[i] == hash)
			return str_z(endpoints[i].path);
	for (size_t i = 0; hash && i < COUNT(more); i++)
		if (series_route(str_z(more[i]->path)) == hash)
			return str_z(more[i]->path);
	return STR("");
}

bool metrics_find_pairs(struct scrape *s, struct pairs *ret)
{
	struct routes routes;
	struct str route = STR("");
	if (!collect(s, ret) || !read_routes(s, &routes))
		return false;
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, by_name);
	for (size_t i = 0; i < ret->n; i++) {
		struct pair *p = &ret->v[i], *last = i ? p - 1 : NULL;
		if (!last || p->name.kind.route != last->name.kind.route)
			route = route_of(&routes, p->name.kind.route);
		if (last && by_base(p, last) == 0) {
			p->of_key = last->of_key;
			p->who = last->who;
			p->base = last->base;
		} else {
			label_base(s, p);
		}
		label_end(s, p, route);
	}
	return !s->labels.failed;
}

/* ---- families --------------------------------------------------------------------------------
 */

static struct str text_of(const struct scrape *s, const struct pair *p, enum shape shape)
{
	if (shape == SHAPE_BASE)
		return STR("");
	return label_text(&s->labels, shape == SHAPE_STATUS ? p->status : p->class);
}

static void put_pair_family(struct scrape *s, const struct pairs *pairs,
			    const struct pair_family *f)
{
	const struct board_series *others = &s->board->series[BOARD_SERIES];
	page_family(&s->page, f->name, f->type, f->help);
	for (size_t i = 0, next; i < pairs->n; i = next) {
		const struct pair *first = &pairs->v[i];
		struct str text = text_of(s, first, f->shape);
		uint64_t sum = 0;
		for (next = i; next < pairs->n && pairs->v[next].base.at == first->base.at &&
			       str_eq(text_of(s, &pairs->v[next], f->shape), text); next++)
			sum += f->value(pairs->v[next].row);
		if (sum || !f->is_sparse)
			page_sample_more(&s->page, f->name, label_text(&s->labels, first->base),
					 text, f->unit, sum);
	}
	if (pair_all(others))
		page_sample(&s->page, f->name,
			    STR("hashed_api_key=\"other\",model=\"other\",model_id=\"other\","
				"requested_model=\"other\""),
			    f->unit, f->value(others));
}

/* ---- families of few samples: by their labels as text ----------------------------------------
 */

struct sample {
	struct str labels;
	uint64_t value;
};

static int by_labels(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;
	return str_cmp(x->labels, y->labels);
}

static void put_samples(struct scrape *s, const char *name, struct sample *v, size_t n)
{
	if (n)
		qsort(v, n, sizeof *v, by_labels);
	for (size_t i = 0, next; i < n; i = next) {
		uint64_t sum = 0;
		for (next = i; next < n && str_eq(v[next].labels, v[i].labels); next++)
			sum += v[next].value;
		if (sum)
			page_sample(&s->page, name, v[i].labels, UNIT_ONE, sum);
	}
}

/* Text that stays where it is while the buffer of labels grows. */
static struct str keep_text(struct scrape *s, size_t at)
{
	struct str text = arena_dup(s->r->mem, str_of(s->labels.p + at, s->labels.n - at));
	if (!text.p)
		s->page.out.failed = true;
	return text;
}

static struct str fallback_labels(struct scrape *s, const struct pair *p)
{
	struct buf *b = &s->labels;
	size_t at = b->n;
	const struct snap *snap = s->r->snap;
	label_put(b, at, "requested_model", asked_name(s, p));
	if (p->place != SNAP_NONE)
		label_put(b, at, "fallback_model",
			  snap_text(snap, snap_deployment(snap, p->place)->group));
	put_number(b, at, "exception_status",
		   (unsigned)outcome_rows[p->name.kind.fell % OUTCOME_COUNT].status);
	put_class(b, at, p->name.kind.fell, STR(""));
	struct str who = label_text(b, p->who);
	if (who.n && buf_reserve(b, who.n + 1) == 0) {	/* which moves what it is copied from */
		buf_put_char(b, ',');
		buf_put(b, label_text(b, p->who));
	}
	return keep_text(s, at);
}

static void put_fallbacks(struct scrape *s, const struct pairs *pairs)
{
	static const struct {
		const char *name, *type, *help;
		uint64_t (*value)(const struct board_series *row);
	} families[] = {
		{ "litellm_deployment_successful_fallbacks_total", "counter", "Requests that another group answered than the one asked for", pair_successes },
		{ "litellm_deployment_failed_fallbacks_total", "counter", "Requests that another group could not answer either", pair_failures },
	};
	size_t n = 0;
	struct sample *v = arena_alloc(s->r->mem, (pairs->n + 1) * sizeof *v);
	if (!v) {
		s->page.out.failed = true;
		return;
	}
	for (size_t f = 0; f < COUNT(families); f++) {
		n = 0;
		for (size_t i = 0; i < pairs->n; i++)
			if (pairs->v[i].name.asked && families[f].value(pairs->v[i].row))
				v[n++] = (struct sample){ fallback_labels(s, &pairs->v[i]),
							  families[f].value(pairs->v[i].row) };
		page_family(&s->page, families[f].name, families[f].type, families[f].help);
		put_samples(s, families[f].name, v, n);
	}
}

uint64_t metrics_put_failures(struct scrape *s, const char *name, const struct pairs *pairs,
			      const struct label_set *labels)
{
	uint64_t rest = 0;
	size_t n = 0;
	struct sample *v = arena_alloc(s->r->mem, (pairs->n_attempts + 1) * sizeof *v);
	for (size_t i = 0; v && i < pairs->n_attempts; i++) {
		const struct pair *p = &pairs->attempts[i];
		size_t at = s->labels.n;
		if (p->place >= s->n_shown) {
			rest += pair_failures(p->row);
			continue;
		}
		if (buf_reserve(&s->labels, labels[p->place].n + 256) < 0)
			continue;
		buf_put(&s->labels, label_text(&s->labels, labels[p->place]));
		put_number(&s->labels, at, "exception_status", p->name.kind.status);
		put_class(&s->labels, at, p->name.kind.outcome, provider_of(s, p));
		v[n++] = (struct sample){ keep_text(s, at), pair_failures(p->row) };
	}
	put_samples(s, name, v, n);
	return rest;
}

void metrics_put_pairs(struct scrape *s, const struct pairs *pairs)
{
	for (size_t f = 0; f < COUNT(pair_families); f++)
		put_pair_family(s, pairs, &pair_families[f]);
	put_fallbacks(s, pairs);
}
