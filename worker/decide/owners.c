/* SPDX-License-Identifier: MIT
 * owners.c - see owners.h. Rows are found by name, in the directory; where there is no row of a
 * kind at all, nothing is looked for. */
#include "common/clock.h"
#include "common/model_limit.h"
#include "common/rates.h"
#include "worker/decide/owners.h"

const struct owner_words owner_words[DIR_KINDS] = {
	[DIR_KEY] = { "Key", "api_key", NULL, "/key/unblock" },
	[DIR_TEAM] = { "Team", "team", "team_model_access_denied", "/team/unblock" },
	[DIR_USER] = { "User", "user", "user_model_access_denied", "/user/update" },
	[DIR_ORGANIZATION] = { "Organization", "organization", "org_model_access_denied",
			       "/organization/update" },
	[DIR_MEMBER] = { "TeamMember", "team_member", NULL, "/team/member_update" },
	[DIR_CUSTOMER] = { "EndUser", "end_user", NULL, "/customer/unblock" },
	[DIR_TAG] = { "Tag", "tag", NULL, "/tag/update" },
	[DIR_BUDGET] = { "Budget", "budget", NULL, "/budget/update" },
	[DIR_ORGANIZATION_MEMBER] = { "OrganizationMember", "organization_member", NULL,
				      "/organization/member_update" },
	[DIR_KEY_MODEL] = { "Key", "model_per_key", NULL, "/key/update" },
	[DIR_TEAM_MODEL] = { "Team", "model_per_team", NULL, "/team/update" },
	[DIR_ORGANIZATION_MODEL] = { "Organization", "model_per_organization", NULL,
				     "/organization/update" },
	[DIR_USER_MODEL] = { "User", "model_per_user", NULL, "/user/update" },
	[DIR_CUSTOMER_MODEL] = { "EndUser", "model_per_end_user", NULL, "/customer/update" },
	[DIR_TAG_MODEL] = { "Tag", "model_per_tag", NULL, "/tag/update" },
};

static enum step refuse_memory(struct request *r)
{
	return request_fail(r, OUTCOME_TOO_LARGE, NULL, "the request needs too much memory");
}

/* The row's slices point into the directory and are good only for now. */
static bool copy_row(struct request *r, const struct dir_key *k, struct dir_key *to)
{
	struct str *const texts[] = { &to->alias, &to->user_id, &to->team_id, &to->last4,
				      &to->models, &to->organization_id, &to->budget_id,
				      &to->router, &to->model_limits, &to->windows };
	*to = *k;			/* the rules stay where they are: they are read at once */
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (texts[i]->n)
			*texts[i] = arena_dup(r->mem, *texts[i]);
		if (texts[i]->n && !texts[i]->p)
			return false;
	}
	return true;
}

/* A budget of its own is above one that it has from a budget's row. */
static void lend(const struct dir *d, struct dir_key *row)
{
	struct dir_key b;
	if (!row->budget_id.n || !dir_has(d, DIR_BUDGET) ||
	    !dir_find_named(d, DIR_BUDGET, row->budget_id, &b))
		return;
	if (row->max_budget_nano < 0)
		row->max_budget_nano = b.max_budget_nano;
	if (!row->rpm)
		row->rpm = b.rpm;
	if (!row->tpm)
		row->tpm = b.tpm;
	if (!row->max_parallel)
		row->max_parallel = b.max_parallel;
}

struct board_entity *owner_use(struct request *r, uint32_t number)
{
	struct board_entity *e = &r->w->board.entities[number];
	atomic_store_explicit(&e->last_used_ns, r->start_wall_ns, memory_order_relaxed);
	atomic_fetch_add_explicit(&e->requests, 1, memory_order_relaxed);
	return e;
}

/* Where a request may be answered. Several must agree, or lie in one another: else nobody may. */
static bool take_region(struct request *r, struct str rules)
{
	struct str *have = &r->wish.region;
	while (rules.n) {
		struct str rule = str_cut(&rules, '\0');
		if (!rule.n || rule.p[0] != RULE_REGION)
			continue;
		struct str region = str_skip(rule, 1);
		if (have->n && route_is_in_region(*have, region))
			continue;
		*have = have->n && !route_is_in_region(region, *have) ?
				STR("none") : arena_dup(r->mem, region);
		if (!have->p)
			return false;
	}
	return true;
}

