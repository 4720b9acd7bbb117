/* SPDX-License-Identifier: MIT
 * llmgwctl.c - the command line: joins arguments, environment, transport and terminal.
 *
 * Standard output carries what was asked for, standard error everything else. Nothing a gateway
 * answers reaches a terminal unescaped. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/mem.h"
#include "master/ctl.h"
#include "master/ctl_bench.h"
#include "master/ctl_convert.h"
#include "master/ctl_doctor.h"
#include "master/ctl_import.h"
#include "master/ctl_restore.h"
#include "master/ctl_wait.h"

#ifndef LLMGW_VERSION
#define LLMGW_VERSION "0.1.0"
#endif

enum {
	MEMORY_MAX = 1 << 30,
	TEXT_MAX = 256 << 20,
	KEY_BYTES_MAX = 4096,
	WIDTH_USUAL = 80,
	WIDTH_MAX = 10000
};

struct session {
	struct arena *mem;
	struct ctl_request q;
	struct ctl_error error;
	struct ctl_look look;
	bool colors_on_stderr;
	const char *socket;		/* NULL: the usual places */
	char *key;
};

static const char *env(const char *name)	/* NULL when unset or empty */
{
	const char *v = getenv(name);
	return v && *v ? v : NULL;
}

/* ---- the terminal ---- */

static bool wants_colors(enum ctl_color color, int fd)
{
	const char *force = env("CLICOLOR_FORCE"), *cli = env("CLICOLOR"), *term = env("TERM");
	if (color != CTL_COLOR_AUTO)
		return color == CTL_COLOR_ALWAYS;
	if (env("NO_COLOR"))
		return false;
	if (force && strcmp(force, "0") != 0)
		return true;
	if ((cli && strcmp(cli, "0") == 0) || (term && strcmp(term, "dumb") == 0))
		return false;
	return isatty(fd) == 1;
}

static unsigned terminal_width(void)
{
	struct winsize size;
	uint64_t n;
	if (str_read_u64(str_z(getenv("COLUMNS")), &n) == 0 && n > 0 && n <= WIDTH_MAX)
		return (unsigned)n;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return WIDTH_USUAL;
}

