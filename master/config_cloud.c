/* SPDX-License-Identifier: MIT
 * config_cloud.c - Azure, Vertex AI and others: which family of provider a model is of, where its
 * place is, and by which credentials it is called.
 *
 * What the deployment says itself goes before what the environment says, an api_key before all
 * else. Credentials become one JSON object (worker/exchange/token.h); files with them are read
 * here, since workers read none. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "common/mem.h"
#include "common/vertex.h"
#include "master/config_read.h"
#include "master/refusal.h"

enum { CREDENTIALS_MAX = 65536 };

static bool is_of(const struct config_model *m, const char *prefix)
{
	return str_eq_z(m->row->prefix, prefix);
}

/* What is written, or else what the first of these variables says. */
static struct str or_env(struct reader *r, struct str given, const char *names)
{
	struct str name, value = given;
	if (value.n == 0 && !r->hides_env)
		value = env_first_set(str_z(names), &name);
	return value.n > 0 && value.p != given.p ? keep(r, value) : value;
}

static bool starts_with_any(struct str s, const char *const *list)
{
	for (; *list; list++)
		if (str_starts(s, str_z(*list)))
			return true;
	return false;
}

/* --- Entra ID, IBM, GigaChat --- */

static void put_given(struct json_out *o, const char *key, struct str s)
{
	if (s.n > 0)
		json_put_str(o, key, s);
}

static void use_entra(struct reader *r, struct config_model *m)
{
	const struct config_cloud *c = &m->cloud;
	struct buf b;
	buf_init(&b, CREDENTIALS_MAX);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	json_put_str(&o, "tenant_id", c->tenant_id);
	json_put_str(&o, "client_id", c->client_id);
	json_put_str(&o, "client_secret", c->client_secret);
	put_given(&o, "authority", or_env(r, STR_NONE, "AZURE_AUTHORITY_HOST"));
	put_given(&o, "scope", or_env(r, c->azure_scope, "AZURE_SCOPE"));
	json_close(&o);
	m->auth = AUTH_ENTRA;
	m->credentials = keep(r, buf_str(&b));
	r->out_of_memory |= b.failed;
	if (b.p)
		mem_wipe(b.p, b.n);
	buf_done(&b);
}

static bool has_client(const struct config_model *m)
{
	return m->cloud.tenant_id.n && m->cloud.client_id.n && m->cloud.client_secret.n;
}

static void use_token(struct config_model *m, struct str token)
{
	m->auth = AUTH_BEARER;
	m->api_key = token;
}

/* The environment's client is asked last: a key or a token there is older use. */
static bool authorize_azure(struct reader *r, struct config_model *m, const struct place *at)
{
	struct config_cloud *c = &m->cloud;
	struct str name;
	if (m->api_key.n > 0)
		return true;
	if (str_starts(c->azure_ad_token, STR("oidc/")))
		return left_out(r, m, at, STR("llmgw does not exchange azure_ad_token oidc/..."));
	if (c->azure_ad_token.n > 0) {
		use_token(m, c->azure_ad_token);
	} else if (has_client(m)) {
		use_entra(r, m);
	} else if (r->hides_env || env_first_set(m->row->key_env, &name).n == 0) {
		struct str token = or_env(r, STR_NONE, "AZURE_AD_TOKEN");
		c->tenant_id = or_env(r, c->tenant_id, "AZURE_TENANT_ID");
		c->client_id = or_env(r, c->client_id, "AZURE_CLIENT_ID");
		c->client_secret = or_env(r, c->client_secret, "AZURE_CLIENT_SECRET");
		if (token.n > 0)
			use_token(m, token);
		else if (has_client(m))
			use_entra(r, m);
	}
	if (value_has_control(m->api_key))
		return left_out(r, m, at, STR("AZURE_AD_TOKEN holds a control character"));
	return true;
}

/* One member is the key, one where it goes to; GigaChat's tokens have a scope. */
static void use_key(struct reader *r, struct config_model *m, const char *member, struct str key,
		    const char *url_env, const char *scope_env)
{
	struct buf b;
	buf_init(&b, CREDENTIALS_MAX);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	json_put_str(&o, member, key);
	put_given(&o, "url", or_env(r, STR_NONE, url_env));
	put_given(&o, "scope", or_env(r, STR_NONE, scope_env));
	json_close(&o);
	m->credentials = keep(r, buf_str(&b));
	m->api_key = STR_NONE;
	r->out_of_memory |= b.failed;
	if (b.p)
		mem_wipe(b.p, b.n);
	buf_done(&b);
}

