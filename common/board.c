/* SPDX-License-Identifier: MIT
 * board.c - where everything stands on the board, and how it is made; see board.h.
 *
 * All places follow from this file's constants, never from what the segment itself says: a
 * worker that scribbles on the head cannot move the master's pointers. The size is sealed, so
 * that nobody can cut the segment under another's feet. */
#include "common/board.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/hash.h"
#include "common/mem.h"
#include "common/robust.h"

enum { BOARD_PAGE = 4096 };

_Static_assert(sizeof(struct board_head) <= BOARD_PAGE, "the head is one page");
_Static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint16_t) == 2, "no hidden locks");

/* The parts of the segment, in order; each starts on a page of its own. */
enum part {
	HEAD, WORKERS, METRICS, DEPLOYMENTS, INFLIGHT, SHARDS, ENTITIES, PERIODS, SLOTS,
	LATENCIES, SERIES, TIMES,
	QUEUES, GATES, WINDOWS, RATES, DECISIONS, SUSPECTS, RECORD_RINGS, TEXT_RINGS, TOLD_RINGS,
	PARTS
};

static const size_t part_bytes[PARTS] = {
	[HEAD] = sizeof(struct board_head),
	[WORKERS] = BOARD_WORKERS * sizeof(struct board_worker),
	[METRICS] = (BOARD_WORKERS + 1) * sizeof(struct metric_row),
	[DEPLOYMENTS] = BOARD_DEPLOYMENTS * sizeof(struct board_deployment),
	[INFLIGHT] = (size_t)BOARD_WORKERS * BOARD_DEPLOYMENTS * sizeof(uint16_t),
	[SHARDS] = BOARD_SHARDS * sizeof(struct board_shard),
	[ENTITIES] = (size_t)BOARD_ENTITIES * sizeof(struct board_entity),
	[PERIODS] = (size_t)BOARD_ENTITIES * sizeof(_Atomic uint64_t),
	[SLOTS] = (size_t)BOARD_WORKERS * BOARD_SLOTS * sizeof(struct board_slot),
	[LATENCIES] = BOARD_DEPLOYMENTS * sizeof(struct board_latency),
	[SERIES] = (size_t)(BOARD_SERIES + 1) * sizeof(struct board_series),
	[TIMES] = BOARD_DEPLOYMENTS * sizeof(struct times),
	[QUEUES] = BOARD_QUEUES * sizeof(struct board_queue),
	[GATES] = BOARD_GATES * sizeof(struct board_gate),
	[WINDOWS] = BOARD_WINDOWS * sizeof(struct board_gate),
	[RATES] = BOARD_RATES * sizeof(struct board_entity),
	[DECISIONS] = (size_t)BOARD_WORKERS * BOARD_DECISIONS * sizeof(struct board_decision),
	[SUSPECTS] = BOARD_SUSPECTS * sizeof(struct board_suspect),
	[RECORD_RINGS] = BOARD_WORKERS * sizeof(struct record_ring),
	[TEXT_RINGS] = BOARD_WORKERS * sizeof(struct text_ring),
	[TOLD_RINGS] = BOARD_WORKERS * sizeof(struct text_ring),
};

/* Where a part starts; PARTS gives the size of the whole. */
static size_t part_at(enum part part)
{
	size_t at = 0;

	for (unsigned i = 0; i < (unsigned)part; i++)
		at += (part_bytes[i] + BOARD_PAGE - 1) / BOARD_PAGE * BOARD_PAGE;
	return at;
}

