/* SPDX-License-Identifier: MIT
 * claims.c - see claims.h. Whatever of a token is not of the type that it should be is as if it
 * were not there, but for what bounds the token itself: that refuses it. */
#include "worker/decide/claims.h"

#include <fnmatch.h>
#include <math.h>

#include "common/json.h"

enum { LIST_ITEMS_MAX = 256, LIST_BYTES_MAX = 8192, ID_MAX = 256 };

struct reading {
	struct arena *a;
	const struct json *root;
	const struct claims_rules *rules;
	struct who *who;
};

static struct str rule(const struct reading *r, enum snap_jwt which)
{
	return r->rules->text[which];
}

/* ---- claims ---- */

/* A name may have dots of its own: "https://example.org/groups". */
static const struct json *find(const struct json *root, struct str name)
{
	const struct json *j = name.n ? json_member(root, name) : NULL;
	if (j || !name.n)
		return j;
	for (j = root; name.n && j;)
		j = json_member(j, str_cut(&name, '.'));
	return j;
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return s.n > 0 && s.n <= ID_MAX;
}

/* A text, or a number as it is written; one with control characters is none. */
static struct str text_of(const struct reading *r, const struct json *j)
{
	struct str s = json_is(j, JSON_NUMBER) ? j->raw : json_str(r->a, j);
	return is_plain(s) ? s : STR_NONE;
}

static struct str claim(const struct reading *r, enum snap_jwt which)
{
	return text_of(r, find(r->root, rule(r, which)));
}

/* ---- lists ---- */

struct list {				/* names with a NUL behind each */
	char *p;
	size_t n;
	unsigned items;
	bool failed;
};

static void list_add(struct arena *a, struct list *l, struct str s)
{
	if (!s.n || l->items >= LIST_ITEMS_MAX || l->n + s.n + 1 > LIST_BYTES_MAX)
		return;
	if (!l->p && !(l->p = arena_alloc(a, LIST_BYTES_MAX))) {
		l->failed = true;
		return;
	}
	memcpy(l->p + l->n, s.p, s.n);
	l->n += s.n;
	l->p[l->n++] = '\0';
	l->items++;
}

static void list_add_json(const struct reading *r, struct list *l, const struct json *j)
{
	if (!json_is(j, JSON_ARRAY)) {
		list_add(r->a, l, text_of(r, j));
		return;
	}
	for (const struct json *i = j->child; i; i = i->next)
		list_add(r->a, l, text_of(r, i));
}

static struct str list_str(const struct list *l)
{
	return l->p ? str_of(l->p, l->n) : STR("");
}

static bool has(struct str list, struct str name)
{
	while (list.n)
		if (str_eq(str_cut(&list, '\0'), name))
			return true;
	return false;
}

static bool have_common(struct str a, struct str b)
{
	while (a.n)
		if (has(b, str_cut(&a, '\0')))
			return true;
	return false;
}

/* A text, or a list of them. */
static struct str claim_list(const struct reading *r, enum snap_jwt which)
{
	struct list l = { 0 };
	list_add_json(r, &l, find(r->root, rule(r, which)));
	return list_str(&l);
}

/* ---- does it count, and for us? ---- */

/* Seconds, perhaps with a fraction; false: no such time. */
static bool read_time(const struct json *j, double *ret)
{
	return json_read_double(j, ret) == 0 && isfinite(*ret) && *ret >= 0 && *ret < 1e15;
}

static enum token_fault check_times(const struct reading *r, uint64_t now_s)
{
	const struct json *nbf = json_member(r->root, STR("nbf"));
	double expires, from = 0, now = (double)now_s, leeway = (double)r->rules->leeway_s;
	if (!read_time(json_member(r->root, STR("exp")), &expires))
		return TOKEN_BAD_NO_EXPIRY;
	if (expires + leeway <= now)
		return TOKEN_BAD_EXPIRED;
	if (nbf && (!read_time(nbf, &from) || from - leeway > now))
		return TOKEN_BAD_EARLY;
	r->who->expires_s = (uint64_t)expires + r->rules->leeway_s;
	return TOKEN_GOOD;
}

/* What the configuration has as JSON was checked when it was read. */
static const struct json *mappings(const struct reading *r, enum snap_jwt which)
{
	struct json_error e;
	struct str text = rule(r, which);
	const struct json *j = text.n ? json_parse(r->a, text, 0, &e) : NULL;
	return json_is(j, JSON_ARRAY) ? j->child : NULL;
}

/* One that has rules of its own; NULL: it has none. */
static const struct json *find_provider(const struct reading *r, struct str issuer)
{
	const struct json *j = mappings(r, JWT_PROVIDERS);
	while (j && issuer.n && !str_eq(json_get_str(r->a, j, "issuer"), issuer))
		j = j->next;
	return issuer.n ? j : NULL;
}

/* An issuer's keys sign its own tokens and no other's, and a provider's tokens are signed by its
 * own keys and by no others. */
