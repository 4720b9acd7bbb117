/* SPDX-License-Identifier: MIT
 * keys_list.c - lists of keys in pages: filtered, sorted, with their users; and of what is left of
 * deleted ones.
 *
 * What a caller reaches is one condition of the query, and all that it asks for stands beside it
 * with AND: no argument shows more than that, but include_team_keys, which has a condition of its
 * own about the same caller. A sort that has no index keeps ids alone: a page of any list is one
 * reading of the table and no more memory than 20 bytes a key. */
#include <errno.h>

#include "common/clock.h"
#include "master/command_job.h"
#include "master/keys_private.h"
#include "master/list_sort.h"
#include "master/master.h"
#include "master/roles.h"
#include "master/tenants.h"
#include "master/users_more.h"

enum { PAGE_SIZE = 10, PAGE_SIZE_MAX = 100, SQL_ROOM = 8192 };

enum param {				/* ?1, ?2 ... of every query here */
	OWN = 1, NOW, HASH, ALIAS, USER, TEAM, ORGANIZATION, PARAMS
};
struct list_call {
	struct command_call *c;
	struct keys *keys;
	struct str texts[PARAMS];	/* what is bound; .p NULL: not asked for */
	struct sha256 hash;
	int64_t now_ns;
	const struct key_status *status;	/* NULL: whatever it is */
	char order[LIST_SORT_ROOM];
	bool has_hash, is_full, is_by_spend, with_users, with_created, with_teams;
	uint64_t page, size, total;
	struct key_row *rows;
	struct listed_user {
		struct key_row row;
		bool is_found, is_brief;	/* the caller sees who it is, and no more */
	} *users;			/* beside rows */
	size_t n_rows;
};

/* ---- the query ---- */

static const struct key_status {
	const char *name, *condition;	/* NULL: they are in the other table */
} statuses[] = {
	{ "active", " AND NOT blocked AND coalesce(expires > ?2, 1)" },
	{ "expired", " AND expires <= ?2" },
	{ "revoked", " AND blocked" },
	{ "blocked", " AND blocked" },	/* the same, as rows call it */
	{ "deleted", NULL },
};

static const struct list_sort sorts[] = {
	{ "spend", "spend" }, { "max_budget", "max_budget" }, { "created_at", "created_at" },
	{ "updated_at", "updated_at" }, { "token", "token_hash" }, { "key_alias", "alias" },
	{ NULL, NULL },
};

/* What is kept of deleted keys, under the names of living ones. */
#define DELETED                                                                                   \
	"(SELECT id, token_hash, key_name, alias, user_id, team_id, organization_id,"             \
	" '[]' AS models, '{}' AS aliases, '{}' AS metadata, '{}' AS permissions, '{}' AS extra," \
	" NULL AS max_budget, NULL AS soft_budget, spend, 0 AS spend_since,"                      \
	" NULL AS budget_duration, NULL AS budget_reset_at, NULL AS rpm_limit,"                   \
	" NULL AS tpm_limit, NULL AS max_parallel_requests, 0 AS blocked, NULL AS expires,"       \
	" created_at, NULL AS created_by, deleted_at AS updated_at, deleted_by AS updated_by,"    \
	" NULL AS last_used, NULL AS budget_id FROM keys_deleted)"

/* The caller's own keys, and those of organizations that it administers. */
#define REACHED                                                                                   \
	"user_id = ?1 OR organization_id IN (" ROLE_ADMINISTERED("?1") ")"                        \
	" OR (organization_id IS NULL AND team_id IN (SELECT t.team_id FROM teams t"              \
	" WHERE t.organization_id IN (" ROLE_ADMINISTERED("?1") ")))"
/* Those of teams that it is an admin of. */
#define OF_TEAMS                                                                                  \
	"team_id IN (SELECT t.team_id FROM team_members a JOIN teams t ON t.id = a.team"          \
	" WHERE a.user_id = ?1 AND a.role = 'admin')"
