/* SPDX-License-Identifier: MIT
 * pool.h - work for libuv's pool of threads, which never takes a signal that is for the loop: one
 * that came to it while the process replaces itself would be lost. */
#ifndef POOL_H
#define POOL_H

#include <uv.h>

#include "common/check.h"

/* How many threads there will be, unless UV_THREADPOOL_SIZE says so: enough that providers and
 * receivers that do not answer leave some to the others. Before any thread is started. */
void pool_init(void);
/* As uv_queue_work(). */
int pool_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb run, uv_after_work_cb done) MUST_USE;

#endif
