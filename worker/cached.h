/* SPDX-License-Identifier: MIT
 * cached.h - what a request asks of the response cache, and under which name its answer is kept;
 * reading and writing it for known.c and flight.c. The segment itself: common/cache.h.
 *
 * The name is a digest of what makes the answer: path, model group and the members of the body in
 * any order, but for those that say who asks or how to go about it. Whose it is comes before all
 * that: without litellm_settings.cache_params.scope: shared nobody is given, or can tell by a
 * short time, what another team was told. */
#ifndef CACHED_H
#define CACHED_H

#include "common/cache.h"
#include "worker/request.h"

enum { CACHED_NAME_MAX = 64 };

struct cached {
	struct sha256 key;
	char name[2 * sizeof(struct sha256) + 1];	/* for x-litellm-cache-key */
	uint64_t era;
	uint64_t ttl_ns, max_age_ns;		/* max_age_ns 0: of any age */
	bool may_read, may_keep;
};

/* STEP_NEXT: *ret says what is wanted; NULL: nothing. STEP_DONE: refused. */
enum step cached_read(struct request *r, struct cached **ret);

/* An answer, appended to text: its head is the first head_n bytes. As cache_find(); with `claims`
 * as cache_claim(). Before it, text is empty. */
int cached_find(struct worker *w, const struct cached *c, bool claims, struct cache_info *ret,
		struct buf *text) MUST_USE;
/* A buffer that takes any that is kept. */
void cached_init_text(const struct worker *w, struct buf *text);
/* What is said of the answer that r has just made, but for how long it is kept. */
struct cache_info cached_info(struct request *r);
/* What r has been answered, well and to the end. Ends a claim of this worker's. */
void cached_put(struct worker *w, const struct cached *c, const struct cache_info *info,
		struct str head, struct str body);
void cached_drop(struct worker *w, const struct cached *c);

#endif
