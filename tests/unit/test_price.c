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
	};
}

static const struct row gpt_4o = { "2.5e-06", "1e-05", "1.25e-06", NULL, NULL, NULL, NULL, NULL,
				   0, NULL };
static const struct row sonnet = { "3e-06", "1.5e-05", "3e-07", "3.75e-06", NULL, NULL, NULL, NULL,
				   0, NULL };
static const struct row gemini = { "1.25e-06", "5e-06", NULL, NULL, NULL, NULL, "2.5e-06", "1e-05",
				   128000, NULL };
static const struct row tiered = { "1e-06", "2e-06", "1e-07", NULL, "6e-06", NULL, "3e-06", "4e-06",
				   1000, NULL };
static const struct row embedding = { "2e-08", "0.0", NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL };
static const struct row tiny = { "1.25e-9", "0", NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL };
static const struct row rerank = { .input = "0.0", .output = "0.0", .per_query = "0.002" };
static const struct row search = { "1e-06", "1e-06", NULL, NULL, NULL, "0.005", NULL, NULL, 0,
				   NULL };

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
	}
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

		assert_in_range(cost, 0, PRICE_NANO_MAX);
		assert_true(cost <= worst);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_bills),
		cmocka_unit_test(test_other_measures),
		cmocka_unit_test(test_unknown_and_damaged),
		cmocka_unit_test(test_saturates),
		cmocka_unit_test(test_never_above_worst_and_monotone),
		cmocka_unit_test(test_reading_pico),
		cmocka_unit_test(test_reading_nano),
	};

	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
