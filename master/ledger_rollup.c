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
	const struct rollup_counts *c = &s->counts;
	struct sql *q = sql_query(db, tables[s->table].sql);
	int at = 0;
	for (; at < tables[s->table].n; at++)
		sql_int(q, at + 1, s->at[at]);
	sql_int(q, ++at, c->requests);
	sql_int(q, ++at, c->failed);
	sql_int(q, ++at, c->unpriced);
	sql_int(q, ++at, c->input);
	sql_int(q, ++at, c->output);
	sql_int(q, ++at, c->cache_read);
	sql_int(q, ++at, c->cache_write);
	sql_int(q, ++at, c->reasoning);
	sql_int(q, ++at, c->cost);
	return sql_run(q);
}

static void empty_set(struct rollup_set *set)
{
	if (set->n)
		memset(set->at, 0, sizeof set->at);
	set->n = 0;
}

static int write_sums(struct rollup *ru, struct store_db *db)
{
	int err = 0;
	for (uint32_t i = 0; i < ru->sums.n && !err; i++)
		err = write_sum(db, &ru->sums.v[i]);
	empty_set(&ru->sums);
	return err;
}

void rollup_reset(struct rollup *ru)
{
	empty_set(&ru->alike);
	empty_set(&ru->sums);
	if (ru->n_names)
		memset(ru->name_at, 0, sizeof ru->name_at);
	if (ru->n_owners)
		memset(ru->owner_at, 0, sizeof ru->owner_at);
	ru->n_names = ru->n_owners = 0;
	ru->model.text = STR_NONE;
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

/* The sum for the row that `like` tells, perhaps a new one; NULL: there are `most` others. */
static struct rollup_sum *sum_in(struct rollup_set *set, uint32_t most,
				 const struct rollup_sum *like)
{
	uint64_t hash = hash_of(like);
	for (;; hash++) {
		uint16_t *at = &set->at[hash % ROLLUP_SUM_TABLE];
		if (*at && !is_same(&set->v[*at - 1], like))
			continue;
		if (!*at && set->n == most)
			return NULL;
		if (!*at) {
			set->v[set->n] = *like;
			*at = (uint16_t)++set->n;
		}
		return &set->v[*at - 1];
	}
}

static int64_t add_cost(int64_t sum, int64_t cost)
{
	return sum > PRICE_NANO_MAX - cost ? PRICE_NANO_MAX : sum + cost;
}

static void add_counts(struct rollup_counts *to, const struct rollup_counts *c)
{
	to->requests += c->requests;
	to->failed += c->failed;
	to->unpriced += c->unpriced;
	to->input += c->input;
	to->output += c->output;
	to->cache_read += c->cache_read;
	to->cache_write += c->cache_write;
	to->reasoning += c->reasoning;
	to->cost = add_cost(to->cost, c->cost);
}

static struct rollup_counts counts_of(const struct journal_record *r)
{
	bool is_last = !(r->flags & JF_ATTEMPT);	/* another attempt is no request */
	return (struct rollup_counts){
		.requests = is_last,
		.failed = is_last && rollup_is_failure(r->flags, r->status),
		.unpriced = is_last && (r->flags & JF_UNPRICED),
		.input = r->input, .output = r->output, .cache_read = r->cache_read,
		.cache_write = r->cache_write, .reasoning = r->reasoning, .cost = r->cost_nano,
	};
}

/* `like` says which row of a table, and what is added to it. */
static int add(struct rollup *ru, struct store_db *db, const struct rollup_sum *like,
	       const struct rollup_counts *c)
{
	struct rollup_sum *s = sum_in(&ru->sums, ROLLUP_SUMS, like);
	int err = s ? 0 : write_sums(ru, db);
	if (!s)
		s = sum_in(&ru->sums, ROLLUP_SUMS, like);
	add_counts(&s->counts, c);
	return err;
}

static int add_total(struct rollup *ru, struct store_db *db, const struct rollup_counts *c,
		     enum rollup_kind kind, int64_t hour, int64_t id)
{
	struct rollup_sum like = { .table = IN_TOTALS,
				   .at = { ROLLUP_BY_DAY, kind, hour / 24, id } };
	int err = add(ru, db, &like, c);
	like.at[0] = ROLLUP_BY_HOUR;
	like.at[2] = hour;
	return err ? err : add(ru, db, &like, c);
}

/* The places of spend_daily, whose first is an hour in `alike`. */
enum { AT_TIME, AT_KEY, AT_TEAM, AT_USER, AT_ORGANIZATION, AT_MODEL, AT_DEPLOYMENT, AT_ENDPOINT };

static int add_label(struct rollup *ru, struct store_db *db, const struct rollup_sum *one,
		     enum rollup_kind kind, int64_t label)
{
	const int64_t *at = one->at;
	struct rollup_sum like = {
		.table = IN_LABELS,
		.at = { kind, label, at[AT_TIME] / 24, at[AT_KEY], at[AT_MODEL],
			at[AT_DEPLOYMENT], at[AT_ENDPOINT] },
	};
	int err = add(ru, db, &like, &one->counts);
	return err ? err : add_total(ru, db, &one->counts, kind, at[AT_TIME], label);
}

static int add_tags(struct rollup *ru, struct store_db *db, const struct rollup_sum *one,
		    const struct rollup_tags *tags)
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
			err = add_label(ru, db, one, ROLLUP_TAG, label);
	}
	return err;
}

