/* SPDX-License-Identifier: MIT
 * shm_step.c - killed after the first instruction, after the second, after the third ...
 *
 * A child is single-stepped through one operation and killed after n instructions, for every n
 * (or for some, when time is short): an admission, an extension, a settlement, each in one shard
 * and over three; a new period, a move to another shard, a record's way into the journal. What is
 * left must be a whole step or none, whichever of the shards is repaired first. Random kills, as
 * in shm_budget, hit the few instructions that matter too rarely.
 *
 * usage: shm_step [seconds [seed]]; exits 77 where tracing is forbidden. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/budget.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/journal.h"

enum { WORKER = 3, BEFORE = 10, RESERVE = 100, MORE = 30, COST = 70, TAKEN = 6, RING = 8 };
#define EPOCH UINT64_C(0x1122334455667788)

/* The first two of each shape have a root in common, as a key and its team have. */
struct shape {
	uint32_t n, root;
	struct budget_level v[5];
};
static const struct shape narrow = { 3, 131, { { 1, 4, 1000 }, { 65, 0, 2000 }, { 130, 0, -1 } } };
static const struct shape wide = { 5, 300, { { 2, 4, 1000 }, { 66, 0, 2000 }, { 200, 0, -1 },
					     { 137, 9, 5000 }, { 72, 0, 3000 } } };
static const struct shape *shape = &narrow;
static bool from_behind;		/* which shard is repaired first */
static const uint8_t request_id[16] = "fifteen letters";

static struct board board;
static struct budget_pool *pool;
static struct budget_claim claim;
static struct journal *journal;
static int journal_fd;

#define EXPECT(x) ((x) ? true : (printf("FAIL %s, line %d\n", #x, __LINE__), false))

/* -- budgets -- */

static const struct board_slot *slot(void)
{
	return &board.slots[WORKER * BOARD_SLOTS];
}

static void admit(void)
{
	enum budget_verdict verdict;
	uint32_t level;
	int64_t left;
	int err = budget_admit(pool, shape->v, shape->n, RESERVE, request_id, &claim, &verdict, &level,
			       &left);

	if (err)
		_exit(1);
}

static void extend(void)
{
	if (budget_extend(pool, &claim, shape->v, shape->n, MORE))
		_exit(1);
}

static void settle(void)
{
	budget_settle(pool, &claim, COST);
}

static bool all_levels(int64_t want_settled, int64_t want_reserved, uint32_t want_parallel)
{
	for (uint32_t i = 0; i < shape->n; i++) {
		int64_t settled, reserved;
		uint32_t parallel;

		budget_read(&board, shape->v[i].entity, &settled, &reserved, &parallel);
		if (!EXPECT(settled == want_settled) || !EXPECT(reserved == want_reserved) ||
		    !EXPECT(parallel == want_parallel))
			return false;
	}
	return true;
}

static bool is_held(int64_t reserve)
{
	return EXPECT(slot()->state == SLOT_HELD) && EXPECT(slot()->reserve_nano == reserve) &&
	       EXPECT(slot()->n_levels == shape->n) &&
	       EXPECT(slot()->level[2] == shape->v[2].entity) &&
	       EXPECT(memcmp(slot()->request_id, request_id, 16) == 0) &&
	       EXPECT(board.workers[WORKER].slots_high == 1) && all_levels(BEFORE, reserve, 1);
}

static void prepare_nothing(void)
{
	pool = budget_pool_new(&board, WORKER);
	MUST(pool && budget_pool_left(pool) == BOARD_SLOTS);
	for (uint32_t i = 0; i < shape->n; i++)
		MUST(budget_set_settled(&board, shape->v[i].entity, BEFORE) == 0);
}

static void prepare_held(void)
{
	prepare_nothing();
	admit();
}

/* After each check everything is as before, for the next round. */
static bool clean_up(void)
{
	budget_pool_free(pool);
	MUST(budget_settle_slot(&board, WORKER, 0, 0) == 0);
	return EXPECT(slot()->state == SLOT_FREE);
}

