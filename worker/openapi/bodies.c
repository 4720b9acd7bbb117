/* SPDX-License-Identifier: MIT
 * bodies.c - what the calls to models take: the members that people look for. Others are taken
 * too, and travel on to providers that know them. */
#include "worker/openapi/openapi.h"

#include "worker/client/dialect.h"
#include "worker/raw.h"

#define MODEL { "model", FIELD_STRING, true, "a model's name, as GET /v1/models lists it" }
#define STREAM { "stream", FIELD_FLAG, false, "answer piece by piece" }
#define SAMPLING                                                                                  \
	{ "temperature", FIELD_NUMBER, false, "how freely it chooses" },                          \
	{ "top_p", FIELD_NUMBER, false, "choose among the likeliest that make up this much" }
/* What LiteLLM's clients may add to any request. */
#define OURS                                                                                      \
	{ "metadata", FIELD_OBJECT, false, "tags and what else is to be kept with the spend" },   \
	{ "fallbacks", FIELD_LIST, false, "models to ask when this one fails" },                  \
	{ "num_retries", FIELD_INTEGER, false, "how often a failed try is made again" },          \
	{ "timeout", FIELD_NUMBER, false, "seconds that the answer may take" },                   \
	{ "drop_params", FIELD_FLAG, false, "leave out what the model does not take" }

