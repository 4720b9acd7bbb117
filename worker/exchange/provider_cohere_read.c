/* SPDX-License-Identifier: MIT
 * provider_cohere_read.c - Cohere's answers to neutral events.
 *
 * A whole answer has one message; a stream has an event for each piece of it, in the same words
 * one level deeper. Citations have no word in the neutral form and are left out. */
#include <errno.h>

#include "worker/exchange/provider_cohere.h"
#include "worker/exchange/reading.h"
#include "worker/skim.h"

enum { CALLS_MAX = 512 };

struct state {
	unsigned n_calls;
	bool is_bare;			/* the last call has no arguments yet */
};
static struct state *state_of(const struct reading *r)
{
	return r->rd->state;
}

/* An answer that ends for a bad reason, told in a few words if at all. */
static int emit_failure(const struct reading *r, const struct json *end, struct str reason)
{
	struct arena *a = r->rd->mem;
	struct llm_error *e = arena_alloc(a, sizeof *e);
	struct llm_event ev = { .kind = EV_ERROR, .error = e };
	if (json_is(json_get(end, "error"), JSON_STRING))
		return reading_error(r, end, 0);
	if (!e)
		return -ENOMEM;
	e->outcome = str_eq_nocase(reason, STR("TIMEOUT")) ? OUTCOME_UP_TIMEOUT : OUTCOME_UP_ERROR;
	e->message = llm_scrub(a, arena_printf(a, "the answer ended with " STR_FMT,
					       STR_ARG(reason)), STR_NONE);
	return e->message.p ? reading_emit(r, &ev) : -ENOMEM;
}

/* --- content --- */

/* A block of a whole answer, or a piece of one: which it is, its only text tells. */
static int read_block(const struct reading *r, const struct json *block)
{
	int err;
	if (!json_is(block, JSON_OBJECT))
		return -EBADMSG;
	err = reading_text(r, EV_REASONING, json_get(block, "thinking"));
	return err ? err : reading_text(r, EV_TEXT, json_get(block, "text"));
}

static int read_content(const struct reading *r, const struct json *content)
{
	int err = 0;
	if (json_is(content, JSON_STRING))
		return reading_text(r, EV_TEXT, content);
	if (json_is(content, JSON_OBJECT))
		return read_block(r, content);
	for (const struct json *j = json_is(content, JSON_ARRAY) ? content->child : NULL; j && !err;
	     j = j->next)
		err = read_block(r, j);
	return err;
}

/* --- calls --- */

static int emit_arguments(const struct reading *r, unsigned tool, const struct json *j)
{
	struct llm_event ev = { .kind = EV_TOOL_ARGS, .tool = tool };
	if (!json_is_given(j))
		return 0;
	ev.text = j->type == JSON_STRING ? json_str(r->scratch, j) : j->raw;
	if (!ev.text.p)
		return -ENOMEM;
	if (ev.text.n)
		state_of(r)->is_bare = false;
	return ev.text.n ? reading_emit(r, &ev) : 0;
}

/* A call without arguments has an empty object of them. */
static int close_call(const struct reading *r)
{
	struct llm_event ev = { .kind = EV_TOOL_ARGS, .text = STR("{}") };
	struct state *s = state_of(r);
	if (!s->is_bare)
		return 0;
	s->is_bare = false;
	ev.tool = s->n_calls - 1;
	return reading_emit(r, &ev);
}

static int read_call(const struct reading *r, const struct json *call)
{
	const struct json *function = json_get(call, "function");
	struct state *s = state_of(r);
	struct llm_event ev = { .kind = EV_TOOL_START, .tool = s->n_calls };
	int err = close_call(r);
	if (!json_is(function, JSON_OBJECT) || s->n_calls++ >= CALLS_MAX)
		return -EBADMSG;
	s->is_bare = true;
	ev.id = json_get_str(r->scratch, call, "id");
	ev.name = json_get_str(r->scratch, function, "name");
	if (!err)
		err = reading_emit(r, &ev);
	return err ? err : emit_arguments(r, ev.tool, json_get(function, "arguments"));
}

