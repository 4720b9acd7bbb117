/* SPDX-License-Identifier: MIT
 * test_budget.c - no step goes beyond a limit, and each is whole wherever it was cut off. */
#include "common/budget.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/mem.h"

static const uint8_t id[16] = "0123456789abcde";

struct fixture {
	struct board b;
	struct budget_pool *p;
	int fd;
	/* what the last admission said */
	enum budget_verdict verdict;
	uint32_t level;
	int64_t left;
};

static int set_up(void **state)
{
	static struct fixture f;

	assert_int_equal(board_create(&f.b, &f.fd), 0);
	f.p = budget_pool_new(&f.b, 3);
	assert_non_null(f.p);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	budget_pool_free(f->p);
	board_unmap(&f->b);
	close(f->fd);
	assert_int_equal(mem_live(), 0);
	return 0;
}

/* They are of one hierarchy from now on. */
static void join(struct fixture *f, const struct budget_level *l, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(budget_set_root(&f->b, l[i].entity, 1 + l[n - 1].entity), 0);
}

static int admit(struct fixture *f, const struct budget_level *l, uint32_t n, int64_t nano,
		 struct budget_claim *ret)
{
	return budget_admit(f->p, l, n, nano, id, ret, &f->verdict, &f->level, &f->left);
}

static void expect(struct fixture *f, uint32_t entity, int64_t settled, int64_t reserved,
		   uint32_t parallel)
{
	int64_t s, r;
	uint32_t p;

	budget_read(&f->b, entity, &s, &r, &p);
	assert_int_equal(s, settled);
	assert_int_equal(r, reserved);
	assert_int_equal(p, parallel);
}

static void test_reserve_then_settle(void **state)
{
	struct fixture *f = *state;
	const struct budget_level l[] = { { 5, 0, 1000 }, { 70, 0, 2000 } };
	struct budget_claim a, b;

	join(f, l, 2);
	assert_int_equal(admit(f, l, 2, 600, &a), 0);
	assert_int_equal(f->verdict, BUDGET_OK);
	assert_int_equal(a.slot->state, SLOT_HELD);
	assert_int_equal(a.slot->reserve_nano, 600);
	assert_memory_equal(a.slot->request_id, id, 16);
	assert_int_equal(f->b.workers[3].slots_high, 1);
	expect(f, 5, 0, 600, 1);
	expect(f, 70, 0, 600, 1);
	assert_int_equal(admit(f, l, 2, 401, &b), -EDQUOT);
	assert_int_equal(f->verdict, BUDGET_SPENT);
	assert_int_equal(f->level, 0);
	assert_int_equal(f->left, 400);
	expect(f, 70, 0, 600, 1);
	assert_int_equal(admit(f, l, 2, 400, &b), 0);
	budget_settle(f->p, &a, 100);
	assert_null(a.slot);
	expect(f, 5, 100, 400, 1);
	budget_settle(f->p, &b, 0);
	expect(f, 5, 100, 0, 0);
	expect(f, 70, 100, 0, 0);
	assert_int_equal(budget_pool_left(f->p), BOARD_SLOTS);
}

/* An entity moves to another shard at any time: who holds it settles there. */
static void test_another_root(void **state)
{
	struct fixture *f = *state;
	const struct budget_level first[] = { { 5, 0, 1000 }, { 70, 0, 2000 } };
	const struct budget_level second[] = { { 5, 0, 1000 }, { 99, 0, 2000 } };
	struct budget_claim a, b;

	assert_int_equal(budget_set_root(&f->b, 70, 71), 0);
	assert_int_equal(budget_set_root(&f->b, 99, 100), 0);
	assert_int_equal(admit(f, first, 2, 10, &a), 0);
	assert_int_equal(budget_set_root(&f->b, 5, 71), 0);
	assert_int_equal(admit(f, first, 2, 20, &b), 0);
	expect(f, 5, 0, 30, 2);
	budget_settle(f->p, &a, 7);
	expect(f, 5, 7, 20, 1);
	expect(f, 70, 7, 20, 1);
	assert_int_equal(admit(f, second, 2, 20, &a), 0);
	assert_int_equal(budget_set_root(&f->b, 5, 100), 0);
	assert_int_equal(budget_extend(f->p, &b, first, 2, 5), 0);
	expect(f, 70, 7, 25, 1);
	budget_settle(f->p, &b, 3);
	budget_settle(f->p, &a, 1);
	expect(f, 5, 11, 0, 0);
	expect(f, 70, 10, 0, 0);
	expect(f, 99, 1, 0, 0);
	assert_int_equal(budget_pool_left(f->p), BOARD_SLOTS);
}

