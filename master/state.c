/* SPDX-License-Identifier: MIT
 * state.c - see state.h: where the state directory is, and its lock. */
#include "master/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

enum { LOCK_MS = 3000 };

void state_say(char reterr[256], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(reterr, 256, fmt, ap);
	va_end(ap);
}

void state_find(char out[4096], const char *given, const char *env, const char *system)
{
	const char *home = getenv("HOME"), *v = getenv(env);
	if (given)
		snprintf(out, 4096, "%s", given);
	else if (v && v[0])
		snprintf(out, 4096, "%.*s", (int)strcspn(v, ":"), v);
	else if (access(system, W_OK) == 0)
		snprintf(out, 4096, "%s", system);
	else
		snprintf(out, 4096, "%s/.local/state/llmgw", home ? home : "/tmp");
}

/* ---- the lock ---- */

static long lock_owner(int fd)
{
	char text[24] = { 0 };
	uint64_t pid = 0;
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	struct str s = str_of(text, n > 0 ? (size_t)n : 0);
	return str_read_u64(str_cut(&s, '\n'), &pid) == 0 ? (long)pid : 0;
}

static void lock_sign(int fd)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return;			/* only the message of the next one suffers */
}

/* A master that is killed while it starts a worker leaves a child that has the lock until it has
 * become that worker: a moment, when its owner does not live any more. */
static int take_lock(int fd)
{
	const struct timespec pause = { .tv_nsec = 10 * (long)NS_PER_MS };
	uint64_t until = clock_ns() + LOCK_MS * NS_PER_MS;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		long owner = lock_owner(fd);
		if (!owner || kill((pid_t)owner, 0) == 0 || errno != ESRCH || clock_ns() > until)
			return -EBUSY;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int state_lock(const char *dir, char reterr[256])
{
	char path[4096];
	int n = snprintf(path, sizeof path, "%s/llmgw.lock", dir);
	if (n < 0 || n >= (int)sizeof path)
		return state_say(reterr, "the state directory's name is too long"), -ENAMETOOLONG;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		int err = -errno;
		state_say(reterr, "cannot open %s: %s; does the directory exist and belong to us?",
			  path, strerror(-err));
		return err;
	}
	int err = take_lock(fd);
	if (err < 0) {
		state_say(reterr, "%s is held by process %ld: stop that llmgw, or choose another "
			  "state directory", path, lock_owner(fd));
		close(fd);
		return err;
	}
	lock_sign(fd);
	return fd;
}

/* ---- workers that live on ---- */

int state_writer(int journal_dirfd, const char *name)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = openat(journal_dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC), pid = 0;
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		pid = lock.l_pid > 0 ? lock.l_pid : -1;
	close(fd);
	return pid;
}

int state_any_writer(int dirfd)
{
	int fd = openat(dirfd, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC), pid = 0;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	if (!d) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (!pid && (e = readdir(d)))
		if (str_ends(str_z(e->d_name), STR(".j")))
			pid = state_writer(fd, e->d_name);
	closedir(d);
	return pid;
}
