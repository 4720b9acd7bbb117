/* SPDX-License-Identifier: MIT
 * zone.h - hours of the week in a time zone: is it open, and when does that change? */
#ifndef ZONE_H
#define ZONE_H

#include <stdint.h>

#include "common/str.h"

enum { ZONE_DAY_MINUTES = 24 * 60, ZONE_WINDOWS_MAX = 32 };

struct zone_window {
	uint32_t days;			/* bit 0: Monday */
	/* Minutes of the day; until `to` of the next day where that is not behind `from`. */
	uint32_t from, to;
	struct str zone;		/* "Europe/Zurich"; .n 0: UTC */
};
/* Whether the system knows a zone of that name. */
bool zone_is_known(struct str name);
/* Whether one of the windows (at most ZONE_WINDOWS_MAX) is open then; *ret_change_ns: when that
 * changes next, 0: never. On the master's main thread alone: it goes by the environment's TZ. */
bool zone_is_open(const struct zone_window *w, size_t n, uint64_t wall_ns,
		  uint64_t *ret_change_ns);

#endif
