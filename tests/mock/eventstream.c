/* SPDX-License-Identifier: MIT
 * eventstream.c - see eventstream.h. */
#include "tests/mock/eventstream.h"

static uint32_t crc32_of(const char *p, size_t n)
{
	uint32_t crc = ~0u;
	for (size_t i = 0; i < n; i++) {
		crc ^= (unsigned char)p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void put_u32(struct buf *out, size_t v)
{
	buf_put(out, (char[]){ (char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v }, 4);
}

static void put_header(struct buf *out, const char *name, struct span value)
{
	buf_put(out, (char[]){ (char)strlen(name) }, 1);
	buf_put_z(out, name);
	buf_put(out, (char[]){ 7, (char)(value.n >> 8), (char)value.n }, 3);
	buf_put_span(out, value);
}

void eventstream_write(struct buf *out, const char *message, const char *kind, struct span name,
		       struct span payload)
{
	struct buf headers = { 0 };
	size_t from = out->n;
	put_header(&headers, kind, name);
	put_header(&headers, ":content-type", SPAN("application/json"));
	put_header(&headers, ":message-type", (struct span){ message, strlen(message) });
	put_u32(out, 16 + headers.n + payload.n);
	put_u32(out, headers.n);
	put_u32(out, crc32_of(out->p + from, 8));
	buf_put_span(out, span_of(&headers));
	buf_put_span(out, payload);
	put_u32(out, crc32_of(out->p + from, out->n - from));
	buf_done(&headers);
}

void eventstream_write_damaged(struct buf *out)
{
	eventstream_write(out, "event", ":event-type", SPAN("contentBlockDelta"),
			  SPAN("{\"contentBlockIndex\":0,\"delta\":{\"text\":\"damaged\"}}"));
	out->p[out->n - 1] ^= 1;
}
