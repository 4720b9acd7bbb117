/* SPDX-License-Identifier: MIT
 * notify.h - telling systemd how we are: the datagrams of sd_notify(3), by hand. All are no-ops
 * where NOTIFY_SOCKET is not set. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

#include "common/check.h"

struct notify;
/* Reads and removes NOTIFY_SOCKET and WATCHDOG_USEC from the environment. Never NULL unless
 * memory is out. */
struct notify *notify_new(void) MUST_USE;
void notify_free(struct notify *n);
void notify_ready(struct notify *n, const char *status);
void notify_reloading(struct notify *n);	/* with MONOTONIC_USEC, for Type=notify-reload */
void notify_stopping(struct notify *n, const char *status);
void notify_status(struct notify *n, const char *status);
void notify_extend(struct notify *n, uint64_t usec);
void notify_watchdog(struct notify *n);
void notify_store_fd(struct notify *n, const char *name, int fd);	/* FDSTORE=1 */
uint64_t notify_watchdog_ms(const struct notify *n);	/* half of WatchdogSec; 0 = off */

#endif
