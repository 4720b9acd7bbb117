/* SPDX-License-Identifier: MIT
 * supervise.c - see supervise.h, and supervise_private.h for who does what. Here all workers are
 * counted, watched, stopped and shown. Frames of workers are handled in worker_link.c. */
#include "master/supervise.h"

#include <errno.h>
#include <signal.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/jwks.h"
#include "master/memory.h"
#include "master/stand_in.h"
#include "master/supervise_private.h"
#include "master/worker_link.h"

enum {
	LATE_MS = 10000, SUSPICIOUS_MS = 2000, STARVED_TIMES = 3, KILL_AFTER_MS = 1000,
	READY_LIMIT_MS = 10000,
	TICK_MS = 50, TICK_LATE_MS = 1000, GRACE_MS = 2000, BOOK_LIMIT_MS = 5000,
	UNSERVED_MS = 1000,		/* a worker that died is back long before */
	UNBOOKED_MS = 500, UNBOOKED_MAX_MS = 3000	/* the ledger is down; or very busy */
};

unsigned supervise_ready(const struct supervise *s)
{
	unsigned n = 0;
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		n += s->place[i].state == PLACE_READY;
	return n;
}

unsigned supervise_alive(const struct supervise *s)
{
	unsigned n = 0;
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		n += place_is_alive(&s->place[i]) || s->place[i].state == PLACE_BOOKING;
	return n;
}

bool supervise_has_pid(const struct supervise *s, pid_t pid)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (place_is_alive(&s->place[i]) && s->place[i].pid == pid)
			return true;
	return false;
}

const struct listen_set *supervise_listening(const struct supervise *s)
{
	return &s->listen;
}

const struct listen_set *supervise_leaving(const struct supervise *s)
{
	return &s->leaving;
}

/* ---- how many ---- */

/* Counts towards what is wanted: alive or coming, and not on its way out. */
static bool is_kept(const struct place *p)
{
	if (p->is_leaving)
		return false;
	return p->state == PLACE_STARTING || p->state == PLACE_READY || p->state == PLACE_WAITING ||
	       p->state == PLACE_BOOKING;
}

void supervise_settle(struct supervise *s)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		kept += is_kept(&s->place[i]) && s->place[i].replaces < 0;
	for (unsigned i = BOARD_WORKERS; i-- > 0 && kept > s->wanted;) {
		struct place *p = &s->place[i];
		if (!is_kept(p) || p->state == PLACE_BOOKING || p->replaces >= 0)
			continue;
		if (p->state == PLACE_WAITING)
			place_enter(p, PLACE_EMPTY);
		else
			place_drain(p);
		kept--;
	}
	while (kept < s->wanted && !s->is_stopping) {
		int slot = supervise_free_slot(s);
		if (slot < 0)
			return;
		place_start(s, (unsigned)slot, -1);
		kept++;
	}
}

void supervise_want(struct supervise *s, unsigned workers)
{
	s->wanted = workers < BOARD_WORKERS / 2 ? workers : BOARD_WORKERS / 2;
	atomic_store(&s->m->board.head->workers_wanted, s->wanted);
	atomic_store(&s->m->board.head->memory_share,
		     memory_share(memory_there_is(), s->wanted));
	supervise_settle(s);
}

void supervise_worker_ready(struct supervise *s, unsigned slot, uint64_t generation)
{
	struct place *p = &s->place[slot];
	if (p->state != PLACE_STARTING)
		return;
	p->has_served = true;
	place_enter(p, PLACE_READY);
	supervise_worker_adopted(s, slot, generation, true);
	stand_in_end(s->stand_in);
	jwks_greet(s->m->jwks, p->link);
	LOG(LOG_INFO, "worker.start", F_INT("slot", slot), F_INT("pid", p->pid),
	    F_INT("generation", generation), F_INT("ms", (clock_ns() - p->started_ns) / NS_PER_MS));
	if (p->replaces >= 0) {
		place_drain(&s->place[p->replaces]);
		p->replaces = -1;
	}
	supervise_settle(s);
	if (s->successor == (int)slot)
		roll_step(s);
	master_workers_changed(s->m);
}

/* ---- watching ---- */

/* A machine that is too busy, or swaps, is no reason to make it start one more process: such a
 * worker has more time. Looked at before it is judged, so that there is something to compare. */
