/* SPDX-License-Identifier: MIT
 * http_in.c - HTTP/1.1 requests, stricter than llhttp.
 *
 * Before llhttp sees any framing byte, scan_lines() or scan_chunk_line() has looked at it: they
 * find where lines end and hold back the byte at which a limit or a rule breaks. So llhttp and
 * we each know where a head, a chunk and the trailers end, and when we differ the request is
 * refused; and a limit falls at the same byte however the input is cut. */
#include "worker/client/http_in.h"

#include <llhttp.h>

#include "common/buf.h"
#include "common/mem.h"

enum phase {
	PHASE_HEAD,
	PHASE_PLAIN,		/* a body counted by Content-Length */
	PHASE_CHUNK_LINE,
	PHASE_CHUNK_DATA,	/* with the CR LF behind it */
	PHASE_TRAILERS,
	PHASE_END,
	PHASE_REFUSED,
	PHASES
};

#define TO(phase) (1u << (phase))
static const unsigned may_go[PHASES] = {
	[PHASE_HEAD] = TO(PHASE_PLAIN) | TO(PHASE_CHUNK_LINE) | TO(PHASE_END) | TO(PHASE_REFUSED),
	[PHASE_PLAIN] = TO(PHASE_END) | TO(PHASE_REFUSED),
	[PHASE_CHUNK_LINE] = TO(PHASE_CHUNK_DATA) | TO(PHASE_TRAILERS) | TO(PHASE_REFUSED),
	[PHASE_CHUNK_DATA] = TO(PHASE_CHUNK_LINE) | TO(PHASE_REFUSED),
	[PHASE_TRAILERS] = TO(PHASE_END) | TO(PHASE_REFUSED),
	[PHASE_END] = TO(PHASE_REFUSED),	/* llhttp ended it where we did not */
};

enum {
	LINE_SLACK = 64,		/* of a request line, beside its target */
	LEADING_LINES_MAX = 1,		/* empty lines before a request (RFC 9112, 2.2) */
	TEXT_KEPT = 4096,		/* memory that a reset keeps for the next head */
	HEADERS_USUAL = 24		/* room from the beginning; it grows and stays */
};

struct lines {			/* what scan_lines() remembers from one piece to the next */
	size_t bytes;		/* of the whole head, or of all trailers */
	size_t line_bytes;	/* of the line under way */
	unsigned count;		/* lines that were not empty */
	unsigned leading, spaces;
	char last;
	bool is_end;		/* the empty line was the last one seen */
};
struct span {
	uint16_t at, n;		/* in text; HTTP_HEAD_BYTES_MAX fits */
};
struct http_in {
	llhttp_t parser;
	enum phase phase;
	enum refusal refusal;
	bool has_error;			/* a callback refused; refusal says why */
	bool is_dropped;		/* the header under way is left out */
	struct http_request request;
	unsigned headers_room;
	struct buf text;		/* target, names and values, one after the other */
	struct span target;
	struct span spans[HTTP_HEADERS_MAX][2];
	unsigned fields;		/* header lines, dropped ones too */
	size_t field_at, value_at;	/* in text, of the line under way */
	struct lines lines;
	uint64_t left;			/* of a plain body, or of a chunk with its CR LF */
	unsigned digits, extension_bytes;
	bool is_in_extension;
	struct str piece;		/* bytes of the body that llhttp has just handed over */
};
_Static_assert(HTTP_HEAD_BYTES_MAX <= UINT16_MAX, "offsets into a head have 16 bits");

static void enter(struct http_in *h, enum phase next)
{
	MUST(may_go[h->phase] & TO(next));
	h->phase = next;
}

static void refuse(struct http_in *h, enum refusal why)
{
	h->refusal = why;
	enter(h, PHASE_REFUSED);
}

/* From within a callback of llhttp: the first reason counts. */
static int stop(struct http_in *h, enum refusal why)
{
	if (!h->has_error)
		h->refusal = why;
	h->has_error = true;
	return -1;
}

/* ---- the head: what llhttp hands over, piece by piece ---- */

static int append(llhttp_t *p, const char *at, size_t n)
{
	struct http_in *h = p->data;
	if (h->phase != PHASE_HEAD)
		return 0;			/* trailers are not kept */
	buf_put(&h->text, str_of(at, n));
	return h->text.failed ? stop(h, REFUSE_MEMORY) : 0;
}

