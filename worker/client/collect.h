/* SPDX-License-Identifier: MIT
 * collect.h - the events of an answer kept until it is whole; for dialects that write it at once.
 *
 * The form is nobody's: choices of texts and calls. Everything lives in the answer's arena. */
#ifndef COLLECT_H
#define COLLECT_H

#include "worker/client/dialect.h"

struct rope_block;
struct rope {				/* a text that comes in pieces; a piece is never cut */
	struct rope_block *first, *last;
	size_t n;
};
int rope_add(struct arena *a, struct rope *r, struct str piece) MUST_USE;	/* 0 or -ENOMEM */
/* The blocks one by one: begin with *at = NULL; .p == NULL behind the last. */
struct str rope_next(const struct rope *r, const struct rope_block **at);
struct str rope_join(struct arena *a, const struct rope *r);	/* .p NULL: no memory */

struct collected_call {
	struct collected_call *next;
	unsigned tool;
	struct str id, name;
	struct rope args;
};
struct collected_choice {
	struct collected_choice *next;
	unsigned index;
	struct rope text, reasoning, refusal;
	struct str signature;		/* of the reasoning; .p NULL: none */
	struct collected_call *calls;
	enum llm_finish finish;
	struct str native, vector;
};
struct collected {
	struct str id, model;		/* as the provider said; .p NULL: not at all */
	int64_t created_s;
	struct collected_choice *choices;	/* by index */
	struct collected_choice *recent;
};

enum { COLLECT_CHOICES_MAX = 4096, COLLECT_CALLS_MAX = 512 };

/* A call's beginning, or a piece of its arguments, among those of a list; begin with NULL. 0,
 * -ENOMEM, -E2BIG. */
int collect_call(struct arena *a, struct collected_call **list,
		 const struct llm_event *ev) MUST_USE;
/* Serves as a dialect's collect(): an->state is a struct collected from now on, and the tally is
 * kept. 0, -ENOMEM, -E2BIG. */
int collect_event(struct dialect_answer *an, const struct llm_event *ev);
/* The same where a refusal is text, since the format has no word for it. */
int collect_spoken(struct dialect_answer *an, const struct llm_event *ev);
/* What has been collected; an empty one when nothing has. */
const struct collected *collected(const struct dialect_answer *an);

#endif
