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

#include "worker/later.h"
#include "worker/request.h"

/* Whether calls of this kind need what is here; all others cost nothing. */
static inline bool credential_is_needed(uint32_t auth)
{
	return auth == AUTH_GOOGLE || auth == AUTH_ENTRA || auth == AUTH_IBM ||
	       auth == AUTH_GIGACHAT;
}

/* Who has a call to make. */
struct credential_user {
	int (*launch)(void *data);	/* the headers are there. 0, or -ENOMEM */
	/* From the loop, at the end: there is no token. */
	void (*fail)(void *data, enum outcome o, struct str why);
};

struct credential_wait {		/* a member of the call; zeroed = does not wait */
	const struct credential_user *user;
	void *data;
	struct request *r;
	const struct snap_deployment *d;
	struct buf *headers;		/* get a line more */
	/* for credential.c */
	struct credential_wait *next, **prev;
	struct later refused;
	enum outcome outcome;
	struct str why;
};

/* Launches the call: at once where the token is there, else when it comes. A refusal, too, is told
 * from the loop, as another deployment may do. 0, or -ENOMEM. */
int credential_obtain(struct credential_wait *wait) MUST_USE;
/* Nobody is called any more. */
void credential_stop(struct credential_wait *wait);
/* The provider did not take the token (401): the next call gets a new one. */
void credential_rejected(struct worker *w, struct snap *snap, const struct snap_deployment *d);
/* Ends all fetches, without telling anybody, and wipes the tokens. */
void credentials_free(struct worker *w);

#endif
