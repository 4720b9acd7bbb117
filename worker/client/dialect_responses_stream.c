/* SPDX-License-Identifier: MIT
 * dialect_responses_stream.c - neutral events put together to output items, and a stream's events
 * written while they grow.
 *
 * One message or reasoning is open at a time, and is closed by whatever begins next. Calls may
 * run side by side: one whose arguments are whole is closed when the next thing begins, so that a
 * client need not wait with it; any other stays open to the end. */
#include <errno.h>

#include "worker/client/dialect_responses.h"
#include "worker/client/responses_store.h"

/* --- ids --- */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* What the ids of a response and its items have in common: what is plain in the answer's id. */
static struct str make_tail(struct arena *a, struct str id)
{
	char *tail = arena_alloc(a, RSP_TAIL_MAX + 1);
	size_t n = 0;
	if (!tail)
		return STR_NONE;
	if (str_starts(id, STR("resp_")) || str_starts(id, STR("chatcmpl-")))
		id = str_skip(id, str_find_char(id, id.p[0] == 'r' ? '_' : '-') + 1);
	for (size_t i = 0; i < id.n && n < RSP_TAIL_MAX; i++)
		if (is_plain(id.p[i]))
			tail[n++] = id.p[i];
	if (!n)
		tail[n++] = '0';
	return str_of(tail, n);
}

struct rsp_answer *rsp_answer(struct dialect_answer *an)
{
	struct rsp_answer *s = an->state;
	const struct json *reasoning = json_get(an->q->root, "reasoning");
	if (s)
		return s;
	s = arena_alloc(an->mem, sizeof *s);
	if (!s)
		return NULL;
	s->tail = make_tail(an->mem, an->id);
	if (s->tail.p)
		s->id = arena_printf(an->mem, "resp_" STR_FMT, STR_ARG(s->tail));
	s->shows_summary = json_is_given(json_get(reasoning, "summary")) ||
			   json_is_given(json_get(reasoning, "generate_summary"));
	if (s->id.p)
		an->state = s;
	return an->state;
}

struct str rsp_id_of_item(struct arena *a, struct str item_id)
{
	struct str rest = item_id, prefix = str_cut(&rest, '_');
	bool is_ours = rest.n > 4;
	for (size_t i = 0; i < rest.n && is_ours; i++)
		is_ours = is_plain(rest.p[i]);
	for (size_t i = 0; i < COUNT(rsp_item_rows) && is_ours; i++)
		if (str_eq_z(prefix, rsp_item_rows[i].prefix))
			return arena_printf(a, "resp_%.*s", (int)(rest.n - 4), rest.p);
	return STR_NONE;
}

bool rsp_is_own_item(struct str item_id)
{
	enum { UUID = 32, NUMBER = 4, VERSION = 12 };	/* digits, and where it says 7 */
	struct str rest = item_id;
	str_cut(&rest, '_');
	if (!rest.p || rest.n != UUID + NUMBER || rest.p[VERSION] != '7')
		return false;
	for (size_t i = 0; i < rest.n; i++) {
		char c = rest.p[i];
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
	}
	return true;
}

/* Behind the numbers that output items of this response can have. */
struct str responses_item_name(struct arena *a, struct str response_id, size_t at)
{
	struct str tail = make_tail(a, response_id);
	return tail.p ? arena_printf(a, "\"msg_" STR_FMT "%04zx\"", STR_ARG(tail),
				     RSP_ITEMS_MAX + at)
		      : STR_NONE;
}

/* --- events of parts and items --- */

static void put_place(struct json_out *o, const struct rsp_item *item, const struct rsp_part *part)
{
	json_put_str(o, "item_id", item->id);
	json_put_u64(o, "output_index", item->index);
	if (part)
		json_put_u64(o, rsp_part_rows[part->kind].index, part->index);
}

static void put_item_event(struct rsp_answer *s, const char *type, const struct rsp_item *item)
{
	if (!s->out)
		return;
	struct json_out o = rsp_open_event(s, type);
	json_put_u64(&o, "output_index", item->index);
	rsp_put_item(&o, "item", item);
	rsp_close_event(&o);
}

static void put_part_event(struct rsp_answer *s, const char *type, const struct rsp_item *item,
			   const struct rsp_part *part)
{
	if (!s->out)
		return;
	struct json_out o = rsp_open_event(s, type);
	put_place(&o, item, part);
	rsp_put_part(&o, "part", part);
	rsp_close_event(&o);
}

/* part NULL: of a call. */
static void put_delta(struct rsp_answer *s, const struct rsp_item *item,
		      const struct rsp_part *part, struct str text)
{
	if (!s->out)
		return;
	struct json_out o = rsp_open_event(s, part ? rsp_part_rows[part->kind].delta
						   : rsp_item_rows[item->kind].delta);
	put_place(&o, item, part);
	json_put_str(&o, "delta", text);
	if (part && part->kind == RSP_TEXT)
		json_put_raw(&o, "logprobs", STR("[]"));
	rsp_close_event(&o);
}

