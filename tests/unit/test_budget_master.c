/* SPDX-License-Identifier: MIT
 * test_budget_master.c - what the master does about budgets: it gives up on a lock in time and has
 * then done nothing, leaves none locked, counts anew, and settles what a damaged board says. And
 * what of a request's slot is told to it; what no caller may ask. */
#include "budget_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/hash.h"

enum { OTHER = BOARD_WORKERS - 1 };

static struct board_slot *slot;		/* the first that WORKER uses */
static const uint8_t id[16] = "0123456789abcde";

static int set_up_slot(void **state)
{
	int err = set_up(state);
	slot = &b.slots[WORKER * BOARD_SLOTS];
	return err;
}

static struct budget_claim admit(struct budget_pool *p, const struct budget_level *l, uint32_t n,
				 int64_t nano)
{
	struct budget_claim c;
	enum budget_verdict verdict;
	uint32_t level;
	int64_t left;
	assert_int_equal(budget_admit(p, l, n, nano, id, &c, &verdict, &level, &left), 0);
	return c;
}

static void expect(uint32_t entity, int64_t settled, int64_t reserved, uint32_t parallel)
{
	int64_t s, r;
	uint32_t p;
	budget_read(&b, entity, &s, &r, &p);
	assert_int_equal(s, settled);
	assert_int_equal(r, reserved);
	assert_int_equal(p, parallel);
}

/* ---- a lock that is not to be had ---- */

static _Atomic int is_locked, may_go;

static void *hold(void *shard)
{
	struct board_shard *s = shard;
	if (pthread_mutex_lock(&s->mutex))
		return NULL;
	is_locked = 1;
	while (!may_go)
		usleep(100);
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

/* Somebody else has it, and the master's patience is over at once. */
static pthread_t lock_by_another(uint32_t shard)
{
	pthread_t t;
	is_locked = may_go = 0;
	assert_int_equal(pthread_create(&t, NULL, hold, &b.shards[shard]), 0);
	while (!is_locked)
		usleep(100);
	clock_set(1, 1);
	return t;
}

static void let_go(pthread_t t)
{
	clock_set(0, 0);
	may_go = 1;
	pthread_join(t, NULL);
	expect_all_free();
}

static void test_a_lock_that_is_not_to_be_had(void **state)
{
	(void)state;
	const struct budget_level l[] = { { 65, 0, -1 }, { 5, 0, -1 } };
	struct budget_claim c = admit(pool, l, 2, 100);
	struct board_reset *r = &b.head->resets[2];
	int64_t nano = 77;
	*r = (struct board_reset){ .period_ns = 5, .taken = 3, .entity = 65 };
	assert_int_equal(budget_set_settled(&b, 65, 10), 0);
	b.entities[65].parallel = 9;
	pthread_t t = lock_by_another(1);
	assert_int_equal(budget_settle_slot(&b, WORKER, 0, 1), -EBUSY);
	assert_int_equal(budget_set_settled(&b, 65, 1), -EBUSY);
	assert_int_equal(budget_add_settled(&b, 65, 1), -EBUSY);
	assert_int_equal(budget_reset(&b, 2), -EBUSY);
	assert_int_equal(budget_set_root(&b, 65, 7), -EBUSY);
	assert_false(budget_count_held(&b, 65, &nano));
	assert_int_equal(nano, 77);
	assert_int_equal(budget_repair(&b), -EBUSY);
	expect(65, 10, 100, 9);		/* read all the same, and nothing was done */
	assert_int_equal(b.entities[65].root, 0);
	assert_int_equal(slot->state, SLOT_HELD);
	assert_int_equal(r->period_ns, 5);
	/* What lies elsewhere goes on. */
	assert_int_equal(budget_add_settled(&b, 5, 1), 0);
	expect(5, 1, 100, 1);
	let_go(t);
	assert_int_equal(budget_repair(&b), 0);
	assert_int_equal(budget_settle_slot(&b, WORKER, 0, 1), 0);
	expect(65, 11, 0, 8);
	(void)c;
}

static void test_no_lock_is_kept(void **state)
{
	(void)state;
	const struct budget_level l[] = { { 64, 0, 100 }, { 5, 0, -1 } };
	struct budget_claim c = admit(pool, l, 2, 90);
	enum budget_verdict verdict;
	uint32_t level;
	int64_t left, nano;
	expect_all_free();
	assert_int_equal(budget_admit(pool, l, 2, 11, id, &c, &verdict, &level, &left), -EDQUOT);
	expect_all_free();
	assert_int_equal(budget_extend(pool, &c, l, 2, 11), -EDQUOT);
	expect_all_free();
	assert_int_equal(budget_extend(pool, &c, l, 2, 10), 0);
	expect_all_free();
	assert_int_equal(budget_add_settled(&b, 64, 0), 0);
	expect_all_free();
	assert_int_equal(budget_set_settled(&b, 64, 0), 0);
	expect_all_free();
	b.head->resets[1] = (struct board_reset){ .period_ns = 5, .entity = 64 };
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(budget_reset(&b, 1), 0);
		expect_all_free();
	}
	b.entities[64].reserved = 1;
	assert_true(budget_count_held(&b, 64, &nano));
	expect_all_free();
	expect(64, 0, 100, 1);
	expect_all_free();
	assert_int_equal(budget_settle_slot(&b, WORKER, 1, 0), 0);
	expect_all_free();
	budget_settle(pool, &c, 5);
	expect_all_free();
	assert_int_equal(budget_repair(&b), 0);
	expect_all_free();
	assert_int_equal(budget_set_root(&b, 64, 3), 0);
	expect_all_free();
	assert_int_equal(b.entities[64].root, 3);
	expect(64, 5, 0, 0);
}