static void lay_out(struct board *b, char *p)
{
	b->head = (void *)(p + part_at(HEAD));
	b->workers = (void *)(p + part_at(WORKERS));
	b->metrics = (void *)(p + part_at(METRICS));
	b->deployments = (void *)(p + part_at(DEPLOYMENTS));
	b->inflight = (void *)(p + part_at(INFLIGHT));
	b->shards = (void *)(p + part_at(SHARDS));
	b->entities = (void *)(p + part_at(ENTITIES));
	b->periods = (void *)(p + part_at(PERIODS));
	b->slots = (void *)(p + part_at(SLOTS));
	b->latencies = (void *)(p + part_at(LATENCIES));
	b->series = (void *)(p + part_at(SERIES));
	b->times = (void *)(p + part_at(TIMES));
	b->queues = (void *)(p + part_at(QUEUES));
	b->gates = (void *)(p + part_at(GATES));
	b->windows = (void *)(p + part_at(WINDOWS));
	b->rates = (void *)(p + part_at(RATES));
	b->decisions = (void *)(p + part_at(DECISIONS));
	b->suspects = (void *)(p + part_at(SUSPECTS));
	b->records = (void *)(p + part_at(RECORD_RINGS));
	b->texts = (void *)(p + part_at(TEXT_RINGS));
	b->told = (void *)(p + part_at(TOLD_RINGS));
	b->size = part_at(PARTS);
}

static int map_all(int fd, struct board *ret)
{
	size_t size = part_at(PARTS);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	lay_out(ret, p);
	return 0;
}

static int init_mutexes(struct board *b)
{
	int err = 0;

	for (unsigned i = 0; !err && i < BOARD_SHARDS; i++)
		err = robust_mutex_init(&b->shards[i].mutex);
	return err;
}

static int fill_head(struct board *b)
{
	int err = init_mutexes(b);

	if (err)
		return err;
	b->head->layout = BOARD_LAYOUT;
	b->head->size = b->size;
	b->head->epoch = hash_random_u64();
	b->head->magic = BOARD_MAGIC;
	return 0;
}

