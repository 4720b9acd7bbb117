/* SPDX-License-Identifier: MIT
 * export_output.c - see export_output.h.
 *
 * A job is one batch on a thread of the pool: sent from memory (what is left of it is put on the
 * disk), sent from the disk, or put there. Until it is over the thread owns `body`, `spill`, `easy`
 * and the copy of the target; the loop touches none of them. */
#include "master/export_output.h"

#include <errno.h>
#include <time.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/export_calls.h"
#include "master/export_spill.h"
#include "master/export_texts.h"
#include "master/pool.h"
#include "master/stored.h"

enum {
	FULL_BYTES = 1 << 20,		/* a batch of so many goes at once */
	RECORD_BYTES = 1 << 20,		/* of one record with its texts: else with less of them */
	TEXT_LEAST = 1 << 10,
	SEND_MS = 60000,		/* all calls of a batch */
	BACK_OFF_MS = 1000, BACK_OFF_MAX_MS = 60000,
	END_MS = 1500			/* what a transfer that gives up may take to end */
};

enum job { JOB_NONE, JOB_SEND, JOB_RESEND, JOB_KEEP };

struct export_output {
	const struct export_row *row;
	const char *name;
	struct master *m;
	struct metric_row *metrics;
	bool is_on;
	struct export_target target;
	struct buf pending;
	uint32_t n_pending;
	bool has_texts;			/* of those pending */
	uint64_t oldest_ns;
	uint64_t retry_ns, back_off_ms;	/* not before; 0: it is well */
	bool is_refusing;
	/* the job */
	enum job job;
	uv_work_t work;
	struct export_target to;
	struct buf body;
	uint32_t n_body;
	bool is_secret;			/* it says prompts and answers */
	struct seal key;		/* of the disk; ready: there is one */
	struct spill spill;
	void *easy;
	uint64_t limit_ms;
	_Atomic bool gives_up, is_over;
	uint32_t n_sent, n_refused, n_left, n_lost;	/* records of it */
	struct post_result result;
	bool was_tried;
};

/* ---- on the thread ------------------------------------------------------------------------- */

static void keep(struct export_output *o)
{
	const struct seal *key = o->is_secret ? &o->key : NULL;
	bool may = !o->is_secret || o->key.is_ready;
	if (o->n_body && (!may || spill_put(&o->spill, buf_str(&o->body), o->n_body, key) < 0))
		o->n_lost += o->n_body;
}

/* Sends it; what is left of it is the body from now on. */
static void send_body(struct export_output *o)
{
	struct export_calls c = { .row = o->row, .to = &o->to, .batch = buf_str(&o->body),
				  .n = o->n_body, .until_ns = clock_ns() + o->limit_ms * NS_PER_MS,
				  .gives_up = &o->gives_up, .easy = &o->easy };
	export_calls_send(&c);
	o->was_tried = true;
	o->result = c.result;
	o->n_sent = c.n_sent;
	o->n_refused = c.n_refused;
	o->n_left = c.n_left;
	if (c.n_left == o->n_body) {
		buf_done(&c.left);
		return;			/* all of it, as it is */
	}
	buf_done(&o->body);
	o->body = c.left;
	o->n_body = c.n_left;
	if (!o->body.failed)
		return;
	o->n_lost += o->n_body;		/* no memory for it */
	o->n_body = 0;
}

static void resend(struct export_output *o)
{
	uint32_t n = o->spill.n ? o->spill.file[0].records : 0;
	o->n_body = n;
	o->is_secret = n && o->spill.file[0].is_sealed;
	if (spill_get(&o->spill, &o->body, o->key.is_ready ? &o->key : NULL) < 0) {
		spill_drop(&o->spill);		/* nobody can read it */
		o->n_lost += n;
		return;
	}
	send_body(o);
	if (n && o->n_left == n)
		return;			/* it waits where it is */
	spill_drop(&o->spill);
	keep(o);
}

static void run_job(struct export_output *o)
{
	switch (o->job) {
	case JOB_SEND:
		send_body(o);
		keep(o);
		break;
	case JOB_RESEND:
		resend(o);
		break;
	case JOB_KEEP:
		keep(o);
		break;
	case JOB_NONE:
		break;
	}
	atomic_store(&o->is_over, true);
}

static void on_work(uv_work_t *w)
{
	run_job(w->data);
}

/* ---- on the loop ----------------------------------------------------------------------------- */

static void note_failure(struct export_output *o)
{
	uint64_t ms = o->back_off_ms ? o->back_off_ms * 2 : BACK_OFF_MS;
	METRIC_ADD(o->metrics, export_failures, 1);
	if (!o->back_off_ms)
		LOG(LOG_WARN, "export.failing", F_Z("callback", o->name),
		    F_Z("why", o->result.why));
	o->back_off_ms = ms < BACK_OFF_MAX_MS ? ms : BACK_OFF_MAX_MS;
	ms = o->back_off_ms / 2 + hash_random_below(o->back_off_ms / 2 + 1);
	if (o->result.retry_after_ms > ms)
		ms = o->result.retry_after_ms;
	o->retry_ns = clock_ns() + ms * NS_PER_MS;
}

