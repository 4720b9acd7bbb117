/* SPDX-License-Identifier: MIT
 * attempt.c - one try at one deployment.
 *
 * Short way where client and provider speak the same: bytes are looked at and spliced. Long way
 * otherwise: provider events to neutral events to the client's dialect. Until the first content
 * has been seen nothing goes to the client, so that another attempt can still take over. */
#include "worker/exchange/attempt.h"

#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/mem.h"
#include "common/route.h"
#include "worker/exchange/client_headers.h"
#include "worker/exchange/credential_aws.h"
#include "worker/exchange/credential.h"
#include "worker/exchange/site.h"
#include "worker/exchange/structured.h"
#include "worker/exchange/upstream.h"
#include "worker/later.h"
#include "worker/params.h"
#include "worker/responses.h"
#include "worker/settle/account.h"
#include "worker/settle/hold.h"

enum {
	ERROR_BODY_MAX = 65536,		/* of a provider's error: more is not read */
	EVENT_MAX = 1 << 20,		/* longer events are forwarded without a look */
	RESPONSE_MAX = 24 << 20,	/* the same where the last event has the whole answer */
	HELD_MAX = 65536,		/* held back before the first content */
	SCRATCH_MAX = 8 << 20,
	PATH_MAX_BYTES = 4096,
	HEADERS_MAX = 32768		/* of one call */
};

enum attempt_state { AT_IDLE, AT_WAITING, AT_STREAMING, AT_DONE, AT_FAILED, AT_STATES };

#define TO(s) (1u << (s))
static const unsigned attempt_may_go[AT_STATES] = {
	[AT_IDLE] = TO(AT_WAITING) | TO(AT_FAILED),
	[AT_WAITING] = TO(AT_STREAMING) | TO(AT_DONE) | TO(AT_FAILED),	/* nothing shown yet */
	[AT_STREAMING] = TO(AT_DONE) | TO(AT_FAILED),			/* content went out */
	[AT_DONE] = 0,
	[AT_FAILED] = 0,
};

struct attempt {
	struct exchange *x;
	struct request *r;
	enum attempt_state state;
	const struct snap_deployment *d;
	uint32_t index;
	const struct provider *provider;
	const struct dialect *dialect;
	bool is_short, is_event_stream, is_cut, is_expired;
	struct provider_call call;
	struct provider_target target;
	struct params_rules rules;		/* of the deployment, and the request's own */
	const struct llm_request *q;		/* less what the deployment cannot take */
	struct transfer *transfer;
	struct credential_wait credential;	/* AT_IDLE: its headers are not there yet */
	struct provider_reader reader;
	struct dialect_answer answer;
	struct sse sse;
	struct buf body;			/* a plain answer, or an error's */
	struct buf out;				/* for the client, not yet handed over */
	struct arena *scratch;
	struct str passed_headers, error_type;
	struct later timer;
	uint64_t started_ns, content_ns, sent_ns; /* last content seen; last write to the client */
	uint64_t first_limit_ms, chunk_limit_ms, total_limit_ms, heartbeat_ms;
	int status;
	uint64_t retry_after_ms;
	bool must_not_retry;
	struct llm_error error;
};

static void enter(struct attempt *at, enum attempt_state next)
{
	MUST(attempt_may_go[at->state] & TO(next));
	at->state = next;
}

static void attempt_free(struct attempt *at)
{
	struct worker *w = at->r->w;
	_Atomic uint16_t *n = board_inflight_own(&w->board, w->slot, at->d->board_row);
	if (at->transfer)
		upstream_cancel(at->transfer);
	credential_stop(&at->credential);
	later_stop(&at->timer);
	atomic_store_explicit(n, (uint16_t)(atomic_load_explicit(n, memory_order_relaxed) - 1),
			      memory_order_relaxed);
	buf_done(&at->call.path);
	buf_done(&at->call.body);
	buf_done(&at->call.headers);
	buf_done(&at->body);
	buf_done(&at->out);
	if (at->answer.tally.text)
		buf_done(at->answer.tally.text);
	sse_done(&at->sse);
	arena_free(at->scratch);
	mem_free(at);
}

void attempt_cancel(struct attempt *at)
{
	at->r->tally = at->answer.tally;
	attempt_free(at);
}

/* ---- errors ---------------------------------------------------------------------------- */

static struct str provider_name(const struct attempt *at)
{
	return snap_text(at->r->snap, at->d->provider);
}

static void set_error(struct attempt *at, enum outcome o, struct str text)
{
	struct arena *a = at->r->mem;
	struct str key = snap_text(at->r->snap, at->d->api_key);
	at->error = (struct llm_error){ .outcome = o, .status = at->status };
	at->error.message = llm_error_message(a, o, provider_name(at), llm_scrub(a, text, key));
}

