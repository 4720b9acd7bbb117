/* SPDX-License-Identifier: MIT
 * exchange.c - which attempt comes next; see exchange.h.
 *
 * Order, as LiteLLM's: all retries inside the group, then its fallbacks by class of error, each
 * with its own retries and its own fallbacks, no group twice, at most max_fallbacks moves. */
#include "worker/exchange/exchange.h"

#include "common/clock.h"
#include "common/mem.h"
#include "worker/decide/own_router.h"
#include "worker/decide/queue.h"
#include "worker/exchange/exchange_private.h"
#include "worker/exchange/failure_log.h"
#include "worker/exchange/retry.h"
#include "worker/exchange/silent.h"
#include "worker/settle/account.h"
#include "worker/settle/hold.h"
#include "worker/settle/usage.h"
#include "worker/switches.h"
#include "worker/trace.h"

static void go_on(struct exchange *x);
static void on_room(void *data);

/* ---- what is tried next ------------------------------------------------------------------- */

static struct retry_case case_of(const struct exchange *x)
{
	return (struct retry_case){ .set = snap_settings(x->r->snap),
				    .group = x->r->group,
				    .deployment = x->r->deployment,
				    .q = &x->r->q,
				    .own = x->r->own,
				    .group_name = snap_text(x->r->snap, x->r->group->name),
				    .error = &x->error,
				    .made = x->retries,
				    .n_tried = x->n_tried };
}

static void on_wait(struct later *l)
{
	go_on(l->data);
}

static bool has_visited(const struct exchange *x, const struct snap_group *g, struct str asked)
{
	for (unsigned i = 0; i < x->n_visited; i++)
		if (x->visited[i].group == g &&
		    (!(g->flags & GROUP_PATTERN) || str_eq(x->visited[i].asked, asked)))
			return true;
	return false;
}

static void enter_group(struct exchange *x, const struct snap_group *g)
{
	x->r->group = g;
	x->n_tried = x->retries = 0;
	if (x->n_visited == VISITED_MAX)
		return;
	x->visited[x->n_visited].group = g;
	x->visited[x->n_visited++].asked = request_model(x->r);
}

/* ---- fallbacks ------------------------------------------------------------------------------ */

static void push(struct exchange *x, struct str name)
{
	if (name.p && x->n_queue < QUEUE_MAX)
		x->queue[x->n_queue++] = name;
}

static void push_names(struct exchange *x, struct snap_part names)
{
	for (uint32_t i = names.count; i-- > 0;)
		push(x, snap_name(x->r->snap, names, i));
}

/* A list that replaces the configured ones; names that the key may not use are skipped. */
static bool push_list(struct exchange *x, const struct json *list)
{
	struct request *r = x->r;
	if (!json_is(list, JSON_ARRAY))
		return false;
	for (uint32_t i = list->count; i-- > 0;) {
		const struct json *j = json_at(list, i);
		struct str name = json_is(j, JSON_OBJECT) ? json_get_str(r->mem, j, "model")
							  : json_str(r->mem, j);
		const struct snap_group *g = name.p ? snap_resolve(r->snap, name) : NULL;
		if (g && request_may_use(r, name, g))
			push(x, name);
	}
	return true;
}

static bool push_own(struct exchange *x)
{
	const struct request *r = x->r;
	return push_list(x, own_router_fallbacks(r->own, request_model(r),
						 snap_text(r->snap, r->group->name),
						 x->error.outcome));
}

/* What the request says: names, or, as in the configuration, lists of them by model. */
static bool push_asked(struct exchange *x)
{
	const struct request *r = x->r;
	const struct json *all = r->q.fallbacks,
			  *own = own_router_list(all, request_model(r),
						 snap_text(r->snap, r->group->name));
	return x->n_visited == 1 && push_list(x, own ? own : all);
}

