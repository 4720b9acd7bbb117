/* SPDX-License-Identifier: MIT
 * keys_sums.c - what budgets have spent, as the board says it, held against the database.
 *
 * The board is everybody's memory, and may be damaged; the database has what was booked. They
 * never say the same while requests run, but one is between two looks at the other: all that the
 * board has had at one time is in the database once every journal is booked up to there, and all
 * that is in the database is on the board a little later. Who is found outside of that twice, one
 * second apart, is set right: a worker may have been stopped between journal and board, and a
 * change by a command takes a moment. Where it was wrong is then off by what was spent in that
 * moment at most, and exact as soon as nobody spends.
 *
 * What is set aside, and how many requests run, is counted anew from the slots that hold it.
 * A page of entities each second, one after the other; requests do nothing for it. */
#include "common/budget.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/keys_private.h"

#define NO_SUM INT64_MAX		/* what stands there is none: nothing can be added to it */
enum { PAGE = 256, COUNTED = 4, PATIENCE = 5 };	/* seconds for journals to be booked */

struct sum {
	uint64_t id;
	uint32_t entity;
	bool is_there;			/* in the database */
	int64_t before, booked;
};

struct keys_sums {
	struct keys *keys;
	bool is_reading;
	size_t at;			/* of entities_next() */
	size_t n, n_odd;		/* of the page; its first are those that were odd before */
	unsigned waited, turns;
	uint64_t last[BOARD_WORKERS];	/* of each journal when the page was looked at */
	struct sum page[PAGE];
};

static int64_t settled_at(const struct keys *k, uint32_t entity)
{
	return atomic_load(&k->board->entities[entity].settled);
}

/* Sums that are on their way from one to the other for another reason. */
static bool is_moving(const struct keys *k)
{
	return k->is_resetting || k->is_applying || k->n_late ||
	       atomic_load(&k->board->head->money_down) != MONEY_OK;
}

/* ---- a page ---- */

static void look(struct keys_sums *s)
{
	struct keys *k = s->keys;
	struct sum *v = &s->page[s->n_odd];
	for (s->n = s->n_odd; s->n < PAGE; s->n++, v++) {
		*v = (struct sum){ 0 };
		if (entities_next(&k->entities, &s->at, &v->id, &v->entity))
			continue;
		s->at = 0;
		break;
	}
	for (size_t i = 0; i < s->n; i++)
		s->page[i].before = settled_at(k, s->page[i].entity);
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		s->last[i] = atomic_load(&k->board->workers[i].journal_last);
	s->is_reading = false;
	s->waited = 0;
}

static bool is_booked(const struct keys_sums *s)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		const struct board_worker *w = &s->keys->board->workers[i];
		uint32_t state = atomic_load(&w->state);
		if (state != WORKER_EMPTY &&	/* of one that is gone not all is booked */
		    (state == WORKER_GONE || atomic_load(&w->journal_committed) < s->last[i]))
			return false;
	}
	return true;
}

#define SPEND(table) "SELECT spend FROM " table " WHERE id = ?"

static int read_job(struct store_db *db, void *data)
{
	static const char *const texts[] = { SPEND("keys"), SPEND("teams"), SPEND("tenants"),
					     SPEND("model_limits") };
	struct keys_sums *s = data;
	for (size_t i = 0; i < s->n; i++) {
		struct sql *q = entity_query(db, texts, s->page[i].id);
		sql_int(q, 1, (int64_t)(s->page[i].id & ~ENTITY_KIND_MASK));
		int r = sql_row(q);
		s->page[i].is_there = r > 0;
		s->page[i].booked = r > 0 ? sql_get_int(q, 0) : 0;
		sql_end(q);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- what is wrong with it ---- */

/* How much is to be added, or NO_SUM. */
static int64_t lacks(const struct keys *k, const struct sum *v)
{
	int64_t now = settled_at(k, v->entity);
	uint32_t entity;
	if (!v->is_there || !entities_find(&k->entities, v->id, &entity) || entity != v->entity)
		return 0;
	if (v->before < 0 || now < 0)
		return NO_SUM;
	if (v->before > v->booked)	/* nobody takes anything off */
		return v->booked - v->before;
	return now < v->booked ? v->booked - now : 0;
}

static void tell(const struct sum *v, const char *what, int64_t nano)
{
	LOG(LOG_WARN, "budget.mended", F_INT("kind", v->id >> 56),
	    F_INT("id", v->id & ~ENTITY_KIND_MASK), F_Z("what", what), F_INT("nano", nano));
}

/* Those that are odd for the first time come first on the next page. */
static void judge(struct keys_sums *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct sum *v = &s->page[i];
		int64_t nano = lacks(s->keys, v);
		if (nano && i < s->n_odd) {
			bool is_none = nano == NO_SUM;
			nano = is_none ? v->booked : nano;
			keys_move_settled(s->keys, v->id, nano, is_none);
			tell(v, "settled", nano);
		} else if (nano && n < PAGE / 2)
			s->page[n++] = *v;
	}
	s->n_odd = n;
}

static void count_held(struct keys_sums *s)
{
	unsigned counted = 0, first = s->turns++ * COUNTED;
	for (size_t i = 0; i < s->n && counted < COUNTED; i++) {
		const struct sum *v = &s->page[(first + i) % s->n];
		const struct board_entity *e = &s->keys->board->entities[v->entity];
		int64_t nano;
		if (!atomic_load(&e->reserved) && !atomic_load(&e->parallel))
			continue;
		counted++;
		if (budget_count_held(s->keys->board, v->entity, &nano))
			tell(v, "reserved", nano);
	}
}

static void on_read(void *data, int err)
{
	struct keys_sums *s = data;
	if (!err && !is_moving(s->keys)) {
		count_held(s);
		judge(s);
	}
	look(s);
}

void keys_sums_tick(struct keys *k)
{
	if (!k->sums) {
		k->sums = mem_alloc(sizeof *k->sums);
		if (!k->sums)
			return;
		*k->sums = (struct keys_sums){ .keys = k };
		look(k->sums);
		return;
	}
	struct keys_sums *s = k->sums;
	if (s->is_reading)
		return;
	if (is_moving(k) || (!is_booked(s) && ++s->waited >= PATIENCE))
		look(s);
	else if (is_booked(s))
		s->is_reading = store_read(k->store, read_job, on_read, s) == 0;
}
