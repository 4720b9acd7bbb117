/* SPDX-License-Identifier: MIT
 * ledger_batch.c - records to rows, sums and open intents, in the caller's transaction.
 *
 * Sums are made in memory first: a batch touches each row of who pays once; reports' sums are
 * ledger_rollup.c's. */
#include <errno.h>

#include "common/clock.h"
#include "common/json_write.h"
#include "master/ledger_fold.h"

enum { TAGS_JSON_MAX = 16384 };

/* ---- checking: every record is a stranger's ---- */

static bool is_amount(int64_t v)
{
	return v >= 0 && v <= PRICE_NANO_MAX;
}

static bool is_count(uint32_t v)
{
	return v <= INT32_MAX;
}

static bool is_time(uint64_t v)
{
	return v <= INT64_MAX;
}

static uint64_t between(uint64_t v, uint64_t low, uint64_t high)
{
	return v < low ? low : v > high ? high : v;
}

/* The wall clock may have been set while a request ran. */
static void order_times(struct journal_record *r, uint64_t now_ns)
{
	if (!r->end_ns)
		r->end_ns = now_ns;
	if (!r->start_ns || r->start_ns > r->end_ns)
		r->start_ns = r->end_ns;
	if (r->first_token_ns)
		r->first_token_ns = between(r->first_token_ns, r->start_ns, r->end_ns);
}

/* Texts were cut at a byte, perhaps inside a character. Zeroes what is not whole. */
static void trim_text(char *p, size_t room)
{
	struct str s = str_of(p, strnlen(p, room));
	size_t len;
	while (s.n && (len = (unsigned char)*s.p < 0x80 ? 1 : str_utf8_len(s)))
		s = str_skip(s, len);
	size_t good = (size_t)(s.p - p);
	memset(p + good, 0, room - good);
}

static struct str text_of(const char *p, size_t room)
{
	return str_of(p, strnlen(p, room));
}

bool record_check(struct journal_record *r, uint64_t now_ns)
{
	if (r->kind == JOURNAL_LEVELS || r->kind == JOURNAL_TAGS)
		return true;		/* looked at with the record behind it */
	if (r->kind != JOURNAL_INTENT && r->kind != JOURNAL_SETTLE && r->kind != JOURNAL_ATTEMPT)
		return false;
	if (!is_amount(r->cost_nano) || !is_amount(r->reserve_nano) || r->key_id > INT64_MAX)
		return false;
	if (!is_count(r->input) || !is_count(r->output) || !is_count(r->cache_read) ||
	    !is_count(r->cache_write) || !is_count(r->reasoning))
		return false;
	if (!is_time(r->start_ns) || !is_time(r->first_token_ns) || !is_time(r->end_ns))
		return false;
	if (r->status && (r->status < 100 || r->status > 599))
		return false;
	order_times(r, now_ns);
	trim_text(r->model, sizeof r->model);
	trim_text(r->end_user, sizeof r->end_user);
	return true;
}

/* ---- small hash tables: place -> 1 + index ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	a = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
	return a ^ a >> 29;
}

static uint64_t hash_of_id(const struct journal_record *r)
{
	uint64_t v[2];
	memcpy(v, r->request_id, sizeof v);
	return mix(v[0], v[1]);
}

static bool is_same_id(const struct batch *b, uint32_t i, const struct journal_record *r)
{
	return memcmp(b->r[i].request_id, r->request_id, sizeof r->request_id) == 0;
}

/* Where it stands, or the empty place where it would. There is always one: a table has four
 * times as many places as a batch has records. */
static uint16_t *place_of(const struct batch *b, uint16_t *table, uint64_t hash,
			  const struct journal_record *r,
			  bool (*is_same)(const struct batch *, uint32_t,
					  const struct journal_record *))
{
	for (;; hash++) {
		uint16_t *at = &table[hash % FOLD_TABLE];
		if (!*at || is_same(b, *at - 1u, r))
			return at;
	}
}

/* ---- booking ---- */

/* Marks each INTENT whose SETTLE is in the same batch: neither leaves a trace but its row. */
static void pair_intents(struct batch *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		struct journal_record *r = &b->r[i];
		uint16_t *at = place_of(b, b->intent_at, hash_of_id(r), r, is_same_id);
		if (r->kind == JOURNAL_INTENT && !*at)
			*at = (uint16_t)(i + 1);
		else if (r->kind == JOURNAL_SETTLE && *at)
			b->is_done[*at - 1] = true;
	}
}

static bool is_paired(struct batch *b, const struct journal_record *r)
{
	return *place_of(b, b->intent_at, hash_of_id(r), r, is_same_id) != 0;
}

