/* SPDX-License-Identifier: MIT
 * test_dialect_cohere.c - what Cohere's dialects accept and refuse, what they write, and what the
 * short way changes in a body. Whole requests and answers are vectors; see test_vectors.c. */
#include "worker/client/dialect_cohere.h"

#include <math.h>

#include "tests/unit/llm_fixture.h"
#include "worker/client/vector.h"
#include "worker/client/whole.h"
#include "worker/exchange/provider.h"

enum { OUT_MAX = 1 << 20 };

static struct llm_request accept(const struct dialect *d, const char *text)
{
	return read_good(d, str_z(text));
}

/* --- what is refused --- */

#define CHAT &dialect_cohere_chat
#define EMBED &dialect_cohere_embed
#define M "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define BODY(more) "{\"model\":\"m\"," M "," more "}"
#define SAY(message) "{\"model\":\"m\",\"messages\":[" message "]}"
#define BLOCK(block) SAY("{\"role\":\"user\",\"content\":[" block "]}")
#define TEXTS(more) "{\"model\":\"m\",\"texts\":[\"a\"]," more "}"
#define INPUT(input) "{\"model\":\"m\",\"inputs\":[" input "]}"

static const struct {
	const struct dialect *dialect;
	const char *body, *param, *says;
} refused[] = {
	{ CHAT, "{" M "}", "model", "is missing" },
	{ CHAT, "{\"model\":\"m\"}", "messages", "is missing" },
	{ CHAT, "{\"model\":\"m\",\"messages\":[]}", "messages", "must not be empty" },
	{ CHAT, "{\"model\":\"m\",\"messages\":{}}", "messages", "must be an array" },
	{ CHAT, SAY("7"), "messages[0]", "must be an object" },
	{ CHAT, SAY("{}"), "messages[0].role", "is missing" },
	{ CHAT, SAY("{\"role\":1}"), "messages[0].role", "must be a string" },
	{ CHAT, SAY("{\"role\":\"developer\",\"content\":\"x\"}"), "messages[0].role", "must be one of" },
	{ CHAT, SAY("{\"role\":\"user\"}"), "messages[0].content", "is missing" },
	{ CHAT, SAY("{\"role\":\"user\",\"content\":[]}"), "messages[0].content", "must not be empty" },
	{ CHAT, SAY("{\"role\":\"user\",\"content\":7}"), "messages[0].content", "must be a string or an array" },
	{ CHAT, BLOCK("7"), "messages[0].content[0]", "must be an object" },
	{ CHAT, BLOCK("{}"), "messages[0].content[0].type", "is missing" },
	{ CHAT, BLOCK("{\"type\":7}"), "messages[0].content[0].type", "must be a string" },
	{ CHAT, BLOCK("{\"type\":\"text\"}"), "messages[0].content[0].text", "is missing" },
	{ CHAT, BLOCK("{\"type\":\"text\",\"text\":7}"), "messages[0].content[0].text", "must be a string" },
	{ CHAT, BLOCK("{\"type\":\"document\",\"document\":7}"), "messages[0].content[0].document", "must be an object or a string" },
	{ CHAT, BLOCK("{\"type\":\"image_url\"}"), "messages[0].content[0].image_url", "is missing" },
	{ CHAT, BLOCK("{\"type\":\"image_url\",\"image_url\":{}}"), "messages[0].content[0].image_url.url", "is missing" },
	{ CHAT, SAY("{\"role\":\"assistant\",\"tool_plan\":7}"), "messages[0].tool_plan", "must be a string" },
	{ CHAT, SAY("{\"role\":\"assistant\",\"tool_calls\":{}}"), "messages[0].tool_calls", "must be an array" },
	{ CHAT, SAY("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\"}]}"), "messages[0].tool_calls[0].function", "is missing" },
	{ CHAT, SAY("{\"role\":\"tool\",\"content\":\"x\"}"), "messages[0].tool_call_id", "is missing" },
	{ CHAT, SAY("{\"role\":\"tool\",\"tool_call_id\":7}"), "messages[0].tool_call_id", "must be a string" },
	{ CHAT, BODY("\"stream\":\"yes\""), "stream", "must be true or false" },
	{ CHAT, BODY("\"tool_choice\":\"auto\""), "tool_choice", "must be \"REQUIRED\" or \"NONE\"" },
	{ CHAT, BODY("\"tool_choice\":{}"), "tool_choice", "must be a string" },
	{ CHAT, BODY("\"strict_tools\":1"), "strict_tools", "must be true or false" },
	{ CHAT, BODY("\"tools\":[{\"type\":\"function\",\"function\":{}}]"), "tools[0].function.name", "is missing" },
	{ CHAT, BODY("\"documents\":{}"), "documents", "must be an array" },
	{ CHAT, BODY("\"documents\":[\"a\",7]"), "documents[1]", "must be a string or an object" },
	{ CHAT, BODY("\"response_format\":[]"), "response_format", "must be an object" },
	{ CHAT, BODY("\"response_format\":{}"), "response_format.type", "must be \"text\"" },
	{ CHAT, BODY("\"response_format\":{\"type\":\"json_schema\"}"), "response_format.type", "must be \"text\"" },
	{ CHAT, BODY("\"response_format\":{\"type\":\"json_object\",\"json_schema\":7}"), "response_format.json_schema", "must be an object" },
	{ CHAT, BODY("\"thinking\":true"), "thinking", "must be an object" },
	{ CHAT, BODY("\"thinking\":{}"), "thinking.type", "must be \"enabled\"" },
	{ CHAT, BODY("\"thinking\":{\"type\":\"enabled\",\"token_budget\":\"x\"}"), "thinking.token_budget", "must be a whole number" },
	{ CHAT, BODY("\"stop_sequences\":[7]"), "stop_sequences[0]", "must be a string" },
	{ CHAT, BODY("\"p\":\"x\""), "p", "must be a number" },
	{ CHAT, BODY("\"k\":[]"), "k", "must be a number" },
	{ CHAT, BODY("\"n\":2"), "n", "must be 1" },
	{ CHAT, BODY("\"safety_mode\":7"), "safety_mode", "must be a string" },
	{ CHAT, BODY("\"api_base\":\"x\""), "api_base", "is not allowed" },
	{ EMBED, "{\"model\":\"m\"}", "texts", "is missing" },
	{ EMBED, "{\"model\":\"m\",\"texts\":\"a\"}", "texts", "must be an array" },
	{ EMBED, "{\"model\":\"m\",\"texts\":[]}", "texts", "must not be empty" },
	{ EMBED, "{\"model\":\"m\",\"texts\":[[1]]}", "texts[0]", "must be a string" },
	{ EMBED, TEXTS("\"inputs\":[{\"content\":[]}]"), "inputs", "excludes" },
	{ EMBED, TEXTS("\"images\":[\"x\"]"), "images", "excludes" },
	{ EMBED, "{\"model\":\"m\",\"images\":[7]}", "images[0]", "must be a string" },
	{ EMBED, INPUT("7"), "inputs[0]", "must be an object" },
	{ EMBED, INPUT("{\"content\":\"x\"}"), "inputs[0].content", "must be an array of blocks" },
	{ EMBED, INPUT("{\"content\":[]}"), "inputs[0].content", "must be an array of blocks" },
	{ EMBED, INPUT("{\"content\":[7]}"), "inputs[0].content[0]", "must be an object" },
	{ EMBED, INPUT("{\"content\":[{}]}"), "inputs[0].content[0].type", "is missing" },
	{ EMBED, INPUT("{\"content\":[{\"type\":\"audio\"}]}"), "inputs[0].content[0].type", "must be \"text\" or" },
	{ EMBED, INPUT("{\"content\":[{\"type\":\"text\"}]}"), "inputs[0].content[0].text", "is missing" },
	{ EMBED, INPUT("{\"content\":[{\"type\":\"text\",\"text\":7}]}"), "inputs[0].content[0].text", "must be a string" },
	{ EMBED, TEXTS("\"embedding_types\":\"float\""), "embedding_types", "must be an array" },
	{ EMBED, TEXTS("\"embedding_types\":[\"float\",\"int4\"]"), "embedding_types[1]", "must be one of float" },
	{ EMBED, TEXTS("\"output_dimension\":\"x\""), "output_dimension", "must be a whole number" },
};

