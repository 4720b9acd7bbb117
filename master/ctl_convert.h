/* SPDX-License-Identifier: MIT
 * ctl_convert.h - `llmgwctl config convert`: another gateway's configuration as one of ours. */
#ifndef CTL_CONVERT_H
#define CTL_CONVERT_H

#include "master/ctl.h"

/* Its answer, JSON with the text as `config`, in out; with `out` among the arguments the text goes
 * to that file instead. CTL_DONE, or *reterr says why not. */
enum ctl_exit ctl_convert(struct arena *mem, const struct ctl_request *q, struct buf *out,
			  struct ctl_error *reterr) MUST_USE;

#endif
