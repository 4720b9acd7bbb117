/* SPDX-License-Identifier: MIT
 * cache.h - answers kept for all workers of a gateway: one shared segment of a bounded size.
 *
 * Sixteen shards, each a ring of records with an index, and beside it the marks of those who are
 * making an answer, so that of all workers one asks. The newest record overwrites the oldest;
 * positions in a ring only grow, so who evicts moves `tail` and touches no index: what lies below
 * it is found by nobody. A robust mutex guards a shard, each store within leaves it sound, and a
 * record carries a checksum: whoever is killed when, an answer is whole or not there. Nobody
 * waits longer than a moment for a lock: a cache that cannot be read is a cache without the
 * answer. To both processes what stands here is input: every place is checked before it is used. */
#ifndef CACHE_H
#define CACHE_H

#include "common/buf.h"
#include "common/hash.h"

enum {
	CACHE_SHARDS = 16,
	CACHE_MARKS = 256,		/* answers in the making, per shard */
	CACHE_MIN_BYTES = 1 << 20
};

struct cache;				/* a mapping in this process */

/* Who makes an answer; slot and life are of a worker's row on the board. */
struct cache_owner {
	uint32_t slot;
	uint64_t life;
};
/* Whether that one still lives. */
typedef bool cache_lives_fn(void *data, const struct cache_owner *o);

struct cache_info {			/* of an answer */
	uint64_t stored_ns, expires_ns;	/* monotonic */
	uint64_t deployment;		/* its name on the board */
	int64_t cost_nano;		/* what it cost when it was made */
	uint32_t input, output;		/* tokens */
	uint32_t head_n;		/* bytes of the text that are its head */
	uint32_t text_n;
};
struct cache_stats {
	uint64_t entries, used_bytes, max_bytes, most_bytes;	/* most: of one answer */
	uint64_t stored, evicted, repairs, marks;
};

/* A fresh one, of about `bytes` in all; the memory is taken as it fills. 0 or -errno; *ret_fd is
 * what others map. */
int cache_create(uint64_t bytes, struct cache **ret, int *ret_fd) MUST_USE;
/* The descriptor stays the caller's. 0, -EBADMSG (another layout) or -errno. */
int cache_map(int fd, struct cache **ret) MUST_USE;
struct cache *cache_free(struct cache *c);	/* NULL is fine; returns NULL */

/* The longest text that it takes. */
size_t cache_entry_max(const struct cache *c);
/* Counts how often all was forgotten: who makes an answer remembers it for cache_put(). */
uint64_t cache_era(const struct cache *c);

/* An answer that was stored no longer than max_age_ns ago (0: at any time) is appended to text.
 * 0, -ENOENT, or -EBUSY: it cannot be told now. */
int cache_find(struct cache *c, const struct sha256 *key, uint64_t now_ns, uint64_t max_age_ns,
	       struct cache_info *ret, struct buf *text) MUST_USE;
/* The same; where there is none, the right to make it. -ENOENT: it is the caller's, who ends it
 * with cache_put() or cache_drop(); -EINPROGRESS: another's, who lives. */
int cache_claim(struct cache *c, const struct sha256 *key, uint64_t now_ns, uint64_t max_age_ns,
		const struct cache_owner *me, cache_lives_fn *lives, void *data,
		struct cache_info *ret, struct buf *text) MUST_USE;
/* Keeps head and body; info says the rest, but for the lengths. 0, -EFBIG, -ESTALE (all was
 * forgotten since `era`) or -EBUSY. In any case the claim of `me` ends (NULL: it has none). */
int cache_put(struct cache *c, const struct sha256 *key, uint64_t era,
	      const struct cache_info *info, struct str head, struct str body,
	      const struct cache_owner *me) MUST_USE;
/* The answer will not be made. */
void cache_drop(struct cache *c, const struct sha256 *key, const struct cache_owner *me);

/* All claims of a slot whose worker is dead, before the next one begins there. */
void cache_drop_all(struct cache *c, uint32_t slot);

/* 0, -ENOENT or -EBUSY. */
int cache_delete(struct cache *c, const struct sha256 *key) MUST_USE;
/* Forgets all of it: how many answers. */
uint64_t cache_flush(struct cache *c);
void cache_read_stats(struct cache *c, struct cache_stats *ret);

#endif
