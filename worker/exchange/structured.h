/* SPDX-License-Identifier: MIT
 * structured.h - answers held to the schema that was asked for (enable_json_schema_validation). */
#ifndef STRUCTURED_H
#define STRUCTURED_H

#include "worker/request.h"

/* Room for the answer's text, in the request's arena; its bytes are given back by buf_done().
 * NULL: this answer is not checked. */
struct buf *structured_room(const struct request *r);
/* What to tell when the text does not fit; .p NULL: it fits, or nobody asked. */
struct str structured_misfit(const struct request *r, const struct buf *text);

#endif
