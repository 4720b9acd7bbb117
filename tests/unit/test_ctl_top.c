/* SPDX-License-Identifier: MIT
 * test_ctl_top.c - two looks at a gateway's counters, and the rates between them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/hash.h"
#include "master/ctl.h"

static struct arena *mem;

static int set_up(void **state)
{
	(void)state;
	mem = arena_new(8 << 20);
	return mem && hash_init() == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(mem);
	return 0;
}

static const struct json *parse(const char *text)
{
	struct json_error e;
	const struct json *j = json_parse(mem, str_z(text), 0, &e);
	assert_non_null(j);
	return j;
}

static const struct json *rates(const char *before, const char *now, unsigned sort)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	assert_int_equal(ctl_top_rates(&b, mem, parse(before), parse(now), sort), 0);
	const struct json *j = parse(arena_dup_z(mem, buf_str(&b)));
	buf_done(&b);
	return j;
}

static void expect(const struct json *j, const char *name, const char *text)
{
	const struct json *v = json_get(j, name);
	if (!text) {
		assert_false(json_is_given(v));
		return;
	}
	if (!v)
		fail_msg("there is no %s", name);
	struct str s = json_is(v, JSON_STRING) ? json_str(mem, v) : v->raw;
	if (!str_eq_z(s, text))
		fail_msg("%s is " STR_FMT ", not %s", name, STR_ARG(s), text);
}

#define ALL "\"all\":{\"requests\":%u,\"failures\":%u,\"streams\":3,\"prompt_tokens\":100," \
	"\"completion_tokens\":%u,\"cost_nano\":%u}"

static void test_rates(void **state)
{
	char before[1024], now[1024];
	(void)state;
	snprintf(before, sizeof before,
		 "{\"at_ns\":1000000000,\"workers\":2," ALL ",\"rows\":["
		 "{\"name\":\"quiet\",\"requests\":5,\"failures\":0,\"in_flight\":9},"
		 "{\"name\":\"busy\",\"requests\":10,\"failures\":1,\"prompt_tokens\":0,"
		 "\"completion_tokens\":100,\"cost_nano\":0}]}", 100u, 0u, 0u, 0u);
	snprintf(now, sizeof now,
		 "{\"at_ns\":3000000000,\"workers\":2," ALL ",\"rows\":["
		 "{\"name\":\"quiet\",\"deployments\":1,\"requests\":5,\"failures\":0,"
		 "\"in_flight\":7,\"ttft_ms\":0,\"ill\":1},"
		 "{\"name\":\"busy\",\"deployments\":4,\"cooling\":1,\"requests\":30,\"failures\":6,"
		 "\"in_flight\":2,\"prompt_tokens\":0,\"completion_tokens\":400,"
		 "\"cost_nano\":2000000000,\"ttft_ms\":12.34}]}", 500u, 40u, 1000u, 4000000000u);
	const struct json *j = rates(before, now, 0), *rows = json_get(j, "rows"), *row;
	assert_int_equal(rows->count, 2);
	row = rows->child;
	expect(row, "name", "busy");
	expect(row, "requests_s", "10.0");
	expect(row, "failed_percent", "25.0");
	expect(row, "tokens_s", "150");
	expect(row, "cost_hour", "3600.0");
	expect(row, "first_token", "12.3 ms");
	expect(row, "state", "1 of 4 cool, 0 ill");
	row = row->next;
	expect(row, "name", "quiet");
	expect(row, "requests_s", "0.0");
	expect(row, "failed_percent", "0.0");
	expect(row, "first_token", NULL);
	expect(row, "state", "ill");
	j = json_get(j, "all");
	expect(j, "requests_s", "200");
	expect(j, "failed_percent", "10.0");
	expect(j, "tokens_s", "500");
	expect(j, "in_flight", "9");
	expect(j, "streams", "3");
	/* By requests in flight, and by name. */
	expect(json_get(rates(before, now, 1), "rows")->child, "name", "quiet");
	expect(json_get(rates(before, now, 5), "rows")->child, "name", "busy");
}

/* A row that is new, one that is gone, a gateway that was started anew, an answer of nothing. */
static void test_what_has_changed_meanwhile(void **state)
{
	(void)state;
	const struct json *j = rates(
		"{\"at_ns\":9000000000,\"rows\":[{\"name\":\"a\",\"requests\":1000},"
		"{\"name\":\"gone\",\"requests\":1}]}",
		"{\"at_ns\":2000000000,\"rows\":[{\"name\":\"new\",\"requests\":70},"
		"{\"name\":\"a\",\"requests\":4}]}", 0);
	const struct json *rows = json_get(j, "rows");
	assert_int_equal(rows->count, 2);
	expect(rows->child, "name", "a");
	expect(rows->child, "requests_s", "4.0");
	expect(rows->child->next, "requests_s", "0.0");
	assert_int_equal(json_get(rates("{}", "{}", 0), "rows")->count, 0);
	assert_int_equal(json_get(rates("[]", "{\"rows\":7}", 0), "rows")->count, 0);
}

static void test_names_of_sorts(void **state)
{
	unsigned n;
	(void)state;
	for (unsigned i = 0; i < CTL_TOP_SORTS; i++) {
		assert_int_equal(ctl_top_find_sort(str_z(ctl_top_sort(i)), &n), 0);
		assert_int_equal(n, i);
	}
	assert_int_equal(ctl_top_find_sort(STR("in_flight"), &n), 0);
	assert_int_equal(ctl_top_find_sort(STR("beauty"), &n), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_what_has_changed_meanwhile),
		cmocka_unit_test(test_names_of_sorts),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
