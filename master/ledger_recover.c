/* SPDX-License-Identifier: MIT
 * ledger_recover.c - what is left of the last run: journals on disk, intents in the database.
 *
 * Order: rows and watermarks are committed, then open intents, then the files go, then their
 * watermarks. Killed anywhere in between, the next start does the rest. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "master/ledger_private.h"

enum { NAME_ROOM = 64 };

static void journal_name(char out[NAME_ROOM], unsigned slot, uint64_t epoch)
{
	snprintf(out, NAME_ROOM, "%u-%016" PRIx64 ".j", slot, epoch);
}

void ledger_unlink(const struct journal *j, int dirfd)
{
	char name[NAME_ROOM];
	journal_name(name, journal_slot(j), journal_epoch(j));
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		LOG(LOG_WARN, "ledger.file_stays", F_Z("file", name),
		    F_Z("error", strerror(errno)));
}

/* ---- watermarks that are of no more use ---- */

static int forget_job(struct store_db *db, void *data)
{
	const uint64_t *epoch = data;
	struct sql *q = sql_query(db, "DELETE FROM journals WHERE epoch = ?");
	sql_int(q, 1, (int64_t)*epoch);
	return sql_run(q);
}

static void on_forgotten(void *data, int err)
{
	(void)err;			/* the next start tries again */
	mem_free(data);
}

void ledger_forget(struct ledger *l, uint64_t epoch)
{
	uint64_t *data = mem_alloc(sizeof *data);
	if (!data)
		return;
	*data = epoch;
	if (store_write(l->store, forget_job, on_forgotten, data) != 0)
		mem_free(data);
}

static int forget_others_job(struct store_db *db, void *data)
{
	const struct booking *k = data;
	uint64_t old[64];
	size_t n;
	do {
		struct sql *q = sql_query(db, "SELECT epoch FROM journals");
		int r;
		n = 0;
		while ((r = sql_row(q)) > 0 && n < COUNT(old)) {
			uint64_t epoch = (uint64_t)sql_get_int(q, 0);
			bool is_spared = false;
			for (size_t i = 0; i < k->n_spare; i++)
				is_spared |= k->spare[i] == epoch;
			if (!is_spared)
				old[n++] = epoch;
		}
		sql_end(q);
		for (size_t i = 0; i < n && r >= 0; i++)
			r = forget_job(db, &old[i]);
		if (r < 0)
			return r;
	} while (n == COUNT(old));
	return 0;
}

/* ---- files ---- */

static bool is_spared(const struct booking *k, uint64_t epoch)
{
	for (size_t i = 0; i < k->n_spare; i++)
		if (k->spare[i] == epoch)
			return true;
	return false;
}

/* "3-0123456789abcdef.j" */
static bool read_name(const char *name, uint64_t *ret_epoch)
{
	unsigned slot;
	int end = 0;
	return sscanf(name, "%u-%16" SCNx64 ".j%n", &slot, ret_epoch, &end) == 2 && end > 0 &&
	       name[end] == '\0';
}

static int put_aside(int dirfd, const char *name)
{
	char bad[NAME_ROOM + 8];
	snprintf(bad, sizeof bad, "%.*s.bad", NAME_ROOM, name);
	LOG(LOG_ERROR, "ledger.damaged_journal", F_Z("file", name), F_Z("kept_as", bad));
	return renameat(dirfd, name, dirfd, bad) < 0 ? -errno : 0;
}

static int fold_whole(struct ledger *l, struct journal *j, uint64_t *rows)
{
	struct fold f = { .journal = j, .batch = l->batch, .is_dead = true };
	do {
		int err = store_write_wait(l->store, fold_job, &f);
		if (err)
			return err;
		ledger_count(l, &f);
		*rows += f.rows;
	} while (f.has_more);
	return 0;
}

/* Its maker was killed before the head was written: nobody has ever had it. */
static bool is_unborn(int dirfd, const char *name)
{
	char bytes[JOURNAL_HEAD + sizeof(struct journal_record)];
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd >= 0 ? pread(fd, bytes, sizeof bytes, 0) : -1;
	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return n >= 0;
}

static int fold_file(struct ledger *l, int dirfd, const char *name, uint64_t epoch, uint64_t *rows)
{
	struct journal *j = NULL;
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int err = fd < 0 ? -errno : journal_map(fd, false, &j);
	if (err == -EBADMSG || (!err && journal_epoch(j) != epoch)) {
		journal_free(j);
		if (is_unborn(dirfd, name))
			return 0;	/* and it goes with the others */
		atomic_fetch_add(&l->board->head->ledger_errors, 1);
		return put_aside(dirfd, name);
	}
	if (!err)
		err = fold_whole(l, j, rows);
	journal_free(j);
	return err;
}

static int remove_file(struct ledger *l, int dirfd, const char *name, uint64_t epoch,
		       uint64_t *rows)
{
	(void)l, (void)epoch, (void)rows;
	return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
}

/* Does it to each journal of a worker that is not alive. */
static int each_file(struct ledger *l, int dirfd, const struct booking *k, uint64_t *rows,
		     int (*visit)(struct ledger *, int, const char *, uint64_t, uint64_t *))
{
	int err = 0, fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint64_t epoch;
	if (!d) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (e = readdir(d)))
		if (read_name(e->d_name, &epoch) && !is_spared(k, epoch))
			err = visit(l, dirfd, e->d_name, epoch, rows);
	closedir(d);
	return err;
}

/* ---- all of it ---- */

static int recover(struct ledger *l, int dirfd, struct booking *k, uint64_t *rows)
{
	int err = each_file(l, dirfd, k, rows, fold_file);
	if (!err)
		err = store_write_wait(l->store, booking_job, k);
	if (err)
		return err;
	*rows += k->rows;
	atomic_fetch_add(&l->board->head->ledger_rows, k->rows);
	err = each_file(l, dirfd, k, rows, remove_file);
	if (!err && fsync(dirfd) < 0)
		err = -errno;
	return err ? err : store_write_wait(l->store, forget_others_job, k);
}

int ledger_recover(struct ledger *l, int journal_dirfd, uint64_t *ret_booked)
{
	uint64_t spare[BOARD_WORKERS * 2], rows = 0;
	struct booking k = { .batch = l->batch, .spare = spare };
	for (struct account *a = l->accounts; a && k.n_spare < COUNT(spare); a = a->next)
		spare[k.n_spare++] = journal_epoch(a->journal);
	int err = recover(l, journal_dirfd, &k, &rows);
	if (err)
		return err;
	*ret_booked = rows;
	return 0;
}
