/* SPDX-License-Identifier: MIT
 * fuzz_dialect_anthropic.c - a request that is accepted is written by the provider adapter, read
 * again, and then says the same, unless it holds what the vendor would refuse; in any case what is
 * written of it the second time is the same to the byte. On the short way nothing but what must
 * change is changed. The first byte chooses what the deployment adds. */
#include <errno.h>

#include "common/hash.h"
#include "tests/fuzz/request_fuzz.h"
#include "tests/unit/anthropic_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { MEMORY = 32 << 20 };

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
	MUST(q->prompt_bytes <= 2 * body.n);
	MUST(q->n_stop <= LLM_STOP_MAX && q->n == 1 && q->max_tokens > 0);
	MUST(q->n_messages > 0 && q->family == FAMILY_ANTHROPIC);
	MUST(estimate_prompt(q) <= estimate_prompt_worst(q));
	for (const struct llm_message *m = q->messages; m; m = m->next)
		MUST(m->parts && (!m->next || m->role != m->next->role));
}

/* --- written and read again --- */

static bool is_plain_part(struct arena *a, const struct llm_part *p)
{
	bool has_id = p->kind == PART_TOOL_CALL || p->kind == PART_TOOL_RESULT;
	if (has_id && !str_eq(p->id, ant_call_id(a, p->id)))
		return false;
	if (p->kind == PART_REASONING)
		return p->signature.p || p->data.p;
	if (p->kind == PART_FILE && p->data.p)
		return str_eq(p->mime, STR("application/pdf"));
	return p->kind != PART_IMAGE || !p->data.p || str_eq(p->mime, STR("image/png"));
}

static bool has_plain_messages(struct arena *a, const struct llm_request *q)
{
	const struct llm_message *m = q->messages;
	if (m->role == ROLE_SYSTEM)
		m = m->next;
	if (!m || m->role == ROLE_ASSISTANT)
		return false;
	for (; m; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next)
			if (m->role == ROLE_SYSTEM || !is_plain_part(a, p) ||
			    (p->kind == PART_TOOL_CALL && !q->tools))
				return false;
	return true;
}

/* Whether the vendor would take it as it is. */
static bool is_plain(struct arena *a, const struct llm_request *q)
{
	if ((q->user.p && !q->user.n) || (q->tool_choice != CHOICE_UNSET && !q->tools))
		return false;
	for (const struct llm_tool *t = q->tools; t; t = t->next)
		if (t->kind == TOOL_FUNCTION && !json_get(parse(a, t->schema), "type"))
			return false;
	return has_plain_messages(a, q);
}

static void check_fixpoint(struct arena *a, const struct llm_request *q)
{
	struct provider_target t = { .model = q->model };
	struct llm_error unused;
	struct dialect_error err = { 0 };
	struct llm_request again = { 0 };
	struct str first, second;
	if (write_to_anthropic(a, q, &t, &first, &unused))
		return;
	const struct json *root = parse(a, first);
	MUST(root);
	int r = dialect_anthropic_messages.read_request(a, first, root, &again, &err);
	if (r == -ENOMEM)
		return;
	MUST(r == 0);
	r = write_to_anthropic(a, &again, &t, &second, &unused);
	MUST(r == -ENOMEM || (r == 0 && str_eq(first, second)));
	if (is_plain(a, q))
		MUST(str_eq(anthropic_request_text(a, q), anthropic_request_text(a, &again)));
}

/* --- the short way --- */

static void check_forwarded(const struct json *was, const struct json *is, bool has_extra)
{
	MUST(json_is(is, JSON_OBJECT));
	MUST(str_eq(find(is, STR("model"))->raw, STR("\"up\\\"\"")));
	for (const struct json *j = was->child; j; j = j->next) {
		const struct json *now = find(is, j->key);
		bool is_changed = str_eq(j->key, STR("model")) ||
				  (has_extra && (str_eq(j->key, STR("top_k")) || str_eq(j->key, STR("top_p"))));
		if (ant_is_ours(j->key))
			MUST(!now);
		else if (!is_changed)
			MUST(now && str_eq(now->raw, j->raw));
	}
	if (has_extra)
		MUST(str_eq(find(is, STR("top_k"))->raw, STR("5")) && json_is_given(find(is, STR("top_p"))));
}

static void check_short_way(struct arena *a, const struct llm_request *q, bool has_extra)
{
	struct str params = has_extra ? STR("{\"top_k\":4,\"top_p\":0.5,\"seed\":1}") : STR_NONE;
	struct str extra = has_extra ? STR("{\"top_k\":5}") : STR_NONE;
	struct buf out;
	buf_init(&out, MEMORY);
	if (dialect_anthropic_messages.forward_request(a, q, STR("up\""), params, extra, &out) == 0) {
		const struct json *root = parse(a, buf_str(&out));
		MUST(root);
		check_forwarded(q->root, root, has_extra);
	}
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct llm_request q = { 0 };
	struct dialect_error err = { 0 };
	if (n < 1 || n > 65536 || hash_init() != 0)
		return 0;
	struct arena *a = arena_new(MEMORY);
	struct str body = { (const char *)p + 1, n - 1 };
	const struct json *root = parse(a, body);
	if (json_is(root, JSON_OBJECT)) {
		int r = dialect_anthropic_messages.read_request(a, body, root, &q, &err);
		if (r == -EINVAL)
			check_refusal(&err);
		if (r == 0) {
			check_counts(&q, body);
			check_fixpoint(a, &q);
			check_short_way(a, &q, p[0] & 128);
		}
	}
	arena_free(a);
	return 0;
}
