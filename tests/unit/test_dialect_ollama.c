/* SPDX-License-Identifier: MIT
 * test_dialect_ollama.c - what Ollama's dialects accept and refuse, and what they write.
 *
 * A row that is refused names the place; a chat that is accepted is written by the provider
 * adapter, read again and written once more, and must then be the same. */
#include "worker/client/dialect_ollama.h"

#include "common/mem.h"
#include "tests/unit/llm_fixture.h"
#include "worker/exchange/provider_ollama.h"

enum { OUT_MAX = 1 << 20 };

/* --- what is refused --- */

#define CHAT &dialect_ollama_chat
#define GENERATE &dialect_ollama_generate
#define EMBED &dialect_ollama_embed
#define OLD &dialect_ollama_embeddings
#define M "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define BODY(more) "{\"model\":\"m\"," M "," more "}"
#define SAY(message) "{\"model\":\"m\",\"messages\":[" message "]}"
#define ASK(more) "{\"model\":\"m\",\"prompt\":\"Hi\"," more "}"

static const struct {
	const struct dialect *dialect;
	const char *body, *param, *says;
} refused[] = {
	{ CHAT, "{" M "}", "model", "is missing" },
	{ CHAT, "{\"model\":7," M "}", "model", "must be a string" },
	{ CHAT, "{\"model\":\"m\"}", "messages", "is missing" },
	{ CHAT, "{\"model\":\"m\",\"messages\":[]}", "messages", "must not be empty" },
	{ CHAT, "{\"model\":\"m\",\"messages\":{}}", "messages", "must be an array" },
	{ CHAT, SAY("7"), "messages[0]", "must be an object" },
	{ CHAT, SAY("{}"), "messages[0].role", "is missing" },
	{ CHAT, SAY("{\"role\":\"developer\",\"content\":\"x\"}"), "messages[0].role", "must be one of" },
	{ CHAT, SAY("{\"role\":1}"), "messages[0].role", "must be a string" },
	{ CHAT, SAY("{\"role\":\"user\",\"content\":[]}"), "messages[0].content", "must be a string" },
	{ CHAT, SAY("{\"role\":\"user\",\"content\":\"x\",\"images\":\"y\"}"), "messages[0].images", "must be an array" },
	{ CHAT, SAY("{\"role\":\"user\",\"content\":\"x\",\"images\":[7]}"), "messages[0].images[0]", "must be a string" },
	{ CHAT, SAY("{\"role\":\"user\",\"images\":[\"data:image/png,x\"]}"), "messages[0].images[0]", "must be base64" },
	{ CHAT, SAY("{\"role\":\"assistant\",\"thinking\":7}"), "messages[0].thinking", "must be a string" },
	{ CHAT, SAY("{\"role\":\"assistant\",\"tool_calls\":{}}"), "messages[0].tool_calls", "must be an array" },
	{ CHAT, SAY("{\"role\":\"assistant\",\"tool_calls\":[7]}"), "messages[0].tool_calls[0]", "must be an object" },
	{ CHAT, SAY("{\"role\":\"assistant\",\"tool_calls\":[{}]}"), "messages[0].tool_calls[0].function", "is missing" },
	{ CHAT, SAY("{\"role\":\"assistant\",\"tool_calls\":[{\"function\":7}]}"), "messages[0].tool_calls[0].function", "must be an object" },
	{ CHAT, SAY("{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{}}]}"), "messages[0].tool_calls[0].function.name", "is missing" },
	{ CHAT, SAY("{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"), "messages[0].tool_calls[0].function.arguments", "must be an object" },
	{ CHAT, SAY("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":1,\"function\":{\"name\":\"f\"}}]}"), "messages[0].tool_calls[0].id", "must be a string" },
	{ CHAT, SAY("{\"role\":\"tool\",\"tool_name\":7}"), "messages[0].tool_name", "must be a string" },
	{ CHAT, BODY("\"stream\":\"yes\""), "stream", "must be true or false" },
	{ CHAT, BODY("\"format\":7"), "format", "must be \"json\" or a JSON schema" },
	{ CHAT, BODY("\"format\":\"xml\""), "format", "must be \"json\" or a JSON schema" },
	{ CHAT, BODY("\"think\":\"hard\""), "think", "must be true, false" },
	{ CHAT, BODY("\"think\":1"), "think", "must be true, false" },
	{ CHAT, BODY("\"options\":[]"), "options", "must be an object" },
	{ CHAT, BODY("\"options\":{\"temperature\":\"hot\"}"), "options.temperature", "must be a number" },
	{ CHAT, BODY("\"options\":{\"num_predict\":\"x\"}"), "options.num_predict", "must be a whole number" },
	{ CHAT, BODY("\"options\":{\"stop\":7}"), "options.stop", "must be a string or an array" },
	{ CHAT, BODY("\"options\":{\"stop\":[\"a\",7]}"), "options.stop[1]", "must be a string" },
	{ CHAT, BODY("\"tools\":7"), "tools", "must be an array" },
	{ CHAT, BODY("\"tools\":[{\"type\":\"function\",\"function\":{}}]"), "tools[0].function.name", "is missing" },
	{ CHAT, BODY("\"api_base\":\"x\""), "api_base", "is not allowed" },
	{ GENERATE, "{\"model\":\"m\"}", "prompt", "is missing" },
	{ GENERATE, "{\"model\":\"m\",\"prompt\":[]}", "prompt", "must be a string" },
	{ GENERATE, ASK("\"system\":7"), "system", "must be a string" },
	{ GENERATE, ASK("\"suffix\":7"), "suffix", "must be a string" },
	{ GENERATE, ASK("\"raw\":7"), "raw", "must be true or false" },
	{ GENERATE, ASK("\"images\":[{}]"), "images[0]", "must be a string" },
	{ EMBED, "{\"model\":\"m\"}", "input", "is missing" },
	{ EMBED, "{\"model\":\"m\",\"input\":[1,2]}", "input", "must be text" },
	{ EMBED, "{\"model\":\"m\",\"input\":[]}", "input", "must not be empty" },
	{ EMBED, "{\"model\":\"m\",\"input\":\"a\",\"dimensions\":\"x\"}", "dimensions", "must be a whole number" },
	{ OLD, "{\"model\":\"m\",\"input\":\"a\"}", "prompt", "is missing" },
	{ OLD, "{\"model\":\"m\",\"prompt\":[\"a\",\"b\"]}", "prompt", "must be one string" },
};

