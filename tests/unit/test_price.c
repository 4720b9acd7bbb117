/* SPDX-License-Identifier: MIT
 * test_price.c - known bills, and what must hold for all: exact, monotone, never above worst. */
#include "common/price.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/hash.h"

/* Prices as LiteLLM's map writes them; NULL = not in the row. */
struct row {
	const char *input, *output, *cache_read, *cache_write, *reasoning, *per_request;
	const char *input_above, *output_above;
	uint32_t tier_tokens;
	const char *per_query;
	const char *read_above, *write_above, *write_hour;
};

static int64_t pico(const char *text, int64_t otherwise)
{
	int64_t v = otherwise;

	if (text)
		assert_int_equal(price_read_pico(str_z(text), &v), 0);
	return v;
}

static struct price price_of(const struct row *r)
{
	return (struct price){
		.input = pico(r->input, 0), .output = pico(r->output, 0),
		.cache_read = pico(r->cache_read, PRICE_NONE),
		.cache_write = pico(r->cache_write, PRICE_NONE),
		.reasoning = pico(r->reasoning, PRICE_NONE),
		.per_request = pico(r->per_request, 0),
		.input_above = pico(r->input_above, PRICE_NONE),
		.output_above = pico(r->output_above, PRICE_NONE),
		.tier_tokens = r->tier_tokens, .flags = PRICE_KNOWN,
		.per_query = pico(r->per_query, 0),
		.cache_read_above = pico(r->read_above, PRICE_NONE),
		.cache_write_above = pico(r->write_above, PRICE_NONE),
		.cache_write_hour = pico(r->write_hour, PRICE_NONE),
	};
}

static const struct row gpt_4o = { "2.5e-06", "1e-05", "1.25e-06", NULL, NULL, NULL, NULL, NULL,
				   .tier_tokens = 0 };
static const struct row sonnet = { "3e-06", "1.5e-05", "3e-07", "3.75e-06", NULL, NULL, NULL, NULL,
				   .tier_tokens = 0 };
static const struct row gemini = { "1.25e-06", "5e-06", NULL, NULL, NULL, NULL, "2.5e-06", "1e-05",
				   .tier_tokens = 128000 };
static const struct row tiered = { "1e-06", "2e-06", "1e-07", NULL, "6e-06", NULL, "3e-06", "4e-06",
				   .tier_tokens = 1000 };
static const struct row long_sonnet = { "3e-06", "1.5e-05", "3e-07", "3.75e-06", .input_above = "6e-06",
					.output_above = "2.25e-05", .tier_tokens = 200000,
					.read_above = "6e-07", .write_above = "7.5e-06",
					.write_hour = "6e-06" };
static const struct row embedding = { "2e-08", "0.0", NULL, NULL, NULL, NULL, NULL, NULL, .tier_tokens = 0 };
static const struct row tiny = { "1.25e-9", "0", NULL, NULL, NULL, NULL, NULL, NULL, .tier_tokens = 0 };
static const struct row rerank = { .input = "0.0", .output = "0.0", .per_query = "0.002" };
static const struct row search = { "1e-06", "1e-06", NULL, NULL, NULL, "0.005", NULL, NULL,
				   .tier_tokens = 0 };

