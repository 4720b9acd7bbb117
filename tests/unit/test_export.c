/* SPDX-License-Identifier: MIT
 * test_export.c - what each callback is sent of a request, and the files in which batches wait:
 * after a kill, with others' files beside them, and when there is no room. */
#include "master/export_rows.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/journal.h"
#include "common/mem.h"
#include "master/export_calls.h"
#include "master/export_payload.h"
#include "master/export_spill.h"
#include "master/otlp.h"
#include "master/otlp_metrics.h"
#include "worker/outcome.h"

static struct arena *arena;
static struct buf out;
static char folder[32];

static int set_up(void **state)
{
	(void)state;
	arena = arena_new(16 << 20);
	buf_init(&out, 4 << 20);
	snprintf(folder, sizeof folder, "/tmp/test_export_XXXXXX");
	unsetenv("AWS_REGION");
	unsetenv("AWS_DEFAULT_REGION");
	unsetenv("AWS_ACCESS_KEY_ID");
	return arena && hash_init() == 0 && mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	char path[512];
	DIR *d = opendir(folder);
	const struct dirent *e;
	(void)state;
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(folder);
	buf_done(&out);
	arena_free(arena);
	return 0;
}

/* ---- a request ---- */

static const struct config_model model = {
	.model_name = { "gpt", 3 }, .id = { "d-1", 3 }, .provider = { "azure", 5 },
	.model = { "gpt-4o", 6 }, .api_base = { "https://a.example:8443/v1", 25 },
};

static void fill(struct record *r, bool failed)
{
	static const struct str tags[] = { STR("red"), STR("quo\"te") };
	static const struct {
		enum record_text which;
		const char *text;
	} texts[] = {
		{ RT_CALL_ID, "call-1" }, { RT_MODEL, "gpt\n\"quoted\"" }, { RT_GROUP, "gpt" },
		{ RT_DEPLOYMENT, "d-1" }, { RT_PROVIDER, "azure" }, { RT_UPSTREAM, "gpt-4o" },
		{ RT_BASE, "https://a.example:8443/v1" }, { RT_ROUTE, "/v1/chat/completions" },
		{ RT_ALIAS, "alice" }, { RT_USER, "u1" }, { RT_TEAM, "t1" }, { RT_ORGANIZATION, "o1" },
		{ RT_END_USER, "c1" }, { RT_USER_AGENT, "agent/1" },
	};
	*r = (struct record){ .start_ns = UINT64_C(1764489600) * NS_PER_S, .cost_nano = 1250000000,
			      .input = 10, .output = 5, .cache_read = 3, .status = 200,
			      .call = JOURNAL_CALL_CHAT, .n_attempts = 2, .attempts_made = 2,
			      .flags = RF_SETTLED | RF_HAS_KEY | RF_SAMPLED | RF_STREAM };
	memset(r->trace, 0xab, sizeof r->trace);
	memset(r->span, 0xcd, sizeof r->span);
	memset(r->key_hash, 0xef, sizeof r->key_hash);
	r->client_ip[10] = r->client_ip[11] = 0xff;
	memcpy(r->client_ip + 12, "\x7f\x00\x00\x01", 4);
	r->first_token_ns = r->start_ns + 250 * NS_PER_MS;
	r->end_ns = r->start_ns + 1500 * NS_PER_MS;
	r->attempts[0] = (struct record_attempt){ .deployment = 1, .start_ns = r->start_ns,
						  .end_ns = r->first_token_ns, .status = 500,
						  .outcome = OUTCOME_UP_ERROR, .flags = RA_FAILED };
	r->attempts[1] = (struct record_attempt){ .deployment = 2, .start_ns = r->first_token_ns,
						  .end_ns = r->end_ns };
	for (size_t i = 0; i < COUNT(texts); i++)
		record_put(r, texts[i].which, str_z(texts[i].text));
	record_put(r, RT_OUTCOME, failed ? STR("UP_ERROR") : STR("OK"));
	record_put(r, RT_ERROR, failed ? STR("internal_server_error") : STR(""));
	record_put_tags(r, tags, COUNT(tags));
	if (!failed)
		return;
	r->flags |= RF_FAILED;
	r->status = 500;
}

static const struct export_target target = { .service = "svc", .environment = "prod",
					     .source = "src", .host = "host", .project = "project", .version = "7",
					     .pod = "pod", .app = "app",
					     .attributes = "region=north, =x,team=ops" };

/* A batch of two requests, one that went well and one that failed, as one JSON. */
static const struct json *batch(enum export_kind kind)
{
	const struct export_row *row = &export_rows[kind];
	struct record good, bad;
	struct export_view v = { .r = &good, .model = { &model, NULL } };
	struct json_error why;
	fill(&good, false);
	fill(&bad, true);
	buf_reset(&out);
	row->begin(&target, &out);
	row->put(&target, &v, &out);
	buf_put_z(&out, row->between);
	v.r = &bad;
	row->put(&target, &v, &out);
	buf_put_z(&out, row->end);
	assert_false(out.failed);
	const struct json *j = json_parse(arena, buf_str(&out), JSON_ONE_KEY, &why);
	if (!j)
		fail_msg("%s: %s at %zu in %.*s", row->name, why.what, why.at,
			 STR_ARG(buf_str(&out)));
	return j;
}

static void assert_text(const struct json *j, const char *path, const char *want)
{
	struct str s = json_str(arena, json_get_path(j, path));
	if (!str_eq_z(s, want))
		fail_msg("%s: wanted %s, got " STR_FMT, path, want, STR_ARG(s));
}

static void assert_raw(const struct json *j, const char *path, const char *want)
{
	const struct json *at = json_get_path(j, path);
	if (!at || !str_eq_z(at->raw, want))
		fail_msg("%s: wanted %s, got " STR_FMT, path, want, STR_ARG(at ? at->raw : STR("-")));
}

static void check_payload(const struct json *j, bool failed)
{
	assert_text(j, "id", "call-1");
	assert_text(j, "trace_id", "abababababababababababababababab");
	assert_text(j, "call_type", "acompletion");
	assert_text(j, "status", failed ? "failure" : "success");
	assert_text(j, "model", "gpt-4o");
	assert_text(j, "model_group", "gpt");
	assert_text(j, "custom_llm_provider", "azure");
	assert_raw(j, "response_cost", "1.25");
	assert_raw(j, "total_tokens", "15");
	assert_raw(j, "startTime", "1764489600");
	assert_raw(j, "response_time", "0.25");		/* a stream's: to its first token */
	assert_raw(j, "usage_object.cache_read_input_tokens", "3");
	assert_text(j, "metadata.user_api_key_alias", "alice");
	assert_text(j, "metadata.user_api_key_team_id", "t1");
	assert_text(j, "requester_ip_address", "127.0.0.1");
	const struct json *tags = json_get(j, "request_tags");
	assert_int_equal(tags->count, 4);
	assert_true(str_eq_z(json_str(arena, json_at(tags, 0)), "red"));
	assert_true(str_eq_z(json_str(arena, json_at(tags, 2)), "User-Agent: agent"));
	assert_true(str_eq_z(json_str(arena, json_at(tags, 3)), "User-Agent: agent/1"));
	assert_text(j, "litellm_call_id", "call-1");
	assert_raw(j, "messages", "null");
	assert_int_equal(json_get(j, "attempts")->count, 2);
	assert_text(json_at(json_get(j, "attempts"), 0), "model_id", "d-1");
	assert_text(j, "error_information.error_class", failed ? "InternalServerError" : "");
	if (failed)
		assert_text(j, "error_information.error_code", "500");
	else
		assert_text(j, "error_information.error_code", "");
}

static void test_generic(void **state)
{
	const struct json *j = batch(EXPORT_GENERIC);
	(void)state;
	assert_int_equal(j->count, 2);
	check_payload(json_at(j, 0), false);
	check_payload(json_at(j, 1), true);
}

