/* SPDX-License-Identifier: MIT
 * shm_budget.c - workers that are killed at any instruction never overspend nor leak a budget.
 *
 * Eight processes admit, extend and settle against shared budgets of five levels, in up to four
 * shards, for users, organizations and tags cut across the teams; one is killed every few
 * milliseconds. The parent reaps: it redoes half steps, settles the slots of the dead and starts
 * another, and moves keys and users to other shards, also while requests hold them. Meanwhile settled + reserved <= limit at every level; at the end nothing is reserved
 * and what is settled is, to the last nano, what workers and reaper settled.
 *
 * usage: shm_budget [seconds [seed]] */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/budget.h"
#include "common/clock.h"
#include "common/hash.h"

enum {
	WORKERS = 8, HOLD = 6, LEVELS = 5,
	KEYS = 12, TEAMS = 4, USERS = 5, ORGS = 2, TAGS = 3,
	FIRST_TEAM = KEYS, FIRST_USER = FIRST_TEAM + TEAMS, FIRST_ORG = FIRST_USER + USERS,
	FIRST_TAG = FIRST_ORG + ORGS, ENTITIES = FIRST_TAG + TAGS
};

/* A step of a worker's own books, made whole in the same way as the budgets: what it will be is
 * written before the settlement; the slot's state tells the reaper whether it took place. */
struct book {
	_Atomic int64_t settled[ENTITIES];
	int64_t next[LEVELS];
	uint32_t entity[LEVELS];
	_Atomic uint32_t slot;		/* 1 + the slot being settled; 0 = none */
	_Atomic uint64_t admitted, denied;
};
struct shared {
	struct book books[WORKERS];
	_Atomic bool is_end;		/* from here on requests cost all that they reserved */
};
struct claimed {
	struct budget_claim claim;
	int64_t reserve;
	unsigned key;
};

static struct board board;
static struct shared *shared;
static struct book reaped;		/* what the parent settled for the dead */
static uint64_t state;			/* of the generator */

static uint64_t random_below(uint64_t n)
{
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % n;
}

static const int64_t limits[LEVELS] = { 400000, 800000, 900000, 1000000, 1100000 };

/* Three keys a team; of the same user, organization and tag are keys of several teams. */
static void levels_of(unsigned key, struct budget_level ret[LEVELS])
{
	ret[0] = (struct budget_level){ key, 5, limits[0] };
	ret[1] = (struct budget_level){ FIRST_TEAM + key / 3, 0, limits[1] };
	ret[2] = (struct budget_level){ FIRST_USER + key % USERS, 0, limits[2] };
	ret[3] = (struct budget_level){ FIRST_ORG + key % ORGS, 0, limits[3] };
	ret[4] = (struct budget_level){ FIRST_TAG + key * 7 % TAGS, 0, limits[4] };
}

static unsigned level_of_entity(unsigned entity)
{
	return entity < FIRST_TEAM ? 0 : entity < FIRST_USER ? 1 : entity < FIRST_ORG ? 2 :
	       entity < FIRST_TAG ? 3 : 4;
}

/* -- a worker -- */

static void settle(struct budget_pool *p, struct book *k, struct claimed *c, int64_t cost)
{
	struct budget_level l[LEVELS];

	levels_of(c->key, l);
	for (int i = 0; i < LEVELS; i++) {
		k->entity[i] = l[i].entity;
		k->next[i] = atomic_load(&k->settled[l[i].entity]) + cost;
	}
	atomic_store(&k->slot, c->claim.number + 1);
	budget_settle(p, &c->claim, cost);
	for (int i = 0; i < LEVELS; i++)
		atomic_store(&k->settled[k->entity[i]], k->next[i]);
	atomic_store(&k->slot, 0);
}

