/* SPDX-License-Identifier: MIT
 * pass_endpoints.h - /config/pass_through_endpoint: paths that lead elsewhere, given by API. */
#ifndef PASS_ENDPOINTS_H
#define PASS_ENDPOINTS_H

#include "master/commands.h"

void pass_endpoints_list(struct command_call *c);
void pass_endpoints_new(struct command_call *c);
void pass_endpoints_update(struct command_call *c);	/* the id in the path */
void pass_endpoints_delete(struct command_call *c);

#endif
