/* SPDX-License-Identifier: MIT
 * limits.c - may they ask this, now: model access, requests and tokens a minute, for the key and
 * for all its other owners. The words stand on the board: exact over all workers. Tokens are taken
 * by estimate and corrected when the provider has counted (settle/account.c). */
#include <errno.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/rate.h"
#include "worker/decide/bearer.h"
#include "worker/decide/own_router.h"
#include "worker/decide/owners.h"
#include "worker/decide/rules.h"
#include "worker/decide/route.h"
#include "worker/windows.h"

enum { MODELS_SHOWN = 900 };		/* bytes of a key's list in a refusal */

struct str route_next_alias(struct str *rules)
{
	while (rules->n) {
		struct str rule = str_cut(rules, '\0');
		if (rule.n > 1 && rule.p[0] == RULE_ALIAS)
			return str_skip(rule, 1);
	}
	return STR_NONE;
}

/* The model that is meant by that name. */
static struct str meant_by(struct str rules, struct str name)
{
	while (rules.n)
		if (str_eq(route_next_alias(&rules), name) && rules.n)
			return str_skip(str_cut(&rules, '\0'), 1);
	return STR_NONE;
}

/* First the key's aliases, then its team's, as with LiteLLM. */
struct str route_rename(struct request *r, struct str name)
{
	for (size_t i = 0; i < COUNT(r->aliases); i++) {
		struct str meant = meant_by(r->aliases[i], name);
		if (!meant.n)
			continue;
		r->renamed[i] = name;
		name = meant;
	}
	return name;
}

static bool has_aliases(const struct request *r)
{
	return r->aliases[DIR_KEY].n + r->aliases[DIR_TEAM].n;
}

static void look_up(struct request *r)
{
	if (has_aliases(r) && (!r->raw || r->raw->raw->source == RAW_MODEL))
		r->requested_model = route_rename(r, r->requested_model);
	if (r->raw)
		raw_resolve(r);
	else
		r->group = snap_resolve(r->snap, r->requested_model);
}

void route_look_up_for(struct request *r, struct str asked, struct str team_aliases)
{
	r->aliases[DIR_TEAM] = team_aliases;
	r->renamed[DIR_KEY] = r->renamed[DIR_TEAM] = STR_NONE;
	r->requested_model = asked;
	look_up(r);
}

static enum step refuse_unknown(struct request *r)
{
	if (r->raw && r->raw->missing.p)
		return request_fail(r, OUTCOME_BAD_REQUEST, "custom_llm_provider",
				    "no deployment of provider " STR_FMT " is configured",
				    STR_ARG(r->raw->missing));
	return request_fail(r, OUTCOME_UNKNOWN_MODEL, "model",
			    STR_FMT ": Invalid model name passed in model=" STR_FMT
			    ". Call `/v1/models` to view available models for your key.",
			    STR_ARG(r->http ? r->http->path : STR("")),
			    STR_ARG(r->requested_model));
}

enum step route_resolve(struct request *r)
{
	struct str asked = r->requested_model;
	look_up(r);
	if (r->token && bearer_choose_team(r, asked) != STEP_NEXT)
		return STEP_DONE;
	if (!r->group)
		return refuse_unknown(r);
	struct llm_error e = { 0 };
	int err = wish_read(r->mem, snap_settings(r->snap), r->http, &r->q, r->key.id, &r->wish,
			    &e);
	if (err == -ENOMEM)
		return request_fail(r, OUTCOME_TOO_LARGE, NULL,
				    "the request needs too much memory");
	if (err < 0)
		return request_fail_with(r, &e);
	if (r->key.router.n + r->team.router.n && !own_router_read(r))
		return request_fail(r, OUTCOME_TOO_LARGE, NULL,
				    "the request needs too much memory");
	if (r->group->sticky)
		r->wish.sticky = wish_sticky(r->mem, r->snap, r->group, r->http, &r->q, r->key.id);
	return STEP_NEXT;
}

/* A token's scopes bound it like a key's list of models; its key has no row among the owners. */
static bool scopes_bound(const struct request *r)
{
	return r->token && !(r->key.flags & KEY_ALL_MODELS);
}

bool request_may_use(const struct request *r, struct str name, const struct snap_group *g)
{
	if (scopes_bound(r) && !route_may_use(r->snap, r->w->dir, &r->key, name, g))
		return false;
	for (uint32_t i = 0; i < r->n_owners; i++)
		if (!route_may_use(r->snap, r->w->dir, r->owners[i].row, name, g))
			return false;
	return true;
}

