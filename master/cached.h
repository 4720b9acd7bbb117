/* SPDX-License-Identifier: MIT
 * cached.h - the master's part of the response cache: it makes the segment, tells workers of it
 * along with a generation, and shows, empties and tries it. What stands there is the workers'. */
#ifndef CACHED_H
#define CACHED_H

#include "master/commands.h"

/* As the configuration in force says. Another size is another segment, and an empty one. A failure
 * is logged, and then nothing is cached. */
void cached_configure(struct master *m);

void cached_stats(struct command_call *c);
void cached_flush(struct command_call *c);
void cached_delete(struct command_call *c);
void cached_ping(struct command_call *c);

#endif
