/* SPDX-License-Identifier: MIT
 * unified_groups.c - see unified_groups.h. Who is assigned by a group gets its id into its own row
 * in the same job, as with LiteLLM; the group keeps the list as it was given. */
#include "master/unified_groups.h"

#include <errno.h>

#include "common/clock.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/objects.h"

enum {
	NAMES_MAX = 1000, NAME_BYTES_MAX = 1024,
	LIST_BYTES_MAX = 48 << 10,	/* the directory's rows have 64 KiB */
	UUID_ROOM = 37
};

enum list { MODELS, MCP_SERVERS, AGENTS, TEAMS, KEYS, LISTS };
static const char *const arguments[LISTS] = {
	[MODELS] = "access_model_names", [MCP_SERVERS] = "access_mcp_server_ids",
	[AGENTS] = "access_agent_ids", [TEAMS] = "assigned_team_ids", [KEYS] = "assigned_key_ids",
};

struct group {
	uint64_t number;
	struct str id, name, description;	/* .p NULL: none */
	struct str lists[LISTS];		/* JSON */
	uint64_t created_at, updated_at;
	struct str created_by, updated_by;
};

struct assigned {			/* a key or a team whose row changes with the group's */
	enum dir_kind kind;
	struct key_row before, row;
};

struct group_call {			/* lives in the call's arena */
	struct command_call *c;
	struct keys *keys;
	bool is_new, has_description, has[LISTS];
	struct group given, before, group;
	struct str flat;		/* its models, as the directory has them */
	struct assigned *assigned;
	size_t n_assigned;
	int undo_why;
};

/* ---- rows ---- */

#define COLUMNS                                                                                   \
	"number, id, name, description, models, mcp_servers, agents, teams, keys, created_at,"    \
	" created_by, updated_at, updated_by"
enum column {
	NUMBER, ID, NAME, DESCRIPTION, LIST_0, CREATED_AT = LIST_0 + LISTS, CREATED_BY, UPDATED_AT,
	UPDATED_BY
};

static int read_row(struct sql *q, struct arena *a, struct group *ret)
{
	bool failed = false;
	*ret = (struct group){
		.number = (uint64_t)sql_get_int(q, NUMBER),
		.id = key_row_text(q, ID, a, &failed),
		.name = key_row_text(q, NAME, a, &failed),
		.description = key_row_text(q, DESCRIPTION, a, &failed),
		.created_at = (uint64_t)sql_get_int(q, CREATED_AT),
		.created_by = key_row_text(q, CREATED_BY, a, &failed),
		.updated_at = (uint64_t)sql_get_int(q, UPDATED_AT),
		.updated_by = key_row_text(q, UPDATED_BY, a, &failed),
	};
	for (int i = 0; i < LISTS; i++)
		ret->lists[i] = key_row_text(q, LIST_0 + i, a, &failed);
	return failed ? -ENOMEM : 0;
}

static int find_row(struct store_db *db, struct str id, struct arena *a, struct group *ret)
{
	struct sql *q = sql_query(db, "SELECT " COLUMNS " FROM access_groups WHERE id = ?");
	sql_text(q, 1, id);
	int r = sql_row(q);
	if (r > 0)
		r = read_row(q, a, ret);
	else if (r == 0)
		r = -ENOENT;
	sql_end(q);
	return r;
}

static int write_row(struct store_db *db, struct group *g)
{
	struct sql *q = sql_query(db, "INSERT INTO access_groups (" COLUMNS ") VALUES"
		" (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (number) DO UPDATE SET"
		" name = excluded.name, description = excluded.description,"
		" models = excluded.models, mcp_servers = excluded.mcp_servers,"
		" agents = excluded.agents, teams = excluded.teams, keys = excluded.keys,"
		" updated_at = excluded.updated_at, updated_by = excluded.updated_by");
	sql_int_or_null(q, 1 + NUMBER, (int64_t)g->number, g->number != 0);
	sql_text(q, 1 + ID, g->id);
	sql_text(q, 1 + NAME, g->name);
	sql_text(q, 1 + DESCRIPTION, g->description);
	for (int i = 0; i < LISTS; i++)
		sql_text(q, 1 + LIST_0 + i, g->lists[i]);
	sql_int(q, 1 + CREATED_AT, (int64_t)g->created_at);
	sql_text(q, 1 + CREATED_BY, g->created_by);
	sql_int(q, 1 + UPDATED_AT, (int64_t)g->updated_at);
	sql_text(q, 1 + UPDATED_BY, g->updated_by);
	int err = sql_run(q);
	if (!err && !g->number)
		g->number = (uint64_t)sql_last_id(db);
	return err;
}

