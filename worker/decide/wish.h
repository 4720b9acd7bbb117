/* SPDX-License-Identifier: MIT
 * wish.h - what a request asks of the router: tags, the most that it may cost, where it has been
 * before. Read once, before the first choice. */
#ifndef WISH_H
#define WISH_H

#include "common/route.h"
#include "worker/llm.h"

enum { WISH_TAGS_MAX = 32 };

struct wish {
	const struct str *tags;
	unsigned n_tags;
	bool has_max_cost;
	int64_t max_cost_nano;
	uint64_t affinity;		/* 0: none */
	uint64_t sticky;		/* of the group asked for; 0: none */
	struct str region;		/* that its owners may ask in; .n 0: any */
};
struct http_request;
struct request;
struct snap;
/* Where a group keeps a user, a key, a session or a header's value at one deployment: of the
 * request. 0: it does not say. */
uint64_t wish_sticky(struct arena *a, const struct snap *s, const struct snap_group *g,
		     const struct http_request *http, const struct llm_request *q, uint64_t key_id);
/* http may be NULL. 0; -EINVAL with *reterr (a wish that cannot be read); -ENOMEM. */
int wish_read(struct arena *a, const struct snap_settings *set, const struct http_request *http,
	      const struct llm_request *q, uint64_t key_id, struct wish *ret,
	      struct llm_error *reterr) MUST_USE;

/* What its client says that it belongs to, in the words of LiteLLM; .n 0: nothing. */
struct str wish_session(struct arena *a, const struct http_request *http,
			const struct llm_request *q);

/* What the router is asked for it: all but where it may not go again, and the room to answer. */
struct route_query wish_query(const struct request *r, uint64_t prompt_tokens, uint64_t now_ns);

#endif