/* By any key of the user's, or in its name. */
#define CREATED                                                                                   \
	"created_by = ?5 OR created_by IN (SELECT lower(hex(token_hash)) FROM keys"               \
	" WHERE user_id = ?5 UNION ALL SELECT lower(hex(token_hash)) FROM keys_deleted"           \
	" WHERE user_id = ?5)"

static void put_user_filter(const struct list_call *lc, struct buf *to)
{
	const struct str *own = &lc->texts[OWN], *user = &lc->texts[USER];
	if (!user->p)
		return;
	buf_put_z(to, " AND (user_id = ?5");
	if (lc->with_created)
		buf_put_z(to, " OR " CREATED);
	if (lc->with_teams && own->n && str_eq(*own, *user))
		buf_put_z(to, " OR " OF_TEAMS);
	buf_put_z(to, ")");
}

static bool is_asked(const struct list_call *lc)
{
	for (int i = ALIAS; i < PARAMS; i++)
		if (lc->texts[i].p)
			return true;
	return false;
}

/* " FROM ... WHERE ...": the words are our own, values are bound. */
static void put_from(const struct list_call *lc, struct buf *to)
{
	bool is_deleted = lc->status && !lc->status->condition;
	buf_printf(to, " FROM %s WHERE 1", is_deleted ? DELETED : "keys");
	if (lc->texts[OWN].n)
		buf_printf(to, " AND (" REACHED "%s)", lc->with_teams ? " OR " OF_TEAMS : "");
	put_user_filter(lc, to);
	if (lc->status && lc->status->condition)
		buf_put_z(to, lc->status->condition);
	if (lc->has_hash)
		buf_put_z(to, " AND token_hash = ?3");
	if (lc->texts[ALIAS].p)
		buf_put_z(to, " AND alias = ?4");
	if (lc->texts[TEAM].p)
		buf_put_z(to, " AND team_id = ?6");
	if (lc->texts[ORGANIZATION].p)
		buf_put_z(to, " AND organization_id = ?7");
	if (lc->texts[OWN].n || lc->status || lc->has_hash || is_asked(lc))
		buf_put_z(to, " AND ?7 IS ?7");
}

/* Ends text. ?7 stands in every query that has a condition, for a parameter behind the last one
 * cannot be bound; one without is counted from an index, and has none. */
static struct sql *prepare(const struct list_call *lc, struct store_db *db, struct buf *text)
{
	bool is_bound = str_find_char(buf_str(text), '?') != SIZE_MAX;
	struct sql *q = sql_buffer(db, text);
	if (!is_bound)
		return q;
	sql_text(q, OWN, lc->texts[OWN]);
	sql_int(q, NOW, lc->now_ns);
	sql_blob(q, HASH, lc->hash.b, sizeof lc->hash.b);
	for (int i = ALIAS; i < PARAMS; i++)
		sql_text(q, i, lc->texts[i]);
	return q;
}

static int count_rows(struct list_call *lc, struct store_db *db)
{
	struct buf text;
	buf_init(&text, SQL_ROOM);
	buf_put_z(&text, "SELECT count(*)");
	put_from(lc, &text);
	struct sql *q = prepare(lc, db, &text);
	int r = sql_row(q);
	if (r > 0)
		lc->total = (uint64_t)sql_get_int(q, 0);
	sql_end(q);
	return r < 0 ? r : 0;
}

static struct sql *select_page(struct list_call *lc, struct store_db *db)
{
	bool is_deleted = lc->status && !lc->status->condition;
	struct buf text;
	buf_init(&text, SQL_ROOM);
	buf_printf(&text, "SELECT " KEY_COLUMNS ", ?7 FROM %s WHERE id IN (SELECT id",
		   is_deleted ? DELETED : "keys");
	put_from(lc, &text);
	buf_printf(&text, " ORDER BY %s LIMIT %llu OFFSET %llu) ORDER BY %s", lc->order,
		   (unsigned long long)lc->size,
		   (unsigned long long)((lc->page - 1) * lc->size), lc->order);
	return prepare(lc, db, &text);
}

