/* SPDX-License-Identifier: MIT
 * test_store.c - groups, their failures, and what survives a kill. */
#include "money_fixture.h"

#include <signal.h>

#include "common/clock.h"
#include "master/store_db.h"

enum { KILLS = 12 };

static int setup(void **st)
{
	static struct place p;
	assert_int_equal(hash_init(), 0);
	place_make(&p);
	*st = &p;
	return 0;
}

static int teardown(void **st)
{
	place_remove(*st);
	return 0;
}

/* ---- opening ---- */

static void test_fresh_database_is_private_and_durable(void **st)
{
	struct place *p = *st;
	struct stat s;
	char path[128];
	place_open(p);
	place_path(p, "llmgw.db", path);
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0600);
	assert_int_equal(place_number(p, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' "
					 "AND name "
				       "IN "
				       "('keys','spend_logs','spend_daily','journals','open_intents')"), 5);
	assert_int_equal(place_number(p, "PRAGMA synchronous"), 2);
	assert_int_equal(place_number(p, "PRAGMA user_version"), store_schema_known());
	assert_int_equal(place_number(p, "PRAGMA mmap_size"), 0);
	assert_int_equal(place_number(p, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"),
			 1);
}

static void test_one_master_a_directory(void **st)
{
	struct place *p = *st;
	struct store *second;
	char why[256], pid[32];
	place_open(p);
	assert_int_equal(store_open(p->dir, &p->loop, &second, why), -EBUSY);
	snprintf(pid, sizeof pid, "process %ld", (long)getpid());
	assert_non_null(strstr(why, pid));
	place_close(p);
	place_open(p);			/* given back by the close */
}

static uint64_t hash_of_file(const char *path)
{
	static char bytes[1 << 20];
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	ssize_t n = read(fd, bytes, sizeof bytes);
	assert_true(n >= 0 && n < (ssize_t)sizeof bytes);
	close(fd);
	return hash_stable(str_of(bytes, (size_t)n));
}

static void expect_refused(struct place *p, int err, const char *words)
{
	char why[256] = "", path[128];
	struct store *s;
	place_path(p, "llmgw.db", path);
	uint64_t before = hash_of_file(path);
	assert_int_equal(store_open(p->dir, &p->loop, &s, why), err);
	if (!strstr(why, words))
		fail_msg("'%s' does not say '%s'", why, words);
	assert_true(hash_of_file(path) == before);
}

static void test_a_newer_schema_is_refused_and_left_alone(void **st)
{
	struct place *p = *st;
	place_open(p);
	place_exec(p, "PRAGMA user_version = 900");
	place_close(p);
	expect_refused(p, -EPROTONOSUPPORT, "schema 900");
}

static void test_another_programs_database_is_refused(void **st)
{
	struct place *p = *st;
	place_open(p);
	place_exec(p, "PRAGMA application_id = 1234");
	place_close(p);
	expect_refused(p, -EINVAL, "another program");
}

static void write_file(const char *path, off_t at, const char *bytes, size_t n)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
	close(fd);
}

static void test_rubbish_is_refused(void **st)
{
	struct place *p = *st;
	char path[128], rubbish[8192];
	memset(rubbish, 'x', sizeof rubbish);
	place_path(p, "llmgw.db", path);
	write_file(path, 0, rubbish, sizeof rubbish);
	expect_refused(p, -EIO, "backup");
}

static void test_damage_after_a_crash_is_found(void **st)
{
	struct place *p = *st;
	char db[128], wal[128], rubbish[4096];
	memset(rubbish, 0xa5, sizeof rubbish);
	place_open(p);
	place_exec(p,
		   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
		      "INSERT INTO journals SELECT i, 1, 1 FROM n");
	place_close(p);
	place_path(p, "llmgw.db", db);
	place_path(p, "llmgw.db-wal", wal);
	write_file(db, 4096, rubbish, sizeof rubbish);
	write_file(wal, 0, rubbish, 32);	/* stands for an end that was not clean */
	expect_refused(p, -EIO, "damaged");
}

/* ---- groups ---- */

struct call {
	int err, order;
	const char *sql;
	int ret;
};
static int order;

static int call_job(struct store_db *db, void *data)
{
	struct call *c = data;
	int err = sql_exec(db, c->sql);
	return err ? err : c->ret;
}

static void call_done(void *data, int err)
{
	struct call *c = data;
	c->err = err;
	c->order = ++order;
}

