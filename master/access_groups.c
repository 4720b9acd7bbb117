/* SPDX-License-Identifier: MIT
 * access_groups.c - see access_groups.h. A group of the database names models of the file and of
 * the database alike; one of the file stands in model_info.access_groups and is changed there. */
#include "master/access_groups.h"

#include <errno.h>

#include "master/master.h"
#include "master/objects.h"

struct group_call {
	struct object_call oc;		/* first */
	const struct json *names;
};

/* ---- what is in force ---- */

static bool has(const struct config_model *m, struct str group)
{
	for (size_t i = 0; i < m->access_groups.n; i++)
		if (str_eq(m->access_groups.v[i], group))
			return true;
	return false;
}

static unsigned count_members(const struct config *c, struct str group)
{
	unsigned n = 0;
	for (size_t i = 0; i < c->n_models; i++)
		n += has(&c->models[i], group);
	return n;
}

static bool is_served(const struct config *c, struct str name)
{
	for (size_t i = 0; i < c->n_models; i++)
		if (str_eq(c->models[i].model_name, name))
			return true;
	return false;
}

/* Of several deployments of one name the first that is in it tells it. */
static void put_names(struct json_out *o, const struct config *c, struct str group)
{
	json_open_array(o, "model_names");
	for (size_t i = 0; i < c->n_models; i++) {
		bool is_new = has(&c->models[i], group);
		for (size_t k = 0; k < i && is_new; k++)
			is_new = !has(&c->models[k], group) ||
				 !str_eq(c->models[k].model_name, c->models[i].model_name);
		if (is_new)
			json_put_str(o, NULL, c->models[i].model_name);
	}
	json_close_array(o);
}

static void put_group(struct json_out *o, const struct config *c, struct str group)
{
	json_open(o, NULL);
	json_put_str(o, "access_group", group);
	put_names(o, c, group);
	json_put_u64(o, "deployment_count", count_members(c, group));
	json_close(o);
}

static bool was_told(const struct config *c, size_t model, size_t nth)
{
	struct str group = c->models[model].access_groups.v[nth];
	for (size_t i = 0; i < nth; i++)
		if (str_eq(c->models[model].access_groups.v[i], group))
			return true;
	for (size_t i = 0; i < model; i++)
		if (has(&c->models[i], group))
			return true;
	return false;
}

void access_groups_list(struct command_call *c)
{
	const struct config *k = c->master->config;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "access_groups");
	for (size_t i = 0; i < k->n_models; i++)
		for (size_t j = 0; j < k->models[i].access_groups.n; j++)
			if (!was_told(k, i, j))
				put_group(&o, k, k->models[i].access_groups.v[j]);
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}

void access_groups_info(struct command_call *c)
{
	struct str name;
	if (object_name(c, "access_group", &name) < 0)
		return;
	if (!count_members(c->master->config, name)) {
		command_fail(c, 404, "not_found_error", "access_group",
			     "Access group '" STR_FMT "' not found", STR_ARG(name));
		return;
	}
	struct json_out o = json_out(&c->out);
	put_group(&o, c->master->config, name);
	command_finish(c);
}

/* ---- changes ---- */

static void put_changed(struct object_call *oc)
{
	const struct config *k = oc->c->master->config;
	struct json_out o = json_out(&oc->c->out);
	json_open(&o, NULL);
	json_put_str(&o, "access_group", oc->name);
	put_names(&o, k, oc->name);
	json_put_u64(&o, "models_updated", count_members(k, oc->name));
	json_close(&o);
}

static void put_deleted(struct object_call *oc)
{
	struct json_out o = json_out(&oc->c->out);
	json_open(&o, NULL);
	json_put_str(&o, "access_group", oc->name);
	json_put_u64(&o, "models_updated", oc->n);
	json_put_str(&o, "message",
		     arena_printf(oc->c->mem, "Access group '" STR_FMT "' deleted successfully",
				  STR_ARG(oc->name)));
	json_close(&o);
}

static int check_names(struct object_call *oc, const struct json *names)
{
	if (!names || !names->child)
		return object_refuse(oc, 400, "model_names",
				     "model_names must be a list of at least one model");
	for (const struct json *j = names->child; j; j = j->next) {
		struct str name = json_str(oc->c->mem, j);
		if (!name.p)
			return object_refuse(oc, 400, "model_names",
					     "model_names must be a list of names");
		if (!is_served(oc->c->master->config, name))
			return object_refuse(oc, 400, "model_names", "Model(s) not found: " STR_FMT,
					     STR_ARG(name));
	}
	return 0;
}

static int put_names_object(struct object_call *oc)
{
	const struct json *names = ((struct group_call *)oc)->names;
	int err = check_names(oc, names);
	if (err)
		return err;
	struct str info = arena_printf(oc->c->mem, "{\"model_names\":" STR_FMT "}",
				       STR_ARG(names->raw));
	return info.p ? object_put(oc, OBJECT_ACCESS_GROUP, oc->name, STR_NONE, STR("{}"), info)
		      : -ENOMEM;
}

static int make_new(struct object_call *oc)
{
	if (object_now(oc, OBJECT_ACCESS_GROUP, oc->name) ||
	    count_members(oc->c->master->config, oc->name))
		return object_refuse(oc, 409, "access_group",
				     "Access group '" STR_FMT "' already exists",
				     STR_ARG(oc->name));
	return put_names_object(oc);
}

static int refuse_unknown(struct object_call *oc)
{
	bool in_file = count_members(oc->c->master->config, oc->name);
	return object_refuse(oc, in_file ? 400 : 404, "access_group",
			     in_file ? "the access group '" STR_FMT "' stands in model_info of its "
				       "models: it is changed there"
				     : "Access group '" STR_FMT "' not found",
			     STR_ARG(oc->name));
}

static int make_update(struct object_call *oc)
{
	return object_now(oc, OBJECT_ACCESS_GROUP, oc->name) ? put_names_object(oc)
							     : refuse_unknown(oc);
}

static int make_delete(struct object_call *oc)
{
	if (!object_now(oc, OBJECT_ACCESS_GROUP, oc->name))
		return refuse_unknown(oc);
	oc->n = count_members(oc->c->master->config, oc->name);
	return object_delete(oc, OBJECT_ACCESS_GROUP, oc->name);
}

static void begin(struct command_call *c, int (*make)(struct object_call *oc), const char *what)
{
	struct group_call *g = object_begin(c, sizeof *g);
	if (!g)
		return;
	g->oc.make = make;
	g->oc.answer = make == make_delete ? put_deleted : put_changed;
	if (object_name(c, "access_group", &g->oc.name) < 0 ||
	    (make != make_delete &&
	     object_json(c, "model_names", JSON_ARRAY, &g->names) == -EINVAL))
		return;
	object_start(&g->oc, what);
}

void access_groups_new(struct command_call *c)
{
	begin(c, make_new, "access_group.new");
}

void access_groups_update(struct command_call *c)
{
	begin(c, make_update, "access_group.update");
}

void access_groups_delete(struct command_call *c)
{
	begin(c, make_delete, "access_group.delete");
}
