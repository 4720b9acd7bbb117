/* SPDX-License-Identifier: MIT
 * tenants_commands.c - create, change, block tenants: database first, then directory, then the
 * answer. A change that the directory cannot take is taken back in the database before the caller
 * is told. A new user gets a key, as with LiteLLM, unless nobody wants one. */
#include <errno.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/price.h"
#include "master/budget_models.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/members.h"
#include "master/roles.h"
#include "master/tenants.h"

enum { ID_MAX = 1000, UUID_ROOM = 37, KEY_ROOM = 32, RANDOM_BYTES = 16, TEAMS_MAX = 1000 };

struct place {				/* that a new user has in a team */
	struct str team_id, role;
	bool is_limited;
	int64_t max_budget;
};
struct tenant_call {			/* lives in the call's arena */
	struct command_call *c;
	struct keys *keys;
	const struct tenant_kind *kind;
	struct str id, email;
	struct key_change change;
	struct key_row before, row;
	bool is_new;
	struct str text;		/* of a new user's key; .p NULL: it gets none */
	struct key_row key;
	struct place *teams;
	struct str missing;		/* the team that there is not */
	struct str *organizations, missing_org;
	size_t n_organizations;
	size_t n_teams;
	struct key_row *limited;	/* what limits it in some of them */
	size_t n_limited;
	struct budget_lent lent;	/* of a budget: who has it, where its models change */
	int undo_why;
};

/* ---- common ---- */

static void fail(struct tenant_call *tc, int err)
{
	struct command_call *c = tc->c;
	const struct tenant_kind *k = tc->kind;
	int conflict = c->kind == CALLER_SOCKET ? 409 : 400;	/* LiteLLM's clients know 400 */
	if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", k->id, "There is no %s with %s=" STR_FMT,
			     k->noun, k->id, STR_ARG(tc->id.n ? tc->id : tc->email));
	else if (err == -EEXIST)
		command_fail(c, conflict, "invalid_request_error", k->id,
			     "There is a %s with %s=" STR_FMT " already, or its key's alias is taken",
			     k->noun, k->id, STR_ARG(tc->id));
	else if (err == -E2BIG)
		command_fail(c, 400, "invalid_request_error", "model_max_budget",
			     "model_max_budget of a budget that more than %d have cannot be changed",
			     BUDGET_LENT_MAX);
	else if (err == -EXDEV)
		command_fail(c, 404, "not_found_error", "organizations",
			     "There is no organization with organization_id=" STR_FMT,
			     STR_ARG(tc->missing_org));
	else if (role_failed(c, err))
		return;
	else if (err == -ENODATA && tc->missing.n)
		command_fail(c, 404, "not_found_error", "teams",
			     "Team not found, passed team_id=" STR_FMT, STR_ARG(tc->missing));
	else if (err == -ENODATA)
		command_fail(c, 400, "invalid_request_error", "budget_id",
			     "There is no budget with budget_id=" STR_FMT,
			     STR_ARG(tc->change.to.budget_id));
	else
		command_fail_store(c, err);
}

static struct tenant_call *call_new(struct command_call *c)
{
	struct tenant_call *tc = command_state(c, sizeof *tc);
	if (!tc)
		return NULL;
	tc->keys = c->master->keys;
	tc->kind = tenant_kind_of(c->command);
	tc->change = (struct key_change){ .now_ns = clock_wall_ns(), .args = c->args };
	return tc;
}

/* false: answered. */
static bool take_id(struct tenant_call *tc)
{
	struct command_call *c = tc->c;
	if (command_str(c, tc->kind->id, &tc->id) == -EINVAL)
		return false;
	if (tc->id.n > ID_MAX) {
		command_fail(c, 400, "invalid_request_error", tc->kind->id,
			     "%s is longer than %d bytes", tc->kind->id, ID_MAX);
		return false;
	}
	return true;
}

/* false: answered. */
static bool take_change(struct tenant_call *tc)
{
	struct command_call *c = tc->c;
	if (key_change_read(c, tc->kind->fields, &tc->change) != 0)
		return false;
	if (!tc->change.to.role.n || tenant_is_role(tc->change.to.role))
		return true;
	command_fail(c, 400, "invalid_request_error", "user_role",
		     "user_role must be proxy_admin, proxy_admin_viewer, internal_user or "
		     "internal_user_viewer");
	return false;
}

