/* SPDX-License-Identifier: MIT
 * snapshot.c - checking and reading the picture of the configuration; see snapshot.h.
 *
 * Everything is checked once, when it is mapped; from then on rows are used as they are. The
 * patterns stand right behind the sorted groups, so that one index counts both. */
#include "common/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/board.h"
#include "common/log.h"
#include "common/mem.h"

enum { STARS_MAX = 16, MODEL_MAX = 256 };

struct snap {
	const struct snap_head *head;
	size_t size;
	int refs;			/* of this process and its one loop: a plain number */
};

/* -- checking -- */

struct check {
	const char *p;
	uint64_t size;
	const struct snap_head *head;
};

static bool part_ok(const struct check *c, struct snap_part part, size_t row)
{
	uint64_t end = (uint64_t)part.at + (uint64_t)part.count * row;

	if (!part.count)
		return true;
	return part.at % 8 == 0 && part.at >= sizeof *c->head && end <= c->size;
}

static bool text_ok(const struct check *c, struct snap_str t)
{
	struct snap_part text = c->head->text;

	if (!t.at)
		return !t.n;
	return (uint64_t)t.at + t.n < text.count && c->p[(uint64_t)text.at + t.at + t.n] == '\0';
}

static bool names_ok(const struct check *c, struct snap_part part)
{
	const struct snap_str *names = (const void *)(c->p + part.at);

	if (!part_ok(c, part, sizeof *names))
		return false;
	for (uint32_t i = 0; i < part.count; i++)
		if (!text_ok(c, names[i]))
			return false;
	return true;
}

static bool headers_ok(const struct check *c, struct snap_part part)
{
	const struct snap_header *h = (const void *)(c->p + part.at);

	if (!part_ok(c, part, sizeof *h))
		return false;
	for (uint32_t i = 0; i < part.count; i++)
		if (!text_ok(c, h[i].name) || !text_ok(c, h[i].value))
			return false;
	return true;
}

static bool gates_ok(const struct check *c, struct snap_part part)
{
	const struct snap_gate *g = (const void *)(c->p + part.at);

	if (!part_ok(c, part, sizeof *g))
		return false;
	for (uint32_t i = 0; i < part.count; i++)
		if (!text_ok(c, g[i].name) || g[i].kind >= GATE_KINDS || g[i].row >= BOARD_GATES ||
		    (g[i].kind != GATE_BUDGET && g[i].kind != GATE_HOURS &&
		     g[i].span_ns < GATE_SPAN_MIN_NS))
			return false;
	return true;
}

/* What is spent of a tag is money alone. */
static bool tag_budgets_ok(const struct check *c, struct snap_part part)
{
	const struct snap_gate *g = (const void *)(c->p + part.at);

	if (!gates_ok(c, part))
		return false;
	for (uint32_t i = 0; i < part.count; i++)
		if (g[i].kind != GATE_BUDGET)
			return false;
	return true;
}

static bool deployment_ok(const struct check *c, const struct snap_deployment *d)
{
	const struct snap_str texts[] = { d->id, d->group, d->provider, d->model, d->base,
					  d->api_key, d->params, d->extra_body, d->mock_response,
					  d->region, d->api_version, d->project, d->location,
					  d->credentials, d->rules, d->paths, d->silent };

	for (unsigned i = 0; i < COUNT(texts); i++)
		if (!text_ok(c, texts[i]))
			return false;
	return headers_ok(c, d->headers) && names_ok(c, d->tags) && gates_ok(c, d->gates) &&
	       !d->gates.count == !(d->flags & DEPLOY_GATED) &&
	       d->family < FAMILY_COUNT && d->auth < AUTH_COUNT && d->site < SITE_COUNT &&
	       d->mode < MODE_COUNT && d->board_row < BOARD_DEPLOYMENTS;
}

static bool members_ok(const struct check *c, struct snap_part part)
{
	const uint32_t *members = (const void *)(c->p + part.at);

	if (!part_ok(c, part, sizeof *members))
		return false;
	for (uint32_t i = 0; i < part.count; i++)
		if (members[i] >= c->head->deployments.count)
			return false;
	return true;
}

static const struct snap_group *group_at(const struct check *c, uint32_t index)
{
	return (const struct snap_group *)(const void *)(c->p + c->head->groups.at) + index;
}

static uint64_t group_count(const struct snap_head *h)
{
	return (uint64_t)h->groups.count + h->patterns.count;
}

