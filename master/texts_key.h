/* SPDX-License-Identifier: MIT
 * texts_key.h - the keys that seal texts: random, kept in the database, sealed by the key that
 * seals all else (stored.h). So another salt key has a few rows to seal anew and no texts. */
#ifndef TEXTS_KEY_H
#define TEXTS_KEY_H

#include "master/seal.h"
#include "master/store.h"

struct texts_key;			/* a call under way */
/* key: good until this returns. */
typedef void texts_key_fn(void *data, int err, const struct seal *key, int64_t number);
/* The key in use; where `seal` opens none, a new one. NULL: it cannot be asked now. */
struct texts_key *texts_key_ask(struct store *s, const struct seal *seal, texts_key_fn *done,
				void *data);
/* Nobody waits for it any more; NULL is fine. */
void texts_key_forget(struct texts_key *k);

/* In a job: the key of that number. 0, -ENOENT, or as seal_open(). */
struct store_db;
int texts_key_read(struct store_db *db, const struct seal *seal, int64_t number,
		   struct seal *ret) MUST_USE;

#endif
