/* SPDX-License-Identifier: MIT
 * torture.c - every scenario with the 1st, 2nd, 3rd ... allocation failing, until a run needs
 * fewer. Whatever fails: no crash, no hang, the client has a whole answer or a closed connection,
 * money and memory are where they were, and the next request is served.
 *
 *   torture [scenario ...]		allocations of our own
 *   torture --curl [scenario ...]	libcurl's too, in the scenarios that use it
 *
 * With TORTURE_VERBOSE in the environment it tells how long each one took. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/torture/answer.h"
#include "tests/torture/client_end.h"
#include "tests/torture/provider.h"
#include "tests/torture/scenario.h"
#include "tests/torture/script.h"
#include "worker/client/connection.h"

enum {
	REQUEST_ROOM = 512 * 1024,
	DRIP = 700,			/* bytes at a time */
	DEADLINE_S = 10,
	PULSES_OF_SILENCE = 2,		/* then nothing moves any more */
	SHOWN_MAX = 2000		/* bytes of an answer, in a complaint */
};

struct torture {
	struct harness *h;
	struct provider *provider;
	struct client_end *client;
	bool with_curl;
	char *request, *prompt;		/* REQUEST_ROOM each */
	size_t n;			/* bytes of the request */
	const struct scenario *s;
	uint64_t nth;			/* the allocation that fails */
	bool is_clean;			/* not in the run under way */
	uint64_t failures;		/* injected so far */
};

static _Noreturn void complain(const struct torture *t, const char *what)
{
	const struct client_end *e = t->client;
	size_t shown = e->n < SHOWN_MAX ? e->n : SHOWN_MAX, last = e->n - shown;
	fprintf(stderr, "torture: %s, %s %llu failing: %s\n", t->s->name,
		t->is_clean ? "after allocation" : "allocation", (unsigned long long)t->nth, what);
	fprintf(stderr, "heard %zu bytes%s:\n%.*s\n", e->n, e->has_end ? ", and the end" : "",
		(int)shown, e->got);
	if (last)
		fprintf(stderr, "... %.*s\n", (int)(last < shown ? last : shown),
			e->got + e->n - (last < shown ? last : shown));
	exit(1);
}

/* ---- requests ---- */

static void put(struct torture *t, struct str s)
{
	MUST(s.n <= REQUEST_ROOM - t->n);
	if (s.n)
		memcpy(t->request + t->n, s.p, s.n);
	t->n += s.n;
}

static void put_z(struct torture *t, const char *z)
{
	put(t, str_z(z));
}

static void put_json(struct torture *t, struct str s)
{
	size_t at = t->n;
	put(t, s);
	for (; at < t->n; at++)
		if (t->request[at] == '\'')
			t->request[at] = '"';
}

/* What stands for the '@' in a body. */
static struct str prompt_of(const struct torture *t)
{
	return str_of(t->prompt, 5 + t->s->prompt);
}

static size_t body_bytes(const struct torture *t)
{
	struct str body = str_z(t->s->body);
	return str_find_char(body, '@') == SIZE_MAX ? body.n : body.n - 1 + prompt_of(t).n;
}

static void put_body(struct torture *t)
{
	struct str behind = str_z(t->s->body), before = str_cut(&behind, '@');
	put_json(t, before);
	if (behind.p) {
		put(t, prompt_of(t));
		put_json(t, behind);
	}
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
	snprintf(line, sizeof line, s->has_chunks ? "transfer-encoding: chunked\r\n\r\n%zx\r\n"
						  : "content-length: %zu\r\n\r\n", body_bytes(t));
	put_z(t, line);
	put_body(t);
	if (s->has_chunks)
		put_z(t, "\r\n0\r\n\r\n");
}

static unsigned times(const struct scenario *s)
{
	return s->times ? s->times : 1;
}

static void make_request(struct torture *t)
{
	t->n = 0;
	for (unsigned i = 0; i < times(t->s); i++)
		put_request(t);
}

/* ---- answers ---- */

typedef void judge_fn(struct torture *t, const struct answer *a);

/* Takes whole answers off what was heard; how many. What comes behind them is *ret_state. */
static unsigned answers_heard(struct torture *t, judge_fn *judge, enum answer_state *ret_state)
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
			judge(t, &a);
	}
	return count;
}

static void judge_answer(struct torture *t, const struct answer *a)
{
	const struct scenario *s = t->s;
	const char *flaw = answer_flaw(a);
	bool is_expected = a->status == s->status;
	bool holds = !s->holds || str_find(a->body, str_z(s->holds)) != SIZE_MAX;
	bool is_error = a->status != 200 || str_find(a->body, STR("\"error\"")) != SIZE_MAX;
	if (flaw)
		complain(t, flaw);
	if (str_find(a->head, STR(OF_PROVIDER)) != SIZE_MAX ||
	    str_find(a->body, STR(OF_PROVIDER)) != SIZE_MAX)
		complain(t, "the provider's key");
	if (t->is_clean && s->status && (!is_expected || !holds))
		complain(t, "not the answer that was expected");
	if (is_expected && !holds && !is_error)
		complain(t, "success without what was asked for");
}

