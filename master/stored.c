/* SPDX-License-Identifier: MIT
 * stored.c - see stored.h. Order is that in which objects came: of two models of a group the older
 * stands first, after a restart too. */
#include "master/stored.h"

#include <errno.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/mem.h"
#include "master/keys_private.h"
#include "master/stored_private.h"

/* ---- kinds ---- */

static const char *const kind_names[OBJECT_KINDS] = {
	[OBJECT_MODEL] = "model",
	[OBJECT_CREDENTIAL] = "credential",
	[OBJECT_SETTING] = "setting",
	[OBJECT_ACCESS_GROUP] = "access_group",
};

const char *object_kind_name(enum object_kind kind)
{
	return kind_names[kind];
}

bool object_kind_read(struct str name, enum object_kind *ret)
{
	for (unsigned i = 0; i < OBJECT_KINDS; i++)
		if (str_eq_z(name, kind_names[i])) {
			*ret = (enum object_kind)i;
			return true;
		}
	return false;
}

/* ---- objects ---- */

void stored_object_free(struct config_object *o)
{
	if (!o)
		return;
	mem_wipe(o, o->block);
	mem_free(o);
}

static struct str put(char **at, struct str s)
{
	struct str copy = s.p ? str_of(*at, s.n) : STR_NONE;
	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

struct config_object *stored_copy(const struct config_object *o)
{
	size_t n = sizeof *o + o->name.n + o->label.n + o->secret.n + o->info.n + o->sealed.n +
		   o->created_by.n + o->updated_by.n;
	struct config_object *c = mem_alloc(n);
	if (!c)
		return NULL;
	char *at = (char *)(c + 1);
	*c = *o;
	c->block = n;
	c->name = put(&at, o->name);
	c->label = put(&at, o->label);
	c->secret = put(&at, o->secret);
	c->info = put(&at, o->info);
	c->sealed = put(&at, o->sealed);
	c->created_by = put(&at, o->created_by);
	c->updated_by = put(&at, o->updated_by);
	return c;
}

static bool is_object(const struct config_object *o, enum object_kind kind, struct str name)
{
	return o->kind == kind && str_eq(o->name, name);
}

static size_t place_of(const struct stored *s, enum object_kind kind, struct str name)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_object(s->v[i], kind, name))
			return i;
	return SIZE_MAX;
}

const struct config_object *stored_find(const struct stored *s, enum object_kind kind,
					struct str name)
{
	size_t i = place_of(s, kind, name);
	return i == SIZE_MAX ? NULL : s->v[i];
}

static void renew_view(struct stored *s)
{
	s->view = (struct config_stored){ .v = (const struct config_object *const *)s->v,
					  .n = s->n };
}

const struct config_stored *stored_view(const struct stored *s)
{
	return &s->view;
}

size_t stored_unreadable(const struct stored *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++)
		n += !s->v[i]->secret.p;
	return n;
}

static int make_room(struct stored *s, size_t more)
{
	size_t room = s->room ? s->room : 16;
	while (room < s->n + more)
		room *= 2;
	if (room == s->room)
		return 0;
	struct config_object **v = mem_grow(s->v, room * sizeof *v);
	if (!v)
		return -ENOMEM;
	s->v = v;
	s->room = room;
	renew_view(s);
	return 0;
}

/* ---- keys ---- */

static struct str env_text(const char *ours, const char *theirs)
{
	const char *v = getenv(ours);
	if (!v || !*v)
		v = getenv(theirs);
	return str_z(v);
}

struct str stored_secret(struct str master_key)
{
	struct str salt = env_text("LLMGW_SALT_KEY", "LITELLM_SALT_KEY");
	return salt.n ? salt : master_key;
}

const char *stored_secret_name(void)
{
	static const char *const names[] = { "LLMGW_SALT_KEY", "LITELLM_SALT_KEY" };
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *v = getenv(names[i]);
		if (v && *v)
			return names[i];
	}
	return "master key";
}

