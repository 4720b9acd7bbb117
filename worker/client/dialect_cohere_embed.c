/* SPDX-License-Identifier: MIT
 * dialect_cohere_embed.c - POST /v2/embed: texts, or inputs made of blocks.
 *
 * Numbers are asked for and what else a client wants is made of them. Images only a provider of
 * this family can embed, on the short way: the others' adapters refuse them. */
#include <errno.h>

#include "worker/client/dialect_cohere.h"
#include "worker/client/vector.h"

/* --- requests --- */

static int begin_inputs(struct oai_reading *r, const struct place *at, const struct json *j)
{
	struct llm_request *q = r->q;
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "an array", j);
	if (!j->count)
		return oai_refuse(r, at, "must not be empty");
	if (q->inputs)
		return oai_refuse(r, at, "excludes other texts, inputs and images");
	q->inputs = arena_array(r->mem, j->count, sizeof *q->inputs);
	return q->inputs ? 0 : -ENOMEM;
}

static int read_texts(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct llm_request *q = r->q;
	struct place in = { .up = at };
	int err = begin_inputs(r, at, j);
	(void)to;
	for (j = err ? NULL : j->child; j && !err; j = j->next, in.index++) {
		err = oai_read_string(r, &in, j, &q->inputs[q->n_inputs]);
		q->prompt_bytes += err ? 0 : q->inputs[q->n_inputs++].n;
	}
	return err;
}

static int read_images(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	struct llm_request *q = r->q;
	struct place in = { .up = at };
	struct str link;
	int err = begin_inputs(r, at, j);
	(void)to;
	for (j = err ? NULL : j->child; j && !err; j = j->next, in.index++) {
		err = oai_read_string(r, &in, j, &link);
		q->inputs[q->n_inputs++] = STR("");
		q->media_parts++;
	}
	return err;
}

/* The texts of an input's blocks, a line each. */
static int read_block(struct oai_reading *r, const struct place *at, const struct json *j,
		      struct buf *text)
{
	struct place in = { .up = at, .name = "type" };
	struct str type = STR_NONE, said = STR_NONE;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	if (!json_is_given(json_get(j, "type")))
		return oai_refuse(r, &in, "is missing");
	int err = oai_read_string(r, &in, json_get(j, "type"), &type);
	if (!err && str_eq(type, STR("image_url"))) {
		r->q->media_parts++;
		return 0;
	}
	if (!err && !str_eq(type, STR("text")))
		return oai_refuse(r, &in, "must be \"text\" or \"image_url\"");
	in.name = "text";
	if (!err && !json_is_given(json_get(j, "text")))
		return oai_refuse(r, &in, "is missing");
	if (!err)
		err = oai_read_string(r, &in, json_get(j, "text"), &said);
	if (!err && text->n)
		buf_put_char(text, '\n');
	buf_put(text, said);
	return err;
}

static int read_input(struct oai_reading *r, const struct place *at, const struct json *j,
		      struct str *ret)
{
	struct place content = { .up = at, .name = "content" }, in = { .up = &content };
	const struct json *block = json_get(j, content.name);
	struct buf text;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	if (!json_is(block, JSON_ARRAY) || !block->count)
		return oai_refuse(r, &content, "must be an array of blocks");
	int err = 0;
	buf_init(&text, r->q->body.n);
	for (block = block->child; block && !err; block = block->next, in.index++)
		err = read_block(r, &in, block, &text);
	if (!err)
		*ret = text.failed ? STR_NONE : arena_dup(r->mem, buf_str(&text));
	buf_done(&text);
	return err || ret->p ? err : -ENOMEM;
}

static int read_inputs(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	struct llm_request *q = r->q;
	struct place in = { .up = at };
	int err = begin_inputs(r, at, j);
	(void)to;
	for (j = err ? NULL : j->child; j && !err; j = j->next, in.index++) {
		err = read_input(r, &in, j, &q->inputs[q->n_inputs]);
		q->prompt_bytes += err ? 0 : q->inputs[q->n_inputs++].n;
	}
	return err;
}

/* What a type of embeddings is called, and what makes it of numbers; NULL: base64. */
static const struct type_row {
	struct str name;
	void (*put)(const struct vector *v, int offset, struct json_out *o);
	int offset;
} type_rows[] = {
	{ STR("float"), vector_put_floats, 0 },	/* first: who names none gets this */
	{ STR("int8"), vector_put_bytes, 0 },
	{ STR("uint8"), vector_put_bytes, 128 },
	{ STR("binary"), vector_put_bits, -128 },
	{ STR("ubinary"), vector_put_bits, 0 },
	{ STR("base64"), NULL, 0 },
};

static const struct type_row *find_type(struct str name)
{
	for (size_t i = 0; i < COUNT(type_rows); i++)
		if (str_eq(name, type_rows[i].name))
			return &type_rows[i];
	return NULL;
}

