/* SPDX-License-Identifier: MIT
 * export_rows.c - see export_rows.h. Variables are those that LiteLLM and OpenTelemetry read. */
#include "master/export_rows.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/mem.h"

enum { BATCH_WAIT_MS = 5000, METRICS_WAIT_MS = 60000 };

/* What is never taken of the environment for somebody who has variables of his own, or who is
 * another's: he may have said where they would go. */
static bool is_secret(const char *name)
{
	static const char *const words[] = { "KEY", "SECRET", "TOKEN", "HEADERS", "WEBHOOK",
					     "HMAC" };
	for (size_t i = 0; i < COUNT(words); i++)
		if (strstr(name, words[i]))
			return true;
	return false;
}

bool export_vars_say_where(const struct export_vars *vars)
{
	for (unsigned i = 0; i < vars->n; i++) {
		char name[64];
		size_t n = 0;
		for (; n < sizeof name - 1 && vars->v[i].name[n]; n++)
			name[n] = (char)toupper((unsigned char)vars->v[i].name[n]);
		name[n] = '\0';
		if (!is_secret(name) || strstr(name, "WEBHOOK"))
			return true;
	}
	return false;
}

const char *export_variable(const struct export_target *t, const char *name)
{
	for (unsigned i = 0; t->vars && i < t->vars->n; i++)
		if (str_eq_nocase(str_z(t->vars->v[i].name), str_z(name)))
			return t->vars->v[i].value;
	return (t->vars || t->is_strangers) && is_secret(name) ? NULL : getenv(name);
}

static const char *env(const struct export_target *t, const char *name, const char *otherwise)
{
	const char *v = export_variable(t, name);
	return v && *v ? v : otherwise;
}

/* The first of both that is set. */
static const char *env2(const struct export_target *t, const char *name, const char *other)
{
	return env(t, name, env(t, other, NULL));
}

/* With a path behind it. */
static bool set_url_str(struct export_target *t, struct str base, const char *path)
{
	while (*path && str_ends(base, STR("/")))
		base.n--;
	return snprintf(t->url, sizeof t->url, STR_FMT "%s", STR_ARG(base), path) <
	       (int)sizeof t->url;
}

bool export_set_url(struct export_target *t, struct str url)
{
	return set_url_str(t, url, "");
}

static bool set_url(struct export_target *t, const char *base, const char *path)
{
	return set_url_str(t, str_z(base), path);
}

static bool add_line(struct export_target *t, struct str name, struct str value)
{
	size_t at = strlen(t->headers), room = sizeof t->headers - at;
	int n = snprintf(t->headers + at, room, "%s" STR_FMT ": " STR_FMT, at ? "\n" : "",
			 STR_ARG(name), STR_ARG(value));
	if (n >= 0 && (size_t)n < room)
		return true;
	t->headers[at] = '\0';
	return false;
}

bool export_is_header(struct str name, struct str value)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == ':')
			return false;
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < ' ')
			return false;
	return name.n > 0;
}

bool export_add_header(struct export_target *t, struct str name, struct str value)
{
	return export_is_header(name, value) && add_line(t, name, value);
}

size_t export_decode(struct str value, char *to, size_t room)
{
	size_t n = 0;
	for (size_t i = 0; i < value.n && n < room; i++, n++) {
		uint8_t byte = (uint8_t)value.p[i];
		if (byte == '%' && i + 2 < value.n &&
		    hash_unhex(&byte, 1, str_of(value.p + i + 1, 2)) == 0)
			i += 2;
		to[n] = (char)byte;
	}
	return n;
}

/* "name=value,other=value", values percent-encoded (W3C Baggage); what is malformed is left out. */
static void add_headers(struct export_target *t, const char *list)
{
	struct str rest = str_z(list);
	char text[2048];
	while (rest.n) {
		struct str value = str_trim(str_cut(&rest, ',')), name = str_cut(&value, '=');
		size_t n = export_decode(str_trim(value), text, sizeof text);
		export_add_header(t, str_trim(name), str_of(text, n));
	}
	mem_wipe(text, sizeof text);
}

static void read_wait(struct export_target *t, const char *name, uint64_t scale)
{
	double v;
	t->wait_ms = BATCH_WAIT_MS;
	if (str_read_double(str_z(env(t, name, "")), &v) == 0 && v > 0 && v < 1e6)
		t->wait_ms = (uint64_t)(v * (double)scale);
}

