/* SPDX-License-Identifier: MIT
 * commands_route.c - see commands_route.h. The choice is made by the workers' own rules, over the
 * same snapshot and the same board (common/route.h); nobody is asked. */
#include "master/commands_route.h"

#include <errno.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/decision.h"
#include "common/gate.h"
#include "common/hash.h"
#include "common/json_write.h"
#include "common/mem.h"
#include "common/route.h"
#include "common/snapshot.h"
#include "master/keys.h"
#include "master/master.h"

enum { TAGS_MAX = 32, TRIED_MAX = 64, BYTES_A_TOKEN = 4, DEPTH_MAX = 64 };

struct explain {
	struct command_call *call;
	struct snap *snap;
	struct str model, key;
	struct str tags[TAGS_MAX];
	struct route_query q;
	uint32_t tried[TRIED_MAX];
	uint32_t first;			/* the deployment chosen first, or SNAP_NONE */
	struct str router[2];		/* the key's router_settings, and its team's; or .n 0 */
};

/* ---- what is asked ---- */

/* Bytes of all texts in a request's body: what a prompt is made of. */
static uint64_t bytes_of_texts(const struct json *j, unsigned depth)
{
	uint64_t n = json_is(j, JSON_STRING) ? j->raw.n - 2 : 0;
	if (depth > DEPTH_MAX)
		return 0;
	for (const struct json *c = j->child; c; c = c->next)
		n += bytes_of_texts(c, depth + 1);
	return n;
}

static void read_body(struct explain *x)
{
	static const char *const prompts[] = { "messages", "prompt", "input", "system", "contents",
					       "tools" };
	const struct json *body = json_get(x->call->args, "body"), *j;
	uint64_t bytes = 0, tokens;
	for (size_t i = 0; i < COUNT(prompts); i++)
		if ((j = json_get(body, prompts[i])))
			bytes += bytes_of_texts(j, 0);
	x->q.prompt_tokens = bytes / BYTES_A_TOKEN;
	j = json_get(body, "stream");
	x->q.is_stream = j && json_is_true(j);
	j = json_get(body, "max_tokens");
	if (json_is(j, JSON_NUMBER))
		x->q.worst_out = str_read_u64(j->raw, &tokens) == 0 ? tokens : 0;
	if (!x->model.n)
		x->model = json_get_str(x->call->mem, body, "model");
}

static bool read_tags(struct explain *x)
{
	const struct json *list = json_get(x->call->args, "tags");
	for (uint32_t i = 0; json_is(list, JSON_ARRAY) && i < list->count && i < TAGS_MAX; i++) {
		const struct json *j = json_at(list, i);
		if (json_is(j, JSON_STRING))
			x->tags[x->q.n_tags++] = json_str(x->call->mem, j);
	}
	x->q.tags = x->tags;
	return true;
}

/* False: answered. */
static bool read_args(struct explain *x)
{
	struct command_call *c = x->call;
	int64_t most = 0;
	int err;
	if (command_str(c, "model", &x->model) == -EINVAL ||
	    command_str(c, "key", &x->key) == -EINVAL ||
	    command_str(c, "region", &x->q.region) == -EINVAL)
		return false;
	read_body(x);
	if (command_u64(c, "tokens", &x->q.prompt_tokens) == -EINVAL ||
	    command_u64(c, "max_tokens", &x->q.worst_out) == -EINVAL ||
	    command_bool(c, "stream", &x->q.is_stream) == -EINVAL)
		return false;
	err = command_money(c, "max_cost", &most);
	x->q.has_max_cost = err == 0;
	x->q.max_cost_nano = most;
	x->q.worst_in = x->q.prompt_tokens;
	if (err == -EINVAL || !read_tags(x))
		return false;
	if (x->model.n)
		return true;
	command_fail(c, 400, "invalid_request_error", "model",
		     "say which model, or give a body that does");
	return false;
}

/* ---- what is told ---- */

static int64_t cost_of(const struct explain *x, const struct snap_deployment *d)
{
	uint64_t out = x->q.worst_out ? x->q.worst_out : d->max_output_tokens;
	struct snap_price room;
	return price_worst(snap_price_of(x->snap, x->q.group, d, x->model, &room), x->q.worst_in,
			   out ? out : snap_settings(x->snap)->default_max_tokens);
}

static void put_ms(struct json_out *o, const char *name, uint64_t ns)
{
	if (ns)
		json_put_double(o, name, (double)ns / 1e6);
	else
		json_put_null(o, name);
}

static void put_limit(struct json_out *o, uint32_t most)
{
	if (most)
		json_put_u64(o, "at_a_time", most);
	else
		json_put_null(o, "at_a_time");
}