/* The end of an attempt that gave no whole answer. Frees; the exchange decides what is next. */
static void give_up(struct attempt *at)
{
	struct exchange *x = at->x;
	struct llm_error e = at->error;
	bool was_shown = at->state == AT_STREAMING;
	if (!e.retry_after_ms)
		e.retry_after_ms = at->retry_after_ms;
	e.must_not_retry |= at->must_not_retry;
	enter(at, AT_FAILED);
	at->r->tally = at->answer.tally;
	at->r->answer = at->answer;
	if (!was_shown)
		at->r->answer.state = NULL;	/* nobody has seen what it began */
	attempt_free(at);
	if (was_shown)
		exchange_broke(x, &e);
	else
		exchange_failed(x, &e);
}

static void fail(struct attempt *at, enum outcome o, const char *text)
{
	set_error(at, o, str_z(text));
	give_up(at);
}

/* ---- towards the client ------------------------------------------------------------------ */

static int begin_stream(struct attempt *at)
{
	struct request *r = at->r;
	struct buf headers;
	if (r->is_streaming)
		return 0;
	buf_init(&headers, 32768);
	buf_put_z(&headers, "content-type: ");
	buf_put_z(&headers, at->dialect->stream_type);
	BUF_PUT_LIT(&headers, "\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n");
	buf_put(&headers, at->passed_headers);
	request_headers(r, &headers, false);
	if (headers.failed) {
		buf_done(&headers);
		return -ENOMEM;
	}
	r->is_streaming = true;
	r->status = 200;
	METRIC_ADD(r->w->metrics, streams, 1);
	atomic_fetch_add_explicit(&r->w->row->streams, 1, memory_order_relaxed);
	conn_reply_begin(r->conn, 200, buf_str(&headers));
	buf_done(&headers);
	return 0;
}

/* Whoever sees the end of an answer must find it booked as whole, even if we are killed in the
 * next moment: its record stands in the journal first. What a provider counts behind its own end
 * comes too late. */
static int settle_end(struct attempt *at)
{
	int err = begin_stream(at);	/* the record has the status */
	if (err < 0 || at->is_cut)
		return err;
	at->r->tally = at->answer.tally;
	at->r->outcome = OUTCOME_OK;
	account_settle(at->r);
	return 0;
}

/* Hands over what is ready. 1 = the client is slow: pause; or -ENOMEM. */
static int pass_on(struct attempt *at)
{
	struct request *r = at->r;
	if (at->state == AT_WAITING) {
		const struct llm_tally *t = &at->answer.tally;
		if (!t->has_content && !t->is_done && t->finish == FINISH_NONE &&
		    at->out.n < HELD_MAX)
			return 0;
		enter(at, AT_STREAMING);
		r->first_token_ns = clock_ns();
		r->first_token_wall_ns = clock_wall_ns();
		METRIC_TIME(r->w->metrics, first_token, r->first_token_ns - r->start_ns);
	}
	if (at->answer.tally.is_done && hold_wants_end(r))
		return begin_stream(at); /* the end waits for the disk: settle/hold.c gives it */
	if (at->out.n) {
		int err = at->answer.tally.is_done ? settle_end(at) : begin_stream(at);
		if (err < 0)
			return err;
		conn_reply_piece(r->conn, buf_str(&at->out));
		if (at->answer.tally.is_done)
			(void)FAULT("spend.given");
		buf_reset(&at->out);
		at->sent_ns = clock_ns();
	}
	return conn_queued(r->conn) > CONN_HIGH_WATER ? 1 : 0;
}

static void heartbeat(struct attempt *at, uint64_t now)
{
	if (!at->dialect->heartbeat || !at->is_event_stream)
		return;
	if (begin_stream(at) == 0 && conn_queued(at->r->conn) == 0) {
		conn_reply_piece(at->r->conn, str_z(at->dialect->heartbeat));
		METRIC_ADD(at->r->w->metrics, heartbeats, 1);
	}
	at->sent_ns = now;
}

/* ---- from the provider -------------------------------------------------------------------- */

static void note_time(struct attempt *at)
{
	const struct request *r = at->r;
	at->answer.total_ns = clock_ns() - r->start_ns;
	at->answer.first_ns = r->first_token_ns ? r->first_token_ns - r->start_ns
						: at->answer.total_ns;
}

static int take_event(void *data, const struct llm_event *ev)
{
	struct attempt *at = data;
	if (ev->kind == EV_END)
		note_time(at);
	if (at->is_event_stream)
		return at->dialect->write_event(&at->answer, ev, &at->out);
	return at->dialect->collect(&at->answer, ev);
}

