/* SPDX-License-Identifier: MIT
 * test_budget_step.c - which locks a step takes, what it writes down before it counts, and what of
 * a record is believed. That steps are whole wherever they are cut: test_budget.c, shm_step.c. */
#include "budget_fixture.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/hash.h"

enum { NOBODY = UINT32_MAX };

static const uint8_t id[16] = "0123456789abcde";

/* ---- which locks ---- */

/* Just these are held, and in this order. */
static void expect_locked(const struct budget_shards *set, const uint32_t *shards, uint32_t n)
{
	bool is_held[BOARD_SHARDS] = { 0 };
	assert_int_equal(set->n, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_ptr_equal(set->v[i], &b.shards[shards[i]]);
		is_held[shards[i]] = true;
	}
	for (uint32_t i = 0; i < BOARD_SHARDS; i++)
		assert_int_equal(is_free(i), !is_held[i]);
}

#define LIST(...) { __VA_ARGS__ }, COUNT(((uint32_t[]){ __VA_ARGS__ }))
static const struct lock_case {
	uint32_t entities[4], n;
	uint32_t shards[4], n_shards;
} lock_cases[] = {
	{ LIST(5), LIST(5) },
	{ LIST(64), LIST(0) },
	{ LIST(5, 69), LIST(5) },
	{ LIST(5, 6), LIST(5, 6) },
	{ LIST(6, 5), LIST(5, 6) },
	{ LIST(9, 8, 73, 7), LIST(7, 8, 9) },
	{ LIST(9, 9, 10), LIST(9, 10) },
	{ LIST(5, 5, 5, 6), LIST(5, 6) },
	/* What is out of range is left out; of nothing any will do. */
	{ LIST(BOARD_ENTITIES, 5), LIST(5) },
	{ LIST(5, BOARD_ENTITIES), LIST(5) },
	{ LIST(NOBODY), LIST(0) },
	/* Entity 1 has its place by 7, and 2 by 70. */
	{ LIST(1), LIST(7) },
	{ LIST(1, 7), LIST(7) },
	{ LIST(1, 8), LIST(7, 8) },
	{ LIST(2, 6), LIST(6) },
	{ LIST(1, 2), LIST(6, 7) },
};

static void test_which_locks_are_taken(void **state)
{
	(void)state;
	struct budget_shards set;
	b.entities[1].root = 1 + 7;
	b.entities[2].root = 1 + 70;
	for (size_t i = 0; i < COUNT(lock_cases); i++) {
		const struct lock_case *c = &lock_cases[i];
		budget_lock(&b, c->entities, c->n, &set);
		expect_locked(&set, c->shards, c->n_shards);
		budget_unlock(&set);
		expect_all_free();
		assert_true(budget_lock_in_time(&b, c->entities, c->n, &set));
		expect_locked(&set, c->shards, c->n_shards);
		budget_unlock(&set);
		expect_all_free();
	}
}

struct waiter {
	pthread_t thread;
	_Atomic long tid;
	const uint32_t *entities;
	uint32_t n;
	struct budget_shards set;
	_Atomic int has_locked, may_go;
};

static void *wait_for_locks(void *data)
{
	struct waiter *w = data;
	w->tid = syscall(SYS_gettid);
	budget_lock(&b, w->entities, w->n, &w->set);
	w->has_locked = 1;
	while (!w->may_go)
		usleep(100);
	budget_unlock(&w->set);
	return NULL;
}

/* Asleep: it waits for a lock, for nothing else makes it sleep before that. */
static bool is_asleep(long tid)
{
	char path[64], state = '?';
	snprintf(path, sizeof path, "/proc/self/task/%ld/stat", tid);
	FILE *f = tid ? fopen(path, "r") : NULL;
	if (!f)
		return false;
	assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
	fclose(f);
	return state == 'S';
}

/* Somebody waits for `entities`, in vain for that of the first one's shard; then `moved` gets another
 * root, and the lock is free. */
static void move_under_a_waiter(const uint32_t *entities, uint32_t n, uint32_t moved, uint32_t root,
				const uint32_t *shards, uint32_t n_shards)
{
	struct waiter w = { .entities = entities, .n = n };
	struct budget_shards mine;
	budget_lock(&b, entities, 1, &mine);
	assert_int_equal(pthread_create(&w.thread, NULL, wait_for_locks, &w), 0);
	while (!is_asleep(w.tid))
		usleep(100);
	atomic_store(&b.entities[moved].root, root);
	budget_unlock(&mine);
	while (!w.has_locked)
		usleep(100);
	expect_locked(&w.set, shards, n_shards);
	w.may_go = 1;
	pthread_join(w.thread, NULL);
	expect_all_free();
}

