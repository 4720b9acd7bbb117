/* SPDX-License-Identifier: MIT
 * fuzz_dialect_openai.c - a request that is accepted, written by the provider adapter and read
 * again says the same; on the short way nothing but what must change is changed. The first byte
 * chooses the dialect and what the deployment adds. */
#include <errno.h>

#include "common/hash.h"
#include "tests/fuzz/request_fuzz.h"
#include "tests/unit/llm_text.h"
#include "worker/client/dialect.h"
#include "worker/exchange/provider.h"
#include "worker/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { MEMORY = 8 << 20 };

static const struct json *parse(struct arena *a, struct str text)
{
	struct json_error error;
	return json_parse(a, text, JSON_ONE_KEY, &error);
}

static const struct json *find(const struct json *object, struct str key)
{
	const struct json *j = object->child;
	while (j && !str_eq(j->key, key))
		j = j->next;
	return j;
}

static void check_counts(const struct llm_request *q, struct str body)
{
	MUST(q->prompt_bytes <= body.n);
	MUST(q->n_stop <= LLM_STOP_MAX && q->n >= 1);
	MUST(q->kind != LLM_CHAT || q->n_messages > 0);
	MUST(q->kind == LLM_CHAT || q->n_inputs > 0);
	MUST(estimate_prompt(q) <= estimate_prompt_worst(q));
}

/* --- written and read again --- */

/* An assistant's message that has only thoughts is written with an empty content: providers want
 * one. */
static void drop_empty_texts(const struct llm_request *q)
{
	for (struct llm_message *m = q->messages; m; m = m->next) {
		struct llm_part **p = &m->parts;
		while (m->role == ROLE_ASSISTANT && *p) {
			if ((*p)->kind == PART_TEXT && !(*p)->text.n)
				*p = (*p)->next;
			else
				p = &(*p)->next;
		}
	}
}

static void check_fixpoint(struct arena *a, const struct dialect *d, const struct llm_request *q)
{
	struct provider_target t = { .model = q->model };
	struct provider_call call;
	struct llm_error unused;
	struct dialect_error err = { 0 };
	struct llm_request again = { 0 };
	struct buf text, text_again;
	buf_init(&call.path, 256);
	buf_init(&call.body, MEMORY);
	buf_init(&text, MEMORY);
	buf_init(&text_again, MEMORY);
	if (provider_openai.write_request(a, q, &t, &call, &unused) == 0) {
		const struct json *root = parse(a, buf_str(&call.body));
		MUST(root);
		int r = d->read_request(a, buf_str(&call.body), root, &again, &err);
		MUST(r == 0 || r == -ENOMEM);
		drop_empty_texts(q);
		drop_empty_texts(&again);
		say_request(&text, q);
		say_request(&text_again, &again);
		MUST(r || str_eq(buf_str(&text), buf_str(&text_again)));
	}
	buf_done(&call.path);
	buf_done(&call.body);
	buf_done(&text);
	buf_done(&text_again);
}

/* --- the short way --- */

/* Ids of calls lose what Gemini alone wants back. */
static bool has_signed_ids(const struct json *messages)
{
	return str_find(messages->raw, STR("__thought__")) != SIZE_MAX;
}

static bool is_changed(const struct json *j, bool has_extra)
{
	struct str key = j->key;
	if (str_eq(key, STR("messages")))
		return has_signed_ids(j);
	return str_eq(key, STR("model")) || str_eq(key, STR("stream_options")) ||
	       (has_extra && (str_eq(key, STR("seed")) || str_eq(key, STR("top_p"))));
}

static void check_forwarded(const struct llm_request *q, const struct json *was, const struct json *is,
			    bool has_extra)
{
	MUST(json_is(is, JSON_OBJECT));
	MUST(str_eq(find(is, STR("model"))->raw, STR("\"up\\\"\"")));
	for (const struct json *j = was->child; j; j = j->next) {
		const struct json *now = find(is, j->key);
		if (openai_is_ours(j->key))
			MUST(!now);
		else if (!is_changed(j, has_extra))
			MUST(now && str_eq(now->raw, j->raw));
	}
	if (q->is_stream)
		MUST(json_is_true(json_get(find(is, STR("stream_options")), "include_usage")));
	if (has_extra) {
		MUST(str_eq(find(is, STR("seed"))->raw, STR("5")));
		MUST(find(is, STR("top_p")));
	}
}

static void check_short_way(struct arena *a, const struct dialect *d, const struct llm_request *q,
			    bool has_extra)
{
	struct str params = has_extra ? STR("{\"seed\":4,\"top_p\":0.5}") : STR_NONE;
	struct str extra = has_extra ? STR("{\"seed\":5}") : STR_NONE;
	struct buf out;
	buf_init(&out, MEMORY);
	if (d->forward_request(a, q, STR("up\""), params, extra, &out) == 0) {
		const struct json *root = parse(a, buf_str(&out));
		MUST(root);
		check_forwarded(q, q->root, root, has_extra);
	}
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct dialect *const list[] = { &dialect_openai_chat, &dialect_openai_text,
						      &dialect_openai_embed };
	struct llm_request q = { 0 };
	struct dialect_error err = { 0 };
	if (n < 1 || hash_init() != 0)
		return 0;
	struct arena *a = arena_new(MEMORY);
	struct str body = { (const char *)p + 1, n - 1 };
	const struct dialect *d = list[p[0] % COUNT(list)];
	const struct json *root = parse(a, body);
	if (json_is(root, JSON_OBJECT)) {
		int r = d->read_request(a, body, root, &q, &err);
		if (r == -EINVAL)
			check_refusal(&err);
		if (r == 0) {
			check_counts(&q, body);
			check_fixpoint(a, d, &q);
			check_short_way(a, d, &q, p[0] & 128);
		}
	}
	arena_free(a);
	return 0;
}
