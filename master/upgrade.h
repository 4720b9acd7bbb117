/* SPDX-License-Identifier: MIT
 * upgrade.h - replacing the running program in place: same pid, same sockets, same board.
 *
 * The installed program is asked first (--check in a child). Then what must live on is written
 * into a memfd, close-on-exec is taken off those descriptors, and the program is exec'ed. Old
 * workers go on serving through it all; the new image starts its own, then drains them. */
#ifndef UPGRADE_H
#define UPGRADE_H

#include "master/listen.h"
#include "master/supervise.h"

struct upgrade_state {			/* what an image leaves to the next one */
	uint64_t magic;
	uint32_t version, board_layout;
	int32_t board_fd, control_fd;
	uint32_t n_listen, n_workers;
	uint64_t generation, started_wall_ns;
	int32_t listen_fd[CONFIG_LISTEN_MAX];
	struct supervise_legacy workers[BOARD_WORKERS];
};

typedef void upgrade_done_fn(void *data, int err);
/* Checks the installed program; done(0) when the exchange begins; -EBUSY: we are to end, or
 * another one has begun, also while the program was being asked; -ENOEXEC: it does not take our
 * configuration, or not what we would leave to it; -ECANCELED: the last reload was taken back, and
 * the next image would read that file. */
void upgrade_start(struct master *m, upgrade_done_fn *done, void *data);
/* main.c, when everything has been closed that must be, but for the control socket: does not
 * return on success. */
int upgrade_exec(struct master *m, int control_fd);
/* In the new image. false: an ordinary start, with *ret empty. */
bool upgrade_take(struct upgrade_state *ret);
/* In the child that is asked with --check: whether this program could take over. */
bool upgrade_is_possible(void);

#endif
