/* SPDX-License-Identifier: MIT
 * stand_in.c - see stand_in.h. */
#include "master/stand_in.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

enum {
	GUESTS_MAX = 256, ACCEPTS_A_TURN = 16, READS_A_TURN = 8,
	GUEST_MS = 2000, GUEST_BYTES = 256 * 1024, TICK_MS = 100
};

#define BODY                                                                                  \
	"{\"error\":{\"message\":\"The gateway has no worker at the moment; try again in a "  \
	"few seconds.\",\"type\":\"service_unavailable_error\",\"param\":null,"               \
	"\"code\":\"no_worker\"}}"
static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\n"
			     "content-type: application/json\r\n"
			     "retry-after: 5\r\n"
			     "connection: close\r\n"
			     "\r\n" BODY;

struct guest {				/* somebody who came */
	struct stand_in *s;
	struct guest *next, *prev;
	int fd;
	uv_poll_t poll;
	uint64_t until_ns;
	size_t heard;			/* bytes */
	bool is_answered;
};
struct door {				/* a listening socket */
	struct stand_in *s;
	int fd;
	bool is_tls;
	uv_poll_t *poll;		/* NULL: closed */
};
struct stand_in {
	struct master *m;
	uv_timer_t tick;
	struct door door[CONFIG_LISTEN_MAX];
	size_t n_doors;
	struct guest *guests;
	unsigned n_guests;
	uint64_t came;			/* since it began */
	bool is_on;
};

/* ---- guests ---- */

static void guest_closed(uv_handle_t *h)
{
	struct guest *g = h->data;
	close(g->fd);
	mem_free(g);
}

static void guest_leave(struct guest *g)
{
	if (g->next)
		g->next->prev = g->prev;
	*(g->prev ? &g->prev->next : &g->s->guests) = g->next;
	g->s->n_guests--;
	uv_close((uv_handle_t *)&g->poll, guest_closed);
}

/* Its room in the kernel is empty, so all of it goes out, or nobody is there. */
static bool guest_answer(struct guest *g)
{
	g->is_answered = true;
	return send(g->fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT) ==
		       (ssize_t)sizeof answer - 1 &&
	       shutdown(g->fd, SHUT_WR) == 0;
}

/* What was not read when a socket is closed makes the kernel reset the connection, and the client
 * may lose the answer: so it is read, up to a limit. */
static void on_guest(uv_poll_t *p, int status, int events)
{
	struct guest *g = p->data;
	static char bytes[16384];
	(void)events;
	for (unsigned turn = 0; status == 0 && turn < READS_A_TURN; turn++) {
		ssize_t n = recv(g->fd, bytes, sizeof bytes, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		g->heard += n > 0 ? (size_t)n : 0;
		if (n <= 0 || g->heard > GUEST_BYTES || (!g->is_answered && !guest_answer(g))) {
			guest_leave(g);
			return;
		}
	}
	if (status < 0)
		guest_leave(g);
}

static void guest_take(struct stand_in *s, int fd)
{
	struct guest *g = mem_alloc(sizeof *g);
	if (!g || uv_poll_init(s->m->loop, &g->poll, fd) != 0) {
		mem_free(g);
		close(fd);
		return;
	}
	g->s = s;
	g->fd = fd;
	g->poll.data = g;
	g->until_ns = clock_ns() + GUEST_MS * NS_PER_MS;
	g->next = s->guests;
	if (g->next)
		g->next->prev = g;
	s->guests = g;
	s->n_guests++;
	(void)uv_poll_start(&g->poll, UV_READABLE | UV_DISCONNECT, on_guest);
}

/* ---- doors ---- */

static void door_closed(uv_handle_t *h)
{
	mem_free(h);
}

static void door_close(struct door *d)
{
	if (!d->poll)
		return;
	uv_poll_stop(d->poll);
	uv_close((uv_handle_t *)d->poll, door_closed);
	d->poll = NULL;
}

/* Full, or out of descriptors: the timer looks again. */
static void doors_rest(struct stand_in *s)
{
	for (size_t i = 0; i < s->n_doors; i++)
		door_close(&s->door[i]);
}

static void on_door(uv_poll_t *p, int status, int events)
{
	struct door *d = p->data;
	(void)events;
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		bool is_full = status < 0 || d->s->n_guests >= GUESTS_MAX;
		int fd = is_full ? -1 : accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && !is_full && (errno == EAGAIN || errno == ECONNABORTED))
			return;
		if (fd < 0) {
			doors_rest(d->s);
			return;
		}
		d->s->came++;
		if (d->is_tls)
			close(fd);
		else
			guest_take(d->s, fd);
	}
}

static void door_open(struct door *d)
{
	if (d->poll)
		return;
	d->poll = mem_alloc(sizeof *d->poll);
	if (!d->poll)
		return;
	if (uv_poll_init(d->s->m->loop, d->poll, d->fd) != 0) {
		mem_free(d->poll);
		d->poll = NULL;
		return;
	}
	d->poll->data = d;
	(void)uv_poll_start(d->poll, UV_READABLE, on_door);
}

/* ---- all ---- */

static void on_tick(uv_timer_t *t)
{
	struct stand_in *s = t->data;
	uint64_t now = clock_ns();
	for (struct guest *g = s->guests, *next; g; g = next) {
		next = g->next;
		if (now >= g->until_ns)
			guest_leave(g);
	}
	for (size_t i = 0; s->is_on && s->n_guests < GUESTS_MAX && i < s->n_doors; i++)
		door_open(&s->door[i]);
	if (!s->is_on && !s->guests)
		uv_timer_stop(t);
}

int stand_in_new(struct master *m, struct stand_in **ret)
{
	struct stand_in *s = mem_alloc(sizeof *s);
	if (!s)
		return -ENOMEM;
	s->m = m;
	uv_timer_init(m->loop, &s->tick);
	s->tick.data = s;
	*ret = s;
	return 0;
}

void stand_in_begin(struct stand_in *s, const struct listen_set *listen)
{
	if (s->is_on)
		return;
	s->is_on = true;
	s->came = 0;
	s->n_doors = listen->n;
	for (size_t i = 0; i < listen->n; i++)
		s->door[i] = (struct door){ .s = s, .fd = listen->fd[i],
					    .is_tls = listen->at[i].tls };
	LOG(LOG_ERROR, "service.unserved", F_INT("listeners", listen->n));
	uv_timer_start(&s->tick, on_tick, 0, TICK_MS);
}

void stand_in_end(struct stand_in *s)
{
	if (!s->is_on)
		return;
	s->is_on = false;
	doors_rest(s);
	LOG(LOG_WARN, "service.served", F_INT("turned_away", s->came));
}
