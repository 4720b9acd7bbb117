/* SPDX-License-Identifier: MIT
 * dialect_responses_write.c - a response object, its output items and their parts; and the frame
 * of stream events.
 *
 * The object shows what was asked for in the request's own bytes, and the API's presets for what
 * was not. */
#include "worker/client/dialect_responses.h"

const struct rsp_part_row rsp_part_rows[RSP_PART_KINDS] = {
	[RSP_TEXT] = { "output_text", "text", "response.content_part.added",
		       "response.output_text.delta", "response.output_text.done",
		       "response.content_part.done", "content_index" },
	[RSP_REFUSAL] = { "refusal", "refusal", "response.content_part.added",
			  "response.refusal.delta", "response.refusal.done",
			  "response.content_part.done", "content_index" },
	[RSP_SUMMARY] = { "summary_text", "text", "response.reasoning_summary_part.added",
			  "response.reasoning_summary_text.delta",
			  "response.reasoning_summary_text.done",
			  "response.reasoning_summary_part.done", "summary_index" },
	[RSP_THOUGHT] = { "reasoning_text", "text", "response.content_part.added",
			  "response.reasoning_text.delta", "response.reasoning_text.done",
			  "response.content_part.done", "content_index" },
};

const struct rsp_item_row rsp_item_rows[RSP_ITEM_KINDS] = {
	[RSP_MESSAGE] = { "message", "msg", NULL, NULL, NULL },
	[RSP_REASONING] = { "reasoning", "rs", NULL, NULL, NULL },
	[RSP_CALL] = { "function_call", "fc", "arguments", "response.function_call_arguments.delta",
		       "response.function_call_arguments.done" },
	[RSP_CUSTOM_CALL] = { "custom_tool_call", "ctc", "input",
			      "response.custom_tool_call_input.delta",
			      "response.custom_tool_call_input.done" },
};

/* --- events --- */

struct json_out rsp_open_event(struct rsp_answer *s, const char *type)
{
	BUF_PUT_LIT(s->out, "event: ");
	buf_put_z(s->out, type);
	BUF_PUT_LIT(s->out, "\ndata: ");
	struct json_out o = json_out(s->out);
	json_open(&o, NULL);
	json_put_z(&o, "type", type);
	json_put_u64(&o, "sequence_number", s->sequence++);
	return o;
}

void rsp_close_event(struct json_out *o)
{
	json_close(o);
	BUF_PUT_LIT(o->to, "\n\n");
}

/* --- items --- */

void rsp_put_part(struct json_out *o, const char *key, const struct rsp_part *part)
{
	json_open(o, key);
	json_put_z(o, "type", rsp_part_rows[part->kind].type);
	oai_put_rope(o, rsp_part_rows[part->kind].text, &part->text);
	if (part->kind == RSP_TEXT) {
		json_put_raw(o, "annotations", STR("[]"));
		json_put_raw(o, "logprobs", STR("[]"));
	}
	json_close(o);
}

static void put_parts(struct json_out *o, const char *key, const struct rsp_part *part)
{
	json_open_array(o, key);
	for (; part; part = part->next)
		rsp_put_part(o, NULL, part);
	json_close_array(o);
}

/* What it thought is either a summary or the content, whichever its parts are. */
static void put_reasoning(struct json_out *o, const struct rsp_item *item)
{
	bool is_content = item->parts && item->parts->kind == RSP_THOUGHT;
	put_parts(o, "summary", is_content ? NULL : item->parts);
	if (is_content)
		put_parts(o, "content", item->parts);
	if (item->signature.p)
		json_put_str(o, "encrypted_content", item->signature);
}

void rsp_put_item(struct json_out *o, const char *key, const struct rsp_item *item)
{
	static const char *const words[] = {
		[RSP_OPEN] = "in_progress", [RSP_COMPLETED] = "completed",
		[RSP_INCOMPLETE] = "incomplete",
	};
	const struct rsp_item_row *row = &rsp_item_rows[item->kind];
	json_open(o, key);
	json_put_str(o, "id", item->id);
	json_put_z(o, "type", row->type);
	json_put_z(o, "status", words[item->status]);
	if (item->kind == RSP_MESSAGE) {
		json_put_z(o, "role", "assistant");
		put_parts(o, "content", item->parts);
	} else if (item->kind == RSP_REASONING) {
		put_reasoning(o, item);
	} else {
		json_put_str(o, "call_id", item->call_id);
		json_put_str(o, "name", item->name);
		oai_put_rope(o, row->input, &item->input);
	}
	json_close(o);
}