/* Calls come one behind the other; a piece belongs to the last. */
static int read_call_piece(const struct reading *r, const struct json *call)
{
	const struct json *piece = json_get_path(call, "function.arguments");
	unsigned n = state_of(r)->n_calls;
	return n ? emit_arguments(r, n - 1, piece) : -EBADMSG;
}

/* A stream has an object where a whole answer has a list. */
static int read_calls(const struct reading *r, const struct json *calls)
{
	int err = 0;
	if (json_is(calls, JSON_OBJECT))
		return read_call(r, calls);
	for (const struct json *j = json_is(calls, JSON_ARRAY) ? calls->child : NULL; j && !err;
	     j = j->next)
		err = read_call(r, j);
	return err;
}

static int read_message(const struct reading *r, const struct json *message)
{
	int err = reading_text(r, EV_REASONING, json_get(message, "tool_plan"));
	if (!err)
		err = read_content(r, json_get(message, "content"));
	return err ? err : read_calls(r, json_get(message, "tool_calls"));
}

/* --- the end --- */

/* What a model has read and written; what is billed for it leaves a little out. */
static int emit_usage(const struct reading *r, const struct json *usage)
{
	struct llm_event ev = { .kind = EV_USAGE };
	const struct json *of = json_get(usage, "tokens");
	if (!json_is(of, JSON_OBJECT))
		of = json_get(usage, "billed_units");
	ev.usage.input = json_count(json_get(of, "input_tokens"));
	ev.usage.output = json_count(json_get(of, "output_tokens"));
	ev.usage.cache_read = json_count(json_get(usage, "cached_tokens"));
	usage_clamp(&ev.usage);
	return ev.usage.input || ev.usage.output ? reading_emit(r, &ev) : 0;
}

static enum llm_finish finish_of(const struct reading *r, struct str native)
{
	enum llm_finish f;
	if (str_eq_nocase(native, STR("ERROR_TOXIC")))
		return FINISH_FILTER;
	if (str_starts_nocase(native, STR("ERROR")) || str_eq_nocase(native, STR("TIMEOUT")))
		return FINISH_NONE;
	if (str_eq_nocase(native, STR("TOOL_CALL")))
		return FINISH_TOOL_CALLS;
	f = llm_finish_of(native);
	return f == FINISH_STOP && state_of(r)->n_calls ? FINISH_TOOL_CALLS : f;
}

/* The reason and the usage, of a whole answer or of a stream's last event. */
static int read_end(const struct reading *r, const struct json *j)
{
	const struct json *reason = json_get(j, "finish_reason");
	struct llm_event ev = { .kind = EV_FINISH, .native = STR("") };
	if (json_is(reason, JSON_STRING))
		ev.native = json_str(r->scratch, reason);
	if (!ev.native.p)
		return -ENOMEM;
	int err = close_call(r);
	if (!err)
		err = emit_usage(r, json_get(j, "usage"));
	ev.finish = finish_of(r, ev.native);
	if (!err && ev.finish == FINISH_NONE)
		return emit_failure(r, j, ev.native);
	if (!err)
		err = reading_emit(r, &ev);
	ev = (struct llm_event){ .kind = EV_END };
	return err ? err : reading_emit(r, &ev);
}

/* --- streams --- */

/* What begins and ends a block or a call says nothing new, and nor do citations. */
static int read_typed(const struct reading *r, const struct json *root, struct str type)
{
	const struct json *message = json_get_path(root, "delta.message");
	int err = reading_start(r, json_get_str(r->scratch, root, "id"), STR_NONE);
	if (err)
		return err;
	if (str_eq(type, STR("content-start")) || str_eq(type, STR("content-delta")))
		return read_content(r, json_get(message, "content"));
	if (str_eq(type, STR("tool-plan-delta")))
		return reading_text(r, EV_REASONING, json_get(message, "tool_plan"));
	if (str_eq(type, STR("tool-call-start")))
		return read_calls(r, json_get(message, "tool_calls"));
	if (str_eq(type, STR("tool-call-delta")))
		return read_call_piece(r, json_get(message, "tool_calls"));
	if (str_eq(type, STR("message-end")))
		return read_end(r, json_get(root, "delta"));
	return 0;
}

