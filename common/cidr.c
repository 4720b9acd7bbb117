/* SPDX-License-Identifier: MIT
 * cidr.c - networks of addresses, all as IPv6; see cidr.h. */
#include "common/cidr.h"

#include <arpa/inet.h>
#include <errno.h>

enum { V4_AT = 96 };			/* bits before an IPv4 address in its IPv6 form */

static bool read_address(struct str s, struct cidr *c, unsigned *ret_before)
{
	char z[INET6_ADDRSTRLEN + 1];
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	if (!s.n || s.n >= sizeof z)
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	*ret_before = V4_AT;
	memcpy(c->address, v4, sizeof v4);
	if (inet_pton(AF_INET, z, c->address + sizeof v4) == 1)
		return true;
	*ret_before = 0;
	return inet_pton(AF_INET6, z, c->address) == 1;
}

static bool is_clean(const struct cidr *c)
{
	for (unsigned i = c->bits; i < 128; i++)
		if (c->address[i / 8] & 0x80u >> i % 8)
			return false;
	return true;
}

int cidr_read(struct str s, struct cidr *ret)
{
	uint64_t bits = 0;
	unsigned before;
	struct str length = s, address = str_cut(&length, '/');
	*ret = (struct cidr){ 0 };
	if (!read_address(address, ret, &before))
		return -EINVAL;
	if (address.n == s.n)
		bits = 128 - before;
	else if (str_read_u64(length, &bits) != 0 || bits > 128 - before)
		return -EINVAL;
	ret->bits = (uint8_t)(before + bits);
	return is_clean(ret) ? 0 : -EINVAL;
}

bool cidr_has(const struct cidr *c, const uint8_t address[16])
{
	unsigned whole = c->bits / 8, rest = c->bits % 8;
	if (memcmp(c->address, address, whole) != 0)
		return false;
	return !rest || ((c->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}
