/* SPDX-License-Identifier: MIT
 * connection.c - a connection's life, its input and its deadlines.
 *
 * Input moves through one loop, consume(): head, body, wait, next head. It never calls itself:
 * what must go on after a call of the request's own goes on in the connection's turn (client.c),
 * where deadlines are looked at too. An idle connection holds its struct and nothing else. */
#include <errno.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "worker/client/conn.h"
#include "worker/client/tls.h"
#include "worker/memory.h"
#include "worker/request.h"

enum {
	PENDING_STOP = 65536,		/* bytes kept for later before reading stops */
	PENDING_MAX = PENDING_STOP + WIRE_PLAIN_MAX,
	LINGER_BYTES = 64 << 20,	/* dropped, so that who still sends can read why */
	LINGER_MS = 2000,		/* of silence */
	LINGER_ALL_MS = 30000,
	DRAIN_GRACE_MS = 1000,		/* what a client may need to send its next request */
	LARGE_BODY = 65536,		/* from which on it may be refused amid its way */
	AHEAD_MAX = 1 << 20,		/* memory for a body that is announced */
	BODY_RATE_MIN = 512		/* bytes a second, once body_timeout has gone by */
};

#define TO(s) (1u << (s))
static const unsigned may_go[CONN_STATES] = {
	[CONN_IDLE] = TO(CONN_HEAD) | TO(CONN_CLOSING),
	[CONN_HEAD] = TO(CONN_ASKED) | TO(CONN_ANSWERED) | TO(CONN_CLOSING),
	[CONN_ASKED] = TO(CONN_BODY) | TO(CONN_TUNNEL) | TO(CONN_ANSWERED) | TO(CONN_CLOSING),
	[CONN_BODY] = TO(CONN_RUNNING) | TO(CONN_ASKED) | TO(CONN_ANSWERED) | TO(CONN_CLOSING),
	[CONN_RUNNING] = TO(CONN_ANSWERED) | TO(CONN_CLOSING),
	[CONN_TUNNEL] = TO(CONN_ANSWERED) | TO(CONN_CLOSING),
	[CONN_ANSWERED] = TO(CONN_IDLE) | TO(CONN_LINGERING) | TO(CONN_CLOSING),
	[CONN_LINGERING] = TO(CONN_CLOSING),
	[CONN_CLOSING] = 0,
};

/* States with a deadline; asking the time for the others would be for nothing. */
static const unsigned timed = TO(CONN_IDLE) | TO(CONN_HEAD) | TO(CONN_BODY) | TO(CONN_LINGERING);

void conn_enter(struct connection *c, enum conn_state next)
{
	MUST(may_go[c->state] & TO(next));
	c->state = next;
	if (timed & TO(next))
		c->since_ns = clock_coarse_ns();
}

bool conn_is_open(const struct connection *c)
{
	return c->state == CONN_ASKED || c->state == CONN_BODY || c->state == CONN_RUNNING ||
	       c->state == CONN_TUNNEL;
}

static struct connection *conn_of(struct wire *x)
{
	return (struct connection *)x;
}

static const struct snap_settings *settings_of(const struct connection *c)
{
	return snap_settings(c->w->snap);
}

/* ---- closing ---- */

static void release_request(struct connection *c)
{
	if (c->head && c->w->client)
		client_give_head(c->w->client, c->head);
	else
		http_in_free(c->head);
	c->head = NULL;
	buf_done(&c->body);
	buf_done(&c->held);
	c->answer = ANSWER_NONE;
	c->was_high = false;
}

static void conn_close(struct connection *c, bool reset)
{
	if (c->state == CONN_CLOSING)
		return;
	conn_enter(c, CONN_CLOSING);
	wire_close(&c->wire, reset);
}

/* The client is not there any more, or is to be treated so. */
static void lose(struct connection *c, bool reset)
{
	struct request *r = c->request;
	if (c->is_alone)
		return;
	if (r && c->copy && request_goes_on(r)) {
		c->is_alone = true;
		conn_close(c, reset);
		if (c->was_high)
			request_drained(r);	/* nobody is too slow for it now */
		return;
	}
	c->request = NULL;
	c->copy = NULL;
	if (r)
		request_client_gone(r);
	conn_close(c, reset);
}