/* The first that says so: the key's. */
static bool take_priority(struct request *r, const struct dir_key *row)
{
	struct str rules = row->rules;
	while (rules.n && !r->priority.n) {
		struct str rule = str_cut(&rules, '\0');
		if (rule.n > 1 && rule.p[0] == RULE_PRIORITY)
			r->priority = arena_dup(r->mem, str_skip(rule, 1));
	}
	return !r->priority.n || r->priority.p;
}

/* The model is not known yet. */
static bool keep_aliases(struct request *r, const struct dir_key *row)
{
	struct str *to = &r->aliases[row->kind == DIR_TEAM];
	*to = arena_dup(r->mem, row->rules);
	return to->p;
}

static enum step refuse_levels(struct request *r)
{
	return request_fail(r, OUTCOME_BAD_REQUEST, "tags",
			    "more than %d of those that the request goes by have limits: its key, "
			    "team, user and the like, single models of theirs, and its tags",
			    BOARD_LEVELS);
}

static enum step add_owner(struct request *r, struct dir_key *row)
{
	if (row->entity >= BOARD_ENTITIES)
		return request_fail(r, OUTCOME_INTERNAL, NULL, "Internal server error");
	if (row->flags & KEY_BLOCKED && row->kind != DIR_KEY)
		return request_fail(r, OUTCOME_KEY_BLOCKED, NULL,
				    "Authentication Error, %s=" STR_FMT
				    " is blocked. Update via `%s` if you're admin.",
				    owner_words[row->kind].noun, STR_ARG(row->last4),
				    owner_words[row->kind].unblock);
	for (uint32_t i = 0; i < r->n_owners; i++)
		if (r->owners[i].row->entity == row->entity)
			return STEP_NEXT;	/* a tag named twice counts once */
	if (r->n_owners + r->is_admin == BOARD_LEVELS)	/* an admin's key is a level, too */
		return refuse_levels(r);
	lend(r->w->dir, row);
	if (row->flags & KEY_RULES && (!take_region(r, row->rules) || !take_priority(r, row)))
		return refuse_memory(r);
	if (row->flags & KEY_ALIASES && !keep_aliases(r, row))
		return refuse_memory(r);
	r->has_model_limits |= (row->flags & KEY_MODEL_LIMITS) != 0;
	r->has_windows |= (row->flags & KEY_WINDOWS) != 0;
	r->owners[r->n_owners++] =
		(struct request_owner){ .row = row, .entity = owner_use(r, row->entity) };
	return STEP_NEXT;
}

enum step owner_of_key(struct request *r, const struct dir_key *row)
{
	if (!copy_row(r, row, &r->key))
		return refuse_memory(r);
	enum step s = add_owner(r, &r->key);
	if (s == STEP_NEXT)
		r->entity = r->owners[0].entity;
	return s;
}

/* A key may name a team that nobody has made (yet): then it stands alone, as with LiteLLM. */
static enum step take_team(struct request *r)
{
	struct dir_key t;
	if (!r->key.team_id.n || !dir_find_named(r->w->dir, DIR_TEAM, r->key.team_id, &t))
		return STEP_NEXT;
	return copy_row(r, &t, &r->team) ? add_owner(r, &r->team) : refuse_memory(r);
}

/* Finds it and copies it into the arena; *ret NULL: there is none. */
static enum step find_row(struct request *r, enum dir_kind kind, struct str name,
			  struct dir_key **ret)
{
	struct dir_key k;
	*ret = NULL;
	if (!name.n || !dir_has(r->w->dir, kind) || !dir_find_named(r->w->dir, kind, name, &k))
		return STEP_NEXT;
	*ret = arena_alloc(r->mem, sizeof **ret);
	if (*ret && copy_row(r, &k, *ret))
		return STEP_NEXT;
	return refuse_memory(r);
}

static enum step take(struct request *r, enum dir_kind kind, struct str name)
{
	struct dir_key *row;
	enum step s = find_row(r, kind, name, &row);
	return s == STEP_NEXT && row ? add_owner(r, row) : s;
}

/* A team's money is not the user's own: what a key of a team spends counts for the user, whose
 * budget and models hold for the keys that have no team. Rates hold for all. */
static enum step take_user(struct request *r)
{
	struct dir_key *row;
	enum step s = find_row(r, DIR_USER, r->key.user_id, &row);
	if (s != STEP_NEXT || !row)
		return s;
	s = add_owner(r, row);
	if (r->key.team_id.n) {
		row->max_budget_nano = DIR_NO_LIMIT;
		row->flags |= KEY_ALL_MODELS;
	}
	return s;
}

