/* SPDX-License-Identifier: MIT
 * stored_reseal.c - everything sealed anew, with another key: in one transaction, so that whoever
 * is killed when, one key opens all of it. */
#include <errno.h>

#include "common/log.h"
#include "common/mem.h"
#include "master/keys_private.h"
#include "master/stored_private.h"

enum { HISTORY_MAX = 16 << 20 };

struct reseal {				/* a job; its rows as they will be */
	struct seal from, to;		/* for the rows of the history */
	struct reseal_row {
		struct config_object *o;	/* a copy */
		struct buf sealed;
	} *v;
	size_t n;
};

static void reseal_done(struct reseal *j)
{
	for (size_t i = 0; i < j->n; i++) {
		stored_object_free(j->v[i].o);
		buf_done(&j->v[i].sealed);
	}
	seal_done(&j->from);
	seal_done(&j->to);
	mem_free(j->v);
	mem_free(j);
}

/* Tables of which one row after the other is sealed anew. */
static const struct reseal_table {
	const char *next, *put;
	struct str name;		/* what is authenticated along */
} tables[] = {
	{ "SELECT number, sealed FROM config_history WHERE number > ? AND sealed IS NOT NULL"
	  " ORDER BY number LIMIT 1",
	  "UPDATE config_history SET sealed = ? WHERE number = ?", { "config", 6 } },
	{ "SELECT number, sealed FROM spend_text_keys WHERE number > ? ORDER BY number LIMIT 1",
	  "UPDATE spend_text_keys SET sealed = ? WHERE number = ?", { "texts", 5 } },
};

static struct sql *row_after(struct store_db *db, const struct reseal_table *t, int64_t number)
{
	struct sql *q = sql_query(db, t->next);
	sql_int(q, 1, number);
	return q;
}

static int reseal_row(struct store_db *db, const struct reseal *j, const struct reseal_table *t,
		      int64_t number, const struct buf *plain, struct buf *sealed)
{
	struct sql *q = sql_query(db, t->put);
	buf_reset(sealed);
	seal_close(&j->to, buf_str(plain), t->name, sealed);
	sql_blob(q, 1, sealed->p, sealed->n);
	sql_int(q, 2, number);
	return sealed->failed ? -ENOMEM : sql_run(q);
}

/* The rows may be long and are few; what the old key does not open is left as it is. */
static int reseal_table(struct store_db *db, const struct reseal *j, const struct reseal_table *t)
{
	int64_t number = 0;
	struct buf plain, sealed;
	int r, err = 0;
	buf_init(&plain, HISTORY_MAX);
	buf_init(&sealed, HISTORY_MAX);
	for (;;) {
		struct sql *q = row_after(db, t, number);
		if ((r = sql_row(q)) <= 0)
			break;
		number = sql_get_int(q, 0);
		buf_reset(&plain);
		bool is_open = seal_open(&j->from, sql_get_blob(q, 1), t->name, &plain) == 0;
		sql_end(q);
		if (is_open && (err = reseal_row(db, j, t, number, &plain, &sealed)) < 0)
			break;
	}
	if (plain.p)
		mem_wipe(plain.p, plain.room);
	buf_done(&plain);
	buf_done(&sealed);
	return err ? err : r;
}

static int reseal_job(struct store_db *db, void *data)
{
	struct reseal *j = data;
	int err = 0;
	for (size_t i = 0; i < j->n && !err; i++) {
		struct sql *q = sql_query(db, "UPDATE objects SET sealed = ?1"
					      " WHERE kind = ?2 AND name = ?3");
		sql_blob(q, 1, j->v[i].sealed.p, j->v[i].sealed.n);
		sql_text(q, 2, str_z(object_kind_name(j->v[i].o->kind)));
		sql_text(q, 3, j->v[i].o->name);
		err = sql_run(q);
	}
	for (size_t i = 0; i < COUNT(tables) && !err; i++)
		err = reseal_table(db, j, &tables[i]);
	return err ? err : key_logging_reseal(db, &j->from, &j->to);
}

static void on_resealed(void *data, int err)
{
	struct reseal *j = data;
	LOG(err ? LOG_ERROR : LOG_WARN, "secrets.resealed", F_INT("objects", j->n),
	    F_Z("result", err ? "failed" : "done"));
	reseal_done(j);
}

static struct reseal *reseal_new(const struct stored *s, const struct seal *from)
{
	struct reseal *j = mem_alloc(sizeof *j);
	struct buf row;
	bool failed = !j || !(j->v = mem_array(s->n + 1, sizeof *j->v));
	if (failed) {
		mem_free(j);
		return NULL;
	}
	j->from = *from;
	j->to = s->seal;
	buf_init(&row, 4096);
	for (size_t i = 0; i < s->n && !failed; i++) {
		struct reseal_row *r = &j->v[j->n];
		if (!s->v[i]->secret.p)
			continue;
		r->o = stored_copy(s->v[i]);
		buf_init(&r->sealed, 2 * STORED_TEXT_MAX);
		j->n++;
		stored_name_row(&row, s->v[i]->kind, s->v[i]->name);
		seal_close(&s->seal, s->v[i]->secret, buf_str(&row), &r->sealed);
		failed = !r->o || r->sealed.failed;
	}
	buf_done(&row);
	if (!failed)
		return j;
	reseal_done(j);
	return NULL;
}

int stored_rekey(struct stored *s, struct str secret)
{
	struct seal old = s->seal;
	if (!secret.n || str_eq(secret, buf_str(&s->secret)))
		return 0;
	/* Nothing was sealed by this process; rows of keys may have been by the one before. */
	if (!old.is_ready && s->secret.n && seal_init(&old, buf_str(&s->secret), s->salt) < 0)
		return -ENOMEM;
	if (stored_keep_secret(s, secret) < 0)
		return -ENOMEM;
	if (!old.is_ready)
		return 0;		/* there was no secret before */
	seal_done(&s->seal);
	s->before = old;
	struct reseal *j = stored_seal(s) ? reseal_new(s, &old) : NULL;
	seal_done(&old);
	int err = j ? store_write(s->store, reseal_job, on_resealed, j) : -ENOMEM;
	if (j && err < 0)
		reseal_done(j);
	return err;
}

int stored_reseal_now(struct stored *s, const struct seal *from)
{
	struct reseal *j = stored_seal(s) ? reseal_new(s, from) : NULL;
	if (!j)
		return -ENOMEM;
	int err = store_write_wait(s->store, reseal_job, j);
	on_resealed(j, err);
	return err;
}
