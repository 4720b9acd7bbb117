/* SPDX-License-Identifier: MIT
 * raw_route.c - where a call goes that is relayed as it is: to a model's deployments, to the
 * provider that it names, or where a configured path leads. */
#include "worker/decide/decide.h"
#include "worker/decide/route.h"
#include "worker/raw.h"

static const struct price free_price = { .cache_read = PRICE_NONE,
					 .cache_write = PRICE_NONE,
					 .reasoning = PRICE_NONE,
					 .input_above = PRICE_NONE,
					 .output_above = PRICE_NONE,
					 .flags = PRICE_KNOWN | PRICE_FREE,
					 .media_input = PRICE_NONE,
					 .media_output = PRICE_NONE,
					 .cache_read_above = PRICE_NONE,
					 .cache_write_above = PRICE_NONE,
					 .cache_write_hour = PRICE_NONE };
static const struct price unknown_price = { .cache_read = PRICE_NONE };

/* A group of one: what routing, limits and accounts look at. */
static void go_to(struct request *r, const struct snap_pass *p, struct snap_part member)
{
	struct raw_call *c = r->raw;
	c->pass = p;
	c->group = (struct snap_group){ .name = p->name, .members = member,
					.alias_of = SNAP_NONE };
	r->group = &c->group;
}

/* The first of "cohere,cohere_chat" that the configuration has. */
static const struct snap_pass *find_provider(const struct request *r, struct str names)
{
	const struct snap_pass *p = NULL;
	while (!p && names.n)
		p = snap_find_provider(r->snap, str_cut(&names, ','));
	return p;
}

static uint32_t count_groups(const struct request *r)
{
	return snap_head(r->snap)->groups.count + snap_head(r->snap)->patterns.count;
}

/* The deployment of p's provider that has this model, as the provider calls it, some of whom do not
 * mind the case: its key and its price count. A slice of its group's list of members. */
static bool find_deployment(const struct request *r, const struct snap_pass *p, struct str model,
			    struct snap_part *ret)
{
	for (uint32_t i = 0; i < count_groups(r); i++) {
		const struct snap_group *g = snap_group(r->snap, i);
		for (uint32_t k = 0; k < g->members.count; k++) {
			const struct snap_deployment *d =
				snap_deployment(r->snap, snap_member(r->snap, g, k));
			if (!str_eq_nocase(snap_text(r->snap, d->model), model) ||
			    !str_eq(snap_text(r->snap, d->provider), snap_text(r->snap, p->name)))
				continue;
			*ret = (struct snap_part){
				.at = g->members.at + k * (uint32_t)sizeof(uint32_t), .count = 1 };
			return true;
		}
	}
	return false;
}

static struct str lower(struct arena *a, struct str s)
{
	char *p = arena_dup_z(a, s);
	for (size_t i = 0; p && i < s.n; i++)
		p[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]);
	return p ? str_of(p, s.n) : STR("");
}

/* What the table says of a model that has no deployment here: its provider takes money for it all
 * the same. */
static const struct price *price_of(struct request *r, const struct snap_pass *p)
{
	const struct snap_group all = { .members = p->members };
	const struct snap_deployment *d =
		snap_deployment(r->snap, snap_member(r->snap, &all, 0));
	struct snap_price *found = arena_alloc(r->mem, sizeof *found);
	struct str model = r->raw->is_target ? STR_NONE : r->raw->model;
	bool is_known = found && model.n &&
			(snap_named_price(r->snap, d, model, found) ||
			 snap_named_price(r->snap, d, lower(r->mem, model), found));
	return is_known ? &found->price : &unknown_price;
}

/* "gpt-4o-2024-08-06" is "gpt-4o". */
static struct str without_date(struct str model)
{
	static const char form[] = "-0000-00-00";
	const size_t n = sizeof form - 1;
	if (model.n <= n)
		return model;
	const char *p = model.p + model.n - n;
	for (size_t i = 0; i < n; i++)
		if (form[i] == '-' ? p[i] != '-' : p[i] < '0' || p[i] > '9')
			return model;
	return str_of(model.p, model.n - n);
}

static const struct price *price_by(struct request *r, const struct snap_pass *p, struct str model,
				    const struct snap_deployment **d)
{
	struct snap_part member;
	struct snap_price *found;
	if (p && find_deployment(r, p, model, &member)) {
		const struct snap_group one = { .members = member };
		*d = snap_deployment(r->snap, snap_member(r->snap, &one, 0));
		return &(*d)->price;
	}
	found = arena_alloc(r->mem, sizeof *found);
	return found && snap_named_price(r->snap, *d, model, found) ? &found->price : NULL;
}

