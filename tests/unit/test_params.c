/* SPDX-License-Identifier: MIT
 * test_params.c - rules for parameters: what each kind of word does, to a body and to the neutral
 * form; and what etc/params.tsv makes of deployments. Run from the source root. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/json_write.h"
#include "master/config_read.h"
#include "master/embed.h"
#include "master/params.h"
#include "worker/openai.h"
#include "worker/params.h"

static struct arena *mem;

static const struct json *parse(const char *text)
{
	struct json_error e;
	const struct json *j = json_parse(mem, str_z(text), 0, &e);
	assert_non_null(j);
	return j;
}

static void expect(struct str got, const char *want)
{
	if (!str_eq_z(got, want))
		fail_msg("got  %.*s\nwant %s", (int)got.n, got.p, want);
}

static const struct judged {
	const char *rules, *name, *value;
	enum params_act act;
	const char *with;
} judged[] = {
	{ "", "seed", "1", PARAMS_KEEP, "" },
	{ "-seed", "seed", "1", PARAMS_REFUSE, "" },
	{ "-seed", "seed", "null", PARAMS_KEEP, "" },
	{ "-seed", "seeds", "1", PARAMS_KEEP, "" },
	{ "~user -seed", "user", "\"a\"", PARAMS_DROP, "" },
	{ "+seed -seed", "seed", "1", PARAMS_KEEP, "" },
	{ "n=1", "n", "1", PARAMS_KEEP, "" },
	{ "n=1", "n", "1.0", PARAMS_KEEP, "" },
	{ "n=1", "n", "2", PARAMS_REFUSE, "" },
	{ "n=1", "n", "\"1\"", PARAMS_REFUSE, "" },
	{ "tool_choice!\"required\"", "tool_choice", "\"required\"", PARAMS_REFUSE, "" },
	{ "tool_choice!\"required\"", "tool_choice", "\"auto\"", PARAMS_KEEP, "" },
	{ "a>b", "a", "1", PARAMS_RENAME, "b" },
	{ "a:1>2", "a", "1", PARAMS_REPLACE, "2" },
	{ "a:1>2 a:3>null", "a", "3", PARAMS_DROP, "" },
	{ "a:1>2", "a", "5", PARAMS_KEEP, "" },
	{ "-model -messages -stream -input", "model", "\"x\"", PARAMS_KEEP, "" },
	{ "-stream", "stream", "true", PARAMS_KEEP, "" },
	{ "[gpt-*] -seed [*] -user", "seed", "1", PARAMS_KEEP, "" },
	{ "[gpt-*] -seed [*] -user", "user", "1", PARAMS_REFUSE, "" },
	{ "[o3*] -seed", "seed", "1", PARAMS_REFUSE, "" },
	/* Words that are none harm nobody. */
	{ "- ~ + = [] [ ] a> a: a:> a:1> >", "a", "1", PARAMS_KEEP, "" },
};

static void test_each_word_says_what_it_means(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(judged); i++) {
		const struct judged *t = &judged[i];
		struct params_rules p = { .text = str_z(t->rules), .model = STR("o3-mini") };
		struct params_verdict v = params_judge(&p, str_z(t->name), str_z(t->value));
		if (v.act != t->act)
			fail_msg("%s: %s=%s gives %d", t->rules, t->name, t->value, (int)v.act);
		if (t->with[0])
			expect(v.with, t->with);
	}
}

