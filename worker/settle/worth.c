/* SPDX-License-Identifier: MIT
 * worth.c - what a request may cost at most, and what its attempts have used: from what was asked,
 * what a provider told, and by estimates where it told nothing. See account_private.h. */
#include "common/price.h"
#include "worker/settle/account.h"
#include "worker/settle/account_private.h"
#include "worker/skim.h"

enum {
	EMPTY_EVENTS = 16,	/* role, usage, end and the like bring no token */
	BYTES_PER_TOKEN = 4,	/* a guess */
	LIKELY_SEARCHES = 10	/* where nobody says how many there may be */
};

static const struct snap_settings *set_of(const struct request *r)
{
	return snap_settings(r->snap);
}

/* What the model asked for costs at one deployment, and how much it takes and gives. */
struct named_price {
	struct named_price *next;	/* of the same request, whose memory it is in */
	const struct snap_deployment *d;
	const struct snap_group *group;
	struct str asked;		/* what the group was asked for */
	struct snap_price found;
};

static struct snap_price look_for_price(const struct request *r, const struct snap_deployment *d)
{
	struct snap_price p = { .price = d->price };
	if (r->group)
		(void)snap_model_price(r->snap, r->group, d, request_model(r), &p);
	if (d->max_input_tokens)
		p.max_input_tokens = d->max_input_tokens;
	if (d->max_output_tokens)
		p.max_output_tokens = d->max_output_tokens;
	return p;
}

/* Without memory it is looked for each time: a request that has taken all is not free for that. */
static const struct snap_price *price_by_name(struct request *r, const struct snap_deployment *d)
{
	struct named_price *p = r->prices;
	struct str asked = request_model(r);
	/* Of a group that is left what it was asked for last. */
	while (p && (p->d != d || (p->group == r->group && !str_eq(p->asked, asked))))
		p = p->next;
	if (p)
		return &p->found;
	p = arena_alloc(r->mem, sizeof *p);
	if (!p) {
		r->w->spare_price = look_for_price(r, d);
		return &r->w->spare_price;
	}
	*p = (struct named_price){ .next = r->prices, .d = d, .group = r->group, .asked = asked,
				   .found = look_for_price(r, d) };
	r->prices = p;
	return &p->found;
}

static uint32_t longest_prompt(struct request *r, const struct snap_deployment *d)
{
	return d->flags & DEPLOY_PRICE_BY_NAME ? price_by_name(r, d)->max_input_tokens :
						 d->max_input_tokens;
}

static uint32_t longest_answer(struct request *r, const struct snap_deployment *d)
{
	return d->flags & DEPLOY_PRICE_BY_NAME ? price_by_name(r, d)->max_output_tokens :
						 d->max_output_tokens;
}

const struct price *account_price(struct request *r, const struct snap_deployment *d)
{
	if (r->raw && r->raw->price)
		return r->raw->price;
	return d->flags & DEPLOY_PRICE_BY_NAME ? &price_by_name(r, d)->price : &d->price;
}

static uint64_t count_answers(const struct request *r)
{
	uint64_t n = r->q.n ? r->q.n : 1;
	if (r->q.best_of > n)
		n = r->q.best_of;
	return r->q.kind == LLM_TEXT && r->q.n_inputs > 1 ? n * r->q.n_inputs : n;
}

/* The longest answers that request or model allow; 0: neither says. */
static uint64_t allowed_tokens(struct request *r, const struct snap_deployment *d)
{
	const struct llm_request *q = &r->q;
	uint64_t told = q->most_tokens > q->max_tokens ? q->most_tokens : q->max_tokens;
	bool is_told = q->max_tokens && !(d->flags & DEPLOY_NO_LIMIT);
	return (is_told ? told : longest_answer(r, d)) * count_answers(r);
}

