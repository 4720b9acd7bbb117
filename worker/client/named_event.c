/* SPDX-License-Identifier: MIT
 * named_event.c - see named_event.h. */
#include "worker/client/named_event.h"

struct json_out named_event_open(struct buf *out, const char *type)
{
	struct json_out o = json_out(out);
	BUF_PUT_LIT(out, "event: ");
	buf_put_z(out, type);
	BUF_PUT_LIT(out, "\ndata: ");
	json_open(&o, NULL);
	json_put_z(&o, "type", type);
	return o;
}

void named_event_close(struct json_out *o)
{
	json_close(o);
	BUF_PUT_LIT(o->to, "\n\n");
}