static int create_in(int fd, struct board *ret)
{
	struct board b;
	int err;

	if (ftruncate(fd, (off_t)part_at(PARTS)) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		return -errno;
	err = map_all(fd, &b);
	if (err)
		return err;
	err = fill_head(&b);
	if (err) {
		board_unmap(&b);
		return err;
	}
	*ret = b;
	return 0;
}

int board_create(struct board *ret, int *ret_fd)
{
	int err, fd = memfd_create("llmgw-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	err = create_in(fd, ret);
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

int board_map(int fd, struct board *ret)
{
	struct board b;
	struct stat st;
	int err;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < 0 || (uint64_t)st.st_size != part_at(PARTS))
		return -EBADMSG;
	err = map_all(fd, &b);
	if (err)
		return err;
	if (b.head->magic != BOARD_MAGIC || b.head->layout != BOARD_LAYOUT ||
	    b.head->size != b.size) {
		board_unmap(&b);
		return -EBADMSG;
	}
	*ret = b;
	return 0;
}

void board_unmap(struct board *b)
{
	if (b->head)
		munmap(b->head, b->size);
	*b = (struct board){ 0 };
}

uint32_t board_inflight(const struct board *b, uint32_t deployment)
{
	uint32_t sum = 0;

	MUST(deployment < BOARD_DEPLOYMENTS);
	for (uint32_t w = 0; w < BOARD_WORKERS; w++)
		if (board_worker_lives(&b->workers[w]))
			sum += atomic_load_explicit(board_inflight_own(b, w, deployment),
						    memory_order_relaxed);
	return sum;
}

struct metric_row *board_sum_metrics(const struct board *b)
{
	struct metric_row *sum = mem_alloc(sizeof *sum);

	for (unsigned i = 0; sum && i <= BOARD_WORKERS; i++)
		metric_sum(sum, &b->metrics[i]);
	return sum;
}

const char *money_reason_text(enum money_reason r)
{
	switch (r) {
	case MONEY_OK:
		return "ok";
	case MONEY_STARTING:
		return "spend is still being read";
	case MONEY_DISK_FULL:
		return "disk full";
	case MONEY_DATABASE:
		return "database unavailable";
	case MONEY_JOURNAL:
		return "journal unavailable";
	}
	return "unknown";
}

/* ---- deployments: open addressing by their hash; rows are never given back ---- */

uint64_t board_deployment_hash(struct str id)
{
	return hash_stable(id) | 1;
}

static uint32_t probe_deployment(const struct board *b, uint64_t id_hash, bool *ret_found)
{
	uint32_t at = (uint32_t)(id_hash % BOARD_DEPLOYMENTS);
	*ret_found = false;
	for (uint32_t i = 0; i < BOARD_DEPLOYMENTS; i++, at = (at + 1) % BOARD_DEPLOYMENTS) {
		uint64_t have = atomic_load(&b->deployments[at].id_hash);
		if (have == id_hash || have == 0) {
			*ret_found = have == id_hash;
			return at;
		}
	}
	return UINT32_MAX;
}

uint32_t board_find_deployment(const struct board *b, uint64_t id_hash)
{
	bool found;
	uint32_t at = probe_deployment(b, id_hash, &found);
	return found ? at : UINT32_MAX;
}

int board_place_deployment(struct board *b, uint64_t id_hash, uint32_t *ret_row)
{
	bool found;
	uint32_t at = probe_deployment(b, id_hash, &found);
	if (at == UINT32_MAX)
		return -ENOSPC;
	(void)FAULT("board.placing");
	atomic_store(&b->deployments[at].id_hash, id_hash);
	*ret_row = at;
	return 0;
}

int board_place_gate(struct board *b, uint64_t id_hash, uint32_t *ret_row)
{
	uint32_t at = (uint32_t)(id_hash % BOARD_GATES);
	for (uint32_t i = 0; i < BOARD_GATES; i++, at = (at + 1) % BOARD_GATES) {
		uint64_t have = atomic_load(&b->gates[at].id_hash);
		if (have && have != id_hash)
			continue;
		atomic_store(&b->gates[at].id_hash, id_hash);
		*ret_row = at;
		return 0;
	}
	return -ENOSPC;
}

/* ---- windows: the same, but that rows are given back ---- */

static bool is_reusable(struct board_gate *row, uint64_t wall_ns)
{
	uint64_t gone = atomic_load(&row->from_ns);
	return atomic_load(&row->id_hash) == 0 || wall_ns < gone ||
	       wall_ns - gone >= BOARD_GONE_NS;
}

/* Its row; or the first that may become it, UINT32_MAX: there is none. */
static uint32_t probe_window(const struct board *b, uint64_t id_hash, uint64_t wall_ns,
			     bool *ret_found)
{
	uint32_t at = (uint32_t)(id_hash % BOARD_WINDOWS), free_row = UINT32_MAX;
	*ret_found = false;
	for (uint32_t i = 0; i < BOARD_WINDOWS; i++, at = (at + 1) % BOARD_WINDOWS) {
		struct board_gate *row = &b->windows[at];
		uint64_t have = atomic_load(&row->id_hash);
		if (have == id_hash) {
			*ret_found = true;
			return at;
		}
		if (have <= BOARD_GONE && free_row == UINT32_MAX && is_reusable(row, wall_ns))
			free_row = at;
		if (!have)
			break;
	}
	return free_row;
}

int board_place_window(struct board *b, uint64_t id_hash, uint64_t wall_ns, uint32_t *ret_row,
		       bool *ret_is_new)
{
	bool found;
	uint32_t at = probe_window(b, id_hash, wall_ns, &found);
	MUST(id_hash > BOARD_GONE);
	if (at == UINT32_MAX)
		return -ENOSPC;
	for (unsigned i = 0; !found && i < GATE_WORDS; i++)
		atomic_store(&b->windows[at].words[i], 0);
	atomic_store(&b->windows[at].id_hash, id_hash);
	*ret_row = at;
	*ret_is_new = !found;
	return 0;
}

void board_free_window(struct board *b, uint32_t row, uint64_t wall_ns)
{
	MUST(row < BOARD_WINDOWS);
	atomic_store(&b->windows[row].from_ns, wall_ns);
	atomic_store(&b->windows[row].id_hash, BOARD_GONE);
}