static void note_success(struct export_output *o)
{
	if (o->back_off_ms || o->is_refusing)
		LOG(LOG_INFO, "export.recovered", F_Z("callback", o->name),
		    F_INT("waiting", o->spill.n));
	o->back_off_ms = o->retry_ns = 0;
	o->is_refusing = false;
}

static void note_refusal(struct export_output *o)
{
	METRIC_ADD(o->metrics, export_failures, 1);
	if (!o->is_refusing)
		LOG(LOG_WARN, "export.refused", F_Z("callback", o->name),
		    F_Z("why", o->result.why), F_INT("records", o->n_refused));
	o->is_refusing = true;
}

/* What the thread found, once it is over. */
static void end_job(struct export_output *o)
{
	if (o->was_tried && o->n_left)
		note_failure(o);
	else if (o->was_tried && o->n_refused)
		note_refusal(o);
	else if (o->was_tried)
		note_success(o);
	METRIC_ADD(o->metrics, export_sent, o->n_sent);
	METRIC_ADD(o->metrics, export_dropped, o->n_refused + o->n_lost);
	buf_done(&o->body);
	mem_wipe(&o->to, sizeof o->to);
	seal_done(&o->key);
	o->job = JOB_NONE;
}

static void on_worked(uv_work_t *w, int status)
{
	struct export_output *o = w->data;
	w->data = NULL;
	if (status != 0)
		return;
	end_job(o);
	export_output_tick(o, clock_ns());	/* what is full waits no longer */
}

/* For the thread; there may be none. */
static void copy_key(struct export_output *o)
{
	const struct seal *key = o->m->stored ? stored_seal(o->m->stored) : NULL;
	if (key)
		o->key = *key;
}

/* Makes the job: the pending batch, or one of the disk. */
static void prepare(struct export_output *o, enum job job, uint64_t limit_ms)
{
	o->job = job;
	o->to = o->target;
	o->limit_ms = limit_ms;
	o->was_tried = false;
	o->n_sent = o->n_refused = o->n_left = o->n_lost = 0;
	o->result = (struct post_result){ 0 };
	atomic_store(&o->is_over, false);
	buf_init(&o->body, SPILL_BATCH + 1);
	o->n_body = 0;
	o->is_secret = job != JOB_RESEND && o->has_texts;
	if (o->is_secret || (job == JOB_RESEND && o->spill.n && o->spill.file[0].is_sealed))
		copy_key(o);
	if (job == JOB_RESEND)
		return;
	if (!o->row->call_rows)
		buf_put_z(&o->pending, o->row->end);
	o->body = o->pending;
	o->n_body = o->n_pending;
	buf_init(&o->pending, SPILL_BATCH);
	o->n_pending = 0;
	o->has_texts = false;
}

static void start(struct export_output *o, enum job job)
{
	prepare(o, job, SEND_MS);
	o->work.data = o;
	int err = pool_work(o->m->loop, &o->work, on_work, on_worked);
	if (err == 0)
		return;
	o->work.data = NULL;
	o->n_lost = o->n_body;
	end_job(o);
}

static unsigned batch_records(const struct export_output *o)
{
	return o->target.records ? o->target.records : o->row->records;
}

/* At least a batch, or none would ever be full. */
static unsigned most_pending(const struct export_output *o)
{
	unsigned n = o->target.queued ? o->target.queued : batch_records(o) * 4;
	return n > batch_records(o) ? n : batch_records(o);
}

void export_output_tick(struct export_output *o, uint64_t now)
{
	if (o->job != JOB_NONE || (!o->is_on && !o->n_pending))
		return;
	bool full = o->n_pending >= batch_records(o) || o->pending.n >= FULL_BYTES;
	bool due = full || (o->n_pending && now >= o->oldest_ns + o->target.wait_ms * NS_PER_MS);
	bool may_send = o->is_on && now >= o->retry_ns;
	if (due && may_send)
		start(o, JOB_SEND);
	else if (full || (due && !o->is_on))
		start(o, JOB_KEEP);
	else if (may_send && o->spill.n)
		start(o, JOB_RESEND);
}

static void put_one(struct export_output *o, const struct export_view *v)
{
	bool in_lines = o->row->call_rows;	/* calls are made of them later */
	if (!in_lines && !o->n_pending)
		o->row->begin(&o->target, &o->pending);
	else if (!in_lines)
		buf_put_z(&o->pending, o->row->between);
	o->row->put(&o->target, v, &o->pending);
	buf_put_z(&o->pending, in_lines ? "\n" : "");
}

