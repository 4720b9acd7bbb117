/* SPDX-License-Identifier: MIT
 * ctl_top.c - `llmgwctl top`: what happened between two looks at a gateway's counters, as rates.
 * Pure: two answers in, one out, which is shown like any other. See watch_top() for the answers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/json_write.h"
#include "master/ctl.h"

enum { ROWS_MAX = 10000 };

struct rate {
	struct str name;
	uint64_t in_flight, deployments, cooling, ill;
	double requests, failures, tokens, cost_nano;	/* a second */
	double ttft_ms;
};

static uint64_t count_of(const struct json *j, const char *name)
{
	const struct json *v = json_get(j, name);
	uint64_t n = 0;
	return v && str_read_u64(v->raw, &n) == 0 ? n : 0;
}

/* A counter that went back began anew: its process did. */
static double rate_of(const struct json *before, const struct json *now, const char *name,
		      double seconds)
{
	uint64_t old = count_of(before, name), new = count_of(now, name);
	return (double)(new >= old ? new - old : new) / seconds;
}

static struct rate read_rate(struct arena *a, const struct json *before, const struct json *now,
			     double seconds)
{
	const struct json *ttft = json_get(now, "ttft_ms");
	struct rate r = {
		.name = json_get_str(a, now, "name"),
		.in_flight = count_of(now, "in_flight"),
		.deployments = count_of(now, "deployments"),
		.cooling = count_of(now, "cooling"),
		.ill = count_of(now, "ill"),
		.requests = rate_of(before, now, "requests", seconds),
		.failures = rate_of(before, now, "failures", seconds),
		.tokens = rate_of(before, now, "prompt_tokens", seconds) +
			  rate_of(before, now, "completion_tokens", seconds),
		.cost_nano = rate_of(before, now, "cost_nano", seconds),
	};
	if (!ttft || json_read_double(ttft, &r.ttft_ms) != 0)
		r.ttft_ms = 0;
	return r;
}

/* The row of the same name; rows seldom change places. */
static const struct json *row_before(const struct json *rows, const struct json **at,
				     const struct json *like)
{
	const struct json *name = json_get(like, "name"), *other;
	for (unsigned pass = 0; pass < 2 && rows && name; pass++) {
		for (const struct json *j = pass ? rows->child : *at; j; j = j->next) {
			other = json_get(j, "name");
			if (!other || !str_eq(other->raw, name->raw))
				continue;
			*at = j->next;
			return j;
		}
	}
	return NULL;
}

/* ---- order ---- */

static double by_requests(const struct rate *r)
{
	return r->requests;
}

static double by_in_flight(const struct rate *r)
{
	return (double)r->in_flight;
}

static double by_failures(const struct rate *r)
{
	return r->failures;
}

static double by_tokens(const struct rate *r)
{
	return r->tokens;
}

static double by_cost(const struct rate *r)
{
	return r->cost_nano;
}

static double by_name(const struct rate *r)
{
	(void)r;
	return 0;
}

static const struct {
	const char *name;
	double (*value)(const struct rate *r);
} sorts[] = {
	{ "requests", by_requests }, { "in-flight", by_in_flight }, { "failures", by_failures },
	{ "tokens", by_tokens },     { "cost", by_cost },	    { "name", by_name },
};
_Static_assert(COUNT(sorts) == CTL_TOP_SORTS, "sorts");

const char *ctl_top_sort(unsigned i)
{
	return sorts[i % COUNT(sorts)].name;
}

int ctl_top_find_sort(struct str name, unsigned *ret)
{
	for (unsigned i = 0; i < COUNT(sorts); i++) {
		if (!ctl_same_name(name, str_z(sorts[i].name)))
			continue;
		*ret = i;
		return 0;
	}
	return -EINVAL;
}

static int compare(const void *x, const void *y, void *sort)
{
	const struct rate *a = x, *b = y;
	double (*value)(const struct rate *) = sorts[*(const unsigned *)sort].value;
	double va = value(a), vb = value(b);
	return va != vb ? (va < vb ? 1 : -1) : str_cmp(a->name, b->name);
}

