/* SPDX-License-Identifier: MIT
 * pass_endpoints.c - see pass_endpoints.h. The rows are one setting of the database,
 * general_settings.pass_through_endpoints, which goes before the file's rows of the same path.
 *
 * Headers may be secrets: they are shown masked, and a mask that comes back stands for what was
 * there. */
#include "master/pass_endpoints.h"

#include <errno.h>

#include "common/mem.h"
#include "master/master.h"
#include "master/objects.h"

#define SETTING STR("general_settings.pass_through_endpoints")
#define MASK STR("********")
enum { ROWS_MAX = 256, TEXT_ROOM = 1 << 20 };

struct pass_call {
	struct object_call oc;		/* first: oc.name is the row's id */
};

/* ---- what is shown: rows as they are in force ---- */

static void put_row(struct json_out *o, const struct config_pass *p)
{
	json_open(o, NULL);
	config_put_pass(o, p);
	if (p->cost == PRICE_NONE)
		json_put_i64(o, "cost_per_request", 0);
	if (!p->id.n)
		json_put_null(o, "id");
	json_open(o, "default_query_params");
	json_close(o);
	json_put_null(o, "guardrails");
	json_put_bool(o, "is_from_config", !p->is_stored);
	json_close(o);
}

/* All; or the one of the database with that id. */
static void put_rows(struct json_out *o, const struct config *c, struct str id)
{
	json_open(o, NULL);
	json_open_array(o, "endpoints");
	for (size_t i = 0; i < c->n_passes; i++) {
		const struct config_pass *p = &c->passes[i];
		if (p->is_target && (!id.n || (p->is_stored && str_eq(p->id, id))))
			put_row(o, p);
	}
	json_close_array(o);
	json_close(o);
}

void pass_endpoints_list(struct command_call *c)
{
	struct str id = STR("");
	struct json_out o = json_out(&c->out);
	if (command_str(c, "endpoint_id", &id) == -EINVAL)
		return;
	put_rows(&o, c->master->config, id);
	command_finish(c);
}

/* ---- the setting's rows ---- */

/* The list as it is stored; NULL: there is none. */
static const struct json *stored_rows(struct object_call *oc)
{
	const struct config_object *old = object_now(oc, OBJECT_SETTING, SETTING);
	struct json_error e;
	const struct json *j = old ? json_parse(oc->c->mem, old->secret, 0, &e) : NULL;
	return json_is(j, JSON_ARRAY) ? j : NULL;
}

static const struct json *find_row(struct object_call *oc, const struct json *rows)
{
	for (const struct json *j = rows ? rows->child : NULL; j; j = j->next)
		if (str_eq(json_get_str(oc->c->mem, j, "id"), oc->name))
			return j;
	return NULL;
}

static bool is_member(struct str name)
{
	static const char *const members[] = {
		"path", "target", "headers", "default_query_params", "include_subpath",
		"cost_per_request", "auth", "guardrails", "methods",
	};
	for (size_t i = 0; i < COUNT(members); i++)
		if (str_eq_z(name, members[i]))
			return true;
	return false;
}

/* A header whose mask came back keeps its value. */
static void put_headers(struct arena *a, struct json_out *o, const struct json *new,
			const struct json *old)
{
	json_key(o, STR("headers"));
	json_open(o, NULL);
	for (const struct json *h = new->child; h; h = h->next) {
		const struct json *value = h;
		const struct json *was = str_eq(json_str(a, h), MASK) && old ? old->child : NULL;
		for (; was; was = was->next)
			if (str_eq(was->key, h->key))
				value = was;
		json_key(o, h->key);
		json_put_raw(o, NULL, value->raw);
	}
	json_close(o);
}

static const struct json *argument(const struct json *args, struct str name)
{
	for (const struct json *j = args->child; j; j = j->next)
		if (str_eq(j->key, name))
			return j->type == JSON_NULL ? NULL : j;
	return NULL;
}

