/* SPDX-License-Identifier: MIT
 * dialect_anthropic_request.c - the members of a message's body, by table.
 *
 * What is said of thinking and of the answer's form is told in neutral words, and travels along
 * as it came, too: for other families the words, for its own the letter. */
#include "worker/client/dialect_anthropic.h"

enum { EFFORT_LOW_BELOW = 2048, EFFORT_MEDIUM_BELOW = 4096 };

bool ant_is_ours(struct str name)
{
	return openai_is_ours(name) && !str_eq(name, STR("metadata"));
}

/* --- values --- */

/* None at all only warms the cache; whoever has none gives the least there is. */
static int read_max_tokens(struct oai_reading *r, const struct place *at, const struct json *j,
			   void *to)
{
	uint64_t v = 0;
	int err = oai_read_count(r, at, j, &v);
	if (!err)
		*(uint64_t *)to = v ? v : 1;
	return err;
}

static int read_stop(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct llm_request *q = r->q;
	struct place in = { .up = at };
	const struct json *list = NULL;
	(void)to;
	int err = oai_read_array(r, at, j, &list);
	q->n_stop = 0;
	if (!err && list->count > LLM_STOP_MAX)
		return oai_refuse(r, at, "must not hold more than %d strings", LLM_STOP_MAX);
	for (const struct json *one = err ? NULL : list->child; one && !err; one = one->next) {
		err = oai_read_string(r, &in, one, &q->stop[q->n_stop]);
		q->n_stop += !err;
		in.index++;
	}
	return err;
}

static int read_metadata(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	const struct json *object = NULL;
	int err = oai_read_object(r, at, j, &object);
	return err ? err : oai_optional(r, at, object, "user_id", oai_read_string, to);
}

/* --- thinking and the answer's form --- */

static struct str effort_of(uint64_t budget)
{
	if (budget < EFFORT_LOW_BELOW)
		return STR("low");
	return budget < EFFORT_MEDIUM_BELOW ? STR("medium") : STR("high");
}

/* Whether thinking is off, or up to the model, others need not be told: that is their own way, and
 * many know no word for it. An effort that is named elsewhere says more than a budget. */
static int read_thinking(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	const struct json *object = NULL;
	struct str type = STR_NONE, *effort = to;
	uint64_t budget = 0;
	int err = oai_read_object(r, at, j, &object);
	if (!err)
		err = oai_required(r, at, object, "type", oai_read_string, &type);
	if (!err && str_eq(type, STR("enabled")))
		err = oai_required(r, at, object, "budget_tokens", oai_read_count, &budget);
	if (!err && budget && !effort->p)
		*effort = effort_of(budget);
	return err ? err : oai_add_other(r, "", j->key, j->raw);
}

static int read_format(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	const struct json *object = NULL, *schema = NULL;
	struct llm_request *q = to;
	struct str type = STR_NONE;
	int err = oai_read_object(r, at, j, &object);
	if (!err)
		err = oai_required(r, at, object, "type", oai_read_string, &type);
	if (err || !str_eq(type, STR("json_schema")))
		return err;
	err = oai_required(r, at, object, "schema", oai_read_object, &schema);
	if (err)
		return err;
	q->format = FORMAT_SCHEMA;
	q->format_strict = true;
	q->format_schema = schema->raw;
	q->prompt_bytes += schema->raw.n;
	return 0;
}

static int read_output(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	const struct json *object = NULL;
	struct llm_request *q = to;
	int err = oai_read_object(r, at, j, &object);
	if (!err)
		err = oai_optional(r, at, object, "effort", oai_read_string, &q->reasoning_effort);
	if (!err && str_eq(q->reasoning_effort, STR("max")))
		q->reasoning_effort = STR("xhigh");	/* the most that others know */
	if (!err)
		err = oai_optional(r, at, object, "format", read_format, q);
	return err ? err : oai_add_other(r, "", j->key, j->raw);
}

/* The form's older place. */
static int read_output_format(struct oai_reading *r, const struct place *at, const struct json *j,
			      void *to)
{
	int err = read_format(r, at, j, to);
	return err ? err : oai_add_other(r, "", j->key, j->raw);
}

/* --- the table --- */

#define TO(member) offsetof(struct llm_request, member)

static const struct oai_param params[] = {
	{ "model", oai_read_string, TO(model) },
	{ "max_tokens", read_max_tokens, TO(max_tokens) },
	{ "messages", ant_read_messages, TO(messages) },
	{ "system", ant_read_system, TO(messages) },
	{ "stop_sequences", read_stop, 0 },
	{ "stream", oai_read_flag, TO(is_stream) },
	{ "temperature", oai_read_number, TO(temperature) },
	{ "top_p", oai_read_number, TO(top_p) },
	{ "top_k", oai_read_number, TO(top_k) },
	{ "tools", ant_read_tools, TO(tools) },
	{ "tool_choice", ant_read_tool_choice, 0 },
	{ "thinking", read_thinking, TO(reasoning_effort) },
	{ "output_config", read_output, 0 },
	{ "output_format", read_output_format, 0 },
	{ "metadata", read_metadata, TO(user) },
	{ "service_tier", oai_other_string, 0 },
	{ "cache_control", oai_other_object, 0 },
	{ "context_management", oai_other_object, 0 },
	{ "mcp_servers", oai_other_array, 0 },
	{ "litellm_metadata", oai_read_object, TO(metadata) },
};

static int read_member(struct oai_reading *r, const struct json *j)
{
	const struct oai_param *p = oai_find_gateways(j->key);
	for (size_t i = 0; i < COUNT(params) && !p; i++)
		p = str_eq_z(j->key, params[i].name) ? &params[i] : NULL;
	if (p) {
		struct place at = { .name = p->name };
		return p->read(r, &at, j, (char *)r->q + p->to);
	}
	return ant_is_ours(j->key) ? 0 : oai_add_other(r, "", j->key, j->raw);
}

static int check_given(struct oai_reading *r, bool is_count)
{
	static const struct place model = { .name = "model" }, messages = { .name = "messages" };
	static const struct place limit = { .name = "max_tokens" };
	if (!r->q->model.p)
		return oai_refuse(r, &model, "is missing");
	if (!r->q->model.n)
		return oai_refuse(r, &model, "must not be empty");
	if (!r->q->max_tokens && !is_count)
		return oai_refuse(r, &limit, "is missing");
	return json_is_given(json_get(r->q->root, "messages"))
		       ? 0 : oai_refuse(r, &messages, "is missing");
}

int ant_read_request(struct arena *a, struct str body, const struct json *root, bool is_count,
		     struct llm_request *ret, struct dialect_error *reterr)
{
	struct oai_reading r;
	oai_begin(&r, a, body, root, LLM_CHAT, ret, reterr);
	ret->family = FAMILY_ANTHROPIC;
	for (const struct json *j = root->child; j; j = j->next) {
		int err = json_is_given(j) ? read_member(&r, j) : 0;
		if (err)
			return err;
	}
	ret->wants_usage = ret->is_stream;
	return check_given(&r, is_count);
}
