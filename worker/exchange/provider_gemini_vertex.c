/* SPDX-License-Identifier: MIT
 * provider_gemini_vertex.c - embeddings on Vertex AI: instances and predictions, where Gemini's own
 * site has requests and embeddings; the newest models take one content a call. */
#include "worker/exchange/provider_gemini.h"

bool gemini_vertex_embeds_one(struct str model)
{
	return str_starts(model, STR("gemini-embedding-")) &&
	       !str_starts(model, STR("gemini-embedding-001"));
}

static void put_optional(struct gemini_writing *w, const char *camel, const char *name)
{
	struct str json = gemini_task_of(w, camel);
	if (json.p)
		json_put_raw(&w->o, name, json);
}

static int put_one(struct gemini_writing *w)
{
	struct json_out *o = &w->o;
	if (w->q->n_inputs != 1)
		return gemini_refuse(w, OUTCOME_BAD_REQUEST, "input",
				     "input must be one string: this model takes no list");
	json_open(o, NULL);
	json_open(o, "content");
	json_open_array(o, "parts");
	json_open(o, NULL);
	json_put_str(o, "text", w->q->inputs[0]);
	json_close(o);
	json_close_array(o);
	json_close(o);
	put_optional(w, "taskType", "taskType");
	put_optional(w, "title", "title");
	if (w->q->dimensions)
		json_put_u64(o, "outputDimensionality", w->q->dimensions);
	json_close(o);
	return 0;
}

static void put_parameters(struct gemini_writing *w)
{
	struct json_out *o = &w->o;
	json_open(o, "parameters");
	if (w->q->dimensions)
		json_put_u64(o, "outputDimensionality", w->q->dimensions);
	for (const struct llm_other *m = w->q->other; m; m = m->next)
		if (gemini_is(m->name, "autoTruncate"))
			json_put_raw(o, "autoTruncate", m->json);
	json_close(o);
}

int gemini_put_vertex_embed(struct gemini_writing *w)
{
	struct json_out *o = &w->o;
	if (gemini_vertex_embeds_one(w->target->model))
		return put_one(w);
	json_open(o, NULL);
	json_open_array(o, "instances");
	for (unsigned i = 0; i < w->q->n_inputs; i++) {
		json_open(o, NULL);
		json_put_str(o, "content", w->q->inputs[i]);
		put_optional(w, "taskType", "task_type");
		put_optional(w, "title", "title");
		json_close(o);
	}
	json_close_array(o);
	put_parameters(w);
	json_close(o);
	return 0;
}
