/* SPDX-License-Identifier: MIT
 * provider_bedrock_read.c - answers of Converse to neutral events.
 *
 * In a stream an event's name says what it is, and the usage comes behind the reason for the end.
 * Blocks do not overlap: pieces of arguments belong to the call that came last. */
#include <errno.h>

#include "worker/exchange/provider_bedrock.h"
#include "worker/exchange/reading.h"

enum { CALLS_MAX = 512 };

enum block { BLOCK_NONE, BLOCK_CALL, BLOCK_FORMAT };

struct state {
	enum block block;		/* the call under way */
	bool has_pieces;		/* of its arguments */
	bool has_format;		/* the format tool was called */
	unsigned n_calls;
};

static struct state *state(const struct reading *r)
{
	return r->rd->state;
}

/* A string that may be missing, or empty, and then gives nothing. */
static int read_text(const struct reading *r, const struct json *j, struct str *ret)
{
	if (!json_is_given(j))
		return 0;
	*ret = json_str(r->scratch, j);
	if (ret->p)
		return 0;
	return j->type == JSON_STRING ? -ENOMEM : -EBADMSG;
}

/* --- reasoning --- */

static int emit_signature(const struct reading *r, const struct json *signature,
			  const struct json *redacted)
{
	struct llm_event ev = { .kind = EV_REASONING }, hidden = { .kind = EV_REASONING };
	int err = read_text(r, signature, &ev.signature);
	if (!err && ev.signature.n)
		err = reading_emit(r, &ev);
	if (!err)
		err = read_text(r, redacted, &hidden.redacted);
	return err || !hidden.redacted.n ? err : reading_emit(r, &hidden);
}

/* A whole thought stands one level deeper than its pieces. */
static int read_thought(const struct reading *r, const struct json *thought)
{
	const struct json *text = json_get(thought, "reasoningText");
	if (!text)
		text = thought;
	int err = reading_text(r, EV_REASONING, json_get(text, "text"));
	if (err)
		return err;
	return emit_signature(r, json_get(text, "signature"), json_get(thought, "redactedContent"));
}

/* --- calls --- */

static int emit_arguments(const struct reading *r, struct str text)
{
	bool is_call = state(r)->block == BLOCK_CALL;
	struct llm_event ev = { .kind = is_call ? EV_TOOL_ARGS : EV_TEXT, .text = text };
	if (is_call)
		ev.tool = state(r)->n_calls - 1;
	state(r)->has_pieces = true;
	return reading_emit(r, &ev);
}

static int close_block(const struct reading *r)
{
	struct state *s = state(r);
	int err = 0;
	if (s->block != BLOCK_NONE && !s->has_pieces)
		err = emit_arguments(r, STR("{}"));
	s->block = BLOCK_NONE;
	return err;
}

static bool unwraps_format(const struct reading *r)
{
	return r->rd->q->format == FORMAT_JSON || r->rd->q->format == FORMAT_SCHEMA;
}

static int open_call(const struct reading *r, const struct json *call)
{
	struct state *s = state(r);
	struct llm_event ev = { .kind = EV_TOOL_START, .tool = s->n_calls };
	int err = close_block(r);	/* should its end have been forgotten */
	if (!err)
		err = read_text(r, json_get(call, "name"), &ev.name);
	if (!err)
		err = read_text(r, json_get(call, "toolUseId"), &ev.id);
	if (err)
		return err;
	s->has_pieces = false;
	if (unwraps_format(r) && str_eq(ev.name, STR(ANTHROPIC_FORMAT_TOOL))) {
		s->block = BLOCK_FORMAT;
		s->has_format = true;
		return 0;
	}
	if (s->n_calls >= CALLS_MAX)
		return -EBADMSG;
	s->block = BLOCK_CALL;
	s->n_calls++;
	return reading_emit(r, &ev);
}

static int read_piece(const struct reading *r, const struct json *piece)
{
	struct str text = STR_NONE;
	if (state(r)->block == BLOCK_NONE)
		return 0;		/* of something that the provider runs itself */
	int err = read_text(r, piece, &text);
	return err || !text.n ? err : emit_arguments(r, text);
}

/* --- ends --- */

static enum llm_finish finish_of(const struct state *s, struct str native)
{
	static const struct {
		struct str name;
		enum llm_finish finish;
	} words[] = {
		{ STR("guardrail_intervened"), FINISH_FILTER },
		{ STR("content_filtered"), FINISH_FILTER },
		{ STR("malformed_model_output"), FINISH_STOP },
		{ STR("malformed_tool_use"), FINISH_STOP },
	};
	enum llm_finish f = llm_finish_of(native);
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(native, words[i].name))
			f = words[i].finish;
	if (f == FINISH_NONE)
		f = FINISH_STOP;
	if (f == FINISH_TOOL_CALLS && s->has_format && !s->n_calls)
		return FINISH_STOP;
	return f == FINISH_STOP && s->n_calls ? FINISH_TOOL_CALLS : f;
}

static int emit_finish(const struct reading *r, const struct json *reason)
{
	struct llm_event ev = { .kind = EV_FINISH, .native = STR("") };
	int err = close_block(r);
	if (!err)
		err = read_text(r, reason, &ev.native);
	if (err)
		return err;
	ev.finish = finish_of(state(r), ev.native);
	return reading_emit(r, &ev);
}

