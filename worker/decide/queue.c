/* SPDX-License-Identifier: MIT
 * queue.c - see queue.h.
 *
 * Who waits is let go when an attempt of this worker ends, and by a timer of a few milliseconds,
 * because another worker's may have ended. A worker leaves a free place to one whose request has
 * an earlier turn, for a moment; where nobody takes it then, it takes it itself. */
#include "worker/decide/queue.h"

#include <stddef.h>

#include "common/clock.h"
#include "common/fair.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/route.h"

enum {
	POLL_MS = 2,
	QUEUES_MAX = 256,
	STARTS_AT_ONCE = 64,		/* then the loop has its turn */
	PASSED_OVER_MAX = 8,
	TURNS_APART = 2,		/* how much earlier another worker's must be */
	GAPS_KNOWN = 4, GAPS_SPAN = 16,
	RETRY_AFTER_MAX_S = 60
};
#define YIELD_NS (25 * NS_PER_MS)
#define BLIND_NS (100 * NS_PER_MS)
#define TELL_NS (60 * NS_PER_S)

struct waiter {
	struct fair_entry entry;
	struct request *r;
	struct queue *queue;
	queue_fn *fn;
	void *data;
	struct later patience;
	uint64_t prompt_tokens;
};
struct queue {				/* of one group */
	struct queue *next;
	uint64_t name;			/* hash of the group's */
	struct fair fair;
	uint64_t gap_ns, started_ns;	/* between two that are let go, mostly; the last one */
	unsigned n_gaps;
	uint64_t yields_ns, blind_until_ns, told_ns;
};
struct queues {
	struct worker *w;
	struct queue *list;
	unsigned n;
	uv_timer_t poll;
	struct later soon;
	struct route_candidate *room;
	uint32_t n_room;
};

/* ---- the queue of a group ---- */

static void on_poll(uv_timer_t *t);

static struct queues *queues_of(struct worker *w)
{
	struct queues *qs = w->queues;
	if (qs)
		return qs;
	qs = mem_alloc(sizeof *qs);
	if (!qs)
		return NULL;
	qs->w = w;
	uv_timer_init(w->loop, &qs->poll);
	qs->poll.data = qs;
	for (unsigned i = 0; i < BOARD_QUEUES; i++)	/* of who had this place before */
		atomic_store_explicit(&w->board.queues[i].head[w->slot], 0, memory_order_relaxed);
	w->queues = qs;
	return qs;
}

static struct queue *find_queue(const struct worker *w, uint64_t name)
{
	struct queue *q = w->queues ? w->queues->list : NULL;
	while (q && q->name != name)
		q = q->next;
	return q;
}

/* An empty one of another group serves as well, when there are too many. */
static struct queue *make_queue(struct worker *w, uint64_t name)
{
	struct queues *qs = queues_of(w);
	struct queue *q, *next;
	if (!qs)
		return NULL;
	if (qs->n < QUEUES_MAX) {
		q = mem_alloc(sizeof *q);
		if (!q)
			return NULL;
		q->next = qs->list;
		qs->list = q;
		qs->n++;
	} else {
		for (q = qs->list; q && q->fair.n; q = q->next)
			;
		if (!q)
			return NULL;
		next = q->next;
		*q = (struct queue){ .next = next };
	}
	q->name = name;
	q->fair.shared = &w->board.queues[name % BOARD_QUEUES];
	return q;
}

static uint64_t name_of(const struct request *r)
{
	const struct snap_group *g = r->group;
	if (g->alias_of != SNAP_NONE)
		g = snap_group(r->snap, g->alias_of);
	return hash_stable(snap_text(r->snap, g->name));
}

static void publish(const struct worker *w, const struct queue *q)
{
	atomic_store_explicit(&q->fair.shared->head[w->slot], fair_head(&q->fair),
			      memory_order_relaxed);
}

/* ---- how long ------------------------------------------------------------------------------- */

static void note_start(struct queue *q, uint64_t now)
{
	int64_t gap = (int64_t)(now - q->started_ns), mean = (int64_t)q->gap_ns;
	q->n_gaps += q->n_gaps < GAPS_SPAN;
	q->gap_ns = (uint64_t)(mean + (gap - mean) / (int64_t)q->n_gaps);
	q->started_ns = now;
}

/* Until one that has `ahead` others before it is let go; 0: not known yet. */
static uint64_t expected_ns(const struct queue *q, unsigned ahead)
{
	return q->n_gaps < GAPS_KNOWN ? 0 : (ahead + 1) * q->gap_ns;
}

/* How much longer it may wait. */
static uint64_t patience_ns(const struct request *r)
{
	uint64_t most = snap_settings(r->snap)->queue_wait_ms * NS_PER_MS;
	double asked = r->q.is_stream && r->q.stream_timeout_s > 0 ? r->q.stream_timeout_s
								     : r->q.timeout_s;
	if (asked > 0 && asked * 1e9 < (double)most)
		most = (uint64_t)(asked * 1e9);
	return most > r->queued_ns ? most - r->queued_ns : 0;
}