static void push_fallbacks(struct exchange *x)
{
	struct request *r = x->r;
	const struct snap_fallbacks f = snap_fallbacks(r->snap, request_model(r), r->group);
	struct snap_part names = f.general;
	if (r->q.disable_fallbacks || push_asked(x) || (r->own && push_own(x)))
		return;
	if (x->error.outcome == OUTCOME_CONTEXT_LENGTH && f.context.count)
		names = f.context;
	else if (x->error.outcome == OUTCOME_CONTENT_POLICY && f.policy.count)
		names = f.policy;
	else
		push_names(x, snap_settings(r->snap)->default_fallbacks);
	push_names(x, names);
}

static bool to_fallback(struct exchange *x)
{
	struct request *r = x->r;
	push_fallbacks(x);
	while (x->n_queue && r->fallbacks < snap_settings(r->snap)->max_fallbacks) {
		struct str name = x->queue[--x->n_queue];
		const struct snap_group *g = snap_resolve(r->snap, name);
		if (!g || has_visited(x, g, name))
			continue;
		if (!r->fallbacks++)
			r->fell = (uint8_t)x->error.outcome;
		METRIC_ADD(r->w->metrics, fallbacks, 1);
		r->fallback = name;
		enter_group(x, g);
		return true;
	}
	return false;
}

/* ---- attempts -------------------------------------------------------------------------------- */

static enum step give_answer(struct exchange *x)
{
	return request_fail_with(x->r, &x->error);
}

/* What is told when nobody can be asked; the last error of a provider tells more. */
static void no_deployment(struct exchange *x, const struct route_choice *c)
{
	struct request *r = x->r;
	unsigned long long seconds = (c->wait_ns + NS_PER_S - 1) / NS_PER_S;
	struct llm_error e = { .outcome = OUTCOME_NO_DEPLOYMENT, .retry_after_ms = seconds * 1000 };
	if (x->has_error)
		return;
	switch (c->why) {
	case ROUTE_TAGS:
		e = (struct llm_error){
			.outcome = OUTCOME_TAGS_DENIED,
			.message = STR("Not allowed to access model due to tags configuration") };
		break;
	case ROUTE_REGION:
		e = (struct llm_error){
			.outcome = OUTCOME_MODEL_DENIED,
			.message = arena_printf(r->mem,
						"No deployment of " STR_FMT " is in the region "
						"that this may be asked in: " STR_FMT,
						STR_ARG(r->requested_model),
						STR_ARG(r->wish.region)) };
		break;
	case ROUTE_CONTEXT:
		e = (struct llm_error){
			.outcome = OUTCOME_CONTEXT_LENGTH,
			.message = arena_printf(r->mem,
						"The prompt, about %llu tokens, is longer than any "
						"deployment of " STR_FMT " takes",
						(unsigned long long)request_prompt_tokens(r),
						STR_ARG(r->requested_model)) };
		break;
	case ROUTE_COST:
		e = (struct llm_error){
			.outcome = OUTCOME_COST_LIMIT,
			.param = STR("max_cost"),
			.message = arena_printf(r->mem,
						"max_cost: no deployment of " STR_FMT
						" is sure to answer for so little; allow more, or "
						"lower max_tokens",
						STR_ARG(r->requested_model)) };
		break;
	case ROUTE_BUDGET:
		e.message = route_budget_text(r->mem, r->snap, &r->w->board, r->group);
		break;
	case ROUTE_TAG_BUDGET:
		e.outcome = OUTCOME_BUDGET_SPENT;
		e.message = route_tag_budget_text(r->mem, r->snap, &r->w->board, r->wish.tags,
						  r->wish.n_tags);
		break;
	case ROUTE_COOLING:
		e.outcome = OUTCOME_ALL_COOLING;
		e.message = arena_printf(
			r->mem,
			"No deployments available for selected model, Try again in %llu seconds. "
			"Passed model=" STR_FMT
			". All deployments for selected model are in cooldown.",
			seconds, STR_ARG(r->requested_model));
		break;
	default:
		e.message = arena_printf(
			r->mem,
			"No deployments available for selected model, Try again in %llu seconds. "
			"Passed model=" STR_FMT ". Each one that may be asked %s.",
			seconds, STR_ARG(r->requested_model), route_reason_text(c->why));
	}
	x->error = e;
	x->has_error = true;
}