static void test_what_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++)
		expect_refused(refused[i].dialect, refused[i].body, refused[i].param,
			       refused[i].says);
}

/* --- what is understood --- */

static void test_thinking_is_an_effort(void **state)
{
	static const struct {
		const char *thinking, *effort;
	} rows[] = {
		{ "{\"type\":\"disabled\"}", NULL },
		{ "{\"type\":\"enabled\"}", "medium" },
		{ "{\"type\":\"enabled\",\"token_budget\":1024}", "low" },
		{ "{\"type\":\"enabled\",\"token_budget\":2048}", "medium" },
		{ "{\"type\":\"enabled\",\"token_budget\":4096}", "high" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str body = arena_printf(mem, "{\"model\":\"m\"," M ",\"thinking\":%s}%c", rows[i].thinking, 0);
		struct llm_request q = accept(CHAT, body.p);
		assert_true(rows[i].effort ? str_eq_z(q.reasoning_effort, rows[i].effort)
					   : !q.reasoning_effort.p);
	}
}

static void test_choices_and_formats(void **state)
{
	(void)state;
	assert_int_equal(accept(CHAT, BODY("\"tool_choice\":\"NONE\"")).tool_choice, CHOICE_NONE);
	assert_int_equal(accept(CHAT, BODY("\"tool_choice\":\"REQUIRED\"")).tool_choice, CHOICE_REQUIRED);
	assert_int_equal(accept(CHAT, BODY("\"n\":1,\"p\":null")).tool_choice, CHOICE_UNSET);
	assert_int_equal(accept(CHAT, BODY("\"response_format\":{\"type\":\"text\",\"json_schema\":{}}")).format, FORMAT_TEXT);
	assert_int_equal(accept(CHAT, BODY("\"response_format\":{\"type\":\"json_object\"}")).format, FORMAT_JSON);
	assert_int_equal(accept(CHAT, BODY("\"response_format\":{\"type\":\"json_object\",\"json_schema\":{}}")).format, FORMAT_SCHEMA);
	struct llm_request q = accept(CHAT, BODY("\"stream\":true,\"strict_tools\":true,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"));
	assert_true(q.tools->strict && q.wants_usage && q.family == FAMILY_COHERE);
}

static void test_documents_stand_before_what_is_asked(void **state)
{
	(void)state;
	struct llm_request q = accept(CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"1\"},"
		"{\"role\":\"user\",\"content\":\"2\"},{\"role\":\"assistant\",\"content\":null}],\"documents\":[{\"data\":\n{}}]}");
	const struct llm_message *second = q.messages->next;
	assert_true(str_eq(q.messages->parts->text, STR("1")) && !q.messages->parts->next);
	assert_true(str_eq(second->parts->text, STR("Documents:\n{\"data\": {}}")));
	assert_true(str_eq(second->parts->next->text, STR("2")));
	assert_true(str_eq(second->next->parts->text, STR("")));
	assert_int_equal(accept(CHAT, BODY("\"documents\":[]")).messages->parts->next, NULL);
}

static void test_images_of_embeddings_are_counted(void **state)
{
	(void)state;
	assert_int_equal(accept(EMBED, "{\"model\":\"m\",\"images\":[\"a\",\"b\"]}").media_parts, 2);
	struct llm_request q = accept(EMBED, INPUT("{\"content\":[{\"type\":\"image_url\"},{\"type\":\"text\",\"text\":\"x\"}]}"));
	assert_true(q.media_parts == 1 && q.n_inputs == 1 && str_eq(q.inputs[0], STR("x")));
	assert_int_equal(accept(EMBED, TEXTS("\"max_tokens\":5")).max_tokens, 0);
}

/* --- the short way --- */

static const struct {
	const struct dialect *dialect;
	const char *body, *params, *extra, *made;
} forwarded[] = {
	{ CHAT, "{\"model\" : \"m\", " M ", \"p\":0.1}", NULL, NULL, "{\"model\" : \"up\", " M ", \"p\":0.1}" },
	{ CHAT, BODY("\"metadata\":{},\"k\":3"), "{\"k\":1,\"p\":0.5,\"top_p\":0.9}", "{\"x\":1,\"model\":\"y\",\"stream\":true}",
	  "{\"model\":\"up\"," M ",\"k\":3,\"p\":0.5,\"x\":1}" },
	{ CHAT, BODY("\"safety_mode\":null"), "{\"safety_mode\":\"OFF\"}", NULL, "{\"model\":\"up\"," M ",\"safety_mode\":\"OFF\"}" },
	{ CHAT, BODY("\"k\":3"), NULL, "{\"k\":4}", "{\"model\":\"up\"," M ",\"k\":4}" },
	{ EMBED, TEXTS("\"num_retries\":1"), "{\"temperature\":1,\"truncate\":\"END\"}", "{\"texts\":[]}",
	  "{\"model\":\"up\",\"texts\":[\"a\"],\"truncate\":\"END\"}" },
};

static void test_bodies_on_the_short_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forwarded); i++) {
		struct llm_request q = accept(forwarded[i].dialect, forwarded[i].body);
		struct buf b;
		buf_init(&b, OUT_MAX);
		assert_int_equal(forwarded[i].dialect->forward_request(mem, &q, STR("up"), str_z(forwarded[i].params),
								       str_z(forwarded[i].extra), &b), 0);
		assert_string_equal(buf_z(&b), forwarded[i].made);
		buf_done(&b);
	}
}

