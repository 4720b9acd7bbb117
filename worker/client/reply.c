/* SPDX-License-Identifier: MIT
 * reply.c - the answering half of a connection. Whether the connection lives on is decided when
 * an answer's head is written; a request that has not been read to its end never leaves one that
 * could take the rest of its body for a request. */
#include "common/clock.h"
#include "common/metrics.h"
#include "worker/client/conn.h"

/* A failed write is told to the request from the loop, not from here. */
static void send_parts(struct connection *c, const struct str *parts, unsigned n)
{
	size_t total = 0;
	for (unsigned i = 0; i < n; i++)
		total += parts[i].n;
	if (c->is_broken || total == 0)
		return;
	if (wire_send(&c->wire, parts, n) != 0) {
		c->is_broken = true;
		conn_schedule(c);
		return;
	}
	METRIC_ADD(c->w->metrics, bytes_out, total);
	if (wire_queued(&c->wire) > CONN_HIGH_WATER)
		c->was_high = true;
}

void conn_send_held(struct connection *c)
{
	if (c->held.n == 0)
		return;
	struct str head = buf_str(&c->held);
	send_parts(c, &head, 1);
	buf_done(&c->held);
}

void conn_reply_continue(struct connection *c)
{
	struct str interim = STR("HTTP/1.1 100 Continue\r\n\r\n");
	send_parts(c, &interim, 1);
}

static struct str date_now(struct client *cl)
{
	uint64_t s = clock_wall_ns() / NS_PER_S;
	if (s != cl->date_s)
		http_out_date(cl->date, s);
	cl->date_s = s;
	return str_of(cl->date, HTTP_DATE_BYTES);
}

static bool has_no_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

static void put_head(struct connection *c, struct buf *out, int status, struct str headers,
		     enum http_framing framing, uint64_t length)
{
	struct http_out_head head = {
		.status = status,
		.headers = headers,
		.date = date_now(c->w->client),
		.framing = has_no_body(status) ? HTTP_NO_BODY : framing,
		.length = length,
		.keep_alive = c->after == AFTER_KEEP,
		.version_minor = http_in_request(c->head)->version_minor,
	};
	http_out_head(out, &head);
	if (out->failed) {
		c->is_broken = true;
		conn_schedule(c);
	}
}

static enum conn_after after_answer(struct connection *c)
{
	bool may_keep = !c->close_after && !c->w->is_draining && !c->has_end &&
			http_in_request(c->head)->keep_alive && conn_is_read(c);
	return may_keep ? AFTER_KEEP : AFTER_CLOSE;
}

/* What follows happens in the connection's turn, when the caller has returned. */
static void complete(struct connection *c)
{
	c->request = NULL;
	c->copy = NULL;
	if (c->close_after && c->after == AFTER_KEEP)
		c->after = AFTER_CLOSE;
	conn_enter(c, CONN_ANSWERED);
	conn_schedule(c);
}

static void send_whole(struct connection *c, int status, struct str headers, struct str body)
{
	struct buf *out = &c->w->client->scratch;
	buf_reset(out);
	put_head(c, out, status, headers, HTTP_BY_LENGTH, body.n);
	if (http_in_is_head(c->head) || has_no_body(status))
		body = STR_NONE;
	struct str parts[] = { buf_str(out), body };
	send_parts(c, parts, COUNT(parts));
	complete(c);
}

void conn_copy_to(struct connection *c, struct conn_copy *copy)
{
	c->copy = copy;
}

static void copy_head(struct conn_copy *copy, int status, struct str headers)
{
	copy->status = status;
	buf_put(&copy->head, headers);
}

static void copy_whole(struct conn_copy *copy, int status, struct str headers, struct str body)
{
	copy_head(copy, status, headers);
	buf_put(&copy->body, body);
	copy->is_whole = true;
}

void conn_reply(struct connection *c, int status, struct str headers, struct str body)
{
	if (c->copy)
		copy_whole(c->copy, status, headers, body);
	if (c->state == CONN_CLOSING)
		return;
	MUST(conn_is_open(c) && c->answer == ANSWER_NONE);
	c->after = after_answer(c);
	send_whole(c, status, headers, body);
}

void conn_reply_error(struct connection *c, int status, const char *message)
{
	char room[256];
	struct buf body;
	MUST(c->answer == ANSWER_NONE);
	c->after = AFTER_CLOSE;
	buf_init(&body, sizeof room);
	http_out_error(&body, status, message);
	send_whole(c, status, STR("content-type: application/json\r\n"), buf_str(&body));
	buf_done(&body);
}

