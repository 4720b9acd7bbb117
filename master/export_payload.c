/* SPDX-License-Identifier: MIT
 * export_payload.c - a request as LiteLLM's standard logging payload. Its fields are a table, so
 * that the configuration can leave some of them out. */
#include "master/export_payload.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/journal.h"
#include "master/config_read.h"
#include "master/export_texts.h"
#include "master/price_map.h"
#include "master/spend_call.h"

enum { ID_MOST = 256 };		/* bytes of an answer's id */

static bool has_failed(const struct record *r)
{
	return r->flags & RF_FAILED;
}

void payload_put_text(struct json_out *o, const char *key, const struct record *r,
		      enum record_text which)
{
	struct str s = record_text(r, which);
	json_put_str(o, key, s.n ? s : STR_NONE);
}

void payload_put_hex(struct json_out *o, const char *key, const void *p, size_t n)
{
	char text[65];
	hash_hex(text, p, n);
	json_put_z(o, key, text);
}

static void put_seconds(struct json_out *o, const char *key, uint64_t wall_ns)
{
	if (wall_ns)
		json_put_double(o, key, (double)(wall_ns / 1000) / 1e6);
	else
		json_put_null(o, key);
}

static void put_address(struct json_out *o, const char *key, const struct record *r)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN] = "";
	bool is_four = memcmp(r->client_ip, mapped, sizeof mapped) == 0;
	inet_ntop(is_four ? AF_INET : AF_INET6, r->client_ip + (is_four ? 12 : 0), text,
		  sizeof text);
	json_put_z(o, key, text);
}

static void put_key_hash(struct json_out *o, const char *key, const struct record *r)
{
	if (r->flags & RF_HAS_KEY)
		payload_put_hex(o, key, r->key_hash, sizeof r->key_hash);
	else
		json_put_null(o, key);
}

/* "agent" and "agent/1.0", of at most a hundred bytes. */
static struct str agent_tag(struct str agent, size_t i, struct payload_tag *room)
{
	struct str rest = text_cut(str_trim(agent), 100), whole = rest, name = str_cut(&rest, '/');
	bool has_version = name.n < whole.n;
	if (!whole.n || i > has_version)
		return STR_NONE;
	struct str s = i < has_version ? name : whole;
	int n = snprintf(room->text, sizeof room->text, "User-Agent: " STR_FMT, STR_ARG(s));
	return str_of(room->text, n > 0 ? (size_t)n : 0);
}

struct str payload_tag(const struct export_view *v, size_t i, struct payload_tag *room)
{
	struct str tag;
	size_t n = 0;
	for (; (tag = record_tag(v->r, n)).p; n++)
		if (n == i)
			return tag;
	return v->agent_is_no_tag ? STR_NONE
				  : agent_tag(record_text(v->r, RT_USER_AGENT), i - n, room);
}

void payload_put_tags(struct json_out *o, const char *key, const struct export_view *v)
{
	struct payload_tag room;
	struct str tag;
	json_open_array(o, key);
	for (size_t i = 0; (tag = payload_tag(v, i, &room)).p; i++)
		json_put_str(o, NULL, tag);
	json_close_array(o);
}

struct str payload_id(const struct export_view *v)
{
	const struct json *root = v->texts ? v->texts->root[TEXT_ANSWER] : NULL;
	struct str id = json_is(root, JSON_OBJECT) ? json_get_str(v->texts->mem, root, "id")
						   : STR_NONE;
	return id.n && id.n <= ID_MOST ? id : record_text(v->r, RT_CALL_ID);
}

struct str payload_session(const struct export_view *v)
{
	struct str session = record_text(v->r, RT_SESSION);
	const struct json *body = session.n ? NULL : payload_body_metadata(v);
	return body ? json_get_str(v->texts->mem, body, "trace_id") : session;
}

