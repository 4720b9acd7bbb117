/* SPDX-License-Identifier: MIT
 * hedge.c - two attempts at once: when the first takes longer than nearly all of its kind, another
 * deployment is asked as well, and whoever has something first gives the answer.
 *
 * A second attempt is paid for like a retry, out of the same budget, so that a slow day does not
 * double the traffic. Who loses is booked for what it has cost, if it was asked at all, and
 * cancelled from the loop: the winner is known inside a transfer's callback, where no other one may
 * be touched. */
#include "common/clock.h"
#include "worker/exchange/exchange_private.h"
#include "worker/exchange/failure_log.h"
#include "worker/exchange/retry.h"
#include "worker/settle/account.h"
#include "worker/settle/usage.h"
#include "worker/trace.h"

static struct times *times_of(const struct request *r, const struct snap_deployment *d)
{
	return &r->w->board.times[d->board_row];
}

/* Another deployment that is well, or SNAP_NONE. */
static uint32_t find_rival(struct exchange *x, struct route_choice *c)
{
	if (x->n_tried == TRIED_MAX)
		return SNAP_NONE;
	x->tried[x->n_tried++] = x->r->deployment_index;
	exchange_choose(x, c);
	x->n_tried--;
	return c->why == ROUTE_WELL ? c->deployment : SNAP_NONE;
}

/* All that a claim looks at stands before it is sent. */
static void start_rival(struct exchange *x, uint32_t index)
{
	struct request *r = x->r;
	const struct snap_deployment *d = snap_deployment(r->snap, index);
	struct llm_error e = { 0 };
	bool was_hedged = r->is_hedged;
	if (r->trace)
		trace_attempt(r, d);
	x->rival_index = index;
	x->rival_started_ns = clock_ns();
	attempt_race(x->attempt, true);
	r->attempts++;
	r->is_hedged = true;
	if (account_cover_both(r, d) == 0 && attempt_start(x, r, index, true, &x->rival, &e) == 0) {
		METRIC_ADD(r->w->metrics, attempts, 1);
		METRIC_ADD(r->w->metrics, hedges, 1);
		return;
	}
	attempt_race(x->attempt, false);
	r->attempts--;
	r->is_hedged = was_hedged;
	r->rival_nano = 0;
	if (r->trace)
		trace_attempt_end(r, d, &e, 0);
}

static void on_hedge(struct later *l)
{
	struct exchange *x = l->data;
	struct worker *w = x->r->w;
	struct route_choice c;
	if (!x->attempt || x->rival || attempt_is_shown(x->attempt))
		return;
	uint32_t index = find_rival(x, &c);
	if (index == SNAP_NONE || !retry_take(w) ||
	    !route_take(&w->board, snap_deployment(x->r->snap, index), &c, clock_ns()))
		return;
	start_rival(x, index);
}

void hedge_arm(struct exchange *x)
{
	struct request *r = x->r;
	const struct snap_settings *set = snap_settings(r->snap);
	uint64_t milli = r->deployment->hedge_milli ? r->deployment->hedge_milli : set->hedge_milli;
	if (!x->attempt || x->question || !milli || milli >= 1000 || r->group->members.count < 2)
		return;
	uint64_t after = times_quantile(times_of(r, r->deployment),
					r->q.is_stream ? TIMES_FIRST : TIMES_WHOLE, milli);
	if (after)
		later_start(r->w->wheel, &x->hedge, after / NS_PER_MS + 1, on_hedge, x);
}

void hedge_stop(struct exchange *x)
{
	later_stop(&x->hedge);
	if (x->rival)
		attempt_drop(x->rival);
	if (x->lost)
		attempt_drop(x->lost);
	x->rival = x->lost = NULL;
}

/* From now on the rival is the attempt. */
static void promote(struct exchange *x)
{
	struct request *r = x->r;
	x->attempt = x->rival;
	x->started_ns = x->rival_started_ns;
	r->deployment = snap_deployment(r->snap, x->rival_index);
	r->deployment_index = x->rival_index;
}

static void end_race(struct exchange *x)
{
	x->rival = NULL;
	x->r->rival_nano = 0;
	attempt_race(x->attempt, false);
}

void exchange_claim(struct exchange *x, struct attempt *at)
{
	struct request *r = x->r;
	const struct snap_deployment *other = snap_deployment(r->snap, x->rival_index);
	uint64_t since_ns = x->rival_started_ns;
	later_stop(&x->hedge);
	if (!x->rival)
		return;
	x->lost = x->rival;
	if (at == x->rival) {
		x->lost = x->attempt;
		other = r->deployment;
		since_ns = x->started_ns;
		promote(x);
		METRIC_ADD(r->w->metrics, hedges_won, 1);
	}
	/* It would have taken longer than that: without it the slow ones would be forgotten. */
	times_add(times_of(r, other), r->q.is_stream ? TIMES_FIRST : TIMES_WHOLE,
		  clock_ns() - since_ns);
	if (r->trace)
		trace_attempt_end(r, other, NULL, RA_LOST);
	const struct llm_tally *t = attempt_lose(x->lost);
	if (attempt_is_asked(x->lost))	/* who was still to be reached bills nothing */
		account_book(r, other, t, since_ns, OUTCOME_OK);
	end_race(x);
}

void exchange_lost(struct exchange *x)
{
	attempt_drop(x->lost);
	x->lost = NULL;
}

void exchange_fell_out(struct exchange *x, struct attempt *at, const struct llm_error *e)
{
	struct request *r = x->r;
	bool is_rival = at == x->rival;
	uint32_t index = is_rival ? x->rival_index : r->deployment_index;
	const struct snap_deployment *d = snap_deployment(r->snap, index);
	uint64_t now = clock_ns();
	struct route_sample s = {
		.duration_ns = now - (is_rival ? x->rival_started_ns : x->started_ns) };
	if (x->n_tried < TRIED_MAX)
		x->tried[x->n_tried++] = index;
	x->error = *e;
	x->has_error = true;
	METRIC_ADD(r->w->metrics, attempt_failures, 1);
	failure_log(r, d, e);
	if (r->trace)
		trace_attempt_end(r, d, e, 0);
	METRIC_ADD(r->w->metrics, cooldowns,
		   route_note(r->snap, &r->w->board, r->group, d, e, &s, now));
	usage_count_failure(r, d, e);
	if (!is_rival)
		promote(x);
	end_race(x);
}
