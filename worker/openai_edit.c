/* SPDX-License-Identifier: MIT
 * openai_edit.c - a client's request made into the provider's by replacing, taking out and adding
 * members; all other bytes go on as they came.
 *
 * A member that is taken out goes with the comma before it, or, at the front, with the one behind
 * it. What a deployment adds stands at the end. */
#include "worker/openai.h"

#include <errno.h>

#include "common/json_write.h"
#include "worker/params.h"

enum { NESTED_MAX = 4096 };	/* nested members taken out of one body */

/* Names of LiteLLM's own parameters; those that begin with "litellm_" or "mock_" are, too. */
static const struct str ours[] = {
	STR("additional_drop_params"),
	STR("allowed_openai_params"),
	STR("api_base"),
	STR("api_key"),
	STR("api_version"),
	STR("base_url"),
	STR("cache"),
	STR("caching"),
	STR("content_policy_fallbacks"),
	STR("context_window_fallback_dict"),
	STR("context_window_fallbacks"),
	STR("custom_llm_provider"),
	STR("disable_fallbacks"),
	STR("disable_global_guardrails"),
	STR("drop_params"),
	STR("extra_body"),
	STR("extra_headers"),
	STR("fallbacks"),
	STR("fastest_response"),
	STR("guardrails"),
	STR("max_cost"),
	STR("max_retries"),
	STR("metadata"),
	STR("no-log"),
	STR("num_retries"),
	STR("policies"),
	STR("priority"),
	STR("provider_specific_header"),
	STR("proxy_server_request"),
	STR("request_timeout"),
	STR("secret_fields"),
	STR("stream_timeout"),
	STR("tags"),
	STR("target_model_names"),
	STR("timeout"),
	STR("turn_off_message_logging"),
	STR("user_config"),
};

bool openai_is_ours(struct str name)
{
	if (str_starts(name, STR("litellm_")) || str_starts(name, STR("mock_")))
		return true;
	for (size_t i = 0; i < COUNT(ours); i++)
		if (str_eq(name, ours[i]))
			return true;
	return false;
}

struct str openai_quote(struct arena *a, struct str s)
{
	struct buf b;
	size_t plain = 0;
	while (plain < s.n && s.p[plain] >= 0x20 && s.p[plain] < 0x7f && s.p[plain] != '"' &&
	       s.p[plain] != '\\')
		plain++;
	if (plain == s.n) {
		char *p = arena_alloc(a, s.n + 2);
		if (!p)
			return STR_NONE;
		p[0] = p[s.n + 1] = '"';
		if (s.n)
			memcpy(p + 1, s.p, s.n);
		return str_of(p, s.n + 2);
	}
	buf_init(&b, s.n * 6 + 2);
	buf_put_char(&b, '"');
	json_escape(&b, s);
	buf_put_char(&b, '"');
	struct str out = b.failed ? STR_NONE : arena_dup(a, buf_str(&b));
	buf_done(&b);
	return out;
}

struct editing {
	struct str text;
	const struct json *root, *params, *extra;
	const struct openai_edits *how;
	struct json_edit *edits;
	size_t n, from;			/* from: where the member looked at begins, its comma too */
	bool has_kept;			/* a member stands before it */
	size_t room;			/* for edits */
	struct buf added;		/* members for the end, each with a comma before it */
};

static size_t offset_of(const struct editing *e, const char *p)
{
	return (size_t)(p - e->text.p);
}

static size_t end_of(const struct editing *e, const struct json *j)
{
	return offset_of(e, j->raw.p) + j->raw.n;
}

static void edit(struct editing *e, size_t at, size_t n, struct str with)
{
	MUST(e->n < e->room);
	e->edits[e->n++] = (struct json_edit){ at, n, with };
}

struct json_edit openai_without(struct str text, const struct json *member, size_t from,
				bool is_first)
{
	size_t end = (size_t)(member->raw.p + member->raw.n - text.p), i = end;
	while (is_first && i < text.n && text.p[i] != ',' && text.p[i] != '}')
		i++;
	if (is_first && i < text.n && text.p[i] == ',')
		end = i + 1;
	return (struct json_edit){ from, end - from, STR("") };
}

