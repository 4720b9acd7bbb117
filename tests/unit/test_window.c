/* SPDX-License-Identifier: MIT
 * test_window.c - limits in windows as a text: what is put in is read, a text that is none, or cut
 * anywhere, is read to its end and no further; and how much a use counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/window.h"

#define NOW (UINT64_C(1700000000) * NS_PER_S)

static const struct window_rule rules[] = {
	{ .factor_milli = 3000, .hours = WINDOW_ANY_HOUR, .model = { "gpt-4o", 6 } },
	{ .factor_milli = 500, .hours = 7, .model = { "gpt-*", 5 } },
	{ .factor_milli = 0, .hours = 7, .model = { "", 0 } },
};
static const struct window some[] = {
	{ .gate = { .kind = GATE_REQUESTS, .row = 9, .limit = 5, .span_ns = 5 * NS_PER_S,
		    .factor_milli = 1000 }, .name = { "", 0 } },
	{ .gate = { .kind = GATE_COST, .row = BOARD_WINDOWS - 1, .limit = UINT64_MAX,
		    .span_ns = UINT64_MAX, .factor_milli = 2000, .is_fixed = 1 },
	  .name = { "a-plan", 6 }, .n_rules = 3 },
	{ .gate = { .kind = GATE_OUTPUT, .row = 0, .limit = 1, .span_ns = NS_PER_S },
	  .name = { "12345678", 8 } },
};

static void put_some(struct buf *b)
{
	struct buf r;
	buf_init(b, 4096);
	buf_init(&r, 4096);
	for (size_t i = 0; i < COUNT(rules); i++)
		window_put_rule(&r, &rules[i]);
	for (size_t i = 0; i < COUNT(some); i++) {
		struct window w = some[i];
		w.rules = w.n_rules ? buf_str(&r) : STR_NONE;
		window_put(b, &w);
	}
	assert_false(b->failed || r.failed);
	buf_done(&r);
}

static void test_what_is_put_is_read(void **state)
{
	struct buf b;
	struct window w;
	struct window_rule rule;
	(void)state;
	put_some(&b);
	struct str rest = buf_str(&b);
	for (size_t i = 0; i < COUNT(some); i++) {
		assert_true(window_next(&rest, &w));
		assert_memory_equal(&w.gate, &some[i].gate, sizeof w.gate);
		assert_true(str_eq(w.name, some[i].name));
		assert_int_equal(w.n_rules, some[i].n_rules);
		for (size_t k = 0; k < w.n_rules; k++) {
			assert_true(window_rule_next(&w.rules, &rule));
			assert_int_equal(rule.factor_milli, rules[k].factor_milli);
			assert_int_equal(rule.hours, rules[k].hours);
			assert_true(str_eq(rule.model, rules[k].model));
		}
		assert_false(window_rule_next(&w.rules, &rule));
	}
	assert_false(window_next(&rest, &w));
	assert_int_equal(rest.n, 0);
	buf_done(&b);
}

static void read_within(const char *text, size_t n)
{
	struct str rest = str_of(text, n);
	struct window w;
	struct window_rule rule;
	while (window_next(&rest, &w)) {
		assert_true(w.name.p + w.name.n <= text + n && w.gate.row < BOARD_WINDOWS);
		assert_true(w.gate.span_ns >= NS_PER_S);
		while (window_rule_next(&w.rules, &rule))
			assert_true(rule.model.p + rule.model.n <= text + n);
	}
}

static void test_rubbish_is_read_within_bounds(void **state)
{
	struct buf b;
	char text[1024];
	(void)state;
	put_some(&b);
	assert_true(b.n < sizeof text - 1);
	for (size_t n = 0; n < b.n; n++) {		/* cut anywhere, and moved: no alignment */
		memcpy(text + 1, b.p, n);
		read_within(text + 1, n);
	}
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = hash_random_below(sizeof text);
		memset(text, 0, sizeof text);
		memcpy(text, b.p, n < b.n ? n : b.n);
		for (unsigned k = 0; k < 4; k++)
			text[hash_random_below(sizeof text)] = (char)hash_random_below(256);
		read_within(text, n);
	}
	buf_done(&b);
}