static void test_known_bills(void **state)
{
	static const struct {
		const struct row *row;
		struct usage u;
		int64_t nano;
	} bills[] = {
		{ &gpt_4o, { 1000, 500, 0, 0, 0, .estimated = false }, 7500000 },
		{ &gpt_4o, { 1000, 500, 200, 0, 0, .estimated = false }, 7250000 },
		{ &gpt_4o, { 1000, 500, 200, 0, 400, .estimated = false }, 7250000 },
		{ &gpt_4o, { 0, 0, 0, 0, 0, .estimated = false }, 0 },
		{ &sonnet, { 10000, 1000, 4000, 2000, 0, .estimated = false }, 35700000 },
		{ &gemini, { 128000, 10, 0, 0, 0, .estimated = false }, 160050000 },
		{ &gemini, { 128001, 10, 0, 0, 0, .estimated = false }, 320102500 },
		{ &gemini, { 128001, 10, 1, 1, 0, .estimated = false }, 320102500 },
		{ &tiered, { 1000, 10, 500, 100, 4, .estimated = false }, 500000 + 50000 + 12000 + 24000 },
		{ &tiered, { 1001, 10, 500, 100, 4, .estimated = false }, 1503000 + 50000 + 24000 + 24000 },
		{ &embedding, { 8191, 0, 0, 0, 0, .estimated = false }, 163820 },
		{ &tiny, { 1, 0, 0, 0, 0, .estimated = false }, 2 },
		{ &tiny, { 4, 0, 0, 0, 0, .estimated = false }, 5 },
		{ &tiny, { 5, 0, 0, 0, 0, .estimated = false }, 7 },
		{ &search, { 10, 10, 0, 0, 0, .estimated = false }, 5020000 },
		{ &rerank, { .input = 90, .searches = 3 }, 6000000 },
		{ &rerank, { .searches = 1 }, 2000000 },
		{ &gpt_4o, { .searches = 1 }, 0 },
		/* above the tier the cache is dearer, too; what is kept for an hour always is */
		{ &long_sonnet, { 200000, 0, 199000, 500, 0, .estimated = false }, 1500000 + 59700000 + 1875000 },
		{ &long_sonnet, { 200001, 0, 199001, 500, 0, .estimated = false }, 3000000 + 119400600 + 3750000 },
		{ &long_sonnet, { 1000, 0, 0, 500, 0, .cache_write_hour = 100 }, 1500000 + 1500000 + 600000 },
		{ &long_sonnet, { 200001, 0, 199001, 500, 0, .cache_write_hour = 100 },
		  3000000 + 119400600 + 3000000 + 1200000 },
		{ &long_sonnet, { 1000, 0, 0, 50, 0, .cache_write_hour = 100 }, 2850000 + 300000 },
		{ &sonnet, { 1000, 0, 0, 500, 0, .cache_write_hour = 100 }, 1500000 + 1875000 },
		{ &tiered, { 1001, 0, 500, 0, 0, .estimated = false }, 1503000 + 50000 },
		/* more parts than the whole: clamped */
		{ &gpt_4o, { 100, 10, 200, 0, 50, .estimated = false }, 125000 + 100000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bills); i++) {
		struct price p = price_of(bills[i].row);

		assert_int_equal(price_cost(&p, &bills[i].u), bills[i].nano);
	}
}

/* What is sold by other measures than tokens of text. */
static void test_other_measures(void **state)
{
	struct price p = price_none();
	struct usage images = { .images = 3 }, sound = { .milliseconds = 1500 },
		     spoken = { .characters = 1001 },
		     mixed = { .input = 100, .output = 60, .media_input = 40, .media_output = 50 };

	(void)state;
	p.flags = PRICE_KNOWN;
	assert_int_equal(price_cost(&p, &images), 0);
	assert_false(price_covers(&p, &images));
	p.per_image = INT64_C(40000000000);
	p.per_second = INT64_C(100000000);
	p.per_character = 15000000;
	assert_int_equal(price_cost(&p, &images), 120000000);
	assert_int_equal(price_cost(&p, &sound), 150000);
	assert_int_equal(price_cost(&p, &spoken), 15015000);
	assert_true(price_covers(&p, &spoken));
	assert_false(price_covers(&p, &mixed));
	p.input = 1000000;
	p.output = 2000000;
	assert_int_equal(price_cost(&p, &mixed), 100000 + 120000);
	p.media_input = 3000000;
	p.media_output = 4000000;
	assert_int_equal(price_cost(&p, &mixed), 60000 + 120000 + 20000 + 200000);
	assert_int_equal(price_worst(&p, 10, 10), 30000 + 40000);
	mixed.media_input = 1000;	/* more than the whole: clamped */
	assert_int_equal(price_cost(&p, &mixed), 300000 + 20000 + 200000);
	p.flags = PRICE_KNOWN | PRICE_FREE;
	assert_true(price_covers(&p, &images));
	p.flags = 0;
	assert_false(price_covers(&p, &images));
}

/* Tiers as LiteLLM's map has them, in pico-dollars. */
static struct price tiered_price(const char *in, const char *out, const char *read)
{
	struct price p = price_none();

	p.input = pico(in, 0);
	p.output = pico(out, 0);
	p.cache_read = pico(read, PRICE_NONE);
	p.flags = PRICE_KNOWN;
	return p;
}

