/* SPDX-License-Identifier: MIT
 * gemini.c - generateContent and its stream, embeddings and counting as the Gemini API has them:
 * the model and the verb stand in the path, each event of a stream is a whole answer, and the
 * last one has the reason and the usage. */
#include "tests/mock/answer.h"
#include "tests/mock/vector.h"

static void write_usage(struct buf *out, const struct answer *a)
{
	uint64_t thought = a->script.think > 0 ? (uint64_t)a->script.think : 0;
	thought = thought < a->out_tokens ? thought : a->out_tokens;
	BUF_PUT_LIT(out, ",\"usageMetadata\":{\"promptTokenCount\":");
	buf_put_u64(out, a->prompt_tokens);
	BUF_PUT_LIT(out, ",\"candidatesTokenCount\":");
	buf_put_u64(out, a->out_tokens - thought);
	if (thought) {
		BUF_PUT_LIT(out, ",\"thoughtsTokenCount\":");
		buf_put_u64(out, thought);
	}
	if (a->script.cached >= 0) {
		BUF_PUT_LIT(out, ",\"cachedContentTokenCount\":");
		buf_put_u64(out, (uint64_t)a->script.cached);
	}
	BUF_PUT_LIT(out, ",\"totalTokenCount\":");
	buf_put_u64(out, a->prompt_tokens + a->out_tokens);
	BUF_PUT_LIT(out, "}");
}

static void open_answer(struct buf *out, const struct answer *a)
{
	BUF_PUT_LIT(out, "{\"candidates\":[");
	if (!a->script.emptychoices)
		BUF_PUT_LIT(out, "{\"content\":{\"parts\":[");
}

static void close_answer(struct buf *out, const struct answer *a, bool is_last)
{
	if (!a->script.emptychoices)
		BUF_PUT_LIT(out, "],\"role\":\"model\"}");
	if (!a->script.emptychoices && is_last) {
		BUF_PUT_LIT(out, ",\"finishReason\":\"");
		buf_put_z(out, a->script.refuse ? "SAFETY" : a->script.length ? "MAX_TOKENS" : "STOP");
		BUF_PUT_LIT(out, "\"");
	}
	if (!a->script.emptychoices && is_last && a->script.searches >= 0) {
		BUF_PUT_LIT(out, ",\"groundingMetadata\":{\"webSearchQueries\":[");
		for (int64_t i = 0; i < a->script.searches; i++)
			buf_put_z(out, i ? ",\"q\"" : "\"q\"");
		BUF_PUT_LIT(out, "]}");
	}
	buf_put_z(out, a->script.emptychoices ? "]" : ",\"index\":0}]");
	if (is_last && !a->script.nousage)
		write_usage(out, a);
	BUF_PUT_LIT(out, ",\"modelVersion\":");
	say_model(out, a);
	BUF_PUT_LIT(out, ",\"responseId\":\"mock-");
	buf_put_u64(out, a->seq);
	BUF_PUT_LIT(out, "\"}");
}

static void open_text(struct buf *out)
{
	BUF_PUT_LIT(out, "{\"text\":\"");
}

static void close_text(struct buf *out, bool is_thought)
{
	buf_put_z(out, is_thought ? "\",\"thought\":true}" : "\"}");
}

/* Only the first of several calls is signed. */
static void write_call(struct buf *out, const struct answer *a, uint64_t i)
{
	BUF_PUT_LIT(out, "{\"functionCall\":{\"name\":\"");
	say_tool_name(out, a);
	BUF_PUT_LIT(out, "\",\"args\":{\"city\":\"");
	say_city(out, i);
	BUF_PUT_LIT(out, "\"}}");
	buf_put_z(out, i == 0 ? ",\"thoughtSignature\":\"bW9jaw==\"}" : "}");
}

static void write_parts(struct buf *out, struct answer *a)
{
	if (a->script.think > 0) {
		open_text(out);
		say_all_thoughts(out, a);
		close_text(out, true);
		BUF_PUT_LIT(out, ",");
	}
	for (uint64_t i = 0; a->script.tools > 0 && i < (uint64_t)a->script.tools; i++) {
		buf_put_z(out, i ? "," : "");
		write_call(out, a, i);
	}
	if (a->script.tools > 0)
		return;
	open_text(out);
	say_all(out, a);
	close_text(out, false);
}

static void generate_whole(struct buf *out, struct answer *a)
{
	open_answer(out, a);
	if (!a->script.emptychoices)
		write_parts(out, a);
	close_answer(out, a, true);
}

