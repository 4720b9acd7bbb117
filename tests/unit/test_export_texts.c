/* SPDX-License-Identifier: MIT
 * test_export_texts.c - what callbacks are told of prompts and answers: of every dialect in OpenAI's
 * words and in OpenTelemetry's; cut at any length it is JSON and says so; and a record is told with
 * its own texts or with none, whatever was lost. */
#include "master/export_texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/journal.h"
#include "common/mem.h"
#include "master/export_join.h"
#include "master/export_said.h"

static struct arena *arena;
static struct buf out;
static struct record record;
static struct export_texts texts;
static struct export_view view;

static int set_up(void **state)
{
	(void)state;
	arena = arena_new(64 << 20);
	buf_init(&out, 16 << 20);
	record = (struct record){ .start_ns = UINT64_C(1764489600) * NS_PER_S, .input = 7,
				  .output = 2, .call = JOURNAL_CALL_CHAT, .finish = 1 };
	record_put(&record, RT_CALL_ID, STR("call-1"));
	record_put(&record, RT_UPSTREAM, STR("gpt"));
	record_put(&record, RT_OUTCOME, STR("OK"));
	return arena && hash_init() == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	buf_done(&out);
	arena_free(arena);
	return 0;
}

/* A view of a request that said so. */
static void say(const char *prompt, const char *answer)
{
	struct json_error e;
	texts = (struct export_texts){ .text = { str_z(prompt), str_z(answer) }, .mem = arena };
	for (unsigned i = 0; i < TEXT_KINDS; i++)
		texts.root[i] = json_parse(arena, texts.text[i], 0, &e);
	view = (struct export_view){ .r = &record, .texts = &texts, .text_most = TEXT_MOST };
}

typedef void put_fn(struct json_out *o, const char *key, const struct export_view *v);

static void assert_puts(put_fn *put, const char *want)
{
	struct json_out o = json_out(&out);
	buf_reset(&out);
	put(&o, NULL, &view);
	if (!str_eq_z(buf_str(&out), want))
		fail_msg("wanted %s\ngot    " STR_FMT, want, STR_ARG(buf_str(&out)));
}

static const struct json *parsed(struct str text)
{
	struct json_error e;
	const struct json *j = json_parse(arena, text, JSON_ONE_KEY, &e);
	if (!j)
		fail_msg("%s at %zu in " STR_FMT, e.what, e.at, STR_ARG(text));
	return j;
}

/* ---- what was asked ---- */

static void test_prompts(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\n\"content\":\"a\\nb\"}]}",
		  "[{\"role\":\"user\", \"content\":\"a\\nb\"}]" },
		{ "{\"system\":\"be\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}",
		  "[{\"role\":\"system\",\"content\":\"be\"},{\"role\":\"user\",\"content\":\"a\"}]" },
		{ "{\"system\":[{\"type\":\"text\",\"text\":\"be\"}],\"messages\":[]}",
		  "[{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"be\"}]}]" },
		{ "{\"input\":[\"a\",\"b\"]}", "[\"a\",\"b\"]" },
		{ "{\"prompt\":\"a\",\"system\":\"s\"}", "\"a\"" },
		{ "{\"query\":\"q\",\"documents\":[\"d\"]}", "\"q\"" },
		{ "{\"messages\":null,\"input\":\"a\"}", "\"a\"" },
		{ "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"},{\"text\":\"b\"}]},"
		  "{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"x\":1}}}]},"
		  "{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":"
		  "{\"y\":2}}}]}],\"systemInstruction\":{\"parts\":[{\"text\":\"s\"}]}}",
		  "[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"ab\"},"
		  "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":null,\"type\":"
		  "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]},"
		  "{\"role\":\"tool\",\"name\":\"f\",\"content\":\"{\\\"y\\\":2}\"}]" },
		{ "{\"contents\":[7,{\"parts\":3},{}]}", "[]" },
		{ "{\"other\":1}", "{\"other\":1}" }, { "[1]", "[1]" }, { "7", "7" },
		{ "not JSON \"\n", "\"not JSON \\\"\\n\"" }, { "", "null" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		say(rows[i][0], "");
		assert_puts(export_put_messages, rows[i][1]);
	}
	say("{\"messages\":[],\"tools\":[{\"a\":1}]}", "");
	assert_puts(export_put_input, "{\"messages\":[],\"tools\":[{\"a\":1}]}");
	view.texts = NULL;
	assert_puts(export_put_messages, "null");
	assert_puts(export_put_response, "null");
}

