/* SPDX-License-Identifier: MIT
 * retell_run.h - a kept stream read once more, with somebody who listens; for the test and the
 * fuzz target of worker/retell.c. */
#ifndef RETELL_RUN_H
#define RETELL_RUN_H

#include "tests/unit/llm_text.h"
#include "worker/client/dialect.h"
#include "worker/request.h"
#include "worker/retell.h"

enum { RETELL_MEMORY = 64 << 20 };

struct retell_listener {
	struct llm_listener of;
	struct said said;		/* what was heard; its tally counts nothing else */
	struct buf text;
	bool has_whole;
};
struct retell_run {
	struct worker w;		/* with no more than a snapshot */
	struct request r;
	struct dialect_answer an;
	struct retell_listener l;
};

static inline void retell_hear(struct llm_listener *of, const struct llm_event *ev)
{
	say_event(&((struct retell_listener *)of)->said, ev);
}

static inline void retell_hear_whole(struct llm_listener *of, struct str answer)
{
	((struct retell_listener *)of)->has_whole = answer.n > 0;
}

/* One that says how large the arenas of events may be. */
static inline struct snap *retell_snap(void)
{
	struct snap *s = NULL;
	struct snap_build *b = snap_build_new();
	int fd = -1;
	MUST(b);
	snap_build_settings(b)->request_memory_max = RETELL_MEMORY;
	MUST(snap_build_seal(b, 1, &fd) == 0 && snap_map(fd, &s) == 0);
	snap_build_free(b);
	return s;
}

static inline void retell_begin(struct retell_run *t, const struct dialect *d)
{
	*t = (struct retell_run){ 0 };
	t->w.snap = retell_snap();
	t->r.w = &t->w;
	t->r.mem = arena_new(RETELL_MEMORY);
	MUST(t->r.mem);
	t->r.dialect = d;
	t->r.q = (struct llm_request){ .kind = d->kind, .model = STR("m"), .is_stream = true };
	t->an = (struct dialect_answer){ .mem = t->r.mem, .q = &t->r.q, .model = STR("m"),
					 .id = STR("call"), .created_s = 1, .show_usage = true };
	buf_init(&t->l.text, RETELL_MEMORY);
	t->l.of = (struct llm_listener){ .hear = retell_hear, .hear_whole = retell_hear_whole };
	t->l.said.to = &t->l.text;
	t->an.tally.listener = &t->l.of;
}

static inline void retell_done(struct retell_run *t)
{
	MUST(t->w.n_spare <= 1);	/* one event after the other */
	while (t->w.n_spare)
		arena_free(t->w.spare_arenas[--t->w.n_spare]);
	snap_unref(t->w.snap);
	arena_free(t->r.mem);
	buf_done(&t->l.text);
}

static inline bool retell_of(struct retell_run *t, const struct dialect *d, struct str bytes)
{
	retell_begin(t, d);
	return retell_stream(&t->r, &t->an, bytes);
}

#endif
