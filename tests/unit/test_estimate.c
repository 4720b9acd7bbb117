/* SPDX-License-Identifier: MIT
 * test_estimate.c - token estimates: each rule by a sum made by hand from the published weights,
 * random strings by their own rates, and the bound that must hold whatever the text is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/hash.h"
#include "worker/llm.h"

/* Thousandths of a token. */
static const struct {
	const char *text;
	uint64_t milli;
} sums[] = {
	{ "", 0 },
	{ "a", 1024 },
	{ "hello world", 2 * 1024 },
	{ "helloWorld", 2 * 1024 },		/* a lower letter before an upper one ends a word */
	{ "HTTPServer", 1024 + 3 * 108 },	/* the other way round it does not */
	{ "antidisestablishment", 1024 + 13 * 108 },
	{ "7", 2033 },
	{ "123", 2033 },
	{ "1234", 2 * 2033 },
	{ "a1b22", 1024 + 2033 + 1024 + 2033 },
	{ ".", 491 },
	{ "...", 491 + 2 * 137 },
	{ "a.b", 1024 + 491 + 1024 },
	{ " ", 0 },
	{ "    ", 91 },
	{ "\n", 1684 },
	{ "\n\n\t", 1684 },
	{ "\n    x", 1684 + 91 + 1024 },
	{ "a, b", 1024 + 491 + 1024 },
	{ "\xe4\xb8\xad\xe6\x96\x87", 2 * 690 },				/* two ideographs */
	{ "\xe3\x81\x82\xe6\xbc\xa2", 2 * 770 },				/* a kana makes the ideograph Japanese */
	{ "\xed\x95\x9c\xea\xb8\x80", 2 * 650 },				/* Hangul */
	{ "\xd0\xb4\xd0\xb0", 2 * 210 },					/* Cyrillic */
	{ "\xd8\xb3", 310 },							/* Arabic */
	{ "\xe0\xa4\xb9", 320 },						/* Devanagari */
	{ "\xce\xb1", 280 },							/* Greek */
	{ "\xd7\x90", 380 },							/* Hebrew */
	{ "\xe0\xb8\x81", 430 },						/* Thai */
	{ "\xc3\xa4", 1024 + 400 },						/* an accented letter is a word ... */
	{ "gr\xc3\xbc\xc3\x9f", 1024 + 2 * 400 },				/* ... or belongs to one */
	{ "\xe2\x80\x94", 1200 },						/* a dash */
	{ "\xf0\x9f\x98\x80", 2000 },						/* an emoji */
	{ "\xe1\x82\xa0", 1000 },						/* any other script */
	{ "\xff", 1000 },							/* no UTF-8 */
};

static void test_sums(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sums); i++) {
		uint64_t milli = estimate_tokens_milli(str_z(sums[i].text));
		uint64_t most = 1000 * strlen(sums[i].text);	/* no byte is two tokens */
		uint64_t want = sums[i].milli < most ? sums[i].milli : most;
		if (milli != want)
			print_error("<%s> is %llu, not %llu\n", sums[i].text, (unsigned long long)milli,
				    (unsigned long long)want);
		assert_int_equal(milli, want);
	}
}

/* --- what is no language --- */

static struct str random_text(char *out, size_t n, const char *alphabet)
{
	size_t letters = strlen(alphabet);
	uint64_t x = 1;
	for (size_t i = 0; i < n; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		out[i] = alphabet[(x >> 33) % letters];
	}
	return str_of(out, n);
}

#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

static void test_random_strings_go_by_the_character(void **state)
{
	char out[1000], uuids[1000];
	(void)state;
	assert_int_equal(estimate_tokens_milli(random_text(out, 1000, BASE64)), 690 * 1000);
	assert_int_equal(estimate_tokens_milli(random_text(out, 1000, "0123456789abcdef")), 570 * 1000);
	assert_int_equal(estimate_tokens_milli(random_text(out, 1000, "0123456789ABCDEF")), 570 * 1000);
	assert_int_equal(estimate_tokens_milli(random_text(out, 1000, "0123456789")), 334 * 1000);
	random_text(uuids, 1000, "0123456789abcdef");
	for (size_t i = 0; i < 1000; i++)
		if (i % 9 == 8)
			uuids[i] = '-';
	assert_int_equal(estimate_tokens_milli(str_of(uuids, 1000)), 640 * 1000);
	/* between words it counts the same, and the words beside it too */
	random_text(out, 1000, BASE64);
	memcpy(out, "see ", 4);
	memcpy(out + 990, " and more ", 10);
	assert_int_equal(estimate_tokens_milli(str_of(out, 1000)), 1024 + 690 * 986 + 2 * 1024);
}

