/* SPDX-License-Identifier: MIT
 * decision.c - see decision.h. */
#include "common/decision.h"

#include "common/hash.h"

static void put_text(char *to, size_t room, struct str s)
{
	size_t n = s.n < room ? s.n : room;
	if (n)
		memcpy(to, s.p, n);
	if (n < room)
		to[n] = '\0';
}

void decision_begin(struct decision *d, struct board *b, uint32_t worker, struct str call_id,
		    uint64_t wall_ns)
{
	struct board_worker *w = &b->workers[worker];
	uint64_t n = atomic_load_explicit(&w->decisions, memory_order_relaxed);
	struct board_decision *row =
		&b->decisions[(size_t)worker * BOARD_DECISIONS + n % BOARD_DECISIONS];
	atomic_store_explicit(&row->id, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	row->call_hash = hash_stable(call_id);
	row->started_wall_ns = wall_ns;
	row->generation = 0;
	put_text(row->call_id, sizeof row->call_id, call_id);
	row->group[0] = '\0';
	row->strategy = row->verdict = row->n_candidates = 0;
	atomic_store_explicit(&row->n_attempts, 0, memory_order_relaxed);
	atomic_store_explicit(&w->decisions, n + 1, memory_order_release);
	*d = (struct decision){ .row = row, .id = n + 1 };
	atomic_store_explicit(&row->id, d->id, memory_order_release);
}

/* Whether the row is still this request's: long ones lose theirs to newer ones. */
static bool is_ours(const struct decision *d)
{
	return d->row && atomic_load_explicit(&d->row->id, memory_order_relaxed) == d->id;
}

static bool is_of_group(const struct board_decision *row, struct str name)
{
	size_t n = name.n < sizeof row->group ? name.n : sizeof row->group;
	return row->n_candidates && memcmp(row->group, name.p, n) == 0 &&
	       (n == sizeof row->group || row->group[n] == '\0');
}

void decision_choice(struct decision *d, struct board *b, uint32_t worker, struct str call_id,
		     const struct route_query *q, const struct route_choice *c)
{
	struct str group = snap_text(q->snap, q->group->name);
	if (!d->row)
		decision_begin(d, b, worker, call_id, q->wall_ns);
	struct board_decision *row = d->row;
	if (!is_ours(d) || is_of_group(row, group))
		return;
	put_text(row->group, sizeof row->group, group);
	row->generation = snap_head(q->snap)->generation;
	row->strategy = c->strategy;
	row->verdict = c->why;
	for (uint32_t i = 0; i < c->n_candidates && i < DECISION_CANDIDATES; i++) {
		const struct snap_deployment *dep = snap_deployment(q->snap, q->room[i].index);
		row->candidates[i].row = dep->board_row;
		row->candidates[i].reason = q->room[i].reason;
		row->candidates[i].score = q->room[i].score;
	}
	row->n_candidates = c->n_candidates;
}

void decision_attempt(struct decision *d, uint32_t board_row, const char *outcome, int status,
		      uint64_t ns)
{
	struct board_decision *row = d->row;
	uint32_t n = is_ours(d) ? atomic_load_explicit(&row->n_attempts, memory_order_relaxed)
				: DECISION_ATTEMPTS;
	if (n >= DECISION_ATTEMPTS)
		return;
	row->attempts[n].row = board_row;
	row->attempts[n].status = status > 0 ? (uint32_t)status : 0;
	row->attempts[n].ms = ns / 1000000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 1000000);
	put_text(row->attempts[n].outcome, sizeof row->attempts[n].outcome, str_z(outcome));
	atomic_store_explicit(&row->n_attempts, n + 1, memory_order_release);
}

/* ---- reading ---- */

static bool copy(const struct board_decision *from, uint64_t call_hash, struct board_decision *ret)
{
	uint64_t id = atomic_load_explicit(&from->id, memory_order_acquire);
	if (!id || from->call_hash != call_hash)
		return false;
	memcpy((void *)ret, (const void *)from, sizeof *ret);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&from->id, memory_order_relaxed) == id &&
	       ret->call_hash == call_hash;
}

/* Rows that nobody has written are not looked at: they would become memory by that. */
bool decision_find(const struct board *b, struct str call_id, struct board_decision *ret)
{
	uint64_t hash = hash_stable(call_id);
	struct board_decision one;
	bool found = false;
	for (uint32_t w = 0; w < BOARD_WORKERS; w++) {
		uint64_t n = atomic_load_explicit(&b->workers[w].decisions, memory_order_acquire);
		for (uint64_t i = 0; i < n && i < BOARD_DECISIONS; i++) {
			if (!copy(&b->decisions[(size_t)w * BOARD_DECISIONS + i], hash, &one))
				continue;
			if (!found || one.started_wall_ns >= ret->started_wall_ns)
				memcpy((void *)ret, (const void *)&one, sizeof one);
			found = true;
		}
	}
	return found;
}
