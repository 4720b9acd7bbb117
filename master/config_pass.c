/* SPDX-License-Identifier: MIT
 * config_pass.c - where calls go that name no model: general_settings.pass_through_endpoints, and
 * providers of which there is no more than a key in the environment.
 *
 * Each is a deployment that no group has. A row's members have a small table of their own. */
#include <stddef.h>
#include <stdlib.h>

#include "master/config_read.h"

#define OF(field) offsetof(struct row, field)
#define ENV "os.environ/"

enum { PASS_PROVIDERS_MAX = 16 };

struct row {				/* as it is written */
	struct str path, target, id;
	struct config_pairs headers;
	struct config_names methods;
	bool include_subpath, auth;
	int64_t cost;
};

static const struct directive members[] = {
	{ .name = "path", .type = CT_STR, .at = OF(path) },
	{ .name = "target", .type = CT_STR, .at = OF(target) },
	{ .name = "id", .type = CT_STR, .at = OF(id) },
	{ .name = "headers", .type = CT_PAIRS, .at = OF(headers), .flags = CF_SECRET },
	{ .name = "methods", .type = CT_NAMES, .at = OF(methods) },
	{ .name = "include_subpath", .type = CT_BOOL, .at = OF(include_subpath) },
	{ .name = "auth", .type = CT_BOOL, .at = OF(auth) },
	{ .name = "cost_per_request", .type = CT_PRICE, .at = OF(cost) },
};

/* LiteLLM's, of which nothing comes here. */
static const char *const others[] = { "default_query_params", "forward_headers", "guardrails",
				      "merge_query_params", "custom_auth_parser" };

static void set_member(struct reader *r, struct row *row, const struct yaml *y)
{
	for (size_t i = 0; i < COUNT(members); i++)
		if (same_name(y->key, members[i].name)) {
			value_set(r, row, &members[i], y);
			return;
		}
	for (size_t i = 0; i < COUNT(others); i++)
		if (same_name(y->key, others[i])) {
			complain(r, W_NOT_ACTED_ON, &y->key_place,
				 "pass_through_endpoints: '%s' is not acted on", others[i]);
			return;
		}
	complain(r, W_UNKNOWN_KEY, &y->key_place, "pass_through_endpoints: '" STR_FMT
		 "' is not known", STR_ARG(shown(y->key)));
}

/* "bearer os.environ/NAME": LiteLLM puts in what stands in the midst of a value, too. */
static struct str with_environment(struct reader *r, struct str value, const struct place *at)
{
	char name[128];
	size_t from = str_find(value, STR(ENV)), n = 0;
	if (from == SIZE_MAX)
		return value;
	struct str rest = str_skip(value, from + STR(ENV).n);
	while (n < rest.n && rest.p[n] != ' ' && n + 1 < sizeof name)
		n++;
	memcpy(name, rest.p, n);
	name[n] = '\0';
	bool may = stored_may_name(r, at, str_z(name));
	if (!may)
		complain(r, COMPLAINT_ERROR, at,
			 "the environment variable %s must not be used here", name);
	const char *found = may ? getenv(name) : "";
	if (!found || value_has_control(str_z(found))) {
		complain(r, W_ENV_MISSING, at, "the environment variable %s is not set", name);
		found = "";
	}
	struct str whole = arena_printf(r->c->mem, STR_FMT "%s" STR_FMT, (int)from, value.p, found,
					STR_ARG(str_skip(rest, n)));
	r->out_of_memory |= !whole.p;
	return whole;
}

static bool path_ok(struct str path)
{
	if (path.n < 2 || path.n > 512 || path.p[0] != '/' || path.p[path.n - 1] == '/')
		return false;
	for (size_t i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] <= ' ' || (unsigned char)path.p[i] >= 0x7f ||
		    strchr("?#{}%\\", path.p[i]))
			return false;
	return str_find(path, STR("//")) == SIZE_MAX && str_find(path, STR("/.")) == SIZE_MAX;
}

