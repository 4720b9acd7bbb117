/* SPDX-License-Identifier: MIT
 * config_jwt.c - who comes with a token: what the environment adds to the file, what cannot be held
 * to, and what workers get of it. A rule that would let somebody in by mistake is an error. */
#include <stdlib.h>

#include "common/json.h"
#include "common/link_proto.h"
#include "master/config_jwt.h"
#include "master/config_read.h"
#include "master/discovery.h"

#define JWT_AUTH "general_settings.litellm_jwtauth"

enum { URLS_MAX = LINK_KEYS_MAX };

/* ---- reading ---- */

/* Words with commas between them, where the file has nothing. */
static void take_env(struct reader *r, struct config_names *at, const char *variable)
{
	struct str rest = str_z(getenv(variable));
	size_t n = 1;
	if (at->n || !rest.n)
		return;
	for (size_t i = 0; i < rest.n; i++)
		n += rest.p[i] == ',';
	struct str *v = keep_array(r, n, sizeof *v);
	at->v = v;
	while (v && rest.n) {
		struct str one = str_trim(str_cut(&rest, ','));
		if (one.n && !value_has_control(one))
			v[at->n++] = keep(r, one);
	}
}

static void preset(struct config_names *at, struct str *v, size_t n)
{
	if (!at->v)
		*at = (struct config_names){ .v = v, .n = n };
}

/* Where an issuer says where its keys are. */
static struct str discovery_of(struct reader *r, struct str issuer)
{
	struct str url = discovery_url(r->scratch, issuer);
	return url.p ? keep(r, url) : STR_NONE;
}

static void add_source(struct reader *r, struct str url, struct str issuer)
{
	struct config_jwt *j = &r->c->jwt;
	struct config_jwt_source *s = &j->sources[j->n_sources++];
	if (!url.n)
		url = discovery_of(r, issuer);
	*s = (struct config_jwt_source){ .url = url, .is_discovery = discovery_is_url(url),
					 .issuer = issuer };
}

/* The first of a list that the file has as JSON. */
static const struct json *list_of(struct reader *r, struct str text)
{
	struct json_error e;
	const struct json *list = text.n ? json_parse(r->scratch, text, 0, &e) : NULL;
	return list ? list->child : NULL;
}

static const struct json *providers_of(struct reader *r)
{
	return list_of(r, r->c->jwt.providers);
}

/* Addresses of their own, or else what each issuer says; and those of the providers. */
static void make_sources(struct reader *r)
{
	struct config_jwt *j = &r->c->jwt;
	size_t n = j->urls.n + j->issuers.n;
	for (const struct json *p = providers_of(r); p; p = p->next)
		n++;
	j->sources = keep_array(r, n, sizeof *j->sources);
	if (!j->sources)
		return;
	for (size_t i = 0; i < j->urls.n; i++)
		add_source(r, j->urls.v[i], STR_NONE);
	for (size_t i = 0; i < j->issuers.n && !j->urls.n; i++)
		add_source(r, STR_NONE, j->issuers.v[i]);
	for (const struct json *p = providers_of(r); p; p = p->next)
		add_source(r, keep(r, json_get_str(r->scratch, p, "keys-url")),
			   keep(r, json_get_str(r->scratch, p, "issuer")));
}

static void check_url(struct reader *r, const struct place *at, struct str url, const char *what)
{
	bool is_plain;
	struct str host = discovery_host(url, &is_plain);
	if (!host.n || url.n > DISCOVERY_URL_MAX || value_has_control(url))
		complain(r, COMPLAINT_ERROR, at, "'" STR_FMT "' is no address of http or https",
			 STR_ARG(shown(url)));
	else if (is_plain && !discovery_host_is_local(host))
		complain(r, W_JWT_OPEN, at,
			 "%s from " STR_FMT " come over plain http: whoever is in "
			 "between can sign tokens, or is as good as who does", what,
			 STR_ARG(shown(host)));
}

