/* SPDX-License-Identifier: MIT
 * answer_fuzz.h - what holds for any provider adapter, whatever bytes it reads; shared by the
 * fuzz targets of the families.
 *
 * Any bytes give events or an error; a stream cut anywhere gives the same events; counters stay
 * in range; the sum of the deltas that a client gets is the plain answer that it would get. */
#ifndef ANSWER_FUZZ_H
#define ANSWER_FUZZ_H

#include <errno.h>

#include "common/hash.h"
#include "tests/unit/llm_text.h"
#include "worker/client/dialect.h"
#include "worker/exchange/provider.h"

enum { ANSWER_MEMORY = 32 << 20, ANSWER_CAP = 65536 };

static const struct dialect *const fuzzed_dialects[LLM_KINDS] = {
	[LLM_CHAT] = &dialect_openai_chat,
	[LLM_TEXT] = &dialect_openai_text,
	[LLM_EMBED] = &dialect_openai_embed,
	[LLM_RERANK] = &dialect_rerank,
};

/* One reading of the input: the events as text, and what the client gets of them. */
struct answer_run {
	struct arena *mem, *scratch;
	const struct provider *provider;
	const struct dialect *dialect;
	const struct llm_request *q;
	struct provider_reader reader;
	struct dialect_answer stream, plain;
	struct said said;
	struct buf text, out;
	bool is_over;
	int failed;			/* of the dialects: -ENOMEM, -E2BIG */
};

static inline void check_event(const struct llm_event *ev)
{
	MUST(ev->choice < 4096 && ev->tool < 4096);
	MUST(ev->kind != EV_FINISH || ev->finish != FINISH_NONE);
	MUST(ev->kind != EV_ERROR || (ev->error->message.n && ev->error->outcome != OUTCOME_OK &&
				      str_is_utf8(ev->error->message)));
	MUST(!ev->text.n || str_is_utf8(ev->text));
	if (ev->kind == EV_USAGE) {
		MUST(ev->usage.input <= INT32_MAX && ev->usage.output <= INT32_MAX);
		MUST(ev->usage.cache_read + ev->usage.cache_write <= ev->usage.input);
		MUST(ev->usage.reasoning <= ev->usage.output);
	}
}

static inline int on_answer_event(void *data, const struct llm_event *ev)
{
	struct answer_run *r = data;
	int err = 0;
	check_event(ev);
	MUST(!r->is_over);		/* nothing comes after the end or an error */
	r->is_over = ev->kind == EV_END || ev->kind == EV_ERROR;
	say_event(&r->said, ev);
	if (r->dialect->write_event)
		err = r->dialect->write_event(&r->stream, ev, &r->out);
	if (!err)
		err = r->dialect->collect(&r->plain, ev);
	if (err)
		r->failed = err;
	return err;
}

static inline int on_answer_sse(void *data, const struct sse_event *ev)
{
	struct answer_run *r = data;
	int err = 0;
	if (ev->data.p && !r->is_over)
		err = provider_read_event(r->provider, &r->reader, r->scratch, ev, on_answer_event, r);
	arena_reset(r->scratch);
	return err;
}

static inline void answer_begin(struct answer_run *r, const struct provider *p, const struct dialect *d,
				const struct llm_request *q)
{
	*r = (struct answer_run){ .provider = p, .dialect = d, .q = q };
	r->mem = arena_new(ANSWER_MEMORY);
	r->scratch = arena_new(ANSWER_MEMORY);
	r->reader = (struct provider_reader){ .mem = r->mem, .q = q };
	r->stream = r->plain = (struct dialect_answer){
		.mem = r->mem, .q = q, .model = STR("m"), .id = STR("i"), .created_s = 1, .show_usage = true,
	};
	buf_init(&r->text, ANSWER_MEMORY);
	buf_init(&r->out, ANSWER_MEMORY);
	r->said.to = &r->text;
}

