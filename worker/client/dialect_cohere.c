/* SPDX-License-Identifier: MIT
 * dialect_cohere.c - POST /v2/chat: answers as streams and whole, and errors.
 *
 * A stream tells what begins and what ends. Content and calls are told apart, and calls one behind
 * the other: one that begins before another is over waits for that, or for the end. What a model
 * thinks is a block of its content, whether calls follow or not: which it is to be nobody knows
 * while it thinks. */
#include "worker/client/dialect_cohere.h"

#include <errno.h>

#include "worker/client/named_event.h"

/* --- what all answers have --- */

struct str coh_id(const struct dialect_answer *an, struct str given)
{
	struct str id = given.n ? given : an->id;
	size_t ours = str_starts(id, STR("chatcmpl-")) ? 9 : str_starts(id, STR("cmpl-")) ? 5 : 0;
	return str_skip(id, ours);
}

static const char *finish_reason(enum llm_finish f, struct str native, bool has_calls)
{
	switch (f) {
	case FINISH_LENGTH:
		return "MAX_TOKENS";
	case FINISH_FILTER:
		return "ERROR_TOXIC";	/* of the first API: the second has no word for it */
	case FINISH_TOOL_CALLS:
	case FINISH_FUNCTION:
		return "TOOL_CALL";
	case FINISH_STOP:
		if (str_eq_nocase(native, STR("STOP_SEQUENCE")))
			return "STOP_SEQUENCE";
		return "COMPLETE";
	default:
		return has_calls ? "TOOL_CALL" : "COMPLETE";
	}
}

static void put_tokens(struct json_out *o, const char *key, const struct usage *u)
{
	json_open(o, key);
	json_put_u64(o, "input_tokens", u->input);
	json_put_u64(o, "output_tokens", u->output);
	json_close(o);
}

/* "finish_reason" and "usage". */
static void put_end(const struct dialect_answer *an, struct json_out *o, enum llm_finish finish,
		    struct str native, bool has_calls)
{
	struct usage u = oai_usage(an);
	json_put_z(o, "finish_reason", finish_reason(finish, native, has_calls));
	json_open(o, "usage");
	put_tokens(o, "billed_units", &u);
	put_tokens(o, "tokens", &u);
	if (u.cache_read)
		json_put_u64(o, "cached_tokens", u.cache_read);
	json_close(o);
}

static void put_call(struct json_out *o, const char *key, struct str id, struct str name,
		     struct str args)
{
	json_open(o, key);
	json_put_str(o, "id", id);
	json_put_z(o, "type", "function");
	json_open(o, "function");
	json_put_str(o, "name", name.p ? name : STR(""));
	json_put_str(o, "arguments", args);
	json_close(o);
	json_close(o);
}

/* --- events of a stream --- */

struct coh_stream *coh_stream(struct dialect_answer *an)
{
	struct coh_stream *s = an->state;
	if (s)
		return s;
	s = an->state = arena_alloc(an->mem, sizeof *s);
	if (s)
		s->reader.mem = an->mem;
	return s;
}

/* Up to the message of an event that belongs to a block or a call. */
static struct json_out begin_delta(struct buf *out, const char *type, unsigned index)
{
	struct json_out o = named_event_open(out, type);
	json_put_u64(&o, "index", index);
	json_open(&o, "delta");
	json_open(&o, "message");
	return o;
}

static void end_delta(struct json_out *o)
{
	json_close(o);
	json_close(o);
	named_event_close(o);
}

static void put_index(struct buf *out, const char *type, unsigned index)
{
	struct json_out o = named_event_open(out, type);
	json_put_u64(&o, "index", index);
	named_event_close(&o);
}

/* Late, so that a provider's id can come before. */
static void start_stream(struct dialect_answer *an, const struct coh_stream *s, struct buf *out)
{
	if (an->is_started)
		return;
	an->is_started = true;
	struct json_out o = named_event_open(out, "message-start");
	json_put_str(&o, "id", coh_id(an, s->id));
	json_open(&o, "delta");
	json_open(&o, "message");
	json_put_z(&o, "role", "assistant");
	json_open_array(&o, "content");
	json_close_array(&o);
	json_put_z(&o, "tool_plan", "");
	json_open_array(&o, "tool_calls");
	json_close_array(&o);
	json_open_array(&o, "citations");
	json_close_array(&o);
	end_delta(&o);
}

/* --- content --- */

static void close_content(struct coh_stream *s, struct buf *out)
{
	if (s->open != COH_NONE)
		put_index(out, "content-end", s->n_blocks++);
	s->open = COH_NONE;
}