static void check_sources(struct reader *r)
{
	const struct config_jwt *j = &r->c->jwt;
	const struct place *at = given_place(r, "server.jwt", "keys-url");
	if (!j->n_sources && !j->asks_userinfo)
		complain(r, COMPLAINT_ERROR, given_place(r, "general_settings", "enable_jwt_auth"),
			 "tokens need public keys: set server.jwt.keys-url, issuer or providers, or "
			 "JWT_PUBLIC_KEY_URL");
	if (j->n_sources > URLS_MAX)
		complain(r, COMPLAINT_ERROR, at, "more than %d addresses of public keys", URLS_MAX);
	for (size_t i = 0; i < j->n_sources; i++)
		check_url(r, at, j->sources[i].url, "public keys");
	at = given_place(r, JWT_AUTH, "oidc_userinfo_endpoint");
	if (j->asks_userinfo && !j->userinfo_url.n && j->issuers.n == 1)
		r->c->jwt.userinfo_url = discovery_url(r->c->mem, j->issuers.v[0]);
	if (j->asks_userinfo && !j->userinfo_url.n)
		complain(r, COMPLAINT_ERROR, given_place(r, JWT_AUTH, "oidc_userinfo_enabled"),
			 "oidc_userinfo_enabled wants oidc_userinfo_endpoint, or one issuer");
	else if (j->asks_userinfo)
		check_url(r, at, j->userinfo_url, "users");
	r->c->jwt.is_userinfo_strangers = stored_by_stranger(r, at);
}

/* ---- mappings ---- */

static bool is_internal_role(struct str s)
{
	return str_eq(s, STR("proxy_admin")) || str_eq(s, STR("team")) ||
	       str_eq(s, STR("internal_user"));
}

static bool is_list_of_texts(const struct json *j)
{
	if (!json_is_given(j))
		return true;
	if (!json_is(j, JSON_ARRAY))
		return false;
	for (j = j->child; j; j = j->next)
		if (!json_is(j, JSON_STRING))
			return false;
	return true;
}

static void check_mapping(struct reader *r, const char *name, const struct json *j, bool is_role)
{
	const struct place *at = given_place(r, JWT_AUTH, name);
	if (!json_get_str(r->scratch, j, is_role ? "role" : "scope").n)
		complain(r, COMPLAINT_ERROR, at, "each of %s wants a %s", name,
			 is_role ? "role" : "scope");
	else if (is_role && !is_internal_role(json_get_str(r->scratch, j, "internal_role")))
		complain(r, COMPLAINT_ERROR, at,
			 "internal_role is proxy_admin, team or internal_user");
	else if (!is_role && (!is_list_of_texts(json_get(j, "models")) ||
			      !is_list_of_texts(json_get(j, "routes"))))
		complain(r, COMPLAINT_ERROR, at, "models and routes of %s are lists of names", name);
}

static void check_mappings(struct reader *r, const char *name, struct str text, bool is_role)
{
	for (const struct json *j = list_of(r, text); j; j = j->next)
		check_mapping(r, name, j, is_role);
}

static bool is_users_role(struct str s)
{
	return str_eq(s, STR("proxy_admin")) || str_eq(s, STR("proxy_admin_viewer")) ||
	       str_eq(s, STR("internal_user")) || str_eq(s, STR("internal_user_viewer"));
}

/* What a user may become by jwt_litellm_role_map. */
static void check_role_map(struct reader *r)
{
	const struct place *at = given_place(r, JWT_AUTH, "jwt_litellm_role_map");
	for (const struct json *j = list_of(r, r->c->jwt.role_map); j; j = j->next)
		if (!json_get_str(r->scratch, j, "jwt_role").n ||
		    !is_users_role(json_get_str(r->scratch, j, "litellm_role")))
			complain(r, COMPLAINT_ERROR, at,
				 "each of jwt_litellm_role_map wants a jwt_role, and a litellm_role that "
				 "a user may have");
	if (r->c->jwt.role_map.n && !r->c->jwt.syncs)
		complain(r, COMPLAINT_ERROR, at,
			 "jwt_litellm_role_map wants sync_user_role_and_teams: true");
}

