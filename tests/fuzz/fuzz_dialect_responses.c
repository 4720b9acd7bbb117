/* SPDX-License-Identifier: MIT
 * fuzz_dialect_responses.c - the first byte says what the rest is:
 *
 * a request: what is accepted says the same on the short way, as a chat made of it, and as a
 * conversation that is kept and taken up again; with 0xff in it, what follows is such a
 * conversation, of any bytes. Events: the stream is one that a strict client takes, and its end
 * is the plain answer. A provider's bytes on the short way: the same whole and in pieces. */
#include <errno.h>

#include "common/hash.h"
#include "tests/fuzz/request_fuzz.h"
#include "tests/unit/llm_text.h"
#include "tests/unit/responses_stream.h"
#include "worker/client/dialect_responses.h"
#include "worker/client/responses_store.h"
#include "worker/exchange/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { MEMORY = 8 << 20, EVENT_CAP = 65536 };

static const struct json *parse(struct arena *a, struct str text)
{
	struct json_error error;
	return json_parse(a, text, JSON_ONE_KEY, &error);
}

static struct str said(struct arena *a, const struct llm_request *q)
{
	struct buf b;
	buf_init(&b, MEMORY);
	say_request(&b, q);
	struct str s = b.failed ? STR_NONE : arena_dup(a, buf_str(&b));
	buf_done(&b);
	return s;
}

static void must_say_the_same(struct arena *a, const struct llm_request *x, const struct llm_request *y)
{
	struct str s = said(a, x), t = said(a, y);
	MUST(!s.p || !t.p || str_eq(s, t));
}

/* 0 or -ENOMEM: what was accepted once is accepted again. */
static int read_again(struct arena *a, const struct dialect *d, struct str body, struct llm_request *ret)
{
	struct dialect_error err = { 0 };
	const struct json *root = parse(a, body);
	*ret = (struct llm_request){ 0 };
	if (!root)
		return -ENOMEM;
	int r = d->read_request(a, body, root, ret, &err);
	MUST(r == 0 || r == -ENOMEM);
	return r;
}

/* --- requests --- */

static void check_counts(const struct llm_request *q, size_t bytes)
{
	unsigned n = 0;
	for (const struct llm_message *m = q->messages; m; m = m->next)
		n++;
	MUST(q->n_messages == n && q->prompt_bytes <= bytes && q->n == 1 && q->wants_usage);
	MUST(estimate_prompt(q) <= estimate_prompt_worst(q));
}

static void check_short_way(struct arena *a, const struct llm_request *q)
{
	struct llm_request again;
	struct buf out;
	buf_init(&out, MEMORY);
	if (dialect_responses.forward_request(a, q, q->model, STR_NONE, STR_NONE, &out) == 0 && !out.failed &&
	    read_again(a, &dialect_responses, buf_str(&out), &again) == 0)
		must_say_the_same(a, q, &again);
	buf_done(&out);
}

static struct str chat_of(struct arena *a, const struct llm_request *q)
{
	struct provider_target t = { .model = q->model };
	struct provider_call call;
	struct llm_error unused;
	buf_init(&call.path, 256);
	buf_init(&call.body, MEMORY);
	int err = provider_openai.write_request(a, q, &t, &call, &unused);
	struct str body = err ? STR_NONE : arena_dup(a, buf_str(&call.body));
	buf_done(&call.path);
	buf_done(&call.body);
	return body;
}

static void check_chat(struct arena *a, const struct llm_request *q)
{
	struct str first = chat_of(a, q);
	struct llm_request again;
	if (!first.p || read_again(a, &dialect_openai_chat, first, &again) != 0)
		return;
	struct str second = chat_of(a, &again);
	MUST(!second.p || str_eq(first, second));
}

/* Kept, and taken up by a request that says nothing itself. */
static void check_kept(struct arena *a, const struct llm_request *q)
{
	struct dialect_answer an = { .mem = a, .q = q, .id = STR("resp_1") };
	struct llm_request only = { .n = 1, .messages = q->messages }, next;
	struct dialect_error err = { 0 };
	struct buf items;
	if (json_is_given(json_get(q->root, "instructions")))
		only.messages = only.messages->next;
	buf_init(&items, MEMORY);
	int r = responses_write_conversation(&an, &items);
	MUST(r == 0 || r == -ENOMEM);
	if (r == 0 && !items.failed &&
	    read_again(a, &dialect_responses, STR("{\"model\":\"m\",\"previous_response_id\":\"resp_1\"}"), &next) == 0) {
		r = responses_resume(a, buf_str(&items), &next, &err);
		MUST(r == 0 || r == -ENOMEM);
		if (r == 0)
			must_say_the_same(a, &only, &(struct llm_request){ .n = 1, .messages = next.messages });
	}
	buf_done(&items);
}

