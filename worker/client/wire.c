/* SPDX-License-Identifier: MIT
 * wire.c - a uv_tcp_t with its queue and, where wanted, TLS. While the queue is empty a write
 * goes straight to the kernel; otherwise it joins the queue, so bytes never overtake. */
#include "worker/client/wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/client/tls.h"

enum {
	ROOM_KEPT = 4 * WIRE_READ_BYTES,	/* memory that shared buffers keep */
	GATHER_MAX = 16384			/* what fits into one TLS record */
};

void wire_room_init(struct wire_room *room)
{
	buf_init(&room->plain, WIRE_PLAIN_MAX);
	buf_init(&room->gathered, GATHER_MAX);
	buf_init(&room->cipher, WIRE_QUEUE_MAX);
}

void wire_room_done(struct wire_room *room)
{
	buf_done(&room->plain);
	buf_done(&room->gathered);
	buf_done(&room->cipher);
}

static void empty(struct buf *b)
{
	if (b->room > ROOM_KEPT)
		buf_done(b);
	buf_reset(b);
}

static struct wire *wire_of(void *handle)
{
	return ((uv_handle_t *)handle)->data;
}

static uv_stream_t *stream_of(const struct wire *x)
{
	return (uv_stream_t *)&x->handle;
}

static bool is_closing(const struct wire *x)
{
	return uv_is_closing((const uv_handle_t *)&x->handle);
}

/* ---- out ---- */

size_t wire_queued(const struct wire *x)
{
	return x->handle.write_queue_size + x->queue.n;
}

uint64_t wire_out(const struct wire *x)
{
	return x->sent - wire_queued(x);
}

static int start_write(struct wire *x);

static void on_write_done(uv_write_t *req, int status)
{
	struct wire *x = wire_of(req->handle);
	x->is_writing = false;
	buf_reset(&x->flight);
	if (is_closing(x))
		return;
	if (status == 0)
		status = start_write(x);
	if (status != 0) {
		x->events->on_end(x, status);
		return;
	}
	if (!x->is_writing) {
		buf_done(&x->flight);
		buf_done(&x->queue);
	}
	x->events->on_written(x);
}

/* Two buffers in turn: one is filled while libuv holds the other. */
static int start_write(struct wire *x)
{
	if (x->is_writing || x->queue.n == 0)
		return 0;
	struct buf b = x->flight;
	x->flight = x->queue;
	x->queue = b;
	uv_buf_t bytes = { .base = x->flight.p, .len = x->flight.n };
	int r = uv_write(&x->write, stream_of(x), &bytes, 1, on_write_done);
	x->is_writing = r == 0;
	return r;
}

/* One write of what there is in the parts; bytes that the kernel has taken. */
static int try_write(struct wire *x, const struct str *parts, unsigned n, size_t *ret_done)
{
	uv_buf_t bytes[WIRE_PARTS_MAX];
	unsigned used = 0;
	for (unsigned i = 0; i < n; i++)
		if (parts[i].n)
			bytes[used++] = (uv_buf_t){ .base = (char *)(uintptr_t)parts[i].p,
						    .len = parts[i].n };
	int r = used ? uv_try_write(stream_of(x), bytes, used) : 0;
	*ret_done = r > 0 ? (size_t)r : 0;
	return r < 0 && r != UV_EAGAIN ? r : 0;
}

/* What the kernel takes at once; the rest is queued. */
static int send_raw(struct wire *x, const struct str *parts, unsigned n)
{
	size_t done = 0;
	int r = 0;
	MUST(n <= WIRE_PARTS_MAX);
	if (wire_queued(x) == 0)
		r = try_write(x, parts, n, &done);
	for (unsigned i = 0; r == 0 && i < n; i++) {
		size_t skip = done < parts[i].n ? done : parts[i].n;
		buf_put(&x->queue, str_skip(parts[i], skip));
		done -= skip;
		x->sent += parts[i].n;
	}
	if (r == 0)
		r = x->queue.failed ? -ENOBUFS : start_write(x);
	return r;
}

/* Small parts become one record: the peer gets a head, a chunk or an event whole. */
static int encrypt(struct wire *x, const struct str *parts, unsigned n)
{
	struct buf *one = &x->room->gathered, *out = &x->room->cipher;
	buf_reset(one);
	for (unsigned i = 0; i < n; i++)
		buf_put(one, parts[i]);
	if (!one->failed)
		return tls_send(x->tls, buf_str(one), out);
	int r = 0;
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = tls_send(x->tls, parts[i], out);
	return r;
}

