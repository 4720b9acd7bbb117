/* SPDX-License-Identifier: MIT
 * damage.c - llmgw-damage: flips bits in the shared memory of a gateway that runs, for
 * tests/live/test_damage.py. Locks are left alone; what nobody has used is, too.
 *
 *   llmgw-damage PID PARTS MILLISECONDS FLIPS SEED
 *
 * PARTS are names with commas between them. Prints how many bits it has flipped of each. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/board.h"
#include "common/cache_private.h"

enum { CHUNK = 64, SPANS_MAX = 65536 };	/* lines of the cache */

/* Where bits may be flipped: bytes of the mapping that are there. */
struct span {
	unsigned char *p;
	size_t n;
};

struct part {
	const char *name;
	int fd;				/* of the segment, which begins at `base` */
	unsigned char *base, *p;
	size_t n;
	size_t row, keep;		/* of each row the first `keep` bytes stay; row 0: no rows */
	struct span spans[SPANS_MAX];
	unsigned n_spans;
	unsigned long flips;
};

static struct part parts[24];
static unsigned n_parts;

static void fail(const char *what)
{
	fprintf(stderr, "llmgw-damage: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* Its descriptor of that name, opened anew. -1: it has none. */
static int open_segment(const char *pid, const char *name)
{
	char path[64], target[256];
	for (int i = 3; i < 256; i++) {
		snprintf(path, sizeof path, "/proc/%s/fd/%d", pid, i);
		ssize_t n = readlink(path, target, sizeof target - 1);
		if (n <= 0)
			continue;
		target[n] = 0;
		int fd = strstr(target, name) ? open(path, O_RDWR | O_CLOEXEC) : -1;
		if (fd >= 0)
			return fd;
	}
	return -1;
}

static void add(const char *name, int fd, void *base, void *p, size_t n, size_t row, size_t keep)
{
	parts[n_parts++] = (struct part){
		.name = name, .fd = fd, .base = base, .p = p, .n = n, .row = row, .keep = keep };
}

static bool is_empty(const unsigned char *p, size_t n)
{
	static const unsigned char none[CHUNK];
	return memcmp(p, none, n) == 0;
}

/* Lines with something in them. Holes are not looked into: that would fill them. */
static void find_spans(struct part *t)
{
	off_t at = t->p - t->base, end = at + (off_t)t->n;
	while (t->n_spans < SPANS_MAX && (at = lseek(t->fd, at, SEEK_DATA)) >= 0 && at < end) {
		off_t n = end - at < CHUNK ? end - at : CHUNK;
		if (!is_empty(t->base + at, (size_t)n))
			t->spans[t->n_spans++] = (struct span){ t->base + at, (size_t)n };
		at += n;
	}
}

static void map_board(const char *pid)
{
	struct board b;
	int fd = open_segment(pid, "llmgw-board");
	if (fd < 0 || (errno = -board_map(fd, &b)) != 0)
		fail("the board");
#define ROWS(name, field, count, keep) \
	add(name, fd, b.head, b.field, (count) * sizeof *b.field, sizeof *b.field, keep)
	ROWS("metrics", metrics, BOARD_WORKERS + 1, 0);
	ROWS("deployments", deployments, BOARD_DEPLOYMENTS, 0);
	add("inflight", fd, b.head, (void *)b.inflight,
	    (size_t)BOARD_WORKERS * BOARD_DEPLOYMENTS * sizeof(uint16_t), 0, 0);
	ROWS("shards", shards, BOARD_SHARDS, sizeof(pthread_mutex_t));
	ROWS("entities", entities, (size_t)BOARD_ENTITIES, 0);
	ROWS("slots", slots, (size_t)BOARD_WORKERS * BOARD_SLOTS, 0);
	ROWS("series", series, BOARD_SERIES + 1, 0);
	ROWS("times", times, BOARD_DEPLOYMENTS, 0);
	ROWS("queues", queues, BOARD_QUEUES, 0);
	ROWS("gates", gates, BOARD_GATES, 0);
	ROWS("windows", windows, BOARD_WINDOWS, 0);
	ROWS("rates", rates, BOARD_RATES, 0);
	ROWS("decisions", decisions, (size_t)BOARD_WORKERS * BOARD_DECISIONS, 0);
	ROWS("suspects", suspects, BOARD_SUSPECTS, 0);
	ROWS("records", records, BOARD_WORKERS, 0);
	ROWS("texts", texts, BOARD_WORKERS, 0);
#undef ROWS
}

static void map_cache(const char *pid)
{
	struct cache *c = NULL;
	int fd = open_segment(pid, "llmgw-cache");
	if (fd < 0)
		return;
	if ((errno = -cache_map(fd, &c)) != 0)
		fail("the cache");
	add("cache", fd, c->head, c->shards, CACHE_SHARDS * c->shard_bytes, c->shard_bytes,
	    sizeof(pthread_mutex_t));
}

static struct part *find(struct str name)
{
	for (unsigned i = 0; i < n_parts; i++)
		if (str_eq_z(name, parts[i].name))
			return &parts[i];
	errno = ENOENT;
	fail("such a part");
	return NULL;
}

static uint64_t number(const char *text)
{
	uint64_t v = 0;
	if (str_read_u64(str_z(text), &v) < 0 || !v || v > 1000000) {
		errno = EINVAL;
		fail(text);
	}
	return v;
}

static void flip(struct part *t)
{
	if (!t->n_spans)
		return;
	const struct span *s = &t->spans[(unsigned)random() % t->n_spans];
	unsigned char *at = s->p + (size_t)random() % s->n;
	if (t->row && (size_t)(at - t->p) % t->row < t->keep)
		return;
	*(volatile unsigned char *)at ^= (unsigned char)(1u << (random() & 7));
	t->flips++;
}

int main(int argc, char **argv)
{
	struct part *chosen[24];
	unsigned n = 0;
	if (argc != 6) {
		fputs("usage: llmgw-damage PID PARTS MILLISECONDS FLIPS SEED\n", stderr);
		return 2;
	}
	map_board(argv[1]);
	map_cache(argv[1]);
	for (struct str rest = str_z(argv[2]); rest.n && n < 24;)
		chosen[n++] = find(str_cut(&rest, ','));
	srandom((unsigned)number(argv[5]));
	long ms = (long)number(argv[3]), flips = (long)number(argv[4]);
	long each_ns = ms * 1000000 / flips;
	struct timespec pause = { .tv_sec = each_ns / 1000000000, .tv_nsec = each_ns % 1000000000 };
	for (long i = 0; n && i < flips; i++) {
		if (i % 64 == 0)
			for (unsigned k = 0; k < n; k++) {
				chosen[k]->n_spans = 0;
				find_spans(chosen[k]);
			}
		flip(chosen[i % n]);
		nanosleep(&pause, NULL);
	}
	for (unsigned k = 0; k < n; k++)
		printf("%s %lu\n", chosen[k]->name, chosen[k]->flips);
	return 0;
}
