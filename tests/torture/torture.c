/* SPDX-License-Identifier: MIT
 * torture.c - every scenario with the 1st, 2nd, 3rd ... allocation failing, until one run needs
 * fewer. Whatever fails: no crash, no hang, the client has a whole answer or a closed connection,
 * money and memory are where they were, and the next request is served.
 *
 *   torture [scenario ...]		allocations of our own
 *   torture --curl [scenario ...]	libcurl's too, in the scenarios that use it and do not wait */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/torture/answer.h"
#include "tests/torture/harness.h"
#include "tests/torture/provider.h"
#include "worker/client/connection.h"

enum { REQUEST_ROOM = 512 * 1024, DEADLINE_S = 10, PULSES_OF_A_SLOW_CLIENT = 2,
       SHOWN_MAX = 2000 };

enum manner {				/* of the client */
	STAYS,
	LEAVES,				/* once it has heard `holds`; a run may end before */
	LEAVES_EARLY,			/* after half of its request */
	LEAVES_AT_ONCE,			/* when it has asked */
	LEAVES_LATE,			/* when nothing moves any more */
	IS_ABORTED,			/* by the worker, when it has heard `holds` */
	READS_LATE,			/* when nothing moves any more */
	CONNECTS,			/* by the listener, over TCP */
	DRIPS				/* sends in pieces */
};
struct scenario {
	const char *name;
	const char *target;		/* method and path */
	const char *key;		/* NULL: none is sent */
	const char *body;		/* NULL: none; '@' stands for the prompt */
	int status;			/* of the answer when nothing fails */
	const char *holds;		/* what that answer must hold */
	enum manner manner;
	unsigned times;			/* requests, one behind the other; 0 is 1 */
	size_t prompt;			/* its bytes */
	const char *headers;
	bool has_chunks;		/* the body is sent in chunks */
	bool is_strict;			/* the answer waits for the disk */
	bool has_upstream;
	enum harness_master master;
	bool has_time;			/* the clocks run */
};

#define CHAT "POST /v1/chat/completions"
#define ASK(model, more) "{\"model\":\"" model "\",\"messages\":[{\"role\":\"user\",\"content\":\"@\"}]" more "}"
#define STREAM ",\"stream\":true"
#define SPOKE "From the provider."
#define UP .has_upstream = true
#define STAY .manner = STAYS

