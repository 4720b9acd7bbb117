/* SPDX-License-Identifier: MIT
 * users_more.h - more of LiteLLM's calls about users and budgets (tenants.h). */
#ifndef USERS_MORE_H
#define USERS_MORE_H

#include "master/commands.h"

void users_bulk_update(struct command_call *c);		/* users, or all_users and user_updates */
void users_info_alone(struct command_call *c);	/* GET /v2/user/info: users_info.c */
void users_roles(struct command_call *c);
void users_sync(struct command_call *c);	/* in user_sync.c */
void budgets_settings(struct command_call *c);		/* needs budget_id */

#endif
