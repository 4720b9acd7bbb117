/* SPDX-License-Identifier: MIT
 * dialect_anthropic_write.c - neutral events to content blocks: of a stream, or of a plain answer.
 *
 * Blocks must not overlap, but some providers mix the pieces of calls that run side by side. So
 * what comes while a call's arguments are not yet whole JSON waits until they are, or until the
 * end. Both kinds of answer go through here, so that the sum of a stream is the plain answer. */
#include <errno.h>

#include "common/hash.h"
#include "worker/client/dialect_anthropic.h"
#include "worker/client/named_event.h"

struct ant_block {
	struct ant_block *next;
	enum ant_kind kind;
	struct str id, name, signature;
	struct rope text;
};
struct ant_waiting {
	struct ant_waiting *next;
	struct llm_event ev;
};
struct writing {
	struct dialect_answer *an;
	struct ant_answer *s;
	struct buf *out;		/* of a stream; NULL for a plain answer */
	struct ant_waiting *again;	/* the event said now has waited before */
};

struct ant_answer *ant_answer(struct dialect_answer *an)
{
	struct ant_answer *s = an->state;
	if (s)
		return s;
	s = an->state = arena_alloc(an->mem, sizeof *s);
	if (s)
		s->reader.mem = an->mem;
	return s;
}

static int keep(struct arena *a, struct str *s)
{
	if (!s->p)
		return 0;
	*s = arena_dup(a, *s);
	return s->p ? 0 : -ENOMEM;
}

/* --- words --- */

/* "msg_..." as it is; the gateway's own names, and other vendors', behind that. */
static struct str message_id(const struct dialect_answer *an, const struct ant_answer *s)
{
	struct str id = s->id.n ? s->id : an->id;
	if (str_starts(id, STR("msg_")))
		return id;
	if (str_starts(id, STR("chatcmpl-")))
		id = str_skip(id, 9);
	return arena_printf(an->mem, "msg_" STR_FMT, STR_ARG(id));
}

static struct str call_id(const struct dialect_answer *an, const struct llm_event *ev)
{
	if (ev->id.n)
		return ev->id;
	return arena_printf(an->mem, "toolu_%016llx%04x", (unsigned long long)hash_stable(an->id),
			    ev->tool & 0xffff);
}

/* The provider's own word where it is one of ours and means the same. */
static struct str stop_reason(const struct ant_answer *s)
{
	static const struct str words[] = {
		STR("end_turn"), STR("stop_sequence"), STR("pause_turn"), STR("tool_use"),
		STR("max_tokens"), STR("model_context_window_exceeded"), STR("refusal"),
	};
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(s->native, words[i]) && llm_finish_of(words[i]) == s->finish)
			return words[i];
	switch (s->finish) {
	case FINISH_LENGTH:
		return STR("max_tokens");
	case FINISH_FILTER:
		return STR("refusal");
	case FINISH_TOOL_CALLS:
	case FINISH_FUNCTION:
		return STR("tool_use");
	default:
		return s->has_calls ? STR("tool_use") : s->has_refusal ? STR("refusal")
								       : STR("end_turn");
	}
}

static void put_usage(const struct dialect_answer *an, struct json_out *o)
{
	struct usage u = oai_usage(an);
	json_open(o, "usage");
	json_put_u64(o, "input_tokens", u.input - u.cache_read - u.cache_write);
	json_put_u64(o, "cache_creation_input_tokens", u.cache_write);
	json_put_u64(o, "cache_read_input_tokens", u.cache_read);
	json_put_u64(o, "output_tokens", u.output);
	if (u.reasoning) {
		json_open(o, "output_tokens_details");
		json_put_u64(o, "thinking_tokens", u.reasoning);
		json_close(o);
	}
	json_close(o);
}

/* --- events of a stream --- */

/* What a message says before it says anything. */
static int put_head(const struct dialect_answer *an, const struct ant_answer *s, struct json_out *o)
{
	struct str id = message_id(an, s);
	if (!id.p)
		return -ENOMEM;
	json_put_str(o, "id", id);
	json_put_z(o, "type", "message");
	json_put_z(o, "role", "assistant");
	json_put_str(o, "model", an->model);
	json_open_array(o, "content");
	return 0;
}

