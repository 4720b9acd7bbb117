/* SPDX-License-Identifier: MIT
 * link.c - frames from and to the master; see link.h. End of file means that the master is
 * gone: the worker then stops accepting, finishes what runs, and ends. */
#include "worker/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cache.h"
#include "common/fault.h"
#include "common/fdpass.h"
#include "common/frame.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/admin/relay.h"
#include "worker/decide/bearer.h"
#include "worker/keep.h"
#include "worker/known.h"

enum { BEGIN_TIMEOUT_MS = 10000 };

struct link {
	uv_poll_t poll;
	unsigned char frame[FRAME_MAX];
};

static struct link *the_link(struct worker *w)
{
	return w->link;
}

static void close_all(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* Held as long as this process lives, by whatever it ends: the next master asks for it when ours
 * was killed, to learn who still writes (master/legacy.h). */
static int hold_journal(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	return fcntl(fd, F_SETLK, &lock) < 0 ? -errno : 0;
}

static int take_hello(struct worker *w, struct frame_in *f, int *fds, unsigned n_fds,
		      struct link_start *ret)
{
	unsigned slot = frame_get_u32(f);
	ret->n_listeners = frame_get_u32(f);
	ret->tls_bits = frame_get_u64(f);
	enum log_level level = (enum log_level)frame_get_u8(f);
	enum log_format format = (enum log_format)frame_get_u8(f);
	bool prefix = frame_get_u8(f);
	if (frame_end(f) < 0 || n_fds != 2 || slot >= BOARD_WORKERS || level > LOG_DEBUG ||
	    format > LOG_JSON) {
		close_all(fds, n_fds);
		return -EPROTO;
	}
	w->slot = slot;
	w->row = &w->board.workers[slot];
	w->metrics = &w->board.metrics[slot];
	snprintf(w->name, sizeof w->name, "worker.%u", slot);
	log_start(STDERR_FILENO, format, level, w->name, prefix);
	int err = hold_journal(fds[1]);
	if (err < 0)
		close(fds[0]);
	else
		err = dir_map(fds[0], &w->dir);
	if (err < 0) {
		close(fds[1]);
		return err;
	}
	return journal_map(fds[1], true, &w->journal);
}

/* The cache that goes with the generation: none, the one that is mapped, or another. */
static void take_cache(struct worker *w, int fd)
{
	struct cache *c = NULL;
	struct stat st = { 0 };
	if (fd >= 0 && fstat(fd, &st) == 0 && w->cache && st.st_ino == w->cache_file)
		return;
	int err = fd >= 0 ? cache_map(fd, &c) : 0;
	if (err < 0)
		LOG(LOG_ERROR, "cache.failed", F_INT("errno", -err));
	cache_free(w->cache);
	w->cache = c;
	w->cache_file = st.st_ino;
}

static int take_snapshot(struct worker *w, struct frame_in *f, int *fds, unsigned n_fds,
			 struct snap **ret)
{
	frame_get_u64(f);
	if (frame_end(f) < 0 || n_fds < 1 || n_fds > 2) {
		close_all(fds, n_fds);
		return -EPROTO;
	}
	take_cache(w, n_fds > 1 ? fds[1] : -1);
	close_all(fds + 1, n_fds - 1);
	int err = snap_map(fds[0], ret), fault = err < 0 ? 0 : FAULT("snapshot.mapped");
	if (fault < 0)
		snap_unref(*ret);
	return fault < 0 ? fault : err;
}

static int begin_one(struct worker *w, unsigned char *bytes, struct link_start *ret)
{
	struct pollfd p = { .fd = w->link_fd, .events = POLLIN };
	int fds[FDPASS_MAX];
	unsigned n_fds = 0;
	struct frame_in f;
	if (poll(&p, 1, BEGIN_TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	long n = fdpass_receive(w->link_fd, bytes, FRAME_MAX, fds, &n_fds);
	if (n <= 0)
		return n == 0 ? -EPIPE : (int)n;
	int err = frame_open(&f, bytes, (size_t)n);
	if (err < 0)
		return err;
	if (f.type == LINK_HELLO)
		return take_hello(w, &f, fds, n_fds, ret);
	if (f.type == LINK_SNAPSHOT)
		return take_snapshot(w, &f, fds, n_fds, &w->snap);
	close_all(fds, n_fds);
	return -EPROTO;
}

int link_begin(struct worker *w, struct link_start *ret)
{
	int err = 0;
	w->link = mem_alloc(sizeof *w->link);
	if (!w->link)
		return -ENOMEM;
	while (err == 0 && !(w->dir && w->snap))
		err = begin_one(w, w->link->frame, ret);
	return err;
}

static int say(struct worker *w, uint16_t type, uint64_t generation, int ok)
{
	struct frame_out *f = mem_alloc(sizeof *f);
	if (!f)
		return -ENOMEM;
	frame_begin(f, type);
	frame_put_u64(f, generation);
	if (ok >= 0)
		frame_put_u8(f, (uint8_t)ok);
	int err = fdpass_send(w->link_fd, frame_finish(f), NULL, 0);
	mem_free(f);
	return err;
}

static void take_generation(struct worker *w, struct frame_in *f, int *fds, unsigned n_fds)
{
	struct snap *s = NULL;
	uint64_t generation = n_fds ? 0 : 0;
	struct frame_in peek = *f;
	generation = frame_get_u64(&peek);
	int err = take_snapshot(w, f, fds, n_fds, &s);
	if (err == 0)
		worker_adopt(w, s);
	else
		LOG(LOG_ERROR, "snapshot.refused", F_INT("generation", generation),
		    F_INT("errno", -err));
	if (say(w, LINK_ADOPTED, generation, err == 0) < 0)
		LOG(LOG_ERROR, "link.send_failed", F_INT("generation", generation));
}

/* The master was upgraded in place and publishes keys there now. No request holds a row of the
 * old one over a turn of the loop. */
static void take_directory(struct worker *w, struct frame_in *f, int *fds, unsigned n_fds)
{
	struct dir *d = NULL;
	int err = -EPROTO;
	if (frame_end(f) == 0 && n_fds == 1)
		err = dir_map(fds[0], &d);
	else
		close_all(fds, n_fds);
	if (err < 0) {
		LOG(LOG_ERROR, "directory.refused", F_INT("errno", -err));
		return;
	}
	dir_free(w->dir);
	w->dir = d;
	known_claim_again(w);
}

/* Nobody counts meanwhile: a count ends in the call that began it. */
static void take_tokenizer(struct worker *w, struct frame_in *f, int *fds, unsigned n_fds)
{
	struct tokenizer *t = NULL;
	uint32_t e = frame_get_u32(f);
	int err = frame_end(f) < 0 || e >= ENCODINGS || n_fds > 1 ? -EPROTO : 0;
	if (err == 0 && n_fds == 1) {
		err = tokenizer_map(fds[0], &t);
		n_fds = 0;
	}
	close_all(fds, n_fds);
	if (err < 0) {
		LOG(LOG_ERROR, "tokenizer.refused", F_Z("error", strerror(-err)));
		return;
	}
	tokenizer_free(w->tokenizers[e]);
	w->tokenizers[e] = t;
	w->has_tokenizer = false;
	for (unsigned i = 0; i < ENCODINGS; i++)
		w->has_tokenizer |= w->tokenizers[i] != NULL;
}

static void take_frame(struct worker *w, const void *p, size_t n, int *fds, unsigned n_fds)
{
	struct frame_in f;
	uint64_t ms;
	if (frame_open(&f, p, n) < 0) {
		close_all(fds, n_fds);
		return;
	}
	switch (f.type) {
	case LINK_SNAPSHOT:
		take_generation(w, &f, fds, n_fds);
		return;
	case LINK_DIRECTORY:
		take_directory(w, &f, fds, n_fds);
		return;
	case LINK_TOKENIZER:
		take_tokenizer(w, &f, fds, n_fds);
		return;
	case LINK_DRAIN:
		ms = frame_get_u64(&f);
		if (frame_end(&f) == 0)
			worker_drain(w, ms);
		break;
	case LINK_ANSWER:
		relay_answer(w, &f);
		break;
	case LINK_KEPT:
		keep_answer(w, &f, n_fds == 1 ? fds[0] : -1);
		n_fds = n_fds == 1 ? 0 : n_fds;
		break;
	case LINK_KEYS:
		bearer_keys(w, &f, n_fds == 1 ? fds[0] : -1);
		n_fds = n_fds == 1 ? 0 : n_fds;
		break;
	case LINK_RELEASED:
		known_released(w, &f);
		break;
	default:
		LOG(LOG_WARN, "link.unknown_frame", F_INT("type", f.type));
	}
	close_all(fds, n_fds);
}

static void master_gone(struct worker *w)
{
	if (w->is_master_gone)
		return;
	w->is_master_gone = true;
	uv_poll_stop(&the_link(w)->poll);
	LOG(LOG_WARN, "master.gone", F_INT("requests", w->n_requests));
	sandbox_show_descriptors();
	relay_fail_all(w);
	keep_fail_all(w);
	bearer_fail_all(w);
	worker_drain(w, snap_settings(w->snap)->drain_ms);
}

static void on_readable(uv_poll_t *p, int status, int events)
{
	struct worker *w = p->data;
	int fds[FDPASS_MAX];
	unsigned n_fds = 0;
	(void)events;
	if (status < 0) {
		master_gone(w);
		return;
	}
	for (unsigned turn = 0; turn < 32; turn++) {
		long n = fdpass_receive(w->link_fd, the_link(w)->frame, FRAME_MAX, fds, &n_fds);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			master_gone(w);
			return;
		}
		take_frame(w, the_link(w)->frame, (size_t)n, fds, n_fds);
	}
}

int link_run(struct worker *w)
{
	struct link *l = the_link(w);
	int err = uv_poll_init(w->loop, &l->poll, w->link_fd);
	if (err < 0)
		return err;
	l->poll.data = w;
	err = uv_poll_start(&l->poll, UV_READABLE | UV_DISCONNECT, on_readable);
	if (err < 0)
		return err;
	return say(w, LINK_READY, snap_head(w->snap)->generation, -1);
}

void link_say_ill(struct worker *w)
{
	(void)say(w, LINK_ILL, 0, -1);
}
