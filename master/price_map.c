/* SPDX-License-Identifier: MIT
 * price_map.c - see price_map.h. An entry means here what etc/make-prices makes of it, so that an
 * import of the map that the shipped table was made from changes nothing. */
#include "master/price_map.h"

#include <stdio.h>

enum { PROVIDER_MAX = 64, TIERS_MAX = 16, NAMES_MAX = 2 };

/* No model costs more than a thousand dollars per million tokens: the map mixes up its units
 * there. */
#define DEAREST INT64_C(1000000000)

struct reading {
	struct arena *mem;
	const struct json *row;		/* the entry */
	const struct json *below;	/* the first of its tiered_pricing, or NULL */
	enum price_verdict verdict;
	char *why;
};

/* Members that are a price for a token, in the order of the table's columns. */
static const char *const token_prices[][NAMES_MAX] = {
	{ "input_cost_per_token" },
	{ "output_cost_per_token" },
	{ "cache_read_input_token_cost", "input_cost_per_token_cache_hit" },
	{ "cache_creation_input_token_cost" },
	{ "output_cost_per_reasoning_token" },
};
enum { TOKEN_PRICES = COUNT(token_prices) };

static void refuse(struct reading *r, const char *member, const char *what)
{
	if (r->verdict != PRICE_TAKEN)
		return;
	r->verdict = PRICE_REFUSED;
	snprintf(r->why, 160, "%s%s%s", member, *member ? " " : "", what);
}

/* ---- values ---- */

static struct str text_of(struct reading *r, const struct json *j)
{
	struct str s = j->type == JSON_STRING ? json_str(r->mem, j) : j->raw;
	if (!s.p)
		r->verdict = PRICE_NO_MEMORY;
	return str_trim(s);
}

/* PRICE_NONE where there is none. */
static int64_t read_price(struct reading *r, const struct json *object, const char *name)
{
	const struct json *j = json_get(object, name);
	int64_t pico;
	if (!json_is_given(j))
		return PRICE_NONE;
	if ((j->type == JSON_NUMBER || j->type == JSON_STRING) &&
	    price_read_pico(text_of(r, j), &pico) == 0)
		return pico;
	refuse(r, name, "is not a price");
	return PRICE_NONE;
}

static int64_t first_price(struct reading *r, const struct json *object,
			   const char *const names[NAMES_MAX])
{
	int64_t pico = PRICE_NONE;
	for (unsigned i = 0; i < NAMES_MAX && names[i] && pico == PRICE_NONE; i++)
		pico = read_price(r, object, names[i]);
	return pico;
}

static int64_t one_of(struct reading *r, const char *name, const char *other)
{
	const char *const names[NAMES_MAX] = { name, other };
	return first_price(r, r->row, names);
}

static uint64_t first_count(struct reading *r, const char *name, const char *other)
{
	const char *const names[] = { name, other };
	for (unsigned i = 0; i < COUNT(names); i++) {
		double v;
		if (json_read_double(json_get(r->row, names[i]), &v) == 0 && v >= 1)
			return v <= UINT32_MAX ? (uint64_t)v : UINT32_MAX;
	}
	return 0;
}

/* A text of the entry that may stand in a cell. */
static struct str read_text(struct reading *r, const char *name)
{
	const struct json *j = json_get(r->row, name);
	if (!json_is_given(j))
		return STR("");
	struct str s = j->type == JSON_STRING ? text_of(r, j) : STR_NONE;
	bool good = s.p && s.n <= PROVIDER_MAX;
	for (size_t i = 0; i < s.n && good; i++)
		good = (unsigned char)s.p[i] >= ' ';
	if (!good)
		refuse(r, name, "is not a short text");
	return good ? s : STR("");
}

/* ---- tiers ---- */

struct tier {
	uint64_t tokens;		/* 0: there is none */
	int64_t input, output, read, write;
};

static void keep_dearer(int64_t *kept, int64_t seen)
{
	*kept = seen > *kept ? seen : *kept;
}

/* Of several dearer tiers the dearest counts, from the first threshold on: a reservation is never
 * too small. */