static const struct field chat[] = {
	MODEL,
	{ "messages", FIELD_LIST, true, "the conversation: {role, content}" },
	STREAM,
	{ "stream_options", FIELD_OBJECT, false, "{include_usage}" },
	{ "max_tokens", FIELD_INTEGER, false, "length of the answer at most" },
	{ "max_completion_tokens", FIELD_INTEGER, false, "the same, thinking included" },
	SAMPLING,
	{ "n", FIELD_INTEGER, false, "how many answers" },
	{ "stop", FIELD_ANY, false, "a text, or a list of them, at which it ends" },
	{ "seed", FIELD_INTEGER, false, "for answers that repeat" },
	{ "tools", FIELD_LIST, false, "functions that it may call" },
	{ "tool_choice", FIELD_ANY, false, "auto, none, required, or one of them" },
	{ "parallel_tool_calls", FIELD_FLAG, false, "several calls at a time" },
	{ "response_format", FIELD_OBJECT, false, "JSON, or JSON of a schema" },
	{ "reasoning_effort", FIELD_STRING, false, "low, medium, high ..." },
	{ "user", FIELD_STRING, false, "who is behind the request" },
	OURS, { 0 },
};
static const struct field text[] = {
	MODEL,
	{ "prompt", FIELD_ANY, true, "a text, or a list of them" },
	STREAM,
	{ "suffix", FIELD_STRING, false, "what comes behind the answer" },
	{ "max_tokens", FIELD_INTEGER, false, "length of the answer at most" },
	SAMPLING, OURS, { 0 },
};
static const struct field embed[] = {
	MODEL,
	{ "input", FIELD_ANY, true, "a text, or a list of them" },
	{ "encoding_format", FIELD_STRING, false, "float or base64" },
	{ "dimensions", FIELD_INTEGER, false, "length of a vector" },
	OURS, { 0 },
};
static const struct field rerank[] = {
	MODEL,
	{ "query", FIELD_STRING, true, "what is looked for" },
	{ "documents", FIELD_LIST, true, "where" },
	{ "top_n", FIELD_INTEGER, false, "how many come back" },
	{ "return_documents", FIELD_FLAG, false, "with their texts" },
	{ 0 },
};
static const struct field messages[] = {
	MODEL,
	{ "max_tokens", FIELD_INTEGER, true, "length of the answer at most" },
	{ "messages", FIELD_LIST, true, "the conversation: {role, content}" },
	{ "system", FIELD_ANY, false, "what it is told beforehand" },
	STREAM,
	SAMPLING,
	{ "top_k", FIELD_INTEGER, false, "choose among so many" },
	{ "stop_sequences", FIELD_LIST, false, "texts at which it ends" },
	{ "tools", FIELD_LIST, false, "functions that it may call" },
	{ "tool_choice", FIELD_OBJECT, false, "which of them" },
	{ "thinking", FIELD_OBJECT, false, "{type, budget_tokens}" },
	{ 0 },
};
static const struct field responses[] = {
	MODEL,
	{ "input", FIELD_ANY, false, "a text, or a list of items" },
	{ "instructions", FIELD_STRING, false, "what it is told beforehand" },
	STREAM,
	{ "max_output_tokens", FIELD_INTEGER, false, "length of the answer at most" },
	{ "previous_response_id", FIELD_STRING, false, "the conversation that goes on" },
	{ "store", FIELD_FLAG, false, "keep it" },
	{ "tools", FIELD_LIST, false, "functions that it may call" },
	{ "tool_choice", FIELD_ANY, false, "which of them" },
	{ "text", FIELD_OBJECT, false, "{format, verbosity}" },
	{ "reasoning", FIELD_OBJECT, false, "{effort, summary}" },
	SAMPLING,
	{ "metadata", FIELD_OBJECT, false, "kept with the response" },
	{ 0 },
};
static const struct field gemini[] = {
	{ "contents", FIELD_LIST, true, "the conversation: {role, parts}" },
	{ "systemInstruction", FIELD_OBJECT, false, "what it is told beforehand" },
	{ "generationConfig", FIELD_OBJECT, false, "temperature, maxOutputTokens, ..." },
	{ "tools", FIELD_LIST, false, "functions that it may call" },
	{ "toolConfig", FIELD_OBJECT, false, "which of them" },
	{ 0 },
};
static const struct field gemini_embed[] = {
	{ "content", FIELD_OBJECT, true, "{parts}" },
	{ "taskType", FIELD_STRING, false, "what the vector is for" },
	{ "outputDimensionality", FIELD_INTEGER, false, "length of a vector" },
	{ 0 },
};
static const struct field gemini_batch[] = {
	{ "requests", FIELD_LIST, true, "each as of embedContent" }, { 0 },
};
static const struct field ollama_chat[] = {
	MODEL,
	{ "messages", FIELD_LIST, true, "the conversation: {role, content}" },
	{ "stream", FIELD_FLAG, false, "answer piece by piece; true when missing" },
	{ "tools", FIELD_LIST, false, "functions that it may call" },
	{ "format", FIELD_ANY, false, "json, or a schema" },
	{ "options", FIELD_OBJECT, false, "temperature, num_predict, ..." },
	{ "think", FIELD_ANY, false, "true, false or an effort" },
	{ 0 },
};
static const struct field ollama_generate[] = {
	MODEL,
	{ "prompt", FIELD_STRING, false, "the question" },
	{ "system", FIELD_STRING, false, "what it is told beforehand" },
	{ "stream", FIELD_FLAG, false, "answer piece by piece; true when missing" },
	{ "options", FIELD_OBJECT, false, "temperature, num_predict, ..." },
	{ 0 },
};
static const struct field ollama_embed[] = {
	MODEL,
	{ "input", FIELD_ANY, true, "a text, or a list of them" },
	{ 0 },
};
static const struct field ollama_embeddings[] = {
	MODEL,
	{ "prompt", FIELD_STRING, true, "the text" },
	{ 0 },
};
static const struct field cohere_chat[] = {
	MODEL,
	{ "messages", FIELD_LIST, true, "the conversation: {role, content}" },
	{ "stream", FIELD_FLAG, false, "answer piece by piece" },
	{ "max_tokens", FIELD_INTEGER, false, "length of the answer at most" },
	{ "temperature", FIELD_NUMBER, false, "how much it varies" },
	{ "p", FIELD_NUMBER, false, "choose among the likeliest that make up so much" },
	{ "k", FIELD_INTEGER, false, "choose among so many" },
	{ "stop_sequences", FIELD_LIST, false, "texts at which it ends" },
	{ "seed", FIELD_INTEGER, false, "for answers that repeat" },
	{ "tools", FIELD_LIST, false, "functions that it may call" },
	{ "tool_choice", FIELD_STRING, false, "REQUIRED or NONE" },
	{ "documents", FIELD_LIST, false, "texts that it may lean on" },
	{ "response_format", FIELD_OBJECT, false, "JSON, or JSON of a schema" },
	{ "thinking", FIELD_OBJECT, false, "{type, token_budget}" },
	{ 0 },
};
static const struct field cohere_embed[] = {
	MODEL,
	{ "texts", FIELD_LIST, false, "texts" },
	{ "images", FIELD_LIST, false, "or images, as data URIs" },
	{ "inputs", FIELD_LIST, false, "or both: {content}" },
	{ "input_type", FIELD_STRING, false, "what the vectors are for" },
	{ "embedding_types", FIELD_LIST, false, "float, base64 ..." },
	{ "output_dimension", FIELD_INTEGER, false, "length of a vector" },
	{ 0 },
};
static const struct field moderations[] = {
	{ "model", FIELD_STRING, false, "a model's name" },
	{ "input", FIELD_ANY, true, "a text, or a list of them" },
	{ 0 },
};
static const struct field images[] = {
	{ "model", FIELD_STRING, false, "a model's name" },
	{ "prompt", FIELD_STRING, true, "what it shows" },
	{ "n", FIELD_INTEGER, false, "how many" },
	{ "size", FIELD_STRING, false, "1024x1024 ..." },
	{ "quality", FIELD_STRING, false, "low, medium, high ..." },
	{ 0 },
};
static const struct field image_edits[] = {
	{ "model", FIELD_STRING, false, "a model's name" },
	{ "image", FIELD_FILE, true, "the image, or several" },
	{ "prompt", FIELD_STRING, false, "what becomes of it" },
	{ "n", FIELD_INTEGER, false, "how many" },
	{ 0 },
};
static const struct field speech[] = {
	MODEL,
	{ "input", FIELD_STRING, true, "what is said" },
	{ "voice", FIELD_STRING, true, "by whom" },
	{ "response_format", FIELD_STRING, false, "mp3, opus, wav ..." },
	{ 0 },
};
static const struct field transcription[] = {
	MODEL,
	{ "file", FIELD_FILE, true, "the sound" },
	{ "language", FIELD_STRING, false, "in which it is" },
	{ "response_format", FIELD_STRING, false, "json, text, srt, vtt ..." },
	{ 0 },
};

