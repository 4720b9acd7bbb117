/* SPDX-License-Identifier: MIT
 * ledger.c - which journal is folded when, and what becomes of a dead worker's; see ledger.h.
 *
 * One job at a time for each journal. A live journal is folded for ever; that of a reaped worker
 * goes on to the next state when nothing is left in the last. After a failed commit everything
 * waits, longer each time; the timer tries again. */
#include "master/ledger.h"

#include <errno.h>
#include <stdlib.h>

#include "common/budget.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/ledger_fold.h"
#include "master/ledger_private.h"

/* A transaction costs as much as a hundred records, and a page that many of them touch is written
 * once: so a journal waits for its turn, unless it fills up. All have theirs in the same tick, and
 * go into one transaction. */
enum { TICK_MS = 25, TURN_TICKS = 4, IDLE_MS = TICK_MS * TURN_TICKS };
enum { RETRY_MIN_MS = 100, RETRY_MAX_MS = 2000 };

static void step(struct account *a);

static struct account *find_account(struct ledger *l, unsigned slot)
{
	for (struct account *a = l->accounts; a; a = a->next)
		if (a->slot == slot && a->state == ACCOUNT_LIVE)
			return a;
	return NULL;
}

/* ---- trouble and its end ---- */

static void set_money_down(struct ledger *l, enum money_reason reason)
{
	_Atomic uint32_t *word = &l->board->head->money_down;
	uint32_t now = atomic_load(word);
	bool is_ours = now == MONEY_OK || now == MONEY_DISK_FULL || now == MONEY_DATABASE;
	if (is_ours && now != (uint32_t)reason)
		atomic_compare_exchange_strong(word, &now, (uint32_t)reason);
}

static void on_trouble(struct ledger *l, int err)
{
	if (!l->retry_ms)
		LOG(LOG_ERROR, "ledger.down", F_Z("error", strerror(-err)));
	l->retry_ms = l->retry_ms ? l->retry_ms * 2 : RETRY_MIN_MS;
	if (l->retry_ms > RETRY_MAX_MS)
		l->retry_ms = RETRY_MAX_MS;
	l->retry_at_ns = clock_ns() + l->retry_ms * NS_PER_MS;
	set_money_down(l, err == -ENOSPC ? MONEY_DISK_FULL : MONEY_DATABASE);
}

static void on_well(struct ledger *l)
{
	if (l->retry_ms)
		LOG(LOG_INFO, "ledger.up", F_INT("waited_ms", l->retry_ms));
	l->retry_ms = l->retry_at_ns = 0;
	set_money_down(l, MONEY_OK);
}

void ledger_count(struct ledger *l, const struct fold *f)
{
	if (f->bad)
		LOG(LOG_ERROR, "ledger.bad_records", F_INT("slot", journal_slot(f->journal)),
		    F_INT("count", f->bad), F_INT("before", f->upto));
	atomic_fetch_add(&l->board->head->ledger_rows, f->rows);
	atomic_fetch_add(&l->board->head->ledger_errors, f->bad);
}

/* ---- a live journal ---- */

static bool has_work(const struct account *a)
{
	struct journal_record r;
	return !a->is_known || journal_read(a->journal, a->committed + 1, &r) != -ENOENT;
}

static void tell_costs(struct account *a, unsigned slot, size_t n)
{
	const struct ledger *l = a->ledger;
	if (!l->watch || !a->costs)
		return;
	l->watch->booked(l->watch_data, slot, a->costs, n < COSTS_MAX ? n : COSTS_MAX);
	if (n > COSTS_MAX)
		l->watch->lost(l->watch_data);
}

static void tell_charges(const struct account *a)
{
	const struct bulk_charges *c = &a->fold.charges;
	for (size_t i = 0; a->ledger->charge && i < c->n; i++)
		a->ledger->charge(a->ledger->charge_data, c->v[i].owner, c->v[i].cost);
}

