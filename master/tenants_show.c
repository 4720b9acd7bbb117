/* SPDX-License-Identifier: MIT
 * tenants_show.c - showing tenants: some by name, or a page of them; a user with its keys and
 * teams, an organization with its teams and members. */
#include <errno.h>

#include "master/command_job.h"
#include "master/keys_windows.h"
#include "master/list_sort.h"
#include "master/master.h"
#include "master/roles.h"
#include "master/tenants.h"

enum {
	SIZE_DEFAULT = 25, SIZE_ALL = 10000, NAMES_MAX = 1000, SQL_ROOM = 8192, LIST_ROOM = 1 << 20
};

struct shown {
	struct key_row r;
	struct str teams, members;	/* JSON; .p NULL: not shown */
	int64_t n_keys;			/* of a user in a list */
};
struct show_call {
	struct command_call *c;
	struct keys *keys;
	const struct tenant_kind *kind;
	struct str *names;		/* of an info command */
	size_t n_names;
	struct str role, email, team;	/* filters of a list of users */
	struct str part, ids, sso_ids, organizations;	/* of an id; JSON: lists */
	struct str alias;		/* a part of it */
	char order[LIST_SORT_ROOM];
	uint64_t page, size, total;
	struct shown *v;
	size_t n;
	struct key_row *keys_of;	/* of the one user */
	size_t n_keys;
};

static struct show_call *call_new(struct command_call *c)
{
	struct show_call *sc = command_state(c, sizeof *sc);
	if (!sc)
		return NULL;
	sc->keys = c->master->keys;
	sc->kind = tenant_kind_of(c->command);
	return sc;
}

/* ---- what belongs to one ---- */

static int read_text(struct show_call *sc, struct sql *q, struct str name, uint64_t number,
		     struct str *ret)
{
	bool failed = false;
	sql_text(q, 1, name);
	sql_int(q, 2, (int64_t)number);
	int r = sql_row(q);
	if (r > 0)
		*ret = key_row_text(q, 0, sc->c->mem, &failed);
	sql_end(q);
	return failed ? -ENOMEM : r < 0 ? r : 0;
}

/* Of another user an organization's admin sees what is the organization's. */
static bool is_others(const struct show_call *sc, struct str user_id)
{
	return sc->c->own_user.n && !str_eq(user_id, sc->c->own_user);
}

static int read_teams(struct show_call *sc, struct store_db *db, struct str user_id,
		      struct str *ret)
{
	bool failed = false;
	struct sql *q = sql_query(db,
		"SELECT json_group_array(json_object('team_id', t.team_id, 'team_alias', t.alias,"
		" 'role', m.role)) FROM team_members m JOIN teams t ON t.id = m.team WHERE"
		" m.user_id = ?1 AND (?2 IS NULL OR t.organization_id IN ("
		ROLE_ADMINISTERED("?2") "))");
	sql_text(q, 1, user_id);
	sql_text(q, 2, is_others(sc, user_id) ? sc->c->own_user : STR_NONE);
	int r = sql_row(q);
	if (r > 0)
		*ret = key_row_text(q, 0, sc->c->mem, &failed);
	sql_end(q);
	return failed ? -ENOMEM : r < 0 ? r : 0;
}

static int read_around(struct show_call *sc, struct store_db *db, struct shown *s)
{
	struct str name = s->r.key_name;
	if (sc->kind->dir == DIR_USER)
		return read_teams(sc, db, name, &s->teams);
	if (sc->kind->dir != DIR_ORGANIZATION)
		return 0;
	int err = read_text(sc, sql_query(db,
		"SELECT json_group_array(json_object('team_id', team_id, 'team_alias', alias,"
		" 'models', json(models))) FROM teams WHERE organization_id = ?1 AND ?2"),
		name, 1, &s->teams);
	if (!err)
		err = read_text(sc, sql_query(db,
			"SELECT json_group_array(json_object('user_id', m.name, 'user_email',"
			" m.email, 'organization_id', ?1, 'user_role', m.role, 'spend',"
			" m.spend / 1e9, 'budget_id', m.budget_id, 'max_budget_in_organization',"
			" coalesce(m.max_budget, b.max_budget) / 1e9, 'litellm_budget_table', CASE"
			" WHEN coalesce(m.max_budget, b.max_budget) IS NOT NULL THEN json_object("
			"'budget_id', m.budget_id, 'max_budget',"
			" coalesce(m.max_budget, b.max_budget) / 1e9) END)) FROM (SELECT * FROM"
			" tenants WHERE kind = 9 AND owner = ?2 ORDER BY id) m LEFT JOIN tenants b"
			" ON b.kind = 8 AND b.owner = 0 AND b.name = m.budget_id"),
			name, s->r.id, &s->members);
	return err;
}

