/* SPDX-License-Identifier: MIT
 * test_price_map.c - entries of LiteLLM's price map as lines of ours, and back; which are refused,
 * and why; what is imported goes before what is shipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/hash.h"
#include "master/price_map.h"

static struct arena *mem;
static struct buf line;
static char why[160];

static enum price_verdict read_entry(const char *name, const char *entry)
{
	struct json_error e;
	struct str text = arena_printf(mem, "{\"%s\": %s}", name, entry);
	const struct json *map = json_parse(mem, text, JSON_ONE_KEY, &e);
	assert_non_null(map);
	return price_map_line(mem, map->child, &line, why);
}

static const struct taken {
	const char *name, *entry, *line;	/* the line's tabs as '|' */
} taken[] = {
	{ "m", "{\"input_cost_per_token\": 2.5e-06, \"output_cost_per_token\": \"1e-5\","
	       " \"litellm_provider\": \"openai\", \"mode\": \"chat\", \"max_tokens\": 100}",
	  "m|openai|chat|100|100|2500000|10000000||||||||||||||||||||||||||||2500000000|30000000000|" },
	{ "free", "{\"input_cost_per_token\": 0, \"output_cost_per_token\": 0.0, \"max_input_tokens\": 7,"
		  " \"max_tokens\": \"many\"}",
	  "free|||7||0|0||||||||||||||||||||||||||||||" },
	{ "cached", "{\"input_cost_per_token\": 1e-6, \"input_cost_per_token_cache_hit\": 1.25e-9,"
		    " \"cache_creation_input_token_cost\": 2e-6, \"output_cost_per_reasoning_token\": 3e-6}",
	  "cached|||||1000000||1250|2000000|3000000|||||||||||||||||||||||||||" },
	{ "tier", "{\"input_cost_per_token\": 1e-6, \"input_cost_per_token_above_200k_tokens\": 2e-6,"
		  " \"output_cost_per_token_above_200k_tokens\": 4e-6,"
		  " \"input_cost_per_token_above_128k_tokens\": 3e-6,"
		  " \"cache_read_input_token_cost_above_200k_tokens\": 5e-7,"
		  " \"cache_creation_input_token_cost_above_200k_tokens\": 7e-6,"
		  " \"cache_creation_input_token_cost_above_1hr\": 6e-6,"
		  " \"cache_creation_input_token_cost_above_1hr_above_200k_tokens\": 9}",
	  "tier|||||1000000||||||128000|3000000|4000000|||||||500000|7000000|6000000||||||||||||||" },
	{ "ranges", "{\"tiered_pricing\": [{\"range\": [0, 32000.0], \"input_cost_per_token\": 1e-6,"
		    " \"output_cost_per_token\": 2e-6}, {\"range\": [32000, 64000],"
		    " \"input_cost_per_token\": 3e-6}, {\"range\": [64000, 1e6],"
		    " \"input_cost_per_token\": 2e-6, \"output_cost_per_token\": 5e-6}]}",
	  "ranges|||||1000000|2000000|||||32000|3000000|5000000|||||||||||||||||||||||" },
	{ "rank", "{\"mode\": \"rerank\", \"input_cost_per_query\": 0.002, \"input_cost_per_request\": 7}",
	  "rank||rerank||||||||2000000000||||||||||||||||||||||||||" },
	{ "asked", "{\"input_cost_per_request\": 0.005}", "asked||||||||||5000000000||||||||||||||||||||||||||" },
	{ "drawn", "{\"mode\": \"image_generation\", \"input_cost_per_image\": 0.04,"
		   " \"input_cost_per_second\": 1}",
	  "drawn||image_generation||||||||||||40000000000||||||||||||||||||||||" },
	{ "said", "{\"mode\": \"audio_speech\", \"input_cost_per_character\": 1.5e-5,"
		  " \"output_cost_per_second\": 1e-4}",
	  "said||audio_speech|||||||||||||100000000|15000000||||||||||||||||||||" },
	{ "able", "{\"input_cost_per_token\": 1e-6, \"supports_vision\": true, \"supports_magic\": true,"
		  " \"supports_reasoning\": false, \"supports_audio_input\": \"true\","
		  " \"supports_function_calling\": true, \"supports_pdf_input\": true}",
	  "able|||||1000000||||||||||||||Pfv|||||||||||||||||" },
	{ "heard", "{\"input_cost_per_token\": 1e-6, \"input_cost_per_audio_token\": 1e-6,"
		   " \"output_cost_per_image_token\": 4e-6}",
	  "heard|||||1000000|||||||||||||4000000||||||||||||||||||" },
	{ "soon", "{\"input_cost_per_token\": 1e-6, \"input_cost_per_token_flex\": 5e-7,"
		  " \"output_cost_per_token_flex\": \"6e-7\", \"cache_read_input_token_cost_flex\": 1e-8,"
		  " \"input_cost_per_token_priority\": 2e-6, \"output_cost_per_token_priority\": 3e-6,"
		  " \"cache_read_input_token_cost_priority\": 4e-6, \"input_cost_per_token_batches\": 0,"
		  " \"output_cost_per_token_batches\": 7e-6}",
	  "soon|||||1000000||||||||||||||||||500000|600000|10000|2000000|3000000|4000000|0|7000000||||||" },
	{ "works", "{\"litellm_provider\": \"openai\", \"mode\": \"responses\","
		   " \"input_cost_per_token\": 1e-6}",
	  "works|openai|responses|||1000000|||||||||||||||||||||||||||||2500000000|30000000000|" },
	{ "sells", "{\"input_cost_per_token\": 1e-6, \"file_search_cost_per_1k_calls\": 4,"
		   " \"code_interpreter_cost_per_session\": \"0.12\"}",
	  "sells|||||1000000|||||||||||||||||||||||||||||4000000000|120000000000|" },
	{ "gemini-2", "{\"litellm_provider\": \"gemini\", \"input_cost_per_token\": 1e-6,"
		      " \"supports_web_search\": true}",
	  "gemini-2|gemini||||1000000||||||||||||||w||||||||||||35000000000|35000000000|35000000000|||p" },
	{ "gemini-3", "{\"litellm_provider\": \"gemini\", \"input_cost_per_token\": 1e-6,"
		      " \"supports_web_search\": true}",
	  "gemini-3|gemini||||1000000||||||||||||||w||||||||||||14000000000|14000000000|14000000000|||" },
	{ "told", "{\"input_cost_per_token\": 1e-6, \"web_search_billing_unit\": \"per_prompt\","
		  " \"search_context_cost_per_query\": {\"search_context_size_medium\": 0.02}}",
	  "told|||||1000000|||||||||||||||||||||||||||20000000000||||p" },
	{ "seeks", "{\"input_cost_per_token\": 1e-6, \"search_context_cost_per_query\": {"
		   "\"search_context_size_low\": 0.005, \"search_context_size_high\": \"0.01\"}}",
	  "seeks|||||1000000||||||||||||||||||||||||||5000000000||10000000000|||" },
};

