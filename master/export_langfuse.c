/* SPDX-License-Identifier: MIT
 * export_langfuse.c - a request as Langfuse wants it, a trace and a generation or attributes of a
 * span, and as LangSmith does, a run. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/texts.h"
#include "master/export_payload.h"
#include "master/export_said.h"
#include "master/export_texts.h"
#include "master/otlp.h"
#include "master/spend_call.h"

enum { ATTRIBUTE_MAX = 4 << 20, TAGS_MOST = 40 };

/* ---- tags that the configuration wants beside the request's own ----------------------------- */

static const char *const default_tags[] = {
	"cache_hit", "cache_key", "proxy_base_url", "user_api_key_alias", "user_api_key_user_id",
	"user_api_key_team_id", "user_api_key_team_alias", "user_api_key_org_id",
	"user_api_key_end_user_id",
};
_Static_assert(COUNT(default_tags) <= 32, "bits of export_view.langfuse_tags");

uint32_t export_langfuse_tag(struct str name)
{
	for (unsigned i = 0; i < COUNT(default_tags); i++)
		if (str_eq_z(name, default_tags[i]))
			return 1u << i;
	return 0;
}

static struct str tag_value(const struct export_view *v, unsigned which)
{
	static const enum record_text texts[COUNT(default_tags)] = {
		[1] = RT_CACHE_KEY, [3] = RT_ALIAS, [4] = RT_USER, [5] = RT_TEAM,
		[7] = RT_ORGANIZATION, [8] = RT_END_USER,
	};
	const char *base;
	switch (which) {
	case 0:
		return v->r->flags & RF_CACHE_HIT ? STR("True") : STR("False");
	case 2:
		base = getenv("PROXY_BASE_URL");
		return base ? str_z(base) : STR_NONE;
	case 6:
		return v->owner.team_alias;
	default:
		return record_text(v->r, texts[which]);
	}
}

/* The i-th of all tags, as payload_tag(). */
static struct str langfuse_tag(const struct export_view *v, size_t i, struct payload_tag *room)
{
	struct str tag;
	size_t n = 0;
	for (; (tag = payload_tag(v, n, room)).p; n++)
		if (n == i)
			return tag;
	for (unsigned k = 0; k < COUNT(default_tags); k++) {
		struct str value = v->langfuse_tags >> k & 1 ? tag_value(v, k) : STR_NONE;
		if (!value.n || n++ != i)
			continue;
		value = text_cut(value, sizeof room->text - strlen(default_tags[k]) - 2);
		snprintf(room->text, sizeof room->text, "%s:" STR_FMT, default_tags[k],
			 STR_ARG(value));
		return str_z(room->text);
	}
	return STR_NONE;
}

