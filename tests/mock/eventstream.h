/* SPDX-License-Identifier: MIT
 * eventstream.h - writing messages of AWS's event streams. */
#ifndef MOCK_EVENTSTREAM_H
#define MOCK_EVENTSTREAM_H

#include "tests/mock/buf.h"

/* message: "event" or "exception"; kind: the header that says which, ":event-type" ... */
void eventstream_write(struct buf *out, const char *message, const char *kind, struct span name,
		       struct span payload);
/* One whose last checksum is wrong. */
void eventstream_write_damaged(struct buf *out);

#endif
