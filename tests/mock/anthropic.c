/* SPDX-License-Identifier: MIT
 * anthropic.c - messages and the counting of tokens as Anthropic's API has them. Blocks of a
 * stream come one behind the other: thoughts, then words or calls; which one is open follows from
 * the script alone. */
#include "tests/mock/answer.h"

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

static void write_number(struct buf *out, const char *name, uint64_t v)
{
	buf_put_z(out, name);
	buf_put_u64(out, v);
}

/* What was read from the cache is not among the input tokens here. */
static void write_prompt_usage(struct buf *out, const struct answer *a)
{
	uint64_t cached = a->script.cached > 0 ? (uint64_t)a->script.cached : 0;
	uint64_t fresh = a->prompt_tokens > cached ? a->prompt_tokens - cached : 0;
	write_number(out, "{\"input_tokens\":", fresh);
	BUF_PUT_LIT(out, ",\"cache_creation_input_tokens\":0");
	write_number(out, ",\"cache_read_input_tokens\":", cached);
}

static void write_usage(struct buf *out, const struct answer *a)
{
	write_prompt_usage(out, a);
	write_number(out, ",\"output_tokens\":", a->out_tokens);
	if (a->script.think > 0) {
		write_number(out, ",\"output_tokens_details\":{\"thinking_tokens\":",
			     (uint64_t)a->script.think);
		BUF_PUT_LIT(out, "}");
	}
	if (a->script.searches >= 0) {
		write_number(out, ",\"server_tool_use\":{\"web_search_requests\":",
			     (uint64_t)a->script.searches);
		BUF_PUT_LIT(out, "}");
	}
	say_tier(out, a);
	BUF_PUT_LIT(out, "}");
}

static const char *stop_reason(const struct answer *a)
{
	if (a->script.refuse)
		return "\"refusal\"";
	if (a->script.length)
		return "\"max_tokens\"";
	return a->script.tools > 0 ? "\"tool_use\"" : "\"end_turn\"";
}

/* "id":"msg_mock_7","type":"message","role":"assistant","model":"..." */
static void write_head(struct buf *out, const struct answer *a)
{
	write_number(out, "\"id\":\"msg_mock_", a->seq);
	BUF_PUT_LIT(out, "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
	say_model(out, a);
}

static void write_call_start(struct buf *out, const struct answer *a, uint64_t call)
{
	write_number(out, "{\"type\":\"tool_use\",\"id\":\"toolu_mock_", a->seq);
	write_number(out, "_", call);
	BUF_PUT_LIT(out, "\",\"name\":\"");
	say_tool_name(out, a);
	BUF_PUT_LIT(out, "\",\"input\":");
}

/* --- whole --- */

static void write_content(struct buf *out, struct answer *a)
{
	const char *comma = "";
	if (a->script.think > 0) {
		BUF_PUT_LIT(out, "{\"type\":\"thinking\",\"thinking\":\"");
		say_all_thoughts(out, a);
		BUF_PUT_LIT(out, "\",\"signature\":\"c2lnbmF0dXJl\"}");
		comma = ",";
	}
	for (uint64_t i = 0; a->script.tools > 0 && i < (uint64_t)a->script.tools; i++) {
		buf_put_z(out, comma);
		write_call_start(out, a, i);
		BUF_PUT_LIT(out, "{\"city\":\"");
		say_city(out, i);
		BUF_PUT_LIT(out, "\"}}");
		comma = ",";
	}
	if (a->script.tools > 0)
		return;
	buf_put_z(out, comma);
	BUF_PUT_LIT(out, "{\"type\":\"text\",\"text\":\"");
	say_all(out, a);
	BUF_PUT_LIT(out, "\"}");
}

void anthropic_write_whole(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{");
	write_head(out, a);
	BUF_PUT_LIT(out, ",\"content\":[");
	if (!a->script.emptychoices)
		write_content(out, a);
	BUF_PUT_LIT(out, "],\"stop_reason\":");
	buf_put_z(out, stop_reason(a));
	BUF_PUT_LIT(out, ",\"stop_sequence\":null");
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"usage\":");
		write_usage(out, a);
	}
	BUF_PUT_LIT(out, "}");
}

/* --- a stream --- */

static void write_start(struct buf *out, struct answer *a)
{
	if (a->role_told)
		return;
	a->role_told = true;
	open_event(out, "message_start");
	BUF_PUT_LIT(out, ",\"message\":{");
	write_head(out, a);
	BUF_PUT_LIT(out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"usage\":");
		write_prompt_usage(out, a);
		BUF_PUT_LIT(out, ",\"output_tokens\":1}");
	}
	BUF_PUT_LIT(out, "}");
	close_event(out);
}

static void write_stop(struct buf *out, uint64_t block)
{
	open_event(out, "content_block_stop");
	write_number(out, ",\"index\":", block);
	close_event(out);
}

static void open_block(struct buf *out, uint64_t block)
{
	open_event(out, "content_block_start");
	write_number(out, ",\"index\":", block);
	BUF_PUT_LIT(out, ",\"content_block\":");
}

static void open_delta(struct buf *out, uint64_t block, const char *delta)
{
	open_event(out, "content_block_delta");
	write_number(out, ",\"index\":", block);
	BUF_PUT_LIT(out, ",\"delta\":{\"type\":\"");
	buf_put_z(out, delta);
}

