/* SPDX-License-Identifier: MIT
 * users_more.h - more of LiteLLM's calls about users and budgets (tenants.h). */
#ifndef USERS_MORE_H
#define USERS_MORE_H

#include "master/commands.h"
#include "master/store.h"

void users_bulk_update(struct command_call *c);		/* users, or all_users and user_updates */
void users_info_alone(struct command_call *c);	/* GET /v2/user/info: users_info.c */
/* Whether the caller is an admin of a team that the user is in: then it sees who that is, and not
 * what is kept of it elsewhere. On the store's threads; 0, -ENOENT or another -errno. */
int users_check_teams(const struct command_call *c, struct store_db *db,
		      struct str user_id) MUST_USE;
void users_roles(struct command_call *c);
void users_sync(struct command_call *c);	/* in user_sync.c */
void budgets_settings(struct command_call *c);		/* needs budget_id */

#endif
