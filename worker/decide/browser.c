/* SPDX-License-Identifier: MIT
 * browser.c - see browser.h. */
#include "worker/decide/browser.h"

#include "common/cidr.h"

/* Names that are kept for networks of one's own. */
static const struct str near[] = { STR(".localhost"), STR(".local"), STR(".internal"), STR(".lan"),
				   STR(".home.arpa"), STR(".test") };

/* Without port, brackets and the last dot; .p NULL: it is no host. */
static struct str name_of(struct str host)
{
	struct str name = host, port;
	if (str_starts(host, STR("["))) {
		name = str_cut(&host, ']');
		return host.p && name.n > 1 ? str_skip(name, 1) : STR_NONE;
	}
	port = host;
	name = str_cut(&port, ':');
	if (str_ends(name, STR(".")))
		name.n--;
	return name.n ? name : STR_NONE;
}

static bool is_literal(struct str name)
{
	struct cidr one;
	return str_find_char(name, '/') == SIZE_MAX && cidr_read(name, &one) == 0;
}

bool browser_host_is_near(struct str host)
{
	struct str name = name_of(host);
	if (!host.n)
		return true;
	if (!name.p)
		return false;
	for (size_t i = 0; i < COUNT(near); i++)
		if (name.n > near[i].n &&
		    str_eq_nocase(str_skip(name, name.n - near[i].n), near[i]))
			return true;
	return str_find_char(name, '.') == SIZE_MAX || is_literal(name);
}

bool browser_origin_is_near(struct str origin, struct str host)
{
	size_t at = str_find(origin, STR("://"));
	if (!origin.n)
		return true;
	if (at == SIZE_MAX)
		return false;			/* "null": a frame that hides where it is from */
	struct str own = str_skip(origin, at + 3), name = name_of(own);
	if (host.n && str_eq_nocase(own, host))
		return true;
	return str_eq_nocase(name, STR("localhost")) || str_eq(name, STR("127.0.0.1")) ||
	       str_eq(name, STR("::1"));
}
