/* SPDX-License-Identifier: MIT
 * ctl_bench_run.c - the requests of `llmgwctl bench`, by libcurl, in one thread.
 *
 * With a rate, a request's time begins when it was due and not when there was room for it: a
 * gateway that stalls is not spared the requests that would have come meanwhile. */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/curl_why.h"
#include "common/mem.h"
#include "master/ctl_bench.h"

enum { TIMES_FIRST = 4096, POLL_MS = 100 };

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
	(void)number;
	is_over = is_over + 1;		/* once: no more requests; twice: now */
}

struct slot {				/* one request at a time */
	CURL *curl;
	struct run *run;
	bool is_busy;
	uint64_t due_ns, first_ns;
	char body[BENCH_REFUSAL];	/* as much of the answer as fits */
	size_t body_n;
};
struct run {
	const struct bench_plan *p;
	struct bench_result *ret;
	CURLM *multi;
	struct curl_slist *headers;
	struct slot *slots;
	unsigned busy;
	uint64_t since_ns, until_ns;
	uint64_t late_at;		/* number of the last request that found no room */
	bool out_of_memory;
};

/* ---- times ---- */

int bench_times_add(struct bench_times *t, uint64_t ns)
{
	uint64_t us = ns / 1000;
	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : TIMES_FIRST;
		uint32_t *v = mem_grow(t->v, room * sizeof *v);
		if (!v)
			return -ENOMEM;
		t->v = v;
		t->room = room;
	}
	t->v[t->n++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

uint32_t bench_quantile(struct bench_times *t, unsigned of_10000)
{
	if (!t->n)
		return 0;
	qsort(t->v, t->n, sizeof *t->v, by_time);
	size_t rank = (t->n * of_10000 + 9999) / 10000;		/* nearest rank */
	return t->v[rank ? rank - 1 : 0];
}

void bench_result_free(struct bench_result *r)
{
	mem_free(r->latency.v);
	mem_free(r->first.v);
	r->latency = r->first = (struct bench_times){ 0 };
}

/* ---- answers ---- */

static void count_failure(struct bench_result *r, const char *what)
{
	size_t i = 0;
	while (i < r->n_codes && strcmp(r->codes[i].what, what) != 0)
		i++;
	if (i == BENCH_CODES)
		i--;				/* the last one takes whatever else there is */
	if (i == r->n_codes) {
		snprintf(r->codes[i].what, sizeof r->codes[i].what, "%s",
			 i == BENCH_CODES - 1 ? "others" : what);
		r->n_codes++;
	}
	r->codes[i].n++;
}

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
	struct slot *s = data;
	size_t all = size * n;
	if (!s->first_ns && all > 0 && p[0] != ':')	/* a comment keeps a stream alive */
		s->first_ns = clock_ns();
	s->run->ret->bytes += all;
	size_t kept = all < sizeof s->body - s->body_n ? all : sizeof s->body - s->body_n;
	memcpy(s->body + s->body_n, p, kept);
	s->body_n += kept;
	return all;
}

static void keep_refusal(struct bench_result *r, const struct slot *s)
{
	if (r->refusal_n)
		return;
	memcpy(r->refusal, s->body, s->body_n);
	r->refusal_n = s->body_n;
}

static void take_answer(struct slot *s, CURLcode code)
{
	struct run *r = s->run;
	uint64_t now = clock_ns();
	long status = 0;
	char text[16];
	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_multi_remove_handle(r->multi, s->curl);
	s->is_busy = false;
	r->busy--;
	if (code != CURLE_OK) {
		count_failure(r->ret, curl_why(s->curl, code));
	} else if (status != 200) {
		snprintf(text, sizeof text, "%ld", status);
		count_failure(r->ret, text);
		keep_refusal(r->ret, s);
	} else {
		r->ret->good++;
		r->out_of_memory |= bench_times_add(&r->ret->latency, now - s->due_ns) != 0;
		r->out_of_memory |= bench_times_add(&r->ret->first,
						    (s->first_ns ? s->first_ns : now) -
						    s->due_ns) != 0;
	}
}

static void take_answers(struct run *r)
{
	int more;
	const struct CURLMsg *m;
	while ((m = curl_multi_info_read(r->multi, &more))) {
		char *private = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		if (private)
			take_answer((struct slot *)(void *)private, code);
	}
}

/* ---- requests ---- */

static int set_up(struct run *r, struct slot *s)
{
	CURL *c = s->curl = curl_easy_init();
	s->run = r;
	if (!c)
		return -ENOMEM;
	bool bad = curl_easy_setopt(c, CURLOPT_URL, r->p->url) != CURLE_OK;
	bad |= !ctl_http_authorities(c);
	bad |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_PROXY, "") != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->p->body) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_HTTPHEADER, r->headers) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_USERAGENT, "llmgwctl") != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)r->p->timeout_ms) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_WRITEDATA, s) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_PRIVATE, s) != CURLE_OK;
	return bad ? -ENOMEM : 0;
}

