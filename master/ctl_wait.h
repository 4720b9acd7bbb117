/* SPDX-License-Identifier: MIT
 * ctl_wait.h - `llmgwctl wait`: until the gateway is as it is wanted to be. */
#ifndef CTL_WAIT_H
#define CTL_WAIT_H

#include "master/ctl.h"

/* Asks `status` until it fits, for --timeout at most; out gets the last answer. CTL_DONE;
 * CTL_TIMED_OUT and others with *reterr. */
enum ctl_exit ctl_wait(const struct ctl_pages *of, struct buf *out,
		       struct ctl_error *reterr) MUST_USE;

/* Pure: what is waited for, and whether a status fits. */
struct ctl_wish {
	enum { WAIT_READY, WAIT_IDLE, WAIT_GENERATION } what;
	uint64_t generation;
};
int ctl_read_wish(struct str text, struct ctl_wish *ret) MUST_USE;	/* 0 or -EINVAL */
bool ctl_wish_fits(struct arena *a, const struct ctl_wish *w, const struct json *status);

#endif