/* ---- a new user's key and teams ---- */

static bool take_key(struct tenant_call *tc)
{
	struct command_call *c = tc->c;
	bool wanted = true;
	if (command_bool(c, "auto_create_key", &wanted) == -EINVAL ||
	    command_str(c, "key_alias", &tc->key.alias) == -EINVAL)
		return false;
	if (!wanted)
		return true;
	char *p = arena_alloc(c->mem, KEY_ROOM);
	if (!p)
		return command_fail_store(c, -ENOMEM), false;
	memcpy(p, "sk-", 3);
	hash_random_urlsafe(p + 3, RANDOM_BYTES);
	tc->text = str_z(p);
	return true;
}

/* An id, or LiteLLM's object. */
static bool read_place(struct command_call *c, const struct json *j, struct place *to)
{
	*to = (struct place){ .role = STR("user"), .max_budget = MONEY_NONE };
	if (!json_is(j, JSON_OBJECT)) {
		to->team_id = json_str(c->mem, j);
		return to->team_id.n > 0;
	}
	const struct json *role = json_get(j, "user_role");
	const struct json *budget = json_get(j, "max_budget_in_team");
	to->team_id = json_get_str(c->mem, j, "team_id");
	to->is_limited = json_is_given(budget);
	if (json_is_given(role))
		to->role = json_str(c->mem, role);
	return to->team_id.n && (str_eq_z(to->role, "user") || str_eq_z(to->role, "admin")) &&
	       (!to->is_limited || (price_read_nano(budget->raw, &to->max_budget) == 0 &&
				    to->max_budget >= 0));
}

static bool take_teams(struct tenant_call *tc)
{
	struct command_call *c = tc->c;
	const struct json *j = json_get(c->args, "teams");
	if (!json_is(j, JSON_ARRAY) || !j->count)
		return true;
	if (j->count <= TEAMS_MAX)
		tc->teams = arena_array(c->mem, j->count, sizeof *tc->teams);
	for (const struct json *e = j->child; e && tc->teams; e = e->next, tc->n_teams++)
		if (!read_place(c, e, &tc->teams[tc->n_teams]))
			break;
	if (tc->n_teams == j->count)
		return true;
	command_fail(c, 400, "invalid_request_error", "teams",
		     "teams must be a list of at most %d ids, or of objects {team_id, "
		     "max_budget_in_team, user_role}", TEAMS_MAX);
	return false;
}

/* LiteLLM's list of ids. */
static bool take_organizations(struct tenant_call *tc)
{
	struct command_call *c = tc->c;
	const struct json *j = json_get(c->args, "organizations");
	if (!json_is_given(j))
		return true;
	if (json_is(j, JSON_ARRAY) && j->count <= TEAMS_MAX)
		tc->organizations = arena_array(c->mem, j->count + 1, sizeof *tc->organizations);
	for (const struct json *e = j->child; e && tc->organizations; e = e->next) {
		struct str id = json_str(c->mem, e);
		if (!id.n)
			break;
		tc->organizations[tc->n_organizations++] = id;
	}
	if (tc->organizations && tc->n_organizations == j->count)
		return true;
	command_fail(c, 400, "invalid_request_error", "organizations",
		     "organizations must be a list of at most %d ids", TEAMS_MAX);
	return false;
}

static void start_key(struct tenant_call *tc)
{
	const struct key_row *u = &tc->row;
	struct str alias = tc->key.alias, last = str_skip(tc->text, tc->text.n - 4);
	tc->key = (struct key_row){
		.hash = hash_sha256(tc->text), .alias = alias, .user_id = tc->id,
		.key_name = arena_printf(tc->c->mem, "sk-..." STR_FMT, STR_ARG(last)),
		.models = u->models, .aliases = STR("{}"), .metadata = STR("{}"),
		.permissions = STR("{}"), .extra = STR("{}"), .max_budget = MONEY_NONE,
		.soft_budget = MONEY_NONE, .spend_since = u->created_at,
		.created_at = u->created_at, .updated_at = u->created_at,
		.created_by = u->created_by, .updated_by = u->created_by,
	};
}

static int limit(struct tenant_call *tc, struct store_db *db, const struct key_row *team,
		 const struct place *p)
{
	struct member_limits limits = { .budget_id = member_defaults_id(tc->c->mem, team),
					.sets_budget = p->is_limited,
					.max_budget = p->max_budget };
	if (!member_limits_given(&limits))
		return 0;
	return member_limit(db, tc->c, team->id, tc->id, &limits, &tc->limited[tc->n_limited++]);
}

