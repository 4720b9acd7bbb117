/* SPDX-License-Identifier: MIT
 * keys_groups.c - access groups in the directory: their rows, and the ids that a key or a team
 * names in extra.access_group_ids, which stand behind its list of models. */
#include <errno.h>

#include "common/clock.h"
#include "common/log.h"
#include "master/unified_groups.h"

enum { IDS_MAX = 64, ID_BYTES_MAX = 256, EXTRA_MAX = 512 << 10, ROW_MEMORY = 1 << 20 };
static const char member[] = "access_group_ids";

static bool is_id(struct str s)
{
	return s.n > 0 && s.n <= ID_BYTES_MAX && !memchr(s.p, 0, s.n);
}

int key_groups_check(struct command_call *c, const struct json *arg)
{
	if (!str_eq_z(arg->key, member) || arg->type == JSON_NULL)
		return 0;
	bool good = arg->type == JSON_ARRAY && arg->count <= IDS_MAX;
	for (const struct json *j = good ? arg->child : NULL; j && good; j = j->next)
		good = is_id(json_str(c->mem, j));
	if (good)
		return 0;
	command_fail(c, 400, "invalid_request_error", member,
		     "%s must be a list of at most %d ids", member, IDS_MAX);
	return -EINVAL;
}

static bool names_any(const struct key_row *row)
{
	return str_find(row->extra, STR("\"access_group_ids\"")) != SIZE_MAX;
}

static const struct json *ids_of(struct arena *a, const struct key_row *row)
{
	struct json_error e;
	const struct json *j = json_get(json_parse(a, row->extra, 0, &e), member);
	return json_is(j, JSON_ARRAY) ? j : NULL;
}

/* With exclusions alone, or a name for all, all else is allowed as it is. */
static bool allows_rest(struct str flat)
{
	struct str left = flat;
	bool named = false;
	while (left.n) {
		struct str name = str_cut(&left, '\0');
		if (dir_name_is_all(name))
			return true;
		named |= name.n && name.p[0] != '!';
	}
	return !named;
}

struct str key_groups_add(struct arena *a, enum dir_kind kind, const struct key_row *row,
			  struct str flat)
{
	if (kind > DIR_TEAM || !flat.n || !names_any(row) || allows_rest(flat))
		return flat;
	char *p = arena_alloc(a, flat.n + IDS_MAX * (ID_BYTES_MAX + 2)), *at = p;
	const struct json *ids = ids_of(a, row);
	unsigned n = 0;
	if (!p)
		return STR_NONE;
	memcpy(at, flat.p, flat.n);
	at += flat.n;
	for (const struct json *j = ids ? ids->child : NULL; j && n < IDS_MAX; j = j->next) {
		struct str id = json_str(a, j);
		if (!id.p || !is_id(id))
			continue;
		*at++ = DIR_GROUP_MARK;
		memcpy(at, id.p, id.n);
		at += id.n + 1;		/* the arena gives zeroes */
		n++;
	}
	return str_of(p, (size_t)(at - p));
}

static void put_ids(struct arena *a, struct json_out *o, const struct json *ids, struct str id,
		    bool is_member)
{
	json_open_array(o, member);
	for (const struct json *j = ids ? ids->child : NULL; j; j = j->next)
		if (is_member || !str_eq(json_str(a, j), id))
			json_put_raw(o, NULL, j->raw);
	if (is_member)
		json_put_str(o, NULL, id);
	json_close_array(o);
}

int key_groups_edit(struct arena *a, struct key_row *row, struct str id, bool is_member)
{
	struct json_error e;
	const struct json *extra = json_parse(a, row->extra, 0, &e), *ids = ids_of(a, row);
	bool is_in = false;
	struct buf text;
	if (!json_is(extra, JSON_OBJECT))
		return -ENOMEM;
	for (const struct json *j = ids ? ids->child : NULL; j; j = j->next)
		is_in |= str_eq(json_str(a, j), id);
	if (is_in == is_member)
		return -EALREADY;
	buf_init(&text, EXTRA_MAX);
	struct json_out o = json_out(&text);
	json_open(&o, NULL);
	for (const struct json *j = extra->child; j; j = j->next) {
		if (str_eq_z(j->key, member))
			continue;
		json_key(&o, j->key);
		json_put_raw(&o, NULL, j->raw);
	}
	put_ids(a, &o, ids, id, is_member);
	json_close(&o);
	struct str now = text.failed ? STR_NONE : arena_dup(a, buf_str(&text));
	buf_done(&text);
	if (now.p)
		row->extra = now;
	return now.p ? 0 : -ENOMEM;
}

/* ---- their rows ---- */

int keys_publish_group(struct keys *k, uint64_t number, struct str id, struct str name,
		       struct str flat)
{
	struct dir_key row = {
		.kind = DIR_ACCESS_GROUP, .id = number, .max_budget_nano = DIR_NO_LIMIT,
		.flags = flat.n && key_models_are_all(flat) ? KEY_ALL_MODELS : 0,
		.last4 = name, .models = flat,
	};
	int err = dir_put_named(k->dir, id, &row, clock_ns());
	if (!err)
		atomic_fetch_add(&k->board->head->directory_revision, 1);
	return err;
}

void keys_withdraw_group(struct keys *k, uint64_t number, struct str id)
{
	if (dir_remove_named(k->dir, DIR_ACCESS_GROUP, id, clock_ns()) != 0)
		LOG(LOG_WARN, "key.not_in_directory", F_INT("id", number));
	atomic_fetch_add(&k->board->head->directory_revision, 1);
}

int keys_load_groups(struct keys *k, struct store_db *db)
{
	struct arena *a = arena_new(ROW_MEMORY);
	struct sql *q = sql_query(db, "SELECT number, id, name, models FROM access_groups");
	int r = a ? 0 : -ENOMEM, err = r;
	while (!err && (r = sql_row(q)) > 0) {
		struct str flat = key_models_flat(a, sql_get_text(q, 3));
		err = flat.p ? keys_publish_group(k, (uint64_t)sql_get_int(q, 0),
						  sql_get_text(q, 1), sql_get_text(q, 2), flat)
			     : -ENOMEM;
		arena_reset(a);
	}
	sql_end(q);
	arena_free(a);
	return err ? err : r;
}
