/* SPDX-License-Identifier: MIT
 * harness.c - see harness.h. What the master would refuse to start without is a MUST here. */
#include "tests/torture/harness.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cache.h"
#include "common/clock.h"
#include "common/fdpass.h"
#include "common/frame.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "worker/admin/relay.h"
#include "worker/client/connection.h"
#include "worker/exchange/credential.h"
#include "worker/exchange/upstream.h"
#include "worker/keep.h"
#include "worker/known.h"
#include "worker/later.h"
#include "worker/request.h"
#include "worker/settle/flusher.h"
#include "worker/settle/hold.h"

enum {
	SLOT = 3,
	TURNS_TO_CLOSE = 200,
	JOURNAL_RECORDS = 4096,
	RECORDS_A_RUN = 4096,
	RETRIES_MILLI = 10000		/* what hedges are paid from */
};

struct snap *worker_snap(struct worker *w)
{
	return w->snap;
}

/* ---- the master's end of the link ---- */

static void answer_call(struct harness *h, uint64_t call, struct str piece, bool is_last)
{
	static struct frame_out out;
	struct frame_in in;
	frame_begin(&out, LINK_ANSWER);
	frame_put_u64(&out, call);
	frame_put_u32(&out, 200);
	frame_put_u8(&out, is_last);
	frame_put_str(&out, piece);
	struct str bytes = frame_finish(&out);
	MUST(bytes.p && frame_open(&in, bytes.p, bytes.n) == 0);
	relay_answer(&h->w, &in);
}

/* A call is answered in two pieces when its arguments are whole. */
static void take_call(struct harness *h, struct frame_in *f)
{
	uint64_t call = frame_get_u64(f);
	struct sha256 hash;
	if (f->type == LINK_CALL) {
		frame_get_u8(f);
		frame_get_u64(f);
		uint8_t address[16];
		frame_get_bytes(f, hash.b, sizeof hash.b);
		frame_get_bytes(f, address, sizeof address);
		for (int i = 0; i < 3; i++)
			frame_get_str(f);
	}
	bool is_last = frame_get_u8(f);
	frame_get_str(f);
	MUST(frame_end(f) == 0);
	if (!is_last)
		return;
	if (h->master == MASTER_DIES) {
		relay_fail_all(&h->w);
		return;
	}
	answer_call(h, call, STR("{\"called\":"), false);
	answer_call(h, call, STR("true}"), true);
}

static void say_kept(struct harness *h, uint64_t call, int err, const struct str *texts)
{
	static struct frame_out out;
	struct frame_in in;
	int fd = -1;
	MUST(!texts || parcel_make(texts, 2, &fd) == 0);
	frame_begin(&out, LINK_KEPT);
	frame_put_u64(&out, call);
	frame_put_u32(&out, (uint32_t)err);
	frame_put_u32(&out, texts ? (uint32_t)texts[0].n : 0);
	frame_put_u32(&out, texts ? (uint32_t)texts[1].n : 0);
	struct str bytes = frame_finish(&out);
	MUST(bytes.p && frame_open(&in, bytes.p, bytes.n) == 0);
	keep_answer(&h->w, &in, fd);
}

/* Every claim is granted, or its answer known, or another's until the second time. */
static void take_claim(struct harness *h, uint64_t call, enum link_keep what, struct str id)
{
	static const struct str known[2] = {
		STR("200\r\ncontent-type: application/json\r\n"), STR("{\"known\":1}"),
	};
	static struct frame_out out;
	struct sha256 name;
	struct frame_in in;
	MUST(id.n == 4 * sizeof name.b && hash_unhex(name.b, sizeof name.b, str_of(id.p, 64)) == 0);
	if (what == LINK_KEEP_RELEASE)
		return;
	if (what == LINK_KEEP_ANSWER) {
		say_kept(h, call, 0, NULL);
	} else if (h->master == MASTER_KNOWS) {
		say_kept(h, call, 0, known);
	} else if (h->master != MASTER_WAITS || ++h->claims % 2 == 0) {
		say_kept(h, call, ENOENT, NULL);
	} else {
		say_kept(h, call, EINPROGRESS, NULL);
		frame_begin(&out, LINK_RELEASED);
		frame_put_bytes(&out, name.b, sizeof name.b);
		struct str bytes = frame_finish(&out);
		MUST(bytes.p && frame_open(&in, bytes.p, bytes.n) == 0);
		known_released(&h->w, &in);
	}
}