static void put_amount(struct json_out *o, const char *name, const struct snap_gate *g, uint64_t n)
{
	if (g->kind == GATE_BUDGET || g->kind == GATE_COST)
		json_put_money(o, name, (int64_t)n);
	else
		json_put_u64(o, name, n);
}

/* Budgets, windows of plans and hours. */
static void put_gates(struct explain *x, struct json_out *o, const struct snap_deployment *d)
{
	static const char *const kinds[GATE_KINDS] = { "budget", "requests", "tokens", "cost",
						       "hours", "input_tokens", "output_tokens" };
	const struct snap_gate *g = snap_gates(x->snap, d);
	json_open_array(o, "gates");
	for (uint32_t i = 0; i < d->gates.count; i++) {
		uint64_t wait = 0;
		enum gate_verdict v = gate_judge(x->q.board, &g[i], x->q.wall_ns, &wait);
		json_open(o, NULL);
		json_put_str(o, "name", snap_text(x->snap, g[i].name));
		json_put_z(o, "kind", kinds[g[i].kind]);
		json_put_bool(o, "open", v == GATE_OPEN);
		if (g[i].kind != GATE_HOURS) {
			put_amount(o, "limit", &g[i], g[i].limit);
			put_amount(o, "used", &g[i],
				   gate_used(x->q.board, &g[i], x->q.wall_ns));
		}
		json_put_u64(o, "wait_s", (wait + NS_PER_S - 1) / NS_PER_S);
		json_close(o);
	}
	json_close_array(o);
}

static void put_candidate(struct explain *x, struct json_out *o, const struct route_candidate *cand)
{
	const struct snap_deployment *d = snap_deployment(x->snap, cand->index);
	const struct board_deployment *b = &x->q.board->deployments[d->board_row];
	uint64_t until = atomic_load(&b->cooldown_until_ns);
	json_open(o, NULL);
	json_put_str(o, "id", snap_text(x->snap, d->id));
	json_put_str(o, "provider", snap_text(x->snap, d->provider));
	json_put_str(o, "upstream_model", snap_text(x->snap, d->model));
	json_put_bool(o, "chosen", cand->index == x->first);
	json_put_z(o, "verdict", route_reason_word((enum route_reason)cand->reason));
	json_put_z(o, "why", route_reason_text((enum route_reason)cand->reason));
	json_put_u64(o, "score", cand->score);
	json_put_u64(o, "order", d->order);
	json_put_u64(o, "in_flight", board_inflight(x->q.board, d->board_row));
	put_limit(o, route_most_parallel(x->snap, d, b));
	put_ms(o, "latency_per_token_ms", atomic_load(&b->latency_ns));
	put_ms(o, "first_token_ms", atomic_load(&b->ttft_ns));
	json_put_u64(o, "requests_this_minute",
		     route_minute_count(&b->minute_requests, x->q.now_ns));
	json_put_u64(o, "tokens_this_minute", route_minute_count(&b->minute_tokens, x->q.now_ns));
	json_put_u64(o, "cooldown_s",
		     until > x->q.now_ns ? (until - x->q.now_ns + NS_PER_S - 1) / NS_PER_S : 0);
	put_gates(x, o, d);
	if (d->price.flags & PRICE_KNOWN)
		json_put_money(o, "cost_at_most", cost_of(x, d));
	else
		json_put_null(o, "cost_at_most");
	json_close(o);
}

/* Whom else it would go to, if one after the other failed. */
static void put_attempts(struct explain *x, struct json_out *o, const struct route_choice *first)
{
	struct route_choice c = *first;
	json_open_array(o, "attempts");
	while (c.deployment != SNAP_NONE && c.why != ROUTE_TRIED && x->q.n_tried < TRIED_MAX) {
		json_put_str(o, NULL,
			     snap_text(x->snap, snap_deployment(x->snap, c.deployment)->id));
		x->tried[x->q.n_tried++] = c.deployment;
		x->q.tried = x->tried;
		x->q.random = hash_random_below(UINT64_MAX);
		route_pick(&x->q, &c);
	}
	json_close_array(o);
}

static void put_names(struct json_out *o, const char *key, const struct snap *s,
		      struct snap_part names)
{
	json_open_array(o, key);
	for (uint32_t i = 0; i < names.count; i++)
		json_put_str(o, NULL, snap_name(s, names, i));
	json_close_array(o);
}

