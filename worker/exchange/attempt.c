/* SPDX-License-Identifier: MIT
 * attempt.c - one try at one deployment: its states, its time limits, its beginning and end.
 *
 * Short way where client and provider speak the same: bytes are looked at and spliced. Long way
 * otherwise: provider events to neutral events to the client's dialect. Until the first content
 * has been seen nothing goes to the client, so that another attempt can still take over. */
#include "worker/exchange/attempt_private.h"

#include <errno.h>

#include "common/clock.h"
#include "common/mem.h"
#include "worker/exchange/structured.h"
#include "worker/decide/queue.h"
#include "worker/memory.h"
#include "worker/settle/account.h"
#include "worker/switches.h"
#include "worker/texts.h"

enum {
	EVENT_MAX = 1 << 20,		/* longer events are forwarded without a look */
	RESPONSE_MAX = 24 << 20,	/* the same where the last event has the whole answer */
	END_WAIT_MS = 1000,		/* for the connection's end, once all has been said */
	/* Limits that are learned: so many times what one in a hundred takes longer than. */
	AUTO_QUANTILE_MILLI = 990,
	AUTO_FACTOR = 3,
	AUTO_LEAST_MS = 1000
};

#define TO(s) (1u << (s))
static const unsigned attempt_may_go[AT_STATES] = {
	[AT_IDLE] = TO(AT_WAITING) | TO(AT_FAILED),
	[AT_WAITING] = TO(AT_STREAMING) | TO(AT_DONE) | TO(AT_FAILED),	/* nothing shown yet */
	[AT_STREAMING] = TO(AT_DONE) | TO(AT_FAILED),			/* content went out */
	[AT_DONE] = 0,
	[AT_FAILED] = 0,
};

void attempt_enter(struct attempt *at, enum attempt_state next)
{
	MUST(attempt_may_go[at->state] & TO(next));
	at->state = next;
}

void attempt_free(struct attempt *at)
{
	struct worker *w = at->r->w;
	_Atomic uint16_t *n = board_inflight_own(&w->board, w->slot, at->d->board_row);
	if (at->transfer)
		upstream_cancel(at->transfer);
	credential_stop(&at->credential);
	later_stop(&at->timer);
	atomic_store_explicit(n, (uint16_t)(atomic_load_explicit(n, memory_order_relaxed) - 1),
			      memory_order_relaxed);
	queue_room(w);
	buf_done(&at->call.path);
	buf_done(&at->call.body);
	buf_done(&at->call.headers);
	buf_done(&at->body);
	buf_done(&at->out);
	if (at->answer.tally.text)
		buf_done(at->answer.tally.text);
	sse_done(&at->sse);
	mem_free(at);
}

void attempt_drop(struct attempt *at)
{
	attempt_free(at);
}

void attempt_race(struct attempt *at, bool races)
{
	at->is_racing = races;
}

bool attempt_is_shown(const struct attempt *at)
{
	return at->state == AT_STREAMING;
}

bool attempt_is_asked(const struct attempt *at)
{
	return at->transfer && upstream_is_asked(at->transfer);
}

static void on_lost(struct later *l)
{
	struct attempt *at = l->data;
	exchange_lost(at->x);
}

const struct llm_tally *attempt_lose(struct attempt *at)
{
	at->is_lost = true;
	at->is_racing = false;
	credential_stop(&at->credential);	/* one that comes now would have it sent yet */
	if (at->transfer)
		upstream_call_off(at->transfer);
	later_stop(&at->timer);
	later_start(at->r->w->wheel, &at->timer, 0, on_lost, at);
	return &at->answer.tally;
}

void attempt_hand_tally(struct attempt *at)
{
	struct request *r = at->r;
	if (!r->settled_seq) {
		r->tally = at->answer.tally;
		return;
	}
	struct usage settled = r->tally.usage;
	r->tally = at->answer.tally;
	r->tally.usage = settled;
}

void attempt_cancel(struct attempt *at)
{
	attempt_hand_tally(at);
	attempt_free(at);
}

/* ---- errors ---------------------------------------------------------------------------- */

struct str attempt_provider_name(const struct attempt *at)
{
	return snap_text(at->r->snap, at->d->provider);
}

void attempt_set_error(struct attempt *at, enum outcome o, struct str text)
{
	struct arena *a = at->r->mem;
	struct str key = snap_text(at->r->snap, at->d->api_key);
	at->error = (struct llm_error){ .outcome = o, .status = at->status };
	text = llm_scrub(a, text, key);
	at->error.message = llm_error_message(a, o, attempt_provider_name(at), text);
}

/* An answer that nobody will see, as one that is not what its schema says, is billed all the same:
 * it is paid for by itself, whatever comes after it. */
