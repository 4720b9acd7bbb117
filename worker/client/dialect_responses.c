/* SPDX-License-Identifier: MIT
 * dialect_responses.c - POST /v1/responses, for a model of any provider. Those that serve this API
 * themselves are asked the short way. */
#include "worker/client/dialect_responses.h"

#include <errno.h>

#include "worker/client/responses_store.h"

enum { ERROR_MAX = 65536 };

static int take(struct dialect_answer *an, const struct llm_event *ev, struct buf *out)
{
	struct rsp_answer *s = rsp_answer(an);
	if (!s)
		return -ENOMEM;
	llm_tally_event(&an->tally, ev);
	s->out = out;
	return rsp_take(an, s, ev);
}

/* --- streams --- */

static int end_stream(struct dialect_answer *an, struct rsp_answer *s)
{
	rsp_begin(an, s);
	int err = rsp_finish(an, s, FINISH_NONE);
	if (err)
		return err;
	const char *event = rsp_is_incomplete(s) ? "response.incomplete" : "response.completed";
	rsp_put_response_event(an, s, event, rsp_status_word(s), STR_NONE);
	return 0;
}

/* An error is written when it is clear that nobody else answers in this one's place. */
static int write_event(struct dialect_answer *an, const struct llm_event *ev, struct buf *out)
{
	int err = an->is_ended ? 0 : take(an, ev, out);
	if (err || ev->kind != EV_END || an->is_ended)
		return err;
	struct rsp_answer *s = rsp_answer(an);
	an->is_ended = true;
	return s->is_forwarded ? 0 : end_stream(an, s);
}

/* Of a forwarded one nobody has kept which items are open. */
static int resume(struct dialect_answer *an)
{
	const struct rsp_answer *s = an->state;
	return s && !s->is_forwarded ? 0 : -EINVAL;
}

/* --- plain answers --- */

static int collect(struct dialect_answer *an, const struct llm_event *ev)
{
	int err = take(an, ev, NULL);
	if (ev->kind == EV_END)
		an->is_ended = true;
	return err;
}

static int write_answer(struct dialect_answer *an, struct buf *out)
{
	struct rsp_answer *s = rsp_answer(an);
	struct json_out o = json_out(out);
	if (!s)
		return -ENOMEM;
	s->out = NULL;
	int err = rsp_finish(an, s, FINISH_NONE);
	if (!err)
		rsp_put_response(an, s, &o, NULL, rsp_status_word(s), STR_NONE);
	return err;
}

struct str responses_id(struct dialect_answer *an)
{
	const struct rsp_answer *s = rsp_answer(an);
	if (!s)
		return STR_NONE;
	return s->forwarded_id.p ? s->forwarded_id : s->id;
}

/* --- errors --- */

struct words {
	struct str message, type, param, code;
};

/* The few words that clients of this API act upon. */
static const char *code_of(enum outcome o)
{
	switch (o) {
	case OUTCOME_UP_RATE_LIMITED:
	case OUTCOME_RATE_LIMITED:
	case OUTCOME_ALL_COOLING:
	case OUTCOME_NO_DEPLOYMENT:
		return "rate_limit_exceeded";
	case OUTCOME_BUDGET_SPENT:
		return "insufficient_quota";
	case OUTCOME_CONTEXT_LENGTH:
		return "context_length_exceeded";
	case OUTCOME_UP_BAD_REQUEST:
	case OUTCOME_CONTENT_POLICY:
		return "invalid_prompt";
	default:
		return "server_error";
	}
}

/* As in the other OpenAI dialects a provider's own type and code are not shown. */
static struct words words_of(const struct llm_error *e, enum outcome o)
{
	const struct outcome_row *row = &outcome_rows[o];
	const char *code = row->code[0] ? row->code : code_of(o);
	bool is_own = e && e->status == 0;
	return (struct words){
		.message = e && e->message.p ? e->message : str_z(row->name),
		.type = is_own && e->type.n ? e->type : str_z(row->type),
		.param = e ? e->param : STR_NONE,
		.code = is_own && e->code.n ? e->code : str_z(code),
	};
}

/* The vendor documents the members flat and sends them in an object; clients look for either. */
static void put_error(struct json_out *o, const struct words *w)
{
	json_put_str(o, "code", w->code);
	json_put_str(o, "message", w->message);
	json_put_str(o, "param", w->param);
	json_open(o, "error");
	json_put_str(o, "type", w->type);
	json_put_str(o, "code", w->code);
	json_put_str(o, "message", w->message);
	json_put_str(o, "param", w->param);
	json_close(o);
}

static void put_error_event(struct rsp_answer *s, const struct words *w)
{
	struct json_out o = rsp_open_event(s, "error");
	put_error(&o, w);
	rsp_close_event(&o);
}

/* How many events went before is not known here; responses_fail_stream() knows. */
static void write_error(struct buf *out, const struct llm_error *e, enum outcome o, int status,
			struct str call_id, bool in_stream)
{
	struct rsp_answer uncounted = { .out = out };
	MUST((unsigned)o < OUTCOME_COUNT);
	if (!in_stream) {
		oai_write_error(out, e, o, status, call_id, false);
		return;
	}
	struct words w = words_of(e, o);
	put_error_event(&uncounted, &w);
}

static void put_failure(struct dialect_answer *an, struct rsp_answer *s, const struct words *w,
			struct str error)
{
	if (!s->is_forwarded)
		rsp_begin(an, s);
	put_error_event(s, w);
	for (struct rsp_item *i = s->items; i; i = i->next)
		if (i->status == RSP_OPEN)
			i->status = RSP_INCOMPLETE;
	rsp_put_response_event(an, s, "response.failed", "failed", error);
}

int responses_fail_stream(struct dialect_answer *an, const struct llm_error *e, enum outcome o,
			  struct buf *out)
{
	struct rsp_answer *s = rsp_answer(an);
	struct buf error;
	MUST((unsigned)o < OUTCOME_COUNT);
	if (!s)
		return -ENOMEM;
	if (an->is_ended)
		return 0;
	an->is_ended = true;
	s->out = out;
	struct words w = words_of(e, o);
	buf_init(&error, ERROR_MAX);
	struct json_out j = json_out(&error);
	json_open(&j, NULL);
	json_put_str(&j, "code", w.code);
	json_put_str(&j, "message", w.message);
	json_close(&j);
	int err = error.failed ? -ENOMEM : 0;
	if (!err)
		put_failure(an, s, &w, buf_str(&error));
	buf_done(&error);
	return err;
}

const struct dialect dialect_responses = {
	.name = "openai.responses",
	.kind = LLM_CHAT,
	.twin = FAMILY_RESPONSES,
	.read_request = rsp_read_request,
	.write_event = write_event,
	.collect = collect,
	.write_answer = write_answer,
	.forward_request = rsp_forward_request,
	.forward_event = rsp_forward_event,
	.resume = resume,
	.forward_answer = rsp_forward_answer,
	.write_error = write_error,
	.fail_stream = responses_fail_stream,
	.write_kept = responses_write_kept,
	.stream_type = "text/event-stream",
	.heartbeat = ": llmgw\n\n",
};
