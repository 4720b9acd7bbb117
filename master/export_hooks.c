/* SPDX-License-Identifier: MIT
 * export_hooks.c - see export_hooks.h. */
#include "master/export_hooks.h"

#include <stdio.h>

#include "common/mem.h"

enum { HOOK_MEMORY = 4 << 20 };

static const char *const formats[] = { [HOOK_ARRAY] = "json_array", [HOOK_LINES] = "ndjson",
				       [HOOK_SINGLE] = "single" };

/* ---- numbers ---- */

int export_find(const struct config *c, struct str name)
{
	for (size_t i = 0; c && i < c->n_hooks; i++)
		if (str_eq_nocase(name, c->hooks[i].name))
			return EXPORT_HOOK + (int)i;
	return export_row_find(name);
}

struct str export_name(const struct config *c, unsigned who)
{
	if (who < EXPORT_KINDS)
		return str_z(export_rows[who].name);
	MUST(who >= EXPORT_HOOK && who - EXPORT_HOOK < c->n_hooks);
	return c->hooks[who - EXPORT_HOOK].name;
}

const struct export_row *export_row_of(const struct config *c, unsigned who)
{
	if (who < EXPORT_KINDS)
		return &export_rows[who];
	MUST(who >= EXPORT_HOOK && who - EXPORT_HOOK < c->n_hooks);
	return &export_formats[c->hooks[who - EXPORT_HOOK].format];
}

/* ---- what the configuration says ---- */

static bool read_event(struct str event, struct config_hook *ret)
{
	if (str_eq(event, STR("llm_api_success")))
		ret->success = true;
	else if (str_eq(event, STR("llm_api_failure")))
		ret->failure = true;
	else
		return false;
	return true;
}

/* One, or a list. */
static bool read_events(struct arena *a, const struct json *events, struct config_hook *ret)
{
	bool is_fine = true;
	if (!json_is_given(events)) {
		ret->success = ret->failure = true;
		return true;
	}
	if (events->type != JSON_ARRAY)
		return events->type == JSON_STRING && read_event(json_str(a, events), ret);
	for (const struct json *j = events->child; j; j = j->next)
		is_fine &= j->type == JSON_STRING && read_event(json_str(a, j), ret);
	return is_fine;
}

const char *export_hook_read(struct arena *a, const struct json *settings,
			     struct config_hook *ret)
{
	const struct json *format = json_get(settings, "log_format");
	struct str word = json_get_str(a, settings, "log_format");
	unsigned i = HOOK_ARRAY;
	ret->success = ret->failure = false;
	if (!read_events(a, json_get(settings, "event_types"), ret))
		return "event_types wants llm_api_success, llm_api_failure";
	while (json_is_given(format) && i < HOOK_FORMATS && !str_eq_z(word, formats[i]))
		i++;
	ret->format = i;
	return i < HOOK_FORMATS ? NULL : "log_format wants json_array, ndjson or single";
}

/* ---- where it is ---- */

/* What its bodies are is said once. */
static bool add_header(struct arena *a, const struct json *j, struct export_target *t)
{
	struct str value = j->type == JSON_STRING ? json_str(a, j) : j->raw;
	if (j->type != JSON_STRING && j->type != JSON_NUMBER)
		return false;
	if (!str_eq_nocase(j->key, STR("Content-Type")))
		return export_add_header(t, j->key, value);
	int n = snprintf(t->type, sizeof t->type, STR_FMT, STR_ARG(value));
	return n > 0 && n < (int)sizeof t->type && export_is_header(j->key, value);
}

static const char *read_settings(struct arena *a, const struct json *settings,
				 struct export_target *t)
{
	struct str url = json_get_str(a, settings, "endpoint");
	const struct json *headers = json_get(settings, "headers");
	if (!url.n) {			/* then it is the one of generic_api */
		const char *missing = export_rows[EXPORT_GENERIC].read(NULL, t);
		if (missing)
			return "callback_settings: an endpoint";
	} else if (!export_set_url(t, url)) {
		return "callback_settings: an endpoint that is an address";
	}
	if (json_is_given(headers) && headers->type != JSON_OBJECT)
		return "callback_settings: headers that are a map";
	for (const struct json *j = json_is(headers, JSON_OBJECT) ? headers->child : NULL; j;
	     j = j->next)
		if (!add_header(a, j, t))
			return "callback_settings: headers with values that can be sent";
	export_read_flush(t);
	return NULL;
}

static const char *read_hook(const struct config *c, struct str name, struct export_target *t)
{
	struct arena *a = arena_new(HOOK_MEMORY);
	struct json_error why;
	const struct json *all = a ? json_parse(a, c->hooks_text, 0, &why) : NULL;
	const struct json *one = NULL;
	for (const struct json *j = json_is(all, JSON_OBJECT) ? all->child : NULL; j; j = j->next)
		if (str_eq(j->key, name))
			one = j;
	const char *missing = one ? read_settings(a, one, t) : "memory";
	arena_free(a);
	return missing;
}

const char *export_read(const struct config *c, unsigned who, struct export_target *ret)
{
	if (who < EXPORT_KINDS)
		return export_rows[who].read(c, ret);
	return read_hook(c, export_name(c, who), ret);
}
