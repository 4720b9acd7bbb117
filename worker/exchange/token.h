/* SPDX-License-Identifier: MIT
 * token.h - what is asked of who gives access tokens, and what he answers. Pure: the time is given.
 *
 * Credentials are a JSON object (struct snap_deployment):
 *   AUTH_GOOGLE  the file of a service account or of authorized_user, as Google hands it out; or
 *                {"type":"compute_metadata"}: the metadata server of the machine we run on
 *   AUTH_ENTRA   {"tenant_id","client_id","client_secret","authority"?,"scope"?}
 *   AUTH_IBM     {"api_key","url"?}
 *   AUTH_GIGACHAT {"authorization_key","scope"?,"url"?}
 * They go to an https address, or to this machine itself. */
#ifndef TOKEN_H
#define TOKEN_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/snapshot.h"

struct token_ask {
	struct buf url;
	struct buf form;		/* SECRET; empty where method is GET */
	struct buf headers;		/* "name: value\r\n" lines */
	const char *method;		/* NULL: POST */
};
/* Fills *ret, which token_ask_done() frees, also after a failure. 0; -EINVAL with *reterr, a
 * phrase without secrets; -ENOMEM. */
int token_ask_write(enum provider_auth auth, struct str credentials, uint64_t now_s,
		    struct token_ask *ret, const char **reterr) MUST_USE;
void token_ask_done(struct token_ask *ask);	/* wipes, too */

/* Where credentials may be sent: https, or plain http to 127.0.0.0/8, ::1 or localhost. */
bool token_url_is_safe(struct str url);

enum { TOKEN_MAX = 7680, TOKEN_CODE_MAX = 64 };
struct token_answer {
	struct str token;		/* SECRET: in the arena or in the body */
	uint64_t life_s;		/* from now on; at least 1 */
};
/* 0; -EBADMSG: no token in it, or one that fits in no header. */
int token_answer_read(struct arena *a, struct str body, uint64_t now_s,
		      struct token_answer *ret) MUST_USE;
/* The word for what went wrong: "invalid_grant". Empty: there is none that could be shown. */
struct str token_error_read(struct arena *a, struct str body);

#endif
