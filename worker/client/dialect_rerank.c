/* SPDX-License-Identifier: MIT
 * dialect_rerank.c - POST /rerank and its kin: documents by how well they answer a query, in the
 * form that Cohere made and LiteLLM speaks.
 *
 * There is no short way: providers agree on what they are asked, but not on the members' names. */
#include <errno.h>
#include <stdlib.h>

#include "worker/client/dialect_openai.h"

struct rank {				/* how well one document does */
	struct rank *next;
	unsigned index;
	double value;
	struct str score, document;
};
struct ranking {
	struct str id;
	struct rank *first, **end;
	size_t n;
};

/* --- requests --- */

/* What a provider is given that takes nothing but texts. */
static struct str text_of(struct arena *a, const struct json *document)
{
	const struct json *text = json_get(document, "text");
	if (document->type == JSON_STRING)
		return json_str(a, document);
	return json_is(text, JSON_STRING) ? json_str(a, text) : document->raw;
}

static int read_documents(struct oai_reading *r, const struct place *at, const struct json *j,
			  void *to)
{
	struct llm_request *q = r->q;
	struct place in = { .up = at };
	(void)to;
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "an array", j);
	q->documents = j;
	q->n_inputs = 0;
	q->inputs = arena_array(r->mem, j->count ? j->count : 1, sizeof *q->inputs);
	if (!q->inputs)
		return -ENOMEM;
	for (const struct json *one = j->child; one; one = one->next, in.index++) {
		if (one->type != JSON_STRING && one->type != JSON_OBJECT)
			return oai_refuse_type(r, &in, "a string or an object", one);
		struct str *text = &q->inputs[q->n_inputs++];
		*text = text_of(r->mem, one);
		if (!text->p)
			return -ENOMEM;
	}
	return q->n_inputs ? 0 : oai_refuse(r, at, "must not be empty");
}

static int read_top(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	uint64_t *top = to;
	int err = oai_read_count(r, at, j, to);
	return err || *top ? err : oai_refuse(r, at, "must be at least 1");
}

static int read_return(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	r->q->has_return_documents = true;
	return oai_read_flag(r, at, j, to);
}

#define TO(member) offsetof(struct llm_request, member)

static const struct oai_param params[] = {
	{ "query", oai_read_string, TO(query) },
	{ "documents", read_documents, 0 },
	{ "top_n", read_top, TO(top_n) },
	{ "return_documents", read_return, TO(return_documents) },
	{ "rank_fields", oai_other_array, 0 },
	{ "max_chunks_per_doc", oai_other_number, 0 },
	{ "max_tokens_per_doc", oai_other_number, 0 },
	{ NULL, NULL, 0 },
};

static int read_request(struct arena *a, struct str body, const struct json *root,
			struct llm_request *ret, struct dialect_error *reterr)
{
	static const struct place query = { .name = "query" }, documents = { .name = "documents" };
	struct oai_reading r;
	oai_begin(&r, a, body, root, LLM_RERANK, ret, reterr);
	int err = oai_read_members(&r, root, params);
	ret->is_stream = false;
	if (err)
		return err;
	if (!ret->query.n)
		return oai_refuse(&r, &query, ret->query.p ? "must not be empty" : "is missing");
	if (!ret->n_inputs)
		return oai_refuse(&r, &documents, "is missing");
	/* The query is read again with each of them. */
	for (unsigned i = 0; i < ret->n_inputs; i++)
		ret->prompt_bytes += ret->inputs[i].n + ret->query.n;
	return 0;
}

/* --- answers --- */

static struct ranking *ranking_of(struct dialect_answer *an)
{
	struct ranking *k = an->state;
	if (!k) {
		k = an->state = arena_alloc(an->mem, sizeof *k);
		if (k)
			k->end = &k->first;
	}
	return k;
}

static int add_rank(struct dialect_answer *an, struct ranking *k, const struct llm_event *ev)
{
	struct rank *one = arena_alloc(an->mem, sizeof *one);
	if (!one)
		return -ENOMEM;
	one->index = ev->choice;
	if (str_read_double(ev->text, &one->value) != 0)
		return -EINVAL;
	one->score = arena_dup(an->mem, ev->text);
	if (ev->document.p)
		one->document = arena_dup(an->mem, ev->document);
	if (!one->score.p || (ev->document.p && !one->document.p))
		return -ENOMEM;
	*k->end = one;
	k->end = &one->next;
	k->n++;
	return 0;
}

