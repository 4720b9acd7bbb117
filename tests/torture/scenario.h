/* SPDX-License-Identifier: MIT
 * scenario.h - what torture.c lets clients do, and what they must get. */
#ifndef TORTURE_SCENARIO_H
#define TORTURE_SCENARIO_H

#include "tests/torture/harness.h"

enum manner {				/* of the client */
	STAYS,
	LEAVES,				/* when it has heard `holds` */
	LEAVES_EARLY,			/* after half of its request */
	LEAVES_AT_ONCE,			/* when it has asked */
	LEAVES_LATE,			/* when nothing moves any more */
	IS_ABORTED,			/* by the worker, when it has heard `holds` */
	READS_LATE,			/* when nothing moves any more */
	CONNECTS,			/* by the listener, over TCP */
	DRIPS				/* sends in pieces */
};
struct scenario {
	const char *name;
	const char *target, *key;	/* method and path; NULL: no key is sent */
	const char *body;		/* NULL: none; ' stands for ", @ for the prompt */
	int status;			/* of the answer when nothing fails; 0: there may be none */
	const char *holds;		/* what that answer must hold */
	enum manner manner;
	unsigned times;			/* requests, one behind the other; 0 is 1 */
	size_t prompt;			/* its bytes */
	const char *headers;
	bool has_chunks;		/* the body is sent in chunks */
	bool is_strict;			/* the answer waits for the disk */
	bool has_upstream;
	bool has_time;			/* the clocks run */
	enum harness_master master;
};

extern const struct scenario scenarios[];
extern const size_t scenarios_count;

#endif
