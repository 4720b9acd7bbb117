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

void otlp_put_number(struct json_out *o, const char *name, uint64_t v)
{
	char text[21];
	snprintf(text, sizeof text, "%llu", (unsigned long long)v);
	open_attribute(o, name);
	json_put_z(o, "intValue", text);
	close_attribute(o);
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

void otlp_put_resource(struct buf *to, const struct export_target *t)
{
	struct json_out o = json_out(to);
	struct str rest = str_z(t->attributes);
	char name[128];
	json_open(&o, NULL);
	json_open_array(&o, "attributes");
	otlp_put_text(&o, "service.name", str_z(t->service));
	otlp_put_text(&o, "service.version", STR(LLMGW_VERSION));
	otlp_put_text(&o, "host.name", str_z(t->host));
	otlp_put_text(&o, "deployment.environment.name", str_z(t->environment));
	while (rest.n) {
		struct str value = str_trim(str_cut(&rest, ',')), key = str_cut(&value, '=');
		if (!key.n || key.n >= sizeof name || str_eq(key, STR("service.name")))
			continue;
		snprintf(name, sizeof name, STR_FMT, STR_ARG(key));
		otlp_put_text(&o, name, value);
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