/* Late, so that a provider's word on the prompt can come before. */
static int start_stream(struct writing *w)
{
	if (!w->out || w->an->is_started)
		return 0;
	w->an->is_started = true;
	struct json_out o = named_event_open(w->out, "message_start");
	json_open(&o, "message");
	int err = put_head(w->an, w->s, &o);
	if (err)
		return err;
	json_close_array(&o);
	json_put_null(&o, "stop_reason");
	json_put_null(&o, "stop_sequence");
	put_usage(w->an, &o);
	json_close(&o);
	named_event_close(&o);
	o = named_event_open(w->out, "ping");
	named_event_close(&o);
	return 0;
}

static void put_block_start(struct writing *w, enum ant_kind kind, const struct llm_event *ev)
{
	struct json_out o = named_event_open(w->out, "content_block_start");
	json_put_u64(&o, "index", w->s->n_blocks);
	json_open(&o, "content_block");
	if (kind == ANT_TEXT) {
		json_put_z(&o, "type", "text");
		json_put_z(&o, "text", "");
	} else if (kind == ANT_THINKING) {
		json_put_z(&o, "type", "thinking");
		json_put_z(&o, "thinking", "");
		json_put_z(&o, "signature", "");
	} else if (kind == ANT_REDACTED) {
		json_put_z(&o, "type", "redacted_thinking");
		json_put_str(&o, "data", ev->redacted);
	} else {
		json_put_z(&o, "type", "tool_use");
		json_put_str(&o, "id", ev->id);
		json_put_str(&o, "name", ev->name);
		json_put_raw(&o, "input", STR("{}"));
	}
	json_close(&o);
	named_event_close(&o);
}

/* --- blocks --- */

static void close_block(struct writing *w)
{
	if (w->s->open == ANT_NONE)
		return;
	if (w->out) {
		struct json_out o = named_event_open(w->out, "content_block_stop");
		json_put_u64(&o, "index", w->s->n_blocks);
		named_event_close(&o);
	}
	w->s->n_blocks++;
	w->s->open = ANT_NONE;
	w->s->is_signed = false;
}

static int add_block(struct writing *w, enum ant_kind kind, const struct llm_event *ev)
{
	struct ant_answer *s = w->s;
	struct ant_block *b = arena_alloc(w->an->mem, sizeof *b);
	if (!b)
		return -ENOMEM;
	*b = (struct ant_block){ .kind = kind, .id = ev->id, .name = ev->name };
	int err = keep(w->an->mem, &b->id);
	if (!err)
		err = keep(w->an->mem, &b->name);
	if (!err && kind == ANT_REDACTED)
		err = rope_add(w->an->mem, &b->text, ev->redacted);
	*(s->last_block ? &s->last_block->next : &s->blocks) = b;
	s->last_block = b;
	return err;
}

static int open_block(struct writing *w, enum ant_kind kind, const struct llm_event *ev)
{
	int err = start_stream(w);
	if (err)
		return err;
	close_block(w);
	w->s->open = kind;
	if (!w->out)
		return add_block(w, kind, ev);
	put_block_start(w, kind, ev);
	return 0;
}

static int put_piece(struct writing *w, const char *type, const char *key, struct str text)
{
	if (!text.n)
		return 0;
	if (!w->out)
		return rope_add(w->an->mem, &w->s->last_block->text, text);
	struct json_out o = named_event_open(w->out, "content_block_delta");
	json_put_u64(&o, "index", w->s->n_blocks);
	json_open(&o, "delta");
	json_put_z(&o, "type", type);
	json_put_str(&o, key, text);
	json_close(&o);
	named_event_close(&o);
	return 0;
}

static int put_signature(struct writing *w, struct str signature)
{
	w->s->is_signed = true;
	if (w->out)
		return put_piece(w, "signature_delta", "signature", signature);
	w->s->last_block->signature = signature;
	return keep(w->an->mem, &w->s->last_block->signature);
}

static int say_text(struct writing *w, const struct llm_event *ev)
{
	int err = 0;
	if (!ev->text.n)
		return 0;
	if (w->s->open != ANT_TEXT)
		err = open_block(w, ANT_TEXT, &(struct llm_event){ 0 });
	return err ? err : put_piece(w, "text_delta", "text", ev->text);
}

