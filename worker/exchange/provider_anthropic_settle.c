/* SPDX-License-Identifier: MIT
 * provider_anthropic_settle.c - what hangs together: thinking, its budget within the answer's
 * limit, what may be sampled meanwhile, the answer's form; and what each model takes of it. */
#include <errno.h>

#include "worker/exchange/provider_anthropic.h"

enum {
	LIMIT_DEFAULT = 4096,		/* tokens of an answer where nobody says */
	BUDGET_LEAST = 1024
};

/* --- thinking --- */

static const struct effort {
	struct str name, adaptive;
	unsigned budget;		/* 0: none at all */
} efforts[] = {
	{ STR("none"), STR(""), 0 },
	{ STR("minimal"), STR("low"), BUDGET_LEAST },
	{ STR("low"), STR("low"), 1024 },
	{ STR("medium"), STR("medium"), 2048 },
	{ STR("high"), STR("high"), 4096 },
	{ STR("xhigh"), STR("xhigh"), 8192 },
	{ STR("max"), STR("max"), 16384 },
};

/* A turn of calls must bring the thoughts before them back; clients that lost them get an answer
 * without thinking. */
static bool has_lost_thoughts(const struct llm_request *q)
{
	bool has_calls = false, has_thoughts = false, is_assistant = false;
	for (const struct llm_message *m = q->messages; m; m = m->next) {
		bool begins = m->role == ROLE_ASSISTANT && !is_assistant;
		is_assistant = m->role == ROLE_ASSISTANT;
		if (begins)
			has_calls = has_thoughts = false;
		for (const struct llm_part *p = m->parts; p && is_assistant; p = p->next) {
			has_calls = has_calls || p->kind == PART_TOOL_CALL;
			has_thoughts = has_thoughts || (p->kind == PART_REASONING &&
							(p->signature.n || p->data.n ||
							 json_get(p->raw, "data")));
		}
	}
	return has_calls && !has_thoughts;
}

static uint64_t limit_of(const struct ant_writing *w)
{
	uint64_t v;
	return str_read_u64(w->limit, &v) == 0 ? v : 0;
}

static int set_limit(struct ant_writing *w, uint64_t v)
{
	w->limit = arena_printf(w->mem, "%llu", (unsigned long long)v);
	return w->limit.p ? 0 : -ENOMEM;
}

/* The budget is part of the answer's limit, and must be below it. */
static int make_room(struct ant_writing *w, uint64_t budget)
{
	uint64_t limit = limit_of(w);
	if (!w->limit.p)
		return set_limit(w, budget + LIMIT_DEFAULT);
	return limit && limit <= budget ? set_limit(w, budget + limit) : 0;
}

static int add_budget(struct ant_writing *w, unsigned budget)
{
	struct str json = arena_printf(w->mem, "{\"type\":\"enabled\",\"budget_tokens\":%u}",
				       budget);
	int err = json.p ? ant_add(w, STR("thinking"), json) : -ENOMEM;
	w->thinks = true;
	return err ? err : make_room(w, budget);
}

static int drop_member(struct ant_writing *w, struct str name)
{
	for (struct llm_other **at = &w->members; *at; at = &(*at)->next)
		if (str_eq((*at)->name, name)) {
			*at = (*at)->next;
			break;
		}
	return 0;
}

/* Words of the vendor's own, from the client or the operator. */
static int settle_given_thinking(struct ant_writing *w, struct str given)
{
	const struct json *j = ant_parse(w, given);
	struct str type = json_get_str(w->mem, j, "type");
	int64_t budget;
	bool may_change = w->q->family != FAMILY_ANTHROPIC;
	if (may_change && has_lost_thoughts(w->q) && !str_eq(type, STR("disabled")))
		return drop_member(w, STR("thinking"));
	w->thinks = !str_eq(type, STR("disabled"));
	if (may_change && json_read_i64(json_get(j, "budget_tokens"), &budget) == 0 && budget > 0 &&
	    budget < INT32_MAX)
		return make_room(w, (uint64_t)budget);
	return 0;
}

