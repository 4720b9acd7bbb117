/* SPDX-License-Identifier: MIT
 * responses.c - tables of the Responses format, and what both sides read from it; see
 * responses.h. */
#include "worker/responses.h"

#include <errno.h>

#include "common/json_write.h"

static const struct responses_event events[] = {
	{ STR("response.created"), RSP_EV_BEGIN, EV_START },
	{ STR("response.output_text.delta"), RSP_EV_DELTA, EV_TEXT },
	{ STR("response.refusal.delta"), RSP_EV_DELTA, EV_REFUSAL },
	{ STR("response.reasoning_text.delta"), RSP_EV_DELTA, EV_REASONING },
	{ STR("response.reasoning_summary_text.delta"), RSP_EV_DELTA, EV_REASONING },
	{ STR("response.function_call_arguments.delta"), RSP_EV_DELTA, EV_TOOL_ARGS },
	{ STR("response.custom_tool_call_input.delta"), RSP_EV_DELTA, EV_TOOL_ARGS },
	{ STR("response.mcp_call_arguments.delta"), RSP_EV_DELTA, EV_TOOL_ARGS },
	{ STR("response.code_interpreter_call_code.delta"), RSP_EV_DELTA, EV_TOOL_ARGS },
	{ STR("response.reasoning_summary_part.added"), RSP_EV_PART, EV_REASONING },
	{ STR("response.output_item.added"), RSP_EV_ITEM, EV_TOOL_START },
	{ STR("response.output_item.done"), RSP_EV_ITEM_DONE, EV_START },
	{ STR("response.completed"), RSP_EV_END, EV_END },
	{ STR("response.incomplete"), RSP_EV_END, EV_END },
	{ STR("response.failed"), RSP_EV_FAILED, EV_ERROR },
	{ STR("response.cancelled"), RSP_EV_FAILED, EV_ERROR },
	{ STR("error"), RSP_EV_ERROR, EV_ERROR },
	{ STR(""), RSP_EV_OTHER, EV_START },		/* any other */
};

const struct responses_event *responses_event_of(struct str type)
{
	const struct responses_event *row = events;
	while (row->type.n && !str_eq(row->type, type))
		row++;
	return row;
}

static uint64_t read_count(const struct json *usage, const char *path)
{
	uint64_t n = json_count(json_get_path(usage, path));
	return n < INT32_MAX ? n : INT32_MAX;
}

void responses_read_usage(const struct json *usage, struct usage *ret)
{
	*ret = (struct usage){
		.input = read_count(usage, "input_tokens"),
		.output = read_count(usage, "output_tokens"),
		.cache_read = read_count(usage, "input_tokens_details.cached_tokens"),
		.cache_write = read_count(usage, "input_tokens_details.cache_write_tokens"),
		.reasoning = read_count(usage, "output_tokens_details.reasoning_tokens"),
	};
	usage_clamp(ret);
}

static void count_session(struct responses_tools *t, struct str container)
{
	uint32_t n = t->sessions;
	for (uint32_t i = 0; i < n && i < COUNT(t->seen); i++)
		if (str_eq(t->seen[i], container))
			return;
	if (n < COUNT(t->seen))
		t->seen[n] = container;
	t->sessions++;
}

void responses_count_item(struct responses_tools *t, struct str type, struct str action,
			  struct str container)
{
	if (str_eq(type, STR("\"web_search_call\"")))
		t->searches += !action.p || str_eq(action, STR("\"search\""));
	else if (str_eq(type, STR("\"file_search_call\"")))
		t->file_searches++;
	else if (str_eq(type, STR("\"code_interpreter_call\"")))
		count_session(t, container);
}

static struct str raw_of(const struct json *j)
{
	return j ? j->raw : STR_NONE;
}

/* What its provider's tools did, and how much a search was told to read. */
static void read_tools(const struct json *response, struct usage *u)
{
	const struct json *output = json_get(response, "output"), *tools;
	struct responses_tools t = { 0 };
	if (json_is(output, JSON_ARRAY))
		for (const struct json *j = output->child; j; j = j->next)
			responses_count_item(&t, raw_of(json_get(j, "type")),
					     raw_of(json_get_path(j, "action.type")),
					     raw_of(json_get(j, "container_id")));
	u->web_searches = t.searches;
	u->file_searches = t.file_searches;
	u->sessions = t.sessions;
	tools = u->web_searches ? json_get(response, "tools") : NULL;
	if (json_is(tools, JSON_ARRAY))
		for (const struct json *j = tools->child; j && !u->search_size; j = j->next)
			u->search_size = (uint8_t)llm_search_size_of(
				json_get(j, "search_context_size"));
}

void responses_read_worth(const struct json *response, struct usage *ret)
{
	responses_read_usage(json_get(response, "usage"), ret);
	ret->tier = (uint8_t)llm_tier_of(json_get(response, "service_tier"));
	read_tools(response, ret);
	usage_clamp(ret);
}

enum llm_finish responses_finish_of(struct arena *a, const struct json *response)
{
	struct str reason = json_get_str(a, json_get(response, "incomplete_details"), "reason");
	const struct json *output = json_get(response, "output");
	if (reason.n)
		return str_eq(reason, STR("content_filter")) ? FINISH_FILTER : FINISH_LENGTH;
	for (const struct json *j = output ? output->child : NULL; j; j = j->next) {
		struct str type = json_get_str(a, j, "type");
		if (str_eq(type, STR("function_call")) || str_eq(type, STR("custom_tool_call")))
			return FINISH_TOOL_CALLS;
	}
	return FINISH_STOP;
}

/* ---- models ---- */

