/* SPDX-License-Identifier: MIT
 * priorities.h - litellm_settings.priority_reservation: what share of a model's requests and tokens
 * a minute each class of keys may use once the model is saturated. */
#ifndef PRIORITIES_H
#define PRIORITIES_H

#include "common/board.h"
#include "master/config_read.h"

bool priorities_set(struct reader *r, struct config_gates *at, const struct directive *d,
		    const struct yaml *y);
void priorities_put(struct json_out *o, const char *key, const struct config_gates *g);
/* The gates of one group into its row of the snapshot, each with a row on the board: of its
 * requests and of its tokens, where its deployments have limits, first the whole, then the share
 * of those without a class, then each class. 0, -ENOSPC, -ENOMEM. */
int priorities_build(struct board *b, const struct config *c, struct str group,
		     struct snap_build *to, struct snap_group *g) MUST_USE;

#endif
