/* SPDX-License-Identifier: MIT
 * http.c - connections: reading requests, writing bytes, and the ways to part.
 *
 * While a request is being answered the socket is still read, so that a client that leaves is
 * seen at once; what it sends ahead waits in conn.pending, for the parser stands still. */
#include <stdlib.h>
#include <strings.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/mock/mock.h"

enum {
	CLOG_BYTES = 256 * 1024,
	KEEP_BODY = 1 << 20,		/* a larger body's memory is given back */
	LEAVE_MS = 1000,
};

struct late_write {			/* what the kernel did not take at once */
	uv_write_t req;
	struct conn *conn;
	char bytes[];
};

static void feed(struct conn *c, const char *p, size_t n);

/* Handles: the memory goes with the last of them. */

static void on_closed(uv_handle_t *h)
{
	struct conn *c = h->data;
	if (--c->open_handles > 0)
		return;
	c->mock->stats.open--;
	if (c->alarm_fd >= 0)
		close(c->alarm_fd);
	buf_done(&c->url);
	buf_done(&c->headers);
	buf_done(&c->body);
	buf_done(&c->pending);
	buf_done(&c->held);
	skim_done(&c->ask);
	free(c);
}

static void close_timers(struct conn *c)
{
	uv_close((uv_handle_t *)&c->timer, on_closed);
	if (c->alarm_fd >= 0)
		uv_close((uv_handle_t *)&c->alarm, on_closed);
}

static void conn_close(struct conn *c)
{
	if (uv_is_closing((uv_handle_t *)&c->sock))
		return;
	close_timers(c);
	uv_close((uv_handle_t *)&c->sock, on_closed);
}

static void conn_lost(struct conn *c)
{
	if (c->is_busy)
		play_lost(c);
	c->is_busy = false;
	conn_close(c);
}

void conn_reset(struct conn *c)
{
	if (uv_is_closing((uv_handle_t *)&c->sock))
		return;
	c->is_busy = false;
	if (uv_tcp_close_reset(&c->sock, on_closed) < 0)
		uv_close((uv_handle_t *)&c->sock, on_closed);
	close_timers(c);
}

static void on_shut(uv_shutdown_t *req, int status)
{
	struct conn *c = req->data;
	free(req);
	if (status < 0)
		conn_close(c);
}

void conn_shut(struct conn *c)
{
	uv_shutdown_t *req = malloc(sizeof *req);
	c->is_busy = false;
	c->is_leaving = true;
	if (req)
		req->data = c;
	if (!req || uv_shutdown(req, (uv_stream_t *)&c->sock, on_shut) < 0) {
		free(req);
		conn_close(c);
		return;
	}
	conn_wait(c, LEAVE_MS);
}

/* Going on: with the answer, and behind it with what came ahead. */

static void go_on(struct conn *c)
{
	if (c->is_busy)
		play_go(c);
	if (c->is_broken)
		conn_lost(c);
	if (c->is_busy || c->is_leaving || c->pending.n == 0 ||
	    uv_is_closing((uv_handle_t *)&c->sock))
		return;
	struct buf ahead = c->pending;
	c->pending = (struct buf){ 0 };
	feed(c, ahead.p, ahead.n);
	buf_done(&ahead);
}

static void on_timer(uv_timer_t *t)
{
	struct conn *c = t->data;
	if (c->is_leaving)
		conn_close(c);
	else
		go_on(c);
}

void conn_wait(struct conn *c, uint64_t ms)
{
	uv_timer_start(&c->timer, on_timer, ms, 0);
}

static void on_alarm(uv_poll_t *h, int status, int events)
{
	struct conn *c = h->data;
	uint64_t ticks;
	(void)status;
	(void)events;
	if (read(c->alarm_fd, &ticks, sizeof ticks) > 0 && !c->is_leaving)
		go_on(c);
}

static bool has_alarm(struct conn *c)
{
	if (c->alarm_fd >= 0)
		return true;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (fd < 0)
		return false;
	if (uv_poll_init(&c->mock->loop, &c->alarm, fd) < 0) {
		close(fd);
		return false;
	}
	c->alarm.data = c;
	c->alarm_fd = fd;
	c->open_handles++;
	uv_poll_start(&c->alarm, UV_READABLE, on_alarm);
	return true;
}

