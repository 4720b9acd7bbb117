/* SPDX-License-Identifier: MIT
 * main.c - llmgw-mock: a model provider for tests and benchmarks that does what it is told.
 *
 * It speaks the APIs of OpenAI, Ollama, Anthropic, Gemini, Bedrock, Cohere and TGI, and ranks
 * documents; what a request's model name has behind a '?' is the script for its answer (script.h). */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "tests/mock/mock.h"

#define VERSION "1.0"

struct options {
	const char *host;
	int port;
	size_t log_room;
	bool log_bodies;
};

static struct mock mock = { .random = 88172645463325252u };

static const char usage[] =
	"usage: llmgw-mock [--host ADDR] [--port N] [--log-bodies] [--log-size N]\n"
	"       llmgw-mock --help | --version\n"
	"\n"
	"A provider that speaks OpenAI's, Ollama's, Anthropic's, Gemini's and Bedrock's API and\n"
	"misbehaves on request. Prints \"listening on ADDR:PORT\" when it is ready. --port 0, the default, takes\n"
	"any free port.\n"
	"\n"
	"  --log-bodies   keep the first 64 KiB of each body in the log\n"
	"  --log-size N   requests in the log (65536)\n"
	"\n"
	"  POST /v1/chat/completions /v1/completions /v1/embeddings   GET /v1/models\n"
	"  POST /api/chat /api/generate /api/embed /api/show          GET /api/tags /api/version\n"
	"  POST /v1/messages /v1/messages/count_tokens\n"
	"  POST /v1beta/models/MODEL:generateContent :streamGenerateContent :countTokens\n"
	"       :embedContent :batchEmbedContents, with the MODEL's ? & = escaped\n"
	"  POST /model/MODEL/converse /converse-stream /invoke /invoke-with-response-stream, signed\n"
	"       by AWS's example key AKIDEXAMPLE, or with any Bearer\n"
	"  The same as Azure and Vertex AI have them: /openai/deployments/..., MODEL:predict,\n"
	"       MODEL:rawPredict and :streamRawPredict, .../endpoints/openapi/chat/completions\n"
	"  POST /token, GET /token: access tokens; the script in the query, or in client_id\n"
	"  POST /v1/moderations /v1/images/generations /v1/images/edits /v1/images/variations\n"
	"       /v1/audio/speech /v1/audio/transcriptions /v1/audio/translations, size= bytes\n"
	"  /v1/files and what is under it; an echo under /v1/batches and the like, and /echo\n"
	"  GET /mock/log?n=N&h=NAME,NAME   the last N requests, with these headers (* for all)\n"
	"  DELETE /mock/log                forgets them, and what failn has counted\n"
	"  GET /mock/stats                 counters\n"
	"\n"
	"The model name is the script: words behind its '?' or '~', with '&' between. %XX is undone in\n"
	"texts. A model without words answers with 3 tokens at once. Of a plain answer, die, fin\n"
	"and stall cut off all behind N parts of tokens + 1.\n"
	"\n";

static const char examples[] =
	"\n"
	"examples, as the model of a request:\n"
	"  mock                          t0 t1 t2\n"
	"  mock?ttft=50&tokens=4&gap=10&die=2\n"
	"                                waits 50 ms, streams, resets after the second chunk\n"
	"  mock?status=429&retry=7       refuses, retry-after: 7\n"
	"  mock?failn=2&status=503       refuses twice, then answers\n"
	"  mock?prompt=1000&out=200      says that this was used\n"
	"  mock?errbody=%7B%22e%22:1%7D  500 with the body {\"e\":1}\n"
	"  mock?hdr=x-quota:9            one more header\n"
	"\n"
	"  curl localhost:PORT/v1/chat/completions -d "
	"'{\"model\":\"mock?tokens=5\",\"messages\":[]}'\n";

static void print_help(void)
{
	fputs(usage, stdout);
	script_help(stdout);
	fputs(examples, stdout);
}

static long read_number(const char *text, long max)
{
	char *end;
	long v = strtol(text, &end, 10);
	if (*text == '\0' || *end || v < 0 || v > max) {
		fprintf(stderr, "llmgw-mock: \"%s\" is no number from 0 to %ld\n", text, max);
		exit(2);
	}
	return v;
}

static struct options read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "host", required_argument, NULL, 'H' },
		{ "port", required_argument, NULL, 'p' },
		{ "log-bodies", no_argument, NULL, 'b' },
		{ "log-size", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { "127.0.0.1", 0, 65536, false };
	int c;
	while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (c) {
		case 'H':
			o.host = optarg;
			break;
		case 'p':
			o.port = (int)read_number(optarg, 65535);
			break;
		case 'b':
			o.log_bodies = true;
			break;
		case 's':
			o.log_room = (size_t)read_number(optarg, 1 << 24);
			break;
		case 'h':
			print_help();
			exit(0);
		case 'v':
			puts("llmgw-mock " VERSION);
			exit(0);
		default:
			fputs("try llmgw-mock --help\n", stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "llmgw-mock: what is \"%s\"? try --help\n", argv[optind]);
		exit(2);
	}
	return o;
}

static void raise_descriptors(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void on_signal(uv_signal_t *h, int number)
{
	(void)number;
	uv_stop(h->loop);
}

static void say_ready(const char *host)
{
	struct sockaddr_storage addr;
	int n = sizeof addr;
	uv_tcp_getsockname(&mock.listener, (struct sockaddr *)&addr, &n);
	unsigned port = addr.ss_family == AF_INET6
				? ntohs(((struct sockaddr_in6 *)&addr)->sin6_port)
				: ntohs(((struct sockaddr_in *)&addr)->sin_port);
	printf("listening on %s:%u\n", host, port);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	log_init(&mock.log, o.log_room, o.log_bodies);
	uv_loop_init(&mock.loop);
	uv_signal_init(&mock.loop, &mock.on_int);
	uv_signal_init(&mock.loop, &mock.on_term);
	uv_signal_start(&mock.on_int, on_signal, SIGINT);
	uv_signal_start(&mock.on_term, on_signal, SIGTERM);
	int r = http_listen(&mock, o.host, o.port);
	if (r < 0) {
		fprintf(stderr, "llmgw-mock: %s:%d: %s\n", o.host, o.port, uv_strerror(r));
		return 1;
	}
	say_ready(o.host);
	uv_run(&mock.loop, UV_RUN_DEFAULT);
	log_done(&mock.log);
	return 0;
}