/* ---- their users ---- */

/* Whether the caller may see who that is, and what is kept of it. */
static int check_user(struct list_call *lc, struct store_db *db, struct str user_id,
		      struct listed_user *u)
{
	int err = role_check_user(lc->c, db, user_id);
	u->is_brief = err == -ENOENT;
	return u->is_brief ? users_check_teams(lc->c, db, user_id) : err;
}

static int read_user(struct list_call *lc, struct store_db *db, size_t at)
{
	struct str user_id = lc->rows[at].user_id;
	struct listed_user *u = &lc->users[at];
	if (!user_id.n)
		return 0;
	for (size_t i = 0; i < at; i++)
		if (str_eq(lc->rows[i].user_id, user_id)) {
			*u = lc->users[i];
			return 0;
		}
	int err = check_user(lc, db, user_id, u);
	if (!err)
		err = tenant_row_find(db, tenant_number(DIR_USER), 0, user_id, lc->c->mem,
				      &u->row);
	u->is_found = !err;
	return err == -ENOENT ? 0 : err;
}

static void put_user(const struct list_call *lc, struct json_out *o, const struct listed_user *u)
{
	static const struct tenant_kind users = { .dir = DIR_USER, .id = "user_id",
						  .alias = "user_alias" };
	if (!u->is_found) {
		json_put_null(o, "user");
		return;
	}
	json_open(o, "user");
	if (u->is_brief) {
		json_put_str(o, "user_id", u->row.key_name);
		json_put_str(o, "user_alias", u->row.alias);
		json_put_str(o, "user_email", u->row.email);
		json_put_str(o, "user_role", u->row.role);
	} else {
		tenant_put(o, &users, &u->row, tenant_spend(lc->keys, DIR_USER, &u->row));
	}
	json_close(o);
}

/* ---- the page ---- */

static int list_job(struct store_db *db, void *data)
{
	struct list_call *lc = data;
	int r = count_rows(lc, db);
	lc->rows = arena_array(lc->c->mem, lc->size, sizeof *lc->rows);
	lc->users = arena_array(lc->c->mem, lc->size, sizeof *lc->users);
	if (r || !lc->rows || !lc->users)
		return r ? r : -ENOMEM;
	struct sql *q = select_page(lc, db);
	while ((r = sql_row(q)) > 0 && lc->n_rows < lc->size) {
		r = key_row_read(q, lc->c->mem, &lc->rows[lc->n_rows]);
		if (r)
			break;
		lc->n_rows++;
	}
	sql_end(q);
	for (size_t i = 0; lc->with_users && r >= 0 && i < lc->n_rows; i++)
		r = read_user(lc, db, i);
	return r < 0 ? r : 0;
}

static void put_row(const struct list_call *lc, struct json_out *o, size_t at)
{
	const struct key_row *row = &lc->rows[at];
	bool is_deleted = lc->status && !lc->status->condition;
	json_open(o, NULL);
	key_put(o, row, is_deleted ? row->spend : keys_spend_of(lc->keys, row), true);
	if (is_deleted) {
		json_put_time(o, "deleted_at", row->updated_at);
		json_put_str(o, "deleted_by", row->updated_by);
	}
	if (lc->with_users)
		put_user(lc, o, &lc->users[at]);
	json_close(o);
}

static void put_rows(const struct list_call *lc, struct json_out *o, const char *name)
{
	json_open_array(o, name);
	for (size_t i = 0; i < lc->n_rows; i++)
		if (lc->is_full)
			put_row(lc, o, i);
		else
			json_put_str(o, NULL, key_hash_hex(lc->c->mem, &lc->rows[i].hash));
	json_close_array(o);
}

static void on_list(void *data, int err)
{
	struct list_call *lc = data;
	struct command_call *c = lc->c;
	struct json_out o = json_out(&c->out);
	if (err) {
		command_fail_store(c, err);
		return;
	}
	if (lc->is_by_spend) {
		put_rows(lc, &o, NULL);
		command_finish(c);
		return;
	}
	json_open(&o, NULL);
	put_rows(lc, &o, "keys");
	json_put_u64(&o, "total_count", lc->total);
	json_put_u64(&o, "current_page", lc->page);
	json_put_u64(&o, "total_pages", (lc->total + lc->size - 1) / lc->size);
	json_close(&o);
	command_finish(c);
}

