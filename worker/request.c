/* SPDX-License-Identifier: MIT
 * request.c - THE MAP: the whole life of a request, in order. Nothing else calls a stage.
 *
 *   client -> decide -> exchange -> settle
 *
 * A stage returns STEP_NEXT, STEP_WAIT (and arranges request_resume() later) or STEP_DONE (an
 * answer has been given). A request ends exactly once, in request_end(). */
#include "worker/request.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/admin/relay.h"
#include "worker/client/intake.h"
#include "worker/client/recall.h"
#include "worker/decide/bearer.h"
#include "worker/decide/decide.h"
#include "worker/decide/queue.h"
#include "worker/exchange/exchange.h"
#include "worker/exchange/silent.h"
#include "worker/keep.h"
#include "worker/known.h"
#include "worker/settle/access_log.h"
#include "worker/settle/account.h"
#include "worker/settle/export.h"
#include "worker/settle/hold.h"
#include "worker/settle/usage.h"
#include "worker/suspect.h"
#include "worker/switches.h"
#include "worker/texts.h"
#include "worker/trace.h"

enum {				/* bytes */
	HEADERS_MAX = 32768,		/* of an answer that is made here */
	ERROR_MAX = 65536,
	FAILED_ANSWER_MAX = 32 << 20,	/* some dialects' last event has all of a stream again */
	COUNTED_MAX = 65536		/* of a prompt: it takes a while, and others wait */
};

struct stage {
	const char *name;
	enum step (*run)(struct request *r);
	bool is_clients;		/* a copy for a silent model skips it: nobody's client */
};

static const struct stage stages[] = {
	{ "endpoint", intake_endpoint, false },		/* what is asked for? */
	{ "auth", auth_check, false },			/* who is asking? */
	{ "body", intake_body, false },			/* all of it, please */
	{ "own", intake_own, false },			/* the gateway's own answers end here */
	{ "parse", intake_parse, false },		/* what do they say? */
	{ "resume", recall_stage, false },		/* what was said before? */
	{ "route", route_resolve, false },		/* who can answer? */
	{ "limits", limits_take, true },		/* may they ask this, now? */
	{ "known", known_stage, true },			/* has it been answered before? */
	{ "tokens", limits_take_tokens, true },		/* have they tokens left? */
	{ "queue", queue_stage, true },			/* is there room, or who is before them? */
	{ "account", account_reserve, false },		/* can we write down what it costs? */
	{ "exchange", exchange_start, false },		/* ask, translate, stream back */
};

/* The one place where a request moves on. `stage` is the one that comes next: who waits has had its
 * own, and after the last one, "exchange", callbacks end the request. */
void request_resume(struct request *r)
{
	MUST(!r->is_resuming);
	r->is_waiting = false;
	r->is_resuming = true;
	suspect_works(r);
	while (r->stage < COUNT(stages)) {
		if (r->is_copy && stages[r->stage].is_clients) {
			r->stage++;
			continue;
		}
		switch (stages[r->stage].run(r)) {
		case STEP_NEXT:
			r->stage++;
			break;
		case STEP_WAIT:
			r->stage++;
			r->is_waiting = true;
			r->is_resuming = false;
			return;
		case STEP_DONE:
			r->is_resuming = false;
			request_end(r);
			return;
		}
	}
	must_fail("the last stage waits or answers", __FILE__, __LINE__, __func__);
}

/* ---- beginning ------------------------------------------------------------------------------ */

struct arena *request_take_arena(struct worker *w)
{
	return w->n_spare ? w->spare_arenas[--w->n_spare]
			  : arena_new(snap_settings(w->snap)->request_memory_max);
}

/* Under a sanitizer none is used again: so it sees who still looks at a request that has ended. */
#ifdef __SANITIZE_ADDRESS__
enum { KEPT_ARENAS = 0 };
#else
enum { KEPT_ARENAS = SPARE_ARENAS };
#endif

void request_give_arena(struct worker *w, struct arena *a)
{
	if ((int)w->n_spare < (int)KEPT_ARENAS) {
		arena_reset(a);
		w->spare_arenas[w->n_spare++] = a;
	} else {
		arena_free(a);
	}
}

/* A UUID of version 7 (RFC 9562, 5.7): milliseconds first, so that rows of the ledger are
 * inserted where its index ends; then a counter spread by a bijection (splitmix64's) over what
 * this worker drew at random. */