static void take_out(struct editing *e, const struct json *j)
{
	struct json_edit one = openai_without(e->text, j, e->from, !e->has_kept);
	edit(e, one.at, one.n, one.with);
	e->from = one.at + one.n;
}

static void replace(struct editing *e, const struct json *j, struct str with)
{
	edit(e, offset_of(e, j->raw.p), j->raw.n, with);
}

/* "include_usage": true into what the client gave as stream_options. */
static void ask_for_usage(struct editing *e, const struct json *options)
{
	const struct json *member = json_get(options, "include_usage");
	if (!json_is(options, JSON_OBJECT))
		replace(e, options, STR("{\"include_usage\":true}"));
	else if (member && !json_is_true(member))
		replace(e, member, STR("true"));
	else if (!member)
		edit(e, end_of(e, options) - 1, 0,
		     str_skip(STR(",\"include_usage\":true"), options->count == 0));
}

/* What the gateway decides, no deployment. */
static bool is_fixed(const struct editing *e, struct str name)
{
	return str_eq(name, STR("model")) || str_eq(name, STR("messages")) ||
	       str_eq(name, STR("stream")) ||
	       (e->how->wants_usage && str_eq(name, STR("stream_options")));
}

static const struct json *find(const struct json *object, struct str name)
{
	const struct json *j = object ? object->child : NULL;
	while (j && !str_eq(j->key, name))
		j = j->next;
	return j;
}

static void add(struct editing *e, struct str name, struct str json)
{
	BUF_PUT_LIT(&e->added, ",\"");
	json_escape(&e->added, name);
	BUF_PUT_LIT(&e->added, "\":");
	buf_put(&e->added, json);
}

static bool on_nested(void *data, const struct json_edit *one)
{
	struct editing *e = data;
	if (e->n + 1 >= e->room)	/* the last is for what is added at the end */
		return false;
	edit(e, one->at, one->n, one->with);
	return true;
}

static bool count_nested(void *data, const struct json_edit *one)
{
	size_t *n = data;
	(void)one;
	return ++*n < NESTED_MAX;
}

/* False: nothing else is to be done about the member. */
static bool follow_rules(struct editing *e, const struct json *j)
{
	const struct params_rules *rules = e->how->rules;
	struct params_verdict v = params_judge(rules, j->key, j->raw);
	bool is_replaced = params_is_replaced(rules, e->root, j->key);
	struct str value = params_value(rules, j->key, j->raw);
	if (v.act == PARAMS_RENAME && !is_replaced &&
	    (!find(e->root, v.with) || params_is_replaced(rules, e->root, v.with)))
		add(e, v.with, value);
	if (is_replaced || v.act == PARAMS_DROP || v.act == PARAMS_REFUSE ||
	    v.act == PARAMS_RENAME) {
		take_out(e, j);
		return false;
	}
	if (v.act == PARAMS_REPLACE)
		value = v.with;
	if (value.p == j->raw.p)
		return true;
	replace(e, j, value);
	return false;
}

static void edit_kept_member(struct editing *e, const struct json *j)
{
	const struct json *other = NULL;
	if (str_eq(j->key, STR("messages"))) {
		for (size_t i = 0; i < e->how->n_inner; i++)
			e->edits[e->n++] = e->how->inner[i];
	} else if (e->how->model.p && str_eq(j->key, STR("model"))) {
		replace(e, j, e->how->model);
	} else if (e->how->wants_usage && str_eq(j->key, STR("stream_options"))) {
		ask_for_usage(e, j);
	} else if (!is_fixed(e, j->key)) {
		other = find(e->extra, j->key);
		if (!other && j->type == JSON_NULL)
			other = find(e->params, j->key);
		if (other)
			replace(e, j, other->raw);
		else if (e->how->rules)
			params_find_nested(e->how->rules, e->text, j, on_nested, e);
	}
}

