/* SPDX-License-Identifier: MIT
 * shm_directory.c - reading processes while the master puts, replaces, removes and grows.
 *
 * Whether change number n of a key adds or removes it follows from n, and a row carries its
 * number. The master counts a key's changes before and after each; so a reader knows between
 * which numbers what it found must lie: never another key's row, never one older than what
 * was finished before it looked, never a removed one. The master's clock runs a hundred times
 * faster than ours, so that quarantine ends and places are used again.
 *
 * usage: shm_directory [seconds [seed]] */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/directory.h"

enum { READERS = 3, KEYS = 40000, FASTER = 100 };
#define TOO_LATE_NS (DIR_QUARANTINE_NS / FASTER / 2)	/* a reader that slept proves nothing */

struct shared {
	_Atomic uint32_t began[KEYS], done[KEYS];	/* changes of a key */
	_Atomic uint64_t finds, hits, overlaps;
	_Atomic bool is_over;
};

static struct shared *shared;
static struct sha256 hashes[KEYS];
static uint64_t state, seed;

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t random_below(uint64_t n)
{
	return mix(state += UINT64_C(0x9e3779b97f4a7c15)) % n;
}

static bool is_there_after(uint32_t key, uint32_t change)
{
	return change && mix(seed ^ ((uint64_t)key << 32 | change)) % 3;
}

/* All of a row follows from key and change, its length too. */
static void fill_row(uint32_t key, uint32_t change, char text[400], struct dir_key *ret)
{
	uint64_t v = mix((uint64_t)key << 32 | change);

	for (int i = 0; i < 400; i++)
		text[i] = (char)('!' + (v + (unsigned)i * (v >> 56)) % 90);
	*ret = (struct dir_key){ .hash = hashes[key], .id = (uint64_t)key << 32 | change,
				 .entity = key, .rpm = (uint32_t)v, .tpm = (uint32_t)~v, .max_parallel = change,
				 .expires_wall_ns = v / 3, .max_budget_nano = (int64_t)(v >> 1),
				 .alias = str_of(text, v % 40), .user_id = str_of(text + 1, v % 30),
				 .team_id = str_of(text + 2, v % 20), .last4 = str_of(text + 3, 10),
				 .models = str_of(text + 4, v % 390),
				 .model_limits = str_of(text + 8, v % 48 * 8) };
}

static bool is_row(const struct dir_key *k, uint32_t key, uint32_t change)
{
	char text[400];
	struct dir_key want;

	fill_row(key, change, text, &want);
	return !memcmp(&k->hash, &want.hash, 32) && k->entity == key && k->rpm == want.rpm &&
	       k->tpm == want.tpm && k->max_parallel == change &&
	       k->expires_wall_ns == want.expires_wall_ns &&
	       k->max_budget_nano == want.max_budget_nano && str_eq(k->alias, want.alias) &&
	       str_eq(k->user_id, want.user_id) && str_eq(k->team_id, want.team_id) &&
	       str_eq(k->last4, want.last4) && str_eq(k->models, want.models) &&
	       str_eq(k->model_limits, want.model_limits);
}

/* -- a reader -- */

/* Nothing found: right if the key was away at some time between the two. */
static bool may_be_away(uint32_t key, uint32_t from, uint32_t to)
{
	for (uint32_t n = from; n <= to; n++)
		if (!is_there_after(key, n))
			return true;
	return false;
}

static bool look_once(const struct dir *d, uint32_t key)
{
	uint64_t began = clock_ns();
	uint32_t from = atomic_load(&shared->done[key]), to, change;
	struct dir_key k;
	bool is_found = dir_find(d, &hashes[key], &k), is_right;

	change = (uint32_t)k.id;
	is_right = !is_found || (k.id >> 32 == key && is_row(&k, key, change));
	to = atomic_load(&shared->began[key]);
	if (is_found)
		is_right = is_right && change >= from && change <= to &&
			   is_there_after(key, change);
	else
		is_right = may_be_away(key, from, to);
	if (clock_ns() - began > TOO_LATE_NS)
		return true;
	atomic_fetch_add_explicit(&shared->finds, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&shared->hits, is_found, memory_order_relaxed);
	atomic_fetch_add_explicit(&shared->overlaps, from != to, memory_order_relaxed);
	if (!is_right)
		printf("FAIL key %u: %s, change %u, between %u and %u\n", key,
		       is_found ? "found" : "not found", change, from, to);
	return is_right;
}

