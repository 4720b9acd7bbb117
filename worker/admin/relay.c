/* SPDX-License-Identifier: MIT
 * relay.c - see relay.h. A call is known by a number; its answer comes in pieces over the link. */
#include "worker/admin/relay.h"

#include <errno.h>

#include "common/fdpass.h"
#include "common/json_write.h"
#include "common/link_proto.h"
#include "common/mem.h"
#include "worker/admin/admin.h"
#include "worker/admin/names.h"
#include "worker/later.h"
#include "worker/request.h"

enum { CALL_MAX = 1 << 20, LARGE_MAX = 16 << 20 };
enum { ANSWER_MAX = 32 << 20, CALLS_MAX = 256, AGAIN_MS = 1 };

struct relay_call {
	struct relay_call *next;
	struct worker *w;
	struct request *r;		/* NULL: the client has left */
	uint64_t number;
	struct buf out;			/* the call as frames */
	size_t sent;			/* bytes of it that are on their way */
	struct later again;
	struct buf answer;
	relay_done_fn *done;		/* NULL: the answer is the request's */
};

/* What is called, and by whom. */
struct relay_what {
	struct str method, path, by, args;
	bool is_admin;
};

/* ---- arguments --------------------------------------------------------------------------------
 */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct str decode(struct arena *a, struct str s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;
	if (!out)
		return STR_NONE;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%' && i + 2 < s.n && hex_digit(s.p[i + 1]) >= 0 &&
		    hex_digit(s.p[i + 2]) >= 0) {
			out[n++] = (char)(hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2]));
			i += 2;
		} else {
			out[n++] = s.p[i] == '+' ? ' ' : s.p[i];
		}
	}
	return str_of(out, n);
}

/* The query as one JSON object of strings; the first of equal names wins, and before all of them
 * the caller's models, if these are given. Failure is the buf's. */
static void query_to_json(struct arena *a, struct str query, struct str models, struct buf *out)
{
	struct json_out o = json_out(out);
	struct str seen[32];
	unsigned n_seen = 0;
	json_open(&o, NULL);
	if (models.n) {
		json_put_raw(&o, LINK_MODELS, models);
		seen[n_seen++] = str_z(LINK_MODELS);
	}
	while (query.n && n_seen < COUNT(seen)) {
		struct str pair = str_cut(&query, '&'), value = pair, name = str_cut(&value, '=');
		bool is_new = true;
		name = decode(a, name);
		value = decode(a, value.p ? value : STR(""));
		if (!name.p || !value.p) {
			out->failed = true;
			return;
		}
		for (unsigned i = 0; i < n_seen; i++)
			is_new = is_new && !str_eq(seen[i], name);
		if (!name.n || !is_new || !str_is_utf8(name))
			continue;
		seen[n_seen++] = name;
		json_key(&o, name);
		json_put_str(&o, NULL, value);
	}
	json_close(&o);
}

/* ---- sending ------------------------------------------------------------------------------------
 */

/* Frames stand one behind the other in call->out, each behind its length. */
static void put_frame(struct relay_call *call, struct frame_out *f)
{
	struct str bytes = frame_finish(f);
	uint32_t n = (uint32_t)bytes.n;
	call->out.failed |= !bytes.p;
	buf_put(&call->out, str_of((const char *)&n, sizeof n));
	buf_put(&call->out, bytes);
}

static int write_call(struct relay_call *call, const struct request *r,
		      const struct relay_what *what)
{
	struct frame_out *f = mem_alloc(sizeof *f);
	struct str args = what->args;
	struct str piece = str_of(args.p, args.n < LINK_PIECE / 2 ? args.n : LINK_PIECE / 2);
	if (!f)
		return -ENOMEM;
	args = str_skip(args, piece.n);
	frame_begin(f, LINK_CALL);
	frame_put_u64(f, call->number);
	frame_put_u8(f, (uint8_t)((what->is_admin ? 1 : 0) | (r->key.flags & KEY_VIEWER ? 2 : 0) |
				  (r->key.flags & KEY_ADMIN && !r->token ? 4 : 0)));
	frame_put_u64(f, r->key.id);
	frame_put_bytes(f, r->key.hash.b, sizeof r->key.hash.b);
	frame_put_bytes(f, r->client_ip, sizeof r->client_ip);
	frame_put_str(f, str_of(what->by.p, what->by.n < 256 ? what->by.n : 256));
	frame_put_str(f, what->method);
	frame_put_str(f, what->path);
	frame_put_u8(f, args.n == 0);
	frame_put_str(f, piece);
	put_frame(call, f);
	while (args.n) {
		piece = str_of(args.p, args.n < LINK_PIECE ? args.n : LINK_PIECE);
		args = str_skip(args, piece.n);
		frame_begin(f, LINK_CALL_MORE);
		frame_put_u64(f, call->number);
		frame_put_u8(f, args.n == 0);
		frame_put_str(f, piece);
		put_frame(call, f);
	}
	mem_free(f);
	return call->out.failed ? -ENOMEM : 0;
}