/* A key goes to IBM's IAM, a token to the provider itself. */
static bool authorize_ibm(struct reader *r, struct config_model *m)
{
	struct str token = or_env(r, STR_NONE, "WATSONX_TOKEN");
	struct str key = or_env(r, m->api_key, "WATSONX_APIKEY,WATSONX_API_KEY,WX_API_KEY");
	if (key.n > 0)
		use_key(r, m, "api_key", key, "WATSONX_IAM_URL", "");
	else if (token.n > 0)
		use_token(m, token);
	return true;
}

static bool authorize_gigachat(struct reader *r, struct config_model *m)
{
	struct str key = or_env(r, m->api_key, "GIGACHAT_CREDENTIALS,GIGACHAT_API_KEY");
	if (key.n > 0)
		use_key(r, m, "authorization_key", key, "GIGACHAT_AUTH_URL", "GIGACHAT_SCOPE");
	return true;
}

/* --- Azure --- */

/* People paste the address of a call as api_base: its query is the version. */
static void cut_query(struct reader *r, struct config_model *m)
{
	struct str query = m->api_base, base = str_cut(&query, '?');
	if (!query.p)
		return;
	while (query.n > 0) {
		struct str value = str_cut(&query, '&'), name = str_cut(&value, '=');
		if (str_eq(name, STR("api-version")) && m->api_version.n == 0)
			m->api_version = keep(r, value);
	}
	m->api_base = base;
}

static bool resolve_azure(struct reader *r, struct config_model *m, const struct place *at)
{
	bool is_foundry = is_of(m, "azure_ai");
	static const char *const claude[] = { "claude", NULL };
	cut_query(r, m);
	if (is_foundry && starts_with_any(m->model, claude)) {
		m->row = providers_find(STR("azure_anthropic"));
		MUST(m->row);
		m->family = m->row->family;
		m->site = m->row->site;
		m->auth = m->row->auth_kind;
		if (m->api_base.n == 0)
			m->api_base = or_env(r, STR_NONE, "AZURE_AI_API_BASE");
		if (m->api_key.n == 0)
			m->api_key = or_env(r, STR_NONE, "AZURE_AI_API_KEY");
	}
	return authorize_azure(r, m, at);
}

static bool cut_end(struct str *s, const char *end)
{
	struct str e = str_z(end);
	if (!str_ends(*s, e))
		return false;
	s->n -= e.n;
	return true;
}

/* ".../openai/deployments/NAME/chat/completions" names the deployment, ".../openai/v1" the
 * version. */
static void finish_azure(struct reader *r, struct config_model *m)
{
	static const struct str mark = STR("/openai/deployments/");
	size_t at = str_find(m->api_base, mark);
	if (at != SIZE_MAX) {
		struct str rest = str_skip(m->api_base, at + mark.n), name = str_cut(&rest, '/');
		m->api_base.n = at;
		if (name.n > 0)
			m->model = name;
	}
	if (cut_end(&m->api_base, "/openai/v1"))
		m->api_version = STR("v1");
	cut_end(&m->api_base, "/openai");
	if (m->api_version.n == 0)
		m->api_version = or_env(r, STR_NONE, "AZURE_API_VERSION,OPENAI_API_VERSION");
	if (m->api_version.n == 0)	/* Responses are younger than that */
		m->api_version = m->mode == MODE_RESPONSES ? STR("preview")
							   : STR("2025-02-01-preview");
}

static struct str append(struct reader *r, struct str base, const char *end)
{
	struct str both = arena_printf(r->c->mem, STR_FMT "%s", STR_ARG(base), end);
	r->out_of_memory |= !both.p;
	return both;
}

static bool is_bare_host(struct str base)
{
	size_t at = str_find(base, STR("://"));
	return at != SIZE_MAX && str_find_char(str_skip(base, at + 3), '/') == SIZE_MAX;
}

/* Foundry's own host has /models and versions; serverless endpoints take a bearer key at /v1. */
static void finish_foundry(struct reader *r, struct config_model *m)
{
	bool is_own = str_find(m->api_base, STR(".services.ai.azure.com")) != SIZE_MAX;
	cut_end(&m->api_base, "/chat/completions");
	if (str_find(m->api_base, STR(".openai.azure.com")) != SIZE_MAX) {
		m->site = SITE_AZURE;
		finish_azure(r, m);
		return;
	}
	if (is_own && is_bare_host(m->api_base))
		m->api_base = append(r, m->api_base, "/models");
	if (!str_ends(m->api_base, STR("/models"))) {
		m->site = SITE_OWN;
		m->api_version = STR_NONE;
		if (!is_own && m->auth == AUTH_API_KEY)
			m->auth = AUTH_BEARER;
		if (!str_ends(m->api_base, STR("/v1")))
			m->api_base = append(r, m->api_base, "/v1");
	} else if (m->api_version.n == 0) {
		m->api_version = STR("2024-05-01-preview");
	}
}

/* --- Vertex AI --- */

