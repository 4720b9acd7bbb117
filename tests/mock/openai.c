/* SPDX-License-Identifier: MIT
 * openai.c - chat completions, completions, embeddings and the list of models as OpenAI's API
 * has them. Times and fingerprints are constants: the same question has the same answer. */
#include "tests/mock/answer.h"
#include "tests/mock/vector.h"

#define CREATED "\"created\":1700000000"

static void write_usage(struct buf *out, const struct answer *a)
{
	BUF_PUT_LIT(out, "{\"prompt_tokens\":");
	buf_put_u64(out, a->prompt_tokens);
	BUF_PUT_LIT(out, ",\"completion_tokens\":");
	buf_put_u64(out, a->out_tokens);
	BUF_PUT_LIT(out, ",\"total_tokens\":");
	buf_put_u64(out, a->prompt_tokens + a->out_tokens);
	if (a->script.cached >= 0) {
		BUF_PUT_LIT(out, ",\"prompt_tokens_details\":{\"cached_tokens\":");
		buf_put_u64(out, (uint64_t)a->script.cached);
		BUF_PUT_LIT(out, "}");
	}
	if (a->script.think > 0) {
		BUF_PUT_LIT(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":");
		buf_put_u64(out, (uint64_t)a->script.think);
		BUF_PUT_LIT(out, "}");
	}
	if (a->script.searches >= 0) {
		BUF_PUT_LIT(out, ",\"num_search_queries\":");
		buf_put_u64(out, (uint64_t)a->script.searches);
	}
	BUF_PUT_LIT(out, "}");
}

static const char *finish_reason(const struct answer *a)
{
	if (a->script.refuse)
		return "\"content_filter\"";
	if (a->script.length)
		return "\"length\"";
	return a->script.tools > 0 ? "\"tool_calls\"" : "\"stop\"";
}

/* {"id":"chatcmpl-mock-7","object":"...","created":...,"model":"..." */
static void write_start(struct buf *out, const struct answer *a, const char *id, const char *object)
{
	BUF_PUT_LIT(out, "{\"id\":\"");
	buf_put_z(out, id);
	buf_put_u64(out, a->seq);
	BUF_PUT_LIT(out, "\",\"object\":\"");
	buf_put_z(out, object);
	BUF_PUT_LIT(out, "\"," CREATED ",\"model\":");
	say_model(out, a);
	say_tier(out, a);
}

static void write_tool_id(struct buf *out, const struct answer *a, uint64_t tool)
{
	BUF_PUT_LIT(out, "\"id\":\"call_mock_");
	buf_put_u64(out, a->seq);
	BUF_PUT_LIT(out, "_");
	buf_put_u64(out, tool);
	BUF_PUT_LIT(out, "\",\"type\":\"function\",\"function\":{\"name\":\"");
	say_tool_name(out, a);
	BUF_PUT_LIT(out, "\",\"arguments\":\"");
}

static void write_message(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"role\":\"assistant\",\"content\":");
	if (a->script.tools > 0) {
		BUF_PUT_LIT(out, "null,\"tool_calls\":[");
		for (uint64_t i = 0; i < (uint64_t)a->script.tools; i++) {
			buf_put_z(out, i ? ",{" : "{");
			write_tool_id(out, a, i);
			BUF_PUT_LIT(out, "{\\\"city\\\":\\\"");
			say_city(out, i);
			BUF_PUT_LIT(out, "\\\"}\"}}");
		}
		BUF_PUT_LIT(out, "]");
	} else {
		BUF_PUT_LIT(out, "\"");
		say_all(out, a);
		BUF_PUT_LIT(out, "\"");
	}
	if (a->script.think > 0) {
		BUF_PUT_LIT(out, ",\"reasoning_content\":\"");
		say_all_thoughts(out, a);
		BUF_PUT_LIT(out, "\"");
	}
	BUF_PUT_LIT(out, ",\"refusal\":null}");
}

