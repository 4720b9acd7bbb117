/* SPDX-License-Identifier: MIT
 * fuzz_sse.c - a stream fed whole gives the same events as fed in pieces; all bytes come out again;
 * no more than the cap is kept. The first two bytes choose framing, cap and piece size. */
#include "common/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct seen {
	struct buf events;	/* what was said, one event behind the other */
	struct buf raw;
	bool in_oversize;
};

static void note(struct buf *b, char mark, struct str s)
{
	buf_put_char(b, mark);
	buf_put_u64(b, s.p ? s.n : UINT64_MAX);
	buf_put(b, s);
}

static int take(void *data, const struct sse_event *ev)
{
	struct seen *s = data;
	MUST(ev->raw.n > 0);
	buf_put(&s->raw, ev->raw);
	if (!ev->oversize || !s->in_oversize)
		note(&s->events, ev->oversize ? 'o' : 'e', STR_NONE);
	s->in_oversize = ev->oversize;
	MUST(!ev->oversize || (!ev->data.p && !ev->name.p));
	note(&s->events, 'd', ev->oversize ? STR("") : ev->data);
	if (ev->oversize)
		s->events.n -= 2;	/* pieces of one event leave one mark */
	else
		note(&s->events, 'n', ev->name);
	return 0;
}

static void feed(struct seen *seen, uint8_t how, struct str in, size_t step)
{
	struct sse s;
	size_t cap = 16 + (how >> 1);
	*seen = (struct seen){ 0 };
	buf_init(&seen->events, 64 * in.n + 64);
	buf_init(&seen->raw, in.n + 1);
	sse_init(&s, how & 1 ? FRAMING_NDJSON : FRAMING_SSE, cap);
	for (size_t at = 0; at < in.n; at += step) {
		struct str rest = str_skip(in, at);
		rest.n = rest.n < step ? rest.n : step;
		MUST(sse_feed(&s, rest, take, seen) == 0);
		MUST(s.held.n <= cap && s.held.room <= cap + 2 && s.joined.n <= cap);
		MUST(seen->raw.n + s.held.n == at + rest.n);
	}
	size_t held = s.held.n;
	MUST(sse_end(&s, take, seen) == 0);
	MUST(seen->raw.n == in.n || seen->raw.n == in.n - held);
	MUST(!seen->events.failed && (in.n == 0 || seen->raw.n == 0 ||
				      memcmp(seen->raw.p, in.p, seen->raw.n) == 0));
	sse_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct seen whole, pieces;
	if (n < 2)
		return 0;
	struct str in = { (const char *)p + 2, n - 2 };
	feed(&whole, p[0], in, in.n + 1);
	feed(&pieces, p[0], in, p[1] % 7 + 1);
	MUST(str_eq(buf_str(&whole.raw), buf_str(&pieces.raw)));
	MUST(str_eq(buf_str(&whole.events), buf_str(&pieces.events)));
	buf_done(&whole.events);
	buf_done(&whole.raw);
	buf_done(&pieces.events);
	buf_done(&pieces.raw);
	return 0;
}
