/* SPDX-License-Identifier: MIT
 * bearer_owner.c - see bearer.h: whose request is it, by what its token says? Whoever is named
 * there and is not here is refused: a limit that nobody has made would limit nothing. */
#include "common/json_write.h"
#include "worker/admin/relay.h"
#include "worker/decide/bearer_private.h"
#include "worker/decide/owners.h"
#include "worker/decide/rules.h"
#include "worker/decide/route.h"

enum { ARGS_MAX = 4096 };

static struct str setting(const struct request *r, enum snap_jwt which)
{
	return snap_name(r->snap, snap_settings(r->snap)->jwt, which);
}

static enum step refuse_route(struct request *r, const char *who)
{
	return request_fail(r, OUTCOME_ROUTE_DENIED, NULL,
			    "%s not allowed to access this route. Route=" STR_FMT, who,
			    STR_ARG(r->http->path));
}

/* ---- rows ---- */

static bool find_row(const struct request *r, enum dir_kind kind, struct str name,
		     struct dir_key *ret)
{
	return name.n && dir_has(r->w->dir, kind) &&
	       dir_find_named(r->w->dir, kind, name, ret);
}

static const struct dir_key *owner_of_kind(const struct request *r, enum dir_kind kind)
{
	for (uint32_t i = 0; i < r->n_owners; i++)
		if (r->owners[i].row->kind == kind)
			return r->owners[i].row;
	return NULL;
}

/* The first team that there is; .p NULL: none of them. */
static struct str first_team(const struct request *r, struct str teams)
{
	struct dir_key t;
	while (teams.n) {
		struct str name = str_cut(&teams, '\0');
		if (find_row(r, DIR_TEAM, name, &t))
			return name;
	}
	return STR_NONE;
}

/* ---- what stands in the place of a key ---- */

/* Nobody's row: it is known by the digest of who it is, and limits but the models of scopes. */
static void make_key(struct request *r, const struct who *who)
{
	r->key = (struct dir_key){
		.kind = DIR_KEY,
		.hash = hash_sha256(who->subject),
		.flags = KEY_ALL_MODELS,
		.max_budget_nano = DIR_NO_LIMIT,
		.user_id = who->user,
		.organization_id = who->organization,
		.last4 = STR("token"),
	};
	r->key.id = UINT64_C(0x7f) << 56 | hash_stable(who->subject) >> 8;
	r->key.alias = who->user;
	if (who->end_user.n)
		r->end_user = who->end_user;
	if (!who->has_scopes && !who->has_role_models)
		return;
	r->key.flags &= ~(uint32_t)KEY_ALL_MODELS;
	r->key.models = who->models.n ? who->models : STR("\0");	/* a name that nobody has */
}

/* Who is nobody here may look at what costs nothing, where that is so configured. */
static bool may_as_nobody(const struct request *r)
{
	return !(r->endpoint->flags & (EP_LLM | EP_ADMIN)) &&
	       rules_let_through(r, setting(r, JWT_PUBLIC_ROUTES));
}

static enum step find_owners(struct request *r, struct str team)
{
	r->team = (struct dir_key){ 0 };
	r->n_owners = 0;
	r->key.team_id = team;
	enum step s = owners_above(r);
	if (s != STEP_NEXT)
		return s;
	const struct dir_key *user = owner_of_kind(r, DIR_USER);
	if (!user && !r->team.id)
		return may_as_nobody(r) ? STEP_NEXT :
			request_fail(r, OUTCOME_ROUTE_DENIED, NULL,
				     "Authentication Error, the token names neither a team nor a "
				     "user that there is here");
	/* Spend rows tell by it whose it was: SPEND_TOKEN_USER in the master. */
	r->key.id = dir_entity_id(user ? user : &r->team);
	r->entity = r->owners[0].entity;
	if (!r->key.alias.n)
		r->key.alias = r->key.team_id;
	return STEP_NEXT;
}