void export_read_flush(struct export_target *t)
{
	read_wait(t, "DEFAULT_FLUSH_INTERVAL_SECONDS", 1000);
}

/* A whole number from 1 to a million; otherwise what is given for it. */
static uint64_t count(const struct export_target *t, const char *name, uint64_t otherwise)
{
	uint64_t v;
	bool is_good = str_read_u64(str_z(env(t, name, "")), &v) == 0 && v >= 1 && v <= 1000000;
	return is_good ? v : otherwise;
}

static void read_host(struct export_target *t)
{
	if (gethostname(t->host, sizeof t->host - 1) < 0)
		t->host[0] = '\0';
}

static bool is_one_of(const char *value, const char *const words[])
{
	for (; *words; words++)
		if (str_eq_nocase(str_z(value), str_z(*words)))
			return true;
	return false;
}

/* OTLP by HTTP is spoken, in JSON, which whoever takes it in protobuf takes as well. */
static const char *read_protocol(const struct export_target *t, bool metrics)
{
	static const char *const http[] = { "", "http/json", "http/protobuf", NULL };
	static const char *const litellm[] = { "", "otlp_http", "otlp", "http/json",
					       "http/protobuf", NULL };
	const char *own = env(t, metrics ? "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"
					 : "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
			      env(t, "OTEL_EXPORTER_OTLP_PROTOCOL", ""));
	/* LiteLLM takes its own words for it in either variable. */
	if (!is_one_of(own, http) && !is_one_of(own, litellm))
		return "OTEL_EXPORTER_OTLP_PROTOCOL (OTLP is spoken by HTTP alone)";
	if (!is_one_of(env(t, "OTEL_EXPORTER", ""), litellm))
		return "OTEL_EXPORTER (OTLP is spoken by HTTP alone: otlp_http)";
	if (!metrics && !is_one_of(env(t, "OTEL_TRACES_EXPORTER", ""),
				   (const char *const[]){ "", "otlp", NULL }))
		return "OTEL_TRACES_EXPORTER (it is not otlp)";
	return NULL;
}

/* A variable for traces or metrics alone, before the one for both. */
static const char *env_of(const struct export_target *t, bool metrics, const char *rest,
			  const char *otherwise)
{
	char own[96], both[96];
	snprintf(own, sizeof own, "OTEL_EXPORTER_OTLP_%s_%s", metrics ? "METRICS" : "TRACES", rest);
	snprintf(both, sizeof both, "OTEL_EXPORTER_OTLP_%s", rest);
	return env(t, own, env(t, both, otherwise));
}

static bool set_file(char to[512], const char *path)
{
	return snprintf(to, 512, "%s", path) < 512 && (!*path || access(path, R_OK) == 0);
}

/* Files are the gateway's: whoever has an address of his own is not let at them. */
static const char *read_way(struct export_target *t, bool metrics)
{
	static const char *const packed[] = { "gzip", NULL }, *const plain[] = { "", "none", NULL };
	const char *how = env_of(t, metrics, "COMPRESSION", "");
	t->is_packed = is_one_of(how, packed);
	if (!t->is_packed && !is_one_of(how, plain))
		return "OTEL_EXPORTER_OTLP_COMPRESSION (it is neither gzip nor none)";
	if (t->vars)
		return NULL;
	if (!set_file(t->authority, env_of(t, metrics, "CERTIFICATE", "")))
		return "OTEL_EXPORTER_OTLP_CERTIFICATE (the file cannot be read)";
	if (!set_file(t->certificate, env_of(t, metrics, "CLIENT_CERTIFICATE", "")))
		return "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE (the file cannot be read)";
	if (!set_file(t->key, env_of(t, metrics, "CLIENT_KEY", "")))
		return "OTEL_EXPORTER_OTLP_CLIENT_KEY (the file cannot be read)";
	return NULL;
}

