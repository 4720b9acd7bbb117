/* SPDX-License-Identifier: MIT
 * usage.h - who had what of whom, for metrics that are labelled with keys. */
#ifndef USAGE_H
#define USAGE_H

#include "worker/request.h"

/* Counts an ended and settled request to a model, if such metrics are wanted at all. */
void usage_count(struct request *r);

#endif
