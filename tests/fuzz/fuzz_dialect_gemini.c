/* SPDX-License-Identifier: MIT
 * fuzz_dialect_gemini.c - a Gemini request that is accepted, written by the provider adapter, read
 * again and written once more is the same; on the short way nothing but what must change is
 * changed. Any answer written as a stream of events and as an array says in both what the plain
 * answer says, and forwarded it counts the same. The first byte chooses. */
#include "tests/fuzz/answer_fuzz.h"
#include "worker/client/dialect_gemini.h"
#include "worker/exchange/provider_gemini.h"
#include "worker/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct json *parse(struct arena *a, struct str text)
{
	struct json_error error;
	return json_parse(a, text, JSON_ONE_KEY, &error);
}

static const struct json *find(const struct json *object, struct str key)
{
	const struct json *j = object->child;
	while (j && !str_eq(j->key, key))
		j = j->next;
	return j;
}

/* --- requests --- */

static void check_counts(const struct llm_request *q, struct str body)
{
	MUST(q->prompt_bytes <= body.n + 64);
	MUST(q->n_stop <= LLM_STOP_MAX && q->n >= 1);
	MUST(q->kind != LLM_CHAT || q->n_messages > 0);
	MUST(q->kind == LLM_CHAT || q->n_inputs > 0);
}

static int write_with(const struct provider *p, struct arena *a, const struct llm_request *q, struct buf *to)
{
	struct provider_target t = { .model = STR("up"), .drop_params = true };
	struct provider_call call;
	struct llm_error err = { 0 };
	buf_init(&call.path, 256);
	buf_init(&call.body, ANSWER_MEMORY);
	int r = p->write_request(a, q, &t, &call, &err);
	buf_done(&call.path);
	*to = call.body;
	return r;
}

/* What Gemini is told is what a client of its own could have told. */
static void check_fixpoint(struct arena *a, const struct dialect *d, const struct llm_request *q)
{
	struct llm_request again = { .model = STR("m") };
	struct dialect_error err = { 0 };
	struct buf once, twice;
	int r = write_with(&provider_gemini, a, q, &once);
	MUST(r == 0 || r == -ENOMEM || r == -EINVAL);
	if (r == 0) {
		const struct json *root = parse(a, buf_str(&once));
		MUST(root);
		r = d->read_request(a, buf_str(&once), root, &again, &err);
		MUST(r == 0 || r == -ENOMEM);
		int second = r ? r : write_with(&provider_gemini, a, &again, &twice);
		MUST(second == 0 || second == -ENOMEM);
		MUST(second || str_eq(buf_str(&once), buf_str(&twice)));
		if (!r)
			buf_done(&twice);
	}
	buf_done(&once);
}

/* The other families take it as well. */
static void check_long_way(struct arena *a, const struct llm_request *q)
{
	struct buf body;
	if (write_with(&provider_openai, a, q, &body) == 0)
		MUST(parse(a, buf_str(&body)));
	buf_done(&body);
}

static void check_forwarded(const struct llm_request *q, const struct json *is, bool has_extra)
{
	MUST(json_is(is, JSON_OBJECT));
	for (const struct json *j = q->root->child; j; j = j->next) {
		const struct json *now = find(is, j->key);
		bool may_change = has_extra && (gemini_is(j->key, "generationConfig") || gemini_is(j->key, "labels"));
		if (openai_is_ours(j->key))
			MUST(!now);
		else if (q->kind == LLM_CHAT && !may_change)
			MUST(now && str_eq(now->raw, j->raw));
	}
	if (has_extra && q->kind == LLM_CHAT) {
		const struct json *config = gemini_get(is, "generationConfig");
		MUST(str_eq(gemini_get(config, "topK")->raw, STR("7")) && gemini_get(config, "topP"));
		MUST(str_eq(gemini_get(is, "labels")->raw, STR("[5]")));
	}
}

static void check_short_way(struct arena *a, const struct dialect *d, const struct llm_request *q, bool has_extra)
{
	struct str params = has_extra ? STR("{\"top_p\":0.5,\"top_k\":4}") : STR_NONE;
	struct str extra = has_extra ? STR("{\"labels\":[5],\"generationConfig\":{\"top_k\":7}}") : STR_NONE;
	struct buf out;
	buf_init(&out, ANSWER_MEMORY);
	if (d->forward_request(a, q, STR("up\""), params, extra, &out) == 0)
		check_forwarded(q, parse(a, buf_str(&out)), has_extra);
	buf_done(&out);
}

