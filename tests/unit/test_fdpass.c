/* SPDX-License-Identifier: MIT
 * test_fdpass.c - frames stay whole, descriptors arrive, none is lost. */
#include "common/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int line[2];
static char in[70000];

static int set_up(void **state)
{
	(void)state;
	return fdpass_pair(line);
}

static int tear_down(void **state)
{
	(void)state;
	close(line[0]);
	close(line[1]);
	return 0;
}

/* The number that the next open descriptor gets tells how many are open. */
static int next_fd(void)
{
	int fd = dup(0);
	close(fd);
	return fd;
}

static void test_frames_stay_whole(void **state)
{
	static char large[65536];
	int fds[FDPASS_MAX];
	unsigned n = 9;
	(void)state;
	assert_true(fcntl(line[0], F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(line[1], F_GETFL) & O_NONBLOCK);
	assert_int_equal(fdpass_receive(line[1], in, sizeof in, fds, &n), -EAGAIN);
	assert_int_equal(n, 0);
	memset(large, 'z', sizeof large);
	assert_int_equal(fdpass_send(line[0], STR("one"), NULL, 0), 0);
	assert_int_equal(fdpass_send(line[0], str_of(large, sizeof large), NULL, 0), 0);
	assert_int_equal(fdpass_receive(line[1], in, sizeof in, fds, &n), 3);
	assert_memory_equal(in, "one", 3);
	assert_int_equal(fdpass_receive(line[1], in, sizeof in, fds, &n), 65536);
	assert_memory_equal(in, large, sizeof large);
	assert_int_equal(fdpass_send(line[0], STR(""), NULL, 0), -EINVAL);
}

static void test_descriptors(void **state)
{
	int p[2], fds[FDPASS_MAX] = { -1, -1, -1, -1 };
	unsigned n = 0;
	char c = 'x';
	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	const int give[] = { p[0], p[1], p[0], p[1] };
	assert_int_equal(fdpass_send(line[0], STR("fd"), give, 5), -EINVAL);
	assert_int_equal(fdpass_send(line[0], STR("fd"), give, 4), 0);
	assert_int_equal(fdpass_receive(line[1], in, sizeof in, fds, &n), 2);
	assert_int_equal(n, 4);
	close(p[0]);
	close(p[1]);
	assert_int_equal(write(fds[3], "y", 1), 1);
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	for (unsigned i = 0; i < n; i++) {
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		close(fds[i]);
	}
}

static void test_truncated_loses_no_descriptor(void **state)
{
	const int give[] = { 0, 1 };
	int fds[FDPASS_MAX], before = next_fd();
	unsigned n = 9;
	(void)state;
	assert_int_equal(fdpass_send(line[0], STR("longer"), give, 2), 0);
	assert_int_equal(fdpass_receive(line[1], in, 3, fds, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	assert_int_equal(next_fd(), before);
}

/* A peer may send more descriptors than there is room for. */
static void test_too_many_descriptors(void **state)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(6 * sizeof(int))];
	} control = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
				.cmsg_len = CMSG_LEN(6 * sizeof(int)) } };
	struct iovec bytes = { in, 5 };
	struct msghdr m = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.bytes,
			    .msg_controllen = sizeof control.bytes };
	int fds[FDPASS_MAX], before = next_fd();
	unsigned n = 9;
	(void)state;
	memset(CMSG_DATA(&control.head), 0, 6 * sizeof(int));	/* standard input, six times */
	assert_int_equal(sendmsg(line[0], &m, 0), 5);
	assert_int_equal(fdpass_receive(line[1], in, sizeof in, fds, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	assert_int_equal(next_fd(), before);
}

static void test_a_peer_that_does_not_read(void **state)
{
	int r = 0, sent = 0;
	(void)state;
	while ((r = fdpass_send(line[0], str_of(in, 30000), NULL, 0)) == 0 && sent < 10000)
		sent++;
	assert_int_equal(r, -EAGAIN);
}

static void test_a_peer_that_is_gone(void **state)
{
	int fds[FDPASS_MAX];
	unsigned n;
	(void)state;
	assert_int_equal(fdpass_send(line[1], STR("last"), NULL, 0), 0);
	shutdown(line[1], SHUT_RDWR);
	assert_int_equal(fdpass_receive(line[0], in, sizeof in, fds, &n), 4);
	assert_int_equal(fdpass_receive(line[0], in, sizeof in, fds, &n), 0);
	assert_int_equal(fdpass_send(line[0], STR("x"), NULL, 0), -EPIPE);
	assert_int_equal(fdpass_send(-1, STR("x"), NULL, 0), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frames_stay_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_truncated_loses_no_descriptor, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_too_many_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_peer_that_does_not_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_peer_that_is_gone, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
