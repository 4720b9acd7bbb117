/* SPDX-License-Identifier: MIT
 * reading.h - what all adapters do while they read an answer: events in order, nothing behind the
 * end, texts from JSON. Pure. */
#ifndef READING_H
#define READING_H

#include "worker/exchange/provider.h"

struct reading {			/* one event of a stream, or a whole answer */
	struct provider_reader *rd;
	struct arena *scratch;
	llm_emit_fn *emit;
	void *data;
};
/* Nothing comes after the end, or after an error. What emit returned. */
int reading_emit(const struct reading *r, const struct llm_event *ev);
/* Once; later calls do nothing. */
int reading_start(const struct reading *r, struct str id, struct str model);
/* A text as an event of that kind; nothing where there is none, or an empty one. -EBADMSG: it is
 * no string. */
int reading_text(const struct reading *r, enum llm_event_kind kind, const struct json *j);
/* An error, wherever it stands in the object; status 0: not told. */
int reading_error(const struct reading *r, const struct json *root, int status);

#endif
