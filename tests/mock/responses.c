/* SPDX-License-Identifier: MIT
 * responses.c - OpenAI's Responses: items one behind the other (thoughts, then words or calls),
 * each with its own events, all of them counted; the last one has the whole response. */
#include "tests/mock/answer.h"

static void open_event(struct buf *out, struct answer *a, const char *type)
{
	BUF_PUT_LIT(out, "event: ");
	buf_put_z(out, type);
	BUF_PUT_LIT(out, "\ndata: {\"type\":\"");
	buf_put_z(out, type);
	BUF_PUT_LIT(out, "\",\"sequence_number\":");
	buf_put_u64(out, a->sequence++);
}

static void close_event(struct buf *out)
{
	BUF_PUT_LIT(out, "}\n\n");
}

static void write_id(struct buf *out, const struct answer *a, const char *prefix, uint64_t index)
{
	BUF_PUT_LIT(out, "\"");
	buf_put_z(out, prefix);
	BUF_PUT_LIT(out, "_mock_");
	buf_put_u64(out, a->seq);
	BUF_PUT_LIT(out, "_");
	buf_put_u64(out, index);
	BUF_PUT_LIT(out, "\"");
}

static uint64_t first_index(const struct answer *a)
{
	return a->script.think > 0;
}

static uint64_t count_tools(const struct answer *a)
{
	return a->script.tools > 0 ? (uint64_t)a->script.tools : 0;
}

/* --- items --- */

static void open_item(struct buf *out, const struct answer *a, const char *type, const char *prefix,
		      uint64_t index, bool is_done)
{
	BUF_PUT_LIT(out, "{\"id\":");
	write_id(out, a, prefix, index);
	BUF_PUT_LIT(out, ",\"type\":\"");
	buf_put_z(out, type);
	BUF_PUT_LIT(out, "\",\"status\":\"");
	buf_put_z(out, is_done ? "completed" : "in_progress");
	BUF_PUT_LIT(out, "\"");
}

static void write_thinking(struct buf *out, const struct answer *a, bool is_done)
{
	open_item(out, a, "reasoning", "rs", 0, is_done);
	BUF_PUT_LIT(out, ",\"summary\":[");
	if (is_done) {
		BUF_PUT_LIT(out, "{\"type\":\"summary_text\",\"text\":\"");
		say_all_thoughts(out, a);
		BUF_PUT_LIT(out, "\"}");
	}
	buf_put_z(out, is_done ? "],\"encrypted_content\":\"gAAAAmock\"}" : "]}");
}

static void write_text_part(struct buf *out, struct answer *a, bool is_done)
{
	BUF_PUT_LIT(out, "{\"type\":\"output_text\",\"annotations\":[],\"text\":\"");
	if (is_done)
		say_all(out, a);
	BUF_PUT_LIT(out, "\"}");
}

static void write_message(struct buf *out, struct answer *a, bool is_done)
{
	open_item(out, a, "message", "msg", first_index(a), is_done);
	BUF_PUT_LIT(out, ",\"role\":\"assistant\",\"content\":[");
	if (is_done)
		write_text_part(out, a, true);
	BUF_PUT_LIT(out, "]}");
}

static void write_call(struct buf *out, const struct answer *a, uint64_t i, bool is_done)
{
	open_item(out, a, "function_call", "fc", first_index(a) + i, is_done);
	BUF_PUT_LIT(out, ",\"call_id\":\"call_mock_");
	buf_put_u64(out, a->seq);
	BUF_PUT_LIT(out, "_");
	buf_put_u64(out, i);
	BUF_PUT_LIT(out, "\",\"name\":\"");
	say_tool_name(out, a);
	BUF_PUT_LIT(out, "\",\"arguments\":\"");
	if (is_done) {
		BUF_PUT_LIT(out, "{\\\"city\\\":\\\"");
		say_city(out, i);
		BUF_PUT_LIT(out, "\\\"}");
	}
	BUF_PUT_LIT(out, "\"}");
}

/* --- the response --- */

