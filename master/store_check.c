/* SPDX-License-Identifier: MIT
 * store_check.c - see store_check.h. Nothing in the file is trusted: it may be anybody's. */
#include "master/store_check.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/audit.h"
#include "master/embed.h"
#include "master/store_db.h"
#include "master/store_sql.h"
#include "master/state.h"

enum { STEPS = 10000, AUDIT_STEP = 1000, URI_ROOM = 3 * 4096 + 32 };

struct check {
	struct store_db db;
	struct store_check *c;
	char *why;
};

static int on_progress(void *data)
{
	const struct store_check *c = data;
	c->tick(c->data);
	return 0;
}

static int refuse(struct check *k, int err, const char *what)
{
	state_say(k->why, "%.120s %s", k->c->name, what);
	return err;
}

/* What SQLite itself complains of. */
static int unreadable(struct check *k, int err)
{
	state_say(k->why, "%.100s is damaged or no database (%.60s): take another backup", k->c->name,
		  k->db.db ? sqlite3_errmsg(k->db.db) : strerror(-err));
	return err;
}

static int one_number(struct check *k, const char *text, int64_t *ret)
{
	struct sql *q = sql_dynamic(&k->db, text);
	int r = sql_row(q);
	if (r > 0)
		*ret = sql_get_int(q, 0);
	sql_end(q);
	return r < 0 ? unreadable(k, r) : 0;
}

static int check_owner(struct check *k)
{
	int64_t id = 0, newest = 0;
	int err = one_number(k, "SELECT application_id FROM pragma_application_id", &id);
	if (!err)
		err = one_number(k, "SELECT user_version FROM pragma_user_version", &k->c->schema);
	if (err)
		return err;
	while (embed_migration((unsigned)newest + 1).p)
		newest++;
	k->c->newest_schema = newest;
	if (id != STORE_APPLICATION_ID || k->c->schema < 1)
		return refuse(k, -EINVAL, "is not a database of llmgw: name a file that "
			      "`llmgwctl backup` has made");
	if (k->c->schema > newest) {
		state_say(k->why, "%.90s has schema %lld, this llmgw knows up to %lld: install the "
			  "llmgw that made it, or a newer one", k->c->name,
			  (long long)k->c->schema, (long long)newest);
		return -EPROTONOSUPPORT;
	}
	return 0;
}

/* SQLite's own check of all pages and indices gives "ok", or what is wrong; that of references
 * gives no row, or one for each that points nowhere. */
static int check_pragma(struct check *k, const char *pragma, const char *good)
{
	struct sql *q = sql_dynamic(&k->db, pragma);
	int r = sql_row(q);
	struct str said = r > 0 ? sql_get_text(q, 0) : STR("");
	bool is_well = good ? r > 0 && str_eq_z(said, good) : r == 0;
	if (r >= 0 && !is_well)
		state_say(k->why, "%.90s is damaged (%.80s): take another backup", k->c->name,
			  said.p ? said.p : "");
	sql_end(q);
	if (r < 0)
		return unreadable(k, r);
	return is_well ? 0 : -EBADMSG;
}

static int check_audit(struct check *k)
{
	struct audit_walk w = { 0 };
	int64_t has = 0;
	int n = one_number(k, "SELECT count(*) FROM sqlite_schema WHERE name = 'audit'", &has);
	if (n || !has)
		return n;
	do
		n = audit_walk_rows(&k->db, &w, AUDIT_STEP);
	while (n == AUDIT_STEP && !w.broken);
	k->c->audit_rows = w.rows;
	if (n < 0)
		return unreadable(k, n);
	if (!w.broken)
		return 0;
	state_say(k->why, "%.60s: its audit log was altered at row %lld: %.80s", k->c->name,
		  (long long)w.rows + 1, w.broken);
	return -EBADMSG;
}

