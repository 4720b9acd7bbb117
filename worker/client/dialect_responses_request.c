/* SPDX-License-Identifier: MIT
 * dialect_responses_request.c - the members of a POST /v1/responses, by table.
 *
 * What only this API has is taken here and goes to no provider of another family: the answer
 * shows it, or it asks for state that the gateway keeps. What chat has under the same name
 * travels among the others. What cannot be done is refused, never left out in silence. */
#include <errno.h>

#include "worker/client/dialect_responses.h"

/* --- members that are looked at and go no further --- */

/* Instructions and input are read in this order whatever theirs; tools come before a choice. */
static int read_later(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	(void)r;
	(void)at;
	(void)j;
	(void)to;
	return 0;
}

static int check_flag(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	bool v;
	(void)to;
	return oai_read_flag(r, at, j, &v);
}

static int check_string(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	(void)to;
	return j->type == JSON_STRING ? 0 : oai_refuse_type(r, at, "a string", j);
}

static int check_count(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	uint64_t v;
	(void)to;
	return oai_read_count(r, at, j, &v);
}

static int check_object(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	const struct json *v;
	(void)to;
	return oai_read_object(r, at, j, &v);
}

static int check_array(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	(void)to;
	return j->type == JSON_ARRAY ? 0 : oai_refuse_type(r, at, "an array", j);
}

static int check_include(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	struct place in = { .up = at };
	int err = check_array(r, at, j, to);
	for (const struct json *one = j->child; one && !err; one = one->next, in.index++)
		err = check_string(r, &in, one, NULL);
	return err;
}

static int check_truncation(struct oai_reading *r, const struct place *at, const struct json *j,
			    void *to)
{
	struct str word;
	(void)to;
	int err = oai_read_string(r, at, j, &word);
	if (!err && !str_eq(word, STR("auto")) && !str_eq(word, STR("disabled")))
		return oai_refuse(r, at, "must be \"auto\" or \"disabled\"");
	return err;
}

static int check_one(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	int64_t v;
	(void)to;
	if (json_read_i64(j, &v) != 0 || v != 1)
		return oai_refuse(r, at, "must be 1: a response is one answer");
	return 0;
}

/* --- what cannot be done here, or stands elsewhere --- */

static int check_background(struct oai_reading *r, const struct place *at, const struct json *j,
			    void *to)
{
	bool v = false;
	(void)to;
	int err = oai_read_flag(r, at, j, &v);
	return !err && v ? oai_refuse(r, at, "must be false: answers are given at once") : err;
}

static int refuse_conversation(struct oai_reading *r, const struct place *at, const struct json *j,
			       void *to)
{
	(void)j;
	(void)to;
	return oai_refuse(r, at, "cannot be used here: continue with previous_response_id");
}

static int refuse_prompt(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	(void)j;
	(void)to;
	return oai_refuse(r, at,
			  "cannot be used here: no prompts are kept; give instructions and input");
}

/* Names that a chat request has; let through, they would reach a provider beside our own. */
static int refuse_moved(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	static const struct {
		const char *was, *is;
	} names[] = {
		{ "messages", "input" },	    { "functions", "tools" },
		{ "function_call", "tool_choice" }, { "response_format", "text.format" },
		{ "verbosity", "text.verbosity" },
	};
	size_t i = 0;
	(void)j;
	(void)to;
	while (i + 1 < COUNT(names) && strcmp(names[i].was, at->name) != 0)
		i++;
	return oai_refuse(r, at, "is not a member of this request: use %s", names[i].is);
}

/* --- values --- */

/* Wins over the names that chat has for it. */
static int read_reasoning(struct oai_reading *r, const struct place *at, const struct json *j,
			  void *to)
{
	const struct json *v = NULL;
	(void)to;
	int err = oai_read_object(r, at, j, &v);
	if (!err)
		err = oai_optional(r, at, v, "effort", oai_read_string, &r->q->reasoning_effort);
	if (!err)
		err = oai_optional(r, at, v, "summary", check_string, NULL);
	return err ? err : oai_optional(r, at, v, "generate_summary", check_string, NULL);
}

/* The provider's, shown in the answer; the gateway takes it for its own where there is no other. */
static int read_metadata(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	const struct json *v = NULL;
	int err = oai_read_object(r, at, j, &v);
	if (!err && !json_is_given(json_get(r->q->root, "litellm_metadata")))
		*(const struct json **)to = v;
	return err;
}