void cloud_read_defaults(struct reader *r, const struct yaml *map)
{
	static const char *const names[] = { "vertex_project", "vertex_location",
					     "vertex_credentials" };
	struct config_model m = { 0 };
	if (map->kind == YAML_NULL)
		return;
	if (map->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &map->place, "default_vertex_config wants a map, not %s",
			 yaml_kind_name(map));
		return;
	}
	for (const struct yaml *y = map->child; y; y = y->next) {
		const struct directive *d = NULL;
		for (size_t i = 0; i < COUNT(names) && !d; i++)
			if (same_name(y->key, names[i]))
				d = directive_find("litellm_params", str_z(names[i]));
		if (d)
			value_set(r, &m, d, y);
		else
			complain(r, W_UNKNOWN_KEY, &y->key_place,
				 "'" STR_FMT "' is not known in default_vertex_config",
				 STR_ARG(shown(y->key)));
	}
	r->vertex = m.cloud;
}

/* An endpoint's number tells nothing: base_model may. What a wildcard asks for is known later. */
static enum provider_family family_of(const struct config_model *m)
{
	struct str name = vertex_is_endpoint(m->model) ? m->base_model : m->model;
	if (str_starts(name, STR("vertex_ai/")))
		name = str_skip(name, STR("vertex_ai/").n);
	return vertex_family(name);
}

static int read_file(const char *path, char *to, size_t room)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ssize_t n = -1;
	int err = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (!err && st.st_size > (off_t)room)
		err = -EFBIG;
	if (!err)
		n = read(fd, to, room);
	if (!err && n < 0)
		err = -errno;
	close(fd);
	return err ? err : (int)n;
}

/* What google.auth would find, in its order. */
static struct str find_credentials(struct reader *r, const struct config_model *m)
{
	struct str s = m->cloud.vertex_credentials;
	if (r->hides_env)		/* nor a file of this machine */
		return str_starts(str_trim(s), STR("{")) ? s : STR_NONE;
	s = s.n ? s : r->vertex.vertex_credentials;
	s = or_env(r, s, "VERTEXAI_CREDENTIALS,GOOGLE_APPLICATION_CREDENTIALS");
	if (s.n > 0)
		return s;
	const char *home = getenv("HOME"), *own = getenv("CLOUDSDK_CONFIG");
	s = own && *own ? arena_printf(r->scratch, "%s/application_default_credentials.json", own)
			: arena_printf(r->scratch,
				       "%s/.config/gcloud/application_default_credentials.json",
				       home ? home : "");
	r->out_of_memory |= !s.p;
	return s.p && access(s.p, R_OK) == 0 ? s : STR_NONE;
}

/* The JSON itself, or the text of the file that is named. .p NULL after a complaint. */
static struct str load_credentials(struct reader *r, const struct config_model *m,
				   const struct place *at, struct str given)
{
	if (str_starts(str_trim(given), STR("{")))
		return given;
	char why[REFUSAL_ROOM];
	char *path = arena_dup_z(r->scratch, given);
	char *text = arena_alloc(r->scratch, CREDENTIALS_MAX);
	if (!path || !text) {
		r->out_of_memory = true;
		return STR_NONE;
	}
	int n = read_file(path, text, CREDENTIALS_MAX);
	if (n >= 0 || n == -EACCES)	/* else it may be no name at all, but a secret */
		config_needs_file(r, given);
	if (n >= 0)
		return str_of(text, (size_t)n);
	bool is_path = path[0] == '/';
	left_out(r, m, at, arena_printf(r->scratch, "its vertex_credentials cannot be read: %s%s"
					STR_FMT "%s", refusal_text(n, path, why),
					is_path ? " (" : "",
					STR_ARG(is_path ? shown(given) : STR_NONE),
					is_path ? ")" : ""));
	return STR_NONE;
}

/* Takes the project from them, too, where nobody has named one. */
static bool take_credentials(struct reader *r, struct config_model *m, const struct place *at,
			     struct str text)
{
	static const char *const types[] = { "service_account", "authorized_user",
					     "compute_metadata", NULL };
	struct json_error error;
	const struct json *root = json_parse(r->scratch, text, JSON_ONE_KEY, &error);
	struct str type = json_get_str(r->scratch, root, "type");
	struct str project = json_get_str(r->scratch, root, "project_id");
	if (!json_is(root, JSON_OBJECT))
		return left_out(r, m, at, STR("its vertex_credentials are no JSON object"));
	if (!starts_with_any(type, types))
		return left_out(r, m, at, arena_printf(r->scratch,
						       "llmgw does not act on vertex_credentials of "
						       "type '" STR_FMT "' yet",
						       STR_ARG(shown(type))));
	if (r->hides_env && str_starts(type, STR("compute_metadata")))
		return left_out(r, m, at, STR("this machine's own token goes to no such address"));
	if (project.n == 0)
		project = json_get_str(r->scratch, root, "quota_project_id");
	if (m->cloud.vertex_project.n == 0 && project.n > 0)
		m->cloud.vertex_project = keep(r, project);
	m->credentials = keep(r, root->raw);
	return true;
}

