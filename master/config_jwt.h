/* SPDX-License-Identifier: MIT
 * config_jwt.h - what workers get of the rules for tokens. */
#ifndef CONFIG_JWT_H
#define CONFIG_JWT_H

#include "master/config.h"

/* Nothing where tokens are not taken. Failure is the build's. */
void jwt_build(const struct config_jwt *j, struct snap_build *b, struct snap_settings *s);

#endif
