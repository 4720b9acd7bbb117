/* SPDX-License-Identifier: MIT
 * store.h - the SQLite database behind two threads: one writes, one reads.
 *
 * The master's loop never touches SQLite. A job runs on the writer thread inside a transaction
 * of a group (BEGIN IMMEDIATE .. COMMIT, synchronous=FULL) or on the reader thread (read-only
 * connection, time limit); its `done` runs on the loop after the commit is durable. There is
 * exactly one writing connection. sqlite3.h is included by store*.c alone; jobs use
 * store_sql.h. All functions are called on the loop's thread. */
#ifndef STORE_H
#define STORE_H

#include <uv.h>

#include "common/str.h"

struct store;
struct store_db;			/* a connection, see store_sql.h */

/* On the store's thread. Return 0 to keep the changes, a negative errno to undo this job's.
 * `data` is the job's alone until done. */
typedef int store_job_fn(struct store_db *db, void *data);
/* On the loop, in the order in which jobs were given. err: 0, what the job returned, or -EIO,
 * -ENOSPC, -EAGAIN, -ENOMEM (the commit failed: nothing of it is in the database). */
typedef void store_done_fn(void *data, int err);

/* Opens state_dir/llmgw.db (0600), takes state_dir/llmgw.lock (one master a directory: -EBUSY),
 * finishes a restore, checks, migrates, starts the threads. reterr gets a sentence on failure,
 * with what to do. */
int store_open(const char *state_dir, uv_loop_t *loop, struct store **ret,
	       char reterr[256]) MUST_USE;
/* Runs what is queued with its done callbacks, joins the threads, closes; from then on
 * store_write() says -ECANCELED. The memory goes when the loop has run once more. */
void store_close(struct store *s);

/* 0, or -ENOMEM or -ECANCELED at once, and then done does not run. done may be NULL. */
int store_write(struct store *s, store_job_fn *job, store_done_fn *done, void *data) MUST_USE;
int store_read(struct store *s, store_job_fn *job, store_done_fn *done, void *data) MUST_USE;
/* For use before the loop runs and in tests: runs the job on the writer and waits. */
int store_write_wait(struct store *s, store_job_fn *job, void *data) MUST_USE;

/* Who the jobs that are given from now on are done for (see audit.h), and those that are given
 * from their done, and so on; NULL: nobody. Returns who it was before. */
struct audit_origin;
struct audit_origin *store_set_origin(struct store *s, struct audit_origin *o);
struct audit_origin *store_origin(const struct store *s);

/* Waits until nothing is queued or running, delivering on the way: done callbacks run in here. */
void store_drain(struct store *s);

/* 0 = well, else a negative errno of the last failed commit; cleared by the next good one. */
int store_health(struct store *s);
uint64_t store_queue_depth(struct store *s);
/* Consistent copy to a new file while running (SQLite's backup API); a job of its own. */
int store_backup(struct store *s, const char *to, store_done_fn *done, void *data) MUST_USE;

/* The database of a directory, read as it is, whether or not a gateway has it open. */
struct store_condition {
	unsigned schema, schema_known;	/* the file's; the newest of this program */
	uint64_t backup_ns, first_ns;	/* when copied last, when changed first; or 0 */
	bool is_timed_out;		/* too large to be read to its end here */
};
/* 0, or a negative errno with a sentence in reterr. */
int store_look(const char *dir, struct store_condition *ret, char reterr[256]) MUST_USE;
const char *store_library_version(void);

#endif
