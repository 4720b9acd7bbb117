/* SPDX-License-Identifier: MIT
 * config_upstream.c - where a deployment's requests go, with what key, and at what price.
 *
 * A provider that we know but cannot speak to yet costs its models, not the start: they are
 * left out with a warning. Whatever the user wrote wrong is an error. */
#include <stdlib.h>

#include "common/cidr.h"
#include "master/config_read.h"
#include "master/prices.h"

static const char *host_problem(struct str authority)
{
	const char *others = "-._~";
	struct str host = authority, port = STR_NONE;
	uint64_t v;

	if (str_find_char(authority, '@') != SIZE_MAX)
		return "must not hold a user or password";
	if (authority.n > 0 && authority.p[0] == '[') {
		host = str_cut(&authority, ']');
		host = str_skip(host, 1);
		port = authority;
		others = ":.%";
		if (!port.p || (port.n > 0 && port.p[0] != ':'))
			return "has no valid host";
		port = port.n > 0 ? str_skip(port, 1) : STR_NONE;
	} else {
		host = str_cut(&authority, ':');
		port = authority;
	}
	if (!value_is_host(host, others))
		return "has no valid host";
	if (port.p && (str_read_u64(port, &v) < 0 || v == 0 || v > 65535))
		return "has no valid port";
	return NULL;
}