static int join_teams(struct tenant_call *tc, struct store_db *db)
{
	int err = 0;
	tc->limited = arena_array(tc->c->mem, tc->n_teams + 1, sizeof *tc->limited);
	if (!tc->limited)
		return -ENOMEM;
	for (size_t i = 0; i < tc->n_teams && !err; i++) {
		const struct place *p = &tc->teams[i];
		struct team_member m = { .user_id = tc->id, .user_email = tc->row.email,
					 .role = p->role, .max_budget = p->max_budget };
		struct team_row team;
		err = team_row_find(db, p->team_id, tc->c->mem, &team);
		if (!err)
			err = team_member_insert(db, team.r.id, &m);
		if (!err)
			err = limit(tc, db, &team.r, p);
		if (err == -ENOENT)
			tc->missing = p->team_id;
		if (err == -EEXIST)
			err = 0;	/* it is in the team already */
	}
	return err == -ENOENT ? -ENODATA : err;
}

static int join_organizations(struct tenant_call *tc, struct store_db *db)
{
	int err = 0;
	for (size_t i = 0; i < tc->n_organizations && !err; i++) {
		err = org_member_join(db, tc->c, tc->organizations[i], &tc->row);
		tc->missing_org = tc->organizations[i];
	}
	/* One who manages an organization makes users of that alone. */
	if (!err && tc->c->own_user.n && !tc->n_organizations)
		err = -ENOENT;
	return err == -ENOENT ? -EXDEV : err;
}

/* Keys and teams may name a user before there is one: an organization's admin would hold it to
 * limits, and see it. */
static int check_unnamed(struct tenant_call *tc, struct store_db *db)
{
	if (!tc->c->own_user.n)
		return 0;
	struct sql *q = sql_query(db,
		"SELECT 1 FROM keys WHERE user_id = ?1 UNION ALL SELECT 1 FROM team_members m"
		" JOIN teams t ON t.id = m.team WHERE m.user_id = ?1 AND (t.organization_id IS NULL"
		" OR t.organization_id NOT IN (" ROLE_ADMINISTERED("?2") ")) LIMIT 1");
	sql_text(q, 1, tc->id);
	sql_text(q, 2, tc->c->own_user);
	int r = sql_row(q);
	sql_end(q);
	return r > 0 ? -EEXIST : r;
}

/* The organization pays for a key that its admin makes with a user, and that key calls models. */
static int insert_key(struct tenant_call *tc, struct store_db *db)
{
	if (tc->c->own_user.n)
		tc->key.organization_id = tc->organizations[0];
	int err = role_check_new_key(tc->c, db, &tc->key);
	return err ? err : key_row_insert(db, &tc->key);
}

/* ---- jobs ---- */

static int store_models(struct store_db *db, const struct tenant_call *tc,
			const struct key_row *row)
{
	enum dir_kind kind = tc->kind->dir;
	return dir_model_kind(kind) < DIR_KINDS ? key_models_store(db, kind, row) : 0;
}

static int create_job(struct store_db *db, void *data)
{
	struct tenant_call *tc = data;
	int err = role_check_command(tc->c, db);
	if (!err)
		err = check_unnamed(tc, db);
	if (!err)
		err = budget_adopt(db, tc->c->mem, tc->change.now_ns, &tc->row);
	if (!err)
		err = tenant_row_insert(db, tenant_number(tc->kind->dir), &tc->row);
	if (!err)
		err = store_models(db, tc, &tc->row);
	if (!err)
		err = join_organizations(tc, db);
	if (!err && tc->text.p)
		err = insert_key(tc, db);
	return err ? err : join_teams(tc, db);
}

static int find(struct tenant_call *tc, struct store_db *db)
{
	if (!tc->id.n && tc->email.n)
		return tenant_row_by_email(db, tc->email, tc->c->mem, &tc->row);
	return tenant_row_find(db, tenant_number(tc->kind->dir), 0, tc->id, tc->c->mem, &tc->row);
}

static bool lends_others(const struct tenant_call *tc)
{
	return tc->kind->dir == DIR_BUDGET &&
	       budget_models_differ(tc->before.extra, tc->row.extra);
}

