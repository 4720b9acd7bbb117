/* SPDX-License-Identifier: MIT
 * notify.c - see notify.h; the protocol is described in sd_notify(3). */
#include "master/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/str.h"

struct notify {
	int sock;			/* -1: nobody listens */
	struct sockaddr_un to;
	socklen_t to_len;
	uint64_t watchdog_ms;
	char unsent[1024];		/* the newest state that the socket did not take */
};

static bool set_address(struct notify *n, const char *path)
{
	size_t len = path ? strlen(path) : 0;
	if (len < 2 || len >= sizeof n->to.sun_path || (path[0] != '/' && path[0] != '@'))
		return false;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, path, len);
	if (path[0] == '@')
		n->to.sun_path[0] = 0;
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return true;
}

static uint64_t read_watchdog(void)
{
	uint64_t usec, pid;
	const char *p = getenv("WATCHDOG_PID");
	if (p && (str_read_u64(str_z(p), &pid) < 0 || pid != (uint64_t)getpid()))
		return 0;
	if (str_read_u64(str_z(getenv("WATCHDOG_USEC")), &usec) < 0)
		return 0;
	return usec / 2000;
}

struct notify *notify_new(void)
{
	struct notify *n = mem_alloc(sizeof *n);
	if (!n)
		return NULL;
	n->sock = -1;
	n->watchdog_ms = read_watchdog();
	if (set_address(n, getenv("NOTIFY_SOCKET")))
		n->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return n;
}

/* 0, or -errno; never waits: who listens may be slow, and the loop has other work. */
static int send_text(struct notify *n, const char *text, int fd)
{
	struct iovec io = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) };
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr m = {
		.msg_name = &n->to, .msg_namelen = n->to_len, .msg_iov = &io, .msg_iovlen = 1};
	if (n->sock < 0)
		return 0;
	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof control.space;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	return sendmsg(n->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* What may be lost: the next one says as much. */
static void send_hint(struct notify *n, const char *text, int fd)
{
	if (send_text(n, text, fd) < 0)
		return;
}

/* What must arrive: kept, and sent again, while the other side does not read. */
static void send_state(struct notify *n, const char *what, const char *status)
{
	snprintf(n->unsent, sizeof n->unsent, "%s%s%.700s", what, status ? "\nSTATUS=" : "",
		 status ? status : "");
	if (send_text(n, n->unsent, -1) != -EAGAIN)
		n->unsent[0] = 0;
}

void notify_ready(struct notify *n, const char *status)
{
	send_state(n, "READY=1", status);
}

void notify_reloading(struct notify *n)
{
	char text[96];
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)(clock_ns() / 1000));
	send_state(n, text, NULL);
}

void notify_stopping(struct notify *n, const char *status)
{
	send_state(n, "STOPPING=1", status);
}

void notify_extend(struct notify *n, uint64_t usec)
{
	char text[64];
	snprintf(text, sizeof text, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)usec);
	send_hint(n, text, -1);
}

void notify_tick(struct notify *n, bool is_well)
{
	if (n->unsent[0] && send_text(n, n->unsent, -1) != -EAGAIN)
		n->unsent[0] = 0;
	if (n->watchdog_ms && is_well)
		send_hint(n, "WATCHDOG=1", -1);
}

void notify_forget_fds(struct notify *n, const char *name)
{
	char text[128];
	snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%.64s", name);
	send_hint(n, text, -1);
}

void notify_store_fd(struct notify *n, const char *name, int fd)
{
	char text[128];
	snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%.64s", name);
	send_hint(n, text, fd);
}

uint64_t notify_watchdog_ms(const struct notify *n)
{
	return n->watchdog_ms;
}