const char *payload_error_class(const struct record *r)
{
	static const char *const classes[][2] = {
		{ "UP_BAD_REQUEST", "BadRequestError" },
		{ "UNSUPPORTED_PARAM", "UnsupportedParamsError" },
		{ "CONTEXT_LENGTH", "ContextWindowExceededError" },
		{ "CONTENT_POLICY", "ContentPolicyViolationError" },
		{ "UP_AUTH", "AuthenticationError" },
		{ "UP_PERMISSION", "PermissionDeniedError" },
		{ "UP_NOT_FOUND", "NotFoundError" }, { "UP_TIMEOUT", "Timeout" },
		{ "UP_UNPROCESSABLE", "UnprocessableEntityError" },
		{ "UP_RATE_LIMITED", "RateLimitError" }, { "UP_ERROR", "InternalServerError" },
		{ "UP_MALFORMED", "BadGatewayError" }, { "UP_BROKEN", "APIConnectionError" },
		{ "UP_UNAVAILABLE", "ServiceUnavailableError" },
		{ "UP_CONNECT", "APIConnectionError" }, { "BUDGET_SPENT", "BudgetExceededError" },
	};
	struct str outcome = record_text(r, RT_OUTCOME);
	for (size_t i = 0; i < COUNT(classes); i++)
		if (str_eq_z(outcome, classes[i][0]))
			return classes[i][1];
	return "ProxyException";
}

static const struct json *body_of(const struct export_view *v)
{
	const struct json *root = v->texts ? v->texts->root[TEXT_PROMPT] : NULL;
	return json_is(root, JSON_OBJECT) && root->raw.n <= v->text_most ? root : NULL;
}

const struct json *payload_body_metadata(const struct export_view *v)
{
	const struct json *body = body_of(v), *j = body ? json_get(body, "metadata") : NULL;
	return json_is(j, JSON_OBJECT) ? j : NULL;
}

struct str payload_team(const struct export_view *v)
{
	return v->owner.team_alias.n ? v->owner.team_alias : record_text(v->r, RT_TEAM);
}

static void put_json(struct json_out *o, const char *key, const struct json *j)
{
	if (j)
		json_put_line(o, key, j->raw);
	else
		json_put_null(o, key);
}

/* In OpenAI's words, and Anthropic's for what of it went by the provider's cache. */
static void put_usage_object(struct json_out *o, const char *key, const struct record *r)
{
	json_open(o, key);
	json_put_u64(o, "prompt_tokens", r->input);
	json_put_u64(o, "completion_tokens", r->output);
	json_put_u64(o, "total_tokens", (uint64_t)r->input + r->output);
	json_put_u64(o, "cache_read_input_tokens", r->cache_read);
	json_put_u64(o, "cache_creation_input_tokens", r->cache_write);
	json_put_u64(o, "reasoning_tokens", r->reasoning);
	json_put_bool(o, "is_estimated", r->flags & RF_ESTIMATED);
	json_close(o);
}

static void put_key_money(struct json_out *o, const struct export_owner *owner)
{
	if (owner->has_key)
		json_put_money(o, "user_api_key_spend", owner->spend_nano);
	else
		json_put_null(o, "user_api_key_spend");
	if (owner->has_key && owner->max_budget_nano >= 0)
		json_put_money(o, "user_api_key_max_budget", owner->max_budget_nano);
	else
		json_put_null(o, "user_api_key_max_budget");
}

