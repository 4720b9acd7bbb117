/* SPDX-License-Identifier: MIT
 * metrics_gateway.c - the families of /metrics that are about the gateway: summed over all
 * workers, and a sample for each of them. */
#include <stdio.h>

#include "common/cache.h"
#include "common/clock.h"
#include "worker/admin/metrics_page.h"
#include "worker/client/tls.h"

/* ---- one for all ------------------------------------------------------------------------------
 */

struct own_family {
	const char *name, *type, *help;
	enum unit unit;
	uint64_t (*value)(const struct scrape *s);
};

/* The sum of one number over the workers that live. */
#define SUM(name, expression)                                                \
	static uint64_t name(const struct scrape *s)                         \
	{                                                                    \
		uint64_t sum = 0;                                            \
		for (unsigned i = 0; i < BOARD_WORKERS; i++) {               \
			const struct board_worker *w = &s->board->workers[i]; \
			if (board_worker_lives(w))                           \
				sum += (expression);                         \
		}                                                            \
		return sum;                                                  \
	}
#define HEAD(name, expression)                                   \
	static uint64_t name(const struct scrape *s)             \
	{                                                        \
		const struct board_head *h = s->board->head;     \
		return (expression);                             \
	}

/* Another process writes the two words: the second may be ahead for a moment. */
static uint64_t ahead(uint64_t last, uint64_t behind)
{
	return last > behind ? last - behind : 0;
}

SUM(own_requests, LOAD(w->requests))
SUM(own_streams, LOAD(w->streams))
SUM(own_connections, LOAD(w->connections))
SUM(own_waiting, LOAD(w->waiting))
SUM(own_queue, ahead(LOAD(w->journal_last), LOAD(w->journal_committed)))
HEAD(own_ready, LOAD(h->ready_workers))
HEAD(own_wanted, LOAD(h->workers_wanted))
HEAD(own_generation, LOAD(h->generation))
HEAD(own_money_down, LOAD(h->money_down) != MONEY_OK)
HEAD(own_restarts, LOAD(h->worker_restarts))
HEAD(own_reloads, LOAD(h->reloads))
HEAD(own_reload_failures, LOAD(h->reload_failures))
HEAD(own_reload_ns, LOAD(h->last_reload_wall_ns))
HEAD(own_started_ns, LOAD(h->started_wall_ns))
HEAD(own_rows, LOAD(h->ledger_rows))
HEAD(own_errors, LOAD(h->ledger_errors))
HEAD(own_pairs, LOAD(h->series_used))

static struct cache_stats cache_of(const struct scrape *s)
{
	struct cache_stats c = { 0 };
	if (s->r->w->cache)
		cache_read_stats(s->r->w->cache, &c);
	return c;
}

static uint64_t own_cache_entries(const struct scrape *s)
{
	return cache_of(s).entries;
}

static uint64_t own_cache_bytes(const struct scrape *s)
{
	return cache_of(s).used_bytes;
}

static uint64_t own_cache_evicted(const struct scrape *s)
{
	return cache_of(s).evicted;
}

static uint64_t own_keys(const struct scrape *s)
{
	return dir_count_kind(s->r->w->dir, DIR_KEY);
}

static uint64_t own_rows_now(const struct scrape *s)
{
	return dir_count(s->r->w->dir);
}

static uint64_t own_rows_room(const struct scrape *s)
{
	return dir_room(s->r->w->dir);
}

static uint64_t own_certificate_ns(const struct scrape *s)
{
	int64_t end = s->r->w->tls ? tls_context_end(s->r->w->tls) : -1;
	return end < 0 ? SAMPLE_NONE : (uint64_t)end * NS_PER_S;
}

static uint64_t own_deployments(const struct scrape *s)
{
	return s->n_deployments;
}

static uint64_t own_unpriced(const struct scrape *s)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < s->n_deployments; i++)
		n += !(snap_deployment(s->r->snap, i)->flags &
		       (DEPLOY_KNOWN_PRICE | DEPLOY_PRICE_BY_NAME));
	return n;
}

static uint64_t own_folded(const struct scrape *s)
{
	return s->n_deployments - s->n_shown;
}

