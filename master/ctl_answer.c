/* SPDX-License-Identifier: MIT
 * ctl_answer.c - what an answer means: the exit code, what is printed, what an error says and
 * what to do next. */
#include "common/json_write.h"
#include "master/ctl.h"

enum { LINE_MAX_BYTES = 64 * 1024 };

/* ---- exit codes ---- */

static bool is_words(const struct command *c, const char *words)
{
	return c && strcmp(c->words, words) == 0;
}

static enum ctl_exit exit_of_failure(int status, const struct json *answer)
{
	const struct json *type = json_get_path(answer, "error.type");
	switch (status) {
	case 400:
	case 422:
		return type && str_eq_z(type->raw, "\"config_invalid\"") ? CTL_CONFIG_INVALID
									  : CTL_FAILED;
	case 401:
	case 403:
		return CTL_NOT_ALLOWED;
	case 404:
		return CTL_NO_SUCH;
	case 409:
	case 412:
		return CTL_CONFLICT;
	case 408:
	case 504:
		return CTL_TIMED_OUT;
	default:
		return CTL_FAILED;
	}
}

/* `check` answers 200 with what it found, for to find something is no failure of the call. */
static bool has_errors(const struct json *answer)
{
	const struct json *errors = json_get(answer, "errors");
	int64_t n = 0;
	if (json_is(errors, JSON_NUMBER))
		return json_read_i64(errors, &n) == 0 && n > 0;
	return (json_is(errors, JSON_ARRAY) && errors->count) ||
	       json_is(json_get(answer, "valid"), JSON_FALSE) ||
	       json_is(json_get(answer, "ok"), JSON_FALSE);
}

static bool has_changes(const struct command *c, const struct json *answer)
{
	const struct json *rows = c->rows ? json_get_path(answer, c->rows) : answer;
	return json_is(rows, JSON_ARRAY) && rows->count > 0;
}

enum ctl_exit ctl_exit_of(const struct command *c, int status, const struct json *answer)
{
	const struct json *state = json_get(answer, "state");
	if (status < 200 || status > 299)
		return exit_of_failure(status, answer);
	if (is_words(c, "status") && state && str_eq_z(state->raw, "\"degraded\""))
		return CTL_DEGRADED;
	if (is_words(c, "config diff") && has_changes(c, answer))
		return CTL_FAILED;
	if (is_words(c, "check") && has_errors(answer))
		return CTL_CONFIG_INVALID;
	return CTL_DONE;
}

/* ---- what is printed ---- */

/* The answer without what is null, empty or told elsewhere. */
static const struct json *told(struct arena *a, const struct json *answer)
{
	struct json *copy = arena_alloc(a, sizeof *copy), **end;
	if (!copy)
		return answer;
	*copy = *answer;
	copy->child = NULL;
	copy->count = 0;
	end = &copy->child;
	for (const struct json *m = answer->child; m; m = m->next) {
		struct json *one;
		bool is_empty = m->count == 0 && (m->type == JSON_ARRAY || m->type == JSON_OBJECT);
		if (m->type == JSON_NULL || is_empty || str_eq_z(m->key, "key"))
			continue;
		one = arena_alloc(a, sizeof *one);
		if (!one)
			return answer;
		*one = *m;
		one->next = NULL;
		*end = one;
		end = &one->next;
		copy->count++;
	}
	return copy;
}

/* A model the new key may use, for the example. */
static struct str model_of(struct arena *a, const struct json *answer)
{
	const struct json *first = json_at(json_get(answer, "models"), 0);
	struct str name = json_str(a, first);
	return name.n && str_find_char(name, '*') >= name.n ? name : STR("MODEL");
}

static void put_try_it(struct buf *out, struct arena *a, const struct ctl_request *q,
		       const struct json *answer, struct str key)
{
	struct str url = str_z(q->opt.url ? q->opt.url : "http://localhost:4000");
	while (url.n && url.p[url.n - 1] == '/')
		url.n--;
	BUF_PUT_LIT(out, "Try it:\n\n    curl ");
	ctl_put_safe(out, url);
	BUF_PUT_LIT(out, "/v1/chat/completions \\\n        -H 'Authorization: Bearer ");
	ctl_put_safe(out, key);
	BUF_PUT_LIT(out, "' \\\n        -H 'Content-Type: application/json' \\\n"
			 "        -d '{\"model\":\"");
	ctl_put_safe(out, model_of(a, answer));
	BUF_PUT_LIT(out, "\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'\n");
}

