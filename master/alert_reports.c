/* SPDX-License-Identifier: MIT
 * alert_reports.c - what is told by the clock: which deployments fail or are slow, and what teams
 * and tags have cost. Reports are due at multiples of their time since 1970, so that neither a
 * restart nor an upgrade puts one off; one that comes due while nobody runs is left out. */
#include <stdio.h>
#include <time.h>

#include "common/clock.h"
#include "common/mem.h"
#include "master/alerts_private.h"
#include "master/ledger_rollup.h"
#include "master/store.h"
#include "master/store_sql.h"

enum { TOP = 5 };
#define DAY_NS (86400 * NS_PER_S)

/* ---- deployments ---- */

struct line {
	const struct config_model *model;
	uint64_t value, of;
};

static void keep_top(struct line top[TOP], const struct config_model *m, uint64_t value,
		     uint64_t of)
{
	struct line l = { m, value, of };
	for (size_t i = 0; i < TOP && value; i++)
		if (!top[i].model || l.value > top[i].value) {
			struct line down = top[i];
			top[i] = l;
			l = down;
			if (!l.model)
				return;
		}
}

static void put_line(struct buf *b, const struct config_model *m)
{
	char group[40], id[24], provider[40];
	alert_name(group, sizeof group, m->model_name);
	alert_name(id, sizeof id, m->id);
	alert_name(provider, sizeof provider, m->provider);
	buf_printf(b, "\n%s (%s, %s): ", group, provider, id);
}

static void write_daily(const struct line fails[TOP], const struct line slow[TOP], struct buf *b)
{
	buf_put_z(b, "Deployments that failed most:");
	if (!fails[0].model)
		buf_put_z(b, " none failed");
	for (size_t i = 0; i < TOP && fails[i].model; i++) {
		put_line(b, fails[i].model);
		buf_printf(b, "%llu of %llu", (unsigned long long)fails[i].value,
			   (unsigned long long)fails[i].of);
	}
	buf_put_z(b, "\nSlowest deployments, per token of their answers:");
	if (!slow[0].model)
		buf_put_z(b, " none has answered");
	for (size_t i = 0; i < TOP && slow[i].model; i++) {
		put_line(b, slow[i].model);
		buf_printf(b, "%.1f ms", (double)slow[i].value / 1e6);
	}
}

static void report_daily(struct alerts *a)
{
	struct line fails[TOP] = { 0 }, slow[TOP] = { 0 };
	struct alert_message m;
	struct buf text;
	for (size_t i = 0; i < a->n_deployments; i++) {
		struct alert_deployment *d = &a->deployments[i];
		uint32_t row = board_find_deployment(&a->m->board, d->id_hash);
		if (row >= BOARD_DEPLOYMENTS)
			continue;
		const struct board_deployment *b = &a->m->board.deployments[row];
		uint64_t good = atomic_load(&b->successes), bad = atomic_load(&b->failures);
		uint64_t new_good = good - d->successes, new_bad = bad - d->failures;
		keep_top(fails, &a->config->models[i], new_bad, new_good + new_bad);
		if (new_good)
			keep_top(slow, &a->config->models[i], atomic_load(&b->latency_ns), 0);
		d->successes = good;
		d->failures = bad;
	}
	buf_init(&text, 4096);
	write_daily(fails, slow, &text);
	alert_begin(&m, ALERT_daily_reports);
	alert_say(&m, STR_FMT, STR_ARG(buf_str(&text)));
	buf_done(&text);
	alert_tell(a, &m, m.wall_ns);
}

/* ---- spend ---- */

struct spend_report {
	struct alerts *a;
	int64_t from_day, end_day;	/* since 1970; the end is not of it */
	char what[32];			/* "the last 7.0 days", "2026-01" */
	int64_t total;
	struct buf text;
};

/* A name, and millionths of a dollar: sums of whole ones could overflow. */
#define MICROS "CAST(total(s.cost) / 1000 AS INTEGER)"

static int put_rows(struct spend_report *r, struct sql *q, const char *title)
{
	int got;
	char name[80];
	sql_int(q, 1, r->from_day);
	sql_int(q, 2, ROLLUP_TAG);
	sql_int(q, 3, r->end_day);
	buf_put_z(&r->text, title);
	while ((got = sql_row(q)) == 1) {
		alert_name(name, sizeof name, sql_get_text(q, 0));
		buf_printf(&r->text, "\n%s: $%.4f", name, (double)sql_get_int(q, 1) / 1e6);
	}
	return got;
}

