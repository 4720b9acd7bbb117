/* SPDX-License-Identifier: MIT
 * config_cost.c - litellm_settings.cost_discount_config and cost_margin_config: what a provider
 * takes off its list price, and what is put on top of it.
 *
 * Both go into the prices that workers get, so that reserves, budgets and costs all know them and
 * no request pays for the sum. */
#include "common/json.h"
#include "master/config_read.h"

enum { MILLION = 1000000, RATES_MAX = 512 };

/* 0.05 as parts of a million. */
static bool read_share(struct str s, int64_t max, int64_t *ret)
{
	int64_t pico;
	if (price_read_pico(s, &pico) != 0 || pico / MILLION > max)
		return false;
	*ret = (pico + MILLION / 2) / MILLION;
	return true;
}

static bool number_of(struct arena *a, const struct json *j, struct str *ret)
{
	*ret = j->type == JSON_NUMBER ? j->raw : json_str(a, j);
	return ret->n > 0;
}

static struct config_rate *rate_of(struct config *c, struct str provider)
{
	for (size_t i = 0; i < c->n_rates; i++)
		if (str_eq(c->rates[i].provider, provider))
			return &c->rates[i];
	if (c->n_rates == RATES_MAX)
		return NULL;
	c->rates[c->n_rates] = (struct config_rate){ .provider = provider };
	return &c->rates[c->n_rates++];
}

static bool take_discount(struct config *c, struct config_rate *rate, const struct json *j)
{
	struct str s;
	return number_of(c->mem, j, &s) && read_share(s, MILLION, &rate->discount);
}

/* 0.1, or {percentage: 0.1, fixed_amount: 0.001}. */
static bool take_margin(struct config *c, struct config_rate *rate, const struct json *j)
{
	const struct json *share = j, *fixed = NULL;
	struct str s;
	if (j->type == JSON_OBJECT) {
		share = json_get(j, "percentage");
		fixed = json_get(j, "fixed_amount");
		if (!share && !fixed)
			return false;
	}
	rate->has_margin = true;
	if (share && (!number_of(c->mem, share, &s) ||
		      !read_share(s, INT64_C(1000) * MILLION, &rate->margin)))
		return false;
	return !fixed || (number_of(c->mem, fixed, &s) && price_read_pico(s, &rate->fixed) == 0 &&
			  rate->fixed <= INT64_C(1000000) * MILLION * MILLION);
}

static void take_all(struct reader *r, const char *name, struct str text,
		     bool (*take)(struct config *, struct config_rate *, const struct json *))
{
	struct config *c = r->c;
	struct json_error why;
	const struct json *map = text.n ? json_parse(c->mem, text, 0, &why) : NULL;
	for (const struct json *j = json_is(map, JSON_OBJECT) ? map->child : NULL; j; j = j->next) {
		struct config_rate *rate = rate_of(c, j->key);
		if (!rate || !take(c, rate, j))
			complain(r, COMPLAINT_ERROR, given_place(r, "litellm_settings", name),
				 "%s: '" STR_FMT "' must be a share such as 0.05", name,
				 STR_ARG(shown(j->key)));
	}
}

void costs_finish(struct reader *r)
{
	struct config *c = r->c;
	if (!c->cost_discounts.n && !c->cost_margins.n)
		return;
	c->rates = arena_array(c->mem, RATES_MAX, sizeof *c->rates);
	if (!c->rates) {
		r->out_of_memory = true;
		return;
	}
	take_all(r, "cost_discount_config", c->cost_discounts, take_discount);
	take_all(r, "cost_margin_config", c->cost_margins, take_margin);
}

/* ---- what follows ---- */

static const struct config_rate *find_rate(const struct config *c, struct str provider)
{
	for (size_t i = 0; i < c->n_rates; i++)
		if (str_eq(c->rates[i].provider, provider))
			return &c->rates[i];
	return NULL;
}

struct price_rates config_rates_of(const struct config *c, struct str provider)
{
	const struct config_rate *own = find_rate(c, provider);
	const struct config_rate *margin = own && own->has_margin ? own :
								    find_rate(c, STR("global"));
	return (struct price_rates){ .discount = own ? own->discount : 0,
				     .margin = margin ? margin->margin : 0,
				     .fixed = margin ? margin->fixed : 0 };
}