void payload_put_metadata(struct json_out *o, const char *key, const struct export_view *v)
{
	/* Members that readers of LiteLLM's expect, of what is not known here. */
	static const char *const unknown[] = {
		"user_api_key_budget_reset_at", "user_api_key_project_id",
		"user_api_key_project_alias", "user_api_key_user_email",
		"user_api_key_auth_metadata", "requester_custom_headers",
		"prompt_management_metadata", "mcp_tool_call_metadata",
		"vector_store_request_metadata", "applied_guardrails", "cold_storage_object_key",
	};
	const struct record *r = v->r;
	const struct json *body = payload_body_metadata(v);
	struct str alias = v->owner.team_alias, organization = v->owner.organization_alias;
	json_open(o, key);
	put_key_hash(o, "user_api_key_hash", r);
	payload_put_text(o, "user_api_key_alias", r, RT_ALIAS);
	put_key_money(o, &v->owner);
	payload_put_text(o, "user_api_key_user_id", r, RT_USER);
	payload_put_text(o, "user_api_key_team_id", r, RT_TEAM);
	json_put_str(o, "user_api_key_team_alias", alias.n ? alias : STR_NONE);
	payload_put_text(o, "user_api_key_org_id", r, RT_ORGANIZATION);
	json_put_str(o, "user_api_key_org_alias", organization.n ? organization : STR_NONE);
	payload_put_text(o, "user_api_key_end_user_id", r, RT_END_USER);
	payload_put_text(o, "user_api_key_request_route", r, RT_ROUTE);
	payload_put_text(o, "team_id", r, RT_TEAM);
	json_put_str(o, "team_alias", alias.n ? alias : STR_NONE);
	put_address(o, "requester_ip_address", r);
	payload_put_text(o, "user_agent", r, RT_USER_AGENT);
	put_json(o, "requester_metadata", body);
	put_json(o, "spend_logs_metadata", body ? json_get(body, "spend_logs_metadata") : NULL);
	put_usage_object(o, "usage_object", r);
	for (size_t i = 0; i < COUNT(unknown); i++)
		json_put_null(o, unknown[i]);
	json_close(o);
}

void payload_put_attempts(struct json_out *o, const char *key, const struct export_view *v)
{
	json_open_array(o, key);
	for (unsigned i = 0; i < v->r->n_attempts; i++) {
		const struct record_attempt *a = &v->r->attempts[i];
		const struct config_model *m = v->model[i];
		json_open(o, NULL);
		json_put_str(o, "model_id", m ? m->id : STR_NONE);
		json_put_str(o, "custom_llm_provider", m ? m->provider : STR_NONE);
		put_seconds(o, "startTime", a->start_ns);
		put_seconds(o, "endTime", a->end_ns);
		json_put_z(o, "status", a->flags & RA_FAILED ? "failure"
					: a->flags & RA_LOST ? "lost" : "success");
		if (a->status)
			json_put_u64(o, "error_code", a->status);
		json_close(o);
	}
	json_close_array(o);
}

struct str export_finish(const struct record *r)
{
	static const char *const names[] = { "", "stop", "length", "tool_calls", "content_filter",
					     "function_call" };
	return str_z(r->finish < COUNT(names) ? names[r->finish] : "");
}

double export_short(float v)
{
	char text[32];
	double d;
	snprintf(text, sizeof text, "%.6g", (double)v);
	return str_read_double(str_z(text), &d) == 0 ? d : (double)v;
}

/* Whether LiteLLM tells of that member of a body; what is asked of a model is not among them. */
static bool is_parameter(struct str name)
{
	static const struct str not[] = { STR("messages"), STR("prompt"), STR("input"),
					  STR("model"), STR("metadata"), STR("query"),
					  STR("documents"), STR("suffix"), STR("instructions") };
	for (size_t i = 0; i < COUNT(not); i++)
		if (str_eq(name, not[i]))
			return false;
	return param_is_openai(name);
}

/* As the body has them, where that is told; else those that are always known. */
void payload_put_parameters(struct json_out *o, const char *key, const struct export_view *v)
{
	const struct record *r = v->r;
	const struct json *body = body_of(v);
	json_open(o, key);
	for (const struct json *j = body ? body->child : NULL; j; j = j->next)
		if (is_parameter(j->key)) {
			json_key(o, j->key);
			json_put_line(o, NULL, j->raw);
		}
	if (r->temperature >= 0 && !(body && json_get(body, "temperature")))
		json_put_double(o, "temperature", export_short(r->temperature));
	if (r->top_p >= 0 && !(body && json_get(body, "top_p")))
		json_put_double(o, "top_p", export_short(r->top_p));
	if (r->max_tokens && !(body && (json_get(body, "max_tokens") ||
					json_get(body, "max_completion_tokens"))))
		json_put_u64(o, "max_tokens", r->max_tokens);
	json_close(o);
}

/* ---- fields ---- */

