/* SPDX-License-Identifier: MIT
 * supervise.c - see supervise.h. Each slot is in exactly one state; place_enter() makes every
 * move. Frames of workers are handled in worker_link.c. */
#include "master/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fdpass.h"
#include "common/hash.h"
#include "common/journal.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/ledger.h"
#include "master/worker_link.h"

enum {
	BACKOFF_FIRST_MS = 50, BACKOFF_MAX_MS = 5000,
	CRASHES_MAX = 5, CRASH_WINDOW_MS = 10000, PARK_MS = 30000,
	HEALTHY_MS = 60000, LATE_MS = 10000, KILL_AFTER_MS = 1000, READY_LIMIT_MS = 10000,
	TICK_MS = 50, TICK_LATE_MS = 1000, GRACE_MS = 2000, PUBLISH_LIMIT_MS = 10000,
	ROLL_AGAIN_MS = 5000, BOOK_LIMIT_MS = 5000
};

enum place_state {
	PLACE_EMPTY,		/* nobody, nobody wanted */
	PLACE_STARTING,		/* exec'ed, not READY yet */
	PLACE_READY,
	PLACE_DRAINING,		/* told to finish */
	PLACE_BOOKING,		/* gone; the ledger books what it left */
	PLACE_WAITING,		/* to be started again at `start_at_ns` */
	PLACE_STATES
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

struct place {
	struct supervise *s;
	unsigned slot;
	enum place_state state;
	pid_t pid;
	int pidfd;			/* of an adopted one; else -1 */
	uv_process_t *process;		/* NULL for an adopted one */
	struct worker_link *link;	/* NULL for an orphan too */
	uint64_t epoch;			/* its journal's */
	uint64_t started_ns, start_at_ns, aborted_ns, drain_until_ns;
	uint64_t restarts, crash_first_ns, listen_revision;
	unsigned crashes, backoff_ms;
	bool is_leaving, is_adopted;
	bool is_blind;			/* adopted, and its heart beats on another board */
	bool is_old;			/* to be rolled */
	bool wants_snapshot_ack, lacks_snapshot;
	bool lacks_directory;		/* adopted, and knows the keys of the last image only */
	int replaces;			/* the slot that drains once this one is READY; -1 = none */
	char last_end[96];
};

struct supervise {
	struct master *m;
	struct listen_set listen;
	uint64_t listen_revision;	/* a worker with another one lacks the sockets above */
	uv_timer_t tick;
	uint64_t last_tick_ns, judge_from_ns;
	unsigned wanted;
	struct place place[BOARD_WORKERS];
	supervise_done_fn *publish_done, *roll_done, *stop_done;
	void *publish_data, *roll_data, *stop_data;
	uint64_t publish_until_ns, roll_again_ns, book_until_ns;
	int publish_err;
	int successor;			/* of the step of the roll under way: a slot, or -1 */
	bool is_rolling, is_stopping;
};

static void start_worker(struct supervise *s, unsigned slot, int replaces);
static void settle_wanted(struct supervise *s);
static void on_booked(void *data, uint64_t cut_rows);

static struct board_worker *row_of(const struct place *p)
{
	return &p->s->m->board.workers[p->slot];
}

static void count_ready(struct supervise *s)
{
	atomic_store(&s->m->board.head->ready_workers, supervise_ready(s));
}

static void place_enter(struct place *p, enum place_state next)
{
	MUST(place_may_go[p->state] & TO(next));
	p->state = next;
	atomic_store(&row_of(p)->state, board_state[next]);
	count_ready(p->s);
}

static bool is_alive(const struct place *p)
{
	return p->state == PLACE_STARTING || p->state == PLACE_READY || p->state == PLACE_DRAINING;
}

/* Counts towards what is wanted: alive or coming, and not on its way out. */
static bool is_kept(const struct place *p)
{
	if (p->is_leaving)
		return false;
	return p->state == PLACE_STARTING || p->state == PLACE_READY || p->state == PLACE_WAITING ||
	       p->state == PLACE_BOOKING;
}

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
		n += is_alive(&s->place[i]) || s->place[i].state == PLACE_BOOKING;
	return n;
}

const struct listen_set *supervise_listening(const struct supervise *s)
{
	return &s->listen;
}