static void put_shown(const struct show_call *sc, struct json_out *o, const struct shown *s)
{
	tenant_put(o, sc->kind, &s->r, tenant_spend(sc->keys, sc->kind->dir, &s->r));
	key_models_put_spend(o, sc->keys, sc->kind->dir, &s->r);
	key_windows_put_used(o, sc->keys, sc->kind->dir, &s->r);
	if (s->teams.p)
		json_put_raw(o, "teams", s->teams);
	if (s->members.p)
		json_put_raw(o, "members", s->members);
}

static void put_all(const struct show_call *sc, struct json_out *o, const char *name,
		    bool with_keys)
{
	json_open_array(o, name);
	for (size_t i = 0; i < sc->n; i++) {
		json_open(o, NULL);
		put_shown(sc, o, &sc->v[i]);
		if (with_keys)
			json_put_i64(o, "key_count", sc->v[i].n_keys);
		json_close(o);
	}
	json_close_array(o);
}

/* ---- by name ---- */

/* Keys of a user that is not ?2: those of organizations that ?2 administers. */
#define OF_OTHERS                                                                                 \
	" (?2 IS NULL OR coalesce(organization_id, (SELECT t.organization_id FROM teams t"        \
	" WHERE t.team_id = k.team_id)) IN (" ROLE_ADMINISTERED("?2") "))"

static int read_keys(struct show_call *sc, struct store_db *db, struct str user_id)
{
	struct sql *q = sql_query(db, "SELECT count(*) FROM keys WHERE user_id = ?");
	sql_text(q, 1, user_id);
	int r = sql_row(q);
	size_t room = r > 0 ? (size_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	sc->keys_of = r < 0 ? NULL : arena_array(sc->c->mem, room + 1, sizeof *sc->keys_of);
	if (!sc->keys_of)
		return r < 0 ? r : -ENOMEM;
	q = sql_query(db, "SELECT " KEY_COLUMNS " FROM keys k WHERE user_id = ?1 AND" OF_OTHERS
			  " ORDER BY id DESC");
	sql_text(q, 1, user_id);
	sql_text(q, 2, is_others(sc, user_id) ? sc->c->own_user : STR_NONE);
	while ((r = sql_row(q)) > 0 && sc->n_keys < room) {
		r = key_row_read(q, sc->c->mem, &sc->keys_of[sc->n_keys]);
		if (r)
			break;
		sc->n_keys++;
	}
	sql_end(q);
	return r < 0 ? r : 0;
}

/* A tag or a budget of a list that there is not is left out, as LiteLLM does. */
static int info_job(struct store_db *db, void *data)
{
	struct show_call *sc = data;
	bool is_list = sc->kind->dir >= DIR_TAG;
	int err = role_check_command(sc->c, db);
	for (size_t i = 0; i < sc->n_names && !err; i++) {
		struct shown *s = &sc->v[sc->n];
		if (sc->kind->dir == DIR_ORGANIZATION)
			err = role_check_org(sc->c, db, sc->names[i]);
		else if (sc->kind->dir == DIR_USER)
			err = role_check_user(sc->c, db, sc->names[i]);
		if (err)
			break;
		err = tenant_row_find(db, tenant_number(sc->kind->dir), 0, sc->names[i],
					  sc->c->mem, &s->r);
		if (err == -ENOENT && is_list) {
			err = 0;
			continue;
		}
		if (!err)
			err = read_around(sc, db, s);
		sc->n++;
	}
	return err ? err : sc->kind->dir == DIR_USER ? read_keys(sc, db, sc->names[0]) : 0;
}

static void put_user(const struct show_call *sc, struct json_out *o)
{
	json_put_str(o, "user_id", sc->names[0]);
	json_open(o, "user_info");
	put_shown(sc, o, &sc->v[0]);
	json_close(o);
	json_open_array(o, "keys");
	for (size_t i = 0; i < sc->n_keys; i++) {
		json_open(o, NULL);
		key_put(o, &sc->keys_of[i], keys_spend_of(sc->keys, &sc->keys_of[i]), true);
		json_close(o);
	}
	json_close_array(o);
	json_put_raw(o, "teams", sc->v[0].teams.p ? sc->v[0].teams : STR("[]"));
}

static void put_tags(const struct show_call *sc, struct json_out *o)
{
	for (size_t i = 0; i < sc->n; i++) {
		json_key(o, sc->v[i].r.key_name);
		json_open(o, NULL);
		put_shown(sc, o, &sc->v[i]);
		json_close(o);
	}
}

static void on_info(void *data, int err)
{
	struct show_call *sc = data;
	struct command_call *c = sc->c;
	struct json_out o = json_out(&c->out);
	if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", sc->kind->shown,
			     "There is no %s with %s=" STR_FMT, sc->kind->noun, sc->kind->shown,
			     STR_ARG(sc->names[0]));
	else if (err && !role_failed(c, err))
		command_fail_store(c, err);
	if (err)
		return;
	if (sc->kind->dir == DIR_BUDGET) {
		put_all(sc, &o, NULL, false);
		command_finish(c);
		return;
	}
	json_open(&o, NULL);
	if (sc->kind->dir == DIR_USER)
		put_user(sc, &o);
	else if (sc->kind->dir == DIR_TAG)
		put_tags(sc, &o);
	else
		put_shown(sc, &o, &sc->v[0]);
	json_close(&o);
	command_finish(c);
}

