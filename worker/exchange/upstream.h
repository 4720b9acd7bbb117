/* SPDX-License-Identifier: MIT
 * upstream.h - HTTP to providers: libcurl's multi interface driven by libuv.
 *
 * The one place that knows curl. TLS is always verified; no redirects, no proxies or .netrc
 * from the environment; credentials go to the host that the configuration names and nowhere
 * else. Callbacks never come from within upstream_start(), upstream_resume() or
 * upstream_cancel(). */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#include <uv.h>

#include "common/buf.h"
#include "common/snapshot.h"

struct upstream;			/* one a worker: connection cache, easy-handle pool */
struct transfer;			/* one HTTP exchange */

enum transfer_end {
	TRANSFER_DONE,	   /* the answer is whole */
	TRANSFER_REFUSED,  /* no connection: refused, unreachable, no such host, time-out */
	TRANSFER_BARRED,   /* no connection: it must not go there, see common/reach.h */
	TRANSFER_TLS,	   /* certificate or handshake refused; nothing of ours was sent */
	TRANSFER_BROKEN,   /* the connection broke before or amid the answer */
	TRANSFER_PROTOCOL, /* not HTTP, or refused by us (compressed, too large a head) */
	TRANSFER_STOPPED   /* on_data returned a negative errno */
};

struct transfer_head {
	int status;
	struct str content_type;
	struct str disposition;		/* content-disposition; .n 0: none */
	uint64_t length;		/* content-length; UINT64_MAX: not told */
	struct str headers;		/* "llm_provider-name: value\r\n" lines, allow-listed */
	uint64_t retry_after_ms;	/* 0 = not told */
	int should_retry;		/* x-should-retry: 1 true, 0 false, -1 not told */
	uint64_t pause_ms; /* nothing remains of a limit: until it is full again; 0 = not told */
	uint32_t remaining[2];		/* as in struct pace: requests, tokens */
	struct str error_type;		/* x-amzn-errortype */
};

struct transfer_handler {
	/* The answer's head is whole. Slices are good until on_end returns. */
	void (*on_head)(void *data, const struct transfer_head *h);
	/* 0; 1 = taken, and pause: nothing more until upstream_resume(); negative: stop. */
	int (*on_data)(void *data, struct str bytes);
	/* Once, last; the transfer is gone after it. detail: a phrase without secrets. */
	void (*on_end)(void *data, enum transfer_end end, const char *detail);
};
/* Of a connection alone, for bytes of another protocol; its on_end() tells only that it never
 * was, and there is no on_head() or on_data(). */
struct tunnel_handler {
	void (*on_open)(void *data);	/* it stands */
	/* What upstream_watch() asked for has come. */
	void (*on_ready)(void *data, bool readable, bool writable);
};

struct transfer_spec {
	const struct snap *snap;
	const struct snap_deployment *deployment;	/* base, key, headers */
	struct str path;		/* behind the base */
	struct str base;		/* another than the deployment's; .p NULL: that one */
	const char *method;		/* "GET", "HEAD" ...; NULL: POST. A literal */
	struct str content_type;	/* of the body; .p NULL: JSON */
	struct str headers;		/* "name: value\r\n" lines of this call alone */
	bool without_key;		/* another host's call: neither key nor headers go along */
	struct str body;		/* stays the caller's until on_end or cancel */
	bool accept_stream;		/* Accept: text/event-stream */
	const struct tunnel_handler *tunnel;	/* a connection alone: nothing is sent */
	bool is_later;			/* sent from the loop, where callbacks may run */
	uint64_t connect_timeout_ms;
};

int upstream_new(uv_loop_t *loop, struct upstream **ret) MUST_USE;
/* All transfers must be over. Closes its handles on the loop; freed after they closed. */
void upstream_close(struct upstream *u);
/* NULL: out of memory. */
struct transfer *upstream_start(struct upstream *u, const struct transfer_spec *spec,
				const struct transfer_handler *h, void *data) MUST_USE;
void upstream_resume(struct transfer *t);
/* Whether the provider has been asked, and has not refused: it may be at work. */
bool upstream_is_asked(const struct transfer *t);
/* If its provider has not been asked yet, it never will be: it breaks. From any callback. */
void upstream_call_off(struct transfer *t);
/* Nobody is called any more. May be used from any callback but on_data and on_head. */
void upstream_cancel(struct transfer *t);
/* Tunnels that stand. 0 with *ret_n bytes (of upstream_recv(), 0: the other side has closed);
 * -EAGAIN: not now; -ECONNRESET. */
int upstream_send(struct transfer *t, struct str bytes, size_t *ret_n) MUST_USE;
int upstream_recv(struct transfer *t, char *to, size_t room, size_t *ret_n) MUST_USE;
void upstream_watch(struct transfer *t, bool readable, bool writable);
/* Appends the header lines that would go out, key and all. False: no memory. */
bool upstream_put_headers(const struct transfer_spec *spec, struct buf *out) MUST_USE;
/* Connections made so far (for the metric). */
uint64_t upstream_connects(const struct upstream *u);
/* Those not made, because of where they would have gone. */
uint64_t upstream_refused(const struct upstream *u);

#endif
