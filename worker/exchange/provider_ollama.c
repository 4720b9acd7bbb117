/* SPDX-License-Identifier: MIT
 * provider_ollama.c - Ollama's own API: /api/chat, /api/generate and /api/embed.
 *
 * A deployment of the generate family answers chats by /api/generate, as LiteLLM has it, but for
 * those with tools, which that path does not know. */
#include "worker/exchange/provider_ollama.h"

#include <errno.h>

#include "worker/exchange/prompt.h"

static bool has_system(const struct llm_request *q)
{
	const struct llm_message *m = q->messages;
	while (m && !prompt_is_system(m))
		m = m->next;
	return m;
}

/* What all three paths share, behind what is said. */
static void put_rest(struct ollama_writing *w)
{
	struct json_out *o = &w->o;
	if (w->m.q->kind != LLM_EMBED)
		json_put_bool(o, "stream", w->m.q->is_stream);
	if (w->m.first) {
		json_open(o, "options");
		members_put(&w->m, o);
		json_close(o);
	}
	for (const struct llm_other *m = w->m.beside; m; m = m->next) {
		if (str_eq(m->name, STR("system")) && has_system(w->m.q))
			continue;	/* it stands there already */
		json_key(o, m->name);
		json_put_raw(o, NULL, m->json);
	}
}

static int put_chat(struct ollama_writing *w)
{
	int err = ollama_put_messages(w);
	if (!err)
		ollama_put_tools(w);
	return err;
}

static int put_text(struct ollama_writing *w)
{
	const struct llm_request *q = w->m.q;
	if (q->n_inputs != 1 || q->inputs_are_tokens)
		return members_refuse(&w->m, OUTCOME_BAD_REQUEST, "prompt",
				     "prompt must be one string: ollama takes no list, no tokens");
	json_put_str(&w->o, "prompt", q->inputs[0]);
	if (q->prompt_suffix.p)
		json_put_str(&w->o, "suffix", q->prompt_suffix);
	return 0;
}

static int put_inputs(struct ollama_writing *w)
{
	const struct llm_request *q = w->m.q;
	if (q->inputs_are_tokens)
		return members_refuse(&w->m, OUTCOME_BAD_REQUEST, "input",
				     "input must be a string or strings: ollama takes no tokens");
	if (q->media_parts)
		return members_refuse(&w->m, OUTCOME_BAD_REQUEST, "input", LLM_EMBEDS_TEXT);
	json_open_array(&w->o, "input");
	for (unsigned i = 0; i < q->n_inputs; i++)
		json_put_str(&w->o, NULL, q->inputs[i]);
	json_close_array(&w->o);
	if (q->dimensions)
		json_put_u64(&w->o, "dimensions", q->dimensions);
	return 0;
}

struct route {
	const char *path;
	int (*put)(struct ollama_writing *w);
};

static struct route route_of(enum provider_family family, const struct llm_request *q)
{
	if (q->kind == LLM_EMBED)
		return (struct route){ "/api/embed", put_inputs };
	if (q->kind == LLM_TEXT)
		return (struct route){ "/api/generate", put_text };
	if (family == FAMILY_OLLAMA_CHAT || ollama_has_tools(q))
		return (struct route){ "/api/chat", put_chat };
	return (struct route){ "/api/generate", ollama_put_prompt };
}

static int write_request(enum provider_family family, struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	struct ollama_writing w = { .m = { .mem = a, .q = q, .target = t, .err = reterr } };
	struct route route = route_of(family, q);
	w.o = json_out(&ret->body);
	int err = ollama_sort_members(&w.m);
	if (err)
		return err;
	json_open(&w.o, NULL);
	json_put_str(&w.o, "model", t->model);
	err = route.put(&w);
	if (err)
		return err;
	put_rest(&w);
	json_close(&w.o);
	ret->framing = FRAMING_NDJSON;
	buf_put_z(&ret->path, route.path);
	return ret->body.failed || ret->path.failed ? -ENOMEM : 0;
}

static int write_chat(struct arena *a, const struct llm_request *q, const struct provider_target *t,
		      struct provider_call *ret, struct llm_error *reterr)
{
	return write_request(FAMILY_OLLAMA_CHAT, a, q, t, ret, reterr);
}

static int write_generate(struct arena *a, const struct llm_request *q,
			  const struct provider_target *t,
			  struct provider_call *ret, struct llm_error *reterr)
{
	return write_request(FAMILY_OLLAMA_GENERATE, a, q, t, ret, reterr);
}

const struct provider provider_ollama_chat = {
	.name = "ollama_chat",
	.family = FAMILY_OLLAMA_CHAT,
	.write_request = write_chat,
	.read_event = ollama_read_event,
	.read_answer = ollama_read_answer,
};

const struct provider provider_ollama_generate = {
	.name = "ollama",
	.family = FAMILY_OLLAMA_GENERATE,
	.write_request = write_generate,
	.read_event = ollama_read_event,
	.read_answer = ollama_read_answer,
};
