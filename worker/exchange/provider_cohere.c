/* SPDX-License-Identifier: MIT
 * provider_cohere.c - Cohere's second API: /v2/chat, /v2/embed and /v2/rerank. */
#include "worker/exchange/provider_cohere.h"

#include <errno.h>

#include "worker/cohere.h"
#include "worker/exchange/provider_rerank.h"

static int check_kind(struct members *m)
{
	const struct llm_request *q = m->q;
	const char *param = q->kind == LLM_TEXT ? "prompt" : "input";
	if (q->kind == LLM_TEXT && (q->n_inputs != 1 || q->inputs_are_tokens))
		return members_refuse(m, OUTCOME_BAD_REQUEST, param,
				      "prompt must be one string: cohere takes no list, no tokens");
	if (q->kind == LLM_EMBED && q->inputs_are_tokens)
		return members_refuse(m, OUTCOME_BAD_REQUEST, param,
				      "input must be a string or strings: cohere takes no tokens");
	if (q->kind == LLM_EMBED && q->media_parts)
		return members_refuse(m, OUTCOME_BAD_REQUEST, param, LLM_EMBEDS_TEXT);
	return 0;
}

static void put_texts(struct json_out *o, const struct llm_request *q)
{
	json_open_array(o, "texts");
	for (unsigned i = 0; i < q->n_inputs; i++)
		json_put_str(o, NULL, q->inputs[i]);
	json_close_array(o);
}

/* Models since the third must be told what the vectors are for; most are for documents. */
static int add_defaults(struct members *m)
{
	int err;
	if (m->q->kind != LLM_EMBED)
		return 0;
	err = members_add(m, STR("input_type"), STR("\"search_document\""));
	return err ? err : members_add(m, STR("embedding_types"), STR("[\"float\"]"));
}

static int sort(struct members *m)
{
	int err = check_kind(m);
	if (m->q->kind == LLM_EMBED)
		cohere_embed_rows(m);
	else
		cohere_chat_rows(m);
	if (!err)
		err = cohere_check_chat(m);
	if (!err)
		err = members_add_raw(m, members_parse(m, m->target->extra_body));
	if (!err)
		err = members_sort(m);
	return err ? err : add_defaults(m);
}

static void write_path(const struct llm_request *q, const struct provider_target *t,
		       struct buf *out)
{
	(void)t;
	buf_put_z(out, q->kind == LLM_EMBED ? "/v2/embed" : "/v2/chat");
}

static int write_request(struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	struct members m = { .mem = a, .target = t, .q = q, .err = reterr, .vendor = "cohere" };
	struct json_out o = json_out(&ret->body);
	if (q->kind == LLM_RERANK)
		return rerank_write(a, q, t, STR("cohere"), ret);
	int err = sort(&m);
	if (err)
		return err;
	json_open(&o, NULL);
	json_put_str(&o, "model", t->model);
	if (q->kind == LLM_EMBED)
		put_texts(&o, q);
	else
		cohere_put_chat(&m, &o);
	members_put(&m, &o);
	if (q->kind != LLM_EMBED)
		json_put_bool(&o, "stream", q->is_stream);
	json_close(&o);
	ret->framing = FRAMING_SSE;
	write_path(q, t, &ret->path);
	return ret->body.failed || ret->path.failed ? -ENOMEM : 0;
}

/* --- answers --- */

/* NULL: out of memory. */
static struct cohere_reader *reader_of(struct provider_reader *rd)
{
	struct cohere_reader *own = rd->state;
	if (!own)
		own = rd->state = arena_alloc(rd->mem, sizeof *own);
	if (own)
		own->mem = rd->mem;
	return own;
}

static int read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit, void *data)
{
	struct cohere_reader *own = reader_of(rd);
	const struct json *root;
	if (!own)
		return -ENOMEM;
	return cohere_read_event(own, scratch, ev->data, ev->name, &root, emit, data);
}

static int read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data)
{
	struct cohere_reader *own = reader_of(rd);
	if (!own)
		return -ENOMEM;
	if (rd->q->kind == LLM_RERANK)
		return rerank_read(rd, body, emit, data);
	if (rd->q->kind == LLM_EMBED)
		return cohere_read_vectors(own, body, emit, data);
	return cohere_read_answer(own, body, emit, data);
}

const struct provider provider_cohere = {
	.name = "cohere",
	.family = FAMILY_COHERE,
	.write_request = write_request,
	.read_event = read_event,
	.read_answer = read_answer,
	.write_path = write_path,
	.reranks = true,
};
