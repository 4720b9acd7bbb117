/* SPDX-License-Identifier: MIT
 * test_cost_split.c - the parts of a cost add up to it, with discount and margin; nothing is said
 * of parts where prices do not give that cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/journal.h"
#include "common/json.h"
#include "master/cost_split.h"

static struct buf text;
static struct arena *arena;

static int64_t nano(const struct json *j, const char *key)
{
	int64_t v = -1;
	assert_int_equal(price_read_nano(json_get(j, key)->raw, &v), 0);
	return v;
}

static void expect(const struct price_quote *q, const struct usage *u, int64_t cost, const char *want)
{
	struct json_out o = json_out(&text);
	buf_reset(&text);
	cost_split_put(&o, NULL, q, u, cost);
	assert_string_equal(buf_z(&text), want);
}

static struct price a_price(void)
{
	struct price p = price_none();
	p.input = 3000000;
	p.output = 15000000;
	p.cache_read = 300000;
	p.flags = PRICE_KNOWN;
	return p;
}

static void test_list_price(void **st)
{
	struct config c = { 0 };
	struct price p = a_price();
	struct price_quote q = price_quote_of(&c, STR("openai"), &p);
	struct usage u = { .input = 1000, .output = 100, .cache_read = 600 };
	(void)st;
	expect(&q, &u, 2880000, "{\"input_cost\":0.00138,\"output_cost\":0.0015,\"tool_usage_cost\":0.0,"
				"\"original_cost\":0.00288,\"total_cost\":0.00288}");
	expect(&q, &u, 2880001, "{\"total_cost\":0.002880001}");	/* booked by another price */
	expect(NULL, &u, 0, "{\"total_cost\":0.0}");
	p.per_request = 5000000000;
	q = price_quote_of(&c, STR("openai"), &p);
	expect(&q, &u, 7880000, "{\"input_cost\":0.00638,\"output_cost\":0.0015,\"tool_usage_cost\":0.0,"
				"\"original_cost\":0.00788,\"total_cost\":0.00788}");
}

static void test_discount_and_margin(void **st)
{
	struct config_rate rates[] = {
		{ .provider = STR("openai"), .discount = 500000 },
		{ .provider = STR("global"), .margin = 100000, .fixed = 1000000000, .has_margin = true },
		{ .provider = STR("azure"), .margin = 1000000, .has_margin = true },
	};
	struct config c = { .rates = rates, .n_rates = COUNT(rates) };
	struct price p = a_price();
	struct usage u = { .input = 1000, .output = 100 };
	struct price_quote q = price_quote_of(&c, STR("openai"), &p);
	(void)st;
	expect(&q, &u, price_cost(&q.price, &u),
	       "{\"input_cost\":0.003,\"output_cost\":0.0015,\"tool_usage_cost\":0.0,\"original_cost\":0.0045,"
	       "\"discount_percent\":0.5,\"discount_amount\":0.00225,\"margin_percent\":0.1,"
	       "\"margin_fixed_amount\":0.001,\"margin_total_amount\":0.001225,\"total_cost\":0.003475}");
	q = price_quote_of(&c, STR("azure"), &p);		/* its own margin, not that of all */
	expect(&q, &u, 9000000,
	       "{\"input_cost\":0.003,\"output_cost\":0.0015,\"tool_usage_cost\":0.0,\"original_cost\":0.0045,"
	       "\"margin_percent\":1,\"margin_fixed_amount\":0.0,\"margin_total_amount\":0.0045,"
	       "\"total_cost\":0.009}");
}

/* What is sold by other measures: which part each is, with discount and margin; and a row of the
 * ledger, which knows the tokens alone, says the same. */
