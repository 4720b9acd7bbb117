/* SPDX-License-Identifier: MIT
 * pass.c - bytes both ways; see pass.h.
 *
 * The answer's head is filtered, its body handed on as it comes, with backpressure, while
 * sniff.c looks for what it cost. Before the head has gone to the client another attempt can take
 * over; after it whatever goes wrong cuts the answer off, so that nobody takes it for whole. */
#include "worker/exchange/pass.h"

#include <errno.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/route.h"
#include "worker/exchange/blot.h"
#include "worker/exchange/credential.h"
#include "worker/exchange/sniff.h"
#include "worker/exchange/upstream.h"
#include "worker/later.h"
#include "worker/settle/account.h"
#include "worker/settle/hold.h"
#include "worker/suspect.h"
#include "worker/switches.h"
#include "worker/texts.h"

enum { REFUSAL_MAX = 1 << 20, HEAD_LINES_MAX = 32768 };

enum pass_state { PASS_IDLE, PASS_WAITING, PASS_RELAYING, PASS_DONE, PASS_FAILED, PASS_STATES };

#define TO(s) (1u << (s))
static const unsigned pass_may_go[PASS_STATES] = {
	[PASS_IDLE] = TO(PASS_WAITING) | TO(PASS_FAILED),
	[PASS_WAITING] = TO(PASS_RELAYING) | TO(PASS_DONE) | TO(PASS_FAILED),
	[PASS_RELAYING] = TO(PASS_DONE) | TO(PASS_FAILED),	/* the client has the head */
	[PASS_DONE] = 0,
	[PASS_FAILED] = 0,
};

struct pass {
	struct exchange *x;
	struct request *r;
	enum pass_state state;
	const struct snap_deployment *d;
	struct pass_call call;
	struct transfer *transfer;
	struct credential_wait credential;
	struct sniff sniff;
	struct blot blot;		/* of what we are known by, should it be quoted */
	struct llm_tally tally;
	struct buf refusal;		/* the body of an answer that is none */
	struct buf last;		/* strict durability: the last bytes wait for the disk */
	struct str content_type, disposition, passed_headers;
	uint64_t length;
	int status;
	uint64_t retry_after_ms;
	bool must_not_retry, is_cut;
	bool is_hasty;		/* its client wants an answer sooner than there need be one */
	bool is_held_up;	/* the client is slow: silence says nothing of the provider */
	struct later timer;
	uint64_t started_ns, heard_ns;
	uint64_t first_limit_ms, silence_limit_ms, total_limit_ms;
};

static void enter(struct pass *p, enum pass_state next)
{
	MUST(pass_may_go[p->state] & TO(next));
	p->state = next;
}

static void pass_free(struct pass *p)
{
	if (p->transfer)
		upstream_cancel(p->transfer);
	credential_stop(&p->credential);
	later_stop(&p->timer);
	exchange_count_inflight(p->r, p->d, -1);
	pass_call_done(&p->call);
	sniff_done(&p->sniff);
	blot_done(&p->blot);
	buf_done(&p->refusal);
	buf_done(&p->last);
	mem_free(p);
}

void pass_cancel(struct pass *p)
{
	sniff_end(&p->sniff);
	p->r->tally = p->tally;
	pass_free(p);
}

bool pass_is_asked(const struct pass *p)
{
	return p->transfer && upstream_is_asked(p->transfer);
}

static void arm(struct pass *p, uint64_t now);

void pass_drained(struct pass *p)
{
	if (p->is_held_up) {
		p->is_held_up = false;
		p->heard_ns = clock_ns();
		arm(p, p->heard_ns);
	}
	if (p->transfer)
		upstream_resume(p->transfer);
}

/* ---- ends that are none --------------------------------------------------------------------- */

static void give_up(struct pass *p, const struct llm_error *error)
{
	struct exchange *x = p->x;
	struct llm_error e = *error;
	bool was_shown = p->state == PASS_RELAYING;
	if (!e.retry_after_ms)
		e.retry_after_ms = p->retry_after_ms;
	e.must_not_retry |= p->must_not_retry;
	enter(p, PASS_FAILED);
	sniff_end(&p->sniff);
	p->r->tally = p->tally;
	pass_free(p);
	if (was_shown)
		exchange_broke(x, &e);
	else
		exchange_failed(x, &e);
}

static void fail_saying(struct pass *p, enum outcome o, struct str text, bool is_askers)
{
	struct request *r = p->r;
	struct llm_error e = { .outcome = o, .status = p->status };
	struct str key = snap_text(r->snap, p->d->api_key);
	e.is_askers = is_askers;
	e.message = llm_error_message(r->mem, o, snap_text(r->snap, p->d->provider),
				      llm_scrub(r->mem, text, key));
	give_up(p, &e);
}