static int check_all(struct check *k)
{
	if (k->c->tick)
		sqlite3_progress_handler(k->db.db, STEPS, on_progress, k->c);
	int err = sql_exec(&k->db, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
				   "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY");
	if (err)
		return unreadable(k, err);
	err = check_owner(k);
	if (!err)
		err = check_pragma(k, "PRAGMA integrity_check(1)", "ok");
	if (!err)
		err = check_pragma(k, "PRAGMA foreign_key_check", NULL);
	if (!err)
		err = check_audit(k);
	if (!err)
		err = one_number(k, "SELECT count(*) FROM keys", &k->c->keys);
	if (!err)
		err = one_number(k, "SELECT max(start_ns) FROM spend_logs", &k->c->last_request_ns);
	return err;
}

static int open_db(struct check *k, const char *uri, int flags)
{
	int rc = sqlite3_open_v2(uri, &k->db.db, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return unreadable(k, k->db.db ? sql_errno(&k->db, rc) : -ENOMEM);
	sqlite3_extended_result_codes(k->db.db, 1);
	sqlite3_db_config(k->db.db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(k->db.db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	return 0;
}

static bool has_beside(const char *path, const char *suffix)
{
	char name[4200];
	struct stat st;
	snprintf(name, sizeof name, "%s%s", path, suffix);
	return stat(name, &st) == 0 && st.st_size > 0;
}

/* immutable: so that a file in a folder that we may not write to can be read, and none is left
 * beside it. What a -wal holds would not be seen then. */
static void put_uri(const char *path, char out[URI_ROOM])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 5;
	memcpy(out, "file:", 5);
	for (const char *p = path; *p && n < URI_ROOM - 32; p++) {
		unsigned char c = (unsigned char)*p;
		if (strchr("?#%", c) || c < ' ') {
			out[n++] = '%';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		} else {
			out[n++] = (char)c;
		}
	}
	snprintf(out + n, URI_ROOM - n, "%s",
		 has_beside(path, "-wal") ? "?mode=ro" : "?mode=ro&immutable=1");
}

int store_check_file(const char *path, struct store_check *c, char reterr[256])
{
	struct check k = { .c = c, .why = reterr };
	char uri[URI_ROOM];
	put_uri(path, uri);
	int err = open_db(&k, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
	if (!err)
		err = check_all(&k);
	store_db_close(&k.db);
	return err;
}

static int note_restore(struct check *k)
{
	char by[32], args[128];
	struct audit_row row = {
		.key_hash = STR(""), .role = STR("proxy_admin"), .address = STR(""),
		.command = STR("restore"), .action = STR("ran"), .table_name = STR(""),
		.object_id = STR("restore"),
	};
	snprintf(by, sizeof by, "uid %u", (unsigned)getuid());
	snprintf(args, sizeof args, "{\"schema\":%lld,\"audit_rows\":%lld}",
		 (long long)k->c->schema, (long long)k->c->audit_rows);
	row.changed_by = str_z(by);
	row.after = str_z(args);
	return audit_row_append(&k->db, &row);
}

/* One file, with nothing beside it that belongs to it. */
static int make_single(struct check *k)
{
	int64_t has = 0;
	int err = one_number(k, "SELECT count(*) FROM sqlite_schema WHERE name = 'audit'", &has);
	if (!err && has)
		err = note_restore(k);
	if (!err)
		err = check_pragma(k, "PRAGMA journal_mode=DELETE", "delete");
	return err;
}

int store_check_copy(const char *path, struct store_check *c, char reterr[256])
{
	struct check k = { .c = c, .why = reterr };
	int err = open_db(&k, path, SQLITE_OPEN_READWRITE);
	if (!err)
		err = check_all(&k);
	if (!err)
		err = make_single(&k);
	store_db_close(&k.db);
	if (!err && (has_beside(path, "-wal") || has_beside(path, "-journal")))
		err = refuse(&k, -EIO, "could not be brought into one file");
	return err;
}
