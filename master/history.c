/* SPDX-License-Identifier: MIT
 * history.c - see history.h. A row's content is one JSON text, {"files": [], "objects": []}. */
#include "master/history.h"

#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/command_job.h"
#include "master/keys_private.h"
#include "master/publish.h"

struct note {				/* a job */
	uint64_t generation, at_ns;
	char who[128], what[256];
	struct buf changes, sealed;
	struct sha256 digest;
	size_t size;
	bool is_start;
};

/* ---- writing ---- */

static void put_object(struct json_out *o, const struct config_object *x)
{
	json_open(o, NULL);
	json_put_z(o, "kind", object_kind_name(x->kind));
	json_put_str(o, "name", x->name);
	json_put_str(o, "label", x->label);
	if (x->secret.p)
		json_put_raw(o, "secret", x->secret);
	json_put_raw(o, "info", x->info.n ? x->info : STR("{}"));
	json_put_u64(o, "created_at", x->created_at);
	json_put_str(o, "created_by", x->created_by);
	json_put_u64(o, "updated_at", x->updated_at);
	json_put_str(o, "updated_by", x->updated_by);
	json_close(o);
}

static void put_content(struct master *m, struct buf *out)
{
	const struct config *c = m->config;
	const struct config_stored *s = stored_view(m->stored);
	struct json_out o = json_out(out);
	json_open(&o, NULL);
	json_open_array(&o, "files");
	for (size_t i = 0; i < c->n_files; i++) {
		json_open(&o, NULL);
		json_put_str(&o, "path", c->files[i].path);
		json_put_str(&o, "text", c->files[i].text);
		json_close(&o);
	}
	json_close_array(&o);
	json_open_array(&o, "objects");
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i]->secret.p)
			put_object(&o, s->v[i]);
	json_close_array(&o);
	json_close(&o);
}

static void note_free(struct note *n)
{
	buf_done(&n->changes);
	buf_done(&n->sealed);
	mem_free(n);
}

/* Two starts with one configuration leave one row; the digest tells nothing without the key. */
static struct note *note_new(struct master *m, const char *who, const char *what,
			     struct str changes)
{
	const struct seal *key = stored_seal(m->stored);
	struct note *n = mem_alloc(sizeof *n);
	struct buf plain;
	if (!n)
		return NULL;
	n->generation = m->generation;
	n->at_ns = clock_wall_ns();
	snprintf(n->who, sizeof n->who, "%s", who);
	snprintf(n->what, sizeof n->what, "%s", what);
	buf_init(&n->changes, 1 << 20);
	buf_put(&n->changes, changes.n ? changes : STR("[]"));
	buf_init(&n->sealed, HISTORY_ONE_MAX + 4096);
	buf_init(&plain, HISTORY_ONE_MAX);
	put_content(m, &plain);
	n->size = plain.n;
	if (key && !plain.failed) {
		n->digest = hash_hmac_sha256(str_of((const char *)key->key, sizeof key->key),
					     buf_str(&plain));
		seal_close(key, buf_str(&plain), STR("config"), &n->sealed);
	}
	if (plain.p)
		mem_wipe(plain.p, plain.room);
	buf_done(&plain);
	if (!n->changes.failed && !n->sealed.failed)
		return n;
	note_free(n);
	return NULL;
}

static bool is_last(struct store_db *db, const struct note *n, int *ret_err)
{
	struct sha256 last;
	struct sql *q = sql_query(db, "SELECT digest FROM config_history ORDER BY number DESC"
				      " LIMIT 1");
	int r = sql_row(q);
	bool is = r > 0 && n->sealed.n && sql_get_sha256(q, 0, &last) &&
		  hash_sha256_eq(&last, &n->digest);
	sql_end(q);
	*ret_err = r < 0 ? r : 0;
	return is;
}

static int prune(struct store_db *db)
{
	struct sql *q = sql_query(db,
		"DELETE FROM config_history WHERE number NOT IN (SELECT number FROM"
		" (SELECT number, row_number() OVER w AS nth, sum(size) OVER w AS bytes"
		" FROM config_history WINDOW w AS (ORDER BY number DESC))"
		" WHERE nth <= ?1 AND (nth = 1 OR bytes <= ?2))");
	sql_int(q, 1, HISTORY_ROWS);
	sql_int(q, 2, HISTORY_BYTES);
	return sql_run(q);
}