static const struct scenario scenarios[] = {
	/* mock deployments */
	{ "plain", CHAT, KEY_OF_USER, ASK("mock", ""), 200, "Good day to you", STAY },
	{ "plain-master", CHAT, KEY_OF_MASTER, ASK("alias", ""), 200, "Good day to you", STAY },
	{ "plain-strict", CHAT, KEY_OF_USER, ASK("mock", ""), 200, "Good day to you", .is_strict = true },
	{ "plain-tcp", CHAT, KEY_OF_USER, ASK("mock", ""), 200, "Good day to you", .manner = CONNECTS },
	{ "plain-dripping", CHAT, KEY_OF_USER, ASK("mock", ""), 200, "Good day to you", DRIPS, .prompt = 3000 },
	{ "stream", CHAT, KEY_OF_USER, ASK("mock", STREAM ",\"stream_options\":{\"include_usage\":true}"), 200,
	  "[DONE]", STAY },
	{ "stream-strict", CHAT, KEY_OF_USER, ASK("mock", STREAM), 200, "[DONE]", .is_strict = true },
	{ "wildcard", CHAT, KEY_OF_USER, ASK("wild/one", ",\"n\":3"), 200, "Anything goes", STAY },
	{ "tools", CHAT, KEY_OF_USER,
	  ASK("mock", ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],"
		      "\"mock_tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
		      "\"arguments\":\"{}\"}}]"), 200, "tool_calls", STAY },
	{ "retry", CHAT, KEY_OF_USER, ASK("pair", ""), 200, "The second one", STAY },
	{ "failover", CHAT, KEY_OF_USER, ASK("chain", ""), 200, "Good day to you", STAY },
	{ "failover-stream", CHAT, KEY_OF_USER, ASK("chain", STREAM), 200, "[DONE]", STAY },
	{ "failover-asked", CHAT, KEY_OF_USER,
	  ASK("lost", ",\"fallbacks\":[\"limited\",{\"model\":\"mock\"}]"), 200, "Good day to you", STAY },
	{ "failover-length", CHAT, KEY_OF_USER, ASK("long", ""), 200, "Good day to you", STAY },
	{ "lost", CHAT, KEY_OF_USER, ASK("lost", ""), 503, "ServiceUnavailableError", STAY },
	{ "completions", "POST /v1/completions", KEY_OF_USER, "{\"model\":\"mock\",\"prompt\":\"@\"}", 200,
	  "Good day to you", STAY },
	{ "embeddings", "POST /v1/embeddings", KEY_OF_USER, "{\"model\":\"mock\",\"input\":[\"@\",\"b\"]}", 200,
	  "embedding", STAY },
	{ "embeddings-base64", "POST /v1/embeddings", KEY_OF_USER,
	  "{\"model\":\"mock\",\"input\":\"@\",\"encoding_format\":\"base64\"}", 200, "embedding", STAY },
	{ "azure", "POST /openai/deployments/mock/chat/completions", KEY_OF_USER,
	  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"@\"}]}]}", 200, "Good day", STAY },
	{ "body-64k", CHAT, KEY_OF_USER, ASK("mock", ""), 200, "Good day to you", .prompt = 65536 },
	{ "body-chunked", CHAT, KEY_OF_USER, ASK("mock", ""), 200, "Good day to you", .prompt = 5000,
	  .has_chunks = true },
	{ "pipelined", CHAT, KEY_OF_USER, ASK("mock", ""), 200, "Good day to you", .times = 2 },
	{ "pipelined-stream", CHAT, KEY_OF_USER, ASK("mock", STREAM), 200, "[DONE]", .times = 2 },
	{ "leaves-at-once", CHAT, KEY_OF_USER, ASK("mock", ""), 0, NULL, LEAVES_AT_ONCE, .times = 1 },
	{ "leaves-at-once-strict", CHAT, KEY_OF_USER, ASK("mock", STREAM), 0, NULL, LEAVES_AT_ONCE,
	  .is_strict = true },
	{ "leaves-early", CHAT, KEY_OF_USER, ASK("mock", ""), 0, NULL, LEAVES_EARLY, .prompt = 5000 },
	{ "leaves-between-attempts", CHAT, KEY_OF_USER, ASK("lost", ",\"num_retries\":3"), 0, NULL,
	  .manner = LEAVES_LATE },
	/* refused */
	{ "unknown-key", CHAT, "sk-nobody-has-this-one-00", ASK("mock", ""), 401, "token_not_found", STAY },
	{ "no-key", CHAT, NULL, ASK("mock", ""), 401, "No api key", STAY },
	{ "blocked", CHAT, KEY_BLOCKED_ONE, ASK("mock", ""), 401, "blocked", STAY },
	{ "expired", CHAT, KEY_EXPIRED_ONE, ASK("mock", ""), 401, "Expired", STAY },
	{ "poor", CHAT, KEY_POOR, ASK("mock", ""), 429, "Budget has been exceeded", STAY },
	{ "denied", CHAT, KEY_NARROW, ASK("chain", ""), 403, "key not allowed", STAY },
	{ "unknown-model", CHAT, KEY_OF_USER, ASK("nobody", ""), 400, "Invalid model name", STAY },
	{ "bad-json", CHAT, KEY_OF_USER, "{\"model\":\"mock\",]", 400, "Invalid JSON", STAY },
	{ "bad-member", CHAT, KEY_OF_USER, "{\"model\":\"mock\",\"messages\":3}", 400, "messages", STAY },
	{ "media-type", CHAT, KEY_OF_USER, ASK("mock", ""), 415, "application/json",
	  .headers = "content-type: text/html\r\n" },
	{ "too-large", CHAT, KEY_OF_USER, ASK("mock", ""), 413, "too large", .prompt = 300000 },
	{ "not-found", "GET /nowhere", KEY_OF_USER, NULL, 404, "Not Found", STAY },
	{ "method", "DELETE /v1/models", KEY_OF_USER, NULL, 405, "Method", STAY },
	{ "bad-http", "GET", KEY_OF_USER, NULL, 400, "error", STAY },
	/* the gateway's own answers */
	{ "models", "GET /v1/models", KEY_OF_USER, NULL, 200, "\"pair\"", STAY },
	{ "models-narrow", "GET /v1/models?return_wildcard_routes=true", KEY_NARROW, NULL, 200, "\"mock\"", STAY },
	{ "model", "GET /v1/models/mock", KEY_OF_USER, NULL, 200, "\"mock\"", STAY },
	{ "metrics", "GET /metrics", NULL, NULL, 200, "llmgw_requests_total", STAY },
	{ "readiness", "GET /health/readiness", NULL, NULL, 503, "the master is away", STAY },
	{ "liveliness", "GET /health/liveliness", NULL, NULL, 200, "alive", STAY },
	{ "preflight", "OPTIONS /v1/chat/completions", NULL, NULL, 200, "OK",
	  .headers = "origin: https://a.example\r\naccess-control-request-method: POST\r\n" },
	{ "management", "POST /key/generate", KEY_OF_MASTER, "{}", 503, "the master process is away", STAY },
	{ "relay", "POST /key/generate", KEY_OF_MASTER, "{\"models\":[\"@\"]}", 200, "called",
	  .master = MASTER_ANSWERS, .prompt = 100000 },
	{ "relay-query", "GET /key/list?page=2&size=%31&page=3&flag", KEY_OF_MASTER, NULL, 200, "called",
	  .master = MASTER_ANSWERS },
	{ "relay-fails", "GET /spend/logs?limit=1", KEY_OF_MASTER, NULL, 503, "went away",
	  .master = MASTER_DIES },
	{ "relay-leaves", "GET /key/list", KEY_OF_MASTER, NULL, 0, NULL, LEAVES_AT_ONCE,
	  .master = MASTER_ANSWERS },
	/* upstream */
	{ "upstream", CHAT, KEY_OF_USER, ASK("plain", ""), 200, SPOKE, UP },
	{ "upstream-64k", CHAT, KEY_OF_USER, ASK("plain", ",\"metadata\":{\"a\":1}"), 200, SPOKE, UP,
	  .prompt = 65536 },
	{ "upstream-pair", CHAT, KEY_OF_USER, ASK("plain", ""), 200, SPOKE, UP, .times = 2 },
	{ "upstream-completions", "POST /v1/completions", KEY_OF_USER, "{\"model\":\"text\",\"prompt\":\"@\"}",
	  200, SPOKE, UP },
	{ "upstream-embeddings", "POST /v1/embeddings", KEY_OF_USER, "{\"model\":\"vectors\",\"input\":\"@\"}",
	  200, "-0.25", UP },
	{ "upstream-stream", CHAT, KEY_OF_USER, ASK("stream", STREAM), 200, "provider.", UP },
	{ "upstream-stream-strict", CHAT, KEY_OF_USER, ASK("stream", STREAM), 200, "provider.", UP,
	  .is_strict = true },
	{ "upstream-plain-for-stream", CHAT, KEY_OF_USER, ASK("plain", STREAM), 200, SPOKE, UP },
	{ "upstream-breaks", CHAT, KEY_OF_USER, ASK("breaks", STREAM), 200, "\"error\"", UP },
	{ "upstream-stops", CHAT, KEY_OF_USER, ASK("stops", STREAM), 200, "\"error\"", UP },
	{ "upstream-spoilt", CHAT, KEY_OF_USER, ASK("spoilt", STREAM), 200, "\"error\"", UP },
	{ "upstream-resets", CHAT, KEY_OF_USER, ASK("then-resets", ""), 200, "Good day to you", UP },
	{ "upstream-complains", CHAT, KEY_OF_USER, ASK("then-complains", STREAM), 200, "[DONE]", UP },
	{ "upstream-500", CHAT, KEY_OF_USER, ASK("then-500", ""), 200, "Good day to you", UP },
	{ "upstream-500-told", CHAT, KEY_OF_USER, ASK("is-500", STREAM), 500, "it broke", UP },
	{ "upstream-429", CHAT, KEY_OF_USER, ASK("is-429", ""), 429, "RateLimitError", UP },
	{ "upstream-garbage", CHAT, KEY_OF_USER, ASK("is-garbage", ""), 502, "error", UP },
	{ "upstream-no-json", CHAT, KEY_OF_USER, ASK("is-no-json", ""), 502, "error", UP },
	{ "upstream-packed", CHAT, KEY_OF_USER, ASK("is-packed", ""), 502, "compressed", UP },
	{ "upstream-refused", CHAT, KEY_OF_USER, ASK("then-refused", ""), 200, "Good day to you", UP },
	{ "upstream-refused-told", CHAT, KEY_OF_USER, ASK("refused", ""), 500, "error", UP },
	{ "upstream-long-way", CHAT, KEY_OF_USER, ASK("one-line", ""), 200, SPOKE, UP },
	{ "upstream-long-way-stream", CHAT, KEY_OF_USER, ASK("lines", STREAM), 200, "provider.", UP },
	{ "leaves-amid-stream", CHAT, KEY_OF_USER, ASK("stalls", STREAM), 200, "From the", LEAVES, UP },
	{ "aborted-amid-stream", CHAT, KEY_OF_USER, ASK("stalls", STREAM), 200, "From the", IS_ABORTED, UP },
	{ "leaves-upstream", CHAT, KEY_OF_USER, ASK("plain", ""), 0, NULL, LEAVES_AT_ONCE, UP },
	{ "heartbeat", CHAT, KEY_OF_USER, ASK("slow", STREAM), 200, ": llmgw", UP, .has_time = true },
	{ "late", CHAT, KEY_OF_USER, ASK("silent", ",\"timeout\":0.02"), 408, "Timeout", UP,
	  .has_time = true },
	/* A heartbeat may or may not have begun the stream when its time is over. */
	{ "late-stream", CHAT, KEY_OF_USER, ASK("silent", STREAM ",\"stream_timeout\":0.05"), 0, NULL,
	  UP, .has_time = true },
	{ "cut", CHAT, KEY_SHORT, ASK("dear", STREAM), 200, "\"error\"", UP },
	{ "reads-late", CHAT, KEY_OF_USER, ASK("flood", STREAM), 200, "[DONE]", READS_LATE, UP },
};