static inline void answer_done(struct answer_run *r)
{
	buf_done(&r->text);
	buf_done(&r->out);
	arena_free(r->mem);
	arena_free(r->scratch);
}

static inline int answer_feed(struct answer_run *r, enum stream_framing framing, struct str in, size_t step)
{
	struct sse s;
	int err = 0;
	sse_init(&s, framing, ANSWER_CAP);
	for (size_t at = 0; at < in.n && !err; at += step) {
		struct str rest = str_skip(in, at);
		rest.n = rest.n < step ? rest.n : step;
		err = sse_feed(&s, rest, on_answer_sse, r);
	}
	if (!err)
		err = sse_end(&s, on_answer_sse, r);
	sse_done(&s);
	return err;
}

/* --- the short way --- */

struct short_run {
	const struct dialect *dialect;
	struct dialect_answer answer;
	struct arena *scratch;
	struct buf out;
};

static inline int on_short_event(void *data, const struct sse_event *ev)
{
	struct short_run *r = data;
	int err = 0;
	if (ev->data.p && !r->answer.is_ended)
		err = r->dialect->forward_event(&r->answer, r->scratch, ev, &r->out);
	arena_reset(r->scratch);
	return r->answer.tally.has_error ? -ECANCELED : err;
}

/* answer: as the long way begins it. */
static inline int short_feed(struct short_run *r, const struct dialect *d,
			     const struct dialect_answer *answer, struct str in)
{
	struct sse s;
	*r = (struct short_run){ .dialect = d, .answer = *answer, .scratch = arena_new(ANSWER_MEMORY) };
	buf_init(&r->out, ANSWER_MEMORY);
	sse_init(&s, FRAMING_SSE, ANSWER_CAP);
	int err = sse_feed(&s, in, on_short_event, r);
	if (!err)
		err = sse_end(&s, on_short_event, r);
	sse_done(&s);
	return err;
}

static inline void short_done(struct short_run *r)
{
	buf_done(&r->out);
	arena_free(r->scratch);
}

/* What the client was given as a stream, read back, makes the same plain answer. */
static inline void check_sum_of_deltas(struct answer_run *r)
{
	struct llm_event end = { .kind = EV_END };
	struct answer_run back;
	struct buf plain, summed;
	if (r->said.errors || r->failed || r->said.tally.finish == FINISH_NONE)
		return;
	if (!r->is_over)
		on_answer_event(r, &end);
	MUST(r->stream.is_ended && str_ends(buf_str(&r->out), STR("data: [DONE]\n\n")));
	answer_begin(&back, &provider_openai, r->dialect, r->q);
	int err = answer_feed(&back, FRAMING_SSE, buf_str(&r->out), SIZE_MAX / 2);
	MUST(err == 0 || err == -ENOMEM);
	buf_init(&plain, ANSWER_MEMORY);
	buf_init(&summed, ANSWER_MEMORY);
	if (!err && !r->failed && r->dialect->write_answer(&r->plain, &plain) == 0 &&
	    r->dialect->write_answer(&back.plain, &summed) == 0)
		MUST(str_eq(buf_str(&plain), buf_str(&summed)));
	buf_done(&plain);
	buf_done(&summed);
	answer_done(&back);
}

static inline void fuzz_stream(const struct provider *p, const struct dialect *d,
			       const struct llm_request *q, enum stream_framing framing, struct str in,
			       size_t step)
{
	struct answer_run whole, pieces;
	answer_begin(&whole, p, d, q);
	answer_begin(&pieces, p, d, q);
	int a = answer_feed(&whole, framing, in, in.n + 1);
	int b = answer_feed(&pieces, framing, in, step);
	MUST(a == b || whole.failed || pieces.failed);
	MUST(a == 0 || a == -EBADMSG || a == -ENOMEM || whole.failed);
	MUST(whole.failed || str_eq(buf_str(&whole.text), buf_str(&pieces.text)));
	MUST(whole.said.tally.usage.input <= INT32_MAX && whole.said.tally.usage.output <= INT32_MAX);
	if (a == 0)
		check_sum_of_deltas(&whole);
	answer_done(&whole);
	answer_done(&pieces);
}

