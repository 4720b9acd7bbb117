/* SPDX-License-Identifier: MIT
 * cohere_read.c - Cohere's answers to neutral events.
 *
 * One reader for the short way, which only counts, and for the long way, which translates.
 * A whole answer has one message; a stream has an event for each piece of it, in the same words
 * one level deeper. Citations have no word in the neutral form and are left out. */
#include "worker/cohere.h"

#include <errno.h>

#include "worker/skim.h"

enum { CALLS_MAX = 512 };

struct reading {
	struct cohere_reader *rd;
	struct arena *scratch;
	llm_emit_fn *emit;
	void *data;
};

static int emit(const struct reading *r, const struct llm_event *ev)
{
	return llm_emit(&r->rd->is_ended, ev, r->emit, r->data);
}

static int emit_start(const struct reading *r, struct str id)
{
	struct llm_event ev = { .kind = EV_START, .id = id };
	if (r->rd->is_started)
		return 0;
	r->rd->is_started = true;
	return emit(r, &ev);
}

/* Nothing where there is no text, or an empty one. */
static int emit_text(const struct reading *r, enum llm_event_kind kind, const struct json *j)
{
	struct llm_event ev = { .kind = kind };
	if (!json_is_given(j))
		return 0;
	if (j->type != JSON_STRING)
		return -EBADMSG;
	ev.text = json_str(r->scratch, j);
	if (!ev.text.p)
		return -ENOMEM;
	return ev.text.n ? emit(r, &ev) : 0;
}

static int emit_error(const struct reading *r, const struct json *root)
{
	struct llm_event ev;
	int err = llm_read_error_event(r->rd->mem, 0, root, &ev);
	return err ? err : emit(r, &ev);
}

/* An answer that ends for a bad reason, told in a few words if at all. */
static int emit_failure(const struct reading *r, const struct json *end, struct str reason)
{
	struct arena *a = r->rd->mem;
	struct llm_error *e = arena_alloc(a, sizeof *e);
	struct llm_event ev = { .kind = EV_ERROR, .error = e };
	if (json_is(json_get(end, "error"), JSON_STRING))
		return emit_error(r, end);
	if (!e)
		return -ENOMEM;
	e->outcome = str_eq_nocase(reason, STR("TIMEOUT")) ? OUTCOME_UP_TIMEOUT : OUTCOME_UP_ERROR;
	e->message = llm_scrub(a, arena_printf(a, "the answer ended with " STR_FMT,
					       STR_ARG(reason)), STR_NONE);
	return e->message.p ? emit(r, &ev) : -ENOMEM;
}

/* --- content --- */

/* A block of a whole answer, or a piece of one: which it is, its only text tells. */
static int read_block(const struct reading *r, const struct json *block)
{
	int err;
	if (!json_is(block, JSON_OBJECT))
		return -EBADMSG;
	err = emit_text(r, EV_REASONING, json_get(block, "thinking"));
	return err ? err : emit_text(r, EV_TEXT, json_get(block, "text"));
}

static int read_content(const struct reading *r, const struct json *content)
{
	int err = 0;
	if (json_is(content, JSON_STRING))
		return emit_text(r, EV_TEXT, content);
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
		r->rd->is_bare = false;
	return ev.text.n ? emit(r, &ev) : 0;
}

/* A call without arguments has an empty object of them. */
static int close_call(const struct reading *r)
{
	struct llm_event ev = { .kind = EV_TOOL_ARGS, .text = STR("{}") };
	struct cohere_reader *s = r->rd;
	if (!s->is_bare)
		return 0;
	s->is_bare = false;
	ev.tool = s->n_calls - 1;
	return emit(r, &ev);
}

static int read_call(const struct reading *r, const struct json *call)
{
	const struct json *function = json_get(call, "function");
	struct cohere_reader *s = r->rd;
	struct llm_event ev = { .kind = EV_TOOL_START, .tool = s->n_calls };
	int err = close_call(r);
	if (!json_is(function, JSON_OBJECT) || s->n_calls++ >= CALLS_MAX)
		return -EBADMSG;
	s->is_bare = true;
	ev.id = json_get_str(r->scratch, call, "id");
	ev.name = json_get_str(r->scratch, function, "name");
	if (!err)
		err = emit(r, &ev);
	return err ? err : emit_arguments(r, ev.tool, json_get(function, "arguments"));
}

