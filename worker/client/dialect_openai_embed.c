/* SPDX-License-Identifier: MIT
 * dialect_openai_embed.c - POST /v1/embeddings.
 *
 * Clients like to ask for base64 (the vector as little-endian float32), which few providers
 * know; the long way makes it from the numbers. */
#include <errno.h>

#include "worker/client/dialect_openai.h"
#include "worker/client/vector.h"

static int read_encoding(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	struct str *s = to;
	int err = oai_read_string(r, at, j, s);
	if (!err && !str_eq(*s, STR("float")) && !str_eq(*s, STR("base64")))
		return oai_refuse(r, at, "must be \"float\" or \"base64\"");
	return err;
}

#define TO(member) offsetof(struct llm_request, member)

static const struct oai_param params[] = {
	{ "input", oai_read_inputs, 0 },
	{ "encoding_format", read_encoding, TO(encoding_format) },
	{ "dimensions", oai_read_count, TO(dimensions) },
	{ NULL, NULL, 0 },
};

static int read_request(struct arena *a, struct str body, const struct json *root,
			struct llm_request *ret, struct dialect_error *reterr)
{
	static const struct place input = { .name = "input" };
	struct oai_reading r;
	oai_begin(&r, a, body, root, LLM_EMBED, ret, reterr);
	int err = oai_read_members(&r, root, params);
	ret->is_stream = false;
	if (!err && !ret->inputs)
		return oai_refuse(&r, &input, "is missing");
	return err;
}

/* --- answers --- */

static int put_vector(const struct dialect_answer *an, struct json_out *o,
		      const struct collected_choice *c)
{
	bool is_list = c->vector.n && c->vector.p[0] == '[';
	struct str vector = c->vector;
	int err = 0;
	if (is_list && str_eq(an->q->encoding_format, STR("base64"))) {
		err = vector_base64(an->mem, c->vector, &vector);
		is_list = false;
	}
	if (err)
		return err;
	json_open(o, NULL);
	json_put_z(o, "object", "embedding");
	json_put_u64(o, "index", c->index);
	if (is_list)
		json_put_raw(o, "embedding", vector);
	else
		json_put_str(o, "embedding", vector);
	json_close(o);
	return 0;
}

/* OpenAI's own answers have none; Mistral's clients do not take one without it. */
static struct str answer_id(const struct dialect_answer *an)
{
	struct str id = an->id;
	if (str_starts(id, STR("cmpl-")))
		id = str_skip(id, 5);
	return arena_printf(an->mem, "embd-" STR_FMT, STR_ARG(id));
}

static int write_answer(struct dialect_answer *an, struct buf *out)
{
	struct json_out o = json_out(out);
	struct str id = answer_id(an);
	if (!id.p)
		return -ENOMEM;
	json_open(&o, NULL);
	json_put_str(&o, "id", id);
	json_put_z(&o, "object", "list");
	json_open_array(&o, "data");
	for (const struct collected_choice *c = collected(an)->choices; c; c = c->next) {
		int err = c->vector.p ? put_vector(an, &o, c) : 0;
		if (err)
			return err;
	}
	json_close_array(&o);
	json_put_str(&o, "model", an->model);
	oai_put_usage(an, &o);
	json_close(&o);
	return 0;
}

const struct dialect dialect_openai_embed = {
	.name = "openai.embed",
	.kind = LLM_EMBED,
	.twin = FAMILY_OPENAI,
	.read_request = read_request,
	.collect = collect_event,
	.write_answer = write_answer,
	.forward_request = oai_forward_request,
	.forward_answer = oai_forward_answer,
	.write_error = oai_write_error,
	.stream_type = "text/event-stream",
};
