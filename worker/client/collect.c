/* SPDX-License-Identifier: MIT
 * collect.c - events put together to an answer. */
#include "worker/client/collect.h"

#include <errno.h>

enum { BLOCK_FIRST = 112, BLOCK_MAX = 16384 };

struct rope_block {
	struct rope_block *next;
	uint32_t n, room;
	char bytes[];
};

int rope_add(struct arena *a, struct rope *r, struct str piece)
{
	struct rope_block *b = r->last;
	if (piece.n > UINT32_MAX)
		return -ENOMEM;
	if (!b || b->room - b->n < piece.n) {
		size_t room = b ? (size_t)b->room * 2 : BLOCK_FIRST;
		room = room > BLOCK_MAX ? BLOCK_MAX : room;
		room = room < piece.n ? piece.n : room;
		b = arena_alloc(a, sizeof *b + room);
		if (!b)
			return -ENOMEM;
		b->room = (uint32_t)room;
		*(r->last ? &r->last->next : &r->first) = b;
		r->last = b;
	}
	if (piece.n)
		memcpy(b->bytes + b->n, piece.p, piece.n);
	b->n += (uint32_t)piece.n;
	r->n += piece.n;
	return 0;
}

struct str rope_next(const struct rope *r, const struct rope_block **at)
{
	*at = *at ? (*at)->next : r->first;
	return *at ? str_of((*at)->bytes, (*at)->n) : STR_NONE;
}

struct str rope_join(struct arena *a, const struct rope *r)
{
	const struct rope_block *at = NULL;
	char *p = arena_alloc(a, r->n);
	size_t n = 0;
	for (struct str s = rope_next(r, &at); p && s.p; s = rope_next(r, &at)) {
		memcpy(p + n, s.p, s.n);
		n += s.n;
	}
	return p ? str_of(p, n) : STR_NONE;
}

static int keep(struct arena *a, struct str *to, struct str s)
{
	if (!s.p || to->p)
		return 0;
	*to = arena_dup(a, s);
	return to->p ? 0 : -ENOMEM;
}

static int find_choice(struct arena *a, struct collected *c, unsigned index,
		       struct collected_choice **ret)
{
	struct collected_choice **at = &c->choices;
	if (index >= COLLECT_CHOICES_MAX)
		return -E2BIG;
	if (c->recent && c->recent->index <= index)
		at = c->recent->index == index ? &c->recent : &c->recent->next;
	while (*at && (*at)->index < index)
		at = &(*at)->next;
	if (!*at || (*at)->index != index) {
		struct collected_choice *one = arena_alloc(a, sizeof *one);
		if (!one)
			return -ENOMEM;
		one->index = index;
		one->next = *at;
		*at = one;
	}
	*ret = c->recent = *at;
	return 0;
}

static int find_call(struct arena *a, struct collected_call **at, unsigned tool,
		     struct collected_call **ret)
{
	if (tool >= COLLECT_CALLS_MAX)
		return -E2BIG;
	while (*at && (*at)->tool < tool)
		at = &(*at)->next;
	if (!*at || (*at)->tool != tool) {
		struct collected_call *one = arena_alloc(a, sizeof *one);
		if (!one)
			return -ENOMEM;
		one->tool = tool;
		one->next = *at;
		*at = one;
	}
	*ret = *at;
	return 0;
}

int collect_call(struct arena *a, struct collected_call **list, const struct llm_event *ev)
{
	struct collected_call *k;
	int err = find_call(a, list, ev->tool, &k);
	if (err)
		return err;
	if (ev->kind == EV_TOOL_ARGS)
		return rope_add(a, &k->args, ev->text);
	err = keep(a, &k->id, ev->id);
	return err ? err : keep(a, &k->name, ev->name);
}

static int add_to_choice(struct arena *a, struct collected *all, const struct llm_event *ev)
{
	struct collected_choice *c;
	int err = find_choice(a, all, ev->choice, &c);
	if (err || c->finish != FINISH_NONE)	/* what comes after a choice's end is nothing */
		return err;
	switch (ev->kind) {
	case EV_TEXT:
		return rope_add(a, &c->text, ev->text);
	case EV_REASONING:
		err = rope_add(a, &c->reasoning, ev->text);
		return err ? err : keep(a, &c->signature, ev->signature);
	case EV_REFUSAL:
		return rope_add(a, &c->refusal, ev->text);
	case EV_TOOL_START:
	case EV_TOOL_ARGS:
		return collect_call(a, &c->calls, ev);
	case EV_FINISH:
		c->finish = ev->finish;
		return keep(a, &c->native, ev->native);
	case EV_VECTOR:
		return keep(a, &c->vector, ev->text);
	default:
		return 0;
	}
}

static int start(struct arena *a, struct collected *c, const struct llm_event *ev)
{
	if (ev->created_s)
		c->created_s = ev->created_s;
	int err = keep(a, &c->id, ev->id);
	return err ? err : keep(a, &c->model, ev->model);
}

int collect_event(struct dialect_answer *an, const struct llm_event *ev)
{
	if (!an->state)
		an->state = arena_alloc(an->mem, sizeof(struct collected));
	if (!an->state)
		return -ENOMEM;
	llm_tally_event(&an->tally, ev);
	switch (ev->kind) {
	case EV_START:
		return start(an->mem, an->state, ev);
	case EV_USAGE:
	case EV_ERROR:
		return 0;
	case EV_END:
		an->is_ended = true;
		return 0;
	default:
		return add_to_choice(an->mem, an->state, ev);
	}
}

int collect_spoken(struct dialect_answer *an, const struct llm_event *ev)
{
	struct llm_event text = *ev;
	if (ev->kind != EV_REFUSAL)
		return collect_event(an, ev);
	text.kind = EV_TEXT;
	return collect_event(an, &text);
}

const struct collected *collected(const struct dialect_answer *an)
{
	static const struct collected nothing;
	return an->state ? an->state : &nothing;
}
