/* SPDX-License-Identifier: MIT
 * dialect_openai_request.c - the members of an OpenAI request body, by table.
 *
 * A null is a member not given. A member that no table knows travels along as it came; one that
 * a table knows must have the right type, and a refusal names the place. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "worker/client/dialect_openai.h"
#include "worker/params.h"

enum { MESSAGE_MAX = 512, COUNT_MAX = INT32_MAX, N_MAX = 128 };

/* --- refusing --- */

static void put_place(struct buf *b, const struct place *at)
{
	if (!at)
		return;
	put_place(b, at->up);
	if (at->name && b->n)
		buf_put_char(b, '.');
	if (at->name)
		buf_put_z(b, at->name);
	else
		buf_printf(b, "[%zu]", at->index);
}

int oai_refuse(struct oai_reading *r, const struct place *at, const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	struct buf b;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_init(&b, 2 * MESSAGE_MAX);
	put_place(&b, at);
	*r->err = (struct dialect_error){ .outcome = OUTCOME_BAD_REQUEST };
	r->err->param = arena_dup(r->mem, buf_str(&b));
	buf_put_char(&b, ' ');
	buf_put_z(&b, text);
	r->err->message = arena_dup(r->mem, buf_str(&b));
	if (!r->err->message.p)
		r->err->message = STR("the request is not what it should be");
	buf_done(&b);
	return -EINVAL;
}

int oai_refuse_type(struct oai_reading *r, const struct place *at, const char *wanted,
		    const struct json *j)
{
	return oai_refuse(r, at, "must be %s, not %s", wanted, json_type_name(j->type));
}

int oai_optional(struct oai_reading *r, const struct place *up, const struct json *object,
		 const char *name, oai_read_fn *read, void *to)
{
	struct place at = { .up = up, .name = name };
	const struct json *j = json_get(object, name);
	return json_is_given(j) ? read(r, &at, j, to) : 0;
}

int oai_required(struct oai_reading *r, const struct place *up, const struct json *object,
		 const char *name, oai_read_fn *read, void *to)
{
	struct place at = { .up = up, .name = name };
	const struct json *j = json_get(object, name);
	return json_is_given(j) ? read(r, &at, j, to) : oai_refuse(r, &at, "is missing");
}

/* LiteLLM's words: a client must not choose where its request goes. */
static int refuse_credential(struct oai_reading *r, const struct place *at, const struct json *j,
			     void *to)
{
	(void)j;
	(void)to;
	oai_refuse(r, at, "is not allowed in request body");
	struct str message = arena_printf(r->mem,
					  "Rejected Request: %s is not allowed in request body",
					  at->name);
	if (message.p)
		r->err->message = message;
	return -EINVAL;
}

/* --- values --- */

int oai_read_string(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct str *s = to;
	if (j->type != JSON_STRING)
		return oai_refuse_type(r, at, "a string", j);
	*s = json_str(r->mem, j);
	return s->p ? 0 : -ENOMEM;
}

int oai_read_number(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct str *s = to;
	if (j->type != JSON_NUMBER)
		return oai_refuse_type(r, at, "a number", j);
	*s = j->raw;
	return 0;
}

static int read_integer(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	int64_t v;
	if (json_read_i64(j, &v) == -EINVAL)
		return oai_refuse_type(r, at, "a whole number", j);
	return oai_read_number(r, at, j, to);
}

int oai_read_count(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	int64_t v = -1;
	if (json_read_i64(j, &v) == -EINVAL)
		return oai_refuse_type(r, at, "a whole number", j);
	if (v < 0 || v > COUNT_MAX)
		return oai_refuse(r, at, "must be between 0 and %d", COUNT_MAX);
	*(uint64_t *)to = (uint64_t)v;
	return 0;
}

int oai_read_flag(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	if (j->type != JSON_TRUE && j->type != JSON_FALSE)
		return oai_refuse_type(r, at, "true or false", j);
	*(bool *)to = j->type == JSON_TRUE;
	return 0;
}

int oai_read_object(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	*(const struct json **)to = j;
	return 0;
}

int oai_read_any(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	(void)r;
	(void)at;
	*(const struct json **)to = j;
	return 0;
}

int oai_read_array(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "an array", j);
	return oai_read_any(r, at, j, to);
}

