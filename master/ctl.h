/* SPDX-License-Identifier: MIT
 * ctl.h - llmgwctl: from an argument vector to a call, and from an answer to a screen.
 *
 * Parsing and showing are pure: they take text and give text, and know neither socket nor
 * terminal nor environment; llmgwctl.c alone joins the parts. Everything about a command comes
 * from the command table. */
#ifndef CTL_H
#define CTL_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/json.h"
#include "master/commands.h"

enum ctl_exit {			/* in the order of `llmgwctl help exit-codes` */
	CTL_DONE,
	CTL_FAILED,
	CTL_USAGE,
	CTL_NOT_RUNNING,
	CTL_NOT_ALLOWED,
	CTL_NO_SUCH,
	CTL_CONFLICT,
	CTL_TIMED_OUT,
	CTL_CONFIG_INVALID,
	CTL_DEGRADED,
	CTL_EXIT_COUNT
};

enum ctl_color { CTL_COLOR_AUTO, CTL_COLOR_ALWAYS, CTL_COLOR_NEVER };

struct ctl_options {		/* what stands before or behind any command */
	const char *socket, *url, *key, *key_file;	/* NULL: not given */
	bool json, yes, dry_run, no_headers, quiet;
	bool help, version;
	enum ctl_color color;
	uint64_t timeout_ms;
};

enum ctl_action { CTL_RUN, CTL_HELP, CTL_VERSION, CTL_COMPLETION };

struct ctl_request {
	struct ctl_options opt;
	enum ctl_action action;
	const struct command *command;	/* with CTL_RUN */
	struct str topic;		/* help: what it is about, or ""; completion: the shell */
	struct str args;		/* JSON object, with CTL_RUN */
	unsigned n_named;		/* positional arguments and items of lists */
	struct str named;		/* the first of them */
};

struct ctl_error {		/* what went wrong before or instead of an answer */
	enum ctl_exit exit;
	struct str message;	/* what failed and why */
	struct str next;	/* what to do about it; may be empty */
};

/* ---- ctl_parse.c ---- */
/* argv without the program's name. cwd makes file arguments absolute, for the gateway has another
 * one. CTL_DONE, or CTL_USAGE with *reterr set; what is in ret->opt is valid either way. */
enum ctl_exit ctl_parse(struct arena *a, const char *cwd, int argc, char *const *argv,
			struct ctl_request *ret, struct ctl_error *reterr) MUST_USE;

/* ---- ctl_options.c: the options of every command ---- */
struct ctl_option {
	const char *name;	/* "no-headers" */
	const char *value;	/* how help calls its value; NULL: it takes none */
	char letter;		/* 0: none */
	const char *doc;
};
extern const struct ctl_option ctl_options[];
extern const size_t ctl_options_count;
const struct ctl_option *ctl_option_find(struct str name);	/* "no-headers" or "no_headers" */
const struct ctl_option *ctl_option_letter(char letter);
/* 0, or -EINVAL: the value is none of those it may have. value is kept by pointer. */
int ctl_option_set(struct ctl_options *o, const struct ctl_option *opt, const char *value) MUST_USE;

/* ---- ctl_words.c: which command is meant ---- */
bool ctl_is_shown(const struct command *c);	/* llmgwctl knows it */
const struct command *ctl_find(struct str words);
const struct command *ctl_find_any(struct str words);	/* one that is not shown, too */
/* What a noun alone means: its list, report or show, or the only command it has. */
const struct command *ctl_default_of(struct str noun);
bool ctl_is_noun(struct str word);		/* some command begins with it and has a verb */
struct str ctl_noun_of(const struct command *c);	/* "keys" of "keys create" */
struct str ctl_verb_of(const struct command *c);	/* "create"; "" where there is but a noun */
bool ctl_same_name(struct str a, struct str b);	/* '-' and '_' are one */
void ctl_put_dashed(struct buf *to, const char *name);	/* max_budget as max-budget */
/* The nearest of what is offered, one at a time: "did you mean". */
struct ctl_near {
	struct str typed, best;
	unsigned least;
};
struct ctl_near ctl_near(struct str typed);
void ctl_near_offer(struct ctl_near *n, struct str candidate);	/* near.best.n == 0: none */

/* ---- ctl_value.c ---- */
struct ctl_value {		/* one value as it was typed */
	const struct command_arg *arg;
	struct str text;
};
/* Checks one value by its argument's type. 0, or -EINVAL with *reterr: why it is none. */
int ctl_value_check(struct arena *a, const struct ctl_value *v, struct str *reterr) MUST_USE;
/* The arguments of a call, an object, with one member more: its value as JSON. */
void ctl_put_args_with(struct buf *to, struct str args, const char *name, struct str value);
/* All of them, which have been checked, as one JSON object. .p == NULL: too much. */
struct str ctl_values_json(struct arena *a, const struct command *c, const struct ctl_value *v,
			   size_t n);

