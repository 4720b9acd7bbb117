/* SPDX-License-Identifier: MIT
 * mock.h - the program's whole state, and a connection of it.
 *
 * One thread, one loop. http.c reads requests off a connection and owns its life; play.c answers
 * one request at a time on it, at the pace and to the end that the script asks for. */
#ifndef MOCK_MOCK_H
#define MOCK_MOCK_H

#include <llhttp.h>
#include <uv.h>

#include "tests/mock/answer.h"
#include "tests/mock/log.h"

enum {
	INPUT_ROOM = 64 * 1024,		/* read at once */
	BODY_MAX = 64 << 20,
	HEAD_MAX = 64 * 1024,
	FAILN_SLOTS = 4096,		/* models with failn= that are told apart */
	CAP_MODELS = 16,		/* the same with cap= */
	CAP_MAX = 64,
};

struct stats {
	uint64_t requests;
	uint64_t accepted, open;	/* connections */
	uint64_t aborted;		/* requests whose client left before their end */
	uint64_t last_abort_ms;		/* wall clock */
	uint64_t last_abort_us;		/* monotonic clock */
};

struct mock {
	uv_loop_t loop;
	uv_tcp_t listener;
	uv_signal_t on_int, on_term;
	llhttp_settings_t parser_settings;
	struct log log;
	struct stats stats;
	struct buf head, body;		/* where answers are put together; empty between events */
	struct {
		uint64_t model;		/* hash of the name; 0: free */
		uint64_t count;
	} failn[FAILN_SLOTS];
	struct capacity {		/* of a model with cap= */
		uint64_t model;		/* hash of the name; 0: free */
		uint64_t free_at[CAP_MAX];	/* loop time when each of its places is free */
	} capacity[CAP_MODELS];
	uint64_t random;		/* of jitter */
	char input[INPUT_ROOM];
};

struct conn;
/* A step of an answer: does one thing, sets the next step, and says how many milliseconds to
 * wait before it, or NEVER (somebody else goes on), or OVER. */
typedef int64_t play_fn(struct conn *c);
enum { PLAY_NOW = 0, PLAY_NEVER = -1, PLAY_OVER = -2 };

enum ending { ENDING_GOOD, ENDING_RESET, ENDING_CLOSE, ENDING_STALL };

struct play {
	struct answer answer;
	play_fn *next;
	enum piece piece;
	uint64_t piece_i;
	uint64_t chunks;		/* content chunks sent */
	uint64_t first_at;		/* loop time of the first chunk, where comments fill ttft */
	uint64_t queued_ms;		/* until it has a place, where there is cap */
	uint64_t wait_us;		/* of jitter, instead of the milliseconds of the step; or 0 */
	bool is_streaming, is_chunked;
	bool is_head_due;
	size_t head_sent;		/* bytes of the head that went out already */
	struct span content_type;
	enum ending ending;
	size_t held_sent;		/* of conn.held, when trickling */
};

struct conn {
	struct mock *mock;
	uv_tcp_t sock;
	uv_timer_t timer;
	uv_poll_t alarm;		/* of alarm_fd, a timer finer than libuv's, made when needed */
	int alarm_fd;			/* or -1 */
	unsigned open_handles;		/* handles whose close callback has not run */
	llhttp_t parser;
	struct buf url, headers, body;	/* of the request being read or answered */
	struct buf pending;		/* what came behind it meanwhile */
	struct buf held;		/* a body that trickles */
	struct skim ask;
	struct play play;
	bool is_whole;			/* the parser has just seen the end of a request */
	bool is_busy;			/* a request is being answered */
	bool keeps_alive;
	bool is_http11;
	bool is_leaving;		/* FIN sent; waits for the other side's */
	bool is_broken;			/* a write failed */
	bool wants_drain;		/* go on with the answer when the last write is out */
};

/* http.c */
int http_listen(struct mock *m, const char *host, int port);	/* 0 or a libuv error */
void conn_send(struct conn *c, struct span a, struct span b);
bool conn_is_clogged(const struct conn *c);	/* much is waiting for a slow reader */
bool conn_has_queue(const struct conn *c);
void conn_wait(struct conn *c, uint64_t ms);	/* then play_go() */
void conn_wait_us(struct conn *c, uint64_t us);	/* the same, finer */
void conn_reset(struct conn *c);
void conn_shut(struct conn *c);			/* FIN, then close when the client has left */

/* plan.c */
void plan_answer(struct conn *c, const char *method);	/* fills c->play but for the log's number */
void plan_write_error(struct conn *c, struct buf *body);

/* head.c: body_bytes counts for whole answers only. */
void head_write(struct buf *out, const struct conn *c, size_t body_bytes);
void head_write_status_line(struct buf *out, unsigned status);

/* play.c */
void play_start(struct conn *c);	/* a request is whole */
void play_go(struct conn *c);
void play_lost(struct conn *c);		/* the client left in the middle */

/* admin.c: the paths under /mock/. Returns the status; the body is in m->body. */
unsigned admin_answer(struct mock *m, const char *method, struct span url);

#endif