/* One conversation is there, whoever asks; what is put is looked at and forgotten. */
static void take_keep(struct harness *h, struct frame_in *f, int fd)
{
	static const struct str texts[2] = {
		STR("{\"object\":\"response\",\"output\":[]}"),
		STR("[{\"role\":\"user\",\"content\":\"before\"}]"),
	};
	uint64_t call = frame_get_u64(f);
	enum link_keep what = (enum link_keep)frame_get_u8(f);
	frame_get_u64(f);
	struct str id = frame_get_str(f);
	bool is_there = str_eq(id, STR("resp_kept"));
	uint32_t response = frame_get_u32(f), items = frame_get_u32(f);
	bool is_put = what == LINK_KEEP_PUT || what == LINK_KEEP_ANSWER;
	MUST(frame_end(f) == 0 && what < LINK_KEEP_COUNT && is_put == (fd >= 0));
	MUST(fd < 0 || parcel_check(fd, (size_t)response + items) == 0);
	if (fd >= 0)
		close(fd);
	if (h->master == MASTER_DIES) {
		keep_fail_all(&h->w);
		return;
	}
	if (what >= LINK_KEEP_CONVERSATIONS) {
		take_claim(h, call, what, id);
		return;
	}
	bool has_texts = is_there && (what == LINK_KEEP_ITEMS || what == LINK_KEEP_ALL);
	say_kept(h, call, is_there || what == LINK_KEEP_PUT ? 0 : ENOENT, has_texts ? texts : NULL);
}

static void on_call(uv_poll_t *p, int status, int events)
{
	static unsigned char bytes[FRAME_MAX];
	struct harness *h = p->data;
	int fds[FDPASS_MAX];
	unsigned n_fds;
	struct frame_in f;
	long n;
	MUST(status == 0 && events);
	while ((n = fdpass_receive(h->link_fd, bytes, sizeof bytes, fds, &n_fds)) > 0) {
		MUST(n_fds <= 1 && frame_open(&f, bytes, (size_t)n) == 0);
		if (f.type == LINK_KEEP)
			take_keep(h, &f, n_fds ? fds[0] : -1);
		else
			take_call(h, &f);
	}
}

void harness_set(struct harness *h, bool is_strict, enum harness_master master)
{
	cache_flush(h->w.cache);
	h->w.snap = is_strict ? h->strict : h->loose;
	h->w.is_master_gone = master == MASTER_GONE;
	h->master = master;
}

void harness_run_clocks(bool run)
{
	clock_set(run ? 0 : SETTING_NOW_NS, run ? 0 : SETTING_NOW_WALL_NS);
}

static void make_link(struct harness *h)
{
	int pair[2];
	MUST(fdpass_pair(pair) == 0);
	h->w.link_fd = pair[0];
	h->link_fd = pair[1];
	MUST(uv_poll_init(&h->loop, &h->link, h->link_fd) == 0);
	h->link.data = h;
	MUST(uv_poll_start(&h->link, UV_READABLE, on_call) == 0);
}

/* ---- life ---- */

static void on_pulse(uv_timer_t *t)
{
	struct harness *h = t->data;
	h->pulses++;
}

static void on_flushed(uv_async_t *a)
{
	hold_release(a->data);
}

static void make_journal(struct harness *h)
{
	const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	int fd, copy;
	snprintf(h->folder, sizeof h->folder, "%s/llmgw-XXXXXX", where);
	MUST(mkdtemp(h->folder));
	h->folder_fd = open(h->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(h->folder_fd >= 0);
	MUST(journal_create(h->folder_fd, SLOT, 1, JOURNAL_RECORDS, &fd) == 0);
	MUST((copy = dup(fd)) >= 0);
	MUST(journal_map(fd, true, &h->w.journal) == 0);
	MUST(journal_map(copy, false, &h->reader) == 0);
	MUST(unlinkat(h->folder_fd, "3-0000000000000001.j", 0) == 0 && rmdir(h->folder) == 0);
}

static void make_board(struct harness *h)
{
	struct worker *w = &h->w;
	int fd;
	MUST(board_create(&w->board, &fd) == 0);
	close(fd);
	w->slot = SLOT;
	w->row = &w->board.workers[SLOT];
	w->metrics = &w->board.metrics[SLOT];
	atomic_store(&w->row->state, WORKER_READY);
	w->pool = budget_pool_new(&w->board, SLOT);
	MUST(w->pool);
	MUST(dir_create(1000, &h->keys, &fd) == 0);
	MUST(dir_map(fd, &w->dir) == 0);
	setting_keys(h->keys, &w->board);
	MUST(cache_create(CACHE_MIN_BYTES, &w->cache, &fd) == 0);
	close(fd);
}

static void make_listener(struct harness *h)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	h->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	MUST(h->listen_fd >= 0 && bind(h->listen_fd, (struct sockaddr *)&a, n) == 0);
	MUST(listen(h->listen_fd, 16) == 0);
	MUST(getsockname(h->listen_fd, (struct sockaddr *)&a, &n) == 0);
	h->port = ntohs(a.sin_port);
}