static unsigned terminal_height(void)
{
	struct winsize size;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

static void look_around(struct session *s)
{
	bool is_tty = isatty(STDOUT_FILENO) == 1;
	s->look = (struct ctl_look){
		.is_tty = is_tty,
		.colors = wants_colors(s->q.opt.color, STDOUT_FILENO),
		.headers = !s->q.opt.no_headers,
		.quiet = s->q.opt.quiet,
		.width = is_tty ? terminal_width() : 0,
		.height = terminal_height(),
		.now_ns = clock_wall_ns(),
	};
	s->colors_on_stderr = wants_colors(s->q.opt.color, STDERR_FILENO);
}

static bool put_out(FILE *to, const struct buf *text)
{
	if (text->failed)
		return false;
	return (text->n == 0 || fwrite(text->p, 1, text->n, to) == text->n) && fflush(to) == 0;
}

static enum ctl_exit tell(struct session *s, const struct ctl_error *e)
{
	struct buf text;
	buf_init(&text, TEXT_MAX);
	ctl_put_error(&text, e, s->q.opt.json);
	bool written = put_out(stderr, &text);
	(void)written;				/* nobody is left to be told */
	buf_done(&text);
	return e->exit;
}

static enum ctl_exit tell_failure(struct session *s, enum ctl_exit exit, struct str message,
				  struct str next)
{
	struct ctl_error e = { exit, message, next };
	return tell(s, &e);
}

static void warn(const struct session *s, const char *text)
{
	if (!s->q.opt.quiet)
		fprintf(stderr, "%sllmgwctl: warning:%s %s\n",
			s->colors_on_stderr ? "\033[33m" : "",
			s->colors_on_stderr ? "\033[0m" : "", text);
}

/* Prints what a function makes; out of memory and a closed standard output are failures. */
static enum ctl_exit print(struct session *s, struct buf *text, enum ctl_exit exit)
{
	bool good = put_out(stdout, text);
	buf_done(text);
	return good ? exit : tell_failure(s, CTL_FAILED, STR("cannot write to standard output"),
					  STR(""));
}

/* ---- what needs no gateway ---- */

static enum ctl_exit help(struct session *s)
{
	struct buf text;
	buf_init(&text, TEXT_MAX);
	if (ctl_put_help(&text, s->q.topic) == 0)
		return print(s, &text, CTL_DONE);
	buf_done(&text);
	return tell_failure(s, CTL_USAGE,
			    arena_printf(s->mem, "there is no help on '" STR_FMT "'",
					 STR_ARG(s->q.topic)), STR("llmgwctl --help"));
}

static enum ctl_exit completion(struct session *s)
{
	struct buf text;
	buf_init(&text, TEXT_MAX);
	if (ctl_put_completion(&text, s->q.topic) == 0)
		return print(s, &text, CTL_DONE);
	buf_done(&text);
	return tell_failure(s, CTL_USAGE, STR("completion needs a shell: bash, zsh or fish"),
			    STR("llmgwctl completion --help"));
}

static enum ctl_exit version(struct session *s)
{
	struct buf text;
	buf_init(&text, TEXT_MAX);
	BUF_PUT_LIT(&text, "llmgwctl " LLMGW_VERSION "\n");
	return print(s, &text, CTL_DONE);
}

/* ---- how to reach it ---- */

/* An option wins over the environment, a socket over a URL. */
static void choose_way(struct session *s)
{
	s->socket = s->q.opt.socket;
	if (s->socket || s->q.opt.url)
		return;
	s->socket = env("LLMGW_SOCKET");
	if (!s->socket)
		s->q.opt.url = env("LLMGW_URL");
}

/* Spaces and line ends around a key are not part of it; within it they cannot be sent. */
static int keep_key(struct session *s, struct str text)
{
	while (text.n && strchr(" \t\r\n", text.p[text.n - 1]))
		text.n--;
	while (text.n && strchr(" \t\r\n", text.p[0]))
		text = str_skip(text, 1);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] == 0x7f)
			return -EINVAL;
	s->key = text.n ? arena_dup_z(s->mem, text) : NULL;
	return s->key ? 0 : -EINVAL;
}

static int read_key_file(struct session *s, const char *path)
{
	char text[KEY_BYTES_MAX];
	size_t n = 0;
	ssize_t got = 1;
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (got > 0 && n < sizeof text) {
		got = read(fd, text + n, sizeof text - n);
		if (got > 0)
			n += (size_t)got;
	}
	int r = got < 0 ? -errno : n == sizeof text ? -EFBIG : keep_key(s, str_of(text, n));
	if (fd != STDIN_FILENO)
		close(fd);
	mem_wipe(text, sizeof text);
	return r;
}

static bool is_in_clear(const char *url)
{
	static const char *const fine[] = { "https:", "http://127.", "http://localhost",
					    "http://[::1]" };
	for (size_t i = 0; i < COUNT(fine); i++)
		if (str_starts_nocase(str_z(url), str_z(fine[i])))
			return false;
	return true;
}

static enum ctl_exit find_key(struct session *s)
{
	const struct ctl_options *o = &s->q.opt;
	const char *text = o->key ? o->key : env("LLMGW_KEY");
	int r = 0;
	if (o->key)
		warn(s, "--key can be seen in the process list; LLMGW_KEY or --key-file cannot");
	if (o->key_file)
		r = read_key_file(s, o->key_file);
	else if (text)
		r = keep_key(s, str_z(text));
	if (r != 0)
		return tell_failure(s, CTL_USAGE,
				    r == -EINVAL ? STR("the key is empty or has spaces in it")
						 : arena_printf(s->mem, "cannot read %s: %s",
								o->key_file, strerrordesc_np(-r)),
				    STR("a key begins with sk-"));
	if (s->key && is_in_clear(o->url))
		warn(s, "the key goes over the network unencrypted; use an https URL");
	return CTL_DONE;
}

