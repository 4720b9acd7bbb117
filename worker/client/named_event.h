/* SPDX-License-Identifier: MIT
 * named_event.h - an event of a stream whose name is the type in its data. */
#ifndef NAMED_EVENT_H
#define NAMED_EVENT_H

#include "common/json_write.h"

/* Up to the type, the first member of an object. */
struct json_out named_event_open(struct buf *out, const char *type);
void named_event_close(struct json_out *o);

#endif
