/* SPDX-License-Identifier: MIT
 * export_spill.h - batches that wait on the disk until their receiver is back: files in a folder
 * of the state directory, oldest first, within a number of files and of bytes.
 *
 * One in which prompts and answers are lies there sealed (seal.h), under its name; only who has the
 * same key reads it again. Writing and reading may happen on another thread than the rest, one at a
 * time. */
#ifndef EXPORT_SPILL_H
#define EXPORT_SPILL_H

#include "master/seal.h"

enum { SPILL_FILES = 256, SPILL_BYTES = 64 << 20, SPILL_BATCH = 4 << 20 };

struct spill_file {
	uint64_t number;
	uint32_t records;
	uint64_t bytes;
	bool is_sealed;
};
struct spill {
	const char *dir, *name;			/* borrowed */
	struct spill_file file[SPILL_FILES];	/* oldest first */
	size_t n;
	uint64_t bytes, next;
};

/* Finds what an earlier master left. */
void spill_open(struct spill *s, const char *dir, const char *name);
/* Another file, sealed unless the key is NULL. 0; -ENOSPC: it is full; or another -errno, and
 * nothing is left behind. */
int spill_put(struct spill *s, struct str batch, uint32_t records, const struct seal *key) MUST_USE;
/* The oldest one's text, added to *to. 0, -ENOENT or another -errno; of a sealed one as
 * seal_open(), -ENOKEY without a key. */
int spill_get(const struct spill *s, struct buf *to, const struct seal *key) MUST_USE;
void spill_drop(struct spill *s);		/* the oldest one has arrived, or is no good */

#endif