static bool is_issuer_good(const struct reading *r, struct str issuer, bool is_provider)
{
	struct str signer = r->rules->signer, issuers = rule(r, JWT_ISSUERS);
	if (signer.n ? !str_eq(signer, issuer) : is_provider)
		return false;
	return is_provider || !issuers.n || has(issuers, issuer);
}

static enum token_fault check_parties(const struct reading *r)
{
	struct list audience = { 0 }, own = { 0 };
	struct str issuer = text_of(r, json_member(r->root, STR("iss")));
	struct str audiences = rule(r, JWT_AUDIENCES);
	const struct json *provider = find_provider(r, issuer);
	if (!is_issuer_good(r, issuer, provider != NULL))
		return TOKEN_BAD_ISSUER;
	if (provider && json_is_given(json_get(provider, "audience"))) {
		list_add_json(r, &own, json_get(provider, "audience"));
		audiences = own.n ? list_str(&own) : STR("\0");	/* a name that nobody has */
	}
	list_add_json(r, &audience, json_member(r->root, STR("aud")));
	if (audience.failed || own.failed)
		return TOKEN_BAD_MEMORY;
	if (audiences.n && !have_common(audiences, list_str(&audience)))
		return TOKEN_BAD_AUDIENCE;
	return TOKEN_GOOD;
}

/* ---- who it is ---- */

/* Words with blanks between them (RFC 8693, 4.2), or a list. */
static struct str read_scopes(const struct reading *r)
{
	const struct json *j = json_member(r->root, STR("scope"));
	struct list l = { 0 };
	struct str rest;
	if (!json_is(j, JSON_STRING)) {
		list_add_json(r, &l, j);
		return list_str(&l);
	}
	for (rest = json_str(r->a, j); rest.n;) {
		struct str one = str_cut(&rest, ' ');
		if (is_plain(one))
			list_add(r->a, &l, one);
	}
	return list_str(&l);
}

/* What a role may use, in general_settings.role_permissions; one that is not there may use all. */
static bool take_permissions(const struct reading *r, struct str role)
{
	struct list models = { 0 }, routes = { 0 };
	const struct json *j = mappings(r, JWT_ROLE_PERMISSIONS);
	while (j && !str_eq(json_get_str(r->a, j, "role"), role))
		j = j->next;
	if (!j)
		return true;
	list_add_json(r, &models, json_get(j, "models"));
	list_add_json(r, &routes, json_get(j, "routes"));
	r->who->has_role_models = json_is_given(json_get(j, "models"));
	r->who->models = list_str(&models);
	r->who->role_routes = list_str(&routes);
	return !models.failed && !routes.failed;
}

/* The first mapping counts whose role the token has. False: there is none. */
static bool map_role(const struct reading *r)
{
	struct str roles = claim_list(r, JWT_ROLES_CLAIM);
	for (const struct json *j = mappings(r, JWT_ROLE_MAPPINGS); j && roles.n; j = j->next) {
		struct str internal = json_get_str(r->a, j, "internal_role");
		if (!has(roles, json_get_str(r->a, j, "role")))
			continue;
		r->who->is_admin |= str_eq(internal, STR("proxy_admin"));
		r->who->is_team = str_eq(internal, STR("team"));
		r->who->is_user = str_eq(internal, STR("internal_user"));
		return !(r->rules->flags & JWT_ENFORCE_ROLES) || take_permissions(r, internal);
	}
	return false;
}

static bool has_shape(const struct reading *r, struct str name, struct str pattern)
{
	const char *n = arena_dup_z(r->a, name), *p = arena_dup_z(r->a, pattern);
	return n && p && fnmatch(p, n, 0) == 0;
}

/* What a user is to be here, by the first of its roles that has a pattern. */
static struct str role_here(const struct reading *r)
{
	struct str roles = claim_list(r, JWT_ROLES_CLAIM);
	while (roles.n) {
		struct str one = str_cut(&roles, '\0');
		for (const struct json *j = mappings(r, JWT_ROLE_MAP); j; j = j->next)
			if (has_shape(r, one, json_get_str(r->a, j, "jwt_role")))
				return json_get_str(r->a, j, "litellm_role");
	}
	return STR_NONE;
}

/* Of a list what another has, too, which may have "*" in it. */
static struct str common_of(const struct reading *r, struct str list, struct str other)
{
	struct list l = { 0 };
	if (has(other, STR("*")))
		return list;
	while (list.n) {
		struct str one = str_cut(&list, '\0');
		if (has(other, one))
			list_add(r->a, &l, one);
	}
	return list_str(&l);
}