/* A user sees itself, and in organizations that it administers their members; others are unknown
 * to it. */
static bool take_own(struct show_call *sc, const struct json *named)
{
	struct command_call *c = sc->c;
	sc->names = arena_alloc(c->mem, sizeof *sc->names);
	sc->v = arena_alloc(c->mem, sizeof *sc->v);
	if (!sc->names || !sc->v)
		return command_fail_store(c, -ENOMEM), false;
	sc->names[sc->n_names++] = json_is_given(named) ? json_str(c->mem, named) : c->own_user;
	return true;
}

/* One name, or a list. false: answered. */
static bool take_names(struct show_call *sc)
{
	struct command_call *c = sc->c;
	const struct json *j = json_get(c->args, sc->kind->shown);
	if (c->own_user.n && sc->kind->dir == DIR_USER)
		return take_own(sc, j);
	bool is_list = json_is(j, JSON_ARRAY);
	size_t room = is_list ? j->count : 1;
	if (json_is_given(j) && room <= NAMES_MAX) {
		sc->names = arena_array(c->mem, room + 1, sizeof *sc->names);
		sc->v = arena_array(c->mem, room + 1, sizeof *sc->v);
		if (!sc->names || !sc->v)
			return command_fail_store(c, -ENOMEM), false;
		for (const struct json *e = is_list ? j->child : j; e;
		     e = is_list ? e->next : NULL) {
			struct str s = json_str(c->mem, e);
			if (s.n)
				sc->names[sc->n_names++] = s;
		}
	}
	if (sc->n_names)
		return true;
	command_fail(c, 400, "invalid_request_error", sc->kind->shown,
		     "%s must be a name, or a list of at most %d", sc->kind->shown, NAMES_MAX);
	return false;
}

void tenants_info(struct command_call *c)
{
	struct show_call *sc = call_new(c);
	if (sc && take_names(sc))
		command_read(sc, info_job, on_info);
}

/* ---- pages ---- */