/* ---- draining and rolling ---- */

static void drain(struct place *p)
{
	uint64_t ms = p->s->m->config->set.drain_ms;
	if (p->state != PLACE_STARTING && p->state != PLACE_READY)
		return;
	p->is_leaving = true;
	p->drain_until_ns = clock_ns() + (ms + 5000) * NS_PER_MS;
	place_enter(p, PLACE_DRAINING);
	worker_link_drain(p->link, ms);
	LOG(LOG_INFO, "worker.drain", F_INT("slot", p->slot), F_INT("pid", p->pid));
}

static int free_slot(const struct supervise *s)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (s->place[i].state == PLACE_EMPTY)
			return (int)i;
	return -1;
}

static struct place *next_old(struct supervise *s)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		struct place *p = &s->place[i];
		if (is_alive(p) && !p->is_leaving &&
		    (p->is_old || p->listen_revision != s->listen_revision))
			return p;
	}
	return NULL;
}

/* One that failed is taken up again by the timer where it was for new listening sockets. */
static void roll_over(struct supervise *s, int err)
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
static void roll_step(struct supervise *s)
{
	struct place *old = next_old(s);
	int slot = free_slot(s);
	if (!old || slot < 0 || s->is_stopping) {
		roll_over(s, !old ? 0 : s->is_stopping ? -ECANCELED : -EAGAIN);
		return;
	}
	s->successor = slot;
	start_worker(s, (unsigned)slot, (int)old->slot);
}

static void roll_begin(struct supervise *s, supervise_done_fn *done, void *data)
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
		p->is_old = is_alive(p) && !p->is_leaving && (slot < 0 || (unsigned)slot == i);
		n += p->is_old;
	}
	if (!n)
		return -ENOENT;
	roll_begin(s, done, data);
	return 0;
}

void supervise_relisten(struct supervise *s, const struct listen_set *listen)
{
	listen_close(&s->listen);
	s->listen = *listen;
	s->listen_revision++;
	if (!s->is_rolling && !s->is_stopping)	/* else the roll under way comes to them */
		roll_begin(s, NULL, NULL);
}

/* ---- publishing ---- */

static void publish_check(struct supervise *s)
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

/* A worker that does not read its line is told later, by the timer. */
static void send_snapshot(struct place *p)
{
	struct master *m = p->s->m;
	p->lacks_snapshot =
		p->link && worker_link_snapshot(p->link, m->generation, m->snapshot_fd) < 0;
}

static void send_directory(struct place *p)
{
	p->lacks_directory = p->link && worker_link_directory(p->link, p->s->m->dir_fd) < 0;
}

void supervise_publish(struct supervise *s, supervise_done_fn *done, void *data)
{
	s->publish_done = done;
	s->publish_data = data;
	s->publish_err = 0;
	s->publish_until_ns = clock_ns() + PUBLISH_LIMIT_MS * NS_PER_MS;
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		struct place *p = &s->place[i];
		p->wants_snapshot_ack = is_alive(p) && p->state != PLACE_DRAINING;
		if (p->wants_snapshot_ack)
			send_snapshot(p);
	}
	publish_check(s);
}

/* ---- what a worker says (from worker_link.c) ---- */

void supervise_worker_ready(struct supervise *s, unsigned slot, uint64_t generation)
{
	struct place *p = &s->place[slot];
	if (p->state != PLACE_STARTING)
		return;
	place_enter(p, PLACE_READY);
	LOG(LOG_INFO, "worker.start", F_INT("slot", slot), F_INT("pid", p->pid),
	    F_INT("generation", generation), F_INT("ms", (clock_ns() - p->started_ns) / NS_PER_MS));
	if (p->replaces >= 0) {
		drain(&s->place[p->replaces]);
		p->replaces = -1;
	}
	settle_wanted(s);
	if (s->successor == (int)slot)
		roll_step(s);
	master_workers_changed(s->m);
}

void supervise_worker_adopted(struct supervise *s, unsigned slot, uint64_t generation, bool ok)
{
	struct place *p = &s->place[slot];
	if (generation != s->m->generation)
		return;
	p->wants_snapshot_ack = false;
	if (!ok)
		s->publish_err = -EBADMSG;
	publish_check(s);
}

