/* SPDX-License-Identifier: MIT
 * ctl_view.c - a JSON answer as lines "name:  value", and JSON with indentation. */
#include "common/json_write.h"
#include "master/ctl.h"

enum { INDENT = 2, NAME_WIDTH_MAX = 36, DEPTH_SHOWN = 8 };

struct view {
	struct buf *to;
	struct arena *mem;
	const struct ctl_look *look;
};

static void put_spaces(struct buf *to, size_t n)
{
	while (n-- > 0)
		buf_put_char(to, ' ');
}

static bool is_tree(const struct json *j)
{
	if (j->type == JSON_OBJECT)
		return j->count > 0;
	if (j->type != JSON_ARRAY)
		return false;
	for (const struct json *e = j->child; e; e = e->next)
		if (e->type == JSON_OBJECT || e->type == JSON_ARRAY)
			return true;
	return false;
}

static bool is_lines(struct arena *a, const struct json *j)
{
	struct str s = j->type == JSON_STRING ? json_str(a, j) : STR("");
	return str_find_char(s, '\n') < s.n;
}

static size_t name_width(const struct json *object)
{
	size_t widest = 0;
	for (const struct json *m = object->child; m; m = m->next)
		if (!is_tree(m) && m->key.n > widest && m->key.n <= NAME_WIDTH_MAX)
			widest = m->key.n;
	return widest;
}

static void put_members(struct view *v, const struct json *object, size_t indent, bool begun);

static void put_elements(struct view *v, const struct json *array, size_t indent)
{
	for (const struct json *e = array->child; e; e = e->next) {
		put_spaces(v->to, indent);
		BUF_PUT_LIT(v->to, "- ");
		if (e->type == JSON_OBJECT && e->count) {
			put_members(v, e, indent + INDENT, true);
			continue;
		}
		ctl_put_scalar(v->to, v->mem, STR(""), e, v->look);
		buf_put_char(v->to, '\n');
	}
}

static void put_tree(struct view *v, const struct json *j, size_t indent)
{
	buf_put_char(v->to, '\n');
	if (indent > INDENT * DEPTH_SHOWN) {
		put_spaces(v->to, indent);
		ctl_put_safe(v->to, j->raw);
		buf_put_char(v->to, '\n');
	} else if (j->type == JSON_OBJECT) {
		put_members(v, j, indent, false);
	} else {
		put_elements(v, j, indent);
	}
}

static void put_lines(struct view *v, struct str text, size_t indent)
{
	static const char spaces[] = "                                ";
	size_t at = sizeof spaces - 1;
	at -= indent < at ? indent : at;
	buf_put_char(v->to, '\n');
	ctl_put_safe_lines(v->to, text, spaces + at);
}

/* begun: the cursor stands where the first name belongs. */
static void put_members(struct view *v, const struct json *object, size_t indent, bool begun)
{
	size_t width = name_width(object);
	for (const struct json *m = object->child; m; m = m->next) {
		put_spaces(v->to, begun ? 0 : indent);
		begun = false;
		size_t name = v->to->n;
		ctl_put_safe(v->to, m->key);
		name = v->to->n - name;
		buf_put_char(v->to, ':');
		if (is_tree(m)) {
			put_tree(v, m, indent + INDENT);
		} else if (is_lines(v->mem, m)) {
			put_lines(v, json_str(v->mem, m), indent + INDENT);
		} else {
			put_spaces(v->to, (name < width ? width - name : 0) + INDENT);
			ctl_put_scalar(v->to, v->mem, m->key, m, v->look);
			buf_put_char(v->to, '\n');
		}
	}
}

void ctl_put_view(struct buf *to, struct arena *a, const struct json *j,
		  const struct ctl_look *look)
{
	struct view v = { to, a, look };
	if (j->type == JSON_OBJECT) {
		put_members(&v, j, 0, false);
	} else if (is_tree(j)) {
		put_elements(&v, j, 0);
	} else {
		ctl_put_scalar(to, a, STR(""), j, look);
		buf_put_char(to, '\n');
	}
}

/* ---- JSON for people ---- */

/* A value's own bytes; what could disturb a terminal and needs no escape in JSON gets one. */
static void put_leaf(struct buf *to, struct str raw)
{
	while (raw.n) {
		uint32_t c;
		bool unsafe;
		size_t n = ctl_next_char(raw, &c, &unsafe);
		if (!unsafe)
			buf_put(to, str_of(raw.p, n));
		else if (c < 0x10000)
			buf_printf(to, "\\u%04x", c);
		else if (c != UINT32_MAX)
			buf_printf(to, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
		raw = str_skip(raw, n);
	}
}

static void put_pretty(struct buf *to, const struct json *j, size_t indent)
{
	if ((j->type != JSON_OBJECT && j->type != JSON_ARRAY) || !j->child) {
		put_leaf(to, j->raw);
		return;
	}
	buf_put_char(to, j->type == JSON_OBJECT ? '{' : '[');
	for (const struct json *m = j->child; m; m = m->next) {
		buf_put_char(to, '\n');
		put_spaces(to, indent + INDENT);
		if (j->type == JSON_OBJECT) {
			struct buf key;
			buf_init(&key, 1 << 20);
			json_escape(&key, m->key);
			buf_put_char(to, '"');
			put_leaf(to, buf_str(&key));
			BUF_PUT_LIT(to, "\": ");
			buf_done(&key);
		}
		put_pretty(to, m, indent + INDENT);
		buf_put_z(to, m->next ? "," : "");
	}
	buf_put_char(to, '\n');
	put_spaces(to, indent);
	buf_put_char(to, j->type == JSON_OBJECT ? '}' : ']');
}

void ctl_put_pretty(struct buf *to, const struct json *j)
{
	put_pretty(to, j, 0);
	buf_put_char(to, '\n');
}