/* The key's user as a member of what has that number. */
static enum step take_member(struct request *r, enum dir_kind kind, uint64_t of)
{
	if (!of || !r->key.user_id.n || !dir_has(r->w->dir, kind))
		return STEP_NEXT;
	struct str name = arena_printf(r->mem, "%llu/" STR_FMT, (unsigned long long)of,
				       STR_ARG(r->key.user_id));
	return name.p ? take(r, kind, name) : refuse_memory(r);
}

/* A key's own organization is above that of its team. */
static enum step take_organization(struct request *r)
{
	struct str name = r->key.organization_id.n ? r->key.organization_id :
						     r->team.organization_id;
	struct dir_key *row;
	enum step s = find_row(r, DIR_ORGANIZATION, name, &row);
	if (s != STEP_NEXT || !row)
		return s;
	s = add_owner(r, row);
	return s == STEP_NEXT ? take_member(r, DIR_ORGANIZATION_MEMBER, row->id) : s;
}

enum step owners_above(struct request *r)
{
	enum step s = take_team(r);
	if (s == STEP_NEXT && r->key.user_id.n)
		s = take_user(r);
	if (s == STEP_NEXT)
		s = take_member(r, DIR_MEMBER, r->team.id);
	if (s == STEP_NEXT && (r->key.organization_id.n || r->team.organization_id.n))
		s = take_organization(r);
	return s;
}

static bool look_at(struct request *r, enum dir_kind kind, struct str name, struct dir_key **ret)
{
	struct dir_key k;
	*ret = NULL;
	if (!name.n || !dir_find_named(r->w->dir, kind, name, &k))
		return true;
	*ret = arena_alloc(r->mem, sizeof **ret);
	if (!*ret || !copy_row(r, &k, *ret))
		return false;
	(*ret)->rules = arena_dup(r->mem, k.rules);
	return (*ret)->rules.p && !(k.flags & KEY_BLOCKED);
}

/* Key and user stay. */
static void leave_team(struct request *r)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < r->n_owners; i++)
		if (r->owners[i].row->kind == DIR_KEY || r->owners[i].row->kind == DIR_USER)
			r->owners[n++] = r->owners[i];
	r->n_owners = n;
}

bool owners_look_as(struct request *r, struct str team)
{
	struct dir_key *t, *o;
	if (!look_at(r, DIR_TEAM, team, &t) || !t)
		return false;
	struct str name = r->key.organization_id.n ? r->key.organization_id : t->organization_id;
	if (!look_at(r, DIR_ORGANIZATION, name, &o))
		return false;
	leave_team(r);
	r->owners[r->n_owners++] = (struct request_owner){ .row = t };
	if (o)
		r->owners[r->n_owners++] = (struct request_owner){ .row = o };
	r->aliases[DIR_TEAM] = t->flags & KEY_ALIASES ? t->rules : STR_NONE;
	return true;
}

/* ---- whom the request names ---- */

static struct str end_user_of(struct request *r)
{
	struct str id = http_header(r->http, "x-litellm-customer-id");
	if (!id.n)
		id = http_header(r->http, "x-litellm-end-user-id");
	if (id.n)
		return id;
	if (r->q.user.n || !r->q.metadata)
		return r->q.user;
	return json_get_str(r->mem, r->q.metadata, "user_id");
}

struct str owners_customer(struct request *r)
{
	return (r->token && r->end_user.n) || !r->http ? r->end_user : end_user_of(r);
}

static enum step take_customer(struct request *r)
{
	struct str id = owners_customer(r);
	if (!id.n)
		return STEP_NEXT;
	r->end_user = arena_dup(r->mem, id);
	return r->end_user.p ? take(r, DIR_CUSTOMER, id) : refuse_memory(r);
}

static enum step take_tags(struct request *r)
{
	enum step s = STEP_NEXT;
	for (unsigned i = 0; i < r->wish.n_tags && s == STEP_NEXT; i++)
		s = take(r, DIR_TAG, r->wish.tags[i]);
	return s;
}

/* ---- limits of the model alone ---- */

static const struct snap_group *target_of(const struct request *r)
{
	const struct snap_group *g = r->group;
	return g && g->alias_of != SNAP_NONE ? snap_group(r->snap, g->alias_of) : g;
}