struct torture {
	struct harness *h;
	struct provider *provider;
	struct client_end *client;
	const struct scenario *s;
	bool with_curl;
	uint64_t failures;		/* injected */
	char *request, *prompt;		/* REQUEST_ROOM each */
	size_t n;
};

static _Noreturn void complain(const struct torture *t, uint64_t nth, const char *what)
{
	const struct client_end *e = t->client;
	fprintf(stderr, "torture: %s, allocation %llu failing: %s\n", t->s->name,
		(unsigned long long)nth, what);
	fprintf(stderr, "heard %zu bytes%s: %.*s\n", e->n, e->has_end ? ", and the end" : "",
		(int)(e->n < SHOWN_MAX ? e->n : SHOWN_MAX), e->got);
	if (e->n > SHOWN_MAX)
		fprintf(stderr, "... %.*s\n", SHOWN_MAX / 2, e->got + e->n - SHOWN_MAX / 2);
	exit(1);
}

/* ---- requests ---------------------------------------------------------------------------------- */

static void put(struct torture *t, struct str s)
{
	MUST(s.n <= REQUEST_ROOM - t->n);
	memcpy(t->request + t->n, s.p, s.n);
	t->n += s.n;
}

static void put_z(struct torture *t, const char *z)
{
	put(t, str_z(z));
}