static void set_tier(struct price *p, enum price_tier t, const char *in, const char *out,
		     const char *read)
{
	p->tiers[t - TIER_FLEX] = (struct tier_price){ pico(in, PRICE_NONE), pico(out, PRICE_NONE),
						       pico(read, PRICE_NONE) };
	p->flags |= PRICE_TIERED;
}

static void test_service_tiers(void **state)
{
	enum { GPT_5, GPT_41, NANO, GEMINI };
	struct price p[] = {
		[GPT_5] = tiered_price("1.25e-06", "1e-05", "1.25e-07"),
		[GPT_41] = tiered_price("2e-06", "8e-06", "5e-07"),
		[NANO] = tiered_price("5e-08", "4e-07", "5e-09"),
		[GEMINI] = tiered_price("2e-06", "1.2e-05", "2e-07"),
	};
	static const struct {
		int price;
		struct usage u;
		int64_t nano;
	} bills[] = {
		/* 800 x 1.25 + 200 x 0.125 + 500 x 10, then each tier's own, in micro-dollars */
		{ GPT_5, { 1000, 500, 200, .tier = TIER_UNTOLD }, 6025000 },
		{ GPT_5, { 1000, 500, 200, .tier = TIER_STANDARD }, 6025000 },
		{ GPT_5, { 1000, 500, 200, .tier = TIER_FLEX }, 3012500 },
		{ GPT_5, { 1000, 500, 200, .tier = TIER_PRIORITY }, 12050000 },
		/* none of its own for batches, and no such tier */
		{ GPT_5, { 1000, 500, 200, .tier = TIER_BATCH }, 6025000 },
		{ GPT_5, { 1000, 500, 200, .tier = 200 }, 6025000 },
		/* reasoning is output, at the tier's price */
		{ GPT_5, { 1000, 500, 200, .reasoning = 400, .tier = TIER_PRIORITY }, 12050000 },
		/* a cached token has no price in batches: 800 x 1 + 200 x 0.5 + 500 x 4 */
		{ GPT_41, { 1000, 500, 200, .tier = TIER_BATCH }, 2900000 },
		/* the output has none at priority: 1000 x 2.5 + 500 x 0.4 */
		{ NANO, { 1000, 500, .tier = TIER_PRIORITY }, 2700000 },
		/* a long prompt costs what it does at any tier: 200000 x 1 + 10 x 6, 200001 x 4 + 10 x 18 */
		{ GEMINI, { 200000, 10, .tier = TIER_BATCH }, 200060000 },
		{ GEMINI, { 200001, 10, .tier = TIER_BATCH }, 800184000 },
	};

	(void)state;
	set_tier(&p[GPT_5], TIER_FLEX, "6.25e-07", "5e-06", "6.25e-08");
	set_tier(&p[GPT_5], TIER_PRIORITY, "2.5e-06", "2e-05", "2.5e-07");
	set_tier(&p[GPT_41], TIER_BATCH, "1e-06", "4e-06", NULL);
	set_tier(&p[NANO], TIER_PRIORITY, "2.5e-06", NULL, NULL);
	set_tier(&p[GEMINI], TIER_BATCH, "1e-06", "6e-06", NULL);
	p[GEMINI].tier_tokens = 200000;
	p[GEMINI].input_above = 4000000;
	p[GEMINI].output_above = 18000000;
	for (size_t i = 0; i < COUNT(bills); i++)
		if (price_cost(&p[bills[i].price], &bills[i].u) != bills[i].nano)
			fail_msg("bill %zu: %lld", i,
				 (long long)price_cost(&p[bills[i].price], &bills[i].u));

	struct usage most = { .input = 1000, .output = 500, .tier = TIER_PRIORITY };
	assert_int_equal(price_most(&p[GPT_5], &most), 12500000);
	most.tier = TIER_STANDARD;
	assert_int_equal(price_most(&p[GPT_5], &most), 6250000);
	most.tier = TIER_FLEX;		/* it may be answered at the standard one */
	assert_int_equal(price_most(&p[GPT_5], &most), 6250000);
	assert_true(price_apply(&(struct price_rates){ .discount = 500000 }, &p[GPT_5]));
	assert_int_equal(price_cost(&p[GPT_5], &bills[2].u), 1506250);	/* 31250 picos of a cached one */
	assert_int_equal(p[GPT_5].tiers[TIER_BATCH - TIER_FLEX].input, PRICE_NONE);
	p[GPT_5].flags = PRICE_KNOWN;	/* then they do not count */
	assert_int_equal(price_cost(&p[GPT_5], &bills[2].u), price_cost(&p[GPT_5], &bills[0].u));
}