bool limits_may(const struct request *r, const struct dir_key *k)
{
	/* Whose alias it is may use what it stands for; nobody else by that. */
	bool is_alias = k->kind <= DIR_TEAM && r->renamed[k->kind].n;
	struct str name = is_alias ? r->renamed[k->kind] : r->requested_model;
	return r->raw ? raw_may(r, k, name)
		      : route_may_use(r->snap, r->w->dir, k, name, r->group);
}

/* The owner that may not ask for what the request asks for; NULL: all may. */
static const struct dir_key *who_may_not(const struct request *r)
{
	if (scopes_bound(r) && !limits_may(r, &r->key))
		return &r->key;
	for (uint32_t i = 0; i < r->n_owners; i++)
		if (!limits_may(r, r->owners[i].row))
			return r->owners[i].row;
	return NULL;
}

const struct snap_group *route_may_ask(struct request *r, struct str name)
{
	const struct snap_group *group = r->group, *found;
	struct str asked = r->requested_model, of_key = r->renamed[DIR_KEY],
		   of_team = r->renamed[DIR_TEAM];
	r->renamed[DIR_KEY] = r->renamed[DIR_TEAM] = STR_NONE;
	r->requested_model = route_rename(r, name);
	r->group = snap_resolve(r->snap, r->requested_model);
	found = r->group && !who_may_not(r) ? r->group : NULL;
	r->renamed[DIR_KEY] = of_key;
	r->renamed[DIR_TEAM] = of_team;
	r->requested_model = asked;
	r->group = group;
	return found;
}

static void put_models(struct buf *list, struct str rest)
{
	while (rest.n) {
		struct str one = str_cut(&rest, '\0');
		if (list->n)
			BUF_PUT_LIT(list, ", ");
		if (list->n + one.n > MODELS_SHOWN) {
			BUF_PUT_LIT(list, "...");
			break;
		}
		buf_printf(list, "'" STR_FMT "'", STR_ARG(one));
	}
}

/* A provider that routes by itself takes a list of models besides (OpenRouter's `models`): who has
 * a list here may name there what stands in it. NULL: all may. */
static const struct dir_key *who_may_not_list(const struct request *r, struct str name)
{
	if (scopes_bound(r) && (!dir_key_may_use(&r->key, name) || dir_key_excludes(&r->key, name)))
		return &r->key;
	for (uint32_t i = 0; i < r->n_owners; i++) {
		const struct dir_key *k = r->owners[i].row;
		if (!dir_key_may_use(k, name) || dir_key_excludes(k, name))
			return k;
	}
	return NULL;
}

static const struct dir_key *who_may_not_besides(const struct request *r, struct str *ret_name)
{
	const struct dir_key *k = NULL;
	struct json_error e;
	for (const struct llm_other *o = r->q.other; o && !k; o = o->next) {
		if (!str_eq(o->name, STR("models")))
			continue;
		const struct json *list = json_parse(r->mem, o->json, 0, &e);
		const struct json *j = json_is(list, JSON_ARRAY) ? list->child : list;
		for (; j && !k; j = j->next) {
			*ret_name = json_str(r->mem, j);
			k = who_may_not_list(r, *ret_name);
		}
	}
	return k;
}

static enum step check_model(struct request *r)
{
	const struct dir_key *k = who_may_not(r);
	struct str name = r->requested_model;
	struct buf list;
	if (!k && r->q.other)
		k = who_may_not_besides(r, &name);
	if (!k)
		return STEP_NEXT;
	static const char *const nouns[DIR_KINDS] = { [DIR_KEY] = "key", [DIR_TEAM] = "team",
						      [DIR_USER] = "user",
						      [DIR_ORGANIZATION] = "org" };
	const char *what = nouns[k->kind] ? nouns[k->kind] : "key";
	buf_init(&list, 1024);
	put_models(&list, dir_models_named(k->models));
	struct llm_error e = {
		.outcome = OUTCOME_MODEL_DENIED,
		.type = owner_words[k->kind].denied ? str_z(owner_words[k->kind].denied) : STR_NONE,
		.param = STR("model"),
		.message = arena_printf(r->mem,
					"%s not allowed to access model. This %s can only access "
					"models=[" STR_FMT "]. Tried to access " STR_FMT,
					what, what, STR_ARG(buf_str(&list)), STR_ARG(name)),
	};
	buf_done(&list);
	return request_fail_with(r, &e);
}