static int on_stream_event(void *data, const struct sse_event *ev)
{
	struct attempt *at = data;
	size_t before = at->out.n;
	int err;
	if (!ev->data.p && !ev->oversize)
		return 0;			/* a keep-alive comment is no content */
	if (at->is_short)
		err = at->dialect->forward_event(&at->answer, at->scratch, ev, &at->out);
	else
		err = at->provider->read_event(&at->reader, at->scratch, ev, take_event, at);
	arena_reset(at->scratch);
	if (err == 0 && at->out.failed)
		err = -ENOMEM;
	if (err < 0)
		at->out.n = before;		/* no half of an event */
	if (at->answer.tally.has_error)
		return -ECANCELED;
	at->answer.tally.events++;
	METRIC_ADD(at->r->w->metrics, stream_events, 1);
	return err;
}

static int on_stream_bytes(struct attempt *at, struct str bytes)
{
	uint64_t before = at->answer.tally.content_bytes;
	bool was_done = at->answer.tally.is_done;
	int err = sse_feed(&at->sse, bytes, on_stream_event, at);
	if (at->answer.tally.content_bytes != before || (at->answer.tally.is_done && !was_done))
		at->content_ns = clock_ns();
	at->r->tally = at->answer.tally;
	if (err == 0 && account_progress(at->r) < 0) {
		at->is_cut = true;
		err = -EDQUOT;
	}
	if (err < 0) {
		if (err == -EBADMSG)
			set_error(at, OUTCOME_UP_MALFORMED,
				  STR("the provider sent a stream event that is not what it should "
				      "be"));
		pass_on(at);		/* what came before the bad event was good */
		return err;
	}
	return pass_on(at);
}

static void on_head(void *data, const struct transfer_head *h)
{
	struct attempt *at = data;
	at->status = h->status;
	at->passed_headers = arena_dup(at->r->mem, h->headers);
	at->error_type = arena_dup(at->r->mem, h->error_type);
	at->retry_after_ms = h->retry_after_ms;
	at->must_not_retry = h->should_retry == 0;
	if (h->pause_ms)
		route_pause(&at->r->w->board, at->d, clock_ns() + h->pause_ms * NS_PER_MS);
	at->is_event_stream = at->r->q.is_stream && h->status / 100 == 2 &&
			      !(at->call.framing != FRAMING_NDJSON &&
				str_starts_nocase(h->content_type, STR("application/json")));
	at->r->upstream_ns = clock_ns() - at->started_ns;
}

static int on_data(void *data, struct str bytes)
{
	struct attempt *at = data;
	if (at->is_event_stream)
		return on_stream_bytes(at, bytes);
	if (at->status / 100 != 2) {
		size_t room = ERROR_BODY_MAX - at->body.n;
		buf_put(&at->body, str_of(bytes.p, bytes.n < room ? bytes.n : room));
		return at->body.n < ERROR_BODY_MAX ? 0 : -EMSGSIZE;
	}
	buf_put(&at->body, bytes);
	return at->body.failed ? -EMSGSIZE : 0;
}

static void read_error_body(struct attempt *at)
{
	struct request *r = at->r;
	struct llm_error e = { 0 };
	struct arena *a = r->mem;
	provider_read_error(a, at->status, buf_str(&at->body), snap_text(r->snap, at->d->api_key),
			    &e);
	llm_error_typed(a, &e, at->error_type);
	e.message = llm_error_message(a, e.outcome, provider_name(at), e.message);
	at->error = e;
}

static void end_refused(struct attempt *at)
{
	struct request *r = at->r;
	if (at->status == 401 && credential_is_needed(at->d->auth))
		credential_rejected(r->w, r->snap, at->d);
	read_error_body(at);
	give_up(at);
}

/* An error that came inside a stream or a 200 body. */
static void take_tally_error(struct attempt *at)
{
	struct llm_error e = at->answer.tally.error;
	struct arena *a = at->r->mem;
	struct str key = snap_text(at->r->snap, at->d->api_key);
	if (e.outcome == OUTCOME_OK)
		e.outcome = OUTCOME_UP_ERROR;
	e.message =
		llm_error_message(a, e.outcome, provider_name(at), llm_scrub(a, e.message, key));
	at->error = e;
	give_up(at);
}

static void answered(struct attempt *at)
{
	struct exchange *x = at->x;
	at->r->tally = at->answer.tally;
	at->r->answer = at->answer;
	enter(at, AT_DONE);
	attempt_free(at);
	exchange_answered(x);
}

