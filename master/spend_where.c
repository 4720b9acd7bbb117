/* SPDX-License-Identifier: MIT
 * spend_where.c - conditions of reports: text that is ours, values that are bound. */
#include <stdarg.h>
#include <stdio.h>

#include "master/master.h"
#include "master/spend_private.h"

static void put(struct spend_where *w, const char *fmt, ...) PRINTF(2, 3);
static void put(struct spend_where *w, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(w->sql + w->n_sql, sizeof w->sql - w->n_sql, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof w->sql - w->n_sql)
		w->failed = true;
	else
		w->n_sql += (size_t)n;
}

void spend_where_init(struct spend_where *w, const char *sql)
{
	w->n_sql = 0;
	w->n = 0;
	w->failed = false;
	put(w, "%s", sql);
}

void spend_where_z(struct spend_where *w, const char *sql)
{
	put(w, "%s", sql);
}

static void put_value(struct spend_where *w, struct spend_value v)
{
	if (w->n == SPEND_VALUES) {
		w->failed = true;
		return;
	}
	w->v[w->n] = v;
	put(w, "?%d", ++w->n);
}

void spend_where_int(struct spend_where *w, const char *condition, int64_t v)
{
	put(w, " AND %s ", condition);
	put_value(w, (struct spend_value){ .kind = SPEND_INT, .i = v });
}

void spend_where_str(struct spend_where *w, const char *condition, struct str s)
{
	put(w, " AND %s ", condition);
	put_value(w, (struct spend_value){ .kind = SPEND_STR, .s = s });
}

void spend_where_blob(struct spend_where *w, const char *condition, struct str s)
{
	put(w, " AND %s ", condition);
	put_value(w, (struct spend_value){ .kind = SPEND_BLOB, .s = s });
}

void spend_where_again(struct spend_where *w, const char *condition)
{
	put(w, " %s ?%d", condition, w->n);
}

void spend_where_list(struct spend_where *w, const char *column, struct str list)
{
	bool is_first = true;
	put(w, " AND %s IN (", column);
	while (list.n) {
		struct str one = str_trim(str_cut(&list, ','));
		if (!one.n)
			continue;
		if (!is_first)
			put(w, ",");
		put_value(w, (struct spend_value){ .kind = SPEND_STR, .s = one });
		is_first = false;
	}
	put(w, ")");
}

void spend_where_key(struct spend_where *w, struct command_call *c, const char *column,
		     struct str key)
{
	struct sha256 *hash = arena_alloc(c->mem, sizeof *hash);
	if (!hash) {
		w->failed = true;
		return;
	}
	if (hash_unhex(hash->b, sizeof hash->b, key) != 0)
		*hash = hash_sha256(key);
	if (keys_is_master(c->master->keys, hash) || str_eq_z(key, "litellm_proxy_master_key")) {
		put(w, " AND %s = 0", column);
		return;
	}
	put(w, " AND %s IN (SELECT id FROM keys WHERE token_hash = ", column);
	put_value(w, (struct spend_value){ .kind = SPEND_BLOB,
			.s = str_of((const char *)hash->b, sizeof hash->b) });
	put(w, " UNION ALL SELECT id FROM keys_deleted WHERE token_hash = ?%d)", w->n);
}

bool spend_where_is_whole(const struct spend_where *w, struct command_call *c)
{
	if (!w->failed)
		return true;
	command_fail(c, 400, "invalid_request_error", NULL, "too many filters: at most %d values",
		     SPEND_VALUES);
	return false;
}

struct sql *spend_where_query(struct spend_where *w, struct store_db *db, const char *tail)
{
	size_t n = w->n_sql;
	put(w, "%s", tail);
	struct sql *q = sql_dynamic(db, w->failed ? "" : w->sql);
	for (int i = 0; i < w->n; i++) {
		const struct spend_value *v = &w->v[i];
		if (v->kind == SPEND_INT)
			sql_int(q, i + 1, v->i);
		else if (v->kind == SPEND_STR)
			sql_text(q, i + 1, v->s);
		else
			sql_blob(q, i + 1, v->s.p, v->s.n);
	}
	w->n_sql = n;			/* the conditions serve again */
	w->sql[n] = '\0';
	return q;
}

void spend_where_count(struct spend_where *w, const char *select)
{
	const char *from = strstr(w->sql, " FROM spend_");
	size_t n = strlen(select), rest = from ? w->n_sql - (size_t)(from - w->sql) : 0;
	if (!from || w->failed || n + rest >= sizeof w->sql) {
		w->failed = true;
		return;
	}
	memmove(w->sql + n, from, rest + 1);
	memcpy(w->sql, select, n);
	w->n_sql = n + rest;
}