static size_t body_bytes(const struct scenario *s)
{
	bool has_prompt = str_find_char(str_z(s->body), '@') != SIZE_MAX;
	return strlen(s->body) - has_prompt + (has_prompt ? s->prompt + 5 : 0);
}

static void put_body(struct torture *t)
{
	struct str behind = str_z(t->s->body), before = str_cut(&behind, '@');
	put(t, before);
	if (!behind.p)
		return;
	put_z(t, "Hello");
	put(t, str_of(t->prompt, t->s->prompt));
	put(t, behind);
}

static void put_request(struct torture *t)
{
	const struct scenario *s = t->s;
	char line[256];
	put_z(t, s->target);
	put_z(t, " HTTP/1.1\r\nhost: a.example\r\n");
	if (s->key) {
		snprintf(line, sizeof line, "authorization: Bearer %s\r\n", s->key);
		put_z(t, line);
	}
	if (s->headers)
		put_z(t, s->headers);
	if (!s->body) {
		put_z(t, "\r\n");
		return;
	}
	size_t n = body_bytes(s);
	snprintf(line, sizeof line, s->has_chunks ? "transfer-encoding: chunked\r\n\r\n%zx\r\n"
						  : "content-length: %zu\r\n\r\n", n);
	put_z(t, line);
	put_body(t);
	if (s->has_chunks)
		put_z(t, "\r\n0\r\n\r\n");
}

