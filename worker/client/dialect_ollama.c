/* SPDX-License-Identifier: MIT
 * dialect_ollama.c - POST /api/chat and /api/generate: answers as lines and whole, and errors.
 *
 * The two differ in one member: a message, or a response. Calls come whole here: their pieces are
 * kept, and stand in a line of their own before the last one, which has the figures. */
#include "worker/client/dialect_ollama.h"

#include <errno.h>

#include "common/clock.h"
#include "common/hash.h"

/* --- what all answers have --- */

/* `"model":"...","created_at":"..."` of an object that has been opened. */
static void put_head(const struct dialect_answer *an, struct json_out *o)
{
	json_put_str(o, "model", an->model);
	json_put_time(o, "created_at", (uint64_t)an->created_s * NS_PER_S);
}

void olm_put_figures(const struct dialect_answer *an, struct json_out *o)
{
	struct usage u = oai_usage(an);
	uint64_t first = an->first_ns < an->total_ns ? an->first_ns : an->total_ns;
	json_put_u64(o, "total_duration", an->total_ns);
	json_put_u64(o, "load_duration", 0);
	json_put_u64(o, "prompt_eval_count", u.input);
	if (an->q->kind == LLM_EMBED)
		return;
	json_put_u64(o, "prompt_eval_duration", first);
	json_put_u64(o, "eval_count", u.output);
	json_put_u64(o, "eval_duration", an->total_ns - first);
}

static const char *done_reason(enum llm_finish f)
{
	switch (f) {
	case FINISH_LENGTH:
		return "length";
	case FINISH_FILTER:
		return "content_filter";	/* a word of others: there is none here */
	default:
		return "stop";
	}
}

/* --- calls --- */

/* What is no object is told as text. */
static void put_arguments(const struct dialect_answer *an, struct json_out *o, struct str text)
{
	struct json_error error;
	const struct json *j = text.n ? json_parse(an->mem, text, 0, &error) : NULL;
	if (json_is(j, JSON_OBJECT)) {
		json_put_line(o, "arguments", j->raw);
		return;
	}
	json_open(o, "arguments");
	if (text.n)
		json_put_str(o, "_raw", text);
	json_close(o);
}

static int put_calls(const struct dialect_answer *an, struct json_out *o,
		     const struct collected_call *calls)
{
	json_open_array(o, "tool_calls");
	for (const struct collected_call *k = calls; k; k = k->next) {
		struct str id = oai_call_id(an, k->id, 0, k->tool);
		struct str args = rope_join(an->mem, &k->args);
		if (!id.p || !args.p)
			return -ENOMEM;
		json_open(o, NULL);
		json_put_str(o, "id", id);
		json_open(o, "function");
		json_put_u64(o, "index", k->tool);
		json_put_str(o, "name", k->name.p ? k->name : STR(""));
		put_arguments(an, o, args);
		json_close(o);
		json_close(o);
	}
	json_close_array(o);
	return 0;
}

/* There is one choice: nobody can ask for more. */
static const struct collected_choice *only_choice(const struct dialect_answer *an)
{
	static const struct collected_choice empty;
	const struct collected_choice *c = collected(an)->choices;
	return c && c->index == 0 ? c : &empty;
}

/* --- streams --- */

struct line {
	struct str text, thought;
	const struct collected_call *calls;
	bool is_done;
	enum llm_finish finish;
};

static int put_line(const struct dialect_answer *an, bool is_chat, const struct line *l,
		    struct buf *out)
{
	struct json_out o = json_out(out);
	int err = 0;
	json_open(&o, NULL);
	put_head(an, &o);
	if (is_chat) {
		json_open(&o, "message");
		json_put_z(&o, "role", "assistant");
	}
	json_put_str(&o, is_chat ? "content" : "response", l->text.p ? l->text : STR(""));
	if (l->thought.n)
		json_put_str(&o, "thinking", l->thought);
	if (l->calls)
		err = put_calls(an, &o, l->calls);
	if (is_chat)
		json_close(&o);
	json_put_bool(&o, "done", l->is_done);
	if (l->is_done) {
		json_put_z(&o, "done_reason", done_reason(l->finish));
		olm_put_figures(an, &o);
	}
	json_close(&o);
	buf_put_char(out, '\n');
	return err;
}