/* ---- what was answered ---- */

#define COMPLETION(message)                                                                        \
	"{\"id\":\"call-1\",\"object\":\"chat.completion\",\"created\":1764489600,\"model\":\"gpt\"," \
	"\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\","   \
	message "}}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}"
#define CALL(id, name, arguments)                                                                  \
	"\"tool_calls\":[{\"id\":" id ",\"type\":\"function\",\"function\":{\"name\":\"" name        \
	"\",\"arguments\":\"" arguments "\"}}]"

static void test_answers(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"choices\":[{\"message\":{\"content\":\"a\"}}],\"x\":\n1}",
		  "{\"choices\":[{\"message\":{\"content\":\"a\"}}],\"x\":1}" },
		{ "{\"type\":\"message\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\"},"
		  "{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"},"
		  "{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"f\",\"input\":{\"x\":\"y\"}}]}",
		  COMPLETION("\"content\":\"ab\",\"reasoning_content\":\"t\","
			     CALL("\"i\"", "f", "{\\\"x\\\":\\\"y\\\"}")) },
		{ "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"t\",\"thought\":true},"
		  "{\"text\":\"a\"}]}}]}",
		  COMPLETION("\"content\":\"a\",\"reasoning_content\":\"t\"") },
		{ "{\"message\":{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"function\":"
		  "{\"name\":\"f\",\"arguments\":{}}}]},\"done\":true}",
		  COMPLETION("\"content\":\"a\"," CALL("null", "f", "{}")) },
		{ "{\"response\":\"a\",\"done\":true}", COMPLETION("\"content\":\"a\"") },
		{ "{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}}",
		  COMPLETION("\"content\":\"a\"") },
		{ "{\"object\":\"response\",\"output\":[]}", "{\"object\":\"response\",\"output\":[]}" },
		{ "{\"odd\":1}", "{\"odd\":1}" }, { "[1]", "[1]" },
		{ "data: x\n\n", "\"data: x\\n\\n\"" }, { "", "{}" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		say("{}", rows[i][0]);
		assert_puts(export_put_response, rows[i][1]);
	}
}

static void test_what_langfuse_shows(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}", "{\"content\":\"a\"}" },
		{ "{\"choices\":[{\"text\":\"a\"}]}", "\"a\"" },
		{ "{\"content\":[{\"text\":\"a\"}]}", "{\"role\":\"assistant\",\"content\":\"a\"}" },
		{ "{\"output\":[1]}", "[1]" }, { "{\"data\":[2]}", "[2]" },
		{ "{\"choices\":[]}", "{\"choices\":[]}" }, { "", "null" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		say("{}", rows[i][0]);
		assert_puts(export_put_output, rows[i][1]);
	}
	record.call = JOURNAL_CALL_EMBED;
	say("{}", "{\"data\":[2]}");
	assert_puts(export_put_output, "null");
	record.flags = RF_FAILED;
	assert_puts(export_put_output, "\"OK\"");
}

/* One row's form of what was said. */
static const struct json *told(enum export_kind kind)
{
	static const struct export_target t;
	const struct export_row *row = &export_rows[kind];
	buf_reset(&out);
	row->begin(&t, &out);
	row->put(&t, &view, &out);
	buf_put_z(&out, row->end);
	return parsed(arena_dup(arena, buf_str(&out)));
}

static void assert_raw(const struct json *j, const char *path, const char *want)
{
	const struct json *at = json_get_path(j, path);
	if (want ? !at || !str_eq_z(at->raw, want) : at != NULL)
		fail_msg("%s: wanted %s, got " STR_FMT, path, want ? want : "nothing",
			 STR_ARG(at ? at->raw : STR("nothing")));
}

