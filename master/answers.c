/* SPDX-License-Identifier: MIT
 * answers.c - see answers.h. A claim is looked up in memory first and then, by a job of the store,
 * among what is kept; who comes meanwhile waits for the same. */
#include "master/answers.h"

#include <errno.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "master/shelf.h"
#include "master/store_sql.h"

enum {
	BUCKETS = 4096,
	CLAIMS_MAX = 4096,		/* of one worker */
	ROW_COST = 512			/* bytes that a row counts for beside its texts */
};

enum claim_state {
	CLAIM_LOOKING,			/* is it kept? */
	CLAIM_HELD,			/* its worker makes it */
	CLAIM_KEEPING			/* it is made and goes to the disk */
};

struct claim {
	struct claim *next;		/* in its bucket */
	struct sha256 name, print;
	struct answers_line *line;	/* whose it is; NULL: that worker is gone */
	uint64_t call;			/* LOOKING: the one to be answered */
	enum claim_state state;
	uint64_t waiting;		/* bits: slots of workers that asked for it, too */
};
_Static_assert(BOARD_WORKERS <= 64, "claim.waiting has a bit for each worker");

struct answers {
	struct shelf shelf;
	struct claim *buckets[BUCKETS];
	struct answers_line *lines[BOARD_WORKERS];
	uint64_t serials;
};

struct answers_call {
	struct answers *a;
	unsigned slot;
	uint64_t serial;		/* of the line that asked */
	enum link_keep what;
	struct sha256 name, print;
	uint64_t owner, now_ns, expires_ns, max_bytes;
	int fd;				/* a put's parcel, or what was found; -1: none */
	int refused;			/* of a job whose changes are to stay */
	struct responses_answer answer;
};

/* ---- jobs, on the store's threads ----------------------------------------------------------- */

static int find_job(struct store_db *db, void *data)
{
	struct answers_call *c = data;
	struct sha256 print;
	struct sql *q = sql_query(db, "SELECT a.print, t.head, t.body FROM answers AS a "
				      "JOIN answer_texts AS t ON t.number = a.number "
				      "WHERE a.name = ? AND a.expires > ?");
	sql_blob(q, 1, c->name.b, sizeof c->name.b);
	sql_int(q, 2, (int64_t)c->now_ns);
	int r = sql_row(q);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	bool is_same = sql_get_sha256(q, 0, &print) && hash_sha256_eq(&print, &c->print);
	struct str texts[2] = { sql_get_blob(q, 1), sql_get_blob(q, 2) };
	int err = is_same ? 0 : -EEXIST;
	if (!err && texts[0].n) {
		c->answer.response_bytes = (uint32_t)texts[0].n;
		c->answer.items_bytes = (uint32_t)texts[1].n;
		err = parcel_make(texts, COUNT(texts), &c->fd);
	}
	sql_end(q);
	return err;
}

static const struct shelf_sql shelf_sql;

static int insert(struct store_db *db, const struct answers_call *c, const char *texts, size_t head,
		  size_t body)
{
	struct sql *q = sql_query(db, "DELETE FROM answers WHERE name = ?");
	sql_blob(q, 1, c->name.b, sizeof c->name.b);
	int err = sql_run(q);
	if (err)
		return err;
	q = sql_query(db, "INSERT INTO answers (name, print, owner, created, expires, size) "
			  "VALUES (?, ?, ?, ?, ?, ?)");
	sql_blob(q, 1, c->name.b, sizeof c->name.b);
	sql_blob(q, 2, c->print.b, sizeof c->print.b);
	sql_int(q, 3, (int64_t)c->owner);
	sql_int(q, 4, (int64_t)c->now_ns);
	sql_int(q, 5, (int64_t)c->expires_ns);
	sql_int(q, 6, (int64_t)(head + body + ROW_COST));
	err = sql_run(q);
	if (err)
		return err;
	q = sql_query(db, "INSERT INTO answer_texts (number, head, body) VALUES (?, ?, ?)");
	sql_int(q, 1, sql_last_id(db));
	sql_blob(q, 2, texts, head);
	sql_blob(q, 3, texts + head, body);
	return sql_run(q);
}

static int put_job(struct store_db *db, void *data)
{
	struct answers_call *c = data;
	size_t head = c->answer.response_bytes, body = c->answer.items_bytes;
	int err = shelf_make_room(db, &shelf_sql, c->max_bytes, head + body + ROW_COST);
	if (err == -ENOBUFS)
		c->refused = err;
	if (err)
		return c->refused ? 0 : err;
	char *texts = mem_alloc(head + body + 1);
	err = texts ? parcel_read(c->fd, texts, head + body) : -ENOMEM;
	if (!err)
		err = insert(db, c, texts, head, body);
	mem_free(texts);
	return err;
}