struct field {
	const char *name;
	void (*put)(struct json_out *o, const struct field *f, const struct export_view *v);
	enum record_text text;		/* of put_record_text */
};

static void put_record_text(struct json_out *o, const struct field *f, const struct export_view *v)
{
	payload_put_text(o, f->name, v->r, f->text);
}

/* What LiteLLM has as a text in any case. */
static void put_some_text(struct json_out *o, const struct field *f, const struct export_view *v)
{
	struct str s = record_text(v->r, f->text);
	json_put_str(o, f->name, s.n ? s : STR(""));
}

static void put_base(struct json_out *o, const struct field *f, const struct export_view *v)
{
	struct str s = record_text(v->r, f->text);
	while (str_ends(s, STR("/")))
		s.n--;
	json_put_str(o, f->name, s.n ? s : STR(""));
}

/* One answer is given many times; LiteLLM parts their ids the same way. */
static void put_id(struct json_out *o, const struct field *f, const struct export_view *v)
{
	char text[ID_MOST + 64];
	struct str id = payload_id(v);
	if (!(v->r->flags & RF_CACHE_HIT)) {
		json_put_str(o, f->name, id);
		return;
	}
	snprintf(text, sizeof text, STR_FMT "_cache_hit%.6f", STR_ARG(id),
		 (double)(v->r->end_ns / 1000) / 1e6);
	json_put_z(o, f->name, text);
}

static void put_trace(struct json_out *o, const struct field *f, const struct export_view *v)
{
	struct str session = payload_session(v);
	if (session.n)
		json_put_str(o, f->name, session);
	else
		payload_put_hex(o, f->name, v->r->trace, sizeof v->r->trace);
}

static void put_call_type(struct json_out *o, const struct field *f, const struct export_view *v)
{
	json_put_z(o, f->name, spend_call_type(v->r->call));
}

static void put_stream(struct json_out *o, const struct field *f, const struct export_view *v)
{
	json_put_bool(o, f->name, v->r->flags & RF_STREAM);
}

static const char *status_of(const struct record *r)
{
	return has_failed(r) ? "failure" : "success";
}

static void put_status(struct json_out *o, const struct field *f, const struct export_view *v)
{
	json_put_z(o, f->name, status_of(v->r));
}

static void put_status_fields(struct json_out *o, const struct field *f,
			      const struct export_view *v)
{
	json_open(o, f->name);
	json_put_z(o, "llm_api_status", status_of(v->r));
	json_put_z(o, "guardrail_status", "not_run");
	json_close(o);
}

static void put_cost(struct json_out *o, const struct field *f, const struct export_view *v)
{
	json_put_money(o, f->name, v->r->cost_nano);
}

static void put_breakdown(struct json_out *o, const struct field *f, const struct export_view *v)
{
	const struct record *r = v->r;
	struct usage u = { .input = r->input, .output = r->output, .cache_read = r->cache_read,
			   .cache_write = r->cache_write, .reasoning = r->reasoning,
			   .media_input = r->media_input, .media_output = r->media_output,
			   .images = r->images, .milliseconds = r->milliseconds,
			   .characters = r->characters, .searches = r->searches };
	cost_split_measure(v->quote, JOURNAL_CALL_OTHER, r->cost_nano, &u);
	cost_split_put(o, f->name, v->quote, &u, r->cost_nano);
}

static void put_input(struct json_out *o, const struct field *f, const struct export_view *v)
{
	json_put_u64(o, f->name, v->r->input);
}

static void put_output(struct json_out *o, const struct field *f, const struct export_view *v)
{
	json_put_u64(o, f->name, v->r->output);
}

static void put_total(struct json_out *o, const struct field *f, const struct export_view *v)
{
	json_put_u64(o, f->name, (uint64_t)v->r->input + v->r->output);
}

static void put_usage(struct json_out *o, const struct field *f, const struct export_view *v)
{
	put_usage_object(o, f->name, v->r);
}

static void put_start(struct json_out *o, const struct field *f, const struct export_view *v)
{
	put_seconds(o, f->name, v->r->start_ns);
}

