/* SPDX-License-Identifier: MIT
 * config_rules.c - lists that requests are held to: one that cannot be read lets nobody in by
 * mistake, it is an error. */
#include "common/cidr.h"
#include "master/config_read.h"

void rules_finish(struct reader *r)
{
	struct cidr net;
	for (size_t i = 0; i < r->c->allowed_ips.n; i++)
		if (cidr_read(r->c->allowed_ips.v[i], &net) != 0)
			complain(r, COMPLAINT_ERROR,
				 given_place(r, "general_settings", "allowed_ips"),
				 "'" STR_FMT "' is no address and no network such as 10.0.0.0/8",
				 STR_ARG(shown(r->c->allowed_ips.v[i])));
}
