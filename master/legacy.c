/* SPDX-License-Identifier: MIT
 * legacy.c - see legacy.h. */
#include "master/legacy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/board.h"
#include "common/journal.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "master/ledger.h"
#include "master/state.h"

enum { NAME_ROOM = 64, FOUND_MAX = 4 * BOARD_WORKERS, KILL_MS = 2000 };
enum { NOTICE_MS = 3000, PAUSE_MS = 5 };	/* an orphan's time to notice that it is one */

struct found {				/* a journal file */
	unsigned slot;
	uint64_t epoch;
	int pid;			/* who writes it; 0 = nobody any more */
};

/* ---- files ---- */

static void file_name(char out[NAME_ROOM], unsigned slot, uint64_t epoch)
{
	snprintf(out, NAME_ROOM, "%u-%016" PRIx64 ".j", slot, epoch);
}

/* "3-0123456789abcdef.j" */
static bool read_name(const char *name, struct found *ret)
{
	char same[NAME_ROOM];
	if (sscanf(name, "%u-%16" SCNx64 ".j", &ret->slot, &ret->epoch) != 2)
		return false;
	file_name(same, ret->slot, ret->epoch);
	return strcmp(name, same) == 0 && ret->slot < BOARD_WORKERS;
}

/* Those of living writers first. How many, or -errno. */
static int list_files(int dirfd, struct found *out)
{
	int n = 0, fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	if (!d)
		return -errno;
	while ((e = readdir(d)) != NULL && n < FOUND_MAX) {
		struct found f = { 0 };
		if (!read_name(e->d_name, &f))
			continue;
		f.pid = state_writer(dirfd, e->d_name);
		out[n++] = f;
		for (int i = n - 1; f.pid && i > 0 && !out[i - 1].pid; i--) {
			out[i] = out[i - 1];
			out[i - 1] = f;
		}
	}
	closedir(d);
	return n;
}

/* ---- processes ---- */

static int open_pid(int pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Nobody but root looks into a worker before it has noticed that its master is gone. */
static int open_board(int pid, int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	char path[64];
	int fd, waited_ms = 0;
	snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, FD_BOARD);
	while ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0 && (errno == EACCES || errno == EPERM) &&
	       waited_ms < NOTICE_MS && poll(&end, 1, PAUSE_MS) == 0)
		waited_ms += PAUSE_MS;
	return fd;
}

/* The board of a living worker: sealed, or it could be cut under our feet. -1: not to be had. */
static int board_of(int pid, int pidfd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
	struct board b;
	int fd = open_board(pid, pidfd), have = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;
	if (have >= 0 && (have & seals) == seals && board_map(fd, &b) == 0) {
		board_unmap(&b);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool is_same_file(int a, int b)
{
	struct stat x, y;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Its requests are booked as cut then. */
static int end_orphan(const struct found *f, int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	LOG(LOG_WARN, "worker.orphan_killed", F_INT("slot", f->slot), F_INT("pid", f->pid));
	kill(f->pid, SIGKILL);
	return poll(&p, 1, KILL_MS) == 1 ? 0 : -EBUSY;
}

/* ---- taking over ---- */

static const struct supervise_legacy *in_slot(const struct upgrade_state *s, unsigned slot)
{
	for (uint32_t i = 0; i < s->n_workers; i++)
		if (s->workers[i].slot == slot)
			return &s->workers[i];
	return NULL;
}

static void add(struct upgrade_state *s, const struct found *f, int pidfd)
{
	s->workers[s->n_workers++] = (struct supervise_legacy){
		.pid = pidfd < 0 ? 0 : f->pid, .link_fd = -1, .pidfd = pidfd, .slot = f->slot,
		.epoch = f->epoch,
	};
}

static int take_orphan(struct upgrade_state *s, struct found *f, int dirfd)
{
	char name[NAME_ROOM];
	int pidfd = f->pid > 0 ? open_pid(f->pid) : -1, fd, err;
	file_name(name, f->slot, f->epoch);
	if (state_writer(dirfd, name) != f->pid || (pidfd < 0 && errno == ESRCH)) {
		f->pid = 0;			/* it ended just now */
		if (pidfd >= 0)
			close(pidfd);
		return 0;
	}
	if (pidfd < 0) {
		LOG(LOG_ERROR, "worker.orphan_unknown", F_Z("journal", name), F_INT("pid", f->pid));
		return -EBUSY;
	}
	fd = board_of(f->pid, pidfd);
	if (s->board_fd < 0 && fd >= 0) {
		s->board_fd = fd;
		fd = -1;
	} else if (fd < 0 || !is_same_file(fd, s->board_fd) || in_slot(s, f->slot)) {
		err = end_orphan(f, pidfd);
		f->pid = 0;
		close(pidfd);
		if (fd >= 0)
			close(fd);
		return err;
	}
	if (fd >= 0)
		close(fd);
	LOG(LOG_INFO, "worker.orphan", F_INT("slot", f->slot), F_INT("pid", f->pid));
	add(s, f, pidfd);
	return 0;
}

/* A board of another layout is of no use; who writes to it may finish all the same. */
static void check_board(struct upgrade_state *s)
{
	struct board b;
	if (s->board_fd < 0)
		return;
	if (s->board_layout == BOARD_LAYOUT && board_map(s->board_fd, &b) == 0) {
		board_unmap(&b);
		return;
	}
	close(s->board_fd);
	s->board_fd = -1;
	for (uint32_t i = 0; i < s->n_workers; i++)
		s->workers[i].is_blind = 1;
}

/* Children of the last image: one that has ended meanwhile still waits to be reaped. */
static int open_children(struct upgrade_state *s)
{
	for (uint32_t i = 0; i < s->n_workers; i++) {
		struct supervise_legacy *w = &s->workers[i];
		w->pidfd = open_pid(w->pid);
		if (w->pidfd >= 0)
			continue;
		if (errno != ESRCH)
			return -errno;
		w->pid = 0;
		if (w->link_fd >= 0)
			close(w->link_fd);
		w->link_fd = -1;
	}
	return 0;
}

static bool is_listed(const struct upgrade_state *s, const struct found *f)
{
	const struct supervise_legacy *w = in_slot(s, f->slot);
	return w && w->epoch == f->epoch;
}

int legacy_find(struct upgrade_state *s, int journal_dirfd, bool *ret_crashed)
{
	static struct found found[FOUND_MAX];
	int n = list_files(journal_dirfd, found), err = n < 0 ? n : open_children(s);
	check_board(s);
	*ret_crashed = n > 0;
	for (int i = 0; i < n && !err; i++)
		if (found[i].pid && !is_listed(s, &found[i]) && s->n_workers < BOARD_WORKERS)
			err = take_orphan(s, &found[i], journal_dirfd);
	if (s->board_fd < 0)
		return err;
	for (int i = 0; i < n && !err; i++)
		if (!found[i].pid && !in_slot(s, found[i].slot) && s->n_workers < BOARD_WORKERS)
			add(s, &found[i], -1);
	return err;
}

void legacy_attach(struct upgrade_state *s, int journal_dirfd, struct ledger *l)
{
	for (uint32_t i = 0; i < s->n_workers; i++) {
		struct journal *j = NULL;
		char name[NAME_ROOM];
		file_name(name, s->workers[i].slot, s->workers[i].epoch);
		int fd = openat(journal_dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && journal_map(fd, false, &j) == 0)
			ledger_attach(l, s->workers[i].slot, j);
	}
}
