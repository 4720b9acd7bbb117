/* SPDX-License-Identifier: MIT
 * test_crash_print.c - whoever is at work when a worker crashes is on the board afterwards, however
 * it crashes; the process ends by the signal that it had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/suspect.h"
#include "worker/client/conn.h"
#include "worker/suspect.h"
#include "worker/worker.h"

/* main.c's, which is no part of the library. */
struct snap *worker_snap(struct worker *of)
{
	return of->snap;
}

static struct worker w;
static int board_fd = -1;
static struct connection conn;
static const struct http_request http = { .path = { "/v1/x", 5 } };
static struct request r = { .w = &w, .conn = &conn, .http = &http, .key = { .id = 7 } };

static int setup(void **st)
{
	(void)st;
	if (hash_init() < 0 || board_create(&w.board, &board_fd) < 0)
		return -1;
	w.row = &w.board.workers[0];
	buf_init(&conn.body, 100);
	buf_put(&conn.body, STR("{}"));
	return conn.body.failed;
}

static int teardown(void **st)
{
	(void)st;
	buf_done(&conn.body);
	board_unmap(&w.board);
	return close(board_fd);
}

/* ---- ways to end ---- */

static void by_abort(void)
{
	abort();
}

static void by_address(void)
{
	volatile uintptr_t nowhere = 8;
	*(volatile char *)nowhere = 1;
}

static void by_kill(void)
{
	kill(getpid(), SIGABRT);		/* the watchdog's */
	pause();
}

static volatile unsigned depth = 1;

static unsigned deeper(unsigned n)
{
	volatile char room[4096];
	room[n % sizeof room] = (char)n;
	return depth ? deeper(n + 1) + (unsigned char)room[n % sizeof room] : 0;
}

static void by_recursion(void)
{
	deeper(1);
}

static void *end_it(void *data)
{
	(void)data;
	abort();
}

static void by_another_thread(void)
{
	pthread_t t;
	pthread_create(&t, NULL, end_it, NULL);
	pthread_join(t, NULL);
}

static void behind_the_end(void)
{
	suspect_forget(&r);
	abort();
}

static void behind_the_turn(void)
{
	suspect_rest(&w);
	abort();
}

static int end_of(void (*how)(void))
{
	int status;
	atomic_store(&w.row->print, 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
		signal(SIGSEGV, SIG_DFL);	/* not cmocka's, nor a sanitizer's */
		signal(SIGABRT, SIG_DFL);
		suspect_begin(&w);
		suspect_works(&r);
		how();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return WTERMSIG(status);
}

static void test_who_was_at_work(void **st)
{
	static const struct {
		void (*how)(void);
		int signal;
	} ways[] = { { by_abort, SIGABRT }, { by_address, SIGSEGV }, { by_kill, SIGABRT },
		     { by_recursion, SIGSEGV } };
	(void)st;
	uint64_t print = suspect_print(&w.board, 7, http.path, STR("{}"));
	for (size_t i = 0; i < COUNT(ways); i++) {
		assert_int_equal(end_of(ways[i].how), ways[i].signal);
		assert_true(atomic_load(&w.row->print) == print);
		assert_int_equal(atomic_load(&w.row->print_key), 7);
	}
}

static void test_nobody_was(void **st)
{
	(void)st;
	void (*const ways[])(void) = { by_another_thread, behind_the_end, behind_the_turn };
	for (size_t i = 0; i < COUNT(ways); i++) {
		assert_int_equal(end_of(ways[i]), SIGABRT);
		assert_true(atomic_load(&w.row->print) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_was_at_work),
		cmocka_unit_test(test_nobody_was),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
