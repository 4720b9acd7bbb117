/* SPDX-License-Identifier: MIT
 * texts.c - see texts.h. */
#include "master/texts.h"

#include <errno.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/texts.h"
#include "master/pool.h"
#include "master/shelf.h"
#include "master/store_sql.h"
#include "master/stored.h"
#include "master/texts_key.h"
#include "master/texts_pack.h"
#include "master/texts_redact.h"

enum {
	TICK_MS = 50,
	ITEMS = 128, RAW = 4 << 20,	/* of a batch; a ring's longest entry fits */
	SEALED_MAX = 2 * RAW, ROW = 64,	/* bytes of a row beside what is sealed */
	SLICE = 250, PAUSE_MS = 50,	/* of pruning: as fast as requests go */
	KEY_AGAIN_MS = 10000
};
_Static_assert(RAW >= TEXT_KINDS * TEXT_MOST, "the longest entry fits");

struct item {
	struct text_head h;
	size_t at, n, sealed_at, sealed_n;	/* in raw; in sealed */
};
struct batch {				/* whose it is: see state */
	enum { BATCH_FREE, BATCH_PACKING, BATCH_STORING } state;
	struct item items[ITEMS];
	size_t n, raw_n, stored;
	char *raw;			/* RAW bytes */
	struct buf sealed;
	struct texts_packer *packer;
	const struct redactor *redactor;
	struct seal key;
	int64_t key_number;
	uint64_t max_bytes;
};
struct texts {
	struct master *m;
	struct shelf *shelf;		/* frees itself */
	uv_timer_t timer;
	uv_work_t work;
	uv_sem_t packed;		/* once for each work that ran */
	bool has_work, is_on, is_stopped, is_closed;
	unsigned next_slot;
	struct redactor *redactor;
	const struct config *redacts;	/* what it was made of */
	struct texts_key *key_call;	/* under way */
	uint64_t key_after_ns;		/* not asked for before */
	bool told_no_key;
	struct batch batch;
};

/* ---- a batch, on the pool and on the store's thread ---- */

static void pack(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct item *it = &b->items[i];
		it->sealed_at = b->sealed.n;
		if (it->h.flags & TEXT_REDACTED)
			continue;
		redactor_hide(b->redactor, b->raw + it->at, it->n);
		texts_pack(b->packer, &b->key, &it->h, b->raw + it->at, &b->sealed);
		it->sealed_n = b->sealed.n - it->sealed_at;
	}
	mem_wipe(b->raw, b->raw_n);
}

static int insert(struct store_db *db, const struct batch *b, const struct item *it)
{
	struct sql *q = sql_query(db, "INSERT OR IGNORE INTO spend_texts"
				      " (request_id, start_ns, size, key, sealed)"
				      " VALUES (?, ?, ?, ?, ?)");
	sql_blob(q, 1, it->h.request_id, sizeof it->h.request_id);
	sql_int(q, 2, (int64_t)(it->h.start_ns & INT64_MAX));
	sql_int(q, 3, (int64_t)it->sealed_n + ROW);
	sql_int(q, 4, b->key_number);
	if (it->sealed_n)
		sql_blob(q, 5, b->sealed.p + it->sealed_at, it->sealed_n);
	else
		sql_null(q, 5);
	return sql_run(q);
}

static const struct shelf_sql shelf_sql;

/* What was pushed out stays out even when there is no room all the same. */
static int store_job(struct store_db *db, void *data)
{
	struct texts *t = data;
	struct batch *b = &t->batch;
	int err = 0;
	b->stored = 0;
	for (size_t i = 0; i < b->n && !err; i++) {
		const struct item *it = &b->items[i];
		err = shelf_make_room(db, &shelf_sql, b->max_bytes, it->sealed_n + ROW);
		if (!err)
			err = insert(db, b, it);
		b->stored += !err && sql_changes(db) > 0;
		if (err == -ENOBUFS || err == -EFBIG)
			err = 0;
	}
	return err;
}

/* ---- on the loop ---- */

static struct metric_row *metrics_of(struct texts *t)
{
	return &t->m->board.metrics[BOARD_WORKERS];
}

