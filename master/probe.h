/* SPDX-License-Identifier: MIT
 * probe.h - health probes: does a deployment's provider answer, and does it take our key?
 *
 * A probe asks for the provider's list of models, which costs nothing; its status is all that is
 * looked at: the master parses no answer of a provider. Probes run on libuv's thread pool. */
#ifndef PROBE_H
#define PROBE_H

#include "master/master.h"

struct probe;
int probe_new(struct master *m, struct probe **ret) MUST_USE;
/* After a reload: interval and whether at all. */
void probe_configure(struct probe *p);
/* Probes those of one model name, and of one id (.p NULL: all), which must stay until done is
 * called on the loop; with done whatever the settings. */
typedef void probe_done_fn(void *data);
int probe_now(struct probe *p, struct str model, struct str id, struct str by, probe_done_fn *done,
	      void *data) MUST_USE;
/* What the last probe of a board row found wrong; "" when nothing, or never probed. */
const char *probe_error(const struct probe *p, uint32_t board_row);
void probe_stop(struct probe *p);

#endif