/* What is left when the socket is closed: its request may still need what it was asked with. */
static void conn_free(struct connection *c)
{
	if (c->request)
		return;
	release_request(c);
	mem_free(c);
}

void conn_forget_request(struct connection *c)
{
	c->request = NULL;
	c->copy = NULL;
	conn_reply_abort(c);
	if (c->is_closed)
		conn_free(c);
}

static void on_closed(struct wire *x)
{
	struct connection *c = conn_of(x);
	struct worker *w = c->w;
	MUST(c->state == CONN_CLOSING && (!c->request || c->is_alone));
	if (c->is_scheduled)
		conn_unschedule(c);
	c->is_closed = true;
	buf_done(&c->pending);
	if (c->next)
		c->next->prev = c->prev;
	*(c->prev ? &c->prev->next : &w->connections) = c->next;
	if (--w->n_connections == 0)
		client_rest(w->client);
	atomic_store_explicit(&w->row->connections, w->n_connections, memory_order_relaxed);
	conn_free(c);
	client_leave(w);
}

/* ---- input ---- */

/* Told while a request runs, with its body not yet whole: the rest of it is unwanted. */
static void fail_body(struct connection *c, enum outcome o)
{
	struct request *r = c->request;
	MUST(r);
	conn_enter(c, CONN_ASKED);
	request_body_failed(r, o);
}

static void refuse(struct connection *c, int status, const char *message)
{
	METRIC_ADD(c->w->metrics, http_errors, 1);
	conn_reply_error(c, status, message);
}

static void begin_request(struct connection *c)
{
	conn_enter(c, CONN_ASKED);
	struct request *r = request_begin(c->w, c, http_in_request(c->head));
	if (!conn_is_open(c))
		return;
	c->request = r;
	if (!r && c->answer == ANSWER_NONE)
		conn_reply_error(c, 503, "Out of memory.");
	else if (!r)
		conn_reply_abort(c);
}

static bool consume_idle(struct connection *c)
{
	if (c->input.n == 0)
		return false;
	c->head = client_take_head(c->w->client);
	if (!c->head) {
		conn_close(c, false);
		return false;
	}
	conn_enter(c, CONN_HEAD);
	return true;
}

/* TLS began here with 22, a handshake record; no line of HTTP that we take does. */
static void refuse_head(struct connection *c, struct str piece)
{
	const struct http_refusal *why = http_in_refusal(c->head);
	if (why->status == 400 && piece.n > 0 && piece.p[0] == 22)
		refuse(c, 400, conn_mistaken(c, SPOKE_TLS));
	else
		refuse(c, why->status, why->message);
}

static bool consume_head(struct connection *c)
{
	struct str none, piece = c->input;
	switch (http_in_next(c->head, &c->input, &none)) {
	case HTTP_IN_MORE:
		return false;
	case HTTP_IN_HEAD:
		begin_request(c);
		return true;
	case HTTP_IN_REFUSED:
		refuse_head(c, piece);
		return true;
	default:
		MUST(false);
		return false;
	}
}

static bool is_too_large(const struct connection *c, size_t more)
{
	const struct http_request *q = http_in_request(c->head);
	if (q->content_length != UINT64_MAX && q->content_length > c->body_max)
		return true;
	return c->body.n + more > c->body_max;
}

/* A large body whose length nobody has announced may be one too many. */
static bool may_grow(struct connection *c)
{
	return c->body.n < LARGE_BODY ||
	       http_in_request(c->head)->content_length != UINT64_MAX || !memory_is_short(c->w);
}