static void fuzz_request(struct arena *a, struct str in)
{
	struct dialect_error err = { 0 };
	struct llm_request q = { 0 };
	struct str items = in, body = str_cut(&items, (char)0xff);
	const struct json *root = parse(a, body);
	int r = json_is(root, JSON_OBJECT) ? dialect_responses.read_request(a, body, root, &q, &err) : -EBADMSG;
	if (r == 0 && q.conversation_id.p && items.p) {
		r = responses_resume(a, items, &q, &err);
		MUST(r == 0 || r == -EINVAL || r == -EBADMSG || r == -ENOMEM);
	} else if (q.conversation_id.p && r == 0) {
		r = responses_refuse_missing(a, &q, &err);
		MUST(r == -EINVAL);
	}
	if (r == -EINVAL)
		check_refusal(&err);
	if (r)
		return;
	check_counts(&q, in.n);
	check_short_way(a, &q);
	check_chat(a, &q);
	check_kept(a, &q);
}

/* --- events --- */

struct script {
	struct str rest;
	struct llm_event ev;
};

static uint8_t take_byte(struct script *s)
{
	uint8_t b = s->rest.n ? (uint8_t)s->rest.p[0] : 0;
	s->rest = str_skip(s->rest, 1);
	return b;
}

/* Kind, tool, length and text; a text that is none is left out. */
static bool next_event(struct script *s)
{
	static const enum llm_event_kind kinds[] = {
		EV_TEXT, EV_REASONING, EV_REFUSAL, EV_TOOL_START, EV_TOOL_ARGS, EV_TOOL_ARGS, EV_FINISH, EV_USAGE,
	};
	if (!s->rest.n)
		return false;
	uint8_t kind = take_byte(s), tool = take_byte(s), length = take_byte(s) % 24;
	struct str text = str_of(s->rest.p, length < s->rest.n ? length : s->rest.n);
	s->rest = str_skip(s->rest, length);
	s->ev = (struct llm_event){ .kind = kinds[kind % COUNT(kinds)], .tool = tool % 5 };
	if (!str_is_utf8(text))
		text = STR("");
	if (s->ev.kind == EV_TOOL_START)
		s->ev.name = text;
	else
		s->ev.text = text;
	if (s->ev.kind == EV_TOOL_START && (tool & 128))
		s->ev.id = text;
	if (s->ev.kind == EV_REASONING && (tool & 128))
		s->ev.signature = STR("sig");
	s->ev.finish = tool & 64 ? FINISH_LENGTH : tool & 32 ? FINISH_FILTER : FINISH_TOOL_CALLS;
	s->ev.usage = (struct usage){ .input = tool, .output = length };
	return true;
}

static void check_conversation(struct arena *a, struct dialect_answer *an)
{
	struct dialect_error err = { 0 };
	struct llm_request next;
	struct buf items;
	buf_init(&items, MEMORY);
	int r = responses_write_conversation(an, &items);
	if (r == 0 && !items.failed &&
	    read_again(a, &dialect_responses, STR("{\"model\":\"m\",\"previous_response_id\":\"resp_1\"}"), &next) == 0) {
		r = responses_resume(a, buf_str(&items), &next, &err);
		MUST(r == 0 || r == -ENOMEM);
	}
	buf_done(&items);
}

static void fuzz_events(struct arena *a, struct str in, bool with_summary, bool fails)
{
	struct str body = with_summary ? STR("{\"model\":\"m\",\"input\":\"hi\",\"reasoning\":{\"summary\":\"auto\"},"
					     "\"tools\":[{\"type\":\"custom\",\n\"name\":\"c\"}]}")
				       : STR("{\"model\":\"m\",\"input\":\"hi\"}");
	struct llm_error e = { .outcome = OUTCOME_UP_BROKEN, .message = STR("broke") };
	struct llm_event end = { .kind = EV_END };
	struct script script = { .rest = in };
	struct seen seen = { .mem = a };
	struct llm_request q;
	struct buf out, plain;
	int err = read_again(a, &dialect_responses, body, &q);
	struct dialect_answer stream = { .mem = a, .q = &q, .model = STR("m"), .id = STR("x-1") }, whole = stream;
	buf_init(&out, 2 * MEMORY);
	buf_init(&plain, MEMORY);
	buf_init(&seen.names, MEMORY);
	while (!err && next_event(&script)) {
		err = dialect_responses.write_event(&stream, &script.ev, &out);
		if (!err)
			err = dialect_responses.collect(&whole, &script.ev);
	}
	if (!err)
		err = fails ? responses_fail_stream(&stream, &e, e.outcome, &out)
			    : dialect_responses.write_event(&stream, &end, &out);
	MUST(err == 0 || err == -ENOMEM || err == -E2BIG);
	if (!err && !out.failed) {
		seen_read(&seen, buf_str(&out));
		MUST(seen.is_over && stream.is_ended);
		MUST(dialect_responses.write_answer(&whole, &plain) == 0);
		MUST(fails || str_eq(seen.final->raw, buf_str(&plain)));
		check_conversation(a, &whole);
	}
	buf_done(&out);
	buf_done(&plain);
	buf_done(&seen.names);
}

