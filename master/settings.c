/* SPDX-License-Identifier: MIT
 * settings.c - see settings.h. A setting of the database takes the place of the file's, is checked
 * by the same directive, and when it is deleted the file's counts again. */
#include "master/settings.h"

#include <errno.h>

#include "master/config_read.h"
#include "master/keys_private.h"
#include "master/master.h"
#include "master/objects.h"

struct setting_call {
	struct object_call oc;		/* first: name is "section.key" */
	const struct json *value;	/* of one field; or of /config/update the arguments */
};

static const char *const sections[] = { "general_settings", "router_settings",
					"litellm_settings" };

/* ---- reading ---- */

static int read_section(struct command_call *c, const char **ret)
{
	struct str type = STR("general_settings");
	if (command_str(c, "config_type", &type) == -EINVAL)
		return -EINVAL;
	for (size_t i = 0; i < COUNT(sections); i++)
		if (str_eq_z(type, sections[i])) {
			*ret = sections[i];
			return 0;
		}
	command_fail(c, 400, "invalid_request_error", "config_type",
		     "config_type is general_settings, router_settings or litellm_settings");
	return -EINVAL;
}

void settings_list(struct command_call *c)
{
	const char *section;
	if (read_section(c, &section) < 0)
		return;
	struct json_out o = json_out(&c->out);
	json_open_array(&o, NULL);
	config_list_section(c->master->config, section, stored_view(c->master->stored), &o);
	json_close_array(&o);
	command_finish(c);
}

void settings_field(struct command_call *c)
{
	const char *section;
	struct str name = STR_NONE;
	if (read_section(c, &section) < 0 || command_str(c, "field_name", &name) == -EINVAL)
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_str(&o, "field_name", name);
	if (!name.n || !config_put_value(c->master->config, section, name, &o, "field_value")) {
		command_fail(c, 400, "invalid_request_error", "field_name",
			     "Invalid field=" STR_FMT " passed in.", STR_ARG(name));
		return;
	}
	json_close(&o);
	command_finish(c);
}

static void put_names(struct json_out *o, const struct config_names *names, const char *type)
{
	for (size_t i = 0; i < names->n; i++) {
		json_open(o, NULL);
		json_put_str(o, "name", names->v[i]);
		json_open(o, "variables");
		json_close(o);
		json_put_z(o, "type", type);
		json_close(o);
	}
}

/* Who is told of what; addresses are secrets. */
static void put_alerts(struct json_out *o, const struct config_alerts *a)
{
	json_open_array(o, "alerts");
	for (size_t i = 0; i < a->n_targets; i++) {
		json_open(o, NULL);
		json_put_z(o, "name", alert_formats[a->targets[i].format].name);
		json_open(o, "variables");
		json_close(o);
		json_open_array(o, "active_alerts");
		for (unsigned kind = 0; kind < ALERT_KINDS; kind++)
			if (a->to[kind] >> i & 1)
				json_put_z(o, NULL, alert_kinds[kind].name);
		json_close_array(o);
		json_close(o);
	}
	json_close_array(o);
}

static void put_router(struct json_out *o, const char *key, const struct config *c)
{
	size_t n;
	const struct directive *all = directives_all(&n);
	json_open(o, key);
	for (size_t i = 0; i < n; i++)
		if (str_eq_z(STR("router_settings"), all[i].section))
			config_put_value(c, all[i].section, str_z(all[i].name), o, all[i].name);
	json_close(o);
}

void settings_callbacks(struct command_call *c)
{
	const struct config *k = c->master->config;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_z(&o, "status", "success");
	json_open_array(&o, "callbacks");
	put_names(&o, &k->success_callbacks, "success");
	put_names(&o, &k->failure_callbacks, "failure");
	put_names(&o, &k->callbacks, "success_and_failure");
	json_close_array(&o);
	put_alerts(&o, &k->alerts);
	put_router(&o, "router_settings", k);
	json_close(&o);
	command_finish(c);
}

static void put_fields(struct command_call *c, bool with_values)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "fields");
	config_list_section(c->master->config, "router_settings",
			    stored_view(c->master->stored), &o);
	json_close_array(&o);
	if (with_values)
		put_router(&o, "current_values", c->master->config);
	json_close(&o);
	command_finish(c);
}

void settings_router(struct command_call *c)
{
	put_fields(c, true);
}

void settings_router_fields(struct command_call *c)
{
	put_fields(c, false);
}

/* ---- changing ---- */

/* What decides whether and how things are stored, and who the operator is, stays the file's. */
static bool may_be_stored(struct str section, struct str key)
{
	static const char *const never[] = { "master_key", "store_model_in_db", "database_url" };
	for (size_t i = 0; i < COUNT(never); i++)
		if (same_name(key, never[i]))
			return false;
	return key.n && str_find_char(key, '.') == SIZE_MAX && section.n;
}

/* A directive, or what stands above some. */
static bool is_known(const char *section, struct str key)
{
	size_t n;
	const struct directive *all = directives_all(&n);
	if (directive_find(section, key))
		return true;
	for (size_t i = 0; i < n; i++) {
		struct str below = str_z(all[i].section), head = str_cut(&below, '.');
		if (below.n && str_eq_z(head, section) && same_key(below, key))
			return true;
	}
	return false;
}