/* Ids and traces are the answer's and the client's own, where they are told. */
static void test_ids(void **state)
{
	(void)state;
	say("{\"messages\":[],\"metadata\":{\"trace_id\":\"t-9\"}}", "{\"id\":\"chatcmpl-7\"}");
	const struct json *j = json_at(told(EXPORT_GENERIC), 0);
	assert_raw(j, "id", "\"chatcmpl-7\"");
	assert_raw(j, "litellm_call_id", "\"call-1\"");
	assert_raw(j, "trace_id", "\"t-9\"");
	record_put(&record, RT_SESSION, STR("s-1"));
	record.flags |= RF_CACHE_HIT;
	record.end_ns = record.start_ns + 500 * NS_PER_MS;
	j = json_at(told(EXPORT_GENERIC), 0);
	assert_raw(j, "id", "\"chatcmpl-7_cache_hit1764489600.500000\"");
	assert_raw(j, "trace_id", "\"s-1\"");
	record.flags = 0;
	texts = (struct export_texts){ .is_hidden = true };
	assert_raw(json_at(told(EXPORT_GENERIC), 0), "id", "\"call-1\"");
	say("{}", "{\"id\":7}");
	assert_raw(json_at(told(EXPORT_GENERIC), 0), "id", "\"call-1\"");
	static char longest[400];
	snprintf(longest, sizeof longest, "{\"id\":\"%0300d\"}", 0);
	say("{}", longest);
	assert_raw(json_at(told(EXPORT_GENERIC), 0), "id", "\"call-1\"");
}

static void test_what_langfuse_is_told_by_metadata(void **state)
{
	(void)state;
	say("{\"messages\":[],\"metadata\":{\"trace_id\":\"t-9\",\"session_id\":\"s\","
	    "\"trace_version\":\"2\",\"version\":\"1\",\"trace_release\":\"r\","
	    "\"trace_metadata\":{\"a\":1},\"generation_id\":\"g\",\"parent_observation_id\":\"p\","
	    "\"prompt\":{\"name\":\"n\",\"version\":3},\"mask_input\":true}}",
	    "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}");
	const struct json *list = json_get(told(EXPORT_LANGFUSE), "batch");
	const struct json *trace = json_get(json_at(list, 0), "body");
	const struct json *generation = json_get(json_at(list, 1), "body");
	assert_raw(trace, "id", "\"t-9\"");
	assert_raw(trace, "sessionId", "\"s\"");
	assert_raw(trace, "version", "\"2\"");
	assert_raw(trace, "release", "\"r\"");
	assert_raw(trace, "metadata", "{\"a\":1}");
	assert_raw(trace, "input", "\"redacted-by-litellm\"");
	assert_raw(trace, "output", "{\"content\":\"a\"}");
	assert_raw(generation, "id", "\"g\"");
	assert_raw(generation, "traceId", "\"t-9\"");
	assert_raw(generation, "parentObservationId", "\"p\"");
	assert_raw(generation, "version", "\"1\"");
	assert_raw(generation, "promptName", "\"n\"");
	assert_raw(generation, "promptVersion", "3");
	assert_raw(generation, "input", "\"redacted-by-litellm\"");
}

/* Of a trace that is there already only what is asked for is changed, and each once. */
static void test_a_trace_of_langfuse_goes_on(void **state)
{
	(void)state;
	say("{\"messages\":[1],\"metadata\":{\"existing_trace_id\":\"e\",\"trace_id\":\"t\","
	    "\"trace_name\":\"n\",\"trace_version\":\"2\",\"mask_output\":true,"
	    "\"update_trace_keys\":[\"output\",\"trace_version\",\"output\",\"trace_id\",7]}}",
	    "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}");
	const struct json *list = json_get(told(EXPORT_LANGFUSE), "batch");
	const struct json *trace = json_get(json_at(list, 0), "body");
	assert_int_equal(trace->count, 3);
	assert_raw(trace, "id", "\"e\"");
	assert_raw(trace, "version", "\"2\"");
	assert_raw(trace, "output", "\"redacted-by-litellm\"");
	assert_raw(json_get(json_at(list, 1), "body"), "traceId", "\"e\"");
	assert_raw(json_get(json_at(list, 1), "body"), "output", "\"redacted-by-litellm\"");
}

