/* SPDX-License-Identifier: MIT
 * provider_gemini.c - the Gemini API: generateContent, its stream, and batchEmbedContents.
 *
 * The model and what it is asked for stand in the path. The deployment's extra_body wins over the
 * client, the client over the deployment's params. */
#include "worker/exchange/provider_gemini.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { REFUSAL_MAX = 256, NAME_MAX_BYTES = 64 };

/* --- refusing --- */

int gemini_refuse(struct gemini_writing *w, enum outcome o, const char *param, const char *fmt, ...)
{
	char text[REFUSAL_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	*w->err = (struct llm_error){ .outcome = o };
	w->err->param = arena_dup(w->mem, str_z(param));
	w->err->message = arena_dup(w->mem, str_z(text));
	return -EINVAL;
}

int gemini_refuse_param(struct gemini_writing *w, struct str name)
{
	char z[NAME_MAX_BYTES + 1];
	size_t n = name.n < NAME_MAX_BYTES ? name.n : NAME_MAX_BYTES;
	if (w->target->drop_params || w->q->drop_params)
		return 0;
	for (size_t i = 0; i < n; i++)
		z[i] = name.p[i] > ' ' && name.p[i] < 0x7f ? name.p[i] : '?';
	z[n] = '\0';
	return gemini_refuse(w, OUTCOME_UNSUPPORTED_PARAM, n ? z : "?",
			     "gemini does not support the parameter %s. To drop it, set drop_params",
			     n ? z : "with an empty name");
}

/* --- parameters --- */

static int sort_count(struct gemini_writing *w, const char *name, uint64_t v)
{
	struct str number = arena_printf(w->mem, "%llu", (unsigned long long)v);
	return number.p ? gemini_add_config(&w->sorted, str_z(name), number) : -ENOMEM;
}

static int sort_numbers(struct gemini_writing *w)
{
	const struct llm_request *q = w->q;
	const struct {
		const char *name;
		struct str number;
	} numbers[] = {
		{ "temperature", q->temperature },
		{ "topP", q->top_p },
		{ "topK", q->top_k },
		{ "seed", q->seed },
		{ "presencePenalty", q->presence_penalty },
		{ "frequencyPenalty", q->frequency_penalty },
	};
	int err = q->max_tokens ? sort_count(w, "maxOutputTokens", q->max_tokens) : 0;
	if (!err && q->n > 1)
		err = sort_count(w, "candidateCount", q->n);
	for (size_t i = 0; i < COUNT(numbers) && !err; i++)
		err = gemini_add_config(&w->sorted, str_z(numbers[i].name), numbers[i].number);
	return err;
}

static int sort_stops(struct gemini_writing *w)
{
	const struct llm_request *q = w->q;
	struct buf b;
	if (!q->n_stop)
		return 0;
	buf_init(&b, w->o.to->cap);
	struct json_out o = json_out(&b);
	json_open_array(&o, NULL);
	for (unsigned i = 0; i < q->n_stop; i++)
		json_put_str(&o, NULL, q->stop[i]);
	json_close_array(&o);
	struct str json = b.failed ? STR_NONE : arena_dup(w->mem, buf_str(&b));
	buf_done(&b);
	return json.p ? gemini_add_config(&w->sorted, STR("stopSequences"), json) : -ENOMEM;
}

/* Members in the words of a Gemini client stand where it had them; those of other families mean
 * nothing here, but for OpenAI's. */
static int sort_others(struct gemini_writing *w)
{
	static const struct str config = STR("generationConfig.");
	struct gemini_sorting *s = &w->sorted;
	int err = 0;
	for (const struct llm_other *o = w->q->other; o && !err; o = o->next) {
		if (w->q->family == FAMILY_OPENAI)
			err = gemini_sort_member(s, o->name, o->json);
		else if (w->q->family != FAMILY_GEMINI)
			continue;
		else if (str_starts(o->name, config))
			err = gemini_add_config(s, str_skip(o->name, config.n), o->json);
		else
			err = gemini_add_top(s, o->name, o->json);
	}
	return err;
}

static int sort_members(struct gemini_writing *w)
{
	struct gemini_sorting *s = &w->sorted;
	int err = gemini_sort_own(s, w->target->extra_body);
	if (!err)
		err = sort_numbers(w);
	if (!err)
		err = sort_stops(w);
	if (!err)
		err = gemini_sort_format(s, w->q->format, w->q->format_schema);
	if (!err)
		err = sort_others(w);
	if (!err)
		err = gemini_sort_effort(s, w->q->reasoning_effort);
	if (!err)
		err = gemini_sort_object(s, w->target->params);
	return !err && s->refused.p ? gemini_refuse_param(w, s->refused) : err;
}

/* --- bodies --- */

static void put_members(struct json_out *o, const struct llm_other *m)
{
	json_key(o, m->name);
	json_put_raw(o, NULL, m->json);
}

/* Behind what is said; what the operator gives as extra_body has been left out there. */
static void put_rest(struct gemini_writing *w)
{
	struct json_out *o = &w->o;
	if (w->sorted.config) {
		json_open(o, "generationConfig");
		for (const struct llm_other *m = w->sorted.config; m; m = m->next)
			put_members(o, m);
		json_close(o);
	}
	for (const struct llm_other *m = w->sorted.top; m; m = m->next)
		if (!str_eq(m->name, STR("contents")) && !str_eq(m->name, STR("model")))
			put_members(o, m);
}

static int put_chat(struct gemini_writing *w)
{
	int err = gemini_put_contents(w);
	return err ? err : gemini_put_tools(w);
}

static int put_text(struct gemini_writing *w)
{
	const struct llm_request *q = w->q;
	if (q->n_inputs != 1 || q->inputs_are_tokens)
		return gemini_refuse(w, OUTCOME_BAD_REQUEST, "prompt",
				     "prompt must be one string: gemini takes no list, no tokens");
	int err = q->prompt_suffix.p ? gemini_refuse_param(w, STR("suffix")) : 0;
	if (err)
		return err;
	struct llm_part part = { .kind = PART_TEXT, .text = q->inputs[0] };
	struct llm_message message = { .role = ROLE_USER, .parts = &part };
	struct llm_request chat = *q;
	chat.messages = &message;
	w->q = &chat;
	err = gemini_put_contents(w);
	w->q = q;
	return err;
}

static int write_generate(struct gemini_writing *w)
{
	int err = sort_members(w);
	json_open(&w->o, NULL);
	if (!err)
		err = w->q->kind == LLM_TEXT ? put_text(w) : put_chat(w);
	if (err)
		return err;
	put_rest(w);
	json_close(&w->o);
	return 0;
}

/* --- embeddings --- */

struct str gemini_task_of(const struct gemini_writing *w, const char *name)
{
	for (const struct llm_other *o = w->q->other; o; o = o->next)
		if (gemini_is(o->name, name) && o->json.n && o->json.p[0] == '"')
			return o->json;
	return STR_NONE;
}

static void put_embedding(struct gemini_writing *w, struct str model, struct str text)
{
	static const char *const tasks[] = { "taskType", "title" };
	struct json_out *o = &w->o;
	json_open(o, NULL);
	json_put_str(o, "model", model);
	json_open(o, "content");
	json_open_array(o, "parts");
	json_open(o, NULL);
	json_put_str(o, "text", text);
	json_close(o);
	json_close_array(o);
	json_close(o);
	for (size_t i = 0; i < COUNT(tasks); i++) {
		struct str task = gemini_task_of(w, tasks[i]);
		if (task.p)
			json_put_raw(o, tasks[i], task);
	}
	if (w->q->dimensions)
		json_put_u64(o, "outputDimensionality", w->q->dimensions);
	json_close(o);
}

static int write_embed(struct gemini_writing *w)
{
	const struct llm_request *q = w->q;
	struct str model = w->target->model;
	if (q->inputs_are_tokens)
		return gemini_refuse(w, OUTCOME_BAD_REQUEST, "input",
				     "input must be a string or strings: gemini takes no tokens");
	if (q->media_parts)
		return gemini_refuse(w, OUTCOME_BAD_REQUEST, "input", LLM_EMBEDS_TEXT);
	if (w->target->site == SITE_VERTEX)
		return gemini_put_vertex_embed(w);
	if (!str_starts(model, STR("models/")) && !str_starts(model, STR("tunedModels/")))
		model = arena_printf(w->mem, "models/" STR_FMT, STR_ARG(model));
	if (!model.p)
		return -ENOMEM;
	json_open(&w->o, NULL);
	json_open_array(&w->o, "requests");
	for (unsigned i = 0; i < q->n_inputs; i++)
		put_embedding(w, model, q->inputs[i]);
	json_close_array(&w->o);
	json_close(&w->o);
	return 0;
}

/* --- the adapter --- */

static int write_request(struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	struct gemini_writing w = { .mem = a, .q = q, .target = t, .err = reterr };
	const char *verb = q->kind == LLM_EMBED ? "batchEmbedContents"
			   : q->is_stream	? "streamGenerateContent?alt=sse"
						: "generateContent";
	w.o = json_out(&ret->body);
	w.sorted = (struct gemini_sorting){ .mem = a, .model = t->model };
	int err = q->kind == LLM_EMBED ? write_embed(&w) : write_generate(&w);
	if (err)
		return err;
	ret->framing = FRAMING_SSE;
	gemini_put_path(&ret->path, t->model, verb);
	return ret->body.failed || ret->path.failed ? -ENOMEM : 0;
}

static struct gemini_reader *reader_of(struct provider_reader *rd)
{
	struct gemini_reader *r = rd->state;
	if (!r) {
		r = rd->state = arena_alloc(rd->mem, sizeof *r);
		if (r)
			*r = (struct gemini_reader){ .mem = rd->mem, .q = rd->q };
	}
	return r;
}

static int read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit, void *data)
{
	struct gemini_reader *r = reader_of(rd);
	const struct json *root;
	if (!r)
		return -ENOMEM;
	return gemini_read_event(r, scratch, ev->data, &root, emit, data);
}

static int read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data)
{
	struct gemini_reader *r = reader_of(rd);
	const struct json *root;
	if (!r)
		return -ENOMEM;
	if (rd->q->kind == LLM_EMBED)
		return gemini_read_vectors(r, body, emit, data);
	return gemini_read_answer(r, body, &root, emit, data);
}

static void write_path(const struct llm_request *q, const struct provider_target *t,
		       struct buf *out)
{
	gemini_write_path(q, t->model, out);
}

const struct provider provider_gemini = {
	.name = "gemini",
	.family = FAMILY_GEMINI,
	.write_request = write_request,
	.read_event = read_event,
	.read_answer = read_answer,
	.write_path = write_path,
};
