/* SPDX-License-Identifier: MIT
 * failure_log.h - deployments that do not answer as they should, told in the log: which, where and
 * why; of each kind of failure of each deployment once a minute. */
#ifndef FAILURE_LOG_H
#define FAILURE_LOG_H

#include "worker/request.h"

/* An attempt at d (NULL: at none) has ended with e. Only that is told for which the deployment is
 * to blame, and never what a provider has said: that may repeat the prompt. */
void failure_log(struct request *r, const struct snap_deployment *d, const struct llm_error *e);

/* -- pure -- */

/* Whether it is to be told now; then it is noted. Not while all places are taken by others of the
 * last minute. */
bool failure_is_new(struct failure_told *told, size_t n, uint64_t what, uint64_t now_ns);

#endif
