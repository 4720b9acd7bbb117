/* SPDX-License-Identifier: MIT
 * config_print.c - a configuration, and the directive table itself, written out.
 *
 * Values are printed by the type of their row, so that `config show`, `config diff` and the
 * parser cannot disagree about what a directive is. A secret is eight asterisks, always. */
#include <inttypes.h>
#include <stdio.h>

#include "master/config_read.h"
#include "master/priorities.h"

#define HIDDEN "********"

/* ---- one value ---- */

static void put_time(struct json_out *o, const char *key, uint64_t ms)
{
	char text[32];

	if (ms == UINT64_MAX)
		json_put_null(o, key);
	else if (ms % 1000)
		snprintf(text, sizeof text, "%" PRIu64 "ms", ms);
	else
		snprintf(text, sizeof text, "%" PRIu64 "s", ms / 1000);
	if (ms != UINT64_MAX)
		json_put_z(o, key, text);
}

static void put_size(struct json_out *o, const char *key, uint64_t v)
{
	static const char units[][2] = {"", "k", "M", "G"};
	char text[32];
	unsigned u = 0;

	for (; u < 3 && v >= 1024 && v % 1024 == 0; u++)
		v /= 1024;
	snprintf(text, sizeof text, "%" PRIu64 "%s", v, units[u]);
	json_put_z(o, key, text);
}

static void put_milli(struct json_out *o, const char *key, uint64_t v)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRIu64 ".%03" PRIu64, v / 1000, v % 1000);
	json_put_raw(o, key, str_z(text));
}

/* Pico-dollars as dollars, all twelve places but trailing zeros. */
static void put_pico(struct json_out *o, const char *key, int64_t v)
{
	char text[40];
	int n;

	if (v < 0) {
		json_put_null(o, key);
		return;
	}
	n = snprintf(text, sizeof text, "%" PRId64 ".%012" PRId64, v / 1000000000000,
		     v % 1000000000000);
	while (n > 1 && text[n - 1] == '0' && text[n - 2] != '.')
		text[--n] = '\0';
	json_put_raw(o, key, str_z(text));
}

static void put_choice(struct json_out *o, const char *key, const char *choices, uint32_t index)
{
	struct str rest = str_z(choices), one = str_cut(&rest, '|');

	while (index-- > 0)
		one = str_cut(&rest, '|');
	json_put_str(o, key, one);
}

static void put_names(struct json_out *o, const char *key, const struct config_names *names)
{
	json_open_array(o, key);
	for (size_t i = 0; i < names->n; i++)
		json_put_str(o, NULL, names->v[i]);
	json_close_array(o);
}

static void put_pairs(struct json_out *o, const char *key, const struct config_pairs *p)
{
	json_open(o, key);
	for (size_t i = 0; i < p->n; i++) {
		json_key(o, p->v[i].name);
		json_put_z(o, NULL, HIDDEN);
	}
	json_close(o);
}

static void put_listen(struct json_out *o, const char *key, const struct config *c)
{
	json_open_array(o, key);
	for (size_t i = 0; i < c->n_listen; i++) {
		json_open(o, NULL);
		json_put_str(o, "address", c->listen[i].host);
		json_put_u64(o, "port", c->listen[i].port);
		json_put_bool(o, "tls", c->listen[i].tls);
		json_close(o);
	}
	json_close_array(o);
}

static void put_fallbacks(struct json_out *o, const char *key, const struct config_fallbacks *f)
{
	json_open_array(o, key);
	for (size_t i = 0; i < f->n; i++) {
		json_open(o, NULL);
		json_key(o, f->v[i].group);
		put_names(o, NULL, &f->v[i].to);
		json_close(o);
	}
	json_close_array(o);
}

static void put_aliases(struct json_out *o, const char *key, const struct config *c)
{
	json_open(o, key);
	for (size_t i = 0; i < c->n_aliases; i++) {
		json_key(o, c->aliases[i].alias);
		json_open(o, NULL);
		json_put_str(o, "model", c->aliases[i].group);
		json_put_bool(o, "hidden", c->aliases[i].hidden);
		json_close(o);
	}
	json_close(o);
}

