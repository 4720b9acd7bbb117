/* SPDX-License-Identifier: MIT
 * user_sync.c - what an identity provider says of a user: its role, the teams that it is in, and
 * which team and organization are called so. One transaction; what is so already is not written,
 * so that who comes with each token costs a look into the database. */
#include <errno.h>

#include "common/clock.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/members.h"
#include "master/users_more.h"

enum { TEAMS_MAX = 1000 };

struct place {				/* a team, and what it means that the user leaves it */
	uint64_t id;
	struct str team_id;
	bool is_left;
	struct key_row *keys, *limits;
	size_t n_keys, n_limits;
};

struct sync_call {			/* lives in the call's arena */
	struct command_call *c;
	struct keys *keys;
	struct str user_id, role, team_alias, org_alias;
	struct str *teams;		/* that it is to be in */
	size_t n_teams;
	bool sets_teams, only_adds;
	struct key_row user;
	bool is_changed;		/* the user's row */
	struct place *had;
	size_t n_had;
	struct str *joined;
	size_t n_joined;
	struct key_row *limited;	/* what limits it in teams that it has joined */
	size_t n_limited;
	struct str team_id, org_id;	/* who are called so; .p NULL: nobody, or several */
};

/* ---- on the store's thread ---- */

static int set_role(struct sync_call *sc, struct store_db *db)
{
	if (!sc->role.n || str_eq(sc->role, sc->user.role))
		return 0;
	sc->user.role = sc->role;
	sc->user.updated_at = clock_wall_ns();
	sc->user.updated_by = key_caller_name(sc->c);
	sc->is_changed = true;
	return tenant_row_update(db, &sc->user);
}

static int read_places(struct sync_call *sc, struct store_db *db)
{
	bool failed = false;
	int r;
	sc->had = arena_array(sc->c->mem, TEAMS_MAX, sizeof *sc->had);
	if (!sc->had)
		return -ENOMEM;
	struct sql *q = sql_query(db, "SELECT t.id, t.team_id FROM team_members m"
				      " JOIN teams t ON t.id = m.team WHERE m.user_id = ? LIMIT 1000");
	sql_text(q, 1, sc->user_id);
	while ((r = sql_row(q)) > 0 && sc->n_had < TEAMS_MAX)
		sc->had[sc->n_had++] = (struct place){
			.id = (uint64_t)sql_get_int(q, 0),
			.team_id = key_row_text(q, 1, sc->c->mem, &failed),
		};
	sql_end(q);
	return failed ? -ENOMEM : r < 0 ? r : 0;
}

static bool is_wanted(const struct sync_call *sc, struct str team_id)
{
	for (size_t i = 0; i < sc->n_teams; i++)
		if (str_eq(sc->teams[i], team_id))
			return true;
	return false;
}

static bool is_in(const struct sync_call *sc, struct str team_id)
{
	for (size_t i = 0; i < sc->n_had; i++)
		if (str_eq(sc->had[i].team_id, team_id))
			return true;
	return false;
}

/* With the limits that members of the team have. */
static int enter(struct sync_call *sc, struct store_db *db, const struct key_row *team)
{
	struct arena *a = sc->c->mem;
	struct team_member m = { .user_id = sc->user_id, .user_email = sc->user.email,
				 .role = STR("user"), .max_budget = MONEY_NONE };
	struct member_limits limits = { .budget_id = member_defaults_id(a, team),
					.max_budget = MONEY_NONE };
	int err = team_member_insert(db, team->id, &m);
	if (err == -EEXIST)
		return 0;		/* named twice */
	if (err)
		return err;
	sc->joined[sc->n_joined++] = team->team_id;
	if (!limits.budget_id.n)
		return 0;
	return member_limit(db, sc->c, team->id, sc->user_id, &limits,
			    &sc->limited[sc->n_limited++]);
}

/* A provider's group that is no team here is nobody's fault. */
static int join(struct sync_call *sc, struct store_db *db)
{
	struct team_row team;
	int err = 0;
	sc->joined = arena_array(sc->c->mem, sc->n_teams + 1, sizeof *sc->joined);
	sc->limited = arena_array(sc->c->mem, sc->n_teams + 1, sizeof *sc->limited);
	if (!sc->joined || !sc->limited)
		return -ENOMEM;
	for (size_t i = 0; i < sc->n_teams && !err; i++) {
		if (is_in(sc, sc->teams[i]))
			continue;
		err = team_row_find(db, sc->teams[i], sc->c->mem, &team);
		err = err ? err : enter(sc, db, &team.r);
		err = err == -ENOENT ? 0 : err;
	}
	return err;
}

static int leave(struct sync_call *sc, struct store_db *db, struct place *p)
{
	struct arena *a = sc->c->mem;
	struct team_member m = { .user_id = sc->user_id };
	int err = team_member_delete(db, p->id, &m, a);
	if (!err)
		err = team_keys_delete(db, p->team_id, sc->user_id, a, clock_wall_ns(),
				       key_caller_name(sc->c), &p->keys, &p->n_keys);
	if (!err)
		err = member_limits_delete(db, a, p->id, sc->user_id, &p->limits, &p->n_limits);
	p->is_left = !err;
	return err;
}

static int set_teams(struct sync_call *sc, struct store_db *db)
{
	int err = read_places(sc, db);
	if (!err)
		err = join(sc, db);
	for (size_t i = 0; i < sc->n_had && !sc->only_adds && !err; i++)
		if (!is_wanted(sc, sc->had[i].team_id))
			err = leave(sc, db, &sc->had[i]);
	return err;
}

