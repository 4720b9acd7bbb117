/* SPDX-License-Identifier: MIT
 * export_calls.c - see export_calls.h. For threads of the pool. */
#include "master/export_calls.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/mem.h"
#include "master/export_spill.h"

enum { SEND_MS = 10000, ANSWER_MAX = 1 << 16 };

static uint32_t count_lines(struct str lines)
{
	uint32_t n = 0;
	while (lines.n) {
		str_cut(&lines, '\n');
		n++;
	}
	return n;
}

struct str export_calls_cut(const struct export_row *row, const struct export_target *t,
			    struct str *rest, struct buf *body)
{
	struct str lines = *rest;
	row->begin(t, body);
	unsigned most = row->call_rows ? row->call_rows : 1;
	size_t bytes = row->call_rows ? row->call_bytes : SIZE_MAX;
	for (unsigned n = 0; rest->n && n < most; n++) {
		struct str after = *rest, line = str_cut(&after, '\n');
		bool fits = body->n + line.n + strlen(row->between) + strlen(row->end) <= bytes;
		if (n && !fits)
			break;
		if (n)
			buf_put_z(body, row->between);
		buf_put(body, line);
		*rest = after;
	}
	buf_put_z(body, row->end);
	lines.n -= rest->n;
	return lines;
}

static const char *file(const char *path)
{
	return *path ? path : NULL;
}

struct post export_post(const struct export_target *t)
{
	return (struct post){ .url = t->url, .headers = t->headers, .egress = &t->egress,
			      .is_packed = t->is_packed,
			      .authority = file(t->authority), .key = file(t->key),
			      .certificate = file(t->certificate) };
}

static bool post_body(struct export_calls *c, struct str body, struct buf *answer,
		      struct export_address *at)
{
	uint64_t now = clock_ns();
	uint64_t most_ms = c->to->timeout_ms ? c->to->timeout_ms : SEND_MS;
	uint64_t left_ms = c->until_ns > now ? (c->until_ns - now) / NS_PER_MS : 0;
	struct post p = export_post(c->to);
	p.method = c->row->method;
	p.type = c->to->type[0] ? c->to->type : c->row->type;
	p.body = body;
	p.gives_up = c->gives_up;
	p.timeout_ms = left_ms < most_ms ? left_ms : most_ms;
	p.answer = answer;
	c->result = (struct post_result){ 0 };
	if (!left_ms || (c->gives_up && atomic_load(c->gives_up))) {
		snprintf(c->result.why, sizeof c->result.why, "no time is left");
		return false;
	}
	if (at && !c->row->address(c->to, body, clock_wall_ns(), at)) {
		snprintf(c->result.why, sizeof c->result.why, "out of memory");
		return false;
	}
	if (at) {
		p.url = at->url;
		p.headers = at->headers;
	}
	return post_send(c->easy, &p, &c->result);
}

static bool send_body(struct export_calls *c, struct str body, struct buf *answer)
{
	struct export_address *at = c->row->address ? mem_alloc(sizeof *at) : NULL;
	if (c->row->address && !at) {
		snprintf(c->result.why, sizeof c->result.why, "out of memory");
		return false;
	}
	bool taken = post_body(c, body, answer, at);
	if (at)
		mem_wipe(at, sizeof *at);
	mem_free(at);
	return taken;
}

/* Some of a call that was taken may not have been. */
static void judge(struct export_calls *c, struct str lines, struct str answer)
{
	uint32_t refused = 0, left = 0, n = count_lines(lines);
	if (c->row->judge)
		c->row->judge(answer, lines, &c->left, &left, &refused);
	c->n_left += left;
	c->n_refused += refused;
	c->n_sent += n - left - refused;
	if (left || refused)
		snprintf(c->result.why, sizeof c->result.why, "%u of %u records were not taken",
			 left + refused, n);
}

/* One call of some lines. False: it failed, and so would the next. */
static bool send_lines(struct export_calls *c, struct str lines, struct str body)
{
	struct buf answer;
	buf_init(&answer, ANSWER_MAX);
	bool taken = send_body(c, body, c->row->judge ? &answer : NULL);
	bool goes_on = taken || !post_may_retry(&c->result);
	if (taken)
		judge(c, lines, answer.failed ? STR_NONE : buf_str(&answer));
	else if (goes_on)
		c->n_refused += count_lines(lines);
	buf_done(&answer);
	return goes_on;
}

static void send_in_parts(struct export_calls *c)
{
	struct str rest = c->batch;
	struct post_result worst = { 0 };
	bool goes_on = true;
	while (rest.n && goes_on) {
		struct str before = rest, lines;
		struct buf body;
		buf_init(&body, SPILL_BATCH);
		lines = export_calls_cut(c->row, c->to, &rest, &body);
		goes_on = !body.failed && send_lines(c, lines, buf_str(&body));
		if (body.failed)
			snprintf(c->result.why, sizeof c->result.why, "out of memory");
		buf_done(&body);
		if (!goes_on)
			rest = before;
		if (c->result.why[0])
			worst = c->result;
	}
	buf_put(&c->left, rest);
	c->n_left += count_lines(rest);
	c->result = worst;
}

void export_calls_send(struct export_calls *c)
{
	buf_init(&c->left, SPILL_BATCH);
	if (c->row->call_rows || c->to->is_each)
		send_in_parts(c);
	else if (send_body(c, c->batch, NULL))
		c->n_sent = c->n;
	else if (post_may_retry(&c->result))
		c->n_left = c->n;
	else
		c->n_refused = c->n;
}
