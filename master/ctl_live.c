/* SPDX-License-Identifier: MIT
 * ctl_live.c - commands that go on: `top`, which draws its table anew, and `logs tail --follow`.
 *
 * Each look has memory of its own, so that a view may stay open for days. The terminal is given
 * back as it was, whatever ends the view. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json_write.h"
#include "master/ctl.h"

enum { LOOK_MEMORY_MAX = 64 << 20, INTERVAL_MS = 1000, INTERVAL_MIN_MS = 100, FOLLOW_MS = 500 };

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
	(void)number;
	is_over = 1;
}

static void heed_signals(void)
{
	const struct sigaction act = { .sa_handler = on_signal };	/* ends a wait, too */
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGHUP, &act, NULL);
}

/* ---- one look ---- */

struct look {
	struct arena *mem;		/* NULL: there is none */
	const struct json *answer;
};

static void forget(struct look *l)
{
	arena_free(l->mem);
	*l = (struct look){ 0 };
}

static enum ctl_exit no_memory(struct ctl_error *reterr)
{
	*reterr = (struct ctl_error){ CTL_FAILED, STR("not enough memory"), STR("") };
	return CTL_FAILED;
}

/* args: the call's, or others in their place. */
static enum ctl_exit look(const struct ctl_pages *of, struct str args, struct look *ret,
			  struct ctl_error *reterr)
{
	struct ctl_request q = *of->q;
	struct ctl_progress quiet;
	struct json_error why;
	struct buf text;
	int status = 0;
	*ret = (struct look){ .mem = arena_new(LOOK_MEMORY_MAX) };
	if (!ret->mem)
		return no_memory(reterr);
	q.args = args;
	buf_init(&text, CTL_ANSWER_MAX);
	ctl_progress_start(&quiet, "", false);
	enum ctl_exit r = of->call(of->data, ret->mem, &q, &quiet, &status, &text, reterr);
	struct str kept = arena_dup(ret->mem, buf_str(&text));
	buf_done(&text);
	if (r == CTL_DONE)
		ret->answer = json_parse(ret->mem, kept, 0, &why);
	if (r == CTL_DONE && (status < 200 || status > 299 || !ret->answer)) {
		struct ctl_error e = ctl_error_of(of->mem, &q, status, ret->answer);
		*reterr = e;
		r = e.exit == CTL_DONE ? CTL_FAILED : e.exit;
	}
	if (r != CTL_DONE) {
		/* What is told outlives the look. */
		reterr->message = arena_dup(of->mem, reterr->message);
		reterr->next = arena_dup(of->mem, reterr->next);
		forget(ret);
	}
	return r;
}

static bool put_out(struct buf *b)
{
	bool good = !b->failed && (b->n == 0 || fwrite(b->p, 1, b->n, stdout) == b->n) &&
		    fflush(stdout) == 0;
	buf_reset(b);
	return good;
}

/* ---- logs tail --follow ---- */

static bool put_args_after(struct buf *to, struct str args, uint64_t number)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	buf_reset(to);
	ctl_put_args_with(to, args, "after", str_of(text, (size_t)n));
	return !to->failed;
}

static void put_lines(struct buf *to, struct look *l, bool as_json)
{
	const struct json *lines = json_get(l->answer, "lines");
	for (const struct json *j = json_is(lines, JSON_ARRAY) ? lines->child : NULL; j;
	     j = j->next) {
		if (as_json)
			buf_put(to, j->raw);
		else
			ctl_put_safe(to, json_get_str(l->mem, j, "line"));
		buf_put_char(to, '\n');
	}
}

/* Where records were left out because more came than are kept. */
static void tell_gap(const struct look *l, uint64_t newest)
{
	uint64_t oldest = 0;
	const struct json *j = json_get(l->answer, "oldest");
	if (newest && j && str_read_u64(j->raw, &oldest) == 0 && oldest > newest + 1)
		fprintf(stderr, "llmgwctl: %llu records came too fast to be shown: journalctl -u llmgw "
				"has them\n", (unsigned long long)(oldest - newest - 1));
}

