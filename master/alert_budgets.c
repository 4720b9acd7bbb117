/* SPDX-License-Identifier: MIT
 * alert_budgets.c - budgets that are spent, nearly spent, above their soft budget, or will be spent
 * before their period is over.
 *
 * The database says so: it is asked when spend has been booked since the last time, at most every
 * ten seconds, and less often where the question takes long. That a request was refused for want
 * of budget is told at once. */
#include <stdio.h>

#include "common/clock.h"
#include "common/directory.h"
#include "common/mem.h"
#include "master/alerts_private.h"
#include "master/store.h"
#include "master/store_sql.h"

enum { LOOK_NS_FACTOR = 20, FOUND = 256 /* of one table in one look */, TABLES = 3 };
#define LOOK_NS (10 * NS_PER_S)

enum event { CROSSED, THRESHOLD_95, THRESHOLD_85, SOFT, PROJECTED, EVENTS };
static const struct {
	const char *name, *what;
} events[EVENTS] = {
	[CROSSED] = { "budget_crossed", "Budget crossed" },
	[THRESHOLD_95] = { "threshold_crossed", "5 % or less of the budget is left" },
	[THRESHOLD_85] = { "threshold_crossed", "15 % or less of the budget is left" },
	[SOFT] = { "soft_budget_crossed", "Soft budget crossed" },
	[PROJECTED] = { "projected_limit_exceeded",
			"At this rate the budget is spent before its period is over" },
};

struct found {
	uint64_t entity;		/* as dir_entity_id() */
	uint64_t since_ns, reset_ns;	/* its period; 0: none */
	struct alert_owner w;
};
struct alert_budgets {
	struct alerts *a;
	uint64_t begun_ns, wall_ns;
	int64_t after[TABLES];
	size_t n;
	struct found v[TABLES * FOUND];
};

/* ---- what it says ---- */

static void put_dollars(char out[32], int64_t nano)
{
	snprintf(out, 32, "$%.4f", nano >= 0 ? (double)nano / 1e9 : 0.0);
}

/* What it is called; of a key without an alias the first digits of its hash, which find it. */
static void put_name(char out[ALERT_NAME], const struct alert_owner *w)
{
	if (strcmp(w->group, "key") == 0 && !w->key_alias[0])
		snprintf(out, ALERT_NAME, "%.16s", w->token);
	else if (strcmp(w->group, "key") == 0)
		snprintf(out, ALERT_NAME, "%s", w->key_alias);
	else if (strcmp(w->group, "team") == 0)
		snprintf(out, ALERT_NAME, "%s", w->team_alias[0] ? w->team_alias : w->team_id);
	else if (strcmp(w->group, "organization") == 0)
		snprintf(out, ALERT_NAME, "%s", w->organization_id);
	else
		snprintf(out, ALERT_NAME, "%s", w->customer_id[0] ? w->customer_id : w->user_id);
}

static void tell(struct alerts *a, enum event e, uint64_t entity, const struct alert_owner *w)
{
	struct alert_message m;
	char spend[32], most[32], name[ALERT_NAME];
	alert_begin(&m, ALERT_budget_alerts);
	m.owner = *w;
	snprintf(m.owner.event, sizeof m.owner.event, "%s", events[e].name);
	m.level = e == CROSSED || e == THRESHOLD_95 ? ALERT_HIGH : ALERT_MEDIUM;
	put_dollars(spend, w->spend);
	put_dollars(most, e == SOFT ? w->soft_budget : w->max_budget);
	put_name(name, w);
	alert_say(&m, "%s: %s of %s\n%s: %s%s%s", events[e].what, spend, most, w->group, name,
		  w->team_id[0] ? "\nTeam: " : "", w->team_id);
	alert_tell(a, &m, entity * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)e);
}