static const struct own_family own_families[] = {
	{ "llmgw_requests_in_flight", "gauge", "Requests under way", UNIT_ONE, own_requests },
	{ "llmgw_requests_waiting", "gauge", "Requests that wait for room at a provider", UNIT_ONE, own_waiting },
	{ "llmgw_streams_open", "gauge", "Streamed answers under way", UNIT_ONE, own_streams },
	{ "llmgw_connections_open", "gauge", "Client connections", UNIT_ONE, own_connections },
	{ "llmgw_workers_ready", "gauge", "Workers that serve", UNIT_ONE, own_ready },
	{ "llmgw_workers_wanted", "gauge", "Workers that there should be", UNIT_ONE, own_wanted },
	{ "llmgw_worker_restarts_total", "counter", "Workers started again after they ended", UNIT_ONE, own_restarts },
	{ "llmgw_start_time_seconds", "gauge", "When the service started, since 1970", UNIT_NANO, own_started_ns },
	{ "llmgw_config_generation", "gauge", "Generation of the configuration in force", UNIT_ONE, own_generation },
	{ "llmgw_config_reloads_total", "counter", "Configurations taken into force since the start", UNIT_ONE, own_reloads },
	{ "llmgw_config_reload_failures_total", "counter", "Configurations that were refused", UNIT_ONE, own_reload_failures },
	{ "llmgw_config_last_reload_timestamp_seconds", "gauge", "When one was last taken into force, since 1970; 0: never", UNIT_NANO, own_reload_ns },
	{ "llmgw_keys", "gauge", "Virtual keys, the master key included", UNIT_ONE, own_keys },
	{ "llmgw_directory_rows", "gauge", "Rows of keys, teams, users and their kin in shared memory", UNIT_ONE, own_rows_now },
	{ "llmgw_directory_rows_max", "gauge", "Rows of usual size that there is room for: server.max-keys", UNIT_ONE, own_rows_room },
	{ "llmgw_tls_certificate_expiry_timestamp_seconds", "gauge", "When the certificate for clients ends, since 1970; none without TLS", UNIT_NANO, own_certificate_ns },
	{ "llmgw_deployments", "gauge", "Deployments in the configuration", UNIT_ONE, own_deployments },
	{ "llmgw_deployments_unpriced", "gauge", "Those of them that have no price, pass-through targets among them", UNIT_ONE, own_unpriced },
	{ "llmgw_metrics_deployments_folded", "gauge", "Deployments shown as one named other because server.metrics.series was reached", UNIT_ONE, own_folded },
	{ "llmgw_metrics_pairs", "gauge", "Rows of key, deployment, route and end that are counted for LiteLLM's metrics", UNIT_ONE, own_pairs },
	{ "llmgw_cache_entries", "gauge", "Answers in the response cache", UNIT_ONE, own_cache_entries },
	{ "llmgw_cache_bytes", "gauge", "Bytes that they take", UNIT_ONE, own_cache_bytes },
	{ "llmgw_cache_evictions_total", "counter", "Answers that newer ones pushed out of it", UNIT_ONE, own_cache_evicted },
	{ "llmgw_spend_unavailable", "gauge", "1 while spend cannot be recorded", UNIT_ONE, own_money_down },
	{ "llmgw_ledger_queue_records", "gauge", "Journal records that are not in the database yet", UNIT_ONE, own_queue },
	{ "llmgw_ledger_rows_total", "counter", "Spend rows written", UNIT_ONE, own_rows },
	{ "llmgw_ledger_errors_total", "counter", "Commits of spend that failed", UNIT_ONE, own_errors },
};

/* What requests under way have set aside; nothing when all is idle. */
static void put_reservations(struct scrape *s)
{
	const struct board *board = s->board;
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
			nano += (uint64_t)LOAD(slots[at].reserve_nano);
		}
	}
	page_single(&s->page, "llmgw_reservations_open", "gauge",
		    "Requests that hold money or a parallel place", UNIT_ONE, held);
	page_single(&s->page, "llmgw_reserved_dollars", "gauge", "Set aside for them", UNIT_NANO,
		    nano);
}