static void test_what_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++)
		expect_refused(refused[i].dialect, refused[i].body, refused[i].param,
			       refused[i].says);
}

/* --- what is accepted --- */

#define HEAD(stream, settings) "kind=0 stream=" #stream " model=<m> " settings "\n"
#define UNSET "choice=unset format=unset "
#define SET HEAD(1, UNSET "n=1 ")
#define USER "  user \n    text text=<Hi> \n"

static const struct {
	const struct dialect *dialect;
	const char *body, *says;
} accepted[] = {
	{ CHAT, "{\"model\":\"m\"," M "}", SET USER "\n" },
	{ CHAT, BODY("\"stream\":true"), SET USER "\n" },
	{ CHAT, BODY("\"stream\":false"), HEAD(0, UNSET "n=1 ") USER "\n" },
	{ CHAT, BODY("\"format\":\"\",\"options\":null,\"tools\":[]"), SET USER "\n" },
	{ CHAT, BODY("\"format\":\"json\""), HEAD(1, "choice=unset format=json n=1 ") USER "\n" },
	{ CHAT, BODY("\"format\":{\"type\":\"object\"}"),
	  HEAD(1, "choice=unset format=schema format_name=<answer> format_schema=<{\"type\":\"object\"}> n=1 ") USER "\n" },
	{ CHAT, BODY("\"think\":true"), HEAD(1, UNSET "n=1 reasoning_effort=<medium> ") USER "think=<true> \n" },
	{ CHAT, BODY("\"think\":false"), SET USER "think=<false> \n" },
	{ CHAT, BODY("\"think\":\"max\""), HEAD(1, UNSET "n=1 reasoning_effort=<xhigh> ") USER "think=<\"max\"> \n" },
	{ CHAT, BODY("\"options\":{\"temperature\":0.20,\"top_p\":1,\"top_k\":40,\"seed\":-7,\"presence_penalty\":0.5,\"frequency_penalty\":-1,\"num_predict\":64,\"stop\":[\"a\",\"\\n\"],\"num_ctx\":8192}"),
	  HEAD(1, UNSET "temperature=<0.20> top_p=<1> top_k=<40> seed=<-7> presence_penalty=<0.5> frequency_penalty=<-1> stop=<a> stop=<\n> max_tokens=64 n=1 ")
	  USER "options.num_ctx=<8192> \n" },
	{ CHAT, BODY("\"options\":{\"stop\":\"x\",\"num_predict\":-1}"), HEAD(1, UNSET "stop=<x> n=1 ") USER "options.num_predict=<-1> \n" },
	{ CHAT, BODY("\"keep_alive\":\"5m\",\"truncate\":true"), SET USER "keep_alive=<\"5m\"> truncate=<true> \n" },
	{ CHAT, SAY("{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"see\",\"images\":[\"iVBORw0K\",\"/9j/AA\",\"data:image/webp;base64,UklG\"]}"),
	  SET "  system \n    text text=<s> \n  user \n    text text=<see> \n    image mime=<image/png> data=<iVBORw0K> \n"
	  "    image mime=<image/jpeg> data=</9j/AA> \n    image mime=<image/webp> data=<UklG> \n\n" },
	/* results find their calls by id, by name, or by their place */
	{ CHAT, SAY("{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\": 1}}},{\"id\":\"x\",\"function\":{\"name\":\"g\"}},{\"function\":{\"name\":\"f\"}}]},"
	  "{\"role\":\"tool\",\"tool_name\":\"g\",\"content\":\"1\"},{\"role\":\"tool\",\"content\":\"2\"},{\"role\":\"tool\",\"name\":\"f\",\"content\":\"3\"},{\"role\":\"tool\",\"content\":\"4\"}"),
	  SET "  assistant \n    reasoning text=<hm> \n    call text=<{\"a\": 1}> id=<call_0> name=<f> \n    call text=<{}> id=<x> name=<g> \n    call text=<{}> id=<call_1> name=<f> \n"
	  "  tool \n    result text=<1> id=<x> name=<g> \n  tool \n    result text=<2> id=<call_0> \n  tool \n    result text=<3> id=<call_1> name=<f> \n"
	  "  tool \n    result text=<4> id=<call_2> \n\n" },
	{ CHAT, BODY("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"}}}]"),
	  SET USER "  tool 0 name=<f> description=<d> schema=<{\"type\":\"object\"}> \n\n" },
	{ CHAT, SAY("{\"role\":\"assistant\"}"), SET "  assistant \n    text text=<> \n\n" },
	{ GENERATE, "{\"model\":\"m\",\"prompt\":\"Hi\"}", SET USER "\n" },
	{ GENERATE, ASK("\"system\":\"s\",\"images\":[\"iVBORw0K\"],\"suffix\":\"\",\"template\":\"t\""),
	  SET "  system \n    text text=<s> \n" USER "    image mime=<image/png> data=<iVBORw0K> \ntemplate=<\"t\"> \n" },
	{ GENERATE, ASK("\"suffix\":\"end\",\"stream\":false"), "kind=1 stream=0 model=<m> " UNSET "n=1 suffix=<end> \ninput=<Hi> \n" },
	{ GENERATE, ASK("\"raw\":true"), "kind=1 stream=1 model=<m> " UNSET "n=1 \ninput=<Hi> raw=<true> \n" },
	{ EMBED, "{\"model\":\"m\",\"input\":\"a\",\"dimensions\":3,\"truncate\":true}", "kind=2 stream=0 model=<m> " UNSET "n=1 dimensions=3 \ninput=<a> truncate=<true> \n" },
	{ EMBED, "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}", "kind=2 stream=0 model=<m> " UNSET "n=1 \ninput=<a> input=<b> \n" },
	{ OLD, "{\"model\":\"m\",\"prompt\":\"a\"}", "kind=2 stream=0 model=<m> " UNSET "n=1 \ninput=<a> \n" },
};