/* ---- counting anew ---- */

static void test_what_is_held_is_counted(void **state)
{
	(void)state;
	const struct budget_level one[] = { { 64, 0, -1 } }, two[] = { { 5, 0, -1 }, { 64, 0, -1 } };
	struct budget_pool *other = budget_pool_new(&b, OTHER);
	struct budget_claim first = admit(pool, one, 1, 10), second = admit(pool, two, 2, 20);
	struct budget_claim third = admit(other, two, 2, 300);
	int64_t nano = 77;
	/* Well, and left alone. */
	assert_false(budget_count_held(&b, 64, &nano));
	assert_false(budget_count_held(&b, 5, &nano));
	assert_false(budget_count_held(&b, 6, &nano));
	assert_int_equal(nano, 77);
	/* Too much, too little, or of requests alone. */
	b.entities[64].reserved = 1000;
	assert_true(budget_count_held(&b, 64, &nano));
	assert_int_equal(nano, -670);
	expect(64, 0, 330, 3);
	b.entities[5].reserved = 0;
	b.entities[5].settled = 8;
	assert_true(budget_count_held(&b, 5, &nano));
	assert_int_equal(nano, 320);
	expect(5, 8, 320, 2);
	b.entities[64].parallel = 0;
	assert_true(budget_count_held(&b, 64, &nano));
	assert_int_equal(nano, 0);
	expect(64, 0, 330, 3);
	/* A slot beyond those that were used, and one that is free, hold nothing. */
	b.slots[WORKER * BOARD_SLOTS + 2] = (struct board_slot){
		.state = SLOT_HELD, .n_levels = 1, .level = { 64 }, .reserve_nano = 5 };
	budget_settle(pool, &first, 1);
	assert_false(budget_count_held(&b, 64, &nano));
	expect(64, 1, 320, 2);
	b.workers[WORKER].slots_high = 3;
	assert_true(budget_count_held(&b, 64, &nano));
	assert_int_equal(nano, 5);
	expect(64, 1, 325, 3);
	budget_settle(pool, &second, 0);
	budget_settle(other, &third, 0);
	expect(64, 1, 5, 1);
	budget_pool_free(other);
}

/* Of what a damaged board says as much is counted as there is. */
static void test_a_damaged_board_is_counted(void **state)
{
	(void)state;
	int64_t nano = 0;
	for (uint32_t i = 0; i < 2; i++)
		b.slots[i] = (struct board_slot){ .state = SLOT_HELD, .n_levels = UINT32_MAX,
						  .reserve_nano = INT64_MAX };
	b.slots[0].level[BOARD_LEVELS - 1] = 64;
	memcpy(b.slots[0].request_id, (uint32_t[]){ 65 }, sizeof(uint32_t));	/* right behind */
	b.slots[1].level[0] = 64;
	b.workers[0].slots_high = UINT32_MAX;
	assert_true(budget_count_held(&b, 64, &nano));
	assert_int_equal(b.entities[64].reserved, INT64_MAX);
	assert_int_equal(b.entities[64].parallel, 2);
	assert_false(budget_count_held(&b, 65, &nano));
	b.slots[0].reserve_nano = b.slots[1].reserve_nano = -5;
	assert_true(budget_count_held(&b, 64, &nano));
	assert_int_equal(b.entities[64].reserved, 0);
	assert_int_equal(nano, -INT64_MAX);
}

/* ---- slots ---- */

