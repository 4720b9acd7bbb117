/* SPDX-License-Identifier: MIT
 * provider_bedrock.c - AWS Bedrock: Converse and its stream for every model that talks, InvokeModel
 * for those that make vectors.
 *
 * The model stands in the path alone. A stream comes in AWS's framing (common/eventstream.h). */
#include "worker/exchange/provider_bedrock.h"

#include <errno.h>

static bool has(struct str name, const char *word)
{
	return str_find(name, str_z(word)) != SIZE_MAX;
}

/* Whether one of several words, each ending with NULL, is part of the name. */
static bool has_one_of(struct str name, const char *const *words)
{
	while (*words && !has(name, *words))
		words++;
	return *words != NULL;
}

static enum bedrock_thinking thinking_of(struct str name, bool is_claude)
{
	if (is_claude)
		return THINKS_AS_CLAUDE;
	if (has(name, "gpt-oss"))
		return THINKS_BY_EFFORT;
	return has(name, "nova-2") ? THINKS_BY_CONFIG : THINKS_UNTOLD;
}

/* Claude 4.1 knows an output format with its own vendor, and not here. */
static struct bedrock_model model_of(struct str name)
{
	static const char *const formatting[] = {
		"gpt-oss", "qwen3", "deepseek.v3", "ministral", "mistral-large-3", "gemma-3",
		"minimax-m2", "kimi-k2", "nemotron", NULL,
	};
	bool is_claude = has(name, "anthropic") || has(name, "claude");
	bool is_nova = has(name, "amazon.nova");
	bool knows_format = is_claude ? ant_model_of(name).knows_format && !has(name, "opus-4-1")
				      : has_one_of(name, formatting);
	return (struct bedrock_model){
		.is_claude = is_claude,
		.is_nova = is_nova,
		.caches = is_claude || is_nova,
		.knows_format = knows_format,
		.knows_choice = !has(name, "meta."),
		.thinking = thinking_of(name, is_claude),
	};
}

bool bedrock_is_model(struct str name)
{
	return name.n && !str_eq(name, STR(".")) && !str_eq(name, STR(".."));
}

void bedrock_put_path(struct buf *out, struct str model, const char *verb)
{
	BUF_PUT_LIT(out, "/model/");
	buf_put_escaped(out, model);
	buf_put_char(out, '/');
	buf_put_z(out, verb);
}

static int check_request(struct ant_writing *w)
{
	const struct llm_request *q = w->q;
	if (!bedrock_is_model(w->target->model))
		return ant_refuse(w, OUTCOME_BAD_REQUEST, STR("model"),
				  "bedrock has no model of that name");
	if (q->kind == LLM_TEXT && (q->n_inputs != 1 || q->inputs_are_tokens))
		return ant_refuse(w, OUTCOME_BAD_REQUEST, STR("prompt"),
				  "prompt must be one string: bedrock takes neither several nor "
				  "tokens");
	return 0;
}

static int write_converse(struct bedrock_writing *w, struct provider_call *ret)
{
	int err = check_request(&w->ant);
	if (!err)
		err = bedrock_sort_members(w);
	if (err)
		return err;
	json_open(&w->ant.o, NULL);
	err = bedrock_put_messages(w);
	if (err)
		return err;
	bedrock_put_tools(w);
	bedrock_put_members(w);
	json_close(&w->ant.o);
	ret->framing = FRAMING_EVENTSTREAM;
	bedrock_put_path(&ret->path, w->ant.target->model,
			 w->ant.q->is_stream ? "converse-stream" : "converse");
	return 0;
}

static int write_request(struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	struct bedrock_writing w = {
		.ant = { "bedrock", .mem = a, .q = q, .target = t, .err = reterr },
		.model = model_of(t->model),
	};
	w.ant.o = json_out(&ret->body);
	int err = q->kind == LLM_EMBED ? bedrock_write_embed(&w.ant, ret)
				       : write_converse(&w, ret);
	if (err)
		return err;
	return ret->body.failed || ret->path.failed ? -ENOMEM : 0;
}

static int read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data)
{
	if (rd->q->kind == LLM_EMBED)
		return bedrock_read_vectors(rd, body, emit, data);
	return bedrock_read_answer(rd, body, emit, data);
}

const struct provider provider_bedrock = {
	.name = "bedrock",
	.family = FAMILY_BEDROCK,
	.write_request = write_request,
	.read_event = bedrock_read_event,
	.read_answer = read_answer,
};
