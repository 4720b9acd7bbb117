/* SPDX-License-Identifier: MIT
 * spend_cost.c - what a request would cost, or has cost by its usage: /cost/estimate and
 * /spend/calculate. Prices are those that workers get, with discount and margin. */
#include <errno.h>
#include <stdio.h>

#include "master/master.h"
#include "master/prices.h"
#include "master/spend_private.h"

enum {
	TOKENS_MAX = 1000000000, REQUESTS_MAX = 1000000000,
	BYTES_A_TOKEN = 4		/* as in `route explain` */
};

struct quote {
	struct str provider;
	struct price_quote q;
};

/* Of the first deployment of that name; else of any model in the table. */
static bool find_quote(const struct config *c, struct str model, struct quote *ret)
{
	struct price_row row;
	for (size_t i = 0; i < c->n_models; i++)
		if (str_eq(c->models[i].model_name, model)) {
			ret->provider = c->models[i].provider;
			return price_quote_find(c, &c->models[i], &ret->q);
		}
	if (!prices_find(STR_NONE, model, &row))
		return false;
	ret->provider = row.provider;
	ret->q = price_quote_of(c, row.provider, &row.price);
	return true;
}

static bool take_quote(struct command_call *c, struct str model, struct quote *ret)
{
	if (find_quote(c->master->config, model, ret))
		return true;
	command_fail(c, 404, "invalid_request_error", "model", "no price is known for " STR_FMT,
		     STR_ARG(model));
	return false;
}

/* ---- /cost/estimate ---- */

static int64_t times(int64_t nano, uint64_t n)
{
	int64_t v;
	return __builtin_mul_overflow(nano, (int64_t)n, &v) ? INT64_MAX : v;
}

struct estimate {
	int64_t whole, input, output, margin;	/* of one request */
};

static void put_period(struct json_out *o, const char *period, const struct estimate *e,
		       uint64_t requests, bool is_given)
{
	const struct {
		const char *name;
		int64_t nano;
	} all[] = { { "cost", e->whole }, { "input_cost", e->input },
		    { "output_cost", e->output }, { "margin_cost", e->margin } };
	char name[48];
	for (size_t i = 0; i < COUNT(all); i++) {
		snprintf(name, sizeof name, "%s_%s", period, all[i].name);
		if (is_given)
			json_put_money(o, name, times(all[i].nano, requests));
		else
			json_put_null(o, name);
	}
}

static void put_count(struct json_out *o, const char *name, uint64_t v, bool is_given)
{
	if (is_given)
		json_put_u64(o, name, v);
	else
		json_put_null(o, name);
}

static int take_count(struct command_call *c, const char *name, uint64_t most, uint64_t *ret)
{
	int err = command_u64(c, name, ret);
	if (err || *ret <= most)
		return err;
	command_fail(c, 400, "invalid_request_error", name, "%s is at most %llu", name,
		     (unsigned long long)most);
	return -EINVAL;
}

void spend_estimate(struct command_call *c)
{
	struct str model = STR("");
	uint64_t in = 0, out = 0, a_day = 0, a_month = 0;
	struct quote q;
	int day_err, month_err;
	if (command_str(c, "model", &model) == -EINVAL ||
	    take_count(c, "input_tokens", TOKENS_MAX, &in) == -EINVAL ||
	    take_count(c, "output_tokens", TOKENS_MAX, &out) == -EINVAL ||
	    (day_err = take_count(c, "num_requests_per_day", REQUESTS_MAX, &a_day)) == -EINVAL ||
	    (month_err = take_count(c, "num_requests_per_month", REQUESTS_MAX, &a_month)) ==
		    -EINVAL ||
	    !take_quote(c, model, &q))
		return;
	struct usage whole = { .input = in, .output = out }, input = { .input = in };
	struct price rates = q.q.discounted;
	int64_t before = price_cost(&q.q.discounted, &whole);
	struct estimate e = { .whole = price_cost(&q.q.price, &whole) };
	e.margin = e.whole > before ? e.whole - before : 0;
	rates.per_request = 0;
	e.input = price_cost(&rates, &input);
	e.output = before > e.input ? before - e.input : 0;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_str(&o, "model", model);
	json_put_u64(&o, "input_tokens", in);
	json_put_u64(&o, "output_tokens", out);
	put_count(&o, "num_requests_per_day", a_day, !day_err);
	put_count(&o, "num_requests_per_month", a_month, !month_err);
	json_put_money(&o, "cost_per_request", e.whole);
	json_put_money(&o, "input_cost_per_request", e.input);
	json_put_money(&o, "output_cost_per_request", e.output);
	json_put_money(&o, "margin_cost_per_request", e.margin);
	put_period(&o, "daily", &e, a_day, !day_err);
	put_period(&o, "monthly", &e, a_month, !month_err);
	json_put_double(&o, "input_cost_per_token", (double)q.q.list.input / 1e12);
	json_put_double(&o, "output_cost_per_token", (double)q.q.list.output / 1e12);
	json_put_str(&o, "provider", q.provider);
	json_close(&o);
	command_finish(c);
}

