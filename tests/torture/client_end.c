/* SPDX-License-Identifier: MIT
 * client_end.c - see client_end.h. */
#include "tests/torture/client_end.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"
#include "worker/client/connection.h"

struct client_end *client_end_new(struct harness *h)
{
	struct client_end *e = mem_alloc(sizeof *e);
	MUST(e);
	e->got = mem_alloc(HEARD_MAX);
	MUST(e->got);
	e->h = h;
	e->fd = -1;
	return e;
}

void client_end_free(struct client_end *e)
{
	client_end_close(e);
	mem_free(e->got);
	mem_free(e);
}

static int dial(struct harness *h)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(h->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
	MUST(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return fd;
}

static int make_pair(struct harness *h)
{
	static const uint8_t address[16] = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 };
	int pair[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	int err = connection_open(&h->w, pair[1], NULL, address);
	MUST(err == 0 || err == -ENOMEM);
	return pair[0];
}

void client_end_open(struct client_end *e, bool by_listener)
{
	MUST(e->fd < 0);
	e->has_end = false;
	e->n = e->n_unsent = 0;
	e->fd = by_listener ? dial(e->h) : make_pair(e->h);
}

static void send_unsent(struct client_end *e)
{
	while (e->n_unsent) {
		ssize_t n = send(e->fd, e->unsent, e->n_unsent, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			n = (ssize_t)e->n_unsent;	/* nobody takes it any more */
		e->unsent += n;
		e->n_unsent -= (size_t)n;
	}
}

void client_end_say(struct client_end *e, struct str s)
{
	MUST(e->fd >= 0 && e->n_unsent == 0);
	e->unsent = s.p;
	e->n_unsent = s.n;
	send_unsent(e);
}

void client_end_hear(struct client_end *e)
{
	if (e->fd < 0)
		return;
	send_unsent(e);
	while (!e->has_end && e->n < HEARD_MAX) {
		ssize_t n = recv(e->fd, e->got + e->n, HEARD_MAX - e->n, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			e->has_end = true;
		else
			e->n += (size_t)n;
	}
}

void client_end_close(struct client_end *e)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
	e->n_unsent = 0;
}
