/* SPDX-License-Identifier: MIT
 * spend_private.h - what spend*.c share: days, and the frame of a report. */
#ifndef SPEND_PRIVATE_H
#define SPEND_PRIVATE_H

#include "common/json_write.h"
#include "master/keys.h"
#include "master/spend.h"
#include "master/store_sql.h"

enum { SPEND_TEXT_ROOM = 25 };

struct spend_range {			/* from the first day's start to the last one's end */
	uint64_t from_ns, to_ns;	/* to_ns excluded */
	int64_t first_day, last_day;	/* since 1970, both included */
};
/* start_date and end_date; without them all time. false: answered. */
bool spend_take_range(struct command_call *c, struct spend_range *ret);
void spend_day_text(char out[SPEND_TEXT_ROOM], int64_t day);	/* "2026-02-03" */

/* Runs `job` on the reader, then `done` on the loop. What it cannot start it answers. */
void spend_start(struct command_call *c, store_job_fn *job, void *data);

struct spend_call {
	struct command_call *c;		/* first: spend_start()'s done looks here */
	struct spend_range range;
};
void spend_summary(struct command_call *c);	/* /spend/logs?summarize=true */

#endif