static struct str text_from(const struct http_in *h, size_t at)
{
	return str_of(h->text.p ? h->text.p + at : "", h->text.n - at);
}

static struct span span_of(size_t at, size_t n)
{
	MUST(at + n <= HTTP_HEAD_BYTES_MAX);
	return (struct span){ (uint16_t)at, (uint16_t)n };
}

static bool is_version_known(const struct http_in *h)
{
	return h->parser.http_major == 1 && h->parser.http_minor <= 1;
}

static int on_method_complete(llhttp_t *p)
{
	struct http_in *h = p->data;
	if (p->method >= HTTP_SOURCE)		/* RTSP, ICE and the preface of HTTP/2 */
		return stop(h, REFUSE_REQUEST_LINE);
	h->request.method = str_z(llhttp_method_name((llhttp_method_t)p->method));
	return 0;
}

static int on_url_complete(llhttp_t *p)
{
	struct http_in *h = p->data;
	if (h->text.n > HTTP_TARGET_MAX)
		return stop(h, REFUSE_TARGET_LONG);
	h->target = span_of(0, h->text.n);
	h->field_at = h->text.n;
	return 0;
}

static int on_version_complete(llhttp_t *p)
{
	return is_version_known(p->data) ? 0 : stop(p->data, REFUSE_VERSION);
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* A name with '_' is taken for the one with '-' by too many programs: such a line is dropped. Of
 * those that LiteLLM has for Langfuse there is no other. */
static int on_field_complete(llhttp_t *p)
{
	struct http_in *h = p->data;
	if (h->phase != PHASE_HEAD)
		return 0;
	if (h->fields++ == HTTP_HEADERS_MAX)
		return stop(h, REFUSE_HEAD_LONG);
	struct str name = text_from(h, h->field_at);
	if (name.n > HTTP_NAME_MAX)
		return stop(h, REFUSE_HEAD_LONG);
	if (!http_is_token(name))
		return stop(h, REFUSE_NAME);
	for (size_t i = h->field_at; i < h->text.n; i++)
		h->text.p[i] = lower(h->text.p[i]);
	h->is_dropped = str_find_char(name, '_') != SIZE_MAX &&
			!str_starts(name, STR("langfuse_"));
	h->value_at = h->text.n;
	return 0;
}

static int on_value_complete(llhttp_t *p)
{
	struct http_in *h = p->data;
	if (h->phase != PHASE_HEAD)
		return 0;
	struct str value = text_from(h, h->value_at);
	if (value.n > HTTP_VALUE_MAX)
		return stop(h, REFUSE_HEAD_LONG);
	if (!http_is_value(value))
		return stop(h, REFUSE_VALUE);
	if (h->is_dropped) {
		h->text.n = h->field_at;
		return 0;
	}
	struct span *s = h->spans[h->request.n_headers++];
	s[0] = span_of(h->field_at, h->value_at - h->field_at);
	s[1] = span_of(h->value_at, value.n);
	h->field_at = h->text.n;
	return 0;
}

static bool has_room(struct http_in *h, unsigned n)
{
	if (n <= h->headers_room)
		return true;
	n = n < HEADERS_USUAL ? HEADERS_USUAL : HTTP_HEADERS_MAX;
	struct http_header *p = mem_grow(h->request.headers, n * sizeof *p);
	if (p) {
		h->request.headers = p;
		h->headers_room = n;
	}
	return p != NULL;
}

/* Only now does the text stand still, so that slices may point into it. */
static void point_into_text(struct http_in *h)
{
	for (unsigned i = 0; i < h->request.n_headers; i++) {
		struct http_header *f = &h->request.headers[i];
		const struct span *s = h->spans[i];
		f->name = str_of(h->text.p + s[0].at, s[0].n);
		f->value = str_trim(str_of(h->text.p + s[1].at, s[1].n));
		if (str_eq(f->name, STR("idempotency-key")))
			h->request.idempotency_key = str_of(f->value.p ? f->value.p : "",
							    f->value.n);
	}
}

/* HTTP/0.9 comes here without on_version_complete(). When llhttp sees another body than we do,
 * neither is believed. */
static enum refusal check_head(struct http_in *h)
{
	struct http_request *q = &h->request;
	if (!is_version_known(h))
		return REFUSE_VERSION;
	q->version_minor = h->parser.http_minor;
	q->keep_alive = llhttp_should_keep_alive(&h->parser);
	if (!has_room(h, q->n_headers))
		return REFUSE_MEMORY;
	point_into_text(h);
	enum refusal r = http_check_head(q, str_of(h->text.p + h->target.at, h->target.n));
	bool is_chunked = h->parser.flags & F_CHUNKED;
	if (r == REFUSE_NOTHING && (is_chunked != (q->content_length == UINT64_MAX) ||
				    (!is_chunked && q->content_length != h->parser.content_length)))
		return REFUSE_FRAMING;
	return r;
}

static int on_headers_complete(llhttp_t *p)
{
	struct http_in *h = p->data;
	enum refusal r = check_head(h);
	if (r != REFUSE_NOTHING)
		return stop(h, r);
	h->left = h->request.content_length;
	if (!h->request.has_body)
		enter(h, PHASE_END);
	else if (h->left == UINT64_MAX)
		enter(h, PHASE_CHUNK_LINE);
	else
		enter(h, PHASE_PLAIN);
	return HPE_PAUSED;
}

/* ---- chunks and trailers ---- */

static int on_body(llhttp_t *p, const char *at, size_t n)
{
	struct http_in *h = p->data;
	if (h->phase != PHASE_CHUNK_DATA || h->piece.n)
		return stop(h, REFUSE_CHUNK);
	h->piece = str_of(at, n);
	return 0;
}

static int on_chunk_header(llhttp_t *p)
{
	struct http_in *h = p->data;
	if (h->phase != PHASE_CHUNK_LINE || p->content_length > INT64_MAX)
		return stop(h, REFUSE_CHUNK);
	if (p->content_length == 0) {
		h->lines = (struct lines){ .count = 1 };
		enter(h, PHASE_TRAILERS);
	} else {
		h->left = p->content_length + 2;
		enter(h, PHASE_CHUNK_DATA);
	}
	return 0;
}

static int on_chunk_complete(llhttp_t *p)
{
	struct http_in *h = p->data;
	if (h->phase == PHASE_TRAILERS)
		return 0;
	if (h->phase != PHASE_CHUNK_DATA || h->left != 0)
		return stop(h, REFUSE_CHUNK);
	h->digits = 0;
	h->is_in_extension = false;
	enter(h, PHASE_CHUNK_LINE);
	return 0;
}

static int on_message_complete(llhttp_t *p)
{
	struct http_in *h = p->data;
	if (h->phase != PHASE_TRAILERS || !h->lines.is_end)
		return stop(h, REFUSE_CHUNK);
	enter(h, PHASE_END);
	return HPE_PAUSED;
}

static const llhttp_settings_t callbacks = {
	.on_method_complete = on_method_complete,
	.on_url = append,
	.on_url_complete = on_url_complete,
	.on_version_complete = on_version_complete,
	.on_header_field = append,
	.on_header_field_complete = on_field_complete,
	.on_header_value = append,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_chunk_header = on_chunk_header,
	.on_chunk_complete = on_chunk_complete,
	.on_message_complete = on_message_complete,
};

/* ---- what llhttp may see next ---- */

struct scan {
	size_t n;		/* bytes that it may see */
	bool is_refused;	/* the byte behind them breaks a rule */
	enum refusal why;
};

static struct scan held_back(size_t n, enum refusal why)
{
	return (struct scan){ n, true, why };
}

/* The limit that falls first: of the whole, or of the request line. */
static size_t lines_room(const struct http_in *h, enum refusal *ret_why)
{
	const struct lines *l = &h->lines;
	size_t max = h->phase == PHASE_HEAD ? (size_t)HTTP_HEAD_BYTES_MAX : HTTP_TRAILERS_MAX;
	size_t room = max - l->bytes, line = HTTP_TARGET_MAX + LINE_SLACK - l->line_bytes;
	*ret_why = REFUSE_HEAD_LONG;
	if (l->count > 0)
		return room;
	*ret_why = REFUSE_TARGET_LONG;
	return line < room ? line : room;
}

static void add_to_line(struct lines *l, struct str part)
{
	for (size_t i = 0; l->count == 0 && i < part.n; i++)
		l->spaces += part.p[i] == ' ';
	l->line_bytes += part.n;
	if (part.n)
		l->last = part.p[part.n - 1];
}

/* A LF has come. Only an empty line may stand before the request line (RFC 9112, 2.2), which
 * has exactly two spaces. */
static bool end_line(struct lines *l, enum refusal *ret_why)
{
	bool is_empty = l->line_bytes <= 1, is_first = l->count == 0;
	*ret_why = REFUSE_LINE_END;
	if (l->last != '\r')
		return false;
	*ret_why = REFUSE_REQUEST_LINE;
	if (is_first && (is_empty ? ++l->leading > LEADING_LINES_MAX : l->spaces != 2))
		return false;
	l->is_end = is_empty && !is_first;
	l->count += !is_empty;
	l->line_bytes = 0;
	l->last = 0;
	return true;
}

static bool may_begin_line(const struct lines *l, char c, enum refusal *ret_why)
{
	if (l->line_bytes > 0 || l->count == 0)
		return true;
	*ret_why = c == ':' ? REFUSE_NAME : REFUSE_FOLDED;
	return c != ':' && c != ' ' && c != '\t';
}

/* Lines of a head or of trailers, up to and with the empty one that ends them. */
static struct scan scan_lines(struct http_in *h, struct str in)
{
	struct lines *l = &h->lines;
	size_t at = 0;
	while (at < in.n && !l->is_end) {
		enum refusal why;
		struct str line = str_skip(in, at);
		size_t room = lines_room(h, &why);
		if (room == 0 || !may_begin_line(l, line.p[0], &why))
			return held_back(at, why);
		if (line.n > room)
			line.n = room;
		size_t end = str_find_char(line, '\n');
		size_t n = end == SIZE_MAX ? line.n : end;
		add_to_line(l, str_of(line.p, n));
		if (end != SIZE_MAX && !end_line(l, &why))
			return held_back(at + n, why);
		n += end != SIZE_MAX;
		l->bytes += n;
		at += n;
	}
	return (struct scan){ .n = at };
}

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* "1a;name=value" CR LF: few digits, few extensions, nothing but visible ASCII. */
static struct scan scan_chunk_line(struct http_in *h, struct str in)
{
	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];
		if (c == '\n')
			return (struct scan){ .n = i + 1 };
		if (!h->is_in_extension && is_hex(c)) {
			if (++h->digits > HTTP_CHUNK_DIGITS_MAX)
				return held_back(i, REFUSE_CHUNK);
			continue;
		}
		h->is_in_extension = true;
		if (c == '\r')
			continue;
		if (++h->extension_bytes > HTTP_EXTENSIONS_MAX || c <= 0x20 || c >= 0x7f)
			return held_back(i, REFUSE_CHUNK);
	}
	return (struct scan){ .n = in.n };
}

