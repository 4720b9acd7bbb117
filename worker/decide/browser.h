/* SPDX-License-Identifier: MIT
 * browser.h - where everybody is let in, a web page of somebody else's is not.
 *
 * Without a master key whoever can connect is administrator, and so would be each page that a
 * browser on this machine shows: by a form or a script of its own (Origin tells), or under a name
 * of its own that has come to resolve to here (Host tells). Pure. */
#ifndef BROWSER_H
#define BROWSER_H

#include "common/str.h"

/* "localhost:4000", "[::1]", "10.0.0.7:80", "llmgw", "box.local": names that nobody on the internet
 * can have; .n 0: none was given, which no browser does. */
bool browser_host_is_near(struct str host) MUST_USE;
/* Of a page that is near itself, or came from the very host that is asked. .n 0: it is no page. */
bool browser_origin_is_near(struct str origin, struct str host) MUST_USE;

#endif
