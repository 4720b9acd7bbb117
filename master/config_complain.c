/* SPDX-License-Identifier: MIT
 * config_complain.c - what is wrong with a configuration, said so that it can be mended.
 *
 * FILE:LINE:COL, the line itself and a caret. A line may hold a secret whatever is wrong with
 * it, so what looks like one is masked before anything is printed, and bytes that could steer a
 * terminal are not printed at all. */
#include <stdarg.h>
#include <stdio.h>

#include "master/config_read.h"

enum {
	ERRORS_SHOWN = 50,
	WARNINGS_SHOWN = 100,
	MESSAGE_MAX = 512,
	LINE_SHOWN = 120,
	QUOTE_MAX = 60
};

static const char *const codes[W_COUNT] = {
	[W_NOT_ACTED_ON] = "W001 not-acted-on",		[W_UNKNOWN_KEY] = "W002 unknown-key",
	[W_MODEL_SKIPPED] = "W003 model-skipped",	[W_ENV_MISSING] = "W004 variable-not-set",
	[W_KEY_MISSING] = "W005 provider-key-missing",	[W_FORWARDED] = "W006 sent-to-provider",
	[W_SECRET_READABLE] = "W007 secret-readable",	[W_YAML_WORD] = "W008 yaml-word",
	[W_PRICE_INCOMPLETE] = "W009 price-incomplete", [W_NO_MODELS] = "W010 no-models",
	[W_UNKNOWN_MODEL] = "W011 unknown-model",	[W_STORED] = "W012 stored-object",
	[W_JWT_OPEN] = "W013 tokens-too-open",
	[W_CERTIFICATE_ENDED] = "W014 certificate-ended",
};

struct str shown(struct str s)
{
	if (s.n <= QUOTE_MAX)
		return s;
	s.n = QUOTE_MAX;
	while (s.n > 0 && (s.p[s.n] & 0xc0) == 0x80)
		s.n--;
	return s;
}

static struct str line_of(const struct place *at)
{
	struct str text = at->file->text;
	size_t from = at->at < text.n ? at->at : text.n, to = from;

	if (!text.n)
		return STR("");
	while (from > 0 && text.p[from - 1] != '\n' && text.p[from - 1] != '\r')
		from--;
	while (to < text.n && text.p[to] != '\n' && text.p[to] != '\r')
		to++;
	return str_of(text.p + from, to - from);
}

unsigned place_column(const struct place *at)
{
	struct str line = line_of(at);
	size_t before = (size_t)(at->file->text.p + at->at - line.p);
	unsigned column = 1;

	for (size_t i = 0; i < before && i < line.n; i++)
		if ((line.p[i] & 0xc0) != 0x80)
			column++;
	return column;
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '-';
}

static bool holds(struct str word, const char *const *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str part = str_z(parts[i]);
		for (size_t at = 0; at + part.n <= word.n; at++)
			if (str_eq_nocase(str_of(word.p + at, part.n), part))
				return true;
	}
	return false;
}

bool names_a_secret(struct str word)
{
	static const char *const secret[] = {"key",    "token",	     "secret",
					     "passw",  "credential", "auth",
					     "cookie", "salt",	     "database_url"};
	static const char *const harmless[] = {"cost", "max", "timeout", "key_generation"};

	return holds(word, secret, COUNT(secret)) && !holds(word, harmless, COUNT(harmless));
}

/* Where, in this line, a value begins whose key says that it is secret; SIZE_MAX: nowhere. */
static size_t secret_value(struct str line)
{
	size_t from = 0;

	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] == ':' && i > from && names_a_secret(str_of(line.p + from, i - from)))
			return i + 1;
		if (!is_word(line.p[i]) && line.p[i] != '"' && line.p[i] != '\'' &&
		    line.p[i] != ':')
			from = i + 1;
	}
	return SIZE_MAX;
}

bool looks_secret(struct str word)
{
	static const char *const begins[] = {"sk-",  "gsk_", "hf_", "xai-", "pplx-", "ghp_",
					     "AIza", "eyJ",  "r8_", "pk-",  "nvapi-"};

	for (size_t i = 0; i < COUNT(begins); i++)
		if (word.n >= 8 && str_starts(word, str_z(begins[i])))
			return true;
	return false;
}