static int say_thought(struct writing *w, const struct llm_event *ev)
{
	int err = 0;
	if (ev->redacted.n)
		return open_block(w, ANT_REDACTED, ev);
	if (!ev->text.n && !ev->signature.n)
		return 0;
	if (w->s->open != ANT_THINKING || w->s->is_signed)
		err = open_block(w, ANT_THINKING, &(struct llm_event){ 0 });
	if (!err)
		err = put_piece(w, "thinking_delta", "thinking", ev->text);
	return err || !ev->signature.n ? err : put_signature(w, ev->signature);
}

/* --- calls --- */

static int start_call(struct writing *w, const struct llm_event *ev)
{
	struct llm_event one = *ev;
	one.id = call_id(w->an, ev);
	if (!one.id.p)
		return -ENOMEM;
	if (!one.name.p)
		one.name = STR("");
	w->s->has_calls = true;
	w->s->call = (struct ant_call){ .tool = ev->tool };
	return open_block(w, ANT_CALL, &one);
}

static bool is_for_open_call(const struct ant_answer *s, const struct llm_event *ev)
{
	return ev->kind == EV_TOOL_ARGS && s->open == ANT_CALL && s->call.tool == ev->tool;
}

static int add_arguments(struct writing *w, const struct llm_event *ev)
{
	if (!is_for_open_call(w->s, ev))
		return 0;		/* of a call that is over, or never was */
	whole_follow(&w->s->call.args, ev->text);
	return put_piece(w, "input_json_delta", "partial_json", ev->text);
}

/* --- the order of things --- */

static int wait(struct writing *w, const struct llm_event *ev)
{
	struct arena *a = w->an->mem;
	struct ant_waiting *one = w->again ? w->again : arena_alloc(a, sizeof *one);
	if (!one)
		return -ENOMEM;
	if (!w->again) {
		one->ev = *ev;
		if (keep(a, &one->ev.text) || keep(a, &one->ev.id) || keep(a, &one->ev.name) ||
		    keep(a, &one->ev.signature) || keep(a, &one->ev.redacted))
			return -ENOMEM;
	}
	one->next = NULL;
	*(w->s->waiting ? &w->s->last_waiting->next : &w->s->waiting) = one;
	w->s->last_waiting = one;
	return 0;
}

static bool is_busy(const struct ant_answer *s)
{
	return s->open == ANT_CALL && !s->call.args.is_whole;
}

static int say(struct writing *w, const struct llm_event *ev)
{
	if (!is_for_open_call(w->s, ev) && (is_busy(w->s) || w->s->waiting))
		return wait(w, ev);
	switch (ev->kind) {
	case EV_REASONING:
		return say_thought(w, ev);
	case EV_TOOL_START:
		return start_call(w, ev);
	case EV_TOOL_ARGS:
		return add_arguments(w, ev);
	default:
		w->s->has_refusal = w->s->has_refusal || ev->kind == EV_REFUSAL;
		return say_text(w, ev);
	}
}

/* Each round says at least the first of those that wait. */
static int say_waiting(struct writing *w)
{
	int err = 0;
	while (!err && w->s->waiting && !is_busy(w->s)) {
		struct ant_waiting *one = w->s->waiting, *next;
		w->s->waiting = NULL;
		for (; one && !err; one = next) {
			next = one->next;
			w->again = one;
			err = say(w, &one->ev);
		}
		w->again = NULL;
	}
	return err;
}

static int say_rest(struct writing *w)
{
	int err = 0;
	while (!err && w->s->waiting) {
		w->s->call.args.is_whole = true;	/* it never will be */
		err = say_waiting(w);
	}
	return err;
}

static int finish(struct writing *w, const struct llm_event *ev)
{
	if (w->s->is_finished)
		return 0;
	w->s->is_finished = true;
	w->s->finish = ev->finish;
	w->s->native = ev->native;
	return keep(w->an->mem, &w->s->native);
}

static int take(struct writing *w, const struct llm_event *ev)
{
	if (ev->choice > 0)
		return 0;		/* there is room for one answer only */
	switch (ev->kind) {
	case EV_START:
		w->s->id = ev->id;
		return keep(w->an->mem, &w->s->id);
	case EV_TEXT:
	case EV_REFUSAL:
	case EV_REASONING:
	case EV_TOOL_START:
	case EV_TOOL_ARGS:
		break;
	case EV_FINISH:
		return finish(w, ev);
	default:
		return 0;
	}
	int err = w->s->is_finished ? 0 : say(w, ev);
	return err ? err : say_waiting(w);
}