static void batch_done(struct texts *t, int err)
{
	struct batch *b = &t->batch;
	size_t kept = err ? 0 : b->stored;
	METRIC_ADD(metrics_of(t), texts_kept, kept);
	METRIC_ADD(metrics_of(t), texts_lost, b->n - kept);
	if (err)
		LOG(LOG_WARN, "texts.lost", F_INT("requests", b->n), F_INT("errno", -err));
	b->n = b->raw_n = 0;
	buf_reset(&b->sealed);
	b->state = BATCH_FREE;
}

static void on_tick(uv_timer_t *timer);

/* Where more waits than one batch takes, it is not left waiting. */
static void on_stored(void *data, int err)
{
	struct texts *t = data;
	bool was_full = t->batch.n == ITEMS || t->batch.raw_n > RAW / 2;
	batch_done(t, err);
	if (was_full && !err && !t->is_stopped)
		on_tick(&t->timer);
}

static void store(struct texts *t)
{
	struct batch *b = &t->batch;
	b->state = BATCH_STORING;
	int err = b->sealed.failed ? -ENOMEM : store_write(t->m->store, store_job, on_stored, t);
	if (err)
		batch_done(t, err);
}

static void run(uv_work_t *work)
{
	struct texts *t = work->data;
	pack(&t->batch);
	uv_sem_post(&t->packed);
}

static void texts_free(struct texts *t)
{
	if (!t->is_closed || t->has_work)
		return;
	uv_sem_destroy(&t->packed);
	mem_free(t);
}

static void on_packed(uv_work_t *work, int status)
{
	struct texts *t = work->data;
	t->has_work = false;
	if (t->is_stopped) {			/* who stopped has seen to it */
		texts_free(t);
		return;
	}
	(void)status;
	uv_sem_wait(&t->packed);		/* it has been posted */
	store(t);
}

/* From all rings in turn, so that a busy worker keeps nobody from being heard. */
static bool take_from(struct texts *t, unsigned slot)
{
	struct batch *b = &t->batch;
	struct board *board = &t->m->board;
	int err = 0;
	if (!atomic_load_explicit(&board->workers[slot].started_ns, memory_order_relaxed))
		return false;
	while (!err && b->n < ITEMS) {
		struct item *it = &b->items[b->n];
		*it = (struct item){ .at = b->raw_n };
		err = text_take(&board->texts[slot], &it->h, b->raw + b->raw_n, RAW - b->raw_n);
		if (err == -EBADMSG)
			METRIC_ADD(metrics_of(t), texts_lost, 1);
		if (err)
			break;
		it->n = (size_t)it->h.n[TEXT_PROMPT] + it->h.n[TEXT_ANSWER];
		b->raw_n += it->n;
		b->n++;
	}
	return err == -ENOBUFS || b->n == ITEMS;
}

/* Whether there is a batch to pack. */
static bool take(struct texts *t)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (take_from(t, (t->next_slot + i) % BOARD_WORKERS))
			break;
	t->next_slot = (t->next_slot + 1) % BOARD_WORKERS;
	t->batch.max_bytes = t->m->config->texts_max_bytes;
	t->batch.redactor = t->redactor;
	return t->batch.n > 0;
}

/* ---- what a batch needs first ---- */

static void on_key(void *data, int err, const struct seal *key, int64_t number)
{
	struct texts *t = data;
	t->key_call = NULL;
	if (err) {
		LOG(LOG_WARN, "texts.no_key", F_INT("errno", -err));
		t->key_after_ns = clock_ns() + KEY_AGAIN_MS * NS_PER_MS;
		return;
	}
	t->batch.key = *key;
	t->batch.key_number = number;
}

static bool has_key(struct texts *t)
{
	if (t->batch.key.is_ready)
		return true;
	const struct seal *seal = t->key_call || clock_ns() < t->key_after_ns
					  ? NULL : stored_seal(t->m->stored);
	if (!seal && !t->key_call && !t->told_no_key && !t->key_after_ns) {
		t->told_no_key = true;
		LOG(LOG_WARN, "texts.no_key", F_INT("errno", ENOKEY));
	}
	if (seal)
		t->key_call = texts_key_ask(t->m->store, seal, on_key, t);
	return false;
}

