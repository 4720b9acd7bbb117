/* SPDX-License-Identifier: MIT
 * supervise_roll.c - what goes over all workers: replacing them one by one, and telling them of a
 * new snapshot. */
#include <errno.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "master/stand_in.h"
#include "master/supervise_private.h"
#include "master/worker_link.h"

enum { PUBLISH_LIMIT_MS = 10000, ROLL_AGAIN_MS = 5000, CONFINE_MS = 1000,
       CONFINE_AGAIN_MS = 60000 };

/* ---- rolling ---- */

int supervise_free_slot(const struct supervise *s)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (s->place[i].state == PLACE_EMPTY)
			return (int)i;
	return -1;
}

struct place *roll_next_old(struct supervise *s)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		struct place *p = &s->place[i];
		if (place_is_alive(p) && !p->is_leaving &&
		    (p->is_old || p->listen_revision != s->listen_revision ||
		     p->confined != s->confined))
			return p;
	}
	return NULL;
}

/* One that failed is taken up again by the timer where it was for new listening sockets. */
void roll_over(struct supervise *s, int err)
{
	supervise_done_fn *done = s->roll_done;
	s->is_rolling = false;
	s->successor = -1;
	s->roll_again_ns = clock_ns() + ROLL_AGAIN_MS * NS_PER_MS;
	s->roll_done = NULL;
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		s->place[i].is_old = false;
	if (done)
		done(s->roll_data, err);
}

/* One step: a successor for the next old worker; when it is READY we come back. */
void roll_step(struct supervise *s)
{
	struct place *old = roll_next_old(s);
	int slot = supervise_free_slot(s);
	if (!old || slot < 0 || s->is_stopping) {
		roll_over(s, !old ? 0 : s->is_stopping ? -ECANCELED : -EAGAIN);
		return;
	}
	s->successor = slot;
	place_start(s, (unsigned)slot, (int)old->slot);
}

void roll_begin(struct supervise *s, supervise_done_fn *done, void *data)
{
	s->is_rolling = true;
	s->roll_done = done;
	s->roll_data = data;
	roll_step(s);
}

int supervise_roll(struct supervise *s, int slot, supervise_done_fn *done, void *data)
{
	unsigned n = 0;
	if (s->is_rolling || s->is_stopping)
		return -EBUSY;
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		struct place *p = &s->place[i];
		p->is_old = place_is_alive(p) && !p->is_leaving &&
			    (slot < 0 || (unsigned)slot == i);
		n += p->is_old;
	}
	if (!n)
		return -ENOENT;
	roll_begin(s, done, data);
	return 0;
}

/* What the disk would not take once may be lost, and it would not say so again: another file, and
 * so another worker. This one refuses what costs something until then. */
void supervise_worker_ill(struct supervise *s, unsigned slot)
{
	struct place *p = &s->place[slot];
	if (p->state != PLACE_READY || s->is_rolling || s->is_stopping ||
	    clock_ns() < s->roll_again_ns)
		return;
	LOG(LOG_ERROR, "journal.failed", F_INT("slot", slot), F_INT("pid", p->pid));
	p->is_old = true;
	roll_begin(s, NULL, NULL);
}

static bool has_acceptor(const struct supervise *s, uint64_t since, uint64_t until)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		const struct place *p = &s->place[i];
		if (place_is_alive(p) && !p->is_leaving && p->listen_revision >= since &&
		    p->listen_revision <= until)
			return true;
	}
	return false;
}

void roll_let_go(struct supervise *s)
{
	for (size_t i = s->leaving.n; i-- > 0;)
		if (!has_acceptor(s, s->leaving.since[i], s->leaving.until[i]))
			listen_retire(&s->leaving, i);
}

void supervise_relisten(struct supervise *s, const struct listen_set *listen)
{
	stand_in_end(s->stand_in);	/* and it begins again with these, if it must */
	listen_replace(&s->listen, listen, &s->leaving, s->listen_revision);
	s->listen_revision++;
	if (!s->is_rolling && !s->is_stopping)	/* else the roll under way comes to them */
		roll_begin(s, NULL, NULL);
}

/* A worker cannot be given what it gave up: it gets a successor. Files that change all the time
 * make a roll a minute at most. */
void supervise_check_confined(struct supervise *s, uint64_t now)
{
	if (now < s->confine_ns)
		return;
	s->confine_ns = now + CONFINE_MS * NS_PER_MS;
	uint32_t mode = s->m->config->sandbox;
	bool has_files = mode == SANDBOX_AUTO || mode == SANDBOX_ENFORCE;
	uint64_t confined = mode + (has_files ? sandbox_stamp() : 0);
	if (confined == s->confined)
		return;
	if (s->confined) {
		LOG(LOG_INFO, "sandbox.renew",
		    F_Z("mode", sandbox_mode_name((enum sandbox_mode)mode)));
		s->confine_ns = now + CONFINE_AGAIN_MS * NS_PER_MS;
	}
	s->confined = confined;
}

/* ---- publishing ---- */

void supervise_check_published(struct supervise *s)
{
	supervise_done_fn *done = s->publish_done;
	bool is_late = clock_ns() > s->publish_until_ns;
	if (!done)
		return;
	for (unsigned i = 0; i < BOARD_WORKERS && !is_late; i++)
		if (s->place[i].wants_snapshot_ack)
			return;
	s->publish_done = NULL;
	done(s->publish_data, is_late && !s->publish_err ? -ETIMEDOUT : s->publish_err);
}

void place_send_snapshot(struct place *p)
{
	struct master *m = p->s->m;
	p->lacks_snapshot =
		p->link && worker_link_snapshot(p->link, m->generation, m->snapshot_fd) < 0;
	if (!p->lacks_snapshot)
		p->told = m->generation;
}

void place_send_directory(struct place *p)
{
	p->lacks_directory = p->link && worker_link_directory(p->link, p->s->m->dir_fd) < 0;
}

void supervise_publish(struct supervise *s, supervise_done_fn *done, void *data)
{
	unsigned n_told = 0, half = (supervise_ready(s) + 1) / 2;
	supervise_done_fn *before = s->publish_done;
	s->publish_done = NULL;
	if (before)
		before(s->publish_data, -ECANCELED);
	s->publish_done = done;
	s->publish_data = data;
	s->publish_err = 0;
	s->publish_until_ns = clock_ns() + PUBLISH_LIMIT_MS * NS_PER_MS;
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		struct place *p = &s->place[i];
		p->wants_snapshot_ack = place_is_alive(p) && p->state != PLACE_DRAINING;
		if (p->state == PLACE_WAITING)
			p->start_at_ns = 0;	/* perhaps with this one it does */
		if (p->wants_snapshot_ack)
			place_send_snapshot(p);
		if (p->wants_snapshot_ack && ++n_told == half)
			(void)FAULT("publish.half");
	}
	supervise_check_published(s);
}

void supervise_each_link(struct supervise *s, void (*tell)(void *data, struct worker_link *l),
			 void *data)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (s->place[i].link && s->place[i].state == PLACE_READY)
			tell(data, s->place[i].link);
}

void supervise_worker_adopted(struct supervise *s, unsigned slot, uint64_t generation, bool ok)
{
	struct place *p = &s->place[slot];
	if (generation != s->m->generation)
		return;
	p->wants_snapshot_ack = false;
	if (!ok)
		s->publish_err = -EBADMSG;
	supervise_check_published(s);
}