#define HAS(list) " SELECT value FROM json_each(" list ")"
/* What an organization's admin asks about teams and organizations is answered of its own alone. */
#define FILTERED                                                                                  \
	" FROM tenants t WHERE kind = ?1 AND (?2 IS NULL OR role = ?2)"                           \
	" AND (?3 IS NULL OR instr(lower(email), lower(?3)))"                                     \
	" AND (?4 IS NULL OR name IN (SELECT m.user_id FROM teams x JOIN team_members m"          \
	" ON m.team = x.id WHERE x.team_id = ?4 AND (?5 IS NULL OR x.organization_id IN ("        \
	ROLE_ADMINISTERED("?5") "))))"                                                            \
	" AND (?5 IS NULL OR (kind = 4 AND name IN (" ROLE_ADMINISTERED("?5") "))"                \
	" OR (kind = 3 AND name IN (" ROLE_ADMINISTERED_USERS("?5") ")))"                         \
	" AND (?6 IS NULL OR instr(lower(name), lower(?6)))"                                      \
	" AND (?7 IS NULL OR name IN (" HAS("?7") "))"                                            \
	" AND (?8 IS NULL OR json_extract(extra, '$.sso_user_id') IN (" HAS("?8") "))"            \
	" AND (?9 IS NULL OR name IN (SELECT u.name FROM tenants x JOIN tenants u"                \
	" ON u.kind = 9 AND u.owner = x.id WHERE x.kind = 4 AND x.name IN (" HAS("?9") ")"        \
	" AND (?5 IS NULL OR x.name IN (" ROLE_ADMINISTERED("?5") "))))"                          \
	" AND (?10 IS NULL OR instr(lower(alias), lower(?10)))"

static const struct list_sort user_sorts[] = {
	{ "user_id", "name" }, { "user_email", "email" }, { "created_at", "created_at" },
	{ "spend", "spend" }, { "user_alias", "alias" }, { "user_role", "role" }, { NULL, NULL },
};

static struct sql *filtered(const struct show_call *sc, struct sql *q)
{
	sql_int(q, 1, tenant_number(sc->kind->dir));
	sql_text(q, 2, sc->role);
	sql_text(q, 3, sc->email);
	sql_text(q, 4, sc->team);
	sql_text(q, 5, sc->c->own_user);
	sql_text(q, 6, sc->part);
	sql_text(q, 7, sc->ids);
	sql_text(q, 8, sc->sso_ids);
	sql_text(q, 9, sc->organizations);
	sql_text(q, 10, sc->alias);
	return q;
}

static struct sql *select_page(const struct show_call *sc, struct store_db *db)
{
	struct buf text;
	buf_init(&text, SQL_ROOM);
	buf_printf(&text, "SELECT " TENANT_COLUMNS " FROM tenants WHERE id IN (SELECT id" FILTERED
		   " ORDER BY %s LIMIT ?11 OFFSET ?12) ORDER BY %s", sc->order, sc->order);
	struct sql *q = filtered(sc, sql_buffer(db, &text));
	sql_int(q, 11, (int64_t)sc->size);
	sql_int(q, 12, (int64_t)((sc->page - 1) * sc->size));
	return q;
}

/* As many as the caller is shown of that user. */
static int count_keys(struct show_call *sc, struct store_db *db, struct shown *s)
{
	struct sql *q = sql_query(db,
		"SELECT count(*) FROM keys k WHERE user_id = ?1 AND" OF_OTHERS);
	sql_text(q, 1, s->r.key_name);
	sql_text(q, 2, is_others(sc, s->r.key_name) ? sc->c->own_user : STR_NONE);
	int r = sql_row(q);
	s->n_keys = r > 0 ? sql_get_int(q, 0) : 0;
	sql_end(q);
	return r < 0 ? r : 0;
}

static int list_job(struct store_db *db, void *data)
{
	struct show_call *sc = data;
	int r = role_check_command(sc->c, db);
	if (r)
		return r;
	struct sql *q = filtered(sc, sql_query(db, "SELECT count(*)" FILTERED));
	r = sql_row(q);
	if (r > 0)
		sc->total = (uint64_t)sql_get_int(q, 0);
	sql_end(q);
	if (r < 0)
		return r;
	q = select_page(sc, db);
	while ((r = sql_row(q)) > 0 && sc->n < sc->size) {
		r = tenant_row_read(q, sc->c->mem, &sc->v[sc->n].r);
		if (r)
			break;
		sc->n++;
	}
	sql_end(q);
	for (size_t i = 0; i < sc->n && r >= 0; i++) {
		r = read_around(sc, db, &sc->v[i]);
		if (r >= 0 && sc->kind->dir == DIR_USER)
			r = count_keys(sc, db, &sc->v[i]);
	}
	return r < 0 ? r : 0;
}

