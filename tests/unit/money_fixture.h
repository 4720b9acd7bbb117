/* SPDX-License-Identifier: MIT
 * money_fixture.h - a state directory, a loop, a store, and questions to the database; for the
 * tests of store, ledger, keys and spend. */
#ifndef MONEY_FIXTURE_H
#define MONEY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/mem.h"
#include "master/store.h"
#include "master/store_sql.h"

struct place {
	char dir[64];
	uv_loop_t loop;
	struct store *store;
};

static inline void place_make(struct place *p)
{
	snprintf(p->dir, sizeof p->dir, "/tmp/llmgw-test-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_int_equal(uv_loop_init(&p->loop), 0);
	p->store = NULL;
}

static inline void place_open(struct place *p)
{
	char why[256] = "";
	if (store_open(p->dir, &p->loop, &p->store, why) != 0)
		fail_msg("%s", why);
}

static inline void place_close(struct place *p)
{
	store_close(p->store);
	p->store = NULL;
	uv_run(&p->loop, UV_RUN_DEFAULT);
}

static inline int place_unlink(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static inline void place_remove(struct place *p)
{
	if (p->store)
		place_close(p);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&p->loop), 0);
	nftw(p->dir, place_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void place_path(const struct place *p, const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", p->dir, name);
}

struct place_ask {
	const char *sql;
	int64_t answer;
};

static inline int place_ask_job(struct store_db *db, void *data)
{
	struct place_ask *a = data;
	struct sql *q = sql_dynamic(db, a->sql);
	int r = sql_row(q);
	if (r > 0)
		a->answer = sql_get_int(q, 0);
	sql_end(q);
	return r < 0 ? r : 0;
}

/* The first number of the first row. */
static inline int64_t place_number(struct place *p, const char *sql)
{
	struct place_ask a = { .sql = sql, .answer = INT64_MIN };
	int err = store_write_wait(p->store, place_ask_job, &a);
	if (err)
		fail_msg("%s: %s", sql, strerror(-err));
	return a.answer;
}

static inline int place_exec_job(struct store_db *db, void *data)
{
	return sql_exec(db, data);
}

static inline void place_exec(struct place *p, const char *sql)
{
	int err = store_write_wait(p->store, place_exec_job, (void *)(uintptr_t)sql);
	if (err)
		fail_msg("%s: %s", sql, strerror(-err));
}

/* No more pages than these, or than are in use. The disk may be full for whoever shares the
 * transaction with us: then it is asked again, for a limit outlives what is rolled back. */
static inline void place_limit(struct place *p, unsigned pages)
{
	char sql[64];
	struct place_ask a = { .sql = sql };
	int err;
	snprintf(sql, sizeof sql, "PRAGMA max_page_count = %u", pages);
	for (int tries = 0; (err = store_write_wait(p->store, place_ask_job, &a)) == -ENOSPC; tries++)
		assert_true(tries < 10000);
	assert_int_equal(err, 0);
}

struct place_dump {
	uint64_t hash;
	const char *sql;
};

static inline int place_dump_job(struct store_db *db, void *data)
{
	struct place_dump *d = data;
	struct sql *q = sql_dynamic(db, d->sql);
	int r;
	while ((r = sql_row(q)) > 0)
		d->hash = hash_stable_more(d->hash, sql_get_text(q, 0));
	return r;
}

/* One number that stands for all that the ledger writes. */
static inline uint64_t place_fingerprint(struct place *p)
{
	static const char logs[] =
		"SELECT "
		"hex(request_id)||'|'||key_id||'|'||deployment||'|'||model||'|'||end_user||'|'"
		"||start_ns||'|'||first_token_ns||'|'||end_ns||'|'||cost||'|'||reserve||'|'||input||'|'"
		"||output||'|'||status||'|'||flags||'|'||attempts FROM spend_logs ORDER BY id";
	static const char daily[] =
		"SELECT "
		"day||'|'||key_id||'|'||model||'|'||deployment||'|'||requests||'|'||failed||'|'"
		"||input||'|'||output||'|'||cost FROM spend_daily ORDER BY 1";
	static const char totals[] =
		"SELECT span||'|'||kind||'|'||at||'|'||id||'|'||requests||'|'||cost FROM spend_totals "
		"ORDER BY 1";
	static const char keys[] =
		"SELECT id||'|'||spend||'|'||coalesce(last_used,0) FROM keys ORDER BY id";
	static const char teams[] = "SELECT id||'|'||spend FROM teams ORDER BY id";
	static const char intents[] =
		"SELECT hex(request_id)||'|'||epoch||'|'||reserve FROM open_intents ORDER BY 1";
	static const char *const all[] = { logs, daily, totals, keys, teams, intents };
	struct place_dump d = { .hash = hash_stable(STR("")) };
	for (size_t i = 0; i < COUNT(all); i++) {
		d.sql = all[i];
		assert_int_equal(store_write_wait(p->store, place_dump_job, &d), 0);
	}
	return d.hash;
}

#endif
