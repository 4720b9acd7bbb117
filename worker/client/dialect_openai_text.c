/* SPDX-License-Identifier: MIT
 * dialect_openai_text.c - POST /v1/completions: a prompt and what follows it. */
#include <errno.h>

#include "worker/client/dialect_openai.h"

static const char object[] = "text_completion";

enum { BEST_OF_MAX = 128 };

/* Its provider makes so many answers and bills them all; the client is given n of them. */
static int read_best_of(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	int err = oai_read_count(r, at, j, to);
	if (!err && *(uint64_t *)to > BEST_OF_MAX)
		return oai_refuse(r, at, "must be between 0 and %d", BEST_OF_MAX);
	return err ? err : oai_other_number(r, at, j, NULL);
}

static const struct oai_param params[] = {
	{ "prompt", oai_read_inputs, 0 },
	{ "suffix", oai_read_string, offsetof(struct llm_request, prompt_suffix) },
	{ "best_of", read_best_of, offsetof(struct llm_request, best_of) },
	{ "echo", oai_other_flag, 0 },
	{ "logprobs", oai_other_number, 0 },
	{ NULL, NULL, 0 },
};

static int read_request(struct arena *a, struct str body, const struct json *root,
			struct llm_request *ret, struct dialect_error *reterr)
{
	static const struct place prompt = { .name = "prompt" };
	struct oai_reading r;
	oai_begin(&r, a, body, root, LLM_TEXT, ret, reterr);
	int err = oai_read_members(&r, root, params);
	if (!err && !ret->inputs)
		return oai_refuse(&r, &prompt, "is missing");
	ret->prompt_bytes += ret->prompt_suffix.n;
	return err;
}

static void put_chunk(struct dialect_answer *an, struct oai_stream *s, unsigned choice,
		      struct str text, const char *finish, struct buf *out)
{
	oai_note(&s->begun, choice);
	oai_open_chunk(s, out, choice);
	BUF_PUT_LIT(out, "\"text\":\"");
	json_escape(out, text);
	BUF_PUT_LIT(out, "\",\"logprobs\":null");
	oai_close_chunk(an, out, finish);
}

static void put_finish(struct dialect_answer *an, struct oai_stream *s, unsigned choice,
		       enum llm_finish finish, struct buf *out)
{
	if (oai_has(&s->finished, choice))
		return;
	oai_note(&s->finished, choice);
	put_chunk(an, s, choice, STR(""), llm_finish_name(finish), out);
}

static int end_stream(struct dialect_answer *an, struct oai_stream *s, struct buf *out)
{
	bool has_any = s->is_forwarded || an->is_ended;
	for (unsigned i = 0; i < OAI_CHOICES_MAX && !s->is_forwarded && !an->is_ended; i++) {
		if (!oai_has(&s->begun, i))
			continue;
		has_any = true;
		put_finish(an, s, i, FINISH_STOP, out);
	}
	if (!has_any)
		put_finish(an, s, 0, FINISH_STOP, out);
	return oai_end_stream(an, s, out);
}

/* Reasoning and calls have no place in this form. */
static int write_event(struct dialect_answer *an, const struct llm_event *ev, struct buf *out)
{
	struct oai_stream *s = oai_stream(an, object);
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
	if (ev->kind == EV_TEXT && !oai_has(&s->finished, ev->choice))
		put_chunk(an, s, ev->choice, ev->text, NULL, out);
	else if (ev->kind == EV_FINISH)
		put_finish(an, s, ev->choice, ev->finish, out);
	else if (ev->kind != EV_START)
		oai_note(&s->begun, ev->choice);
	return 0;
}

static void put_choice(struct json_out *o, const struct collected_choice *c)
{
	json_open(o, NULL);
	json_put_u64(o, "index", c->index);
	oai_put_rope(o, "text", &c->text);
	json_put_null(o, "logprobs");
	json_put_z(o, "finish_reason", llm_finish_name(c->finish));
	json_close(o);
}

static int write_answer(struct dialect_answer *an, struct buf *out)
{
	static const struct collected_choice empty;
	const struct collected_choice *c = collected(an)->choices;
	struct json_out o = json_out(out);
	oai_open_answer(an, &o, object);
	json_open_array(&o, "choices");
	if (!c)
		put_choice(&o, &empty);
	for (; c; c = c->next)
		put_choice(&o, c);
	json_close_array(&o);
	oai_put_usage(an, &o);
	json_close(&o);
	return 0;
}

const struct dialect dialect_openai_text = {
	.name = "openai.text",
	.kind = LLM_TEXT,
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
