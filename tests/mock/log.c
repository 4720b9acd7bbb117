/* SPDX-License-Identifier: MIT
 * log.c - see log.h. */
#include "tests/mock/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

struct log_entry {
	uint64_t seq, started_ms, ended_ms, ended_us, body_bytes, tokens;
	const char *method;
	int stream;
	unsigned status;
	enum log_end end;
	struct buf text;		/* path, model, headers, body, one behind the other */
	size_t path_n, model_n, headers_n;
};

static const char *const end_names[END_COUNT] = {
	[END_OPEN] = "open",
	[END_DONE] = "done",
	[END_CLIENT_GONE] = "client_gone",
	[END_DIED] = "died",
};

uint64_t wall_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t monotonic_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void log_init(struct log *l, size_t room, bool keep_bodies)
{
	*l = (struct log){ .room = room ? room : 1, .first = 1, .keep_bodies = keep_bodies };
	l->ring = calloc(l->room, sizeof *l->ring);
	if (!l->ring) {
		fprintf(stderr, "llmgw-mock: no memory for a log of %zu\n", l->room);
		abort();
	}
}

void log_done(struct log *l)
{
	for (size_t i = 0; i < l->room; i++)
		buf_done(&l->ring[i].text);
	free(l->ring);
	l->ring = NULL;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

uint64_t log_begin(struct log *l, const struct log_ask *ask)
{
	uint64_t seq = ++l->last;
	struct log_entry *e = &l->ring[seq % l->room];
	struct buf text = e->text;
	*e = (struct log_entry){
		.seq = seq,
		.started_ms = wall_ms(),
		.body_bytes = ask->body.n,
		.method = ask->method,
		.stream = ask->stream,
		.status = ask->status,
		.path_n = ask->path.n,
		.model_n = ask->model.n,
		.headers_n = ask->headers.n,
		.text = text,
	};
	e->text.n = 0;
	buf_put_span(&e->text, ask->path);
	buf_put_span(&e->text, ask->model);
	buf_put_span(&e->text, ask->headers);
	if (l->keep_bodies)
		buf_put(&e->text, ask->body.p, least(ask->body.n, LOG_BODY_MAX));
	return seq;
}

void log_finish(struct log *l, uint64_t seq, enum log_end end, uint64_t tokens)
{
	struct log_entry *e = &l->ring[seq % l->room];
	if (e->seq != seq)			/* its place was taken meanwhile */
		return;
	e->end = end;
	e->tokens = tokens;
	e->ended_ms = wall_ms();
	e->ended_us = monotonic_us();
}

void log_clear(struct log *l)
{
	l->first = l->last + 1;
}

/* Take the next name or value from a list of them. */
static struct span next_item(struct span *list)
{
	const char *nul = list->n ? memchr(list->p, '\0', list->n) : NULL;
	size_t n = nul ? (size_t)(nul - list->p) : list->n;
	struct span ret = { list->p, n };
	size_t used = nul ? n + 1 : n;
	*list = (struct span){ list->p + used, list->n - used };
	return ret;
}

static bool same_name(struct span a, const char *b, size_t n)
{
	return a.n == n && strncasecmp(a.p, b, n) == 0;
}

struct span header_find(struct span headers, const char *name)
{
	size_t n = strlen(name);
	while (headers.n) {
		struct span key = next_item(&headers), value = next_item(&headers);
		if (same_name(key, name, n))
			return value;
	}
	return (struct span){ 0 };
}

static bool is_wanted(struct span name, struct span wanted)
{
	while (wanted.n) {
		const char *comma = memchr(wanted.p, ',', wanted.n);
		size_t n = comma ? (size_t)(comma - wanted.p) : wanted.n;
		if ((n == 1 && wanted.p[0] == '*') || same_name(name, wanted.p, n))
			return true;
		size_t used = comma ? n + 1 : n;
		wanted = (struct span){ wanted.p + used, wanted.n - used };
	}
	return false;
}

static void put_number(struct buf *out, const char *name, uint64_t v)
{
	BUF_PUT_LIT(out, ",\"");
	buf_put_z(out, name);
	BUF_PUT_LIT(out, "\":");
	buf_put_u64(out, v);
}

static void put_text(struct buf *out, const char *name, struct span s)
{
	BUF_PUT_LIT(out, ",\"");
	buf_put_z(out, name);
	BUF_PUT_LIT(out, "\":");
	if (s.p)
		buf_put_json(out, s);
	else
		BUF_PUT_LIT(out, "null");
}

static void put_headers(struct buf *out, struct span headers, struct span wanted)
{
	bool first = true;
	BUF_PUT_LIT(out, ",\"headers\":{");
	while (headers.n) {
		struct span key = next_item(&headers), value = next_item(&headers);
		if (!is_wanted(key, wanted))
			continue;
		if (!first)
			BUF_PUT_LIT(out, ",");
		first = false;
		size_t at = out->n;
		buf_put_json(out, key);
		for (; at < out->n; at++) {
			if (out->p[at] >= 'A' && out->p[at] <= 'Z')
				out->p[at] = (char)(out->p[at] | 0x20);
		}
		BUF_PUT_LIT(out, ":");
		buf_put_json(out, value);
	}
	BUF_PUT_LIT(out, "}");
}

static void put_entry(struct buf *out, const struct log_entry *e, struct span wanted, bool bodies)
{
	const char *p = e->text.p;
	struct span path = { p, e->path_n }, model = { p + path.n, e->model_n };
	struct span headers = { model.p + model.n, e->headers_n };
	struct span body = { headers.p + headers.n,
			     e->text.n - path.n - model.n - headers.n };
	BUF_PUT_LIT(out, "{\"seq\":");
	buf_put_u64(out, e->seq);
	put_text(out, "method", (struct span){ e->method, strlen(e->method) });
	put_text(out, "path", path);
	put_text(out, "model", model);
	buf_put_z(out, e->stream ? ",\"stream\":true" : ",\"stream\":false");
	put_text(out, "authorization", header_find(headers, "authorization"));
	put_text(out, "traceparent", header_find(headers, "traceparent"));
	put_text(out, "x-request-id", header_find(headers, "x-request-id"));
	put_headers(out, headers, wanted);
	put_number(out, "body_bytes", e->body_bytes);
	if (bodies)
		put_text(out, "body", body);
	put_number(out, "status", e->status);
	put_number(out, "tokens", e->tokens);
	put_text(out, "end", (struct span){ end_names[e->end], strlen(end_names[e->end]) });
	put_number(out, "started_ms", e->started_ms);
	put_number(out, "ended_ms", e->ended_ms);
	put_number(out, "ended_monotonic_us", e->ended_us);
	BUF_PUT_LIT(out, "}");
}

void log_write(const struct log *l, struct buf *out, uint64_t n, struct span wanted)
{
	uint64_t from = l->first;
	if (l->last >= l->room && from < l->last - l->room + 1)
		from = l->last - l->room + 1;
	if (n && from + n <= l->last)
		from = l->last - n + 1;
	BUF_PUT_LIT(out, "[");
	for (uint64_t seq = from; seq <= l->last; seq++) {
		if (seq > from)
			BUF_PUT_LIT(out, ",\n");
		put_entry(out, &l->ring[seq % l->room], wanted, l->keep_bodies);
	}
	BUF_PUT_LIT(out, "]\n");
}