static void put_methods(struct json_out *o, uint32_t methods)
{
	static const char *const names[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

	json_open_array(o, "methods");
	for (size_t i = 0; i < COUNT(names); i++)
		if (methods & (1u << i))
			json_put_z(o, NULL, names[i]);
	json_close_array(o);
}

void config_put_pass(struct json_out *o, const struct config_pass *p)
{
	if (p->id.n)
		json_put_str(o, "id", p->id);
	json_put_str(o, "path", p->name);
	json_put_str(o, "target", p->model.api_base);
	json_open(o, "headers");
	for (size_t k = 0; k < p->model.headers.n; k++) {
		json_key(o, p->model.headers.v[k].name);
		json_put_z(o, NULL, "********");
	}
	json_close(o);
	put_methods(o, p->methods);
	json_put_bool(o, "include_subpath", p->has_subpath);
	json_put_bool(o, "auth", !p->is_open);
	if (p->cost != PRICE_NONE)
		json_put_double(o, "cost_per_request", (double)p->cost / 1e12);
}

static void put_passes(struct json_out *o, const char *key, const struct config *c)
{
	json_open_array(o, key);
	for (size_t i = 0; i < c->n_passes; i++) {
		if (!c->passes[i].is_target)
			continue;
		json_open(o, NULL);
		config_put_pass(o, &c->passes[i]);
		json_close(o);
	}
	json_close_array(o);
}

static void put_mode(struct json_out *o, const char *key, enum snap_mode mode)
{
	static const char *const names[] = {"chat", "completion", "embedding", "other",
					     "responses"};

	json_put_z(o, key, names[mode]);
}

static void put_text(struct json_out *o, const char *key, const struct directive *d, struct str s)
{
	if ((d->flags & CF_SECRET) && s.n > 0)
		json_put_z(o, key, HIDDEN);
	else
		json_put_str(o, key, s);
}

static void put_number(struct json_out *o, const char *key, const struct directive *d,
		       const void *at)
{
	uint32_t u32;

	switch (d->type) {
	case CT_BOOL:
		json_put_bool(o, key, *(const bool *)at);
		break;
	case CT_FLAG:
		json_put_bool(o, key, (*(const uint32_t *)at & (uint32_t)d->min) != 0);
		break;
	case CT_U64:
		json_put_u64(o, key, *(const uint64_t *)at);
		break;
	case CT_MILLI:
		put_milli(o, key, *(const uint64_t *)at);
		break;
	case CT_MEGABYTES:
	case CT_SIZE:
		put_size(o, key, *(const uint64_t *)at);
		break;
	case CT_LIMIT:
		if (*(const uint64_t *)at == TIMEOUT_AUTO) {
			json_put_z(o, key, "auto");
			break;
		}
		/* fallthrough */
	case CT_TIME:
		put_time(o, key, *(const uint64_t *)at);
		break;
	case CT_PRICE:
		put_pico(o, key, *(const int64_t *)at);
		break;
	default:
		u32 = *(const uint32_t *)at;
		if (d->type == CT_WORKERS && u32 == 0)
			json_put_z(o, key, "auto");
		else if (u32 == SNAP_NONE)
			json_put_null(o, key);
		else
			json_put_u64(o, key, u32);
		break;
	}
}

static void put_value(struct json_out *o, const char *key, const struct directive *d,
		      const void *base)
{
	const void *at = (const char *)base + d->at;

	switch (d->type) {
	case CT_STR:
	case CT_TEXT:
	case CT_DOCUMENT:
	case CT_CHOICE:
	case CT_STRATEGY:
		put_text(o, key, d, *(const struct str *)at);
		break;
	case CT_CHOICE_U32:
		put_choice(o, key, d->choices, *(const uint32_t *)at);
		break;
	case CT_MODE:
		put_mode(o, key, *(const enum snap_mode *)at);
		break;
	case CT_NAMES:
		put_names(o, key, at);
		break;
	case CT_PAIRS:
		put_pairs(o, key, at);
		break;
	case CT_JSON:
	case CT_JSON_LIST:
		if (d->flags & CF_SECRET)
			put_text(o, key, d, *(const struct str *)at);
		else if (((const struct str *)at)->n)
			json_put_masked(o, key, *(const struct str *)at);
		else
			json_put_null(o, key);
		break;
	case CT_LISTEN:
		put_listen(o, key, base);
		break;
	case CT_FALLBACKS:
		put_fallbacks(o, key, at);
		break;
	case CT_ALIASES:
		put_aliases(o, key, base);
		break;
	case CT_GROUP_POLICIES:
		route_put_policies(o, key, base);
		break;
	case CT_ROUTING_GROUPS:
		route_put_groups(o, key, base);
		break;
	case CT_PASSES:
		put_passes(o, key, base);
		break;
	case CT_BUDGETS:
		gates_put_budgets(o, key, at);
		break;
	case CT_PLANS:
		gates_put_plans(o, key, at);
		break;
	case CT_HOURS:
		gates_put_hours(o, key, at);
		break;
	case CT_SHARES:
		priorities_put(o, key, at);
		break;
	default:
		put_number(o, key, d, at);
		break;
	}
}

/* ---- show ---- */

static bool is_global(const struct directive *d)
{
	return !str_eq_z(STR("litellm_params"), d->section) &&
	       !str_eq_z(STR("model_info"), d->section) && !str_eq_z(STR("price"), d->section);
}

static void show_directive(struct json_out *o, const struct config *c, const struct directive *d,
			   const struct config_origin *origin, bool with_origin)
{
	char text[512];

	if (!with_origin) {
		put_value(o, d->name, d, c);
		return;
	}
	json_open(o, d->name);
	put_value(o, "value", d, c);
	if (origin->file.n > 0)
		snprintf(text, sizeof text, origin->line ? STR_FMT ":%u" : STR_FMT,
			 STR_ARG(origin->file), origin->line);
	json_put_z(o, "origin", origin->file.n > 0 ? text : "default");
	json_close(o);
}

static void show_settings(struct json_out *o, const struct config *c, bool with_origin)
{
	size_t n;
	const struct directive *all = directives_all(&n);
	struct str open = STR_NONE, open_below = STR_NONE;

	for (size_t i = 0; i < n && is_global(&all[i]); i++) {
		struct str below = str_z(all[i].section), section = str_cut(&below, '.');
		if (open_below.n > 0 && (!str_eq(below, open_below) || !str_eq(section, open))) {
			json_close(o);
			open_below = STR_NONE;
		}
		if (!str_eq(section, open)) {
			if (open.n > 0)
				json_close(o);
			json_key(o, section);
			json_open(o, NULL);
			open = section;
		}
		if (below.n > 0 && open_below.n == 0) {
			json_key(o, below);
			json_open(o, NULL);
			open_below = below;
		}
		show_directive(o, c, &all[i], &c->origins[i], with_origin);
	}
	if (open_below.n > 0)
		json_close(o);
	json_close(o);
}

static void show_params(struct json_out *o, const struct config_model *m)
{
	size_t n;
	const struct directive *all = directives_all(&n);

	json_open(o, "litellm_params");
	for (size_t i = 0; i < n; i++) {
		const struct directive *d = &all[i];
		bool twice = str_eq_z(STR("base_url"), d->name) ||
			     str_eq_z(STR("headers"), d->name) ||
			     str_eq_z(STR("request_timeout"), d->name) ||
			     str_starts(str_z(d->name), STR("vertex_ai_")) ||
			     str_eq_z(STR("input_cost_per_token_cache_hit"), d->name);
		bool is_price = str_eq_z(STR("price"), d->section);
		if (is_price && !(m->price.flags & PRICE_KNOWN))
			continue;
		if (!twice && (is_price || str_eq_z(STR("litellm_params"), d->section)))
			put_value(o, d->name, d, m);
	}
	if (m->params.n)
		json_put_masked(o, "defaults", m->params);
	json_close(o);
}

static void show_model(struct json_out *o, const struct config_model *m, bool with_origin)
{
	char text[512];

	json_open(o, NULL);
	json_put_str(o, "model_name", m->model_name);
	json_put_str(o, "id", m->id);
	json_put_str(o, "provider", m->provider);
	json_put_str(o, "upstream_model", m->model);
	show_params(o, m);
	if (m->info.n)
		json_put_raw(o, "model_info", m->info);
	if (with_origin) {
		snprintf(text, sizeof text, m->line ? STR_FMT ":%u" : STR_FMT, STR_ARG(m->file),
			 m->line);
		json_put_z(o, "origin", text);
	}
	json_close(o);
}

void config_show(const struct config *c, bool with_origin, struct buf *out)
{
	struct json_out o = json_out(out);

	json_open(&o, NULL);
	show_settings(&o, c, with_origin);
	json_open(&o, "environment_variables");
	for (size_t i = 0; i < c->env.n; i++) {
		json_key(&o, c->env.v[i].name);
		json_put_z(&o, NULL, HIDDEN);
	}
	json_close(&o);
	json_open_array(&o, "model_list");
	for (size_t i = 0; i < c->n_models; i++)
		show_model(&o, &c->models[i], with_origin);
	json_close_array(&o);
	json_close(&o);
}

/* ---- diff ---- */

static void write_row(struct json_out *o, struct str key, struct str before, struct str after,
		      const char *when)
{
	json_open(o, NULL);
	json_put_str(o, "key", key);
	if (before.n)
		json_put_raw(o, "before", before);
	else
		json_put_null(o, "before");
	if (after.n)
		json_put_raw(o, "after", after);
	else
		json_put_null(o, "after");
	json_put_z(o, "takes_effect", when);
	json_close(o);
}

/* Whether two values differ, secrets included, which print alike. */
static bool differs(const struct directive *d, const struct config *a, const struct config *b,
		    struct str before, struct str after)
{
	if ((d->type == CT_STR || d->type == CT_JSON) && (d->flags & CF_SECRET))
		return !str_eq(*(const struct str *)((const char *)a + d->at),
			       *(const struct str *)((const char *)b + d->at));
	return !str_eq(before, after);
}

static void diff_settings(struct json_out *o, const struct config *a, const struct config *b)
{
	size_t n;
	const struct directive *all = directives_all(&n);
	struct buf before, after, key;

	buf_init(&before, 1 << 20);
	buf_init(&after, 1 << 20);
	buf_init(&key, 256);
	for (size_t i = 0; i < n && is_global(&all[i]); i++) {
		const struct directive *d = &all[i];
		struct json_out x = json_out(&before), y = json_out(&after);
		buf_reset(&before);
		buf_reset(&after);
		buf_reset(&key);
		put_value(&x, NULL, d, a);
		put_value(&y, NULL, d, b);
		buf_printf(&key, "%s.%s", d->section, d->name);
		if (differs(d, a, b, buf_str(&before), buf_str(&after)))
			write_row(o, buf_str(&key), buf_str(&before), buf_str(&after),
				  d->flags & CF_RESTART ? "restart" : "reload");
	}
	buf_done(&before);
	buf_done(&after);
	buf_done(&key);
}

static void print_model(struct buf *out, const struct config_model *m)
{
	struct json_out o = json_out(out);

	buf_reset(out);
	if (m)
		show_model(&o, m, false);
}

static bool same_secrets(const struct config_model *a, const struct config_model *b)
{
	if (!str_eq(a->api_key, b->api_key) || !str_eq(a->credentials, b->credentials) ||
	    a->headers.n != b->headers.n)
		return false;
	for (size_t i = 0; i < a->headers.n; i++)
		if (!str_eq(a->headers.v[i].value, b->headers.v[i].value))
			return false;
	return true;
}

static void diff_models(struct json_out *o, const struct config *a, const struct config *b)
{
	struct buf before, after, key;

	buf_init(&before, 1 << 20);
	buf_init(&after, 1 << 20);
	buf_init(&key, 2048);
	for (size_t i = 0; i < a->n_models + b->n_models; i++) {
		bool old = i < a->n_models;
		const struct config_model *m = old ? &a->models[i] : &b->models[i - a->n_models];
		const struct config_model *x = config_find_model(old ? b : a, m->id);
		if (!old && x)
			continue;
		print_model(&before, old ? m : NULL);
		print_model(&after, old ? x : m);
		buf_reset(&key);
		buf_printf(&key, "model_list." STR_FMT "." STR_FMT, STR_ARG(m->model_name),
			   STR_ARG(m->id));
		if (!str_eq(buf_str(&before), buf_str(&after)) || (x && !same_secrets(m, x)))
			write_row(o, buf_str(&key), buf_str(&before), buf_str(&after), "reload");
	}
	buf_done(&before);
	buf_done(&after);
	buf_done(&key);
}

void config_diff(const struct config *a, const struct config *b, struct buf *out)
{
	struct json_out o = json_out(out);

	json_open_array(&o, NULL);
	diff_settings(&o, a, b);
	diff_models(&o, a, b);
	json_close_array(&o);
}

/* ---- LiteLLM's lists of settings ---- */

static const char *type_for_python(const struct directive *d)
{
	switch (d->type) {
	case CT_BOOL:
	case CT_FLAG:
		return "Boolean";
	case CT_U32:
	case CT_U64:
		return "Integer";
	case CT_NAMES:
	case CT_JSON_LIST:
	case CT_FALLBACKS:
	case CT_PASSES:
	case CT_ROUTING_GROUPS:
		return "List";
	case CT_PAIRS:
	case CT_JSON:
	case CT_ALIASES:
	case CT_GROUP_POLICIES:
		return "Dictionary";
	case CT_MILLI:
	case CT_TIME:
	case CT_PRICE:
		return "Float";
	default:
		return "String";
	}
}

static bool is_stored(const struct config_stored *s, const struct directive *d)
{
	struct str section = str_z(d->section), name;

	for (size_t i = 0; s && i < s->n; i++) {
		name = s->v[i]->name;
		if (s->v[i]->kind == OBJECT_SETTING && str_eq(str_cut(&name, '.'), section) &&
		    same_name(name, d->name))
			return true;
	}
	return false;
}

/* As it is set: 32 and not 32M where megabytes are meant. */
static void put_field(struct json_out *o, const char *key, const struct directive *d,
		      const struct config *c)
{
	const void *at = (const char *)c + d->at;
	if (d->type == CT_MEGABYTES)
		json_put_u64(o, key, *(const uint64_t *)at >> 20);
	else
		put_value(o, key, d, c);
}

void config_list_section(const struct config *c, const char *section,
			 const struct config_stored *stored, struct json_out *o)
{
	size_t n;
	const struct directive *all = directives_all(&n);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(all[i].section, section) != 0)
			continue;
		json_open(o, NULL);
		json_put_z(o, "field_name", all[i].name);
		json_put_z(o, "field_type", type_for_python(&all[i]));
		json_put_z(o, "field_description", all[i].doc);
		put_field(o, "field_value", &all[i], c);
		json_put_bool(o, "stored_in_db", c->store_models && is_stored(stored, &all[i]));
		json_put_z(o, "field_default_value", all[i].preset);
		json_close(o);
	}
}

bool config_put_value(const struct config *c, const char *section, struct str name,
		      struct json_out *o, const char *key)
{
	const struct directive *d = directive_find(section, name);

	if (d)
		put_field(o, key, d, c);
	return d;
}

void config_bound_text(const struct directive *d, uint64_t v, char *text, size_t room)
{
	struct buf b;
	struct json_out o = json_out(&b);
	struct str s;

	buf_init(&b, 64);
	if (d->type == CT_TIME || d->type == CT_LIMIT)
		put_time(&o, NULL, v);
	else if (d->type == CT_SIZE)
		put_size(&o, NULL, v);
	else
		json_put_u64(&o, NULL,
			     d->type == CT_MILLI       ? v / 1000
			     : d->type == CT_MEGABYTES ? v >> 20
						       : v);
	s = buf_str(&b);
	if (s.n > 1 && s.p[0] == '"')
		s = str_of(s.p + 1, s.n - 2);
	snprintf(text, room, STR_FMT, STR_ARG(s));
	buf_done(&b);
}
