/* SPDX-License-Identifier: MIT
 * reach.c - see reach.h. The first row of the table that an address is in counts; IANA's
 * registries of special-purpose addresses have most of them. */
#include "common/reach.h"

#include <netinet/in.h>

#include "common/cidr.h"

#define WHY(what) "its address is " what ", and server.allow-private does not name it"

/* IPv4 in IPv6: where it stands, and that what it says counts. */
enum { EMBEDS_AT_2 = 100, EMBEDS_AT_12 };

static const struct {
	const char *network;
	int kind;			/* enum reach_kind, or EMBEDS_* */
	const char *why;
} rows[] = {
	{ "169.254.0.0/16", REACH_BARRED, WHY("link-local") },
	{ "fe80::/10", REACH_BARRED, WHY("link-local") },
	{ "fd00:ec2::/32", REACH_BARRED, WHY("a cloud's metadata service") },
	{ "fd20:ce::/32", REACH_BARRED, WHY("a cloud's metadata service") },
	{ "100.100.100.200", REACH_BARRED, WHY("a cloud's metadata service") },
	{ "168.63.129.16", REACH_BARRED, WHY("a cloud's metadata service") },
	{ "0.0.0.0/8", REACH_BARRED, WHY("no server's") },
	{ "::", REACH_BARRED, WHY("no server's") },
	{ "224.0.0.0/4", REACH_BARRED, WHY("no server's") },
	{ "240.0.0.0/4", REACH_BARRED, WHY("no server's") },
	{ "ff00::/8", REACH_BARRED, WHY("no server's") },
	{ "127.0.0.0/8", REACH_PRIVATE, WHY("a loopback address") },
	{ "::1", REACH_PRIVATE, WHY("a loopback address") },
	{ "10.0.0.0/8", REACH_PRIVATE, WHY("private") },
	{ "172.16.0.0/12", REACH_PRIVATE, WHY("private") },
	{ "192.168.0.0/16", REACH_PRIVATE, WHY("private") },
	{ "100.64.0.0/10", REACH_PRIVATE, WHY("private") },
	{ "fc00::/7", REACH_PRIVATE, WHY("private") },
	{ "fec0::/10", REACH_PRIVATE, WHY("private") },
	{ "192.0.0.0/24", REACH_PRIVATE, WHY("private") },
	{ "198.18.0.0/15", REACH_PRIVATE, WHY("private") },
	{ "64:ff9b:1::/48", REACH_PRIVATE, WHY("private") },
	{ "64:ff9b::/96", EMBEDS_AT_12, NULL },
	{ "2002::/16", EMBEDS_AT_2, NULL },
	{ "::/96", EMBEDS_AT_12, NULL },
};

bool reach_address(const struct sockaddr *sa, uint8_t to[16])
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof in);
		memcpy(to, v4, sizeof v4);
		memcpy(to + sizeof v4, &in.sin_addr, 4);
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(&in6, sa, sizeof in6);
	memcpy(to, &in6.sin6_addr, 16);
	return true;
}

static void take_out(const uint8_t address[16], size_t at, uint8_t to[16])
{
	memset(to, 0, 10);
	memset(to + 10, 0xff, 2);
	memmove(to + 12, address + at, 4);
}

enum reach_kind reach_kind_of(const uint8_t address[16], const char **ret_why)
{
	uint8_t inner[16];
	*ret_why = NULL;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cidr net;
		if (cidr_read(str_z(rows[i].network), &net) != 0 || !cidr_has(&net, address))
			continue;
		if (rows[i].kind < EMBEDS_AT_2) {
			*ret_why = rows[i].why;
			return (enum reach_kind)rows[i].kind;
		}
		/* IPv4 holds no other, so this ends. */
		take_out(address, rows[i].kind == EMBEDS_AT_2 ? 2 : 12, inner);
		return reach_kind_of(inner, ret_why);
	}
	return REACH_PUBLIC;
}

/* Whether the host is that address, written the one way that has no other reading. */
static bool is_written(struct str host, const uint8_t address[16])
{
	struct cidr one;
	if (str_starts(host, STR("[")) && str_ends(host, STR("]")))
		host = str_of(host.p + 1, host.n - 2);
	return str_find_char(host, '/') == SIZE_MAX && cidr_read(host, &one) == 0 &&
	       memcmp(one.address, address, sizeof one.address) == 0;
}

const char *reach_refusal(const uint8_t address[16], struct str host, bool must_be_public)
{
	const char *why;
	enum reach_kind kind = reach_kind_of(address, &why);
	if (kind == REACH_PUBLIC || (!must_be_public &&
				     (kind == REACH_PRIVATE || is_written(host, address))))
		return NULL;
	return why;
}
