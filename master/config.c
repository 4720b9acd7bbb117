/* SPDX-License-Identifier: MIT
 * config.c - reads llmgw.yaml, section by section, and draws the conclusions.
 *
 * The order matters twice: environment_variables are exported before anything else is looked
 * at, and of two sections that set the same thing the later one in sections[] wins. Nothing
 * here stops at a mistake; whoever calls looks at n_errors. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sandbox.h"
#include "master/config_read.h"

enum {
	MEMORY_MAX = 256 * 1024 * 1024,
	SCRATCH_MAX = 512 * 1024 * 1024,
	COMPLAINTS_MAX = 1024 * 1024
};

/* ---- sections ---- */

static void export_variable(struct reader *r, struct yaml *y)
{
	struct config *c = r->c;
	const char *name, *old, *value;
	struct str s;

	yaml_resolve_one(r, y);
	s = value_text(r, y, "an environment variable");
	if (!s.p)
		return;
	if (y->key.n == 0 || str_find_char(y->key, '=') != SIZE_MAX) {
		complain(r, COMPLAINT_ERROR, &y->key_place,
			 "'" STR_FMT "' is not a variable's name", STR_ARG(shown(y->key)));
		return;
	}
	if (!y->from_env && !r->literal_secret.file &&
	    (str_find(y->key, STR("KEY")) != SIZE_MAX ||
	     str_find(y->key, STR("SECRET")) != SIZE_MAX ||
	     str_find(y->key, STR("TOKEN")) != SIZE_MAX ||
	     str_find(y->key, STR("PASS")) != SIZE_MAX))
		r->literal_secret = y->place;
	name = arena_dup_z(r->scratch, y->key);
	value = arena_dup_z(r->scratch, s);
	old = name ? getenv(name) : NULL;
	if (!name || !value || ((!old || strcmp(old, value) != 0) && setenv(name, value, 1) < 0))
		r->out_of_memory = true;
	c->env.v[c->env.n++] = (struct config_pair){keep(r, y->key), keep(r, s)};
}

static void read_environment(struct reader *r, const struct yaml *root)
{
	const struct yaml *map = yaml_get(root, "environment_variables");

	if (!map || map->kind == YAML_NULL)
		return;
	if (map->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &map->place,
			 "environment_variables wants a map, not %s", yaml_kind_name(map));
		return;
	}
	r->c->env.v = keep_array(r, map->count, sizeof *r->c->env.v);
	for (struct yaml *y = map->child; y && r->c->env.v; y = y->next)
		export_variable(r, y);
}

static void set_directive(struct reader *r, const struct directive *d, const struct yaml *y)
{
	size_t n, index = (size_t)(d - directives_all(&n));
	struct config_origin *o = &r->c->origins[index];

	r->directive_places[index] = y->place;
	if (!value_set(r, r->c, d, y))
		return;
	if (d->flags & CF_NOT_YET)
		complain(r, W_NOT_ACTED_ON, &y->key_place,
			 "llmgw does not act on '" STR_FMT "' yet", STR_ARG(y->key));
	o->file = keep(r, y->place.file->path);
	o->line = y->place.line;
	if (d->flags & CF_SECRET && !y->from_env && y->text.n > 0 && !r->literal_secret.file)
		r->literal_secret = y->place;
}

/* Where else a key would be understood, for one that stands in the wrong section. */
static const char *other_section(const char *section, struct str name)
{
	static const char *const others[] = {"general_settings", "router_settings",
					     "litellm_settings"};

	for (size_t i = 0; i < COUNT(others); i++)
		if (strcmp(section, others[i]) != 0 &&
		    (directive_find(others[i], name) || known_find(others[i], name)))
			return others[i];
	return NULL;
}

static void tell_unknown(struct reader *r, const char *section, const struct yaml *y)
{
	bool ours = str_starts(str_z(section), STR("server"));
	enum complaint_code code = ours ? COMPLAINT_ERROR : W_UNKNOWN_KEY;
	bool full = complaints_full(r, code);
	const char *near = full ? NULL : name_near(section, y->key);
	const char *other = full || near ? NULL : other_section(section, y->key);

	if (near)
		complain(r, code, &y->key_place,
			 "'" STR_FMT "' is not known here; did you mean '%s'?",
			 STR_ARG(shown(y->key)), near);
	else if (other)
		complain(r, code, &y->key_place,
			 "'" STR_FMT "' is not known here; it belongs into %s",
			 STR_ARG(shown(y->key)), other);
	else
		complain(r, code, &y->key_place, "'" STR_FMT "' is not known here",
			 STR_ARG(shown(y->key)));
}

