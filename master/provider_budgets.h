/* SPDX-License-Identifier: MIT
 * provider_budgets.h - how the configuration's budgets of providers and tags stand. */
#ifndef PROVIDER_BUDGETS_H
#define PROVIDER_BUDGETS_H

#include "master/commands.h"

/* {"providers": {name: {budget_limit, time_period, spend, budget_reset_at}}}, as LiteLLM has it,
 * and the same under "tags". */
void provider_budgets(struct command_call *c);

#endif
