/* SPDX-License-Identifier: MIT
 * texts.h - what was asked and answered, on its way to the master, which keeps it or gives it to
 * callbacks: for each of both a ring of bytes per worker on the board, with one writer and one
 * reader.
 *
 * It is lossy on purpose, as that of records is: what finds no room is lost, and who writes counts
 * it and goes on. `head` is stored last, so that what a killed worker was about to write is never
 * seen; what has been read is wiped before its place is given back. */
#ifndef TEXTS_H
#define TEXTS_H

#include <stdatomic.h>

#include "common/str.h"

enum { TEXT_RING = 4 << 20, TEXT_MOST = 1 << 20 /* bytes of one text */ };

enum text_kind { TEXT_PROMPT, TEXT_ANSWER, TEXT_KINDS };
enum { TEXT_REDACTED = 1 /* somebody wants it so: both texts are empty */ };

struct text_head {
	uint8_t request_id[16];
	uint64_t start_ns;		/* wall clock, as in the request's record */
	uint32_t n[TEXT_KINDS];		/* bytes behind this */
	uint32_t cut[TEXT_KINDS];	/* bytes that each had beyond those */
	uint32_t flags;			/* TEXT_* */
	uint32_t size;			/* of it all, a multiple of 8; the ring's own */
};
_Static_assert(sizeof(struct text_head) == 48, "text_head");

struct text_ring {
	_Alignas(64) _Atomic uint64_t head;	/* bytes ever written; by the worker */
	_Alignas(64) _Atomic uint64_t tail;	/* bytes ever read; by the master */
	_Alignas(64) uint8_t bytes[TEXT_RING];
};

/* The longest beginning of s within `most` bytes that ends between characters. */
struct str text_cut(struct str s, size_t most);

/* Worker: h->n says how long texts are, each no longer than TEXT_MOST. False: there is no room. */
bool text_put(struct text_ring *ring, const struct text_head *h,
	      const struct str texts[TEXT_KINDS]) MUST_USE;

/* Master: the oldest entry; its texts are copied to `to`, one behind the other. 0; -ENOENT: there
 * is none; -ENOBUFS: `room` is too small, it stays; -EBADMSG: no worker of ours wrote that, all of
 * it is dropped. */
int text_take(struct text_ring *ring, struct text_head *ret, char *to, size_t room) MUST_USE;

#endif
