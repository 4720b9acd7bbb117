/* SPDX-License-Identifier: MIT
 * worker_link.c - frames from and to one worker, and the management calls that it relays. */
#include "master/worker_link.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/frame.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/answers.h"
#include "master/commands.h"
#include "master/jwks.h"
#include "master/responses.h"

enum { CALLS_MAX = 256, OUT_MAX = 64 << 20, OUT_FDS_MAX = 64 };

/* A management call: first its arguments come together, then the command runs. */
struct call {
	struct call *next;
	struct worker_link *link;	/* NULL: the worker has gone */
	uint64_t number;
	const struct command *command;
	bool is_admin, is_viewer, has_master_key;
	uint64_t key_id;
	struct sha256 hash;
	uint8_t address[16];
	char changed_by[256];
	char path_name[513];
	size_t path_name_n;
	struct buf args;
};

struct out {				/* a frame that did not fit into the socket yet */
	struct out *next;
	int fd;				/* goes along; -1: none */
	size_t n;
	char bytes[];
};

struct worker_link {
	struct master *m;
	unsigned slot;
	int fd;
	uv_poll_t poll;
	bool is_closing;
	struct call *calls;
	unsigned n_calls;
	struct responses_line responses;
	struct answers_line answers;
	struct out *first, **last;
	size_t out_bytes;
	unsigned out_fds;
	unsigned char in[FRAME_MAX];
	struct frame_out frame;
};

/* ---- sending ---- */

static void on_event(uv_poll_t *p, int status, int events);

static void drop_first(struct worker_link *l)
{
	struct out *o = l->first;
	l->first = o->next;
	if (!l->first)
		l->last = &l->first;
	l->out_bytes -= o->n;
	if (o->fd >= 0) {
		close(o->fd);
		l->out_fds--;
	}
	mem_free(o);
}

static void flush(struct worker_link *l)
{
	while (l->first) {
		const struct out *o = l->first;
		int err = fdpass_send(l->fd, str_of(o->bytes, o->n), &o->fd, o->fd >= 0);
		if (err == -EAGAIN)
			return;
		drop_first(l);
	}
	uv_poll_start(&l->poll, UV_READABLE | UV_DISCONNECT, on_event);
}

/* What a worker needs to begin is few and small: it is never queued. */
static int send_now(struct worker_link *l, const int *fds, unsigned n)
{
	struct str bytes = frame_finish(&l->frame);
	return bytes.p ? fdpass_send(l->fd, bytes, fds, n) : -EMSGSIZE;
}

/* Borrows fd; -1: none goes along. */
static int send_later(struct worker_link *l, int fd)
{
	struct str bytes = frame_finish(&l->frame);
	bool has_room = l->out_bytes + bytes.n <= OUT_MAX && (fd < 0 || l->out_fds < OUT_FDS_MAX);
	int err = bytes.p ? -EAGAIN : -EMSGSIZE;
	if (bytes.p && !l->first)
		err = fdpass_send(l->fd, bytes, &fd, fd >= 0);
	if (err != -EAGAIN)
		return err;
	int copy = fd >= 0 && has_room ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	struct out *o = has_room && (fd < 0 || copy >= 0) ? mem_alloc(sizeof *o + bytes.n) : NULL;
	if (!o) {
		if (copy >= 0)
			close(copy);
		return -ENOBUFS;
	}
	o->fd = copy;
	l->out_fds += copy >= 0;
	o->n = bytes.n;
	memcpy(o->bytes, bytes.p, bytes.n);
	*l->last = o;
	l->last = &o->next;
	l->out_bytes += o->n;
	return uv_poll_start(&l->poll, UV_READABLE | UV_WRITABLE | UV_DISCONNECT, on_event);
}

int worker_link_snapshot(struct worker_link *l, uint64_t generation, int snapshot_fd)
{
	frame_begin(&l->frame, LINK_SNAPSHOT);
	frame_put_u64(&l->frame, generation);
	const int fds[] = { snapshot_fd, l->m->cache_fd };
	return send_now(l, fds, fds[1] < 0 ? 1 : 2);
}

int worker_link_directory(struct worker_link *l, int dir_fd)
{
	frame_begin(&l->frame, LINK_DIRECTORY);
	return send_now(l, &dir_fd, 1);
}