static bool consume_body(struct connection *c)
{
	struct str piece = STR_NONE;
	if (is_too_large(c, 0)) {
		fail_body(c, OUTCOME_TOO_LARGE);
		return true;
	}
	switch (http_in_next(c->head, &c->input, &piece)) {
	case HTTP_IN_MORE:
		return false;
	case HTTP_IN_BODY:
		c->since_ns = clock_coarse_ns();
		if (is_too_large(c, piece.n)) {
			fail_body(c, OUTCOME_TOO_LARGE);
			return true;
		}
		if (may_grow(c))
			buf_put(&c->body, piece);
		else
			c->body.failed = true;
		if (c->body.failed) {
			memory_tell(c->w);
			fail_body(c, OUTCOME_OVERLOADED);
		}
		return true;
	case HTTP_IN_END:
		conn_enter(c, CONN_RUNNING);
		MUST(c->request);
		request_body_done(c->request);
		return true;
	default:
		METRIC_ADD(c->w->metrics, http_errors, 1);
		fail_body(c, OUTCOME_BAD_REQUEST);
		return true;
	}
}

/* What is not taken waits here, and then in the kernel. */
static bool consume_tunnel(struct connection *c)
{
	size_t n = c->input.n && c->request ? request_tunnel(c->request, c->input) : 0;
	c->input = str_skip(c->input, n);
	return n > 0;
}

static bool consume_rest(struct connection *c)
{
	if (c->input.n > 0)
		c->since_ns = clock_coarse_ns();
	c->lingered += c->input.n;
	c->input = STR_NONE;
	if (c->lingered > LINGER_BYTES)
		conn_close(c, false);
	return false;
}

/* One step; false when there is nothing more to be done for now. */
static bool consume(struct connection *c)
{
	switch (c->state) {
	case CONN_IDLE:
		return consume_idle(c);
	case CONN_HEAD:
		return consume_head(c);
	case CONN_BODY:
		return consume_body(c);
	case CONN_TUNNEL:
		return consume_tunnel(c);
	case CONN_LINGERING:
		return consume_rest(c);
	default:
		return false;		/* what has come waits */
	}
}

bool conn_is_read(struct connection *c)
{
	enum http_in_event e;
	struct str ignored;
	if (c->state == CONN_RUNNING || !http_in_request(c->head)->has_body)
		return true;
	do
		e = http_in_next(c->head, &c->input, &ignored);
	while (e == HTTP_IN_BODY);
	if (!c->is_in_input)
		buf_drop(&c->pending, c->pending.n - c->input.n);
	c->input = c->is_in_input ? c->input : buf_str(&c->pending);
	return e == HTTP_IN_END;
}

/* Bytes that cannot wait here wait in the kernel. */
static void choose_reading(struct connection *c)
{
	if (c->state != CONN_CLOSING)
		wire_read(&c->wire, c->pending.n < PENDING_STOP);
}

static void feed(struct connection *c, struct str bytes)
{
	bool has_pending = c->pending.n > 0;
	if (has_pending)
		buf_put(&c->pending, bytes);
	c->input = has_pending ? buf_str(&c->pending) : bytes;
	c->is_in_input = true;
	while (consume(c))
		;
	c->is_in_input = false;
	if (has_pending)
		buf_drop(&c->pending, c->pending.n - c->input.n);
	else
		buf_put(&c->pending, c->input);
	if (c->pending.failed)
		lose(c, true);
	if (c->pending.n == 0)
		buf_done(&c->pending);
	c->input = buf_str(&c->pending);
	choose_reading(c);
}

static void on_bytes(struct wire *x, struct str bytes)
{
	struct connection *c = conn_of(x);
	METRIC_ADD(c->w->metrics, bytes_in, bytes.n);
	if (c->state != CONN_CLOSING)
		feed(c, bytes);
}

static void on_plain(struct wire *x)
{
	struct connection *c = conn_of(x);
	if (c->state != CONN_IDLE)
		return;
	c->head = client_take_head(c->w->client);
	if (!c->head) {
		conn_close(c, false);
		return;
	}
	conn_enter(c, CONN_HEAD);
	refuse(c, 400, conn_mistaken(c, SPOKE_PLAIN));
}

/* ---- the end of an answer, and of a connection ---- */