static void put_safe(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool c1 = c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0;
		if (c1)
			i++;
		buf_put_char(out, c1 || (c < 0x20 && c != '\t') || c == 0x7f ? '?' : (char)c);
	}
}

/* Whether byte i stands between "://" and "@". */
static bool in_userinfo(struct str line, size_t i)
{
	size_t from = i, to = i;

	while (from > 0 && line.p[from - 1] != ' ' && line.p[from - 1] != '/')
		from--;
	while (to < line.n && line.p[to] != ' ' && line.p[to] != '/' && line.p[to] != '@')
		to++;
	return to < line.n && line.p[to] == '@' && from >= 3 && line.p[from - 2] == '/' &&
	       line.p[from - 3] == ':';
}

/* The line with every word masked that looks like a secret, and all behind a secret key. The
 * masks are as long as what they hide, so that the caret still points. */
static void put_masked(struct buf *out, struct str line)
{
	size_t end = secret_value(line) < line.n ? secret_value(line) : line.n;
	struct str rest = str_skip(line, end);
	bool is_reference = str_find(rest, STR("os.environ/")) != SIZE_MAX;

	for (size_t i = 0; i < end;) {
		size_t n = 1;
		while (i + n < end && is_word(line.p[i + n]) == is_word(line.p[i]))
			n++;
		struct str word = str_of(line.p + i, n);
		if (looks_secret(word) || in_userinfo(line, i))
			for (size_t k = 0; k < word.n; k++)
				buf_put_char(out, '*');
		else
			put_safe(out, word);
		i += word.n;
	}
	if (is_reference)
		put_safe(out, rest);
	else if (str_trim(rest).n > 0)
		buf_put_z(out, " ********");
}

/* Whether the line before ends in a secret's key, so that this one is its value. */
static bool continues_a_secret(const struct place *at, struct str line)
{
	size_t before = (size_t)(line.p - at->file->text.p);
	const struct place p = {.file = at->file, .at = before ? (uint32_t)before - 1 : 0};

	if (before == 0)
		return false;
	struct str above = line_of(&p);
	size_t from = secret_value(above);
	return from <= above.n && str_trim(str_skip(above, from)).n == 0;
}

static void put_source(struct reader *r, const struct place *at)
{
	struct buf *out = &r->c->complaints;
	struct str line = line_of(at);
	size_t before = (size_t)(at->file->text.p + at->at - line.p);

	if (line.n > LINE_SHOWN || !str_is_utf8(line))
		return;
	if (continues_a_secret(at, line))
		buf_put_z(out, "********");
	else
		put_masked(out, line);
	buf_put_char(out, '\n');
	for (size_t i = 0; i < before && i < line.n; i++)
		if ((line.p[i] & 0xc0) != 0x80)
			buf_put_char(out, line.p[i] == '\t' ? '\t' : ' ');
	buf_put_z(out, r->over->colour ? "\033[1;32m^" : "^");
	for (size_t i = before + 1; i < line.n && i < before + at->span; i++)
		if ((line.p[i] & 0xc0) != 0x80)
			buf_put_char(out, '~');
	buf_put_z(out, r->over->colour ? "\033[0m\n" : "\n");
}

static void put_place(struct buf *out, const struct place *at)
{
	put_safe(out, at->file->path);
	if (at->line)
		buf_printf(out, ":%u:%u", at->line, place_column(at));
	buf_put_z(out, ": ");
}

static void put_text(struct reader *r, enum complaint_code code, const struct place *at,
		     struct str message)
{
	struct buf *out = &r->c->complaints;
	const char *word = code ? "warning" : "error";

