/* SPDX-License-Identifier: MIT
 * recall.h - /v1/responses beside the dialect: what a request refers to is fetched before it
 * goes on, and what is kept is shown, counted and deleted. All of it is the key's own: what
 * another key has kept is unknown. */
#ifndef RECALL_H
#define RECALL_H

#include "worker/request.h"

/* The stage: a request that needs a conversation waits for it. */
enum step recall_stage(struct request *r);

/* Endpoints. */
enum step recall_get(struct request *r);		/* GET .../{id} */
enum step recall_delete(struct request *r);		/* DELETE .../{id} */
enum step recall_input_items(struct request *r);	/* GET .../{id}/input_items */
enum step recall_cancel(struct request *r);		/* POST .../{id}/cancel */
enum step recall_count(struct request *r);		/* POST .../input_tokens */

/* recall_list.c: a page of the input items of a response. Pure. */
struct recall_page {
	struct str after;		/* an item's id; .p NULL: from the beginning */
	unsigned limit;			/* 1 to 100 */
	bool is_ascending;
};
/* query: undecoded. 0, or -EINVAL with *reterr. */
int recall_read_page(struct str query, struct recall_page *ret,
			struct dialect_error *reterr) MUST_USE;
/* 0; -EINVAL with *reterr (no such item); -EBADMSG (what was kept is damaged); -ENOMEM. */
int recall_write_page(struct arena *a, struct str id, struct str response, struct str items,
			 const struct recall_page *page, struct buf *out,
			 struct dialect_error *reterr) MUST_USE;

#endif
