/* SPDX-License-Identifier: MIT
 * script.h - what the provider under provider.c may do, act by act. */
#ifndef TORTURE_SCRIPT_H
#define TORTURE_SCRIPT_H

#include "tests/torture/setting.h"

enum act_kind {
	ACT_END,		/* of the script: the connection waits for the next request */
	ACT_SEND,		/* text as it is, but " where it has ' */
	ACT_CHUNK,		/* text as one chunk; "" ends the body */
	ACT_FLOOD,		/* a chunk with a long event, as many times as the text has bytes */
	ACT_PAUSE,
	ACT_SLEEP,		/* longer than a heartbeat */
	ACT_FIN,
	ACT_RESET,
	ACT_SILENCE		/* until the other side leaves */
};
struct act {
	enum act_kind kind;
	const char *text;
};

/* NULL name ends it. "refused" and "then-refused" are upstreams without a script. */
extern const struct setting_upstream script_upstreams[];
/* Ends the process when there is none of that name. */
const struct act *script_named(struct str name);

#endif
