/* SPDX-License-Identifier: MIT
 * token_keys.c - see token_keys.h. Database first, then directory, then the answer. */
#include "master/token_keys.h"

#include <errno.h>

#include "common/clock.h"
#include "master/command_job.h"
#include "master/master.h"

enum { NAME_BYTES_MAX = 256, TEXT_BYTES_MAX = 1024, UUID_ROOM = 37, PAGE_MAX = 100 };

struct token_key_call {			/* lives in the call's arena */
	struct command_call *c;
	struct keys *keys;
	bool is_new, has_description, has_active;
	struct str id, key;		/* as the caller names them */
	struct token_key_row given, before, row;
	uint64_t page, size, n;
	int undo_why;
};

/* ---- arguments. false: answered ---- */

static struct token_key_call *call_new(struct command_call *c)
{
	struct token_key_call *tc = command_state(c, sizeof *tc);
	if (!tc)
		return NULL;
	tc->keys = c->master->keys;
	tc->given.description = STR_NONE;
	tc->given.is_active = true;
	return tc;
}

/* As worker/decide/claims.c takes a claim. */
static bool take_name(struct token_key_call *tc, const char *arg, struct str *ret)
{
	int err = command_str(tc->c, arg, ret);
	if (err == -EINVAL)
		return false;
	bool good = ret->n > 0 && ret->n <= NAME_BYTES_MAX;
	for (size_t i = 0; i < ret->n && good; i++)
		good = (unsigned char)ret->p[i] >= ' ' && ret->p[i] != 0x7f;
	if (!good)
		command_fail(tc->c, 400, "invalid_request_error", arg,
			     "%s must have 1 to 256 bytes, and no control characters", arg);
	return good;
}

static bool take_rest(struct token_key_call *tc)
{
	struct command_call *c = tc->c;
	struct token_key_row *g = &tc->given;
	if (command_str(c, "key", &tc->key) == -EINVAL ||
	    command_str(c, "description", &g->description) == -EINVAL)
		return false;
	tc->has_description = json_get(c->args, "description") != NULL;
	tc->has_active = json_is_given(json_get(c->args, "is_active"));
	if (command_bool(c, "is_active", &g->is_active) == -EINVAL)
		return false;
	if (tc->key.n > TEXT_BYTES_MAX || g->description.n > TEXT_BYTES_MAX) {
		command_fail(c, 400, "invalid_request_error", "description",
			     "key and description have at most 1024 bytes");
		return false;
	}
	g->updated_at = clock_wall_ns();
	g->updated_by = key_caller_name(c);
	return true;
}

static bool take_id(struct token_key_call *tc)
{
	if (command_str(tc->c, "id", &tc->id) == -EINVAL)
		return false;
	if (tc->id.n > 0 && tc->id.n <= TEXT_BYTES_MAX)
		return true;
	command_fail(tc->c, 400, "invalid_request_error", "id", "id is missing, or too long");
	return false;
}

/* ---- jobs ---- */

static int find_row(struct token_key_call *tc, struct store_db *db, struct token_key_row *ret)
{
	struct sql *q = sql_query(db, TOKEN_KEY_ROW " WHERE m.id = ?");
	sql_text(q, 1, tc->id);
	int r = sql_row(q);
	if (r > 0)
		r = token_key_read(q, tc->c->mem, ret);
	else if (r == 0)
		r = -ENOENT;
	sql_end(q);
	return r;
}

static int find_key(struct token_key_call *tc, struct store_db *db)
{
	struct key_ref ref = key_ref_of(tc->key);
	struct key_row key;
	int err = key_row_find(db, &ref, tc->c->mem, &key);
	if (err)
		return err == -ENOENT ? -ENOKEY : err;
	tc->row.key = key.id;
	tc->row.hash = key.hash;
	return 0;
}

