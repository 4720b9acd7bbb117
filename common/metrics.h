/* SPDX-License-Identifier: MIT
 * metrics.h - every counter and histogram; its place in the shared row is its place in the list.
 *
 * One row per worker, written by it alone with plain relaxed stores; the reader sums. When a
 * worker is reaped the master folds its row into the last one, so counters never go back. */
#ifndef METRICS_H
#define METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* One in dollars is counted in 1e-9 of them.
 *        field              exported name                            help */
#define METRIC_COUNTERS(X)                                                                        \
	X(requests,          "llmgw_requests_total",                  "Requests answered")         \
	X(requests_2xx,      "llmgw_responses_2xx_total",             "Answers with a 2xx status") \
	X(requests_4xx,      "llmgw_responses_4xx_total",             "Answers with a 4xx status") \
	X(requests_5xx,      "llmgw_responses_5xx_total",             "Answers with a 5xx status") \
	X(tokens_in,         "llmgw_prompt_tokens_total",             "Prompt tokens sent")        \
	X(tokens_out,        "llmgw_completion_tokens_total",         "Completion tokens received") \
	X(cost_nano,         "llmgw_cost_dollars_total",              "Cost booked") \
	X(attempts,          "llmgw_upstream_attempts_total",         "Attempts at a provider")    \
	X(attempt_failures,  "llmgw_upstream_failures_total",         "Attempts that failed")      \
	X(hedges,            "llmgw_hedges_total",                    "Second attempts beside one that takes long") \
	X(hedges_won,        "llmgw_hedges_won_total",                "Of those, that had something first") \
	X(retries,           "llmgw_retries_total",                   "Attempts after the first in a group") \
	X(fallbacks,         "llmgw_fallbacks_total",                 "Moves to another group")    \
	X(cooldowns,         "llmgw_cooldowns_total",                 "Deployments put aside")     \
	X(streams,           "llmgw_streams_total",                   "Streamed answers begun")    \
	X(stream_events,     "llmgw_stream_events_total",             "Stream events passed on")   \
	X(streams_client_gone, "llmgw_streams_client_gone_total",     "Streams that the client left") \
	X(streams_broken,    "llmgw_streams_broken_total",            "Streams that a provider broke") \
	X(streams_continued, "llmgw_streams_continued_total",         "Streams that went on with another attempt") \
	X(heartbeats,        "llmgw_stream_heartbeats_total",         "Heartbeat comments sent")   \
	X(keys_unknown,      "llmgw_keys_unknown_total",              "Requests with an unknown key") \
	X(jwt_verified,      "llmgw_jwt_verified_total",              "Tokens whose signature was checked and good") \
	X(jwt_cached,        "llmgw_jwt_cached_total",                "Requests with a token that had been checked before") \
	X(jwt_refused,       "llmgw_jwt_refused_total",               "Requests with a token that was not good") \
	X(jwt_refused_cached, "llmgw_jwt_refused_cached_total",       "Of those, with one that was known to be bad") \
	X(jwks_fetches,      "llmgw_jwks_fetches_total",              "Times that public keys of an issuer were fetched") \
	X(jwks_failures,     "llmgw_jwks_failures_total",             "Of those, that brought none") \
	X(suspects_refused,  "llmgw_suspects_refused_total",          "Requests refused because the same one has crashed workers") \
	X(memory_refused,    "llmgw_memory_refused_total",            "Requests refused because the worker held too much memory") \
	X(limited,           "llmgw_rate_limited_total",              "Requests over a rate limit") \
	X(queued,            "llmgw_queued_total",                    "Requests that waited for room at a provider") \
	X(queue_refused,     "llmgw_queue_refused_total",             "Requests refused because they would wait, or had waited, too long") \
	X(budget_refused,    "llmgw_budget_refused_total",            "Requests over a budget")    \
	X(journal_full,      "llmgw_journal_full_total",              "Requests refused because the journal was full") \
	X(money_down,        "llmgw_money_down_total",                "Requests refused because spend could not be recorded") \
	X(silent,            "llmgw_silent_copies_total",             "Copies of requests sent to silent models") \
	X(silent_equal,      "llmgw_silent_equal_total",              "Copies whose answer was the client's to the byte") \
	X(silent_failed,     "llmgw_silent_failed_total",             "Copies that had no whole answer") \
	X(silent_skipped,    "llmgw_silent_skipped_total",            "Requests not copied, for too many copies were under way") \
	X(unpriced,          "llmgw_unpriced_requests_total",         "Requests to models without a price") \
	X(connections,       "llmgw_connections_total",               "Client connections accepted") \
	X(connections_refused, "llmgw_connections_refused_total",     "Client connections closed at once: limit reached") \
	X(upstream_connects, "llmgw_upstream_connections_total",      "Connections made to providers") \
	X(upstream_barred,   "llmgw_upstream_addresses_refused_total", "Connections not made because of the address that a provider's name led to") \
	X(http_errors,       "llmgw_http_errors_total",               "Malformed HTTP requests refused") \
	X(bytes_in,          "llmgw_client_received_bytes_total",     "Bytes read from clients")   \
	X(bytes_out,         "llmgw_client_sent_bytes_total",         "Bytes written to clients")  \
	X(series_overflow,   "llmgw_metrics_series_overflow_total",   "Requests counted under other because server.metrics.series was reached") \
	X(log_dropped,       "llmgw_log_dropped_total",               "Log records dropped") \
	X(replays,           "llmgw_replays_total",                   "Requests given the answer of an identical one") \
	X(cache_hits,        "llmgw_cache_hits_total",                "Requests answered from the response cache") \
	X(cache_misses,      "llmgw_cache_misses_total",              "Requests that were looked up there and asked for") \
	X(cache_joined,      "llmgw_cache_joined_total",              "Requests that waited for an answer which was on its way there") \
	X(cache_saved_nano,  "llmgw_cache_saved_dollars_total",       "What the hits had cost when they were made") \
	X(records_dropped,   "llmgw_records_dropped_total",           "Finished requests that callbacks were not told of: the ring was full") \
	X(export_sent,       "llmgw_export_sent_total",               "Records that callbacks have taken") \
	X(export_dropped,    "llmgw_export_dropped_total",            "Records that callbacks refused, or that found no room while one was down") \
	X(export_failures,   "llmgw_export_failures_total",           "Batches that a callback did not take at once") \
	X(texts_untold,      "llmgw_export_texts_lost_total",         "Requests of whose prompt and answer callbacks were to be told, and were not") \
	X(texts_kept,        "llmgw_texts_kept_total",                "Requests whose prompt and answer were stored") \
	X(texts_lost,        "llmgw_texts_lost_total",                "Requests whose prompt and answer were to be stored, and were lost") \
	X(alerts_sent,       "llmgw_alerts_sent_total",               "Alerts that a receiver has taken") \
	X(alerts_dropped,    "llmgw_alerts_dropped_total",            "Alerts that found no room, or that a receiver did not take in five tries")

