/* SPDX-License-Identifier: MIT
 * ctl_table.c - rows as an aligned table, by libsmartcols.
 *
 * Its own escaping and cutting are off: cells come escaped, with nothing in them that this
 * locale cannot print (the library may loop for ever on such bytes), and on a terminal the
 * widest texts are cut first, down to a width at which they still can be told apart. */
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <wchar.h>
#include <wctype.h>

#include "master/ctl.h"

enum {
	CELL_MAX = 1 << 20,
	COLUMNS_MAX = 32,
	WIDTH_LEAST = 10,	/* no text is cut below */
	PROSE_LEAST = 20,	/* nor sentences broken */
	READABLE = 60,		/* where sentences are broken and what is brief is cut */
	NO_LIMIT = 1 << 20	/* columns of a screen that libsmartcols shall think of */
};
#define BOLD "\033[1m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"

struct table {
	struct arena *mem;
	const struct command_column *cols;
	size_t n_cols, n_rows;
	struct str *cells;		/* row by row */
	size_t width[COLUMNS_MAX];	/* of the screen */
	const struct ctl_look *look;
};

/* ---- cells ---- */

/* Appends the first character of s as it can be shown, and drops it from *s. Its width. */
static size_t take_printable(struct buf *to, struct str *s)
{
	static const char hex[] = "0123456789abcdef";
	mbstate_t state = { 0 };
	wchar_t wide;
	size_t n = mbrtowc(&wide, s->p, s->n, &state);
	if (n > 0 && n <= s->n && iswprint((wint_t)wide)) {
		int columns = wcwidth(wide);
		buf_put(to, str_of(s->p, n));
		*s = str_skip(*s, n);
		return columns > 0 ? (size_t)columns : 0;
	}
	unsigned char c = (unsigned char)s->p[0];
	char text[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };
	buf_put(to, str_of(text, sizeof text));
	*s = str_skip(*s, 1);
	return sizeof text;
}

static size_t make_printable(struct buf *to, struct str s)
{
	size_t width = 0;
	while (s.n)
		width += take_printable(to, &s);
	return width;
}

/* A row that is no object stands in the first column of text. */
static const struct json *value_of(const struct json *row, const struct command_column *cols,
				   size_t i)
{
	size_t first = 0;
	if (row->type == JSON_OBJECT)
		return json_get_path(row, cols[i].path);
	while (cols[first].title && cols[first].kind != COL_TEXT)
		first++;
	return i == first ? row : NULL;
}

static int make_row(struct table *t, const struct json *row, struct str *cells)
{
	struct buf safe, shown;
	int r = 0;
	buf_init(&safe, CELL_MAX);
	buf_init(&shown, 4 * CELL_MAX);
	for (size_t i = 0; r == 0 && i < t->n_cols; i++) {
		buf_reset(&safe);
		buf_reset(&shown);
		ctl_put_cell(&safe, t->mem, &t->cols[i], value_of(row, t->cols, i), t->look);
		size_t width = make_printable(&shown, buf_str(&safe));
		const char *z = buf_z(&shown);
		cells[i] = z ? arena_dup(t->mem, str_of(z, shown.n + 1)) : STR_NONE;
		if (!cells[i].p)
			r = -ENOMEM;
		else
			cells[i].n--;		/* its NUL is kept behind it */
		if (width > t->width[i])
			t->width[i] = width;
	}
	buf_done(&safe);
	buf_done(&shown);
	return r;
}

static int make_cells(struct table *t, const struct json *rows)
{
	size_t at = 0;
	while (t->n_cols < COLUMNS_MAX && t->cols[t->n_cols].title) {
		t->width[t->n_cols] = strlen(t->cols[t->n_cols].title);	/* shown or not */
		t->n_cols++;
	}
	t->n_rows = rows->count;
	t->cells = arena_array(t->mem, t->n_rows * t->n_cols + 1, sizeof *t->cells);
	int r = t->cells ? 0 : -ENOMEM;
	for (const struct json *row = rows->child; r == 0 && row; row = row->next) {
		r = make_row(t, row, t->cells + at);
		at += t->n_cols;
	}
	return r;
}