static int close_intent(struct store_db *db, uint64_t epoch, const struct journal_record *r)
{
	struct sql *q = sql_query(db, "DELETE FROM open_intents "
				      "WHERE request_id = ? AND epoch = ?");
	sql_blob(q, 1, r->request_id, sizeof r->request_id);
	sql_int(q, 2, (int64_t)epoch);
	return sql_run(q);
}

static int open_intent(struct store_db *db, uint64_t epoch, const struct journal_record *r,
		       struct str levels)
{
	struct sql *q = sql_query(db,
		"INSERT INTO open_intents (request_id, epoch, key_id, deployment, model, end_user,"
		" start_ns, reserve, endpoint, flags, client_ip, team, levels) "
		"VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) "
		"ON CONFLICT DO NOTHING");
	sql_blob(q, 1, r->request_id, sizeof r->request_id);
	sql_int(q, 2, (int64_t)epoch);
	sql_int(q, 3, (int64_t)r->key_id);
	sql_int(q, 4, (int64_t)r->deployment);
	sql_text(q, 5, text_of(r->model, sizeof r->model));
	sql_text(q, 6, text_of(r->end_user, sizeof r->end_user));
	sql_int(q, 7, (int64_t)r->start_ns);
	sql_int(q, 8, r->reserve_nano);
	sql_int(q, 9, r->endpoint);
	sql_int(q, 10, r->flags);
	sql_blob(q, 11, r->client_ip, sizeof r->client_ip);
	sql_int(q, 12, r->team);
	if (levels.n)
		sql_blob(q, 13, levels.p, levels.n);
	else
		sql_null(q, 13);
	return sql_run(q);
}

static bool is_before(const struct batch *b, uint32_t at, uint32_t of, enum journal_kind kind)
{
	return at > 0 && b->r[at - 1].kind == kind && is_same_id(b, at - 1, &b->r[of]);
}

/* What stands right before a SETTLE, in this order: its tags, its attempts, its levels. */
struct kin {
	uint32_t tags, attempts, end;	/* where they begin, and where the levels are */
};
static uint32_t first_of(const struct batch *b, uint32_t at, uint32_t end, enum journal_kind kind,
			 uint32_t most)
{
	uint32_t from = end;
	while (end - from < most && is_before(b, from, at, kind))
		from--;
	return from;
}

static struct kin kin_of(const struct batch *b, uint32_t at)
{
	struct kin k = { .end = is_before(b, at, at, JOURNAL_LEVELS) ? at - 1 : at };
	k.attempts = first_of(b, at, k.end, JOURNAL_ATTEMPT, JOURNAL_ATTEMPTS_MAX);
	k.tags = first_of(b, at, k.attempts, JOURNAL_TAGS, JOURNAL_TAG_RECORDS);
	return k;
}

/* A JSON list, behind those of other rows; where there are none, or no memory for them, nothing. */
static void write_tags(struct batch *b, struct ledger_row *row, const struct rollup_tags *tags)
{
	struct json_out o = json_out(&b->tags);
	row->tags_at = b->tags.n;
	if (!tags->n)
		return;
	b->tags.cap = b->tags.n + TAGS_JSON_MAX;
	json_open_array(&o, NULL);
	for (size_t i = 0; i < tags->n; i++)
		json_put_str(&o, NULL, tags->v[i]);
	json_close_array(&o);
	if (b->tags.failed)
		b->tags.n = row->tags_at;
	b->tags.failed = false;
	row->tags_n = b->tags.n - row->tags_at;
}

uint64_t ledger_tag_hash(struct str tag)
{
	return hash_stable_more(hash_stable(STR("tag")), tag) | 1;
}

static void note_one(struct batch *b, uint64_t what, const struct journal_record *r)
{
	if (b->n_costs < COSTS_MAX)
		b->costs[b->n_costs] = (struct ledger_cost){ what, r->start_ns, r->cost_nano };
	b->n_costs++;
}

/* A tag that is there twice pays once. */
static bool is_first(const struct rollup_tags *t, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (str_eq(t->v[k], t->v[i]))
			return false;
	return true;
}

static void note_cost(struct batch *b, const struct journal_record *r,
		      const struct rollup_tags *tags)
{
	if (!b->costs || !r->deployment || !r->cost_nano)
		return;
	note_one(b, r->deployment, r);
	for (size_t i = 0; i < tags->n && b->tells_tags; i++)
		if (is_first(tags, i))
			note_one(b, ledger_tag_hash(tags->v[i]), r);
}

/* A row, with the tags of its request, that was not there yet: into the sums by deployment. */
static int book_row(struct batch *b, struct store_db *db, const struct journal_record *r,
		    const struct rollup_tags *tags)
{
	b->rows++;
	note_cost(b, r, tags);
	return rollup_add(&b->rollup, db, r, tags);
}

