/* SPDX-License-Identifier: MIT
 * fuzz_price_map.c - any text as a price map: a line has all columns, is read back as a price that
 * is never negative, and written as an entry again it is the same price. */
#include <errno.h>

#include "common/hash.h"
#include "master/price_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_line(struct str line, struct str model)
{
	size_t columns = 1;
	for (size_t i = 0; i < line.n; i++) {
		MUST(line.p[i] != '\n' && line.p[i] != '\0');
		columns += line.p[i] == '\t';
	}
	MUST(columns == 37);
	struct price_row row = prices_read_line(line);
	struct usage u = { .input = 300000, .output = 1000, .cache_read = 10, .reasoning = 5,
			   .images = 1, .milliseconds = 1500, .characters = 7, .searches = 2,
			   .cache_write = 20, .cache_write_hour = 9, .web_searches = 3,
			   .file_searches = 2, .sessions = 1 };
	MUST(str_eq(row.model, model));
	MUST(row.price.input >= 0 && row.price.output >= 0 && row.price.per_request >= 0);
	MUST(price_cost(&row.price, &u) >= 0);
	MUST(price_cost(&row.price, &u) <= price_most(&row.price, &u) + 1);
}

/* Dollars are written as doubles: prices beyond 2^53 pico-dollars may come back rounded. */
static bool is_exact(const struct price *p)
{
	const int64_t all[] = { p->input, p->output, p->cache_read, p->cache_write, p->reasoning,
				p->per_request, p->input_above, p->output_above, p->per_image,
				p->per_second, p->per_character, p->per_query, p->media_input,
				p->media_output };
	for (size_t i = 0; i < COUNT(all); i++)
		if (all[i] > INT64_C(1) << 50)
			return false;
	return p->media_input != p->input && p->media_output != p->output && p->input_above != 0;
}

static void check_back(struct arena *a, struct str line, struct buf *again)
{
	struct price_row row = prices_read_line(line);
	struct json_error e;
	struct buf text;
	char why[160];
	buf_init(&text, 1 << 16);
	struct json_out o = json_out(&text);
	json_open(&o, NULL);
	json_key(&o, row.model);
	json_open(&o, NULL);
	price_map_put(&o, &row);
	json_close(&o);
	json_close(&o);
	const struct json *map = json_parse(a, buf_str(&text), JSON_ONE_KEY, &e);
	MUST(map && map->child);
	if (price_map_line(a, map->child, again, why) == PRICE_TAKEN && is_exact(&row.price)) {
		struct price_row back = prices_read_line(buf_str(again));
		MUST(back.price.input == row.price.input && back.price.output == row.price.output);
		MUST(back.price.per_query == row.price.per_query);
		MUST(back.mode == row.mode && back.abilities == row.abilities);
	}
	buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct json_error e;
	struct buf line, again;
	char why[160];
	if (hash_init() != 0 || n > 65536)
		return 0;
	struct arena *a = arena_new(64 << 20);
	const struct json *map = json_parse(a, str_of((const char *)p, n), JSON_ONE_KEY, &e);
	buf_init(&line, PRICE_LINE_MAX);
	buf_init(&again, PRICE_LINE_MAX);
	for (const struct json *j = json_is(map, JSON_OBJECT) ? map->child : NULL; j; j = j->next) {
		enum price_verdict v = price_map_line(a, j, &line, why);
		MUST(v == PRICE_TAKEN ? line.n > 0 && !line.failed : line.n == 0);
		MUST(v != PRICE_REFUSED || strlen(why) > 0);
		if (v != PRICE_TAKEN)
			continue;
		check_line(buf_str(&line), j->key);
		check_back(a, buf_str(&line), &again);
	}
	buf_done(&line);
	buf_done(&again);
	arena_free(a);
	return 0;
}
