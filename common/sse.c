/* SPDX-License-Identifier: MIT
 * sse.c - finding where events end, in one pass over the bytes.
 *
 * The raw spans handed over, one behind the other, are the stream; only an unfinished event
 * without data at its end is left out. An event that ends with a lone CR waits for one more byte,
 * which may be the LF that belongs to it. Most events arrive whole and are handed over where they
 * lie; only what a feed leaves unfinished is copied. */
#include "common/sse.h"

#include <errno.h>

#include "common/eventstream.h"

enum {
	CAP_MIN = 16,
	SCRATCH_TIMES = 4,	/* of the cap: a message, decoded, as a tree, and as an event */
	SCRATCH_LEAST = 1 << 16,
	TAIL_MAX = 3	/* bytes of a line's end that may begin an event's end */
};

static const char bom[] = { '\xef', '\xbb', '\xbf' };

void sse_init(struct sse *s, enum stream_framing framing, size_t cap)
{
	if (cap < CAP_MIN)
		cap = CAP_MIN;
	*s = (struct sse){ .framing = framing };
	buf_init(&s->held, cap + 1);	/* one byte more tells whether the event is longer */
	buf_init(&s->joined, cap);
}

void sse_done(struct sse *s)
{
	buf_done(&s->held);
	buf_done(&s->joined);
	s->scratch = arena_free(s->scratch);
}

static size_t cap_of(const struct sse *s)
{
	return s->joined.cap;
}

static size_t bom_length(const struct sse *s, struct str text)
{
	return !s->started && str_starts(text, str_of(bom, sizeof bom)) ? sizeof bom : 0;
}

/* --- where an event ends --- */

/* Line ends ahead. Each of the two places is looked for again only when it has been passed, so
 * that a stream without one of the characters is not searched for it line by line. */
struct ends {
	struct str text;
	size_t lf, cr;
};

static size_t find_from(struct str text, size_t from, char c)
{
	const char *at = memchr(text.p + from, c, text.n - from);
	return at ? (size_t)(at - text.p) : text.n;
}

static size_t next_end(struct ends *e, size_t from)
{
	if (e->lf < from || e->lf == SIZE_MAX)
		e->lf = find_from(e->text, from, '\n');
	if (e->cr < from || e->cr == SIZE_MAX)
		e->cr = find_from(e->text, from, '\r');
	return e->lf < e->cr ? e->lf : e->cr;
}

static bool is_end(char c)
{
	return c == '\n' || c == '\r';
}

/* Where the line's end at i is over: i + 1, or i + 2 for CR LF. */
static size_t after_end(struct str text, size_t i)
{
	return i + 1 + (text.p[i] == '\r' && i + 1 < text.n && text.p[i + 1] == '\n');
}

/* The end of the event that text begins with, or 0. *scanned: where to begin, and then where to
 * begin next time. at_end: no byte will follow. */
static size_t find_event_end(const struct sse *s, struct str text, size_t *scanned, bool at_end)
{
	struct ends ends = { text, SIZE_MAX, SIZE_MAX };
	size_t start = bom_length(s, text), i = *scanned > start ? *scanned : start;
	bool line_begins = i == start ? !s->oversize : is_end(text.p[i - 1]);
	if (i > start && i < text.n && text.p[i - 1] == '\r' && text.p[i] == '\n')
		i++;
	while (i < text.n) {
		if (line_begins && is_end(text.p[i])) {
			bool is_sure = text.p[i] == '\n' || i + 1 < text.n || at_end;
			*scanned = i;
			return is_sure ? after_end(text, i) : 0;
		}
		i = next_end(&ends, i);
		if (i < text.n)
			i = after_end(text, i);
		line_begins = true;
	}
	*scanned = text.n;
	return 0;
}

static size_t find_end(const struct sse *s, struct str text, size_t *scanned, bool at_end)
{
	if (s->framing == FRAMING_SSE)
		return find_event_end(s, text, scanned, at_end);
	size_t lf = find_from(text, *scanned, '\n');
	*scanned = lf;
	return lf < text.n ? lf + 1 : 0;
}

/* --- what an event says --- */