static int begin(struct provider_reader *rd)
{
	if (!rd->state)
		rd->state = arena_alloc(rd->mem, sizeof(struct state));
	return rd->state ? 0 : -ENOMEM;
}

int cohere_read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit_fn, void *data)
{
	struct reading r = { rd, scratch, emit_fn, data };
	struct json_error error;
	if (ev->oversize)
		return -EBADMSG;
	if (rd->is_ended || !str_trim(ev->data).n || str_eq(str_trim(ev->data), STR("[DONE]")))
		return 0;
	const struct json *root = json_parse(scratch, ev->data, 0, &error);
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	int err = begin(rd);
	if (err)
		return err;
	struct str type = json_get_str(scratch, root, "type");
	if (!type.p && json_is(json_get(root, "message"), JSON_STRING))
		return reading_error(&r, root, 0);
	return read_typed(&r, root, type.p ? type : ev->name);
}

int cohere_read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit_fn,
		       void *data)
{
	struct reading r = { rd, rd->mem, emit_fn, data };
	struct json_error error;
	const struct json *root = json_parse(rd->mem, body, 0, &error);
	const struct json *message = json_get(root, "message");
	int err = begin(rd);
	if (!err && json_is(message, JSON_STRING))
		return reading_error(&r, root, 0);
	if (!err && !json_is(message, JSON_OBJECT))
		return -EBADMSG;
	if (!err)
		err = reading_start(&r, json_get_str(rd->mem, root, "id"), STR_NONE);
	if (!err)
		err = read_message(&r, message);
	return err ? err : read_end(&r, root);
}

/* --- embeddings --- */

/* Vectors of the first kind that a client can be given. */
static int emit_vectors(const struct reading *r, struct str embeddings)
{
	struct llm_event ev = { .kind = EV_VECTOR };
	struct str list = skim_get(embeddings, STR("float")), key, value;
	struct skim s;
	if (!list.p)
		list = skim_get(embeddings, STR("base64"));
	if (!skim_open(&s, list.p ? list : embeddings) || s.is_object)
		return -EBADMSG;
	for (; skim_next(&s, &key, &value); ev.choice++) {
		bool is_text = skim_is_base64(value);
		if (!is_text && !skim_is_numbers(value))
			return -EBADMSG;
		ev.text = is_text ? str_of(value.p + 1, value.n - 2) : value;
		int err = reading_emit(r, &ev);
		if (err)
			return err;
	}
	return s.is_broken ? -EBADMSG : 0;
}

static int emit_embed_usage(const struct reading *r, struct str meta)
{
	struct llm_event ev = { .kind = EV_USAGE };
	struct str billed = skim_get(meta, STR("billed_units"));
	struct str count = skim_get(billed, STR("input_tokens"));
	double n;
	if (!count.p)
		count = skim_get(billed, STR("images"));
	if (!count.p || str_read_double(count, &n) != 0 || n < 1 || n > INT32_MAX)
		return 0;
	ev.usage.input = (uint64_t)n;
	return reading_emit(r, &ev);
}

int cohere_read_vectors(struct provider_reader *rd, struct str body, llm_emit_fn *emit_fn,
			void *data)
{
	struct reading r = { rd, rd->mem, emit_fn, data };
	struct str embeddings = skim_get(body, STR("embeddings"));
	struct llm_event end = { .kind = EV_END };
	struct json_error error;
	int err = begin(rd);
	if (!err && !embeddings.p) {
		const struct json *root = json_parse(rd->mem, body, 0, &error);
		return json_is(json_get(root, "message"), JSON_STRING) ? reading_error(&r, root, 0)
								       : -EBADMSG;
	}
	if (!err)
		err = reading_start(&r, STR_NONE, STR_NONE);
	if (!err)
		err = emit_vectors(&r, embeddings);
	if (!err)
		err = emit_embed_usage(&r, skim_get(body, STR("meta")));
	return err ? err : reading_emit(&r, &end);
}