int wire_send(struct wire *x, const struct str *parts, unsigned n)
{
	if (is_closing(x))
		return -ECONNRESET;
	if (!x->tls)
		return send_raw(x, parts, n);
	empty(&x->room->cipher);
	int r = encrypt(x, parts, n);
	struct str wire = buf_str(&x->room->cipher);
	return r ? r : send_raw(x, &wire, 1);
}

bool wire_finish(struct wire *x)
{
	uv_os_fd_t fd;
	if (is_closing(x) || wire_queued(x) > 0)
		return false;
	if (x->tls) {
		struct buf *out = &x->room->cipher;
		empty(out);
		tls_close(x->tls, out);
		struct str wire = buf_str(out);
		if (send_raw(x, &wire, 1) != 0 || wire_queued(x) > 0)
			return false;
	}
	return uv_fileno((uv_handle_t *)&x->handle, &fd) == 0 && shutdown(fd, SHUT_WR) == 0;
}

/* ---- in ---- */

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *ret)
{
	(void)wanted;
	struct wire *x = wire_of(handle);
	*ret = (uv_buf_t){ .base = x->room->in, .len = sizeof x->room->in };
}

/* Plain bytes that came before an end are told before the end. */
static void receive_tls(struct wire *x, struct str in)
{
	struct buf *plain = &x->room->plain, *out = &x->room->cipher;
	empty(plain);
	empty(out);
	int r = tls_receive(x->tls, in, plain, out);
	if (r == -EPROTOTYPE) {
		x->tls = tls_free(x->tls);
		x->events->on_plain(x);
		return;
	}
	struct str wire = buf_str(out);
	int sent = send_raw(x, &wire, 1);
	if (plain->n)
		x->events->on_bytes(x, buf_str(plain));
	if (r == 0)
		r = sent;
	if (r != 0 && !is_closing(x))
		x->events->on_end(x, r == -ECONNRESET ? 0 : r);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
	struct wire *x = wire_of(stream);
	if (n == 0)
		return;
	if (n < 0) {
		x->events->on_end(x, n == UV_EOF ? 0 : (int)n);
		return;
	}
	struct str in = str_of(room->base, (size_t)n);
	if (x->tls)
		receive_tls(x, in);
	else
		x->events->on_bytes(x, in);
}

void wire_read(struct wire *x, bool wanted)
{
	if (wanted == x->is_reading || is_closing(x))
		return;
	x->is_reading = wanted;
	if (!wanted)
		uv_read_stop(stream_of(x));
	else if (uv_read_start(stream_of(x), on_room, on_read) != 0)
		x->is_reading = false;
}

bool wire_has_input(const struct wire *x)
{
	uv_os_fd_t fd;
	char c;
	return uv_fileno((const uv_handle_t *)&x->handle, &fd) == 0 &&
	       recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* ---- life ---- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct wire *x = wire_of(handle);
	x->tls = tls_free(x->tls);
	buf_done(&x->queue);
	buf_done(&x->flight);
	x->events->on_closed(x);
}

void wire_close(struct wire *x, bool reset)
{
	if (is_closing(x))
		return;
	if (!reset || uv_tcp_close_reset(&x->handle, on_handle_closed) != 0)
		uv_close((uv_handle_t *)&x->handle, on_handle_closed);
}

int wire_open(struct wire *x, uv_loop_t *loop, int fd, struct tls *tls, struct wire_room *room,
	      const struct wire_events *events)
{
	*x = (struct wire){ .events = events, .room = room, .tls = tls };
	buf_init(&x->queue, WIRE_QUEUE_MAX);
	buf_init(&x->flight, WIRE_QUEUE_MAX);
	int r = uv_tcp_init(loop, &x->handle);
	MUST(r == 0);				/* without a socket yet it cannot fail */
	x->handle.data = x;
	r = uv_tcp_open(&x->handle, fd);
	if (r == 0) {
		(void)uv_tcp_nodelay(&x->handle, 1);	/* a local socket has no such thing */
		return 0;
	}
	close(fd);
	wire_close(x, false);
	return r;
}
