/* SPDX-License-Identifier: MIT
 * access_log.c - see access_log.h. */
#include "worker/settle/access_log.h"

#include "common/clock.h"
#include "common/log.h"
#include "worker/known.h"
#include "worker/request.h"

void access_log(const struct request *r)
{
	if (!snap_settings(r->snap)->access_log || !r->endpoint ||
	    r->outcome == OUTCOME_KEY_FLOOD)
		return;
	LOG(LOG_INFO, "request.done", F_STR("call_id", r->call_id), F_Z("path", r->endpoint->path),
	    F_STR("model", r->requested_model),
	    F_STR("deployment", r->deployment ? snap_text(r->snap, r->deployment->id) : STR_NONE),
	    F_STR("key", r->key.alias), F_INT("status", r->status),
	    F_Z("outcome", outcome_rows[r->outcome].name),
	    F_INT("ms", (clock_ns() - r->start_ns) / NS_PER_MS), F_INT("attempts", r->attempts),
	    F_INT("tokens_in", r->tally.usage.input), F_INT("tokens_out", r->tally.usage.output),
	    F_MONEY("cost", r->cost_nano), F_Z("cache", r->known ? known_word(r) : NULL));
}
