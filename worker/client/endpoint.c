/* SPDX-License-Identifier: MIT
 * endpoint.c - THE table of paths, and the exact matching over it. */
#include "worker/client/endpoint.h"

#include "worker/admin/admin.h"
#include "worker/admin/relay.h"
#include "worker/client/count.h"
#include "worker/client/dialect.h"
#include "worker/exchange/dry_run.h"
#include "worker/client/recall.h"

#define CHAT (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), &dialect_openai_chat, NULL
#define TEXT (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), &dialect_openai_text, NULL
#define EMBED (EP_KEY | EP_LLM | EP_BODY), &dialect_openai_embed, NULL
#define RERANK (EP_KEY | EP_LLM | EP_BODY), &dialect_rerank, NULL
#define MESSAGES (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), &dialect_anthropic_messages, NULL
#define GEMINI(dialect) (EP_KEY | EP_LLM | EP_BODY), dialect, NULL
#define GEMINI_STREAM (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), &dialect_gemini_array, NULL
#define COUNT_OF(dialect, run) (EP_KEY | EP_BODY), dialect, run
#define OLLAMA(dialect) (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), dialect, NULL
#define OLLAMA_OWN(flags, run) (EP_KEY | (flags)), &dialect_ollama_chat, run
#define OWN(flags, run) (flags), NULL, run
#define RESPONSES (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), &dialect_responses, NULL
#define RELAY_ADMIN (EP_KEY | EP_ADMIN | EP_RELAY | EP_BODY), NULL, relay_call
#define RELAY_KEY (EP_KEY | EP_RELAY | EP_BODY), NULL, relay_call

