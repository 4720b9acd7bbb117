/* SPDX-License-Identifier: MIT
 * provider_openai.h - between the two files of the OpenAI adapter. */
#ifndef PROVIDER_OPENAI_H
#define PROVIDER_OPENAI_H

#include "worker/exchange/provider.h"

/* A request in OpenAI's words: chat, text or embeddings. Failure is the buf's. */
void openai_write_body(const struct llm_request *q, struct str model, struct buf *out);
/* Appends a body that has been written, with what the deployment adds. Empties `plain`.
 * 0 or -ENOMEM. */
int openai_put_edited(struct arena *a, const struct llm_request *q,
		      const struct provider_target *t, struct buf *plain, struct buf *out);

#endif
