/* SPDX-License-Identifier: MIT
 * frame.c - typed fields in a frame, little-endian whatever the machine. A reader or writer that
 * has failed once stays failed, so that callers ask only at the end. */
#include "common/frame.h"

#include <errno.h>

static void store(unsigned char *at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t load(const unsigned char *at, unsigned bytes)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

void frame_begin(struct frame_out *f, uint16_t type)
{
	store(f->b, type, 2);
	store(f->b + 2, FRAME_VERSION, 2);
	f->n = FRAME_HEAD;
	f->failed = false;
}

size_t frame_room(const struct frame_out *f)
{
	return f->failed ? 0 : FRAME_MAX - f->n;
}

/* Where the next n bytes go, or NULL. */
static unsigned char *extend(struct frame_out *f, size_t n)
{
	if (n > frame_room(f) || f->failed) {
		f->failed = true;
		return NULL;
	}
	unsigned char *at = f->b + f->n;
	f->n += n;
	return at;
}

static void put_int(struct frame_out *f, uint64_t v, unsigned bytes)
{
	unsigned char *at = extend(f, bytes);
	if (at)
		store(at, v, bytes);
}

void frame_put_u8(struct frame_out *f, uint8_t v)
{
	put_int(f, v, 1);
}

void frame_put_u32(struct frame_out *f, uint32_t v)
{
	put_int(f, v, 4);
}

void frame_put_u64(struct frame_out *f, uint64_t v)
{
	put_int(f, v, 8);
}

void frame_put_bytes(struct frame_out *f, const void *p, size_t n)
{
	unsigned char *at = extend(f, n);
	if (at && n)
		memcpy(at, p, n);
}

void frame_put_str(struct frame_out *f, struct str s)
{
	if (s.n > FRAME_MAX || s.n + 4 > frame_room(f)) {
		f->failed = true;
		return;
	}
	frame_put_u32(f, (uint32_t)s.n);
	frame_put_bytes(f, s.p, s.n);
}

struct str frame_finish(struct frame_out *f)
{
	MUST(f->n >= FRAME_HEAD && f->n <= FRAME_MAX);
	if (f->failed)
		return STR_NONE;
	store(f->b + 4, f->n - FRAME_HEAD, 4);
	return str_of((const char *)f->b, f->n);
}

int frame_open(struct frame_in *f, const void *p, size_t n)
{
	const unsigned char *b = p;
	if (n < FRAME_HEAD || n > FRAME_MAX)
		return -EPROTO;
	if (load(b + 2, 2) != FRAME_VERSION)
		return -EPROTONOSUPPORT;
	if (load(b + 4, 4) != n - FRAME_HEAD)
		return -EPROTO;
	*f = (struct frame_in){ .p = b, .n = n, .at = FRAME_HEAD, .type = (uint16_t)load(b, 2) };
	return 0;
}

/* The next n bytes, or NULL once the frame is known to be bad. */
static const unsigned char *consume(struct frame_in *f, size_t n)
{
	MUST(f->at <= f->n);
	if (f->failed || n > f->n - f->at) {
		f->failed = true;
		return NULL;
	}
	const unsigned char *at = f->p + f->at;
	f->at += n;
	return at;
}

static uint64_t get_int(struct frame_in *f, unsigned bytes)
{
	const unsigned char *at = consume(f, bytes);
	return at ? load(at, bytes) : 0;
}

uint8_t frame_get_u8(struct frame_in *f)
{
	return (uint8_t)get_int(f, 1);
}

uint32_t frame_get_u32(struct frame_in *f)
{
	return (uint32_t)get_int(f, 4);
}

uint64_t frame_get_u64(struct frame_in *f)
{
	return get_int(f, 8);
}

struct str frame_get_str(struct frame_in *f)
{
	size_t n = frame_get_u32(f);
	const unsigned char *at = consume(f, n);
	return at ? str_of((const char *)at, n) : STR_NONE;
}

void frame_get_bytes(struct frame_in *f, void *p, size_t n)
{
	const unsigned char *at = consume(f, n);
	if (at && n)
		memcpy(p, at, n);
	else if (n)
		memset(p, 0, n);
}

int frame_end(const struct frame_in *f)
{
	return f->failed || f->at != f->n ? -EPROTO : 0;
}