static void make_request(struct torture *t)
{
	t->n = 0;
	for (unsigned i = 0; i < (t->s->times ? t->s->times : 1); i++)
		put_request(t);
}

/* ---- a run --------------------------------------------------------------------------------------- */

static uint64_t now_s(void)
{
	return uv_hrtime() / UINT64_C(1000000000);
}

static unsigned answers_wanted(const struct scenario *s)
{
	return s->times ? s->times : 1;
}

typedef void judge_fn(struct torture *t, const struct answer *a, bool is_clean, uint64_t nth);

/* Takes whole answers off what was heard; how many. The last state is *ret_state. */
static unsigned answers_heard(struct torture *t, judge_fn *judge, bool is_clean, uint64_t nth,
			      enum answer_state *ret_state)
{
	static char copy[HEARD_MAX];
	struct client_end *e = t->client;
	struct answer a;
	char *p = copy;
	size_t n = e->n;
	unsigned count = 0;
	memcpy(copy, e->got, n);
	while ((*ret_state = answer_read(&p, &n, e->has_end, false, &a)) == ANSWER_COMPLETE) {
		count++;
		if (judge)
			judge(t, &a, is_clean, nth);
	}
	return count;
}

/* Whether the client has all that it will get. */
static bool is_served(struct torture *t)
{
	struct client_end *e = t->client;
	enum answer_state state;
	if (t->s->manner == LEAVES_EARLY || t->s->manner == LEAVES_AT_ONCE ||
	    t->s->manner == LEAVES_LATE || e->has_end)
		return true;
	if ((t->s->manner == LEAVES || t->s->manner == IS_ABORTED) && str_find(str_of(e->got, e->n), str_z(t->s->holds)) != SIZE_MAX)
		return true;
	return answers_heard(t, NULL, false, 0, &state) == answers_wanted(t->s) || state == ANSWER_WRONG;
}

static void judge_answer(struct torture *t, const struct answer *a, bool is_clean, uint64_t nth)
{
	const struct scenario *s = t->s;
	const char *flaw = answer_flaw(a);
	bool is_expected = a->status == s->status;
	bool holds = !s->holds || str_find(a->body, str_z(s->holds)) != SIZE_MAX;
	if (flaw)
		complain(t, nth, flaw);
	if (is_clean && s->status && (!is_expected || !holds))
		complain(t, nth, "not the answer that was expected");
	if (is_expected && a->status == 200 && !holds && str_find(a->body, STR("\"error\"")) == SIZE_MAX)
		complain(t, nth, "success without what was asked for");
}

/* After the run, for it allocates. */
static void judge(struct torture *t, bool is_clean, uint64_t nth)
{
	enum answer_state state;
	unsigned count = answers_heard(t, judge_answer, is_clean, nth, &state);
	if (state == ANSWER_WRONG)
		complain(t, nth, "an answer that is no HTTP");
	bool waits = t->s->status && t->s->manner != LEAVES && t->s->manner != IS_ABORTED;
	if (is_clean && waits && count != answers_wanted(t->s))
		complain(t, nth, "the connection was closed");
	const char *wrong = harness_check(t->h);
	if (wrong)
		complain(t, nth, wrong);
}

static void ask(struct torture *t)
{
	struct client_end *e = t->client;
	struct str all = str_of(t->request, t->n);
	client_end_open(e, t->s->manner == CONNECTS);
	if (t->s->manner == LEAVES_EARLY)
		all.n /= 2;
	if (t->s->manner != DRIPS) {
		client_end_say(e, all);
		return;
	}
	for (size_t step = 700; all.n; all = str_skip(all, step)) {
		client_end_say(e, str_of(all.p, all.n < step ? all.n : step));
		harness_spin(t->h);
		harness_spin(t->h);
	}
}

static void listen_late(struct torture *t)
{
	uint64_t until = t->h->pulses + PULSES_OF_A_SLOW_CLIENT;
	while (t->h->pulses < until)
		harness_turn(t->h);
}

/* One client from its connection to its end; whatever comes of it, everything is over then. */
static void run_client(struct torture *t, uint64_t nth)
{
	uint64_t until = now_s() + DEADLINE_S;
	ask(t);
	if (t->s->manner == READS_LATE || t->s->manner == LEAVES_LATE)
		listen_late(t);
	do {
		harness_turn(t->h);
		client_end_hear(t->client);
		if (now_s() > until)
			complain(t, nth, "no whole answer and no end: it hangs");
	} while (!is_served(t));
	if (t->s->manner == IS_ABORTED)
		connections_abort(&t->h->w);
	client_end_close(t->client);
	while (!harness_is_idle(t->h)) {
		harness_turn(t->h);
		if (now_s() > until)
			complain(t, nth, "the connection does not end");
	}
}