static void fuzz_request(struct str body, unsigned how)
{
	static const struct dialect *const list[] = { &dialect_gemini_chat, &dialect_gemini_embed, &dialect_gemini_batch };
	struct arena *a = arena_new(ANSWER_MEMORY);
	const struct dialect *d = list[(how & 3) % COUNT(list)];
	const struct json *root = parse(a, body);
	struct llm_request q = { .model = STR("m") };
	struct dialect_error err = { 0 };
	int r = json_is(root, JSON_OBJECT) ? d->read_request(a, body, root, &q, &err) : -EBADMSG;
	if (r == -EINVAL)
		MUST(err.outcome == OUTCOME_BAD_REQUEST && err.message.n && err.param.n && str_is_utf8(err.message));
	if (r == 0) {
		check_counts(&q, body);
		check_fixpoint(a, q.kind == LLM_CHAT ? d : &dialect_gemini_batch, &q);
		check_long_way(a, &q);
		check_short_way(a, d, &q, how & 32);
	}
	arena_free(a);
}

/* --- answers --- */

struct three {				/* the same events written in three ways */
	struct dialect_answer sse, array, plain;
	struct buf sse_out, array_out;
	bool is_over, has_error;
	int failed;
};

static int on_three(void *data, const struct llm_event *ev)
{
	struct three *t = data;
	t->is_over = ev->kind == EV_END || ev->kind == EV_ERROR;
	t->has_error = t->has_error || ev->kind == EV_ERROR;
	int err = dialect_gemini_stream.write_event(&t->sse, ev, &t->sse_out);
	if (!err)
		err = dialect_gemini_array.write_event(&t->array, ev, &t->array_out);
	if (!err)
		err = dialect_gemini_chat.collect(&t->plain, ev);
	t->failed = t->failed ? t->failed : err;
	return err;
}

struct reading {
	const struct provider *provider;
	struct provider_reader rd;
	struct arena *scratch;
	struct three three;
};

static int on_sse(void *data, const struct sse_event *ev)
{
	struct reading *r = data;
	int err = 0;
	if (ev->data.p && !r->three.is_over)
		err = provider_read_event(r->provider, &r->rd, r->scratch, ev, on_three, &r->three);
	arena_reset(r->scratch);
	return err;
}

static void reading_begin(struct reading *r, const struct provider *p, const struct llm_request *q, struct arena *a)
{
	*r = (struct reading){ .provider = p, .rd = { .mem = a, .q = q }, .scratch = arena_new(ANSWER_MEMORY) };
	r->three.sse = r->three.array = r->three.plain = (struct dialect_answer){
		.mem = a, .q = q, .model = STR("m"), .id = STR("i"), .show_usage = true,
	};
	buf_init(&r->three.sse_out, ANSWER_MEMORY);
	buf_init(&r->three.array_out, ANSWER_MEMORY);
}

static void reading_done(struct reading *r)
{
	buf_done(&r->three.sse_out);
	buf_done(&r->three.array_out);
	arena_free(r->scratch);
}

static int feed(struct reading *r, struct str in)
{
	struct sse s;
	sse_init(&s, FRAMING_SSE, ANSWER_CAP);
	int err = sse_feed(&s, in, on_sse, r);
	if (!err)
		err = sse_end(&s, on_sse, r);
	sse_done(&s);
	return err;
}

static void write_plain(struct reading *r, struct buf *out)
{
	buf_init(out, ANSWER_MEMORY);
	if (dialect_gemini_chat.write_answer(&r->three.plain, out))
		r->three.failed = -ENOMEM;
}

/* Both streams, read back, make the same plain answer. */
static void check_sums(struct arena *a, struct reading *r, const struct llm_request *q)
{
	struct llm_event end = { .kind = EV_END };
	struct reading sse, array;
	struct buf plain, from_sse, from_array;
	if (!r->three.is_over)
		on_three(&r->three, &end);
	reading_begin(&sse, &provider_gemini, q, a);
	reading_begin(&array, &provider_gemini, q, a);
	write_plain(r, &plain);
	int one = feed(&sse, buf_str(&r->three.sse_out));
	int other = provider_gemini.read_answer(&array.rd, buf_str(&r->three.array_out), on_three, &array.three);
	write_plain(&sse, &from_sse);
	write_plain(&array, &from_array);
	if (!r->three.failed && !sse.three.failed && !array.three.failed) {
		MUST(one == 0 || one == -ENOMEM || one == -EBADMSG);
		MUST(other == 0 || other == -ENOMEM || other == -EBADMSG);
		MUST(json_is(parse(a, buf_str(&plain)), JSON_OBJECT) || plain.failed);
		MUST(one || str_eq(buf_str(&plain), buf_str(&from_sse)));
		MUST(other || str_eq(buf_str(&plain), buf_str(&from_array)));
	}
	buf_done(&plain);
	buf_done(&from_sse);
	buf_done(&from_array);
	reading_done(&sse);
	reading_done(&array);
}