static int read_previous(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	struct str *id = to;
	int err = oai_read_string(r, at, j, id);
	return !err && !id->n ? oai_refuse(r, at, "must not be empty") : err;
}

#define TO(member) offsetof(struct llm_request, member)

static const struct oai_param params[] = {
	{ "input", read_later, 0 },
	{ "instructions", check_string, 0 },
	{ "tools", rsp_read_tools, TO(tools) },
	{ "tool_choice", read_later, 0 },
	{ "parallel_tool_calls", oai_read_parallel, TO(parallel_tool_calls) },
	{ "text", rsp_read_text, 0 },
	{ "reasoning", read_reasoning, 0 },
	{ "max_output_tokens", oai_read_completion_max, TO(max_tokens) },
	{ "max_completion_tokens", oai_read_lesser_max, TO(max_tokens) },
	{ "previous_response_id", read_previous, TO(conversation_id) },
	{ "store", oai_read_flag, TO(wants_store) },
	{ "metadata", read_metadata, TO(metadata) },
	{ "litellm_metadata", oai_read_object, TO(metadata) },
	{ "include", check_include, 0 },
	{ "truncation", check_truncation, 0 },
	{ "stream_options", check_object, 0 },
	{ "max_tool_calls", check_count, 0 },
	{ "top_logprobs", check_count, 0 },
	{ "logprobs", check_flag, 0 },
	{ "context_management", check_array, 0 },
	{ "background", check_background, 0 },
	{ "conversation", refuse_conversation, 0 },
	{ "prompt", refuse_prompt, 0 },
	{ "n", check_one, 0 },
	{ "service_tier", oai_other_string, 0 },
	{ "safety_identifier", oai_other_string, 0 },
	{ "prompt_cache_key", oai_other_string, 0 },
	{ "prompt_cache_retention", oai_other_string, 0 },
	{ "messages", refuse_moved, 0 },
	{ "functions", refuse_moved, 0 },
	{ "function_call", refuse_moved, 0 },
	{ "response_format", refuse_moved, 0 },
	{ "verbosity", refuse_moved, 0 },
	{ NULL, NULL, 0 },
};

/* --- the conversation --- */

static int read_instructions(struct oai_reading *r, struct llm_message ***end)
{
	const struct json *j = json_get(r->q->root, "instructions");
	struct str text = json_str(r->mem, j);
	if (!json_is_given(j))
		return 0;
	return text.p ? rsp_add_text(r, ROLE_SYSTEM, text, end) : -ENOMEM;
}

static int read_input(struct oai_reading *r, struct llm_message ***end)
{
	static const struct place at = { .name = "input" };
	const struct json *j = json_get(r->q->root, "input");
	if (!json_is_given(j))
		return r->q->conversation_id.p ? 0 : oai_refuse(r, &at, "is missing");
	if (j->type == JSON_STRING) {
		struct str text = json_str(r->mem, j);
		return text.p ? rsp_add_text(r, ROLE_USER, text, end) : -ENOMEM;
	}
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, &at, "a string or an array of items", j);
	if (!j->count && !r->q->conversation_id.p)
		return oai_refuse(r, &at, "must not be empty");
	return rsp_read_items(r, &at, j, end);
}

/* What needs a conversation that was kept is joined when that is there. */
static int read_conversation(struct oai_reading *r)
{
	static const struct place at = { .name = "input" };
	struct llm_message **end = &r->q->messages;
	int err = read_instructions(r, &end);
	unsigned before = r->q->n_messages;
	if (!err)
		err = read_input(r, &end);
	if (err || r->q->conversation_id.p)
		return err;
	if (r->q->n_messages == before)
		return oai_refuse(r, &at, "says nothing");
	rsp_join_messages(r->q);
	return 0;
}

int rsp_read_request(struct arena *a, struct str body, const struct json *root,
		     struct llm_request *ret, struct dialect_error *reterr)
{
	const struct json *choice = json_get(root, "tool_choice");
	struct oai_reading r;
	oai_begin(&r, a, body, root, LLM_CHAT, ret, reterr);
	ret->wants_store = true;	/* as OpenAI does where nothing is said */
	ret->wants_usage = true;	/* a response always shows it */
	int err = oai_read_members(&r, root, params);
	if (!err && json_is_given(choice))
		err = rsp_read_tool_choice(&r, choice);
	return err ? err : read_conversation(&r);
}
