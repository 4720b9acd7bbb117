/* SPDX-License-Identifier: MIT
 * metrics_page.h - what the files that write /metrics share; nobody else includes it.
 *
 * A page is either Prometheus' text format 0.0.4 or OpenMetrics 1.0; they differ in what a
 * counter's family is called, in the bounds of buckets, and in the last line. Every family is
 * begun once and all its samples follow at once. */
#ifndef METRICS_PAGE_H
#define METRICS_PAGE_H

#include "common/metrics.h"
#include "worker/request.h"

enum unit {
	UNIT_ONE,
	UNIT_NANO			/* counted in 1e-9 of what is shown: seconds, dollars */
};
#define SAMPLE_NONE UINT64_MAX		/* no sample: the value is not known */

/* A family of which some labels are left out: its samples wait, for several may become one. */
struct page_merge;
struct page {
	struct buf out;
	bool is_open;			/* OpenMetrics */
	/* prometheus_metrics_config; snap NULL: all that there is. Memory is the request's. */
	const struct snap *snap;
	struct snap_part filter;
	struct arena *mem;
	bool is_hidden;			/* of the family that has been begun */
	struct page_merge *merge;	/* of it; NULL: samples are written at once */
};
/* Whatever waits is written: behind the last family. */
void page_end(struct page *p);

void page_family(struct page *p, const char *name, const char *type, const char *help);
/* One sample; `labels` is what stands between the braces, .n 0: none. */
void page_sample(struct page *p, const char *name, struct str labels, enum unit unit, uint64_t v);
/* With more labels behind those. */
void page_sample_more(struct page *p, const char *name, struct str labels, struct str more,
		      enum unit unit, uint64_t v);
void page_single(struct page *p, const char *name, const char *type, const char *help,
		 enum unit unit, uint64_t v);
void page_histogram(struct page *p, const char *name, const char *help,
		    const struct metric_histogram *h, const uint64_t *bounds);
/* The same with labels, of a family that has been begun. */
void page_buckets(struct page *p, const char *name, struct str labels,
		  const struct metric_histogram *h, const uint64_t *bounds);

/* Labels are made once and used by many families: *b holds them one behind another. An empty
 * value is the same as no label, so none is written. */
void label_put(struct buf *b, size_t begin, const char *name, struct str value);
struct label_set {
	size_t at, n;
};
static inline struct str label_text(const struct buf *b, struct label_set s)
{
	return str_of(b->p + s.at, s.n);
}

/* A scrape: what all families are taken from. */
struct scrape {
	struct page page;
	const struct request *r;
	struct board *board;
	struct metric_row *sum;		/* of all workers */
	uint64_t now_ns;
	uint32_t n_deployments;		/* of the snapshot */
	uint32_t n_shown;		/* of them; the others are one */
	struct buf labels;
	struct label_set *of_deployment;	/* n_shown */
};

struct place {				/* one deployment, as a scrape finds it */
	const struct scrape *s;
	const struct snap_deployment *d;
	const struct board_deployment *row;
};
static inline struct place place_of(const struct scrape *s, uint32_t index)
{
	const struct snap_deployment *d = snap_deployment(s->r->snap, index);
	return (struct place){ .s = s, .d = d, .row = &s->board->deployments[d->board_row] };
}

/* The words of board and metrics: each may change at any time, and is read alone. */
#define LOAD(word) atomic_load_explicit(&(word), memory_order_relaxed)

void metrics_put_gateway(struct scrape *s);	/* counters, histograms, and what is one for all */
void metrics_put_workers(struct scrape *s);
void metrics_put_deployments(struct scrape *s);
void metrics_put_litellm(struct scrape *s);

#endif
