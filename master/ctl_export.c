/* SPDX-License-Identifier: MIT
 * ctl_export.c - commands whose answers come in pages of text: one call after the other, each
 * page written away before the next one is asked for, so that memory does not grow.
 *
 * A file is complete or not there: it is written under another name first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json_write.h"
#include "master/ctl.h"

enum { PAGE_MEMORY_MAX = 192 << 20, CURSOR_MAX = 256, PATH_MAX_OUT = 4096 };

struct export {
	const struct ctl_pages *of;
	struct ctl_progress progress;
	char what[96];			/* what progress says */
	FILE *out;
	const char *path;		/* NULL: standard output */
	char part[PATH_MAX_OUT];	/* the other name */
	char cursor[CURSOR_MAX];	/* of the next page; "" for the first */
	struct str start, end;		/* days that were asked for, or .n == 0 */
	uint64_t rows;
	struct ctl_error *reterr;
};

static enum ctl_exit fail(struct export *x, const char *what, int error)
{
	*x->reterr = (struct ctl_error){
		CTL_FAILED,
		arena_printf(x->of->mem, "cannot %s %s: %s", what,
			     x->path ? x->path : "standard output", strerrordesc_np(error)),
		STR(""),
	};
	return CTL_FAILED;
}

static enum ctl_exit open_out(struct export *x)
{
	struct json_error why;
	const struct json *args = json_parse(x->of->mem, x->of->q->args, 0, &why);
	struct str path = json_str(x->of->mem, json_get(args, "out"));
	x->start = json_get_str(x->of->mem, args, "start");
	x->end = json_get_str(x->of->mem, args, "end");
	x->out = stdout;
	if (!path.n)
		return CTL_DONE;
	x->path = arena_dup_z(x->of->mem, path);
	if (!x->path || path.n + sizeof ".part" > sizeof x->part)
		return fail(x, "open", ENAMETOOLONG);
	snprintf(x->part, sizeof x->part, "%s.part", x->path);
	x->out = fopen(x->part, "we");
	return x->out ? CTL_DONE : fail(x, "write", errno);
}

/* The arguments, with where this page begins. */
static bool put_args(const struct export *x, struct buf *to)
{
	struct str args = x->of->q->args;
	struct buf cursor;
	if (!x->cursor[0]) {
		buf_put(to, args);
		return !to->failed;
	}
	buf_init(&cursor, 8 * CURSOR_MAX);
	struct json_out o = json_out(&cursor);
	json_put_z(&o, NULL, x->cursor);
	ctl_put_args_with(to, args, "cursor", buf_str(&cursor));
	bool good = !to->failed && !cursor.failed;
	buf_done(&cursor);
	return good;
}

static bool read_day(struct export *x, struct str day, uint64_t *ret_ns)
{
	return day.n == 10 &&
	       ctl_read_time(arena_printf(x->of->mem, STR_FMT "T00:00:00Z", STR_ARG(day)),
			     ret_ns) == 0;
}

/* How much there is shows by the days, when it was said where they begin. */
static void tell(struct export *x, const struct json *page)
{
	struct str at = json_str(x->of->mem, json_get(page, "at"));
	uint64_t from, to, now;
	if (at.n > 10)
		at.n = 10;
	snprintf(x->what, sizeof x->what, STR_FMT ", %llu rows,", STR_ARG(at),
		 (unsigned long long)x->rows);
	x->progress.what = x->what;
	if (!read_day(x, x->end, &to))
		to = clock_wall_ns();
	if (read_day(x, x->start, &from) && read_day(x, at, &now) && from < to && now >= from)
		ctl_progress_at(&x->progress, now - from, to - from);
	else
		ctl_progress_tick(&x->progress);
}

/* *ret_more: whether another page follows. */
static enum ctl_exit take_page(struct export *x, struct arena *a, const struct json *page,
			       bool *ret_more)
{
	struct str text = json_str(a, json_get(page, "text"));
	struct str next = json_str(a, json_get(page, "next"));
	uint64_t rows = 0;
	if (!text.p || next.n >= sizeof x->cursor ||
	    str_read_u64(json_get(page, "rows") ? json_get(page, "rows")->raw : STR(""), &rows)) {
		*x->reterr = (struct ctl_error){ CTL_FAILED, STR("the gateway's page is damaged"),
						 STR("") };
		return CTL_FAILED;
	}
	if (text.n && fwrite(text.p, 1, text.n, x->out) != text.n)
		return fail(x, "write", errno);
	if (next.n)
		memcpy(x->cursor, next.p, next.n);
	x->cursor[next.n] = '\0';
	x->rows += rows;
	*ret_more = next.n > 0;
	tell(x, page);
	return CTL_DONE;
}

static enum ctl_exit one_page(struct export *x, struct arena *a, bool *ret_more)
{
	struct ctl_request q = *x->of->q;
	struct json_error why;
	struct buf args, answer;
	int status = 0;
	buf_init(&args, 1 << 20);
	buf_init(&answer, CTL_ANSWER_MAX);
	enum ctl_exit r = put_args(x, &args) ? CTL_DONE : fail(x, "ask for", ENOMEM);
	q.args = buf_str(&args);
	if (r == CTL_DONE)
		r = x->of->call(x->of->data, a, &q, &x->progress, &status, &answer, x->reterr);
	if (r != CTL_DONE) {		/* what is told outlives the page */
		x->reterr->message = arena_dup(x->of->mem, x->reterr->message);
		x->reterr->next = arena_dup(x->of->mem, x->reterr->next);
	}
	const struct json *page = r == CTL_DONE ? json_parse(a, buf_str(&answer), 0, &why) : NULL;
	if (r == CTL_DONE && (status < 200 || status > 299 || !page)) {
		*x->reterr = ctl_error_of(x->of->mem, &q, status, page);
		r = x->reterr->exit;
	} else if (r == CTL_DONE) {
		r = take_page(x, a, page, ret_more);
	}
	buf_done(&args);
	buf_done(&answer);
	return r;
}

static enum ctl_exit all_pages(struct export *x)
{
	enum ctl_exit r = CTL_DONE;
	for (bool more = true; r == CTL_DONE && more;) {
		struct arena *a = arena_new(PAGE_MEMORY_MAX);
		more = false;
		r = a ? one_page(x, a, &more) : fail(x, "export to", ENOMEM);
		arena_free(a);
	}
	return r;
}

static enum ctl_exit close_out(struct export *x, enum ctl_exit r)
{
	if (!x->out)
		return r;
	if (fflush(x->out) != 0 && r == CTL_DONE)
		r = fail(x, "write", errno);
	if (!x->path)
		return r;
	if (fsync(fileno(x->out)) != 0 && r == CTL_DONE)
		r = fail(x, "write", errno);
	fclose(x->out);
	if (r == CTL_DONE && rename(x->part, x->path) != 0)
		r = fail(x, "write", errno);
	if (r != CTL_DONE)
		unlink(x->part);
	return r;
}

enum ctl_exit ctl_export(const struct ctl_pages *of, uint64_t *ret_rows, const char **ret_path,
			 struct ctl_error *reterr)
{
	struct export x = { .of = of, .reterr = reterr };
	ctl_progress_start(&x.progress, "exporting", of->shows_progress);
	enum ctl_exit r = open_out(&x);
	if (r == CTL_DONE)
		r = all_pages(&x);
	ctl_progress_end(&x.progress);
	*ret_rows = x.rows;
	*ret_path = x.path;
	return close_out(&x, r);
}
