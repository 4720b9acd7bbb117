/* SPDX-License-Identifier: MIT
 * cache.c - see cache.h: finding, keeping, claiming and forgetting. */
#include <errno.h>
#include <time.h>

#include "common/cache_private.h"
#include "common/clock.h"

enum {
	LOCK_MS = 2, STUCK_MS = 100,
	MARK_MAX_S = 1800		/* whatever happens, nobody waits longer for one */
};

struct place {				/* a shard, locked, and what of it is asked for */
	struct cache_shard *shard;
	_Atomic uint64_t *bucket;
	char *ring;
	size_t ring_bytes;
	uint64_t era;
};

static struct cache_shard *shard_of(const struct cache *c, const struct sha256 *key)
{
	return cache_shard_at(c, key->b[0] % CACHE_SHARDS);
}

/* ---- records -------------------------------------------------------------------------------- */

static uint64_t get(_Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

/* Whoever is killed behind a store has made it, and all before it. */
static void set(_Atomic uint64_t *word, uint64_t v)
{
	atomic_store_explicit(word, v, memory_order_release);
}

static void forget_all(struct cache_shard *s, size_t ring_bytes)
{
	uint64_t head = get(&s->head);
	if (head % CACHE_GRAIN || head < ring_bytes)
		set(&s->head, head = ring_bytes);
	set(&s->tail, head);
	set(&s->entries, 0);
}

/* The record at a place within [tail, head). NULL: none can stand there. */
static struct cache_record *record_at(const struct place *p, uint64_t at)
{
	uint64_t head = get(&p->shard->head), tail = get(&p->shard->tail);
	if (at < tail || at >= head || at % CACHE_GRAIN || head - tail > p->ring_bytes)
		return NULL;
	size_t left = p->ring_bytes - at % p->ring_bytes;
	struct cache_record *r = (void *)(p->ring + at % p->ring_bytes);
	if (r->bytes < CACHE_GRAIN || r->bytes % CACHE_GRAIN || r->bytes > left ||
	    r->bytes > head - at)
		return NULL;
	return r;
}

/* The newest of that key. */
static struct cache_record *find(const struct place *p, const struct sha256 *key)
{
	uint64_t at = get(p->bucket), before = UINT64_MAX;
	while (at < before) {
		struct cache_record *r = record_at(p, at);
		if (!r)
			return NULL;
		if (atomic_load(&r->is_live) && memcmp(r->key, key->b, sizeof r->key) == 0)
			return r;
		before = at;
		at = get(&r->next);
	}
	return NULL;
}

static void kill_record(const struct place *p, struct cache_record *r)
{
	uint64_t n = get(&p->shard->entries);
	atomic_store(&r->is_live, 0);
	set(&p->shard->entries, n ? n - 1 : 0);
}

/* The oldest ones go until `bytes` more fit. */
static void make_room(const struct place *p, size_t bytes)
{
	struct cache_shard *s = p->shard;
	while (get(&s->head) + bytes - get(&s->tail) > p->ring_bytes) {
		struct cache_record *r = record_at(p, get(&s->tail));
		if (!r) {
			forget_all(s, p->ring_bytes);
			return;
		}
		if (atomic_load(&r->is_live)) {
			kill_record(p, r);
			set(&s->evicted, get(&s->evicted) + 1);
		}
		set(&s->tail, get(&s->tail) + r->bytes);
	}
}

/* Where the next record goes, if what the ends say can be. */
static void check_ends(const struct place *p)
{
	uint64_t head = get(&p->shard->head), tail = get(&p->shard->tail);
	if (head % CACHE_GRAIN || tail % CACHE_GRAIN || head < p->ring_bytes || tail > head ||
	    head - tail > p->ring_bytes)
		forget_all(p->shard, p->ring_bytes);
}

static void put_filler(const struct place *p, size_t bytes)
{
	make_room(p, bytes);
	uint64_t at = get(&p->shard->head);
	struct cache_record *r = (void *)(p->ring + at % p->ring_bytes);
	atomic_store(&r->is_live, 0);
	r->bytes = (uint32_t)bytes;
	set(&p->shard->head, at + bytes);
}

static uint32_t sum_of(const uint8_t key[32], const struct cache_info *info, struct str head,
		       struct str body)
{
	uint32_t sum = hash_crc32c(hash_crc32c(0, key, 32), info, sizeof *info);
	return hash_crc32c(hash_crc32c(sum, head.p, head.n), body.p, body.n);
}

static void append(const struct place *p, const struct cache_record *like, struct str head,
		   struct str body)
{
	check_ends(p);
	size_t left = p->ring_bytes - get(&p->shard->head) % p->ring_bytes;
	if (left < like->bytes)
		put_filler(p, left);
	make_room(p, like->bytes);
	uint64_t at = get(&p->shard->head);
	struct cache_record *r = (void *)(p->ring + at % p->ring_bytes);
	char *text = (char *)(r + 1);
	memcpy(r, like, sizeof *r);
	set(&r->next, get(p->bucket));
	if (head.n)
		memcpy(text, head.p, head.n);
	if (body.n)
		memcpy(text + head.n, body.p, body.n);
	set(&p->shard->head, at + like->bytes);
	set(p->bucket, at);
	set(&p->shard->entries, get(&p->shard->entries) + 1);
	set(&p->shard->stored, get(&p->shard->stored) + 1);
}

/* ---- locks ---------------------------------------------------------------------------------- */

/* An owner that died may have left `entries` behind the rest. */
static void count_again(const struct place *p)
{
	struct cache_shard *s = p->shard;
	uint64_t n = 0, at = get(&s->tail), head = get(&s->head);
	while (at < head) {
		struct cache_record *r = record_at(p, at);
		if (!r) {
			forget_all(s, p->ring_bytes);
			return;
		}
		n += atomic_load(&r->is_live) != 0;
		at += r->bytes;
	}
	set(&s->entries, n);
}

static int lock(struct cache_shard *s)
{
	int err = pthread_mutex_trylock(&s->mutex);
	if (err != EBUSY)
		return err;
	uint64_t now = clock_ns(), stuck = get(&s->stuck_until_ns);
	if (now < stuck && stuck - now <= STUCK_MS * NS_PER_MS)
		return EBUSY;
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOCK_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	err = pthread_mutex_clocklock(&s->mutex, CLOCK_MONOTONIC, &until);
	if (err == ETIMEDOUT)
		set(&s->stuck_until_ns, now + STUCK_MS * NS_PER_MS);
	return err;
}

static int enter_shard(struct cache *c, struct cache_shard *s, struct place *ret)
{
	*ret = (struct place){ .shard = s, .ring = (char *)s + cache_shard_fixed(c->buckets),
			       .ring_bytes = c->ring_bytes, .era = cache_era(c) };
	int err = lock(s);
	if (err == EOWNERDEAD) {
		count_again(ret);
		set(&s->repairs, get(&s->repairs) + 1);
		err = pthread_mutex_consistent(&s->mutex);
	}
	return err ? -EBUSY : 0;
}

static int enter(struct cache *c, const struct sha256 *key, struct place *ret)
{
	uint32_t n;
	memcpy(&n, key->b + 4, sizeof n);
	int err = enter_shard(c, shard_of(c, key), ret);
	if (err == 0)
		ret->bucket = (_Atomic uint64_t *)(void *)(ret->shard + 1) + (n & (c->buckets - 1));
	return err;
}

static void leave(const struct place *p)
{
	pthread_mutex_unlock(&p->shard->mutex);
}

/* ---- marks ---------------------------------------------------------------------------------- */

static uint32_t marks_used(struct cache_shard *s)
{
	uint32_t n = atomic_load(&s->marks_high);
	return n < CACHE_MARKS ? n : CACHE_MARKS;
}

static struct cache_mark *find_mark(struct cache_shard *s, const struct sha256 *key)
{
	for (uint32_t i = 0; i < marks_used(s); i++)
		if (atomic_load(&s->marks[i].owner) &&
		    memcmp(s->marks[i].key, key->b, sizeof s->marks[i].key) == 0)
			return &s->marks[i];
	return NULL;
}

static bool is_mine(const struct cache_mark *k, const struct cache_owner *me)
{
	return atomic_load(&k->owner) == me->slot + 1 && k->life == me->life;
}

static bool is_held(const struct cache_mark *k, uint64_t now_ns, cache_lives_fn *lives, void *data)
{
	struct cache_owner o = { atomic_load(&k->owner) - 1, k->life };
	return lives(data, &o) && now_ns < k->since_ns + MARK_MAX_S * NS_PER_S;
}

/* A free one, or that of somebody dead. NULL: all are taken. */
static struct cache_mark *take_mark(struct cache_shard *s, uint64_t now_ns, cache_lives_fn *lives,
				    void *data)
{
	uint32_t used = marks_used(s);
	for (uint32_t i = 0; i < used; i++)
		if (!atomic_load(&s->marks[i].owner))
			return &s->marks[i];
	if (used < CACHE_MARKS) {
		atomic_store(&s->marks_high, used + 1);
		return &s->marks[used];
	}
	for (uint32_t i = 0; i < used; i++)
		if (!is_held(&s->marks[i], now_ns, lives, data))
			return &s->marks[i];
	return NULL;
}

static void write_mark(struct cache_mark *k, const struct sha256 *key, uint64_t now_ns,
		       const struct cache_owner *me)
{
	atomic_store(&k->owner, 0);
	memcpy(k->key, key->b, sizeof k->key);
	k->life = me->life;
	k->since_ns = now_ns;
	atomic_store(&k->owner, me->slot + 1);
}

/* Without the lock, which may be out of reach just now: nobody else writes a living one's mark. */
static void drop_mark(struct cache_shard *s, const struct sha256 *key, const struct cache_owner *me)
{
	for (uint32_t i = 0; me && i < marks_used(s); i++) {
		struct cache_mark *k = &s->marks[i];
		if (is_mine(k, me) && memcmp(k->key, key->b, sizeof k->key) == 0)
			atomic_store(&k->owner, 0);
	}
}

/* Without a mark, where all are taken, several may ask: that is all. */
static int claim_mark(struct cache_shard *s, const struct sha256 *key, uint64_t now_ns,
		      const struct cache_owner *me, cache_lives_fn *lives, void *data)
{
	struct cache_mark *k = find_mark(s, key);
	if (k && !is_mine(k, me) && is_held(k, now_ns, lives, data))
		return -EINPROGRESS;
	if (!k)
		k = take_mark(s, now_ns, lives, data);
	if (k)
		write_mark(k, key, now_ns, me);
	return -ENOENT;
}

/* ---- reading and writing -------------------------------------------------------------------- */

static bool is_fresh(const struct cache_info *info, uint64_t now_ns, uint64_t max_age_ns)
{
	uint64_t age = now_ns > info->stored_ns ? now_ns - info->stored_ns : 0;
	return now_ns < info->expires_ns && (!max_age_ns || age <= max_age_ns);
}

/* What is found is copied while the shard is locked, and proved when it is not. */
static int copy_out(const struct place *p, const struct sha256 *key, uint64_t now_ns,
		    uint64_t max_age_ns, struct cache_info *ret, uint32_t *ret_sum,
		    struct buf *text)
{
	const struct cache_record *r = find(p, key);
	if (!r || r->era != p->era)
		return -ENOENT;
	const char *from = (const char *)(r + 1);
	*ret = r->info;
	*ret_sum = r->sum;
	if (!is_fresh(ret, now_ns, max_age_ns) || ret->head_n > ret->text_n ||
	    ret->text_n > (size_t)(p->ring + p->ring_bytes - from))
		return -ENOENT;
	buf_put(text, str_of(from, ret->text_n));
	return text->failed ? -ENOENT : 0;
}

static int prove(const struct sha256 *key, const struct cache_info *info, uint32_t sum,
		 struct str text)
{
	return sum_of(key->b, info, text, STR_NONE) == sum ? 0 : -EBADMSG;
}

/* Damaged: whatever did that, nobody is given it. */
static int refuse(struct cache *c, const struct sha256 *key, struct buf *text, size_t before)
{
	text->n = before;
	(void)(cache_delete(c, key) == 0);
	return -ENOENT;
}

int cache_find(struct cache *c, const struct sha256 *key, uint64_t now_ns, uint64_t max_age_ns,
	       struct cache_info *ret, struct buf *text)
{
	return cache_claim(c, key, now_ns, max_age_ns, NULL, NULL, NULL, ret, text);
}

int cache_claim(struct cache *c, const struct sha256 *key, uint64_t now_ns, uint64_t max_age_ns,
		const struct cache_owner *me, cache_lives_fn *lives, void *data,
		struct cache_info *ret, struct buf *text)
{
	struct place p;
	struct cache_info info;
	size_t before = text->n;
	uint32_t sum = 0;
	int err = enter(c, key, &p);
	if (err < 0)
		return err;
	err = copy_out(&p, key, now_ns, max_age_ns, &info, &sum, text);
	if (err == -ENOENT && me)
		err = claim_mark(p.shard, key, now_ns, me, lives, data);
	leave(&p);
	if (err < 0)
		return err;
	if (prove(key, &info, sum, str_skip(buf_str(text), before)) < 0)
		return refuse(c, key, text, before);
	*ret = info;
	return 0;
}

static int put_record(struct cache *c, const struct sha256 *key, uint64_t era,
		      const struct cache_record *like, struct str head, struct str body)
{
	struct place p;
	int err = enter(c, key, &p);
	if (err < 0)
		return err;
	struct cache_record *old = find(&p, key);
	err = p.era == era ? 0 : -ESTALE;
	if (err == 0) {
		if (old)
			kill_record(&p, old);
		append(&p, like, head, body);
	}
	leave(&p);
	return err;
}

int cache_put(struct cache *c, const struct sha256 *key, uint64_t era,
	      const struct cache_info *info, struct str head, struct str body,
	      const struct cache_owner *me)
{
	struct cache_record like = { .info = *info, .is_live = 1, .era = era };
	size_t n = head.n + body.n;
	int err = -EFBIG;
	if (head.n <= UINT32_MAX && body.n <= UINT32_MAX && n <= cache_entry_max(c)) {
		like.info.head_n = (uint32_t)head.n;
		like.info.text_n = (uint32_t)n;
		like.bytes = (uint32_t)(sizeof like +
					(n + CACHE_GRAIN - 1) / CACHE_GRAIN * CACHE_GRAIN);
		memcpy(like.key, key->b, sizeof like.key);
		like.sum = sum_of(like.key, &like.info, head, body);
		err = put_record(c, key, era, &like, head, body);
	}
	cache_drop(c, key, me);
	return err;
}

void cache_drop(struct cache *c, const struct sha256 *key, const struct cache_owner *me)
{
	drop_mark(shard_of(c, key), key, me);
}

void cache_drop_all(struct cache *c, uint32_t slot)
{
	for (unsigned i = 0; i < CACHE_SHARDS; i++) {
		struct cache_shard *s = cache_shard_at(c, i);
		for (uint32_t k = 0; k < marks_used(s); k++) {
			uint32_t owner = slot + 1;
			atomic_compare_exchange_strong(&s->marks[k].owner, &owner, 0);
		}
	}
}

int cache_delete(struct cache *c, const struct sha256 *key)
{
	struct place p;
	int err = enter(c, key, &p);
	if (err < 0)
		return err;
	struct cache_record *r = find(&p, key);
	if (r)
		kill_record(&p, r);
	leave(&p);
	return r ? 0 : -ENOENT;
}

/* The era alone does it; what is behind a lock that cannot be had gives its room back later. */
uint64_t cache_flush(struct cache *c)
{
	uint64_t n = 0;
	atomic_fetch_add(&c->head->era, 1);
	for (unsigned i = 0; i < CACHE_SHARDS; i++) {
		struct place p;
		if (enter_shard(c, cache_shard_at(c, i), &p) < 0)
			continue;
		n += get(&p.shard->entries);
		forget_all(p.shard, c->ring_bytes);
		leave(&p);
	}
	return n;
}

void cache_read_stats(struct cache *c, struct cache_stats *ret)
{
	*ret = (struct cache_stats){ .max_bytes = c->size, .most_bytes = cache_entry_max(c) };
	for (unsigned i = 0; i < CACHE_SHARDS; i++) {
		struct cache_shard *s = cache_shard_at(c, i);
		uint64_t used = get(&s->head) - get(&s->tail);
		ret->entries += get(&s->entries);
		ret->used_bytes += used <= c->ring_bytes ? used : c->ring_bytes;
		ret->stored += get(&s->stored);
		ret->evicted += get(&s->evicted);
		ret->repairs += get(&s->repairs);
		for (uint32_t k = 0; k < marks_used(s); k++)
			ret->marks += atomic_load(&s->marks[k].owner) != 0;
	}
}
