/* SPDX-License-Identifier: MIT
 * keys_commands.c - create, change, delete: database first, then directory, then the answer.
 *
 * A change that the directory cannot take is taken back in the database before the caller is
 * told. The text of a key stands in the answer that made it and nowhere else. */
#include <errno.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/command_job.h"
#include "master/keys_private.h"
#include "master/master.h"
#include "master/roles.h"
#include "master/tenants.h"

enum { RANDOM_BYTES = 16, TEXT_ROOM = 32, DELETE_MAX = 1000 };
enum { KEY_TEXT_MIN = 16, KEY_TEXT_MAX = 1024 };	/* shorter ones are warned of */

struct key_call {			/* lives in the call's arena */
	struct command_call *c;
	struct keys *keys;
	struct str given;		/* how the caller named the key */
	struct key_ref ref;
	struct key_change change;
	struct key_row before, row;
	bool is_new;
	struct str text;		/* of a new key: shown once; of an imported one the hash */
	struct str name;
	struct sha256 hash;
	void (*edit)(struct key_call *kc, struct key_row *row);	/* besides the change */
	const char *const *own;		/* what may be given about a key of one's own */
	bool is_organizations;		/* it is reached as one of the caller's organization */
	bool wants_text;		/* it gets another, which acts for its user */
	uint64_t old_until_ns;		/* the text that is replaced works until then; 0: no more */
	int undo_why;
};

/* ---- common ---- */

static struct key_call *call_new(struct command_call *c)
{
	struct key_call *kc = command_state(c, sizeof *kc);
	if (!kc)
		return NULL;
	kc->keys = c->master->keys;
	return kc;
}

struct str key_caller_name(struct command_call *c)
{
	if (c->changed_by.n)
		return c->changed_by;
	if (c->kind == CALLER_SOCKET)
		return arena_printf(c->mem, "uid %u", c->caller_uid);
	if (c->caller_key && c->caller_hash)
		return key_hash_hex(c->mem, c->caller_hash);
	return STR("default_user_id");
}

static void fail(struct key_call *kc, int err)
{
	struct command_call *c = kc->c;
	int conflict = c->kind == CALLER_SOCKET ? 409 : 400;	/* LiteLLM's clients know 400 */
	switch (err) {
	case -ENOENT:
		command_fail(c, 404, "not_found_error", "key", "No key found");
		break;
	case -EEXIST:
		command_fail(c, conflict, "invalid_request_error", "key_alias",
			     "another key has the alias '" STR_FMT "'",
			     STR_ARG(kc->change.to.alias));
		break;
	case -EALREADY:
		command_fail(c, conflict, "invalid_request_error", "key",
			     "a key with this text exists already");
		break;
	case -EDOM:
		role_fail_argument(c, role_forbidden(c, kc->own, kc->is_organizations));
		break;
	case -ENODATA:
		command_fail(c, 400, "invalid_request_error", "budget_id",
			     "There is no budget with budget_id=" STR_FMT,
			     STR_ARG(kc->change.to.budget_id));
		break;
	default:
		if (!role_failed(c, err))
			command_fail_store(c, err);
	}
}

