/* SPDX-License-Identifier: MIT
 * test_fair.c - who is next: shares, priorities, nobody starves, over one queue and over several
 * that share their turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/fair.h"
#include "common/mem.h"

enum { MOST = 4096, KEYS = 8 };

struct one {
	struct fair_entry entry;
	uint64_t key;
	uint32_t priority;
};
static struct one pool[MOST];
static unsigned used;
static uint64_t now;
static struct board_queue shared;
static uint64_t seed = 7;

static uint64_t draw(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return seed >> 33;
}

static struct fair begin(void)
{
	memset(&shared, 0, sizeof shared);
	used = 0;
	return (struct fair){ .shared = &shared };
}

static struct one *put_at(struct fair *f, uint64_t key, uint32_t priority, bool at_front)
{
	struct one *o = &pool[used++ % MOST];
	*o = (struct one){ .key = key, .priority = priority, .entry.since_ns = ++now };
	assert_int_equal(fair_put(f, &o->entry, key, priority, at_front), 0);
	return o;
}

static struct one *put(struct fair *f, uint64_t key, uint32_t priority)
{
	return put_at(f, key, priority, false);
}

static struct one *serve(struct fair *f)
{
	struct one *o = (struct one *)(void *)fair_next(f);
	assert_non_null(o);
	fair_serve(f, &o->entry);
	return o;
}

static void clear(struct fair *f)
{
	while (f->n)
		serve(f);
	assert_null(f->flows);
}

static void test_one_key_is_served_in_order(void **state)
{
	(void)state;
	struct fair f = begin();
	struct one *a = put(&f, 1, 0), *b = put(&f, 1, 0), *c = put_at(&f, 1, 0, true);
	assert_ptr_equal(serve(&f), c);
	assert_ptr_equal(serve(&f), a);
	assert_ptr_equal(serve(&f), b);
	assert_null(fair_next(&f));
	assert_int_equal(fair_head(&f), 0);
}

/* Each key that has something waiting gets its share, however many the others have. */
static void test_shares_are_equal(void **state)
{
	(void)state;
	struct fair f = begin();
	unsigned got[KEYS] = { 0 };
	for (unsigned k = 0; k < KEYS; k++)
		for (unsigned i = 0; i < 100u * (k + 1); i++)
			put(&f, 1000 + k, 0);
	for (unsigned i = 0; i < 80u * KEYS; i++)
		got[serve(&f)->key - 1000]++;
	for (unsigned k = 0; k < KEYS; k++)
		assert_in_range(got[k], 72, 92);	/* the oldest have a sixteenth */
	clear(&f);
}

/* A key that comes late, and asks little, is not behind those that flood. */
static void test_a_polite_key_beside_a_flood(void **state)
{
	(void)state;
	struct fair f = begin();
	for (unsigned i = 0; i < 1000; i++)
		put(&f, 1, 0);
	for (unsigned i = 0; i < 500; i++)
		serve(&f);
	for (unsigned round = 0; round < 100; round++) {
		struct one *o = put(&f, 2, 0);
		unsigned turns = 1;
		while (serve(&f) != o)
			turns++;
		assert_true(turns <= 3);
	}
	clear(&f);
}

/* Nobody saves up: a key that was away gets no more than its share when it is back. */
static void test_idle_time_is_no_credit(void **state)
{
	(void)state;
	struct fair f = begin();
	put(&f, 2, 0);
	serve(&f);
	for (unsigned i = 0; i < 300; i++) {
		put(&f, 1, 0);
		serve(&f);
	}
	unsigned twos = 0;
	for (unsigned i = 0; i < 100; i++)
		put(&f, 1, 0), put(&f, 2, 0);
	for (unsigned i = 0; i < 60; i++)
		twos += serve(&f)->key == 2;
	assert_in_range(twos, 26, 34);
	clear(&f);
}

static void test_priority_goes_first_and_nobody_starves(void **state)
{
	(void)state;
	struct fair f = begin();
	struct one *last = put(&f, 9, 100);
	unsigned turns = 0;
	for (unsigned i = 0; i < 8; i++)
		put(&f, 1, 0);
	struct one *got;
	do {
		put(&f, 1, 0);
		got = serve(&f);
		if (got != last)
			assert_int_equal(got->priority, 0);
		turns++;
	} while (got != last);
	assert_int_equal(turns, FAIR_OLDEST_EVERY);
	clear(&f);
	f = begin();
	put(&f, 1, 5), put(&f, 2, 3), put(&f, 3, 40000), put(&f, 4, 0);
	assert_int_equal(serve(&f)->key, 4);
	assert_int_equal(serve(&f)->key, 2);
	assert_int_equal(serve(&f)->key, 1);
	assert_int_equal(serve(&f)->key, 3);
}