static struct str write_ollama(const struct llm_request *q)
{
	struct provider_target t = { .model = STR("m") };
	struct provider_call call = { 0 };
	struct llm_error err = { 0 };
	buf_init(&call.path, 256);
	buf_init(&call.body, OUT_MAX);
	assert_int_equal(provider_ollama_chat.write_request(mem, q, &t, &call, &err), 0);
	struct str body = arena_dup(mem, buf_str(&call.body));
	buf_done(&call.path);
	buf_done(&call.body);
	return body;
}

static void check_fixpoint(const struct dialect *d, const struct llm_request *q)
{
	struct dialect_error err = { 0 };
	struct llm_request again;
	struct str body = write_ollama(q);
	const struct dialect *reader = d == GENERATE && q->kind == LLM_CHAT ? CHAT : d == OLD ? EMBED : d;
	if (read_body(reader, body, &again, &err))
		fail_msg(STR_FMT ": " STR_FMT, STR_ARG(body), STR_ARG(err.message));
	struct str twice = write_ollama(&again);
	if (!str_eq(body, twice))
		print_error(STR_FMT "\n" STR_FMT "\n", STR_ARG(body), STR_ARG(twice));
	assert_true(str_eq(body, twice));
}

static void test_what_is_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		struct dialect_error err = { 0 };
		struct llm_request q;
		struct buf b;
		int r = read_body(accepted[i].dialect, str_z(accepted[i].body), &q, &err);
		if (r)
			print_error("%s: " STR_FMT "\n", accepted[i].body, STR_ARG(err.message));
		assert_int_equal(r, 0);
		buf_init(&b, OUT_MAX);
		say_request(&b, &q);
		if (strcmp(buf_z(&b), accepted[i].says) != 0)
			print_error("%s gave\n%s, not\n%s\n", accepted[i].body, buf_z(&b), accepted[i].says);
		assert_string_equal(buf_z(&b), accepted[i].says);
		buf_done(&b);
		assert_true(q.prompt_bytes <= strlen(accepted[i].body));
		assert_int_equal(q.family, FAMILY_OLLAMA_CHAT);
		check_fixpoint(accepted[i].dialect, &q);
	}
}

