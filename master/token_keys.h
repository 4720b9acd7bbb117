/* SPDX-License-Identifier: MIT
 * token_keys.h - LiteLLM's /jwt/key/mapping: which key governs who comes with a token, by the value
 * of one of its claims (virtual_key_claim_field). Workers find it in the directory. */
#ifndef TOKEN_KEYS_H
#define TOKEN_KEYS_H

#include "master/keys_private.h"

void token_keys_create(struct command_call *c);
void token_keys_list(struct command_call *c);
void token_keys_info(struct command_call *c);
void token_keys_update(struct command_call *c);
void token_keys_delete(struct command_call *c);

/* -- token_keys_load.c -- */

struct token_key_row {
	uint64_t number, key;
	struct str id, claim, value, description;	/* description .p NULL: none */
	bool is_active;
	uint64_t created_at, updated_at;
	struct str created_by, updated_by;
	struct sha256 hash;		/* of the key; zeroes: it was deleted */
};
#define TOKEN_KEY_ROW                                                                             \
	"SELECT m.number, m.id, m.claim, m.value, m.key, m.description, m.is_active,"             \
	" m.created_at, m.created_by, m.updated_at, m.updated_by, k.token_hash"                   \
	" FROM token_keys m LEFT JOIN keys k ON k.id = m.key"
int token_key_read(struct sql *q, struct arena *a, struct token_key_row *ret) MUST_USE;
/* One that is not active is nowhere there. 0, or as dir_put_named(). */
int token_key_publish(struct keys *k, const struct token_key_row *row) MUST_USE;
void token_key_withdraw(struct keys *k, const struct token_key_row *row);
/* At start, on the writer's thread, before any key is placed. */
int token_keys_load(struct keys *k, struct store_db *db) MUST_USE;
/* A key has another text from now on: those that name it follow. */
void token_keys_follow(struct keys *k, uint64_t key);

#endif