/* Ten levels in ten shards: all move or none. */
static void test_levels_in_many_shards(void **state)
{
	struct fixture *f = *state;
	struct budget_level l[BOARD_LEVELS], reversed[BOARD_LEVELS];
	struct budget_claim a, b;

	for (uint32_t i = 0; i < BOARD_LEVELS; i++) {
		l[i] = (struct budget_level){ 100 - 7 * i, 0, 1000 + i };
		reversed[BOARD_LEVELS - 1 - i] = l[i];
	}
	l[4].max_nano = 500;
	assert_int_equal(admit(f, l, BOARD_LEVELS, 300, &a), 0);
	assert_int_equal(admit(f, l, BOARD_LEVELS, 201, &b), -EDQUOT);
	assert_int_equal(f->level, 4);
	assert_int_equal(f->left, 200);
	assert_int_equal(admit(f, reversed, BOARD_LEVELS, 701, &b), -EDQUOT);
	assert_int_equal(f->level, BOARD_LEVELS - 1);
	assert_int_equal(admit(f, reversed, BOARD_LEVELS, 700, &b), 0);
	assert_int_equal(budget_extend(f->p, &a, l, BOARD_LEVELS, 1), -EDQUOT);
	for (uint32_t i = 0; i < BOARD_LEVELS; i++)
		expect(f, l[i].entity, 0, 1000, 2);
	budget_settle(f->p, &b, 1);
	assert_int_equal(budget_extend(f->p, &a, l, BOARD_LEVELS, 9), 0);
	assert_int_equal(a.slot->reserve_nano, 309);
	for (uint32_t i = 0; i < BOARD_LEVELS; i++)
		expect(f, l[i].entity, 1, 309, 1);
	budget_settle(f->p, &a, 2);
	for (uint32_t i = 0; i < BOARD_LEVELS; i++)
		expect(f, l[i].entity, 3, 0, 0);
}

/* Dies with both shards locked and a proposal in each, before or behind the store that counts;
 * the shards are repaired one by one, the last first, or the other way round. */
static void test_a_proposal_counts_everywhere_or_nowhere(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < 4; round++) {
		bool has_happened = round & 1, from_behind = round & 2;
		struct board_slot *slot = &f->b.slots[3 * BOARD_SLOTS];
		pid_t pid = fork();
		int status;

		if (!pid) {
			for (unsigned i = 0; i < 2; i++) {
				struct board_shard *s = &f->b.shards[i];

				if (pthread_mutex_lock(&s->mutex))
					_exit(1);
				s->moves[0] = (struct board_move){ .entity = 64 + i, .parallel = 1,
								   .reserved = 100 };
				s->slot = 3 * BOARD_SLOTS;
				s->slot_state = SLOT_HELD;
				s->slot_reserve = 100;
				s->ticket = slot->step + 1;
				s->pending = 1;
			}
			slot->n_levels = 2;
			slot->level[0] = 64;
			slot->level[1] = 65;
			f->b.workers[3].slots_high = 1;
			slot->step += has_happened;
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		expect(f, 64 + from_behind, 0, has_happened ? 100 : 0, has_happened);
		expect(f, 64 + !from_behind, 0, has_happened ? 100 : 0, has_happened);
		assert_int_equal(slot->state, has_happened ? SLOT_HELD : SLOT_FREE);
		assert_int_equal(budget_settle_slot(&f->b, 3, 0, 0), 0);
		expect(f, 64, 0, 0, 0);
		expect(f, 65, 0, 0, 0);
	}
}