static struct llm_error refusal(struct request *r, struct queue *q)
{
	unsigned n = q ? q->fair.n : 0;
	uint64_t seconds = q ? (expected_ns(q, n) + NS_PER_S - 1) / NS_PER_S : 1, now = clock_ns();
	seconds = seconds < 1 ? 1 : seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : seconds;
	METRIC_ADD(r->w->metrics, queue_refused, 1);
	if (q && (!q->told_ns || now - q->told_ns > TELL_NS)) {
		q->told_ns = now;
		LOG(LOG_WARN, "queue.refuses", F_STR("model", r->requested_model),
		    F_INT("waiting", n), F_INT("retry_after_s", seconds));
	}
	return (struct llm_error){
		.outcome = OUTCOME_QUEUE_FULL,
		.retry_after_ms = seconds * 1000,
		.message = arena_printf(r->mem,
					"All deployments of " STR_FMT " are busy and %u requests "
					"wait for them. Try again in %llu seconds.",
					STR_ARG(r->requested_model), n,
					(unsigned long long)seconds),
	};
}

/* ---- in and out ----------------------------------------------------------------------------- */

static void count_waiting(struct worker *w, int by)
{
	w->n_queued = (unsigned)((int)w->n_queued + by);
	atomic_store_explicit(&w->row->waiting, w->n_queued, memory_order_relaxed);
}

static struct waiter *waiter_at(struct fair_entry *e)
{
	return (struct waiter *)((char *)e - offsetof(struct waiter, entry));
}

static bool is_waiting(const struct waiter *x)
{
	return x && x->entry.flow;
}

static void leave(struct waiter *x, uint64_t now)
{
	later_stop(&x->patience);
	x->r->queued_ns += now - x->entry.since_ns;
	count_waiting(x->r->w, -1);
}

static void turn_away(struct waiter *x)
{
	struct request *r = x->r;
	struct llm_error e = refusal(r, x->queue);
	leave(x, clock_ns());
	fair_drop(&x->queue->fair, &x->entry);
	request_fail_with(r, &e);
	request_end(r);
}

static void on_impatient(struct later *l)
{
	turn_away(l->data);
}

void queue_forget(struct request *r)
{
	struct waiter *x = r->waiter;
	if (!is_waiting(x))
		return;
	leave(x, clock_ns());
	fair_drop(&x->queue->fair, &x->entry);
	publish(r->w, x->queue);
}

/* The body's word, but none better than that of its key and team. */
static uint32_t priority_of(const struct request *r)
{
	const struct json *j = r->q.root ? json_get(r->q.root, "priority") : NULL;
	uint64_t asked = 0, least = 0;
	for (uint32_t i = 0; i < r->n_owners; i++) {
		uint64_t own = r->owners[i].row->flags >> KEY_PRIORITY_SHIFT;
		least = own > least ? own : least;
	}
	if (json_is(j, JSON_NUMBER) && str_read_u64(j->raw, &asked) == 0 && asked > least)
		least = asked;
	return least > FAIR_PRIORITY_MAX ? FAIR_PRIORITY_MAX : (uint32_t)least;
}

static void poll(struct queues *qs)
{
	if (!uv_is_active((const uv_handle_t *)&qs->poll))
		uv_timer_start(&qs->poll, on_poll, POLL_MS, POLL_MS);
}

/* Whether it may stay: there is room for it, or somebody makes room, and its turn comes in time. */
static bool admit(struct request *r, struct queue *q, uint32_t priority, uint64_t patience)
{
	struct fair_entry *worst;
	if (!patience || expected_ns(q, fair_rank(&q->fair, r->key.id, priority)) > patience)
		return false;
	if (r->w->n_queued < snap_settings(r->snap)->queue_length)
		return true;
	worst = fair_worst(&q->fair, r->key.id, priority);
	if (!worst)
		return false;
	turn_away(waiter_at(worst));
	return true;
}

static struct waiter *waiter_of(struct request *r)
{
	if (!r->waiter)
		r->waiter = arena_alloc(r->mem, sizeof *r->waiter);
	return r->waiter;
}

/* False: it was refused. */
static bool enter(struct request *r, struct queue *q, queue_fn *fn, void *data)
{
	uint32_t priority = priority_of(r);
	uint64_t patience = patience_ns(r), now = clock_ns();
	bool is_back = r->waiter != NULL;	/* it had its turn, and another was faster */
	struct waiter *x;
	if (!admit(r, q, priority, patience) || !(x = waiter_of(r)))
		return false;
	if (!q->fair.n)
		q->started_ns = now;
	x->r = r;
	x->queue = q;
	x->fn = fn;
	x->data = data;
	x->entry.since_ns = now;
	if (fair_put(&q->fair, &x->entry, r->key.id, priority, is_back) < 0)
		return false;
	if (is_back)
		fair_pass(&q->fair, &x->entry);
	else
		METRIC_ADD(r->w->metrics, queued, 1);
	if (route_counts_tokens(r->snap, r->group))
		x->prompt_tokens = r->raw ? r->raw->known.input : request_prompt_tokens(r);
	count_waiting(r->w, 1);
	later_start(r->w->wheel, &x->patience, patience / NS_PER_MS + 1, on_impatient, x);
	publish(r->w, q);
	poll(r->w->queues);
	return true;
}

