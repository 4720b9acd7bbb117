/* SPDX-License-Identifier: MIT
 * remember.h - what an answer leaves for the request after it, where its dialect has such.
 *
 * The end of the answer waits until the master has it on disk, so that a client may refer to it at
 * once, through any worker. What cannot be kept in time is not: the answer is given all the same,
 * and the log says so. */
#ifndef REMEMBER_H
#define REMEMBER_H

#include "worker/request.h"

/* Whether the end of this request's answer may have to wait. */
bool remember_wants(const struct request *r);
/* The answer has ended well. True: done() will be called, unless the request ends before. */
typedef void remember_done_fn(struct request *r);
bool remember_start(struct request *r, remember_done_fn *done);

#endif
