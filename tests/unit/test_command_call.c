/* SPDX-License-Identifier: MIT
 * test_command_call.c - arguments of any shape, one answer each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "common/mem.h"
#include "master/commands.h"

/* ---- a table of our own ---- */

static int ran, got;
static uint64_t number;
static int64_t money;
static bool flag;
static struct str text;

static void run_u64(struct command_call *c)
{
	ran++;
	got = command_u64(c, "v", &number);
	if (got != -EINVAL)
		command_finish(c);
}

static void run_money(struct command_call *c)
{
	ran++;
	got = command_money(c, "v", &money);
	if (got != -EINVAL)
		command_finish(c);
}

static void run_bool(struct command_call *c)
{
	ran++;
	got = command_bool(c, "v", &flag);
	if (got != -EINVAL)
		command_finish(c);
}

static char kept[64];

static void run_str(struct command_call *c)
{
	ran++;
	got = command_str(c, "v", &text);
	if (got == 0)
		snprintf(kept, sizeof kept, STR_FMT, STR_ARG(text));
	if (got != -EINVAL)
		command_finish(c);
}

static void run_large(struct command_call *c)
{
	struct str piece = str_of("                                ", 32);
	for (int i = 0; i < (33 << 20) / 32; i++)
		buf_put(&c->out, piece);
	command_finish(c);
}

static const struct command_arg needs_v[] = { { "v", ARG_STRING, ARG_REQUIRED, "" }, { 0 } };
enum { U64, DOLLARS, BOOLEAN, TEXT, LARGE, NO_HTTP };
const struct command commands[] = {
	[U64] = { "n get", "GET", "/n", ROLE_ANY_KEY, 0, run_u64, NULL, NULL, NULL, "", "" },
	[DOLLARS] = { "n set", "POST", "/n", ROLE_ADMIN, 0, run_money, NULL, NULL, NULL, "", "" },
	[BOOLEAN] = { "b", "POST", "/b", ROLE_VIEW, 0, run_bool, NULL, NULL, NULL, "", "" },
	[TEXT] = { "t", "POST", "/t", ROLE_ANY_KEY, 0, run_str, needs_v, NULL, NULL, "", "" },
	[LARGE] = { "l", "POST", "/l", ROLE_ANY_KEY, 0, run_large, NULL, NULL, NULL, "", "" },
	[NO_HTTP] = { "x", "POST", "/x", ROLE_ANY_KEY, CMD_NO_HTTP, run_str, NULL, NULL, NULL, "",
		      "" },
};
const size_t commands_count = COUNT(commands);

static int answers, status;
static char answer[512];

static void on_answer(struct command_call *c)
{
	answers++;
	status = c->status;
	snprintf(answer, sizeof answer, STR_FMT,
		 STR_ARG(str_of(c->out.p, c->out.n < 500 ? c->out.n : 500)));
	assert_ptr_equal(c->answer_data, &answers);
}

enum { STRANGER, VIEWER, ADMIN };

static void call_as(int who, int command, const char *args)
{
	struct command_call *c = command_new(NULL, &commands[command], str_z(args), on_answer,
					     &answers);
	assert_non_null(c);
	answers = ran = status = 0;
	got = 1;
	c->is_admin = who == ADMIN;
	c->is_viewer = who == VIEWER;
	command_run(c);
	assert_int_equal(answers, 1);
}

static void call(int command, const char *args)
{
	call_as(ADMIN, command, args);
}

static void expect_refusal(int wanted, const char *words)
{
	assert_int_equal(status, wanted);
	if (!strstr(answer, words))
		fail_msg("%s does not say %s", answer, words);
	assert_non_null(strstr(answer, "{\"error\":{\"message\":\""));
}

/* ---- finding ---- */

static void test_words(void **st)
{
	(void)st;
	assert_ptr_equal(command_by_words(STR("n set")), &commands[DOLLARS]);
	assert_null(command_by_words(STR("n")));
	assert_null(command_by_words(STR("n set ")));
	assert_null(command_by_words(STR("")));
}

static void test_paths(void **st)
{
	bool other;
	(void)st;
	assert_ptr_equal(command_by_path(STR("GET"), STR("/n"), &other), &commands[U64]);
	assert_false(other);
	assert_ptr_equal(command_by_path(STR("POST"), STR("/n"), &other), &commands[DOLLARS]);
	assert_false(other);
	assert_null(command_by_path(STR("PUT"), STR("/n"), &other));
	assert_true(other);
	assert_null(command_by_path(STR("GET"), STR("/n/"), &other));
	assert_false(other);
	assert_null(command_by_path(STR("POST"), STR("/x"), &other));
	assert_false(other);
}

/* ---- arguments ---- */

static void test_numbers(void **st)
{
	static const struct {
		const char *args;
		int err;
		uint64_t v;
	} rows[] = {
		{ "{\"v\":0}", 0, 0 }, { "{\"v\":42}", 0, 42 }, { "{\"v\":\"42\"}", 0, 42 },
		{ "{\"v\":5.0}", 0, 5 }, { "{\"v\":1e3}", 0, 1000 },
		{ "{\"v\":18446744073709551615}", 0, UINT64_MAX },
		{ "{}", -ENOENT, 7 }, { "{\"v\":null}", -ENOENT, 7 }, { "", -ENOENT, 7 },
		{ "{\"v\":-1}", -EINVAL, 7 }, { "{\"v\":1.5}", -EINVAL, 7 },
			{ "{\"v\":\"x\"}", -EINVAL, 7 },
		{ "{\"v\":[]}", -EINVAL, 7 }, { "{\"v\":true}", -EINVAL, 7 },
			{ "{\"v\":\"\"}", -EINVAL, 7 },
		{ "{\"v\":18446744073709551616}", -EINVAL, 7 }, { "{\"v\":1e400}", -EINVAL, 7 },
	};
	(void)st;
	for (size_t i = 0; i < COUNT(rows); i++) {
		number = 7;
		call(U64, rows[i].args);
		if (got != rows[i].err || number != rows[i].v)
			fail_msg("%s: %d, %llu", rows[i].args, got, (unsigned long long)number);
		if (got == -EINVAL)
			expect_refusal(400, "\"param\":\"v\"");
	}
}