/* An alias leads to a group that is none itself. */
static bool alias_ok(const struct check *c, uint32_t alias_of)
{
	return alias_of == SNAP_NONE || (alias_of < group_count(c->head) &&
					 group_at(c, alias_of)->alias_of == SNAP_NONE);
}

static struct str text_at(const struct snap_head *h, struct snap_str t)
{
	return t.at ? str_of((const char *)h + h->text.at + t.at, t.n) : STR_NONE;
}

/* Requests first, so that there are two runs at most. */
static bool reserved_ok(const struct check *c, struct snap_part part)
{
	const struct snap_gate *g = (const void *)(c->p + part.at);

	if (!gates_ok(c, part))
		return false;
	for (uint32_t i = 0; i < part.count; i++)
		if ((g[i].kind != GATE_REQUESTS && g[i].kind != GATE_TOKENS) ||
		    (i && g[i].kind < g[i - 1].kind))
			return false;
	return true;
}

static bool group_ok(const struct check *c, uint32_t index)
{
	const struct snap_group *g = group_at(c, index);

	if (!text_ok(c, g->name) || !members_ok(c, g->members) || !names_ok(c, g->fallbacks) ||
	    !names_ok(c, g->context_fallbacks) || !names_ok(c, g->policy_fallbacks) ||
	    !names_ok(c, g->access) || !reserved_ok(c, g->reserved) ||
	    !alias_ok(c, g->alias_of) ||
	    g->strategy > STRATEGY_COUNT || g->sticky >= STICKY_KINDS ||
	    !text_ok(c, g->sticky_header))
		return false;
	/* Sorted without twins; the one before has been checked. */
	return index == 0 || index >= c->head->groups.count ||
	       str_cmp(text_at(c->head, group_at(c, index - 1)->name),
		       text_at(c->head, g->name)) < 0;
}

static bool pass_ok(const struct check *c, const struct snap_pass *p)
{
	return text_ok(c, p->name) && p->members.count == 1 && members_ok(c, p->members) &&
	       p->kind < PASS_KINDS;
}

/* Sorted without twins; the one before has been checked. */
static bool price_ok(const struct check *c, uint32_t index)
{
	const struct snap_price *p = (const void *)(c->p + c->head->prices.at);

	p += index;
	return p->model.n && text_ok(c, p->model) &&
	       (!index || str_cmp(text_at(c->head, p[-1].model), text_at(c->head, p->model)) < 0);
}

static bool settings_ok(const struct check *c)
{
	const struct snap_settings *s = &c->head->settings;

	return names_ok(c, s->default_fallbacks) && names_ok(c, s->cors_origins) &&
	       names_ok(c, s->allowed_ips) && names_ok(c, s->enforced_params) &&
	       names_ok(c, s->service_params) &&
	       names_ok(c, s->routes) && (!s->routes.count || s->routes.count == ROUTES_COUNT) &&
	       names_ok(c, s->trusted_proxies) && names_ok(c, s->allow_private) &&
	       names_ok(c, s->metric_labels) && names_ok(c, s->metric_filter) &&
	       names_ok(c, s->jwt) && (!s->jwt.count || s->jwt.count == JWT_TEXTS) &&
	       tag_budgets_ok(c, s->tag_budgets) &&
	       text_ok(c, s->key_header) && text_ok(c, s->version) &&
	       text_ok(c, s->tls_certificate) && text_ok(c, s->tls_key) &&
	       s->log_level <= LOG_DEBUG && s->access_log <= 1 && s->reserve_mode <= 1 &&
	       s->ledger_strict <= 1 && s->strategy < STRATEGY_COUNT;
}

static bool head_ok(const struct check *c)
{
	const struct snap_head *h = c->head;

	return h->magic == SNAP_MAGIC && h->layout == SNAP_LAYOUT && h->size == c->size &&
	       h->text.count && part_ok(c, h->text, 1) &&
	       part_ok(c, h->groups, sizeof(struct snap_group)) &&
	       part_ok(c, h->patterns, sizeof(struct snap_group)) &&
	       part_ok(c, h->deployments, sizeof(struct snap_deployment)) &&
	       part_ok(c, h->passes, sizeof(struct snap_pass)) &&
	       part_ok(c, h->prices, sizeof(struct snap_price)) &&
	       group_count(h) < SNAP_NONE &&	/* and patterns stand right behind the groups */
	       h->patterns.at == h->groups.at + h->groups.count * sizeof(struct snap_group);
}

