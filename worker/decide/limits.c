/* SPDX-License-Identifier: MIT
 * limits.c - may they ask this, now: model access, requests and tokens a minute. The words
 * stand on the board: exact over all workers. Tokens are taken by estimate and corrected when
 * the provider has counted (settle/account.c). */
#include <errno.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/gcra.h"
#include "worker/decide/decide.h"
#include "worker/decide/route.h"

enum { MODELS_SHOWN = 900 };		/* bytes of a key's list in a refusal */

enum step route_resolve(struct request *r)
{
	if (r->raw) {
		enum step s = raw_resolve(r);
		if (s != STEP_NEXT)
			return s;
	} else {
		r->group = snap_resolve(r->snap, r->requested_model);
	}
	if (!r->group)
		return request_fail(r, OUTCOME_UNKNOWN_MODEL, "model",
				    STR_FMT ": Invalid model name passed in model=" STR_FMT
				    ". Call `/v1/models` to view available models for your key.",
				    STR_ARG(r->http->path), STR_ARG(r->requested_model));
	struct llm_error e = { 0 };
	int err = wish_read(r->mem, snap_settings(r->snap), r->http, &r->q, r->key.id, &r->wish,
			    &e);
	if (err == -ENOMEM)
		return request_fail(r, OUTCOME_TOO_LARGE, NULL,
				    "the request needs too much memory");
	return err < 0 ? request_fail_with(r, &e) : STEP_NEXT;
}

static enum step refuse_model(struct request *r)
{
	struct buf list;
	struct str rest = r->key.models;
	buf_init(&list, 1024);
	while (rest.n) {
		struct str one = str_cut(&rest, '\0');
		if (list.n)
			BUF_PUT_LIT(&list, ", ");
		if (list.n + one.n > MODELS_SHOWN) {
			BUF_PUT_LIT(&list, "...");
			break;
		}
		buf_printf(&list, "'" STR_FMT "'", STR_ARG(one));
	}
	enum step s = request_fail(
		r, OUTCOME_MODEL_DENIED, "model",
		"key not allowed to access model. This key can only access models=[" STR_FMT
		"]. Tried to access " STR_FMT,
		STR_ARG(buf_str(&list)), STR_ARG(r->requested_model));
	buf_done(&list);
	return s;
}

enum step limits_check_model(struct request *r)
{
	enum step s = route_resolve(r);
	if (s != STEP_NEXT || r->is_admin ||
	    route_may_use(r->snap, &r->key, r->requested_model, r->group))
		return s;
	return refuse_model(r);
}

static enum step refuse_rate(struct request *r, const char *what, uint64_t limit, uint64_t wait_ns)
{
	char when[25];
	struct llm_error e = {
		.outcome = OUTCOME_RATE_LIMITED,
		.retry_after_ms = wait_ns / NS_PER_MS + 1,
		.message = arena_printf(r->mem,
					"Rate limit exceeded for api_key: " STR_FMT
					". Limit type: %s. Current limit: %llu, "
					"Remaining: 0. Limit resets at: %s",
					STR_ARG(r->key.last4), what, (unsigned long long)limit,
					clock_rfc3339(when, r->start_wall_ns + wait_ns)),
	};
	METRIC_ADD(r->w->metrics, limited, 1);
	return request_fail_with(r, &e);
}

static enum step take(struct request *r)
{
	uint64_t now = clock_ns(), wait = 0;
	if (r->is_admin)
		return STEP_NEXT;
	if (r->raw ? !raw_may(r)
		   : !route_may_use(r->snap, &r->key, r->requested_model, r->group))
		return refuse_model(r);
	if (!gcra_take(&r->entity->rpm_tat, (struct gcra_limit){.per_minute = r->key.rpm}, now, 1,
		       &wait))
		return refuse_rate(r, "requests", r->key.rpm, wait);
	if (!r->key.tpm)
		return STEP_NEXT;
	r->tokens_taken = r->raw ? r->raw->known.input : estimate_prompt(&r->q);
	if (!gcra_take(&r->entity->tpm_tat, (struct gcra_limit){ .per_minute = r->key.tpm }, now,
		       r->tokens_taken, &wait)) {
		r->tokens_taken = 0;
		return refuse_rate(r, "tokens", r->key.tpm, wait);
	}
	return STEP_NEXT;
}

enum step limits_take(struct request *r)
{
	enum step s = take(r);
	(void)FAULT("limits.after_take");
	return s;
}