/* The payload of a request without those fields. */
static const struct json *payload_without(uint64_t left_out)
{
	struct record r;
	struct export_view v = { .r = &r, .model = { &model, NULL }, .left_out = left_out };
	struct json_out o = json_out(&out);
	struct json_error why;
	fill(&r, true);
	buf_reset(&out);
	export_put_payload(&o, NULL, &v);
	return json_parse(arena, arena_dup(arena, buf_str(&out)), JSON_ONE_KEY, &why);
}

/* LiteLLM's members of the payload, and of those that are objects. */
static void test_all_that_litellm_has(void **state)
{
	static const char *const names[] = {
		"id", "litellm_call_id", "trace_id", "call_type", "stream", "response_cost", "cost_breakdown",
		"response_cost_failure_debug_info", "status", "status_fields.llm_api_status",
		"status_fields.guardrail_status", "custom_llm_provider", "total_tokens",
		"prompt_tokens", "completion_tokens", "startTime", "endTime", "completionStartTime",
		"response_time", "model_map_information.model_map_key",
		"model_map_information.model_map_value", "model", "model_id", "model_group",
		"api_base", "metadata.user_api_key_hash", "metadata.user_api_key_alias",
		"metadata.user_api_key_spend", "metadata.user_api_key_max_budget",
		"metadata.user_api_key_budget_reset_at", "metadata.user_api_key_org_id",
		"metadata.user_api_key_org_alias", "metadata.user_api_key_project_alias",
		"metadata.user_api_key_team_id", "metadata.user_api_key_project_id",
		"metadata.user_api_key_user_id", "metadata.user_api_key_user_email",
		"metadata.user_api_key_team_alias", "metadata.user_api_key_end_user_id",
		"metadata.user_api_key_request_route", "metadata.user_api_key_auth_metadata",
		"metadata.spend_logs_metadata", "metadata.requester_ip_address",
		"metadata.user_agent", "metadata.requester_metadata",
		"metadata.requester_custom_headers", "metadata.prompt_management_metadata",
		"metadata.mcp_tool_call_metadata", "metadata.vector_store_request_metadata",
		"metadata.applied_guardrails", "metadata.usage_object.prompt_tokens",
		"metadata.cold_storage_object_key", "metadata.team_alias", "metadata.team_id",
		"cache_hit", "cache_key", "saved_cache_cost", "request_tags", "end_user",
		"requester_ip_address", "user_agent", "messages", "response", "error_str",
		"error_information.error_code", "error_information.error_class",
		"error_information.llm_provider", "error_information.traceback",
		"error_information.error_message", "model_parameters", "hidden_params.model_id",
		"hidden_params.cache_key", "hidden_params.api_base", "hidden_params.response_cost",
		"hidden_params.litellm_overhead_time_ms", "hidden_params.additional_headers",
		"hidden_params.batch_models", "hidden_params.litellm_model_name",
		"hidden_params.usage_object", "guardrail_information",
		"standard_built_in_tools_params",
	};
	const struct json *j = json_at(batch(EXPORT_GENERIC), 1);
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		if (!json_get_path(j, names[i]))
			fail_msg("%s is not there", names[i]);
}

static void test_any_field_may_be_left_out(void **state)
{
	const struct json *all = payload_without(0);
	uint64_t bits = 0;
	(void)state;
	for (const struct json *j = all->child; j; j = j->next) {
		uint64_t bit = payload_field(j->key);
		assert_true(bit && !(bits & bit));
		bits |= bit;
		const struct json *without = payload_without(bit);
		assert_int_equal(without->count, all->count - 1);
		assert_null(json_get(without, arena_dup_z(arena, j->key)));
	}
	assert_int_equal(payload_without(bits)->count, 0);
	assert_int_equal(payload_field(STR("message")), 0);
	assert_int_equal(payload_field(STR("")), 0);
}

static const struct json *attribute(const struct json *span, const char *name)
{
	const struct json *list = json_get(span, "attributes");
	for (size_t i = 0; list && i < list->count; i++)
		if (str_eq_z(json_get_str(arena, json_at(list, i), "key"), name))
			return json_get(json_at(list, i), "value");
	return NULL;
}

static void test_otlp(void **state)
{
	const struct json *resource = json_at(json_get(batch(EXPORT_OTEL), "resourceSpans"), 0);
	const struct json *spans =
		json_get(json_at(json_get(resource, "scopeSpans"), 0), "spans");
	const struct json *root = json_at(spans, 0), *tried = json_at(spans, 1);
	(void)state;
	assert_int_equal(spans->count, 6);
	assert_text(attribute(json_get(resource, "resource"), "service.name"), "stringValue", "svc");
	assert_text(attribute(json_get(resource, "resource"), "region"), "stringValue", "north");
	assert_raw(root, "kind", "2");
	assert_raw(root, "status.code", "1");
	assert_raw(json_at(spans, 3), "status.code", "2");
	assert_text(root, "startTimeUnixNano", "1764489600000000000");
	assert_text(root, "endTimeUnixNano", "1764489601500000000");
	assert_text(attribute(root, "gen_ai.provider.name"), "stringValue", "azure.ai.openai");
	assert_text(attribute(root, "gen_ai.usage.input_tokens"), "intValue", "10");
	assert_text(tried, "parentSpanId", "cdcdcdcdcdcdcdcd");
	assert_text(attribute(tried, "server.address"), "stringValue", "a.example");
	assert_text(attribute(tried, "server.port"), "intValue", "8443");
	assert_text(attribute(tried, "llmgw.outcome"), "stringValue", "UP_ERROR");
}

/* The span of a request that asked for more than most do, or for nothing. */
static const struct json *span_of(const struct record *r)
{
	struct export_view v = { .r = r, .text_most = TEXT_MOST };
	struct json_error why;
	buf_reset(&out);
	export_begin_otlp(&target, &out);
	export_put_otlp(&target, &v, &out);
	buf_put_z(&out, export_rows[EXPORT_OTEL].end);
	const struct json *j = json_parse(arena, arena_dup(arena, buf_str(&out)), JSON_ONE_KEY, &why);
	const struct json *resource = json_at(json_get(j, "resourceSpans"), 0);
	return json_at(json_get(json_at(json_get(resource, "scopeSpans"), 0), "spans"), 0);
}

static void test_what_was_asked_of_a_model(void **state)
{
	static const char *const names[] = {
		"gen_ai.request.top_k", "gen_ai.request.presence_penalty",
		"gen_ai.request.frequency_penalty", "gen_ai.request.seed",
		"gen_ai.request.choice.count", "gen_ai.output.type", "gen_ai.conversation.id",
	};
	struct record r;
	(void)state;
	fill(&r, false);
	r.top_k = 40;
	r.presence_penalty = -0.5F;
	r.frequency_penalty = 0;
	r.seed = -7;
	r.flags |= RF_SEED;
	r.choices = 3;
	r.format = RECORD_FORMAT_JSON;
	const struct json *span = span_of(&r);
	assert_raw(attribute(span, names[0]), "doubleValue", "40");
	assert_raw(attribute(span, names[1]), "doubleValue", "-0.5");
	assert_raw(attribute(span, names[2]), "doubleValue", "0");
	assert_text(attribute(span, names[3]), "intValue", "-7");
	assert_text(attribute(span, names[4]), "intValue", "3");
	assert_text(attribute(span, names[5]), "stringValue", "json");
	fill(&r, false);
	r.top_k = r.presence_penalty = r.frequency_penalty = RECORD_NO_NUMBER;
	r.choices = 1;
	span = span_of(&r);
	for (size_t i = 0; i < COUNT(names); i++)
		assert_null(attribute(span, names[i]));
	r.call = JOURNAL_CALL_IMAGE;
	assert_text(attribute(span_of(&r), "gen_ai.output.type"), "stringValue", "image");
	r.call = JOURNAL_CALL_SPEECH;
	assert_text(attribute(span_of(&r), "gen_ai.output.type"), "stringValue", "speech");
}

