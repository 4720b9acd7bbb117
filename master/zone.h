/* SPDX-License-Identifier: MIT
 * zone.h - hours of the week in a time zone: is it open, and when does that change? */
#ifndef ZONE_H
#define ZONE_H

#include <stdint.h>

#include "common/str.h"

enum { ZONE_DAY_MINUTES = 24 * 60, ZONE_WINDOWS_MAX = 32, ZONE_ALL_DAYS = 0x7f };
extern const char *const zone_day_names[7];	/* "mon" ... */

struct zone_window {
	uint32_t days;			/* bit 0: Monday */
	/* Minutes of the day; until `to` of the next day where that is not behind `from`. */
	uint32_t from, to;
	struct str zone;		/* "Europe/Zurich"; .n 0: UTC */
};
/* "mon", or "mon-fri", also over the week's end, as bits. 0: neither. */
uint32_t zone_read_days(struct str s);
/* "08:00", up to "24:00", in minutes. 0 or -EINVAL. */
int zone_read_time(struct str s, uint32_t *ret) MUST_USE;
/* Whether the system knows a zone of that name. */
bool zone_is_known(struct str name);
/* Whether one of the windows (at most ZONE_WINDOWS_MAX) is open then; *ret_change_ns: when that
 * changes next, 0: never. On the master's main thread alone: it goes by the environment's TZ. */
bool zone_is_open(const struct zone_window *w, size_t n, uint64_t wall_ns,
		  uint64_t *ret_change_ns);

#endif