/* Calls come one behind the other; a piece belongs to the last. */
static int read_call_piece(const struct reading *r, const struct json *call)
{
	const struct json *piece = json_get_path(call, "function.arguments");
	unsigned n = r->rd->n_calls;
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
	int err = emit_text(r, EV_REASONING, json_get(message, "tool_plan"));
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
	return ev.usage.input || ev.usage.output ? emit(r, &ev) : 0;
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
	return f == FINISH_STOP && r->rd->n_calls ? FINISH_TOOL_CALLS : f;
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
		err = emit(r, &ev);
	ev = (struct llm_event){ .kind = EV_END };
	return err ? err : emit(r, &ev);
}

/* --- streams --- */

/* What begins and ends a block or a call says nothing new, and nor do citations. */
static int read_typed(const struct reading *r, const struct json *root, struct str type)
{
	const struct json *message = json_get_path(root, "delta.message");
	int err = emit_start(r, json_get_str(r->scratch, root, "id"));
	if (err)
		return err;
	if (str_eq(type, STR("content-start")) || str_eq(type, STR("content-delta")))
		return read_content(r, json_get(message, "content"));
	if (str_eq(type, STR("tool-plan-delta")))
		return emit_text(r, EV_REASONING, json_get(message, "tool_plan"));
	if (str_eq(type, STR("tool-call-start")))
		return read_calls(r, json_get(message, "tool_calls"));
	if (str_eq(type, STR("tool-call-delta")))
		return read_call_piece(r, json_get(message, "tool_calls"));
	if (str_eq(type, STR("message-end")))
		return read_end(r, json_get(root, "delta"));
	return 0;
}

int cohere_read_event(struct cohere_reader *rd, struct arena *scratch, struct str data,
		      struct str name, const struct json **ret_root, llm_emit_fn *emit_fn,
		      void *emit_data)
{
	struct reading r = { rd, scratch, emit_fn, emit_data };
	struct json_error error;
	*ret_root = NULL;
	data = str_trim(data);
	if (rd->is_ended || !data.n || str_eq(data, STR("[DONE]")))
		return 0;
	const struct json *root = *ret_root = json_parse(scratch, data, 0, &error);
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	struct str type = json_get_str(scratch, root, "type");
	if (!type.p && json_is(json_get(root, "message"), JSON_STRING))
		return emit_error(&r, root);
	return read_typed(&r, root, type.p ? type : name);
}

int cohere_read_answer(struct cohere_reader *rd, struct str body, llm_emit_fn *emit_fn,
		       void *emit_data)
{
	struct reading r = { rd, rd->mem, emit_fn, emit_data };
	struct json_error error;
	const struct json *root = json_parse(rd->mem, body, 0, &error);
	const struct json *message = json_get(root, "message");
	if (json_is(message, JSON_STRING))
		return emit_error(&r, root);
	if (!json_is(message, JSON_OBJECT))
		return -EBADMSG;
	int err = emit_start(&r, json_get_str(rd->mem, root, "id"));
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
		int err = emit(r, &ev);
		if (err)
			return err;
	}
	return s.is_broken ? -EBADMSG : 0;
}

bool cohere_read_embed_usage(struct str body, struct usage *ret)
{
	struct str billed = skim_get(skim_get(body, STR("meta")), STR("billed_units"));
	struct str count = skim_get(billed, STR("input_tokens"));
	double n;
	if (!count.p)
		count = skim_get(billed, STR("images"));
	if (!count.p || str_read_double(count, &n) != 0 || n < 1 || n > INT32_MAX)
		return false;
	*ret = (struct usage){ .input = (uint64_t)n };
	return true;
}

int cohere_read_vectors(struct cohere_reader *rd, struct str body, llm_emit_fn *emit_fn,
			void *emit_data)
{
	struct reading r = { rd, rd->mem, emit_fn, emit_data };
	struct str embeddings = skim_get(body, STR("embeddings"));
	struct llm_event usage = { .kind = EV_USAGE }, end = { .kind = EV_END };
	struct json_error error;
	if (!embeddings.p) {
		const struct json *root = json_parse(rd->mem, body, 0, &error);
		return json_is(json_get(root, "message"), JSON_STRING) ? emit_error(&r, root)
								       : -EBADMSG;
	}
	int err = emit_start(&r, STR_NONE);
	if (!err)
		err = emit_vectors(&r, embeddings);
	if (!err && cohere_read_embed_usage(body, &usage.usage))
		err = emit(&r, &usage);
	return err ? err : emit(&r, &end);
}