/* By the name that was asked for, that of the group which serves it, or either without its
 * provider. */
static bool find_limit(const struct request *r, struct str limits, struct model_limit *ret)
{
	const struct snap_group *g = target_of(r);
	if (model_limit_find_bare(limits, r->requested_model, ret))
		return true;
	return g && !(g->flags & GROUP_PATTERN) &&
	       model_limit_find_bare(limits, snap_text(r->snap, g->name), ret);
}

/* One owner more, which has nothing but these limits. A user's money is held to by keys without a
 * team, as in take_user(). */
static enum step take_limit(struct request *r, const struct dir_key *owner,
			    const struct model_limit *l)
{
	struct dir_key *row = arena_alloc(r->mem, sizeof *row);
	if (!row)
		return refuse_memory(r);
	bool is_others = owner->kind == DIR_USER && r->key.team_id.n;
	*row = (struct dir_key){ .kind = dir_model_kind(owner->kind), .id = l->id,
				 .flags = KEY_ALL_MODELS, .entity = l->entity,
				 .max_budget_nano = is_others ? DIR_NO_LIMIT : l->max_budget_nano,
				 .rpm = l->rpm,
				 .tpm = l->tpm, .alias = owner->alias,
				 .last4 = arena_printf(r->mem, STR_FMT ":" STR_FMT,
						       STR_ARG(owner->last4),
						       STR_ARG(l->model)) };
	return row->last4.p ? add_owner(r, row) : refuse_memory(r);
}

static enum step take_model_limits(struct request *r)
{
	uint32_t n = r->n_owners;
	enum step s = STEP_NEXT;
	for (uint32_t i = 0; i < n && s == STEP_NEXT; i++) {
		const struct dir_key *owner = r->owners[i].row;
		struct model_limit l;
		if (owner->flags & KEY_MODEL_LIMITS && find_limit(r, owner->model_limits, &l))
			s = take_limit(r, owner, &l);
	}
	return s;
}

/* What the group says of every key, where its own limits say nothing. */
static void find_default(const struct request *r, const struct snap_group *g, struct dir_key *row)
{
	row->rpm = g->key_rpm;
	row->tpm = g->key_tpm;
	for (uint32_t i = 0; i < r->n_owners; i++) {
		const struct dir_key *own = r->owners[i].row;
		if (own->kind != DIR_KEY_MODEL)
			continue;
		row->rpm = own->rpm ? 0 : row->rpm;
		row->tpm = own->tpm ? 0 : row->tpm;
	}
}

/* The last of the owners: it has no level, for there is no money of its. */
static enum step take_default(struct request *r)
{
	const struct snap_group *g = target_of(r);
	if (!g || !(g->key_rpm | g->key_tpm) || r->is_admin || !r->n_owners)
		return STEP_NEXT;
	struct str name = snap_text(r->snap, g->name);
	struct dir_key *row = arena_alloc(r->mem, sizeof *row);
	if (!row)
		return refuse_memory(r);
	*row = (struct dir_key){ .kind = DIR_KEY_MODEL, .flags = KEY_ALL_MODELS | KEY_RATES_ONLY,
				 .max_budget_nano = DIR_NO_LIMIT, .alias = r->key.alias,
				 .last4 = arena_printf(r->mem, STR_FMT ":" STR_FMT,
						       STR_ARG(r->key.last4), STR_ARG(name)) };
	if (!row->last4.p)
		return refuse_memory(r);
	find_default(r, g, row);
	if (!row->rpm && !row->tpm)
		return STEP_NEXT;
	if (r->n_owners == BOARD_LEVELS)
		return refuse_levels(r);
	row->id = model_limit_id(DIR_KEY, r->key.id, name);
	r->owners[r->n_owners++] = (struct request_owner){
		.row = row, .entity = rates_find(&r->w->board, row->id, clock_ns(),
						 r->start_wall_ns) };
	return STEP_NEXT;
}

enum step owners_beside(struct request *r)
{
	enum step s = STEP_NEXT;
	if (dir_has(r->w->dir, DIR_CUSTOMER) && r->http)
		s = take_customer(r);
	if (s == STEP_NEXT && r->wish.n_tags && dir_has(r->w->dir, DIR_TAG))
		s = take_tags(r);
	if (s == STEP_NEXT && r->has_model_limits)
		s = take_model_limits(r);
	return s == STEP_NEXT ? take_default(r) : s;
}
