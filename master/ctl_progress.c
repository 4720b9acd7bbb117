/* SPDX-License-Identifier: MIT
 * ctl_progress.c - a sign of life on standard error, when an answer takes longer than a blink: a
 * bar with the time that is left where it is known how much there is, else a mark that turns. */
#include <stdio.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "master/ctl.h"

enum { QUIET_MS = 500, BAR_WIDTH = 24 };

void ctl_progress_start(struct ctl_progress *p, const char *what, bool is_on)
{
	*p = (struct ctl_progress){ .what = what, .since_ns = clock_ns(), .is_on = is_on };
}

void ctl_progress_at(struct ctl_progress *p, uint64_t done, uint64_t all)
{
	p->done = done < all ? done : all;
	p->all = all;
	ctl_progress_tick(p);
}

static void put_seconds(struct buf *to, uint64_t ns)
{
	uint64_t s = ns / NS_PER_S;
	if (s >= 3600)
		buf_printf(to, "%lluh%02llum", (unsigned long long)(s / 3600),
			   (unsigned long long)(s / 60 % 60));
	else if (s >= 60)
		buf_printf(to, "%llum%02llus", (unsigned long long)(s / 60),
			   (unsigned long long)(s % 60));
	else
		buf_printf(to, "%llus", (unsigned long long)s);
}

void ctl_put_bar(struct buf *to, const struct ctl_progress *p, uint64_t now_ns)
{
	uint64_t since = now_ns - p->since_ns;
	double part = (double)p->done / (double)p->all;
	unsigned full = (unsigned)(part * BAR_WIDTH);
	buf_put_char(to, '[');
	for (unsigned i = 0; i < BAR_WIDTH; i++)
		buf_put_char(to, i < full ? '#' : '-');
	buf_printf(to, "] %3u %% %s ", (unsigned)(part * 100), p->what);
	put_seconds(to, since);
	if (part >= 0.01 && part < 1) {
		BUF_PUT_LIT(to, ", ");
		put_seconds(to, (uint64_t)((double)since * (1 - part) / part) + NS_PER_S - 1);
		BUF_PUT_LIT(to, " left");
	}
}

/* The gateway writes it, and this sees it grow. */
static void put_size(struct buf *to, const char *path)
{
	struct stat st;
	if (stat(path, &st) == 0)
		buf_printf(to, " %llu MiB,", (unsigned long long)st.st_size >> 20);
}

void ctl_progress_tick(struct ctl_progress *p)
{
	static const char turns[] = "|/-\\";
	uint64_t now = clock_ns();
	struct buf line;
	if (!p->is_on || now - p->since_ns < QUIET_MS * NS_PER_MS ||
	    (p->is_shown && now - p->shown_ns < CTL_TICK_MS * NS_PER_MS))
		return;
	buf_init(&line, 1024);
	if (p->all) {
		ctl_put_bar(&line, p, now);
	} else {
		buf_printf(&line, "%c %s", turns[p->turn++ % 4], p->what);
		if (p->growing)
			put_size(&line, p->growing);
		buf_put_char(&line, ' ');
		put_seconds(&line, now - p->since_ns);
	}
	if (buf_z(&line))
		fprintf(stderr, "\r%s\033[K", buf_z(&line));
	fflush(stderr);
	buf_done(&line);
	p->is_shown = true;
	p->shown_ns = now;
}

void ctl_progress_end(struct ctl_progress *p)
{
	if (p->is_shown)
		fputs("\r\033[K", stderr);
	p->is_shown = false;
}
