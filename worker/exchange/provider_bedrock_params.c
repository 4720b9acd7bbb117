/* SPDX-License-Identifier: MIT
 * provider_bedrock_params.c - parameters: few have a place in Converse, all others go to the model
 * as its own vendor calls them, in additionalModelRequestFields.
 *
 * Members are sorted as Anthropic's; for its models they are settled as Anthropic's, too. */
#include <errno.h>

#include "worker/exchange/provider_bedrock.h"

enum {
	METADATA_MAX = 256,		/* bytes of one value */
	GIVEN_MAX = 256			/* members of an object */
};

/* --- settling --- */

static int add_printed(struct ant_writing *w, struct str name, struct str json)
{
	return json.p ? ant_add(w, name, json) : -ENOMEM;
}

/* Converse's tiers; those that mean the usual need not be said. */
static int settle_tier(struct ant_writing *w)
{
	static const struct str tiers[] = { STR("default"), STR("flex"), STR("priority"),
					    STR("reserved") };
	struct str tier = w->tier;
	w->tier = STR_NONE;
	if (!tier.n || str_eq(tier, STR("auto")) || str_eq(tier, STR("standard_only")))
		return 0;
	for (size_t i = 0; i < COUNT(tiers); i++)
		if (str_eq(tier, tiers[i]))
			return add_printed(w, STR("serviceTier"),
					   arena_printf(w->mem, "{\"type\":\"" STR_FMT "\"}",
							STR_ARG(tier)));
	return ant_refuse_param(w, STR("service_tier"));
}

static bool is_metadata(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool is_known = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c >= '0' && c <= '9') || (c && strchr(" :_@$#=/+,-.", c));
		if (!is_known)
			return false;
	}
	return s.n > 0 && s.n <= METADATA_MAX;
}

/* Who asks is for the operator's logs alone; a name that cannot stand there is left out. */
static int settle_user(struct ant_writing *w)
{
	if (!is_metadata(w->user))
		return 0;
	return add_printed(w, STR("requestMetadata"),
			   arena_printf(w->mem, "{\"user\":\"" STR_FMT "\"}", STR_ARG(w->user)));
}

static const char *effort_word(struct str effort)
{
	static const struct {
		struct str name;
		const char *word;
	} efforts[] = {
		{ STR("minimal"), "low" }, { STR("low"), "low" }, { STR("medium"), "medium" },
		{ STR("high"), "high" }, { STR("xhigh"), "high" }, { STR("max"), "high" },
	};
	for (size_t i = 0; i < COUNT(efforts); i++)
		if (str_eq(effort, efforts[i].name))
			return efforts[i].word;
	return NULL;
}

static int settle_effort(struct bedrock_writing *b)
{
	struct ant_writing *w = &b->ant;
	const char *word = effort_word(w->effort);
	struct str config;
	if (!w->effort.n || str_eq(w->effort, STR("none")))
		return 0;
	if (!word)
		return ant_refuse(w, OUTCOME_BAD_REQUEST, STR("reasoning_effort"),
				  "reasoning_effort must be one of none, minimal, low, medium, "
				  "high, xhigh and max");
	if (b->model.thinking == THINKS_BY_EFFORT)
		return add_printed(w, STR("reasoning_effort"),
				   arena_printf(w->mem, "\"%s\"", word));
	if (b->model.thinking != THINKS_BY_CONFIG)
		return ant_refuse_param(w, STR("reasoning_effort"));
	config = arena_printf(w->mem, "{\"type\":\"enabled\",\"maxReasoningEffort\":\"%s\"}", word);
	return add_printed(w, STR("reasoningConfig"), config);
}

/* The members of other vendors' models. Nova looks for top_k in a place of its own. */
static int settle_others(struct bedrock_writing *b)
{
	struct ant_writing *w = &b->ant;
	struct str top_k = w->top_k;
	if (top_k.p && b->model.is_nova)
		top_k = arena_printf(w->mem, "{\"topK\":" STR_FMT "}", STR_ARG(top_k));
	if (w->top_k.p && !top_k.p)
		return -ENOMEM;
	int err = ant_add(w, STR("max_tokens"), w->limit);
	if (!err)
		err = ant_add(w, STR("temperature"), w->temperature);
	if (!err)
		err = ant_add(w, STR("top_p"), w->top_p);
	if (!err)
		err = ant_add(w, STR("stop_sequences"), w->stop);
	if (!err)
		err = ant_add(w, b->model.is_nova ? STR("nova_top_k") : STR("top_k"), top_k);
	if (!err)
		err = settle_effort(b);
	return err ? err : settle_user(w);
}

/* What a client of Anthropic's dialect says in its vendor's words means nothing to other models;
 * the neutral words say the same. */