int worker_link_hello(struct worker_link *l, const struct listen_set *listen, int dir_fd,
		      int journal_fd, uint64_t generation, int snapshot_fd)
{
	const int fds[] = { dir_fd, journal_fd };
	enum log_format format = LOG_TEXT;
	bool prefix = false;
	log_settings(&format, &prefix);
	frame_begin(&l->frame, LINK_HELLO);
	frame_put_u32(&l->frame, l->slot);
	frame_put_u32(&l->frame, (uint32_t)listen->n);
	frame_put_u64(&l->frame, listen->tls_bits);
	frame_put_u8(&l->frame, (uint8_t)log_threshold);
	frame_put_u8(&l->frame, (uint8_t)format);
	frame_put_u8(&l->frame, prefix);
	int err = send_now(l, fds, COUNT(fds));
	return err < 0 ? err : worker_link_snapshot(l, generation, snapshot_fd);
}

int worker_link_keys(struct worker_link *l, uint64_t version, const struct worker_link_text *v,
		     unsigned n, int fd)
{
	frame_begin(&l->frame, LINK_KEYS);
	frame_put_u64(&l->frame, version);
	frame_put_u32(&l->frame, n);
	for (unsigned i = 0; i < n; i++) {
		frame_put_u32(&l->frame, v[i].bytes);
		frame_put_str(&l->frame, v[i].issuer);
	}
	return send_later(l, fd);
}

void worker_link_tokenizer(struct worker_link *l, uint32_t encoding, int fd)
{
	frame_begin(&l->frame, LINK_TOKENIZER);
	frame_put_u32(&l->frame, encoding);
	if (send_later(l, fd) < 0)
		LOG(LOG_WARN, "link.send_failed", F_INT("slot", l->slot));
}

void worker_link_drain(struct worker_link *l, uint64_t ms)
{
	if (!l)
		return;
	frame_begin(&l->frame, LINK_DRAIN);
	frame_put_u64(&l->frame, ms);
	if (send_later(l, -1) < 0)
		LOG(LOG_WARN, "link.send_failed", F_INT("slot", l->slot));
}

/* ---- calls ---- */

static void call_free(struct call *c)
{
	struct worker_link *l = c->link;
	for (struct call **p = l ? &l->calls : NULL; p && *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			l->n_calls--;
			break;
		}
	buf_done(&c->args);
	mem_free(c);
}

static void send_answer(struct worker_link *l, uint64_t number, int status, struct str body)
{
	do {
		struct str piece = str_of(body.p, body.n < LINK_PIECE ? body.n : LINK_PIECE);
		body = str_skip(body, piece.n);
		frame_begin(&l->frame, LINK_ANSWER);
		frame_put_u64(&l->frame, number);
		frame_put_u32(&l->frame, (uint32_t)status);
		frame_put_u8(&l->frame, body.n == 0);
		frame_put_str(&l->frame, piece);
		if (send_later(l, -1) < 0) {
			LOG(LOG_WARN, "link.send_failed", F_INT("slot", l->slot));
			return;
		}
	} while (body.n);
}

static void on_answer(struct command_call *cc)
{
	struct call *c = cc->answer_data;
	if (c->link)
		send_answer(c->link, c->number, cc->status, buf_str(&cc->out));
	call_free(c);
}

static void run_call(struct call *c)
{
	struct master *m = c->link->m;
	struct command_call *cc = command_new(m, c->command, buf_str(&c->args), on_answer, c);
	if (!cc) {
		send_answer(c->link, c->number, 503,
			    STR("{\"error\":{\"message\":\"out of "
				"memory\",\"type\":\"internal_server_error\","
				"\"param\":null,\"code\":\"503\"}}"));
		call_free(c);
		return;
	}
	cc->kind = CALLER_HTTP;
	cc->is_admin = c->is_admin;
	cc->is_viewer = c->is_viewer;
	cc->has_master_key = c->has_master_key;
	cc->caller_key = c->key_id;
	cc->caller_hash = &c->hash;
	if (c->is_admin)		/* nobody else speaks for others */
		cc->changed_by = str_z(c->changed_by);
	memcpy(cc->address, c->address, sizeof cc->address);
	cc->path_name = str_of(c->path_name, c->path_name_n);
	command_run(cc);
}

static struct call *call_new(struct worker_link *l, const struct command *cmd, uint64_t number)
{
	struct call *c = l->n_calls < CALLS_MAX ? mem_alloc(sizeof *c) : NULL;
	if (!c)
		return NULL;
	c->link = l;
	c->number = number;
	c->command = cmd;
	buf_init(&c->args, cmd->flags & CMD_LARGE ? COMMAND_ARGS_LARGE : COMMAND_ARGS_MAX);
	c->next = l->calls;
	l->calls = c;
	l->n_calls++;
	return c;
}