/* --- streams --- */

static int end_stream(struct writing *w)
{
	struct json_out o;
	int err = w->an->is_ended ? 0 : say_rest(w);
	if (err || w->an->is_ended)
		return err;
	w->an->is_ended = true;
	if (!w->s->is_forwarded) {
		err = start_stream(w);
		if (err)
			return err;
		close_block(w);
		o = named_event_open(w->out, "message_delta");
		json_open(&o, "delta");
		json_put_str(&o, "stop_reason", stop_reason(w->s));
		json_put_null(&o, "stop_sequence");
		json_close(&o);
		put_usage(w->an, &o);
		named_event_close(&o);
	}
	o = named_event_open(w->out, "message_stop");
	named_event_close(&o);
	return 0;
}

int ant_write_event(struct dialect_answer *an, const struct llm_event *ev, struct buf *out)
{
	struct writing w = { .an = an, .s = ant_answer(an), .out = out };
	if (!w.s)
		return -ENOMEM;
	llm_tally_event(&an->tally, ev);
	return ev->kind == EV_END ? end_stream(&w) : take(&w, ev);
}

/* A thought that its maker has not signed can only be left as it is; nobody goes on amid a call. */
int ant_resume(struct dialect_answer *an)
{
	struct ant_answer *s = an->state;
	if (!s || s->open == ANT_CALL || s->waiting)
		return -EINVAL;
	an->is_started = true;
	s->is_forwarded = false;
	s->is_finished = false;
	return 0;
}

/* --- plain answers --- */

int ant_collect(struct dialect_answer *an, const struct llm_event *ev)
{
	struct writing w = { .an = an, .s = ant_answer(an) };
	if (!w.s)
		return -ENOMEM;
	llm_tally_event(&an->tally, ev);
	if (ev->kind == EV_END)
		an->is_ended = true;
	return take(&w, ev);
}

/* A model can write what is no JSON; the call is given all the same. */
static int put_input(struct dialect_answer *an, struct json_out *o, const struct rope *args)
{
	struct str text = rope_join(an->mem, args);
	struct json_error error;
	const struct json *j = text.n ? json_parse(an->mem, text, 0, &error) : NULL;
	if (!text.p)
		return -ENOMEM;
	if (json_is(j, JSON_OBJECT)) {
		json_put_raw(o, "input", j->raw);
		return 0;
	}
	json_open(o, "input");
	if (text.n)
		json_put_str(o, "_raw", text);
	json_close(o);
	return 0;
}

static int put_block(struct dialect_answer *an, struct json_out *o, const struct ant_block *b)
{
	int err = 0;
	json_open(o, NULL);
	if (b->kind == ANT_TEXT) {
		json_put_z(o, "type", "text");
		oai_put_rope(o, "text", &b->text);
	} else if (b->kind == ANT_THINKING) {
		json_put_z(o, "type", "thinking");
		oai_put_rope(o, "thinking", &b->text);
		json_put_str(o, "signature", b->signature.p ? b->signature : STR(""));
	} else if (b->kind == ANT_REDACTED) {
		json_put_z(o, "type", "redacted_thinking");
		oai_put_rope(o, "data", &b->text);
	} else {
		json_put_z(o, "type", "tool_use");
		json_put_str(o, "id", b->id);
		json_put_str(o, "name", b->name);
		err = put_input(an, o, &b->text);
	}
	json_close(o);
	return err;
}

int ant_write_answer(struct dialect_answer *an, struct buf *out)
{
	struct writing w = { .an = an, .s = ant_answer(an) };
	struct json_out o = json_out(out);
	int err = w.s ? say_rest(&w) : -ENOMEM;
	if (err)
		return err;
	json_open(&o, NULL);
	err = put_head(an, w.s, &o);
	for (const struct ant_block *b = w.s->blocks; b && !err; b = b->next)
		err = put_block(an, &o, b);
	if (err)
		return err;
	json_close_array(&o);
	json_put_str(&o, "stop_reason", stop_reason(w.s));
	json_put_null(&o, "stop_sequence");
	put_usage(an, &o);
	json_close(&o);
	return 0;
}
