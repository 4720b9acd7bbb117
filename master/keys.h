/* SPDX-License-Identifier: MIT
 * keys.h - virtual keys: their rows in the database, and their twins in the directory.
 *
 * Every change goes: database (durable), then directory (visible in all workers), then the
 * answer. The key's text is shown once, at creation; only its SHA-256 is kept (LiteLLM's way,
 * so that its keys can be imported). */
#ifndef KEYS_H
#define KEYS_H

#include "common/board.h"
#include "common/directory.h"
#include "master/commands.h"
#include "master/store.h"

struct keys;

/* Reads all keys from the store and publishes them; waits. The master key (may be .p NULL) is
 * published as an admin row with id 0. Entities of the board are assigned and their settled
 * totals set from the database; on a board that went through an upgrade in place, keys are found
 * in their old rows and what stands there is kept. 0 or -errno. */
int keys_start(struct store *s, struct dir *d, struct board *b, struct str master_key,
	       struct keys **ret) MUST_USE;
/* data: the keys. A ledger_charge_fn: to what the board has settled of that owner comes so much. */
void keys_charge(void *data, uint64_t owner, int64_t nano);
/* When no job of its is under way: after store_drain() or store_close(). NULL is fine. */
void keys_stop(struct keys *k);
/* A new master key after a reload. */
int keys_set_master(struct keys *k, struct str master_key) MUST_USE;
uint64_t keys_count(const struct keys *k);
/* A published key by its text or its hash in hex; slices are good until it is changed. */
bool keys_find(const struct keys *k, struct str text_or_hash, struct dir_key *ret);
/* Whether any key or team has had callbacks of its own since the start. */
bool keys_have_logged(const struct keys *k);
bool keys_is_master(const struct keys *k, const struct sha256 *hash);
/* Each second from the loop: budget periods that have ended start anew (database, board). */
void keys_tick(struct keys *k, uint64_t wall_ns);

/* Commands (the table in commands.c points here). */
void keys_generate(struct command_call *c);
void keys_info(struct command_call *c);
void keys_update(struct command_call *c);
void keys_delete(struct command_call *c);
void keys_list(struct command_call *c);
void keys_block(struct command_call *c);
void keys_unblock(struct command_call *c);
void keys_rotate(struct command_call *c);
void keys_by_spend(struct command_call *c);	/* `spend keys`: a plain list */

#endif
