/* SPDX-License-Identifier: MIT
 * stored_private.h - what stored*.c share. */
#ifndef STORED_PRIVATE_H
#define STORED_PRIVATE_H

#include "master/store_sql.h"
#include "master/stored.h"

struct stored {
	struct store *store;
	struct seal seal, before;	/* of the last stored_rekey(): rows in use may have it */
	uint8_t salt[SEAL_SALT];
	struct buf secret;		/* SECRET: what the key is made from */
	struct config_object **v;
	size_t n, room;
	struct config_stored view;
};

void stored_object_free(struct config_object *o);	/* NULL is fine */
int stored_keep_secret(struct stored *s, struct str secret) MUST_USE;
/* What is authenticated along with a row: one cannot be put in another's place. */
void stored_name_row(struct buf *out, enum object_kind kind, struct str name);
/* Seals with the key in use what `from` had sealed, and waits. 0 or -errno. */
int stored_reseal_now(struct stored *s, const struct seal *from) MUST_USE;

#endif