static const char *subsection(const char *section, struct str name)
{
	size_t n;
	const struct directive *all = directives_all(&n);

	for (size_t i = 0; i < n; i++) {
		struct str s = str_z(all[i].section), head = str_cut(&s, '.');
		if (s.n > 0 && str_eq_z(head, section) && str_eq(s, name))
			return all[i].section;
	}
	return NULL;
}

/* What is switched off needs no action, unless off is what is not the default. */
static bool is_off(const struct known_key *k, const struct yaml *y)
{
	return y->kind == YAML_NULL || (y->kind == YAML_SCALAR && value_is_false(y->text) &&
					strcmp(k->name, "ssl_verify") != 0);
}

static void read_section(struct reader *r, const char *section, const struct yaml *map)
{
	if (map->kind == YAML_NULL)
		return;
	if (map->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &map->place, "%s wants a map, not %s", section,
			 yaml_kind_name(map));
		return;
	}
	for (const struct yaml *y = map->child; y; y = y->next) {
		if (callbacks_is_hook(section, y))
			continue;
		const struct directive *d = directive_find(section, y->key);
		const char *below = d ? NULL : subsection(section, y->key);
		const struct known_key *k = d || below ? NULL : known_find(section, y->key);
		if (d)
			set_directive(r, d, y);
		else if (below)
			read_section(r, below, y);
		else if (k && !is_off(k, y))
			complain_known(r, k, y);
		else if (!k)
			tell_unknown(r, section, y);
	}
}

static const char *const sections[] = {"litellm_settings", "router_settings", "general_settings",
				       "callback_settings", "server"};

static void tell_top_level(struct reader *r, const struct yaml *root)
{
	static const char *const others[] = {"include", "environment_variables", "credential_list",
					     "model_list", "default_vertex_config"};

	for (const struct yaml *y = root->child; y; y = y->next) {
		const struct known_key *k = known_find("", y->key);
		bool is_ours = false;
		for (size_t i = 0; i < COUNT(sections); i++)
			is_ours |= same_name(y->key, sections[i]);
		for (size_t i = 0; i < COUNT(others); i++)
			is_ours |= same_name(y->key, others[i]);
		if (k && y->kind != YAML_NULL)
			complain_known(r, k, y);
		else if (!k && !is_ours)
			tell_unknown(r, "", y);
	}
}

/* Webhooks have names of their own: all of them are one directive. */
static void read_hooks(struct reader *r, const struct yaml *settings)
{
	const struct directive *d = directive_find("callback_settings", STR(CALLBACKS_HOOK));
	struct yaml *all = arena_alloc(r->scratch, sizeof *all);

	MUST(d);
	if (!all || !settings || settings->kind != YAML_MAP)
		return;
	*all = (struct yaml){ .kind = YAML_MAP, .place = settings->place };
	for (const struct yaml *y = settings->child; y; y = y->next) {
		struct yaml *one = callbacks_is_hook("callback_settings", y) ? yaml_copy(r, y)
									      : NULL;
		if (one)
			yaml_append(all, one);
	}
	if (all->child)
		set_directive(r, d, all);
}

static void read_sections(struct reader *r, struct yaml *root)
{
	const struct yaml *y;

	read_environment(r, root);
	yaml_resolve_env(r);
	tell_top_level(r, root);
	r->has_stored = r->c->store_models = stored_counts(root);
	stored_merge_settings(r, root);
	for (size_t i = 0; i < COUNT(sections); i++) {
		y = yaml_get(root, sections[i]);
		if (y)
			read_section(r, sections[i], y);
	}
	read_hooks(r, yaml_get(root, "callback_settings"));
	stored_read_credentials(r, yaml_get(root, "credential_list"));
	y = yaml_get(root, "default_vertex_config");
	if (y)
		cloud_read_defaults(r, y);
	models_read(r, yaml_get(root, "model_list"));
}

/* ---- what follows from all of it ---- */

static bool was_given(const struct config *c, const char *section, const char *name)
{
	size_t n;
	const struct directive *d = directive_find(section, str_z(name));

	MUST(d);
	return c->origins[d - directives_all(&n)].file.n > 0;
}

static void finish_log(struct reader *r)
{
	struct config *c = r->c;
	enum log_level level;

	if (r->over->debug)
		c->log_level = STR("debug");
	else if (c->verbose && !was_given(c, "server.log", "level"))
		c->log_level = STR("debug");
	if (c->json_logs && !was_given(c, "server.log", "format"))
		c->log_format = STR("json");
	MUST(log_read_level(c->log_level, &level) == 0);
	c->set.log_level = level;
	c->set.access_log = c->access_log;
}

