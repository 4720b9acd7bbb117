/* SPDX-License-Identifier: MIT
 * main.c - a worker's life: map the board, hear from the master, listen, serve, drain, end.
 *
 * Started by the master with descriptors by number (common/link_proto.h). It holds no
 * configuration file, no database and no master key. */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/block.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sandbox.h"
#include "worker/client/tls.h"
#include "worker/exchange/exchange.h"
#include "worker/exchange/silent.h"
#include "worker/exchange/upstream.h"
#include "worker/exchange/warm.h"
#include "worker/later.h"
#include "worker/link.h"
#include "worker/memory.h"
#include "worker/request.h"
#include "worker/settle/flusher.h"
#include "worker/settle/hold.h"
#include "worker/suspect.h"

enum { BEAT_MS = 250 };

struct snap *worker_snap(struct worker *w)
{
	return w->snap;
}

static uint64_t oldest_generation(const struct worker *w)
{
	uint64_t oldest = snap_head(w->snap)->generation;
	for (const struct request *r = w->requests; r; r = r->next) {
		uint64_t g = snap_head(r->snap)->generation;
		oldest = g < oldest ? g : oldest;
	}
	return oldest;
}

/* The drain is over when nobody is left, or its time is. */
static void check_drain(struct worker *w, uint64_t now)
{
	if (!w->is_draining)
		return;
	if (connections_open(w) == 0 && w->n_requests == w->n_copies && !w->listeners) {
		silent_cancel_all(w);
		uv_stop(w->loop);
		return;
	}
	if (now < w->drain_until_ns)
		return;
	LOG(LOG_WARN, "drain.cut", F_INT("requests", w->n_requests),
	    F_INT("connections", connections_open(w)));
	for (struct request *r = w->requests, *next; r; r = next) {
		next = r->next;
		exchange_cancel(r);
		request_fail(r, OUTCOME_DRAINING, NULL, "the gateway is shutting down");
		request_end(r);
	}
	connections_abort(w);
	uv_stop(w->loop);
}

/* Nothing of ours makes such a call: a library has changed, or somebody else is at work here. */
static void tell_refused(void)
{
	const char *name = NULL;
	int call = 0;
	unsigned n = sandbox_refused(&call, &name);
	if (n)
		LOG(LOG_WARN, "sandbox.refused", F_Z("call", name), F_INT("number", call),
		    F_INT("times", n));
}

enum { FLOOD = 256 };			/* requests at a time that leave memory worth giving back */

/* A flood is over when an eighth of it is left. What it took is free by then, but in pieces that
 * the allocator keeps for the next one. */
static void give_back(struct worker *w)
{
	if (w->n_requests > w->peak_requests)
		w->peak_requests = w->n_requests;
	if (w->peak_requests < FLOOD || w->n_requests > w->peak_requests / 8)
		return;
	w->peak_requests = 0;
	mem_give_back();
}

static void on_beat(uv_timer_t *t)
{
	struct worker *w = t->data;
	uint64_t now = clock_ns();
	uint64_t before = atomic_load_explicit(&w->row->beat_ns, memory_order_relaxed);
	uint64_t lag = before && now > before + BEAT_MS * NS_PER_MS
			       ? now - before - BEAT_MS * NS_PER_MS
			       : 0;
	atomic_store_explicit(&w->row->beat_ns, now, memory_order_relaxed);
	atomic_store_explicit(&w->row->loop_lag_ns, lag, memory_order_relaxed);
	atomic_store_explicit(&w->row->oldest_generation, oldest_generation(w),
			      memory_order_relaxed);
	atomic_store_explicit(&w->metrics->upstream_barred, upstream_refused(w->upstream),
			      memory_order_relaxed);
	atomic_store_explicit(&w->metrics->upstream_connects, upstream_connects(w->upstream),
			      memory_order_relaxed);
	atomic_store_explicit(&w->metrics->log_dropped, log_dropped(), memory_order_relaxed);
	tell_refused();
	warm_tick(w, now);
	give_back(w);
	memory_tick(w);
	if (!flusher_is_well(w->flusher) && !w->is_draining)
		link_say_ill(w);
	check_drain(w, now);
}

void worker_drain(struct worker *w, uint64_t limit_ms)
{
	uint64_t until = clock_ns() + limit_ms * NS_PER_MS;
	if (w->is_draining) {
		w->drain_until_ns = until < w->drain_until_ns ? until : w->drain_until_ns;
		if (w->is_master_gone)
			connections_drain(w);	/* the idle ones were left a moment */
		return;
	}
	LOG(LOG_INFO, "drain.begin", F_INT("requests", w->n_requests), F_INT("limit_ms", limit_ms));
	(void)FAULT("drain.begin");
	w->is_draining = true;
	w->drain_until_ns = until;
	listener_stop_all(w);
	connections_drain(w);
	uv_timer_start(&w->beat, on_beat, 0, BEAT_MS / 10);
}