const struct price *raw_price_of(struct request *r, struct str model,
				 const struct snap_deployment **d)
{
	struct str provider = snap_text(r->snap, (*d)->provider);
	const struct snap_pass *pass = snap_find_provider(r->snap, provider);
	const struct price *p = model.n ? price_by(r, pass, model, d) : NULL;
	struct str bare = without_date(model);
	if (!p && bare.n && bare.n < model.n)
		p = price_by(r, pass, bare, d);
	if (!p && !r->raw->pass)
		p = &(*d)->price;	/* a model of ours was named, perhaps by another name */
	return p ? p : &unknown_price;
}

void raw_is_free(struct request *r)
{
	r->raw->price = &free_price;
}

static void to_provider(struct request *r, struct str names)
{
	struct raw_call *c = r->raw;
	const struct snap_pass *p = find_provider(r, names);
	struct snap_part member;
	if (!p) {
		c->missing = str_cut(&names, ',');
		return;
	}
	r->requested_model = c->model.p ? c->model : snap_text(r->snap, p->name);
	if (c->model.p && find_deployment(r, p, c->model, &member)) {
		go_to(r, p, member);
	} else {
		go_to(r, p, p->members);
		c->price = price_of(r, p);
	}
	if (c->is_read)
		c->price = &free_price;
}

/* A model that a file or job names may be one of ours, or the provider's own, which is called as
 * it came. */
static void to_named(struct request *r)
{
	struct raw_call *c = r->raw;
	struct str name = c->model.p && !c->provider.p ? route_rename(r, c->model) : STR_NONE;
	const struct snap_group *g = name.p ? snap_resolve(r->snap, name) : NULL;
	if (g) {
		r->group = g;
		r->requested_model = name;
		c->price = c->is_read ? &free_price : NULL;
		return;
	}
	r->renamed[DIR_KEY] = r->renamed[DIR_TEAM] = STR_NONE;
	to_provider(r, c->provider.p ? c->provider : str_z(c->raw->providers));
}

static void to_model(struct request *r)
{
	struct raw_call *c = r->raw;
	r->group = snap_resolve(r->snap, r->requested_model);
	if (r->group || c->model.p)
		return;
	to_provider(r, STR("openai"));	/* it has a model of its own for that */
	r->requested_model = str_z(c->raw->preset);
}

void raw_resolve(struct request *r)
{
	struct raw_call *c = r->raw;
	r->group = NULL;
	c->pass = NULL;
	c->price = NULL;
	c->missing = STR_NONE;
	switch (c->raw->source) {
	case RAW_PROVIDER:
		to_named(r);
		break;
	case RAW_PREFIX:
		to_provider(r, str_z(c->raw->providers));
		break;
	case RAW_TARGET:
		r->requested_model = snap_text(r->snap, r->pass->name);
		go_to(r, r->pass, r->pass->members);
		break;
	case RAW_MODEL:
		to_model(r);
		break;
	}
}

/* ---- who may ---- */

/* Of a wildcard's deployments the model is a pattern, too. */
static bool has_model(const struct request *r, const struct snap_group *g, struct str model)
{
	for (uint32_t i = 0; i < g->members.count; i++) {
		const struct snap_deployment *d =
			snap_deployment(r->snap, snap_member(r->snap, g, i));
		struct str its = snap_text(r->snap, d->model);
		if (str_eq_nocase(its, model) || str_matches(its, model))
			return true;
	}
	return false;
}

/* Whether the model goes by a name here that the key's list excludes. */
static bool is_excluded(const struct request *r, const struct dir_key *k, struct str model)
{
	for (uint32_t i = 0; i < count_groups(r); i++)
		if (route_excludes(r->snap, k, snap_group(r->snap, i)) &&
		    has_model(r, snap_group(r->snap, i), model))
			return true;
	return false;
}

/* What a provider does with a call whose model is not seen, its list of models must let it: all
 * that there are, and none of them left out. */
static bool may_unseen(const struct request *r, const struct dir_key *k)
{
	const struct snap_group *g = r->group;
	if (dir_key_has_exclusions(k))
		return false;
	for (uint32_t i = 0; i < g->members.count; i++) {
		const struct snap_deployment *d =
			snap_deployment(r->snap, snap_member(r->snap, g, i));
		if (!dir_key_may_use(k, snap_text(r->snap, d->provider)))
			return false;
	}
	return true;
}

/* A key with a list of models may use one of these, or all that a provider has where the list
 * names the provider. A path of the configuration is for every key. */
bool raw_may(const struct request *r, const struct dir_key *k, struct str name)
{
	const struct raw_call *c = r->raw;
	if (c->raw->source == RAW_TARGET)
		return true;
	const struct dir *d = r->w->dir;
	if (!route_may_use(r->snap, d, k, name, r->group) ||
	    (c->second_model.p && !route_may_use(r->snap, d, k, c->second_model, r->group)))
		return false;
	if (c->raw->source == RAW_MODEL)
		return true;
	if (!c->model.p || c->is_target)
		return may_unseen(r, k);
	return !c->pass || !dir_key_has_exclusions(k) ||
	       (!is_excluded(r, k, c->model) &&
		!(c->second_model.p && is_excluded(r, k, c->second_model)));
}
