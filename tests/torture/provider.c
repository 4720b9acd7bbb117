/* SPDX-License-Identifier: MIT
 * provider.c - see provider.h. A pause lets the worker read what was sent before. */
#include "tests/torture/provider.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/mem.h"
#include "tests/torture/script.h"

enum { PEERS = 16, REQUEST_MAX = 256 * 1024, OUT_MAX = 64 * 1024, FLOOD_BYTES = 16 * 1024 };
enum { SLEEP_MS = 45 };

struct peer {
	struct provider *p;
	uv_tcp_t tcp;
	uv_timer_t pause;
	uv_write_t write;
	unsigned open_handles;
	size_t n, done;			/* bytes of requests; of those, answered */
	const struct act *at;		/* NULL: no request is being answered */
	unsigned flooded, pauses;
	char in[REQUEST_MAX], out[OUT_MAX];
};
struct provider {
	int fd;
	uv_tcp_t tcp;
	unsigned n_open;
	struct peer peers[PEERS];
};

static void play(struct peer *e);

/* ---- acts ---- */

static void on_peer_closed(uv_handle_t *h)
{
	struct peer *e = h->data;
	if (--e->open_handles == 0)
		e->p->n_open--;
}

static void leave(struct peer *e, bool reset)
{
	if (uv_is_closing((uv_handle_t *)&e->tcp))
		return;
	e->at = NULL;
	uv_close((uv_handle_t *)&e->pause, on_peer_closed);
	if (!reset || uv_tcp_close_reset(&e->tcp, on_peer_closed) != 0)
		uv_close((uv_handle_t *)&e->tcp, on_peer_closed);
}

static void on_sent(uv_write_t *write, int status)
{
	struct peer *e = write->handle->data;
	if (status == 0 && !uv_is_closing((uv_handle_t *)&e->tcp))
		play(e);
	else
		leave(e, false);
}

/* Between two of its calls the loop has looked at all sockets. */
static void on_paused(uv_timer_t *t)
{
	struct peer *e = t->data;
	if (--e->pauses > 0)
		return;
	uv_timer_stop(t);
	play(e);
}

static void send_out(struct peer *e, size_t n)
{
	uv_buf_t bytes = { .base = e->out, .len = n };
	MUST(n < OUT_MAX);
	if (uv_write(&e->write, (uv_stream_t *)&e->tcp, &bytes, 1, on_sent) != 0)
		leave(e, true);
}

/* Scripts have ' where JSON has ". */
static void print_out(struct peer *e, const char *fmt, ...) PRINTF(2, 3);
static void print_out(struct peer *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->out, OUT_MAX, fmt, ap);
	va_end(ap);
	MUST(n > 0 && n < OUT_MAX);
	for (int i = 0; i < n; i++)
		if (e->out[i] == '\'')
			e->out[i] = '"';
	send_out(e, (size_t)n);
}

static void send_flood(struct peer *e)
{
	char text[FLOOD_BYTES + 1];
	const char *head = "data: {'choices':[{'index':0,'delta':{'content':'", *tail = "'}}]}\n\n";
	size_t n = strlen(head) + FLOOD_BYTES + strlen(tail);
	memset(text, 'x', FLOOD_BYTES);
	text[FLOOD_BYTES] = 0;
	if (++e->flooded == strlen(e->at->text)) {
		e->flooded = 0;
		e->at++;
	}
	print_out(e, "%zx\r\n%s%s%s\r\n", n, head, text, tail);
}

static void rest(struct peer *e, unsigned calls, uint64_t each_ms)
{
	e->at++;
	e->pauses = calls;
	uv_timer_start(&e->pause, on_paused, each_ms, each_ms);
}

static void act(struct peer *e)
{
	const struct act *a = e->at;
	switch (a->kind) {
	case ACT_SEND:
		e->at++;
		print_out(e, "%s", a->text);
		return;
	case ACT_CHUNK:
		e->at++;
		print_out(e, "%zx\r\n%s\r\n", strlen(a->text), a->text);
		return;
	case ACT_FLOOD:
		send_flood(e);
		return;
	case ACT_PAUSE:
		rest(e, 3, 1);
		return;
	case ACT_SLEEP:
		rest(e, 1, SLEEP_MS);
		return;
	case ACT_RESET:
		leave(e, true);
		return;
	case ACT_FIN:
		leave(e, false);
		return;
	case ACT_END:
	case ACT_SILENCE:
		return;
	}
}

