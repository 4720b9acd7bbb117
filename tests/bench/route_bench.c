/* SPDX-License-Identifier: MIT
 * route_bench.c - how long a choice among a thousand deployments takes, by each strategy; CPU time
 * of this thread, so that a busy machine does not count. --json: for `run`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/mem.h"
#include "common/route.h"

enum { DEPLOYMENTS = 1000, CHOICES = 20000, WARM = 500 };

static struct board board;
static struct snap *snap;
static struct route_candidate room[DEPLOYMENTS];
static uint32_t took[CHOICES];

struct kind {				/* what is measured */
	const char *name;
	enum route_strategy strategy;
	uint32_t flags;
	bool with_gates, with_sticky, with_failures;
};
static const struct kind kinds[] = {
	{ "simple-shuffle", STRATEGY_SHUFFLE, 0, false, false, false },
	{ "least-busy", STRATEGY_BUSY, 0, false, false, false },
	{ "usage-based-routing", STRATEGY_USAGE, 0, false, false, false },
	{ "latency-based-routing", STRATEGY_LATENCY, SET_PRECALL, false, false, false },
	{ "cost-based-routing", STRATEGY_COST, 0, false, false, false },
	{ "half of them cool", STRATEGY_SHUFFLE, 0, false, false, true },
	{ "a provider's budget", STRATEGY_SHUFFLE, 0, true, false, false },
	{ "sticky", STRATEGY_SHUFFLE, 0, false, true, false },
};

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "route_bench: %s\n", what);
	exit(1);
}

static void make_snapshot(const struct kind *k)
{
	struct snap_gate budget = { .kind = GATE_BUDGET, .row = 1, .limit = 1000 };
	struct snap_build *b = snap_build_new();
	uint32_t members[DEPLOYMENTS];
	int fd = -1;
	need(b != NULL, "no memory");
	for (uint32_t i = 0; i < DEPLOYMENTS; i++) {
		char id[16];
		struct snap_deployment d = { .board_row = i, .id_hash = i * 77 + 1, .rpm = 1000000,
					     .weight_milli = 1000 + i, .cooldown_ms = UINT64_MAX };
		snprintf(id, sizeof id, "d%u", i);
		d.id = snap_build_text(b, str_z(id));
		if (k->with_gates) {
			d.gates = snap_build_gates(b, &budget, 1);
			d.flags |= DEPLOY_GATED;
		}
		members[i] = snap_build_deployment(b, &d);
	}
	struct snap_group g = { .alias_of = SNAP_NONE };
	g.name = snap_build_text(b, STR("g"));
	snap_build_group(b, &g, members, DEPLOYMENTS, STR_NONE);
	*snap_build_settings(b) = (struct snap_settings){ .strategy = k->strategy,
							  .flags = k->flags };
	need(snap_build_seal(b, 1, &fd) == 0 && snap_map(fd, &snap) == 0, "no snapshot");
	snap_build_free(b);
}

static void make_board(const struct kind *k, uint64_t now_ns)
{
	int fd;
	need(board_create(&board, &fd) == 0, "no board");
	for (uint32_t w = 0; w < 2; w++)
		atomic_store(&board.workers[w].state, WORKER_READY);
	for (uint32_t i = 0; i < DEPLOYMENTS; i++) {
		atomic_store(board_inflight_own(&board, i % 2, i), (uint16_t)(i % 7));
		atomic_store(&board.deployments[i].latency_ns, i * NS_PER_MS);
		atomic_store(&board.deployments[i].sampled_ns, now_ns);
		if (k->with_failures && i % 2)
			atomic_store(&board.deployments[i].cooldown_until_ns, now_ns * 2);
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void measure(const struct kind *k)
{
	uint64_t now_ns = clock_ns(), wall_ns = clock_wall_ns();
	make_snapshot(k);
	make_board(k, now_ns);
	for (unsigned i = 0; i < WARM + CHOICES; i++) {
		struct route_choice c;
		struct route_query q = { .snap = snap, .board = &board, .now_ns = now_ns,
					 .wall_ns = wall_ns, .random = hash_random_below(UINT64_MAX),
					 .group = snap_find_group(snap, STR("g")), .room = room,
					 .n_room = DEPLOYMENTS };
		q.sticky = k->with_sticky ? q.random | 1 : 0;
		uint64_t from = cpu_ns();
		route_pick(&q, &c);
		uint64_t ns = cpu_ns() - from;
		need(c.deployment != SNAP_NONE, "nobody was chosen");
		if (i >= WARM)
			took[i - WARM] = (uint32_t)(ns > UINT32_MAX ? UINT32_MAX : ns);
	}
	qsort(took, CHOICES, sizeof *took, by_number);
	snap = snap_unref(snap);
	board_unmap(&board);
}

int main(int argc, char **argv)
{
	bool as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
	need(hash_init() == 0, "no randomness");
	if (!as_json)
		printf("%-24s %10s %10s   among %d deployments\n", "CHOICE", "p50, us", "p99, us",
		       DEPLOYMENTS);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		measure(&kinds[i]);
		double p50 = took[CHOICES / 2] / 1000.0, p99 = took[CHOICES / 100 * 99] / 1000.0;
		if (as_json)
			printf("%s{\"choice\":\"%s\",\"p50_us\":%.2f,\"p99_us\":%.2f}",
			       i ? "," : "[", kinds[i].name, p50, p99);
		else
			printf("%-24s %10.2f %10.2f\n", kinds[i].name, p50, p99);
	}
	if (as_json)
		printf("]\n");
	return 0;
}
