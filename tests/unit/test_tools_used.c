/* SPDX-License-Identifier: MIT
 * test_tools_used.c - what providers' own tools did, as answers tell it: the same whether an answer
 * is understood or only passed through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/hash.h"
#include "worker/exchange/sniff.h"
#include "worker/gemini.h"
#include "worker/responses.h"

#define FILES "{\"type\":\"file_search_call\",\"queries\":[\"a\",\"b\"]}"
#define WEB(action) "{\"type\":\"web_search_call\",\"action\":{\"type\":\"" action "\"}}"
#define CODE(id) "{\"type\":\"code_interpreter_call\",\"container_id\":\"" id "\"}"
#define TOKENS "\"usage\":{\"input_tokens\":9,\"output_tokens\":1}"
#define COUNTS "\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":1}"
#define FOUND(list) "{\"content\":{\"parts\":[]},\"groundingMetadata\":{\"webSearchQueries\":" list "}}"

struct row {
	const char *text;
	uint32_t web, files, sessions;
};
static const struct row responses[] = {
	{ "{\"output\":[]," TOKENS "}", 0, 0, 0 },
	{ "{\"output\":[" FILES "," FILES "," WEB("search") "," WEB("open_page") "]," TOKENS "}", 1, 2, 0 },
	{ "{\"output\":[" CODE("a") "," CODE("b") "," CODE("a") "]," TOKENS "}", 0, 0, 2 },
	/* behind the first eight nobody knows them again */
	{ "{\"output\":[" CODE("a") "," CODE("b") "," CODE("c") "," CODE("d") "," CODE("e") "," CODE("f") ","
	  CODE("g") "," CODE("h") "," CODE("i") "," CODE("i") "," CODE("a") "]," TOKENS "}", 0, 0, 10 },
	{ "{\"output\":[{\"type\":\"code_interpreter_call\"},{\"type\":\"code_interpreter_call\"},"
	  "{\"type\":\"mcp_call\"},{\"type\":7},8,null]," TOKENS "}", 0, 0, 1 },
	{ "{\"output\":{\"type\":\"file_search_call\"}," TOKENS "}", 0, 0, 0 },
};
static const struct row answers[] = {		/* Gemini's */
	{ "{\"candidates\":[" FOUND("[]") "]," COUNTS "}", 0, 0, 0 },
	{ "{\"candidates\":[" FOUND("[\"a\",\"b, c\"]") "]," COUNTS "}", 2, 0, 0 },
	{ "{\"candidates\":[" FOUND("[\"a\"]") "," FOUND("[\"b\"]") "]," COUNTS "}", 2, 0, 0 },
	{ "{\"candidates\":[" FOUND("{\"a\":1}") "]," COUNTS "}", 0, 0, 0 },
	{ "{\"candidates\":[{\"content\":{\"parts\":[]},\"groundingMetadata\":[1]}]," COUNTS "}", 0, 0, 0 },
};

static struct arena *mem;

static void expect(const struct row *row, const struct usage *u)
{
	if (u->web_searches != row->web || u->file_searches != row->files ||
	    u->sessions != row->sessions)
		fail_msg("%s: %u %u %u", row->text, u->web_searches, u->file_searches, u->sessions);
}

static void sniff(const struct row *row)
{
	struct llm_tally t = { 0 };
	sniff_text(mem, str_z(row->text), &t);
	expect(row, &t.usage);
}

static void test_responses(void **st)
{
	(void)st;
	for (size_t i = 0; i < COUNT(responses); i++) {
		struct json_error e;
		struct usage u;
		sniff(&responses[i]);
		responses_read_worth(json_parse(mem, str_z(responses[i].text), 0, &e), &u);
		expect(&responses[i], &u);
	}
}

static int on_event(void *data, const struct llm_event *ev)
{
	llm_tally_event(data, ev);
	return 0;
}

static void test_gemini(void **st)
{
	(void)st;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct gemini_reader rd = { .mem = mem };
		struct llm_tally t = { 0 };
		const struct json *root;
		sniff(&answers[i]);
		assert_true(gemini_read_event(&rd, mem, str_z(answers[i].text), &root, on_event, &t) >= 0);
		assert_true(t.has_usage);
		expect(&answers[i], &t.usage);
	}
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
		cmocka_unit_test(test_responses), cmocka_unit_test(test_gemini),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
