/* SPDX-License-Identifier: MIT
 * names.c - see names.h. A token's teams are looked at one after the other: the request is made
 * that of each, and in the end what it was. */
#include "worker/admin/names.h"

#include "worker/decide/claims.h"
#include "worker/decide/decide.h"
#include "worker/decide/owners.h"
#include "worker/request.h"

enum { ALIASES_MAX = 1024 };		/* of key and teams that are listed */

struct names {
	struct request *r;
	unsigned wanted;
	struct model_name *v;
	size_t n, most;
	uint32_t n_groups;
	uint8_t *is_listed;		/* a byte for each group and pattern */
};

/* ---- those of the configuration ---- */

static bool is_wanted(const struct names *x, const struct snap_group *g)
{
	return !(g->flags & GROUP_HIDDEN) &&
	       (!(g->flags & GROUP_PATTERN) || x->wanted & NAMES_PATTERNS);
}

/* An alias that is called as a group is in its place. */
static const struct snap_group *answers(struct request *r, const struct snap_group *g)
{
	struct str name = snap_text(r->snap, g->name);
	if (!(g->flags & GROUP_PATTERN))
		return route_may_ask(r, name);
	return request_may_use(r, name, g) ? g : NULL;
}

static void put_groups(struct names *x)
{
	for (uint32_t i = 0; i < x->n_groups; i++) {
		const struct snap_group *g = snap_group(x->r->snap, i), *found;
		if (x->is_listed[i] || !is_wanted(x, g) || !(found = answers(x->r, g)))
			continue;
		x->is_listed[i] = 1;
		x->v[x->n++] = (struct model_name){ snap_text(x->r->snap, g->name), found };
	}
}

/* ---- aliases of key and team ---- */

static bool is_in_list(const struct names *x, struct str name)
{
	for (size_t i = 0; i < x->n; i++)
		if (str_eq(x->v[i].name, name))
			return true;
	return false;
}

static void put_aliases(struct names *x)
{
	for (size_t i = 0; i < COUNT(x->r->aliases); i++) {
		struct str left = x->r->aliases[i], name;
		while (x->n < x->most && (name = route_next_alias(&left)).n) {
			const struct snap_group *g = route_may_ask(x->r, name);
			if (g && !is_in_list(x, name))
				x->v[x->n++] = (struct model_name){ name, g };
		}
	}
}

/* ---- as each of a token's teams ---- */

/* What looking as another team changes. */
struct place {
	struct request_owner owners[BOARD_LEVELS];
	uint32_t n_owners;
	struct str team_aliases;
};

static void take_place(const struct request *r, struct place *p)
{
	memcpy(p->owners, r->owners, sizeof p->owners);
	p->n_owners = r->n_owners;
	p->team_aliases = r->aliases[DIR_TEAM];
}

static void go_back(struct request *r, const struct place *p)
{
	memcpy(r->owners, p->owners, sizeof p->owners);
	r->n_owners = p->n_owners;
	r->aliases[DIR_TEAM] = p->team_aliases;
}

/* Calls look() for the caller as it stands and as each other team that it could be, until that
 * says so. */
static void as_each_team(struct request *r, bool (*look)(struct request *r, void *data), void *data)
{
	struct str teams = r->token && !r->is_admin ? r->token->teams : STR_NONE;
	struct place own;
	if (look(r, data) || str_find_char(teams, '\0') == SIZE_MAX)
		return;
	take_place(r, &own);
	while (teams.n) {
		struct str name = str_cut(&teams, '\0');
		bool is_other = name.n && !str_eq(name, r->key.team_id);
		bool is_over = is_other && owners_look_as(r, name) && look(r, data);
		go_back(r, &own);
		if (is_over)
			return;
	}
}

/* ---- lists ---- */

static bool put_all(struct request *r, void *data)
{
	struct names *x = data;
	(void)r;
	put_groups(x);
	if (x->wanted & NAMES_ALIASES)
		put_aliases(x);
	return false;
}

const struct model_name *names_list(struct request *r, unsigned wanted, size_t *ret_n)
{
	const struct snap_head *h = snap_head(r->snap);
	struct names x = { .r = r, .wanted = wanted,
			   .n_groups = h->groups.count + h->patterns.count };
	x.most = x.n_groups + ALIASES_MAX;
	x.v = arena_alloc(r->mem, x.most * sizeof *x.v);
	x.is_listed = arena_alloc(r->mem, x.n_groups + 1);
	if (!x.v || !x.is_listed)
		return NULL;
	as_each_team(r, put_all, &x);
	*ret_n = x.n;
	return x.v;
}

enum step names_refuse(struct request *r)
{
	return request_fail(r, OUTCOME_TOO_LARGE, NULL, "the list of models needs too much memory");
}

struct finding {
	struct str name;
	const struct snap_group *group;
};

static bool find_one(struct request *r, void *data)
{
	struct finding *f = data;
	f->group = route_may_ask(r, f->name);
	return f->group;
}

const struct snap_group *names_find(struct request *r, struct str name)
{
	struct finding f = { .name = name };
	as_each_team(r, find_one, &f);
	return f.group;
}
