/* SPDX-License-Identifier: MIT
 * otlp_metrics.c - see otlp_metrics.h. A job is one picture on a thread of the pool: written there,
 * and sent; the thread owns picture, body and target until it is over. */
#include "master/otlp_metrics.h"

#include <errno.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/export_calls.h"
#include "master/pool.h"

enum { BODY_MAX = 32 << 20, SEND_MS = 30000, END_MS = 1500 };

struct otlp_metrics {
	struct master *m;
	uv_timer_t timer;
	bool is_on, is_failing;
	struct export_target target;
	struct otlp_picture counts;	/* the series; the rest is filled in for each picture */
	/* the job */
	uv_work_t work;
	bool is_running;
	_Atomic bool is_over, gives_up;
	struct otlp_picture *picture;
	struct export_target to;
	void *easy;
	struct post_result result;
};

/* ---- on the thread ---- */

static void send_picture(struct otlp_metrics *o, uint64_t limit_ms)
{
	struct buf body;
	buf_init(&body, BODY_MAX);
	otlp_metrics_write(o->picture, &o->to, &body);
	struct post p = export_post(&o->to);
	p.body = buf_str(&body);
	p.timeout_ms = limit_ms;
	p.gives_up = &o->gives_up;
	if (!body.failed)
		post_send(&o->easy, &p, &o->result);
	buf_done(&body);
	atomic_store(&o->is_over, true);
}

static void on_work(uv_work_t *w)
{
	send_picture(w->data, SEND_MS);
}

/* ---- on the loop ---- */

static void end_job(struct otlp_metrics *o)
{
	bool failed = o->result.why[0];
	o->is_running = false;
	mem_free(o->picture);
	o->picture = NULL;
	if (failed && !o->is_failing)
		LOG(LOG_WARN, "otlp.failing", F_Z("why", o->result.why));
	else if (!failed && o->is_failing)
		LOG(LOG_INFO, "otlp.recovered", F_INT("status", o->result.status));
	o->is_failing = failed;
}

static void on_worked(uv_work_t *w, int status)
{
	struct otlp_metrics *o = w->data;
	if (status == 0 && o->is_running)
		end_job(o);
}

/* A copy of what has been counted, with the board's sums. */
static bool take_picture(struct otlp_metrics *o)
{
	const struct board *b = &o->m->board;
	o->picture = mem_alloc(sizeof *o->picture);
	if (!o->picture)
		return false;
	*o->picture = o->counts;
	o->picture->now_ns = clock_wall_ns();
	o->picture->board_start_ns = atomic_load(&b->head->started_wall_ns);
	for (unsigned i = 0; i <= BOARD_WORKERS; i++)
		if (i == BOARD_WORKERS || atomic_load(&b->workers[i].started_ns))
			metric_sum(&o->picture->board, &b->metrics[i]);
	o->to = o->target;
	o->result = (struct post_result){ 0 };
	atomic_store(&o->is_over, false);
	return true;
}

static void on_tick(uv_timer_t *t)
{
	struct otlp_metrics *o = t->data;
	if (!o->is_on || o->is_running || !take_picture(o))
		return;
	o->work.data = o;
	o->is_running = pool_work(o->m->loop, &o->work, on_work, on_worked) == 0;
	if (o->is_running)
		return;
	mem_free(o->picture);
	o->picture = NULL;
}

bool otlp_metrics_want_records(const struct otlp_metrics *o)
{
	return o && o->is_on;
}

void otlp_metrics_record(struct otlp_metrics *o, const struct record *r)
{
	otlp_series_count(otlp_series_of(&o->counts, r), r);
}

void otlp_metrics_configure(struct otlp_metrics *o)
{
	mem_wipe(&o->target, sizeof o->target);
	o->is_on = o->m->config->otlp_metrics && !export_read_otlp(&o->target, true);
	egress_set(&o->target.egress, &o->m->config->allow_private, false);
	if (o->is_on)
		uv_timer_start(&o->timer, on_tick, o->target.wait_ms, o->target.wait_ms);
	else
		uv_timer_stop(&o->timer);
}

int otlp_metrics_new(struct master *m, struct otlp_metrics **ret)
{
	struct otlp_metrics *o = mem_alloc(sizeof *o);
	if (!o)
		return -ENOMEM;
	o->m = m;
	o->counts.start_ns = clock_wall_ns();
	uv_timer_init(m->loop, &o->timer);
	o->timer.data = o;
	*ret = o;
	return 0;
}

static void wait_for(const struct otlp_metrics *o, uint64_t until_ns)
{
	const struct timespec pause = { .tv_nsec = 5 * (long)NS_PER_MS };
	while (!atomic_load(&o->is_over) && clock_ns() < until_ns)
		nanosleep(&pause, NULL);
}

/* The loop runs no more: a job that it still has leaves its memory to the end of the process. */
void otlp_metrics_stop(struct otlp_metrics *o, uint64_t patience_ms)
{
	uint64_t until = clock_ns() + patience_ms * NS_PER_MS;
	if (!o)
		return;
	uv_timer_stop(&o->timer);
	if (o->is_running && uv_cancel((uv_req_t *)&o->work) < 0) {
		wait_for(o, until);
		atomic_store(&o->gives_up, true);
		wait_for(o, clock_ns() + END_MS * NS_PER_MS);
		if (!atomic_load(&o->is_over))
			return;
		atomic_store(&o->gives_up, false);
	}
	o->is_running = false;
	mem_free(o->picture);
	o->picture = NULL;
	uint64_t now = clock_ns();
	if (o->is_on && !o->is_failing && now + 10 * NS_PER_MS < until && take_picture(o)) {
		send_picture(o, (until - now) / NS_PER_MS);
		mem_free(o->picture);
		o->picture = NULL;
	}
	post_done(o->easy);
	o->easy = NULL;
	mem_wipe(&o->to, sizeof o->to);
	mem_wipe(&o->target, sizeof o->target);
}