/* An attribute of the request's span, as told to that callback. .p NULL: it has none. */
static struct str attribute(enum export_kind kind, bool is_langfuse, const char *name)
{
	const struct export_target t = { .is_langfuse = is_langfuse, .environment = "prod" };
	struct str found = STR_NONE;
	buf_reset(&out);
	export_begin_otlp(&t, &out);
	export_put_otlp(&t, &view, &out);
	buf_put_z(&out, export_rows[kind].end);
	const struct json *j = json_at(json_get(parsed(arena_dup(arena, buf_str(&out))),
						"resourceSpans"), 0);
	j = json_at(json_get(json_at(json_get(j, "scopeSpans"), 0), "spans"), 0);
	for (j = json_get(j, "attributes")->child; j; j = j->next)
		if (str_eq_z(json_get_str(arena, j, "key"), name))
			found = json_get(j, "value")->raw;
	return found;
}

static void assert_attribute(enum export_kind kind, const char *name, const char *want)
{
	struct str got = attribute(kind, kind == EXPORT_LANGFUSE_OTEL, name);
	if (want ? !str_eq_z(got, want) : got.p != NULL)
		fail_msg("%s: wanted %s, got " STR_FMT, name, want ? want : "nothing", STR_ARG(got));
}

static void test_attributes_of_texts(void **state)
{
	static const char *const stops[] = {
		"{\"stop\":\"x\"}", "{\"stop_sequences\":[\"x\",7]}",
		"{\"generationConfig\":{\"stopSequences\":[\"x\"]}}",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(stops); i++) {
		say(stops[i], "{\"id\":\"chatcmpl-7\"}");
		assert_attribute(EXPORT_OTEL, "gen_ai.request.stop_sequences",
				 "{\"arrayValue\":{\"values\":[{\"stringValue\":\"x\"}]}}");
		assert_attribute(EXPORT_OTEL, "gen_ai.response.id", "{\"stringValue\":\"chatcmpl-7\"}");
	}
	say("{\"stop\":7}", "{}");
	assert_attribute(EXPORT_OTEL, "gen_ai.request.stop_sequences", NULL);
	assert_attribute(EXPORT_OTEL, "gen_ai.response.id", NULL);
	view.texts = NULL;
	assert_attribute(EXPORT_OTEL, "gen_ai.response.id", NULL);
	record_put(&record, RT_SESSION, STR("s-1"));
	assert_attribute(EXPORT_OTEL, "gen_ai.conversation.id", "{\"stringValue\":\"s-1\"}");
}

static void test_attributes_of_langfuse(void **state)
{
	static const char hidden[] = "redacted-by-litellm";
	(void)state;
	say("{\"messages\":[{\"content\":\"canary\"}],\"metadata\":{\"trace_name\":\"n\","
	    "\"session_id\":\"s\",\"trace_user_id\":\"u\",\"version\":\"1\",\"mask_output\":true}}",
	    "{\"choices\":[{\"message\":{\"content\":\"canary\"}}]}");
	record_put(&record, RT_SESSION, STR("s"));
	assert_attribute(EXPORT_LANGFUSE_OTEL, "langfuse.trace.name", "{\"stringValue\":\"n\"}");
	assert_attribute(EXPORT_LANGFUSE_OTEL, "langfuse.session.id", "{\"stringValue\":\"s\"}");
	assert_attribute(EXPORT_LANGFUSE_OTEL, "langfuse.user.id", "{\"stringValue\":\"u\"}");
	assert_attribute(EXPORT_LANGFUSE_OTEL, "langfuse.version", "{\"stringValue\":\"1\"}");
	assert_attribute(EXPORT_LANGFUSE_OTEL, "langfuse.environment", "{\"stringValue\":\"prod\"}");
	assert_attribute(EXPORT_LANGFUSE_OTEL, "langfuse.observation.type",
			 "{\"stringValue\":\"generation\"}");
	assert_attribute(EXPORT_LANGFUSE_OTEL, "langfuse.observation.input",
			 "{\"stringValue\":\"{\\\"messages\\\":[{\\\"content\\\":\\\"canary\\\"}]}\"}");
	assert_attribute(EXPORT_LANGFUSE_OTEL, "langfuse.observation.output",
			 "{\"stringValue\":\"\\\"redacted-by-litellm\\\"\"}");
	/* What is masked stands nowhere else, and where it goes alone is its own. */
	assert_attribute(EXPORT_LANGFUSE_OTEL, "gen_ai.output.messages", NULL);
	assert_attribute(EXPORT_OTEL, "langfuse.observation.input", NULL);
	texts.is_hidden = true;
	texts.root[0] = texts.root[1] = NULL;
	struct str input = attribute(EXPORT_LANGFUSE_OTEL, true, "langfuse.observation.input");
	assert_true(str_find(input, str_z(hidden)) != SIZE_MAX);
	assert_true(str_find(buf_str(&out), STR("canary")) == SIZE_MAX);
	view.texts = NULL;
	assert_attribute(EXPORT_LANGFUSE_OTEL, "langfuse.observation.input", NULL);
	assert_attribute(EXPORT_LANGFUSE_OTEL, "langfuse.trace.name",
			 "{\"stringValue\":\"litellm-acompletion\"}");
}

