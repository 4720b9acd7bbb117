/* SPDX-License-Identifier: MIT
 * dialect_ollama_embed.c - POST /api/embed, for one text or several, and the older
 * /api/embeddings, for one. */
#include <errno.h>

#include "worker/client/dialect_ollama.h"

#define TO(member) offsetof(struct llm_request, member)

static const struct oai_param params[] = {
	{ "input", oai_read_inputs, 0 },
	{ "dimensions", oai_read_count, TO(dimensions) },
	{ "truncate", oai_other_flag, 0 },
	{ "options", olm_read_options, 0 },
	{ NULL, NULL, 0 },
};
static const struct oai_param old_params[] = {
	{ "prompt", oai_read_inputs, 0 },
	{ "options", olm_read_options, 0 },
	{ NULL, NULL, 0 },
};

static int read_request(struct arena *a, struct str body, const struct json *root, bool is_old,
			struct llm_request *ret, struct dialect_error *reterr)
{
	struct place input = { .name = is_old ? "prompt" : "input" };
	struct olm_reading o;
	olm_begin(&o, a, body, root, LLM_EMBED, ret, reterr);
	int err = oai_read_members(&o.r, root, is_old ? old_params : params);
	ret->is_stream = false;
	if (!err && !ret->inputs)
		return oai_refuse(&o.r, &input, "is missing");
	if (!err && ret->inputs_are_tokens)
		return oai_refuse(&o.r, &input, "must be text, not tokens");
	if (!err && is_old && ret->n_inputs > 1)
		return oai_refuse(&o.r, &input, "must be one string");
	return err;
}

static int read_embed(struct arena *a, struct str body, const struct json *root,
		      struct llm_request *ret, struct dialect_error *reterr)
{
	return read_request(a, body, root, false, ret, reterr);
}

static int read_embeddings(struct arena *a, struct str body, const struct json *root,
			   struct llm_request *ret, struct dialect_error *reterr)
{
	return read_request(a, body, root, true, ret, reterr);
}

/* Base64 was not asked for. */
static bool is_list(const struct collected_choice *c)
{
	return c && c->vector.n && c->vector.p[0] == '[';
}

static int write_embed(struct dialect_answer *an, struct buf *out)
{
	struct json_out o = json_out(out);
	json_open(&o, NULL);
	json_put_str(&o, "model", an->model);
	json_open_array(&o, "embeddings");
	for (const struct collected_choice *c = collected(an)->choices; c; c = c->next) {
		if (!is_list(c))
			return -EINVAL;
		json_put_raw(&o, NULL, c->vector);
	}
	json_close_array(&o);
	olm_put_figures(an, &o);
	json_close(&o);
	return 0;
}

static int write_embeddings(struct dialect_answer *an, struct buf *out)
{
	const struct collected_choice *c = collected(an)->choices;
	struct json_out o = json_out(out);
	if (!is_list(c))
		return -EINVAL;
	json_open(&o, NULL);
	json_put_raw(&o, "embedding", c->vector);
	json_close(&o);
	return 0;
}

const struct dialect dialect_ollama_embed = {
	.name = "ollama.embed",
	.kind = LLM_EMBED,
	.twin = FAMILY_COUNT,
	.read_request = read_embed,
	.collect = collect_event,
	.write_answer = write_embed,
	.write_error = olm_write_error,
	.stream_type = "application/x-ndjson",
};

const struct dialect dialect_ollama_embeddings = {
	.name = "ollama.embeddings",
	.kind = LLM_EMBED,
	.twin = FAMILY_COUNT,
	.read_request = read_embeddings,
	.collect = collect_event,
	.write_answer = write_embeddings,
	.write_error = olm_write_error,
	.stream_type = "application/x-ndjson",
};
