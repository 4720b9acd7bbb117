/* SPDX-License-Identifier: MIT
 * windows.c - see windows.h. */
#include "worker/windows.h"

#include "common/clock.h"

enum { SHARES_MAX = 4 };		/* a class and the whole, of requests and of tokens */

/* ---- whose, and how much a use counts ---- */

static uint32_t count(const struct request *r)
{
	uint32_t n = 0;
	struct window w;
	for (uint32_t i = 0; i < r->n_owners; i++) {
		struct str rest = r->owners[i].row->windows;
		while (window_next(&rest, &w))
			n++;
	}
	return n;
}

/* As of a user's budget: what a team's key spends is not the user's own. */
static bool is_others(const struct request *r, const struct dir_key *owner, const struct window *w)
{
	return owner->kind == DIR_USER && w->gate.kind == GATE_COST && r->key.team_id.n;
}

static void add_owner(const struct request *r, const struct dir_key *owner, struct windows *to)
{
	const struct board *b = &r->w->board;
	struct str rest = owner->windows;
	struct window w;
	while (window_next(&rest, &w)) {
		struct board_gate *row = &b->windows[w.gate.row];
		w.gate.factor_milli =
			window_factor(b, &w, r->requested_model, r->start_wall_ns);
		if (!w.gate.factor_milli || is_others(r, owner, &w))
			continue;	/* such a request does not count */
		to->v[to->n++] = (struct window_hold){ .owner = owner, .w = w, .row = row,
						       .id_hash = atomic_load(&row->id_hash) };
	}
}

/* ---- shares of the model's limits ---- */

static const struct snap_group *target_of(const struct request *r)
{
	const struct snap_group *g = r->group;
	return g && g->alias_of != SNAP_NONE ? snap_group(r->snap, g->alias_of) : g;
}

static void add_gate(struct request *r, const struct snap_gate *g, const struct snap_gate *whole)
{
	struct board_gate *row = &r->w->board.gates[g->row];
	r->windows->v[r->windows->n++] = (struct window_hold){
		.whole = whole, .w = { .gate = *g, .name = snap_text(r->snap, g->name) },
		.row = row, .id_hash = atomic_load(&row->id_hash) };
}

/* Of one kind, v[0] being the whole and v[1] what those without a class have: the class first,
 * which is the more likely to refuse. Returns how many gates there are of it. */
static uint32_t add_share(struct request *r, const struct snap_gate *v, uint32_t n)
{
	const struct snap_gate *class = &v[1];
	uint32_t i = 0;
	for (; i < n && v[i].kind == v[0].kind; i++)
		if (i > 1 && str_eq(snap_text(r->snap, v[i].name), r->priority))
			class = &v[i];
	if (i > 1)
		add_gate(r, class, &v[0]);
	add_gate(r, &v[0], NULL);
	return i;
}

static void add_shares(struct request *r, const struct snap_group *g)
{
	const struct snap_gate *v = snap_reserved(r->snap, g);
	for (uint32_t i = 0; i < g->reserved.count;)
		i += add_share(r, v + i, g->reserved.count - i);
}

/* ---- taking ---- */

static struct str label(const struct request *r, const struct window *w)
{
	char length[24];
	window_length(w->gate.span_ns, length);
	return w->name.n ? arena_printf(r->mem, "%s %s (" STR_FMT ")", length,
					w->gate.is_fixed ? "fixed" : "rolling", STR_ARG(w->name)) :
			   arena_printf(r->mem, "%s %s", length,
					w->gate.is_fixed ? "fixed" : "rolling");
}

static struct str amount(const struct request *r, const struct snap_gate *g, uint64_t n)
{
	return g->kind == GATE_COST ? arena_printf(r->mem, "%.9g dollars", (double)n / 1e9) :
				      arena_printf(r->mem, "%llu", (unsigned long long)n);
}

static uint64_t left_of(const struct window_hold *h, uint64_t wall_ns)
{
	uint64_t used = gate_plan_used(h->row, &h->w.gate, wall_ns);
	return used < h->w.gate.limit ? h->w.gate.limit - used : 0;
}

/* "api_key: sk-...abcd. Window: 5h rolling", or which model is at its limit, and for whom. */
static struct str what_of(const struct request *r, const struct window_hold *h)
{
	if (h->owner)
		return arena_printf(r->mem, "%s: " STR_FMT ". Window: " STR_FMT,
				    owner_words[h->owner->kind].rate, STR_ARG(h->owner->last4),
				    STR_ARG(label(r, &h->w)));
	if (!h->whole)
		return arena_printf(r->mem, "model: " STR_FMT, STR_ARG(r->requested_model));
	return arena_printf(r->mem, "priority: " STR_FMT ". Model: " STR_FMT,
			    STR_ARG(h->w.name.n ? h->w.name : STR("default")),
			    STR_ARG(r->requested_model));
}

static enum step refuse(struct request *r, const struct window_hold *h, uint64_t wall_ns,
			uint64_t wait_ns)
{
	char when[25];
	struct str what = what_of(r, h), limit = amount(r, &h->w.gate, h->w.gate.limit);
	struct str left = amount(r, &h->w.gate, left_of(h, wall_ns));
	struct llm_error e = {
		.outcome = OUTCOME_RATE_LIMITED,
		.retry_after_ms = wait_ns / NS_PER_MS + 1,
		.message = arena_printf(r->mem,
					"Rate limit exceeded for " STR_FMT ". Limit type: %s. "
					"Current limit: " STR_FMT ", Remaining: " STR_FMT
					". Limit resets at: %s",
					STR_ARG(what), window_unit(h->w.gate.kind), STR_ARG(limit),
					STR_ARG(left), clock_rfc3339(when, wall_ns + wait_ns)),
	};
	METRIC_ADD(r->w->metrics, limited, 1);
	return request_fail_with(r, &e);
}