static void book_unseen(struct attempt *at, enum outcome o)
{
	struct llm_tally *t = &at->answer.tally;
	if (!t->has_content)
		return;
	account_book(at->r, at->d, t, at->started_ns, o);
	*t = (struct llm_tally){ .text = t->text, .listener = t->listener };
}

/* The end of an attempt that gave no whole answer. Frees; the exchange decides what is next. */
void attempt_give_up(struct attempt *at)
{
	struct exchange *x = at->x;
	struct llm_error e = at->error;
	bool was_shown = at->state == AT_STREAMING;
	if (!e.retry_after_ms)
		e.retry_after_ms = at->retry_after_ms;
	e.must_not_retry |= at->must_not_retry;
	attempt_enter(at, AT_FAILED);
	if (!was_shown)
		book_unseen(at, e.outcome);
	if (at->is_racing) {
		exchange_fell_out(x, at, &e);
		attempt_free(at);
		return;
	}
	attempt_hand_tally(at);
	if (was_shown || !at->is_continuing)
		at->r->answer = at->answer;
	if (!was_shown && !at->is_continuing)
		at->r->answer.state = NULL;	/* nobody has seen what it began */
	if (was_shown)
		at->answer.tally.text = NULL;	/* exchange_broke() has it */
	attempt_free(at);
	if (was_shown)
		exchange_broke(x, &e);
	else
		exchange_failed(x, &e);
}

void attempt_fail(struct attempt *at, enum outcome o, const char *text)
{
	attempt_set_error(at, o, str_z(text));
	attempt_give_up(at);
}

/* ---- time ---------------------------------------------------------------------------------- */

static void on_timer(struct later *l);

static uint64_t sooner(uint64_t a, uint64_t since_ns, uint64_t limit_ms)
{
	uint64_t b = limit_ms ? since_ns + limit_ms * NS_PER_MS : UINT64_MAX;
	return b < a ? b : a;
}

/* None while nothing is read because the client is slow: whoever takes nothing at all is cut by
 * limits.write-timeout. */
static uint64_t silence_limit_ms(const struct attempt *at)
{
	if (at->is_held_up)
		return 0;
	return at->state == AT_STREAMING ? at->chunk_limit_ms : at->first_limit_ms;
}

static void arm(struct attempt *at, uint64_t now)
{
	uint64_t due = sooner(UINT64_MAX, at->started_ns, at->total_limit_ms);
	if (at->r->q.is_stream) {
		due = sooner(due, at->content_ns, silence_limit_ms(at));
		due = sooner(due, at->sent_ns, at->heartbeat_ms);
	}
	if (at->answer.tally.is_done)
		due = sooner(due, at->content_ns, END_WAIT_MS);
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
	if (at->answer.tally.is_done && now >= sooner(UINT64_MAX, at->content_ns, END_WAIT_MS)) {
		upstream_cancel(at->transfer);
		at->transfer = NULL;
		attempt_end_stream(at);
		return;
	}
	if (now >= sooner(UINT64_MAX, at->started_ns, at->total_limit_ms))
		late = "Request timed out: the whole answer took longer than allowed";
	else if (at->r->q.is_stream &&
		 now >= sooner(UINT64_MAX, at->content_ns, silence_limit_ms(at)))
		late = at->state == AT_STREAMING ? "Request timed out: the stream fell silent"
						 : "Request timed out: no first token came in time";
	if (late) {
		attempt_set_error(at, OUTCOME_UP_TIMEOUT, str_z(late));
		at->error.is_askers = at->is_hasty && at->state == AT_WAITING;
		attempt_give_up(at);
		return;
	}
	if (at->r->q.is_stream && now >= sooner(UINT64_MAX, at->sent_ns, at->heartbeat_ms))
		attempt_heartbeat(at, now);
	arm(at, now);
}

void attempt_await_end(struct attempt *at)
{
	arm(at, at->content_ns);
}

void attempt_await_more(struct attempt *at)
{
	bool looks_in_time = at->heartbeat_ms && at->heartbeat_ms <= at->chunk_limit_ms;
	if (at->chunk_limit_ms && !looks_in_time)
		arm(at, at->content_ns);
}

static uint64_t first_given(uint64_t a, uint64_t b, uint64_t c)
{
	return a ? a : b ? b : c;
}

/* Longer than nearly all were, by far, and never longer than without learning. */
static uint64_t learned_ms(const struct attempt *at, enum times_kind kind, uint64_t most_ms)
{
	const struct times *t = &at->r->w->board.times[at->d->board_row];
	uint64_t ns = times_quantile(t, kind, AUTO_QUANTILE_MILLI);
	uint64_t ms = ns * AUTO_FACTOR / NS_PER_MS;
	if (!ns)
		return most_ms;
	ms = ms < AUTO_LEAST_MS ? AUTO_LEAST_MS : ms;
	return most_ms && most_ms < ms ? most_ms : ms;
}

