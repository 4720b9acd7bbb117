/* SPDX-License-Identifier: MIT
 * test_upstream.c - when a call is sent, and when it is not any more: a whole worker's libcurl before
 * a socket that this test reads by hand. What comes back is for tests/live/test_odd_answers.py. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/torture/harness.h"
#include "worker/exchange/upstream.h"

enum { TURNS = 400 };

static struct harness *h;
static int listener, peer = -1;		/* the provider's ends */
static const char answer[] = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
struct seen {
	bool is_over;
	int status;
	enum transfer_end end;
};

static void on_head(void *data, const struct transfer_head *head)
{
	struct seen *s = data;
	s->status = head->status;
}

static int on_data(void *data, struct str bytes)
{
	(void)data;
	(void)bytes;
	return 0;
}

static void on_end(void *data, enum transfer_end end, const char *detail)
{
	struct seen *s = data;
	(void)detail;
	s->end = end;
	s->is_over = true;
}

static const struct transfer_handler handler = { on_head, on_data, on_end };

static uint16_t listen_somewhere(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &n), 0);
	return ntohs(a.sin_port);
}

static int set_up(void **state)
{
	static const struct setting_upstream list[] = { { "plain", FAMILY_OPENAI, NULL },
							{ NULL, FAMILY_OPENAI, NULL } };
	(void)state;
	h = harness_new(list, listen_somewhere());
	harness_open(h);
	harness_set(h, false, MASTER_ANSWERS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (peer >= 0)
		close(peer);
	peer = -1;
	close(listener);
	const char *wrong = harness_close(h);
	if (wrong)
		fail_msg("%s", wrong);
	harness_free(h);
	return 0;
}

/* ---- */

static struct transfer *start(bool is_later, struct seen *s)
{
	const struct snap_group *g = snap_resolve(h->loose, STR("plain"));
	assert_non_null(g);
	struct transfer_spec spec = {
		.snap = h->loose,
		.deployment = snap_deployment(h->loose, snap_member(h->loose, g, 0)),
		.path = STR("/chat/completions"),
		.body = STR("{}"),
		.connect_timeout_ms = 10000,
		.is_later = is_later,
	};
	*s = (struct seen){ 0 };
	struct transfer *t = upstream_start(h->w.upstream, &spec, &handler, s);
	assert_non_null(t);
	assert_false(s->is_over);
	return t;
}

/* Bytes that have been sent to the provider by now; -1: none. */
static ssize_t sent(void)
{
	char room[4096];
	if (peer < 0)
		peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	return recv(peer, room, sizeof room, MSG_DONTWAIT);
}

static void turn_until_sent(void)
{
	for (unsigned i = 0; i < TURNS && sent() <= 0; i++)
		harness_turn(h);
}

static void turn_until_over(const struct seen *s)
{
	for (unsigned i = 0; i < TURNS && !s->is_over; i++)
		harness_turn(h);
	assert_true(s->is_over);
}

/* A connection that stands: what is sent on it goes at once. */
static void connect_once(void)
{
	struct seen s;
	start(false, &s);
	harness_turn(h);
	turn_until_sent();
	assert_int_equal(send(peer, answer, sizeof answer - 1, 0), sizeof answer - 1);
	turn_until_over(&s);
	assert_int_equal(s.status, 200);
}

static void test_one_goes_at_once(void **state)
{
	struct seen s;
	(void)state;
	connect_once();
	struct transfer *t = start(false, &s);
	assert_true(upstream_is_asked(t));
	assert_true(sent() > 0);
	upstream_cancel(t);
}

/* And until then it does not say that its provider was asked, whatever its handle was used for. */
static void test_one_goes_from_the_loop(void **state)
{
	struct seen s;
	(void)state;
	connect_once();
	struct transfer *t = start(true, &s);
	assert_false(upstream_is_asked(t));
	assert_true(sent() < 0);
	turn_until_sent();
	assert_true(upstream_is_asked(t));
	upstream_cancel(t);
}

static void test_one_is_called_off(void **state)
{
	struct seen s;
	(void)state;
	connect_once();
	struct transfer *t = start(true, &s);
	upstream_call_off(t);
	assert_false(upstream_is_asked(t));
	turn_until_over(&s);
	assert_int_equal(s.end, TRANSFER_BROKEN);
	assert_int_equal(s.status, 0);
	assert_true(sent() <= 0);	/* nothing, or the connection's end */
	close(peer);
	peer = -1;
	connect_once();			/* the handle is used again, and asks */
}

static void test_who_was_asked_answers_all_the_same(void **state)
{
	struct seen s;
	(void)state;
	connect_once();
	struct transfer *t = start(false, &s);
	upstream_call_off(t);
	assert_true(upstream_is_asked(t));
	assert_true(sent() > 0);
	assert_int_equal(send(peer, answer, sizeof answer - 1, 0), sizeof answer - 1);
	turn_until_over(&s);
	assert_int_equal(s.end, TRANSFER_DONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_goes_at_once),
		TEST(test_one_goes_from_the_loop),
		TEST(test_one_is_called_off),
		TEST(test_who_was_asked_answers_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
