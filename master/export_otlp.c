/* SPDX-License-Identifier: MIT
 * export_otlp.c - a request as OpenTelemetry spans, in the JSON of OTLP/HTTP: a SERVER span for
 * it, and a CLIENT span below for each attempt at a provider.
 *
 * Ids are hexadecimal there, enums are numbers, and 64-bit integers are strings. Attributes are
 * those of the semantic conventions for generative AI; what these have no name for is below
 * "llmgw.". */
#include <stdio.h>

#include "common/hash.h"
#include "common/journal.h"
#include "master/export_rows.h"
#include "worker/outcome.h"

static const struct {
	const char *name, *type;
} outcomes[] = {
#define X(name, status, old, type, ...) { #name, type },
	OUTCOMES(X)
#undef X
};

enum { SPAN_SERVER = 2, SPAN_CLIENT = 3, STATUS_OK = 1, STATUS_ERROR = 2 };

static void open_attribute(struct json_out *o, const char *name)
{
	json_open(o, NULL);
	json_put_z(o, "key", name);
	json_open(o, "value");
}

static void close_attribute(struct json_out *o)
{
	json_close(o);
	json_close(o);
}

static void put_text(struct json_out *o, const char *name, struct str s)
{
	if (!s.n)
		return;
	open_attribute(o, name);
	json_put_str(o, "stringValue", s);
	close_attribute(o);
}

static void put_number(struct json_out *o, const char *name, uint64_t v)
{
	char text[21];
	snprintf(text, sizeof text, "%llu", (unsigned long long)v);
	open_attribute(o, name);
	json_put_z(o, "intValue", text);
	close_attribute(o);
}

static void put_double(struct json_out *o, const char *name, double v)
{
	open_attribute(o, name);
	json_put_double(o, "doubleValue", v);
	close_attribute(o);
}

static void put_bool(struct json_out *o, const char *name, bool v)
{
	open_attribute(o, name);
	json_put_bool(o, "boolValue", v);
	close_attribute(o);
}

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
	struct json_out o = json_out(to);
	struct str rest = str_z(t->attributes);
	char name[128];
	BUF_PUT_LIT(to, "{\"resourceSpans\":[{\"resource\":{\"attributes\":");
	json_open_array(&o, NULL);
	put_text(&o, "service.name", str_z(t->service));
	put_text(&o, "service.version", STR(LLMGW_VERSION));
	put_text(&o, "host.name", str_z(t->host));
	put_text(&o, "deployment.environment.name", str_z(t->environment));
	while (rest.n) {
		struct str value = str_trim(str_cut(&rest, ',')), key = str_cut(&value, '=');
		if (!key.n || key.n >= sizeof name || str_eq(key, STR("service.name")))
			continue;
		snprintf(name, sizeof name, STR_FMT, STR_ARG(key));
		put_text(&o, name, value);
	}
	json_close_array(&o);
	BUF_PUT_LIT(to, "},\"scopeSpans\":[{\"scope\":{\"name\":\"llmgw\",\"version\":\""
			LLMGW_VERSION "\"},\"spans\":[");
}

/* ---- names of the conventions --------------------------------------------------------------- */

static const char *operation(uint8_t call)
{
	switch (call) {
	case JOURNAL_CALL_CHAT:
		return "chat";
	case JOURNAL_CALL_TEXT:
		return "text_completion";
	case JOURNAL_CALL_EMBED:
		return "embeddings";
	case JOURNAL_CALL_RERANK:
		return "rerank";
	case JOURNAL_CALL_IMAGE:
	case JOURNAL_CALL_IMAGE_EDIT:
		return "generate_content";
	default:
		return "other";
	}
}

static struct str provider(struct str ours)
{
	static const struct {
		struct str ours, theirs;
	} names[] = {
		{ STR("bedrock"), STR("aws.bedrock") },
		{ STR("azure"), STR("azure.ai.openai") },
		{ STR("azure_ai"), STR("azure.ai.inference") },
		{ STR("gemini"), STR("gcp.gemini") },
		{ STR("vertex_ai"), STR("gcp.vertex_ai") },
		{ STR("mistral"), STR("mistral_ai") },
		{ STR("xai"), STR("x_ai") },
		{ STR("watsonx"), STR("ibm.watsonx.ai") },
	};
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(ours, names[i].ours))
			return names[i].theirs;
	return ours;
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
	put_number(o, "gen_ai.usage.input_tokens", r->input);
	put_number(o, "gen_ai.usage.output_tokens", r->output);
	if (r->cache_read)
		put_number(o, "gen_ai.usage.cache_read.input_tokens", r->cache_read);
	if (r->cache_write)
		put_number(o, "gen_ai.usage.cache_creation.input_tokens", r->cache_write);
	if (r->reasoning)
		put_number(o, "gen_ai.usage.reasoning.output_tokens", r->reasoning);
	put_double(o, "llmgw.cost.usd", (double)r->cost_nano / 1e9);
}