/* Once all of the answer is with the kernel. */
static void finish_answer(struct connection *c)
{
	if (wire_queued(&c->wire) > 0)
		return;
	if (c->has_end || c->after == AFTER_RESET) {
		conn_close(c, c->after == AFTER_RESET);
	} else if (c->after == AFTER_KEEP) {
		conn_enter(c, CONN_IDLE);
	} else if (wire_finish(&c->wire)) {
		c->lingered = 0;
		conn_enter(c, CONN_LINGERING);
		c->body_since_ns = c->since_ns;
	} else {
		conn_close(c, false);
	}
}

void conn_turn(struct connection *c)
{
	if (c->state == CONN_CLOSING)
		return;
	conn_send_held(c);
	if (c->is_broken) {
		lose(c, true);
		return;
	}
	if (c->state == CONN_ANSWERED) {
		release_request(c);
		finish_answer(c);
	}
	if (c->state != CONN_CLOSING)
		feed(c, STR_NONE);
}

/* An answer that is complete may still reach a client that only has stopped sending. */
static void on_end(struct wire *x, int error)
{
	struct connection *c = conn_of(x);
	c->has_end = true;
	if (c->state == CONN_ANSWERED && error == 0) {
		if (!c->is_scheduled)
			finish_answer(c);
		return;
	}
	lose(c, error != 0);
}

static void on_written(struct wire *x)
{
	struct connection *c = conn_of(x);
	if (c->state == CONN_ANSWERED && !c->is_scheduled) {
		conn_turn(c);
		return;
	}
	if (c->was_high && wire_queued(x) < CONN_LOW_WATER) {
		c->was_high = false;
		if (c->request)
			request_drained(c->request);
	}
}

/* ---- deadlines ---- */

static bool is_shaking_hands(const struct connection *c)
{
	return c->wire.tls && !tls_is_open(c->wire.tls);
}

static uint64_t limit_ms(const struct connection *c)
{
	const struct snap_settings *s = settings_of(c);
	switch (c->state) {
	case CONN_IDLE:
		if (c->w->is_draining)
			return DRAIN_GRACE_MS;
		return is_shaking_hands(c) ? s->header_timeout_ms : s->idle_timeout_ms;
	case CONN_HEAD:
		return s->header_timeout_ms;
	case CONN_BODY:
		return s->body_timeout_ms;
	case CONN_LINGERING:
		return LINGER_MS;
	default:
		return 0;		/* none: the request has deadlines of its own */
	}
}

static bool is_over(uint64_t since_ns, uint64_t ms, uint64_t now_ns)
{
	return ms > 0 && now_ns >= since_ns && (now_ns - since_ns) / NS_PER_MS >= ms;
}

/* A body that drips in fast enough never to be silent is still too slow. */
static bool is_too_slow(const struct connection *c, uint64_t now_ns)
{
	if (c->state == CONN_LINGERING)
		return is_over(c->body_since_ns, c->w->is_draining ? LINGER_MS : LINGER_ALL_MS,
			       now_ns);
	if (c->state != CONN_BODY || !is_over(c->body_since_ns, limit_ms(c), now_ns))
		return false;
	return c->body.n < (now_ns - c->body_since_ns) / NS_PER_S * BODY_RATE_MIN;
}

/* Queued bytes of which the kernel has taken none for a while. */
static bool is_stuck(struct connection *c, uint64_t now_ns)
{
	uint64_t out = wire_out(&c->wire);
	if (wire_queued(&c->wire) == 0) {
		c->stuck_since_ns = 0;
		return false;
	}
	if (c->stuck_since_ns == 0 || out != c->out_seen)
		c->stuck_since_ns = now_ns;
	c->out_seen = out;
	return is_over(c->stuck_since_ns, settings_of(c)->write_timeout_ms, now_ns);
}

static void expire(struct connection *c)
{
	switch (c->state) {
	case CONN_IDLE:
		if (!wire_has_input(&c->wire))	/* a request has come just now: let it */
			conn_close(c, false);
		return;
	case CONN_HEAD:
		refuse(c, 408, "The request took too long to arrive.");
		return;
	case CONN_BODY:
		fail_body(c, OUTCOME_TIMEOUT_BODY);
		return;
	default:
		conn_close(c, false);
	}
}

