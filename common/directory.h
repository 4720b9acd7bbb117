/* SPDX-License-Identifier: MIT
 * directory.h - who may do what: virtual keys, teams, users and their kin in one segment.
 *
 * Written by the master only, row by row; a row is immutable once published and is replaced,
 * never edited. Readers find a row by the SHA-256 of the key through an open hash table whose
 * slots are single words, and copy what they need before they return to their loop. All but keys
 * are found by their names, which is all that the rows of keys know of them: a change of a team is
 * one write, and all its keys see it. A row that
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
enum { DIR_LAYOUT = 7, DIR_NO_LIMIT = -1, DIR_ID_MAX = 1024 };

enum {
	KEY_ADMIN = 1,			/* proxy_admin: the master key */
	KEY_BLOCKED = 2,
	KEY_VIEWER = 4,			/* proxy_admin_viewer */
	KEY_ALL_MODELS = 8,		/* the model list is empty or says so */
	KEY_INTERNAL = 16, KEY_INTERNAL_VIEWER = 32,	/* a user's: internal_user, ..._viewer */
	KEY_RULES = 64,			/* there are rules */
	KEY_MODEL_LIMITS = 128,		/* there are limits of single models */
	KEY_RATES_ONLY = 256,		/* in a worker: it has no money, and no level */
	KEY_WINDOWS = 512,		/* there are limits in windows */
	KEY_ALIASES = 1024,		/* there are RULE_ALIAS among the rules */
	KEY_LOGGED = 4096,		/* it has callbacks of its own, or is kept from some */
	KEY_TOLD = 1 << 13,	/* a callback of its own is given what it asks and is answered */
	KEY_NO_TEXTS = 1 << 14,	/* what it asks and is answered is neither stored nor told */
	KEY_REDACTED = 1 << 15,		/* the same, and it is said so */
	KEY_PRIORITY_SHIFT = 16,	/* above: the best priority that its requests may have */
	KEY_PRIORITY_MAX = 32767
};
#define DIR_GROUP_MARK '\1'
/* Before a path or a group; a body's member; the region that deployments must be in; a control
 * of the response cache; its class in priority_reservation; a name for a model, behind which comes
 * the model that is meant. */
enum { RULE_ROUTE = 'r', RULE_PARAM = 'p', RULE_REGION = 'g', RULE_CACHE = 'c',
       RULE_PRIORITY = 'n', RULE_ALIAS = 'a', RULE_MEANT = 'm',
       RULE_SERVICE = 's' /* it is a service account; without a text */,
       RULE_LOGGING = 'l' /* the last: JSON for the master, with KEY_LOGGED and no KEY_RULES */ };

/* What a row is of; the numbers are those of the database's kinds, less one. */
enum dir_kind {
	DIR_KEY, DIR_TEAM, DIR_USER, DIR_ORGANIZATION, DIR_MEMBER, DIR_CUSTOMER, DIR_TAG,
	DIR_BUDGET, DIR_ORGANIZATION_MEMBER,
	/* Limits of one model, which stand in their owner's row and have entities of their own. */
	DIR_KEY_MODEL = 9, DIR_TEAM_MODEL, DIR_ORGANIZATION_MODEL,
	DIR_USER_MODEL = 16, DIR_CUSTOMER_MODEL, DIR_TAG_MODEL,
	/* These have no entity: models for whoever names it; a key by a claim of tokens, the hash
	 * of which is its alias and whose name is "<claim>\n<value>". */
	DIR_ACCESS_GROUP, DIR_TOKEN_KEY,
	DIR_KINDS
};
/* What the limits for single models of that kind's rows are; DIR_KINDS: it has none. */
static inline enum dir_kind dir_model_kind(enum dir_kind owner)
{
	switch (owner) {
	case DIR_KEY:
		return DIR_KEY_MODEL;
	case DIR_TEAM:
		return DIR_TEAM_MODEL;
	case DIR_ORGANIZATION:
		return DIR_ORGANIZATION_MODEL;
	case DIR_USER:
		return DIR_USER_MODEL;
	case DIR_CUSTOMER:
		return DIR_CUSTOMER_MODEL;
	case DIR_TAG:
		return DIR_TAG_MODEL;
	default:
		return DIR_KINDS;
	}
}