static void test_which_level_refuses(void **state)
{
	struct fixture *f = *state;
	const struct budget_level l[] = { { 1, 0, -1 }, { 2, 0, 500 }, { 3, 2, 10000 } };
	struct budget_claim a, b, c;

	join(f, l, 3);
	assert_int_equal(admit(f, l, 3, 501, &a), -EDQUOT);
	assert_int_equal(f->level, 1);
	assert_int_equal(f->left, 500);
	assert_int_equal(admit(f, l, 3, 10, &a), 0);
	assert_int_equal(admit(f, l, 3, 10, &b), 0);
	assert_int_equal(admit(f, l, 3, 10, &c), -EDQUOT);
	assert_int_equal(f->verdict, BUDGET_PARALLEL);
	assert_int_equal(f->level, 2);
	assert_int_equal(f->left, 0);
	/* the running ones may still grow */
	assert_int_equal(budget_extend(f->p, &a, l, 3, 480), 0);
	assert_int_equal(budget_extend(f->p, &a, l, 3, 1), -EDQUOT);
	assert_int_equal(a.slot->reserve_nano, 490);
	budget_settle(f->p, &a, 490);
	expect(f, 2, 490, 10, 1);
	budget_settle(f->p, &b, 10);
	expect(f, 1, 500, 0, 0);
	assert_int_equal(admit(f, l, 3, 0, &c), -EDQUOT);
	assert_int_equal(f->verdict, BUDGET_SPENT);
}

static void test_requests_that_cost_nothing(void **state)
{
	struct fixture *f = *state;
	const struct budget_level none = { 9, 0, 0 }, some = { 10, 0, 100 };
	struct budget_claim a, b;

	assert_int_equal(admit(f, &none, 1, 0, &a), -EDQUOT);
	assert_int_equal(admit(f, &some, 1, 100, &a), 0);
	assert_int_equal(admit(f, &some, 1, 0, &b), 0);
	budget_settle(f->p, &a, 100);
	budget_settle(f->p, &b, 0);
	assert_int_equal(admit(f, &some, 1, 0, &b), -EDQUOT);
}

static void test_the_masters_changes(void **state)
{
	struct fixture *f = *state;
	const struct budget_level l = { 64, 0, 1000 };
	struct budget_claim a;

	assert_int_equal(budget_set_settled(&f->b, 64, 990), 0);
	assert_int_equal(admit(f, &l, 1, 11, &a), -EDQUOT);
	assert_int_equal(admit(f, &l, 1, 10, &a), 0);
	assert_int_equal(budget_set_settled(&f->b, 64, 0), 0);
	expect(f, 64, 0, 10, 1);
	budget_settle(f->p, &a, 7);
	assert_int_equal(budget_add_settled(&f->b, 64, 5), 0);
	expect(f, 64, 12, 0, 0);
	assert_int_equal(budget_add_settled(&f->b, 64, -50), 0);
	expect(f, 64, 0, 0, 0);
	assert_int_equal(budget_add_settled(&f->b, 64, INT64_MAX), 0);
	assert_int_equal(budget_add_settled(&f->b, 64, INT64_MAX), 0);
	expect(f, 64, INT64_MAX, 0, 0);
	assert_int_equal(admit(f, &l, 1, INT64_MAX, &a), -EDQUOT);
	assert_int_equal(f->left, 0);
}

static void test_a_period_begins_once(void **state)
{
	struct fixture *f = *state;
	struct board_reset *note = &f->b.head->resets[3];
	const struct budget_level l = { 64, 0, 1000 };
	struct budget_claim a;

	assert_int_equal(budget_set_settled(&f->b, 64, 990), 0);
	assert_int_equal(admit(f, &l, 1, 10, &a), 0);
	*note = (struct board_reset){ .period_ns = 5, .taken = 980, .entity = 64 };
	assert_int_equal(budget_reset(&f->b, 3), 0);
	expect(f, 64, 10, 10, 1);
	assert_int_equal(note->period_ns, 0);
	assert_int_equal(budget_reset(&f->b, 3), 0);
	expect(f, 64, 10, 10, 1);
	budget_settle(f->p, &a, 7);
	expect(f, 64, 17, 0, 0);
	*note = (struct board_reset){ .period_ns = 5, .taken = INT64_MAX, .entity = 64 };
	assert_int_equal(budget_reset(&f->b, 3), 0);
	expect(f, 64, 0, 0, 0);
	/* what makes no sense does no harm */
	*note = (struct board_reset){ .period_ns = 5, .taken = -7, .entity = 64 };
	assert_int_equal(budget_reset(&f->b, 3), 0);
	expect(f, 64, 0, 0, 0);
	*note = (struct board_reset){ .period_ns = 5, .taken = 7, .entity = BOARD_ENTITIES };
	assert_int_equal(budget_reset(&f->b, 3), 0);
	assert_int_equal(note->period_ns, 0);
}

