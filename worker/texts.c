/* SPDX-License-Identifier: MIT
 * texts.c - see texts.h. */
#include "worker/texts.h"

#include "common/cache.h"
#include "common/clock.h"
#include "common/record.h"
#include "common/texts.h"
#include "worker/known.h"
#include "worker/retell.h"
#include "worker/switches.h"

enum { ANSWER_ROOM = 2 * TEXT_MOST };	/* of a stream's, as JSON, before it is cut */

/* ---- whether ---- */

static bool header_says(const struct request *r, const char *name)
{
	return r->http && str_eq_nocase(str_trim(http_header(r->http, name)), STR("true"));
}

static uint32_t owners_flags(const struct request *r)
{
	uint32_t flags = r->key.flags | r->team.flags;
	for (uint32_t i = 0; i < r->n_owners; i++)
		flags |= r->owners[i].row->flags;
	return flags;
}

/* What a body says of turn_off_message_logging: JSON_TRUE, JSON_FALSE, or JSON_NULL. */
static enum json_type body_says(const struct request *r)
{
	const struct json *body = r->raw ? r->raw->root : r->q.root;
	const struct json *j = json_is(body, JSON_OBJECT)
				       ? json_get(body, "turn_off_message_logging") : NULL;
	if (json_is(j, JSON_STRING))
		return str_eq_nocase(j->raw, STR("\"true\"")) ? JSON_TRUE : JSON_NULL;
	return j && (j->type == JSON_TRUE || j->type == JSON_FALSE) ? (enum json_type)j->type
								    : JSON_NULL;
}

/* What owners want none of their requests can undo; what the configuration wants a request can. */
static enum request_texts decide(const struct request *r)
{
	const struct snap_settings *s = snap_settings(r->snap);
	uint32_t flags = owners_flags(r);
	if (flags & KEY_NO_TEXTS)
		return TEXTS_NONE;
	if (switches_no_log(r))
		return TEXTS_NONE;
	enum json_type body = body_says(r);
	if (flags & KEY_REDACTED || body == JSON_TRUE ||
	    header_says(r, "x-litellm-enable-message-redaction") ||
	    header_says(r, "litellm-enable-message-redaction"))
		return TEXTS_HIDDEN;
	if (s->text_flags & TEXTS_REDACTED && body != JSON_FALSE &&
	    !header_says(r, "litellm-disable-message-redaction") &&
	    !header_says(r, "x-litellm-disable-message-redaction"))
		return TEXTS_HIDDEN;
	return TEXTS_WHOLE;
}

/* What is no text, and what only looks, has nothing to keep. */
static bool says_something(const struct request *r)
{
	if (r->raw)
		return r->raw->root && !r->raw->is_tunnel && !r->raw->is_read;
	return !r->is_copy && r->q.body.p;
}

void texts_decide(struct request *r)
{
	if (r->texts == TEXTS_UNDECIDED)
		r->texts = (uint8_t)(says_something(r) ? decide(r) : TEXTS_NONE);
}

/* ---- a stream's answer ---- */

struct text_listener {
	struct llm_listener of;
	const struct dialect *dialect;
	struct dialect_answer answer;	/* another one than the client's, and plain */
	size_t left;			/* bytes that are still taken */
	uint64_t cut;
	bool failed, heard;
};

/* Once something is left out all the rest is, so that what is kept is a beginning. Of a text that
 * is too long the beginning is taken, too. */
static bool has_room(struct text_listener *l, struct llm_event *ev)
{
	size_t n = ev->text.n + ev->signature.n + ev->redacted.n;
	if (n <= l->left && !l->cut) {
		l->left -= n;
		return true;
	}
	bool may_cut = !l->cut && ev->kind == EV_TEXT && ev->text.n == n;
	ev->text = text_cut(ev->text, may_cut ? l->left : 0);
	l->cut += n - (may_cut ? ev->text.n : 0);
	return n == 0 || ev->text.n;
}

static void hear(struct llm_listener *of, const struct llm_event *ev)
{
	struct text_listener *l = (struct text_listener *)of;
	struct llm_event heard = *ev;
	if (l->failed || ev->kind == EV_ERROR || !has_room(l, &heard))
		return;
	l->heard = true;
	if (l->dialect->collect(&l->answer, &heard) < 0)
		l->failed = true;
}