static void forget_frames(struct relay_call *call)
{
	if (call->out.p)
		mem_wipe(call->out.p, call->out.n);	/* a key's text may be in it */
	buf_done(&call->out);
	call->sent = 0;
}

static void on_again(struct later *l);

/* Sends what the master takes now; the rest follows in a moment, also when the client has left:
 * half a call would wait in the master for ever. */
static int flush(struct relay_call *call)
{
	uint32_t n;
	while (call->sent < call->out.n) {
		const char *at = call->out.p + call->sent;
		memcpy(&n, at, sizeof n);
		int err = fdpass_send(call->w->link_fd, str_of(at + sizeof n, n), NULL, 0);
		if (err == -EAGAIN) {
			later_start(call->w->wheel, &call->again, AGAIN_MS, on_again, call);
			return 0;
		}
		if (err < 0)
			return err;
		call->sent += sizeof n + n;
	}
	forget_frames(call);
	return 0;
}

static unsigned waiting(const struct worker *w)
{
	unsigned n = 0;
	for (const struct relay_call *c = w->relays; c; c = c->next)
		n++;
	return n;
}

static void drop(struct worker *w, struct relay_call *call)
{
	for (struct relay_call **p = &w->relays; *p; p = &(*p)->next)
		if (*p == call) {
			*p = call->next;
			break;
		}
	later_stop(&call->again);
	forget_frames(call);
	buf_done(&call->answer);
	mem_free(call);
}

static void on_again(struct later *l)
{
	struct relay_call *call = l->data;
	struct worker *w = call->w;
	struct request *r = call->r;
	if (flush(call) == 0)
		return;
	drop(w, call);
	if (!r)
		return;
	r->relay = NULL;
	request_fail(r, OUTCOME_MASTER_AWAY, NULL, "the master does not answer; try again");
	request_end(r);
}

static enum step refuse_master(struct request *r)
{
	return request_fail(r, OUTCOME_MASTER_AWAY, NULL,
			    "the master does not answer; try again");
}

/* STEP_WAIT, or STEP_DONE: it could not be sent. */
static enum step begin(struct request *r, const struct relay_what *what, relay_done_fn *done)
{
	struct worker *w = r->w;
	struct relay_call *call = waiting(w) < CALLS_MAX ? mem_alloc(sizeof *call) : NULL;
	if (!call)
		return request_fail(r, OUTCOME_OVERLOADED, NULL, "too many management calls wait");
	call->w = w;
	call->r = r;
	call->done = done;
	call->number = ++w->next_relay;
	buf_init(&call->out, 2 * (what->args.n > CALL_MAX ? LARGE_MAX : CALL_MAX));
	buf_init(&call->answer, ANSWER_MAX);
	call->next = w->relays;
	w->relays = call;
	r->relay = call;
	int err = write_call(call, r, what);
	if (err == 0)
		err = flush(call);
	if (err == 0)
		return STEP_WAIT;
	r->relay = NULL;
	drop(w, call);
	return refuse_master(r);
}

