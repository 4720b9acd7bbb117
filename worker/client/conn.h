/* SPDX-License-Identifier: MIT
 * conn.h - the inside of a connection, for connection.c (life and input), reply.c (answers) and
 * client.c (what the connections of a worker share) alone. Everything else knows connection.h. */
#ifndef CONN_H
#define CONN_H

#include "worker/client/connection.h"
#include "worker/client/http_in.h"
#include "worker/client/http_out.h"
#include "worker/client/wire.h"
#include "worker/worker.h"

enum conn_state {
	CONN_IDLE,		/* no byte of a request has come */
	CONN_HEAD,		/* some have */
	CONN_ASKED,		/* a request runs; its body, if any, is not wanted (yet) */
	CONN_BODY,		/* a request runs; its body is being gathered */
	CONN_RUNNING,		/* a request runs; its body is whole */
	CONN_TUNNEL,		/* a request runs; the client's bytes are its own */
	CONN_ANSWERED,		/* the answer is complete; its last bytes may be queued */
	CONN_LINGERING,		/* the client was told that we are done; its bytes are dropped */
	CONN_CLOSING,
	CONN_STATES
};
enum conn_answer {
	ANSWER_NONE,
	ANSWER_CHUNKS,
	ANSWER_UNTIL_CLOSE,	/* HTTP/1.0 */
	ANSWER_SIZED,		/* its length has been told */
	ANSWER_SILENT		/* to HEAD: no body is sent */
};
enum conn_after {		/* what follows an answer */
	AFTER_KEEP,
	AFTER_CLOSE,
	AFTER_RESET		/* the client must not take what it has for a whole answer */
};

enum conn_spoke {
	SPOKE_PLAIN,		/* HTTP, where TLS is spoken */
	SPOKE_TLS,		/* the other way round */
	SPOKE_COUNT
};

struct connection {
	struct wire wire;		/* first: a wire's address is its connection's */
	struct worker *w;
	struct connection *next, *prev;	/* all of the worker */
	struct connection *next_turn;
	struct request *request;	/* NULL: nobody to tell */
	struct conn_copy *copy;		/* of the answer; NULL: nobody wants one */
	struct http_in *head;		/* NULL while idle */
	struct str input;		/* not consumed: of the read under way, or of pending */
	struct buf pending;		/* for later: a body not asked for, a next request */
	struct buf body;
	struct buf held;		/* the head of a stream, sent with its first piece */
	uint64_t body_max;
	uint64_t since_ns;		/* in this state; of a body, since its last byte */
	uint64_t body_since_ns;		/* since the first byte of it, or of what is dropped */
	uint64_t stuck_since_ns, out_seen;	/* queued bytes and no progress; 0: neither */
	size_t lingered;		/* bytes dropped */
	uint8_t address[16];
	enum conn_state state;
	enum conn_answer answer;
	uint64_t left;			/* ANSWER_SIZED: bytes still to come */
	enum conn_after after;
	bool close_after;
	bool is_in_input;		/* input may point into the worker's read buffer */
	bool is_scheduled;		/* a turn is due */
	bool is_broken;			/* a write failed; the turn will tell */
	bool has_end;			/* the client sends no more */
	bool is_alone;			/* the client is gone, its request goes on */
	bool is_closed;			/* so is the socket: what is left is the request's */
	bool was_high;			/* request_drained() is owed */
};

struct client {				/* what the connections of a worker share */
	struct worker *w;
	uv_timer_t tick;
	uv_check_t turn;
	uv_idle_t awake;		/* runs while a turn is due: the loop must not sleep */
	unsigned open_handles;
	struct connection *turns, **turns_end;
	struct http_in *spare_heads[16];
	unsigned n_spare_heads;
	struct buf scratch;		/* a head being composed */
	uint64_t date_s;
	char date[HTTP_DATE_BYTES];
	uint64_t quiet_until_ns[SPOKE_COUNT];	/* what was logged is not again until then */
	struct wire_room room;
};

/* connection.c */
void conn_enter(struct connection *c, enum conn_state next);
/* A request runs and its answer is not complete. */
bool conn_is_open(const struct connection *c);
/* Whether the request under way has been read to its last byte, or can be from what is here. */
bool conn_is_read(struct connection *c);
/* Called from the loop: what was put off; what time it is. */
void conn_turn(struct connection *c);
void conn_look(struct connection *c, uint64_t now_ns);

/* reply.c */
/* An answer of our own making in place of a request's. */
void conn_reply_error(struct connection *c, int status, const char *message);
void conn_reply_continue(struct connection *c);
void conn_send_held(struct connection *c);

/* mistaken.c */
/* The client speaks what this port does not: what to answer it. Logged once a minute. */
const char *conn_mistaken(struct connection *c, enum conn_spoke spoke);

/* client.c */
/* Lets conn_turn() run from the loop, soon: in this round of it, or in the next. */
void conn_schedule(struct connection *c);
void conn_unschedule(struct connection *c);
struct client *client_of(struct worker *w) MUST_USE;	/* made when needed; NULL: no memory */
void client_leave(struct worker *w);	/* goes when nobody needs it any more */
void client_wake(struct client *cl);	/* there is a connection */
void client_rest(struct client *cl);	/* there is none */
struct http_in *client_take_head(struct client *cl) MUST_USE;	/* NULL: no memory */
void client_give_head(struct client *cl, struct http_in *h);

#endif