/* ---- fitting a terminal ---- */

static bool may_cut(const struct table *t, size_t i)
{
	const struct command_column *c = &t->cols[i];
	size_t least = strlen(c->title) > WIDTH_LEAST ? strlen(c->title) : WIDTH_LEAST;
	if (c->kind == COL_PROSE)
		return t->width[i] > PROSE_LEAST;
	return (c->kind == COL_TEXT || c->kind == COL_LIST || c->kind == COL_BRIEF) &&
	       t->width[i] > least;
}

static void fit(struct table *t)
{
	size_t total = t->n_cols;		/* the gaps, and one column left free */
	for (size_t i = 0; i < t->n_cols; i++) {
		bool is_limited = t->cols[i].kind == COL_PROSE || t->cols[i].kind == COL_BRIEF;
		if (is_limited && t->width[i] > READABLE)
			t->width[i] = READABLE;
		total += t->width[i];
	}
	while (t->look->width && total > t->look->width) {
		size_t widest = COLUMNS_MAX;
		for (size_t i = 0; i < t->n_cols; i++)
			if (may_cut(t, i) &&
			    (widest == COLUMNS_MAX || t->width[i] >= t->width[widest]))
				widest = i;
		if (widest == COLUMNS_MAX)
			return;			/* the terminal has to wrap it */
		t->width[widest]--;
		total--;
	}
}

static size_t width_of(struct str s)
{
	struct buf nowhere;
	buf_init(&nowhere, CELL_MAX);
	size_t width = make_printable(&nowhere, s);
	buf_done(&nowhere);
	return width;
}

/* As many characters as fit into a width, off the cell. Their bytes. */
static struct str take_width(struct str *cell, size_t width)
{
	struct buf nowhere;
	struct str whole = *cell;
	buf_init(&nowhere, CELL_MAX);
	for (size_t used = 0; cell->n;) {
		struct str before = *cell;
		used += take_printable(&nowhere, cell);
		if (used > width) {
			*cell = before;
			break;
		}
	}
	buf_done(&nowhere);
	return str_of(whole.p, whole.n - cell->n);
}

/* A line of sentences: as many words as fit, or a part of one that does not. */
static struct str take_line(struct str *cell, size_t width)
{
	struct str rest = *cell, line = take_width(&rest, width);
	size_t at = line.n;
	while (rest.n && rest.p[0] != ' ' && at > 0 && line.p[at - 1] != ' ')
		at--;
	if (at == 0)
		at = line.n ? line.n : cell->n;
	*cell = str_skip(*cell, at);
	while (cell->n && cell->p[0] == ' ')
		*cell = str_skip(*cell, 1);
	return str_trim(str_of(line.p, at));
}

/* What of a cell stands in this line of its row, and is taken off it; the rest of sentences stays.
 * NULL: out of memory. */
static const char *take_cell(struct table *t, size_t column, struct str *cell)
{
	struct str mark = MB_CUR_MAX > 1 ? STR("\xe2\x80\xa6") : STR("~");
	size_t width = t->width[column];
	struct str all = *cell, line;
	if (t->cols[column].kind == COL_PROSE && width_of(all) > width) {
		line = take_line(cell, width);
		return arena_dup_z(t->mem, line);
	}
	*cell = STR("");
	if (width_of(all) <= width)
		return all.n ? all.p : "";	/* a NUL is behind it, or behind what it is the end of */
	line = take_width(&all, width - 1);
	line = arena_printf(t->mem, STR_FMT STR_FMT, STR_ARG(line), STR_ARG(mark));
	return line.p ? arena_dup_z(t->mem, line) : NULL;
}

/* ---- the table ---- */

