/* SPDX-License-Identifier: MIT
 * anthropic_text.h - what tests and fuzzers of the Anthropic adapters share: what llm_text.h does
 * not say of requests and events, and the ways there and back. */
#ifndef ANTHROPIC_TEXT_H
#define ANTHROPIC_TEXT_H

#include "tests/unit/llm_text.h"
#include "worker/client/dialect_anthropic.h"
#include "worker/exchange/provider_anthropic.h"

static inline void say_raw_member(struct buf *b, const struct json *raw, const char *name)
{
	const struct json *j = json_get(raw, name);
	if (json_is_given(j))
		say_str(b, name, j->raw);
}

/* A request with its marks for the cache, hidden thoughts, and failures of tools. */
static inline void say_anthropic_request(struct buf *b, const struct llm_request *q)
{
	say_request(b, q);
	for (const struct llm_message *m = q->messages; m; m = m->next) {
		for (const struct llm_part *p = m->parts; p; p = p->next) {
			say_u64(b, "error", p->is_error);
			if (p->kind == PART_REASONING)
				say_str(b, "hidden", p->data);
			else
				say_raw_member(b, p->raw, "cache_control");
			if (p->kind == PART_FILE)
				say_raw_member(b, p->raw, "citations");
		}
		BUF_PUT_LIT(b, "/ ");
	}
	for (const struct llm_tool *t = q->tools; t; t = t->next)
		say_raw_member(b, t->raw, "cache_control");
	say_u64(b, "family", q->family);
}

static inline struct str anthropic_request_text(struct arena *a, const struct llm_request *q)
{
	struct buf b;
	buf_init(&b, 32 << 20);
	say_anthropic_request(&b, q);
	MUST(!b.failed);
	struct str s = arena_dup(a, buf_str(&b));
	MUST(s.p);
	buf_done(&b);
	return s;
}

/* What the provider adapter makes of it; the body is the arena's. */
static inline int write_to_anthropic(struct arena *a, const struct llm_request *q,
				     const struct provider_target *t, struct str *ret_body,
				     struct llm_error *reterr)
{
	struct provider_call call = { 0 };
	buf_init(&call.path, 1024);
	buf_init(&call.body, 32 << 20);
	int r = provider_anthropic.write_request(a, q, t, &call, reterr);
	*ret_body = r ? STR_NONE : arena_dup(a, buf_str(&call.body));
	MUST(r || ret_body->p);
	buf_done(&call.path);
	buf_done(&call.body);
	return r;
}

/* An llm_emit_fn; data is a struct said. As say_event(), with signatures and hidden thoughts, and
 * without usage, whose place differs between a stream and a plain answer. */
static inline int say_anthropic_event(void *data, const struct llm_event *ev)
{
	struct said *s = data;
	struct llm_event plain = *ev;
	if (ev->kind == EV_USAGE) {
		llm_tally_event(&s->tally, ev);
		return 0;
	}
	if (ev->kind == EV_REASONING && !ev->text.n)
		s->has_last = false;
	int r = say_event(s, &plain);
	if (ev->kind != EV_REASONING)
		return r;
	say_str(s->to, " signature", ev->signature);
	say_str(s->to, " hidden", ev->redacted);
	if (ev->signature.p || ev->redacted.p)
		s->has_last = false;
	return r;
}

#endif
