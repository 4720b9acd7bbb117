/* SPDX-License-Identifier: MIT
 * dialect_openai.c - what the answers of all OpenAI dialects have in common: the frame of chunks
 * and answers, usage, errors. */
#include "worker/client/dialect_openai.h"

#include <errno.h>
#include <stdio.h>

#include "common/hash.h"

enum { HEAD_MAX = 65536 };

/* The provider's id where it is one of this format's, else ours: clients tell by its beginning
 * what it names. */
static struct str answer_id(const struct dialect_answer *an, struct str given)
{
	bool is_ours = str_starts(given, STR("chatcmpl-")) || str_starts(given, STR("cmpl-"));
	return is_ours ? given : an->id;
}

/* --- streams --- */

struct oai_stream *oai_stream(struct dialect_answer *an, const char *object)
{
	struct oai_stream *s = an->state;
	if (s)
		return s;
	s = an->state = arena_alloc(an->mem, sizeof *s);
	if (s) {
		s->object = object;
		s->reader.mem = an->mem;
	}
	return s;
}

int oai_start(struct dialect_answer *an, struct oai_stream *s, const struct llm_event *start)
{
	struct buf b;
	if (s->head.p)
		return 0;
	buf_init(&b, HEAD_MAX);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	if (s->is_forwarded && start && start->id.n)
		json_put_str(&o, "id", start->id);	/* as in the chunks before */
	else
		json_put_str(&o, "id", answer_id(an, start ? start->id : STR_NONE));
	json_put_z(&o, "object", s->object);
	json_put_i64(&o, "created", start && start->created_s ? start->created_s : an->created_s);
	json_put_str(&o, "model", an->model);
	BUF_PUT_LIT(&b, ",\"choices\":[");
	s->head = b.failed ? STR_NONE : arena_dup(an->mem, buf_str(&b));
	buf_done(&b);
	return s->head.p ? 0 : -ENOMEM;
}

void oai_open_chunk(const struct oai_stream *s, struct buf *out, unsigned choice)
{
	BUF_PUT_LIT(out, "data: ");
	buf_put(out, s->head);
	BUF_PUT_LIT(out, "{\"index\":");
	buf_put_u64(out, choice);
	buf_put_char(out, ',');
}

void oai_close_chunk(const struct dialect_answer *an, struct buf *out, const char *finish)
{
	if (finish) {
		BUF_PUT_LIT(out, ",\"finish_reason\":\"");
		buf_put_z(out, finish);
		BUF_PUT_LIT(out, "\"}]");
	} else {
		BUF_PUT_LIT(out, ",\"finish_reason\":null}]");
	}
	if (an->show_usage)
		BUF_PUT_LIT(out, ",\"usage\":null");
	BUF_PUT_LIT(out, "}\n\n");
}

/* The usage chunk comes once, at the end; on the short way only where the provider sent none. */
static void put_usage_chunk(struct dialect_answer *an, const struct oai_stream *s, struct buf *out)
{
	struct json_out o = json_out(out);
	if (!an->show_usage || (s->is_forwarded && an->tally.has_usage))
		return;
	BUF_PUT_LIT(out, "data: ");
	buf_put(out, s->head);
	BUF_PUT_LIT(out, "],");
	oai_put_usage(an, &o);
	BUF_PUT_LIT(out, "}\n\n");
}

int oai_end_stream(struct dialect_answer *an, struct oai_stream *s, struct buf *out)
{
	int err = oai_start(an, s, NULL);
	if (err || an->is_ended)
		return err;
	put_usage_chunk(an, s, out);
	BUF_PUT_LIT(out, "data: [DONE]\n\n");
	an->is_ended = true;
	return 0;
}

/* --- plain answers --- */

void oai_open_answer(const struct dialect_answer *an, struct json_out *o, const char *object)
{
	const struct collected *c = collected(an);
	json_open(o, NULL);
	json_put_str(o, "id", answer_id(an, c->id));
	json_put_z(o, "object", object);
	json_put_i64(o, "created", c->created_s ? c->created_s : an->created_s);
	json_put_str(o, "model", an->model);
}

/* Blocks hold whole pieces, so that no character is cut. */
void oai_put_rope(struct json_out *o, const char *key, const struct rope *text)
{
	const struct rope_block *at = NULL;
	json_put_raw(o, key, STR("\""));
	for (struct str s = rope_next(text, &at); s.p; s = rope_next(text, &at))
		json_escape(o->to, s);
	buf_put_char(o->to, '"');
}

