/* SPDX-License-Identifier: MIT
 * spend_export.c - `spend export`: everything between two days, a page at a time.
 *
 * A page says where the next one begins, so that neither side ever holds more than one. Single
 * requests come in the order in which they began; FOCUS has a charge for each row of spend_daily
 * and each list of tags in it. */
#include <errno.h>
#include <stdio.h>

#include "master/command_job.h"
#include "master/master.h"
#include "master/spend_private.h"

enum { PAGE_ROWS = 1000, PAGE_BYTES = 8 << 20, CURSOR_PARTS = 9, CURSOR_ROOM = 220 };

enum format { FORMAT_CSV, FORMAT_JSONL, FORMAT_FOCUS };

struct export_call {
	struct spend_rows of;		/* first: spend_start_rows() */
	struct spend_range range;
	enum format format;
	bool has_cursor;
	int64_t cursor[CURSOR_PARTS];
	struct buf text;
	uint64_t rows;
	int64_t at_ns;			/* how far it got */
	bool has_more;
};

/* ---- cursors: numbers with points between them ---- */

static int parts_of(enum format f)
{
	return f == FORMAT_FOCUS ? 8 : 2;
}

static bool read_cursor(struct export_call *ec, struct str s)
{
	int n = parts_of(ec->format);
	for (int i = 0; i < n; i++)
		if (str_read_i64(str_cut(&s, '.'), &ec->cursor[i]) != 0)
			return false;
	ec->has_cursor = true;
	return s.n == 0;
}

static void put_cursor(struct json_out *o, const struct export_call *ec)
{
	char text[CURSOR_ROOM];
	size_t n = 0;
	if (!ec->has_more) {
		json_put_null(o, "next");
		return;
	}
	for (int i = 0; i < parts_of(ec->format); i++)
		n += (size_t)snprintf(text + n, sizeof text - n, i ? ".%lld" : "%lld",
				      (long long)ec->cursor[i]);
	json_put_str(o, "next", str_of(text, n));
}

/* ---- single requests ---- */

static int requests_page(struct export_call *ec, struct store_db *db)
{
	struct sql *q = sql_query(db,
		"SELECT " SPEND_LOG_ROW " WHERE l.start_ns >= ?1 AND l.start_ns < ?2 AND"
		" (l.start_ns > ?1 OR l.id > ?3) ORDER BY l.start_ns, l.id LIMIT ?4");
	int r = 0;
	if (!ec->has_cursor) {
		ec->cursor[0] = (int64_t)ec->range.from_ns;
		ec->cursor[1] = 0;
		if (ec->format == FORMAT_CSV)
			buf_put_z(&ec->text, spend_row_csv_head);
	}
	sql_int(q, 1, ec->cursor[0]);
	sql_int(q, 2, (int64_t)ec->range.to_ns);
	sql_int(q, 3, ec->cursor[1]);
	sql_int(q, 4, PAGE_ROWS);
	while (!(ec->has_more = ec->text.n > PAGE_BYTES) && (r = sql_row(q)) > 0) {
		struct json_out line = json_out(&ec->text);
		if (ec->format == FORMAT_CSV)
			spend_row_put_csv(&ec->text, q);
		else
			spend_row_put(&line, q, db, &ec->of);
		if (ec->format == FORMAT_JSONL)
			buf_put_char(&ec->text, '\n');
		ec->at_ns = ec->cursor[0] = spend_row_start_ns(q);
		ec->cursor[1] = spend_row_id(q);
		ec->rows++;
	}
	if (ec->has_more)
		sql_end(q);
	ec->has_more |= ec->rows == PAGE_ROWS;
	return r < 0 ? r : 0;
}

/* ---- FOCUS ---- */

static int focus_page(struct export_call *ec, struct store_db *db)
{
	struct sql *q = spend_focus_query(db, ec->has_cursor ? ec->cursor : NULL,
					  ec->range.first_day, ec->range.last_day, PAGE_ROWS);
	int r;
	if (!ec->has_cursor)
		spend_focus_put_head(&ec->text);
	while ((r = sql_row(q)) > 0) {
		int err = spend_focus_put(&ec->text, db, q, ec->cursor);
		if (err) {
			sql_end(q);
			return err;
		}
		ec->at_ns = ec->cursor[0] * 86400 * 1000000000;
		ec->rows++;
	}
	ec->has_more = ec->rows == PAGE_ROWS;
	return r;
}

/* ---- a page ---- */

static int export_job(struct store_db *db, void *data)
{
	struct export_call *ec = data;
	struct json_out o = json_out(&ec->of.c->out);
	buf_init(&ec->text, ec->of.c->out.cap / 2);
	int err = ec->format == FORMAT_FOCUS ? focus_page(ec, db) : requests_page(ec, db);
	json_open(&o, NULL);
	json_put_str(&o, "text", ec->text.n ? buf_str(&ec->text) : STR(""));
	put_cursor(&o, ec);
	json_put_u64(&o, "rows", ec->rows);
	json_put_time(&o, "at", (uint64_t)ec->at_ns);
	json_close(&o);
	if (!err && ec->text.failed)
		err = -ENOMEM;
	buf_done(&ec->text);
	return err;
}

/* ---- arguments; false: answered ---- */

static bool take_format(struct export_call *ec)
{
	static const char *const names[] = {
		[FORMAT_CSV] = "csv", [FORMAT_JSONL] = "jsonl", [FORMAT_FOCUS] = "focus",
	};
	struct str s = STR("csv");
	if (command_str(ec->of.c, "format", &s) == -EINVAL)
		return false;
	for (unsigned i = 0; i < COUNT(names); i++)
		if (str_eq_z(s, names[i])) {
			ec->format = (enum format)i;
			return true;
		}
	command_fail(ec->of.c, 400, "invalid_request_error", "format",
		     "format is csv, jsonl or focus");
	return false;
}

static bool take_cursor(struct export_call *ec)
{
	struct str s;
	int err = command_str(ec->of.c, "cursor", &s);
	if (err)
		return err == -ENOENT;
	if (read_cursor(ec, s))
		return true;
	command_fail(ec->of.c, 400, "invalid_request_error", "cursor",
		     "cursor must be `next` of the page before");
	return false;
}

static bool take_texts(struct export_call *ec)
{
	if (!texts_wanted(ec->of.c, false, &ec->of.texts))
		return false;
	if (!ec->of.texts || ec->format == FORMAT_JSONL)
		return true;
	command_fail(ec->of.c, 400, "invalid_request_error", "texts", "texts go with format jsonl");
	return false;
}

void spend_export(struct command_call *c)
{
	struct export_call *ec = command_state(c, sizeof *ec);
	if (!ec)
		return;
	ec->range.last_day = 50000;	/* in the year 2106 */
	if (take_format(ec) && spend_take_days(c, "start", "end", &ec->range) && take_cursor(ec) &&
	    take_texts(ec))
		spend_start_rows(c, export_job, &ec->of);
}