struct str stored_previous(void)
{
	return env_text("LLMGW_SALT_KEY_PREVIOUS", "LITELLM_SALT_KEY_PREVIOUS");
}

const struct seal *stored_seal(struct stored *s)
{
	if (!s->seal.is_ready && s->secret.n &&
	    seal_init(&s->seal, buf_str(&s->secret), s->salt) < 0)
		return NULL;
	return s->seal.is_ready ? &s->seal : NULL;
}

int stored_open_text(struct stored *s, struct str sealed, struct str name, struct buf *out)
{
	const struct seal *key = stored_seal(s);
	int err = key ? seal_open(key, sealed, name, out) : -ENOKEY;
	return err == -ENOKEY && s->before.is_ready ? seal_open(&s->before, sealed, name, out)
						    : err;
}

int stored_keep_secret(struct stored *s, struct str secret)
{
	if (s->secret.p)
		mem_wipe(s->secret.p, s->secret.n);
	buf_reset(&s->secret);
	buf_put(&s->secret, secret);
	return s->secret.failed ? -ENOMEM : 0;
}

void stored_name_row(struct buf *out, enum object_kind kind, struct str name)
{
	buf_reset(out);
	buf_printf(out, "%s ", kind_names[kind]);
	buf_put(out, name);
}

/* ---- reading ---- */

struct load {
	struct stored *s;
	struct seal previous;
	struct str previous_secret;
	bool has_key;			/* rows of the table say so */
	size_t resealed;
};

static int read_salt(struct store_db *db, struct stored *s)
{
	struct sql *q = sql_query(db, "SELECT salt FROM seal WHERE number = 1");
	int r = sql_row(q);
	struct str salt = r > 0 ? sql_get_blob(q, 0) : STR_NONE;
	bool has = salt.n == sizeof s->salt;
	if (has)
		memcpy(s->salt, salt.p, sizeof s->salt);
	sql_end(q);
	if (r < 0 || has)
		return r < 0 ? r : 0;
	hash_random(s->salt, sizeof s->salt);
	q = sql_query(db, "INSERT OR REPLACE INTO seal (number, salt) VALUES (1, ?)");
	sql_blob(q, 1, s->salt, sizeof s->salt);
	return sql_run(q);
}

/* With the key, else with the one before. .p NULL: with neither. */
static struct str unseal(struct load *l, struct str sealed, struct str row, struct buf *out)
{
	const struct seal *key = stored_seal(l->s);
	buf_reset(out);
	int err = key ? seal_open(key, sealed, row, out) : -ENOKEY;
	if (err == -ENOKEY && l->previous_secret.n) {
		if (!l->previous.is_ready &&
		    seal_init(&l->previous, l->previous_secret, l->s->salt) < 0)
			return STR_NONE;
		err = seal_open(&l->previous, sealed, row, out);
		l->resealed += err == 0;
	}
	return err ? STR_NONE : str_of(out->p ? out->p : "", out->n);
}

static int load_row(struct load *l, struct sql *q, struct buf *row, struct buf *plain)
{
	struct config_object o = {
		.name = sql_get_text(q, 1), .label = sql_get_text(q, 2),
		.sealed = sql_get_blob(q, 3), .info = sql_get_text(q, 4),
		.created_at = (uint64_t)sql_get_int(q, 5), .created_by = sql_get_text(q, 6),
		.updated_at = (uint64_t)sql_get_int(q, 7), .updated_by = sql_get_text(q, 8),
	};
	if (!object_kind_read(sql_get_text(q, 0), &o.kind))
		return 0;
	stored_name_row(row, o.kind, o.name);
	o.secret = unseal(l, o.sealed, buf_str(row), plain);
	if (o.secret.p)
		o.sealed = STR_NONE;
	if (make_room(l->s, 1) < 0)
		return -ENOMEM;
	struct config_object *copy = stored_copy(&o);
	if (!copy)
		return -ENOMEM;
	l->s->v[l->s->n++] = copy;
	return 0;
}

