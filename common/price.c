/* SPDX-License-Identifier: MIT
 * price.c - prices times tokens, in whole numbers; see price.h.
 *
 * Everything is summed in pico-dollars in 128 bits and becomes nano-dollars in one place,
 * to_nano(), which rounds up and saturates. A rate below zero means "none". */
#include "common/price.h"

#include <errno.h>

#include "common/check.h"

__extension__ typedef unsigned __int128 wide_t;

enum { TOKENS_MAX = 0x7fffffff, DIGITS_MAX = 30, EXPONENT_MAX = 100000,
       MILLION = 1000000 };

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int64_t max_i64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void usage_clamp(struct usage *u)
{
	u->input = min_u64(u->input, TOKENS_MAX);
	u->output = min_u64(u->output, TOKENS_MAX);
	u->cache_read = min_u64(u->cache_read, u->input);
	u->cache_write = min_u64(u->cache_write, u->input - u->cache_read);
	u->cache_write_hour = min_u64(u->cache_write_hour, u->cache_write);
	u->reasoning = min_u64(u->reasoning, u->output);
	u->searches = min_u64(u->searches, TOKENS_MAX);
	u->media_input = min_u64(u->media_input, u->input - u->cache_read - u->cache_write);
	u->media_output = min_u64(u->media_output, u->output - u->reasoning);
	u->images = min_u64(u->images, TOKENS_MAX);
	u->milliseconds = min_u64(u->milliseconds, TOKENS_MAX);
	u->characters = min_u64(u->characters, TOKENS_MAX);
	u->web_searches = (uint32_t)min_u64(u->web_searches, WEB_SEARCHES_MAX);
	u->file_searches = (uint32_t)min_u64(u->file_searches, WEB_SEARCHES_MAX);
	u->sessions = (uint32_t)min_u64(u->sessions, WEB_SEARCHES_MAX);
	u->tier = u->tier < TIER_COUNT ? u->tier : TIER_UNTOLD;
	u->search_size = u->search_size < SEARCH_SIZES ? u->search_size : SEARCH_UNTOLD;
}

void usage_add(struct usage *sum, const struct usage *more)
{
	sum->input += more->input;
	sum->output += more->output;
	sum->cache_read += more->cache_read;
	sum->cache_write += more->cache_write;
	sum->cache_write_hour += more->cache_write_hour;
	sum->reasoning += more->reasoning;
	sum->media_input += more->media_input;
	sum->media_output += more->media_output;
	sum->images += more->images;
	sum->milliseconds += more->milliseconds;
	sum->characters += more->characters;
	sum->searches += more->searches;
	sum->web_searches += more->web_searches;
	sum->file_searches += more->file_searches;
	sum->sessions += more->sessions;
	sum->tier = sum->tier ? sum->tier : more->tier;
	sum->search_size = sum->search_size ? sum->search_size : more->search_size;
	sum->estimated |= more->estimated;
	usage_clamp(sum);
}

#define TIER_NONE { PRICE_NONE, PRICE_NONE, PRICE_NONE }

struct price price_none(void)
{
	return (struct price){ .cache_read = PRICE_NONE, .cache_write = PRICE_NONE,
			       .reasoning = PRICE_NONE, .input_above = PRICE_NONE,
			       .output_above = PRICE_NONE, .media_input = PRICE_NONE,
			       .media_output = PRICE_NONE, .cache_read_above = PRICE_NONE,
			       .cache_write_above = PRICE_NONE, .cache_write_hour = PRICE_NONE,
			       .tiers = { TIER_NONE, TIER_NONE, TIER_NONE } };
}

static int64_t rate_or(int64_t rate, int64_t otherwise)
{
	return rate >= 0 ? rate : max_i64(otherwise, 0);
}

static wide_t times(uint64_t tokens, int64_t rate)
{
	return rate > 0 ? (wide_t)tokens * (uint64_t)rate : 0;
}

static int64_t to_nano(wide_t pico)
{
	if (pico > (wide_t)PRICE_NANO_MAX * 1000)
		return PRICE_NANO_MAX;
	return (int64_t)((pico + 999) / 1000);
}

static bool is_above_tier(const struct price *p, uint64_t input_tokens)
{
	return p->tier_tokens && input_tokens > p->tier_tokens;
}