/* On the reading thread. */
static int spend_job(struct store_db *db, void *data)
{
	struct spend_report *r = data;
	struct sql *sum =
		sql_query(db, "SELECT " MICROS " FROM spend_daily s"
			      " WHERE s.day >= ?1 AND s.day < ?2");
	sql_int(sum, 1, r->from_day);
	sql_int(sum, 2, r->end_day);
	int err = sql_row(sum);
	r->total = err == 1 ? sql_get_int(sum, 0) * 1000 : 0;
	sql_end(sum);
	if (err < 0)
		return err;
	err = put_rows(r, sql_query(db,
		"SELECT coalesce(t.alias, t.team_id, 'no team'), " MICROS " FROM spend_daily s"
		" LEFT JOIN teams t ON t.id = s.team WHERE s.day >= ?1 AND ?2 AND s.day < ?3"
		" GROUP BY s.team"
		" ORDER BY 2 DESC LIMIT 8"), "\nTeams:");
	if (err == 0)
		err = put_rows(r, sql_query(db,
			"SELECT n.name, " MICROS " FROM spend_labels s JOIN spend_names n"
			" ON n.id = s.label WHERE s.day >= ?1 AND s.kind = ?2 AND s.day < ?3"
			" GROUP BY s.label"
			" ORDER BY 2 DESC LIMIT 8"), "\nTags:");
	return err;
}

static void on_spend(void *data, int err)
{
	struct spend_report *r = data;
	struct alerts *a = r->a;
	struct alert_message m;
	a->is_reporting = false;
	if (err == 0 && a->is_on && !r->text.failed) {
		alert_begin(&m, ALERT_spend_reports);
		alert_say(&m, "Spend of %s: $%.4f" STR_FMT, r->what, (double)r->total / 1e9,
			  STR_ARG(buf_str(&r->text)));
		m.owner.has_money = true;
		m.owner.spend = r->total;
		m.owner.max_budget = m.owner.soft_budget = m.owner.projected = -1;
		alert_tell(a, &m, m.wall_ns);
	}
	buf_done(&r->text);
	mem_free(r);
}

/* False: one is under way, or there is no memory: it is asked again. */
static bool report_spend(struct alerts *a, int64_t from_day, int64_t end_day, const char *what)
{
	struct spend_report *r = a->is_reporting ? NULL : mem_alloc(sizeof *r);
	if (!r)
		return false;
	r->a = a;
	r->from_day = from_day;
	r->end_day = end_day;
	snprintf(r->what, sizeof r->what, "%s", what);
	buf_init(&r->text, 4096);
	a->is_reporting = store_read(a->m->store, spend_job, on_spend, r) == 0;
	if (!a->is_reporting)
		mem_free(r);
	return a->is_reporting;
}

static void report_lately(struct alerts *a, uint64_t wall_ns)
{
	uint64_t span = a->c->spend_report_ms * NS_PER_MS;
	char what[32];
	snprintf(what, sizeof what, "the last %.1f days", (double)a->c->spend_report_ms / 86400e3);
	report_spend(a, (int64_t)((wall_ns > span ? wall_ns - span : 0) / DAY_NS), INT64_MAX, what);
}

/* The day on which a month begins, counted as the database counts; months since 1970. */
static int64_t month_begin(unsigned month)
{
	struct tm t = { .tm_year = 70 + (int)(month / 12), .tm_mon = (int)(month % 12),
			.tm_mday = 1 };
	return (int64_t)timegm(&t) / 86400;
}

static unsigned month_of(uint64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	struct tm t;
	gmtime_r(&s, &t);
	return (unsigned)(t.tm_year - 70) * 12 + (unsigned)t.tm_mon;
}

/* Once the month has ended; of months in which nobody ran none is told. */
static void report_month(struct alerts *a, uint64_t wall_ns)
{
	unsigned now = month_of(wall_ns);
	char what[32];
	if (!a->month || now < a->month)
		a->month = now;
	if (now == a->month)
		return;
	snprintf(what, sizeof what, "%04u-%02u", 1970 + (now - 1) / 12, (now - 1) % 12 + 1);
	if (report_spend(a, month_begin(now - 1), month_begin(now), what))
		a->month = now;
}

/* ---- when ---- */

static bool is_due(uint64_t *at_ns, uint64_t every_ms, uint64_t wall_ns)
{
	uint64_t every = every_ms * NS_PER_MS;
	bool due = *at_ns && wall_ns >= *at_ns;
	if (due || !*at_ns || *at_ns > wall_ns + every)
		*at_ns = (wall_ns / every + 1) * every;
	return due;
}

void alert_report(struct alerts *a, uint64_t wall_ns)
{
	bool is_day_over = is_due(&a->daily_ns, a->c->daily_ms, wall_ns);
	if (is_day_over && alert_wanted(a, ALERT_daily_reports))
		report_daily(a);
	if (is_day_over && alert_wanted(a, ALERT_fallback_reports))
		alert_report_fallbacks(a);
	if (is_due(&a->spend_ns, a->c->spend_report_ms, wall_ns) &&
	    alert_wanted(a, ALERT_spend_reports))
		report_lately(a, wall_ns);
	if (alert_wanted(a, ALERT_spend_reports))
		report_month(a, wall_ns);
}
