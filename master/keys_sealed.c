/* SPDX-License-Identifier: MIT
 * keys_sealed.c - callback_vars in the metadata of keys and teams: one sealed, and all of them
 * sealed anew with another key. */
#include <errno.h>

#include "common/mem.h"
#include "master/keys_private.h"
#include "master/seal.h"

enum { ROW_MEMORY = 4 << 20, VARIABLE_MAX = 8192 };

void key_logging_seal(struct arena *a, const struct seal *key, struct str name, struct str plain,
		      struct json_out *o)
{
	struct buf sealed, text;
	char *hex;
	buf_init(&sealed, VARIABLE_MAX);
	buf_init(&text, 2048);
	buf_printf(&text, "callback_vars " STR_FMT, STR_ARG(name));
	seal_close(key, plain, buf_str(&text), &sealed);
	hex = sealed.failed || text.failed ? NULL : arena_alloc(a, 2 * sealed.n + 1);
	if (hex)
		hash_hex(hex, sealed.p, sealed.n);
	struct str whole = hex ? arena_printf(a, KEY_SEALED "%s", hex) : STR_NONE;
	if (whole.p)
		json_put_str(o, NULL, whole);
	else
		o->to->failed = true;
	buf_done(&text);
	buf_done(&sealed);
}

struct resealing {
	struct arena *a;
	const struct seal *from, *to;
};

/* False: it is none, or the key does not open it; then it stays as it is. */
static bool put_anew(const struct resealing *r, const struct json *j, struct json_out *o)
{
	struct str hex = str_skip(json_str(r->a, j), strlen(KEY_SEALED));
	struct str name = arena_printf(r->a, "callback_vars " STR_FMT, STR_ARG(j->key));
	char *bytes = arena_alloc(r->a, hex.n / 2 + 1);
	struct buf plain;
	buf_init(&plain, VARIABLE_MAX);
	bool is_open = bytes && name.p && hash_unhex(bytes, hex.n / 2, hex) == 0 &&
		       seal_open(r->from, str_of(bytes, hex.n / 2), name, &plain) == 0;
	if (is_open)
		key_logging_seal(r->a, r->to, j->key, buf_str(&plain), o);
	if (plain.p)
		mem_wipe(plain.p, plain.room);
	buf_done(&plain);
	return is_open;
}

static bool swap_sealed(void *data, const struct json *j, struct json_out *o)
{
	return j->type == JSON_STRING && j->key.n &&
	       str_starts(j->raw, STR("\"" KEY_SEALED)) && put_anew(data, j, o);
}

static int update(struct store_db *db, bool is_key, int64_t id, struct str metadata)
{
	struct sql *q = is_key ? sql_query(db, "UPDATE keys SET metadata = ? WHERE id = ?")
			       : sql_query(db, "UPDATE teams SET metadata = ? WHERE id = ?");
	sql_text(q, 1, metadata);
	sql_int(q, 2, id);
	return sql_run(q);
}

static int reseal_row(struct store_db *db, struct resealing *r, bool is_key, int64_t id,
		      struct str metadata)
{
	struct json_error e;
	struct buf text;
	const struct json *j = json_parse(r->a, metadata, 0, &e);
	if (!j)
		return 0;		/* no row of ours: nothing in it is read */
	buf_init(&text, ROW_MEMORY);
	struct json_out o = json_out(&text);
	json_copy(&o, j, swap_sealed, r);
	int err = text.failed ? -ENOMEM : update(db, is_key, id, buf_str(&text));
	buf_done(&text);
	return err;
}

/* One after the other, for a query that stands open would see its own changes. */
static int reseal_table(struct store_db *db, struct resealing *r, bool is_key)
{
	int64_t id = 0;
	for (;;) {
		struct sql *q = is_key
			? sql_query(db, "SELECT id, metadata FROM keys WHERE id > ?"
					" AND instr(metadata, '\"sealed:') ORDER BY id LIMIT 1")
			: sql_query(db, "SELECT id, metadata FROM teams WHERE id > ?"
					" AND instr(metadata, '\"sealed:') ORDER BY id LIMIT 1");
		sql_int(q, 1, id);
		int found = sql_row(q);
		id = found > 0 ? sql_get_int(q, 0) : id;
		struct str metadata = found > 0 ? arena_dup(r->a, sql_get_text(q, 1)) : STR_NONE;
		sql_end(q);
		if (found <= 0)
			return found;
		int err = metadata.p ? reseal_row(db, r, is_key, id, metadata) : -ENOMEM;
		arena_reset(r->a);
		if (err)
			return err;
	}
}

int key_logging_reseal(struct store_db *db, const struct seal *from, const struct seal *to)
{
	struct resealing r = { arena_new(ROW_MEMORY), from, to };
	int err = r.a ? reseal_table(db, &r, true) : -ENOMEM;
	if (!err)
		err = reseal_table(db, &r, false);
	arena_free(r.a);
	return err;
}
