/* SPDX-License-Identifier: MIT
 * provider_ollama_read.c - Ollama's answers to neutral events.
 *
 * A line of a stream and a whole answer have the same form; /api/chat says `message` where
 * /api/generate says `response`. */
#include <errno.h>

#include "worker/exchange/provider_ollama.h"
#include "worker/exchange/reading.h"
#include "worker/skim.h"

#define IS(j, name) str_eq((j)->key, STR(name))

enum { CALLS_MAX = 512 };

struct state {
	unsigned n_calls;
};
struct line {			/* of an answer; NULL: not there */
	const struct json *message, *response, *thinking, *done, *reason, *error, *status, *model;
	const struct json *prompt_count, *count;
};

static int emit_error(const struct reading *r, const struct json *root, const struct json *status)
{
	int64_t code = 0;
	if (json_read_i64(status, &code) != 0 || code < 400 || code > 599)
		code = 0;
	return reading_error(r, root, (int)code);
}

/* --- calls: they come whole --- */

static int read_call(const struct reading *r, const struct json *call)
{
	struct state *state = r->rd->state;
	const struct json *function = json_get(call, "function");
	const struct json *args = json_get(function, "arguments");
	struct llm_event ev = { .kind = EV_TOOL_START, .tool = state->n_calls };
	if (!json_is(function, JSON_OBJECT) || state->n_calls++ >= CALLS_MAX)
		return -EBADMSG;
	ev.name = json_get_str(r->scratch, function, "name");
	ev.id = json_get_str(r->scratch, call, "id");
	int err = reading_emit(r, &ev);
	ev = (struct llm_event){ .kind = EV_TOOL_ARGS, .tool = ev.tool, .text = STR("{}") };
	if (json_is(args, JSON_STRING))
		ev.text = json_str(r->scratch, args);
	else if (json_is(args, JSON_OBJECT))
		ev.text = args->raw;
	if (!ev.text.p)
		return -ENOMEM;
	return err || !ev.text.n ? err : reading_emit(r, &ev);
}

static int read_message(const struct reading *r, const struct json *message)
{
	const struct json *calls = json_get(message, "tool_calls");
	const struct json *call = json_is(calls, JSON_ARRAY) ? calls->child : NULL;
	int err = reading_text(r, EV_REASONING, json_get(message, "thinking"));
	if (!err)
		err = reading_text(r, EV_TEXT, json_get(message, "content"));
	for (; call && !err; call = call->next)
		err = read_call(r, call);
	return err;
}

/* --- the end --- */

/* A prompt that was cached is not counted: then what we think it is stands for it. */
static int emit_usage(const struct reading *r, const struct line *m)
{
	struct llm_event ev = { .kind = EV_USAGE };
	ev.usage.input = json_count(m->prompt_count);
	ev.usage.output = json_count(m->count);
	if (!ev.usage.input && !ev.usage.output)
		return 0;
	if (!ev.usage.input) {
		ev.usage.input = estimate_prompt(r->rd->q);
		ev.usage.estimated = true;
	}
	usage_clamp(&ev.usage);
	return reading_emit(r, &ev);
}

static int emit_end(const struct reading *r, const struct line *m)
{
	const struct state *state = r->rd->state;
	struct llm_event ev = { .kind = EV_FINISH, .native = STR("") };
	if (json_is(m->reason, JSON_STRING))
		ev.native = json_str(r->scratch, m->reason);
	if (!ev.native.p)
		return -ENOMEM;
	ev.finish = llm_finish_of(ev.native);
	if (ev.finish != FINISH_LENGTH && ev.finish != FINISH_FILTER)
		ev.finish = state->n_calls ? FINISH_TOOL_CALLS : FINISH_STOP;
	int err = reading_emit(r, &ev);
	if (!err)
		err = emit_usage(r, m);
	ev = (struct llm_event){ .kind = EV_END };
	return err ? err : reading_emit(r, &ev);
}

/* --- lines and answers --- */

