/* SPDX-License-Identifier: MIT
 * commands.c - THE command table: llmgwctl's verbs, the management API's paths, the manual's
 * list, in that order. Its rows are in commands/, by subject; here is what they share. */
#include "master/commands.h"

#include "master/access_groups.h"
#include "master/alerts.h"
#include "master/audit.h"
#include "master/cached.h"
#include "master/commands_ops.h"
#include "master/commands_route.h"
#include "master/credentials.h"
#include "master/health_history.h"
#include "master/history.h"
#include "master/import_rows.h"
#include "master/keys.h"
#include "master/keys_more.h"
#include "master/models_info.h"
#include "master/models_store.h"
#include "master/newcomers.h"
#include "master/pass_endpoints.h"
#include "master/price_import.h"
#include "master/price_list.h"
#include "master/provider_budgets.h"
#include "master/service_info.h"
#include "master/settings.h"
#include "master/spend.h"
#include "master/teams.h"
#include "master/tenants.h"
#include "master/texts_read.h"
#include "master/token_keys.h"
#include "master/tokenizers.h"
#include "master/unified_groups.h"
#include "master/userinfo.h"
#include "master/users_more.h"

/* llmgwctl needs the table's words and not the master behind them. */
#ifdef COMMANDS_WITHOUT_RUN
#define RUN(function) NULL
#else
#define RUN(function) function
#endif

#define ARGS(...) (const struct command_arg[]){ __VA_ARGS__, { 0 } }
#define COLUMNS(...) (const struct command_column[]){ __VA_ARGS__, { 0 } }
static const struct command_arg no_args[] = { { 0 } };

#define NEEDED (ARG_REQUIRED | ARG_POSITIONAL)
#define PAGE { "page", ARG_INT, 0, "page, from 1" }
#define SORTED(names, by_default)                                                         \
	{ "sort_by", ARG_STRING, 0, names },                                              \
	{ "sort_order", ARG_STRING, 0, "in the order asc or desc (" by_default ")" },     \
	{ "reverse", ARG_BOOL, 0, "the other way round" }
#define RPM { "rpm_limit", ARG_INT, 0, "requests a minute" }
#define TPM { "tpm_limit", ARG_INT, 0, "tokens a minute" }
#define RATES RPM, TPM, { "max_parallel_requests", ARG_INT, 0, "requests at the same time" }
#define BUDGET_DURATION                                                                   \
	{ "budget_duration", ARG_DURATION, 0, "the budget starts anew each 30s, 24h, 7d, 1mo" }
#define SOFT_BUDGET                                                                       \
	{ "soft_budget", ARG_MONEY, 0, "dollars from which on alerts say so; nothing is refused" }
#define METADATA { "metadata", ARG_JSON, 0, "a JSON object, kept and shown as it is" }
#define MEMBER                                                                            \
	{ "user_id", ARG_STRING, ARG_POSITIONAL, "the user's id" },                       \
	{ "user_email", ARG_STRING, 0, "or the e-mail address" }
#define NEW_MEMBERS                                                                       \
	{ "member", ARG_JSON, NEEDED, "{role, user_id or user_email}, or a list of them" }
/* Limits for single models; of customers and tags only this one. */
#define MODEL_BUDGET                                                                      \
	{ "model_max_budget", ARG_JSON, 0,                                                \
	  "{model: {budget_limit, time_period, rpm_limit, tpm_limit}}" }
#define MODEL_FIELDS                                                                      \
	{ "model_rpm_limit", ARG_JSON, 0, "requests a minute of single models: {model: n}" }, \
	{ "model_tpm_limit", ARG_JSON, 0, "tokens a minute of single models: {model: n}" }, \
	MODEL_BUDGET
/* Limits in windows; and how fast requests may come, of keys and teams. */
#define WINDOW_LIST                                                                       \
	{ "limit_windows", ARG_JSON, 0,                                                   \
	  "limits in windows: [{duration, kind, requests, tokens or cost, multipliers}]" }
#define WINDOW_MINUTES                                                                    \
	{ "tpm_input_limit", ARG_INT, 0, "tokens of prompts a minute" },                  \
	{ "tpm_output_limit", ARG_INT, 0, "tokens of answers a minute" }
#define WINDOW_FIELDS                                                                     \
	WINDOW_LIST,                                                                      \
	{ "rpm_burst", ARG_INT, 0, "requests that may come at once, and then at an even pace" }, \
	WINDOW_MINUTES
#define ARGS_FILE                                                                         \
	ARGS({ "file", ARG_STRING, ARG_POSITIONAL,                                        \
	       "configuration file; the one in force when missing" })
#define COLUMNS_KEYS                                                                      \
	COLUMNS({ "ALIAS", "key_alias", COL_TEXT }, { "KEY", "key_name", COL_TEXT },      \
		{ "MODELS", "models", COL_LIST }, { "SPEND", "spend", COL_MONEY },        \
		{ "BUDGET", "max_budget", COL_MONEY }, { "RPM", "rpm_limit", COL_INT },   \
		{ "TPM", "tpm_limit", COL_INT }, { "BLOCKED", "blocked", COL_BOOL },      \
		{ "EXPIRES", "expires", COL_TIME }, { "HASH", "token", COL_TEXT })

const struct command commands[] = {
#include "master/commands/run.inc"
#include "master/commands/keys.inc"
#include "master/commands/teams.inc"
#include "master/commands/tenants.inc"
#include "master/commands/models.inc"
#include "master/commands/spend.inc"
#include "master/commands/config.inc"
#include "master/commands/operations.inc"
};
const size_t commands_count = COUNT(commands);
