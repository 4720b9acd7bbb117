/* SPDX-License-Identifier: MIT
 * dialect_responses_forward.c - the short way, for providers that speak this API themselves.
 *
 * Events are read for what the gateway must know: usage, the end, and the output where it is to
 * be kept. What goes out are the provider's bytes but for the model's name. State stays with the
 * gateway: a conversation that it keeps goes along whole, and no provider's id with it. */
#include <errno.h>

#include "worker/client/dialect_responses.h"
#include "worker/client/forward.h"
#include "worker/responses.h"

enum { EXTRA_MAX = 64 << 20 };

/* --- requests --- */

static const struct json *parse_object(struct arena *a, struct str text)
{
	struct json_error error;
	const struct json *j = text.n ? json_parse(a, text, 0, &error) : NULL;
	return json_is(j, JSON_OBJECT) ? j : NULL;
}

/* What wins over the body: the deployment's own, then metadata, which is the provider's here and
 * would be taken out, and the whole conversation in place of a word on it. */
static int write_extra(struct arena *a, const struct llm_request *q, const struct json *extra,
		       struct buf *out)
{
	const struct json *metadata = json_get(q->root, "metadata");
	struct json_out o = json_out(out);
	int err = 0;
	json_open(&o, NULL);
	for (const struct json *j = extra ? extra->child : NULL; j; j = j->next) {
		json_key(&o, j->key);
		json_put_raw(&o, NULL, j->raw);
	}
	if (json_is_given(metadata) && !json_get(extra, "metadata"))
		json_put_raw(&o, "metadata", metadata->raw);
	if (q->history) {
		if (json_get(q->root, "previous_response_id"))
			json_put_null(&o, "previous_response_id");
		json_open_array(&o, "input");
		err = rsp_put_conversation(a, q, true, &o);
		json_close_array(&o);
	}
	json_close(&o);
	return err || !out->failed ? err : -ENOMEM;
}

int rsp_forward_request(struct arena *a, const struct llm_request *q, struct str model,
			struct str params, struct str extra_body, struct buf *out)
{
	struct openai_edits e = { .model = model };
	struct buf extra;
	buf_init(&extra, EXTRA_MAX);
	int err = responses_read_params(a, params, &e.params);
	if (!err)
		err = write_extra(a, q, parse_object(a, extra_body), &extra);
	e.extra_body = buf_str(&extra);
	if (!err)
		err = openai_edit_request(a, q->root, q->body, &e, out);
	buf_done(&extra);
	return err;
}

/* --- what the gateway must know of an answer --- */

static void tally(struct dialect_answer *an, enum llm_event_kind kind, struct str text)
{
	struct llm_event ev = { .kind = kind, .text = text };
	llm_tally_event(&an->tally, &ev);
}

static int tally_error(struct dialect_answer *an, const struct json *root)
{
	struct llm_error e;
	struct llm_event ev = { .kind = EV_ERROR, .error = &e };
	llm_read_error(an->mem, 0, root, root->raw, STR_NONE, &e);
	llm_tally_event(&an->tally, &ev);
	return 0;
}

static void tally_usage(struct dialect_answer *an, const struct json *response)
{
	struct usage u;
	responses_read_worth(response, &u);
	llm_tally_usage(&an->tally, &u);
}

/* --- what is the gateway's in an answer --- */

enum { STAMPS_MAX = 3 };

/* The model's name to the one that was asked for, the response before this one, of which the
 * provider was told nothing, and an id that is none: edits of the response's text, in their order.
 * How many, or -ENOMEM. */
static int restamp(const struct dialect_answer *an, const struct rsp_answer *s, struct arena *a,
		   const struct json *response, struct json_edit ret[STAMPS_MAX])
{
	const struct json *before = json_get(an->q->root, "previous_response_id");
	int n = 0;
	for (const struct json *j = response ? response->child : NULL; j; j = j->next) {
		struct json_edit e = { (size_t)(j->raw.p - response->raw.p), j->raw.n, STR_NONE };
		if (j->type == JSON_STRING && str_eq(j->key, STR("model")))
			e.with = openai_quote(a, an->model);
		else if (j->type == JSON_NULL && json_is(before, JSON_STRING) &&
			 str_eq(j->key, STR("previous_response_id")))
			e.with = before->raw;
		else if (s->is_renamed && str_eq(j->key, STR("id")))
			e.with = openai_quote(a, s->id);
		else
			continue;
		if (!e.with.p)
			return -ENOMEM;
		if (n < STAMPS_MAX)
			ret[n++] = e;
	}
	return n;
}

/* As the client is given it. */
static int keep_response(struct dialect_answer *an, struct rsp_answer *s, struct arena *scratch,
			 const struct json *response)
{
	struct json_edit edits[STAMPS_MAX];
	struct buf text;
	int n = restamp(an, s, scratch, response, edits);
	if (n < 0)
		return n;
	buf_init(&text, EXTRA_MAX);
	json_splice(&text, response->raw, edits, (size_t)n);
	if (!text.failed)
		s->forwarded_response = arena_dup(an->mem, buf_str(&text));
	buf_done(&text);
	return s->forwarded_response.p ? 0 : -ENOMEM;
}

/* The provider's id stays, if one can ask for it; else the response goes by one of ours. */
static int keep_id(struct dialect_answer *an, struct rsp_answer *s, const struct json *response)
{
	const struct json *id = json_get(response, "id");
	if (s->forwarded_id.p || s->is_renamed || !json_is(id, JSON_STRING))
		return 0;
	struct str given = json_str(an->mem, id);
	if (!given.p)
		return -ENOMEM;
	s->is_renamed = !str_is_id(given) || given.n > RSP_ID_MAX;
	if (s->is_renamed)
		return 0;
	s->forwarded_id = arena_dup(an->mem, given);
	s->id = s->forwarded_id;
	return s->id.p ? 0 : -ENOMEM;
}

