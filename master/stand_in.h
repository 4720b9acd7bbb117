/* SPDX-License-Identifier: MIT
 * stand_in.h - an answer for who comes while no worker serves.
 *
 * When all workers are gone and none comes back, connections would wait in the kernel for nothing.
 * The master then takes them itself and gives all of them the same answer, 503, whatever they
 * ask: what they send is thrown away unread. On TLS listeners there is nothing to say: they are
 * closed. How many at a time, how many bytes and how long is limited. */
#ifndef STAND_IN_H
#define STAND_IN_H

#include "master/listen.h"
#include "master/master.h"

struct stand_in;
/* 0 or -ENOMEM. */
int stand_in_new(struct master *m, struct stand_in **ret) MUST_USE;
/* Takes connections from now on; the sockets stay the caller's. Nothing when it does already. */
void stand_in_begin(struct stand_in *s, const struct listen_set *listen);
/* Takes no more; whoever was taken gets the answer still. Before the sockets go. */
void stand_in_end(struct stand_in *s);

#endif