static void fuzz_long_way(const struct provider *p, struct str in)
{
	struct llm_request q = { .n = 1, .is_stream = true };
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct reading r;
	reading_begin(&r, p, &q, a);
	int err = feed(&r, in);
	if (!err && !r.three.has_error && !r.three.failed && r.three.sse.tally.finish != FINISH_NONE)
		check_sums(a, &r, &q);
	reading_done(&r);
	arena_free(a);
}

/* --- the short way --- */

struct forwarded {
	const struct dialect *dialect;
	struct dialect_answer answer;
	struct arena *scratch;
	struct buf out;
	int err;
};

static int on_forwarded(void *data, const struct sse_event *ev)
{
	struct forwarded *f = data;
	int err = ev->data.p ? f->dialect->forward_event(&f->answer, f->scratch, ev, &f->out) : 0;
	arena_reset(f->scratch);
	return f->answer.tally.has_error ? -ECANCELED : err;
}

static void forward(struct forwarded *f, const struct dialect *d, const struct llm_request *q, struct arena *a,
		    struct str in, size_t step)
{
	struct llm_event end = { .kind = EV_END };
	struct sse s;
	*f = (struct forwarded){ .dialect = d, .scratch = arena_new(ANSWER_MEMORY) };
	f->answer = (struct dialect_answer){ .mem = a, .q = q, .model = STR("m"), .id = STR("i") };
	buf_init(&f->out, ANSWER_MEMORY);
	sse_init(&s, FRAMING_SSE, ANSWER_CAP);
	for (size_t at = 0; at < in.n && !f->err; at += step) {
		struct str rest = str_skip(in, at);
		rest.n = rest.n < step ? rest.n : step;
		f->err = sse_feed(&s, rest, on_forwarded, f);
	}
	if (!f->err)
		f->err = sse_end(&s, on_forwarded, f);
	if (!f->err)
		f->err = d->write_event(&f->answer, &end, &f->out);
	sse_done(&s);
}

/* An element may be as deep as a text may be, and then the array is deeper. */
static void check_array(struct arena *a, struct str text)
{
	struct json_error error;
	const struct json *list = json_parse(a, text, 0, &error);
	MUST(list ? list->type == JSON_ARRAY : str_starts(str_z(error.what), STR("nested too")) ||
	     str_eq_z(str_z(error.what), "too large"));
}

static void fuzz_short_way(struct str in, size_t step)
{
	struct llm_request q = { .n = 1, .is_stream = true };
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct forwarded sse, array, pieces;
	forward(&sse, &dialect_gemini_stream, &q, a, in, in.n + 1);
	forward(&pieces, &dialect_gemini_stream, &q, a, in, step);
	forward(&array, &dialect_gemini_array, &q, a, in, in.n + 1);
	MUST(sse.err == array.err || sse.err == -ENOMEM || array.err == -ENOMEM);
	MUST(sse.answer.tally.content_bytes == array.answer.tally.content_bytes);
	MUST(str_eq(buf_str(&sse.out), buf_str(&pieces.out)) || sse.err == -ENOMEM || pieces.err == -ENOMEM);
	if (!array.err)
		check_array(a, buf_str(&array.out));
	struct forwarded *const all[] = { &sse, &array, &pieces };
	for (size_t i = 0; i < COUNT(all); i++) {
		buf_done(&all[i]->out);
		arena_free(all[i]->scratch);
	}
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 2 || hash_init() != 0)
		return 0;
	struct str in = { (const char *)p + 2, n - 2 };
	if (!(p[0] & 128))
		fuzz_request(in, p[0]);
	else if (p[0] & 64)
		fuzz_short_way(in, p[1] % 13 + 1);
	else
		fuzz_long_way(p[0] & 32 ? &provider_gemini : &provider_openai, in);
	return 0;
}