/* ---- the answer ---- */

static void put_fixed(struct json_out *o, const char *name, double v, const char *unit)
{
	char text[48];
	snprintf(text, sizeof text, v >= 100 ? "%.0f%s" : "%.1f%s", v, unit);
	json_put_z(o, name, text);
}

static void put_dollars(struct json_out *o, const char *name, double nano)
{
	json_put_money(o, name, nano < 1e18 ? (int64_t)nano : INT64_C(1000000000000000000));
}

static void put_state(struct json_out *o, const struct rate *r)
{
	char text[96];
	if (!r->cooling && !r->ill)
		json_put_z(o, "state", "well");
	else if (r->deployments == 1)
		json_put_z(o, "state", r->cooling ? "cooling" : "ill");
	else {
		snprintf(text, sizeof text, "%llu of %llu cool, %llu ill",
			 (unsigned long long)r->cooling, (unsigned long long)r->deployments,
			 (unsigned long long)r->ill);
		json_put_z(o, "state", text);
	}
}

static void put_rates(struct json_out *o, const struct rate *r)
{
	put_fixed(o, "requests_s", r->requests, "");
	put_fixed(o, "failed_percent", r->requests > 0 ? 100 * r->failures / r->requests : 0, "");
	put_fixed(o, "tokens_s", r->tokens, "");
	put_dollars(o, "cost_hour", r->cost_nano * 3600);
}

static void put_row(struct json_out *o, const struct rate *r)
{
	json_open(o, NULL);
	json_put_str(o, "name", r->name);
	json_put_u64(o, "in_flight", r->in_flight);
	put_rates(o, r);
	if (r->ttft_ms > 0)
		put_fixed(o, "first_token", r->ttft_ms, " ms");
	else
		json_put_null(o, "first_token");
	put_state(o, r);
	json_close(o);
}

static void put_all(struct json_out *o, const struct rate *all, const struct rate *rows, size_t n,
		    const struct json *now)
{
	uint64_t in_flight = 0;
	for (size_t i = 0; i < n; i++)
		in_flight += rows[i].in_flight;
	json_open(o, "all");
	json_put_u64(o, "in_flight", in_flight);
	json_put_u64(o, "streams", count_of(json_get(now, "all"), "streams"));
	json_put_u64(o, "workers", count_of(now, "workers"));
	put_rates(o, all);
	json_close(o);
}

int ctl_top_rates(struct buf *to, struct arena *a, const struct json *before,
		  const struct json *now, unsigned sort)
{
	const struct json *rows = json_get(now, "rows"), *old = json_get(before, "rows");
	const struct json *at = old ? old->child : NULL;
	uint64_t from = count_of(before, "at_ns"), until = count_of(now, "at_ns");
	double seconds = until > from ? (double)(until - from) / 1e9 : 1;
	size_t n = 0, most = json_is(rows, JSON_ARRAY) ? rows->count : 0;
	if (most > ROWS_MAX || sort >= COUNT(sorts))
		return -E2BIG;
	struct rate *list = arena_alloc(a, (most + 1) * sizeof *list);
	if (!list)
		return -ENOMEM;
	for (const struct json *j = most ? rows->child : NULL; j; j = j->next) {
		const struct json *was = row_before(old, &at, j);
		/* Of a row that was not there nothing is known but how things are now. */
		list[n++] = read_rate(a, was ? was : j, j, seconds);
	}
	qsort_r(list, n, sizeof *list, compare, &sort);
	struct rate all = read_rate(a, json_get(before, "all"), json_get(now, "all"), seconds);
	struct json_out o = json_out(to);
	json_open(&o, NULL);
	put_all(&o, &all, list, n, now);
	json_open_array(&o, "rows");
	for (size_t i = 0; i < n; i++)
		put_row(&o, &list[i]);
	json_close_array(&o);
	json_close(&o);
	return to->failed ? -ENOMEM : 0;
}
