/* SPDX-License-Identifier: MIT
 * attempt_answer.c - what a provider sends back, event by event or whole, on its way to the
 * client; see attempt_private.h. */
#include "worker/exchange/attempt_private.h"

#include <errno.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/route.h"
#include "worker/exchange/silent.h"
#include "worker/exchange/structured.h"
#include "worker/settle/account.h"
#include "worker/settle/hold.h"
#include "worker/settle/usage.h"
#include "worker/suspect.h"

enum {
	ERROR_BODY_MAX = 65536,		/* of a provider's error: more is not read */
	HELD_MAX = 65536,		/* held back before the first content */
	HEAD_USUAL = 1023		/* bytes of an answer's head, mostly fewer */
};

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

static void note_first(struct attempt *at)
{
	struct request *r = at->r;
	if (at->is_continuing)
		return;
	r->first_token_ns = clock_ns();
	r->first_token_wall_ns = clock_wall_ns();
	METRIC_TIME(r->w->metrics, first_token, r->first_token_ns - r->start_ns);
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
		exchange_claim(at->x, at);
		attempt_enter(at, AT_STREAMING);
		attempt_await_more(at);
		note_first(at);
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

void attempt_heartbeat(struct attempt *at, uint64_t now)
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

int attempt_take_event(void *data, const struct llm_event *ev)
{
	struct attempt *at = data;
	if (ev->kind == EV_END)
		note_time(at);
	if (at->is_event_stream)
		return at->dialect->write_event(&at->answer, ev, &at->out);
	return at->dialect->collect(&at->answer, ev);
}

/* What an event is read into lives no longer than this: streams share it. */
static int take_stream_event(struct attempt *at, const struct sse_event *ev)
{
	struct worker *w = at->r->w;
	struct arena *scratch = request_take_arena(w);
	int err;
	if (!scratch)
		return -ENOMEM;
	if (at->is_short)
		err = at->dialect->forward_event(&at->answer, scratch, ev, &at->out);
	else
		err = provider_read_event(at->provider, &at->reader, scratch, ev,
					  attempt_take_event, at);
	request_give_arena(w, scratch);
	return err;
}

static int on_stream_event(void *data, const struct sse_event *ev)
{
	struct attempt *at = data;
	size_t before = at->out.n;
	if (!ev->data.p && !ev->oversize)
		return 0;			/* a keep-alive comment is no content */
	if (at->answer.is_ended)
		return 0;		/* the client has its end: nothing comes behind it */
	int err = take_stream_event(at, ev);
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

static void note_content(struct attempt *at)
{
	uint64_t now = clock_ns(), gap = now - at->content_ns;
	if (at->state == AT_STREAMING && gap > at->r->longest_gap_ns)
		at->r->longest_gap_ns = gap;
	at->content_ns = now;
}

static int on_stream_bytes(struct attempt *at, struct str bytes)
{
	uint64_t before = at->answer.tally.content_bytes;
	bool was_done = at->answer.tally.is_done;
	int err = sse_feed(&at->sse, bytes, on_stream_event, at);
	bool is_done = at->answer.tally.is_done && !was_done;
	if (at->answer.tally.content_bytes != before || is_done)
		note_content(at);
	if (is_done)
		attempt_await_end(at);
	if (!at->is_racing)
		attempt_hand_tally(at);
	if (err == 0 && !at->is_racing && account_progress(at->r) < 0) {
		at->is_cut = true;
		err = -EDQUOT;
	}
	if (err < 0) {
		if (err == -EBADMSG)
			attempt_set_error(at, OUTCOME_UP_MALFORMED,
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
	if (at->is_lost)
		return;
	suspect_works(at->r);
	at->status = h->status;
	at->passed_headers = arena_dup(at->r->mem, h->headers);
	at->error_type = arena_dup(at->r->mem, h->error_type);
	at->retry_after_ms = h->retry_after_ms;
	at->must_not_retry = h->should_retry == 0;
	if (h->pause_ms)
		route_pause(&at->r->w->board, at->d, clock_ns() + h->pause_ms * NS_PER_MS);
	if (h->remaining[0] | h->remaining[1])
		usage_note_remaining(at->r, at->d, h->remaining);
	at->is_event_stream = at->r->q.is_stream && h->status / 100 == 2 &&
			      !(at->call.framing != FRAMING_NDJSON &&
				str_starts_nocase(h->content_type, STR("application/json")));
	at->r->upstream_ns = clock_ns() - at->started_ns;
}

static int on_data(void *data, struct str bytes)
{
	struct attempt *at = data;
	if (at->is_lost)
		return -ECANCELED;
	suspect_works(at->r);
	(void)FAULT_IN("answer.marked", at->r->requested_model);
	if (at->is_event_stream) {
		int r = on_stream_bytes(at, bytes);
		at->is_held_up = r == 1;
		return r;
	}
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
	e.message = llm_error_message(a, e.outcome, attempt_provider_name(at), e.message);
	at->error = e;
}

static void end_refused(struct attempt *at)
{
	struct request *r = at->r;
	if (at->status == 401 && credential_is_needed(at->d->auth))
		credential_rejected(r->w, r->snap, at->d);
	read_error_body(at);
	attempt_give_up(at);
}

static struct str scrub_word(struct arena *a, struct str word, struct str key)
{
	return word.p ? llm_scrub(a, word, key) : word;
}

/* An error that came inside a stream or a 200 body. */
void attempt_take_error(struct attempt *at)
{
	struct llm_error e = at->answer.tally.error;
	struct arena *a = at->r->mem;
	struct str key = snap_text(at->r->snap, at->d->api_key);
	if (e.outcome == OUTCOME_OK)
		e.outcome = OUTCOME_UP_ERROR;
	e.message = llm_scrub(a, e.message, key);
	e.type = scrub_word(a, e.type, key);
	e.code = scrub_word(a, e.code, key);
	e.param = scrub_word(a, e.param, key);
	e.message = llm_error_message(a, e.outcome, attempt_provider_name(at), e.message);
	at->error = e;
	attempt_give_up(at);
}

static void answered(struct attempt *at)
{
	struct exchange *x = at->x;
	attempt_hand_tally(at);
	at->r->answer = at->answer;
	if (at->r->silent)
		silent_take_text(at->r, at->answer.tally.text);
	attempt_enter(at, AT_DONE);
	attempt_free(at);
	exchange_answered(x);
}

void attempt_end_stream(struct attempt *at)
{
	struct llm_tally *t = &at->answer.tally;
	struct llm_event end = { .kind = EV_END };
	int err = sse_end(&at->sse, on_stream_event, at);
	if (t->has_error) {
		attempt_take_error(at);
		return;
	}
	if (err < 0 || (!t->is_done && t->finish == FINISH_NONE)) {
		attempt_fail(at, OUTCOME_UP_BROKEN,
		     "the provider ended the stream before the answer was complete");
		return;
	}
	note_time(at);
	if (!at->answer.is_ended)
		err = at->dialect->write_event(&at->answer, &end, &at->out);
	t->is_done = true;
	if (err < 0 || at->out.failed || pass_on(at) < 0 || begin_stream(at) < 0) {
		attempt_fail(at, OUTCOME_OVERLOADED, "no memory for the answer");
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
		attempt_fail(at, OUTCOME_OVERLOADED, "no memory for the answer");
	else if (str_starts(str_trim(buf_str(&at->body)), STR("<")))
		attempt_fail(at, OUTCOME_UP_MALFORMED,
			     "the provider's answer is a web page: is api_base right, with its /v1?");
	else
		attempt_fail(at, OUTCOME_UP_MALFORMED, "the provider's answer is not what it should be");
}

void attempt_end_plain(struct attempt *at)
{
	struct request *r = at->r;
	int err;
	if (at->is_short) {
		err = at->dialect->forward_answer(&at->answer, buf_str(&at->body), &at->out);
	} else {
		err = at->provider->read_answer(&at->reader, buf_str(&at->body),
						attempt_take_event, at);
		if (err == 0 && !at->answer.tally.has_error)
			err = at->dialect->write_answer(&at->answer, &at->out);
	}
	if (at->answer.tally.has_error) {
		attempt_take_error(at);
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
		attempt_give_up(at);
		return;
	}
	exchange_claim(at->x, at);
	r->tally = at->answer.tally;
	r->cost_nano = account_cost(r, &(struct usage){ 0 });
	buf_init(&r->final_head, 32768);
	(void)buf_reserve(&r->final_head, HEAD_USUAL);
	BUF_PUT_LIT(&r->final_head, "content-type: application/json\r\n");
	buf_put(&r->final_head, at->passed_headers);
	request_headers(r, &r->final_head, true);
	if (r->final_head.failed) {
		buf_done(&r->final_head);
		attempt_fail(at, OUTCOME_OVERLOADED, "no memory for the answer");
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
	at->is_event_stream = true;	/* attempt_take_event() writes stream events from now on */
	int err = at->provider->read_answer(&rd, buf_str(&at->body), attempt_take_event, at);
	if (at->answer.tally.has_error) {
		attempt_take_error(at);
		return;
	}
	if (err < 0) {
		fail_to_read(at, err);
		return;
	}
	at->answer.tally.is_done = true;
	attempt_end_stream(at);
}

static enum outcome outcome_of_end(enum transfer_end end)
{
	switch (end) {
	case TRANSFER_REFUSED:
		return OUTCOME_UP_CONNECT;
	case TRANSFER_BARRED:
		return OUTCOME_UP_BARRED;
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
		attempt_take_error(at);
	} else if (at->is_cut) {
		at->error = (struct llm_error){
			.outcome = OUTCOME_BUDGET_SPENT,
			.message = STR("Budget has been exceeded: the answer was cut")};
		attempt_give_up(at);
	} else if (at->error.message.p) {
		attempt_give_up(at);
	} else {
		attempt_fail(at, OUTCOME_OVERLOADED,
		     "the provider's answer is larger than the gateway holds");
	}
}

static void on_end(void *data, enum transfer_end end, const char *detail)
{
	struct attempt *at = data;
	at->transfer = NULL;
	if (at->is_lost)
		return;			/* its timer frees it */
	suspect_works(at->r);
	later_stop(&at->timer);
	at->r->upstream_ns = clock_ns() - at->started_ns;
	if (end == TRANSFER_STOPPED) {
		end_stopped(at);
	} else if (end != TRANSFER_DONE && !(at->is_event_stream && at->answer.tally.is_done)) {
		attempt_fail(at, outcome_of_end(end), detail);
	} else if (at->status / 100 != 2) {
		end_refused(at);
	} else if (at->is_event_stream) {
		attempt_end_stream(at);
	} else if (at->r->q.is_stream) {
		end_plain_for_stream(at);
	} else {
		attempt_end_plain(at);
	}
}

const struct transfer_handler attempt_handler = { on_head, on_data, on_end };
