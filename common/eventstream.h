/* SPDX-License-Identifier: MIT
 * eventstream.h - AWS's framing of streams, application/vnd.amazon.eventstream: messages of typed
 * headers and a payload, each with its length and two checksums (CRC-32).
 *
 * common/sse.c uses it for FRAMING_EVENTSTREAM, so that whoever reads a stream of server-sent
 * events reads this as well. Nothing here allocates but from the arena given. */
#ifndef EVENTSTREAM_H
#define EVENTSTREAM_H

#include "common/arena.h"
#include "common/sse.h"

enum {
	EVENTSTREAM_PRELUDE = 12,	/* two lengths and their checksum */
	EVENTSTREAM_LEAST = 16,		/* a message without headers and payload */
	EVENTSTREAM_HEADERS_MAX = 128 * 1024
};

struct eventstream_message {		/* slices of the message's bytes; .p NULL: not there */
	struct str type;		/* :message-type */
	struct str event_type, exception_type, error_code, error_message;
	struct str payload;
};

/* How long the message is that `bytes` begin with; 0: not enough of them to know. -EBADMSG: the
 * prelude's checksum or its lengths are wrong, or it is longer than cap. On success *ret. */
int eventstream_length(struct str bytes, size_t cap, size_t *ret) MUST_USE;
/* One whole message. -EBADMSG: checksum or headers are wrong. */
int eventstream_read(struct str whole, struct eventstream_message *ret) MUST_USE;
/* As an event of an SSE stream, in slices of the message or of the arena:
 * - name is the event's type, data its payload, raw the message's bytes;
 * - an event that is wrapped, {"bytes": base64}, is unwrapped: data is the JSON within, raw what
 *   an SSE stream would have had for it: "event: TYPE\ndata: JSON\n\n", TYPE the JSON's "type";
 * - of an exception or error name is its type and data {"type":"error","error":{type, message}}.
 * 0, -EBADMSG (what is wrapped is no JSON), -ENOMEM. */
int eventstream_to_event(struct arena *a, struct str whole, const struct eventstream_message *m,
			 struct sse_event *ret) MUST_USE;

#endif
