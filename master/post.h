/* SPDX-License-Identifier: MIT
 * post.h - one POST of JSON, or one mail, to somebody who is told of things, or one GET, by
 * libcurl; for threads of libuv's pool, never on the loop. Headers are secrets and reach no log. */
#ifndef POST_H
#define POST_H

#include <stdatomic.h>

#include "common/buf.h"
#include "master/egress.h"

struct post_result {
	long status;			/* 0: there was no answer */
	uint64_t retry_after_ms;	/* as the answer says; 0: it does not */
	char why[120];			/* "" when it was taken */
};
/* Two-hundreds are well; *ret says what else it was. `easy` is kept for the next one (NULL: none
 * yet); once *gives_up is true it ends within a second. */
bool post_json(void **easy, const char *url, const char *headers, struct str body,
	       uint64_t timeout_ms, const struct egress *egress, const _Atomic bool *gives_up,
	       struct post_result *ret);
/* The same with all that can be said of it. */
struct post {
	const char *method;		/* NULL: POST */
	const char *url, *headers;
	const char *type;		/* NULL: application/json */
	struct str body;
	uint64_t timeout_ms;
	const struct egress *egress;	/* NULL: the operator says where it goes */
	const _Atomic bool *gives_up;
	struct buf *answer;		/* NULL: nobody wants it; `failed` when it was too much */
	bool is_packed;			/* the body goes by gzip */
	/* Files, or NULL: who signs the other side's certificate; ours, and its key. */
	const char *authority, *certificate, *key;
};
bool post_send(void **easy, const struct post *p, struct post_result *ret);
void post_done(void *easy);
/* One GET. Only a whole answer with status 200 that fits into `to` is well; else `why` says what
 * it was. */
bool post_get(const char *url, struct buf *to, uint64_t timeout_ms, const struct egress *egress,
	      const _Atomic bool *gives_up, char why[120]);
/* One mail by SMTP, the same way: the server is smtp://host:port, or smtps:// where encryption
 * comes before the first word. to: addresses with commas between; text: head and body, lines
 * ending in CR LF. user "": the server wants none. */
struct post_mail {
	const char *url, *user, *password, *from, *to;
	bool has_tls;			/* nothing is said in the clear but STARTTLS */
	const struct egress *egress;
};
bool post_mail(void **easy, const struct post_mail *mail, struct str text, uint64_t timeout_ms,
	       const _Atomic bool *gives_up, struct post_result *ret);
/* Whether another try may help: no answer, or one that says so. */
bool post_may_retry(const struct post_result *p);

#endif
