/* SPDX-License-Identifier: MIT
 * newcomers.h - what the configuration gives new users and teams where nothing is said, and which
 * teams users may join by themselves: default_internal_user_params, max_internal_user_budget,
 * internal_user_budget_duration and default_team_params of litellm_settings.
 *
 * An administrator gets nothing by it, and no row of another gateway. */
#ifndef NEWCOMERS_H
#define NEWCOMERS_H

#include "master/keys_private.h"

void users_create(struct command_call *c);	/* tenants_new(), with these */
void teams_create(struct command_call *c);	/* teams_new() */
void teams_available(struct command_call *c);

/* What a user gets whom no call of its own makes; but no teams. false: answered. */
bool user_defaults_read(struct command_call *c, struct key_change *ret) MUST_USE;
/* Whether users may join that team by themselves. */
bool team_is_available(struct command_call *c, struct str team_id);

#endif
