/* SPDX-License-Identifier: MIT
 * failure_log.c - see failure_log.h. */
#include "worker/exchange/failure_log.h"

#include "common/clock.h"
#include "common/log.h"

#define QUIET_NS (60 * NS_PER_S)

bool failure_is_new(struct failure_told *told, size_t n, uint64_t what, uint64_t now_ns)
{
	struct failure_told *oldest = &told[0];
	for (size_t i = 0; i < n; i++) {
		if (told[i].what == what && told[i].until_ns > now_ns)
			return false;
		if (told[i].until_ns < oldest->until_ns)
			oldest = &told[i];
	}
	if (oldest->until_ns > now_ns)
		return false;
	*oldest = (struct failure_told){ what, now_ns + QUIET_NS };
	return true;
}

/* Behind what LiteLLM's clients want to read before it: "litellm.Timeout: OpenAIException - ". */
static struct str reason_of(const struct llm_error *e)
{
	const struct str mark = STR("Exception - ");
	size_t at = str_find(e->message, mark);
	return at == SIZE_MAX ? e->message : str_skip(e->message, at + mark.n);
}

void failure_log(struct request *r, const struct snap_deployment *d, const struct llm_error *e)
{
	if (!d || outcome_rows[e->outcome].blame == BLAME_NONE ||
	    !failure_is_new(r->w->failures, COUNT(r->w->failures), d->id_hash ^ e->outcome,
			    clock_ns()))
		return;
	/* Without a status nobody has answered, and the words are our own. */
	LOG(LOG_WARN, "attempt.failed", F_STR("model", r->requested_model),
	    F_STR("provider", snap_text(r->snap, d->provider)),
	    F_STR("base", snap_text(r->snap, d->base)),
	    F_Z("outcome", outcome_rows[e->outcome].name), F_INT("status", e->status),
	    F_STR("why", e->status ? STR_NONE : reason_of(e)), F_STR("call_id", r->call_id),
	    F_STR("deployment", snap_text(r->snap, d->id)));
}
