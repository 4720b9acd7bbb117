/* SPDX-License-Identifier: MIT
 * keys_private.h - what keys*.c share: a key's row in memory, and how it is found, changed, shown.
 *
 * Functions that take a store_db run on the store's threads; all others on the loop. */
#ifndef KEYS_PRIVATE_H
#define KEYS_PRIVATE_H

#include "common/json_write.h"
#include "master/keys.h"
#include "master/store_sql.h"

enum { MONEY_NONE = -1 };

struct key_row {			/* slices point into an arena */
	uint64_t id;
	struct sha256 hash;
	struct str key_name;		/* sk-...abcd */
	struct str alias, user_id, team_id, organization_id;	/* .p NULL: none */
	struct str models, aliases, metadata, permissions, extra;	/* JSON */
	int64_t max_budget, soft_budget;	/* MONEY_NONE: none */
	int64_t spend;
	uint64_t spend_since;
	struct str budget_duration;
	uint64_t budget_reset_at;	/* 0: never */
	int64_t rpm_limit, tpm_limit, max_parallel_requests;	/* 0: none */
	bool blocked;
	uint64_t expires, created_at, updated_at, last_used;	/* 0: never */
	struct str created_by, updated_by;
};

/* -- keys_row.c: between row and database -- */

struct key_ref {			/* how a caller names a key */
	enum { REF_ID, REF_HASH, REF_ALIAS } kind;
	uint64_t id;
	struct sha256 hash;
	struct str alias;		/* REF_HASH: tried next, when it may be one */
};
/* A key's text, its hash in hex, or an alias. */
struct key_ref key_ref_of(struct str named);
/* 0, -ENOENT, -ENOMEM (arena full) or another -errno. */
int key_row_find(struct store_db *db, const struct key_ref *ref, struct arena *a,
		 struct key_row *ret) MUST_USE;
#define KEY_COLUMNS                                                                               \
	"id, token_hash, key_name, alias, user_id, team_id, organization_id, models, aliases,"    \
	" metadata, permissions, extra, max_budget, soft_budget, spend, spend_since,"             \
	" budget_duration, budget_reset_at, rpm_limit, tpm_limit, max_parallel_requests, blocked," \
	" expires, created_at, created_by, updated_at, updated_by, last_used"
/* The same places, without what only the commands want to know. */
#define KEY_COLUMNS_PUBLISHED                                                                     \
	"id, token_hash, key_name, alias, user_id, team_id, NULL, models, NULL, NULL, NULL, NULL," \
	" max_budget, NULL, spend, 0, NULL, budget_reset_at, rpm_limit, tpm_limit,"               \
	" max_parallel_requests, blocked, expires, 0, NULL, 0, NULL, 0"
/* Reads the row that a query with KEY_COLUMNS stands at. 0 or -ENOMEM. */
int key_row_read(struct sql *q, struct arena *a, struct key_row *ret) MUST_USE;
/* -EEXIST: the alias is taken; -EALREADY: the key is. Sets row->id. */
int key_row_insert(struct store_db *db, struct key_row *row) MUST_USE;
int key_row_update(struct store_db *db, const struct key_row *row) MUST_USE;
/* Keeps its name in keys_deleted. */
int key_row_delete(struct store_db *db, const struct key_row *row, uint64_t now_ns,
		   struct str by) MUST_USE;

/* -- keys_args.c: from arguments to row -- */

struct key_change {
	uint64_t given;			/* bit per row of the field table */
	struct key_row to;		/* values of those columns */
	uint64_t now_ns;
	const struct json *args;	/* what goes into metadata and extra is read from here */
	struct str *warnings;
	size_t n_warnings;
};
/* Reads all members of c->args. 0; else answered already (-EINVAL). */
int key_change_read(struct command_call *c, struct key_change *ret) MUST_USE;
/* Puts the change into a row. May run on the store's thread. 0 or -ENOMEM. */
int key_change_apply(const struct key_change *ch, struct arena *a, struct key_row *row) MUST_USE;
bool key_change_sets_spend(const struct key_change *ch);
bool key_change_sets_period(const struct key_change *ch);
/* The members of a JSON list of strings, each with a NUL behind. .p NULL: not such a list, a
 * member that is empty or holds a NUL, or the arena is full. */
struct str key_models_flat(struct arena *a, struct str json);
bool key_models_are_all(struct str flat);

/* -- keys_period.c -- */

struct period {
	uint64_t n;
	enum period_unit { SECONDS, MINUTES, HOURS, DAYS, WEEKS, MONTHS } unit;
};
int period_read(struct str s, struct period *ret) MUST_USE;	/* "30s" ... "1mo"; -EINVAL */
uint64_t period_after(struct period p, uint64_t now_ns);	/* now and that much */
/* The next beginning of a budget period: 1d at midnight, 7d and 1w on Monday, 30d and months on
 * the first, all UTC; others that much from now. */
uint64_t period_reset(struct period p, uint64_t now_ns);

/* -- keys_json.c -- */

void key_put(struct json_out *o, const struct key_row *row, int64_t spend, bool with_token);
void key_put_warnings(struct json_out *o, const struct str *warnings, size_t n);
struct str key_hash_hex(struct arena *a, const struct sha256 *hash);

/* -- keys_entities.c: rows of the board -- */

struct entities {
	struct board *board;
	struct entity_place *table;	/* open addressing by key id */
	size_t room, used;
	uint32_t next;			/* entities never given out */
	struct entity_freed *freed;	/* a ring, oldest first */
	size_t freed_room, freed_at, n_freed;
};
/* Finds again what stands on a board that is not new. 0 or -ENOMEM. */
int entities_init(struct entities *e, struct board *b, uint64_t now_ns) MUST_USE;
void entities_done(struct entities *e);
/* Gives a key its row, with what it has spent. 0, -ENOMEM, -ENOSPC. */
int entities_assign(struct entities *e, uint64_t key_id, int64_t spend, uint64_t now_ns,
		    uint32_t *ret) MUST_USE;
bool entities_find(const struct entities *e, uint64_t key_id, uint32_t *ret);
bool entities_key_of(const struct entities *e, uint32_t entity, uint64_t *ret_key_id);
/* The row is used again when no request can know it any more. */
void entities_release(struct entities *e, uint64_t key_id, uint64_t now_ns);

/* -- keys.c -- */

struct late_move {			/* a change of the board whose lock was not to be had */
	uint64_t key_id;
	int64_t nano;
	bool is_absolute;
};
struct keys {
	struct store *store;
	struct dir *dir;
	struct board *board;
	struct entities entities;
	struct sha256 master;
	bool has_master;
	uint64_t next_reset_ns;		/* wall; 0: no key has a period */
	bool is_resetting, is_applying;	/* in the database; and now on the board */
	struct late_move *late;
	size_t n_late, late_room;
};
/* Makes the row visible in all workers; a first time gives it its entity. Replaces the row of
 * `old` where that is another hash. 0, -ENOSPC, -ENOMEM, -E2BIG. */
int keys_publish(struct keys *k, const struct key_row *row, const struct sha256 *old) MUST_USE;
void keys_withdraw(struct keys *k, const struct key_row *row);
/* What the key has spent: the board knows it sooner than the database. */
int64_t keys_spend_of(struct keys *k, const struct key_row *row);
void keys_move_settled(struct keys *k, uint64_t key_id, int64_t nano, bool is_absolute);
void keys_expect_reset(struct keys *k, uint64_t at_ns);

#endif
