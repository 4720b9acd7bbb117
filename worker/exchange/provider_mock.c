/* SPDX-License-Identifier: MIT
 * provider_mock.c - the provider that answers in the worker: mock_response, of a deployment or of
 * a request.
 *
 * A text is said word by word; "litellm.RateLimitError" and its kin fail as named. Nothing is
 * sent anywhere; the reader is asked with an empty body and gives everything at once. */
#include "worker/exchange/provider.h"

#include <errno.h>
#include <math.h>

#include "common/hash.h"

enum { DIMENSIONS = 8, DIMENSIONS_MAX = 8192 };

struct speaker {
	struct provider_reader *rd;
	llm_emit_fn *emit;
	void *data;
	unsigned choice;
	uint64_t milli;			/* tokens said */
};

static struct str response_of(const struct provider_reader *rd)
{
	if (rd->target && rd->target->mock_response.p)
		return rd->target->mock_response;
	struct str s = json_str(rd->mem, rd->q->mock_response);
	return s.p ? s : STR("This is a mock response");
}

static int emit(struct speaker *s, const struct llm_event *ev)
{
	return s->emit(s->data, ev);
}

/* --- failing --- */

static int fail(struct speaker *s, enum outcome o, struct str name)
{
	struct llm_error *e = arena_alloc(s->rd->mem, sizeof *e);
	struct llm_event ev = { .kind = EV_ERROR, .error = e };
	if (!e)
		return -ENOMEM;
	e->outcome = o;
	e->message = arena_printf(s->rd->mem, "Mock " STR_FMT, STR_ARG(name));
	return e->message.p ? emit(s, &ev) : -ENOMEM;
}

/* --- speaking --- */

/* Bytes of the next word with the spaces that follow it. */
static size_t word_length(struct str s)
{
	size_t i = 0;
	while (i < s.n && s.p[i] != ' ')
		i++;
	while (i < s.n && s.p[i] == ' ')
		i++;
	return i;
}

static int say(struct speaker *s, struct str text)
{
	struct llm_event ev = { .kind = EV_TEXT, .choice = s->choice };
	while (text.n) {
		size_t n = word_length(text);
		ev.text = str_of(text.p, n);
		s->milli += estimate_tokens_milli(ev.text);
		int err = emit(s, &ev);
		if (err)
			return err;
		text = str_skip(text, n);
	}
	return 0;
}

static int call(struct speaker *s, const struct json *j, unsigned tool)
{
	struct arena *a = s->rd->mem;
	const struct json *function = json_get(j, "function");
	struct llm_event ev = { .kind = EV_TOOL_START, .choice = s->choice, .tool = tool };
	ev.id = json_get_str(a, j, "id");
	ev.name = json_get_str(a, function, "name");
	int err = emit(s, &ev);
	ev.kind = EV_TOOL_ARGS;
	ev.text = json_get_str(a, function, "arguments");
	s->milli += estimate_tokens_milli(ev.text);
	return err || !ev.text.n ? err : emit(s, &ev);
}

static int finish(struct speaker *s, enum llm_finish f)
{
	struct llm_event ev = { .kind = EV_FINISH, .choice = s->choice, .finish = f };
	ev.native = str_z(llm_finish_name(f));
	return emit(s, &ev);
}

static int speak(struct speaker *s, struct str text)
{
	const struct json *calls = json_get(s->rd->q->root, "mock_tool_calls");
	bool has_calls = s->rd->q->kind == LLM_CHAT && json_is(calls, JSON_ARRAY) && calls->count;
	unsigned tool = 0;
	int err = say(s, text);
	for (const struct json *j = has_calls ? calls->child : NULL; j && !err; j = j->next)
		err = call(s, j, tool++);
	return err ? err : finish(s, has_calls ? FINISH_TOOL_CALLS : FINISH_STOP);
}

/* --- embeddings --- */

