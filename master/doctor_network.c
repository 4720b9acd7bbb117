/* SPDX-License-Identifier: MIT
 * doctor_network.c - checks of addresses, names and certificates of others.
 *
 * Each provider's host is looked up once, and with --online connected to; all of it has one time
 * limit, so that the doctor ends where nothing answers. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/curl_why.h"
#include "master/config.h"
#include "master/doctor.h"

enum {
	HOSTS_MAX = 64, NAME_ROOM = 256, PORT_ROOM = 8, LIMIT_MS = 20000, CONNECT_MS = 5000,
	PRIVILEGED = 1024
};

struct host {
	char name[NAME_ROOM], port[PORT_ROOM];
	bool is_tls;
};
struct hosts {
	struct host v[HOSTS_MAX];
	size_t n;
};

/* ---- listening ---- */

/* 0, or the errno of binding there; nobody is kept from it for longer than that takes. */
static int try_to_bind(const struct config_listen *at)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_PASSIVE | AI_NUMERICHOST };
	struct addrinfo *a = NULL;
	char host[NAME_ROOM], port[PORT_ROOM];
	const int on = 1;
	snprintf(host, sizeof host, STR_FMT, STR_ARG(at->host));
	snprintf(port, sizeof port, "%u", at->port);
	if (getaddrinfo(host, port, &hints, &a) != 0)
		return EADDRNOTAVAIL;
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0), err = fd < 0 ? errno : 0;
	if (fd >= 0 && a->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 1) != 0)
			err = errno;
		close(fd);
	}
	freeaddrinfo(a);
	return err;
}

static void say_bind(struct doctor_finding *f, const struct config_listen *at, int err)
{
	const char *hint = err == EADDRINUSE ? "ss -ltnp tells by whom; or another server.listen" :
			   err == EACCES ? "a port from 1024, or a .socket unit" :
					   "ip address tells which there are";
	doctor_say(f, DOCTOR_FAIL, hint, STR_FMT ":%u: %s", STR_ARG(at->host), at->port,
		   strerror(err));
}

void doctor_listen_free(const struct doctor *d, struct doctor_finding *f)
{
	const struct config *c = d->config;
	if (!c || c->n_errors) {
		doctor_say(f, DOCTOR_SKIP, NULL, "nothing is configured");
		return;
	}
	if (d->pid) {
		doctor_say(f, DOCTOR_OK, NULL, "the gateway that runs has them (process %d)",
			   (int)d->pid);
		return;
	}
	for (size_t i = 0; i < c->n_listen; i++) {
		/* Whoever asks may be root, and the gateway is not. */
		bool needs_root = c->listen[i].port && c->listen[i].port < PRIVILEGED && d->uid;
		int err = needs_root ? EACCES : try_to_bind(&c->listen[i]);
		if (err) {
			say_bind(f, &c->listen[i], err);
			return;
		}
	}
	doctor_say(f, DOCTOR_OK, NULL, STR_FMT ":%u%s", STR_ARG(c->listen[0].host),
		   c->listen[0].port, c->n_listen > 1 ? " and others" : "");
}

/* ---- providers ---- */

/* Of "https://host:port/path". False: another scheme, or too long. */
static bool read_base(struct str base, struct host *ret)
{
	*ret = (struct host){ .is_tls = str_starts(base, STR("https://")) };
	if (!ret->is_tls && !str_starts(base, STR("http://")))
		return false;
	struct str rest = str_skip(base, ret->is_tls ? 8 : 7);
	struct str name = str_of(rest.p, 0), port = ret->is_tls ? STR("443") : STR("80");
	while (name.n < rest.n && rest.p[name.n] != '/' && rest.p[name.n] != '?')
		name.n++;
	bool has_bracket = name.n && name.p[0] == '[';
	const char *end = has_bracket ? memchr(name.p, ']', name.n) : name.p;
	const char *colon = end ? memchr(end, ':', (size_t)(name.p + name.n - end)) : NULL;
	if (colon) {
		port = str_skip(name, (size_t)(colon + 1 - name.p));
		name.n = (size_t)(colon - name.p);
	}
	if (has_bracket && name.n > 2)
		name = str_of(name.p + 1, name.n - 2);
	if (!name.n || name.n >= sizeof ret->name || port.n >= sizeof ret->port)
		return false;
	snprintf(ret->name, sizeof ret->name, STR_FMT, STR_ARG(name));
	snprintf(ret->port, sizeof ret->port, STR_FMT, STR_ARG(port));
	return true;
}

static bool is_number(const char *name)
{
	unsigned char room[16];
	return inet_pton(AF_INET, name, room) == 1 || inet_pton(AF_INET6, name, room) == 1;
}

static void add(struct hosts *to, struct str base)
{
	struct host h;
	if (!read_base(base, &h))
		return;
	for (size_t i = 0; i < to->n; i++)
		if (strcmp(to->v[i].name, h.name) == 0 && strcmp(to->v[i].port, h.port) == 0)
			return;
	if (to->n < HOSTS_MAX)
		to->v[to->n++] = h;
}