static void try_admit(struct budget_pool *p, struct book *k, struct claimed *c)
{
	static const uint8_t id[16];
	enum budget_verdict verdict;
	struct budget_level l[LEVELS];
	uint32_t level;
	int64_t left;

	c->key = (unsigned)random_below(KEYS);
	c->reserve = (int64_t)random_below(150000);
	levels_of(c->key, l);
	if (!budget_admit(p, l, LEVELS, c->reserve, id, &c->claim, &verdict, &level, &left))
		atomic_fetch_add(&k->admitted, 1);
	else
		atomic_fetch_add(&k->denied, 1);
}

static void go_on(struct budget_pool *p, struct book *k, struct claimed *c)
{
	struct budget_level l[LEVELS];
	int64_t more = (int64_t)random_below(50000);

	levels_of(c->key, l);
	if (random_below(3) == 0) {
		if (!budget_extend(p, &c->claim, l, LEVELS, more))
			c->reserve += more;
		return;
	}
	if (atomic_load(&shared->is_end))
		settle(p, k, c, c->reserve);
	else
		settle(p, k, c, c->reserve && random_below(64) == 0 ? 1 : 0);
}

static _Noreturn void work(unsigned worker)
{
	struct claimed held[HOLD] = { 0 };
	struct budget_pool *p = budget_pool_new(&board, worker);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	MUST(p && budget_pool_left(p) == BOARD_SLOTS);
	for (;;) {
		struct claimed *c = &held[random_below(HOLD)];

		if (!c->claim.slot)
			try_admit(p, &shared->books[worker], c);
		else
			go_on(p, &shared->books[worker], c);
		if (c->claim.slot)
			atomic_store(&c->claim.slot->running_nano, c->reserve ? 1 : 0);
	}
}

/* -- the master -- */

static uint64_t moves;

static pid_t start(unsigned worker)
{
	uint64_t seed = random_below(UINT64_MAX);
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid)
		return pid;
	state = seed;
	work(worker);
}

static void finish_book(unsigned worker)
{
	struct book *k = &shared->books[worker];
	uint32_t slot = atomic_load(&k->slot);
	const struct board_slot *s = &board.slots[worker * BOARD_SLOTS + slot - 1];

	if (slot && atomic_load(&s->state) == SLOT_FREE)
		for (int i = 0; i < LEVELS; i++)
			atomic_store(&k->settled[k->entity[i]], k->next[i]);
	atomic_store(&k->slot, 0);
}

static void reap(unsigned worker, pid_t pid)
{
	struct board_slot *slots = &board.slots[worker * BOARD_SLOTS];
	uint32_t high;

	kill(pid, SIGKILL);
	MUST(waitpid(pid, NULL, 0) == pid);
	MUST(budget_repair(&board) == 0);
	finish_book(worker);
	high = atomic_load(&board.workers[worker].slots_high);
	for (uint32_t i = 0; i < high; i++) {
		int64_t cost = atomic_load(&slots[i].running_nano);

		if (atomic_load(&slots[i].state) != SLOT_HELD)
			continue;
		MUST(slots[i].n_levels == LEVELS);
		if (cost > atomic_load(&slots[i].reserve_nano))
			cost = atomic_load(&slots[i].reserve_nano);
		for (int l = 0; l < LEVELS; l++)
			reaped.settled[slots[i].level[l]] += cost;
		MUST(budget_settle_slot(&board, worker, i, cost) == 0);
		MUST(atomic_load(&slots[i].state) == SLOT_FREE);
	}
}

/* A key away from its team, or home again; a user anywhere. */
static void move(void)
{
	unsigned key = (unsigned)random_below(KEYS), user = FIRST_USER + (unsigned)random_below(USERS);
	uint32_t home = FIRST_TEAM + key / 3 + 1;
	bool is_away = atomic_load(&board.entities[key].root) != home;

	MUST(budget_set_root(&board, key, is_away ? home : home + 7) == 0);
	MUST(budget_set_root(&board, user, (uint32_t)random_below(BOARD_SHARDS)) == 0);
	moves += 2;
}