/* ---- asking ---- */

static bool is_yes(const char *line)
{
	return strcmp(line, "y\n") == 0 || strcmp(line, "Y\n") == 0 || strcmp(line, "yes\n") == 0;
}

static enum ctl_exit put_question(struct session *s, struct str question)
{
	char line[16];
	if (s->q.opt.yes)
		return CTL_DONE;
	if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
		return tell_failure(s, CTL_USAGE,
				    arena_printf(s->mem, "%s: nobody can be asked '" STR_FMT "'",
						 s->q.command->words, STR_ARG(question)),
				    STR("--yes answers for you"));
	fprintf(stderr, STR_FMT " [y/N] ", STR_ARG(question));
	fflush(stderr);
	if (fgets(line, sizeof line, stdin) && is_yes(line))
		return CTL_DONE;
	return tell_failure(s, CTL_FAILED, STR("nothing was done"), STR(""));
}

static enum ctl_exit confirm(struct session *s)
{
	if (!(s->q.command->flags & CMD_DESTROYS) || s->q.opt.dry_run)
		return CTL_DONE;
	return put_question(s, ctl_question(s->mem, &s->q));
}

/* ---- the call ---- */

static const char *waiting_for(const struct command *c)
{
	struct str words = str_z(c->words);
	if (str_eq_z(words, "reload") || str_starts(words, STR("workers")) ||
	    str_eq_z(words, "upgrade"))
		return "waiting for workers";
	if (str_eq_z(words, "backup"))
		return "copying the database,";
	return str_eq_z(words, "health probe") ? "waiting for the providers' answers"
						: "waiting for the gateway";
}

static enum ctl_exit show_failure(struct session *s, int status, const struct json *answer)
{
	struct ctl_error e = ctl_error_of(s->mem, &s->q, status, answer);
	if (!s->q.opt.json || !answer)
		return tell(s, &e);
	fwrite(answer->raw.p, 1, answer->raw.n, stderr);
	fputc('\n', stderr);
	return e.exit;
}

/* Where the gateway can be asked, as itself says; without an answer the example has the usual. */
static void find_url(struct session *s)
{
	struct ctl_request q = { .command = ctl_find(STR("status")), .args = STR("{}") };
	struct ctl_progress quiet;
	struct ctl_error e;
	struct buf answer;
	struct json_error why;
	int status = 0;
	buf_init(&answer, CTL_ANSWER_MAX);
	ctl_progress_start(&quiet, "", false);
	if (ctl_socket_call(s->mem, s->socket, &q, &quiet, &status, &answer, &e) == CTL_DONE &&
	    status == 200) {
		struct str text = arena_dup(s->mem, buf_str(&answer));
		const struct json *j = json_parse(s->mem, text, 0, &why);
		s->look.url = json_str(s->mem, json_at(json_get(j, "urls"), 0));
	}
	buf_done(&answer);
}

static enum ctl_exit show(struct session *s, int status, struct str text)
{
	struct json_error why;
	struct buf out, hints;
	const struct json *answer = json_parse(s->mem, text, 0, &why);
	if (status < 200 || status > 299)
		return show_failure(s, status, answer);
	if (!answer)
		return tell_failure(s, CTL_FAILED,
				    arena_printf(s->mem, "%s: the answer is no JSON: %s",
						 s->q.command->words, why.what),
				    s->q.opt.url ? STR("is there an llmgw behind that URL?")
						 : STR(""));
	buf_init(&out, TEXT_MAX);
	buf_init(&hints, TEXT_MAX);
	if (ctl_has_example(&s->q))
		find_url(s);
	ctl_show(&out, &hints, s->mem, &s->q, answer, &s->look);
	enum ctl_exit exit = print(s, &out, ctl_exit_of(s->q.command, status, answer));
	if (!s->q.opt.quiet && !s->q.opt.json && !put_out(stderr, &hints))
		exit = CTL_FAILED;
	buf_done(&hints);
	return exit;
}