/* Whether `text` may be a key's. Answers if not. */
static bool check_text(struct key_call *kc, const char *arg, struct str text)
{
	const char *why = NULL;
	struct sha256 hash = hash_sha256(text);
	if (!str_starts(text, STR("sk-")) || text.n < 4)
		why = "must begin with sk-";
	else if (text.n > KEY_TEXT_MAX)
		why = "is longer than 1024 bytes";
	else if (keys_is_master(kc->keys, &hash))
		why = "is the master key";
	else if (keys_grace_has(kc->keys, &hash))
		why = "is one that a key still has from before";
	for (size_t i = 0; i < text.n && !why; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			why = "must be of visible ASCII characters";
	if (why)
		command_fail(kc->c, 400, "invalid_request_error", arg, "%s %s", arg, why);
	return !why;
}

/* Of an imported key only the hash is known, and how its text ends. false: answered. */
static bool take_hash(struct key_call *kc)
{
	struct command_call *c = kc->c;
	if (command_str(c, "key", &kc->text) == -EINVAL ||
	    command_str(c, "key_name", &kc->name) == -EINVAL)
		return false;
	const char *why = NULL;
	if (hash_unhex(kc->hash.b, sizeof kc->hash.b, kc->text) != 0)
		why = "must be a SHA-256 in hexadecimal digits";
	else if (keys_is_master(kc->keys, &kc->hash))
		why = "is the master key's";
	if (why)
		command_fail(c, 400, "invalid_request_error", "key", "key %s", why);
	return !why;
}

/* The text asked for, or a random one; sets hash and name of *row. false: answered. */
static bool take_text(struct key_call *kc, const char *arg)
{
	int err = command_str(kc->c, arg, &kc->text);
	if (err == -EINVAL)
		return false;
	if (err == -ENOENT || !kc->text.n) {
		char *p = arena_alloc(kc->c->mem, TEXT_ROOM);
		if (!p)
			return command_fail_store(kc->c, -ENOMEM), false;
		memcpy(p, "sk-", 3);
		hash_random_urlsafe(p + 3, RANDOM_BYTES);
		kc->text = str_z(p);
	}
	if (!check_text(kc, arg, kc->text))
		return false;
	if (kc->text.n < KEY_TEXT_MIN)
		key_change_warn(&kc->change,
				arena_printf(kc->c->mem, "%s has %zu characters and may be guessed: "
					     "take %d or more, or let one be made", arg, kc->text.n,
					     KEY_TEXT_MIN));
	return true;
}

static struct str name_of(struct arena *a, struct str text)
{
	size_t n = text.n < 4 ? text.n : 4;
	return arena_printf(a, "sk-..." STR_FMT, STR_ARG(str_skip(text, text.n - n)));
}

/* ---- the answers ---- */

static void answer_key(struct key_call *kc)
{
	struct command_call *c = kc->c;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_str(&o, "key", kc->text.p ? kc->text : kc->given);
	key_put(&o, &kc->row, keys_spend_of(kc->keys, &kc->row), true);
	key_put_warnings(&o, kc->change.warnings, kc->change.n_warnings);
	json_close(&o);
	if (kc->text.p)
		mem_wipe((char *)(uintptr_t)kc->text.p, kc->text.n);
	command_finish(c);
}

/* Bytes that the answer may take: had before the change is made, so that the text of a new key
 * is not lost for want of memory. */
static size_t answer_room(const struct key_call *kc)
{
	size_t texts = kc->given.n + kc->text.n;
	for (size_t i = 0; i < kc->change.n_warnings; i++)
		texts += kc->change.warnings[i].n;
	return key_put_room(&kc->row) + 6 * texts;
}

/* ---- taking back ---- */

static int undo_job(struct store_db *db, void *data)
{
	struct key_call *kc = data;
	if (kc->old_until_ns && key_grace_delete(db, &kc->before.hash) != 0)
		return -EIO;
	if (!kc->is_new)
		return key_row_update(db, &kc->before);
	return key_row_delete(db, &kc->row, clock_wall_ns(), STR("llmgw"));
}

static const char *why_unpublished(int why)
{
	switch (why) {
	case -ENOSPC:
		return "there is no room for more keys and teams (max_keys)";
	case -E2BIG:
		return "its texts are larger than 64 KiB";
	case -EBUSY:
		return "a lock of the budgets was not to be had in time";
	default:
		return "out of memory";
	}
}

static int status_of(int why)
{
	return why == -E2BIG ? 400 : 500;
}

void key_fail_unpublished(struct command_call *c, const char *what, uint64_t id, int why,
			  int undone)
{
	int status = status_of(why);
	LOG(LOG_ERROR, "key.unpublished", F_INT("id", id), F_Z("what", what),
	    F_Z("why", why_unpublished(why)));
	command_fail(c, status, status < 500 ? "invalid_request_error" : "internal_server_error",
		     NULL, "the %s could not be published: %s; %s", what, why_unpublished(why),
		     undone ? "it is in the database and takes effect at the next start" :
			      "nothing was changed");
}

static void on_undone(void *data, int err)
{
	struct key_call *kc = data;
	key_fail_unpublished(kc->c, "key", kc->row.id, kc->undo_why, err);
}

static void undo(struct key_call *kc, int why)
{
	kc->undo_why = why;
	if (kc->old_until_ns)
		keys_grace_drop(kc->keys, &kc->before.hash);
	int err = store_write(kc->keys->store, undo_job, on_undone, kc);
	if (err)
		on_undone(kc, err);
}

static void on_written(void *data, int err)
{
	struct key_call *kc = data;
	if (err) {
		fail(kc, err);
		return;
	}
	err = buf_reserve(&kc->c->out, answer_room(kc));
	if (!err && kc->old_until_ns)
		err = keys_grace_add(kc->keys, kc->row.id, &kc->before.hash, kc->old_until_ns);
	if (!err)
		err = keys_publish(kc->keys, &kc->row, kc->is_new ? NULL : &kc->before.hash);
	if (err) {
		undo(kc, err);
		return;
	}
	if (!kc->is_new)
		keys_forget_rates(kc->keys, ENTITY_KEY | kc->row.id, &kc->before, &kc->row);
	if (!kc->is_new && key_change_sets_spend(&kc->change))
		keys_move_settled(kc->keys, ENTITY_KEY | kc->row.id, kc->row.spend, true);
	answer_key(kc);
}

static void start_write(struct key_call *kc, store_job_fn *job)
{
	int err = store_write(kc->keys->store, job, on_written, kc);
	if (err)
		fail(kc, err);
}

/* ---- create ---- */

static int create_job(struct store_db *db, void *data)
{
	struct key_call *kc = data;
	int err = role_check_new_key(kc->c, db, &kc->row);
	if (!err)
		err = budget_adopt(db, kc->c->mem, kc->change.now_ns, &kc->row);
	return err ? err : key_row_insert(db, &kc->row);
}

static void start_row(struct key_call *kc)
{
	uint64_t now_ns = kc->change.now_ns;
	kc->row = (struct key_row){
		.models = STR("[]"), .aliases = STR("{}"), .metadata = STR("{}"),
		.permissions = STR("{}"), .extra = STR("{}"),
		.max_budget = MONEY_NONE, .soft_budget = MONEY_NONE,
		.spend_since = now_ns, .created_at = now_ns,
		.created_by = key_caller_name(kc->c), .updated_by = key_caller_name(kc->c),
		.hash = kc->hash,
		.key_name = kc->name.n ? kc->name : name_of(kc->c->mem, kc->text),
	};
}

void keys_generate(struct command_call *c)
{
	struct key_call *kc = call_new(c);
	if (!kc || key_change_read(c, FIELDS_OF_KEY, &kc->change) != 0 ||
	    !(c->is_import ? take_hash(kc) : take_text(kc, "key")))
		return;
	if (!role_may_make_keys(c))
		return;
	if (!c->is_import)
		kc->hash = hash_sha256(kc->text);
	kc->is_new = true;
	start_row(kc);
	int err = key_change_apply(&kc->change, c->mem, &kc->row);
	if (err || !kc->row.key_name.p)
		fail(kc, -ENOMEM);
	else
		start_write(kc, create_job);
}

/* ---- change ---- */

/* Whether the caller may change that key as it says. */
static int check_change(struct key_call *kc, struct store_db *db)
{
	int err = role_check_key(kc->c, db, &kc->before, &kc->is_organizations);
	/* With the text of somebody else's key one could be that user. */
	if (!err && kc->is_organizations && kc->wants_text && kc->before.user_id.n &&
	    !role_owns(kc->c, &kc->before))
		err = -EACCES;
	if (!err && role_forbidden(kc->c, kc->own, kc->is_organizations))
		err = -EDOM;
	return err;
}

static int change_job(struct store_db *db, void *data)
{
	struct key_call *kc = data;
	int err = role_check_command(kc->c, db);
	if (!err)
		err = key_row_find(db, &kc->ref, kc->c->mem, &kc->before);
	if (!err)
		err = check_change(kc, db);
	if (err)
		return err;
	kc->row = kc->before;
	err = key_change_apply(&kc->change, kc->c->mem, &kc->row);
	if (!err && (kc->change.to.budget_id.n || !kc->row.budget_id.n))
		err = budget_change(db, kc->c->mem, kc->change.now_ns, &kc->before,
				    key_change_sets_period(&kc->change), &kc->row);
	if (err)
		return err;
	kc->row.updated_by = key_caller_name(kc->c);
	if (kc->edit)
		kc->edit(kc, &kc->row);
	if (kc->old_until_ns)
		err = key_grace_insert(db, &kc->before.hash, kc->row.id, kc->old_until_ns);
	return err ? err : key_row_update(db, &kc->row);
}

/* Reads which key is meant. false: answered. */
static bool take_ref(struct key_call *kc)
{
	if (command_named(kc->c, "key", &kc->given) != 0)
		return false;		/* required: command_run() has seen that it is there */
	kc->ref = key_ref_of(kc->given);
	return true;
}

void keys_update(struct command_call *c)
{
	static const char *const own[] = { "key", "key_alias", NULL };
	struct key_call *kc = call_new(c);
	if (!kc || !take_ref(kc) || key_change_read(c, FIELDS_OF_KEY, &kc->change) != 0)
		return;
	kc->own = own;
	start_write(kc, change_job);
}

static void edit_block(struct key_call *kc, struct key_row *row)
{
	(void)kc;
	row->blocked = true;
}

static void edit_unblock(struct key_call *kc, struct key_row *row)
{
	(void)kc;
	row->blocked = false;
}

static void change_blocked(struct command_call *c,
			   void (*edit)(struct key_call *kc, struct key_row *row))
{
	static const char *const own[] = { "key", NULL };
	struct key_call *kc = call_new(c);
	if (!kc || !take_ref(kc))
		return;
	kc->change = (struct key_change){ .now_ns = clock_wall_ns(), .args = c->args };
	kc->edit = edit;
	kc->own = own;
	start_write(kc, change_job);
}

void keys_block(struct command_call *c)
{
	change_blocked(c, edit_block);
}

void keys_unblock(struct command_call *c)
{
	change_blocked(c, edit_unblock);
}

static void edit_text(struct key_call *kc, struct key_row *row)
{
	row->hash = hash_sha256(kc->text);
	row->key_name = name_of(kc->c->mem, kc->text);
}

/* "24h"; nothing, "" or "0s": the old text ends at once. False: answered. */
static bool take_grace(struct key_call *kc)
{
	struct str s;
	struct period p;
	int err = command_str(kc->c, "grace_period", &s);
	if (err)
		return err == -ENOENT;
	if (!s.n || str_eq(s, STR("0")) || str_eq(s, STR("0s")))
		return true;
	if (period_read(s, &p) != 0) {
		command_fail(kc->c, 400, "invalid_request_error", "grace_period",
			     "grace_period must be a number with s, m, h, d, w or mo behind it");
		return false;
	}
	kc->old_until_ns = period_after(p, clock_wall_ns());
	return true;
}

void keys_rotate(struct command_call *c)
{
	static const char *const own[] = { "key", "new_key", "grace_period", NULL };
	struct key_call *kc = call_new(c);
	if (!kc || !take_ref(kc) ||
	    key_change_read(c, FIELDS_OF_KEY, &kc->change) != 0 ||
	    !take_grace(kc) || !take_text(kc, "new_key"))
		return;
	kc->edit = edit_text;
	kc->own = own;
	kc->wants_text = true;
	start_write(kc, change_job);
}

/* ---- delete ---- */

struct delete_call {
	struct command_call *c;
	struct keys *keys;
	struct str by, missing;
	size_t n;
	struct deleted {
		struct str given;
		struct key_ref ref;
		struct key_row row;
	} *v;
};

static int delete_job(struct store_db *db, void *data)
{
	struct delete_call *dc = data;
	uint64_t now_ns = clock_wall_ns();
	for (size_t i = 0; i < dc->n; i++) {
		struct deleted *d = &dc->v[i];
		bool is_organizations;
		int err = key_row_find(db, &d->ref, dc->c->mem, &d->row);
		if (!err)
			err = role_check_key(dc->c, db, &d->row, &is_organizations);
		if (!err)
			err = key_row_delete(db, &d->row, now_ns, dc->by);
		if (err) {
			dc->missing = d->given;
			return err;
		}
	}
	return 0;
}

static void on_deleted(void *data, int err)
{
	struct delete_call *dc = data;
	struct command_call *c = dc->c;
	if (err == -ENOENT) {
		struct str name = dc->missing;
		if (str_starts(name, STR("sk-")))
			name = name_of(c->mem, name);
		command_fail(c, 404, "not_found_error", "keys",
			     "No key found: " STR_FMT "; nothing was deleted", STR_ARG(name));
		return;
	}
	if (err && !role_failed(c, err))
		command_fail_store(c, err);
	if (err)
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "deleted_keys");
	for (size_t i = 0; i < dc->n; i++) {
		keys_withdraw(dc->keys, &dc->v[i].row);
		json_put_str(&o, NULL, dc->v[i].given);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}

/* Appends what a list (or one string) names. false: answered. */
static bool take_names(struct delete_call *dc, const char *arg, bool are_aliases)
{
	const struct json *j = json_get(dc->c->args, arg);
	for (const struct json *e = json_is(j, JSON_ARRAY) ? j->child : j; json_is_given(e);
	     e = e == j ? NULL : e->next) {
		struct str s = json_str(dc->c->mem, e);
		if (!s.n) {
			command_fail(dc->c, 400, "invalid_request_error", arg,
				     "%s must be a list of strings", arg);
			return false;
		}
		if (dc->n == DELETE_MAX) {
			command_fail(dc->c, 400, "invalid_request_error", arg,
				     "at most %d keys can be deleted at once", DELETE_MAX);
			return false;
		}
		struct deleted *d = &dc->v[dc->n++];
		d->given = s;
		d->ref = key_ref_of(s);
		if (are_aliases)
			d->ref = (struct key_ref){ .kind = REF_ALIAS, .alias = s };
	}
	return true;
}

/* Before anything is deleted, so that it is also said. */
static int reserve_answer(struct delete_call *dc)
{
	size_t room = 256;
	for (size_t i = 0; i < dc->n; i++)
		room += 8 + 6 * dc->v[i].given.n;
	return buf_reserve(&dc->c->out, room);
}

void keys_delete(struct command_call *c)
{
	struct delete_call *dc = arena_alloc(c->mem, sizeof *dc);
	if (dc)
		*dc = (struct delete_call){ .c = c, .keys = c->master->keys,
					    .by = key_caller_name(c),
					    .v = arena_array(c->mem, DELETE_MAX, sizeof *dc->v) };
	if (!dc || !dc->v) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	if (!take_names(dc, "keys", false) || !take_names(dc, "key_aliases", true))
		return;
	if (!dc->n) {
		command_fail(c, 400, "invalid_request_error", "keys",
			     "say which: keys (texts, hashes, aliases) or key_aliases");
		return;
	}
	int err = reserve_answer(dc);
	if (!err)
		err = store_write(dc->keys->store, delete_job, on_deleted, dc);
	if (err)
		command_fail_store(c, err);
}
