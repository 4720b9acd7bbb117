/* SPDX-License-Identifier: MIT
 * ctl_progress.c - a sign of life on standard error, when an answer takes longer than a blink. */
#include <stdio.h>

#include "common/clock.h"
#include "master/ctl.h"

enum { QUIET_MS = 500 };

void ctl_progress_start(struct ctl_progress *p, const char *what, bool is_on)
{
	*p = (struct ctl_progress){ .what = what, .since_ns = clock_ns(), .is_on = is_on };
}

void ctl_progress_tick(struct ctl_progress *p)
{
	static const char turns[] = "|/-\\";
	uint64_t now = clock_ns();
	if (!p->is_on || now - p->since_ns < QUIET_MS * NS_PER_MS ||
	    (p->is_shown && now - p->shown_ns < CTL_TICK_MS * NS_PER_MS))
		return;
	fprintf(stderr, "\r%c %s %llus", turns[p->turn++ % 4], p->what,
		(unsigned long long)((now - p->since_ns) / NS_PER_S));
	fflush(stderr);
	p->is_shown = true;
	p->shown_ns = now;
}

void ctl_progress_end(struct ctl_progress *p)
{
	if (p->is_shown)
		fputs("\r\033[K", stderr);
	p->is_shown = false;
}
