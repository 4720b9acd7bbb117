/* SPDX-License-Identifier: MIT
 * otlp_metrics_write.c - see otlp_metrics.h. */
#include <stdio.h>

#include "common/clock.h"
#include "common/hash.h"
#include "master/otlp.h"
#include "master/otlp_metrics.h"

/* The conventions' own bounds. */
static const double seconds[OTLP_BUCKETS - 1] = { 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28,
						  2.56, 5.12, 10.24, 20.48, 40.96, 81.92 };
static const double tokens[OTLP_BUCKETS - 1] = { 1,     4,      16,      64,      256,
						 1024,  4096,   16384,   65536,   262144,
						 1048576, 4194304, 16777216, 67108864 };

/* ---- counting ---- */

static void observe(struct otlp_histogram *h, const double *bounds, double v)
{
	size_t i = 0;
	while (i < OTLP_BUCKETS - 1 && v > bounds[i])
		i++;
	h->bucket[i]++;
	h->count++;
	h->sum += v;
}

static void copy_text(char *to, size_t room, struct str s)
{
	size_t n = s.n < room ? s.n : room - 1;
	while (n && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;			/* between characters */
	if (n)
		memcpy(to, s.p, n);
	to[n] = '\0';
}

static struct str error_of(const struct record *r)
{
	struct str s = record_text(r, RT_ERROR);
	if (!(r->flags & RF_FAILED))
		return STR("");
	return s.n ? s : STR("_OTHER");
}

/* The model as its group is called: what a client made up is no series. */
struct otlp_series *otlp_series_of(struct otlp_picture *p, const struct record *r)
{
	struct str parts[] = { record_text(r, RT_PROVIDER), record_text(r, RT_GROUP),
			       record_text(r, RT_UPSTREAM), error_of(r) };
	uint64_t hash = r->call + 1u;
	for (size_t i = 0; i < COUNT(parts); i++)
		hash = (hash ^ hash_table(parts[i])) * UINT64_C(0x9e3779b97f4a7c15);
	hash |= 1;
	for (size_t i = 0; i < p->n; i++)
		if (p->series[i].hash == hash)
			return &p->series[i];
	struct otlp_series *s = &p->series[p->n < OTLP_SERIES ? p->n++ : OTLP_SERIES];
	if (s == &p->series[OTLP_SERIES]) {
		s->is_overflow = true;
		s->hash = 1;
		return s;
	}
	*s = (struct otlp_series){ .hash = hash, .call = r->call };
	copy_text(s->provider, sizeof s->provider, parts[0]);
	copy_text(s->request_model, sizeof s->request_model, parts[1]);
	copy_text(s->response_model, sizeof s->response_model, parts[2]);
	copy_text(s->error, sizeof s->error, parts[3]);
	return s;
}

void otlp_series_count(struct otlp_series *s, const struct record *r)
{
	if (r->end_ns >= r->start_ns)
		observe(&s->duration, seconds, (double)(r->end_ns - r->start_ns) / 1e9);
	if (r->first_token_ns > r->start_ns)
		observe(&s->first_token, seconds,
			(double)(r->first_token_ns - r->start_ns) / 1e9);
	if (!(r->flags & RF_SETTLED) || r->flags & RF_CACHE_HIT)
		return;			/* no model has made them now */
	observe(&s->input, tokens, r->input);
	observe(&s->output, tokens, r->output);
}

/* ---- writing ---- */

static void put_u64(struct json_out *o, const char *key, uint64_t v)
{
	char text[21];
	snprintf(text, sizeof text, "%llu", (unsigned long long)v);
	json_put_z(o, key, text);
}

static void put_span(struct json_out *o, uint64_t start_ns, uint64_t now_ns)
{
	put_u64(o, "startTimeUnixNano", start_ns);
	put_u64(o, "timeUnixNano", now_ns);
}

static void open_metric(struct json_out *o, const char *name, const char *unit, const char *doc,
			const char *kind)
{
	json_open(o, NULL);
	json_put_z(o, "name", name);
	json_put_z(o, "description", doc);
	json_put_z(o, "unit", unit);
	json_open(o, kind);
	json_put_i64(o, "aggregationTemporality", 2);	/* cumulative */
	if (strcmp(kind, "sum") == 0)
		json_put_bool(o, "isMonotonic", true);
	json_open_array(o, "dataPoints");
}

static void close_metric(struct json_out *o)
{
	json_close_array(o);
	json_close(o);
	json_close(o);
}

/* "llmgw_x_y_total" is "llmgw.x_y" there, "llmgw_x_seconds" is "llmgw.x" with its unit. */
static void name_of(char out[80], const char *ours)
{
	struct str s = str_z(ours);
	static const struct str ends[] = { STR("_total"), STR("_seconds"), STR("_dollars") };
	for (size_t i = 0; i < COUNT(ends); i++)
		if (str_ends(s, ends[i]))
			s.n -= ends[i].n;
	if (str_ends(s, STR("_dollars")))
		s.n -= 8;
	snprintf(out, 80, STR_FMT, STR_ARG(s));
	if (s.n > 5)
		out[5] = '.';
}

static const struct {
	const char *name, *doc;
	size_t at;
} counters[] = {
#define X(field, name, doc) { name, doc, offsetof(struct metric_row, field) },
	METRIC_COUNTERS(X)
#undef X
}, histograms[] = {
#define X(field, name, doc) { name, doc, offsetof(struct metric_row, field) },
	METRIC_HISTOGRAMS(X)
#undef X
};

static void put_counter(struct json_out *o, const struct otlp_picture *p, size_t i)
{
	bool is_money = str_ends(str_z(counters[i].name), STR("_dollars_total"));
	const _Atomic uint64_t *v =
		(const _Atomic uint64_t *)((const char *)&p->board + counters[i].at);
	char name[80];
	name_of(name, counters[i].name);
	open_metric(o, name, is_money ? "{USD}" : "1", counters[i].doc, "sum");
	json_open(o, NULL);
	put_span(o, p->board_start_ns, p->now_ns);
	if (is_money)
		json_put_double(o, "asDouble", (double)atomic_load(v) / 1e9);
	else
		put_u64(o, "asInt", atomic_load(v));
	json_close(o);
	close_metric(o);
}

static void put_board_histogram(struct json_out *o, const struct otlp_picture *p, size_t i)
{
	const struct metric_histogram *h =
		(const struct metric_histogram *)((const char *)&p->board + histograms[i].at);
	char name[80];
	uint64_t count = 0;
	name_of(name, histograms[i].name);
	open_metric(o, name, "s", histograms[i].doc, "histogram");
	json_open(o, NULL);
	put_span(o, p->board_start_ns, p->now_ns);
	json_open_array(o, "bucketCounts");
	for (size_t b = 0; b < METRIC_BUCKETS; b++) {
		put_u64(o, NULL, atomic_load(&h->bucket[b]));
		count += atomic_load(&h->bucket[b]);
	}
	json_close_array(o);
	json_open_array(o, "explicitBounds");
	for (size_t b = 0; b < METRIC_BUCKETS - 1; b++)
		json_put_double(o, NULL, (double)metric_bounds_ns[i][b] / 1e9);
	json_close_array(o);
	put_u64(o, "count", count);
	json_put_double(o, "sum", (double)atomic_load(&h->sum_ns) / 1e9);
	json_close(o);
	close_metric(o);
}

static void put_attributes(struct json_out *o, const struct otlp_series *s, const char *type)
{
	json_open_array(o, "attributes");
	if (s->is_overflow) {
		otlp_put_bool(o, "otel.metric.overflow", true);
	} else {
		otlp_put_text(o, "gen_ai.operation.name", str_z(otlp_operation(s->call)));
		otlp_put_text(o, "gen_ai.provider.name", otlp_provider(str_z(s->provider)));
		otlp_put_text(o, "gen_ai.request.model", str_z(s->request_model));
		otlp_put_text(o, "gen_ai.response.model", str_z(s->response_model));
		otlp_put_text(o, "error.type", str_z(s->error));
	}
	otlp_put_text(o, "gen_ai.token.type", str_z(type));
	json_close_array(o);
}

static void put_point(struct json_out *o, const struct otlp_picture *p, const struct otlp_series *s,
		      const struct otlp_histogram *h, const double *bounds, const char *type)
{
	if (!h->count)
		return;
	json_open(o, NULL);
	put_attributes(o, s, type);
	put_span(o, p->start_ns, p->now_ns);
	put_u64(o, "count", h->count);
	json_put_double(o, "sum", h->sum);
	json_open_array(o, "bucketCounts");
	for (size_t b = 0; b < OTLP_BUCKETS; b++)
		put_u64(o, NULL, h->bucket[b]);
	json_close_array(o);
	json_open_array(o, "explicitBounds");
	for (size_t b = 0; b < OTLP_BUCKETS - 1; b++)
		json_put_double(o, NULL, bounds[b]);
	json_close_array(o);
	json_close(o);
}

/* The next row that has been taken, the overflow's last; NULL: no more. */
static const struct otlp_series *next_series(const struct otlp_picture *p, size_t *i)
{
	size_t at = (*i)++;
	if (at < p->n)
		return &p->series[at];
	if (at == p->n && p->series[OTLP_SERIES].is_overflow)
		return &p->series[OTLP_SERIES];
	return NULL;
}

static void put_conventional(struct json_out *o, const struct otlp_picture *p)
{
	const struct otlp_series *s;
	open_metric(o, "gen_ai.client.operation.duration", "s", "Time that a request took",
		    "histogram");
	for (size_t i = 0; (s = next_series(p, &i));)
		put_point(o, p, s, &s->duration, seconds, NULL);
	close_metric(o);
	open_metric(o, "gen_ai.client.token.usage", "{token}", "Tokens of prompts and answers",
		    "histogram");
	for (size_t i = 0; (s = next_series(p, &i));) {
		put_point(o, p, s, &s->input, tokens, "input");
		put_point(o, p, s, &s->output, tokens, "output");
	}
	close_metric(o);
	open_metric(o, "gen_ai.server.time_to_first_token", "s",
		    "Time to the first content of a streamed answer", "histogram");
	for (size_t i = 0; (s = next_series(p, &i));)
		put_point(o, p, s, &s->first_token, seconds, NULL);
	close_metric(o);
}

void otlp_metrics_write(const struct otlp_picture *p, const struct export_target *t, struct buf *to)
{
	struct json_out o = json_out(to);
	BUF_PUT_LIT(to, "{\"resourceMetrics\":[{\"resource\":");
	otlp_put_resource(to, t);
	BUF_PUT_LIT(to, ",\"scopeMetrics\":[{\"scope\":" OTLP_SCOPE ",\"metrics\":");
	json_open_array(&o, NULL);
	for (size_t i = 0; i < COUNT(counters); i++)
		put_counter(&o, p, i);
	for (size_t i = 0; i < COUNT(histograms); i++)
		put_board_histogram(&o, p, i);
	put_conventional(&o, p);
	json_close_array(&o);
	BUF_PUT_LIT(to, "}]}]}");
}
