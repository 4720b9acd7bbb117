/* SPDX-License-Identifier: MIT
 * config_rules.c - lists that requests are held to: one that cannot be read lets nobody in by
 * mistake, it is an error. */
#include "common/cidr.h"
#include "master/config_read.h"

static void check_networks(struct reader *r, const struct config_names *list, const char *section,
			   const char *name)
{
	struct cidr net;
	for (size_t i = 0; i < list->n; i++)
		if (cidr_read(list->v[i], &net) != 0)
			complain(r, COMPLAINT_ERROR, given_place(r, section, name),
				 "'" STR_FMT "' is no address and no network such as 10.0.0.0/8",
				 STR_ARG(shown(list->v[i])));
}

/* As LiteLLM calls them, often behind "LiteLLMRoutes."; who has which path: worker/decide/rules.c. */
static bool is_group(struct str name)
{
	static const char *const groups[] = {
		"llm_api_routes", "openai_routes", "anthropic_routes", "google_routes",
		"info_routes", "management_routes", "key_management_routes",
		"spend_tracking_routes", "global_spend_tracking_routes", "public_routes"
	};
	if (str_starts(name, STR("LiteLLMRoutes.")))
		name = str_skip(name, sizeof "LiteLLMRoutes." - 1);
	for (size_t i = 0; i < COUNT(groups); i++)
		if (str_eq_z(name, groups[i]))
			return true;
	return false;
}

static void check_routes(struct reader *r, enum snap_routes which, const char *name)
{
	const struct config_names *list = &r->c->routes[which];
	for (size_t i = 0; i < list->n; i++)
		if (!str_starts(list->v[i], STR("/")) && !is_group(list->v[i]))
			complain(r, W_NOT_ACTED_ON, given_place(r, "general_settings", name),
				 "'" STR_FMT "' is neither a path nor a group of paths that there "
				 "is here", STR_ARG(shown(list->v[i])));
}

void rules_finish(struct reader *r)
{
	check_routes(r, ROUTES_ALLOWED, "allowed_routes");
	check_routes(r, ROUTES_PUBLIC, "public_routes");
	check_routes(r, ROUTES_ADMIN, "admin_only_routes");
	check_networks(r, &r->c->allowed_ips, "general_settings", "allowed_ips");
	check_networks(r, &r->c->trusted_proxies, "server", "trusted-proxies");
	check_networks(r, &r->c->allow_private, "server", "allow-private");
	if (r->c->allow_private.n > CONFIG_NETWORKS_MAX)
		complain(r, COMPLAINT_ERROR, given_place(r, "server", "allow-private"),
			 "more than %d addresses and networks", CONFIG_NETWORKS_MAX);
	if (r->c->set.flags & SET_FORWARDED && !r->c->trusted_proxies.n)
		complain(r, W_NOT_ACTED_ON,
			 given_place(r, "general_settings", "use_x_forwarded_for"),
			 "X-Forwarded-For is NOT believed: server.trusted-proxies names nobody");
}