static void add_tier(struct tier *t, const struct tier *more)
{
	t->tokens = !t->tokens || more->tokens < t->tokens ? more->tokens : t->tokens;
	keep_dearer(&t->input, more->input);
	keep_dearer(&t->output, more->output);
	keep_dearer(&t->read, more->read);
	keep_dearer(&t->write, more->write);
}

static int64_t above(struct reading *r, const char *what, struct str thousands)
{
	char name[96];
	snprintf(name, sizeof name, "%s_above_" STR_FMT "k_tokens", what, STR_ARG(thousands));
	return read_price(r, r->row, name);
}

/* input_cost_per_token_above_200k_tokens, and its siblings. */
static void read_above(struct reading *r, const struct json *j, struct tier *t)
{
	const struct str before = STR("input_cost_per_token_above_"), behind = STR("k_tokens");
	uint64_t k;
	if (!str_starts(j->key, before) || !str_ends(j->key, behind) ||
	    j->key.n <= before.n + behind.n)
		return;
	struct str digits = str_of(j->key.p + before.n, j->key.n - before.n - behind.n);
	if (str_read_u64(digits, &k) < 0)
		return;			/* another rule: "above_1hr_above_200k_tokens" */
	if (!k || k > UINT32_MAX / 1000) {
		refuse(r, "input_cost_per_token_above", "has no threshold that a prompt reaches");
		return;
	}
	struct tier one = { k * 1000, above(r, "input_cost_per_token", digits),
			    above(r, "output_cost_per_token", digits),
			    above(r, "cache_read_input_token_cost", digits),
			    above(r, "cache_creation_input_token_cost", digits) };
	add_tier(t, &one);
}

static void read_ranges(struct reading *r, const struct json *list, struct tier *t)
{
	for (const struct json *j = list->child ? list->child->next : NULL; j; j = j->next) {
		const struct json *range = json_get(j, "range");
		double from = 0;
		if (!range)
			return;		/* tiers of something else than prompts */
		if (json_read_double(json_at(range, 0), &from) < 0 || from < 1 ||
		    from > UINT32_MAX) {
			refuse(r, "tiered_pricing", "has a range without a beginning");
			return;
		}
		struct tier one = { t->tokens ? t->tokens : (uint64_t)from,
				    read_price(r, j, "input_cost_per_token"),
				    read_price(r, j, "output_cost_per_token"),
				    read_price(r, j, "cache_read_input_token_cost"),
				    read_price(r, j, "cache_creation_input_token_cost") };
		add_tier(t, &one);
	}
}

static struct tier read_tier(struct reading *r)
{
	struct tier t = { .input = PRICE_NONE, .output = PRICE_NONE, .read = PRICE_NONE,
			  .write = PRICE_NONE };
	const struct json *list = json_get(r->row, "tiered_pricing");
	for (const struct json *j = r->row->child; j; j = j->next)
		read_above(r, j, &t);
	if (!t.tokens && json_is(list, JSON_ARRAY) && list->count > 1)
		read_ranges(r, list, &t);
	return t;
}

/* ---- a line ---- */

/* The names that prices by another measure have, where the mode sells that. */
static void read_measures(struct reading *r, struct str mode, int64_t ret[3])
{
	ret[0] = ret[1] = ret[2] = PRICE_NONE;
	if (str_starts(mode, STR("image_")))
		ret[0] = one_of(r, "output_cost_per_image", "input_cost_per_image");
	if (str_starts(mode, STR("audio_")))
		ret[1] = one_of(r, "input_cost_per_second", "output_cost_per_second");
	if (str_eq(mode, STR("audio_speech")))
		ret[2] = one_of(r, "input_cost_per_character", "output_cost_per_character");
}

/* A token of images or sound, where it does not cost what one of text does. */
static void read_media(struct reading *r, int64_t ret[2])
{
	ret[0] = one_of(r, "input_cost_per_audio_token", "input_cost_per_image_token");
	ret[1] = one_of(r, "output_cost_per_audio_token", "output_cost_per_image_token");
	if (ret[0] == read_price(r, r->row, "input_cost_per_token"))
		ret[0] = PRICE_NONE;
	if (ret[1] == read_price(r, r->row, "output_cost_per_token"))
		ret[1] = PRICE_NONE;
}