static void close_delta(struct buf *out)
{
	BUF_PUT_LIT(out, "\"}");
	close_event(out);
}

static void write_thought(struct buf *out, const struct answer *a, uint64_t i)
{
	if (i == 0) {
		open_block(out, 0);
		BUF_PUT_LIT(out, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
		close_event(out);
	}
	open_delta(out, 0, "thinking_delta\",\"thinking\":\"");
	say_thought(out, i);
	close_delta(out);
	if (i + 1 < (uint64_t)a->script.think)
		return;
	open_delta(out, 0, "signature_delta\",\"signature\":\"c2lnbmF0dXJl");
	close_delta(out);
	write_stop(out, 0);
}

static void write_word(struct buf *out, struct answer *a, uint64_t i)
{
	uint64_t block = a->script.think > 0;
	if (i == 0) {
		open_block(out, block);
		BUF_PUT_LIT(out, "{\"type\":\"text\",\"text\":\"\"}");
		close_event(out);
	}
	open_delta(out, block, "text_delta\",\"text\":\"");
	say_token(out, a, i);
	close_delta(out);
	if (i + 1 == (uint64_t)a->script.tokens)
		write_stop(out, block);
}

/* Three pieces a call: its start, and two halves of its input. */
static void write_call(struct buf *out, const struct answer *a, uint64_t i)
{
	uint64_t call = i / 3, block = call + (a->script.think > 0);
	if (i % 3 == 0) {
		open_block(out, block);
		write_call_start(out, a, call);
		BUF_PUT_LIT(out, "{}}");
		close_event(out);
		return;
	}
	open_delta(out, block, "input_json_delta\",\"partial_json\":\"");
	buf_put_z(out, i % 3 == 1 ? "{\\\"city\\\":" : "\\\"");
	if (i % 3 == 2) {
		say_city(out, call);
		BUF_PUT_LIT(out, "\\\"}");
	}
	close_delta(out);
	if (i % 3 == 2)
		write_stop(out, block);
}

static void write_finish(struct buf *out, const struct answer *a)
{
	open_event(out, "message_delta");
	BUF_PUT_LIT(out, ",\"delta\":{\"stop_reason\":");
	buf_put_z(out, stop_reason(a));
	BUF_PUT_LIT(out, ",\"stop_sequence\":null}");
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"usage\":");
		write_usage(out, a);
	}
	close_event(out);
}

void anthropic_write_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	write_start(out, a);
	if (a->script.emptychoices && piece < PIECE_FINISH)
		return;
	switch (piece) {
	case PIECE_ROLE:
		BUF_PUT_LIT(out, "event: ping\ndata: {\"type\": \"ping\"}\n\n");
		break;
	case PIECE_THINK:
		write_thought(out, a, i);
		break;
	case PIECE_TOKEN:
		write_word(out, a, i);
		break;
	case PIECE_TOOL:
		write_call(out, a, i);
		break;
	case PIECE_FINISH:
		write_finish(out, a);
		if (a->script.dupusage)
			write_finish(out, a);
		break;
	case PIECE_END:
		open_event(out, "message_stop");
		close_event(out);
		break;
	default:
		break;
	}
}

static void count_whole(struct buf *out, struct answer *a)
{
	write_number(out, "{\"input_tokens\":", a->prompt_tokens);
	BUF_PUT_LIT(out, "}");
}

/* --- errors --- */

static const struct error_row {
	unsigned status;
	const char *type;
} error_rows[] = {
	{ 400, "invalid_request_error" },
	{ 401, "authentication_error" },
	{ 402, "billing_error" },
	{ 403, "permission_error" },
	{ 404, "not_found_error" },
	{ 413, "request_too_large" },
	{ 429, "rate_limit_error" },
	{ 504, "timeout_error" },
	{ 529, "overloaded_error" },
	{ 0, "api_error" },
};

static void write_error(struct buf *out, const struct answer *a, struct span message)
{
	const struct error_row *row = error_rows;
	while (row->status && row->status != a->status)
		row++;
	BUF_PUT_LIT(out, "{\"type\":\"error\",\"error\":{\"type\":\"");
	buf_put_z(out, row->type);
	BUF_PUT_LIT(out, "\",\"message\":");
	buf_put_json(out, message);
	if (a->script.code.p) {
		BUF_PUT_LIT(out, ",\"details\":{\"error_code\":");
		buf_put_json(out, a->script.code);
		BUF_PUT_LIT(out, "}");
	}
	write_number(out, "},\"request_id\":\"req_mock_", a->seq);
	BUF_PUT_LIT(out, "\"}");
}

#define SSE "text/event-stream; charset=utf-8"
const struct endpoint anthropic_endpoints[] = {
	{ "POST", "/v1/messages", SSE, false, 3, anthropic_write_whole, anthropic_write_piece,
	  write_error },
	{ "POST", ":rawPredict", SSE, false, 3, anthropic_write_whole, anthropic_write_piece,
	  write_error },
	{ "POST", ":streamRawPredict", SSE, false, 3, anthropic_write_whole, anthropic_write_piece,
	  write_error },
	{ "POST", "/v1/messages/count_tokens", NULL, false, 0, count_whole, NULL, write_error },
	{ .method = NULL },
};
