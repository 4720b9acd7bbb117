/* SPDX-License-Identifier: MIT
 * warm.h - connections that are open before they are needed.
 *
 * A failover, or the first request after a pause, need not wait for TCP and TLS: once in
 * `server.upstream.keep-warm` each worker asks HEAD / of the bases of deployments whose group, or
 * the group that falls back to them, is in use. No key goes along, and nothing is paid for it. */
#ifndef WARM_H
#define WARM_H

#include "worker/worker.h"

struct warm;
/* Each second. Does nothing where the setting is 0, or there is no memory. */
void warm_tick(struct worker *w, uint64_t now_ns);

#endif
