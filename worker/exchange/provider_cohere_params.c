/* SPDX-License-Identifier: MIT
 * provider_cohere_params.c - parameters in OpenAI's words and what Cohere calls them. */
#include "worker/exchange/provider_cohere.h"

#include <errno.h>

static int make_stop(struct members *m, struct str json)
{
	json = members_list(m, json);
	return json.p ? members_add(m, STR("stop_sequences"), json) : -ENOMEM;
}

/* The same budgets that other vendors' models are given; more than "high" has no limit. */
static int make_thinking_of_effort(struct members *m, struct str json)
{
	static const struct {
		struct str effort, thinking;
	} levels[] = {
		{ STR("\"none\""), STR("{\"type\":\"disabled\"}") },
		{ STR("\"minimal\""), STR("{\"type\":\"enabled\",\"token_budget\":512}") },
		{ STR("\"low\""), STR("{\"type\":\"enabled\",\"token_budget\":1024}") },
		{ STR("\"medium\""), STR("{\"type\":\"enabled\",\"token_budget\":2048}") },
		{ STR("\"high\""), STR("{\"type\":\"enabled\",\"token_budget\":4096}") },
	};
	for (size_t i = 0; i < COUNT(levels); i++)
		if (str_eq(json, levels[i].effort))
			return members_add(m, STR("thinking"), levels[i].thinking);
	return members_add(m, STR("thinking"), STR("{\"type\":\"enabled\"}"));
}

/* Anthropic's form says budget_tokens. */
static int make_thinking(struct members *m, struct str json)
{
	const struct json *budget = json_get(members_parse(m, json), "budget_tokens");
	if (json_is(budget, JSON_NUMBER)) {
		json = arena_printf(m->mem, "{\"type\":\"enabled\",\"token_budget\":" STR_FMT "}",
				    STR_ARG(budget->raw));
		if (!json.p)
			return -ENOMEM;
	}
	return members_add(m, STR("thinking"), json);
}

#define FORMAT_WITH_SCHEMA "{\"type\":\"json_object\",\"json_schema\":" STR_FMT "}"

/* A schema stands beside the type "json_object", and bare. What is Cohere's own goes on. */
static int make_format(struct members *m, struct str json)
{
	const struct json *format = members_parse(m, json);
	const struct json *schema = json_get_path(format, "json_schema.schema");
	if (str_eq(json_get_str(m->mem, format, "type"), STR("json_schema"))) {
		json = STR("{\"type\":\"json_object\"}");
		if (json_is(schema, JSON_OBJECT))
			json = arena_printf(m->mem, FORMAT_WITH_SCHEMA, STR_ARG(schema->raw));
	}
	return json.p ? members_add(m, STR("response_format"), json) : -ENOMEM;
}

#define DROPPED(name) { STR(name), MEMBER_DROP, NULL, NULL }
#define FIXED(name) { STR(name), MEMBER_FIXED, NULL, NULL }
#define REFUSED(name) { STR(name), MEMBER_REFUSE, NULL, NULL }
/* What a client of OpenAI's says to OpenAI alone. */
#define DROPPED_ALWAYS \
	DROPPED("user"), DROPPED("metadata"), DROPPED("store"), DROPPED("service_tier"), \
	DROPPED("verbosity"), DROPPED("prediction"), DROPPED("moderation"), \
	DROPPED("safety_identifier"), DROPPED("prompt_cache_key"), \
	DROPPED("prompt_cache_retention"), DROPPED("prompt_cache_options")

static const struct member_row chat_rows[] = {
	{ STR("max_tokens"), MEMBER_AS, "max_tokens", NULL },
	{ STR("max_completion_tokens"), MEMBER_AS, "max_tokens", NULL },
	{ STR("top_p"), MEMBER_AS, "p", NULL },
	{ STR("top_k"), MEMBER_AS, "k", NULL },
	{ STR("stop"), MEMBER_MAKE, NULL, make_stop },
	{ STR("reasoning_effort"), MEMBER_MAKE, NULL, make_thinking_of_effort },
	{ STR("thinking"), MEMBER_MAKE, NULL, make_thinking },
	{ STR("response_format"), MEMBER_MAKE, NULL, make_format },
	FIXED("model"), FIXED("messages"), FIXED("tools"), FIXED("tool_choice"), FIXED("stream"),
	DROPPED("prompt"), DROPPED("input"), DROPPED("parallel_tool_calls"),
	DROPPED("stream_options"), DROPPED("encoding_format"), DROPPED("dimensions"),
	REFUSED("n"), REFUSED("best_of"), REFUSED("echo"), REFUSED("suffix"),
	REFUSED("logit_bias"), REFUSED("top_logprobs"), REFUSED("modalities"), REFUSED("audio"),
	REFUSED("web_search_options"),
	DROPPED_ALWAYS,
};
static const struct member_row embed_rows[] = {
	{ STR("dimensions"), MEMBER_AS, "output_dimension", NULL },
	FIXED("model"), FIXED("texts"),
	/* Vectors come as numbers; who wants base64 gets it of them. */
	DROPPED("input"), DROPPED("encoding_format"), DROPPED("stream"), DROPPED("stream_options"),
	DROPPED("max_tokens"), DROPPED("temperature"),
	DROPPED_ALWAYS,
};

void cohere_chat_rows(struct members *m)
{
	m->rows = chat_rows;
	m->n_rows = COUNT(chat_rows);
}

void cohere_embed_rows(struct members *m)
{
	m->rows = embed_rows;
	m->n_rows = COUNT(embed_rows);
}
