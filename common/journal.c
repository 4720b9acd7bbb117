/* SPDX-License-Identifier: MIT
 * journal.c - a ring of checked records in a preallocated file; see journal.h.
 *
 * The writer stores through a mapping, the reader uses pread on the same pages. To the reader
 * every byte is a stranger's: number and sum are checked on its own copy. */
#include "common/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/hash.h"
#include "common/mem.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23		/* Linux 5.14; older ones refuse it, and nothing is lost */
#endif

enum {
	READY_MAX = 3,			/* pages */
	RECORD = sizeof(struct journal_record),
	COUNT_MAX = 1 << 24,
	NAME_MAX_LEN = 48,
	LOOK_COUNT = 64,		/* records read at once, on the stack */
	MANY_AT_ONCE = 512		/* the same, into memory of the caller's */
};

struct head {				/* the file's first page; the rest of it is zero */
	uint64_t magic;
	uint32_t layout, slot;
	uint64_t epoch;
	uint32_t count, crc;		/* crc: of everything before it */
};
_Static_assert(sizeof(struct head) == 32, "head");
_Static_assert(JOURNAL_HEAD % 512 == 0 && 512 % RECORD == 0, "no record straddles a sector");

struct journal {
	int fd;
	struct head head;
	struct journal_record *records;	/* the writer's mapping; NULL in a reader */
	_Atomic uint64_t last;		/* the writer's: also read by the flusher thread */
	uint64_t let_go;		/* the flusher's: see let_go() */
};

/* -- sums and places -- */

static uint32_t head_crc(const struct head *h)
{
	return hash_crc32c(0, h, offsetof(struct head, crc));
}

static uint32_t record_crc(uint64_t epoch, uint64_t seq, const struct journal_record *r)
{
	const size_t from = offsetof(struct journal_record, kind);
	uint64_t seed = epoch ^ seq;

	return hash_crc32c((uint32_t)seed ^ (uint32_t)(seed >> 32), (const char *)r + from,
			   RECORD - from);
}

static uint64_t place_of(const struct journal *j, uint64_t seq)
{
	return (seq - 1) % j->head.count;
}

static off_t file_bytes(uint32_t count)
{
	return JOURNAL_HEAD + (off_t)count * RECORD;
}

/* -- making -- */

static int write_head(int fd, unsigned slot, uint64_t epoch, uint32_t count)
{
	struct head h = { .magic = JOURNAL_MAGIC, .layout = JOURNAL_LAYOUT, .slot = slot,
			  .epoch = epoch, .count = count };
	ssize_t n;

	h.crc = head_crc(&h);
	n = pwrite(fd, &h, sizeof h, 0);
	if (n == (ssize_t)sizeof h)
		return 0;
	return n < 0 ? -errno : -ENOSPC;
}

static int allocate(int fd, off_t bytes)
{
	int err;

	do
		err = posix_fallocate(fd, 0, bytes);
	while (err == EINTR);
	return -err;
}

static int fill_file(int fd, int dirfd, unsigned slot, uint64_t epoch, uint32_t count)
{
	int err = allocate(fd, file_bytes(count));

	if (!err)
		err = write_head(fd, slot, epoch, count);
	if (!err && fsync(fd))
		err = -errno;
	if (!err && fsync(dirfd))
		err = -errno;
	return err;
}