/* ---- starting ---- */

static void on_worker_exit(uv_process_t *process, int64_t status, int signal);

static void process_closed(uv_handle_t *h)
{
	mem_free(h);
}

/* Only what a worker needs: no secret travels by environment. */
static char **make_environment(void)
{
	static const char *const names[] = { "PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE",
					     "SSL_CERT_DIR", "ASAN_OPTIONS", "UBSAN_OPTIONS",
					     "LSAN_OPTIONS", "LD_LIBRARY_PATH" };
	static char text[COUNT(names)][512];
	static char *list[COUNT(names) + 1];
	unsigned n = 0;
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *v = getenv(names[i]);
		int len = v ? snprintf(text[n], sizeof text[n], "%s=%s", names[i], v) : -1;
		if (len > 0 && (size_t)len < sizeof text[n]) {
			list[n] = text[n];
			n++;
		}
	}
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
		.env = make_environment(),
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
	struct board_worker *w = row_of(p);
	atomic_store(&w->journal_last, 0);
	atomic_store(&w->journal_flushed, 0);
	atomic_store(&w->journal_committed, 0);
	atomic_store(&w->requests, 0);
	atomic_store(&w->connections, 0);
	atomic_store(&w->streams, 0);
	atomic_store(&w->slots_high, 0);
	atomic_store(&w->beat_ns, clock_ns());
	atomic_store(&w->started_ns, clock_ns());
	atomic_store(&w->oldest_generation, p->s->m->generation);
	atomic_store(&w->generation, p->s->m->generation);
}

/* The process and its line. What is half made after a failure, worker_ended() takes away. */
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
	err = worker_link_new(m, p->slot, pair[0], &p->link);
	if (err == 0)
		err = worker_link_hello(p->link, &p->s->listen, m->dir_fd, journal_fd,
					m->generation, m->snapshot_fd);
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

static void wait_to_start(struct place *p)
{
	uint64_t now = clock_ns();
	if (!p->crash_first_ns || now - p->crash_first_ns > CRASH_WINDOW_MS * NS_PER_MS) {
		p->crash_first_ns = now;
		p->crashes = 0;
	}
	if (now - p->started_ns > HEALTHY_MS * NS_PER_MS)
		p->backoff_ms = 0;
	uint64_t delay = p->backoff_ms;
	p->backoff_ms = !p->backoff_ms ? BACKOFF_FIRST_MS
			: p->backoff_ms >= BACKOFF_MAX_MS / 2 ? BACKOFF_MAX_MS : p->backoff_ms * 2;
	if (++p->crashes >= CRASHES_MAX) {
		delay = PARK_MS;
		p->crash_first_ns = 0;
		LOG(LOG_ERROR, "worker.parked", F_INT("slot", p->slot),
		    F_INT("seconds", PARK_MS / 1000), F_Z("last_end", p->last_end));
	}
	p->start_at_ns = now + (delay + (delay ? hash_random_below(delay / 5 + 1) : 0)) * NS_PER_MS;
	place_enter(p, PLACE_WAITING);
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
	snprintf(p->last_end, sizeof p->last_end, "cannot start: %s", strerror(-err));
	LOG(LOG_ERROR, "worker.start_failed", F_INT("slot", p->slot), F_Z("why", strerror(-err)),
	    F_Z("program", m->opt.worker_path));
	give_up_successor(p, err);
	if (has_journal) {
		place_enter(p, PLACE_BOOKING);
		ledger_reap(m->ledger, p->slot, m->journal_dirfd, on_booked, p);
	} else if (!p->is_leaving) {
		wait_to_start(p);
	}
}

static void start_worker(struct supervise *s, unsigned slot, int replaces)
{
	struct place *p = &s->place[slot];
	int journal_fd = -1;
	p->replaces = replaces;
	p->is_leaving = p->is_old = p->is_adopted = p->is_blind = false;
	p->lacks_snapshot = p->lacks_directory = false;
	p->listen_revision = s->listen_revision;
	p->aborted_ns = 0;
	p->started_ns = clock_ns();
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
	atomic_store(&row_of(p)->pid, (uint32_t)p->pid);
	if (err < 0)
		kill(p->pid, SIGKILL);
}

