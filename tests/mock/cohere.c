/* SPDX-License-Identifier: MIT
 * cohere.c - chat and embeddings as Cohere's second API has them: an event of a stream is named
 * in it, and the last one, message-end, has the reason and the usage. */
#include "tests/mock/answer.h"
#include "tests/mock/vector.h"

#define PLAN "I will look it up."

static void write_number(struct buf *out, const char *before, uint64_t n)
{
	buf_put_z(out, before);
	buf_put_u64(out, n);
}

static void write_usage(struct buf *out, const struct answer *a)
{
	if (a->script.nousage)
		return;
	write_number(out, ",\"usage\":{\"billed_units\":{\"input_tokens\":", a->prompt_tokens);
	write_number(out, ",\"output_tokens\":", a->out_tokens);
	write_number(out, "},\"tokens\":{\"input_tokens\":", a->prompt_tokens);
	write_number(out, ",\"output_tokens\":", a->out_tokens);
	BUF_PUT_LIT(out, "}");
	if (a->script.cached >= 0)
		write_number(out, ",\"cached_tokens\":", (uint64_t)a->script.cached);
	BUF_PUT_LIT(out, "}");
}

static void write_reason(struct buf *out, const struct answer *a)
{
	BUF_PUT_LIT(out, "\"finish_reason\":\"");
	if (a->script.refuse)
		BUF_PUT_LIT(out, "ERROR_TOXIC");
	else if (a->script.length)
		BUF_PUT_LIT(out, "MAX_TOKENS");
	else
		buf_put_z(out, a->script.tools > 0 ? "TOOL_CALL" : "COMPLETE");
	BUF_PUT_LIT(out, "\"");
}

static void open_call(struct buf *out, const struct answer *a, uint64_t i)
{
	write_number(out, "{\"id\":\"call_", i);
	BUF_PUT_LIT(out, "\",\"type\":\"function\",\"function\":{\"name\":\"");
	say_tool_name(out, a);
	BUF_PUT_LIT(out, "\",\"arguments\":\"");
}

/* --- whole --- */

static void write_calls(struct buf *out, const struct answer *a)
{
	BUF_PUT_LIT(out, ",\"tool_plan\":\"" PLAN "\",\"tool_calls\":[");
	for (uint64_t i = 0; i < (uint64_t)a->script.tools; i++) {
		buf_put_z(out, i ? "," : "");
		open_call(out, a, i);
		BUF_PUT_LIT(out, "{\\\"city\\\":\\\"");
		say_city(out, i);
		BUF_PUT_LIT(out, "\\\"}\"}}");
	}
	BUF_PUT_LIT(out, "]");
}

static void write_blocks(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, ",\"content\":[");
	if (a->script.think > 0) {
		BUF_PUT_LIT(out, "{\"type\":\"thinking\",\"thinking\":\"");
		say_all_thoughts(out, a);
		BUF_PUT_LIT(out, "\"},");
	}
	BUF_PUT_LIT(out, "{\"type\":\"text\",\"text\":\"");
	say_all(out, a);
	BUF_PUT_LIT(out, "\"}]");
}

static void chat_whole(struct buf *out, struct answer *a)
{
	write_number(out, "{\"id\":\"cohere-mock-", a->seq);
	BUF_PUT_LIT(out, "\",");
	write_reason(out, a);
	BUF_PUT_LIT(out, ",\"message\":{\"role\":\"assistant\"");
	if (a->script.tools > 0)
		write_calls(out, a);
	else if (!a->script.emptychoices)
		write_blocks(out, a);
	BUF_PUT_LIT(out, "}");
	write_usage(out, a);
	BUF_PUT_LIT(out, "}");
}

/* --- a stream --- */

static void open_event(struct buf *out, const char *type)
{
	BUF_PUT_LIT(out, "event: ");
	buf_put_z(out, type);
	BUF_PUT_LIT(out, "\ndata: {\"type\":\"");
	buf_put_z(out, type);
	BUF_PUT_LIT(out, "\"");
}

static void close_event(struct buf *out)
{
	BUF_PUT_LIT(out, "}\n\n");
}

static void write_start(struct buf *out, struct answer *a)
{
	if (a->role_told)
		return;
	a->role_told = true;
	open_event(out, "message-start");
	write_number(out, ",\"id\":\"cohere-mock-", a->seq);
	BUF_PUT_LIT(out, "\",\"delta\":{\"message\":{\"role\":\"assistant\",\"content\":[]}}");
	close_event(out);
}

static void write_end(struct buf *out, const char *type, uint64_t index)
{
	open_event(out, type);
	write_number(out, ",\"index\":", index);
	close_event(out);
}

/* a->sequence counts the block under way; 0: none is. */
static void close_content(struct buf *out, struct answer *a)
{
	if (a->sequence)
		write_end(out, "content-end", a->sequence - 1);
	a->sequence = 0;
}