static const char *kind_name(enum coh_kind kind)
{
	return kind == COH_TEXT ? "text" : "thinking";
}

static void open_content(struct coh_stream *s, enum coh_kind kind, struct buf *out)
{
	close_content(s, out);
	s->open = kind;
	struct json_out o = begin_delta(out, "content-start", s->n_blocks);
	json_open(&o, "content");
	json_put_z(&o, "type", kind_name(kind));
	json_put_z(&o, kind_name(kind), "");
	json_close(&o);
	end_delta(&o);
}

static void say(struct coh_stream *s, enum coh_kind kind, struct str text, struct buf *out)
{
	if (!text.n)
		return;
	if (s->open != kind)
		open_content(s, kind, out);
	struct json_out o = begin_delta(out, "content-delta", s->n_blocks);
	json_open(&o, "content");
	json_put_str(&o, kind_name(kind), text);
	json_close(&o);
	end_delta(&o);
}

/* --- calls --- */

static void close_call(struct coh_stream *s, struct buf *out)
{
	if (s->has_call)
		put_index(out, "tool-call-end", s->n_calls - 1);
	s->has_call = false;
}

static int open_call(struct dialect_answer *an, struct coh_stream *s, unsigned tool, struct str id,
		     struct str name, struct buf *out)
{
	id = oai_call_id(an, id, 0, tool);
	if (!id.p)
		return -ENOMEM;
	close_content(s, out);
	close_call(s, out);
	s->has_call = true;
	s->tool = tool;
	s->args = (struct whole){ 0 };
	struct json_out o = begin_delta(out, "tool-call-start", s->n_calls++);
	put_call(&o, "tool_calls", id, name, STR(""));
	end_delta(&o);
	return 0;
}

static void add_arguments(struct coh_stream *s, struct str text, struct buf *out)
{
	if (!text.n)
		return;
	whole_follow(&s->args, text);
	struct json_out o = begin_delta(out, "tool-call-delta", s->n_calls - 1);
	json_open(&o, "tool_calls");
	json_open(&o, "function");
	json_put_str(&o, "arguments", text);
	json_close(&o);
	json_close(&o);
	end_delta(&o);
}

static int take_call(struct dialect_answer *an, struct coh_stream *s, const struct llm_event *ev,
		     struct buf *out)
{
	bool is_open = s->has_call && s->tool == ev->tool && ev->kind == EV_TOOL_ARGS;
	bool is_busy = s->waiting || (s->has_call && !s->args.is_whole);
	if (is_open)
		add_arguments(s, ev->text, out);
	else if (is_busy)
		return collect_call(an->mem, &s->waiting, ev);
	else if (ev->kind == EV_TOOL_START)
		return open_call(an, s, ev->tool, ev->id, ev->name, out);
	return 0;			/* arguments of a call that is over, or never was */
}

static int say_waiting(struct dialect_answer *an, struct coh_stream *s, struct buf *out)
{
	for (const struct collected_call *k = s->waiting; k; k = k->next) {
		struct str args = rope_join(an->mem, &k->args);
		int err = args.p ? open_call(an, s, k->tool, k->id, k->name, out) : -ENOMEM;
		if (err)
			return err;
		add_arguments(s, args, out);
	}
	s->waiting = NULL;
	return 0;
}

/* --- the end --- */

static int end_stream(struct dialect_answer *an, struct coh_stream *s, struct buf *out)
{
	int err = an->is_ended ? 0 : say_waiting(an, s, out);
	if (err || an->is_ended)
		return err;
	an->is_ended = true;
	close_content(s, out);
	close_call(s, out);
	struct json_out o = named_event_open(out, "message-end");
	json_put_str(&o, "id", coh_id(an, s->id));
	json_open(&o, "delta");
	put_end(an, &o, s->finish, s->native, s->n_calls > 0);
	json_close(&o);
	named_event_close(&o);
	return 0;
}

static int keep(struct arena *a, struct str *to, struct str s)
{
	if (!s.p || to->p)
		return 0;
	*to = arena_dup(a, s);
	return to->p ? 0 : -ENOMEM;
}

static int take(struct dialect_answer *an, struct coh_stream *s, const struct llm_event *ev,
		struct buf *out)
{
	switch (ev->kind) {
	case EV_TEXT:
	case EV_REFUSAL:
		say(s, COH_TEXT, ev->text, out);
		return 0;
	case EV_REASONING:
		say(s, COH_THINKING, ev->text, out);
		return 0;
	case EV_TOOL_START:
	case EV_TOOL_ARGS:
		return take_call(an, s, ev, out);
	case EV_FINISH:
		s->finish = ev->finish;
		return keep(an->mem, &s->native, ev->native);
	default:
		return 0;
	}
}