static bool has_tools(struct texts *t)
{
	struct batch *b = &t->batch;
	if (!b->raw)
		b->raw = mem_alloc(RAW);
	if (!b->packer)
		b->packer = texts_packer_new();
	if (!t->redactor || t->redacts != t->m->config) {
		redactor_free(t->redactor);
		t->redactor = redactor_new(t->m->config);
		t->redacts = t->m->config;
	}
	return b->raw && b->packer && t->redactor;
}

static bool is_ready(struct texts *t)
{
	return t->batch.state == BATCH_FREE && store_health(t->m->store) == 0 &&
	       atomic_load(&t->m->board.head->money_down) == MONEY_OK && has_key(t) &&
	       has_tools(t);
}

static void on_tick(uv_timer_t *timer)
{
	struct texts *t = timer->data;
	if (!is_ready(t) || !take(t))
		return;
	t->batch.state = BATCH_PACKING;
	t->work.data = t;
	t->has_work = pool_work(t->m->loop, &t->work, run, on_packed) == 0;
	if (!t->has_work)
		batch_done(t, -ENOMEM);
}

/* ---- life ---- */

static void tell_failed(int err)
{
	LOG(LOG_WARN, "texts.prune_failed", F_INT("errno", -err));
}

static const struct shelf_sql shelf_sql = {
	"SELECT bytes FROM spend_texts_total",
	"DELETE FROM spend_texts WHERE number = (SELECT min(number) FROM spend_texts)",
	"DELETE FROM spend_texts WHERE number IN (SELECT number FROM spend_texts"
	" WHERE start_ns < ? ORDER BY start_ns LIMIT ?)",
	tell_failed, true, SLICE, PAUSE_MS,
};

/* Never longer than their requests. */
static uint64_t keep_ms(const struct config *c)
{
	uint64_t own = c->texts_keep_ms, spend = c->spend_keep_ms;
	return !own || (spend && spend < own) ? spend : own;
}

void texts_configure(struct texts *t)
{
	const struct config *c = t->m->config;
	bool was_on = t->is_on;
	t->redacts = NULL;
	t->told_no_key = false;
	t->is_on = t->is_on || c->set.flags & SET_TEXTS;	/* rings may still hold some */
	shelf_configure(t->shelf, keep_ms(c), c->texts_max_bytes);
	if (t->is_on && !was_on)
		uv_timer_start(&t->timer, on_tick, TICK_MS, TICK_MS);
}

int texts_new(struct master *m, struct texts **ret)
{
	struct texts *t = mem_alloc(sizeof *t);
	struct shelf *shelf = mem_alloc(sizeof *shelf);
	if (!t || !shelf || uv_sem_init(&t->packed, 0) < 0) {
		mem_free(t);
		mem_free(shelf);
		return -ENOMEM;
	}
	t->m = m;
	t->shelf = shelf;
	shelf_start(shelf, &shelf_sql, m->store, m->loop, shelf);
	buf_init(&t->batch.sealed, SEALED_MAX);
	uv_timer_init(m->loop, &t->timer);
	uv_unref((uv_handle_t *)&t->timer);
	t->timer.data = t;
	*ret = t;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct texts *t = h->data;
	t->is_closed = true;
	texts_free(t);
}

/* What is under way is brought to its end here: the loop does not run any more. */
static void finish(struct texts *t)
{
	if (t->batch.state == BATCH_PACKING) {
		if (uv_cancel((uv_req_t *)&t->work) == 0)
			pack(&t->batch);	/* it has not begun */
		else
			uv_sem_wait(&t->packed);
		store(t);
	}
	store_drain(t->m->store);
}

void texts_stop(struct texts *t, uint64_t patience_ms)
{
	if (!t)
		return;
	uint64_t until = clock_ns() + patience_ms * NS_PER_MS;
	t->is_stopped = true;
	uv_timer_stop(&t->timer);
	if (t->is_on) {
		finish(t);
		while (clock_ns() < until && is_ready(t) && take(t)) {
			pack(&t->batch);
			store(t);
			store_drain(t->m->store);
		}
	}
	texts_key_forget(t->key_call);
	t->redactor = redactor_free(t->redactor);
	t->batch.packer = texts_packer_free(t->batch.packer);
	mem_free(t->batch.raw);
	buf_done(&t->batch.sealed);
	seal_done(&t->batch.key);
	uv_close((uv_handle_t *)&t->timer, on_closed);
	shelf_stop(t->shelf);
}