static void make_id(struct worker *w, uint64_t wall_ns, uint8_t id[16])
{
	uint64_t ms = wall_ns / NS_PER_MS, x = w->id_low++ + w->id_high;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	x ^= x >> 31;
	for (unsigned i = 0; i < 6; i++)
		id[i] = (uint8_t)(ms >> (40 - 8 * i));
	id[6] = (uint8_t)(0x70 | (w->id_high >> 56 & 0x0f));
	id[7] = (uint8_t)(w->id_high >> 48);
	memcpy(id + 8, &x, 8);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

static bool is_good_call_id(struct str s)
{
	if (!s.n || s.n > 128)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] == 0x7f || (unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

static struct str make_call_id(struct request *r)
{
	static const char digits[] = "0123456789abcdef";
	struct str given = http_header(r->http, "x-litellm-call-id");
	char text[36];
	if (is_good_call_id(given))
		return arena_dup(r->mem, given);
	for (unsigned i = 0, at = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[at++] = '-';
		text[at++] = digits[r->id[i] >> 4];
		text[at++] = digits[r->id[i] & 15];
	}
	return arena_dup(r->mem, str_of(text, sizeof text));
}

static void link_request(struct worker *w, struct request *r)
{
	r->next = w->requests;
	if (r->next)
		r->next->prev = r;
	w->requests = r;
	w->n_requests++;
	atomic_store_explicit(&w->row->requests, w->n_requests, memory_order_relaxed);
}

static void unlink_request(struct worker *w, struct request *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		w->requests = r->next;
	if (r->next)
		r->next->prev = r->prev;
	w->n_requests--;
	atomic_store_explicit(&w->row->requests, w->n_requests, memory_order_relaxed);
}

static void begin(struct worker *w, struct request *r, struct arena *a, struct snap *s)
{
	r->w = w;
	r->mem = a;
	r->snap = snap_ref(s);
	r->start_ns = clock_ns();
	r->start_wall_ns = clock_wall_ns();
	r->outcome = OUTCOME_INTERNAL;
	r->q.num_retries = -1;
	make_id(w, r->start_wall_ns, r->id);
	link_request(w, r);
}

struct request *request_new_copy(const struct request *like)
{
	struct worker *w = like->w;
	struct arena *a = request_take_arena(w);
	struct request *r = a ? arena_alloc(a, sizeof *r) : NULL;
	if (!r) {
		arena_free(a);
		return NULL;
	}
	begin(w, r, a, like->snap);
	r->call_id = arena_dup(a, like->call_id);
	r->is_copy = true;
	r->print = like->print;
	return r;
}

void request_run_copy(struct request *r)
{
	for (unsigned i = 0; i < COUNT(stages); i++)
		if (stages[i].run == route_resolve)
			r->stage = i;
	request_resume(r);
}

struct request *request_begin(struct worker *w, struct connection *c, const struct http_request *h)
{
	struct arena *a = request_take_arena(w);
	struct request *r = a ? arena_alloc(a, sizeof *r) : NULL;
	if (!r) {
		arena_free(a);
		return NULL;
	}
	r->conn = c;
	r->http = h;
	begin(w, r, a, worker_snap(w));
	memcpy(r->client_ip, conn_address(c), sizeof r->client_ip);
	r->call_id = make_call_id(r);
	request_resume(r);
	/* It may have ended, and then r is no more. No other one is linked in before it: only what
	 * has a body is copied, and then it waits for that first. */
	return w->requests == r ? r : NULL;
}

/* ---- what the connection tells --------------------------------------------------------------- */

void request_body_done(struct request *r)
{
	request_resume(r);
}

void request_body_failed(struct request *r, enum outcome o)
{
	request_fail(r, o, NULL, "%s",
		     o == OUTCOME_TOO_LARGE	? "Request size is too large"
		     : o == OUTCOME_BAD_REQUEST ? "the chunked body is malformed"
		     : o == OUTCOME_OVERLOADED	? "no memory for the body"
						: "the body did not come in time");
	request_end(r);
}

void request_drained(struct request *r)
{
	exchange_drained(r);
}

size_t request_tunnel(struct request *r, struct str bytes)
{
	return exchange_tunnel(r, bytes);
}

bool request_goes_on(const struct request *r)
{
	return known_goes_on(r);
}

void request_client_gone(struct request *r)
{
	r->is_client_gone = true;
	if (!r->trace && switches_want_record(r))
		trace_begin(r);		/* its headers go with the client */
	r->conn = NULL;
	r->http = NULL;
	if (r->is_resuming)
		return;			/* the stage under way ends it */
	r->outcome = OUTCOME_CLIENT_GONE;
	if (r->is_streaming)
		METRIC_ADD(r->w->metrics, streams_client_gone, 1);
	exchange_cancel(r);
	relay_cancel(r);
	request_end(r);
}

/* ---- its prompt's tokens --------------------------------------------------------------------- */

/* That of the group's first deployment; of a pattern's what the request's name says. */
struct tokenizer *request_tokenizer(const struct request *r)
{
	enum encoding e;
	if (!r->group || !r->group->members.count)
		return NULL;
	const struct snap_deployment *d =
		snap_deployment(r->snap, snap_member(r->snap, r->group, 0));
	if (d->flags & DEPLOY_WILDCARD && str_eq(snap_text(r->snap, d->provider), STR("openai")) &&
	    encoding_of_model(r->requested_model, &e))
		return r->w->tokenizers[e];
	return d->flags & DEPLOY_O200K	? r->w->tokenizers[ENCODING_O200K] :
	       d->flags & DEPLOY_CL100K ? r->w->tokenizers[ENCODING_CL100K] : NULL;
}

uint64_t request_prompt_tokens(struct request *r)
{
	bool is_exact;
	if (r->prompt_tokens)
		return r->prompt_tokens;
	struct tokenizer *t = r->w->has_tokenizer ? request_tokenizer(r) : NULL;
	r->prompt_tokens = t ? estimate_prompt_by(&r->q, t, COUNTED_MAX, &is_exact)
			     : estimate_prompt(&r->q);
	return r->prompt_tokens;
}

/* ---- ends: an answer that is none, an answer of our own, and what is left to do ------------- */

static int status_of(const struct request *r, enum outcome o)
{
	return snap_settings(r->snap)->flags & SET_OLD_STATUSES ? outcome_rows[o].old_status
								: outcome_rows[o].status;
}

static const struct dialect *dialect_of(const struct request *r)
{
	if (r->dialect)
		return r->dialect;
	return r->endpoint && r->endpoint->dialect ? r->endpoint->dialect : &dialect_openai_chat;
}

/* What the gateway lacks just now it may have in a second. */
static uint64_t retry_after_s(const struct llm_error *e)
{
	enum outcome o = e->outcome;
	if (e->retry_after_ms)
		return (e->retry_after_ms + 999) / 1000;
	return o == OUTCOME_OVERLOADED || o == OUTCOME_DRAINING || o == OUTCOME_MONEY_DOWN ||
	       o == OUTCOME_MASTER_AWAY || o == OUTCOME_NO_DEPLOYMENT;
}

static void add_error_headers(struct request *r, const struct llm_error *e, struct buf *out)
{
	uint64_t seconds = retry_after_s(e);
	if (seconds)
		buf_printf(out, "retry-after: %llu\r\n", (unsigned long long)seconds);
	/* We have tried, or it cannot help: a client need not do it again. */
	if (r->retries || r->fallbacks || e->must_not_retry || e->outcome == OUTCOME_BUDGET_SPENT)
		BUF_PUT_LIT(out, "x-should-retry: false\r\n");
	if (e->outcome == OUTCOME_NO_KEY || e->outcome == OUTCOME_KEY_UNKNOWN)
		BUF_PUT_LIT(out, "www-authenticate: Bearer\r\n");
}

/* A last event; where there is no memory for it, an end that is plainly none. */
static void end_stream_with(struct request *r, const struct buf *event)
{
	if (event->failed) {
		conn_reply_abort(r->conn);
		return;
	}
	conn_reply_piece(r->conn, buf_str(event));
	conn_close_after(r->conn);
	conn_reply_end(r->conn);
}

/* In a stream, where the dialect can end what it has begun, it does. */
static void write_error(struct request *r, const struct dialect *d, const struct llm_error *e,
			int status, struct str call_id, struct buf *out)
{
	if (!r->is_streaming || !d->fail_stream || !r->answer.mem) {
		d->write_error(out, e, e->outcome, status, call_id, r->is_streaming);
		return;
	}
	out->cap = FAILED_ANSWER_MAX;
	if (d->fail_stream(&r->answer, e, e->outcome, out) < 0)
		out->failed = true;
}

enum step request_fail_with(struct request *r, const struct llm_error *e)
{
	const struct dialect *d = dialect_of(r);
	struct buf body, headers;
	int status = status_of(r, e->outcome);
	struct str call_id =
		snap_settings(r->snap)->flags & SET_CALL_ID_IN_ERRORS ? r->call_id : STR_NONE;
	r->outcome = e->outcome;
	if (!r->conn)
		return STEP_DONE;
	if (r->raw && r->is_streaming) {	/* whose form nobody here knows: cut, never ended */
		account_settle(r);
		conn_reply_abort(r->conn);
		return STEP_DONE;
	}
	buf_init(&body, ERROR_MAX);
	write_error(r, d, e, status, call_id, &body);
	if (r->is_streaming) {
		account_settle(r);
		end_stream_with(r, &body);
		buf_done(&body);
		return STEP_DONE;
	}
	buf_init(&headers, HEADERS_MAX);
	BUF_PUT_LIT(&headers, "content-type: application/json\r\n");
	add_error_headers(r, e, &headers);
	request_headers(r, &headers, true);
	r->status = headers.failed || body.failed ? 0 : status;
	account_settle(r);	/* before the answer: what is given back may be needed at once */
	if (r->status)		/* else there was no memory to say it: the connection ends */
		conn_reply(r->conn, status, buf_str(&headers), buf_str(&body));
	buf_done(&headers);
	buf_done(&body);
	return STEP_DONE;
}

enum step request_fail(struct request *r, enum outcome o, const char *param, const char *fmt, ...)
{
	char text[2048];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
	struct llm_error e = { .outcome = o, .message = str_of(text, len), .param = str_z(param) };
	return request_fail_with(r, &e);
}

enum step request_reply(struct request *r, int status, const char *type, struct str body)
{
	return request_reply_headed(r, status, type, STR(""), body);
}

enum step request_reply_headed(struct request *r, int status, const char *type, struct str more,
			       struct str body)
{
	struct buf headers;
	r->outcome = status < 400 ? OUTCOME_OK : OUTCOME_BAD_REQUEST;
	if (!r->conn)
		return STEP_DONE;
	buf_init(&headers, HEADERS_MAX);
	buf_printf(&headers, "content-type: %s\r\n", type);
	buf_put(&headers, more);
	request_headers(r, &headers, true);
	r->status = headers.failed ? 0 : status;
	if (r->status)
		conn_reply(r->conn, status, buf_str(&headers), body);
	buf_done(&headers);
	return STEP_DONE;
}

enum step request_reply_buf(struct request *r, int status, const char *type, const struct buf *body)
{
	if (body->failed)
		return request_fail(r, OUTCOME_OVERLOADED, NULL, "no memory for the answer");
	return request_reply(r, status, type, buf_str(body));
}

static void count_end(struct request *r, uint64_t now_ns)
{
	struct metric_row *m = r->w->metrics;
	uint64_t all = now_ns - r->start_ns, waited = r->upstream_ns + r->queued_ns;
	METRIC_ADD(m, requests, 1);
	if (r->status / 100 == 2)
		METRIC_ADD(m, requests_2xx, 1);
	else if (r->status / 100 == 4)
		METRIC_ADD(m, requests_4xx, 1);
	else if (r->status / 100 == 5)
		METRIC_ADD(m, requests_5xx, 1);
	if (r->attempts)
		METRIC_TIME(m, duration, all);
	if (!r->is_streaming && r->attempts)
		METRIC_TIME(m, overhead, all > waited ? all - waited : 0);
	if (r->is_streaming)
		atomic_fetch_sub_explicit(&r->w->row->streams, 1, memory_order_relaxed);
}

/* First nobody calls it back any more; then its money is settled, before anybody is told of it. */
void request_end(struct request *r)
{
	struct worker *w = r->w;
	MUST(!r->is_over);
	r->is_over = true;
	suspect_forget(r);
	exchange_cancel(r);
	queue_forget(r);
	keep_forget(r);
	hold_forget(r);
	if (r->token_wait)
		bearer_forget(r);
	if (r->known)
		known_forget(r);
	account_settle(r);
	if (r->silent)
		silent_end(r);
	if (!r->is_copy) {
		uint64_t now = clock_ns();
		usage_count(r, now);
		count_end(r, now);
		if (switches_want_texts(r))
			texts_keep(r);		/* before its record, which says so */
		if (switches_want_record(r))
			export_record(r, now);
		access_log(r);
	}
	buf_done(&r->final_head);
	buf_done(&r->final_body);
	if (r->conn)
		conn_forget_request(r->conn);
	unlink_request(w, r);
	snap_unref(r->snap);
	request_give_arena(w, r->mem);
}