static void edit_member(struct editing *e, const struct json *j)
{
	size_t before = e->n;
	if (openai_is_ours(j->key)) {
		take_out(e, j);
		return;
	}
	if (!e->how->rules || follow_rules(e, j))
		edit_kept_member(e, j);
	else if (e->n > before && e->edits[e->n - 1].with.n == 0)
		return;			/* taken out */
	e->from = end_of(e, j);
	e->has_kept = true;
}

/* Whether a member of the body takes this name on. */
static bool is_taken(const struct editing *e, struct str name)
{
	for (const struct json *j = e->how->rules ? e->root->child : NULL; j; j = j->next) {
		struct params_verdict v = params_judge(e->how->rules, j->key, j->raw);
		if (v.act == PARAMS_RENAME && str_eq(v.with, name))
			return true;
	}
	return false;
}

static void add_one_missing(struct editing *e, const struct json *j, const struct json *stronger)
{
	bool is_there = find(e->root, j->key) && !openai_is_ours(j->key);
	if (!is_there && !find(stronger, j->key) && !is_fixed(e, j->key) && !is_taken(e, j->key))
		add(e, j->key, j->raw);
}

static void add_missing(struct editing *e, const struct json *object, const struct json *stronger)
{
	for (const struct json *j = object ? object->child : NULL; j; j = j->next)
		add_one_missing(e, j, stronger);
}

static const struct json *parse_object(struct arena *a, struct str text)
{
	struct json_error error;
	const struct json *j = text.n ? json_parse(a, text, 0, &error) : NULL;
	return json_is(j, JSON_OBJECT) ? j : NULL;
}

static void edit_members(struct editing *e)
{
	for (const struct json *j = e->root->child; j; j = j->next)
		edit_member(e, j);
	if (e->how->model.p && !find(e->root, STR("model")))
		add(e, STR("model"), e->how->model);
	if (e->how->wants_usage && !find(e->root, STR("stream_options")))
		add(e, STR("stream_options"), STR("{\"include_usage\":true}"));
	for (const struct json *j = e->params ? e->params->child : NULL; j; j = j->next)
		if (!find(e->how->more, j->key))
			add_one_missing(e, j, e->extra);
	add_missing(e, e->how->more, e->extra);
	add_missing(e, e->extra, NULL);
	struct str added = buf_str(&e->added);
	if (added.n)
		edit(e, end_of(e, e->root) - 1, 0, e->has_kept ? added : str_skip(added, 1));
}

int openai_edit_request(struct arena *a, const struct json *root, struct str body,
			const struct openai_edits *how, struct buf *out)
{
	struct openai_edits h = *how;
	struct editing e = { .text = body, .root = root, .how = &h };
	size_t nested = 0;
	MUST(json_is(root, JSON_OBJECT) && root->raw.p >= body.p);
	h.model = how->model.p ? openai_quote(a, how->model) : STR_NONE;
	if (!params_has_rules(h.rules))
		h.rules = NULL;
	if (h.rules && params_judge(h.rules, STR("stream_options"), STR("{}")).act == PARAMS_DROP)
		h.wants_usage = false;
	e.room = (size_t)root->count + 1;
	for (const struct json *j = h.rules ? root->child : NULL; j; j = j->next)
		params_find_nested(h.rules, body, j, count_nested, &nested);
	e.room += nested + h.n_inner;
	e.edits = arena_array(a, e.room, sizeof *e.edits);
	if (!e.edits || (how->model.p && !h.model.p))
		return -ENOMEM;
	e.params = parse_object(a, how->params);
	e.extra = parse_object(a, how->extra_body);
	e.from = offset_of(&e, root->raw.p) + 1;
	buf_init(&e.added, out->cap);
	edit_members(&e);
	json_splice(out, body, e.edits, e.n);
	int err = e.added.failed ? -ENOMEM : 0;
	buf_done(&e.added);
	return err;
}