void metrics_put_gateway(struct scrape *s)
{
	struct page *p = &s->page;
	const struct metric_row *m = s->sum;
	page_family(p, "llmgw_build_info", "gauge", "The running version");
	page_sample(p, "llmgw_build_info", STR("version=\"" LLMGW_VERSION "\""), UNIT_ONE, 1);
#define X(field, name, help)                                                                   \
	page_single(p, name, "counter", help,                                                  \
		    str_ends(STR(name), STR("_dollars_total")) ? UNIT_NANO : UNIT_ONE, LOAD(m->field));
	METRIC_COUNTERS(X)
#undef X
#define X(field, name, help) \
	page_histogram(p, name, help, &m->field, metric_bounds_ns[METRIC_H_##field]);
	METRIC_HISTOGRAMS(X)
#undef X
	for (size_t f = 0; f < COUNT(own_families); f++)
		page_single(p, own_families[f].name, own_families[f].type, own_families[f].help,
			    own_families[f].unit, own_families[f].value(s));
	put_reservations(s);
}

/* ---- for each worker --------------------------------------------------------------------------
 */

struct worker_family {
	const char *name, *type, *help;
	enum unit unit;
	uint64_t (*value)(const struct scrape *s, const struct board_worker *w);
};

#define EACH(name, expression)                                                             \
	static uint64_t name(const struct scrape *s, const struct board_worker *w)         \
	{                                                                                  \
		(void)s;                                                                   \
		return (expression);                                                       \
	}

EACH(each_requests, LOAD(w->requests))
EACH(each_streams, LOAD(w->streams))
EACH(each_connections, LOAD(w->connections))
EACH(each_lag, LOAD(w->loop_lag_ns))
EACH(each_beat, ahead(s->now_ns, LOAD(w->beat_ns)))
EACH(each_age, ahead(s->now_ns, LOAD(w->started_ns)))
EACH(each_generation, LOAD(w->generation))
EACH(each_draining, LOAD(w->state) == WORKER_DRAINING)
EACH(each_unflushed, ahead(LOAD(w->journal_last), LOAD(w->journal_flushed)))
EACH(each_queue, ahead(LOAD(w->journal_last), LOAD(w->journal_committed)))

/* All journals have the same length. */
static uint64_t each_room(const struct scrape *s, const struct board_worker *w)
{
	uint64_t queue = each_queue(s, w), count = journal_count(s->r->w->journal);
	return count > queue ? count - queue : 0;
}

static const struct worker_family worker_families[] = {
	{ "llmgw_worker_requests_in_flight", "gauge", "Requests under way in a worker", UNIT_ONE, each_requests },
	{ "llmgw_worker_streams_open", "gauge", "Streamed answers under way in a worker", UNIT_ONE, each_streams },
	{ "llmgw_worker_connections_open", "gauge", "Client connections of a worker", UNIT_ONE, each_connections },
	{ "llmgw_worker_loop_lag_seconds", "gauge", "Longest turn of a worker's loop in the last second", UNIT_NANO, each_lag },
	{ "llmgw_worker_beat_age_seconds", "gauge", "Time since a worker's last sign of life", UNIT_NANO, each_beat },
	{ "llmgw_worker_age_seconds", "gauge", "Time since a worker was started", UNIT_NANO, each_age },
	{ "llmgw_worker_config_generation", "gauge", "Generation of the configuration that a worker has", UNIT_ONE, each_generation },
	{ "llmgw_worker_draining", "gauge", "1 while a worker finishes and accepts nothing more", UNIT_ONE, each_draining },
	{ "llmgw_worker_journal_unflushed_records", "gauge", "Journal records that are not on disk yet", UNIT_ONE, each_unflushed },
	{ "llmgw_worker_journal_room_records", "gauge", "Journal records that there is room for", UNIT_ONE, each_room },
};

void metrics_put_workers(struct scrape *s)
{
	for (size_t f = 0; f < COUNT(worker_families); f++) {
		const struct worker_family *family = &worker_families[f];
		page_family(&s->page, family->name, family->type, family->help);
		for (unsigned i = 0; i < BOARD_WORKERS; i++) {
			const struct board_worker *w = &s->board->workers[i];
			char labels[24];
			if (!board_worker_lives(w))
				continue;
			int n = snprintf(labels, sizeof labels, "worker=\"%u\"", i);
			page_sample(&s->page, family->name, str_of(labels, (size_t)n), family->unit,
				    family->value(s, w));
		}
	}
}
