/* SPDX-License-Identifier: MIT
 * tenants.h - users, organizations, customers, tags and budgets: one table of the database, one
 * set of commands, and a row for each kind that says how LiteLLM calls what.
 *
 * Their rows live beside those of keys and teams (keys.h), and changes go the same way: database,
 * directory, answer. Members of teams that have limits of their own are tenants, too; theirs are
 * the commands in members.c. */
#ifndef TENANTS_H
#define TENANTS_H

#include "master/keys_private.h"

/* -- tenants.c: the kinds -- */

struct tenant_kind {
	enum dir_kind dir;
	const char *noun;		/* "user" */
	const char *paths[2];		/* its commands' paths begin with one of them */
	const char *id, *ids;		/* arguments: one, and a list of them */
	const char *shown;		/* argument of the info command */
	const char *alias;		/* how its alias is called; NULL: it has none */
	enum key_fields fields;
	bool makes_id;			/* one without an id gets one at random */
	bool has_table;			/* its limits are shown as litellm_budget_table, too */
};
struct tenant_role {			/* that a user may have */
	const char *name, *label, *doc;
};
extern const struct tenant_role tenant_roles[];	/* ends with name NULL; in tenants_roles.c */
bool tenant_is_role(struct str name);

/* Of a command for any of them: never NULL. */
const struct tenant_kind *tenant_kind_of(const struct command *cmd);
/* As LiteLLM shows it, into an object that is open. */
void tenant_put(struct json_out *o, const struct tenant_kind *k, const struct key_row *row,
		int64_t spend);
/* What it has spent, as the board knows it. */
int64_t tenant_spend(struct keys *keys, enum dir_kind kind, const struct key_row *row);

/* -- tenants_row.c: between row and database -- */

enum { TENANT_OWNER = 29, TENANT_ROLE, TENANT_EMAIL, TENANT_KIND };
#define TENANT_COLUMNS                                                                            \
	"id, zeroblob(32), name, alias, NULL, NULL, organization_id, models, aliases, metadata,"  \
	" NULL, extra, max_budget, soft_budget, spend, spend_since, budget_duration,"             \
	" budget_reset_at, rpm_limit, tpm_limit, max_parallel_requests, blocked, NULL, created_at," \
	" created_by, updated_at, updated_by, last_used, budget_id, owner, role, email, kind"
static inline int64_t tenant_number(enum dir_kind kind)
{
	return (int64_t)kind + 1;	/* tenants.kind */
}
/* What a query with TENANT_COLUMNS has more than one with KEY_COLUMNS; 0 or -ENOMEM. */
int tenant_row_more(struct sql *q, struct arena *a, struct key_row *row) MUST_USE;
int tenant_row_read(struct sql *q, struct arena *a, struct key_row *ret) MUST_USE;
/* 0 or -ENOENT, -ENOMEM, another -errno. */
int tenant_row_find(struct store_db *db, int64_t kind, uint64_t owner, struct str name,
		    struct arena *a, struct key_row *ret) MUST_USE;
int tenant_row_by_email(struct store_db *db, struct str email, struct arena *a,
			struct key_row *ret) MUST_USE;
/* -EEXIST: there is one of this name. Sets row->id. */
int tenant_row_insert(struct store_db *db, int64_t kind, struct key_row *row) MUST_USE;
int tenant_row_update(struct store_db *db, const struct key_row *row) MUST_USE;
int tenant_row_delete(struct store_db *db, uint64_t id) MUST_USE;
/* All of a kind that belong to an owner (0: that have that name). */
int tenant_rows_of(struct store_db *db, int64_t kind, uint64_t owner, struct str name,
		   struct arena *a, struct key_row **ret, size_t *ret_n) MUST_USE;
/* A row whose budget_id is new takes the budget's limits for single models, and its period, if it
 * has none of its own; one that has no budget any more loses the former. -ENODATA: there is no such
 * budget. */
int budget_adopt(struct store_db *db, struct arena *a, uint64_t now_ns,
		 struct key_row *row) MUST_USE;
/* The same of a row that was `before`: the period that another budget lent it goes with that. */
int budget_change(struct store_db *db, struct arena *a, uint64_t now_ns,
		  const struct key_row *before, bool sets_period, struct key_row *row) MUST_USE;

/* Whoever has its limits from this budget begins with its period now. */
int budget_set_periods(struct store_db *db, const struct key_row *budget) MUST_USE;

/* -- commands -- */

void tenants_new(struct command_call *c);
void tenants_update(struct command_call *c);
void tenants_block(struct command_call *c);
void tenants_unblock(struct command_call *c);
void tenants_delete(struct command_call *c);
void tenants_info(struct command_call *c);
void tenants_list(struct command_call *c);
void orgs_member_add(struct command_call *c);		/* in org_members.c */
void orgs_member_update(struct command_call *c);
void orgs_member_delete(struct command_call *c);
/* A member of an organization that is gone, or an organization's; one without limits was never
 * published. */
void org_member_withdraw(struct keys *keys, const struct key_row *row);

#endif
