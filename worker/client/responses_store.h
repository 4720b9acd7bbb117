/* SPDX-License-Identifier: MIT
 * responses_store.h - conversations kept between requests of /v1/responses: what makes and reads
 * the text that is kept. worker/keep.h brings it to the master and back.
 *
 * What is kept is the whole conversation, under the id of the response that ended it: a JSON
 * array of input and output items, in their order. An item's id tells the response in which it
 * was made, so that a reference to a single item finds its conversation, too. */
#ifndef RESPONSES_STORE_H
#define RESPONSES_STORE_H

#include "worker/client/dialect.h"

/* A request that has a conversation_id is not whole: messages are what it says itself, without
 * the items that it refers to. This makes it whole, once, from the text that was kept, which must
 * outlive the request. 0; -EINVAL with *reterr (a reference that leads nowhere); -EBADMSG (the
 * text is no conversation); -ENOMEM. After a failure the request is good for nothing. */
int responses_resume(struct arena *a, struct str items, struct llm_request *q,
		     struct dialect_error *reterr) MUST_USE;
/* The refusal when nothing is kept under that id. Always -EINVAL. */
int responses_refuse_missing(struct arena *a, const struct llm_request *q,
			     struct dialect_error *reterr);

/* Of an answer that has ended well: the id to keep it under, and the conversation with it at its
 * end, appended. .p NULL, -ENOMEM: no memory; a conversation above the buf's cap fails the buf. */
struct str responses_id(struct dialect_answer *an) MUST_USE;
int responses_write_conversation(struct dialect_answer *an, struct buf *out) MUST_USE;
/* The same, and the response as the client was given it: a dialect's write_kept. */
int responses_write_kept(struct dialect_answer *an, struct str *ret_id, struct buf *response,
			 struct buf *items) MUST_USE;

/* The name of an item that its client gave none, by its place in the conversation kept under
 * response_id: the text of a JSON string. .p NULL: no memory. */
struct str responses_item_name(struct arena *a, struct str response_id, size_t at) MUST_USE;

#endif
