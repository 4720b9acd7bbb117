/* SPDX-License-Identifier: MIT
 * export_payload.h - members of LiteLLM's standard logging payload that others want as well, each
 * under the name given, and its list of fields, of which the configuration may leave some out. */
#ifndef EXPORT_PAYLOAD_H
#define EXPORT_PAYLOAD_H

#include "common/json.h"
#include "master/export_rows.h"

/* Null where there is none. */
void payload_put_text(struct json_out *o, const char *key, const struct record *r,
		      enum record_text which);
void payload_put_hex(struct json_out *o, const char *key, const void *p, size_t n);
/* The answer's own id, where the answer is told, as LiteLLM has it; else the request's. */
struct str payload_id(const struct export_view *v);
/* What its client says that it belongs to; .n 0: nothing. */
struct str payload_session(const struct export_view *v);
/* The i-th of its tags, those of the client's User-Agent behind its own, as LiteLLM has them: a
 * text in *room, or a slice. .p NULL: there is none. */
struct payload_tag {
	char text[128];
};
struct str payload_tag(const struct export_view *v, size_t i, struct payload_tag *room);
void payload_put_tags(struct json_out *o, const char *key, const struct export_view *v);
/* LiteLLM's name for how it failed: "RateLimitError". */
const char *payload_error_class(const struct record *r);
/* What its body says under `metadata`, where that is told; NULL: nothing, or it is no object. */
const struct json *payload_body_metadata(const struct export_view *v);
/* The name that a client's team goes by: its alias, or its id. */
struct str payload_team(const struct export_view *v);
void payload_put_metadata(struct json_out *o, const char *key, const struct export_view *v);
void payload_put_parameters(struct json_out *o, const char *key, const struct export_view *v);
void payload_put_attempts(struct json_out *o, const char *key, const struct export_view *v);

/* The bit in export_view.left_out of a field of that name; 0: there is none. */
uint64_t payload_field(struct str name);

#endif
