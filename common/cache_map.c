/* SPDX-License-Identifier: MIT
 * cache_map.c - the segment of cache.h made and mapped. All places follow from its sealed size and
 * from constants, never from what it says itself. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cache_private.h"
#include "common/mem.h"
#include "common/robust.h"

#define CACHE_MAGIC UINT64_C(0x3130484341434d4c)
enum {
	CACHE_LAYOUT = 1,
	RING_PER_BUCKET = 2048,
	BUCKETS_MIN = 64,
	ENTRY_SHARE = 4			/* one answer takes at most this part of a ring */
};

/* False: too small. */
static bool lay_out(struct cache *c, size_t size)
{
	c->size = size;
	size_t left = size > CACHE_PAGE ? size - CACHE_PAGE : 0;
	c->shard_bytes = left / CACHE_SHARDS / CACHE_PAGE * CACHE_PAGE;
	c->buckets = BUCKETS_MIN;
	while (c->buckets < (1u << 24) && c->shard_bytes / c->buckets > RING_PER_BUCKET)
		c->buckets *= 2;
	if (c->shard_bytes < cache_shard_fixed(c->buckets) + 2 * CACHE_PAGE)
		return false;
	c->ring_bytes = c->shard_bytes - cache_shard_fixed(c->buckets);
	c->ring_bytes -= c->ring_bytes % CACHE_GRAIN;
	return true;
}

/* How large a segment is made for `bytes`. */
static size_t size_for(uint64_t bytes)
{
	return bytes < CACHE_MIN_BYTES ? CACHE_MIN_BYTES : (size_t)bytes / CACHE_PAGE * CACHE_PAGE;
}

static int map(int fd, size_t size, struct cache **ret)
{
	struct cache *c = mem_alloc(sizeof *c);
	if (!c)
		return -ENOMEM;
	void *p = lay_out(c, size) ? mmap(NULL, size, PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_NORESERVE, fd, 0)
				   : MAP_FAILED;
	if (p == MAP_FAILED) {
		mem_free(c);
		return -ENOMEM;
	}
	madvise(p, size, MADV_DONTDUMP);	/* what people were told is not for a core */
	c->head = p;
	c->shards = (char *)p + CACHE_PAGE;
	*ret = c;
	return 0;
}

static int init_shards(struct cache *c)
{
	int err = 0;
	for (unsigned i = 0; !err && i < CACHE_SHARDS; i++) {
		struct cache_shard *s = cache_shard_at(c, i);
		err = robust_mutex_init(&s->mutex);
		/* 0 is nobody's place: it ends a chain. */
		atomic_store(&s->head, c->ring_bytes);
		atomic_store(&s->tail, c->ring_bytes);
	}
	return err;
}

static int create_in(int fd, size_t size, struct cache **ret)
{
	if (ftruncate(fd, (off_t)size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	int err = map(fd, size, ret);
	if (err < 0)
		return err;
	err = init_shards(*ret);
	(*ret)->head->layout = CACHE_LAYOUT;
	(*ret)->head->magic = CACHE_MAGIC;
	if (err < 0)
		*ret = cache_free(*ret);
	return err;
}

int cache_create(uint64_t bytes, struct cache **ret, int *ret_fd)
{
	struct cache *c = NULL;
	int err, fd = memfd_create("llmgw-cache", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	err = create_in(fd, size_for(bytes), &c);
	if (err < 0) {
		close(fd);
		return err;
	}
	*ret = c;
	*ret_fd = fd;
	return 0;
}

int cache_map(int fd, struct cache **ret)
{
	struct cache *c;
	struct stat st;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < CACHE_MIN_BYTES)
		return -EBADMSG;
	int err = map(fd, (size_t)st.st_size, &c);
	if (err < 0)
		return err;
	if (c->head->magic != CACHE_MAGIC || c->head->layout != CACHE_LAYOUT) {
		cache_free(c);
		return -EBADMSG;
	}
	*ret = c;
	return 0;
}

struct cache *cache_free(struct cache *c)
{
	if (c)
		munmap(c->head, c->size);
	mem_free(c);
	return NULL;
}

size_t cache_entry_max(const struct cache *c)
{
	size_t all = c->ring_bytes / ENTRY_SHARE;
	return all - all % CACHE_GRAIN - sizeof(struct cache_record);
}

uint64_t cache_era(const struct cache *c)
{
	return atomic_load_explicit(&c->head->era, memory_order_acquire);
}
