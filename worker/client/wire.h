/* SPDX-License-Identifier: MIT
 * wire.h - the socket under a connection: plain bytes in and out, TLS or not.
 *
 * What goes out is tried at once with one write; what the kernel does not take is queued and
 * sent by the loop. Events come from the loop only, never from within a call made here. The
 * wire is part of its owner's memory; on_closed() is the last that is heard of it. */
#ifndef WIRE_H
#define WIRE_H

#include <uv.h>

#include "common/buf.h"

struct tls;

enum {
	WIRE_READ_BYTES = 65536,
	WIRE_PLAIN_MAX = 4 * WIRE_READ_BYTES,	/* out of one read, a held-back record included */
	WIRE_QUEUE_MAX = 64 << 20,		/* beyond it the connection is cut */
	WIRE_PARTS_MAX = 4
};

struct wire_room {			/* buffers that all wires of a worker share in turn */
	char in[WIRE_READ_BYTES];
	struct buf plain, gathered, cipher;
};
void wire_room_init(struct wire_room *room);
void wire_room_done(struct wire_room *room);

struct wire;
struct wire_events {
	void (*on_bytes)(struct wire *x, struct str bytes);	/* gone when it returns */
	void (*on_end)(struct wire *x, int error);	/* 0: no more will come; -errno: broken */
	void (*on_plain)(struct wire *x);	/* HTTP where TLS was due: plain from now on */
	void (*on_written)(struct wire *x);	/* a queued part is out: see wire_queued() */
	void (*on_closed)(struct wire *x);
};
struct wire {
	uv_tcp_t handle;			/* also drives local sockets */
	uv_write_t write;
	const struct wire_events *events;
	struct wire_room *room;
	struct tls *tls;			/* NULL: plain */
	struct buf queue, flight;		/* waiting; being written by `write` */
	uint64_t sent;				/* bytes for the kernel so far, queued ones too */
	bool is_writing, is_reading;
};

/* Takes fd and tls in any case. When it fails on_closed() follows from the loop all the same. */
int wire_open(struct wire *x, uv_loop_t *loop, int fd, struct tls *tls, struct wire_room *room,
	      const struct wire_events *events) MUST_USE;
void wire_read(struct wire *x, bool wanted);
/* All parts in one write where the socket takes them. 0, or -errno: the wire is of no more
 * use. */
int wire_send(struct wire *x, const struct str *parts, unsigned n) MUST_USE;
size_t wire_queued(const struct wire *x);
uint64_t wire_out(const struct wire *x);	/* bytes that the kernel has taken so far */
/* Tells the peer that no more will come. False: it could not be told at once. */
bool wire_finish(struct wire *x);
bool wire_has_input(const struct wire *x);	/* bytes, or an end, are here and not read yet */
/* reset: the peer sees a broken connection and not an end. May be called twice. */
void wire_close(struct wire *x, bool reset);

#endif