void conn_wait_us(struct conn *c, uint64_t us)
{
	struct itimerspec when = { .it_value = { .tv_sec = (time_t)(us / 1000000),
						 .tv_nsec = (long)(us % 1000000) * 1000 } };
	if (!has_alarm(c) || timerfd_settime(c->alarm_fd, 0, &when, NULL) < 0)
		conn_wait(c, us / 1000);
}

/* Writing: at once if the kernel takes it, which it nearly always does. */

bool conn_has_queue(const struct conn *c)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&c->sock) > 0;
}

bool conn_is_clogged(const struct conn *c)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&c->sock) > CLOG_BYTES;
}

static void on_written(uv_write_t *req, int status)
{
	struct late_write *w = (struct late_write *)req;
	struct conn *c = w->conn;
	free(w);
	if (status < 0) {
		conn_lost(c);
	} else if (c->wants_drain && !conn_has_queue(c)) {
		c->wants_drain = false;
		go_on(c);
	}
}

static void write_late(struct conn *c, struct span a, struct span b)
{
	struct late_write *w = malloc(sizeof *w + a.n + b.n);
	if (!w) {
		c->is_broken = true;
		return;
	}
	w->conn = c;
	if (a.n)
		memcpy(w->bytes, a.p, a.n);
	if (b.n)
		memcpy(w->bytes + a.n, b.p, b.n);
	uv_buf_t bytes = uv_buf_init(w->bytes, (unsigned)(a.n + b.n));
	if (uv_write(&w->req, (uv_stream_t *)&c->sock, &bytes, 1, on_written) < 0) {
		free(w);
		c->is_broken = true;
	}
}

static struct span cut(struct span s, size_t n)
{
	return n ? (struct span){ s.p + n, s.n - n } : s;
}

void conn_send(struct conn *c, struct span a, struct span b)
{
	size_t sent = 0;
	if (c->is_broken || uv_is_closing((uv_handle_t *)&c->sock))
		return;
	if (!conn_has_queue(c)) {
		uv_buf_t bufs[2] = { { (char *)a.p, a.n }, { (char *)b.p, b.n } };
		int r = uv_try_write((uv_stream_t *)&c->sock, a.n ? bufs : bufs + 1,
				     a.n && b.n ? 2 : 1);
		if (r < 0 && r != UV_EAGAIN) {
			c->is_broken = true;
			return;
		}
		sent = r > 0 ? (size_t)r : 0;
	}
	if (sent == a.n + b.n)
		return;
	size_t of_a = sent < a.n ? sent : a.n;
	write_late(c, cut(a, of_a), cut(b, sent - of_a));
}

/* Reading. */

static struct conn *conn_of(llhttp_t *parser)
{
	return parser->data;
}

static int on_message_begin(llhttp_t *parser)
{
	struct conn *c = conn_of(parser);
	c->url.n = 0;
	c->headers.n = 0;
	c->body.n = 0;
	return 0;
}

static int on_url(llhttp_t *parser, const char *p, size_t n)
{
	struct conn *c = conn_of(parser);
	buf_put(&c->url, p, n);
	return c->url.n > HEAD_MAX ? -1 : 0;
}

static int on_header_text(llhttp_t *parser, const char *p, size_t n)
{
	struct conn *c = conn_of(parser);
	buf_put(&c->headers, p, n);
	return c->headers.n > HEAD_MAX ? -1 : 0;
}

static int on_header_text_end(llhttp_t *parser)
{
	buf_put(&conn_of(parser)->headers, "", 1);
	return 0;
}

static int on_headers(llhttp_t *parser)
{
	struct conn *c = conn_of(parser);
	parser->upgrade = 0;			/* we speak nothing else: an offer is not taken */
	c->is_http11 = llhttp_get_http_major(parser) == 1 && llhttp_get_http_minor(parser) == 1;
	struct span expect = header_find((struct span){ c->headers.p, c->headers.n }, "expect");
	if (expect.n == 12 && strncasecmp(expect.p, "100-continue", 12) == 0)
		conn_send(c, SPAN("HTTP/1.1 100 Continue\r\n\r\n"), (struct span){ 0 });
	return 0;
}

