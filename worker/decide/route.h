/* SPDX-License-Identifier: MIT
 * route.h - learning from what happened. The choice itself is in common/route.h; state stands on
 * the board, so all workers decide as one. */
#ifndef WORKER_ROUTE_H
#define WORKER_ROUTE_H

#include "common/route.h"
#include "worker/llm.h"

struct arena;

/* The class that retry_policy and allowed_fails_policy have for it; POLICY_CLASSES: none. */
enum policy_class route_policy_class(enum outcome o);

struct route_sample {			/* what an answer took; 0: not known */
	uint64_t duration_ns, first_token_ns;
	uint64_t tokens;		/* of the answer */
};
/* An attempt ended: well (e NULL, with its sample), or with an error. Returns how many deployments
 * are left alone from now on: this one, by LiteLLM's rules and after allowed_fails in a row; and,
 * where its provider refused the key (401), all others that use the same key there. */
uint32_t route_note(const struct snap *s, struct board *b, const struct snap_group *g,
		const struct snap_deployment *d, const struct llm_error *e,
		const struct route_sample *sample, uint64_t now_ns);

/* Nobody can be asked, for budgets are spent: LiteLLM's words for it. */
struct str route_budget_text(struct arena *a, const struct snap *s, const struct board *b,
			     const struct snap_group *g);
/* The same where it is the budget of a tag of the request. */
struct str route_tag_budget_text(struct arena *a, const struct snap *s, const struct board *b,
				 const struct str *tags, unsigned n_tags);

#endif