static void test_how_much_a_use_counts(void **state)
{
	struct board board;
	struct buf b;
	struct window w;
	int fd;
	(void)state;
	assert_int_equal(board_create(&board, &fd), 0);
	close(fd);
	put_some(&b);
	struct str rest = buf_str(&b);
	assert_true(window_next(&rest, &w));
	assert_int_equal(window_factor(&board, &w, STR("gpt-4o"), NOW), 1000);
	assert_true(window_next(&rest, &w));
	assert_int_equal(window_factor(&board, &w, STR("gpt-4o"), NOW), 3000);
	assert_int_equal(window_factor(&board, &w, STR("openai/gpt-4o"), NOW), 3000);
	assert_int_equal(window_factor(&board, &w, STR("gpt-5"), NOW), 2000);	/* closed */
	atomic_store(&board.gates[7].hours, 1);
	assert_int_equal(window_factor(&board, &w, STR("gpt-5"), NOW), 500);
	assert_int_equal(window_factor(&board, &w, STR("x/gpt-5"), NOW), 500);
	assert_int_equal(window_factor(&board, &w, STR("o3"), NOW), 0);
	buf_done(&b);
	board_unmap(&board);
}

/* What lies just beyond the board's rows: no window has that, and a rule with it has any hour. */
static void test_rows_that_are_none(void **state)
{
	struct window w = some[0];
	struct window_rule rule = { .factor_milli = 700, .hours = BOARD_GATES };
	struct board board;
	struct buf b, r;
	int fd;
	(void)state;
	assert_int_equal(board_create(&board, &fd), 0);
	close(fd);
	buf_init(&b, 4096);
	buf_init(&r, 4096);
	window_put_rule(&r, &rule);
	w.n_rules = 1;
	w.rules = buf_str(&r);
	assert_int_equal(window_factor(&board, &w, STR("m"), NOW), 700);
	w.gate.row = BOARD_WINDOWS;
	window_put(&b, &w);
	struct str rest = buf_str(&b);
	assert_false(window_next(&rest, &w));
	buf_done(&b);
	buf_done(&r);
	board_unmap(&board);
}

static void test_words(void **state)
{
	char text[24];
	(void)state;
	assert_string_equal(window_length(5 * 3600 * NS_PER_S, text), "5h");
	assert_string_equal(window_length(7 * 86400 * NS_PER_S, text), "7d");
	assert_string_equal(window_length(90 * NS_PER_S, text), "90s");
	assert_string_equal(window_length(120 * NS_PER_S, text), "2m");
	assert_string_equal(window_unit(GATE_REQUESTS), "requests");
	assert_string_equal(window_unit(GATE_INPUT), "input_tokens");
	assert_string_equal(window_unit(GATE_BUDGET), "");
	assert_string_equal(window_unit(GATE_KINDS), "");
}

/* How long an entry is with these; the same for what is padded to the same. */
static size_t length_of(struct window w)
{
	struct buf b;
	buf_init(&b, 4096);
	window_put(&b, &w);
	size_t n = b.n;
	buf_done(&b);
	return n;
}

static void test_the_longest_and_the_shortest(void **state)
{
	static char text[WINDOW_MODEL_MAX + 1];
	struct window w = some[0], got;
	struct window_rule rule = rules[0];
	struct buf b;
	(void)state;
	memset(text, 'm', sizeof text);
	size_t none = length_of(w);
	for (size_t n = 1; n <= 8; n++) {
		w.name = str_of(text, n);
		assert_int_equal(length_of(w), none + 8);
	}
	w.name = str_of(text, 9);
	assert_int_equal(length_of(w), none + 16);
	for (size_t more = 0; more < 2; more++) {
		buf_init(&b, 4096);
		rule.model = str_of(text, WINDOW_MODEL_MAX + more);
		window_put_rule(&b, &rule);
		struct str rest = buf_str(&b), cut = str_of(b.p, b.n - 1);
		assert_int_equal(window_rule_next(&rest, &rule), more == 0);
		assert_false(window_rule_next(&cut, &rule));
		buf_reset(&b);
		w = some[0];
		w.name = str_of(text, WINDOW_NAME_MAX + more);
		window_put(&b, &w);
		rest = buf_str(&b);
		assert_int_equal(window_next(&rest, &got), more == 0);
		buf_done(&b);
	}
	buf_init(&b, 4096);		/* nothing but its head, which is the last */
	w.name = STR("");
	window_put(&b, &w);
	struct str rest = buf_str(&b);
	assert_true(window_next(&rest, &got) && rest.n == 0);
	buf_reset(&b);
	w.gate.kind = GATE_KINDS;
	window_put(&b, &w);
	rest = buf_str(&b);
	assert_false(window_next(&rest, &got));
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_put_is_read),
		cmocka_unit_test(test_rubbish_is_read_within_bounds),
		cmocka_unit_test(test_how_much_a_use_counts),
		cmocka_unit_test(test_rows_that_are_none),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_the_longest_and_the_shortest),
	};
	if (hash_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
