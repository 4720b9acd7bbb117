/* SPDX-License-Identifier: MIT
 * customers_default.h - a budget for customers that have none of their own: litellm_settings'
 * max_end_user_budget_id, or max_end_user_budget.
 *
 * Requests name customers that nobody has made. Whoever costs something gets a row, some seconds
 * later, as with LiteLLM; it begins with what it has cost on that day. */
#ifndef CUSTOMERS_DEFAULT_H
#define CUSTOMERS_DEFAULT_H

#include <stdint.h>

struct master;

/* Each second from the loop. */
void customers_default_tick(struct master *m, uint64_t wall_ns);

#endif
