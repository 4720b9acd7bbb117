/* SPDX-License-Identifier: MIT
 * test_provider_error.c - what is made of the many ways in which providers say that they failed. */
#include "worker/exchange/provider.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena *mem;

static const struct row {
	int status;
	const char *body;
	enum outcome outcome;
	const char *message, *type, *code;	/* type, code NULL: none */
} rows[] = {
	/* where the text may stand */
	{ 400, "{\"error\":{\"message\":\"bad\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}",
	  OUTCOME_UP_BAD_REQUEST, "bad", "invalid_request_error", NULL },
	{ 404, "{\"error\":\"model 'x' not found\"}", OUTCOME_UP_NOT_FOUND, "model 'x' not found", NULL, NULL },
	{ 400, "{\"message\":\"cohere says no\"}", OUTCOME_UP_BAD_REQUEST, "cohere says no", NULL, NULL },
	{ 400, "{\"__type\":\"ValidationException\",\"Message\":\"aws\"}", OUTCOME_UP_BAD_REQUEST, "aws",
	  "ValidationException", NULL },
	{ 422, "{\"detail\":\"text\"}", OUTCOME_UP_UNPROCESSABLE, "text", NULL, NULL },
	{ 422, "{\"detail\":[{\"loc\":[\"body\",\"messages\",0],\"msg\":\"Field required\",\"type\":\"missing\"}]}",
	  OUTCOME_UP_UNPROCESSABLE, "body.messages.0: Field required", NULL, NULL },
	{ 400, "{\"detail\":{\"message\":\"nested\"}}", OUTCOME_UP_BAD_REQUEST, "nested", NULL, NULL },
	{ 400, "{\"errors\":[{\"message\":\"first\"},{\"message\":\"second\"}]}", OUTCOME_UP_BAD_REQUEST, "first", NULL, NULL },
	{ 400, "{\"errors\":[\"first\"]}", OUTCOME_UP_BAD_REQUEST, "first", NULL, NULL },
	{ 400, "{\"error_code\":17,\"error_msg\":\"e\"}", OUTCOME_UP_BAD_REQUEST, "e", NULL, "17" },
	{ 400, "{\"err_msg\":\"e\"}", OUTCOME_UP_BAD_REQUEST, "e", NULL, NULL },
	{ 400, "{\"title\":\"t\",\"reason\":\"r\"}", OUTCOME_UP_BAD_REQUEST, "t", NULL, NULL },
	{ 400, "{\"reason\":\"r\"}", OUTCOME_UP_BAD_REQUEST, "r", NULL, NULL },
	{ 429, "[{\"error\":{\"code\":429,\"message\":\"Quota\",\"status\":\"RESOURCE_EXHAUSTED\"}}]",
	  OUTCOME_UP_RATE_LIMITED, "Quota", NULL, "429" },
	{ 502, "<html><head><title>502 Bad Gateway</title></head></html>", OUTCOME_UP_MALFORMED, "502 Bad Gateway",
	  NULL, NULL },
	{ 500, "plain text", OUTCOME_UP_ERROR, "plain text", NULL, NULL },
	{ 500, "", OUTCOME_UP_ERROR, "the provider gave no reason", NULL, NULL },
	{ 301, "", OUTCOME_UP_ERROR,
	  "the provider redirects elsewhere, which is not followed: is api_base right?", NULL, NULL },
	{ 503, "{\"a\":1}", OUTCOME_UP_UNAVAILABLE, "{\"a\":1}", NULL, NULL },
	{ 400, "{\"code\":\"Client specified an invalid argument\",\"error\":\"xai\"}", OUTCOME_UP_BAD_REQUEST, "xai", NULL,
	  "Client specified an invalid argument" },
	/* statuses */
	{ 401, "{}", OUTCOME_UP_AUTH, "{}", NULL, NULL },
	{ 402, "{}", OUTCOME_UP_PERMISSION, "{}", NULL, NULL },
	{ 403, "{}", OUTCOME_UP_PERMISSION, "{}", NULL, NULL },
	{ 408, "{}", OUTCOME_UP_TIMEOUT, "{}", NULL, NULL },
	{ 413, "{}", OUTCOME_UP_UNPROCESSABLE, "{}", NULL, NULL },
	{ 424, "{}", OUTCOME_UP_ERROR, "{}", NULL, NULL },
	{ 498, "{}", OUTCOME_UP_RATE_LIMITED, "{}", NULL, NULL },
	{ 504, "{}", OUTCOME_UP_TIMEOUT, "{}", NULL, NULL },
	{ 521, "{}", OUTCOME_UP_UNAVAILABLE, "{}", NULL, NULL },
	{ 529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
	  OUTCOME_UP_UNAVAILABLE, "Overloaded", "overloaded_error", NULL },
	/* what the words say */
	{ 400, "{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}", OUTCOME_CONTEXT_LENGTH, "x", NULL,
	  "context_length_exceeded" },
	{ 400, "{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens.\"}}", OUTCOME_CONTEXT_LENGTH,
	  "This model's maximum context length is 8192 tokens.", NULL, NULL },
	{ 400, "{\"error\":{\"message\":\"prompt is too long: 9 > 8\"}}", OUTCOME_CONTEXT_LENGTH, "prompt is too long: 9 > 8", NULL, NULL },
	{ 400, "{\"error\":\"the input is too long\"}", OUTCOME_CONTEXT_LENGTH, "the input is too long", NULL, NULL },
	{ 400, "{\"error\":\"request exceeds the available context size\"}", OUTCOME_CONTEXT_LENGTH,
	  "request exceeds the available context size", NULL, NULL },
	{ 422, "{\"error\":\"`inputs` tokens + `max_new_tokens` must be <= 4\"}", OUTCOME_CONTEXT_LENGTH,
	  "`inputs` tokens + `max_new_tokens` must be <= 4", NULL, NULL },
	{ 413, "{\"message\":\"Too many tokens\"}", OUTCOME_CONTEXT_LENGTH, "Too many tokens", NULL, NULL },
	{ 400, "{\"error\":{\"message\":\"The input token count (9) exceeds the maximum\"}}", OUTCOME_CONTEXT_LENGTH,
	  "The input token count (9) exceeds the maximum", NULL, NULL },
	{ 400, "{\"message\":\"Current length is 9 while limit is 8\"}", OUTCOME_CONTEXT_LENGTH,
	  "Current length is 9 while limit is 8", NULL, NULL },
	{ 400, "{\"message\":\"the text exceed context limit\"}", OUTCOME_CONTEXT_LENGTH, "the text exceed context limit", NULL, NULL },
	{ 400, "{\"message\":\"Prompt (9) is longer than the model's context length (8)\"}", OUTCOME_CONTEXT_LENGTH,
	  "Prompt (9) is longer than the model's context length (8)", NULL, NULL },
	{ 400, "{\"message\":\"over the model's maximum context limit\"}", OUTCOME_CONTEXT_LENGTH,
	  "over the model's maximum context limit", NULL, NULL },
	{ 400, "{\"message\":\"Input tokens exceed the configured limit of 9\"}", OUTCOME_CONTEXT_LENGTH,
	  "Input tokens exceed the configured limit of 9", NULL, NULL },
	{ 400, "{\"message\":\"it exceeds the maximum number of tokens allowed (9)\"}", OUTCOME_CONTEXT_LENGTH,
	  "it exceeds the maximum number of tokens allowed (9)", NULL, NULL },
	{ 400, "{\"message\":\"String too long. Expected a string with maximum length 9\"}", OUTCOME_CONTEXT_LENGTH,
	  "String too long. Expected a string with maximum length 9", NULL, NULL },
	{ 400, "{\"error\":{\"message\":\"string too long. expected a string with maximum length 64\",\"code\":\"string_above_max_length\"}}",
	  OUTCOME_UP_BAD_REQUEST, "string too long. expected a string with maximum length 64", NULL, "string_above_max_length" },
	{ 400, "{\"error\":{\"message\":\"string too long. expected a string with maximum length 64\",\"param\":\"user\"}}",
	  OUTCOME_UP_BAD_REQUEST, "string too long. expected a string with maximum length 64", NULL, NULL },
	{ 429, "{\"error\":{\"message\":\"maximum context length of tokens per minute\"}}", OUTCOME_UP_RATE_LIMITED,
	  "maximum context length of tokens per minute", NULL, NULL },
	{ 400, "{\"error\":{\"message\":\"filtered\",\"code\":\"filtered\",\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}",
	  OUTCOME_CONTENT_POLICY, "filtered", NULL, "filtered" },
	{ 400, "{\"error\":{\"message\":\"m\",\"code\":\"content_filter\"}}", OUTCOME_CONTENT_POLICY, "m", NULL, "content_filter" },
	{ 400, "{\"error\":{\"message\":\"rejected by our safety system\",\"code\":\"content_policy_violation\"}}",
	  OUTCOME_CONTENT_POLICY, "rejected by our safety system", NULL, "content_policy_violation" },
	{ 400, "{\"error\":{\"message\":\"The model `x` does not exist\"}}", OUTCOME_UP_NOT_FOUND, "The model `x` does not exist", NULL, NULL },
	{ 400, "{\"error\":{\"message\":\"m\",\"code\":\"model_not_found\"}}", OUTCOME_UP_NOT_FOUND, "m", NULL, "model_not_found" },
	{ 400, "{\"error\":{\"code\":400,\"message\":\"API key not valid\",\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"reason\":\"API_KEY_INVALID\"}]}}",
	  OUTCOME_UP_AUTH, "API key not valid", NULL, "400" },
	/* secrets */
	{ 401, "{\"error\":{\"message\":\"Incorrect API key provided: sk-proj-abcdef**********wxyz.\"}}", OUTCOME_UP_AUTH,
	  "Incorrect API key provided: ***", NULL, NULL },
	{ 401, "{\"error\":{\"message\":\"key the-secret-key is bad\"}}", OUTCOME_UP_AUTH, "key *** is bad", NULL, NULL },
	/* inside an answer that began well */
	{ 0, "{\"error\":{\"message\":\"m\",\"type\":\"overloaded_error\"}}", OUTCOME_UP_UNAVAILABLE, "m", "overloaded_error", NULL },
	{ 0, "{\"error\":{\"message\":\"m\",\"code\":429}}", OUTCOME_UP_RATE_LIMITED, "m", NULL, "429" },
	{ 0, "{\"error\":{\"message\":\"m\",\"code\":\"insufficient_quota\"}}", OUTCOME_UP_RATE_LIMITED, "m", NULL, "insufficient_quota" },
	{ 0, "{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\",\"code\":\"context_length_exceeded\"}}",
	  OUTCOME_CONTEXT_LENGTH, "m", "invalid_request_error", "context_length_exceeded" },
	{ 0, "{\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}", OUTCOME_UP_ERROR, "m", "server_error", NULL },
	{ 0, "{\"error\":{\"message\":\"m\",\"type\":\"authentication_error\"}}", OUTCOME_UP_AUTH, "m", "authentication_error", NULL },
	/* AWS */
	{ 403, "{\"__type\":\"ExpiredTokenException\",\"message\":\"m\"}", OUTCOME_UP_AUTH, "m", "ExpiredTokenException", NULL },
	{ 403, "{\"__type\":\"AccessDeniedException\",\"message\":\"m\"}", OUTCOME_UP_PERMISSION, "m", "AccessDeniedException", NULL },
	{ 400, "{\"message\":\"Input is too long for requested model.\"}", OUTCOME_CONTEXT_LENGTH, "Input is too long for requested model.", NULL, NULL },
	{ 400, "{\"message\":\"The maximum tokens you requested exceeds the model limit of 4096.\"}", OUTCOME_CONTEXT_LENGTH,
	  "The maximum tokens you requested exceeds the model limit of 4096.", NULL, NULL },
	{ 400, "{\"message\":\"Too many input tokens. Max input tokens: 8192\"}", OUTCOME_CONTEXT_LENGTH,
	  "Too many input tokens. Max input tokens: 8192", NULL, NULL },
	{ 0, "{\"error\":{\"message\":\"m\",\"type\":\"throttlingException\"}}", OUTCOME_UP_RATE_LIMITED, "m", "throttlingException", NULL },
	{ 0, "{\"error\":{\"message\":\"m\",\"type\":\"serviceUnavailableException\"}}", OUTCOME_UP_UNAVAILABLE, "m", "serviceUnavailableException", NULL },
	{ 0, "{\"error\":{\"message\":\"m\",\"type\":\"modelTimeoutException\"}}", OUTCOME_UP_TIMEOUT, "m", "modelTimeoutException", NULL },
	{ 0, "{\"error\":{\"message\":\"m\",\"type\":\"validationException\"}}", OUTCOME_UP_BAD_REQUEST, "m", "validationException", NULL },
	{ 0, "{\"error\":{\"message\":\"m\",\"type\":\"modelStreamErrorException\"}}", OUTCOME_UP_ERROR, "m", "modelStreamErrorException", NULL },
	{ 0, "{\"error\":{\"message\":\"m\",\"type\":\"internalServerException\"}}", OUTCOME_UP_ERROR, "m", "internalServerException", NULL },
};