/* ---- arguments; false: answered ---- */

static bool take_filters(struct list_call *lc)
{
	static const char *const names[PARAMS] = {
		[ALIAS] = "key_alias", [USER] = "user_id", [TEAM] = "team_id",
		[ORGANIZATION] = "organization_id",
	};
	struct str hash;
	for (int i = ALIAS; i < PARAMS; i++)
		if (command_str(lc->c, names[i], &lc->texts[i]) == -EINVAL)
			return false;
	int err = command_str(lc->c, "key_hash", &hash);
	if (!err) {
		struct key_ref ref = key_ref_of(hash);
		lc->has_hash = true;
		lc->hash = ref.hash;	/* zeroes match nothing, as they should */
	}
	return err != -EINVAL &&
	       command_bool(lc->c, "include_team_keys", &lc->with_teams) != -EINVAL &&
	       command_bool(lc->c, "include_created_by_keys", &lc->with_created) != -EINVAL;
}

static bool take_status(struct list_call *lc)
{
	struct str name;
	int err = command_str(lc->c, "status", &name);
	if (err || !name.n)
		return err != -EINVAL;
	for (size_t i = 0; i < COUNT(statuses); i++)
		if (str_eq_z(name, statuses[i].name))
			lc->status = &statuses[i];
	if (lc->status)
		return true;
	command_fail(lc->c, 400, "invalid_request_error", "status",
		     "status is active, expired, revoked or deleted");
	return false;
}

/* expand=user; other things to be shown, which there are not, are left out. */
static bool take_expand(struct list_call *lc)
{
	struct str list = STR_NONE;
	if (command_str(lc->c, "expand", &list) == -EINVAL)
		return false;
	while (list.n)
		if (str_eq(str_trim(str_cut(&list, ',')), STR("user")))
			lc->with_users = lc->is_full = true;
	return true;
}

static bool take_page(struct list_call *lc)
{
	struct command_call *c = lc->c;
	lc->page = 1;
	/* a person at a terminal wants rows, and a screenful of them */
	lc->size = c->kind == CALLER_SOCKET ? PAGE_SIZE_MAX : PAGE_SIZE;
	lc->is_full = c->kind == CALLER_SOCKET;
	if (command_bool(c, "return_full_object", &lc->is_full) == -EINVAL)
		return false;
	return command_page(c, "size", PAGE_SIZE_MAX, &lc->page, &lc->size);
}

static struct list_call *list_new(struct command_call *c)
{
	struct list_call *lc = command_state(c, sizeof *lc);
	if (!lc)
		return NULL;
	lc->keys = c->master->keys;
	lc->now_ns = (int64_t)clock_wall_ns();
	lc->texts[OWN] = c->own_user;
	return lc;
}

void keys_list(struct command_call *c)
{
	struct list_call *lc = list_new(c);
	if (lc && take_page(lc) && take_filters(lc) && take_status(lc) && take_expand(lc) &&
	    list_sort_take(c, sorts, LIST_DOWN, lc->order))
		command_read(lc, list_job, on_list);
}

void keys_by_spend(struct command_call *c)
{
	static const char by_spend[] = "spend DESC, id DESC";
	struct list_call *lc = list_new(c);
	if (!lc)
		return;
	lc->page = 1;
	lc->size = PAGE_SIZE_MAX;
	lc->is_full = lc->is_by_spend = true;
	memcpy(lc->order, by_spend, sizeof by_spend);
	if (command_u64(c, "limit", &lc->size) == -EINVAL)
		return;
	if (lc->size < 1 || lc->size > PAGE_SIZE_MAX)
		lc->size = PAGE_SIZE_MAX;
	command_read(lc, list_job, on_list);
}