static void test_a_pool_runs_out(void **state)
{
	static struct budget_claim claims[BOARD_SLOTS];
	struct fixture *f = *state;
	const struct budget_level l = { 0, 0, -1 };
	struct budget_claim more;

	for (unsigned i = 0; i < BOARD_SLOTS; i++) {
		assert_int_equal(admit(f, &l, 1, 1, &claims[i]), 0);
		assert_int_equal(claims[i].number, i);
	}
	assert_int_equal(budget_pool_left(f->p), 0);
	assert_int_equal(admit(f, &l, 1, 1, &more), -ENOBUFS);
	budget_settle(f->p, &claims[77], 1);
	assert_int_equal(admit(f, &l, 1, 1, &more), 0);
	assert_int_equal(more.number, 77);
	assert_int_equal(f->b.workers[3].slots_high, BOARD_SLOTS);
	/* the worker dies; a successor must not use what the dead one holds */
	budget_pool_free(f->p);
	assert_int_equal(budget_settle_slot(&f->b, 3, 10, 1), 0);
	assert_int_equal(budget_settle_slot(&f->b, 3, 10, 1), 0);
	f->p = budget_pool_new(&f->b, 3);
	assert_int_equal(budget_pool_left(f->p), 1);
	assert_int_equal(admit(f, &l, 1, 1, &more), 0);
	assert_int_equal(more.number, 10);
	for (uint32_t i = 0; i < BOARD_SLOTS; i++)
		assert_int_equal(budget_settle_slot(&f->b, 3, i, 0), 0);
	expect(f, 0, 2, 0, 0);
}

static void wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* A process that dies in the middle of admitting 100 over entities 64 and 128 (shard 0): after
 * `done` of its four stores. */
static void die_in_a_step(struct fixture *f, unsigned done)
{
	struct board_shard *s = &f->b.shards[0];
	pid_t pid = fork();

	if (pid) {
		wait_for(pid);
		return;
	}
	if (pthread_mutex_lock(&s->mutex))
		_exit(1);
	struct board_slot *slot = &f->b.slots[3 * BOARD_SLOTS];

	slot->n_levels = 2;
	slot->level[0] = 64;
	slot->level[1] = 128;
	s->moves[0] = (struct board_move){ .entity = 64, .parallel = 1, .reserved = 100 };
	s->moves[1] = (struct board_move){ .entity = 128, .parallel = 1, .reserved = 100 };
	s->slot = 3 * BOARD_SLOTS;
	s->slot_state = SLOT_HELD;
	s->slot_reserve = 100;
	if (done > 0)
		s->pending = 2;
	if (done > 1)
		f->b.entities[64].reserved = 100;
	if (done > 2)
		f->b.entities[128].parallel = 1;
	if (done > 3)
		slot->state = SLOT_HELD;
	f->b.workers[3].slots_high = 1;
	_exit(0);
}

static void test_a_step_is_whole_wherever_it_was_cut(void **state)
{
	struct fixture *f = *state;
	struct board_shard *s = &f->b.shards[0];

	for (unsigned done = 0; done < 5; done++) {
		uint64_t repairs = s->repairs;

		die_in_a_step(f, done);
		assert_int_equal(budget_repair(&f->b), 0);
		assert_int_equal(s->repairs, repairs + 1);
		assert_int_equal(s->pending, 0);
		expect(f, 64, 0, done ? 100 : 0, done ? 1 : 0);
		expect(f, 128, 0, done ? 100 : 0, done ? 1 : 0);
		assert_int_equal(f->b.slots[3 * BOARD_SLOTS].state, done ? SLOT_HELD : SLOT_FREE);
		assert_int_equal(budget_settle_slot(&f->b, 3, 0, 0), 0);
		expect(f, 64, 0, 0, 0);
		expect(f, 128, 0, 0, 0);
	}
}

/* A worker finds the mutex of the dead, too, not only the master. */
static void test_a_worker_repairs(void **state)
{
	struct fixture *f = *state;
	const struct budget_level l[] = { { 64, 0, 150 }, { 128, 0, 1000 } };
	struct budget_pool *other = budget_pool_new(&f->b, 4);
	struct budget_claim c;

	die_in_a_step(f, 1);
	assert_int_equal(budget_admit(other, l, 2, 51, id, &c, &f->verdict, &f->level, &f->left),
			 -EDQUOT);
	assert_int_equal(f->left, 50);
	assert_int_equal(budget_admit(other, l, 2, 50, id, &c, &f->verdict, &f->level, &f->left),
			 0);
	assert_int_equal(budget_settle_slot(&f->b, 3, 0, 100), 0);
	budget_settle(other, &c, 50);
	expect(f, 64, 150, 0, 0);
	budget_pool_free(other);
}

