/* SPDX-License-Identifier: MIT
 * log.h - what the mock was asked and how each request ended: the other side of the ledger.
 *
 * A ring of the last requests. An entry is begun when its request is whole and ended when the
 * answer is; until then it says "open". Entries keep their memory when they are used again. */
#ifndef MOCK_LOG_H
#define MOCK_LOG_H

#include <stdbool.h>

#include "tests/mock/buf.h"

enum { LOG_BODY_MAX = 64 * 1024 };

enum log_end { END_OPEN, END_DONE, END_CLIENT_GONE, END_DIED, END_COUNT };

struct log_ask {			/* all spans are copied */
	const char *method;
	struct span path, model;
	struct span headers;		/* name NUL value NUL name NUL ... */
	struct span body;
	int stream;			/* will it be streamed? */
	unsigned status;
};

struct log_entry;
struct log {
	struct log_entry *ring;
	size_t room;
	uint64_t last;			/* sequence number of the newest entry; they begin with 1 */
	uint64_t first;			/* oldest one still shown */
	bool keep_bodies;
};

void log_init(struct log *l, size_t room, bool keep_bodies);
void log_done(struct log *l);
uint64_t log_begin(struct log *l, const struct log_ask *ask);	/* its sequence number */
void log_finish(struct log *l, uint64_t seq, enum log_end end, uint64_t tokens);
void log_clear(struct log *l);
/* The last n entries (0: all), oldest first, as a JSON array. `wanted`: names of headers to show,
 * separated by commas; "*" shows all. */
void log_write(const struct log *l, struct buf *out, uint64_t n, struct span wanted);

/* The value of a header in a list as in struct log_ask; .p NULL: it is not there. */
struct span header_find(struct span headers, const char *name);

uint64_t wall_ms(void);
uint64_t monotonic_us(void);	/* the clock that other programs read too */

#endif
