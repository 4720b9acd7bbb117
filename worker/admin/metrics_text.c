/* SPDX-License-Identifier: MIT
 * metrics_text.c - GET /metrics in Prometheus' text format 0.0.4: the rows of all workers, and
 * what the board knows of deployments. Any worker can answer for all. */
#include "common/clock.h"
#include "common/mem.h"
#include "worker/admin/admin.h"
#include "worker/request.h"

enum { TEXT_MAX = 32 << 20 };

static void put_head(struct buf *b, const char *name, const char *help, const char *type)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_seconds(struct buf *b, uint64_t ns)
{
	buf_printf(b, "%llu.%09llu", (unsigned long long)(ns / NS_PER_S),
		   (unsigned long long)(ns % NS_PER_S));
}

static void put_histogram(struct buf *b, const char *name, const char *help,
			  const struct metric_histogram *h, const uint64_t *bounds)
{
	uint64_t sum = 0;
	put_head(b, name, help, "histogram");
	for (unsigned i = 0; i < METRIC_BUCKETS; i++) {
		sum += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
		if (i < METRIC_BUCKETS - 1)
			buf_printf(b, "%s_bucket{le=\"%.9g\"} %llu\n", name,
				   (double)bounds[i] / 1e9, (unsigned long long)sum);
	}
	buf_printf(b, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum ", name, (unsigned long long)sum, name);
	put_seconds(b, atomic_load_explicit(&h->sum_ns, memory_order_relaxed));
	buf_printf(b, "\n%s_count %llu\n", name, (unsigned long long)sum);
}

static void put_label(struct buf *b, const char *name, struct str v)
{
	buf_printf(b, "%s=\"", name);
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_put_char(b, '\\');
		if (v.p[i] == '\n')
			BUF_PUT_LIT(b, "\\n");
		else
			buf_put_char(b, v.p[i]);
	}
	buf_put_char(b, '"');
}

static void put_counters(struct buf *b, const struct metric_row *m)
{
#define X(field, name, help)                                                                      \
	put_head(b, name, help, "counter");                                                       \
	buf_printf(b, "%s %llu\n", name,                                                          \
		   (unsigned long long)atomic_load_explicit(&m->field, memory_order_relaxed));
	METRIC_COUNTERS(X)
#undef X
#define X(field, name, help)                                                                       \
	put_histogram(b, name, help, &m->field, metric_bounds_ns[METRIC_H_##field]);
	METRIC_HISTOGRAMS(X)
#undef X
}

static void put_gauge(struct buf *b, const char *name, const char *help, uint64_t v)
{
	put_head(b, name, help, "gauge");
	buf_printf(b, "%s %llu\n", name, (unsigned long long)v);
}

/* What requests under way have set aside; nothing when all is idle. */
static void put_reservations(struct buf *b, const struct board *board)
{
	uint64_t held = 0, nano = 0;
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		const struct board_slot *slots = &board->slots[(size_t)i * BOARD_SLOTS];
		uint32_t n =
			atomic_load_explicit(&board->workers[i].slots_high, memory_order_acquire);
		for (uint32_t at = 0; at < n && at < BOARD_SLOTS; at++) {
			if (atomic_load_explicit(&slots[at].state, memory_order_acquire) !=
			    SLOT_HELD)
				continue;
			held++;
			nano += (uint64_t)atomic_load_explicit(&slots[at].reserve_nano,
							       memory_order_relaxed);
		}
	}
	put_gauge(b, "llmgw_reservations_open", "Requests that hold money or a parallel place",
		  held);
	put_gauge(b, "llmgw_reserved_nanodollars", "Set aside for them, in 1e-9 dollars", nano);
}

static void put_board(struct buf *b, const struct board *board)
{
	uint64_t requests = 0, streams = 0, connections = 0;
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		const struct board_worker *w = &board->workers[i];
		uint32_t state = atomic_load_explicit(&w->state, memory_order_relaxed);
		if (state != WORKER_READY && state != WORKER_DRAINING)
			continue;
		requests += atomic_load_explicit(&w->requests, memory_order_relaxed);
		streams += atomic_load_explicit(&w->streams, memory_order_relaxed);
		connections += atomic_load_explicit(&w->connections, memory_order_relaxed);
	}
	put_gauge(b, "llmgw_requests_in_flight", "Requests under way", requests);
	put_gauge(b, "llmgw_streams_open", "Streamed answers under way", streams);
	put_gauge(b, "llmgw_connections_open", "Client connections", connections);
	put_gauge(b, "llmgw_workers_ready", "Workers that serve",
		  atomic_load_explicit(&board->head->ready_workers, memory_order_relaxed));
	put_gauge(b, "llmgw_config_generation", "Generation of the configuration in force",
		  atomic_load_explicit(&board->head->generation, memory_order_relaxed));
	put_gauge(b, "llmgw_spend_unavailable", "1 while spend cannot be recorded",
		  atomic_load_explicit(&board->head->money_down, memory_order_relaxed) != MONEY_OK);
	put_head(b, "llmgw_worker_restarts_total", "Workers started again after they ended",
		 "counter");
	buf_printf(b, "llmgw_worker_restarts_total %llu\n",
		   (unsigned long long)atomic_load_explicit(&board->head->worker_restarts,
							    memory_order_relaxed));
	put_head(b, "llmgw_ledger_rows_total", "Spend rows written", "counter");
	buf_printf(b, "llmgw_ledger_rows_total %llu\n",
		   (unsigned long long)atomic_load_explicit(&board->head->ledger_rows,
							    memory_order_relaxed));
}