	if (at && at->file)
		put_place(out, at);
	else
		buf_put_z(out, "llmgw: ");
	if (r->over->colour)
		buf_printf(out, "\033[1;%sm%s:\033[0m ", code ? "35" : "31", word);
	else
		buf_printf(out, "%s: ", word);
	put_safe(out, message);
	if (code)
		buf_printf(out, " [%s]", codes[code]);
	buf_put_char(out, '\n');
	if (at && at->file && at->line)
		put_source(r, at);
	if (at && at->file && at->file->from)
		buf_printf(out, "  (" STR_FMT " is included by " STR_FMT ":%u)\n",
			   STR_ARG(at->file->path), STR_ARG(at->file->from->path),
			   at->file->from_line);
}

static void add_to_list(struct reader *r, enum complaint_code code, const struct place *at,
			struct str message)
{
	struct config *c = r->c;
	struct config_complaint *one;

	if (!c->list) {
		c->list = keep_array(r, ERRORS_SHOWN + WARNINGS_SHOWN, sizeof *c->list);
		if (!c->list)
			return;
	}
	MUST(c->n_list < ERRORS_SHOWN + WARNINGS_SHOWN);
	one = &c->list[c->n_list++];
	*one = (struct config_complaint){
		.is_error = !code, .code = codes[code], .message = keep(r, message)};
	if (!at || !at->file)
		return;
	one->file = keep(r, at->file->path);
	one->line = at->line;
	one->column = at->line ? place_column(at) : 0;
	one->end_column = one->column + (at->span > 1 ? at->span - 1 : 0);
}

/* An object of the database that is not right is left out, and the rest is served; one that is
 * about to get there is refused for the first thing that is wrong with it. */
static enum complaint_code judge_object(struct reader *r, enum complaint_code code,
					const struct place *at, struct str message)
{
	const struct config_object *o = at && at->file ? at->file->object : NULL;
	bool is_wrong = !code || code == W_MODEL_SKIPPED;

	if (!o || !is_wrong)
		return code;
	r->c->n_unfit++;
	if (o->is_new && !r->c->unfit.n)
		r->c->unfit = keep(r, message);
	return code ? code : W_STORED;
}

/* In an object there are no lines to point at. */
static int put_field(char *text, size_t room, const struct place *at)
{
	struct str field = at && at->file ? shown(at->file->field) : STR_NONE;

	text[0] = '\0';
	return field.n ? snprintf(text, room, STR_FMT ": ", STR_ARG(field)) : 0;
}

void complain(struct reader *r, enum complaint_code code, const struct place *at, const char *fmt,
	      ...)
{
	char text[MESSAGE_MAX];
	va_list ap;
	int n;

	n = put_field(text, sizeof text, at);
	va_start(ap, fmt);
	n += vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
	va_end(ap);
	MUST(n >= 0);
	struct str message = {text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1};
	while (!str_is_utf8(message) && message.n > 0)
		message.n--;
	code = judge_object(r, code, at, message);
	if (code ? r->c->n_warnings++ >= WARNINGS_SHOWN : r->c->n_errors++ >= ERRORS_SHOWN)
		return;
	add_to_list(r, code, at, message);
	if (!code || !r->over->quiet_warnings)
		put_text(r, code, at, message);
}

bool complaints_full(const struct reader *r, enum complaint_code code)
{
	return code ? r->c->n_warnings >= WARNINGS_SHOWN : r->c->n_errors >= ERRORS_SHOWN;
}

void complain_known(struct reader *r, const struct known_key *k, const struct yaml *y)
{
	complain(r, W_NOT_ACTED_ON, &y->key_place, "llmgw does not act on '" STR_FMT "' yet%s%s",
		 STR_ARG(shown(y->key)), k->note ? ": " : "", k->note ? k->note : "");
}

void complain_end(struct reader *r)
{
	struct config *c = r->c;

	if (c->n_errors > ERRORS_SHOWN)
		buf_printf(&c->complaints, "llmgw: %u more errors are not shown\n",
			   c->n_errors - ERRORS_SHOWN);
	if (c->n_warnings > WARNINGS_SHOWN && !r->over->quiet_warnings)
		buf_printf(&c->complaints, "llmgw: %u more warnings are not shown\n",
			   c->n_warnings - WARNINGS_SHOWN);
}