static void prepare_reset(void)
{
	prepare_held();
	board.head->resets[7] = (struct board_reset){ .period_ns = 1, .taken = TAKEN,
						      .entity = shape->v[0].entity };
}

static void reset(void)
{
	if (budget_reset(&board, 7))
		_exit(1);
}

static bool check_reset(void)
{
	bool is_done = !board.head->resets[7].period_ns;
	int64_t settled, reserved;
	uint32_t parallel;

	budget_read(&board, shape->v[0].entity, &settled, &reserved, &parallel);
	return EXPECT(settled == (is_done ? BEFORE - TAKEN : BEFORE)) &&
	       EXPECT(reserved == RESERVE && parallel == 1) && clean_up();
}

static void move(void)
{
	if (budget_set_root(&board, shape->v[0].entity, shape->root + 1))
		_exit(1);
}

static bool check_move(void)
{
	_Atomic uint32_t *root = &board.entities[shape->v[0].entity].root;
	bool is_right = EXPECT(*root == shape->root || *root == shape->root + 1);

	/* whichever it is: the lock is to be had, and nothing else has moved */
	is_right = is_right && is_held(RESERVE);
	MUST(budget_set_root(&board, shape->v[0].entity, shape->root) == 0);
	return clean_up() && is_right;
}

static bool check_admit(void)
{
	bool is_done = slot()->state == SLOT_HELD;

	return (is_done ? is_held(RESERVE) : all_levels(BEFORE, 0, 0)) && clean_up() &&
	       all_levels(BEFORE, 0, 0);
}

static bool check_extend(void)
{
	bool is_done = slot()->reserve_nano != RESERVE;

	return is_held(is_done ? RESERVE + MORE : RESERVE) && clean_up() &&
	       all_levels(BEFORE, 0, 0);
}

static bool check_settle(void)
{
	bool is_done = slot()->state == SLOT_FREE;

	return (is_done ? all_levels(BEFORE + COST, 0, 0) : is_held(RESERVE)) && clean_up() &&
	       all_levels(BEFORE + (is_done ? COST : 0), 0, 0);
}

/* -- the journal -- */

static struct journal_record record_of(uint64_t n)
{
	struct journal_record r = { .kind = JOURNAL_INTENT, .key_id = n };

	memset(r.model, (int)('a' + n % 26), sizeof r.model);
	memset(r.end_user, (int)('A' + n % 26), sizeof r.end_user);
	return r;
}

static void append(void)
{
	struct journal_record r = record_of(journal_last(journal) + 1);

	journal_append(journal, &r);
}

static void prepare_journal(void)
{
	MUST(journal_map(dup(journal_fd), true, &journal) == 0);
}

static bool check_append(void)
{
	uint64_t last = journal_last(journal), next;
	struct journal_record r, want = record_of(last + 1);
	int err = journal_read(journal, last + 1, &r);

	journal = journal_free(journal);
	prepare_journal();
	next = journal_last(journal);
	journal = journal_free(journal);
	if (err)	/* the place of one that is in the database may be spoilt now */
		return EXPECT(err == -ENOENT) && EXPECT(next == last);
	return EXPECT(next == last + 1) &&
	       EXPECT(!memcmp(&r.kind, &want.kind,
			      sizeof r - offsetof(struct journal_record, kind)));
}

/* -- stepping -- */

struct operation {
	const char *name;
	const struct shape *shape;
	void (*prepare)(void);
	void (*run)(void);
	bool (*check)(void);
};
static const struct operation operations[] = {
	{ "admit", &narrow, prepare_nothing, admit, check_admit },
	{ "extend", &narrow, prepare_held, extend, check_extend },
	{ "settle", &narrow, prepare_held, settle, check_settle },
	{ "wide admit", &wide, prepare_nothing, admit, check_admit },
	{ "wide extend", &wide, prepare_held, extend, check_extend },
	{ "wide settle", &wide, prepare_held, settle, check_settle },
	{ "reset", &narrow, prepare_reset, reset, check_reset },
	{ "move", &wide, prepare_held, move, check_move },
	{ "append", &narrow, prepare_journal, append, check_append },
};

