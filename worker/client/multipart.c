/* SPDX-License-Identifier: MIT
 * multipart.c - see multipart.h. */
#include "worker/client/multipart.h"

#include <errno.h>

enum { BOUNDARY_MAX = 70 };

/* ---- the header that names the boundary --------------------------------------------------- */

static bool is_boundary(struct str s)
{
	static const char others[] = "'()+_,-./:=? ";
	if (s.n == 0 || s.n > BOUNDARY_MAX || s.p[s.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool plain =
			(c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!plain && (!c || !strchr(others, c)))
			return false;
	}
	return true;
}

/* The next "; name=value" of a header. False: there is none, or it is not well-formed, and then
 * *rest is not empty. */
static bool next_param(struct str *rest, struct str *ret_name, struct str *ret_value)
{
	struct str s = str_trim(*rest);
	*rest = s;
	if (s.n == 0 || s.p[0] != ';')
		return false;
	s = str_trim(str_skip(s, 1));
	size_t equals = str_find_char(s, '=');
	if (equals == SIZE_MAX || equals == 0)
		return false;
	*ret_name = str_of(s.p, equals);
	s = str_skip(s, equals + 1);
	if (s.n && s.p[0] == '"') {
		s = str_skip(s, 1);
		size_t quote = str_find_char(s, '"');
		if (quote == SIZE_MAX)
			return false;
		*ret_value = str_of(s.p, quote);
		*rest = str_skip(s, quote + 1);
		return str_find_char(*ret_value, '\\') == SIZE_MAX;
	}
	size_t end = str_find_char(s, ';');
	end = end == SIZE_MAX ? s.n : end;
	*ret_value = str_trim(str_of(s.p, end));
	*rest = str_skip(s, end);
	return ret_value->n > 0;
}

bool multipart_open(struct multipart *m, struct str content_type, struct str body)
{
	const struct str type = STR("multipart/form-data");
	struct str rest = str_trim(content_type), name, value, boundary = STR_NONE;
	if (!str_starts_nocase(rest, type))
		return false;
	rest = str_skip(rest, type.n);
	while (next_param(&rest, &name, &value)) {
		if (!str_eq_nocase(name, STR("boundary")))
			continue;
		if (boundary.p)
			return false;
		boundary = value;
	}
	if (rest.n || !is_boundary(boundary))
		return false;
	*m = (struct multipart){ .body = body, .boundary = boundary };
	return true;
}

/* ---- boundaries ---------------------------------------------------------------------------- */

/* Whether "--boundary" stands at `at`; *ret_end: behind its line, *ret_last: it is the last. */
static bool is_delimiter(const struct multipart *m, size_t at, size_t *ret_end, bool *ret_last)
{
	struct str s = str_skip(m->body, at);
	if (!str_starts(s, STR("--")) || !str_starts(str_skip(s, 2), m->boundary))
		return false;
	size_t i = 2 + m->boundary.n;
	*ret_last = str_starts(str_skip(s, i), STR("--"));
	if (*ret_last)
		i += 2;
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	if (str_starts(str_skip(s, i), STR("\r\n")))
		i += 2;
	else if (!*ret_last || i < s.n)
		return false;
	*ret_end = at + i;
	return true;
}

/* Where the part that begins at `from` ends: before the CR LF of the next boundary. */
static bool find_end(const struct multipart *m, size_t from, size_t *ret_end, size_t *ret_next,
		     bool *ret_last)
{
	while (from + 2 <= m->body.n) {
		struct str rest = str_skip(m->body, from);
		const char *cr = memmem(rest.p, rest.n, "\r\n--", 4);
		if (!cr)
			return false;
		size_t at = (size_t)(cr - m->body.p);
		if (is_delimiter(m, at + 2, ret_next, ret_last)) {
			*ret_end = at;
			return true;
		}
		from = at + 2;
	}
	return false;
}

/* ---- heads of parts ------------------------------------------------------------------------ */

static bool read_disposition(struct str value, struct multipart_part *p)
{
	const struct str word = STR("form-data");
	struct str name;
	if (p->name.p || !str_starts_nocase(value, word))
		return false;
	struct str rest = str_skip(value, word.n), text;
	while (next_param(&rest, &name, &text)) {
		if (str_eq_nocase(name, STR("name"))) {
			if (p->name.p)
				return false;
			p->name = text;
		} else if (str_eq_nocase(name, STR("filename"))) {
			p->filename = text;
		} else if (str_starts_nocase(name, STR("name"))) {
			return false;		/* name*=: another name for who reads it */
		}
	}
	return rest.n == 0 && p->name.p;
}

static bool is_plain_encoding(struct str v)
{
	return str_eq_nocase(v, STR("7bit")) || str_eq_nocase(v, STR("8bit")) ||
	       str_eq_nocase(v, STR("binary"));
}

static bool read_line(struct str line, struct multipart_part *p)
{
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 0x20 && line.p[i] != '\t')
			return false;
	struct str value = line, name = str_cut(&value, ':');
	if (!value.p || name.n == 0 || name.p[0] == ' ' || name.p[0] == '\t' ||
	    name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t')
		return false;
	value = str_trim(value);
	if (str_eq_nocase(name, STR("content-disposition")))
		return read_disposition(value, p);
	if (str_eq_nocase(name, STR("content-transfer-encoding")))
		return is_plain_encoding(value);
	return true;
}

/* Reads lines up to the empty one; *at: behind it. */
static bool read_head(const struct multipart *m, size_t *at, struct multipart_part *p)
{
	size_t start = *at;
	for (;;) {
		struct str rest = str_skip(m->body, *at);
		if (rest.n > MULTIPART_HEAD_MAX)
			rest.n = MULTIPART_HEAD_MAX;
		size_t end = str_find(rest, STR("\r\n"));
		if (end == SIZE_MAX || *at - start + end > MULTIPART_HEAD_MAX)
			return false;
		*at += end + 2;
		if (end == 0)
			return p->name.p != NULL;
		if (!read_line(str_of(rest.p, end), p))
			return false;
	}
}

int multipart_next(struct multipart *m, struct multipart_part *ret)
{
	struct multipart_part p = { 0 };
	size_t end, next;
	if (m->parts == 0 && !is_delimiter(m, 0, &m->at, &m->is_over))
		return -EBADMSG;
	if (m->is_over)
		return m->at == m->body.n ? 0 : -EBADMSG;
	if (m->parts++ == MULTIPART_PARTS_MAX)
		return -EBADMSG;
	size_t at = m->at;
	/* The empty line's end may be the one before the boundary: then there is no value. */
	if (!read_head(m, &at, &p) || !find_end(m, at - 2, &end, &next, &m->is_over))
		return -EBADMSG;
	p.value = str_of(m->body.p + at, end < at ? 0 : end - at);
	p.from = m->line;
	p.to = m->line = end + 2;
	m->at = next;
	*ret = p;
	return 1;
}