/* A state's colour; the word itself says the same, for who sees no colours. */
static const char *color_of(struct str s)
{
	static const struct {
		const char *word, *color;
	} words[] = {
		{ "ok", GREEN }, { "up", GREEN }, { "healthy", GREEN }, { "running", GREEN },
		{ "ready", GREEN }, { "serving", GREEN }, { "success", GREEN }, { "warn", YELLOW },
		{ "degraded", YELLOW }, { "cooling", YELLOW }, { "cooldown", YELLOW },
		{ "draining", YELLOW }, { "starting", YELLOW }, { "stopping", YELLOW },
		{ "down", RED }, { "unhealthy", RED }, { "failed", RED }, { "fail", RED }, { "failure", RED },
		{ "error", RED }, { "dead", RED },
	};
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq_z(s, words[i].word))
			return words[i].color;
	return NULL;
}

static ssize_t on_write(void *cookie, const char *p, size_t n)
{
	struct buf *to = cookie;
	buf_put(to, str_of(p, n));
	return to->failed ? 0 : (ssize_t)n;
}

static int add_column(struct libscols_table *tb, const struct command_column *col, bool colors)
{
	bool is_number = col->kind == COL_INT || col->kind == COL_MONEY;
	struct libscols_column *cl =
		scols_table_new_column(tb, col->title, 0, is_number ? SCOLS_FL_RIGHT : 0);
	if (!cl)
		return -ENOMEM;
	return colors ? scols_cell_set_color(scols_column_get_header(cl), BOLD) : 0;
}

/* A line of the table; more says whether the row's sentences go on. */
static int add_line(struct libscols_table *tb, struct table *t, struct str *cells, bool *more)
{
	struct libscols_line *line = scols_table_new_line(tb, NULL);
	int r = line ? 0 : -ENOMEM;
	*more = false;
	for (size_t i = 0; r == 0 && i < t->n_cols; i++) {
		const char *color = t->look->colors ? color_of(cells[i]) : NULL;
		const char *z = take_cell(t, i, &cells[i]);
		r = z ? scols_line_set_data(line, i, z) : -ENOMEM;
		if (r == 0 && color)
			r = scols_cell_set_color(scols_line_get_cell(line, i), color);
		*more |= cells[i].n > 0;
	}
	return r;
}

static int add_row(struct libscols_table *tb, struct table *t, struct str *cells)
{
	bool more = true;
	int r = 0;
	while (r == 0 && more)
		r = add_line(tb, t, cells, &more);
	return r;
}

static int fill(struct libscols_table *tb, struct table *t)
{
	int r = 0;
	bool colors = t->look->colors;
	scols_table_enable_noencoding(tb, 1);
	scols_table_enable_colors(tb, colors);
	scols_table_enable_noheadings(tb, !t->look->headers);
	scols_table_set_termforce(tb, colors ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
	scols_table_set_termwidth(tb, NO_LIMIT);
	for (size_t i = 0; r == 0 && i < t->n_cols; i++)
		r = add_column(tb, &t->cols[i], colors);
	for (size_t i = 0; r == 0 && i < t->n_rows; i++)
		r = add_row(tb, t, t->cells + i * t->n_cols);
	return r;
}

/* The library fills up the last column, too. */
static void trim_lines(struct buf *to, size_t from)
{
	size_t kept = from;
	for (size_t i = from; i < to->n; i++) {
		while (to->p[i] == '\n' && kept > from && to->p[kept - 1] == ' ')
			kept--;
		to->p[kept++] = to->p[i];
	}
	to->n = kept;
}

int ctl_put_table(struct buf *to, struct arena *a, const struct command_column *cols,
		  const struct json *rows, const struct ctl_look *look)
{
	static const cookie_io_functions_t functions = { .write = on_write };
	struct table t = { .mem = a, .cols = cols, .look = look };
	struct libscols_table *tb = scols_new_table();
	FILE *f = fopencookie(to, "w", functions);
	size_t from = to->n;
	int r = tb && f ? make_cells(&t, rows) : -ENOMEM;
	if (r == 0) {
		fit(&t);
		r = fill(tb, &t);
	}
	if (r == 0) {
		scols_table_set_stream(tb, f);
		r = scols_print_table(tb);
	}
	if (f && fclose(f) != 0 && r == 0)
		r = -ENOMEM;
	scols_unref_table(tb);
	if (!to->failed)
		trim_lines(to, from);
	return r == 0 && to->failed ? -ENOMEM : r;
}