/* A traced child that stands right before the operation. */
static pid_t start(const struct operation *op)
{
	pid_t pid = fork();
	int status;

	MUST(pid >= 0);
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(77);
		raise(SIGSTOP);
		op->run();
		raise(SIGSTOP);		/* not _exit(): its symbol is not resolved yet */
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("skipped: tracing is forbidden here\n");
		exit(77);
	}
	MUST(WIFSTOPPED(status));
	return pid;
}

/* At most n instructions, then SIGKILL. Returns how many it were before the end. */
static uint64_t step_and_kill(pid_t pid, uint64_t n)
{
	uint64_t done = 0;
	int status = 0;

	for (; done < n; done++) {
		MUST(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
		MUST(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
		if (WSTOPSIG(status) == SIGSTOP)
			break;
	}
	kill(pid, SIGKILL);
	MUST(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	return done;
}

/* Reading takes the lock of one shard alone. */
static void repair_from_behind(void)
{
	for (uint32_t i = shape->n; i-- > 0;) {
		int64_t settled, reserved;
		uint32_t parallel;

		budget_read(&board, shape->v[i].entity, &settled, &reserved, &parallel);
	}
}

static bool round_of(const struct operation *op, uint64_t n, uint64_t *ret_done)
{
	shape = op->shape;
	op->prepare();
	*ret_done = step_and_kill(start(op), n);
	from_behind = !from_behind;
	if (from_behind)
		repair_from_behind();
	MUST(budget_repair(&board) == 0);
	if (op->check())
		return true;
	printf("FAIL %s, killed after %ju instructions\n", op->name, (uintmax_t)n);
	return false;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	return b ? common_divisor(b, a % b) : a;
}

/* Every instruction once, evenly spread at first, until time is up. */
static bool try_operation(const struct operation *op, uint64_t seed, uint64_t ns, char *text,
			  size_t room)
{
	uint64_t length, done, tries = 0, began = clock_ns(), step;
	size_t n = strlen(text);

	if (!round_of(op, UINT64_MAX, &length))
		return false;
	for (step = length * 618 / 1000 + 1; common_divisor(step, length) > 1;)
		step++;
	for (; tries < length && clock_ns() - began < ns; tries++)
		if (!round_of(op, (seed + tries * step) % length, &done))
			return false;
	snprintf(text + n, room - n, " %s %ju of %ju", op->name, (uintmax_t)tries,
		 (uintmax_t)length);
	return true;
}

static void set_up(void)
{
	char name[] = "/tmp/llmgw-shm-step-XXXXXX", file[64];
	int fd, dirfd;

	MUST(hash_init() == 0 && board_create(&board, &fd) == 0);
	for (int i = 0; i < 3; i++)
		atomic_store(&board.entities[narrow.v[i].entity].root, narrow.root);
	for (int i = 0; i < 2; i++)
		atomic_store(&board.entities[wide.v[i].entity].root, wide.root);
	MUST(mkdtemp(name));
	dirfd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(dirfd >= 0 && journal_create(dirfd, 1, EPOCH, RING, &journal_fd) == 0);
	snprintf(file, sizeof file, "1-%016jx.j", (uintmax_t)EPOCH);
	MUST(unlinkat(dirfd, file, 0) == 0 && rmdir(name) == 0);
	close(dirfd);
	/* once in this process, so that no child resolves symbols while it is stepped */
	for (size_t i = 0; i < COUNT(operations); i++) {
		shape = operations[i].shape;
		operations[i].prepare();
		operations[i].run();
		if (operations[i].run == move)
			MUST(check_move());
		else if (operations[i].run != append)
			MUST(clean_up());
	}
	journal = journal_free(journal);
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 5, seed;
	char text[512] = "ok shm_step, instructions:";

	set_up();
	seed = (argc > 2 ? strtoull(argv[2], NULL, 10) : hash_random_u64()) % 1000000;
	printf("seed %ju\n", (uintmax_t)seed);
	fflush(stdout);
	for (size_t i = 0; i < COUNT(operations); i++)
		if (!try_operation(&operations[i], seed, seconds * NS_PER_S / COUNT(operations),
				   text, sizeof text))
			return 1;
	puts(text);
	return 0;
}