static uint64_t answer_tokens(struct request *r, const struct snap_deployment *d)
{
	uint64_t most = allowed_tokens(r, d);
	if (r->q.kind == LLM_EMBED || r->q.kind == LLM_RERANK)
		return 0;
	return most ? most : set_of(r)->default_max_tokens * count_answers(r);
}

/* Whether what is asked may put some of the prompt into the provider's cache for an hour, which
 * costs more than to read it: {"cache_control": {"type": "ephemeral", "ttl": "1h"}}. */
static bool keeps_an_hour(const struct price *p, struct str body)
{
	return p->cache_write_hour > 0 && str_find(body, STR("\"1h\"")) != SIZE_MAX;
}

/* ---- service tiers, searches and other tools ------------------------------------------------- */

/* A member as the client wrote it, of what the gateway only hands on. */
static struct str asked_member(const struct request *r, const char *name)
{
	const struct json *in_raw = r->raw ? json_get(r->raw->root, name) : NULL;
	if (in_raw)
		return in_raw->raw;
	for (const struct llm_other *o = r->q.other; o; o = o->next)
		if (str_eq_z(o->name, name))
			return o->json;
	return STR_NONE;
}

static bool deployment_says(const struct request *r, const struct snap_deployment *d,
			    struct str name)
{
	return str_find(snap_text(r->snap, d->extra_body), name) != SIZE_MAX ||
	       str_find(snap_text(r->snap, d->rules), name) != SIZE_MAX;
}

static enum price_tier asked_tier(const struct request *r)
{
	struct str word = asked_member(r, "service_tier");
	return word.n >= 2 && word.p[0] == '"' ? price_tier_of(str_of(word.p + 1, word.n - 2)) :
						 TIER_UNTOLD;
}

/* The dearest tier that may answer. Who names none leaves it to the settings of an account at the
 * provider, and so does who names one that the deployment's settings may overrule. */
static uint8_t dearest_tier(const struct request *r, const struct snap_deployment *d)
{
	enum price_tier asked = asked_tier(r);
	bool is_fixed = asked != TIER_UNTOLD && asked != TIER_PRIORITY &&
			!deployment_says(r, d, STR("service_tier"));
	return is_fixed ? TIER_STANDARD : TIER_PRIORITY;
}

/* Models that answer nothing without a search: OpenAI's gpt-4o-search-preview, Perplexity's. */
static bool always_searches(struct str model)
{
	return str_find(model, STR("search-preview")) != SIZE_MAX ||
	       str_find(model, STR("sonar")) != SIZE_MAX;
}

/* Whether a chat at d is one search, which is all that its provider may tell of it. */
static bool is_a_search(const struct request *r, const struct snap_deployment *d)
{
	if (r->raw || r->q.kind != LLM_CHAT || d->family != FAMILY_OPENAI)
		return false;
	return asked_member(r, "web_search_options").n > 2 ||
	       always_searches(snap_text(r->snap, d->model)) || always_searches(request_model(r));
}

enum tool { TOOL_WEB, TOOL_FILES, TOOL_CODE };	/* of a provider's, that are paid */

/* By the names that it has in any format: one of them stands in `text`. */
static bool names_tool(struct str text, enum tool tool)
{
	static const char *const words[][3] = {
		[TOOL_WEB] = { "web_search", "googleSearch", "google_search" },
		[TOOL_FILES] = { "file_search", NULL, NULL },
		[TOOL_CODE] = { "code_interpreter", NULL, NULL } };
	for (size_t i = 0; i < COUNT(words[tool]) && words[tool][i]; i++)
		if (str_find(text, str_z(words[tool][i])) != SIZE_MAX)
			return true;
	return false;
}

/* A container serves all calls of an answer. "max_uses" is Anthropic's. */
static uint64_t uses_of_tool(const struct llm_tool *t, enum tool tool)
{
	uint64_t n;
	if (tool == TOOL_CODE)
		return 1;
	return str_read_u64(skim_get(t->schema, STR("max_uses")), &n) == 0 ? n : LIKELY_SEARCHES;
}

