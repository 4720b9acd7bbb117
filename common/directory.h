/* SPDX-License-Identifier: MIT
 * directory.h - who may do what: virtual keys and teams (later users) in one segment.
 *
 * Written by the master only, row by row; a row is immutable once published and is replaced,
 * never edited. Readers find a row by the SHA-256 of the key through an open hash table whose
 * slots are single words, and copy what they need before they return to their loop. A team's row
 * is found by its id, which is all that the rows of its keys know: a change of a team is one
 * write, and all its keys see it. A row that
 * was replaced is reused only DIR_QUARANTINE_NS later: a worker stopped for longer than that is
 * dead by the watchdog (10 s). The segment is a sparse memfd that never moves; it is sealed so
 * that only the mapping of the master who made it can write. */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include <stdatomic.h>

#include "common/hash.h"
#include "common/str.h"

#define DIR_MAGIC UINT64_C(0x31305249444d4c47)
#define DIR_QUARANTINE_NS UINT64_C(60000000000)
enum { DIR_LAYOUT = 1, DIR_NO_LIMIT = -1, DIR_ID_MAX = 1024 };

enum {
	KEY_ADMIN = 1,			/* proxy_admin: the master key */
	KEY_BLOCKED = 2,
	KEY_VIEWER = 4,			/* proxy_admin_viewer */
	KEY_ALL_MODELS = 8,		/* the model list is empty or says so */
	KEY_PRIORITY_SHIFT = 16,	/* above: the best priority that its requests may have */
	KEY_PRIORITY_MAX = 32767
};

/* What the master publishes and a reader gets: in the reader, slices point into the segment. Of
 * a team the id is its number, and hash, expires_wall_ns, user_id and last4 say nothing. */
struct dir_key {
	struct sha256 hash;
	uint64_t id; /* row id in the database, never used again; 0 = master key */
	uint32_t flags;			/* KEY_* */
	uint32_t entity;		/* its row among the board's entities */
	uint64_t expires_wall_ns;	/* 0 = never */
	int64_t max_budget_nano;	/* DIR_NO_LIMIT = none */
	uint64_t rpm, tpm;		/* 0 = none */
	uint32_t max_parallel;		/* 0 = none */
	struct str alias, user_id, team_id;
	struct str last4;		/* "sk-...abcd" */
	struct str models;		/* names or patterns, each followed by a NUL byte */
};

struct dir;				/* a mapping, in the master or in a worker */

/* Master: a fresh segment for up to max_keys. 0 or -errno. *ret_fd is what workers map. */
int dir_create(uint64_t max_keys, struct dir **ret, int *ret_fd) MUST_USE;
/* Worker: read-only. Takes fd. 0, -EBADMSG, or -errno. */
int dir_map(int fd, struct dir **ret) MUST_USE;
struct dir *dir_free(struct dir *d);

/* Publishes or replaces the row of k->hash; every worker sees it when this returns.
 * 0, -ENOSPC (segment full), -ENOMEM, -E2BIG (a row above 64 KiB). */
int dir_put(struct dir *d, const struct dir_key *k, uint64_t now_ns) MUST_USE;
/* 0 or -ENOENT. Gone for every worker when this returns. */
int dir_remove(struct dir *d, const struct sha256 *hash, uint64_t now_ns) MUST_USE;
/* false: no such key. Wait-free, bounded, checks every offset: safe against a torn read. */
bool dir_find(const struct dir *d, const struct sha256 *hash, struct dir_key *ret);
/* The same three of a team, known by k->team_id. */
int dir_put_team(struct dir *d, const struct dir_key *k, uint64_t now_ns) MUST_USE;
int dir_remove_team(struct dir *d, struct str team_id, uint64_t now_ns) MUST_USE;
bool dir_find_team(const struct dir *d, struct str team_id, struct dir_key *ret);
uint64_t dir_count(const struct dir *d);	/* rows of all kinds */
/* Whether the key may use that model: empty list, exact name, pattern with '*'. */
bool dir_key_may_use(const struct dir_key *k, struct str model);
/* Whether its list has just this name. */
bool dir_key_lists(const struct dir_key *k, struct str name);

#endif
