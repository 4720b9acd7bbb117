/* SPDX-License-Identifier: MIT
 * count.h - endpoints that tell how many tokens a prompt makes. */
#ifndef COUNT_H
#define COUNT_H

#include "worker/request.h"

enum step count_anthropic(struct request *r);	/* .../messages/count_tokens */
enum step count_gemini(struct request *r);	/* ...:countTokens */
enum step count_utility(struct request *r);	/* LiteLLM's /utils/token_counter */

#endif