/* What tokens cost at each service tier, and in batches, in the order of the table's columns. */
static const char *const tier_prices[] = {
	"input_cost_per_token_flex", "output_cost_per_token_flex",
	"cache_read_input_token_cost_flex",
	"input_cost_per_token_priority", "output_cost_per_token_priority",
	"cache_read_input_token_cost_priority",
	"input_cost_per_token_batches", "output_cost_per_token_batches",
};
static const char searches[] = "search_context_cost_per_query";
static const char *const search_sizes[] = { "search_context_size_low", "search_context_size_medium",
					    "search_context_size_high" };

/* In pico-dollars: what OpenAI and Azure take for their own tools with any model, and Google for a
 * prompt that is grounded on searches, from Gemini 3 on for each search. The map has none of it. */
#define FILE_SEARCH INT64_C(2500000000)
#define SESSION INT64_C(30000000000)
#define GROUNDED_PROMPT INT64_C(35000000000)
#define GROUNDING_SEARCH INT64_C(14000000000)

static bool is_gemini(struct str provider)
{
	return str_eq(provider, STR("gemini")) ||
	       str_eq(provider, STR("vertex_ai-language-models"));
}

static bool sells_tools(struct str provider, struct str mode)
{
	return (str_eq(provider, STR("openai")) || str_eq(provider, STR("azure"))) &&
	       (str_eq(mode, STR("chat")) || str_eq(mode, STR("responses")));
}

struct tool_prices {
	int64_t search[COUNT(search_sizes)], file, session;
	bool is_per_prompt;
};

static struct tool_prices read_tools(struct reading *r, struct str model, struct str provider,
				     struct str mode)
{
	struct tool_prices t = { .file = read_price(r, r->row, "file_search_cost_per_1k_calls"),
				 .session = read_price(r, r->row,
						       "code_interpreter_cost_per_session") };
	const struct json *listed = json_get(r->row, searches);
	struct str unit = read_text(r, "web_search_billing_unit");
	bool is_grounded = is_gemini(provider) &&
			   json_is_true(json_get(r->row, "supports_web_search"));
	bool is_by_search = str_find(model, STR("gemini-3")) != SIZE_MAX;
	for (unsigned i = 0; i < COUNT(t.search); i++) {
		t.search[i] = read_price(r, listed, search_sizes[i]);
		if (is_grounded && !json_is_given(listed))
			t.search[i] = is_by_search ? GROUNDING_SEARCH : GROUNDED_PROMPT;
	}
	t.is_per_prompt = unit.n ? str_eq(unit, STR("per_prompt")) :
				   is_gemini(provider) && !is_by_search;
	t.is_per_prompt &= t.search[0] > 0 || t.search[1] > 0 || t.search[2] > 0;
	t.file = t.file < 0 ? t.file : t.file / 1000;
	if (sells_tools(provider, mode)) {
		t.file = t.file < 0 ? FILE_SEARCH : t.file;
		t.session = t.session < 0 ? SESSION : t.session;
	}
	return t;
}

static void put_cell(struct buf *out, int64_t v)
{
	buf_put_char(out, '\t');
	if (v >= 0)
		buf_put_i64(out, v);
}

static void put_count(struct buf *out, uint64_t v)
{
	put_cell(out, v ? (int64_t)v : -1);
}

/* What the tier of the lowest prices says, the entry itself may say otherwise. */
static int64_t base_price(struct reading *r, const char *const names[NAMES_MAX])
{
	int64_t pico = PRICE_NONE;
	for (unsigned i = 0; i < NAMES_MAX && names[i] && pico == PRICE_NONE; i++) {
		pico = read_price(r, r->row, names[i]);
		if (pico == PRICE_NONE)
			pico = read_price(r, r->below, names[i]);
	}
	return pico;
}

