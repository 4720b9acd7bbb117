/* SPDX-License-Identifier: MIT
 * test_cost_split.c - the parts of a cost add up to it, with discount and margin; nothing is said
 * of parts where prices do not give that cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/cost_split.h"

static struct buf text;

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_price),
		cmocka_unit_test(test_discount_and_margin),
	};
	buf_init(&text, 4096);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_done(&text);
	return failed;
}
