/* SPDX-License-Identifier: MIT
 * post.h - one POST of JSON to somebody who is told of things, or one GET, by libcurl; for threads
 * of libuv's pool, never on the loop. Headers are secrets and reach no log. */
#ifndef POST_H
#define POST_H

#include <stdatomic.h>

#include "common/buf.h"

struct post_result {
	long status;			/* 0: there was no answer */
	uint64_t retry_after_ms;	/* as the answer says; 0: it does not */
	char why[120];			/* "" when it was taken */
};
/* Two-hundreds are well; *ret says what else it was. `easy` is kept for the next one (NULL: none
 * yet); once *gives_up is true it ends within a second. */
bool post_json(void **easy, const char *url, const char *headers, struct str body,
	       uint64_t timeout_ms, const _Atomic bool *gives_up, struct post_result *ret);
void post_done(void *easy);
/* One GET. Only a whole answer with status 200 that fits into `to` is well; else `why` says what
 * it was. */
bool post_get(const char *url, struct buf *to, uint64_t timeout_ms, const _Atomic bool *gives_up,
	      char why[120]);
/* Whether another try may help: no answer, or one that says so. */
bool post_may_retry(const struct post_result *p);

#endif