int snap_check(const void *p, size_t n)
{
	struct check c = { .p = p, .size = n, .head = p };
	const struct snap_deployment *d;
	const struct snap_pass *passes;

	if (n < sizeof *c.head || n > UINT32_MAX || (uintptr_t)p % 8 || !head_ok(&c) ||
	    !settings_ok(&c))
		return -EBADMSG;
	d = (const void *)(c.p + c.head->deployments.at);
	for (uint32_t i = 0; i < c.head->deployments.count; i++)
		if (!deployment_ok(&c, &d[i]))
			return -EBADMSG;
	for (uint32_t i = 0; i < group_count(c.head); i++)
		if (!group_ok(&c, i))
			return -EBADMSG;
	passes = (const void *)(c.p + c.head->passes.at);
	for (uint32_t i = 0; i < c.head->passes.count; i++)
		if (!pass_ok(&c, &passes[i]))
			return -EBADMSG;
	for (uint32_t i = 0; i < c.head->prices.count; i++)
		if (!price_ok(&c, i))
			return -EBADMSG;
	return 0;
}

/* -- mapping -- */

static int map_checked(int fd, struct snap *s)
{
	const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *p;

	if (seals < 0 || fstat(fd, &st))
		return -errno;
	if ((seals & wanted) != wanted)
		return -EPERM;
	if (st.st_size < (off_t)sizeof *s->head)
		return -EBADMSG;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->head = p;
	s->size = (size_t)st.st_size;
	return snap_check(p, s->size);
}

int snap_map(int fd, struct snap **ret)
{
	struct snap *s = mem_alloc(sizeof *s);
	int err = s ? map_checked(fd, s) : -ENOMEM;

	close(fd);
	if (!s)
		return err;
	s->refs = 1;
	if (err)
		snap_unref(s);
	else
		*ret = s;
	return err;
}

struct snap *snap_ref(struct snap *s)
{
	MUST(s->refs > 0);
	s->refs++;
	return s;
}

struct snap *snap_unref(struct snap *s)
{
	if (!s)
		return NULL;
	MUST(s->refs > 0);
	if (--s->refs)
		return NULL;
	if (s->head)
		munmap((void *)(uintptr_t)s->head, s->size);
	mem_free(s);
	return NULL;
}

/* -- reading -- */

const struct snap_head *snap_head(const struct snap *s)
{
	return s->head;
}

const struct snap_settings *snap_settings(const struct snap *s)
{
	return &s->head->settings;
}

static const void *row_at(const struct snap *s, struct snap_part part, uint32_t i, size_t row)
{
	MUST(i < part.count);
	return (const char *)s->head + part.at + i * row;
}

struct str snap_text(const struct snap *s, struct snap_str t)
{
	return text_at(s->head, t);
}

const struct snap_deployment *snap_deployment(const struct snap *s, uint32_t index)
{
	return row_at(s, s->head->deployments, index, sizeof(struct snap_deployment));
}

const struct snap_deployment *snap_deployments(const struct snap *s, uint32_t *ret_n)
{
	*ret_n = s->head->deployments.count;
	return (const void *)((const char *)s->head + s->head->deployments.at);
}

const uint32_t *snap_members(const struct snap *s, const struct snap_group *g)
{
	return (const void *)((const char *)s->head + g->members.at);
}

const struct snap_group *snap_group(const struct snap *s, uint32_t index)
{
	MUST(index < group_count(s->head));
	return (const struct snap_group *)(const void *)((const char *)s->head +
							 s->head->groups.at) + index;
}

uint32_t snap_member(const struct snap *s, const struct snap_group *g, uint32_t i)
{
	return *(const uint32_t *)row_at(s, g->members, i, sizeof(uint32_t));
}

struct str snap_name(const struct snap *s, struct snap_part names, uint32_t i)
{
	return snap_text(s, *(const struct snap_str *)row_at(s, names, i, sizeof(struct snap_str)));
}

const struct snap_header *snap_headers(const struct snap *s, const struct snap_deployment *d)
{
	return (const void *)((const char *)s->head + d->headers.at);
}

const struct snap_gate *snap_gates(const struct snap *s, const struct snap_deployment *d)
{
	return (const void *)((const char *)s->head + d->gates.at);
}

const struct snap_gate *snap_reserved(const struct snap *s, const struct snap_group *g)
{
	return (const void *)((const char *)s->head + g->reserved.at);
}

const struct snap_gate *snap_tag_budgets(const struct snap *s)
{
	return (const void *)((const char *)s->head + s->head->settings.tag_budgets.at);
}

