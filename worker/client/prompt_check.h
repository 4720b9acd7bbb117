/* SPDX-License-Identifier: MIT
 * prompt_check.h - what holds for a question in any dialect, and what each provider would refuse
 * in its own words, late, and maybe after another one has been paid.
 *
 * Media are base64; results of tools are for calls made before; tools have names that can be
 * called and schemas that are schemas. */
#ifndef PROMPT_CHECK_H
#define PROMPT_CHECK_H

#include "worker/client/dialect.h"

/* After read_request(). Base64 in the alphabet of URLs is put into the common one. 0; -EINVAL with
 * *reterr, whose param is the place in the client's body; -ENOMEM. */
int prompt_check(struct arena *a, struct llm_request *q, struct dialect_error *reterr);

#endif