static int write_row(struct store_db *db, struct token_key_row *row)
{
	struct sql *q = sql_query(db,
		"INSERT INTO token_keys (number, id, claim, value, key, description, is_active,"
		" created_at, created_by, updated_at, updated_by) VALUES (?,?,?,?,?,?,?,?,?,?,?)"
		" ON CONFLICT (number) DO UPDATE SET key = excluded.key,"
		" description = excluded.description, is_active = excluded.is_active,"
		" updated_at = excluded.updated_at, updated_by = excluded.updated_by");
	sql_int_or_null(q, 1, (int64_t)row->number, row->number != 0);
	sql_text(q, 2, row->id);
	sql_text(q, 3, row->claim);
	sql_text(q, 4, row->value);
	sql_int(q, 5, (int64_t)row->key);
	sql_text(q, 6, row->description);
	sql_int(q, 7, row->is_active);
	sql_int(q, 8, (int64_t)row->created_at);
	sql_text(q, 9, row->created_by);
	sql_int(q, 10, (int64_t)row->updated_at);
	sql_text(q, 11, row->updated_by);
	int err = sql_run(q);
	if (!err && !row->number)
		row->number = (uint64_t)sql_last_id(db);
	return err;
}

static int delete_row(struct store_db *db, uint64_t number)
{
	struct sql *q = sql_query(db, "DELETE FROM token_keys WHERE number = ?");
	sql_int(q, 1, (int64_t)number);
	return sql_run(q);
}

static int create_job(struct store_db *db, void *data)
{
	struct token_key_call *tc = data;
	int err = find_key(tc, db);
	return err ? err : write_row(db, &tc->row);
}

static int update_job(struct store_db *db, void *data)
{
	struct token_key_call *tc = data;
	const struct token_key_row *given = &tc->given;
	int err = find_row(tc, db, &tc->before);
	tc->row = tc->before;
	if (!err && tc->key.n)
		err = find_key(tc, db);
	if (err)
		return err;
	if (tc->has_description)
		tc->row.description = given->description;
	if (tc->has_active)
		tc->row.is_active = given->is_active;
	tc->row.updated_at = given->updated_at;
	tc->row.updated_by = given->updated_by;
	return write_row(db, &tc->row);
}

static int delete_job(struct store_db *db, void *data)
{
	struct token_key_call *tc = data;
	int err = find_row(tc, db, &tc->row);
	return err ? err : delete_row(db, tc->row.number);
}

static int undo_job(struct store_db *db, void *data)
{
	struct token_key_call *tc = data;
	return tc->is_new ? delete_row(db, tc->row.number) : write_row(db, &tc->before);
}

/* ---- answers ---- */

static void put_row(struct json_out *o, const struct token_key_row *row)
{
	json_open(o, NULL);
	json_put_str(o, "id", row->id);
	json_put_str(o, "jwt_claim_name", row->claim);
	json_put_str(o, "jwt_claim_value", row->value);
	json_put_str(o, "description", row->description);
	json_put_bool(o, "is_active", row->is_active);
	json_put_time(o, "created_at", row->created_at);
	json_put_time(o, "updated_at", row->updated_at);
	json_put_str(o, "created_by", row->created_by);
	json_put_str(o, "updated_by", row->updated_by);
	json_close(o);
}

static void fail(struct token_key_call *tc, int err)
{
	if (err == -EEXIST)
		command_fail(tc->c, 409, "invalid_request_error", "jwt_claim_value",
			     "A mapping for claim '" STR_FMT "' = '" STR_FMT "' already exists.",
			     STR_ARG(tc->row.claim), STR_ARG(tc->row.value));
	else if (err == -ENOKEY)
		command_fail(tc->c, 400, "invalid_request_error", "key",
			     "The provided key does not match an existing virtual key.");
	else if (err == -ENOENT)
		command_fail(tc->c, 404, "not_found_error", "id", "Mapping not found");
	else
		command_fail_store(tc->c, err);
}

static void on_undone(void *data, int err)
{
	struct token_key_call *tc = data;
	key_fail_unpublished(tc->c, "key by a claim", tc->row.number, tc->undo_why, err);
}

static void finish_with_row(struct token_key_call *tc)
{
	struct json_out o = json_out(&tc->c->out);
	put_row(&o, &tc->row);
	command_finish(tc->c);
}