static inline void fuzz_plain(const struct provider *p, const struct dialect *d,
			      const struct llm_request *q, struct str in)
{
	struct json_error error;
	struct answer_run r;
	struct buf plain;
	answer_begin(&r, p, d, q);
	int err = p->read_answer(&r.reader, in, on_answer_event, &r);
	MUST(err == 0 || err == -EBADMSG || err == -ENOMEM || r.failed);
	MUST(err || r.said.errors == 1 || r.said.ends == 1);
	buf_init(&plain, ANSWER_MEMORY);
	if (!err && !r.said.errors && d->write_answer(&r.plain, &plain) == 0 && d->kind != LLM_EMBED)
		MUST(json_is(json_parse(r.mem, buf_str(&plain), JSON_ONE_KEY, &error), JSON_OBJECT));
	if (!err && d->write_event)
		check_sum_of_deltas(&r);
	buf_done(&plain);
	answer_done(&r);
}

/* OpenAI's format has no word for a thought's signature, so that what is read back lacks it: a
 * reader's emit function with this one before it. data is a struct unsigned_emit. */
struct unsigned_emit {
	llm_emit_fn *emit;
	void *data;
};

static inline int emit_unsigned(void *data, const struct llm_event *ev)
{
	struct unsigned_emit *f = data;
	struct llm_event copy = *ev;
	copy.signature = STR_NONE;
	if (ev->kind == EV_REASONING && !ev->text.n)
		return 0;
	return f->emit(f->data, &copy);
}

static const struct provider *unsigned_from;	/* whose answers unsigned_answers reads */

static inline int read_unsigned_event(struct provider_reader *rd, struct arena *scratch,
				      const struct sse_event *ev, llm_emit_fn *emit, void *data)
{
	struct unsigned_emit f = { emit, data };
	return unsigned_from->read_event(rd, scratch, ev, emit_unsigned, &f);
}

static inline int read_unsigned_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit,
				       void *data)
{
	struct unsigned_emit f = { emit, data };
	return unsigned_from->read_answer(rd, body, emit_unsigned, &f);
}

static const struct provider unsigned_answers = {
	.name = "unsigned", .read_event = read_unsigned_event, .read_answer = read_unsigned_answer,
};

/* What may come of any request that a client makes: a JSON object behind a path, or a refusal that
 * names a place. as_params: the same bytes are the deployment's params and extra_body, too. */
static inline void fuzz_written(const struct provider *p, const struct dialect *d, struct str body,
				bool drops, bool as_params)
{
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct provider_target t = { .model = STR("up"), .drop_params = drops };
	struct dialect_error refusal = { 0 };
	struct llm_error err = { 0 };
	struct llm_request q = { 0 };
	struct provider_call call = { 0 };
	struct json_error error;
	const struct json *root = json_parse(a, body, JSON_ONE_KEY, &error);
	int r = -EBADMSG;
	if (as_params)
		t.params = t.extra_body = body;
	buf_init(&call.path, 256);
	buf_init(&call.body, ANSWER_MEMORY);
	buf_init(&call.headers, 1024);
	if (json_is(root, JSON_OBJECT) && d->read_request(a, body, root, &q, &refusal) == 0)
		r = p->write_request(a, &q, &t, &call, &err);
	MUST(r == 0 || r == -EBADMSG || r == -EINVAL || r == -ENOMEM);
	if (r == -EINVAL)
		MUST(err.message.n && err.param.n && err.outcome != OUTCOME_OK);
	if (r == 0) {
		MUST(json_is(json_parse(a, buf_str(&call.body), JSON_ONE_KEY, &error), JSON_OBJECT));
		MUST(call.path.n && call.path.p[0] == '/');
	}
	buf_done(&call.path);
	buf_done(&call.body);
	buf_done(&call.headers);
	arena_free(a);
}

#endif
