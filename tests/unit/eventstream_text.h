/* SPDX-License-Identifier: MIT
 * eventstream_text.h - making messages of AWS's event streams, for tests and fuzzers. */
#ifndef EVENTSTREAM_TEXT_H
#define EVENTSTREAM_TEXT_H

#include "common/buf.h"
#include "common/hash.h"

static inline void put_u32(struct buf *b, uint32_t v)
{
	const char p[4] = { (char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v };
	buf_put(b, str_of(p, sizeof p));
}

static inline void put_text_header(struct buf *b, const char *name, struct str value)
{
	buf_put_char(b, (char)strlen(name));
	buf_put_z(b, name);
	buf_put_char(b, 7);
	buf_put_char(b, (char)(value.n >> 8));
	buf_put_char(b, (char)value.n);
	buf_put(b, value);
}

/* headers: as they stand in a message. */
static inline void put_message(struct buf *b, struct str headers, struct str payload)
{
	size_t from = b->n;
	put_u32(b, (uint32_t)(16 + headers.n + payload.n));
	put_u32(b, (uint32_t)headers.n);
	put_u32(b, b->p ? hash_crc32(0, b->p + from, 8) : 0);
	buf_put(b, headers);
	buf_put(b, payload);
	put_u32(b, b->p ? hash_crc32(0, b->p + from, b->n - from) : 0);
}

/* An event, or with `kind` ":exception-type" and such anything else. */
static inline void put_message_of(struct buf *b, const char *type, const char *kind, struct str name,
				  struct str payload)
{
	struct buf headers;
	buf_init(&headers, 1024);
	put_text_header(&headers, kind, name);
	put_text_header(&headers, ":content-type", STR("application/json"));
	put_text_header(&headers, ":message-type", str_z(type));
	put_message(b, buf_str(&headers), payload);
	buf_done(&headers);
}

static inline void put_event(struct buf *b, const char *name, struct str payload)
{
	put_message_of(b, "event", ":event-type", str_z(name), payload);
}

#endif