static void put_said(struct rsp_answer *s, const struct rsp_item *item, const struct rsp_part *part)
{
	const struct rsp_part_row *row = &rsp_part_rows[part->kind];
	if (!s->out)
		return;
	struct json_out o = rsp_open_event(s, row->said);
	put_place(&o, item, part);
	oai_put_rope(&o, row->text, &part->text);
	if (part->kind == RSP_TEXT)
		json_put_raw(&o, "logprobs", STR("[]"));
	rsp_close_event(&o);
}

static void put_input(struct rsp_answer *s, const struct rsp_item *item)
{
	const struct rsp_item_row *row = &rsp_item_rows[item->kind];
	if (!s->out)
		return;
	struct json_out o = rsp_open_event(s, row->said);
	put_place(&o, item, NULL);
	if (item->kind == RSP_CALL)
		json_put_str(&o, "name", item->name);
	oai_put_rope(&o, row->input, &item->input);
	rsp_close_event(&o);
}

/* --- beginning and closing --- */

void rsp_begin(struct dialect_answer *an, struct rsp_answer *s)
{
	if (s->is_begun)
		return;
	s->is_begun = true;
	rsp_put_response_event(an, s, "response.created", "in_progress", STR_NONE);
	rsp_put_response_event(an, s, "response.in_progress", "in_progress", STR_NONE);
}

static void close_part(struct rsp_answer *s, const struct rsp_item *item)
{
	const struct rsp_part *part = item->last_part;
	if (!part)
		return;
	put_said(s, item, part);
	put_part_event(s, rsp_part_rows[part->kind].done, item, part);
}

static bool is_call(const struct rsp_item *item)
{
	return item->kind == RSP_CALL || item->kind == RSP_CUSTOM_CALL;
}

/* A call without arguments is one with none to give. */
static int close_call(struct dialect_answer *an, struct rsp_answer *s, struct rsp_item *item,
		      enum rsp_status status)
{
	if (item->kind == RSP_CALL && !item->input.n && status == RSP_COMPLETED) {
		int err = rope_add(an->mem, &item->input, STR("{}"));
		if (err)
			return err;
		put_delta(s, item, NULL, STR("{}"));
	}
	put_input(s, item);
	s->n_open_calls--;
	return 0;
}

static int close_item(struct dialect_answer *an, struct rsp_answer *s, struct rsp_item *item,
		      enum rsp_status status)
{
	int err = 0;
	if (is_call(item))
		err = close_call(an, s, item, status);
	else
		close_part(s, item);
	if (err)
		return err;
	if (s->open == item)
		s->open = NULL;
	item->status = status;
	put_item_event(s, "response.output_item.done", item);
	return 0;
}

/* Whatever begins now closes what is whole. */
static int close_whole(struct dialect_answer *an, struct rsp_answer *s)
{
	int err = s->open ? close_item(an, s, s->open, RSP_COMPLETED) : 0;
	for (struct rsp_item *i = s->items; i && !err && s->n_open_calls; i = i->next)
		if (i->status == RSP_OPEN && i->is_whole)
			err = close_item(an, s, i, RSP_COMPLETED);
	return err;
}

static int open_item(struct dialect_answer *an, struct rsp_answer *s, enum rsp_item_kind kind,
		     struct rsp_item **ret)
{
	int err = close_whole(an, s);
	if (err)
		return err;
	if (s->n_items >= RSP_ITEMS_MAX)
		return -E2BIG;
	struct rsp_item *item = arena_alloc(an->mem, sizeof *item);
	if (!item)
		return -ENOMEM;
	item->kind = kind;
	item->index = s->n_items;
	item->id = arena_printf(an->mem, "%s_" STR_FMT "%04x", rsp_item_rows[kind].prefix,
				STR_ARG(s->tail), item->index);
	if (!item->id.p)
		return -ENOMEM;
	*(s->last ? &s->last->next : &s->items) = item;
	s->last = item;
	s->n_items++;
	*ret = item;
	return 0;
}

static int open_part(struct dialect_answer *an, struct rsp_answer *s, struct rsp_item *item,
		     enum rsp_part_kind kind)
{
	struct rsp_part *part = arena_alloc(an->mem, sizeof *part), *last = item->last_part;
	if (!part)
		return -ENOMEM;
	close_part(s, item);
	part->kind = kind;
	part->index = last ? last->index + 1 : 0;
	*(last ? &last->next : &item->parts) = part;
	item->last_part = part;
	put_part_event(s, rsp_part_rows[kind].added, item, part);
	return 0;
}

/* --- texts --- */

static int need_item(struct dialect_answer *an, struct rsp_answer *s, enum rsp_item_kind kind)
{
	if (s->open && s->open->kind == kind && !s->open->signature.p)
		return 0;
	int err = open_item(an, s, kind, &s->open);
	if (!err)
		put_item_event(s, "response.output_item.added", s->open);
	return err;
}

