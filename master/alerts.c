/* SPDX-License-Identifier: MIT
 * alerts.c - see alerts.h: what may be told, and the clock by which it is looked. */
#include "master/alerts_private.h"

#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"

enum { TICK_MS = 200, BOARD_MS = 1000, PER_MINUTE = 20 };

void alert_begin(struct alert_message *m, enum alert_kind kind)
{
	*m = (struct alert_message){ .kind = kind, .level = alert_kinds[kind].level,
				     .wall_ns = clock_wall_ns() };
}

/* ---- once in its quiet time ---- */

/* Its place, or one that is free or has been quiet for the longest. */
static struct alert_seen *find_seen(struct alerts *a, uint64_t hash)
{
	struct alert_seen *set = a->seen[(hash >> 8) % SEEN_SETS], *best = &set[0];
	for (size_t i = 0; i < SEEN_WAYS; i++) {
		if (set[i].hash == hash)
			return &set[i];
		if (set[i].until_ns < best->until_ns)
			best = &set[i];
	}
	*best = (struct alert_seen){ .hash = hash };
	return best;
}

bool alert_may_tell(struct alerts *a, enum alert_kind kind, uint64_t thing, uint64_t now_ns,
		    uint32_t *ret_untold)
{
	uint64_t quiet_ns = a->c->quiet_ms[kind] * NS_PER_MS;
	struct alert_seen *s = find_seen(a, (thing ^ ((uint64_t)kind << 56)) | 1);
	*ret_untold = 0;
	if (quiet_ns && now_ns < s->until_ns) {
		s->untold++;
		return false;
	}
	if (now_ns >= a->minute_ns + 60 * NS_PER_S) {
		a->minute_ns = now_ns;
		memset(a->in_minute, 0, sizeof a->in_minute);
	}
	if (a->in_minute[kind] >= PER_MINUTE) {
		a->over_minute[kind]++;
		return false;
	}
	a->in_minute[kind]++;
	*ret_untold = s->untold + a->over_minute[kind];
	a->over_minute[kind] = s->untold = 0;
	s->until_ns = now_ns + quiet_ns;
	return true;
}

static void give(struct alerts *a, const struct alert_message *m)
{
	uint32_t to = a->c->to[m->kind];
	for (size_t i = 0; i < a->c->n_targets; i++)
		if (to >> i & 1)
			alert_send_put(a->send, a->c, i, m, NULL, NULL);
	if (a->c->logs)
		LOG(LOG_WARN, "alert.told", F_Z("type", alert_kinds[m->kind].name),
		    F_Z("message", m->text));
	alert_send_tick(a->send, clock_ns());
}

void alert_tell(struct alerts *a, struct alert_message *m, uint64_t thing)
{
	uint32_t untold;
	if (!alert_wanted(a, m->kind) || !alert_may_tell(a, m->kind, thing, clock_ns(), &untold))
		return;
	if (untold) {
		char text[ALERT_TEXT];
		snprintf(text, sizeof text, "%s", m->text);
		alert_say(m, "%.900s (and %u more since the last message)", text, untold);
	}
	give(a, m);
}

/* ---- life ---- */

static void on_tick(uv_timer_t *t)
{
	struct alerts *a = t->data;
	uint64_t now = clock_ns();
	if (a->is_on && now >= a->board_ns) {
		a->board_ns = now + BOARD_MS * NS_PER_MS;
		alert_look_at_board(a, now);
		alert_look_at_budgets(a, now);
	}
	if (a->is_on && now >= a->report_ns) {
		a->report_ns = now + a->c->check_ms * NS_PER_MS;
		alert_report(a, clock_wall_ns());
	}
	alert_send_tick(a->send, now);
}

bool alerts_want_records(const struct alerts *a)
{
	return a && a->is_on;
}

void alerts_configure(struct alerts *a)
{
	bool was_on = a->is_on;
	a->c = &a->m->config->alerts;
	a->is_on = a->c->kinds != 0;
	alert_learn_deployments(a);
	if (a->c->n_targets || a->is_on)	/* a test can be asked for where nothing is told */
		uv_timer_start(&a->timer, on_tick, TICK_MS, TICK_MS);
	if (a->is_on == was_on)
		return;
	a->daily_ns = a->spend_ns = 0;
	a->report_ns = clock_ns();
	a->ledger_errors = atomic_load(&a->m->board.head->ledger_errors);
	a->has_looked = false;
}

int alerts_new(struct master *m, struct alerts **ret)
{
	struct alerts *a = mem_alloc(sizeof *a);
	if (!a)
		return -ENOMEM;
	a->m = m;
	a->c = &m->config->alerts;
	int err = alert_send_new(m->loop, &m->board.metrics[BOARD_WORKERS], &a->send);
	if (err < 0) {
		mem_free(a);
		return err;
	}
	uv_timer_init(m->loop, &a->timer);
	a->timer.data = a;
	*ret = a;
	return 0;
}

void alerts_stop(struct alerts *a, uint64_t patience_ms)
{
	if (!a)
		return;
	uv_timer_stop(&a->timer);
	a->is_on = false;
	alert_send_stop(a->send, clock_ns() + patience_ms * NS_PER_MS);
	mem_free(a->deployments);
	a->deployments = NULL;
}
