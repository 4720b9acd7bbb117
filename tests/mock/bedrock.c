/* SPDX-License-Identifier: MIT
 * bedrock.c - Converse, its stream, and InvokeModel as AWS Bedrock has them. What InvokeModel
 * answers is the model's vendor's: Anthropic's messages, or vectors of Titan or Cohere. */
#include "tests/mock/answer.h"
#include "tests/mock/eventstream.h"
#include "tests/mock/vector.h"

static void write_number(struct buf *out, const char *name, uint64_t v)
{
	buf_put_z(out, name);
	buf_put_u64(out, v);
}

/* --- Converse, whole --- */

/* What was read from the cache is not among the input tokens here. */
static void write_usage(struct buf *out, const struct answer *a)
{
	uint64_t cached = a->script.cached > 0 ? (uint64_t)a->script.cached : 0;
	uint64_t fresh = a->prompt_tokens > cached ? a->prompt_tokens - cached : 0;
	write_number(out, "\"usage\":{\"inputTokens\":", fresh);
	write_number(out, ",\"outputTokens\":", a->out_tokens);
	write_number(out, ",\"totalTokens\":", fresh + a->out_tokens);
	write_number(out, ",\"cacheReadInputTokens\":", cached);
	BUF_PUT_LIT(out, ",\"cacheWriteInputTokens\":0},\"metrics\":{\"latencyMs\":7}");
}

static const char *stop_reason(const struct answer *a)
{
	if (a->script.refuse)
		return "guardrail_intervened";
	if (a->script.length)
		return "max_tokens";
	return a->script.tools > 0 ? "tool_use" : "end_turn";
}

static void write_call_start(struct buf *out, const struct answer *a, uint64_t call)
{
	write_number(out, "{\"toolUse\":{\"toolUseId\":\"tooluse_mock_", a->seq);
	write_number(out, "_", call);
	BUF_PUT_LIT(out, "\",\"name\":\"");
	say_tool_name(out, a);
	BUF_PUT_LIT(out, "\"");
}

static void write_content(struct buf *out, struct answer *a)
{
	const char *comma = "";
	if (a->script.think > 0) {
		BUF_PUT_LIT(out, "{\"reasoningContent\":{\"reasoningText\":{\"text\":\"");
		say_all_thoughts(out, a);
		BUF_PUT_LIT(out, "\",\"signature\":\"c2lnbmF0dXJl\"}}}");
		comma = ",";
	}
	for (uint64_t i = 0; a->script.tools > 0 && i < (uint64_t)a->script.tools; i++) {
		buf_put_z(out, comma);
		write_call_start(out, a, i);
		BUF_PUT_LIT(out, ",\"input\":{\"city\":\"");
		say_city(out, i);
		BUF_PUT_LIT(out, "\"}}}");
		comma = ",";
	}
	if (a->script.tools > 0)
		return;
	buf_put_z(out, comma);
	BUF_PUT_LIT(out, "{\"text\":\"");
	say_all(out, a);
	BUF_PUT_LIT(out, "\"}");
}

static void converse_whole(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[");
	if (!a->script.emptychoices)
		write_content(out, a);
	BUF_PUT_LIT(out, "]}},\"stopReason\":\"");
	buf_put_z(out, stop_reason(a));
	BUF_PUT_LIT(out, "\"");
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",");
		write_usage(out, a);
	}
	BUF_PUT_LIT(out, "}");
}

/* --- Converse, a stream --- */

/* The payload gets an end of random length on the wire, which says nothing. */
static void write_event(struct buf *out, const char *type, struct buf *payload)
{
	BUF_PUT_LIT(payload, ",\"p\":\"abcdefgh\"}");
	eventstream_write(out, "event", ":event-type", (struct span){ type, strlen(type) },
			  span_of(payload));
	payload->n = 0;
}

static void write_block_event(struct buf *out, const char *type, uint64_t block, struct buf *payload)
{
	struct buf all = { 0 };
	write_number(&all, "{\"contentBlockIndex\":", block);
	buf_put_span(&all, span_of(payload));
	write_event(out, type, &all);
	payload->n = 0;
	buf_done(&all);
}

