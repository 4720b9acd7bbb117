/* SPDX-License-Identifier: MIT
 * credential_aws.h - a deployment's AWS keys made into the headers that sign one call. */
#ifndef CREDENTIAL_AWS_H
#define CREDENTIAL_AWS_H

#include "worker/exchange/provider.h"

/* Signs call (path and body are whole) for a deployment of AUTH_SIGV4, whose credentials are
 * {"access_key_id","secret_access_key","session_token"?,"region"}: appends to call->headers.
 * 0; -EINVAL with *reterr (the credentials are none); -ENOMEM. */
int credential_aws(struct arena *a, const struct snap *s, const struct snap_deployment *d,
		   struct provider_call *call, uint64_t wall_s, struct llm_error *reterr) MUST_USE;

#endif
