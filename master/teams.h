/* SPDX-License-Identifier: MIT
 * teams.h - teams: what stands above keys. Their rows live beside those of the keys (keys.h), and
 * changes go the same way: database, directory, answer. Commands of the table in commands.c. */
#ifndef TEAMS_H
#define TEAMS_H

#include "master/commands.h"

void teams_new(struct command_call *c);
void teams_update(struct command_call *c);
void teams_block(struct command_call *c);
void teams_unblock(struct command_call *c);
void teams_delete(struct command_call *c);		/* and their keys */
void teams_member_add(struct command_call *c);
void teams_member_delete(struct command_call *c);	/* and the user's keys in the team */
void teams_member_update(struct command_call *c);	/* in members.c */
void teams_bulk_member_add(struct command_call *c);	/* in teams_bulk.c */
void teams_model_add(struct command_call *c);		/* in teams_models.c */
void teams_callback_add(struct command_call *c);	/* in teams_callbacks.c */
void teams_callbacks(struct command_call *c);
void teams_disable_logging(struct command_call *c);
void teams_model_delete(struct command_call *c);
void teams_permissions_list(struct command_call *c);	/* in teams_permissions.c */
void teams_permissions_update(struct command_call *c);
void teams_info(struct command_call *c);
void teams_list(struct command_call *c);
void teams_list_pages(struct command_call *c);		/* GET /v2/team/list */

#endif