static void on_prepare(uv_prepare_t *p)
{
	struct worker *w = p->data;
	suspect_rest(w);
	if (w->has_appended)
		flusher_wake(w->flusher);
	w->has_appended = false;
	log_flush();
}

static void make_tls(struct worker *w, struct snap *s)
{
	const struct snap_settings *set = snap_settings(s);
	struct tls_context *c = NULL;
	char why[256];
	if (!set->tls_certificate.at)
		return;
	if (tls_context_new(snap_text(s, set->tls_certificate), snap_text(s, set->tls_key), &c,
				why) < 0) {
		LOG(LOG_ERROR, "tls.refused", F_Z("why", why));
		return;
	}
	if (w->tls)
		tls_context_replace(w->tls, c);
	else
		w->tls = c;
}

void worker_adopt(struct worker *w, struct snap *s)
{
	make_tls(w, s);
	snap_unref(w->snap);
	w->snap = s;
	memory_limit(w);
	log_threshold = (enum log_level)snap_settings(s)->log_level;
	atomic_store_explicit(&w->row->generation, snap_head(s)->generation, memory_order_release);
}

static int listen_all(struct worker *w, const struct link_start *start)
{
	for (unsigned i = 0; i < start->n_listeners; i++) {
		struct listener *l;
		bool tls = start->tls_bits >> i & 1;
		if (tls && !w->tls)
			return -EKEYREJECTED;
		int err = listener_start(w, FD_LISTEN_0 + (int)i, tls ? w->tls : NULL, &l);
		if (err < 0)
			return err;
	}
	return 0;
}

static void on_flushed(uv_async_t *a)
{
	hold_release(a->data);
}

static int start(struct worker *w, struct link_start *begin)
{
	int err = board_map(FD_BOARD, &w->board);
	if (err < 0)
		return err;
#ifdef LLMGW_FAULTS
	fault_watch(&w->board);
#endif
	suspect_begin(w);
	w->reign = atomic_load(&w->board.head->reign);
	w->link_fd = FD_LINK;
	w->loop = uv_default_loop();
	if ((err = link_begin(w, begin)) < 0)
		return err;
	/* Before the second thread: what is given up is given up for this one and its children. */
	err = sandbox_enter(sandbox_mode_of(getenv(SANDBOX_VARIABLE)), &w->sandbox);
	if (err < 0) {
		LOG(LOG_ERROR, "sandbox.missing", F_INT("landlock", w->sandbox.landlock),
		    F_Z("why", strerror(-err)));
		return err;
	}
	w->id_high = hash_random_u64();
	w->id_low = hash_random_u64();
	w->pool = budget_pool_new(&w->board, w->slot);
	if (!w->pool)
		return -ENOMEM;
	uv_async_init(w->loop, &w->flushed, on_flushed);
	w->flushed.data = w;
	if ((err = flusher_start(w->journal, w->row, &w->flushed, &w->flusher)) < 0 ||
	    (err = wheel_new(w->loop, &w->wheel)) < 0 ||
	    (err = upstream_new(w->loop, &w->upstream)) < 0)
		return err;
	struct snap *first = w->snap;
	w->snap = NULL;
	worker_adopt(w, first);
	uv_timer_init(w->loop, &w->beat);
	w->beat.data = w;
	uv_timer_start(&w->beat, on_beat, 0, BEAT_MS);
	if ((err = listen_all(w, begin)) < 0)
		return err;
	uv_prepare_init(w->loop, &w->before_sleep);
	w->before_sleep.data = w;
	uv_prepare_start(&w->before_sleep, on_prepare);
	uv_unref((uv_handle_t *)&w->before_sleep);
	return link_run(w);
}

int main(int argc, char **argv)
{
	static struct worker w;
	struct link_start begin = { 0 };
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		puts("llmgw-worker " LLMGW_VERSION);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);	/* a terminal's ^C is the master's business */
	setenv("UV_USE_IO_URING", "0", 1);	/* a ring would go past the filter of calls */
	block_keep(true);
	mem_count(false);
	if (hash_init() < 0 || curl_global_init_mem(CURL_GLOBAL_DEFAULT, block_new, block_free,
						    block_grow, block_dup, block_zeroed) != 0)
		return 1;
	int err = start(&w, &begin);
	if (err < 0) {
		LOG(LOG_ERROR, "worker.start_failed", F_Z("why", strerror(-err)),
		    F_INT("errno", -err));
		return 1;
	}
	LOG(LOG_INFO, "worker.ready", F_INT("pid", getpid()),
	    F_INT("generation", snap_head(w.snap)->generation),
	    F_INT("landlock", w.sandbox.landlock), F_INT("seccomp", w.sandbox.has_filter));
	log_gather();
	uv_run(w.loop, UV_RUN_DEFAULT);
	flusher_stop(w.flusher);
	tell_refused();
	LOG(LOG_INFO, "worker.end", F_INT("requests", w.n_requests));
	log_flush();
	return 0;
}