/* Nothing that the worker has written or runs is left to book. */
static void tell_settled(struct account *a)
{
	const struct ledger *l = a->ledger;
	const struct board_worker *w = &l->board->workers[a->slot];
	if (l->watch && a->state == ACCOUNT_LIVE && !atomic_load(&w->requests) &&
	    atomic_load(&w->journal_last) == a->committed)
		l->watch->settled(l->watch_data, a->slot);
}

/* Room for what a job books; none where nobody is told. */
static struct ledger_cost *room_for_costs(struct account *a)
{
	if (a->ledger->watch && !a->costs)
		a->costs = mem_array(COSTS_MAX, sizeof *a->costs);
	if (a->ledger->watch && !a->costs)
		a->ledger->watch->lost(a->ledger->watch_data);
	return a->ledger->watch ? a->costs : NULL;
}

static void on_folded(void *data, int err)
{
	struct account *a = data;
	struct ledger *l = a->ledger;
	a->is_busy = false;
	if (err) {
		on_trouble(l, err);
		return;
	}
	if (a->fold.rows)
		(void)FAULT("spend.after_commit");
	on_well(l);
	ledger_count(l, &a->fold);
	a->committed = a->fold.upto;
	a->is_known = true;
	a->is_drained = a->fold.is_dead && !a->fold.has_more;
	atomic_store_explicit(&l->board->workers[a->slot].journal_committed, a->committed,
			      memory_order_release);
	tell_costs(a, a->slot, a->fold.n_costs);
	tell_charges(a);
	if (!a->fold.has_more)
		tell_settled(a);
	if (a->fold.has_more || a->state != ACCOUNT_LIVE)
		step(a);
}

static void start_job(struct account *a, store_job_fn *job, store_done_fn *done, void *data)
{
	a->is_busy = store_write(a->ledger->store, job, done, data) == 0;
}

static int fold_account(struct store_db *db, void *data)
{
	struct account *a = data;
	return fold_job(db, &a->fold);
}

static void start_fold(struct account *a)
{
	a->fold = (struct fold){ .journal = a->journal, .batch = a->ledger->batch,
				 .is_dead = a->state != ACCOUNT_LIVE,
				 .costs = room_for_costs(a),
				 .tells_tags = a->ledger->watch && a->ledger->watch->with_tags };
	start_job(a, fold_account, on_folded, a);
}

static int book_account(struct store_db *db, void *data)
{
	struct account *a = data;
	return booking_job(db, &a->booking);
}

/* ---- the journal of a dead worker ---- */

static int64_t clamp_amount(int64_t v)
{
	return v < 0 ? 0 : v > PRICE_NANO_MAX ? PRICE_NANO_MAX : v;
}

static uint32_t clamp_count(uint32_t v)
{
	return v > INT32_MAX ? INT32_MAX : v;
}

/* The key and the team have numbers of their own in the slot. */
static void copy_levels(struct held_slot *h, const struct board *b, const struct board_slot *s)
{
	uint32_t n = s->n_levels;
	for (uint32_t i = 0; i < n && i < BOARD_LEVELS; i++) {
		uint32_t entity = s->level[i];
		uint64_t id = entity < BOARD_ENTITIES ? atomic_load(&b->entities[entity].id) : 0;
		if (id >> 56 > OWNER_TEAM)
			h->level[h->n_levels++] = id;
	}
}

static void copy_slot(struct held_slot *h, const struct board *b, const struct board_slot *s,
		      uint32_t number)
{
	memcpy(h->request_id, s->request_id, sizeof h->request_id);
	h->number = number;
	h->is_dispatched = atomic_load(&s->dispatched) != 0;
	h->reserve = clamp_amount(atomic_load(&s->reserve_nano));
	h->running = clamp_amount(atomic_load(&s->running_nano));
	h->tokens_in = clamp_count(atomic_load(&s->tokens_in));
	h->tokens_out = clamp_count(atomic_load(&s->tokens_out));
	h->endpoint = s->endpoint & 0xff;
	h->key_id = s->key_id & INT64_MAX;
	h->team = s->team;
	h->start_ns = s->start_wall_ns & INT64_MAX;
	h->deployment = atomic_load(&s->deployment);
	copy_levels(h, b, s);
}

