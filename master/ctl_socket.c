/* SPDX-License-Identifier: MIT
 * ctl_socket.c - one call over the control socket: connect, be greeted, ask, collect the pieces
 * of the answer; never longer than the time allowed. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fdpass.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "master/control.h"
#include "master/ctl.h"

enum {
	CALL_ID = 1,
	ARGS_IN_FRAME = FRAME_MAX - 1024,
	UNHEARD_TRIES = 20,		/* an upgrade in place takes a second at most */
	UNHEARD_PAUSE_MS = 100
};

struct talk {
	struct arena *mem;
	const struct ctl_request *q;
	struct ctl_progress *progress;
	struct ctl_error *reterr;
	const char *path;
	int fd;
	uint64_t until_ns;
	bool is_sent;			/* all of the call */
	bool is_unheard;		/* the connection ended before anybody read the call */
	int status;
	struct buf *out;
	struct frame_out *frame;
	unsigned char *in;		/* FRAME_MAX bytes */
};

static enum ctl_exit fail(struct talk *t, enum ctl_exit exit, struct str message, struct str next)
{
	*t->reterr = (struct ctl_error){ exit, message, next };
	return exit;
}

static enum ctl_exit fail_system(struct talk *t, const char *what, int error)
{
	struct str next = STR("is it running? systemctl status llmgw; --socket names another");
	enum ctl_exit exit = CTL_NOT_RUNNING;
	if (error == EACCES || error == EPERM) {
		exit = CTL_NOT_ALLOWED;
		next = STR("run it as root, or join group llmgw-admin");
	}
	return fail(t, exit, arena_printf(t->mem, "cannot %s the gateway at %s: %s", what, t->path,
					  strerrordesc_np(error)), next);
}

/* ---- where it is ---- */

static const char *in_folder(struct arena *a, const char *folder, const char *rest)
{
	return folder && folder[0] == '/' ? arena_printf(a, "%s/%s", folder, rest).p : NULL;
}

/* The first of the usual places that holds a socket; the first of all when none does. */
static const char *usual_path(struct arena *a)
{
	struct stat st;
	const char *const places[] = {
		"/run/llmgw/control.sock",
		in_folder(a, getenv("XDG_RUNTIME_DIR"), "llmgw/control.sock"),
		in_folder(a, getenv("HOME"), ".local/state/llmgw/control.sock"),
	};
	for (size_t i = 0; i < COUNT(places); i++)
		if (places[i] && (stat(places[i], &st) == 0 || errno == EACCES))
			return places[i];
	return places[0];
}

/* ---- the conversation ---- */

/* Waits until the socket is ready. CTL_DONE, or what went wrong. */
static enum ctl_exit wait_for(struct talk *t, short events)
{
	for (;;) {
		struct pollfd one = { .fd = t->fd, .events = events };
		int r = poll(&one, 1, CTL_TICK_MS);
		if (r > 0)
			return CTL_DONE;
		if (r < 0 && errno != EINTR)
			return fail_system(t, "wait for", errno);
		if (clock_ns() >= t->until_ns)
			return fail(t, CTL_TIMED_OUT,
				    arena_printf(t->mem, "%s: no answer within %llu s",
						 t->q->command->words,
						 (unsigned long long)t->q->opt.timeout_ms / 1000),
				    STR("llmgwctl status shows whether it goes on; --timeout waits "
					"longer"));
		ctl_progress_tick(t->progress);
	}
}

static enum ctl_exit connect_to(struct talk *t)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };	/* a full backlog makes connect() wait */
	size_t n = strlen(t->path);
	if (n >= sizeof addr.sun_path)
		return fail(t, CTL_USAGE, STR("the path of the socket is too long"), STR(""));
	memcpy(addr.sun_path, t->path, n + 1);
	t->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (t->fd < 0)
		return fail_system(t, "reach", errno);
	setsockopt(t->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(t->fd, (const struct sockaddr *)&addr, sizeof addr) != 0)
		return fail_system(t, "reach", errno);
	return CTL_DONE;
}

static enum ctl_exit receive(struct talk *t, struct frame_in *ret)
{
	int fds[FDPASS_MAX];
	unsigned n_fds;
	long n = 0;
	/* A reset is told once before what was sent earlier can be read; and it says that what we
	 * sent was not read (unix(7)). */
	bool is_reset = false;
	for (int tries = 0; tries < 2 && n <= 0; tries++) {
		enum ctl_exit r = wait_for(t, POLLIN);
		if (r != CTL_DONE)
			return r;
		n = fdpass_receive(t->fd, t->in, FRAME_MAX, fds, &n_fds);
		is_reset |= n == -ECONNRESET;
		while (n_fds > 0)
			close(fds[--n_fds]);
	}
	t->is_unheard = n <= 0 && (is_reset || !t->is_sent);
	if (n <= 0)
		return fail(t, CTL_FAILED,
			    arena_printf(t->mem, "%s: the gateway ended the connection before it "
						 "answered", t->q->command->words),
			    STR("llmgwctl status shows whether it still runs"));
	if (frame_open(ret, t->in, (size_t)n) != 0)
		return fail(t, CTL_FAILED,
			    STR("llmgwctl and llmgw are of different versions"),
			    STR("use the llmgwctl that was installed with this gateway"));
	return CTL_DONE;
}