static bool is_saturated(const struct request *r, const struct snap_gate *whole, uint64_t now)
{
	const struct board_gate *row = &r->w->board.gates[whole->row];
	return gate_plan_used(row, whole, now) * 1000 >=
	       whole->limit * snap_settings(r->snap)->saturation_milli;
}

static bool take_one(const struct request *r, struct window_hold *h, uint64_t now, uint64_t n,
		     uint64_t *ret_wait_ns)
{
	struct snap_gate g = h->w.gate;
	if (h->whole && !is_saturated(r, h->whole, now))
		g.limit = UINT64_MAX;
	h->is_taken = gate_take(h->row, &g, now, n, &h->hold, ret_wait_ns);
	return h->is_taken;
}

/* n[kind] of each window that counts it. Where one refuses, the request ends, and what the others
 * gave goes back at its end. */
static enum step take(struct request *r, const uint64_t n[GATE_KINDS])
{
	uint64_t now = clock_wall_ns(), wait;
	for (uint32_t i = 0; i < r->windows->n; i++) {
		struct window_hold *h = &r->windows->v[i];
		if (!n[h->w.gate.kind])
			continue;
		if (!take_one(r, h, now, n[h->w.gate.kind], &wait))
			return refuse(r, h, now, wait);
	}
	return STEP_NEXT;
}

enum step windows_take_request(struct request *r)
{
	const struct snap_group *g = target_of(r);
	uint32_t n = count(r) + (g && g->reserved.count ? SHARES_MAX : 0);
	r->windows = arena_alloc(r->mem, sizeof *r->windows + n * sizeof *r->windows->v);
	if (!r->windows)
		return request_fail(r, OUTCOME_TOO_LARGE, NULL,
				    "the request needs too much memory");
	for (uint32_t i = 0; i < r->n_owners; i++)
		if (r->owners[i].row->flags & KEY_WINDOWS)
			add_owner(r, r->owners[i].row, r->windows);
	if (g && g->reserved.count)
		add_shares(r, g);
	return take(r, (uint64_t[GATE_KINDS]){ [GATE_REQUESTS] = 1 });
}

enum step windows_take_tokens(struct request *r, uint64_t prompt)
{
	uint64_t least = prompt ? prompt : 1;
	return take(r, (uint64_t[GATE_KINDS]){ [GATE_TOKENS] = least, [GATE_INPUT] = least,
					       [GATE_OUTPUT] = 1 });
}

enum step windows_take_cost(struct request *r, int64_t worst_nano)
{
	return take(r, (uint64_t[GATE_KINDS]){
			       [GATE_COST] = worst_nano > 0 ? (uint64_t)worst_nano : 0 });
}

/* ---- what it was ---- */

/* A row that was given back counts for others. */
static bool is_still(const struct window_hold *h)
{
	return atomic_load_explicit(&h->row->id_hash, memory_order_acquire) == h->id_hash;
}

static uint64_t used_of(const struct request *r, const struct snap_gate *g, const struct usage *u)
{
	if (g->kind == GATE_REQUESTS)
		return u || r->settled_seq;
	if (!u)
		return 0;
	if (g->kind == GATE_COST)
		return r->cost_nano > 0 ? (uint64_t)r->cost_nano : 0;
	return (g->kind == GATE_OUTPUT ? 0 : u->input) + (g->kind == GATE_INPUT ? 0 : u->output);
}

void windows_settle(struct request *r, const struct usage *u)
{
	uint64_t now = clock_wall_ns();
	for (uint32_t i = 0; i < r->windows->n && !r->windows->is_settled; i++) {
		struct window_hold *h = &r->windows->v[i];
		if ((h->is_taken || u) && is_still(h))
			gate_correct(h->row, &h->w.gate, &h->hold, now,
				     used_of(r, &h->w.gate, u));
	}
	r->windows->is_settled = true;
}

void windows_headers(const struct request *r, struct buf *out)
{
	uint64_t now = clock_wall_ns();
	char length[24];
	for (uint32_t i = 0; i < r->windows->n; i++) {
		const struct window_hold *h = &r->windows->v[i];
		const struct window *w = &h->w;
		const char *owner = h->owner ? owner_words[h->owner->kind].rate :
				    h->whole ? "priority" : "model";
		const char *unit = window_unit(w->gate.kind);
		struct str name = h->owner && w->name.n ? w->name :
				  str_z(window_length(w->gate.span_ns, length));
		struct str limit = amount(r, &w->gate, w->gate.limit);
		struct str left = amount(r, &w->gate, left_of(h, now));
		buf_printf(out, "x-ratelimit-%s-limit-%s-" STR_FMT ": " STR_FMT "\r\n", owner, unit,
			   STR_ARG(name), STR_ARG(limit));
		buf_printf(out, "x-ratelimit-%s-remaining-%s-" STR_FMT ": " STR_FMT "\r\n", owner,
			   unit, STR_ARG(name), STR_ARG(left));
	}
}
