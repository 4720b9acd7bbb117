/* SPDX-License-Identifier: MIT
 * keys_bench.c - what a key costs where there are a million of them: memory in the directory and
 * on the board, and CPU of a request's check, limits, reservation and settlement. --json: for
 * `run`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/budget.h"
#include "common/clock.h"
#include "common/directory.h"
#include "common/rate.h"
#include "common/hash.h"

enum { KEYS = 1000000, TEAMS = 1000, CHECKS = 200000, WARM = 2000, SLOT = 0, ENTITY_0 = 8 };
#define NANO INT64_C(1000000000)

static struct board board;
static struct dir *master, *worker;
static uint32_t took[CHECKS];

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "keys_bench: %s\n", what);
	exit(1);
}

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Bytes of this process's memory that are its own or shared, and in memory. */
static size_t resident(void)
{
	unsigned long all = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	need(f && fscanf(f, "%lu %lu", &all, &pages) == 2, "no /proc/self/statm");
	fclose(f);
	return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static struct sha256 hash_of(uint32_t i)
{
	char text[32];
	int n = snprintf(text, sizeof text, "sk-bench-%u", i);
	return hash_sha256(str_of(text, (size_t)n));
}

/* As one is that was made with an alias, a user, a team, a budget and limits. */
static void put_key(uint32_t i)
{
	char alias[24], user[24], team[24], last4[16];
	struct dir_key k = { .kind = DIR_KEY, .hash = hash_of(i), .id = i + 1,
			     .flags = KEY_ALL_MODELS, .entity = ENTITY_0 + TEAMS + i,
			     .max_budget_nano = 1000 * NANO, .rpm = 1000000, .tpm = 1000000000 };
	snprintf(alias, sizeof alias, "key-%u", i);
	snprintf(user, sizeof user, "user-%u", i / 4);
	snprintf(team, sizeof team, "team-%u", i % TEAMS);
	snprintf(last4, sizeof last4, "sk-...%04x", i & 0xffff);
	k.alias = str_z(alias);
	k.user_id = str_z(user);
	k.team_id = str_z(team);
	k.last4 = str_z(last4);
	need(dir_put(master, &k, clock_ns()) == 0, "the directory is full");
	atomic_store(&board.entities[k.entity].id, dir_entity_id(&k));
}

static void make_keys(void)
{
	int fd;
	need(board_create(&board, &fd) == 0, "no board");
	need(dir_create(KEYS, &master, &fd) == 0, "no directory");
	need(dir_map(fd, &worker) == 0, "no directory in a worker");
	for (uint32_t t = 0; t < TEAMS; t++)
		atomic_store(&board.entities[ENTITY_0 + t].id, UINT64_C(2) << 56 | (t + 1));
	for (uint32_t i = 0; i < KEYS; i++)
		put_key(i);
}

static void check(struct budget_pool *pool, const struct sha256 *hash, uint64_t now)
{
	struct dir_key k;
	struct budget_claim claim;
	enum budget_verdict verdict;
	uint32_t at;
	uint64_t wait;
	int64_t left;
	uint8_t id[16] = { 1 };
	need(dir_find(worker, hash, &k), "a key is not found");
	struct board_entity *e = &board.entities[k.entity];
	struct gcra_limit rpm = { .per_minute = k.rpm }, tpm = { .per_minute = k.tpm };
	need(rate_take(&e->rpm_tat, rpm, now, 1, &wait) &&
	     rate_take(&e->tpm_tat, tpm, now, 200, &wait), "a limit is reached");
	struct budget_level levels[2] = {
		{ .entity = k.entity, .max_nano = k.max_budget_nano },
		{ .entity = ENTITY_0 + (k.entity - ENTITY_0 - TEAMS) % TEAMS, .max_nano = -1 } };
	need(budget_admit(pool, levels, 2, 1000, id, &claim, &verdict, &at, &left) == 0,
	     "a budget is spent");
	budget_settle(pool, &claim, 500);
	rate_refund(&e->tpm_tat, tpm, now, now, 20);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void measure(void)
{
	struct budget_pool *pool = budget_pool_new(&board, SLOT);
	uint64_t now = clock_ns();
	need(pool != NULL, "no pool");
	for (uint32_t i = 0; i < WARM + CHECKS; i++) {
		struct sha256 hash = hash_of((uint32_t)hash_random_below(KEYS));
		uint64_t from = cpu_ns();
		check(pool, &hash, now);
		uint64_t ns = cpu_ns() - from;
		if (i >= WARM)
			took[i - WARM] = (uint32_t)(ns > UINT32_MAX ? UINT32_MAX : ns);
	}
	qsort(took, CHECKS, sizeof *took, by_number);
	budget_pool_free(pool);
}

int main(int argc, char **argv)
{
	bool as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
	need(hash_init() == 0, "no randomness");
	size_t before = resident();
	uint64_t from = cpu_ns();
	make_keys();
	double publish_us = (double)(cpu_ns() - from) / KEYS / 1000;
	double bytes = (double)(resident() - before) / KEYS;
	measure();
	double p50 = took[CHECKS / 2] / 1000.0, p99 = took[CHECKS / 100 * 99] / 1000.0;
	if (as_json)
		printf("[{\"keys\":%d,\"bytes\":%.1f,\"publish_us\":%.2f,\"p50_us\":%.2f,"
		       "\"p99_us\":%.2f}]\n", KEYS, bytes, publish_us, p50, p99);
	else
		printf("%d keys: %.0f bytes each, %.2f us to publish one; check, limits, reservation "
		       "and settlement: p50 %.2f us, p99 %.2f us\n",
		       KEYS, bytes, publish_us, p50, p99);
	return 0;
}