/* --- answers --- */

static struct dialect_answer begin_answer(struct llm_request *q)
{
	*q = accept(CHAT, BODY("\"stream\":true"));
	return (struct dialect_answer){ .mem = mem, .q = q, .model = STR("m"), .id = STR("chatcmpl-1"),
					.show_usage = true };
}

static void test_an_end_that_the_provider_left_out(void **state)
{
	struct llm_request q;
	struct dialect_answer an = begin_answer(&q);
	struct llm_event end = { .kind = EV_END };
	struct buf b;
	(void)state;
	buf_init(&b, OUT_MAX);
	assert_int_equal(dialect_cohere_chat.write_event(&an, &end, &b), 0);
	assert_int_equal(dialect_cohere_chat.write_event(&an, &end, &b), 0);
	assert_true(str_find(buf_str(&b), STR("message-start\",\"id\":\"1\"")) != SIZE_MAX);
	assert_true(str_find(buf_str(&b), STR("\"finish_reason\":\"COMPLETE\"")) != SIZE_MAX);
	assert_true(str_ends(buf_str(&b), STR("}\n\n")) && an.is_ended);
	buf_done(&b);
}

/* Text between the pieces of a call ends nothing, and what comes behind the reason is nothing. */
static void test_content_beside_calls(void **state)
{
	static const struct llm_event events[] = {
		{ .kind = EV_TOOL_START, .name = STR("f"), .id = STR("a") },
		{ .kind = EV_TOOL_ARGS, .text = STR("{\"x\":\"}\\\"") },
		{ .kind = EV_TEXT, .text = STR("t") },
		{ .kind = EV_TOOL_START, .tool = 1, .name = STR("g") },
		{ .kind = EV_TOOL_ARGS, .text = STR("\"}") },
		{ .kind = EV_TOOL_ARGS, .tool = 2, .text = STR("lost") },
		{ .kind = EV_TEXT, .choice = 1, .text = STR("other") },
		{ .kind = EV_FINISH, .finish = FINISH_TOOL_CALLS },
		{ .kind = EV_TEXT, .text = STR("late") },
		{ .kind = EV_END },
	};
	struct llm_request q;
	struct dialect_answer an = begin_answer(&q);
	struct buf b;
	(void)state;
	buf_init(&b, OUT_MAX);
	for (size_t i = 0; i < COUNT(events); i++)
		assert_int_equal(dialect_cohere_chat.write_event(&an, &events[i], &b), 0);
	struct str all = buf_str(&b);
	size_t text = str_find(all, STR("\"text\":\"t\"")), piece = str_find(all, STR("\"arguments\":\"\\\"}\"")),
	       second = str_find(all, STR("tool-call-start\",\"index\":1"));
	assert_true(text < piece && piece < second && second != SIZE_MAX);
	assert_int_equal(str_find(all, STR("late")), SIZE_MAX);
	assert_int_equal(str_find(all, STR("other")), SIZE_MAX);
	buf_done(&b);
}

