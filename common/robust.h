/* SPDX-License-Identifier: MIT
 * robust.h - locks in shared memory, which are told of when their owner dies. */
#ifndef ROBUST_H
#define ROBUST_H

#include <pthread.h>

#include "common/check.h"

int robust_mutex_init(pthread_mutex_t *m) MUST_USE;	/* 0 or -errno */

#endif
