/* SPDX-License-Identifier: MIT
 * ctl_bench.h - `llmgwctl bench`: requests to the running gateway, and how long they took. */
#ifndef CTL_BENCH_H
#define CTL_BENCH_H

#include "master/ctl.h"

/* ---- ctl_bench.c: what is to be sent, and with which key ---- */

/* The answer, JSON, in out. ask: gets NULL or a question, which wants a yes before money is spent;
 * CTL_DONE goes on. key: one to use, or NULL: one is made for this, and deleted in the end. */
typedef enum ctl_exit ctl_bench_ask(void *data, struct str question);
enum ctl_exit ctl_bench(const struct ctl_pages *of, const char *key, ctl_bench_ask *ask,
			struct buf *out, struct ctl_error *reterr) MUST_USE;

/* ---- ctl_bench_run.c: the requests ---- */

enum { BENCH_PARALLEL_MAX = 1000, BENCH_REQUESTS_MAX = 5000000, BENCH_CODES = 12,
       BENCH_REFUSAL = 1024 };

struct bench_plan {
	const char *url, *key, *body;	/* of each request */
	bool is_stream;
	double rate;			/* a second; 0: `parallel` at a time, one after the other */
	unsigned parallel;		/* at most at the same time */
	uint64_t duration_ns, requests;	/* whichever comes first; requests 0: no limit */
	uint64_t timeout_ms;		/* of one */
	struct ctl_progress *progress;
};
struct bench_code {
	char what[112];			/* "429", "connection refused" */
	uint64_t n;
};
struct bench_times {			/* microseconds */
	uint32_t *v;
	size_t n, room;
};
struct bench_result {
	struct bench_times latency, first;	/* of those that were answered well */
	struct bench_code codes[BENCH_CODES];	/* of the others */
	size_t n_codes;
	char refusal[BENCH_REFUSAL];	/* the body of the first of these that had one, cut */
	size_t refusal_n;
	uint64_t sent, good, late, bytes;
	uint64_t took_ns;
	bool is_interrupted;
};
/* 0, -ENOMEM. bench_result_free() in any case. */
int bench_run(const struct bench_plan *p, struct bench_result *ret) MUST_USE;
void bench_result_free(struct bench_result *r);
/* The smallest of them that so many of ten thousand are not above; 0 of none. Sorts. */
uint32_t bench_quantile(struct bench_times *t, unsigned of_10000);
int bench_times_add(struct bench_times *t, uint64_t ns) MUST_USE;	/* 0 or -ENOMEM */

#endif
