/* SPDX-License-Identifier: MIT
 * dialect_responses_history.c - conversations between requests: the text that is kept, and a new
 * request made whole from it. See responses_store.h. */
#include <errno.h>

#include "common/hash.h"
#include "worker/client/dialect_responses.h"
#include "worker/client/responses_store.h"

static bool is_reference(const struct json *item)
{
	const struct json *type = json_get(item, "type");
	return json_is(type, JSON_STRING) && str_eq(type->raw, STR("\"item_reference\""));
}

/* --- items by their ids --- */

struct index {				/* an open hash table */
	const struct json **slots;
	size_t mask;
};

static int index_init(struct arena *a, const struct json *items, struct index *ix)
{
	size_t room = 8;
	while (room < 2 * (size_t)items->count)
		room *= 2;
	ix->mask = room - 1;
	ix->slots = arena_array(a, room, sizeof *ix->slots);
	return ix->slots ? 0 : -ENOMEM;
}

/* The slot of that id, or the empty one where it would be. The id as it stands in the text: ours
 * have nothing to escape. */
static const struct json **slot_of(const struct index *ix, struct str id)
{
	size_t at = hash_table(id) & ix->mask;
	while (ix->slots[at] && !str_eq(json_get(ix->slots[at], "id")->raw, id))
		at = (at + 1) & ix->mask;
	return &ix->slots[at];
}

static int index_build(struct arena *a, const struct json *items, struct index *ix)
{
	int err = index_init(a, items, ix);
	for (const struct json *item = items->child; item && !err; item = item->next) {
		const struct json *id = json_get(item, "id");
		if (json_is(id, JSON_STRING))
			*slot_of(ix, id->raw) = item;
	}
	return err;
}

static const struct json *find_item(const struct index *ix, const struct json *reference)
{
	const struct json *id = json_get(reference, "id");
	return json_is(id, JSON_STRING) ? *slot_of(ix, id->raw) : NULL;
}

/* --- a request made whole --- */

static int read_history(struct oai_reading *r, const struct json *history)
{
	static const struct place at = { .name = "previous_response_id" };
	struct llm_message **end = &r->q->messages, *said;
	if (!json_is_given(json_get(r->q->root, "previous_response_id")))
		return 0;
	if (json_is_given(json_get(r->q->root, "instructions")))
		end = &r->q->messages->next;	/* they hold for this request, and come first */
	said = *end;
	*end = NULL;
	int err = rsp_read_items(r, &at, history, &end);
	*end = said;
	return err;
}

/* Where the reference stands, for a refusal. */
static size_t position_of(const struct llm_request *q, const struct json *item)
{
	const struct json *j = json_get(q->root, "input");
	size_t n = 0;
	for (j = j ? j->child : NULL; j && j != item; j = j->next)
		n++;
	return n;
}

static int read_reference(struct oai_reading *r, const struct index *ix, struct llm_message **at)
{
	struct place input = { .name = "input" }, in = { .up = &input }, id = { .up = &in, .name = "id" };
	struct llm_message *rest = (*at)->next, **end = at;
	const struct json *reference = (*at)->raw, *item = find_item(ix, reference);
	if (!item || is_reference(item)) {
		in.index = position_of(r->q, reference);
		return oai_refuse(r, &id, "is not of an item in the conversation that is kept");
	}
	*at = NULL;
	r->q->n_messages--;
	int err = rsp_read_item(r, &in, item, &end);
	*end = rest;
	return err;
}

static int read_references(struct oai_reading *r, const struct json *history)
{
	struct llm_message **at = &r->q->messages;
	struct index ix = { 0 };
	int err = 0;
	while (*at && !err) {
		struct llm_message *rest = (*at)->next;
		if (!rsp_is_reference(*at)) {
			at = &(*at)->next;
			continue;
		}
		if (!ix.slots)
			err = index_build(r->mem, history, &ix);
		if (!err)
			err = read_reference(r, &ix, at);
		while (!err && *at != rest)
			at = &(*at)->next;
	}
	return err;
}

int responses_resume(struct arena *a, struct str items, struct llm_request *q,
		     struct dialect_error *reterr)
{
	static const struct place input = { .name = "input" };
	struct oai_reading r = { .mem = a, .q = q, .err = reterr };
	struct json_error error;
	const struct json *history = json_parse(a, items, JSON_ONE_KEY, &error);
	if (!json_is(history, JSON_ARRAY))
		return -EBADMSG;
	for (const struct json *j = history->child; j; j = j->next)
		if (!json_is(j, JSON_OBJECT) || is_reference(j))
			return -EBADMSG;
	int err = read_references(&r, history);
	if (!err)
		err = read_history(&r, history);
	if (err)
		return err;
	if (!q->messages)
		return oai_refuse(&r, &input, "says nothing");
	q->history = history;
	rsp_join_messages(q);
	return 0;
}

