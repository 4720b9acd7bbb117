/* SPDX-License-Identifier: MIT
 * sse.h - cutting a byte stream into events: server-sent events (WHATWG HTML, "Server-sent
 * events", section 9.2.6), newline-delimited JSON, and AWS's event streams.
 *
 * Nothing is decoded. An event is handed over once it is whole, as spans that are good until
 * the callback returns. An event above the cap is handed over in pieces with `oversize` set, so
 * that bytes can still be forwarded while nothing is ever kept beyond the cap. A message of an
 * event stream above the cap is an error instead: its bytes mean nothing to anybody else. */
#ifndef SSE_H
#define SSE_H

#include "common/buf.h"

enum stream_framing {
	FRAMING_SSE,
	FRAMING_NDJSON,
	FRAMING_EVENTSTREAM	/* AWS's vnd.amazon.eventstream (common/eventstream.h) */
};

struct sse_event {
	struct str raw;		/* every byte of the event with its empty line */
	struct str data; /* data lines joined with LF; .p NULL: none (a comment, or retry:) */
	struct str name;	/* event: field; .p NULL: none */
	bool oversize;		/* raw is a piece of an event too long to look at */
};

/* Return 0 to go on, or a negative errno that sse_feed() returns at once. */
typedef int sse_event_fn(void *data, const struct sse_event *ev);

struct sse {
	enum stream_framing framing;
	struct buf held;	/* the beginning of an event not yet whole */
	struct buf joined;	/* data lines joined, where there are several */
	size_t scanned;		/* bytes of held known to hold no end */
	bool oversize;		/* inside an event that grew past the cap */
	bool started;		/* a byte-order mark may come only before this */
	struct arena *scratch;	/* for messages of an event stream; made when one comes */
};

void sse_init(struct sse *s, enum stream_framing framing, size_t cap);
void sse_done(struct sse *s);
/* 0, -ENOMEM, -EBADMSG (an event stream's message is damaged), or what on_event returned. */
int sse_feed(struct sse *s, struct str bytes, sse_event_fn *on_event, void *data) MUST_USE;
/* The stream has ended: an event without its empty line is handed over if it has data; the
 * beginning of an event stream's message is -EBADMSG. */
int sse_end(struct sse *s, sse_event_fn *on_event, void *data) MUST_USE;

#endif