const struct endpoint endpoints[] = {
	{ "POST", "/v1/chat/completions", CHAT, "chat completions" },
	{ "POST", "/chat/completions", CHAT, "chat completions" },
	{ "POST", "/engines/{model}/chat/completions", CHAT, "chat completions, model in the path" },
	{ "POST", "/openai/deployments/{model}/chat/completions", CHAT, "chat completions, Azure's path" },
	{ "POST", "/v1/completions", TEXT, "text completions" },
	{ "POST", "/completions", TEXT, "text completions" },
	{ "POST", "/engines/{model}/completions", TEXT, "text completions, model in the path" },
	{ "POST", "/openai/deployments/{model}/completions", TEXT, "text completions, Azure's path" },
	{ "POST", "/v1/embeddings", EMBED, "embeddings" },
	{ "POST", "/embeddings", EMBED, "embeddings" },
	{ "POST", "/engines/{model}/embeddings", EMBED, "embeddings, model in the path" },
	{ "POST", "/openai/deployments/{model}/embeddings", EMBED, "embeddings, Azure's path" },
	{ "POST", "/v1/rerank", RERANK, "documents by how well they answer" },
	{ "POST", "/v2/rerank", RERANK, "documents by how well they answer" },
	{ "POST", "/rerank", RERANK, "documents by how well they answer" },
	{ "POST", "/v1/messages", MESSAGES, "Anthropic's messages" },
	{ "POST", "/anthropic/v1/messages", MESSAGES, "Anthropic's messages" },
	{ "POST", "/v1/messages/count_tokens", COUNT_OF(&dialect_anthropic_messages, count_anthropic), "tokens of a message" },
	{ "POST", "/anthropic/v1/messages/count_tokens", COUNT_OF(&dialect_anthropic_messages, count_anthropic), "tokens of a message" },
	{ "POST", "/v1beta/models/{model}:generateContent", GEMINI(&dialect_gemini_chat), "Gemini's content" },
	{ "POST", "/v1beta/models/{model}:streamGenerateContent", GEMINI_STREAM, "Gemini's content as a stream" },
	{ "POST", "/v1beta/models/{model}:embedContent", GEMINI(&dialect_gemini_embed), "Gemini's embedding" },
	{ "POST", "/v1beta/models/{model}:batchEmbedContents", GEMINI(&dialect_gemini_batch), "Gemini's embeddings" },
	{ "POST", "/v1beta/models/{model}:countTokens", COUNT_OF(&dialect_gemini_chat, count_gemini), "tokens of a content" },
	{ "POST", "/v1/models/{model}:generateContent", GEMINI(&dialect_gemini_chat), "Gemini's content" },
	{ "POST", "/v1/models/{model}:streamGenerateContent", GEMINI_STREAM, "Gemini's content as a stream" },
	{ "POST", "/v1/models/{model}:embedContent", GEMINI(&dialect_gemini_embed), "Gemini's embedding" },
	{ "POST", "/v1/models/{model}:batchEmbedContents", GEMINI(&dialect_gemini_batch), "Gemini's embeddings" },
	{ "POST", "/v1/models/{model}:countTokens", COUNT_OF(&dialect_gemini_chat, count_gemini), "tokens of a content" },
	{ "POST", "/models/{model}:generateContent", GEMINI(&dialect_gemini_chat), "Gemini's content" },
	{ "POST", "/models/{model}:streamGenerateContent", GEMINI_STREAM, "Gemini's content as a stream" },
	{ "POST", "/models/{model}:countTokens", COUNT_OF(&dialect_gemini_chat, count_gemini), "tokens of a content" },
	{ "POST", "/v1/responses", RESPONSES, "OpenAI's responses" },
	{ "GET", "/v1/responses/{id}", OWN(EP_KEY, recall_get), "a response that is kept" },
	{ "DELETE", "/v1/responses/{id}", OWN(EP_KEY | EP_BODY, recall_delete), "forget it" },
	{ "GET", "/v1/responses/{id}/input_items", OWN(EP_KEY, recall_input_items), "what went in, page by page" },
	{ "POST", "/v1/responses/{id}/cancel", OWN(EP_KEY | EP_BODY, recall_cancel), "400: no response runs in the background" },
	{ "POST", "/v1/responses/input_tokens", COUNT_OF(&dialect_responses, recall_count), "tokens of a response's input" },
	{ "POST", "/responses", RESPONSES, "OpenAI's responses" },
	{ "GET", "/responses/{id}", OWN(EP_KEY, recall_get), "a response that is kept" },
	{ "DELETE", "/responses/{id}", OWN(EP_KEY | EP_BODY, recall_delete), "forget it" },
	{ "GET", "/responses/{id}/input_items", OWN(EP_KEY, recall_input_items), "what went in, page by page" },
	{ "POST", "/responses/{id}/cancel", OWN(EP_KEY | EP_BODY, recall_cancel), "400: no response runs in the background" },
	{ "POST", "/responses/input_tokens", COUNT_OF(&dialect_responses, recall_count), "tokens of a response's input" },
	{ "POST", "/openai/v1/responses", RESPONSES, "OpenAI's responses" },
	{ "GET", "/openai/v1/responses/{id}", OWN(EP_KEY, recall_get), "a response that is kept" },
	{ "DELETE", "/openai/v1/responses/{id}", OWN(EP_KEY | EP_BODY, recall_delete), "forget it" },
	{ "GET", "/openai/v1/responses/{id}/input_items", OWN(EP_KEY, recall_input_items), "what went in, page by page" },
	{ "POST", "/openai/v1/responses/{id}/cancel", OWN(EP_KEY | EP_BODY, recall_cancel), "400: no response runs in the background" },
	{ "POST", "/openai/v1/responses/input_tokens", COUNT_OF(&dialect_responses, recall_count), "tokens of a response's input" },
	{ "POST", "/openai/responses", RESPONSES, "OpenAI's responses, Azure's path" },
	{ "GET", "/openai/responses/{id}", OWN(EP_KEY, recall_get), "a response that is kept" },
	{ "DELETE", "/openai/responses/{id}", OWN(EP_KEY | EP_BODY, recall_delete), "forget it" },
	{ "GET", "/openai/responses/{id}/input_items", OWN(EP_KEY, recall_input_items), "what went in, page by page" },
	{ "POST", "/openai/responses/{id}/cancel", OWN(EP_KEY | EP_BODY, recall_cancel), "400: no response runs in the background" },
	{ "POST", "/openai/responses/input_tokens", COUNT_OF(&dialect_responses, recall_count), "tokens of a response's input" },
	{ "POST", "/api/chat", OLLAMA(&dialect_ollama_chat), "Ollama's chat" },
	{ "POST", "/api/generate", OLLAMA(&dialect_ollama_generate), "Ollama's answer to one prompt" },
	{ "POST", "/api/embed", OLLAMA(&dialect_ollama_embed), "Ollama's embeddings" },
	{ "POST", "/api/embeddings", OLLAMA(&dialect_ollama_embeddings), "Ollama's embedding of one text" },
	{ "GET", "/api/tags", OLLAMA_OWN(0, admin_ollama_tags), "models that the key may use, as Ollama lists them" },
	{ "GET", "/api/ps", OLLAMA_OWN(0, admin_ollama_ps), "the same as models that are loaded" },
	{ "POST", "/api/show", OLLAMA_OWN(EP_BODY, admin_ollama_show), "one model, as Ollama tells of it" },
	{ "GET", "/api/version", OLLAMA_OWN(0, admin_ollama_version), "the version of Ollama whose API this is" },
	{ "GET", "/v1/models", OWN(EP_KEY, admin_models), "models that the key may use" },
	{ "GET", "/models", OWN(EP_KEY, admin_models), "models that the key may use" },
	{ "GET", "/v1/models/{model}", OWN(EP_KEY, admin_model), "one model" },
	{ "GET", "/models/{model}", OWN(EP_KEY, admin_model), "one model" },
	{ "GET", "/health/liveliness", OWN(0, admin_alive), "200 while the process lives" },
	{ "OPTIONS", "/health/liveliness", OWN(0, admin_alive), "200 while the process lives" },
	{ "GET", "/health/liveness", OWN(0, admin_alive), "200 while the process lives" },
	{ "OPTIONS", "/health/liveness", OWN(0, admin_alive), "200 while the process lives" },
	{ "GET", "/livez", OWN(0, admin_alive), "200 while the process lives" },
	{ "GET", "/health/readiness", OWN(0, admin_ready), "200 while traffic is welcome, else 503" },
	{ "OPTIONS", "/health/readiness", OWN(0, admin_ready), "200 while traffic is welcome, else 503" },
	{ "GET", "/readyz", OWN(0, admin_ready), "200 while traffic is welcome, else 503" },
	{ "GET", "/metrics", OWN(0, admin_metrics), "Prometheus text, all workers summed" },
	{ "GET", "/", OWN(0, admin_root), "what this is" },
	{ "GET", "/health", RELAY_ADMIN, "deployments and their state" },
	{ "POST", "/config/reload", RELAY_ADMIN, "read the configuration again" },
	{ "POST", "/key/generate", RELAY_ADMIN, "make a key" },
	{ "GET", "/key/list", RELAY_ADMIN, "list keys" },
	{ "GET", "/key/info", RELAY_KEY, "one key; the caller's own without ?key=" },
	{ "POST", "/key/update", RELAY_ADMIN, "change a key" },
	{ "POST", "/key/regenerate", RELAY_ADMIN, "give a key a new text" },
	{ "POST", "/key/block", RELAY_ADMIN, "refuse a key" },
	{ "POST", "/key/unblock", RELAY_ADMIN, "accept it again" },
	{ "POST", "/key/delete", RELAY_ADMIN, "delete keys" },
	{ "GET", "/model/info", RELAY_KEY, "deployments as LiteLLM tells them" },
	{ "GET", "/v1/model/info", RELAY_KEY, "deployments as LiteLLM tells them" },
	{ "POST", "/route/explain", RELAY_ADMIN, "where a request would go, and why" },
	{ "GET", "/model_group/info", RELAY_KEY, "model names: limits, prices, providers" },
	{ "POST", "/utils/token_counter", OWN(EP_KEY | EP_BODY, count_utility), "tokens of a prompt, by estimate" },
	{ "POST", "/utils/transform_request", OWN(EP_KEY | EP_BODY, dry_run), "what a provider would get for a request; nobody is asked" },
	{ "GET", "/utils/supported_openai_params", RELAY_KEY, "which of OpenAI's parameters a model takes" },
	{ "GET", "/spend/logs", RELAY_ADMIN, "one row a request" },
	{ "GET", "/spend/keys", RELAY_ADMIN, "keys by what they spent" },
	{ "GET", "/global/spend/report", RELAY_ADMIN, "what was spent, by day, key or model" },
};
const size_t endpoints_count = COUNT(endpoints);