/* How many bytes a record may have that says prompts and answers. */
static size_t record_most(const struct export_output *o)
{
	size_t of_call = o->row->call_bytes;
	return of_call && of_call < RECORD_BYTES ? of_call - 2048 : RECORD_BYTES;
}

/* Whether it is there now. */
static bool try_one(struct export_output *o, const struct export_view *v)
{
	size_t before = o->pending.n;
	put_one(o, v);
	if (!o->pending.failed && (!v->texts || o->pending.n - before <= record_most(o)))
		return true;
	o->pending.failed = false;
	o->pending.n = before;
	return false;
}

/* With as much of its texts as there is room for, and rather without them than not at all. */
static bool put_fitting(struct export_output *o, struct export_view *v)
{
	static const struct export_texts none = { .is_lost = true };
	bool has_texts = v->texts && !v->texts->is_lost && !v->texts->is_hidden;
	if (!has_texts)
		return try_one(o, v);
	bool has_room = o->pending.n < 2 * FULL_BYTES;
	for (v->text_most = TEXT_MOST; has_room && v->text_most >= TEXT_LEAST; v->text_most /= 4) {
		if (!try_one(o, v))
			continue;
		o->has_texts = true;
		return true;
	}
	METRIC_ADD(o->metrics, texts_untold, 1);
	v->texts = &none;
	return try_one(o, v);
}

/* As much again may come while a batch is under way. */
void export_output_put(struct export_output *o, const struct export_view *v)
{
	const struct config *c = o->m->config;
	struct export_view own = *v;
	struct export_texts texts;
	if (!o->is_on)
		return;
	if (o->n_pending >= most_pending(o) || o->pending.n >= 3 * FULL_BYTES) {
		METRIC_ADD(o->metrics, export_dropped, 1);
		return;
	}
	own.left_out = c->payload_left_out;
	own.agent_is_no_tag = c->agent_is_no_tag;
	own.langfuse_tags = c->langfuse_tags;
	own.texts = export_texts_for(c, export_kind_of(o->row), v->texts, &texts);
	if (!o->n_pending)
		o->oldest_ns = clock_ns();
	if (put_fitting(o, &own))
		o->n_pending++;
	else				/* no memory: without it */
		METRIC_ADD(o->metrics, export_dropped, 1);
}

bool export_output_is_idle(const struct export_output *o)
{
	return o->job == JOB_NONE && !o->n_pending && !o->spill.n;
}

void export_output_configure(struct export_output *o, const struct export_target *t)
{
	o->is_on = t != NULL;
	mem_wipe(&o->target, sizeof o->target);
	if (!t)
		return;
	o->target = *t;
	o->retry_ns = 0;		/* it may be where it was not */
}

int export_output_new(struct master *m, const struct export_row *row, const char *name,
		      const char *dir, struct export_output **ret)
{
	struct export_output *o = mem_alloc(sizeof *o);
	if (!o)
		return -ENOMEM;
	o->m = m;
	o->row = row;
	o->name = name;
	o->metrics = &m->board.metrics[BOARD_WORKERS];
	buf_init(&o->pending, SPILL_BATCH);
	spill_open(&o->spill, dir, name);
	*ret = o;
	return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool wait_for_job(struct export_output *o, uint64_t until_ns)
{
	const struct timespec pause = { .tv_nsec = 5 * (long)NS_PER_MS };
	while (!atomic_load(&o->is_over) && clock_ns() < until_ns)
		nanosleep(&pause, NULL);
	return atomic_load(&o->is_over);
}

/* The job under way is over, or will never be. */
static bool finish_job(struct export_output *o, uint64_t until_ns)
{
	if (o->job == JOB_NONE)
		return true;
	if (uv_cancel((uv_req_t *)&o->work) == 0) {	/* it has not begun */
		if (o->job == JOB_SEND)
			o->job = JOB_KEEP;
		if (o->job == JOB_KEEP)
			run_job(o);
	} else if (!wait_for_job(o, until_ns)) {
		atomic_store(&o->gives_up, true);
		if (!wait_for_job(o, clock_ns() + END_MS * NS_PER_MS))
			return false;
	}
	end_job(o);
	return true;
}

struct export_output *export_output_stop(struct export_output *o, uint64_t until_ns)
{
	if (!o || !finish_job(o, until_ns))
		return o;
	uint64_t now = clock_ns();
	if (o->n_pending) {
		bool may_send = o->is_on && now >= o->retry_ns && now + NS_PER_MS < until_ns;
		prepare(o, may_send ? JOB_SEND : JOB_KEEP,
			may_send ? (until_ns - now) / NS_PER_MS : 0);
		run_job(o);
		end_job(o);
	}
	post_done(o->easy);
	mem_wipe(&o->target, sizeof o->target);
	buf_done(&o->pending);
	if (o->work.data)
		return o;		/* the loop still has the work */
	mem_free(o);
	return NULL;
}