static enum ctl_exit follow(const struct ctl_pages *of, struct ctl_error *reterr)
{
	struct str args = of->q->args;
	uint64_t newest = 0, number;
	struct buf out, next;
	struct look l;
	enum ctl_exit r;
	buf_init(&out, CTL_ANSWER_MAX);
	buf_init(&next, 1 << 20);
	while ((r = look(of, args, &l, reterr)) == CTL_DONE && !is_over) {
		tell_gap(&l, newest);
		put_lines(&out, &l, of->q->opt.json);
		const struct json *j = json_get(l.answer, "newest");
		/* A number below the last one: the gateway was started anew. */
		if (j && str_read_u64(j->raw, &number) == 0)
			newest = number < newest ? 0 : number;
		forget(&l);
		if (!put_out(&out) || !put_args_after(&next, of->q->args, newest))
			break;
		args = buf_str(&next);
		(void)poll(NULL, 0, FOLLOW_MS);
	}
	forget(&l);
	buf_done(&out);
	buf_done(&next);
	return is_over ? CTL_DONE : r;
}

/* ---- top ---- */

struct screen {
	struct termios before;
	bool is_raw, is_shown;
};

static void screen_open(struct screen *s)
{
	struct termios raw;
	*s = (struct screen){ 0 };
	if (tcgetattr(STDIN_FILENO, &s->before) == 0) {
		raw = s->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		s->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	}
	fputs("\033[?1049h\033[?25l", stdout);	/* the other screen, without a cursor */
	s->is_shown = true;
}