static void test_web_searches(void **state)
{
	struct price p = tiered_price("2.5e-06", "1e-05", NULL);	/* gpt-4o-search-preview */
	static const struct {
		struct usage u;
		int64_t nano;
	} bills[] = {
		{ { 1000, 500, .web_searches = 0 }, 7500000 },
		{ { 1000, 500, .web_searches = 1 }, 42500000 },		/* of medium size */
		{ { 1000, 500, .web_searches = 1, .search_size = SEARCH_LOW }, 37500000 },
		{ { 1000, 500, .web_searches = 3, .search_size = SEARCH_HIGH }, 157500000 },
		{ { 0, 0, .web_searches = 5000, .search_size = SEARCH_LOW }, INT64_C(30000000000) },
		{ { 0, 0, .web_searches = UINT32_MAX, .search_size = 99 }, INT64_C(35000000000) },
	};

	(void)state;
	p.per_search[0] = INT64_C(30000000000);
	p.per_search[1] = INT64_C(35000000000);
	p.per_search[2] = INT64_C(50000000000);
	assert_int_equal(price_cost(&p, &bills[1].u), 7500000);		/* without the flag */
	p.flags |= PRICE_SEARCHED;
	for (size_t i = 0; i < COUNT(bills); i++)
		assert_int_equal(price_cost(&p, &bills[i].u), bills[i].nano);
	assert_int_equal(price_most(&p, &bills[1].u), 57500000);	/* of any size */
	assert_int_equal(price_most(&p, &bills[2].u), 37500000);
	assert_true(price_apply(&(struct price_rates){ .margin = 1000000 }, &p));
	assert_int_equal(price_cost(&p, &bills[1].u), 85000000);
}

/* What a provider's tools did: files searched, containers, searches that are one a prompt. */
static void test_tools(void **state)
{
	struct price p = tiered_price("2.5e-06", "1e-05", NULL);
	static const struct {
		struct usage u;
		int64_t nano;
	} bills[] = {
		{ { 1000, 500, .file_searches = 3 }, 15000000 },
		{ { 1000, 500, .sessions = 2 }, 67500000 },
		{ { 1000, 500, .file_searches = 1, .sessions = 1 }, 40000000 },
		{ { 0, 0, .file_searches = UINT32_MAX, .sessions = UINT32_MAX }, INT64_C(32500000000) },
		{ { 1000, 500, .web_searches = 1 }, 42500000 },
		{ { 1000, 500, .web_searches = 7 }, 42500000 },
	};

	(void)state;
	p.per_file_search = INT64_C(2500000000);
	p.per_session = INT64_C(30000000000);
	p.per_search[1] = INT64_C(35000000000);
	assert_int_equal(price_cost(&p, &bills[2].u), 7500000);		/* without the flags */
	p.flags |= PRICE_TOOLED | PRICE_SEARCHED | PRICE_PER_PROMPT;
	for (size_t i = 0; i < COUNT(bills); i++) {
		assert_int_equal(price_cost(&p, &bills[i].u), bills[i].nano);
		assert_int_equal(price_most(&p, &bills[i].u), bills[i].nano);
	}
	assert_true(price_apply(&(struct price_rates){ .margin = 1000000 }, &p));
	assert_int_equal(price_cost(&p, &bills[2].u), 80000000);
}

static void test_words(void **state)
{
	(void)state;
	assert_int_equal(price_tier_of(STR("flex")), TIER_FLEX);
	assert_int_equal(price_tier_of(STR("priority")), TIER_PRIORITY);
	assert_int_equal(price_tier_of(STR("default")), TIER_STANDARD);
	assert_int_equal(price_tier_of(STR("standard")), TIER_STANDARD);
	assert_int_equal(price_tier_of(STR("batch")), TIER_BATCH);
	assert_int_equal(price_tier_of(STR("ON_DEMAND")), TIER_STANDARD);
	assert_int_equal(price_tier_of(STR("ON_DEMAND_FLEX")), TIER_FLEX);
	assert_int_equal(price_tier_of(STR("ON_DEMAND_PRIORITY")), TIER_PRIORITY);
	assert_int_equal(price_tier_of(STR("auto")), TIER_UNTOLD);
	assert_int_equal(price_tier_of(STR("")), TIER_UNTOLD);
	assert_int_equal(price_tier_of(STR_NONE), TIER_UNTOLD);
	assert_int_equal(search_size_of(STR("low")), SEARCH_LOW);
	assert_int_equal(search_size_of(STR("medium")), SEARCH_MEDIUM);
	assert_int_equal(search_size_of(STR("high")), SEARCH_HIGH);
	assert_int_equal(search_size_of(STR("vast")), SEARCH_UNTOLD);
	assert_int_equal(search_size_of(STR_NONE), SEARCH_UNTOLD);
}

