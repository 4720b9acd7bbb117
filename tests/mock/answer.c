/* SPDX-License-Identifier: MIT
 * answer.c - see answer.h: what all dialects share. */
#include "tests/mock/answer.h"

#include <uv.h>

#include "tests/mock/scan.h"

static bool path_ends(struct span path, const char *end)
{
	size_t n = strlen(end);
	return path.n >= n && memcmp(path.p + path.n - n, end, n) == 0;
}

static const struct endpoint *find_in(const struct endpoint *ep, const char *method,
				      struct span path, bool *ret_known)
{
	for (; ep->method; ep++) {
		if (!path_ends(path, ep->path))
			continue;
		*ret_known = true;
		if (strcmp(ep->method, method) == 0)
			return ep;
	}
	return NULL;
}

const struct endpoint *endpoint_find(const char *method, struct span path, bool *ret_known)
{
	*ret_known = false;
	static const struct endpoint *const all[] = {
		openai_endpoints, ollama_endpoints, anthropic_endpoints, gemini_endpoints,
		bedrock_endpoints,
		responses_endpoints,
		cohere_endpoints, rerank_endpoints, tgi_endpoints,
		replicate_endpoints,
		token_endpoints,
		raw_endpoints,
	};
	const struct endpoint *ep = NULL;
	for (size_t i = 0; i < sizeof all / sizeof *all && !ep; i++)
		ep = find_in(all[i], method, path, ret_known);
	return ep ? ep : raw_find(method, path);
}

static bool is_in(const struct endpoint *list, const struct endpoint *ep)
{
	while (list->method && list != ep)
		list++;
	return list->method;
}

bool answer_ends_at_once(const struct endpoint *ep)
{
	return ep->is_ndjson || gemini_has(ep) || is_in(cohere_endpoints, ep) || tgi_has(ep);
}

uint64_t answer_piece_count(const struct answer *a, enum piece piece)
{
	const struct script *s = &a->script;
	bool last_has_all = answer_ends_at_once(a->endpoint);
	switch (piece) {
	case PIECE_ROLE:
		return s->role && !last_has_all;
	case PIECE_THINK:
		return (uint64_t)s->think;
	case PIECE_TOKEN:
		return s->tools > 0 ? 0 : (uint64_t)s->tokens;
	case PIECE_TOOL:
		return (uint64_t)s->tools * a->endpoint->pieces_per_tool;
	case PIECE_FINISH:
		return !(last_has_all && s->nodone);
	case PIECE_USAGE:
		if (last_has_all || bedrock_has(a->endpoint) || s->nousage || !a->ask->include_usage)
			return 0;
		return s->dupusage ? 2 : 1;
	case PIECE_END:
		return !last_has_all && !s->nodone;
	case PIECE_COUNT:
		break;
	}
	return 0;
}

/* A text that is quoted instead of counted out: .p NULL when tokens are to be counted. */
static struct span quoted_text(const struct answer *a)
{
	if (a->script.json && a->ask->wants_json)
		return SPAN("{\\\"answer\\\": \\\"t0 t1 t2\\\", \\\"n\\\": 3}");
	if (a->script.echo)
		return a->ask->user.p ? a->ask->user : SPAN("");
	return (struct span){ 0 };
}

/* Part i of `tokens` nearly equal ones, cut only where a reader may cut. */
static void quote_part(struct buf *out, struct answer *a, struct span text, uint64_t i)
{
	uint64_t parts = (uint64_t)a->script.tokens;
	size_t to = i + 1 >= parts ? text.n : text.n * (size_t)(i + 1) / (size_t)parts;
	size_t at = a->quoted;
	while (at < to)
		at = scan_unit_end(text, at);
	buf_put(out, text.p + a->quoted, at - a->quoted);
	a->quoted = at;
}

void say_token(struct buf *out, struct answer *a, uint64_t i)
{
	struct span text = quoted_text(a);
	if (text.p) {
		quote_part(out, a, text, i);
	} else if (i == 0 && a->script.bigevent >= 0) {
		buf_fill(out, 'x', (size_t)a->script.bigevent);
	} else if (a->script.stamp) {
		BUF_PUT_LIT(out, "@");
		buf_put_u64(out, uv_hrtime());
	} else {
		if (i > 0)
			BUF_PUT_LIT(out, " ");
		BUF_PUT_LIT(out, "t");
		buf_put_u64(out, i);
	}
}

void say_all(struct buf *out, struct answer *a)
{
	struct span text = quoted_text(a);
	if (text.p) {
		buf_put_span(out, text);
		return;
	}
	size_t from = out->n;
	for (uint64_t i = 0; i < (uint64_t)a->script.tokens; i++)
		say_token(out, a, i);
	if (a->script.size < 0)
		return;
	size_t want = from + (size_t)a->script.size;
	if (out->n < want)
		buf_fill(out, 'x', want - out->n);
	out->n = want;
}

void say_thought(struct buf *out, uint64_t i)
{
	if (i > 0)
		BUF_PUT_LIT(out, " ");
	BUF_PUT_LIT(out, "r");
	buf_put_u64(out, i);
}

void say_all_thoughts(struct buf *out, const struct answer *a)
{
	for (uint64_t i = 0; i < (uint64_t)a->script.think; i++)
		say_thought(out, i);
}

void say_tool_name(struct buf *out, const struct answer *a)
{
	buf_put_span(out, a->ask->tool.p ? a->ask->tool : SPAN("get_weather"));
}

void say_city(struct buf *out, uint64_t call)
{
	static const char *const cities[] = { "Paris", "Rome", "Oslo" };
	buf_put_z(out, cities[call % 3]);
}

void say_tier(struct buf *out, const struct answer *a)
{
	if (!a->script.tier.p)
		return;
	BUF_PUT_LIT(out, ",\"service_tier\":");
	buf_put_json(out, a->script.tier);
}

void say_model(struct buf *out, const struct answer *a)
{
	buf_put_json(out, (struct span){ a->ask->model.p, a->ask->model.n });
}