static void test_rank_is_what_goes_before(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 200; n++) {
		struct fair f = begin();
		for (unsigned i = 0; i < 60; i++)
			put(&f, draw() % 5, (uint32_t)(draw() % 3));
		uint64_t key = draw() % 5;
		uint32_t priority = (uint32_t)(draw() % 3);
		unsigned told = fair_rank(&f, key, priority), before = 0;
		struct one *o = put(&f, key, priority);
		while (serve(&f) != o)
			before++;
		/* The places of the oldest, and one turn of each of the other keys, come on top. */
		assert_true(before <= told + 5 + (told + 5) / 8);
		assert_true(told <= before + 5 + before / 4);
		clear(&f);
	}
}

static void test_the_worst_goes(void **state)
{
	(void)state;
	struct fair f = begin();
	assert_null(fair_worst(&f, 1, 0));
	put(&f, 1, 0);
	assert_null(fair_worst(&f, 1, 0));		/* the newcomer itself */
	assert_null(fair_worst(&f, 2, 0));		/* no worse than it */
	put(&f, 1, 0);
	struct one *newest = put(&f, 1, 0);
	assert_ptr_equal(fair_worst(&f, 2, 0), &newest->entry);
	assert_null(fair_worst(&f, 1, 0));
	assert_null(fair_worst(&f, 2, 1));
	struct one *low = put(&f, 3, 9);
	assert_ptr_equal(fair_worst(&f, 1, 0), &low->entry);
	assert_ptr_equal(fair_worst(&f, 2, 0), &low->entry);
	clear(&f);
}

static void test_passed_over_for_a_round(void **state)
{
	(void)state;
	struct fair f = begin();
	struct one *a = put(&f, 1, 0), *b = put(&f, 2, 0);
	assert_ptr_equal(fair_next(&f), &a->entry);
	fair_pass(&f, &a->entry);
	assert_ptr_equal(fair_next(&f), &b->entry);
	fair_pass(&f, &b->entry);
	assert_null(fair_next(&f));
	fair_round(&f);
	assert_ptr_equal(fair_next(&f), &a->entry);
	clear(&f);
}

/* Two queues with their turns in common: one key in the first, two in the second. Who takes the
 * earlier head each time serves all three alike. */
static void test_turns_are_common(void **state)
{
	(void)state;
	struct fair f[2] = { begin(), begin() };
	unsigned got[4] = { 0 };
	for (unsigned i = 0; i < 600; i++) {
		put(&f[0], 1, 0);
		put(&f[1], 2 + i % 2, 0);
	}
	for (unsigned i = 0; i < 300; i++) {
		uint64_t a = fair_head(&f[0]), b = fair_head(&f[1]);
		got[serve(&f[a > b])->key]++;
	}
	for (unsigned k = 1; k < 4; k++)
		assert_in_range(got[k], 85, 115);
	clear(&f[0]);
	clear(&f[1]);
}

/* Random traffic, leavers and scribbled words: counts stay true, and everybody is served. */
static void test_at_random(void **state)
{
	(void)state;
	uint64_t live = mem_live();
	for (unsigned n = 0; n < 300; n++) {
		struct fair f = begin();
		struct one *in[128];
		unsigned have = 0;
		for (unsigned i = 0; i < 800; i++) {
			uint64_t d = draw() % 10;
			if (d < 5 && have < 128) {
				in[have++] = put(&f, draw() % 6, (uint32_t)(draw() % 4));
			} else if (d == 5 && have) {
				unsigned k = (unsigned)(draw() % have);
				fair_drop(&f, &in[k]->entry);
				in[k] = in[--have];
			} else if (d == 6) {
				atomic_store(&shared.next[draw() % BOARD_QUEUE_KEYS],
					     draw() << (draw() % 32));
				atomic_store(&shared.now, draw() << (draw() % 32));
			} else if (have) {
				struct one *o = serve(&f);
				unsigned k = 0;
				while (in[k] != o)
					k++;
				in[k] = in[--have];
			}
			assert_int_equal(f.n, have);
			assert_true(!have == !fair_head(&f));
		}
		clear(&f);
	}
	assert_int_equal(mem_live(), live);
}

static void test_no_memory(void **state)
{
	(void)state;
	struct fair f = begin();
	struct fair_entry e = { 0 };
	mem_fail_at(1);
	assert_true(fair_put(&f, &e, 1, 0, false) < 0);
	mem_fail_at(0);
	assert_null(e.flow);
	assert_int_equal(f.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_key_is_served_in_order),
		cmocka_unit_test(test_shares_are_equal),
		cmocka_unit_test(test_a_polite_key_beside_a_flood),
		cmocka_unit_test(test_idle_time_is_no_credit),
		cmocka_unit_test(test_priority_goes_first_and_nobody_starves),
		cmocka_unit_test(test_rank_is_what_goes_before),
		cmocka_unit_test(test_the_worst_goes),
		cmocka_unit_test(test_passed_over_for_a_round),
		cmocka_unit_test(test_turns_are_common),
		cmocka_unit_test(test_at_random),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
