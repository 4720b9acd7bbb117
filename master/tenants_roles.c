/* SPDX-License-Identifier: MIT
 * tenants_roles.c - the roles that a user may have. */
#include "master/tenants.h"

const struct tenant_role tenant_roles[] = {
	{ "proxy_admin", "Administrator", "manages everything" },
	{ "proxy_admin_viewer", "Administrator (looks only)", "sees everything, changes nothing" },
	{ "internal_user", "User", "makes, changes and deletes its own keys" },
	{ "internal_user_viewer", "User (looks only)", "sees its own keys, changes nothing" },
	{ 0 },
};

bool tenant_is_role(struct str name)
{
	for (const struct tenant_role *r = tenant_roles; r->name; r++)
		if (str_eq_z(name, r->name))
			return true;
	return false;
}