static struct slot *free_slot(struct run *r)
{
	for (unsigned i = 0; i < r->p->parallel; i++)
		if (!r->slots[i].is_busy)
			return &r->slots[i];
	return NULL;
}

static void send_one(struct run *r, uint64_t due_ns)
{
	struct slot *s = free_slot(r);
	if (!s->curl && set_up(r, s) != 0) {
		r->out_of_memory = true;
		return;
	}
	s->is_busy = true;
	s->due_ns = due_ns;
	s->first_ns = 0;
	s->body_n = 0;
	r->busy++;
	r->ret->sent++;
	r->out_of_memory |= curl_multi_add_handle(r->multi, s->curl) != CURLM_OK;
}

static bool may_send(const struct run *r, uint64_t now)
{
	uint64_t most = r->p->requests ? r->p->requests : BENCH_REQUESTS_MAX;
	return !is_over && !r->out_of_memory && now < r->until_ns && r->ret->sent < most;
}

/* All that are due and fit. When the next one is due; UINT64_MAX: when one has ended. */
static uint64_t send_due(struct run *r)
{
	for (;;) {
		uint64_t now = clock_ns(), due = now;
		if (r->p->rate > 0)
			due = r->since_ns +
			      (uint64_t)((double)r->ret->sent * 1e9 / r->p->rate);
		if (!may_send(r, r->p->rate > 0 ? due : now))
			return UINT64_MAX;
		if (due > now)
			return due;
		if (r->busy == r->p->parallel) {
			r->ret->late += r->p->rate > 0 && r->late_at != r->ret->sent + 1;
			r->late_at = r->ret->sent + 1;
			return UINT64_MAX;
		}
		send_one(r, due);
	}
}

static void tell(struct run *r)
{
	uint64_t now = clock_ns(), all = r->until_ns - r->since_ns;
	uint64_t done = now - r->since_ns;
	if (r->p->requests && r->ret->sent * 1000 / r->p->requests > done * 1000 / all) {
		done = r->ret->sent;
		all = r->p->requests;
	}
	ctl_progress_at(r->p->progress, done, all);
}

static void work(struct run *r)
{
	int running = 0;
	r->since_ns = clock_ns();
	r->until_ns = r->since_ns + r->p->duration_ns;
	for (;;) {
		uint64_t next = send_due(r), now = clock_ns();
		int wait = POLL_MS;
		if (!r->busy && !may_send(r, now))
			break;
		if (is_over > 1 || r->out_of_memory)
			break;
		if (next != UINT64_MAX && next < now + (uint64_t)POLL_MS * NS_PER_MS)
			wait = next > now ? (int)((next - now) / NS_PER_MS) : 0;
		(void)curl_multi_perform(r->multi, &running);
		take_answers(r);
		if (r->busy || next != UINT64_MAX)
			(void)curl_multi_poll(r->multi, NULL, 0, wait, NULL);
		tell(r);
	}
	r->ret->took_ns = clock_ns() - r->since_ns;
}

static void clean_up(struct run *r)
{
	for (unsigned i = 0; r->slots && i < r->p->parallel; i++) {
		if (r->slots[i].is_busy)
			curl_multi_remove_handle(r->multi, r->slots[i].curl);
		curl_easy_cleanup(r->slots[i].curl);
	}
	mem_free(r->slots);
	curl_multi_cleanup(r->multi);
	curl_slist_free_all(r->headers);
}

static int add_header(struct run *r, const char *line)
{
	struct curl_slist *longer = curl_slist_append(r->headers, line);
	r->headers = longer ? longer : r->headers;
	return longer ? 0 : -ENOMEM;
}

int bench_run(const struct bench_plan *p, struct bench_result *ret)
{
	const struct sigaction act = { .sa_handler = on_signal };
	struct sigaction before;
	struct run r = { .p = p, .ret = ret };
	char key[4200];
	*ret = (struct bench_result){ 0 };
	curl_global_init(CURL_GLOBAL_DEFAULT);
	r.multi = curl_multi_init();
	r.slots = mem_array(p->parallel, sizeof *r.slots);
	snprintf(key, sizeof key, "Authorization: Bearer %s", p->key);
	if (!r.multi || !r.slots || add_header(&r, key) != 0 ||
	    add_header(&r, "Content-Type: application/json") != 0 ||
	    curl_multi_setopt(r.multi, CURLMOPT_MAXCONNECTS, (long)p->parallel) != CURLM_OK)
		r.out_of_memory = true;
	mem_wipe(key, sizeof key);
	sigaction(SIGINT, &act, &before);
	if (!r.out_of_memory)
		work(&r);
	sigaction(SIGINT, &before, NULL);
	ret->is_interrupted = is_over;
	clean_up(&r);
	return r.out_of_memory ? -ENOMEM : 0;
}