static void set_limits_by(struct attempt *at, uint64_t asked, uint64_t asked_stream)
{
	const struct snap_settings *s = snap_settings(at->r->snap);
	uint64_t limit;
	at->total_limit_ms = s->total_timeout_ms;
	limit = first_given(asked, at->d->timeout_ms,
			    s->flags & SET_AUTO_TIMEOUT ? TIMEOUT_AUTO : 0);
	if (!at->r->q.is_stream) {
		at->total_limit_ms = limit == TIMEOUT_AUTO
					     ? learned_ms(at, TIMES_WHOLE, s->total_timeout_ms)
					     : first_given(limit, s->total_timeout_ms, 0);
		return;
	}
	limit = first_given(first_given(asked_stream, at->d->stream_timeout_ms, 0), limit, 0);
	at->first_limit_ms = first_given(limit, s->first_token_timeout_ms, 0);
	at->chunk_limit_ms = s->chunk_timeout_ms;
	if (limit == TIMEOUT_AUTO) {
		at->first_limit_ms = learned_ms(at, TIMES_FIRST, s->first_token_timeout_ms);
		at->chunk_limit_ms = learned_ms(at, TIMES_GAP, s->chunk_timeout_ms);
	}
}

static bool is_sooner(uint64_t a_ms, uint64_t b_ms)
{
	return a_ms && (!b_ms || a_ms < b_ms);
}

/* Whoever asks for less time than there is learns nothing of a deployment by that: else any key
 * could have all of them left alone. */
static void set_limits(struct attempt *at)
{
	const struct llm_request *q = &at->r->q;
	uint64_t asked = (uint64_t)(q->timeout_s * 1000),
		 asked_stream = (uint64_t)(q->stream_timeout_s * 1000);
	at->started_ns = at->content_ns = at->sent_ns = clock_ns();
	at->heartbeat_ms =
		at->is_event_stream ? snap_settings(at->r->snap)->stream_heartbeat_ms : 0;
	set_limits_by(at, 0, 0);
	if (!asked && !asked_stream)
		return;
	uint64_t total = at->total_limit_ms, first = at->first_limit_ms;
	set_limits_by(at, asked, asked_stream);
	at->is_hasty = q->is_stream ? is_sooner(at->first_limit_ms, first)
				    : is_sooner(at->total_limit_ms, total);
}

/* ---- beginning ------------------------------------------------------------------------------ */

static void on_mock(struct later *l)
{
	struct attempt *at = l->data;
	at->status = 200;
	at->r->upstream_ns = clock_ns() - at->started_ns;
	if (at->r->q.is_stream) {
		at->is_event_stream = true;
		int err = at->provider->read_answer(&at->reader, STR_NONE, attempt_take_event, at);
		if (err == 0 && !at->answer.tally.has_error) {
			attempt_end_stream(at);
			return;
		}
	} else {
		attempt_end_plain(at);
		return;
	}
	if (at->answer.tally.has_error)
		attempt_take_error(at);
	else
		attempt_fail(at, OUTCOME_OVERLOADED, "no memory for the answer");
}

struct attempt *attempt_new(struct exchange *x, struct request *r, uint32_t index)
{
	struct attempt *at = mem_alloc(sizeof *at);
	size_t cap = snap_settings(r->snap)->request_memory_max;
	if (!at)
		return NULL;
	at->x = x;
	at->r = r;
	at->index = index;
	at->asked = &r->q;
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

/* What is kept has an id of our own making: a call's id may be its client's. */
static struct str make_id(const struct request *r)
{
	char hex[2 * sizeof r->id + 1];
	if (r->dialect->write_kept) {
		hash_hex(hex, r->id, sizeof r->id);
		return arena_join(r->mem, STR("resp_"), str_z(hex));
	}
	return arena_join(r->mem,
			  r->q.kind == LLM_CHAT	    ? STR("chatcmpl-")
			  : r->q.kind == LLM_RERANK ? STR("rerank-")
						    : STR("cmpl-"),
			  r->call_id);
}

static int launch(void *data)
{
	struct attempt *at = data;
	struct request *r = at->r;
	attempt_enter(at, AT_WAITING);
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
		.is_later = at->is_racing,	/* a claim must find all that it looks at */
	};
	if (at->provider->family == FAMILY_MOCK) {
		later_start(r->w->wheel, &at->timer, 0, on_mock, at);
		return 0;
	}
	at->transfer = upstream_start(r->w->upstream, &spec, &attempt_handler, at);
	if (!at->transfer)
		return -ENOMEM;
	arm(at, at->started_ns);
	return 0;
}

