/* SPDX-License-Identifier: MIT
 * keys_entities.c - which row of the board counts for which key, team or tenant.
 *
 * A row given back is used again only when no worker can still know it from the directory, and
 * nothing is reserved on it. Row 0 is the master key's. The last row is this file's notebook: it
 * says how many rows were ever given out, so that after an upgrade in place, when workers go on
 * with the board as it is, every key is found in its old row. */
#include <errno.h>

#include "common/budget.h"
#include "common/fault.h"
#include "common/mem.h"
#include "master/keys_private.h"

enum { ROOM_FIRST = 256, NOTEBOOK = BOARD_ENTITIES - 1 };

struct entity_place {
	uint64_t id;			/* kind and number, as on the board */
	uint32_t entity;
	bool is_used;
};
struct entity_freed {
	uint32_t entity;
	uint64_t at_ns;
};

/* ---- the table: id -> entity ---- */

static size_t home_of(const struct entities *e, uint64_t id)
{
	return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (e->room - 1);
}

static struct entity_place *place_of(const struct entities *e, uint64_t id)
{
	size_t at = home_of(e, id);
	while (e->table[at].is_used && e->table[at].id != id)
		at = (at + 1) & (e->room - 1);
	return &e->table[at];
}

static int grow_table(struct entities *e)
{
	struct entities bigger = { .room = e->room ? e->room * 2 : ROOM_FIRST };
	if ((e->used + 1) * 4 <= e->room * 3)
		return 0;
	bigger.table = mem_array(bigger.room, sizeof *bigger.table);
	if (!bigger.table)
		return -ENOMEM;
	for (size_t i = 0; i < e->room; i++)
		if (e->table[i].is_used)
			*place_of(&bigger, e->table[i].id) = e->table[i];
	mem_free(e->table);
	e->table = bigger.table;
	e->room = bigger.room;
	return 0;
}

/* Moves up what stood behind because the place was taken, so that no search ends too soon. */
static void take_out(struct entities *e, struct entity_place *p)
{
	size_t mask = e->room - 1, hole = (size_t)(p - e->table), at = hole;
	e->used--;
	for (;;) {
		e->table[hole].is_used = false;
		do {
			at = (at + 1) & mask;
			if (!e->table[at].is_used)
				return;
		} while (((at - home_of(e, e->table[at].id)) & mask) < ((at - hole) & mask));
		e->table[hole] = e->table[at];
		hole = at;
	}
}

/* ---- rows given back ---- */

static bool is_idle(struct entities *e, uint32_t entity)
{
	int64_t settled, reserved;
	uint32_t parallel;
	budget_read(e->board, entity, &settled, &reserved, &parallel);
	return reserved == 0 && parallel == 0;
}

static int keep_freed(struct entities *e, struct entity_freed f)
{
	if (e->n_freed == e->freed_room) {
		size_t room = e->freed_room ? e->freed_room * 2 : ROOM_FIRST;
		struct entity_freed *ring = mem_array(room, sizeof *ring);
		if (!ring)
			return -ENOMEM;		/* the row is lost until the next start */
		for (size_t i = 0; i < e->n_freed; i++)
			ring[i] = e->freed[(e->freed_at + i) % e->freed_room];
		mem_free(e->freed);
		e->freed = ring;
		e->freed_room = room;
		e->freed_at = 0;
	}
	e->freed[(e->freed_at + e->n_freed++) % e->freed_room] = f;
	return 0;
}

static bool take_freed(struct entities *e, uint64_t now_ns, uint32_t *ret)
{
	if (!e->n_freed)
		return false;
	struct entity_freed f = e->freed[e->freed_at];
	if (now_ns < f.at_ns + DIR_QUARANTINE_NS)
		return false;
	e->freed_at = (e->freed_at + 1) % e->freed_room;
	e->n_freed--;
	if (!is_idle(e, f.entity)) {
		f.at_ns = now_ns;
		return keep_freed(e, f) != 0 && false;
	}
	*ret = f.entity;
	return true;
}

/* ---- all together ---- */