/* Where nothing says of which size, it is the middle one; at most, any. */
static wide_t web_searches(const struct price *p, const struct usage *u, bool at_most)
{
	const int64_t *rate = p->per_search;
	int64_t v = rate[(u->search_size ? u->search_size : SEARCH_MEDIUM) - SEARCH_LOW];
	bool any_size = at_most && u->search_size == SEARCH_UNTOLD;
	for (unsigned i = 0; any_size && i < COUNT(p->per_search); i++)
		v = max_i64(v, rate[i]);
	return times(p->flags & PRICE_PER_PROMPT ? u->web_searches > 0 : u->web_searches, v);
}

/* What a provider's own tools did. */
static wide_t tools(const struct price *p, const struct usage *u, bool at_most)
{
	wide_t sum = 0;
	if (p->flags & PRICE_SEARCHED)
		sum = web_searches(p, u, at_most);
	if (p->flags & PRICE_TOOLED)
		sum += times(u->file_searches, p->per_file_search) +
		       times(u->sessions, p->per_session);
	return sum;
}

/* Rates are per second, and times are milliseconds: rounded up once, in to_nano(). */
static wide_t other_measures(const struct price *p, const struct usage *u)
{
	return times(u->searches, p->per_query) + times(u->images, p->per_image) +
	       times(u->characters, p->per_character) +
	       (times(u->milliseconds, p->per_second) + 999) / 1000;
}