struct harness *harness_new(const struct setting_upstream *upstreams, uint16_t port)
{
	struct harness *h = mem_alloc(sizeof *h);
	MUST(h);
	signal(SIGPIPE, SIG_IGN);
	MUST(hash_init() == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
	log_start(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_JSON, LOG_DEBUG, "harness", false);
	harness_run_clocks(false);
	MUST(uv_loop_init(&h->loop) == 0);
	h->w.loop = &h->loop;
	h->w.id_high = 1;
	make_board(h);
	make_journal(h);
	make_listener(h);
	make_link(h);
	h->loose = setting_snap(upstreams, port, false);
	h->strict = setting_snap(upstreams, port, true);
	harness_set(h, false, MASTER_ANSWERS);
	uv_timer_init(&h->loop, &h->pulse);
	h->pulse.data = h;
	uv_timer_start(&h->pulse, on_pulse, PULSE_MS, PULSE_MS);
	uv_async_init(&h->loop, &h->w.flushed, on_flushed);
	h->w.flushed.data = &h->w;
	MUST(flusher_start(h->w.journal, h->w.row, &h->w.flushed, &h->w.flusher) == 0);
	MUST(wheel_new(&h->loop, &h->w.wheel) == 0);
	return h;
}

void harness_free(struct harness *h)
{
	flusher_stop(h->w.flusher);
	wheel_close(h->w.wheel);
	uv_close((uv_handle_t *)&h->w.flushed, NULL);
	uv_close((uv_handle_t *)&h->link, NULL);
	uv_close((uv_handle_t *)&h->pulse, NULL);
	MUST(uv_run(&h->loop, UV_RUN_DEFAULT) == 0 && uv_loop_close(&h->loop) == 0);
	snap_unref(h->loose);
	snap_unref(h->strict);
	journal_free(h->reader);
	journal_free(h->w.journal);
	dir_free(h->w.dir);
	dir_free(h->keys);
	budget_pool_free(h->w.pool);
	cache_free(h->w.cache);
	board_unmap(&h->w.board);
	close(h->listen_fd);
	close(h->folder_fd);
	close(h->link_fd);
	close(h->w.link_fd);
	mem_free(h);
	harness_run_clocks(true);
	curl_global_cleanup();
}

void harness_open(struct harness *h)
{
	struct listener *l;
	int fd = dup(h->listen_fd);
	h->live = mem_live();
	/* The time stands still: a scenario's unknown key, sent again and again, would be a flood. */
	memset(h->w.penalties, 0, sizeof h->w.penalties);
	MUST(fd >= 0 && listener_start(&h->w, fd, NULL, &l) == 0);
	MUST(upstream_new(&h->loop, &h->w.upstream) == 0);
}

const char *harness_close(struct harness *h)
{
	struct worker *w = &h->w;
	listener_stop_all(w);
	connections_abort(w);
	if (w->requests)
		return "a request without a connection";
	credentials_free(w);
	known_stop(w);
	upstream_close(w->upstream);
	mem_free(w->route_room);
	w->route_room = NULL;
	w->n_route_room = 0;
	while (w->n_spare)
		arena_free(w->spare_arenas[--w->n_spare]);
	mem_free(w->route_room);
	w->route_room = NULL;
	w->n_route_room = 0;
	for (int i = 0; i < TURNS_TO_CLOSE && (w->client || mem_live() != h->live); i++)
		harness_spin(h);
	return w->client ? "the connections' common things are still there"
	       : mem_live() > h->live ? "memory was not freed"
	       : mem_live() < h->live ? "memory was freed twice"
				      : NULL;
}

void harness_turn(struct harness *h)
{
	uv_run(&h->loop, UV_RUN_ONCE);
}

void harness_spin(struct harness *h)
{
	uv_run(&h->loop, UV_RUN_NOWAIT);
}

bool harness_is_idle(const struct harness *h)
{
	return !h->w.requests && h->w.n_connections == 0 && !h->w.relays && !h->w.keeps;
}

/* Whoever is slower than this is hedged. */
static void seem_fast(struct times *t)
{
	*t = (struct times){ 0 };
	for (int i = 0; i < TIMES_MIN; i++) {
		times_add(t, TIMES_FIRST, NS_PER_MS);
		times_add(t, TIMES_WHOLE, NS_PER_MS);
	}
}

void harness_forget(struct harness *h)
{
	credentials_free(&h->w);
	struct board *b = &h->w.board;
	for (size_t i = 0; i < SETTING_ENTITIES; i++) {
		atomic_store(&b->entities[i].rpm_tat, 0);
		atomic_store(&b->entities[i].tpm_tat, 0);
		MUST(budget_set_settled(b, (uint32_t)i, 0) == 0);
		h->settled[i] = 0;
	}
	for (uint32_t i = 0; i < snap_head(h->loose)->deployments.count; i++) {
		uint32_t row = snap_deployment(h->loose, i)->board_row;
		struct board_deployment *d = &b->deployments[row];
		atomic_store(&d->cooldown_until_ns, 0);
		atomic_store(&d->minute, 0);
		atomic_store(&d->fails, 0);
		if (snap_deployment(h->loose, i)->hedge_milli)
			seem_fast(&b->times[row]);
	}
	h->w.retry_milli = RETRIES_MILLI;
}

/* ---- what must hold ---- */

static void add_cost(const struct journal_record *rec, int64_t *costs)
{
	costs[rec->key_id] += rec->cost_nano;
	if (rec->team)
		costs[SETTING_KEYS + rec->team - 1] += rec->cost_nano;
}

/* Each intent has one settlement, and what its other attempts cost stands before that. It costs no
 * more than was set aside, but where the answer was cut for that: what a provider has said until
 * then is owed. */
static const char *check_records(const struct journal_record *rec, size_t n, int64_t *ret_costs)
{
	for (size_t i = 0; i < n; i++) {
		unsigned others = 0;
		for (size_t j = 0; j < n; j++)
			if (j != i && rec[j].kind != JOURNAL_ATTEMPT &&
			    memcmp(rec[i].request_id, rec[j].request_id, 16) == 0)
				others += rec[j].kind == rec[i].kind ? 100
					  : (rec[i].kind == JOURNAL_INTENT) == (i < j);
		if (rec[i].key_id >= SETTING_KEYS || rec[i].team > SETTING_TEAMS)
			return "a record of nobody";
		if (rec[i].kind == JOURNAL_ATTEMPT) {
			const struct journal_record *next = i + 1 < n ? &rec[i + 1] : NULL;
			if (!next || memcmp(next->request_id, rec[i].request_id, 16) != 0)
				return "an attempt without what belongs to it right behind it";
			add_cost(&rec[i], ret_costs);
			continue;
		}
		if (others != 1)
			return "an intent without exactly one settlement after it";
		if (rec[i].kind != JOURNAL_SETTLE)
			continue;
		if (rec[i].cost_nano < 0 ||
		    (rec[i].cost_nano > rec[i].reserve_nano && !(rec[i].flags & JF_CUT)))
			return "a settlement above its reserve";
		add_cost(&rec[i], ret_costs);
	}
	return NULL;
}

static const char *check_journal(struct harness *h, int64_t *ret_costs)
{
	static struct journal_record rec[RECORDS_A_RUN];
	uint64_t last = journal_last(h->w.journal);
	size_t n = 0;
	while (h->read < last && n < COUNT(rec)) {
		if (journal_read(h->reader, ++h->read, &rec[n]) != 0)
			return "a record that cannot be read";
		n++;
	}
	if (h->read < last)
		return "more records than a run may write";
	atomic_store(&h->w.row->journal_committed, last);
	return check_records(rec, n, ret_costs);
}

static const char *check_money(struct harness *h, const int64_t *costs)
{
	for (uint32_t i = 0; i < SETTING_ENTITIES; i++) {
		int64_t settled, reserved;
		uint32_t parallel;
		budget_read(&h->w.board, i, &settled, &reserved, &parallel);
		if (reserved || parallel)
			return "money or a place still set aside";
		if (settled - h->settled[i] != costs[i])
			return "the board's sum is not the journal's";
		h->settled[i] = settled;
	}
	if (budget_pool_left(h->w.pool) != BOARD_SLOTS)
		return "a slot that nobody gave back";
	for (uint32_t i = 0; i < BOARD_SLOTS && i <= atomic_load(&h->w.row->slots_high); i++)
		if (atomic_load(&h->w.board.slots[SLOT * BOARD_SLOTS + i].state) != SLOT_FREE)
			return "a slot still held";
	return NULL;
}

static const char *check_counts(const struct harness *h)
{
	const struct worker *w = &h->w;
	if (atomic_load(&w->row->requests) || atomic_load(&w->row->streams) ||
	    atomic_load(&w->row->connections))
		return "the worker's row counts what is over";
	for (uint32_t i = 0; i < snap_head(h->loose)->deployments.count; i++)
		if (board_inflight(&w->board, snap_deployment(h->loose, i)->board_row))
			return "an attempt still counted";
	if (w->n_requests || w->held)
		return "a list that is not empty";
	return NULL;
}

const char *harness_check(struct harness *h)
{
	int64_t costs[SETTING_ENTITIES] = { 0 };
	if (!harness_is_idle(h))
		return "something is still under way";
	const char *wrong = check_journal(h, costs);
	if (!wrong)
		wrong = check_money(h, costs);
	return wrong ? wrong : check_counts(h);
}
