/* SPDX-License-Identifier: MIT
 * dialect_openai_forward.c - the short way: client and provider both speak OpenAI.
 *
 * Each event is read, for the tally, by the reader that the long way uses; what goes out are the
 * provider's bytes, but for the model's name and for usage that the client did not ask for. */
#include <errno.h>

#include "worker/client/dialect_openai.h"
#include "worker/client/forward.h"
#include "worker/gemini.h"
#include "worker/skim.h"

#define IS(j, name) str_eq((j)->key, STR(name))

/* The id as the client wrote it, where Gemini's signature stands behind it; else NULL. */
static const struct json *signed_id(const struct llm_message *m, const struct llm_part *p)
{
	const struct json *id = NULL;
	if (p->kind == PART_TOOL_CALL)
		id = json_get(p->raw, "id");
	else if (p->kind == PART_TOOL_RESULT)
		id = json_get(m->raw, "tool_call_id");
	return json_is(id, JSON_STRING) && gemini_bare_id(p->id).n < p->id.n ? id : NULL;
}

static size_t count_signed(const struct llm_request *q)
{
	size_t n = 0;
	for (const struct llm_message *m = q->messages; m; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next)
			n += signed_id(m, p) != NULL;
	return n;
}

/* Ids of calls that another vendor's model has made, with what it alone wants back: nobody else
 * knows what to do with that, and OpenAI takes no id so long. 0 or -ENOMEM. */
static int bare_ids(struct arena *a, const struct llm_request *q, struct openai_edits *e)
{
	size_t n = count_signed(q);
	struct json_edit *edits = n ? arena_array(a, n, sizeof *edits) : NULL;
	if (n && !edits)
		return -ENOMEM;
	e->inner = edits;
	for (const struct llm_message *m = n ? q->messages : NULL; m; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next) {
			const struct json *id = signed_id(m, p);
			if (!id)
				continue;
			struct str bare = openai_quote(a, gemini_bare_id(p->id));
			if (!bare.p)
				return -ENOMEM;
			edits[e->n_inner++] = (struct json_edit){ (size_t)(id->raw.p - q->body.p),
								  id->raw.n, bare };
		}
	return 0;
}

int oai_forward_request(struct arena *a, const struct llm_request *q, struct str model,
			struct str params, struct str extra_body, struct buf *out)
{
	struct openai_edits e = {
		.model = model,
		.wants_usage = q->is_stream && q->kind != LLM_EMBED,
		.params = params,
		.extra_body = extra_body,
		.rules = q->rules,
		.more = q->extra_body,
	};
	int err = bare_ids(a, q, &e);
	return err ? err : openai_edit_request(a, q->root, q->body, &e, out);
}

/* --- events --- */

static int on_event(void *data, const struct llm_event *ev)
{
	struct dialect_answer *an = data;
	llm_tally_event(&an->tally, ev);
	if (ev->kind == EV_START && (an->show_usage || an->tally.text))
		return oai_start(an, an->state, ev);
	return 0;
}

/* A chunk that is there only because we asked for usage. */
static bool is_usage_alone(const struct json *root)
{
	const struct json *choices = json_get(root, "choices");
	return json_is(choices, JSON_ARRAY) && !choices->count &&
	       json_is(json_get(root, "usage"), JSON_OBJECT);
}

/* The cost becomes the last member of what the provider says of its usage, unless it names one. */
static int add_cost(const struct dialect_answer *an, struct arena *scratch, struct str text,
		    const struct json *usage, struct json_edit *edits)
{
	char money[24];
	if (!an->price || !an->tally.has_usage || !json_is(usage, JSON_OBJECT) ||
	    json_get(usage, "cost"))
		return 0;
	size_t n = json_money(money, price_cost(an->price, &an->tally.usage));
	struct str with = arena_printf(scratch, "%s\"cost\":%.*s", usage->count ? "," : "", (int)n,
				       money);
	size_t end = (size_t)(usage->raw.p + usage->raw.n - text.p) - 1;
	edits[0] = (struct json_edit){ end, 0, with };
	return with.p ? 1 : -ENOMEM;
}

/* Returns the number of edits, at most two, or -ENOMEM. */
static int edit_chunk(struct dialect_answer *an, struct arena *scratch, struct str text,
		      const struct json *root, struct json_edit *edits)
{
	size_t from = (size_t)(root->raw.p - text.p) + 1;
	bool has_model = false, has_usage = an->show_usage, has_cost = false;
	int n = 0;
	for (const struct json *j = root->child; j; j = j->next) {
		if (IS(j, "model") && j->type == JSON_STRING && !has_model) {
			struct str model = openai_quote(scratch, an->model);
			if (!model.p)
				return -ENOMEM;
			has_model = true;
			size_t at = (size_t)(j->raw.p - text.p);
			edits[n++] = (struct json_edit){ at, j->raw.n, model };
		} else if (IS(j, "usage") && !has_usage) {
			has_usage = true;
			edits[n++] = openai_without(text, j, from, j == root->child);
		} else if (IS(j, "usage") && !has_cost) {
			int more = add_cost(an, scratch, text, j, edits + n);
			if (more < 0)
				return more;
			has_cost = true;
			n += more;
		}
		from = (size_t)(j->raw.p + j->raw.n - text.p);
	}
	return n;
}