static void test_a_stopped_holder_does_not_stop_the_master(void **state)
{
	struct fixture *f = *state;
	struct board_shard *s = &f->b.shards[0];
	pid_t pid = fork();
	uint64_t began;

	if (!pid) {
		if (pthread_mutex_lock(&s->mutex))
			_exit(1);
		f->b.head->ledger_rows = 1;
		pause();
		_exit(0);
	}
	while (!atomic_load(&f->b.head->ledger_rows))
		usleep(1000);
	began = clock_ns();
	assert_int_equal(budget_set_settled(&f->b, 64, 1), -EBUSY);
	assert_in_range(clock_ns() - began, BUDGET_LOCK_NS / 2, 20 * BUDGET_LOCK_NS);
	assert_int_equal(budget_set_settled(&f->b, 65, 1), 0);
	kill(pid, SIGKILL);
	wait_for(pid);
	assert_int_equal(budget_set_settled(&f->b, 64, 1), 0);
	expect(f, 64, 1, 0, 0);
}

/* What a worker gone mad may leave: the master neither fails nor shows less than nothing. */
static void test_a_scribbled_board(void **state)
{
	struct fixture *f = *state;
	int64_t settled, reserved;
	uint32_t parallel;

	for (uint32_t i = 0; i < 20000; i++) {
		struct board_shard *s = &f->b.shards[i % BOARD_SHARDS];
		struct board_slot *slot = &f->b.slots[3 * BOARD_SLOTS + i % 8];
		struct board_entity *e = &f->b.entities[i % 100];

		hash_random(s->moves, sizeof s->moves);
		s->slot = hash_random_below(2) ? hash_random_u64() : hash_random_below(9999999);
		hash_random(slot, sizeof *slot);
		slot->state = SLOT_HELD;
		if (i % 3)
			slot->n_levels = i % 7;
		for (unsigned k = 0; k < BOARD_LEVELS && i % 5; k++)
			slot->level[k] = (uint32_t)hash_random_below(100);
		hash_random(e, sizeof *e);
		assert_int_equal(budget_settle_slot(&f->b, 3, i % 8, (int64_t)hash_random_u64()),
				 0);
		assert_int_equal(slot->state, SLOT_FREE);
		budget_read(&f->b, i % 100, &settled, &reserved, &parallel);
		assert_int_equal(budget_add_settled(&f->b, i % 100, (int64_t)hash_random_u64()),
				 0);
		assert_true(e->settled >= 0);
	}
}

static void test_the_root_picks_the_shard(void **state)
{
	struct fixture *f = *state;
	const struct budget_level a[] = { { 1, 0, -1 }, { 7, 0, 100 } };
	const struct budget_level b[] = { { 2, 0, -1 }, { 7, 0, 100 } };
	struct budget_claim c, d;

	f->b.entities[1].root = f->b.entities[2].root = 7 + 1;
	assert_int_equal(admit(f, a, 2, 60, &c), 0);
	assert_int_equal(admit(f, b, 2, 60, &d), -EDQUOT);
	assert_int_equal(f->level, 1);
	assert_int_equal(admit(f, b, 2, 40, &d), 0);
	assert_int_equal(budget_add_settled(&f->b, 1, 5), 0);
	budget_settle(f->p, &c, 1);
	budget_settle(f->p, &d, 2);
	expect(f, 1, 6, 0, 0);
	expect(f, 2, 2, 0, 0);
	expect(f, 7, 3, 0, 0);
}

static void test_no_memory(void **state)
{
	struct fixture *f = *state;

	mem_fail_at(1);
	assert_null(budget_pool_new(&f->b, 1));
	mem_fail_at(0);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_reserve_then_settle),
		CASE(test_another_root),
		CASE(test_levels_in_many_shards),
		CASE(test_a_proposal_counts_everywhere_or_nowhere),
		CASE(test_which_level_refuses),
		CASE(test_requests_that_cost_nothing),
		CASE(test_the_masters_changes),
		CASE(test_a_period_begins_once),
		CASE(test_a_pool_runs_out),
		CASE(test_a_step_is_whole_wherever_it_was_cut),
		CASE(test_a_worker_repairs),
		CASE(test_a_stopped_holder_does_not_stop_the_master),
		CASE(test_a_scribbled_board),
		CASE(test_the_root_picks_the_shard),
		CASE(test_no_memory),
	};
#undef CASE

	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
