/* SPDX-License-Identifier: MIT
 * test_cached.c - the master's part of the response cache: it comes and goes with the
 * configuration, and a failure leaves the service without one and says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "common/cache.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/cached.h"
#include "master/config.h"
#include "master/master.h"
#include "master/worker_link.h"

static struct config config;
static struct master m;

/* The commands' table wants all of the master; these two stand in main.c. */
unsigned master_workers(const struct master *of)
{
	(void)of;
	return 1;
}

void master_workers_changed(struct master *of)
{
	(void)of;
}

static uint64_t configure(bool is_on, uint64_t bytes)
{
	struct stat st = { 0 };
	config.set.flags = is_on ? SET_CACHE : 0;
	config.cache_max_bytes = bytes;
	cached_configure(&m);
	assert_int_equal(m.cache != NULL, m.cache_fd >= 0);
	if (m.cache_fd >= 0)
		assert_int_equal(fstat(m.cache_fd, &st), 0);
	return st.st_ino;
}

static int begin(void **state)
{
	(void)state;
	m = (struct master){ .config = &config, .cache_fd = -1 };
	return hash_init();
}

static int end(void **state)
{
	(void)state;
	configure(false, 0);
	return 0;
}

static void test_with_the_configuration(void **state)
{
	uint64_t live = mem_live();
	(void)state;
	assert_int_equal(configure(false, 1 << 20), 0);
	assert_null(m.cache);
	uint64_t first = configure(true, 1 << 20);
	assert_non_null(m.cache);
	assert_int_equal(configure(true, 1 << 20), first);
	assert_int_not_equal(configure(true, 2 << 20), first);
	assert_int_equal(configure(false, 2 << 20), 0);
	assert_null(m.cache);
	assert_int_equal(mem_live(), live);
}

static void test_no_memory(void **state)
{
	bool was_told = false;
	(void)state;
	log_keep_recent();
	mem_fail_at(1);
	configure(true, 1 << 20);
	mem_fail_at(0);
	assert_null(m.cache);
	for (unsigned i = 0; i < LOG_RECENT && log_recent(i).line.p; i++)
		was_told |= str_find(log_recent(i).line, STR("cache.failed")) != SIZE_MAX;
	assert_true(was_told);
	configure(true, 1 << 20);		/* the next reload tries again */
	assert_non_null(m.cache);
}

static void on_answer(struct command_call *c)
{
	struct buf *to = c->answer_data;
	buf_printf(to, "%d " STR_FMT, c->status, STR_ARG(buf_str(&c->out)));
}

static void check(const char *words, const char *args, const char *want)
{
	struct buf got;
	buf_init(&got, 4096);
	struct command_call *c =
		command_new(&m, command_by_words(str_z(words)), str_z(args), on_answer, &got);
	assert_non_null(c);
	c->is_admin = true;
	command_run(c);
	assert_non_null(strstr(buf_z(&got), want));
	buf_done(&got);
}

static void test_commands(void **state)
{
	struct cache_info info = { .expires_ns = UINT64_MAX };
	struct sha256 key = { { 0xab } };
	(void)state;
	configure(false, 0);
	check("cache ping", "", "503 {\"error\"");
	check("cache flush", "", "503 {\"error\"");
	check("cache delete", "{\"keys\":[]}", "503 {\"error\"");
	configure(true, 1 << 20);
	check("cache ping", "", "200 {\"status\":\"healthy\",\"cache_type\":\"local\"");
	assert_int_equal(cache_put(m.cache, &key, cache_era(m.cache), &info, STR("h"), STR("b"), NULL),
			 0);
	check("cache delete", "{\"keys\":\"x\"}", "400 {\"error\"");
	check("cache delete", "{\"keys\":[\"ab\",7,\"zz\"]}", "\"deleted\":0");
	check("cache delete",
	      "{\"keys\":[\"site:ab00000000000000000000000000000000000000000000000000000000000000\"]}",
	      "\"deleted\":1");
	assert_int_equal(cache_put(m.cache, &key, cache_era(m.cache), &info, STR("h"), STR("b"), NULL),
			 0);
	check("cache flush", "", "\"flushed\":1");
	check("cache flush", "", "\"flushed\":0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with_the_configuration),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_commands),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
