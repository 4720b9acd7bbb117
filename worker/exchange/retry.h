/* SPDX-License-Identifier: MIT
 * retry.h - whether, when and how often a failed attempt is made again. Pure, but for the
 * worker's retry budget. */
#ifndef RETRY_H
#define RETRY_H

#include "common/snapshot.h"
#include "worker/llm.h"
#include "worker/worker.h"

struct own_router;
struct retry_case {
	const struct snap_settings *set;
	const struct snap_group *group;
	const struct snap_deployment *deployment;	/* that failed; may be NULL */
	const struct llm_request *q;
	const struct own_router *own;	/* or NULL */
	struct str group_name;
	const struct llm_error *error;
	unsigned made;			/* retries so far in this group */
	unsigned n_tried;
};
/* Whether one more makes sense: LiteLLM's gate, which a policy opens. */
bool retry_may(const struct retry_case *c);
/* Milliseconds until then. Nothing where another deployment is well; else what the provider told,
 * or exponential back-off; `draw` is any number. */
uint64_t retry_delay_ms(const struct retry_case *c, bool other_is_well, uint64_t draw);

/* The budget: each request pays in its share, each retry takes one, and ten a second are free,
 * so that an outage is not made worse by a gateway that asks three times. */
void retry_pay_in(struct worker *w, const struct snap_settings *set, uint64_t now_ns);
bool retry_take(struct worker *w);

#endif
