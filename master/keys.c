/* SPDX-License-Identifier: MIT
 * keys.c - the twins of the database's keys, teams and tenants: rows of the directory, rows of the
 * board.
 *
 * A key and its team lie in one shard of the budgets, which the team's id picks, so that most
 * requests need one lock; all others lie where their places on the board put them. */
#include "master/keys.h"

#include <errno.h>
#include <stdio.h>

#include "common/budget.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/model_limit.h"
#include "master/keys_private.h"
#include "master/keys_windows.h"
#include "master/tenants.h"
#include "master/token_keys.h"
#include "master/unified_groups.h"

enum { ROW_MEMORY = 2 << 20, ROUTER_MAX = 16384 };
#define MASTER_ENTITY_ID (ENTITY_KEY | 0)

/* ---- directory and board ---- */

bool keys_find(const struct keys *k, struct str text_or_hash, struct dir_key *ret)
{
	struct sha256 hash;

	if (str_starts(text_or_hash, STR("sk-")))
		hash = hash_sha256(text_or_hash);
	else if (hash_unhex(hash.b, sizeof hash.b, text_or_hash) < 0)
		return false;
	return dir_find(k->dir, &hash, ret);
}

bool keys_have_logged(const struct keys *k)
{
	return k->has_logged;
}

bool keys_is_master(const struct keys *k, const struct sha256 *hash)
{
	return k->has_master && hash_sha256_eq(&k->master, hash);
}

/* What the metadata says of priority: the best that requests of the key or team may have. */
static uint32_t priority_of(const struct key_row *row, struct arena *a)
{
	struct json_error e;
	const struct json *j = row->metadata.n ? json_parse(a, row->metadata, 0, &e) : NULL;
	uint64_t n = 0;
	j = json_is(j, JSON_OBJECT) ? json_get(j, "priority") : NULL;
	if (!json_is(j, JSON_NUMBER) || str_read_u64(j->raw, &n) < 0)
		return 0;
	return n > KEY_PRIORITY_MAX ? KEY_PRIORITY_MAX : (uint32_t)n;
}

/* What a user's role says of the keys; a list of models is of no effect on some kinds. */
static uint32_t flags_of(enum dir_kind kind, const struct key_row *row, struct str flat)
{
	static const struct {
		struct str role;
		uint32_t flag;
	} roles[] = {
		{ { "proxy_admin", 11 }, KEY_ADMIN },
		{ { "proxy_admin_viewer", 18 }, KEY_VIEWER },
		{ { "internal_user", 13 }, KEY_INTERNAL },
		{ { "internal_user_viewer", 20 }, KEY_INTERNAL_VIEWER },
	};
	bool is_open = kind >= DIR_MEMBER || key_models_are_all(flat);
	uint32_t flags = (row->blocked ? KEY_BLOCKED : 0u) | (is_open ? KEY_ALL_MODELS : 0u);
	for (size_t i = 0; i < COUNT(roles) && kind == DIR_USER; i++)
		if (str_eq(row->role, roles[i].role))
			flags |= roles[i].flag;
	return flags;
}

/* router_settings, which stand with what is kept and shown as it came. Most rows have none, and
 * are not parsed. */
static struct str router_of(const struct key_row *row, struct arena *a)
{
	const struct json *all, *own;
	struct json_error e;
	if (str_find(row->extra, STR("\"router_settings\"")) == SIZE_MAX)
		return STR_NONE;
	all = json_parse(a, row->extra, 0, &e);
	own = json_is(all, JSON_OBJECT) ? json_get(all, "router_settings") : NULL;
	return json_is(own, JSON_OBJECT) && own->child && own->raw.n <= ROUTER_MAX ? own->raw
										   : STR_NONE;
}

