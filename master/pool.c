/* SPDX-License-Identifier: MIT
 * pool.c - see pool.h. libuv starts its threads with the first work, and they inherit what is
 * blocked then. */
#include "master/pool.h"

#include <signal.h>
#include <stdlib.h>

void pool_init(void)
{
	setenv("UV_THREADPOOL_SIZE", "8", 0);
}

int pool_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb run, uv_after_work_cb done)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int err = uv_queue_work(loop, work, run, done);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}
