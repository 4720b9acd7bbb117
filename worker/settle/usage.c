/* SPDX-License-Identifier: MIT
 * usage.c - see usage.h. A key that is not known counts as none, so strangers take no rows. */
#include "worker/settle/usage.h"

#include "common/series.h"

void usage_count(struct request *r)
{
	const struct snap_settings *set = snap_settings(r->snap);
	if (!(set->flags & SET_LITELLM_METRICS) || !r->endpoint || !(r->endpoint->flags & EP_LLM))
		return;
	struct series_step step = {
		.is_failure = r->outcome != OUTCOME_OK,
		.tokens_in = r->settled_seq ? r->tally.usage.input : 0,
		.tokens_out = r->settled_seq ? r->tally.usage.output : 0,
		.cost_nano = r->cost_nano > 0 ? (uint64_t)r->cost_nano : 0,
	};
	uint64_t deployment = r->deployment ? r->deployment->id_hash : 0;
	if (!series_count(&r->w->board, &r->key.hash, deployment, set->metric_series, &step))
		METRIC_ADD(r->w->metrics, series_overflow, 1);
}
