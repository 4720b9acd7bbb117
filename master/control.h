/* SPDX-License-Identifier: MIT
 * control.h - the control socket: frames between llmgwctl and the master.
 *
 * SOCK_SEQPACKET, 0600 in the runtime directory (0660 for group llmgw-admin where it exists);
 * the peer's uid is taken from SO_PEERCRED and must be root, our own, or in that group. */
#ifndef CONTROL_H
#define CONTROL_H

#include "common/frame.h"

/* The master speaks first: CTL_HELLO, or one CTL_ANSWER with id 0 that says why not, and the
 * end. Then any number of calls; answers come in any order and the pieces of two answers never
 * mix. An answer with id 0 later on also says why the connection ends. */
enum control_frame {
	CTL_CALL = 100,		/* u32 id (not 0), str words, str args (JSON object or empty);
				 * fd: args that are too long for a frame (see parcel.h) */
	CTL_ANSWER,		/* u32 id, u32 status, u8 is_last, str piece of the JSON answer */
	CTL_HELLO		/* master → client, first: str version, u32 pid */
};
enum {
	CONTROL_CLIENTS_MAX = 64,
	CONTROL_CALLS_MAX = 16,			/* in flight, a client */
	CONTROL_PIECE_MAX = 60 * 1024,		/* of an answer, in a frame */
	CONTROL_QUEUE_MAX = 16 << 20		/* not yet read by a client; beyond: dropped */
};

struct master;
struct control;
/* Binds runtime_dir/control.sock (a stale one is replaced, a live one is -EADDRINUSE). */
int control_start(struct master *m, const char *runtime_dir, struct control **ret) MUST_USE;
/* A socket inherited over an upgrade in place. Takes fd, also on failure. */
int control_adopt(struct master *m, int fd, struct control **ret) MUST_USE;
int control_fd(const struct control *c);
/* Before an upgrade: no more clients are taken, who comes waits in the socket for the next image;
 * and again after it came to nothing. Calls of clients that are there go on. */
void control_pause(struct control *c);
void control_resume(struct control *c);
/* Whether no call waits for its answer, or for the rest of it. */
bool control_is_quiet(const struct control *c);
/* Clients are cut off; answers of calls that still run are dropped. NULL is fine. */
void control_stop(struct control *c, bool unlink_socket);

#endif
