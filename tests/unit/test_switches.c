/* SPDX-License-Identifier: MIT
 * test_switches.c - which requests are told of when they end: by the configuration, by a key or its
 * team, and not where a body says no. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/json.h"
#include "common/snapshot.h"
#include "worker/switches.h"

static struct arena *arena;

static int begin(void **state)
{
	(void)state;
	arena = arena_new(1 << 20);
	return arena ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static struct snap *snapshot(uint32_t flags, uint32_t text_flags)
{
	struct snap_build *b = snap_build_new();
	struct snap *s = NULL;
	int fd = -1;
	assert_non_null(b);
	snap_build_settings(b)->flags = flags;
	snap_build_settings(b)->text_flags = text_flags;
	assert_int_equal(snap_build_seal(b, 1, &fd), 0);
	assert_int_equal(snap_map(fd, &s), 0);
	return s;
}

static void test_who_wants_a_record(void **state)
{
	struct request r = { .snap = snapshot(0, 0) };
	(void)state;
	assert_false(switches_want_record(&r));
	r.key.flags = KEY_NO_TEXTS | KEY_RULES | KEY_BLOCKED;
	assert_false(switches_want_record(&r));
	r.key.flags = KEY_LOGGED;
	assert_true(switches_want_record(&r));
	r.key.flags = 0;
	r.team.flags = KEY_LOGGED;
	assert_true(switches_want_record(&r));
	snap_unref(r.snap);
	r = (struct request){ .snap = snapshot(SET_RECORDS, 0) };
	assert_true(switches_want_record(&r));
	snap_unref(r.snap);
}

static void test_no_log(void **state)
{
	static const struct {
		const char *body;
		bool no_log;
	} cases[] = {
		{ "{}", false }, { "{\"no-log\":true}", true }, { "{\"no-log\":false}", false },
		{ "{\"no-log\":null}", false }, { "{\"no-log\":1}", false },
		{ "{\"x\":{\"no-log\":true}}", false }, { "[1]", false },
	};
	struct request r = { .snap = snapshot(0, 0) }, deaf = { .snap = snapshot(0, TEXTS_ALWAYS) };
	struct raw_call raw = { 0 };
	(void)state;
	assert_false(switches_no_log(&r));		/* a body that has no tree */
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct json_error e;
		r.q.root = deaf.q.root = json_parse(arena, str_z(cases[i].body), 0, &e);
		assert_non_null(r.q.root);
		if (switches_no_log(&r) != cases[i].no_log)
			fail_msg("%s", cases[i].body);
		assert_false(switches_no_log(&deaf));
		raw.root = r.q.root;			/* the same of what is relayed */
		struct request relayed = { .snap = r.snap, .raw = &raw };
		assert_int_equal(switches_no_log(&relayed), cases[i].no_log);
	}
	snap_unref(r.snap);
	snap_unref(deaf.snap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_wants_a_record),
		cmocka_unit_test(test_no_log),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