/*        field         exported name                     scale to seconds, help */
#define METRIC_HISTOGRAMS(X)                                                                       \
	X(duration,     "llmgw_request_duration_seconds",     "Time from the first byte of a request to a model to the last of its answer") \
	X(first_token,  "llmgw_time_to_first_token_seconds",  "Time to the first content of a streamed answer") \
	X(overhead,     "llmgw_overhead_seconds",             "Time a request spent in the gateway itself") \
	X(queue_wait,   "llmgw_queue_wait_seconds",           "Time a request waited for room at a provider before it was let go")

enum { METRIC_BUCKETS = 20 };
struct metric_histogram {
	_Atomic uint64_t bucket[METRIC_BUCKETS];	/* not cumulative; the last is +Inf */
	_Atomic uint64_t sum_ns;
};
struct metric_row {
#define X(field, name, help) _Atomic uint64_t field;
	METRIC_COUNTERS(X)
#undef X
#define X(field, name, help) struct metric_histogram field;
	METRIC_HISTOGRAMS(X)
#undef X
};

enum metric_histogram_id {
#define X(field, name, help) METRIC_H_##field,
	METRIC_HISTOGRAMS(X)
#undef X
	METRIC_H_COUNT
};
/* Upper bounds in nanoseconds of METRIC_BUCKETS - 1 buckets for each histogram. */
extern const uint64_t metric_bounds_ns[METRIC_H_COUNT][METRIC_BUCKETS - 1];

#define METRIC_ADD(row, field, n)                                                                 \
	atomic_store_explicit(&(row)->field,                                                      \
			      atomic_load_explicit(&(row)->field, memory_order_relaxed) +         \
				      (uint64_t)(n),                                              \
			      memory_order_relaxed)
#define METRIC_TIME(row, field, ns) metric_observe(&(row)->field, METRIC_H_##field, (ns))

void metric_observe(struct metric_histogram *h, enum metric_histogram_id id, uint64_t ns);
/* The same of one that several processes write. */
void metric_observe_shared(struct metric_histogram *h, enum metric_histogram_id id, uint64_t ns);
/* Adds every counter of *from to *to (a relaxed sum; rows of uint64 words only). */
void metric_sum(struct metric_row *to, const struct metric_row *from);

#endif
