/* SPDX-License-Identifier: MIT
 * otlp_metrics.h - metrics for OpenTelemetry, by OTLP/HTTP in JSON, every so often: the counters
 * and histograms of the board, and those of the semantic conventions for generative AI, which are
 * counted here from records of finished requests.
 *
 * All are cumulative since a start that they name, so one that is lost is made good by the next,
 * and none waits on the disk. */
#ifndef OTLP_METRICS_H
#define OTLP_METRICS_H

#include "common/metrics.h"
#include "master/export_rows.h"
#include "master/master.h"

struct otlp_metrics;
int otlp_metrics_new(struct master *m, struct otlp_metrics **ret) MUST_USE;
void otlp_metrics_configure(struct otlp_metrics *o);	/* after a reload */
bool otlp_metrics_want_records(const struct otlp_metrics *o);	/* NULL is fine */
void otlp_metrics_record(struct otlp_metrics *o, const struct record *r);
/* Sends them a last time, within about as long. NULL is fine. */
void otlp_metrics_stop(struct otlp_metrics *o, uint64_t patience_ms);

/* -- otlp_metrics_write.c: pure -- */

enum { OTLP_SERIES = 1000 /* whoever comes later is counted together */, OTLP_BUCKETS = 15 };

struct otlp_histogram {
	uint64_t bucket[OTLP_BUCKETS], count;
	double sum;
};
struct otlp_series {			/* requests alike */
	uint64_t hash;			/* 0: free */
	bool is_overflow;
	uint8_t call;
	char provider[48], request_model[128], response_model[128], error[48];
	struct otlp_histogram duration, first_token, input, output;
};
struct otlp_picture {			/* all of it at one moment */
	uint64_t start_ns, board_start_ns, now_ns;	/* wall */
	struct metric_row board;
	size_t n;
	struct otlp_series series[OTLP_SERIES + 1];
};
/* Where a request belongs: its row, or the one of those that found none. */
struct otlp_series *otlp_series_of(struct otlp_picture *p, const struct record *r);
void otlp_series_count(struct otlp_series *s, const struct record *r);
void otlp_metrics_write(const struct otlp_picture *p, const struct export_target *t,
			struct buf *to);

#endif
