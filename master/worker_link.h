/* SPDX-License-Identifier: MIT
 * worker_link.h - the master's end of the line to one worker. What a worker says is taken as a
 * stranger's words: a damaged frame ends that worker, nothing more. */
#ifndef WORKER_LINK_H
#define WORKER_LINK_H

#include "master/listen.h"
#include "master/master.h"

struct worker_link;
/* Takes fd. 0 or -errno. */
int worker_link_new(struct master *m, unsigned slot, int fd, struct worker_link **ret) MUST_USE;
struct worker_link *worker_link_free(struct worker_link *l);	/* NULL is fine; returns NULL */
int worker_link_fd(const struct worker_link *l);
bool worker_link_is_quiet(const struct worker_link *l);	/* no call runs, no answer waits */
int worker_link_hello(struct worker_link *l, const struct listen_set *listen, int dir_fd,
		      int journal_fd, uint64_t generation, int snapshot_fd) MUST_USE;
int worker_link_snapshot(struct worker_link *l, uint64_t generation, int snapshot_fd) MUST_USE;
int worker_link_directory(struct worker_link *l, int dir_fd) MUST_USE;
/* Public keys: texts, one behind the other in fd, which is borrowed. Version 0: there are no newer
 * ones than were told before. */
struct worker_link_text {
	uint32_t bytes;
	struct str issuer;		/* whose keys they are; .n 0: anybody's */
};
int worker_link_keys(struct worker_link *l, uint64_t version, const struct worker_link_text *v,
		     unsigned n, int fd) MUST_USE;
/* fd: the image of an encoding, which is borrowed; -1: it was removed. */
void worker_link_tokenizer(struct worker_link *l, uint32_t encoding, int fd);
void worker_link_drain(struct worker_link *l, uint64_t ms);

/* supervise.c and main.c, told by the link. */
struct supervise;
void supervise_worker_ready(struct supervise *s, unsigned slot, uint64_t generation);
void supervise_worker_ill(struct supervise *s, unsigned slot);
void supervise_worker_adopted(struct supervise *s, unsigned slot, uint64_t generation, bool ok);
void supervise_drain_adopted(struct supervise *s);
void master_workers_changed(struct master *m);

#endif