static void forget_foreign(struct bedrock_writing *b)
{
	static const struct str gone[] = {
		STR("thinking"), STR("output_config"), STR("metadata"), STR("cache_control"),
		STR("context_management"), STR("mcp_servers"), STR("container"),
	};
	struct llm_other **at = &b->ant.members;
	bool is_foreign = b->ant.q->family == FAMILY_ANTHROPIC;
	while (*at) {
		bool is_gone = is_foreign && str_eq((*at)->name, STR("service_tier"));
		for (size_t i = 0; i < COUNT(gone) && is_foreign && !b->model.is_claude; i++)
			is_gone = is_gone || str_eq((*at)->name, gone[i]);
		if (is_gone)
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
}

/* What Anthropic's own words say of the answer's form is said in Converse's instead. */
static int forget_format(struct bedrock_writing *b)
{
	static const struct str config = STR("output_config");
	struct ant_writing *w = &b->ant;
	const struct json *j = ant_parse(w, ant_find(w, config));
	struct llm_other **at = &w->members;
	struct buf rest;
	if (w->q->family != FAMILY_ANTHROPIC || w->q->format != FORMAT_SCHEMA ||
	    !json_is(j, JSON_OBJECT))
		return 0;
	while (!str_eq((*at)->name, config))
		at = &(*at)->next;
	if (j->count == 1 && json_get(j, "format")) {
		*at = (*at)->next;
		return 0;
	}
	buf_init(&rest, j->raw.n + 16);
	struct json_out o = json_out(&rest);
	json_open(&o, NULL);
	for (const struct json *m = j->child; m; m = m->next) {
		if (str_eq(m->key, STR("format")))
			continue;
		json_key(&o, m->key);
		json_put_raw(&o, NULL, m->raw);
	}
	json_close(&o);
	(*at)->json = ant_take_text(w, &rest);
	return (*at)->json.p ? 0 : -ENOMEM;
}

/* The schema goes along as a text. */
static int add_format(struct bedrock_writing *b)
{
	struct ant_writing *w = &b->ant;
	const struct llm_request *q = w->q;
	const struct json *schema = ant_parse(w, q->format_schema);
	struct buf closed, text;
	if (q->format != FORMAT_SCHEMA || !schema || ant_uses_format_tool(w))
		return 0;
	buf_init(&closed, 64 * q->format_schema.n + 256);
	buf_init(&text, 400 * q->format_schema.n + 8192);
	ant_put_closed(&closed, schema);
	struct json_out o = json_out(&text);
	json_open(&o, NULL);
	json_open(&o, "textFormat");
	json_put_z(&o, "type", "json_schema");
	json_open(&o, "structure");
	json_open(&o, "jsonSchema");
	json_put_str(&o, "schema", buf_str(&closed));
	if (q->format_name.n)
		json_put_str(&o, "name", q->format_name);
	if (q->format_description.n)
		json_put_str(&o, "description", q->format_description);
	for (int i = 0; i < 4; i++)
		json_close(&o);
	text.failed = text.failed || closed.failed;
	buf_done(&closed);
	return add_printed(w, STR("outputConfig"), ant_take_text(w, &text));
}

/* Objects given whole are looked through member by member. */
static int check_given(struct bedrock_writing *b)
{
	static const struct str names[] = { STR("inferenceConfig"),
					    STR("additionalModelRequestFields") };
	for (size_t i = 0; i < COUNT(names); i++) {
		struct str given = ant_find(&b->ant, names[i]);
		const struct json *j = ant_parse(&b->ant, given);
		if (given.p && (!json_is(j, JSON_OBJECT) || j->count > GIVEN_MAX))
			return ant_refuse(&b->ant, OUTCOME_BAD_REQUEST, names[i],
					  "%s must be an object of at most %d members",
					  names[i].p, GIVEN_MAX);
	}
	return 0;
}

static int check_tools(struct bedrock_writing *b)
{
	const struct llm_tool *t = b->ant.q->tools;
	if (b->ant.search.p)
		return ant_refuse_param(&b->ant, STR("web_search_options"));
	while (t && (t->kind == TOOL_FUNCTION || b->model.is_claude))
		t = t->next;
	return t ? ant_refuse_param(&b->ant, STR("tools")) : 0;
}

int bedrock_sort_members(struct bedrock_writing *b)
{
	struct ant_writing *w = &b->ant;
	w->model = ant_model_of(w->target->model);
	w->model.knows_format = b->model.knows_format;
	w->has_own_format = true;
	int err = ant_sort_members(w);
	if (!err)
		err = check_tools(b);
	if (!err)
		err = settle_tier(w);
	if (err)
		return err;
	w->search = STR_NONE;
	forget_foreign(b);
	err = forget_format(b);
	if (!err)
		err = check_given(b);
	if (!err)
		err = b->model.is_claude ? ant_settle_members(w) : settle_others(b);
	return err ? err : add_format(b);
}

/* --- writing --- */

/* Where a member goes, by its name. */
enum place { IN_REQUEST, IN_INFERENCE, IN_FIELDS, FIELDS_THEMSELVES, INFERENCE_ITSELF, WRITTEN };

static const struct member {
	struct str name;
	enum place place;
	const char *there;		/* its name there; NULL: the same */
} known[] = {
	{ STR("max_tokens"), IN_INFERENCE, "maxTokens" },
	{ STR("temperature"), IN_INFERENCE, NULL },
	{ STR("top_p"), IN_INFERENCE, "topP" },
	{ STR("stop_sequences"), IN_INFERENCE, "stopSequences" },
	{ STR("nova_top_k"), IN_FIELDS, "inferenceConfig" },
	{ STR("inferenceConfig"), INFERENCE_ITSELF, NULL },
	{ STR("additionalModelRequestFields"), FIELDS_THEMSELVES, NULL },
	{ STR("additionalModelResponseFieldPaths"), IN_REQUEST, NULL },
	{ STR("guardrailConfig"), IN_REQUEST, NULL },
	{ STR("outputConfig"), IN_REQUEST, NULL },
	{ STR("performanceConfig"), IN_REQUEST, NULL },
	{ STR("promptVariables"), IN_REQUEST, NULL },
	{ STR("requestMetadata"), IN_REQUEST, NULL },
	{ STR("serviceTier"), IN_REQUEST, NULL },
	{ STR("messages"), WRITTEN, NULL },
	{ STR("model"), WRITTEN, NULL },
	{ STR("modelId"), WRITTEN, NULL },
	{ STR("stream"), WRITTEN, NULL },
	{ STR("system"), WRITTEN, NULL },
	{ STR("tool_choice"), WRITTEN, NULL },
	{ STR("toolConfig"), WRITTEN, NULL },
	{ STR("tools"), WRITTEN, NULL },
};

static struct member member_of(struct str name)
{
	for (size_t i = 0; i < COUNT(known); i++)
		if (str_eq(known[i].name, name))
			return known[i];
	return (struct member){ name, IN_FIELDS, NULL };
}

static bool is_placed(struct bedrock_writing *b, enum place place, struct str name)
{
	for (const struct llm_other *m = b->ant.members; m; m = m->next) {
		struct member k = member_of(m->name);
		if (k.place == place && str_eq(k.there ? str_z(k.there) : k.name, name))
			return true;
	}
	return false;
}

/* Members of a place, each behind the object that was opened for the first one. */
static bool put_placed(struct bedrock_writing *b, enum place place, const char *object,
		       bool is_open)
{
	struct json_out *o = &b->ant.o;
	for (const struct llm_other *m = b->ant.members; m; m = m->next) {
		struct member k = member_of(m->name);
		if (k.place != place)
			continue;
		if (object && !is_open)
			json_open(o, object);
		is_open = true;
		json_key(o, k.there ? str_z(k.there) : k.name);
		json_put_raw(o, NULL, m->json);
	}
	return is_open;
}

/* Those of an object that was given whole, but for what is said elsewhere, too. */
static bool put_given(struct bedrock_writing *b, const char *object, enum place place, bool is_open)
{
	struct json_out *o = &b->ant.o;
	const struct json *given = ant_parse(&b->ant, ant_find(&b->ant, str_z(object)));
	const struct json *j = json_is(given, JSON_OBJECT) ? given->child : NULL;
	for (; j; j = j->next) {
		if (is_placed(b, place, j->key))
			continue;
		if (!is_open)
			json_open(o, object);
		is_open = true;
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
	return is_open;
}

/* Whoever gives them himself is believed. */
static bool has_more_tools(struct bedrock_writing *b, const struct json *given)
{
	const struct llm_request *q = b->ant.q;
	const struct llm_tool *t = q->tools;
	if (json_get(given, "tools") || json_get(given, "tool_choice"))
		return false;
	while (t && t->kind != TOOL_OTHER)
		t = t->next;
	return b->model.is_claude &&
	       (t || (q->has_parallel_tool_calls && !q->parallel_tool_calls && q->tools));
}

void bedrock_put_members(struct bedrock_writing *b)
{
	static const char fields[] = "additionalModelRequestFields";
	struct json_out *o = &b->ant.o;
	bool is_open = put_placed(b, IN_INFERENCE, "inferenceConfig", false);
	if (put_given(b, "inferenceConfig", IN_INFERENCE, is_open))
		json_close(o);
	put_placed(b, IN_REQUEST, NULL, true);
	is_open = put_placed(b, IN_FIELDS, fields, false);
	is_open = put_given(b, fields, IN_FIELDS, is_open);
	if (has_more_tools(b, ant_parse(&b->ant, ant_find(&b->ant, str_z(fields))))) {
		if (!is_open)
			json_open(o, fields);
		is_open = true;
		bedrock_put_more_tools(b);
	}
	if (is_open)
		json_close(o);
}