/* `flat` is the model list; rules a key has. */
static struct dir_key dir_row_of(enum dir_kind kind, const struct key_row *row, struct str flat,
				 struct str rules, uint32_t entity, struct arena *a)
{
	return (struct dir_key){
		.kind = kind,
		.hash = row->hash,
		.id = row->id,
		.flags = flags_of(kind, row, flat) | (rules.n ? KEY_RULES : 0u) |
			 key_texts_flags(a, row) |
			 (kind <= DIR_TEAM ? priority_of(row, a) << KEY_PRIORITY_SHIFT : 0),
		.entity = entity,
		.expires_wall_ns = row->expires,
		.max_budget_nano = row->max_budget >= 0 ? row->max_budget : DIR_NO_LIMIT,
		.rpm = (uint64_t)row->rpm_limit,
		.tpm = (uint64_t)row->tpm_limit,
		.max_parallel = (uint32_t)row->max_parallel_requests,
		.alias = row->alias,
		.user_id = row->user_id,
		.team_id = row->team_id,
		.organization_id = row->organization_id,
		.budget_id = row->budget_id,
		.last4 = kind == DIR_TEAM ? row->team_id : row->key_name,
		.models = flat,
		.rules = rules,
	};
}

/* Which shard a team and its keys lie in; a key without one is alone. */
static uint32_t root_of(struct str team_id)
{
	return team_id.n ? 1 + (uint32_t)(hash_stable(team_id) % UINT32_MAX) : 0;
}

/* What it is found by in the directory; of a key, the hash. No name is longer than its room:
 * one of a member that were would be too long for the directory. */
struct dir_name {
	char of_member[DIR_ID_MAX + 2];
};

static struct str dir_name_of(enum dir_kind kind, const struct key_row *row, struct dir_name *room)
{
	if (kind != DIR_MEMBER && kind != DIR_ORGANIZATION_MEMBER)
		return kind == DIR_TEAM ? row->team_id : row->key_name;
	int n = snprintf(room->of_member, sizeof room->of_member, "%llu/" STR_FMT,
			 (unsigned long long)row->owner, STR_ARG(row->key_name));
	size_t most = sizeof room->of_member - 1;
	return str_of(room->of_member, (size_t)n < most ? (size_t)n : most);
}

/* Finds or gives the entity. A budget has none. */
static int place(struct keys *k, uint64_t id, struct str team_id, int64_t spend, uint32_t *ret,
		 bool *ret_is_new)
{
	uint32_t root = root_of(team_id);
	*ret = 0;
	*ret_is_new = false;
	if (entity_kind(id) == DIR_BUDGET)
		return 0;
	*ret_is_new = !entities_find(&k->entities, id, ret);
	if (*ret_is_new)
		return entities_assign(&k->entities, id, root, spend, clock_ns(), ret);
	return atomic_load(&k->board->entities[*ret].root) == root ? 0 :
		budget_set_root(k->board, *ret, root);
}

/* ---- limits for single models, each with an entity in its owner's shard ---- */

struct owner_models {
	struct key_model *v;
	size_t n;
	struct buf text;		/* as it stands in the owner's row */
};

static int place_models(struct keys *k, const struct key_row *row, struct owner_models *m)
{
	int err = 0;
	for (size_t i = 0; i < m->n && !err; i++) {
		struct key_model *one = &m->v[i];
		struct model_limit l = { .id = one->id & ~ENTITY_KIND_MASK, .model = one->model,
					 .max_budget_nano = one->max_budget, .rpm = one->rpm,
					 .tpm = one->tpm };
		err = place(k, one->id, row->team_id, one->spend, &l.entity, &one->is_new);
		model_limit_put(&m->text, &l);
	}
	return err ? err : m->text.failed ? -E2BIG : 0;
}

static void take_back_models(struct keys *k, const struct owner_models *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].is_new)
			entities_release(&k->entities, m->v[i].id, clock_ns());
}

/* Of a row that is about to be replaced: nobody finds those again that are in it alone. A word
 * that counted against another limit is forgotten. */
