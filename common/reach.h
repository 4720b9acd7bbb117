/* SPDX-License-Identifier: MIT
 * reach.h - which addresses may be connected to, whatever a name resolves to: what is looked at is
 * the address that a socket is about to connect to, so a second answer of a name's server, or
 * another spelling of an address, makes no difference. Pure.
 *
 * Addresses are public, private, or barred: link-local ones, where machines in clouds find their
 * own credentials, and those that no server has. Who is trusted to name private hosts may have
 * private addresses, but a barred one only by writing that very address. */
#ifndef REACH_H
#define REACH_H

#include <sys/socket.h>

#include "common/str.h"

enum reach_kind { REACH_PUBLIC, REACH_PRIVATE, REACH_BARRED };

/* False: neither IPv4 nor IPv6. IPv4 becomes ::ffff:a.b.c.d. */
bool reach_address(const struct sockaddr *sa, uint8_t to[16]) MUST_USE;
/* ret_why: a phrase for whoever has to mend it, a literal; NULL where it is public. */
enum reach_kind reach_kind_of(const uint8_t address[16], const char **ret_why);
/* host: of the URL, IPv6 in brackets. NULL: it may be connected to; else why not. */
const char *reach_refusal(const uint8_t address[16], struct str host, bool must_be_public);

#endif
