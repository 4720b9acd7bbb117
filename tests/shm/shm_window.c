/* SPDX-License-Identifier: MIT
 * shm_window.c - a window's limit is exact over processes that are killed at any instruction.
 *
 * Eight processes, each with a clock that is up to two buckets wrong, take from one rolling and
 * one fixed window as often as they can, and give some of it back; one of them is killed every few
 * milliseconds and replaced. Of what was taken and kept, any window holds no more than its limit;
 * and as all want more than there is, not much less.
 *
 * usage: shm_window [seconds] */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/gate.h"
#include "common/hash.h"

enum { PROCESSES = 8, LIMIT = 40, BUCKETS_MAX = 65536, OLDER = 60 };

/* What was taken in each bucket and is kept, by those who lived to say so. */
struct shared {
	_Atomic uint32_t rolling[BUCKETS_MAX], fixed[BUCKETS_MAX];
	_Atomic uint64_t taken, refused;
};
static const struct snap_gate rolling = { .kind = GATE_TOKENS, .limit = LIMIT, .factor_milli = 1000,
					  .span_ns = NS_PER_S };
static const struct snap_gate fixed = { .kind = GATE_REQUESTS, .limit = LIMIT, .is_fixed = 1,
					.factor_milli = 1000, .span_ns = NS_PER_S };
static struct board board;
static struct shared *shared;
static uint64_t first_bucket, first_second;

static void note(_Atomic uint32_t *row, uint64_t number, uint64_t first, uint32_t n)
{
	MUST(number - first < BUCKETS_MAX);
	atomic_fetch_add(&row[number - first], n);
}

static void take_both(uint64_t wrong_ns)
{
	uint64_t now = clock_wall_ns() + wrong_ns, wait, n = 1 + hash_random_below(3);
	struct gate_hold hold;
	bool took = gate_take(&board.windows[1], &rolling, now, n, &hold, &wait);
	if (took && hash_random_below(4) == 0)
		gate_correct(&board.windows[1], &rolling, &hold, now, 0);
	else if (took)
		note(shared->rolling, hold.number, first_bucket, (uint32_t)n);
	atomic_fetch_add(took ? &shared->taken : &shared->refused, 1);
	if (gate_take(&board.windows[2], &fixed, now, 1, &hold, &wait))
		note(shared->fixed, hold.number, first_second, 1);
}

static pid_t start(void)
{
	pid_t pid = fork();
	MUST(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	MUST(hash_init() == 0);
	uint64_t wrong = hash_random_below(2 * NS_PER_S / OLDER);
	for (;;)
		take_both(wrong);
}

/* Also what the board itself says, while all of them are at it: less than twice the limit, for one
 * who finds that two took at once gives back a moment later. */
static bool watch(void)
{
	uint64_t used = gate_plan_used(&board.windows[1], &rolling, clock_wall_ns());
	return used <= 2 * LIMIT;
}

static bool judge(uint64_t seconds)
{
	uint64_t sum = 0, all = 0, all_fixed = 0, most = 0, most_fixed = 0;
	for (unsigned i = 0; i < BUCKETS_MAX; i++) {
		sum += shared->rolling[i];
		all += shared->rolling[i];
		if (i > OLDER)
			sum -= shared->rolling[i - OLDER - 1];
		most = sum > most ? sum : most;
		most_fixed = shared->fixed[i] > most_fixed ? shared->fixed[i] : most_fixed;
		all_fixed += shared->fixed[i];
	}
	printf("at most %ju and %ju of %d; %ju and %ju in %ju s, %ju refused\n", (uintmax_t)most,
	       (uintmax_t)most_fixed, LIMIT, (uintmax_t)all, (uintmax_t)all_fixed, (uintmax_t)seconds,
	       (uintmax_t)shared->refused);
	return most <= LIMIT && most_fixed <= LIMIT && most >= LIMIT - 3 && most_fixed == LIMIT &&
	       all >= LIMIT * (seconds - 1) * 8 / 10 && shared->refused > 0;
}

static void set_up(void)
{
	int fd;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	MUST(shared != MAP_FAILED);
	MUST(hash_init() == 0 && board_create(&board, &fd) == 0);
	close(fd);
	first_bucket = clock_wall_ns() / (NS_PER_S / OLDER) - 1;
	first_second = (clock_wall_ns() - UINT64_C(345600) * NS_PER_S) / NS_PER_S - 1;
}

int main(int argc, char **argv)
{
	uint64_t seconds = 4;
	pid_t pids[PROCESSES];
	bool is_right = true;
	MUST(argc < 2 || (str_read_u64(str_z(argv[1]), &seconds) == 0 && seconds < 600));
	set_up();
	for (unsigned i = 0; i < PROCESSES; i++)
		pids[i] = start();
	uint64_t end = clock_ns() + seconds * NS_PER_S, kills = 0;
	while (clock_ns() < end && is_right) {
		unsigned victim = (unsigned)hash_random_below(PROCESSES);
		nanosleep(&(struct timespec){ .tv_nsec = 7000000 }, NULL);
		MUST(kill(pids[victim], SIGKILL) == 0 && waitpid(pids[victim], NULL, 0) > 0);
		pids[victim] = start();
		kills++;
		is_right = watch();
	}
	for (unsigned i = 0; i < PROCESSES; i++)
		MUST(kill(pids[i], SIGKILL) == 0 && waitpid(pids[i], NULL, 0) > 0);
	is_right &= judge(seconds);
	printf("%s: %ju taken, %ju kills\n", is_right ? "ok" : "FAIL", (uintmax_t)shared->taken,
	       (uintmax_t)kills);
	return is_right ? 0 : 1;
}