static int settle_effort(struct ant_writing *w, const struct effort *e)
{
	bool may_think = !ant_forces_tool(w) && !has_lost_thoughts(w->q);
	if (w->model.thinks_adaptively && (!e->budget || may_think)) {
		w->thinks = e->budget > 0;
		return ant_add(w, STR("thinking"), w->thinks ? STR("{\"type\":\"adaptive\"}")
							     : STR("{\"type\":\"disabled\"}"));
	}
	if (!e->budget || w->model.thinks_adaptively)
		return 0;
	if (!w->model.may_think)
		return ant_refuse_param(w, STR("reasoning_effort"));
	return may_think ? add_budget(w, e->budget) : 0;
}

static const struct effort *find_effort(struct str name)
{
	for (size_t i = 0; i < COUNT(efforts); i++)
		if (str_eq(efforts[i].name, name))
			return &efforts[i];
	return NULL;
}

/* A client of the vendor's own dialect has said all there is in its words. */
static int settle_thinking(struct ant_writing *w)
{
	bool is_known = w->q->family == FAMILY_ANTHROPIC;
	const struct effort *e = is_known || !w->effort.p ? NULL : find_effort(w->effort);
	struct str given = ant_find(w, STR("thinking"));
	if (!is_known && w->effort.p && !e)
		return ant_refuse(w, OUTCOME_BAD_REQUEST, STR("reasoning_effort"),
				  "reasoning_effort must be one of none, minimal, low, medium, "
				  "high, xhigh and max");
	if (given.p)
		return settle_given_thinking(w, given);
	return e ? settle_effort(w, e) : 0;
}

/* --- the form of the answer --- */

static struct str effort_word(const struct ant_writing *w)
{
	const struct effort *e = w->model.thinks_adaptively ? find_effort(w->effort) : NULL;
	return e ? e->adaptive : STR_NONE;
}

/* What came in the vendor's own words says all that it should. */
static int settle_output(struct ant_writing *w)
{
	const struct llm_request *q = w->q;
	struct str effort = effort_word(w);
	bool has_format = q->format == FORMAT_SCHEMA && !w->has_own_format &&
			  !ant_uses_format_tool(w);
	const struct json *schema = has_format ? ant_parse(w, q->format_schema) : NULL;
	struct buf b;
	if ((!effort.n && !schema) || q->family == FAMILY_ANTHROPIC)
		return 0;
	buf_init(&b, 64 * q->format_schema.n + 256);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	if (effort.n)
		json_put_str(&o, "effort", effort);
	if (schema) {
		json_open(&o, "format");
		json_put_z(&o, "type", "json_schema");
		json_put_raw(&o, "schema", STR(""));
		ant_put_closed(&b, schema);
		json_close(&o);
	}
	json_close(&o);
	struct str json = ant_take_text(w, &b);
	return json.p ? ant_add(w, STR("output_config"), json) : -ENOMEM;
}

/* --- sampling --- */

static bool is_number(struct str number, double least, double most)
{
	double v;
	return str_read_double(number, &v) == 0 && v >= least && v <= most;
}

/* What only the deployment wished for is let go. */
static int refuse_number(struct ant_writing *w, const char *name, struct str asked)
{
	return asked.p ? ant_refuse_param(w, str_z(name)) : 0;
}

static int settle_temperature(struct ant_writing *w)
{
	bool is_fixed = w->thinks || !w->model.samples_freely;
	if (!w->temperature.p || (is_fixed && is_number(w->temperature, 1, 1)))
		return 0;
	if (is_fixed)
		return refuse_number(w, "temperature", w->q->temperature);
	return ant_add(w, STR("temperature"), is_number(w->temperature, 1, 1e9) ? STR("1")
									       : w->temperature);
}

/* 1 cuts nothing off, and some models take no second number beside the temperature. */
static int settle_top_p(struct ant_writing *w)
{
	double least = w->thinks ? 0.95 : 0;
	if (!w->model.samples_freely)
		least = 0.99;
	if (!w->top_p.p || is_number(w->top_p, 1, 1))
		return 0;
	if (!is_number(w->top_p, least, 1))
		return refuse_number(w, "top_p", w->q->top_p);
	return w->model.samples_freely ? ant_add(w, STR("top_p"), w->top_p) : 0;
}