void conn_look(struct connection *c, uint64_t now_ns)
{
	if (c->state == CONN_CLOSING)
		return;
	if (is_stuck(c, now_ns))
		lose(c, true);
	else if (is_over(c->since_ns, limit_ms(c), now_ns) || is_too_slow(c, now_ns))
		expire(c);
}

/* ---- life ---- */

static const struct wire_events events = { on_bytes, on_end, on_plain, on_written, on_closed };

static void link_in(struct worker *w, struct connection *c)
{
	c->next = w->connections;
	if (c->next)
		c->next->prev = c;
	w->connections = c;
	if (w->n_connections++ == 0)
		client_wake(w->client);
	atomic_store_explicit(&w->row->connections, w->n_connections, memory_order_relaxed);
	METRIC_ADD(w->metrics, connections, 1);
}

int connection_open(struct worker *w, int fd, struct tls_context *tls, const uint8_t address[16])
{
	struct client *cl = client_of(w);
	struct connection *c = cl ? mem_alloc(sizeof *c) : NULL;
	struct tls *t = c && tls ? tls_new(tls) : NULL;
	if (!c || (tls && !t)) {
		mem_free(c);
		close(fd);
		client_leave(w);
		return -ENOMEM;
	}
	c->w = w;
	c->state = CONN_IDLE;
	c->since_ns = clock_coarse_ns();
	memcpy(c->address, address, sizeof c->address);
	buf_init(&c->pending, PENDING_MAX);
	buf_init(&c->body, 1);			/* its cap comes with conn_read_body() */
	buf_init(&c->held, 2 * HTTP_HEAD_BYTES_MAX);
	link_in(w, c);
	int r = wire_open(&c->wire, w->loop, fd, t, &cl->room, &events);
	if (r != 0)
		conn_enter(c, CONN_CLOSING);
	else
		wire_read(&c->wire, true);
	return r;
}

void connections_drain(struct worker *w)
{
	uint64_t now_ns = clock_ns();
	w->is_draining = true;
	for (struct connection *c = w->connections; c; c = c->next)
		if (c->state == CONN_IDLE &&
		    (w->is_master_gone || is_over(c->since_ns, limit_ms(c), now_ns)))
			expire(c);
	client_leave(w);
}

void connections_abort(struct worker *w)
{
	for (struct connection *c = w->connections; c; c = c->next) {
		if (c->state == CONN_CLOSING)
			continue;
		conn_send_held(c);
		lose(c, conn_is_open(c) || wire_queued(&c->wire) > 0);
	}
	client_leave(w);
}

unsigned connections_open(const struct worker *w)
{
	return w->n_connections;
}

const uint8_t *conn_address(const struct connection *c)
{
	return c->address;
}

bool conn_is_tls(const struct connection *c)
{
	return c->wire.tls != NULL;
}

/* So that it counts from the beginning: else many begin, and none of them has room to end. */
static void reserve_ahead(struct connection *c)
{
	uint64_t n = http_in_request(c->head)->content_length;
	if (n > LARGE_BODY && n <= c->body_max)
		(void)buf_reserve(&c->body, n < AHEAD_MAX ? (size_t)n : AHEAD_MAX);
}

void conn_read_body(struct connection *c, uint64_t max_bytes)
{
	const size_t most = SIZE_MAX / 4;
	if (c->state == CONN_CLOSING)
		return;
	MUST(c->state == CONN_ASKED && c->body.n == 0);
	c->body_max = max_bytes < most ? max_bytes : most;
	buf_init(&c->body, c->body_max ? (size_t)c->body_max : 1);
	reserve_ahead(c);
	conn_enter(c, CONN_BODY);
	c->body_since_ns = c->since_ns;
	if (http_in_expects_continue(c->head) && c->input.n == 0 && !is_too_large(c, 0))
		conn_reply_continue(c);
	if (!c->is_in_input)
		conn_schedule(c);
}

struct str conn_body(const struct connection *c)
{
	return buf_str(&c->body);
}