static void test_unknown_and_damaged(void **state)
{
	struct price p = price_of(&gpt_4o);
	struct usage u = { 1000, 1000, 0, 0, 0, .estimated = false };

	(void)state;
	p.flags = 0;
	assert_int_equal(price_cost(&p, &u), 0);
	assert_int_equal(price_worst(&p, 1000, 1000), 0);
	p = (struct price){ -1, INT64_MIN, -7, -1, -1, -1, -1, -1, 1, .flags = PRICE_KNOWN };
	assert_int_equal(price_cost(&p, &u), 0);
	assert_int_equal(price_worst(&p, 1000, 1000), 0);
}

static void test_saturates(void **state)
{
	struct price p = { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX,
			   INT64_MAX, INT64_MAX, 1, .flags = PRICE_KNOWN };
	struct usage u = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, .estimated = false };

	(void)state;
	assert_int_equal(price_cost(&p, &u), PRICE_NANO_MAX);
	assert_int_equal(price_worst(&p, UINT64_MAX, UINT64_MAX), PRICE_NANO_MAX);
	usage_clamp(&u);
	assert_int_equal(u.input, 0x7fffffff);
	assert_int_equal(u.cache_read, u.input);
	assert_int_equal(u.cache_write, 0);
	assert_int_equal(u.reasoning, u.output);
	p = (struct price){ 1000, 0, -1, -1, -1, 0, -1, -1, 0, .flags = PRICE_KNOWN };
	assert_int_equal(price_cost(&p, &u), 0x7fffffff);
}

static int64_t random_rate(void)
{
	static const uint64_t bounds[] = { 1, 10, 100000, 100000000, UINT64_C(1) << 62 };

	return hash_random_below(4) ? (int64_t)hash_random_below(bounds[hash_random_below(5)]) :
				      PRICE_NONE;
}

static struct price random_price(void)
{
	struct price p = { .input = random_rate(), .output = random_rate(),
			   .cache_read = random_rate(), .cache_write = random_rate(),
			   .reasoning = random_rate(), .per_request = random_rate(),
			   .flags = PRICE_KNOWN, 0 };

	if (hash_random_below(2)) {
		p.tier_tokens = (uint32_t)hash_random_below(2000);
		p.input_above = p.input + (int64_t)hash_random_below(1000);
		p.output_above = p.output + (int64_t)hash_random_below(1000);
		p.cache_read_above = random_rate();
		p.cache_write_above = random_rate();
	}
	p.cache_write_hour = random_rate();
	for (size_t i = 0; i < COUNT(p.tiers); i++)
		p.tiers[i] = (struct tier_price){ random_rate(), random_rate(), random_rate() };
	for (size_t i = 0; i < COUNT(p.per_search); i++)
		p.per_search[i] = random_rate();
	p.flags |= (uint32_t)hash_random_below(4) * PRICE_TIERED;	/* and PRICE_SEARCHED */
	return p;
}