/* ---- ctl_file.c ---- */
/* Reads the files that arguments name (ARG_FILE) and puts what is in them in the names' places. */
enum ctl_exit ctl_read_files(struct arena *a, struct ctl_request *q,
			     struct ctl_error *reterr) MUST_USE;

/* ---- ctl_text.c: single values ---- */
struct ctl_look {		/* how things are shown */
	bool is_tty;		/* relative and local times */
	bool colors, headers, quiet;
	unsigned width;		/* of the terminal; 0: no limit */
	unsigned height;	/* the same, in lines, for a view of all of it */
	uint64_t now_ns;	/* wall clock */
	struct str url;		/* of the gateway, for an example; .n 0: not known */
};
/* The first character of s, which is not empty: its bytes (1 when it is no valid UTF-8, with code
 * UINT32_MAX), its code point, and whether a terminal may be confused by it. */
size_t ctl_next_char(struct str s, uint32_t *ret_code, bool *ret_unsafe);
/* s with control bytes, direction marks and broken UTF-8 as \xNN: nothing in it can move the
 * cursor or turn the text around. */
void ctl_put_safe(struct buf *to, struct str s);
void ctl_put_safe_lines(struct buf *to, struct str s, const char *indent);	/* '\n' is kept */
void ctl_put_money(struct buf *to, int64_t nano);		/* $0.0012 */
void ctl_put_age(struct buf *to, uint64_t then_ns, uint64_t now_ns, bool bare);	/* "3m ago"; "3m" */
void ctl_put_time(struct buf *to, uint64_t then_ns, bool is_local);
int ctl_read_money(const struct json *j, int64_t *ret_nano) MUST_USE;	/* number or text */
int ctl_read_time(struct str s, uint64_t *ret_ns) MUST_USE;	/* RFC 3339; 0 or -EINVAL */
/* A table's cell, as text. */
void ctl_put_cell(struct buf *to, struct arena *a, const struct command_column *col,
		  const struct json *j, const struct ctl_look *look);
/* A value in one line: "-" for null, lists joined. */
void ctl_put_scalar(struct buf *to, struct arena *a, struct str name, const struct json *j,
		    const struct ctl_look *look);

/* ---- ctl_view.c and ctl_table.c: whole answers ---- */
void ctl_put_view(struct buf *to, struct arena *a, const struct json *j,
		  const struct ctl_look *look);
void ctl_put_pretty(struct buf *to, const struct json *j);	/* JSON with indentation */
/* rows: an array. 0, -ENOMEM. */
int ctl_put_table(struct buf *to, struct arena *a, const struct command_column *cols,
		  const struct json *rows, const struct ctl_look *look) MUST_USE;

/* ---- ctl_answer.c: what an answer means ---- */
enum ctl_exit ctl_exit_of(const struct command *c, int status, const struct json *answer);
/* What goes to standard output, and hints for standard error. Exit is CTL_DONE & co. */
/* Whether what is shown of it has an example, which wants to know where the gateway is. */
bool ctl_has_example(const struct ctl_request *q);
void ctl_show(struct buf *out, struct buf *hints, struct arena *a, const struct ctl_request *q,
	      const struct json *answer, const struct ctl_look *look);

/* ---- ctl_error.c: what went wrong, and questions ---- */
/* The error an answer holds, as this program tells it. */
struct ctl_error ctl_error_of(struct arena *a, const struct ctl_request *q, int status,
			      const struct json *answer);
void ctl_put_error(struct buf *to, const struct ctl_error *e, bool as_json);
struct str ctl_question(struct arena *a, const struct ctl_request *q);	/* "Delete 2 keys?" */

/* ---- ctl_help.c, ctl_mdoc.c, ctl_completion.c ---- */
int ctl_put_help(struct buf *to, struct str topic) MUST_USE;	/* 0 or -ENOENT */
void ctl_put_usage(struct buf *to, const struct command *c);	/* "llmgwctl keys show [KEY]" */
void ctl_put_mdoc(struct buf *to);
int ctl_put_completion(struct buf *to, struct str shell) MUST_USE;	/* 0 or -ENOENT */
struct ctl_topic {
	const char *name, *doc;
};
extern const struct ctl_topic ctl_exits[CTL_EXIT_COUNT];

/* ---- ctl_socket.c, ctl_http.c, ctl_progress.c ---- */
struct ctl_progress {		/* a sign of life on standard error after half a second */
	const char *what;
	uint64_t since_ns, shown_ns;
	uint64_t done, all;	/* all 0: nobody knows how much there is */
	const char *growing;	/* then: a file whose size is told; or NULL */
	unsigned turn;
	bool is_on, is_shown;
};
void ctl_progress_start(struct ctl_progress *p, const char *what, bool is_on);
void ctl_progress_tick(struct ctl_progress *p);
void ctl_progress_at(struct ctl_progress *p, uint64_t done, uint64_t all);	/* and ticks */
/* "[####----]  50 % what 3s, 3s left"; p->all is not 0. */
void ctl_put_bar(struct buf *to, const struct ctl_progress *p, uint64_t now_ns);
void ctl_progress_end(struct ctl_progress *p);