/* On a worker that has just started, or has served this once; nth 0: nothing fails. False: fewer
 * allocations were needed. */
static bool run(struct torture *t, bool is_warm, uint64_t nth)
{
	harness_run_clocks(t->s->has_time);
	harness_open(t->h);
	harness_set(t->h, t->s->is_strict, t->s->master);
	if (is_warm) {
		harness_forget(t->h);
		run_client(t, nth);
		judge(t, true, nth);
	}
	harness_forget(t->h);
	uint64_t before = mem_calls();
	mem_fail_at(nth);
	run_client(t, nth);
	bool has_failed = nth && mem_calls() - before >= nth;
	mem_fail_at(0);
	judge(t, nth == 0, nth);
	harness_forget(t->h);
	run_client(t, nth);
	judge(t, true, nth);
	const char *wrong = harness_close(t->h);
	if (wrong)
		complain(t, nth, wrong);
	return has_failed;
}

static void torture(struct torture *t)
{
	uint64_t begin = uv_hrtime(), nth;
	uint64_t before = t->failures;
	make_request(t);
	run(t, false, 0);
	for (int is_warm = 0; is_warm < (t->s->has_time ? 1 : 2); is_warm++)
		for (nth = 1; run(t, is_warm, nth); nth++)
			t->failures++;
	if (getenv("TORTURE_VERBOSE"))
		printf("%-28s %4llu failures, %llu ms\n", t->s->name,
		       (unsigned long long)(t->failures - before),
		       (unsigned long long)((uv_hrtime() - begin) / 1000000));
}

/* ---- all ------------------------------------------------------------------------------------------- */

static bool is_chosen(const struct torture *t, const struct scenario *s, char **names)
{
	if (t->with_curl && (!s->has_upstream || s->has_time))
		return false;
	for (char **n = names; *n; n++)
		if (strcmp(*n, s->name) == 0)
			return true;
	return !*names;
}

static char *curls_strdup(const char *z)
{
	return mem_dup(z, strlen(z));
}

/* libcurl 7.88.1 divides by zero after it could not make the set of transfers of a socket, or
 * put one in (multi.c, singlesocket()); others may have other sizes. These two do not fail. */
static void *curls_malloc(size_t size)
{
	void *p = mem_alloc(size);
	return p || (size != 416 && size != 56) ? p : mem_alloc(size);
}

static void set_up(struct torture *t)
{
	uint16_t port;
	setenv("http_proxy", "http://127.0.0.1:1", 1);	/* never to be used, whatever fails */
	if (t->with_curl)
		MUST(curl_global_init_mem(CURL_GLOBAL_DEFAULT, curls_malloc, mem_free, mem_grow,
					  curls_strdup, mem_array) == CURLE_OK);
	t->provider = provider_new(&port);
	t->h = harness_new(provider_scripts, port);
	provider_run(t->provider, &t->h->loop);
	t->client = client_end_new(t->h);
	t->request = mem_alloc(REQUEST_ROOM);
	t->prompt = mem_alloc(REQUEST_ROOM);
	MUST(t->request && t->prompt);
	memset(t->prompt, 'm', REQUEST_ROOM);
}

static void tear_down(struct torture *t)
{
	provider_stop(t->provider);
	client_end_free(t->client);
	harness_free(t->h);
	provider_free(t->provider);
	mem_free(t->request);
	mem_free(t->prompt);
	if (t->with_curl)
		curl_global_cleanup();
}

int main(int argc, char **argv)
{
	struct torture t = { .with_curl = argc > 1 && strcmp(argv[1], "--curl") == 0 };
	unsigned count = 0;
	set_up(&t);
	for (size_t i = 0; i < COUNT(scenarios); i++) {
		if (!is_chosen(&t, &scenarios[i], argv + 1 + t.with_curl))
			continue;
		t.s = &scenarios[i];
		torture(&t);
		count++;
	}
	tear_down(&t);
	printf("torture: %u scenarios, %llu failures injected, ok\n", count,
	       (unsigned long long)t.failures);
	return count ? 0 : 2;
}
