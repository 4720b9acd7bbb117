/* SPDX-License-Identifier: MIT
 * responses_stream.h - a stream of /v1/responses read back as a strict client would, for tests and
 * fuzzers.
 *
 * Held: each event has the name that its data tells, and its number; a part is added, grows, and
 * is done with just what its deltas gave; an item is done with just its parts; the response at
 * the end has just these items; nothing comes behind it. */
#ifndef RESPONSES_STREAM_H
#define RESPONSES_STREAM_H

#include "common/buf.h"
#include "common/json.h"
#include "worker/client/collect.h"

struct seen_part {
	struct seen_part *next;
	struct str done;		/* as it stood in its last event */
};
struct seen_item {
	struct seen_item *next;
	struct str id, done;
	bool is_part_open;
	struct rope sum;		/* of the part under way, or of a call's input */
	struct seen_part *parts, **parts_end;
	unsigned n_parts;
};
struct seen {
	struct arena *mem;
	struct buf names;		/* of all events, a line each */
	uint64_t n;
	struct seen_item *items;
	unsigned n_items;
	bool is_over, has_error;
	const struct json *final;	/* the response in the last event */
};

static inline bool seen_is(const struct json *j, const char *text)
{
	return j && j->type == JSON_STRING && j->raw.n == strlen(text) + 2 &&
	       memcmp(j->raw.p + 1, text, j->raw.n - 2) == 0;
}

static inline unsigned seen_count(const struct json *event, const char *name)
{
	int64_t v = -1;
	MUST(json_read_i64(json_get(event, name), &v) == 0 && v >= 0);
	return (unsigned)v;
}

static inline struct seen_item *seen_item_of(struct seen *s, const struct json *event)
{
	unsigned at = seen_count(event, "output_index");
	struct seen_item *i = s->items;
	for (; i && at; at--)
		i = i->next;
	MUST(i);
	if (json_get(event, "item_id"))
		MUST(str_eq(json_get_str(s->mem, event, "item_id"), i->id));
	MUST(!i->done.p);
	return i;
}

static inline void seen_item_added(struct seen *s, const struct json *event)
{
	const struct json *item = json_get(event, "item");
	struct seen_item **end = &s->items, *i = arena_alloc(s->mem, sizeof *i);
	MUST(i && seen_count(event, "output_index") == s->n_items++);
	MUST(seen_is(json_get(item, "status"), "in_progress"));
	while (*end)
		end = &(*end)->next;
	*end = i;
	i->id = json_get_str(s->mem, item, "id");
	i->parts_end = &i->parts;
	MUST(i->id.n);
	if (json_get(item, "content"))
		MUST(json_get(item, "content")->count == 0);
}

static inline unsigned seen_part_index(const struct json *event)
{
	return seen_count(event, json_get(event, "summary_index") ? "summary_index" : "content_index");
}

static inline void seen_part_added(struct seen *s, const struct json *event)
{
	struct seen_item *i = seen_item_of(s, event);
	MUST(!i->is_part_open && seen_part_index(event) == i->n_parts);
	i->is_part_open = true;
	i->sum = (struct rope){ 0 };
}

static inline void seen_delta(struct seen *s, const struct json *event, bool is_call)
{
	struct seen_item *i = seen_item_of(s, event);
	MUST(is_call || (i->is_part_open && seen_part_index(event) == i->n_parts));
	struct str delta = json_get_str(s->mem, event, "delta");
	MUST(delta.n && rope_add(s->mem, &i->sum, delta) == 0);
}

static inline void seen_said(struct seen *s, const struct json *event, const char *member)
{
	struct seen_item *i = seen_item_of(s, event);
	MUST(str_eq(json_get_str(s->mem, event, member), rope_join(s->mem, &i->sum)));
}

static inline void seen_part_done(struct seen *s, const struct json *event)
{
	struct seen_item *i = seen_item_of(s, event);
	const struct json *part = json_get(event, "part");
	const char *member = json_get(part, "refusal") ? "refusal" : "text";
	struct seen_part *p = arena_alloc(s->mem, sizeof *p);
	MUST(p && i->is_part_open && seen_part_index(event) == i->n_parts++);
	MUST(str_eq(json_get_str(s->mem, part, member), rope_join(s->mem, &i->sum)));
	i->is_part_open = false;
	p->done = part->raw;
	*i->parts_end = p;
	i->parts_end = &p->next;
}