static int read_types(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct place in = { .up = at };
	struct str name = STR_NONE;
	const struct json *list;
	int err = oai_read_names(r, at, j, &list);
	(void)to;
	for (j = err ? NULL : j->child; j && !err; j = j->next, in.index++) {
		err = oai_read_string(r, &in, j, &name);
		if (!err && !find_type(name))
			return oai_refuse(r, &in, "must be one of float, int8, uint8, binary, "
						  "ubinary and base64");
	}
	return err;
}

#define TO(member) offsetof(struct llm_request, member)

static const struct oai_param params[] = {
	{ "texts", read_texts, 0 },
	{ "inputs", read_inputs, 0 },
	{ "images", read_images, 0 },
	{ "input_type", oai_other_string, 0 },
	{ "embedding_types", read_types, 0 },
	{ "output_dimension", oai_read_count, TO(dimensions) },
	{ "truncate", oai_other_string, 0 },
	{ "max_tokens", oai_other_number, 0 },	/* of each text, and not of an answer */
	{ NULL, NULL, 0 },
};

static int read_request(struct arena *a, struct str body, const struct json *root,
			struct llm_request *ret, struct dialect_error *reterr)
{
	static const struct place texts = { .name = "texts" };
	struct coh_reading c;
	coh_begin(&c, a, body, root, LLM_EMBED, ret, reterr);
	int err = oai_read_members(&c.r, root, params);
	ret->is_stream = false;
	ret->n = 1;			/* of choices nothing is asked here */
	if (!err && !ret->inputs)
		return oai_refuse(&c.r, &texts, "is missing");
	return err;
}

/* --- answers --- */

/* Numbers that are to stay numbers go on as they came. */
static int put_vector(struct arena *a, struct json_out *o, const struct type_row *type,
		      struct str text)
{
	bool is_list = text.n && text.p[0] == '[';
	struct vector v;
	int err = 0;
	if (is_list && type->put == vector_put_floats) {
		json_put_raw(o, NULL, text);
	} else if (type->put) {
		err = vector_read(a, text, &v);
		if (!err)
			type->put(&v, type->offset, o);
	} else {
		err = is_list ? vector_base64(a, text, &text) : 0;
		if (!err)
			json_put_str(o, NULL, text);
	}
	return err;
}

static int put_type(const struct dialect_answer *an, struct json_out *o,
		    const struct type_row *type)
{
	int err = 0;
	json_key(o, type->name);
	json_open_array(o, NULL);
	for (const struct collected_choice *c = collected(an)->choices; c && !err; c = c->next)
		err = put_vector(an->mem, o, type, c->vector);
	json_close_array(o);
	return err;
}

static bool is_named(const struct json *list, struct str name)
{
	const struct json *j = json_is(list, JSON_ARRAY) ? list->child : NULL;
	while (j && !str_eq(str_of(j->raw.p + 1, j->raw.n - 2), name))
		j = j->next;
	return j;
}

static int put_embeddings(const struct dialect_answer *an, struct json_out *o)
{
	const struct json *asked = json_get(an->q->root, "embedding_types");
	bool has_any = json_is(asked, JSON_ARRAY) && asked->count;
	int err = 0;
	json_open(o, "embeddings");
	for (size_t i = 0; i < COUNT(type_rows) && !err; i++)
		if (has_any ? is_named(asked, type_rows[i].name) : i == 0)
			err = put_type(an, o, &type_rows[i]);
	json_close(o);
	return err;
}

static int write_answer(struct dialect_answer *an, struct buf *out)
{
	struct json_out o = json_out(out);
	bool has_texts = json_is(json_get(an->q->root, "texts"), JSON_ARRAY);
	json_open(&o, NULL);
	json_put_str(&o, "id", coh_id(an, STR_NONE));
	int err = put_embeddings(an, &o);
	json_open_array(&o, "texts");
	for (unsigned i = 0; has_texts && i < an->q->n_inputs; i++)
		json_put_str(&o, NULL, an->q->inputs[i]);
	json_close_array(&o);
	json_open(&o, "meta");
	json_open(&o, "api_version");
	json_put_z(&o, "version", "2");
	json_close(&o);
	json_open(&o, "billed_units");
	json_put_u64(&o, "input_tokens", oai_usage(an).input);
	json_close(&o);
	json_close(&o);
	json_put_z(&o, "response_type", "embeddings_by_type");
	json_close(&o);
	return err;
}

const struct dialect dialect_cohere_embed = {
	.name = "cohere.embed",
	.kind = LLM_EMBED,
	.twin = FAMILY_COHERE,
	.read_request = read_request,
	.collect = collect_event,
	.write_answer = write_answer,
	.forward_request = coh_forward_embed,
	.forward_answer = coh_forward_answer,
	.write_error = coh_write_error,
	.stream_type = "text/event-stream",
};