/* What is kept for an hour is dearer by the same factor above the tier as what is kept shorter. */
static int64_t hour_above(const struct price *p)
{
	if (p->cache_write_hour < 0 || p->cache_write <= 0 || p->cache_write_above < 0)
		return p->cache_write_hour;
	wide_t v = (wide_t)p->cache_write_hour * (uint64_t)p->cache_write_above /
		   (uint64_t)p->cache_write;
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

struct token_rates {			/* each is a price, none is PRICE_NONE */
	int64_t in, out, read, write, hour;
};

/* NULL: as in the standard tier. */
static const struct tier_price *tier_of(const struct price *p, unsigned tier)
{
	bool has = p->flags & PRICE_TIERED && tier >= TIER_FLEX && tier < TIER_COUNT;
	return has ? &p->tiers[tier - TIER_FLEX] : NULL;
}

/* A price above the threshold is that of any tier, unless the tier's own is dearer. */
static int64_t rate_above(const struct tier_price *t, int64_t above, int64_t rate)
{
	return t && above >= 0 ? max_i64(above, rate) : rate_or(above, rate);
}

static struct token_rates rates_for(const struct price *p, uint64_t input_tokens, unsigned tier)
{
	static const struct tier_price nothing = TIER_NONE;
	bool above = is_above_tier(p, input_tokens);
	const struct tier_price *t = tier_of(p, tier), *own = t ? t : &nothing;
	struct token_rates r = { .in = rate_or(own->input, rate_or(p->input, 0)),
				 .out = rate_or(own->output, rate_or(p->output, 0)) };
	if (above) {
		r.in = rate_above(t, p->input_above, r.in);
		r.out = rate_above(t, p->output_above, r.out);
	}
	r.read = rate_or(own->cache_read, rate_or(p->cache_read, r.in));
	r.write = rate_or(p->cache_write, r.in);
	if (above) {
		r.read = rate_above(t, p->cache_read_above, r.read);
		r.write = rate_or(p->cache_write_above, r.write);
	}
	r.hour = rate_or(above ? hour_above(p) : p->cache_write_hour, r.write);
	return r;
}

int64_t price_cost(const struct price *p, const struct usage *usage)
{
	struct usage u = *usage;

	if (!(p->flags & PRICE_KNOWN))
		return 0;
	usage_clamp(&u);
	const struct token_rates r = rates_for(p, u.input, u.tier);
	const wide_t found = tools(p, &u, false);
	return to_nano(found + times(u.input - u.cache_read - u.cache_write - u.media_input, r.in) +
		       times(u.cache_read, r.read) +
		       times(u.cache_write - u.cache_write_hour, r.write) +
		       times(u.cache_write_hour, r.hour) +
		       times(u.media_input, rate_or(p->media_input, r.in)) +
		       times(u.output - u.reasoning - u.media_output, r.out) +
		       times(u.reasoning, rate_or(p->reasoning, r.out)) +
		       times(u.media_output, rate_or(p->media_output, r.out)) +
		       other_measures(p, &u) + times(1, p->per_request));
}

bool price_covers(const struct price *p, const struct usage *u)
{
	if (!(p->flags & PRICE_KNOWN))
		return false;
	return p->flags & PRICE_FREE || price_cost(p, u) > 0;
}

/* v * a/million * b/million, to the nearest. */
static int64_t scaled(int64_t v, int64_t a, int64_t b)
{
	__extension__ typedef __int128 signed_t;
	const signed_t whole = (signed_t)MILLION * MILLION;
	if (v <= 0)
		return v;		/* nothing, or PRICE_NONE */
	signed_t w = ((signed_t)v * a * b + whole / 2) / whole;
	return w > INT64_MAX ? INT64_MAX : (int64_t)w;
}

bool price_apply(const struct price_rates *r, struct price *p)
{
	int64_t *const all[] = { &p->input, &p->output, &p->cache_read, &p->cache_write,
				 &p->reasoning, &p->per_request, &p->input_above, &p->output_above,
				 &p->media_input, &p->media_output, &p->per_image, &p->per_second,
				 &p->per_character, &p->per_query, &p->cache_read_above,
				 &p->cache_write_above, &p->cache_write_hour,
				 &p->per_search[0], &p->per_search[1], &p->per_search[2],
				 &p->per_file_search, &p->per_session };
	if (!(p->flags & PRICE_KNOWN) || !(r->discount | r->margin | r->fixed))
		return false;
	const int64_t off = MILLION - r->discount, on = MILLION + r->margin;
	for (size_t i = 0; i < COUNT(all); i++)
		*all[i] = scaled(*all[i], off, on);
	for (size_t i = 0; i < COUNT(p->tiers); i++) {
		p->tiers[i].input = scaled(p->tiers[i].input, off, on);
		p->tiers[i].output = scaled(p->tiers[i].output, off, on);
		p->tiers[i].cache_read = scaled(p->tiers[i].cache_read, off, on);
	}
	p->per_request += r->fixed;
	if (r->fixed)
		p->flags &= ~(uint32_t)PRICE_FREE;
	return true;
}

/* Keeps the dearest: any token of the prompt may be of any kind. */
static void keep_dearest(const struct token_rates *r, bool has_hour, int64_t *in, int64_t *out)
{
	*in = max_i64(*in, max_i64(r->in, max_i64(r->read, r->write)));
	if (has_hour)
		*in = max_i64(*in, r->hour);
	*out = max_i64(*out, r->out);
}

int64_t price_most(const struct price *p, const struct usage *most)
{
	struct usage u = *most;
	const bool has_hour = most->cache_write_hour;
	int64_t in = p->media_input, out = max_i64(p->media_output, p->reasoning);

	if (!(p->flags & PRICE_KNOWN))
		return 0;
	usage_clamp(&u);
	const struct token_rates low = rates_for(p, 0, TIER_STANDARD);
	const struct token_rates r = rates_for(p, u.input, TIER_STANDARD);
	keep_dearest(&low, has_hour, &in, &out);
	keep_dearest(&r, has_hour, &in, &out);
	for (unsigned t = TIER_FLEX; p->flags & PRICE_TIERED && t < TIER_COUNT; t++) {
		if (most->tier != TIER_PRIORITY)
			break;
		const struct token_rates less = rates_for(p, 0, t), more = rates_for(p, u.input, t);
		keep_dearest(&less, has_hour, &in, &out);
		keep_dearest(&more, has_hour, &in, &out);
	}
	const wide_t found = tools(p, &u, true);
	return to_nano(found + times(u.input, in) + times(u.output, out) + other_measures(p, &u) +
		       times(1, p->per_request));
}

enum price_tier price_tier_of(struct str word)
{
	static const struct {
		struct str word;
		enum price_tier tier;
	} all[] = {
		{ STR("default"), TIER_STANDARD },	/* OpenAI, Bedrock */
		{ STR("standard"), TIER_STANDARD },	/* Anthropic, Gemini */
		{ STR("on_demand"), TIER_STANDARD },	/* Vertex AI's trafficType */
		{ STR("flex"), TIER_FLEX },
		{ STR("on_demand_flex"), TIER_FLEX },
		{ STR("priority"), TIER_PRIORITY },
		{ STR("on_demand_priority"), TIER_PRIORITY },
		{ STR("batch"), TIER_BATCH },
	};
	for (size_t i = 0; i < COUNT(all); i++)
		if (str_eq_nocase(word, all[i].word))
			return all[i].tier;
	return TIER_UNTOLD;
}

enum search_size search_size_of(struct str word)
{
	static const struct str all[] = { [SEARCH_LOW] = STR("low"),
					  [SEARCH_MEDIUM] = STR("medium"),
					  [SEARCH_HIGH] = STR("high") };
	for (unsigned i = SEARCH_LOW; i < COUNT(all); i++)
		if (str_eq_nocase(word, all[i]))
			return (enum search_size)i;
	return SEARCH_UNTOLD;
}

int64_t price_worst(const struct price *p, uint64_t input_tokens, uint64_t output_tokens)
{
	struct usage u = { .input = input_tokens, .output = output_tokens };

	return price_most(p, &u);
}

struct decimal {
	wide_t digits;			/* at most DIGITS_MAX significant ones */
	int64_t exponent;		/* value = digits * 10^exponent */
	unsigned n_digits;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Further digits than DIGITS_MAX are cut; rounding half up does not notice. */
static void decimal_digit(struct decimal *d, char c, bool is_fraction)
{
	if (d->n_digits >= DIGITS_MAX) {
		d->exponent += is_fraction ? 0 : 1;
		return;
	}
	d->digits = d->digits * 10 + (unsigned)(c - '0');
	d->n_digits += d->digits ? 1 : 0;
	d->exponent -= is_fraction ? 1 : 0;
}

/* Reads digits from *s; false when there is none. */
static bool read_digits(struct str *s, struct decimal *d, bool is_fraction)
{
	size_t i = 0;

	for (; i < s->n && is_digit(s->p[i]); i++)
		decimal_digit(d, s->p[i], is_fraction);
	*s = str_of(s->p + i, s->n - i);
	return i > 0;
}

/* "e-7" to *ret; far exponents are all alike. */
static bool read_exponent(struct str s, int64_t *ret)
{
	int64_t v = 0;
	size_t i = 1;
	bool is_negative = s.n > 1 && s.p[1] == '-';

	if (s.n > 1 && (s.p[1] == '-' || s.p[1] == '+'))
		i++;
	if (i == s.n)
		return false;
	for (; i < s.n; i++) {
		if (!is_digit(s.p[i]))
			return false;
		if (v < EXPONENT_MAX)
			v = v * 10 + (s.p[i] - '0');
	}
	*ret = is_negative ? -v : v;
	return true;
}

static bool read_decimal(struct str s, struct decimal *ret)
{
	struct decimal d = { 0 };
	int64_t exponent = 0;
	bool has_digits = s.n > 0 && read_digits(&s, &d, false);

	if (s.n && s.p[0] == '.') {
		s = str_of(s.p + 1, s.n - 1);
		has_digits |= read_digits(&s, &d, true);
	}
	if (!has_digits)
		return false;
	if (s.n && ((s.p[0] != 'e' && s.p[0] != 'E') || !read_exponent(s, &exponent)))
		return false;
	d.exponent += exponent;
	*ret = d;
	return true;
}

/* digits * 10^exponent, rounded half up. 0 or -ERANGE. */
static int decimal_round(struct decimal d, int64_t max, int64_t *ret)
{
	wide_t unit = 1;

	for (; d.exponent > 0 && d.digits; d.exponent--) {
		if (d.digits > (wide_t)max)
			return -ERANGE;
		d.digits *= 10;
	}
	if (d.exponent < -(int64_t)DIGITS_MAX - 1)
		d.digits = 0;			/* below half a unit for certain */
	for (; d.exponent < 0 && d.digits; d.exponent++)
		unit *= 10;
	d.digits = (d.digits + unit / 2) / unit;
	if (d.digits > (wide_t)max)
		return -ERANGE;
	*ret = (int64_t)d.digits;
	return 0;
}

static int read_scaled(struct str s, int64_t scale, int64_t max, int64_t *ret)
{
	struct decimal d;

	if (!read_decimal(s, &d))
		return -EINVAL;
	d.exponent += scale;
	return decimal_round(d, max, ret);
}

int price_read_pico(struct str s, int64_t *ret)
{
	return read_scaled(s, 12, INT64_MAX, ret);
}

int price_read_nano(struct str s, int64_t *ret)
{
	return read_scaled(s, 9, PRICE_NANO_MAX, ret);
}
