/* SPDX-License-Identifier: MIT
 * switches.c - see switches.h. */
#include "worker/switches.h"

bool switches_no_log(const struct request *r)
{
	const struct json *body = r->raw ? r->raw->root : r->q.root;
	return json_is(body, JSON_OBJECT) && json_is_true(json_get(body, "no-log")) &&
	       !(snap_settings(r->snap)->text_flags & TEXTS_ALWAYS);
}
