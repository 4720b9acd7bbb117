/* SPDX-License-Identifier: MIT
 * options.c - llmgw-load's command line, and the request that is made of it once. */
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load.h"

#define VERSION "1.0"

static const char usage[] =
	"usage: llmgw-load --url http://HOST:PORT/PATH (--rate R | --concurrency N | --hold N)\n"
	"                  [--duration S] [--warmup S] [--connections N] [--timeout S]\n"
	"                  [--header 'NAME: VALUE']... [--body FILE] [--stream] [--json]\n"
	"\n"
	"Sends one request again and again over connections that stay open, and prints how long\n"
	"the answers took. Exit status: 0, 1 when a request failed, 2 for a wrong command line.\n"
	"\n"
	"  --rate R         open loop: R requests a second, whatever becomes of them; latency\n"
	"                   counts from the moment when the request was to be sent\n"
	"  --concurrency N  closed loop: N clients, each sends when it has its answer\n"
	"  --hold N         open N streams, say \"holding\" when each has its first event, and\n"
	"                   keep them for --duration\n"
	"  --duration S     measured time (10)\n"
	"  --warmup S       time before, not measured (2)\n"
	"  --connections N  connections of the open loop (64)\n"
	"  --timeout S      for an answer (30)\n"
	"  --body FILE      POST this; without it, GET\n"
	"  --stream         the answer is a stream of events that ends with [DONE]\n"
	"  --stamped        events say when they were sent, \"@\" and monotonic nanoseconds:\n"
	"                   report how long they took, how much the gaps between them differ\n"
	"                   from those when they were sent, and how many came together\n"
	"  --refused        the answer is to be 4xx instead of 2xx\n"
	"  --json           report as one line of JSON\n"
	"\n"
	"Prints \"measuring\" when the warm-up is over and \"measured\" when the time is.\n"
	"SIGINT and SIGTERM end the measured time at once; what was sent is waited for.\n"
	"Failed is what is no 2xx (with --refused: no 4xx), or comes not whole, or is not JSON;\n"
	"in the warm-up too.\n"
	"\n"
	"example:\n"
	"  llmgw-load --url http://127.0.0.1:4000/v1/chat/completions --rate 1000 \\\n"
	"      --header 'Authorization: Bearer sk-1234' --body chat.json\n";

struct text {				/* grows; this program sends one request, so what */
	char *p;
	size_t n;
};

_Noreturn static void die(const char *why, const char *what)
{
	fprintf(stderr, "llmgw-load: %s: %s\n", why, what);
	exit(2);
}

static void put(struct text *t, const char *p, size_t n)
{
	t->p = realloc(t->p, t->n + n + 1);
	if (!t->p)
		die("out of memory", "request");
	memcpy(t->p + t->n, p, n);
	t->n += n;
	t->p[t->n] = '\0';
}

static void put_z(struct text *t, const char *z)
{
	put(t, z, strlen(z));
}

static struct text read_file(const char *path)
{
	struct text t = { 0 };
	char piece[4096];
	size_t n;
	FILE *f = fopen(path, "rb");
	if (!f)
		die("cannot open", path);
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		put(&t, piece, n);
	if (ferror(f))
		die("cannot read", path);
	fclose(f);
	return t;
}

static double read_positive(const char *text, const char *option)
{
	char *end;
	double v = strtod(text, &end);
	if (end == text || *end || v < 0 || v > 1e9)
		die(option, "wants a number");
	return v;
}

