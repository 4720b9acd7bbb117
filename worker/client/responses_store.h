/* SPDX-License-Identifier: MIT
 * responses_store.h - conversations kept between requests of /v1/responses: what a store must do,
 * and what makes and reads the text that it keeps.
 *
 * What is kept is the whole conversation, under the id of the response that ended it: a JSON
 * array of input and output items, in their order. An item's id tells the response in which it
 * was made, so that a reference to a single item finds its conversation, too. */
#ifndef RESPONSES_STORE_H
#define RESPONSES_STORE_H

#include "worker/client/dialect.h"

enum {
	RESPONSES_ITEMS_MAX = 16 << 20,		/* bytes; a longer conversation is not kept */
	RESPONSES_KEEP_S = 30 * 24 * 3600	/* as long as OpenAI does */
};

struct responses_entry {
	struct str id;			/* of the response: "resp_..." */
	uint64_t owner;			/* the key's row id; nobody else gets it */
	struct str items;		/* JSON array */
	uint64_t expires_s;		/* wall clock */
};
/* items are good until it returns. err: 0, -ENOENT (no such id, expired, or of another owner: the
 * asker cannot tell), -EIO. */
typedef void responses_got_fn(void *data, int err, struct str items);

struct responses_store {
	void *ctx;
	/* Keeps a copy; one of the same id and owner is replaced. 0, -ENOMEM, -EFBIG, -EAGAIN. */
	int (*put)(void *ctx, const struct responses_entry *e);
	/* 0: got() will be called, once, after this has returned. Else -errno, and it will not. */
	int (*get)(void *ctx, struct str id, uint64_t owner, uint64_t now_s, responses_got_fn *got,
		   void *data);
	/* Whoever waits with this data wants no call any more. */
	void (*cancel)(void *ctx, void *data);
};

/* A request that has a conversation_id is not whole: messages are what it says itself, without
 * the items that it refers to. This makes it whole, once, from the text that was kept, which must
 * outlive the request. 0; -EINVAL with *reterr (a reference that leads nowhere); -EBADMSG (the
 * text is no conversation); -ENOMEM. After a failure the request is good for nothing. */
int responses_resume(struct arena *a, struct str items, struct llm_request *q,
		     struct dialect_error *reterr) MUST_USE;
/* The refusal when the store has nothing, or there is no store. Always -EINVAL. */
int responses_refuse_missing(struct arena *a, const struct llm_request *q,
			     struct dialect_error *reterr);

/* When an answer has ended well and its request has wants_store: the id to keep it under, and the
 * conversation with this answer at its end, appended. .p NULL, -ENOMEM: no memory; a conversation
 * above the buf's cap fails the buf. */
struct str responses_id(struct dialect_answer *an) MUST_USE;
int responses_write_conversation(struct dialect_answer *an, struct buf *out) MUST_USE;

#endif
