/* SPDX-License-Identifier: MIT
 * otlp.c - see otlp.h. */
#include "master/otlp.h"

#include <stdio.h>

#include "common/journal.h"

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

void otlp_put_text(struct json_out *o, const char *name, struct str s)
{
	if (!s.n)
		return;
	open_attribute(o, name);
	json_put_str(o, "stringValue", s);
	close_attribute(o);
}

static void put_integer(struct json_out *o, const char *name, const char *text)
{
	open_attribute(o, name);
	json_put_z(o, "intValue", text);
	close_attribute(o);
}

void otlp_put_number(struct json_out *o, const char *name, uint64_t v)
{
	char text[21];
	snprintf(text, sizeof text, "%llu", (unsigned long long)v);
	put_integer(o, name, text);
}

void otlp_put_signed(struct json_out *o, const char *name, int64_t v)
{
	char text[21];
	snprintf(text, sizeof text, "%lld", (long long)v);
	put_integer(o, name, text);
}

void otlp_put_double(struct json_out *o, const char *name, double v)
{
	open_attribute(o, name);
	json_put_double(o, "doubleValue", v);
	close_attribute(o);
}

void otlp_put_bool(struct json_out *o, const char *name, bool v)
{
	open_attribute(o, name);
	json_put_bool(o, "boolValue", v);
	close_attribute(o);
}

void otlp_put_texts(struct json_out *o, const char *name, const struct str *v, size_t n)
{
	if (!n)
		return;
	open_attribute(o, name);
	json_open(o, "arrayValue");
	json_open_array(o, "values");
	for (size_t i = 0; i < n; i++) {
		json_open(o, NULL);
		json_put_str(o, "stringValue", v[i]);
		json_close(o);
	}
	json_close_array(o);
	json_close(o);
	close_attribute(o);
}

/* ---- the resource: who it is that tells ------------------------------------------------------ */

enum { NAME_MAX_BYTES = 128, RESOURCE_MAX = 32 };

/* "name=value,..." of OTEL_RESOURCE_ATTRIBUTES: the next one, its value still percent-encoded. */
static bool next_given(struct str *rest, struct str *name, struct str *value)
{
	while (rest->n) {
		*value = str_trim(str_cut(rest, ','));
		*name = str_trim(str_cut(value, '='));
		*value = str_trim(*value);
		if (name->n && name->n < NAME_MAX_BYTES)
			return true;
	}
	return false;
}

static bool is_given(const struct export_target *t, struct str wanted)
{
	struct str rest = str_z(t->attributes), name, value;
	while (next_given(&rest, &name, &value))
		if (str_eq(name, wanted))
			return true;
	return false;
}

/* What the operator says of it goes before what we know; the service's own variable before both. */
static void put_ours(struct json_out *o, const struct export_target *t)
{
	const struct {
		const char *name;
		struct str value;
		bool is_fixed;
	} ours[] = {
		{ "service.name", str_z(t->service), t->has_service },
		{ "service.version", STR(LLMGW_VERSION), false },
		{ "host.name", str_z(t->host), false },
		{ "deployment.environment.name", str_z(t->environment), false },
	};
	for (size_t i = 0; i < COUNT(ours); i++)
		if (ours[i].is_fixed || !is_given(t, str_z(ours[i].name)))
			otlp_put_text(o, ours[i].name, ours[i].value);
}

void otlp_put_resource(struct buf *to, const struct export_target *t)
{
	struct json_out o = json_out(to);
	struct str rest = str_z(t->attributes), name, value, seen[RESOURCE_MAX];
	char text[NAME_MAX_BYTES], plain[sizeof t->attributes];
	size_t n = 0;
	json_open(&o, NULL);
	json_open_array(&o, "attributes");
	put_ours(&o, t);
	while (n < RESOURCE_MAX && next_given(&rest, &name, &value)) {
		bool is_double = t->has_service && str_eq(name, STR("service.name"));
		for (size_t i = 0; i < n; i++)
			is_double |= str_eq(seen[i], name);
		if (is_double)
			continue;
		seen[n++] = name;
		snprintf(text, sizeof text, STR_FMT, STR_ARG(name));
		otlp_put_text(&o, text,
			      str_of(plain, export_decode(value, plain, sizeof plain)));
	}
	json_close_array(&o);
	json_close(&o);
}

/* ---- names of the conventions --------------------------------------------------------------- */

const char *otlp_operation(uint8_t call)
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

struct str otlp_provider(struct str ours)
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
