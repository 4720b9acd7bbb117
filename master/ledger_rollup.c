/* SPDX-License-Identifier: MIT
 * ledger_rollup.c - see ledger_rollup.h. */
#include "master/ledger_rollup.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/price.h"

#define HOUR_NS (3600 * NS_PER_S)

/* ---- small hash tables: place -> 1 + index ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	a = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
	return a ^ a >> 29;
}

/* ---- names ---- */

static int find_name(struct store_db *db, struct str text, int64_t *ret)
{
	struct sql *q = sql_query(db, "SELECT id FROM spend_names WHERE name = ?");
	sql_text(q, 1, text);
	int r = sql_row(q);
	if (r > 0)
		*ret = sql_get_int(q, 0);
	sql_end(q);
	return r;
}

static int add_name(struct store_db *db, struct str text, int64_t *ret)
{
	int r = find_name(db, text, ret);
	if (r)
		return r < 0 ? r : 0;
	struct sql *q = sql_query(db, "INSERT INTO spend_names (name) VALUES (?)");
	sql_text(q, 1, text);
	int err = sql_run(q);
	if (!err)
		*ret = sql_last_id(db);
	return err;
}

/* The number of a text; the empty one's is 0. */
static int name_id(struct rollup *ru, struct store_db *db, struct str text, int64_t *ret)
{
	uint64_t hash = hash_table(text);
	*ret = 0;
	if (!text.n)
		return 0;
	for (;; hash++) {
		uint16_t *at = &ru->name_at[hash % ROLLUP_NAME_TABLE];
		if (*at && !str_eq(ru->names[*at - 1].text, text))
			continue;
		if (*at) {
			*ret = ru->names[*at - 1].id;
			return 0;
		}
		int err = add_name(db, text, ret);
		if (!err && ru->n_names < ROLLUP_NAMES) {
			ru->names[ru->n_names] = (struct rollup_name){ .text = text, .id = *ret };
			*at = (uint16_t)++ru->n_names;
		}
		return err;
	}
}

/* ---- who a key belongs to ---- */

static int read_owner(struct store_db *db, struct rollup_owner *o)
{
	struct sql *q = sql_query(db,
		"SELECT user_id, coalesce(organization_id, (SELECT organization_id FROM teams"
		" WHERE id = ?2)) FROM (SELECT user_id, organization_id FROM keys WHERE id = ?1"
		" UNION ALL SELECT user_id, organization_id FROM keys_deleted WHERE id = ?1"
		/* With a token and no key: 3 << 56 and its user's row. */
		" UNION ALL SELECT name, NULL FROM tenants WHERE kind = 3 AND"
		" id = ?1 - 216172782113783808"
		" UNION ALL SELECT NULL, NULL) LIMIT 1");
	sql_int(q, 1, (int64_t)o->key_id);
	sql_int(q, 2, (int64_t)o->team);
	int r = sql_row(q), err = r < 0 ? r : 0;
	if (r > 0) {
		struct str user = sql_get_text(q, 0), organization = sql_get_text(q, 1);
		if (user.n)
			err = add_name(db, user, &o->user);
		if (!err && organization.n)
			err = add_name(db, organization, &o->organization);
	}
	sql_end(q);
	return err;
}

static int find_owner(struct rollup *ru, struct store_db *db, const struct journal_record *r,
		      struct rollup_owner *ret)
{
	uint64_t hash = mix(r->key_id, r->team);
	for (;; hash++) {
		uint16_t *at = &ru->owner_at[hash % ROLLUP_OWNER_TABLE];
		if (*at) {
			*ret = ru->owners[*at - 1];
			if (ret->key_id == r->key_id && ret->team == r->team)
				return 0;
			continue;
		}
		*ret = (struct rollup_owner){ .key_id = r->key_id, .team = r->team };
		int err = read_owner(db, ret);
		if (!err && ru->n_owners < ROLLUP_OWNERS) {
			ru->owners[ru->n_owners] = *ret;
			*at = (uint16_t)++ru->n_owners;
		}
		return err;
	}
}

/* ---- sums ---- */

#define SUM_COLUMNS                                                                               \
	"requests, failed, unpriced, input, output, cache_read, cache_write, reasoning, cost"