static void write_line(struct reading *r, struct str model, struct buf *out)
{
	static const char *const by_query[2] = { "input_cost_per_query" };
	static const char *const by_request[2] = { "input_cost_per_request" };
	static const char *const for_an_hour[2] = { "cache_creation_input_token_cost_above_1hr" };
	struct str provider = read_text(r, "litellm_provider"), mode = read_text(r, "mode");
	int64_t tokens[TOKEN_PRICES], other[3], media[2], tiers[COUNT(tier_prices)];
	bool has_price = false;
	for (unsigned i = 0; i < TOKEN_PRICES; i++) {
		tokens[i] = base_price(r, token_prices[i]);
		if (tokens[i] > DEAREST)
			refuse(r, token_prices[i][0], "is more than a thousand dollars per million");
		has_price |= i < 2 && tokens[i] != PRICE_NONE;
	}
	int64_t request = base_price(r, str_eq(mode, STR("rerank")) ? by_query : by_request);
	int64_t hour = base_price(r, for_an_hour);
	struct tier tier = read_tier(r);
	read_measures(r, mode, other);
	read_media(r, media);
	for (unsigned i = 0; i < COUNT(tiers); i++) {
		const char *const names[NAMES_MAX] = { tier_prices[i] };
		tiers[i] = base_price(r, names);
		if (tiers[i] > DEAREST)
			refuse(r, tier_prices[i], "is more than a thousand dollars per million");
	}
	struct tool_prices tools = read_tools(r, model, provider, mode);
	has_price |= request != PRICE_NONE || other[0] > 0 || other[1] > 0 || other[2] > 0 ||
		     media[0] > 0 || media[1] > 0;
	if (r->verdict != PRICE_TAKEN)
		return;
	if (!has_price) {
		r->verdict = PRICE_LACKING;
		return;
	}
	buf_printf(out, STR_FMT "\t" STR_FMT "\t" STR_FMT, STR_ARG(model), STR_ARG(provider),
		   STR_ARG(mode));
	put_count(out, first_count(r, "max_input_tokens", "max_tokens"));
	put_count(out, first_count(r, "max_output_tokens", "max_tokens"));
	for (unsigned i = 0; i < TOKEN_PRICES; i++)
		put_cell(out, tokens[i]);
	put_cell(out, request);
	put_count(out, tier.tokens);
	put_cell(out, tier.input);
	put_cell(out, tier.output);
	for (unsigned i = 0; i < COUNT(other); i++)
		put_cell(out, other[i]);
	put_cell(out, media[0]);
	put_cell(out, media[1]);
	buf_printf(out, "\t%s", abilities_cell(abilities_of(r->row, 0)).text);
	put_cell(out, tier.read);
	put_cell(out, tier.write);
	put_cell(out, hour);
	for (unsigned i = 0; i < COUNT(tiers); i++)
		put_cell(out, tiers[i]);
	for (unsigned i = 0; i < COUNT(tools.search); i++)
		put_cell(out, tools.search[i]);
	put_cell(out, tools.file);
	put_cell(out, tools.session);
	buf_put_z(out, tools.is_per_prompt ? "\tp" : "\t");
	if (out->failed)
		r->verdict = PRICE_NO_MEMORY;
}

static bool is_model(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n > 0 && s.n <= PRICE_MODEL_MAX;
}

enum price_verdict price_map_line(struct arena *a, const struct json *entry, struct buf *out,
				  char reterr[160])
{
	struct reading r = { .mem = a, .row = entry, .why = reterr };
	struct str model = entry->key;
	buf_reset(out);
	if (!is_model(model))
		refuse(&r, "", "its name is empty, too long or has control characters");
	else if (entry->type != JSON_OBJECT)
		refuse(&r, "", "it is not an object");
	/* An example of all members; one size of a model that has a row of its own. */
	else if (str_eq(model, STR("sample_spec")) || str_find(model, STR("-x-")) != SIZE_MAX)
		r.verdict = PRICE_LACKING;
	if (r.verdict != PRICE_TAKEN)
		return r.verdict;
	r.below = json_at(json_get(entry, "tiered_pricing"), 0);
	write_line(&r, model, out);
	if (r.verdict != PRICE_TAKEN)
		buf_reset(out);
	return r.verdict;
}

