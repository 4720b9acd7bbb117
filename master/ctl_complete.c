/* SPDX-License-Identifier: MIT
 * ctl_complete.c - `llmgwctl __complete -- WORD ...`, which the shells' scripts call: names that
 * may stand in the last word's place, a line each. ":files" says that a file is wanted.
 *
 * Who types must not wait, nor be disturbed: an answer takes so long or there is none, and nothing
 * is ever told. */
#include "master/ctl.h"

#include "common/json_write.h"

enum { PATIENCE_MS = 200, NAMES_MAX = 1000, NAME_MAX_BYTES = 512, ARGS_MAX = 4096 };

struct completion {
	struct arena *mem;
	const struct ctl_typed *typed;
	struct buf *out;
	unsigned n;
};

/* Only what can be typed: a name with a break of line in it cannot. */
static void offer(struct completion *c, struct str name)
{
	bool good = name.n && name.n <= NAME_MAX_BYTES && str_starts(name, c->typed->typed);
	for (struct str s = name; good && s.n;) {
		uint32_t code;
		bool unsafe;
		size_t n = ctl_next_char(s, &code, &unsafe);
		good = !unsafe;
		s = str_skip(s, n);
	}
	if (!good || c->n == NAMES_MAX)
		return;
	buf_put(c->out, c->typed->before);
	buf_put(c->out, name);
	buf_put_char(c->out, '\n');
	c->n++;
}

static void offer_rows(struct completion *c, const struct ctl_names *names, const struct json *rows)
{
	struct str last = STR("");
	for (const struct json *j = json_is(rows, JSON_ARRAY) ? rows->child : NULL; j;
	     j = j->next) {
		const struct json *v = names->member[0] ? json_get(j, names->member) : j;
		struct str name = json_is(v, JSON_STRING) ? json_str(c->mem, v) :
				  json_is(v, JSON_NUMBER) ? v->raw : STR("");
		if (!str_eq(name, last))	/* deployments of one provider stand together */
			offer(c, name);
		last = name;
	}
}

/* The list's own search makes it short, where it has one. */
static struct str args_of(struct completion *c, const struct ctl_names *names)
{
	struct buf b;
	buf_init(&b, ARGS_MAX);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	if (names->search)
		json_put_str(&o, names->search,
			     names->is_pattern ? arena_printf(c->mem, STR_FMT "*",
							      STR_ARG(c->typed->typed))
					       : c->typed->typed);
	json_close(&o);
	struct str made = b.failed ? STR("{}") : arena_dup(c->mem, buf_str(&b));
	buf_done(&b);
	return made.p ? made : STR("{}");
}

static void ask(struct completion *c, const struct ctl_names *names, ctl_call_fn *call, void *data)
{
	struct ctl_request q = { .opt = c->typed->opt, .command = ctl_find(str_z(names->list)) };
	struct ctl_progress quiet;
	struct ctl_error error;
	struct json_error why;
	struct buf answer;
	int status = 0;
	if (!q.command)
		return;
	q.args = args_of(c, names);
	q.opt.timeout_ms = PATIENCE_MS;
	ctl_progress_start(&quiet, "", false);
	buf_init(&answer, CTL_ANSWER_MAX);
	enum ctl_exit r = call(data, c->mem, &q, &quiet, &status, &answer, &error);
	const struct json *j = r == CTL_DONE && status == 200
				       ? json_parse(c->mem, buf_str(&answer), 0, &why) : NULL;
	offer_rows(c, names, names->rows[0] ? json_get(j, names->rows) : j);
	buf_done(&answer);
}

void ctl_complete(struct arena *a, const struct ctl_typed *typed, ctl_call_fn *call, void *data,
		  struct buf *out)
{
	struct completion c = { .mem = a, .typed = typed, .out = out };
	if (!typed->arg)
		return;
	if (ctl_names_a_file(typed->arg)) {
		BUF_PUT_LIT(out, ":files\n");
		return;
	}
	const struct ctl_names *names = ctl_names_of(typed->command, typed->arg);
	if (typed->arg->type == ARG_BOOL) {
		offer(&c, STR("true"));
		offer(&c, STR("false"));
	} else if (names && names->choices) {
		struct str rest = str_z(names->choices);
		while (rest.n)
			offer(&c, str_cut(&rest, ' '));
	} else if (names && names->list) {
		ask(&c, names, call, data);
	}
}
