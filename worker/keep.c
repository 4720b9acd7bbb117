/* SPDX-License-Identifier: MIT
 * keep.c - see keep.h. Calls stand in one list, oldest first: those that were sent, and behind
 * them those that wait because the master has enough to do. */
#include "worker/keep.h"

#include <errno.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "worker/later.h"
#include "worker/request.h"

enum {
	CALLS_MAX = 1024,
	BYTES_MAX = 128 << 20,		/* in parcels that are not answered yet */
	LIMIT_MS = 3000,		/* for an answer */
	AGAIN_MS = 1			/* the link was full */
};

struct keep_call {
	struct keep_call *next;
	struct worker *w;
	struct request *r;		/* NULL: it has ended */
	keep_done_fn *done;
	enum link_keep what;
	uint64_t number, owner;
	struct later limit;
	bool is_sent;
	int fd;				/* a parcel to send; -1: none, or sent */
	uint32_t response_bytes, items_bytes;
	size_t id_bytes;
	char id[LINK_KEEP_ID_MAX];
};

static size_t bytes_of(const struct keep_call *c)
{
	return (size_t)c->response_bytes + c->items_bytes;
}

static void call_free(struct worker *w, struct keep_call *c)
{
	struct keep_call **p = &w->keeps;
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	if (!*p)
		w->last_keep = p;
	w->n_keeps--;
	w->n_keeps_sent -= c->is_sent;
	w->keep_bytes -= bytes_of(c);
	w->keep_bytes_sent -= c->is_sent ? bytes_of(c) : 0;
	later_stop(&c->limit);
	if (c->fd >= 0)
		close(c->fd);
	mem_free(c);
}

/* Frees the call; the request may be over when this returns. */
static void finish(struct worker *w, struct keep_call *c, int err, const struct kept *kept)
{
	struct request *r = c->r;
	keep_done_fn *done = c->done;
	call_free(w, c);
	if (!r)
		return;
	r->keep = NULL;
	done(r, err, kept);
}

static void let_go(struct keep_call *c)
{
	if (c->r)
		c->r->keep = NULL;
	c->r = NULL;
}

static const struct kept nothing;

/* Once sent it stays in the list until the master answers: what it has is not forgotten. */
static void on_limit(struct later *l)
{
	struct keep_call *c = l->data;
	struct request *r = c->r;
	keep_done_fn *done = c->done;
	if (!c->is_sent) {
		finish(c->w, c, -ETIMEDOUT, &nothing);
		return;
	}
	let_go(c);
	if (r)
		done(r, -ETIMEDOUT, &nothing);
}

/* ---- sending ---- */

static int send_call(struct keep_call *c)
{
	struct frame_out *f = mem_alloc(sizeof *f);
	if (!f)
		return -EAGAIN;
	frame_begin(f, LINK_KEEP);
	frame_put_u64(f, c->number);
	frame_put_u8(f, (uint8_t)c->what);
	frame_put_u64(f, c->owner);
	frame_put_str(f, str_of(c->id, c->id_bytes));
	frame_put_u32(f, c->response_bytes);
	frame_put_u32(f, c->items_bytes);
	int err = fdpass_send(c->w->link_fd, frame_finish(f), &c->fd, c->fd >= 0);
	mem_free(f);
	return err;
}

static void flush(struct worker *w);

static void on_again(struct later *l)
{
	flush(l->data);
}

/* What cannot be sent because the master is gone fails when the link says so. */
static void flush(struct worker *w)
{
	for (struct keep_call *c = w->keeps, *next; c && w->n_keeps_sent < LINK_KEEPS; c = next) {
		next = c->next;
		if (c->is_sent)
			continue;
		if (w->keep_bytes_sent + bytes_of(c) > LINK_KEEP_BYTES)
			break;		/* goes on with the next answer */
		if (send_call(c) < 0) {
			later_start(w->wheel, &w->keep_again, AGAIN_MS, on_again, w);
			return;
		}
		if (c->what == LINK_KEEP_RELEASE) {	/* nothing is said in return */
			call_free(w, c);
			continue;
		}
		c->is_sent = true;
		w->n_keeps_sent++;
		w->keep_bytes_sent += bytes_of(c);
		if (c->fd >= 0)
			close(c->fd);
		c->fd = -1;
	}
	later_stop(&w->keep_again);
}

