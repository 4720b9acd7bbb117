/* SPDX-License-Identifier: MIT
 * rates.h - rates of whoever has no row of its own on the board: a key for a model whose
 * deployments limit every key by default. Found by number, taken by the first who asks.
 *
 * Rows have the form of entities, of which only the words of rates are used. One that nobody has
 * used for an hour, and whose words say nothing any more, is given to another. Where all places of
 * a number are taken it shares one: then both are held to what is stricter than their limit. */
#ifndef RATES_H
#define RATES_H

#include "common/board.h"

#define RATES_IDLE_NS UINT64_C(3600000000000)

/* id is not 0; now_ns is monotonic, wall_ns what the row's use is noted by. Never NULL. */
struct board_entity *rates_find(const struct board *b, uint64_t id, uint64_t now_ns,
				uint64_t wall_ns);

#endif
