/* SPDX-License-Identifier: MIT
 * test_bulk.c - what an object of a batch says, and what it costs. */
#include "worker/bulk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/hash.h"
#include "common/json.h"

#define USAGE                                                                                      \
	"\"usage\":{\"input_tokens\":100,\"input_tokens_details\":{\"cached_tokens\":40},"            \
	"\"output_tokens\":10,\"output_tokens_details\":{\"reasoning_tokens\":4}}"
#define BATCH(status) "{\"object\":\"batch\",\"id\":\"batch_1\",\"status\":\"" status "\"," USAGE "}"

static struct arena *mem;

static bool told(const char *text, struct bulk_told *ret)
{
	struct json_error e;
	return bulk_read(json_parse(mem, str_z(text), 0, &e), ret);
}

static void test_reads(void **st)
{
	struct bulk_told b;
	(void)st;
	assert_true(told("{\"id\":\"batch_1\",\"object\":\"batch\",\"status\":\"completed\","
			 "\"model\":\"gpt-5\",\"request_counts\":{\"total\":9,\"completed\":7},"
			 USAGE "}", &b));
	assert_true(str_eq(b.id, STR("batch_1")) && str_eq(b.model, STR("gpt-5")) && b.is_over);
	assert_int_equal(b.answered, 7);
	assert_int_equal(b.usage.input, 100);
	assert_int_equal(b.usage.cache_read, 40);
	assert_int_equal(b.usage.output, 10);
	assert_int_equal(b.usage.reasoning, 4);
	assert_int_equal(b.usage.tier, TIER_BATCH);
}

static void test_when_it_is_over(void **st)
{
	static const struct {
		const char *text;
		bool is_one, is_over;
	} all[] = {
		{ BATCH("completed"), true, true },
		{ BATCH("expired"), true, true },
		{ BATCH("cancelled"), true, true },
		{ BATCH("failed"), true, true },
		{ BATCH("cancelling"), true, false },
		{ BATCH("in_progress"), true, false },
		{ BATCH("finalizing"), true, false },
		{ "{\"object\":\"batch\",\"id\":\"b\",\"status\":\"completed\",\"usage\":null}", true,
		  false },
		{ "{\"object\":\"batch\",\"id\":\"b\",\"status\":\"completed\",\"usage\":[1]}", true,
		  false },
		{ "{\"object\":\"batch\",\"id\":\"b\",\"status\":7," USAGE "}", true, false },
		{ "{\"object\":\"batch\",\"id\":7,\"status\":\"completed\"}", false, false },
		{ "{\"object\":\"batch\",\"id\":\"a\\u0062\",\"status\":\"completed\"}", false, false },
		{ "{\"object\":\"list\",\"id\":\"b\"}", false, false },
		{ "{\"object\":\"vector_store.files_batch\",\"id\":\"b\"}", false, false },
		{ "{\"type\":\"message_batch\",\"id\":\"b\"}", false, false },
		{ "[]", false, false }, { "7", false, false }, { "", false, false },
	};
	(void)st;
	for (size_t i = 0; i < COUNT(all); i++) {
		struct bulk_told b = { .is_over = false };
		assert_int_equal(told(all[i].text, &b), all[i].is_one);
		assert_int_equal(b.is_over, all[i].is_over);
	}
}

static void test_id(void **st)
{
	uint8_t a[16], b[16];
	char hex[33];
	(void)st;
	bulk_id(STR("openai"), STR("batch_1"), a);
	bulk_id(STR("openai"), STR("batch_2"), b);
	assert_memory_not_equal(a, b, sizeof a);
	bulk_id(STR("azure"), STR("batch_1"), b);
	assert_memory_not_equal(a, b, sizeof a);
	hash_hex(hex, a, sizeof a);		/* sha256("openai\nbatch_1"): it is in databases */
	assert_string_equal(hex, "336d3ea2a86ab1227cba6efa810e6bd2");
}

static void test_cost(void **st)
{
	struct bulk_told b = { .answered = 7, .usage = { .input = 300000, .output = 1000,
							  .tier = TIER_BATCH } };
	struct price p = price_none();
	(void)st;
	p.flags = PRICE_KNOWN | PRICE_TIERED;
	p.input = 2000000;
	p.output = 8000000;
	p.tiers[TIER_BATCH - TIER_FLEX].input = 1000000;
	p.tiers[TIER_BATCH - TIER_FLEX].output = 4000000;
	p.tier_tokens = 200000;
	p.input_above = 900000000;		/* of one long request, and not of many */
	assert_int_equal(bulk_cost(&p, &b), 300000000 + 4000000);
	p.per_request = 5000;
	assert_int_equal(bulk_cost(&p, &b), 300000000 + 4000000 + 35);
	p.per_request = INT64_MAX;
	b.answered = UINT64_MAX;
	assert_true(bulk_cost(&p, &b) <= PRICE_NANO_MAX && bulk_cost(&p, &b) > 0);
	p.flags = 0;
	assert_int_equal(bulk_cost(&p, &b), 0);
}

static int setup(void **st)
{
	(void)st;
	mem = arena_new(1 << 20);
	return mem ? hash_init() : -1;
}

static int teardown(void **st)
{
	(void)st;
	mem = arena_free(mem);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads), cmocka_unit_test(test_when_it_is_over),
		cmocka_unit_test(test_id), cmocka_unit_test(test_cost),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