static void test_other_measures(void **st)
{
	static const struct {
		uint8_t call;
		struct usage u;
		int64_t in, out;
	} rows[] = {
		{ JOURNAL_CALL_IMAGE, { .images = 3, .input = 10 }, 30000, 120000000 },
		{ JOURNAL_CALL_IMAGE_EDIT, { .images = 1 }, 0, 40000000 },
		{ JOURNAL_CALL_SPEECH, { .characters = 1999 }, 29985000, 0 },
		{ JOURNAL_CALL_TRANSCRIPTION, { .milliseconds = 12345 }, 1234500, 0 },
		{ JOURNAL_CALL_RERANK, { .searches = 2, .output = 1 }, 4000000, 15000 },
		{ JOURNAL_CALL_EMBED, { .input = 7 }, 21000, 0 },
		{ JOURNAL_CALL_CHAT, { .input = 9, .output = 8, .media_input = 4, .media_output = 2 },
		  415000, 290000 },
	};
	struct config_rate rate = { .provider = STR("openai"), .discount = 200000, .margin = 100000,
				    .has_margin = true };
	struct config plain = { 0 }, rated = { .rates = &rate, .n_rates = 1 };
	struct price p = a_price();
	(void)st;
	p.per_image = INT64_C(40000000000);
	p.per_character = 15000000;
	p.per_second = 100000000;
	p.per_query = 2000000000;
	p.media_input = p.media_output = 100000000;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct config *const configs[] = { &plain, &rated };
		for (size_t k = 0; k < COUNT(configs); k++) {
			struct price_quote q = price_quote_of(configs[k], STR("openai"), &p);
			struct usage tokens = rows[i].u;
			int64_t cost = price_cost(&q.price, &tokens), off = 0, on = 0;
			int64_t original = rows[i].in + rows[i].out;
			struct json_out o = json_out(&text);
			assert_int_equal(price_cost(&q.list, &tokens), original);
			tokens.images = tokens.characters = tokens.milliseconds = tokens.searches = 0;
			cost_split_measure(&q, rows[i].call, cost, &tokens);
			assert_memory_equal(&tokens, &rows[i].u, sizeof tokens);
			buf_reset(&text);
			cost_split_put(&o, NULL, &q, &rows[i].u, cost);
			struct json_error e;
			const struct json *j = json_parse(arena, buf_str(&text), 0, &e);
			assert_int_equal(nano(j, "input_cost"), rows[i].in);
			assert_int_equal(nano(j, "output_cost"), rows[i].out);
			assert_int_equal(nano(j, "original_cost"), original);
			if (k) {
				off = nano(j, "discount_amount");
				on = nano(j, "margin_total_amount");
				assert_true(off > 0 && on > 0);
			}
			assert_int_equal(original - off + on, nano(j, "total_cost"));
			assert_int_equal(nano(j, "total_cost"), cost);
		}
	}
}

static void test_what_no_number_explains(void **st)
{
	struct config c = { 0 };
	struct price p = a_price();
	struct usage u = { .input = 1 }, before = u;
	p.per_image = 7000000;
	struct price_quote q = price_quote_of(&c, STR("openai"), &p);
	(void)st;
	cost_split_measure(&q, JOURNAL_CALL_IMAGE, 3000 + 7001, &u);	/* no whole image */
	cost_split_measure(&q, JOURNAL_CALL_IMAGE, 1, &u);
	cost_split_measure(&q, JOURNAL_CALL_IMAGE, INT64_MAX, &u);
	cost_split_measure(&q, JOURNAL_CALL_CHAT, 3000 + 7000, &u);
	cost_split_measure(&q, JOURNAL_CALL_SPEECH, 3000 + 7000, &u);
	cost_split_measure(NULL, JOURNAL_CALL_IMAGE, 3000 + 7000, &u);
	assert_memory_equal(&u, &before, sizeof u);
	cost_split_measure(&q, JOURNAL_CALL_IMAGE, 3000 + 7000, &u);
	assert_int_equal(u.images, 1);
}