static uint64_t read_count(const struct json *j)
{
	uint64_t n = json_count(j);
	return n < INT32_MAX ? n : INT32_MAX;
}

/* The prompt is what was read from and written to the cache, too. */
static int emit_usage(const struct reading *r, const struct json *usage)
{
	struct llm_event ev = { .kind = EV_USAGE };
	if (!json_is(usage, JSON_OBJECT))
		return 0;
	ev.usage.cache_read = read_count(json_get(usage, "cacheReadInputTokens"));
	ev.usage.cache_write = read_count(json_get(usage, "cacheWriteInputTokens"));
	ev.usage.input = read_count(json_get(usage, "inputTokens")) + ev.usage.cache_read +
			 ev.usage.cache_write;
	ev.usage.output = read_count(json_get(usage, "outputTokens"));
	usage_clamp(&ev.usage);
	return reading_emit(r, &ev);
}

static int emit_end(const struct reading *r)
{
	struct llm_event ev = { .kind = EV_END };
	return reading_emit(r, &ev);
}

/* --- events --- */

static int read_delta(const struct reading *r, const struct json *delta)
{
	const struct json *thought = json_get(delta, "reasoningContent");
	const struct json *call = json_get(delta, "toolUse");
	if (!json_is(delta, JSON_OBJECT))
		return -EBADMSG;
	if (call)
		return read_piece(r, json_get(call, "input"));
	if (thought)
		return read_thought(r, thought);
	return reading_text(r, EV_TEXT, json_get(delta, "text"));
}

static int read_metadata(const struct reading *r, const struct json *root)
{
	int err = emit_usage(r, json_get(root, "usage"));
	return err ? err : emit_end(r);
}

static int read_root(const struct reading *r, struct str name, const struct json *root)
{
	const struct json *call = json_get_path(root, "start.toolUse");
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	if (json_is(json_get(root, "error"), JSON_OBJECT))
		return reading_error(r, root, 0);
	int err = reading_start(r, STR_NONE, STR_NONE);
	if (err)
		return err;
	if (str_eq(name, STR("contentBlockDelta")))
		return read_delta(r, json_get(root, "delta"));
	if (str_eq(name, STR("contentBlockStart")))
		return call ? open_call(r, call) : 0;
	if (str_eq(name, STR("contentBlockStop")))
		return close_block(r);
	if (str_eq(name, STR("messageStop")))
		return emit_finish(r, json_get(root, "stopReason"));
	return str_eq(name, STR("metadata")) ? read_metadata(r, root) : 0;
}

static bool begin(struct provider_reader *rd)
{
	if (!rd->state)
		rd->state = arena_alloc(rd->mem, sizeof(struct state));
	return rd->state != NULL;
}

int bedrock_read_event(struct provider_reader *rd, struct arena *scratch,
		       const struct sse_event *ev, llm_emit_fn *emit_fn, void *data)
{
	struct reading r = { rd, scratch, emit_fn, data };
	struct json_error error;
	if (!begin(rd))
		return -ENOMEM;
	return read_root(&r, ev->name, json_parse(scratch, ev->data, 0, &error));
}

/* --- whole answers --- */

static int read_call(const struct reading *r, const struct json *call)
{
	const struct json *input = json_get(call, "input");
	int err = open_call(r, call);
	if (!err && json_is(input, JSON_OBJECT) && input->count)
		err = emit_arguments(r, input->raw);
	return err ? err : close_block(r);
}

static int read_citations(const struct reading *r, const struct json *list)
{
	int err = 0;
	for (const struct json *j = json_is(list, JSON_ARRAY) ? list->child : NULL; j && !err;
	     j = j->next)
		err = reading_text(r, EV_TEXT, json_get(j, "text"));
	return err;
}

static int read_block(const struct reading *r, const struct json *block)
{
	const struct json *call = json_get(block, "toolUse");
	const struct json *thought = json_get(block, "reasoningContent");
	const struct json *cited = json_get_path(block, "citationsContent.content");
	if (!json_is(block, JSON_OBJECT))
		return -EBADMSG;
	if (call)
		return read_call(r, call);
	if (thought)
		return read_thought(r, thought);
	return cited ? read_citations(r, cited) : reading_text(r, EV_TEXT, json_get(block, "text"));
}

int bedrock_read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit_fn,
			void *data)
{
	struct reading r = { rd, rd->mem, emit_fn, data };
	struct json_error error;
	if (!begin(rd))
		return -ENOMEM;
	const struct json *root = json_parse(rd->mem, body, 0, &error);
	const struct json *content = json_get_path(root, "output.message.content");
	if (json_is(json_get(root, "error"), JSON_OBJECT))
		return reading_error(&r, root, 0);
	if (!json_is(content, JSON_ARRAY))
		return -EBADMSG;
	int err = reading_start(&r, STR_NONE, STR_NONE);
	for (const struct json *j = content->child; j && !err; j = j->next)
		err = read_block(&r, j);
	if (!err)
		err = emit_finish(&r, json_get(root, "stopReason"));
	if (!err)
		err = emit_usage(&r, json_get(root, "usage"));
	return err ? err : emit_end(&r);
}
