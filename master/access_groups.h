/* SPDX-License-Identifier: MIT
 * access_groups.h - LiteLLM's /access_group: names that stand for several models in key lists. */
#ifndef ACCESS_GROUPS_H
#define ACCESS_GROUPS_H

#include "master/commands.h"

void access_groups_new(struct command_call *c);
void access_groups_list(struct command_call *c);
void access_groups_info(struct command_call *c);
void access_groups_update(struct command_call *c);
void access_groups_delete(struct command_call *c);

#endif
