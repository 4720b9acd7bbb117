/* SPDX-License-Identifier: MIT
 * supervise_place.c - one worker's life: started, told to go, ended, booked, started again.
 * Each slot is in exactly one state; place_enter() makes every move. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cache.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/fdpass.h"
#include "common/hash.h"
#include "common/journal.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sandbox.h"
#include "common/suspect.h"
#include "master/ledger.h"
#include "master/supervise_private.h"
#include "master/trial.h"
#include "master/tokenizers.h"
#include "master/worker_link.h"

enum {
	BACKOFF_FIRST_MS = 50, BACKOFF_MAX_MS = 5000,
	CRASHES_MAX = 5, CRASH_WINDOW_MS = 10000, PARK_MS = 30000, HEALTHY_MS = 60000
};

#define TO(s) (1u << (s))
static const unsigned place_may_go[PLACE_STATES] = {
	[PLACE_EMPTY] =
		TO(PLACE_STARTING) | TO(PLACE_DRAINING) | TO(PLACE_BOOKING) | TO(PLACE_WAITING),
	[PLACE_STARTING] = TO(PLACE_READY) | TO(PLACE_DRAINING) | TO(PLACE_BOOKING),
	[PLACE_READY] = TO(PLACE_DRAINING) | TO(PLACE_BOOKING),
	[PLACE_DRAINING] = TO(PLACE_BOOKING),
	[PLACE_BOOKING] = TO(PLACE_EMPTY) | TO(PLACE_WAITING),
	[PLACE_WAITING] =
		TO(PLACE_STARTING) | TO(PLACE_BOOKING) | TO(PLACE_EMPTY) | TO(PLACE_WAITING),
};
static const uint32_t board_state[PLACE_STATES] = {
	[PLACE_STARTING] = WORKER_STARTING, [PLACE_READY] = WORKER_READY,
	[PLACE_DRAINING] = WORKER_DRAINING, [PLACE_BOOKING] = WORKER_GONE,
};

struct board_worker *place_row(const struct place *p)
{
	return &p->s->m->board.workers[p->slot];
}

static void count_ready(struct supervise *s)
{
	atomic_store(&s->m->board.head->ready_workers, supervise_ready(s));
}

void place_enter(struct place *p, enum place_state next)
{
	MUST(place_may_go[p->state] & TO(next));
	p->state = next;
	if (next == PLACE_EMPTY)
		p->wants_snapshot_ack = false;
	if (next == PLACE_BOOKING)
		p->ended_ns = clock_ns();
	atomic_store(&place_row(p)->state, board_state[next]);
	count_ready(p->s);
}

bool place_is_alive(const struct place *p)
{
	return p->state == PLACE_STARTING || p->state == PLACE_READY || p->state == PLACE_DRAINING;
}

void place_drain(struct place *p)
{
	uint64_t ms = p->s->m->config->set.drain_ms;
	if (p->state != PLACE_STARTING && p->state != PLACE_READY)
		return;
	p->is_leaving = true;
	p->drain_until_ns = clock_ns() + (ms + 5000) * NS_PER_MS;
	place_enter(p, PLACE_DRAINING);
	roll_let_go(p->s);
	worker_link_drain(p->link, ms);
	LOG(LOG_INFO, "worker.drain", F_INT("slot", p->slot), F_INT("pid", p->pid));
}

/* ---- starting ---- */

static void on_worker_exit(uv_process_t *process, int64_t status, int signal);

static void process_closed(uv_handle_t *h)
{
	mem_free(h);
}

/* Only what a worker needs: no secret travels by environment. */
static char **make_environment(enum sandbox_mode sandbox)
{
	static const char *const names[] = { "PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE",
					     "SSL_CERT_DIR", "ASAN_OPTIONS", "UBSAN_OPTIONS",
					     "LSAN_OPTIONS", "LD_LIBRARY_PATH" };
	static char text[COUNT(names)][512];
	/* Freed blocks of one size that a thread has at hand: with glibc's seven a few requests
	 * at a time go past that list, and each of them has dozens of blocks. */
	static char tunables[] = "GLIBC_TUNABLES=glibc.malloc.tcache_count=64";
	static char *list[COUNT(names) + 3], mode[64];
	unsigned n = 0;
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *v = getenv(names[i]);
		int len = v ? snprintf(text[n], sizeof text[n], "%s=%s", names[i], v) : -1;
		if (len > 0 && (size_t)len < sizeof text[n]) {
			list[n] = text[n];
			n++;
		}
	}
	snprintf(mode, sizeof mode, SANDBOX_VARIABLE "=%s", sandbox_mode_name(sandbox));
	list[n++] = mode;
	list[n++] = tunables;
	list[n] = NULL;
	return list;
}

