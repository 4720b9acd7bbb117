/* SPDX-License-Identifier: MIT
 * record.c - see record.h. To who reads, everything in the ring is a stranger's. */
#include "common/record.h"

#include "common/texts.h"

_Static_assert((RECORDS & (RECORDS - 1)) == 0, "a power of two");

struct record *record_begin(struct record_ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	if (head - atomic_load_explicit(&ring->tail, memory_order_acquire) >= RECORDS)
		return NULL;
	struct record *r = &ring->record[head % RECORDS];
	memset(r, 0, sizeof *r);
	return r;
}

void record_commit(struct record_ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

void record_put(struct record *r, enum record_text which, struct str s)
{
	enum { LONGEST = 256 };		/* no one text leaves the others without room */
	size_t left = RECORD_TEXT - r->text_used, most = LONGEST;
	most = which == RT_LANGFUSE ? RECORD_LANGFUSE : most;
	size_t n = text_cut(s, left < most ? left : most).n;
	if (!n)
		return;
	memcpy(r->text + r->text_used, s.p, n);
	r->text_n[which] = (uint16_t)n;
	r->text_used = (uint16_t)(r->text_used + n);
}

void record_put_tags(struct record *r, const struct str *tags, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!tags[i].n || memchr(tags[i].p, 0, tags[i].n) ||
		    tags[i].n + 1 > (size_t)(RECORD_TEXT - r->text_used))
			continue;
		memcpy(r->text + r->text_used, tags[i].p, tags[i].n);
		r->text_used = (uint16_t)(r->text_used + tags[i].n + 1);
		r->text_n[RT_TAGS] = (uint16_t)(r->text_n[RT_TAGS] + tags[i].n + 1);
	}
}

static void bound(struct record *r)
{
	size_t used = 0;
	for (unsigned i = 0; i < RT_COUNT; i++) {
		if (r->text_n[i] > RECORD_TEXT - used)
			r->text_n[i] = 0;
		used += r->text_n[i];
	}
	r->text_used = (uint16_t)used;
	if (r->n_attempts > RECORD_ATTEMPTS)
		r->n_attempts = RECORD_ATTEMPTS;
	if (r->end_ns < r->start_ns)
		r->end_ns = r->start_ns;
	if (r->cost_nano < 0)
		r->cost_nano = 0;
	if (!(r->temperature >= 0 && r->temperature <= 1000))	/* a NaN is neither */
		r->temperature = -1;
	if (!(r->top_p >= 0 && r->top_p <= 1000))
		r->top_p = -1;
	float *const numbers[] = { &r->top_k, &r->presence_penalty, &r->frequency_penalty };
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (!(*numbers[i] >= -1e9F && *numbers[i] <= 1e9F))
			*numbers[i] = RECORD_NO_NUMBER;
	for (unsigned i = 0; i < r->n_attempts; i++)
		if (r->attempts[i].end_ns < r->attempts[i].start_ns)
			r->attempts[i].end_ns = r->attempts[i].start_ns;
}

bool record_take(struct record_ring *ring, struct record *ret)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t ready = atomic_load_explicit(&ring->head, memory_order_acquire) - tail;
	if (ready == 0)
		return false;
	if (ready > RECORDS) {		/* no worker of ours wrote that: go where it is */
		atomic_store_explicit(&ring->tail, tail + ready, memory_order_release);
		return false;
	}
	memcpy(ret, &ring->record[tail % RECORDS], sizeof *ret);
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	bound(ret);
	return true;
}

struct str record_text(const struct record *r, enum record_text which)
{
	size_t at = 0;
	for (unsigned i = 0; i < (unsigned)which; i++)
		at += r->text_n[i];
	return str_of(r->text + at, r->text_n[which]);
}

struct str record_tag(const struct record *r, size_t i)
{
	struct str rest = record_text(r, RT_TAGS);
	while (rest.n) {
		struct str tag = str_cut(&rest, 0);
		if (i-- == 0)
			return tag;
	}
	return STR_NONE;
}

struct str record_langfuse(const struct record *r, const char *name)
{
	struct str rest = record_text(r, RT_LANGFUSE);
	while (rest.n) {
		struct str line = str_cut(&rest, '\n');
		if (str_eq_z(str_cut(&line, ' '), name))
			return line;
	}
	return STR_NONE;
}
