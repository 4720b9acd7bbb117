/* SPDX-License-Identifier: MIT
 * jwt.h - a signed statement of who we are (RFC 7519), for who gives tokens in return. Pure. */
#ifndef JWT_H
#define JWT_H

#include "common/buf.h"

/* Appends header "." claims "." signature in base64url, signed by RS256 (RFC 7518, 3.3). key: a
 * private RSA key in PEM; SECRET. 0; -EINVAL: that is no such key, or one below 2048 bits;
 * -ENOMEM. On failure *out has what it had. */
int jwt_sign(struct str key, struct str header, struct str claims, struct buf *out) MUST_USE;

#endif
