/* SPDX-License-Identifier: MIT
 * credential.h - headers of a call that are not the deployment's key as it stands: a token that
 * somebody gave us for our credentials.
 *
 * Tokens are kept per credential and worker, whichever deployments and generations use it, and are
 * fetched once for all who wait. From 80 % of a token's life on the next one is fetched while this
 * one still serves. A fetch that failed is not repeated for a second: who asks meanwhile fails
 * alike, and goes to another deployment. */
#ifndef CREDENTIAL_H
#define CREDENTIAL_H

#include "common/buf.h"
#include "common/snapshot.h"
#include "worker/llm.h"
#include "worker/worker.h"

/* Whether calls of this kind need what is here; all others cost nothing. */
static inline bool credential_is_needed(uint32_t auth)
{
	return auth == AUTH_GOOGLE || auth == AUTH_ENTRA || auth == AUTH_IBM ||
	       auth == AUTH_GIGACHAT;
}

struct credential_wait {		/* a member of who waits; zeroed = does not wait */
	struct credential_wait *next, **prev;
	/* From the loop, once. e NULL: ask again, the token is there; else it failed. */
	void (*on_ready)(void *data, const struct llm_error *e);
	void *data;
};

enum { CREDENTIAL_READY, CREDENTIAL_WAIT };

/* Appends the header line. CREDENTIAL_READY; CREDENTIAL_WAIT: on_ready will be called, with `data`,
 * never from within; -EACCES with *reterr (outcome and message; a literal or the arena's);
 * -ENOMEM. */
int credential_write(struct worker *w, struct snap *snap, const struct snap_deployment *d,
		     struct arena *a, struct buf *headers, struct credential_wait *wait,
		     struct llm_error *reterr) MUST_USE;
/* Nobody is called any more. */
void credential_stop(struct credential_wait *wait);
/* The provider did not take the token (401): the next call gets a new one. */
void credential_rejected(struct worker *w, struct snap *snap, const struct snap_deployment *d);
/* Ends all fetches, without telling anybody, and wipes the tokens. */
void credentials_free(struct worker *w);

#endif
