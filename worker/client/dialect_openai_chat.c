/* SPDX-License-Identifier: MIT
 * dialect_openai_chat.c - POST /v1/chat/completions.
 *
 * The sum of a stream's deltas is the plain answer's message: both are written from the same
 * events, member by member. */
#include <errno.h>

#include "worker/client/dialect_openai.h"

/* --- requests --- */

#define TO(member) offsetof(struct llm_request, member)

static const struct oai_param params[] = {
	{ "messages", oai_read_messages, TO(messages) },
	{ "tools", oai_read_tools, TO(tools) },
	{ "tool_choice", oai_read_tool_choice, 0 },
	{ "functions", oai_read_functions, TO(tools) },
	{ "function_call", oai_read_function_choice, 0 },
	{ "parallel_tool_calls", oai_read_parallel, TO(parallel_tool_calls) },
	{ "response_format", oai_read_format, 0 },
	{ "logprobs", oai_other_flag, 0 },
	{ "top_logprobs", oai_other_number, 0 },
	{ "modalities", oai_other_array, 0 },
	{ "audio", oai_other_object, 0 },
	{ "prediction", oai_other_object, 0 },
	{ "web_search_options", oai_other_object, 0 },
	{ "service_tier", oai_other_string, 0 },
	{ "store", oai_other_flag, 0 },
	{ "verbosity", oai_other_string, 0 },
	{ NULL, NULL, 0 },
};

static int read_request(struct arena *a, struct str body, const struct json *root,
			struct llm_request *ret, struct dialect_error *reterr)
{
	static const struct place messages = { .name = "messages" };
	struct oai_reading r;
	oai_begin(&r, a, body, root, LLM_CHAT, ret, reterr);
	int err = oai_read_members(&r, root, params);
	if (!err && !ret->messages)
		return oai_refuse(&r, &messages, "is missing");
	return err;
}

/* --- streams --- */

static const char chunk_object[] = "chat.completion.chunk";

/* Opens the chunk up to its delta; the first one of a choice says who speaks. */
static void open_delta(struct oai_stream *s, struct buf *out, unsigned choice, const char *more)
{
	oai_open_chunk(s, out, choice);
	BUF_PUT_LIT(out, "\"delta\":{");
	if (!oai_has(&s->begun, choice)) {
		BUF_PUT_LIT(out, "\"role\":\"assistant\"");
		buf_put_z(out, more);
	}
	oai_note(&s->begun, choice);
}

static void close_delta(const struct dialect_answer *an, struct buf *out, const char *finish)
{
	buf_put_char(out, '}');
	oai_close_chunk(an, out, finish);
}

static void put_text_delta(struct dialect_answer *an, struct oai_stream *s, const char *key,
			   const struct llm_event *ev, struct buf *out)
{
	open_delta(s, out, ev->choice, ",");
	buf_put_char(out, '"');
	buf_put_z(out, key);
	BUF_PUT_LIT(out, "\":\"");
	json_escape(out, ev->text);
	buf_put_char(out, '"');
	close_delta(an, out, NULL);
}

/* LiteLLM's form of a signature that must come back with the reasoning. */
static void put_thinking_blocks(struct json_out *o, const struct rope *text, struct str signature)
{
	json_open_array(o, "thinking_blocks");
	json_open(o, NULL);
	json_put_z(o, "type", "thinking");
	if (text)
		oai_put_rope(o, "thinking", text);
	else
		json_put_z(o, "thinking", "");
	json_put_str(o, "signature", signature);
	json_close(o);
	json_close_array(o);
}

static void put_signature_delta(struct dialect_answer *an, struct oai_stream *s,
				const struct llm_event *ev, struct buf *out)
{
	struct json_out o = json_out(out);
	open_delta(s, out, ev->choice, ",");
	put_thinking_blocks(&o, NULL, ev->signature);
	close_delta(an, out, NULL);
}

static void put_function(struct json_out *o, const char *key, struct str name, struct str args)
{
	json_open(o, key);
	if (name.p)
		json_put_str(o, "name", name);
	json_put_str(o, "arguments", args.p ? args : STR(""));
	json_close(o);
}

static int put_tool_delta(struct dialect_answer *an, struct oai_stream *s,
			  const struct llm_event *ev, struct buf *out)
{
	struct json_out o = json_out(out);
	bool is_start = ev->kind == EV_TOOL_START;
	struct str name = !is_start ? STR_NONE : ev->name.p ? ev->name : STR("");
	struct str id = is_start ? oai_call_id(an, ev->id, ev->choice, ev->tool) : STR_NONE;
	if (is_start && !id.p)
		return -ENOMEM;
	oai_note(&s->called, ev->choice);
	open_delta(s, out, ev->choice, ",\"content\":null,");
	if (an->q->uses_functions) {
		put_function(&o, "function_call", name, ev->text);
		close_delta(an, out, NULL);
		return 0;
	}
	json_open_array(&o, "tool_calls");
	json_open(&o, NULL);
	json_put_u64(&o, "index", ev->tool);
	if (is_start) {
		json_put_str(&o, "id", id);
		json_put_z(&o, "type", "function");
	}
	put_function(&o, "function", name, ev->text);
	json_close(&o);
	json_close_array(&o);
	close_delta(an, out, NULL);
	return 0;
}

static void put_finish(struct dialect_answer *an, struct oai_stream *s, unsigned choice,
		       enum llm_finish finish, struct buf *out)
{
	if (oai_has(&s->finished, choice))
		return;
	oai_note(&s->finished, choice);
	open_delta(s, out, choice, "");
	close_delta(an, out, oai_finish(an, finish));
}

