/* SPDX-License-Identifier: MIT
 * export_otlp.c - a request as OpenTelemetry spans, in the JSON of OTLP/HTTP: a SERVER span for
 * it, and a CLIENT span below for each attempt at a provider. */
#include <stdio.h>

#include "common/hash.h"
#include "common/journal.h"
#include "master/export_payload.h"
#include "master/export_texts.h"
#include "master/otlp.h"
#include "worker/outcome.h"

static const struct {
	const char *name, *type;
} outcomes[] = {
#define X(name, status, old, type, ...) { #name, type },
	OUTCOMES(X)
#undef X
};

enum { OTLP_TAGS = 32, SPAN_SERVER = 2, SPAN_CLIENT = 3, STATUS_OK = 1, STATUS_ERROR = 2 };

static void put_hex(struct json_out *o, const char *key, const uint8_t *p, size_t n)
{
	char text[65];
	hash_hex(text, p, n);
	json_put_z(o, key, text);
}

static void put_time(struct json_out *o, const char *key, uint64_t ns)
{
	char text[21];
	snprintf(text, sizeof text, "%llu", (unsigned long long)ns);
	json_put_z(o, key, text);
}

void export_begin_otlp(const struct export_target *t, struct buf *to)
{
	BUF_PUT_LIT(to, "{\"resourceSpans\":[{\"resource\":");
	otlp_put_resource(to, t);
	BUF_PUT_LIT(to, ",\"scopeSpans\":[{\"scope\":" OTLP_SCOPE ",\"spans\":[");
}

/* ---- spans ---------------------------------------------------------------------------------- */

static void open_span(struct json_out *o, const struct record *r, const uint8_t span[8],
		      const uint8_t *parent, int kind, struct str name)
{
	json_open(o, NULL);
	put_hex(o, "traceId", r->trace, sizeof r->trace);
	put_hex(o, "spanId", span, 8);
	if (parent)
		put_hex(o, "parentSpanId", parent, 8);
	json_put_str(o, "name", name);
	json_put_i64(o, "kind", kind);
}

static void put_status(struct json_out *o, bool failed)
{
	json_open(o, "status");
	json_put_i64(o, "code", failed ? STATUS_ERROR : STATUS_OK);
	json_close(o);
}

static void put_usage(struct json_out *o, const struct record *r)
{
	if (!(r->flags & RF_SETTLED))
		return;
	otlp_put_number(o, "gen_ai.usage.input_tokens", r->input);
	otlp_put_number(o, "gen_ai.usage.output_tokens", r->output);
	if (r->cache_read)
		otlp_put_number(o, "gen_ai.usage.cache_read.input_tokens", r->cache_read);
	if (r->cache_write)
		otlp_put_number(o, "gen_ai.usage.cache_creation.input_tokens", r->cache_write);
	if (r->reasoning)
		otlp_put_number(o, "gen_ai.usage.reasoning.output_tokens", r->reasoning);
	otlp_put_double(o, "llmgw.cost.usd", (double)r->cost_nano / 1e9);
}

static void put_owner(struct json_out *o, const struct record *r)
{
	char hash[65];
	if (r->flags & RF_HAS_KEY) {
		hash_hex(hash, r->key_hash, sizeof r->key_hash);
		otlp_put_text(o, "llmgw.key.hash", str_z(hash));
	}
	otlp_put_text(o, "llmgw.key.alias", record_text(r, RT_ALIAS));
	otlp_put_text(o, "llmgw.user", record_text(r, RT_USER));
	otlp_put_text(o, "llmgw.team", record_text(r, RT_TEAM));
	otlp_put_text(o, "llmgw.organization", record_text(r, RT_ORGANIZATION));
	otlp_put_text(o, "llmgw.end_user", record_text(r, RT_END_USER));
	struct str tags[OTLP_TAGS];
	size_t n = 0;
	for (; n < OTLP_TAGS && record_tag(r, n).p; n++)
		tags[n] = record_tag(r, n);
	otlp_put_texts(o, "llmgw.tags", tags, n);
}