/* The value of an attribute of the resource, as JSON; .p NULL: it has none. */
static struct str resource(const struct export_target *t, const char *name)
{
	struct json_error why;
	struct str found = STR_NONE;
	buf_reset(&out);
	otlp_put_resource(&out, t);
	const struct json *list = json_get(json_parse(arena, buf_str(&out), 0, &why), "attributes");
	for (const struct json *j = list->child; j; j = j->next)
		if (str_eq_z(json_get_str(arena, j, "key"), name)) {
			assert_null(found.p);	/* no attribute twice */
			found = json_get_str(arena, json_get(j, "value"), "stringValue");
		}
	return found;
}

static void test_who_tells(void **state)
{
	struct export_target t = { .service = "llmgw", .host = "h", .environment = "prod" };
	(void)state;
	snprintf(t.attributes, sizeof t.attributes, "%s",
		 "service.name=theirs,a=b%20c%2Cd, a=twice,host.name=other,=x,y,=,service.version=9,"
		 "bad=%zz");
	assert_true(str_eq_z(resource(&t, "service.name"), "theirs"));
	assert_true(str_eq_z(resource(&t, "a"), "b c,d"));
	assert_true(str_eq_z(resource(&t, "host.name"), "other"));
	assert_true(str_eq_z(resource(&t, "service.version"), "9"));
	assert_true(str_eq_z(resource(&t, "deployment.environment.name"), "prod"));
	assert_true(str_eq_z(resource(&t, "bad"), "%zz"));
	t.has_service = true;			/* OTEL_SERVICE_NAME goes before it */
	assert_true(str_eq_z(resource(&t, "service.name"), "llmgw"));
	t.attributes[0] = '\0';
	assert_true(str_eq_z(resource(&t, "host.name"), "h"));
}

static const struct {
	const char *name, *value, *missing;	/* NULL: it is called */
} protocols[] = {
	{ "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", NULL },
	{ "OTEL_EXPORTER_OTLP_PROTOCOL", "otlp_http", NULL },
	{ "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL" },
	{ "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL" },
	{ "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc", NULL },
	{ "OTEL_EXPORTER", "otlp_http", NULL },
	{ "OTEL_EXPORTER", "otlp_grpc", "OTEL_EXPORTER (" },
	{ "OTEL_EXPORTER", "console", "OTEL_EXPORTER (" },
	{ "OTEL_TRACES_EXPORTER", "otlp", NULL },
	{ "OTEL_TRACES_EXPORTER", "none", "OTEL_TRACES_EXPORTER" },
	{ "OTEL_SDK_DISABLED", "TRUE", "OTEL_SDK_DISABLED" },
	{ "OTEL_SDK_DISABLED", "false", NULL },
	{ "OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", NULL },
	{ "OTEL_EXPORTER_OTLP_COMPRESSION", "none", NULL },
	{ "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd", "OTEL_EXPORTER_OTLP_COMPRESSION" },
	{ "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "zstd", NULL },
	{ "OTEL_EXPORTER_OTLP_CERTIFICATE", "/dev/null", NULL },
	{ "OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent", "OTEL_EXPORTER_OTLP_CERTIFICATE" },
	{ "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "/nonexistent",
	  "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE" },
	{ "OTEL_EXPORTER_OTLP_CLIENT_KEY", "/nonexistent", "OTEL_EXPORTER_OTLP_CLIENT_KEY" },
};

static void test_variables_of_opentelemetry(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(protocols); i++) {
		struct export_target t = { 0 };
		setenv(protocols[i].name, protocols[i].value, 1);
		const char *missing = export_rows[EXPORT_OTEL].read(NULL, &t);
		unsetenv(protocols[i].name);
		bool is_right = protocols[i].missing
			? missing && strncmp(missing, protocols[i].missing,
					     strlen(protocols[i].missing)) == 0 : !missing;
		if (!is_right)
			fail_msg("%s=%s: %s", protocols[i].name, protocols[i].value,
				 missing ? missing : "called");
	}
	static const char *const numbers[][2] = {
		{ "OTEL_EXPORTER_OTLP_TIMEOUT", "1500" }, { "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7" },
		{ "OTEL_BSP_MAX_QUEUE_SIZE", "70" }, { "OTEL_BSP_SCHEDULE_DELAY", "250" },
		{ "OTEL_ENDPOINT", "http://h:1/" }, { "OTEL_HEADERS", "a=b%20c" } };
	for (size_t i = 0; i < COUNT(numbers); i++)
		setenv(numbers[i][0], numbers[i][1], 1);
	struct export_target t = { 0 };
	assert_null(export_rows[EXPORT_OTEL].read(NULL, &t));
	assert_int_equal(t.timeout_ms, 1500);
	assert_int_equal(t.records, 7);
	assert_int_equal(t.queued, 70);
	assert_int_equal(t.wait_ms, 250);
	assert_string_equal(t.url, "http://h:1/v1/traces");
	assert_string_equal(t.headers, "a: b c");
	setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "99", 1);
	setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://whole/x", 1);
	setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0", 1);	/* no number that may be: as if it were not */
	t = (struct export_target){ 0 };
	assert_null(export_rows[EXPORT_OTEL].read(NULL, &t));
	assert_int_equal(t.timeout_ms, 99);
	assert_int_equal(t.queued, 0);
	assert_string_equal(t.url, "https://whole/x");
	unsetenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT");
	unsetenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
	for (size_t i = 0; i < COUNT(numbers); i++)
		unsetenv(numbers[i][0]);
}

/* The gateway's files are for its own receiver alone. */
static void test_files_of_opentelemetry(void **state)
{
	static const struct export_vars none = { 0 };
	struct export_target t = { 0 }, theirs = { .vars = &none };
	(void)state;
	setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/dev/null", 1);
	setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", 1);
	assert_null(export_rows[EXPORT_OTEL].read(NULL, &t));
	assert_null(export_rows[EXPORT_OTEL].read(NULL, &theirs));
	unsetenv("OTEL_EXPORTER_OTLP_CLIENT_KEY");
	unsetenv("OTEL_EXPORTER_OTLP_COMPRESSION");
	assert_string_equal(t.key, "/dev/null");
	assert_string_equal(theirs.key, "");
	assert_true(t.is_packed && theirs.is_packed);
}

static void test_parameters(void **state)
{
	struct record r;
	struct export_view v = { .r = &r };
	struct json_error why;
	(void)state;
	fill(&r, false);
	r.temperature = 0.7f;
	r.top_p = -1;
	r.max_tokens = 64;
	r.finish = 2;
	buf_reset(&out);
	export_put_otlp(&target, &v, &out);
	const struct { const char *part; } otlp[] = {
		{ "\"gen_ai.request.temperature\",\"value\":{\"doubleValue\":0.7}" },
		{ "\"gen_ai.request.max_tokens\",\"value\":{\"intValue\":\"64\"}" },
		{ "\"gen_ai.response.finish_reasons\",\"value\":{\"arrayValue\":{\"values\":"
		  "[{\"stringValue\":\"length\"}]}}" },
	};
	for (size_t i = 0; i < COUNT(otlp); i++)
		if (str_find(buf_str(&out), str_z(otlp[i].part)) == SIZE_MAX)
			fail_msg("no %s in %s", otlp[i].part, buf_z(&out));
	assert_true(str_find(buf_str(&out), STR("top_p")) == SIZE_MAX);
	buf_reset(&out);
	struct json_out o = json_out(&out);
	export_put_payload(&o, NULL, &v);
	const struct json *j = json_parse(arena, buf_str(&out), JSON_ONE_KEY, &why);
	assert_raw(j, "model_parameters", "{\"temperature\":0.7,\"max_tokens\":64}");
	assert_text(j, "hidden_params.model_id", "d-1");
	assert_text(j, "status_fields.llm_api_status", "success");
	assert_raw(j, "guardrail_information", "null");
	r.finish = 200;				/* whatever stands in the ring */
	assert_int_equal(export_finish(&r).n, 0);
}