static void open_content(struct buf *out, const char *event, uint64_t index)
{
	open_event(out, event);
	write_number(out, ",\"index\":", index);
	BUF_PUT_LIT(out, ",\"delta\":{\"message\":{\"content\":{");
}

static void write_text(struct buf *out, struct answer *a, bool is_thought, uint64_t i)
{
	uint64_t index = !is_thought && a->script.think > 0;
	const char *kind = is_thought ? "thinking" : "text";
	if (i == 0) {
		close_content(out, a);
		a->sequence = index + 1;
		open_content(out, "content-start", index);
		BUF_PUT_LIT(out, "\"type\":\"");
		buf_put_z(out, kind);
		BUF_PUT_LIT(out, "\",\"");
		buf_put_z(out, kind);
		BUF_PUT_LIT(out, "\":\"\"}}}");
		close_event(out);
	}
	open_content(out, "content-delta", index);
	BUF_PUT_LIT(out, "\"");
	buf_put_z(out, kind);
	BUF_PUT_LIT(out, "\":\"");
	if (is_thought)
		say_thought(out, i);
	else
		say_token(out, a, i);
	BUF_PUT_LIT(out, "\"}}}");
	close_event(out);
}

static void write_plan(struct buf *out)
{
	open_event(out, "tool-plan-delta");
	BUF_PUT_LIT(out, ",\"delta\":{\"message\":{\"tool_plan\":\"" PLAN "\"}}");
	close_event(out);
}

/* Three pieces a call: its start, and two halves of its arguments. Before the first is the plan. */
static void write_call(struct buf *out, struct answer *a, uint64_t i)
{
	if (i == 0)
		write_plan(out);
	close_content(out, a);
	if (i > 0 && i % 3 == 0)
		write_end(out, "tool-call-end", i / 3 - 1);
	open_event(out, i % 3 ? "tool-call-delta" : "tool-call-start");
	write_number(out, ",\"index\":", i / 3);
	BUF_PUT_LIT(out, ",\"delta\":{\"message\":{\"tool_calls\":");
	if (i % 3 == 0) {
		open_call(out, a, i / 3);
	} else {
		BUF_PUT_LIT(out, "{\"function\":{\"arguments\":\"");
		buf_put_z(out, i % 3 == 1 ? "{\\\"city\\\":" : "\\\"");
		if (i % 3 == 2) {
			say_city(out, i / 3);
			BUF_PUT_LIT(out, "\\\"}");
		}
	}
	BUF_PUT_LIT(out, "\"}}}}");
	close_event(out);
}

static void write_finish(struct buf *out, struct answer *a)
{
	close_content(out, a);
	if (a->script.tools > 0)
		write_end(out, "tool-call-end", (uint64_t)a->script.tools - 1);
	open_event(out, "message-end");
	BUF_PUT_LIT(out, ",\"delta\":{");
	write_reason(out, a);
	write_usage(out, a);
	BUF_PUT_LIT(out, "}");
	close_event(out);
}

static void chat_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	write_start(out, a);
	if (piece == PIECE_THINK || piece == PIECE_TOKEN)
		write_text(out, a, piece == PIECE_THINK, i);
	else if (piece == PIECE_TOOL)
		write_call(out, a, i);
	else if (piece == PIECE_FINISH)
		write_finish(out, a);
}

/* --- embeddings and errors --- */

static void embed_whole(struct buf *out, struct answer *a)
{
	size_t dimensions = a->ask->dimensions ? a->ask->dimensions : 8;
	BUF_PUT_LIT(out, "{\"id\":\"mock\",\"embeddings\":{\"float\":[");
	for (size_t i = 0; i < a->ask->inputs; i++) {
		buf_put_z(out, i ? "," : "");
		vector_write_text(out, i, dimensions);
	}
	BUF_PUT_LIT(out, "]},\"texts\":[]");
	if (!a->script.nousage) {
		write_number(out, ",\"meta\":{\"billed_units\":{\"input_tokens\":", a->prompt_tokens);
		BUF_PUT_LIT(out, "}}");
	}
	BUF_PUT_LIT(out, "}");
}

/* A stream that fails has its last event, which says why. */
static void write_error(struct buf *out, const struct answer *a, struct span message)
{
	if (a->is_amid_stream) {
		BUF_PUT_LIT(out, "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\","
				 "\"error\":");
		buf_put_json(out, message);
		BUF_PUT_LIT(out, "}}");
		return;
	}
	write_number(out, "{\"id\":\"error-", a->seq);
	BUF_PUT_LIT(out, "\",\"message\":");
	buf_put_json(out, message);
	BUF_PUT_LIT(out, "}");
}

const struct endpoint cohere_endpoints[] = {
	{ "POST", "/v2/chat", "text/event-stream", false, 3, chat_whole, chat_piece, write_error },
	{ "POST", "/v2/embed", NULL, false, 0, embed_whole, NULL, write_error },
	{ .method = NULL },
};
