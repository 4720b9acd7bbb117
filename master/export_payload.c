/* SPDX-License-Identifier: MIT
 * export_payload.c - a request as LiteLLM's standard logging payload, and what Langfuse and
 * LangSmith want of it. */
#include <arpa/inet.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/journal.h"
#include "master/export_texts.h"
#include "master/spend_call.h"

static bool has_failed(const struct record *r)
{
	return r->flags & RF_FAILED;
}

static void put_text(struct json_out *o, const char *key, const struct record *r,
		     enum record_text which)
{
	struct str s = record_text(r, which);
	json_put_str(o, key, s.n ? s : STR_NONE);
}

static void put_hex(struct json_out *o, const char *key, const void *p, size_t n)
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
		put_hex(o, key, r->key_hash, sizeof r->key_hash);
	else
		json_put_null(o, key);
}

static void put_tags(struct json_out *o, const char *key, const struct record *r)
{
	json_open_array(o, key);
	struct str tag;
	for (size_t i = 0; (tag = record_tag(r, i)).p; i++)
		json_put_str(o, NULL, tag);
	json_close_array(o);
}

static void put_metadata(struct json_out *o, const struct record *r)
{
	json_open(o, "metadata");
	put_key_hash(o, "user_api_key_hash", r);
	put_text(o, "user_api_key_alias", r, RT_ALIAS);
	put_text(o, "user_api_key_user_id", r, RT_USER);
	put_text(o, "user_api_key_team_id", r, RT_TEAM);
	put_text(o, "user_api_key_org_id", r, RT_ORGANIZATION);
	put_text(o, "user_api_key_end_user_id", r, RT_END_USER);
	put_text(o, "user_api_key_request_route", r, RT_ROUTE);
	put_address(o, "requester_ip_address", r);
	put_text(o, "user_agent", r, RT_USER_AGENT);
	json_close(o);
}