static int spawn(struct place *p, int link_fd)
{
	struct supervise *s = p->s;
	uv_stdio_container_t io[FD_LISTEN_0 + CONFIG_LISTEN_MAX] = { 0 };
	char title[64];
	snprintf(title, sizeof title, "llmgw-worker: slot %u generation %llu", p->slot,
		 (unsigned long long)s->m->generation);
	char *argv[] = { title, NULL };
	const int fixed[FD_LISTEN_0] = { 0, 1, 2, link_fd, s->m->board_fd };
	for (size_t i = 0; i < FD_LISTEN_0 + s->listen.n; i++) {
		io[i].flags = UV_INHERIT_FD;
		io[i].data.fd = i < FD_LISTEN_0 ? fixed[i] : s->listen.fd[i - FD_LISTEN_0];
	}
	uv_process_options_t o = {
		.exit_cb = on_worker_exit,
		.file = s->m->opt.worker_path,
		.args = argv,
		.env = make_environment((enum sandbox_mode)s->m->config->sandbox),
		.stdio = io,
		.stdio_count = (int)(FD_LISTEN_0 + s->listen.n),
	};
	p->process = mem_alloc(sizeof *p->process);
	if (!p->process)
		return -ENOMEM;
	p->process->data = p;
	int err = uv_spawn(s->m->loop, p->process, &o);
	if (err < 0) {
		uv_close((uv_handle_t *)p->process, process_closed);
		p->process = NULL;
		return err;
	}
	p->pid = p->process->pid;
	return 0;
}

static void clear_row(struct place *p)
{
	struct board_worker *w = place_row(p);
	atomic_store(&w->journal_last, 0);
	atomic_store(&w->journal_flushed, 0);
	atomic_store(&w->journal_committed, 0);
	atomic_store(&w->requests, 0);
	atomic_store(&w->connections, 0);
	atomic_store(&w->streams, 0);
	atomic_store(&w->slots_high, 0);
	atomic_store(&w->print, 0);
	atomic_store(&w->memory_held, 0);
	atomic_store(&w->beat_ns, clock_ns());
	atomic_store(&w->started_ns, clock_ns());
	atomic_store(&w->oldest_generation, p->s->m->generation);
	atomic_store(&w->generation, p->s->m->generation);
}

/* The process and its line. What is half made after a failure, place_ended() takes away. */
static int launch(struct place *p, int journal_fd)
{
	struct master *m = p->s->m;
	int pair[2], err = fdpass_pair(pair);
	if (err < 0)
		return err;
	err = spawn(p, pair[1]);
	close(pair[1]);
	if (err < 0) {
		close(pair[0]);
		return err;
	}
	(void)FAULT("supervise.after_exec");
	err = worker_link_new(m, p->slot, pair[0], &p->link);
	if (err == 0)
		err = worker_link_hello(p->link, &p->s->listen, m->dir_fd, journal_fd,
					m->generation, m->snapshot_fd);
	if (err == 0)
		tokenizers_give(m->tokenizers, p->link);
	return err;
}

/* The journal comes first, and the ledger has it from then on, whatever becomes of the worker. */
static int make_journal(struct place *p, int *ret_fd)
{
	struct master *m = p->s->m;
	struct journal *seen = NULL;
	int fd;
	p->epoch = hash_random_u64();
	int err = journal_create(m->journal_dirfd, p->slot, p->epoch, JOURNAL_COUNT_DEFAULT, &fd);
	if (err < 0)
		return err;
	err = journal_map(fcntl(fd, F_DUPFD_CLOEXEC, 3), false, &seen);
	if (err < 0) {
		close(fd);		/* the empty file stays: the next start removes it */
		return err;
	}
	ledger_attach(m->ledger, p->slot, seen);
	*ret_fd = fd;
	return 0;
}

/* Until it is tried again: longer each time. */
static uint64_t next_delay(struct place *p)
{
	uint64_t delay = p->backoff_ms;
	p->backoff_ms = !p->backoff_ms ? BACKOFF_FIRST_MS
			: p->backoff_ms >= BACKOFF_MAX_MS / 2 ? BACKOFF_MAX_MS : p->backoff_ms * 2;
	return delay;
}

