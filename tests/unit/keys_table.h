/* SPDX-License-Identifier: MIT
 * keys_table.h - the command table of tests that limit keys and teams. */
#ifndef KEYS_TABLE_H
#define KEYS_TABLE_H

#include "keys_fixture.h"

#include "master/teams.h"

enum { CREATE, INFO, UPDATE, DELETE, ROTATE, TEAM_NEW, TEAM_UPDATE, TEAM_DELETE };
const struct command commands[] = {
	[CREATE] = CALL("keys create", "POST", "/key/generate", ROLE_ADMIN, keys_generate, NULL),
	[INFO] = CALL("keys show", "GET", "/key/info", ROLE_ANY_KEY, keys_info, NULL),
	[UPDATE] = CALL("keys update", "POST", "/key/update", ROLE_ADMIN, keys_update, NEEDS("key")),
	[DELETE] = CALL("keys delete", "POST", "/key/delete", ROLE_ADMIN, keys_delete, NULL),
	[ROTATE] = CALL("keys rotate", "POST", "/key/regenerate", ROLE_ADMIN, keys_rotate,
			NEEDS("key")),
	[TEAM_NEW] = CALL("teams create", "POST", "/team/new", ROLE_ADMIN, teams_new, NULL),
	[TEAM_UPDATE] = CALL("teams update", "POST", "/team/update", ROLE_ADMIN, teams_update,
			     NEEDS("team_id")),
	[TEAM_DELETE] = CALL("teams delete", "POST", "/team/delete", ROLE_ADMIN, teams_delete, NULL),
};
const size_t commands_count = COUNT(commands);

#endif
