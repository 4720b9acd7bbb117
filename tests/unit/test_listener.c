/* SPDX-License-Identifier: MIT
 * test_listener.c - accepting, its limits, and draining what has been accepted. */
#include <linux/filter.h>
#include <sys/resource.h>

#include "tests/unit/client_rig.h"

static void test_drain(void **state)
{
	(void)state;
	struct client_end idle = dial(), busy = dial(), fresh;
	pass_ms(1500);
	say_z(&busy, GET("/late"));
	fresh = dial();
	connections_drain(&rig.w);
	turns(&idle, 4);
	assert_true(idle.has_end);
	assert_int_equal(connections_open(&rig.w), 2);
	say_z(&fresh, GET("/plain"));		/* was on its way */
	assert_true(heard(&fresh, "200 OK\r\n") && heard(&fresh, "connection: close\r\n"));
	answer(did.open, 200, STR("late"));
	turns(&busy, 4);
	assert_true(heard(&busy, "connection: close\r\n") && busy.has_end);
	hang_up(&idle);
	hang_up(&busy);
	hang_up(&fresh);
	assert_int_equal(connections_open(&rig.w), 0);
	assert_null(rig.w.client);
}

static void test_abort(void **state)
{
	(void)state;
	struct client_end idle = dial(), busy = dial();
	say_z(&busy, GET("/stream"));
	connections_abort(&rig.w);
	assert_int_equal(did.gone, 1);
	turns(&idle, 2);
	assert_int_equal(connections_open(&rig.w), 0);
	hang_up(&idle);
	hang_up(&busy);
}

static void test_listener(void **state)
{
	(void)state;
	static const uint8_t loopback[16] = { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 };
	struct client_end e[10];
	for (int i = 0; i < 10; i++) {
		e[i] = dial_tcp();
		say_z(&e[i], GET("/plain"));
		wait_heard(&e[i]);
		assert_int_equal(heard(&e[i], "200 OK"), i < 8);
	}
	assert_memory_equal(conn_address(rig.w.connections), loopback, 16);
	assert_false(conn_is_tls(rig.w.connections));
	assert_int_equal(rig.row.connections, 8);
	assert_int_equal(rig.metrics.connections_refused, 2);
	listener_stop_all(&rig.w);
	for (int i = 0; i < 10; i++)
		hang_up(&e[i]);
	assert_int_equal(rig.row.connections, 0);
}

static int connect_to(int listening)
{
	struct sockaddr_in a;
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&a, &n), 0);
	assert_true(connect(fd, (struct sockaddr *)&a, n) == 0 || errno == EINPROGRESS);
	return fd;
}

static void retire(int listening)
{
	static struct sock_filter drop[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog f = { COUNT(drop), drop };
	assert_int_equal(setsockopt(listening, SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof f), 0);
}

/* The last worker on a socket takes who waits there before it stops, and nobody new gets in. */
static void test_a_socket_that_is_retired(void **state)
{
	(void)state;
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct client_end queued;
	struct listener *l;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(listener_start(&rig.w, fd, NULL, &l), 0);
	take_fd(&queued, connect_to(fd));
	struct pollfd waiting = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&waiting, 1, 30000), 1);
	retire(fd);
	listener_stop_all(&rig.w);
	assert_non_null(rig.w.listeners);
	struct pollfd late = { .fd = connect_to(fd), .events = POLLOUT };
	assert_int_equal(poll(&late, 1, 20), 0);
	say_z(&queued, GET("/plain"));
	wait_heard(&queued);
	assert_true(heard(&queued, "200 OK"));
	listener_stop_all(&rig.w);		/* again: its time goes on */
	for (int i = 0; rig.w.listeners && i < 6000; i++) {
		turns(&queued, 1);
		poll(NULL, 0, 5);
	}
	assert_null(rig.w.listeners);
	close(late.fd);
	hang_up(&queued);
}

/* Out of descriptors: who comes is turned away, nothing spins, and it recovers. */
static void test_out_of_descriptors(void **state)
{
	(void)state;
	struct rlimit old, tight;
	struct client_end first = dial_tcp(), second;
	say_z(&first, GET("/plain"));
	struct sockaddr_in a;
	socklen_t n = sizeof a;
	assert_int_equal(getpeername(first.fd, (struct sockaddr *)&a, &n), 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, n), 0);
	take_fd(&second, fd);
	getrlimit(RLIMIT_NOFILE, &old);
	int lowest = dup(0);			/* all below are in use, most likely */
	close(lowest);
	tight = (struct rlimit){ (rlim_t)lowest, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &tight);
	wait_heard(&second);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_true(second.has_end || second.error == ECONNRESET);
	assert_int_equal(rig.metrics.connections_refused, 1);
	hang_up(&second);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, n), 0);
	take_fd(&second, fd);
	wait_tick(&second);
	say_z(&second, GET("/plain"));
	wait_heard(&second);
	assert_true(heard(&second, "200 OK"));
	hang_up(&first);
	hang_up(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_drain),
		T(test_abort),
		T(test_listener),
		T(test_a_socket_that_is_retired),
		T(test_out_of_descriptors),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
