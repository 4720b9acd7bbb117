/* SPDX-License-Identifier: MIT
 * listen.c - see listen.h. */
#include "master/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LISTEN_FDS_START = 3, BACKLOG = 4096 };

void listen_name(const struct config_listen *l, char *out, size_t room)
{
	bool v6 = str_find_char(l->host, ':') != SIZE_MAX;
	snprintf(out, room, v6 ? "[" STR_FMT "]:%u" : STR_FMT ":%u", STR_ARG(l->host), l->port);
}

static void add(struct listen_set *s, int fd, const struct config_listen *at)
{
	if (s->n >= CONFIG_LISTEN_MAX) {
		close(fd);
		return;
	}
	s->fd[s->n] = fd;
	s->at[s->n] = at ? *at : (struct config_listen){ 0 };
	snprintf(s->host[s->n], sizeof s->host[0], STR_FMT, STR_ARG(s->at[s->n].host));
	s->at[s->n].host = STR_NONE;	/* it was the configuration's, which goes before us */
	s->n++;
}

void listen_inherit(struct listen_set *spare)
{
	uint64_t pid, n;
	if (str_read_u64(str_z(getenv("LISTEN_FDS")), &n) == 0 &&
	    str_read_u64(str_z(getenv("LISTEN_PID")), &pid) == 0 && pid == (uint64_t)getpid())
		for (uint64_t i = 0; i < n && i < 4096; i++) {
			fcntl(LISTEN_FDS_START + (int)i, F_SETFD, FD_CLOEXEC);
			add(spare, LISTEN_FDS_START + (int)i, NULL);
		}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)a)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)(const void *)a)->sin6_port);
}

static bool same_address(int fd, const struct addrinfo *want)
{
	struct sockaddr_storage have = { 0 };
	socklen_t n = sizeof have;
	if (getsockname(fd, (struct sockaddr *)&have, &n) < 0 || have.ss_family != want->ai_family)
		return false;
	if (have.ss_family == AF_INET) {
		const struct sockaddr_in *a = (const void *)&have, *b = (const void *)want->ai_addr;
		return a->sin_addr.s_addr == b->sin_addr.s_addr &&
		       (a->sin_port == b->sin_port || b->sin_port == 0);
	}
	const struct sockaddr_in6 *a = (const void *)&have, *b = (const void *)want->ai_addr;
	return memcmp(&a->sin6_addr, &b->sin6_addr, 16) == 0 &&
	       (a->sin6_port == b->sin6_port || b->sin6_port == 0);
}

static int take(struct listen_set *from, const struct addrinfo *want)
{
	for (size_t i = 0; from && i < from->n; i++) {
		int fd = from->fd[i];
		if (fd >= 0 && same_address(fd, want)) {
			from->fd[i] = -1;
			return fd;
		}
	}
	return -1;
}

static int bind_new(const struct addrinfo *at, int shared)
{
	int one = 1, zero = 0, err;
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof shared);
	if (at->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* How many there are of that port. */
static unsigned let_share(const struct listen_set *s, int port, int shared)
{
	unsigned found = 0;
	struct sockaddr_storage a = { 0 };
	for (size_t i = 0; s && i < s->n; i++) {
		socklen_t n = sizeof a;
		if (s->fd[i] >= 0 && getsockname(s->fd[i], (struct sockaddr *)&a, &n) == 0 &&
		    port_of(&a) == port &&
		    setsockopt(s->fd[i], SOL_SOCKET, SO_REUSEPORT, &shared, sizeof shared) == 0)
			found++;
	}
	return found;
}

/* 0.0.0.0:4000 and 127.0.0.1:4000 exclude each other: where our own socket, which goes soon, is
 * in the way, both may have the port for that time. */
static int bind_beside(const struct addrinfo *at, const struct listen_set *old,
		       const struct listen_set *spare, int port)
{
	int off = 0, fd = bind_new(at, 0);
	if (fd != -EADDRINUSE || let_share(old, port, 1) + let_share(spare, port, 1) == 0)
		return fd;
	fd = bind_new(at, 1);
	let_share(old, port, 0);
	let_share(spare, port, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
	return fd;
}

static const char *hint_for(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return " (another program, or another llmgw, has it: ss -ltnp tells which)";
	case -EADDRNOTAVAIL:
		return " (no interface of this machine has that address)";
	case -EACCES:
		return " (ports below 1024 are root's: take a socket from systemd, see llmgw(8))";
	default:
		return "";
	}
}

static int open_one(const struct config_listen *l, struct listen_set *old, struct listen_set *spare,
		    struct listen_set *ret, char reterr[256])
{
	struct addrinfo hint = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM }, *at = NULL;
	char host[256], port[8], name[300];
	struct sockaddr_storage real = { 0 };
	socklen_t n = sizeof real;
	struct config_listen done = *l;
	const int none = 0;
	listen_name(l, name, sizeof name);
	snprintf(host, sizeof host, STR_FMT, STR_ARG(l->host));
	snprintf(port, sizeof port, "%u", l->port);
	int gai = getaddrinfo(host, port, &hint, &at);
	if (gai != 0) {
		snprintf(reterr, 256, "listen address %.200s: %s (a numeric address is needed)",
			 name, gai_strerror(gai));
		return -EINVAL;
	}
	int fd = take(old, at);
	if (fd < 0)
		fd = take(spare, at);
	if (fd < 0)
		fd = bind_beside(at, old, spare, l->port);
	freeaddrinfo(at);
	if (fd < 0) {
		snprintf(reterr, 256, "cannot listen on %.100s: %s%s", name, strerror(-fd),
			 hint_for(fd));
		return fd;
	}
	/* One that systemd kept may have been retired before. */
	setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (getsockname(fd, (struct sockaddr *)&real, &n) == 0)
		done.port = port_of(&real);
	if (l->tls)
		ret->tls_bits |= 1ull << ret->n;
	add(ret, fd, &done);
	return 0;
}