/* --- the short way --- */

struct forwarding {
	struct dialect_answer answer;
	struct arena *scratch;
	struct buf out;
};

static int on_event(void *data, const struct sse_event *ev)
{
	struct forwarding *f = data;
	int err = 0;
	if (ev->data.p || ev->oversize)
		err = dialect_responses.forward_event(&f->answer, f->scratch, ev, &f->out);
	arena_reset(f->scratch);
	return f->answer.tally.has_error ? -ECANCELED : err;
}

static int forward(struct forwarding *f, struct str in, size_t step)
{
	struct sse s;
	int err = 0;
	sse_init(&s, FRAMING_SSE, EVENT_CAP);
	for (size_t at = 0; at < in.n && !err; at += step) {
		struct str piece = str_skip(in, at);
		piece.n = piece.n < step ? piece.n : step;
		err = sse_feed(&s, piece, on_event, f);
	}
	if (!err)
		err = sse_end(&s, on_event, f);
	sse_done(&s);
	return err;
}

static void begin(struct forwarding *f, struct arena *a, const struct llm_request *q)
{
	*f = (struct forwarding){
		.answer = { .mem = a, .q = q, .model = STR("a\"b"), .id = STR("x-1") },
		.scratch = arena_new(MEMORY),
	};
	buf_init(&f->out, MEMORY);
}

static void check_forwarded(const struct forwarding *f, int err)
{
	const struct llm_tally *t = &f->answer.tally;
	MUST(err == 0 || err == -EBADMSG || err == -ENOMEM || err == -ECANCELED);
	MUST(t->usage.input <= INT32_MAX && t->usage.output <= INT32_MAX);
	MUST(t->usage.cache_read + t->usage.cache_write <= t->usage.input);
	MUST(t->usage.reasoning <= t->usage.output);
	MUST(!t->has_error || (t->error.message.n && t->error.outcome != OUTCOME_OK));
	MUST(!f->answer.is_ended || t->is_done);
}

static void fuzz_short_way(struct arena *a, struct str in, size_t step)
{
	struct llm_request q;
	struct forwarding whole, pieces, plain;
	struct json_error error;
	struct buf items;
	if (read_again(a, &dialect_responses, STR("{\"model\":\"m\",\"input\":\"hi\"}"), &q) != 0)
		return;
	begin(&whole, a, &q);
	begin(&pieces, a, &q);
	begin(&plain, a, &q);
	int x = forward(&whole, in, in.n + 1), y = forward(&pieces, in, step);
	check_forwarded(&whole, x);
	check_forwarded(&pieces, y);
	bool is_comparable = x != -ENOMEM && y != -ENOMEM && in.n < EVENT_CAP;
	MUST(!is_comparable || (x == y && str_eq(buf_str(&whole.out), buf_str(&pieces.out))));
	check_forwarded(&plain, dialect_responses.forward_answer(&plain.answer, in, &plain.out));
	buf_init(&items, MEMORY);
	if (whole.answer.is_ended && responses_write_conversation(&whole.answer, &items) == 0 && !items.failed)
		MUST(json_is(json_parse(a, buf_str(&items), 0, &error), JSON_ARRAY) || arena_used(a) > MEMORY / 2);
	buf_done(&items);
	buf_done(&whole.out);
	buf_done(&pieces.out);
	buf_done(&plain.out);
	arena_free(whole.scratch);
	arena_free(pieces.scratch);
	arena_free(plain.scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 1 || hash_init() != 0)
		return 0;
	struct arena *a = arena_new(MEMORY);
	struct str in = { (const char *)p + 1, n - 1 };
	MUST(a);
	if (p[0] % 3 == 0)
		fuzz_request(a, in);
	else if (p[0] % 3 == 1)
		fuzz_events(a, in, p[0] & 16, p[0] & 32);
	else
		fuzz_short_way(a, in, p[0] / 3 % 7 + 1);
	arena_free(a);
	return 0;
}
