/* SPDX-License-Identifier: MIT
 * teams_permissions.c - by which commands plain members of a team may change their keys in it.
 *
 * A team without a list leaves them what their role allows anywhere; a list that is set, the empty
 * one too, allows what it names. Admins of a team are not held to it, and looking always goes. */
#include <errno.h>

#include "master/master.h"
#include "master/roles.h"
#include "master/teams_private.h"

enum { PATH_MAX_BYTES = 200, PERMISSIONS_MAX = 100, LIST_ROOM_MAX = 64 << 10 };

/* What acts: roles_check.c looks whether a member may. */
static const char *const available[] = {
	"/key/generate", "/key/update", "/key/delete", "/key/regenerate",
	"/key/{key_id}/regenerate", "/key/info", "/key/list",
};

static bool is_available(struct str path)
{
	for (size_t i = 0; i < COUNT(available); i++)
		if (str_eq_z(path, available[i]))
			return true;
	return false;
}

static bool is_path(struct str s)
{
	return s.n > 1 && s.n <= PATH_MAX_BYTES && s.p[0] == '/';
}

bool team_permissions_are_valid(struct command_call *c)
{
	const struct json *list = json_get(c->args, "team_member_permissions");
	bool is_good = !json_is_given(list) ||
		       (list->type == JSON_ARRAY && list->count <= PERMISSIONS_MAX);
	for (const struct json *j = json_is(list, JSON_ARRAY) ? list->child : NULL; j && is_good;
	     j = j->next)
		is_good = is_path(json_str(c->mem, j));
	if (!is_good)
		command_fail(c, 400, "invalid_request_error", "team_member_permissions",
			     "team_member_permissions must be a list of paths, such as "
			     "/key/generate");
	return is_good;
}

/* A name that permits nothing is told, as a field that does nothing is. */
void team_permissions_warn(struct team_call *tc)
{
	const struct json *list = json_get(tc->c->args, "team_member_permissions");
	for (const struct json *j = json_is(list, JSON_ARRAY) ? list->child : NULL; j;
	     j = j->next) {
		struct str path = json_str(tc->c->mem, j);
		if (is_available(path))
			continue;
		key_change_warn(&tc->change, arena_printf(tc->c->mem, "'" STR_FMT
				"' is stored, but gives members nothing", STR_ARG(path)));
		return;			/* there is room for one */
	}
}

/* ---- set ---- */

static bool take_list(struct team_call *tc)
{
	struct command_call *c = tc->c;
	const struct json *list = json_get(c->args, "team_member_permissions");
	if (json_is(list, JSON_ARRAY))
		return true;
	command_fail(c, 400, "invalid_request_error", "team_member_permissions",
		     "team_member_permissions must be a list");
	return false;
}

void teams_permissions_update(struct command_call *c)
{
	struct team_call *tc = team_call_new(c);
	if (!tc || !team_call_take_id(tc) || !take_list(tc) || !team_permissions_are_valid(c) ||
	    key_change_read(c, FIELDS_OF_PERMISSIONS, &tc->change) != 0)
		return;
	team_permissions_warn(tc);
	tc->check = role_check_team_admin;
	team_call_change(tc);
}

/* ---- shown ---- */

static int list_job(struct store_db *db, void *data)
{
	struct team_call *tc = data;
	int err = role_check_team(tc->c, db, tc->team_id, false);
	if (err)
		return err == -EACCES ? -ENOENT : err;
	return team_call_find(tc, db);
}

static void put_available(struct json_out *o, const char *key)
{
	json_open_array(o, key);
	for (size_t i = 0; i < COUNT(available); i++)
		json_put_z(o, NULL, available[i]);
	json_close_array(o);
}

static void on_listed(void *data, int err)
{
	struct team_call *tc = data;
	struct command_call *c = tc->c;
	struct json_error e;
	if (err) {
		team_call_fail(tc, err);
		return;
	}
	const struct json *extra = json_parse(c->mem, tc->row.r.extra, 0, &e);
	const struct json *set = json_get(extra, "team_member_permissions");
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_str(&o, "team_id", tc->team_id);
	if (json_is_given(set))
		json_put_raw(&o, "team_member_permissions", set->raw);
	else
		put_available(&o, "team_member_permissions");
	put_available(&o, "all_available_permissions");
	json_close(&o);
	command_finish(c);
}

void teams_permissions_list(struct command_call *c)
{
	struct team_call *tc = team_call_new(c);
	if (!tc || !team_call_take_id(tc))
		return;
	int err = store_read(tc->keys->store, list_job, on_listed, tc);
	if (err)
		team_call_fail(tc, err);
}
