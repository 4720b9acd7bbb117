/* SPDX-License-Identifier: MIT
 * keys_more.c - more of LiteLLM's calls about keys, made of those that there are: many at once,
 * service accounts, spending set back, names.
 *
 * A call that is made of another derives it: it has its caller, goes the whole way from role to
 * audit log, and answers to it. */
#include "master/keys_more.h"

#include <errno.h>

#include "common/mem.h"
#include "master/command_job.h"
#include "master/keys_private.h"
#include "master/many.h"
#include "master/master.h"
#include "master/store_sql.h"

enum { KEYS_MAX = 500, PAGE_SIZE = 50, PAGE_SIZE_MAX = 100, TEXT_ROOM_MAX = 32 << 20 };

/* ---- arguments made anew ---- */

static const struct command *command_that(void (*run)(struct command_call *c))
{
	for (size_t i = 0; i < commands_count; i++)
		if (commands[i].run == run)
			return &commands[i];
	return NULL;
}

static bool is_one_of(struct str name, const char *const *names)
{
	for (; *names; names++)
		if (str_eq_z(name, *names))
			return true;
	return false;
}

/* The members of an object, but those. */
static void put_others(struct json_out *o, const struct json *object, const char *const *but)
{
	for (const struct json *j = object ? object->child : NULL; j; j = j->next) {
		if (is_one_of(j->key, but))
			continue;
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
}

/* Other arguments for a call under way. False: answered. */
static bool take_args(struct command_call *c, const struct buf *text)
{
	struct json_error e;
	struct str kept = text->failed ? STR_NONE : arena_dup(c->mem, buf_str(text));
	const struct json *args = kept.p ? json_parse(c->mem, kept, JSON_ONE_KEY, &e) : NULL;
	if (args) {
		c->args = args;
		return true;
	}
	command_fail(c, 413, "invalid_request_error", NULL, "the request is too large");
	return false;
}

/* ---- service accounts: a team's key that is nobody's ---- */

static void write_service_account(struct command_call *c, struct buf *text)
{
	static const char *const ours[] = { "user_id", "metadata", NULL };
	static const char *const id[] = { "service_account_id", NULL };
	const struct json *alias = json_get(c->args, "key_alias");
	const struct json *metadata = json_get(c->args, "metadata");
	struct json_out o = json_out(text);
	json_open(&o, NULL);
	put_others(&o, c->args, ours);
	json_open(&o, "metadata");
	put_others(&o, json_is(metadata, JSON_OBJECT) ? metadata : NULL, id);
	if (json_is(alias, JSON_STRING))
		json_put_raw(&o, "service_account_id", alias->raw);
	else
		json_put_null(&o, "service_account_id");
	json_close(&o);
	json_close(&o);
}

void keys_service_account(struct command_call *c)
{
	struct buf text;
	const struct json *metadata = json_get(c->args, "metadata");
	if (json_is_given(metadata) && metadata->type != JSON_OBJECT) {
		command_fail(c, 400, "invalid_request_error", "metadata",
			     "metadata must be an object");
		return;
	}
	buf_init(&text, TEXT_ROOM_MAX);
	write_service_account(c, &text);
	bool is_well = take_args(c, &text);
	buf_done(&text);
	if (is_well)
		keys_create(c);
}

/* ---- spending set back ---- */

struct reset {				/* lives in the call's arena */
	struct command_call *c;
	struct str key;
	bool has_before;
	int64_t before;
};

static void on_reset(struct command_call *part)
{
	struct reset *r = part->answer_data;
	struct command_call *c = r->c;
	struct json_error e;
	const struct json *key = json_parse(c->mem, buf_str(&part->out), 0, &e);
	if (part->status != 200 || !key) {
		c->status = part->status;
		buf_put(&c->out, buf_str(&part->out));
		command_finish(c);
		return;
	}
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	many_put_member(&o, "key_hash", key, "token");
	many_put_member(&o, "spend", key, "spend");
	if (r->has_before)
		json_put_money(&o, "previous_spend", r->before);
	else
		json_put_null(&o, "previous_spend");
	many_put_member(&o, "max_budget", key, "max_budget");
	many_put_member(&o, "budget_reset_at", key, "budget_reset_at");
	json_close(&o);
	command_finish(c);
}

static void derive(struct command_call *c, void (*run)(struct command_call *), struct buf *args,
		   void (*answer)(struct command_call *), void *data)
{
	const struct command *cmd = command_that(run);
	struct command_call *part = cmd && !args->failed ?
		command_derive(c, cmd, buf_str(args), answer, data) : NULL;
	if (part)
		command_run(part);
	else
		command_fail_store(c, -ENOMEM);
}

void keys_reset_spend(struct command_call *c)
{
	struct dir_key k;
	struct buf args;
	struct keys *keys = c->master->keys;
	int64_t to = 0;
	struct reset *r = command_state(c, sizeof *r);
	if (!r)
		return;
	if (command_named(c, "key", &r->key) != 0 || command_money(c, "reset_to", &to) != 0)
		return;			/* both are required */
	r->has_before = keys_find(keys, r->key, &k);
	if (r->has_before)
		r->before = keys_settled_of(keys, ENTITY_KEY | k.id, 0);
	buf_init(&args, TEXT_ROOM_MAX);
	struct json_out o = json_out(&args);
	json_open(&o, NULL);
	json_put_str(&o, "key", r->key);
	json_put_money(&o, "spend", to);
	json_close(&o);
	derive(c, keys_change, &args, on_reset, r);
	buf_done(&args);
}

/* ---- many at once ---- */

static void put_results(struct json_out *o, const char *name, const struct many_result *v, size_t n,
			bool are_good)
{
	json_open_array(o, name);
	for (size_t i = 0; i < n; i++) {
		if ((v[i].status == 200) != are_good)
			continue;
		json_open(o, NULL);
		many_put_member(o, "key", v[i].args, "key");
		if (are_good)
			json_put_raw(o, "key_info", v[i].answer->raw);
		else
			many_put_reason(o, "failed_reason", &v[i]);
		json_close(o);
	}
	json_close_array(o);
}

static void answer_many(struct command_call *c, const struct many_result *v, size_t n)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_u64(&o, "total_requested", n);
	put_results(&o, "successful_updates", v, n, true);
	put_results(&o, "failed_updates", v, n, false);
	json_close(&o);
	command_finish(c);
}