/* --- the object --- */

struct echo {
	const char *name;
	struct str preset;
};

static const struct echo before_output[] = {
	{ "instructions", STR("null") },
	{ "max_output_tokens", STR("null") },
	{ "max_tool_calls", STR("null") },
};
static const struct echo behind_output[] = {
	{ "parallel_tool_calls", STR("true") },
	{ "previous_response_id", STR("null") },
	{ "prompt_cache_key", STR("null") },
	{ "reasoning", STR("{\"effort\":null,\"summary\":null}") },
	{ "safety_identifier", STR("null") },
	{ "service_tier", STR("null") },
	{ "store", STR("true") },
	{ "temperature", STR("null") },
	{ "text", STR("{\"format\":{\"type\":\"text\"}}") },
	{ "tool_choice", STR("\"auto\"") },
	{ "tools", STR("[]") },
	{ "top_logprobs", STR("0") },
	{ "top_p", STR("null") },
	{ "truncation", STR("\"disabled\"") },
	{ "user", STR("null") },
	{ "metadata", STR("{}") },
};

/* A client's text may have line ends between its values, which would end a stream's event. */
static void put_flat(struct json_out *o, const char *key, struct str json)
{
	size_t from = o->to->n;
	json_put_raw(o, key, json);
	for (size_t i = from; i < o->to->n; i++)
		if (o->to->p[i] == '\n' || o->to->p[i] == '\r')
			o->to->p[i] = ' ';
}

static void put_echo(const struct dialect_answer *an, struct json_out *o, const struct echo *list,
		     size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct json *given = json_get(an->q->root, list[i].name);
		put_flat(o, list[i].name, json_is_given(given) ? given->raw : list[i].preset);
	}
}

static void put_usage(const struct dialect_answer *an, struct json_out *o)
{
	struct usage u = oai_usage(an);
	json_open(o, "usage");
	json_put_u64(o, "input_tokens", u.input);
	json_open(o, "input_tokens_details");
	json_put_u64(o, "cached_tokens", u.cache_read);
	if (u.cache_write)
		json_put_u64(o, "cache_write_tokens", u.cache_write);
	json_close(o);
	json_put_u64(o, "output_tokens", u.output);
	json_open(o, "output_tokens_details");
	json_put_u64(o, "reasoning_tokens", u.reasoning);
	json_close(o);
	json_put_u64(o, "total_tokens", u.input + u.output);
	json_close(o);
}

static const char *incomplete_reason(const struct rsp_answer *s)
{
	if (!s->is_finished)
		return NULL;
	return s->finish == FINISH_LENGTH   ? "max_output_tokens"
	       : s->finish == FINISH_FILTER ? "content_filter"
					    : NULL;
}

bool rsp_is_incomplete(const struct rsp_answer *s)
{
	return incomplete_reason(s);
}

const char *rsp_status_word(const struct rsp_answer *s)
{
	return rsp_is_incomplete(s) ? "incomplete" : "completed";
}

static void put_incomplete(const struct rsp_answer *s, struct json_out *o)
{
	const char *reason = incomplete_reason(s);
	if (!reason) {
		json_put_null(o, "incomplete_details");
		return;
	}
	json_open(o, "incomplete_details");
	json_put_z(o, "reason", reason);
	json_close(o);
}

void rsp_put_response(const struct dialect_answer *an, const struct rsp_answer *s,
		      struct json_out *o, const char *key, const char *status, struct str error)
{
	json_open(o, key);
	json_put_str(o, "id", s->id);
	json_put_z(o, "object", "response");
	json_put_i64(o, "created_at", an->created_s);
	json_put_z(o, "status", status);
	json_put_bool(o, "background", false);
	json_put_raw(o, "error", error.p ? error : STR("null"));
	put_incomplete(s, o);
	put_echo(an, o, before_output, COUNT(before_output));
	json_put_str(o, "model", an->model);
	json_open_array(o, "output");
	for (const struct rsp_item *item = s->items; item; item = item->next)
		rsp_put_item(o, NULL, item);
	json_close_array(o);
	put_echo(an, o, behind_output, COUNT(behind_output));
	if (s->is_finished)
		put_usage(an, o);
	else
		json_put_null(o, "usage");
	json_close(o);
}

void rsp_put_response_event(const struct dialect_answer *an, struct rsp_answer *s, const char *type,
			    const char *status, struct str error)
{
	if (!s->out)
		return;
	struct json_out o = rsp_open_event(s, type);
	rsp_put_response(an, s, &o, "response", status, error);
	rsp_close_event(&o);
}