/* What becomes of a User-Agent, and what has none or does without. */
static void test_tags_of_the_agent(void **state)
{
	static const struct {
		const char *agent, *first, *second;
	} rows[] = {
		{ "a/1 (b; c/2)", "User-Agent: a", "User-Agent: a/1 (b; c/2)" },
		{ "curl", "User-Agent: curl", NULL }, { "/x", "User-Agent: ", "User-Agent: /x" },
		{ " ", NULL, NULL }, { "", NULL, NULL },
	};
	struct payload_tag room;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct record r = { 0 };
		struct export_view v = { .r = &r };
		const char *const want[] = { rows[i].first, rows[i].second, NULL };
		record_put(&r, RT_USER_AGENT, str_z(rows[i].agent));
		for (size_t k = 0; k < COUNT(want); k++) {
			struct str tag = payload_tag(&v, k, &room);
			if (want[k] ? !str_eq_z(tag, want[k]) : tag.p != NULL)
				fail_msg("'%s' %zu: " STR_FMT, rows[i].agent, k, STR_ARG(tag));
		}
		v.agent_is_no_tag = true;
		assert_null(payload_tag(&v, 0, &room).p);
	}
	struct record r = { 0 };
	struct export_view v = { .r = &r };
	char longest[300];
	memset(longest, 'a', sizeof longest);
	longest[3] = '/';
	record_put(&r, RT_USER_AGENT, str_of(longest, sizeof longest));
	assert_int_equal(payload_tag(&v, 1, &room).n, strlen("User-Agent: ") + 100);
}

static void test_langfuse(void **state)
{
	const struct json *list = json_get(batch(EXPORT_LANGFUSE), "batch");
	(void)state;
	assert_int_equal(list->count, 4);
	assert_text(json_at(list, 0), "type", "trace-create");
	assert_text(json_at(list, 0), "body.userId", "c1");
	assert_text(json_at(list, 0), "body.environment", "prod");
	assert_text(json_at(list, 1), "type", "generation-create");
	assert_text(json_at(list, 1), "body.traceId", "abababababababababababababababab");
	assert_raw(json_at(list, 1), "body.usageDetails.total", "15");
	assert_raw(json_at(list, 1), "body.costDetails.total", "1.25");
	assert_text(json_at(list, 1), "body.level", "DEFAULT");
	assert_text(json_at(list, 3), "body.level", "ERROR");
}

static void test_datadog(void **state)
{
	const struct json *j = batch(EXPORT_DATADOG);
	struct json_error why;
	(void)state;
	assert_int_equal(j->count, 2);
	assert_text(json_at(j, 0), "status", "info");
	assert_text(json_at(j, 1), "status", "error");
	assert_text(json_at(j, 0), "ddsource", "src");
	assert_text(json_at(j, 0), "hostname", "host");
	assert_text(json_at(j, 0), "ddtags", "env:prod,service:svc,version:7,HOSTNAME:host,"
		    "POD_NAME:pod,request_tag:red,request_tag:quo\"te,request_tag:User-Agent: agent,"
		    "request_tag:User-Agent: agent/1,team:t1");
	struct str inner = json_get_str(arena, json_at(j, 1), "message");
	check_payload(json_parse(arena, inner, JSON_ONE_KEY, &why), true);
}

static void test_datadog_llm(void **state)
{
	const struct json *j = json_get_path(batch(EXPORT_DATADOG_LLM), "data.attributes");
	const struct json *list = json_get(j, "spans"), *bad = json_at(list, 1);
	(void)state;
	assert_text(j, "ml_app", "app");
	assert_int_equal(json_get(j, "tags")->count, 5);
	assert_true(str_eq_z(json_str(arena, json_at(json_get(j, "tags"), 0)), "env:prod"));
	assert_int_equal(list->count, 2);
	assert_text(json_at(list, 0), "status", "ok");
	assert_text(json_at(list, 0), "trace_id", "abababababababababababababababab");
	assert_raw(json_at(list, 0), "duration", "1500000000");
	assert_raw(json_at(list, 0), "metrics.total_cost", "1.25");
	assert_raw(json_at(list, 0), "metrics.time_to_first_token", "0.25");
	assert_raw(json_at(list, 0), "meta.input.messages", "[]");
	assert_text(json_at(list, 0), "meta.metadata.model_name", "gpt-4o");
	assert_text(bad, "status", "error");
	assert_text(bad, "meta.error.type", "internal_server_error");
	assert_true(str_eq_z(json_str(arena, json_at(json_get(bad, "tags"), 5)), "request_tag:red"));
	assert_int_equal(json_get(bad, "tags")->count, 10);
}

static void test_langsmith(void **state)
{
	const struct json *list = json_get(batch(EXPORT_LANGSMITH), "post");
	const struct json *good = json_at(list, 0), *bad = json_at(list, 1);
	(void)state;
	assert_int_equal(list->count, 2);
	assert_text(good, "id", "00000000-0000-0000-0000-000000000000");
	assert_text(good, "dotted_order",
		    "20251130T080000000000Z00000000-0000-0000-0000-000000000000");
	assert_text(good, "run_type", "llm");
	assert_text(good, "session_name", "project");
	assert_text(good, "start_time", "2025-11-30T08:00:00.000Z");
	assert_raw(good, "outputs.usage_metadata.total_tokens", "15");
	assert_raw(good, "error", "null");
	assert_text(bad, "error", "UP_ERROR");
	check_payload(json_get_path(good, "extra.payload"), false);
}

/* A payload on each line, and the address of the object: signed, the same for the same batch. */
static void test_s3(void **state)
{
	struct export_target t = { .url = "https://b.s3.eu-west-1.amazonaws.com/logs/",
				   .aws_key = "AKIDEXAMPLE", .aws_secret = "s3cret",
				   .aws_token = "t0ken", .aws_region = "eu-west-1" };
	struct export_address *a = mem_alloc(sizeof *a), *b = mem_alloc(sizeof *b);
	uint64_t wall = UINT64_C(1764489600) * NS_PER_S;
	struct json_error why;
	struct record r;
	struct export_view v = { .r = &r, .model = { &model, NULL } };
	const struct export_row *row = &export_rows[EXPORT_S3];
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fill(&r, i == 1);
		if (i)
			buf_put_z(&out, row->between);
		row->put(&t, &v, &out);
	}
	buf_put_z(&out, row->end);
	struct str body = buf_str(&out), rest = body;
	for (unsigned i = 0; i < 2; i++)
		check_payload(json_parse(arena, str_cut(&rest, '\n'), JSON_ONE_KEY, &why), i == 1);
	assert_int_equal(rest.n, 0);
	assert_true(row->address(&t, body, wall, a));
	assert_true(row->address(&t, body, wall + 60 * NS_PER_S, b));
	assert_string_equal(a->url, b->url);
	assert_true(str_starts(str_z(a->url), STR("https://b.s3.eu-west-1.amazonaws.com/logs/2025-11-30/")));
	assert_true(str_ends(str_z(a->url), STR(".jsonl")));
	assert_true(strstr(a->headers, "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"
				       "20251130/eu-west-1/s3/aws4_request") != NULL);
	assert_true(strstr(a->headers, "X-Amz-Security-Token: t0ken") != NULL);
	assert_true(strstr(a->headers, "X-Amz-Content-Sha256: ") != NULL);
	assert_null(strchr(a->headers, '\r'));
	assert_null(strstr(a->headers, "s3cret"));
	assert_true(strcmp(a->headers, b->headers) != 0);
	mem_free(a);
	mem_free(b);
}

