/* SPDX-License-Identifier: MIT
 * texts.c - see texts.h. To who reads, everything in the ring is a stranger's. */
#include "common/texts.h"

#include <errno.h>

_Static_assert((TEXT_RING & (TEXT_RING - 1)) == 0, "a power of two");
_Static_assert(TEXT_RING > TEXT_KINDS * TEXT_MOST + 64, "the longest entry fits");

struct str text_cut(struct str s, size_t most)
{
	size_t n = s.n < most ? s.n : most;
	while (n && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return str_of(s.p, n);
}

static uint64_t size_of(const struct text_head *h)
{
	return (sizeof *h + (uint64_t)h->n[TEXT_PROMPT] + h->n[TEXT_ANSWER] + 7) / 8 * 8;
}

/* ---- copies, which may go over the ring's end ---- */

static size_t until_end(uint64_t at, size_t n)
{
	size_t left = TEXT_RING - at % TEXT_RING;
	return n < left ? n : left;
}

static void write_at(struct text_ring *ring, uint64_t at, const void *from, size_t n)
{
	size_t first = until_end(at, n);
	if (!n)
		return;
	memcpy(ring->bytes + at % TEXT_RING, from, first);
	memcpy(ring->bytes, (const char *)from + first, n - first);
}

static void read_at(const struct text_ring *ring, uint64_t at, void *to, size_t n)
{
	size_t first = until_end(at, n);
	if (!n)
		return;
	memcpy(to, ring->bytes + at % TEXT_RING, first);
	memcpy((char *)to + first, ring->bytes, n - first);
}

static void wipe_at(struct text_ring *ring, uint64_t at, size_t n)
{
	size_t first = until_end(at, n);
	memset(ring->bytes + at % TEXT_RING, 0, first);
	memset(ring->bytes, 0, n - first);
}

/* ---- both ends ---- */

bool text_put(struct text_ring *ring, const struct text_head *h, const struct str texts[TEXT_KINDS])
{
	struct text_head own = *h;
	uint64_t at = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t used = at - atomic_load_explicit(&ring->tail, memory_order_acquire);
	for (unsigned i = 0; i < TEXT_KINDS; i++) {
		MUST(texts[i].n <= TEXT_MOST);
		own.n[i] = (uint32_t)texts[i].n;
	}
	own.size = (uint32_t)size_of(&own);
	if (used > TEXT_RING || own.size > TEXT_RING - used)
		return false;
	write_at(ring, at, &own, sizeof own);
	write_at(ring, at + sizeof own, texts[TEXT_PROMPT].p, texts[TEXT_PROMPT].n);
	write_at(ring, at + sizeof own + texts[TEXT_PROMPT].n, texts[TEXT_ANSWER].p,
		 texts[TEXT_ANSWER].n);
	atomic_store_explicit(&ring->head, at + own.size, memory_order_release);
	return true;
}

static bool is_sound(const struct text_head *h, uint64_t ready)
{
	return h->n[TEXT_PROMPT] <= TEXT_MOST && h->n[TEXT_ANSWER] <= TEXT_MOST &&
	       h->size == size_of(h) && h->size <= ready;
}

int text_take(struct text_ring *ring, struct text_head *ret, char *to, size_t room)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t ready = atomic_load_explicit(&ring->head, memory_order_acquire) - tail;
	struct text_head h = { 0 };
	if (!ready)
		return -ENOENT;
	if (ready >= sizeof h && ready <= TEXT_RING)
		read_at(ring, tail, &h, sizeof h);
	if (!is_sound(&h, ready)) {		/* go where it is */
		atomic_store_explicit(&ring->tail, tail + ready, memory_order_release);
		return -EBADMSG;
	}
	size_t n = (size_t)h.n[TEXT_PROMPT] + h.n[TEXT_ANSWER];
	if (n > room)
		return -ENOBUFS;
	read_at(ring, tail + sizeof h, to, n);
	wipe_at(ring, tail, h.size);
	atomic_store_explicit(&ring->tail, tail + h.size, memory_order_release);
	*ret = h;
	return 0;
}