/* A name, or a list: the first is asked, the others are fallbacks unless those are given. */
static int read_model(struct oai_reading *r, const struct place *at, const struct json *j,
		      void *to)
{
	struct str *model = to;
	if (j->type != JSON_ARRAY)
		return oai_read_string(r, at, j, to);
	for (const struct json *name = j->child; name; name = name->next)
		if (name->type != JSON_STRING)
			return oai_refuse_type(r, at, "a name or a list of names", name);
	if (!j->child)
		return oai_refuse(r, at, "must not be empty");
	*model = json_str(r->mem, j->child);
	if (!r->q->fallbacks)
		r->q->fallbacks = j;
	return model->p ? 0 : -ENOMEM;
}

int oai_read_seconds(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	double v = -1;
	if (j->type != JSON_NUMBER)
		return oai_refuse_type(r, at, "a number", j);
	if (json_read_double(j, &v) != 0 || v < 0 || v > COUNT_MAX)
		return oai_refuse(r, at, "must be between 0 and %d", COUNT_MAX);
	*(double *)to = v;
	return 0;
}

int oai_read_names(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct place in = { .up = at };
	int err = oai_read_array(r, at, j, to);
	if (!err && j->count > PARAMS_LISTED_MAX)
		err = oai_refuse(r, at, "must not hold more than %d names", PARAMS_LISTED_MAX);
	for (const struct json *one = err ? NULL : j->child; one && !err; one = one->next) {
		if (one->type != JSON_STRING)
			err = oai_refuse_type(r, &in, "a string", one);
		in.index++;
	}
	return err;
}

int oai_read_retries(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	uint64_t v = 0;
	int err = oai_read_count(r, at, j, &v);
	if (!err)
		*(int64_t *)to = (int64_t)v;
	return err;
}

static int read_choices(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	uint64_t v = 0;
	int err = oai_read_count(r, at, j, &v);
	if (!err && (v < 1 || v > N_MAX))
		return oai_refuse(r, at, "must be between 1 and %d", N_MAX);
	if (!err)
		*(uint64_t *)to = v;
	return err;
}

int oai_read_most(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	uint64_t *most = &r->q->most_tokens;
	int err = oai_read_count(r, at, j, to);
	if (!err && *(uint64_t *)to > *most)
		*most = *(uint64_t *)to;
	return err;
}

int oai_read_lesser_max(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	uint64_t v = 0;
	int err = oai_read_most(r, at, j, &v);
	if (!err && !r->has_completion_max)
		*(uint64_t *)to = v;
	return err;
}

int oai_read_completion_max(struct oai_reading *r, const struct place *at, const struct json *j,
			    void *to)
{
	r->has_completion_max = true;
	return oai_read_most(r, at, j, to);
}

int oai_read_stop(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct llm_request *q = r->q;
	struct place in = { .up = at };
	(void)to;
	q->n_stop = 0;
	if (j->type == JSON_STRING) {
		q->n_stop = 1;
		return oai_read_string(r, at, j, &q->stop[0]);
	}
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "a string or an array of strings", j);
	if (j->count > LLM_STOP_MAX)
		return oai_refuse(r, at, "must not hold more than %d strings", LLM_STOP_MAX);
	for (const struct json *one = j->child; one; one = one->next, in.index++) {
		int err = oai_read_string(r, &in, one, &q->stop[q->n_stop]);
		if (err)
			return err;
		q->n_stop++;
	}
	return 0;
}

static int read_stream_options(struct oai_reading *r, const struct place *at, const struct json *j,
			       void *to)
{
	struct place in = { .up = at, .name = "include_usage" };
	const struct json *options = NULL;
	int err = oai_read_object(r, at, j, &options);
	const struct json *usage = err ? NULL : json_get(options, "include_usage");
	return json_is_given(usage) ? oai_read_flag(r, &in, usage, to) : err;
}

/* --- prompts and inputs --- */

static int check_ids(struct oai_reading *r, const struct place *at, const struct json *list)
{
	struct place in = { .up = at };
	int64_t v;
	for (const struct json *j = list->child; j; j = j->next, in.index++)
		if (json_read_i64(j, &v) != 0 || v < 0)
			return oai_refuse(r, &in, "must be a token's number");
	r->q->prompt_bytes += list->count;
	return list->count ? 0 : oai_refuse(r, at, "must not be empty");
}

