/* SPDX-License-Identifier: MIT
 * prompt.h - a chat as one text, for formats that know no turns. Pure. */
#ifndef PROMPT_H
#define PROMPT_H

#include "common/json_write.h"
#include "worker/llm.h"

/* The texts from p up to the next result, a line each, inside an open string. has_before: a line
 * stands there already. Returns whether one does now. */
bool prompt_put_texts(struct buf *out, const struct llm_part *p, bool has_before);
/* What system and developer say, as a member; none where they say nothing. */
void prompt_put_system(struct json_out *o, const char *key, const struct llm_request *q);
/* What all others say. A single question goes as it is: whoever reads it puts the model's own
 * template around. */
void prompt_put_turns(struct json_out *o, const char *key, const struct llm_request *q);
bool prompt_is_system(const struct llm_message *m);

#endif
