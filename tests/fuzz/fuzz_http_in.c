/* SPDX-License-Identifier: MIT
 * fuzz_http_in.c - requests fed whole give the same as fed in pieces; a body is as long as its
 * head says; nothing that may not stand in a head is let through. The first byte is the size of
 * the pieces. */
#include "common/buf.h"
#include "worker/client/http_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { REQUESTS_MAX = 64 };

struct seen {
	struct buf text;		/* heads, bodies and the refusal, one behind the other */
	uint64_t body_bytes;
	unsigned requests;
	bool is_over;
};

static void note(struct buf *b, char mark, struct str s)
{
	buf_put_char(b, mark);
	buf_put_u64(b, s.n);
	buf_put(b, s);
}

static unsigned count(const struct http_request *q, const char *name)
{
	unsigned n = 0;
	for (unsigned i = 0; i < q->n_headers; i++)
		n += str_eq_z(q->headers[i].name, name);
	return n;
}

static void check_head(const struct http_request *q)
{
	MUST(q->method.n > 0 && q->target.n > 0 && q->target.n <= HTTP_TARGET_MAX);
	MUST(q->path.n + q->query.n + (q->query.p != NULL) == q->target.n);
	MUST(q->path.p[0] == '/' || str_eq(q->path, STR("*")));
	MUST(q->n_headers <= HTTP_HEADERS_MAX);
	for (unsigned i = 0; i < q->n_headers; i++) {
		MUST(http_is_token(q->headers[i].name) && http_is_value(q->headers[i].value));
		MUST(str_find_char(q->headers[i].name, '_') == SIZE_MAX);
	}
	unsigned lengths = count(q, "content-length"), codings = count(q, "transfer-encoding");
	MUST(count(q, "host") <= 1 && count(q, "host") >= q->version_minor);
	MUST(lengths + codings <= 1 && (codings == 0 || q->version_minor == 1));
	MUST((q->content_length == UINT64_MAX) == (codings == 1));
	MUST(q->has_body == (q->content_length > 0));
}

static void note_head(struct seen *s, const struct http_request *q)
{
	check_head(q);
	note(&s->text, 'm', q->method);
	note(&s->text, 't', q->target);
	for (unsigned i = 0; i < q->n_headers; i++) {
		note(&s->text, 'n', q->headers[i].name);
		note(&s->text, 'v', q->headers[i].value);
	}
	buf_printf(&s->text, "%u %d %llu ", q->version_minor, q->keep_alive,
		   (unsigned long long)q->content_length);
	s->body_bytes = 0;
}

/* False: these bytes give no more. */
static bool next(struct seen *s, struct http_in *h, struct str *in)
{
	struct str body = STR_NONE, before = *in;
	enum http_in_event e = http_in_next(h, in, &body);
	MUST(in->n <= before.n && in->p + in->n == before.p + before.n);
	switch (e) {
	case HTTP_IN_MORE:
		MUST(in->n == 0);
		return false;
	case HTTP_IN_HEAD:
		note_head(s, http_in_request(h));
		return true;
	case HTTP_IN_BODY:
		MUST(body.n > 0 && body.p >= before.p && body.p + body.n <= in->p);
		s->body_bytes += body.n;
		buf_put(&s->text, body);
		return true;
	case HTTP_IN_END:
		if (http_in_request(h)->content_length != UINT64_MAX)
			MUST(s->body_bytes == http_in_request(h)->content_length);
		s->is_over = !http_in_request(h)->keep_alive || ++s->requests == REQUESTS_MAX;
		BUF_PUT_LIT(&s->text, ".");
		http_in_reset(h);
		return !s->is_over;
	default:
		MUST(http_in_refusal(h)->status >= 400);
		buf_put_z(&s->text, http_in_refusal(h)->message);
		s->is_over = true;
		return false;
	}
}

static void feed(struct seen *s, struct str in, size_t step)
{
	struct http_in *h = http_in_new();
	MUST(h);
	*s = (struct seen){ 0 };
	buf_init(&s->text, 32 * in.n + 65536);
	for (size_t at = 0; at < in.n && !s->is_over; at += step) {
		struct str piece = str_skip(in, at);
		piece.n = piece.n < step ? piece.n : step;
		while (next(s, h, &piece))
			;
	}
	MUST(!s->text.failed);
	http_in_free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct seen whole, pieces;
	if (n < 1)
		return 0;
	struct str in = { (const char *)p + 1, n - 1 };
	feed(&whole, in, in.n + 1);
	feed(&pieces, in, p[0] % 17 + 1);
	MUST(str_eq(buf_str(&whole.text), buf_str(&pieces.text)));
	buf_done(&whole.text);
	buf_done(&pieces.text);
	return 0;
}
