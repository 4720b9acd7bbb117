/* SPDX-License-Identifier: MIT
 * play.c - answering one request: when each byte goes out, and how it ends.
 *
 * An answer is a row of steps (play_fn); play_go() runs them until one wants to wait. What the
 * bytes say is answer.h's matter, what becomes of the socket is http.c's. */
#include "tests/mock/eventstream.h"
#include "tests/mock/mock.h"

enum {
	BURST = 64,			/* events sent before others get their turn */
};

/* The head, where it is due, and some of the body, in one write; trickling bodies are held. */
static void send_out(struct conn *c, size_t body_bytes, struct span body)
{
	struct play *p = &c->play;
	struct span head = { 0 };
	if (p->is_head_due) {
		head_write(&c->mock->head, c, body_bytes);
		head = span_of(&c->mock->head);
		head = (struct span){ head.p + p->head_sent, head.n - p->head_sent };
		p->is_head_due = false;
	}
	if (p->answer.script.trickle >= 0) {
		buf_put_span(&c->held, body);
		body.n = 0;
	}
	if (head.n + body.n)
		conn_send(c, head, body);
}

/* Steps: the end. */

static int64_t step_end(struct conn *c)
{
	struct play *p = &c->play;
	enum ending ending = p->ending;
	if (ending == ENDING_STALL)
		return PLAY_NEVER;		/* until the client leaves */
	if (conn_has_queue(c)) {
		c->wants_drain = true;
		return PLAY_NEVER;
	}
	if (p->answer.seq)
		log_finish(&c->mock->log, p->answer.seq,
			   ending == ENDING_GOOD ? END_DONE : END_DIED, p->chunks);
	c->is_busy = false;
	if (ending == ENDING_RESET)
		conn_reset(c);
	else if (ending == ENDING_CLOSE || !c->keeps_alive)
		conn_shut(c);
	return PLAY_OVER;
}

static int64_t step_trickle(struct conn *c)
{
	struct play *p = &c->play;
	if (p->held_sent == c->held.n) {
		p->next = step_end;
		return PLAY_NOW;
	}
	conn_send(c, (struct span){ c->held.p + p->held_sent++, 1 }, (struct span){ 0 });
	return p->answer.script.trickle;
}

static int64_t go_to_end(struct play *p, enum ending ending)
{
	p->ending = ending;
	p->next = p->answer.script.trickle >= 0 ? step_trickle : step_end;
	return PLAY_NOW;
}

/* Do die, fin or stall come after so many chunks? */
static bool is_cut(const struct script *s, uint64_t chunks, enum ending *ret)
{
	int64_t n = (int64_t)chunks;
	if (s->die == n)
		*ret = ENDING_RESET;
	else if (s->fin == n)
		*ret = ENDING_CLOSE;
	else if (s->stall == n)
		*ret = ENDING_STALL;
	else
		return false;
	return true;
}

/* Steps: a stream. */

static void find_piece(struct play *p)
{
	while (p->piece < PIECE_COUNT && p->piece_i >= answer_piece_count(&p->answer, p->piece)) {
		p->piece++;
		p->piece_i = 0;
	}
}

static bool is_content(enum piece piece)
{
	return piece == PIECE_THINK || piece == PIECE_TOKEN || piece == PIECE_TOOL;
}

/* Send what is in m->body as one chunk; at the end, with the mark of the end behind it. */
static void send_chunk(struct conn *c, bool last)
{
	static const char hex[] = "0123456789abcdef";
	struct buf *body = &c->mock->body;
	char size[20];
	size_t at = sizeof size;
	if (!c->play.is_chunked) {
		send_out(c, 0, span_of(body));
		return;
	}
	size[--at] = '\n';
	size[--at] = '\r';
	for (size_t n = body->n; n; n >>= 4)
		size[--at] = hex[n & 15];
	size_t head = sizeof size - at, n = body->n;
	BUF_PUT_LIT(body, "\r\n");
	if (last)
		BUF_PUT_LIT(body, "0\r\n\r\n");
	buf_reserve(body, head);
	memmove(body->p + head, body->p, body->n);
	memcpy(body->p, size + at, head);
	body->n += head;
	struct span out = span_of(body);
	if (n == 0)
		out = (struct span){ out.p + 4, out.n - 4 };	/* nothing but the end */
	send_out(c, 0, out);
}