static void leave_models(struct keys *k, const struct dir_key *old, struct str now)
{
	struct str rest = old->model_limits;
	struct model_limit was, is;
	while (model_limit_next(&rest, &was)) {
		struct board_entity *e = &k->board->entities[was.entity];
		if (!model_limit_find(now, was.model, &is)) {
			entities_release(&k->entities,
					 ENTITY_OF(dir_model_kind(old->kind)) | was.id, clock_ns());
			continue;
		}
		if (was.rpm != is.rpm)
			atomic_store(&e->rpm_tat, 0);
		if (was.tpm != is.tpm)
			atomic_store(&e->tpm_tat, 0);
	}
}

static void expect_resets(struct keys *k, const struct owner_models *m)
{
	struct period p;
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].duration.n && period_read(m->v[i].duration, &p) == 0)
			keys_expect_reset(k, period_reset(p, clock_wall_ns()));
}

/* At start: with what the database says of them; none of what was kept by older versions is there
 * yet. */
int keys_load_models(struct keys *k, struct store_db *db, enum dir_kind kind,
		     const struct key_row *row, struct arena *a)
{
	struct owner_models m = { 0 };
	int err = key_model_has(kind, row) ? key_models_of(a, kind, row, &m.v, &m.n) : 0;
	if (err || !m.n)
		return err;
	buf_init(&m.text, ROW_MEMORY);
	err = key_models_store(db, kind, row);
	if (!err)
		err = key_models_spend(db, m.v, m.n);
	if (!err)
		err = place_models(k, row, &m);
	for (size_t i = 0; i < m.n && !err; i++)
		keys_expect_reset(k, m.v[i].reset_at);
	buf_done(&m.text);
	return err;
}

/* ---- rows ---- */

struct owner_windows {
	struct key_window *v;
	size_t n;
	struct buf text;		/* as it stands in the owner's row */
};

static bool find_row(const struct keys *k, const struct dir_key *d, struct str name,
		     struct dir_key *ret)
{
	return d->kind == DIR_KEY ? dir_find(k->dir, &d->hash, ret) :
				    dir_find_named(k->dir, d->kind, name, ret);
}

/* Of a row that is about to be replaced: what of it is not in the new one. */
static void leave_parts(struct keys *k, const struct dir_key *old, const struct dir_key *now)
{
	if (old->flags & KEY_MODEL_LIMITS)
		leave_models(k, old, now ? now->model_limits : STR(""));
	if (old->flags & KEY_WINDOWS)
		key_windows_leave(k, old->windows, now ? now->windows : STR(""));
}

/* With a burst, and without, the word of requests is of another kind. */
static void forget_pace(struct keys *k, const struct dir_key *old, const struct dir_key *now)
{
	if (old->rpm_burst != now->rpm_burst)
		atomic_store(&k->board->entities[now->entity].rpm_tat, 0);
}

static int put_in_directory(struct keys *k, const struct dir_key *d, struct str name,
			    uint64_t until_ns)
{
	struct dir_key old;
	bool had = find_row(k, d, name, &old);
	int err = d->kind == DIR_KEY ? dir_put(k->dir, d, clock_ns()) :
				       dir_put_named(k->dir, name, d, clock_ns());
	if (!err && d->kind == DIR_KEY)
		err = keys_grace_publish(k, d, until_ns);
	if (!err && had) {		/* the old row stays readable for a while */
		leave_parts(k, &old, d);
		forget_pace(k, &old, d);
	}
	return err;
}

/* Also 0: the place may have been another's. */
static void put_period(struct keys *k, uint32_t entity, uint64_t until_ns)
{
	if (atomic_load(&k->board->periods[entity]) != until_ns)
		atomic_store(&k->board->periods[entity], until_ns);
}