static void wait_for_ms(struct place *p, uint64_t delay)
{
	uint64_t jitter = delay ? hash_random_below(delay / 5 + 1) : 0;
	p->start_at_ns = clock_ns() + (delay + jitter) * NS_PER_MS;
	place_enter(p, PLACE_WAITING);
}

static void place_wait(struct place *p)
{
	uint64_t now = clock_ns();
	/* One that has not served counts, however slowly it ends: on a busy machine five of them
	 * take longer than the window. */
	bool is_past = p->has_served && now - p->crash_first_ns > CRASH_WINDOW_MS * NS_PER_MS;
	if (!p->crash_first_ns || is_past) {
		p->crash_first_ns = now;
		p->crashes = 0;
	}
	if (now - p->started_ns > HEALTHY_MS * NS_PER_MS)
		p->backoff_ms = 0;
	uint64_t delay = next_delay(p);
	if (++p->crashes >= CRASHES_MAX) {
		delay = PARK_MS;
		p->crash_first_ns = 0;
		LOG(LOG_ERROR, "worker.parked", F_INT("slot", p->slot),
		    F_INT("seconds", PARK_MS / 1000), F_Z("last_end", p->last_end));
	}
	wait_for_ms(p, delay);
}

void place_move_on(struct place *p)
{
	struct supervise *s = p->s;
	int slot = supervise_free_slot(s);
	if (slot < 0)
		return;
	struct place *to = &s->place[slot];
	LOG(LOG_WARN, "worker.unbooked", F_INT("slot", p->slot), F_INT("successor", slot));
	p->is_leaving = true;
	to->is_leaving = to->is_adopted = false;
	to->replaces = -1;
	to->started_ns = p->started_ns;
	to->restarts = p->restarts;
	to->crash_first_ns = p->crash_first_ns;
	to->crashes = p->crashes;
	to->backoff_ms = p->backoff_ms;
	to->wants_snapshot_ack = p->wants_snapshot_ack;
	p->wants_snapshot_ack = false;
	snprintf(to->last_end, sizeof to->last_end, "%s", p->last_end);
	place_wait(to);
}

/* A successor that cannot be had ends the roll: the old ones stay. */
static void give_up_successor(struct place *p, int err)
{
	struct supervise *s = p->s;
	p->replaces = -1;
	if (s->successor != (int)p->slot)
		return;
	p->is_leaving = true;
	roll_over(s, err);
}

static void start_failed(struct place *p, int err, bool has_journal)
{
	struct master *m = p->s->m;
	snprintf(p->last_end, sizeof p->last_end, "cannot start: %s%s",
		 has_journal ? "" : "no journal: ", strerror(-err));
	if (has_journal)
		LOG(LOG_ERROR, "worker.start_failed", F_INT("slot", p->slot),
		    F_Z("why", strerror(-err)), F_Z("program", m->opt.worker_path));
	else
		LOG(LOG_ERROR, "worker.start_failed", F_INT("slot", p->slot),
		    F_Z("why", strerror(-err)), F_Z("journal_in", m->opt.state_dir));
	give_up_successor(p, err);
	if (has_journal) {
		place_enter(p, PLACE_BOOKING);
		ledger_reap(m->ledger, p->slot, m->journal_dirfd, place_booked, p);
	} else if (!p->is_leaving) {
		wait_for_ms(p, next_delay(p));	/* the disk is full: the program is not to blame */
	}
}

void place_start(struct supervise *s, unsigned slot, int replaces)
{
	struct place *p = &s->place[slot];
	int journal_fd = -1;
	p->replaces = replaces;
	p->is_leaving = p->is_old = p->is_adopted = p->is_blind = false;
	p->lacks_snapshot = p->lacks_directory = p->has_served = false;
	p->listen_revision = s->listen_revision;
	p->confined = s->confined;
	p->aborted_ns = 0;
	p->started_ns = clock_ns();
	p->told = s->m->generation;
	p->link = NULL;
	clear_row(p);
	int err = make_journal(p, &journal_fd);
	if (err < 0) {
		start_failed(p, err, false);
		return;
	}
	err = launch(p, journal_fd);
	close(journal_fd);
	if (!p->process) {
		start_failed(p, err, true);
		return;
	}
	place_enter(p, PLACE_STARTING);
	atomic_store(&place_row(p)->pid, (uint32_t)p->pid);
	if (err < 0)
		kill(p->pid, SIGKILL);
}

/* ---- ending ---- */