/* ---- claims --------------------------------------------------------------------------------- */

static struct claim **bucket_of(struct answers *a, const struct sha256 *name)
{
	return &a->buckets[hash_table(str_of((const char *)name->b, sizeof name->b)) % BUCKETS];
}

static struct claim *find(struct answers *a, const struct sha256 *name)
{
	struct claim *c = *bucket_of(a, name);
	while (c && !hash_sha256_eq(&c->name, name))
		c = c->next;
	return c;
}

static struct claim *find_own(struct answers *a, const struct sha256 *name,
			      const struct answers_line *line)
{
	struct claim *c = find(a, name);
	return c && line && c->line == line ? c : NULL;
}

static struct claim *claim_new(struct answers *a, struct answers_line *line,
			       const struct answers_call *call)
{
	struct claim *c = line->n_claims < CLAIMS_MAX ? mem_alloc(sizeof *c) : NULL;
	if (!c)
		return NULL;
	struct claim **bucket = bucket_of(a, &call->name);
	*c = (struct claim){ .next = *bucket, .name = call->name, .print = call->print,
			     .line = line, .call = call->answer.call };
	*bucket = c;
	line->n_claims++;
	return c;
}

/* It is over, however it went: who waits may claim it now. */
static void claim_end(struct answers *a, struct claim *c)
{
	struct claim **p = bucket_of(a, &c->name);
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	if (c->line)
		c->line->n_claims--;
	for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
		struct answers_line *l = a->lines[slot];
		if (c->waiting >> slot & 1 && l)
			l->released(l->data, &c->name);
	}
	mem_free(c);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static struct answers_line *line_of(const struct answers_call *c)
{
	struct answers_line *l = c->a->lines[c->slot];
	return l && l->serial == c->serial ? l : NULL;
}

static void call_free(struct answers_call *c)
{
	if (c->fd >= 0)
		close(c->fd);
	mem_free(c);
}

static uint64_t bytes_to_put(const struct answers_call *c)
{
	if (c->what != LINK_KEEP_ANSWER)
		return 0;
	return (uint64_t)c->answer.response_bytes + c->answer.items_bytes;
}

static void say(struct answers_call *c, int err)
{
	struct answers_line *line = line_of(c);
	if (!line)
		return;
	c->answer.err = err;
	c->answer.fd = err || c->what == LINK_KEEP_ANSWER ? -1 : c->fd;
	line->answer(line->data, &c->answer);
}

/* A job is over. */
static void leave_line(struct answers_call *c)
{
	struct answers_line *line = line_of(c);
	if (!line)
		return;
	line->n--;
	line->bytes -= bytes_to_put(c);
}

static void on_found(void *data, int err)
{
	struct answers_call *c = data;
	struct claim *claim = find_own(c->a, &c->name, line_of(c));
	leave_line(c);
	if (!claim || claim->state != CLAIM_LOOKING || claim->call != c->answer.call)
		err = -ECANCELED;
	else if (err == -ENOENT)
		claim->state = CLAIM_HELD;
	else
		claim_end(c->a, claim);
	say(c, err);
	call_free(c);
}

/* Nobody's claim is in the way any more, whether its worker still lives or not. */
static void on_put(void *data, int err)
{
	struct answers_call *c = data;
	struct claim *claim = find(c->a, &c->name);
	leave_line(c);
	if (claim && claim->state == CLAIM_KEEPING)
		claim_end(c->a, claim);
	say(c, err ? err : c->refused);
	call_free(c);
}

/* -EINPROGRESS: a job will say. Else the answer. */
static int claim(struct answers_call *c, struct answers_line *line)
{
	struct claim *claim = find(c->a, &c->name);
	if (claim && !hash_sha256_eq(&claim->print, &c->print))
		return -EEXIST;
	if (claim && claim->line == line && claim->state == CLAIM_HELD)
		return -ENOENT;		/* it has lost count: it is that worker's all the same */
	if (claim) {
		claim->waiting |= UINT64_C(1) << c->slot;
		return -EINPROGRESS;
	}
	claim = claim_new(c->a, line, c);
	if (!claim)
		return -EAGAIN;
	int err = store_read(c->a->shelf.store, find_job, on_found, c);
	if (err)
		claim_end(c->a, claim);
	return err;
}

/* Where the claim was lost in an upgrade in place the answer is as good. */
static int keep(struct answers_call *c, struct answers_line *line)
{
	struct claim *claim = find_own(c->a, &c->name, line);
	int err = store_write(c->a->shelf.store, put_job, on_put, c);
	if (claim && !err)
		claim->state = CLAIM_KEEPING;
	else if (claim)
		claim_end(c->a, claim);
	return err;
}