static _Atomic uint64_t *given_out(struct entities *e)
{
	return &e->board->entities[NOTEBOOK].requests;
}

static bool is_key(uint64_t id)
{
	return (id & ENTITY_KIND_MASK) == ENTITY_KEY;
}

static int put(struct entities *e, uint64_t id, uint32_t entity)
{
	int err = grow_table(e);
	if (err)
		return err;
	*place_of(e, id) = (struct entity_place){ .id = id, .entity = entity, .is_used = true };
	e->used++;
	e->n_keys += is_key(id);
	return 0;
}

/* One row of a board that is not new. What makes no sense is given back. */
static int adopt(struct entities *e, uint32_t entity, uint64_t now_ns)
{
	uint64_t id = atomic_load(&e->board->entities[entity].id);
	bool is_known = id >= ENTITY_KEY && id < ENTITY_OF(DIR_KINDS) &&
			entity_kind(id) != DIR_BUDGET;
	if (is_known && !place_of(e, id)->is_used)
		return put(e, id, entity);
	return keep_freed(e, (struct entity_freed){ .entity = entity, .at_ns = now_ns });
}

int entities_init(struct entities *e, struct board *b, uint64_t now_ns)
{
	*e = (struct entities){ .board = b };
	uint64_t high = atomic_load(given_out(e));
	int err = grow_table(e);
	e->next = high < NOTEBOOK ? (uint32_t)high : NOTEBOOK;
	for (uint32_t i = 0; i < e->next && !err; i++)
		err = adopt(e, i, now_ns);
	return err;
}

void entities_done(struct entities *e)
{
	mem_free(e->table);
	mem_free(e->freed);
	*e = (struct entities){ 0 };
}

static void set_up(struct entities *e, uint32_t entity, uint64_t id, uint32_t root, int64_t spend)
{
	struct board_entity *row = &e->board->entities[entity];
	if (budget_set_settled(e->board, entity, spend) != 0)
		atomic_store(&row->settled, spend);	/* nobody else knows this row */
	atomic_store(&row->rpm_tat, 0);
	atomic_store(&row->tpm_tat, 0);
	atomic_store(&row->root, root);
	atomic_store(&row->requests, 0);
	atomic_store(&row->last_used_ns, 0);
	(void)FAULT("board.placing");
	atomic_store(&row->id, id);
}

int entities_assign(struct entities *e, uint64_t id, uint32_t root, int64_t spend, uint64_t now_ns,
		    uint32_t *ret)
{
	uint32_t entity;
	if (!take_freed(e, now_ns, &entity)) {
		if (e->next >= NOTEBOOK)
			return -ENOSPC;
		entity = e->next;
	}
	int err = put(e, id, entity);
	if (err)
		return err;		/* a freed row is lost until the next start */
	if (entity == e->next)
		atomic_store(given_out(e), ++e->next);
	set_up(e, entity, id, root, spend);
	*ret = entity;
	return 0;
}

bool entities_find(const struct entities *e, uint64_t id, uint32_t *ret)
{
	const struct entity_place *p = place_of(e, id);
	if (p->is_used)
		*ret = p->entity;
	return p->is_used;
}

bool entities_next(const struct entities *e, size_t *at, uint64_t *ret_id, uint32_t *ret)
{
	while (*at < e->room && !e->table[*at].is_used)
		++*at;
	if (*at == e->room)
		return false;
	*ret_id = e->table[*at].id;
	*ret = e->table[(*at)++].entity;
	return true;
}

uint64_t entities_id_of(const struct entities *e, uint32_t entity)
{
	return atomic_load(&e->board->entities[entity].id);
}

void entities_release(struct entities *e, uint64_t id, uint64_t now_ns)
{
	struct entity_place *p = place_of(e, id);
	if (!p->is_used)
		return;
	uint32_t entity = p->entity;
	take_out(e, p);
	e->n_keys -= is_key(id);
	if (keep_freed(e, (struct entity_freed){ .entity = entity, .at_ns = now_ns }) != 0)
		return;
	atomic_store(&e->board->entities[entity].id, 0);
}
