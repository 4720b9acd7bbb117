/* SPDX-License-Identifier: MIT
 * responses.c - see responses.h. Each call is one job of the store. */
#include "master/responses.h"

#include <errno.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "master/shelf.h"
#include "master/store_sql.h"

struct responses {
	struct shelf shelf;
};

struct responses_call {
	struct responses_call *next;
	struct responses_line *line;	/* NULL: nobody waits */
	enum link_keep what;
	uint64_t owner, now_ns, expires_ns, max_bytes;
	int fd;				/* a put's parcel, or what a get found; -1: none */
	int refused;			/* of a job whose changes are to stay */
	struct responses_answer answer;
	struct str id;
	char id_bytes[LINK_KEEP_ID_MAX];
};

/* ---- jobs, on the store's threads ----------------------------------------------------------- */

static int delete_own(struct store_db *db, const struct responses_call *c, int64_t *ret_rows)
{
	struct sql *q = sql_query(db, "DELETE FROM responses WHERE id = ? AND owner = ?");
	sql_text(q, 1, c->id);
	sql_int(q, 2, (int64_t)c->owner);
	int err = sql_run(q);
	*ret_rows = sql_changes(db);
	return err;
}

static int insert(struct store_db *db, const struct responses_call *c, const char *texts)
{
	size_t n = c->answer.response_bytes, m = c->answer.items_bytes;
	struct sql *q = sql_query(db, "INSERT INTO responses (id, owner, created, expires, size) "
				      "VALUES (?, ?, ?, ?, ?)");
	sql_text(q, 1, c->id);
	sql_int(q, 2, (int64_t)c->owner);
	sql_int(q, 3, (int64_t)c->now_ns);
	sql_int(q, 4, (int64_t)c->expires_ns);
	sql_int(q, 5, (int64_t)(n + m));
	int err = sql_run(q);
	if (err)
		return err;
	q = sql_query(db, "INSERT INTO response_texts (number, response, items) VALUES (?, ?, ?)");
	sql_int(q, 1, sql_last_id(db));
	sql_blob(q, 2, texts, n);
	sql_blob(q, 3, texts + n, m);
	return sql_run(q);
}

static int put_texts(struct store_db *db, struct responses_call *c)
{
	size_t size = (size_t)c->answer.response_bytes + c->answer.items_bytes;
	int64_t rows;
	char *texts = mem_alloc(size + 1);
	int err = texts ? parcel_read(c->fd, texts, size) : -ENOMEM;
	if (!err)
		err = delete_own(db, c, &rows);
	if (!err)
		err = insert(db, c, texts);
	mem_free(texts);
	return err;
}

static const struct shelf_sql shelf_sql;

/* What was pushed out stays out even when there is no room all the same. */
static int put_job(struct store_db *db, void *data)
{
	struct responses_call *c = data;
	uint64_t size = (uint64_t)c->answer.response_bytes + c->answer.items_bytes;
	int err = shelf_make_room(db, &shelf_sql, c->max_bytes, size);
	if (err == -ENOBUFS)
		c->refused = err;
	return c->refused ? 0 : err ? err : put_texts(db, c);
}

static int delete_job(struct store_db *db, void *data)
{
	int64_t rows = 0;
	int err = delete_own(db, data, &rows);
	return err || rows ? err : -ENOENT;
}

static int get_job(struct store_db *db, void *data)
{
	struct responses_call *c = data;
	struct sql *q = sql_query(db, "SELECT t.response, t.items FROM responses AS r "
				      "JOIN response_texts AS t ON t.number = r.number "
				      "WHERE r.id = ? AND r.owner = ? AND r.expires > ?");
	sql_text(q, 1, c->id);
	sql_int(q, 2, (int64_t)c->owner);
	sql_int(q, 3, (int64_t)c->now_ns);
	int r = sql_row(q);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	struct str texts[2] = { STR(""), sql_get_blob(q, 1) };
	if (c->what == LINK_KEEP_ALL)
		texts[0] = sql_get_blob(q, 0);
	c->answer.response_bytes = (uint32_t)texts[0].n;
	c->answer.items_bytes = (uint32_t)texts[1].n;
	int err = parcel_make(texts, COUNT(texts), &c->fd);
	sql_end(q);
	return err;
}

/* ---- calls ---------------------------------------------------------------------------------- */

static uint64_t bytes_to_put(const struct responses_call *c)
{
	if (c->what != LINK_KEEP_PUT)
		return 0;
	return (uint64_t)c->answer.response_bytes + c->answer.items_bytes;
}

/* The ledger's jobs wait behind these: a worker cannot make the queue as long as it likes. */
static bool enter_line(struct responses_call *c, struct responses_line *line)
{
	bool has_room = line->n < LINK_KEEPS && line->bytes + bytes_to_put(c) <= LINK_KEEP_BYTES;
	c->line = line;
	c->next = line->calls;
	line->calls = c;
	line->n++;
	line->bytes += bytes_to_put(c);
	return has_room;
}

static void leave_line(struct responses_call *c)
{
	struct responses_line *line = c->line;
	for (struct responses_call **p = line ? &line->calls : NULL; p && *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			line->n--;
			line->bytes -= bytes_to_put(c);
			break;
		}
	c->line = NULL;
}

