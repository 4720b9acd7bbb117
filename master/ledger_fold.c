/* SPDX-License-Identifier: MIT
 * ledger_fold.c - the ledger's jobs: one journal's next records; what the dead left open.
 *
 * The watermark is read and written in the same transaction as the rows, so a job can be run
 * again, after a failed commit or by the next master, and nothing is counted twice. */
#include "master/ledger_fold.h"

#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/fault.h"

/* ---- folding ---- */

static int read_watermark(struct store_db *db, uint64_t epoch, uint64_t *ret)
{
	struct sql *q = sql_query(db, "SELECT committed FROM journals WHERE epoch = ?");
	sql_int(q, 1, (int64_t)epoch);
	int r = sql_row(q);
	*ret = r > 0 ? (uint64_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	return r < 0 ? r : 0;
}

static int write_watermark(struct store_db *db, const struct fold *f)
{
	struct sql *q = sql_query(db,
		"INSERT INTO journals (epoch, slot, committed) VALUES (?,?,?) "
		"ON CONFLICT DO UPDATE SET committed = excluded.committed");
	sql_int(q, 1, (int64_t)journal_epoch(f->journal));
	sql_int(q, 2, (int64_t)journal_slot(f->journal));
	sql_int(q, 3, (int64_t)f->upto);
	return sql_run(q);
}

/* n records stand behind those of the batch: takes those that may be booked. */
static void take_records(struct fold *f, size_t n, uint64_t now_ns)
{
	struct batch *b = f->batch;
	struct journal_record *from = &b->r[b->n];
	for (size_t i = 0; i < n; i++) {
		if (!record_check(&from[i], now_ns)) {
			f->bad++;
			continue;
		}
		if (&b->r[b->n] != &from[i])
			memcpy((void *)&b->r[b->n], (const void *)&from[i], sizeof from[i]);
		b->n++;
	}
	f->upto += n;
}

/* The next record behind a gap that a crash of the whole machine has left; 0: there is none. */
static uint64_t find_behind_gap(const struct fold *f, uint64_t from, uint64_t end)
{
	struct journal_ahead ahead = { 0 };
	struct journal_record r;
	for (uint64_t seq = from; seq <= end; seq++)
		if (journal_read_on(f->journal, &ahead, seq, &r) == 0)
			return seq;
	return 0;
}

/* Record `seq` cannot be had. How far to go on: 0 to stop here and try again later. A damaged one
 * is given up once the writer is known to be past it. */
static uint64_t skip_to(const struct fold *f, uint64_t seq, int why, uint64_t end)
{
	struct journal_record r;
	if (f->is_dead)
		return find_behind_gap(f, seq + 1, end);
	if (why == -EBADMSG && journal_read(f->journal, seq + 1, &r) != -ENOENT)
		return seq + 1;
	return 0;
}

/* Nothing was appended behind a damaged record at the very end: it counts as one all the same. */
static void count_bad_end(struct fold *f, uint64_t seq, int why)
{
	if (f->is_dead && why == -EBADMSG) {
		f->bad++;
		f->upto = seq;
	}
}

/* The next record alone, when it is not there or not whole. 1: it was skipped, or is there by now;
 * 0: nothing can be had now; or -errno. */
static int collect_one(struct fold *f, uint64_t end, uint64_t now_ns)
{
	struct batch *b = f->batch;
	uint64_t seq = f->upto + 1;
	int err = journal_read(f->journal, seq, &b->r[b->n]);
	if (!err) {
		take_records(f, 1, now_ns);
		return 1;
	}
	if (err != -ENOENT && err != -EBADMSG)
		return err;
	uint64_t next = skip_to(f, seq, err, end);
	if (!next) {
		count_bad_end(f, seq, err);
		return 0;
	}
	f->bad += next - seq;
	f->upto = next - 1;
	return 1;
}

/* Fills the batch from behind the watermark. */
static int collect(struct fold *f)
{
	struct batch *b = f->batch;
	uint64_t end = f->upto + journal_count(f->journal);
	uint64_t now_ns = clock_wall_ns();
	while (b->n < FOLD_MAX) {
		size_t room = FOLD_MAX - b->n;
		size_t n = journal_read_many(f->journal, f->upto + 1, &b->r[b->n], room);
		take_records(f, n, now_ns);
		int r = n < room ? collect_one(f, end, now_ns) : 1;
		if (r <= 0)
			return r;
	}
	f->has_more = true;
	return 0;
}

/* Who pays, what tags there are and which attempts is told right before the record: all are booked
 * together. What stands at the end waits for the record behind it; never more than a request has,
 * or a worker that writes nothing else would stop us. */
enum { KIN_MAX = JOURNAL_TAG_RECORDS + JOURNAL_ATTEMPTS_MAX + 1 };

static void keep_together(struct fold *f, uint64_t from)
{
	struct batch *b = f->batch;
	if (f->is_dead && !f->has_more)
		return;			/* nothing comes behind it any more */
	for (unsigned i = 0; i < KIN_MAX && b->n && f->upto > from; i++) {
		const struct journal_record *last = &b->r[b->n - 1];
		if (last->kind == JOURNAL_INTENT || last->kind == JOURNAL_SETTLE ||
		    last->seq != f->upto)
			return;
		b->n--;
		f->upto--;
	}
}

int fold_job(struct store_db *db, void *data)
{
	struct fold *f = data;
	uint64_t epoch = journal_epoch(f->journal), from;
	f->bad = f->batch->rows = f->batch->n = 0;
	f->batch->costs = f->costs;
	f->batch->tells_tags = f->tells_tags;
	f->batch->n_costs = 0;
	f->charges.n = 0;
	f->batch->charges = &f->charges;
	f->has_more = false;
	int err = read_watermark(db, epoch, &f->upto);
	from = f->upto;
	if (!err)
		err = collect(f);
	if (!err)
		keep_together(f, from);
	if (!err && f->batch->n)
		err = batch_book(f->batch, db, epoch);
	f->rows = f->batch->rows;
	f->n_costs = f->batch->n_costs;
	if (err || f->upto == from)
		return err;
	err = write_watermark(db, f);
	return err ? err : FAULT("spend.before_commit");
}

/* ---- what the dead left ---- */

int held_cmp(const void *a, const void *b)
{
	const struct held_slot *x = a, *y = b;
	return memcmp(x->request_id, y->request_id, sizeof x->request_id);
}

static struct held_slot *find_held(struct booking *k, const uint8_t id[16])
{
	struct held_slot like;
	if (!k->n_held)
		return NULL;
	memcpy(like.request_id, id, sizeof like.request_id);
	return bsearch(&like, k->held, k->n_held, sizeof like, held_cmp);
}

/* Never above what was set aside, so that a budget is never overspent by a crash. */
static int64_t cost_of_held(const struct held_slot *h)
{
	if (!h->is_dispatched)
		return 0;
	return h->running < h->reserve ? h->running : h->reserve;
}

/* Makes room in the batch, for a record and its levels. */
static int book_when_full(struct booking *k, struct store_db *db)
{
	return k->batch->n < FOLD_MAX - 1 ? 0 : batch_book(k->batch, db, k->epoch);
}

static struct journal_record *new_record(struct booking *k, uint64_t now_ns)
{
	struct journal_record *r = &k->batch->r[k->batch->n];
	memset((void *)r, 0, sizeof *r);
	r->kind = JOURNAL_SETTLE;
	r->flags = FLAGS_OF_CUT;
	r->end_ns = now_ns;
	return r;
}

static void use_held(struct journal_record *r, struct held_slot *h)
{
	h->cost = cost_of_held(h);
	h->is_booked = true;
	r->cost_nano = h->cost;
	r->reserve_nano = h->reserve;
	r->input = h->tokens_in;
	r->output = h->tokens_out;
	r->deployment = h->deployment;
	r->attempts = h->is_dispatched ? 1 : 0;
}

static void copy_text(char *to, size_t room, struct str from)
{
	if (from.n)			/* an empty blob has no address */
		memcpy(to, from.p, from.n < room ? from.n : room);
}

/* A row of open_intents becomes the SETTLE that never came. */
static void read_intent(struct booking *k, struct sql *q, struct journal_record *r)
{
	struct str id = sql_get_blob(q, 0), ip = sql_get_blob(q, 9);
	struct str model = sql_get_text(q, 3), end_user = sql_get_text(q, 4);
	copy_text((char *)r->request_id, sizeof r->request_id, id);
	r->key_id = (uint64_t)sql_get_int(q, 1);
	r->deployment = (uint64_t)sql_get_int(q, 2);
	copy_text(r->model, sizeof r->model, model);
	copy_text(r->end_user, sizeof r->end_user, end_user);
	r->start_ns = (uint64_t)sql_get_int(q, 5);
	r->reserve_nano = r->cost_nano = sql_get_int(q, 6);
	r->endpoint = (uint8_t)sql_get_int(q, 7);
	r->flags = (uint16_t)(r->flags | (uint16_t)sql_get_int(q, 8));
	copy_text((char *)r->client_ip, sizeof r->client_ip, ip);
	r->team = (uint32_t)sql_get_int(q, 11);
	struct held_slot *h = find_held(k, r->request_id);
	if (h)
		use_held(r, h);
}

static bool is_spared(const struct booking *k, uint64_t epoch)
{
	if (k->epoch)
		return epoch != k->epoch;
	for (size_t i = 0; i < k->n_spare; i++)
		if (k->spare[i] == epoch)
			return true;
	return false;
}

/* Fills the batch with intents of one journal: booking them takes them off the table, and looks
 * for the epoch too. */
static int take_intents(struct booking *k, struct store_db *db, uint64_t *ret_epoch)
{
	struct sql *q = sql_query(db,
		"SELECT request_id, key_id, deployment, model, end_user, start_ns, reserve,"
		" endpoint, flags, client_ip, epoch, team, levels FROM open_intents");
	uint64_t now_ns = clock_wall_ns();
	int r;
	while ((r = sql_row(q)) > 0 && k->batch->n < FOLD_MAX - 1) {
		uint64_t epoch = (uint64_t)sql_get_int(q, 10);
		if (is_spared(k, epoch) || (k->batch->n && epoch != *ret_epoch))
			continue;
		struct str id = sql_get_blob(q, 0), levels = sql_get_blob(q, 12);
		if (id.n == sizeof k->batch->r[0].request_id)
			batch_add_levels(k->batch, (const uint8_t *)id.p, levels);
		struct journal_record *rec = new_record(k, now_ns);
		*ret_epoch = epoch;
		read_intent(k, q, rec);
		if (record_check(rec, now_ns))
			k->batch->n++;
	}
	sql_end(q);
	return r < 0 ? r : 0;
}

static int forget_intents(struct store_db *db, uint64_t epoch)
{
	struct sql *q = sql_query(db, "DELETE FROM open_intents WHERE epoch = ?");
	sql_int(q, 1, (int64_t)epoch);
	return sql_run(q);
}

/* Batch by batch, one epoch each, until no intent is left that is ours to book. */
static int book_intents(struct booking *k, struct store_db *db)
{
	for (;;) {
		uint64_t epoch = 0;
		int err = take_intents(k, db, &epoch);
		if (err)
			return err;
		if (!k->batch->n)
			return k->epoch ? forget_intents(db, k->epoch) : 0;
		err = batch_book(k->batch, db, epoch);
		if (err)
			return err;
	}
}

/* 1: the request is booked already (killed between its record and freeing the slot); 0; -errno. */
static int find_booked(struct store_db *db, struct held_slot *h)
{
	struct sql *q = sql_query(db,
		"SELECT count(*), sum(cost) FROM spend_logs"
		" WHERE request_id BETWEEN ?1 AND ?2");
	char last[sizeof h->request_id + 1];
	memcpy(last, h->request_id, sizeof h->request_id);
	last[sizeof h->request_id] = (char)0xff;
	sql_blob(q, 1, h->request_id, sizeof h->request_id);
	sql_blob(q, 2, last, sizeof last);
	int r = sql_row(q);
	if (r > 0) {
		r = sql_get_int(q, 0) > 0;
		h->cost = sql_get_int(q, 1);
	}
	sql_end(q);
	return r;
}

/* Slots whose INTENT never got into the journal. One that asked no provider owes nothing. */
static int book_slot(struct booking *k, struct store_db *db, struct held_slot *h, uint64_t now_ns)
{
	int r = find_booked(db, h);
	if (r)
		return r < 0 ? r : 0;
	h->cost = 0;
	if (!h->is_dispatched)
		return 0;
	int err = book_when_full(k, db);
	if (err)
		return err;
	batch_add_levels(k->batch, h->request_id,
			 str_of((const char *)h->level, h->n_levels * sizeof *h->level));
	struct journal_record *rec = new_record(k, now_ns);
	memcpy(rec->request_id, h->request_id, sizeof rec->request_id);
	rec->key_id = h->key_id;
	rec->team = h->team;
	rec->start_ns = h->start_ns;
	rec->endpoint = (uint8_t)h->endpoint;
	use_held(rec, h);
	if (record_check(rec, now_ns))
		k->batch->n++;
	return 0;
}

int booking_job(struct store_db *db, void *data)
{
	struct booking *k = data;
	uint64_t now_ns = clock_wall_ns();
	k->batch->rows = k->batch->n = 0;
	k->batch->costs = k->costs;
	k->batch->tells_tags = false;	/* what a slot held had none that we know */
	k->batch->n_costs = 0;
	k->batch->charges = NULL;
	for (size_t i = 0; i < k->n_held; i++)
		k->held[i].is_booked = false;
	int err = book_intents(k, db);
	for (size_t i = 0; i < k->n_held && !err; i++)
		if (!k->held[i].is_booked)
			err = book_slot(k, db, &k->held[i], now_ns);
	if (!err)
		err = batch_book(k->batch, db, k->epoch);
	k->n_costs = k->batch->n_costs;
	k->rows = k->batch->rows;
	return err ? err : FAULT("spend.before_commit");
}