static int delete_row(struct store_db *db, uint64_t number)
{
	struct sql *q = sql_query(db, "DELETE FROM access_groups WHERE number = ?");
	sql_int(q, 1, (int64_t)number);
	return sql_run(q);
}

/* ---- arguments. false: answered ---- */

static bool refuse(struct command_call *c, const char *arg, const char *what)
{
	command_fail(c, 400, "invalid_request_error", arg, "%s %s", arg, what);
	return false;
}

static bool is_name(enum list which, struct str s)
{
	if (!s.n || s.n > NAME_BYTES_MAX || (which == MODELS && s.p[0] == '!'))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ')
			return false;
	return true;
}

/* A key's text is nowhere kept. */
static void put_name(struct arena *a, struct json_out *o, enum list which, struct str s)
{
	struct sha256 hash;
	if (which != KEYS || !str_starts(s, STR("sk-"))) {
		json_put_str(o, NULL, s);
		return;
	}
	hash = hash_sha256(s);
	json_put_str(o, NULL, key_hash_hex(a, &hash));
}

static bool take_list(struct group_call *gc, enum list which)
{
	const struct json *list = json_get(gc->c->args, arguments[which]);
	struct command_call *c = gc->c;
	struct buf text;
	bool good = true;
	gc->has[which] = list != NULL;
	gc->given.lists[which] = STR("[]");
	int err = object_json(c, arguments[which], JSON_ARRAY, &list);
	if (err)
		return err == -ENOENT;
	if (list->count > NAMES_MAX)
		return refuse(c, arguments[which], "has more than 1000 names");
	buf_init(&text, LIST_BYTES_MAX);
	struct json_out o = json_out(&text);
	json_open_array(&o, NULL);
	for (const struct json *j = list->child; j && good; j = j->next) {
		struct str s = json_str(c->mem, j);
		good = s.p && is_name(which, s);
		if (good)
			put_name(c->mem, &o, which, s);
	}
	json_close_array(&o);
	gc->given.lists[which] = text.failed ? STR_NONE : arena_dup(c->mem, buf_str(&text));
	bool fits = !text.failed;
	buf_done(&text);
	if (!good)
		return refuse(c, arguments[which], "must be a list of names");
	return fits || refuse(c, arguments[which], "is larger than 48 KiB");
}

static bool take_text(struct group_call *gc, const char *arg, bool is_needed, struct str *ret)
{
	int err = command_str(gc->c, arg, ret);
	if (err == -EINVAL)
		return false;
	if (ret->n > NAME_BYTES_MAX)
		return refuse(gc->c, arg, "is longer than 1024 bytes");
	if (is_needed && !ret->n)
		return refuse(gc->c, arg, "is missing");
	return true;
}

static struct group_call *call_new(struct command_call *c)
{
	struct group_call *gc = command_state(c, sizeof *gc);
	if (!gc)
		return NULL;
	gc->keys = c->master->keys;
	gc->given.description = STR_NONE;
	return gc;
}

static bool take_all(struct group_call *gc)
{
	struct group *g = &gc->given;
	if (!take_text(gc, "access_group_name", gc->is_new, &g->name) ||
	    !take_text(gc, "description", false, &g->description))
		return false;
	gc->has_description = json_get(gc->c->args, "description") != NULL;
	for (int i = 0; i < LISTS; i++)
		if (!take_list(gc, (enum list)i))
			return false;
	g->updated_at = clock_wall_ns();
	g->updated_by = key_caller_name(gc->c);
	return true;
}

/* ---- who is assigned ---- */

static bool is_in(struct arena *a, const struct json *list, struct str name)
{
	for (const struct json *j = list ? list->child : NULL; j; j = j->next)
		if (str_eq(json_str(a, j), name))
			return true;
	return false;
}

static int find_assigned(struct store_db *db, struct arena *a, enum list which, struct str name,
			 struct key_row *ret)
{
	struct key_ref ref = { .kind = REF_HASH };
	struct team_row team;
	if (which == KEYS)
		return hash_unhex(ref.hash.b, sizeof ref.hash.b, name) < 0 ? -ENOENT
			: key_row_find(db, &ref, a, ret);
	int err = team_row_find(db, name, a, &team);
	if (!err)
		*ret = team.r;
	return err;
}

static int write_assigned(struct store_db *db, enum dir_kind kind, const struct key_row *row)
{
	return kind == DIR_KEY ? key_row_update(db, row) : team_row_update(db, row);
}