static void screen_close(struct screen *s)
{
	if (s->is_shown)
		fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	if (s->is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
}

/* The key that was pressed within so long, or 0. */
static char wait_key(const struct screen *s, uint64_t ms)
{
	struct pollfd in = { .fd = s->is_raw ? STDIN_FILENO : -1, .events = POLLIN };
	char key = 0;
	if (poll(&in, 1, (int)ms) > 0 && read(STDIN_FILENO, &key, 1) == 1)
		return key;
	return 0;
}

struct top {
	const struct ctl_pages *of;
	const struct ctl_look *look;
	uint64_t interval_ms;
	unsigned sort;
	bool is_once, is_paused;
	struct look before;
};

static struct str text_at(struct arena *a, const struct json *j, const char *name)
{
	const struct json *v = json_get(j, name);
	return json_is(v, JSON_STRING) ? json_str(a, v) : v ? v->raw : STR("-");
}

/* Behind the sums: how the rows stand, which s changes. */
static void put_order(struct buf *to, const struct top *t)
{
	buf_printf(to, " an hour   by %s\n\n", ctl_top_sort(t->sort));
}

static void put_head(struct buf *to, struct arena *a, const struct json *all)
{
	static const struct {
		const char *name, *behind;
	} parts[] = {
		{ "workers", " workers   " }, { "in_flight", " in flight   " },
		{ "streams", " streams   " }, { "requests_s", " requests/s   " },
		{ "failed_percent", " % failed   " }, { "tokens_s", " tokens/s   " },
		{ "cost_hour", "" },
	};
	for (size_t i = 0; i < COUNT(parts); i++) {
		int64_t nano;
		if (!parts[i].behind[0] && ctl_read_money(json_get(all, parts[i].name), &nano) == 0)
			ctl_put_money(to, nano);
		else
			ctl_put_safe(to, text_at(a, all, parts[i].name));
		buf_put_z(to, parts[i].behind);
	}
}

/* At most as many lines as the screen has: the head of the table says most. */
static void put_screen(struct buf *to, struct str text, unsigned lines)
{
	BUF_PUT_LIT(to, "\033[H");
	for (unsigned n = 0; n + 1 < lines && text.n; n++) {
		buf_put(to, str_cut(&text, '\n'));
		BUF_PUT_LIT(to, "\033[K\r\n");
	}
	BUF_PUT_LIT(to, "\033[J");
}

static enum ctl_exit show(struct top *t, struct look *now, struct ctl_error *reterr)
{
	struct buf json, text, out;
	struct json_error why;
	buf_init(&json, CTL_ANSWER_MAX);
	buf_init(&text, CTL_ANSWER_MAX);
	buf_init(&out, CTL_ANSWER_MAX);
	int err = ctl_top_rates(&json, now->mem, t->before.answer, now->answer, t->sort);
	const struct json *j = err ? NULL : json_parse(now->mem, buf_str(&json), 0, &why);
	if (j && t->of->q->opt.json) {
		ctl_put_pretty(&out, j);
		buf_put_char(&out, '\n');
	} else if (j) {
		put_head(&text, now->mem, json_get(j, "all"));
		put_order(&text, t);
		err = ctl_put_table(&text, now->mem, t->of->q->command->columns,
				    json_get(j, "rows"), t->look);
		if (t->is_once)
			buf_put(&out, buf_str(&text));
		else
			put_screen(&out, buf_str(&text), t->look->height);
	}
	bool good = j && !err && put_out(&out);
	buf_done(&json);
	buf_done(&text);
	buf_done(&out);
	return good ? CTL_DONE : no_memory(reterr);
}

/* False: the view is over. */
static bool take_key(struct top *t, char key)
{
	if (key == 'q' || key == 'Q')
		return false;
	if (key == 'p' || key == ' ')
		t->is_paused = !t->is_paused;
	if (key == 's')
		t->sort = (t->sort + 1) % CTL_TOP_SORTS;
	return true;
}

static enum ctl_exit watch(struct top *t, struct screen *s, struct ctl_error *reterr)
{
	struct look now;
	for (;;) {
		char key = wait_key(s, t->interval_ms);
		if (is_over || !take_key(t, key))
			return CTL_DONE;
		if (t->is_paused)
			continue;
		enum ctl_exit r = look(t->of, t->of->q->args, &now, reterr);
		if (r == CTL_DONE)
			r = show(t, &now, reterr);
		if (r != CTL_DONE || t->is_once) {
			forget(&now);
			return is_over ? CTL_DONE : r;
		}
		forget(&t->before);
		t->before = now;
	}
}

static enum ctl_exit refuse(const struct ctl_pages *of, const char *what, const char *next,
			    struct ctl_error *reterr)
{
	*reterr = (struct ctl_error){ CTL_USAGE, arena_printf(of->mem, "top: %s", what),
				      str_z(next) };
	return CTL_USAGE;
}

static enum ctl_exit top(const struct ctl_pages *of, const struct json *args,
			 const struct ctl_look *how, struct ctl_error *reterr)
{
	struct top t = { .of = of, .look = how, .interval_ms = INTERVAL_MS };
	struct str sort = json_get_str(of->mem, args, "sort");
	struct str interval = json_get_str(of->mem, args, "interval");
	const struct json *once = json_get(args, "once");
	struct screen s = { 0 };
	if (sort.n && ctl_top_find_sort(sort, &t.sort) != 0)
		return refuse(of, "it cannot be sorted by that",
			      "requests, in-flight, failures, tokens, cost or name", reterr);
	if (interval.n && (str_read_duration_ms(interval, &t.interval_ms) != 0 ||
			   t.interval_ms < INTERVAL_MIN_MS || t.interval_ms > 3600000))
		return refuse(of, "an interval is 100ms to 1h", "llmgwctl top --interval 2s",
			      reterr);
	t.is_once = (once && json_is_true(once)) || !how->is_tty || of->q->opt.json;
	enum ctl_exit r = look(of, of->q->args, &t.before, reterr);
	if (r != CTL_DONE)
		return r;
	if (!t.is_once)
		screen_open(&s);
	r = watch(&t, &s, reterr);
	screen_close(&s);
	forget(&t.before);
	return r;
}

bool ctl_is_live(struct arena *a, const struct ctl_request *q)
{
	struct json_error why;
	const struct json *args = json_parse(a, q->args, 0, &why), *j = json_get(args, "follow");
	return q->command->flags & CMD_LIVE &&
	       (strcmp(q->command->words, "top") == 0 || (j && json_is_true(j)));
}

enum ctl_exit ctl_live(const struct ctl_pages *of, const struct ctl_look *how,
		       struct ctl_error *reterr)
{
	struct json_error why;
	const struct json *args = json_parse(of->mem, of->q->args, 0, &why);
	heed_signals();
	if (strcmp(of->q->command->words, "top") == 0)
		return top(of, args, how, reterr);
	return follow(of, reterr);
}
