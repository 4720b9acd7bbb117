/* SPDX-License-Identifier: MIT
 * roles.c - see roles.h. What is not in the table is for administrators, or for any key, as the
 * command itself says. */
#include "master/roles.h"

#include <errno.h>

#include "master/key_makers.h"
#include "master/master.h"

#define ORGANIZATIONS(words) { words, { [ROLE_ORGANIZATION_ADMIN] = true } }
static const struct {
	const char *words;
	bool may[ROLES];
} own[] = {
	{ "keys create", { [ROLE_INTERNAL] = true } },
	{ "keys update", { [ROLE_INTERNAL] = true } },
	{ "keys rotate", { [ROLE_INTERNAL] = true } },
	{ "keys regenerate", { [ROLE_INTERNAL] = true } },
	{ "keys delete", { [ROLE_INTERNAL] = true } },
	{ "keys list", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "keys show", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "users show", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "teams list", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "teams list v2", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "users show v2", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "teams available", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "teams show", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "teams add", { [ROLE_INTERNAL] = true } },	/* these as an admin of the team */
	{ "teams bulk", { [ROLE_INTERNAL] = true } },
	{ "teams member", { [ROLE_INTERNAL] = true } },
	{ "teams remove", { [ROLE_INTERNAL] = true } },
	{ "teams permit", { [ROLE_INTERNAL] = true } },
	{ "teams permissions", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "spend logs", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "spend logs v2", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "spend logs ui", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	{ "spend logs session", { [ROLE_INTERNAL] = true, [ROLE_INTERNAL_VIEWER] = true } },
	ORGANIZATIONS("keys block"),
	ORGANIZATIONS("keys unblock"),
	ORGANIZATIONS("teams create"),
	ORGANIZATIONS("teams update"),
	ORGANIZATIONS("teams block"),
	ORGANIZATIONS("teams unblock"),
	ORGANIZATIONS("teams delete"),
	ORGANIZATIONS("teams allow"),
	ORGANIZATIONS("teams disallow"),
	ORGANIZATIONS("users create"),
	ORGANIZATIONS("users list"),
	ORGANIZATIONS("orgs list"),
	ORGANIZATIONS("orgs show"),
	ORGANIZATIONS("orgs add"),
	ORGANIZATIONS("orgs member"),
	ORGANIZATIONS("orgs remove"),
};

bool role_reaches_own(enum user_role role, const char *words)
{
	for (size_t i = 0; i < COUNT(own); i++)
		if (str_eq_z(str_z(words), own[i].words))
			return own[i].may[role];
	return false;
}

static bool may_by_itself(const struct command_call *c)
{
	switch (c->command->role) {
	case ROLE_ANY_KEY:
		return true;
	case ROLE_VIEW:
		return c->is_admin || c->is_viewer;
	case ROLE_ADMIN:
		break;
	}
	return c->is_admin;
}

/* The user that the calling key names. false: there is no row of it, or it is blocked. */
static bool find_user(const struct command_call *c, struct dir_key *ret_key,
		      struct dir_key *ret_user)
{
	const struct dir *d = c->master->dir;
	return dir_find(d, c->caller_hash, ret_key) && ret_key->user_id.n &&
	       dir_find_named(d, DIR_USER, ret_key->user_id, ret_user) &&
	       !(ret_user->flags & KEY_BLOCKED);
}

/* A key that is held to rules may look, and not make one that is held to none. */
static enum user_role role_of(const struct dir_key *key, const struct dir_key *user)
{
	if (user->flags & KEY_INTERNAL)
		return key->flags & KEY_RULES ? ROLE_INTERNAL_VIEWER : ROLE_INTERNAL;
	return user->flags & KEY_INTERNAL_VIEWER ? ROLE_INTERNAL_VIEWER : ROLE_OF_NOBODY;
}

/* The directory's slices are good only for now. */
static bool remember(struct command_call *c, const struct dir_key *key)
{
	bool failed = false;
	struct dir_key *copy = arena_alloc(c->mem, sizeof *copy);
	if (!copy)
		return false;
	*copy = *key;
	copy->models = arena_dup(c->mem, key->models);
	copy->organization_id = arena_dup(c->mem, key->organization_id);
	copy->budget_id = arena_dup(c->mem, key->budget_id);
	copy->team_id = arena_dup(c->mem, key->team_id);
	c->own_user = arena_dup(c->mem, key->user_id);
	c->own_key = copy;
	c->makers = key_makers_of(c, &failed);
	return !failed && c->own_user.n > 0 && (copy->models.p || !key->models.n) &&
	       (copy->organization_id.p || !key->organization_id.n) &&
	       (copy->team_id.p || !key->team_id.n) &&
	       (copy->budget_id.p || !key->budget_id.n);
}

bool roles_admit(struct command_call *c)
{
	struct dir_key key, user;
	if (c->kind != CALLER_HTTP || c->is_admin || c->is_viewer || !c->caller_hash ||
	    !find_user(c, &key, &user))
		return may_by_itself(c);
	c->is_viewer = user.flags & KEY_VIEWER;
	enum user_role role = role_of(&key, &user);
	bool reaches = role_reaches_own(role, c->command->words) ||
		       (role == ROLE_INTERNAL &&
			role_reaches_own(ROLE_ORGANIZATION_ADMIN, c->command->words));
	return c->is_viewer || !reaches ? may_by_itself(c) : remember(c, &key);
}

/* ---- for commands ---- */

bool role_owns(const struct command_call *c, const struct key_row *key)
{
	return !c->own_user.n || str_eq(key->user_id, c->own_user);
}

static bool is_among(struct str name, const char *const names[])
{
	for (; *names; names++)
		if (str_eq_z(name, *names))
			return true;
	return false;
}

const struct json *role_forbidden(const struct command_call *c, const char *const names[],
				  bool is_organizations)
{
	static const char *const fixed[] = { "user_id", "team_id", "organization_id", "key_type",
					     "allowed_routes", "permissions", NULL };
	if (!c->own_user.n)
		return NULL;
	for (const struct json *j = c->args->child; j; j = j->next)
		if (is_organizations ? is_among(j->key, fixed) : !is_among(j->key, names))
			return j;
	return NULL;
}

void role_fail_argument(struct command_call *c, const struct json *argument)
{
	struct str name = argument ? argument->key : STR("");
	name.n = name.n > 100 ? 100 : name.n;
	command_fail(c, 403, "auth_error", NULL,
		     "Only a proxy admin may set '" STR_FMT "' here", STR_ARG(name));
}

/* A limit of its own would be above that of the budget that both have. */
static int64_t least(const struct dir_key *k, int64_t wanted, int64_t none, int64_t most)
{
	if (most == none)
		return k->budget_id.n ? none : wanted;
	return wanted == none || wanted > most ? most : wanted;
}

static void cap_limits(const struct dir_key *k, struct key_row *row)
{
	if (k->budget_id.n)
		row->budget_id = k->budget_id;
	/* A short period is a lot of money. */
	if (k->budget_id.n || k->max_budget_nano >= 0) {
		row->budget_duration = STR_NONE;
		row->budget_reset_at = 0;
	}
	row->max_budget = least(k, row->max_budget, MONEY_NONE, k->max_budget_nano);
	row->rpm_limit = least(k, row->rpm_limit, 0, (int64_t)k->rpm);
	row->tpm_limit = least(k, row->tpm_limit, 0, (int64_t)k->tpm);
	row->max_parallel_requests =
		least(k, row->max_parallel_requests, 0, k->max_parallel);
}

/* Each name of the new list must stand in that of the key that makes it. */
static bool lists_all(const struct dir_key *k, struct str flat)
{
	if (key_models_are_all(flat))
		return false;
	while (flat.n)
		if (!dir_key_lists(k, str_cut(&flat, '\0')))
			return false;
	return true;
}

static struct str list_of(struct arena *a, struct str flat)
{
	struct buf text;
	buf_init(&text, 64 * 1024);
	struct json_out o = json_out(&text);
	json_open_array(&o, NULL);
	while (flat.n)
		json_put_str(&o, NULL, str_cut(&flat, '\0'));
	json_close_array(&o);
	struct str s = text.failed ? STR_NONE : arena_dup(a, buf_str(&text));
	buf_done(&text);
	return s;
}

bool role_may_make_keys(struct command_call *c)
{
	if (!c->own_user.n)
		return true;
	/* A key that has only some models would make one that has others. */
	const struct json *groups = json_get(c->args, "access_group_ids");
	if (json_is_given(groups) && !(c->own_key->flags & KEY_ALL_MODELS)) {
		role_fail_argument(c, groups);
		return false;
	}
	if (!(c->own_key->flags & (KEY_MODEL_LIMITS | KEY_WINDOWS)) && !c->own_key->rpm_burst)
		return true;
	command_fail(c, 403, "auth_error", NULL,
		     "A key with limits for single models or in windows makes no other keys; ask "
		     "a proxy admin");
	return false;
}

void role_cap_key(const struct command_call *c, struct key_row *row)
{
	const struct dir_key *k = c->own_key;
	if (!c->own_user.n)
		return;
	row->user_id = c->own_user;
	row->spend = 0;
	row->aliases = STR("{}");	/* they would be a way around its list of models */
	if (k->organization_id.n)
		row->organization_id = k->organization_id;
	if (k->team_id.n && !row->team_id.n)
		row->team_id = k->team_id;
	cap_limits(k, row);
	if (k->expires_wall_ns && (!row->expires || row->expires > k->expires_wall_ns))
		row->expires = k->expires_wall_ns;
	struct str flat = key_models_flat(c->mem, row->models);
	if (!(k->flags & KEY_ALL_MODELS) && (dir_key_has_exclusions(k) || !lists_all(k, flat)))
		row->models = list_of(c->mem, dir_models_named(k->models));
}

/* An object without those members (the last is NULL), and with another at its end, if it is given.
 * 0, or -ENOMEM. */
static int rewrite(struct arena *a, struct str *object, const char *const without[],
		   const char *name, const struct json *with)
{
	struct json_error e;
	struct buf text;
	const struct json *old = json_parse(a, *object, 0, &e);
	if (!json_is(old, JSON_OBJECT))
		return -ENOMEM;
	buf_init(&text, 2 * object->n + (json_is_given(with) ? with->raw.n : 0) + 64);
	struct json_out o = json_out(&text);
	json_open(&o, NULL);
	for (const struct json *j = old->child; j; j = j->next) {
		if (is_among(j->key, without))
			continue;
		json_key(&o, j->key);
		json_put_raw(&o, NULL, j->raw);
	}
	if (json_is_given(with))
		json_put_raw(&o, name, with->raw);
	json_close(&o);
	struct str kept = text.failed ? STR_NONE : arena_dup(a, buf_str(&text));
	buf_done(&text);
	if (kept.p)
		*object = kept;
	return kept.p ? 0 : -ENOMEM;
}

/* What gives a key more than others have: a larger budget for a while; a better place in queues, a
 * larger share of a model; more requests at once than its maker has in a minute. */
int role_cap_members(const struct command_call *c, struct str own_metadata, struct key_row *row)
{
	static const char *const of_metadata[] = { "temp_budget_increase", "temp_budget_expiry",
						   "priority", NULL };
	static const char *const of_extra[] = { "rpm_burst", NULL };
	struct json_error e;
	const struct json *from = json_parse(c->mem, own_metadata, 0, &e);
	if (!json_is(from, JSON_OBJECT))
		return -ENOMEM;
	int err = rewrite(c->mem, &row->metadata, of_metadata, "priority",
			  json_get(from, "priority"));
	if (!err && c->own_key->rpm)
		err = rewrite(c->mem, &row->extra, of_extra, NULL, NULL);
	return err;
}

void role_refuse(struct command_call *c)
{
	command_fail(c, 401, "auth_error", NULL,
		     "Authentication Error, Only proxy admin can be used to generate, "
		     "delete, update info for new keys/users/teams. Route=%s",
		     c->command->path ? c->command->path : c->command->words);
}

bool role_failed(struct command_call *c, int err)
{
	switch (err) {
	case -EPERM:
		role_refuse(c);
		return true;
	case -EACCES:
		command_fail(c, 403, "auth_error", "team_id",
			     "User=" STR_FMT " is not in the team, or not its admin",
			     STR_ARG(c->own_user));
		return true;
	case -EKEYREJECTED:
		command_fail(c, 401, "team_member_permission_error", c->command->path,
			     "Team member does not have permissions for endpoint: %s",
			     c->command->path ? c->command->path : c->command->words);
		return true;
	case -EKEYREVOKED:
		key_makers_refuse(c);
		return true;
	default:
		return false;
	}
}