static bool watch(uint32_t e)
{
	int64_t settled, reserved, limit = limits[level_of_entity(e)];
	uint32_t parallel;

	budget_read(&board, e, &settled, &reserved, &parallel);
	if (settled >= 0 && reserved >= 0 && settled + reserved <= limit &&
	    (e >= KEYS || parallel <= 5))
		return true;
	printf("FAIL entity %u: settled %jd reserved %jd limit %jd parallel %u\n", e,
	       (intmax_t)settled, (intmax_t)reserved, (intmax_t)limit, parallel);
	return false;
}

static bool books_agree(void)
{
	bool is_right = true;

	for (uint32_t e = 0; e < ENTITIES; e++) {
		int64_t settled, reserved, want = reaped.settled[e];
		uint32_t parallel;

		for (unsigned w = 0; w < WORKERS; w++)
			want += shared->books[w].settled[e];
		budget_read(&board, e, &settled, &reserved, &parallel);
		if (settled == want && !reserved && !parallel)
			continue;
		printf("FAIL entity %u: settled %jd, books say %jd; reserved %jd, parallel %u\n", e,
		       (intmax_t)settled, (intmax_t)want, (intmax_t)reserved, parallel);
		is_right = false;
	}
	return is_right;
}

static void set_up(void)
{
	int fd;

	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	MUST(shared != MAP_FAILED);
	MUST(hash_init() == 0 && board_create(&board, &fd) == 0);
	for (unsigned key = 0; key < KEYS; key++) {
		struct budget_level l[LEVELS];

		levels_of(key, l);
		for (int i = 0; i < 2; i++)
			atomic_store(&board.entities[l[i].entity].root, l[1].entity + 1);
	}
}

static bool run(uint64_t seconds, pid_t pids[WORKERS], uint64_t *ret_kills)
{
	uint64_t now, end = clock_ns() + seconds * NS_PER_S;
	bool is_right = true;

	while (is_right && (now = clock_ns()) < end) {
		unsigned w = (unsigned)random_below(WORKERS);

		usleep((useconds_t)random_below(4000));
		if (end - now < seconds * NS_PER_S / 5)
			atomic_store(&shared->is_end, true);
		is_right = watch((uint32_t)random_below(ENTITIES));
		for (unsigned i = 0; i < 4; i++)
			move();
		reap(w, pids[w]);
		pids[w] = start(w);
		++*ret_kills;
	}
	return is_right;
}

static void report(uint64_t kills)
{
	uint64_t repairs = 0, admitted = 0, denied = 0;

	for (unsigned s = 0; s < BOARD_SHARDS; s++)
		repairs += board.shards[s].repairs;
	for (unsigned w = 0; w < WORKERS; w++) {
		admitted += shared->books[w].admitted;
		denied += shared->books[w].denied;
	}
	printf("ok shm_budget: %ju kills, %ju repairs, %ju admitted, %ju denied, %ju moves, "
	       "organizations at %jd and %jd of %jd\n", (uintmax_t)kills, (uintmax_t)repairs,
	       (uintmax_t)admitted, (uintmax_t)denied, (uintmax_t)moves,
	       (intmax_t)board.entities[FIRST_ORG].settled,
	       (intmax_t)board.entities[FIRST_ORG + 1].settled, (intmax_t)limits[3]);
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 5, kills = 0;
	pid_t pids[WORKERS];
	bool is_right;

	set_up();
	state = argc > 2 ? strtoull(argv[2], NULL, 10) : hash_random_u64();
	printf("seed %ju\n", (uintmax_t)state);
	fflush(stdout);
	for (unsigned w = 0; w < WORKERS; w++)
		pids[w] = start(w);
	is_right = run(seconds, pids, &kills);
	for (unsigned w = 0; w < WORKERS; w++)
		reap(w, pids[w]);
	is_right = books_agree() && is_right;
	for (uint32_t e = 0; e < ENTITIES; e++)
		is_right = watch(e) && is_right;
	if (is_right)
		report(kills);
	return !is_right;
}
