/* SPDX-License-Identifier: MIT
 * tunnel.h - one try at one deployment by WebSocket: the handshake, then bytes both ways. What
 * pass.h is for calls that upgrade; frames are listened to for what they cost, and not touched. */
#ifndef TUNNEL_H
#define TUNNEL_H

#include "worker/exchange/exchange.h"

struct tunnel;
/* 0 and a tunnel under way, or a negative errno with *reterr filled (the arena's memory). */
int tunnel_start(struct exchange *x, struct request *r, uint32_t deployment, struct tunnel **ret,
		 struct llm_error *reterr) MUST_USE;
/* Ends it without telling anybody; frees. */
void tunnel_cancel(struct tunnel *t);
void tunnel_drained(struct tunnel *t);
/* Bytes of the client; how many are taken. conn_tunnel_more() follows when more are welcome. */
size_t tunnel_take(struct tunnel *t, struct str bytes);

/* The answer's head, as it is read: tunnel_head.c. Pure. */
struct tunnel_answer {
	int status;
	bool is_upgrade;		/* 101, and all that belongs to it */
	struct str accept, protocol;	/* sec-websocket-accept, sec-websocket-protocol */
	uint64_t length;		/* content-length; UINT64_MAX: not told */
	bool is_chunked;
};
/* head: up to and with the empty line. 0, or -EBADMSG: not what HTTP/1.1 says. */
int tunnel_read_head(struct str head, struct tunnel_answer *ret) MUST_USE;

#endif