static int read_input(struct oai_reading *r, const struct place *at, const struct json *j,
		      bool first)
{
	struct llm_request *q = r->q;
	bool is_ids = j->type == JSON_ARRAY;
	if ((!is_ids && j->type != JSON_STRING) || (!first && is_ids != q->inputs_are_tokens))
		return oai_refuse_type(r, at, first ? "a string or an array of tokens"
				       : q->inputs_are_tokens ? "an array of tokens" : "a string",
					       j);
	q->inputs_are_tokens = is_ids;
	struct str *to = &q->inputs[q->n_inputs++];
	*to = is_ids ? j->raw : json_str(r->mem, j);
	if (!is_ids)
		q->prompt_bytes += to->n;
	if (!to->p)
		return -ENOMEM;
	return is_ids ? check_ids(r, at, j) : 0;
}

/* A string, strings, tokens, or arrays of tokens. */
int oai_read_inputs(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct llm_request *q = r->q;
	struct place in = { .up = at };
	(void)to;
	bool is_one = j->type == JSON_STRING || json_is(json_at(j, 0), JSON_NUMBER);
	if (j->type != JSON_STRING && j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "a string or an array", j);
	if (j->type == JSON_ARRAY && !j->count)
		return oai_refuse(r, at, "must not be empty");
	q->n_inputs = 0;
	q->inputs = arena_array(r->mem, is_one ? 1 : j->count, sizeof *q->inputs);
	if (!q->inputs)
		return -ENOMEM;
	if (is_one)
		return read_input(r, at, j, true);
	for (const struct json *one = j->child; one; one = one->next, in.index++) {
		int err = read_input(r, &in, one, in.index == 0);
		if (err)
			return err;
	}
	return 0;
}

/* --- what the neutral form does not know --- */

int oai_add_other(struct oai_reading *r, const char *before, struct str name, struct str json)
{
	struct llm_other *o = arena_alloc(r->mem, sizeof *o);
	if (!o)
		return -ENOMEM;
	o->name = before[0] ? arena_printf(r->mem, "%s" STR_FMT, before, STR_ARG(name)) : name;
	o->json = json;
	*r->other_end = o;
	r->other_end = &o->next;
	return o->name.p ? 0 : -ENOMEM;
}

int oai_other_flag(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	bool v;
	(void)to;
	int err = oai_read_flag(r, at, j, &v);
	return err ? err : oai_add_other(r, "", j->key, j->raw);
}

int oai_other_string(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	(void)to;
	return j->type == JSON_STRING ? oai_add_other(r, "", j->key, j->raw)
				      : oai_refuse_type(r, at, "a string", j);
}

int oai_other_number(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct str v;
	(void)to;
	int err = oai_read_number(r, at, j, &v);
	return err ? err : oai_add_other(r, "", j->key, j->raw);
}

int oai_other_object(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	const struct json *v;
	(void)to;
	int err = oai_read_object(r, at, j, &v);
	return err ? err : oai_add_other(r, "", j->key, j->raw);
}

int oai_other_array(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	const struct json *v;
	(void)to;
	int err = oai_read_array(r, at, j, &v);
	return err ? err : oai_add_other(r, "", j->key, j->raw);
}

/* --- tables --- */

#define TO(member) offsetof(struct llm_request, member)

static const struct oai_param common[] = {
	{ "model", read_model, TO(model) },
	{ "stream", oai_read_flag, TO(is_stream) },
	{ "stream_options", read_stream_options, TO(wants_usage) },
	{ "max_tokens", oai_read_lesser_max, TO(max_tokens) },
	{ "max_completion_tokens", oai_read_completion_max, TO(max_tokens) },
	{ "temperature", oai_read_number, TO(temperature) },
	{ "top_p", oai_read_number, TO(top_p) },
	{ "top_k", oai_read_number, TO(top_k) },
	{ "seed", read_integer, TO(seed) },
	{ "presence_penalty", oai_read_number, TO(presence_penalty) },
	{ "frequency_penalty", oai_read_number, TO(frequency_penalty) },
	{ "stop", oai_read_stop, 0 },
	{ "n", read_choices, TO(n) },
	{ "user", oai_read_string, TO(user) },
	{ "reasoning_effort", oai_read_string, TO(reasoning_effort) },
	{ "logit_bias", oai_other_object, 0 },
	{ "metadata", oai_read_object, TO(metadata) },
	{ "extra_body", oai_read_object, TO(extra_body) },
	{ NULL, NULL, 0 },
};