/* Most requests have none: then nothing is cleared, either, but their number. */
static void read_tags(const struct batch *b, const struct kin *k, struct rollup_tags *ret)
{
	ret->n = 0;
	ret->json = STR_NONE;
	if (k->tags < k->attempts)
		ret->n = rollup_read_tags(&b->r[k->tags], k->attempts - k->tags, ret->v);
}

/* Its other attempts, each with a row of its own. Who pays for the SETTLE pays for them. */
static int book_attempts(struct batch *b, struct store_db *db, const struct ledger_row *rows,
			 uint32_t n, uint32_t at, const struct rollup_tags *tags)
{
	struct journal_record *settle = &b->r[at];
	for (uint32_t i = 0; i < n; i++) {
		if (!rows[i].is_new)
			continue;
		int err = book_row(b, db, rows[i].r, tags);
		if (err)
			return err;
		settle->cost_nano = owner_add_cost(settle->cost_nano, rows[i].r->cost_nano);
	}
	return 0;
}

/* Its rows begin with row[0]: into all sums, unless they were there already. */
static int book_settle(struct batch *b, struct store_db *db, uint64_t epoch,
		       const struct ledger_row *row)
{
	const struct journal_record *r = row->r;
	uint32_t at = (uint32_t)(r - b->r);
	int err = is_paired(b, r) ? 0 : close_intent(db, epoch, r);
	if (err || !row->is_new)
		return err;
	struct kin k = kin_of(b, at);
	struct rollup_tags tags;
	read_tags(b, &k, &tags);
	tags.json = ledger_row_tags(row, &b->tags);
	b->is_done[at] = true;
	err = book_row(b, db, r, &tags);
	if (!err)
		err = book_attempts(b, db, row + 1, k.end - k.attempts, at, &tags);
	if (!err)
		sum_owners(b, at);
	if (!err && r->flags & JF_BULK)
		bulk_charge(b, at);
	return err;
}

/* Inserts the rows that wait, and books what was new. */
static int book_rows(struct batch *b, struct store_db *db, uint64_t epoch)
{
	int err = ledger_insert_rows(db, b->waiting, b->n_waiting, &b->tags);
	for (uint32_t i = 0; i < b->n_waiting && !err; i++)
		if (b->waiting[i].r->kind == JOURNAL_SETTLE)
			err = book_settle(b, db, epoch, &b->waiting[i]);
	b->n_waiting = 0;
	buf_reset(&b->tags);
	return err;
}

/* A SETTLE and its attempts, in this order, with the same tags. */
static void add_rows(struct batch *b, uint32_t at)
{
	struct kin k = kin_of(b, at);
	struct rollup_tags tags;
	read_tags(b, &k, &tags);
	struct ledger_row row = { .r = &b->r[at] };
	write_tags(b, &row, &tags);
	b->waiting[b->n_waiting++] = row;
	for (uint32_t i = k.attempts; i < k.end; i++) {
		row.r = &b->r[i];
		b->waiting[b->n_waiting++] = row;
	}
}

static int book_settles(struct batch *b, struct store_db *db, uint64_t epoch)
{
	int err = 0;
	b->n_waiting = 0;
	buf_reset(&b->tags);
	for (uint32_t i = 0; i < b->n && !err; i++) {
		if (b->r[i].kind == JOURNAL_SETTLE)
			add_rows(b, i);
		if (b->n_waiting >= LEDGER_ROWS)
			err = book_rows(b, db, epoch);
	}
	return err ? err : book_rows(b, db, epoch);
}

static int keep_intents(struct batch *b, struct store_db *db, uint64_t epoch)
{
	int err = 0;
	for (uint32_t i = 0; i < b->n && !err; i++)
		if (b->r[i].kind == JOURNAL_INTENT && !b->is_done[i])
			err = open_intent(db, epoch, &b->r[i], record_levels(b, i));
	return err;
}

static void batch_empty(struct batch *b)
{
	memset(b->is_done, 0, sizeof b->is_done);
	memset(b->intent_at, 0, sizeof b->intent_at);
	memset(b->owner_at, 0, sizeof b->owner_at);
	rollup_reset(&b->rollup);
	b->n = b->n_owners = 0;
}

int batch_book(struct batch *b, struct store_db *db, uint64_t epoch)
{
	int err = bulk_claim(b, db);
	pair_intents(b);
	if (!err)
		err = book_settles(b, db, epoch);
	if (!err)
		err = keep_intents(b, db, epoch);
	if (!err)
		err = rollup_flush(&b->rollup, db);
	if (!err)
		err = add_owners(b, db);
	batch_empty(b);
	return err;
}
