/* SPDX-License-Identifier: MIT
 * fallbacks.c - LiteLLM's /fallback: one model's fallbacks as a change of the setting that has all
 * of them. What the file says is the beginning; from the first change the database has the list. */
#include <errno.h>

#include "common/mem.h"
#include "master/master.h"
#include "master/objects.h"
#include "master/settings.h"

enum { LIST_MAX = 1 << 20 };

struct fallback_call {
	struct object_call oc;		/* first: name is the model */
	const struct json *to;		/* NULL: they are deleted */
	struct str type;
};

static const struct fallback_type {
	const char *name, *setting;
	size_t at;
} types[] = {
	{ "general", "router_settings.fallbacks", offsetof(struct config, fallbacks) },
	{ "context_window", "router_settings.context_window_fallbacks",
	  offsetof(struct config, context_fallbacks) },
	{ "content_policy", "router_settings.content_policy_fallbacks",
	  offsetof(struct config, policy_fallbacks) },
};

static const struct fallback_type *type_of(struct str name)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (str_eq_z(name, types[i].name))
			return &types[i];
	return NULL;
}

static const struct config_fallbacks *list_of(const struct config *c, const struct fallback_type *t)
{
	return (const struct config_fallbacks *)(const void *)((const char *)c + t->at);
}

static const struct config_fallback *find(const struct config_fallbacks *all, struct str model)
{
	for (size_t i = 0; i < all->n; i++)
		if (str_eq(all->v[i].group, model))
			return &all->v[i];
	return NULL;
}

/* ---- answers ---- */

static void put_fallback(struct json_out *o, const struct config_fallback *f, struct str model,
			 struct str type, const char *message)
{
	json_open(o, NULL);
	json_put_str(o, "model", model);
	if (f) {
		json_open_array(o, "fallback_models");
		for (size_t i = 0; i < f->to.n; i++)
			json_put_str(o, NULL, f->to.v[i]);
		json_close_array(o);
	}
	json_put_str(o, "fallback_type", type);
	if (message)
		json_put_z(o, "message", message);
	json_close(o);
}

static void put_changed(struct object_call *oc)
{
	struct fallback_call *f = (struct fallback_call *)oc;
	const struct config_fallbacks *all = list_of(oc->c->master->config, type_of(f->type));
	struct json_out o = json_out(&oc->c->out);
	put_fallback(&o, f->to ? find(all, oc->name) : NULL, oc->name, f->type,
		     f->to ? "Fallback configuration created successfully"
			   : "Fallback configuration deleted successfully");
}

/* ---- the list as it becomes ---- */

static void put_entry(struct json_out *o, const struct config_fallback *f)
{
	json_open(o, NULL);
	json_key(o, f->group);
	json_open_array(o, NULL);
	for (size_t i = 0; i < f->to.n; i++)
		json_put_str(o, NULL, f->to.v[i]);
	json_close_array(o);
	json_close(o);
}

static struct str list_text(struct fallback_call *f, const struct config_fallbacks *all)
{
	struct buf text;
	buf_init(&text, LIST_MAX);
	struct json_out o = json_out(&text);
	json_open_array(&o, NULL);
	for (size_t i = 0; i < all->n; i++)
		if (!str_eq(all->v[i].group, f->oc.name))
			put_entry(&o, &all->v[i]);
	if (f->to) {
		json_open(&o, NULL);
		json_key(&o, f->oc.name);
		json_put_raw(&o, NULL, f->to->raw);
		json_close(&o);
	}
	json_close_array(&o);
	struct str s = text.failed ? STR_NONE : arena_dup(f->oc.c->mem, buf_str(&text));
	buf_done(&text);
	return s;
}

static int check_targets(struct fallback_call *f)
{
	const struct config *k = f->oc.c->master->config;
	if (!config_serves(k, f->oc.name))
		return object_refuse(&f->oc, 404, "model", "Model '" STR_FMT "' not found",
				     STR_ARG(f->oc.name));
	for (const struct json *j = f->to->child; j; j = j->next) {
		struct str name = json_str(f->oc.c->mem, j);
		if (!name.p || !config_serves(k, name) || str_eq(name, f->oc.name))
			return object_refuse(&f->oc, 400, "fallback_models",
					     "Invalid fallback model: " STR_FMT,
					     STR_ARG(name.p ? name : STR("not a name")));
	}
	return f->to->child ? 0 : object_refuse(&f->oc, 400, "fallback_models",
						"fallback_models must name a model");
}

static int make(struct object_call *oc)
{
	struct fallback_call *f = (struct fallback_call *)oc;
	const struct fallback_type *t = type_of(f->type);
	const struct config_fallbacks *all = list_of(oc->c->master->config, t);
	int err = f->to ? check_targets(f) : 0;
	if (err)
		return err;
	if (!f->to && !find(all, oc->name))
		return object_refuse(oc, 404, "model",
				     "No " STR_FMT " fallbacks are configured for '" STR_FMT "'",
				     STR_ARG(f->type), STR_ARG(oc->name));
	struct str text = list_text(f, all);
	return text.p ? object_put(oc, OBJECT_SETTING, str_z(t->setting), STR_NONE, text, STR("{}"))
		      : -ENOMEM;
}

/* ---- arguments ---- */

static int read_type(struct command_call *c, struct str *ret)
{
	*ret = STR("general");
	if (command_str(c, "fallback_type", ret) == -EINVAL)
		return -EINVAL;
	if (type_of(*ret))
		return 0;
	command_fail(c, 400, "invalid_request_error", "fallback_type",
		     "fallback_type is general, context_window or content_policy");
	return -EINVAL;
}

static struct fallback_call *begin(struct command_call *c)
{
	struct fallback_call *f = object_begin(c, sizeof *f);
	if (!f)
		return NULL;
	f->oc.make = make;
	f->oc.answer = put_changed;
	return object_name(c, "model", &f->oc.name) < 0 || read_type(c, &f->type) < 0 ? NULL : f;
}

void fallbacks_set(struct command_call *c)
{
	struct fallback_call *f = begin(c);
	if (!f)
		return;
	int err = object_json(c, "fallback_models", JSON_ARRAY, &f->to);
	if (err == -ENOENT)
		command_fail(c, 400, "invalid_request_error", "fallback_models",
			     "fallback_models is missing");
	else if (err == 0)
		object_start(&f->oc, "fallback.set");
}

void fallbacks_delete(struct command_call *c)
{
	struct fallback_call *f = begin(c);
	if (f)
		object_start(&f->oc, "fallback.delete");
}

void fallbacks_show(struct command_call *c)
{
	struct str model, type;
	if (object_name(c, "model", &model) < 0 || read_type(c, &type) < 0)
		return;
	const struct config_fallback *f = find(list_of(c->master->config, type_of(type)), model);
	if (!f) {
		command_fail(c, 404, "not_found_error", "model",
			     "No " STR_FMT " fallbacks are configured for '" STR_FMT "'",
			     STR_ARG(type), STR_ARG(model));
		return;
	}
	struct json_out o = json_out(&c->out);
	put_fallback(&o, f, model, type, NULL);
	command_finish(c);
}