/* ---- /spend/calculate ---- */

/* A count of an answer's usage; what is not there is 0. */
static uint64_t count_at(const struct json *usage, const char *path)
{
	const struct json *j = json_get_path(usage, path);
	int64_t v = 0;
	return j && json_read_i64(j, &v) == 0 && v > 0 ? (uint64_t)v : 0;
}

static void read_usage(const struct json *usage, struct usage *ret)
{
	*ret = (struct usage){
		.input = count_at(usage, "prompt_tokens"),
		.output = count_at(usage, "completion_tokens"),
		.cache_read = count_at(usage, "prompt_tokens_details.cached_tokens"),
		.cache_write = count_at(usage, "cache_creation_input_tokens"),
		.reasoning = count_at(usage, "completion_tokens_details.reasoning_tokens"),
	};
	usage_clamp(ret);
}

static uint64_t string_bytes(const struct json *j)
{
	return json_is(j, JSON_STRING) ? j->raw.n - 2 : 0;	/* without its quotes */
}

/* How many bytes of text a list of messages has. */
static uint64_t text_bytes(const struct json *messages)
{
	uint64_t n = 0;
	for (const struct json *m = messages->child; m; m = m->next) {
		const struct json *content = json_get(m, "content");
		n += string_bytes(content);
		for (const struct json *p = json_is(content, JSON_ARRAY) ? content->child : NULL; p;
		     p = p->next)
			n += string_bytes(json_get(p, "text"));
	}
	return n;
}

/* By an answer, by its usage alone, or by what is asked, whose tokens are estimated. false:
 * answered. */
static bool take_usage(struct command_call *c, const struct json *answer, struct usage *ret)
{
	bool has_answer = json_is(answer, JSON_OBJECT);
	const struct json *usage = json_get(has_answer ? answer : c->args, "usage");
	const struct json *messages = json_get(c->args, "messages");
	if (json_is(usage, JSON_OBJECT)) {
		read_usage(usage, ret);
		return true;
	}
	if (json_is(messages, JSON_ARRAY) && !json_is_given(answer)) {
		*ret = (struct usage){ .input = text_bytes(messages) / BYTES_A_TOKEN };
		return true;
	}
	command_fail(c, 400, "invalid_request_error", "completion_response",
		     "completion_response must be an answer with its usage; else model is needed, "
		     "with usage or messages. /cost/estimate takes numbers of tokens");
	return false;
}

void spend_calculate(struct command_call *c)
{
	const struct json *answer = json_get(c->args, "completion_response");
	struct str model = STR("");
	struct quote q;
	struct usage u;
	int err = command_str(c, "model", &model);
	if (err == -EINVAL || !take_usage(c, answer, &u))
		return;
	if (err)
		model = json_str(c->mem, json_get(answer, "model"));
	if (!model.n) {
		command_fail(c, 400, "invalid_request_error", "model",
			     "model must be given, or stand in completion_response");
		return;
	}
	if (!take_quote(c, model, &q))
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_money(&o, "cost", price_cost(&q.q.price, &u));
	json_close(&o);
	command_finish(c);
}
