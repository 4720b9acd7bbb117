/* SPDX-License-Identifier: MIT
 * ctl_doctor.h - `llmgwctl doctor`: the program that looks at this machine is llmgw itself. */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include "master/ctl.h"

/* Its answer, JSON, in out: CTL_DONE, CTL_DEGRADED (warnings) or CTL_FAILED. CTL_USAGE: it could
 * not be run, and *reterr says why. */
enum ctl_exit ctl_doctor(struct arena *mem, const struct ctl_request *q, struct buf *out,
			 struct ctl_error *reterr) MUST_USE;

#endif
