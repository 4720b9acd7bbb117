/* SPDX-License-Identifier: MIT
 * dry_run.h - POST /utils/transform_request: what a provider would get. Nobody is asked. */
#ifndef DRY_RUN_H
#define DRY_RUN_H

#include "worker/request.h"

enum step dry_run(struct request *r);

#endif