static _Noreturn void read_until_over(int fd, uint32_t range)
{
	struct dir *d;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	MUST(dir_map(fd, &d) == 0);
	while (!atomic_load(&shared->is_over))
		if (!look_once(d, (uint32_t)random_below(range))) {
			fflush(stdout);
			_exit(1);
		}
	_exit(0);
}

/* -- the master -- */

/* On a fast machine changes come faster than the quarantine gives places back: then it is told that
 * there is no room, nothing has changed, and later there is some again. */
static int put(struct dir *d, const struct dir_key *k, uint64_t now)
{
	int err = dir_put(d, k, now);

	for (unsigned n = 0; err == -ENOSPC && n < 5000; n++) {
		usleep(1000);
		err = dir_put(d, k, clock_ns() * FASTER);
	}
	return err;
}

static bool change_once(struct dir *d, uint32_t key, uint64_t now)
{
	uint32_t n = atomic_load(&shared->began[key]) + 1;
	bool was_there = is_there_after(key, n - 1);
	char text[400];
	struct dir_key k;
	int err;

	fill_row(key, n, text, &k);
	atomic_store(&shared->began[key], n);
	if (is_there_after(key, n))
		err = put(d, &k, now);
	else
		err = dir_remove(d, &hashes[key], now);
	atomic_store(&shared->done[key], n);
	if (err == (is_there_after(key, n) || was_there ? 0 : -ENOENT))
		return true;
	printf("FAIL change %u of key %u: %d\n", n, key, err);
	return false;
}

/* The keys in use grow from few to all, so that the table doubles under the readers. A few hot
 * ones change all the time. */
static bool change_until(struct dir *d, uint64_t seconds, uint64_t *ret_changes)
{
	uint64_t start = clock_ns(), now;
	bool is_right = true;

	while (is_right && (now = clock_ns()) - start < seconds * NS_PER_S) {
		uint64_t range = 100 + (now - start) * 2 / seconds * KEYS / NS_PER_S;

		if (range > KEYS)
			range = KEYS;
		if (random_below(3) == 0)
			range = 20;
		is_right = change_once(d, (uint32_t)random_below(range), now * FASTER);
		if (++*ret_changes % 64 == 0)
			usleep(100);		/* let readers run on few processors */
	}
	return is_right;
}

static bool wait_for(const pid_t *pids)
{
	bool is_right = true;
	int status;

	for (unsigned i = 0; i < READERS; i++)
		is_right &= waitpid(pids[i], &status, 0) == pids[i] && status == 0;
	return is_right;
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 5, changes = 0;
	pid_t pids[READERS];
	struct dir *d;
	bool is_right;
	int fd;

	MUST(hash_init() == 0 && dir_create(KEYS, &d, &fd) == 0);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	MUST(shared != MAP_FAILED);
	state = seed = argc > 2 ? strtoull(argv[2], NULL, 10) : hash_random_u64();
	printf("seed %ju\n", (uintmax_t)seed);
	fflush(stdout);
	for (uint32_t i = 0; i < KEYS; i++)
		hashes[i] = hash_sha256(str_of((const char *)&i, sizeof i));
	for (unsigned i = 0; i < READERS; i++) {
		state += i;
		pids[i] = fork();
		MUST(pids[i] >= 0);
		if (!pids[i])
			read_until_over(fd, i ? KEYS : 20);
	}
	is_right = change_until(d, seconds, &changes);
	atomic_store(&shared->is_over, true);
	is_right = wait_for(pids) && is_right;
	if (is_right)
		printf("ok shm_directory: %ju changes, %ju keys, %ju finds, %ju hits, %ju during a "
		       "change\n", (uintmax_t)changes, (uintmax_t)dir_count(d),
		       (uintmax_t)shared->finds, (uintmax_t)shared->hits,
		       (uintmax_t)shared->overlaps);
	dir_free(d);
	return !is_right;
}