/* Takes like->fd when it succeeds. */
static struct keep_call *call_new(const struct keep_call *like, struct str id)
{
	struct worker *w = like->w;
	struct keep_call *c = mem_alloc(sizeof *c);
	if (!c)
		return NULL;
	*c = *like;
	c->number = ++w->next_keep;
	c->id_bytes = id.n;
	memcpy(c->id, id.p, id.n);
	if (!w->keeps)
		w->last_keep = &w->keeps;
	*w->last_keep = c;
	w->last_keep = &c->next;
	w->n_keeps++;
	w->keep_bytes += bytes_of(c);
	if (c->r)
		c->r->keep = c;
	later_start(w->wheel, &c->limit, LIMIT_MS, on_limit, c);
	return c;
}

static int start(struct keep_call *like, struct str id, const struct kept *put)
{
	struct worker *w = like->w;
	struct str texts[2] = { put ? put->response : STR_NONE, put ? put->items : STR_NONE };
	size_t bytes = texts[0].n + texts[1].n;
	/* Who lets go makes room for others. */
	unsigned most = like->what == LINK_KEEP_RELEASE ? 8 * CALLS_MAX : CALLS_MAX;
	if (w->is_master_gone)
		return -EPIPE;
	if (!str_is_id(id) || id.n > LINK_KEEP_ID_MAX)
		return put ? -EINVAL : -ENOENT;	/* nothing is kept under such a name */
	if (bytes > LINK_KEEP_MAX)
		return -EFBIG;
	if (w->n_keeps >= most || w->keep_bytes + bytes > BYTES_MAX)
		return -EAGAIN;
	like->fd = -1;
	int err = put ? parcel_make(texts, COUNT(texts), &like->fd) : 0;
	if (err)
		return err;
	like->response_bytes = (uint32_t)texts[0].n;
	like->items_bytes = (uint32_t)texts[1].n;
	if (!call_new(like, id)) {
		if (like->fd >= 0)
			close(like->fd);
		return -ENOMEM;
	}
	flush(w);
	return 0;
}

int keep_call(struct request *r, enum link_keep what, struct str id, const struct kept *put,
	      keep_done_fn *done)
{
	struct keep_call like = { .w = r->w, .r = r, .done = done, .what = what,
				  .owner = r->key.id };
	MUST(!r->keep);
	return start(&like, id, put);
}

int keep_post(struct worker *w, enum link_keep what, uint64_t owner, struct str id,
	      const struct kept *put)
{
	struct keep_call like = { .w = w, .what = what, .owner = owner };
	return start(&like, id, put);
}

void keep_forget(struct request *r)
{
	if (r->keep)
		let_go(r->keep);
}

/* ---- answers ---- */

static struct keep_call *find(struct worker *w, uint64_t number)
{
	struct keep_call *c = w->keeps;
	while (c && c->number != number)
		c = c->next;
	return c;
}

static void finish_with(struct worker *w, struct keep_call *c, int fd, size_t response,
			size_t items)
{
	bool is_good = response <= LINK_KEEP_MAX && items <= LINK_KEEP_MAX;
	char *texts = c->r && is_good ? mem_alloc(response + items + 1) : NULL;
	int err = texts ? parcel_read(fd, texts, response + items) : -ENOMEM;
	struct kept kept = nothing;
	if (!err)
		kept = (struct kept){ str_of(texts, response), str_of(texts + response, items) };
	finish(w, c, err, &kept);
	mem_free(texts);
}

void keep_answer(struct worker *w, struct frame_in *f, int fd)
{
	struct keep_call *c = find(w, frame_get_u64(f));
	int err = -(int)(frame_get_u32(f) & 0xffff);
	size_t response = frame_get_u32(f), items = frame_get_u32(f);
	if (frame_end(f) == 0 && c) {
		if (!err && fd >= 0)
			finish_with(w, c, fd, response, items);
		else
			finish(w, c, err, &nothing);
		flush(w);
	}
	if (fd >= 0)
		close(fd);
}

void keep_fail_all(struct worker *w)
{
	while (w->keeps)
		finish(w, w->keeps, -EPIPE, &nothing);
	later_stop(&w->keep_again);
}
