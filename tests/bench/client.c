/* SPDX-License-Identifier: MIT
 * client.c - one connection: sends the request, checks the answer, notes when it came. */
#include <string.h>

#include "tests/bench/load.h"

static const struct {
	const char *text;
	size_t n;
} done_line = { "data: [DONE]", 12 };

static char read_room[256 * 1024];	/* of all clients: libuv reads and hands over at once */

static void on_closed(uv_handle_t *h)
{
	struct client *c = h->data;
	c->state = CLIENT_CLOSED;
	if (!c->load->is_over)
		client_connect(c);
}

static void client_close(struct client *c)
{
	if (c->state == CLIENT_CLOSING || c->state == CLIENT_CLOSED)
		return;
	c->state = CLIENT_CLOSING;
	uv_close((uv_handle_t *)&c->sock, on_closed);
}

void client_fail(struct client *c, enum failure why)
{
	if (c->state == CLIENT_CLOSING || c->state == CLIENT_CLOSED)
		return;
	load_on_failure(c->load, c, why);
	client_close(c);
}

/* The open loop measures what was due in the measured time, late or not; the closed one, what
 * happens in it. */
static bool is_measured(const struct client *c, uint64_t now)
{
	const struct load *l = c->load;
	return l->mode == MODE_OPEN ? c->is_counted : now >= l->from_ns && now < l->to_ns;
}

/* Streams. A line is known by how it begins; an event ends with an empty line. */

/* "@" and digits: when the event was sent, by the clock that this program reads too. The digits
 * may come in two reads. */
static void read_stamp(struct client *c, const char *p, size_t n)
{
	const char *end = p + n;
	if (!c->in_stamp) {
		p = memchr(p, '@', n);
		if (!p)
			return;
		p++;
		c->in_stamp = true;
		c->stamp_ns = 0;
	}
	while (p < end && *p >= '0' && *p <= '9')
		c->stamp_ns = c->stamp_ns * 10 + (uint64_t)(*p++ - '0');
	c->in_stamp = p == end;
}

/* How long it was on its way, how much the gap to the one before differs from that between their
 * stamps, and whether it had to travel with it. */
static void note_stamp(struct client *c, uint64_t now)
{
	struct load *l = c->load;
	uint64_t delay = now > c->stamp_ns ? now - c->stamp_ns : 0, before = c->delay_ns;
	if (is_measured(c, now)) {
		l->stamped++;
		l->merged += c->stamp_read == l->reads;
		hist_add(&l->delay, delay);
		if (c->stamp_read)
			hist_add(&l->jitter, delay > before ? delay - before : before - delay);
	}
	c->stamp_read = l->reads;
	c->delay_ns = delay;
	c->stamp_ns = 0;
}

static void end_event(struct client *c, uint64_t now)
{
	struct load *l = c->load;
	c->has_data = false;
	c->events++;
	if (c->stamp_ns)
		note_stamp(c, now);
	if (is_measured(c, now)) {
		l->events++;
		if (c->events == 1)
			hist_add(&l->first_event, now - c->due_ns);
		else
			hist_add(&l->gap, now - c->last_event_ns);
	}
	c->last_event_ns = now;
	if (c->events == 1)
		load_on_first_event(l, c);
}

static void end_line(struct client *c, uint64_t now)
{
	size_t n = c->line_n;
	c->in_stamp = false;
	if (n > 0 && n <= sizeof c->line && c->line[n - 1] == '\r')
		n--;
	c->line_n = 0;
	if (n == 0) {
		if (c->has_data)
			end_event(c, now);
	} else if (n >= 5 && memcmp(c->line, "data:", 5) == 0) {
		c->has_data = true;
		c->is_done = n == done_line.n && memcmp(c->line, done_line.text, n) == 0;
	}
}

static void read_stream(struct client *c, const char *p, size_t n)
{
	uint64_t now = uv_hrtime();
	while (n > 0) {
		const char *lf = memchr(p, '\n', n);
		size_t part = lf ? (size_t)(lf - p) : n;
		for (size_t i = 0; i < part && c->line_n + i < sizeof c->line; i++)
			c->line[c->line_n + i] = p[i];
		c->line_n += part;
		if (c->load->has_stamps)
			read_stamp(c, p, part);
		if (!lf)
			return;
		end_line(c, now);
		p += part + 1;
		n -= part + 1;
	}
}

/* The answer. */

static int on_body(llhttp_t *parser, const char *p, size_t n)
{
	struct client *c = parser->data;
	if (c->load->is_stream) {
		read_stream(c, p, n);
		return 0;
	}
	for (size_t i = 0; i < n && !c->first; i++)
		c->first = p[i] > ' ' ? p[i] : '\0';
	for (size_t i = n; i > 0; i--) {
		if (p[i - 1] > ' ') {
			c->last = p[i - 1];
			break;
		}
	}
	return 0;
}

