/* SPDX-License-Identifier: MIT
 * price_list.h - prices that are in force, and models that have none. */
#ifndef PRICE_LIST_H
#define PRICE_LIST_H

#include "master/commands.h"

void price_list(struct command_call *c);	/* prices list */
void price_export(struct command_call *c);	/* prices export */

#endif
