/* SPDX-License-Identifier: MIT
 * export_langfuse.c - a request as Langfuse wants it, a trace and a generation, and as LangSmith
 * does, a run. */
#include <stdio.h>

#include "common/clock.h"
#include "common/hash.h"
#include "master/export_payload.h"
#include "master/export_texts.h"
#include "master/spend_call.h"

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

/* What its client says of it in its body's metadata, where that is told. */
static struct str said(const struct export_view *v, const char *name)
{
	const struct json *body = payload_body_metadata(v);
	return body ? json_get_str(v->texts->mem, body, name) : STR_NONE;
}

/* LiteLLM's: that name, or after the key that asked, or after the call. */
static void put_name(struct json_out *o, const char *member, const struct export_view *v,
		     struct str alias)
{
	struct str name = said(v, member);
	char text[320];
	if (alias.n)
		snprintf(text, sizeof text, "litellm:" STR_FMT, STR_ARG(alias));
	else
		snprintf(text, sizeof text, "litellm-%s", spend_call_type(v->r->call));
	json_put_str(o, "name", name.n ? name : str_z(text));
}

static void put_langfuse_trace(struct json_out *o, const struct export_target *t,
			       const struct export_view *v)
{
	const struct record *r = v->r;
	open_event(o, r, "trace-create", 't');
	payload_put_hex(o, "id", r->trace, sizeof r->trace);
	json_put_time(o, "timestamp", r->start_ns);
	put_name(o, "trace_name", v, STR_NONE);
	struct str user = said(v, "trace_user_id"), session = said(v, "session_id");
	if (user.n)
		json_put_str(o, "userId", user);
	else
		payload_put_text(o, "userId", r,
				 record_text(r, RT_END_USER).n ? RT_END_USER : RT_USER);
	if (session.n)
		json_put_str(o, "sessionId", session);
	if (t->environment[0])
		json_put_z(o, "environment", t->environment);
	payload_put_tags(o, "tags", r);
	payload_put_metadata(o, "metadata", v);
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
	json_put_u64(o, "cache_creation_input_tokens", r->cache_write);
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
	payload_put_text(&o, "id", r, RT_CALL_ID);
	payload_put_hex(&o, "traceId", r->trace, sizeof r->trace);
	put_name(&o, "generation_name", v, record_text(r, RT_ALIAS));
	json_put_time(&o, "startTime", r->start_ns);
	json_put_time(&o, "endTime", r->end_ns);
	json_put_time(&o, "completionStartTime", r->first_token_ns);
	payload_put_text(&o, "model", r, record_text(r, RT_UPSTREAM).n ? RT_UPSTREAM : RT_MODEL);
	payload_put_parameters(&o, "modelParameters", v);
	put_langfuse_numbers(&o, r);
	json_put_z(&o, "level", r->flags & RF_FAILED ? "ERROR" : "DEFAULT");
	if (r->flags & RF_FAILED)
		payload_put_text(&o, "statusMessage", r, RT_OUTCOME);
	json_open(&o, "metadata");
	payload_put_text(&o, "model_group", r, RT_GROUP);
	payload_put_text(&o, "model_id", r, RT_DEPLOYMENT);
	payload_put_text(&o, "custom_llm_provider", r, RT_PROVIDER);
	payload_put_attempts(&o, "attempts", v);
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
	payload_put_text(&o, "error", r, r->flags & RF_FAILED ? RT_OUTCOME : RT_ERROR);
	payload_put_tags(&o, "tags", r);
	json_open(&o, "extra");
	json_open(&o, "metadata");
	payload_put_text(&o, "ls_model_name", r, record_text(r, RT_UPSTREAM).n ? RT_UPSTREAM : RT_MODEL);
	payload_put_text(&o, "ls_provider", r, RT_PROVIDER);
	json_close(&o);
	export_put_payload(&o, "payload", &without);	/* they stand above */
	json_close(&o);
	json_close(&o);
}
