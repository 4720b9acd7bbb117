/* SPDX-License-Identifier: MIT
 * state_restore.c - see state.h: the moves by which a database takes another's place.
 *
 * Each step looks at what is there, and does only what is missing: it may be done again after a
 * kill anywhere in it. What was moved is synced before the next step relies on it. */
#include "master/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READY "restore.ready"

enum { NAMES_MAX = 1000 };

static bool exists(int dirfd, const char *name)
{
	struct stat st;
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_folder(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static int remove_if(int dirfd, const char *name, int flags)
{
	return unlinkat(dirfd, name, flags) < 0 && errno != ENOENT ? -errno : 0;
}

int state_clear_part(int dirfd)
{
	static const char *const names[] = { STATE_NEW, STATE_NEW "-wal", STATE_NEW "-shm",
					     STATE_NEW "-journal" };
	int fd = open_folder(dirfd, STATE_PART), err = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	for (size_t i = 0; i < COUNT(names) && !err; i++)
		err = remove_if(fd, names[i], 0);
	close(fd);
	return err ? err : remove_if(dirfd, STATE_PART, AT_REMOVEDIR);
}

int state_commit(int dirfd)
{
	int fd = open_folder(dirfd, STATE_PART), err = fd < 0 ? fd : 0;
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (!err && renameat(dirfd, STATE_PART, dirfd, READY) < 0)
		err = -errno;
	return !err && fsync(dirfd) < 0 ? -errno : err;
}

/* What is in the folder already was moved before a kill; what has its name now is made anew, and
 * by nobody, for whoever takes the lock comes by here first. */
static int put_aside(int dirfd, int to, const char *name)
{
	if (!exists(dirfd, name))
		return 0;
	return renameat(dirfd, name, to, name) < 0 ? -errno : 0;
}

static int sync_both(int dirfd, int fd)
{
	return fsync(fd) < 0 || fsync(dirfd) < 0 ? -errno : 0;
}

/* The old log must be gone for good before the new database has the name that it belongs to. */
static int swap(int dirfd, int fd)
{
	static const char *const old[] = { STATE_DB, STATE_DB "-wal", STATE_DB "-shm", "journal" };
	int err = 0;
	for (size_t i = 0; i < COUNT(old) && !err; i++)
		err = put_aside(dirfd, fd, old[i]);
	if (!err)
		err = sync_both(dirfd, fd);
	if (!err && renameat(fd, STATE_NEW, dirfd, STATE_DB) < 0)
		err = -errno;
	return err ? err : sync_both(dirfd, fd);
}

/* replaced-20240131T120000Z, and with -2 and so on behind it where there is one already. */
static int name_kept(int dirfd, char out[STATE_NAME])
{
	char stamp[32];
	time_t now = time(NULL);
	struct tm t;
	if (!gmtime_r(&now, &t) || !strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &t))
		return -EINVAL;
	snprintf(out, STATE_NAME, "replaced-%s", stamp);
	for (int i = 2; i < NAMES_MAX && exists(dirfd, out); i++)
		snprintf(out, STATE_NAME, "replaced-%s-%d", stamp, i);
	return exists(dirfd, out) ? -EEXIST : 0;
}

static int close_folder(int dirfd, bool is_empty, char ret_kept[STATE_NAME])
{
	char name[STATE_NAME] = "";
	int err = is_empty ? remove_if(dirfd, READY, AT_REMOVEDIR) : name_kept(dirfd, name);
	if (!err && !is_empty && renameat(dirfd, READY, dirfd, name) < 0)
		err = -errno;
	if (!err && fsync(dirfd) < 0)
		err = -errno;
	if (!err)
		memcpy(ret_kept, name, sizeof name);
	return err;
}

int state_finish(int dirfd, char ret_kept[STATE_NAME])
{
	int fd = open_folder(dirfd, READY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	int err = exists(fd, STATE_NEW) ? swap(dirfd, fd) : 0;
	bool is_empty = !exists(fd, STATE_DB) && !exists(fd, "journal");
	close(fd);
	if (!err)
		err = close_folder(dirfd, is_empty, ret_kept);
	return err ? err : 1;
}