static void test_a_failed_job_is_undone_alone(void **st)
{
	struct place *p = *st;
	struct call calls[] = {
		{ .sql = "INSERT INTO journals VALUES (1, 1, 1)" },
		{ .sql = "INSERT INTO journals VALUES (2, 1, 1)", .ret = -ENOENT },
		{ .sql = "INSERT INTO journals VALUES (1, 1, 1)" },
		{ .sql = "INSERT INTO journals VALUES (9, 1, 'text')" },
		{ .sql = "this is no SQL" },
		{ .sql = "INSERT INTO journals VALUES (3, 1, 1)" },
	};
	place_open(p);
	order = 0;
	for (size_t i = 0; i < COUNT(calls); i++)
		assert_int_equal(store_write(p->store, call_job, call_done, &calls[i]), 0);
	uv_run(&p->loop, UV_RUN_DEFAULT);	/* ends: no job is under way */
	for (size_t i = 0; i < COUNT(calls); i++)
		assert_int_equal(calls[i].order, i + 1);
	assert_int_equal(calls[0].err, 0);
	assert_int_equal(calls[1].err, -ENOENT);
	assert_int_equal(calls[2].err, -EEXIST);
	assert_int_equal(calls[3].err, -EINVAL);
	assert_int_equal(calls[4].err, -EIO);
	assert_int_equal(calls[5].err, 0);
	assert_int_equal(place_number(p, "SELECT sum(epoch) FROM journals"), 4);
}

static void test_close_runs_what_is_queued(void **st)
{
	struct place *p = *st;
	static struct call calls[100];
	static char text[100][64];
	place_open(p);
	order = 0;
	for (int i = 0; i < 100; i++) {
		snprintf(text[i], sizeof text[i], "INSERT INTO journals VALUES (%d, 1, 1)", i);
		calls[i] = (struct call){ .err = 1, .sql = text[i] };
		assert_int_equal(store_write(p->store, call_job, call_done, &calls[i]), 0);
	}
	place_close(p);
	assert_int_equal(order, 100);
	place_open(p);
	assert_int_equal(place_number(p, "SELECT count(*) FROM journals"), 100);
}

static void late_done(void *data, int err)
{
	struct place *p = data;
	assert_int_equal(err, 0);
	assert_int_equal(store_write(p->store, call_job, NULL, NULL), -ECANCELED);
	order = -1;
}

static int nothing_job(struct store_db *db, void *data)
{
	(void)db, (void)data;
	return 0;
}

static void test_nothing_begins_once_it_stops(void **st)
{
	struct place *p = *st;
	place_open(p);
	assert_int_equal(store_write(p->store, nothing_job, late_done, p), 0);
	store_close(p->store);		/* p->store stands until the loop has run */
	p->store = NULL;
	assert_int_equal(order, -1);
	uv_run(&p->loop, UV_RUN_DEFAULT);
}

static void test_no_memory_is_told_at_once(void **st)
{
	struct place *p = *st;
	place_open(p);
	mem_fail_at(1);
	assert_int_equal(store_write(p->store, nothing_job, NULL, NULL), -ENOMEM);
	mem_fail_at(0);
	place_close(p);
	mem_fail_at(1);
	char why[256];
	assert_int_equal(store_open(p->dir, &p->loop, &p->store, why), -ENOMEM);
	mem_fail_at(0);
	p->store = NULL;
}

/* ---- a full disk ---- */

static void test_full_disk_and_its_end(void **st)
{
	struct place *p = *st;
	struct call big =
		{ .sql = "INSERT INTO spend_names (name) SELECT value || hex(zeroblob(3000)) FROM "
				   "json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]')" };
	struct call small = { .sql = "INSERT INTO journals VALUES (1, 1, 1)" };
	place_open(p);
	place_limit(p, 1);	/* the least it may be: what is in use */
	assert_int_equal(store_write(p->store, call_job, call_done, &big), 0);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	assert_int_equal(big.err, -ENOSPC);
	assert_int_equal(store_health(p->store), -ENOSPC);
	assert_int_equal(place_number(p, "SELECT count(*) FROM spend_names"), 0);
	place_limit(p, 1000000);
	assert_int_equal(store_write(p->store, call_job, call_done, &small), 0);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	assert_int_equal(small.err, 0);
	assert_int_equal(store_health(p->store), 0);
	assert_int_equal(place_number(p, "SELECT ok = 'ok' FROM (SELECT quick_check AS ok FROM "
				       "pragma_quick_check)"), 1);
}

/* ---- the reader ---- */

