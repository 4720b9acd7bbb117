/* SPDX-License-Identifier: MIT
 * store_copy.c - a consistent copy of the running database, by SQLite's backup API. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "master/store_db.h"
#include "master/store_sql.h"

static int copy_pages(struct store_db *from, sqlite3 *to)
{
	struct store_db target = { .db = to };
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from->db, "main");
	if (!b)
		return sql_errno(&target, sqlite3_errcode(to));
	/* In one step: the copy is of one moment, and the writer goes on beside it. */
	sqlite3_backup_step(b, -1);
	return sql_errno(&target, sqlite3_backup_finish(b));
}

static int sync_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return err;
}

int store_copy(struct store_db *from, const char *to)
{
	sqlite3 *db = NULL;
	int fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	int err = sqlite3_open_v2(to, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK ?
			  copy_pages(from, db) : -EIO;
	sqlite3_close(db);
	if (!err)
		err = sync_path(to);
	if (err)
		unlink(to);
	return err;
}