/* 0, -ENOMEM, or -EBUSY: a lock on the board is not to be had now. */
static int copy_held(struct account *a)
{
	struct board *b = a->ledger->board;
	const struct board_slot *slots = &b->slots[(size_t)a->slot * BOARD_SLOTS];
	uint32_t high, n = 0;
	int err = budget_repair(b);
	if (err)
		return err;
	high = atomic_load(&b->workers[a->slot].slots_high);
	if (high > BOARD_SLOTS)
		high = BOARD_SLOTS;
	a->held = mem_array(high, sizeof *a->held);
	if (!a->held)
		return -ENOMEM;
	for (uint32_t i = 0; i < high; i++)
		if (atomic_load(&slots[i].state) == SLOT_HELD)
			copy_slot(&a->held[n++], b, &slots[i], i);
	qsort(a->held, n, sizeof *a->held, held_cmp);
	a->booking.held = a->held;
	a->booking.n_held = n;
	return 0;
}

static void on_booked(void *data, int err)
{
	struct account *a = data;
	a->is_busy = false;
	if (err) {
		on_trouble(a->ledger, err);
		return;
	}
	on_well(a->ledger);
	atomic_fetch_add(&a->ledger->board->head->ledger_rows, a->booking.rows);
	tell_costs(a, BOARD_WORKERS, a->booking.n_costs);
	a->state = ACCOUNT_SETTLING;
	step(a);
}

static void start_booking(struct account *a)
{
	a->booking.batch = a->ledger->batch;
	a->booking.epoch = journal_epoch(a->journal);
	a->booking.costs = room_for_costs(a);
	if (!a->held && copy_held(a) != 0)
		return;			/* the timer comes again */
	start_job(a, book_account, on_booked, a);
}

/* false: a lock is not to be had now; what is settled stays so. */
static bool settle_slots(struct account *a)
{
	for (; a->n_settled < a->booking.n_held; a->n_settled++) {
		const struct held_slot *h = &a->held[a->n_settled];
		if (budget_settle_slot(a->ledger->board, a->slot, h->number, h->cost) != 0)
			return false;
		(void)FAULT("reap.settled");
	}
	return true;
}

static void account_free(struct account *a)
{
	for (struct account **at = &a->ledger->accounts; *at; at = &(*at)->next) {
		if (*at == a) {
			*at = a->next;
			break;
		}
	}
	journal_free(a->journal);
	mem_free(a->held);
	mem_free(a->costs);
	mem_free(a);
}

/* All is in the database: the file goes, then its watermark, in this order. */
static void close_account(struct account *a)
{
	struct ledger *l = a->ledger;
	void (*done)(void *, uint64_t) = a->done;
	void *data = a->done_data;
	uint64_t rows = a->booking.rows, epoch = journal_epoch(a->journal);
	LOG(LOG_INFO, "ledger.reaped", F_INT("slot", a->slot), F_INT("cut", rows),
	    F_INT("slots", a->booking.n_held));
	atomic_store(&l->board->workers[a->slot].journal_committed, 0);
	if (l->watch)
		l->watch->settled(l->watch_data, a->slot);
	ledger_unlink(a->journal, a->dirfd);
	ledger_forget(l, epoch);
	account_free(a);
	if (done)
		done(data, rows);
}