/* ---- rows that are made ---- */

static enum step admit(struct request *r, bool may_make);

/* Where a domain is configured, whoever has an address there. */
static bool may_make_user(const struct request *r)
{
	struct str domain = setting(r, JWT_EMAIL_DOMAIN), email = r->token->email;
	size_t at = str_find_char(email, '@');
	if (!domain.n)
		return snap_settings(r->snap)->jwt_flags & JWT_USER_UPSERT;
	return at != SIZE_MAX && str_eq_nocase(str_skip(email, at + 1), domain);
}

static bool may_make_team(const struct request *r)
{
	return snap_settings(r->snap)->jwt_flags & JWT_TEAM_UPSERT;
}

/* Whatever the answer was: somebody else may have made it meanwhile. */
static void on_user_made(struct request *r, uint32_t status, struct str answer)
{
	struct dir_key row;
	(void)status;
	(void)answer;
	bearer_go_on(r, admit(r, find_row(r, DIR_USER, r->token->user, &row)));
}

static void on_team_made(struct request *r, uint32_t status, struct str answer)
{
	(void)status;
	(void)answer;
	bearer_go_on(r, admit(r, false));
}

static enum step make(struct request *r, const char *path, struct buf *args, relay_done_fn *done)
{
	enum step s = args->failed ? request_fail(r, OUTCOME_OVERLOADED, NULL,
						  "no memory to check the token")
				   : relay_post(r, str_z(path), buf_str(args),
						STR("enable_jwt_auth"), done);
	buf_done(args);
	return s;
}

static enum step make_user(struct request *r)
{
	struct buf args;
	buf_init(&args, ARGS_MAX);
	struct json_out o = json_out(&args);
	json_open(&o, NULL);
	json_put_str(&o, "user_id", r->token->user);
	if (r->token->email.n)
		json_put_str(&o, "user_email", r->token->email);
	json_put_bool(&o, "auto_create_key", false);
	json_close(&o);
	return make(r, "/user/new", &args, on_user_made);
}

static enum step make_team(struct request *r)
{
	struct str teams = r->token->teams;
	struct buf args;
	buf_init(&args, ARGS_MAX);
	struct json_out o = json_out(&args);
	json_open(&o, NULL);
	json_put_str(&o, "team_id", str_cut(&teams, '\0'));
	json_close(&o);
	return make(r, "/team/new", &args, on_team_made);
}

/* ---- admission ---- */

static enum step admit_admin(struct request *r)
{
	if (!rules_let_through(r, setting(r, JWT_ADMIN_ROUTES)))
		return refuse_route(r, "Admin");
	r->is_admin = true;
	r->key.flags = KEY_ADMIN | KEY_ALL_MODELS;
	r->entity = owner_use(r, r->key.entity);
	return STEP_NEXT;
}

static enum step refuse_missing(struct request *r, const char *noun, const char *path)
{
	return request_fail(r, OUTCOME_KEY_UNKNOWN, NULL,
			    "Authentication Error, %s doesn't exist in db. Create it by `%s`.", noun,
			    path);
}

/* What does not depend on rows. */
static enum step check_routes(struct request *r, const struct who *who)
{
	if (who->has_scopes && who->routes.n && !rules_let_through(r, who->routes))
		return refuse_route(r, "Token");
	if (who->role_routes.n && !rules_let_through(r, who->role_routes))
		return refuse_route(r, "Role");
	if (!who->teams.n && !who->needs_master &&
	    snap_settings(r->snap)->jwt_flags & JWT_ENFORCE_TEAM)
		return request_fail(r, OUTCOME_ROUTE_DENIED, NULL,
				    "Authentication Error, No team found in token.");
	if (who->teams.n && !rules_let_through(r, setting(r, JWT_TEAM_ROUTES)))
		return refuse_route(r, "Team");
	return STEP_NEXT;
}