static void write_part(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	if (piece == PIECE_TOOL) {
		write_call(out, a, i);
		return;
	}
	open_text(out);
	if (piece == PIECE_THINK)
		say_thought(out, i);
	else if (piece == PIECE_TOKEN)
		say_token(out, a, i);
	close_text(out, piece == PIECE_THINK);
}

static void generate_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	BUF_PUT_LIT(out, "data: ");
	open_answer(out, a);
	if (!a->script.emptychoices)
		write_part(out, a, piece, i);
	close_answer(out, a, piece == PIECE_FINISH);
	BUF_PUT_LIT(out, "\r\n\r\n");
}

static void write_values(struct buf *out, const struct answer *a, size_t i)
{
	BUF_PUT_LIT(out, "{\"values\":");
	vector_write_text(out, i, a->ask->dimensions ? a->ask->dimensions : 8);
	BUF_PUT_LIT(out, "}");
}

static void embed_whole(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"embedding\":");
	write_values(out, a, 0);
	BUF_PUT_LIT(out, "}");
}

static void batch_whole(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"embeddings\":[");
	for (size_t i = 0; i < a->ask->inputs; i++) {
		buf_put_z(out, i ? "," : "");
		write_values(out, a, i);
	}
	BUF_PUT_LIT(out, "]}");
}

/* Vertex AI's embeddings. */
static void predict_whole(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"predictions\":[");
	for (size_t i = 0; i < a->ask->inputs; i++) {
		buf_put_z(out, i ? "," : "");
		BUF_PUT_LIT(out, "{\"embeddings\":{\"values\":");
		vector_write_text(out, i, a->ask->dimensions ? a->ask->dimensions : 8);
		BUF_PUT_LIT(out, ",\"statistics\":{\"token_count\":3,\"truncated\":false}}}");
	}
	BUF_PUT_LIT(out, "]}");
}

static void count_whole(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"totalTokens\":");
	buf_put_u64(out, a->prompt_tokens);
	BUF_PUT_LIT(out, "}");
}

static const char *status_name(unsigned status)
{
	static const struct {
		unsigned status;
		const char *name;
	} names[] = {
		{ 400, "INVALID_ARGUMENT" },   { 401, "UNAUTHENTICATED" }, { 403, "PERMISSION_DENIED" },
		{ 404, "NOT_FOUND" },	       { 409, "ABORTED" },	   { 429, "RESOURCE_EXHAUSTED" },
		{ 499, "CANCELLED" },	       { 503, "UNAVAILABLE" },	   { 504, "DEADLINE_EXCEEDED" },
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].status == status)
			return names[i].name;
	return "INTERNAL";
}

static void write_error(struct buf *out, const struct answer *a, struct span message)
{
	BUF_PUT_LIT(out, "{\"error\":{\"code\":");
	buf_put_u64(out, a->status);
	BUF_PUT_LIT(out, ",\"message\":");
	buf_put_json(out, message);
	BUF_PUT_LIT(out, ",\"status\":");
	if (a->script.code.p)
		buf_put_json(out, a->script.code);
	else
		buf_put_json(out, (struct span){ status_name(a->status), strlen(status_name(a->status)) });
	if (a->script.retry >= 0) {
		BUF_PUT_LIT(out, ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
				 "\"retryDelay\":\"");
		buf_put_u64(out, (uint64_t)a->script.retry);
		BUF_PUT_LIT(out, "s\"}]");
	}
	BUF_PUT_LIT(out, "}}");
}

#define SSE "text/event-stream"
const struct endpoint gemini_endpoints[] = {
	{ "POST", ":generateContent", SSE, false, 1, generate_whole, generate_piece, write_error },
	{ "POST", ":streamGenerateContent", SSE, false, 1, generate_whole, generate_piece, write_error },
	{ "POST", ":embedContent", NULL, false, 0, embed_whole, NULL, write_error },
	{ "POST", ":batchEmbedContents", NULL, false, 0, batch_whole, NULL, write_error },
	{ "POST", ":predict", NULL, false, 0, predict_whole, NULL, write_error },
	{ "POST", ":countTokens", NULL, false, 0, count_whole, NULL, write_error },
	{ .method = NULL },
};

bool gemini_has(const struct endpoint *ep)
{
	for (const struct endpoint *row = gemini_endpoints; row->method; row++)
		if (row == ep)
			return true;
	return false;
}

bool gemini_streams(const struct endpoint *ep)
{
	return ep->path[1] == 's';
}
