/* SPDX-License-Identifier: MIT
 * test_prices.c - every row of the price table is sound, in order and found again; some prices
 * that everybody knows are right to the last digit. */
#include "master/prices.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "master/embed.h"

static void check_row(const struct price_row *r)
{
	const struct price *p = &r->price;
	const int64_t parts[] = { p->input,	p->output,	p->cache_read,	 p->cache_write,
				  p->reasoning, p->input_above, p->output_above, p->per_request,
				  p->per_second, p->per_character, p->media_input,
				  p->media_output, p->cache_read_above,
				  p->cache_write_above, p->cache_write_hour };

	assert_true(r->model.n > 0);
	assert_true(p->flags & PRICE_KNOWN);
	assert_true(p->input >= 0 && p->output >= 0 && p->per_request >= 0);
	for (size_t i = 0; i < COUNT(parts); i++)
		if (parts[i] < PRICE_NONE || parts[i] > INT64_C(100000000000))
			fail_msg(STR_FMT ": price %zu", STR_ARG(r->model), i);
	assert_true(p->per_image >= 0 && p->per_image <= INT64_C(10000000000000));
	if (!p->tier_tokens)
		assert_true(p->input_above == PRICE_NONE && p->output_above == PRICE_NONE);
	assert_int_equal(p->flags & PRICE_FREE && (p->input || p->output || p->per_image ||
						   p->per_second || p->per_character), 0);
}

static void test_every_row_is_found_again(void **state)
{
	struct str before = STR("");
	struct price_row r, again;
	struct prices_walk at = { 0 };
	size_t n = 0;

	(void)state;
	assert_int_equal(prices_load(), 0);
	while (prices_next(&at, &r)) {
		check_row(&r);
		if (n > 0 && str_cmp(before, r.model) >= 0)
			fail_msg(STR_FMT " is out of order", STR_ARG(r.model));
		before = r.model;
		assert_true(prices_find(STR_NONE, r.model, &again));
		assert_ptr_equal(again.model.p, r.model.p);
		assert_memory_equal(&again.price, &r.price, sizeof r.price);
		n++;
	}
	assert_true(n > 2000);
}

static void test_every_line_has_all_columns(void **state)
{
	struct str text = embed_prices();

	(void)state;
	while (text.n > 0) {
		struct str line = str_cut(&text, '\n');
		size_t columns = 1;
		for (size_t i = 0; i < line.n; i++)
			columns += line.p[i] == '\t';
		assert_int_equal(columns, 37);
	}
}