static void test_never_above_worst_and_monotone(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct price p = random_price();
		uint64_t in = hash_random_below(3000), out = hash_random_below(3000);
		struct usage u = { hash_random_below(in + 1), hash_random_below(out + 1),
				   hash_random_below(2000), hash_random_below(2000),
				   hash_random_below(2000), .estimated = false };
		int64_t cost = price_cost(&p, &u), worst = price_worst(&p, in, out);
		const struct usage most = { .input = in, .output = out, .cache_write_hour = 1 };
		struct usage hour = u;

		assert_in_range(cost, 0, PRICE_NANO_MAX);
		assert_true(cost <= worst && worst <= price_most(&p, &most));
		hour.cache_write_hour = hash_random_below(2000);
		assert_true(price_cost(&p, &hour) <= price_most(&p, &most));
		struct usage any = hour, anyhow = most;
		any.tier = (uint8_t)hash_random_below(TIER_COUNT);
		anyhow.tier = TIER_PRIORITY;
		any.web_searches = (uint32_t)hash_random_below(2000);
		any.search_size = (uint8_t)hash_random_below(SEARCH_SIZES);
		anyhow.web_searches = 2000;
		assert_in_range(price_cost(&p, &any), 0, PRICE_NANO_MAX);
		assert_true(price_cost(&p, &any) <= price_most(&p, &anyhow));
		assert_true(price_worst(&p, in + hash_random_below(9), out) >= worst);
		assert_true(price_worst(&p, in, out + hash_random_below(9)) >= worst);
		usage_clamp(&u);
		u.output++;
		assert_true(price_cost(&p, &u) >= cost);
	}
}

