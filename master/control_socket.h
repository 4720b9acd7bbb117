/* SPDX-License-Identifier: MIT
 * control_socket.h - the control socket's file and who may speak on it; nothing of the loop. */
#ifndef CONTROL_SOCKET_H
#define CONTROL_SOCKET_H

#include <sys/types.h>

#include "common/str.h"

#define CONTROL_GROUP "llmgw-admin"

struct control_admins {
	gid_t gid;
	bool is_known;		/* the group exists on this machine */
};
struct control_admins control_admins(void);

/* Bound, listening, CLOEXEC and non-blocking. A stale socket file is replaced; -EADDRINUSE where
 * somebody listens, -EEXIST where the path is something else, -ENAMETOOLONG or another -errno. */
int control_listen(const char *path, const struct control_admins *admins, int *ret_fd) MUST_USE;

struct control_peer {
	uint32_t uid;
	int32_t pid;			/* of who connected; 0: not known */
};
/* Whether the peer is root, of our own uid, or in the group. *ret is set in any case. */
bool control_peer_may(int fd, const struct control_admins *admins, struct control_peer *ret);

#endif
