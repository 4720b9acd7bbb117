/* SPDX-License-Identifier: MIT
 * provider_bedrock_embed.c - embeddings by InvokeModel, in the words of the model's vendor: Titan,
 * which takes one text a call, and Cohere. */
#include <errno.h>

#include "worker/exchange/provider_bedrock.h"
#include "worker/skim.h"

/* --- requests --- */

static struct str find_other(const struct llm_request *q, struct str name)
{
	for (const struct llm_other *o = q->other; o; o = o->next)
		if (str_eq(o->name, name))
			return o->json;
	return STR_NONE;
}

/* What the client says, else the deployment's params. */
static void put_option(struct ant_writing *w, const char *name, const char *preset)
{
	struct str json = find_other(w->q, str_z(name));
	const struct json *params = ant_parse(w, w->target->params);
	const struct json *given = json_is(params, JSON_OBJECT) ? json_get(params, name) : NULL;
	if (json.p || json_is_given(given))
		json_put_raw(&w->o, name, json.p ? json : given->raw);
	else if (preset)
		json_put_z(&w->o, name, preset);
}

static int write_titan(struct ant_writing *w)
{
	const struct llm_request *q = w->q;
	bool is_image = str_find(w->target->model, STR("image")) != SIZE_MAX;
	if (q->n_inputs != 1)
		return ant_refuse(w, OUTCOME_BAD_REQUEST, STR("input"),
				  "input must be one string: titan embeds one text a call");
	json_put_str(&w->o, "inputText", q->inputs[0]);
	if (is_image && q->dimensions) {
		json_open(&w->o, "embeddingConfig");
		json_put_u64(&w->o, "outputEmbeddingLength", q->dimensions);
		json_close(&w->o);
	} else if (q->dimensions) {
		json_put_u64(&w->o, "dimensions", q->dimensions);
	}
	put_option(w, "normalize", NULL);
	return 0;
}

static int write_cohere(struct ant_writing *w)
{
	const struct llm_request *q = w->q;
	json_open_array(&w->o, "texts");
	for (unsigned i = 0; i < q->n_inputs; i++)
		json_put_str(&w->o, NULL, q->inputs[i]);
	json_close_array(&w->o);
	put_option(w, "input_type", "search_document");
	put_option(w, "truncate", NULL);
	if (q->dimensions)
		json_put_u64(&w->o, "output_dimension", q->dimensions);
	return 0;
}

int bedrock_write_embed(struct ant_writing *w, struct provider_call *ret)
{
	struct str model = w->target->model;
	bool is_titan = str_find(model, STR("titan-embed")) != SIZE_MAX;
	bool is_cohere = str_find(model, STR("cohere.embed")) != SIZE_MAX;
	int err;
	if (w->q->inputs_are_tokens)
		return ant_refuse(w, OUTCOME_BAD_REQUEST, STR("input"),
				  "input must be a string or strings: bedrock takes no tokens");
	if (w->q->media_parts)
		return ant_refuse(w, OUTCOME_BAD_REQUEST, STR("input"), LLM_EMBEDS_TEXT);
	if (!is_titan && !is_cohere)
		return ant_refuse(w, OUTCOME_BAD_REQUEST, STR("model"),
				  "of bedrock's models those of amazon.titan-embed and cohere.embed "
				  "make embeddings here");
	json_open(&w->o, NULL);
	err = is_titan ? write_titan(w) : write_cohere(w);
	if (err)
		return err;
	json_close(&w->o);
	ret->framing = FRAMING_SSE;
	bedrock_put_path(&ret->path, model, "invoke");
	return 0;
}

/* --- answers --- */

struct vectors {
	llm_emit_fn *emit;
	void *data;
	unsigned n;
};

static int emit_vector(struct vectors *v, struct str numbers)
{
	struct llm_event ev = { .kind = EV_VECTOR, .choice = v->n++, .text = numbers };
	return skim_is_numbers(numbers) ? v->emit(v->data, &ev) : -EBADMSG;
}

static int emit_vectors(struct vectors *v, struct str list)
{
	struct skim s;
	struct str key, item;
	if (!skim_open(&s, list) || s.is_object)
		return -EBADMSG;
	while (skim_next(&s, &key, &item)) {
		int err = emit_vector(v, item);
		if (err)
			return err;
	}
	return s.is_broken ? -EBADMSG : 0;
}

/* Where none is told it is estimated. */
static int emit_usage(struct vectors *v, struct provider_reader *rd, struct str count)
{
	struct llm_event ev = { .kind = EV_USAGE };
	uint64_t n;
	bool is_told = str_read_u64(count, &n) == 0 && n > 0;
	ev.usage.input = is_told ? n : estimate_prompt(rd->q);
	ev.usage.estimated = !is_told;
	if (ev.usage.input > INT32_MAX)
		ev.usage.input = INT32_MAX;
	usage_clamp(&ev.usage);
	return v->emit(v->data, &ev);
}

int bedrock_read_vectors(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data)
{
	struct vectors v = { .emit = emit, .data = data };
	struct llm_event start = { .kind = EV_START }, end = { .kind = EV_END };
	struct str one = skim_get(body, STR("embedding")), many = skim_get(body, STR("embeddings"));
	struct str floats = many.n && many.p[0] == '{' ? skim_get(many, STR("float")) : many;
	if (!one.p && !floats.p)
		return -EBADMSG;
	int err = emit(data, &start);
	if (!err)
		err = floats.p ? emit_vectors(&v, floats) : emit_vector(&v, one);
	if (!err)
		err = emit_usage(&v, rd, skim_get(body, STR("inputTextTokenCount")));
	return err ? err : emit(data, &end);
}