/* How often a tool is set aside for. */
static uint32_t most_uses(const struct request *r, enum tool tool, uint64_t n)
{
	uint64_t most = 0;
	if (r->raw && names_tool(r->raw->body, tool))
		n += tool == TOOL_CODE ? 1 : LIKELY_SEARCHES;
	for (const struct llm_tool *t = r->q.tools; t; t = t->next)
		if (t->kind == TOOL_OTHER && names_tool(t->name, tool))
			n += uses_of_tool(t, tool);
	if (n && str_read_u64(asked_member(r, "max_tool_calls"), &most) == 0 && most < n)
		n = most;
	return n < WEB_SEARCHES_MAX ? (uint32_t)n : WEB_SEARCHES_MAX;
}

/* What the prices want to know besides; most: of a reservation. */
static void reserve_more(const struct request *r, const struct snap_deployment *d,
			 const struct price *p, struct usage *most)
{
	if (p->flags & PRICE_TIERED)
		most->tier = dearest_tier(r, d);
	if (p->flags & PRICE_SEARCHED)
		most->web_searches = most_uses(r, TOOL_WEB, is_a_search(r, d));
	if (p->flags & PRICE_TOOLED && (r->raw || r->q.tools)) {
		most->file_searches = most_uses(r, TOOL_FILES, 0);
		most->sessions = most_uses(r, TOOL_CODE, 0);
	}
}

/* Where the answer does not tell its tier it is the dearer of what was asked and the standard one:
 * who asks for a cheap one and is not told that it was, does not get its price. */
static void settle_more(const struct request *r, const struct snap_deployment *d,
			const struct price *p, struct usage *u)
{
	if (p->flags & PRICE_TIERED && u->tier == TIER_UNTOLD && asked_tier(r) == TIER_PRIORITY)
		u->tier = TIER_PRIORITY;
	if (!(p->flags & PRICE_SEARCHED))
		return;
	if (!u->search_size)
		u->search_size = (uint8_t)search_size_of(
			skim_word(asked_member(r, "web_search_options"),
				  STR("search_context_size")));
	if (!u->web_searches && is_a_search(r, d))
		u->web_searches = 1;
}

/* ---- at most --------------------------------------------------------------------------------- */

/* Of a call that is relayed. Its output, where nothing is sold by another measure, is that of
 * any answer. */
static int64_t worst_relayed(struct request *r, const struct snap_deployment *d)
{
	struct usage most = r->raw->most;
	if (most.output == 0)
		most.output = answer_tokens(r, d);
	most.cache_write_hour = keeps_an_hour(account_price(r, d), r->raw->body);
	reserve_more(r, d, account_price(r, d), &most);
	return price_most(account_price(r, d), &most);
}

int64_t account_worst(struct request *r, const struct snap_deployment *d)
{
	if (r->raw)
		return worst_relayed(r, d);
	uint64_t in =
		set_of(r)->reserve_mode ? request_prompt_tokens(r) : estimate_prompt_worst(&r->q);
	uint64_t out = answer_tokens(r, d);
	in += r->more_prompt;
	if (r->q.kind == LLM_RERANK) {
		/* Many documents are many inputs of the model, each within its limit. */
		struct usage u = { .input = in, .searches = estimate_searches_worst(&r->q) };
		return price_cost(account_price(r, d), &u);
	}
	uint32_t most = longest_prompt(r, d);
	if (most && in > most)
		in = most;		/* more than that a provider refuses */
	const struct price *p = account_price(r, d);
	struct usage u = { .input = in, .output = out,
			   .cache_write_hour = keeps_an_hour(p, r->q.body) };
	reserve_more(r, d, p, &u);
	return price_most(p, &u);
}

int64_t account_worst_of_group(struct request *r)
{
	int64_t most = 0;
	for (uint32_t i = 0; i < r->group->members.count; i++) {
		uint32_t index = snap_member(r->snap, r->group, i);
		int64_t one = account_worst(r, snap_deployment(r->snap, index));
		most = one > most ? one : most;
	}
	return most;
}