static const struct edited {
	const char *rules, *body, *dropped, *params, *out;
} edited[] = {
	{ "", "{\"model\":\"m\",\"seed\":1}", NULL, "", "{\"model\":\"up\",\"seed\":1}" },
	{ "-seed", "{\"seed\":1,\"model\":\"m\"}", NULL, "", "{\"model\":\"up\"}" },
	{ "-seed", "{\"model\":\"m\", \"seed\" : 1 , \"x\":2}", NULL, "", "{\"model\":\"up\" , \"x\":2}" },
	{ "max_tokens>max_completion_tokens", "{\"model\":\"m\",\"max_tokens\":7}", NULL, "",
	  "{\"model\":\"up\",\"max_completion_tokens\":7}" },
	{ "max_tokens>max_completion_tokens",
	  "{\"model\":\"m\",\"max_tokens\":7,\"max_completion_tokens\":9}", NULL, "",
	  "{\"model\":\"up\",\"max_completion_tokens\":9}" },
	{ "max_completion_tokens>max_tokens",
	  "{\"model\":\"m\",\"max_tokens\":7,\"max_completion_tokens\":9}", NULL, "",
	  "{\"model\":\"up\",\"max_tokens\":9}" },
	{ "max_tokens>max_completion_tokens", "{\"model\":\"m\",\"max_tokens\":7}", NULL,
	  "{\"max_completion_tokens\":100,\"top_k\":4}",
	  "{\"model\":\"up\",\"max_completion_tokens\":7,\"top_k\":4}" },
	{ "tool_choice:\"required\">\"any\"", "{\"model\":\"m\",\"tool_choice\":\"required\",\"x\":1}", NULL,
	  "", "{\"model\":\"up\",\"tool_choice\":\"any\",\"x\":1}" },
	{ "a:1>null", "{\"model\":\"m\",\"a\":1}", NULL, "", "{\"model\":\"up\"}" },
	{ "-seed", "{\"seed\":1}", NULL, "", "{\"model\":\"up\"}" },
	/* The request's own list; model and messages cannot be dropped. */
	{ "", "{\"model\":\"m\",\"user\":\"u\",\"messages\":[]}", "[\"user\",\"model\",\"messages\"]", "",
	  "{\"model\":\"up\",\"messages\":[]}" },
	/* A dropped parameter does not come back as a default. */
	{ "-seed", "{\"model\":\"m\",\"seed\":1}", NULL, "{\"seed\":5}", "{\"model\":\"up\"}" },
	/* Nested members. */
	{ "~tools[*].function.strict",
	  "{\"model\":\"m\",\"tools\":[{\"function\":{\"strict\":true,\"name\":\"a\"}},{\"function\":{\"name\":"
	  "\"b\", \"strict\":false}},{\"type\":1}]}",
	  NULL, "",
	  "{\"model\":\"up\",\"tools\":[{\"function\":{\"name\":\"a\"}},{\"function\":{\"name\":\"b\"}},"
	  "{\"type\":1}]}" },
	{ "", "{\"model\":\"m\",\"tools\":[{\"a\":1,\"b\":2,\"c\":3},{\"a\":1}]}",
	  "[\"tools[0].a\",\"tools[0].b\",\"tools[1].b\"]", "",
	  "{\"model\":\"up\",\"tools\":[{\"c\":3},{\"a\":1}]}" },
	{ "", "{\"model\":\"m\",\"x\":{\"y\":{\"z\":1},\"w\":2}}", "[\"x.y\",\"x.y.z\",\"x.w\"]", "",
	  "{\"model\":\"up\",\"x\":{}}" },
	/* Paths that lead nowhere, and elements of arrays, stay. */
	{ "", "{\"model\":\"m\",\"x\":[1,2]}", "[\"x[0]\",\"x[*\",\"x..\",\"x[*].y\",\"[0]\",\".\"]", "",
	  "{\"model\":\"up\",\"x\":[1,2]}" },
};

static void test_bodies_are_edited(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(edited); i++) {
		const struct edited *t = &edited[i];
		struct params_rules p = { .text = str_z(t->rules), .model = STR("o3-mini"), .drops = true };
		struct openai_edits e = { .model = STR("up"), .params = str_z(t->params), .rules = &p };
		struct json_error je;
		struct buf out;
		p.dropped = t->dropped ? parse(t->dropped) : NULL;
		buf_init(&out, 65536);
		assert_int_equal(openai_edit_request(mem, parse(t->body), str_z(t->body), &e, &out), 0);
		expect(buf_str(&out), t->out);
		assert_non_null(json_parse(mem, buf_str(&out), JSON_ONE_KEY, &je));
		buf_done(&out);
	}
}

static void test_limits_are_lowered(void **state)
{
	static const char *const cases[][3] = {
		{ "", "{\"max_tokens\":9000,\"a\":1}", "{\"max_tokens\":4096,\"a\":1}" },
		{ "", "{\"max_completion_tokens\":4097}", "{\"max_completion_tokens\":4096}" },
		{ "", "{\"max_tokens\":4096,\"x\":9000}", "{\"max_tokens\":4096,\"x\":9000}" },
		{ "max_tokens>max_completion_tokens", "{\"max_tokens\":9000}",
		  "{\"max_completion_tokens\":4096}" },
	};
	struct llm_request q = { .n = 1, .max_tokens = 9000 };
	struct llm_error e = { 0 };
	struct params_rules p = { .longest = STR("4096") };
	struct buf out;
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct openai_edits how = { .rules = &p };
		p.text = str_z(cases[i][0]);
		buf_init(&out, 65536);
		assert_int_equal(openai_edit_request(mem, parse(cases[i][1]), str_z(cases[i][1]), &how, &out), 0);
		expect(buf_str(&out), cases[i][2]);
		buf_done(&out);
	}
	assert_int_equal(params_settle_neutral(mem, &p, &q, STR("x"), &e), 0);
	assert_int_equal(q.max_tokens, 4096);
}