int responses_refuse_missing(struct arena *a, const struct llm_request *q,
			     struct dialect_error *reterr)
{
	bool is_previous = json_is_given(json_get(q->root, "previous_response_id"));
	struct oai_reading r = { .mem = a, .err = reterr };
	struct place at = { .name = is_previous ? "previous_response_id" : "input" };
	return oai_refuse(&r, &at, "leads to '%.*s', and no such response is kept",
			  (int)(q->conversation_id.n < 80 ? q->conversation_id.n : 80),
			  q->conversation_id.p);
}

/* --- the text that is kept --- */

/* A thought that was told here by a model of another provider: it has an id of our making, and
 * nothing sealed that its reader could open. */
static bool is_foreign_thought(const struct json *item)
{
	const struct json *type = json_get(item, "type"), *id = json_get(item, "id");
	if (!json_is(type, JSON_STRING) || !str_eq(type->raw, STR("\"reasoning\"")) ||
	    json_is(json_get(item, "encrypted_content"), JSON_STRING))
		return false;
	return json_is(id, JSON_STRING) && id->raw.n > 2 &&
	       rsp_is_own_item(str_of(id->raw.p + 1, id->raw.n - 2));
}

static void put_all(struct json_out *o, const struct json *items, bool is_for_provider)
{
	for (const struct json *j = items ? items->child : NULL; j; j = j->next)
		if (!is_for_provider || !is_foreign_thought(j))
			json_put_raw(o, NULL, j->raw);
}

static void put_text(struct json_out *o, struct str string_raw)
{
	json_open(o, NULL);
	json_put_z(o, "type", "message");
	json_put_z(o, "role", "user");
	json_open_array(o, "content");
	json_open(o, NULL);
	json_put_z(o, "type", "input_text");
	json_put_raw(o, "text", string_raw);
	json_close(o);
	json_close_array(o);
	json_close(o);
}

int rsp_put_conversation(struct arena *a, const struct llm_request *q, bool is_for_provider,
			 struct json_out *o)
{
	const struct json *input = json_get(q->root, "input");
	struct index ix = { 0 };
	if (json_is_given(json_get(q->root, "previous_response_id")))
		put_all(o, q->history, is_for_provider);
	if (json_is(input, JSON_STRING))
		put_text(o, input->raw);
	if (!json_is(input, JSON_ARRAY))
		return 0;
	for (const struct json *j = input->child; j; j = j->next) {
		const struct json *item = j;
		if (is_reference(j) && q->history) {
			int err = ix.slots ? 0 : index_build(a, q->history, &ix);
			if (err)
				return err;
			item = find_item(&ix, j);
		}
		if (item && !(is_for_provider && is_foreign_thought(item)))
			json_put_raw(o, NULL, item->raw);
	}
	return 0;
}

static int put_forwarded(struct arena *a, const struct rsp_answer *s, struct json_out *o)
{
	struct json_error error;
	const struct json *output = json_parse(a, s->forwarded_output, 0, &error);
	put_all(o, output, false);
	return output ? 0 : -ENOMEM;
}

int responses_write_conversation(struct dialect_answer *an, struct buf *out)
{
	struct rsp_answer *s = rsp_answer(an);
	struct json_out o = json_out(out);
	int err = 0;
	if (!s)
		return -ENOMEM;
	json_open_array(&o, NULL);
	if (an->q->root)
		err = rsp_put_conversation(an->mem, an->q, false, &o);
	for (const struct rsp_item *i = s->items; i; i = i->next)
		rsp_put_item(&o, NULL, i);
	if (!err && s->forwarded_output.p)
		err = put_forwarded(an->mem, s, &o);
	json_close_array(&o);
	return err;
}

int responses_write_kept(struct dialect_answer *an, struct str *ret_id, struct buf *response,
			 struct buf *items)
{
	struct rsp_answer *s = rsp_answer(an);
	struct json_out o = json_out(response);
	*ret_id = responses_id(an);
	if (!s || !ret_id->p)
		return -ENOMEM;
	if (s->forwarded_response.p)
		buf_put(response, s->forwarded_response);
	else
		rsp_put_response(an, s, &o, NULL, rsp_status_word(s), STR_NONE);
	return responses_write_conversation(an, items);
}
