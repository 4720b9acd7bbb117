/* SPDX-License-Identifier: MIT
 * anthropic_read.c - answers in the Anthropic format to neutral events.
 *
 * One reader for the short way, which only counts, and for the long way, which translates. Blocks
 * of a stream do not overlap, so the one under way is all that must be remembered; a block of a
 * whole message is read as if it had begun and ended at once. */
#include "worker/anthropic.h"

#include <errno.h>

#define IS(j, name) str_eq((j)->key, STR(name))

enum { CALLS_MAX = 512 };

enum block { BLOCK_NONE, BLOCK_TEXT, BLOCK_CALL, BLOCK_FORMAT, BLOCK_OTHER };

struct reading {
	struct anthropic_reader *rd;
	struct arena *scratch;
	llm_emit_fn *emit;
	void *data;
	bool is_whole;
};

static int emit(const struct reading *r, const struct llm_event *ev)
{
	return r->emit(r->data, ev);
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

static int emit_text(const struct reading *r, enum llm_event_kind kind, const struct json *j)
{
	struct llm_event ev = { .kind = kind };
	int err = read_text(r, j, &ev.text);
	return err || !ev.text.n ? err : emit(r, &ev);
}

static int emit_signature(const struct reading *r, const struct json *j)
{
	struct llm_event ev = { .kind = EV_REASONING };
	int err = read_text(r, j, &ev.signature);
	return err || !ev.signature.n ? err : emit(r, &ev);
}

static int emit_redacted(const struct reading *r, const struct json *j)
{
	struct llm_event ev = { .kind = EV_REASONING };
	int err = read_text(r, j, &ev.redacted);
	return err || !ev.redacted.n ? err : emit(r, &ev);
}

/* --- usage --- */

void anthropic_read_usage(const struct json *usage, struct usage *ret)
{
	struct usage u = { 0 };
	for (const struct json *j = usage->child; j; j = j->next) {
		if (IS(j, "input_tokens"))
			u.input = json_count(j);
		else if (IS(j, "cache_creation_input_tokens"))
			u.cache_write = json_count(j);
		else if (IS(j, "cache_creation"))
			u.cache_write_hour =
				json_count(json_get(j, "ephemeral_1h_input_tokens"));
		else if (IS(j, "cache_read_input_tokens"))
			u.cache_read = json_count(j);
		else if (IS(j, "output_tokens"))
			u.output = json_count(j);
		else if (IS(j, "output_tokens_details"))
			u.reasoning = json_count(json_get(j, "thinking_tokens"));
		else if (IS(j, "service_tier"))
			u.tier = (uint8_t)llm_tier_of(j);
		else if (IS(j, "server_tool_use"))
			u.web_searches = llm_searches_of(json_get(j, "web_search_requests"));
	}
	uint64_t most = INT32_MAX;	/* so that the sum cannot wrap */
	u.input = (u.input < most ? u.input : most) + (u.cache_read < most ? u.cache_read : most) +
		  (u.cache_write < most ? u.cache_write : most);
	usage_clamp(&u);
	*ret = u;
}

static int emit_usage(const struct reading *r, const struct json *usage)
{
	struct llm_event ev = { .kind = EV_USAGE };
	if (!json_is(usage, JSON_OBJECT))
		return 0;
	anthropic_read_usage(usage, &ev.usage);
	return emit(r, &ev);
}

/* --- blocks --- */

static int emit_start(const struct reading *r, const struct json *message)
{
	struct llm_event ev = { .kind = EV_START };
	if (r->rd->is_started)
		return 0;
	r->rd->is_started = true;
	ev.id = json_get_str(r->scratch, message, "id");
	ev.model = json_get_str(r->scratch, message, "model");
	return emit(r, &ev);
}

static int emit_arguments(const struct reading *r, struct str text)
{
	bool is_call = r->rd->block == BLOCK_CALL;
	struct llm_event ev = { .kind = is_call ? EV_TOOL_ARGS : EV_TEXT, .text = text };
	if (is_call)
		ev.tool = r->rd->n_calls - 1;
	r->rd->has_pieces = true;
	return emit(r, &ev);
}

/* What came with the start counts only if no pieces follow. */
static int keep_input(const struct reading *r, const struct json *input)
{
	struct anthropic_reader *rd = r->rd;
	rd->has_pieces = false;
	rd->input = STR("{}");
	if (!json_is(input, JSON_OBJECT) || !input->count)
		return 0;
	rd->input = r->is_whole ? input->raw : arena_dup(rd->mem, input->raw);
	return rd->input.p ? 0 : -ENOMEM;
}

static int open_call(const struct reading *r, const struct json *block)
{
	struct anthropic_reader *rd = r->rd;
	struct llm_event ev = { .kind = EV_TOOL_START, .tool = rd->n_calls };
	int err = keep_input(r, json_get(block, "input"));
	if (!err)
		err = read_text(r, json_get(block, "name"), &ev.name);
	if (!err)
		err = read_text(r, json_get(block, "id"), &ev.id);
	if (err)
		return err;
	if (rd->unwraps_format && str_eq(ev.name, STR(ANTHROPIC_FORMAT_TOOL))) {
		rd->block = BLOCK_FORMAT;
		rd->has_format = true;
		return 0;
	}
	if (rd->n_calls >= CALLS_MAX)
		return -EBADMSG;
	rd->block = BLOCK_CALL;
	rd->n_calls++;
	return emit(r, &ev);
}

static int close_block(const struct reading *r)
{
	struct anthropic_reader *rd = r->rd;
	int err = 0;
	if ((rd->block == BLOCK_CALL || rd->block == BLOCK_FORMAT) && !rd->has_pieces)
		err = emit_arguments(r, rd->input);
	rd->block = BLOCK_NONE;
	return err;
}

static int open_block(const struct reading *r, const struct json *block)
{
	struct str type = json_get_str(r->scratch, block, "type");
	int err = close_block(r);		/* should its end have been forgotten */
	if (err)
		return err;
	if (!json_is(block, JSON_OBJECT) || !type.p)
		return -EBADMSG;
	r->rd->block = BLOCK_TEXT;
	if (str_eq(type, STR("text")))
		return emit_text(r, EV_TEXT, json_get(block, "text"));
	if (str_eq(type, STR("tool_use")))
		return open_call(r, block);
	r->rd->block = BLOCK_OTHER;
	if (str_eq(type, STR("redacted_thinking")))
		return emit_redacted(r, json_get(block, "data"));
	if (!str_eq(type, STR("thinking")))
		return 0;
	err = emit_text(r, EV_REASONING, json_get(block, "thinking"));
	return err ? err : emit_signature(r, json_get(block, "signature"));
}

static int read_piece(const struct reading *r, const struct json *piece)
{
	struct str text = STR_NONE;
	if (r->rd->block != BLOCK_CALL && r->rd->block != BLOCK_FORMAT)
		return 0;			/* a tool that the provider runs itself */
	int err = read_text(r, piece, &text);
	return err || !text.n ? err : emit_arguments(r, text);
}

static int read_delta(const struct reading *r, const struct json *delta)
{
	struct str type = json_get_str(r->scratch, delta, "type");
	if (!json_is(delta, JSON_OBJECT) || !type.p)
		return -EBADMSG;
	if (str_eq(type, STR("text_delta")))
		return emit_text(r, EV_TEXT, json_get(delta, "text"));
	if (str_eq(type, STR("input_json_delta")))
		return read_piece(r, json_get(delta, "partial_json"));
	if (str_eq(type, STR("thinking_delta")))
		return emit_text(r, EV_REASONING, json_get(delta, "thinking"));
	if (str_eq(type, STR("signature_delta")))
		return emit_signature(r, json_get(delta, "signature"));
	return 0;
}

/* --- ends --- */

static int emit_failure(const struct reading *r, struct str native)
{
	struct llm_event ev;
	int err = llm_failure_event(r->rd->mem, native, &ev);
	return err ? err : emit(r, &ev);
}

/* The format tool's call is no call for the client. */
static enum llm_finish finish_of(const struct anthropic_reader *rd, struct str native)
{
	enum llm_finish f = llm_finish_of(native);
	if (f == FINISH_TOOL_CALLS && rd->has_format && !rd->n_calls)
		return FINISH_STOP;
	return f == FINISH_STOP && rd->n_calls ? FINISH_TOOL_CALLS : f;
}

static int read_finish(const struct reading *r, const struct json *reason, bool *ret_failed)
{
	struct llm_event ev = { .kind = EV_FINISH, .native = STR("") };
	int err = read_text(r, reason, &ev.native);
	*ret_failed = false;
	if (err || (!ev.native.n && !r->is_whole))
		return err;
	ev.finish = finish_of(r->rd, ev.native);
	*ret_failed = ev.finish == FINISH_NONE;
	return *ret_failed ? emit_failure(r, ev.native) : emit(r, &ev);
}

static int read_message_delta(const struct reading *r, const struct json *root)
{
	bool failed = false;
	int err = close_block(r);
	if (!err)
		err = read_finish(r, json_get(json_get(root, "delta"), "stop_reason"), &failed);
	return err || failed ? err : emit_usage(r, json_get(root, "usage"));
}

static int emit_end(const struct reading *r)
{
	struct llm_event ev = { .kind = EV_END };
	int err = close_block(r);
	if (err || r->rd->is_ended)
		return err;
	r->rd->is_ended = true;
	return emit(r, &ev);
}

static int emit_error(const struct reading *r, const struct json *root)
{
	struct llm_event ev;
	int err = llm_read_error_event(r->rd->mem, 0, root, &ev);
	return err ? err : emit(r, &ev);
}

/* --- events and answers --- */

static bool is_error(const struct json *root, struct str type)
{
	return str_eq(type, STR("error")) || (!type.n && json_is_given(json_get(root, "error")));
}

static int read_message_start(const struct reading *r, const struct json *message)
{
	int err = emit_start(r, message);
	return err ? err : emit_usage(r, json_get(message, "usage"));
}

static int read_root(const struct reading *r, const struct json *root)
{
	struct str type = json_get_str(r->scratch, root, "type");
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	if (r->rd->is_ended)
		return 0;
	if (is_error(root, type))
		return emit_error(r, root);
	if (str_eq(type, STR("message_start")))
		return read_message_start(r, json_get(root, "message"));
	if (str_eq(type, STR("message_stop")))
		return emit_end(r);
	bool is_start = str_eq(type, STR("content_block_start"));
	if (is_start || str_eq(type, STR("content_block_delta"))) {
		int err = emit_start(r, NULL);	/* some forget to begin */
		if (err)
			return err;
		return is_start ? open_block(r, json_get(root, "content_block"))
				: read_delta(r, json_get(root, "delta"));
	}
	if (str_eq(type, STR("content_block_stop")))
		return close_block(r);
	return str_eq(type, STR("message_delta")) ? read_message_delta(r, root) : 0;
}

int anthropic_read_event(struct anthropic_reader *rd, struct arena *scratch, struct str data,
			 const struct json **ret_root, llm_emit_fn *emit_fn, void *emit_data)
{
	struct reading r = { .rd = rd, .scratch = scratch, .emit = emit_fn, .data = emit_data };
	struct json_error error;
	*ret_root = NULL;
	if (str_starts(data, STR("[DONE]")))
		return emit_end(&r);
	*ret_root = json_parse(scratch, data, 0, &error);
	return *ret_root ? read_root(&r, *ret_root) : -EBADMSG;
}

int anthropic_read_answer(struct anthropic_reader *rd, const struct json *root,
			  llm_emit_fn *emit_fn, void *emit_data)
{
	struct reading r = { rd, rd->mem, emit_fn, emit_data, .is_whole = true };
	const struct json *content = json_get(root, "content");
	bool failed = false;
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	if (is_error(root, json_get_str(rd->mem, root, "type")))
		return emit_error(&r, root);
	if (!json_is(content, JSON_ARRAY))
		return -EBADMSG;
	int err = emit_start(&r, root);
	for (const struct json *j = content->child; j && !err; j = j->next) {
		err = open_block(&r, j);
		if (!err)
			err = close_block(&r);
	}
	if (!err)
		err = read_finish(&r, json_get(root, "stop_reason"), &failed);
	if (err || failed)
		return err;
	err = emit_usage(&r, json_get(root, "usage"));
	return err ? err : emit_end(&r);
}