/* A choice that the provider left open ends as well. */
static int end_stream(struct dialect_answer *an, struct oai_stream *s, struct buf *out)
{
	bool has_any = s->is_forwarded || an->is_ended;
	for (unsigned i = 0; i < OAI_CHOICES_MAX && !s->is_forwarded && !an->is_ended; i++) {
		if (!oai_has(&s->begun, i))
			continue;
		has_any = true;
		put_finish(an, s, i, oai_has(&s->called, i) ? FINISH_TOOL_CALLS : FINISH_STOP, out);
	}
	if (!has_any)
		put_finish(an, s, 0, FINISH_STOP, out);
	return oai_end_stream(an, s, out);
}

static int write_content(struct dialect_answer *an, struct oai_stream *s,
			 const struct llm_event *ev, struct buf *out)
{
	switch (ev->kind) {
	case EV_TEXT:
		put_text_delta(an, s, "content", ev, out);
		return 0;
	case EV_REASONING:
		if (ev->text.n)
			put_text_delta(an, s, "reasoning_content", ev, out);
		if (ev->signature.p)
			put_signature_delta(an, s, ev, out);
		return 0;
	case EV_REFUSAL:
		put_text_delta(an, s, "refusal", ev, out);
		return 0;
	case EV_TOOL_START:
	case EV_TOOL_ARGS:
		if (an->q->uses_functions && ev->tool > 0)
			return 0;	/* the old form has room for one */
		return put_tool_delta(an, s, ev, out);
	case EV_FINISH:
		put_finish(an, s, ev->choice, ev->finish, out);
		return 0;
	default:
		return 0;
	}
}

static int write_event(struct dialect_answer *an, const struct llm_event *ev, struct buf *out)
{
	struct oai_stream *s = oai_stream(an, chunk_object);
	if (!s)
		return -ENOMEM;
	llm_tally_event(&an->tally, ev);
	if (ev->kind == EV_USAGE || ev->kind == EV_ERROR || ev->choice >= OAI_CHOICES_MAX)
		return 0;
	int err = oai_start(an, s, ev->kind == EV_START ? ev : NULL);
	if (err)
		return err;
	if (ev->kind == EV_END)
		return end_stream(an, s, out);
	return oai_has(&s->finished, ev->choice) ? 0 : write_content(an, s, ev, out);
}

/* --- plain answers --- */

static int put_calls(const struct dialect_answer *an, struct json_out *o,
		     const struct collected_choice *c)
{
	if (an->q->uses_functions) {
		struct str args = rope_join(an->mem, &c->calls->args);
		put_function(o, "function_call", c->calls->name.p ? c->calls->name : STR(""), args);
		return args.p ? 0 : -ENOMEM;
	}
	json_open_array(o, "tool_calls");
	for (const struct collected_call *k = c->calls; k; k = k->next) {
		struct str id = oai_call_id(an, k->id, c->index, k->tool);
		if (!id.p)
			return -ENOMEM;
		json_open(o, NULL);
		json_put_str(o, "id", id);
		json_put_z(o, "type", "function");
		json_open(o, "function");
		json_put_str(o, "name", k->name.p ? k->name : STR(""));
		oai_put_rope(o, "arguments", &k->args);
		json_close(o);
		json_close(o);
	}
	json_close_array(o);
	return 0;
}

static int put_message(const struct dialect_answer *an, struct json_out *o,
		       const struct collected_choice *c)
{
	int err = 0;
	json_open(o, "message");
	json_put_z(o, "role", "assistant");
	if (c->text.n || (!c->calls && !c->refusal.n))
		oai_put_rope(o, "content", &c->text);
	else
		json_put_null(o, "content");
	if (c->reasoning.n)
		oai_put_rope(o, "reasoning_content", &c->reasoning);
	if (c->signature.p)
		put_thinking_blocks(o, &c->reasoning, c->signature);
	if (c->refusal.n)
		oai_put_rope(o, "refusal", &c->refusal);
	if (c->calls)
		err = put_calls(an, o, c);
	json_close(o);
	return err;
}

static int put_choice(const struct dialect_answer *an, struct json_out *o,
		      const struct collected_choice *c)
{
	enum llm_finish finish = c->finish;
	if (finish == FINISH_NONE)
		finish = c->calls ? FINISH_TOOL_CALLS : FINISH_STOP;
	json_open(o, NULL);
	json_put_u64(o, "index", c->index);
	int err = put_message(an, o, c);
	json_put_z(o, "finish_reason", oai_finish(an, finish));
	json_close(o);
	return err;
}

static int write_answer(struct dialect_answer *an, struct buf *out)
{
	static const struct collected_choice empty;
	const struct collected_choice *c = collected(an)->choices;
	struct json_out o = json_out(out);
	oai_open_answer(an, &o, "chat.completion");
	json_open_array(&o, "choices");
	int err = c ? 0 : put_choice(an, &o, &empty);
	for (; c && !err; c = c->next)
		err = put_choice(an, &o, c);
	if (err)
		return err;
	json_close_array(&o);
	oai_put_usage(an, &o);
	json_close(&o);
	return 0;
}

const struct dialect dialect_openai_chat = {
	.name = "openai.chat",
	.kind = LLM_CHAT,
	.twin = FAMILY_OPENAI,
	.read_request = read_request,
	.write_event = write_event,
	.collect = collect_event,
	.write_answer = write_answer,
	.forward_request = oai_forward_request,
	.forward_event = oai_forward_event,
	.forward_answer = oai_forward_answer,
	.write_error = oai_write_error,
	.resume = oai_resume,
	.stream_type = "text/event-stream",
	.heartbeat = ": llmgw\n\n",
};