static bool is_starved(struct place *p, uint64_t beat, uint64_t late, uint64_t limit)
{
	if (late <= SUSPICIOUS_MS * NS_PER_MS) {
		p->is_starved = false;
		return false;
	}
	bool starves = starved_look(&p->late, p->pid, beat, beat + late);
	if (!starves || late <= limit || late > limit * STARVED_TIMES)
		return false;
	if (!p->is_starved)
		LOG(LOG_WARN, "worker.starved", F_INT("slot", p->slot), F_INT("pid", p->pid),
		    F_INT("late_ms", late / NS_PER_MS));
	p->is_starved = true;
	return true;
}

static void watch_beat(struct place *p, uint64_t now)
{
	uint64_t beat = atomic_load_explicit(&place_row(p)->beat_ns, memory_order_relaxed);
	uint64_t limit = (p->state == PLACE_STARTING ? READY_LIMIT_MS : LATE_MS) * NS_PER_MS;
	if (p->state == PLACE_STARTING && beat < p->started_ns)
		beat = p->started_ns;
	if (beat > now)
		beat = now;			/* a stranger's word */
	if (!p->aborted_ns && is_starved(p, beat, now - beat, limit))
		return;
	if (p->aborted_ns && now - p->aborted_ns > KILL_AFTER_MS * NS_PER_MS) {
		kill(p->pid, SIGKILL);
	} else if (!p->aborted_ns && now - beat > limit) {
		p->aborted_ns = now;
		LOG(LOG_ERROR, "worker.stalled", F_INT("slot", p->slot), F_INT("pid", p->pid),
		    F_INT("late_ms", (now - beat) / NS_PER_MS));
		kill(p->pid, SIGABRT);
		kill(p->pid, SIGCONT);
	}
}

static void watch_drain(struct place *p, uint64_t now)
{
	if (p->state == PLACE_DRAINING && now > p->drain_until_ns)
		kill(p->pid, SIGKILL);
	if (p->lacks_snapshot)
		place_send_snapshot(p);
	if (p->lacks_directory)
		place_send_directory(p);
}

/* Workers of the image before an upgrade in place accept until the new ones are READY. */
static bool is_serving(const struct place *p)
{
	return p->state == PLACE_READY ||
	       (p->state == PLACE_DRAINING && p->is_adopted && p->drain_until_ns == UINT64_MAX);
}

static void watch_service(struct supervise *s, uint64_t now)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (is_serving(&s->place[i]))
			s->served_ns = now;
	if (!s->is_stopping && now - s->served_ns > UNSERVED_MS * NS_PER_MS)
		stand_in_begin(s->stand_in, &s->listen);
}

/* What a dead worker left is not booked, and nobody knows when it will be. */
static bool is_unbooked(const struct place *p, uint64_t now)
{
	bool is_down = atomic_load(&p->s->m->board.head->money_down) != MONEY_OK;
	uint64_t limit = is_down ? UNBOOKED_MS : UNBOOKED_MAX_MS;
	return p->state == PLACE_BOOKING && !p->is_leaving && now > p->ended_ns &&
	       now - p->ended_ns > limit * NS_PER_MS;
}

static void on_tick(uv_timer_t *t)
{
	struct supervise *s = t->data;
	uint64_t now = clock_ns();
	/* When we were late ourselves, the whole box was stopped: nobody is judged for a while. */
	if (now - s->last_tick_ns > TICK_LATE_MS * NS_PER_MS)
		s->judge_from_ns = now + GRACE_MS * NS_PER_MS;
	s->last_tick_ns = now;
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		struct place *p = &s->place[i];
		if (place_is_alive(p) && p->is_adopted)
			place_reap_adopted(p);
		if (place_is_alive(p) && !p->is_blind && now >= s->judge_from_ns)
			watch_beat(p, now);
		if (place_is_alive(p))
			watch_drain(p, now);
		if (is_unbooked(p, now) && !s->is_stopping)
			place_move_on(p);
		if (p->state == PLACE_WAITING && now >= p->start_at_ns && !s->is_stopping)
			place_start(s, i, -1);
	}
	watch_service(s, now);
	supervise_check_published(s);
	supervise_check_confined(s, now);
	supervise_check_gone(s);
	roll_let_go(s);
	if (!s->is_rolling && !s->is_stopping && now >= s->roll_again_ns && roll_next_old(s))
		roll_begin(s, NULL, NULL);
}

