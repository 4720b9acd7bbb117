/* SPDX-License-Identifier: MIT
 * fdpass.c - sendmsg(2) and recvmsg(2) with SCM_RIGHTS. A descriptor that arrives is either handed
 * to the caller or closed here; none may get lost. */
#include "common/fdpass.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr head;	/* for its alignment */
	char bytes[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
};

int fdpass_pair(int ret[2])
{
	int s[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s) != 0)
		return -errno;
	ret[0] = s[0];
	ret[1] = s[1];
	return 0;
}

static void attach(struct msghdr *m, union control *control, const int *fds, unsigned n_fds)
{
	memset(control, 0, sizeof *control);
	m->msg_control = control->bytes;
	m->msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
}

int fdpass_send(int sock, struct str frame, const int *fds, unsigned n_fds)
{
	union control control;
	struct iovec bytes = { (char *)(uintptr_t)frame.p, frame.n };
	struct msghdr m = { .msg_iov = &bytes, .msg_iovlen = 1 };
	ssize_t r;
	if (frame.n == 0 || n_fds > FDPASS_MAX)
		return -EINVAL;		/* an empty packet would look like the end */
	if (n_fds)
		attach(&m, &control, fds, n_fds);
	do {
		r = sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (r < 0 && errno == EINTR);
	if (r >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

/* Moves the descriptors out of the message into fds, of which there are at most FDPASS_MAX. */
static unsigned collect(struct msghdr *m, int *fds)
{
	unsigned n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		MUST(got <= FDPASS_MAX - n);	/* the kernel keeps to the room it was given */
		memcpy(fds + n, CMSG_DATA(c), got * sizeof(int));
		n += (unsigned)got;
	}
	return n;
}

static void close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

long fdpass_receive(int sock, void *p, size_t room, int *fds, unsigned *n_fds)
{
	union control control;
	struct iovec bytes = { p, room };
	struct msghdr m = {
		.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	ssize_t r;
	*n_fds = 0;
	do {
		r = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == ECONNRESET ? 0 : -errno;
	unsigned n = collect(&m, fds);
	if (r == 0 || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		close_all(fds, n);
		return r == 0 ? 0 : -EMSGSIZE;
	}
	*n_fds = n;
	return r;
}
