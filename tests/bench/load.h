/* SPDX-License-Identifier: MIT
 * load.h - the load generator's state: what is asked, by whom, and what came of it.
 *
 * load.c decides when a request is due (pace), client.c carries it over a connection and checks
 * the answer, report.c prints. One thread; times are nanoseconds of the monotonic clock. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <uv.h>

#include "tests/bench/hist.h"

#define FAILURES(X)                                             \
	X(CONNECT,  "connect",  "no connection")                \
	X(CLOSED,   "closed",   "closed in the middle")         \
	X(PARSE,    "parse",    "not HTTP")                     \
	X(STATUS,   "status",   "status not wanted")        \
	X(NOT_JSON, "not_json", "body is no JSON object")       \
	X(NO_DONE,  "no_done",  "stream without [DONE]")        \
	X(TIMEOUT,  "timeout",  "took longer than --timeout")   \
	X(ENDED,    "ended",    "stream ended while it was held")

enum failure {
#define X(name, ...) FAIL_##name,
	FAILURES(X)
#undef X
	FAIL_COUNT
};

enum mode { MODE_NONE, MODE_OPEN, MODE_CLOSED, MODE_HOLD };

enum client_state {
	CLIENT_CLOSED,			/* no handle */
	CLIENT_CONNECTING,
	CLIENT_IDLE,
	CLIENT_BUSY,
	CLIENT_CLOSING			/* libuv still has the handle */
};

struct load;
struct client {
	struct load *load;
	uv_tcp_t sock;
	uv_connect_t connect_req;
	uv_write_t write_req;
	llhttp_t parser;
	enum client_state state;
	struct client *next_idle;
	bool is_listed;			/* among the idle ones; perhaps no longer idle */
	uint64_t due_ns;		/* when this request was to be sent */
	uint64_t last_event_ns;
	uint64_t events;
	uint64_t stamp_ns;		/* when this event was sent, or 0; as it is read */
	uint64_t stamp_read;		/* the read that had the stamp before; counts from 1 */
	uint64_t delay_ns;		/* of the event that had it */
	bool in_stamp;
	char first, last;		/* bytes of a body that are no white space */
	char line[16];			/* how the current line of a stream begins */
	size_t line_n;
	bool has_data, is_done;		/* of the current event; of the stream */
	bool is_counted;		/* due in the measured time */
};

struct load {
	uv_loop_t loop;
	enum mode mode;
	double rate;
	unsigned client_count;
	double duration_s, warmup_s, timeout_s;
	bool is_stream, is_json;
	bool has_stamps;		/* events say when they were sent */
	bool wants_refusal;		/* 4xx is right, and 2xx is wrong */
	struct sockaddr_storage addr;
	char *request;
	size_t request_n;
	llhttp_settings_t parser_settings;
	struct client *clients;
	struct client *idle_head, **idle_tail;	/* the one that waits longest comes first */
	unsigned started, connected;	/* clients that were told to connect, and that could */

	uv_poll_t pacer;		/* of pace_fd, a timer finer than libuv's */
	int pace_fd;
	uv_timer_t phase, watch;
	uv_signal_t on_int, on_term;
	bool is_running;		/* all are connected */
	bool is_ending;			/* the measured time is over; open requests may finish */
	bool is_hopeless;		/* too much failed */
	bool is_over;			/* everything is being closed */
	uint64_t begin_ns, from_ns, to_ns;	/* begin of all; measured from, to */
	uint64_t total, due, sent;	/* open loop: requests in all, due, and sent */
	unsigned busy, held;		/* clients with a request; with a first event, --hold */

	uint64_t ok, events;		/* in the measured time */
	uint64_t stamped, merged;	/* events with a stamp; those that came with the one before */
	uint64_t events_min, events_max;	/* of a whole stream, warm-up or not */
	uint64_t reads;
	uint64_t reconnects;
	uint64_t failures[FAIL_COUNT];
	int bad_status;			/* the first one that was not wanted */
	struct hist latency, lag, first_event, gap, delay, jitter;
};

/* client.c */
void client_init(struct client *c, struct load *l);
void client_connect(struct client *c);
void client_send(struct client *c, uint64_t due_ns);
void client_fail(struct client *c, enum failure why);
void client_settings_init(llhttp_settings_t *s);

/* load.c */
void load_on_connected(struct load *l, struct client *c);
void load_on_idle(struct load *l, struct client *c);	/* answered, can take another */
void load_on_first_event(struct load *l, struct client *c);
void load_on_failure(struct load *l, struct client *c, enum failure why);

/* options.c: ends the program when they are wrong. */
void options_read(struct load *l, int argc, char **argv);

/* report.c */
void report_write(const struct load *l);
uint64_t report_failures(const struct load *l);

#endif