static void end_stream(struct attempt *at)
{
	struct llm_tally *t = &at->answer.tally;
	struct llm_event end = { .kind = EV_END };
	int err = sse_end(&at->sse, on_stream_event, at);
	if (t->has_error) {
		take_tally_error(at);
		return;
	}
	if (err < 0 || (!t->is_done && t->finish == FINISH_NONE)) {
		fail(at, OUTCOME_UP_BROKEN,
		     "the provider ended the stream before the answer was complete");
		return;
	}
	note_time(at);
	if (!at->answer.is_ended)
		err = at->dialect->write_event(&at->answer, &end, &at->out);
	t->is_done = true;
	if (err < 0 || at->out.failed || pass_on(at) < 0 || begin_stream(at) < 0) {
		fail(at, OUTCOME_OVERLOADED, "no memory for the answer");
		return;
	}
	at->r->final_body = at->out;		/* what pass_on() held back, if anything */
	at->out = (struct buf){ 0 };		/* the request owns it now */
	answered(at);
}

/* Want of memory is our fault: no reason to ask again, or to put the deployment aside. */
static void fail_to_read(struct attempt *at, int err)
{
	if (err == -ENOMEM || err == -E2BIG)
		fail(at, OUTCOME_OVERLOADED, "no memory for the answer");
	else
		fail(at, OUTCOME_UP_MALFORMED, "the provider's answer is not what it should be");
}

static void end_plain(struct attempt *at)
{
	struct request *r = at->r;
	int err;
	if (at->is_short) {
		err = at->dialect->forward_answer(&at->answer, buf_str(&at->body), &at->out);
	} else {
		err = at->provider->read_answer(&at->reader, buf_str(&at->body), take_event, at);
		if (err == 0 && !at->answer.tally.has_error)
			err = at->dialect->write_answer(&at->answer, &at->out);
	}
	if (at->answer.tally.has_error) {
		take_tally_error(at);
		return;
	}
	if (err < 0 || at->out.failed) {
		fail_to_read(at, at->out.failed ? -ENOMEM : err);
		return;
	}
	struct str misfit = structured_misfit(r, at->answer.tally.text);
	if (misfit.p) {
		at->error = (struct llm_error){ .outcome = OUTCOME_UP_MALFORMED,
						.status = at->status, .message = misfit };
		give_up(at);
		return;
	}
	r->tally = at->answer.tally;
	r->upstream_ns = clock_ns() - at->started_ns;
	r->cost_nano = account_cost(r, &(struct usage){ 0 });
	buf_init(&r->final_head, 32768);
	BUF_PUT_LIT(&r->final_head, "content-type: application/json\r\n");
	buf_put(&r->final_head, at->passed_headers);
	request_headers(r, &r->final_head, true);
	if (r->final_head.failed) {
		buf_done(&r->final_head);
		fail(at, OUTCOME_OVERLOADED, "no memory for the answer");
		return;
	}
	r->status = 200;
	r->final_body = at->out;
	at->out = (struct buf){ 0 };		/* the request owns it now */
	answered(at);
}

/* A client that asked for a stream and a provider that answered plainly all the same. */
static void end_plain_for_stream(struct attempt *at)
{
	struct provider_reader rd = at->reader;
	at->is_event_stream = true;	/* take_event() writes stream events from now on */
	int err = at->provider->read_answer(&rd, buf_str(&at->body), take_event, at);
	if (at->answer.tally.has_error) {
		take_tally_error(at);
		return;
	}
	if (err < 0) {
		fail_to_read(at, err);
		return;
	}
	at->answer.tally.is_done = true;
	end_stream(at);
}

static enum outcome outcome_of_end(enum transfer_end end)
{
	switch (end) {
	case TRANSFER_REFUSED:
		return OUTCOME_UP_CONNECT;
	case TRANSFER_TLS:
	case TRANSFER_PROTOCOL:
		return OUTCOME_UP_MALFORMED;
	default:
		return OUTCOME_UP_BROKEN;
	}
}

static void end_stopped(struct attempt *at)
{
	if (at->status / 100 != 2) {
		end_refused(at);
	} else if (at->answer.tally.has_error) {
		take_tally_error(at);
	} else if (at->is_cut) {
		at->error = (struct llm_error){
			.outcome = OUTCOME_BUDGET_SPENT,
			.message = STR("Budget has been exceeded: the answer was cut")};
		give_up(at);
	} else if (at->error.message.p) {
		give_up(at);
	} else {
		fail(at, OUTCOME_OVERLOADED,
		     "the provider's answer is larger than the gateway holds");
	}
}