static void write_output(struct buf *out, struct answer *a)
{
	for (int64_t i = 0; i < a->script.searches; i++)
		BUF_PUT_LIT(out, "{\"id\":\"ws_mock\",\"type\":\"web_search_call\",\"status\":"
				 "\"completed\",\"action\":{\"type\":\"search\",\"query\":\"q\"}},");
	for (int64_t i = 0; i < a->script.filed; i++)
		BUF_PUT_LIT(out, "{\"id\":\"fs_mock\",\"type\":\"file_search_call\",\"status\":"
				 "\"completed\",\"queries\":[\"q\",\"r\"]},");
	for (int64_t i = 0; i < 2 * a->script.containers; i++) {
		BUF_PUT_LIT(out, "{\"id\":\"ci_mock\",\"type\":\"code_interpreter_call\",\"status\":"
				 "\"completed\",\"code\":\"1\",\"container_id\":\"cntr_");
		buf_put_u64(out, (uint64_t)i / 2);
		BUF_PUT_LIT(out, "\"},");
	}
	if (a->script.think > 0) {
		write_thinking(out, a, true);
		BUF_PUT_LIT(out, ",");
	}
	for (uint64_t i = 0; i < count_tools(a); i++) {
		buf_put_z(out, i ? "," : "");
		write_call(out, a, i, true);
	}
	if (!count_tools(a))
		write_message(out, a, true);
}

static void write_usage(struct buf *out, const struct answer *a)
{
	uint64_t thought = a->script.think > 0 ? (uint64_t)a->script.think : 0;
	BUF_PUT_LIT(out, "{\"input_tokens\":");
	buf_put_u64(out, a->prompt_tokens);
	BUF_PUT_LIT(out, ",\"input_tokens_details\":{\"cached_tokens\":");
	buf_put_u64(out, a->script.cached > 0 ? (uint64_t)a->script.cached : 0);
	BUF_PUT_LIT(out, "},\"output_tokens\":");
	buf_put_u64(out, a->out_tokens);
	BUF_PUT_LIT(out, ",\"output_tokens_details\":{\"reasoning_tokens\":");
	buf_put_u64(out, thought);
	BUF_PUT_LIT(out, "},\"total_tokens\":");
	buf_put_u64(out, a->prompt_tokens + a->out_tokens);
	BUF_PUT_LIT(out, "}");
}

/* Why it is not complete; NULL: it is. */
static const char *missing_for(const struct answer *a)
{
	if (a->script.refuse)
		return "content_filter";
	return a->script.length ? "max_output_tokens" : NULL;
}

static void write_missing(struct buf *out, const char *reason)
{
	if (!reason) {
		BUF_PUT_LIT(out, "null");
		return;
	}
	BUF_PUT_LIT(out, "{\"reason\":\"");
	buf_put_z(out, reason);
	BUF_PUT_LIT(out, "\"}");
}

static void write_response(struct buf *out, struct answer *a, bool is_done)
{
	const char *reason = is_done ? missing_for(a) : NULL;
	const char *status = !is_done ? "in_progress" : reason ? "incomplete" : "completed";
	BUF_PUT_LIT(out, "{\"id\":\"resp_mock_");
	buf_put_u64(out, a->seq);
	BUF_PUT_LIT(out, "\",\"object\":\"response\",\"created_at\":1700000000,\"status\":\"");
	buf_put_z(out, status);
	BUF_PUT_LIT(out, "\",\"error\":null,\"incomplete_details\":");
	write_missing(out, reason);
	BUF_PUT_LIT(out, ",\"previous_response_id\":null,\"model\":");
	say_model(out, a);
	say_tier(out, a);
	BUF_PUT_LIT(out, ",\"output\":[");
	if (is_done && !a->script.emptychoices)
		write_output(out, a);
	BUF_PUT_LIT(out, "],\"usage\":");
	if (is_done && !a->script.nousage)
		write_usage(out, a);
	else
		BUF_PUT_LIT(out, "null");
	BUF_PUT_LIT(out, "}");
}

static void responses_whole(struct buf *out, struct answer *a)
{
	write_response(out, a, true);
}

/* --- a stream --- */

static void write_response_event(struct buf *out, struct answer *a, const char *type, bool is_done)
{
	open_event(out, a, type);
	BUF_PUT_LIT(out, ",\"response\":");
	write_response(out, a, is_done);
	close_event(out);
}

static void open_place(struct buf *out, struct answer *a, const char *type, const char *prefix,
		       uint64_t index)
{
	open_event(out, a, type);
	BUF_PUT_LIT(out, ",\"output_index\":");
	buf_put_u64(out, index);
	if (!prefix)
		return;
	BUF_PUT_LIT(out, ",\"item_id\":");
	write_id(out, a, prefix, index);
}

static void open_item_event(struct buf *out, struct answer *a, uint64_t index, bool is_done)
{
	open_place(out, a, is_done ? "response.output_item.done" : "response.output_item.added", NULL,
		   index);
	BUF_PUT_LIT(out, ",\"item\":");
}

