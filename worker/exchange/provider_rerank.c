/* SPDX-License-Identifier: MIT
 * provider_rerank.c - reranking as it is done beside the OpenAI wire format, which has none.
 *
 * Everybody has copied Cohere, and nobody to the letter: a row says what the path and the members
 * are called. Answers differ in as little, and are read without being told whose they are. */
#include "worker/exchange/provider_rerank.h"

#include <errno.h>

#include "common/json_write.h"
#include "worker/exchange/provider_openai.h"

enum flags {
	TEXTS_ONLY = 1,			/* documents that are objects are sent as texts */
	WRAPPED = 2,			/* texts are objects: {"text": ...} */
	NO_MODEL = 4,			/* one server, one model */
	QUERY_EACH = 8,			/* a list: the query again for each document */
};
static const struct wire {
	const char *provider;		/* in etc/providers.tsv */
	const char *path;		/* behind the base */
	const char *query, *documents;
	const char *top_n, *return_documents;	/* NULL: it does not know such a thing */
	unsigned flags;
} wires[] = {
	{ "cohere", "/v2/rerank", "query", "documents", "top_n", NULL, TEXTS_ONLY },
	{ "voyage", "/rerank", "query", "documents", "top_k", "return_documents", TEXTS_ONLY },
	{ "fireworks_ai", "/rerank", "query", "documents", "top_n", "return_documents", TEXTS_ONLY },
	{ "infinity", "/rerank", "query", "documents", "top_n", "return_documents", TEXTS_ONLY },
	{ "dashscope", "/reranks", "query", "documents", "top_n", "return_documents", TEXTS_ONLY },
	{ "qwencloud", "/reranks", "query", "documents", "top_n", "return_documents", TEXTS_ONLY },
	{ "qwen_ai_platform", "/reranks", "query", "documents", "top_n", "return_documents",
	  TEXTS_ONLY },
	{ "deepinfra", "/{model}", "queries", "documents", NULL, NULL,
	  TEXTS_ONLY | NO_MODEL | QUERY_EACH },
	{ "nvidia_nim", "/retrieval/{model}/reranking", "query", "passages", NULL, NULL,
	  TEXTS_ONLY | WRAPPED },
	{ "huggingface", "/rerank", "query", "texts", NULL, "return_text", TEXTS_ONLY | NO_MODEL },
	{ "tgi", "/rerank", "query", "texts", NULL, "return_text", TEXTS_ONLY | NO_MODEL },
};

/* --- requests --- */

static const struct wire *wire_of(struct str provider)
{
	static const struct wire common = { "", "/rerank", "query", "documents", "top_n",
					    "return_documents", 0 };
	for (size_t i = 0; i < COUNT(wires); i++)
		if (str_eq_z(provider, wires[i].provider))
			return &wires[i];
	return &common;
}

static void put_text(struct json_out *o, const struct wire *w, const char *key, struct str text)
{
	if (!(w->flags & WRAPPED)) {
		json_put_str(o, key, text);
		return;
	}
	json_open(o, key);
	json_put_str(o, "text", text);
	json_close(o);
}

static void put_query(struct json_out *o, const struct wire *w, const struct llm_request *q)
{
	if (!(w->flags & QUERY_EACH)) {
		put_text(o, w, w->query, q->query);
		return;
	}
	json_open_array(o, w->query);
	for (unsigned i = 0; i < q->n_inputs; i++)
		put_text(o, w, NULL, q->query);
	json_close_array(o);
}

static void put_documents(struct json_out *o, const struct wire *w, const struct llm_request *q)
{
	if (!(w->flags & TEXTS_ONLY)) {
		json_put_raw(o, w->documents, q->documents->raw);
		return;
	}
	json_open_array(o, w->documents);
	for (unsigned i = 0; i < q->n_inputs; i++)
		put_text(o, w, NULL, q->inputs[i]);
	json_close_array(o);
}

static void put_others(struct json_out *o, const struct llm_request *q)
{
	for (const struct llm_other *m = q->other; m; m = m->next) {
		json_key(o, m->name);
		json_put_raw(o, NULL, m->json);
	}
}

/* A model of NVIDIA's that is called "ranking/..." is behind the path that self-hosted ones have. */
static void put_path(const struct wire *w, const struct provider_target *t, struct buf *out)
{
	bool is_ranking = str_eq_z(STR("nvidia_nim"), w->provider) &&
			  str_starts(t->model, STR("ranking/"));
	provider_put_path(t, "rerank", is_ranking ? "/ranking" : w->path, out);
}

static struct str model_of(const struct wire *w, const struct provider_target *t)
{
	struct str prefix = STR("ranking/");
	bool is_nim = str_eq_z(STR("nvidia_nim"), w->provider);
	return is_nim && str_starts(t->model, prefix) ? str_skip(t->model, prefix.n) : t->model;
}

int rerank_write(struct arena *a, const struct llm_request *q, const struct provider_target *t,
		 struct str provider, struct provider_call *ret)
{
	const struct wire *w = wire_of(provider);
	struct buf plain;
	buf_init(&plain, ret->body.cap);
	struct json_out o = json_out(&plain);
	json_open(&o, NULL);
	if (!(w->flags & NO_MODEL))
		json_put_str(&o, "model", model_of(w, t));
	put_query(&o, w, q);
	put_documents(&o, w, q);
	if (w->top_n && q->top_n)
		json_put_u64(&o, w->top_n, q->top_n);
	if (w->return_documents && q->has_return_documents)
		json_put_bool(&o, w->return_documents, q->return_documents);
	put_others(&o, q);
	json_close(&o);
	put_path(w, t, &ret->path);
	int err = openai_put_edited(a, q, t, &plain, &ret->body);
	return err || !ret->path.failed ? err : -ENOMEM;
}

