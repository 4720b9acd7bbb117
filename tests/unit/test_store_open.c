/* SPDX-License-Identifier: MIT
 * test_store_open.c - migrations: killed before any of their statements, and begun anew.
 *
 * What each of them makes of rows of its time is shown by tests/live/test_ages.py. */
#include "money_fixture.h"

#include <signal.h>
#include <sqlite3.h>

#include "master/embed.h"
#include "master/store_db.h"

enum { OLDEST = 1, BYTES_MAX = 4 << 20 };

static char image[BYTES_MAX];		/* the old database */
static ssize_t image_bytes;

static int setup(void **st)
{
	static struct place p;
	assert_int_equal(hash_init(), 0);
	place_make(&p);
	/* A kill takes nothing from the kernel: hundreds of flushes to a disk would show nothing. */
	assert_int_equal(rmdir(p.dir), 0);
	snprintf(p.dir, sizeof p.dir, "/dev/shm/llmgw-test-XXXXXX");
	if (!mkdtemp(p.dir))
		fail_msg("%s: %s", p.dir, strerror(errno));
	*st = &p;
	return 0;
}

static int teardown(void **st)
{
	place_remove(*st);
	return 0;
}

static void run_text(sqlite3 *db, const char *text)
{
	char *why = NULL;
	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s", why);
}

static void read_file(const char *path, char *to, ssize_t room, ssize_t *ret)
{
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	*ret = read(fd, to, (size_t)room);
	assert_true(*ret > 0 && *ret < room);
	close(fd);
}

/* What programs of the ages 1 to `age` have left, one after the other. */
static void make_old(const struct place *p, unsigned age)
{
	static char rows[1 << 16];
	char path[512], stamp[128];
	sqlite3 *db;
	place_path(p, "llmgw.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	run_text(db, "PRAGMA synchronous = OFF");
	for (unsigned n = 1; n <= age; n++) {
		ssize_t bytes;
		char file[512];
		snprintf(file, sizeof file, TEST_SOURCE_ROOT "/tests/ages/%04u.sql", n);
		read_file(file, rows, sizeof rows, &bytes);
		rows[bytes] = 0;
		run_text(db, embed_migration(n).p);
		run_text(db, rows);
	}
	snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %u",
		 STORE_APPLICATION_ID, age);
	run_text(db, stamp);
	sqlite3_close(db);
	read_file(path, image, sizeof image, &image_bytes);
}

static void lay_old(const struct place *p)
{
	static const char *const rest[] = { "llmgw.db-wal", "llmgw.db-shm" };
	char path[128];
	for (size_t i = 0; i < COUNT(rest); i++) {
		place_path(p, rest[i], path);
		unlink(path);
	}
	place_path(p, "llmgw.db", path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, image, (size_t)image_bytes), image_bytes);
	close(fd);
}

/* ---- who is killed ---- */

static unsigned left;			/* statements until then */

static int on_statement(unsigned what, void *data, void *stmt, void *text)
{
	(void)what, (void)data, (void)stmt, (void)text;
	if (left-- == 0)
		kill(getpid(), SIGKILL);
	return 0;
}

static int on_open(sqlite3 *db, const char **reterr, const void *api)
{
	(void)reterr, (void)api;
	return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_statement, NULL);
}

/* False: it has come to its end before. */
static bool killed_before(const struct place *p, unsigned statement)
{
	int how;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store_db db;
		char why[256];
		left = statement;
		sqlite3_auto_extension((void (*)(void))on_open);
		int err = store_db_open_writer(&db, p->dir, why);
		sqlite3_reset_auto_extension();
		_exit(err ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how) ? WEXITSTATUS(how) == 0 : WTERMSIG(how) == SIGKILL);
	return WIFSIGNALED(how);
}

static uint64_t all_of(struct place *p)
{
	struct place_dump d = { .sql = "SELECT type || name || sql FROM sqlite_schema "
				       "WHERE sql <> '' ORDER BY 1" };
	assert_int_equal(store_write_wait(p->store, place_dump_job, &d), 0);
	assert_int_equal(place_number(p, "SELECT integrity_check = 'ok' FROM "
					 "pragma_integrity_check"), 1);
	return d.hash ^ place_fingerprint(p);
}

static int64_t version(const struct place *p)
{
	char path[128];
	sqlite3 *db;
	sqlite3_stmt *q;
	place_path(p, "llmgw.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	int64_t v = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return v;
}

/* Each start is killed one statement later than the one before, so that each place is met, also
 * one start after the other on the same database, until it comes to its end. */
static void test_killed_in_a_migration(void **st)
{
	struct place *p = *st;
	unsigned kills = 0, newest = store_schema_known();
	int64_t before = OLDEST;
	make_old(p, OLDEST);
	place_open(p);
	uint64_t whole = all_of(p);
	place_close(p);
	for (bool is_over = false; !is_over; kills++) {
		lay_old(p);
		is_over = !killed_before(p, kills);
		int64_t now = version(p);
		assert_true(now >= before && now <= before + 1);
		before = now;
		if (kills % 16 && !is_over)
			continue;
		assert_true(killed_before(p, 12) && version(p) >= now);
		place_open(p);
		assert_true(all_of(p) == whole);
		place_close(p);
	}
	assert_int_equal(before, newest);
	assert_true(kills > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_killed_in_a_migration, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