/* A row of the ledger knows neither the tier nor the searches: its cost tells. */
static void test_tiers_and_searches(void **st)
{
	static const struct {
		struct usage u;
		const char *want;
	} rows[] = {
		{ { 1000, 100, .tier = TIER_STANDARD }, "{\"input_cost\":0.003,\"output_cost\":0.0015,"
		  "\"tool_usage_cost\":0.0,\"original_cost\":0.0045,\"total_cost\":0.0045}" },
		{ { 1000, 100, .tier = TIER_FLEX }, "{\"input_cost\":0.001,\"output_cost\":0.0005,"
		  "\"tool_usage_cost\":0.0,\"original_cost\":0.0015,\"total_cost\":0.0015}" },
		{ { 1000, 100, .tier = TIER_PRIORITY, .web_searches = 3, .search_size = SEARCH_LOW },
		  "{\"input_cost\":0.006,\"output_cost\":0.003,\"tool_usage_cost\":0.021,"
		  "\"original_cost\":0.03,\"total_cost\":0.03}" },
		{ { 1000, 100, .tier = TIER_STANDARD, .web_searches = WEB_SEARCHES_MAX,
		    .search_size = SEARCH_HIGH },
		  "{\"input_cost\":0.003,\"output_cost\":0.0015,\"tool_usage_cost\":13.0,"
		  "\"original_cost\":13.0045,\"total_cost\":13.0045}" },
	};
	struct config c = { 0 };
	struct price p = a_price();
	(void)st;
	p.tiers[TIER_FLEX - TIER_FLEX] = (struct tier_price){ 1000000, 5000000, PRICE_NONE };
	p.tiers[TIER_PRIORITY - TIER_FLEX] = (struct tier_price){ 6000000, 30000000, PRICE_NONE };
	p.per_search[0] = INT64_C(7000000000);
	p.per_search[1] = INT64_C(11000000000);
	p.per_search[2] = INT64_C(13000000000);
	p.flags |= PRICE_TIERED | PRICE_SEARCHED;
	struct price_quote q = price_quote_of(&c, STR("openai"), &p);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct usage u = { .input = 1000, .output = 100 };
		int64_t cost = price_cost(&q.price, &rows[i].u);
		cost_split_measure(&q, JOURNAL_CALL_CHAT, cost, &u);
		assert_memory_equal(&u, &rows[i].u, sizeof u);
		expect(&q, &u, cost, rows[i].want);
	}
	struct usage u = { .input = 1000, .output = 100 }, before = u;
	cost_split_measure(&q, JOURNAL_CALL_CHAT, 4500001, &u);
	cost_split_measure(&q, JOURNAL_CALL_CHAT, INT64_MAX, &u);
	assert_memory_equal(&u, &before, sizeof u);
}

/* Nor what other tools did. */
static void test_tools(void **st)
{
	static const struct usage rows[] = {
		{ 1000, 100, .tier = TIER_STANDARD, .file_searches = 7 },
		{ 1000, 100, .tier = TIER_STANDARD, .sessions = 1 },
		{ 1000, 100, .tier = TIER_STANDARD, .sessions = 4, .file_searches = 2 },
		{ 1000, 100, .tier = TIER_STANDARD, .sessions = 2, .web_searches = 5,
		  .search_size = SEARCH_MEDIUM },
	};
	struct config c = { 0 };
	struct price p = a_price();
	(void)st;
	p.per_search[1] = INT64_C(11100000000);
	p.per_file_search = INT64_C(2500000000);
	p.per_session = INT64_C(30700000000);
	p.flags |= PRICE_TOOLED | PRICE_SEARCHED;
	struct price_quote q = price_quote_of(&c, STR("openai"), &p);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct usage u = { .input = 1000, .output = 100 };
		cost_split_measure(&q, JOURNAL_CALL_CHAT, price_cost(&q.price, &rows[i]), &u);
		assert_memory_equal(&u, &rows[i], sizeof u);
	}
	struct usage u = rows[2];
	expect(&q, &u, price_cost(&q.price, &u),
	       "{\"input_cost\":0.003,\"output_cost\":0.0015,\"tool_usage_cost\":0.1278,"
	       "\"original_cost\":0.1323,\"total_cost\":0.1323}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_price),
		cmocka_unit_test(test_discount_and_margin),
		cmocka_unit_test(test_other_measures),
		cmocka_unit_test(test_what_no_number_explains),
		cmocka_unit_test(test_tiers_and_searches),
		cmocka_unit_test(test_tools),
	};
	buf_init(&text, 4096);
	arena = arena_new(1 << 20);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_done(&text);
	arena_free(arena);
	return failed;
}
