/* SPDX-License-Identifier: MIT
 * control.c - the control socket on the master's loop: clients, their calls and their answers.
 *
 * A call knows its client and a client its calls; whoever ends first cuts both ends, so that the
 * answer of a call whose client has gone finds nobody. A client's memory is freed when its poll
 * handle has closed, the control's when its last handle has. */
#include "master/control.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "common/fdpass.h"
#include "common/json_write.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "master/commands.h"
#include "master/control_socket.h"
#include "master/master.h"
#include "master/supervise.h"

#ifndef LLMGW_VERSION
#define LLMGW_VERSION "0.1.0"
#endif

enum {
	TURN_MAX = 16,		/* packets or clients taken in one turn of the loop */
	ACCEPT_PAUSE_MS = 1000,	/* when the process has no descriptor left */
	DISTANCE_MAX = 3,	/* typing mistakes forgiven in "did you mean" */
	ERROR_MAX = 4096,	/* bytes of an error answer made here */
	ANSWER_MAX = CONTROL_QUEUE_MAX - 64 * 1024,	/* fits an empty queue, with heads */
	QUEUE_KEPT = 256 * 1024	/* an empty queue bigger than that gives its memory back */
};

struct client;
struct pending {			/* a call that runs */
	struct client *client;		/* NULL once it has gone */
	struct pending *next;
	uint32_t id;
};
struct client {
	uv_poll_t poll;
	struct control *control;
	struct client *next;
	struct pending *pending;
	unsigned calls;			/* length of that list */
	int fd;
	uint32_t uid;
	struct buf queue;		/* u32 length and frame, again and again */
	size_t sent;			/* bytes of the queue that have gone out */
};
struct control {
	struct master *master;
	uv_poll_t poll;
	uv_timer_t pause;
	unsigned open_handles;		/* ours and the clients', not closed yet */
	int fd;
	struct control_admins admins;
	struct client *clients;
	unsigned n_clients;
	struct frame_out out;
	unsigned char in[FRAME_MAX];
	struct sockaddr_un addr;	/* where we are bound */
};

static void on_client(uv_poll_t *handle, int status, int events);
static void on_connection(uv_poll_t *handle, int status, int events);

static void handle_gone(struct control *c)
{
	MUST(c->open_handles > 0);
	if (--c->open_handles == 0)
		mem_free(c);
}

static void on_client_closed(uv_handle_t *handle)
{
	struct client *cl = handle->data;
	struct control *c = cl->control;
	mem_free(cl);
	handle_gone(c);
}

static void forget_client(struct client *cl)
{
	struct client **at = &cl->control->clients;
	while (*at && *at != cl)
		at = &(*at)->next;
	MUST(*at == cl);
	*at = cl->next;
	cl->control->n_clients--;
}

static void client_close(struct client *cl)	/* may be called twice, from any callback */
{
	if (uv_is_closing((uv_handle_t *)&cl->poll))
		return;
	for (struct pending *p = cl->pending; p; p = p->next)
		p->client = NULL;
	cl->pending = NULL;
	forget_client(cl);
	mem_wipe(cl->queue.p, cl->queue.n);
	buf_done(&cl->queue);
	uv_close((uv_handle_t *)&cl->poll, on_client_closed);
	close(cl->fd);
}

/* Sends what the client takes now. 0 also when something is left; else why it must be closed. */
static int flush(struct client *cl)
{
	uint32_t n;
	while (cl->sent < cl->queue.n) {
		const char *at = cl->queue.p + cl->sent;
		memcpy(&n, at, sizeof n);
		int r = fdpass_send(cl->fd, str_of(at + sizeof n, n), NULL, 0);
		if (r == -EAGAIN)
			return uv_poll_start(&cl->poll, UV_READABLE | UV_WRITABLE, on_client);
		if (r != 0)
			return r;
		cl->sent += sizeof n + n;
	}
	cl->sent = 0;
	mem_wipe(cl->queue.p, cl->queue.n);	/* a new key's text may have gone through */
	buf_reset(&cl->queue);
	if (cl->queue.room > QUEUE_KEPT)
		buf_done(&cl->queue);
	return uv_poll_start(&cl->poll, UV_READABLE, on_client);
}