static void on_end(void *data, enum transfer_end end, const char *detail)
{
	struct attempt *at = data;
	at->transfer = NULL;
	later_stop(&at->timer);
	at->r->upstream_ns = clock_ns() - at->started_ns;
	if (end == TRANSFER_STOPPED) {
		end_stopped(at);
	} else if (end != TRANSFER_DONE && !(at->is_event_stream && at->answer.tally.is_done)) {
		fail(at, outcome_of_end(end), detail);
	} else if (at->status / 100 != 2) {
		end_refused(at);
	} else if (at->is_event_stream) {
		end_stream(at);
	} else if (at->r->q.is_stream) {
		end_plain_for_stream(at);
	} else {
		end_plain(at);
	}
}

static const struct transfer_handler handler = { on_head, on_data, on_end };

/* ---- time ---------------------------------------------------------------------------------- */

static void on_timer(struct later *l);

static uint64_t sooner(uint64_t a, uint64_t since_ns, uint64_t limit_ms)
{
	uint64_t b = limit_ms ? since_ns + limit_ms * NS_PER_MS : UINT64_MAX;
	return b < a ? b : a;
}

static uint64_t silence_limit_ms(const struct attempt *at)
{
	return at->state == AT_STREAMING ? at->chunk_limit_ms : at->first_limit_ms;
}

static void arm(struct attempt *at, uint64_t now)
{
	uint64_t due = sooner(UINT64_MAX, at->started_ns, at->total_limit_ms);
	if (at->r->q.is_stream) {
		due = sooner(due, at->content_ns, silence_limit_ms(at));
		due = sooner(due, at->sent_ns, at->heartbeat_ms);
	}
	if (due == UINT64_MAX)
		return;
	later_start(at->r->w->wheel, &at->timer, due > now ? (due - now) / NS_PER_MS + 1 : 1,
		    on_timer, at);
}

static void on_timer(struct later *l)
{
	struct attempt *at = l->data;
	uint64_t now = clock_ns();
	const char *late = NULL;
	if (at->answer.tally.is_done && now >= sooner(UINT64_MAX, at->content_ns, 1000)) {
		upstream_cancel(at->transfer);	/* all is said; do not wait for the connection */
		at->transfer = NULL;
		end_stream(at);
		return;
	}
	if (now >= sooner(UINT64_MAX, at->started_ns, at->total_limit_ms))
		late = "Request timed out: the whole answer took longer than allowed";
	else if (at->r->q.is_stream &&
		 now >= sooner(UINT64_MAX, at->content_ns, silence_limit_ms(at)))
		late = at->state == AT_STREAMING ? "Request timed out: the stream fell silent"
						 : "Request timed out: no first token came in time";
	if (late) {
		fail(at, OUTCOME_UP_TIMEOUT, late);
		return;
	}
	if (at->r->q.is_stream && now >= sooner(UINT64_MAX, at->sent_ns, at->heartbeat_ms))
		heartbeat(at, now);
	arm(at, now);
}

static uint64_t first_given(uint64_t a, uint64_t b, uint64_t c)
{
	return a ? a : b ? b : c;
}

static void set_limits(struct attempt *at)
{
	const struct snap_settings *s = snap_settings(at->r->snap);
	const struct llm_request *q = &at->r->q;
	uint64_t asked = (uint64_t)(q->timeout_s * 1000),
		 asked_stream = (uint64_t)(q->stream_timeout_s * 1000);
	at->started_ns = at->content_ns = at->sent_ns = clock_ns();
	at->heartbeat_ms = at->is_event_stream ? s->stream_heartbeat_ms : 0;
	if (q->is_stream) {
		at->first_limit_ms = first_given(
			first_given(asked_stream, at->d->stream_timeout_ms, 0),
			first_given(asked, at->d->timeout_ms, 0), s->first_token_timeout_ms);
		at->chunk_limit_ms = s->chunk_timeout_ms;
		at->total_limit_ms = s->total_timeout_ms;
	} else {
		at->total_limit_ms = first_given(asked, at->d->timeout_ms, s->total_timeout_ms);
	}
}

/* ---- beginning ------------------------------------------------------------------------------ */

static void on_mock(struct later *l)
{
	struct attempt *at = l->data;
	at->status = 200;
	if (at->r->q.is_stream) {
		at->is_event_stream = true;
		int err = at->provider->read_answer(&at->reader, STR_NONE, take_event, at);
		if (err == 0 && !at->answer.tally.has_error) {
			end_stream(at);
			return;
		}
	} else {
		end_plain(at);
		return;
	}
	if (at->answer.tally.has_error)
		take_tally_error(at);
	else
		fail(at, OUTCOME_OVERLOADED, "no memory for the answer");
}