const struct place *given_place(const struct reader *r, const char *section, const char *name)
{
	size_t n;
	const struct directive *d = directive_find(section, str_z(name));

	MUST(d);
	const struct place *p = &r->directive_places[d - directives_all(&n)];
	return p->file ? p : &r->whole;
}

static void apply_overrides(struct reader *r)
{
	struct config *c = r->c;
	const struct config_overrides *o = r->over;

	if (o->port > 65535)
		complain(r, COMPLAINT_ERROR, NULL, "port %u is out of bounds (0 to 65535)",
			 o->port);
	if (o->host.n > 0 && !listen_is_numeric(listen_host(o->host)))
		complain(r, COMPLAINT_ERROR, NULL, "--host wants an address in numbers, or localhost, "
			 "not '" STR_FMT "'", STR_ARG(shown(o->host)));
	if (o->host.n > 0 || o->has_port) {
		c->n_listen = 1;
		c->listen[0].host = o->host.n > 0 ? keep(r, listen_host(o->host))
						  : c->listen[0].host;
		c->listen[0].port = o->has_port ? (uint16_t)o->port : c->listen[0].port;
	}
	if (o->workers)
		c->workers = o->workers;
	if (o->insecure_dev)
		c->insecure_dev = true;
}

/* The environment says it where the configuration does not: for a machine, or a test run. */
static void finish_sandbox(struct reader *r)
{
	const struct place *given = given_place(r, "server", "sandbox");
	const char *v = getenv(SANDBOX_VARIABLE);
	bool lacks_landlock = sandbox_landlock_abi() == 0;

	if (v && *v && given == &r->whole) {
		enum sandbox_mode mode = sandbox_mode_of(v);
		if (strcmp(v, sandbox_mode_name(mode)) != 0)
			complain(r, COMPLAINT_ERROR, given,
				 SANDBOX_VARIABLE " is none of auto, enforce, log and off");
		r->c->sandbox = mode;
	}
	if (r->c->sandbox == SANDBOX_ENFORCE && (lacks_landlock || !sandbox_has_filters()))
		complain(r, COMPLAINT_ERROR, given,
			 "server.sandbox: this kernel has no %s; use auto",
			 lacks_landlock ? "Landlock" : "seccomp");
}

static void finish_tls(struct reader *r)
{
	struct config *c = r->c;
	bool has = c->tls_certificate.n > 0 && c->tls_key.n > 0, wants = false;

	for (size_t i = 0; i < c->n_listen; i++) {
		if (c->listen[i].tls_default)
			c->listen[i].tls = has;
		wants |= c->listen[i].tls;
	}
	if (!has && (c->tls_certificate.n > 0 || c->tls_key.n > 0))
		complain(r, COMPLAINT_ERROR,
			 given_place(r, "server.tls", c->tls_key.n > 0 ? "key" : "certificate"),
			 "server.tls wants both a certificate and a key");
	else if (!has && wants)
		complain(r, COMPLAINT_ERROR, given_place(r, "server", "listen"),
			 "a listener wants TLS, but server.tls has no certificate");
	if (!has)
		return;
	tls_read(r);
}

/* $CREDENTIALS_DIRECTORY/master-key, as systemd's LoadCredential= puts it there. */
static struct str credential_key(struct reader *r)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	struct config_file f = {.path = dir ? arena_printf(r->scratch, "%s/master-key", dir)
					    : STR_NONE};

	if (!f.path.p || config_file_load(r, &f) < 0)
		return STR_NONE;
	while (f.text.n > 0 && (f.text.p[f.text.n - 1] == '\n' || f.text.p[f.text.n - 1] == '\r'))
		f.text.n--;
	return f.text;
}

static bool is_key(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return str_starts(s, STR("sk-")) && s.n > 3;
}

static void finish_master_key(struct reader *r)
{
	struct config *c = r->c;
	struct str name;

	if (c->master_key.n == 0)
		c->master_key =
			keep(r, env_first_set(STR("LLMGW_MASTER_KEY,LITELLM_MASTER_KEY"), &name));
	if (c->master_key.n == 0)
		c->master_key = keep(r, credential_key(r));
	if (c->master_key.n > 0 && !is_key(c->master_key))
		complain(r, COMPLAINT_ERROR, given_place(r, "general_settings", "master_key"),
			 "the master key must begin with \"sk-\" and hold no space");
	if (c->master_key.n > 0)
		return;
	if (c->insecure_dev)
		c->set.flags |= SET_NO_MASTER_KEY;
	else
		complain(r, COMPLAINT_ERROR, &r->whole,
			 "no master key; make one with: echo LLMGW_MASTER_KEY=sk-$(openssl rand "
			 "-hex 24)"
			 " and set it in the environment, or as general_settings.master_key");
}

