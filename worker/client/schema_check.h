/* SPDX-License-Identifier: MIT
 * schema_check.h - whether a JSON Schema is one, as far as all providers agree on what that is. */
#ifndef SCHEMA_CHECK_H
#define SCHEMA_CHECK_H

#include "common/json.h"

/* NULL: it is well-formed. Else what is wrong, a phrase ("must be an array of strings"), and
 * *ret_at is the value that is. What no table here knows is let through. */
const char *schema_complaint(const struct json *schema, const struct json **ret_at);

#endif