/* Sums stay below INT64_MAX: both sides are at most PRICE_NANO_MAX, and so is the result. */
#define OR_ADD                                                                                    \
	" ON CONFLICT DO UPDATE SET requests = requests + excluded.requests,"                     \
	" failed = failed + excluded.failed, unpriced = unpriced + excluded.unpriced,"            \
	" input = input + excluded.input, output = output + excluded.output,"                     \
	" cache_read = cache_read + excluded.cache_read,"                                         \
	" cache_write = cache_write + excluded.cache_write,"                                      \
	" reasoning = reasoning + excluded.reasoning,"                                            \
	" cost = min(cost + excluded.cost, 1000000000000000000)"

static const struct {
	int n;				/* columns of the primary key */
	const char *sql;
} tables[ROLLUP_TABLES] = {
	[IN_DAILY] = { 8,
		"INSERT INTO spend_daily (day, key_id, team, user, organization, model,"
		" deployment, endpoint, " SUM_COLUMNS
		") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)" OR_ADD },
	[IN_TAGGED] = { 9,
		"INSERT INTO spend_tagged (day, key_id, team, user, organization, model,"
		" deployment, endpoint, tags, " SUM_COLUMNS
		") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)" OR_ADD },
	[IN_LABELS] = { 7,
		"INSERT INTO spend_labels (kind, label, day, key_id, model, deployment, endpoint, "
		SUM_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)" OR_ADD },
	[IN_TOTALS] = { 4,
		"INSERT INTO spend_totals (span, kind, at, id, " SUM_COLUMNS
		") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)" OR_ADD },
};

static int write_sum(struct store_db *db, const struct rollup_sum *s)
{
	struct sql *q = sql_query(db, tables[s->table].sql);
	int at = 0;
	for (; at < tables[s->table].n; at++)
		sql_int(q, at + 1, s->at[at]);
	sql_int(q, ++at, s->requests);
	sql_int(q, ++at, s->failed);
	sql_int(q, ++at, s->unpriced);
	sql_int(q, ++at, s->input);
	sql_int(q, ++at, s->output);
	sql_int(q, ++at, s->cache_read);
	sql_int(q, ++at, s->cache_write);
	sql_int(q, ++at, s->reasoning);
	sql_int(q, ++at, s->cost);
	return sql_run(q);
}

int rollup_flush(struct rollup *ru, struct store_db *db)
{
	int err = 0;
	for (uint32_t i = 0; i < ru->n_sums && !err; i++)
		err = write_sum(db, &ru->sums[i]);
	memset(ru->sum_at, 0, sizeof ru->sum_at);
	ru->n_sums = 0;
	return err;
}

void rollup_reset(struct rollup *ru)
{
	memset(ru->sum_at, 0, sizeof ru->sum_at);
	memset(ru->name_at, 0, sizeof ru->name_at);
	memset(ru->owner_at, 0, sizeof ru->owner_at);
	ru->n_sums = ru->n_names = ru->n_owners = 0;
}

static bool is_same(const struct rollup_sum *a, const struct rollup_sum *b)
{
	return a->table == b->table && memcmp(a->at, b->at, sizeof a->at) == 0;
}

static uint64_t hash_of(const struct rollup_sum *s)
{
	uint64_t h = s->table;
	for (size_t i = 0; i < ROLLUP_PLACES; i++)
		h = mix(h, (uint64_t)s->at[i]);
	return h;
}

/* `like` says which row; the record what is added to it. */
static int add(struct rollup *ru, struct store_db *db, struct rollup_sum like,
	       const struct journal_record *r)
{
	uint64_t hash = hash_of(&like);
	while (ru->sum_at[hash % ROLLUP_SUM_TABLE] &&
	       !is_same(&ru->sums[ru->sum_at[hash % ROLLUP_SUM_TABLE] - 1], &like))
		hash++;
	uint16_t *at = &ru->sum_at[hash % ROLLUP_SUM_TABLE];
	if (!*at && ru->n_sums == ROLLUP_SUMS) {
		int err = rollup_flush(ru, db);
		return err ? err : add(ru, db, like, r);
	}
	if (!*at) {
		ru->sums[ru->n_sums] = like;
		*at = (uint16_t)++ru->n_sums;
	}
	struct rollup_sum *s = &ru->sums[*at - 1];
	if (!(r->flags & JF_ATTEMPT)) {		/* else its request is counted with its last one */
		s->requests++;
		s->failed += rollup_is_failure(r->flags, r->status);
		s->unpriced += r->flags & JF_UNPRICED ? 1 : 0;
	}
	s->input += r->input;
	s->output += r->output;
	s->cache_read += r->cache_read;
	s->cache_write += r->cache_write;
	s->reasoning += r->reasoning;
	s->cost = s->cost > PRICE_NANO_MAX - r->cost_nano ? PRICE_NANO_MAX : s->cost + r->cost_nano;
	return 0;
}

