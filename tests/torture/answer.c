/* SPDX-License-Identifier: MIT
 * answer.c - see answer.h. */
#include "tests/torture/answer.h"

#include "common/arena.h"
#include "common/json.h"

struct str answer_header(const struct answer *a, const char *name)
{
	struct str rest = a->head;
	while (rest.n) {
		struct str value = str_cut(&rest, '\n'), key = str_cut(&value, ':');
		if (str_eq_z(key, name)) {
			value = str_trim(value);
			return str_of(value.p, value.n - (value.n && value.p[value.n - 1] == '\r'));
		}
	}
	return STR_NONE;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Walks over the chunks at the front of p, and joins them where told. *ret_taken: the bytes that
 * they took with their frames. */
static enum answer_state walk_chunks(char *p, size_t n, bool join, size_t *ret_joined,
				     size_t *ret_taken)
{
	size_t at = 0, joined = 0;
	for (;;) {
		size_t size = 0, begin = at;
		while (at < n && hex_digit(p[at]) >= 0)
			size = size * 16 + (size_t)hex_digit(p[at++]);
		if (n - at < 2)
			return ANSWER_PART;
		if (at == begin || p[at] != '\r' || p[at + 1] != '\n')
			return ANSWER_WRONG;
		at += 2;
		if (n - at < 2 || n - at - 2 < size)
			return ANSWER_PART;
		if (p[at + size] != '\r' || p[at + size + 1] != '\n')
			return ANSWER_WRONG;
		if (join)
			memmove(p + joined, p + at, size);
		joined += size;
		at += size + 2;
		if (size == 0)
			break;
	}
	*ret_joined = joined;
	*ret_taken = at;
	return ANSWER_COMPLETE;
}

static enum answer_state read_body(char *p, size_t n, bool has_end, bool no_body, struct answer *a,
				   size_t *ret_taken)
{
	struct str length = answer_header(a, "content-length");
	bool has_chunks = str_eq(answer_header(a, "transfer-encoding"), STR("chunked"));
	uint64_t wanted = 0;
	*ret_taken = 0;
	if (length.p && (has_chunks || str_read_u64(length, &wanted) != 0))
		return ANSWER_WRONG;
	if (no_body || a->status == 204)
		return ANSWER_COMPLETE;
	if (has_chunks) {
		size_t joined = 0;
		enum answer_state s = walk_chunks(p, n, false, &joined, ret_taken);
		if (s == ANSWER_COMPLETE)
			walk_chunks(p, n, true, &joined, ret_taken);
		a->body = str_of(p, joined);
		return s;
	}
	if (!length.p) {
		a->body = str_of(p, *ret_taken = n);
		return has_end ? ANSWER_COMPLETE : ANSWER_PART;
	}
	a->body = str_of(p, *ret_taken = (size_t)wanted);
	return n >= wanted ? ANSWER_COMPLETE : ANSWER_PART;
}

enum answer_state answer_read(char **p, size_t *n, bool has_end, bool no_body, struct answer *ret)
{
	size_t taken;
	for (;;) {
		struct str all = str_of(*p, *n);
		size_t head = str_find(all, STR("\r\n\r\n"));
		uint64_t status;
		if (*n == 0)
			return ANSWER_NOTHING;
		if (!str_starts(all, str_of("HTTP/1.1 ", all.n < 9 ? all.n : 9)))
			return ANSWER_WRONG;
		if (head == SIZE_MAX)
			return ANSWER_PART;
		if (head < 12 || str_read_u64(str_of(*p + 9, 3), &status) != 0)
			return ANSWER_WRONG;
		*ret = (struct answer){ .status = (int)status, .head = str_of(*p, head + 2) };
		*p += head + 4;
		*n -= head + 4;
		if (status != 100)
			break;
	}
	enum answer_state s = read_body(*p, *n, has_end, no_body, ret, &taken);
	if (s == ANSWER_COMPLETE) {
		*p += taken;
		*n -= taken;
	}
	return s;
}

static bool is_json(struct str s)
{
	struct json_error error;
	struct arena *a = arena_new(64 << 20);
	MUST(a);
	bool good = json_parse(a, s, 0, &error) != NULL;
	arena_free(a);
	return good;
}

/* Takes the name off an event that has one. */
static struct str cut_name(struct str *event)
{
	struct str name = STR("");
	if (str_starts(*event, STR("event: ")))
		name = str_skip(str_cut(event, '\n'), 7);
	return name;
}

static bool ends_response(struct str name)
{
	return str_eq(name, STR("response.completed")) || str_eq(name, STR("response.incomplete")) ||
	       str_eq(name, STR("response.failed"));
}

/* Behind an error there may be a response that says that it has failed. */
static const char *stream_flaw(struct str s)
{
	bool is_over = false, may_end = false;
	while (s.n) {
		size_t end = str_find(s, STR("\n\n"));
		if (end == SIZE_MAX)
			return "an event without its end";
		struct str event = str_of(s.p, end);
		s = str_skip(s, end + 2);
		if (str_starts(event, STR(":")))
			continue;
		if (is_over)
			return "an event after the last one";
		struct str name = cut_name(&event);
		if (!str_starts(event, STR("data: ")))
			return "an event without data";
		event = str_skip(event, 6);
		is_over = str_eq(event, STR("[DONE]"));
		if (!is_over && !is_json(event))
			return "an event that is no JSON";
		is_over = is_over || str_starts(event, STR("{\"error\":")) || ends_response(name);
		may_end = str_eq(name, STR("error"));
	}
	return is_over || may_end ? NULL : "a stream that ends without [DONE] or an error";
}

const char *answer_flaw(const struct answer *a)
{
	struct str type = answer_header(a, "content-type");
	if (str_starts(type, STR("application/json")) && a->body.n)
		return is_json(a->body) ? NULL : "a body that should be JSON";
	if (str_starts(type, STR("text/event-stream")) && a->body.n)
		return stream_flaw(a->body);
	if (!type.p && a->body.n && a->status != 101 && !str_eq(a->body, STR("OK")))
		return "a body without a type";
	return NULL;
}