static void test_long_language_is_not_random(void **state)
{
	(void)state;
	struct str path = STR("/usr/share/documentation/libraries/development/examples/programs/network/servers/"
			      "asynchronous/connections/handling/readme/introduction");
	struct str words = STR("a_name_that_somebody_made_from_very_many_words_because_nothing_else_was_clear_enough_"
			       "to_say_what_it_was_that_the_function_did");
	assert_true(path.n > 100 && words.n > 100);
	assert_true(estimate_tokens_milli(path) < 690 * path.n / 2);
	assert_true(estimate_tokens_milli(words) < 690 * words.n / 2);
	/* 100 characters are not enough to tell */
	char out[128];
	struct str hex = random_text(out, 100, "0123456789abcdef");
	assert_int_not_equal(estimate_tokens_milli(hex), 570 * 100);
}

/* Many characters are counted at once, but not beside a key: both ways give the same. */
static void test_beside_a_key(void **state)
{
	static const char *const alphabets[] = { "abc XY", "ab  , (-\n9", "abcdefghijklmnop ",
						 "a0.\t Z_", "abcdefgh1234567 \xc3\xa4," };
	char out[700];
	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		size_t n = 1 + i * 7 % 500;
		random_text(out, 700, alphabets[i % COUNT(alphabets)]);
		memmove(out, out + i % 150, n);
		out[n - 1] = 'x';
		uint64_t alone = estimate_tokens_milli(str_of(out, n));
		if (alone == 1000 * n)
			continue;		/* cut to a token a byte */
		out[n] = '\n';
		memset(out + n + 1, '7', 101);
		assert_int_equal(estimate_tokens_milli(str_of(out, n + 102)),
				 alone + 1684 + 334 * 101);
	}
}

/* --- prompts --- */

#define TEXT_OF(t) { (t), sizeof(t) - 1 }

static void test_prompts(void **state)
{
	(void)state;
	struct llm_part text = { .kind = PART_TEXT, .text = TEXT_OF("hello world") };
	struct llm_message user = { .role = ROLE_USER, .parts = &text };
	struct llm_request q = { .kind = LLM_CHAT, .messages = &user, .n_messages = 1, .prompt_bytes = 11 };
	assert_int_equal(estimate_prompt(&q), 9);	/* 3 + 2.048 + 3, rounded up */
	user.name = (struct str)TEXT_OF("bob");
	assert_int_equal(estimate_prompt(&q), 11);
	uint64_t before = estimate_prompt(&q);
	struct llm_part image = { .kind = PART_IMAGE, .url = TEXT_OF("https://x"), .detail = TEXT_OF("low") };
	text.next = &image;
	assert_int_equal(estimate_prompt(&q), before + 85);
	image.detail = (struct str){ NULL, 0 };
	assert_int_equal(estimate_prompt(&q), before + 765);
	struct llm_tool tool = { .name = TEXT_OF("f"), .schema = TEXT_OF("{}") };
	q.tools = &tool;
	assert_in_range(estimate_prompt(&q), before + 765 + 17, before + 765 + 20);
	assert_true(estimate_prompt_worst(&q) > 48169);
	struct str inputs[] = { TEXT_OF("[1,2,3]"), TEXT_OF("[4]") };
	struct llm_request e = { .kind = LLM_EMBED, .inputs = inputs, .n_inputs = 2, .inputs_are_tokens = true,
				 .prompt_bytes = 4 };
	assert_int_equal(estimate_prompt(&e), 4);
	assert_true(estimate_prompt_worst(&e) >= 4);
}

/* The bound is above the estimate, for any text there is. */
static void test_the_worst_is_worse(void **state)
{
	static const char *const alphabets[] = { BASE64, "a ", " \n", ".,;", "0123456789", "\xc3\xa4", "a.1\n", "\xff\xfe" };
	char out[600];
	(void)state;
	for (size_t i = 0; i < COUNT(alphabets); i++) {
		for (size_t n = 0; n <= sizeof out; n += 7) {
			struct llm_part text = { .kind = PART_TEXT, .text = random_text(out, n, alphabets[i]) };
			struct llm_message user = { .role = ROLE_USER, .parts = &text };
			struct llm_request q = { .kind = LLM_CHAT, .messages = &user, .prompt_bytes = n };
			assert_true(estimate_prompt(&q) <= estimate_prompt_worst(&q));
		}
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Twice the text takes twice the time. */
static void test_time_is_linear(void **state)
{
	enum { SIZE = 4 << 20 };
	char *text = malloc(SIZE);
	(void)state;
	assert_non_null(text);
	random_text(text, SIZE, BASE64 "     ....\n");
	uint64_t start = cpu_ns();
	estimate_tokens_milli(str_of(text, SIZE));
	uint64_t took = cpu_ns() - start;
	memset(text, 'a', SIZE);
	estimate_tokens_milli(str_of(text, SIZE));
	memset(text, '-', SIZE);
	estimate_tokens_milli(str_of(text, SIZE));
	assert_true(took < 4000u * 1000 * 1000);
	assert_true(cpu_ns() - start < 12000u * 1000 * 1000ull);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_random_strings_go_by_the_character),
		cmocka_unit_test(test_long_language_is_not_random),
		cmocka_unit_test(test_beside_a_key),
		cmocka_unit_test(test_prompts),
		cmocka_unit_test(test_the_worst_is_worse),
		cmocka_unit_test(test_time_is_linear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
