/* SPDX-License-Identifier: MIT
 * usage.h - who had what of whom and how it ended, for metrics with LiteLLM's names and labels:
 * common/series.h. Where those are not wanted each of these is one test of a flag. */
#ifndef USAGE_H
#define USAGE_H

#include "worker/request.h"

/* Counts an ended and settled request to a model. */
void usage_count(struct request *r, uint64_t now_ns);
/* Counts an attempt at d that ended with e. */
void usage_count_failure(const struct request *r, const struct snap_deployment *d,
			 const struct llm_error *e);
/* What d's provider says that remains of its limits: of requests, of tokens; each plus 1, or 0. */
void usage_note_remaining(const struct request *r, const struct snap_deployment *d,
			  const uint32_t remaining[2]);

#endif