static int change_job(struct store_db *db, void *data)
{
	struct tenant_call *tc = data;
	int err = find(tc, db);
	if (err)
		return err;
	tc->before = tc->row;
	tc->id = tc->row.key_name;
	err = key_change_apply(&tc->change, tc->c->mem, &tc->row);
	if (!err && (tc->change.to.budget_id.n || !tc->row.budget_id.n))
		err = budget_change(db, tc->c->mem, tc->change.now_ns, &tc->before,
				    key_change_sets_period(&tc->change), &tc->row);
	if (err)
		return err;
	tc->row.updated_by = key_caller_name(tc->c);
	err = tenant_row_update(db, &tc->row);
	if (!err)
		err = store_models(db, tc, &tc->row);
	if (!err && tc->kind->dir == DIR_BUDGET && key_change_sets_period(&tc->change))
		err = budget_set_periods(db, &tc->row);
	if (!err && lends_others(tc))
		err = budget_models_relend(db, tc->c->mem, tc->id, tc->row.extra, &tc->lent);
	return err;
}

static int leave_organizations(struct tenant_call *tc, struct store_db *db)
{
	struct sql *q = sql_query(db, "DELETE FROM tenants WHERE kind = 9 AND name = ?");
	sql_text(q, 1, tc->id);
	return sql_run(q);
}

static int undo_job(struct store_db *db, void *data)
{
	struct tenant_call *tc = data;
	if (!tc->is_new) {
		int back = tenant_row_update(db, &tc->before);
		if (!back && lends_others(tc))
			back = budget_models_relend(db, tc->c->mem, tc->id, tc->before.extra,
						    &tc->lent);
		return back ? back : store_models(db, tc, &tc->before);
	}
	int err = tenant_row_delete(db, tc->row.id);
	if (!err && tc->n_organizations)
		err = leave_organizations(tc, db);
	if (!err && tc->text.p)
		err = key_row_delete(db, &tc->key, clock_wall_ns(), STR("llmgw"));
	return err;
}

static void on_undone(void *data, int err)
{
	struct tenant_call *tc = data;
	key_fail_unpublished(tc->c, tc->kind->noun, tc->row.id, tc->undo_why, err);
}

static void undo(struct tenant_call *tc, int why)
{
	tc->undo_why = why;
	int err = store_write(tc->keys->store, undo_job, on_undone, tc);
	if (err)
		on_undone(tc, err);
}

/* ---- the answer ---- */

static void put_row(const struct tenant_call *tc, struct json_out *o)
{
	tenant_put(o, tc->kind, &tc->row, tenant_spend(tc->keys, tc->kind->dir, &tc->row));
}

static void put_teams(const struct tenant_call *tc, struct json_out *o)
{
	json_open_array(o, "teams");
	for (size_t i = 0; i < tc->n_teams; i++)
		json_put_str(o, NULL, tc->teams[i].team_id);
	json_close_array(o);
}

static void put_tag(const struct tenant_call *tc, struct json_out *o)
{
	const char *done = tc->is_new ? "created" : "updated";
	json_put_str(o, "message", arena_printf(tc->c->mem, "Tag " STR_FMT " %s successfully",
						STR_ARG(tc->id), done));
	json_open(o, "tag");
	put_row(tc, o);
	json_close(o);
}

static void put_user(const struct tenant_call *tc, struct json_out *o)
{
	if (!tc->is_new) {
		json_put_str(o, "user_id", tc->id);
		json_open(o, "data");
		put_row(tc, o);
		json_close(o);
		return;
	}
	put_row(tc, o);
	put_teams(tc, o);
	json_put_str(o, "key", tc->text);
	json_put_str(o, "key_name", tc->text.p ? tc->key.key_name : STR_NONE);
	json_put_str(o, "token", tc->text.p ? key_hash_hex(tc->c->mem, &tc->key.hash) : STR_NONE);
}

static void answer(struct tenant_call *tc)
{
	struct command_call *c = tc->c;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	if (tc->kind->dir == DIR_TAG)
		put_tag(tc, &o);
	else if (tc->kind->dir == DIR_USER)
		put_user(tc, &o);
	else
		put_row(tc, &o);
	key_put_warnings(&o, tc->change.warnings, tc->change.n_warnings);
	json_close(&o);
	if (tc->text.p)
		mem_wipe((char *)(uintptr_t)tc->text.p, tc->text.n);
	command_finish(c);
}