/* Features that a client of Anthropic's dialect opts into reach a provider that knows them. */
static void pass_beta(struct attempt *at)
{
	struct request *r = at->r;
	struct str beta = r->http ? http_header(r->http, "anthropic-beta") : STR_NONE;
	if (!at->is_short || at->provider->family != FAMILY_ANTHROPIC || !beta.n)
		return;
	BUF_PUT_LIT(&at->call.headers, "anthropic-beta: ");
	buf_put(&at->call.headers, beta);
	BUF_PUT_LIT(&at->call.headers, "\r\n");
}

/* The short way needs only know that nothing is refused: what else the rules say is done while
 * the body is edited. On the long way it is done here, in the neutral form, and names that differ
 * are written by the adapter. */
static int settle_params(struct attempt *at, struct llm_error *reterr)
{
	struct request *r = at->r;
	struct llm_request *q;
	at->rules = (struct params_rules){
		.text = snap_text(r->snap, at->d->rules),
		.model = at->target.model,
		.dropped = r->q.dropped_params,
		.allowed = r->q.allowed_params,
		.drops = at->target.drop_params || r->q.drop_params,
	};
	at->q = &r->q;
	if (snap_settings(r->snap)->flags & SET_MODIFY_PARAMS && at->d->max_output_tokens)
		at->rules.longest = arena_printf(r->mem, "%u", at->d->max_output_tokens);
	if (!params_has_rules(&at->rules))
		return 0;
	q = arena_alloc(r->mem, sizeof *q);
	if (!q)
		return -ENOMEM;
	*q = r->q;
	q->rules = &at->rules;
	at->q = q;
	if (!at->is_short)
		return params_settle_neutral(r->mem, &at->rules, q, provider_name(at), reterr);
	return at->provider->family == FAMILY_OPENAI
		       ? params_check_body(r->mem, &at->rules, r->q.root, provider_name(at), reterr)
		       : 0;
}

/* What says who we are, where a key alone does not. */
static int add_credentials(struct attempt *at, struct llm_error *reterr)
{
	struct request *r = at->r;
	if (at->d->auth != AUTH_SIGV4)
		return 0;
	return credential_aws(r->mem, r->snap, at->d, &at->call, clock_wall_ns() / NS_PER_S,
			      reterr);
}

static int build_call(struct attempt *at, struct llm_error *reterr)
{
	struct request *r = at->r;
	const struct provider_target *t = &at->target;
	buf_init(&at->call.path, PATH_MAX_BYTES);
	buf_init(&at->call.body, snap_settings(r->snap)->request_memory_max);
	buf_init(&at->call.headers, HEADERS_MAX);
	int err = settle_params(at, reterr);
	if (err)
		return err;
	pass_beta(at);
	err = client_headers_put(r, at->d, &at->call.headers, reterr);
	if (err)
		return err;
	if (at->is_short) {
		at->call.framing = FRAMING_SSE;
		at->provider->write_path(at->q, t, &at->call.path);
		err = at->dialect->forward_request(r->mem, at->q, t->model, t->params,
						   t->extra_body, &at->call.body);
	} else if (r->q.kind == LLM_RERANK && !at->provider->reranks) {
		*reterr = (struct llm_error){
			.outcome = OUTCOME_BAD_REQUEST,
			.message = STR("the provider of this model does no reranking"),
			.param = STR("model") };
		err = -EINVAL;
	} else {
		err = at->provider->write_request(r->mem, at->q, t, &at->call, reterr);
	}
	if (err == 0)
		err = site_wrap(r->mem, at->provider->family, at->q, t, &at->call, reterr);
	if (err == 0)
		err = add_credentials(at, reterr);
	return err;
}

/* Whether a site of OpenAI's wire format is asked by its Responses: a client speaks them, or the
 * model knows nothing else. */
static bool takes_responses(const struct attempt *at)
{
	const struct dialect *d = at->r->dialect;
	if (at->d->family != FAMILY_OPENAI || !(at->d->flags & DEPLOY_RESPONSES))
		return false;
	return d->twin == FAMILY_RESPONSES ||
	       (d->kind == LLM_CHAT && responses_is_needed(at->target.model));
}

