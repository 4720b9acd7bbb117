/* SPDX-License-Identifier: MIT
 * forward.h - the short way, as far as it is the same for all dialects: bodies edited member by
 * member, and events that go on as they came. Pure. */
#ifndef FORWARD_H
#define FORWARD_H

#include "worker/client/dialect.h"

struct forward_words {
	const struct str *known;	/* a deployment's params count only under these names: they
					 * are shared with the long way, and may be in OpenAI's
					 * words */
	size_t n_known;
	const struct str *fixed;	/* what the gateway decides, no deployment */
	size_t n_fixed;
	bool (*is_ours)(struct str name);	/* for the gateway, and taken out */
};
/* The client's body for the provider: another model, our own extras taken out; params where the
 * body says nothing; extra_body wins over it. 0 or -ENOMEM; failure of the buf is the buf's. */
int forward_body(struct arena *a, const struct llm_request *q, const struct forward_words *words,
		 struct str model, struct str params, struct str extra_body,
		 struct buf *out) MUST_USE;

bool forward_is_blank(struct str data);
bool forward_is_closed(struct str raw);		/* an event's bytes end with an empty line */
/* An event's bytes, without a byte order mark, since our heartbeats may have gone out before it,
 * and with the empty line that ends it. */
void forward_raw(struct str raw, struct buf *out);
/* The same with edits made to its data. Data of several lines, which JSON allows to stand on one,
 * is written on one, behind the event's name, if it is given one. end: the empty line. */
void forward_edited(const struct sse_event *ev, struct str name, const struct json_edit *edits,
		    size_t n, struct str end, struct buf *out);
/* An llm_emit_fn that only counts; data is the struct dialect_answer. */
int forward_tally(void *data, const struct llm_event *ev);

#endif
