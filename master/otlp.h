/* SPDX-License-Identifier: MIT
 * otlp.h - what traces and metrics share of the JSON of OTLP/HTTP.
 *
 * Ids are hexadecimal there, enums are numbers, and 64-bit integers are strings. Attributes are
 * those of the semantic conventions for generative AI; what these have no name for is below
 * "llmgw.". */
#ifndef OTLP_H
#define OTLP_H

#include "master/export_rows.h"

#define OTLP_SCOPE "{\"name\":\"llmgw\",\"version\":\"" LLMGW_VERSION "\"}"

/* One attribute, inside a list of them. An empty text is left out. */
void otlp_put_text(struct json_out *o, const char *name, struct str s);
void otlp_put_number(struct json_out *o, const char *name, uint64_t v);
void otlp_put_signed(struct json_out *o, const char *name, int64_t v);
void otlp_put_double(struct json_out *o, const char *name, double v);
/* A list of strings; nothing where there are none. */
void otlp_put_texts(struct json_out *o, const char *name, const struct str *v, size_t n);
void otlp_put_bool(struct json_out *o, const char *name, bool v);
/* Who tells: {"attributes": [...]}. */
void otlp_put_resource(struct buf *to, const struct export_target *t);
/* gen_ai.operation.name of an enum journal_call, gen_ai.provider.name of our name. */
const char *otlp_operation(uint8_t call);
struct str otlp_provider(struct str ours);

#endif