static void write_garbage(struct buf *out, const struct endpoint *ep)
{
	if (bedrock_has(ep))
		eventstream_write_damaged(out);
	else
		buf_put_z(out, ep->is_ndjson ? "{not json\n" : "data: {not json\n\n");
}

static void write_error_event(struct buf *out, const struct answer *a)
{
	static const struct span message = { "mock: it broke", 14 };
	bool has_lines = a->endpoint->is_ndjson;
	if (bedrock_has(a->endpoint)) {
		bedrock_write_exception(out, a, message);
		return;
	}
	if (!has_lines)
		BUF_PUT_LIT(out, "event: error\ndata: ");
	a->endpoint->write_error(out, a, message);
	buf_put_z(out, has_lines ? "\n" : "\n\n");
}

/* One more event, which says what went wrong; the mark of a good end never comes. */
static int64_t end_with_error(struct conn *c)
{
	struct play *p = &c->play;
	struct answer *a = &p->answer;
	struct buf *body = &c->mock->body;
	unsigned status = a->status;		/* of the head, which may be still to come */
	a->status = a->script.status >= 0 ? (unsigned)a->script.status : 429;
	a->is_amid_stream = true;
	body->n = 0;
	write_error_event(body, a);
	a->status = status;
	send_chunk(c, true);
	return go_to_end(p, ENDING_GOOD);
}

/* From gap - jitter % to gap + jitter %, in microseconds, and not 0. */
static uint64_t jittered_us(struct mock *m, const struct script *s)
{
	uint64_t gap_us = (uint64_t)s->gap * 1000;
	uint64_t jitter = s->jitter < 100 ? (uint64_t)s->jitter : 100, range = gap_us * jitter / 100;
	m->random ^= m->random << 13;		/* xorshift: the same in each run */
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	uint64_t us = gap_us - range + m->random % (2 * range + 1);
	return us ? us : 1;
}

static int64_t step_piece(struct conn *c)
{
	struct play *p = &c->play;
	struct answer *a = &p->answer;
	struct buf *body = &c->mock->body;
	enum ending ending;
	if (is_cut(&a->script, p->chunks, &ending)) {
		send_out(c, 0, (struct span){ 0 });
		return go_to_end(p, ending);
	}
	if (a->script.errat == (int64_t)p->chunks)
		return end_with_error(c);
	body->n = 0;
	enum piece piece = p->piece;
	if (bedrock_has(a->endpoint) && is_content(piece) &&
	    a->script.exception == (int64_t)p->chunks) {
		bedrock_write_exception(body, a, SPAN("mock: amid the stream"));
		send_chunk(c, true);
		return go_to_end(p, ENDING_GOOD);
	}
	if (is_content(piece) && a->script.garbage == (int64_t)p->chunks)
		write_garbage(body, a->endpoint);
	else if (piece < PIECE_COUNT)
		a->endpoint->write_piece(body, a, piece, p->piece_i);
	p->chunks += is_content(piece);
	p->piece_i++;
	find_piece(p);
	send_chunk(c, p->piece == PIECE_COUNT);
	if (p->piece == PIECE_COUNT)
		return go_to_end(p, ENDING_GOOD);
	bool gap = is_content(piece) && is_content(p->piece) && a->script.gap > 0 &&
		   a->script.trickle < 0;
	if (gap && a->script.jitter >= 0)
		p->wait_us = jittered_us(c->mock, &a->script);
	return gap ? a->script.gap : PLAY_NOW;
}

/* Steps: a whole answer. */

static int64_t step_whole(struct conn *c)
{
	struct play *p = &c->play;
	struct answer *a = &p->answer;
	struct buf *body = &c->mock->body;
	enum ending ending = a->script.badlen ? ENDING_CLOSE : ENDING_GOOD;
	body->n = 0;
	if (answer_is_error(a))
		plan_write_error(c, body);
	else if (a->script.garbage >= 0)
		BUF_PUT_LIT(body, "{not json");
	else
		a->endpoint->write_whole(body, a);
	struct span part = span_of(body);
	uint64_t parts = (uint64_t)a->script.tokens + 1;
	p->chunks = answer_is_error(a) || !a->endpoint->stream_type ? 0 : parts - 1;
	for (uint64_t i = 0; i <= parts; i++) {
		if (is_cut(&a->script, i, &ending)) {
			part.n = body->n * (size_t)i / (size_t)parts;
			p->chunks = i < p->chunks ? i : p->chunks;
			break;
		}
	}
	if (llhttp_get_method(&c->parser) == HTTP_HEAD)
		part.n = 0;
	send_out(c, body->n, part);
	return go_to_end(p, ending);
}