static struct str with_tabs(const char *text)
{
	char *z = arena_dup_z(mem, str_z(text));
	assert_non_null(z);
	for (char *p = z; *p; p++)
		*p = *p == '|' ? '\t' : *p;
	return str_z(z);
}

static void test_entries_become_lines(void **st)
{
	(void)st;
	for (size_t i = 0; i < COUNT(taken); i++) {
		struct str want = with_tabs(taken[i].line);
		if (read_entry(taken[i].name, taken[i].entry) != PRICE_TAKEN)
			fail_msg("%s: %s", taken[i].name, why);
		if (!str_eq(buf_str(&line), want))
			fail_msg("%s\ngot  " STR_FMT "\nwant " STR_FMT, taken[i].name,
				 STR_ARG(buf_str(&line)), STR_ARG(want));
	}
}

static const struct left {
	const char *name, *entry, *why;		/* NULL: it lacks a price */
} left[] = {
	{ "sample_spec", "{\"input_cost_per_token\": 1e-6}", NULL },
	{ "512-x-512/dall-e", "{\"input_cost_per_token\": 1e-6}", NULL },
	{ "m", "{}", NULL },
	{ "m", "{\"mode\": \"chat\", \"output_cost_per_image\": 0.04}", NULL },
	{ "m", "{\"input_cost_per_token\": null, \"max_tokens\": 3}", NULL },
	{ "m", "[]", "it is not an object" },
	{ "m", "3e-6", "it is not an object" },
	{ "", "{\"input_cost_per_token\": 1e-6}", "its name is empty" },
	{ "a\\tb", "{\"input_cost_per_token\": 1e-6}", "control characters" },
	{ "m", "{\"input_cost_per_token\": -1e-6}", "input_cost_per_token is not a price" },
	{ "m", "{\"output_cost_per_token\": \"cheap\"}", "output_cost_per_token is not a price" },
	{ "m", "{\"output_cost_per_token\": [1]}", "output_cost_per_token is not a price" },
	{ "m", "{\"input_cost_per_token\": 1e400}", "input_cost_per_token is not a price" },
	{ "m", "{\"input_cost_per_token\": 0.01}", "more than a thousand dollars" },
	{ "m", "{\"input_cost_per_token\": 1e-6, \"output_cost_per_token_priority\": 0.01}",
	  "output_cost_per_token_priority is more than a thousand dollars" },
	{ "m", "{\"input_cost_per_token\": 1e-6, \"input_cost_per_token_flex\": -1}",
	  "input_cost_per_token_flex is not a price" },
	{ "m", "{\"input_cost_per_token\": 1e-6, \"search_context_cost_per_query\": {"
	       "\"search_context_size_low\": true}}", "search_context_size_low is not a price" },
	{ "m", "{\"input_cost_per_token\": 1e-6, \"mode\": 3}", "mode is not a short text" },
	{ "m", "{\"input_cost_per_token\": 1e-6, \"litellm_provider\": \"a\\nb\"}",
	  "litellm_provider is not a short text" },
	{ "m", "{\"input_cost_per_token_above_0k_tokens\": 1e-6}", "no threshold" },
	{ "m", "{\"input_cost_per_token_above_99999999999k_tokens\": 1e-6}", "no threshold" },
	{ "m", "{\"tiered_pricing\": [{}, {\"range\": [0, 9], \"input_cost_per_token\": 1e-6}]}",
	  "without a beginning" },
	{ "m", "{\"tiered_pricing\": [{}, {\"max_results_range\": [0, 9], \"input_cost_per_query\": 1}]}", NULL },
};

