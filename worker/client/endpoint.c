/* SPDX-License-Identifier: MIT
 * endpoint.c - THE table of paths, and the exact matching over it. */
#include "worker/client/endpoint.h"

#include "worker/admin/admin.h"
#include "worker/admin/relay.h"
#include "worker/client/count.h"
#include "worker/client/dialect.h"
#include "worker/exchange/dry_run.h"
#include "worker/client/recall.h"
#include "worker/raw.h"

/* The OpenAPI document is made of the table's words and not of the worker behind them. */
#ifdef ENDPOINTS_WITHOUT_RUN
#define RUN(function) NULL
#else
#define RUN(function) function
#endif

#define CHAT (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), &dialect_openai_chat, NULL, NULL
#define TEXT (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), &dialect_openai_text, NULL, NULL
#define EMBED (EP_KEY | EP_LLM | EP_BODY), &dialect_openai_embed, NULL, NULL
#define RERANK (EP_KEY | EP_LLM | EP_BODY), &dialect_rerank, NULL, NULL
#define COHERE (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), &dialect_cohere_chat, NULL, NULL
#define COHERE_EMBED (EP_KEY | EP_LLM | EP_BODY), &dialect_cohere_embed, NULL, NULL
#define MESSAGES (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), &dialect_anthropic_messages, NULL, NULL
#define GEMINI(dialect) (EP_KEY | EP_LLM | EP_BODY), dialect, NULL, NULL
#define GEMINI_STREAM (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), &dialect_gemini_array, NULL, NULL
#define COUNT_OF(dialect, run) (EP_KEY | EP_BODY), dialect, RUN(run), NULL
#define OLLAMA(dialect) (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), dialect, NULL, NULL
#define OLLAMA_OWN(flags, run) (EP_KEY | (flags)), &dialect_ollama_chat, RUN(run), NULL
#define OWN(flags, run) (flags), NULL, RUN(run), NULL
#define RESPONSES (EP_KEY | EP_STREAM | EP_LLM | EP_BODY), &dialect_responses, NULL, NULL
#define RAW(what) (EP_KEY | EP_LLM | EP_BODY), NULL, NULL, &raw_##what
#define RAW_IN(dialect, what) (EP_KEY | EP_LLM | EP_BODY), dialect, NULL, &raw_##what
#define RELAY_ADMIN (EP_KEY | EP_ADMIN | EP_RELAY | EP_BODY), NULL, RUN(relay_call), NULL
#define RELAY_LARGE (EP_KEY | EP_ADMIN | EP_RELAY | EP_BODY | EP_LARGE), NULL, RUN(relay_call), NULL
#define RELAY_MODELS (EP_KEY | EP_RELAY | EP_BODY), NULL, RUN(relay_models), NULL
#define RELAY_KEY (EP_KEY | EP_RELAY | EP_BODY), NULL, RUN(relay_call), NULL

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
	{ "POST", "/v2/chat", COHERE, "Cohere's chat" },
	{ "POST", "/v2/embed", COHERE_EMBED, "Cohere's embeddings" },
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
	{ "POST", "/v1/moderations", RAW(moderations), "moderation" },
	{ "POST", "/moderations", RAW(moderations), "moderation" },
	{ "POST", "/v1/images/generations", RAW(images), "images made" },
	{ "POST", "/images/generations", RAW(images), "images made" },
	{ "POST", "/openai/deployments/{model}/images/generations", RAW(images), "images made, Azure's path" },
	{ "POST", "/v1/images/edits", RAW(image_edits), "images changed" },
	{ "POST", "/images/edits", RAW(image_edits), "images changed" },
	{ "POST", "/openai/deployments/{model}/images/edits", RAW(image_edits), "images changed, Azure's path" },
	{ "POST", "/v1/images/variations", RAW(image_variations), "images varied" },
	{ "POST", "/images/variations", RAW(image_variations), "images varied" },
	{ "POST", "/v1/audio/speech", RAW(speech), "text spoken" },
	{ "POST", "/audio/speech", RAW(speech), "text spoken" },
	{ "POST", "/openai/deployments/{model}/audio/speech", RAW(speech), "text spoken, Azure's path" },
	{ "POST", "/v1/audio/transcriptions", RAW(transcriptions), "speech written down" },
	{ "POST", "/audio/transcriptions", RAW(transcriptions), "speech written down" },
	{ "POST", "/openai/deployments/{model}/audio/transcriptions", RAW(transcriptions), "speech written down, Azure's path" },
	{ "POST", "/v1/audio/translations", RAW(translations), "speech translated into English" },
	{ "POST", "/audio/translations", RAW(translations), "speech translated into English" },
	{ "POST", "/openai/deployments/{model}/audio/translations", RAW(translations), "speech translated into English, Azure's path" },
	{ "GET", "/v1/realtime", RAW(realtime), "a WebSocket to a realtime model" },
	{ "GET", "/realtime", RAW(realtime), "a WebSocket to a realtime model" },
	{ "GET", "/openai/realtime", RAW(realtime), "a WebSocket to a realtime model" },
	{ "GET", "/openai/v1/realtime", RAW(realtime), "a WebSocket to a realtime model" },
	{ "*", "/v1/files{path}", RAW(resource), "files at a provider" },
	{ "*", "/files{path}", RAW(resource), "files at a provider" },
	{ "*", "/v1/uploads{path}", RAW(resource), "large files, in parts" },
	{ "*", "/uploads{path}", RAW(resource), "large files, in parts" },
	{ "*", "/v1/batches{path}", RAW(resource), "batches of requests" },
	{ "*", "/batches{path}", RAW(resource), "batches of requests" },
	{ "*", "/v1/fine_tuning/jobs{path}", RAW(resource), "fine-tuning" },
	{ "*", "/fine_tuning/jobs{path}", RAW(resource), "fine-tuning" },
	{ "*", "/v1/vector_stores{path}", RAW(resource), "vector stores" },
	{ "*", "/vector_stores{path}", RAW(resource), "vector stores" },
	{ "*", "/v1/assistants{path}", RAW(resource), "assistants" },
	{ "*", "/assistants{path}", RAW(resource), "assistants" },
	{ "*", "/v1/threads{path}", RAW(resource), "threads and runs of assistants" },
	{ "*", "/threads{path}", RAW(resource), "threads and runs of assistants" },
	{ "*", "/v1/containers{path}", RAW(resource), "containers for code" },
	{ "*", "/containers{path}", RAW(resource), "containers for code" },
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
	{ "GET", "/metrics/", OWN(0, admin_metrics), "the same, as LiteLLM's scrapers ask for it" },
	{ "GET", "/", OWN(0, admin_root), "what this is; for a browser the page of /docs" },
	{ "GET", "/docs", OWN(0, admin_docs), "all paths, on a page" },
	{ "GET", "/openapi.json", OWN(0, admin_openapi), "all paths, as an OpenAPI document" },
	{ "GET", "/routes", OWN(0, admin_routes), "all paths, as LiteLLM lists them" },
	{ "GET", "/test", OWN(0, admin_test), "200 while the process lives" },
	{ "GET", "/health", RELAY_ADMIN, "deployments and their state" },
	{ "GET", "/health/history", RELAY_ADMIN, "what probes found, the newest first" },
	{ "GET", "/health/latest", RELAY_ADMIN, "the last probe of each deployment" },
	{ "GET", "/health/backlog", RELAY_ADMIN, "how many requests run" },
	{ "GET", "/health/license", RELAY_ADMIN, "that there is no license" },
	{ "GET", "/health/shared-status", RELAY_ADMIN, "that probes are not shared" },
	{ "GET", "/active/callbacks", RELAY_ADMIN, "callbacks and receivers of alerts in force" },
	{ "GET", "/settings", RELAY_ADMIN, "the same" },
	{ "GET", "/callbacks/list", RELAY_ADMIN, "callbacks by what they are told of" },
	{ "GET", "/callbacks/configs", RELAY_ADMIN, "callbacks that there are" },
	{ "GET", "/health/services", RELAY_ADMIN, "a test message to a receiver of alerts" },
	{ "POST", "/config/reload", RELAY_ADMIN, "read the configuration again" },
	{ "POST", "/key/generate", RELAY_ADMIN, "make a key" },
	{ "GET", "/key/list", RELAY_ADMIN, "list keys" },
	{ "GET", "/key/info", RELAY_KEY, "one key; the caller's own without ?key=" },
	{ "POST", "/key/update", RELAY_ADMIN, "change a key" },
	{ "POST", "/key/regenerate", RELAY_ADMIN, "give a key a new text" },
	{ "POST", "/key/{id}/regenerate", RELAY_ADMIN, "the same, the key in the path" },
	{ "POST", "/key/{id}/reset_spend", RELAY_ADMIN, "set what a key has spent" },
	{ "POST", "/key/service-account/generate", RELAY_ADMIN, "make a key that is a team's and no user's" },
	{ "POST", "/key/bulk_update", RELAY_ADMIN, "change many keys" },
	{ "POST", "/v2/key/info", RELAY_ADMIN, "several keys" },
	{ "GET", "/key/aliases", RELAY_ADMIN, "names of keys" },
	{ "POST", "/key/health", RELAY_KEY, "whether the calling key works" },
	{ "POST", "/key/block", RELAY_ADMIN, "refuse a key" },
	{ "POST", "/key/unblock", RELAY_ADMIN, "accept it again" },
	{ "POST", "/key/delete", RELAY_ADMIN, "delete keys" },
	{ "POST", "/team/new", RELAY_ADMIN, "make a team" },
	{ "GET", "/team/list", RELAY_ADMIN, "list teams" },
	{ "GET", "/v2/team/list", RELAY_ADMIN, "the same in pages, sorted" },
	{ "GET", "/team/info", RELAY_ADMIN, "one team, its keys and members" },
	{ "POST", "/team/update", RELAY_ADMIN, "change a team" },
	{ "POST", "/team/block", RELAY_ADMIN, "refuse all its keys" },
	{ "POST", "/team/unblock", RELAY_ADMIN, "accept them again" },
	{ "POST", "/team/delete", RELAY_ADMIN, "delete teams and their keys" },
	{ "POST", "/team/{id}/callback", RELAY_ADMIN, "give it a callback of its own" },
	{ "GET", "/team/{id}/callback", RELAY_ADMIN, "its callbacks" },
	{ "POST", "/team/{id}/disable_logging", RELAY_ADMIN, "take them away" },
	{ "POST", "/team/member_add", RELAY_ADMIN, "take users into a team" },
	{ "POST", "/team/member_update", RELAY_ADMIN, "change a member's role or limits" },
	{ "POST", "/team/member_delete", RELAY_ADMIN, "take a user out of it" },
	{ "POST", "/team/bulk_member_add", RELAY_ADMIN, "take many users into a team" },
	{ "POST", "/team/model/add", RELAY_ADMIN, "put names into its list of models" },
	{ "POST", "/team/model/delete", RELAY_ADMIN, "take names out of that list" },
	{ "GET", "/team/available", RELAY_ADMIN, "teams that users may join by themselves" },
	{ "GET", "/team/permissions_list", RELAY_ADMIN, "what its members may do with their keys" },
	{ "POST", "/team/permissions_update", RELAY_ADMIN, "say what they may" },
	{ "POST", "/user/new", RELAY_ADMIN, "make a user, and a key of it" },
	{ "GET", "/user/list", RELAY_ADMIN, "list users" },
	{ "GET", "/user/info", RELAY_ADMIN, "one user, its keys and teams" },
	{ "GET", "/v2/user/info", RELAY_ADMIN, "one user without its keys" },
	{ "POST", "/user/update", RELAY_ADMIN, "change a user" },
	{ "POST", "/user/delete", RELAY_ADMIN, "delete users and their keys" },
	{ "POST", "/user/bulk_update", RELAY_ADMIN, "change many users" },
	{ "POST", "/user/sync", RELAY_ADMIN, "make a user's role and teams what a provider says" },
	{ "GET", "/user/available_roles", RELAY_KEY, "roles that a user may have" },
	{ "POST", "/organization/new", RELAY_ADMIN, "make an organization" },
	{ "GET", "/organization/list", RELAY_ADMIN, "list organizations" },
	{ "GET", "/organization/info", RELAY_ADMIN, "one organization, its teams and members" },
	{ "PATCH", "/organization/update", RELAY_ADMIN, "change an organization" },
	{ "DELETE", "/organization/delete", RELAY_ADMIN, "delete organizations" },
	{ "POST", "/organization/member_add", RELAY_ADMIN, "take users into an organization" },
	{ "PATCH", "/organization/member_update", RELAY_ADMIN, "change a member's role there" },
	{ "DELETE", "/organization/member_delete", RELAY_ADMIN, "take a user out of it" },
	{ "POST", "/customer/new", RELAY_ADMIN, "make a customer" },
	{ "GET", "/customer/list", RELAY_ADMIN, "list customers" },
	{ "GET", "/customer/info", RELAY_ADMIN, "one customer" },
	{ "POST", "/customer/update", RELAY_ADMIN, "change a customer" },
	{ "POST", "/customer/block", RELAY_ADMIN, "refuse customers' requests" },
	{ "POST", "/customer/unblock", RELAY_ADMIN, "accept them again" },
	{ "POST", "/customer/delete", RELAY_ADMIN, "delete customers" },
	{ "POST", "/end_user/new", RELAY_ADMIN, "make a customer" },
	{ "GET", "/end_user/list", RELAY_ADMIN, "list customers" },
	{ "GET", "/end_user/info", RELAY_ADMIN, "one customer" },
	{ "POST", "/end_user/update", RELAY_ADMIN, "change a customer" },
	{ "POST", "/end_user/block", RELAY_ADMIN, "refuse customers' requests" },
	{ "POST", "/end_user/unblock", RELAY_ADMIN, "accept them again" },
	{ "POST", "/end_user/delete", RELAY_ADMIN, "delete customers" },
	{ "POST", "/budget/new", RELAY_ADMIN, "make a budget" },
	{ "GET", "/budget/list", RELAY_ADMIN, "list budgets" },
	{ "POST", "/budget/info", RELAY_ADMIN, "some budgets" },
	{ "POST", "/budget/update", RELAY_ADMIN, "change a budget for all who have it" },
	{ "GET", "/budget/settings", RELAY_ADMIN, "settings of one budget" },
	{ "POST", "/budget/delete", RELAY_ADMIN, "delete a budget" },
	{ "POST", "/tag/new", RELAY_ADMIN, "give a tag limits" },
	{ "GET", "/tag/list", RELAY_ADMIN, "list tags that have limits" },
	{ "POST", "/tag/info", RELAY_ADMIN, "some tags" },
	{ "POST", "/tag/update", RELAY_ADMIN, "change a tag's limits" },
	{ "POST", "/tag/delete", RELAY_ADMIN, "delete a tag's limits" },
	{ "GET", "/model/info", RELAY_MODELS, "deployments as LiteLLM tells them" },
	{ "GET", "/v1/model/info", RELAY_MODELS, "deployments as LiteLLM tells them" },
	{ "GET", "/v2/model/info", RELAY_ADMIN, "the same, page by page" },
	{ "POST", "/model/new", RELAY_ADMIN, "add a model to the database" },
	{ "POST", "/model/update", RELAY_ADMIN, "change a model of the database" },
	{ "PATCH", "/model/{name}/update", RELAY_ADMIN, "the same, by the id in the path" },
	{ "POST", "/model/delete", RELAY_ADMIN, "delete a model of the database" },
	{ "POST", "/credentials", RELAY_ADMIN, "add a credential, which models name" },
	{ "GET", "/credentials", RELAY_ADMIN, "credentials, their values masked" },
	{ "GET", "/credentials/by_name/{name}", RELAY_ADMIN, "one credential" },
	{ "GET", "/credentials/by_model/{name}", RELAY_ADMIN, "what a model authenticates with, masked" },
	{ "PATCH", "/credentials/{name}", RELAY_ADMIN, "change a credential" },
	{ "DELETE", "/credentials/{name}", RELAY_ADMIN, "delete a credential" },
	{ "POST", "/jwt/key/mapping/new", RELAY_ADMIN, "say which key governs tokens with a claim" },
	{ "GET", "/jwt/key/mapping/list", RELAY_ADMIN, "keys by claims of tokens" },
	{ "GET", "/jwt/key/mapping/info", RELAY_ADMIN, "one of them" },
	{ "POST", "/jwt/key/mapping/update", RELAY_ADMIN, "change it" },
	{ "POST", "/jwt/userinfo", RELAY_ADMIN, "what the identity provider says of a token" },
	{ "POST", "/jwt/key/mapping/delete", RELAY_ADMIN, "delete it" },
	{ "POST", "/access_group/new", RELAY_ADMIN, "make a name that stands for several models" },
	{ "GET", "/access_group/list", RELAY_ADMIN, "those names, and the models of each" },
	{ "GET", "/access_group/{name}/info", RELAY_ADMIN, "one of them" },
	{ "PUT", "/access_group/{name}/update", RELAY_ADMIN, "other models for it" },
	{ "DELETE", "/access_group/{name}/delete", RELAY_ADMIN, "delete it" },
	{ "POST", "/v1/access_group", RELAY_ADMIN, "make a group of models for keys and teams that name it" },
	{ "GET", "/v1/access_group", RELAY_ADMIN, "these groups" },
	{ "GET", "/v1/access_group/{id}", RELAY_ADMIN, "one of them" },
	{ "PUT", "/v1/access_group/{id}", RELAY_ADMIN, "change it" },
	{ "DELETE", "/v1/access_group/{id}", RELAY_ADMIN, "delete it" },
	{ "POST", "/v1/unified_access_group", RELAY_ADMIN, "the same" },
	{ "GET", "/v1/unified_access_group", RELAY_ADMIN, "the same" },
	{ "GET", "/v1/unified_access_group/{id}", RELAY_ADMIN, "the same" },
	{ "PUT", "/v1/unified_access_group/{id}", RELAY_ADMIN, "the same" },
	{ "DELETE", "/v1/unified_access_group/{id}", RELAY_ADMIN, "the same" },
	{ "POST", "/fallback", RELAY_ADMIN, "set the fallbacks of a model" },
	{ "GET", "/fallback/{name}", RELAY_ADMIN, "the fallbacks of a model" },
	{ "DELETE", "/fallback/{name}", RELAY_ADMIN, "delete them" },
	{ "GET", "/config/cost_discount_config", RELAY_ADMIN, "what providers take off" },
	{ "GET", "/config/cost_margin_config", RELAY_ADMIN, "what is put on top of prices" },
	{ "GET", "/config/list", RELAY_ADMIN, "settings of a section, with type and default" },
	{ "GET", "/config/field/info", RELAY_ADMIN, "one setting" },
	{ "POST", "/config/field/update", RELAY_ADMIN, "set it in the database" },
	{ "POST", "/config/field/delete", RELAY_ADMIN, "delete it there: the file's counts again" },
	{ "POST", "/config/update", RELAY_ADMIN, "set several" },
	{ "GET", "/config/pass_through_endpoint", RELAY_ADMIN, "paths that lead elsewhere" },
	{ "POST", "/config/pass_through_endpoint", RELAY_ADMIN, "add one" },
	{ "DELETE", "/config/pass_through_endpoint", RELAY_ADMIN, "delete one" },
	{ "POST", "/config/pass_through_endpoint/{id}", RELAY_ADMIN, "change one" },
	{ "GET", "/config/yaml", RELAY_ADMIN, "the configuration in force, secrets masked" },
	{ "GET", "/get/config/callbacks", RELAY_ADMIN, "callbacks and settings of the router" },
	{ "GET", "/router/settings", RELAY_ADMIN, "settings of the router" },
	{ "GET", "/router/fields", RELAY_ADMIN, "the same without values" },
	{ "POST", "/model_group/make_public", RELAY_ADMIN, "say which models are shown to everybody" },
	{ "GET", "/model/settings", RELAY_ADMIN, "providers, and what a model of each needs" },
	{ "GET", "/public/model_hub", RELAY_KEY, "models of public_model_groups" },
	{ "GET", "/provider/budgets", RELAY_ADMIN, "what providers and tags have spent of their budgets" },
	{ "POST", "/route/explain", RELAY_ADMIN, "where a request would go, and why" },
	{ "GET", "/model_group/info", RELAY_MODELS, "model names: limits, prices, providers" },
	{ "POST", "/utils/token_counter", OWN(EP_KEY | EP_BODY, count_utility), "tokens of a prompt, by estimate" },
	{ "POST", "/utils/transform_request", OWN(EP_KEY | EP_BODY, dry_run), "what a provider would get for a request; nobody is asked" },
	{ "GET", "/utils/supported_openai_params", RELAY_KEY, "which of OpenAI's parameters a model takes" },
	{ "GET", "/prices", RELAY_ADMIN, "prices that are in force, or models without one" },
	{ "DELETE", "/prices", RELAY_ADMIN, "forget imported prices" },
	{ "POST", "/reload/model_cost_map", RELAY_LARGE, "import LiteLLM's price map" },
	{ "GET", "/public/litellm_model_cost_map", RELAY_KEY, "all prices, as LiteLLM's price map" },
	{ "GET", "/schedule/model_cost_map_reload/status", RELAY_ADMIN, "when prices were imported last" },
	{ "GET", "/cache/ping", RELAY_KEY, "whether the response cache works" },
	{ "GET", "/cache/stats", RELAY_ADMIN, "what the response cache holds, and how often it helped" },
	{ "POST", "/cache/flushall", RELAY_ADMIN, "forget all answers of the response cache" },
	{ "POST", "/cache/delete", RELAY_ADMIN, "forget single answers of the response cache" },
	{ "GET", "/audit", RELAY_ADMIN, "who changed what" },
	{ "GET", "/audit/{id}", RELAY_ADMIN, "one change, with the values before and after" },
	{ "GET", "/spend/logs", RELAY_ADMIN, "one row a request" },
	{ "GET", "/spend/logs/v2", RELAY_ADMIN, "the same in pages" },
	{ "GET", "/spend/logs/ui", RELAY_ADMIN, "the same in pages" },
	{ "GET", "/spend/logs/session/ui", RELAY_ADMIN, "a request and its further attempts" },
	{ "GET", "/spend/logs/ui/{id}", RELAY_ADMIN, "one of them, with prompt and answer" },
	{ "POST", "/spend/calculate", RELAY_KEY, "what an answer costs, by its usage" },
	{ "POST", "/cost/estimate", RELAY_KEY, "what requests of so many tokens would cost" },
	{ "POST", "/spend/texts/purge", RELAY_ADMIN, "delete prompts and answers before a day" },
	{ "GET", "/spend/export", RELAY_ADMIN, "requests or FOCUS charges as text, in pages" },
	{ "GET", "/spend/keys", RELAY_ADMIN, "keys by what they spent" },
	{ "GET", "/spend/users", RELAY_ADMIN, "users by what they spent" },
	{ "GET", "/spend/tags", RELAY_ADMIN, "tags by what was spent under them" },
	{ "GET", "/user/daily/activity", RELAY_KEY, "days of users, with models, providers, keys" },
	{ "GET", "/user/daily/activity/aggregated", RELAY_KEY, "the same on one page" },
	{ "GET", "/team/daily/activity", RELAY_ADMIN, "days of teams" },
	{ "GET", "/organization/daily/activity", RELAY_ADMIN, "days of organizations" },
	{ "GET", "/customer/daily/activity", RELAY_ADMIN, "days of end users" },
	{ "GET", "/end_user/daily/activity", RELAY_ADMIN, "days of end users" },
	{ "GET", "/tag/daily/activity", RELAY_ADMIN, "days of tags" },
	{ "GET", "/global/spend", RELAY_ADMIN, "what was spent" },
	{ "POST", "/global/spend/reset", RELAY_ADMIN, "what all keys and teams have spent to nothing" },
	{ "POST", "/global/spend/refresh", RELAY_ADMIN, "nothing: sums are kept as requests end" },
	{ "GET", "/global/spend/logs", RELAY_ADMIN, "what was spent, by day" },
	{ "GET", "/global/spend/keys", RELAY_ADMIN, "what was spent, by key" },
	{ "GET", "/global/spend/models", RELAY_ADMIN, "what was spent, by model" },
	{ "GET", "/global/spend/teams", RELAY_ADMIN, "what was spent, by team and day" },
	{ "GET", "/global/spend/tags", RELAY_ADMIN, "what was spent, by tag" },
	{ "GET", "/global/spend/all_tag_names", RELAY_ADMIN, "all tags of requests" },
	{ "GET", "/global/spend/provider", RELAY_ADMIN, "what was spent, by provider" },
	{ "POST", "/global/spend/end_users", RELAY_ADMIN, "what was spent, by end user" },
	{ "GET", "/global/spend/report", RELAY_ADMIN, "what teams, customers or keys spent" },
	{ "GET", "/global/activity", RELAY_ADMIN, "requests and tokens by day" },
	{ "GET", "/global/activity/model", RELAY_ADMIN, "requests and tokens by model and day" },
	{ "GET", "/global/activity/exceptions", RELAY_ADMIN, "requests that ended with 429, by day" },
	{ "GET", "/global/activity/exceptions/deployment", RELAY_ADMIN, "the same by deployment" },
	{ "GET", "/global/activity/cache_hits", RELAY_ADMIN, "answers of the response cache, by key and model" },
	{ "GET", "/model/metrics", RELAY_ADMIN, "seconds a token, by day and deployment" },
	{ "GET", "/model/streaming_metrics", RELAY_ADMIN, "seconds to the first token" },
	{ "GET", "/model/metrics/slow_responses", RELAY_ADMIN, "requests above alerting_threshold" },
	{ "GET", "/model/metrics/exceptions", RELAY_ADMIN, "failures by deployment and kind" },
	{ "GET", "/tag/dau", RELAY_ADMIN, "users of each tag, the last 7 days" },
	{ "GET", "/tag/wau", RELAY_ADMIN, "users of each tag, the last 7 weeks" },
	{ "GET", "/tag/mau", RELAY_ADMIN, "users of each tag, the last 7 times 30 days" },
	{ "GET", "/tag/summary", RELAY_ADMIN, "users, requests and spend of each tag" },
	{ "GET", "/tag/distinct", RELAY_ADMIN, "names of tags, the most used first" },
	/* Last: whatever has a row of its own wins. */
	{ "*", "/openai{path}", RAW(pass_openai), "passed through as it comes" },
	{ "*", "/openai_passthrough{path}", RAW(pass_openai), "passed through as it comes" },
	{ "*", "/anthropic{path}", RAW_IN(&dialect_anthropic_messages, pass_anthropic), "passed through as it comes" },
	{ "*", "/gemini{path}", RAW_IN(&dialect_gemini_chat, pass_gemini), "passed through as it comes" },
	{ "*", "/vertex_ai{path}", RAW(pass_vertex), "passed through as it comes" },
	{ "*", "/vertex-ai{path}", RAW(pass_vertex), "passed through as it comes" },
	{ "*", "/bedrock{path}", RAW(pass_bedrock), "passed through as it comes" },
	{ "*", "/cohere{path}", RAW_IN(&dialect_cohere_chat, pass_cohere), "passed through as it comes" },
	{ "*", "/azure{path}", RAW(pass_azure), "passed through as it comes" },
	{ "*", "/azure_ai{path}", RAW(pass_azure_ai), "passed through as it comes" },
	{ "*", "/mistral{path}", RAW(pass_mistral), "passed through as it comes" },
	{ "*", "/vllm{path}", RAW(pass_vllm), "passed through as it comes" },
	{ "*", "/assemblyai{path}", RAW(pass_assemblyai), "passed through as it comes" },
};
const size_t endpoints_count = COUNT(endpoints);

