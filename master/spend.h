/* SPDX-License-Identifier: MIT
 * spend.h - reports over what the ledger wrote; read-only, on the reader thread. */
#ifndef SPEND_H
#define SPEND_H

#include "master/commands.h"

void spend_logs(struct command_call *c);	/* GET /spend/logs; `spend logs` */
void spend_keys(struct command_call *c);	/* GET /spend/keys */
void spend_report(struct command_call *c);	/* by key, model, day; `spend report` */

#endif
