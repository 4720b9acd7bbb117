/* SPDX-License-Identifier: MIT
 * http_out.c - the text of answers. Names are lower-case, as HTTP/2 wants them; the answer's
 * version is always 1.1, whatever the request's (RFC 9110, 6.2). */
#include "worker/client/http_out.h"

#include <time.h>

#include "worker/client/http_check.h"

/* clang-format off */
static const struct status_row {
	int status;
	const char *text;
} status_rows[] = {		/* in ascending order (RFC 9110, 15) */
	{ 100, "Continue" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 424, "Failed Dependency" },
	{ 425, "Too Early" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 451, "Unavailable For Legal Reasons" },
	{ 499, "Client Closed Request" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
	{ 529, "Overloaded" },
};
/* clang-format on */

const char *http_status_text(int status)
{
	for (size_t i = 0; i < COUNT(status_rows); i++)
		if (status_rows[i].status == status)
			return status_rows[i].text;
	return "";
}

/* Lines that decide the framing or are written here: nobody else may send them. */
static bool is_reserved(struct str name)
{
	static const char *const names[] = { "content-length", "transfer-encoding", "connection",
					     "keep-alive", "date", "upgrade", "trailer" };
	if (name.n < 4 || name.n > 17 || !strchr("ctkduCTKDU", name.p[0]))
		return false;		/* none of these is so long or begins so */
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq_nocase(name, str_z(names[i])))
			return true;
	return false;
}

static bool is_header(struct str name, struct str value)
{
	return http_is_token(name) && http_is_value(value) && !is_reserved(name);
}

bool http_put_header(struct buf *out, const char *name, struct str value)
{
	if (!is_header(str_z(name), value))
		return false;
	buf_put_z(out, name);
	BUF_PUT_LIT(out, ": ");
	buf_put(out, value);
	BUF_PUT_LIT(out, "\r\n");
	return true;
}

/* Where the line's CRLF begins. A lone CR or LF is part of the line, which is then refused. */
static size_t line_end(struct str lines)
{
	if (lines.n == 0)
		return SIZE_MAX;
	for (const char *at = lines.p, *end = lines.p + lines.n; at && at + 1 < end; at++) {
		at = memchr(at, '\r', (size_t)(end - at));
		if (!at || at + 1 >= end)
			return SIZE_MAX;
		if (at[1] == '\n')
			return (size_t)(at - lines.p);
	}
	return SIZE_MAX;
}

/* The bytes of a well-formed line with its end, that s begins with; 0: it is none. */
static size_t good_line(struct str s)
{
	size_t name = http_token_run(s);
	if (name == 0 || name == s.n || s.p[name] != ':')
		return 0;
	size_t n = name + 1 + http_value_run(str_skip(s, name + 1));
	if (s.n - n < 2 || s.p[n] != '\r' || s.p[n + 1] != '\n' || is_reserved(str_of(s.p, name)))
		return 0;
	return n + 2;
}

/* Copies the lines that are well formed, runs of them at once; a last one without its end is left
 * out. */
static void put_lines(struct buf *out, struct str lines)
{
	const char *from = lines.p;
	while (lines.n > 0) {
		size_t n = good_line(lines);
		if (n == 0) {
			buf_put(out, str_of(from, (size_t)(lines.p - from)));
			size_t end = line_end(lines);
			lines = str_skip(lines, end == SIZE_MAX ? lines.n : end + 2);
			from = lines.p;
			continue;
		}
		lines = str_skip(lines, n);
	}
	buf_put(out, str_of(from, (size_t)(lines.p - from)));
}

static void put_framing(struct buf *out, const struct http_out_head *head)
{
	if (head->framing == HTTP_BY_LENGTH) {
		BUF_PUT_LIT(out, "content-length: ");
		buf_put_u64(out, head->length);
		BUF_PUT_LIT(out, "\r\n");
	} else if (head->framing == HTTP_BY_CHUNKS) {
		BUF_PUT_LIT(out, "transfer-encoding: chunked\r\n");
	}
	if (!head->keep_alive)
		BUF_PUT_LIT(out, "connection: close\r\n");
	else if (head->version_minor == 0)
		BUF_PUT_LIT(out, "connection: keep-alive\r\n");
}

void http_out_head(struct buf *out, const struct http_out_head *head)
{
	MUST(head->status >= 100 && head->status <= 999);
	BUF_PUT_LIT(out, "HTTP/1.1 ");
	buf_put_u64(out, (uint64_t)head->status);
	buf_put_char(out, ' ');
	buf_put_z(out, http_status_text(head->status));
	BUF_PUT_LIT(out, "\r\ndate: ");
	buf_put(out, head->date);
	BUF_PUT_LIT(out, "\r\n");
	put_lines(out, head->headers);
	put_framing(out, head);
	BUF_PUT_LIT(out, "\r\n");
}

void http_out_error(struct buf *out, int status, const char *message)
{
	BUF_PUT_LIT(out, "{\"error\":{\"message\":\"");
	buf_put_z(out, message);
	BUF_PUT_LIT(out, "\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"");
	buf_put_u64(out, (uint64_t)status);
	BUF_PUT_LIT(out, "\"}}");
}

struct str http_out_chunk_head(char *room, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	char *at = room + HTTP_CHUNK_HEAD_BYTES, *end = at;
	*--at = '\n';
	*--at = '\r';
	do {
		*--at = hex[n & 15];
		n >>= 4;
	} while (n);
	return str_of(at, (size_t)(end - at));
}

static void put_two(char *at, int v)
{
	at[0] = (char)('0' + v / 10 % 10);
	at[1] = (char)('0' + v % 10);
}

struct str http_out_date(char room[HTTP_DATE_BYTES], uint64_t wall_s)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t s = (time_t)wall_s;
	struct tm t;
	if (!gmtime_r(&s, &t))
		t = (struct tm){ .tm_mday = 1, .tm_year = 70, .tm_wday = 4 };
	memcpy(room, "Sun, 06 Nov 1994 08:49:37 GMT", HTTP_DATE_BYTES);
	memcpy(room, days + 3 * t.tm_wday, 3);
	put_two(room + 5, t.tm_mday);
	memcpy(room + 8, months + 3 * t.tm_mon, 3);
	put_two(room + 12, (t.tm_year + 1900) / 100);
	put_two(room + 14, t.tm_year % 100);
	put_two(room + 17, t.tm_hour);
	put_two(room + 20, t.tm_min);
	put_two(room + 23, t.tm_sec);
	return str_of(room, HTTP_DATE_BYTES);
}