static bool authorize_google(struct reader *r, struct config_model *m, const struct place *at)
{
	static const struct str metadata = STR("{\"type\":\"compute_metadata\"}");
	if (m->api_key.n > 0) {
		m->auth = AUTH_X_GOOG_API_KEY;
		return true;
	}
	struct str given = find_credentials(r, m);
	if (given.n == 0 && r->hides_env)
		return left_out(r, m, at, STR("it needs vertex_credentials of its own, as JSON"));
	if (given.n == 0) {
		complain(r, W_KEY_MISSING, at,
			 "no vertex_credentials for '" STR_FMT
			 "': the metadata server of Google's machines will be asked",
			 STR_ARG(shown(m->model_name)));
		return take_credentials(r, m, at, metadata);
	}
	struct str text = load_credentials(r, m, at, given);
	return text.p && take_credentials(r, m, at, text);
}

static bool is_location(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
		      s.p[i] == '-'))
			return false;
	return s.n > 0 && s.n <= 63;
}

static void use_location_base(struct reader *r, struct config_model *m)
{
	struct str l = m->cloud.vertex_location;
	const char *fmt = str_eq(l, STR("us")) || str_eq(l, STR("eu"))
				  ? "https://aiplatform." STR_FMT ".rep.googleapis.com"
				  : "https://" STR_FMT "-aiplatform.googleapis.com";
	if (m->api_base.n == 0)
		m->api_base = or_env(r, STR_NONE, "VERTEXAI_API_BASE");
	if (m->api_base.n > 0)
		return;
	m->api_base = str_eq(l, STR("global")) ? STR("https://aiplatform.googleapis.com")
					       : arena_printf(r->c->mem, fmt, STR_ARG(l));
	r->out_of_memory |= !m->api_base.p;
}

static bool resolve_vertex(struct reader *r, struct config_model *m, const struct place *at)
{
	struct config_cloud *c = &m->cloud;
	m->family = family_of(m);
	c->vertex_project = c->vertex_project.n ? c->vertex_project : r->vertex.vertex_project;
	c->vertex_project = or_env(r, c->vertex_project, "VERTEXAI_PROJECT");
	c->vertex_location = c->vertex_location.n ? c->vertex_location : r->vertex.vertex_location;
	c->vertex_location = or_env(r, c->vertex_location, "VERTEXAI_LOCATION,VERTEX_LOCATION");
	if (c->vertex_location.n == 0)
		c->vertex_location = STR("us-central1");
	if (!is_location(c->vertex_location))
		return left_out(r, m, at, STR("its vertex_location is none"));
	if (!authorize_google(r, m, at))
		return false;
	c->vertex_project = or_env(r, c->vertex_project, "GOOGLE_CLOUD_PROJECT");
	if (c->vertex_project.n == 0)
		return left_out(r, m, at, STR("it needs a vertex_project"));
	use_location_base(r, m);
	return true;
}

/* ".../v1/projects/P/..." as LiteLLM's users write it: the rest follows from project and model. */
static void finish_vertex(struct config_model *m)
{
	static const char *const ends[] = { "/v1/projects/", "/v1beta1/projects/" };
	for (size_t i = 0; i < COUNT(ends); i++) {
		size_t at = str_find(m->api_base, str_z(ends[i]));
		if (at != SIZE_MAX)
			m->api_base.n = at;
	}
	if (!cut_end(&m->api_base, "/v1"))
		cut_end(&m->api_base, "/v1beta1");
}

/* --- all --- */

static bool is_azure(const struct config_model *m)
{
	return is_of(m, "azure") || is_of(m, "azure_text") || is_of(m, "azure_ai") ||
	       is_of(m, "azure_anthropic");
}

bool cloud_resolve(struct reader *r, struct config_model *m, const struct place *at)
{
	if (is_azure(m))
		return resolve_azure(r, m, at);
	if (m->site == SITE_VERTEX)
		return resolve_vertex(r, m, at);
	if (m->auth == AUTH_GIGACHAT)
		return authorize_gigachat(r, m);
	return m->auth == AUTH_IBM ? authorize_ibm(r, m) : true;
}

void cloud_finish(struct reader *r, struct config_model *m)
{
	if (m->site == SITE_AZURE)
		finish_azure(r, m);
	else if (m->site == SITE_FOUNDRY)
		finish_foundry(r, m);
	else if (m->site == SITE_VERTEX)
		finish_vertex(m);
}