static void put_new_key(struct buf *out, struct arena *a, const struct ctl_request *q,
			const struct json *answer, const struct ctl_look *look)
{
	struct str key = json_get_str(a, answer, "key");
	if (look->quiet) {
		ctl_put_safe(out, key);
		buf_put_char(out, '\n');
		return;
	}
	buf_printf(out, "%s key, shown only this once:\n\n    %s",
		   is_words(q->command, "keys rotate") ? "The new text of the" : "The new",
		   look->colors ? "\033[1m" : "");
	ctl_put_safe(out, key);
	buf_printf(out, "%s\n\n", look->colors ? "\033[0m" : "");
	size_t before = out->n;
	ctl_put_view(out, a, told(a, answer), look);
	if (out->n > before)
		buf_put_char(out, '\n');
	put_try_it(out, a, q, answer, key);
}

static void hint_pages(struct buf *hints, const struct json *answer)
{
	int64_t page = 1, pages = 0;
	if (json_read_i64(json_get(answer, "total_pages"), &pages) != 0 || pages <= 1)
		return;
	if (json_read_i64(json_get(answer, "current_page"), &page) != 0)
		page = 1;
	if (page < pages)
		buf_printf(hints, "page %lld of %lld; --page %lld shows more\n", (long long)page,
			   (long long)pages, (long long)page + 1);
}

/* The rows of a table, or NULL: show it otherwise. */
static const struct json *rows_of(const struct command *c, const struct json *answer)
{
	const struct json *rows = c->rows ? json_get_path(answer, c->rows) : answer;
	return c->columns && json_is(rows, JSON_ARRAY) ? rows : NULL;
}

static void put_rows(struct buf *out, struct buf *hints, struct arena *a, const struct command *c,
		     const struct json *answer, const struct ctl_look *look)
{
	const struct json *rows = rows_of(c, answer);
	if (!rows->count)
		buf_put_z(hints, is_words(c, "config diff") ? "a reload would change nothing\n"
							    : "nothing to show\n");
	else if (ctl_put_table(out, a, c->columns, rows, look) != 0)
		ctl_put_view(out, a, answer, look);
	hint_pages(hints, answer);
}

static void put_complaints(struct buf *out, struct buf *hints, struct str text)
{
	ctl_put_safe_lines(out, text, "");
	if (!text.n)
		BUF_PUT_LIT(hints, "the configuration is valid\n");
}

static bool is_silent(const struct command *c, const struct ctl_look *look)
{
	return look->quiet && c->role == ROLE_ADMIN && !c->columns;
}

void ctl_show(struct buf *out, struct buf *hints, struct arena *a, const struct ctl_request *q,
	      const struct json *answer, const struct ctl_look *look)
{
	const struct command *c = q->command;
	const struct json *complaints = json_get(answer, "complaints");
	bool new_key = is_words(c, "keys create") || is_words(c, "keys rotate");
	if (q->opt.json && look->is_tty) {
		ctl_put_pretty(out, answer);
	} else if (q->opt.json) {
		buf_put(out, answer->raw);
		buf_put_char(out, '\n');
	} else if (new_key && json_is(json_get(answer, "key"), JSON_STRING)) {
		put_new_key(out, a, q, answer, look);
	} else if (is_words(c, "check") && json_is(complaints, JSON_STRING)) {
		put_complaints(out, hints, json_str(a, complaints));
	} else if (rows_of(c, answer)) {
		put_rows(out, hints, a, c, answer, look);
	} else if (!is_silent(c, look)) {
		ctl_put_view(out, a, answer, look);
		if (json_is(answer, JSON_OBJECT) && !answer->count)
			BUF_PUT_LIT(hints, "done\n");
	}
}

/* ---- errors ---- */

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

static struct str next_of(struct arena *a, const struct ctl_request *q, enum ctl_exit exit)
{
	struct str noun = ctl_noun_of(q->command);
	const struct command *list = ctl_default_of(noun);
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
		return STR("look at its present state, then try again");
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
	bool tells_param = !param.n || str_find(why, param) < why.n;
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
	buf_init(&text, LINE_MAX_BYTES);
	if (!verb.n)
		verb = noun;
	if (one.n > 1 && one.p[one.n - 1] == 's')
		one.n--;
	buf_put_char(&text, (char)(verb.p[0] >= 'a' && verb.p[0] <= 'z' ? verb.p[0] - 32 : verb.p[0]));
	buf_put(&text, str_skip(verb, 1));
	if (q->n_named == 1) {
		buf_printf(&text, " " STR_FMT " '", STR_ARG(one));
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