/* "http://HOST:PORT/PATH": fills the address; *ret_host is "HOST:PORT", the return the path. */
static const char *read_url(struct load *l, const char *url, struct text *ret_host)
{
	static const char scheme[] = "http://";
	if (!url)
		die("--url", "is missing; try --help");
	if (strncmp(url, scheme, sizeof scheme - 1) != 0)
		die("--url begins with http://, not", url);
	const char *from = url + sizeof scheme - 1;
	size_t n = strcspn(from, "/");
	put(ret_host, from, n);
	const char *colon = memchr(from, ':', n);
	struct text host = { 0 };
	put(&host, from, colon ? (size_t)(colon - from) : n);
	struct text port = { 0 };
	if (colon)
		put(&port, colon + 1, n - host.n - 1);
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
	int r = getaddrinfo(host.p, colon ? port.p : "80", &hints, &found);
	if (r)
		die(ret_host->p, gai_strerror(r));
	memcpy(&l->addr, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	free(host.p);
	free(port.p);
	return from[n] ? from + n : "/";
}

static void build_request(struct load *l, const char *url, struct text headers, const char *file)
{
	struct text out = { 0 }, host = { 0 }, body = { 0 };
	char length[64];
	const char *path = read_url(l, url, &host);
	if (file)
		body = read_file(file);
	put_z(&out, file ? "POST " : "GET ");
	put_z(&out, path);
	put_z(&out, " HTTP/1.1\r\nHost: ");
	put_z(&out, host.p);
	put_z(&out, "\r\n");
	if (headers.n)
		put(&out, headers.p, headers.n);
	if (file) {
		int n = snprintf(length, sizeof length, "Content-Type: application/json\r\n"
				 "Content-Length: %zu\r\n", body.n);
		put(&out, length, (size_t)n);
	}
	put_z(&out, "\r\n");
	if (body.n)
		put(&out, body.p, body.n);
	free(host.p);
	free(body.p);
	free(headers.p);
	l->request = out.p;
	l->request_n = out.n;
}

static void choose_mode(struct load *l, enum mode mode, const char *value, const char *option)
{
	double v = read_positive(value, option);
	if (l->mode != MODE_NONE)
		die(option, "excludes the other of --rate, --concurrency, --hold");
	if (v <= 0 || (mode != MODE_OPEN && v > 100000))
		die(option, "is out of range");
	l->mode = mode;
	if (mode == MODE_OPEN)
		l->rate = v;
	else
		l->client_count = (unsigned)v;
	if (mode == MODE_HOLD)
		l->is_stream = true;
}

struct ask {				/* what becomes the request */
	const char *url, *body;
	struct text headers;
	double connections;
};

static void take_option(struct load *l, struct ask *ask, int option)
{
	switch (option) {
	case 'u':
		ask->url = optarg;
		break;
	case 'r':
		choose_mode(l, MODE_OPEN, optarg, "--rate");
		break;
	case 'c':
		choose_mode(l, MODE_CLOSED, optarg, "--concurrency");
		break;
	case 'k':
		choose_mode(l, MODE_HOLD, optarg, "--hold");
		break;
	case 'd':
		l->duration_s = read_positive(optarg, "--duration");
		break;
	case 'w':
		l->warmup_s = read_positive(optarg, "--warmup");
		break;
	case 'n':
		ask->connections = read_positive(optarg, "--connections");
		break;
	case 't':
		l->timeout_s = read_positive(optarg, "--timeout");
		break;
	case 'H':
		put_z(&ask->headers, optarg);
		put_z(&ask->headers, "\r\n");
		break;
	case 'b':
		ask->body = optarg;
		break;
	case 's':
		l->is_stream = true;
		break;
	case 'S':
		l->is_stream = l->has_stamps = true;
		break;
	case 'R':
		l->wants_refusal = true;
		break;
	case 'j':
		l->is_json = true;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	case 'v':
		puts("llmgw-load " VERSION);
		exit(0);
	default:
		fputs("try llmgw-load --help\n", stderr);
		exit(2);
	}
}

void options_read(struct load *l, int argc, char **argv)
{
	static const struct option known[] = {
		{ "url", required_argument, NULL, 'u' },
		{ "rate", required_argument, NULL, 'r' },
		{ "concurrency", required_argument, NULL, 'c' },
		{ "hold", required_argument, NULL, 'k' },
		{ "duration", required_argument, NULL, 'd' },
		{ "warmup", required_argument, NULL, 'w' },
		{ "connections", required_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{ "header", required_argument, NULL, 'H' },
		{ "body", required_argument, NULL, 'b' },
		{ "stream", no_argument, NULL, 's' },
		{ "stamped", no_argument, NULL, 'S' },
		{ "refused", no_argument, NULL, 'R' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct ask ask = { .connections = 64 };
	int c;
	l->duration_s = 10;
	l->warmup_s = 2;
	l->timeout_s = 30;
	while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1)
		take_option(l, &ask, c);
	if (optind < argc)
		die("what is this? try --help", argv[optind]);
	if (l->mode == MODE_NONE)
		die("one of --rate, --concurrency, --hold", "is missing; try --help");
	if (l->mode == MODE_OPEN)
		l->client_count = ask.connections < 1 ? 1 : (unsigned)ask.connections;
	build_request(l, ask.url, ask.headers, ask.body);
}
