/* SPDX-License-Identifier: MIT
 * provider_ollama_params.c - parameters in OpenAI's and in Ollama's words, sorted to where Ollama
 * looks for them: at the top of the body, or among its options. */
#include <errno.h>

#include "worker/exchange/provider_ollama.h"

/* Each of its members is an option. */
static int make_options(struct members *m, struct str json)
{
	return members_add_raw(m, members_parse(m, json));
}

static int make_stop(struct members *m, struct str json)
{
	json = members_list(m, json);
	return json.p ? members_add(m, STR("stop"), json) : -ENOMEM;
}

static int make_think(struct members *m, struct str json)
{
	static const struct {
		struct str effort, think;
	} levels[] = {
		{ STR("\"none\""), STR("false") },	   { STR("\"minimal\""), STR("\"low\"") },
		{ STR("\"low\""), STR("\"low\"") },	   { STR("\"medium\""), STR("\"medium\"") },
		{ STR("\"high\""), STR("\"high\"") },  { STR("\"xhigh\""), STR("\"max\"") },
		{ STR("\"max\""), STR("\"max\"") },
	};
	for (size_t i = 0; i < COUNT(levels); i++)
		if (str_eq(json, levels[i].effort))
			return members_add_beside(m, STR("think"), levels[i].think);
	return members_add_beside(m, STR("think"), STR("true"));
}

static int make_format(struct members *m, struct str json)
{
	const struct json *format = members_parse(m, json);
	const struct json *schema = json_get_path(format, "json_schema.schema");
	struct str type = json_get_str(m->mem, format, "type");
	if (str_eq(type, STR("json_schema")) && schema)
		return members_add_beside(m, STR("format"), schema->raw);
	if (str_eq(type, STR("json_object")) || str_eq(type, STR("json_schema")))
		return members_add_beside(m, STR("format"), STR("\"json\""));
	return 0;
}

#define BESIDE(name) { STR(name), MEMBER_BESIDE, NULL, NULL }
#define MADE(name, make) { STR(name), MEMBER_MAKE, NULL, make }
#define FIXED(name) { STR(name), MEMBER_FIXED, NULL, NULL }
#define DROPPED(name) { STR(name), MEMBER_DROP, NULL, NULL }
#define REFUSED(name) { STR(name), MEMBER_REFUSE, NULL, NULL }

static const struct member_row rows[] = {
	BESIDE("keep_alive"), BESIDE("think"), BESIDE("format"), BESIDE("truncate"), BESIDE("shift"),
	BESIDE("raw"), BESIDE("template"), BESIDE("system"), BESIDE("context"),
	{ STR("max_tokens"), MEMBER_AS, "num_predict", NULL },
	{ STR("max_completion_tokens"), MEMBER_AS, "num_predict", NULL },
	MADE("options", make_options), MADE("stop", make_stop),
	MADE("reasoning_effort", make_think), MADE("response_format", make_format),
	FIXED("model"), FIXED("messages"), FIXED("prompt"), FIXED("input"), FIXED("images"),
	FIXED("tools"), FIXED("stream"), FIXED("suffix"), FIXED("dimensions"),
	DROPPED("tool_choice"), DROPPED("parallel_tool_calls"), DROPPED("stream_options"),
	DROPPED("encoding_format"), DROPPED("user"), DROPPED("metadata"), DROPPED("store"),
	DROPPED("service_tier"), DROPPED("verbosity"), DROPPED("prediction"),
	DROPPED("moderation"), DROPPED("safety_identifier"), DROPPED("prompt_cache_key"),
	DROPPED("prompt_cache_retention"), DROPPED("prompt_cache_options"),
	REFUSED("n"), REFUSED("best_of"), REFUSED("echo"), REFUSED("logit_bias"),
	REFUSED("logprobs"), REFUSED("top_logprobs"), REFUSED("modalities"), REFUSED("audio"),
	REFUSED("web_search_options"),
};

static int check_tools(struct members *m)
{
	for (const struct llm_tool *t = m->q->tools; t; t = t->next)
		if (t->kind != TOOL_FUNCTION)
			return members_refuse_param(m, STR("tools"));
	return 0;
}

int ollama_sort_members(struct ollama_writing *w)
{
	struct members *m = &w->m;
	m->rows = rows;
	m->n_rows = COUNT(rows);
	int err = members_add_extra(m, STR("options"));
	if (!err)
		err = check_tools(m);
	return err ? err : members_sort(m);
}
