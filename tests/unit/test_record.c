/* SPDX-License-Identifier: MIT
 * test_record.c - the ring of finished requests: nothing is lost but what a full one refuses, and
 * nothing that stands in it can lead its reader astray. And the header that names a trace. */
#include "common/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/check.h"
#include "worker/trace.h"

static struct record_ring *ring;

static int set_up(void **state)
{
	(void)state;
	ring = aligned_alloc(64, sizeof *ring);
	memset(ring, 0, sizeof *ring);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(ring);
	return 0;
}

static void write_one(unsigned i)
{
	char name[16];
	struct record *r = record_begin(ring);
	assert_non_null(r);
	snprintf(name, sizeof name, "call %u", i);
	r->input = i;
	record_put(r, RT_CALL_ID, str_z(name));
	record_put(r, RT_MODEL, STR("m"));
	record_commit(ring);
}

static void test_in_order_and_full(void **state)
{
	struct record got;
	char name[16];
	(void)state;
	assert_false(record_take(ring, &got));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < RECORDS; i++)
			write_one(i);
		assert_null(record_begin(ring));
		for (unsigned i = 0; i < RECORDS; i++) {
			assert_true(record_take(ring, &got));
			snprintf(name, sizeof name, "call %u", i);
			assert_int_equal(got.input, i);
			assert_true(str_eq_z(record_text(&got, RT_CALL_ID), name));
			assert_true(str_eq(record_text(&got, RT_MODEL), STR("m")));
			assert_int_equal(record_text(&got, RT_ALIAS).n, 0);
		}
		assert_false(record_take(ring, &got));
	}
}

/* Whoever begins and is killed leaves nothing behind. */
static void test_what_is_not_committed_is_not_there(void **state)
{
	struct record got;
	(void)state;
	assert_non_null(record_begin(ring));
	assert_false(record_take(ring, &got));
	write_one(7);
	assert_true(record_take(ring, &got) && got.input == 7);
}

static void test_texts_and_tags_are_cut_whole(void **state)
{
	static char large[RECORD_TEXT];
	const struct str tags[] = { STR("a"), { large, sizeof large }, STR("b\0c"), STR(""), STR("d") };
	struct record got, *r = record_begin(ring);
	(void)state;
	for (size_t i = 0; i + 1 < sizeof large; i += 2)
		memcpy(large + i, "\xc3\xa4", 2);
	record_put(r, RT_CALL_ID, str_of(large + 1, 400));	/* 255 bytes would cut a character */
	record_put_tags(r, tags, COUNT(tags));
	record_commit(ring);
	assert_true(record_take(ring, &got));
	assert_in_range(record_text(&got, RT_CALL_ID).n, 255, 256);
	assert_true(str_eq(record_tag(&got, 0), STR("a")));
	assert_true(str_eq(record_tag(&got, 1), STR("d")));
	assert_null(record_tag(&got, 2).p);
}

static void test_a_stranger_in_the_ring(void **state)
{
	struct record got;
	uint64_t seed = 1;
	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct record *r = record_begin(ring);
		assert_non_null(r);
		for (size_t i = 0; i < sizeof *r; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			((unsigned char *)r)[i] = (unsigned char)(seed >> 56);
		}
		record_commit(ring);
		assert_true(record_take(ring, &got));
		assert_in_range(got.n_attempts, 0, RECORD_ATTEMPTS);
		assert_true(got.end_ns >= got.start_ns && got.cost_nano >= 0);
		for (unsigned t = 0; t < RT_COUNT; t++) {
			struct str s = record_text(&got, (enum record_text)t);
			assert_true(s.p >= got.text && s.p + s.n <= got.text + RECORD_TEXT);
		}
		for (size_t i = 0; i < RECORD_TEXT + 1 && record_tag(&got, i).p; i++)
			assert_true(i < RECORD_TEXT);
	}
	atomic_store(&ring->head, UINT64_MAX);		/* no place to read from: it goes on behind */
	assert_false(record_take(ring, &got));
	assert_false(record_take(ring, &got));
}

#define ID "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void test_a_parent(void **state)
{
	static const struct {
		const char *text;
		bool is_one, is_sampled;
	} cases[] = {
		{ "00-" ID "-" SPAN "-01", true, true },
		{ "00-" ID "-" SPAN "-00", true, false },
		{ "00-" ID "-" SPAN "-03", true, true },
		{ "cc-" ID "-" SPAN "-01-what-comes", true, true },	/* of a later version */
		{ "00-" ID "-" SPAN "-01-more", false, false },
		{ "cc-" ID "-" SPAN "-01.more", false, false },
		{ "ff-" ID "-" SPAN "-01", false, false },
		{ "00-" ID "-0000000000000000-01", false, false },
		{ "00-00000000000000000000000000000000-" SPAN "-01", false, false },
		{ "00-" ID "-" SPAN "-0x", false, false },
		{ "00_" ID "-" SPAN "-01", false, false },
		{ "00-" ID "-" SPAN, false, false },
		{ "", false, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t id[16] = { 9 }, span[8] = { 9 };
		bool sampled = false;
		bool is_one = trace_read_parent(str_z(cases[i].text), id, span, &sampled);
		assert_int_equal(is_one, cases[i].is_one);
		assert_int_equal(sampled, cases[i].is_sampled);
		assert_int_equal(id[0], is_one ? 0x0a : 9);
		assert_int_equal(span[0], is_one ? 0xb7 : 9);
	}
	assert_false(trace_read_parent(STR_NONE, (uint8_t[16]){ 0 }, (uint8_t[8]){ 0 }, &(bool){ 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order_and_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_not_committed_is_not_there, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_texts_and_tags_are_cut_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stranger_in_the_ring, set_up, tear_down),
		cmocka_unit_test(test_a_parent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
