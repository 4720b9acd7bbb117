/* SPDX-License-Identifier: MIT
 * import_rows.h - rows of another gateway's database, a page at a time, as llmgwctl reads them. */
#ifndef IMPORT_ROWS_H
#define IMPORT_ROWS_H

#include "master/commands.h"

/* Command of the table in commands.c. */
void import_rows(struct command_call *c);

/* -- for kinds that no command makes: their rows are a page's one job -- */

struct store_db;
struct import_result {
	struct str name;
	const char *result;		/* "created", "replaced", "exists" */
	const char *why;		/* it is refused; or NULL */
};
void import_answer(struct command_call *c, const struct import_result *v, size_t n);
/* A number of dollars in a row; 0 where there is none. 0, -EINVAL, -ERANGE. */
int import_money(const struct json *row, const char *name, int64_t *ret_nano) MUST_USE;
/* In a job. 1, 0: there is no such team, -errno. */
int import_find_team(struct store_db *db, struct str team_id, int64_t *ret) MUST_USE;

/* -- import_spend.c, import_members.c (is_org: of organizations, else of teams) -- */

/* rows: a list of objects. Answers the call. */
void import_spend(struct command_call *c, const struct json *rows);
void import_members(struct command_call *c, const struct json *rows, bool overwrite, bool is_org);

#endif
