/* SPDX-License-Identifier: MIT
 * command_job.c - see command_job.h. */
#include "master/command_job.h"

#include <errno.h>

#include "master/master.h"

static struct command_call *call_of(void *state)
{
	return *(struct command_call **)state;
}

void *command_state(struct command_call *c, size_t size)
{
	struct command_call **state = arena_alloc(c->mem, size);
	MUST(size >= sizeof *state);
	if (state)
		*state = c;
	else
		command_fail_store(c, -ENOMEM);
	return state;
}

void command_read(void *state, store_job_fn *job, store_done_fn *done)
{
	int err = store_read(call_of(state)->master->store, job, done, state);
	if (err)
		command_fail_store(call_of(state), err);
}

void command_write(void *state, store_job_fn *job, store_done_fn *done)
{
	int err = store_write(call_of(state)->master->store, job, done, state);
	if (err)
		command_fail_store(call_of(state), err);
}

void command_done(void *state, int err)
{
	if (err)
		command_fail_store(call_of(state), err);
	else
		command_finish(call_of(state));
}
