/* SPDX-License-Identifier: MIT
 * exchange_private.h - between the files of an exchange: exchange.c has the order of attempts,
 * hedge.c runs two at once, recover.c goes on with a stream that has broken off. */
#ifndef EXCHANGE_PRIVATE_H
#define EXCHANGE_PRIVATE_H

#include "common/decision.h"
#include "worker/decide/route.h"
#include "worker/exchange/attempt.h"
#include "worker/exchange/pass.h"
#include "worker/exchange/tunnel.h"
#include "worker/later.h"

enum { TRIED_MAX = 128, QUEUE_MAX = 32, VISITED_MAX = 32, FEW = 8 };

struct exchange {
	struct request *r;
	struct attempt *attempt;	/* one of these three, or none */
	struct pass *pass;
	struct tunnel *tunnel;
	uint32_t tried[TRIED_MAX];	/* deployments of this group that failed */
	unsigned n_tried;
	unsigned retries;		/* made in this group */
	struct str queue[QUEUE_MAX];	/* groups still to go to; the next one last */
	unsigned n_queue;
	struct {
		const struct snap_group *group;
		struct str asked;	/* a pattern serves many models */
	} visited[VISITED_MAX];
	unsigned n_visited;
	bool has_error;
	struct llm_error error;		/* of the last attempt */
	uint64_t prompt_tokens;		/* the likely number */
	uint64_t started_ns;		/* of the attempt under way */
	uint64_t chosen_ns;		/* when its deployment was chosen */
	struct later wait;
	struct decision decision;	/* why it goes where it goes, for who asks */
	/* hedge.c */
	struct attempt *rival;		/* races with `attempt` until one of them has something */
	struct attempt *lost;		/* is over, but its transfer cannot be cancelled yet */
	struct later hedge;
	uint64_t rival_started_ns;
	uint32_t rival_index;
	/* recover.c */
	const struct llm_request *question;	/* in place of the request's; NULL: not yet */
	struct dialect_answer shown;		/* how far the client's stream has come */
	struct str said;			/* what stands in it */
	unsigned recoveries;
	struct route_candidate few[FEW];	/* room for choosing in most groups */
};

/* A choice among the group's deployments; nobody where there is no memory to choose. */
void exchange_choose(struct exchange *x, struct route_choice *c);

/* An attempt is under way: a second one may start later, if it takes too long. */
void hedge_arm(struct exchange *x);
/* All that it holds. Not from within a transfer's on_data. */
void hedge_stop(struct exchange *x);

/* The client's stream broke off with e: whether it may go on with another attempt. What was made
 * is booked, and the next attempts ask for the rest. */
bool recover_begin(struct exchange *x, const struct llm_error *e);

#endif