static void test_errors(void **state)
{
	struct llm_error e = { .message = STR("no \"such\" model"), .outcome = OUTCOME_UNKNOWN_MODEL };
	struct buf b;
	(void)state;
	buf_init(&b, OUT_MAX);
	dialect_cohere_chat.write_error(&b, &e, OUTCOME_UNKNOWN_MODEL, 404, STR("id-1"), false);
	assert_string_equal(buf_z(&b), "{\"id\":\"id-1\",\"message\":\"no \\\"such\\\" model\"}");
	buf_reset(&b);
	dialect_cohere_embed.write_error(&b, NULL, OUTCOME_UP_BROKEN, 502, STR_NONE, false);
	assert_true(str_starts(buf_str(&b), STR("{\"message\":\"")));
	buf_reset(&b);
	dialect_cohere_chat.write_error(&b, &e, OUTCOME_UP_BROKEN, 502, STR("id-1"), true);
	assert_string_equal(buf_z(&b), "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":"
				       "{\"finish_reason\":\"ERROR\",\"error\":\"no \\\"such\\\" model\"}}\n\n");
	buf_done(&b);
}

/* --- vectors --- */

static void test_vectors_are_read(void **state)
{
	static const struct {
		const char *text;
		int r;
		size_t n;
	} rows[] = {
		{ "[]", 0, 0 }, { "[1, -2.5]", 0, 2 }, { "AACAPwAAIMA=", 0, 2 }, { "", 0, 0 },
		{ "[1,", -EINVAL, 0 }, { "[1e99]", -EINVAL, 0 }, { "[null]", -EINVAL, 0 }, { "{}", -EINVAL, 0 },
		{ "AACAPwA=", -EINVAL, 0 }, { "?", -EINVAL, 0 }, { "AADAfw==", -EINVAL, 0 },	/* not a number */
	};
	struct vector v;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(vector_read(mem, str_z(rows[i].text), &v), rows[i].r);
		assert_true(rows[i].r || v.n == rows[i].n);
	}
	assert_int_equal(vector_read(mem, STR("AACAPwAAIMA="), &v), 0);
	assert_true(fabsf(v.at[0] - 1) < 1e-6f && fabsf(v.at[1] + 2.5f) < 1e-6f);
}

