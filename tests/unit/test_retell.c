/* SPDX-License-Identifier: MIT
 * test_retell.c - a stream as a client got it, read once more: in every dialect that has streams
 * what is heard is what was said; what cannot be read ends it, and what came before was heard. */
#include <stddef.h>

#include "tests/unit/llm_fixture.h"
#include "tests/unit/retell_run.h"

#include "common/mem.h"
#include "common/texts.h"

static struct retell_run t;

/* worker.h wants these of main.c; nobody calls them here. */
struct snap *worker_snap(struct worker *w)
{
	return w->snap;
}

/* ---- what was said ---- */

static const struct llm_event answer[] = {
	{ .kind = EV_START, .id = STR("id-1"), .model = STR("up") },
	{ .kind = EV_REASONING, .text = STR("hm") },
	{ .kind = EV_TEXT, .text = STR("Hello") },
	{ .kind = EV_TEXT, .text = STR(" \"w\xc3\xb6rld\"") },
	{ .kind = EV_TOOL_START, .name = STR("f"), .id = STR("call_1") },
	{ .kind = EV_TOOL_ARGS, .text = STR("{\"a\":") },
	{ .kind = EV_TOOL_ARGS, .text = STR("1}") },
	{ .kind = EV_FINISH, .finish = FINISH_STOP },
	{ .kind = EV_USAGE, .usage = { .input = 7, .output = 5 } },
	{ .kind = EV_END },
};

static bool has_kind(const struct dialect *d, enum llm_event_kind kind)
{
	return d->kind == LLM_CHAT ||
	       (kind != EV_REASONING && kind != EV_TOOL_START && kind != EV_TOOL_ARGS);
}

/* The stream that a client of this dialect gets of it; in the arena `mem`. */
static struct str stream_of(const struct dialect *d)
{
	struct llm_request q = { .kind = d->kind, .model = STR("m"), .is_stream = true };
	struct dialect_answer an = { .mem = mem, .q = &q, .model = STR("m"), .id = STR("call"),
				     .created_s = 1, .show_usage = true };
	struct buf out;
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < COUNT(answer); i++)
		if (has_kind(d, answer[i].kind))
			assert_int_equal(d->write_event(&an, &answer[i], &out), 0);
	struct str kept = arena_dup(mem, buf_str(&out));
	buf_done(&out);
	assert_true(kept.n > 0);
	return kept;
}

#define TEXT "text 0 Hello \"w\xc3\xb6rld\"\n"
#define ARGS "args 0 0 {\"a\":1}\n"
#define SAID "reasoning 0 hm\n" TEXT "tool 0 0 call_1 f\n" ARGS
#define CALLS "finish 0 tool_calls"
#define STOP "finish 0 stop"
#define USAGE "usage 0 7+5 cached 0+0 reasoning 0"
#define END "\nend 0 "

static const struct heard {
	const struct dialect *dialect;
	const char *text;
	enum llm_finish finish;
	bool has_whole;			/* the format tells all of it once more at its end */
} heard[] = {
	{ &dialect_openai_chat, "start 0 call m\n" SAID CALLS "\n" USAGE END, FINISH_TOOL_CALLS, false },
	{ &dialect_openai_text, "start 0 call m\n" TEXT STOP "\n" USAGE END, FINISH_STOP, false },
	{ &dialect_anthropic_messages,
	  "start 0 msg_id-1 m\nusage 0 3+2 cached 0+0 reasoning 0\n" SAID CALLS "\n" USAGE END,
	  FINISH_TOOL_CALLS, false },
	{ &dialect_responses, "reasoning 0 hm\n" TEXT "tool 0 0  \n" ARGS CALLS END,
	  FINISH_TOOL_CALLS, true },
	{ &dialect_gemini_stream, "start 0 id-1 m\n" SAID CALLS "\n" USAGE, FINISH_TOOL_CALLS, false },
	{ &dialect_ollama_chat, "start 0  m\n" SAID CALLS "\n" USAGE END, FINISH_TOOL_CALLS, false },
	{ &dialect_ollama_generate,
	  "start 0  m\nreasoning 0 hm\n" TEXT STOP "\n" USAGE END, FINISH_STOP, false },
	{ &dialect_cohere_chat, "start 0 id-1 \n" SAID USAGE "\n" CALLS END, FINISH_TOOL_CALLS, false },
};

static void expect_heard(const char *want)
{
	expect_str(buf_str(&t.l.text), want);
}

