/* SPDX-License-Identifier: MIT
 * known.h - the stage that asks: has this been answered, or is it being answered now?
 *
 * Three kinds of requests are known again. With an Idempotency-Key: the master has a claim for each
 * (master/answers.h), so that of all workers one makes the answer, and keeps it for those who ask
 * later. With litellm_settings.cache: shared memory has the claims and the answers (cached.h). With
 * router_settings.single_flight: what is the same and comes while the first is under way, in this
 * worker. Each way one request leads and the others wait; they get what it got, byte for byte, at
 * no cost. Where it fails, the next one of them leads. */
#ifndef KNOWN_H
#define KNOWN_H

#include "common/frame.h"
#include "worker/request.h"

enum step known_stage(struct request *r);
/* An answer is ready, or the last piece of it, and nobody has seen its end. True: done() will be
 * called when it is kept, unless the request ends before. */
typedef void known_done_fn(struct request *r);
bool known_keep(struct request *r, known_done_fn *done);
/* Whether the end of this request's answer may have to wait for that. */
static inline bool known_wants(const struct request *r)
{
	return r->known != NULL;
}
/* Whether its answer is wanted without its client: by others who wait for it, or by a retry. */
bool known_goes_on(const struct request *r);
/* r->known is there: header lines about the cache, if it was asked. */
void known_headers(const struct request *r, struct buf *out);
/* What the cache had: "hit", "joined" (another one's answer, made meanwhile), "miss", "bypass"; NULL:
 * it was not asked. */
const char *known_word(const struct request *r);
/* Whether it was given the answer of another one. */
bool known_is_replay(const struct request *r);
/* What its answer is called in the cache; .n 0: that was not asked. */
struct str known_cache_key(const struct request *r);
/* Of such an answer its tokens, what it cost, and who made it; NULL: that is not known. */
struct cache_info;
const struct cache_info *known_made(const struct request *r);
/* Who answered: this request, or the one whose answer it was given, where that is of its group. */
const struct snap_deployment *known_deployment(const struct request *r);
/* The request ends. */
void known_forget(struct request *r);

/* The link's: LINK_RELEASED has come. */
void known_released(struct worker *w, struct frame_in *f);
/* Another master has taken over, which does not know who makes what: it is told. */
void known_claim_again(struct worker *w);
/* The loop ends, and no request is left. */
void known_stop(struct worker *w);

#endif