/* What a provider sends once more at its end, as the client was given it. */
static void hear_whole(struct llm_listener *of, struct str answer)
{
	struct text_listener *l = (struct text_listener *)of;
	size_t most = snap_settings(l->of.snap)->text_max;
	struct str kept = arena_dup(l->answer.mem, text_cut(answer, most));
	l->of.whole = kept;
	l->of.whole_cut = kept.p ? answer.n - kept.n : 0;
}

/* What a stream may say so that the answer made of it stays JSON within the limit, unless much of
 * it has to be escaped. */
static size_t room_for(size_t most)
{
	enum { AROUND = 512 };
	return most > 8 * AROUND ? most - most / 8 - AROUND : most / 2;
}

struct llm_listener *texts_listen(struct request *r, const struct dialect_answer *an)
{
	if (r->texts != TEXTS_WHOLE || !r->dialect->write_event)
		return NULL;
	struct text_listener *l = arena_alloc(r->mem, sizeof *l);
	if (!l)
		return NULL;
	l->of = (struct llm_listener){ .hear = hear, .hear_whole = hear_whole, .snap = r->snap };
	l->dialect = r->dialect;
	l->left = room_for(snap_settings(r->snap)->text_max);
	l->answer = (struct dialect_answer){ .mem = an->mem, .q = an->q, .model = an->model,
					     .id = an->id, .created_s = an->created_s,
					     .show_usage = true };
	return &l->of;
}

/* ---- an answer that is relayed ---- */

void texts_relayed(struct request *r, struct str content_type, struct str bytes)
{
	struct raw_call *c = r->raw;
	if (r->texts != TEXTS_WHOLE)
		return;
	if (!c->heard.cap) {
		buf_init(&c->heard, snap_settings(r->snap)->text_max);
		c->is_heard = str_starts_nocase(content_type, STR("application/json")) ||
			      str_starts_nocase(content_type, STR("text/event-stream"));
	}
	if (!c->is_heard || c->is_cut)
		return;
	struct str kept = text_cut(bytes, c->heard.cap - c->heard.n);
	c->is_cut = kept.n < bytes.n;
	buf_put(&c->heard, kept);
}

/* ---- at the end ---- */

/* Without a record in the ledger there is nothing that they could stand beside. */
static bool is_kept(const struct request *r)
{
	return snap_settings(r->snap)->flags & SET_TEXTS && r->settled_seq;
}

/* What strangers say is nobody's; nor is there anything of what has no record. */
static bool is_told(const struct request *r)
{
	return switches_tell_texts(r) && r->endpoint && r->endpoint->flags & EP_LLM &&
	       (r->key.id || r->is_admin);
}

static void tell(struct request *r, const struct text_head *h, const struct str texts[TEXT_KINDS])
{
	if (h->flags & TEXT_REDACTED)
		r->told_flags = RF_TEXTS_HIDDEN;
	else if (text_put(&r->w->board.told[r->w->slot], h, texts))
		r->told_flags = RF_TEXTS;
	else
		r->told_flags = RF_TEXTS_LOST;
	if (r->told_flags == RF_TEXTS_LOST)
		METRIC_ADD(r->w->metrics, texts_untold, 1);
}

static void put(struct request *r, struct text_head *h, struct str prompt, struct str answer)
{
	size_t most = snap_settings(r->snap)->text_max;
	struct str texts[TEXT_KINDS] = { text_cut(prompt, most), text_cut(answer, most) };
	h->cut[TEXT_PROMPT] = (uint32_t)(prompt.n - texts[TEXT_PROMPT].n);
	h->cut[TEXT_ANSWER] += (uint32_t)(answer.n - texts[TEXT_ANSWER].n);
	memcpy(h->request_id, r->id, sizeof h->request_id);
	h->start_ns = r->start_wall_ns;
	if (is_told(r))
		tell(r, h, texts);
	if (known_is_replay(r)) {	/* it stands where it was made */
		texts[TEXT_ANSWER] = STR_NONE;
		h->cut[TEXT_ANSWER] = 0;
	}
	if (is_kept(r) && !text_put(&r->w->board.texts[r->w->slot], h, texts))
		METRIC_ADD(r->w->metrics, texts_lost, 1);
}