/* Cuts the first line off *text, without its end. */
static struct str cut_line(struct str *text)
{
	size_t i = 0;
	while (i < text->n && !is_end(text->p[i]))
		i++;
	struct str line = { text->p, i };
	*text = str_skip(*text, i < text->n ? after_end(*text, i) : i);
	return line;
}

static void take_data(struct sse *s, struct str value, unsigned lines, struct str *data)
{
	if (lines == 0) {
		*data = value;
		return;
	}
	if (lines == 1) {
		buf_reset(&s->joined);
		buf_put(&s->joined, *data);
	}
	buf_put_char(&s->joined, '\n');
	buf_put(&s->joined, value);
	*data = buf_str(&s->joined);
}

static int read_fields(struct sse *s, struct str text, struct sse_event *ev)
{
	unsigned lines = 0;
	s->joined.failed = false;
	while (text.n) {
		struct str value = cut_line(&text), end = str_skip(value, value.n);
		struct str name = str_cut(&value, ':');
		if (!value.p)
			value = end;	/* a field without a colon: an empty value */
		if (value.n && value.p[0] == ' ')
			value = str_skip(value, 1);
		if (str_eq(name, STR("data")))
			take_data(s, value, lines++, &ev->data);
		else if (str_eq(name, STR("event")))
			ev->name = value;
	}
	return s->joined.failed ? -ENOMEM : 0;
}

static void read_line(struct str text, struct sse_event *ev)
{
	while (text.n && is_end(text.p[text.n - 1]))
		text.n--;
	if (str_trim(text).n)
		ev->data = text;
}

static int read_event(struct sse *s, struct str raw, struct sse_event *ev)
{
	struct str text = str_skip(raw, bom_length(s, raw));
	*ev = (struct sse_event){ .raw = raw };
	if (s->framing == FRAMING_SSE)
		return read_fields(s, text, ev);
	read_line(text, ev);
	return 0;
}

/* --- handing over --- */

static int hand_over(struct sse *s, struct str raw, sse_event_fn *on_event, void *data)
{
	struct sse_event ev = { .raw = raw, .oversize = true };
	if (!s->oversize && raw.n <= cap_of(s)) {
		int r = read_event(s, raw, &ev);
		if (r)
			return r;
	}
	s->oversize = false;
	s->started = true;
	return on_event(data, &ev);
}

/* Hands over a piece of an event that is too long, but for the line's end at its end, which may
 * turn out to be the beginning of the event's end. Returns the bytes handed over, or an error. */
static int hand_over_piece(struct sse *s, struct str text, size_t *ret_n, sse_event_fn *on_event,
			   void *data)
{
	size_t tail = 0;
	while (tail < TAIL_MAX && tail < text.n && is_end(text.p[text.n - 1 - tail]))
		tail++;
	struct sse_event ev = { .raw = { text.p, text.n - tail }, .oversize = true };
	*ret_n = text.n - tail;
	s->oversize = true;
	s->started = true;
	s->scanned = 0;
	return ev.raw.n ? on_event(data, &ev) : 0;
}

/* Nothing is held. */
static int feed_directly(struct sse *s, struct str *bytes, sse_event_fn *on_event, void *data)
{
	size_t scanned = 0, handed = 0, end = find_end(s, *bytes, &scanned, false);
	int r;
	if (end) {
		struct str raw = { bytes->p, end };
		*bytes = str_skip(*bytes, end);
		return hand_over(s, raw, on_event, data);
	}
	s->scanned = scanned;
	if (s->oversize || bytes->n > cap_of(s)) {
		r = hand_over_piece(s, *bytes, &handed, on_event, data);
		if (r)
			return r;
	}
	buf_put(&s->held, str_skip(*bytes, handed));
	*bytes = STR_NONE;
	return s->held.failed ? -ENOMEM : 0;
}

