/* SPDX-License-Identifier: MIT
 * head.c - the head of an answer, with the headers that the script asks for. */
#include "tests/mock/mock.h"

enum { LIE_BYTES = 16 };		/* what badlen claims too much */

static const char *reason_of(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} known[] = {
		{ 200, "OK" },
		{ 307, "Temporary Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (known[i].status == status)
			return known[i].text;
	}
	return "Scripted";
}

static void put_header(struct buf *out, const char *name, struct span value)
{
	buf_put_z(out, name);
	buf_put_span(out, value);
	BUF_PUT_LIT(out, "\r\n");
}

static void put_scripted_headers(struct buf *out, const struct script *s)
{
	if (s->retry >= 0) {
		BUF_PUT_LIT(out, "retry-after: ");
		buf_put_u64(out, (uint64_t)s->retry);
		BUF_PUT_LIT(out, "\r\n");
	}
	if (s->redirect.p)
		put_header(out, "location: ", s->redirect);
	if (s->gzip)
		BUF_PUT_LIT(out, "content-encoding: gzip\r\n");
	for (unsigned i = 0; i < s->hdr_count; i++)
		put_header(out, "", s->hdr[i]);
}

void head_write_status_line(struct buf *out, unsigned status)
{
	BUF_PUT_LIT(out, "HTTP/1.1 ");
	buf_put_u64(out, status);
	BUF_PUT_LIT(out, " ");
	put_header(out, reason_of(status), (struct span){ 0 });
}

void head_write(struct buf *out, const struct conn *c, size_t body_bytes)
{
	const struct play *p = &c->play;
	const struct script *s = &p->answer.script;
	out->n = 0;
	head_write_status_line(out, p->answer.status);
	put_header(out, "content-type: ", p->content_type);
	if (p->is_chunked) {
		BUF_PUT_LIT(out, "transfer-encoding: chunked\r\n");
	} else if (!p->is_streaming) {
		BUF_PUT_LIT(out, "content-length: ");
		buf_put_u64(out, body_bytes + (s->badlen ? LIE_BYTES : 0));
		BUF_PUT_LIT(out, "\r\n");
	}
	BUF_PUT_LIT(out, "x-request-id: req-mock-");
	buf_put_u64(out, p->answer.seq);
	BUF_PUT_LIT(out, "\r\n");
	if (bedrock_has(p->answer.endpoint) && answer_is_error(&p->answer)) {
		BUF_PUT_LIT(out, "x-amzn-errortype: ");
		buf_put_z(out, bedrock_error_type(&p->answer));
		BUF_PUT_LIT(out, ":http://internal.amazon.com/\r\n");
	}
	put_scripted_headers(out, s);
	if (!c->keeps_alive)
		BUF_PUT_LIT(out, "connection: close\r\n");
	else if (!c->is_http11)
		BUF_PUT_LIT(out, "connection: keep-alive\r\n");
	BUF_PUT_LIT(out, "\r\n");
}