void keys_bulk_update(struct command_call *c)
{
	const struct json *list = json_get(c->args, "keys");
	if (many_are_objects(list) && list->count <= KEYS_MAX)
		many_run(c, command_that(keys_change), list, answer_many);
	else
		command_fail(c, 400, "invalid_request_error", "keys",
			     "keys must be a list of 1 to %d objects, each with a key", KEYS_MAX);
}

/* ---- several keys shown ---- */

struct several {			/* lives in the call's arena */
	struct command_call *c;
	size_t n;
	struct str *named;
	struct key_row *rows;
	bool *is_there;
};

static int several_job(struct store_db *db, void *data)
{
	struct several *s = data;
	for (size_t i = 0; i < s->n; i++) {
		struct key_ref ref = key_ref_of(s->named[i]);
		int err = key_row_find(db, &ref, s->c->mem, &s->rows[i]);
		if (err && err != -ENOENT)
			return err;
		s->is_there[i] = err == 0;
	}
	return 0;
}

static void on_several(void *data, int err)
{
	struct several *s = data;
	struct command_call *c = s->c;
	struct json_out o = json_out(&c->out);
	if (err) {
		command_fail_store(c, err);
		return;
	}
	json_open(&o, NULL);
	json_open_array(&o, "key");
	for (size_t i = 0; i < s->n; i++)
		if (s->is_there[i])
			json_put_str(&o, NULL, key_hash_hex(c->mem, &s->rows[i].hash));
	json_close_array(&o);
	json_open_array(&o, "info");
	for (size_t i = 0; i < s->n; i++) {
		if (!s->is_there[i])
			continue;
		json_open(&o, NULL);
		key_put(&o, &s->rows[i], keys_spend_of(c->master->keys, &s->rows[i]), true);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}

static bool take_named(struct several *s, const struct json *list)
{
	if (!json_is(list, JSON_ARRAY) || list->count > KEYS_MAX)
		return false;
	for (const struct json *j = list->child; j; j = j->next) {
		s->named[s->n] = json_str(s->c->mem, j);
		if (!s->named[s->n++].n)
			return false;
	}
	return true;
}

void keys_info_several(struct command_call *c)
{
	struct several *s = arena_alloc(c->mem, sizeof *s);
	if (s)
		*s = (struct several){
			.c = c,
			.named = arena_array(c->mem, KEYS_MAX, sizeof *s->named),
			.rows = arena_array(c->mem, KEYS_MAX, sizeof *s->rows),
			.is_there = arena_array(c->mem, KEYS_MAX, sizeof *s->is_there),
		};
	if (!s || !s->named || !s->rows || !s->is_there) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	if (!take_named(s, json_get(c->args, "keys"))) {
		command_fail(c, 400, "invalid_request_error", "keys",
			     "keys must be a list of at most %d keys, hashes or aliases", KEYS_MAX);
		return;
	}
	command_read(s, several_job, on_several);
}

/* ---- names ---- */

struct names {				/* lives in the call's arena */
	struct command_call *c;
	uint64_t page, size, total;
	struct str search;		/* a pattern of LIKE; .p NULL: all */
	struct str *v;
	size_t n;
};

/* A filter that is NULL lets all through. */
#define WITH_ALIAS                                                                                \
	" FROM keys WHERE alias IS NOT NULL AND (?1 IS NULL OR instr(lower(alias), lower(?1)) > 0)"

static int names_job(struct store_db *db, void *data)
{
	struct names *n = data;
	struct sql *q = sql_query(db, "SELECT count(*)" WITH_ALIAS);
	sql_text(q, 1, n->search);
	int r = sql_row(q);
	n->total = r > 0 ? (uint64_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	if (r < 0)
		return r;
	q = sql_query(db, "SELECT alias" WITH_ALIAS " ORDER BY alias LIMIT ?2 OFFSET ?3");
	sql_text(q, 1, n->search);
	sql_int(q, 2, (int64_t)n->size);
	sql_int(q, 3, (int64_t)((n->page - 1) * n->size));
	while ((r = sql_row(q)) > 0 && n->n < n->size) {
		n->v[n->n] = arena_dup(n->c->mem, sql_get_text(q, 0));
		if (!n->v[n->n++].p)
			return -ENOMEM;
	}
	sql_end(q);
	return r < 0 ? r : 0;
}

static void on_names(void *data, int err)
{
	struct names *n = data;
	struct command_call *c = n->c;
	struct json_out o = json_out(&c->out);
	if (err) {
		command_fail_store(c, err);
		return;
	}
	json_open(&o, NULL);
	json_open_array(&o, "aliases");
	for (size_t i = 0; i < n->n; i++)
		json_put_str(&o, NULL, n->v[i]);
	json_close_array(&o);
	json_put_u64(&o, "total_count", n->total);
	json_put_u64(&o, "current_page", n->page);
	json_put_u64(&o, "total_pages", (n->total + n->size - 1) / n->size);
	json_put_u64(&o, "size", n->size);
	json_close(&o);
	command_finish(c);
}

void keys_aliases(struct command_call *c)
{
	struct names *n = arena_alloc(c->mem, sizeof *n);
	struct str *v = arena_array(c->mem, PAGE_SIZE_MAX, sizeof *v);
	if (!n || !v) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	*n = (struct names){ .c = c, .page = 1, .size = PAGE_SIZE, .v = v };
	if (command_str(c, "search", &n->search) == -EINVAL ||
	    !command_page(c, "size", PAGE_SIZE_MAX, &n->page, &n->size))
		return;
	command_read(n, names_job, on_names);
}

/* ---- health: who gets here with a key has one that works ---- */

void keys_health(struct command_call *c)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_z(&o, "key", "healthy");
	json_put_null(&o, "logging_callbacks");
	json_close(&o);
	command_finish(c);
}
