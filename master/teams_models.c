/* SPDX-License-Identifier: MIT
 * teams_models.c - single names put into a team's list of models, and taken out of it.
 *
 * A list without a name that allows something allows everything. So the first name that is added
 * stands beside one for all, that adding takes nothing away; and the last one is not deleted, that
 * deleting gives nothing. */
#include <errno.h>

#include "master/teams_private.h"

enum { LIST_ROOM_MAX = 1 << 20 };

static bool allows(struct str name)
{
	return name.n && name.p[0] != '!';
}

static bool has(struct arena *a, const struct json *list, struct str name)
{
	for (const struct json *j = list->child; j; j = j->next)
		if (str_eq(json_str(a, j), name))
			return true;
	return false;
}

/* Writes the names that the other list has not; returns how many of them allow something. */
static size_t put_others(struct arena *a, struct json_out *o, const struct json *list,
			 const struct json *but)
{
	size_t n = 0;
	for (const struct json *j = list->child; j; j = j->next) {
		struct str name = json_str(a, j);
		if (but && has(a, but, name))
			continue;
		json_put_str(o, NULL, name);
		n += allows(name);
	}
	return n;
}

static int edit(struct team_call *tc, struct key_row *row, bool adds)
{
	struct arena *a = tc->c->mem;
	struct json_error e;
	struct buf text;
	const struct json *old = json_parse(a, row->models, 0, &e);
	const struct json *named = json_parse(a, tc->edited, 0, &e);
	if (!json_is(old, JSON_ARRAY) || !json_is(named, JSON_ARRAY))
		return -ENOMEM;
	buf_init(&text, LIST_ROOM_MAX);
	struct json_out o = json_out(&text);
	json_open_array(&o, NULL);
	size_t left = put_others(a, &o, old, adds ? NULL : named);
	if (adds && !left++)
		json_put_z(&o, NULL, "all-proxy-models");
	if (adds)
		put_others(a, &o, named, old);
	json_close_array(&o);
	row->models = text.failed ? STR_NONE : arena_dup(a, buf_str(&text));
	buf_done(&text);
	return !row->models.p ? -ENOMEM : left ? 0 : -ECHILD;
}

static int edit_add(struct team_call *tc, struct key_row *row)
{
	return edit(tc, row, true);
}

static int edit_delete(struct team_call *tc, struct key_row *row)
{
	return edit(tc, row, false);
}

static void change(struct command_call *c, int (*how)(struct team_call *tc, struct key_row *row))
{
	const struct json *models = json_get(c->args, "models");
	struct team_call *tc = team_call_new(c);
	if (!tc || !team_call_take_id(tc))
		return;
	struct str flat = json_is(models, JSON_ARRAY) && models->count ?
		key_models_flat(c->mem, models->raw) : STR_NONE;
	tc->edit = how;
	tc->edited = flat.n ? models->raw : STR_NONE;
	if (flat.n)
		team_call_change(tc);
	else
		command_fail(c, 400, "invalid_request_error", "models",
			     "models must be a list of names");
}

void teams_model_add(struct command_call *c)
{
	change(c, edit_add);
}

void teams_model_delete(struct command_call *c)
{
	change(c, edit_delete);
}
