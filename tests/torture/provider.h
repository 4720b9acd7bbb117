/* SPDX-License-Identifier: MIT
 * provider.h - a provider on the loop of the test: the path's first segment is the script that it
 * plays. It allocates nothing once it has started. */
#ifndef TORTURE_PROVIDER_H
#define TORTURE_PROVIDER_H

#include <uv.h>

#include "tests/torture/setting.h"

struct provider;
/* Listens on a port of the loopback address; the loop must be the one that the worker runs on. */
struct provider *provider_new(uint16_t *ret_port);
void provider_run(struct provider *p, uv_loop_t *loop);
/* Closes everything; the loop must turn before provider_free(). */
void provider_stop(struct provider *p);
void provider_free(struct provider *p);
unsigned provider_connections(const struct provider *p);

#endif
