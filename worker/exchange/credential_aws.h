/* SPDX-License-Identifier: MIT
 * credential_aws.h - a deployment's AWS keys made into the headers that sign one call. */
#ifndef CREDENTIAL_AWS_H
#define CREDENTIAL_AWS_H

#include "common/buf.h"
#include "worker/llm.h"

struct aws_call {			/* as it will go out */
	struct str method, url, body;
	struct str content_type;	/* empty: there is none */
	uint64_t wall_s;
};
/* Signs the call for a deployment of AUTH_SIGV4, whose credentials are {"access_key_id",
 * "secret_access_key","session_token"?,"region"}: appends lines to headers.
 * 0; -EINVAL with *reterr (the credentials are none); -ENOMEM. */
int credential_aws(struct arena *a, struct str credentials, const struct aws_call *call,
		   struct buf *headers, struct llm_error *reterr) MUST_USE;

#endif