const char *export_read_otlp(struct export_target *t, bool metrics)
{
	const char *whole = env(t, metrics ? "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
					: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", NULL);
	const char *path = metrics ? "/v1/metrics" : "/v1/traces";
	const char *base = env2(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENDPOINT");
	const char *off = env(t, "OTEL_SDK_DISABLED", "");
	if (str_eq_nocase(str_z(off), STR("true")))
		return "OTEL_SDK_DISABLED (it is true)";
	const char *unspoken = read_protocol(t, metrics);
	if (!unspoken)
		unspoken = read_way(t, metrics);
	if (unspoken)
		return unspoken;
	if (!base)
		base = "http://localhost:4318";
	struct str start = str_z(base);
	if (!whole && str_ends(start, STR("/v1/traces")))	/* a base that is too much */
		start.n -= strlen("/v1/traces");
	bool fits = whole ? set_url(t, whole, "") : set_url_str(t, start, path);
	if (!fits)
		return "OTEL_EXPORTER_OTLP_ENDPOINT (it is too long)";
	add_headers(t, env(t, metrics ? "OTEL_EXPORTER_OTLP_METRICS_HEADERS"
				   : "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
			   env2(t, "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_HEADERS")));
	snprintf(t->service, sizeof t->service, "%s", env(t, "OTEL_SERVICE_NAME", "llmgw"));
	t->has_service = env(t, "OTEL_SERVICE_NAME", NULL) != NULL;
	t->timeout_ms = count(t, metrics ? "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT"
					 : "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
			      count(t, "OTEL_EXPORTER_OTLP_TIMEOUT", 0));
	t->records = (unsigned)count(t, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 0);
	t->queued = (unsigned)count(t, "OTEL_BSP_MAX_QUEUE_SIZE", 0);
	snprintf(t->environment, sizeof t->environment, "%s", env(t, "OTEL_ENVIRONMENT_NAME", ""));
	snprintf(t->attributes, sizeof t->attributes, "%s", env(t, "OTEL_RESOURCE_ATTRIBUTES", ""));
	read_host(t);
	read_wait(t, metrics ? "OTEL_METRIC_EXPORT_INTERVAL" : "OTEL_BSP_SCHEDULE_DELAY", 1);
	if (metrics && !env(t, "OTEL_METRIC_EXPORT_INTERVAL", NULL))
		t->wait_ms = METRICS_WAIT_MS;
	return NULL;
}

static const char *read_otel(const struct config *c, struct export_target *t)
{
	(void)c;
	return export_read_otlp(t, false);
}

static const char *read_generic(const struct config *c, struct export_target *t)
{
	const char *url = env(t, "GENERIC_LOGGER_ENDPOINT", NULL);
	if (!url || !set_url(t, url, ""))
		return "GENERIC_LOGGER_ENDPOINT";
	/* Secrets, as those of GENERIC_LOGGER_HEADERS: not for an address of somebody's own. */
	for (size_t i = 0; c && !t->vars && i < c->generic_headers.n; i++)
		export_add_header(t, c->generic_headers.v[i].name, c->generic_headers.v[i].value);
	add_headers(t, env(t, "GENERIC_LOGGER_HEADERS", NULL));
	export_read_flush(t);
	return NULL;
}

static const char *read_langfuse_at(struct export_target *t, const char *path)
{
	const char *public = env(t, "LANGFUSE_PUBLIC_KEY", NULL);
	const char *secret = env2(t, "LANGFUSE_SECRET_KEY", "LANGFUSE_SECRET");
	const char *host = env2(t, "LANGFUSE_HOST", "LANGFUSE_BASE_URL");
	char pair[512], value[800] = "Basic ";
	if (!public || !secret)
		return public ? "LANGFUSE_SECRET_KEY" : "LANGFUSE_PUBLIC_KEY";
	int n = snprintf(pair, sizeof pair, "%s:%s", public, secret);
	bool ok = n > 0 && n < (int)sizeof pair &&
		  hash_base64(value + 6, sizeof value - 6, str_of(pair, (size_t)n)) &&
		  set_url(t, host ? host : "https://cloud.langfuse.com", path) &&
		  export_add_header(t, STR("Authorization"), str_z(value));
	mem_wipe(pair, sizeof pair);
	mem_wipe(value, sizeof value);
	snprintf(t->environment, sizeof t->environment, "%s",
		 env(t, "LANGFUSE_TRACING_ENVIRONMENT", ""));
	export_read_flush(t);
	return ok ? NULL : "LANGFUSE_HOST (or a key is too long)";
}

static const char *read_langfuse(const struct config *c, struct export_target *t)
{
	(void)c;
	return read_langfuse_at(t, "/api/public/ingestion");
}

static const char *read_langfuse_otel(const struct config *c, struct export_target *t)
{
	(void)c;
	t->is_langfuse = true;
	snprintf(t->service, sizeof t->service, "%s", env(t, "OTEL_SERVICE_NAME", "llmgw"));
	t->has_service = env(t, "OTEL_SERVICE_NAME", NULL) != NULL;
	read_host(t);
	return read_langfuse_at(t, "/api/public/otel/v1/traces");
}

/* A webhook whose address is a variable, and the token with it another. */
static const char *read_webhook(struct export_target *t, const char *url, const char *token)
{
	const char *at = env(t, url, NULL), *key = token ? env(t, token, NULL) : NULL;
	char value[512] = "";
	if (!at || !set_url(t, at, ""))
		return url;
	if (token && !key)
		return token;
	int n = key ? snprintf(value, sizeof value, "Bearer %s", key) : 0;
	bool ok = n < (int)sizeof value &&
		  (!key || export_add_header(t, STR("Authorization"), str_z(value)));
	mem_wipe(value, sizeof value);
	export_read_flush(t);
	return ok ? NULL : token;
}

static const char *read_rubrik(const struct config *c, struct export_target *t)
{
	(void)c;
	return read_webhook(t, "RUBRIK_WEBHOOK_URL", "RUBRIK_API_KEY");
}

static const char *read_sumologic(const struct config *c, struct export_target *t)
{
	(void)c;
	return read_webhook(t, "SUMOLOGIC_WEBHOOK_URL", NULL);
}

static const char *read_datadog_at(struct export_target *t, const char *before, const char *path)
{
	const char *key = env(t, "DD_API_KEY", NULL), *site = env(t, "DD_SITE", NULL);
	const char *base = env2(t, "DD_BASE_URL", "DATADOG_BASE_URL");
	char host[256];
	if (!key || (!site && !base))
		return key ? "DD_SITE" : "DD_API_KEY";
	snprintf(host, sizeof host, "https://%s%s", before, site ? site : "");
	if (!export_add_header(t, STR("DD-API-KEY"), str_z(key)) ||
	    !set_url(t, base ? base : host, path))
		return "DD_API_KEY (it is no key)";
	snprintf(t->service, sizeof t->service, "%s", env(t, "DD_SERVICE", "llmgw"));
	snprintf(t->source, sizeof t->source, "%s", env(t, "DD_SOURCE", "llmgw"));
	snprintf(t->environment, sizeof t->environment, "%s", env(t, "DD_ENV", "unknown"));
	snprintf(t->version, sizeof t->version, "%s", env(t, "DD_VERSION", LLMGW_VERSION));
	snprintf(t->pod, sizeof t->pod, "%s", env(t, "POD_NAME", "unknown"));
	snprintf(t->app, sizeof t->app, "%s", env(t, "DD_LLMOBS_ML_APP", t->service));
	read_host(t);
	export_read_flush(t);
	return NULL;
}

static const char *read_datadog(const struct config *c, struct export_target *t)
{
	(void)c;
	return read_datadog_at(t, "http-intake.logs.", "/api/v2/logs");
}

static const char *read_datadog_llm(const struct config *c, struct export_target *t)
{
	(void)c;
	return read_datadog_at(t, "api.", "/api/intake/llm-obs/v1/trace/spans");
}

static void begin_array(const struct export_target *t, struct buf *to)
{
	(void)t;
	BUF_PUT_LIT(to, "[");
}

static void begin_langfuse(const struct export_target *t, struct buf *to)
{
	(void)t;
	BUF_PUT_LIT(to, "{\"batch\":[");
}

static void put_generic(const struct export_target *t, const struct export_view *v,
			struct buf *to)
{
	struct json_out o = json_out(to);
	(void)t;
	export_put_payload(&o, NULL, v);
}

static const char *read_langsmith(const struct config *c, struct export_target *t)
{
	const char *key = env(t, "LANGSMITH_API_KEY", NULL);
	(void)c;
	if (!key)
		return "LANGSMITH_API_KEY";
	if (!export_add_header(t, STR("x-api-key"), str_z(key)) ||
	    !set_url(t, env(t, "LANGSMITH_BASE_URL", "https://api.smith.langchain.com"),
		     "/runs/batch"))
		return "LANGSMITH_BASE_URL (or the key is none)";
	snprintf(t->project, sizeof t->project, "%s",
		 env(t, "LANGSMITH_PROJECT", "litellm-completion"));
	snprintf(t->service, sizeof t->service, "%s",
		 env(t, "LANGSMITH_DEFAULT_RUN_NAME", "LLMRun"));
	export_read_flush(t);
	return NULL;
}

static const char *read_s3(const struct config *c, struct export_target *t)
{
	export_read_flush(t);
	return export_read_s3(c, t);
}

static const char *read_sqs(const struct config *c, struct export_target *t)
{
	export_read_flush(t);
	return export_read_sqs(c, t);
}

static const char *read_helicone(const struct config *c, struct export_target *t)
{
	const char *key = env(t, "HELICONE_API_KEY", NULL);
	char value[512] = "";
	(void)c;
	if (!key)
		return "HELICONE_API_KEY";
	int n = snprintf(value, sizeof value, "Bearer %s", key);
	bool ok = n < (int)sizeof value &&
		  export_add_header(t, STR("Authorization"), str_z(value)) &&
		  set_url(t, env(t, "HELICONE_API_BASE", "https://api.hconeai.com"),
			  "/custom/v1/log");
	mem_wipe(value, sizeof value);
	export_read_flush(t);
	return ok ? NULL : "HELICONE_API_BASE (or the key is none)";
}

static const char *read_slack(const struct config *c, struct export_target *t)
{
	const char *url = env(t, "SLACK_WEBHOOK_URL", NULL);
	(void)c;
	if (!url || !set_url(t, url, ""))
		return "SLACK_WEBHOOK_URL";
	read_host(t);
	export_read_flush(t);
	return NULL;
}

static const char *read_gcs(const struct config *c, struct export_target *t)
{
	export_read_flush(t);
	return export_read_gcs(c, t);
}

static void begin_nothing(const struct export_target *t, struct buf *to)
{
	(void)t;
	(void)to;
}

static void begin_langsmith(const struct export_target *t, struct buf *to)
{
	(void)t;
	BUF_PUT_LIT(to, "{\"post\":[");
}

/* One object a batch, a payload on each line of it. */
#define S3_ROW(name, read)                                                                        \
	{                                                                                         \
		name, read, begin_nothing, put_generic, "\n", "\n", 512, false,                \
			"standard logging payloads as objects in S3, or who takes the same",     \
			"PUT", "application/x-ndjson", export_address_s3, 0, 0, NULL, false, true     \
	}
/* Ten messages and 256 KiB are what SQS takes of a call; a message's quotes are counted escaped
 * here, which errs on the safe side. */
#define SQS_ROW(name)                                                                             \
	{                                                                                         \
		name, read_sqs, export_begin_sqs, export_put_sqs, ",", "]}", 512, false,          \
			"standard logging payloads as messages for SQS", NULL,                    \
			"application/x-amz-json-1.0", export_address_sqs, 10, 256 << 10,          \
			export_judge_sqs, false, true                                             \
	}
/* What most have none of. */
#define NOTHING_MORE NULL, NULL, NULL, 0, 0, NULL, false

const struct export_row export_rows[EXPORT_KINDS] = {
	[EXPORT_OTEL] = { "otel", read_otel, export_begin_otlp, export_put_otlp, ",", "]}]}]}",
			  512, true, "OpenTelemetry traces by OTLP/HTTP in JSON", NOTHING_MORE, false },
	[EXPORT_GENERIC] = { "generic_api", read_generic, begin_array, put_generic, ",", "]", 512,
			     false, "a JSON array of standard logging payloads", NOTHING_MORE, true },
	[EXPORT_LANGFUSE] = { "langfuse", read_langfuse, begin_langfuse, export_put_langfuse, ",",
			      "]}", 256, false, "traces and generations for Langfuse", NOTHING_MORE, true },
	[EXPORT_DATADOG] = { "datadog", read_datadog, begin_array, export_put_datadog, ",", "]",
			     512, false, "logs for Datadog", NOTHING_MORE, true },
	[EXPORT_LANGSMITH] = { "langsmith", read_langsmith, begin_langsmith, export_put_langsmith,
			       ",", "]}", 256, false, "runs for LangSmith", NOTHING_MORE, true },
	[EXPORT_S3] = S3_ROW("s3", read_s3),
	[EXPORT_S3_V2] = S3_ROW("s3_v2", read_s3),
	[EXPORT_SQS] = SQS_ROW("sqs"),
	[EXPORT_AWS_SQS] = SQS_ROW("aws_sqs"),
	[EXPORT_HELICONE] = { "helicone", read_helicone, begin_nothing, export_put_helicone, "",
			      "", 256, false, "requests for Helicone's log, one a call", NULL, NULL,
			      NULL, 1, SIZE_MAX, NULL, false, true },
	[EXPORT_SLACK] = { "slack", read_slack, export_begin_slack, export_put_slack, "\\n", "\"}",
			   256, false, "lines for Slack about requests that failed", NULL, NULL,
			   NULL, 20, 32 << 10, NULL, true, false },
	[EXPORT_GCS] = S3_ROW("gcs", read_gcs),
	[EXPORT_GCS_BUCKET] = S3_ROW("gcs_bucket", read_gcs),
	[EXPORT_DATADOG_LLM] = { "datadog_llm_observability", read_datadog_llm,
				 export_begin_datadog_llm, export_put_datadog_llm, ",", "]}}}", 256,
				 false, "spans for Datadog's LLM Observability", NOTHING_MORE, true },
	[EXPORT_LANGFUSE_OTEL] = { "langfuse_otel", read_langfuse_otel, export_begin_otlp,
				   export_put_otlp, ",", "]}]}]}", 256, false,
				   "OpenTelemetry traces for Langfuse", NOTHING_MORE, true },
	[EXPORT_RUBRIK] = { "rubrik", read_rubrik, begin_array, put_generic, ",", "]", 512, false,
			    "standard logging payloads for Rubrik", NOTHING_MORE, true },
	[EXPORT_SUMOLOGIC] = { "sumologic", read_sumologic, begin_nothing, put_generic, "\n", "",
			       512, false, "standard logging payloads for Sumo Logic, one a line",
			       NOTHING_MORE, true },
};

/* The row of generic_api, but for how records become a call. */
#define FORMAT(between, end, begin, calls)                                                        \
	{                                                                                         \
		"generic_api", read_generic, begin, put_generic, between, end, 512, false,        \
			"a webhook of callback_settings", NULL, NULL, NULL, calls,                \
			calls ? SIZE_MAX : 0, NULL, false, true                                   \
	}
const struct export_row export_formats[HOOK_FORMATS] = {
	[HOOK_ARRAY] = FORMAT(",", "]", begin_array, 0),
	[HOOK_LINES] = FORMAT("\n", "", begin_nothing, 0),
	[HOOK_SINGLE] = FORMAT("", "", begin_nothing, 1),
};

unsigned export_kind_of(const struct export_row *row)
{
	for (unsigned i = 0; i < EXPORT_KINDS; i++)
		if (row == &export_rows[i])
			return i;
	return EXPORT_GENERIC;
}

int export_row_find(struct str name)
{
	for (unsigned i = 0; i < EXPORT_KINDS; i++)
		if (str_eq_nocase(name, str_z(export_rows[i].name)))
			return (int)i;
	return -1;
}

bool export_wants_texts(const struct config *c, unsigned kind)
{
	return c->export_texts >> kind & 1;
}

bool export_may_want_texts(unsigned kind)
{
	return export_rows[kind].has_texts || kind == EXPORT_OTEL;
}

bool export_read_sampler(const char *sampler, const char *argument, uint32_t *ret_flags,
			 uint64_t *ret_share)
{
	const uint64_t all = UINT64_C(1) << 63;
	struct str s = str_z(sampler && *sampler ? sampler : "parentbased_always_on");
	double share = 1;
	uint32_t flags = TRACE_ON;
	if (str_starts(s, STR("parentbased_"))) {
		flags |= TRACE_BY_PARENT;
		s = str_skip(s, 12);
	}
	if (str_eq(s, STR("always_off")))
		share = 0;
	else if (str_eq(s, STR("traceidratio"))) {
		if (argument && *argument &&
		    (str_read_double(str_z(argument), &share) < 0 || share < 0 || share > 1))
			return false;
	} else if (!str_eq(s, STR("always_on"))) {
		return false;
	}
	*ret_flags = flags;
	*ret_share = share >= 1 ? all : (uint64_t)(share * (double)all);
	return true;
}
