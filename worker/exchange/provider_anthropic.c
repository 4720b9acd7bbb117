/* SPDX-License-Identifier: MIT
 * provider_anthropic.c - Anthropic's Messages API, and whoever else speaks it.
 *
 * Clients that speak it themselves go the short way and are not seen here; this is for all other
 * dialects. Chats and single prompts go to one path; embeddings there are none. */
#include "worker/exchange/provider_anthropic.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { REFUSAL_MAX = 256 };

int ant_refuse(struct ant_writing *w, enum outcome o, struct str param, const char *fmt, ...)
{
	char text[REFUSAL_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	*w->err = (struct llm_error){ .outcome = o };
	w->err->param = arena_dup(w->mem, param);
	w->err->message = arena_dup(w->mem, str_z(text));
	return -EINVAL;
}

int ant_refuse_param(struct ant_writing *w, struct str name)
{
	if (w->target->drop_params || w->q->drop_params)
		return 0;
	return ant_refuse(w, OUTCOME_UNSUPPORTED_PARAM, name,
			  "%s does not support the parameter %.*s; drop_params drops it",
			  w->provider, (int)(name.n < 64 ? name.n : 64), name.p);
}

static int check_kind(struct ant_writing *w)
{
	const struct llm_request *q = w->q;
	if (q->kind == LLM_EMBED)
		return ant_refuse(w, OUTCOME_BAD_REQUEST, STR("model"),
				  "anthropic has no embeddings");
	if (q->kind == LLM_TEXT && (q->n_inputs != 1 || q->inputs_are_tokens))
		return ant_refuse(w, OUTCOME_BAD_REQUEST, STR("prompt"),
				  "prompt must be one string: anthropic takes neither several "
				  "nor tokens");
	return 0;
}

/* Members that the adapter writes itself are not written twice. */
static void put_members(struct ant_writing *w)
{
	static const struct str written[] = {
		STR("model"), STR("messages"), STR("system"), STR("tools"), STR("tool_choice"),
		STR("stream"),
	};
	for (const struct llm_other *m = w->members; m; m = m->next) {
		bool is_written = false;
		for (size_t i = 0; i < COUNT(written); i++)
			is_written = is_written || str_eq(m->name, written[i]);
		if (is_written)
			continue;
		json_key(&w->o, m->name);
		json_put_raw(&w->o, NULL, m->json);
	}
	if (w->q->is_stream)
		json_put_bool(&w->o, "stream", true);
}

static void write_path(const struct llm_request *q, const struct provider_target *t,
		       struct buf *out)
{
	(void)q;
	(void)t;
	BUF_PUT_LIT(out, "/v1/messages");
}

static int write_request(struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	struct ant_writing w = { "anthropic", .mem = a, .q = q, .target = t, .err = reterr };
	w.model = ant_model_of(t->model);
	w.o = json_out(&ret->body);
	int err = check_kind(&w);
	if (!err)
		err = ant_sort_members(&w);
	if (!err)
		err = ant_settle_members(&w);
	if (err)
		return err;
	json_open(&w.o, NULL);
	json_put_str(&w.o, "model", t->model);
	err = ant_put_messages(&w);
	if (err)
		return err;
	ant_put_tools(&w);
	put_members(&w);
	json_close(&w.o);
	ret->framing = FRAMING_SSE;
	write_path(q, t, &ret->path);
	return ret->body.failed || ret->path.failed ? -ENOMEM : 0;
}

/* --- answers --- */

static struct anthropic_reader *reader_of(struct provider_reader *rd)
{
	struct anthropic_reader *r = rd->state;
	if (!r) {
		r = rd->state = arena_alloc(rd->mem, sizeof *r);
		if (r) {
			r->mem = rd->mem;
			r->unwraps_format = rd->q->format == FORMAT_JSON ||
					    rd->q->format == FORMAT_SCHEMA;
		}
	}
	return r;
}

static int read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit, void *data)
{
	struct anthropic_reader *r = reader_of(rd);
	const struct json *root;
	if (!r)
		return -ENOMEM;
	return anthropic_read_event(r, scratch, ev->data, &root, emit, data);
}

static int read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data)
{
	struct anthropic_reader *r = reader_of(rd);
	struct json_error error;
	if (!r)
		return -ENOMEM;
	const struct json *root = json_parse(rd->mem, body, 0, &error);
	return root ? anthropic_read_answer(r, root, emit, data) : -EBADMSG;
}

const struct provider provider_anthropic = {
	.name = "anthropic",
	.family = FAMILY_ANTHROPIC,
	.write_request = write_request,
	.read_event = read_event,
	.read_answer = read_answer,
	.write_path = write_path,
};