/* Whoever settles it after a kill goes by this: nothing of the request before stays. */
static void test_a_slot_begins_anew(void **state)
{
	(void)state;
	const struct budget_level l[] = { { 64, 0, -1 }, { 5, 0, -1 } };
	slot->running_nano = slot->reserve_nano = 1;
	slot->dispatched = slot->tokens_in = slot->tokens_out = slot->endpoint = slot->team = 1;
	slot->key_id = slot->start_wall_ns = 1;
	slot->deployment = 1;
	slot->n_levels = 9;
	struct budget_claim c = admit(pool, l, 2, 100);
	assert_ptr_equal(c.slot, slot);
	assert_int_equal(slot->running_nano, 0);
	assert_int_equal(slot->reserve_nano, 100);
	assert_int_equal(slot->dispatched | slot->tokens_in | slot->tokens_out, 0);
	assert_int_equal(slot->endpoint | slot->team, 0);
	assert_int_equal(slot->key_id | slot->start_wall_ns | slot->deployment, 0);
	assert_int_equal(slot->n_levels, 2);
	assert_int_equal(slot->level[0], 64);
	assert_int_equal(slot->level[1], 5);
	assert_int_equal(c.worker, WORKER);
	assert_int_equal(c.number, 0);
	assert_int_equal(c.reserve_nano, 100);
	assert_int_equal(c.n_levels, 2);
	assert_memory_equal(c.level, slot->level, 2 * sizeof c.level[0]);
	budget_settle(pool, &c, 1);
	assert_int_equal(slot->reserve_nano, 0);
	assert_int_equal(slot->state, SLOT_FREE);
	assert_int_equal(c.number | c.worker | c.n_levels, 0);
}

static void test_how_many_slots_were_used(void **state)
{
	(void)state;
	const struct budget_level l[] = { { 64, 0, -1 } };
	struct budget_claim c[3];
	for (uint32_t i = 0; i < 3; i++) {
		c[i] = admit(pool, l, 1, 1);
		assert_int_equal(b.workers[WORKER].slots_high, i + 1);
	}
	budget_settle(pool, &c[0], 0);
	c[0] = admit(pool, l, 1, 1);
	assert_int_equal(b.workers[WORKER].slots_high, 3);
	/* A successor leaves alone what is held, as far as slots were used. */
	b.slots[WORKER * BOARD_SLOTS + 7].state = SLOT_HELD;
	budget_settle(pool, &c[1], 0);
	budget_pool_free(pool);
	pool = budget_pool_new(&b, WORKER);
	assert_int_equal(budget_pool_left(pool), BOARD_SLOTS - 2);
	c[1] = admit(pool, l, 1, 1);
	assert_int_equal(c[1].number, 1);
}

/* A worker's amounts, which are its own, and those on the board, which may be anything. */
static void test_amounts_below_nothing(void **state)
{
	(void)state;
	const struct budget_level l[] = { { 64, 0, -1 } };
	struct budget_claim c = admit(pool, l, 1, 100);
	budget_settle(pool, &c, -5);
	expect(64, 0, 0, 0);
	c = admit(pool, l, 1, 100);
	slot->reserve_nano = -50;
	assert_int_equal(budget_settle_slot(&b, WORKER, 0, 3), 0);
	expect(64, 3, 100, 0);
	slot->state = SLOT_HELD;
	slot->reserve_nano = 101;		/* more than there is */
	assert_int_equal(budget_settle_slot(&b, WORKER, 0, 0), 0);
	expect(64, 3, 0, 0);
	assert_int_equal(budget_set_settled(&b, 64, -7), 0);
	expect(64, 0, 0, 0);
	assert_int_equal(budget_set_settled(&b, 64, INT64_MAX), 0);
	assert_int_equal(budget_add_settled(&b, 64, INT64_MIN), 0);
	expect(64, 0, 0, 0);
	assert_int_equal(budget_add_settled(&b, 64, INT64_MIN), 0);
	expect(64, 0, 0, 0);
}

static void put_slot(uint32_t n, uint32_t last)
{
	slot->state = SLOT_HELD;
	slot->n_levels = n;
	slot->reserve_nano = 10;
	for (uint32_t i = 0; i < BOARD_LEVELS; i++) {
		slot->level[i] = 200 + i;
		b.entities[200 + i].reserved = 10;
		b.entities[200 + i].settled = 0;
		b.entities[200 + i].parallel = 1;
	}
	if (n && n <= BOARD_LEVELS)
		slot->level[n - 1] = last;
}