static void test_money(void **st)
{
	static const struct {
		const char *args;
		int err;
		int64_t v;
	} rows[] = {
		{ "{\"v\":50}", 0, 50000000000 }, { "{\"v\":0.5}", 0, 500000000 },
		{ "{\"v\":\"0.000000001\"}", 0, 1 }, { "{\"v\":1e-3}", 0, 1000000 },
			{ "{\"v\":0}", 0, 0 },
		{ "{\"v\":null}", -ENOENT, 7 }, { "{\"v\":-1}", -EINVAL, 7 },
			{ "{\"v\":\"-0.5\"}", -EINVAL, 7 },
		{ "{\"v\":1e10}", -EINVAL, 7 }, { "{\"v\":\"fifty\"}", -EINVAL, 7 },
			{ "{\"v\":{}}", -EINVAL, 7 },
	};
	(void)st;
	for (size_t i = 0; i < COUNT(rows); i++) {
		money = 7;
		call(DOLLARS, rows[i].args);
		if (got != rows[i].err || money != rows[i].v)
			fail_msg("%s: %d, %lld", rows[i].args, got, (long long)money);
	}
	call(DOLLARS, "{\"v\":-3}");
	expect_refusal(400, "not negative");
}

static void test_truths_texts(void **st)
{
	(void)st;
	call(BOOLEAN, "{\"v\":true}");
	assert_true(got == 0 && flag);
	call(BOOLEAN, "{\"v\":\"False\"}");
	assert_true(got == 0 && !flag);
	call(BOOLEAN, "{\"v\":1}");
	assert_true(got == 0 && flag);
	call(BOOLEAN, "{\"v\":\"maybe\"}");
	expect_refusal(400, "true or false, not \\\"maybe\\\"");
	call(TEXT, "{\"v\":\"a\\u00e9\\n\"}");
	assert_string_equal(kept, "a\xc3\xa9\n");
	call(TEXT, "{\"v\":5}");
	expect_refusal(400, "v must be a string, not 5");
}

/* ---- refusals ---- */

static void test_required(void **st)
{
	(void)st;
	call(TEXT, "{}");
	expect_refusal(400, "v is missing");
	assert_int_equal(ran, 0);
	call(TEXT, "{\"v\":null}");
	expect_refusal(400, "v is missing");
	call(TEXT, "{\"v\":\"\"}");
	assert_int_equal(status, 200);
}

static void test_roles(void **st)
{
	(void)st;
	call_as(STRANGER, U64, "{}");
	assert_int_equal(status, 200);
	call_as(STRANGER, BOOLEAN, "{}");
	expect_refusal(401, "\"type\":\"auth_error\"");
	call_as(VIEWER, BOOLEAN, "{}");
	assert_int_equal(status, 200);
	call_as(VIEWER, DOLLARS, "{}");
	expect_refusal(401, "Route=/n");
	assert_int_equal(ran, 0);
	call_as(STRANGER, DOLLARS, "not json");		/* not told what is wrong with it */
	expect_refusal(401, "auth_error");
	call_as(ADMIN, DOLLARS, "{}");
	assert_int_equal(status, 200);
}

static void test_bad_json(void **st)
{
	static const char *const bad[] = { "{", "[]", "\"x\"", "{\"v\":1,\"v\":2}", "{\"v\":NaN}",
					   "nope",
					   "{\"v\":1}x", "{\"v\":\"\xff\"}" };
	(void)st;
	for (size_t i = 0; i < COUNT(bad); i++) {
		call(U64, bad[i]);
		expect_refusal(400, "\"param\":\"request_body\",\"code\":\"400\"");
		assert_int_equal(ran, 0);
	}
}

static void test_too_large(void **st)
{
	static char args[(1 << 20) + 16];
	(void)st;
	memset(args, ' ', sizeof args - 1);
	call(U64, args);
	expect_refusal(413, "1 MiB");
	call(LARGE, "{}");
	expect_refusal(500, "too large");
}

static void test_no_memory(void **st)
{
	(void)st;
	for (uint64_t n = 1;; n++) {
		mem_fail_at(n);
		struct command_call *c = command_new(NULL, &commands[U64], STR("{\"v\":1}"),
						     on_answer, &answers);
		if (c) {
			answers = 0;
			command_run(c);
			assert_int_equal(answers, 1);
		}
		mem_fail_at(0);
		if (c && status == 200)
			break;
		assert_true(n < 100);
	}
	assert_int_equal(mem_live(), 0);
}

static void test_errors_of_the_store(void **st)
{
	static const struct {
		int err, status;
		const char *words;
	} rows[] = {
		{ -ENOSPC, 503, "disk is full" }, { -ETIME, 503, "fewer" },
			{ -ECANCELED, 503, "stopping" },
		{ -EAGAIN, 503, "another program" }, { -ENOMEM, 503, "memory" },
			{ -EIO, 500, "failed" },
	};
	(void)st;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct command_call *c = command_new(NULL, &commands[U64], STR(""), on_answer,
						     &answers);
		command_fail_store(c, rows[i].err);
		expect_refusal(rows[i].status, rows[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_money),
		cmocka_unit_test(test_truths_texts),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_bad_json),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_errors_of_the_store),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