int listen_open(const struct config *c, struct listen_set *old, struct listen_set *spare,
		struct listen_set *ret, char reterr[256])
{
	*ret = (struct listen_set){ 0 };
	for (size_t i = 0; i < c->n_listen; i++) {
		int err = open_one(&c->listen[i], old, spare, ret, reterr);
		if (err < 0) {
			listen_close(ret);
			return err;
		}
	}
	return 0;
}

/* Which of them is that socket; SIZE_MAX: none. */
static size_t find_socket(const struct listen_set *s, int fd)
{
	struct stat a, b;
	for (size_t i = 0; i < s->n; i++)
		if (fstat(fd, &a) == 0 && fstat(s->fd[i], &b) == 0 && a.st_ino == b.st_ino)
			return i;
	return SIZE_MAX;
}

static void leave(struct listen_set *s, int fd, uint64_t since, uint64_t until)
{
	size_t i = s->n;
	add(s, fd, NULL);
	if (i == s->n)
		return;
	s->since[i] = since;
	s->until[i] = until;
}

void listen_replace(struct listen_set *now, const struct listen_set *next,
		    struct listen_set *leaving, uint64_t revision)
{
	struct listen_set result = *next, gone = *leaving;
	leaving->n = 0;
	for (size_t i = 0; i < result.n; i++)
		result.since[i] = revision + 1;
	for (size_t i = 0; i < gone.n + now->n; i++) {
		struct listen_set *from = i < gone.n ? &gone : now;
		size_t k = i < gone.n ? i : i - gone.n, at = find_socket(next, from->fd[k]);
		if (at == SIZE_MAX) {
			leave(leaving, from->fd[k], from->since[k],
			      from == now ? revision : from->until[k]);
			continue;
		}
		result.since[at] = from->since[k];
		close(from->fd[k]);
	}
	*now = result;
}

void listen_retire(struct listen_set *leaving, size_t i)
{
	/* The flags of a TCP header; SYN and not ACK: a beginning. */
	static struct sock_filter drop_beginnings[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog f = { COUNT(drop_beginnings), drop_beginnings };
	setsockopt(leaving->fd[i], SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof f);
	close(leaving->fd[i]);
	leaving->n--;
	leaving->fd[i] = leaving->fd[leaving->n];
	leaving->since[i] = leaving->since[leaving->n];
	leaving->until[i] = leaving->until[leaving->n];
}

bool listen_same(const struct config *c, const struct listen_set *s)
{
	if (c->n_listen != s->n)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (!str_eq_z(c->listen[i].host, s->host[i]) || c->listen[i].tls != s->at[i].tls ||
		    (c->listen[i].port && c->listen[i].port != s->at[i].port))
			return false;
	return true;
}

void listen_close(struct listen_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->fd[i] >= 0)
			close(s->fd[i]);
	s->n = 0;
}