/* Whether one of them has to be sealed anew; who needs them reads them (texts_key.h). */
static int try_text_keys(struct load *l, struct store_db *db, struct buf *plain)
{
	struct sql *q = sql_query(db, "SELECT sealed FROM spend_text_keys");
	int r;
	while ((r = sql_row(q)) > 0)
		unseal(l, sql_get_blob(q, 0), STR("texts"), plain);
	return r;
}

static int load_job(struct store_db *db, void *data)
{
	struct load *l = data;
	struct buf row, plain;
	int r, err = read_salt(db, l->s);
	if (err)
		return err;
	buf_init(&row, 4096);
	buf_init(&plain, 2 * STORED_TEXT_MAX);
	struct sql *q = sql_query(db, "SELECT kind, name, label, sealed, info, created_at,"
				      " created_by, updated_at, updated_by FROM objects ORDER BY number");
	while ((r = sql_row(q)) > 0 && !err && l->s->n < STORED_MAX)
		err = load_row(l, q, &row, &plain);
	sql_end(q);
	if (r >= 0 && !err)
		err = try_text_keys(l, db, &plain);
	if (plain.p)
		mem_wipe(plain.p, plain.room);
	buf_done(&plain);
	buf_done(&row);
	return err ? err : r < 0 ? r : 0;
}

/* ---- opening ---- */

static int reseal_job(struct store_db *db, void *data)
{
	struct load *l = data;
	return key_logging_reseal(db, &l->previous, &l->s->seal);
}

/* What stands with keys and teams: nothing else may have been sealed with the key before. */
static int reseal_variables(struct load *l)
{
	if (!l->previous_secret.n || !stored_seal(l->s))
		return 0;
	if (!l->previous.is_ready && seal_init(&l->previous, l->previous_secret, l->s->salt) < 0)
		return -ENOMEM;
	return store_write_wait(l->s->store, reseal_job, l);
}

int stored_open(struct store *store, struct str secret, struct str previous, struct stored **ret)
{
	struct stored *s = mem_alloc(sizeof *s);
	struct load l = { .s = s, .previous_secret = previous };
	if (!s)
		return -ENOMEM;
	s->store = store;
	buf_init(&s->secret, 1 << 16);
	int err = stored_keep_secret(s, secret);
	if (!err)
		err = store_write_wait(store, load_job, &l);
	if (!err && l.resealed)
		err = stored_reseal_now(s, &l.previous);
	else if (!err)
		err = reseal_variables(&l);
	seal_done(&l.previous);
	if (err) {
		stored_free(s);
		return err;
	}
	renew_view(s);
	*ret = s;
	return 0;
}

struct stored *stored_free(struct stored *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		stored_object_free(s->v[i]);
	mem_free(s->v);
	if (s->secret.p)
		mem_wipe(s->secret.p, s->secret.room);
	buf_done(&s->secret);
	seal_done(&s->seal);
	seal_done(&s->before);
	mem_free(s);
	return NULL;
}

/* ---- changes ---- */

void stored_op_done(struct stored_op *op)
{
	stored_object_free(op->to);
	stored_object_free(op->was);
	op->to = op->was = NULL;
	buf_done(&op->sealed);
}

int stored_try(const struct stored *s, const struct stored_op *ops, size_t n,
	       struct config_stored *ret)
{
	const struct config_object **v = mem_array(s->n + n + 1, sizeof *v);
	size_t count = s->n;
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		v[i] = s->v[i];
	for (size_t i = 0; i < n; i++) {
		size_t at = 0;
		while (at < count && !(v[at] && is_object(v[at], ops[i].kind, ops[i].name)))
			at++;
		if (at < count)
			v[at] = ops[i].to;
		else if (ops[i].to)
			v[count++] = ops[i].to;
	}
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (v[i])
			v[kept++] = v[i];
	if (kept > STORED_MAX) {
		mem_free(v);
		return -E2BIG;
	}
	*ret = (struct config_stored){ .v = v, .n = kept };
	return 0;
}

