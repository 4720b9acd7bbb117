/* SPDX-License-Identifier: MIT
 * teams_private.h - a call of a team's command from its arguments over the job to its answer: what
 * teams_commands.c has and the commands beside it use.
 *
 * Functions that take a store_db run on the store's threads; all others on the loop. */
#ifndef TEAMS_PRIVATE_H
#define TEAMS_PRIVATE_H

#include "master/members.h"
#include "master/teams.h"

enum { TEAM_MEMBERS_MAX = 1000 };

struct team_call {			/* lives in the call's arena */
	struct command_call *c;
	struct keys *keys;
	struct str team_id;
	struct key_change change;
	struct key_row before;
	struct team_row row;
	bool is_new;
	/* Who may change it, besides administrators (NULL: those of its organization), and what is
	 * changed besides; 0 or -errno. */
	int (*check)(const struct command_call *c, struct store_db *db, struct str team_id);
	int (*edit)(struct team_call *tc, struct key_row *row);
	struct str edited;			/* JSON, for edit() */
	void (*answer)(struct team_call *tc);	/* of a change, in the place of the row; or NULL */
	struct team_member *members;		/* to be added, or the one to be deleted */
	bool *are_refused;			/* those that are in the team already; or NULL */
	size_t n_members;
	bool is_joining;			/* the caller, by itself */
	bool all_users;				/* all that there are are to be added */
	struct key_row *gone;			/* keys deleted with a member */
	size_t n_gone;
	struct member_limits limits;		/* of each that is added */
	struct member_defaults defaults;	/* of all */
	struct key_row budget;			/* what they are; .id 0: not changed */
	struct key_row *limited;		/* members' rows, made or deleted */
	size_t n_limited;
	struct str refused;			/* the user that is in the team, or is not */
	int undo_why;
};

/* NULL: answered. */
struct team_call *team_call_new(struct command_call *c);
/* Read team_id, and members. false: answered. */
bool team_call_take_id(struct team_call *tc) MUST_USE;
bool team_call_take_members(struct team_call *tc, const char *arg, int64_t max_budget) MUST_USE;
/* Ends the call for what a job has come back with. */
void team_call_fail(struct team_call *tc, int err);
void team_call_start(struct team_call *tc, store_job_fn *job, store_done_fn *done);
/* Changes the team as the call says, and answers with its row. */
void team_call_change(struct team_call *tc);
/* What the team has spent, as the board knows it. */
int64_t team_call_spend(const struct team_call *tc);
/* After a job that came back with err: shows members' limits to the workers. false: answered. */
bool team_call_publish_members(struct team_call *tc, int err) MUST_USE;

int team_call_find(struct team_call *tc, struct store_db *db) MUST_USE;
/* Gives the members their limits. */
int team_call_limit_members(struct team_call *tc, struct store_db *db) MUST_USE;

/* -- teams_permissions.c -- */

/* team_member_permissions must be a list of paths. false: answered. */
bool team_permissions_are_valid(struct command_call *c) MUST_USE;
/* Warns of the first that gives nothing. */
void team_permissions_warn(struct team_call *tc);

#endif
