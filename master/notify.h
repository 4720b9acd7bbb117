/* SPDX-License-Identifier: MIT
 * notify.h - telling systemd how we are: the datagrams of sd_notify(3), by hand. All are no-ops
 * where NOTIFY_SOCKET is not set, and none waits for who listens. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/check.h"

struct notify;
/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which stay for the upgrade in place.
 * NULL only when memory is out. */
struct notify *notify_new(void) MUST_USE;
void notify_ready(struct notify *n, const char *status);
void notify_reloading(struct notify *n);	/* with MONOTONIC_USEC, for Type=notify-reload */
void notify_stopping(struct notify *n, const char *status);
void notify_extend(struct notify *n, uint64_t usec);
/* Every now and then: sends again what was not taken, and feeds the watchdog of who asked for
 * one while all is well. */
void notify_tick(struct notify *n, bool is_well);
void notify_store_fd(struct notify *n, const char *name, int fd);	/* FDSTORE=1 */
void notify_forget_fds(struct notify *n, const char *name);	/* FDSTOREREMOVE=1 */
uint64_t notify_watchdog_ms(const struct notify *n);	/* half of WatchdogSec; 0 = off */

#endif