static struct str output_type(const struct record *r)
{
	if (r->call == JOURNAL_CALL_IMAGE)
		return STR("image");
	if (r->call == JOURNAL_CALL_SPEECH)
		return STR("speech");
	return r->format == RECORD_FORMAT_JSON ? STR("json")
	       : r->format == RECORD_FORMAT_TEXT ? STR("text") : STR_NONE;
}

/* What was asked of the model, and how it ended. */
static void put_parameters(struct json_out *o, const struct record *r)
{
	if (r->max_tokens)
		otlp_put_number(o, "gen_ai.request.max_tokens", r->max_tokens);
	if (r->temperature >= 0)
		otlp_put_double(o, "gen_ai.request.temperature", export_short(r->temperature));
	if (r->top_p >= 0)
		otlp_put_double(o, "gen_ai.request.top_p", export_short(r->top_p));
	const struct {
		const char *name;
		float value;
	} numbers[] = { { "gen_ai.request.top_k", r->top_k },
			{ "gen_ai.request.presence_penalty", r->presence_penalty },
			{ "gen_ai.request.frequency_penalty", r->frequency_penalty } };
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (numbers[i].value > RECORD_NO_NUMBER)
			otlp_put_double(o, numbers[i].name, export_short(numbers[i].value));
	if (r->flags & RF_SEED)
		otlp_put_signed(o, "gen_ai.request.seed", r->seed);
	if (r->choices > 1)
		otlp_put_number(o, "gen_ai.request.choice.count", r->choices);
	otlp_put_text(o, "gen_ai.output.type", output_type(r));
	struct str finish = export_finish(r);
	otlp_put_texts(o, "gen_ai.response.finish_reasons", &finish, finish.n ? 1 : 0);
}

static void put_request_attributes(struct json_out *o, const struct export_target *t,
				   const struct export_view *v)
{
	const struct record *r = v->r;
	json_open_array(o, "attributes");
	otlp_put_text(o, "gen_ai.operation.name", str_z(otlp_operation(r->call)));
	otlp_put_text(o, "gen_ai.provider.name", otlp_provider(record_text(r, RT_PROVIDER)));
	otlp_put_text(o, "gen_ai.request.model", record_text(r, RT_MODEL));
	otlp_put_text(o, "gen_ai.response.model", record_text(r, RT_UPSTREAM));
	otlp_put_bool(o, "gen_ai.request.stream", r->flags & RF_STREAM);
	if (r->first_token_ns > r->start_ns)
		otlp_put_double(o, "gen_ai.response.time_to_first_chunk",
			   (double)(r->first_token_ns - r->start_ns) / 1e9);
	put_parameters(o, r);
	put_usage(o, r);
	otlp_put_text(o, "http.request.method", STR("POST"));
	otlp_put_text(o, "http.route", record_text(r, RT_ROUTE));
	if (r->status)
		otlp_put_number(o, "http.response.status_code", r->status);
	otlp_put_text(o, "user_agent.original", record_text(r, RT_USER_AGENT));
	otlp_put_text(o, "llmgw.call_id", record_text(r, RT_CALL_ID));
	otlp_put_text(o, "llmgw.route", record_text(r, RT_GROUP));
	otlp_put_text(o, "llmgw.deployment", record_text(r, RT_DEPLOYMENT));
	otlp_put_text(o, "llmgw.outcome", record_text(r, RT_OUTCOME));
	otlp_put_number(o, "llmgw.attempts", r->attempts_made);
	if (r->flags & RF_FAILED)
		otlp_put_text(o, "error.type", record_text(r, RT_ERROR));
	put_owner(o, r);
	otlp_put_text(o, "gen_ai.conversation.id", payload_session(v));
	if (t->is_langfuse)
		export_put_langfuse_attributes(o, t, v);
	else
		export_put_otlp_texts(o, v);
	json_close_array(o);
}