/* By the whole list. Its name is not kept in memory: it would move. */
static int add_tagged(struct rollup *ru, struct store_db *db, const struct rollup_sum *one,
		      struct str json)
{
	struct rollup_sum like = *one;
	like.table = IN_TAGGED;
	like.at[AT_TIME] /= 24;
	like.counts = (struct rollup_counts){ 0 };
	int err = add_name(db, json, &like.at[ROLLUP_PLACES - 1]);
	return err ? err : add(ru, db, &like, &one->counts);
}

/* The rows that all requests have which are alike. */
static int spread(struct rollup *ru, struct store_db *db, const struct rollup_sum *one)
{
	static const struct {
		enum rollup_kind kind;
		int place;
	} kinds[] = {
		{ ROLLUP_KEY, AT_KEY }, { ROLLUP_TEAM, AT_TEAM }, { ROLLUP_USER, AT_USER },
		{ ROLLUP_ORGANIZATION, AT_ORGANIZATION }, { ROLLUP_MODEL, AT_MODEL },
		{ ROLLUP_DEPLOYMENT, AT_DEPLOYMENT }, { ROLLUP_ENDPOINT, AT_ENDPOINT },
	};
	const struct rollup_counts *c = &one->counts;
	struct rollup_sum daily = *one;
	daily.at[AT_TIME] /= 24;
	daily.counts = (struct rollup_counts){ 0 };
	int err = add(ru, db, &daily, c);
	if (!err)
		err = add_total(ru, db, c, ROLLUP_ALL, one->at[AT_TIME], 0);
	for (size_t i = 0; i < COUNT(kinds) && !err; i++)
		err = add_total(ru, db, c, kinds[i].kind, one->at[AT_TIME],
				one->at[kinds[i].place]);
	return err;
}

static int spread_all(struct rollup *ru, struct store_db *db)
{
	int err = 0;
	for (uint32_t i = 0; i < ru->alike.n && !err; i++)
		err = spread(ru, db, &ru->alike.v[i]);
	empty_set(&ru->alike);
	return err;
}

int rollup_flush(struct rollup *ru, struct store_db *db)
{
	int err = spread_all(ru, db);
	return err ? err : write_sums(ru, db);
}

static struct str text_of(const char *p, size_t room)
{
	return str_of(p, strnlen(p, room));
}

/* Most requests of a batch ask for what the one before asked for. */
static int model_id(struct rollup *ru, struct store_db *db, const struct journal_record *r,
		    int64_t *ret)
{
	struct rollup_name *last = &ru->model;
	struct str text = str_of(r->model, sizeof r->model);
	int err = 0;
	if (!last->text.p || !str_eq(last->text, text)) {
		err = name_id(ru, db, text_of(r->model, sizeof r->model), &last->id);
		last->text = err ? STR_NONE : text;
	}
	*ret = last->id;
	return err;
}

/* Where a record counts, and what. */
static int place_record(struct rollup *ru, struct store_db *db, const struct journal_record *r,
			struct rollup_sum *ret)
{
	struct rollup_owner o = { 0 };
	int64_t model = 0;
	int err = find_owner(ru, db, r, &o);
	if (!err)
		err = model_id(ru, db, r, &model);
	*ret = (struct rollup_sum){
		.table = IN_DAILY,
		.at = { [AT_TIME] = (int64_t)(r->start_ns / HOUR_NS),
			[AT_KEY] = (int64_t)r->key_id, [AT_TEAM] = r->team, [AT_USER] = o.user,
			[AT_ORGANIZATION] = o.organization, [AT_MODEL] = model,
			[AT_DEPLOYMENT] = (int64_t)r->deployment, [AT_ENDPOINT] = r->endpoint },
	};
	return err;
}

int rollup_add(struct rollup *ru, struct store_db *db, const struct journal_record *r,
	       const struct rollup_tags *tags)
{
	struct rollup_sum one;
	int64_t end_user = 0;
	int err = place_record(ru, db, r, &one);
	if (err)
		return err;
	struct rollup_sum *alike = sum_in(&ru->alike, ROLLUP_ALIKE, &one);
	if (!alike) {
		err = spread_all(ru, db);
		alike = sum_in(&ru->alike, ROLLUP_ALIKE, &one);
	}
	one.counts = counts_of(r);
	add_counts(&alike->counts, &one.counts);
	if (!err && r->end_user[0])
		err = name_id(ru, db, text_of(r->end_user, sizeof r->end_user), &end_user);
	if (!err && end_user)
		err = add_label(ru, db, &one, ROLLUP_END_USER, end_user);
	if (!err && tags->json.n)
		err = add_tagged(ru, db, &one, tags->json);
	return err ? err : add_tags(ru, db, &one, tags);
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
