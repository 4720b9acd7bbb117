/* SPDX-License-Identifier: MIT
 * report.c - what came of it, as text or as one line of JSON. */
#include <stdio.h>

#include "tests/bench/load.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct {
	const char *name, *doc;
} failure_rows[FAIL_COUNT] = {
#define X(name, word, doc) { word, doc },
	FAILURES(X)
#undef X
};

static const struct {
	const char *name;
	double part;
} quantiles[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99.9", 0.999 } };

static const char *const mode_names[] = {
	[MODE_OPEN] = "open",
	[MODE_CLOSED] = "closed",
	[MODE_HOLD] = "hold",
};

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

uint64_t report_failures(const struct load *l)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < FAIL_COUNT; i++)
		sum += l->failures[i];
	return sum;
}

static void write_hist(const char *name, const struct hist *h)
{
	if (!h->count)
		return;
	printf("%-12s", name);
	for (size_t i = 0; i < COUNT(quantiles); i++)
		printf(" %s %.1f", quantiles[i].name, us(hist_quantile(h, quantiles[i].part)));
	printf(" max %.1f mean %.1f us\n", us(h->max), hist_mean(h) / 1000);
}

static void write_text(const struct load *l)
{
	double rps = l->duration_s > 0 ? (double)l->ok / l->duration_s : 0;
	if (l->mode == MODE_HOLD)
		printf("%u streams held\n", l->held);
	else
		printf("%lu answers in %.1f s, %.1f/s\n", l->ok, l->duration_s, rps);
	write_hist("latency", &l->latency);
	write_hist("first event", &l->first_event);
	write_hist("gap", &l->gap);
	write_hist("delay", &l->delay);
	write_hist("jitter", &l->jitter);
	write_hist("sent late", &l->lag);
	if (l->events)
		printf("%lu events, %lu to %lu a stream\n", l->events, l->events_min, l->events_max);
	if (l->stamped)
		printf("%lu of %lu stamped events came with the one before\n", l->merged, l->stamped);
	if (l->reconnects)
		printf("%lu connections made anew\n", l->reconnects);
	for (unsigned i = 0; i < FAIL_COUNT; i++) {
		if (l->failures[i])
			printf("FAILED %lu: %s\n", l->failures[i], failure_rows[i].doc);
	}
	if (l->bad_status)
		printf("the first such status was %d\n", l->bad_status);
}

static void write_hist_json(const char *name, const struct hist *h)
{
	printf(",\"%s\":{\"count\":%lu", name, h->count);
	for (size_t i = 0; i < COUNT(quantiles); i++)
		printf(",\"%s\":%.1f", quantiles[i].name,
		       us(hist_quantile(h, quantiles[i].part)));
	printf(",\"max\":%.1f,\"mean\":%.1f}", us(h->max), hist_mean(h) / 1000);
}

static void write_json(const struct load *l)
{
	printf("{\"mode\":\"%s\",\"seconds\":%.3f,\"ok\":%lu,\"requests_per_s\":%.1f",
	       mode_names[l->mode], l->duration_s, l->ok,
	       l->duration_s > 0 ? (double)l->ok / l->duration_s : 0);
	printf(",\"held\":%u,\"events\":%lu,\"reconnects\":%lu,\"failed\":%lu,\"failures\":{",
	       l->held, l->events, l->reconnects, report_failures(l));
	for (unsigned i = 0; i < FAIL_COUNT; i++)
		printf("%s\"%s\":%lu", i ? "," : "", failure_rows[i].name, l->failures[i]);
	printf("},\"bad_status\":%d", l->bad_status);
	printf(",\"stamped\":%lu,\"merged\":%lu,\"events_a_stream\":[%lu,%lu]", l->stamped, l->merged,
	       l->events_min, l->events_max);
	write_hist_json("latency_us", &l->latency);
	write_hist_json("first_event_us", &l->first_event);
	write_hist_json("gap_us", &l->gap);
	write_hist_json("delay_us", &l->delay);
	write_hist_json("jitter_us", &l->jitter);
	write_hist_json("sent_late_us", &l->lag);
	printf("}\n");
}

void report_write(const struct load *l)
{
	if (l->is_json)
		write_json(l);
	else
		write_text(l);
}
