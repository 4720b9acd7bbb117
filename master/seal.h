/* SPDX-License-Identifier: MIT
 * seal.h - secrets as they may lie on a disk: encrypted, and tied to the row that they belong to.
 *
 * The key comes from a text of the operator's (LLMGW_SALT_KEY, else the master key) by Argon2id
 * with a salt of the database's own, so that a short text is dear to guess and two databases
 * never share a key. A sealed text says which key it was sealed with, which is how a wrong key is
 * told from a damaged row. XChaCha20-Poly1305; the row's name is authenticated along. */
#ifndef SEAL_H
#define SEAL_H

#include "common/buf.h"

enum { SEAL_SALT = 16, SEAL_KEY = 32, SEAL_ID = 8 };

struct seal {				/* SECRET; wiped by seal_done() */
	uint8_t key[SEAL_KEY];
	uint8_t id[SEAL_ID];		/* derived from the key; tells nothing of it */
	bool is_ready;
};

/* From 32 random bytes, at once. */
void seal_from(struct seal *s, const uint8_t root[SEAL_KEY]);
/* Takes some 20 ms and 16 MiB. 0 or -ENOMEM. */
int seal_init(struct seal *s, struct str secret, const uint8_t salt[SEAL_SALT]) MUST_USE;
void seal_done(struct seal *s);
/* Appends the sealed text. Failure is the buf's. */
void seal_close(const struct seal *s, struct str plain, struct str name, struct buf *out);
/* Appends the plain text. 0; -ENOKEY: sealed with another key; -EBADMSG: damaged, or of another
 * row; -ENOMEM. */
int seal_open(const struct seal *s, struct str sealed, struct str name, struct buf *out) MUST_USE;

#endif