static int on_body(llhttp_t *parser, const char *p, size_t n)
{
	struct conn *c = conn_of(parser);
	if (c->body.n + n > BODY_MAX)
		return -1;
	buf_put(&c->body, p, n);
	return 0;
}

static int on_message(llhttp_t *parser)
{
	struct conn *c = conn_of(parser);
	c->keeps_alive = llhttp_should_keep_alive(parser);
	c->is_whole = true;
	return HPE_PAUSED;
}

static void refuse(struct conn *c)
{
	conn_send(c, SPAN("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"
			  "content-length: 0\r\n\r\n"), (struct span){ 0 });
	conn_shut(c);
}

static void feed(struct conn *c, const char *p, size_t n)
{
	while (n > 0 && !c->is_busy && !c->is_leaving) {
		enum llhttp_errno err = llhttp_execute(&c->parser, p, n);
		if (err == HPE_OK)
			return;
		if (err != HPE_PAUSED || !c->is_whole) {
			refuse(c);
			return;
		}
		size_t used = (size_t)(llhttp_get_error_pos(&c->parser) - p);
		llhttp_resume(&c->parser);
		c->is_whole = false;
		p += used;
		n -= used;
		if (c->body.n == 0 && c->body.room > KEEP_BODY)
			buf_done(&c->body);
		c->is_busy = true;
		play_start(c);
		if (c->is_broken)
			conn_lost(c);
		if (uv_is_closing((uv_handle_t *)&c->sock))
			return;
	}
	if (!c->is_leaving)
		buf_put(&c->pending, p, n);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct conn *c = h->data;
	(void)suggested;
	*ret = uv_buf_init(c->mock->input, sizeof c->mock->input);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *bytes)
{
	struct conn *c = s->data;
	if (n < 0) {
		conn_lost(c);
	} else if (n > 0 && !c->is_leaving) {
		if (c->is_busy && c->pending.n + (size_t)n > BODY_MAX)
			conn_lost(c);
		else
			feed(c, bytes->base, (size_t)n);
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct mock *m = listener->data;
	struct conn *c = status == 0 ? calloc(1, sizeof *c) : NULL;
	if (!c)
		return;
	c->mock = m;
	c->alarm_fd = -1;
	c->sock.data = c->timer.data = c;
	uv_tcp_init(&m->loop, &c->sock);
	uv_timer_init(&m->loop, &c->timer);
	c->open_handles = 2;
	m->stats.open++;
	if (uv_accept(listener, (uv_stream_t *)&c->sock) < 0) {
		conn_close(c);
		return;
	}
	m->stats.accepted++;
	uv_tcp_nodelay(&c->sock, 1);
	llhttp_init(&c->parser, HTTP_REQUEST, &m->parser_settings);
	c->parser.data = c;
	uv_read_start((uv_stream_t *)&c->sock, on_alloc, on_read);
}

static void settings_init(llhttp_settings_t *s)
{
	llhttp_settings_init(s);
	s->on_message_begin = on_message_begin;
	s->on_url = on_url;
	s->on_header_field = on_header_text;
	s->on_header_value = on_header_text;
	s->on_header_field_complete = on_header_text_end;
	s->on_header_value_complete = on_header_text_end;
	s->on_headers_complete = on_headers;
	s->on_body = on_body;
	s->on_message_complete = on_message;
}

int http_listen(struct mock *m, const char *host, int port)
{
	struct sockaddr_storage addr;
	settings_init(&m->parser_settings);
	int r = strchr(host, ':') ? uv_ip6_addr(host, port, (struct sockaddr_in6 *)&addr)
				  : uv_ip4_addr(host, port, (struct sockaddr_in *)&addr);
	if (r == 0)
		r = uv_tcp_init(&m->loop, &m->listener);
	if (r == 0)
		r = uv_tcp_bind(&m->listener, (struct sockaddr *)&addr, 0);
	m->listener.data = m;
	return r ? r : uv_listen((uv_stream_t *)&m->listener, 4096, on_connection);
}