static int forward_done(struct dialect_answer *an, struct oai_stream *s, const struct sse_event *ev,
			struct buf *out)
{
	if (an->is_ended)
		return 0;
	if (!an->show_usage || an->tally.has_usage) {
		forward_raw(ev->raw, out);
		an->is_ended = true;
		return 0;
	}
	return oai_end_stream(an, s, out);
}

int oai_forward_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		      struct buf *out)
{
	struct oai_stream *s = oai_stream(an, an->q->kind == LLM_TEXT ? "text_completion"
								       : "chat.completion.chunk");
	const struct json *root;
	struct json_edit edits[2];
	if (!s)
		return -ENOMEM;
	s->is_forwarded = true;
	if (ev->oversize) {
		an->tally.has_content = true;
		buf_put(out, ev->raw);
		return 0;
	}
	if (forward_is_blank(ev->data))
		return 0;
	int err = openai_read_event(&s->reader, scratch, ev->data, &root, on_event, an);
	if (err || an->tally.has_error)
		return err;
	if (!root)
		return forward_done(an, s, ev, out);
	if (!an->show_usage && is_usage_alone(root))
		return 0;
	int n = edit_chunk(an, scratch, ev->data, root, edits);
	if (n < 0)
		return n;
	if (n)
		forward_edited(ev, STR_NONE, edits, (size_t)n, STR("\n\n"), out);
	else
		forward_raw(ev->raw, out);
	return 0;
}

/* --- plain answers --- */

static int put_restamped(struct dialect_answer *an, struct str body, struct str model_raw,
			 struct buf *out)
{
	if (!model_raw.p || model_raw.p[0] != '"') {
		buf_put(out, body);
		return 0;
	}
	struct str model = openai_quote(an->mem, an->model);
	struct json_edit edit = { (size_t)(model_raw.p - body.p), model_raw.n, model };
	if (!model.p)
		return -ENOMEM;
	json_splice(out, body, &edit, 1);
	return 0;
}

/* The vectors themselves are not looked at: there may be millions of numbers. */
static int forward_list(struct dialect_answer *an, struct str body, struct buf *out)
{
	struct openai_reader rd = { .mem = an->mem };
	struct openai_list list;
	struct json_error error;
	struct usage usage;
	int err = openai_read_list(body, &list);
	if (err)
		return err;
	if (list.error.p)
		return openai_read_vectors(&rd, body, on_event, an);
	if (!list.data.n || list.data.p[0] != '[')
		return -EBADMSG;
	const struct json *u = list.usage.p ? json_parse(an->mem, list.usage, 0, &error) : NULL;
	if (json_is(u, JSON_OBJECT)) {
		openai_read_usage(u, &usage);
		llm_tally_usage(&an->tally, &usage);
	}
	an->tally.has_content = list.data.n > 2;
	an->tally.is_done = true;
	return put_restamped(an, body, list.model, out);
}

/* Where nobody wants the text itself. */
static bool tally_at_a_glance(struct dialect_answer *an, struct str body, struct str *ret_model)
{
	struct openai_glance g;
	if (an->q->kind != LLM_CHAT || an->tally.text || an->tally.listener ||
	    !openai_glance(an->mem, body, &g))
		return false;
	if (an->has_tiers)
		g.usage.tier = (uint8_t)price_tier_of(skim_word(body, STR("service_tier")));
	llm_tally_usage(&an->tally, &g.usage);
	an->tally.has_content = an->tally.is_done = true;
	an->tally.content_bytes += g.content_bytes;
	an->tally.finish = g.finish;
	*ret_model = g.model;
	return true;
}

int oai_forward_answer(struct dialect_answer *an, struct str body, struct buf *out)
{
	struct str model_raw;
	struct json_error error;
	if (an->q->kind == LLM_EMBED)
		return forward_list(an, body, out);
	if (tally_at_a_glance(an, body, &model_raw))
		return put_restamped(an, body, model_raw, out);
	const struct json *root = json_parse(an->mem, body, 0, &error);
	if (!root)
		return -EBADMSG;
	struct oai_stream *s = oai_stream(an, "chat.completion");
	if (!s)
		return -ENOMEM;
	int err = openai_read_answer(&s->reader, root, on_event, an);
	if (err || an->tally.has_error)
		return err;
	const struct json *model = json_get(root, "model");
	return put_restamped(an, body, model ? model->raw : STR_NONE, out);
}