static bool matches_any(const char *const *patterns, size_t n, struct str model)
{
	for (size_t at; (at = str_find_char(model, '/')) != SIZE_MAX;)
		model = str_skip(model, at + 1);
	for (size_t i = 0; i < n; i++)
		if (str_matches(str_z(patterns[i]), model))
			return true;
	return false;
}

bool responses_is_needed(struct str model)
{
	static const char *const patterns[] = {
		"codex-mini*", "gpt-*-codex*", "o1-pro*", "o3-pro*", "gpt-*-pro", "gpt-*-pro-*",
		"o*-deep-research*", "computer-use-preview*",
	};
	return matches_any(patterns, COUNT(patterns), model);
}

bool responses_can_reason(struct str model)
{
	static const char *const patterns[] = {
		"o1*", "o3*", "o4*", "gpt-5*", "gpt-6*", "codex-*",
	};
	return matches_any(patterns, COUNT(patterns), model);
}

/* ---- parameters ---- */

static const struct {
	struct str name;
	enum responses_param to;
} params_of_chat[] = {
	{ STR("max_tokens"), RSP_PARAM_LIMIT },
	{ STR("max_completion_tokens"), RSP_PARAM_LIMIT },
	{ STR("reasoning_effort"), RSP_PARAM_EFFORT },
	{ STR("verbosity"), RSP_PARAM_VERBOSITY },
	{ STR("response_format"), RSP_PARAM_FORMAT },
	{ STR("messages"), RSP_PARAM_NOWHERE },
	{ STR("stream_options"), RSP_PARAM_NOWHERE },
	{ STR("store"), RSP_PARAM_NOWHERE },
	{ STR("prediction"), RSP_PARAM_NOWHERE },
	{ STR("functions"), RSP_PARAM_NOWHERE },
	{ STR("function_call"), RSP_PARAM_NOWHERE },
	{ STR("n"), RSP_PARAM_REFUSAL },
	{ STR("stop"), RSP_PARAM_REFUSAL },
	{ STR("seed"), RSP_PARAM_REFUSAL },
	{ STR("top_k"), RSP_PARAM_REFUSAL },
	{ STR("presence_penalty"), RSP_PARAM_REFUSAL },
	{ STR("frequency_penalty"), RSP_PARAM_REFUSAL },
	{ STR("logit_bias"), RSP_PARAM_REFUSAL },
	{ STR("logprobs"), RSP_PARAM_REFUSAL },
	{ STR("modalities"), RSP_PARAM_REFUSAL },
	{ STR("audio"), RSP_PARAM_REFUSAL },
	{ STR("web_search_options"), RSP_PARAM_REFUSAL },
};

enum responses_param responses_param_of(struct str name)
{
	for (size_t i = 0; i < COUNT(params_of_chat); i++)
		if (str_eq(params_of_chat[i].name, name))
			return params_of_chat[i].to;
	return RSP_PARAM_SAME;
}

/* A format around its schema in chat, and flat here. */
static void put_format(struct json_out *o, const struct json *format)
{
	const struct json *schema = json_get(format, "json_schema");
	if (!json_is(schema, JSON_OBJECT)) {
		json_put_raw(o, "format", format->raw);
		return;
	}
	json_open(o, "format");
	json_put_z(o, "type", "json_schema");
	for (const struct json *j = schema->child; j; j = j->next) {
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
	json_close(o);
}

struct params {
	const struct json *limit, *effort, *verbosity, *format;
};

static void sort_param(struct params *p, const struct json *j, struct json_out *o)
{
	switch (responses_param_of(j->key)) {
	case RSP_PARAM_SAME:
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
		break;
	case RSP_PARAM_LIMIT:
		p->limit = j;
		break;
	case RSP_PARAM_EFFORT:
		p->effort = j;
		break;
	case RSP_PARAM_VERBOSITY:
		p->verbosity = j;
		break;
	case RSP_PARAM_FORMAT:
		p->format = j;
		break;
	case RSP_PARAM_NOWHERE:
	case RSP_PARAM_REFUSAL:
		break;
	}
}

static void put_sorted(const struct params *p, const struct json *all, struct json_out *o)
{
	if (p->limit && !json_get(all, "max_output_tokens"))
		json_put_raw(o, "max_output_tokens", p->limit->raw);
	if (p->effort && !json_get(all, "reasoning")) {
		json_open(o, "reasoning");
		json_put_raw(o, "effort", p->effort->raw);
		json_close(o);
	}
	if ((!p->verbosity && !p->format) || json_get(all, "text"))
		return;
	json_open(o, "text");
	if (p->format)
		put_format(o, p->format);
	if (p->verbosity)
		json_put_raw(o, "verbosity", p->verbosity->raw);
	json_close(o);
}

int responses_read_params(struct arena *a, struct str params, struct str *ret)
{
	struct json_error error;
	struct params sorted = { 0 };
	struct buf out;
	const struct json *all = params.n ? json_parse(a, params, 0, &error) : NULL;
	*ret = STR_NONE;
	if (params.n && !all)
		return -ENOMEM;		/* the master has read it */
	if (!json_is(all, JSON_OBJECT))
		return 0;
	buf_init(&out, 2 * params.n + 256);
	struct json_out o = json_out(&out);
	json_open(&o, NULL);
	for (const struct json *j = all->child; j; j = j->next)
		sort_param(&sorted, j, &o);
	put_sorted(&sorted, all, &o);
	json_close(&o);
	if (!out.failed)
		*ret = arena_dup(a, buf_str(&out));
	buf_done(&out);
	return ret->p ? 0 : -ENOMEM;
}