static void test_hidden_and_lost(void **state)
{
	(void)state;
	say("{\"messages\":[1]}", "{\"choices\":[]}");
	texts.is_hidden = true;
	assert_puts(export_put_messages,
		    "[{\"role\":\"user\",\"content\":\"redacted-by-litellm\"}]");
	assert_puts(export_put_response, COMPLETION("\"content\":\"redacted-by-litellm\""));
	assert_puts(export_put_output,
		    "{\"role\":\"assistant\",\"content\":\"redacted-by-litellm\"}");
	record.call = JOURNAL_CALL_EMBED;
	assert_puts(export_put_response, "{\"text\":\"redacted-by-litellm\"}");
	texts = (struct export_texts){ .is_lost = true };
	assert_puts(export_put_messages, "null");
	assert_puts(export_put_response, "null");
	assert_puts(export_put_input, "null");
	struct json_out o = json_out(&out);
	buf_reset(&out);
	json_open(&o, NULL);
	export_put_texts_note(&o, &view);
	json_close(&o);
	assert_true(json_get_str(arena, parsed(buf_str(&out)), "texts_missing").n > 0);
}

static void test_what_the_configuration_leaves(void **state)
{
	struct export_texts room;
	struct config c = { .export_texts = 1u << EXPORT_GENERIC | 1u << EXPORT_DATADOG };
	(void)state;
	say("{\"messages\":[1]}", "{\"choices\":[{\"text\":\"a\"}]}");
	assert_ptr_equal(export_texts_for(&c, EXPORT_GENERIC, &texts, &room), &texts);
	assert_null(export_texts_for(&c, EXPORT_GENERIC, NULL, &room));
	assert_null(export_texts_for(&c, EXPORT_OTEL, &texts, &room));
	c.export_hidden = 1u << EXPORT_DATADOG;
	assert_ptr_equal(export_texts_for(&c, EXPORT_GENERIC, &texts, &room), &texts);
	view.texts = export_texts_for(&c, EXPORT_DATADOG, &texts, &room);
	assert_ptr_equal(view.texts, &room);
	assert_puts(export_put_messages,
		    "[{\"role\":\"user\",\"content\":\"redacted-by-litellm\"}]");
	c.texts_left_out = 1u << TEXT_PROMPT;
	view.texts = export_texts_for(&c, EXPORT_GENERIC, &texts, &room);
	assert_puts(export_put_messages, "null");
	assert_puts(export_put_input, "{\"messages\":null}");
	assert_puts(export_put_output, "\"a\"");
	c.texts_left_out = 1u << TEXT_ANSWER;
	view.texts = export_texts_for(&c, EXPORT_GENERIC, &texts, &room);
	assert_puts(export_put_messages, "[1]");
	assert_puts(export_put_output, "null");
}

/* ---- OpenTelemetry ---- */