/* A header tells the type where the body does not. */
static void test_types_from_a_header(void **state)
{
	static const struct {
		int status;
		const char *body, *header;
		enum outcome outcome;
		const char *type;
	} told[] = {
		{ 403, "{\"message\":\"m\"}", "InvalidSignatureException:http://internal.amazon.com/coral/", OUTCOME_UP_AUTH, "InvalidSignatureException" },
		{ 403, "{\"message\":\"m\"}", "UnrecognizedClientException", OUTCOME_UP_AUTH, "UnrecognizedClientException" },
		{ 403, "{\"message\":\"m\"}", "AccessDeniedException", OUTCOME_UP_PERMISSION, "AccessDeniedException" },
		{ 403, "{\"__type\":\"AccessDeniedException\"}", "ExpiredTokenException", OUTCOME_UP_PERMISSION, "AccessDeniedException" },
		{ 429, "{\"message\":\"m\"}", "ThrottlingException", OUTCOME_UP_RATE_LIMITED, "ThrottlingException" },
		{ 403, "{\"message\":\"m\"}", "", OUTCOME_UP_PERMISSION, NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(told); i++) {
		struct llm_error e = { 0 };
		provider_read_error(mem, told[i].status, str_z(told[i].body), STR_NONE, &e);
		llm_error_typed(mem, &e, str_z(told[i].header));
		assert_int_equal(e.outcome, told[i].outcome);
		assert_true(told[i].type ? str_eq_z(e.type, told[i].type) : !e.type.p);
	}
}

static bool is_same(struct str got, const char *want)
{
	return want ? str_eq_z(got, want) : !got.p;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *w = &rows[i];
		struct llm_error e = { 0 };
		provider_read_error(mem, w->status, str_z(w->body), STR("the-secret-key"), &e);
		bool is_good = e.outcome == w->outcome && is_same(e.message, w->message) &&
			       is_same(e.type, w->type) && is_same(e.code, w->code);
		if (!is_good)
			print_error("%d %s\n gave %s <" STR_FMT "> <" STR_FMT "> <" STR_FMT ">\n", w->status,
				    w->body, outcome_rows[e.outcome].name, STR_ARG(e.message),
				    STR_ARG(e.type), STR_ARG(e.code));
		assert_true(is_good);
		assert_int_equal(e.status, w->status ? w->status : outcome_rows[w->outcome].status);
	}
}

