/* SPDX-License-Identifier: MIT
 * config_jwt.h - what workers get of the rules for tokens. */
#ifndef CONFIG_JWT_H
#define CONFIG_JWT_H

#include "master/config.h"

/* Nothing where tokens are not taken. Failure is the build's. */
/* Begins the buf; a NUL stands behind each name. */
void config_write_names(struct buf *to, const struct config_names *n);
void jwt_build(const struct config_jwt *j, struct snap_build *b, struct snap_settings *s);

#endif
