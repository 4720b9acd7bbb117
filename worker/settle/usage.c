/* SPDX-License-Identifier: MIT
 * usage.c - see usage.h. A key that is not known counts as none and its path is not told, so that
 * strangers take a handful of rows at most. */
#include "worker/settle/usage.h"

#include "common/cache.h"
#include "common/series.h"
#include "worker/known.h"
#include "worker/settle/usage_labels.h"

static bool is_wanted(const struct request *r)
{
	return snap_settings(r->snap)->flags & SET_LITELLM_METRICS;
}

/* What the client was told; of a stream that broke off, what it would have been. */
static uint16_t status_of(const struct request *r)
{
	bool is_told = r->outcome == OUTCOME_OK || r->status >= 400;
	return (uint16_t)(is_told && r->status ? r->status : outcome_rows[r->outcome].status);
}

/* The group that the client asked for, where it is not the one that answered. */
static uint64_t asked_of(const struct request *r)
{
	const struct snap_group *g =
		r->fallbacks ? snap_resolve(r->snap, r->requested_model) : NULL;
	return g && g != r->group ? hash_stable(snap_text(r->snap, g->name)) : 0;
}

static struct series_name name_of(const struct request *r)
{
	bool is_known = r->key.id || r->is_admin;
	const struct snap_deployment *d = r->known ? known_deployment(r) : r->deployment;
	struct series_name n = {
		.key = r->key.hash,
		.deployment = d ? d->id_hash : 0,
		.kind = { .outcome = (uint8_t)r->outcome, .status = status_of(r) },
		.asked = asked_of(r),
	};
	if (is_known)
		n.kind.route = series_route(str_z(r->endpoint->path));
	if (n.asked)
		n.kind.fell = r->fell;
	return n;
}

static struct series_step step_of(const struct request *r)
{
	struct series_step s = {
		.is_failure = r->outcome != OUTCOME_OK,
		.tokens_in = r->settled_seq ? r->tally.usage.input : 0,
		.tokens_out = r->settled_seq ? r->tally.usage.output : 0,
		.cost_nano = r->cost_nano > 0 ? (uint64_t)r->cost_nano : 0,
	};
	const struct cache_info *made = r->known ? known_made(r) : NULL;
	if (r->known && known_cache_key(r).n) {
		s.cache_hits = known_is_replay(r);
		s.cache_misses = !s.cache_hits && !s.is_failure;
	}
	if (made)
		s.cached_tokens = (uint64_t)made->input + made->output;
	return s;
}

/* Of whoever was answered by a provider: how long it took in all, there, to the first token, and
 * for each one. */
static void time_it(const struct request *r, uint64_t now_ns)
{
	struct board_latency *l = &r->w->board.latencies[r->deployment->board_row];
	uint64_t tokens = r->tally.usage.output;
	metric_observe_shared(&l->duration, METRIC_H_duration, now_ns - r->start_ns);
	metric_observe_shared(&l->upstream, METRIC_H_duration, r->upstream_ns);
	if (r->first_token_ns)
		metric_observe_shared(&l->first_token, METRIC_H_first_token,
				      r->first_token_ns - r->start_ns);
	if (r->settled_seq && tokens)
		metric_observe_shared(&l->token, METRIC_H_first_token, r->upstream_ns / tokens);
}

void usage_count(struct request *r, uint64_t now_ns)
{
	if (!is_wanted(r) || !r->endpoint || !(r->endpoint->flags & EP_LLM))
		return;
	char room[SERIES_LABELS];
	struct series_name name = name_of(r);
	if (snap_settings(r->snap)->metric_labels.count && name.kind.route)
		name.labels = usage_labels(r, room);
	struct series_step step = step_of(r);
	if (series_count(&r->w->board, &name, snap_settings(r->snap)->metric_series, &step) !=
	    SERIES_OWN)
		METRIC_ADD(r->w->metrics, series_overflow, 1);
	if (r->outcome == OUTCOME_OK && r->deployment && r->attempts)
		time_it(r, now_ns);
}

void usage_count_failure(const struct request *r, const struct snap_deployment *d,
			 const struct llm_error *e)
{
	if (!is_wanted(r))
		return;
	struct series_name name = {
		.deployment = d->id_hash,
		.kind = { .is_attempt = true,
			  .outcome = (uint8_t)e->outcome,
			  .status = (uint16_t)outcome_rows[e->outcome].status },
	};
	if (series_count(&r->w->board, &name, snap_settings(r->snap)->metric_series,
			 &(struct series_step){ .is_failure = true }) == SERIES_OTHER)
		atomic_fetch_add_explicit(&r->w->board.deployments[d->board_row].failures_other, 1,
					  memory_order_relaxed);
}

void usage_note_remaining(const struct request *r, const struct snap_deployment *d,
			  const uint32_t remaining[2])
{
	struct board_deployment *row = &r->w->board.deployments[d->board_row];
	for (unsigned i = 0; i < COUNT(row->remaining) && is_wanted(r); i++)
		if (remaining[i])
			atomic_store_explicit(&row->remaining[i], remaining[i],
					      memory_order_relaxed);
}