static int put_row(struct keys *k, uint64_t id, const struct key_row *row, struct arena *a)
{
	enum dir_kind kind = entity_kind(id);
	struct dir_name room;
	struct str list = key_models_flat(a, row->models);
	struct str flat = key_groups_add(a, kind, row, list), name = dir_name_of(kind, row, &room);
	struct str rules = key_rules_flat(a, kind, row);
	uint64_t until_ns = 0;
	struct owner_models models = { 0 };
	struct owner_windows windows = { 0 };
	uint32_t entity;
	bool is_new;
	if (!flat.p || !rules.p || key_models_of(a, kind, row, &models.v, &models.n) != 0 ||
	    key_windows_of(a, kind, row, &windows.v, &windows.n) != 0)
		return -ENOMEM;
	int err = place(k, id, row->team_id, row->spend, &entity, &is_new);
	if (err)
		return err;
	put_period(k, entity, row->budget_reset_at);
	struct dir_key d = dir_row_of(kind, row, flat, rules, entity, a);
	err = key_aliases_add(a, kind, row, &d.rules, &d.flags);
	if (!err)
		err = key_logging_add(a, kind, row, &d.rules, &d.flags);
	d.router = router_of(row, a);
	d.rpm_burst = kind <= DIR_TEAM ? key_burst_of(a, row) : 0;
	if (kind == DIR_KEY)
		d.max_budget_nano = key_budget_at(a, row, clock_wall_ns(), &until_ns);
	buf_init(&models.text, ROW_MEMORY);
	if (!err)
		err = place_models(k, row, &models);
	d.model_limits = buf_str(&models.text);
	d.flags |= models.n ? KEY_MODEL_LIMITS : 0u;
	buf_init(&windows.text, KEY_WINDOWS_TEXT_MAX);
	if (!err)
		err = key_windows_place(k, windows.v, windows.n, &windows.text);
	d.windows = buf_str(&windows.text);
	d.flags |= windows.n ? KEY_WINDOWS : 0u;
	if (!err)
		err = put_in_directory(k, &d, name, until_ns);
	k->has_logged |= !err && d.flags & KEY_LOGGED;
	if (err && is_new)
		entities_release(&k->entities, id, clock_ns());
	if (err)
		take_back_models(k, &models);
	else
		expect_resets(k, &models);
	if (err)
		key_windows_take_back(k, windows.v, windows.n);
	buf_done(&models.text);
	buf_done(&windows.text);
	return err;
}

static int publish(struct keys *k, uint64_t id, const struct key_row *row)
{
	struct arena *a = arena_new(ROW_MEMORY);
	int err = a ? put_row(k, id, row, a) : -ENOMEM;
	arena_free(a);
	if (err)
		return err;
	keys_expect_reset(k, row->budget_reset_at);
	atomic_fetch_add(&k->board->head->directory_revision, 1);
	return 0;
}

int keys_publish(struct keys *k, const struct key_row *row, const struct sha256 *old)
{
	if (keys_is_master(k, &row->hash))
		return 0;		/* the operator's word is above the table's */
	int err = publish(k, ENTITY_KEY | row->id, row);
	if (err) {
		/* A text that was to be new must not work when its old ones could not follow. */
		if ((!old || !hash_sha256_eq(old, &row->hash)) &&
		    dir_remove(k->dir, &row->hash, clock_ns()) == 0)
			atomic_fetch_add(&k->board->head->directory_revision, 1);
		return err;
	}
	if (old && !hash_sha256_eq(old, &row->hash))
		token_keys_follow(k, row->id);
	struct dir_key before, now;
	if (old && !hash_sha256_eq(old, &row->hash) && dir_find(k->dir, old, &before) &&
	    before.flags & (KEY_MODEL_LIMITS | KEY_WINDOWS) && dir_find(k->dir, &row->hash, &now))
		leave_parts(k, &before, &now);
	if (old && !hash_sha256_eq(old, &row->hash) && !keys_is_master(k, old) &&
	    !keys_grace_has(k, old) && dir_remove(k->dir, old, clock_ns()) != 0)
		LOG(LOG_WARN, "key.not_in_directory", F_INT("id", row->id));
	return 0;
}

int teams_publish(struct keys *k, const struct key_row *row)
{
	return publish(k, ENTITY_TEAM | row->id, row);
}

int tenants_publish(struct keys *k, enum dir_kind kind, const struct key_row *row)
{
	return publish(k, ENTITY_OF(kind) | row->id, row);
}

