/* SPDX-License-Identifier: MIT
 * provider_responses_write.c - the neutral request in the words of OpenAI's Responses.
 *
 * The provider keeps nothing (store: false): what a client goes on with it sends itself, and
 * thoughts travel sealed. Parameters that this API has not are refused by name, or left out where
 * that is what drop_params asks for. */
#include <errno.h>

#include "worker/exchange/provider_responses.h"

enum { NAME_SHOWN = 64 };

static int refuse_param(struct rsp_writing *w, struct str name)
{
	char z[NAME_SHOWN + 1];
	size_t n = name.n < NAME_SHOWN ? name.n : NAME_SHOWN;
	if (w->target->drop_params || w->q->drop_params)
		return 0;
	for (size_t i = 0; i < n; i++)
		z[i] = name.p[i] > ' ' && name.p[i] < 0x7f ? name.p[i] : '?';
	z[n] = '\0';
	*w->err = (struct llm_error){
		.outcome = OUTCOME_UNSUPPORTED_PARAM,
		.message = arena_printf(w->mem, "this model is served by OpenAI's Responses, which "
						"has no parameter %s; drop_params drops it", z),
		.param = arena_dup(w->mem, str_z(z)),
	};
	return w->err->message.p && w->err->param.p ? -EINVAL : -ENOMEM;
}

/* A number that asks for nothing is none. */
static int refuse_number(struct rsp_writing *w, const char *name, struct str number)
{
	double v;
	if (!number.p || (str_read_double(number, &v) == 0 && v == 0))
		return 0;
	return refuse_param(w, str_z(name));
}

static int check(struct rsp_writing *w)
{
	const struct llm_request *q = w->q;
	int err = refuse_number(w, "top_k", q->top_k);
	if (!err && q->seed.p)
		err = refuse_param(w, STR("seed"));
	if (!err)
		err = refuse_number(w, "presence_penalty", q->presence_penalty);
	if (!err)
		err = refuse_number(w, "frequency_penalty", q->frequency_penalty);
	if (!err && q->n_stop)
		err = refuse_param(w, STR("stop"));
	if (!err && q->n > 1)
		err = refuse_param(w, STR("n"));
	return err;
}

/* --- tools --- */

/* A grammar stands in an object of its own in chat, and flat here. */
static int put_custom_format(struct rsp_writing *w, struct json_out *o, struct str format)
{
	struct json_error error;
	const struct json *j = json_parse(w->mem, format, 0, &error);
	const struct json *grammar = json_get(j, "grammar");
	if (!j)
		return -ENOMEM;
	if (!json_is(grammar, JSON_OBJECT)) {
		json_put_raw(o, "format", format);
		return 0;
	}
	json_open(o, "format");
	json_put_z(o, "type", "grammar");
	for (const struct json *m = grammar->child; m; m = m->next) {
		json_key(o, m->key);
		json_put_raw(o, NULL, m->raw);
	}
	json_close(o);
	return 0;
}

/* strict has to be said: its preset here is not that of chat. */
static int put_tool(struct rsp_writing *w, struct json_out *o, const struct llm_tool *t)
{
	int err = 0;
	if (t->kind == TOOL_OTHER) {
		json_put_raw(o, NULL, t->schema);
		return 0;
	}
	json_open(o, NULL);
	json_put_z(o, "type", t->kind == TOOL_CUSTOM ? "custom" : "function");
	json_put_str(o, "name", t->name);
	if (t->description.p)
		json_put_str(o, "description", t->description);
	if (t->kind == TOOL_CUSTOM) {
		if (t->schema.p)
			err = put_custom_format(w, o, t->schema);
	} else {
		json_put_raw(o, "parameters",
			     t->schema.p ? t->schema
					 : STR("{\"type\":\"object\",\"properties\":{}}"));
		json_put_bool(o, "strict", t->strict);
	}
	json_close(o);
	return err;
}

static void put_choice(struct json_out *o, const struct llm_request *q)
{
	static const char *const words[] = {
		[CHOICE_AUTO] = "auto", [CHOICE_NONE] = "none", [CHOICE_REQUIRED] = "required",
	};
	const char *type = "function";
	if (q->tool_choice == CHOICE_UNSET)
		return;
	if (q->tool_choice != CHOICE_NAMED) {
		json_put_z(o, "tool_choice", words[q->tool_choice]);
		return;
	}
	for (const struct llm_tool *t = q->tools; t; t = t->next)
		if (t->kind == TOOL_CUSTOM && str_eq(t->name, q->tool_choice_name))
			type = "custom";
	json_open(o, "tool_choice");
	json_put_z(o, "type", type);
	json_put_str(o, "name", q->tool_choice_name);
	json_close(o);
}