static void refuse_call(struct worker_link *l, uint64_t number, int status, const char *text)
{
	send_answer(l, number, status, str_z(text));
}

/* The name in a path, percent-decoded; one that is too long is no name at all. */
static void decode_name(struct str s, struct call *c)
{
	uint8_t byte;
	for (size_t i = 0; i < s.n && c->path_name_n < sizeof c->path_name; i++) {
		bool is_coded = s.p[i] == '%' && i + 2 < s.n &&
				hash_unhex(&byte, 1, str_of(s.p + i + 1, 2)) == 0;
		c->path_name[c->path_name_n++] = is_coded ? (char)byte : s.p[i];
		i += is_coded ? 2 : 0;
	}
	if (c->path_name_n == sizeof c->path_name)
		c->path_name_n = 0;
}

static int take_call(struct worker_link *l, struct frame_in *f)
{
	uint64_t number = frame_get_u64(f);
	uint8_t role = frame_get_u8(f);
	uint64_t key_id = frame_get_u64(f);
	struct sha256 hash;
	uint8_t address[16];
	bool other_method;
	frame_get_bytes(f, hash.b, sizeof hash.b);
	frame_get_bytes(f, address, sizeof address);
	struct str by = frame_get_str(f), method = frame_get_str(f), path = frame_get_str(f);
	bool is_last = frame_get_u8(f);
	struct str args = frame_get_str(f);
	if (frame_end(f) < 0)
		return -EPROTO;
	const struct command *cmd = command_by_path(method, path, &other_method);
	struct call *c = cmd ? call_new(l, cmd, number) : NULL;
	if (!c) {
		refuse_call(l, number, cmd ? 503 : 404,
			    cmd ? "{\"error\":{\"message\":\"too many calls\",\"code\":\"503\"}}"
				: "{\"detail\":\"Not Found\"}");
		return 0;
	}
	c->is_admin = role & 1;
	c->is_viewer = role & 2;
	c->has_master_key = role & 4;
	c->key_id = key_id;
	c->hash = hash;
	memcpy(c->address, address, sizeof c->address);
	decode_name(command_path_name(cmd, path), c);
	if (by.n && by.n < sizeof c->changed_by)
		memcpy(c->changed_by, by.p, by.n);
	buf_put(&c->args, args);
	if (is_last)
		run_call(c);
	return 0;
}

static int take_more(struct worker_link *l, struct frame_in *f)
{
	uint64_t number = frame_get_u64(f);
	bool is_last = frame_get_u8(f);
	struct str args = frame_get_str(f);
	if (frame_end(f) < 0)
		return -EPROTO;
	for (struct call *c = l->calls; c; c = c->next) {
		if (c->number != number)
			continue;
		buf_put(&c->args, args);
		if (is_last)
			run_call(c);
		return 0;
	}
	return 0;
}

/* ---- what is kept ---- */

static void put_kept(struct worker_link *l, const struct responses_answer *a)
{
	frame_begin(&l->frame, LINK_KEPT);
	frame_put_u64(&l->frame, a->call);
	frame_put_u32(&l->frame, (uint32_t)-a->err);
	frame_put_u32(&l->frame, a->fd < 0 ? 0 : a->response_bytes);
	frame_put_u32(&l->frame, a->fd < 0 ? 0 : a->items_bytes);
}

static void on_kept(void *data, const struct responses_answer *a)
{
	struct worker_link *l = data;
	put_kept(l, a);
	int err = send_later(l, a->fd);
	if (err == -ENOBUFS && a->fd >= 0) {	/* without what it asked for, but an answer */
		put_kept(l, &(struct responses_answer){ .call = a->call, .err = err, .fd = -1 });
		err = send_later(l, -1);
	}
	if (err < 0)
		LOG(LOG_WARN, "link.send_failed", F_INT("slot", l->slot));
}

/* A worker that misses it asks again by itself. */
static void on_released(void *data, const struct sha256 *name)
{
	struct worker_link *l = data;
	frame_begin(&l->frame, LINK_RELEASED);
	frame_put_bytes(&l->frame, name->b, sizeof name->b);
	if (send_later(l, -1) < 0)
		LOG(LOG_WARN, "link.send_failed", F_INT("slot", l->slot));
}