static void assert_otlp(const char *prompt, const char *answer, const char *const want[3])
{
	static const char *const names[] = { "gen_ai.system_instructions", "gen_ai.input.messages",
					     "gen_ai.output.messages" };
	struct json_out o = json_out(&out);
	struct str got[3] = { STR_NONE, STR_NONE, STR_NONE };
	say(prompt, answer);
	buf_reset(&out);
	json_open_array(&o, NULL);
	export_put_otlp_texts(&o, &view);
	json_close_array(&o);
	assert_false(out.failed);
	for (const struct json *j = parsed(buf_str(&out))->child; j; j = j->next)
		for (unsigned i = 0; i < 3; i++)
			if (str_eq_z(json_get_str(arena, j, "key"), names[i]))
				got[i] = json_str(arena, json_get_path(j, "value.stringValue"));
	for (unsigned i = 0; i < 3; i++)
		if (!str_eq_z(got[i], want[i] ? want[i] : ""))
			fail_msg("%s of %s: wanted %s\ngot    " STR_FMT, names[i], prompt,
				 want[i] ? want[i] : "nothing", STR_ARG(got[i]));
}

#define PARTS(role, parts) "{\"role\":\"" role "\",\"parts\":[" parts "]"
#define TEXT(t) "{\"type\":\"text\",\"content\":\"" t "\"}"

static void test_otlp(void **state)
{
	(void)state;
	assert_otlp("{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
		    "\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\","
		    "\"image_url\":{\"url\":\"data:x\"}}]},{\"role\":\"assistant\",\"tool_calls\":"
		    "[{\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
		    "{\"role\":\"tool\",\"tool_call_id\":\"i\",\"content\":\"r\"}]}",
		    "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"length\"},"
		    "{\"message\":{\"content\":\"b\"}}]}",
		    (const char *const[]){ NULL,
			"[" PARTS("system", TEXT("s")) "},"
			PARTS("user", TEXT("a") ",{\"type\":\"image_url\"}") "},"
			PARTS("assistant", "{\"type\":\"tool_call\",\"id\":\"i\",\"name\":\"f\","
			      "\"arguments\":\"{}\"}") "},"
			PARTS("tool", "{\"type\":\"tool_call_response\",\"id\":\"i\",\"response\":\"r\"}")
			"}]",
			"[" PARTS("assistant", TEXT("a")) ",\"finish_reason\":\"length\"},"
			PARTS("assistant", TEXT("b")) ",\"finish_reason\":\"stop\"}]" });
	assert_otlp("{\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
		    "\"tool_result\",\"tool_use_id\":\"i\",\"content\":\"r\"}]}]}",
		    "{\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\"},{\"type\":\"tool_use\","
		    "\"id\":\"i\",\"name\":\"f\",\"input\":{\"x\":1}}]}",
		    (const char *const[]){ "[" TEXT("s") "]",
			"[" PARTS("user", "{\"type\":\"tool_call_response\",\"id\":\"i\","
				  "\"response\":\"r\"}") "}]",
			"[" PARTS("assistant", "{\"type\":\"reasoning\",\"content\":\"t\"},"
				  "{\"type\":\"tool_call\",\"id\":\"i\",\"name\":\"f\",\"arguments\":"
				  "{\"x\":1}}") ",\"finish_reason\":\"stop\"}]" });
	assert_otlp("{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"a\"}]}],"
		    "\"systemInstruction\":{\"parts\":[{\"text\":\"s\"}]}}", "",
		    (const char *const[]){ "[" TEXT("s") "]",
			"[" PARTS("assistant", TEXT("a")) "}]", NULL });
	assert_otlp("{\"input\":[\"a\",\"b\"]}", "{\"output\":[{\"type\":\"message\",\"content\":"
		    "[{\"type\":\"output_text\",\"text\":\"c\"}]},{\"type\":\"function_call\","
		    "\"call_id\":\"i\",\"name\":\"f\",\"arguments\":\"{}\"}]}",
		    (const char *const[]){ NULL, "[" PARTS("user", TEXT("a") "," TEXT("b")) "}]",
			"[" PARTS("assistant", TEXT("c") ",{\"type\":\"tool_call\",\"id\":\"i\","
				  "\"name\":\"f\",\"arguments\":\"{}\"}")
			",\"finish_reason\":\"stop\"}]" });
	assert_otlp("{\"prompt\":\"a\"}", "{\"data\":[]}",
		    (const char *const[]){ NULL, "[" PARTS("user", TEXT("a")) "}]", "[]" });
}