static void sort_line(const struct json *root, struct line *m)
{
	for (const struct json *j = root->child; j; j = j->next) {
		if (IS(j, "message"))
			m->message = j;
		else if (IS(j, "response"))
			m->response = j;
		else if (IS(j, "thinking"))
			m->thinking = j;
		else if (IS(j, "done"))
			m->done = j;
		else if (IS(j, "done_reason"))
			m->reason = j;
		else if (IS(j, "error"))
			m->error = j;
		else if (IS(j, "status"))
			m->status = j;
		else if (IS(j, "model"))
			m->model = j;
		else if (IS(j, "prompt_eval_count"))
			m->prompt_count = j;
		else if (IS(j, "eval_count"))
			m->count = j;
	}
}

static int read_root(const struct reading *r, const struct json *root, bool is_whole)
{
	struct line m = { 0 };
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	if (r->rd->is_ended)
		return 0;
	sort_line(root, &m);
	if (json_is_given(m.error))
		return emit_error(r, root, m.status);
	if (is_whole && !json_is(m.message, JSON_OBJECT) && !json_is(m.response, JSON_STRING))
		return -EBADMSG;
	int err = reading_start(r, STR_NONE, json_str(r->scratch, m.model));
	if (!err && json_is(m.message, JSON_OBJECT))
		err = read_message(r, m.message);
	if (!err)
		err = reading_text(r, EV_REASONING, m.thinking);
	if (!err)
		err = reading_text(r, EV_TEXT, m.response);
	if (!err && (is_whole || json_is_true(m.done)))
		err = emit_end(r, &m);
	return err;
}

static struct state *state_of(struct provider_reader *rd)
{
	if (!rd->state)
		rd->state = arena_alloc(rd->mem, sizeof(struct state));
	return rd->state;
}

int ollama_read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit_fn, void *data)
{
	struct reading r = { rd, scratch, emit_fn, data };
	struct json_error error;
	if (!state_of(rd))
		return -ENOMEM;
	return read_root(&r, json_parse(scratch, ev->data, 0, &error), false);
}

/* --- embeddings --- */

static int emit_vectors(const struct reading *r, struct str list)
{
	struct llm_event ev = { .kind = EV_VECTOR };
	struct skim s;
	struct str key;
	if (!skim_open(&s, list) || s.is_object)
		return -EBADMSG;
	for (; skim_next(&s, &key, &ev.text); ev.choice++) {
		int err = skim_is_numbers(ev.text) ? reading_emit(r, &ev) : -EBADMSG;
		if (err)
			return err;
	}
	return s.is_broken ? -EBADMSG : 0;
}

static int read_vectors(const struct reading *r, struct str body)
{
	struct llm_event ev = { .kind = EV_USAGE };
	struct str error = skim_get(body, STR("error"));
	struct str count = skim_get(body, STR("prompt_eval_count"));
	struct json_error unused;
	if (error.p) {
		const struct json *root = json_parse(r->scratch, body, 0, &unused);
		return root ? emit_error(r, root, NULL) : -EBADMSG;
	}
	int err = reading_start(r, STR_NONE, STR_NONE);
	if (!err)
		err = emit_vectors(r, skim_get(body, STR("embeddings")));
	if (err)
		return err;
	if (str_read_u64(count, &ev.usage.input) != 0 || !ev.usage.input) {
		ev.usage.input = estimate_prompt(r->rd->q);
		ev.usage.estimated = true;
	}
	usage_clamp(&ev.usage);
	err = reading_emit(r, &ev);
	ev = (struct llm_event){ .kind = EV_END };
	return err ? err : reading_emit(r, &ev);
}

int ollama_read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit_fn,
		       void *data)
{
	struct reading r = { rd, rd->mem, emit_fn, data };
	struct json_error error;
	if (!state_of(rd))
		return -ENOMEM;
	if (rd->q->kind == LLM_EMBED)
		return read_vectors(&r, body);
	return read_root(&r, json_parse(rd->mem, body, 0, &error), true);
}