/* What the master publishes and a reader gets: in the reader, slices point into the segment. Only
 * a key has hash, expires_wall_ns and user_id. A member's name is "<number of its team>/<user_id>",
 * that of an organization's member "<number of the organization>/<user_id>";
 * a budget has no entity, it lends its limits to those whose budget_id names it. */
struct dir_key {
	enum dir_kind kind;
	struct sha256 hash;
	uint64_t id; /* row id in the database, never used again; 0 = master key */
	uint32_t flags;			/* KEY_* */
	uint32_t entity;		/* its row among the board's entities */
	uint64_t expires_wall_ns;	/* 0 = never */
	int64_t max_budget_nano;	/* DIR_NO_LIMIT = none */
	uint64_t rpm, tpm; /* 0 = none; no more than UINT32_MAX is kept */
	uint32_t rpm_burst;		/* requests that may come at once; 0 = rpm */
	uint32_t max_parallel;		/* 0 = none */
	struct str alias, user_id, team_id, organization_id, budget_id;
	struct str last4;		/* what may be shown: "sk-...abcd"; the others' name */
	/* Names or patterns, each followed by a NUL byte. Those that begin with '!' are what the
	 * key may not use, whatever the others say; they stand first. Those that begin with
	 * DIR_GROUP_MARK are ids of access groups; they stand last. */
	struct str models;
	struct str router;		/* router_settings, a JSON object; or .n 0 */
	struct str rules;		/* RULE_* and text, each followed by a NUL byte */
	struct str windows;		/* common/window.h reads it */
	struct str model_limits;	/* common/model_limit.h reads it; of whole eight bytes */
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
/* The same three of what has a name of at most DIR_ID_MAX bytes, k->kind says which. */
int dir_put_named(struct dir *d, struct str name, const struct dir_key *k,
		  uint64_t now_ns) MUST_USE;
int dir_remove_named(struct dir *d, enum dir_kind kind, struct str name,
		     uint64_t now_ns) MUST_USE;
bool dir_find_named(const struct dir *d, enum dir_kind kind, struct str name, struct dir_key *ret);
uint64_t dir_count(const struct dir *d);	/* rows of all kinds */
uint64_t dir_room(const struct dir *d);	/* how many rows of usual size it was made for */
uint64_t dir_count_kind(const struct dir *d, enum dir_kind kind);
/* Whether there is any of that kind: who asks first need not look for one. */
bool dir_has(const struct dir *d, enum dir_kind kind);
/* What it is called on the board and in journals: kind and number. */
static inline uint64_t dir_entity_id(const struct dir_key *k)
{
	return (uint64_t)(k->kind + 1) << 56 | k->id;
}
/* Whether the key may use that model: empty list, exact name, pattern with '*'. Exclusions alone
 * leave everything else; whether one of them names the model is not looked at here. */
bool dir_key_may_use(const struct dir_key *k, struct str model);
/* Whether an exclusion names it. */
bool dir_key_excludes(const struct dir_key *k, struct str model);
static inline bool dir_key_has_exclusions(const struct dir_key *k)
{
	return !(k->flags & KEY_ALL_MODELS) && k->models.n && k->models.p[0] == '!';
}
/* Its list without access groups; and those alone, each with its mark. */
struct str dir_models_named(struct str models);
struct str dir_models_groups(struct str models);
/* "*", and LiteLLM's words for it. */
bool dir_name_is_all(struct str name);
/* Whether its list has just this name. */
bool dir_key_lists(const struct dir_key *k, struct str name);

#endif
