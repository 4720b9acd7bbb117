/* SPDX-License-Identifier: MIT
 * teams_row.c - teams and their members between the database and memory.
 *
 * A team's row has the form of a key's, so that one reader and one binding serve both. */
#include <errno.h>

#include "master/keys_private.h"

enum { MEMBERS = 29, MEMBERSHIPS = 30 };	/* columns of TEAM_COLUMNS_SHOWN */

int team_row_read(struct sql *q, struct arena *a, struct team_row *ret)
{
	struct team_row row;
	bool failed = false;
	int err = key_row_read(q, a, &row.r);
	if (err)
		return err;
	row.members = key_row_text(q, MEMBERS, a, &failed);
	row.memberships = key_row_text(q, MEMBERSHIPS, a, &failed);
	if (failed)
		return -ENOMEM;
	*ret = row;
	return 0;
}

int team_row_find(struct store_db *db, struct str team_id, struct arena *a, struct team_row *ret)
{
	struct sql *q = sql_query(db,
		"SELECT " TEAM_COLUMNS_SHOWN " FROM teams t WHERE team_id = ?");
	sql_text(q, 1, team_id);
	int r = sql_row(q);
	if (r > 0)
		r = team_row_read(q, a, ret);
	else if (r == 0)
		r = -ENOENT;
	sql_end(q);
	return r;
}

int team_row_find_named(struct store_db *db, const struct command_call *c, struct str *team_id,
			struct team_row *ret)
{
	bool failed = false;
	int err = team_row_find(db, *team_id, c->mem, ret);
	if (err != -ENOENT || c->kind != CALLER_SOCKET)
		return err;
	struct sql *q = sql_query(db, "SELECT min(team_id) FROM teams WHERE alias = ?"
				      " HAVING count(*) = 1");
	sql_text(q, 1, *team_id);
	int r = sql_row(q);
	struct str named = r > 0 ? key_row_text(q, 0, c->mem, &failed) : STR_NONE;
	sql_end(q);
	if (failed || r <= 0)
		return failed ? -ENOMEM : r < 0 ? r : -ENOENT;
	err = team_row_find(db, named, c->mem, ret);
	if (!err)
		*team_id = named;
	return err;
}

int team_row_insert(struct store_db *db, struct key_row *row)
{
	struct sql *q = sql_query(db,
		"INSERT INTO teams (id, alias, team_id, organization_id, models, aliases, metadata,"
		" extra, max_budget, soft_budget, spend, spend_since, budget_duration,"
		" budget_reset_at, rpm_limit, tpm_limit, max_parallel_requests, blocked,"
		" created_at, created_by, updated_at, updated_by, last_used, budget_id) VALUES "
		"(?1,?4,?6,?7,?8,?9,?10,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?24,?25,?26,"
		"?27,?28,?29)");
	sql_null(q, 1);
	key_row_bind(q, row);
	int err = sql_run(q);
	if (err)
		return err;
	row->id = (uint64_t)sql_last_id(db);
	return key_model_has(DIR_TEAM, row) ? key_models_store(db, DIR_TEAM, row) : 0;
}

int team_row_update(struct store_db *db, const struct key_row *row)
{
	struct sql *q = sql_query(db,
		"UPDATE teams SET (alias, organization_id, models, aliases, metadata, extra,"
		" max_budget, soft_budget, spend, spend_since, budget_duration, budget_reset_at,"
		" rpm_limit, tpm_limit, max_parallel_requests, blocked, created_at, created_by,"
		" updated_at, updated_by, last_used, budget_id) = (?4,?7,?8,?9,?10,?12,?13,?14,?15,?16,?17,"
		"?18,?19,?20,?21,?22,?24,?25,?26,?27,?28,?29) WHERE id = ?1");
	sql_int(q, 1, (int64_t)row->id);
	key_row_bind(q, row);
	int err = sql_run(q);
	return err ? err : key_models_store(db, DIR_TEAM, row);
}

