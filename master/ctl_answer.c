/* SPDX-License-Identifier: MIT
 * ctl_answer.c - what an answer means: the exit code, and what is printed. */
#include "master/ctl.h"

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
		       const struct json *answer, const struct ctl_look *look, struct str key)
{
	struct str url = q->opt.url ? str_z(q->opt.url) :
			 look->url.n ? look->url : STR("http://localhost:4000");
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

static bool makes_key(const struct command *c)
{
	return is_words(c, "keys create") || is_words(c, "keys rotate");
}

bool ctl_has_example(const struct ctl_request *q)
{
	return makes_key(q->command) && !q->opt.json && !q->opt.quiet && !q->opt.url;
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
	put_try_it(out, a, q, answer, look, key);
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

/* Who sees a whole list that is empty may want the first of it. */
static void hint_nothing(struct buf *hints, struct arena *a, const struct ctl_request *q)
{
	static const char *const verbs[] = { "create", "add" };
	const struct command *c = q->command, *maker = NULL;
	struct str noun = ctl_noun_of(c);
	bool is_whole = str_eq_z(ctl_verb_of(c), "list") &&
			(str_eq_z(q->args, "{}") ||
			 str_eq_z(q->args, "{\"return_full_object\":true}"));
	for (size_t i = 0; i < COUNT(verbs) && is_whole && !maker; i++)
		maker = ctl_find(arena_printf(a, STR_FMT " %s", STR_ARG(noun), verbs[i]));
	if (maker)
		buf_printf(hints, "nothing to show yet: llmgwctl %s --help\n", maker->words);
	else
		BUF_PUT_LIT(hints, "nothing to show\n");
}

static void put_rows(struct buf *out, struct buf *hints, struct arena *a,
		     const struct ctl_request *q, const struct json *answer,
		     const struct ctl_look *look)
{
	const struct command *c = q->command;
	const struct json *rows = rows_of(c, answer);
	if (!rows->count && is_words(c, "config diff"))
		BUF_PUT_LIT(hints, "a reload would change nothing\n");
	else if (!rows->count)
		hint_nothing(hints, a, q);
	else if (ctl_put_table(out, a, c->columns, rows, look) != 0)
		ctl_put_view(out, a, answer, look);
	hint_pages(hints, answer);
	if (c->rows && json_is(json_get(answer, "message"), JSON_STRING)) {
		ctl_put_safe(hints, json_get_str(a, answer, "message"));
		buf_put_char(hints, '\n');
	}
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
	if (q->opt.json && look->is_tty) {
		ctl_put_pretty(out, answer);
	} else if (q->opt.json) {
		buf_put(out, answer->raw);
		buf_put_char(out, '\n');
	} else if (makes_key(c) && json_is(json_get(answer, "key"), JSON_STRING)) {
		put_new_key(out, a, q, answer, look);
	} else if (is_words(c, "check") && json_is(complaints, JSON_STRING)) {
		put_complaints(out, hints, json_str(a, complaints));
	} else if (rows_of(c, answer)) {
		put_rows(out, hints, a, q, answer, look);
	} else if (!is_silent(c, look)) {
		ctl_put_view(out, a, answer, look);
		if (json_is(answer, JSON_OBJECT) && !answer->count)
			BUF_PUT_LIT(hints, "done\n");
	}
}