static void fail(struct pass *p, enum outcome o, const char *text)
{
	fail_saying(p, o, str_z(text), false);
}

static void fail_for_memory(struct pass *p)
{
	fail(p, OUTCOME_OVERLOADED, "no memory for the answer");
}

/* ---- the head ------------------------------------------------------------------------------- */

static void put_line(struct buf *out, const char *name, struct str value)
{
	if (value.n)
		http_put_header(out, name, value);
}

static void put_head(struct pass *p, bool is_final, struct buf *out)
{
	buf_init(out, HEAD_LINES_MAX);
	put_line(out, "content-type", p->content_type);
	put_line(out, "content-disposition", p->disposition);
	buf_put(out, p->passed_headers);
	request_headers(p->r, out, is_final);
}

static bool begin(struct pass *p)
{
	struct request *r = p->r;
	struct buf head;
	put_head(p, false, &head);
	if (head.failed) {
		buf_done(&head);
		return false;
	}
	enter(p, PASS_RELAYING);
	r->is_streaming = true;
	r->status = p->status;
	r->first_token_ns = clock_ns();
	r->first_token_wall_ns = clock_wall_ns();
	METRIC_ADD(r->w->metrics, streams, 1);
	atomic_fetch_add_explicit(&r->w->row->streams, 1, memory_order_relaxed);
	if (p->length == UINT64_MAX)
		conn_reply_begin(r->conn, p->status, buf_str(&head));
	else
		conn_reply_begin_sized(r->conn, p->status, buf_str(&head), p->length);
	buf_done(&head);
	return true;
}

static void on_head(void *data, const struct transfer_head *h)
{
	struct pass *p = data;
	struct arena *a = p->r->mem;
	suspect_works(p->r);
	p->status = h->status;
	p->length = h->length;
	p->content_type = arena_dup(a, h->content_type);
	p->disposition = arena_dup(a, h->disposition);
	p->passed_headers = arena_dup(a, h->headers);
	p->retry_after_ms = h->retry_after_ms;
	p->must_not_retry = h->should_retry == 0;
	p->heard_ns = clock_ns();
	if (h->pause_ms)
		route_pause(&p->r->w->board, p->d, p->heard_ns + h->pause_ms * NS_PER_MS);
	p->r->upstream_ns = p->heard_ns - p->started_ns;
	arm(p, p->heard_ns);		/* silence has another limit now */
}

/* ---- the body ------------------------------------------------------------------------------- */

static bool is_good(const struct pass *p)
{
	return p->status / 100 == 2;
}

/* Where its end may have to wait, the last bytes are kept back until the next ones are here. */
static bool hand_on(struct pass *p, struct str bytes)
{
	struct request *r = p->r;
	if (!hold_wants_end(r)) {
		conn_reply_piece(r->conn, bytes);
		return true;
	}
	conn_reply_piece(r->conn, buf_str(&p->last));
	buf_reset(&p->last);
	buf_put(&p->last, bytes);
	return !p->last.failed;
}

static int on_data(void *data, struct str bytes)
{
	struct pass *p = data;
	struct request *r = p->r;
	suspect_works(r);
	p->heard_ns = clock_ns();
	if (!is_good(p)) {
		buf_put(&p->refusal, bytes);
		return p->refusal.failed ? -EMSGSIZE : 0;
	}
	if (p->state == PASS_WAITING) {
		size_t cap = snap_settings(r->snap)->request_memory_max;
		blot_init(&p->blot, pass_secret(r, p->d, &p->call));
		if (!sniff_begin(&p->sniff, p->content_type, cap, &p->tally) || !begin(p))
			return -ENOMEM;
	}
	p->tally.has_content = true;
	r->raw->answer_bytes += bytes.n;
	if (r->texts)
		texts_relayed(r, p->content_type, bytes);
	sniff_feed(&p->sniff, bytes);
	r->tally = p->tally;
	if (account_progress(r) < 0) {
		p->is_cut = true;
		return -EDQUOT;
	}
	if (!blot_feed(&p->blot, bytes, &bytes) || !hand_on(p, bytes))
		return -ENOMEM;
	p->is_held_up = conn_queued(r->conn) > CONN_HIGH_WATER;
	return p->is_held_up;
}

/* ---- the end -------------------------------------------------------------------------------- */