static int write_request(struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	(void)reterr;
	return rerank_write(a, q, t, t->provider, ret);
}

/* --- answers --- */

static const struct json *first_of(const struct json *object, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct json *j = json_get(object, names[i]);
		if (json_is_given(j))
			return j;
	}
	return NULL;
}

/* The list of results: the answer itself, or under one of its names. */
static const struct json *list_of(const struct json *root)
{
	static const char *const names[] = { "results", "data", "rankings", "scores" };
	const struct json *list = root;
	if (json_is(root, JSON_OBJECT))
		list = first_of(root, names, COUNT(names));
	return json_is(list, JSON_ARRAY) ? list : NULL;
}

/* A document is an object that holds a text, or the text alone. */
static int read_document(struct arena *a, const struct json *result, struct str *ret)
{
	static const char *const names[] = { "document", "text" };
	const struct json *j = first_of(result, names, COUNT(names));
	*ret = STR_NONE;
	if (json_is(j, JSON_OBJECT))
		*ret = j->raw;
	if (!json_is(j, JSON_STRING))
		return 0;
	*ret = arena_printf(a, "{\"text\":" STR_FMT "}", STR_ARG(j->raw));
	return ret->p ? 0 : -ENOMEM;
}

static int read_result(struct provider_reader *rd, const struct json *j, size_t at,
		       struct llm_event *ev)
{
	static const char *const names[] = { "relevance_score", "score", "logit" };
	const struct json *score = j, *index = NULL;
	int64_t number = (int64_t)at;
	double value;
	if (j->type == JSON_OBJECT) {
		score = first_of(j, names, COUNT(names));
		index = json_get(j, "index");
	}
	if (index && json_read_i64(index, &number) != 0)
		return -EBADMSG;
	if (number < 0 || number >= rd->q->n_inputs || json_read_double(score, &value) != 0)
		return -EBADMSG;
	*ev = (struct llm_event){ .kind = EV_RANK, .choice = (unsigned)number, .text = score->raw };
	return j->type == JSON_OBJECT ? read_document(rd->mem, j, &ev->document) : 0;
}

static uint64_t count_at(const struct json *root, const char *const *paths, size_t n)
{
	int64_t v = 0;
	for (size_t i = 0; i < n; i++)
		if (json_read_i64(json_get_path(root, paths[i]), &v) == 0 && v > 0)
			return (uint64_t)v;
	return 0;
}

static int emit_usage(const struct json *root, llm_emit_fn *emit, void *data)
{
	static const char *const tokens[] = {
		"usage.total_tokens", "usage.prompt_tokens", "usage.input_tokens",
		"meta.tokens.input_tokens", "meta.billed_units.input_tokens",
		"meta.billed_units.total_tokens", "input_tokens",
	};
	static const char *const searches[] = { "meta.billed_units.search_units" };
	struct llm_event ev = { .kind = EV_USAGE };
	ev.usage.input = count_at(root, tokens, COUNT(tokens));
	ev.usage.searches = count_at(root, searches, COUNT(searches));
	usage_clamp(&ev.usage);
	return ev.usage.input || ev.usage.searches ? emit(data, &ev) : 0;
}

static int emit_error(struct provider_reader *rd, const struct json *root, llm_emit_fn *emit,
		      void *data)
{
	struct llm_event ev;
	int err = llm_read_error_event(rd->mem, 0, root, &ev);
	return err ? err : emit(data, &ev);
}

static int emit_start(struct provider_reader *rd, const struct json *root, llm_emit_fn *emit,
		      void *data)
{
	struct llm_event ev = { .kind = EV_START, .id = json_get_str(rd->mem, root, "id") };
	return emit(data, &ev);
}

int rerank_read(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data)
{
	struct json_error error;
	const struct json *root = json_parse(rd->mem, body, 0, &error), *list = list_of(root);
	struct llm_event ev = { .kind = EV_END };
	size_t at = 0;
	if (!list && json_is_given(json_get(root, "error")))
		return emit_error(rd, root, emit, data);
	if (!list)
		return -EBADMSG;
	int err = emit_start(rd, root, emit, data);
	for (const struct json *j = list->child; j && !err; j = j->next) {
		err = read_result(rd, j, at++, &ev);
		if (!err)
			err = emit(data, &ev);
	}
	if (!err)
		err = emit_usage(root, emit, data);
	ev = (struct llm_event){ .kind = EV_END };
	return err ? err : emit(data, &ev);
}

static int read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit, void *data)
{
	(void)rd, (void)scratch, (void)ev, (void)emit, (void)data;
	return -EBADMSG;		/* no ranking is ever streamed */
}

const struct provider provider_rerank = {
	.name = "rerank",
	.family = FAMILY_OPENAI,
	.write_request = write_request,
	.read_event = read_event,
	.read_answer = rerank_read,
	.reranks = true,
};