static int put_tools(struct rsp_writing *w, struct json_out *o)
{
	const struct llm_request *q = w->q;
	int err = 0;
	if (q->tools) {
		json_open_array(o, "tools");
		for (const struct llm_tool *t = q->tools; t && !err; t = t->next)
			err = put_tool(w, o, t);
		json_close_array(o);
	}
	put_choice(o, q);
	if (q->has_parallel_tool_calls)
		json_put_bool(o, "parallel_tool_calls", q->parallel_tool_calls);
	return err;
}

/* --- the rest --- */

static struct str find_other(const struct llm_request *q, struct str name)
{
	for (const struct llm_other *m = q->other; m; m = m->next)
		if (str_eq(m->name, name))
			return m->json;
	return STR_NONE;
}

static void put_format(struct json_out *o, const struct llm_request *q)
{
	json_open(o, "format");
	if (q->format == FORMAT_SCHEMA) {
		json_put_z(o, "type", "json_schema");
		json_put_str(o, "name", q->format_name.p ? q->format_name : STR("answer"));
		if (q->format_description.p)
			json_put_str(o, "description", q->format_description);
		json_put_raw(o, "schema", q->format_schema.p ? q->format_schema : STR("{}"));
		json_put_bool(o, "strict", q->format_strict);
	} else {
		json_put_z(o, "type", q->format == FORMAT_JSON ? "json_object" : "text");
	}
	json_close(o);
}

static void put_text(struct json_out *o, const struct llm_request *q)
{
	struct str verbosity = STR_NONE;
	if (q->family == FAMILY_OPENAI)
		verbosity = find_other(q, STR("verbosity"));
	if (q->format == FORMAT_UNSET && !verbosity.p)
		return;
	json_open(o, "text");
	if (q->format != FORMAT_UNSET)
		put_format(o, q);
	if (verbosity.p)
		json_put_raw(o, "verbosity", verbosity);
	json_close(o);
}

static void put_reasoning(struct json_out *o, const struct rsp_writing *w)
{
	if (w->q->reasoning_effort.p) {
		json_open(o, "reasoning");
		json_put_str(o, "effort", w->q->reasoning_effort);
		json_close(o);
	}
	if (responses_can_reason(w->target->model))
		json_put_raw(o, "include", STR("[\"reasoning.encrypted_content\"]"));
}

/* What another family's dialect has beside the neutral form is in words that mean nothing here. */
static int put_others(struct rsp_writing *w, struct json_out *o)
{
	if (w->q->family != FAMILY_OPENAI)
		return 0;
	for (const struct llm_other *m = w->q->other; m; m = m->next) {
		enum responses_param to = responses_param_of(m->name);
		bool is_nothing = str_eq(m->json, STR("null")) || str_eq(m->json, STR("false"));
		if (to == RSP_PARAM_REFUSAL && !is_nothing) {
			int err = refuse_param(w, m->name);
			if (err)
				return err;
		}
		if (to != RSP_PARAM_SAME)
			continue;
		json_key(o, m->name);
		json_put_raw(o, NULL, m->json);
	}
	return 0;
}

int rsp_write_body(struct rsp_writing *w, struct buf *out)
{
	const struct llm_request *q = w->q;
	struct json_out o = json_out(out);
	int err = check(w);
	if (err)
		return err;
	json_open(&o, NULL);
	json_put_str(&o, "model", w->target->model);
	err = rsp_write_items(w, &o);
	if (!err)
		err = put_tools(w, &o);
	if (err)
		return err;
	put_text(&o, q);
	put_reasoning(&o, w);
	if (q->max_tokens)
		json_put_u64(&o, "max_output_tokens", q->max_tokens);
	if (q->temperature.p)
		json_put_raw(&o, "temperature", q->temperature);
	if (q->top_p.p)
		json_put_raw(&o, "top_p", q->top_p);
	if (q->user.p)
		json_put_str(&o, "user", q->user);
	json_put_bool(&o, "store", false);
	if (q->is_stream)
		json_put_bool(&o, "stream", true);
	err = put_others(w, &o);
	json_close(&o);
	return err;
}
