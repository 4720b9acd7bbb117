/* SPDX-License-Identifier: MIT
 * cidr.h - networks of addresses: "10.0.0.0/8", "2001:db8::/32", or one address. */
#ifndef CIDR_H
#define CIDR_H

#include "common/str.h"

struct cidr {
	uint8_t address[16];		/* IPv6, or IPv4 as ::ffff:a.b.c.d; bits beyond are 0 */
	uint8_t bits;			/* of the address that count: 0 to 128 */
};
/* 0 or -EINVAL: also where bits beyond the length are set, which nobody means. */
int cidr_read(struct str s, struct cidr *ret) MUST_USE;
bool cidr_has(const struct cidr *c, const uint8_t address[16]);

#endif