/* Steps: the beginning. */

static int64_t step_body(struct conn *c)
{
	c->play.is_head_due = true;
	c->play.next = c->play.is_streaming ? step_piece : step_whole;
	return PLAY_NOW;
}

static int64_t step_head(struct conn *c)
{
	struct play *p = &c->play;
	struct buf *head = &c->mock->head;
	p->next = step_body;
	if (p->answer.script.slowhead < 0)
		return PLAY_NOW;
	head->n = 0;
	head_write_status_line(head, p->answer.status);
	p->head_sent = head->n;
	conn_send(c, span_of(head), (struct span){ 0 });
	return p->answer.script.slowhead;
}

static int64_t step_comment(struct conn *c)
{
	struct play *p = &c->play;
	uint64_t now = uv_now(&c->mock->loop);
	uint64_t tick = (uint64_t)p->answer.script.comment;
	if (now >= p->first_at) {
		p->next = step_piece;
		return PLAY_NOW;
	}
	c->mock->body.n = 0;
	BUF_PUT_LIT(&c->mock->body, ": keep-alive\n\n");
	send_chunk(c, false);
	return (int64_t)(now + tick < p->first_at ? tick : p->first_at - now);
}

static int64_t step_start(struct conn *c)
{
	struct play *p = &c->play;
	const struct script *s = &p->answer.script;
	if (s->drop)
		return go_to_end(p, ENDING_RESET);
	p->next = step_head;
	if (s->ttft <= 0)
		return PLAY_NOW;
	if (p->queued_ms)
		return s->ttft + (int64_t)p->queued_ms;
	if (p->is_streaming && s->comment > 0 && !p->answer.endpoint->is_ndjson) {
		p->first_at = uv_now(&c->mock->loop) + (uint64_t)s->ttft;
		p->is_head_due = true;
		p->next = step_comment;
		return PLAY_NOW;
	}
	return s->ttft;
}

/* Where a request comes in. */

void play_go(struct conn *c)
{
	for (unsigned burst = 0;; burst++) {
		int64_t wait = c->play.next(c);
		if (wait < 0 || c->is_broken)
			return;
		if (conn_is_clogged(c)) {
			c->wants_drain = true;
			return;
		}
		if (c->play.wait_us) {
			conn_wait_us(c, c->play.wait_us);
			c->play.wait_us = 0;
			return;
		}
		if (wait > 0 || burst == BURST || c->play.next == step_trickle) {
			conn_wait(c, (uint64_t)wait);
			return;
		}
	}
}

void play_lost(struct conn *c)
{
	struct stats *stats = &c->mock->stats;
	if (!c->play.answer.seq)
		return;
	log_finish(&c->mock->log, c->play.answer.seq, END_CLIENT_GONE, c->play.chunks);
	stats->aborted++;
	stats->last_abort_ms = wall_ms();
	stats->last_abort_us = monotonic_us();
}

static int64_t step_admin(struct conn *c)
{
	struct buf *body = &c->mock->body;
	send_out(c, body->n, span_of(body));
	return go_to_end(&c->play, ENDING_GOOD);
}

static void start_admin(struct conn *c, const char *method)
{
	struct play *p = &c->play;
	script_read(&p->answer.script, (struct span){ 0 }, NULL);
	c->mock->body.n = 0;
	p->answer.status = admin_answer(c->mock, method, span_of(&c->url));
	p->content_type = SPAN("application/json");
	p->is_head_due = true;
	p->next = step_admin;
}

void play_start(struct conn *c)
{
	struct play *p = &c->play;
	const char *method = llhttp_method_name((llhttp_method_t)llhttp_get_method(&c->parser));
	*p = (struct play){ .next = step_start };
	c->held.n = 0;
	if (c->url.n >= 6 && memcmp(c->url.p, "/mock/", 6) == 0) {
		start_admin(c, method);
	} else {
		plan_answer(c, method);
		p->answer.seq = log_begin(&c->mock->log, &(struct log_ask){
			.method = method,
			.path = span_of(&c->url),
			.model = span_of(&c->ask.model),
			.headers = span_of(&c->headers),
			.body = span_of(&c->body),
			.stream = p->is_streaming,
			.status = p->answer.status,
		});
		c->mock->stats.requests++;
		find_piece(p);
	}
	play_go(c);
}