/* A finished response. What is to be kept outlives the event. */
static int take_response(struct dialect_answer *an, struct rsp_answer *s, struct arena *scratch,
			 const struct json *response)
{
	struct llm_event finish = { .kind = EV_FINISH };
	finish.finish = responses_finish_of(scratch, response);
	const struct json *output = json_get(response, "output");
	if (json_is(output, JSON_ARRAY) && output->count)
		an->tally.has_content = true;
	tally_usage(an, response);
	llm_tally_event(&an->tally, &finish);
	tally(an, EV_END, STR_NONE);
	if (an->tally.listener)
		an->tally.listener->hear_whole(an->tally.listener, response->raw);
	if (!an->q->wants_store || !json_is(output, JSON_ARRAY))
		return 0;
	s->forwarded_output = arena_dup(an->mem, output->raw);
	return s->forwarded_output.p ? keep_response(an, s, scratch, response) : -ENOMEM;
}

/* --- events --- */

static int read_event(struct dialect_answer *an, struct rsp_answer *s, struct arena *scratch,
		      const struct json *root)
{
	const struct responses_event *row =
		responses_event_of(json_get_str(scratch, root, "type"));
	const struct json *response = json_get(root, "response");
	int64_t sequence;
	if (json_read_i64(json_get(root, "sequence_number"), &sequence) == 0 && sequence >= 0)
		s->sequence = (uint64_t)sequence + 1;
	if (json_is(json_get(root, "error"), JSON_OBJECT))
		return tally_error(an, root);
	switch (row->kind) {
	case RSP_EV_DELTA:
		tally(an, row->content, json_get_str(scratch, root, "delta"));
		return 0;
	case RSP_EV_ITEM:
		if (json_get(json_get(root, "item"), "call_id"))
			tally(an, EV_TOOL_START, STR_NONE);
		return 0;
	case RSP_EV_ERROR:
		return tally_error(an, root);
	case RSP_EV_FAILED:
		tally_usage(an, response);
		return tally_error(an, response ? response : root);
	case RSP_EV_END:
		return response ? take_response(an, s, scratch, response) : -EBADMSG;
	case RSP_EV_BEGIN:
	case RSP_EV_PART:
	case RSP_EV_ITEM_DONE:
	case RSP_EV_OTHER:
		return 0;
	}
	return 0;
}

int rsp_forward_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		      struct buf *out)
{
	struct rsp_answer *s = rsp_answer(an);
	struct json_error error;
	struct json_edit edits[STAMPS_MAX];
	if (!s)
		return -ENOMEM;
	s->is_forwarded = true;
	if (ev->oversize) {
		an->tally.has_content = true;
		buf_put(out, ev->raw);
		return 0;
	}
	if (an->is_ended || str_starts(ev->data, STR("[DONE]")))
		return 0;
	const struct json *root = json_parse(scratch, ev->data, 0, &error);
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	const struct json *response = json_get(root, "response");
	int err = keep_id(an, s, response);
	if (!err)
		err = read_event(an, s, scratch, root);
	if (err || an->tally.has_error)
		return err;
	int n = restamp(an, s, scratch, response, edits);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		edits[i].at += (size_t)(response->raw.p - ev->data.p);
	forward_edited(ev, ev->name, edits, (size_t)n, STR("\n\n"), out);
	an->is_ended = an->tally.is_done;
	return 0;
}

/* --- plain answers --- */

static void tally_texts(struct dialect_answer *an, const struct json *list,
			enum llm_event_kind kind)
{
	const struct json *j = json_is(list, JSON_ARRAY) ? list->child : NULL;
	for (; j; j = j->next) {
		tally(an, kind, json_get_str(an->mem, j, "text"));
		tally(an, EV_REFUSAL, json_get_str(an->mem, j, "refusal"));
	}
}

static void tally_item(struct dialect_answer *an, const struct json *item)
{
	bool is_message = str_eq(json_get_str(an->mem, item, "type"), STR("message"));
	tally_texts(an, json_get(item, "content"), is_message ? EV_TEXT : EV_REASONING);
	tally_texts(an, json_get(item, "summary"), EV_REASONING);
	tally(an, EV_TOOL_ARGS, json_get_str(an->mem, item, "arguments"));
	tally(an, EV_TOOL_ARGS, json_get_str(an->mem, item, "input"));
}

static bool has_failed(const struct json *root)
{
	const struct json *status = json_get(root, "status");
	return json_is(json_get(root, "error"), JSON_OBJECT) ||
	       (json_is(status, JSON_STRING) && str_eq(status->raw, STR("\"failed\"")));
}

int rsp_forward_answer(struct dialect_answer *an, struct str body, struct buf *out)
{
	struct rsp_answer *s = rsp_answer(an);
	struct json_error error;
	struct json_edit edits[STAMPS_MAX];
	if (!s)
		return -ENOMEM;
	s->is_forwarded = true;
	const struct json *root = json_parse(an->mem, body, 0, &error);
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	if (has_failed(root))
		return tally_error(an, root);
	const struct json *output = json_get(root, "output");
	if (!json_is(output, JSON_ARRAY))
		return -EBADMSG;
	for (const struct json *j = output->child; j; j = j->next)
		tally_item(an, j);
	int err = keep_id(an, s, root);
	if (!err)
		err = take_response(an, s, an->mem, root);
	int n = err ? err : restamp(an, s, an->mem, root, edits);
	if (n < 0)
		return n;
	json_splice(out, root->raw, edits, (size_t)n);
	an->is_ended = true;
	return 0;
}