/* ---- ending ---- */

/* Where the ledger cannot write, what is not booked stays in the journals for the next start. */
static void all_gone(struct supervise *s)
{
	supervise_done_fn *done = s->stop_done;
	uint64_t now = clock_ns();
	bool is_booking = false;
	if (!s->is_stopping || !done)
		return;
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		if (is_alive(&s->place[i])) {
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

static void on_booked(void *data, uint64_t cut_rows)
{
	struct place *p = data;
	struct supervise *s = p->s;
	bool again = !p->is_leaving && !s->is_stopping && !p->is_adopted;
	if (cut_rows)
		LOG(LOG_WARN, "ledger.booked_cut", F_INT("slot", p->slot), F_INT("rows", cut_rows));
	if (again)
		wait_to_start(p);
	else
		place_enter(p, PLACE_EMPTY);
	settle_wanted(s);
	all_gone(s);
	master_workers_changed(s->m);
}

/* A dead worker's counters go to the row of the dead, so that sums never go back. */
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
	atomic_store(&row_of(p)->requests, 0);
	atomic_store(&row_of(p)->connections, 0);
	atomic_store(&row_of(p)->streams, 0);
}

static void describe_end(struct place *p, int64_t status, int signal)
{
	if (signal)
		snprintf(p->last_end, sizeof p->last_end, "signal %d (%s)%s", signal,
			 strsignal(signal), p->aborted_ns ? ", heartbeat was late" : "");
	else
		snprintf(p->last_end, sizeof p->last_end, "exit status %lld", (long long)status);
}

static void worker_ended(struct place *p, int64_t status, int signal)
{
	struct supervise *s = p->s;
	bool expected = p->is_leaving && !signal && status == 0;
	describe_end(p, status, signal);
	LOG(expected ? LOG_INFO : LOG_ERROR, "worker.exit", F_INT("slot", p->slot),
	    F_INT("pid", p->pid), F_Z("how", p->last_end));
	if (!expected) {
		p->restarts++;
		atomic_fetch_add(&s->m->board.head->worker_restarts, 1);
	}
	p->wants_snapshot_ack = p->lacks_snapshot = p->lacks_directory = false;
	p->link = worker_link_free(p->link);
	p->pid = 0;
	fold_metrics(p);
	place_enter(p, PLACE_BOOKING);
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (s->place[i].replaces == (int)p->slot)
			s->place[i].replaces = -1;	/* it need not be drained any more */
	give_up_successor(p, -EPIPE);
	ledger_reap(s->m->ledger, p->slot, s->m->journal_dirfd, on_booked, p);
	publish_check(s);
	master_workers_changed(s->m);
}

static void on_worker_exit(uv_process_t *process, int64_t status, int signal)
{
	struct place *p = process->data;
	p->process = NULL;
	uv_close((uv_handle_t *)process, process_closed);
	worker_ended(p, status, signal);
}

/* libuv does not know adopted ones: children of the image before an upgrade in place, or orphans
 * of a master that was killed, who are nobody's children but init's. */
static void reap_adopted(struct place *p)
{
	struct pollfd f = { .fd = p->pidfd, .events = POLLIN };
	int status = 0;
	if (poll(&f, 1, 0) != 1)
		return;
	bool is_child = waitpid(p->pid, &status, WNOHANG) == p->pid;
	close(p->pidfd);
	p->pidfd = -1;
	worker_ended(p, is_child && WIFEXITED(status) ? WEXITSTATUS(status) : 0,
		     is_child && WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

/* ---- watching ---- */

static void watch_beat(struct place *p, uint64_t now)
{
	uint64_t beat = atomic_load_explicit(&row_of(p)->beat_ns, memory_order_relaxed);
	uint64_t limit = (p->state == PLACE_STARTING ? READY_LIMIT_MS : LATE_MS) * NS_PER_MS;
	if (p->state == PLACE_STARTING && beat < p->started_ns)
		beat = p->started_ns;
	if (beat > now)
		beat = now;			/* a stranger's word */
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
		send_snapshot(p);
	if (p->lacks_directory)
		send_directory(p);
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
		if (is_alive(p) && p->is_adopted)
			reap_adopted(p);
		if (is_alive(p) && !p->is_blind && now >= s->judge_from_ns)
			watch_beat(p, now);
		if (is_alive(p))
			watch_drain(p, now);
		if (p->state == PLACE_WAITING && now >= p->start_at_ns && !s->is_stopping)
			start_worker(s, i, -1);
	}
	publish_check(s);
	all_gone(s);
	if (!s->is_rolling && !s->is_stopping && now >= s->roll_again_ns && next_old(s))
		roll_begin(s, NULL, NULL);
}

bool supervise_is_fresh(const struct supervise *s)
{
	uint64_t now = clock_ns();
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		const struct place *p = &s->place[i];
		uint64_t beat = atomic_load_explicit(&row_of(p)->beat_ns, memory_order_relaxed);
		if (p->state == PLACE_READY && now > beat && now - beat > LATE_MS * NS_PER_MS)
			return false;
	}
	return true;
}

/* ---- how many ---- */

static void settle_wanted(struct supervise *s)
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
			drain(p);
		kept--;
	}
	while (kept < s->wanted && !s->is_stopping) {
		int slot = free_slot(s);
		if (slot < 0)
			return;
		start_worker(s, (unsigned)slot, -1);
		kept++;
	}
}