static const struct snap_group *find_exact(const struct snap *s, struct str name)
{
	uint32_t low = 0, high = s->head->groups.count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct snap_group *g = snap_group(s, mid);
		int order = str_cmp(name, snap_text(s, g->name));

		if (!order)
			return g;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const struct snap_group *snap_find_group(const struct snap *s, struct str name)
{
	const struct snap_group *g = find_exact(s, name);

	for (uint32_t i = s->head->groups.count; !g && i < group_count(s->head); i++)
		if (str_eq(snap_text(s, snap_group(s, i)->name), name))
			g = snap_group(s, i);
	return g;
}

/* "*" needs no step of its own: it is the last of the patterns. */
const struct snap_group *snap_resolve(const struct snap *s, struct str name)
{
	const struct snap_group *g = find_exact(s, name);

	if (g && g->alias_of != SNAP_NONE)
		return snap_group(s, g->alias_of);
	if (g && g->members.count)
		return g;
	for (uint32_t i = s->head->groups.count; i < group_count(s->head); i++) {
		g = snap_group(s, i);
		if (str_matches(snap_text(s, g->name), name))
			return g;
	}
	return NULL;
}

struct snap_fallbacks snap_fallbacks(const struct snap *s, struct str asked,
				     const struct snap_group *g)
{
	const struct snap_group *own = find_exact(s, asked);

	if (!own || own->members.count ||
	    (own->alias_of != SNAP_NONE && snap_group(s, own->alias_of) != g))
		own = g;		/* no other name of it */
	return (struct snap_fallbacks){
		.general = own->fallbacks.count ? own->fallbacks : g->fallbacks,
		.context = own->context_fallbacks.count ? own->context_fallbacks
							: g->context_fallbacks,
		.policy = own->policy_fallbacks.count ? own->policy_fallbacks
						      : g->policy_fallbacks,
	};
}

/* -- what a wildcard deployment is called upstream -- */

struct captures {
	struct str s[STARS_MAX];
	unsigned n;
};

static unsigned count_stars(struct str s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '*';
	return n;
}

static size_t find_last(struct str s, struct str needle)
{
	for (size_t i = s.n - needle.n + 1; needle.n <= s.n && i-- > 0;)
		if (memcmp(s.p + i, needle.p, needle.n) == 0)
			return i;
	return SIZE_MAX;
}

/* Cuts *s at its last '*': returns what stands behind, leaves what stands before. */
static struct str cut_last_star(struct str *s)
{
	size_t i = s->n;

	while (i > 0 && s->p[i - 1] != '*')
		i--;
	struct str behind = str_of(s->p + i, s->n - i);

	*s = str_of(s->p, i ? i - 1 : 0);
	return behind;
}

/* As greedy "(.*)"s do: from the right, each literal at its last place, so that stars further
 * left get as much as can be. false: no match, or too many stars. */
static bool capture(struct str pattern, struct str asked, struct captures *ret)
{
	unsigned n = count_stars(pattern);
	struct str literal;

	if (!n || n > STARS_MAX)
		return false;
	ret->n = n;
	literal = cut_last_star(&pattern);
	if (!str_ends(asked, literal))
		return false;
	asked.n -= literal.n;
	while (n-- > 1) {
		literal = cut_last_star(&pattern);
		size_t at = find_last(asked, literal);

		if (at == SIZE_MAX)
			return false;
		ret->s[n] = str_skip(asked, at + literal.n);
		asked.n = at;
	}
	ret->s[0] = str_skip(asked, pattern.n);
	return str_starts(asked, pattern);
}

static size_t filled_size(struct str model, const struct captures *c)
{
	size_t n = model.n;

	for (unsigned i = 0; i < c->n; i++)
		n += c->s[i].n;
	return n;
}

/* Stars beyond the captures stay as they are. `out` has room for filled_size(). */
static struct str fill_stars(struct str model, const struct captures *c, char *out)
{
	size_t at = 0;
	unsigned star = 0;

	for (size_t i = 0; i < model.n; i++) {
		if (model.p[i] != '*' || star >= c->n) {
			out[at++] = model.p[i];
			continue;
		}
		if (c->s[star].n)
			memcpy(out + at, c->s[star].p, c->s[star].n);
		at += c->s[star++].n;
	}
	return str_of(out, at);
}

/* What needs no filling. False: c says what the stars stand for. */
static bool is_told(struct str pattern, struct str model, struct str asked, struct captures *c,
		    struct str *ret)
{
	unsigned stars = count_stars(model);

	*ret = model;
	if (!stars || !count_stars(pattern))
		return true;
	*ret = asked;
	return !capture(pattern, asked, c) || c->n > stars;
}

struct str snap_upstream_model(const struct snap *s, const struct snap_group *g,
			       const struct snap_deployment *d, struct str asked, struct arena *a)
{
	struct str model = snap_text(s, d->model), told;
	struct captures c;

	if (is_told(snap_text(s, g->name), model, asked, &c, &told))
		return told;
	char *out = arena_alloc(a, filled_size(model, &c) + 1);
	return out ? fill_stars(model, &c, out) : STR_NONE;
}

struct str snap_fill_model(struct str pattern, struct str model, struct str asked, char *room,
			   size_t n)
{
	struct captures c;
	struct str told;

	if (is_told(pattern, model, asked, &c, &told))
		return told;
	return filled_size(model, &c) <= n ? fill_stars(model, &c, room) : STR_NONE;
}

/* -- prices -- */

static const struct snap_price *find_price(const struct snap *s, struct str model)
{
	const struct snap_price *v = (const void *)((const char *)s->head + s->head->prices.at);
	uint32_t low = 0, high = s->head->prices.count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int order = str_cmp(model, snap_text(s, v[mid].model));

		if (!order)
			return &v[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* As master/prices.c looks for what is named whole. */
static const struct snap_price *price_at(const struct snap *s, struct str provider,
					 struct str model)
{
	const struct snap_price *p = NULL;
	char name[MODEL_MAX];
	struct str bare = model;

	if (provider.n && provider.n + 1 + model.n <= sizeof name) {
		memcpy(name, provider.p, provider.n);
		name[provider.n] = '/';
		memcpy(name + provider.n + 1, model.p, model.n);
		p = find_price(s, str_of(name, provider.n + 1 + model.n));
	}
	if (!p)
		p = find_price(s, model);
	str_cut(&bare, '/');
	return p || !bare.n ? p : find_price(s, bare);
}

bool snap_named_price(const struct snap *s, const struct snap_deployment *d, struct str model,
		      struct snap_price *ret)
{
	const struct snap_price *p = price_at(s, snap_text(s, d->provider), model);

	if (!p)
		return false;
	*ret = *p;
	price_apply(&d->rates, &ret->price);
	return true;
}

bool snap_model_price(const struct snap *s, const struct snap_group *g,
		      const struct snap_deployment *d, struct str asked, struct snap_price *ret)
{
	char room[MODEL_MAX];
	struct str model = snap_fill_model(snap_text(s, g->name), snap_text(s, d->model), asked,
					   room, sizeof room);
	return model.n && snap_named_price(s, d, model, ret);
}

/* -- passes -- */

static const struct snap_pass *pass_at(const struct snap *s, uint32_t i)
{
	const char *at = (const char *)s->head + s->head->passes.at;

	return (const struct snap_pass *)(const void *)at + i;
}

const struct snap_pass *snap_find_provider(const struct snap *s, struct str name)
{
	for (uint32_t i = 0; i < s->head->passes.count; i++) {
		const struct snap_pass *p = pass_at(s, i);
		if (p->kind == PASS_PROVIDER && str_eq(snap_text(s, p->name), name))
			return p;
	}
	return NULL;
}

static bool leads_to(const struct snap *s, const struct snap_pass *p, struct str path)
{
	struct str name = snap_text(s, p->name);

	if (p->kind != PASS_TARGET || !str_starts(path, name))
		return false;
	return path.n == name.n || (p->flags & PASS_SUBPATH && path.p[name.n] == '/');
}

const struct snap_pass *snap_find_target(const struct snap *s, struct str path,
					 struct str *ret_rest)
{
	const struct snap_pass *best = NULL;

	for (uint32_t i = 0; i < s->head->passes.count; i++) {
		const struct snap_pass *p = pass_at(s, i);
		if (leads_to(s, p, path) && (!best || p->name.n > best->name.n))
			best = p;
	}
	if (best)
		*ret_rest = str_skip(path, best->name.n);
	return best;
}

bool snap_pass_takes(const struct snap_pass *p, struct str method)
{
	static const char *const names[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

	for (unsigned i = 0; i < COUNT(names); i++)
		if (str_eq_z(method, names[i]))
			return !p->methods || p->methods & (1u << i);
	return false;
}