static size_t answer_room(const struct tenant_call *tc)
{
	size_t texts = tc->id.n + tc->row.email.n + tc->row.key_name.n + tc->row.budget_id.n;
	for (size_t i = 0; i < tc->change.n_warnings; i++)
		texts += tc->change.warnings[i].n;
	for (size_t i = 0; i < tc->n_teams; i++)
		texts += tc->teams[i].team_id.n + 4;
	return 2 * key_put_room(&tc->row) + 6 * texts;
}

static int publish(struct tenant_call *tc)
{
	int err = tenants_publish(tc->keys, tc->kind->dir, &tc->row);
	for (size_t i = 0; i < tc->n_limited && !err; i++)
		err = tenants_publish(tc->keys, DIR_MEMBER, &tc->limited[i]);
	if (!err)
		err = budget_models_publish(tc->keys, &tc->lent);
	if (err || !tc->text.p)
		return err;
	err = keys_publish(tc->keys, &tc->key, NULL);
	if (err)
		tenants_withdraw(tc->keys, tc->kind->dir, &tc->row);
	return err;
}

static void on_written(void *data, int err)
{
	struct tenant_call *tc = data;
	if (err) {
		fail(tc, err);
		return;
	}
	err = buf_reserve(&tc->c->out, answer_room(tc));
	if (!err)
		err = publish(tc);
	if (err) {
		undo(tc, err);
		return;
	}
	uint64_t id = ENTITY_OF(tc->kind->dir) | tc->row.id;
	if (!tc->is_new)
		keys_forget_rates(tc->keys, id, &tc->before, &tc->row);
	if (!tc->is_new && key_change_sets_spend(&tc->change))
		keys_move_settled(tc->keys, id, tc->row.spend, true);
	answer(tc);
}

static void start(struct tenant_call *tc, store_job_fn *job)
{
	int err = store_write(tc->keys->store, job, on_written, tc);
	if (err)
		fail(tc, err);
}

/* ---- create and change ---- */

static bool make_id(struct tenant_call *tc)
{
	if (tc->id.n)
		return true;
	if (!tc->kind->makes_id) {
		command_fail(tc->c, 400, "invalid_request_error", tc->kind->id, "%s is missing",
			     tc->kind->id);
		return false;
	}
	char *p = arena_alloc(tc->c->mem, UUID_ROOM);
	if (!p)
		return command_fail_store(tc->c, -ENOMEM), false;
	hash_uuid(p);
	tc->id = str_z(p);
	return true;
}

static void start_row(struct tenant_call *tc)
{
	uint64_t now_ns = tc->change.now_ns;
	tc->row = (struct key_row){
		.key_name = tc->id, .models = STR("[]"), .aliases = STR("{}"),
		.metadata = STR("{}"), .permissions = STR("{}"), .extra = STR("{}"),
		.max_budget = MONEY_NONE, .soft_budget = MONEY_NONE, .spend_since = now_ns,
		.created_at = now_ns, .created_by = key_caller_name(tc->c),
		.updated_by = key_caller_name(tc->c),
	};
}

void tenants_new(struct command_call *c)
{
	struct tenant_call *tc = call_new(c);
	if (!tc || !take_id(tc) || !take_change(tc) || !make_id(tc))
		return;
	bool is_user = tc->kind->dir == DIR_USER;
	if (is_user && (!take_key(tc) || !take_teams(tc) || !take_organizations(tc)))
		return;
	tc->is_new = true;
	start_row(tc);
	int err = key_change_apply(&tc->change, c->mem, &tc->row);
	if (is_user && !tc->row.role.n)
		tc->row.role = STR("internal_user");
	if (!err && tc->text.p)
		start_key(tc);
	if (err || (tc->text.p && !tc->key.key_name.p))
		fail(tc, -ENOMEM);
	else
		start(tc, create_job);
}

void tenants_update(struct command_call *c)
{
	struct tenant_call *tc = call_new(c);
	if (!tc || !take_id(tc) || !take_change(tc))
		return;
	if (tc->kind->dir == DIR_USER)
		tc->email = tc->change.to.email;
	if (tc->id.n || tc->email.n)
		start(tc, change_job);
	else
		command_fail(c, 400, "invalid_request_error", tc->kind->id, "%s is missing",
			     tc->kind->id);
}
