/* SPDX-License-Identifier: MIT
 * alerts_private.h - what the files of alerting share; nobody else includes it. */
#ifndef ALERTS_PRIVATE_H
#define ALERTS_PRIVATE_H

#include "master/alert_send.h"
#include "master/alerts.h"

/* What has been told lately, by kind and thing: a table of sets, the oldest goes first. */
enum { SEEN_SETS = 256, SEEN_WAYS = 8 };
struct alert_seen {
	uint64_t hash;			/* 0: free */
	uint64_t until_ns;		/* monotonic: quiet until then */
	uint32_t untold;		/* how often since it was told */
};

/* Failures of a deployment, or of a region, counted together for a while. */
enum { OUTAGES = 512, OUTAGE_MEMBERS = 16 };
struct alert_outage {
	uint64_t hash;			/* 0: free */
	uint64_t until_ns;
	uint32_t failures;
	uint32_t told;			/* 0: nothing; 1: minor; 2: major */
	uint64_t members[OUTAGE_MEMBERS];	/* of a region: its deployments that failed */
};

/* What a deployment's row on the board said when it was looked at last. */
struct alert_deployment {
	uint64_t id_hash, cooldowns;
	uint64_t successes, failures;	/* at the last daily report */
};

/* Requests for a model that went to a fallback of it, since they were told last. */
enum { FALLBACKS = 64, ALERT_FALLBACK_NAME = 64 };
struct alert_fallback {
	uint32_t answered, failed;	/* both 0: free, and all behind it are */
	char model[ALERT_FALLBACK_NAME], group[ALERT_FALLBACK_NAME];
};

struct alerts {
	struct master *m;
	const struct config_alerts *c;
	uv_timer_t timer;
	bool is_on;
	struct alert_send *send;
	struct alert_seen seen[SEEN_SETS][SEEN_WAYS];
	struct alert_outage outages[OUTAGES];
	struct alert_fallback fallbacks[FALLBACKS];
	uint64_t minute_ns;		/* since when `in_minute` counts */
	uint32_t in_minute[ALERT_KINDS], over_minute[ALERT_KINDS];
	struct alert_deployment *deployments;	/* as many as the configuration's models */
	size_t n_deployments;
	const struct config *config;	/* the one that they are of */
	uint64_t board_ns, report_ns;	/* when it is looked next */
	uint64_t daily_ns, spend_ns;	/* wall: when the reports are due */
	unsigned month;			/* since 1970: the one that is not over; 0: not known */
	uint32_t money_down;
	uint64_t ledger_errors;
	struct alert_budgets *budgets;	/* the query under way; alert_budgets.c */
	uint64_t budgets_ns;		/* not before */
	uint64_t budget_rows;		/* ledger_rows at the last look */
	bool has_looked;
	int64_t budget_after[3];	/* where a look that found too many goes on, by table */
	bool is_reporting;
};

/* A message of that kind, with its level and the time. */
void alert_begin(struct alert_message *m, enum alert_kind kind);
static inline bool alert_wanted(const struct alerts *a, enum alert_kind kind)
{
	return a->is_on && a->c->kinds >> kind & 1;
}
/* Whether something of that kind may be told now. *ret_untold: how often it was not. */
bool alert_may_tell(struct alerts *a, enum alert_kind kind, uint64_t thing, uint64_t now_ns,
		    uint32_t *ret_untold);
/* Tells it, unless the same was told in its quiet time. */
void alert_tell(struct alerts *a, struct alert_message *m, uint64_t thing);

/* -- alert_board.c -- */
void alert_look_at_board(struct alerts *a, uint64_t now_ns);
void alert_learn_deployments(struct alerts *a);
/* By its name on the board; NULL: it is not in the configuration. */
const struct config_model *alert_find_model(const struct alerts *a, uint64_t id_hash);
/* -- alert_budgets.c -- */
void alert_look_at_budgets(struct alerts *a, uint64_t now_ns);
void alert_budget_refused(struct alerts *a, const struct record *r);
/* -- alert_fallbacks.c -- */
void alert_count_fallback(struct alerts *a, const struct record *r);
void alert_report_fallbacks(struct alerts *a);
/* -- alert_reports.c -- */
void alert_report(struct alerts *a, uint64_t wall_ns);

#endif
