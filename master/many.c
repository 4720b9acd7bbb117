/* SPDX-License-Identifier: MIT
 * many.c - many calls made of one; see many.h. */
#include "master/many.h"

#include <errno.h>

struct many {				/* lives in the call's arena */
	struct command_call *c;
	const struct command *command;
	const struct json *next;
	struct many_result *v;
	size_t n;
	many_done_fn *done;
	bool is_starting, is_answered, failed;
};

void many_put_member(struct json_out *o, const char *to, const struct json *object,
		     const char *from)
{
	const struct json *j = json_get(object, from);
	if (j)
		json_put_raw(o, to, j->raw);
	else
		json_put_null(o, to);
}

void many_put_reason(struct json_out *o, const char *to, const struct many_result *r)
{
	if (r->status == 200)
		json_put_null(o, to);
	else
		many_put_member(o, to, json_get(r->answer, "error"), "message");
}

bool many_are_objects(const struct json *list)
{
	if (!json_is(list, JSON_ARRAY) || !list->count || list->count > MANY_MAX)
		return false;
	for (const struct json *j = list->child; j; j = j->next)
		if (j->type != JSON_OBJECT)
			return false;
	return true;
}

static void go_on(struct many *m);

static void on_one(struct command_call *part)
{
	struct many *m = part->answer_data;
	struct many_result *r = &m->v[m->n - 1];
	struct json_error e;
	struct str text = arena_dup(m->c->mem, buf_str(&part->out));
	r->status = part->status;
	r->answer = text.p ? json_parse(m->c->mem, text, 0, &e) : NULL;
	m->failed |= !r->answer;
	m->is_answered = true;
	if (!m->is_starting)
		go_on(m);
}

static void finish(struct many *m)
{
	if (m->failed)
		command_fail_store(m->c, -ENOMEM);
	else
		m->done(m->c, m->v, m->n);
}

/* The answer of one may come at once or later. */
static void go_on(struct many *m)
{
	while (m->next && !m->failed) {
		struct many_result *r = &m->v[m->n++];
		r->args = m->next;
		m->next = m->next->next;
		struct command_call *part = command_derive(m->c, m->command, r->args->raw, on_one,
							   m);
		if (!part) {
			m->failed = true;
			break;
		}
		m->is_starting = true;
		m->is_answered = false;
		command_run(part);
		m->is_starting = false;
		if (!m->is_answered)
			return;
	}
	finish(m);
}

void many_run(struct command_call *c, const struct command *cmd, const struct json *list,
	      many_done_fn *done)
{
	struct many *m = arena_alloc(c->mem, sizeof *m);
	struct many_result *v = arena_array(c->mem, list->count + 1, sizeof *v);
	if (!m || !v || !cmd) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	*m = (struct many){ .c = c, .command = cmd, .next = list->child, .v = v, .done = done };
	go_on(m);
}
