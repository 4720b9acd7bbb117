/* SPDX-License-Identifier: MIT
 * price_import.h - prices that were given: kept in the database, in force before those that are
 * shipped, and behind those of the configuration. */
#ifndef PRICE_IMPORT_H
#define PRICE_IMPORT_H

#include "master/commands.h"
#include "master/store.h"

enum { PRICE_LINES_MAX = 20000 };

/* Puts what the database has into force; before the loop runs. *ret_any: there is something. 0 or
 * -errno. */
int price_import_open(struct store *store, bool *ret_any) MUST_USE;

void price_import(struct command_call *c);	/* prices import */
void price_reset(struct command_call *c);	/* prices reset */
void price_status(struct command_call *c);	/* prices status */

#endif