/* ---- Datadog ---- */

static void assert_datadog(const char *prompt, const char *answer, const char *in, const char *out_text)
{
	static const struct export_target target = { .service = "s" };
	say(prompt, answer);
	buf_reset(&out);
	export_put_datadog_llm(&target, &view, &out);
	const struct json *j = parsed(buf_str(&out));
	struct str got[2] = { json_get_path(j, "meta.input.messages")->raw,
			      json_get_path(j, "meta.output.messages")->raw };
	if (!str_eq_z(got[0], in) || !str_eq_z(got[1], out_text))
		fail_msg("%s, %s: got " STR_FMT " and " STR_FMT, prompt, answer, STR_ARG(got[0]),
			 STR_ARG(got[1]));
}

#define MESSAGE(role, content) "{\"role\":\"" role "\",\"content\":\"" content "\"}"

static void test_datadog(void **state)
{
	(void)state;
	assert_datadog("{\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
		       "\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}]}",
		       "{\"content\":[{\"type\":\"text\",\"text\":\"c\"}]}",
		       "[" MESSAGE("system", "s") "," MESSAGE("user", "ab") "]",
		       "[" MESSAGE("assistant", "c") "]");
	assert_datadog("{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"a\"}]}]}", "",
		       "[" MESSAGE("assistant", "a") "]", "[]");
	assert_datadog("{\"input\":\"a\"}", "{\"data\":[]}", "[" MESSAGE("user", "a") "]", "[]");
}

/* ---- any length ---- */

/* Whatever is left of them, every receiver gets JSON, which says how much there was. */
static void check_cut(size_t most)
{
	struct export_target target = { .queue = "q", .service = "s" };
	for (unsigned i = 0; i < EXPORT_KINDS; i++) {
		const struct export_row *row = &export_rows[i];
		view.text_most = most;
		buf_reset(&out);
		row->begin(&target, &out);
		row->put(&target, &view, &out);
		buf_put_z(&out, row->end);
		assert_false(out.failed);
		parsed(str_trim(buf_str(&out)));
	}
	buf_reset(&out);
	struct json_out o = json_out(&out);
	export_put_payload(&o, NULL, &view);
	const struct json *j = parsed(buf_str(&out));
	uint64_t prompt = export_text_cut(&view, TEXT_PROMPT);
	uint64_t answer = export_text_cut(&view, TEXT_ANSWER);
	assert_int_equal(json_count(json_get_path(j, "texts_cut.prompt_bytes")), prompt);
	assert_int_equal(json_count(json_get_path(j, "texts_cut.response_bytes")), answer);
	if (prompt)
		assert_int_equal(json_get(j, "messages")->type, JSON_STRING);
}

static void test_any_length(void **state)
{
	static const char prompt[] =
		"{\"messages\":[{\"role\":\"user\",\"content\":\"\xc3\xa9\xe2\x82\xac \\\" \\u00e9\"}]}";
	static const char answer[] = "{\"choices\":[{\"message\":{\"content\":\"\xe2\x82\xac\"}}]}";
	(void)state;
	for (size_t most = 0; most < sizeof prompt + 2; most++) {
		say(prompt, answer);
		check_cut(most);
		say(prompt, answer);		/* what a worker has cut */
		texts.text[TEXT_PROMPT] = text_cut(texts.text[TEXT_PROMPT], most);
		texts.cut[TEXT_PROMPT] = (uint32_t)(sizeof prompt - 1 - texts.text[TEXT_PROMPT].n);
		texts.root[TEXT_PROMPT] = texts.cut[TEXT_PROMPT] ? NULL : texts.root[TEXT_PROMPT];
		check_cut(TEXT_MOST);
	}
	say("\xff\xfe", "{\"choices\":\"x\",\"candidates\":{},\"output\":3}");
	check_cut(TEXT_MOST);
}

/* ---- records and their texts ---- */

static struct text_ring *ring;
static struct metric_row metrics;
static struct export_join *join;

