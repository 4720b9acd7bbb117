/* SPDX-License-Identifier: MIT
 * alerts.h - telling people when something goes wrong, as LiteLLM's alerting does.
 *
 * What is told is seen in the master, in what is there anyway: records of finished requests
 * (common/record.h), the board, the database. No request does anything for it. The same thing is
 * told once in its quiet time, how often it was meanwhile is said the next time; of one kind no
 * more than a few go out in a minute. */
#ifndef ALERTS_H
#define ALERTS_H

#include "master/export_rows.h"
#include "master/master.h"

struct alerts;
struct command_call;
int alerts_new(struct master *m, struct alerts **ret) MUST_USE;
void alerts_configure(struct alerts *a);	/* after a reload */
/* Whether records of requests are wanted; then each one. */
bool alerts_want_records(const struct alerts *a);
void alerts_record(struct alerts *a, const struct export_view *v);
/* A command has been answered. */
void alerts_command(struct alerts *a, const struct command_call *c);
/* What can be sent within about as long is. NULL is fine. */
void alerts_stop(struct alerts *a, uint64_t patience_ms);

/* Commands. */
void alerts_test(struct command_call *c);
void alerts_services(struct command_call *c);	/* /health/services */

#endif
