/* SPDX-License-Identifier: MIT
 * keys_private.h - what keys*.c, teams*.c and tenants*.c share: the row of a key, a team or a
 * tenant in memory, and how it is found, changed, shown.
 *
 * Functions that take a store_db run on the store's threads; all others on the loop. */
#ifndef KEYS_PRIVATE_H
#define KEYS_PRIVATE_H

#include "common/json_write.h"
#include "master/keys.h"
#include "master/store_sql.h"
#include "master/zone.h"

enum { MONEY_NONE = -1 };

/* Slices point into an arena. Only a key has hash, user_id, permissions and expires; only a tenant
 * has owner, role and email, and key_name is its name. */
struct key_row {
	uint64_t id, owner;
	struct sha256 hash;
	struct str key_name;		/* sk-...abcd */
	struct str budget_id, role, email;
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
	" expires, created_at, created_by, updated_at, updated_by, last_used, budget_id"
/* The same places, without what only the commands want to know. Most rows have neither aliases nor
 * members of their own. */
#define KEY_COLUMNS_PUBLISHED                                                                     \
	"id, token_hash, key_name, alias, user_id, team_id, organization_id, models,"             \
	" nullif(aliases, '{}'), nullif(metadata, '{}'), NULL, nullif(extra, '{}'),"              \
	" max_budget, NULL, spend, 0, NULL, budget_reset_at, rpm_limit, tpm_limit,"               \
	" max_parallel_requests, blocked, expires, 0, NULL, 0, NULL, 0, budget_id"
/* Reads the row that a query with KEY_COLUMNS stands at. 0 or -ENOMEM. */
int key_row_read(struct sql *q, struct arena *a, struct key_row *ret) MUST_USE;
/* Binds ?2 to ?29, in the order of KEY_COLUMNS: all but the id. */
void key_row_bind(struct sql *q, const struct key_row *row);
struct str key_row_text(struct sql *q, int column, struct arena *a, bool *failed);
/* -EEXIST: the alias is taken; -EALREADY: the key is. Sets row->id. */
int key_row_insert(struct store_db *db, struct key_row *row) MUST_USE;
int key_row_update(struct store_db *db, const struct key_row *row) MUST_USE;
/* Keeps its name in keys_deleted. */
int key_row_delete(struct store_db *db, const struct key_row *row, uint64_t now_ns,
		   struct str by) MUST_USE;

/* -- keys_args.c: from arguments to row -- */

enum key_fields {
	FIELDS_OF_KEY, FIELDS_OF_TEAM, FIELDS_OF_USER, FIELDS_OF_ORGANIZATION, FIELDS_OF_CUSTOMER,
	FIELDS_OF_TAG, FIELDS_OF_BUDGET, FIELDS_OF_PERMISSIONS
};
struct key_change {
	const struct field_table *fields;	/* NULL: nothing is changed */
	uint64_t given;			/* bit per row of the field table */
	struct key_row to;		/* values of those columns */
	uint64_t now_ns;
	const struct json *args;	/* what goes into metadata and extra is read from here */
	struct str *warnings;
	size_t n_warnings;
};
/* Reads all members of c->args. 0; else answered already (-EINVAL). */
int key_change_read(struct command_call *c, enum key_fields of, struct key_change *ret) MUST_USE;
/* One warning more, of those that there is room for: one a member and one. .p NULL: none. */
void key_change_warn(struct key_change *ch, struct str text);
/* Puts the change into a row. May run on the store's thread. 0 or -ENOMEM. */
int key_change_apply(const struct key_change *ch, struct arena *a, struct key_row *row) MUST_USE;
bool key_change_sets_spend(const struct key_change *ch);
bool key_change_sets_period(const struct key_change *ch);
/* The members of a JSON list of strings, each with a NUL behind, those with a '!' first. .p NULL:
 * not such a list, a member that is empty or holds a NUL, or the arena is full. */
struct str key_models_flat(struct arena *a, struct str json);
bool key_models_are_all(struct str flat);

/* -- keys_rules.c -- */

/* The rules of a row, as struct dir_key has them. .p NULL: no memory. */
struct str key_rules_flat(struct arena *a, enum dir_kind kind, const struct key_row *row);
/* Adds RULE_ALIAS and RULE_MEANT of a key or a team, and KEY_ALIASES. 0 or -ENOMEM. */
int key_aliases_add(struct arena *a, enum dir_kind kind, const struct key_row *row,
		    struct str *rules, uint32_t *flags) MUST_USE;
/* What it says of its texts: KEY_NO_TEXTS, KEY_REDACTED. */
uint32_t key_texts_flags(struct arena *a, const struct key_row *row);
/* What holds then (DIR_NO_LIMIT: no budget), and until when (0: until it is changed). */
int64_t key_budget_at(struct arena *a, const struct key_row *row, uint64_t now_ns,
		      uint64_t *ret_until_ns);
/* "2026-01-31" or "2026-01-31T12:00:00Z", in UTC. 0 or -EINVAL. */
int key_time_read(struct str s, uint64_t *ret_ns) MUST_USE;

/* -- keys_logging.c: callbacks of a key's or a team's own -- */

#define KEY_SEALED "sealed:"
struct seal;
struct stored;
/* On the loop, before anything reads c->args: what callback_vars have in it is sealed. 0, or
 * answered (-EINVAL). */
int key_logging_read(struct command_call *c) MUST_USE;
/* Warns of the first callback that is not called here. */
void key_logging_warn(struct command_call *c, struct key_change *ch);
/* Gives masks in new metadata what stood there in the old. 0 or -ENOMEM. */
int key_logging_keep(struct arena *a, struct str was, struct str *metadata) MUST_USE;
/* Metadata as they may be shown. */
void key_logging_put_masked(struct json_out *o, const char *key, struct str metadata);
/* Adds what the row says to the rules of its twin in the directory, and KEY_LOGGED. 0; -ENOMEM;
 * -E2BIG: more than 16 KiB. */
int key_logging_add(struct arena *a, enum dir_kind kind, const struct key_row *row,
		    struct str *rules, uint32_t *flags) MUST_USE;
/* Back, appended. 0; -EBADMSG, -ENOKEY or -ENOMEM. */
int key_logging_open(struct stored *s, struct arena *a, struct str name, struct str sealed,
		     struct buf *out) MUST_USE;

/* -- keys_sealed.c -- */

/* One variable, as a JSON string without a key. */
void key_logging_seal(struct arena *a, const struct seal *key, struct str name, struct str plain,
		      struct json_out *o);
/* A job of the store: all of them with another key; what the old one does not open is left. */
int key_logging_reseal(struct store_db *db, const struct seal *from,
		       const struct seal *to) MUST_USE;

/* -- keys_models.c: limits for single models, of keys, teams, users and their kin -- */

/* The member of extra in which a row has its budget's. */
#define KEY_MODELS_LENT "model_max_budget_of_budget"
struct key_model {
	struct str model;
	uint64_t id;			/* of its entity */
	int64_t max_budget;		/* MONEY_NONE: none */
	struct str duration;		/* .p NULL: the budget is for ever */
	uint64_t rpm, tpm;		/* 0: none */
	int64_t spend;			/* key_models_spend() has read these two */
	uint64_t reset_at;
	bool is_new;			/* its entity, in this publication */
};
/* Whether its row may name any: who finds none here need not look further. */
bool key_model_has(enum dir_kind kind, const struct key_row *row);
/* Those of the row, which has its id; nothing but an arena's memory is in them. 0 or -ENOMEM. */
int key_models_of(struct arena *a, enum dir_kind kind, const struct key_row *row,
		  struct key_model **ret, size_t *ret_n) MUST_USE;
/* An argument that may name some: 0, or answered (-EINVAL). */
int key_model_check(struct command_call *c, const struct json *arg) MUST_USE;
/* In the job that writes an owner's row: rows of budgets come and go with it. */
int key_models_store(struct store_db *db, enum dir_kind kind, const struct key_row *row) MUST_USE;
int key_models_spend(struct store_db *db, struct key_model *v, size_t n) MUST_USE;
/* "model_spend", where there are any. */
void key_models_put_spend(struct json_out *o, struct keys *k, enum dir_kind kind,
			  const struct key_row *row);

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
/* When a period that everybody shares began: as period_reset() has it, and others in steps from
 * 1970 on. */
uint64_t period_begin(struct period p, uint64_t now_ns);

/* -- keys_json.c -- */

/* Null where there is none: below 0, or 0. */
void key_put_money(struct json_out *o, const char *key, int64_t nano);
void key_put_limit(struct json_out *o, const char *key, int64_t v);
void key_put(struct json_out *o, const struct key_row *row, int64_t spend, bool with_token);
void key_put_warnings(struct json_out *o, const struct str *warnings, size_t n);
struct str key_hash_hex(struct arena *a, const struct sha256 *hash);
/* Bytes that showing it may take. */
size_t key_put_room(const struct key_row *row);
/* The members of a team's object, of one that is open; `members` is the list as JSON. */
void team_put(struct json_out *o, const struct key_row *row, int64_t spend, struct str members);

/* -- keys_entities.c: rows of the board -- */

#define ENTITY_KIND_MASK (UINT64_C(0xff) << 56)
#define ENTITY_KEY (UINT64_C(1) << 56)		/* | keys.id */
#define ENTITY_TEAM (UINT64_C(2) << 56)		/* | teams.id */
#define ENTITY_OF(dir_kind) ((uint64_t)((dir_kind) + 1) << 56)	/* | tenants.id */

/* DIR_BUDGET: no entity. */
static inline enum dir_kind entity_kind(uint64_t id)
{
	return (enum dir_kind)((id >> 56) - 1);
}

struct entities {
	struct board *board;
	struct entity_place *table;	/* open addressing by kind | id */
	size_t room, used, n_keys;
	uint32_t next;			/* entities never given out */
	struct entity_freed *freed;	/* a ring, oldest first */
	size_t freed_room, freed_at, n_freed;
};
/* Finds again what stands on a board that is not new. 0 or -ENOMEM. */
int entities_init(struct entities *e, struct board *b, uint64_t now_ns) MUST_USE;
void entities_done(struct entities *e);
/* Gives a key or a team its row, with what it has spent. 0, -ENOMEM, -ENOSPC. */
int entities_assign(struct entities *e, uint64_t id, uint32_t root, int64_t spend, uint64_t now_ns,
		    uint32_t *ret) MUST_USE;
bool entities_find(const struct entities *e, uint64_t id, uint32_t *ret);
/* One after the other, from *at 0 on, while none comes or goes. false: that was the last. */
bool entities_next(const struct entities *e, size_t *at, uint64_t *ret_id, uint32_t *ret);
uint64_t entities_id_of(const struct entities *e, uint32_t entity);
/* The row is used again when no request can know it any more. */
void entities_release(struct entities *e, uint64_t id, uint64_t now_ns);

/* -- keys.c -- */

struct late_move {			/* a change of the board whose lock was not to be had */
	uint64_t id;			/* of the entity */
	int64_t nano;
	bool is_absolute;
};
struct key_due {			/* of a key, what ends by itself */
	uint64_t id, at_ns;
	struct sha256 hash;
	bool is_text;			/* an old text, of that hash; else a larger budget */
};
struct key_hours {			/* that a limit in a window names: keys_windows.c */
	uint64_t hash, change_ns;	/* when they open or close next; 0: never */
	uint32_t row;			/* of the board's gates */
	char zone[80];
	struct zone_window window;
};
struct keys {
	struct store *store;
	struct dir *dir;
	struct board *board;
	struct entities entities;
	struct sha256 master;
	bool has_master;
	uint64_t next_reset_ns;		/* wall; 0: neither key nor team has a period */
	bool is_resetting, is_applying;	/* in the database; and now on the board */
	struct key_due *due;		/* keys_grace.c */
	size_t n_due, due_room;
	bool is_ending;			/* one of them, in the database */
	bool is_giving;			/* customers_default.c */
	uint64_t next_customers_ns;
	int64_t customers_amount;	/* that all have; MONEY_NONE: none */
	struct key_hours *hours;
	size_t n_hours;
	struct late_move *late;
	size_t n_late, late_room;
	bool has_logged;		/* keys_have_logged() */
	struct keys_sums *sums;		/* keys_sums.c; NULL until the first second */
};
/* Makes the row visible in all workers; a first time gives it its entity. Replaces the row of
 * `old` where that is another hash. 0, -ENOSPC, -ENOMEM, -E2BIG; -EBUSY: the board is locked. */
int keys_publish(struct keys *k, const struct key_row *row, const struct sha256 *old) MUST_USE;
void keys_withdraw(struct keys *k, const struct key_row *row);
/* What an entity has spent: the board knows it sooner than the database, which says `spend`. */
int64_t keys_settled_of(struct keys *k, uint64_t id, int64_t spend);
int64_t keys_spend_of(struct keys *k, const struct key_row *row);
void keys_move_settled(struct keys *k, uint64_t id, int64_t nano, bool is_absolute);
/* A word that counted against another limit would go on refusing for up to a minute. */
void keys_forget_rates(struct keys *k, uint64_t id, const struct key_row *before,
		       const struct key_row *row);
/* Does what had to wait for a lock, as far as it goes. */
void keys_move_late(struct keys *k);

/* -- keys_reset.c: budget periods -- */

void keys_expect_reset(struct keys *k, uint64_t at_ns);
/* Brings onto the board what has begun in the database; returns how many periods it was. */
size_t keys_apply_resets(struct keys *k);
/* At start, on the writer's thread: notes of a master that was killed; the database decides. */
int keys_judge_resets(struct keys *k, struct store_db *db) MUST_USE;

/* A question to the table that has the entity's row: of keys, teams, tenants, model_limits. */
struct sql *entity_query(struct store_db *db, const char *const texts[4], uint64_t id);

/* -- keys_sums.c: the board's sums against the database's -- */

/* Each second: looks at some, and sets right what has been wrong for a second. */
void keys_sums_tick(struct keys *k);

/* -- keys.c, for teams and tenants -- */

/* The same two of a team, and of a tenant of that kind. */
int teams_publish(struct keys *k, const struct key_row *row) MUST_USE;
void teams_withdraw(struct keys *k, const struct key_row *row);
int tenants_publish(struct keys *k, enum dir_kind kind, const struct key_row *row) MUST_USE;
void tenants_withdraw(struct keys *k, enum dir_kind kind, const struct key_row *row);

/* -- keys_grace.c -- */

/* A text that was replaced works on until then. 0 or -ENOSPC: there are too many of them. */
int keys_grace_add(struct keys *k, uint64_t id, const struct sha256 *hash,
		   uint64_t until_ns) MUST_USE;
bool keys_grace_has(const struct keys *k, const struct sha256 *hash);
void keys_grace_drop(struct keys *k, const struct sha256 *hash);
/* With a key's row: its old texts follow it; its budget is another after that time (0: is not).
 * 0, -ENOSPC or another of dir_put(). */
int keys_grace_publish(struct keys *k, const struct dir_key *row,
		       uint64_t budget_until_ns) MUST_USE;
void keys_grace_withdraw(struct keys *k, uint64_t id);
void keys_grace_tick(struct keys *k, uint64_t wall_ns);
/* In a job. */
int key_grace_insert(struct store_db *db, const struct sha256 *hash, uint64_t id,
		     uint64_t until_ns) MUST_USE;
int key_grace_delete(struct store_db *db, const struct sha256 *hash) MUST_USE;
int keys_grace_load(struct keys *k, struct store_db *db) MUST_USE;

/* -- keys_commands.c -- */

/* Who did it, for created_by and updated_by. */
struct str key_caller_name(struct command_call *c);
/* Ends the call: what is in the database could not be shown to the workers (why, -errno), and was
 * taken back there (undone 0) or not. `what` is a noun. */
void key_fail_unpublished(struct command_call *c, const char *what, uint64_t id, int why,
			  int undone);

/* -- teams_row.c -- */

struct team_row {
	struct key_row r;
	struct str members;		/* JSON: members_with_roles */
	struct str memberships;		/* JSON: team_memberships */
};
struct team_member {
	struct str user_id, user_email, role;
	int64_t max_budget;		/* MONEY_NONE: none */
};
#define TEAM_COLUMNS                                                                              \
	"id, zeroblob(32), '', alias, NULL, team_id, organization_id, models, aliases, metadata," \
	" NULL, extra, max_budget, soft_budget, spend, spend_since, budget_duration,"             \
	" budget_reset_at, rpm_limit, tpm_limit, max_parallel_requests, blocked, NULL, created_at," \
	" created_by, updated_at, updated_by, last_used, budget_id"
/* And what only the commands want to know. */
#define TEAM_COLUMNS_SHOWN                                                                        \
	TEAM_COLUMNS                                                                              \
	", (SELECT json_group_array(json_object('user_id', user_id, 'user_email', user_email,"    \
	" 'role', role)) FROM (SELECT * FROM team_members WHERE team = t.id ORDER BY number)),"   \
	" (SELECT json_group_array(json_object('user_id', m.user_id, 'team_id', t.team_id,"       \
	" 'budget_id', x.budget_id, 'spend', coalesce(x.spend, 0) / 1e9,"                         \
	" 'litellm_budget_table', CASE WHEN x.id IS NULL THEN NULL ELSE json_object("             \
	"'max_budget', coalesce(x.max_budget, b.max_budget) / 1e9,"                               \
	" 'rpm_limit', coalesce(x.rpm_limit, b.rpm_limit), 'tpm_limit',"                          \
	" coalesce(x.tpm_limit, b.tpm_limit), 'budget_duration', x.budget_duration) END)) FROM"   \
	" (SELECT * FROM team_members WHERE team = t.id ORDER BY number) m LEFT JOIN tenants x"   \
	" ON x.kind = 5 AND x.owner = m.team AND x.name = m.user_id LEFT JOIN tenants b"          \
	" ON b.kind = 8 AND b.owner = 0 AND b.name = x.budget_id)"
/* Reads the row that a query with TEAM_COLUMNS_SHOWN stands at. 0 or -ENOMEM. */
int team_row_read(struct sql *q, struct arena *a, struct team_row *ret) MUST_USE;
int team_row_find(struct store_db *db, struct str team_id, struct arena *a,
		  struct team_row *ret) MUST_USE;
/* The same as the caller names it: llmgwctl on its socket may say an alias, too, that one team
 * alone has; *team_id becomes the id then. */
int team_row_find_named(struct store_db *db, const struct command_call *c, struct str *team_id,
			struct team_row *ret) MUST_USE;
/* -EEXIST: there is one with this id. Sets row->id. */
int team_row_insert(struct store_db *db, struct key_row *row) MUST_USE;
int team_row_update(struct store_db *db, const struct key_row *row) MUST_USE;
int team_row_delete(struct store_db *db, uint64_t id) MUST_USE;
/* -EEXIST: that user is in the team. */
int team_member_insert(struct store_db *db, uint64_t team, const struct team_member *m) MUST_USE;
/* By id, or by e-mail where there is no id; sets both. -ENOENT: not in the team. */
int team_member_delete(struct store_db *db, uint64_t team, struct team_member *m,
		       struct arena *a) MUST_USE;
/* Deletes the team's keys, or (user_id.n) those of one user in it, or (no team_id) all of that
 * user's, and says which they were. */
int team_keys_delete(struct store_db *db, struct str team_id, struct str user_id, struct arena *a,
		     uint64_t now_ns, struct str by, struct key_row **ret, size_t *ret_n) MUST_USE;

/* -- keys_load.c and what it needs of keys.c -- */

/* Puts all rows of the database in their places; data: the keys. */
int keys_load_job(struct store_db *db, void *data);
/* One row, as far as that needs no database. */
int keys_place_row(struct keys *k, uint64_t id, const struct key_row *row,
		   struct arena *a) MUST_USE;
/* Its limits for single models, which must be there before it. */
int keys_load_models(struct keys *k, struct store_db *db, enum dir_kind kind,
		     const struct key_row *row, struct arena *a) MUST_USE;

#endif
