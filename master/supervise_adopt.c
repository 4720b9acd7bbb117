/* SPDX-License-Identifier: MIT
 * supervise_adopt.c - workers that an earlier image of this process started, or a master that was
 * killed: handed over, taken in, reaped, drained once the new ones serve. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "master/ledger.h"
#include "master/supervise_private.h"
#include "master/worker_link.h"

unsigned supervise_hand_over(struct supervise *s, struct supervise_legacy *out, unsigned max)
{
	unsigned n = 0;
	for (unsigned i = 0; i < BOARD_WORKERS && n < max; i++) {
		struct place *p = &s->place[i];
		if (place_is_alive(p))
			out[n++] = (struct supervise_legacy){
				.pid = p->pid, .slot = i, .epoch = p->epoch, .pidfd = -1,
				.link_fd = p->link ? worker_link_fd(p->link) : -1,
				.is_blind = p->is_blind,
			};
	}
	return n;
}

bool supervise_is_quiet(const struct supervise *s)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (s->place[i].link && !worker_link_is_quiet(s->place[i].link))
			return false;
	return true;
}

void supervise_adopt(struct supervise *s, const struct supervise_legacy *w)
{
	struct place *p = &s->place[w->slot];
	uint64_t limit_ns = (s->m->config->set.drain_ms + 5000) * NS_PER_MS;
	p->pid = w->pid;
	p->pidfd = w->pidfd;
	p->epoch = w->epoch;
	p->started_ns = clock_ns();
	p->is_adopted = p->is_leaving = true;
	p->is_blind = w->is_blind;
	if (!w->pid) {
		place_enter(p, PLACE_BOOKING);
		ledger_reap(s->m->ledger, p->slot, s->m->journal_dirfd, place_booked, p);
		return;
	}
	/* An orphan drains since its master was killed; a handed over one waits to be told. */
	p->drain_until_ns = w->link_fd < 0 ? clock_ns() + limit_ns : UINT64_MAX;
	place_enter(p, PLACE_DRAINING);
	if (w->link_fd >= 0 && worker_link_new(s->m, w->slot, w->link_fd, &p->link) < 0)
		kill(p->pid, SIGTERM);
	else if (!p->is_blind)		/* entities are rows of the board */
		place_send_directory(p);
}

/* The new ones serve: the old image's may go. */
void supervise_drain_adopted(struct supervise *s)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		struct place *p = &s->place[i];
		if (!place_is_alive(p) || !p->is_adopted || p->drain_until_ns != UINT64_MAX)
			continue;
		p->drain_until_ns = clock_ns() + (s->m->config->set.drain_ms + 5000) * NS_PER_MS;
		worker_link_drain(p->link, s->m->config->set.drain_ms);
	}
}

/* libuv does not know adopted ones: children of the image before an upgrade in place, or orphans
 * of a master that was killed, who are nobody's children but init's. */
void place_reap_adopted(struct place *p)
{
	struct pollfd f = { .fd = p->pidfd, .events = POLLIN };
	int status = 0;
	if (poll(&f, 1, 0) != 1)
		return;
	bool is_child = waitpid(p->pid, &status, WNOHANG) == p->pid;
	close(p->pidfd);
	p->pidfd = -1;
	place_ended(p, is_child && WIFEXITED(status) ? WEXITSTATUS(status) : 0,
		     is_child && WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}