static void put_answer(struct explain *x, const struct route_choice *c)
{
	struct json_out o = json_out(&x->call->out);
	const struct snap_group *g = x->q.group;
	json_open(&o, NULL);
	json_put_str(&o, "model", x->model);
	json_put_str(&o, "model_group", snap_text(x->snap, g->name));
	json_put_z(&o, "routing_strategy", route_strategy_name(c->strategy));
	if (g->sticky)
		json_put_z(&o, "sticky_by", route_sticky_name((enum snap_sticky)g->sticky));
	json_put_u64(&o, "prompt_tokens", x->q.prompt_tokens);
	if (c->deployment != SNAP_NONE)
		json_put_str(&o, "chosen",
			     snap_text(x->snap, snap_deployment(x->snap, c->deployment)->id));
	else
		json_put_null(&o, "chosen");
	json_put_z(&o, "verdict", route_reason_word(c->why));
	json_open_array(&o, "candidates");
	for (uint32_t i = 0; i < c->n_candidates; i++)
		put_candidate(x, &o, &x->q.room[i]);
	json_close_array(&o);
	put_attempts(x, &o, c);
	if (x->router[0].n)
		json_put_raw(&o, "key_router_settings", x->router[0]);
	if (x->router[1].n)
		json_put_raw(&o, "team_router_settings", x->router[1]);
	const struct snap_fallbacks f = snap_fallbacks(x->snap, x->model, g);
	put_names(&o, "fallbacks", x->snap, f.general);
	put_names(&o, "context_window_fallbacks", x->snap, f.context);
	put_names(&o, "content_policy_fallbacks", x->snap, f.policy);
	put_names(&o, "default_fallbacks", x->snap, snap_settings(x->snap)->default_fallbacks);
	json_close(&o);
	command_finish(x->call);
}

/* ---- the command ---- */

static bool asks_for(const struct explain *x, const struct dir_key *k)
{
	return route_may_use(x->snap, x->call->master->dir, k, x->model, x->q.group);
}

/* What a key and its team say themselves: the key's goes first. */
static void take_router(struct explain *x, unsigned whose, const struct dir_key *k)
{
	struct json_error e;
	x->router[whose] = k->router.n ? arena_dup(x->call->mem, k->router) : STR_NONE;
	const struct json *own = x->router[whose].n ?
		json_parse(x->call->mem, x->router[whose], 0, &e) : NULL;
	const struct json *how = own ? json_get(own, "routing_strategy") : NULL;
	uint32_t strategy;
	if (!x->q.strategy && json_is(how, JSON_STRING) &&
	    route_find_strategy(json_str(x->call->mem, how), &strategy))
		x->q.strategy = 1 + strategy;
}

static bool may_use(struct explain *x)
{
	struct dir_key k, team;
	if (!x->key.n)
		return true;
	if (!keys_find(x->call->master->keys, x->key, &k)) {
		command_fail(x->call, 404, "not_found_error", "key", "there is no such key; give its text or its hash");
		return false;
	}
	if (!asks_for(x, &k)) {
		command_fail(x->call, 403, "key_model_access_denied", "model",
			     "the key may not use this model, so nothing would be asked");
		return false;
	}
	take_router(x, 0, &k);
	if (!dir_find_named(x->call->master->dir, DIR_TEAM, k.team_id, &team))
		return true;
	take_router(x, 1, &team);
	if (asks_for(x, &team))
		return true;
	command_fail(x->call, 403, "team_model_access_denied", "model",
		     "the key's team may not use this model, so nothing would be asked");
	return false;
}

/* As a request of that user, in the body, would be kept at one deployment. */
static void be_sticky(struct explain *x)
{
	const struct json *body = json_get(x->call->args, "body");
	struct str user = json_get_str(x->call->mem, body, "user");
	if (x->q.group->sticky == STICKY_USER && user.n)
		x->q.sticky = route_sticky(x->q.group, user);
}

static void choose(struct explain *x)
{
	struct route_choice c;
	be_sticky(x);
	x->q.room = mem_array(x->q.group->members.count + 1, sizeof *x->q.room);
	if (!x->q.room) {
		command_fail(x->call, 500, "internal_server_error", NULL, "out of memory");
		return;
	}
	x->q.n_room = x->q.group->members.count;
	route_pick(&x->q, &c);
	x->first = c.deployment;
	put_answer(x, &c);
	mem_free(x->q.room);
}

/* ---- a request that was made ---- */

/* A deployment's index by its row on the board; SNAP_NONE: it is not configured any more. */
static uint32_t index_of_row(const struct snap *s, uint32_t row)
{
	for (uint32_t i = 0; i < snap_head(s)->deployments.count; i++)
		if (snap_deployment(s, i)->board_row == row)
			return i;
	return SNAP_NONE;
}

static void put_deployment(struct json_out *o, const struct snap *s, uint32_t row)
{
	uint32_t i = index_of_row(s, row);
	const struct snap_deployment *d = i == SNAP_NONE ? NULL : snap_deployment(s, i);
	json_put_str(o, "id", d ? snap_text(s, d->id) : STR_NONE);
	json_put_str(o, "provider", d ? snap_text(s, d->provider) : STR_NONE);
	json_put_str(o, "upstream_model", d ? snap_text(s, d->model) : STR_NONE);
}