static bool shows_progress(const struct session *s)
{
	return isatty(STDERR_FILENO) == 1 && !s->q.opt.quiet && !s->q.opt.json;
}

static enum ctl_exit ask(void *data, struct arena *a, const struct ctl_request *q,
			 struct ctl_progress *p, int *ret_status, struct buf *answer,
			 struct ctl_error *reterr)
{
	const struct session *s = data;
	if (q->opt.url)
		return ctl_http_call(a, s->key, q, p, ret_status, answer, reterr);
	return ctl_socket_call(a, s->socket, q, p, ret_status, answer, reterr);
}

/* What goes to a file is told, in a line. */
static enum ctl_exit export(struct session *s)
{
	const struct ctl_pages pages = { .mem = s->mem, .q = &s->q, .call = ask, .data = s,
					 .shows_progress = shows_progress(s) };
	const char *path;
	uint64_t rows;
	enum ctl_exit r = ctl_export(&pages, &rows, &path, &s->error);
	if (r != CTL_DONE)
		return tell(s, &s->error);
	if (path && s->q.opt.json)
		printf("{\"rows\":%llu}\n", (unsigned long long)rows);
	else if (path && !s->q.opt.quiet)
		printf("%llu rows in %s\n", (unsigned long long)rows, path);
	return CTL_DONE;
}

/* Instead of the command: what it would be done to. */
static enum ctl_exit try(struct session *s)
{
	const struct ctl_pages of = { .mem = s->mem, .q = &s->q, .call = ask, .data = s };
	struct buf out, hints;
	buf_init(&out, TEXT_MAX);
	buf_init(&hints, TEXT_MAX);
	enum ctl_exit r = ctl_try(&of, &s->look, &out, &hints, &s->error);
	if (r != CTL_DONE && s->error.message.n)
		tell(s, &s->error);
	else if (!s->q.opt.quiet && !s->q.opt.json && !put_out(stderr, &hints))
		r = CTL_FAILED;
	buf_done(&hints);
	return print(s, &out, r);
}

static enum ctl_exit live(struct session *s)
{
	const struct ctl_pages of = { .mem = s->mem, .q = &s->q, .call = ask, .data = s };
	enum ctl_exit r = ctl_live(&of, &s->look, &s->error);
	return r == CTL_DONE ? r : tell(s, &s->error);
}

static enum ctl_exit call(struct session *s)
{
	struct ctl_progress progress;
	struct buf answer;
	int status = 0;
	enum ctl_exit r;
	buf_init(&answer, CTL_ANSWER_MAX);
	ctl_progress_start(&progress, waiting_for(s->q.command), shows_progress(s));
	if (str_eq_z(str_z(s->q.command->words), "backup") && !s->q.opt.url)
		progress.growing = arena_dup_z(s->mem, s->q.named);
	r = ask(s, s->mem, &s->q, &progress, &status, &answer, &s->error);
	ctl_progress_end(&progress);
	if (r == CTL_DONE)
		r = show(s, status, buf_str(&answer));
	else
		tell(s, &s->error);
	if (answer.p)
		mem_wipe(answer.p, answer.n);	/* a new key's text may be in it */
	buf_done(&answer);
	return r;
}

/* Warnings and failures are the answer, and the exit status says so. */
static enum ctl_exit doctor(struct session *s)
{
	struct buf answer;
	buf_init(&answer, CTL_ANSWER_MAX);
	enum ctl_exit found = ctl_doctor(s->mem, &s->q, &answer, &s->error);
	enum ctl_exit shown = found == CTL_USAGE ? tell(s, &s->error)
						 : show(s, 200, buf_str(&answer));
	buf_done(&answer);
	return shown == CTL_DONE ? found : shown;
}