static void test_who_has_waited_looks_again(void **state)
{
	(void)state;
	static const uint32_t one[] = { 5 }, pair[] = { 5, 69 }, apart[] = { 5, 30 };
	static const uint32_t at_40[] = { 40 }, both[] = { 5, 41 }, first[] = { 30, 42 },
			      last[] = { 5, 43 };
	move_under_a_waiter(one, 1, 5, 1 + 40, at_40, 1);
	b.entities[5].root = 0;
	move_under_a_waiter(pair, 2, 69, 1 + 41, both, 2);
	move_under_a_waiter(apart, 2, 5, 1 + 42, first, 2);
	b.entities[5].root = 0;
	move_under_a_waiter(apart, 2, 30, 1 + 43, last, 2);
}

/* The last lock is not to be had: none is kept. */
static void test_all_locks_in_time_or_none(void **state)
{
	(void)state;
	static const uint32_t entities[] = { 3, 4, 5 };
	struct waiter w = { .entities = &entities[2], .n = 1 };
	struct budget_shards set;
	assert_int_equal(pthread_create(&w.thread, NULL, wait_for_locks, &w), 0);
	while (!w.has_locked)
		usleep(100);
	/* The time for it ends a moment from now, late in a second. */
	uint64_t now = clock_ns(), until = now + NS_PER_S / 20;
	if (until % NS_PER_S < NS_PER_S / 2)
		until += NS_PER_S / 2;
	clock_set(until - BUDGET_LOCK_NS, NS_PER_S);
	assert_false(budget_lock_in_time(&b, entities, 3, &set));
	clock_set(0, 0);
	assert_true(clock_ns() >= until);
	assert_true(is_free(3) && is_free(4) && !is_free(5));
	w.may_go = 1;
	pthread_join(w.thread, NULL);
	assert_true(budget_lock_in_time(&b, entities, 3, &set));
	assert_int_equal(set.n, 3);
	budget_unlock(&set);
	expect_all_free();
}

/* ---- what is written down ---- */

static void forget_moves(void)
{
	for (uint32_t i = 0; i < BOARD_SHARDS; i++)
		for (uint32_t k = 0; k < BOARD_LEVELS; k++)
			b.shards[i].moves[k] = (struct board_move){ .entity = NOBODY };
}

static struct budget_claim admit(const struct budget_level *l, uint32_t n, int64_t nano)
{
	struct budget_claim c;
	enum budget_verdict verdict;
	uint32_t level;
	int64_t left;
	assert_int_equal(budget_admit(pool, l, n, nano, id, &c, &verdict, &level, &left), 0);
	return c;
}

/* The record of a shard: its own entities and no others, done. */
static void expect_record(uint32_t shard, const uint32_t *entities, uint32_t n, uint32_t ticket)
{
	const struct board_shard *s = &b.shards[shard];
	assert_int_equal(s->pending, 0);
	assert_int_equal(s->ticket, ticket);
	for (uint32_t i = 0; i < BOARD_LEVELS; i++)
		assert_int_equal(s->moves[i].entity, i < n ? entities[i] : NOBODY);
}

static void test_the_records_of_a_step(void **state)
{
	(void)state;
	static const struct budget_level narrow[] = { { 5, 0, -1 }, { 69, 0, -1 } };
	static const struct budget_level wide[] = { { 5, 0, -1 }, { 6, 0, -1 }, { 69, 0, -1 } };
	static const uint32_t of_5[] = { 5, 69 }, of_6[] = { 6 };
	struct budget_claim c;
	uint32_t before = 0;
	for (unsigned round = 0; round < 3; round++) {
		forget_moves();
		c = admit(wide, 3, 100);
		uint32_t ticket = c.slot->step;
		assert_true(ticket && ticket != before);
		expect_record(5, of_5, 2, ticket);
		expect_record(6, of_6, 1, ticket);
		budget_settle(pool, &c, 1);
		before = b.slots[WORKER * BOARD_SLOTS].step;
		assert_true(before != ticket);
		forget_moves();
		c = admit(narrow, 2, 100);
		expect_record(5, of_5, 2, 0);	/* it counts at once */
		assert_int_equal(c.slot->step, before);
		budget_settle(pool, &c, 1);
	}
	/* 0 is no ticket. */
	b.slots[WORKER * BOARD_SLOTS].step = UINT32_MAX;
	c = admit(wide, 3, 100);
	assert_int_equal(c.slot->step, 1);
	assert_int_equal(b.shards[5].ticket, 1);
	budget_settle(pool, &c, 1);
}