/* One that nobody has made is passed over, as with LiteLLM. */
static int assign(struct group_call *gc, struct store_db *db, enum list which, struct str name,
		  bool is_member)
{
	struct arena *a = gc->c->mem;
	struct assigned *as = &gc->assigned[gc->n_assigned];
	int err = find_assigned(db, a, which, name, &as->before);
	if (err)
		return err == -ENOENT ? 0 : err;
	as->kind = which == KEYS ? DIR_KEY : DIR_TEAM;
	as->row = as->before;
	err = key_groups_edit(a, &as->row, gc->group.id, is_member);
	if (err)
		return err == -EALREADY ? 0 : err;
	gc->n_assigned++;
	return write_assigned(db, as->kind, &as->row);
}

static int assign_all(struct group_call *gc, struct store_db *db, enum list which)
{
	struct arena *a = gc->c->mem;
	struct json_error e;
	const struct json *old = gc->is_new ? NULL :
		json_parse(a, gc->before.lists[which], 0, &e);
	const struct json *now = json_parse(a, gc->group.lists[which], 0, &e);
	int err = now ? 0 : -ENOMEM;
	for (const struct json *j = now ? now->child : NULL; j && !err; j = j->next)
		if (!is_in(a, old, json_str(a, j)))
			err = assign(gc, db, which, json_str(a, j), true);
	for (const struct json *j = old ? old->child : NULL; j && !err; j = j->next)
		if (!is_in(a, now, json_str(a, j)))
			err = assign(gc, db, which, json_str(a, j), false);
	return err;
}

/* ---- jobs ---- */

static int write_job(struct store_db *db, void *data)
{
	struct group_call *gc = data;
	gc->assigned = arena_array(gc->c->mem, 4 * NAMES_MAX + 1, sizeof *gc->assigned);
	int err = gc->assigned ? write_row(db, &gc->group) : -ENOMEM;
	if (!err)
		err = assign_all(gc, db, TEAMS);
	return err ? err : assign_all(gc, db, KEYS);
}

static int update_job(struct store_db *db, void *data)
{
	struct group_call *gc = data;
	const struct group *given = &gc->given;
	int err = find_row(db, given->id, gc->c->mem, &gc->before);
	if (err)
		return err;
	gc->group = gc->before;
	gc->group.name = given->name.n ? given->name : gc->before.name;
	if (gc->has_description)
		gc->group.description = given->description;
	for (int i = 0; i < LISTS; i++)
		if (gc->has[i])
			gc->group.lists[i] = given->lists[i];
	gc->group.updated_at = given->updated_at;
	gc->group.updated_by = given->updated_by;
	gc->flat = key_models_flat(gc->c->mem, gc->group.lists[MODELS]);
	return gc->flat.p ? write_job(db, gc) : -ENOMEM;
}

/* Rows that name it go on naming what nobody has. */
static int delete_job(struct store_db *db, void *data)
{
	struct group_call *gc = data;
	int err = find_row(db, gc->given.id, gc->c->mem, &gc->group);
	return err ? err : delete_row(db, gc->group.number);
}

static int undo_job(struct store_db *db, void *data)
{
	struct group_call *gc = data;
	int err = gc->is_new ? delete_row(db, gc->group.number) : write_row(db, &gc->before);
	for (size_t i = 0; i < gc->n_assigned && !err; i++)
		err = write_assigned(db, gc->assigned[i].kind, &gc->assigned[i].before);
	return err;
}

/* ---- answers ---- */

static void put_group(struct json_out *o, const struct group *g)
{
	json_open(o, NULL);
	json_put_str(o, "access_group_id", g->id);
	json_put_str(o, "access_group_name", g->name);
	json_put_str(o, "description", g->description);
	for (int i = 0; i < LISTS; i++)
		json_put_raw(o, arguments[i], g->lists[i]);
	json_put_time(o, "created_at", g->created_at);
	json_put_str(o, "created_by", g->created_by);
	json_put_time(o, "updated_at", g->updated_at);
	json_put_str(o, "updated_by", g->updated_by);
	json_close(o);
}

static void fail(struct group_call *gc, int err)
{
	if (err == -EEXIST)
		command_fail(gc->c, 409, "invalid_request_error", "access_group_name",
			     "Access group '" STR_FMT "' already exists",
			     STR_ARG(gc->group.name));
	else if (err == -ENOENT)
		command_fail(gc->c, 404, "not_found_error", "access_group_id",
			     "Access group '" STR_FMT "' not found", STR_ARG(gc->given.id));
	else
		command_fail_store(gc->c, err);
}

