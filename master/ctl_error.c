/* SPDX-License-Identifier: MIT
 * ctl_error.c - what failed, where, why and what to do next; and what is asked before something
 * is destroyed. */
#include "common/json_write.h"
#include "master/ctl.h"

enum { QUESTION_MAX = 64 * 1024 };

static struct str said(struct arena *a, const struct json *answer)
{
	static const char *const places[] = {
		"error.message", "detail.error", "detail", "error", "message",
	};
	for (size_t i = 0; i < COUNT(places); i++) {
		struct str s = json_str(a, json_get_path(answer, places[i]));
		if (s.n)
			return s;
	}
	return STR_NONE;
}

static struct str complained(struct arena *a, const struct json *answer)
{
	struct str s = json_str(a, json_get_path(answer, "error.complaints"));
	return s.p ? s : json_get_str(a, answer, "complaints");
}

/* The command that lists what its argument names; else what its noun alone means. */
static const struct command *lister_of(const struct command *c)
{
	for (const struct command_arg *a = c->args; a && a->name; a++) {
		const struct ctl_names *n = a->flags & ARG_POSITIONAL ? ctl_names_of(c, a) : NULL;
		if (n && n->list && strcmp(n->list, "keys aliases") != 0 && !n->is_pattern)
			return ctl_find(str_z(n->list));
	}
	return ctl_default_of(ctl_noun_of(c));
}

static struct str next_of(struct arena *a, const struct ctl_request *q, enum ctl_exit exit)
{
	const struct command *list = lister_of(q->command);
	switch (exit) {
	case CTL_NOT_ALLOWED:
		return q->opt.url ? STR("the key comes from LLMGW_KEY or --key-file; it must be an "
					"administrator's")
				  : STR("run it as root, or join group llmgw-admin");
	case CTL_NO_SUCH:
		if (list && list != q->command)
			return arena_printf(a, "llmgwctl %s shows what there is", list->words);
		return STR("");
	case CTL_CONFLICT:
		return list && list != q->command
			       ? STR("look at its present state, then try again") : STR("");
	case CTL_TIMED_OUT:
		return STR("llmgwctl status shows whether it goes on; --timeout waits longer");
	case CTL_CONFIG_INVALID:
		return STR("correct the file and try llmgwctl check; what runs goes on as it was");
	default:
		return STR("");
	}
}

struct ctl_error ctl_error_of(struct arena *a, const struct ctl_request *q, int status,
			      const struct json *answer)
{
	enum ctl_exit exit = ctl_exit_of(q->command, status, answer);
	struct str why = said(a, answer), more = complained(a, answer);
	struct str param = json_str(a, json_get_path(answer, "error.param"));
	/* Where it is about a thing that the caller has named, it is not about the argument. */
	bool tells_param = !param.n || exit == CTL_NO_SUCH || exit == CTL_CONFLICT ||
			   str_find(why, param) < why.n;
	if (!why.n)
		why = arena_printf(a, "the gateway answered with status %d", status);
	return (struct ctl_error){
		.exit = exit,
		.message = arena_printf(a, "%s: " STR_FMT "%s" STR_FMT "%s" STR_FMT,
					q->command->words, STR_ARG(why), tells_param ? "" : " in ",
					STR_ARG(tells_param ? STR("") : param), more.n ? "\n" : "",
					STR_ARG(more)),
		.next = next_of(a, q, exit),
	};
}

void ctl_put_error(struct buf *to, const struct ctl_error *e, bool as_json)
{
	if (as_json) {
		struct json_out o = json_out(to);
		json_open(&o, NULL);
		json_open(&o, "error");
		json_put_str(&o, "message", e->message);
		json_put_z(&o, "type", ctl_exits[e->exit].name);
		json_put_str(&o, "next", e->next.n ? e->next : STR_NONE);
		json_put_i64(&o, "exit", e->exit);
		json_close(&o);
		json_close(&o);
		buf_put_char(to, '\n');
		return;
	}
	BUF_PUT_LIT(to, "llmgwctl: ");
	ctl_put_safe_lines(to, e->message, "");
	if (e->next.n) {
		BUF_PUT_LIT(to, "  next: ");
		ctl_put_safe_lines(to, e->next, "");
	}
}

/* ---- before something is destroyed ---- */

static bool has_positional(const struct command *c)
{
	for (const struct command_arg *arg = c->args; arg && arg->name; arg++)
		if (arg->flags & ARG_POSITIONAL)
			return true;
	return false;
}

struct str ctl_question(struct arena *a, const struct ctl_request *q)
{
	struct str noun = ctl_noun_of(q->command), verb = ctl_verb_of(q->command);
	struct str one = noun;
	struct buf text;
	buf_init(&text, QUESTION_MAX);
	bool is_bare = !verb.n;		/* "Restore 'file'?" */
	if (is_bare)
		verb = noun;
	if (one.n > 1 && one.p[one.n - 1] == 's')
		one.n--;
	bool small = verb.p[0] >= 'a' && verb.p[0] <= 'z';
	buf_put_char(&text, (char)(small ? verb.p[0] - 32 : verb.p[0]));
	buf_put(&text, str_skip(verb, 1));
	if (q->n_named == 1) {
		buf_printf(&text, " " STR_FMT "%s'", STR_ARG(is_bare ? STR("") : one),
			   is_bare ? "" : " ");
		ctl_put_safe(&text, q->named);
		BUF_PUT_LIT(&text, "'?");
	} else if (q->n_named > 1) {
		buf_printf(&text, " %u " STR_FMT "?", q->n_named, STR_ARG(noun));
	} else {
		buf_printf(&text, " %s" STR_FMT "?", has_positional(q->command) ? "all " : "",
			   STR_ARG(noun));
	}
	struct str made = arena_dup(a, buf_str(&text));
	buf_done(&text);
	return made;
}