static void collect(const struct config *c, struct hosts *to)
{
	to->n = 0;
	for (size_t i = 0; c && i < c->n_models; i++)
		if (!c->models[i].mock_response.p)
			add(to, c->models[i].api_base);
}

/* ---- what becomes of them: how many are good, and the first that is not ---- */

typedef bool try_fn(const struct host *h, char why[NAME_ROOM]);

static void try_all(const struct hosts *hosts, try_fn *try, const char *hint,
		    struct doctor_finding *f)
{
	uint64_t until = clock_ns() + LIMIT_MS * NS_PER_MS;
	char why[NAME_ROOM], first[NAME_ROOM] = "";
	const char *bad = NULL;
	unsigned n_bad = 0, n_left = 0;
	for (size_t i = 0; i < hosts->n; i++) {
		if (clock_ns() > until) {
			n_left++;
		} else if (!try(&hosts->v[i], why)) {
			if (!n_bad++) {
				bad = hosts->v[i].name;
				memcpy(first, why, sizeof first);
			}
		}
	}
	unsigned n_good = (unsigned)hosts->n - n_bad - n_left;
	if (bad)
		doctor_say(f, n_good ? DOCTOR_WARN : DOCTOR_FAIL, hint, "%u of %zu: %s: %s", n_bad,
			   hosts->n, bad, first);
	else if (n_left)
		doctor_say(f, DOCTOR_WARN, hint, "%u of %zu were not tried: it took too long",
			   n_left, hosts->n);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%zu", hosts->n);
}

static bool try_name(const struct host *h, char why[NAME_ROOM])
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *a = NULL;
	if (is_number(h->name))
		return true;
	int err = getaddrinfo(h->name, NULL, &hints, &a);
	if (err == 0)
		freeaddrinfo(a);
	snprintf(why, NAME_ROOM, "%s", err ? gai_strerror(err) : "");
	return err == 0;
}

void doctor_providers_named(const struct doctor *d, struct doctor_finding *f)
{
	struct hosts hosts;
	collect(d->config, &hosts);
	if (hosts.n == 0)
		doctor_say(f, DOCTOR_SKIP, NULL, "no provider is configured");
	else
		try_all(&hosts, try_name, "/etc/resolv.conf; api_base in the configuration", f);
}

/* As workers do: through no proxy, and only with a certificate that is good. */
static bool try_connection(const struct host *h, char why[NAME_ROOM])
{
	const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
	bool is_6 = strchr(h->name, ':');
	char url[NAME_ROOM + 32];
	CURL *e = curl_easy_init();
	if (!e)
		return false;
	snprintf(url, sizeof url, "%s://%s%s%s:%s/", h->is_tls ? "https" : "http", is_6 ? "[" : "",
		 h->name, is_6 ? "]" : "", h->port);
	if (file && *file)
		curl_easy_setopt(e, CURLOPT_CAINFO, file);
	if (folder && *folder)
		curl_easy_setopt(e, CURLOPT_CAPATH, folder);
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	CURLcode code = curl_easy_perform(e);
	snprintf(why, NAME_ROOM, "%s", code == CURLE_OK ? "" : curl_why(e, code));
	curl_easy_cleanup(e);
	return code == CURLE_OK;
}

void doctor_providers_reached(const struct doctor *d, struct doctor_finding *f)
{
	struct hosts hosts;
	collect(d->config, &hosts);
	if (!d->is_online)
		doctor_say(f, DOCTOR_SKIP, NULL, "with --online");
	else if (hosts.n == 0)
		doctor_say(f, DOCTOR_SKIP, NULL, "no provider is configured");
	else
		try_all(&hosts, try_connection, "curl -v to that host tells more", f);
}

/* ---- authorities ---- */

static bool is_of_use(const char *path)
{
	struct stat st;
	return path && *path && access(path, R_OK) == 0 && stat(path, &st) == 0 &&
	       (S_ISDIR(st.st_mode) || st.st_size > 0);
}

void doctor_authorities(const struct doctor *d, struct doctor_finding *f)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
	const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
	(void)d;
	file = file && *file ? file : v->age >= CURLVERSION_SEVENTH ? v->cainfo : NULL;
	folder = folder && *folder ? folder : v->age >= CURLVERSION_SEVENTH ? v->capath : NULL;
	if (is_of_use(file) || is_of_use(folder))
		doctor_say(f, DOCTOR_OK, NULL, "%s", is_of_use(file) ? file : folder);
	else
		doctor_say(f, DOCTOR_FAIL, "install ca-certificates, or set SSL_CERT_FILE",
			   "%s cannot be read: no provider's certificate would be taken",
			   file ? file : folder ? folder : "the file of authorities");
}