static void test_a_vector_of_zeros(void **state)
{
	struct vector v;
	struct buf b;
	(void)state;
	buf_init(&b, OUT_MAX);
	struct json_out o = json_out(&b);
	assert_int_equal(vector_read(mem, STR("[0,0]"), &v), 0);
	vector_put_bytes(&v, 128, &o);
	vector_put_bits(&v, -128, &o);
	assert_string_equal(buf_z(&b), "[128,128],[-128]");
	buf_done(&b);
}

static void test_when_an_object_is_whole(void **state)
{
	static const struct {
		const char *pieces[3];
		bool is_whole;
	} rows[] = {
		{ { "", "", "" }, false }, { { "{", "}", "" }, true }, { { "{\"a\":\"", "}", "" }, false },
		{ { "{\"a\":\"\\", "\"}", "\"}" }, true }, { { "{\"a\":[{}", "]", "" }, false },
		{ { "}", "]", "" }, false }, { { "{}", "{", "" }, true },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct whole w = { 0 };
		for (size_t k = 0; k < 3; k++)
			whole_follow(&w, str_z(rows[i].pieces[k]));
		assert_int_equal(w.is_whole, rows[i].is_whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_thinking_is_an_effort),
		cmocka_unit_test(test_choices_and_formats),
		cmocka_unit_test(test_documents_stand_before_what_is_asked),
		cmocka_unit_test(test_images_of_embeddings_are_counted),
		cmocka_unit_test(test_bodies_on_the_short_way),
		cmocka_unit_test(test_an_end_that_the_provider_left_out),
		cmocka_unit_test(test_content_beside_calls),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_vectors_are_read),
		cmocka_unit_test(test_a_vector_of_zeros),
		cmocka_unit_test(test_when_an_object_is_whole),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