static void put_attempts(struct json_out *o, const struct export_view *v)
{
	json_open_array(o, "attempts");
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

static void put_error(struct json_out *o, const struct record *r)
{
	char code[8];
	if (!has_failed(r)) {
		json_put_null(o, "error_str");
		json_put_null(o, "error_information");
		return;
	}
	snprintf(code, sizeof code, "%u", r->status);
	put_text(o, "error_str", r, RT_ERROR);
	json_open(o, "error_information");
	json_put_z(o, "error_code", code);
	put_text(o, "error_class", r, RT_ERROR);
	put_text(o, "llm_provider", r, RT_PROVIDER);
	put_text(o, "outcome", r, RT_OUTCOME);
	json_close(o);
}

static void put_usage(struct json_out *o, const struct export_view *v)
{
	const struct record *r = v->r;
	struct usage u = { .input = r->input, .output = r->output, .cache_read = r->cache_read,
			   .cache_write = r->cache_write, .reasoning = r->reasoning,
			   .searches = r->call == JOURNAL_CALL_RERANK };
	json_put_money(o, "response_cost", r->cost_nano);
	cost_split_put(o, "cost_breakdown", v->quote, &u, r->cost_nano);
	json_put_u64(o, "prompt_tokens", r->input);
	json_put_u64(o, "completion_tokens", r->output);
	json_put_u64(o, "total_tokens", (uint64_t)r->input + r->output);
	json_open(o, "usage_object");
	json_put_u64(o, "cache_read_input_tokens", r->cache_read);
	json_put_u64(o, "cache_creation_input_tokens", r->cache_write);
	json_put_u64(o, "reasoning_tokens", r->reasoning);
	json_put_bool(o, "is_estimated", r->flags & RF_ESTIMATED);
	json_close(o);
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

static void put_parameters(struct json_out *o, const char *key, const struct record *r)
{
	json_open(o, key);
	if (r->temperature >= 0)
		json_put_double(o, "temperature", export_short(r->temperature));
	if (r->top_p >= 0)
		json_put_double(o, "top_p", export_short(r->top_p));
	if (r->max_tokens)
		json_put_u64(o, "max_tokens", r->max_tokens);
	json_close(o);
}

/* What LiteLLM has beside: members that readers of it expect, and what is known of them here. */
static void put_rest(struct json_out *o, const struct record *r)
{
	uint64_t all = r->end_ns - r->start_ns;
	json_put_null(o, "response_cost_failure_debug_info");
	json_open(o, "status_fields");
	json_put_z(o, "llm_api_status", has_failed(r) ? "failure" : "success");
	json_close(o);
	json_put_null(o, "cache_key");
	json_put_u64(o, "saved_cache_cost", 0);
	json_put_null(o, "guardrail_information");
	json_put_null(o, "standard_built_in_tools_params");
	json_open(o, "hidden_params");
	put_text(o, "model_id", r, RT_DEPLOYMENT);
	put_text(o, "api_base", r, RT_BASE);
	put_text(o, "litellm_model_name", r, RT_UPSTREAM);
	json_put_money(o, "response_cost", r->cost_nano);
	json_put_double(o, "litellm_overhead_time_ms",
			(double)(all > r->upstream_ns ? all - r->upstream_ns : 0) / 1e6);
	json_close(o);
}

static void put_times(struct json_out *o, const struct record *r)
{
	put_seconds(o, "startTime", r->start_ns);
	put_seconds(o, "endTime", r->end_ns);
	put_seconds(o, "completionStartTime", r->first_token_ns ? r->first_token_ns : r->end_ns);
	json_put_double(o, "response_time", (double)((r->end_ns - r->start_ns) / 1000) / 1e6);
}

void export_put_payload(struct json_out *o, const char *key, const struct export_view *v)
{
	const struct record *r = v->r;
	json_open(o, key);
	put_text(o, "id", r, RT_CALL_ID);
	put_hex(o, "trace_id", r->trace, sizeof r->trace);
	json_put_z(o, "call_type", spend_call_type(r->call));
	json_put_bool(o, "stream", r->flags & RF_STREAM);
	json_put_z(o, "status", has_failed(r) ? "failure" : "success");
	put_text(o, "custom_llm_provider", r, RT_PROVIDER);
	put_usage(o, v);
	put_times(o, r);
	put_text(o, "model", r, record_text(r, RT_UPSTREAM).n ? RT_UPSTREAM : RT_MODEL);
	put_text(o, "model_id", r, RT_DEPLOYMENT);
	put_text(o, "model_group", r, record_text(r, RT_GROUP).n ? RT_GROUP : RT_MODEL);
	put_text(o, "api_base", r, RT_BASE);
	put_metadata(o, r);
	json_put_bool(o, "cache_hit", r->flags & RF_CACHE_HIT);
	put_tags(o, "request_tags", r);
	put_text(o, "end_user", r, RT_END_USER);
	put_address(o, "requester_ip_address", r);
	put_text(o, "user_agent", r, RT_USER_AGENT);
	put_parameters(o, "model_parameters", r);
	put_rest(o, r);
	export_put_messages(o, "messages", v);
	export_put_response(o, "response", v);
	export_put_texts_note(o, v);
	put_error(o, r);
	put_attempts(o, v);
	json_close(o);
}

/* ---- Langfuse: one trace and one generation a request --------------------------------------- */

static void open_event(struct json_out *o, const struct record *r, const char *type, char mark)
{
	char id[35];
	hash_hex(id, r->request_id, sizeof r->request_id);
	snprintf(id + 32, 3, "-%c", mark);
	json_open(o, NULL);
	json_put_z(o, "id", id);
	json_put_z(o, "type", type);
	json_put_time(o, "timestamp", r->end_ns);
	json_open(o, "body");
}

static void put_langfuse_texts(struct json_out *o, const struct export_view *v)
{
	if (!v->texts)
		return;
	export_put_input(o, "input", v);
	export_put_output(o, "output", v);
}

static void put_langfuse_trace(struct json_out *o, const struct export_target *t,
			       const struct export_view *v)
{
	const struct record *r = v->r;
	open_event(o, r, "trace-create", 't');
	put_hex(o, "id", r->trace, sizeof r->trace);
	json_put_time(o, "timestamp", r->start_ns);
	json_put_z(o, "name", spend_call_type(r->call));
	put_text(o, "userId", r, record_text(r, RT_END_USER).n ? RT_END_USER : RT_USER);
	if (t->environment[0])
		json_put_z(o, "environment", t->environment);
	put_tags(o, "tags", r);
	put_metadata(o, r);
	put_langfuse_texts(o, v);
	json_close(o);
	json_close(o);
}

static void put_langfuse_numbers(struct json_out *o, const struct record *r)
{
	json_open(o, "usageDetails");
	json_put_u64(o, "input", r->input);
	json_put_u64(o, "output", r->output);
	json_put_u64(o, "total", (uint64_t)r->input + r->output);
	json_put_u64(o, "cache_read_input_tokens", r->cache_read);
	json_close(o);
	json_open(o, "costDetails");
	json_put_money(o, "total", r->cost_nano);
	json_close(o);
}

void export_put_langfuse(const struct export_target *t, const struct export_view *v,
			 struct buf *to)
{
	const struct record *r = v->r;
	struct json_out o = json_out(to);
	put_langfuse_trace(&o, t, v);
	open_event(&o, r, "generation-create", 'g');
	put_text(&o, "id", r, RT_CALL_ID);
	put_hex(&o, "traceId", r->trace, sizeof r->trace);
	json_put_z(&o, "name", spend_call_type(r->call));
	json_put_time(&o, "startTime", r->start_ns);
	json_put_time(&o, "endTime", r->end_ns);
	json_put_time(&o, "completionStartTime", r->first_token_ns);
	put_text(&o, "model", r, record_text(r, RT_UPSTREAM).n ? RT_UPSTREAM : RT_MODEL);
	put_parameters(&o, "modelParameters", r);
	put_langfuse_numbers(&o, r);
	json_put_z(&o, "level", has_failed(r) ? "ERROR" : "DEFAULT");
	if (has_failed(r))
		put_text(&o, "statusMessage", r, RT_OUTCOME);
	json_open(&o, "metadata");
	put_text(&o, "model_group", r, RT_GROUP);
	put_text(&o, "model_id", r, RT_DEPLOYMENT);
	put_text(&o, "custom_llm_provider", r, RT_PROVIDER);
	put_attempts(&o, v);
	export_put_texts_note(&o, v);
	json_close(&o);
	put_langfuse_texts(&o, v);
	json_close(&o);
	json_close(&o);
}

/* ---- LangSmith: a run a request ------------------------------------------------------------- */

void export_write_uuid(char out[37], const uint8_t id[16])
{
	static const size_t parts[] = { 4, 2, 2, 2, 6 };
	for (size_t i = 0; i < COUNT(parts); i++) {
		hash_hex(out, id, parts[i]);
		out += 2 * parts[i];
		id += parts[i];
		*out++ = i + 1 < COUNT(parts) ? '-' : '\0';
	}
}

/* "20260203T040506789000Z" and the run's id: how LangSmith orders the runs of a trace. */
static void put_order(struct json_out *o, uint64_t wall_ns, const char *id)
{
	char t[25], text[80];
	clock_rfc3339(t, wall_ns);
	snprintf(text, sizeof text, "%.4s%.2s%.2sT%.2s%.2s%.2s%.3s000Z%s", t, t + 5, t + 8, t + 11,
		 t + 14, t + 17, t + 20, id);
	json_put_z(o, "dotted_order", text);
}

static void put_langsmith_texts(struct json_out *o, const struct export_view *v)
{
	const struct record *r = v->r;
	json_open(o, "inputs");
	if (v->texts)
		export_put_messages(o, "messages", v);
	export_put_texts_note(o, v);
	json_close(o);
	json_open(o, "outputs");
	if (v->texts && !export_put_response_members(o, v))
		export_put_response(o, "output", v);
	json_open(o, "usage_metadata");
	json_put_u64(o, "input_tokens", r->input);
	json_put_u64(o, "output_tokens", r->output);
	json_put_u64(o, "total_tokens", (uint64_t)r->input + r->output);
	json_close(o);
	json_close(o);
}

void export_put_langsmith(const struct export_target *t, const struct export_view *v,
			  struct buf *to)
{
	const struct record *r = v->r;
	struct export_view without = *v;
	struct json_out o = json_out(to);
	char id[37];
	without.texts = NULL;
	export_write_uuid(id, r->request_id);
	json_open(&o, NULL);
	json_put_z(&o, "id", id);
	json_put_z(&o, "trace_id", id);
	put_order(&o, r->start_ns, id);
	json_put_z(&o, "name", t->service);
	json_put_z(&o, "run_type", "llm");
	json_put_z(&o, "session_name", t->project);
	json_put_time(&o, "start_time", r->start_ns);
	json_put_time(&o, "end_time", r->end_ns);
	put_langsmith_texts(&o, v);
	put_text(&o, "error", r, has_failed(r) ? RT_OUTCOME : RT_ERROR);
	put_tags(&o, "tags", r);
	json_open(&o, "extra");
	json_open(&o, "metadata");
	put_text(&o, "ls_model_name", r, record_text(r, RT_UPSTREAM).n ? RT_UPSTREAM : RT_MODEL);
	put_text(&o, "ls_provider", r, RT_PROVIDER);
	json_close(&o);
	export_put_payload(&o, "payload", &without);	/* they stand above */
	json_close(&o);
	json_close(&o);
}