static void start_join(void)
{
	static const struct config config = { .master_key = STR("sk-master-0123456789abcdef") };
	ring = aligned_alloc(64, sizeof *ring);
	memset(ring, 0, sizeof *ring);
	memset(&metrics, 0, sizeof metrics);
	join = export_join_new(&metrics);
	export_join_configure(join, &config);
}

static void end_join(void)
{
	join = export_join_free(join);
	free(ring);
}

static void put_texts(uint8_t id, const char *prompt, const char *answer)
{
	struct text_head h = { .request_id = { id } };
	const struct str both[TEXT_KINDS] = { str_z(prompt), str_z(answer) };
	assert_true(text_put(ring, &h, both));
}

/* Whether a record of that id has texts; what they are is asserted. */
static bool takes(uint8_t id, uint32_t flags, const char *prompt)
{
	struct record r = { .request_id = { id }, .flags = flags };
	size_t n;
	assert_true(export_join_take(join, ring, &r, &texts, &n));
	bool has = !texts.is_lost && !texts.is_hidden;
	if (has && !str_eq_z(texts.text[TEXT_PROMPT], prompt))
		fail_msg("wanted %s, got " STR_FMT, prompt, STR_ARG(texts.text[TEXT_PROMPT]));
	assert_int_equal(n, has ? texts.text[TEXT_PROMPT].n + texts.text[TEXT_ANSWER].n : 0);
	return has;
}

static void test_records_have_their_own(void **state)
{
	struct record none = { .flags = RF_SETTLED };
	size_t n;
	(void)state;
	start_join();
	assert_false(export_join_take(join, ring, &none, &texts, &n));
	put_texts(1, "{\"a\":1}", "b");
	put_texts(2, "of a record that was lost", "");
	put_texts(3, "three", "");
	assert_true(takes(1, RF_TEXTS, "{\"a\":1}"));
	assert_non_null(texts.root[TEXT_PROMPT]);
	assert_null(texts.root[TEXT_ANSWER]);
	assert_false(takes(9, RF_TEXTS_HIDDEN, ""));
	assert_true(texts.is_hidden);
	assert_false(takes(10, RF_TEXTS_LOST, ""));
	assert_int_equal(metrics.texts_untold, 0);	/* its worker has counted it */
	assert_true(takes(3, RF_TEXTS, "three"));
	assert_int_equal(metrics.texts_untold, 1);
	assert_false(takes(4, RF_TEXTS, ""));
	assert_int_equal(metrics.texts_untold, 2);
	put_texts(5, "five", "");
	assert_true(takes(5, RF_TEXTS, "five"));
	end_join();
}

/* A ring that no worker of ours wrote: the record goes without, and the next one is found. */
static void test_a_damaged_ring(void **state)
{
	(void)state;
	start_join();
	put_texts(1, "one", "");
	((struct text_head *)ring->bytes)->n[TEXT_ANSWER] = UINT32_MAX;
	assert_false(takes(1, RF_TEXTS, ""));
	put_texts(2, "two", "");
	assert_true(takes(2, RF_TEXTS, "two"));
	end_join();
}

static void test_secrets_are_hidden(void **state)
{
	(void)state;
	start_join();
	put_texts(1, "is sk-master-0123456789abcdef mine?", "{\"a\":\"sk-0123456789abcdefg\"}");
	assert_true(takes(1, RF_TEXTS, "is ************************** mine?"));
	assert_int_equal(str_find(texts.text[TEXT_ANSWER], STR("sk-")), SIZE_MAX);
	assert_non_null(texts.root[TEXT_ANSWER]);
	end_join();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_prompts), TEST(test_answers), TEST(test_what_langfuse_shows),
		TEST(test_attributes_of_texts), TEST(test_attributes_of_langfuse), TEST(test_ids), TEST(test_what_langfuse_is_told_by_metadata),
		TEST(test_a_trace_of_langfuse_goes_on),
		TEST(test_hidden_and_lost), TEST(test_what_the_configuration_leaves),
		TEST(test_otlp), TEST(test_datadog), TEST(test_any_length),
		TEST(test_records_have_their_own), TEST(test_a_damaged_ring),
		TEST(test_secrets_are_hidden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