/* ---- explanations: of what was a choice, and of what failed ---- */

static bool is_explained(const struct exchange *x)
{
	return !(snap_settings(x->r->snap)->flags & SET_NO_EXPLANATIONS);
}

static void explain_attempt(struct exchange *x, const struct llm_error *e)
{
	struct request *r = x->r;
	if ((!x->decision.row && !e) || !is_explained(x) || !r->deployment)
		return;
	if (!x->decision.row)
		decision_begin(&x->decision, &r->w->board, r->w->slot, r->call_id,
			       r->start_wall_ns);
	decision_attempt(&x->decision, r->deployment->board_row,
			 outcome_rows[e ? e->outcome : OUTCOME_OK].name, e ? e->status : 0,
			 clock_ns() - x->started_ns);
}

static void failed(struct exchange *x, const struct llm_error *e)
{
	struct request *r = x->r;
	x->error = *e;
	x->has_error = true;
	METRIC_ADD(r->w->metrics, attempt_failures, 1);
	failure_log(r, r->deployment, e);
	explain_attempt(x, e);
	if (r->trace)
		trace_attempt_end(r, r->deployment, e, 0);
	if (x->n_tried < TRIED_MAX)
		x->tried[x->n_tried++] = r->deployment_index;
}

/* Room for n candidates, until the next choice; NULL: no memory. Large groups use the worker's. */
static struct route_candidate *make_room(struct exchange *x, uint32_t n)
{
	struct worker *w = x->r->w;
	if (n <= FEW)
		return x->few;
	if (n <= w->n_route_room)
		return w->route_room;
	struct route_candidate *room = mem_array(n, sizeof *room);
	if (!room)
		return NULL;
	mem_free(w->route_room);
	w->route_room = room;
	w->n_route_room = n;
	return room;
}

void exchange_choose(struct exchange *x, struct route_choice *c)
{
	struct request *r = x->r;
	x->chosen_ns = clock_ns();
	struct route_query q = wish_query(r, x->prompt_tokens, x->chosen_ns);
	q.tried = x->tried;
	q.n_tried = x->n_tried;
	q.random = hash_random_below(UINT64_MAX);
	*c = (struct route_choice){ .deployment = SNAP_NONE, .why = ROUTE_FULL };
	q.room = make_room(x, q.n_room);
	if (!q.room)
		return;
	route_pick(&q, c);
	if ((q.n_room > 1 || x->has_error) && is_explained(x))
		decision_choice(&x->decision, &r->w->board, r->w->slot, r->call_id, &q, c);
}

void exchange_count_inflight(struct request *r, const struct snap_deployment *d, int by)
{
	_Atomic uint16_t *n = board_inflight_own(&r->w->board, r->w->slot, d->board_row);
	int now = atomic_load_explicit(n, memory_order_relaxed);
	atomic_store_explicit(n, (uint16_t)(now + by), memory_order_relaxed);
	if (by < 0)
		queue_room(r->w);
}

static int start(struct exchange *x, uint32_t deployment, struct llm_error *reterr)
{
	if (x->r->raw && x->r->raw->is_tunnel)
		return tunnel_start(x, x->r, deployment, &x->tunnel, reterr);
	if (x->r->raw)
		return pass_start(x, x->r, deployment, &x->pass, reterr);
	return attempt_start(x, x->r, deployment, false, &x->attempt, reterr);
}