bool queue_join(struct request *r, queue_fn *fn, void *data, struct llm_error *reterr)
{
	uint64_t name = name_of(r);
	struct queue *q = find_queue(r->w, name);
	if (!q && snap_settings(r->snap)->queue_wait_ms)
		q = make_queue(r->w, name);
	if (q && enter(r, q, fn, data))
		return true;
	*reterr = refusal(r, q);
	return false;
}

static void resume(void *data)
{
	request_resume(data);
}

/* Who can go elsewhere does. */
static bool has_fallbacks(const struct request *r)
{
	if (r->q.disable_fallbacks)
		return false;
	return r->q.fallbacks ||
	       snap_fallbacks(r->snap, request_model(r), r->group).general.count ||
	       snap_settings(r->snap)->default_fallbacks.count;
}

enum step queue_stage(struct request *r)
{
	struct queue *q;
	struct llm_error e;
	if (!r->w->n_queued)
		return STEP_NEXT;
	q = find_queue(r->w, name_of(r));
	if (!q || !q->fair.n || has_fallbacks(r))
		return STEP_NEXT;
	if (enter(r, q, resume, r))
		return STEP_WAIT;
	e = refusal(r, q);
	return request_fail_with(r, &e);
}

/* ---- letting go ----------------------------------------------------------------------------- */

static bool make_room(struct queues *qs, uint32_t n)
{
	struct route_candidate *room;
	if (n <= qs->n_room)
		return true;
	room = mem_array(n, sizeof *room);
	if (!room)
		return false;
	mem_free(qs->room);
	qs->room = room;
	qs->n_room = n;
	return true;
}

/* Whether it would find a deployment, or another reason than that they are full. */
static bool has_room(struct queues *qs, const struct waiter *x, uint64_t now)
{
	const struct request *r = x->r;
	struct route_choice c;
	struct route_query q = wish_query(r, x->prompt_tokens, now);
	if (!make_room(qs, q.n_room))
		return false;
	q.room = qs->room;
	route_pick(&q, &c);
	return c.deployment != SNAP_NONE || !c.is_full;
}

/* Whether the same deployments serve all that wait. */
static bool is_like_all(const struct waiter *x)
{
	const struct wish *w = &x->r->wish;
	return !w->n_tags && !w->region.n && !w->has_max_cost && !x->prompt_tokens;
}

static bool has_earlier_elsewhere(const struct worker *w, const struct queue *q, uint64_t turn)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		uint64_t head = atomic_load_explicit(&q->fair.shared->head[i],
						     memory_order_relaxed);
		if (head && i != w->slot && head + TURNS_APART < turn &&
		    board_worker_lives(&w->board.workers[i]))
			return true;
	}
	return false;
}

static bool must_yield(const struct worker *w, struct queue *q, const struct waiter *x,
		       uint64_t now)
{
	if (now < q->blind_until_ns || fair_is_by_age(&q->fair))
		return false;
	if (!has_earlier_elsewhere(w, q, fair_turn(&q->fair, &x->entry))) {
		q->yields_ns = 0;
		return false;
	}
	if (!q->yields_ns)
		q->yields_ns = now;
	if (now - q->yields_ns < YIELD_NS)
		return true;
	q->yields_ns = 0;
	q->blind_until_ns = now + BLIND_NS;
	return false;
}

static void let_go(struct waiter *x, uint64_t now)
{
	struct queue *q = x->queue;
	METRIC_TIME(x->r->w->metrics, queue_wait, now - x->entry.since_ns);
	leave(x, now);
	fair_serve(&q->fair, &x->entry);
	note_start(q, now);
	x->fn(x->data);
}

/* True: there may be more to let go. */
static bool serve(struct queues *qs, struct queue *q)
{
	unsigned started = 0, passed = 0;
	uint64_t now = clock_ns();
	fair_round(&q->fair);
	while (started < STARTS_AT_ONCE && passed < PASSED_OVER_MAX) {
		struct fair_entry *e = fair_next(&q->fair);
		if (!e)
			break;
		struct waiter *x = waiter_at(e);
		if (!has_room(qs, x, now)) {
			if (is_like_all(x))
				break;
			fair_pass(&q->fair, e);
			passed++;
			continue;
		}
		if (must_yield(qs->w, q, x, now))
			break;
		let_go(x, now);
		started++;
	}
	publish(qs->w, q);
	return started == STARTS_AT_ONCE;
}

static void serve_all(struct queues *qs)
{
	bool is_more = false;
	for (struct queue *q = qs->list; q; q = q->next)
		if (q->fair.n && serve(qs, q))
			is_more = true;
	if (is_more)
		queue_wake(qs->w);
	if (!qs->w->n_queued)
		uv_timer_stop(&qs->poll);
}

static void on_poll(uv_timer_t *t)
{
	serve_all(t->data);
}

static void on_soon(struct later *l)
{
	serve_all(l->data);
}

void queue_wake(struct worker *w)
{
	if (w->queues && !later_runs(&w->queues->soon))
		later_start(w->wheel, &w->queues->soon, 0, on_soon, w->queues);
}