static void test_reading_pico(void **state)
{
	static const struct {
		const char *text;
		int err;
		int64_t v;
	} rows[] = {
		{ "3e-7", 0, 300000 }, { "3e-07", 0, 300000 }, { "3E-7", 0, 300000 },
		{ "0.000002", 0, 2000000 }, { "2.5", 0, 2500000000000 }, { "0", 0, 0 },
		{ "0.0", 0, 0 }, { "1.25e-9", 0, 1250 }, { "1e-12", 0, 1 }, { "5e-13", 0, 1 },
		{ "4.9999999999999999999999999999999999e-13", 0, 0 }, { "1.5e-12", 0, 2 },
		{ "1e-13", 0, 0 }, { "1e-99999999999999999999", 0, 0 }, { "0e99999999", 0, 0 },
		{ ".5", 0, 500000000000 }, { "5.", 0, 5000000000000 },
		{ "1e+2", 0, 100000000000000 },
		{ "9223372.036854775807", 0, INT64_MAX }, { "9223372.036854775808", -ERANGE, 0 },
		{ "1e99999999999999999999", -ERANGE, 0 }, { "1e7", -ERANGE, 0 },
		{ "123456789012345678901234567890123456789012345", -ERANGE, 0 },
		{ "0.00000000000000000000000000000000000000000000000001e50", 0, 1000000000000 },
		{ "1234567890123456789012345678901234567890e-40", 0, 123456789012 },
		{ "", -EINVAL, 0 }, { "-1", -EINVAL, 0 }, { "+1", -EINVAL, 0 }, { ".", -EINVAL, 0 },
		{ "1e", -EINVAL, 0 }, { "1e-", -EINVAL, 0 }, { "e5", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 }, { "1.2.3", -EINVAL, 0 }, { "nan", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 }, { "1e5x", -EINVAL, 0 }, { "inf", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t v = -77;

		assert_int_equal(price_read_pico(str_z(rows[i].text), &v), rows[i].err);
		assert_int_equal(v, rows[i].err ? -77 : rows[i].v);
	}
	assert_int_equal(price_read_pico(STR_NONE, &(int64_t){ 0 }), -EINVAL);
}

static void test_reading_nano(void **state)
{
	int64_t v;

	(void)state;
	assert_int_equal(price_read_nano(STR("50"), &v), 0);
	assert_int_equal(v, 50000000000);
	assert_int_equal(price_read_nano(STR("0.5"), &v), 0);
	assert_int_equal(v, 500000000);
	assert_int_equal(price_read_nano(STR("1e-9"), &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(price_read_nano(STR("1e9"), &v), 0);
	assert_int_equal(v, PRICE_NANO_MAX);
	assert_int_equal(price_read_nano(STR("1000000000.000000001"), &v), -ERANGE);
}

/* Numbers end where their slice does, whatever stands behind it. */
static void test_reading_slices(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		int err;
		int64_t v;
	} rows[] = {
		{ "123", 2, 0, 12000000000 }, { "1e-5", 2, -EINVAL, -77 }, { "1e+5", 2, -EINVAL, -77 },
		{ "1e12", 3, 0, 10000000000 }, { "1.5", 2, 0, 1000000000 }, { "1.25", 3, 0, 1200000000 },
		{ "7", 0, -EINVAL, -77 }, { ".5", 1, -EINVAL, -77 },
	};
	int64_t v;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		v = -77;
		assert_int_equal(price_read_nano(str_of(rows[i].text, rows[i].n), &v), rows[i].err);
		assert_int_equal(v, rows[i].v);
	}
	/* As many digits as count, and the last of them decides: 0.999... is one. */
	assert_int_equal(price_read_pico(STR("999999999999999999999999999999e-42"), &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(price_read_pico(STR("499999999999999999999999999999e-42"), &v), 0);
	assert_int_equal(v, 0);
}

/* Each member is bounded by itself, or by what it is a part of. */
static void test_clamping(void **state)
{
	const uint64_t most = 0x7fffffff, over = most + 1;
	struct usage u = { .input = over, .output = over, .searches = over, .images = over,
			   .milliseconds = over, .characters = over };

	(void)state;
	usage_clamp(&u);
	assert_true(u.input == most && u.output == most && u.searches == most && u.images == most);
	assert_true(u.milliseconds == most && u.characters == most);
	u = (struct usage){ .input = 100, .output = 50, .cache_read = 30, .cache_write = 20,
			    .reasoning = 10, .media_input = 51, .media_output = 41 };
	usage_clamp(&u);
	assert_true(u.media_input == 50 && u.media_output == 40);
	assert_true(u.cache_read == 30 && u.cache_write == 20 && u.reasoning == 10);
	u.media_input = 50;
	u.media_output = 40;
	usage_clamp(&u);
	assert_true(u.media_input == 50 && u.media_output == 40);
	u = (struct usage){ .input = 100, .output = 50, .cache_read = 101, .cache_write = 1,
			    .reasoning = 51, .media_input = 1, .media_output = 1 };
	usage_clamp(&u);
	assert_true(u.cache_read == 100 && u.cache_write == 0 && u.media_input == 0);
	assert_true(u.reasoning == 50 && u.media_output == 0);
}

static void test_adding(void **state)
{
	struct usage a = { .input = 1000, .output = 500, .cache_read = 100, .cache_write = 50,
			   .reasoning = 40, .media_input = 30, .media_output = 20, .images = 3,
			   .milliseconds = 7000, .characters = 90, .searches = 2,
			   .cache_write_hour = 5 };
	const struct usage b = { .input = 200, .output = 100, .cache_read = 10, .cache_write = 20,
				 .reasoning = 30, .media_input = 40, .media_output = 50, .images = 5,
				 .milliseconds = 60, .characters = 7, .searches = 8, .estimated = true,
				 .cache_write_hour = 7 };
	const struct usage zero = { 0 }, most = { .input = 0x7fffffff, .output = 0x7fffffff };

	(void)state;
	usage_add(&a, &b);
	assert_true(a.input == 1200 && a.output == 600 && a.cache_read == 110 && a.cache_write == 70);
	assert_int_equal(a.cache_write_hour, 12);
	assert_true(a.reasoning == 70 && a.media_input == 70 && a.media_output == 70);
	assert_true(a.images == 8 && a.milliseconds == 7060 && a.characters == 97 && a.searches == 10);
	assert_true(a.estimated);
	usage_add(&a, &zero);
	assert_true(a.estimated && a.input == 1200);
	usage_add(&a, &(struct usage){ .web_searches = 3, .tier = TIER_FLEX, .search_size = SEARCH_LOW });
	usage_add(&a, &(struct usage){ .web_searches = 999, .tier = TIER_PRIORITY });
	assert_true(a.web_searches == WEB_SEARCHES_MAX && a.tier == TIER_FLEX);
	assert_int_equal(a.search_size, SEARCH_LOW);
	usage_add(&a, &most);
	assert_true(a.input == 0x7fffffff && a.output == 0x7fffffff);
}

/* A discount, then a margin, of every member that has a price; a fixed sum on each request. */
static void test_rates(void **state)
{
	const struct price list = { .input = 1000, .output = 2000, .cache_read = 0, .cache_write = 3000,
				    .reasoning = PRICE_NONE, .per_request = 4000, .input_above = 5000,
				    .output_above = 6000, .flags = PRICE_KNOWN | PRICE_FREE,
				    .media_input = 7000, .media_output = 8000, .per_image = 9000,
				    .per_second = 10000, .per_character = 11000, .per_query = 12000,
				    .cache_read_above = 13000, .cache_write_above = 14000,
				    .cache_write_hour = 15000 };
	const struct price_rates rates = { .discount = 200000, .margin = 500000 };
	struct price p = list;

	(void)state;
	assert_true(price_apply(&rates, &p));			/* x 0.8 x 1.5 */
	assert_true(p.input == 1200 && p.output == 2400 && p.cache_read == 0);
	assert_true(p.cache_write == 3600 && p.reasoning == PRICE_NONE && p.per_request == 4800);
	assert_true(p.input_above == 6000 && p.output_above == 7200);
	assert_true(p.media_input == 8400 && p.media_output == 9600 && p.per_image == 10800);
	assert_true(p.cache_read_above == 15600 && p.cache_write_above == 16800);
	assert_int_equal(p.cache_write_hour, 18000);
	assert_true(p.per_second == 12000 && p.per_character == 13200 && p.per_query == 14400);
	assert_int_equal(p.flags, PRICE_KNOWN | PRICE_FREE);
	p = list;
	assert_true(price_apply(&(struct price_rates){ .fixed = 77 }, &p));
	assert_true(p.input == 1000 && p.per_request == 4077 && p.flags == PRICE_KNOWN);
	p = list;
	assert_false(price_apply(&(struct price_rates){ 0 }, &p));
	assert_memory_equal(&p, &list, sizeof p);
	p.flags = 0;
	assert_false(price_apply(&rates, &p));
	assert_int_equal(p.input, 1000);
	for (int i = 0; i < 2; i++) {				/* one of them is enough */
		p = list;
		assert_true(price_apply(i ? &(struct price_rates){ .margin = 10000 }
					  : &(struct price_rates){ .discount = 10000 }, &p));
		assert_int_equal(p.input, i ? 1010 : 990);
	}
	p = (struct price){ .input = 1, .output = 3, .flags = PRICE_KNOWN };	/* to the nearest */
	assert_true(price_apply(&(struct price_rates){ .margin = 500000 }, &p));
	assert_true(p.input == 2 && p.output == 5);
	p = (struct price){ .input = INT64_MAX, .flags = PRICE_KNOWN };
	assert_true(price_apply(&(struct price_rates){ .margin = 1 }, &p));
	assert_true(p.input == INT64_MAX);
}

static void test_the_smallest_and_the_largest(void **state)
{
	struct price p = { .input = 1, .cache_read = 0, .cache_write = PRICE_NONE, .flags = PRICE_KNOWN };
	struct usage u = { .input = 1000 };

	(void)state;
	assert_int_equal(price_cost(&p, &u), 1);		/* a pico-dollar a token */
	assert_true(price_covers(&p, &u));			/* a nano-dollar is something */
	u.cache_read = 1000;
	assert_int_equal(price_cost(&p, &u), 0);		/* said to cost nothing */
	assert_false(price_covers(&p, &u));
	p.flags = 0;
	p.per_request = 5000;
	assert_false(price_covers(&p, &u));
	p.flags = PRICE_KNOWN;
	p.input = INT64_C(2000000000000);			/* two dollars a token */
	u = (struct usage){ .input = 1000000 };
	assert_int_equal(price_cost(&p, &u), INT64_C(2000000000000005));
	assert_int_equal(price_most(&p, &u), INT64_C(2000000000000005));
	p = (struct price){ .input = 1000, .per_query = 3000, .flags = PRICE_KNOWN };
	u = (struct usage){ .input = UINT64_C(1) << 40, .searches = 2 };
	assert_int_equal(price_most(&p, &u), INT64_C(0x7fffffff) + 6);
	assert_int_equal(price_cost(&p, &u), INT64_C(0x7fffffff) + 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_bills),
		cmocka_unit_test(test_other_measures),
		cmocka_unit_test(test_service_tiers),
		cmocka_unit_test(test_web_searches), cmocka_unit_test(test_tools),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_unknown_and_damaged),
		cmocka_unit_test(test_saturates),
		cmocka_unit_test(test_never_above_worst_and_monotone),
		cmocka_unit_test(test_reading_pico),
		cmocka_unit_test(test_reading_nano),
		cmocka_unit_test(test_reading_slices),
		cmocka_unit_test(test_clamping),
		cmocka_unit_test(test_adding),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_the_smallest_and_the_largest),
	};

	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