static void test_what_is_left_out_says_why(void **st)
{
	(void)st;
	for (size_t i = 0; i < COUNT(left); i++) {
		enum price_verdict v = read_entry(left[i].name, left[i].entry);
		assert_int_equal(v, left[i].why ? PRICE_REFUSED : PRICE_LACKING);
		assert_int_equal(line.n, 0);
		if (left[i].why && !strstr(why, left[i].why))
			fail_msg("%s: %s", left[i].entry, why);
	}
}

/* All that is shipped, written as LiteLLM writes it and read again, costs the same. */
static void test_there_and_back(void **st)
{
	struct prices_walk at = { 0 };
	struct price_row row;
	size_t n = 0;
	(void)st;
	while (prices_next(&at, &row)) {
		struct buf text;
		struct json_error e;
		arena_reset(mem);
		buf_init(&text, 8192);
		struct json_out o = json_out(&text);
		json_open(&o, NULL);
		json_key(&o, row.model);
		json_open(&o, NULL);
		price_map_put(&o, &row);
		json_close(&o);
		json_close(&o);
		const struct json *map = json_parse(mem, buf_str(&text), JSON_ONE_KEY, &e);
		assert_non_null(map);
		if (price_map_line(mem, map->child, &line, why) != PRICE_TAKEN)
			fail_msg(STR_FMT ": %s", STR_ARG(row.model), why);
		struct price_row again = prices_read_line(buf_str(&line));
		assert_memory_equal(&again.price, &row.price, sizeof row.price);
		assert_int_equal(again.mode, row.mode);
		assert_int_equal(again.abilities, row.abilities);
		assert_int_equal(again.max_input_tokens, row.max_input_tokens);
		assert_int_equal(again.max_output_tokens, row.max_output_tokens);
		buf_done(&text);
		n++;
	}
	assert_true(n > 2000);
}

static int64_t input_of(const char *provider, const char *model)
{
	struct price_row row;
	return prices_find(str_z(provider), str_z(model), &row) ? row.price.input : -1;
}

static void test_imported_before_shipped(void **st)
{
	struct prices_walk at = { 0 };
	struct price_row row;
	size_t n = 0, n_imported = 0;
	struct str before = STR("");
	(void)st;
	assert_int_equal(input_of("openai", "gpt-4o"), 2500000);
	struct str lines = with_tabs("aaa|own|chat|||7|7|||||||||||||\n"
				     "gpt-4o|openai|chat|||9|9|||||||||||||\n"
				     "zzz|own|chat|||8|8|||||||||||||\n");
	size_t shipped = 0;
	while (prices_next(&at, &row))
		shipped++;
	assert_int_equal(prices_import(lines), 0);
	assert_int_equal(input_of("openai", "gpt-4o"), 9);
	assert_int_equal(input_of("azure", "gpt-4o"), 2500000);	/* a row of its own is nearer */
	assert_int_equal(input_of("", "aaa"), 7);
	assert_int_equal(input_of("own", "zzz"), 8);
	assert_true(prices_shipped(STR("gpt-4o"), &row));
	assert_int_equal(row.price.input, 2500000);
	at = (struct prices_walk){ 0 };
	while (prices_next(&at, &row)) {
		if (n > 0)
			assert_true(str_cmp(before, row.model) < 0);
		before = row.model;
		n_imported += row.is_imported;
		n++;
	}
	assert_int_equal(n, shipped + 2);
	assert_int_equal(n_imported, 3);
	assert_int_equal(prices_import(STR("")), 0);
	assert_int_equal(input_of("openai", "gpt-4o"), 2500000);
	assert_int_equal(input_of("", "aaa"), -1);
}

static int setup(void **st)
{
	(void)st;
	mem = arena_new(16 << 20);
	buf_init(&line, PRICE_LINE_MAX);
	return mem && hash_init() == 0 ? 0 : -1;
}

static int teardown(void **st)
{
	(void)st;
	arena_free(mem);
	buf_done(&line);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_become_lines),
		cmocka_unit_test(test_what_is_left_out_says_why),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_imported_before_shipped),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
