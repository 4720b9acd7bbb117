/* SPDX-License-Identifier: MIT
 * unpriced.h - requests that cost nothing because nobody knows a price: told of, once a model. */
#ifndef UNPRICED_H
#define UNPRICED_H

#include "worker/request.h"

/* Logs the model of a settled request, unless this worker has before. */
void unpriced_note(struct request *r);

#endif
