/* SPDX-License-Identifier: MIT
 * metrics_text.c - GET /metrics: the rows of all workers, what the board knows of deployments
 * and, if wanted, the same under LiteLLM's names. Any worker can answer for all. */
#include "common/clock.h"
#include "worker/admin/admin.h"
#include "worker/admin/metrics_page.h"

enum { TEXT_MAX = 64 << 20, LABELS_MAX = 16 << 20 };

#define PLAIN_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define OPEN_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

static void label_deployment(struct scrape *s, uint32_t i)
{
	const struct snap *snap = s->r->snap;
	const struct snap_deployment *d = snap_deployment(snap, i);
	size_t at = s->labels.n;
	label_put(&s->labels, at, "model", snap_text(snap, d->group));
	label_put(&s->labels, at, "provider", snap_text(snap, d->provider));
	label_put(&s->labels, at, "model_id", snap_text(snap, d->id));
	s->of_deployment[i] = (struct label_set){ at, s->labels.n - at };
}

static bool begin(struct scrape *s, struct request *r)
{
	uint32_t most = snap_settings(r->snap)->metric_series;
	s->r = r;
	s->page.snap = r->snap;
	s->page.filter = snap_settings(r->snap)->metric_filter;
	s->page.mem = r->mem;
	s->board = &r->w->board;
	s->now_ns = clock_ns();
	s->n_deployments = snap_head(r->snap)->deployments.count;
	s->n_shown = s->n_deployments < most ? s->n_deployments : most;
	s->sum = arena_alloc(r->mem, sizeof *s->sum);
	s->of_deployment = arena_alloc(r->mem, (s->n_shown + 1) * sizeof *s->of_deployment);
	if (!s->sum || !s->of_deployment)
		return false;
	for (unsigned i = 0; i <= BOARD_WORKERS; i++)
		metric_sum(s->sum, &s->board->metrics[i]);
	for (uint32_t i = 0; i < s->n_shown; i++)
		label_deployment(s, i);
	return !s->labels.failed;
}

/* Who takes both gets the newer one; what it is worth to him is not asked. */
static bool wants_open(const struct request *r)
{
	struct str accept = r->conn ? http_header(r->http, "accept") : STR_NONE;
	return str_find(accept, STR("application/openmetrics-text")) != SIZE_MAX;
}

enum step admin_metrics(struct request *r)
{
	struct scrape s = { .page.is_open = wants_open(r) };
	enum step step;
	buf_init(&s.page.out, TEXT_MAX);
	buf_init(&s.labels, LABELS_MAX);
	if (begin(&s, r)) {
		metrics_put_gateway(&s);
		metrics_put_workers(&s);
		metrics_put_deployments(&s);
		if (snap_settings(r->snap)->flags & SET_LITELLM_METRICS)
			metrics_put_litellm(&s);
		page_end(&s.page);
		if (s.page.is_open)
			BUF_PUT_LIT(&s.page.out, "# EOF\n");
		step = request_reply_buf(r, 200, s.page.is_open ? OPEN_TYPE : PLAIN_TYPE,
					 &s.page.out);
	} else {
		step = request_fail(r, OUTCOME_OVERLOADED, NULL, "no memory for the metrics");
	}
	buf_done(&s.page.out);
	buf_done(&s.labels);
	return step;
}
