/* SPDX-License-Identifier: MIT
 * ollama.c - chat, generate, embed and the listings as a local Ollama has them: streams are a
 * JSON object a line, and the last one, "done": true, has the usage. */
#include "tests/mock/answer.h"
#include "tests/mock/vector.h"

#define WHEN "2023-11-14T22:13:20Z"

static void write_start(struct buf *out, const struct answer *a)
{
	BUF_PUT_LIT(out, "{\"model\":");
	say_model(out, a);
	BUF_PUT_LIT(out, ",\"created_at\":\"" WHEN "\"");
}

static void write_done(struct buf *out, const struct answer *a)
{
	BUF_PUT_LIT(out, ",\"done\":true,\"done_reason\":\"");
	buf_put_z(out, a->script.refuse ? "content_filter" : a->script.length ? "length" : "stop");
	BUF_PUT_LIT(out, "\",\"total_duration\":3000000,\"load_duration\":1000000");
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"prompt_eval_count\":");
		buf_put_u64(out, a->prompt_tokens);
		BUF_PUT_LIT(out, ",\"prompt_eval_duration\":1000000,\"eval_count\":");
		buf_put_u64(out, a->out_tokens);
		BUF_PUT_LIT(out, ",\"eval_duration\":1000000");
	}
	BUF_PUT_LIT(out, "}");
}

static void write_tool_calls(struct buf *out, const struct answer *a, uint64_t from, uint64_t to)
{
	BUF_PUT_LIT(out, ",\"tool_calls\":[");
	for (uint64_t i = from; i < to; i++) {
		buf_put_z(out, i > from ? "," : "");
		BUF_PUT_LIT(out, "{\"function\":{\"name\":\"");
		say_tool_name(out, a);
		BUF_PUT_LIT(out, "\",\"arguments\":{\"city\":\"");
		say_city(out, i);
		BUF_PUT_LIT(out, "\"}}}");
	}
	BUF_PUT_LIT(out, "]");
}

/* `,"message":{...}` or `,"response":"..."`: the two endpoints differ in nothing else. */
static void open_content(struct buf *out, bool chat)
{
	if (chat)
		BUF_PUT_LIT(out, ",\"message\":{\"role\":\"assistant\",\"content\":\"");
	else
		BUF_PUT_LIT(out, ",\"response\":\"");
}

static void write_whole(struct buf *out, struct answer *a, bool chat)
{
	write_start(out, a);
	open_content(out, chat);
	if (a->script.tools <= 0)
		say_all(out, a);
	BUF_PUT_LIT(out, "\"");
	if (a->script.think > 0) {
		BUF_PUT_LIT(out, ",\"thinking\":\"");
		say_all_thoughts(out, a);
		BUF_PUT_LIT(out, "\"");
	}
	if (chat && a->script.tools > 0)
		write_tool_calls(out, a, 0, (uint64_t)a->script.tools);
	if (chat)
		BUF_PUT_LIT(out, "}");
	write_done(out, a);
}

static void write_piece(struct buf *out, struct answer *a, bool chat, enum piece piece, uint64_t i)
{
	write_start(out, a);
	open_content(out, chat);
	if (piece == PIECE_TOKEN)
		say_token(out, a, i);
	BUF_PUT_LIT(out, "\"");
	if (piece == PIECE_THINK) {
		BUF_PUT_LIT(out, ",\"thinking\":\"");
		say_thought(out, i);
		BUF_PUT_LIT(out, "\"");
	}
	if (piece == PIECE_TOOL)
		write_tool_calls(out, a, i, i + 1);
	if (chat)
		BUF_PUT_LIT(out, "}");
	if (piece == PIECE_FINISH)
		write_done(out, a);
	else
		BUF_PUT_LIT(out, ",\"done\":false}");
	BUF_PUT_LIT(out, "\n");
}

static void chat_whole(struct buf *out, struct answer *a)
{
	write_whole(out, a, true);
}

static void chat_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	write_piece(out, a, true, piece, i);
}

static void generate_whole(struct buf *out, struct answer *a)
{
	write_whole(out, a, false);
}

static void generate_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	write_piece(out, a, false, piece, i);
}

static void embed_whole(struct buf *out, struct answer *a)
{
	size_t dimensions = a->ask->dimensions ? a->ask->dimensions : 8;
	BUF_PUT_LIT(out, "{\"model\":");
	say_model(out, a);
	BUF_PUT_LIT(out, ",\"embeddings\":[");
	for (size_t i = 0; i < a->ask->inputs; i++) {
		buf_put_z(out, i ? "," : "");
		vector_write_text(out, i, dimensions);
	}
	BUF_PUT_LIT(out, "],\"total_duration\":3000000,\"load_duration\":1000000");
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"prompt_eval_count\":");
		buf_put_u64(out, a->prompt_tokens);
	}
	BUF_PUT_LIT(out, "}");
}

#define DETAILS "{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"llama\"," \
		"\"families\":[\"llama\"],\"parameter_size\":\"8B\"," \
		"\"quantization_level\":\"Q4_0\"}"
#define TAG(name) "{\"name\":\"" name "\",\"model\":\"" name "\",\"modified_at\":\"" WHEN "\"," \
		  "\"size\":4661224676,\"digest\":\"365c0bd3c000a25d28ddbf732fe1c6ad" \
		  "e414de7275464c4e4d1c3b5fcb5d8ad1\",\"details\":" DETAILS "}"

static void tags_whole(struct buf *out, struct answer *a)
{
	(void)a;
	BUF_PUT_LIT(out, "{\"models\":[" TAG("mock:latest") "," TAG("bench:latest") "]}");
}

static void version_whole(struct buf *out, struct answer *a)
{
	(void)a;
	BUF_PUT_LIT(out, "{\"version\":\"0.5.7\"}");
}

static void show_whole(struct buf *out, struct answer *a)
{
	(void)a;
	BUF_PUT_LIT(out, "{\"license\":\"\",\"modelfile\":\"FROM mock\",\"parameters\":\"\","
			 "\"template\":\"{{ .Prompt }}\",\"details\":" DETAILS ",\"model_info\":{"
			 "\"general.architecture\":\"llama\",\"llama.context_length\":8192,"
			 "\"llama.embedding_length\":4096},\"modified_at\":\"" WHEN "\","
			 "\"capabilities\":[\"completion\",\"tools\"]}");
}

static void write_error(struct buf *out, const struct answer *a, struct span message)
{
	(void)a;
	BUF_PUT_LIT(out, "{\"error\":");
	buf_put_json(out, message);
	BUF_PUT_LIT(out, "}");
}

#define NDJSON "application/x-ndjson"
const struct endpoint ollama_endpoints[] = {
	{ "POST", "/api/chat", NDJSON, true, 1, chat_whole, chat_piece, write_error },
	{ "POST", "/api/generate", NDJSON, true, 0, generate_whole, generate_piece, write_error },
	{ "POST", "/api/embed", NULL, false, 0, embed_whole, NULL, write_error },
	{ "POST", "/api/show", NULL, false, 0, show_whole, NULL, write_error },
	{ "GET", "/api/tags", NULL, false, 0, tags_whole, NULL, write_error },
	{ "GET", "/api/version", NULL, false, 0, version_whole, NULL, write_error },
	{ .method = NULL },
};