static int put_setting(struct object_call *oc, struct str section, struct str key,
		       const struct json *value)
{
	struct arena *mem = oc->c->mem;
	const char *z = arena_dup_z(mem, section);
	struct str name = arena_printf(mem, STR_FMT "." STR_FMT, STR_ARG(section), STR_ARG(key));
	if (!z || !name.p)
		return -ENOMEM;
	if (!may_be_stored(section, key) || !is_known(z, key))
		return object_refuse(oc, 400, "field_name",
				     may_be_stored(section, key)
					     ? "llmgw does not know '" STR_FMT "'"
					     : "'" STR_FMT "' can be set in the file alone",
				     STR_ARG(name));
	if (!json_is_given(value))
		return object_refuse(oc, 400, "field_value", "a value is missing");
	return object_put(oc, OBJECT_SETTING, name, STR_NONE, value->raw, STR("{}"));
}

static int make_field(struct object_call *oc)
{
	struct str key = oc->name, section = str_cut(&key, '.');
	return put_setting(oc, section, key, ((struct setting_call *)oc)->value);
}

static int make_deletion(struct object_call *oc)
{
	if (!object_now(oc, OBJECT_SETTING, oc->name))
		return object_refuse(oc, 400, "field_name", "Field name=" STR_FMT " not in config",
				     STR_ARG(oc->name));
	return object_delete(oc, OBJECT_SETTING, oc->name);
}

static int make_all(struct object_call *oc)
{
	const struct json *args = ((struct setting_call *)oc)->value;
	int err = 0;
	for (size_t i = 0; i < COUNT(sections) && !err; i++) {
		const struct json *map = json_get(args, sections[i]);
		if (json_is_given(map) && map->type != JSON_OBJECT)
			return object_refuse(oc, 400, sections[i], "%s must be an object",
					     sections[i]);
		if (map && map->count > OBJECT_OPS_MAX)
			return object_refuse(oc, 400, sections[i], "too many settings at once");
		for (const struct json *j = map ? map->child : NULL; j && !err; j = j->next)
			if (json_is_given(j))
				err = put_setting(oc, str_z(sections[i]), j->key, j);
	}
	if (!err && !oc->change->n_ops)
		return object_refuse(oc, 400, NULL, "nothing is given that could be set");
	return err;
}

static void put_field(struct object_call *oc)
{
	struct str key = oc->name, section = str_cut(&key, '.');
	struct json_out o = json_out(&oc->c->out);
	json_open(&o, NULL);
	json_put_z(&o, "message", "Config updated successfully");
	json_put_str(&o, "param_name", section);
	json_put_str(&o, "field_name", key);
	config_put_value(oc->c->master->config, arena_dup_z(oc->c->mem, section), key, &o,
			 "field_value");
	json_close(&o);
}

static void put_updated(struct object_call *oc)
{
	struct json_out o = json_out(&oc->c->out);
	json_open(&o, NULL);
	json_put_z(&o, "message", "Config updated successfully");
	json_close(&o);
}

static int read_field(struct setting_call *s)
{
	struct command_call *c = s->oc.c;
	const char *section;
	struct str field = STR_NONE;
	if (read_section(c, &section) < 0 || command_str(c, "field_name", &field) < 0)
		return -EINVAL;
	s->oc.name = arena_printf(c->mem, "%s." STR_FMT, section, STR_ARG(field));
	s->oc.answer = put_field;
	return 0;
}

void settings_field_update(struct command_call *c)
{
	struct setting_call *s = object_begin(c, sizeof *s);
	if (!s || read_field(s) < 0)
		return;
	s->value = json_get(c->args, "field_value");
	s->oc.make = make_field;
	object_start(&s->oc, "setting.update");
}

void settings_field_delete(struct command_call *c)
{
	struct setting_call *s = object_begin(c, sizeof *s);
	if (!s || read_field(s) < 0)
		return;
	s->oc.make = make_deletion;
	object_start(&s->oc, "setting.delete");
}

void settings_update(struct command_call *c)
{
	struct setting_call *s = object_begin(c, sizeof *s);
	if (!s)
		return;
	if (json_is_given(json_get(c->args, "environment_variables"))) {
		command_fail(c, 400, "invalid_request_error", "environment_variables",
			     "environment_variables can be set in the file alone");
		return;
	}
	s->value = c->args;
	s->oc.name = STR("several");
	s->oc.make = make_all;
	s->oc.answer = put_updated;
	object_start(&s->oc, "setting.update");
}

/* ---- which models /public/model_hub shows ---- */

static int make_public(struct object_call *oc)
{
	return put_setting(oc, STR("litellm_settings"), STR("public_model_groups"),
			   ((struct setting_call *)oc)->value);
}

static void put_public(struct object_call *oc)
{
	struct json_out o = json_out(&oc->c->out);
	json_open(&o, NULL);
	json_put_z(&o, "message", "Successfully updated public model groups");
	json_put_raw(&o, "public_model_groups", ((struct setting_call *)oc)->value->raw);
	json_put_str(&o, "updated_by", key_caller_name(oc->c));
	json_close(&o);
}

void settings_make_public(struct command_call *c)
{
	struct setting_call *s = object_begin(c, sizeof *s);
	if (!s || object_json(c, "model_groups", JSON_ARRAY, &s->value) < 0)
		return;
	for (const struct json *j = s->value->child; j; j = j->next)
		if (j->type != JSON_STRING) {
			command_fail(c, 400, "invalid_request_error", "model_groups",
				     "model_groups must be a list of names");
			return;
		}
	s->oc.name = STR("litellm_settings.public_model_groups");
	s->oc.make = make_public;
	s->oc.answer = put_public;
	object_start(&s->oc, "setting.update");
}
