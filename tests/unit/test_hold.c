/* SPDX-License-Identifier: MIT
 * test_hold.c - with ledger.durability: strict nobody sees the end of an answer before the record
 * of its cost is on disk: a whole worker, whose flusher's word this test gives in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/torture/client_end.h"
#include "worker/request.h"
#include "worker/settle/hold.h"

enum { CLIENTS = 3, TURNS = 400, QUIET_TURNS = 12 };

static struct harness *h;
static struct client_end *clients[CLIENTS];
static struct board_worker *real, row;	/* row: what this worker believes is its own */
static _Atomic bool is_disk_ill;

/* In the C library's place. */
int fdatasync(int fd)
{
	if (!is_disk_ill)
		return (int)syscall(SYS_fdatasync, fd);
	errno = EIO;
	return -1;
}

static int set_up(void **state)
{
	(void)state;
	h = harness_new(NULL, 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i] = client_end_new(h);
	harness_open(h);
	harness_set(h, true, MASTER_ANSWERS);
	real = h->w.row;
	memcpy(&row, real, sizeof row);
	h->w.row = &row;
	return 0;
}

static void hear(void)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (clients[i]->fd >= 0)
			client_end_hear(clients[i]);
}

static int tear_down(void **state)
{
	(void)state;
	row.journal_flushed = UINT64_MAX;
	hold_release(&h->w);
	for (unsigned i = 0; i < CLIENTS; i++)
		if (clients[i]->fd >= 0)
			client_end_close(clients[i]);
	for (unsigned i = 0; i < TURNS && !harness_is_idle(h); i++)
		harness_turn(h);
	assert_true(harness_is_idle(h));
	row.journal_flushed = real->journal_flushed;
	memcpy(real, &row, sizeof row);
	h->w.row = real;
	const char *wrong = harness_check(h);
	if (!wrong)
		wrong = harness_close(h);
	if (wrong)
		fail_msg("%s", wrong);
	for (unsigned i = 0; i < CLIENTS; i++)
		client_end_free(clients[i]);
	harness_free(h);
	return 0;
}

static unsigned count_held(void)
{
	unsigned n = 0;
	for (const struct request *r = h->w.held; r; r = r->next_held)
		n++;
	return n;
}

/* Until n answers wait for the disk. */
static void wait_for_held(unsigned n)
{
	for (unsigned i = 0; i < TURNS && count_held() != n; i++) {
		harness_turn(h);
		hear();
	}
	assert_int_equal(count_held(), n);
}

static bool is_kept;			/* what is asked has an Idempotency-Key */

static void ask(struct client_end *e, const char *more, unsigned held)
{
	static char texts[CLIENTS][512];
	static unsigned next;
	char body[256], *text = texts[next++ % CLIENTS];
	const char *key = is_kept ? "idempotency-key: k\r\n" : "";
	int n = snprintf(body, sizeof body, "{\"model\":\"mock\",\"messages\":[{\"role\":\"user\","
			 "\"content\":\"hi\"}]%s}", more);
	snprintf(text, sizeof texts[0], "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
		 "authorization: Bearer " OF_USER "\r\ncontent-type: application/json\r\n"
		 "%scontent-length: %d\r\n\r\n%s", key, n, body);
	client_end_open(e, false);
	client_end_say(e, str_z(text));
	wait_for_held(held);
}

static bool has_heard(const struct client_end *e, const char *text)
{
	return str_find(str_of(e->got, e->n), str_z(text)) != SIZE_MAX;
}

/* The flusher says that it has written so far: whatever it is told then. */
static void flushed(uint64_t seq)
{
	row.journal_flushed = seq;
	hold_release(&h->w);
	for (unsigned i = 0; i < QUIET_TURNS; i++) {
		harness_spin(h);
		hear();
	}
}

static void test_a_plain_answer_waits(void **state)
{
	(void)state;
	ask(clients[0], "", 1);
	uint64_t seq = h->w.held->settled_seq;
	assert_true(seq > 0);
	assert_true(h->w.held->is_held);
	flushed(0);
	flushed(seq - 1);
	assert_int_equal(clients[0]->n, 0);
	assert_int_equal(count_held(), 1);
	flushed(seq);
	assert_true(has_heard(clients[0], "HTTP/1.1 200 ") && has_heard(clients[0], "Good day to you"));
	assert_int_equal(count_held(), 0);
}

static void test_the_end_of_a_stream_waits(void **state)
{
	(void)state;
	ask(clients[0], ",\"stream\":true", 1);
	uint64_t seq = h->w.held->settled_seq;
	flushed(seq - 1);
	assert_true(has_heard(clients[0], "HTTP/1.1 200 ") && has_heard(clients[0], "text/event-stream"));
	/* Of a limit too high to be counted all of it is left. */
	assert_true(has_heard(clients[0], "x-ratelimit-team-limit-tokens: 2000000000\r\n") &&
		    has_heard(clients[0], "x-ratelimit-team-remaining-tokens: 2000000000\r\n"));
	assert_false(has_heard(clients[0], "[DONE]"));
	flushed(seq);
	assert_true(has_heard(clients[0], "[DONE]\n\n") && has_heard(clients[0], "\r\n0\r\n\r\n"));
	assert_int_equal(count_held(), 0);
}

