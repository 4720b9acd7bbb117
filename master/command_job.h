/* SPDX-License-Identifier: MIT
 * command_job.h - how a call of a command is answered by a job of the store: what it keeps
 * meanwhile, how the job begins, and the plain answer. */
#ifndef COMMAND_JOB_H
#define COMMAND_JOB_H

#include "common/check.h"
#include "master/commands.h"
#include "master/store.h"

/* What is kept for a call, zeroed, and gone with it. It begins with a pointer to the call, which
 * is set here. NULL: answered. */
void *command_state(struct command_call *c, size_t size) MUST_USE;

/* Give the store a job for the call that such a state begins with; what cannot be given is
 * answered, and then done does not run. */
void command_read(void *state, store_job_fn *job, store_done_fn *done);
void command_write(void *state, store_job_fn *job, store_done_fn *done);

/* A done: the answer is what the job wrote to the call's out. */
void command_done(void *state, int err);

#endif
