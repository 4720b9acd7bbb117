/* SPDX-License-Identifier: MIT
 * store_look.c - the database as the doctor sees it: whole? of which release? copied when?
 *
 * Nothing is written: where no gateway has it open it is read as a file that nobody changes, so
 * that no file appears beside it. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "master/state.h"
#include "master/store.h"
#include "master/store_db.h"
#include "master/store_sql.h"

enum { LOOK_MS = 5000, PATH_ROOM = 4096 + 64 };

const char *store_library_version(void)
{
	return sqlite3_libversion();
}

static int open_as_it_is(struct store_db *d, const char *dir, char reterr[256])
{
	char path[PATH_ROOM], uri[3 * PATH_ROOM + 32];
	struct stat st;
	struct buf escaped;
	snprintf(path, sizeof path, "%s/llmgw.db-wal", dir);
	bool is_open = stat(path, &st) == 0;
	buf_init(&escaped, 3 * PATH_ROOM);
	buf_put_path(&escaped, str_z(dir));
	const char *z = buf_z(&escaped);
	snprintf(uri, sizeof uri, "file:%s/llmgw.db?mode=ro%s", z ? z : "",
		 is_open ? "" : "&immutable=1");
	buf_done(&escaped);
	int rc = sqlite3_open_v2(uri, &d->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI |
				 SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK)
		return sqlite3_busy_timeout(d->db, LOOK_MS) == SQLITE_OK ? 0 : -EIO;
	state_say(reterr, "%s/llmgw.db cannot be opened: %.80s", dir,
		  d->db ? sqlite3_errmsg(d->db) : "no memory");
	return -EIO;
}

static int on_progress(void *data)
{
	struct store_db *d = data;
	d->is_timed_out = clock_ns() > d->deadline_ns;
	return d->is_timed_out;
}

/* A number, 0 for NULL. */
static int ask(struct store_db *d, const char *text, int64_t *ret)
{
	struct sql *q = sql_dynamic(d, text);
	int r = sql_row(q);
	if (r > 0)
		*ret = sql_get_int(q, 0);
	sql_end(q);
	return r < 0 ? r : 0;
}

static int check(struct store_db *d, char reterr[256])
{
	d->deadline_ns = clock_ns() + LOOK_MS * NS_PER_MS;
	sqlite3_progress_handler(d->db, 10000, on_progress, d);
	struct sql *q = sql_dynamic(d, "PRAGMA quick_check(1)");
	int r = sql_row(q);
	bool is_well = r > 0 ? str_eq(sql_get_text(q, 0), STR("ok")) : d->is_timed_out;
	if (!is_well)
		state_say(reterr, "it is damaged: %.120s",
			  r > 0 ? sql_get_text(q, 0).p : sqlite3_errmsg(d->db));
	sql_end(q);
	sqlite3_progress_handler(d->db, 0, NULL, NULL);
	return is_well ? 0 : -EIO;
}

int store_look(const char *dir, struct store_condition *ret, char reterr[256])
{
	struct store_db *d = mem_alloc(sizeof *d);
	int64_t schema = 0, backup = 0, first = 0;
	if (!d)
		return -ENOMEM;
	int err = open_as_it_is(d, dir, reterr);
	if (!err)
		err = check(d, reterr);
	if (!err && (err = ask(d, "SELECT user_version FROM pragma_user_version", &schema)) < 0)
		state_say(reterr, "it cannot be read: %.120s", sqlite3_errmsg(d->db));
	/* An older schema has no such table, which is no fault of its own. */
	if (!err && ask(d, "SELECT max(at) FROM audit WHERE command = 'backup'", &backup) == 0)
		(void)ask(d, "SELECT min(at) FROM audit", &first);
	if (!err)
		*ret = (struct store_condition){ (unsigned)schema, store_schema_known(),
						 (uint64_t)backup, (uint64_t)first,
						 d->is_timed_out };
	store_db_close(d);
	mem_free(d);
	return err;
}
