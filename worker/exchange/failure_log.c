/* SPDX-License-Identifier: MIT
 * failure_log.c - see failure_log.h. */
#include "worker/exchange/failure_log.h"

#include "common/clock.h"
#include "common/log.h"

#define QUIET_NS (60 * NS_PER_S)

/* What an answer with such an end means: its own words may repeat the prompt. */
static const char *const meanings[OUTCOME_COUNT] = {
	[OUTCOME_UP_AUTH] = "the provider refuses the key: see api_key",
	[OUTCOME_UP_PERMISSION] = "the provider does not let this key do that",
	[OUTCOME_UP_NOT_FOUND] = "the provider has no such model or path: see model and api_base",
	[OUTCOME_UP_RATE_LIMITED] = "a limit of the provider's is reached",
	[OUTCOME_UP_TIMEOUT] = "the provider took too long",
	[OUTCOME_UP_CONNECT] = "the provider cannot be reached",
	[OUTCOME_UP_BARRED] = "this address is not to be reached",
	[OUTCOME_UP_ERROR] = "the provider has failed",
	[OUTCOME_UP_MALFORMED] = "the answer is none of this provider's format: see api_base and "
				 "the name before the model's",
	[OUTCOME_UP_BROKEN] = "the answer broke off",
	[OUTCOME_UP_UNAVAILABLE] = "the provider is overloaded, or down",
};

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

/* Without a status nobody has answered, and the words are our own: behind what LiteLLM's clients
 * want to read before it, "litellm.Timeout: OpenAIException - ". */
static struct str reason_of(const struct llm_error *e)
{
	const char *meaning = meanings[e->outcome];
	if (e->status)
		return meaning ? str_z(meaning) : STR_NONE;
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
	LOG(LOG_WARN, "attempt.failed", F_STR("model", r->requested_model),
	    F_STR("provider", snap_text(r->snap, d->provider)),
	    F_STR("base", snap_text(r->snap, d->base)),
	    F_Z("outcome", outcome_rows[e->outcome].name), F_INT("status", e->status),
	    F_STR("why", reason_of(e)), F_STR("call_id", r->call_id),
	    F_STR("deployment", snap_text(r->snap, d->id)));
}