static void write_whole_end(struct buf *out, const struct answer *a)
{
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"usage\":");
		write_usage(out, a);
	}
	BUF_PUT_LIT(out, "}");
}

static void write_choice_end(struct buf *out, const char *reason)
{
	BUF_PUT_LIT(out, ",\"logprobs\":null,\"finish_reason\":");
	buf_put_z(out, reason);
	BUF_PUT_LIT(out, "}]");
}

static void chat_whole(struct buf *out, struct answer *a)
{
	write_start(out, a, "chatcmpl-mock-", "chat.completion");
	if (a->script.emptychoices) {
		BUF_PUT_LIT(out, ",\"choices\":[]");
	} else {
		BUF_PUT_LIT(out, ",\"choices\":[{\"index\":0,\"message\":");
		write_message(out, a);
		write_choice_end(out, finish_reason(a));
	}
	write_whole_end(out, a);
}

static void write_tool_delta(struct buf *out, const struct answer *a, uint64_t i)
{
	BUF_PUT_LIT(out, "\"tool_calls\":[{\"index\":");
	buf_put_u64(out, i / 3);
	BUF_PUT_LIT(out, ",");
	if (i % 3 == 0)
		write_tool_id(out, a, i / 3);
	else if (i % 3 == 1)
		BUF_PUT_LIT(out, "\"function\":{\"arguments\":\"{\\\"city\\\":");
	else
		BUF_PUT_LIT(out, "\"function\":{\"arguments\":\"\\\"");
	if (i % 3 == 2) {
		say_city(out, i / 3);
		BUF_PUT_LIT(out, "\\\"}");
	}
	BUF_PUT_LIT(out, "\"}}]");
}

static void write_delta(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	bool first = !a->role_told && piece != PIECE_FINISH;
	BUF_PUT_LIT(out, "{");
	if (first)
		BUF_PUT_LIT(out, "\"role\":\"assistant\",");
	a->role_told = true;
	switch (piece) {
	case PIECE_ROLE:
		BUF_PUT_LIT(out, "\"content\":\"\"");
		break;
	case PIECE_THINK:
		BUF_PUT_LIT(out, "\"reasoning_content\":\"");
		say_thought(out, i);
		BUF_PUT_LIT(out, "\"");
		break;
	case PIECE_TOKEN:
		BUF_PUT_LIT(out, "\"content\":\"");
		say_token(out, a, i);
		BUF_PUT_LIT(out, "\"");
		break;
	case PIECE_TOOL:
		write_tool_delta(out, a, i);
		break;
	default:
		break;
	}
	BUF_PUT_LIT(out, "}");
}

static void write_choice(struct buf *out, struct answer *a, bool chat, enum piece piece, uint64_t i)
{
	if (a->script.emptychoices || piece == PIECE_USAGE) {
		BUF_PUT_LIT(out, ",\"choices\":[]");
		return;
	}
	BUF_PUT_LIT(out, ",\"choices\":[{\"index\":0,");
	if (chat) {
		BUF_PUT_LIT(out, "\"delta\":");
		write_delta(out, a, piece, i);
	} else {
		BUF_PUT_LIT(out, "\"text\":\"");
		if (piece == PIECE_TOKEN)
			say_token(out, a, i);
		BUF_PUT_LIT(out, "\"");
	}
	write_choice_end(out, piece == PIECE_FINISH ? finish_reason(a) : "null");
}

static void write_event(struct buf *out, struct answer *a, bool chat, enum piece piece, uint64_t i)
{
	if (piece == PIECE_END) {
		BUF_PUT_LIT(out, "data: [DONE]\n\n");
		return;
	}
	BUF_PUT_LIT(out, "data: ");
	write_start(out, a, chat ? "chatcmpl-mock-" : "cmpl-mock-",
		    chat ? "chat.completion.chunk" : "text_completion");
	write_choice(out, a, chat, piece, i);
	if (piece == PIECE_USAGE) {
		BUF_PUT_LIT(out, ",\"usage\":");
		write_usage(out, a);
	} else if (a->ask->include_usage && !a->script.nousage) {
		BUF_PUT_LIT(out, ",\"usage\":null");
	}
	BUF_PUT_LIT(out, "}\n\n");
}