static struct scan scan(struct http_in *h, struct str in)
{
	if (h->phase == PHASE_HEAD || h->phase == PHASE_TRAILERS)
		return scan_lines(h, in);
	if (h->phase == PHASE_CHUNK_LINE)
		return scan_chunk_line(h, in);
	MUST(h->phase == PHASE_CHUNK_DATA && h->left > 0);
	struct scan s = { .n = in.n < h->left ? in.n : (size_t)h->left };
	h->left -= s.n;
	return s;
}

static enum refusal refusal_of(const struct http_in *h, llhttp_errno_t e, enum phase phase)
{
	if (phase != PHASE_HEAD)
		return REFUSE_CHUNK;
	switch (e) {
	case HPE_INVALID_METHOD:
	case HPE_INVALID_URL:
	case HPE_INVALID_CONSTANT:
		return REFUSE_REQUEST_LINE;
	case HPE_INVALID_VERSION:
		return is_version_known(h) ? REFUSE_REQUEST_LINE : REFUSE_VERSION;
	case HPE_INVALID_HEADER_TOKEN:
		return REFUSE_NAME;
	case HPE_INVALID_CONTENT_LENGTH:
		return REFUSE_LENGTH;
	case HPE_UNEXPECTED_CONTENT_LENGTH:
	case HPE_INVALID_TRANSFER_ENCODING:
		return REFUSE_FRAMING;
	case HPE_CR_EXPECTED:
	case HPE_LF_EXPECTED:
		return REFUSE_LINE_END;
	default:
		return REFUSE_SYNTAX;
	}
}