static uint64_t wait_of(const char *body)
{
	struct llm_error e;
	provider_read_error(mem, 429, str_z(body), STR_NONE, &e);
	return e.retry_after_ms;
}

static void test_the_time_to_wait(void **state)
{
	(void)state;
	assert_int_equal(wait_of("{\"error\":{\"details\":[{\"x\":1},{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"34s\"}]}}"), 34000);
	assert_int_equal(wait_of("{\"error\":{\"details\":[{\"retryDelay\":\"0.5s\"}]}}"), 500);
	assert_int_equal(wait_of("{\"error\":{\"retry_after\":7}}"), 7000);
	assert_int_equal(wait_of("{\"retry_after\":1.5}"), 1500);
	assert_int_equal(wait_of("{\"retry_after\":-1}"), 0);
	assert_int_equal(wait_of("{\"error\":{\"details\":[{\"retryDelay\":\"soon\"}]}}"), 0);
	assert_int_equal(wait_of("{}"), 0);
}

static void test_a_spent_quota_is_not_retried(void **state)
{
	struct llm_error e;
	(void)state;
	provider_read_error(mem, 429, STR("{\"error\":{\"message\":\"You exceeded your quota\",\"code\":\"insufficient_quota\"}}"),
			    STR_NONE, &e);
	assert_int_equal(e.outcome, OUTCOME_UP_RATE_LIMITED);
	assert_true(e.must_not_retry);
	provider_read_error(mem, 429, STR("{\"error\":{\"message\":\"slow down\"}}"), STR_NONE, &e);
	assert_false(e.must_not_retry);
}

static void test_a_long_body_is_cut(void **state)
{
	struct llm_error e;
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 20);
	BUF_PUT_LIT(&b, "{\"error\":\"");
	for (int i = 0; i < 60000; i++)
		buf_put_char(&b, 'a');
	BUF_PUT_LIT(&b, "\"}");
	provider_read_error(mem, 500, buf_str(&b), STR_NONE, &e);
	assert_true(e.message.n > 1000 && e.message.n <= 2064);
	provider_read_error(mem, 500, str_of(b.p, b.n - 1), STR_NONE, &e);	/* no JSON */
	assert_int_equal(e.message.n, 500);
	buf_done(&b);
}

static int setup(void **state)
{
	(void)state;
	mem = arena_new(16 << 20);
	return mem ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mem = arena_free(mem);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_types_from_a_header),
		cmocka_unit_test(test_the_time_to_wait),
		cmocka_unit_test(test_a_spent_quota_is_not_retried),
		cmocka_unit_test(test_a_long_body_is_cut),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