/* What is given, and of the row as it was (or NULL) the rest. */
static void put_new_row(struct object_call *oc, struct json_out *o, const struct json *was)
{
	const struct json *args = oc->c->args;
	json_open(o, NULL);
	json_put_str(o, "id", oc->name);
	for (const struct json *j = args->child; j; j = j->next) {
		if (j->type == JSON_NULL || !is_member(j->key))
			continue;
		if (str_eq(j->key, STR("headers")) && j->type == JSON_OBJECT) {
			put_headers(oc->c->mem, o, j, json_get(was, "headers"));
			continue;
		}
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
	for (const struct json *j = was ? was->child : NULL; j; j = j->next) {
		if (str_eq(j->key, STR("id")) || argument(args, j->key))
			continue;
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
	json_close(o);
}

enum change { ADD, CHANGE, REMOVE };

/* The list with one row more, changed or less. `row` is the one that is meant, or NULL. */
static int put_list(struct object_call *oc, const struct json *rows, const struct json *row,
		    enum change change)
{
	struct buf text;
	buf_init(&text, TEXT_ROOM);
	struct json_out o = json_out(&text);
	json_open_array(&o, NULL);
	for (const struct json *j = rows ? rows->child : NULL; j; j = j->next) {
		if (j != row)
			json_put_raw(&o, NULL, j->raw);
		else if (change == CHANGE)
			put_new_row(oc, &o, row);
	}
	if (change == ADD)
		put_new_row(oc, &o, NULL);
	json_close_array(&o);
	struct str list = text.failed ? STR_NONE : arena_dup(oc->c->mem, buf_str(&text));
	if (text.p)
		mem_wipe(text.p, text.room);
	buf_done(&text);
	if (!list.p)
		return -ENOMEM;
	return object_put(oc, OBJECT_SETTING, SETTING, STR_NONE, list, STR("{}"));
}

static int make_new(struct object_call *oc)
{
	const struct json *rows = stored_rows(oc);
	if (rows && rows->count >= ROWS_MAX)
		return object_refuse(oc, 400, NULL, "there are %d endpoints already", ROWS_MAX);
	if (find_row(oc, rows))
		return object_refuse(oc, 409, "id", "there is an endpoint with ID '" STR_FMT "'",
				     STR_ARG(oc->name));
	return put_list(oc, rows, NULL, ADD);
}

static int refuse_unknown(struct object_call *oc, int status)
{
	return object_refuse(oc, status, "endpoint_id",
			     "Endpoint with ID '" STR_FMT "' was not found: those of the file are "
			     "changed there", STR_ARG(oc->name));
}

/* Whether headers that somebody gave before would go to another target. */
static bool moves_headers(struct object_call *oc, const struct json *row)
{
	const struct json *old = json_get(row, "headers");
	const struct json *new = argument(oc->c->args, STR("headers"));
	if (!argument(oc->c->args, STR("target")) || !old || !old->child)
		return false;
	if (!json_is(new, JSON_OBJECT))
		return true;
	for (const struct json *h = new->child; h; h = h->next)
		if (str_eq(json_str(oc->c->mem, h), MASK))
			return true;
	return false;
}

static int make_update(struct object_call *oc)
{
	const struct json *rows = stored_rows(oc), *row = find_row(oc, rows);
	if (row && object_by_stranger(oc) && moves_headers(oc, row))
		return object_refuse(oc, 403, "target",
				     "whoever has no master key must give all headers along with "
				     "another target");
	return row ? put_list(oc, rows, row, CHANGE) : refuse_unknown(oc, 404);
}

static int make_delete(struct object_call *oc)
{
	const struct json *rows = stored_rows(oc), *row = find_row(oc, rows);
	if (!row)
		return refuse_unknown(oc, 400);	/* LiteLLM's status of it */
	/* The answer shows what is gone. */
	struct json_out o = json_out(&oc->c->out);
	put_rows(&o, oc->c->master->config, oc->name);
	return rows->count > 1 ? put_list(oc, rows, row, REMOVE)
			       : object_delete(oc, OBJECT_SETTING, SETTING);
}

static void put_changed(struct object_call *oc)
{
	struct json_out o = json_out(&oc->c->out);
	put_rows(&o, oc->c->master->config, oc->name);
}

static void put_deleted(struct object_call *oc)
{
	(void)oc;			/* make_delete() has written it */
}

/* ---- commands ---- */

static bool is_given(struct command_call *c, const char *name)
{
	if (json_is_given(json_get(c->args, name)))
		return true;
	command_fail(c, 400, "invalid_request_error", name, "%s is missing", name);
	return false;
}

void pass_endpoints_new(struct command_call *c)
{
	struct pass_call *pc = object_begin(c, sizeof *pc);
	char uuid[37];
	if (!pc || !is_given(c, "path") || !is_given(c, "target") ||
	    command_str(c, "id", &pc->oc.name) == -EINVAL)
		return;
	hash_uuid(uuid);
	if (!pc->oc.name.n)
		pc->oc.name = arena_dup(c->mem, str_z(uuid));
	pc->oc.make = make_new;
	pc->oc.answer = put_changed;
	object_start(&pc->oc, "pass_through.new");
}

void pass_endpoints_update(struct command_call *c)
{
	struct pass_call *pc = object_begin(c, sizeof *pc);
	if (!pc || object_name(c, "endpoint_id", &pc->oc.name) < 0)
		return;
	pc->oc.make = make_update;
	pc->oc.answer = put_changed;
	object_start(&pc->oc, "pass_through.update");
}

void pass_endpoints_delete(struct command_call *c)
{
	struct pass_call *pc = object_begin(c, sizeof *pc);
	if (!pc || object_name(c, "endpoint_id", &pc->oc.name) < 0)
		return;
	pc->oc.make = make_delete;
	pc->oc.answer = put_deleted;
	object_start(&pc->oc, "pass_through.delete");
}