/* One step: looks ahead, lets llhttp see that much, compares. False: refused. */
static bool step(struct http_in *h, struct str *in)
{
	enum phase was = h->phase;
	struct scan s = scan(h, *in);
	llhttp_errno_t e = llhttp_execute(&h->parser, in->p, s.n);
	bool has_line = s.n > 0 && in->p[s.n - 1] == '\n';
	*in = str_skip(*in, s.n);
	if (h->has_error || (e != HPE_OK && e != HPE_PAUSED)) {
		refuse(h, h->has_error ? h->refusal : refusal_of(h, e, was));
		return false;
	}
	bool is_past = (was == PHASE_CHUNK_LINE && has_line) ||
		       (was == PHASE_CHUNK_DATA && h->left == 0) ||
		       ((was == PHASE_HEAD || was == PHASE_TRAILERS) && h->lines.is_end);
	if (s.is_refused || is_past != (h->phase != was)) {
		refuse(h, s.is_refused ? s.why : REFUSE_FRAMING);
		return false;
	}
	if (e == HPE_PAUSED)
		llhttp_resume(&h->parser);
	return true;
}

static enum http_in_event next_plain(struct http_in *h, struct str *in, struct str *ret_body)
{
	if (in->n == 0)
		return HTTP_IN_MORE;
	size_t n = in->n < h->left ? in->n : (size_t)h->left;
	*ret_body = str_of(in->p, n);
	*in = str_skip(*in, n);
	h->left -= n;
	if (h->left == 0)
		enter(h, PHASE_END);
	return HTTP_IN_BODY;
}