static int add_total(struct rollup *ru, struct store_db *db, const struct journal_record *r,
		     enum rollup_kind kind, int64_t id)
{
	int64_t hour = (int64_t)(r->start_ns / HOUR_NS);
	struct rollup_sum like = { .table = IN_TOTALS,
				   .at = { ROLLUP_BY_DAY, kind, hour / 24, id } };
	int err = add(ru, db, like, r);
	like.at[0] = ROLLUP_BY_HOUR;
	like.at[2] = hour;
	return err ? err : add(ru, db, like, r);
}

static int add_label(struct rollup *ru, struct store_db *db, const struct journal_record *r,
		     enum rollup_kind kind, int64_t label, int64_t model)
{
	struct rollup_sum like = {
		.table = IN_LABELS,
		.at = { kind, label, (int64_t)(r->start_ns / HOUR_NS / 24), (int64_t)r->key_id,
			model, (int64_t)r->deployment, r->endpoint },
	};
	int err = add(ru, db, like, r);
	return err ? err : add_total(ru, db, r, kind, label);
}

static int add_tags(struct rollup *ru, struct store_db *db, const struct journal_record *r,
		    const struct rollup_tags *tags, int64_t model)
{
	int err = 0;
	for (size_t i = 0; i < tags->n && !err; i++) {
		int64_t label;
		bool is_again = false;
		for (size_t j = 0; j < i; j++)
			is_again |= str_eq(tags->v[i], tags->v[j]);
		if (is_again)
			continue;	/* said twice, it is one tag */
		err = name_id(ru, db, tags->v[i], &label);
		if (!err)
			err = add_label(ru, db, r, ROLLUP_TAG, label, model);
	}
	return err;
}

static struct str text_of(const char *p, size_t room)
{
	return str_of(p, strnlen(p, room));
}

int rollup_add(struct rollup *ru, struct store_db *db, const struct journal_record *r,
	       const struct rollup_tags *tags)
{
	struct rollup_owner o;
	int64_t model = 0, end_user = 0;
	int err = find_owner(ru, db, r, &o);
	if (!err)
		err = name_id(ru, db, text_of(r->model, sizeof r->model), &model);
	if (!err)
		err = name_id(ru, db, text_of(r->end_user, sizeof r->end_user), &end_user);
	struct rollup_sum daily = {
		.table = IN_DAILY,
		.at = { (int64_t)(r->start_ns / HOUR_NS / 24), (int64_t)r->key_id, r->team, o.user,
			o.organization, model, (int64_t)r->deployment, r->endpoint },
	};
	if (!err)
		err = add(ru, db, daily, r);
	if (!err && tags->json.n) {
		daily.table = IN_TAGGED;	/* its name is not kept in memory: it would move */
		err = add_name(db, tags->json, &daily.at[8]);
		if (!err)
			err = add(ru, db, daily, r);
	}
	const int64_t ids[ROLLUP_KINDS] = {
		[ROLLUP_KEY] = (int64_t)r->key_id, [ROLLUP_TEAM] = r->team,
		[ROLLUP_USER] = o.user, [ROLLUP_ORGANIZATION] = o.organization,
		[ROLLUP_MODEL] = model, [ROLLUP_DEPLOYMENT] = (int64_t)r->deployment,
		[ROLLUP_ENDPOINT] = r->endpoint,
	};
	for (unsigned kind = 0; kind < ROLLUP_KINDS && !err; kind++)
		if (kind != ROLLUP_END_USER && kind != ROLLUP_TAG)
			err = add_total(ru, db, r, (enum rollup_kind)kind, ids[kind]);
	if (!err && end_user)
		err = add_label(ru, db, r, ROLLUP_END_USER, end_user, model);
	return err ? err : add_tags(ru, db, r, tags, model);
}

/* ---- tags ---- */

size_t rollup_read_tags(const struct journal_record *r, size_t n, struct str ret[ROLLUP_TAGS_MAX])
{
	size_t n_tags = 0;
	for (size_t i = 0; i < n; i++) {
		struct str rest = journal_tags(&r[i]);
		while (rest.n && n_tags < ROLLUP_TAGS_MAX) {
			struct str tag = str_cut(&rest, '\0');
			if (tag.n && str_is_utf8(tag))
				ret[n_tags++] = tag;
		}
	}
	return n_tags;
}
