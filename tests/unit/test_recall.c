/* SPDX-License-Identifier: MIT
 * test_recall.c - pages of what went into a response. */
#include "worker/client/recall.h"

#include "tests/unit/llm_fixture.h"

#define RESPONSE "{\"output\":[{\"id\":\"msg_out\"}]}"
#define ITEMS "[{\"role\":\"user\",\"content\":\"a\"},{\"type\":\"message\",\"id\":\"msg_b\",\"content\":\"b\"}," \
	      "{\"type\":\"function_call\",\"call_id\":\"c\"},{\"id\":\"msg_out\"}]"
#define A "{\"id\":\"msg_t1000\",\"type\":\"message\",\"role\":\"user\",\"content\":\"a\"}"
#define B "{\"id\":\"msg_b\",\"type\":\"message\",\"content\":\"b\"}"
#define C "{\"id\":\"msg_t1002\",\"type\":\"function_call\",\"call_id\":\"c\"}"
#define LIST(items, first, last, more) \
	"{\"object\":\"list\",\"data\":[" items "],\"first_id\":" first ",\"last_id\":" last ",\"has_more\":" more "}"

static const struct {
	const char *query, *want;	/* NULL: refused */
} pages[] = {
	{ "", LIST(C "," B "," A, "\"msg_t1002\"", "\"msg_t1000\"", "false") },
	{ "order=asc", LIST(A "," B "," C, "\"msg_t1000\"", "\"msg_t1002\"", "false") },
	{ "limit=1", LIST(C, "\"msg_t1002\"", "\"msg_t1002\"", "true") },
	{ "limit=2&order=asc&after=msg_b", LIST(C, "\"msg_t1002\"", "\"msg_t1002\"", "false") },
	{ "after=msg_t1002&limit=1", LIST(B, "\"msg_b\"", "\"msg_b\"", "true") },
	{ "after=msg_t1000", LIST("", "null", "null", "false") },
	{ "unknown=1&&", LIST(C "," B "," A, "\"msg_t1002\"", "\"msg_t1000\"", "false") },
	{ "after=msg_out", NULL },	/* that came out */
	{ "after=", NULL },
	{ "after", NULL },
	{ "limit=0", NULL },
	{ "limit=101", NULL },
	{ "limit=-1", NULL },
	{ "order=", NULL },
};

static void test_pages(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pages); i++) {
		struct dialect_error e = { 0 };
		struct recall_page page;
		struct buf out;
		buf_init(&out, 1 << 16);
		int err = recall_read_page(str_z(pages[i].query), &page, &e);
		if (!err)
			err = recall_write_page(mem, STR("resp_t"), STR(RESPONSE), STR(ITEMS), &page, &out, &e);
		assert_int_equal(err, pages[i].want ? 0 : -EINVAL);
		assert_true(pages[i].want || (e.message.n && e.param.n));
		if (pages[i].want)
			assert_string_equal(buf_z(&out), pages[i].want);
		buf_done(&out);
	}
}

static void test_damage_is_told(void **state)
{
	(void)state;
	static const char *const texts[][2] = {
		{ "", ITEMS }, { "[]", ITEMS }, { "{}", ITEMS }, { RESPONSE, "" }, { RESPONSE, "{}" }, { RESPONSE, "[]" },
	};
	struct recall_page page = { .limit = 20 };
	struct dialect_error e = { 0 };
	struct buf out;
	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_int_equal(recall_write_page(mem, STR("resp_t"), str_z(texts[i][0]), str_z(texts[i][1]), &page,
						   &out, &e), -EBADMSG);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage_is_told, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