/* Sends or queues the frame in control->out. */
static int put_frame(struct client *cl)
{
	struct str frame = frame_finish(&cl->control->out);
	MUST(frame.p);				/* our own pieces are cut to fit */
	uint32_t n = (uint32_t)frame.n;
	if (cl->sent && cl->queue.n + n + sizeof n > cl->queue.cap) {
		buf_drop(&cl->queue, cl->sent);
		cl->sent = 0;
	}
	if (buf_reserve(&cl->queue, n + sizeof n) != 0)
		return -ENOBUFS;
	buf_put(&cl->queue, str_of((const char *)&n, sizeof n));
	buf_put(&cl->queue, frame);
	return flush(cl);
}

static void make_answer(struct control *c, uint32_t id, int status, bool is_last, struct str piece)
{
	frame_begin(&c->out, CTL_ANSWER);
	frame_put_u32(&c->out, id);
	frame_put_u32(&c->out, (uint32_t)status);
	frame_put_u8(&c->out, is_last);
	frame_put_str(&c->out, piece);
}

/* The whole answer, in pieces. Closes a client that cannot or does not want to take it. */
static void put_answer(struct client *cl, uint32_t id, int status, struct str json)
{
	bool is_last;
	do {
		struct str piece = str_of(json.p, json.n);
		if (piece.n > CONTROL_PIECE_MAX)
			piece.n = CONTROL_PIECE_MAX;
		json = str_skip(json, piece.n);
		is_last = json.n == 0;
		make_answer(cl->control, id, status, is_last, piece);
		int r = put_frame(cl);
		if (r == 0)
			continue;
		if (r == -ENOBUFS)
			LOG(LOG_WARN, "control.dropped", F_INT("uid", cl->uid),
			    F_Z("reason", "does not read its answers"));
		client_close(cl);
		return;
	} while (!is_last);
}

static void write_error(struct buf *to, int status, const char *type, struct str message)
{
	struct json_out o = json_out(to);
	json_open(&o, NULL);
	json_open(&o, "error");
	json_put_str(&o, "message", message);
	json_put_z(&o, "type", type);
	json_put_null(&o, "param");
	char code[12];
	snprintf(code, sizeof code, "%d", status);
	json_put_z(&o, "code", code);
	json_close(&o);
	json_close(&o);
}

static void put_error(struct client *cl, uint32_t id, int status, const char *type,
		      struct str message)
{
	struct buf json;
	buf_init(&json, ERROR_MAX);
	write_error(&json, status, type, message);
	put_answer(cl, id, status, json.failed ? STR("{}") : buf_str(&json));
	buf_done(&json);
}

/* ---- calls ---- */

static void pending_unlink(struct pending *p)
{
	struct client *cl = p->client;
	struct pending **at = &cl->pending;
	while (*at && *at != p)
		at = &(*at)->next;
	MUST(*at == p && cl->calls > 0);
	*at = p->next;
	cl->calls--;
}

static void on_answer(struct command_call *call)
{
	struct pending *p = call->answer_data;
	struct client *cl = p->client;
	if (cl)
		pending_unlink(p);
	if (cl && call->out.n > ANSWER_MAX)
		put_error(cl, p->id, 500, "internal_server_error",
			  STR("the answer is too large: ask for less at a time"));
	else if (cl)
		put_answer(cl, p->id, call->status, buf_str(&call->out));
	mem_free(p);
}