int team_row_delete(struct store_db *db, uint64_t id)
{
	struct sql *q = sql_query(db, "DELETE FROM teams WHERE id = ?");
	sql_int(q, 1, (int64_t)id);
	return sql_run(q);
}

/* ---- members ---- */

int team_member_insert(struct store_db *db, uint64_t team, const struct team_member *m)
{
	struct sql *q = sql_query(db,
		"INSERT INTO team_members (team, user_id, user_email, role, max_budget) "
		"VALUES (?,?,?,?,?)");
	sql_int(q, 1, (int64_t)team);
	sql_text(q, 2, m->user_id);
	sql_text(q, 3, m->user_email);
	sql_text(q, 4, m->role);
	sql_int_or_null(q, 5, m->max_budget, m->max_budget >= 0);
	return sql_run(q);
}

int team_member_delete(struct store_db *db, uint64_t team, struct team_member *m, struct arena *a)
{
	bool failed = false;
	struct sql *q = sql_query(db,
		"SELECT number, user_id, user_email FROM team_members WHERE team = ?1"
		" AND CASE WHEN ?2 IS NULL THEN user_email = ?3 ELSE user_id = ?2 END");
	sql_int(q, 1, (int64_t)team);
	sql_text(q, 2, m->user_id.n ? m->user_id : STR_NONE);
	sql_text(q, 3, m->user_email);
	int r = sql_row(q);
	int64_t number = sql_get_int(q, 0);
	if (r > 0) {
		m->user_id = key_row_text(q, 1, a, &failed);
		m->user_email = key_row_text(q, 2, a, &failed);
	}
	sql_end(q);
	if (r <= 0 || failed)
		return failed ? -ENOMEM : r < 0 ? r : -ENOENT;
	q = sql_query(db, "DELETE FROM team_members WHERE number = ?");
	sql_int(q, 1, number);
	return sql_run(q);
}

/* ---- keys that go with a team or a member ---- */

/* ?1 is the team; ?2 a user, or NULL for all. Without a team, those of the user anywhere. */
#define OF_TEAM " WHERE team_id = ?1 AND (?2 IS NULL OR user_id = ?2)"
#define OF_USER " WHERE ?1 IS NULL AND user_id = ?2"

static void bind_whose(struct sql *q, struct str team_id, struct str user_id)
{
	sql_text(q, 1, team_id.n ? team_id : STR_NONE);
	sql_text(q, 2, user_id.n ? user_id : STR_NONE);
}

static int count_keys(struct store_db *db, struct str team_id, struct str user_id, size_t *ret)
{
	struct sql *q = team_id.n ? sql_query(db, "SELECT count(*) FROM keys" OF_TEAM) :
				    sql_query(db, "SELECT count(*) FROM keys" OF_USER);
	bind_whose(q, team_id, user_id);
	int r = sql_row(q);
	*ret = r > 0 ? (size_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	return r < 0 ? r : 0;
}

int team_keys_delete(struct store_db *db, struct str team_id, struct str user_id, struct arena *a,
		     uint64_t now_ns, struct str by, struct key_row **ret, size_t *ret_n)
{
	size_t n = 0, room;
	int r = count_keys(db, team_id, user_id, &room);
	struct key_row *v = r ? NULL : arena_array(a, room + 1, sizeof *v);
	if (!v)
		return r ? r : -ENOMEM;
	struct sql *q = team_id.n ? sql_query(db, "SELECT id, token_hash FROM keys" OF_TEAM) :
				    sql_query(db, "SELECT id, token_hash FROM keys" OF_USER);
	bind_whose(q, team_id, user_id);
	while ((r = sql_row(q)) > 0 && n < room) {
		v[n].id = (uint64_t)sql_get_int(q, 0);
		if (!sql_get_sha256(q, 1, &v[n++].hash)) {
			r = -EIO;
			break;
		}
	}
	sql_end(q);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = key_row_delete(db, &v[i], now_ns, by);
	if (r < 0)
		return r;
	*ret = v;
	*ret_n = n;
	return 0;
}