static enum http_in_event next_chunked(struct http_in *h, struct str *in, struct str *ret_body)
{
	while (in->n > 0) {
		h->piece = STR_NONE;
		bool is_good = step(h, in);
		if (h->piece.n) {		/* also before a refusal, which is told next */
			*ret_body = h->piece;
			return HTTP_IN_BODY;
		}
		if (!is_good)
			return HTTP_IN_REFUSED;
		if (h->phase == PHASE_END)
			return HTTP_IN_END;
	}
	return HTTP_IN_MORE;
}

enum http_in_event http_in_next(struct http_in *h, struct str *bytes, struct str *ret_body)
{
	switch (h->phase) {
	case PHASE_HEAD:
		if (bytes->n == 0)
			return HTTP_IN_MORE;
		if (!step(h, bytes))
			return HTTP_IN_REFUSED;
		return h->phase == PHASE_HEAD ? HTTP_IN_MORE : HTTP_IN_HEAD;
	case PHASE_PLAIN:
		return next_plain(h, bytes, ret_body);
	case PHASE_END:
		return HTTP_IN_END;
	case PHASE_REFUSED:
		return HTTP_IN_REFUSED;
	default:
		return next_chunked(h, bytes, ret_body);
	}
}

/* ---- life ---- */

struct http_in *http_in_new(void)
{
	struct http_in *h = mem_alloc(sizeof *h);
	if (!h)
		return NULL;
	buf_init(&h->text, HTTP_HEAD_BYTES_MAX);
	http_in_reset(h);
	return h;
}

struct http_in *http_in_free(struct http_in *h)
{
	if (h) {
		buf_done(&h->text);
		mem_free(h->request.headers);
	}
	mem_free(h);
	return NULL;
}

/* Headers and spans beyond their count are never looked at, so they need not be cleared. Room for
 * headers stays. */
void http_in_reset(struct http_in *h)
{
	struct http_request *q = &h->request;
	llhttp_init(&h->parser, HTTP_REQUEST, &callbacks);
	h->parser.data = h;
	if (h->text.room > TEXT_KEPT)
		buf_done(&h->text);
	buf_reset(&h->text);
	h->phase = PHASE_HEAD;
	h->refusal = REFUSE_NOTHING;
	h->has_error = h->is_dropped = h->is_in_extension = false;
	h->fields = h->digits = h->extension_bytes = 0;
	h->field_at = h->value_at = 0;
	h->left = 0;
	h->target = (struct span){ 0, 0 };
	h->lines = (struct lines){ 0 };
	h->piece = STR_NONE;
	q->method = q->target = q->path = q->query = q->idempotency_key = STR_NONE;
	q->n_headers = 0;
	q->version_minor = 0;
	q->keep_alive = q->has_body = false;
	q->content_length = 0;
}

const struct http_request *http_in_request(const struct http_in *h)
{
	return &h->request;
}

bool http_in_expects_continue(const struct http_in *h)
{
	return h->request.has_body && h->request.version_minor > 0 &&
	       http_header(&h->request, "expect").p;
}

const struct http_refusal *http_in_refusal(const struct http_in *h)
{
	MUST(h->phase == PHASE_REFUSED);
	return &http_refusals[h->refusal];
}

bool http_in_is_head(const struct http_in *h)
{
	return str_eq(h->request.method, STR("HEAD"));
}