static void on_written(void *data, int err)
{
	struct token_key_call *tc = data;
	if (err) {
		fail(tc, err);
		return;
	}
	tc->undo_why = token_key_publish(tc->keys, &tc->row);
	if (!tc->undo_why) {
		finish_with_row(tc);
		return;
	}
	err = store_write(tc->keys->store, undo_job, on_undone, tc);
	if (err)
		on_undone(tc, err);
}

static void on_deleted(void *data, int err)
{
	struct token_key_call *tc = data;
	if (err) {
		fail(tc, err);
		return;
	}
	token_key_withdraw(tc->keys, &tc->row);
	struct json_out o = json_out(&tc->c->out);
	json_open(&o, NULL);
	json_put_z(&o, "status", "success");
	json_close(&o);
	command_finish(tc->c);
}

/* ---- commands ---- */

void token_keys_create(struct command_call *c)
{
	struct token_key_call *tc = call_new(c);
	if (!tc || !take_name(tc, "jwt_claim_name", &tc->given.claim) ||
	    !take_name(tc, "jwt_claim_value", &tc->given.value) || !take_rest(tc))
		return;
	char *id = arena_alloc(c->mem, UUID_ROOM);
	if (!id) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	hash_uuid(id);
	tc->is_new = true;
	tc->row = tc->given;
	tc->row.id = str_z(id);
	tc->row.created_at = tc->given.updated_at;
	tc->row.created_by = tc->given.updated_by;
	command_write(tc, create_job, on_written);
}

void token_keys_update(struct command_call *c)
{
	struct token_key_call *tc = call_new(c);
	if (tc && take_id(tc) && take_rest(tc))
		command_write(tc, update_job, on_written);
}

void token_keys_delete(struct command_call *c)
{
	struct token_key_call *tc = call_new(c);
	if (tc && take_id(tc))
		command_write(tc, delete_job, on_deleted);
}

static int info_job(struct store_db *db, void *data)
{
	struct token_key_call *tc = data;
	return find_row(tc, db, &tc->row);
}

static void on_info(void *data, int err)
{
	struct token_key_call *tc = data;
	if (err)
		fail(tc, err);
	else
		finish_with_row(tc);
}

static int put_page(struct token_key_call *tc, struct store_db *db, struct json_out *o)
{
	struct sql *q = sql_query(db, TOKEN_KEY_ROW " ORDER BY m.number DESC LIMIT ?1 OFFSET ?2");
	int r, err = 0;
	sql_int(q, 1, (int64_t)tc->size);
	sql_int(q, 2, (int64_t)((tc->page - 1) * tc->size));
	json_open_array(o, "mappings");
	while (!err && (r = sql_row(q)) > 0) {
		struct token_key_row row;
		err = token_key_read(q, tc->c->mem, &row);
		if (!err)
			put_row(o, &row);
	}
	json_close_array(o);
	sql_end(q);
	return err ? err : r;
}

static int list_job(struct store_db *db, void *data)
{
	struct token_key_call *tc = data;
	struct json_out o = json_out(&tc->c->out);
	struct sql *q = sql_query(db, "SELECT count(*) FROM token_keys");
	int r = sql_row(q);
	tc->n = r > 0 ? (uint64_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	json_open(&o, NULL);
	if (r >= 0)
		r = put_page(tc, db, &o);
	json_put_u64(&o, "total_count", tc->n);
	json_put_u64(&o, "current_page", tc->page);
	json_put_u64(&o, "total_pages", (tc->n + tc->size - 1) / tc->size);
	json_close(&o);
	return r < 0 ? r : 0;
}

void token_keys_info(struct command_call *c)
{
	struct token_key_call *tc = call_new(c);
	if (tc && take_id(tc))
		command_read(tc, info_job, on_info);
}

void token_keys_list(struct command_call *c)
{
	struct token_key_call *tc = call_new(c);
	if (!tc)
		return;
	tc->page = 1;
	tc->size = 50;
	if (command_page(c, "size", PAGE_MAX, &tc->page, &tc->size))
		command_read(tc, list_job, command_done);
}