static void write_start(struct buf *out, struct answer *a, struct buf *payload)
{
	if (a->role_told)
		return;
	a->role_told = true;
	BUF_PUT_LIT(payload, "{\"role\":\"assistant\"");
	write_event(out, "messageStart", payload);
}

static void write_thought(struct buf *out, const struct answer *a, uint64_t i, struct buf *payload)
{
	BUF_PUT_LIT(payload, ",\"delta\":{\"reasoningContent\":{\"text\":\"");
	say_thought(payload, i);
	BUF_PUT_LIT(payload, "\"}}");
	write_block_event(out, "contentBlockDelta", 0, payload);
	if (i + 1 < (uint64_t)a->script.think)
		return;
	BUF_PUT_LIT(payload, ",\"delta\":{\"reasoningContent\":{\"signature\":\"c2lnbmF0dXJl\"}}");
	write_block_event(out, "contentBlockDelta", 0, payload);
	write_block_event(out, "contentBlockStop", 0, payload);
}

static void write_word(struct buf *out, struct answer *a, uint64_t i, struct buf *payload)
{
	uint64_t block = a->script.think > 0;
	BUF_PUT_LIT(payload, ",\"delta\":{\"text\":\"");
	say_token(payload, a, i);
	BUF_PUT_LIT(payload, "\"}");
	write_block_event(out, "contentBlockDelta", block, payload);
	if (i + 1 == (uint64_t)a->script.tokens)
		write_block_event(out, "contentBlockStop", block, payload);
}

/* Three pieces a call: its start, and two halves of its input. */
static void write_call(struct buf *out, const struct answer *a, uint64_t i, struct buf *payload)
{
	uint64_t call = i / 3, block = call + (a->script.think > 0);
	if (i % 3 == 0) {
		BUF_PUT_LIT(payload, ",\"start\":");
		write_call_start(payload, a, call);
		BUF_PUT_LIT(payload, "}}");
		write_block_event(out, "contentBlockStart", block, payload);
		return;
	}
	BUF_PUT_LIT(payload, ",\"delta\":{\"toolUse\":{\"input\":\"");
	buf_put_z(payload, i % 3 == 1 ? "{\\\"city\\\":" : "\\\"");
	if (i % 3 == 2) {
		say_city(payload, call);
		BUF_PUT_LIT(payload, "\\\"}");
	}
	BUF_PUT_LIT(payload, "\"}}");
	write_block_event(out, "contentBlockDelta", block, payload);
	if (i % 3 == 2)
		write_block_event(out, "contentBlockStop", block, payload);
}

static void converse_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	struct buf payload = { 0 };
	write_start(out, a, &payload);
	if (piece == PIECE_THINK) {
		write_thought(out, a, i, &payload);
	} else if (piece == PIECE_TOKEN) {
		write_word(out, a, i, &payload);
	} else if (piece == PIECE_TOOL) {
		write_call(out, a, i, &payload);
	} else if (piece == PIECE_FINISH) {
		BUF_PUT_LIT(&payload, "{\"stopReason\":\"");
		buf_put_z(&payload, stop_reason(a));
		BUF_PUT_LIT(&payload, "\"");
		write_event(out, "messageStop", &payload);
	} else if (piece == PIECE_END && !a->script.nousage) {
		BUF_PUT_LIT(&payload, "{");
		write_usage(&payload, a);
		write_event(out, "metadata", &payload);
	}
	buf_done(&payload);
}

/* --- InvokeModel --- */

static bool is_model(const struct answer *a, const char *word)
{
	return memmem(a->ask->model.p, a->ask->model.n, word, strlen(word)) != NULL;
}

static void titan_whole(struct buf *out, const struct answer *a)
{
	BUF_PUT_LIT(out, "{\"embedding\":");
	vector_write_text(out, 0, a->ask->dimensions ? a->ask->dimensions : 8);
	write_number(out, ",\"inputTextTokenCount\":", a->prompt_tokens);
	BUF_PUT_LIT(out, "}");
}

