/* SPDX-License-Identifier: MIT
 * stored.h - what the configuration has beside its files: models, credentials, settings and access
 * groups that were given by API.
 *
 * The database has them sealed (seal.h), this process as they are, as it has the files' secrets.
 * publish.c puts changes of them into force. Used on the loop's thread. */
#ifndef STORED_H
#define STORED_H

#include "master/config.h"
#include "master/seal.h"
#include "master/store.h"

enum { STORED_MAX = 20000, STORED_NAME_MAX = 512, STORED_TEXT_MAX = 1 << 20 };

struct stored;

/* Reads the objects and unseals them with `secret`. What another key sealed is tried with
 * `previous` (.n == 0: there is none) and sealed anew. 0 or -errno. */
int stored_open(struct store *store, struct str secret, struct str previous,
		struct stored **ret) MUST_USE;
struct stored *stored_free(struct stored *s);	/* NULL is fine; returns NULL */

/* The text that seals: LLMGW_SALT_KEY, LITELLM_SALT_KEY, or the master key. .n == 0: none. */
struct str stored_secret(struct str master_key);
const char *stored_secret_name(void);		/* "LLMGW_SALT_KEY", "master key" ... */
struct str stored_previous(void);	/* LLMGW_SALT_KEY_PREVIOUS and LiteLLM's spelling */
/* Another secret from now on: everything is sealed anew. 0 or -errno; the same one is fine. */
int stored_rekey(struct stored *s, struct str secret) MUST_USE;
/* The key, made now if it must be; NULL: there is no secret to make it from, or no memory. */
const struct seal *stored_seal(struct stored *s);
/* Appends what the key in use, or the one before it in this process, has sealed. 0; -ENOKEY,
 * -EBADMSG or -ENOMEM. */
int stored_open_text(struct stored *s, struct str sealed, struct str name,
		     struct buf *out) MUST_USE;
/* How many objects no key at hand opens. */
size_t stored_unreadable(const struct stored *s);

const struct config_stored *stored_view(const struct stored *s);
const struct config_object *stored_find(const struct stored *s, enum object_kind kind,
					struct str name);
const char *object_kind_name(enum object_kind kind);
bool object_kind_read(struct str name, enum object_kind *ret);

struct stored_op {			/* zeros, but for kind, name and `to` */
	enum object_kind kind;
	struct str name;		/* lives as long as the op */
	struct config_object *to;	/* what it becomes, owned; NULL: it is deleted */
	struct config_object *was;	/* once applied: what it was, owned; NULL: none */
	const struct config_object *writes;	/* by stored_write(); NULL: it deletes */
	struct buf sealed;
};
/* A copy on the heap in one block. NULL: no memory. */
struct config_object *stored_copy(const struct config_object *o) MUST_USE;
void stored_op_done(struct stored_op *op);
/* The objects as they would be. ret->v is the caller's to free. 0, -ENOMEM, -E2BIG (too many). */
int stored_try(const struct stored *s, const struct stored_op *ops, size_t n,
	       struct config_stored *ret) MUST_USE;
/* Seals what stored_write() is to write, before or after they are applied in memory. 0, -ENOKEY
 * (nothing to seal with) or -ENOMEM. */
int stored_prepare(struct stored *s, struct stored_op *ops, size_t n) MUST_USE;
/* A job of the store. */
int stored_write(struct store_db *db, struct stored_op *ops, size_t n) MUST_USE;
/* After it: in memory, too. 0 or -ENOMEM, and nothing is applied then. */
int stored_apply(struct stored *s, struct stored_op *ops, size_t n) MUST_USE;
/* Turns applied ops into those that take them back. */
void stored_reverse(struct stored_op *ops, size_t n);

#endif