/* Nobody here asks for it again: the flusher is told, and told anew while somebody is left. */
static void test_it_comes_by_itself(void **state)
{
	(void)state;
	ask(clients[0], "", 1);
	for (unsigned i = 0; i < 4 * QUIET_TURNS; i++)
		harness_turn(h);
	assert_int_equal(count_held(), 1);
	row.journal_flushed = UINT64_MAX;
	wait_for_held(0);
	hear();
	assert_true(has_heard(clients[0], "Good day to you"));
}

/* What cannot be written down is broken off, plain or as a stream. */
static void test_an_ill_disk_acknowledges_nothing(void **state)
{
	(void)state;
	ask(clients[0], "", 1);
	ask(clients[1], ",\"stream\":true", 2);
	is_disk_ill = true;
	wait_for_held(0);
	for (unsigned i = 0; i < TURNS && !(clients[0]->has_end && clients[1]->has_end); i++) {
		harness_turn(h);
		hear();
	}
	is_disk_ill = false;
	assert_true(clients[0]->has_end && clients[1]->has_end);
	assert_int_equal(clients[0]->n, 0);
	assert_true(has_heard(clients[1], "text/event-stream"));
	assert_false(has_heard(clients[1], "[DONE]") || has_heard(clients[1], "\r\n0\r\n\r\n"));
}

/* The end of a stream that a retry may ask for waits for the master, also where no disk is waited
 * for: who has seen it finds it kept. */
static void test_the_end_waits_until_it_is_kept(void **state)
{
	(void)state;
	harness_set(h, false, MASTER_ANSWERS);
	is_kept = true;
	ask(clients[0], ",\"stream\":true", 0);
	is_kept = false;
	for (unsigned i = 0; i < TURNS && !has_heard(clients[0], "[DONE]"); i++) {
		harness_spin(h);
		hear();
	}
	assert_true(has_heard(clients[0], "[DONE]\n\n"));
	assert_int_equal(h->w.n_requests, 0);
}

/* In the order of their records, whichever came first in the list. */
static void test_each_waits_for_its_own(void **state)
{
	(void)state;
	uint64_t seqs[CLIENTS];
	for (unsigned i = 0; i < CLIENTS; i++) {
		ask(clients[i], "", i + 1);
		seqs[i] = h->w.held->settled_seq;	/* the newest stands first */
		assert_true(!i || seqs[i] > seqs[i - 1]);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		flushed(seqs[i]);
		assert_int_equal(count_held(), CLIENTS - 1 - i);
		for (unsigned k = 0; k < CLIENTS; k++)
			assert_int_equal(has_heard(clients[k], "Good day to you"), k <= i);
	}
}

/* Who leaves meanwhile is forgotten, wherever it stands; the others get theirs. */
static void test_who_leaves_is_forgotten(void **state)
{
	(void)state;
	for (unsigned gone = 0; gone < CLIENTS; gone++) {
		row.journal_flushed = 0;
		for (unsigned i = 0; i < CLIENTS; i++)
			ask(clients[i], "", i + 1);
		client_end_close(clients[gone]);
		wait_for_held(CLIENTS - 1);
		for (unsigned i = 0; i < CLIENTS; i++)
			if (i != gone)
				assert_int_equal(clients[i]->n, 0);
		flushed(UINT64_MAX);
		assert_int_equal(count_held(), 0);
		for (unsigned i = 0; i < CLIENTS; i++) {
			if (i == gone)
				continue;
			assert_true(has_heard(clients[i], "Good day to you"));
			client_end_close(clients[i]);
		}
	}
}

/* Without it nobody waits. */
static void test_by_default_nobody_waits(void **state)
{
	(void)state;
	harness_set(h, false, MASTER_ANSWERS);
	row.journal_flushed = 0;
	ask(clients[0], "", 0);
	for (unsigned i = 0; i < TURNS && !has_heard(clients[0], "Good day to you"); i++) {
		harness_turn(h);
		hear();
		assert_null(h->w.held);
	}
	assert_true(has_heard(clients[0], "Good day to you"));
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_a_plain_answer_waits),
		CASE(test_the_end_of_a_stream_waits),
		CASE(test_it_comes_by_itself),
		CASE(test_an_ill_disk_acknowledges_nothing),
		CASE(test_the_end_waits_until_it_is_kept),
		CASE(test_each_waits_for_its_own),
		CASE(test_who_leaves_is_forgotten),
		CASE(test_by_default_nobody_waits),
	};
#undef CASE
	return cmocka_run_group_tests(tests, NULL, NULL);
}