static void finish(struct reader *r)
{
	struct config *c = r->c;

	apply_overrides(r);
	finish_log(r);
	finish_sandbox(r);
	finish_tls(r);
	finish_master_key(r);
	route_finish(r);
	callbacks_finish(r);
	teams_finish(r);
	metrics_finish(r);
	alerts_finish(r);
	cache_finish(r);
	rules_finish(r);
	bounds_finish(r);
	jwt_finish(r);
	costs_finish(r);
	if (c->set.request_memory_max < c->set.body_max)
		complain(r, COMPLAINT_ERROR,
			 given_place(r, "server.limits",
				     was_given(c, "server.limits", "request-memory")
					     ? "request-memory"
					     : "body"),
			 "server.limits.request-memory must not be less than server.limits.body");
	if (c->set.memory_max && c->set.memory_max < c->set.request_memory_max)
		complain(r, COMPLAINT_ERROR, given_place(r, "server.limits", "memory"),
			 "server.limits.memory must not be less than server.limits.request-memory");
	models_check(r);
	passes_finish(r);
	if (r->literal_secret.file && r->literal_secret.file->world_readable)
		complain(r, W_SECRET_READABLE, &r->literal_secret,
			 "a secret stands here and everybody may read this file; chmod o-r it, or "
			 "write os.environ/NAME");
}

/* ---- in and out ---- */

static void set_presets(struct reader *r)
{
	size_t n;
	const struct directive *all = directives_all(&n);

	memset(r->c->retry_policy, 0xff, sizeof r->c->retry_policy);
	memset(r->c->allowed_fails_policy, 0xff, sizeof r->c->allowed_fails_policy);
	r->c->origins = keep_array(r, n, sizeof *r->c->origins);
	r->directive_places = arena_array(r->scratch, n, sizeof *r->directive_places);
	r->out_of_memory |= !r->directive_places;
	for (size_t i = 0; i < n && !r->out_of_memory; i++)
		value_preset(r, r->c, &all[i]);
}

static int read_main(struct reader *r, const char *path)
{
	struct config_file *f = config_file_new(r, str_z(path));
	const struct place at = {0};
	struct yaml *root;
	int err;

	if (!f)
		return -ENOMEM;
	r->c->path = keep(r, f->path);
	r->whole = (struct place){.file = f};
	err = config_file_load(r, f);
	if (err) {
		config_file_tell(r, f, &at, err);
		return err;
	}
	root = config_file_read(r, f);
	if (root && !r->out_of_memory)
		read_sections(r, root);
	if (root && !r->out_of_memory)
		finish(r);
	return 0;
}

int config_read(const char *path, const struct config_overrides *over, struct config **ret)
{
	static const struct config_overrides none;
	struct config *c = mem_alloc(sizeof *c);
	struct reader r = {.c = c, .over = over ? over : &none, .scratch = arena_new(SCRATCH_MAX)};
	int err = -ENOMEM;

	if (c) {
		buf_init(&c->complaints, COMPLAINTS_MAX);
		c->customer_budget = c->user_budget = c->user_budget_default = PRICE_NONE;
		c->mem = arena_new(MEMORY_MAX);
	}
	if (c && c->mem && r.scratch) {
		set_presets(&r);
		err = r.out_of_memory ? -ENOMEM : read_main(&r, path);
		complain_end(&r);
	}
	if (r.out_of_memory)
		err = -ENOMEM;
	arena_free(r.scratch);
	if (err == -ENOMEM) {
		config_free(c);
		return err;
	}
	*ret = c;
	return err;
}

const struct config_model *config_find_model(const struct config *c, struct str id)
{
	for (size_t i = 0; i < c->n_models; i++)
		if (str_eq(c->models[i].id, id))
			return &c->models[i];
	return NULL;
}

bool config_serves(const struct config *c, struct str name)
{
	for (size_t i = 0; i < c->n_models; i++)
		if (str_matches(c->models[i].model_name, name))
			return true;
	for (size_t i = 0; i < c->n_aliases; i++)
		if (str_eq(c->aliases[i].alias, name))
			return true;
	return false;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	mem_wipe((void *)(uintptr_t)c->tls_key_pem.p, c->tls_key_pem.n);
	for (size_t i = 0; i < c->n_files; i++)
		mem_wipe((void *)(uintptr_t)c->files[i].text.p, c->files[i].text.n);
	arena_free(c->mem);
	buf_done(&c->complaints);
	mem_free(c);
}
