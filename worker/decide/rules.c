/* SPDX-License-Identifier: MIT
 * rules.c - what else a caller is held to, where configuration or key say so: from which
 * addresses, by which paths, with which members in the body.
 *
 * A request of a key without rules, in a configuration without them, never gets in here. */
#include "worker/decide/rules.h"

#include "common/cidr.h"
#include "worker/decide/owners.h"
#include "worker/raw.h"

enum { MESSAGE_NAMES_MAX = 300 };

/* ---- groups of paths, as LiteLLM calls them ---- */

static bool is_model_call(const struct endpoint *e)
{
	return (e->flags & EP_KEY) && !(e->flags & (EP_RELAY | EP_ADMIN));
}

static bool is_path_below(const struct endpoint *e, const char *prefix)
{
	return str_starts(str_z(e->path), str_z(prefix));
}

static bool speaks(const struct endpoint *e, const char *word)
{
	return e->dialect && str_starts(str_z(e->dialect->name), str_z(word));
}

static bool is_anthropic(const struct endpoint *e)
{
	return is_model_call(e) && (speaks(e, "anthropic") || is_path_below(e, "/anthropic"));
}

static bool is_google(const struct endpoint *e)
{
	return is_model_call(e) && (speaks(e, "gemini") || is_path_below(e, "/gemini") ||
				    is_path_below(e, "/vertex"));
}

static bool is_spend(const struct endpoint *e)
{
	return is_path_below(e, "/spend/") || is_path_below(e, "/cost/");
}

static bool is_global_spend(const struct endpoint *e)
{
	return is_path_below(e, "/global/");
}

static bool is_management(const struct endpoint *e)
{
	return (e->flags & EP_RELAY) && !is_spend(e) && !is_global_spend(e);
}

static bool is_key_management(const struct endpoint *e)
{
	return is_path_below(e, "/key/") || is_path_below(e, "/v2/key/");
}

static bool is_info(const struct endpoint *e)
{
	static const char *const paths[] = {
		"/key/info", "/v2/key/info", "/key/list", "/key/health", "/key/aliases",
		"/team/info", "/team/list", "/v2/team/list", "/user/info", "/v2/user/info",
		"/organization/info", "/organization/list", "/model/info", "/v1/model/info",
		"/v2/model/info", "/model_group/info", "/health", "/v1/models", "/models",
		"/v1/models/{model}", "/models/{model}",
	};
	for (size_t i = 0; i < COUNT(paths); i++)
		if (str_eq(str_z(e->path), str_z(paths[i])))
			return true;
	return false;
}

static bool is_public(const struct endpoint *e)
{
	return !(e->flags & EP_KEY);
}

static const struct {
	const char *name;
	bool (*has)(const struct endpoint *e);
} groups[] = {
	{ "llm_api_routes", is_model_call },
	{ "openai_routes", is_model_call },
	{ "anthropic_routes", is_anthropic },
	{ "google_routes", is_google },
	{ "info_routes", is_info },
	{ "management_routes", is_management },
	{ "key_management_routes", is_key_management },
	{ "spend_tracking_routes", is_spend },
	{ "global_spend_tracking_routes", is_global_spend },
	{ "public_routes", is_public },
};

/* ---- paths ---- */

/* "/key" lets "/key/info" through, and not "/keys". */
static bool is_at_or_below(struct str path, struct str allowed)
{
	if (!allowed.n || allowed.p[0] != '/' || !str_starts(path, allowed))
		return false;
	return path.n == allowed.n || allowed.p[allowed.n - 1] == '/' || path.p[allowed.n] == '/';
}

/* Whether it is a group, or a pattern; *ret: and has that path. */
static bool lets_many_through(struct str allowed, const struct endpoint *e, struct str path,
			      bool *ret)
{
	for (size_t i = 0; i < COUNT(groups); i++) {
		if (!str_eq_z(allowed, groups[i].name))
			continue;
		*ret = groups[i].has(e);
		return true;
	}
	*ret = str_matches(allowed, path);
	return str_find_char(allowed, '*') != SIZE_MAX;
}

static bool lets_through(struct str allowed, const struct endpoint *e, struct str path)
{
	bool found;
	if (lets_many_through(allowed, e, path, &found))
		return found;
	return is_at_or_below(path, allowed) || str_eq(str_z(e->path), allowed);
}

bool rules_let_through(const struct request *r, struct str list)
{
	while (list.n)
		if (lets_through(str_cut(&list, '\0'), r->endpoint, r->http->path))
			return true;
	return false;
}

static enum step refuse_route(struct request *r, struct str rules)
{
	char names[MESSAGE_NAMES_MAX];
	size_t n = 0;
	while (rules.n) {
		struct str rule = str_cut(&rules, '\0');
		int more = rule.p[0] == RULE_ROUTE ?
			snprintf(names + n, sizeof names - n, "%s'" STR_FMT "'", n ? ", " : "",
				 STR_ARG(str_skip(rule, 1))) : 0;
		if (more < 0 || n + (size_t)more >= sizeof names)
			break;
		n += (size_t)more;
	}
	return request_fail(r, OUTCOME_ROUTE_DENIED, NULL,
			    "Virtual key is not allowed to call this route. Only allowed to call "
			    "routes: [%.*s]. Tried to call route: " STR_FMT, (int)n, names,
			    STR_ARG(r->http->path));
}