/* The command whose words are nearest to what was typed, or NULL. */
static const struct command *nearest_command(struct str words)
{
	const struct command *best = NULL;
	unsigned least = DISTANCE_MAX + 1;
	for (size_t i = 0; i < commands_count; i++) {
		if (commands[i].flags & (CMD_NO_CTL | CMD_LOCAL))
			continue;
		unsigned d = str_distance(words, str_z(commands[i].words), DISTANCE_MAX);
		if (d < least) {
			least = d;
			best = &commands[i];
		}
	}
	return best;
}

static void answer_unknown(struct client *cl, uint32_t id, struct str words)
{
	struct buf text;
	const struct command *near = nearest_command(words);
	buf_init(&text, ERROR_MAX / 8);
	words.n = words.n > 100 ? 100 : words.n;
	BUF_PUT_LIT(&text, "there is no command '");
	buf_put(&text, words);
	BUF_PUT_LIT(&text, "'");
	if (near) {
		BUF_PUT_LIT(&text, "; did you mean '");
		buf_put_z(&text, near->words);
		BUF_PUT_LIT(&text, "'?");
	}
	put_error(cl, id, 404, "not_found", buf_str(&text));
	buf_done(&text);
}

static void start_call(struct client *cl, const struct command *cmd, uint32_t id, struct str args)
{
	struct pending *p = mem_alloc(sizeof *p);
	struct command_call *call =
		p ? command_new(cl->control->master, cmd, args, on_answer, p) : NULL;
	if (!call) {
		mem_free(p);
		put_error(cl, id, 503, "overloaded", STR("the gateway is out of memory"));
		return;
	}
	*p = (struct pending){ .client = cl, .next = cl->pending, .id = id };
	cl->pending = p;
	cl->calls++;
	call->kind = CALLER_SOCKET;
	call->is_admin = true;
	call->is_viewer = true;
	call->caller_uid = cl->uid;
	command_run(call);			/* may have answered and freed when it returns */
}

/* Arguments that came in a parcel. The caller gives them back. */
static int unpack(const struct command *cmd, int parcel, struct buf *ret)
{
	size_t n;
	buf_init(ret, COMMAND_ARGS_LARGE);
	int err = parcel_size(parcel, &n);
	if (err == 0 && n > (cmd->flags & CMD_LARGE ? COMMAND_ARGS_LARGE : COMMAND_ARGS_MAX))
		err = -EFBIG;
	if (err == 0)
		err = buf_reserve(ret, n);
	if (err == 0)
		err = parcel_read(parcel, ret->p, n);
	if (err == 0)
		ret->n = n;
	return err;
}

static void start_long_call(struct client *cl, const struct command *cmd, uint32_t id, int parcel)
{
	struct buf args;
	int err = unpack(cmd, parcel, &args);
	if (err == 0)
		start_call(cl, cmd, id, buf_str(&args));
	else if (err == -EFBIG)
		put_error(cl, id, 413, "invalid_request_error", STR("the arguments are too large"));
	else
		put_error(cl, id, err == -ENOMEM ? 503 : 400, "invalid_request_error",
			  STR("the arguments cannot be read"));
	if (args.p)
		mem_wipe(args.p, args.room);
	buf_done(&args);
}

static void on_call(struct client *cl, uint32_t id, struct str words, struct str args, int parcel)
{
	const struct command *cmd = command_by_words(words);
	if (cl->calls >= CONTROL_CALLS_MAX)
		put_error(cl, id, 429, "rate_limit_exceeded",
			  STR("too many calls at once on this connection"));
	else if (!cmd || (cmd->flags & (CMD_NO_CTL | CMD_LOCAL)))
		answer_unknown(cl, id, words);
	else if (parcel >= 0)
		start_long_call(cl, cmd, id, parcel);
	else
		start_call(cl, cmd, id, args);
}

/* ---- clients ---- */

/* Says why, then ends the connection. */
static void refuse_client(struct client *cl, int status, struct str message)
{
	put_error(cl, 0, status, "invalid_request_error", message);
	client_close(cl);
}