static int note_job(struct store_db *db, void *data)
{
	struct note *n = data;
	int err;
	if ((n->is_start && is_last(db, n, &err)) || (n->is_start && err < 0))
		return err;
	struct sql *q = sql_query(db,
		"INSERT INTO config_history (generation, at, who, what, changes, digest, size,"
		" sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
	sql_int(q, 1, (int64_t)n->generation);
	sql_int(q, 2, (int64_t)n->at_ns);
	sql_text(q, 3, str_z(n->who));
	sql_text(q, 4, str_z(n->what));
	sql_text(q, 5, buf_str(&n->changes));
	sql_blob(q, 6, n->digest.b, sizeof n->digest.b);
	sql_int(q, 7, (int64_t)n->sealed.n);
	if (n->sealed.n)
		sql_blob(q, 8, n->sealed.p, n->sealed.n);
	else
		sql_null(q, 8);
	err = sql_run(q);
	return err ? err : prune(db);
}

static void on_noted(void *data, int err)
{
	struct note *n = data;
	if (err < 0)
		LOG(LOG_WARN, "config.history_failed", F_INT("generation", n->generation));
	note_free(n);
}

static void note(struct master *m, const char *who, const char *what, struct str changes,
		 bool is_start)
{
	struct note *n = note_new(m, who, what, changes);
	if (n)
		n->is_start = is_start;
	if (n && store_write(m->store, note_job, on_noted, n) < 0)
		on_noted(n, -ENOMEM);
	else if (!n)
		LOG(LOG_WARN, "config.history_failed", F_INT("generation", m->generation));
}

void history_note(struct master *m, const char *who, const char *what, struct str changes)
{
	note(m, who, what, changes, false);
}

void history_begin(struct master *m)
{
	note(m, "llmgw", "start", STR_NONE, true);
}

/* ---- listing ---- */

enum { LIST_ROWS = 100 };

struct listing {
	struct command_call *c;
	uint64_t number;		/* of the one to show; 0: all */
	bool found;
};

static int list_job(struct store_db *db, void *data)
{
	struct listing *l = data;
	struct json_out o = json_out(&l->c->out);
	struct sql *q = sql_query(db,
		"SELECT number, generation, at, who, what, changes, sealed IS NOT NULL"
		" FROM config_history WHERE ?1 = 0 OR number = ?1 ORDER BY number DESC LIMIT ?2");
	int r;
	sql_int(q, 1, (int64_t)l->number);
	sql_int(q, 2, LIST_ROWS);
	if (!l->number) {
		json_open(&o, NULL);
		json_open_array(&o, "versions");
	}
	while ((r = sql_row(q)) > 0) {
		l->found = true;
		json_open(&o, NULL);
		json_put_i64(&o, "version", sql_get_int(q, 0));
		json_put_i64(&o, "generation", sql_get_int(q, 1));
		json_put_time(&o, "at", (uint64_t)sql_get_int(q, 2));
		json_put_str(&o, "who", sql_get_text(q, 3));
		json_put_str(&o, "what", sql_get_text(q, 4));
		json_put_bool(&o, "can_roll_back", sql_get_int(q, 6));
		if (l->number)
			json_put_raw(&o, "changes", sql_get_text(q, 5));
		json_close(&o);
	}
	if (!l->number) {
		json_close_array(&o);
		json_close(&o);
	}
	return r;
}

static void on_listed(void *data, int err)
{
	struct listing *l = data;
	struct command_call *c = l->c;
	bool is_missing = l->number && !l->found;
	if (err < 0)
		command_fail_store(c, err);
	else if (is_missing)
		command_fail(c, 404, "not_found_error", "version", "no such version is kept");
	else
		command_finish(c);
}

static void list(struct command_call *c, uint64_t number)
{
	struct listing *l = command_state(c, sizeof *l);
	if (!l)
		return;
	l->number = number;
	command_read(l, list_job, on_listed);
}

void history_list(struct command_call *c)
{
	list(c, 0);
}

void history_show(struct command_call *c)
{
	uint64_t number = 0;
	if (command_u64(c, "version", &number) != -EINVAL)
		list(c, number);
}

/* ---- back ---- */

struct rollback {
	struct command_call *c;
	uint64_t number;
	struct buf sealed;		/* then, unsealed, what was in force */
	struct config_text files[CONFIG_INCLUDE_MAX + 1];
	size_t n_files;
	const struct json *objects;
};

static void rollback_done(struct rollback *b)
{
	if (b->sealed.p)
		mem_wipe(b->sealed.p, b->sealed.room);
	buf_done(&b->sealed);
}

static int read_row_job(struct store_db *db, void *data)
{
	struct rollback *b = data;
	struct sql *q = sql_query(db, "SELECT sealed FROM config_history WHERE number = ?");
	sql_int(q, 1, (int64_t)b->number);
	int r = sql_row(q);
	struct str sealed = r > 0 ? sql_get_blob(q, 0) : STR_NONE;
	buf_put(&b->sealed, sealed);
	sql_end(q);
	return r < 0 ? r : r == 0 ? -ENOENT : !sealed.n ? -ENODATA : b->sealed.failed ? -ENOMEM : 0;
}

static int unseal(struct rollback *b)
{
	const struct seal *key = stored_seal(b->c->master->stored);
	struct buf plain;
	buf_init(&plain, 2 * HISTORY_ONE_MAX);
	int err = key ? seal_open(key, buf_str(&b->sealed), STR("config"), &plain) : -ENOKEY;
	rollback_done(b);
	b->sealed = plain;
	return err;
}

static int read_content(struct rollback *b)
{
	struct arena *mem = b->c->mem;
	struct json_error e = { 0 };
	const struct json *j = json_parse(mem, buf_str(&b->sealed), 0, &e);
	const struct json *files = json_get(j, "files");
	b->objects = json_get(j, "objects");
	for (const struct json *f = files ? files->child : NULL;
	     f && b->n_files < COUNT(b->files); f = f->next) {
		struct config_text t = { json_get_str(mem, f, "path"),
					 json_get_str(mem, f, "text") };
		if (!t.path.p || !t.text.p)
			return -ENOMEM;
		b->files[b->n_files++] = t;
	}
	return b->n_files && b->objects ? 0 : -EBADMSG;
}

static struct str raw_of(const struct json *j, const char *key)
{
	const struct json *v = json_get(j, key);
	return v ? v->raw : STR_NONE;
}

/* Objects lived in an arena of their own then: here they get blocks. */
static int put_back(struct arena *mem, const struct json *j, struct stored_op *op)
{
	struct config_object o = {
		.name = json_get_str(mem, j, "name"), .label = json_get_str(mem, j, "label"),
		.secret = raw_of(j, "secret"), .info = raw_of(j, "info"),
		.created_at = json_count(json_get(j, "created_at")),
		.updated_at = json_count(json_get(j, "updated_at")),
		.created_by = json_get_str(mem, j, "created_by"),
		.updated_by = json_get_str(mem, j, "updated_by"),
	};
	if (!object_kind_read(json_get_str(mem, j, "kind"), &o.kind) || !o.name.p)
		return -EBADMSG;
	op->to = stored_copy(&o);
	if (!op->to)
		return -ENOMEM;
	op->kind = o.kind;
	op->name = op->to->name;
	return 0;
}

static bool is_kept(const struct stored_op *ops, size_t n, const struct config_object *o)
{
	for (size_t i = 0; i < n; i++)
		if (ops[i].kind == o->kind && str_eq(ops[i].name, o->name))
			return true;
	return false;
}

/* What was there then is put back; what came later goes; what no key opens stays. */
static int make_rollback(void *data, struct publish_change *ret)
{
	struct rollback *b = data;
	const struct config_stored *now = stored_view(b->c->master->stored);
	size_t room = b->objects->count + now->n + 1;
	struct stored_op *ops = mem_array(room, sizeof *ops);
	int err = ops ? 0 : -ENOMEM;
	*ret = (struct publish_change){ .ops = ops, .files = b->files, .n_files = b->n_files };
	for (const struct json *j = b->objects->child; j && !err; j = j->next) {
		err = put_back(b->c->mem, j, &ops[ret->n_ops]);
		ret->n_ops += !err;
	}
	size_t kept = ret->n_ops;
	for (size_t i = 0; i < now->n && !err; i++)
		if (now->v[i]->secret.p && !is_kept(ops, kept, now->v[i]))
			ops[ret->n_ops++] = (struct stored_op){ .kind = now->v[i]->kind,
								.name = now->v[i]->name };
	return err;
}

static void on_rolled_back(void *data, int err, struct str complaints)
{
	struct rollback *b = data;
	struct command_call *c = b->c;
	rollback_done(b);
	if (err == -EINVAL || err == -ECANCELED)
		command_fail(c, 400, "config_invalid", NULL,
			     "version %llu is refused, generation %llu stays in force:\n" STR_FMT,
			     (unsigned long long)b->number,
			     (unsigned long long)c->master->generation, STR_ARG(complaints));
	else if (err < 0 && err != -ETIMEDOUT) {
		command_fail_store(c, err);
	} else {
		struct json_out o = json_out(&c->out);
		json_open(&o, NULL);
		json_put_z(&o, "result", "rolled back");
		json_put_u64(&o, "version", b->number);
		json_put_u64(&o, "generation", c->master->generation);
		json_put_z(&o, "note", "the files on the disk are as they were: a reload or a "
				       "restart reads them");
		json_close(&o);
		command_finish(c);
	}
}

static void on_row(void *data, int err)
{
	struct rollback *b = data;
	struct command_call *c = b->c;
	char what[64];
	if (err == 0)
		err = unseal(b);
	if (err == 0)
		err = read_content(b);
	snprintf(what, sizeof what, "rollback to version %llu", (unsigned long long)b->number);
	if (err == 0)
		err = publish_change(c->master, key_caller_name(c), str_z(what), make_rollback,
				     on_rolled_back, b);
	if (err == 0)
		return;
	rollback_done(b);
	if (err == -ENOENT || err == -ENODATA)
		command_fail(c, 404, "not_found_error", "version",
			     err == -ENOENT ? "no such version is kept"
					    : "that version was too large to be kept");
	else if (err == -ENOKEY || err == -EBADMSG)
		command_fail(c, 400, "invalid_request_error", "version",
			     "that version is sealed with another key, or damaged");
	else if (err == -EBUSY)
		command_fail(c, 409, "conflict", NULL, "too many changes stand in line");
	else
		command_fail_store(c, err);
}

void history_rollback(struct command_call *c)
{
	struct rollback *b = command_state(c, sizeof *b);
	if (!b)
		return;
	buf_init(&b->sealed, 2 * HISTORY_ONE_MAX);
	if (command_u64(c, "version", &b->number) < 0)
		return;
	command_read(b, read_row_job, on_row);
}