static int collect(struct dialect_answer *an, const struct llm_event *ev)
{
	struct ranking *k = ranking_of(an);
	if (!k)
		return -ENOMEM;
	llm_tally_event(&an->tally, ev);
	if (ev->kind == EV_RANK)
		return add_rank(an, k, ev);
	if (ev->kind == EV_START && ev->id.n && !k->id.p) {
		k->id = arena_dup(an->mem, ev->id);
		return k->id.p ? 0 : -ENOMEM;
	}
	an->is_ended |= ev->kind == EV_END;
	return 0;
}

/* The best first; of two alike the one that came first in the request. */
static int compare(const void *a, const void *b)
{
	const struct rank *x = *(const struct rank *const *)a;
	const struct rank *y = *(const struct rank *const *)b;
	if (x->value != y->value)
		return x->value < y->value ? 1 : -1;
	return (x->index > y->index) - (x->index < y->index);
}

static const struct rank **sort(struct dialect_answer *an, const struct ranking *k)
{
	const struct rank **list = arena_array(an->mem, k->n + 1, sizeof(struct rank *));
	size_t n = 0;
	if (!list)
		return NULL;
	for (const struct rank *one = k->first; one; one = one->next)
		list[n++] = one;
	qsort(list, n, sizeof(struct rank *), compare);
	return list;
}

/* Asked for and not given by the provider, it is what the client sent. */
static void put_document(const struct dialect_answer *an, struct json_out *o, const struct rank *r)
{
	const struct llm_request *q = an->q;
	const struct json *sent = json_at(q->documents, r->index);
	if (q->has_return_documents && !q->return_documents)
		return;
	if (r->document.p) {
		json_put_raw(o, "document", r->document);
	} else if (q->return_documents && json_is(sent, JSON_OBJECT)) {
		json_put_raw(o, "document", sent->raw);
	} else if (q->return_documents) {
		json_open(o, "document");
		json_put_str(o, "text", q->inputs[r->index]);
		json_close(o);
	}
}

static void put_meta(const struct dialect_answer *an, struct json_out *o)
{
	struct usage u = oai_usage(an);
	json_open(o, "meta");
	json_open(o, "billed_units");
	if (u.searches)
		json_put_u64(o, "search_units", u.searches);
	if (u.input)
		json_put_u64(o, "total_tokens", u.input + u.output);
	json_close(o);
	if (u.input) {
		json_open(o, "tokens");
		json_put_u64(o, "input_tokens", u.input);
		json_put_u64(o, "output_tokens", u.output);
		json_close(o);
	}
	json_close(o);
}

static int write_answer(struct dialect_answer *an, struct buf *out)
{
	struct json_out o = json_out(out);
	const struct ranking *k = ranking_of(an);
	const struct rank **list = k ? sort(an, k) : NULL;
	if (!list)
		return -ENOMEM;
	size_t n = an->q->top_n && an->q->top_n < k->n ? (size_t)an->q->top_n : k->n;
	json_open(&o, NULL);
	json_put_str(&o, "id", k->id.n ? k->id : an->id);
	json_open_array(&o, "results");
	for (size_t i = 0; i < n; i++) {
		json_open(&o, NULL);
		json_put_u64(&o, "index", list[i]->index);
		json_put_raw(&o, "relevance_score", list[i]->score);
		put_document(an, &o, list[i]);
		json_close(&o);
	}
	json_close_array(&o);
	put_meta(an, &o);
	json_close(&o);
	return 0;
}

const struct dialect dialect_rerank = {
	.name = "rerank",
	.kind = LLM_RERANK,
	.twin = FAMILY_COUNT,		/* nobody: always the long way */
	.read_request = read_request,
	.collect = collect,
	.write_answer = write_answer,
	.write_error = oai_write_error,
	.stream_type = "text/event-stream",
};
