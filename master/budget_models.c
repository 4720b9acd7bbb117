/* SPDX-License-Identifier: MIT
 * budget_models.c - see budget_models.h. */
#include "master/budget_models.h"

#include <errno.h>

#include "master/tenants.h"

#define LENT(extra, budget)                                                                       \
	"CASE WHEN json_type(" budget ", '$.model_max_budget') = 'object'"                        \
	" THEN json_set(" extra ", '$." KEY_MODELS_LENT "',"                                      \
	" json(json_extract(" budget ", '$.model_max_budget')))"                                  \
	" ELSE json_remove(" extra ", '$." KEY_MODELS_LENT "') END"

static bool has_models(struct str extra)
{
	return str_find(extra, STR("\"model_max_budget\"")) != SIZE_MAX;
}

bool budget_models_differ(struct str before, struct str after)
{
	return (has_models(before) || has_models(after)) && !str_eq(before, after);
}

int budget_models_lend(struct store_db *db, struct arena *a, struct str budget_extra,
		       struct key_row *row)
{
	bool failed = false;
	if (!has_models(budget_extra) && str_find(row->extra, STR(KEY_MODELS_LENT)) == SIZE_MAX)
		return 0;
	struct sql *q = sql_query(db, "SELECT " LENT("?1", "?2"));
	sql_text(q, 1, row->extra);
	sql_text(q, 2, budget_extra);
	int r = sql_row(q);
	if (r > 0)
		row->extra = key_row_text(q, 0, a, &failed);
	sql_end(q);
	return failed ? -ENOMEM : r < 0 ? r : 0;
}

static int update_all(struct store_db *db, struct str budget_id, struct str budget_extra)
{
	static const char *const texts[] = {
		"UPDATE keys SET extra = " LENT("extra", "?2") " WHERE budget_id = ?1",
		"UPDATE teams SET extra = " LENT("extra", "?2") " WHERE budget_id = ?1",
		"UPDATE tenants SET extra = " LENT("extra", "?2") " WHERE budget_id = ?1"
		" AND kind IN (4, 6, 7)",
	};
	int err = 0;
	for (size_t i = 0; i < COUNT(texts) && !err; i++) {
		struct sql *q = sql_query(db, texts[i]);
		sql_text(q, 1, budget_id);
		sql_text(q, 2, budget_extra);
		err = sql_run(q);
	}
	return err;
}

static int read_rows(struct sql *q, struct arena *a, struct str budget_id, enum dir_kind kind,
		     struct budget_lent *lent)
{
	int r;
	sql_text(q, 1, budget_id);
	while ((r = sql_row(q)) > 0) {
		struct lent_row *l = &lent->v[lent->n];
		if (lent->n == BUDGET_LENT_MAX) {
			r = -E2BIG;
			break;
		}
		l->kind = kind;
		r = kind == DIR_KINDS ? tenant_row_read(q, a, &l->row)
				      : key_row_read(q, a, &l->row);
		if (r)
			break;
		if (kind == DIR_KINDS)
			l->kind = (enum dir_kind)(sql_get_int(q, TENANT_KIND) - 1);
		lent->n++;
	}
	sql_end(q);
	return r;
}

static int read_all(struct store_db *db, struct arena *a, struct str budget_id,
		    struct budget_lent *lent)
{
	int err = read_rows(sql_query(db, "SELECT " KEY_COLUMNS " FROM keys WHERE budget_id = ?"), a,
			    budget_id, DIR_KEY, lent);
	if (!err)
		err = read_rows(sql_query(db, "SELECT " TEAM_COLUMNS
					      " FROM teams WHERE budget_id = ?"),
				a, budget_id, DIR_TEAM, lent);
	if (!err)
		err = read_rows(sql_query(db, "SELECT " TENANT_COLUMNS
					      " FROM tenants WHERE budget_id = ? AND kind IN (4, 6, 7)"),
				a, budget_id, DIR_KINDS, lent);
	return err;
}

int budget_models_relend(struct store_db *db, struct arena *a, struct str budget_id,
			 struct str budget_extra, struct budget_lent *ret)
{
	struct budget_lent lent = { arena_array(a, BUDGET_LENT_MAX, sizeof *lent.v), 0 };
	int err = lent.v ? update_all(db, budget_id, budget_extra) : -ENOMEM;
	if (!err)
		err = read_all(db, a, budget_id, &lent);
	for (size_t i = 0; i < lent.n && !err; i++)
		err = key_models_store(db, lent.v[i].kind, &lent.v[i].row);
	if (!err)
		*ret = lent;
	return err;
}

int budget_models_publish(struct keys *k, const struct budget_lent *lent)
{
	int err = 0;
	for (size_t i = 0; i < lent->n && !err; i++) {
		const struct lent_row *l = &lent->v[i];
		if (l->kind == DIR_KEY)
			err = keys_publish(k, &l->row, &l->row.hash);
		else if (l->kind == DIR_TEAM)
			err = teams_publish(k, &l->row);
		else
			err = tenants_publish(k, l->kind, &l->row);
	}
	return err;
}