static void put_end(struct json_out *o, const struct field *f, const struct export_view *v)
{
	put_seconds(o, f->name, v->r->end_ns);
}

static void put_first(struct json_out *o, const struct field *f, const struct export_view *v)
{
	put_seconds(o, f->name, v->r->first_token_ns ? v->r->first_token_ns : v->r->end_ns);
}

/* Of a stream LiteLLM's is the time to its first token. */
static void put_response_time(struct json_out *o, const struct field *f,
			      const struct export_view *v)
{
	const struct record *r = v->r;
	bool is_first = r->flags & RF_STREAM && r->first_token_ns > r->start_ns;
	uint64_t end = is_first ? r->first_token_ns : r->end_ns;
	json_put_double(o, f->name, (double)((end - r->start_ns) / 1000) / 1e6);
}

/* What was asked for, where nothing better is known. */
static void put_model(struct json_out *o, const struct field *f, const struct export_view *v)
{
	payload_put_text(o, f->name, v->r, record_text(v->r, f->text).n ? f->text : RT_MODEL);
}

static void put_metadata(struct json_out *o, const struct field *f, const struct export_view *v)
{
	payload_put_metadata(o, f->name, v);
}

static void put_cache_hit(struct json_out *o, const struct field *f, const struct export_view *v)
{
	json_put_bool(o, f->name, v->r->flags & RF_CACHE_HIT);
}

static void put_tags(struct json_out *o, const struct field *f, const struct export_view *v)
{
	payload_put_tags(o, f->name, v);
}

static void put_client(struct json_out *o, const struct field *f, const struct export_view *v)
{
	put_address(o, f->name, v->r);
}

static void put_parameters(struct json_out *o, const struct field *f, const struct export_view *v)
{
	payload_put_parameters(o, f->name, v);
}

static void put_null(struct json_out *o, const struct field *f, const struct export_view *v)
{
	(void)v;
	json_put_null(o, f->name);
}

static void put_saved(struct json_out *o, const struct field *f, const struct export_view *v)
{
	json_put_money(o, f->name, v->r->saved_nano);
}

static void put_hidden_params(struct json_out *o, const struct field *f,
			      const struct export_view *v)
{
	const struct record *r = v->r;
	uint64_t all = r->end_ns - r->start_ns;
	json_open(o, f->name);
	payload_put_text(o, "model_id", r, RT_DEPLOYMENT);
	payload_put_text(o, "api_base", r, RT_BASE);
	payload_put_text(o, "litellm_model_name", r, RT_UPSTREAM);
	payload_put_text(o, "cache_key", r, RT_CACHE_KEY);
	put_usage_object(o, "usage_object", r);
	json_put_null(o, "additional_headers");
	json_put_null(o, "batch_models");
	json_put_money(o, "response_cost", r->cost_nano);
	json_put_double(o, "litellm_overhead_time_ms",
			(double)(all > r->upstream_ns ? all - r->upstream_ns : 0) / 1e6);
	json_close(o);
}

static void put_messages(struct json_out *o, const struct field *f, const struct export_view *v)
{
	export_put_messages(o, f->name, v);
}

static void put_response(struct json_out *o, const struct field *f, const struct export_view *v)
{
	export_put_response(o, f->name, v);
}

static void put_error_text(struct json_out *o, const struct field *f, const struct export_view *v)
{
	if (has_failed(v->r))
		payload_put_text(o, f->name, v->r, RT_ERROR);
	else
		json_put_null(o, f->name);
}

/* The words of a provider are not told: its message is the error's type. */
static void put_error(struct json_out *o, const struct field *f, const struct export_view *v)
{
	const struct record *r = v->r;
	struct str type = has_failed(r) ? record_text(r, RT_ERROR) : STR("");
	struct str provider = has_failed(r) ? record_text(r, RT_PROVIDER) : STR("");
	char code[8] = "";
	if (has_failed(r))
		snprintf(code, sizeof code, "%u", r->status);
	json_open(o, f->name);
	json_put_z(o, "error_code", code);
	json_put_z(o, "error_class", has_failed(r) ? payload_error_class(r) : "");
	json_put_str(o, "llm_provider", provider.n ? provider : STR(""));
	json_put_z(o, "traceback", "");
	json_put_str(o, "error_message", type.n ? type : STR(""));
	if (has_failed(r))
		payload_put_text(o, "outcome", r, RT_OUTCOME);
	json_close(o);
}