uint64_t account_guess_input(struct request *r)
{
	uint64_t likely = request_prompt_tokens(r), worst = estimate_prompt_worst(&r->q);
	return (likely < worst ? likely : worst) + r->more_prompt / BYTES_PER_TOKEN;
}

/* A guess by the text is often too high, and a stream must not be cut for that: no token is
 * shorter than a byte, and no answer longer than allowed unless it took more events. */
static uint64_t guessed_output(struct request *r, const struct snap_deployment *d,
			       const struct llm_tally *t)
{
	uint64_t n = (t->estimate_milli + 999) / 1000;
	uint64_t most = d ? allowed_tokens(r, d) : 0;
	if (n > t->content_bytes)
		n = t->content_bytes;
	return most && n > most && t->events <= most + EMPTY_EVENTS ? most : n;
}

/* What a relayed call used: what the provider told; else tokens by a guess, where they are what
 * is sold; and what the request itself says. */
static struct usage relayed_usage(struct request *r)
{
	const struct llm_tally *t = &r->tally;
	const struct raw_call *c = r->raw;
	const struct price *p = r->deployment ? account_price(r, r->deployment) : NULL;
	struct usage u = t->usage;
	if (c->is_read)			/* what an answer says that was made, and paid, before */
		return (struct usage){ 0 };
	bool by_other = p && (p->per_image || p->per_second || p->per_character);
	if (!t->has_content && r->outcome != OUTCOME_OK && !r->is_asked)
		return u;
	if (!t->has_usage && p && !by_other && c->raw->source != RAW_TARGET) {
		u.input = c->known.input;
		u.output = t->events;	/* of a stream: nearly each is a token */
		u.estimated = p->input > 0 || p->output > 0;
	}
	if (c->known.images > u.images)
		u.images = c->known.images;
	u.characters = c->known.characters;
	if (!u.milliseconds && c->known.milliseconds) {
		u.milliseconds = c->known.milliseconds;
		u.estimated |= p && p->per_second;
	}
	u.estimated |= c->is_sized && p && p->per_image;
	if (p)
		settle_more(r, r->deployment, p, &u);
	return u;
}

/* What one attempt at d used. */
struct usage account_usage_of(struct request *r, const struct snap_deployment *d,
			     const struct llm_tally *t)
{
	struct usage u = t->usage;
	if (!t->has_usage) {
		u.input = account_guess_input(r);
		u.output = guessed_output(r, d, t);
		u.estimated = true;
	} else if (!t->is_done && guessed_output(r, d, t) > u.output) {
		u.output = guessed_output(r, d, t);	/* broken off after an early count */
		u.estimated = true;
	}
	if (r->q.kind == LLM_RERANK && !u.searches)
		u.searches = estimate_searches(&r->q);	/* few providers count them */
	settle_more(r, d, account_price(r, d), &u);
	usage_clamp(&u);
	return u;
}

/* What the attempt used that answers. */
static struct usage answer_usage(struct request *r)
{
	const struct llm_tally *t = &r->tally;
	struct usage u = t->usage;
	if (r->raw)
		u = relayed_usage(r);
	else if (t->has_usage || t->has_content || r->is_streaming || r->outcome == OUTCOME_OK ||
		 r->is_asked)
		return account_usage_of(r, r->deployment, t);
	usage_clamp(&u);
	return u;
}

int64_t account_cost_of(struct request *r, const struct usage *u)
{
	return r->deployment ? price_cost(account_price(r, r->deployment), u) : 0;
}

int64_t account_cost(struct request *r, struct usage *ret_usage)
{
	*ret_usage = answer_usage(r);
	int64_t cost = account_cost_of(r, ret_usage);
	if (!r->extra_nano && !r->extra.input)
		return cost;
	usage_add(ret_usage, &r->extra);
	return cost + r->extra_nano;
}