enum step relay_call(struct request *r)
{
	struct str method = r->http->method;
	struct relay_what what = {
		.method = str_eq(method, STR("HEAD")) ? STR("GET") : method,
		.path = r->http->path,
		.by = http_header(r->http, "litellm-changed-by"),
		.args = conn_body(r->conn),
		.is_admin = r->is_admin,
	};
	struct buf query;
	if (r->w->is_master_gone)
		return request_fail(r, OUTCOME_MASTER_AWAY, NULL,
				    "the master process is away; try again");
	size_t most = r->endpoint->flags & EP_LARGE ? LARGE_MAX : CALL_MAX;
	if (what.args.n > most)
		return request_fail(r, OUTCOME_TOO_LARGE, NULL, "Request size is too large: management "
				    "calls are at most %zu MiB", most >> 20);
	buf_init(&query, CALL_MAX);
	if (!what.args.n || r->http->query.n)
		query_to_json(r->mem, r->http->query, STR_NONE, &query);
	if (!what.args.n)
		what.args = buf_str(&query);
	enum step s = query.failed ? refuse_master(r) : begin(r, &what, NULL);
	buf_done(&query);
	return s;
}

static void put_names(const struct model_name *names, size_t n, struct buf *out)
{
	struct json_out o = json_out(out);
	json_open_array(&o, NULL);
	for (size_t i = 0; i < n; i++)
		json_put_str(&o, NULL, names[i].name);
	json_close_array(&o);
}

/* What somebody may use, who is no administrator, is known here. */
enum step relay_models(struct request *r)
{
	struct relay_what what = {
		.method = STR("GET"),
		.path = r->http->path,
		.by = http_header(r->http, "litellm-changed-by"),
	};
	struct buf list, query;
	size_t n = 0;
	if (r->is_admin)
		return relay_call(r);
	const struct model_name *names = names_list(r, NAMES_PATTERNS, &n);
	if (!names)
		return names_refuse(r);
	buf_init(&list, CALL_MAX);
	buf_init(&query, CALL_MAX);
	put_names(names, n, &list);
	query_to_json(r->mem, r->http->query, buf_str(&list), &query);
	what.args = buf_str(&query);
	enum step s = list.failed || query.failed || r->w->is_master_gone ? refuse_master(r)
									  : begin(r, &what, NULL);
	buf_done(&list);
	buf_done(&query);
	return s;
}

enum step relay_post(struct request *r, struct str path, struct str args, struct str by,
		     relay_done_fn *done)
{
	struct relay_what what = { .method = STR("POST"), .path = path, .by = by, .args = args,
				   .is_admin = true };
	return r->w->is_master_gone ? refuse_master(r) : begin(r, &what, done);
}

/* ---- answers
 * -------------------------------------------------------------------------------------- */

static struct relay_call *find(struct worker *w, uint64_t number)
{
	for (struct relay_call *c = w->relays; c; c = c->next)
		if (c->number == number)
			return c;
	return NULL;
}

void relay_answer(struct worker *w, struct frame_in *f)
{
	struct relay_call *call = find(w, frame_get_u64(f));
	uint32_t status = frame_get_u32(f);
	bool is_last = frame_get_u8(f);
	struct str piece = frame_get_str(f);
	if (frame_end(f) < 0 || !call)
		return;
	buf_put(&call->answer, piece);
	if (!is_last)
		return;
	struct request *r = call->r;
	relay_done_fn *done = call->done;
	if (r && done) {
		struct buf answer = call->answer;
		r->relay = NULL;
		call->answer = (struct buf){ 0 };
		drop(w, call);
		done(r, answer.failed ? 500 : status, buf_str(&answer));
		buf_done(&answer);
		return;
	}
	if (r) {
		r->relay = NULL;
		if (call->answer.failed)
			request_fail(r, OUTCOME_INTERNAL, NULL, "the answer is too large");
		else
			request_reply_headed(r, (int)status, "application/json",
					     STR("cache-control: no-store\r\n"),
					     buf_str(&call->answer));
	}
	drop(w, call);
	if (r)
		request_end(r);
}

void relay_cancel(struct request *r)
{
	if (r->relay)
		r->relay->r = NULL;	/* the answer will find nobody */
	r->relay = NULL;
}

void relay_fail_all(struct worker *w)
{
	while (w->relays) {
		struct request *r = w->relays->r;
		drop(w, w->relays);
		if (!r)
			continue;
		r->relay = NULL;
		request_fail(r, OUTCOME_MASTER_AWAY, NULL,
			     "the master process went away; try again");
		request_end(r);
	}
}
