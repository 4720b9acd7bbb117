/* SPDX-License-Identifier: MIT
 * jwks.h - the public keys of who signs tokens: fetched from the addresses of the configuration,
 * kept, and handed to workers as they came. Only workers read them (worker/decide/keyset.h).
 *
 * They are fetched when they are public_key_ttl old; when a worker meets a key id that it does not
 * know, but for that not sooner than refresh-wait after the last time; and from an address that
 * failed, with growing pauses. Each address goes its own way: one that does not answer holds up no
 * other. What it gave last counts until it gives another list, or for max-stale while it gives
 * none. Where an issuer says itself where its keys are (discovery.h), it is asked for that each
 * time, and the keys are good for its own tokens alone. Fetching is done on libuv's thread pool. */
#ifndef JWKS_H
#define JWKS_H

#include "master/master.h"

struct jwks;
struct worker_link;

int jwks_new(struct master *m, struct jwks **ret) MUST_USE;
/* After a reload: other addresses make what came from the old ones void at once. */
void jwks_configure(struct jwks *j);
/* A worker serves: it gets what there is. */
void jwks_greet(struct jwks *j, struct worker_link *l);
/* A worker has met a key id that version `known` does not have. It is always told something: a
 * newer version, or that there is none. */
void jwks_wanted(struct jwks *j, struct worker_link *l, uint64_t known);
void jwks_stop(struct jwks *j);

#endif
