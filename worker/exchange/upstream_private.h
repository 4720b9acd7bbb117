/* SPDX-License-Identifier: MIT
 * upstream_private.h - between upstream.c, which drives libcurl, upstream_watch.c, which watches
 * its sockets, upstream_reach.c, which says where they may go, upstream_answer.c, which takes what
 * it reads, and upstream_headers.c, which makes what goes out before a body. */
#ifndef UPSTREAM_PRIVATE_H
#define UPSTREAM_PRIVATE_H

#include <curl/curl.h>

#include "worker/exchange/pace.h"
#include "worker/exchange/upstream.h"

enum { SOCKETS_MIN = 1024, POOL_MAX = 256, HEADER_SETS = 64, HEAD_BYTES_MAX = 65536 };

struct socket_watch {
	uv_poll_t poll;
	struct upstream *u;
	curl_socket_t fd;
	int events;			/* that it waits for: UV_* */
	bool is_idle;			/* curl does not ask for it now */
	struct transfer *tunnel;	/* whose it is; NULL: curl's */
};
/* What is known of a descriptor. */
struct socket_row {
	struct socket_watch *watch;	/* of a connection, while it lasts */
	bool is_connection;		/* upstream_on_close() will tell of its end */
};

/* The same for every request to a deployment of a generation: made once, used by many. Its URL,
 * too: curl would parse it, and write it anew, for each. */
struct header_set {
	uint64_t generation;
	const struct snap_deployment *deployment;
	bool accept_stream;
	unsigned users;
	struct curl_slist *list;
	char *url;			/* of the first request; NULL: there was none yet */
	CURLU *parsed;
};

struct upstream {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer, kick;
	uint64_t due_ms, armed_ms;	/* by uv_now(): when curl wants a call; the timer's */
	unsigned open_handles;
	bool is_closing, is_inside;	/* is_inside: curl is on the stack */
	bool is_beginning;		/* upstream_start() is: it sets the timer at its end */
	uint64_t connects, refused;
	uint64_t refusal_told_ns;	/* 0: never */
	CURL *pool[POOL_MAX];
	unsigned n_pool;
	struct transfer *kicked;
	unsigned active;		/* transfers that curl has */
	struct socket_row *sockets;	/* by descriptor */
	unsigned n_sockets;
	struct header_set sets[HEADER_SETS];
};

struct transfer {
	struct upstream *u;
	CURL *easy;
	/* Whoever has started it has them, until on_end(). */
	const struct snap *snap;
	const struct snap_deployment *deployment;
	const char *refusal;		/* of an address that it must not connect to; NULL */
	struct header_set *set;		/* NULL: `headers` is its own */
	struct curl_slist *headers;
	const struct transfer_handler *h;
	void *data;
	struct transfer *next_kicked;
	struct transfer_head head;
	struct buf passed;		/* header lines for the client */
	struct str key;			/* of the provider: nothing that holds it is passed on */
	struct pace pace;		/* what its headers say of limits */
	size_t head_bytes;
	char content_type[128], error_type[128];
	struct buf disposition;
	bool is_head;			/* the method: there will be no body */
	const char *wrong;		/* with the answer, that it is not taken; NULL */
	bool is_head_whole, is_head_told, wants_pause, is_paused;
	bool is_chunked;
	bool is_asked;			/* upstream_on_ask() has a word */
	bool is_called_off;
	bool is_kicked;			/* on_kick() will look at it */
	bool is_blind;			/* its socket is not watched: no memory */
	const struct tunnel_handler *tunnel;	/* NULL: an HTTP exchange */
	bool is_open;			/* a tunnel that curl has connected: it does no more */
	struct socket_watch *watch;	/* of an open tunnel */
};

/* --- upstream.c --- */

/* Something happened on a socket, or its time has come; collects what has ended. */
void upstream_act(struct upstream *u, curl_socket_t fd, int flags);
struct transfer *upstream_transfer_of(CURL *easy);	/* NULL: none has it */
/* There is no memory to watch its socket: it ends, from the loop. */
void upstream_go_blind(struct transfer *t);

/* --- upstream_watch.c --- */

/* curl's callbacks: what to watch; a connection's socket has been made; close it. */
int upstream_on_socket(CURL *easy, curl_socket_t fd, int what, void *upstream, void *assigned);
int upstream_on_made(void *upstream, curl_socket_t fd, curlsocktype purpose);
int upstream_on_close(void *upstream, curl_socket_t fd);
/* Curl has let go of the tunnel's socket: from now on it is watched for its handler. */
bool upstream_watch_tunnel(struct transfer *t);
void upstream_unwatch(struct transfer *t);

/* --- upstream_reach.c --- */

/* curl's callbacks: a socket for an address, where the transfer may go there; before a request of
 * a stranger's deployment, on whosever connection, and before one that was called off. */
curl_socket_t upstream_on_open(void *easy, curlsocktype purpose, struct curl_sockaddr *a);
int upstream_on_ask(void *transfer, char *ip, char *own_ip, int port, int own_port);

/* --- upstream_answer.c --- */

void upstream_head_begin(struct transfer *t);	/* forgets what an earlier head said */
/* curl's callbacks. */
size_t upstream_on_header(char *p, size_t size, size_t n, void *transfer);
size_t upstream_on_body(char *p, size_t size, size_t n, void *transfer);
/* Tells the head once; false: there is none that we take. */
bool upstream_tell_head(struct transfer *t);

/* --- upstream_headers.c --- */

/* Its own list, or a set that others use, too. False: no memory, or a line that is too long. */
bool upstream_take_headers(struct transfer *t, const struct transfer_spec *s) MUST_USE;
struct curl_slist *upstream_make_headers(const struct transfer_spec *s);
void upstream_free_headers(struct curl_slist *list);	/* wipes: the provider's key is in there */
void upstream_drop_set(struct header_set *set);
/* Borrowed from the set. NULL: this is not its URL, or there is no memory for one. */
CURLU *upstream_parsed_url(struct header_set *set, const char *url);

#endif