static int publish_assigned(struct keys *k, enum dir_kind kind, const struct key_row *row)
{
	return kind == DIR_KEY ? keys_publish(k, row, &row->hash) : teams_publish(k, row);
}

static int publish(struct group_call *gc)
{
	int err = keys_publish_group(gc->keys, gc->group.number, gc->group.id, gc->group.name,
				     gc->flat);
	for (size_t i = 0; i < gc->n_assigned && !err; i++)
		err = publish_assigned(gc->keys, gc->assigned[i].kind, &gc->assigned[i].row);
	return err;
}

static void on_undone(void *data, int err)
{
	struct group_call *gc = data;
	key_fail_unpublished(gc->c, "access group", gc->group.number, gc->undo_why, err);
}

static void on_written(void *data, int err)
{
	struct group_call *gc = data;
	if (err) {
		fail(gc, err);
		return;
	}
	gc->undo_why = publish(gc);
	if (gc->undo_why) {
		err = store_write(gc->keys->store, undo_job, on_undone, gc);
		if (err)
			on_undone(gc, err);
		return;
	}
	struct json_out o = json_out(&gc->c->out);
	put_group(&o, &gc->group);
	gc->c->status = gc->is_new ? 201 : 200;
	command_finish(gc->c);
}

/* LiteLLM's answer has no body. */
static void on_deleted(void *data, int err)
{
	struct group_call *gc = data;
	struct command_call *c = gc->c;
	if (err) {
		fail(gc, err);
		return;
	}
	keys_withdraw_group(gc->keys, gc->group.number, gc->group.id);
	c->status = c->kind == CALLER_HTTP ? 204 : 200;
	if (c->kind == CALLER_SOCKET) {
		struct json_out o = json_out(&c->out);
		put_group(&o, &gc->group);
	}
	command_finish(c);
}

/* ---- commands ---- */

void unified_groups_create(struct command_call *c)
{
	struct group_call *gc = call_new(c);
	if (!gc)
		return;
	gc->is_new = true;
	if (!take_all(gc))
		return;
	char *id = arena_alloc(c->mem, UUID_ROOM);
	gc->flat = key_models_flat(c->mem, gc->given.lists[MODELS]);
	if (!id || !gc->flat.p) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	hash_uuid(id);
	gc->group = gc->given;
	gc->group.id = str_z(id);
	gc->group.created_at = gc->given.updated_at;
	gc->group.created_by = gc->given.updated_by;
	command_write(gc, write_job, on_written);
}

void unified_groups_update(struct command_call *c)
{
	struct group_call *gc = call_new(c);
	if (gc && object_name(c, "access_group_id", &gc->given.id) == 0 && take_all(gc))
		command_write(gc, update_job, on_written);
}

void unified_groups_delete(struct command_call *c)
{
	struct group_call *gc = call_new(c);
	if (gc && object_name(c, "access_group_id", &gc->given.id) == 0)
		command_write(gc, delete_job, on_deleted);
}

static void on_read(void *data, int err)
{
	struct group_call *gc = data;
	if (err)
		fail(gc, err);
	else
		command_finish(gc->c);
}

static int info_job(struct store_db *db, void *data)
{
	struct group_call *gc = data;
	int err = find_row(db, gc->given.id, gc->c->mem, &gc->group);
	if (err)
		return err;
	struct json_out o = json_out(&gc->c->out);
	put_group(&o, &gc->group);
	return 0;
}

static int list_job(struct store_db *db, void *data)
{
	struct group_call *gc = data;
	struct arena *a = arena_new(1 << 20);
	int r = -ENOMEM, err = 0;
	struct json_out o = json_out(&gc->c->out);
	struct sql *q = a ? sql_query(db, "SELECT " COLUMNS " FROM access_groups"
					  " ORDER BY number DESC") : NULL;
	json_open_array(&o, NULL);
	while (q && !err && (r = sql_row(q)) > 0) {
		struct group g;
		err = read_row(q, a, &g);
		if (!err)
			put_group(&o, &g);
		arena_reset(a);
	}
	json_close_array(&o);
	if (q)
		sql_end(q);
	arena_free(a);
	return err ? err : r;
}

void unified_groups_info(struct command_call *c)
{
	struct group_call *gc = call_new(c);
	if (gc && object_name(c, "access_group_id", &gc->given.id) == 0)
		command_read(gc, info_job, on_read);
}

void unified_groups_list(struct command_call *c)
{
	struct group_call *gc = call_new(c);
	if (gc)
		command_read(gc, list_job, command_done);
}
