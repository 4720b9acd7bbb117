/* SPDX-License-Identifier: MIT
 * alert_kinds.h - the table of what an operator is told of without asking, by LiteLLM's names,
 * and how one such message is written for each kind of receiver. All of it is pure.
 *
 * A message holds names, numbers and hashes: no key, no prompt, no text of a provider. */
#ifndef ALERT_KINDS_H
#define ALERT_KINDS_H

#include "common/buf.h"

/*        name, seriousness, told unless alert_types names others, quiet: seconds in which the
 *        same thing is not told again, and what it is */
#define ALERTS(X)                                                                                  \
	X(llm_exceptions,         HIGH,   true,  60,    "a request failed at a provider")          \
	X(llm_too_slow,           LOW,    true,  300,   "an answer took longer than alerting_threshold") \
	X(llm_requests_hanging,   MEDIUM, true,  300,   "requests run longer than alerting_threshold") \
	X(outage_alerts,          HIGH,   true,  60,    "a deployment fails often within outage_alert_ttl") \
	X(region_outage_alerts,   HIGH,   true,  60,    "several deployments of a provider's region fail") \
	X(cooldown_deployment,    MEDIUM, true,  60,    "a deployment was put aside")              \
	X(budget_alerts,          HIGH,   true,  86400, "a budget is spent, nearly spent, or will be") \
	X(failed_tracking_spend,  HIGH,   true,  300,   "spend cannot be written down")            \
	X(db_exceptions,          HIGH,   true,  300,   "the database fails")                      \
	X(daily_reports,          LOW,    true,  0,     "slow and failing deployments")            \
	X(spend_reports,          LOW,    true,  0,     "what teams have spent, lately and in each month") \
	X(fallback_reports,       LOW,    true,  0,     "which models others have answered for")   \
	X(new_model_added,        LOW,    true,  0,     "a model was added by API")                \
	X(new_virtual_key_created, LOW,   false, 0,     "a key was made")                          \
	X(virtual_key_updated,    LOW,    false, 0,     "a key was changed")                       \
	X(virtual_key_deleted,    LOW,    false, 0,     "keys were deleted")                       \
	X(new_team_created,       LOW,    false, 0,     "a team was made")                         \
	X(team_updated,           LOW,    false, 0,     "a team was changed")                      \
	X(team_deleted,           LOW,    false, 0,     "teams were deleted")                      \
	X(new_internal_user_created, LOW, false, 0,     "a user was made")                         \
	X(internal_user_updated,  LOW,    false, 0,     "a user was changed")                      \
	X(internal_user_deleted,  LOW,    false, 0,     "users were deleted")

enum alert_kind {
#define X(name, ...) ALERT_##name,
	ALERTS(X)
#undef X
	ALERT_KINDS
};
enum alert_level { ALERT_LOW, ALERT_MEDIUM, ALERT_HIGH };
struct alert_kind_row {
	const char *name;
	enum alert_level level;
	bool preset;
	uint32_t quiet_s;
	const char *doc;
};
extern const struct alert_kind_row alert_kinds[ALERT_KINDS];
/* Its number; -1: there is none of that name. */
int alert_kind_find(struct str name);

/* ---- messages ---- */

enum { ALERT_TEXT = 1024, ALERT_NAME = 128 };

struct alert_owner {			/* whose budget, key, team or user it is about */
	char event[32], group[20];	/* LiteLLM's words: "threshold_crossed", "key" */
	char token[65];			/* SHA-256 of a key */
	char key_alias[ALERT_NAME], user_id[ALERT_NAME], user_email[ALERT_NAME];
	char team_id[ALERT_NAME], team_alias[ALERT_NAME], organization_id[ALERT_NAME];
	char customer_id[ALERT_NAME];
	bool has_money;
	int64_t spend, max_budget, soft_budget, projected;	/* nano-dollars; -1: none */
	uint64_t projected_ns;		/* when it will be spent; 0: nobody knows */
};
struct alert_message {
	enum alert_kind kind;
	enum alert_level level;
	uint64_t wall_ns;
	char text[ALERT_TEXT];
	struct alert_owner owner;	/* event "": about nobody */
};
/* The text, cut between characters where it is too long. */
void alert_say(struct alert_message *m, const char *fmt, ...) PRINTF(2, 3);
/* A name into one of the fields above, cut likewise; control characters become spaces. */
void alert_name(char *to, size_t room, struct str s);

/* ---- how it is written ---- */

enum alert_format { ALERT_SLACK, ALERT_DISCORD, ALERT_TEAMS, ALERT_WEBHOOK, ALERT_EMAIL,
		    ALERT_FORMATS };
struct alert_sender_name {		/* who tells */
	const char *url;		/* of the gateway; "": not known */
	const char *from, *to;		/* of a mail: addresses; to: with commas */
};
struct alert_format_row {
	const char *name;		/* in general_settings.alerting */
	const char *env;		/* "A,B": where its address is; the first that is set */
	void (*write)(const struct alert_message *m, const struct alert_sender_name *who,
		      struct buf *to);
	const char *doc;
};
extern const struct alert_format_row alert_formats[ALERT_FORMATS];
int alert_format_find(struct str name);	/* -1: none */
/* What the receiver at an address given for Slack wants, by its host. */
enum alert_format alert_format_of_url(struct str url);
/* Whether it may stand in a mail's header or envelope: name@host, without blanks or controls. */
bool alert_is_address(struct str s);
/* Slack's own three characters are written as it wants them, so that no name calls a channel. */
void alert_put_for_slack(struct buf *to, struct str s);

#endif