/* --- what is written --- */

static const struct llm_event events[] = {
	{ .kind = EV_START, .id = STR("msg_1"), .model = STR("up") },
	{ .kind = EV_REASONING, .text = STR("hm") },
	{ .kind = EV_TEXT, .text = STR("a\"b") },
	{ .kind = EV_REFUSAL, .text = STR(" no") },
	{ .kind = EV_TEXT, .choice = 1, .text = STR("another choice") },
	{ .kind = EV_TOOL_START, .tool = 0, .id = STR("c1"), .name = STR("f") },
	{ .kind = EV_TOOL_ARGS, .tool = 0, .text = STR("{\"a\":\r\n") },
	{ .kind = EV_TOOL_START, .tool = 1, .name = STR("g") },
	{ .kind = EV_TOOL_ARGS, .tool = 0, .text = STR("1}") },
	{ .kind = EV_TOOL_ARGS, .tool = 1, .text = STR("no JSON") },
	{ .kind = EV_FINISH, .finish = FINISH_TOOL_CALLS },
	{ .kind = EV_TEXT, .text = STR("behind the end") },
	{ .kind = EV_USAGE, .usage = { .input = 10, .output = 5 } },
	{ .kind = EV_END },
};

#define AT "{\"model\":\"asked\",\"created_at\":\"1970-01-01T00:00:07"
#define CALLS "\"tool_calls\":[{\"id\":\"c1\",\"function\":{\"index\":0,\"name\":\"f\",\"arguments\":{\"a\":  1}}}," \
	      "{\"id\":\"call_9582b8995d76b86700000001\",\"function\":{\"index\":1,\"name\":\"g\",\"arguments\":{\"_raw\":\"no JSON\"}}}]"