/* A refusal as the provider worded it, without the key that it may quote. */
static void scrub(struct pass *p, struct buf *out)
{
	struct str rest = buf_str(&p->refusal), key = pass_secret(p->r, p->d, &p->call);
	buf_init(out, REFUSAL_MAX);
	for (size_t at; key.n && (at = str_find(rest, key)) != SIZE_MAX;) {
		buf_put(out, str_of(rest.p, at));
		BUF_PUT_LIT(out, "***");
		rest = str_skip(rest, at + key.n);
	}
	buf_put(out, rest);
}

static void refused_in_its_words(struct pass *p)
{
	struct request *r = p->r;
	struct exchange *x = p->x;
	enum outcome o = outcome_of_upstream(p->status);
	r->cost_nano = 0;
	r->outcome = o;
	put_head(p, true, &r->final_head);
	scrub(p, &r->final_body);
	if (r->final_head.failed || r->final_body.failed) {
		buf_done(&r->final_head);
		buf_done(&r->final_body);
		fail_for_memory(p);
		return;
	}
	r->status = p->status;
	r->tally = p->tally;
	enter(p, PASS_DONE);
	pass_free(p);
	exchange_refused(x, o);
}

/* Calls that name a model have errors like all others, and may be tried elsewhere. */
static void refused(struct pass *p)
{
	struct request *r = p->r;
	struct llm_error e = { 0 };
	if (p->status == 401 && credential_is_needed(p->d->auth))
		credential_rejected(r->w, r->snap, p->d);
	if (r->raw->raw->source != RAW_MODEL && p->status >= 200) {
		refused_in_its_words(p);
		return;
	}
	provider_read_error(r->mem, p->status, buf_str(&p->refusal),
			    snap_text(r->snap, p->d->api_key), &e);
	e.message = llm_error_message(r->mem, e.outcome, snap_text(r->snap, p->d->provider),
				      e.message);
	give_up(p, &e);
}

static void answered(struct pass *p)
{
	struct request *r = p->r;
	struct exchange *x = p->x;
	if (p->state == PASS_WAITING && !begin(p)) {	/* a good answer without a body */
		fail_for_memory(p);
		return;
	}
	struct str rest = blot_end(&p->blot);
	if (rest.n && !hand_on(p, rest)) {
		fail_for_memory(p);
		return;
	}
	sniff_end(&p->sniff);
	if (p->sniff.form == SNIFF_JSON)
		pass_note_bulk(r, p->d, buf_str(&p->sniff.whole));
	p->tally.is_done = true;
	r->tally = p->tally;
	r->final_body = p->last;
	p->last = (struct buf){ 0 };	/* the request owns it now */
	enter(p, PASS_DONE);
	pass_free(p);
	exchange_answered(x);
}

static void stopped(struct pass *p)
{
	if (p->is_cut) {
		struct llm_error e = {
			.outcome = OUTCOME_BUDGET_SPENT,
			.message = STR("Budget has been exceeded: the answer was cut") };
		give_up(p, &e);
	} else if (!is_good(p)) {
		buf_done(&p->refusal);
		refused(p);		/* too long a complaint: its status tells enough */
	} else {
		fail_for_memory(p);
	}
}

static void on_end(void *data, enum transfer_end end, const char *detail)
{
	struct pass *p = data;
	suspect_works(p->r);
	p->transfer = NULL;
	later_stop(&p->timer);
	p->r->upstream_ns = clock_ns() - p->started_ns;
	if (end == TRANSFER_STOPPED)
		stopped(p);
	else if (end == TRANSFER_REFUSED)
		fail(p, OUTCOME_UP_CONNECT, detail);
	else if (end == TRANSFER_BARRED)
		fail(p, OUTCOME_UP_BARRED, detail);
	else if (end == TRANSFER_TLS || end == TRANSFER_PROTOCOL)
		fail(p, OUTCOME_UP_MALFORMED, detail);
	else if (end != TRANSFER_DONE)
		fail(p, OUTCOME_UP_BROKEN, detail);
	else if (!is_good(p))
		refused(p);
	else
		answered(p);
}

static const struct transfer_handler handler = { on_head, on_data, on_end };

/* ---- time ----------------------------------------------------------------------------------- */

static uint64_t due(uint64_t since_ns, uint64_t limit_ms)
{
	return limit_ms ? since_ns + limit_ms * NS_PER_MS : UINT64_MAX;
}

static uint64_t silence_ends(const struct pass *p)
{
	if (p->is_held_up)		/* for limits.write-timeout to end */
		return UINT64_MAX;
	return due(p->heard_ns, p->status ? p->silence_limit_ms : p->first_limit_ms);
}

static void on_timer(struct later *l);