/* ---- ctl_export.c: commands with CMD_PAGES ---- */
typedef enum ctl_exit ctl_call_fn(void *data, struct arena *a, const struct ctl_request *q,
				  struct ctl_progress *p, int *ret_status, struct buf *answer,
				  struct ctl_error *reterr);
struct ctl_pages {
	struct arena *mem;		/* for messages; a page has memory of its own */
	const struct ctl_request *q;
	ctl_call_fn *call;		/* asks the gateway once */
	void *data;
	bool shows_progress;
};
/* Writes all pages to the argument `out`, a file, or to standard output. */
enum ctl_exit ctl_export(const struct ctl_pages *of, uint64_t *ret_rows, const char **ret_path,
			 struct ctl_error *reterr) MUST_USE;

/* ---- ctl_names.c: what is being typed, and what may stand there ---- */
struct ctl_names {
	const char *list;	/* the command that lists them; NULL: `choices` are all */
	const char *search;	/* its argument that makes the list short; NULL: it has none */
	bool is_pattern;	/* which takes a '*' */
	const char *rows;	/* where they stand in its answer; "": it is they */
	const char *member;	/* of each row; "": the row is a name */
	const char *choices;	/* names, spaces between */
};
struct ctl_typed {
	struct ctl_options opt;		/* what was typed of where the gateway is */
	const struct command *command;	/* NULL: none yet */
	const struct command_arg *arg;	/* that is being typed; NULL: none */
	struct str typed;		/* so much of it */
	struct str before;		/* of the same word: "--models=" or "a,b," */
};
/* The words behind llmgwctl; the last one is being typed. */
void ctl_read_typed(struct arena *a, int argc, char *const *argv, struct ctl_typed *ret);
/* NULL: there is no list of names. */
const struct ctl_names *ctl_names_of(const struct command *c, const struct command_arg *arg);
bool ctl_names_a_file(const struct command_arg *arg);

/* ---- ctl_dry.c: --dry-run ---- */
bool ctl_can_try(const struct command *c);	/* it takes --dry-run */
bool ctl_tries_itself(const struct command *c);	/* by an argument `dry_run` */
/* Shows what a command without a `dry_run` of its own would be done to, and does nothing. */
enum ctl_exit ctl_try(const struct ctl_pages *of, const struct ctl_look *look, struct buf *out,
		      struct buf *hints, struct ctl_error *reterr) MUST_USE;

/* ---- ctl_complete.c ---- */
/* Names for what is being typed, a line each; nothing when they cannot be had at once. */
void ctl_complete(struct arena *a, const struct ctl_typed *typed, ctl_call_fn *call, void *data,
		  struct buf *out);

/* ---- ctl_top.c, ctl_live.c: commands with CMD_LIVE ---- */
/* Rates between two answers of `top`, sorted by one of CTL_TOP_SORTS columns, as an answer: `all`
 * and `rows`. before may be of another time of the gateway. 0, -E2BIG, -ENOMEM. */
enum { CTL_TOP_SORTS = 6 };
int ctl_top_rates(struct buf *to, struct arena *a, const struct json *before,
		  const struct json *now, unsigned sort) MUST_USE;
const char *ctl_top_sort(unsigned i);
int ctl_top_find_sort(struct str name, unsigned *ret) MUST_USE;	/* 0 or -EINVAL */
/* Whether a call goes on until it is interrupted. */
bool ctl_is_live(struct arena *a, const struct ctl_request *q);
enum ctl_exit ctl_live(const struct ctl_pages *of, const struct ctl_look *how,
		       struct ctl_error *reterr) MUST_USE;

enum { CTL_ANSWER_MAX = 64 << 20, CTL_TICK_MS = 100 };

/* One call over the control socket. CTL_DONE with *ret_status and the answer in out; else
 * *reterr. path NULL: the first that exists. */
enum ctl_exit ctl_socket_call(struct arena *a, const char *path, const struct ctl_request *q,
			      struct ctl_progress *p, int *ret_status, struct buf *out,
			      struct ctl_error *reterr) MUST_USE;
/* Authorities that the environment names, for a CURL handle. False: out of memory. */
bool ctl_http_authorities(void *curl);
/* The same over HTTP. key may be NULL. */
enum ctl_exit ctl_http_call(struct arena *a, const char *key, const struct ctl_request *q,
			    struct ctl_progress *p, int *ret_status, struct buf *out,
			    struct ctl_error *reterr) MUST_USE;

#endif
