/* SPDX-License-Identifier: MIT
 * test_starved.c - what /proc says of a worker that is late, and what that means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "master/starved.h"

#define REST " 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 2 0 123 456 78\n"

static void test_a_line_is_read(void **st)
{
	char state = 0;
	uint64_t cpu = 0, hz = (uint64_t)sysconf(_SC_CLK_TCK);
	(void)st;
	assert_int_equal(starved_read(STR("17 (llmgw-worker) S" REST), &state, &cpu), 0);
	assert_int_equal(state, 'S');
	assert_true(cpu == 300 * (NS_PER_S / hz));
	assert_int_equal(starved_read(STR("17 (a) R 9 (b) D" REST), &state, &cpu), 0);
	assert_int_equal(state, 'D');
}

static void test_lines_that_are_none(void **st)
{
	static const char *const bad[] = {
		"", "17", ")", "17 (x)", "17 (x) ", "17 (x) R", "17 (x)R 1", "17 (x) R 1 2 3",
		"17 (x) R 1 1 1 0 -1 4194560 100 0 0 0 x 50 0",
		"17 (x) R 1 1 1 0 -1 4194560 100 0 0 0 18446744073709551615 50 0",
	};
	char state = '?';
	uint64_t cpu = 7;
	(void)st;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(starved_read(str_z(bad[i]), &state, &cpu), -EBADMSG);
	assert_int_equal(state, '?');
	assert_true(cpu == 7);
}

static void test_what_it_means(void **st)
{
	(void)st;
	assert_true(starved_would_run('R', 0, 8 * NS_PER_S));
	assert_true(starved_would_run('D', 0, 8 * NS_PER_S));
	assert_true(starved_would_run('R', NS_PER_S / 2, 8 * NS_PER_S));
	assert_false(starved_would_run('R', 4 * NS_PER_S, 8 * NS_PER_S));	/* it spins */
	assert_false(starved_would_run('S', 0, 8 * NS_PER_S));	/* waits for something of ours */
	assert_false(starved_would_run('T', 0, 8 * NS_PER_S));	/* somebody stopped it */
	assert_false(starved_would_run('Z', 0, 8 * NS_PER_S));
}

/* A real one that spins, and one that is stopped. */
static void test_processes(void **st)
{
	struct starved s = { 0 };
	int status;
	(void)st;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			;
	(void)starved_look(&s, pid, 5, 100);
	assert_true(s.since_ns == 100 && s.beat_ns == 5);
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct timespec used = { 0 };
	clockid_t its_clock;
	assert_int_equal(clock_getcpuclockid(pid, &its_clock), 0);
	do {					/* it has to come to spin, on a busy machine too */
		nanosleep(&pause, NULL);
		assert_int_equal(clock_gettime(its_clock, &used), 0);
	} while (used.tv_sec == 0 && used.tv_nsec < 100000000);
	(void)starved_look(&s, pid, 5, 200);
	assert_true(s.since_ns == 100);			/* still the same time of being late */
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_true(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	assert_false(starved_look(&s, pid, 6, 20 * NS_PER_S));
	assert_true(s.since_ns == 20 * NS_PER_S && s.cpu_ns > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_false(starved_look(&s, pid, 6, 21 * NS_PER_S));	/* there is no such process */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_is_read),
		cmocka_unit_test(test_lines_that_are_none),
		cmocka_unit_test(test_what_it_means),
		cmocka_unit_test(test_processes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