static enum step check_routes(struct request *r, struct str rules)
{
	bool has_routes = false;
	for (struct str left = rules; left.n;) {
		struct str rule = str_cut(&left, '\0');
		if (!rule.n || rule.p[0] != RULE_ROUTE)
			continue;
		has_routes = true;
		if (lets_through(str_skip(rule, 1), r->endpoint, r->http->path))
			return STEP_NEXT;
	}
	return has_routes ? refuse_route(r, rules) : STEP_NEXT;
}

enum step rules_check_key(struct request *r, const struct dir_key *k)
{
	r->rules = arena_dup(r->mem, k->rules);
	if (!r->rules.p)
		return request_fail(r, OUTCOME_TOO_LARGE, NULL, "the request needs too much memory");
	return check_routes(r, r->rules);
}

/* ---- the configuration's: addresses, and paths, none of which is a beginning ---- */

static bool is_in(const struct request *r, struct str list)
{
	const struct str prefix = STR("LiteLLMRoutes.");
	bool found = false;
	while (list.n && !found) {
		struct str one = str_cut(&list, '\0');
		if (str_starts(one, prefix))
			one = str_skip(one, prefix.n);
		if (!lets_many_through(one, r->endpoint, r->http->path, &found))
			found = str_eq(r->http->path, one) || str_eq(str_z(r->endpoint->path), one);
	}
	return found;
}

static struct str routes(const struct request *r, enum snap_routes which)
{
	const struct snap_settings *s = snap_settings(r->snap);
	return s->routes.count ? snap_name(r->snap, s->routes, which) : STR("");
}

bool rules_is_public(const struct request *r)
{
	return is_in(r, routes(r, ROUTES_PUBLIC));
}

bool rules_is_admins(const struct request *r)
{
	return is_in(r, routes(r, ROUTES_ADMIN));
}

static enum step check_address(struct request *r)
{
	struct snap_part list = snap_settings(r->snap)->allowed_ips;
	for (uint32_t i = 0; i < list.count; i++) {
		struct cidr net;
		if (cidr_read(snap_name(r->snap, list, i), &net) == 0 &&
		    cidr_has(&net, r->client_ip))
			return STEP_NEXT;
	}
	return request_fail(r, OUTCOME_ROUTE_DENIED, NULL,
			    "Access forbidden: the address that this comes from is not allowed.");
}

enum step rules_at_door(struct request *r)
{
	struct str allowed = routes(r, ROUTES_ALLOWED);
	if (snap_settings(r->snap)->allowed_ips.count && check_address(r) != STEP_NEXT)
		return STEP_DONE;
	if (!allowed.n || is_in(r, allowed))
		return STEP_NEXT;
	return request_fail(r, OUTCOME_ROUTE_DENIED, NULL,
			    "Access forbidden: Route " STR_FMT " not allowed",
			    STR_ARG(r->http->path));
}

/* ---- members of the body ---- */

static bool has_member(const struct json *root, struct str dotted)
{
	while (dotted.n) {
		struct str name = str_cut(&dotted, '.');
		root = json_member(root, name);
		if (!json_is_given(root))
			return false;
	}
	return true;
}

static enum step refuse_without(struct request *r, struct str name)
{
	char *z = arena_dup_z(r->mem, name);
	return request_fail(r, OUTCOME_BAD_REQUEST, z,
			    "BadRequest please pass param=" STR_FMT " in request body. This is a "
			    "required param", STR_ARG(name));
}

static bool has_tags(const struct request *r, const struct json *root)
{
	return (r->http && http_header(r->http, "x-litellm-tags").n) ||
	       has_member(root, STR("tags")) || has_member(root, STR("metadata.tags")) ||
	       has_member(root, STR("litellm_metadata.tags"));
}

/* What the configuration wants of all. */
static enum step check_switches(struct request *r, const struct json *root)
{
	uint32_t wanted = snap_settings(r->snap)->body_rules;
	if (wanted & BODY_WITHOUT_TAGS && has_tags(r, root))
		return request_fail(r, OUTCOME_BAD_REQUEST, "metadata.tags",
				    "Client-side 'metadata.tags' not allowed in request. "
				    "'reject_clientside_metadata_tags'=True. Tags can only be set "
				    "via API key metadata.");
	if (!(wanted & BODY_WANTS_CUSTOMER) || !root || owners_customer(r).n ||
	    json_get_str(r->mem, root, "user").n)
		return STEP_NEXT;
	return refuse_without(r, STR("user"));
}

static enum step check_names(struct request *r, const struct json *root, struct snap_part list)
{
	for (uint32_t i = 0; i < list.count; i++)
		if (!has_member(root, snap_name(r->snap, list, i)))
			return refuse_without(r, snap_name(r->snap, list, i));
	return STEP_NEXT;
}

enum step rules_check_body(struct request *r)
{
	const struct json *root = r->raw ? r->raw->root : r->q.root;
	const struct snap_settings *set = snap_settings(r->snap);
	if (set->body_rules && check_switches(r, root) != STEP_NEXT)
		return STEP_DONE;
	if (r->raw && !root)
		return STEP_NEXT;	/* a form, or bytes: there is nothing to look into */
	if (check_names(r, root, set->enforced_params) != STEP_NEXT)
		return STEP_DONE;
	for (struct str left = r->rules; left.n;) {
		struct str rule = str_cut(&left, '\0');
		char kind = rule.n ? rule.p[0] : '\0';
		if (kind == RULE_PARAM && !has_member(root, str_skip(rule, 1)))
			return refuse_without(r, str_skip(rule, 1));
		if (kind == RULE_SERVICE &&
		    check_names(r, root, set->service_params) != STEP_NEXT)
			return STEP_DONE;
	}
	return STEP_NEXT;
}