/* The text goes to standard output, what is to be looked at to standard error. */
static void tell_converted(struct session *s, const struct json *answer)
{
	struct str file = json_get_str(s->mem, answer, "file");
	const struct json *notes = json_get(answer, "notes");
	const struct json *variables = json_get(answer, "variables");
	struct buf line;
	buf_init(&line, TEXT_MAX);
	for (const struct json *j = notes ? notes->child : NULL; j; j = j->next) {
		buf_reset(&line);
		ctl_put_safe(&line, json_get_str(s->mem, j, "where"));
		BUF_PUT_LIT(&line, ": ");
		ctl_put_safe(&line, json_get_str(s->mem, j, "what"));
		if (buf_z(&line))
			warn(s, buf_z(&line));
	}
	if (variables && variables->count)
		warn(s, "secrets were left out: the first lines of what was made say which "
			"variables to set");
	buf_reset(&line);
	if (file.n)
		buf_printf(&line, STR_FMT " is written; llmgw -t --config " STR_FMT " checks it\n",
			   STR_ARG(file), STR_ARG(file));
	bool told = s->q.opt.quiet || put_out(stderr, &line);
	(void)told;
	buf_done(&line);
}

static enum ctl_exit convert(struct session *s)
{
	struct buf answer, text;
	struct json_error why;
	buf_init(&answer, CTL_ANSWER_MAX);
	enum ctl_exit r = ctl_convert(s->mem, &s->q, &answer, &s->error);
	const struct json *j = json_parse(s->mem, buf_str(&answer), 0, &why);
	if (r != CTL_DONE) {
		tell(s, &s->error);
	} else if (s->q.opt.json || !j) {
		r = show(s, 200, buf_str(&answer));
	} else {
		buf_init(&text, TEXT_MAX);
		buf_put(&text, json_get_str(s->mem, j, "config"));
		r = print(s, &text, CTL_DONE);
		tell_converted(s, j);
	}
	if (answer.p)
		mem_wipe(answer.p, answer.n);
	buf_done(&answer);
	return r;
}

/* postgresql://user:secret@host */
static bool has_password(struct str url)
{
	size_t at = str_find(url, STR("://"));
	struct str who = at == SIZE_MAX ? STR_NONE : str_skip(url, at + 3);
	size_t end = str_find_char(who, '@');
	return end != SIZE_MAX && str_find_char(str_of(who.p, end), ':') != SIZE_MAX;
}

/* What was given is in s->q by now; the process list shall not show it any longer. */
static void hide_url(int argc, char *const *argv)
{
	for (int i = 0; i < argc; i++) {
		struct str value = str_z(argv[i]), name = str_cut(&value, '=');
		if (!str_eq_z(name, "--database-url") && !str_eq_z(name, "--database_url"))
			continue;
		char *at = value.p ? argv[i] + name.n + 1 : i + 1 < argc ? argv[i + 1] : NULL;
		if (at && has_password(str_z(at)))
			memset(at, 'x', strlen(at));
	}
}