/* A piece of the answer. Whether it was the last; *ret_good: whether it was one at all. */
static bool take_piece(struct talk *t, struct frame_in *f, bool *ret_good)
{
	uint32_t id = frame_get_u32(f), status = frame_get_u32(f);
	uint8_t is_last = frame_get_u8(f);
	buf_put(t->out, frame_get_str(f));
	t->status = (int)(status > 999 ? 500 : status);
	*ret_good = frame_end(f) == 0 && (id == 0 || id == CALL_ID) && !t->out->failed;
	return is_last != 0;
}

static enum ctl_exit fail_damaged(struct talk *t)
{
	return fail(t, CTL_FAILED, STR("the gateway's answer is damaged"), STR(""));
}

static enum ctl_exit collect(struct talk *t)
{
	struct frame_in f;
	for (bool is_last = false, good = true; !is_last;) {
		enum ctl_exit r = receive(t, &f);
		if (r != CTL_DONE)
			return r;
		if (f.type == CTL_ANSWER)
			is_last = take_piece(t, &f, &good);
		if (!good)
			return fail_damaged(t);
	}
	return CTL_DONE;
}

static enum ctl_exit send_frame(struct talk *t, struct str args, int parcel)
{
	frame_begin(t->frame, CTL_CALL);
	frame_put_u32(t->frame, CALL_ID);
	frame_put_str(t->frame, str_z(t->q->command->words));
	frame_put_str(t->frame, args);
	struct str frame = frame_finish(t->frame);
	if (!frame.p)
		return fail(t, CTL_USAGE, STR("the arguments are too long"), STR(""));
	for (int r; (r = fdpass_send(t->fd, frame, &parcel, parcel < 0 ? 0 : 1)) != 0;) {
		enum ctl_exit waited = r == -EAGAIN ? wait_for(t, POLLOUT) : CTL_FAILED;
		if (r != -EAGAIN) {
			t->is_unheard = r == -EPIPE || r == -ECONNRESET;
			return fail_system(t, "speak to", -r);
		}
		if (waited != CTL_DONE)
			return waited;
	}
	return CTL_DONE;
}

/* What is too long for a frame travels beside it. */
static enum ctl_exit send_call(struct talk *t)
{
	int parcel = -1;
	if (t->q->args.n <= ARGS_IN_FRAME)
		return send_frame(t, t->q->args, -1);
	int err = parcel_make(&t->q->args, 1, &parcel);
	if (err < 0)
		return fail_system(t, "send the arguments to", -err);
	enum ctl_exit r = send_frame(t, STR(""), parcel);
	close(parcel);
	return r;
}

static enum ctl_exit talk(struct talk *t)
{
	struct frame_in f;
	bool good = true;
	enum ctl_exit r = connect_to(t);
	if (r == CTL_DONE)
		r = receive(t, &f);
	if (r != CTL_DONE)
		return r;
	if (f.type == CTL_ANSWER)		/* instead of a greeting: why not */
		return take_piece(t, &f, &good) && good ? CTL_DONE : fail_damaged(t);
	if (f.type != CTL_HELLO)
		return fail(t, CTL_FAILED, STR("this is no control socket of llmgw"), STR(""));
	r = send_call(t);
	t->is_sent = r == CTL_DONE;
	return r == CTL_DONE ? collect(t) : r;
}

/* A master that gives way to its next image lets go of who has not asked yet: asks that one. */
static enum ctl_exit talk_until_heard(struct talk *t)
{
	struct timespec pause = { .tv_nsec = UNHEARD_PAUSE_MS * (long)NS_PER_MS };
	enum ctl_exit r = talk(t);
	for (int n = 0; t->is_unheard && n < UNHEARD_TRIES && clock_ns() < t->until_ns; n++) {
		close(t->fd);
		t->fd = -1;
		t->is_unheard = t->is_sent = false;
		nanosleep(&pause, NULL);
		r = talk(t);
	}
	return r;
}

enum ctl_exit ctl_socket_call(struct arena *a, const char *path, const struct ctl_request *q,
			      struct ctl_progress *p, int *ret_status, struct buf *out,
			      struct ctl_error *reterr)
{
	struct talk t = { .mem = a, .q = q, .progress = p, .reterr = reterr, .fd = -1, .out = out };
	t.path = path ? path : usual_path(a);
	t.until_ns = clock_ns() + q->opt.timeout_ms * NS_PER_MS;
	t.frame = arena_alloc(a, sizeof *t.frame);
	t.in = arena_alloc(a, FRAME_MAX);
	enum ctl_exit r = t.frame && t.in ? talk_until_heard(&t)
					  : fail(&t, CTL_FAILED, STR("out of memory"), STR(""));
	if (t.fd >= 0)
		close(t.fd);
	if (t.frame)
		mem_wipe(t.frame->b, sizeof t.frame->b);
	*ret_status = t.status;
	return r;
}