int stored_prepare(struct stored *s, struct stored_op *ops, size_t n)
{
	struct buf row;
	int err = 0;
	buf_init(&row, 4096);
	for (size_t i = 0; i < n && !err; i++) {
		const struct config_object *o = ops[i].to;
		buf_init(&ops[i].sealed, 2 * STORED_TEXT_MAX);
		ops[i].writes = o;
		if (!o)
			continue;
		stored_name_row(&row, o->kind, o->name);
		const struct seal *key = o->secret.p ? stored_seal(s) : NULL;
		if (key)
			seal_close(key, o->secret, buf_str(&row), &ops[i].sealed);
		else
			buf_put(&ops[i].sealed, o->sealed);
		err = o->secret.p && !key ? -ENOKEY : ops[i].sealed.failed ? -ENOMEM : 0;
	}
	buf_done(&row);
	return err;
}

static int write_object(struct store_db *db, const struct stored_op *op)
{
	const struct config_object *o = op->writes;
	struct sql *q = sql_query(db,
		"INSERT INTO objects (kind, name, label, sealed, info, created_at, created_by,"
		" updated_at, updated_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
		" ON CONFLICT (kind, name) DO UPDATE SET label = ?3, sealed = ?4, info = ?5,"
		" created_at = ?6, created_by = ?7, updated_at = ?8, updated_by = ?9");
	sql_text(q, 1, str_z(kind_names[o->kind]));
	sql_text(q, 2, o->name);
	sql_text(q, 3, o->label.p ? o->label : STR(""));
	sql_blob(q, 4, op->sealed.p, op->sealed.n);
	sql_text(q, 5, o->info.p ? o->info : STR("{}"));
	sql_int(q, 6, (int64_t)o->created_at);
	sql_text(q, 7, o->created_by);
	sql_int(q, 8, (int64_t)o->updated_at);
	sql_text(q, 9, o->updated_by);
	return sql_run(q);
}

int stored_write(struct store_db *db, struct stored_op *ops, size_t n)
{
	int err = 0;
	for (size_t i = 0; i < n && !err; i++) {
		if (ops[i].writes) {
			err = write_object(db, &ops[i]);
			continue;
		}
		struct sql *q = sql_query(db, "DELETE FROM objects WHERE kind = ? AND name = ?");
		sql_text(q, 1, str_z(kind_names[ops[i].kind]));
		sql_text(q, 2, ops[i].name);
		err = sql_run(q);
	}
	return err;
}

static void apply_one(struct stored *s, struct stored_op *op)
{
	size_t at = place_of(s, op->kind, op->name);
	op->was = NULL;
	if (op->to)
		op->to->is_new = false;
	if (at == SIZE_MAX && op->to) {
		s->v[s->n++] = op->to;
	} else if (at != SIZE_MAX) {
		op->was = s->v[at];
		s->v[at] = op->to;
		if (!op->to) {
			memmove(s->v + at, s->v + at + 1, (s->n - at - 1) * sizeof *s->v);
			s->n--;
		}
	}
	op->to = NULL;
}

int stored_apply(struct stored *s, struct stored_op *ops, size_t n)
{
	if (make_room(s, n) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		apply_one(s, &ops[i]);
	renew_view(s);
	return 0;
}

void stored_reverse(struct stored_op *ops, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct stored_op x = ops[i];
		ops[i] = ops[n - 1 - i];
		ops[n - 1 - i] = x;
	}
	for (size_t i = 0; i < n; i++) {
		MUST(!ops[i].to);
		ops[i].to = ops[i].was;
		ops[i].was = NULL;
		buf_done(&ops[i].sealed);
	}
}