static enum ctl_exit import(struct session *s)
{
	struct buf answer;
	struct json_error why;
	const struct json *args = json_parse(s->mem, s->q.args, 0, &why);
	if (has_password(json_get_str(s->mem, args, "database_url")))
		warn(s, "a password on the command line can be seen by others for a moment; "
			"DATABASE_URL, --database-url -, PGPASSWORD and ~/.pgpass cannot");
	if (s->q.opt.url)
		return tell_failure(s, CTL_USAGE, STR("import litellm goes by the control socket"),
				    STR("run it on the gateway's host; --socket names the socket"));
	buf_init(&answer, CTL_ANSWER_MAX);
	enum ctl_exit r = ctl_import(s->mem, s->socket, &s->q,
				     shows_progress(s), &answer, &s->error);
	if (r != CTL_DONE) {
		buf_done(&answer);
		return tell(s, &s->error);
	}
	r = show(s, 200, buf_str(&answer));
	const struct json *j = json_get(json_parse(s->mem, buf_str(&answer), 0, &why), "refused");
	for (j = j ? j->child : NULL; j; j = j->next) {
		struct buf line;
		buf_init(&line, TEXT_MAX);
		ctl_put_safe(&line, json_get_str(s->mem, j, "kind"));
		BUF_PUT_LIT(&line, " '");
		ctl_put_safe(&line, json_get_str(s->mem, j, "name"));
		BUF_PUT_LIT(&line, "' is not imported: ");
		ctl_put_safe(&line, json_get_str(s->mem, j, "why"));
		if (buf_z(&line) && !s->q.opt.json)
			warn(s, buf_z(&line));
		buf_done(&line);
		if (r == CTL_DONE)
			r = CTL_FAILED;
	}
	buf_done(&answer);
	return r;
}

static enum ctl_exit ask_for_money(void *data, struct str question)
{
	return put_question(data, question);
}

/* All requests that failed are a failure, and what came out of it is shown all the same. */
static enum ctl_exit bench(struct session *s)
{
	const struct ctl_pages of = { .mem = s->mem, .q = &s->q, .call = ask, .data = s,
				      .shows_progress = shows_progress(s) };
	struct buf answer;
	enum ctl_exit r = s->q.opt.url ? find_key(s) : CTL_DONE;
	if (r != CTL_DONE)
		return r;
	buf_init(&answer, CTL_ANSWER_MAX);
	r = ctl_bench(&of, s->q.opt.url ? s->key : NULL, ask_for_money, &answer, &s->error);
	if (answer.n) {
		enum ctl_exit shown = show(s, 200, buf_str(&answer));
		r = r == CTL_DONE ? shown : r;
	} else if (s->error.message.n) {
		tell(s, &s->error);
	}
	buf_done(&answer);
	return r;
}

static enum ctl_exit wait_for(struct session *s)
{
	const struct ctl_pages of = { .mem = s->mem, .q = &s->q, .call = ask, .data = s,
				      .shows_progress = shows_progress(s) };
	struct buf answer;
	if (s->q.opt.url)
		return tell_failure(s, CTL_USAGE, STR("wait goes by the control socket"),
				    STR("run it on the gateway's own machine, without --url"));
	buf_init(&answer, CTL_ANSWER_MAX);
	enum ctl_exit r = ctl_wait(&of, &answer, &s->error);
	if (r != CTL_DONE)
		tell(s, &s->error);
	else if (s->q.opt.json)
		r = show(s, 200, buf_str(&answer));
	buf_done(&answer);
	return r;
}

/* What the backup does not know comes back to life: who restores must think of it. */
static enum ctl_exit restore(struct session *s)
{
	struct buf answer;
	struct json_error why;
	const struct json *args = json_parse(s->mem, s->q.args, 0, &why);
	bool is_dry = json_is_true(json_get(args, "dry_run"));
	enum ctl_exit r = is_dry ? CTL_DONE : confirm(s);
	if (r != CTL_DONE)
		return r;
	buf_init(&answer, CTL_ANSWER_MAX);
	r = ctl_restore(s->mem, &s->q, shows_progress(s), &answer, &s->error);
	if (r == CTL_DONE)
		r = show(s, 200, buf_str(&answer));
	else
		tell(s, &s->error);
	buf_done(&answer);
	if (r == CTL_DONE && !is_dry)
		warn(s, "keys that were deleted or blocked since that backup work again, and what "
			"was spent since is not in it");
	return r;
}

