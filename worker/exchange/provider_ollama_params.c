/* SPDX-License-Identifier: MIT
 * provider_ollama_params.c - parameters in OpenAI's and in Ollama's words, sorted to where Ollama
 * looks for them: at the top of the body, or among its options, where all go that are unknown. */
#include <errno.h>

#include "worker/exchange/provider_ollama.h"

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
		{ STR("none"), STR("false") },	    { STR("minimal"), STR("\"low\"") },
		{ STR("low"), STR("\"low\"") },	    { STR("medium"), STR("\"medium\"") },
		{ STR("high"), STR("\"high\"") },   { STR("xhigh"), STR("\"max\"") },
		{ STR("max"), STR("\"max\"") },
	};
	struct str effort = json_str(m->mem, members_parse(m, json));
	for (size_t i = 0; effort.p && i < COUNT(levels); i++)
		if (str_eq(effort, levels[i].effort))
			return members_add_beside(m, STR("think"), levels[i].think);
	return effort.p ? members_add_beside(m, STR("think"), STR("true")) : 0;
}

static int make_format(struct members *m, struct str json)
{
	const struct json *format = members_parse(m, json);
	struct str type = json_get_str(m->mem, format, "type");
	const struct json *schema = json_get_path(format, "json_schema.schema");
	if (str_eq(type, STR("json_schema")) && schema)
		return members_add_beside(m, STR("format"), schema->raw);
	if (str_eq(type, STR("json_object")) || str_eq(type, STR("json_schema")))
		return members_add_beside(m, STR("format"), STR("\"json\""));
	return 0;
}

static const struct member_row rows[] = {
	{ STR("keep_alive"), MEMBER_BESIDE, NULL, NULL },
	{ STR("think"), MEMBER_BESIDE, NULL, NULL },
	{ STR("format"), MEMBER_BESIDE, NULL, NULL },
	{ STR("truncate"), MEMBER_BESIDE, NULL, NULL },
	{ STR("shift"), MEMBER_BESIDE, NULL, NULL },
	{ STR("raw"), MEMBER_BESIDE, NULL, NULL },
	{ STR("template"), MEMBER_BESIDE, NULL, NULL },
	{ STR("system"), MEMBER_BESIDE, NULL, NULL },
	{ STR("context"), MEMBER_BESIDE, NULL, NULL },
	{ STR("options"), MEMBER_MAKE, NULL, make_options },
	{ STR("max_tokens"), MEMBER_AS, "num_predict", NULL },
	{ STR("max_completion_tokens"), MEMBER_AS, "num_predict", NULL },
	{ STR("stop"), MEMBER_MAKE, NULL, make_stop },
	{ STR("reasoning_effort"), MEMBER_MAKE, NULL, make_think },
	{ STR("response_format"), MEMBER_MAKE, NULL, make_format },
	{ STR("model"), MEMBER_FIXED, NULL, NULL },
	{ STR("messages"), MEMBER_FIXED, NULL, NULL },
	{ STR("prompt"), MEMBER_FIXED, NULL, NULL },
	{ STR("input"), MEMBER_FIXED, NULL, NULL },
	{ STR("images"), MEMBER_FIXED, NULL, NULL },
	{ STR("suffix"), MEMBER_FIXED, NULL, NULL },
	{ STR("tools"), MEMBER_FIXED, NULL, NULL },
	{ STR("stream"), MEMBER_FIXED, NULL, NULL },
	{ STR("dimensions"), MEMBER_FIXED, NULL, NULL },
	{ STR("tool_choice"), MEMBER_DROP, NULL, NULL },
	{ STR("parallel_tool_calls"), MEMBER_DROP, NULL, NULL },
	{ STR("stream_options"), MEMBER_DROP, NULL, NULL },
	{ STR("encoding_format"), MEMBER_DROP, NULL, NULL },
	{ STR("user"), MEMBER_DROP, NULL, NULL },
	{ STR("metadata"), MEMBER_DROP, NULL, NULL },
	{ STR("store"), MEMBER_DROP, NULL, NULL },
	{ STR("service_tier"), MEMBER_DROP, NULL, NULL },
	{ STR("verbosity"), MEMBER_DROP, NULL, NULL },
	{ STR("prediction"), MEMBER_DROP, NULL, NULL },
	{ STR("moderation"), MEMBER_DROP, NULL, NULL },
	{ STR("safety_identifier"), MEMBER_DROP, NULL, NULL },
	{ STR("prompt_cache_key"), MEMBER_DROP, NULL, NULL },
	{ STR("prompt_cache_retention"), MEMBER_DROP, NULL, NULL },
	{ STR("prompt_cache_options"), MEMBER_DROP, NULL, NULL },
	{ STR("n"), MEMBER_REFUSE, NULL, NULL },
	{ STR("best_of"), MEMBER_REFUSE, NULL, NULL },
	{ STR("echo"), MEMBER_REFUSE, NULL, NULL },
	{ STR("logit_bias"), MEMBER_REFUSE, NULL, NULL },
	{ STR("logprobs"), MEMBER_REFUSE, NULL, NULL },
	{ STR("top_logprobs"), MEMBER_REFUSE, NULL, NULL },
	{ STR("modalities"), MEMBER_REFUSE, NULL, NULL },
	{ STR("audio"), MEMBER_REFUSE, NULL, NULL },
	{ STR("web_search_options"), MEMBER_REFUSE, NULL, NULL },
};

static int check_tools(struct members *m)
{
	bool is_openai = m->q->family == FAMILY_OPENAI;
	int err = 0;
	for (const struct llm_tool *t = m->q->tools; t && !err; t = t->next)
		if (t->kind == TOOL_CUSTOM || (t->kind == TOOL_OTHER && is_openai))
			err = members_refuse_param(m, STR("tools"));
	return err;
}

/* What a client said in Ollama's own words, and the neutral form does not know, stands where it
 * had it: before what the neutral form makes, for it is more exact. */
static int add_own(struct members *m)
{
	static const struct str option = STR("options.");
	int err = 0;
	if (m->q->family != FAMILY_OLLAMA_CHAT)
		return 0;
	for (const struct llm_other *o = m->q->other; o && !err; o = o->next)
		err = str_starts(o->name, option)
			      ? members_add(m, str_skip(o->name, option.n), o->json)
			      : members_add_beside(m, o->name, o->json);
	return err;
}

int ollama_sort_members(struct members *m)
{
	m->vendor = "ollama";
	m->rows = rows;
	m->n_rows = COUNT(rows);
	int err = members_add_extra(m, STR("options"));
	if (!err)
		err = check_tools(m);
	if (!err)
		err = add_own(m);
	return err ? err : members_sort(m);
}