static void call_free(struct responses_call *c)
{
	leave_line(c);
	if (c->fd >= 0)
		close(c->fd);
	mem_free(c);
}

static void answer_now(struct responses_line *line, uint64_t call, int err)
{
	struct responses_answer a = { .call = call, .err = err, .fd = -1 };
	line->answer(line->data, &a);
}

static void on_done(void *data, int err)
{
	struct responses_call *c = data;
	struct responses_line *line = c->line;
	if (line && line->answer) {
		c->answer.err = err ? err : c->refused;
		c->answer.fd = c->answer.err || c->what == LINK_KEEP_PUT ? -1 : c->fd;
		line->answer(line->data, &c->answer);
	}
	call_free(c);
}

int keep_read(struct frame_in *f, int fd, enum link_keep put, struct keep_fields *ret)
{
	ret->call = frame_get_u64(f);
	uint8_t what = frame_get_u8(f);
	ret->owner = frame_get_u64(f);
	ret->id = frame_get_str(f);
	ret->response_bytes = frame_get_u32(f);
	ret->items_bytes = frame_get_u32(f);
	ret->what = (enum link_keep)what;
	if (frame_end(f) < 0 || what >= LINK_KEEP_COUNT || ret->owner > INT64_MAX)
		return -EPROTO;
	if (!str_is_id(ret->id) || ret->id.n > LINK_KEEP_ID_MAX)
		return -EPROTO;
	uint64_t size = (uint64_t)ret->response_bytes + ret->items_bytes;
	if (ret->what != put)
		return fd < 0 && !size ? 0 : -EPROTO;
	return size <= LINK_KEEP_MAX ? parcel_check(fd, (size_t)size) : -EPROTO;
}

static int read_call(struct responses_call *c, struct frame_in *f)
{
	struct keep_fields k = { 0 };
	int err = keep_read(f, c->fd, LINK_KEEP_PUT, &k);
	c->answer.call = k.call;
	if (err || k.what >= LINK_KEEP_CONVERSATIONS)
		return -EPROTO;
	c->what = k.what;
	c->owner = k.owner;
	c->answer.response_bytes = k.response_bytes;
	c->answer.items_bytes = k.items_bytes;
	memcpy(c->id_bytes, k.id.p, k.id.n);
	c->id = str_of(c->id_bytes, k.id.n);
	return 0;
}

static int start(struct responses *r, struct responses_call *c)
{
	c->now_ns = clock_wall_ns();
	c->expires_ns = c->now_ns + r->shelf.keep_ns;
	c->max_bytes = r->shelf.keep_ns ? r->shelf.max_bytes : 0;
	if (r->shelf.is_stopped)
		return -ECANCELED;
	switch (c->what) {
	case LINK_KEEP_PUT:
		return store_write(r->shelf.store, put_job, on_done, c);
	case LINK_KEEP_DELETE:
		return store_write(r->shelf.store, delete_job, on_done, c);
	default:
		return store_read(r->shelf.store, get_job, on_done, c);
	}
}

int responses_take(struct responses *r, struct responses_line *line, struct frame_in *f, int fd)
{
	struct responses_call *c = mem_alloc(sizeof *c);
	if (!c) {
		uint64_t call = frame_get_u64(f);
		if (fd >= 0)
			close(fd);
		answer_now(line, call, -ENOMEM);
		return 0;
	}
	c->fd = fd;
	int err = read_call(c, f);
	uint64_t call = c->answer.call;
	if (err) {
		call_free(c);
		return err;
	}
	err = enter_line(c, line) ? start(r, c) : -EAGAIN;
	if (err) {
		call_free(c);
		answer_now(line, call, err);
	}
	return 0;
}

void responses_cut(struct responses_line *line)
{
	for (struct responses_call *c = line->calls; c; c = c->next)
		c->line = NULL;
	*line = (struct responses_line){ 0 };
}

/* ---- the shelf ------------------------------------------------------------------------------ */

static void tell_failed(int err)
{
	LOG(LOG_WARN, "responses.prune_failed", F_INT("errno", -err));
}

static const struct shelf_sql shelf_sql = {
	"SELECT bytes FROM responses_total",
	"DELETE FROM responses WHERE number = (SELECT min(number) FROM responses)",
	"DELETE FROM responses WHERE number IN (SELECT number FROM responses WHERE expires <= ? "
	"ORDER BY expires LIMIT ?)",
	tell_failed, false, SHELF_SLICE, SHELF_PAUSE_MS,
};

int responses_new(struct store *s, uv_loop_t *loop, struct responses **ret)
{
	struct responses *r = mem_alloc(sizeof *r);
	if (!r)
		return -ENOMEM;
	shelf_start(&r->shelf, &shelf_sql, s, loop, r);
	*ret = r;
	return 0;
}

void responses_configure(struct responses *r, uint64_t keep_ms, uint64_t max_bytes)
{
	shelf_configure(&r->shelf, keep_ms, max_bytes);
}

void responses_stop(struct responses *r)
{
	if (r)
		shelf_stop(&r->shelf);
}