/* Moves an account on as far as it goes without waiting. */
static void step(struct account *a)
{
	if (a->is_busy || clock_ns() < a->ledger->retry_at_ns)
		return;
	if (a->state == ACCOUNT_DRAINING && a->is_drained)
		a->state = ACCOUNT_BOOKING;
	switch (a->state) {
	case ACCOUNT_LIVE:
		if (has_work(a))
			start_fold(a);
		break;
	case ACCOUNT_DRAINING:
		start_fold(a);
		break;
	case ACCOUNT_BOOKING:
		start_booking(a);
		break;
	case ACCOUNT_SETTLING:
		if (settle_slots(a))
			close_account(a);
		break;
	}
}

/* ---- the timer ---- */

/* A batch full of records waits. The worker's own word: it could only hurry us. */
static bool is_full(const struct account *a)
{
	const struct board_worker *w = &a->ledger->board->workers[a->slot];
	uint64_t last = atomic_load_explicit(&w->journal_last, memory_order_relaxed);
	return last > a->committed && last - a->committed >= FOLD_MAX;
}

static void on_tick(uv_timer_t *t)
{
	struct ledger *l = t->data;
	bool is_turn = !l->is_busy || ++l->ticks % TURN_TICKS == 0;
	struct account *next;
	if (is_turn)
		l->is_busy = false;
	for (struct account *a = l->accounts; a; a = next) {
		next = a->next;
		if (!is_turn && a->state == ACCOUNT_LIVE && !is_full(a))
			continue;
		l->is_busy |= a->state != ACCOUNT_LIVE || a->is_busy || has_work(a);
		step(a);
	}
	uv_timer_start(t, on_tick, l->is_busy ? TICK_MS : IDLE_MS, 0);
}

static void on_timer_closed(uv_handle_t *h)
{
	struct ledger *l = h->data;
	buf_done(&l->batch->tags);
	mem_free(l->batch);
	mem_free(l);
}

int ledger_start(struct store *s, struct board *board, uv_loop_t *loop, struct ledger **ret)
{
	struct ledger *l = mem_alloc(sizeof *l);
	if (!l)
		return -ENOMEM;
	*l = (struct ledger){ .store = s, .board = board, .batch = mem_alloc(sizeof *l->batch) };
	if (!l->batch) {
		mem_free(l);
		return -ENOMEM;
	}
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
	uv_timer_start(&l->timer, on_tick, IDLE_MS, 0);
	uv_unref((uv_handle_t *)&l->timer);
	*ret = l;
	return 0;
}

void ledger_stop(struct ledger *l)
{
	struct account *next;
	if (!l)
		return;
	uv_timer_stop(&l->timer);
	l->retry_at_ns = 0;
	for (struct account *a = l->accounts; a; a = next) {
		next = a->next;
		step(a);
	}
	store_drain(l->store);
	while (l->accounts)
		account_free(l->accounts);
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}

void ledger_attach(struct ledger *l, unsigned slot, struct journal *j)
{
	struct account *a = mem_alloc(sizeof *a);
	MUST(slot < BOARD_WORKERS);
	if (!a) {			/* the file stays: the next start folds it */
		LOG(LOG_ERROR, "ledger.down", F_Z("error", strerror(ENOMEM)));
		journal_free(j);
		return;
	}
	*a = (struct account){ .ledger = l, .next = l->accounts, .slot = slot, .journal = j };
	l->accounts = a;
	uv_timer_start(&l->timer, on_tick, TICK_MS, 0);
}

void ledger_reap(struct ledger *l, unsigned slot, int journal_dirfd,
		 void (*done)(void *data, uint64_t cut_rows), void *data)
{
	struct account *a = find_account(l, slot);
	if (!a) {
		done(data, 0);
		return;
	}
	a->state = ACCOUNT_DRAINING;
	a->dirfd = journal_dirfd;
	a->done = done;
	a->done_data = data;
	step(a);
}

void ledger_watch(struct ledger *l, const struct ledger_watch *w, void *data)
{
	l->watch = w;
	l->watch_data = data;
}

void ledger_on_charge(struct ledger *l, ledger_charge_fn *charge, void *data)
{
	l->charge = charge;
	l->charge_data = data;
}