const char *base_problem(struct str base)
{
	struct str rest = base;

	for (size_t i = 0; i < base.n; i++) {
		unsigned char c = (unsigned char)base.p[i];
		if (c == '{' || c == '}')
			return "still holds a part in braces; put your own value there";
		if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`|", c))
			return "holds a character that a URL cannot hold";
		if (c == '?' || c == '#')
			return "must end before '?' and '#'";
	}
	if (base.n > 2000)
		return "is too long";
	if (str_starts_nocase(base, STR("https://")))
		rest = str_skip(base, STR("https://").n);
	else if (str_starts_nocase(base, STR("http://")))
		rest = str_skip(base, STR("http://").n);
	else
		return "must begin with http:// or https://";
	return host_problem(str_cut(&rest, '/'));
}

struct str env_first_set(struct str names, struct str *ret_name)
{
	while (names.n > 0) {
		char z[128];
		struct str name = str_cut(&names, ',');
		if (name.n == 0 || name.n >= sizeof z || str_find_char(name, '+') != SIZE_MAX)
			continue;
		memcpy(z, name.p, name.n);
		z[name.n] = '\0';
		struct str value = str_z(getenv(z));
		if (value.n == 0)
			continue;
		*ret_name = name;
		return value;
	}
	return STR_NONE;
}

bool left_out(struct reader *r, const struct config_model *m, const struct place *at,
	      struct str why)
{
	complain(r, W_MODEL_SKIPPED, at, "model '" STR_FMT "' is left out: " STR_FMT,
		 STR_ARG(shown(m->model_name)), STR_ARG(why));
	r->c->n_skipped++;
	return false;
}

bool upstream_detect(struct reader *r, struct config_model *m, const struct place *at)
{
	struct str why, model = m->litellm_model;

	m->row = providers_detect(m->provider, model, m->api_base, &m->model);
	if (m->row) {
		m->provider = m->row->prefix;
		m->auth = m->row->auth_kind;
		aws_detect(m);
		m->family = m->row->family;
		m->site = m->row->site;
	}
	if (str_starts(m->model, STR("responses/"))) {
		m->model = str_skip(m->model, STR("responses/").n);
		m->mode = MODE_RESPONSES;
	}
	if (m->mock_response.p || (m->row && m->row->served))
		return true;
	if (!m->row) {
		complain(r, W_MODEL_SKIPPED, at,
			 "model '" STR_FMT "' is left out: no provider is known for '" STR_FMT
			 "'; write provider/model",
			 STR_ARG(shown(m->model_name)), STR_ARG(shown(model)));
		r->c->n_skipped++;
		return false;
	}
	const struct str unwritten = STR("native adapter not written yet: ");
	why = m->row->notes;
	why = str_cut(&why, ';');
	bool is_unwritten = str_starts(why, unwritten);
	complain(r, W_MODEL_SKIPPED, at,
		 "model '" STR_FMT "' is left out: provider '" STR_FMT "' %s" STR_FMT "%s",
		 STR_ARG(shown(m->model_name)), STR_ARG(m->provider),
		 is_unwritten ? "is not served yet (" : "is not served: ",
		 STR_ARG(str_skip(why, is_unwritten ? unwritten.n : 0)), is_unwritten ? ")" : "");
	r->c->n_skipped++;
	return false;
}

static struct str without_slashes(struct str base)
{
	while (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	return base;
}

/* Cuts what ends in '/' or in what a provider's base must not end in, and adds what it has to end
 * in. */
static struct str tidy_base(struct reader *r, struct str base, struct str endings)
{
	base = without_slashes(base);
	while (endings.n > 0) {
		struct str ending = str_cut(&endings, ' ');
		bool is_cut = ending.p[0] == '-';
		struct str bare = is_cut ? str_skip(ending, 1) : ending;
		if (is_cut && str_ends(base, bare))
			base = without_slashes(str_of(base.p, base.n - bare.n));
		if (is_cut || str_ends(base, bare))
			continue;
		base = arena_printf(r->c->mem, STR_FMT STR_FMT, STR_ARG(base), STR_ARG(bare));
		r->out_of_memory |= !base.p;
	}
	return keep(r, base);
}

/* Parts in braces that are named like a variable are what it holds: "{CLOUDFLARE_ACCOUNT_ID}". */
static struct str fill_base(struct reader *r, struct str base)
{
	size_t from = str_find_char(base, '{'), to = str_find_char(base, '}');
	struct str name, value;

	if (from == SIZE_MAX || to == SIZE_MAX || to < from)
		return base;
	value = env_first_set(str_of(base.p + from + 1, to - from - 1), &name);
	if (value.n == 0)
		return base;
	base = arena_printf(r->c->mem, STR_FMT STR_FMT STR_FMT, (int)from, base.p, STR_ARG(value),
			    STR_ARG(str_skip(base, to + 1)));
	r->out_of_memory |= !base.p;
	return base;
}

/* A base with its {region} filled where the deployment says one. */
static struct str in_region(struct reader *r, const struct config_model *m, struct str base)
{
	static const struct str mark = STR("{region}");
	size_t at = str_find(base, mark);

	if (at == SIZE_MAX || !value_is_host(m->region, "-"))
		return base;
	struct str end = str_skip(base, at + mark.n);
	base = arena_printf(r->c->mem, STR_FMT STR_FMT STR_FMT, (int)at, base.p,
			    STR_ARG(m->region), STR_ARG(end));
	r->out_of_memory |= !base.p;
	return base;
}

/* The provider's own base; models that rerank may have another. */
static struct str base_of_row(struct reader *r, const struct config_model *m)
{
	bool is_other = m->mode == MODE_RERANK && m->row->rerank_base.n > 0;

	return fill_base(r, in_region(r, m, is_other ? m->row->rerank_base : m->row->base));
}

/* A public name: no literal address, and nobody's own machine. */
static bool is_public_name(struct str base)
{
	struct cidr one;
	size_t at = str_find(base, STR("://"));
	struct str rest = at == SIZE_MAX ? base : str_skip(base, at + 3);
	struct str authority = str_cut(&rest, '/'), host = str_cut(&authority, ':');

	return str_find_char(host, '.') != SIZE_MAX && host.p[0] != '[' &&
	       cidr_read(host, &one) != 0 && !str_ends(host, STR(".internal")) &&
	       !str_ends(host, STR(".local")) && !str_ends(host, STR(".localhost"));
}

/* Clouds that give their services private addresses in one's own network have sites. */
static bool is_vendors(const struct config_model *m, struct str base, bool is_own)
{
	return (is_own || str_eq(base, m->row->base)) && m->site == SITE_OWN &&
	       is_public_name(base);
}

static bool resolve_base(struct reader *r, struct config_model *m, const struct place *at,
			 const struct place *base_at)
{
	struct str name = STR("api_base"), base = m->api_base;
	bool is_own = false;
	const char *problem;

	if (base.n == 0) {
		base_at = at;
		base = env_first_set(m->row->base_env, &name);
	}
	if (base.n == 0 || (m->mode == MODE_RERANK && str_eq(base, m->row->base))) {
		base = base_of_row(r, m);
		is_own = true;
	}
	if (base.n == 0) {
		complain(r, COMPLAINT_ERROR, at, "provider '" STR_FMT "' needs an api_base",
			 STR_ARG(m->provider));
		return false;
	}
	if ((is_own || m->api_base.n == 0) && str_find_char(base, '{') != SIZE_MAX)
		return left_out(r, m, at, STR("its provider needs an api_base"));
	problem = base_problem(base);
	if (problem) {
		complain(r, COMPLAINT_ERROR, base_at, STR_FMT " %s", STR_ARG(name), problem);
		return false;
	}
	m->is_vendors = is_vendors(m, base, is_own);
	m->api_base = tidy_base(r, base, m->row->base_suffix);
	return true;
}

/* "A,B" as "A or B". */
static struct str alternatives(struct reader *r, struct str names)
{
	struct str said = str_cut(&names, ',');
	while (names.n > 0) {
		struct str one = str_cut(&names, ',');
		said = arena_printf(r->scratch, STR_FMT " or " STR_FMT, STR_ARG(said), STR_ARG(one));
		r->out_of_memory |= !said.p;
	}
	return said;
}

/* Who has no master key says where the deployment is. */
static bool is_strangers_address(struct reader *r, const struct config_model *m,
				 const struct place *at, const struct place *base_at)
{
	return m->is_strangers && ((m->api_base.n > 0 && stored_by_stranger(r, base_at)) ||
				   (m->aws_endpoint.n > 0 && stored_by_stranger(r, at)));
}

static bool resolve(struct reader *r, struct config_model *m, const struct place *at,
		    const struct place *base_at, bool is_key_told)
{
	bool own_base = m->api_base.n > 0;
	struct str name;

	if (!cloud_resolve(r, m, at) || (m->auth == AUTH_SIGV4 && !aws_resolve(r, m, at)) ||
	    !resolve_base(r, m, at, base_at))
		return false;
	cloud_finish(r, m);
	/* Credentials say where tokens are fetched. */
	m->is_strangers &= own_base || m->aws_endpoint.n > 0 || m->credentials.n > 0;
	if (m->api_key.n == 0 && m->credentials.n == 0 && m->row->auth_kind != AUTH_SIGV4 &&
	    !r->hides_env)
		m->api_key = keep(r, env_first_set(m->row->key_env, &name));
	if (value_has_control(m->api_key)) {
		complain(r, COMPLAINT_ERROR, at,
			 "the variable that holds the key of '" STR_FMT
			 "' holds a control character",
			 STR_ARG(m->provider));
		return false;
	}
	if (m->api_key.n == 0 && m->credentials.n == 0 && m->row->needs_key && !own_base &&
	    m->row->auth_kind != AUTH_SIGV4 && !is_key_told)
		complain(r, W_KEY_MISSING, at,
			 "no key for provider '" STR_FMT
			 "': set api_key, or the environment variable " STR_FMT,
			 STR_ARG(m->provider), STR_ARG(alternatives(r, m->row->key_env)));
	return true;
}

/* An address that whoever has no master key gives gets no key that others have: not from the
 * environment, and not from a credential of the operator's. */
bool upstream_resolve(struct reader *r, struct config_model *m, const struct place *at,
		      const struct place *base_at, bool is_key_told)
{
	if (m->mock_response.p)
		return true;
	r->hides_env = is_strangers_address(r, m, at, base_at);
	if (r->hides_env && m->has_others_key)
		complain(r, COMPLAINT_ERROR, base_at,
			 "model '" STR_FMT "': a key of the environment, or of a credential that was "
			 "given with the master key, does not go to an address that was not",
			 STR_ARG(shown(m->model_name)));
	bool ok = !(r->hides_env && m->has_others_key) &&
		  resolve(r, m, at, base_at, is_key_told);
	r->hides_env = false;
	return ok;
}

/* "input_cost_per_token_above_200k_tokens" and its kin: which price, and the text behind
 * "above_"; NULL: it is none. */
static int64_t *tier_price(struct price *p, struct str key, struct str *ret_rest)
{
	const struct {
		struct str start;
		int64_t *price;
	} all[] = { { STR("input_cost_per_token_above_"), &p->input_above },
		    { STR("output_cost_per_token_above_"), &p->output_above },
		    { STR("cache_read_input_token_cost_above_"), &p->cache_read_above },
		    { STR("cache_creation_input_token_cost_above_"), &p->cache_write_above } };
	for (size_t i = 0; i < COUNT(all); i++)
		if (str_starts(key, all[i].start)) {
			*ret_rest = str_skip(key, all[i].start.n);
			return all[i].price;
		}
	return NULL;
}

/* A price row has room for one tier. */
static bool tier_key(struct reader *r, struct config_model *m, const struct yaml *y)
{
	const struct directive d = {.name = "price", .type = CT_PRICE};
	struct str s;
	int64_t pico = PRICE_NONE, *price = tier_price(&m->price, y->key, &s);
	uint64_t k;

	if (!price)
		return false;
	struct str number = str_cut(&s, 'k');
	if (!str_eq(s, STR("_tokens")) || str_read_u64(number, &k) < 0 || k == 0 || k > 1000000)
		return false;
	if (!value_set(r, &pico, &d, y))
		return true;
	if (m->price.tier_tokens && m->price.tier_tokens != k * 1000) {
		complain(r, W_NOT_ACTED_ON, &y->key_place,
			 "llmgw has one price tier per model; '" STR_FMT "' does not count",
			 STR_ARG(shown(y->key)));
		return true;
	}
	m->price.tier_tokens = (uint32_t)(k * 1000);
	*price = pico;
	return true;
}

/* search_context_cost_per_query: {search_context_size_low: PRICE, ...}. */
static bool search_key(struct reader *r, struct config_model *m, const struct yaml *y)
{
	const struct directive d = {.name = "price", .type = CT_PRICE};
	const struct str before = STR("search_context_size_");

	if (!str_eq(y->key, STR("search_context_cost_per_query")))
		return false;
	if (y->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &y->place,
			 "search_context_cost_per_query wants a map, not %s", yaml_kind_name(y));
		return true;
	}
	for (const struct yaml *size = y->child; size; size = size->next) {
		bool is_size = str_starts(size->key, before);
		unsigned i = is_size ? search_size_of(str_skip(size->key, before.n)) :
				       SEARCH_UNTOLD;
		if (i == SEARCH_UNTOLD)
			complain(r, W_NOT_ACTED_ON, &size->key_place,
				 "'" STR_FMT "' is no size of a search; it does not count",
				 STR_ARG(shown(size->key)));
		else
			value_set(r, &m->price.per_search[i - SEARCH_LOW], &d, size);
	}
	return true;
}

/* web_search_billing_unit: per_query, which is so where nothing is said, or per_prompt. */
static bool unit_key(struct reader *r, struct config_model *m, const struct yaml *y)
{
	if (!str_eq(y->key, STR("web_search_billing_unit")))
		return false;
	bool per_prompt = y->kind == YAML_SCALAR && str_eq(y->text, STR("per_prompt"));
	if (!per_prompt && !(y->kind == YAML_SCALAR && str_eq(y->text, STR("per_query"))))
		complain(r, COMPLAINT_ERROR, &y->place,
			 "web_search_billing_unit is per_query or per_prompt");
	m->price.flags |= per_prompt ? PRICE_PER_PROMPT : 0;
	return true;
}

bool model_price_key(struct reader *r, struct config_model *m, const struct yaml *y)
{
	const struct directive *d = directive_find("price", y->key);
	const struct known_key *k;

	if (d) {
		value_set(r, m, d, y);
		return true;
	}
	if (tier_key(r, m, y) || search_key(r, m, y) || unit_key(r, m, y))
		return true;
	k = known_find("price", y->key);
	if (k)
		complain_known(r, k, y);
	return k != NULL;
}

/* One side alone takes the other from the price table; unknown there, it counts as nothing. */
static void fill_side(struct reader *r, const struct config_model *m, const struct place *at,
		      int64_t *price, bool input)
{
	struct price_row row;
	struct str name = m->base_model.n > 0 ? m->base_model : m->model;

	if (*price != PRICE_NONE)
		return;
	*price = 0;
	if (prices_find(m->provider, name, &row)) {
		*price = input ? row.price.input : row.price.output;
		return;
	}
	complain(r, W_PRICE_INCOMPLETE, at, "model '" STR_FMT "' has no %s price; it counts as 0",
		 STR_ARG(shown(m->model_name)), input ? "input" : "output");
}

/* Which prices there are besides, as flags. */
static uint32_t more_prices(const struct price *p)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < COUNT(p->tiers); i++)
		if (p->tiers[i].input != PRICE_NONE || p->tiers[i].output != PRICE_NONE ||
		    p->tiers[i].cache_read != PRICE_NONE)
			flags |= PRICE_TIERED;
	for (size_t i = 0; i < COUNT(p->per_search); i++)
		flags |= p->per_search[i] > 0 ? PRICE_SEARCHED : 0;
	flags |= p->per_file_search > 0 || p->per_session > 0 ? PRICE_TOOLED : 0;
	return flags;
}

void model_price_finish(struct reader *r, struct config_model *m, const struct place *at)
{
	struct price *p = &m->price;
	uint32_t more = more_prices(p);
	bool both = p->input != PRICE_NONE && p->output != PRICE_NONE;
	bool any = p->input != PRICE_NONE || p->output != PRICE_NONE ||
		   p->cache_read != PRICE_NONE || p->cache_write != PRICE_NONE ||
		   p->cache_write_hour != PRICE_NONE || p->reasoning != PRICE_NONE ||
		   p->tier_tokens || more ||
		   p->media_input != PRICE_NONE || p->media_output != PRICE_NONE;
	bool per_call = p->per_request != PRICE_NONE || p->per_query != PRICE_NONE;
	bool other = p->per_image || p->per_second || p->per_character;

	if (p->per_request == PRICE_NONE)
		p->per_request = 0;
	if (p->per_query == PRICE_NONE)
		p->per_query = 0;
	if (!any && !per_call && !other) {
		*p = (struct price){0};
		return;
	}
	p->per_file_search /= 1000;	/* it was of a thousand */
	p->flags = PRICE_KNOWN | more |
		   (more & PRICE_SEARCHED ? p->flags & PRICE_PER_PROMPT : 0);
	if (both && !more && p->input == 0 && p->output == 0 && p->per_request == 0 &&
	    p->per_query == 0 && !other && p->media_input <= 0 && p->media_output <= 0)
		p->flags |= PRICE_FREE;
	if (!any) {
		p->input = 0;
		p->output = 0;
	}
	fill_side(r, m, at, &p->input, true);
	fill_side(r, m, at, &p->output, false);
}
