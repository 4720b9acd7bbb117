/* SPDX-License-Identifier: MIT
 * models_store.c - see models_store.h. A model is checked by what reads model_list, in the line of
 * changes; here are its arguments and answers. */
#include "master/models_store.h"

#include <errno.h>

#include "common/hash.h"
#include "master/master.h"
#include "master/objects.h"

struct model_call {
	struct object_call oc;		/* first: name is the id, label the model_name */
	const struct json *params, *info;
};

/* ---- the answer ---- */

/* LiteLLM's row of its table; what is secret is left out, where LiteLLM tells it encrypted. */
static void put_row(struct object_call *oc)
{
	const struct config_object *o = object_now(oc, OBJECT_MODEL, oc->name);
	const struct config_model *m = config_find_model(oc->c->master->config, oc->name);
	struct json_out out = json_out(&oc->c->out);
	json_open(&out, NULL);
	json_put_str(&out, "model_id", oc->name);
	json_put_str(&out, "model_name", o ? o->label : oc->label);
	json_put_raw(&out, "litellm_params", m && m->given.n ? m->given : STR("{}"));
	json_put_raw(&out, "model_info", o && o->info.n ? o->info : STR("{}"));
	json_put_time(&out, "created_at", o ? o->created_at : 0);
	json_put_str(&out, "created_by", o ? o->created_by : STR_NONE);
	json_put_time(&out, "updated_at", o ? o->updated_at : 0);
	json_put_str(&out, "updated_by", o ? o->updated_by : STR_NONE);
	json_close(&out);
}

static void put_deleted(struct object_call *oc)
{
	struct json_out out = json_out(&oc->c->out);
	struct str text = arena_printf(oc->c->mem, "Model: " STR_FMT " deleted successfully",
				       STR_ARG(oc->name));
	json_open(&out, NULL);
	json_put_str(&out, "message", text);
	json_close(&out);
}

/* ---- what is made ---- */

/* model_info as it is kept: with its id, and as one of the database. */
static struct str info_text(struct model_call *mc, struct str old)
{
	struct arena *a = mc->oc.c->mem;
	struct str merged = object_merge(a, old, mc->info);
	struct buf own;
	struct json_error e;
	buf_init(&own, 4096);
	struct json_out o = json_out(&own);
	json_open(&o, NULL);
	json_put_str(&o, "id", mc->oc.name);
	json_put_bool(&o, "db_model", true);
	json_close(&o);
	struct str text = arena_dup(a, buf_str(&own));
	buf_done(&own);
	const struct json *by = merged.p && text.p ? json_parse(a, text, 0, &e) : NULL;
	return by ? object_merge(a, merged, by) : STR_NONE;
}

static int make_new(struct object_call *oc)
{
	struct model_call *mc = (struct model_call *)oc;
	if (object_now(oc, OBJECT_MODEL, oc->name))
		return object_refuse(oc, 409, "model_info.id",
				     "there is a model with the id '" STR_FMT "' already",
				     STR_ARG(oc->name));
	struct str params = object_merge(oc->c->mem, STR("{}"), mc->params);
	struct str info = info_text(mc, STR("{}"));
	return params.p && info.p ? object_put(oc, OBJECT_MODEL, oc->name, oc->label, params, info)
				  : -ENOMEM;
}

static int refuse_unknown(struct object_call *oc)
{
	bool in_file = config_find_model(oc->c->master->config, oc->name);
	return object_refuse(oc, 400, "id",
			     in_file ? "the model '" STR_FMT "' stands in the configuration file: "
				       "it is changed there"
				     : "Model with id=" STR_FMT " not found in db",
			     STR_ARG(oc->name));
}

static int make_update(struct object_call *oc)
{
	struct model_call *mc = (struct model_call *)oc;
	const struct config_object *old = object_now(oc, OBJECT_MODEL, oc->name);
	if (!old)
		return refuse_unknown(oc);
	if (!old->secret.p && !mc->params)
		return object_refuse(oc, 400, "litellm_params",
				     "the model is sealed with another key: give all of its "
				     "litellm_params");
	int err = object_check_move(oc, old, mc->params);
	if (err)
		return err;
	struct str params = object_merge(oc->c->mem, old->secret.p ? old->secret : STR("{}"),
					 mc->params);
	struct str info = info_text(mc, old->info);
	struct str label = oc->label.n ? oc->label : old->label;
	return params.p && info.p ? object_put(oc, OBJECT_MODEL, oc->name, label, params, info)
				  : -ENOMEM;
}

static int make_delete(struct object_call *oc)
{
	return object_now(oc, OBJECT_MODEL, oc->name)
		       ? object_delete(oc, OBJECT_MODEL, oc->name) : refuse_unknown(oc);
}

/* ---- arguments ---- */

static struct model_call *begin(struct command_call *c)
{
	struct model_call *mc = object_begin(c, sizeof *mc);
	if (!mc || object_json(c, "litellm_params", JSON_OBJECT, &mc->params) == -EINVAL ||
	    object_json(c, "model_info", JSON_OBJECT, &mc->info) == -EINVAL ||
	    command_str(c, "model_name", &mc->oc.label) == -EINVAL)
		return NULL;
	mc->oc.answer = put_row;
	return mc;
}

static int take_id(struct model_call *mc)
{
	struct command_call *c = mc->oc.c;
	const struct json *id = json_get(mc->info, "id");
	char uuid[37];
	if (json_is_given(id)) {
		mc->oc.name = json_str(c->mem, id);
		if (mc->oc.name.n && mc->oc.name.n <= STORED_NAME_MAX)
			return 0;
		command_fail(c, 400, "invalid_request_error", "model_info.id",
			     "model_info.id must be a string of at most %d bytes",
			     STORED_NAME_MAX);
		return -EINVAL;
	}
	hash_uuid(uuid);
	mc->oc.name = arena_dup(c->mem, str_z(uuid));
	return 0;
}

void models_new(struct command_call *c)
{
	struct model_call *mc = begin(c);
	if (!mc || take_id(mc) < 0)
		return;
	if (!mc->oc.label.n || !mc->params) {
		command_fail(c, 400, "invalid_request_error",
			     mc->oc.label.n ? "litellm_params" : "model_name",
			     "a model needs a model_name and litellm_params");
		return;
	}
	mc->oc.make = make_new;
	object_start(&mc->oc, "model.new");
}

void models_update(struct command_call *c)
{
	struct model_call *mc = begin(c);
	if (!mc)
		return;
	mc->oc.name = c->path_name;
	if (!mc->oc.name.n)
		mc->oc.name = json_get_str(c->mem, mc->info, "id");
	if (!mc->oc.name.n && command_str(c, "id", &mc->oc.name) == -EINVAL)
		return;
	if (!mc->oc.name.n) {
		command_fail(c, 400, "invalid_request_error", "model_info.id",
			     "model_info.id says which model");
		return;
	}
	mc->oc.make = make_update;
	object_start(&mc->oc, "model.update");
}

void models_delete(struct command_call *c)
{
	struct object_call *oc = object_begin(c, sizeof *oc);
	if (!oc || object_name(c, "id", &oc->name) < 0)
		return;
	oc->make = make_delete;
	oc->answer = put_deleted;
	object_start(oc, "model.delete");
}
