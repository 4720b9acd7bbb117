/* SPDX-License-Identifier: MIT
 * alert_send.h - messages on their way to receivers of alerts: a short queue, on libuv's pool, one
 * at a time for each receiver and two in all. A message that is not taken is tried again for a
 * while; what finds no room, or is never taken, is counted. */
#ifndef ALERT_SEND_H
#define ALERT_SEND_H

#include <uv.h>

#include "common/metrics.h"
#include "master/config.h"
#include "master/post.h"

struct alert_send;
int alert_send_new(uv_loop_t *loop, struct metric_row *m, struct alert_send **ret) MUST_USE;
/* To that receiver of the configuration, as it is now. done may be NULL; else this is a test:
 * it waits for no other one, is tried once, and done is called on the loop with what came of it,
 * 15 seconds later at the latest. False: there is no room, or nobody who would get the mail, and
 * done is not called. */
typedef void alert_sent_fn(void *data, size_t target, const struct post_result *r);
bool alert_send_put(struct alert_send *s, const struct config_alerts *c, size_t target,
		    const struct alert_message *m, alert_sent_fn *done, void *data);
void alert_send_tick(struct alert_send *s, uint64_t now_ns);
/* What can be sent until then is; the rest is dropped. NULL is fine. */
void alert_send_stop(struct alert_send *s, uint64_t until_ns);

#endif