/* Starts attempts until one is under way (STEP_WAIT), or nothing is left (STEP_DONE). */
static enum step next_attempt(struct exchange *x)
{
	struct request *r = x->r;
	struct route_choice c;
	struct llm_error e = { 0 };
	for (;;) {
		exchange_choose(x, &c);
		if (c.deployment != SNAP_NONE &&
		    !route_take(&r->w->board, snap_deployment(r->snap, c.deployment), &c,
				x->chosen_ns))
			c = (struct route_choice){ .deployment = SNAP_NONE, .why = ROUTE_COOLING,
						   .wait_ns = NS_PER_S };
		if (c.deployment == SNAP_NONE) {
			no_deployment(x, &c);
			if (to_fallback(x))
				continue;
			if (c.is_full && queue_join(r, on_room, x, &x->error))
				return STEP_WAIT;
			return give_answer(x);
		}
		r->deployment = snap_deployment(r->snap, c.deployment);
		r->deployment_index = c.deployment;
		r->attempts++;
		x->started_ns = x->chosen_ns;
		if (r->trace)
			trace_attempt(r, r->deployment);
		METRIC_ADD(r->w->metrics, attempts, 1);
		if (r->deployment->flags & DEPLOY_SILENT && r->attempts == 1)
			silent_start(r);
		e = (struct llm_error){.outcome = OUTCOME_BUDGET_SPENT,
				       .message = STR("Budget has been exceeded: the reserve for "
						      "this model is above what is left")};
		if (account_cover(r, r->deployment) == 0 && start(x, c.deployment, &e) == 0) {
			if (snap_settings(r->snap)->flags & SET_LEARN_TIMES)
				hedge_arm(x);
			return STEP_WAIT;
		}
		failed(x, &e);
		if (!to_fallback(x))
			return give_answer(x);
	}
}

/* Outside of the stages: who comes here from a callback ends the request himself. */
static void go_on(struct exchange *x)
{
	if (next_attempt(x) == STEP_DONE)
		request_end(x->r);
}

static void on_room(void *data)
{
	go_on(data);
}

static void end_with_error(struct exchange *x)
{
	give_answer(x);
	request_end(x->r);
}

static bool retry(struct exchange *x)
{
	struct retry_case rc = case_of(x);
	struct route_choice c;
	if (!retry_may(&rc))
		return false;
	exchange_choose(x, &c);
	if ((c.deployment == SNAP_NONE && !c.is_full) || !retry_take(x->r->w))
		return false;
	uint64_t delay = retry_delay_ms(&rc, c.why < ROUTE_TRIED, hash_random_below(UINT64_MAX));
	x->retries++;
	x->r->retries++;
	METRIC_ADD(x->r->w->metrics, retries, 1);
	later_start(x->r->w->wheel, &x->wait, delay, on_wait, x);
	return true;
}

static void learn(struct request *r, const struct route_sample *s)
{
	struct times *t = &r->w->board.times[r->deployment->board_row];
	if (!r->q.is_stream) {
		times_add(t, TIMES_WHOLE, s->duration_ns);
		return;
	}
	if (s->first_token_ns)
		times_add(t, TIMES_FIRST, s->first_token_ns);
	times_add(t, TIMES_GAP, r->longest_gap_ns);
}

static void note(struct exchange *x, const struct llm_error *e)
{
	struct request *r = x->r;
	uint64_t now = clock_ns();
	struct route_sample s = {
		.duration_ns = now - x->started_ns,
		.first_token_ns = r->q.is_stream && r->first_token_ns > x->started_ns
					  ? r->first_token_ns - x->started_ns : 0,
		.tokens = r->tally.usage.output,
	};
	METRIC_ADD(r->w->metrics, cooldowns,
		   route_note(r->snap, &r->w->board, r->group, r->deployment, e, &s, now));
	if (e)
		usage_count_failure(r, r->deployment, e);
	if (snap_settings(r->snap)->flags & SET_LEARN_TIMES && !e && !r->raw)
		learn(r, &s);
}

static void forget_attempt(struct exchange *x)
{
	later_stop(&x->hedge);
	x->attempt = NULL;
	x->pass = NULL;
	x->tunnel = NULL;
}