static struct str span_name(char *out, size_t room, const struct record *r, struct str model)
{
	int n = snprintf(out, room, "%s" "%s" STR_FMT, otlp_operation(r->call), model.n ? " " : "",
			 STR_ARG(model));
	return str_of(out, n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1);
}

/* "https://host:port/path": the host, and the port or 0. */
static struct str server_of(struct str base, uint64_t *ret_port)
{
	size_t at = str_find(base, STR("://"));
	struct str host = at == SIZE_MAX ? base : str_skip(base, at + 3), port;
	host = str_cut(&host, '/');
	*ret_port = str_starts(base, STR("https:")) ? 443 : 80;
	if (host.n && host.p[0] == '[')
		return host;
	port = host;
	host = str_cut(&port, ':');
	if (port.n && str_read_u64(port, ret_port) < 0)
		*ret_port = 0;
	return host;
}

static void put_attempt(struct json_out *o, const struct export_view *v, unsigned i)
{
	const struct record *r = v->r;
	const struct record_attempt *a = &r->attempts[i];
	const struct config_model *m = v->model[i];
	bool is_last = i + 1u == r->n_attempts, failed = a->flags & RA_FAILED;
	struct str model = m ? m->model : is_last ? record_text(r, RT_UPSTREAM) : STR_NONE;
	struct str vendor = m ? m->provider : is_last ? record_text(r, RT_PROVIDER) : STR_NONE;
	struct str base = m ? m->api_base : is_last ? record_text(r, RT_BASE) : STR_NONE;
	char name[320];
	uint64_t port;
	open_span(o, r, a->span, r->span, SPAN_CLIENT, span_name(name, sizeof name, r, model));
	put_time(o, "startTimeUnixNano", a->start_ns);
	put_time(o, "endTimeUnixNano", a->end_ns);
	json_open_array(o, "attributes");
	otlp_put_text(o, "gen_ai.operation.name", str_z(otlp_operation(r->call)));
	otlp_put_text(o, "gen_ai.provider.name", otlp_provider(vendor));
	otlp_put_text(o, "gen_ai.request.model", model);
	struct str host = server_of(base, &port);
	otlp_put_text(o, "server.address", host);
	if (host.n && port)
		otlp_put_number(o, "server.port", port);
	otlp_put_text(o, "llmgw.deployment", m ? m->id : STR_NONE);
	otlp_put_number(o, "llmgw.attempt", i + 1u);
	if (a->flags & RA_LOST)
		otlp_put_bool(o, "llmgw.hedge.lost", true);
	if (failed) {
		unsigned at = a->outcome < COUNT(outcomes) ? a->outcome : OUTCOME_INTERNAL;
		otlp_put_text(o, "error.type", str_z(outcomes[at].type));
		otlp_put_text(o, "llmgw.outcome", str_z(outcomes[at].name));
		if (a->status)
			otlp_put_number(o, "http.response.status_code", a->status);
	}
	json_close_array(o);
	put_status(o, failed);
	json_close(o);
}

void export_put_otlp(const struct export_target *t, const struct export_view *v, struct buf *to)
{
	const struct record *r = v->r;
	struct json_out o = json_out(to);
	char name[320];
	open_span(&o, r, r->span, r->flags & RF_HAS_PARENT ? r->parent : NULL, SPAN_SERVER,
		  span_name(name, sizeof name, r, record_text(r, RT_MODEL)));
	put_time(&o, "startTimeUnixNano", r->start_ns);
	put_time(&o, "endTimeUnixNano", r->end_ns);
	put_request_attributes(&o, t, v);
	put_status(&o, r->flags & RF_FAILED);
	json_close(&o);
	for (unsigned i = 0; i < r->n_attempts; i++)
		put_attempt(&o, v, i);
}