/* When all of it is spent, if it goes on like that. */
static void project(struct found *f, uint64_t wall_ns)
{
	double gone = (double)(wall_ns - f->since_ns), all = (double)(f->reset_ns - f->since_ns);
	double spend = (double)f->w.spend;
	f->w.projected = (int64_t)(spend * all / gone);
	f->w.projected_ns =
		f->since_ns + (uint64_t)((double)f->w.max_budget / spend * gone);
}

static bool will_exceed(struct found *f, uint64_t wall_ns)
{
	if (!f->reset_ns || wall_ns <= f->since_ns || f->reset_ns <= wall_ns || f->w.spend <= 0)
		return false;
	if ((wall_ns - f->since_ns) < (f->reset_ns - f->since_ns) / 10)
		return false;		/* too early to say */
	project(f, wall_ns);
	if (f->w.projected > f->w.max_budget)
		return true;
	f->w.projected = -1;
	f->w.projected_ns = 0;
	return false;
}

static void judge(struct alerts *a, struct found *f, uint64_t wall_ns)
{
	const struct alert_owner *w = &f->w;
	if (w->soft_budget >= 0 && w->spend >= w->soft_budget)
		tell(a, SOFT, f->entity, w);
	if (w->max_budget <= 0)
		return;
	int64_t left = w->max_budget - w->spend;
	if (left <= 0)
		tell(a, CROSSED, f->entity, w);
	else if (left <= w->max_budget / 20)
		tell(a, THRESHOLD_95, f->entity, w);
	else if (left <= w->max_budget / 20 * 3)
		tell(a, THRESHOLD_85, f->entity, w);
	else if (will_exceed(f, wall_ns))
		tell(a, PROJECTED, f->entity, w);
}

/* ---- the question ---- */

/* ?1 the last id of the look before, ?2 the wall clock, ?3 most rows. Columns from the sixth on
 * are each table's own. */
#define QUESTION(from, columns, owner)                                                            \
	"SELECT t.id, t.spend, coalesce(t.max_budget, b.max_budget), "                            \
	"coalesce(t.soft_budget, b.soft_budget), t.spend_since, t.budget_reset_at, "              \
	columns " FROM " from " t LEFT JOIN tenants b ON b.kind = 8 AND b.owner = 0 "             \
	"AND b.name = t.budget_id " owner                                                         \
	" WHERE t.id > ?1 AND t.spend > 0 AND ("                                                  \
	"t.spend >= coalesce(t.soft_budget, b.soft_budget) "                                      \
	"OR t.spend * 20.0 >= coalesce(t.max_budget, b.max_budget) * 17.0 "                       \
	"OR (t.budget_reset_at > ?2 AND ?2 > t.spend_since AND "                                  \
	"1.0 * t.spend * (t.budget_reset_at - t.spend_since) > "                                  \
	"1.0 * coalesce(t.max_budget, b.max_budget) * (?2 - t.spend_since))) "                    \
	"ORDER BY t.id LIMIT ?3"

static const char *const questions[TABLES] = {
	QUESTION("keys",
		 "t.token_hash, t.alias, t.user_id, t.team_id, t.organization_id, u.email",
		 "LEFT JOIN tenants u ON u.kind = 3 AND u.owner = 0 AND u.name = t.user_id"),
	QUESTION("teams", "NULL, t.alias, NULL, t.team_id, t.organization_id, NULL", ""),
	QUESTION("tenants", "t.kind, t.name, t.alias, m.team_id, t.organization_id, t.email",
		 "LEFT JOIN teams m ON t.kind = 5 AND m.id = t.owner"),
};

static int64_t money_at(struct sql *q, int column)
{
	return sql_get_is_null(q, column) ? -1 : sql_get_int(q, column);
}