static void test_reader_cannot_write_and_has_a_limit(void **st)
{
	struct place *p = *st;
	struct call write = { .sql = "INSERT INTO journals VALUES (1, 1, 1)" };
	struct call endless =
		{ .sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
				       "SELECT sum(i) FROM n" };
	struct call good = { .sql = "SELECT count(*) FROM journals" };
	place_open(p);
	uint64_t begin = clock_ns();
	assert_int_equal(store_read(p->store, call_job, call_done, &write), 0);
	assert_int_equal(store_read(p->store, call_job, call_done, &endless), 0);
	assert_int_equal(store_read(p->store, call_job, call_done, &good), 0);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	assert_int_equal(write.err, -EROFS);
	assert_int_equal(endless.err, -ETIME);
	assert_int_equal(good.err, 0);
	assert_true(clock_ns() - begin < 60 * NS_PER_S);
}

static void backup_done(void *data, int err)
{
	*(int *)data = err;
}

static void test_backup_is_whole_and_never_overwrites(void **st)
{
	struct place *p = *st;
	char to[128], from[128];
	int err = 1;
	struct stat s;
	place_open(p);
	place_exec(p, "INSERT INTO journals VALUES (5, 1, 1)");
	place_path(p, "llmgw.db", from);
	place_path(p, "copy.db", to);
	assert_int_equal(store_backup(p->store, to, backup_done, &err), 0);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	assert_int_equal(err, 0);
	assert_int_equal(stat(to, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0600);
	assert_int_equal(store_backup(p->store, to, backup_done, &err), 0);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	assert_int_equal(err, -EEXIST);
	place_close(p);
	assert_int_equal(rename(to, from), 0);
	place_open(p);			/* the copy, in the place of the original */
	assert_int_equal(place_number(p, "SELECT epoch FROM journals"), 5);
}

/* ---- kills ---- */

static int told;

static void told_done(void *data, int err)
{
	if (!err && write(told, data, sizeof(int)) < 0)
		_exit(3);
	mem_free(data);
}

static int insert_job(struct store_db *db, void *data)
{
	struct sql *q = sql_query(db, "INSERT INTO journals VALUES (?, 0, 0)");
	sql_int(q, 1, *(int *)data);
	return sql_run(q);
}

/* Writes for ever and says what is durable. */
static void write_for_ever(struct place *p, int from)
{
	char why[256];
	uv_loop_init(&p->loop);
	if (store_open(p->dir, &p->loop, &p->store, why) != 0)
		_exit(4);
	for (int i = from;; i++) {
		int *n = mem_alloc(sizeof *n);
		*n = i;
		if (store_write(p->store, insert_job, told_done, n) != 0)
			_exit(5);
		if (i % 7 == 0)
			uv_run(&p->loop, UV_RUN_DEFAULT);
	}
}

/* Everything told is there; what is there is one unbroken run. */
static void test_kill_loses_nothing_told(void **st)
{
	struct place *p = *st;
	int last = 0;
	for (int k = 0; k < KILLS; k++) {
		int ends[2], n;
		assert_int_equal(pipe(ends), 0);
		pid_t pid = fork();
		if (pid == 0) {
			told = ends[1];
			write_for_ever(p, last + 1);
		}
		close(ends[1]);
		for (int i = 0; i < 40 + k * 17 && read(ends[0], &n, sizeof n) == sizeof n; i++)
			last = n;
		kill(pid, SIGKILL);
		while (read(ends[0], &n, sizeof n) == sizeof n)
			last = n;
		close(ends[0]);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		place_open(p);
		int64_t have = place_number(p, "SELECT max(epoch) FROM journals");
		assert_true(have >= last);
		assert_int_equal(place_number(p, "SELECT count(*) FROM journals"), have);
		last = (int)have;
		place_close(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_fresh_database_is_private_and_durable),
		T(test_one_master_a_directory),
		T(test_a_newer_schema_is_refused_and_left_alone),
		T(test_another_programs_database_is_refused),
		T(test_rubbish_is_refused),
		T(test_damage_after_a_crash_is_found),
		T(test_a_failed_job_is_undone_alone),
		T(test_close_runs_what_is_queued),
		T(test_nothing_begins_once_it_stops),
		T(test_no_memory_is_told_at_once),
		T(test_full_disk_and_its_end),
		T(test_reader_cannot_write_and_has_a_limit),
		T(test_backup_is_whole_and_never_overwrites),
		T(test_kill_loses_nothing_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