void place_booked(void *data, uint64_t cut_rows)
{
	struct place *p = data;
	struct supervise *s = p->s;
	bool again = !p->is_leaving && !s->is_stopping && !p->is_adopted;
	if (cut_rows)
		LOG(LOG_WARN, "ledger.booked_cut", F_INT("slot", p->slot), F_INT("rows", cut_rows));
	if (again)
		place_wait(p);
	else
		place_enter(p, PLACE_EMPTY);
	supervise_settle(s);
	supervise_check_gone(s);
	master_workers_changed(s->m);
}

/* A dead worker's counters go to the row of the dead, so that sums never go back; what it was
 * making for the response cache others may make. */
static void fold_metrics(struct place *p)
{
	struct board *b = &p->s->m->board;
	metric_sum(&b->metrics[BOARD_WORKERS], &b->metrics[p->slot]);
	memset((void *)&b->metrics[p->slot], 0, sizeof b->metrics[0]);
	for (unsigned i = 0; i < BOARD_DEPLOYMENTS; i++) {
		_Atomic uint16_t *n = board_inflight_own(b, p->slot, i);
		if (atomic_load_explicit(n, memory_order_relaxed))
			atomic_store_explicit(n, 0, memory_order_relaxed);
	}
	atomic_store(&place_row(p)->requests, 0);
	atomic_store(&place_row(p)->connections, 0);
	atomic_store(&place_row(p)->streams, 0);
	if (p->s->m->cache)
		cache_drop_all(p->s->m->cache, p->slot);
}

static void describe_end(struct place *p, int64_t status, int signal)
{
	if (signal)
		snprintf(p->last_end, sizeof p->last_end, "signal %d (%s)%s", signal,
			 strsignal(signal), p->aborted_ns ? ", heartbeat was late" : "");
	else
		snprintf(p->last_end, sizeof p->last_end, "exit status %lld", (long long)status);
}

/* It did that itself: nobody has killed it, unless we did because it hung. */
static bool has_crashed(const struct place *p, int64_t status, int signal)
{
	if (p->aborted_ns)
		return true;
	return signal ? signal != SIGKILL && signal != SIGTERM && signal != SIGINT
		      : status != 0;
}

/* What did that, if it can be known, is not to do it again. */
static void look_for_suspect(struct place *p)
{
	struct board_suspect who = { 0 };
	uint64_t now = clock_ns();
	char print[17];
	if (!suspect_crashed(&p->s->m->board, place_row(p), now, clock_wall_ns(), &who))
		return;
	snprintf(print, sizeof print, "%016llx", (unsigned long long)who.print);
	LOG(LOG_ERROR, "worker.suspect", F_INT("slot", p->slot), F_Z("print", print),
	    F_INT("key_id", who.key_id), F_INT("crashes", who.crashes),
	    F_INT("refused_s", (who.until_ns - now) / NS_PER_S));
}

void place_ended(struct place *p, int64_t status, int signal)
{
	struct supervise *s = p->s;
	bool expected = p->is_leaving && !signal && status == 0;
	bool crashed = !p->is_adopted && has_crashed(p, status, signal);
	describe_end(p, status, signal);
	LOG(expected ? LOG_INFO : LOG_ERROR, "worker.exit", F_INT("slot", p->slot),
	    F_INT("pid", p->pid), F_Z("how", p->last_end));
	if (!expected) {
		p->restarts++;
		atomic_fetch_add(&s->m->board.head->worker_restarts, 1);
	}
	/* One that a new generation crashes owes the word still: its successor gives it. */
	p->wants_snapshot_ack = p->wants_snapshot_ack && crashed && !p->is_leaving;
	p->lacks_snapshot = p->lacks_directory = false;
	p->link = worker_link_free(p->link);
	p->pid = 0;
	fold_metrics(p);
	place_enter(p, PLACE_BOOKING);
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (s->place[i].replaces == (int)p->slot)
			s->place[i].replaces = -1;	/* it need not be drained any more */
	give_up_successor(p, -EPIPE);
	ledger_reap(s->m->ledger, p->slot, s->m->journal_dirfd, place_booked, p);
	if (crashed)
		trial_crashed(s->m->trial, p->told, p->last_end);
	if (crashed)
		look_for_suspect(p);
	supervise_check_published(s);
	master_workers_changed(s->m);
}

static void on_worker_exit(uv_process_t *process, int64_t status, int signal)
{
	struct place *p = process->data;
	p->process = NULL;
	uv_close((uv_handle_t *)process, process_closed);
	place_ended(p, status, signal);
}
