/* SPDX-License-Identifier: MIT
 * provider_openai.c - the OpenAI wire format, spoken by OpenAI and a hundred others.
 *
 * Clients that speak it themselves go the short way and are not seen here; this is for all other
 * dialects, and for streams that a provider answered plainly. */
#include "worker/exchange/provider.h"

#include <errno.h>

#include "worker/exchange/provider_openai.h"
#include "worker/openai.h"
#include "worker/params.h"

static void write_path(const struct llm_request *q, const struct provider_target *t,
		       struct buf *out)
{
	switch (q->kind) {
	case LLM_TEXT:
		provider_put_path(t, "text", "/completions", out);
		break;
	case LLM_EMBED:
		provider_put_path(t, "embed", "/embeddings", out);
		break;
	default:
		provider_put_path(t, "chat", "/chat/completions", out);
	}
}

int openai_put_edited(struct arena *a, const struct llm_request *q,
		      const struct provider_target *t, struct buf *plain, struct buf *out)
{
	struct openai_edits e = { .params = t->params, .extra_body = t->extra_body,
				  .rules = q->rules };
	struct json_error error;
	int err = plain->failed ? -ENOMEM : 0;
	const struct json *root = err ? NULL : json_parse(a, buf_str(plain), 0, &error);
	if (!err && !root)
		err = -ENOMEM;
	if (!err)
		err = openai_edit_request(a, root, buf_str(plain), &e, out);
	buf_done(plain);
	return err || !out->failed ? err : -ENOMEM;
}

/* The body in neutral order, then edited as one from a client would be, where anything is. */
static int write_request(struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	bool is_edited = t->params.n || t->extra_body.n || params_change_words(q->rules);
	struct buf plain;
	int err = 0;
	if (q->kind == LLM_EMBED && q->media_parts) {
		*reterr = (struct llm_error){ .outcome = OUTCOME_BAD_REQUEST,
					      .message = STR(LLM_EMBEDS_TEXT),
					      .param = STR("input") };
		return -EINVAL;
	}
	buf_init(&plain, ret->body.cap);
	openai_write_body(q, t->model, is_edited ? &plain : &ret->body);
	if (is_edited)
		err = openai_put_edited(a, q, t, &plain, &ret->body);
	ret->framing = FRAMING_SSE;
	write_path(q, t, &ret->path);
	return err || !(ret->body.failed || ret->path.failed) ? err : -ENOMEM;
}

static struct openai_reader *reader_of(struct provider_reader *rd)
{
	struct openai_reader *r = rd->state;
	if (!r) {
		r = rd->state = arena_alloc(rd->mem, sizeof *r);
		if (r)
			r->mem = rd->mem;
	}
	return r;
}

static int read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit, void *data)
{
	struct openai_reader *r = reader_of(rd);
	const struct json *root;
	if (!r)
		return -ENOMEM;
	return openai_read_event(r, scratch, ev->data, &root, emit, data);
}

static int read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data)
{
	struct openai_reader *r = reader_of(rd);
	struct json_error error;
	if (!r)
		return -ENOMEM;
	if (rd->q->kind == LLM_EMBED)
		return openai_read_vectors(r, body, emit, data);
	const struct json *root = json_parse(rd->mem, body, 0, &error);
	return root ? openai_read_answer(r, root, emit, data) : -EBADMSG;
}

const struct provider provider_openai = {
	.name = "openai",
	.family = FAMILY_OPENAI,
	.write_request = write_request,
	.read_event = read_event,
	.read_answer = read_answer,
	.write_path = write_path,
};