static void read_tenant(struct sql *q, struct found *f)
{
	static const char *const groups[] = { [3] = "user", [4] = "organization",
					      [5] = "team_member", [6] = "end_user", [7] = "tag",
					      [9] = "organization_member" };
	struct alert_owner *w = &f->w;
	int64_t kind = sql_get_int(q, 6);
	struct str name = sql_get_text(q, 7);
	if (kind < 0 || kind >= (int64_t)COUNT(groups) || !groups[kind])
		return;
	f->entity = (uint64_t)kind << 56 | (uint64_t)sql_get_int(q, 0);
	snprintf(w->group, sizeof w->group, "%s", groups[kind]);
	if (kind == 4)
		alert_name(w->organization_id, sizeof w->organization_id, name);
	else if (kind == 6)
		alert_name(w->customer_id, sizeof w->customer_id, name);
	else
		alert_name(w->user_id, sizeof w->user_id, name);
}

static void read_row(struct sql *q, size_t table, struct found *f)
{
	struct alert_owner *w = &f->w;
	struct sha256 hash;
	*f = (struct found){ .since_ns = (uint64_t)sql_get_int(q, 4),
			     .reset_ns = (uint64_t)sql_get_int(q, 5) };
	*w = (struct alert_owner){ .has_money = true, .spend = sql_get_int(q, 1),
				   .max_budget = money_at(q, 2), .soft_budget = money_at(q, 3),
				   .projected = -1 };
	f->entity = (uint64_t)(table + 1) << 56 | (uint64_t)sql_get_int(q, 0);
	if (table == 0) {
		snprintf(w->group, sizeof w->group, "key");
		if (sql_get_sha256(q, 6, &hash))
			hash_hex(w->token, hash.b, sizeof hash.b);
		alert_name(w->key_alias, sizeof w->key_alias, sql_get_text(q, 7));
		alert_name(w->user_id, sizeof w->user_id, sql_get_text(q, 8));
	} else if (table == 1) {
		snprintf(w->group, sizeof w->group, "team");
		alert_name(w->team_alias, sizeof w->team_alias, sql_get_text(q, 7));
	} else {
		read_tenant(q, f);
	}
	alert_name(w->team_id, sizeof w->team_id, sql_get_text(q, 9));
	if (!w->organization_id[0])
		alert_name(w->organization_id, sizeof w->organization_id, sql_get_text(q, 10));
	alert_name(w->user_email, sizeof w->user_email, sql_get_text(q, 11));
}

/* On the reading thread. */
static int look_job(struct store_db *db, void *data)
{
	struct alert_budgets *l = data;
	for (size_t table = 0; table < TABLES; table++) {
		struct sql *q = sql_query(db, questions[table]);
		size_t n = 0;
		int r;
		sql_int(q, 1, l->after[table]);
		sql_int(q, 2, (int64_t)l->wall_ns);
		sql_int(q, 3, FOUND);
		while ((r = sql_row(q)) == 1 && n < FOUND) {
			l->after[table] = sql_get_int(q, 0);
			read_row(q, table, &l->v[l->n]);
			l->n += l->v[l->n].w.group[0] != '\0';
			n++;
		}
		sql_end(q);
		if (r < 0)
			return r;
		if (n < FOUND)
			l->after[table] = 0;	/* to the end: from the beginning next time */
	}
	return 0;
}

static void on_looked(void *data, int err)
{
	struct alert_budgets *l = data;
	struct alerts *a = l->a;
	uint64_t now = clock_ns(), took = now - l->begun_ns;
	a->budgets = NULL;
	a->budgets_ns = now + (took * LOOK_NS_FACTOR > LOOK_NS ? took * LOOK_NS_FACTOR : LOOK_NS);
	for (size_t i = 0; i < l->n && !err && a->is_on; i++)
		judge(a, &l->v[i], l->wall_ns);
	for (size_t t = 0; t < TABLES && !err; t++)
		a->budget_after[t] = l->after[t];
	mem_free(l);
}