static void arm(struct pass *p, uint64_t now)
{
	uint64_t at = due(p->started_ns, p->total_limit_ms), other = silence_ends(p);
	at = other < at ? other : at;
	if (at != UINT64_MAX)
		later_start(p->r->w->wheel, &p->timer, at > now ? (at - now) / NS_PER_MS + 1 : 1,
			    on_timer, p);
}

static void on_timer(struct later *l)
{
	struct pass *p = l->data;
	uint64_t now = clock_ns();
	if (now >= due(p->started_ns, p->total_limit_ms))
		fail_saying(p, OUTCOME_UP_TIMEOUT,
			    STR("Request timed out: the whole answer took longer than allowed"),
			    p->is_hasty);
	else if (now >= silence_ends(p))
		fail(p, OUTCOME_UP_TIMEOUT, "Request timed out: the provider fell silent");
	else
		arm(p, now);
}

static void set_limits(struct pass *p)
{
	const struct snap_settings *s = snap_settings(p->r->snap);
	uint64_t asked = (uint64_t)(p->r->q.timeout_s * 1000);
	p->started_ns = p->heard_ns = clock_ns();
	p->total_limit_ms = p->d->timeout_ms;
	/* Of relayed ones none is learned. */
	if (!p->total_limit_ms || p->total_limit_ms == TIMEOUT_AUTO)
		p->total_limit_ms = s->total_timeout_ms;
	p->is_hasty = asked && (!p->total_limit_ms || asked < p->total_limit_ms);
	if (asked)
		p->total_limit_ms = asked;
	p->first_limit_ms = s->first_token_timeout_ms;
	p->silence_limit_ms = s->chunk_timeout_ms;
}

/* ---- the beginning -------------------------------------------------------------------------- */

static struct pass *pass_new(struct exchange *x, struct request *r, uint32_t deployment)
{
	struct pass *p = mem_alloc(sizeof *p);
	if (!p)
		return NULL;
	p->x = x;
	p->r = r;
	p->d = snap_deployment(r->snap, deployment);
	p->length = UINT64_MAX;
	buf_init(&p->refusal, REFUSAL_MAX);
	buf_init(&p->last, snap_settings(r->snap)->request_memory_max);
	exchange_count_inflight(p->r, p->d, 1);
	return p;
}

static int launch(void *data)
{
	struct pass *p = data;
	struct request *r = p->r;
	const struct raw_call *c = r->raw;
	enter(p, PASS_WAITING);
	account_dispatched(r, p->d);
	bool is_post = str_eq_z(STR("POST"), c->method);
	struct transfer_spec spec = {
		.snap = r->snap,
		.deployment = p->d,
		.base = buf_str(&p->call.url),
		.method = is_post ? NULL : c->method,
		.content_type = p->call.content_type,
		.headers = buf_str(&p->call.headers),
		.body = p->call.is_changed ? buf_str(&p->call.body) : c->body,
		.connect_timeout_ms = snap_settings(r->snap)->connect_timeout_ms,
	};
	if (!spec.body.p)
		spec.body = STR("");
	p->transfer = upstream_start(r->w->upstream, &spec, &handler, p);
	if (!p->transfer)
		return -ENOMEM;
	arm(p, p->started_ns);
	return 0;
}

static void on_no_token(void *data, enum outcome o, struct str why)
{
	fail_saying(data, o, why, false);
}

/* Launches it as soon as it has all its headers. */
static int authorize(struct pass *p)
{
	static const struct credential_user user = { launch, on_no_token };
	if (!credential_is_needed(p->d->auth))
		return launch(p);
	p->credential = (struct credential_wait){
		.user = &user, .data = p, .r = p->r, .d = p->d, .headers = &p->call.headers };
	int err = credential_obtain(&p->credential);
	if (err == 0 && p->state == PASS_IDLE)
		arm(p, p->started_ns);
	return err;
}

int pass_start(struct exchange *x, struct request *r, uint32_t deployment, struct pass **ret,
	       struct llm_error *reterr)
{
	struct pass *p = pass_new(x, r, deployment);
	int err = p ? pass_call_write(r, p->d, &p->call, reterr) : -ENOMEM;
	if (err == 0) {
		set_limits(p);
		if (switches_want_texts(r))
			texts_decide(r);
		err = authorize(p);
	}
	if (err == 0) {
		*ret = p;
		return 0;
	}
	if (err == -ENOMEM)
		*reterr = (struct llm_error){
			.outcome = OUTCOME_TOO_LARGE,
			.message = STR("the request needs more memory than a request may use") };
	if (p)
		pass_free(p);
	return err;
}