static void release(struct keys *k, uint64_t id)
{
	entities_release(&k->entities, id, clock_ns());
	atomic_fetch_add(&k->board->head->directory_revision, 1);
}

void keys_withdraw(struct keys *k, const struct key_row *row)
{
	struct dir_key d;
	if (dir_find(k->dir, &row->hash, &d))
		leave_parts(k, &d, NULL);
	if (!keys_is_master(k, &row->hash) && dir_remove(k->dir, &row->hash, clock_ns()) != 0)
		LOG(LOG_WARN, "key.not_in_directory", F_INT("id", row->id));
	keys_grace_withdraw(k, row->id);
	release(k, ENTITY_KEY | row->id);
}

void teams_withdraw(struct keys *k, const struct key_row *row)
{
	struct dir_key d;
	if (dir_find_named(k->dir, DIR_TEAM, row->team_id, &d))
		leave_parts(k, &d, NULL);
	if (dir_remove_named(k->dir, DIR_TEAM, row->team_id, clock_ns()) != 0)
		LOG(LOG_WARN, "key.not_in_directory", F_STR("team_id", row->team_id));
	release(k, ENTITY_TEAM | row->id);
}

void tenants_withdraw(struct keys *k, enum dir_kind kind, const struct key_row *row)
{
	struct dir_name room;
	struct dir_key d;
	if (dir_find_named(k->dir, kind, dir_name_of(kind, row, &room), &d))
		leave_parts(k, &d, NULL);
	if (dir_remove_named(k->dir, kind, dir_name_of(kind, row, &room), clock_ns()) != 0)
		LOG(LOG_WARN, "key.not_in_directory", F_INT("id", row->id));
	release(k, ENTITY_OF(kind) | row->id);
}

int64_t keys_settled_of(struct keys *k, uint64_t id, int64_t spend)
{
	int64_t settled, reserved;
	uint32_t entity, parallel;
	if (!entities_find(&k->entities, id, &entity))
		return spend;
	budget_read(k->board, entity, &settled, &reserved, &parallel);
	return settled < 0 ? 0 : settled;
}

int64_t keys_spend_of(struct keys *k, const struct key_row *row)
{
	return keys_settled_of(k, ENTITY_KEY | row->id, row->spend);
}

void keys_forget_rates(struct keys *k, uint64_t id, const struct key_row *before,
		       const struct key_row *row)
{
	uint32_t at;
	if (!entities_find(&k->entities, id, &at))
		return;
	struct board_entity *e = &k->board->entities[at];
	if (before->rpm_limit != row->rpm_limit)
		atomic_store(&e->rpm_tat, 0);
	if (before->tpm_limit != row->tpm_limit)
		atomic_store(&e->tpm_tat, 0);
}

/* ---- changes of the board that may have to wait for a lock ---- */

static int move_settled(struct keys *k, const struct late_move *m)
{
	uint32_t entity;
	if (!entities_find(&k->entities, m->id, &entity))
		return 0;		/* deleted meanwhile */
	return m->is_absolute ? budget_set_settled(k->board, entity, m->nano) :
				budget_add_settled(k->board, entity, m->nano);
}

static void keep_late(struct keys *k, const struct late_move *m)
{
	if (k->n_late == k->late_room) {
		size_t room = k->late_room ? k->late_room * 2 : 16;
		struct late_move *late = mem_grow(k->late, room * sizeof *late);
		if (!late) {
			LOG(LOG_ERROR, "key.budget_stale", F_INT("id", m->id & ~ENTITY_KIND_MASK));
			return;
		}
		k->late = late;
		k->late_room = room;
	}
	k->late[k->n_late++] = *m;
}

void keys_move_settled(struct keys *k, uint64_t id, int64_t nano, bool is_absolute)
{
	struct late_move m = { .id = id, .nano = nano, .is_absolute = is_absolute };
	/* In order: what is late of this one must not come behind this. */
	if (k->n_late || move_settled(k, &m) != 0)
		keep_late(k, &m);
}

void keys_charge(void *data, uint64_t owner, int64_t nano)
{
	keys_move_settled(data, owner, nano, false);
}