/* Two of one name are as bad as none: nobody can say which was meant. */
static int find_alias(struct sync_call *sc, struct sql *q, struct str alias, struct str *ret)
{
	bool failed = false;
	sql_text(q, 1, alias);
	int r = sql_row(q);
	if (r > 0)
		*ret = key_row_text(q, 0, sc->c->mem, &failed);
	if (r > 0 && (r = sql_row(q)) > 0)
		*ret = STR_NONE;
	sql_end(q);
	return failed ? -ENOMEM : r < 0 ? r : 0;
}

static int find_aliases(struct sync_call *sc, struct store_db *db)
{
	int err = 0;
	if (sc->team_alias.n)
		err = find_alias(sc, sql_query(db, "SELECT team_id FROM teams WHERE alias = ? LIMIT 2"),
				 sc->team_alias, &sc->team_id);
	if (sc->org_alias.n && !err)
		err = find_alias(sc, sql_query(db, "SELECT name FROM tenants WHERE kind = 4"
						   " AND alias = ? LIMIT 2"),
				 sc->org_alias, &sc->org_id);
	return err;
}

static int sync_job(struct store_db *db, void *data)
{
	struct sync_call *sc = data;
	int err = 0;
	if (sc->user_id.n)
		err = tenant_row_find(db, tenant_number(DIR_USER), 0, sc->user_id, sc->c->mem,
				      &sc->user);
	if (!err && sc->user_id.n)
		err = set_role(sc, db);
	if (!err && sc->user_id.n && sc->sets_teams)
		err = set_teams(sc, db);
	return err ? err : find_aliases(sc, db);
}

/* ---- on the loop ---- */

static int publish(struct sync_call *sc)
{
	int err = sc->is_changed ? tenants_publish(sc->keys, DIR_USER, &sc->user) : 0;
	for (size_t i = 0; i < sc->n_limited && !err; i++)
		err = tenants_publish(sc->keys, DIR_MEMBER, &sc->limited[i]);
	for (size_t i = 0; i < sc->n_had; i++) {
		const struct place *p = &sc->had[i];
		for (size_t k = 0; p->is_left && k < p->n_keys; k++)
			keys_withdraw(sc->keys, &p->keys[k]);
		for (size_t k = 0; p->is_left && k < p->n_limits; k++)
			tenants_withdraw(sc->keys, DIR_MEMBER, &p->limits[k]);
	}
	return err;
}

static void put_changes(const struct sync_call *sc, struct json_out *o)
{
	json_open_array(o, "joined");
	for (size_t i = 0; i < sc->n_joined; i++)
		json_put_str(o, NULL, sc->joined[i]);
	json_close_array(o);
	json_open_array(o, "left");
	for (size_t i = 0; i < sc->n_had; i++)
		if (sc->had[i].is_left)
			json_put_str(o, NULL, sc->had[i].team_id);
	json_close_array(o);
}

static void answer(struct sync_call *sc)
{
	struct json_out o = json_out(&sc->c->out);
	json_open(&o, NULL);
	json_put_str(&o, "user_id", sc->user_id);
	json_put_str(&o, "user_role", sc->user.role);
	put_changes(sc, &o);
	json_put_str(&o, "team_id", sc->team_id);
	json_put_str(&o, "organization_id", sc->org_id);
	json_close(&o);
	command_finish(sc->c);
}

static void on_synced(void *data, int err)
{
	struct sync_call *sc = data;
	struct command_call *c = sc->c;
	if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", "user_id",
			     "There is no user with user_id=" STR_FMT, STR_ARG(sc->user_id));
	else if (err)
		command_fail_store(c, err);
	if (err)
		return;
	err = publish(sc);
	if (err)
		key_fail_unpublished(c, "user", sc->user.id, err, err);
	else
		answer(sc);
}

/* ---- arguments ---- */

static bool take_role(struct sync_call *sc)
{
	const struct tenant_role *r = tenant_roles;
	while (r->name && !str_eq_z(sc->role, r->name))
		r++;
	if (!sc->role.n || r->name)
		return true;
	command_fail(sc->c, 400, "invalid_request_error", "user_role",
		     "user_role is none of those at /user/available_roles");
	return false;
}

static bool take_teams(struct sync_call *sc)
{
	struct command_call *c = sc->c;
	const struct json *j = json_get(c->args, "teams");
	sc->sets_teams = json_is(j, JSON_ARRAY);
	if (!json_is_given(j))
		return true;
	if (sc->sets_teams && j->count <= TEAMS_MAX)
		sc->teams = arena_array(c->mem, j->count + 1, sizeof *sc->teams);
	for (const struct json *e = j->child; e && sc->teams; e = e->next)
		if (json_is(e, JSON_STRING))
			sc->teams[sc->n_teams++] = json_str(c->mem, e);
	if (sc->teams && sc->n_teams == j->count)
		return true;
	command_fail(c, 400, "invalid_request_error", "teams",
		     "teams must be a list of at most %d ids", TEAMS_MAX);
	return false;
}

void users_sync(struct command_call *c)
{
	struct sync_call *sc = command_state(c, sizeof *sc);
	if (!sc)
		return;
	sc->keys = c->master->keys;
	if (command_str(c, "user_id", &sc->user_id) == -EINVAL ||
	    command_str(c, "user_role", &sc->role) == -EINVAL ||
	    command_str(c, "team_alias", &sc->team_alias) == -EINVAL ||
	    command_str(c, "organization_alias", &sc->org_alias) == -EINVAL ||
	    command_bool(c, "only_join", &sc->only_adds) == -EINVAL || !take_role(sc) ||
	    !take_teams(sc))
		return;
	command_write(sc, sync_job, on_synced);
}