static void test_slots_of_the_dead(void **state)
{
	(void)state;
	/* As many levels as there may be. */
	put_slot(BOARD_LEVELS, 200 + BOARD_LEVELS - 1);
	assert_int_equal(budget_settle_slot(&b, WORKER, 0, 7), 0);
	for (uint32_t i = 0; i < BOARD_LEVELS; i++)
		expect(200 + i, 7, 0, 0);
	assert_int_equal(slot->state, SLOT_FREE);
	/* Of whose money nobody knows: it is nobody's. */
	static const struct { uint32_t n, last; } damaged[] = {
		{ 0, 0 }, { BOARD_LEVELS + 1, 0 }, { 1, BOARD_ENTITIES }, { 3, BOARD_ENTITIES }, { 2, UINT32_MAX } };
	for (size_t i = 0; i < COUNT(damaged); i++) {
		put_slot(damaged[i].n, damaged[i].last);
		assert_int_equal(budget_settle_slot(&b, WORKER, 0, 7), 0);
		assert_int_equal(slot->state, SLOT_FREE);
		for (uint32_t k = 0; k < BOARD_LEVELS; k++)
			expect(200 + k, 0, 10, 1);
	}
	/* What is not held is left alone. */
	put_slot(1, 200);
	slot->state = SLOT_FREE;
	assert_int_equal(budget_settle_slot(&b, WORKER, 0, 7), 0);
	expect(200, 0, 10, 1);
	assert_int_equal(slot->reserve_nano, 10);
}

/* ---- what no caller may ask ---- */

static struct budget_claim held;
static struct budget_level many[BOARD_LEVELS + 1];

static int try_admit(struct budget_pool *p, const struct budget_level *l, uint32_t n, int64_t nano)
{
	struct budget_claim c;
	enum budget_verdict verdict;
	uint32_t level;
	int64_t left;
	return budget_admit(p, l, n, nano, id, &c, &verdict, &level, &left);
}

static int ask_what_may_not_be(unsigned what)
{
	static const struct budget_level l = { 64, 0, -1 }, out = { BOARD_ENTITIES, 0, -1 },
					 other = { 65, 0, -1 };
	static const struct budget_level pair[] = { { 64, 0, -1 }, { 65, 0, -1 } };
	struct budget_claim none = { 0 };
	int64_t x;
	uint32_t y;
	switch (what) {
	case 0: return try_admit(pool, &l, 0, 1);
	case 1: return try_admit(pool, many, BOARD_LEVELS + 1, 1);
	case 2: return try_admit(pool, &out, 1, 1);
	case 3: return try_admit(pool, &l, 1, -1);
	case 4: return budget_extend(pool, &held, &l, 1, -1);
	case 5: return budget_extend(pool, &none, &l, 1, 1);
	case 6: return budget_extend(pool, &held, pair, 2, 1);
	case 7: return budget_extend(pool, &held, &other, 1, 1);
	case 8: return budget_settle_slot(&b, BOARD_WORKERS, 0, 1);
	case 9: return budget_settle_slot(&b, 0, BOARD_SLOTS, 1);
	case 10: return budget_set_settled(&b, BOARD_ENTITIES, 1);
	case 11: return budget_add_settled(&b, BOARD_ENTITIES, 1);
	case 12: return budget_set_root(&b, BOARD_ENTITIES, 1);
	case 13: return budget_reset(&b, BOARD_RESETS);
	case 14: return budget_count_held(&b, BOARD_ENTITIES, &x);
	case 15: budget_read(&b, BOARD_ENTITIES, &x, &x, &y); return 0;
	case 16: return budget_pool_new(&b, BOARD_WORKERS) != NULL;
	case 17: budget_settle(pool, &none, 1); return 0;
	case 18: held.worker++; budget_settle(pool, &held, 1); return 0;
	case 19: budget_settle(pool, &held, 1); held.slot = slot; held.worker = WORKER;
		 budget_settle(pool, &held, 1); return 0;	/* more slots than there are */
	default: return -1;
	}
}

static void test_what_no_caller_may_ask(void **state)
{
	(void)state;
	static const struct budget_level l = { 64, 0, -1 };
	held = admit(pool, &l, 1, 5);
	for (uint32_t i = 0; i <= BOARD_LEVELS; i++)
		many[i] = (struct budget_level){ 100 + i, 0, -1 };
	for (unsigned i = 0; i < 20; i++) {
		int status;
		pid_t pid = fork();
		if (!pid) {
			signal(SIGABRT, SIG_DFL);
			dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
			_exit(ask_what_may_not_be(i) == 12345);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
			fail_msg("%u: status %x", i, (unsigned)status);
	}
	/* The last of each kind may be asked for. */
	assert_int_equal(budget_settle_slot(&b, BOARD_WORKERS - 1, BOARD_SLOTS - 1, 1), 0);
	assert_int_equal(budget_set_settled(&b, BOARD_ENTITIES - 1, 1), 0);
	assert_int_equal(try_admit(pool, many, BOARD_LEVELS, 0), 0);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, set_up_slot, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_a_lock_that_is_not_to_be_had),
		CASE(test_no_lock_is_kept),
		CASE(test_what_is_held_is_counted),
		CASE(test_a_damaged_board_is_counted),
		CASE(test_a_slot_begins_anew),
		CASE(test_how_many_slots_were_used),
		CASE(test_amounts_below_nothing),
		CASE(test_slots_of_the_dead),
		CASE(test_what_no_caller_may_ask),
	};
#undef CASE
	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
