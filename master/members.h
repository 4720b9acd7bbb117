/* SPDX-License-Identifier: MIT
 * members.h - limits of single members of a team: what a user may spend of the team's money.
 *
 * A member without any has no row among the tenants, and no request pays for it. */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "master/tenants.h"

/* Members as they come: an object, or a list of at most 1000, in the argument of that name; each
 * is an object. *ret_n 0: none is given. false: answered. */
bool members_read(struct command_call *c, const char *name, const struct json **ret,
		  size_t *ret_n) MUST_USE;

struct member_limits {			/* what is to be changed */
	bool sets_budget, sets_rpm, sets_tpm;
	int64_t max_budget;		/* MONEY_NONE: none */
	int64_t rpm, tpm;		/* 0: none */
	struct str budget_id;		/* of one that names none yet: see member_defaults_id() */
};
/* Reads max_budget_in_team, rpm_limit and tpm_limit. false: answered. */
bool member_limits_read(struct command_call *c, struct member_limits *ret) MUST_USE;
bool member_limits_given(const struct member_limits *l);
/* On the store's thread: makes the member's row, or changes it. *ret is what is to be published. */
int member_limit(struct store_db *db, struct command_call *c, uint64_t team, struct str user_id,
		 const struct member_limits *l, struct key_row *ret) MUST_USE;
/* A row without limits, as it is before the first. */
struct key_row member_row_new(struct command_call *c, uint64_t team, struct str user_id,
			      uint64_t now_ns);
/* Deletes the rows of a team (no user_id) or of one member; they are to be withdrawn. */
int member_limits_delete(struct store_db *db, struct arena *a, uint64_t team, struct str user_id,
			 struct key_row **ret, size_t *ret_n) MUST_USE;

/* -- org_members.c -- */

/* On the store's thread: takes a user into an organization, without a limit there. */
int org_member_join(struct store_db *db, struct command_call *c, struct str organization_id,
		    const struct key_row *user) MUST_USE;

/* -- member_defaults.c: what members without limits of their own are held to -- */

struct member_default {
	bool is_given;
	int64_t value;
};
struct member_defaults {		/* as a team's command gives them */
	bool are_given, sets_period;
	struct member_default budget, rpm, tpm;
	struct str duration;
	struct period period;
};
/* Reads team_member_budget and its like. false: answered. */
bool member_defaults_read(struct command_call *c, struct member_defaults *ret) MUST_USE;
/* The budget that members of a team have; .n 0: none. */
struct str member_defaults_id(struct arena *a, const struct key_row *team);
/* On the store's thread: makes that budget, or changes it. *ret is to be published; the team's
 * row, which is not written here, gets its id. */
int member_defaults_set(struct store_db *db, struct command_call *c, uint64_t now_ns,
			const struct member_defaults *d, struct key_row *team,
			struct key_row *ret) MUST_USE;
/* Gives it to all members that name none; their rows are to be published. */
int member_defaults_give(struct store_db *db, struct command_call *c, const struct key_row *team,
			 struct key_row **ret, size_t *ret_n) MUST_USE;
/* With its team; to be withdrawn, if ret->id is not 0. */
int member_defaults_delete(struct store_db *db, struct arena *a, const struct key_row *team,
			   struct key_row *ret) MUST_USE;

#endif
