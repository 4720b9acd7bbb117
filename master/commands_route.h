/* SPDX-License-Identifier: MIT
 * commands_route.h - `route explain`: where a request would go now, and why. */
#ifndef COMMANDS_ROUTE_H
#define COMMANDS_ROUTE_H

#include "master/commands.h"

void route_explain(struct command_call *c);	/* POST /route/explain */

#endif