static void on_no_token(void *data, enum outcome o, struct str why)
{
	struct attempt *at = data;
	attempt_set_error(at, o, why);
	attempt_give_up(at);
}

/* Launches it as soon as it has all its headers: at once, but where a token has to be fetched. */
static int authorize(struct attempt *at)
{
	static const struct credential_user user = { launch, on_no_token };
	if (at->provider->family == FAMILY_MOCK || !credential_is_needed(at->d->auth))
		return launch(at);
	at->credential = (struct credential_wait){
		.user = &user, .data = at, .r = at->r, .d = at->d, .headers = &at->call.headers };
	int err = credential_obtain(&at->credential);
	if (err == 0 && at->state == AT_IDLE)
		arm(at, at->started_ns);
	return err;
}

static const struct price *told_price(const struct attempt *at)
{
	struct request *r = at->r;
	bool is_told = r->q.is_stream && snap_settings(r->snap)->flags & SET_COST_IN_STREAM;
	return is_told ? account_price(r, at->d) : NULL;
}

/* As the client said it: aliases of its key and team are not its business. */
static struct str asked_model(const struct request *r)
{
	if (r->fallbacks)
		return r->group->flags & GROUP_PATTERN ? r->fallback
						       : snap_text(r->snap, r->group->name);
	return r->renamed[DIR_KEY].n ? r->renamed[DIR_KEY] :
	       r->renamed[DIR_TEAM].n ? r->renamed[DIR_TEAM] : r->requested_model;
}

static void begin_answer(struct attempt *at)
{
	struct request *r = at->r;
	at->answer = (struct dialect_answer){
		.mem = r->mem,
		.q = &r->q,
		.model = asked_model(r),
		.id = make_id(r),
		.created_s = (int64_t)(r->start_wall_ns / NS_PER_S),
		.tally = { .text = r->q.is_stream ? exchange_text_room(r) : structured_room(r) },
		.show_usage = !r->q.is_stream || r->q.wants_usage ||
			      snap_settings(r->snap)->flags & SET_ALWAYS_STREAM_USAGE,
		.price = told_price(at),
		.has_tiers = account_price(r, at->d)->flags & PRICE_TIERED,
	};
	if (switches_want_texts(r)) {
		texts_decide(r);
		if (r->q.is_stream)
			at->answer.tally.listener = texts_listen(r, &at->answer);
	}
}

/* The client's stream, where another attempt has left it. */
static void go_on_with(struct attempt *at, const struct dialect_answer *shown)
{
	at->answer = *shown;
	at->answer.tally.text = exchange_text_room(at->r);
	at->answer.price = told_price(at);
	at->answer.has_tiers = account_price(at->r, at->d)->flags & PRICE_TIERED;
	if (at->dialect->heartbeat)
		BUF_PUT_LIT(&at->out, ": llmgw: continued by another attempt\n\n");
}

int attempt_start(struct exchange *x, struct request *r, uint32_t deployment, bool races,
		  struct attempt **ret, struct llm_error *reterr)
{
	struct attempt *at = attempt_new(x, r, deployment);
	const struct dialect_answer *shown = NULL;
	int err = -ENOMEM;
	if (!at)
		goto out;
	at->is_racing = races;
	exchange_continues(x, &at->asked, &shown);
	at->is_continuing = shown != NULL;
	if (!attempt_choose_adapter(at))
		goto out;
	set_limits(at);
	at->reader = (struct provider_reader){
		.mem = r->mem, .q = at->asked, .target = &at->target };
	if (shown)
		go_on_with(at, shown);
	else
		begin_answer(at);
	err = at->provider->family == FAMILY_MOCK
		      ? at->provider->write_request(r->mem, at->asked, &at->target, &at->call,
						    reterr)
		      : attempt_build_call(at, reterr);
	sse_init(&at->sse, at->call.framing, event_max(at));
	if (err == 0 && !at->answer.id.p)
		err = -ENOMEM;
	if (err == 0 && (at->call.body.failed || at->call.path.failed || at->call.headers.failed))
		err = -ENOMEM;
	if (err == 0) {
		*ret = at;
		err = authorize(at);
	}
	if (err == 0)
		return 0;
out:
	*ret = NULL;
	if (err == -ENOMEM)
		*reterr = (struct llm_error){
			.outcome = memory_outcome(r->w),
			.message = STR("the request needs more memory than a request may use")};
	if (at)
		attempt_free(at);
	return err;
}

void attempt_drained(struct attempt *at)
{
	if (at->is_held_up) {
		at->is_held_up = false;
		at->content_ns = clock_ns();
		arm(at, at->content_ns);
	}
	if (at->transfer)
		upstream_resume(at->transfer);
}