/* Of the attempt that writes. */
static struct usage own_usage(const struct dialect_answer *an)
{
	if (an->tally.has_usage)
		return an->tally.usage;
	return (struct usage){
		.input = estimate_prompt(an->q),
		.output = (an->tally.estimate_milli + 999) / 1000,
		.estimated = true,
	};
}

struct usage oai_usage(const struct dialect_answer *an)
{
	struct usage u = own_usage(an);
	usage_add(&u, &an->before);
	return u;
}

int oai_resume(struct dialect_answer *an)
{
	struct oai_stream *s = an->state;
	if (!s)
		return -EINVAL;
	s->is_forwarded = false;
	oai_note(&s->begun, 0);
	return oai_start(an, s, NULL);
}

/* As LiteLLM has them beside OpenAI's: its clients reckon what a prompt cost by these. */
static void put_cache_counts(struct json_out *o, const struct usage *u)
{
	if (!u->cache_read && !u->cache_write)
		return;
	json_put_u64(o, "cache_creation_input_tokens", u->cache_write);
	json_put_u64(o, "cache_read_input_tokens", u->cache_read);
}

void oai_put_usage(const struct dialect_answer *an, struct json_out *o)
{
	struct usage own = own_usage(an), u = oai_usage(an);
	json_open(o, "usage");
	json_put_u64(o, "prompt_tokens", u.input);
	if (an->q->kind != LLM_EMBED)
		json_put_u64(o, "completion_tokens", u.output);
	json_put_u64(o, "total_tokens", u.input + u.output);
	if (an->q->kind != LLM_EMBED) {
		json_open(o, "prompt_tokens_details");
		json_put_u64(o, "cached_tokens", u.cache_read);
		if (u.cache_write) {
			json_put_u64(o, "cache_write_tokens", u.cache_write);
			json_put_u64(o, "cache_creation_tokens", u.cache_write);
		}
		json_close(o);
		json_open(o, "completion_tokens_details");
		json_put_u64(o, "reasoning_tokens", u.reasoning);
		json_close(o);
		put_cache_counts(o, &u);
	}
	if (an->price)
		json_put_money(o, "cost", an->before_nano + price_cost(an->price, &own));
	json_close(o);
}

const char *oai_finish(const struct dialect_answer *an, enum llm_finish f)
{
	if (f == FINISH_TOOL_CALLS && an->q->uses_functions)
		f = FINISH_FUNCTION;
	return llm_finish_name(f);
}

struct str oai_call_id(const struct dialect_answer *an, struct str id, unsigned choice,
		       unsigned tool)
{
	if (id.n)
		return id;
	uint64_t h = hash_stable(an->id);
	return arena_printf(an->mem, "call_%016llx%04x%04x", (unsigned long long)h, choice & 0xffff,
			    tool & 0xffff);
}

/* --- errors --- */

/* A status says that a provider has spoken: its type and code are not shown, as with LiteLLM.
 * Our own errors may bring a type that is nearer than the outcome's. */
void oai_write_error(struct buf *out, const struct llm_error *e, enum outcome o, int status,
		     struct str call_id, bool in_stream)
{
	const struct outcome_row *row = &outcome_rows[o];
	struct json_out j = json_out(out);
	bool is_own = e && e->status == 0;
	char code[12];
	MUST((unsigned)o < OUTCOME_COUNT);
	if (in_stream)
		BUF_PUT_LIT(out, "data: ");
	json_open(&j, NULL);
	json_open(&j, "error");
	json_put_str(&j, "message", e && e->message.p ? e->message : str_z(row->name));
	json_put_str(&j, "type", is_own && e->type.n ? e->type : str_z(row->type));
	json_put_str(&j, "param", e ? e->param : STR_NONE);
	snprintf(code, sizeof code, "%d", status);
	if (is_own && e->code.n)
		json_put_str(&j, "code", e->code);
	else
		json_put_z(&j, "code", row->code[0] ? row->code : code);
	if (call_id.n)
		json_put_str(&j, "litellm_call_id", call_id);
	json_close(&j);
	json_close(&j);
	if (in_stream)
		BUF_PUT_LIT(out, "\n\n");
}