static void test_some_rules_leave_words_as_they_are(void **state)
{
	static const char *const none[] = { "", "-seed n=1", "tool_choice!\"required\" +x", "[o1*] a>b ~c" };
	static const char *const some[] = { "-seed ~user", "a>b", "a:1>2", "~a[*].b", "[o3*] a>b" };
	struct params_rules p = { .model = STR("o3-mini"), .longest = STR("5") };
	(void)state;
	assert_false(params_change_words(NULL));
	for (size_t i = 0; i < COUNT(none); i++) {
		p.text = str_z(none[i]);
		assert_false(params_change_words(&p));
	}
	for (size_t i = 0; i < COUNT(some); i++) {
		p.text = str_z(some[i]);
		assert_true(params_change_words(&p));
	}
	p.text = STR_NONE;
	p.dropped = parse("[\"a\"]");
	assert_true(params_change_words(&p));
}

static void test_stream_options_can_be_kept_away(void **state)
{
	struct params_rules p = { .text = STR("~stream_options") };
	struct openai_edits e = { .wants_usage = true, .rules = &p };
	const char *body = "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}";
	struct buf out;
	(void)state;
	buf_init(&out, 65536);
	assert_int_equal(openai_edit_request(mem, parse(body), str_z(body), &e, &out), 0);
	expect(buf_str(&out), "{\"stream\":true}");
	buf_done(&out);
}

static void test_refusals_name_all_of_them(void **state)
{
	struct params_rules p = { .text = STR("-seed n=1 -logit_bias"), .model = STR("x-1") };
	const struct json *body = parse("{\"model\":\"m\",\"seed\":1,\"n\":3,\"top_p\":1}");
	struct llm_error e = { 0 };
	(void)state;
	assert_int_equal(params_check_body(mem, &p, body, STR("groq"), &e), -EINVAL);
	assert_int_equal(e.outcome, OUTCOME_UNSUPPORTED_PARAM);
	expect(e.param, "seed");
	assert_true(str_starts(e.message,
			       STR("litellm.UnsupportedParamsError: groq does not support parameters: "
				   "['seed', 'n'], for model=x-1.")));
	p.allowed = parse("[\"seed\",\"n\"]");
	assert_int_equal(params_check_body(mem, &p, body, STR("groq"), &e), 0);
	p.allowed = NULL;
	p.drops = true;
	assert_int_equal(params_check_body(mem, &p, body, STR("groq"), &e), 0);
	assert_int_equal(params_check_body(mem, NULL, body, STR("groq"), &e), 0);
}

static void fill(struct llm_request *q, struct llm_other *other, struct llm_tool *tool)
{
	*other = (struct llm_other){ .name = STR("logit_bias"), .json = STR("{}") };
	*q = (struct llm_request){ .temperature = STR("0.5"), .top_p = STR("1"), .top_k = STR("3"),
				   .seed = STR("1"), .presence_penalty = STR("0"),
				   .frequency_penalty = STR("1"), .reasoning_effort = STR("low"),
				   .user = STR("u"), .encoding_format = STR("float"),
				   .prompt_suffix = STR("s"), .n = 2, .max_tokens = 5, .dimensions = 9,
				   .n_stop = 1, .stop = { STR("x") }, .tools = tool,
				   .tool_choice = CHOICE_REQUIRED, .has_parallel_tool_calls = true,
				   .format = FORMAT_JSON, .other = other };
}