/* ---- back ---- */

static void put_price(struct json_out *o, const char *name, int64_t pico)
{
	if (pico >= 0)
		json_put_double(o, name, (double)pico / 1e12);
}

/* Of something of which 0 says that it is not sold. */
static void put_measure(struct json_out *o, const char *name, int64_t pico)
{
	put_price(o, name, pico > 0 ? pico : PRICE_NONE);
}

static void put_above(struct json_out *o, const char *what, const struct price *p, int64_t pico)
{
	char name[96];
	snprintf(name, sizeof name, "%s_above_%uk_tokens", what, p->tier_tokens / 1000);
	put_price(o, name, pico);
}

static void put_tier(struct json_out *o, const struct price *p)
{
	if (!p->tier_tokens)
		return;
	put_above(o, "input_cost_per_token", p, p->input_above);
	put_above(o, "output_cost_per_token", p, p->output_above);
	put_above(o, "cache_read_input_token_cost", p, p->cache_read_above);
	put_above(o, "cache_creation_input_token_cost", p, p->cache_write_above);
}

static void put_tools(struct json_out *o, const struct price *p, struct str provider)
{
	if (p->flags & PRICE_TOOLED) {
		put_price(o, "file_search_cost_per_1k_calls", p->per_file_search * 1000);
		put_price(o, "code_interpreter_cost_per_session", p->per_session);
	}
	if (!(p->flags & PRICE_SEARCHED))
		return;
	json_open(o, searches);
	for (size_t i = 0; i < COUNT(p->per_search); i++)
		put_measure(o, search_sizes[i], p->per_search[i]);
	json_close(o);
	if (p->flags & PRICE_PER_PROMPT || is_gemini(provider))
		json_put_z(o, "web_search_billing_unit",
			   p->flags & PRICE_PER_PROMPT ? "per_prompt" : "per_query");
}

static void put_more(struct json_out *o, const struct price *p)
{
	const int64_t tiers[COUNT(tier_prices)] = {
		p->tiers[0].input, p->tiers[0].output, p->tiers[0].cache_read,
		p->tiers[1].input, p->tiers[1].output, p->tiers[1].cache_read,
		p->tiers[2].input, p->tiers[2].output };
	for (size_t i = 0; p->flags & PRICE_TIERED && i < COUNT(tiers); i++)
		put_price(o, tier_prices[i], tiers[i]);
}

void price_map_put(struct json_out *o, const struct price_row *row)
{
	const struct price *p = &row->price;
	json_put_str(o, "litellm_provider", row->provider);
	json_put_str(o, "mode", row->mode_name);
	if (row->max_input_tokens)
		json_put_u64(o, "max_input_tokens", row->max_input_tokens);
	if (row->max_output_tokens)
		json_put_u64(o, "max_output_tokens", row->max_output_tokens);
	put_price(o, "input_cost_per_token", row->has_input ? p->input : PRICE_NONE);
	put_price(o, "output_cost_per_token", row->has_output ? p->output : PRICE_NONE);
	put_price(o, "cache_read_input_token_cost", p->cache_read);
	put_price(o, "cache_creation_input_token_cost", p->cache_write);
	put_price(o, "cache_creation_input_token_cost_above_1hr", p->cache_write_hour);
	put_price(o, "output_cost_per_reasoning_token", p->reasoning);
	put_measure(o, "input_cost_per_request", p->per_request);
	put_measure(o, "input_cost_per_query", p->per_query);
	put_tier(o, p);
	put_measure(o, "output_cost_per_image", p->per_image);
	put_measure(o, "input_cost_per_second", p->per_second);
	put_measure(o, "input_cost_per_character", p->per_character);
	put_price(o, "input_cost_per_audio_token", p->media_input);
	put_price(o, "output_cost_per_audio_token", p->media_output);
	put_more(o, p);
	put_tools(o, p, row->provider);
	abilities_put(o, row->abilities);
}