/* Usage has been settled: what is written tells the same. */
static void put_stream(struct request *r, struct text_listener *l)
{
	struct text_head h = { 0 };
	struct buf text;
	if (l->of.whole.p) {
		h.cut[TEXT_ANSWER] = (uint32_t)l->of.whole_cut;
		put(r, &h, r->q.body, l->of.whole);
		return;
	}
	buf_init(&text, ANSWER_ROOM);
	l->answer.tally.usage = r->tally.usage;
	l->answer.tally.has_usage = true;
	if (l->heard && !l->failed && l->dialect->write_answer(&l->answer, &text) < 0)
		text.failed = true;
	h.cut[TEXT_ANSWER] = l->cut < UINT32_MAX / 2 ? (uint32_t)l->cut : UINT32_MAX / 2;
	put(r, &h, r->q.body, text.failed ? STR_NONE : buf_str(&text));
	buf_done(&text);
}

static void put_relayed(struct request *r)
{
	struct raw_call *c = r->raw;
	struct text_head h = { 0 };
	struct str answer = c->heard.failed ? STR_NONE : buf_str(&c->heard);
	uint64_t cut = c->is_heard && answer.n ? r->raw->answer_bytes - answer.n : 0;
	h.cut[TEXT_ANSWER] = cut < UINT32_MAX ? (uint32_t)cut : UINT32_MAX;
	put(r, &h, c->body, answer);
}

static void keep(struct request *r)
{
	struct text_head h = { 0 };
	if (r->texts == TEXTS_HIDDEN) {
		h.flags = TEXT_REDACTED;
		put(r, &h, STR_NONE, STR_NONE);
	} else if (r->raw) {
		put_relayed(r);
	} else if (r->tally.listener) {
		put_stream(r, (struct text_listener *)r->tally.listener);
	} else {
		bool has_answer = !r->is_streaming && r->outcome == OUTCOME_OK;
		put(r, &h, r->q.body, has_answer ? buf_str(&r->final_body) : STR_NONE);
	}
}

/* ---- an answer that is given once more ---- */

/* Told as when it was made. What a client asked to leave out of its stream is left out here. */
static void put_retold(struct request *r, struct str body)
{
	struct dialect_answer an = { .mem = r->mem, .q = &r->q, .model = r->requested_model,
				     .id = r->call_id,
				     .created_s = (int64_t)(r->start_wall_ns / NS_PER_S),
				     .show_usage = true };
	const struct cache_info *made = known_made(r);
	struct text_listener *l = (struct text_listener *)texts_listen(r, &an);
	struct usage before = r->tally.usage;
	if (!l)
		return;
	an.tally.listener = &l->of;
	if (!retell_stream(r, &an, body) && !l->heard) {
		struct text_head h = { 0 };
		put(r, &h, r->q.body, body);
		return;
	}
	r->tally.usage = an.tally.usage;
	if (made)
		r->tally.usage = (struct usage){ .input = made->input, .output = made->output };
	put_stream(r, l);
	r->tally.usage = before;
}

static struct str type_of(struct str lines)
{
	struct str line;
	while (lines.n) {
		line = str_cut(&lines, '\n');
		struct str value = line, name = str_cut(&value, ':');
		if (str_eq_nocase(name, STR("content-type")))
			return str_trim(value);
	}
	return STR_NONE;
}

/* Its record follows before any other request's. */
void texts_replayed(struct request *r, struct str lines, struct str body)
{
	struct text_head h = { 0 };
	if (r->http)
		texts_decide(r);
	if (r->texts != TEXTS_WHOLE || r->outcome != OUTCOME_OK || !is_told(r))
		return;			/* texts_keep() does it */
	if (r->raw) {
		r->raw->answer_bytes = body.n;
		texts_relayed(r, type_of(lines), body);
		return;
	}
	if (r->q.is_stream && r->dialect->write_event)
		put_retold(r, body);
	else
		put(r, &h, r->q.body, body);
	r->texts = TEXTS_NONE;
}

/* Who has not been decided on, and has no headers any more that could object, is left out. */
void texts_keep(struct request *r)
{
	if (r->http)
		texts_decide(r);
	if (r->texts > TEXTS_NONE && (is_kept(r) || is_told(r)))
		keep(r);
	if (r->raw)
		buf_done(&r->raw->heard);
}