#define FIGURES "\"total_duration\":9,\"load_duration\":0,\"prompt_eval_count\":10,\"prompt_eval_duration\":4,\"eval_count\":5,\"eval_duration\":5}"

static struct dialect_answer answer_to(const struct llm_request *q)
{
	return (struct dialect_answer){ .mem = mem, .q = q, .model = STR("asked"), .id = STR("call-1"), .created_s = 7,
					.total_ns = 9, .first_ns = 4, .show_usage = true };
}

/* Without the fraction of the time, which is none. */
static struct str said(const struct buf *b)
{
	char *p = arena_dup_z(mem, buf_str(b));
	for (char *dot; (dot = strstr(p, "07.000000Z")) || (dot = strstr(p, "07.000Z"));)
		memmove(dot + 2, strchr(dot, 'Z'), strlen(strchr(dot, 'Z')) + 1);
	return str_z(p);
}

static struct str stream_of(const struct dialect *d, const struct llm_event *ev, size_t n)
{
	struct llm_request q = { .is_stream = true, .n = 1 };
	struct dialect_answer an = answer_to(&q);
	struct buf out;
	buf_init(&out, OUT_MAX);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(d->write_event(&an, &ev[i], &out), 0);
	assert_true(an.is_ended && an.tally.is_done && an.tally.has_content);
	struct str s = said(&out);
	buf_done(&out);
	return s;
}

static struct str plain_of(const struct dialect *d, const struct llm_event *ev, size_t n)
{
	struct llm_request q = { .n = 1, .kind = d->kind };
	struct dialect_answer an = answer_to(&q);
	struct buf out;
	buf_init(&out, OUT_MAX);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(d->collect(&an, &ev[i]), 0);
	assert_int_equal(d->write_answer(&an, &out), 0);
	struct str s = said(&out);
	buf_done(&out);
	return s;
}

static void same(struct str got, const char *want)
{
	if (!str_eq_z(got, want))
		print_error("got  " STR_FMT "\nwant %s\n", STR_ARG(got), want);
	assert_true(str_eq_z(got, want));
}