static void on_list(void *data, int err)
{
	struct show_call *sc = data;
	struct command_call *c = sc->c;
	struct json_out o = json_out(&c->out);
	if (err && !role_failed(c, err))
		command_fail_store(c, err);
	if (err)
		return;
	if (sc->kind->dir != DIR_USER) {
		put_all(sc, &o, NULL, false);
		command_finish(c);
		return;
	}
	json_open(&o, NULL);
	put_all(sc, &o, "users", true);
	json_put_u64(&o, "total", sc->total);
	json_put_u64(&o, "page", sc->page);
	json_put_u64(&o, "page_size", sc->size);
	json_put_u64(&o, "total_pages", (sc->total + sc->size - 1) / sc->size);
	json_close(&o);
	command_finish(c);
}

/* A list of texts as JSON; .p NULL: it is not given, or empty. false: answered. */
static bool take_list(struct command_call *c, const char *name, struct str *ret, size_t *ret_n)
{
	struct str list = STR_NONE;
	struct buf text;
	*ret_n = 0;
	if (command_str(c, name, &list) == -EINVAL)
		return false;
	buf_init(&text, LIST_ROOM);
	struct json_out o = json_out(&text);
	json_open_array(&o, NULL);
	while (list.n) {
		struct str one = str_trim(str_cut(&list, ','));
		if (one.n)
			json_put_str(&o, NULL, one);
		*ret_n += one.n > 0;
	}
	json_close_array(&o);
	bool failed = text.failed;
	if (*ret_n && !failed)
		*ret = arena_dup(c->mem, buf_str(&text));
	buf_done(&text);
	if (!failed && (!*ret_n || ret->p))
		return true;
	command_fail_store(c, -ENOMEM);
	return false;
}

/* A single id may be a part of one, as LiteLLM's pages ask. */
static bool take_users(struct show_call *sc)
{
	struct command_call *c = sc->c;
	struct str list;
	size_t n, other;
	if (!take_list(c, "user_ids", &sc->ids, &n) ||
	    !take_list(c, "sso_user_ids", &sc->sso_ids, &other) ||
	    !take_list(c, "organization_ids", &sc->organizations, &other))
		return false;
	if (n == 1) {
		sc->ids = STR_NONE;
		if (command_str(c, "user_ids", &list) != 0)
			return false;
		while (list.n && !sc->part.n)
			sc->part = str_trim(str_cut(&list, ','));
	}
	return list_sort_take(c, user_sorts, 0, sc->order);
}

/* An organization by its id, or by a part of its name. */
static bool take_organization(struct show_call *sc)
{
	size_t n;
	return take_list(sc->c, "org_id", &sc->ids, &n) &&
	       command_str(sc->c, "org_alias", &sc->alias) != -EINVAL;
}

/* false: answered. Only users come in pages, if nobody asks for them. */
static bool take_page(struct show_call *sc)
{
	struct command_call *c = sc->c;
	static const char newest_first[] = "id DESC";
	bool is_paged = sc->kind->dir == DIR_USER && c->kind == CALLER_HTTP;
	memcpy(sc->order, newest_first, sizeof newest_first);
	sc->page = 1;
	sc->size = is_paged ? SIZE_DEFAULT : SIZE_ALL;
	if (command_str(c, "role", &sc->role) == -EINVAL ||
	    command_str(c, "user_email", &sc->email) == -EINVAL ||
	    command_str(c, "team", &sc->team) == -EINVAL)
		return false;
	if (sc->kind->dir == DIR_USER ? !take_users(sc) :
	    sc->kind->dir == DIR_ORGANIZATION && !take_organization(sc))
		return false;
	return command_page(c, "page_size", SIZE_ALL, &sc->page, &sc->size);
}

void tenants_list(struct command_call *c)
{
	struct show_call *sc = call_new(c);
	if (!sc || !take_page(sc))
		return;
	sc->v = arena_array(c->mem, sc->size, sizeof *sc->v);
	if (sc->v)
		command_read(sc, list_job, on_list);
	else
		command_fail_store(c, -ENOMEM);
}