/* Whether path matches a pattern with one {model} or {id}; what it stands for, not empty. */
static bool matches(struct str pattern, struct str path, struct str *ret_model)
{
	size_t at = str_find_char(pattern, '{');
	if (at == SIZE_MAX)
		return str_eq(pattern, path);
	bool wants_id = str_starts(str_skip(pattern, at), STR("{id}"));
	struct str before = str_of(pattern.p, at),
		   behind = str_skip(pattern, at + str_find_char(str_skip(pattern, at), '}') + 1);
	if (path.n <= before.n + behind.n || !str_starts(path, before) || !str_ends(path, behind))
		return false;
	struct str model = str_of(path.p + before.n, path.n - before.n - behind.n);
	if (wants_id && !str_is_id(model))
		return false;
	if (str_find(model, STR("//")) != SIZE_MAX || str_find(model, STR("..")) != SIZE_MAX ||
	    str_find_char(model, '%') != SIZE_MAX || str_find_char(model, '\\') != SIZE_MAX)
		return false;
	*ret_model = model;
	return true;
}

const struct endpoint *endpoint_find(struct str method, struct str path, struct str *ret_model,
				     bool *ret_other_method)
{
	*ret_other_method = false;
	for (size_t i = 0; i < COUNT(endpoints); i++) {
		const struct endpoint *e = &endpoints[i];
		if (!matches(str_z(e->path), path, ret_model))
			continue;
		if (str_eq_z(method, e->method))
			return e;
		*ret_other_method = true;
	}
	return NULL;
}

unsigned endpoint_number(const struct endpoint *e)
{
	return (unsigned)(e - endpoints);
}
