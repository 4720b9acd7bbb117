/* SPDX-License-Identifier: MIT
 * listen.h - the listening sockets: one per address, made here or inherited, shared by all
 * workers, so that nothing queued is lost when a worker dies. */
#ifndef LISTEN_H
#define LISTEN_H

#include "master/config.h"

struct listen_set {
	int fd[CONFIG_LISTEN_MAX];
	struct config_listen at[CONFIG_LISTEN_MAX]; /* port: the real one; host stands in `host` */
	char host[CONFIG_LISTEN_MAX][64];
	uint64_t since[CONFIG_LISTEN_MAX], until[CONFIG_LISTEN_MAX];	/* see listen_replace() */
	size_t n;
	uint64_t tls_bits;
};

/* Takes the descriptors that systemd (LISTEN_FDS) or an upgrade handed over; clears the
 * variables. They wait in the set until an address asks for them. */
void listen_inherit(struct listen_set *spare);
/* Opens what the configuration names, taking equal addresses from `spare` and `old` first (those
 * are moved out of there). 0, or -errno with a sentence that names the address. */
int listen_open(const struct config *c, struct listen_set *old, struct listen_set *spare,
		struct listen_set *ret, char reterr[256]) MUST_USE;
/* `next` takes the place of *now, whose revision is given, as the one after that. What it lacks
 * goes to *leaving, for the workers that have it still: those of revisions from `since` to `until`.
 * What it has again comes out of there. */
void listen_replace(struct listen_set *now, const struct listen_set *next,
		    struct listen_set *leaving, uint64_t revision);
/* The last worker that has number i is about to stop accepting on it: who begins to connect now is
 * not heard, and tries again in a second, while those who wait in the queue are still taken (a
 * worker sees the filter: worker/client/listener.c). Without that they would be reset. Out of the
 * set. */
void listen_retire(struct listen_set *leaving, size_t i);
bool listen_same(const struct config *c, const struct listen_set *s);
void listen_close(struct listen_set *s);
/* "127.0.0.1:4000" */
void listen_name(const struct config_listen *l, char *out, size_t room);

#endif
