/* SPDX-License-Identifier: MIT
 * recall_list.c - the input items of a response, page by page; see recall.h.
 *
 * What is kept is the whole conversation. Its end is the response's own output; what stands
 * before that went in. Clients write items without ids: these get one by their place. */
#include <errno.h>

#include "common/json_write.h"
#include "worker/client/recall.h"
#include "worker/client/responses_store.h"

enum { LIMIT_PRESET = 20, LIMIT_MAX = 100 };

static int refuse(struct dialect_error *e, const char *param, const char *text)
{
	e->param = str_z(param);
	e->message = str_z(text);
	return -EINVAL;
}

static int read_one(struct str name, struct str value, struct recall_page *p,
		    struct dialect_error *e)
{
	uint64_t n;
	if (str_eq(name, STR("after"))) {
		p->after = value;
		return value.n ? 0 : refuse(e, "after", "after: must be the id of an item");
	}
	if (str_eq(name, STR("limit"))) {
		if (str_read_u64(value, &n) != 0 || n < 1 || n > LIMIT_MAX)
			return refuse(e, "limit", "limit: must be a number from 1 to 100");
		p->limit = (unsigned)n;
	}
	if (str_eq(name, STR("order"))) {
		p->is_ascending = str_eq(value, STR("asc"));
		if (!p->is_ascending && !str_eq(value, STR("desc")))
			return refuse(e, "order", "order: must be asc or desc");
	}
	return 0;
}

int recall_read_page(struct str query, struct recall_page *ret, struct dialect_error *reterr)
{
	int err = 0;
	*ret = (struct recall_page){ .limit = LIMIT_PRESET };
	while (query.n && !err) {
		struct str value = str_cut(&query, '&'), name = str_cut(&value, '=');
		err = read_one(name, value.p ? value : STR(""), ret, reterr);
	}
	return err;
}

/* ---- items ---- */

struct listed {
	const struct json *item;
	struct str id;			/* the text of a JSON string */
};

static int name_item(struct arena *a, struct str response_id, size_t at, struct listed *l)
{
	const struct json *id = json_get(l->item, "id");
	if (json_is(id, JSON_STRING)) {
		l->id = id->raw;
		return 0;
	}
	l->id = responses_item_name(a, response_id, at);
	return l->id.p ? 0 : -ENOMEM;
}

/* All input items, in the order that is asked for. */
static int list_items(struct arena *a, struct str id, const struct json *items, size_t n,
		      bool is_ascending, struct listed *list)
{
	const struct json *j = items->child;
	for (size_t i = 0; i < n; i++, j = j->next) {
		struct listed *l = &list[is_ascending ? i : n - 1 - i];
		l->item = j;
		int err = name_item(a, id, i, l);
		if (err)
			return err;
	}
	return 0;
}

static void put_item(struct json_out *o, const struct listed *l)
{
	json_open(o, NULL);
	json_put_raw(o, "id", l->id);
	if (!json_get(l->item, "type"))
		json_put_z(o, "type", "message");
	for (const struct json *m = l->item->child; m; m = m->next) {
		if (str_eq(m->key, STR("id")))
			continue;
		json_key(o, m->key);
		json_put_raw(o, NULL, m->raw);
	}
	json_close(o);
}

static void put_page(const struct listed *list, size_t n, bool has_more, struct buf *out)
{
	struct json_out o = json_out(out);
	json_open(&o, NULL);
	json_put_z(&o, "object", "list");
	json_open_array(&o, "data");
	for (size_t i = 0; i < n; i++)
		put_item(&o, &list[i]);
	json_close_array(&o);
	json_put_raw(&o, "first_id", n ? list[0].id : STR("null"));
	json_put_raw(&o, "last_id", n ? list[n - 1].id : STR("null"));
	json_put_bool(&o, "has_more", has_more);
	json_close(&o);
}

/* The place behind the item, n + 1: there is none. The id as it stands between the quotes. */
static size_t behind(const struct listed *list, size_t n, struct str id)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].id.n == id.n + 2 &&
		    str_eq(str_of(list[i].id.p + 1, id.n), id))
			return i + 1;
	return n + 1;
}

static const struct json *parse(struct arena *a, struct str text, enum json_type type)
{
	struct json_error error;
	const struct json *j = json_parse(a, text, 0, &error);
	return json_is(j, type) ? j : NULL;
}

int recall_write_page(struct arena *a, struct str id, struct str response, struct str items,
			 const struct recall_page *page, struct buf *out,
			 struct dialect_error *reterr)
{
	const struct json *all = parse(a, items, JSON_ARRAY);
	const struct json *output = json_get(parse(a, response, JSON_OBJECT), "output");
	if (!all || !json_is(output, JSON_ARRAY) || output->count > all->count)
		return -EBADMSG;
	size_t n = all->count - output->count, from = 0;
	struct listed *list = arena_array(a, n, sizeof *list);
	if (!list)
		return -ENOMEM;
	int err = list_items(a, id, all, n, page->is_ascending, list);
	if (err)
		return err;
	if (page->after.p)
		from = behind(list, n, page->after);
	if (from > n)
		return refuse(reterr, "after", "after: no such item");
	size_t shown = n - from < page->limit ? n - from : page->limit;
	put_page(list + from, shown, from + shown < n, out);
	return 0;
}
