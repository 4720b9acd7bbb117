/* SPDX-License-Identifier: MIT
 * ctl_restore.h - `llmgwctl restore`: a backup in the place of the database. */
#ifndef CTL_RESTORE_H
#define CTL_RESTORE_H

#include "master/ctl.h"

/* The whole command; out gets a JSON answer, to be shown as the command's. */
enum ctl_exit ctl_restore(struct arena *mem, const struct ctl_request *q, bool is_tty,
			  struct buf *out, struct ctl_error *reterr) MUST_USE;

#endif
