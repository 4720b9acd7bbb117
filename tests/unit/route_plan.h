/* SPDX-License-Identifier: MIT
 * route_plan.h - a plan of deployments in one group, for tests of the router: rows are changed at
 * will between plan() and seal(), the board at any time. */
#ifndef ROUTE_PLAN_H
#define ROUTE_PLAN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/gate.h"
#include "common/hash.h"
#include "common/route.h"

enum { MOST = 1000 };
#define NOW (UINT64_C(1000) * 60 * NS_PER_S + 5 * NS_PER_S)
#define WALL (UINT64_C(1700000000) * NS_PER_S)

static struct board board;
static struct snap *snap;
static struct route_candidate room[MOST];
static struct snap_deployment rows[MOST];
static struct snap_settings settings;
static struct snap_group group;
static const char *tags_of[MOST];
static struct snap_gate gates_of[MOST][3];
static unsigned n_gates_of[MOST];
static struct snap_gate tag_gates[4];	/* of the tags "t0", "t1" ... */
static unsigned n_tag_gates;
static unsigned n_rows;
static uint64_t seed;

static inline uint64_t draw(void)
{
	seed += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t x = seed;
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Begins a plan of n deployments that are all alike and well. */
static inline void plan(unsigned n)
{
	int fd;
	if (board.head)
		board_unmap(&board);
	assert_int_equal(board_create(&board, &fd), 0);
	close(fd);
	atomic_store(&board.workers[0].state, WORKER_READY);
	atomic_store(&board.workers[1].state, WORKER_READY);
	n_rows = n;
	settings = (struct snap_settings){ .cooldown_ms = 5000, .allowed_fails = 3,
					   .latency_samples = 4 };
	group = (struct snap_group){ .alias_of = SNAP_NONE };
	n_tag_gates = 0;
	for (unsigned i = 0; i < n; i++) {
		rows[i] = (struct snap_deployment){ .cooldown_ms = UINT64_MAX,
						    .num_retries = SNAP_NONE,
						    .board_row = i, .id_hash = i * 77 + 1 };
		tags_of[i] = NULL;
		n_gates_of[i] = 0;
	}
}

/* Makes the snapshot; before the first choice, and after each change of the plan. */
static inline void seal(void)
{
	struct snap_build *b = snap_build_new();
	uint32_t members[MOST];
	int fd;
	assert_non_null(b);
	snap = snap_unref(snap);
	for (unsigned i = 0; i < n_rows; i++) {
		struct snap_deployment d = rows[i];
		char id[16];
		struct str list[8], rest = tags_of[i] ? str_z(tags_of[i]) : STR_NONE;
		size_t n = 0;
		snprintf(id, sizeof id, "d%u", i);
		d.id = snap_build_text(b, str_z(id));
		while (rest.n)
			list[n++] = str_cut(&rest, ',');
		d.tags = snap_build_names(b, list, n);
		if (n_gates_of[i])
			d.flags |= DEPLOY_GATED;
		d.gates = snap_build_gates(b, gates_of[i], n_gates_of[i]);
		members[i] = snap_build_deployment(b, &d);
	}
	struct snap_group g = group;
	g.name = snap_build_text(b, STR("g"));
	snap_build_group(b, &g, members, n_rows, STR_NONE);
	for (unsigned i = 0; i < n_tag_gates; i++) {
		char name[16];
		snprintf(name, sizeof name, "t%u", i);
		tag_gates[i].name = snap_build_text(b, str_z(name));
	}
	*snap_build_settings(b) = settings;
	snap_build_settings(b)->tag_budgets = snap_build_gates(b, tag_gates, n_tag_gates);
	assert_int_equal(snap_build_seal(b, 1, &fd), 0);
	snap_build_free(b);
	assert_int_equal(snap_map(fd, &snap), 0);
}

static inline struct route_query query(void)
{
	return (struct route_query){ .snap = snap, .board = &board, .now_ns = NOW, .wall_ns = WALL,
				     .group = snap_find_group(snap, STR("g")), .random = draw(),
				     .room = room, .n_room = MOST };
}

static inline struct route_choice pick(void)
{
	struct route_query q = query();
	struct route_choice c;
	route_pick(&q, &c);
	return c;
}

static inline uint32_t chosen(void)
{
	return pick().deployment;
}

static inline void cool(unsigned i)
{
	atomic_store(&board.deployments[i].cooldown_until_ns, NOW + NS_PER_S);
	atomic_store(&board.deployments[i].failed_ns, NOW);
}

#endif