static void test_known_prices(void **state)
{
	struct price_row r;

	(void)state;
	assert_true(prices_find(STR("openai"), STR("gpt-4o"), &r));
	assert_true(str_eq(r.model, STR("gpt-4o")));
	assert_true(str_eq(r.provider, STR("openai")));
	assert_int_equal(r.mode, MODE_CHAT);
	assert_int_equal(r.max_input_tokens, 128000);
	assert_int_equal(r.max_output_tokens, 16384);
	assert_int_equal(r.price.input, 2500000);
	assert_int_equal(r.price.output, 10000000);
	assert_int_equal(r.price.cache_read, 1250000);
	assert_int_equal(r.price.cache_write, PRICE_NONE);
	assert_int_equal(r.price.tier_tokens, 0);
	assert_string_equal(abilities_cell(r.abilities).text, "PScfmpstv");
	assert_true(prices_find(STR("openai"), STR("whisper-1"), &r));
	assert_int_equal(r.price.per_second, 100000000);
	assert_true(prices_find(STR("openai"), STR("tts-1"), &r));
	assert_int_equal(r.price.per_character, 15000000);
	assert_true(prices_find(STR("openai"), STR("dall-e-3"), &r));
	assert_int_equal(r.price.per_image, INT64_C(40000000000));
	assert_true(prices_find(STR("openai"), STR("gpt-image-1"), &r));
	assert_int_equal(r.price.media_output, 40000000);
	assert_true(prices_find(STR("gemini"), STR("gemini-2.5-pro"), &r));
	assert_true(str_eq(r.model, STR("gemini/gemini-2.5-pro")));
	assert_int_equal(r.price.tier_tokens, 200000);
	assert_int_equal(r.price.input_above, 2500000);
	assert_int_equal(r.price.output_above, 15000000);
	assert_int_equal(r.price.cache_read_above, 250000);
	assert_true(prices_find(STR("anthropic"), STR("claude-sonnet-4-20250514"), &r));
	assert_int_equal(r.price.cache_read_above, 600000);
	assert_int_equal(r.price.cache_write_above, 7500000);
	assert_int_equal(r.price.cache_write_hour, 6000000);
	assert_true(prices_find(STR("openai"), STR("text-embedding-3-small"), &r));
	assert_int_equal(r.mode, MODE_EMBEDDING);
	assert_int_equal(r.price.input, 20000);
	/* Service tiers, batches, and searches on the web. */
	assert_true(prices_find(STR("openai"), STR("gpt-5"), &r));
	assert_int_equal(r.price.flags, PRICE_KNOWN | PRICE_TIERED | PRICE_TOOLED);
	assert_int_equal(r.price.per_file_search, INT64_C(2500000000));
	assert_int_equal(r.price.per_session, INT64_C(30000000000));
	assert_int_equal(r.price.tiers[TIER_FLEX - TIER_FLEX].input, 625000);
	assert_int_equal(r.price.tiers[TIER_FLEX - TIER_FLEX].cache_read, 62500);
	assert_int_equal(r.price.tiers[TIER_PRIORITY - TIER_FLEX].output, 20000000);
	assert_int_equal(r.price.tiers[TIER_BATCH - TIER_FLEX].input, PRICE_NONE);
	assert_true(prices_find(STR("openai"), STR("gpt-4.1"), &r));
	assert_int_equal(r.price.tiers[TIER_BATCH - TIER_FLEX].input, 1000000);
	assert_int_equal(r.price.tiers[TIER_BATCH - TIER_FLEX].output, 4000000);
	assert_int_equal(r.price.tiers[TIER_BATCH - TIER_FLEX].cache_read, PRICE_NONE);
	assert_true(prices_find(STR("anthropic"), STR("claude-sonnet-4-20250514"), &r));
	assert_int_equal(r.price.flags, PRICE_KNOWN | PRICE_SEARCHED);
	assert_int_equal(r.price.per_search[SEARCH_MEDIUM - SEARCH_LOW], INT64_C(10000000000));
	assert_true(prices_find(STR("openai"), STR("gpt-4o-search-preview"), &r));
	assert_int_equal(r.price.per_search[SEARCH_HIGH - SEARCH_LOW], INT64_C(50000000000));
	assert_true(prices_find(STR("gemini"), STR("gemini-2.5-pro"), &r));
	assert_true((r.price.flags & (PRICE_SEARCHED | PRICE_PER_PROMPT)) ==
		    (PRICE_SEARCHED | PRICE_PER_PROMPT));
	assert_int_equal(r.price.per_search[SEARCH_MEDIUM - SEARCH_LOW], INT64_C(35000000000));
	assert_true(prices_find(STR("gemini"), STR("gemini-3-pro-preview"), &r));
	assert_true((r.price.flags & (PRICE_SEARCHED | PRICE_PER_PROMPT)) == PRICE_SEARCHED);
	assert_int_equal(r.price.per_search[SEARCH_MEDIUM - SEARCH_LOW], INT64_C(14000000000));
	/* A request for a ranking is one or more queries, and none of them is free. */
	assert_true(prices_find(STR("cohere"), STR("rerank-v3.5"), &r));
	assert_int_equal(r.mode, MODE_RERANK);
	assert_int_equal(r.price.per_query, 2000000000);
	assert_int_equal(r.price.per_request, 0);
	assert_int_equal(r.price.flags, PRICE_KNOWN);
	assert_true(prices_find(STR("voyage"), STR("rerank-2"), &r));
	assert_int_equal(r.price.input, 50000);
	assert_int_equal(r.price.per_query, 0);
}

static void test_the_order_of_looking(void **state)
{
	struct price_row r = { .max_input_tokens = 7 };

	(void)state;
	/* The provider's own row comes before the row of the bare name. */
	assert_true(prices_find(STR("azure"), STR("gpt-4o"), &r));
	assert_true(str_eq(r.model, STR("azure/gpt-4o")));
	assert_true(prices_find(STR("openai"), STR("openai/gpt-4o"), &r));
	assert_true(str_eq(r.model, STR("gpt-4o")));
	assert_true(prices_find(STR("hosted_vllm"), STR("gpt-4o"), &r));
	assert_true(str_eq(r.model, STR("gpt-4o")));
	r.max_input_tokens = 7;
	assert_false(prices_find(STR("openai"), STR("no-such-model"), &r));
	assert_false(prices_find(STR("openai"), STR(""), &r));
	assert_false(prices_find(STR_NONE, STR("model"), &r));
	assert_false(prices_find(STR_NONE, STR("sample_spec"), &r));
	assert_false(prices_find(STR_NONE, STR("~~~~"), &r));
	assert_false(prices_find(STR_NONE, STR("\t"), &r));
	assert_int_equal(r.max_input_tokens, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_is_found_again),
		cmocka_unit_test(test_every_line_has_all_columns),
		cmocka_unit_test(test_known_prices),
		cmocka_unit_test(test_the_order_of_looking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
