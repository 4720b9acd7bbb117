/* SPDX-License-Identifier: MIT
 * teams_show.c - showing teams: one with its keys and members, all of them, or a page of those
 * that somebody looks for. */
#include <errno.h>

#include "master/command_job.h"
#include "master/keys_private.h"
#include "master/keys_windows.h"
#include "master/list_sort.h"
#include "master/master.h"
#include "master/roles.h"
#include "master/teams.h"

enum { SIZE_MAX_OF_PAGE = 10000, SIZE_OF_PAGE = 10, MEMBERS_COUNT = 31,
       SQL_ROOM = 8192 };

struct show_call {
	struct command_call *c;
	struct keys *keys;
	struct str team_id, organization_id, user_id;
	struct str alias;		/* a part of it */
	char order[LIST_SORT_ROOM];
	bool is_page;			/* with how many there are */
	uint64_t page, size, total;
	struct team_row *teams;
	int64_t *members;		/* how many each has */
	size_t n_teams;
	struct key_row *rows;		/* the keys of the one team */
	size_t n_rows;
	bool sees_all;			/* the keys of others, too */
};

static struct show_call *call_new(struct command_call *c)
{
	struct show_call *sc = command_state(c, sizeof *sc);
	if (!sc)
		return NULL;
	sc->keys = c->master->keys;
	return sc;
}

static void put_team(const struct show_call *sc, struct json_out *o, const struct team_row *t)
{
	int64_t spend = keys_settled_of(sc->keys, ENTITY_TEAM | t->r.id, t->r.spend);
	team_put(o, &t->r, spend, t->members);
	key_models_put_spend(o, sc->keys, DIR_TEAM, &t->r);
	key_windows_put_used(o, sc->keys, DIR_TEAM, &t->r);
}

/* ---- one ---- */

static int count_keys(struct store_db *db, struct str team_id, size_t *ret)
{
	struct sql *q = sql_query(db, "SELECT count(*) FROM keys WHERE team_id = ?");
	sql_text(q, 1, team_id);
	int r = sql_row(q);
	*ret = r > 0 ? (size_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	return r < 0 ? r : 0;
}

static int read_keys(struct show_call *sc, struct store_db *db)
{
	size_t room;
	int r = count_keys(db, sc->team_id, &room);
	sc->rows = r ? NULL : arena_array(sc->c->mem, room + 1, sizeof *sc->rows);
	if (!sc->rows)
		return r ? r : -ENOMEM;
	struct sql *q = sql_query(db,
		"SELECT " KEY_COLUMNS " FROM keys WHERE team_id = ? ORDER BY id DESC");
	sql_text(q, 1, sc->team_id);
	while ((r = sql_row(q)) > 0 && sc->n_rows < room) {
		r = key_row_read(q, sc->c->mem, &sc->rows[sc->n_rows]);
		if (r)
			break;
		if (sc->sees_all || role_owns(sc->c, &sc->rows[sc->n_rows]))
			sc->n_rows++;
	}
	sql_end(q);
	return r < 0 ? r : 0;
}

static int info_job(struct store_db *db, void *data)
{
	struct show_call *sc = data;
	int err = role_check_team(sc->c, db, sc->team_id, false);
	if (err)
		return err == -EACCES ? -ENOENT : err;
	sc->sees_all = role_check_team(sc->c, db, sc->team_id, true) == 0;
	err = team_row_find_named(db, sc->c, &sc->team_id, sc->teams);
	return err ? err : read_keys(sc, db);
}

static void on_info(void *data, int err)
{
	struct show_call *sc = data;
	struct command_call *c = sc->c;
	if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", "team_id",
			     "Team not found, passed team_id=" STR_FMT, STR_ARG(sc->team_id));
	else if (err)
		command_fail_store(c, err);
	if (err)
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_str(&o, "team_id", sc->team_id);
	json_open(&o, "team_info");
	put_team(sc, &o, sc->teams);
	json_close(&o);
	json_open_array(&o, "keys");
	for (size_t i = 0; i < sc->n_rows; i++) {
		json_open(&o, NULL);
		key_put(&o, &sc->rows[i], keys_spend_of(sc->keys, &sc->rows[i]), true);
		json_close(&o);
	}
	json_close_array(&o);
	json_put_raw(&o, "team_memberships", sc->teams->memberships);
	json_close(&o);
	command_finish(c);
}

void teams_info(struct command_call *c)
{
	struct show_call *sc = call_new(c);
	if (!sc || command_str(c, "team_id", &sc->team_id) != 0)
		return;			/* required: command_run() has seen that it is there */
	sc->teams = arena_alloc(c->mem, sizeof *sc->teams);
	if (sc->teams)
		command_read(sc, info_job, on_info);
	else
		command_fail_store(c, -ENOMEM);
}

/* ---- many ---- */

#define LISTED                                                                                    \
	" FROM teams t WHERE (?1 IS NULL OR organization_id = ?1) AND (?2 IS NULL OR EXISTS"      \
	" (SELECT 1 FROM team_members WHERE team = t.id AND user_id = ?2)"                        \
	" OR (?3 AND organization_id IN (" ROLE_ADMINISTERED("?2") ")))"                          \
	" AND (?4 IS NULL OR team_id = ?4) AND (?5 IS NULL OR instr(lower(alias), lower(?5)))"