enum step limits_check_model(struct request *r)
{
	enum step s = route_resolve(r);
	return s == STEP_NEXT ? check_model(r) : s;
}

/* ---- rates ---- */

struct rate {
	const char *what;
	uint64_t cost, now_ns;
	bool is_tokens;
};

static uint64_t limit_of(const struct request_owner *o, const struct rate *q)
{
	return q->is_tokens ? o->row->tpm : o->row->rpm;
}

static struct gcra_limit gcra_of(const struct request_owner *o, const struct rate *q)
{
	return (struct gcra_limit){ .per_minute = limit_of(o, q),
				    .burst = q->is_tokens ? 0 : o->row->rpm_burst };
}

static _Atomic uint64_t *word_of(const struct request_owner *o, const struct rate *q)
{
	return q->is_tokens ? &o->entity->tpm_tat : &o->entity->rpm_tat;
}

static enum step refuse_rate(struct request *r, const struct request_owner *o, const struct rate *q,
			     uint64_t wait_ns)
{
	char when[25];
	struct llm_error e = {
		.outcome = OUTCOME_RATE_LIMITED,
		.retry_after_ms = wait_ns / NS_PER_MS + 1,
		.message = arena_printf(r->mem,
					"Rate limit exceeded for %s: " STR_FMT
					". Limit type: %s. Current limit: %llu, "
					"Remaining: 0. Limit resets at: %s",
					owner_words[o->row->kind].rate, STR_ARG(o->row->last4),
					q->what,
					(unsigned long long)limit_of(o, q),
					clock_rfc3339(when, r->start_wall_ns + wait_ns)),
	};
	METRIC_ADD(r->w->metrics, limited, 1);
	return request_fail_with(r, &e);
}

/* From the first n owners: a refusal costs nobody anything. */
static void give_back(const struct request *r, uint32_t n, const struct rate *q)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct request_owner *o = &r->owners[i];
		struct gcra_limit limit = gcra_of(o, q);
		if (limit.per_minute)
			rate_refund(word_of(o, q), limit, q->now_ns, q->now_ns, q->cost);
	}
}

/* From all owners, or from none. */
static enum step take_rate(struct request *r, const struct rate *q)
{
	for (uint32_t i = 0; i < r->n_owners; i++) {
		const struct request_owner *o = &r->owners[i];
		struct gcra_limit limit = gcra_of(o, q);
		uint64_t wait = 0;
		if (rate_take(word_of(o, q), limit, q->now_ns, q->cost, &wait))
			continue;
		give_back(r, i, q);
		return refuse_rate(r, o, q, wait);
	}
	return STEP_NEXT;
}

static bool has_tpm(const struct request *r)
{
	for (uint32_t i = 0; i < r->n_owners; i++)
		if (r->owners[i].row->tpm)
			return true;
	return false;
}

enum step limits_take(struct request *r)
{
	struct rate requests = { .what = "requests", .cost = 1, .now_ns = clock_coarse_ns() };
	uint32_t flags = snap_settings(r->snap)->flags;
	if ((r->rules.n || flags & SET_ENFORCED_PARAMS) &&
	    rules_check_body(r) != STEP_NEXT)
		return STEP_DONE;
	enum step s = owners_beside(r);
	if (s == STEP_NEXT)
		s = check_model(r);
	if (s == STEP_NEXT && (r->has_windows || flags & SET_RESERVATION))
		s = windows_take_request(r);
	return s == STEP_NEXT ? take_rate(r, &requests) : s;
}

static uint64_t likely_prompt(struct request *r)
{
	return r->raw ? r->raw->known.input : request_prompt_tokens(r);
}

/* Where output alone counts, the least that an answer has. */
static uint64_t likely_tokens(struct request *r)
{
	return snap_settings(r->snap)->token_rate == TOKENS_OUTPUT ? 1 : likely_prompt(r);
}

enum step limits_take_tokens(struct request *r)
{
	struct rate tokens = { .what = "tokens", .is_tokens = true };
	if (r->windows && windows_take_tokens(r, likely_prompt(r)) != STEP_NEXT)
		return STEP_DONE;
	if (has_tpm(r)) {
		tokens.now_ns = clock_coarse_ns();
		tokens.cost = likely_tokens(r);
		enum step s = take_rate(r, &tokens);
		if (s != STEP_NEXT)
			return s;
		r->tokens_taken = tokens.cost;
		r->tokens_taken_ns = tokens.now_ns;
	}
	(void)FAULT("limits.after_take");
	return STEP_NEXT;
}
