/* SPDX-License-Identifier: MIT
 * tunnel.c - a WebSocket between client and provider; see tunnel.h.
 *
 * The client's own key goes to the provider, and the provider's answer to it comes back: each
 * end proves itself to the other, and nobody here computes a thing. Extensions are not offered,
 * so that frames can be listened to. Both ends are cut together. */
#include "worker/exchange/tunnel.h"

#include <errno.h>

#include "common/clock.h"
#include "common/mem.h"
#include "worker/exchange/pass.h"
#include "worker/exchange/sniff.h"
#include "worker/exchange/upstream.h"
#include "worker/exchange/ws_frames.h"
#include "worker/later.h"
#include "worker/settle/account.h"

enum {
	HEAD_MAX = 16384,
	REFUSAL_MAX = 65536,
	COMPLAINT_MS = 1000,		/* how long the rest of a refusal is waited for */
	TO_PROVIDER_MAX = 65536,	/* bytes of the client that wait; more wait in its socket */
	READ_BYTES = 16384,
	ROUNDS_MAX = 16,		/* reads in a row, before others get their turn */
	SCRATCH_MAX = 4 << 20
};

enum tunnel_state { TUN_IDLE, TUN_CONNECTING, TUN_ASKING, TUN_REFUSED, TUN_OPEN, TUN_OVER,
		    TUN_STATES };

#define TO(s) (1u << (s))
static const unsigned tunnel_may_go[TUN_STATES] = {
	[TUN_IDLE] = TO(TUN_CONNECTING) | TO(TUN_OVER),
	[TUN_CONNECTING] = TO(TUN_ASKING) | TO(TUN_OVER),
	[TUN_ASKING] = TO(TUN_OPEN) | TO(TUN_REFUSED) | TO(TUN_OVER),
	[TUN_REFUSED] = TO(TUN_OVER),		/* the rest of its complaint is read */
	[TUN_OPEN] = TO(TUN_OVER),
	[TUN_OVER] = 0,
};

struct tunnel {
	struct exchange *x;
	struct request *r;
	const struct snap_deployment *d;
	enum tunnel_state state;
	struct transfer *transfer;
	struct buf out;			/* for the provider */
	struct buf in;			/* its head; then its refusal */
	struct tunnel_answer answer;
	struct ws_frames frames;
	struct arena *scratch;
	struct llm_tally tally;		/* of all responses so far: sums */
	bool is_paused;			/* the client is slow */
	bool is_cut;			/* the budget is spent */
	struct later timer, again;
	uint64_t started_ns, heard_ns;
};

static void enter(struct tunnel *t, enum tunnel_state next)
{
	MUST(tunnel_may_go[t->state] & TO(next));
	t->state = next;
}

static void tunnel_free(struct tunnel *t)
{
	if (t->transfer)
		upstream_cancel(t->transfer);
	later_stop(&t->timer);
	later_stop(&t->again);
	exchange_count_inflight(t->r, t->d, -1);
	mem_wipe(t->out.p, t->out.p ? t->out.n : 0);	/* the provider's key may be in there */
	buf_done(&t->out);
	buf_done(&t->in);
	ws_frames_done(&t->frames);
	arena_free(t->scratch);
	mem_free(t);
}