void supervise_want(struct supervise *s, unsigned workers)
{
	s->wanted = workers < BOARD_WORKERS / 2 ? workers : BOARD_WORKERS / 2;
	atomic_store(&s->m->board.head->workers_wanted, s->wanted);
	settle_wanted(s);
}

void supervise_stop(struct supervise *s, supervise_done_fn *done, void *data)
{
	s->is_stopping = true;
	s->stop_done = done;
	s->stop_data = data;
	s->book_until_ns = clock_ns() + BOOK_LIMIT_MS * NS_PER_MS;
	supervise_drain_adopted(s);
	listen_close(&s->listen);	/* who comes now is refused, not left waiting */
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		struct place *p = &s->place[i];
		if (p->state == PLACE_WAITING)
			place_enter(p, PLACE_EMPTY);
		drain(p);
	}
	all_gone(s);
}

void supervise_kill_all(struct supervise *s)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (is_alive(&s->place[i]))
			kill(s->place[i].pid, SIGKILL);
}

int supervise_new(struct master *m, const struct listen_set *listen, struct supervise **ret)
{
	struct supervise *s = mem_alloc(sizeof *s);
	if (!s)
		return -ENOMEM;
	s->m = m;
	s->listen = *listen;
	s->last_tick_ns = clock_ns();
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

/* ---- upgrade in place ---- */

unsigned supervise_hand_over(struct supervise *s, struct supervise_legacy *out, unsigned max)
{
	unsigned n = 0;
	for (unsigned i = 0; i < BOARD_WORKERS && n < max; i++) {
		struct place *p = &s->place[i];
		if (is_alive(p))
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
		ledger_reap(s->m->ledger, p->slot, s->m->journal_dirfd, on_booked, p);
		return;
	}
	/* An orphan drains since its master was killed; a handed over one waits to be told. */
	p->drain_until_ns = w->link_fd < 0 ? clock_ns() + limit_ns : UINT64_MAX;
	place_enter(p, PLACE_DRAINING);
	if (w->link_fd >= 0 && worker_link_new(s->m, w->slot, w->link_fd, &p->link) < 0)
		kill(p->pid, SIGTERM);
	else if (!p->is_blind)		/* entities are rows of the board */
		send_directory(p);
}

/* The new ones serve: the old image's may go. */
void supervise_drain_adopted(struct supervise *s)
{
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		struct place *p = &s->place[i];
		if (!is_alive(p) || !p->is_adopted || p->drain_until_ns != UINT64_MAX)
			continue;
		p->drain_until_ns = clock_ns() + (s->m->config->set.drain_ms + 5000) * NS_PER_MS;
		worker_link_drain(p->link, s->m->config->set.drain_ms);
	}
}

/* ---- showing ---- */

static const char *const state_names[PLACE_STATES] = { "empty", "starting", "ready", "draining",
							"ended", "waiting" };

static void show_one(const struct place *p, struct json_out *o)
{
	const struct board_worker *w = row_of(p);
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