/* All that its scopes let it have; one that is not mapped lets it have nothing. */
static bool map_scopes(const struct reading *r, struct str scopes)
{
	struct list models = { 0 }, routes = { 0 };
	bool found = false;
	for (const struct json *j = mappings(r, JWT_SCOPE_MAPPINGS); j; j = j->next) {
		if (!has(scopes, json_get_str(r->a, j, "scope")))
			continue;
		found = true;
		list_add_json(r, &models, json_get(j, "models"));
		list_add_json(r, &routes, json_get(j, "routes"));
	}
	r->who->models = r->who->has_role_models ? common_of(r, list_str(&models), r->who->models)
						 : list_str(&models);
	r->who->has_scopes = true;
	r->who->routes = list_str(&routes);
	return found && !models.failed && !routes.failed;
}

static struct str one_team(const struct reading *r, struct str name)
{
	struct list l = { 0 };
	list_add(r->a, &l, name);
	return list_str(&l);
}

static void read_teams(const struct reading *r)
{
	struct who *w = r->who;
	struct str one = claim(r, JWT_TEAM_CLAIM);
	if (w->is_team && rule(r, JWT_OBJECT_CLAIM).n)
		one = claim(r, JWT_OBJECT_CLAIM);
	w->teams = one.n ? one_team(r, one) : claim_list(r, JWT_TEAMS_CLAIM);
	w->team_alias = w->teams.n ? STR_NONE : claim(r, JWT_TEAM_ALIAS_CLAIM);
	if (w->team_alias.n)
		return;
	if (!w->teams.n && !w->is_user && rule(r, JWT_TEAM_DEFAULT).n)
		w->teams = one_team(r, rule(r, JWT_TEAM_DEFAULT));
}

/* A token that says nothing of groups takes its user out of none. */
static void read_sync(const struct reading *r)
{
	struct who *w = r->who;
	if (!(r->rules->flags & (JWT_SYNC | JWT_JOIN)))
		return;
	w->role = r->rules->flags & JWT_SYNC ? role_here(r) : STR_NONE;
	w->has_groups = find(r->root, rule(r, JWT_TEAMS_CLAIM)) != NULL;
	w->groups = claim_list(r, JWT_TEAMS_CLAIM);
}

static void read_names(const struct reading *r)
{
	struct who *w = r->who;
	struct str iss = text_of(r, json_member(r->root, STR("iss")));
	struct str sub = text_of(r, json_member(r->root, STR("sub")));
	w->subject = arena_printf(r->a, STR_FMT " " STR_FMT, STR_ARG(iss), STR_ARG(sub));
	w->user = claim(r, JWT_USER_CLAIM);
	if (w->is_user && rule(r, JWT_OBJECT_CLAIM).n)
		w->user = claim(r, JWT_OBJECT_CLAIM);
	w->email = claim(r, JWT_EMAIL_CLAIM);
	w->organization = claim(r, JWT_ORG_CLAIM);
	w->org_alias = w->organization.n ? STR_NONE : claim(r, JWT_ORG_ALIAS_CLAIM);
	w->end_user = claim(r, JWT_END_USER_CLAIM);
}

/* Whether what it is, by roles and scopes, may be here at all. */
static bool read_roles(const struct reading *r)
{
	struct str scopes = read_scopes(r), allowed = rule(r, JWT_USER_ROLES);
	bool has_role;
	r->who->is_admin = rule(r, JWT_ADMIN_SCOPE).n && has(scopes, rule(r, JWT_ADMIN_SCOPE));
	has_role = map_role(r);
	if (r->who->is_admin)
		return true;
	if (!has_role && allowed.n) {
		has_role = have_common(allowed, claim_list(r, JWT_USER_ROLES_CLAIM));
		if (!has_role)
			return false;
		r->who->is_user = !rule(r, JWT_TEAM_CLAIM).n && !rule(r, JWT_TEAMS_CLAIM).n;
	}
	if (r->rules->flags & JWT_ENFORCE_ROLES && !has_role)
		return false;
	return !(r->rules->flags & JWT_ENFORCE_SCOPES) || map_scopes(r, scopes);
}

enum token_fault claims_read(struct arena *a, struct str claims, const struct claims_rules *rules,
			     uint64_t now_s, struct who *ret)
{
	struct json_error e;
	const struct json *root = json_parse(a, claims, JSON_ONE_KEY, &e);
	struct who who = { 0 };
	struct reading r = { .a = a, .root = root, .rules = rules, .who = &who };
	if (!json_is(root, JSON_OBJECT))
		return TOKEN_BAD_CLAIMS;
	enum token_fault f = TOKEN_GOOD;
	who.expires_s = rules->expires_s;
	if (!rules->expires_s)
		f = check_times(&r, now_s);
	if (f == TOKEN_GOOD && !rules->expires_s)
		f = check_parties(&r);
	if (f != TOKEN_GOOD)
		return f;
	who.key_value = claim(&r, JWT_KEY_CLAIM);
	who.is_barred = !read_roles(&r);
	if (who.is_barred && !who.key_value.n)
		return TOKEN_BAD_ROLE;
	read_names(&r);
	read_teams(&r);
	read_sync(&r);
	if (!who.subject.p)
		return TOKEN_BAD_MEMORY;
	*ret = who;
	return TOKEN_GOOD;
}
