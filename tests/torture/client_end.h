/* SPDX-License-Identifier: MIT
 * client_end.h - a client of the worker under test, on the same loop. It keeps what it has heard
 * when its connection ends, until it opens the next one. */
#ifndef TORTURE_CLIENT_END_H
#define TORTURE_CLIENT_END_H

#include "tests/torture/harness.h"

enum { HEARD_MAX = 4 << 20 };
struct client_end {
	struct harness *h;
	int fd;				/* -1: closed */
	bool has_end;			/* the worker sends no more */
	size_t n, n_unsent;
	const char *unsent;
	char *got;			/* HEARD_MAX */
};
struct client_end *client_end_new(struct harness *h);
void client_end_free(struct client_end *e);
void client_end_open(struct client_end *e, bool by_listener);
/* What the socket does not take now goes out with later turns; text must stay. */
void client_end_say(struct client_end *e, struct str text);
/* Up to HEARD_MAX bytes in all; also sends what is unsent. */
void client_end_hear(struct client_end *e);
void client_end_close(struct client_end *e);

#endif
