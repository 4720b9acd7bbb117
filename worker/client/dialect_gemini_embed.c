/* SPDX-License-Identifier: MIT
 * dialect_gemini_embed.c - :embedContent, which is one text, and :batchEmbedContents. */
#include <errno.h>

#include "worker/client/dialect_gemini.h"
#include "worker/skim.h"

/* --- requests --- */

/* The parts of a content, a line each. */
struct text {
	struct buf b;
	bool has_parts;
};

static int read_part(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct text *t = to;
	struct str text = STR_NONE;
	int err = j->type == JSON_OBJECT ? 0 : oai_refuse_type(r, at, "an object", j);
	if (!err)
		err = gem_required(r, at, j, "text", oai_read_string, &text);
	if (!err && t->has_parts)
		buf_put_char(&t->b, '\n');
	t->has_parts = true;
	buf_put(&t->b, text);
	return err;
}

static int read_parts(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	return gem_read_each(r, at, j, read_part, to);
}

static int read_content(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	struct str *input = to;
	struct text t = { 0 };
	buf_init(&t.b, r->q->body.n);
	int err = j->type == JSON_OBJECT ? 0 : oai_refuse_type(r, at, "an object", j);
	if (!err)
		err = gem_required(r, at, j, "parts", read_parts, &t);
	if (!err)
		*input = t.b.failed ? STR_NONE : arena_dup(r->mem, buf_str(&t.b));
	buf_done(&t.b);
	if (err)
		return err;
	r->q->prompt_bytes += input->n;
	return input->p ? 0 : -ENOMEM;
}

/* The neutral form has one number of dimensions for all. */
static int read_dimensions(struct oai_reading *r, const struct place *at, const struct json *j,
			   void *to)
{
	uint64_t *dimensions = to, v = 0;
	int err = oai_read_count(r, at, j, &v);
	if (!err && *dimensions && *dimensions != v)
		return oai_refuse(r, at, "must be the same in all requests");
	if (!err)
		*dimensions = v;
	return err;
}

static int read_word(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct str word;
	int err = oai_read_string(r, at, j, &word);
	(void)to;
	if (err || r->q->n_inputs > 1)
		return err;
	return oai_add_other(r, "", str_z(at->name), j->raw);
}

static int read_embedding(struct oai_reading *r, const struct place *at, const struct json *j,
			  void *to)
{
	struct llm_request *q = r->q;
	(void)to;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	int err = gem_required(r, at, j, "content", read_content, &q->inputs[q->n_inputs]);
	q->n_inputs += !err;
	if (!err)
		err = gem_optional(r, at, j, "outputDimensionality", read_dimensions, &q->dimensions);
	if (!err)
		err = gem_optional(r, at, j, "taskType", read_word, NULL);
	return err ? err : gem_optional(r, at, j, "title", read_word, NULL);
}

static int take_content(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	struct llm_request *q = r->q;
	(void)to;
	q->inputs = arena_alloc(r->mem, sizeof *q->inputs);
	if (!q->inputs)
		return -ENOMEM;
	q->n_inputs = 1;
	return read_content(r, at, j, &q->inputs[0]);
}

static int take_requests(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	struct llm_request *q = r->q;
	size_t n = 0;
	gemini_first(j, &n);
	if (!n)
		return oai_refuse(r, at, "must not be empty");
	q->inputs = arena_array(r->mem, n, sizeof *q->inputs);
	return q->inputs ? gem_read_each(r, at, j, read_embedding, to) : -ENOMEM;
}

#define TO(member) offsetof(struct llm_request, member)

static const struct oai_param one_params[] = {
	{ "content", take_content, 0 },
	{ "taskType", read_word, 0 },
	{ "task_type", read_word, 0 },
	{ "title", read_word, 0 },
	{ "outputDimensionality", read_dimensions, TO(dimensions) },
	{ "output_dimensionality", read_dimensions, TO(dimensions) },
	{ NULL, NULL, 0 },
};
static const struct oai_param batch_params[] = {
	{ "requests", take_requests, 0 },
	{ NULL, NULL, 0 },
};

static int read_request(struct arena *a, struct str body, const struct json *root,
			const struct oai_param *params, struct llm_request *ret,
			struct dialect_error *reterr)
{
	const struct place must = { .name = params->name };
	struct oai_reading r;
	oai_begin(&r, a, body, root, LLM_EMBED, ret, reterr);
	ret->family = FAMILY_GEMINI;
	int err = oai_read_members(&r, root, params);
	ret->is_stream = false;
	return err || ret->inputs ? err : oai_refuse(&r, &must, "is missing");
}

static int read_one(struct arena *a, struct str body, const struct json *root,
		    struct llm_request *ret, struct dialect_error *reterr)
{
	return read_request(a, body, root, one_params, ret, reterr);
}

static int read_batch(struct arena *a, struct str body, const struct json *root,
		      struct llm_request *ret, struct dialect_error *reterr)
{
	return read_request(a, body, root, batch_params, ret, reterr);
}

/* --- answers --- */

static int put_values(struct json_out *o, const char *key, const struct collected_choice *c)
{
	if (!c->vector.n || c->vector.p[0] != '[')
		return -EINVAL;		/* base64 was not asked for */
	json_open(o, key);
	json_put_raw(o, "values", c->vector);
	json_close(o);
	return 0;
}

static int write_one(struct dialect_answer *an, struct buf *out)
{
	const struct collected_choice *c = collected(an)->choices;
	struct json_out o = json_out(out);
	json_open(&o, NULL);
	int err = c ? put_values(&o, "embedding", c) : -EINVAL;
	if (!err)
		json_close(&o);
	return err;
}

static int write_batch(struct dialect_answer *an, struct buf *out)
{
	struct json_out o = json_out(out);
	int err = 0;
	json_open(&o, NULL);
	json_open_array(&o, "embeddings");
	for (const struct collected_choice *c = collected(an)->choices; c && !err; c = c->next)
		err = c->vector.p ? put_values(&o, NULL, c) : 0;
	if (err)
		return err;
	json_close_array(&o);
	json_close(&o);
	return 0;
}

const struct dialect dialect_gemini_embed = {
	.name = "gemini.embed",
	.kind = LLM_EMBED,
	.twin = FAMILY_GEMINI,
	.read_request = read_one,
	.collect = collect_event,
	.write_answer = write_one,
	.forward_request = gem_forward_batch,
	.forward_answer = gem_forward_answer,
	.write_error = gem_write_error,
	.stream_type = "text/event-stream",
};

const struct dialect dialect_gemini_batch = {
	.name = "gemini.batch",
	.kind = LLM_EMBED,
	.twin = FAMILY_GEMINI,
	.read_request = read_batch,
	.collect = collect_event,
	.write_answer = write_batch,
	.forward_request = gem_forward_batch,
	.forward_answer = gem_forward_answer,
	.write_error = gem_write_error,
	.stream_type = "text/event-stream",
};