/* False: out of memory. */
static bool choose_adapter(struct attempt *at)
{
	struct request *r = at->r;
	enum provider_family family = (enum provider_family)at->d->family;
	struct str mock = json_is(r->q.mock_response, JSON_STRING)
				  ? json_str(r->mem, r->q.mock_response)
				  : STR_NONE;
	at->target = (struct provider_target){
		.model = snap_upstream_model(r->snap, r->group, at->d, r->requested_model, r->mem),
		.provider = snap_text(r->snap, at->d->provider),
		.paths = snap_text(r->snap, at->d->paths),
		.params = snap_text(r->snap, at->d->params),
		.extra_body = snap_text(r->snap, at->d->extra_body),
		.mock_response = mock.p ? mock : snap_text(r->snap, at->d->mock_response),
		.site = (enum provider_site)at->d->site,
		.api_version = snap_text(r->snap, at->d->api_version),
		.project = snap_text(r->snap, at->d->project),
		.location = snap_text(r->snap, at->d->location),
		.max_output_tokens = at->d->max_output_tokens,
		.drop_params = at->d->flags & DEPLOY_DROP_PARAMS ||
			       snap_settings(r->snap)->flags & SET_DROP_PARAMS,
	};
	if (at->d->flags & DEPLOY_WILDCARD)
		family = site_family(at->target.site, family, at->target.model);
	if (takes_responses(at))
		family = FAMILY_RESPONSES;
	if (at->target.mock_response.p)
		family = FAMILY_MOCK;
	at->provider = provider_for(family, r->q.kind);
	MUST(at->provider);		/* the master builds no deployment of another family */
	at->dialect = r->dialect;
	at->is_short = family == at->dialect->twin && family != FAMILY_MOCK &&
		       site_takes_body(at->target.site, family, &r->q);
	at->is_event_stream = r->q.is_stream;
	if (json_is(r->q.mock_response, JSON_STRING) && !mock.p)
		return false;
	return at->target.model.p || family == FAMILY_MOCK;
}

static struct attempt *attempt_new(struct exchange *x, struct request *r, uint32_t index)
{
	struct attempt *at = mem_alloc(sizeof *at);
	size_t cap = snap_settings(r->snap)->request_memory_max;
	if (!at)
		return NULL;
	at->x = x;
	at->r = r;
	at->index = index;
	at->d = snap_deployment(r->snap, index);
	buf_init(&at->body, cap);
	buf_init(&at->out, cap);
	_Atomic uint16_t *n = board_inflight_own(&r->w->board, r->w->slot, at->d->board_row);
	atomic_store_explicit(n, (uint16_t)(atomic_load_explicit(n, memory_order_relaxed) + 1),
			      memory_order_relaxed);
	return at;
}

/* The last event of a response has all of it once more, pictures included. */
static size_t event_max(const struct attempt *at)
{
	return at->provider->family == FAMILY_RESPONSES ? RESPONSE_MAX : EVENT_MAX;
}

static size_t scratch_max(const struct attempt *at)
{
	return at->provider->family == FAMILY_RESPONSES ? 4 * (size_t)RESPONSE_MAX : SCRATCH_MAX;
}

/* What is kept has an id of our own making: a call's id may be its client's. */
static struct str make_id(const struct request *r)
{
	char hex[2 * sizeof r->id + 1];
	if (r->dialect->write_kept) {
		hash_hex(hex, r->id, sizeof r->id);
		return arena_printf(r->mem, "resp_%s", hex);
	}
	return arena_printf(r->mem, "%s" STR_FMT,
			    r->q.kind == LLM_CHAT     ? "chatcmpl-"
			    : r->q.kind == LLM_RERANK ? "rerank-"
						      : "cmpl-",
			    STR_ARG(r->call_id));
}

static int launch(struct attempt *at)
{
	struct request *r = at->r;
	enter(at, AT_WAITING);
	account_dispatched(r, at->d);
	struct transfer_spec spec = {
		.snap = r->snap,
		.deployment = at->d,
		.path = buf_str(&at->call.path),
		.headers = buf_str(&at->call.headers),
		.body = buf_str(&at->call.body),
		/* Bedrock takes that header for the model's, and has one framing only. */
		.accept_stream = r->q.is_stream && at->call.framing != FRAMING_EVENTSTREAM,
		.connect_timeout_ms = snap_settings(r->snap)->connect_timeout_ms,
	};
	if (at->provider->family == FAMILY_MOCK) {
		later_start(r->w->wheel, &at->timer, 0, on_mock, at);
		return 0;
	}
	at->transfer = upstream_start(r->w->upstream, &spec, &handler, at);
	if (!at->transfer)
		return -ENOMEM;
	arm(at, at->started_ns);
	return 0;
}

static void on_credential(void *data, const struct llm_error *e);

/* Launches it as soon as it has all its headers: at once, but where a token has to be fetched. */
static int authorize(struct attempt *at, struct llm_error *reterr)
{
	struct request *r = at->r;
	if (at->provider->family == FAMILY_MOCK || !credential_is_needed(at->d->auth))
		return launch(at);
	at->credential.on_ready = on_credential;
	at->credential.data = at;
	int got = credential_write(r->w, r->snap, at->d, r->mem, &at->call.headers, &at->credential,
				   reterr);
	if (got == CREDENTIAL_READY)
		return launch(at);
	if (got == CREDENTIAL_WAIT)
		arm(at, at->started_ns);
	return got == CREDENTIAL_WAIT ? 0 : got;
}

