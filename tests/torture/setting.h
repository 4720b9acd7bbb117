/* SPDX-License-Identifier: MIT
 * setting.h - what the worker under test is told: deployments, groups, limits, keys. */
#ifndef TORTURE_SETTING_H
#define TORTURE_SETTING_H

#include "common/board.h"
#include "common/directory.h"
#include "common/snapshot.h"

/* The time while the clocks stand still. */
#define SETTING_NOW_NS UINT64_C(1000000000000)
#define SETTING_NOW_WALL_NS UINT64_C(1800000000000000000)

#define OF_MASTER "sk-harness-master-0000000000"
#define OF_USER "sk-harness-user-00000000000a"		/* limits and budgets, never reached */
#define OF_BLOCKED "sk-harness-blocked-000000000b"
#define OF_EXPIRED "sk-harness-expired-000000000c"
#define OF_POOR "sk-harness-poor-00000000000d"		/* its budget covers nothing */
#define OF_SHORT "sk-harness-short-00000000000f"	/* a budget for one short answer */
#define OF_NARROW "sk-harness-narrow-000000000e"	/* once a minute, model "mock" alone */
#define OF_CLOSED "sk-harness-closed-000000000g"	/* of a team that is blocked */
#define OF_BROKE "sk-harness-broke-0000000000h"		/* of a team whose budget covers nothing */
#define OF_FEW "sk-harness-few-000000000000i"		/* of a team that may ask once a minute */
#define OF_PROVIDER "sk-of-the-provider-0123456789"	/* no client may ever see it */
/* Key i has the entity i; the teams, numbered from 1, come behind. */
enum { SETTING_KEYS = 10, SETTING_TEAMS = 4, SETTING_ENTITIES = SETTING_KEYS + SETTING_TEAMS };

/* A deployment that is not a mock: group and path are its name. Where that begins with "then-"
 * the group falls back to "mock"; "refused" is where nobody listens. With "by-" in it calls need a
 * token. */
struct setting_upstream {
	const char *name;		/* NULL ends a list */
	enum provider_family family;
	const char *tokens;		/* the script of who gives them; NULL: by the name */
};

/* upstreams: NULL, or who answers at that port of the loopback address. Strict: answers wait for
 * the disk. Both end the process when they fail. */
struct snap *setting_snap(const struct setting_upstream *upstreams, uint16_t port, bool is_strict);
void setting_keys(struct dir *d, struct board *b);

#endif