#define JSON_TYPE "application/json"
#define FORM_TYPE "multipart/form-data"
#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]"
#define GEMINI_HELLO "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Hello\"}]}]}"

const struct body bodies[] = {
	{ "openai.chat", JSON_TYPE, chat, "{\"model\":\"gpt-4o\"," HELLO "}" },
	{ "openai.text", JSON_TYPE, text, "{\"model\":\"gpt-4o\",\"prompt\":\"Once upon\"}" },
	{ "openai.embed", JSON_TYPE, embed, "{\"model\":\"text-embedding-3-small\",\"input\":\"Hello\"}" },
	{ "rerank", JSON_TYPE, rerank,
	  "{\"model\":\"rerank-v3.5\",\"query\":\"red\",\"documents\":[\"a rose\",\"a leaf\"]}" },
	{ "anthropic.messages", JSON_TYPE, messages,
	  "{\"model\":\"claude-sonnet-4\",\"max_tokens\":100," HELLO "}" },
	{ "openai.responses", JSON_TYPE, responses, "{\"model\":\"gpt-4o\",\"input\":\"Hello\"}" },
	{ "gemini.chat", JSON_TYPE, gemini, GEMINI_HELLO },
	{ "gemini.array", JSON_TYPE, gemini, GEMINI_HELLO },
	{ "gemini.embed", JSON_TYPE, gemini_embed, "{\"content\":{\"parts\":[{\"text\":\"Hello\"}]}}" },
	{ "gemini.batch", JSON_TYPE, gemini_batch,
	  "{\"requests\":[{\"content\":{\"parts\":[{\"text\":\"Hello\"}]}}]}" },
	{ "ollama.chat", JSON_TYPE, ollama_chat, "{\"model\":\"llama3\"," HELLO "}" },
	{ "ollama.generate", JSON_TYPE, ollama_generate, "{\"model\":\"llama3\",\"prompt\":\"Hello\"}" },
	{ "ollama.embed", JSON_TYPE, ollama_embed, "{\"model\":\"all-minilm\",\"input\":\"Hello\"}" },
	{ "ollama.embeddings", JSON_TYPE, ollama_embeddings,
	  "{\"model\":\"all-minilm\",\"prompt\":\"Hello\"}" },
	{ "cohere.chat", JSON_TYPE, cohere_chat, "{\"model\":\"command-a\"," HELLO "}" },
	{ "cohere.embed", JSON_TYPE, cohere_embed,
	  "{\"model\":\"embed-v4.0\",\"input_type\":\"search_query\",\"texts\":[\"Hello\"]}" },
	{ "moderations", JSON_TYPE, moderations, NULL },
	{ "images", JSON_TYPE, images, NULL },
	{ "image edits", FORM_TYPE, image_edits, NULL },
	{ "image variations", FORM_TYPE, image_edits, NULL },
	{ "speech", JSON_TYPE, speech, NULL },
	{ "transcriptions", FORM_TYPE, transcription, NULL },
	{ "translations", FORM_TYPE, transcription, NULL },
};
const size_t bodies_count = COUNT(bodies);

const struct body *body_of(const struct endpoint *e)
{
	const char *name = e->raw ? e->raw->name : e->dialect ? e->dialect->name : NULL;
	for (size_t i = 0; name && i < bodies_count; i++)
		if (str_eq(str_z(bodies[i].name), str_z(name)))
			return &bodies[i];
	return NULL;
}