static enum ctl_exit run(struct session *s)
{
	choose_way(s);
	if (str_eq_z(str_z(s->q.command->words), "restore"))
		return restore(s);
	if (str_eq_z(str_z(s->q.command->words), "import litellm"))
		return import(s);
	if (str_eq_z(str_z(s->q.command->words), "doctor"))
		return doctor(s);
	if (str_eq_z(str_z(s->q.command->words), "bench"))
		return bench(s);
	if (str_eq_z(str_z(s->q.command->words), "wait"))
		return wait_for(s);
	if (str_eq_z(str_z(s->q.command->words), "config convert"))
		return convert(s);
	if (s->q.command->flags & CMD_LOCAL)
		return tell_failure(s, CTL_FAILED,
				    arena_printf(s->mem, "%s is not in this llmgwctl",
						 s->q.command->words), STR(""));
	enum ctl_exit r = confirm(s);
	if (r == CTL_DONE && ctl_read_files(s->mem, &s->q, &s->error) != CTL_DONE)
		return tell(s, &s->error);
	if (r == CTL_DONE && s->q.opt.url)
		r = find_key(s);
	if (r != CTL_DONE)
		return r;
	if (s->q.opt.dry_run && !ctl_tries_itself(s->q.command))
		return try(s);
	if (ctl_is_live(s->mem, &s->q))
		return live(s);
	return s->q.command->flags & CMD_PAGES ? export(s) : call(s);
}

/* For the shells' completion. Whoever types is never told anything. */
static enum ctl_exit complete(struct session *s, int argc, char *const *argv)
{
	struct ctl_typed typed;
	struct buf out;
	const char *key = env("LLMGW_KEY");
	ctl_read_typed(s->mem, argc, argv, &typed);
	s->q.opt = typed.opt;
	choose_way(s);
	typed.opt.url = s->q.opt.url;
	if (s->q.opt.key_file && strcmp(s->q.opt.key_file, "-") != 0 &&
	    read_key_file(s, s->q.opt.key_file) != 0)
		return CTL_DONE;
	if (!s->key && key && keep_key(s, str_z(key)) != 0)
		return CTL_DONE;
	buf_init(&out, TEXT_MAX);
	ctl_complete(s->mem, &typed, ask, s, &out);
	bool told = put_out(stdout, &out);
	(void)told;
	buf_done(&out);
	return CTL_DONE;
}

static enum ctl_exit act(struct session *s, int argc, char *const *argv)
{
	if (argc > 1 && strcmp(argv[0], "__complete") == 0 && strcmp(argv[1], "--") == 0)
		return complete(s, argc - 2, argv + 2);
	char *cwd = arena_alloc(s->mem, 4096);
	if (cwd && !getcwd(cwd, 4096))
		cwd = NULL;
	if (ctl_parse(s->mem, cwd, argc, argv, &s->q, &s->error) != CTL_DONE) {
		for (int i = 0; i < argc; i++)
			s->q.opt.json |= strcmp(argv[i], "--json") == 0;
		return tell(s, &s->error);
	}
	hide_url(argc, argv);
	look_around(s);
	switch (s->q.action) {
	case CTL_HELP:
		return help(s);
	case CTL_VERSION:
		return version(s);
	case CTL_COMPLETION:
		return completion(s);
	case CTL_RUN:
		break;
	}
	return run(s);
}

/* Only what says how wide a character is: numbers keep their point. Without any locale, as in a
 * cron job, text is taken for what it is, UTF-8. */
static void set_locale(void)
{
	const char *name = setlocale(LC_CTYPE, "");
	if (!name || strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0)
		setlocale(LC_CTYPE, "C.UTF-8");
}

int main(int argc, char **argv)
{
	struct session s = { .mem = arena_new(MEMORY_MAX) };
	set_locale();
	if (!s.mem || hash_init() != 0) {
		fputs("llmgwctl: out of memory or of randomness\n", stderr);
		return CTL_FAILED;
	}
	enum ctl_exit r = act(&s, argc > 0 ? argc - 1 : 0, argc > 0 ? argv + 1 : argv);
	arena_free(s.mem);
	return (int)r;
}
