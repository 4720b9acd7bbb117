/* SPDX-License-Identifier: MIT
 * later.c - the timing wheel; see later.h. The uv timers run only while something waits. */
#include "worker/later.h"

#include <errno.h>
#include <stdbool.h>

#include "common/mem.h"

enum { STEP_MS = 10, SLOTS = 512 };

struct wheel {
	uv_timer_t tick, soon_timer;
	unsigned open_handles;
	struct later *slot[SLOTS];
	struct later *soon;
	uint64_t step;			/* last step that was run */
	uint64_t waiting;
	bool is_ticking;
};

static uint64_t step_now(struct wheel *w)
{
	return uv_now(w->tick.loop) / STEP_MS;
}

static void unlink_later(struct later *l)
{
	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	l->next = NULL;
	l->prev = NULL;
}

static void link_later(struct later **head, struct later *l)
{
	l->next = *head;
	l->prev = head;
	if (l->next)
		l->next->prev = &l->next;
	*head = l;
}

void later_stop(struct later *l)
{
	if (later_runs(l))
		unlink_later(l);
}

/* Takes the due ones out first: a callback may start and stop any timer. */
static void run_slot(struct wheel *w, uint64_t step)
{
	struct later *due = NULL, *l, *next;
	for (l = w->slot[step % SLOTS]; l; l = next) {
		next = l->next;
		if (l->due <= step) {
			unlink_later(l);
			link_later(&due, l);
		}
	}
	while ((l = due)) {
		unlink_later(l);
		l->fn(l);
	}
}

static bool is_empty(const struct wheel *w)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (w->slot[i])
			return false;
	return true;
}

static void on_tick(uv_timer_t *t)
{
	struct wheel *w = t->data;
	uint64_t now = step_now(w);
	if (now - w->step > SLOTS)		/* the process was stopped: one round sees all */
		w->step = now - SLOTS;
	while (w->step < now)
		run_slot(w, ++w->step);
	if (is_empty(w)) {
		uv_timer_stop(t);
		w->is_ticking = false;
	}
}

static void on_soon(uv_timer_t *t)
{
	struct wheel *w = t->data;
	struct later *batch = w->soon, *l;
	if (batch)
		batch->prev = &batch;
	w->soon = NULL;
	while ((l = batch)) {
		unlink_later(l);
		l->fn(l);
	}
}

void later_start(struct wheel *w, struct later *l, uint64_t delay_ms, later_fn *fn, void *data)
{
	later_stop(l);
	l->fn = fn;
	l->data = data;
	if (delay_ms == 0) {
		link_later(&w->soon, l);
		uv_timer_start(&w->soon_timer, on_soon, 0, 0);
		return;
	}
	if (!w->is_ticking) {
		w->is_ticking = true;
		w->step = step_now(w);
		uv_timer_start(&w->tick, on_tick, STEP_MS, STEP_MS);
	}
	l->due = step_now(w) + (delay_ms + STEP_MS - 1) / STEP_MS + 1;
	link_later(&w->slot[l->due % SLOTS], l);
}

int wheel_new(uv_loop_t *loop, struct wheel **ret)
{
	struct wheel *w = mem_alloc(sizeof *w);
	if (!w)
		return -ENOMEM;
	uv_timer_init(loop, &w->tick);
	uv_timer_init(loop, &w->soon_timer);
	w->tick.data = w->soon_timer.data = w;
	w->open_handles = 2;
	*ret = w;
	return 0;
}

static void handle_closed(uv_handle_t *h)
{
	struct wheel *w = h->data;
	if (--w->open_handles == 0)
		mem_free(w);
}

void wheel_close(struct wheel *w)
{
	uv_close((uv_handle_t *)&w->tick, handle_closed);
	uv_close((uv_handle_t *)&w->soon_timer, handle_closed);
}