const struct endpoint endpoint_target = { "*", "general_settings.pass_through_endpoints",
					  RAW(target), "a path of the configuration" };
const struct endpoint endpoint_open_target = {
	"*", "general_settings.pass_through_endpoints (auth: false)", EP_LLM | EP_BODY, NULL, NULL,
	&raw_target, "the same, open to all" };

static bool is_plain(struct str model)
{
	return str_find(model, STR("//")) == SIZE_MAX && str_find(model, STR("..")) == SIZE_MAX &&
	       str_find_char(model, '%') == SIZE_MAX && str_find_char(model, '\\') == SIZE_MAX;
}

static bool is_name(struct str s)
{
	return str_find(s, STR("..")) == SIZE_MAX && str_find_char(s, '\\') == SIZE_MAX;
}

/* Whether path matches a pattern with one {model}, {id} or {name}, or {path} at its end; what it
 * stands for. */
static bool matches(struct str pattern, struct str path, struct endpoint_parts *ret)
{
	size_t at = str_find_char(pattern, '{');
	*ret = (struct endpoint_parts){ 0 };
	if (at == SIZE_MAX)
		return str_eq(pattern, path);
	struct str before = str_of(pattern.p, at), mark = str_skip(pattern, at);
	if (!str_starts(path, before))
		return false;
	if (str_eq(mark, STR("{path}"))) {
		ret->rest = str_skip(path, at);
		return ret->rest.n == 0 || ret->rest.p[0] == '/';
	}
	struct str behind = str_skip(mark, str_find_char(mark, '}') + 1);
	if (path.n <= before.n + behind.n || !str_ends(path, behind))
		return false;
	ret->model = str_of(path.p + before.n, path.n - before.n - behind.n);
	if (str_starts(mark, STR("{name}")))
		return is_name(ret->model);
	return str_starts(mark, STR("{id}")) ? str_is_id(ret->model) : is_plain(ret->model);
}

const struct endpoint *endpoint_find(struct str method, struct str path,
				     struct endpoint_parts *ret, const struct endpoint **ret_near)
{
	*ret_near = NULL;
	for (size_t i = 0; i < COUNT(endpoints); i++) {
		const struct endpoint *e = &endpoints[i];
		if (!matches(str_z(e->path), path, ret))
			continue;
		if (e->method[0] == '*' || str_eq_z(method, e->method))
			return e;
		if (!*ret_near)
			*ret_near = e;
	}
	*ret = (struct endpoint_parts){ 0 };
	return NULL;
}