static uint32_t methods_of(struct reader *r, const struct config_names *names,
			   const struct place *at)
{
	static const char *const known[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	uint32_t bits = 0;
	for (size_t i = 0; i < names->n; i++) {
		size_t k = 0;
		while (k < COUNT(known) && !str_eq_nocase(names->v[i], str_z(known[k])))
			k++;
		if (k < COUNT(known))
			bits |= 1u << k;
		else
			complain(r, COMPLAINT_ERROR, at,
				 "'" STR_FMT "' is not a method (want GET, POST, PUT, PATCH, DELETE)",
				 STR_ARG(shown(names->v[i])));
	}
	return bits;
}

/* What a deployment needs to be one. */
static void finish(struct reader *r, struct config_pass *p)
{
	struct config_model *m = &p->model;
	bool known = p->cost != PRICE_NONE;
	m->id = arena_printf(r->c->mem, "pass-through" STR_FMT STR_FMT, (int)!p->is_target, "/",
			     STR_ARG(p->name));
	r->out_of_memory |= !m->id.p;
	m->cooldown_ms = UINT64_MAX;
	m->num_retries = SNAP_NONE;
	m->mode = MODE_OTHER;
	m->price = price_none();
	if (known)
		m->price.per_request = p->cost;
	if (known)
		m->price.flags = PRICE_KNOWN | (p->cost ? 0 : PRICE_FREE);
}

static bool read_row(struct reader *r, const struct yaml *y, struct config_pass *ret)
{
	struct row row = { .auth = true, .cost = PRICE_NONE };
	if (y->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &y->place,
			 "pass_through_endpoints wants a list of maps, not %s", yaml_kind_name(y));
		return false;
	}
	for (const struct yaml *e = y->child; e; e = e->next)
		set_member(r, &row, e);
	if (!path_ok(row.path)) {
		complain(r, COMPLAINT_ERROR, &y->place,
			 "pass_through_endpoints: path wants a path like /v1/rerank");
		return false;
	}
	while (row.target.n && row.target.p[row.target.n - 1] == '/')
		row.target.n--;
	const char *problem = base_problem(row.target);
	if (problem) {
		complain(r, COMPLAINT_ERROR, &y->place, "pass_through_endpoints: target %s", problem);
		return false;
	}
	for (size_t i = 0; i < row.headers.n; i++)
		row.headers.v[i].value = with_environment(r, row.headers.v[i].value, &y->place);
	*ret = (struct config_pass){
		.name = row.path,
		.id = row.id,
		.is_target = true,
		.is_stored = y->place.file && y->place.file->object,
		.is_open = !row.auth,
		.has_subpath = row.include_subpath,
		.methods = methods_of(r, &row.methods, &y->place),
		.cost = row.cost,
		.model = { .model_name = row.path, .provider = STR("pass_through"),
			   .model = STR(""), .api_base = row.target, .headers = row.headers,
			   .is_strangers = stored_by_stranger(r, &y->place) },
	};
	finish(r, ret);
	return true;
}

bool passes_set(struct reader *r, struct config *c, const struct yaml *y)
{
	if (y->kind != YAML_LIST) {
		complain(r, COMPLAINT_ERROR, &y->place,
			 "pass_through_endpoints wants a list, not %s", yaml_kind_name(y));
		return false;
	}
	struct config_pass *v = keep_array(r, y->count + PASS_PROVIDERS_MAX, sizeof *v);
	size_t n = 0;
	for (const struct yaml *e = y->child; v && e; e = e->next)
		n += read_row(r, e, &v[n]);
	c->passes = v;
	c->n_passes = v ? n : 0;
	return true;
}

/* ---- providers of the environment ---- */

/* Those that have a path of their own (worker/client/endpoint.c). */
static const char *const with_path[] = { "openai",  "anthropic", "gemini",	"cohere",
					 "mistral", "azure",	 "azure_ai",	"hosted_vllm",
					 "bedrock", "assemblyai" };
_Static_assert(COUNT(with_path) <= PASS_PROVIDERS_MAX, "room for each");

static bool is_used(const struct config *c, struct str provider)
{
	for (size_t i = 0; i < c->n_models; i++)
		if (str_eq(c->models[i].provider, provider) && !c->models[i].mock_response.p)
			return true;
	return false;
}

/* One that more than a key is needed for is left out, and so is one without a base. */
static bool from_environment(struct reader *r, const struct provider_row *row,
			     struct config_pass *ret)
{
	struct str name, key = env_first_set(row->key_env, &name);
	struct str base = env_first_set(row->base_env, &name);
	if (!key.n || value_has_control(key) || row->auth_kind >= AUTH_SIGV4)
		return false;
	if (!base.n)
		base = row->base;
	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	if (base_problem(base))
		return false;
	*ret = (struct config_pass){
		.name = row->prefix,
		.cost = PRICE_NONE,
		.model = { .model_name = row->prefix, .provider = row->prefix, .row = row,
			   .auth = row->auth_kind,
			   .model = STR(""), .api_base = keep(r, base), .api_key = keep(r, key) },
	};
	finish(r, ret);
	return true;
}

void passes_finish(struct reader *r)
{
	struct config *c = r->c;
	if (!c->passes)
		c->passes = keep_array(r, PASS_PROVIDERS_MAX, sizeof *c->passes);
	for (size_t i = 0; c->passes && i < COUNT(with_path); i++) {
		const struct provider_row *row = providers_find(str_z(with_path[i]));
		if (row && !is_used(c, row->prefix))
			c->n_passes += from_environment(r, row, &c->passes[c->n_passes]);
	}
}