static void test_what_is_heard_is_what_was_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(heard); i++) {
		assert_true(retell_of(&t, heard[i].dialect, stream_of(heard[i].dialect)));
		expect_heard(heard[i].text);
		assert_int_equal(t.l.has_whole, heard[i].has_whole);
		assert_int_equal(t.an.tally.usage.input, 7);
		assert_int_equal(t.an.tally.usage.output, 5);
		assert_true(t.an.tally.has_content);
		assert_int_equal(t.an.tally.finish, heard[i].finish);
		retell_done(&t);
	}
}

/* One that comes later has a row above. */
static void test_no_dialect_is_left_out(void **state)
{
	(void)state;
	for (size_t i = 0; dialects[i]; i++) {
		bool is_here = false;
		for (size_t k = 0; k < COUNT(heard); k++)
			is_here |= heard[k].dialect == dialects[i];
		assert_int_equal(is_here, dialects[i]->write_event && dialects[i] != &dialect_gemini_array);
	}
	assert_false(retell_of(&t, &dialect_gemini_array, stream_of(&dialect_gemini_array)));
	expect_heard("");
	retell_done(&t);
}

/* ---- what is not as it was made ---- */

static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(heard); i++) {
		struct str all = stream_of(heard[i].dialect);
		for (size_t n = 0; n < all.n; n++) {
			(void)retell_of(&t, heard[i].dialect, str_of(all.p, n));
			assert_true(str_starts(str_z(heard[i].text), buf_str(&t.l.text)));
			retell_done(&t);
		}
	}
}

static void test_heartbeats(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(heard); i++) {
		const struct dialect *d = heard[i].dialect;
		if (!d->heartbeat)
			continue;
		struct str beat = str_z(d->heartbeat), all = stream_of(d);
		assert_true(retell_of(&t, d, arena_printf(mem, STR_FMT STR_FMT STR_FMT, STR_ARG(beat),
							  STR_ARG(beat), STR_ARG(all))));
		expect_heard(heard[i].text);
		retell_done(&t);
	}
}

#define CHUNK(text) "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"

/* It is the one between that cannot be read, or says that it failed. */
static void expect_half(struct str between, const char *want)
{
	struct buf all;
	buf_init(&all, 4 << 20);
	BUF_PUT_LIT(&all, CHUNK("one"));
	buf_put(&all, between);
	BUF_PUT_LIT(&all, CHUNK("two") "data: [DONE]\n\n");
	assert_false(all.failed);
	assert_false(retell_of(&t, &dialect_openai_chat, buf_str(&all)));
	expect_heard(want);
	retell_done(&t);
	buf_done(&all);
}

static void test_what_came_before_was_heard(void **state)
{
	(void)state;
	struct buf long_one, failure;
	static const char half[] = "start 0 a \ntext 0 one";
	struct llm_error e = { .outcome = OUTCOME_UP_ERROR, .message = STR("no more") };
	expect_half(STR("data: {\"choices\":[\n\n"), half);
	expect_half(STR("data: [1,2]\n\n"), half);
	buf_init(&long_one, 4 << 20);
	BUF_PUT_LIT(&long_one, "data: {\"x\":\"");
	for (size_t n = 0; n < TEXT_MOST; n += 64)
		BUF_PUT_LIT(&long_one, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	BUF_PUT_LIT(&long_one, "\"}\n\n");
	expect_half(buf_str(&long_one), half);
	buf_done(&long_one);
	buf_init(&failure, 4096);
	dialect_openai_chat.write_error(&failure, &e, e.outcome, 500, STR("call"), true);
	expect_half(buf_str(&failure), "start 0 a \ntext 0 one\nerror 0 UP_ERROR no more");
	buf_done(&failure);
}

static void test_no_memory(void **state)
{
	(void)state;
	unsigned refused = 0;
	for (size_t i = 0; i < COUNT(heard); i++) {
		struct str all = stream_of(heard[i].dialect);
		bool is_good = false;
		for (unsigned n = 1; !is_good; n++) {
			retell_begin(&t, heard[i].dialect);
			mem_fail_at(n);
			is_good = retell_stream(&t.r, &t.an, all);
			mem_fail_at(0);
			refused += !is_good;
			if (!t.l.text.failed)
				assert_true(str_starts(str_z(heard[i].text), buf_str(&t.l.text)));
			retell_done(&t);
		}
	}
	assert_true(refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_heard_is_what_was_said),
		cmocka_unit_test(test_no_dialect_is_left_out),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_heartbeats),
		cmocka_unit_test(test_what_came_before_was_heard),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