static void check_permissions(struct reader *r)
{
	const struct place *at = given_place(r, "general_settings", "role_permissions");
	for (const struct json *j = list_of(r, r->c->jwt.role_permissions); j; j = j->next)
		if (!is_internal_role(json_get_str(r->scratch, j, "role")) ||
		    !is_list_of_texts(json_get(j, "models")) ||
		    !is_list_of_texts(json_get(j, "routes")))
			complain(r, COMPLAINT_ERROR, at,
				 "each of role_permissions wants a role, which is proxy_admin, team or "
				 "internal_user, and lists of models and routes");
}

/* Every issuer once, and with an audience of its own or what holds for all. */
static void check_providers(struct reader *r)
{
	const struct place *at = given_place(r, "server.jwt", "providers");
	for (const struct json *p = providers_of(r); p; p = p->next) {
		struct str issuer = json_get_str(r->scratch, p, "issuer");
		const struct json *audience = json_get(p, "audience");
		if (!issuer.n || value_has_control(issuer))
			complain(r, COMPLAINT_ERROR, at, "each of providers wants an issuer");
		if (!json_is(audience, JSON_STRING) && !is_list_of_texts(audience))
			complain(r, COMPLAINT_ERROR, at, "an audience is a name or a list of names");
		for (const struct json *o = p->next; o && issuer.n; o = o->next)
			if (str_eq(json_get_str(r->scratch, o, "issuer"), issuer))
				complain(r, COMPLAINT_ERROR, at, "two providers have one issuer");
	}
}

static bool all_have_audiences(struct reader *r)
{
	const struct config_jwt *j = &r->c->jwt;
	if (!j->n_sources && j->asks_userinfo)
		return true;		/* the provider itself says whose the token is */
	if (j->urls.n || j->issuers.n || !j->n_sources)
		return false;
	for (const struct json *p = providers_of(r); p; p = p->next)
		if (!json_is_given(json_get(p, "audience")))
			return false;
	return true;
}

static void check_who(struct reader *r)
{
	const struct config_jwt *j = &r->c->jwt;
	if (j->custom.n)
		complain(r, COMPLAINT_ERROR, given_place(r, JWT_AUTH, "custom_validate"),
			 "custom_validate is Python and not run: tokens that it refuses would be let in");
	if (j->user_roles.n && !j->user_roles_claim.n)
		complain(r, COMPLAINT_ERROR, given_place(r, JWT_AUTH, "user_allowed_roles"),
			 "user_allowed_roles wants user_roles_jwt_field");
	if (!j->audiences.n && !all_have_audiences(r))
		complain(r, W_JWT_OPEN, given_place(r, "general_settings", "enable_jwt_auth"),
			 "no audience is asked for: tokens for any other service of the issuer are "
			 "taken; set server.jwt.audience or JWT_AUDIENCE");
	check_mappings(r, "role_mappings", j->role_mappings, true);
	check_mappings(r, "scope_mappings", j->scope_mappings, false);
	check_role_map(r);
	check_permissions(r);
}

void jwt_finish(struct reader *r)
{
	static struct str admin[] = { STR("management_routes"), STR("spend_tracking_routes"),
				      STR("global_spend_tracking_routes"), STR("info_routes") };
	static struct str team[] = { STR("openai_routes"), STR("info_routes"), STR("mcp_routes") };
	static struct str public[] = { STR("public_routes") };
	struct config_jwt *j = &r->c->jwt;
	preset(&j->admin_routes, admin, COUNT(admin));
	preset(&j->team_routes, team, COUNT(team));
	preset(&j->public_routes, public, COUNT(public));
	if (!j->is_on)
		return;
	take_env(r, &j->urls, "JWT_PUBLIC_KEY_URL");
	take_env(r, &j->audiences, "JWT_AUDIENCE");
	take_env(r, &j->issuers, "JWT_ISSUER");
	make_sources(r);
	check_sources(r);
	check_providers(r);
	check_who(r);
}