static inline void seen_item_done(struct seen *s, const struct json *event)
{
	struct seen_item *i = seen_item_of(s, event);
	const struct json *item = json_get(event, "item"), *list = json_get(item, "content");
	const struct seen_part *p = i->parts;
	MUST(!i->is_part_open && !seen_is(json_get(item, "status"), "in_progress"));
	MUST(str_eq(json_get_str(s->mem, item, "id"), i->id));
	if (json_get(item, "call_id")) {
		const char *member = json_get(item, "arguments") ? "arguments" : "input";
		MUST(str_eq(json_get_str(s->mem, item, member), rope_join(s->mem, &i->sum)));
	}
	if (!list || !list->count)
		list = json_get(item, "summary");
	for (const struct json *j = list ? list->child : NULL; j; j = j->next, p = p->next)
		MUST(p && str_eq(p->done, j->raw));
	MUST(!p);
	i->done = item->raw;
}

static inline void seen_end(struct seen *s, const struct json *event, const char *status)
{
	const struct seen_item *i = s->items;
	bool has_failed = strcmp(status, "failed") == 0;
	s->final = json_get(event, "response");
	s->is_over = true;
	MUST(seen_is(json_get(s->final, "status"), status));
	const struct json *output = json_get(s->final, "output");
	MUST(json_is(output, JSON_ARRAY) && output->count == s->n_items);
	for (const struct json *j = output->child; j; j = j->next, i = i->next)
		MUST(has_failed || str_eq(j->raw, i->done));
	MUST(has_failed || json_is(json_get(s->final, "usage"), JSON_OBJECT));
}

static inline void seen_begun(struct seen *s, const struct json *event, uint64_t number)
{
	const struct json *response = json_get(event, "response");
	MUST(s->n == number && seen_is(json_get(response, "status"), "in_progress"));
	MUST(json_get(response, "output")->count == 0);
}

static inline void seen_dispatch(struct seen *s, struct str type, const struct json *event)
{
	bool is_call = str_starts(type, STR("response.function_call")) ||
		       str_starts(type, STR("response.custom_tool"));
	MUST(s->n < 2 || s->is_over == false);
	if (str_eq(type, STR("response.created")))
		seen_begun(s, event, 0);
	else if (str_eq(type, STR("response.in_progress")))
		seen_begun(s, event, 1);
	else if (str_eq(type, STR("response.output_item.added")))
		seen_item_added(s, event);
	else if (str_eq(type, STR("response.output_item.done")))
		seen_item_done(s, event);
	else if (str_ends(type, STR("_part.added")))
		seen_part_added(s, event);
	else if (str_ends(type, STR("_part.done")))
		seen_part_done(s, event);
	else if (str_ends(type, STR(".delta")))
		seen_delta(s, event, is_call);
	else if (str_ends(type, STR(".done")))
		seen_said(s, event, json_get(event, "refusal")     ? "refusal"
				    : json_get(event, "arguments") ? "arguments"
				    : json_get(event, "input")     ? "input"
								   : "text");
	else if (str_eq(type, STR("response.completed")))
		seen_end(s, event, "completed");
	else if (str_eq(type, STR("response.incomplete")))
		seen_end(s, event, "incomplete");
	else if (str_eq(type, STR("response.failed")))
		seen_end(s, event, "failed");
	else
		MUST(str_eq(type, STR("error")));
}

/* Reads a stream's bytes, all of them. names must have been initialized. */
static inline void seen_read(struct seen *s, struct str text)
{
	while (text.n) {
		struct json_error error;
		size_t end = str_find(text, STR("\n\n"));
		MUST(end != SIZE_MAX);
		struct str data = str_of(text.p, end), name = str_cut(&data, '\n');
		text = str_skip(text, end + 2);
		MUST(str_starts(name, STR("event: ")) && str_starts(data, STR("data: ")));
		MUST(str_find_char(data, '\n') == SIZE_MAX && str_find_char(data, '\r') == SIZE_MAX);
		name = str_skip(name, 7);
		const struct json *event = json_parse(s->mem, str_skip(data, 6), JSON_ONE_KEY, &error);
		MUST(json_is(event, JSON_OBJECT));
		MUST(str_eq(json_get_str(s->mem, event, "type"), name));
		MUST(seen_count(event, "sequence_number") == s->n);
		MUST(!s->is_over);
		seen_dispatch(s, name, event);
		buf_put(&s->names, name);
		buf_put_char(&s->names, '\n');
		s->n++;
	}
}

#endif
