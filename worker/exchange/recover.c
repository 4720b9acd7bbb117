/* SPDX-License-Identifier: MIT
 * recover.c - a stream that its provider broke off goes on with another attempt, which is given
 * what was already said (`stream_recovery: continue`).
 *
 * The client sees one stream: the new attempt's events are written by the long way, from the state
 * in which the dialect was left. Nobody can go on amid a call's arguments, with one of several
 * choices, or where more was said than is kept. */
#include <errno.h>

#include "worker/exchange/exchange_private.h"
#include "worker/settle/account.h"

enum { RECOVERIES_MAX = 3, SAID_MAX = 256 << 10 };

static const char go_on_text[] =
	"Your answer above was cut off by a technical fault. Continue it from exactly where it "
	"stops. Repeat nothing of it, and do not mention the interruption.";

/* ---- the question ---- */

static struct llm_message *message(struct arena *a, enum llm_role role, struct str text)
{
	struct llm_message *m = arena_alloc(a, sizeof *m);
	struct llm_part *part = arena_alloc(a, sizeof *part);
	if (!m || !part)
		return NULL;
	part->kind = PART_TEXT;
	part->text = text;
	m->role = role;
	m->parts = part;
	return m;
}

/* The list is shared with the request, whose messages nobody changes: it is copied. */
static int add_messages(struct arena *a, struct llm_request *q, struct str said)
{
	struct llm_message **end, *copy;
	const struct llm_message *m = q->messages;
	q->messages = NULL;
	for (end = &q->messages; m; m = m->next, end = &(*end)->next) {
		copy = arena_alloc(a, sizeof *copy);
		if (!copy)
			return -ENOMEM;
		*copy = *m;
		copy->next = NULL;
		*end = copy;
	}
	*end = message(a, ROLE_ASSISTANT, said);
	if (!*end)
		return -ENOMEM;
	(*end)->next = message(a, ROLE_USER, str_z(go_on_text));
	q->n_messages += 2;
	return (*end)->next ? 0 : -ENOMEM;
}

static int add_text(struct arena *a, struct llm_request *q, struct str said)
{
	struct str *one = arena_alloc(a, sizeof *one);
	if (q->n_inputs != 1 || q->inputs_are_tokens)
		return -EINVAL;
	if (!one)
		return -ENOMEM;
	*one = arena_printf(a, STR_FMT STR_FMT, STR_ARG(q->inputs[0]), STR_ARG(said));
	q->inputs = one;
	return one->p ? 0 : -ENOMEM;
}

/* What is left to be asked. said_tokens: of those that the answer may have. */
static const struct llm_request *ask_for_rest(struct arena *a, const struct llm_request *asked,
					      struct str said, uint64_t said_tokens)
{
	struct llm_request *q = arena_alloc(a, sizeof *q);
	int err = 0;
	if (!q)
		return NULL;
	*q = *asked;
	if (q->max_tokens)
		q->max_tokens = q->max_tokens > said_tokens ? q->max_tokens - said_tokens : 1;
	q->prompt_bytes += said.n;
	if (said.n)
		err = q->kind == LLM_TEXT ? add_text(a, q, said) : add_messages(a, q, said);
	return err ? NULL : q;
}

/* ---- whether ---- */

struct buf *exchange_text_room(const struct request *r)
{
	bool may_continue = snap_settings(r->snap)->continues_streams && r->dialect->resume;
	if (!may_continue && !r->silent)
		return NULL;
	struct buf *b = arena_alloc(r->mem, sizeof *b);
	if (b)
		buf_init(b, SAID_MAX);
	return b;
}

static bool may_go_on(const struct exchange *x, const struct llm_error *e)
{
	const struct request *r = x->r;
	const struct llm_tally *t = &r->tally;
	if (!snap_settings(r->snap)->continues_streams || x->recoveries == RECOVERIES_MAX)
		return false;
	if (!r->conn || r->raw || r->q.n > 1 || !r->dialect->resume)
		return false;
	if (e->status / 100 == 4 || !outcome_rows[e->outcome].may_retry)
		return false;
	return t->text && !t->text->failed && !t->has_calls && !t->is_done;
}

void exchange_continues(const struct exchange *x, const struct llm_request **ret_question,
			const struct dialect_answer **ret_shown)
{
	*ret_shown = NULL;
	if (!x->question)
		return;
	*ret_question = x->question;
	*ret_shown = &x->shown;
}

bool recover_begin(struct exchange *x, const struct llm_error *e)
{
	struct request *r = x->r;
	struct arena *a = r->mem;
	if (!may_go_on(x, e))
		return false;
	struct str said = arena_printf(a, STR_FMT STR_FMT, STR_ARG(x->said),
				       STR_ARG(buf_str(r->tally.text)));
	r->tally.text = NULL;		/* the caller frees it */
	uint64_t tokens = (r->tally.estimate_milli + 999) / 1000 + r->extra.output;
	const struct llm_request *q = said.p ? ask_for_rest(a, &r->q, said, tokens) : NULL;
	x->shown = r->answer;
	if (!q || x->shown.is_ended || r->dialect->resume(&x->shown) < 0)
		return false;
	x->said = said;
	x->question = q;
	x->recoveries++;
	account_book(r, r->deployment, &r->tally, x->started_ns, e->outcome);
	r->more_prompt = said.n + sizeof go_on_text;
	x->shown.tally = (struct llm_tally){ .listener = r->tally.listener };
	r->tally = (struct llm_tally){ 0 };
	x->shown.before = r->extra;
	x->shown.before_nano = r->extra_nano;
	METRIC_ADD(r->w->metrics, streams_continued, 1);
	return true;
}