/* Of a batch of lines, where an object each is wanted. */
static void test_an_object_for_each(void **state)
{
	static const struct {
		const char *body, *name;
	} rows[] = {
		{ "{\"id\":\"chatcmpl-1\",\"startTime\":1764489600.012345}",
		  "2025-11-30/time-08-00-00-012345_chatcmpl-1.json" },
		{ "{\"id\":\"a/b ?#\\u00e4\",\"startTime\":1764489600}",
		  "2025-11-30/time-08-00-00-000000_a_b_____.json" },
		{ "{\"litellm_call_id\":\"c\"}", "2025-12-01/time-00-00-07-000000_c.json" },
		{ "{\"id\":\"i\",\"startTime\":-1e99}", "2025-12-01/time-00-00-07-000000_i.json" },
	};
	struct export_target t = { .url = "https://h/b/", .aws_key = "A", .aws_secret = "s",
				   .aws_region = "eu", .is_each = true };
	struct export_address *a = mem_alloc(sizeof *a);
	uint64_t wall = (UINT64_C(1764547200) + 7) * NS_PER_S;
	static char longest[600];
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(export_address_s3(&t, str_z(rows[i].body), wall, a));
		assert_string_equal(a->url + strlen(t.url), rows[i].name);
	}
	snprintf(longest, sizeof longest, "{\"id\":\"%0500d\"}", 0);
	const char *const others[] = { "[]", "{}", "not JSON", "", longest };
	for (size_t i = 0; i < COUNT(others); i++) {
		assert_true(export_address_s3(&t, str_z(others[i]), wall, a));
		assert_true(str_ends(str_z(a->url), STR(".jsonl")));
	}
	struct str rest = STR("{\"id\":1}\n{\"id\":2}\n");
	for (unsigned n = 1; n <= 2; n++) {
		buf_reset(&out);
		export_calls_cut(&export_rows[EXPORT_S3], &t, &rest, &out);
		assert_int_equal(out.n, strlen("{\"id\":1}\n"));
	}
	assert_int_equal(rest.n, 0);
	mem_free(a);
}

static void test_webhooks_by_variables(void **state)
{
	struct export_target t = { 0 };
	(void)state;
	unsetenv("RUBRIK_API_KEY");
	unsetenv("SUMOLOGIC_WEBHOOK_URL");
	setenv("RUBRIK_WEBHOOK_URL", "https://r/x", 1);
	assert_string_equal(export_rows[EXPORT_RUBRIK].read(NULL, &t), "RUBRIK_API_KEY");
	setenv("RUBRIK_API_KEY", "k", 1);
	assert_null(export_rows[EXPORT_RUBRIK].read(NULL, &t));
	assert_string_equal(t.url, "https://r/x");
	assert_string_equal(t.headers, "Authorization: Bearer k");
	t = (struct export_target){ 0 };
	assert_string_equal(export_rows[EXPORT_SUMOLOGIC].read(NULL, &t), "SUMOLOGIC_WEBHOOK_URL");
	setenv("SUMOLOGIC_WEBHOOK_URL", "https://s/receiver/secret", 1);
	assert_null(export_rows[EXPORT_SUMOLOGIC].read(NULL, &t));
	assert_string_equal(t.url, "https://s/receiver/secret");
	assert_string_equal(t.headers, "");
}

static void test_where_langfuse_has_traces(void **state)
{
	struct export_target t = { 0 };
	(void)state;
	unsetenv("LANGFUSE_SECRET_KEY");
	setenv("LANGFUSE_PUBLIC_KEY", "pk", 1);
	setenv("LANGFUSE_HOST", "https://l/", 1);
	assert_string_equal(export_rows[EXPORT_LANGFUSE_OTEL].read(NULL, &t), "LANGFUSE_SECRET_KEY");
	setenv("LANGFUSE_SECRET_KEY", "sk", 1);
	assert_null(export_rows[EXPORT_LANGFUSE_OTEL].read(NULL, &t));
	assert_string_equal(t.url, "https://l/api/public/otel/v1/traces");
	assert_string_equal(t.headers, "Authorization: Basic cGs6c2s=");
	assert_true(t.is_langfuse);
}

/* What the parameters say: an address, or a complaint with that in it. */
struct where {
	const char *params, *url, *missing;
};

static void assert_where(enum export_kind kind, const struct where *w)
{
	struct config c = { .s3_params = str_z(w->params), .sqs_params = str_z(w->params) };
	struct export_target t = { 0 };
	const char *why = export_rows[kind].read(&c, &t);
	if (!why != !w->missing || (w->missing && !strstr(why, w->missing)))
		fail_msg("%s: %s", w->params, why ? why : "is well");
	if (w->url)
		assert_string_equal(t.url, w->url);
}

#define KEYS "\"s3_aws_access_key_id\": \"A\", \"s3_aws_secret_access_key\": \"s/+=\""
#define BUCKET(b) "{\"s3_bucket_name\": \"" b "\", \"s3_region_name\": \"eu\", " KEYS

