/* SPDX-License-Identifier: MIT
 * access_log.h - one line a request. Never the key, the prompt or the answer. */
#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

struct request;
void access_log(const struct request *r);

#endif
