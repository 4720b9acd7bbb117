/* SPDX-License-Identifier: MIT
 * spend_call.h - what was asked for (enum journal_call), in LiteLLM's words. */
#ifndef SPEND_CALL_H
#define SPEND_CALL_H

#include "common/str.h"

const char *spend_call_type(int64_t call);	/* "acompletion"; "" for others */
const char *spend_call_path(int64_t call);	/* "/chat/completions"; "other" */
/* The other way round, of either name: "completion" is an "acompletion". 0: another. */
uint8_t spend_call_read(struct str type);

#endif