/* Of a field on the board, which may hold anything. */
static struct str field(const char *p, size_t room)
{
	return str_of(p, strnlen(p, room));
}

static uint32_t at_most(uint32_t n, uint32_t most)
{
	return n < most ? n : most;
}

static void put_past_candidates(struct json_out *o, const struct snap *s,
				const struct board_decision *d, uint32_t chosen_row)
{
	json_open_array(o, "candidates");
	for (uint32_t i = 0; i < at_most(d->n_candidates, DECISION_CANDIDATES); i++) {
		enum route_reason why = (enum route_reason)d->candidates[i].reason;
		json_open(o, NULL);
		put_deployment(o, s, d->candidates[i].row);
		json_put_bool(o, "chosen", d->candidates[i].row == chosen_row);
		json_put_z(o, "verdict", route_reason_word(why));
		json_put_z(o, "why", route_reason_text(why));
		json_put_u64(o, "score", d->candidates[i].score);
		json_close(o);
	}
	json_close_array(o);
}

static void put_past_attempts(struct json_out *o, const struct snap *s,
			      const struct board_decision *d, uint32_t n)
{
	json_open_array(o, "attempts");
	for (uint32_t i = 0; i < n; i++) {
		json_open(o, NULL);
		put_deployment(o, s, d->attempts[i].row);
		json_put_str(o, "outcome",
			     field(d->attempts[i].outcome, sizeof d->attempts[i].outcome));
		json_put_u64(o, "status", d->attempts[i].status);
		json_put_u64(o, "ms", d->attempts[i].ms);
		json_close(o);
	}
	json_close_array(o);
}

static void put_past(struct command_call *c, const struct snap *s, struct str call_id,
		     const struct board_decision *d)
{
	struct json_out o = json_out(&c->out);
	uint32_t n = at_most(atomic_load(&d->n_attempts), DECISION_ATTEMPTS);
	char when[25];
	json_open(&o, NULL);
	json_put_str(&o, "call_id", call_id);
	json_put_z(&o, "started", clock_rfc3339(when, d->started_wall_ns));
	json_put_u64(&o, "generation", d->generation);
	json_put_str(&o, "model_group", field(d->group, sizeof d->group));
	json_put_z(&o, "routing_strategy", route_strategy_name((enum route_strategy)d->strategy));
	json_put_z(&o, "verdict", route_reason_word((enum route_reason)d->verdict));
	json_put_u64(&o, "candidates_in_all", d->n_candidates);
	put_past_candidates(&o, s, d, n ? d->attempts[n - 1].row : UINT32_MAX);
	put_past_attempts(&o, s, d, n);
	json_close(&o);
	command_finish(c);
}

/* True: it was asked for one, and is answered. */
static bool explain_past(struct command_call *c)
{
	struct board_decision d;
	struct snap *s = NULL;
	struct str id = STR_NONE;
	int err = command_str(c, "call_id", &id), fd;
	if (err == -EINVAL || !id.n)
		return err == -EINVAL;
	if (!decision_find(&c->master->board, id, &d)) {
		command_fail(c, 404, "not_found_error", "call_id",
			     "nothing is kept of such a request: it was long ago, or had no choice "
			     "and did not fail, or router_settings.keep_explanations is false");
		return true;
	}
	fd = dup(c->master->snapshot_fd);
	if (fd < 0 || snap_map(fd, &s) < 0) {
		command_fail(c, 500, "internal_server_error", NULL,
			     "the configuration in force cannot be read");
		return true;
	}
	put_past(c, s, id, &d);
	snap_unref(s);
	return true;
}

void route_explain(struct command_call *c)
{
	struct explain x = { .call = c };
	int fd;
	if (explain_past(c) || !read_args(&x))
		return;
	fd = dup(c->master->snapshot_fd);
	if (fd < 0 || snap_map(fd, &x.snap) < 0) {
		command_fail(c, 500, "internal_server_error", NULL,
			     "the configuration in force cannot be read");
		return;
	}
	x.q.snap = x.snap;
	x.q.board = &c->master->board;
	x.q.now_ns = clock_ns();
	x.q.wall_ns = clock_wall_ns();
	x.q.random = hash_random_below(UINT64_MAX);
	x.q.group = snap_resolve(x.snap, x.model);
	x.q.asked = x.model;
	if (!x.q.group)
		command_fail(c, 404, "not_found_error", "model",
			     "no entry of model_list serves '" STR_FMT "'", STR_ARG(x.model));
	else if (may_use(&x))
		choose(&x);
	snap_unref(x.snap);
}