/* ---- requests ---- */

/* The bytes of the request that stands at the front; 0 when it is not whole. */
static size_t request_bytes(struct str in)
{
	size_t head = str_find(in, STR("\r\n\r\n")), length;
	uint64_t body = 0;
	if (head == SIZE_MAX)
		return 0;
	length = str_find(str_of(in.p, head), STR("Content-Length: "));
	if (length != SIZE_MAX) {
		struct str rest = str_skip(str_of(in.p, head), length + 16);
		MUST(str_read_u64(str_cut(&rest, '\r'), &body) == 0);
	}
	return in.n >= head + 4 + body ? head + 4 + (size_t)body : 0;
}

static const struct act *script_of(struct str request)
{
	struct str path = request;
	str_cut(&path, '/');		/* behind the method */
	return script_named(str_cut(&path, '/'));
}

static void play(struct peer *e)
{
	struct str in = str_of(e->in + e->done, e->n - e->done);
	if (e->at && e->at->kind == ACT_END)
		e->at = NULL;
	if (!e->at) {
		size_t n = request_bytes(in);
		if (n == 0)
			return;
		e->done += n;
		e->at = script_of(in);
	}
	act(e);
}

/* ---- life ---- */

static void on_room(uv_handle_t *h, size_t wanted, uv_buf_t *ret)
{
	struct peer *e = h->data;
	(void)wanted;
	if (e->done == e->n)
		e->n = e->done = 0;
	MUST(e->n < REQUEST_MAX);
	*ret = (uv_buf_t){ .base = e->in + e->n, .len = REQUEST_MAX - e->n };
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *room)
{
	struct peer *e = s->data;
	(void)room;
	if (n < 0) {
		leave(e, false);
		return;
	}
	e->n += (size_t)n;
	if (!e->at || e->at->kind == ACT_END)
		play(e);
}

static void on_connection(uv_stream_t *s, int status)
{
	struct provider *p = s->data;
	struct peer *e = p->peers;
	MUST(status == 0);
	while (e < p->peers + PEERS && e->open_handles)
		e++;
	MUST(e < p->peers + PEERS);
	e->p = p;
	e->n = e->done = 0;
	e->flooded = 0;
	e->at = NULL;
	e->open_handles = 2;
	p->n_open++;
	uv_timer_init(s->loop, &e->pause);
	uv_tcp_init(s->loop, &e->tcp);
	e->tcp.data = e->pause.data = e;
	MUST(uv_accept(s, (uv_stream_t *)&e->tcp) == 0 && uv_tcp_nodelay(&e->tcp, 1) == 0);
	MUST(uv_read_start((uv_stream_t *)&e->tcp, on_room, on_read) == 0);
}

struct provider *provider_new(uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	struct provider *p = mem_alloc(sizeof *p);
	MUST(p);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	MUST(p->fd >= 0 && bind(p->fd, (struct sockaddr *)&a, n) == 0);
	MUST(getsockname(p->fd, (struct sockaddr *)&a, &n) == 0);
	*ret_port = ntohs(a.sin_port);
	return p;
}

void provider_run(struct provider *p, uv_loop_t *loop)
{
	uv_tcp_init(loop, &p->tcp);
	p->tcp.data = p;
	MUST(uv_tcp_open(&p->tcp, p->fd) == 0);
	MUST(uv_listen((uv_stream_t *)&p->tcp, PEERS, on_connection) == 0);
}

void provider_stop(struct provider *p)
{
	for (struct peer *e = p->peers; e < p->peers + PEERS; e++)
		if (e->open_handles)
			leave(e, false);
	uv_close((uv_handle_t *)&p->tcp, NULL);
}

void provider_free(struct provider *p)
{
	mem_free(p);
}

unsigned provider_connections(const struct provider *p)
{
	return p->n_open;
}