int journal_create(int dirfd, unsigned slot, uint64_t epoch, uint32_t count, int *ret_fd)
{
	char name[NAME_MAX_LEN];
	int fd, err;

	if (!count || count > COUNT_MAX)
		return -EINVAL;
	snprintf(name, sizeof name, "%u-%016" PRIx64 ".j", slot, epoch);
	fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* Who reads it ahead puts large folios into the page cache, and a flush writes each out
	 * whole, up to 1 MiB for one record. Single pages are 16 times less to write. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	err = fill_file(fd, dirfd, slot, epoch, count);
	if (err) {
		unlinkat(dirfd, name, 0);
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/* -- opening -- */

static int read_head(int fd, struct head *ret)
{
	struct head h;
	struct stat st;
	ssize_t n = pread(fd, &h, sizeof h, 0);

	if (n < 0 || fstat(fd, &st))
		return -errno;
	if (n != (ssize_t)sizeof h || h.magic != JOURNAL_MAGIC || h.layout != JOURNAL_LAYOUT ||
	    h.crc != head_crc(&h) || !h.count || h.count > COUNT_MAX)
		return -EBADMSG;
	if (!S_ISREG(st.st_mode) || st.st_size != file_bytes(h.count))
		return -EBADMSG;
	*ret = h;
	return 0;
}

/* The number of a record that stands, valid, where it belongs; 0 otherwise. */
static uint64_t number_of(const struct journal *j, uint64_t place, const struct journal_record *r)
{
	uint64_t seq = atomic_load_explicit(&r->seq, memory_order_acquire);
	bool good = seq && place_of(j, seq) == place &&
		    r->crc == record_crc(j->head.epoch, seq, r);

	return good ? seq : 0;
}

/* The highest number; 0 in a fresh file. Not through the mapping: a worker that has nothing to do
 * would have all of the file in its memory. */
static int find_last(const struct journal *j, uint64_t *ret)
{
	struct journal_record some[LOOK_COUNT];
	uint64_t last = 0;

	for (uint64_t from = 0; from < j->head.count; from += LOOK_COUNT) {
		ssize_t n;
		do
			n = pread(j->fd, some, sizeof some, JOURNAL_HEAD + (off_t)from * RECORD);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		for (uint64_t i = 0; i < (uint64_t)n / RECORD; i++) {
			uint64_t seq = number_of(j, from + i, &some[i]);
			last = seq > last ? seq : last;
		}
	}
	*ret = last;
	return 0;
}

static int map_records(struct journal *j)
{
	char *p = mmap(NULL, (size_t)file_bytes(j->head.count), PROT_READ | PROT_WRITE, MAP_SHARED,
		       j->fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	j->records = (void *)(p + JOURNAL_HEAD);
	(void)madvise(p, (size_t)file_bytes(j->head.count), MADV_RANDOM);	/* faults, too */
	uint64_t last = 0;
	int err = find_last(j, &last);
	atomic_store_explicit(&j->last, last, memory_order_relaxed);
	return err;
}

int journal_map(int fd, bool writable, struct journal **ret)
{
	struct journal *j = mem_alloc(sizeof *j);
	int err;

	if (!j) {
		close(fd);
		return -ENOMEM;
	}
	j->fd = fd;
	err = read_head(fd, &j->head);
	if (!err && writable)
		err = map_records(j);
	if (err) {
		journal_free(j);
		return err;
	}
	*ret = j;
	return 0;
}

struct journal *journal_free(struct journal *j)
{
	if (!j)
		return NULL;
	if (j->records)
		munmap((char *)j->records - JOURNAL_HEAD, (size_t)file_bytes(j->head.count));
	close(j->fd);
	mem_free(j);
	return NULL;
}

uint64_t journal_epoch(const struct journal *j)
{
	return j->head.epoch;
}

unsigned journal_slot(const struct journal *j)
{
	return j->head.slot;
}

uint32_t journal_count(const struct journal *j)
{
	return j->head.count;
}

/* -- writing -- */

uint64_t journal_room(const struct journal *j, uint64_t committed_seq)
{
	uint64_t last = journal_last(j), ahead = last > committed_seq ? last - committed_seq : 0;

	return ahead < j->head.count ? j->head.count - ahead : 0;
}

uint64_t journal_append(struct journal *j, struct journal_record *r)
{
	const size_t from = sizeof r->seq;
	uint64_t seq = journal_last(j) + 1;
	struct journal_record *to;

	MUST(j->records && r->kind >= JOURNAL_INTENT && r->kind < JOURNAL_KINDS);
	to = &j->records[place_of(j, seq)];
	r->crc = record_crc(j->head.epoch, seq, r);
	atomic_store_explicit(&r->seq, seq, memory_order_relaxed);
	memcpy((char *)to + from, (const char *)r + from, RECORD - from);
	(void)FAULT("journal.unnumbered");
	atomic_store_explicit(&to->seq, seq, memory_order_release);
	atomic_store_explicit(&j->last, seq, memory_order_release);
	return seq;
}

uint64_t journal_last(const struct journal *j)
{
	return atomic_load_explicit(&j->last, memory_order_acquire);
}

/* Takes the pages that are full out of the mapping: they are not written to before the ring has
 * gone round, and what is in them is the file's. fdatasync() makes each page read-only that is
 * mapped, and interrupts the writer's CPU for each of them; this does so once for all. */
static uint64_t let_go(struct journal *j)
{
	char *map = (char *)j->records - JOURNAL_HEAD;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), last = journal_last(j);
	uint64_t from = JOURNAL_HEAD + place_of(j, j->let_go + 1) * RECORD;
	uint64_t to = JOURNAL_HEAD + place_of(j, last + 1) * RECORD;

	if (last == j->let_go)
		return 0;
	j->let_go = last;
	from -= from % page;
	to -= to % page;
	if (from < to) {
		(void)madvise(map + from, to - from, MADV_DONTNEED);
	} else if (from > to) {		/* round the end of the ring */
		(void)madvise(map + from, (size_t)file_bytes(j->head.count) - from, MADV_DONTNEED);
		(void)madvise(map, to, MADV_DONTNEED);
	}
	return from < to ? (to - from) / page : 0;
}

/* The writer need not stop at each page that fdatasync() has made read-only, or that is new: as
 * many as it has filled since the last time are made ready for it here. Never more, for each of
 * them is written to the disk the next time. */
static void make_ready(struct journal *j, uint64_t pages)
{
	char *map = (char *)j->records - JOURNAL_HEAD;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t end = (uint64_t)file_bytes(j->head.count);
	uint64_t from = JOURNAL_HEAD + place_of(j, journal_last(j) + 1) * RECORD;
	uint64_t n = page * (1 + (pages < READY_MAX ? pages : READY_MAX));

	from -= from % page;
	(void)madvise(map + from, from + n < end ? n : end - from, MADV_POPULATE_WRITE);
}

int journal_flush(struct journal *j)
{
	int err = FAULT("journal.flush");
	uint64_t pages = j->records ? let_go(j) : 0;

	if (err == 0)
		err = fdatasync(j->fd) ? -errno : 0;
	if (pages)
		make_ready(j, pages);
	return err;
}

/* -- reading -- */

static int copy_record(const struct journal *j, uint64_t seq, struct journal_record *ret)
{
	off_t at = JOURNAL_HEAD + (off_t)place_of(j, seq) * RECORD;
	ssize_t n;

	do
		n = pread(j->fd, ret, RECORD, at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n != RECORD)
		return -EBADMSG;
	return atomic_load_explicit(&ret->seq, memory_order_relaxed) == seq ? 0 : -ENOENT;
}

/* The number is stored last, so a copy made after it was seen is whole. One copy may be torn
 * (the order in which the kernel copies is its own affair); the second may not. */
int journal_read(const struct journal *j, uint64_t seq, struct journal_record *ret)
{
	struct journal_record r;

	if (!seq)
		return -ENOENT;
	for (int tries = 0; tries < 2; tries++) {
		int err = copy_record(j, seq, &r);

		if (err)
			return err;
		if (r.crc == record_crc(j->head.epoch, seq, &r)) {
			memcpy((void *)ret, &r, sizeof r);
			return 0;
		}
	}
	return -EBADMSG;
}

static bool is_whole(const struct journal *j, uint64_t seq, const struct journal_record *r)
{
	return atomic_load_explicit(&r->seq, memory_order_relaxed) == seq &&
	       r->crc == record_crc(j->head.epoch, seq, r);
}

/* Up to n records from `seq` on, not beyond the end of the ring; 0: none, for whatever reason. */
static size_t read_some(const struct journal *j, uint64_t seq, struct journal_record *ret, size_t n)
{
	uint64_t place = place_of(j, seq), left = j->head.count - place;
	ssize_t bytes = pread(j->fd, ret, (n < left ? n : left) * RECORD,
			      JOURNAL_HEAD + (off_t)place * RECORD);

	return bytes > 0 ? (size_t)bytes / RECORD : 0;
}

size_t journal_read_many(const struct journal *j, uint64_t seq, struct journal_record *ret,
			 size_t n)
{
	size_t got = 0, some, upto;

	while (seq && got < n) {
		some = n - got < MANY_AT_ONCE ? n - got : MANY_AT_ONCE;
		some = read_some(j, seq + got, ret + got, some);
		for (upto = got + some; got < upto; got++)
			if (!is_whole(j, seq + got, &ret[got]))
				return got;
		if (!some)
			break;
	}
	return got;
}

static void look_ahead(const struct journal *j, struct journal_ahead *a, uint64_t seq)
{
	a->from = seq;
	a->n = read_some(j, seq, a->r, JOURNAL_AHEAD);
}

int journal_read_on(const struct journal *j, struct journal_ahead *a, uint64_t seq,
		    struct journal_record *ret)
{
	const struct journal_record *r;

	if (!seq)
		return -ENOENT;
	if (seq < a->from || seq - a->from >= a->n)
		look_ahead(j, a, seq);
	r = &a->r[seq - a->from];
	if (!a->n || !is_whole(j, seq, r))
		return journal_read(j, seq, ret);	/* it says why not, or has it by now */
	memcpy((void *)ret, (const void *)r, sizeof *ret);
	return 0;
}

/* ---- tags ---- */

unsigned journal_put_tags(struct journal_record to[JOURNAL_TAG_RECORDS], const uint8_t id[16],
			  const struct str *tags, size_t n_tags)
{
	size_t used = JOURNAL_TAGS_ROOM;
	unsigned n = 0;
	for (size_t i = 0; i < n_tags; i++) {
		if (!tags[i].n || tags[i].n >= JOURNAL_TAGS_ROOM)
			continue;
		if (used + tags[i].n + 1 > JOURNAL_TAGS_ROOM) {
			if (n == JOURNAL_TAG_RECORDS)
				break;
			memset((void *)&to[n], 0, sizeof to[n]);
			to[n].kind = JOURNAL_TAGS;
			memcpy(to[n++].request_id, id, sizeof to->request_id);
			used = 0;
		}
		memcpy((char *)&to[n - 1] + JOURNAL_TAGS_AT + used, tags[i].p, tags[i].n);
		used += tags[i].n + 1;
	}
	return n;
}
