/* SPDX-License-Identifier: MIT
 * ctl_table.c - rows as an aligned table, by libsmartcols. Its own escaping is off, because
 * every cell has been escaped more thoroughly before. */
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>

#include "master/ctl.h"

enum { CELL_MAX = 1 << 20, NO_LIMIT = 100000 };
#define BOLD "\033[1m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"

/* A state's colour; the word itself says the same, for who sees no colours. */
static const char *color_of(struct str s)
{
	static const struct {
		const char *word, *color;
	} words[] = {
		{ "ok", GREEN }, { "up", GREEN }, { "healthy", GREEN }, { "running", GREEN },
		{ "ready", GREEN }, { "serving", GREEN }, { "success", GREEN },
		{ "degraded", YELLOW }, { "cooling", YELLOW }, { "cooldown", YELLOW },
		{ "draining", YELLOW }, { "starting", YELLOW }, { "stopping", YELLOW },
		{ "down", RED }, { "unhealthy", RED }, { "failed", RED }, { "failure", RED },
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

static int add_column(struct libscols_table *tb, const struct command_column *col,
		      const struct ctl_look *look)
{
	bool is_number = col->kind == COL_INT || col->kind == COL_MONEY;
	bool may_cut = look->width && (col->kind == COL_TEXT || col->kind == COL_LIST);
	struct libscols_column *cl = scols_table_new_column(
		tb, col->title, 0,
		(is_number ? SCOLS_FL_RIGHT : 0) | (may_cut ? SCOLS_FL_TRUNC : 0));
	if (!cl)
		return -ENOMEM;
	return look->colors ? scols_cell_set_color(scols_column_get_header(cl), BOLD) : 0;
}

static int add_cell(struct libscols_line *line, size_t i, struct buf *text,
		    const struct ctl_look *look)
{
	const char *color = look->colors ? color_of(buf_str(text)) : NULL;
	const char *z = buf_z(text);
	int r = z ? scols_line_set_data(line, i, z) : -ENOMEM;
	if (r == 0 && color)
		r = scols_cell_set_color(scols_line_get_cell(line, i), color);
	return r;
}

/* A row that is no object stands in the first column of text. */
static const struct json *cell_of(const struct json *row, const struct command_column *cols,
				  size_t i)
{
	size_t first = 0;
	if (row->type == JSON_OBJECT)
		return json_get_path(row, cols[i].path);
	while (cols[first].title && cols[first].kind != COL_TEXT)
		first++;
	return i == first ? row : NULL;
}

static int add_row(struct libscols_table *tb, struct arena *a, const struct command_column *cols,
		   const struct json *row, const struct ctl_look *look)
{
	struct libscols_line *line = scols_table_new_line(tb, NULL);
	struct buf text;
	int r = line ? 0 : -ENOMEM;
	buf_init(&text, CELL_MAX);
	for (size_t i = 0; r == 0 && cols[i].title; i++) {
		buf_reset(&text);
		ctl_put_cell(&text, a, &cols[i], cell_of(row, cols, i), look);
		r = add_cell(line, i, &text, look);
	}
	buf_done(&text);
	return r;
}

static int fill(struct libscols_table *tb, struct arena *a, const struct command_column *cols,
		const struct json *rows, const struct ctl_look *look)
{
	int r = 0;
	scols_table_enable_noencoding(tb, 1);
	scols_table_enable_colors(tb, look->colors);
	scols_table_enable_noheadings(tb, !look->headers);
	/* Only what it takes for a terminal is coloured or cut. */
	scols_table_set_termforce(tb, look->width || look->colors ? SCOLS_TERMFORCE_ALWAYS
								  : SCOLS_TERMFORCE_NEVER);
	scols_table_set_termwidth(tb, look->width ? look->width : NO_LIMIT);
	for (size_t i = 0; r == 0 && cols[i].title; i++)
		r = add_column(tb, &cols[i], look);
	for (const struct json *row = rows->child; r == 0 && row; row = row->next)
		r = add_row(tb, a, cols, row, look);
	return r;
}

int ctl_put_table(struct buf *to, struct arena *a, const struct command_column *cols,
		  const struct json *rows, const struct ctl_look *look)
{
	static const cookie_io_functions_t functions = { .write = on_write };
	struct libscols_table *tb = scols_new_table();
	FILE *f = fopencookie(to, "w", functions);
	int r = tb && f ? fill(tb, a, cols, rows, look) : -ENOMEM;
	if (r == 0) {
		scols_table_set_stream(tb, f);
		r = scols_print_table(tb);
	}
	if (f && fclose(f) != 0 && r == 0)
		r = -ENOMEM;
	scols_unref_table(tb);
	return r == 0 && to->failed ? -ENOMEM : r;
}
