/* SPDX-License-Identifier: MIT
 * fdpass.h - whole frames and descriptors over a SOCK_SEQPACKET socket, non-blocking. */
#ifndef FDPASS_H
#define FDPASS_H

#include "common/str.h"

enum { FDPASS_MAX = 4 };

int fdpass_pair(int ret[2]) MUST_USE;	/* both ends CLOEXEC and non-blocking; 0 or -errno */
/* 0, -EAGAIN (the peer does not read), -EPIPE or another -errno. Borrows fds. */
int fdpass_send(int sock, struct str frame, const int *fds, unsigned n_fds) MUST_USE;
/* Bytes read (> 0), 0 = the peer is gone, -EAGAIN, or -errno. The caller owns *n_fds
 * descriptors in fds (room for FDPASS_MAX), CLOEXEC. -EMSGSIZE for a truncated message. */
long fdpass_receive(int sock, void *p, size_t room, int *fds, unsigned *n_fds) MUST_USE;

#endif