static void test_neutral_form_loses_what_is_dropped(void **state)
{
	struct params_rules p = {
		.text = STR("temperature=1 top_p=1 -top_k -seed presence_penalty=0 frequency_penalty=0 "
			    "-reasoning_effort ~user encoding_format:\"float\">null -suffix n=1 -max_tokens "
			    "-dimensions -stop -tools -response_format -logit_bias"),
		.drops = true,
	};
	struct llm_other other;
	struct llm_tool tool = { .name = STR("t") };
	struct llm_request q;
	struct llm_error e = { 0 };
	(void)state;
	fill(&q, &other, &tool);
	assert_int_equal(params_settle_neutral(mem, &p, &q, STR("x"), &e), 0);
	assert_null(q.temperature.p);
	expect(q.top_p, "1");
	expect(q.presence_penalty, "0");
	const struct str gone[] = { q.top_k, q.seed, q.frequency_penalty, q.reasoning_effort, q.user,
				    q.encoding_format, q.prompt_suffix };
	for (size_t i = 0; i < COUNT(gone); i++)
		assert_null(gone[i].p);
	assert_true(q.n == 1 && !q.max_tokens && !q.dimensions && !q.n_stop && !q.tools && !q.other);
	assert_true(q.tool_choice == CHOICE_UNSET && !q.has_parallel_tool_calls);
	assert_int_equal(q.format, FORMAT_UNSET);

	fill(&q, &other, &tool);
	p.drops = false;
	p.text = STR("tool_choice!\"required\" -parallel_tool_calls -logit_bias -seed");
	assert_int_equal(params_settle_neutral(mem, &p, &q, STR("x"), &e), -EINVAL);
	assert_true(str_find(e.message, STR("['tool_choice', 'parallel_tool_calls', 'seed', "
					    "'logit_bias']")) != SIZE_MAX);
	p.text = STR("-echo");
	fill(&q, &other, &tool);
	assert_int_equal(params_settle_neutral(mem, &p, &q, STR("x"), &e), 0);
	expect(q.other->name, "logit_bias");
	expect(q.temperature, "0.5");
}

/* ---- the table --------------------------------------------------------------------------------
 */

static void test_rows_are_sound(void **state)
{
	struct str text = embed_params();
	size_t n = 0;
	(void)state;
	expect(str_cut(&text, '\n'), "provider\tmodels\trules\twhy");
	while (text.n) {
		struct str line = str_cut(&text, '\n'), provider = str_cut(&line, '\t'),
			   models = str_cut(&line, '\t'), rules = str_cut(&line, '\t');
		if (!providers_find(provider))
			fail_msg(STR_FMT ": no such provider", STR_ARG(provider));
		assert_true(models.n > 0 && rules.n > 0 && line.p);
		while (rules.n) {
			struct str word = str_cut(&rules, ' '), name = word;
			size_t at = strchr("-~+", word.p[0]) ? 1 : 0, end = at;
			name = str_skip(word, at);
			for (end = 0; end < name.n && !strchr("=!>:", name.p[end]);)
				end++;
			if (!param_is_openai(str_of(name.p, end)))
				fail_msg(STR_FMT ": what is " STR_FMT "?", STR_ARG(provider), STR_ARG(word));
		}
		n++;
	}
	assert_true(n > 40);
}

static const struct resolved {
	const char *provider, *model, *base_model, *dropped, *name, *value;
	enum params_act act;
} resolved[] = {
	{ "openai", "gpt-5-mini", "", "", "temperature", "0.5", PARAMS_REFUSE },
	{ "openai", "gpt-5-mini", "", "", "temperature", "1", PARAMS_KEEP },
	{ "openai", "gpt-5-mini", "", "", "max_tokens", "1", PARAMS_RENAME },
	{ "openai", "gpt-5-chat-latest", "", "", "temperature", "0.5", PARAMS_KEEP },
	{ "openai", "gpt-5.1", "", "", "temperature", "0.5", PARAMS_KEEP },
	{ "openai", "o3-mini", "", "", "parallel_tool_calls", "true", PARAMS_REFUSE },
	{ "openai", "gpt-4o", "", "", "temperature", "0.5", PARAMS_KEEP },
	{ "openai", "gpt-4o", "", "", "reasoning_effort", "\"low\"", PARAMS_REFUSE },
	{ "openai", "gpt-4o", "", "seed", "seed", "1", PARAMS_DROP },
	{ "azure", "mine", "gpt-5", "", "stop", "\"x\"", PARAMS_REFUSE },
	{ "azure", "mine", "azure/gpt-5", "", "stop", "\"x\"", PARAMS_REFUSE },
	{ "mistral", "mistral-large-latest", "", "", "seed", "1", PARAMS_RENAME },
	{ "mistral", "mistral-large-latest", "", "", "tool_choice", "\"required\"", PARAMS_REPLACE },
	{ "mistral", "mistral-large-latest", "", "", "max_completion_tokens", "1", PARAMS_RENAME },
	{ "groq", "llama", "", "", "n", "2", PARAMS_REFUSE },
	{ "groq", "llama", "", "", "logprobs", "true", PARAMS_REFUSE },
	{ "deepseek", "deepseek-reasoner", "", "", "logprobs", "true", PARAMS_REFUSE },
	{ "deepseek", "deepseek-chat", "", "", "logprobs", "true", PARAMS_KEEP },
	{ "perplexity", "sonar", "", "", "tools", "[]", PARAMS_REFUSE },
	{ "xai", "grok-4-fast-non-reasoning", "", "", "stop", "\"x\"", PARAMS_KEEP },
	{ "xai", "grok-4", "", "", "stop", "\"x\"", PARAMS_REFUSE },
	{ "together_ai", "x", "", "", "logit_bias", "{}", PARAMS_KEEP },
};

