/* SPDX-License-Identifier: MIT
 * spend_prune.h - single requests older than general_settings.maximum_spend_logs_retention_period
 * are deleted, a few at a time: the ledger's jobs go between. Sums stay. */
#ifndef SPEND_PRUNE_H
#define SPEND_PRUNE_H

#include "master/store.h"

struct spend_prune;

/* 0 or -ENOMEM. Nothing is deleted before spend_prune_configure(). */
int spend_prune_new(struct store *s, uv_loop_t *loop, struct spend_prune **ret) MUST_USE;
/* keep_ms 0: for ever. Begins a round at once, then one each interval_ms. */
void spend_prune_configure(struct spend_prune *p, uint64_t keep_ms, uint64_t interval_ms);
/* Before the store closes. */
void spend_prune_stop(struct spend_prune *p);

#endif
