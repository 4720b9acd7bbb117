/* SPDX-License-Identifier: MIT
 * shm_cache.c - workers that are killed at any instruction leave no torn answer, no lock and no
 * claim behind.
 *
 * Six processes claim, keep, find, delete and flush in one small cache, so that its rings go
 * round all the time; one is killed every few milliseconds and another started. All of an answer
 * follows from its key and a number in it, so who finds one sees whether it is whole. Of each key
 * at most one living process has the claim: it holds a word meanwhile.
 *
 * usage: shm_cache [seconds [seed]] */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cache.h"
#include "common/clock.h"

enum { WORKERS = 6, KEYS = 400, BODY_MAX = 9000 };

struct shared {
	_Atomic uint64_t life[WORKERS];		/* 0: not started */
	_Atomic uint64_t maker[KEYS];		/* worker << 32 | life of who makes it */
	_Atomic uint64_t hits, made, waits, busy;
};

static struct cache *cache;
static struct shared *shared;
static uint64_t state;

static uint64_t random_below(uint64_t n)
{
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % n;
}

static struct sha256 key_of(unsigned n)
{
	return hash_sha256(str_of((const char *)&n, sizeof n));
}

static bool lives(void *data, const struct cache_owner *o)
{
	(void)data;
	return o->slot < WORKERS && atomic_load(&shared->life[o->slot]) == o->life;
}

static size_t fill(unsigned key, uint32_t version, char *body)
{
	size_t n = 8 + (key * 7919u + version * 104729u) % (BODY_MAX - 8);

	memcpy(body, &key, 4);
	memcpy(body + 4, &version, 4);
	for (size_t i = 8; i < n; i++)
		body[i] = (char)(key + version + i * 31);
	return n;
}

static void check(unsigned key, const struct cache_info *info, const struct buf *got)
{
	static char want[BODY_MAX];
	uint32_t version;

	MUST(got->n >= 8 + 5 && info->head_n == 5 && info->text_n == got->n);
	MUST(memcmp(got->p, "head:", 5) == 0);
	memcpy(&version, got->p + 5 + 4, 4);
	MUST(info->output == version);
	MUST(got->n - 5 == fill(key, version, want));
	MUST(memcmp(got->p + 5, want, got->n - 5) == 0);
}

static void make(unsigned key, const struct sha256 *k, const struct cache_owner *me, uint64_t era)
{
	static char body[BODY_MAX];
	uint64_t mine = (uint64_t)me->slot << 32 | me->life, before;
	uint32_t version = (uint32_t)random_below(1000000);
	struct cache_info info = { .expires_ns = UINT64_MAX, .output = version };

	/* Who had it before is dead, or has given it up. */
	before = atomic_exchange(&shared->maker[key], mine);
	MUST(before == 0 ||
	     atomic_load(&shared->life[before >> 32]) != (before & UINT32_MAX));
	size_t n = fill(key, version, body);
	atomic_store(&shared->maker[key], 0);
	if (random_below(8) == 0) {
		cache_drop(cache, k, me);
		return;
	}
	int err = cache_put(cache, k, era, &info, STR("head:"), str_of(body, n), me);
	MUST(err == 0 || err == -ESTALE || err == -EBUSY);
	if (err == 0)
		atomic_fetch_add(&shared->made, 1);
}

static void step(const struct cache_owner *me)
{
	unsigned key = (unsigned)random_below(KEYS);
	struct sha256 k = key_of(key);
	struct cache_info info;
	struct buf b;
	uint64_t era = cache_era(cache);

	buf_init(&b, 1 << 20);
	int err = cache_claim(cache, &k, clock_ns(), 0, me, lives, NULL, &info, &b);
	if (err == 0) {
		check(key, &info, &b);
		atomic_fetch_add(&shared->hits, 1);
	} else if (err == -ENOENT) {
		make(key, &k, me, era);
	} else {
		MUST(err == -EINPROGRESS || err == -EBUSY);
		atomic_fetch_add(err == -EBUSY ? &shared->busy : &shared->waits, 1);
	}
	buf_done(&b);
	if (random_below(50) == 0)
		(void)(cache_delete(cache, &k) == 0);
	if (random_below(20000) == 0)
		cache_flush(cache);
}

static pid_t start(unsigned worker)
{
	static uint64_t lives_so_far;
	uint64_t seed = random_below(UINT64_MAX);
	struct cache_owner me = { worker, ++lives_so_far };

	atomic_store(&shared->life[worker], me.life);
	pid_t pid = fork();
	MUST(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	state = seed;
	for (;;)
		step(&me);
}

static void reap(unsigned worker, pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	atomic_store(&shared->life[worker], 0);
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 4;
	uint64_t kills = 0, until = clock_ns() + seconds * NS_PER_S;
	pid_t pids[WORKERS];
	int fd;

	MUST(hash_init() == 0);
	state = argc > 2 ? strtoull(argv[2], NULL, 10) : hash_random_u64();
	printf("seed %llu\n", (unsigned long long)state);
	fflush(stdout);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(shared != MAP_FAILED && cache_create(0, &cache, &fd) == 0);
	for (unsigned i = 0; i < WORKERS; i++)
		pids[i] = start(i);
	while (clock_ns() < until) {
		unsigned i = (unsigned)random_below(WORKERS);
		struct timespec nap = { 0, (long)random_below(4000000) };

		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		reap(i, pids[i]);
		pids[i] = start(i);
		kills++;
	}
	for (unsigned i = 0; i < WORKERS; i++)
		reap(i, pids[i]);
	/* Nobody lives: each shard can be entered, what is there is whole, and all can be claimed. */
	for (unsigned key = 0; key < KEYS; key++) {
		struct cache_owner me = { 0, 1 };
		struct sha256 k = key_of(key);
		struct cache_info info;
		struct buf b;
		atomic_store(&shared->life[0], 1);
		buf_init(&b, 1 << 20);
		int err = cache_claim(cache, &k, clock_ns() + NS_PER_S, 0, &me, lives, NULL, &info, &b);
		MUST(err == 0 || err == -ENOENT);
		if (err == 0)
			check(key, &info, &b);
		buf_done(&b);
	}
	struct cache_stats s;
	cache_read_stats(cache, &s);
	printf("%llu kills, %llu made, %llu hits, %llu waits, %llu busy, %llu evicted, %llu repairs\n",
	       (unsigned long long)kills, (unsigned long long)atomic_load(&shared->made),
	       (unsigned long long)atomic_load(&shared->hits),
	       (unsigned long long)atomic_load(&shared->waits),
	       (unsigned long long)atomic_load(&shared->busy), (unsigned long long)s.evicted,
	       (unsigned long long)s.repairs);
	MUST(kills && atomic_load(&shared->made) && atomic_load(&shared->hits) && s.evicted);
	cache_free(cache);
	close(fd);
	return 0;
}