static int settle_top_k(struct ant_writing *w)
{
	if (!w->top_k.p)
		return 0;
	if (w->thinks || !w->model.samples_freely)
		return refuse_number(w, "top_k", w->q->top_k);
	return ant_add(w, STR("top_k"), w->top_k);
}

/* A client of the vendor's own dialect knows what it asks for. */
static int settle_sampling(struct ant_writing *w)
{
	bool is_known = w->q->family == FAMILY_ANTHROPIC;
	int err = is_known ? ant_add(w, STR("temperature"), w->temperature) : settle_temperature(w);
	if (!err)
		err = is_known ? ant_add(w, STR("top_p"), w->top_p) : settle_top_p(w);
	if (!err)
		err = is_known ? ant_add(w, STR("top_k"), w->top_k) : settle_top_k(w);
	return err;
}

/* --- the rest --- */

/* The vendor refuses a sequence that is nothing but white space. */
static int settle_stop(struct ant_writing *w)
{
	const struct json *list = ant_parse(w, w->stop);
	struct buf b;
	if (!json_is(list, JSON_ARRAY))
		return 0;
	buf_init(&b, w->stop.n + 16);
	struct json_out o = json_out(&b);
	json_open_array(&o, NULL);
	for (const struct json *j = list->child; j; j = j->next) {
		struct str s = json_str(w->mem, j);
		size_t i = 0;
		while (i < s.n && strchr(" \t\r\n", s.p[i]) && s.p[i])
			i++;
		if (i < s.n || w->q->family == FAMILY_ANTHROPIC)
			json_put_raw(&o, NULL, j->raw);
	}
	json_close_array(&o);
	struct str json = ant_take_text(w, &b);
	if (str_eq(json, STR("[]")))
		return 0;
	return json.p ? ant_add(w, STR("stop_sequences"), json) : -ENOMEM;
}

/* The vendor wants no e-mail address and no telephone number for a name. */
static bool is_personal(struct str user)
{
	size_t at = str_find_char(user, '@'), digits = 0;
	if (at != SIZE_MAX && str_find_char(str_skip(user, at), '.') != SIZE_MAX)
		return true;
	for (size_t i = 0; i < user.n; i++) {
		if (!user.p[i] || !strchr("0123456789 ()-+", user.p[i]))
			return false;
		digits += user.p[i] >= '0' && user.p[i] <= '9';
	}
	return digits >= 7;
}

static struct str quoted(struct ant_writing *w, struct str text)
{
	struct buf b;
	buf_init(&b, 6 * text.n + 16);
	struct json_out o = json_out(&b);
	json_put_str(&o, NULL, text);
	return ant_take_text(w, &b);
}

static int settle_user(struct ant_writing *w)
{
	if (!w->user.n || (w->q->family != FAMILY_ANTHROPIC && is_personal(w->user)))
		return 0;
	struct str id = quoted(w, w->user);
	struct str json = id;
	if (id.p)
		json = arena_printf(w->mem, "{\"user_id\":" STR_FMT "}", STR_ARG(id));
	return json.p ? ant_add(w, STR("metadata"), json) : -ENOMEM;
}

static int settle_tier(struct ant_writing *w)
{
	if (!w->tier.n)
		return 0;
	if (str_eq(w->tier, STR("auto")))
		return ant_add(w, STR("service_tier"), STR("\"auto\""));
	if (str_eq(w->tier, STR("default")) || str_eq(w->tier, STR("standard_only")))
		return ant_add(w, STR("service_tier"), STR("\"standard_only\""));
	return ant_refuse_param(w, STR("service_tier"));
}

int ant_settle_members(struct ant_writing *w)
{
	int err = settle_thinking(w);
	if (!err)
		err = settle_output(w);
	if (!err)
		err = settle_sampling(w);
	if (!err)
		err = settle_stop(w);
	if (!err)
		err = settle_user(w);
	if (!err)
		err = settle_tier(w);
	if (!err && !w->limit.p)
		err = set_limit(w, LIMIT_DEFAULT);
	return err ? err : ant_add(w, STR("max_tokens"), w->limit);
}