void conn_reply_begin(struct connection *c, int status, struct str headers)
{
	if (c->copy)
		copy_head(c->copy, status, headers);
	if (c->state == CONN_CLOSING)
		return;
	MUST(conn_is_open(c) && c->answer == ANSWER_NONE);
	bool has_chunks = http_in_request(c->head)->version_minor > 0;
	c->after = has_chunks ? after_answer(c) : AFTER_CLOSE;
	c->answer = has_chunks ? ANSWER_CHUNKS : ANSWER_UNTIL_CLOSE;
	if (http_in_is_head(c->head) || has_no_body(status))
		c->answer = ANSWER_SILENT;
	put_head(c, &c->held, status, headers, has_chunks ? HTTP_BY_CHUNKS : HTTP_BY_CLOSE, 0);
	conn_schedule(c);		/* sends it when no piece follows at once */
}

void conn_reply_begin_sized(struct connection *c, int status, struct str headers, uint64_t length)
{
	if (c->copy)
		copy_head(c->copy, status, headers);
	if (c->state == CONN_CLOSING)
		return;
	MUST(conn_is_open(c) && c->answer == ANSWER_NONE);
	c->after = after_answer(c);
	c->answer = http_in_is_head(c->head) || has_no_body(status) ? ANSWER_SILENT : ANSWER_SIZED;
	c->left = length;
	put_head(c, &c->held, status, headers, HTTP_BY_LENGTH, length);
	conn_schedule(c);
}

void conn_reply_switch(struct connection *c, struct str headers)
{
	struct str parts[] = { STR("HTTP/1.1 101 Switching Protocols\r\n"), headers, STR("\r\n") };
	if (c->state == CONN_CLOSING)
		return;
	MUST(c->state == CONN_ASKED && c->answer == ANSWER_NONE);
	c->after = AFTER_CLOSE;
	c->answer = ANSWER_UNTIL_CLOSE;
	conn_enter(c, CONN_TUNNEL);
	send_parts(c, parts, COUNT(parts));
	conn_schedule(c);		/* bytes may be waiting */
}

void conn_tunnel_more(struct connection *c)
{
	if (c->state == CONN_TUNNEL)
		conn_schedule(c);
}

void conn_reply_piece(struct connection *c, struct str bytes)
{
	char room[HTTP_CHUNK_HEAD_BYTES];
	if (c->copy)
		buf_put(&c->copy->body, bytes);
	if (c->state == CONN_CLOSING || bytes.n == 0)
		return;
	MUST(conn_is_open(c) && c->answer != ANSWER_NONE);
	if (c->answer == ANSWER_SILENT)
		return;
	bool has_chunks = c->answer == ANSWER_CHUNKS;
	if (c->answer == ANSWER_SIZED) {
		bytes.n = bytes.n < c->left ? bytes.n : (size_t)c->left;
		c->left -= bytes.n;
	}
	struct str parts[] = {
		buf_str(&c->held),
		has_chunks ? http_out_chunk_head(room, bytes.n) : STR_NONE,
		bytes,
		has_chunks ? STR("\r\n") : STR_NONE,
	};
	send_parts(c, parts, COUNT(parts));
	buf_done(&c->held);
}

void conn_reply_end(struct connection *c)
{
	if (c->copy)
		c->copy->is_whole = true;
	if (c->state == CONN_CLOSING)
		return;
	MUST(conn_is_open(c) && c->answer != ANSWER_NONE);
	if (c->answer == ANSWER_SIZED && c->left) {
		conn_reply_abort(c);
		return;
	}
	struct str parts[] = {
		buf_str(&c->held),
		c->answer == ANSWER_CHUNKS ? STR("0\r\n\r\n") : STR_NONE,
	};
	send_parts(c, parts, COUNT(parts));
	buf_done(&c->held);
	complete(c);
}

/* An end without the last chunk is seen as broken; without chunks only a reset is. */
void conn_reply_abort(struct connection *c)
{
	if (!conn_is_open(c))
		return;
	conn_send_held(c);
	c->after = c->answer == ANSWER_UNTIL_CLOSE ? AFTER_RESET : AFTER_CLOSE;
	complete(c);
}

size_t conn_queued(const struct connection *c)
{
	return c->state == CONN_CLOSING ? 0 : wire_queued(&c->wire);
}

void conn_close_after(struct connection *c)
{
	c->close_after = true;
}