static void put_all_tags(struct json_out *o, const struct export_view *v)
{
	struct payload_tag room;
	struct str tag;
	json_open_array(o, "tags");
	for (size_t i = 0; (tag = langfuse_tag(v, i, &room)).p; i++)
		json_put_str(o, NULL, tag);
	json_close_array(o);
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

/* What its client says of it: in a header, or in its body's metadata, where that is told. */
static struct str said(const struct export_view *v, const char *name)
{
	struct str header = record_langfuse(v->r, name);
	const struct json *body = header.n ? NULL : payload_body_metadata(v);
	if (header.n && str_is_utf8(header))
		return header;
	return body ? json_get_str(v->texts->mem, body, name) : STR_NONE;
}

static bool is_masked(const struct export_view *v, const char *name)
{
	const struct json *body = payload_body_metadata(v);
	return body && json_is_true(json_get(body, name));
}

/* A client may want either hidden here alone. */
static void put_input(struct json_out *o, const char *key, const struct export_view *v)
{
	if (is_masked(v, "mask_input"))
		json_put_str(o, key, export_hidden.text);
	else
		export_put_input(o, key, v);
}

static void put_output(struct json_out *o, const char *key, const struct export_view *v)
{
	if (is_masked(v, "mask_output"))
		json_put_str(o, key, export_hidden.text);
	else
		export_put_output(o, key, v);
}

static void put_langfuse_texts(struct json_out *o, const struct export_view *v)
{
	if (!v->texts)
		return;
	put_input(o, "input", v);
	put_output(o, "output", v);
}

static void put_said(struct json_out *o, const char *key, const struct export_view *v,
		     const char *name, const char *other)
{
	struct str s = said(v, name);
	if (!s.n && other)
		s = said(v, other);
	if (s.n)
		json_put_str(o, key, s);
}

/* That a client has named, or that of the request. */
static void put_trace_id(struct json_out *o, const char *key, const struct export_view *v)
{
	struct str id = said(v, "existing_trace_id");
	if (!id.n)
		id = said(v, "trace_id");
	if (id.n)
		json_put_str(o, key, id);
	else
		payload_put_hex(o, key, v->r->trace, sizeof v->r->trace);
}

static bool has_text(struct arena *a, const struct json *list, const char *text)
{
	for (const struct json *j = json_is(list, JSON_ARRAY) ? list->child : NULL; j; j = j->next)
		if (j->type == JSON_STRING && str_eq_z(json_str(a, j), text))
			return true;
	return false;
}

/* What of a trace that is there already a client wants changed: names of "trace_..." of its
 * metadata, "input" and "output". */
static void put_update(struct json_out *o, const struct export_view *v)
{
	static const char *const keys[][2] = {
		{ "trace_name", "name" }, { "trace_user_id", "userId" },
		{ "trace_version", "version" }, { "trace_release", "release" },
		{ "trace_metadata", "metadata" },
	};
	const struct json *body = payload_body_metadata(v);
	const struct json *list = body ? json_get(body, "update_trace_keys") : NULL;
	if (!list)
		return;
	if (has_text(v->texts->mem, list, "input"))
		put_input(o, "input", v);
	if (has_text(v->texts->mem, list, "output"))
		put_output(o, "output", v);
	for (size_t i = 0; i < COUNT(keys); i++)
		if (has_text(v->texts->mem, list, keys[i][0]) && json_get(body, keys[i][0]))
			json_put_line(o, keys[i][1], json_get(body, keys[i][0])->raw);
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

static void put_new_trace(struct json_out *o, const struct export_target *t,
			  const struct export_view *v)
{
	const struct record *r = v->r;
	const struct json *metadata = payload_body_metadata(v);
	metadata = metadata ? json_get(metadata, "trace_metadata") : NULL;
	json_put_time(o, "timestamp", r->start_ns);
	put_name(o, "trace_name", v, STR_NONE);
	struct str user = said(v, "trace_user_id"), session = payload_session(v);
	if (user.n)
		json_put_str(o, "userId", user);
	else
		payload_put_text(o, "userId", r,
				 record_text(r, RT_END_USER).n ? RT_END_USER : RT_USER);
	if (said(v, "session_id").n || record_text(r, RT_SESSION).n)
		json_put_str(o, "sessionId", said(v, "session_id").n ? said(v, "session_id")
								      : session);
	put_said(o, "version", v, "trace_version", "version");
	put_said(o, "release", v, "trace_release", NULL);
	if (t->environment[0])
		json_put_z(o, "environment", t->environment);
	put_all_tags(o, v);
	if (json_is(metadata, JSON_OBJECT))
		json_put_line(o, "metadata", metadata->raw);
	else
		payload_put_metadata(o, "metadata", v);
	put_langfuse_texts(o, v);
}

static void put_langfuse_trace(struct json_out *o, const struct export_target *t,
			       const struct export_view *v)
{
	open_event(o, v->r, "trace-create", 't');
	put_trace_id(o, "id", v);
	if (said(v, "existing_trace_id").n)
		put_update(o, v);
	else
		put_new_trace(o, t, v);
	json_close(o);
	json_close(o);
}

/* A prompt of Langfuse's that was used: {name, version}. */
static void put_prompt(struct json_out *o, const struct export_view *v)
{
	const struct json *body = payload_body_metadata(v);
	const struct json *prompt = body ? json_get(body, "prompt") : NULL;
	const struct json *version = json_is(prompt, JSON_OBJECT) ? json_get(prompt, "version")
								  : NULL;
	if (!json_is(version, JSON_NUMBER))
		return;
	json_put_str(o, "promptName", json_get_str(v->texts->mem, prompt, "name"));
	json_put_line(o, "promptVersion", version->raw);
}

static void put_usage_members(struct json_out *o, const struct record *r)
{
	json_put_u64(o, "input", r->input);
	json_put_u64(o, "output", r->output);
	json_put_u64(o, "total", (uint64_t)r->input + r->output);
	json_put_u64(o, "cache_read_input_tokens", r->cache_read);
	json_put_u64(o, "cache_creation_input_tokens", r->cache_write);
}

static void put_langfuse_numbers(struct json_out *o, const struct record *r)
{
	json_open(o, "usageDetails");
	put_usage_members(o, r);
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
	struct str id = said(v, "generation_id");
	json_put_str(&o, "id", id.n ? id : record_text(r, RT_CALL_ID));
	put_trace_id(&o, "traceId", v);
	put_said(&o, "parentObservationId", v, "parent_observation_id", NULL);
	put_said(&o, "version", v, "version", NULL);
	put_prompt(&o, v);
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

/* ---- Langfuse by OpenTelemetry ------------------------------------------------------------- */

/* An attribute whose text is JSON. */
static void put_json_text(struct json_out *o, const char *name, const struct export_view *v,
			  void (*put)(struct json_out *o, const struct export_view *v))
{
	struct buf text;
	buf_init(&text, ATTRIBUTE_MAX);
	struct json_out inner = json_out(&text);
	put(&inner, v);
	o->to->failed |= text.failed;	/* with less of it there is room */
	otlp_put_text(o, name, text.failed ? STR_NONE : buf_str(&text));
	buf_done(&text);
}

static void put_input_value(struct json_out *o, const struct export_view *v)
{
	put_input(o, NULL, v);
}

static void put_output_value(struct json_out *o, const struct export_view *v)
{
	put_output(o, NULL, v);
}

static void put_usage_details(struct json_out *o, const struct export_view *v)
{
	const struct record *r = v->r;
	json_open(o, NULL);
	put_usage_members(o, r);
	json_close(o);
}

static void put_cost_details(struct json_out *o, const struct export_view *v)
{
	json_open(o, NULL);
	json_put_money(o, "total", v->r->cost_nano);
	json_close(o);
}

static void put_trace_metadata(struct json_out *o, const struct export_view *v)
{
	payload_put_metadata(o, NULL, v);
}

static void put_tags(struct json_out *o, const struct export_view *v)
{
	struct payload_tag room[TAGS_MOST];
	struct str tags[TAGS_MOST];
	size_t n = 0;
	for (; n < TAGS_MOST && (tags[n] = langfuse_tag(v, n, &room[n])).p; n++)
		;
	otlp_put_texts(o, "langfuse.trace.tags", tags, n);
}

static void put_name_of(struct json_out *o, const char *key, const struct export_view *v,
			const char *member)
{
	struct str name = said(v, member);
	char text[64];
	snprintf(text, sizeof text, "litellm-%s", spend_call_type(v->r->call));
	otlp_put_text(o, key, name.n ? name : str_z(text));
}

void export_put_langfuse_attributes(struct json_out *o, const struct export_target *t,
				    const struct export_view *v)
{
	static const char *const texts[][2] = {
		{ "langfuse.release", "trace_release" }, { "langfuse.version", "version" },
		{ "langfuse.observation.metadata.generation_id", "generation_id" },
	};
	const struct record *r = v->r;
	struct str user = said(v, "trace_user_id"), session = record_langfuse(r, "session_id");
	put_name_of(o, "langfuse.trace.name", v, "trace_name");
	otlp_put_text(o, "langfuse.session.id",
		      session.n ? session : payload_session(v));
	otlp_put_text(o, "langfuse.user.id", user.n ? user
		      : record_text(r, record_text(r, RT_END_USER).n ? RT_END_USER : RT_USER));
	put_tags(o, v);
	otlp_put_text(o, "langfuse.environment", str_z(t->environment));
	for (size_t i = 0; i < COUNT(texts); i++)
		otlp_put_text(o, texts[i][0], said(v, texts[i][1]));
	otlp_put_text(o, "langfuse.observation.type", STR("generation"));
	otlp_put_text(o, "langfuse.observation.model.name", export_model_of(r));
	put_json_text(o, "langfuse.observation.usage_details", v, put_usage_details);
	put_json_text(o, "langfuse.observation.cost_details", v, put_cost_details);
	put_json_text(o, "langfuse.trace.metadata.request", v, put_trace_metadata);
	otlp_put_text(o, "langfuse.observation.level",
		      r->flags & RF_FAILED ? STR("ERROR") : STR("DEFAULT"));
	if (r->flags & RF_FAILED)
		otlp_put_text(o, "langfuse.observation.status_message", record_text(r, RT_OUTCOME));
	if (!v->texts)
		return;
	put_json_text(o, "langfuse.observation.input", v, put_input_value);
	put_json_text(o, "langfuse.observation.output", v, put_output_value);
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
	payload_put_tags(&o, "tags", v);
	json_open(&o, "extra");
	json_open(&o, "metadata");
	payload_put_text(&o, "ls_model_name", r, record_text(r, RT_UPSTREAM).n ? RT_UPSTREAM : RT_MODEL);
	payload_put_text(&o, "ls_provider", r, RT_PROVIDER);
	json_close(&o);
	export_put_payload(&o, "payload", &without);	/* they stand above */
	json_close(&o);
	json_close(&o);
}