static int take_text(struct dialect_answer *an, struct rsp_answer *s, enum rsp_item_kind kind,
		     enum rsp_part_kind part_kind, struct str text)
{
	int err = text.n ? need_item(an, s, kind) : 0;
	if (err || !text.n)
		return err;
	if (!s->open->last_part || s->open->last_part->kind != part_kind)
		err = open_part(an, s, s->open, part_kind);
	if (!err)
		err = rope_add(an->mem, &s->open->last_part->text, text);
	if (!err)
		put_delta(s, s->open, s->open->last_part, text);
	return err;
}

/* A signature ends the thought that it stands for. */
static int take_reasoning(struct dialect_answer *an, struct rsp_answer *s,
			  const struct llm_event *ev)
{
	enum rsp_part_kind kind = s->shows_summary ? RSP_SUMMARY : RSP_THOUGHT;
	int err = take_text(an, s, RSP_REASONING, kind, ev->text);
	if (err || !ev->signature.p)
		return err;
	err = need_item(an, s, RSP_REASONING);
	if (err)
		return err;
	s->open->signature = arena_dup(an->mem, ev->signature);
	return s->open->signature.p ? 0 : -ENOMEM;
}

/* --- calls --- */

static bool is_custom_tool(const struct llm_request *q, struct str name)
{
	const struct llm_tool *t = q->tools;
	while (t && !(t->kind == TOOL_CUSTOM && str_eq(t->name, name)))
		t = t->next;
	return t;
}

static struct rsp_item *find_call(const struct rsp_answer *s, unsigned tool)
{
	if (s->last && is_call(s->last) && s->last->tool == tool)
		return s->last;
	for (struct rsp_item *i = s->items; i; i = i->next)
		if (is_call(i) && i->tool == tool)
			return i;
	return NULL;
}

static int open_call(struct dialect_answer *an, struct rsp_answer *s, const struct llm_event *ev,
		     struct rsp_item **ret)
{
	enum rsp_item_kind kind = is_custom_tool(an->q, ev->name) ? RSP_CUSTOM_CALL : RSP_CALL;
	struct rsp_item *item;
	int err = open_item(an, s, kind, &item);
	if (err)
		return err;
	item->tool = ev->tool;
	s->n_open_calls++;
	item->name = ev->name.p ? arena_dup(an->mem, ev->name) : STR("");
	item->call_id = ev->id.n ? arena_dup(an->mem, ev->id)
				 : oai_call_id(an, STR_NONE, 0, ev->tool);
	if (!item->name.p || !item->call_id.p)
		return -ENOMEM;
	put_item_event(s, "response.output_item.added", item);
	*ret = item;
	return 0;
}

/* Follows the brackets of a JSON text: whole is what closes the first one. */
static void follow(struct rsp_item *item, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (item->is_escaped)
			item->is_escaped = false;
		else if (item->in_string && c == '\\')
			item->is_escaped = true;
		else if (c == '"')
			item->in_string = !item->in_string;
		else if (!item->in_string && (c == '{' || c == '['))
			item->depth++;
		else if (!item->in_string && (c == '}' || c == ']') && item->depth)
			item->is_whole |= --item->depth == 0;
	}
}

/* What comes behind a call's end is nothing. */
static int take_call(struct dialect_answer *an, struct rsp_answer *s, const struct llm_event *ev)
{
	struct rsp_item *item = find_call(s, ev->tool);
	int err = item ? 0 : open_call(an, s, ev, &item);
	if (err || ev->kind == EV_TOOL_START || item->status != RSP_OPEN || !ev->text.n)
		return err;
	err = rope_add(an->mem, &item->input, ev->text);
	if (err)
		return err;
	if (item->kind == RSP_CALL)
		follow(item, ev->text);
	put_delta(s, item, NULL, ev->text);
	return 0;
}

/* --- the whole --- */

int rsp_finish(struct dialect_answer *an, struct rsp_answer *s, enum llm_finish finish)
{
	bool is_cut = finish == FINISH_LENGTH || finish == FINISH_FILTER;
	int err = 0;
	if (s->is_finished)
		return 0;
	for (struct rsp_item *i = s->items; i && !err; i = i->next)
		if (i->status == RSP_OPEN)
			err = close_item(an, s, i, is_cut ? RSP_INCOMPLETE : RSP_COMPLETED);
	s->finish = finish;
	s->is_finished = true;
	return err;
}

/* The other choices of a provider that gives several have no place in a response. */
int rsp_take(struct dialect_answer *an, struct rsp_answer *s, const struct llm_event *ev)
{
	if (s->is_finished || ev->choice)
		return 0;
	switch (ev->kind) {
	case EV_TEXT:
	case EV_REFUSAL:
	case EV_REASONING:
	case EV_TOOL_START:
	case EV_TOOL_ARGS:
		break;
	case EV_FINISH:
		return rsp_finish(an, s, ev->finish);
	default:
		return 0;
	}
	rsp_begin(an, s);
	if (ev->kind == EV_REASONING)
		return take_reasoning(an, s, ev);
	if (ev->kind == EV_TOOL_START || ev->kind == EV_TOOL_ARGS)
		return take_call(an, s, ev);
	enum rsp_part_kind kind = ev->kind == EV_TEXT ? RSP_TEXT : RSP_REFUSAL;
	return take_text(an, s, RSP_MESSAGE, kind, ev->text);
}
