/* SPDX-License-Identifier: MIT
 * import_rows.h - rows of another gateway's database, a page at a time, as llmgwctl reads them. */
#ifndef IMPORT_ROWS_H
#define IMPORT_ROWS_H

#include "master/commands.h"

/* Command of the table in commands.c. */
void import_rows(struct command_call *c);

/* -- import_spend.c: requests, which no command makes -- */

/* rows: a list of objects. Answers the call. */
void import_spend(struct command_call *c, const struct json *rows);

#endif