void alert_look_at_budgets(struct alerts *a, uint64_t now_ns)
{
	uint64_t rows = atomic_load(&a->m->board.head->ledger_rows);
	bool goes_on = a->budget_after[0] || a->budget_after[1] || a->budget_after[2];
	if (!alert_wanted(a, ALERT_budget_alerts) || a->budgets || now_ns < a->budgets_ns ||
	    (a->has_looked && rows == a->budget_rows && !goes_on))
		return;
	struct alert_budgets *l = mem_alloc(sizeof *l);
	if (!l)
		return;
	l->a = a;
	l->begun_ns = now_ns;
	l->wall_ns = clock_wall_ns();
	memcpy(l->after, a->budget_after, sizeof l->after);
	a->budget_rows = rows;
	a->has_looked = true;
	if (store_read(a->m->store, look_job, on_looked, l) == 0)
		a->budgets = l;
	else
		mem_free(l);
}

/* ---- a request that was refused ---- */

/* Its budget, or the one that it has by name; negative: none. */
static int64_t limit_of(const struct dir *d, const struct dir_key *k)
{
	struct dir_key b;
	if (k->max_budget_nano >= 0 || !k->budget_id.n)
		return k->max_budget_nano;
	return dir_find_named(d, DIR_BUDGET, k->budget_id, &b) ? b.max_budget_nano : -1;
}

struct tightest {
	struct dir_key k;
	int64_t left, spend, limit;
};

static void consider(const struct alerts *a, const struct dir_key *k, struct tightest *t)
{
	int64_t limit = limit_of(a->m->dir, k);
	if (limit < 0 || k->entity >= BOARD_ENTITIES)
		return;
	const struct board_entity *e = &a->m->board.entities[k->entity];
	int64_t spend = atomic_load(&e->settled), held = atomic_load(&e->reserved);
	if (t->limit >= 0 && limit - spend - held >= t->left)
		return;
	*t = (struct tightest){ *k, limit - spend - held, spend, limit };
}

static void consider_named(const struct alerts *a, enum dir_kind kind, struct str name,
			   struct tightest *t)
{
	struct dir_key k;
	if (name.n && dir_find_named(a->m->dir, kind, name, &k))
		consider(a, &k, t);
}

/* Of the key and those above it the one with the least left is the one that refused. */
void alert_budget_refused(struct alerts *a, const struct record *r)
{
	static const char *const groups[DIR_KINDS] = { "key", "team", "user", "organization",
						       "team_member", "end_user", "tag" };
	struct tightest t = { .limit = -1 };
	struct dir_key key;
	struct sha256 hash;
	struct alert_owner w = { .has_money = true, .soft_budget = -1, .projected = -1 };
	memcpy(hash.b, r->key_hash, sizeof hash.b);
	if (!(r->flags & RF_HAS_KEY) || !dir_find(a->m->dir, &hash, &key))
		return;
	consider(a, &key, &t);
	consider_named(a, DIR_TEAM, key.team_id, &t);
	consider_named(a, DIR_USER, key.user_id, &t);
	consider_named(a, DIR_ORGANIZATION, key.organization_id, &t);
	consider_named(a, DIR_CUSTOMER, record_text(r, RT_END_USER), &t);
	if (t.limit < 0)
		return;
	w.spend = t.spend;
	w.max_budget = t.limit;
	snprintf(w.group, sizeof w.group, "%s", groups[t.k.kind]);
	hash_hex(w.token, r->key_hash, sizeof r->key_hash);
	alert_name(w.key_alias, sizeof w.key_alias, key.alias);
	alert_name(w.user_id, sizeof w.user_id, key.user_id);
	alert_name(w.team_id, sizeof w.team_id, key.team_id);
	alert_name(w.organization_id, sizeof w.organization_id, key.organization_id);
	if (t.k.kind == DIR_CUSTOMER)
		alert_name(w.customer_id, sizeof w.customer_id, record_text(r, RT_END_USER));
	tell(a, CROSSED, dir_entity_id(&t.k), &w);
}