/* The id is name and print. */
static int read_call(struct answers_call *c, struct frame_in *f)
{
	const size_t hex = 2 * sizeof c->name.b;
	struct keep_fields k = { 0 };
	if (keep_read(f, c->fd, LINK_KEEP_ANSWER, &k) < 0 || k.what < LINK_KEEP_CONVERSATIONS)
		return -EPROTO;
	if (k.id.n != 2 * hex || hash_unhex(c->name.b, sizeof c->name.b, str_of(k.id.p, hex)) < 0 ||
	    hash_unhex(c->print.b, sizeof c->print.b, str_skip(k.id, hex)) < 0)
		return -EPROTO;
	c->what = k.what;
	c->owner = k.owner;
	c->answer.call = k.call;
	c->answer.response_bytes = k.response_bytes;
	c->answer.items_bytes = k.items_bytes;
	return 0;
}

static void release(struct answers_call *c, const struct answers_line *line)
{
	struct claim *claim = find_own(c->a, &c->name, line);
	if (claim && claim->state != CLAIM_KEEPING)
		claim_end(c->a, claim);
}

/* Whether a job has been given, which frees the call. */
static bool start(struct answers_call *c, struct answers_line *line)
{
	bool has_room = line->n < LINK_KEEPS && line->bytes + bytes_to_put(c) <= LINK_KEEP_BYTES;
	bool is_known = c->what == LINK_KEEP_CLAIM && find(c->a, &c->name);
	int err = has_room || is_known ? 0 : -EAGAIN;
	if (c->a->shelf.is_stopped)
		err = -ECANCELED;
	if (err && c->what == LINK_KEEP_ANSWER)
		release(c, line);
	if (!err)
		err = c->what == LINK_KEEP_CLAIM ? claim(c, line) : keep(c, line);
	if (!err && !is_known) {
		line->n++;
		line->bytes += bytes_to_put(c);
		return true;
	}
	say(c, err);
	return false;
}

static void enter(struct answers *a, struct answers_line *line)
{
	if (a->lines[line->slot] == line)
		return;
	line->serial = ++a->serials;
	a->lines[line->slot] = line;
}

int answers_take(struct answers *a, struct answers_line *line, struct frame_in *f, int fd)
{
	struct answers_call *c = mem_alloc(sizeof *c);
	enter(a, line);
	if (!c) {
		uint64_t call = frame_get_u64(f);
		struct responses_answer none = { .call = call, .err = -ENOMEM, .fd = -1 };
		if (fd >= 0)
			close(fd);
		line->answer(line->data, &none);
		return 0;
	}
	*c = (struct answers_call){ .a = a, .slot = line->slot, .serial = line->serial, .fd = fd };
	int err = read_call(c, f);
	c->now_ns = clock_wall_ns();
	c->expires_ns = c->now_ns + a->shelf.keep_ns;
	c->max_bytes = a->shelf.keep_ns ? a->shelf.max_bytes : 0;
	if (!err && c->what == LINK_KEEP_RELEASE)
		release(c, line);
	else if (!err && start(c, line))
		return 0;
	call_free(c);
	return err;
}

void answers_cut(struct answers *a, struct answers_line *line)
{
	if (!a || a->lines[line->slot] != line)
		return;
	a->lines[line->slot] = NULL;
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct claim *c = a->buckets[i], *next; c && line->n_claims; c = next) {
			next = c->next;
			if (c->line != line)
				continue;
			if (c->state != CLAIM_KEEPING) {
				claim_end(a, c);
				continue;
			}
			c->line = NULL;
			line->n_claims--;
		}
}

/* ---- the shelf ------------------------------------------------------------------------------ */

static void tell_failed(int err)
{
	LOG(LOG_WARN, "answers.prune_failed", F_INT("errno", -err));
}

static const struct shelf_sql shelf_sql = {
	"SELECT bytes FROM answers_total",
	"DELETE FROM answers WHERE number = (SELECT min(number) FROM answers)",
	"DELETE FROM answers WHERE number IN (SELECT number FROM answers WHERE expires <= ? "
	"ORDER BY expires LIMIT ?)",
	tell_failed, false, SHELF_SLICE, SHELF_PAUSE_MS,
};

int answers_new(struct store *s, uv_loop_t *loop, struct answers **ret)
{
	struct answers *a = mem_alloc(sizeof *a);
	if (!a)
		return -ENOMEM;
	shelf_start(&a->shelf, &shelf_sql, s, loop, a);
	*ret = a;
	return 0;
}

void answers_configure(struct answers *a, uint64_t keep_ms, uint64_t max_bytes)
{
	shelf_configure(&a->shelf, keep_ms, max_bytes);
}

/* Claims that are left go with the process. */
void answers_stop(struct answers *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (a->buckets[i]) {
			struct claim *c = a->buckets[i];
			a->buckets[i] = c->next;
			mem_free(c);
		}
	shelf_stop(&a->shelf);
}
