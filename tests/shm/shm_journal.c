/* SPDX-License-Identifier: MIT
 * shm_journal.c - a journal's writer is killed at random, again and again.
 *
 * Every record that was acknowledged is read, in order, once, as it was written; at most one
 * more, whose acknowledgement the kill prevented. A next writer goes on in the same file, in a
 * fresh one, or in one whose places still hold the records of an older epoch, none of which may
 * ever be read again. The parent reads while the child writes, and gives places free.
 *
 * usage: shm_journal [seconds [seed]] */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/journal.h"

enum { RING = 256, SLOT = 2, FILE_BYTES = JOURNAL_HEAD + RING * 256 };

struct shared {
	_Atomic uint64_t acknowledged, committed;
};
struct file {
	char name[48];
	uint64_t epoch, read;		/* read: the last record that was read in order */
	int fd;
};

static struct shared *shared;
static int dirfd_;
static uint64_t state, total, kills, recycled;

static uint64_t random_below(uint64_t n)
{
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % n;
}

/* Every byte depends on epoch and number. */
static struct journal_record record_of(uint64_t epoch, uint64_t seq)
{
	struct journal_record r;
	uint64_t v = epoch ^ seq, *words = (uint64_t *)(void *)&r;

	for (size_t i = 0; i < sizeof r / sizeof v; i++)
		words[i] = v = (v ^ (v >> 29)) * UINT64_C(0xbf58476d1ce4e5b9) + i;
	r.kind = JOURNAL_SETTLE;
	return r;
}

/* -- the writer -- */

static void *flush_for_ever(void *arg)
{
	struct journal *j = arg;

	for (;;) {
		MUST(journal_flush(j) == 0);
		usleep(5000);
	}
	return NULL;
}

static _Noreturn void write_for_ever(const struct file *f)
{
	struct journal *j;
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	MUST(journal_map(dup(f->fd), true, &j) == 0);
	MUST(journal_last(j) == f->read);
	MUST(pthread_create(&thread, NULL, flush_for_ever, j) == 0);
	for (;;) {
		struct journal_record r = record_of(f->epoch, journal_last(j) + 1);

		if (journal_room(j, atomic_load(&shared->committed)))
			atomic_store(&shared->acknowledged, journal_append(j, &r));
		else
			usleep(100);
	}
}

/* -- the reader -- */

static bool read_next(const struct journal *j, struct file *f, int *ret_err)
{
	struct journal_record r, want = record_of(f->epoch, f->read + 1);

	*ret_err = journal_read(j, f->read + 1, &r);
	if (*ret_err)
		return true;
	if (r.seq != f->read + 1 || memcmp(&r.kind, &want.kind, sizeof r - 12)) {
		printf("FAIL record %ju is not what was written\n", (uintmax_t)f->read + 1);
		return false;
	}
	f->read++;
	total++;
	return true;
}

/* In a recycled file a stale record may stand where the next one will; its sum betrays it. */
static bool is_none(int err, bool is_recycled)
{
	return err == -ENOENT || (is_recycled && err == -EBADMSG);
}

static bool read_all(const struct journal *j, struct file *f, bool is_recycled)
{
	int err = 0;

	while (!err)
		if (!read_next(j, f, &err))
			return false;
	if (!is_none(err, is_recycled))
		printf("FAIL reading %ju: %d\n", (uintmax_t)f->read + 1, err);
	atomic_store(&shared->committed, f->read);
	return is_none(err, is_recycled);
}

static bool none_beyond(const struct journal *j, const struct file *f)
{
	struct journal_record r;

	for (uint64_t i = 1; i <= 2 * RING; i++) {
		if (journal_read(j, f->read + i, &r))
			continue;
		printf("FAIL a stale record %ju was read\n", (uintmax_t)(f->read + i));
		return false;
	}
	return true;
}

/* A writer's life and what it leaves. */
static bool one_life(struct file *f, bool is_recycled)
{
	uint64_t end = clock_ns() + random_below(8 * NS_PER_MS), acknowledged;
	struct journal *j;
	pid_t pid;
	bool is_right = true;

	atomic_store(&shared->acknowledged, f->read);
	atomic_store(&shared->committed, f->read);
	MUST(journal_map(dup(f->fd), false, &j) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (!pid)
		write_for_ever(f);
	while (is_right && clock_ns() < end)
		is_right = read_all(j, f, is_recycled);
	kill(pid, SIGKILL);
	MUST(waitpid(pid, NULL, 0) == pid);
	kills++;
	acknowledged = atomic_load(&shared->acknowledged);
	is_right = is_right && read_all(j, f, is_recycled) && none_beyond(j, f);
	if (is_right && (f->read < acknowledged || f->read > acknowledged + 1)) {
		printf("FAIL %ju acknowledged, %ju read\n", (uintmax_t)acknowledged,
		       (uintmax_t)f->read);
		is_right = false;
	}
	journal_free(j);
	return is_right;
}

/* -- files -- */

static void make_file(struct file *f)
{
	do
		f->epoch = random_below(UINT64_MAX);
	while ((uint32_t)f->epoch == (uint32_t)(f->epoch >> 32));
	f->read = 0;
	MUST(journal_create(dirfd_, SLOT, f->epoch, RING, &f->fd) == 0);
	snprintf(f->name, sizeof f->name, "%u-%016jx.j", SLOT, (uintmax_t)f->epoch);
}

static void drop_file(struct file *f)
{
	close(f->fd);
	MUST(unlinkat(dirfd_, f->name, 0) == 0);
}

/* A fresh file that holds, behind its head, what another one held. */
static void recycle_into(struct file *f)
{
	static char bytes[FILE_BYTES];
	struct file old = *f;

	MUST(pread(old.fd, bytes, FILE_BYTES, 0) == FILE_BYTES);
	make_file(f);
	MUST(pwrite(f->fd, bytes + JOURNAL_HEAD, FILE_BYTES - JOURNAL_HEAD, JOURNAL_HEAD) ==
	     FILE_BYTES - JOURNAL_HEAD);
	drop_file(&old);
	recycled++;
}

static bool run(uint64_t seconds)
{
	uint64_t end = clock_ns() + seconds * NS_PER_S;
	bool is_right = true, is_recycled = false;
	struct file f;

	make_file(&f);
	while (is_right && clock_ns() < end) {
		is_right = one_life(&f, is_recycled);
		switch (random_below(4)) {
		case 0:
			drop_file(&f);
			make_file(&f);
			is_recycled = false;
			break;
		case 1:
			recycle_into(&f);
			is_recycled = true;
			break;
		}
	}
	drop_file(&f);
	return is_right;
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 5;
	char name[] = "/tmp/llmgw-shm-journal-XXXXXX";
	bool is_right;

	MUST(hash_init() == 0 && mkdtemp(name));
	dirfd_ = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	MUST(dirfd_ >= 0 && shared != MAP_FAILED);
	state = argc > 2 ? strtoull(argv[2], NULL, 10) : hash_random_u64();
	printf("seed %ju\n", (uintmax_t)state);
	fflush(stdout);
	is_right = run(seconds);
	rmdir(name);
	if (is_right)
		printf("ok shm_journal: %ju kills, %ju records, %ju recycled files\n",
		       (uintmax_t)kills, (uintmax_t)total, (uintmax_t)recycled);
	return !is_right;
}