static enum step admit(struct request *r, bool may_make)
{
	const struct who *who = r->token;
	struct dir_key row;
	if (who->user.n && !find_row(r, DIR_USER, who->user, &row))
		return may_make && may_make_user(r) ? make_user(r)
						    : refuse_missing(r, "User", "/user/new");
	if (who->needs_master)
		return bearer_tell_master(r);
	if (who->is_unknown)
		return request_fail(r, OUTCOME_KEY_UNKNOWN, NULL,
				    "Authentication Error, no team or organization, or more than one, "
				    "is called as the token says.");
	struct str team = first_team(r, who->teams);
	if (who->teams.n && !team.n)
		return may_make && may_make_team(r) ? make_team(r)
						    : refuse_missing(r, "Team", "/team/new");
	return find_owners(r, team);
}

/* ---- a key in the token's place ---- */

/* The hash of the key that governs whoever has this claim. False: nobody has given it one. */
static bool find_key_hash(const struct request *r, const struct who *who, struct sha256 *ret)
{
	struct str claim = setting(r, JWT_KEY_CLAIM);
	struct dir_key row;
	if (!who->key_value.n || !dir_has(r->w->dir, DIR_TOKEN_KEY))
		return false;
	struct str name = arena_printf(r->mem, STR_FMT "\n" STR_FMT, STR_ARG(claim),
				       STR_ARG(who->key_value));
	if (!name.p || !find_row(r, DIR_TOKEN_KEY, name, &row) || row.alias.n != sizeof *ret)
		return false;
	memcpy(ret, row.alias.p, sizeof *ret);
	return true;
}

/* From here on it is as if the key had come itself. One that was deleted lets nobody in. */
static enum step admit_key(struct request *r, const struct sha256 *hash)
{
	struct dir_key k;
	if (!dir_find(r->w->dir, hash, &k))
		return request_fail(r, OUTCOME_KEY_UNKNOWN, NULL,
				    "Authentication Error, the key that the token stands for was "
				    "deleted");
	return auth_take_key(r, &k);
}

enum step bearer_admit(struct request *r, const struct who *who)
{
	struct sha256 hash;
	if (find_key_hash(r, who, &hash))
		return admit_key(r, &hash);
	if (who->is_barred)
		return auth_refuse_token(r, TOKEN_BAD_ROLE);
	r->token = who;
	make_key(r, who);
	if (who->is_admin)
		return admit_admin(r);
	enum step s = check_routes(r, who);
	return s == STEP_NEXT ? admit(r, true) : s;
}

/* ---- several teams ---- */

/* The rules of a team that has aliases, in the arena: its row may be replaced. */
static struct str aliases_of(struct request *r, const struct dir_key *team)
{
	return team->flags & KEY_ALIASES ? arena_dup(r->mem, team->rules) : STR("");
}

static enum step refuse_memory(struct request *r)
{
	return request_fail(r, OUTCOME_TOO_LARGE, NULL, "the request needs too much memory");
}

enum step bearer_choose_team(struct request *r, struct str asked)
{
	struct str teams = r->token->teams, first = r->aliases[DIR_TEAM];
	struct dir_key t;
	if (r->is_admin || str_find_char(teams, '\0') + 1 >= teams.n)
		return STEP_NEXT;	/* there is no choice */
	while (teams.n) {
		struct str name = str_cut(&teams, '\0');
		if (!find_row(r, DIR_TEAM, name, &t) || t.flags & KEY_BLOCKED)
			continue;
		struct str aliases = aliases_of(r, &t);
		if (!aliases.p)
			return refuse_memory(r);
		route_look_up_for(r, asked, aliases);
		if (r->group && limits_may(r, &t))
			return str_eq(name, r->key.team_id) ? STEP_NEXT : find_owners(r, name);
	}
	route_look_up_for(r, asked, first);
	return STEP_NEXT;		/* none may: the first one is told so */
}