static void think_piece(struct buf *out, struct answer *a, uint64_t i)
{
	if (i == 0) {
		open_item_event(out, a, 0, false);
		write_thinking(out, a, false);
		close_event(out);
		open_place(out, a, "response.reasoning_summary_part.added", "rs", 0);
		BUF_PUT_LIT(out, ",\"summary_index\":0,\"part\":{\"type\":\"summary_text\",\"text\":\"\"}");
		close_event(out);
	}
	open_place(out, a, "response.reasoning_summary_text.delta", "rs", 0);
	BUF_PUT_LIT(out, ",\"summary_index\":0,\"delta\":\"");
	say_thought(out, i);
	BUF_PUT_LIT(out, "\"");
	close_event(out);
	if (i + 1 < (uint64_t)a->script.think)
		return;
	open_item_event(out, a, 0, true);
	write_thinking(out, a, true);
	close_event(out);
}

static void part_event(struct buf *out, struct answer *a, bool is_done)
{
	open_place(out, a, is_done ? "response.content_part.done" : "response.content_part.added",
		   "msg", first_index(a));
	BUF_PUT_LIT(out, ",\"content_index\":0,\"part\":");
	write_text_part(out, a, is_done);
	close_event(out);
}

static void token_piece(struct buf *out, struct answer *a, uint64_t i)
{
	uint64_t index = first_index(a);
	if (i == 0) {
		open_item_event(out, a, index, false);
		write_message(out, a, false);
		close_event(out);
		part_event(out, a, false);
	}
	open_place(out, a, "response.output_text.delta", "msg", index);
	BUF_PUT_LIT(out, ",\"content_index\":0,\"delta\":\"");
	say_token(out, a, i);
	BUF_PUT_LIT(out, "\",\"logprobs\":[]");
	close_event(out);
}

static void tool_piece(struct buf *out, struct answer *a, uint64_t i)
{
	uint64_t call = i / 3, index = first_index(a) + call;
	if (i % 3 == 0) {
		open_item_event(out, a, index, false);
		write_call(out, a, call, false);
		close_event(out);
		return;
	}
	open_place(out, a, "response.function_call_arguments.delta", "fc", index);
	BUF_PUT_LIT(out, ",\"delta\":\"");
	buf_put_z(out, i % 3 == 1 ? "{\\\"city\\\":" : "\\\"");
	if (i % 3 == 2) {
		say_city(out, call);
		BUF_PUT_LIT(out, "\\\"}");
	}
	BUF_PUT_LIT(out, "\"");
	close_event(out);
	if (i % 3 == 1)
		return;
	open_item_event(out, a, index, true);
	write_call(out, a, call, true);
	close_event(out);
}

static void finish_piece(struct buf *out, struct answer *a)
{
	uint64_t index = first_index(a);
	if (count_tools(a) || a->script.tokens <= 0)
		return;
	open_place(out, a, "response.output_text.done", "msg", index);
	BUF_PUT_LIT(out, ",\"content_index\":0,\"text\":\"");
	say_all(out, a);
	BUF_PUT_LIT(out, "\"");
	close_event(out);
	part_event(out, a, true);
	open_item_event(out, a, index, true);
	write_message(out, a, true);
	close_event(out);
}

static void responses_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	if (!a->role_told) {
		a->role_told = true;
		write_response_event(out, a, "response.created", false);
		write_response_event(out, a, "response.in_progress", false);
	}
	if (piece == PIECE_THINK)
		think_piece(out, a, i);
	else if (piece == PIECE_TOKEN)
		token_piece(out, a, i);
	else if (piece == PIECE_TOOL)
		tool_piece(out, a, i);
	else if (piece == PIECE_FINISH)
		finish_piece(out, a);
	else if (piece == PIECE_END)
		write_response_event(out, a, missing_for(a) ? "response.incomplete"
							    : "response.completed", true);
}

/* Within a stream it has no object of its own, and knows neither status nor type. */
static void write_error(struct buf *out, const struct answer *a, struct span message)
{
	if (!a->is_amid_stream) {
		openai_write_error(out, a, message);
		return;
	}
	BUF_PUT_LIT(out, "{\"type\":\"error\",\"sequence_number\":");
	buf_put_u64(out, a->sequence);
	BUF_PUT_LIT(out, ",\"code\":\"rate_limit_exceeded\",\"message\":");
	buf_put_json(out, message);
	BUF_PUT_LIT(out, ",\"param\":null}");
}

const struct endpoint responses_endpoints[] = {
	{ "POST", "/responses", "text/event-stream; charset=utf-8", false, 3, responses_whole,
	  responses_piece, write_error },
	{ .method = NULL },
};