void tunnel_cancel(struct tunnel *t)
{
	t->r->tally = t->tally;
	tunnel_free(t);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void give_up(struct tunnel *t, const struct llm_error *error)
{
	struct exchange *x = t->x;
	struct llm_error e = *error;
	bool was_open = t->state == TUN_OPEN;
	enter(t, TUN_OVER);
	t->r->tally = t->tally;
	tunnel_free(t);
	if (was_open)
		exchange_broke(x, &e);
	else
		exchange_failed(x, &e);
}

static void fail(struct tunnel *t, enum outcome o, const char *text)
{
	struct request *r = t->r;
	struct llm_error e = { .outcome = o, .status = t->answer.status };
	e.message = llm_error_message(r->mem, o, snap_text(r->snap, t->d->provider),
				      llm_scrub(r->mem, str_z(text),
						snap_text(r->snap, t->d->api_key)));
	give_up(t, &e);
}

/* Of a chunked body: what stands between the braces; one chunk is enough for a complaint. */
static struct str complaint(const struct tunnel *t)
{
	struct str s = buf_str(&t->in);
	size_t brace = t->answer.is_chunked ? str_find_char(s, '{') : SIZE_MAX;
	if (brace == SIZE_MAX)
		return s;
	s = str_skip(s, brace);
	while (s.n && s.p[s.n - 1] != '}')
		s.n--;
	return s;
}

static bool is_complaint_whole(const struct tunnel *t)
{
	return t->in.n >= t->answer.length || t->in.n >= REFUSAL_MAX || t->in.failed ||
	       (t->answer.is_chunked && str_ends(buf_str(&t->in), STR("0\r\n\r\n")));
}

static void refused(struct tunnel *t)
{
	struct request *r = t->r;
	struct llm_error e = { 0 };
	provider_read_error(r->mem, t->answer.status, complaint(t),
			    snap_text(r->snap, t->d->api_key), &e);
	e.message = llm_error_message(r->mem, e.outcome, snap_text(r->snap, t->d->provider),
				      e.message);
	give_up(t, &e);
}

/* The provider has closed: so ends a session. */
static void over(struct tunnel *t)
{
	struct exchange *x = t->x;
	enter(t, TUN_OVER);
	t->tally.is_done = true;
	t->r->tally = t->tally;
	tunnel_free(t);
	exchange_answered(x);
}

/* ---- what it costs --------------------------------------------------------------------------- */

static void on_text(void *data, struct str text)
{
	struct tunnel *t = data;
	struct llm_tally one = { 0 };
	t->tally.events++;
	if (str_find(text, STR("\"usage\"")) == SIZE_MAX)
		return;
	sniff_text(t->scratch, text, &one);
	arena_reset(t->scratch);
	if (!one.has_usage)
		return;
	usage_add(&t->tally.usage, &one.usage);
	t->tally.has_usage = true;
	t->r->tally = t->tally;
	t->is_cut = account_progress(t->r) < 0;
}

/* ---- the answer's head ----------------------------------------------------------------------- */

/* What the client asked for, without the key that some put there. */
static void put_protocols(const struct request *r, struct buf *out)
{
	struct str list = r->http ? http_header(r->http, "sec-websocket-protocol") : STR_NONE;
	bool has_one = false;
	while (list.n) {
		struct str one = str_trim(str_cut(&list, ','));
		if (!one.n || str_starts_nocase(one, STR("openai-insecure-api-key.")) ||
		    str_starts_nocase(one, STR("openai-organization.")))
			continue;
		buf_put_z(out, has_one ? ", " : "sec-websocket-protocol: ");
		buf_put(out, one);
		has_one = true;
	}
	if (has_one)
		BUF_PUT_LIT(out, "\r\n");
}

static bool open_both_ways(struct tunnel *t)
{
	struct request *r = t->r;
	struct buf head;
	buf_init(&head, HEAD_MAX);
	BUF_PUT_LIT(&head, "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ");
	buf_put(&head, t->answer.accept);
	BUF_PUT_LIT(&head, "\r\n");
	if (t->answer.protocol.n) {
		BUF_PUT_LIT(&head, "sec-websocket-protocol: ");
		buf_put(&head, t->answer.protocol);
		BUF_PUT_LIT(&head, "\r\n");
	}
	request_headers(r, &head, false);
	if (head.failed) {
		buf_done(&head);
		return false;
	}
	enter(t, TUN_OPEN);
	r->is_streaming = true;
	r->status = 101;
	t->tally.has_content = true;
	METRIC_ADD(r->w->metrics, streams, 1);
	atomic_fetch_add_explicit(&r->w->row->streams, 1, memory_order_relaxed);
	conn_reply_switch(r->conn, buf_str(&head));
	buf_done(&head);
	return true;
}

/* 0; -EAGAIN: not whole yet; -EBADMSG, -ENOMEM. Takes the head off `in`. */
static int take_head(struct tunnel *t)
{
	if (t->in.failed)
		return -ENOMEM;
	size_t end = str_find(buf_str(&t->in), STR("\r\n\r\n"));
	if (end == SIZE_MAX)
		return t->in.n < HEAD_MAX ? -EAGAIN : -EBADMSG;
	struct str head = arena_dup(t->r->mem, str_of(t->in.p, end + 4));
	if (!head.p)
		return -ENOMEM;
	int err = tunnel_read_head(head, &t->answer);
	if (err == 0)
		buf_drop(&t->in, end + 4);
	return err;
}

static void arm(struct tunnel *t, uint64_t now);

/* ---- bytes of the provider ------------------------------------------------------------------- */

static void hand_on(struct tunnel *t, struct str bytes)
{
	ws_frames_feed(&t->frames, bytes, on_text, t);
	conn_reply_piece(t->r->conn, bytes);
	t->is_paused = conn_queued(t->r->conn) > CONN_HIGH_WATER;
}

/* False: the tunnel is no more. */
static bool take_bytes(struct tunnel *t, struct str bytes)
{
	t->heard_ns = clock_ns();
	if (t->state == TUN_OPEN) {
		hand_on(t, bytes);
		if (!t->is_cut)
			return true;
		struct llm_error e = { .outcome = OUTCOME_BUDGET_SPENT,
				       .message = STR("Budget has been exceeded") };
		give_up(t, &e);
		return false;
	}
	buf_put(&t->in, bytes);
	if (t->state == TUN_ASKING) {
		int err = take_head(t);
		if (err == -EAGAIN)
			return true;
		if (err < 0) {
			fail(t, err == -ENOMEM ? OUTCOME_OVERLOADED : OUTCOME_UP_MALFORMED,
			     "the provider's answer to the upgrade is not what it should be");
			return false;
		}
		if (!t->answer.is_upgrade) {
			enter(t, TUN_REFUSED);
			later_stop(&t->timer);
			arm(t, clock_ns());
		} else if (!open_both_ways(t)) {
			fail(t, OUTCOME_OVERLOADED, "no memory for the answer");
			return false;
		} else {
			hand_on(t, buf_str(&t->in));	/* frames may have come at once */
			buf_done(&t->in);
			arm(t, t->heard_ns);		/* silence has another limit now */
			return true;
		}
	}
	if (!is_complaint_whole(t))
		return true;
	refused(t);
	return false;
}

static void on_again(struct later *l);

static void watch(struct tunnel *t)
{
	upstream_watch(t->transfer, !t->is_paused, t->out.n > 0);
}

/* Reads until there is nothing more, or enough for now. False: the tunnel is no more. */
static bool read_some(struct tunnel *t)
{
	char room[READ_BYTES];
	size_t n;
	for (int i = 0; i < ROUNDS_MAX && !t->is_paused; i++) {
		int err = upstream_recv(t->transfer, room, sizeof room, &n);
		if (err == -EAGAIN)
			return true;
		if (err == 0 && n > 0) {
			if (!take_bytes(t, str_of(room, n)))
				return false;
			continue;
		}
		if (t->state == TUN_OPEN)
			over(t);
		else if (t->state == TUN_REFUSED)
			refused(t);
		else
			fail(t, OUTCOME_UP_BROKEN, "the provider closed the connection");
		return false;
	}
	/* TLS may hold more, of which the socket says nothing. */
	if (!t->is_paused && !later_runs(&t->again))
		later_start(t->r->w->wheel, &t->again, 0, on_again, t);
	return true;
}

/* False: the tunnel is no more. */
static bool write_some(struct tunnel *t)
{
	size_t before = t->out.n, n;
	while (t->out.n) {
		int err = upstream_send(t->transfer, buf_str(&t->out), &n);
		if (err == -EAGAIN)
			break;
		if (err < 0) {
			fail(t, OUTCOME_UP_BROKEN, "the provider closed the connection");
			return false;
		}
		buf_drop(&t->out, n);
	}
	if (t->state == TUN_OPEN && before && t->out.n < TO_PROVIDER_MAX / 2)
		conn_tunnel_more(t->r->conn);
	return true;
}

static void on_again(struct later *l)
{
	struct tunnel *t = l->data;
	if (t->out.failed)
		fail(t, OUTCOME_OVERLOADED, "no memory for the client's bytes");
	else if (read_some(t))
		watch(t);
}

static void on_ready(void *data, bool readable, bool writable)
{
	struct tunnel *t = data;
	if (writable && !write_some(t))
		return;
	if (readable && !read_some(t))
		return;
	watch(t);
}

static void on_open(void *data)
{
	struct tunnel *t = data;
	enter(t, TUN_ASKING);
	if (write_some(t))
		watch(t);
}

/* Only of a connection that never was. */
static void on_end(void *data, enum transfer_end end, const char *detail)
{
	struct tunnel *t = data;
	t->transfer = NULL;
	fail(t, end == TRANSFER_REFUSED ? OUTCOME_UP_CONNECT
		: end == TRANSFER_BARRED ? OUTCOME_UP_BARRED
		: end == TRANSFER_TLS	? OUTCOME_UP_MALFORMED : OUTCOME_UP_BROKEN, detail);
}

static const struct transfer_handler handler = { .on_end = on_end };
static const struct tunnel_handler tunnel_handler = { on_open, on_ready };

/* ---- bytes of the client --------------------------------------------------------------------- */

size_t tunnel_take(struct tunnel *t, struct str bytes)
{
	size_t room = t->out.n < TO_PROVIDER_MAX ? TO_PROVIDER_MAX - t->out.n : 0;
	if (t->state != TUN_OPEN || room == 0)
		return 0;
	t->heard_ns = clock_ns();
	if (bytes.n > room)
		bytes.n = room;
	buf_put(&t->out, bytes);
	if (t->out.failed) {		/* ended from the loop: here nobody is */
		if (!later_runs(&t->again))
			later_start(t->r->w->wheel, &t->again, 0, on_again, t);
		return 0;
	}
	upstream_watch(t->transfer, !t->is_paused, true);
	return bytes.n;
}

void tunnel_drained(struct tunnel *t)
{
	if (t->state != TUN_OPEN || !t->is_paused)
		return;
	t->is_paused = false;
	t->heard_ns = clock_ns();
	arm(t, t->heard_ns);
	if (!later_runs(&t->again))
		later_start(t->r->w->wheel, &t->again, 0, on_again, t);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void on_timer(struct later *l);

static uint64_t due(uint64_t since_ns, uint64_t limit_ms)
{
	return limit_ms ? since_ns + limit_ms * NS_PER_MS : UINT64_MAX;
}

static uint64_t silence_ends(const struct tunnel *t)
{
	const struct snap_settings *s = snap_settings(t->r->snap);
	if (t->is_paused)		/* the client is slow: limits.write-timeout is for that */
		return UINT64_MAX;
	if (t->state == TUN_REFUSED)
		return due(t->heard_ns, COMPLAINT_MS);
	return due(t->heard_ns, t->state == TUN_OPEN ? s->chunk_timeout_ms
						     : s->first_token_timeout_ms);
}

static void arm(struct tunnel *t, uint64_t now)
{
	uint64_t at = due(t->started_ns, snap_settings(t->r->snap)->total_timeout_ms);
	uint64_t other = silence_ends(t);
	at = other < at ? other : at;
	if (at != UINT64_MAX)
		later_start(t->r->w->wheel, &t->timer, at > now ? (at - now) / NS_PER_MS + 1 : 1,
			    on_timer, t);
}

static void on_timer(struct later *l)
{
	struct tunnel *t = l->data;
	uint64_t now = clock_ns();
	if (now >= due(t->started_ns, snap_settings(t->r->snap)->total_timeout_ms))
		fail(t, OUTCOME_UP_TIMEOUT, "Request timed out: the session took too long");
	else if (now >= silence_ends(t) && t->state == TUN_REFUSED)
		refused(t);
	else if (now >= silence_ends(t))
		fail(t, OUTCOME_UP_TIMEOUT, "Request timed out: both sides fell silent");
	else
		arm(t, now);
}

/* ---- the beginning --------------------------------------------------------------------------- */

/* "https://host:1/path" into "host:1" and "/path". */
static struct str cut_authority(struct str *url)
{
	size_t at = str_find(*url, STR("://"));
	struct str rest = str_skip(*url, at == SIZE_MAX ? 0 : at + 3);
	size_t slash = str_find_char(rest, '/');
	*url = slash == SIZE_MAX ? STR("/") : str_skip(rest, slash);
	return str_of(rest.p, slash == SIZE_MAX ? rest.n : slash);
}

static int write_request(struct tunnel *t, const struct transfer_spec *spec)
{
	struct request *r = t->r;
	struct str path = spec->base, host = cut_authority(&path);
	buf_printf(&t->out, "GET " STR_FMT " HTTP/1.1\r\nHost: " STR_FMT "\r\n", STR_ARG(path),
		   STR_ARG(host));
	BUF_PUT_LIT(&t->out, "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
	buf_put(&t->out, http_header(r->http, "sec-websocket-key"));
	BUF_PUT_LIT(&t->out, "\r\n");
	put_protocols(r, &t->out);
	bool ok = upstream_put_headers(spec, &t->out);
	BUF_PUT_LIT(&t->out, "\r\n");
	return ok && !t->out.failed ? 0 : -ENOMEM;
}

static int launch(struct tunnel *t, struct pass_call *call)
{
	struct request *r = t->r;
	struct transfer_spec spec = {
		.snap = r->snap,
		.deployment = t->d,
		.base = buf_str(&call->url),
		.content_type = STR(""),
		.headers = buf_str(&call->headers),
		.tunnel = &tunnel_handler,
		.connect_timeout_ms = snap_settings(r->snap)->connect_timeout_ms,
	};
	int err = write_request(t, &spec);
	if (err < 0)
		return err;
	t->transfer = upstream_start(r->w->upstream, &spec, &handler, t);
	if (!t->transfer)
		return -ENOMEM;
	arm(t, t->started_ns);
	return 0;
}

static struct tunnel *tunnel_new(struct exchange *x, struct request *r, uint32_t deployment)
{
	struct tunnel *t = mem_alloc(sizeof *t);
	if (!t)
		return NULL;
	t->x = x;
	t->r = r;
	t->d = snap_deployment(r->snap, deployment);
	t->started_ns = t->heard_ns = clock_ns();
	t->scratch = arena_new(SCRATCH_MAX);
	buf_init(&t->out, 2 * TO_PROVIDER_MAX);
	buf_init(&t->in, REFUSAL_MAX + HEAD_MAX + READ_BYTES);
	ws_frames_init(&t->frames);
	exchange_count_inflight(t->r, t->d, 1);
	return t;
}

int tunnel_start(struct exchange *x, struct request *r, uint32_t deployment, struct tunnel **ret,
		 struct llm_error *reterr)
{
	struct tunnel *t = tunnel_new(x, r, deployment);
	struct pass_call call = { 0 };
	int err = t && t->scratch ? pass_call_write(r, t->d, &call, reterr) : -ENOMEM;
	if (err == 0) {
		enter(t, TUN_CONNECTING);
		account_dispatched(r, t->d);
		err = launch(t, &call);
	}
	pass_call_done(&call);
	if (err == 0) {
		*ret = t;
		return 0;
	}
	if (err == -ENOMEM)
		*reterr = (struct llm_error){
			.outcome = OUTCOME_TOO_LARGE,
			.message = STR("the request needs more memory than a request may use") };
	if (t)
		tunnel_free(t);
	return err;
}
