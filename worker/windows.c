/* SPDX-License-Identifier: MIT
 * windows.c - see windows.h. */
#include "worker/windows.h"

#include "common/clock.h"

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

static void add_owner(const struct request *r, const struct dir_key *owner, struct windows *to)
{
	const struct board *b = &r->w->board;
	struct str rest = owner->windows;
	struct window w;
	while (window_next(&rest, &w)) {
		struct board_gate *row = &b->windows[w.gate.row];
		w.gate.factor_milli =
			window_factor(b, &w, r->requested_model, r->start_wall_ns);
		if (!w.gate.factor_milli)
			continue;	/* such a request does not count */
		to->v[to->n++] = (struct window_hold){ .owner = owner, .w = w, .row = row,
						       .id_hash = atomic_load(&row->id_hash) };
	}
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

static enum step refuse(struct request *r, const struct window_hold *h, uint64_t wall_ns,
			uint64_t wait_ns)
{
	char when[25];
	struct str name = label(r, &h->w), limit = amount(r, &h->w.gate, h->w.gate.limit);
	struct str left = amount(r, &h->w.gate, left_of(h, wall_ns));
	struct llm_error e = {
		.outcome = OUTCOME_RATE_LIMITED,
		.retry_after_ms = wait_ns / NS_PER_MS + 1,
		.message = arena_printf(r->mem,
					"Rate limit exceeded for %s: " STR_FMT ". Window: " STR_FMT
					". Limit type: %s. Current limit: " STR_FMT
					", Remaining: " STR_FMT ". Limit resets at: %s",
					owner_words[h->owner->kind].rate, STR_ARG(h->owner->last4),
					STR_ARG(name), window_unit(h->w.gate.kind), STR_ARG(limit),
					STR_ARG(left), clock_rfc3339(when, wall_ns + wait_ns)),
	};
	METRIC_ADD(r->w->metrics, limited, 1);
	return request_fail_with(r, &e);
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
		if (!gate_take(h->row, &h->w.gate, now, n[h->w.gate.kind], &h->hold, &wait))
			return refuse(r, h, now, wait);
		h->is_taken = true;
	}
	return STEP_NEXT;
}

enum step windows_take_request(struct request *r)
{
	uint32_t n = count(r);
	r->windows = arena_alloc(r->mem, sizeof *r->windows + n * sizeof *r->windows->v);
	if (!r->windows)
		return request_fail(r, OUTCOME_TOO_LARGE, NULL,
				    "the request needs too much memory");
	for (uint32_t i = 0; i < r->n_owners; i++)
		if (r->owners[i].row->flags & KEY_WINDOWS)
			add_owner(r, r->owners[i].row, r->windows);
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
		const char *owner = owner_words[h->owner->kind].rate;
		const char *unit = window_unit(w->gate.kind);
		struct str name = w->name.n ? w->name :
					      str_z(window_length(w->gate.span_ns, length));
		struct str limit = amount(r, &w->gate, w->gate.limit);
		struct str left = amount(r, &w->gate, left_of(h, now));
		buf_printf(out, "x-ratelimit-%s-limit-%s-" STR_FMT ": " STR_FMT "\r\n", owner, unit,
			   STR_ARG(name), STR_ARG(limit));
		buf_printf(out, "x-ratelimit-%s-remaining-%s-" STR_FMT ": " STR_FMT "\r\n", owner,
			   unit, STR_ARG(name), STR_ARG(left));
	}
}
