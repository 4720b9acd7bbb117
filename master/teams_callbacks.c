/* SPDX-License-Identifier: MIT
 * teams_callbacks.c - LiteLLM's /team/{id}/callback and /team/{id}/disable_logging: callbacks of a
 * team, one at a time. They stand in its metadata as the list `logging` (keys_logging.c). */
#include <errno.h>

#include "common/mem.h"
#include "master/export_hooks.h"
#include "master/export_own.h"
#include "master/roles.h"
#include "master/teams_private.h"

enum { METADATA_ROOM = 1 << 20 };

static void put_entry(struct json_out *o, struct str name, const char *type,
		      const struct json *vars)
{
	json_open(o, NULL);
	json_put_str(o, "callback_name", name);
	json_put_z(o, "callback_type", type);
	json_put_raw(o, "callback_vars", json_is(vars, JSON_OBJECT) ? vars->raw : STR("{}"));
	json_close(o);
}

/* What older rows have in callback_settings, as entries of the list. */
static void put_settings(struct arena *a, const struct json *metadata, struct json_out *o)
{
	static const char *const lists[][2] = { { "success_callback", "success" },
						{ "failure_callback", "failure" } };
	const struct json *settings = json_get(metadata, "callback_settings");
	for (size_t i = 0; i < COUNT(lists) && json_is(settings, JSON_OBJECT); i++) {
		const struct json *list = json_get(settings, lists[i][0]);
		for (const struct json *j = json_is(list, JSON_ARRAY) ? list->child : NULL; j;
		     j = j->next)
			if (j->type == JSON_STRING)
				put_entry(o, json_str(a, j), lists[i][1],
					  json_get(settings, "callback_vars"));
	}
}

static bool is_the_same(struct arena *a, const struct json *x, const struct json *y)
{
	return str_eq(json_get_str(a, x, "callback_name"), json_get_str(a, y, "callback_name")) &&
	       str_eq(json_get_str(a, x, "callback_type"), json_get_str(a, y, "callback_type"));
}

/* `one` NULL: the list becomes empty. */
static void put_list(struct arena *a, const struct json *metadata, const struct json *one,
		     struct json_out *o)
{
	const struct json *list = json_get(metadata, "logging");
	json_open_array(o, "logging");
	if (one && (!json_is(list, JSON_ARRAY) || !list->child))
		put_settings(a, metadata, o);
	for (const struct json *j = one && json_is(list, JSON_ARRAY) ? list->child : NULL; j;
	     j = j->next)
		if (j->type == JSON_OBJECT && !is_the_same(a, j, one))
			json_put_raw(o, NULL, j->raw);
	if (one)
		json_put_raw(o, NULL, one->raw);
	json_close_array(o);
}

static int edit_list(struct team_call *tc, struct key_row *row)
{
	struct arena *a = tc->c->mem;
	struct json_error e;
	struct buf text;
	const struct json *m = json_parse(a, row->metadata.n ? row->metadata : STR("{}"), 0, &e);
	const struct json *one = tc->edited.n ? json_parse(a, tc->edited, 0, &e) : NULL;
	if (!json_is(m, JSON_OBJECT) || (tc->edited.n && !one))
		return -ENOMEM;
	buf_init(&text, METADATA_ROOM);
	struct json_out o = json_out(&text);
	json_open(&o, NULL);
	for (const struct json *j = m->child; j; j = j->next) {
		if (str_eq(j->key, STR("logging")) || str_eq(j->key, STR("callback_settings")))
			continue;
		json_key(&o, j->key);
		json_put_raw(&o, NULL, j->raw);
	}
	put_list(a, m, one, &o);
	json_close(&o);
	struct str was = row->metadata;
	row->metadata = text.failed ? STR_NONE : arena_dup(a, buf_str(&text));
	buf_done(&text);
	return row->metadata.p ? key_logging_keep(a, was, &row->metadata) : -ENOMEM;
}

/* ---- answers ---- */

struct lists {
	struct own_rule rule;
	const struct json *root;
};

static int read_lists(struct arena *a, const struct config *c, struct str metadata,
		      struct lists *ret)
{
	struct json_error e;
	ret->root = json_parse(a, metadata.n ? metadata : STR("{}"), 0, &e);
	if (!json_is(ret->root, JSON_OBJECT))
		return -ENOMEM;
	export_own_read(a, c, ret->root, &ret->rule);
	return 0;
}

static void put_names(struct json_out *o, const char *key, const struct config *c,
		      const struct own_rule *r, bool success)
{
	json_open_array(o, key);
	for (unsigned i = 0; i < r->n; i++)
		if (success ? r->v[i].success : r->v[i].failure)
			json_put_str(o, NULL, export_name(c, r->v[i].who));
	json_close_array(o);
}

static const struct json *first_variable(const struct own_callback *c)
{
	return c->vars ? c->vars->child : NULL;
}