static void chat_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	write_event(out, a, true, piece, i);
}

static void text_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	write_event(out, a, false, piece, i);
}

static void text_whole(struct buf *out, struct answer *a)
{
	write_start(out, a, "cmpl-mock-", "text_completion");
	if (a->script.emptychoices) {
		BUF_PUT_LIT(out, ",\"choices\":[]");
	} else {
		BUF_PUT_LIT(out, ",\"choices\":[{\"index\":0,\"text\":\"");
		say_all(out, a);
		BUF_PUT_LIT(out, "\"");
		write_choice_end(out, finish_reason(a));
	}
	write_whole_end(out, a);
}

static void embeddings_whole(struct buf *out, struct answer *a)
{
	size_t dimensions = a->ask->dimensions ? a->ask->dimensions : 8;
	BUF_PUT_LIT(out, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < a->ask->inputs; i++) {
		buf_put_z(out, i ? "," : "");
		BUF_PUT_LIT(out, "{\"object\":\"embedding\",\"index\":");
		buf_put_u64(out, i);
		BUF_PUT_LIT(out, ",\"embedding\":");
		if (a->ask->wants_base64)
			vector_write_base64(out, i, dimensions);
		else
			vector_write_text(out, i, dimensions);
		BUF_PUT_LIT(out, "}");
	}
	BUF_PUT_LIT(out, "],\"model\":");
	say_model(out, a);
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"usage\":{\"prompt_tokens\":");
		buf_put_u64(out, a->prompt_tokens);
		BUF_PUT_LIT(out, ",\"total_tokens\":");
		buf_put_u64(out, a->prompt_tokens);
		BUF_PUT_LIT(out, "}");
	}
	BUF_PUT_LIT(out, "}");
}

#define MODEL(id) "{\"id\":\"" id "\",\"object\":\"model\"," CREATED ",\"owned_by\":\"mock\"}"

static void models_whole(struct buf *out, struct answer *a)
{
	(void)a;
	BUF_PUT_LIT(out, "{\"object\":\"list\",\"data\":[" MODEL("mock") "," MODEL("bench") "]}");
}

static const struct error_row {
	unsigned status;
	const char *type, *code;
} error_rows[] = {
	{ 400, "invalid_request_error", "null" },
	{ 401, "invalid_request_error", "\"invalid_api_key\"" },
	{ 403, "invalid_request_error", "null" },
	{ 404, "invalid_request_error", "\"model_not_found\"" },
	{ 413, "invalid_request_error", "null" },
	{ 422, "invalid_request_error", "null" },
	{ 429, "requests", "\"rate_limit_exceeded\"" },
	{ 0, "server_error", "null" },
};

void openai_write_error(struct buf *out, const struct answer *a, struct span message)
{
	const struct error_row *row = error_rows;
	while (row->status && row->status != a->status)
		row++;
	BUF_PUT_LIT(out, "{\"error\":{\"message\":");
	buf_put_json(out, message);
	BUF_PUT_LIT(out, ",\"type\":\"");
	buf_put_z(out, row->type);
	BUF_PUT_LIT(out, "\",\"param\":null,\"code\":");
	if (a->script.code.p)
		buf_put_json(out, a->script.code);
	else
		buf_put_z(out, row->code);
	BUF_PUT_LIT(out, "}}");
}

#define SSE "text/event-stream; charset=utf-8"
const struct endpoint openai_endpoints[] = {
	{ "POST", "/chat/completions", SSE, false, 3, chat_whole, chat_piece, openai_write_error },
	{ "POST", "/completions", SSE, false, 0, text_whole, text_piece, openai_write_error },
	{ "POST", "/embeddings", NULL, false, 0, embeddings_whole, NULL, openai_write_error },
	{ "GET", "/models", NULL, false, 0, models_whole, NULL, openai_write_error },
	{ .method = NULL },
};