/* A vector of length 1 that the text, and nothing else, decides. */
static struct str vector_of(struct arena *a, struct str text, uint64_t n)
{
	uint64_t x = hash_stable(text) | 1;
	double *v = arena_array(a, n, sizeof *v), sum = 0;
	struct buf b;
	if (!v)
		return STR_NONE;
	for (uint64_t i = 0; i < n; i++) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		v[i] = (double)(int64_t)x / 9223372036854775808.0;
		sum += v[i] * v[i];
	}
	buf_init(&b, n * 16 + 2);
	for (uint64_t i = 0; i < n; i++)
		buf_printf(&b, "%s%.7f", i ? "," : "[", v[i] / sqrt(sum > 0 ? sum : 1));
	buf_put_char(&b, ']');
	struct str out = b.failed ? STR_NONE : arena_dup(a, buf_str(&b));
	buf_done(&b);
	return out;
}

static int embed(struct speaker *s)
{
	const struct llm_request *q = s->rd->q;
	uint64_t n = q->dimensions ? q->dimensions : DIMENSIONS;
	struct llm_event ev = { .kind = EV_VECTOR };
	for (; ev.choice < q->n_inputs; ev.choice++) {
		ev.text = vector_of(s->rd->mem, q->inputs[ev.choice],
				    n < DIMENSIONS_MAX ? n : DIMENSIONS_MAX);
		int err = ev.text.p ? emit(s, &ev) : -ENOMEM;
		if (err)
			return err;
	}
	return 0;
}

/* --- ranks --- */

/* By how much of the query a document begins with; an earlier one is a little better. */
static int rank(struct speaker *s)
{
	const struct llm_request *q = s->rd->q;
	struct llm_event ev = { .kind = EV_RANK };
	for (; ev.choice < q->n_inputs; ev.choice++) {
		struct str text = q->inputs[ev.choice];
		size_t n = 0;
		while (n < text.n && n < q->query.n && text.p[n] == q->query.p[n])
			n++;
		double score = (double)n / (double)(q->query.n + 1) + 0.001 / (ev.choice + 1);
		ev.text = arena_printf(s->rd->mem, "%.6f", score);
		int err = ev.text.p ? emit(s, &ev) : -ENOMEM;
		if (err)
			return err;
	}
	return 0;
}

/* --- the adapter --- */

static int answer(struct speaker *s, struct str text)
{
	const struct llm_request *q = s->rd->q;
	struct llm_event ev = { .kind = EV_START };
	int err = emit(s, &ev);
	bool speaks = q->kind == LLM_CHAT || q->kind == LLM_TEXT;
	if (q->kind == LLM_EMBED && !err)
		err = embed(s);
	if (q->kind == LLM_RERANK && !err)
		err = rank(s);
	for (uint64_t i = 0; speaks && i < q->n && !err; i++) {
		s->choice = (unsigned)i;
		err = speak(s, text);
	}
	ev.kind = EV_USAGE;
	ev.usage.input = estimate_prompt(q);
	ev.usage.output = (s->milli + 999) / 1000;
	ev.usage.estimated = true;
	if (!err)
		err = emit(s, &ev);
	ev.kind = EV_END;
	return err ? err : emit(s, &ev);
}

static int read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit_fn,
		       void *data)
{
	struct speaker s = { .rd = rd, .emit = emit_fn, .data = data };
	struct str text = body.n ? body : response_of(rd);
	if (str_starts(text, STR("litellm."))) {
		struct str name = str_skip(text, 8);
		enum outcome o = llm_outcome_of_class(name);
		if (o != OUTCOME_OK)
			return fail(&s, o, name);
	}
	return answer(&s, text);
}

static int read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit_fn, void *data)
{
	(void)scratch;
	return read_answer(rd, ev->data, emit_fn, data);
}

static int write_request(struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	(void)a;
	(void)q;
	(void)t;
	(void)ret;
	(void)reterr;
	return 0;
}

const struct provider provider_mock = {
	.name = "mock",
	.family = FAMILY_MOCK,
	.write_request = write_request,
	.read_event = read_event,
	.read_answer = read_answer,
	.reranks = true,
};
