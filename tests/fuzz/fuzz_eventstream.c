/* SPDX-License-Identifier: MIT
 * fuzz_eventstream.c - any bytes read as an event stream give events or an error, the same however
 * they are cut, and never more than the cap is held; and any bytes put into messages (their
 * pieces, each an event's payload) give as many events, or an error. The first byte chooses which,
 * the second one the size of the pieces. */
#include <errno.h>

#include "common/sse.h"
#include "tests/unit/eventstream_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { CAP = 1 << 16 };

struct seen {
	struct buf text;
	unsigned n;
};

static int take(void *data, const struct sse_event *ev)
{
	struct seen *s = data;
	MUST(!ev->oversize && ev->raw.n > 0);
	s->n++;
	buf_printf(&s->text, "%zu %zu ", ev->name.n, ev->data.n);
	buf_put(&s->text, ev->name);
	buf_put(&s->text, ev->data);
	buf_put(&s->text, ev->raw);
	return 0;
}

static int feed(struct seen *seen, struct str in, size_t step)
{
	struct sse s;
	int r = 0;
	*seen = (struct seen){ 0 };
	buf_init(&seen->text, 16 * in.n + 4096);
	sse_init(&s, FRAMING_EVENTSTREAM, CAP);
	for (size_t at = 0; at < in.n && !r; at += step) {
		struct str rest = str_skip(in, at);
		rest.n = rest.n < step ? rest.n : step;
		r = sse_feed(&s, rest, take, seen);
		MUST(s.held.n <= CAP && s.held.room <= CAP + 2);
	}
	if (!r)
		r = sse_end(&s, take, seen);
	sse_done(&s);
	MUST(r == 0 || r == -EBADMSG || r == -ENOMEM);
	return r;
}

static void check(struct str in, size_t step)
{
	struct seen whole, pieces;
	int a = feed(&whole, in, in.n + 1), b = feed(&pieces, in, step);
	MUST(a == b && whole.n == pieces.n);
	MUST(str_eq(buf_str(&whole.text), buf_str(&pieces.text)));
	buf_done(&whole.text);
	buf_done(&pieces.text);
}

/* Pieces end at a NUL; their first character chooses what they are. */
static void check_framed(struct str in, size_t step)
{
	struct buf b;
	unsigned n = 0;
	struct seen seen;
	buf_init(&b, CAP);
	while (in.n && n < 64) {
		struct str piece = str_cut(&in, '\0');
		char kind = piece.n ? piece.p[0] : 0;
		if (kind == 'x')
			put_message_of(&b, "exception", ":exception-type", STR("x"), str_skip(piece, 1));
		else if (kind == 'h')
			put_message(&b, str_skip(piece, 1), STR("{}"));
		else
			put_event(&b, kind == 'c' ? "chunk" : "e", str_skip(piece, 1));
		n++;
	}
	if (!b.failed) {
		int r = feed(&seen, buf_str(&b), b.n + 1);
		MUST(r != 0 || seen.n == n);
		buf_done(&seen.text);
		check(buf_str(&b), step);
	}
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 2 || hash_init() != 0)
		return 0;
	struct str in = { (const char *)p + 2, n - 2 };
	if (p[0] & 1)
		check_framed(in, p[1] % 61 + 1);
	else
		check(in, p[1] % 61 + 1);
	return 0;
}