/* The model's prices as they are now, under the names of LiteLLM's price map. */
static void put_model_map(struct json_out *o, const struct field *f, const struct export_view *v)
{
	struct str model = record_text(v->r, RT_UPSTREAM);
	struct price_row row = { .provider = record_text(v->r, RT_PROVIDER), .has_input = true,
				 .has_output = true };
	json_open(o, f->name);
	json_put_str(o, "model_map_key", model.n ? model : STR(""));
	if (v->quote) {
		row.price = v->quote->list;
		json_open(o, "model_map_value");
		json_put_str(o, "key", model.n ? model : STR(""));
		price_map_put(o, &row);
		json_close(o);
	} else {
		json_put_null(o, "model_map_value");
	}
	json_close(o);
}

static void put_attempts(struct json_out *o, const struct field *f, const struct export_view *v)
{
	payload_put_attempts(o, f->name, v);
}

static const struct field fields[] = {
	{ "id", put_id, 0 },
	{ "litellm_call_id", put_record_text, RT_CALL_ID },
	{ "trace_id", put_trace, 0 },
	{ "call_type", put_call_type, 0 },
	{ "stream", put_stream, 0 },
	{ "status", put_status, 0 },
	{ "status_fields", put_status_fields, 0 },
	{ "custom_llm_provider", put_record_text, RT_PROVIDER },
	{ "response_cost", put_cost, 0 },
	{ "cost_breakdown", put_breakdown, 0 },
	{ "response_cost_failure_debug_info", put_null, 0 },
	{ "prompt_tokens", put_input, 0 },
	{ "completion_tokens", put_output, 0 },
	{ "total_tokens", put_total, 0 },
	{ "usage_object", put_usage, 0 },
	{ "startTime", put_start, 0 },
	{ "endTime", put_end, 0 },
	{ "completionStartTime", put_first, 0 },
	{ "response_time", put_response_time, 0 },
	{ "model_map_information", put_model_map, 0 },
	{ "model", put_model, RT_UPSTREAM },
	{ "model_id", put_some_text, RT_DEPLOYMENT },
	{ "model_group", put_model, RT_GROUP },
	{ "api_base", put_base, RT_BASE },
	{ "metadata", put_metadata, 0 },
	{ "cache_hit", put_cache_hit, 0 },
	{ "cache_key", put_record_text, RT_CACHE_KEY },
	{ "saved_cache_cost", put_saved, 0 },
	{ "request_tags", put_tags, 0 },
	{ "end_user", put_some_text, RT_END_USER },
	{ "requester_ip_address", put_client, 0 },
	{ "user_agent", put_record_text, RT_USER_AGENT },
	{ "model_parameters", put_parameters, 0 },
	{ "hidden_params", put_hidden_params, 0 },
	{ "guardrail_information", put_null, 0 },
	{ "standard_built_in_tools_params", put_null, 0 },
	{ "messages", put_messages, 0 },
	{ "response", put_response, 0 },
	{ "error_str", put_error_text, 0 },
	{ "error_information", put_error, 0 },
	{ "attempts", put_attempts, 0 },
};
_Static_assert(COUNT(fields) <= 64, "a bit for each");

uint64_t payload_field(struct str name)
{
	for (size_t i = 0; i < COUNT(fields); i++)
		if (str_eq_z(name, fields[i].name))
			return UINT64_C(1) << i;
	return 0;
}

void export_put_payload(struct json_out *o, const char *key, const struct export_view *v)
{
	json_open(o, key);
	for (size_t i = 0; i < COUNT(fields); i++)
		if (!(v->left_out >> i & 1))
			fields[i].put(o, &fields[i], v);
	export_put_texts_note(o, v);
	json_close(o);
}