static void test_a_stream_is_lines(void **state)
{
	(void)state;
	same(stream_of(CHAT, events, COUNT(events)),
	     AT "Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\"},\"done\":false}\n"
	     AT "Z\",\"message\":{\"role\":\"assistant\",\"content\":\"a\\\"b\"},\"done\":false}\n"
	     AT "Z\",\"message\":{\"role\":\"assistant\",\"content\":\" no\"},\"done\":false}\n"
	     AT "Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\"," CALLS "},\"done\":false}\n"
	     AT "Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"," FIGURES "\n");
}

static void test_generate_says_response(void **state)
{
	static const struct llm_event few[] = {
		{ .kind = EV_TEXT, .text = STR("a") },
		{ .kind = EV_FINISH, .finish = FINISH_LENGTH },
		{ .kind = EV_USAGE, .usage = { .input = 10, .output = 5 } },
		{ .kind = EV_END },
	};
	(void)state;
	same(stream_of(GENERATE, few, COUNT(few)), AT "Z\",\"response\":\"a\",\"done\":false}\n"
	     AT "Z\",\"response\":\"\",\"done\":true,\"done_reason\":\"length\"," FIGURES "\n");
	same(plain_of(GENERATE, few, COUNT(few)), AT "Z\",\"response\":\"a\",\"done\":true,\"done_reason\":\"length\"," FIGURES "\n");
}

static void test_a_plain_answer(void **state)
{
	(void)state;
	same(plain_of(CHAT, events, COUNT(events)),
	     AT "Z\",\"message\":{\"role\":\"assistant\",\"content\":\"a\\\"b no\",\"thinking\":\"hm\"," CALLS "},\"done\":true,\"done_reason\":\"stop\"," FIGURES "\n");
}

static void test_vectors_are_lists(void **state)
{
	static const struct llm_event lists[] = {
		{ .kind = EV_VECTOR, .choice = 0, .text = STR("[1,2]") },
		{ .kind = EV_VECTOR, .choice = 1, .text = STR("[3.5]") },
		{ .kind = EV_USAGE, .usage = { .input = 4 } },
		{ .kind = EV_END },
	};
	struct llm_request q = { .kind = LLM_EMBED };
	struct dialect_answer an = answer_to(&q);
	struct llm_event base64 = { .kind = EV_VECTOR, .text = STR("AAAA") };
	struct buf out;
	(void)state;
	same(plain_of(EMBED, lists, COUNT(lists)),
	     "{\"model\":\"asked\",\"embeddings\":[[1,2],[3.5]],\"total_duration\":9,\"load_duration\":0,\"prompt_eval_count\":4}");
	same(plain_of(OLD, lists, COUNT(lists)), "{\"embedding\":[1,2]}");
	buf_init(&out, OUT_MAX);
	assert_int_equal(dialect_ollama_embed.collect(&an, &base64), 0);
	assert_int_equal(dialect_ollama_embed.write_answer(&an, &out), -EINVAL);
	buf_done(&out);
}

static void test_errors_are_a_text(void **state)
{
	struct llm_error e = { .message = STR("no \"m\"") };
	struct buf out;
	(void)state;
	buf_init(&out, 4096);
	dialect_ollama_chat.write_error(&out, &e, OUTCOME_UNKNOWN_MODEL, 404, STR("id"), false);
	assert_string_equal(buf_z(&out), "{\"error\":\"no \\\"m\\\"\"}");
	buf_reset(&out);
	dialect_ollama_chat.write_error(&out, NULL, OUTCOME_UP_BROKEN, 502, STR_NONE, true);
	assert_string_equal(buf_z(&out), "{\"error\":\"UP_BROKEN\"}\n");
	buf_done(&out);
}

/* What is streamed, read by the family's own adapter, makes the plain answer. */
struct summing {
	struct dialect_answer an;
	struct provider_reader rd;
	struct arena *scratch;
};

static int collect_again(void *data, const struct llm_event *ev)
{
	struct summing *s = data;
	return dialect_ollama_chat.collect(&s->an, ev);
}

static int read_line(void *data, const struct sse_event *ev)
{
	struct summing *s = data;
	return provider_read_event(&provider_ollama_chat, &s->rd, s->scratch, ev, collect_again, s);
}

static void test_the_sum_of_lines_is_the_plain_answer(void **state)
{
	struct llm_request q = { .n = 1 };
	struct summing s = { .an = answer_to(&q), .rd = { .mem = mem, .q = &q }, .scratch = arena_new(8 << 20) };
	struct str stream = stream_of(CHAT, events, COUNT(events)), plain = plain_of(CHAT, events, COUNT(events));
	struct sse lines;
	struct buf out;
	(void)state;
	sse_init(&lines, FRAMING_NDJSON, OUT_MAX);
	for (size_t i = 0; i < stream.n; i++)
		assert_int_equal(sse_feed(&lines, str_of(stream.p + i, 1), read_line, &s), 0);
	assert_int_equal(sse_end(&lines, read_line, &s), 0);
	buf_init(&out, OUT_MAX);
	assert_int_equal(dialect_ollama_chat.write_answer(&s.an, &out), 0);
	assert_true(str_eq(said(&out), plain));
	buf_done(&out);
	sse_done(&lines);
	arena_free(s.scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_what_is_accepted),
		cmocka_unit_test(test_a_stream_is_lines),
		cmocka_unit_test(test_generate_says_response),
		cmocka_unit_test(test_a_plain_answer),
		cmocka_unit_test(test_vectors_are_lists),
		cmocka_unit_test(test_errors_are_a_text),
		cmocka_unit_test(test_the_sum_of_lines_is_the_plain_answer),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
