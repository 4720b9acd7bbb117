/* SPDX-License-Identifier: MIT
 * store_open.c - getting at the database: the connections, the check, the migrations.
 *
 * The file is checked (quick_check) only when the last end was not a clean one: SQLite deletes
 * the -wal file when the last connection closes, so one that is there tells. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "master/embed.h"
#include "master/state.h"
#include "master/store_db.h"
#include "master/store_sql.h"

enum {
	BUSY_MS = 2000,
	CHECK_MS = 2000			/* of quick_check: a huge file is not read to its end */
};

static bool path_in(char out[4096], const char *dir, const char *name)
{
	int n = snprintf(out, 4096, "%s/%s", dir, name);
	return n > 0 && n < 4096;
}

/* Nothing here changes the file. */
static int set_up(struct store_db *d, bool is_writer)
{
	sqlite3_busy_timeout(d->db, BUSY_MS);
	sqlite3_extended_result_codes(d->db, 1);
	sqlite3_db_config(d->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	int err = sql_exec(d, "PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF;"
			      "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY");
	if (err)
		return err;
	return sql_exec(d, is_writer ? "PRAGMA cache_size=-16384" :
				       "PRAGMA cache_size=-4096; PRAGMA query_only=ON");
}

/* It is ours and well: from here on it may be written to. */
static int make_durable(struct store_db *w)
{
	sqlite3_db_config(w->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return sql_exec(w, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			   "PRAGMA journal_size_limit=67108864; PRAGMA wal_autocheckpoint=4000");
}

/* Creates it ourselves, so that it is never readable by others, not even for a moment. */
static int make_private(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int err = fchmod(fd, 0600) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static int connect_db(struct store_db *d, const char *path, bool is_writer, char reterr[256])
{
	int flags = SQLITE_OPEN_NOMUTEX | (is_writer ? SQLITE_OPEN_READWRITE :
					   SQLITE_OPEN_READONLY);
	int err = is_writer ? make_private(path) : 0;
	*d = (struct store_db){ 0 };
	if (!err) {
		int rc = sqlite3_open_v2(path, &d->db, flags, NULL);
		err = d->db ? sql_errno(d, rc) : -ENOMEM;
	}
	if (!err)
		err = set_up(d, is_writer);
	if (err) {
		state_say(reterr, "cannot open %s: %s; restore a backup, or move it away", path,
			  d->db ? sqlite3_errmsg(d->db) : strerror(-err));
		store_db_close(d);
	}
	return err;
}

static int on_check_progress(void *data)
{
	struct store_db *d = data;
	d->is_timed_out = clock_ns() > d->deadline_ns;
	return d->is_timed_out;
}

/* 0: well, or too large to be read whole now. */
static int quick_check(struct store_db *d, const char *path, char reterr[256])
{
	d->deadline_ns = clock_ns() + CHECK_MS * NS_PER_MS;
	d->is_timed_out = false;
	sqlite3_progress_handler(d->db, 10000, on_check_progress, d);
	struct sql *q = sql_dynamic(d, "PRAGMA quick_check(1)");
	int r = sql_row(q);
	bool is_well = r > 0 ? str_eq(sql_get_text(q, 0), STR("ok")) : d->is_timed_out;
	if (!is_well)
		state_say(reterr, "%s is damaged (%.80s): restore a backup, or try `sqlite3 "
			  "llmgw.db .recover`; nothing was changed", path,
			  r > 0 ? sql_get_text(q, 0).p : sqlite3_errmsg(d->db));
	sql_end(q);
	sqlite3_progress_handler(d->db, 0, NULL, NULL);
	return is_well ? 0 : -EIO;
}

/* An empty file is ours to fill; another program's is not. */
static int check_owner(struct store_db *d, const char *path, char reterr[256])
{
	struct sql *q = sql_dynamic(d, "SELECT (SELECT application_id FROM pragma_application_id), "
				       "(SELECT count(*) FROM sqlite_schema)");
	int r = sql_row(q);
	int64_t id = r > 0 ? sql_get_int(q, 0) : 0, tables = r > 0 ? sql_get_int(q, 1) : 0;
	sql_end(q);
	if (r < 0) {
		state_say(reterr, "%s cannot be read (%s): restore a backup, or move it away", path,
			  sqlite3_errmsg(d->db));
		return r;
	}
	if (id == STORE_APPLICATION_ID || (id == 0 && tables == 0))
		return 0;
	state_say(reterr, "%s is a database of another program: move it away", path);
	return -EINVAL;
}

int store_db_open_writer(struct store_db *w, const char *dir, char reterr[256])
{
	char path[4096], wal[4096];
	struct stat st;
	/* Nobody asks how much memory SQLite has, and counting takes a lock at each allocation. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (!path_in(path, dir, "llmgw.db") || !path_in(wal, dir, "llmgw.db-wal"))
		return state_say(reterr, "the state directory's name is too long"), -ENAMETOOLONG;
	bool was_killed = stat(wal, &st) == 0 && st.st_size > 0;
	int err = connect_db(w, path, true, reterr);
	if (err)
		return err;
	err = check_owner(w, path, reterr);
	if (!err && was_killed)
		err = quick_check(w, path, reterr);
	if (!err)
		err = store_migrate(w, reterr);
	if (!err && (err = store_audit_start(w)) != 0)
		state_say(reterr, "%s cannot be watched for the audit log: %s", path,
			  sqlite3_errmsg(w->db));
	if (err)
		store_db_close(w);
	return err;
}

int store_db_open_reader(struct store_db *r, const char *dir, char reterr[256])
{
	char path[4096];
	if (!path_in(path, dir, "llmgw.db"))
		return state_say(reterr, "the state directory's name is too long"), -ENAMETOOLONG;
	return connect_db(r, path, false, reterr);
}

void store_db_close(struct store_db *d)
{
	for (size_t i = 0; i < SQL_CACHED; i++)
		sqlite3_finalize(d->cache[i].stmt);
	sqlite3_finalize(d->once.stmt);
	sqlite3_close(d->db);
	store_audit_stop(d);
	*d = (struct store_db){ 0 };
}

static int schema_version(struct store_db *w, int64_t *ret)
{
	struct sql *q = sql_dynamic(w, "SELECT user_version FROM pragma_user_version");
	int r = sql_row(q);
	if (r > 0)
		*ret = sql_get_int(q, 0);
	sql_end(q);
	return r < 0 ? r : 0;
}

static int apply(struct store_db *w, unsigned number, struct str text)
{
	char done[160];
	/* embedded texts end with a NUL; pragmas are part of the transaction */
	snprintf(done, sizeof done, "PRAGMA application_id=%d; PRAGMA user_version=%u",
		 STORE_APPLICATION_ID, number);
	int err = sql_exec(w, "BEGIN IMMEDIATE");
	if (!err)
		err = sql_exec(w, text.p);
	if (!err)
		err = sql_exec(w, done);
	if (!err)
		err = sql_exec(w, "COMMIT");
	return err;
}

unsigned store_schema_known(void)
{
	unsigned newest = 0;
	while (embed_migration(newest + 1).p)
		newest++;
	return newest;
}

int store_migrate(struct store_db *w, char reterr[256])
{
	int64_t have = 0;
	unsigned newest = store_schema_known();
	int err = schema_version(w, &have);
	if (!err && have > (int64_t)newest) {
		state_say(reterr,
			  "the database has schema %lld, this llmgw knows up to %u: install the "
			  "newer llmgw again, or restore a backup of its time",
			  (long long)have, newest);
		return -EPROTONOSUPPORT;
	}
	if (!err)
		err = make_durable(w);
	for (unsigned n = (unsigned)have + 1; !err && n <= newest; n++)
		err = apply(w, n, embed_migration(n));
	if (err) {
		state_say(reterr, "cannot bring the database to schema %u: %.160s", newest,
			  sqlite3_errmsg(w->db));
		if (!sqlite3_get_autocommit(w->db) && sql_exec(w, "ROLLBACK"))
			return -EIO;
	}
	return err;
}
