/* SPDX-License-Identifier: MIT
 * test_blot.c - a secret in a stream is covered however the stream is cut, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "worker/exchange/blot.h"

static struct str feed(struct blot *b, struct str in)
{
	struct str out;
	assert_true(blot_feed(b, in, &out));
	return out;
}

/* All of it, fed in pieces that end at the bits of `cuts`. */
static void check(struct str secret, struct str text, struct str want, uint64_t cuts)
{
	struct blot b;
	struct buf all;
	size_t from = 0;
	blot_init(&b, secret);
	buf_init(&all, 4096);
	for (size_t i = 1; i <= text.n; i++)
		if (i == text.n || cuts >> (i - 1) & 1) {
			buf_put(&all, feed(&b, str_of(text.p + from, i - from)));
			from = i;
		}
	buf_put(&all, blot_end(&b));
	assert_int_equal(blot_end(&b).n, 0);
	blot_done(&b);
	if (!str_eq(buf_str(&all), want))
		fail_msg("cut by %#llx: " STR_FMT, (unsigned long long)cuts,
			 STR_ARG(buf_str(&all)));
	buf_done(&all);
}

static void check_all(struct str secret, struct str text, struct str want)
{
	srandom(7);
	check(secret, text, want, 0);
	check(secret, text, want, UINT64_MAX);
	for (unsigned i = 0; i < 63; i++)
		check(secret, text, want, UINT64_C(1) << i);
	for (unsigned i = 0; i < 2000; i++)
		check(secret, text, want, (uint64_t)random() << 31 ^ (uint64_t)random());
}

#define KEY "sk-0123456789abcdef"
#define STARS "*******************"

static void test_it_is_covered(void **state)
{
	(void)state;
	check_all(STR(KEY), STR("a " KEY " b"), STR("a " STARS " b"));
	check_all(STR(KEY), STR(KEY), STR(STARS));
	check_all(STR(KEY), STR(KEY KEY "x" KEY), STR(STARS STARS "x" STARS));
	check_all(STR(KEY), STR("sk-0sk-01" KEY "sk-"), STR("sk-0sk-01" STARS "sk-"));
}

static void test_what_only_begins_so_comes_through(void **state)
{
	(void)state;
	check_all(STR(KEY), STR("sk-0123456789abcde"), STR("sk-0123456789abcde"));
	check_all(STR(KEY), STR("sk-0123456789abcdX sk-0123"), STR("sk-0123456789abcdX sk-0123"));
	check_all(STR(KEY), STR("SK-0123456789ABCDEF"), STR("SK-0123456789ABCDEF"));
	check_all(STR(KEY), STR("sssssssk-0123"), STR("sssssssk-0123"));
}

/* One that repeats itself may begin within itself; and one of stars is found only once. */
static void test_odd_secrets(void **state)
{
	(void)state;
	check_all(STR("abababababababab"), STR("xabababababababababab"), STR("x****************abab"));
	check_all(STR("****************"), STR("a******************b"), STR("a******************b"));
}

static void test_a_short_one_may_be_a_word(void **state)
{
	(void)state;
	check_all(STR("0123456789abcde"), STR("0123456789abcde"), STR("0123456789abcde"));
	check_all(STR("0123456789abcdef"), STR("0123456789abcdef"), STR("****************"));
	check_all(STR_NONE, STR("anything"), STR("anything"));
}

static void test_nothing_is_copied_without_need(void **state)
{
	struct str text = STR("nothing of it is in here"), out;
	struct blot b;
	(void)state;
	blot_init(&b, STR(KEY));
	out = feed(&b, text);
	assert_ptr_equal(out.p, text.p);
	assert_int_equal(out.n, text.n);
	assert_null(b.room.p);
	assert_int_equal(feed(&b, STR("")).n, 0);
	assert_int_equal(feed(&b, STR("sk-")).n, 0);	/* held, also when nothing else comes */
	assert_int_equal(feed(&b, STR("")).n, 0);
	assert_true(str_eq(blot_end(&b), STR("sk-")));
	blot_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_covered),
		cmocka_unit_test(test_what_only_begins_so_comes_through),
		cmocka_unit_test(test_odd_secrets),
		cmocka_unit_test(test_a_short_one_may_be_a_word),
		cmocka_unit_test(test_nothing_is_copied_without_need),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
