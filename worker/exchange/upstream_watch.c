/* SPDX-License-Identifier: MIT
 * upstream_watch.c - curl's sockets, watched by libuv.
 *
 * A connection is used by one request after the other, and curl asks to have its socket watched and
 * left alone for each. The watch stays, and goes on waiting for something to read, until the
 * connection is closed: so a request costs no call of the kernel for it. What comes while nobody
 * asks, an end mostly, is not looked at; curl finds it when it takes the connection up again. */
#include <errno.h>
#include <unistd.h>

#include "common/mem.h"
#include "worker/exchange/upstream_private.h"

enum { SOCKETS_MAX = 1 << 20 };

static void watch_closed(uv_handle_t *h)
{
	struct socket_watch *s = h->data;
	struct upstream *u = s->u;
	mem_free(s);
	if (--u->open_handles == 0 && u->is_closing)
		mem_free(u);
}

static void watch_free(struct socket_watch *s)
{
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, watch_closed);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct socket_watch *s = p->data;
	int flags = 0;
	if (s->is_idle) {
		uv_poll_stop(p);
		s->events = 0;
		return;
	}
	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	upstream_act(s->u, s->fd, flags);
}

/* ---- the table of descriptors ---- */

static struct socket_row *row_of(struct upstream *u, curl_socket_t fd)
{
	return fd >= 0 && (unsigned)fd < u->n_sockets ? &u->sockets[fd] : NULL;
}

static struct socket_row *make_row(struct upstream *u, curl_socket_t fd)
{
	unsigned n = u->n_sockets;
	struct socket_row *rows;
	if (fd < 0 || fd >= SOCKETS_MAX)
		return NULL;
	if ((unsigned)fd < u->n_sockets)
		return &u->sockets[fd];
	while (n <= (unsigned)fd)
		n *= 2;
	rows = mem_array(n, sizeof *rows);
	if (!rows)
		return NULL;
	for (unsigned i = 0; i < u->n_sockets; i++)
		rows[i] = u->sockets[i];
	mem_free(u->sockets);
	u->sockets = rows;
	u->n_sockets = n;
	return &rows[fd];
}

/* Only of sockets whose end curl tells us may a watch outlive what curl asks for: another's number
 * may be used again without a word. It tells of none that is still connecting; those it waits to
 * write to. */
int upstream_on_made(void *upstream, curl_socket_t fd, curlsocktype purpose)
{
	struct socket_row *row = purpose == CURLSOCKTYPE_IPCXN ? make_row(upstream, fd) : NULL;
	if (row)
		row->is_connection = true;
	return CURL_SOCKOPT_OK;
}

static void forget(struct upstream *u, curl_socket_t fd)
{
	struct socket_row *row = row_of(u, fd);
	if (row && row->watch)
		watch_free(row->watch);
	if (row)
		row->watch = NULL;
}

int upstream_on_close(void *upstream, curl_socket_t fd)
{
	struct upstream *u = upstream;
	struct socket_row *row = row_of(u, fd);
	forget(u, fd);
	if (row)
		row->is_connection = false;
	return close(fd);
}

/* ---- what curl asks for ---- */

static struct socket_watch *watch_new(struct upstream *u, curl_socket_t fd)
{
	struct socket_watch *s = mem_alloc(sizeof *s);
	if (!s)
		return NULL;
	if (uv_poll_init_socket(u->loop, &s->poll, fd) < 0) {
		mem_free(s);
		return NULL;
	}
	s->u = u;
	s->fd = fd;
	s->poll.data = s;
	u->open_handles++;
	return s;
}

static struct socket_watch *find_or_make(struct upstream *u, curl_socket_t fd)
{
	struct socket_row *row = row_of(u, fd);
	struct socket_watch *s = row && row->watch ? row->watch : watch_new(u, fd);
	if (s)
		curl_multi_assign(u->multi, fd, s);
	return s;
}

static void leave_alone(struct upstream *u, struct socket_watch *s)
{
	struct socket_row *row = row_of(u, s->fd);
	curl_multi_assign(u->multi, s->fd, NULL);
	if (s->events == UV_READABLE && row && row->is_connection) {
		row->watch = s;
		s->is_idle = true;
		return;
	}
	if (row && row->watch == s)
		row->watch = NULL;
	watch_free(s);
}

int upstream_on_socket(CURL *easy, curl_socket_t fd, int what, void *upstream, void *assigned)
{
	struct upstream *u = upstream;
	struct socket_watch *s = assigned;
	int events = (what & CURL_POLL_IN ? UV_READABLE : 0) |
		     (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	if (what == CURL_POLL_REMOVE) {
		if (s)
			leave_alone(u, s);
		return 0;
	}
	if (!s)
		s = find_or_make(u, fd);
	if (s) {
		s->is_idle = false;
		if (s->events == events)
			return 0;
		s->events = events;
	}
	if ((!s || uv_poll_start(&s->poll, events, on_poll) < 0) && upstream_transfer_of(easy))
		upstream_go_blind(upstream_transfer_of(easy));
	return 0;
}

/* ---- tunnels ---- */

static void on_tunnel(uv_poll_t *p, int status, int events)
{
	struct socket_watch *s = p->data;
	struct transfer *t = s->tunnel;
	if (!t)
		return;
	/* What is broken is found out by reading. */
	t->tunnel->on_ready(t->data, status < 0 || events & UV_READABLE, events & UV_WRITABLE);
}

bool upstream_watch_tunnel(struct transfer *t)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	struct socket_watch *s = mem_alloc(sizeof *s);
	curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd);
	forget(t->u, fd);
	if (!s || fd == CURL_SOCKET_BAD || uv_poll_init_socket(t->u->loop, &s->poll, fd) < 0) {
		mem_free(s);
		return false;
	}
	*s = (struct socket_watch){ .poll = s->poll, .u = t->u, .fd = fd, .tunnel = t };
	s->poll.data = s;
	t->u->open_handles++;
	t->watch = s;
	return true;
}

void upstream_unwatch(struct transfer *t)
{
	struct socket_watch *s = t->watch;
	if (!s)
		return;
	s->tunnel = NULL;
	t->watch = NULL;
	watch_free(s);
}

void upstream_watch(struct transfer *t, bool readable, bool writable)
{
	int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
	if (events)
		uv_poll_start(&t->watch->poll, events, on_tunnel);
	else
		uv_poll_stop(&t->watch->poll);
}