static void test_where_s3_is(void **state)
{
	static const struct where rows[] = {
		{ BUCKET("b") "}", "https://b.s3.eu.amazonaws.com/", NULL },
		{ BUCKET("b.c") ", \"s3_path\": \"/x/y/\"}",
		  "https://s3.eu.amazonaws.com/b.c/x/y/", NULL },
		{ BUCKET("b") ", \"s3_endpoint_url\": \"http://h:9000/\"}",
		  "http://h:9000/b/", NULL },
		{ BUCKET("b") ", \"s3_endpoint_url\": \"h:9000\"}", NULL, "s3_endpoint_url" },
		{ BUCKET("b/../c") "}", NULL, "s3_bucket_name" },
		{ BUCKET("b") ", \"s3_path\": \"a b\"}", NULL, "s3_path" },
		{ BUCKET("b") ", \"s3_path\": \"a/../b\"}", NULL, "s3_path" },
		{ "{\"s3_bucket_name\": \"b\", " KEYS "}", NULL, "s3_region_name" },
		{ "{\"s3_bucket_name\": \"b\", \"s3_region_name\": \"eu\"}", NULL, "AWS_ACCESS" },
		{ "", NULL, "s3_bucket_name" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_where(EXPORT_S3, &rows[i]);
}

/* n records as lines, as a batch of a row has them that sends a few at a time; ids count up. */
static struct str lines_of(const struct export_row *row, const struct export_target *t, unsigned n)
{
	struct record r;
	struct export_view v = { .r = &r, .model = { &model, NULL } };
	buf_reset(&out);
	for (unsigned i = 0; i < n; i++) {
		fill(&r, i % 2);
		r.request_id[0] = (uint8_t)i;
		row->put(t, &v, &out);
		buf_put_char(&out, '\n');
	}
	assert_false(out.failed);
	return buf_str(&out);
}

static const struct json *next_call(const struct export_row *row, const struct export_target *t,
				    struct str *rest, struct buf *body)
{
	struct json_error why;
	buf_reset(body);
	assert_true(export_calls_cut(row, t, rest, body).n > 0);
	assert_false(body->failed);
	const struct json *j = json_parse(arena, buf_str(body), JSON_ONE_KEY, &why);
	if (!j)
		fail_msg("%s in %.*s", why.what, STR_ARG(buf_str(body)));
	return j;
}

static const struct export_target queue = { .url = "https://sqs.eu.amazonaws.com/",
					    .queue = "https://sqs.eu.amazonaws.com/1/q",
					    .aws_key = "AKIDEXAMPLE", .aws_secret = "s3cret",
					    .aws_region = "eu" };

/* Ten messages a call and 256 KiB, each message a payload by its own id. */
static void test_sqs(void **state)
{
	static const unsigned parts[] = { 10, 10, 3 };
	const struct export_row *row = &export_rows[EXPORT_SQS];
	struct export_target fifo = queue;
	struct str rest = lines_of(row, &queue, 23);
	struct json_error why;
	struct buf body;
	char id[33] = "00000000000000000000000000000000";
	(void)state;
	buf_init(&body, 1 << 20);
	for (unsigned p = 0, n = 0; p < COUNT(parts); p++) {
		const struct json *j = next_call(row, &queue, &rest, &body);
		assert_text(j, "QueueUrl", "https://sqs.eu.amazonaws.com/1/q");
		const struct json *list = json_get(j, "Entries");
		assert_int_equal(list->count, parts[p]);
		for (unsigned i = 0; i < parts[p]; i++, n++) {
			const struct json *e = json_at(list, i);
			hash_hex(id, &(uint8_t){ (uint8_t)n }, 1);
			id[2] = '0';		/* where the NUL was */
			assert_text(e, "Id", id);
			assert_null(json_get(e, "MessageGroupId"));
			check_payload(json_parse(arena, json_get_str(arena, e, "MessageBody"),
						 JSON_ONE_KEY, &why), n % 2);
		}
	}
	assert_int_equal(rest.n, 0);
	snprintf(fifo.queue, sizeof fifo.queue, "https://h/q.fifo");
	rest = lines_of(row, &fifo, 1);
	const struct json *e = json_at(json_get(next_call(row, &fifo, &rest, &body), "Entries"), 0);
	assert_text(e, "MessageGroupId", "llmgw");
	assert_text(e, "MessageDeduplicationId", "00000000000000000000000000000000");
	buf_done(&body);
}

/* Whatever the lines are: no call is beyond what the row allows unless it is one line alone, and
 * none is lost or twice. */
static void test_calls_have_bounds(void **state)
{
	struct export_row row = export_rows[EXPORT_SQS];
	struct buf body;
	(void)state;
	buf_init(&body, 1 << 20);
	for (row.call_bytes = 1; row.call_bytes < 40000; row.call_bytes += 997) {
		struct str all = lines_of(&row, &queue, 15), rest = all;
		size_t at = 0;
		while (rest.n) {
			buf_reset(&body);
			struct str lines = export_calls_cut(&row, &queue, &rest, &body);
			assert_ptr_equal(lines.p, all.p + at);
			assert_int_equal(lines.p[lines.n - 1], '\n');
			at += lines.n;
			assert_true(body.n <= row.call_bytes ||
				    str_find_char(lines, '\n') == lines.n - 1);
		}
		assert_int_equal(at, all.n);
	}
	buf_done(&body);
}

static void assert_judged(const char *answer, unsigned n_left, unsigned n_refused, const char *first)
{
	const struct export_row *row = &export_rows[EXPORT_SQS];
	struct str lines = lines_of(row, &queue, 4);
	struct buf left;
	uint32_t a = 9, b = 9;
	buf_init(&left, 1 << 20);
	row->judge(str_z(answer), lines, &left, &a, &b);
	if (a != n_left || b != n_refused)
		fail_msg("%s: %u left, %u refused", answer, a, b);
	assert_int_equal(left.n > 0, n_left > 0);
	if (n_left) {
		assert_true(str_starts(buf_str(&left), STR("{\"Id\":\"")));
		assert_true(str_starts(str_skip(buf_str(&left), 7), str_z(first)));
		assert_int_equal(left.p[left.n - 1], '\n');
	}
	buf_done(&left);
}

#define ID(i) "\"0" i "000000000000000000000000000000\""

static void test_sqs_answers(void **state)
{
	(void)state;
	assert_judged("{\"Successful\":[{\"Id\":" ID("0") "}],\"Failed\":[]}", 0, 0, NULL);
	assert_judged("{\"Failed\":[{\"Id\":" ID("1") ",\"SenderFault\":false},"
		      "{\"Id\":" ID("3") ",\"SenderFault\":true}]}", 1, 1, "01");
	assert_judged("{\"Failed\":[{\"Id\":" ID("2") "},{\"Id\":" ID("1") "}]}", 2, 0, "01");
	assert_judged("{\"Failed\":[{\"Id\":" ID("9") "},{\"Id\":7},null,3]}", 0, 0, NULL);
	assert_judged("{\"Failed\":{\"Id\":" ID("1") "}}", 0, 0, NULL);
	assert_judged("<html>", 0, 0, NULL);
	assert_judged("", 0, 0, NULL);
}

static void test_sqs_is_signed(void **state)
{
	struct export_address *a = mem_alloc(sizeof *a);
	(void)state;
	assert_true(export_rows[EXPORT_SQS].address(&queue, STR("{}"),
						    UINT64_C(1764489600) * NS_PER_S, a));
	assert_string_equal(a->url, "https://sqs.eu.amazonaws.com/");
	assert_true(strstr(a->headers, "X-Amz-Target: AmazonSQS.SendMessageBatch\n") != NULL);
	assert_true(strstr(a->headers, "Credential=AKIDEXAMPLE/20251130/eu/sqs/aws4_request") != NULL);
	assert_true(strstr(a->headers, "content-type;host;x-amz-date;x-amz-target") != NULL);
	assert_null(strstr(a->headers, "s3cret"));
	assert_null(strchr(a->headers, '\r'));
	mem_free(a);
}

#define SQS_KEYS "\"sqs_aws_access_key_id\": \"A\", \"sqs_aws_secret_access_key\": \"s/+=\""
#define QUEUE(q) "{\"sqs_queue_url\": \"" q "\", \"sqs_region_name\": \"eu\", " SQS_KEYS

static void test_where_sqs_is(void **state)
{
	static const struct where rows[] = {
		{ QUEUE("https://sqs.eu.amazonaws.com/1/q") "}",
		  "https://sqs.eu.amazonaws.com/", NULL },
		{ QUEUE("http://h:1/1/q") ", \"sqs_endpoint_url\": \"http://k:2/\"}",
		  "http://k:2/", NULL },
		{ QUEUE("http://h/q") ", \"sqs_endpoint_url\": \"k:2\"}",
		  NULL, "sqs_endpoint_url" },
		{ QUEUE("h/q") "}", NULL, "sqs_queue_url" },
		{ QUEUE("http:///q") "}", NULL, "sqs_endpoint_url" },
		{ QUEUE("http://h/a b") "}", NULL, "sqs_queue_url" },
		{ "{\"sqs_queue_url\": \"http://h/q\", " SQS_KEYS "}", NULL, "sqs_region_name" },
		{ "{\"sqs_queue_url\": \"http://h/q\", \"sqs_region_name\": \"eu\"}",
		  NULL, "AWS_ACCESS" },
		{ "", NULL, "sqs_queue_url" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_where(EXPORT_SQS, &rows[i]);
}

static void test_helicone(void **state)
{
	const struct export_row *row = &export_rows[EXPORT_HELICONE];
	struct str rest = lines_of(row, &target, 2);
	struct buf body;
	(void)state;
	buf_init(&body, 1 << 20);
	const struct json *good = next_call(row, &target, &rest, &body);
	assert_text(good, "providerRequest.url", "https://a.example:8443/v1");
	assert_text(good, "providerRequest.json.model", "gpt-4o");
	assert_text(good, "providerRequest.meta.Helicone-User-Id", "c1");
	assert_text(good, "providerRequest.meta.Helicone-Property-Team", "t1");
	assert_text(good, "providerRequest.meta.Helicone-Request-Id",
		    "00000000-0000-0000-0000-000000000000");
	assert_raw(good, "providerResponse.json.usage.total_tokens", "15");
	assert_raw(good, "providerResponse.status", "200");
	assert_null(json_get_path(good, "providerResponse.json.error"));
	assert_raw(good, "timing.startTime.seconds", "1764489600");
	assert_raw(good, "timing.endTime.seconds", "1764489601");
	assert_raw(good, "timing.endTime.milliseconds", "500");
	const struct json *bad = next_call(row, &target, &rest, &body);
	assert_text(bad, "providerResponse.json.error.type", "internal_server_error");
	assert_raw(bad, "providerResponse.status", "500");
	assert_int_equal(rest.n, 0);
	buf_done(&body);
}

/* A line each; what a client named breaks no line and calls no channel. */
static void test_slack(void **state)
{
	static const char want[] =
		"Requests that failed at host:\n2025-11-30T08:00:01Z UP_ERROR (500): "
		"gpt \"quoted\" of azure, deployment d-1, key alice, user u1, team t1, "
		"internal_server_error, call call-1\n2025-11-30T08:00:01Z MODEL (404): "
		"&lt;!channel&gt; a";
	const struct export_row *row = &export_rows[EXPORT_SLACK];
	struct record bad, odd = { .end_ns = 0, .status = 404, .flags = RF_FAILED };
	struct export_view v = { .r = &bad };
	struct buf body;
	(void)state;
	assert_true(row->failures_only);
	fill(&bad, true);
	odd.end_ns = bad.end_ns;
	record_put(&odd, RT_MODEL, STR("<!channel>\na"));
	record_put(&odd, RT_OUTCOME, STR("MODEL"));
	row->put(&target, &v, &out);
	buf_put_char(&out, '\n');
	v.r = &odd;
	row->put(&target, &v, &out);
	buf_put_char(&out, '\n');
	struct str rest = buf_str(&out);
	buf_init(&body, 1 << 20);
	assert_text(next_call(row, &target, &rest, &body), "text", want);
	assert_int_equal(rest.n, 0);
	buf_done(&body);
}

static void test_where_gcs_is(void **state)
{
	const struct export_row *row = &export_rows[EXPORT_GCS_BUCKET];
	struct export_target t = { 0 };
	struct export_address *a = mem_alloc(sizeof *a);
	(void)state;
	unsetenv("STORAGE_EMULATOR_HOST");
	unsetenv("GCS_BUCKET_NAME");
	assert_string_equal(row->read(NULL, &t), "GCS_BUCKET_NAME");
	setenv("GCS_BUCKET_NAME", "the.bucket", 1);
	assert_non_null(strstr(row->read(NULL, &t), "GCS_HMAC_SECRET"));
	setenv("GCS_HMAC_ACCESS_ID", "GOOG1E", 1);
	setenv("GCS_HMAC_SECRET", "s3cret/+", 1);
	assert_null(row->read(NULL, &t));
	assert_string_equal(t.url, "https://storage.googleapis.com/the.bucket/");
	assert_true(row->address(&t, STR("{}\n"), UINT64_C(1764489600) * NS_PER_S, a));
	assert_non_null(strstr(a->headers, "Credential=GOOG1E/20251130/auto/s3/aws4_request"));
	assert_null(strstr(a->headers, "s3cret"));
	setenv("STORAGE_EMULATOR_HOST", "localhost:1", 1);
	assert_non_null(strstr(row->read(NULL, &t), "STORAGE_EMULATOR_HOST"));
	unsetenv("STORAGE_EMULATOR_HOST");
	unsetenv("GCS_BUCKET_NAME");
	unsetenv("GCS_HMAC_ACCESS_ID");
	unsetenv("GCS_HMAC_SECRET");
	mem_free(a);
}

/* Of an empty record, and of one whose numbers nobody can have meant, each row makes JSON. */
static void test_any_record(void **state)
{
	struct record r = { 0 };
	struct export_view v = { .r = &r };
	struct json_error why;
	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < EXPORT_KINDS; i++) {
			buf_reset(&out);
			export_rows[i].begin(&target, &out);
			export_rows[i].put(&target, &v, &out);
			buf_put_z(&out, export_rows[i].end);
			if (!json_parse(arena, buf_str(&out), JSON_ONE_KEY, &why))
				fail_msg("%s: %s in %.*s", export_rows[i].name, why.what,
					 STR_ARG(buf_str(&out)));
		}
		r = (struct record){ .start_ns = UINT64_MAX, .end_ns = 1, .cost_nano = INT64_MIN,
				     .call = 255, .flags = UINT32_MAX, .n_attempts = 1,
				     .attempts = { { .outcome = 65535, .flags = 3 } } };
	}
}

/* ---- metrics ---- */

static const struct json *metric_named(const struct json *root, const char *name)
{
	const struct json *resource = json_at(json_get(root, "resourceMetrics"), 0);
	const struct json *list =
		json_get(json_at(json_get(resource, "scopeMetrics"), 0), "metrics");
	assert_text(attribute(json_get(resource, "resource"), "service.name"), "stringValue", "svc");
	for (size_t i = 0; list && i < list->count; i++)
		if (str_eq_z(json_get_str(arena, json_at(list, i), "name"), name))
			return json_at(list, i);
	fail_msg("no metric %s", name);
	return NULL;
}

static uint64_t sum_of_buckets(const struct json *point)
{
	const struct json *list = json_get(point, "bucketCounts");
	uint64_t sum = 0, v;
	for (size_t i = 0; i < list->count; i++) {
		assert_int_equal(str_read_u64(json_str(arena, json_at(list, i)), &v), 0);
		sum += v;
	}
	assert_int_equal(json_get(point, "explicitBounds")->count + 1, list->count);
	return sum;
}

static const struct json *written_metrics(const struct otlp_picture *p)
{
	struct json_error why;
	buf_reset(&out);
	otlp_metrics_write(p, &target, &out);
	const struct json *j = json_parse(arena, buf_str(&out), JSON_ONE_KEY, &why);
	if (!j)
		fail_msg("%s at %zu", why.what, why.at);
	return j;
}

static void test_metrics(void **state)
{
	struct otlp_picture *p = mem_alloc(sizeof *p);
	struct record good, bad;
	(void)state;
	fill(&good, false);
	fill(&bad, true);
	p->start_ns = 1;
	p->board_start_ns = 2;
	p->now_ns = 3;
	p->board.requests = 7;
	p->board.cost_nano = 1250000000;
	metric_observe(&p->board.duration, METRIC_H_duration, 1500 * NS_PER_MS);
	for (unsigned i = 0; i < 3; i++)
		otlp_series_count(otlp_series_of(p, &good), &good);
	otlp_series_count(otlp_series_of(p, &bad), &bad);
	assert_int_equal(p->n, 2);
	const struct json *root = written_metrics(p);
	const struct json *m = metric_named(root, "llmgw.requests");
	assert_text(json_at(json_get_path(m, "sum.dataPoints"), 0), "asInt", "7");
	assert_raw(m, "sum.aggregationTemporality", "2");
	assert_raw(m, "sum.isMonotonic", "true");
	m = metric_named(root, "llmgw.cost");
	assert_raw(json_at(json_get_path(m, "sum.dataPoints"), 0), "asDouble", "1.25");
	m = json_at(json_get_path(metric_named(root, "llmgw.request_duration"),
				  "histogram.dataPoints"), 0);
	assert_int_equal(sum_of_buckets(m), 1);
	assert_raw(m, "sum", "1.5");
	m = json_get_path(metric_named(root, "gen_ai.client.operation.duration"),
			  "histogram.dataPoints");
	assert_int_equal(m->count, 2);
	assert_text(json_at(m, 0), "count", "3");
	assert_int_equal(sum_of_buckets(json_at(m, 0)), 3);
	assert_text(json_at(m, 0), "startTimeUnixNano", "1");
	assert_text(attribute(json_at(m, 0), "gen_ai.request.model"), "stringValue", "gpt");
	assert_null(attribute(json_at(m, 0), "error.type"));
	assert_text(attribute(json_at(m, 1), "error.type"), "stringValue", "internal_server_error");
	m = json_get_path(metric_named(root, "gen_ai.client.token.usage"), "histogram.dataPoints");
	assert_int_equal(m->count, 4);
	assert_raw(json_at(m, 0), "sum", "30");
	assert_text(attribute(json_at(m, 0), "gen_ai.token.type"), "stringValue", "input");
	assert_raw(json_at(m, 1), "sum", "15");
	assert_text(attribute(json_at(m, 1), "gen_ai.token.type"), "stringValue", "output");
	mem_free(p);
}

/* More kinds of request than there are rows: the rest is one, and says so. */
static void test_metrics_overflow(void **state)
{
	struct otlp_picture *p = mem_alloc(sizeof *p);
	char name[24];
	(void)state;
	for (unsigned i = 0; i < OTLP_SERIES + 10; i++) {
		struct record r = { .end_ns = 1 };
		snprintf(name, sizeof name, "model-%u", i);
		record_put(&r, RT_GROUP, str_z(name));
		otlp_series_count(otlp_series_of(p, &r), &r);
	}
	assert_int_equal(p->n, OTLP_SERIES);
	const struct json *m = json_get_path(
		metric_named(written_metrics(p), "gen_ai.client.operation.duration"),
		"histogram.dataPoints");
	assert_int_equal(m->count, OTLP_SERIES + 1);
	const struct json *last = json_at(m, OTLP_SERIES);
	assert_text(last, "count", "10");
	assert_raw(attribute(last, "otel.metric.overflow"), "boolValue", "true");
	mem_free(p);
}

/* ---- what waits on the disk ---- */

static void put_file(const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static unsigned count_files(void)
{
	unsigned n = 0;
	DIR *d = opendir(folder);
	const struct dirent *e;
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void take(struct spill *s, const char *want)
{
	buf_reset(&out);
	assert_int_equal(spill_get(s, &out, NULL), 0);
	assert_true(str_eq_z(buf_str(&out), want));
	spill_drop(s);
}

static void test_spill_in_order_and_over_a_restart(void **state)
{
	struct spill *s = mem_alloc(sizeof *s);
	char text[16];
	(void)state;
	spill_open(s, folder, "otel");
	assert_int_equal(spill_get(s, &out, NULL), -ENOENT);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "batch %u", i);
		assert_int_equal(spill_put(s, str_z(text), i, NULL), 0);
	}
	take(s, "batch 0");
	spill_open(s, folder, "otel");
	assert_int_equal(s->n, 19);
	assert_int_equal(s->file[0].records, 1);
	assert_int_equal(spill_put(s, STR("newest"), 1, NULL), 0);
	for (unsigned i = 1; i < 20; i++) {
		snprintf(text, sizeof text, "batch %u", i);
		take(s, text);
	}
	take(s, "newest");
	assert_int_equal(s->bytes, 0);
	assert_int_equal(count_files(), 0);
	mem_free(s);
}

/* Half of a file under its temporary name is never one of them; what others left is not touched;
 * a file that became shorter is told, and can be dropped. */
static void test_spill_torn(void **state)
{
	struct spill *s = mem_alloc(sizeof *s);
	(void)state;
	put_file(".otel", "half of a ba");
	put_file("otel.0000000000000003.2", "third");
	put_file("otel.nonsense", "x");
	put_file("otelx.0000000000000001.2", "another's");
	put_file("langfuse.0000000000000001.9", "another's");
	spill_open(s, folder, "otel");
	assert_int_equal(s->n, 1);
	assert_int_equal(s->next, 4);
	put_file("otel.0000000000000003.2", "th");
	assert_int_equal(spill_get(s, &out, NULL), -EIO);
	spill_drop(s);
	assert_int_equal(spill_put(s, STR("next"), 1, NULL), 0);
	take(s, "next");
	assert_int_equal(count_files(), 3);
	mem_free(s);
}

static void test_spill_is_bounded(void **state)
{
	struct spill *s = mem_alloc(sizeof *s);
	char *big = mem_alloc(SPILL_BATCH + 1);
	unsigned n = 0;
	(void)state;
	memset(big, 'x', SPILL_BATCH + 1);
	spill_open(s, folder, "otel");
	assert_int_equal(spill_put(s, str_of(big, SPILL_BATCH + 1), 1, NULL), -ENOSPC);
	while (spill_put(s, str_of(big, SPILL_BATCH), 1, NULL) == 0)
		n++;
	assert_int_equal(n, SPILL_BYTES / SPILL_BATCH);
	assert_int_equal(count_files(), n);
	spill_drop(s);
	assert_int_equal(spill_put(s, str_of(big, SPILL_BATCH), 1, NULL), 0);
	while (s->n)
		spill_drop(s);
	for (n = 0; spill_put(s, STR("x"), 1, NULL) == 0; n++)
		;
	assert_int_equal(n, SPILL_FILES);
	mem_free(big);
	mem_free(s);
}

/* The disk itself says no: nothing is left behind, and the next one counts again. */
static void test_spill_without_room(void **state)
{
	struct spill *s = mem_alloc(sizeof *s);
	char full[64];
	(void)state;
	spill_open(s, folder, "otel");
	snprintf(full, sizeof full, "%s/.otel", folder);
	assert_int_equal(symlink("/dev/full", full), 0);
	assert_true(spill_put(s, STR("x"), 1, NULL) < 0);	/* O_NOFOLLOW */
	assert_int_equal(s->n, 0);
	unlink(full);
	s->dir = "/nonexistent";
	assert_int_equal(spill_put(s, STR("x"), 1, NULL), -ENOENT);
	s->dir = folder;
	assert_int_equal(spill_put(s, STR("x"), 1, NULL), 0);
	assert_int_equal(s->n, 1);
	mem_free(s);
}

/* What says prompts and answers: nobody reads it on the disk, or puts it in another's place. */
static void test_spill_sealed(void **state)
{
	struct spill *s = mem_alloc(sizeof *s);
	struct seal key, other;
	char path[2][128];
	(void)state;
	seal_from(&key, (const uint8_t[SEAL_KEY]){ 1 });
	seal_from(&other, (const uint8_t[SEAL_KEY]){ 2 });
	spill_open(s, folder, "otel");
	assert_int_equal(spill_put(s, STR("what was said"), 3, &key), 0);
	assert_int_equal(spill_put(s, STR("and more"), 1, &key), 0);
	assert_int_equal(spill_put(s, STR("plain"), 1, NULL), 0);
	for (unsigned i = 0; i < 2; i++)
		snprintf(path[i], sizeof path[i], "%s/otel.%016x.%u.sealed", folder, i + 1, i ? 1 : 3);
	char text[512];
	FILE *f = fopen(path[0], "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text, f);
	fclose(f);
	assert_int_equal(str_find(str_of(text, n), STR("what was said")), SIZE_MAX);
	spill_open(s, folder, "otel");
	assert_int_equal(s->n, 3);
	assert_int_equal(s->file[0].records, 3);
	assert_true(s->file[0].is_sealed && !s->file[2].is_sealed);
	buf_reset(&out);
	assert_int_equal(spill_get(s, &out, NULL), -ENOKEY);
	assert_int_equal(spill_get(s, &out, &other), -ENOKEY);
	assert_int_equal(out.n, 0);
	assert_int_equal(spill_get(s, &out, &key), 0);
	assert_true(str_eq_z(buf_str(&out), "what was said"));
	spill_drop(s);
	assert_int_equal(rename(path[1], path[0]), 0);
	s->file[0].number = 1;		/* another's place */
	s->file[0].records = 3;
	buf_reset(&out);
	assert_int_equal(spill_get(s, &out, &key), -EBADMSG);
	spill_drop(s);
	take(s, "plain");
	assert_int_equal(count_files(), 0);
	mem_free(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_generic), TEST(test_all_that_litellm_has),
		TEST(test_any_field_may_be_left_out), TEST(test_otlp),
		TEST(test_who_tells),
		TEST(test_variables_of_opentelemetry), TEST(test_parameters),
		TEST(test_files_of_opentelemetry), TEST(test_langfuse), TEST(test_an_object_for_each), TEST(test_what_was_asked_of_a_model),
		TEST(test_webhooks_by_variables), TEST(test_where_langfuse_has_traces),
		TEST(test_tags_of_the_agent), TEST(test_datadog),
		TEST(test_datadog_llm),
		TEST(test_langsmith), TEST(test_s3), TEST(test_where_s3_is),
		TEST(test_sqs), TEST(test_calls_have_bounds), TEST(test_sqs_answers),
		TEST(test_sqs_is_signed), TEST(test_where_sqs_is),
		TEST(test_helicone), TEST(test_slack), TEST(test_where_gcs_is),
		TEST(test_any_record), TEST(test_metrics), TEST(test_metrics_overflow),
		TEST(test_spill_in_order_and_over_a_restart),
		TEST(test_spill_torn), TEST(test_spill_is_bounded), TEST(test_spill_without_room),
		TEST(test_spill_sealed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
