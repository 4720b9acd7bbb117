/* SPDX-License-Identifier: MIT
 * bearer_sync.c - see bearer_private.h: what a token says beyond whose request it is. The master
 * knows users' roles and teams, and by which names teams and organizations go; it is told, or
 * asked, once for each token of a worker. */
#include "common/json_write.h"
#include "worker/admin/relay.h"
#include "worker/decide/bearer_private.h"

enum { ARGS_MAX = 64 << 10 };

static uint32_t flags_of(const struct request *r)
{
	return snap_settings(r->snap)->jwt_flags;
}

bool bearer_needs_master(const struct request *r, const struct who *who)
{
	bool is_told = flags_of(r) & (JWT_SYNC | JWT_JOIN) && who->user.n &&
		       (who->role.n || who->has_groups);
	return is_told || (who->team_alias.n && !who->teams.n) ||
	       (who->org_alias.n && !who->organization.n);
}

static void put_teams(struct json_out *o, struct str teams)
{
	json_open_array(o, "teams");
	while (teams.n)
		json_put_str(o, NULL, str_cut(&teams, '\0'));
	json_close_array(o);
}

static void put_args(struct json_out *o, const struct request *r, const struct who *who)
{
	bool is_told = flags_of(r) & (JWT_SYNC | JWT_JOIN) && who->user.n;
	json_open(o, NULL);
	if (is_told)
		json_put_str(o, "user_id", who->user);
	if (is_told && flags_of(r) & JWT_SYNC && who->role.n)
		json_put_str(o, "user_role", who->role);
	if (is_told && who->has_groups)
		put_teams(o, who->groups);
	if (!(flags_of(r) & JWT_SYNC))
		json_put_bool(o, "only_join", true);
	if (who->team_alias.n)
		json_put_str(o, "team_alias", who->team_alias);
	if (who->org_alias.n)
		json_put_str(o, "organization_alias", who->org_alias);
	json_close(o);
}

/* A list of the one that is called so. */
static struct str list_of(struct arena *a, struct str name)
{
	char *p = name.n ? arena_alloc(a, name.n + 1) : NULL;
	if (p)
		memcpy(p, name.p, name.n);
	return p ? str_of(p, name.n + 1) : STR("");
}

/* What was told is done, and is no part of what is kept of the token. */
static struct who *settled(struct request *r, struct str answer)
{
	struct json_error e;
	const struct json *root = json_parse(r->mem, arena_dup(r->mem, answer), JSON_ONE_KEY, &e);
	struct who *who = json_is(root, JSON_OBJECT) ? arena_alloc(r->mem, sizeof *who) : NULL;
	if (!who)
		return NULL;
	*who = *r->token;
	if (!who->teams.n)
		who->teams = list_of(r->mem, json_get_str(r->mem, root, "team_id"));
	if (!who->organization.n)
		who->organization = json_get_str(r->mem, root, "organization_id");
	if ((who->team_alias.n && !who->teams.n) || (who->org_alias.n && !who->organization.n))
		who->is_unknown = true;
	who->needs_master = who->has_groups = false;
	who->role = who->groups = who->team_alias = who->org_alias = STR_NONE;
	return who;
}

static void on_told(struct request *r, uint32_t status, struct str answer)
{
	struct who *who = status == 200 ? settled(r, answer) : NULL;
	if (!who) {
		bearer_go_on(r, request_fail(r, OUTCOME_MASTER_AWAY, NULL,
					     "what the token says of its user could not be stored; "
					     "try again"));
		return;
	}
	bearer_keep(r, who);
	bearer_go_on(r, bearer_admit(r, who));
}

enum step bearer_tell_master(struct request *r)
{
	struct buf args;
	buf_init(&args, ARGS_MAX);
	struct json_out o = json_out(&args);
	put_args(&o, r, r->token);
	enum step s = args.failed ? request_fail(r, OUTCOME_OVERLOADED, NULL,
						 "no memory to check the token")
				  : relay_post(r, STR("/user/sync"), buf_str(&args),
					       STR("enable_jwt_auth"), on_told);
	buf_done(&args);
	return s;
}