static void on_credential(void *data, const struct llm_error *e)
{
	struct attempt *at = data;
	struct llm_error refused = { 0 };
	int err = e ? -EACCES : authorize(at, &refused);
	if (err == -EACCES) {
		e = e ? e : &refused;
		set_error(at, e->outcome, e->message);
		give_up(at);
	} else if (err) {
		fail(at, OUTCOME_OVERLOADED, "no memory for the request");
	}
}

static void on_refused(struct later *l)
{
	give_up(l->data);
}

/* Told from the loop, as a fetch's end would be: another deployment may do. */
static void refuse_later(struct attempt *at, const struct llm_error *e)
{
	set_error(at, e->outcome, e->message);
	later_start(at->r->w->wheel, &at->timer, 0, on_refused, at);
}

int attempt_start(struct exchange *x, struct request *r, uint32_t deployment, struct attempt **ret,
		  struct llm_error *reterr)
{
	struct attempt *at = attempt_new(x, r, deployment);
	int err = -ENOMEM;
	if (!at || !choose_adapter(at))
		goto out;
	at->scratch = r->q.is_stream ? arena_new(scratch_max(at)) : NULL;
	if (r->q.is_stream && !at->scratch)
		goto out;
	set_limits(at);
	at->reader = (struct provider_reader){ .mem = r->mem, .q = &r->q, .target = &at->target };
	at->answer = (struct dialect_answer){
		.mem = r->mem,
		.q = &r->q,
		.model = r->fallbacks ? snap_text(r->snap, r->group->name) : r->requested_model,
		.id = make_id(r),
		.created_s = (int64_t)(r->start_wall_ns / NS_PER_S),
		.tally = { .text = structured_room(r) },
		.show_usage = !r->q.is_stream || r->q.wants_usage ||
			      snap_settings(r->snap)->flags & SET_ALWAYS_STREAM_USAGE,
	};
	err = at->provider->family == FAMILY_MOCK
		      ? at->provider->write_request(r->mem, &r->q, &at->target, &at->call, reterr)
		      : build_call(at, reterr);
	sse_init(&at->sse, at->call.framing, event_max(at));
	if (err == 0 && !at->answer.id.p)
		err = -ENOMEM;
	if (err == 0 && (at->call.body.failed || at->call.path.failed || at->call.headers.failed))
		err = -ENOMEM;
	if (err == 0)
		err = authorize(at, reterr);
	if (err == -EACCES) {
		refuse_later(at, reterr);
		err = 0;
	}
	if (err == 0) {
		*ret = at;
		return 0;
	}
out:
	if (err == -ENOMEM)
		*reterr = (struct llm_error){
			.outcome = OUTCOME_TOO_LARGE,
			.message = STR("the request needs more memory than a request may use")};
	if (at)
		attempt_free(at);
	return err;
}

static int describe(struct attempt *at, struct attempt_description *ret, struct llm_error *reterr)
{
	struct arena *a = at->r->mem;
	if (!choose_adapter(at))
		return -ENOMEM;
	if (at->provider->family == FAMILY_MOCK) {
		*reterr = (struct llm_error){
			.outcome = OUTCOME_BAD_REQUEST, .param = STR("model"),
			.message = STR("this model has a mock_response: nothing is sent")};
		return -EINVAL;
	}
	int err = build_call(at, reterr);
	if (err)
		return err;
	if (at->call.body.failed || at->call.path.failed || at->call.headers.failed)
		return -ENOMEM;
	*ret = (struct attempt_description){
		.deployment = at->d,
		.url = arena_printf(a, STR_FMT STR_FMT,
				    STR_ARG(snap_text(at->r->snap, at->d->base)),
				    STR_ARG(buf_str(&at->call.path))),
		.headers = arena_dup(a, buf_str(&at->call.headers)),
		.body = arena_dup(a, buf_str(&at->call.body)),
	};
	return ret->url.p && ret->headers.p && ret->body.p ? 0 : -ENOMEM;
}

int attempt_describe(struct request *r, uint32_t deployment, struct attempt_description *ret,
		     struct llm_error *reterr)
{
	struct attempt *at = attempt_new(NULL, r, deployment);
	int err = at ? describe(at, ret, reterr) : -ENOMEM;
	if (err == -ENOMEM)
		*reterr = (struct llm_error){ .outcome = OUTCOME_TOO_LARGE,
					      .message = STR("the request needs too much memory") };
	if (at)
		attempt_free(at);
	return err;
}

void attempt_drained(struct attempt *at)
{
	if (at->transfer)
		upstream_resume(at->transfer);
}
