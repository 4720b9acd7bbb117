/* SPDX-License-Identifier: MIT
 * cache_private.h - how the segment of cache.h is laid out; for cache.c and cache_map.c alone. */
#ifndef CACHE_PRIVATE_H
#define CACHE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/cache.h"

enum {
	CACHE_PAGE = 4096,
	CACHE_GRAIN = 128		/* records begin and end at multiples of it */
};

struct cache_head {
	uint64_t magic;
	uint32_t layout, pad;
	_Atomic uint64_t era;
};

/* In a ring. Those of one bucket are chained, the newest first: `next` is always less than the
 * record's own place, and the end of the chain is what lies below the tail. */
struct cache_record {
	_Atomic uint64_t next;
	uint32_t bytes;			/* of all of it; a multiple of CACHE_GRAIN */
	_Atomic uint32_t is_live;	/* 0: deleted, replaced, or nothing but the ring's end */
	uint8_t key[32];
	uint32_t sum, pad;		/* CRC-32C of key, info and text */
	struct cache_info info;
	uint64_t era;			/* it is of another one: forgotten */
	uint8_t pad2[16];
};
_Static_assert(sizeof(struct cache_record) == CACHE_GRAIN, "cache_record");

struct cache_mark {
	uint8_t key[32];
	_Atomic uint32_t owner;		/* 1 + slot; 0 = free */
	uint32_t pad;
	uint64_t life, since_ns;
	uint64_t pad2;
};
_Static_assert(sizeof(struct cache_mark) == 64, "cache_mark");

struct cache_shard {
	_Alignas(64) pthread_mutex_t mutex;	/* robust, process-shared */
	_Atomic uint64_t stuck_until_ns;	/* its lock could not be had: do not try before */
	_Atomic uint64_t head, tail;		/* records stand in [tail, head) */
	_Atomic uint64_t entries, stored, evicted, repairs;
	_Atomic uint32_t marks_high;		/* marks ever used: none at or above this is */
	_Alignas(64) struct cache_mark marks[CACHE_MARKS];
};

struct cache {
	struct cache_head *head;
	char *shards;
	size_t size, shard_bytes, ring_bytes;
	uint32_t buckets;		/* per shard; a power of two */
};

/* What stands in a shard before its ring: struct cache_shard and the buckets. */
static inline size_t cache_shard_fixed(uint32_t buckets)
{
	return sizeof(struct cache_shard) + buckets * sizeof(uint64_t);
}

static inline struct cache_shard *cache_shard_at(const struct cache *c, unsigned i)
{
	return (void *)(c->shards + i * c->shard_bytes);
}

#endif