static int end_stream(struct dialect_answer *an, bool is_chat, struct buf *out)
{
	const struct collected_choice *c = only_choice(an);
	int err = c->calls ? put_line(an, is_chat, &(struct line){ .calls = c->calls }, out) : 0;
	if (err)
		return err;
	return put_line(an, is_chat, &(struct line){ .is_done = true, .finish = c->finish }, out);
}

static int write_event(struct dialect_answer *an, const struct llm_event *ev, struct buf *out,
		       bool is_chat)
{
	bool is_over = an->is_ended || only_choice(an)->finish != FINISH_NONE || ev->choice > 0;
	bool is_text = ev->kind == EV_TEXT || ev->kind == EV_REFUSAL;
	if (is_text || ev->kind == EV_REASONING) {
		llm_tally_event(&an->tally, ev);
		struct line l = { 0 };
		*(is_text ? &l.text : &l.thought) = ev->text;
		return is_over || !ev->text.n ? 0 : put_line(an, is_chat, &l, out);
	}
	if (ev->kind == EV_END && an->is_ended)
		return 0;
	int err = collect_event(an, ev);
	return err || ev->kind != EV_END ? err : end_stream(an, is_chat, out);
}

static int write_chat_event(struct dialect_answer *an, const struct llm_event *ev, struct buf *out)
{
	return write_event(an, ev, out, true);
}

static int write_generate_event(struct dialect_answer *an, const struct llm_event *ev,
				struct buf *out)
{
	return write_event(an, ev, out, false);
}

static int resume(struct dialect_answer *an)
{
	return an->state ? 0 : -EINVAL;
}

/* --- plain answers --- */

static int write_answer(struct dialect_answer *an, bool is_chat, struct buf *out)
{
	const struct collected_choice *c = only_choice(an);
	struct line l = {
		.text = rope_join(an->mem, &c->text),
		.thought = rope_join(an->mem, &c->reasoning),
		.calls = c->calls,
		.is_done = true,
		.finish = c->finish,
	};
	return l.text.p && l.thought.p ? put_line(an, is_chat, &l, out) : -ENOMEM;
}

static int write_chat(struct dialect_answer *an, struct buf *out)
{
	return write_answer(an, true, out);
}

static int write_generate(struct dialect_answer *an, struct buf *out)
{
	return write_answer(an, false, out);
}

/* --- errors --- */

void olm_write_error(struct buf *out, const struct llm_error *e, enum outcome o, int status,
		     struct str call_id, bool in_stream)
{
	struct json_out j = json_out(out);
	(void)status;
	(void)call_id;			/* a header has it */
	MUST((unsigned)o < OUTCOME_COUNT);
	json_open(&j, NULL);
	json_put_str(&j, "error", e && e->message.p ? e->message : str_z(outcome_rows[o].name));
	json_close(&j);
	if (in_stream)
		buf_put_char(out, '\n');
}

const struct dialect dialect_ollama_chat = {
	.name = "ollama.chat",
	.kind = LLM_CHAT,
	.twin = FAMILY_COUNT,
	.read_request = olm_read_chat,
	.write_event = write_chat_event,
	.resume = resume,
	.collect = collect_spoken,
	.write_answer = write_chat,
	.write_error = olm_write_error,
	.stream_type = "application/x-ndjson",
};

const struct dialect dialect_ollama_generate = {
	.name = "ollama.generate",
	.kind = LLM_CHAT,
	.twin = FAMILY_COUNT,
	.read_request = olm_read_generate,
	.write_event = write_generate_event,
	.resume = resume,
	.collect = collect_spoken,
	.write_answer = write_generate,
	.write_error = olm_write_error,
	.stream_type = "application/x-ndjson",
};