bool supervise_is_fresh(const struct supervise *s)
{
	uint64_t now = clock_ns();
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		const struct place *p = &s->place[i];
		uint64_t beat = atomic_load_explicit(&place_row(p)->beat_ns, memory_order_relaxed);
		if (p->state == PLACE_READY && !p->is_starved && now > beat &&
		    now - beat > LATE_MS * NS_PER_MS)
			return false;
	}
	return true;
}

/* ---- begin and end ---- */

int supervise_new(struct master *m, const struct listen_set *listen, struct supervise **ret)
{
	struct supervise *s = mem_alloc(sizeof *s);
	if (!s || stand_in_new(m, &s->stand_in) < 0) {
		mem_free(s);
		return -ENOMEM;
	}
	s->m = m;
	s->listen = *listen;
	s->last_tick_ns = s->served_ns = clock_ns();
	supervise_check_confined(s, s->served_ns);
	s->successor = -1;
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		s->place[i].s = s;
		s->place[i].slot = i;
		s->place[i].replaces = s->place[i].pidfd = -1;
	}
	uv_timer_init(m->loop, &s->tick);
	s->tick.data = s;
	uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
	*ret = s;
	return 0;
}

/* Where the ledger cannot write, what is not booked stays in the journals for the next start. */
void supervise_check_gone(struct supervise *s)
{
	supervise_done_fn *done = s->stop_done;
	uint64_t now = clock_ns();
	bool is_booking = false;
	if (!s->is_stopping || !done)
		return;
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		if (place_is_alive(&s->place[i])) {
			s->book_until_ns = now + BOOK_LIMIT_MS * NS_PER_MS;
			return;
		}
		is_booking |= s->place[i].state == PLACE_BOOKING;
	}
	if (is_booking && now < s->book_until_ns)
		return;
	s->stop_done = NULL;
	done(s->stop_data, is_booking ? -ETIMEDOUT : 0);
}

void supervise_stop(struct supervise *s, supervise_done_fn *done, void *data)
{
	s->is_stopping = true;
	s->stop_done = done;
	s->stop_data = data;
	s->book_until_ns = clock_ns() + BOOK_LIMIT_MS * NS_PER_MS;
	supervise_drain_adopted(s);
	stand_in_end(s->stand_in);
	listen_close(&s->leaving);
	listen_close(&s->listen);	/* who comes now is refused, not left waiting */
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		struct place *p = &s->place[i];
		if (p->state == PLACE_WAITING)
			place_enter(p, PLACE_EMPTY);
		place_drain(p);
	}
	supervise_check_gone(s);
}

void supervise_kill_all(struct supervise *s)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (place_is_alive(&s->place[i]))
			kill(s->place[i].pid, SIGKILL);
}

/* ---- showing ---- */

static const char *const state_names[PLACE_STATES] = { "empty", "starting", "ready", "draining",
							"ended", "waiting" };

static void show_one(const struct place *p, struct json_out *o)
{
	const struct board_worker *w = place_row(p);
	uint64_t up = clock_ns() - p->started_ns;
	json_open(o, NULL);
	json_put_u64(o, "slot", p->slot);
	json_put_i64(o, "pid", p->pid);
	json_put_z(o, "state", state_names[p->state]);
	json_put_u64(o, "generation", atomic_load(&w->generation));
	json_put_u64(o, "requests", atomic_load(&w->requests));
	json_put_u64(o, "streams", atomic_load(&w->streams));
	json_put_u64(o, "connections", atomic_load(&w->connections));
	json_put_u64(o, "restarts", p->restarts);
	json_put_time(o, "started", clock_wall_ns() - up);
	json_put_z(o, "last_end", p->last_end[0] ? p->last_end : NULL);
	json_put_u64(o, "memory_held", atomic_load(&w->memory_held));
	json_put_u64(o, "loop_lag_us", atomic_load(&w->loop_lag_ns) / 1000);
	json_put_u64(o, "journal_behind",
		     atomic_load(&w->journal_last) - atomic_load(&w->journal_committed));
	json_close(o);
}

void supervise_show(const struct supervise *s, struct json_out *o)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (s->place[i].state != PLACE_EMPTY)
			show_one(&s->place[i], o);
}
