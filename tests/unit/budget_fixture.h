/* SPDX-License-Identifier: MIT
 * budget_fixture.h - a board with the pool of one worker, for the tests of what the master does
 * about budgets and of their steps. Each file that includes it has its own. */
#ifndef BUDGET_FIXTURE_H
#define BUDGET_FIXTURE_H

#include "common/budget_private.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"

enum { WORKER = 3 };

static struct board b;
static int fd;
static struct budget_pool *pool;

static inline int set_up(void **state)
{
	(void)state;
	assert_int_equal(board_create(&b, &fd), 0);
	pool = budget_pool_new(&b, WORKER);
	assert_non_null(pool);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	clock_set(0, 0);
	budget_pool_free(pool);
	board_unmap(&b);
	close(fd);
	return 0;
}

static inline bool is_free(uint32_t shard)
{
	int err = pthread_mutex_trylock(&b.shards[shard].mutex);
	assert_true(err == 0 || err == EBUSY);
	if (!err)
		pthread_mutex_unlock(&b.shards[shard].mutex);
	return !err;
}

static inline void expect_all_free(void)
{
	for (uint32_t i = 0; i < BOARD_SHARDS; i++)
		assert_true(is_free(i));
}

#endif
