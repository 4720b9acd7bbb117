/* SPDX-License-Identifier: MIT
 * later.h - many cheap timers in one worker: a wheel of 10 ms steps behind one uv timer.
 *
 * A timer is a member of what it serves, costs two pointers to start and stop, and needs no
 * closing. Delay 0 means the loop's next turn, which is how callbacks are deferred. It fires up
 * to 10 ms late, never early. */
#ifndef LATER_H
#define LATER_H

#include <uv.h>

#include "common/check.h"

struct later;
typedef void later_fn(struct later *l);
struct later {				/* zeroed = not running */
	struct later *next, **prev;
	later_fn *fn;
	void *data;
	uint64_t due;			/* step number */
};
struct wheel;

int wheel_new(uv_loop_t *loop, struct wheel **ret) MUST_USE;
void wheel_close(struct wheel *w);	/* freed once its handles are closed */
void later_start(struct wheel *w, struct later *l, uint64_t delay_ms, later_fn *fn, void *data);
void later_stop(struct later *l);
static inline int later_runs(const struct later *l)
{
	return l->prev != 0;
}

#endif