static void ask_again(struct exchange *x)
{
	if (retry(x))
		return;
	if (to_fallback(x))
		go_on(x);
	else
		end_with_error(x);
}

void exchange_failed(struct exchange *x, const struct llm_error *e)
{
	forget_attempt(x);
	failed(x, e);
	note(x, e);
	ask_again(x);
}

void exchange_broke(struct exchange *x, const struct llm_error *e)
{
	struct buf *text = x->r->tally.text;
	forget_attempt(x);
	failed(x, e);
	if (e->outcome != OUTCOME_BUDGET_SPENT)
		note(x, e);
	METRIC_ADD(x->r->w->metrics, streams_broken, 1);
	bool goes_on = recover_begin(x, e);
	if (text)
		buf_done(text);
	if (goes_on)
		ask_again(x);
	else
		end_with_error(x);
}

static void finish(struct exchange *x, enum outcome o)
{
	forget_attempt(x);
	hedge_stop(x);
	x->r->outcome = o;
	x->r->exchange = NULL;
	if (x->r->trace)
		trace_attempt_end(x->r, x->r->deployment, NULL, 0);
	account_settle(x->r);		/* first: the client's next request must find it so */
	hold_finish(x->r);
}

void exchange_answered(struct exchange *x)
{
	note(x, NULL);
	if (x->decision.row)
		explain_attempt(x, NULL);
	finish(x, OUTCOME_OK);
}

/* What a client asks for under a path of its own choice says nothing about the deployment. */
void exchange_refused(struct exchange *x, enum outcome o)
{
	finish(x, o);
}

enum step exchange_start(struct request *r)
{
	struct exchange *x = arena_alloc(r->mem, sizeof *x);
	if (!x)
		return request_fail(r, OUTCOME_TOO_LARGE, NULL,
				    "the request needs too much memory");
	x->r = r;
	r->exchange = x;
	if (r->own || route_counts_tokens(r->snap, r->group))
		x->prompt_tokens = r->raw ? r->raw->known.input : request_prompt_tokens(r);
	retry_pay_in(r->w, snap_settings(r->snap), r->start_ns);
	if (switches_want_record(r))
		trace_begin(r);
	enter_group(x, r->group);
	return next_attempt(x);
}

/* Whoever leaves while providers are at work pays for what they were asked, as for what a dead
 * worker has asked: they bill it, and it is not for a client to spend what counts for nobody. */
static void leave_working(struct exchange *x)
{
	struct request *r = x->r;
	r->is_asked = (x->attempt && attempt_is_asked(x->attempt)) ||
		      (x->pass && pass_is_asked(x->pass));
	if (x->rival && attempt_is_asked(x->rival))
		account_book(r, snap_deployment(r->snap, x->rival_index), attempt_lose(x->rival),
			     x->rival_started_ns, OUTCOME_CLIENT_GONE);
}

void exchange_cancel(struct request *r)
{
	struct exchange *x = r->exchange;
	if (!x)
		return;
	later_stop(&x->wait);
	if (r->is_client_gone)
		leave_working(x);
	if (x->attempt)
		attempt_cancel(x->attempt);
	if (x->pass)
		pass_cancel(x->pass);
	if (x->tunnel)
		tunnel_cancel(x->tunnel);
	forget_attempt(x);
	hedge_stop(x);
	r->exchange = NULL;
}

void exchange_drained(struct request *r)
{
	if (r->exchange && r->exchange->attempt)
		attempt_drained(r->exchange->attempt);
	if (r->exchange && r->exchange->pass)
		pass_drained(r->exchange->pass);
	if (r->exchange && r->exchange->tunnel)
		tunnel_drained(r->exchange->tunnel);
}

size_t exchange_tunnel(struct request *r, struct str bytes)
{
	return r->exchange && r->exchange->tunnel ? tunnel_take(r->exchange->tunnel, bytes) : 0;
}
