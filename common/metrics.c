/* SPDX-License-Identifier: MIT
 * metrics.c - the histograms' bounds, and sums over rows; see metrics.h. */
#include "common/metrics.h"

#include "common/check.h"

#define US(n) ((n) * UINT64_C(1000))
#define MS(n) ((n) * UINT64_C(1000000))

_Static_assert(METRIC_BUCKETS == 20, "19 bounds a histogram");
_Static_assert(sizeof(struct metric_row) % sizeof(uint64_t) == 0, "words only");

const uint64_t metric_bounds_ns[METRIC_H_COUNT][METRIC_BUCKETS - 1] = {
	[METRIC_H_duration] = { MS(5), MS(10), MS(25), MS(50), MS(100), MS(250), MS(500), MS(1000),
				MS(2000), MS(3000), MS(5000), MS(7500), MS(10000), MS(20000),
				MS(30000), MS(60000), MS(120000), MS(300000), MS(600000) },
	[METRIC_H_first_token] = { MS(5), MS(10), MS(25), MS(50), MS(75), MS(100), MS(150), MS(200),
				   MS(300), MS(500), MS(750), MS(1000), MS(1500), MS(2000),
				   MS(3000), MS(5000), MS(10000), MS(30000), MS(60000) },
	[METRIC_H_overhead] = { US(10), US(20), US(50), US(100), US(150), US(200), US(300), US(500),
				US(750), MS(1), MS(2), MS(3), MS(5), MS(10), MS(20), MS(50),
				MS(100), MS(500), MS(1000) },
	[METRIC_H_queue_wait] = { MS(1), MS(2), MS(5), MS(10), MS(25), MS(50), MS(100), MS(250),
				  MS(500), MS(1000), MS(2000), MS(3000), MS(4000), MS(5000),
				  MS(7500), MS(10000), MS(15000), MS(30000), MS(60000) },
};

/* Plain load and store: a row has one writer. */
static void add(_Atomic uint64_t *word, uint64_t n)
{
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

	atomic_store_explicit(word, old + n, memory_order_relaxed);
}

static unsigned bucket_of(enum metric_histogram_id id, uint64_t ns)
{
	unsigned i = 0;

	MUST((unsigned)id < METRIC_H_COUNT);
	while (i < METRIC_BUCKETS - 1 && ns > metric_bounds_ns[id][i])
		i++;
	return i;
}

void metric_observe(struct metric_histogram *h, enum metric_histogram_id id, uint64_t ns)
{
	add(&h->bucket[bucket_of(id, ns)], 1);
	add(&h->sum_ns, ns);
}

void metric_observe_shared(struct metric_histogram *h, enum metric_histogram_id id, uint64_t ns)
{
	atomic_fetch_add_explicit(&h->bucket[bucket_of(id, ns)], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_ns, ns, memory_order_relaxed);
}

void metric_sum(struct metric_row *to, const struct metric_row *from)
{
	_Atomic uint64_t *t = (_Atomic uint64_t *)to;
	const _Atomic uint64_t *f = (const _Atomic uint64_t *)from;

	for (size_t i = 0; i < sizeof *to / sizeof *t; i++)
		add(&t[i], atomic_load_explicit(&f[i], memory_order_relaxed));
}
