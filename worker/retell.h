/* SPDX-License-Identifier: MIT
 * retell.h - an answer that was kept and is given once more (known.h), read as when it was made:
 * for those who are told of each request, and not for anybody else. */
#ifndef RETELL_H
#define RETELL_H

#include "worker/request.h"

/* The bytes of a stream in the dialect of r's client: `an` counts, `an->tally.listener` hears its
 * events. False: it cannot be read, or not all of it; what came before was heard. */
bool retell_stream(struct request *r, struct dialect_answer *an, struct str bytes);

#endif