static int write_event(struct dialect_answer *an, const struct llm_event *ev, struct buf *out)
{
	struct coh_stream *s = coh_stream(an);
	if (!s)
		return -ENOMEM;
	llm_tally_event(&an->tally, ev);
	if (ev->kind == EV_ERROR || ev->kind == EV_USAGE || an->is_ended || ev->choice > 0)
		return 0;
	if (ev->kind == EV_START)
		return keep(an->mem, &s->id, ev->id);
	start_stream(an, s, out);
	if (ev->kind == EV_END)
		return end_stream(an, s, out);
	/* What comes behind the end of the only choice is nothing. */
	return s->finish == FINISH_NONE ? take(an, s, ev, out) : 0;
}

/* Nobody goes on amid a call. */
static int resume(struct dialect_answer *an)
{
	struct coh_stream *s = an->state;
	if (!s || s->has_call || s->waiting)
		return -EINVAL;
	an->is_started = true;
	s->finish = FINISH_NONE;
	return 0;
}

/* --- plain answers --- */

static int put_calls(const struct dialect_answer *an, struct json_out *o,
		     const struct collected_call *calls)
{
	json_open_array(o, "tool_calls");
	for (const struct collected_call *k = calls; k; k = k->next) {
		struct str id = oai_call_id(an, k->id, 0, k->tool);
		struct str args = rope_join(an->mem, &k->args);
		if (!id.p || !args.p)
			return -ENOMEM;
		put_call(o, NULL, id, k->name, args);
	}
	json_close_array(o);
	return 0;
}

static void put_block(struct json_out *o, enum coh_kind kind, const struct rope *text)
{
	json_open(o, NULL);
	json_put_z(o, "type", kind_name(kind));
	oai_put_rope(o, kind_name(kind), text);
	json_close(o);
}

static int write_answer(struct dialect_answer *an, struct buf *out)
{
	static const struct collected_choice empty;
	const struct collected *all = collected(an);
	const struct collected_choice *c = all->choices && all->choices->index == 0 ? all->choices
										    : &empty;
	struct json_out o = json_out(out);
	json_open(&o, NULL);
	json_put_str(&o, "id", coh_id(an, all->id));
	json_open(&o, "message");
	json_put_z(&o, "role", "assistant");
	int err = c->calls ? put_calls(an, &o, c->calls) : 0;
	if (err)
		return err;
	if (c->reasoning.n || c->text.n || !c->calls) {
		json_open_array(&o, "content");
		if (c->reasoning.n)
			put_block(&o, COH_THINKING, &c->reasoning);
		if (c->text.n || !c->reasoning.n)
			put_block(&o, COH_TEXT, &c->text);
		json_close_array(&o);
	}
	json_close(&o);
	put_end(an, &o, c->finish, c->native, c->calls);
	json_close(&o);
	return 0;
}

/* --- errors --- */

/* A stream that fails has its last event, which says why. */
void coh_write_error(struct buf *out, const struct llm_error *e, enum outcome o, int status,
		     struct str call_id, bool in_stream)
{
	struct str message = e && e->message.p ? e->message : str_z(outcome_rows[o].name);
	struct json_out j;
	(void)status;
	MUST((unsigned)o < OUTCOME_COUNT);
	if (in_stream) {
		j = named_event_open(out, "message-end");
		json_open(&j, "delta");
		json_put_z(&j, "finish_reason", "ERROR");
		json_put_str(&j, "error", message);
		json_close(&j);
		named_event_close(&j);
		return;
	}
	j = json_out(out);
	json_open(&j, NULL);
	if (call_id.n)
		json_put_str(&j, "id", call_id);
	json_put_str(&j, "message", message);
	json_close(&j);
}

const struct dialect dialect_cohere_chat = {
	.name = "cohere.chat",
	.kind = LLM_CHAT,
	.twin = FAMILY_COHERE,
	.read_request = coh_read_chat,
	.write_event = write_event,
	.collect = collect_spoken,
	.write_answer = write_answer,
	.forward_request = coh_forward_chat,
	.forward_event = coh_forward_event,
	.resume = resume,
	.forward_answer = coh_forward_answer,
	.write_error = coh_write_error,
	.stream_type = "text/event-stream",
	.heartbeat = ": llmgw\n\n",
};
