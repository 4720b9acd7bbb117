/* SPDX-License-Identifier: MIT
 * llm_text.h - neutral requests and events as text, so that tests and fuzzers can compare them. */
#ifndef LLM_TEXT_H
#define LLM_TEXT_H

#include "common/buf.h"
#include "worker/llm.h"

static inline void say_str(struct buf *b, const char *name, struct str s)
{
	if (!s.p)
		return;
	buf_printf(b, "%s=<", name);
	buf_put(b, s);
	BUF_PUT_LIT(b, "> ");
}

static inline void say_u64(struct buf *b, const char *name, uint64_t v)
{
	if (v)
		buf_printf(b, "%s=%llu ", name, (unsigned long long)v);
}

static inline void say_part(struct buf *b, const struct llm_part *p)
{
	static const char *const kinds[] = { "text", "image", "audio", "file", "call", "result",
					     "reasoning", "refusal", "other" };
	buf_printf(b, "    %s ", kinds[p->kind]);
	say_str(b, "text", p->text);
	say_str(b, "id", p->id);
	say_str(b, "name", p->name);
	say_str(b, "mime", p->mime);
	say_str(b, "data", p->data);
	say_str(b, "url", p->url);
	say_str(b, "file_id", p->file_id);
	say_str(b, "filename", p->filename);
	say_str(b, "detail", p->detail);
	say_str(b, "signature", p->signature);
	say_u64(b, "custom", p->is_custom);
	if (p->kind == PART_OTHER && p->raw)
		say_str(b, "raw", p->raw->raw);
	buf_put_char(b, '\n');
}

static inline void say_tool(struct buf *b, const struct llm_tool *t)
{
	buf_printf(b, "  tool %d ", (int)t->kind);
	say_str(b, "name", t->name);
	say_str(b, "description", t->description);
	say_str(b, "schema", t->schema);
	say_u64(b, "strict", t->strict);
	buf_put_char(b, '\n');
}

static inline void say_settings(struct buf *b, const struct llm_request *q)
{
	static const char *const choices[] = { "unset", "auto", "none", "required", "named" };
	static const char *const formats[] = { "unset", "text", "json", "schema" };
	buf_printf(b, "choice=%s ", choices[q->tool_choice]);
	say_str(b, "choice_name", q->tool_choice_name);
	if (q->has_parallel_tool_calls)
		buf_printf(b, "parallel=%d ", q->parallel_tool_calls);
	buf_printf(b, "format=%s ", formats[q->format]);
	say_str(b, "format_name", q->format_name);
	say_str(b, "format_description", q->format_description);
	say_str(b, "format_schema", q->format_schema);
	say_u64(b, "format_strict", q->format_strict);
	say_str(b, "temperature", q->temperature);
	say_str(b, "top_p", q->top_p);
	say_str(b, "top_k", q->top_k);
	say_str(b, "seed", q->seed);
	say_str(b, "presence_penalty", q->presence_penalty);
	say_str(b, "frequency_penalty", q->frequency_penalty);
	for (unsigned i = 0; i < q->n_stop; i++)
		say_str(b, "stop", q->stop[i]);
	say_u64(b, "max_tokens", q->max_tokens);
	say_u64(b, "n", q->n);
	say_str(b, "reasoning_effort", q->reasoning_effort);
	say_str(b, "user", q->user);
	say_str(b, "suffix", q->prompt_suffix);
	say_str(b, "encoding_format", q->encoding_format);
	say_u64(b, "dimensions", q->dimensions);
	buf_put_char(b, '\n');
}

/* Without what the gateway takes for itself, and without the way in which it was written. */
static inline void say_request(struct buf *b, const struct llm_request *q)
{
	static const char *const roles[] = { "system", "developer", "user", "assistant", "tool" };
	buf_printf(b, "kind=%d stream=%d ", (int)q->kind, q->is_stream);
	say_str(b, "model", q->model);
	say_settings(b, q);
	for (const struct llm_message *m = q->messages; m; m = m->next) {
		buf_printf(b, "  %s ", roles[m->role]);
		say_str(b, "name", m->name);
		buf_put_char(b, '\n');
		for (const struct llm_part *p = m->parts; p; p = p->next)
			say_part(b, p);
	}
	for (const struct llm_tool *t = q->tools; t; t = t->next)
		say_tool(b, t);
	for (unsigned i = 0; i < q->n_inputs; i++)
		say_str(b, q->inputs_are_tokens ? "tokens" : "input", q->inputs[i]);
	for (const struct llm_other *o = q->other; o; o = o->next) {
		buf_put(b, o->name);
		say_str(b, "", o->json);
	}
	buf_put_char(b, '\n');
}

/* Texts that follow each other are one: where a provider cuts them says nothing. */
struct said {
	struct buf *to;
	enum llm_event_kind last;
	unsigned choice, tool;
	bool has_last;
	uint64_t n, errors, ends;
	struct llm_tally tally;
};

static inline void say_event_start(struct said *s, const struct llm_event *ev)
{
	static const char *const kinds[] = { "start", "text", "reasoning", "refusal", "tool", "args",
					     "finish", "usage", "vector", "rank", "error", "end" };
	bool goes_on = s->has_last && s->last == ev->kind && s->choice == ev->choice &&
		       s->tool == ev->tool &&
		       (ev->kind == EV_TEXT || ev->kind == EV_REASONING || ev->kind == EV_REFUSAL ||
			ev->kind == EV_TOOL_ARGS);
	s->has_last = true;
	s->last = ev->kind;
	s->choice = ev->choice;
	s->tool = ev->tool;
	if (goes_on)
		return;
	buf_printf(s->to, "%s%s %u", s->n ? "\n" : "", kinds[ev->kind], ev->choice);
	if (ev->kind == EV_TOOL_START || ev->kind == EV_TOOL_ARGS)
		buf_printf(s->to, " %u", ev->tool);
	buf_put_char(s->to, ' ');
}

/* An llm_emit_fn; data is a struct said. */
static inline int say_event(void *data, const struct llm_event *ev)
{
	struct said *s = data;
	llm_tally_event(&s->tally, ev);
	say_event_start(s, ev);
	s->n++;
	s->ends += ev->kind == EV_END;
	s->errors += ev->kind == EV_ERROR;
	buf_put(s->to, ev->text);
	if (ev->kind == EV_TOOL_START) {
		buf_put(s->to, ev->id);
		buf_put_char(s->to, ' ');
		buf_put(s->to, ev->name);
	} else if (ev->kind == EV_FINISH) {
		buf_put_z(s->to, llm_finish_name(ev->finish));
	} else if (ev->kind == EV_USAGE) {
		buf_printf(s->to, "%llu+%llu cached %llu+%llu reasoning %llu%s",
			   (unsigned long long)ev->usage.input, (unsigned long long)ev->usage.output,
			   (unsigned long long)ev->usage.cache_read,
			   (unsigned long long)ev->usage.cache_write,
			   (unsigned long long)ev->usage.reasoning, ev->usage.estimated ? " estimated" : "");
	} else if (ev->kind == EV_ERROR) {
		buf_printf(s->to, "%s ", outcome_rows[ev->error->outcome].name);
		buf_put(s->to, ev->error->message);
	} else if (ev->kind == EV_START) {
		buf_put(s->to, ev->id);
		buf_put_char(s->to, ' ');
		buf_put(s->to, ev->model);
	}
	return 0;
}

#endif