void keys_move_late(struct keys *k)
{
	size_t done = 0;
	while (done < k->n_late && move_settled(k, &k->late[done]) == 0)
		done++;
	k->n_late -= done;
	if (done && k->n_late)
		memmove(k->late, k->late + done, k->n_late * sizeof *k->late);
}

/* ---- start ---- */

int keys_place_row(struct keys *k, uint64_t id, const struct key_row *row, struct arena *a)
{
	int err = put_row(k, id, row, a);
	if (err == -EBUSY) {
		/* Its move to another team got no further than the database, and its old shard
		 * is not to be had: another row, which begins with what is booked. */
		entities_release(&k->entities, id, clock_ns());
		err = put_row(k, id, row, a);
	}
	if (!err)
		keys_expect_reset(k, row->budget_reset_at);
	return err;
}

/* The master key's row; its entity has no limits, it only counts. */
static int put_master(struct keys *k)
{
	uint32_t entity;
	if (!entities_find(&k->entities, MASTER_ENTITY_ID, &entity))
		return -ENOENT;
	struct dir_key d = {
		.hash = k->master,
		.flags = KEY_ADMIN | KEY_ALL_MODELS,
		.entity = entity,
		.max_budget_nano = DIR_NO_LIMIT,
		.alias = STR("master"),
		.user_id = STR("default_user_id"),
		.last4 = STR("sk-...master"),
	};
	atomic_store(&k->entities.board->head->operator_entity, 1 + (uint64_t)entity);
	return dir_put(k->dir, &d, clock_ns());
}

static int start(struct keys *k, struct str master_key)
{
	uint32_t entity;
	int err = entities_init(&k->entities, k->board, clock_ns());
	if (!err && !entities_find(&k->entities, MASTER_ENTITY_ID, &entity))
		/* first, so that it has row 0 */
		err = entities_assign(&k->entities, MASTER_ENTITY_ID, 0, 0, clock_ns(), &entity);
	if (!err)
		err = keys_set_master(k, master_key);
	if (!err)
		err = store_write_wait(k->store, keys_load_job, k);
	size_t mended = err ? 0 : keys_apply_resets(k);
	if (mended || k->is_applying)
		LOG(LOG_WARN, "budget.reset_mended", F_INT("keys", mended));
	return err;
}

int keys_start(struct store *s, struct dir *d, struct board *b, struct str master_key,
	       struct keys **ret)
{
	struct keys *k = mem_alloc(sizeof *k);
	if (!k)
		return -ENOMEM;
	*k = (struct keys){ .store = s, .dir = d, .board = b, .customers_amount = INT64_MIN };
	int err = start(k, master_key);
	if (err) {
		keys_stop(k);
		return err;
	}
	*ret = k;
	return 0;
}

void keys_stop(struct keys *k)
{
	if (!k)
		return;
	entities_done(&k->entities);
	mem_free(k->late);
	mem_free(k->due);
	mem_free(k->hours);
	mem_free(k->sums);
	mem_wipe(&k->master, sizeof k->master);
	mem_free(k);
}

int keys_set_master(struct keys *k, struct str master_key)
{
	struct sha256 old = k->master, now = { { 0 } };
	bool had = k->has_master, is_same;
	if (master_key.n)
		now = hash_sha256(master_key);
	is_same = had && master_key.n && hash_sha256_eq(&old, &now);
	if (is_same)
		return 0;
	k->master = now;
	k->has_master = master_key.n > 0;
	int err = k->has_master ? put_master(k) : 0;
	if (err) {
		k->master = old;
		k->has_master = had;
		return err;
	}
	if (had && dir_remove(k->dir, &old, clock_ns()) != 0)
		LOG(LOG_WARN, "key.not_in_directory", F_INT("id", 0));
	atomic_fetch_add(&k->board->head->directory_revision, 1);
	return 0;
}

uint64_t keys_count(const struct keys *k)
{
	return k->entities.n_keys - 1;	/* without the master key's place */
}