static void put_owner(struct json_out *o, const struct record *r)
{
	char hash[65];
	if (r->flags & RF_HAS_KEY) {
		hash_hex(hash, r->key_hash, sizeof r->key_hash);
		put_text(o, "llmgw.key.hash", str_z(hash));
	}
	put_text(o, "llmgw.key.alias", record_text(r, RT_ALIAS));
	put_text(o, "llmgw.user", record_text(r, RT_USER));
	put_text(o, "llmgw.team", record_text(r, RT_TEAM));
	put_text(o, "llmgw.organization", record_text(r, RT_ORGANIZATION));
	put_text(o, "llmgw.end_user", record_text(r, RT_END_USER));
	struct str tag;
	if (!record_tag(r, 0).p)
		return;
	json_open(o, NULL);
	json_put_z(o, "key", "llmgw.tags");
	json_open(o, "value");
	json_open(o, "arrayValue");
	json_open_array(o, "values");
	for (size_t i = 0; (tag = record_tag(r, i)).p; i++) {
		json_open(o, NULL);
		json_put_str(o, "stringValue", tag);
		json_close(o);
	}
	json_close_array(o);
	json_close(o);
	json_close(o);
	json_close(o);
}

static void put_request_attributes(struct json_out *o, const struct record *r)
{
	json_open_array(o, "attributes");
	put_text(o, "gen_ai.operation.name", str_z(operation(r->call)));
	put_text(o, "gen_ai.provider.name", provider(record_text(r, RT_PROVIDER)));
	put_text(o, "gen_ai.request.model", record_text(r, RT_MODEL));
	put_text(o, "gen_ai.response.model", record_text(r, RT_UPSTREAM));
	put_bool(o, "gen_ai.request.stream", r->flags & RF_STREAM);
	if (r->first_token_ns > r->start_ns)
		put_double(o, "gen_ai.response.time_to_first_chunk",
			   (double)(r->first_token_ns - r->start_ns) / 1e9);
	put_usage(o, r);
	put_text(o, "http.request.method", STR("POST"));
	put_text(o, "http.route", record_text(r, RT_ROUTE));
	if (r->status)
		put_number(o, "http.response.status_code", r->status);
	put_text(o, "user_agent.original", record_text(r, RT_USER_AGENT));
	put_text(o, "llmgw.call_id", record_text(r, RT_CALL_ID));
	put_text(o, "llmgw.route", record_text(r, RT_GROUP));
	put_text(o, "llmgw.deployment", record_text(r, RT_DEPLOYMENT));
	put_text(o, "llmgw.outcome", record_text(r, RT_OUTCOME));
	put_number(o, "llmgw.attempts", r->attempts_made);
	if (r->flags & RF_FAILED)
		put_text(o, "error.type", record_text(r, RT_ERROR));
	put_owner(o, r);
	json_close_array(o);
}

static struct str span_name(char *out, size_t room, const struct record *r, struct str model)
{
	int n = snprintf(out, room, "%s" "%s" STR_FMT, operation(r->call), model.n ? " " : "",
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
	put_text(o, "gen_ai.operation.name", str_z(operation(r->call)));
	put_text(o, "gen_ai.provider.name", provider(vendor));
	put_text(o, "gen_ai.request.model", model);
	struct str host = server_of(base, &port);
	put_text(o, "server.address", host);
	if (host.n && port)
		put_number(o, "server.port", port);
	put_text(o, "llmgw.deployment", m ? m->id : STR_NONE);
	put_number(o, "llmgw.attempt", i + 1u);
	if (a->flags & RA_LOST)
		put_bool(o, "llmgw.hedge.lost", true);
	if (failed) {
		unsigned at = a->outcome < COUNT(outcomes) ? a->outcome : OUTCOME_INTERNAL;
		put_text(o, "error.type", str_z(outcomes[at].type));
		put_text(o, "llmgw.outcome", str_z(outcomes[at].name));
		if (a->status)
			put_number(o, "http.response.status_code", a->status);
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
	(void)t;
	open_span(&o, r, r->span, r->flags & RF_HAS_PARENT ? r->parent : NULL, SPAN_SERVER,
		  span_name(name, sizeof name, r, record_text(r, RT_MODEL)));
	put_time(&o, "startTimeUnixNano", r->start_ns);
	put_time(&o, "endTimeUnixNano", r->end_ns);
	put_request_attributes(&o, r);
	put_status(&o, r->flags & RF_FAILED);
	json_close(&o);
	for (unsigned i = 0; i < r->n_attempts; i++)
		put_attempt(&o, v, i);
}