static void cohere_whole(struct buf *out, const struct answer *a)
{
	BUF_PUT_LIT(out, "{\"embeddings\":[");
	for (size_t i = 0; i < a->ask->inputs; i++) {
		buf_put_z(out, i ? "," : "");
		vector_write_text(out, i, a->ask->dimensions ? a->ask->dimensions : 8);
	}
	BUF_PUT_LIT(out, "],\"id\":\"mock\",\"response_type\":\"embeddings_floats\"}");
}

static void invoke_whole(struct buf *out, struct answer *a)
{
	if (is_model(a, "titan-embed"))
		titan_whole(out, a);
	else if (is_model(a, "cohere.embed"))
		cohere_whole(out, a);
	else
		anthropic_write_whole(out, a);
}

static void write_chunk(struct buf *out, struct span json)
{
	struct buf payload = { 0 };
	BUF_PUT_LIT(&payload, "{\"bytes\":");
	buf_put_base64(&payload, json);
	write_event(out, "chunk", &payload);
	buf_done(&payload);
}

/* What stands behind "data: ", up to the line's end, of each of the vendor's own events. */
static void invoke_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	static const char mark[] = "data: ";
	struct buf sse = { 0 };
	anthropic_write_piece(&sse, a, piece, i);
	const char *p = sse.p, *end = sse.p + sse.n;
	while (p && (p = memmem(p, (size_t)(end - p), mark, sizeof mark - 1))) {
		p += sizeof mark - 1;
		const char *line_end = memchr(p, '\n', (size_t)(end - p));
		write_chunk(out, (struct span){ p, (size_t)(line_end - p) });
		p = line_end;
	}
	buf_done(&sse);
}

/* --- errors --- */

static const struct error_row {
	unsigned status;
	const char *type;
} error_rows[] = {
	{ 400, "ValidationException" },
	{ 403, "AccessDeniedException" },
	{ 404, "ResourceNotFoundException" },
	{ 408, "ModelTimeoutException" },
	{ 424, "ModelErrorException" },
	{ 429, "ThrottlingException" },
	{ 503, "ServiceUnavailableException" },
	{ 0, "InternalServerException" },
};

const char *bedrock_error_type(const struct answer *a)
{
	const struct error_row *row = error_rows;
	if (a->complaint)
		return a->complaint;
	while (row->status && row->status != a->status)
		row++;
	return row->type;
}

static void write_error(struct buf *out, const struct answer *a, struct span message)
{
	(void)a;
	BUF_PUT_LIT(out, "{\"message\":");
	buf_put_json(out, message);
	BUF_PUT_LIT(out, "}");
}

void bedrock_write_exception(struct buf *out, const struct answer *a, struct span message)
{
	struct span type = a->script.code.p ? a->script.code : SPAN("throttlingException");
	struct buf payload = { 0 };
	write_error(&payload, a, message);
	eventstream_write(out, "exception", ":exception-type", type, span_of(&payload));
	buf_done(&payload);
}

#define STREAM "application/vnd.amazon.eventstream"
const struct endpoint bedrock_endpoints[] = {
	{ "POST", "/converse", STREAM, false, 3, converse_whole, converse_piece, write_error },
	{ "POST", "/converse-stream", STREAM, false, 3, converse_whole, converse_piece, write_error },
	{ "POST", "/invoke", STREAM, false, 3, invoke_whole, invoke_piece, write_error },
	{ "POST", "/invoke-with-response-stream", STREAM, false, 3, invoke_whole, invoke_piece,
	  write_error },
	{ .method = NULL },
};

bool bedrock_has(const struct endpoint *ep)
{
	for (const struct endpoint *row = bedrock_endpoints; row->method; row++)
		if (row == ep)
			return true;
	return false;
}

bool bedrock_streams(const struct endpoint *ep)
{
	return strstr(ep->path, "stream") != NULL;
}
