/* SPDX-License-Identifier: MIT
 * many.h - a call that is made of many others of one command, one after the other. Each is derived
 * from it: it has its caller, goes the whole way from role to audit log, and answers to it. */
#ifndef MANY_H
#define MANY_H

#include "common/json_write.h"
#include "master/commands.h"

enum { MANY_MAX = 1000 };

struct many_result {			/* of one */
	const struct json *args;
	int status;			/* 200: it is done */
	const struct json *answer;	/* NULL: it could not be read */
};
typedef void many_done_fn(struct command_call *c, const struct many_result *v, size_t n);

/* Runs the command with each object of the list, of which there are at most MANY_MAX; then
 * done(), which finishes the call. What is in the results lives as long as the call. */
void many_run(struct command_call *c, const struct command *cmd, const struct json *list,
	      many_done_fn *done);
/* Whether that is a list of 1 to MANY_MAX objects. */
bool many_are_objects(const struct json *list);
/* The member `from` of an object, or null, as member `to` of one that is written. */
void many_put_member(struct json_out *o, const char *to, const struct json *object,
		     const char *from);
/* Why it was not done. */
void many_put_reason(struct json_out *o, const char *to, const struct many_result *r);

#endif
