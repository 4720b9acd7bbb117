/* SPDX-License-Identifier: MIT
 * account_private.h - between account.c, which reserves and settles, and worth.c, which says how
 * much. Amounts are nano-dollars. */
#ifndef ACCOUNT_PRIVATE_H
#define ACCOUNT_PRIVATE_H

#include "worker/request.h"

/* The most that an attempt may cost: at d; at whichever of the group's deployments. */
int64_t account_worst(struct request *r, const struct snap_deployment *d);
int64_t account_worst_of_group(struct request *r);
/* The likely length of the prompt, in tokens. */
uint64_t account_guess_input(struct request *r);
/* What one attempt at d used, by its tally. */
struct usage account_usage_of(struct request *r, const struct snap_deployment *d,
			      const struct llm_tally *t);
/* What u costs at the deployment that answers; 0 where nobody did. */
int64_t account_cost_of(struct request *r, const struct usage *u);

#endif
