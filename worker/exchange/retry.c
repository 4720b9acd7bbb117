/* SPDX-License-Identifier: MIT
 * retry.c - see retry.h. */
#include "worker/exchange/retry.h"

#include "common/clock.h"
#include "worker/decide/own_router.h"
#include "worker/decide/route.h"

enum {
	RETRIES_MAX = 100,
	FREE_PER_SECOND = 10,
	BUDGET_SECONDS = 10,		/* what is not used is kept that long */
	DELAY_BASE_MS = 500,
	DELAY_MAX_MS = 8000,
	JITTER_MS = 750,
	TOLD_MAX_MS = 60000
};

static bool policy_says(const uint32_t policy[POLICY_CLASSES], enum outcome o, unsigned *ret)
{
	enum policy_class class = route_policy_class(o);
	if (class == POLICY_CLASSES || !policy[class])
		return false;
	*ret = policy[class] - 1;
	return true;
}

/* How many there may be: by policy for the class of error (*ret_by_policy), else by the request,
 * the deployment, the settings. */
static unsigned how_many(const struct retry_case *c, bool *ret_by_policy)
{
	unsigned n = c->set->num_retries;
	*ret_by_policy = (c->own && own_router_retries(c->own, c->group_name, c->error->outcome,
						       &n)) ||
			 policy_says(c->group->retry_policy, c->error->outcome, &n) ||
			 policy_says(c->set->retry_policy, c->error->outcome, &n);
	if (!*ret_by_policy && c->q->num_retries >= 0)
		n = c->q->num_retries > RETRIES_MAX ? RETRIES_MAX : (unsigned)c->q->num_retries;
	else if (!*ret_by_policy && c->deployment && c->deployment->num_retries != SNAP_NONE)
		n = c->deployment->num_retries;
	return n > RETRIES_MAX ? RETRIES_MAX : n;
}

/* 408, 409, 429 and 5xx; 401, 403 and 404 only where another deployment may know better. */
static bool may_help(const struct retry_case *c)
{
	enum outcome o = c->error->outcome;
	if (!outcome_rows[o].may_retry)
		return false;
	if (o == OUTCOME_UP_AUTH || o == OUTCOME_UP_PERMISSION || o == OUTCOME_UP_NOT_FOUND ||
	    o == OUTCOME_UP_BARRED)
		return c->n_tried < c->group->members.count;
	return true;
}

bool retry_may(const struct retry_case *c)
{
	bool by_policy;
	unsigned allowed = how_many(c, &by_policy);
	if (c->error->must_not_retry || c->made >= allowed)
		return false;
	return by_policy || may_help(c);
}

uint64_t retry_delay_ms(const struct retry_case *c, bool other_is_well, uint64_t draw)
{
	uint64_t told = c->error->retry_after_ms, delay;
	if (other_is_well)
		return 0;
	if (told > 0 && told <= TOLD_MAX_MS)
		return told;
	delay = (uint64_t)DELAY_BASE_MS << (c->made < 5 ? c->made : 5);
	delay = delay > DELAY_MAX_MS ? DELAY_MAX_MS : delay;
	delay = delay < c->set->retry_after_ms ? c->set->retry_after_ms : delay;
	return delay + draw % JITTER_MS;
}

static uint64_t budget_max(const struct snap_settings *set)
{
	return (uint64_t)BUDGET_SECONDS * (FREE_PER_SECOND * 1000 + set->retry_share_milli * 1000);
}

void retry_pay_in(struct worker *w, const struct snap_settings *set, uint64_t now_ns)
{
	uint64_t most = budget_max(set);
	uint64_t since = now_ns > w->retry_refill_ns ? now_ns - w->retry_refill_ns : 0;
	if (since > BUDGET_SECONDS * NS_PER_S)
		since = BUDGET_SECONDS * NS_PER_S;
	uint64_t free = since * FREE_PER_SECOND / NS_PER_MS;	/* thousandths */
	if (free) {
		w->retry_refill_ns = now_ns;
		w->retry_milli += free;
	}
	w->retry_milli += set->retry_share_milli;
	if (w->retry_milli > most)
		w->retry_milli = most;
}

bool retry_take(struct worker *w)
{
	if (w->retry_milli < 1000)
		return false;
	w->retry_milli -= 1000;
	return true;
}