/* An earlier record is not done again. */
static void test_an_earlier_record_is_over(void **state)
{
	(void)state;
	static const struct budget_level one[] = { { 64, 0, -1 } };
	static const struct budget_level wide[] = { { 128, 0, -1 }, { 65, 0, -1 } };
	struct budget_claim c = admit(one, 1, 10);
	budget_settle(pool, &c, 7);
	assert_int_equal(budget_add_settled(&b, 64, 5), 0);
	c = admit(wide, 2, 3);
	assert_int_equal(b.entities[64].settled, 12);
	budget_settle(pool, &c, 2);
	assert_int_equal(b.entities[64].settled, 12);
	assert_int_equal(b.entities[128].settled, 2);
	assert_int_equal(b.entities[65].settled, 2);
}

/* ---- what is believed ---- */

/* A process dies with shard 0 locked and this in its record. */
static void die_with(const struct board_shard *record)
{
	pid_t pid = fork();
	int status;
	if (!pid) {
		struct board_shard *s = &b.shards[0];
		if (pthread_mutex_lock(&s->mutex))
			_exit(1);
		memcpy(s->moves, record->moves, sizeof s->moves);
		s->slot = record->slot;
		s->slot_state = record->slot_state;
		s->slot_reserve = record->slot_reserve;
		s->ticket = record->ticket;
		s->reset = record->reset;
		s->pending = record->pending;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(budget_repair(&b), 0);
	assert_int_equal(b.shards[0].pending, 0);
}

/* Neither the array behind the entities nor the one behind the slots is written to. */
static void test_records_out_of_range(void **state)
{
	(void)state;
	static const struct board_shard entity = {
		.pending = 1, .slot = UINT64_MAX,
		.moves = { { .entity = BOARD_ENTITIES, .parallel = 7, .settled = 7, .reserved = 7 } },
	};
	static const struct board_shard slot = {
		.pending = 1, .slot = (uint64_t)BOARD_WORKERS * BOARD_SLOTS, .slot_state = 77,
		.slot_reserve = 77, .moves = { { .entity = NOBODY } },
	};
	static uint8_t before[2][1024];
	const void *behind[2] = { &b.entities[BOARD_ENTITIES], &b.slots[BOARD_WORKERS * BOARD_SLOTS] };
	for (unsigned i = 0; i < 2; i++)
		memcpy(before[i], behind[i], sizeof before[i]);
	die_with(&entity);
	die_with(&slot);
	for (unsigned i = 0; i < 2; i++)
		assert_memory_equal(behind[i], before[i], sizeof before[i]);
}

/* More moves than there may be: what stands behind them is none. */
static void test_a_record_that_is_too_long(void **state)
{
	(void)state;
	struct board_shard record = { .pending = BOARD_LEVELS + 1, .slot = UINT64_MAX };
	for (uint32_t i = 0; i < BOARD_LEVELS; i++)
		record.moves[i].entity = NOBODY;
	b.shards[0].repairs = 11;
	b.entities[11].settled = b.entities[11].reserved = 42;
	die_with(&record);
	assert_int_equal(b.shards[0].repairs, 12);
	assert_int_equal(b.entities[11].settled, 42);
	assert_int_equal(b.entities[11].reserved, 42);
}

static void test_the_last_reset(void **state)
{
	(void)state;
	struct board_reset *r = &b.head->resets[BOARD_RESETS - 1];
	*r = (struct board_reset){ .period_ns = 5, .taken = 3, .entity = 64 };
	b.entities[64].settled = 10;
	assert_int_equal(budget_reset(&b, BOARD_RESETS - 1), 0);
	assert_int_equal(b.entities[64].settled, 7);
	assert_int_equal(r->period_ns, 0);
	/* One row further there is none. */
	struct board_shard record = { .pending = 1, .slot = UINT64_MAX, .reset = BOARD_RESETS + 1 };
	record.moves[0].entity = NOBODY;
	b.head->faults[0] = 9;
	die_with(&record);
	assert_int_equal(b.head->faults[0], 9);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_which_locks_are_taken),
		CASE(test_who_has_waited_looks_again),
		CASE(test_all_locks_in_time_or_none),
		CASE(test_the_records_of_a_step),
		CASE(test_an_earlier_record_is_over),
		CASE(test_records_out_of_range),
		CASE(test_a_record_that_is_too_long),
		CASE(test_the_last_reset),
	};
#undef CASE
	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