/* ---- for workers ---- */

void config_write_names(struct buf *to, const struct config_names *n)
{
	buf_init(to, 1 << 20);
	for (size_t i = 0; i < n->n; i++) {
		buf_put(to, n->v[i]);
		buf_put_char(to, '\0');
	}
}

static uint32_t flags_of(const struct config_jwt *j)
{
	return (j->enforces_roles ? JWT_ENFORCE_ROLES : 0u) |
	       (j->enforces_scopes ? JWT_ENFORCE_SCOPES : 0u) |
	       (j->enforces_team ? JWT_ENFORCE_TEAM : 0u) |
	       (j->upserts_users ? JWT_USER_UPSERT : 0u) |
	       (j->upserts_teams ? JWT_TEAM_UPSERT : 0u) | (j->syncs ? JWT_SYNC : 0u) |
	       (j->joins ? JWT_JOIN : 0u) | (j->asks_userinfo ? JWT_USERINFO : 0u) |
	       (j->asks_userinfo && !j->n_sources ? JWT_USERINFO_ALL : 0u);
}

void jwt_build(const struct config_jwt *j, struct snap_build *b, struct snap_settings *s)
{
	struct str texts[JWT_TEXTS] = {
		[JWT_ADMIN_SCOPE] = j->admin_scope,
		[JWT_TEAM_CLAIM] = j->team_claim, [JWT_TEAMS_CLAIM] = j->teams_claim,
		[JWT_TEAM_DEFAULT] = j->team_default, [JWT_USER_CLAIM] = j->user_claim,
		[JWT_EMAIL_CLAIM] = j->email_claim, [JWT_EMAIL_DOMAIN] = j->email_domain,
		[JWT_USER_ROLES_CLAIM] = j->user_roles_claim, [JWT_ORG_CLAIM] = j->org_claim,
		[JWT_END_USER_CLAIM] = j->end_user_claim, [JWT_ROLES_CLAIM] = j->roles_claim,
		[JWT_ROLE_MAPPINGS] = j->role_mappings, [JWT_OBJECT_CLAIM] = j->object_claim,
		[JWT_SCOPE_MAPPINGS] = j->scope_mappings, [JWT_PROVIDERS] = j->providers,
		[JWT_TEAM_ALIAS_CLAIM] = j->team_alias_claim,
		[JWT_ORG_ALIAS_CLAIM] = j->org_alias_claim, [JWT_ROLE_MAP] = j->role_map,
		[JWT_ROLE_PERMISSIONS] = j->role_permissions, [JWT_KEY_CLAIM] = j->key_claim,
	};
	const struct config_names *lists[JWT_TEXTS] = {
		[JWT_AUDIENCES] = &j->audiences, [JWT_ISSUERS] = &j->issuers,
		[JWT_ADMIN_ROUTES] = &j->admin_routes, [JWT_TEAM_ROUTES] = &j->team_routes,
		[JWT_PUBLIC_ROUTES] = &j->public_routes,
		[JWT_USER_ROLES] = &j->user_roles,
	};
	struct buf written[JWT_TEXTS] = { 0 };
	if (!j->is_on)
		return;
	for (size_t i = 0; i < JWT_TEXTS; i++) {
		if (lists[i])
			config_write_names(&written[i], lists[i]);
		texts[i] = lists[i] ? buf_str(&written[i]) : texts[i];
	}
	s->jwt = snap_build_names(b, texts, JWT_TEXTS);
	s->jwt_flags = flags_of(j);
	s->jwt_leeway_s = (uint32_t)(j->leeway_ms / 1000);
	s->flags |= SET_JWT;
	for (size_t i = 0; i < JWT_TEXTS; i++)
		buf_done(&written[i]);
}
