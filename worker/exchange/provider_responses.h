/* SPDX-License-Identifier: MIT
 * provider_responses.h - between the files of the adapter for OpenAI's Responses. */
#ifndef PROVIDER_RESPONSES_H
#define PROVIDER_RESPONSES_H

#include "common/json_write.h"
#include "worker/exchange/provider.h"
#include "worker/responses.h"

struct rsp_writing {
	struct arena *mem;
	const struct llm_request *q;
	const struct provider_target *target;
	struct llm_error *err;
	/* ids of calls of custom tools, an open hash table; NULL: there are none */
	struct str *custom;
	size_t custom_mask;
};

/* instructions and input, into an open object. 0 or -ENOMEM. */
int rsp_write_items(struct rsp_writing *w, struct json_out *o);
/* The whole body. 0; -EINVAL with *w->err; -ENOMEM. Failure of the buf is the buf's. */
int rsp_write_body(struct rsp_writing *w, struct buf *out);

#endif
