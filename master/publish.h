/* SPDX-License-Identifier: MIT
 * publish.h - from configuration to what workers see: a sealed snapshot, told to all of them. */
#ifndef PUBLISH_H
#define PUBLISH_H

#include "master/master.h"
#include "master/stored.h"

/* The picture of c. Deployments get their rows on the board (kept over generations by id).
 * 0, -ENOSPC (more deployments than the board has rows; reterr says so), or -ENOMEM. */
int publish_build(struct master *m, const struct config *c, uint64_t generation, int *ret_fd,
		  char reterr[256]) MUST_USE;

/* Reads the file again, checks, publishes, rolls workers where it must. done: 0 when every
 * worker has it; -EINVAL with the complaints when it is refused and the old one stays; -ECANCELED
 * when workers crashed with it and the last good one is back; -ETIMEDOUT; -EBUSY: another one is
 * under way. done NULL: nobody waits, and then it is done after that one. */
typedef void publish_done_fn(void *data, int err, struct str complaints);
void publish_reload(struct master *m, struct str who, publish_done_fn *done, void *data);

/* A change of what the database adds, or another set of files: checked as the file is, written,
 * published. Changes stand in line; one is worked out when its turn comes, by `make`, on what is in
 * force then. done as above; what `make` refused is -EINVAL with its text. */
struct publish_change {
	struct stored_op *ops;
	size_t n_ops;
	const struct config_text *files;	/* NULL: those in force */
	size_t n_files;
};
/* Fills *ret, which lives until done. 0, or -EINVAL: the caller knows why. */
typedef int publish_make_fn(void *data, struct publish_change *ret);
/* `what` is for the history: "model.new gpt-4o". 0, or -EBUSY (too many stand in line), -ENOMEM,
 * and done is not called then. */
int publish_change(struct master *m, struct str who, struct str what, publish_make_fn *make,
		   publish_done_fn *done, void *data) MUST_USE;

/* Workers cannot live with what is in force: publishes the last good configuration, if there is
 * one, and ends the reload under way with -ECANCELED. */
void publish_go_back(struct master *m, const char *why);

#endif