static void bind_filters(const struct show_call *sc, struct sql *q)
{
	sql_text(q, 1, sc->organization_id);
	sql_text(q, 2, sc->user_id);
	sql_int(q, 3, sc->c->own_user.n > 0);
	sql_text(q, 4, sc->team_id);
	sql_text(q, 5, sc->alias);
}

static int count_teams(struct show_call *sc, struct store_db *db)
{
	struct sql *q = sql_query(db, "SELECT count(*)" LISTED);
	bind_filters(sc, q);
	int r = sql_row(q);
	sc->total = r > 0 ? (uint64_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	return r < 0 ? r : 0;
}

static int list_job(struct store_db *db, void *data)
{
	struct show_call *sc = data;
	int r = sc->is_page ? count_teams(sc, db) : 0;
	if (r)
		return r;
	struct buf text;
	buf_init(&text, SQL_ROOM);
	buf_printf(&text, "SELECT " TEAM_COLUMNS_SHOWN ", (SELECT count(*) FROM team_members"
		   " WHERE team = t.id) FROM teams t WHERE id IN (SELECT id" LISTED
		   " ORDER BY %s LIMIT ?6 OFFSET ?7) ORDER BY %s", sc->order, sc->order);
	struct sql *q = sql_buffer(db, &text);
	bind_filters(sc, q);
	sql_int(q, 6, (int64_t)sc->size);
	sql_int(q, 7, (int64_t)((sc->page - 1) * sc->size));
	while ((r = sql_row(q)) > 0 && sc->n_teams < sc->size) {
		r = team_row_read(q, sc->c->mem, &sc->teams[sc->n_teams]);
		if (r)
			break;
		sc->members[sc->n_teams++] = sql_get_int(q, MEMBERS_COUNT);
	}
	sql_end(q);
	return r < 0 ? r : 0;
}

static void put_teams(const struct show_call *sc, struct json_out *o, const char *name)
{
	json_open_array(o, name);
	for (size_t i = 0; i < sc->n_teams; i++) {
		json_open(o, NULL);
		put_team(sc, o, &sc->teams[i]);
		json_put_raw(o, "team_memberships", sc->teams[i].memberships);
		if (sc->is_page)
			json_put_i64(o, "members_count", sc->members[i]);
		json_close(o);
	}
	json_close_array(o);
}

static void put_page(const struct show_call *sc, struct json_out *o)
{
	json_open(o, NULL);
	put_teams(sc, o, "teams");
	json_put_u64(o, "total", sc->total);
	json_put_u64(o, "page", sc->page);
	json_put_u64(o, "page_size", sc->size);
	json_put_u64(o, "total_pages", (sc->total + sc->size - 1) / sc->size);
	json_close(o);
}

static void on_list(void *data, int err)
{
	struct show_call *sc = data;
	struct json_out o = json_out(&sc->c->out);
	if (err) {
		command_fail_store(sc->c, err);
		return;
	}
	if (sc->is_page)
		put_page(sc, &o);
	else
		put_teams(sc, &o, NULL);
	command_finish(sc->c);
}

/* false: answered. */
static bool take_page(struct show_call *sc, uint64_t size)
{
	struct command_call *c = sc->c;
	sc->page = 1;
	sc->size = size;
	if (command_str(c, "organization_id", &sc->organization_id) == -EINVAL ||
	    command_str(c, "user_id", &sc->user_id) == -EINVAL ||
	    command_str(c, "team_alias", &sc->alias) == -EINVAL)
		return false;
	if (c->own_user.n)
		sc->user_id = c->own_user;
	return command_page(c, "page_size", SIZE_MAX_OF_PAGE, &sc->page, &sc->size);
}

static void start_list(struct show_call *sc)
{
	sc->teams = arena_array(sc->c->mem, sc->size, sizeof *sc->teams);
	sc->members = arena_array(sc->c->mem, sc->size, sizeof *sc->members);
	if (sc->teams && sc->members)
		command_read(sc, list_job, on_list);
	else
		command_fail_store(sc->c, -ENOMEM);
}

static const struct list_sort sorts[] = {
	{ "team_id", "team_id" }, { "team_alias", "alias" }, { "created_at", "created_at" },
	{ "spend", "spend" }, { "max_budget", "max_budget" }, { NULL, NULL },
};

void teams_list(struct command_call *c)
{
	struct show_call *sc = call_new(c);
	if (sc && take_page(sc, SIZE_MAX_OF_PAGE) &&
	    list_sort_take(c, sorts, LIST_OLDEST_FIRST, sc->order))
		start_list(sc);
}

void teams_list_pages(struct command_call *c)
{
	struct show_call *sc = call_new(c);
	struct str status = STR_NONE;
	if (!sc || !take_page(sc, SIZE_OF_PAGE) || !list_sort_take(c, sorts, LIST_ANY, sc->order) ||
	    command_str(c, "team_id", &sc->team_id) == -EINVAL ||
	    command_str(c, "status", &status) == -EINVAL)
		return;
	sc->is_page = true;
	if (status.n && !str_eq(status, STR("deleted"))) {
		command_fail(c, 400, "invalid_request_error", "status",
			     "Invalid status value. Currently only 'deleted' is supported.");
	} else if (status.n) {
		struct json_out o = json_out(&c->out);
		put_page(sc, &o);	/* nothing is kept of teams that are deleted */
		command_finish(c);
	} else {
		start_list(sc);
	}
}
