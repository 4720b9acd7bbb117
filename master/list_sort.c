/* SPDX-License-Identifier: MIT
 * list_sort.c - see list_sort.h. */
#include "master/list_sort.h"

#include <errno.h>
#include <stdio.h>

static void fail(struct command_call *c, const struct list_sort sorts[])
{
	struct buf names;
	buf_init(&names, 1024);
	for (const struct list_sort *s = sorts; s->by; s++)
		buf_printf(&names, "%s%s", s == sorts ? "" : s[1].by ? ", " : " or ", s->by);
	command_fail(c, 400, "invalid_request_error", "sort_by", "sort_by is " STR_FMT,
		     STR_ARG(buf_str(&names)));
	buf_done(&names);
}

bool list_sort_take(struct command_call *c, const struct list_sort sorts[], unsigned flags,
		    char ret[LIST_SORT_ROOM])
{
	struct str by = STR_NONE, order = STR_NONE;
	bool is_reversed = false;
	if (command_str(c, "sort_by", &by) == -EINVAL ||
	    command_str(c, "sort_order", &order) == -EINVAL ||
	    command_bool(c, "reverse", &is_reversed) == -EINVAL)
		return false;
	bool is_asc = str_eq_nocase(order, STR("asc"));
	if (order.n && !is_asc && !str_eq_nocase(order, STR("desc"))) {
		command_fail(c, 400, "invalid_request_error", "sort_order",
			     "sort_order is asc or desc");
		return false;
	}
	const struct list_sort *s = sorts;
	while (s->by && !str_eq_z(by, s->by))
		s++;
	if (!by.n || (!s->by && flags & LIST_ANY)) {
		bool is_up = flags & LIST_OLDEST_FIRST;
		snprintf(ret, LIST_SORT_ROOM, "id%s", is_up != is_reversed ? "" : " DESC");
		return true;
	}
	if (!s->by) {
		fail(c, sorts);
		return false;
	}
	bool is_down = (order.n ? !is_asc : (flags & LIST_DOWN) != 0) != is_reversed;
	snprintf(ret, LIST_SORT_ROOM, "%s IS NULL, %s%s, id DESC", s->column, s->column,
		 is_down ? " DESC" : "");
	return true;
}