/* The beginning of an event is held; what is fed may hold its end. */
static int feed_held(struct sse *s, struct str *bytes, sse_event_fn *on_event, void *data)
{
	size_t before = s->held.n, more = s->held.cap - before, handed = 0;
	if (more > bytes->n)
		more = bytes->n;
	buf_put(&s->held, str_of(bytes->p, more));
	if (s->held.failed)
		return -ENOMEM;
	size_t end = find_end(s, buf_str(&s->held), &s->scanned, false);
	int r = 0;
	if (end) {
		MUST(end >= before);
		*bytes = str_skip(*bytes, end - before);
		r = hand_over(s, str_of(s->held.p, end), on_event, data);
		buf_reset(&s->held);
		s->scanned = 0;
		return r;
	}
	*bytes = str_skip(*bytes, more);
	if (s->oversize || s->held.n > cap_of(s)) {
		r = hand_over_piece(s, buf_str(&s->held), &handed, on_event, data);
		buf_drop(&s->held, handed);
	}
	return r;
}

/* --- event streams --- */

static int hand_over_message(struct sse *s, struct str whole, sse_event_fn *on_event, void *data)
{
	struct eventstream_message m;
	struct sse_event ev;
	if (!s->scratch)
		s->scratch = arena_new(SCRATCH_TIMES * cap_of(s) + SCRATCH_LEAST);
	if (!s->scratch)
		return -ENOMEM;
	int r = eventstream_read(whole, &m);
	if (!r)
		r = eventstream_to_event(s->scratch, whole, &m, &ev);
	if (!r)
		r = on_event(data, &ev);
	arena_reset(s->scratch);
	return r;
}

/* More of a message is held until all of it is there. */
static int hold_message(struct sse *s, struct str *bytes, size_t length)
{
	size_t want = length ? length : EVENTSTREAM_PRELUDE, more = want - s->held.n;
	if (more > bytes->n)
		more = bytes->n;
	buf_put(&s->held, str_of(bytes->p, more));
	*bytes = str_skip(*bytes, more);
	return s->held.failed ? -ENOMEM : 0;
}

static int feed_message(struct sse *s, struct str *bytes, sse_event_fn *on_event, void *data)
{
	size_t length;
	bool is_held = s->held.n > 0;
	struct str text = is_held ? buf_str(&s->held) : *bytes;
	int r = eventstream_length(text, cap_of(s), &length);
	if (r)
		return r;
	if (!length || length > text.n)
		return hold_message(s, bytes, length);
	if (!is_held)
		*bytes = str_skip(*bytes, length);
	r = hand_over_message(s, str_of(text.p, length), on_event, data);
	if (is_held)
		buf_reset(&s->held);
	return r;
}

static int feed_messages(struct sse *s, struct str bytes, sse_event_fn *on_event, void *data)
{
	int r = 0;
	size_t length = 0;
	while (bytes.n && !r)
		r = feed_message(s, &bytes, on_event, data);
	/* What is held may be whole by now; nothing else would look at it. */
	if (!r && s->held.n)
		r = eventstream_length(buf_str(&s->held), cap_of(s), &length);
	if (!r && length && length == s->held.n)
		r = feed_message(s, &bytes, on_event, data);
	return r;
}

/* --- feeding --- */

int sse_feed(struct sse *s, struct str bytes, sse_event_fn *on_event, void *data)
{
	int r = 0;
	if (s->framing == FRAMING_EVENTSTREAM)
		return feed_messages(s, bytes, on_event, data);
	while (bytes.n && r == 0)
		r = s->held.n ? feed_held(s, &bytes, on_event, data)
			      : feed_directly(s, &bytes, on_event, data);
	return r;
}

int sse_end(struct sse *s, sse_event_fn *on_event, void *data)
{
	struct str rest = buf_str(&s->held);
	struct sse_event ev;
	int r = 0;
	if (rest.n && s->framing == FRAMING_EVENTSTREAM) {
		r = -EBADMSG;
	} else if (rest.n) {
		bool is_whole = s->oversize || find_end(s, rest, &s->scanned, true);
		r = is_whole ? 0 : read_event(s, rest, &ev);
		if (r == 0 && (is_whole || ev.data.p))
			r = hand_over(s, rest, on_event, data);
	}
	buf_reset(&s->held);
	s->scanned = 0;
	s->oversize = s->started = false;
	return r;
}
