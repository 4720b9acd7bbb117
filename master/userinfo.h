/* SPDX-License-Identifier: MIT
 * userinfo.h - who comes with a token that says nothing itself: the identity provider is asked, at
 * its userinfo endpoint (OpenID Connect Core 1.0, 5.3), and its answer handed to the worker that
 * asks, unread.
 *
 * Asking is done on libuv's pool, a few at a time, and once for all who ask about one token
 * meanwhile; who would wait for long is refused. What was answered only workers keep. */
#ifndef USERINFO_H
#define USERINFO_H

#include "master/commands.h"

struct userinfo;

int userinfo_new(struct master *m, struct userinfo **ret) MUST_USE;
/* POST /jwt/userinfo {"token": ...}: {"claims": a text, "ttl": seconds}, or {"refused": true}
 * where the provider does not know the token. */
void userinfo_ask(struct command_call *c);
/* Who waits is answered at once. */
void userinfo_stop(struct userinfo *u);

#endif
