/* SPDX-License-Identifier: MIT
 * relay.h - management calls: the worker takes the HTTP apart, the master runs the command. */
#ifndef RELAY_H
#define RELAY_H

#include "common/frame.h"
#include "worker/step.h"

struct request;
struct worker;

enum step relay_call(struct request *r);	/* an endpoint's run */
/* Another's: with the models that the caller may use, of which alone the answer shall tell. */
enum step relay_models(struct request *r);
/* A call that the gateway itself makes, as administrator, for a request that waits for it: done()
 * once it has been answered, whatever the answer is, which is good for that call alone. STEP_WAIT;
 * or STEP_DONE, and it will not. */
typedef void relay_done_fn(struct request *r, uint32_t status, struct str answer);
enum step relay_post(struct request *r, struct str path, struct str args, struct str by,
		     relay_done_fn *done);
void relay_answer(struct worker *w, struct frame_in *f);	/* LINK_ANSWER has come */
void relay_cancel(struct request *r);		/* the client left */
void relay_fail_all(struct worker *w);		/* the master is gone */

#endif