static void test_deployments_get_their_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(resolved); i++) {
		const struct resolved *t = &resolved[i];
		struct str dropped = str_z(t->dropped);
		/* By name, and as a wildcard that the worker resolves. */
		for (unsigned wild = 0; wild < 2; wild++) {
			struct config_model m = { .provider = str_z(t->provider),
						  .model = wild ? STR("*") : str_z(t->model),
						  .base_model = str_z(t->base_model),
						  .dropped_params = { &dropped, dropped.n > 0 } };
			struct buf rules;
			if (wild && t->base_model[0])
				continue;
			buf_init(&rules, PARAMS_RULES_MAX);
			params_write_rules(&m, &rules);
			struct params_rules p = { .text = buf_str(&rules), .model = str_z(t->model) };
			if (params_judge(&p, str_z(t->name), str_z(t->value)).act != t->act)
				fail_msg("%s/%s %s=%s: %d, wild %u", t->provider, t->model, t->name, t->value,
					 (int)params_judge(&p, str_z(t->name), str_z(t->value)).act, wild);
			buf_done(&rules);
		}
	}
}

static void test_defaults_follow_the_rules(void **state)
{
	struct config_model m = { .model = STR("x"),
				  .params = STR("{\"max_tokens\":5,\"seed\":1,\"user\":\"u\",\"top_k\":3}") };
	struct buf out;
	(void)state;
	for (unsigned drops = 0; drops < 2; drops++) {
		buf_init(&out, 65536);
		params_write_defaults(STR("max_tokens>max_completion_tokens -seed ~user"), &m, drops, &out);
		expect(buf_str(&out), drops ? "{\"max_completion_tokens\":5,\"top_k\":3}"
					    : "{\"max_completion_tokens\":5,\"seed\":1,\"top_k\":3}");
		buf_done(&out);
	}
}

static void test_what_is_supported_is_told(void **state)
{
	struct buf out;
	struct json_out o = json_out(&out);
	(void)state;
	buf_init(&out, 65536);
	params_put_supported(&o, NULL, STR("groq"), STR("llama"), MODE_CHAT);
	assert_true(str_find(buf_str(&out), STR("\"temperature\"")) != SIZE_MAX);
	assert_true(str_find(buf_str(&out), STR("\"n\"")) != SIZE_MAX);
	assert_true(str_find(buf_str(&out), STR("\"logprobs\"")) == SIZE_MAX);
	buf_done(&out);
}

static int begin(void **state)
{
	(void)state;
	mem = arena_new(4 << 20);
	return mem ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	mem = arena_free(mem);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_word_says_what_it_means),
		cmocka_unit_test(test_bodies_are_edited),
		cmocka_unit_test(test_limits_are_lowered),
		cmocka_unit_test(test_some_rules_leave_words_as_they_are),
		cmocka_unit_test(test_stream_options_can_be_kept_away),
		cmocka_unit_test(test_refusals_name_all_of_them),
		cmocka_unit_test(test_neutral_form_loses_what_is_dropped),
		cmocka_unit_test(test_rows_are_sound),
		cmocka_unit_test(test_deployments_get_their_rules),
		cmocka_unit_test(test_defaults_follow_the_rules),
		cmocka_unit_test(test_what_is_supported_is_told),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