static void take_frame(struct client *cl, size_t n, int parcel)
{
	struct frame_in f;
	int r = frame_open(&f, cl->control->in, n);
	if (r == -EPROTONOSUPPORT) {
		refuse_client(cl, 400, STR("llmgwctl and llmgw are of different versions; the "
					   "gateway running is " LLMGW_VERSION));
		return;
	}
	if (r != 0 || f.type != CTL_CALL) {
		refuse_client(cl, 400, STR("this is no frame of llmgwctl"));
		return;
	}
	uint32_t id = frame_get_u32(&f);
	struct str words = frame_get_str(&f), args = frame_get_str(&f);
	if (frame_end(&f) != 0 || id == 0)
		refuse_client(cl, 400, STR("this is no frame of llmgwctl"));
	else
		on_call(cl, id, words, args, parcel);
}

/* Reads one packet. Whether there may be another. */
static bool read_one(struct client *cl)
{
	struct control *c = cl->control;
	int fds[FDPASS_MAX];
	unsigned n_fds = 0;
	long n = fdpass_receive(cl->fd, c->in, sizeof c->in, fds, &n_fds);
	if (n == -EAGAIN)
		return false;
	if (n == -EMSGSIZE)
		refuse_client(cl, 413, STR("the arguments are too long for one frame"));
	if (n <= 0) {
		client_close(cl);
		return false;
	}
	take_frame(cl, (size_t)n, n_fds == 1 ? fds[0] : -1);
	while (n_fds > 0)
		close(fds[--n_fds]);
	mem_wipe(c->in, (size_t)n);
	return true;
}

static bool is_open(const struct client *cl)
{
	return !uv_is_closing((const uv_handle_t *)&cl->poll);
}

static void on_client(uv_poll_t *handle, int status, int events)
{
	struct client *cl = handle->data;
	if (status < 0 || ((events & UV_WRITABLE) && flush(cl) != 0)) {
		client_close(cl);
		return;
	}
	if (!(events & UV_READABLE))
		return;
	for (int i = 0; i < TURN_MAX && is_open(cl) && read_one(cl); i++)
		;
}

static void greet(struct client *cl)
{
	frame_begin(&cl->control->out, CTL_HELLO);
	frame_put_str(&cl->control->out, STR(LLMGW_VERSION));
	frame_put_u32(&cl->control->out, (uint32_t)getpid());
	if (put_frame(cl) != 0)
		client_close(cl);
}

static void add_client(struct control *c, int fd, uint32_t uid)
{
	struct client *cl = mem_alloc(sizeof *cl);
	if (!cl || uv_poll_init(c->master->loop, &cl->poll, fd) != 0) {
		mem_free(cl);
		close(fd);
		return;
	}
	cl->poll.data = cl;
	cl->control = c;
	cl->fd = fd;
	cl->uid = uid;
	buf_init(&cl->queue, CONTROL_QUEUE_MAX);
	cl->next = c->clients;
	c->clients = cl;
	c->n_clients++;
	c->open_handles++;
	greet(cl);
}

/* An answer to somebody who never becomes a client. */
static void turn_away(struct control *c, int fd, int status, const char *type, struct str why)
{
	struct buf json;
	buf_init(&json, ERROR_MAX);
	write_error(&json, status, type, why);
	if (!json.failed) {
		make_answer(c, 0, status, true, buf_str(&json));
		int r = fdpass_send(fd, frame_finish(&c->out), NULL, 0);
		(void)r;			/* it was a courtesy */
	}
	buf_done(&json);
	close(fd);
}

/* It has our uid, and no business here: what it may ask for goes over its line. */
static bool is_a_worker(const struct control *c, const struct control_peer *peer)
{
	const struct supervise *s = c->master->supervise;
	return s && peer->pid > 0 && supervise_has_pid(s, peer->pid);
}