static bool came_before(const struct own_rule *r, unsigned i, struct str name)
{
	for (unsigned k = 0; k < i; k++)
		for (const struct json *j = first_variable(&r->v[k]); j; j = j->next)
			if (str_eq(j->key, name))
				return true;
	return false;
}

/* Those of all callbacks together, as LiteLLM has them; what is sealed has a mask. */
static void put_variables(struct json_out *o, const struct own_rule *r)
{
	json_open(o, "callback_vars");
	for (unsigned i = 0; i < r->n; i++)
		for (const struct json *j = first_variable(&r->v[i]); j; j = j->next) {
			if (came_before(r, i, j->key))
				continue;
			json_key(o, j->key);
			key_logging_put_masked(o, NULL, j->raw);
		}
	json_close(o);
}

static void answer_lists(struct team_call *tc, const char *message)
{
	struct command_call *c = tc->c;
	struct lists l;
	struct json_out o = json_out(&c->out);
	if (read_lists(c->mem, c->master->config, tc->row.r.metadata, &l) != 0) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	json_open(&o, NULL);
	json_put_z(&o, "status", "success");
	if (message)
		json_put_str(&o, "message", arena_printf(c->mem, "%s" STR_FMT, message,
							 STR_ARG(tc->team_id)));
	json_open(&o, "data");
	json_put_str(&o, "team_id", tc->team_id);
	put_names(&o, "success_callbacks", c->master->config, &l.rule, true);
	put_names(&o, "failure_callbacks", c->master->config, &l.rule, false);
	put_variables(&o, &l.rule);
	json_close(&o);
	json_close(&o);
	command_finish(c);
}

static void answer_changed(struct team_call *tc)
{
	answer_lists(tc, NULL);
}

static void answer_disabled(struct team_call *tc)
{
	answer_lists(tc, "Logging disabled for team ");
}

/* ---- commands ---- */

static struct team_call *begin(struct command_call *c)
{
	struct team_call *tc = team_call_new(c);
	return tc && command_named(c, "team_id", &tc->team_id) == 0 ? tc : NULL;
}

/* The entry that the arguments make. .p NULL: answered. */
static struct str take_entry(struct command_call *c)
{
	struct str name = STR_NONE, type = STR("success_and_failure"), entry;
	const struct json *vars = json_get(c->args, "callback_vars");
	struct buf text;
	if (command_str(c, "callback_name", &name) == -EINVAL ||
	    command_str(c, "callback_type", &type) == -EINVAL)
		return STR_NONE;
	if (export_find(c->master->config, name) < 0) {
		command_fail(c, 400, "invalid_request_error", "callback_name",
			     "callback_name must be one of those of litellm_settings.callbacks");
		return STR_NONE;
	}
	if (!str_eq(type, STR("success")) && !str_eq(type, STR("failure")) &&
	    !str_eq(type, STR("success_and_failure"))) {
		command_fail(c, 400, "invalid_request_error", "callback_type",
			     "callback_type must be success, failure or success_and_failure");
		return STR_NONE;
	}
	if (json_is_given(vars) && vars->type != JSON_OBJECT) {
		command_fail(c, 400, "invalid_request_error", "callback_vars",
			     "callback_vars must be an object");
		return STR_NONE;
	}
	buf_init(&text, METADATA_ROOM);
	struct json_out o = json_out(&text);
	put_entry(&o, name, arena_dup_z(c->mem, type), vars);
	entry = text.failed ? STR_NONE : arena_dup(c->mem, buf_str(&text));
	buf_done(&text);
	if (!entry.p)
		command_fail_store(c, -ENOMEM);
	return entry;
}

void teams_callback_add(struct command_call *c)
{
	struct team_call *tc = key_logging_read(c) == 0 ? begin(c) : NULL;
	if (!tc)
		return;
	struct str entry = take_entry(c);
	if (!entry.p)
		return;			/* and with the call its memory has gone */
	tc->edited = entry;
	tc->edit = edit_list;
	tc->answer = answer_changed;
	team_call_change(tc);
}

void teams_disable_logging(struct command_call *c)
{
	struct team_call *tc = begin(c);
	if (!tc)
		return;
	tc->edit = edit_list;
	tc->answer = answer_disabled;
	team_call_change(tc);
}

static int find_job(struct store_db *db, void *data)
{
	struct team_call *tc = data;
	int err = role_check_command(tc->c, db);
	return err ? err : team_call_find(tc, db);
}

static void on_found(void *data, int err)
{
	struct team_call *tc = data;
	if (err)
		team_call_fail(tc, err);
	else
		answer_lists(tc, NULL);
}

void teams_callbacks(struct command_call *c)
{
	struct team_call *tc = begin(c);
	if (tc)
		team_call_start(tc, find_job, on_found);
}
