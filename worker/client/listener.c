/* SPDX-License-Identifier: MIT
 * listener.c - accepting. The listening descriptor is shared with the other workers, so each
 * wake-up is a race that may be lost. Out of descriptors: one kept in reserve is given up to
 * take a client out of the backlog and turn it away, then accepting rests for a moment.
 *
 * A socket that nobody will listen on any more has a filter, by which the kernel lets nobody new
 * begin (master/listen.c): who is in its queue, or has half arrived, is still taken. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/client/connection.h"
#include "worker/worker.h"

enum { ACCEPTS_A_TURN = 16, REST_MS = 100, LAST_MS = 200, ACCEPTS_LAST = 8192 };

struct listener {
	struct worker *w;
	struct listener *next;
	int fd, reserve_fd;
	struct tls_context *tls;	/* NULL: plain */
	uv_poll_t poll;
	uv_timer_t rest;	/* or what is left of its time, when it leaves */
	bool is_leaving;
	unsigned open_handles;
};

static void on_readable(uv_poll_t *p, int status, int events);

static void listen_on(struct listener *l)
{
	(void)uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static void on_rested(uv_timer_t *t)
{
	struct listener *l = t->data;
	if (l->reserve_fd < 0)
		l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	listen_on(l);
}

static void rest(struct listener *l)
{
	if (l->is_leaving)
		return;
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->rest, on_rested, REST_MS, 0);
}

/* The client that waits longest learns at once that there is no room for it. */
static void turn_one_away(struct listener *l)
{
	if (l->reserve_fd >= 0)
		close(l->reserve_fd);
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		METRIC_ADD(l->w->metrics, connections_refused, 1);
		close(fd);
	}
	l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage room;
};

/* A local socket has none: all zero. */
static void write_address(uint8_t ret[16], const union address *a)
{
	memset(ret, 0, 16);
	if (a->any.sa_family == AF_INET6) {
		memcpy(ret, &a->v6.sin6_addr, 16);
	} else if (a->any.sa_family == AF_INET) {
		ret[10] = ret[11] = 0xff;
		memcpy(ret + 12, &a->v4.sin_addr, 4);
	}
}

static void take(struct listener *l, int fd, const union address *a)
{
	struct worker *w = l->w;
	uint8_t address[16];
	uint32_t max = snap_settings(w->snap)->connections_max;
	if (max > 0 && w->n_connections >= max) {
		METRIC_ADD(w->metrics, connections_refused, 1);
		close(fd);
		return;
	}
	(void)FAULT("accept.got");
	write_address(address, a);
	if (connection_open(w, fd, l->tls, address) != 0)
		METRIC_ADD(w->metrics, connections_refused, 1);
}

/* Errors that accept(2) tells about a client that has gone already. */
static bool is_of_client(int e)
{
	static const int errors[] = { EINTR,     ECONNABORTED, EPROTO,	     ENETDOWN,
				      EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT };
	for (size_t i = 0; i < COUNT(errors); i++)
		if (errors[i] == e)
			return true;
	return false;
}

/* False: no more for now. */
static bool accept_one(struct listener *l)
{
	union address a = { .any.sa_family = AF_UNSPEC };
	socklen_t n = sizeof a;
	int fd = accept4(l->fd, &a.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC), e = errno;
	if (fd >= 0) {
		take(l, fd, &a);
		return true;
	}
	if (e == EAGAIN || is_of_client(e))
		return e != EAGAIN;
	if (e == EMFILE || e == ENFILE)
		turn_one_away(l);
	LOG(LOG_WARN, "listener.resting", F_INT("errno", e));
	rest(l);
	return false;
}

static void on_readable(uv_poll_t *p, int status, int events)
{
	struct listener *l = p->data;
	(void)events;
	if (status < 0) {
		LOG(LOG_WARN, "listener.resting", F_INT("errno", -status));
		rest(l);
		return;
	}
	for (int i = 0; i < ACCEPTS_A_TURN; i++)
		if (!accept_one(l))
			return;
}

static void on_closed(uv_handle_t *h)
{
	struct listener *l = h->data;
	if (--l->open_handles > 0)
		return;
	close(l->fd);
	if (l->reserve_fd >= 0)
		close(l->reserve_fd);
	mem_free(l);
}

int listener_start(struct worker *w, int fd, struct tls_context *tls, struct listener **ret)
{
	struct listener *l = mem_alloc(sizeof *l);
	int r = l ? uv_poll_init(w->loop, &l->poll, fd) : -ENOMEM;
	if (r != 0) {
		mem_free(l);
		close(fd);
		return r;
	}
	l->w = w;
	l->fd = fd;
	l->tls = tls;
	l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uv_timer_init(w->loop, &l->rest);
	l->poll.data = l->rest.data = l;
	l->open_handles = 2;
	l->next = w->listeners;
	w->listeners = l;
	listen_on(l);
	*ret = l;
	return 0;
}

static void stop(struct listener *l)
{
	struct listener **at = &l->w->listeners;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, on_closed);
	uv_close((uv_handle_t *)&l->rest, on_closed);
}

static void on_last(uv_timer_t *t)
{
	struct listener *l = t->data;
	for (int i = 0; i < ACCEPTS_LAST; i++)
		if (!accept_one(l))
			break;
	stop(l);
}

static bool has_filter(int fd)
{
	socklen_t n = 0;		/* of instructions */
	return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n) == 0 && n > 0;
}

/* Where other processes go on listening, closing our descriptor takes nothing from the backlog. */
void listener_stop_all(struct worker *w)
{
	for (struct listener *l = w->listeners, *next; l; l = next) {
		next = l->next;
		if (!has_filter(l->fd)) {
			stop(l);
		} else if (!l->is_leaving) {
			l->is_leaving = true;
			uv_timer_start(&l->rest, on_last, LAST_MS, 0);
			listen_on(l);
		}
	}
}