static void welcome(struct control *c, int fd)
{
	struct control_peer peer;
	bool may = control_peer_may(fd, &c->admins, &peer), is_worker = is_a_worker(c, &peer);
	if (!may || is_worker) {
		LOG(LOG_WARN, "control.refused", F_INT("uid", peer.uid), F_INT("pid", peer.pid),
		    F_INT("worker", is_worker));
		turn_away(c, fd, 403, "permission_error",
			  STR("only root, the gateway's own user and members of group "
			      CONTROL_GROUP " may use the control socket"));
	} else if (c->n_clients >= CONTROL_CLIENTS_MAX) {
		turn_away(c, fd, 429, "rate_limit_exceeded",
			  STR("too many connections to the control socket"));
	} else {
		add_client(c, fd, peer.uid);
	}
}

static void on_pause_over(uv_timer_t *timer)
{
	struct control *c = timer->data;
	if (uv_poll_start(&c->poll, UV_READABLE, on_connection) != 0)
		uv_timer_start(&c->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
}

static void on_connection(uv_poll_t *handle, int status, int events)
{
	struct control *c = handle->data;
	(void)status, (void)events;	/* accept4() tells better */
	for (int i = 0; i < TURN_MAX; i++) {
		int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			welcome(c, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN) {	/* no descriptors: do not spin on a readable socket */
			uv_poll_stop(&c->poll);
			uv_timer_start(&c->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
		}
		return;
	}
}

/* ---- start and stop ---- */

static void on_own_closed(uv_handle_t *handle)
{
	handle_gone(handle->data);
}

int control_adopt(struct master *m, int fd, struct control **ret)
{
	socklen_t n = sizeof(struct sockaddr_un);
	struct control *c = mem_alloc(sizeof *c);
	int r = -ENOMEM;
	if (!c)
		goto failed;
	*c = (struct control){ .master = m, .fd = fd, .admins = control_admins() };
	if (getsockname(fd, (struct sockaddr *)&c->addr, &n) != 0)
		c->addr.sun_path[0] = '\0';
	r = uv_poll_init(m->loop, &c->poll, fd);
	if (r != 0)
		goto failed;
	uv_timer_init(m->loop, &c->pause);	/* cannot fail */
	c->poll.data = c;
	c->pause.data = c;
	c->open_handles = 2;
	r = uv_poll_start(&c->poll, UV_READABLE, on_connection);
	if (r != 0) {
		control_stop(c, false);
		return r;
	}
	*ret = c;
	return 0;
failed:
	mem_free(c);
	close(fd);
	return r;
}

int control_start(struct master *m, const char *runtime_dir, struct control **ret)
{
	struct sockaddr_un addr;
	struct control_admins admins = control_admins();
	int fd = -1;
	int n = snprintf(addr.sun_path, sizeof addr.sun_path, "%s/control.sock", runtime_dir);
	if (n < 0 || (size_t)n >= sizeof addr.sun_path)
		return -ENAMETOOLONG;
	int r = control_listen(addr.sun_path, &admins, &fd);
	return r == 0 ? control_adopt(m, fd, ret) : r;
}

void control_pause(struct control *c)
{
	uv_timer_stop(&c->pause);
	uv_poll_stop(&c->poll);
}

void control_resume(struct control *c)
{
	on_pause_over(&c->pause);
}

bool control_is_quiet(const struct control *c)
{
	const struct client *cl = c->clients;
	while (cl && cl->calls == 0 && cl->queue.n == 0)
		cl = cl->next;
	return !cl;
}

int control_fd(const struct control *c)
{
	return c->fd;
}

void control_stop(struct control *c, bool unlink_socket)
{
	if (!c || uv_is_closing((uv_handle_t *)&c->poll))
		return;
	if (unlink_socket && c->addr.sun_path[0])
		unlink(c->addr.sun_path);
	for (struct client *cl = c->clients, *next; cl; cl = next) {
		next = cl->next;
		client_close(cl);
	}
	uv_close((uv_handle_t *)&c->pause, on_own_closed);
	uv_close((uv_handle_t *)&c->poll, on_own_closed);
	close(c->fd);
}