/* LiteLLM's own, in any dialect with room for them. */
static const struct oai_param gateways[] = {
	{ "fallbacks", oai_read_array, TO(fallbacks) },
	{ "mock_response", oai_read_any, TO(mock_response) },
	{ "num_retries", oai_read_retries, TO(num_retries) },
	{ "timeout", oai_read_seconds, TO(timeout_s) },
	{ "request_timeout", oai_read_seconds, TO(timeout_s) },
	{ "stream_timeout", oai_read_seconds, TO(stream_timeout_s) },
	{ "disable_fallbacks", oai_read_flag, TO(disable_fallbacks) },
	{ "drop_params", oai_read_flag, TO(drop_params) },
	{ "additional_drop_params", oai_read_names, TO(dropped_params) },
	{ "allowed_openai_params", oai_read_names, TO(allowed_params) },
	{ "api_base", refuse_credential, 0 },
	{ "api_key", refuse_credential, 0 },
	{ "base_url", refuse_credential, 0 },
	{ "user_config", refuse_credential, 0 },
	{ NULL, NULL, 0 },
};

static const struct oai_param *find_param(const struct oai_param *table, struct str name)
{
	for (; table->name; table++)
		if (table->name[0] == name.p[0] && str_eq_z(name, table->name))
			return table;
	return NULL;
}

const struct oai_param *oai_find_gateways(struct str name)
{
	return name.n ? find_param(gateways, name) : NULL;
}

static const struct oai_param *find_any(const struct oai_param *own, struct str name)
{
	const struct oai_param *p = name.n ? find_param(own, name) : NULL;
	if (name.n && !p)
		p = find_param(common, name);
	return p ? p : oai_find_gateways(name);
}

static int read_member(struct oai_reading *r, const struct json *j, const struct oai_param *own)
{
	const struct oai_param *p = find_any(own, j->key);
	if (p) {
		struct place at = { .name = p->name };
		return p->read(r, &at, j, (char *)r->q + p->to);
	}
	return openai_is_ours(j->key) ? 0 : oai_add_other(r, "", j->key, j->raw);
}

/* Members for the provider alone. What the gateway reads must stand where it reads it: a limit
 * or a model that slipped past it would be neither checked nor paid for. */
static int read_extra_body(struct oai_reading *r, const struct oai_param *own)
{
	const struct json *extra = r->q->extra_body;
	struct place up = { .name = "extra_body" };
	for (const struct json *j = extra ? extra->child : NULL; j; j = j->next) {
		const struct oai_param *p = find_any(own, j->key);
		struct place in = { .up = &up, .name = p ? p->name : "" };
		if (p || openai_is_ours(j->key))
			return oai_refuse(r, p ? &in : &up,
					  "must stand in the request itself, not in extra_body");
		int err = json_member(r->q->root, j->key) ? 0 :
			  oai_add_other(r, "", j->key, j->raw);
		if (err)
			return err;
	}
	return 0;
}

int oai_read_members(struct oai_reading *r, const struct json *root, const struct oai_param *own)
{
	static const struct place model = { .name = "model" };
	for (const struct json *j = root->child; j; j = j->next) {
		int err = json_is_given(j) ? read_member(r, j, own) : 0;
		if (err)
			return err;
	}
	int err = read_extra_body(r, own);
	if (err)
		return err;
	if (!r->q->model.p)
		return oai_refuse(r, &model, "is missing");
	return r->q->model.n ? 0 : oai_refuse(r, &model, "must not be empty");
}

void oai_begin(struct oai_reading *r, struct arena *a, struct str body, const struct json *root,
	       enum llm_kind kind, struct llm_request *ret, struct dialect_error *err)
{
	struct str model = ret->model;
	*ret = (struct llm_request){ .kind = kind, .model = model, .body = body, .root = root };
	ret->n = 1;
	ret->num_retries = -1;
	*err = (struct dialect_error){ .outcome = OUTCOME_BAD_REQUEST };
	*r = (struct oai_reading){ .mem = a, .q = ret, .err = err, .other_end = &ret->other };
}
