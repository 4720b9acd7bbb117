/* SPDX-License-Identifier: MIT
 * wish.h - what a request asks of the router: tags, the most that it may cost, where it has been
 * before. Read once, before the first choice. */
#ifndef WISH_H
#define WISH_H

#include "common/snapshot.h"
#include "worker/llm.h"

enum { WISH_TAGS_MAX = 32 };

struct wish {
	const struct str *tags;
	unsigned n_tags;
	bool has_max_cost;
	int64_t max_cost_nano;
	uint64_t affinity;		/* 0: none */
	uint64_t sticky;		/* of the group asked for; 0: none */
};
struct http_request;
struct snap;
/* Where a group keeps a user, a key, a session or a header's value at one deployment: of the
 * request. 0: it does not say. */
uint64_t wish_sticky(struct arena *a, const struct snap *s, const struct snap_group *g,
		     const struct http_request *http, const struct llm_request *q, uint64_t key_id);
/* http may be NULL. 0; -EINVAL with *reterr (a wish that cannot be read); -ENOMEM. */
int wish_read(struct arena *a, const struct snap_settings *set, const struct http_request *http,
	      const struct llm_request *q, uint64_t key_id, struct wish *ret,
	      struct llm_error *reterr) MUST_USE;

#endif