struct family {
	const char *name, *type, *help;
	uint64_t (*value)(const struct board *b, const struct board_deployment *d, uint32_t row);
};

static uint64_t value_requests(const struct board *b, const struct board_deployment *d,
			       uint32_t row)
{
	(void)b;
	(void)row;
	return atomic_load_explicit(&d->requests, memory_order_relaxed);
}

static uint64_t value_failures(const struct board *b, const struct board_deployment *d,
			       uint32_t row)
{
	(void)b;
	(void)row;
	return atomic_load_explicit(&d->failures, memory_order_relaxed);
}

static uint64_t value_in_flight(const struct board *b, const struct board_deployment *d,
				uint32_t row)
{
	(void)d;
	return board_inflight(b, row);
}

static uint64_t value_cooling(const struct board *b, const struct board_deployment *d, uint32_t row)
{
	(void)b;
	(void)row;
	return atomic_load_explicit(&d->cooldown_until_ns, memory_order_relaxed) > clock_ns();
}

static const struct family families[] = {
	{ "llmgw_deployment_attempts_total", "counter", "Attempts at a deployment", value_requests },
	{ "llmgw_deployment_failures_total", "counter", "Failed attempts at a deployment", value_failures },
	{ "llmgw_deployment_in_flight", "gauge", "Attempts under way at a deployment", value_in_flight },
	{ "llmgw_deployment_cooling", "gauge", "1 while a deployment is put aside", value_cooling },
};

static void put_deployments(struct buf *b, const struct request *r)
{
	const struct snap_head *h = snap_head(r->snap);
	for (size_t f = 0; f < COUNT(families); f++) {
		put_head(b, families[f].name, families[f].help, families[f].type);
		for (uint32_t i = 0; i < h->deployments.count; i++) {
			const struct snap_deployment *d = snap_deployment(r->snap, i);
			buf_printf(b, "%s{", families[f].name);
			put_label(b, "model", snap_text(r->snap, d->group));
			BUF_PUT_LIT(b, ",");
			put_label(b, "provider", snap_text(r->snap, d->provider));
			BUF_PUT_LIT(b, ",");
			put_label(b, "model_id", snap_text(r->snap, d->id));
			buf_printf(b, "} %llu\n",
				   (unsigned long long)families[f].value(&r->w->board,
					&r->w->board.deployments[d->board_row], d->board_row));
		}
	}
}

enum step admin_metrics(struct request *r)
{
	struct metric_row *sum = arena_alloc(r->mem, sizeof *sum);
	struct buf text;
	if (!sum)
		return request_fail(r, OUTCOME_OVERLOADED, NULL, "no memory for the metrics");
	for (unsigned i = 0; i <= BOARD_WORKERS; i++)
		metric_sum(sum, &r->w->board.metrics[i]);
	buf_init(&text, TEXT_MAX);
	put_head(&text, "llmgw_build_info", "The running version", "gauge");
	BUF_PUT_LIT(&text, "llmgw_build_info{version=\"" LLMGW_VERSION "\"} 1\n");
	put_counters(&text, sum);
	put_board(&text, &r->w->board);
	put_reservations(&text, &r->w->board);
	put_deployments(&text, r);
	enum step step = request_reply_buf(r, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
	buf_done(&text);
	return step;
}
