/* SPDX-License-Identifier: MIT
 * structured.c - answers held to the schema that was asked for.
 *
 * Only plain ones: of a stream the client has all but the last byte when it is known whether it
 * fits. As with LiteLLM the first choice counts; a refusal or a call of a tool is no text. */
#include "worker/exchange/structured.h"

#include <errno.h>

#include "worker/schema.h"

static bool wants_check(const struct request *r)
{
	return snap_settings(r->snap)->flags & SET_CHECK_SCHEMA && !r->q.is_stream &&
	       r->q.format == FORMAT_SCHEMA && r->q.format_schema.p;
}

struct buf *structured_room(const struct request *r)
{
	const struct snap_settings *s = snap_settings(r->snap);
	if (!r->silent && !wants_check(r))
		return NULL;
	struct buf *b = arena_alloc(r->mem, sizeof *b);
	if (b)
		buf_init(b, s->request_memory_max);
	return b;
}

static struct str tell(const struct request *r, struct str at, struct str what)
{
	struct str s = arena_printf(r->mem,
				    "litellm.JSONSchemaValidationError: model=" STR_FMT
				    ", returned an invalid response: " STR_FMT "%s" STR_FMT,
				    STR_ARG(r->requested_model), STR_ARG(at), at.n ? " " : "it ",
				    STR_ARG(what));
	return s.p ? s : STR("litellm.JSONSchemaValidationError: returned an invalid response");
}

struct str structured_misfit(const struct request *r, const struct buf *text)
{
	struct schema_fault f = { .at = STR("") };
	struct json_error e;
	if (!text || (!text->n && !text->failed) || !wants_check(r))
		return STR_NONE;
	const struct json *schema = json_parse(r->mem, r->q.format_schema, 0, &e);
	if (!schema)
		return STR_NONE;	/* the provider took it: it knows what it is */
	struct str bytes = text->failed ? STR_NONE : arena_dup(r->mem, buf_str(text));
	const struct json *value = bytes.p ? json_parse(r->mem, bytes, 0, &e) : NULL;
	if (!value)
		return tell(r, STR(""), STR("is no JSON"));
	int err = schema_validate(r->mem, schema, value, &f);
	if (err == -ELOOP)
		f.what = STR("takes too much work to be checked against this schema");
	else if (err == -ENOMEM)
		f.what = STR("takes too much memory to be checked");
	return err ? tell(r, f.at, f.what) : STR_NONE;
}
