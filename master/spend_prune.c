/* SPDX-License-Identifier: MIT
 * spend_prune.c - see spend_prune.h. */
#include "master/spend_prune.h"

#include <errno.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/store_sql.h"

enum {
	ROWS_MAX = 250,			/* a job: some milliseconds of the writer's time */
	PAUSE_MS = 50,			/* between two of them */
	FAILED_MS = 60000
};

struct spend_prune {
	struct store *store;
	uv_timer_t timer;
	uint64_t keep_ms, interval_ms;
	bool is_running;		/* a job is under way: what follows is the job's */
	int64_t before_ns;
	unsigned deleted;		/* by the last job */
	uint64_t round_rows;
};

static int prune_job(struct store_db *db, void *data)
{
	struct spend_prune *p = data;
	struct sql *q = sql_query(db,
		"DELETE FROM spend_logs WHERE id IN (SELECT id FROM spend_logs WHERE start_ns < ?1"
		" ORDER BY start_ns LIMIT ?2)");
	sql_int(q, 1, p->before_ns);
	sql_int(q, 2, ROWS_MAX);
	int err = sql_run(q);
	p->deleted = err ? 0 : (unsigned)sql_changes(db);
	return err;
}

static void on_timer(uv_timer_t *t);

static void on_pruned(void *data, int err)
{
	struct spend_prune *p = data;
	uint64_t next_ms = p->interval_ms;
	p->is_running = false;
	if (uv_is_closing((uv_handle_t *)&p->timer))
		return;
	p->round_rows += p->deleted;
	if (err) {
		LOG(LOG_WARN, "spend.prune_failed", F_Z("error", strerror(-err)));
		next_ms = FAILED_MS;
	} else if (p->deleted == ROWS_MAX) {
		next_ms = PAUSE_MS;
	} else if (p->round_rows) {
		LOG(LOG_INFO, "spend.pruned", F_INT("rows", p->round_rows));
		p->round_rows = 0;
	}
	if (p->keep_ms)
		uv_timer_start(&p->timer, on_timer, next_ms, 0);
}

static void on_timer(uv_timer_t *t)
{
	struct spend_prune *p = t->data;
	uint64_t now_ns = clock_wall_ns(), keep_ns = p->keep_ms * NS_PER_MS;
	if (p->is_running || !p->keep_ms)
		return;
	p->before_ns = (int64_t)(now_ns > keep_ns ? now_ns - keep_ns : 0);
	p->deleted = 0;
	p->is_running = true;
	int err = store_write(p->store, prune_job, on_pruned, p);
	if (err)
		on_pruned(p, err);
}

int spend_prune_new(struct store *s, uv_loop_t *loop, struct spend_prune **ret)
{
	struct spend_prune *p = mem_alloc(sizeof *p);
	if (!p)
		return -ENOMEM;
	p->store = s;
	uv_timer_init(loop, &p->timer);
	p->timer.data = p;
	uv_unref((uv_handle_t *)&p->timer);
	*ret = p;
	return 0;
}

void spend_prune_configure(struct spend_prune *p, uint64_t keep_ms, uint64_t interval_ms)
{
	p->keep_ms = keep_ms;
	p->interval_ms = interval_ms;
	if (!keep_ms)
		uv_timer_stop(&p->timer);
	else if (!p->is_running)
		uv_timer_start(&p->timer, on_timer, PAUSE_MS, 0);
}

static void on_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

void spend_prune_stop(struct spend_prune *p)
{
	if (!p)
		return;
	uv_timer_stop(&p->timer);
	/* on_pruned may still come, out of store_close(); the loop frees after that. */
	uv_close((uv_handle_t *)&p->timer, on_closed);
}
