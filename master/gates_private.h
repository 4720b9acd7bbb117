/* SPDX-License-Identifier: MIT
 * gates_private.h - what gates*.c share: what a gate is called on the board. */
#ifndef GATES_PRIVATE_H
#define GATES_PRIVATE_H

#include "master/config.h"
#include "master/zone.h"

/* The budget of its provider, or NULL. */
const struct config_gate *gates_budget_of(const struct config *c, const struct config_model *cm);
uint64_t gates_hash_provider(struct str provider);
uint64_t gates_hash_own(const struct config_model *cm);
uint64_t gates_hash_hours(const struct config_hours *h);
uint64_t gates_hash_plan(const struct config_gate *p, const struct config_model *cm);
struct snap_gate gates_plan(const struct config_gate *p);	/* without name and row */

static inline bool gates_has_own(const struct config_model *cm)
{
	return cm->max_budget >= 0 && cm->budget_duration.n;
}
static inline uint64_t gates_own_limit(const struct config_model *cm)
{
	return (uint64_t)cm->max_budget / 1000;
}

#endif
