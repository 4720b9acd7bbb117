/* SPDX-License-Identifier: MIT
 * spend.h - reports over what the ledger wrote; read-only, on the reader thread.
 *
 * Commands, all of them: the table in commands.c points here. */
#ifndef SPEND_H
#define SPEND_H

#include "master/commands.h"

void spend_keys(struct command_call *c);	/* GET /spend/keys */
void spend_report(struct command_call *c);	/* sums by anything; `spend report` */
void spend_logs(struct command_call *c);	/* GET /spend/logs: single requests, or days */
void spend_show(struct command_call *c);	/* GET /spend/logs/ui/{id}: one of them */
void spend_logs_pages(struct command_call *c);	/* GET /spend/logs/v2, /spend/logs/session/ui */
void spend_export(struct command_call *c);	/* a page of CSV, JSON lines or FOCUS */

void spend_estimate(struct command_call *c);	/* POST /cost/estimate */
void spend_calculate(struct command_call *c);	/* POST /spend/calculate */

/* LiteLLM's days with breakdowns: GET /user/daily/activity ... */
void spend_activity_user(struct command_call *c);
void spend_activity_team(struct command_call *c);
void spend_activity_organization(struct command_call *c);
void spend_activity_customer(struct command_call *c);
void spend_activity_tag(struct command_call *c);

/* LiteLLM's sums: GET /global/..., /spend/users, /spend/tags */
void spend_users(struct command_call *c);
void spend_tags(struct command_call *c);
void spend_global(struct command_call *c);
void spend_global_logs(struct command_call *c);
void spend_global_keys(struct command_call *c);
void spend_global_models(struct command_call *c);
void spend_global_teams(struct command_call *c);
void spend_global_tags(struct command_call *c);
void spend_global_tag_names(struct command_call *c);
void spend_global_provider(struct command_call *c);
void spend_global_end_users(struct command_call *c);
void spend_global_report(struct command_call *c);
void spend_global_activity(struct command_call *c);
void spend_reset(struct command_call *c);	/* in spend_reset.c, as the next */
void spend_refresh(struct command_call *c);	/* POST /global/spend/refresh */
void spend_global_activity_models(struct command_call *c);

/* spend_metrics.c: out of single requests */
void spend_model_metrics(struct command_call *c);
void spend_model_streaming(struct command_call *c);
void spend_model_slow(struct command_call *c);
void spend_model_exceptions(struct command_call *c);
void spend_activity_exceptions(struct command_call *c);
void spend_activity_exceptions_of(struct command_call *c);	/* by deployment */
void spend_activity_cache_hits(struct command_call *c);

/* spend_tags.c */
void spend_tags_daily(struct command_call *c);
void spend_tags_weekly(struct command_call *c);
void spend_tags_monthly(struct command_call *c);
void spend_tags_summary(struct command_call *c);
void spend_tags_distinct(struct command_call *c);

#endif
