/* SPDX-License-Identifier: MIT
 * frame.h - typed writing and reading of the small messages between master, workers and llmgwctl.
 *
 * A frame is at most FRAME_MAX bytes: a 8-byte head (type u16, version u16, length u32 of what
 * follows), then fields in a fixed order, little-endian. Reading past the end, a string longer
 * than the rest, or bytes left over make the whole frame bad: frame_end() tells. Long contents
 * go as several frames. */
#ifndef FRAME_H
#define FRAME_H

#include "common/str.h"

enum { FRAME_MAX = 65536, FRAME_VERSION = 1, FRAME_HEAD = 8 };

struct frame_out {
	unsigned char b[FRAME_MAX];
	size_t n;
	bool failed;		/* did not fit */
};
struct frame_in {
	const unsigned char *p;
	size_t n, at;
	uint16_t type;
	bool failed;
};

void frame_begin(struct frame_out *f, uint16_t type);
void frame_put_u8(struct frame_out *f, uint8_t v);
void frame_put_u32(struct frame_out *f, uint32_t v);
void frame_put_u64(struct frame_out *f, uint64_t v);
void frame_put_str(struct frame_out *f, struct str s);		/* u32 length and bytes */
void frame_put_bytes(struct frame_out *f, const void *p, size_t n);	/* bytes alone */
size_t frame_room(const struct frame_out *f);			/* bytes that still fit */
/* Completes the head. The bytes to send, or STR_NONE when something did not fit. */
struct str frame_finish(struct frame_out *f);

/* Checks head and length. 0, -EPROTO (damaged), -EPROTONOSUPPORT (another version). */
int frame_open(struct frame_in *f, const void *p, size_t n) MUST_USE;
uint8_t frame_get_u8(struct frame_in *f);		/* 0 once failed */
uint32_t frame_get_u32(struct frame_in *f);
uint64_t frame_get_u64(struct frame_in *f);
struct str frame_get_str(struct frame_in *f);		/* borrowed from the frame's bytes */
void frame_get_bytes(struct frame_in *f, void *p, size_t n);	/* zeroes once failed */
int frame_end(const struct frame_in *f) MUST_USE; /* 0, or -EPROTO: short, or bytes left over */

#endif