/* After a run, for it allocates. */
static void judge(struct torture *t)
{
	const struct scenario *s = t->s;
	bool waits = s->status && s->manner != LEAVES && s->manner != IS_ABORTED;
	enum answer_state state;
	unsigned count = answers_heard(t, judge_answer, &state);
	if (state == ANSWER_WRONG)
		complain(t, "an answer that is no HTTP");
	if (t->is_clean && waits && count != times(s))
		complain(t, "the connection was closed");
	const char *wrong = harness_check(t->h);
	if (wrong)
		complain(t, wrong);
}

/* ---- a run ---- */

/* Whether the client stays no longer: it has all that it will get, or wants no more. */
static bool is_over(struct torture *t)
{
	struct client_end *e = t->client;
	enum answer_state state;
	switch (t->s->manner) {
	case LEAVES_EARLY:
	case LEAVES_AT_ONCE:
	case LEAVES_LATE:
		return true;
	case LEAVES:
	case IS_ABORTED:
		if (str_find(str_of(e->got, e->n), str_z(t->s->holds)) != SIZE_MAX)
			return true;
		break;
	default:
		break;
	}
	return e->has_end || answers_heard(t, NULL, &state) == times(t->s) ||
	       state == ANSWER_WRONG;
}

static void drip(struct torture *t, struct str all)
{
	for (; all.n; all = str_skip(all, DRIP)) {
		client_end_say(t->client, str_of(all.p, all.n < DRIP ? all.n : DRIP));
		harness_spin(t->h);
		harness_spin(t->h);
	}
}

static void wait_for_silence(struct torture *t)
{
	uint64_t until = t->h->pulses + PULSES_OF_SILENCE;
	while (t->h->pulses < until)
		harness_turn(t->h);
}

static void ask(struct torture *t)
{
	enum manner m = t->s->manner;
	struct str all = str_of(t->request, m == LEAVES_EARLY ? t->n / 2 : t->n);
	client_end_open(t->client, m == CONNECTS);
	if (m == DRIPS)
		drip(t, all);
	else
		client_end_say(t->client, all);
	if (m == READS_LATE || m == LEAVES_LATE)
		wait_for_silence(t);
}

static uint64_t now_s(void)
{
	return uv_hrtime() / UINT64_C(1000000000);
}

/* One client from its connection to its end; whatever comes of it, everything is over then. */
static void run_client(struct torture *t)
{
	uint64_t until = now_s() + DEADLINE_S;
	ask(t);
	do {
		harness_turn(t->h);
		client_end_hear(t->client);
		if (now_s() > until)
			complain(t, "no whole answer and no end: it hangs");
	} while (!is_over(t));
	if (t->s->manner == IS_ABORTED)
		connections_abort(&t->h->w);
	client_end_close(t->client);
	while (!harness_is_idle(t->h)) {
		harness_turn(t->h);
		if (now_s() > until)
			complain(t, "the connection does not end");
	}
}

static void run_clean(struct torture *t)
{
	t->is_clean = true;
	harness_forget(t->h);
	run_client(t);
	judge(t);
}

/* False: fewer allocations were needed. */
static bool run_failing(struct torture *t)
{
	t->is_clean = false;
	harness_forget(t->h);
	uint64_t last = mem_calls() + t->nth;
	mem_fail_at(t->nth);
	run_client(t);
	mem_fail_at(0);
	bool has_failed = mem_calls() >= last;
	judge(t);
	return has_failed;
}

/* On a worker that has just started, or has served this once; a clean run follows. */
static bool run(struct torture *t, bool is_warm)
{
	harness_run_clocks(t->s->has_time);
	harness_open(t->h);
	harness_set(t->h, t->s->is_strict, t->s->master);
	if (is_warm)
		run_clean(t);
	bool has_failed = run_failing(t);
	run_clean(t);
	const char *wrong = harness_close(t->h);
	if (wrong)
		complain(t, wrong);
	return has_failed;
}

static void torture(struct torture *t)
{
	uint64_t begin = uv_hrtime(), before = t->failures;
	int passes = t->s->has_time || t->with_curl ? 1 : 2;	/* they take long: cold alone */
	make_request(t);
	for (int is_warm = 0; is_warm < passes; is_warm++)
		for (t->nth = 1; run(t, is_warm); t->nth++)
			t->failures++;
	if (getenv("TORTURE_VERBOSE"))
		printf("%-28s %4llu failures, %llu ms\n", t->s->name,
		       (unsigned long long)(t->failures - before),
		       (unsigned long long)((uv_hrtime() - begin) / 1000000));
}

/* ---- all ---- */

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
	t->h = harness_new(script_upstreams, port);
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
	for (size_t i = 0; i < scenarios_count; i++) {
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
