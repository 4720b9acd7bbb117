/* SPDX-License-Identifier: MIT
 * provider_openai.h - between the two files of the OpenAI adapter. */
#ifndef PROVIDER_OPENAI_H
#define PROVIDER_OPENAI_H

#include "worker/llm.h"

/* A request in OpenAI's words: chat, text or embeddings. Failure is the buf's. */
void openai_write_body(const struct llm_request *q, struct str model, struct buf *out);

#endif
