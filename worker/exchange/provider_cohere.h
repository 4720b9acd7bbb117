/* SPDX-License-Identifier: MIT
 * provider_cohere.h - between the files of the Cohere adapter. */
#ifndef PROVIDER_COHERE_H
#define PROVIDER_COHERE_H

#include "worker/exchange/members.h"

/* What becomes of parameters, of chats and of embeddings. */
void cohere_chat_rows(struct members *m);
void cohere_embed_rows(struct members *m);

/* Whether Cohere knows all kinds of parts and tools. 0 or -EINVAL. */
int cohere_check_chat(struct members *m);
/* "messages", "tools" and "tool_choice" of a chat, or a prompt as one. */
void cohere_put_chat(const struct members *m, struct json_out *o);

#endif