/* FAIL_COUNT: it is right. */
static enum failure judge(const struct client *c)
{
	int status = c->parser.status_code;
	if (status / 100 != (c->load->wants_refusal ? 4 : 2))
		return FAIL_STATUS;
	if (c->load->wants_refusal)
		return FAIL_COUNT;		/* nginx's has no JSON */
	if (c->load->mode == MODE_HOLD)
		return FAIL_ENDED;
	if (c->load->is_stream)
		return c->is_done ? FAIL_COUNT : FAIL_NO_DONE;
	return c->first == '{' && c->last == '}' ? FAIL_COUNT : FAIL_NOT_JSON;
}

static void note_length(struct load *l, uint64_t events)
{
	if (events > l->events_max)
		l->events_max = events;
	if (events < l->events_min || l->events_min == 0)
		l->events_min = events;
}

static int on_message(llhttp_t *parser)
{
	struct client *c = parser->data;
	struct load *l = c->load;
	enum failure bad = judge(c);
	if (bad == FAIL_STATUS && !l->bad_status)
		l->bad_status = parser->status_code;
	if (bad != FAIL_COUNT) {
		client_fail(c, bad);
		return HPE_USER;
	}
	uint64_t now = uv_hrtime();
	if (l->is_stream)
		note_length(l, c->events);
	if (is_measured(c, now)) {
		l->ok++;
		hist_add(&l->latency, now - c->due_ns);
	}
	l->busy--;
	c->state = CLIENT_IDLE;
	if (llhttp_should_keep_alive(parser))
		return 0;
	l->reconnects++;
	client_close(c);
	return HPE_USER;
}

void client_settings_init(llhttp_settings_t *s)
{
	llhttp_settings_init(s);
	s->on_body = on_body;
	s->on_message_complete = on_message;
}

/* The socket. */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	(void)h;
	(void)suggested;
	*ret = uv_buf_init(read_room, sizeof read_room);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *bytes)
{
	struct client *c = s->data;
	bool was_busy = c->state == CLIENT_BUSY;
	if (n < 0) {
		if (was_busy && n == UV_EOF)
			llhttp_finish(&c->parser);	/* an answer may end so */
		if (c->state == CLIENT_BUSY) {
			client_fail(c, FAIL_CLOSED);
		} else {
			c->load->reconnects += c->state == CLIENT_IDLE;
			client_close(c);
		}
		return;
	}
	if (n == 0)
		return;
	c->load->reads++;
	if (!was_busy || llhttp_execute(&c->parser, bytes->base, (size_t)n) != HPE_OK) {
		client_fail(c, FAIL_PARSE);
		return;
	}
	if (c->state == CLIENT_IDLE)
		load_on_idle(c->load, c);
}

static void on_connected(uv_connect_t *req, int status)
{
	struct client *c = req->data;
	if (c->state != CLIENT_CONNECTING)
		return;
	if (status < 0) {
		client_fail(c, FAIL_CONNECT);
		return;
	}
	uv_tcp_nodelay(&c->sock, 1);
	uv_read_start((uv_stream_t *)&c->sock, on_alloc, on_read);
	c->state = CLIENT_IDLE;
	load_on_connected(c->load, c);
}

void client_init(struct client *c, struct load *l)
{
	c->load = l;
	c->state = CLIENT_CLOSED;
}

void client_connect(struct client *c)
{
	struct load *l = c->load;
	uv_tcp_init(&l->loop, &c->sock);
	c->sock.data = c;
	c->connect_req.data = c;
	c->state = CLIENT_CONNECTING;
	int r = uv_tcp_connect(&c->connect_req, &c->sock, (const struct sockaddr *)&l->addr,
			       on_connected);
	if (r < 0)
		client_fail(c, FAIL_CONNECT);
}

static void on_written(uv_write_t *req, int status)
{
	(void)req;
	(void)status;			/* reading tells what became of the connection */
}

void client_send(struct client *c, uint64_t due_ns)
{
	struct load *l = c->load;
	uint64_t now = uv_hrtime();
	c->due_ns = due_ns;
	c->is_counted = due_ns >= l->from_ns && due_ns < l->to_ns;
	c->events = 0;
	c->first = c->last = '\0';
	c->line_n = 0;
	c->stamp_ns = c->stamp_read = 0;
	c->in_stamp = false;
	c->has_data = c->is_done = false;
	c->state = CLIENT_BUSY;
	l->busy++;
	llhttp_init(&c->parser, HTTP_RESPONSE, &l->parser_settings);
	c->parser.data = c;
	if (c->is_counted)
		hist_add(&l->lag, now - due_ns);
	uv_buf_t all = uv_buf_init(l->request, (unsigned)l->request_n);
	int r = uv_try_write((uv_stream_t *)&c->sock, &all, 1);
	size_t sent = r > 0 ? (size_t)r : 0;
	if (sent == l->request_n)
		return;
	uv_buf_t rest = uv_buf_init(l->request + sent, (unsigned)(l->request_n - sent));
	if ((r < 0 && r != UV_EAGAIN) ||
	    uv_write(&c->write_req, (uv_stream_t *)&c->sock, &rest, 1, on_written) < 0)
		client_fail(c, FAIL_CLOSED);
}
