/* SPDX-License-Identifier: MIT
 * silent.h - a copy of a request for another group, whose answer nobody sees.
 *
 * Of a deployment with litellm_params.silent_model. The copy is a request of its own, without a
 * client, begun in the loop's next turn: it can neither delay nor fail the first one, and costs
 * the operator and not the key. When both have ended, what they said, took and cost is told as an
 * event and counted; where too many copies are under way there is none. */
#ifndef SILENT_H
#define SILENT_H

#include "worker/request.h"

/* r is about to be asked of a deployment with DEPLOY_SILENT. */
void silent_start(struct request *r);
/* Of an answer that is whole, one of the two: what it said; text may be NULL. */
void silent_take_text(struct request *r, const struct buf *text);
/* A request with r->silent ends. */
void silent_end(struct request *r);
/* Ends all copies: nobody is to wait for them. */
void silent_cancel_all(struct worker *w);

#endif
