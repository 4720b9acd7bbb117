/* SPDX-License-Identifier: MIT
 * route.h - who can answer: choosing among the deployments of a group, and learning from what
 * happened. State stands on the board, so all workers decide as one. */
#ifndef ROUTE_H
#define ROUTE_H

#include "common/board.h"
#include "common/directory.h"
#include "common/snapshot.h"
#include "worker/llm.h"

struct request;

struct route_query {
	const struct snap *snap;
	const struct board *board;
	const struct snap_group *group;
	const uint32_t *tried;		/* deployments that failed in this request */
	unsigned n_tried;
	uint64_t now_ns, tokens;	/* tokens: estimated, for tpm */
	uint64_t random;		/* decides the draw: the choice is a pure function */
};
struct route_choice {
	uint32_t deployment;		/* SNAP_NONE: nobody */
	uint32_t others_well;		/* untried deployments that are well, beside this one */
	uint64_t wait_ns;		/* nobody: until the first cooldown ends */
};
/* Whether a key may ask for `name`, which g serves or is: by its own name or, as with LiteLLM,
 * by that of the group it is an alias of. */
bool route_may_use(const struct snap *s, const struct dir_key *k, struct str name,
		   const struct snap_group *g);

/* simple-shuffle as LiteLLM has it, over deployments that are well; those already tried in this
 * request only when nothing else is left. */
void route_pick(const struct route_query *q, struct route_choice *ret);

/* An attempt ended. Cooldown by LiteLLM's rules ; true when this one cooled. */
bool route_note(const struct snap *s, struct board *b, const struct snap_group *g,
		const struct snap_deployment *d, const struct llm_error *e, uint64_t now_ns);

#endif