static int take_keep(struct worker_link *l, struct frame_in *f, int *fds, unsigned *n_fds)
{
	struct frame_in peek = *f;
	int fd = *n_fds == 1 ? fds[0] : -1;
	if (*n_fds > 1)
		return -EPROTO;
	*n_fds = 0;
	frame_get_u64(&peek);
	if (frame_get_u8(&peek) >= LINK_KEEP_CONVERSATIONS)
		return answers_take(l->m->answers, &l->answers, f, fd);
	return responses_take(l->m->responses, &l->responses, f, fd);
}

/* ---- receiving ---- */

/* Descriptors that it takes are not counted any more. */
static int take_frame(struct worker_link *l, size_t n, int *fds, unsigned *n_fds)
{
	struct supervise *s = l->m->supervise;
	struct frame_in f;
	uint64_t generation;
	bool ok;
	if (frame_open(&f, l->in, n) < 0)
		return -EPROTO;
	switch (f.type) {
	case LINK_READY:
		generation = frame_get_u64(&f);
		if (frame_end(&f) < 0)
			return -EPROTO;
		supervise_worker_ready(s, l->slot, generation);
		return 0;
	case LINK_ADOPTED:
		generation = frame_get_u64(&f);
		ok = frame_get_u8(&f);
		if (frame_end(&f) < 0)
			return -EPROTO;
		supervise_worker_adopted(s, l->slot, generation, ok);
		return 0;
	case LINK_CALL:
		return take_call(l, &f);
	case LINK_CALL_MORE:
		return take_more(l, &f);
	case LINK_KEEP:
		return take_keep(l, &f, fds, n_fds);
	case LINK_KEYS_WANTED:
		generation = frame_get_u64(&f);
		if (frame_end(&f) < 0)
			return -EPROTO;
		jwks_wanted(l->m->jwks, l, generation);
		return 0;
	case LINK_ILL:
		(void)frame_get_u64(&f);
		if (frame_end(&f) < 0)
			return -EPROTO;
		supervise_worker_ill(s, l->slot);
		return 0;
	default:
		return -EPROTO;
	}
}

static void on_event(uv_poll_t *p, int status, int events)
{
	struct worker_link *l = p->data;
	int fds[FDPASS_MAX];
	unsigned n_fds = 0;
	if (status < 0) {
		uv_poll_stop(p);
		return;			/* the process is ending; its exit is told by itself */
	}
	if (events & UV_WRITABLE)
		flush(l);
	for (unsigned turn = 0; turn < 64 && !l->is_closing; turn++) {
		long n = fdpass_receive(l->fd, l->in, sizeof l->in, fds, &n_fds);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			uv_poll_stop(p);
			return;
		}
		int err = take_frame(l, (size_t)n, fds, &n_fds);
		for (unsigned i = 0; i < n_fds; i++)
			close(fds[i]);
		if (err < 0) {
			LOG(LOG_ERROR, "link.damaged", F_INT("slot", l->slot));
			uv_poll_stop(p);
			shutdown(l->fd, SHUT_RDWR);	/* the worker sees the end and goes */
			return;
		}
	}
}

int worker_link_new(struct master *m, unsigned slot, int fd, struct worker_link **ret)
{
	struct worker_link *l = mem_alloc(sizeof *l);
	if (!l) {
		close(fd);
		return -ENOMEM;
	}
	l->m = m;
	l->slot = slot;
	l->fd = fd;
	l->last = &l->first;
	l->responses = (struct responses_line){ .answer = on_kept, .data = l };
	l->answers = (struct answers_line){ .answer = on_kept, .released = on_released, .data = l,
					    .slot = slot };
	int err = uv_poll_init(m->loop, &l->poll, fd);
	if (err < 0) {
		close(fd);
		mem_free(l);
		return err;
	}
	l->poll.data = l;
	*ret = l;
	return uv_poll_start(&l->poll, UV_READABLE | UV_DISCONNECT, on_event);
}

int worker_link_fd(const struct worker_link *l)
{
	return l->fd;
}

bool worker_link_is_quiet(const struct worker_link *l)
{
	return !l->calls && !l->responses.calls && !l->answers.n && !l->first;
}

static void poll_closed(uv_handle_t *h)
{
	struct worker_link *l = h->data;
	close(l->fd);
	mem_free(l);
}

struct worker_link *worker_link_free(struct worker_link *l)
{
	if (!l)
		return NULL;
	l->is_closing = true;
	for (struct call *c = l->calls; c; c = c->next)
		c->link = NULL;		/* their answers will find nobody */
	l->calls = NULL;
	responses_cut(&l->responses);
	answers_cut(l->m->answers, &l->answers);
	while (l->first)
		drop_first(l);
	uv_close((uv_handle_t *)&l->poll, poll_closed);
	return NULL;
}
