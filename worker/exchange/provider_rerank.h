/* SPDX-License-Identifier: MIT
 * provider_rerank.h - reranking, for the families that do it among other things. */
#ifndef PROVIDER_RERANK_H
#define PROVIDER_RERANK_H

#include "worker/exchange/provider.h"

/* As the provider of that name wants it; one without a row of its own gets the common form. */
int rerank_write(struct arena *a, const struct llm_request *q, const struct provider_target *t,
		 struct str provider, struct provider_call *ret);
/* Whatever form it has. */
int rerank_read(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data);

#endif
