/* SPDX-License-Identifier: MIT
 * commands.c - THE command table: llmgwctl's verbs, the management API's paths, the manual's
 * list. In the order of the manual page. */
#include "master/commands.h"

#include "master/audit.h"
#include "master/commands_ops.h"
#include "master/commands_route.h"
#include "master/keys.h"
#include "master/keys_more.h"
#include "master/models_info.h"
#include "master/spend.h"
#include "master/teams.h"

static const struct command_arg args_none[] = { { 0 } };
static const struct command_arg args_file[] = {
	{ "file", ARG_STRING, ARG_POSITIONAL, "configuration file; the one in force when missing" },
	{ 0 },
};
static const struct command_arg args_worker[] = {
	{ "slot", ARG_INT, ARG_POSITIONAL, "worker's slot number; all when missing" },
	{ 0 },
};
#define KEY_FIELDS                                                                                \
	{ "key_alias", ARG_STRING, 0, "name of the key; unique" },                                \
	{ "models", ARG_LIST, 0, "models it may use, '*' patterns allowed; empty: all" },         \
	{ "max_budget", ARG_MONEY, 0, "dollars it may spend" },                                   \
	{ "budget_duration", ARG_DURATION, 0, "the budget starts anew each 30s, 24h, 7d, 1mo" },  \
	{ "rpm_limit", ARG_INT, 0, "requests a minute" },                                         \
	{ "tpm_limit", ARG_INT, 0, "tokens a minute" },                                           \
	{ "max_parallel_requests", ARG_INT, 0, "requests at the same time" },                     \
	{ "duration", ARG_DURATION, 0, "expires after 30s, 24h, 30d; -1: never" },                \
	{ "user_id", ARG_STRING, 0, "user it belongs to" },                                       \
	{ "team_id", ARG_STRING, 0, "team it belongs to" },                                       \
	{ "organization_id", ARG_STRING, 0, "organization it belongs to" },                       \
	{ "blocked", ARG_BOOL, 0, "refuse it until it is unblocked" },                            \
	{ "metadata", ARG_JSON, 0, "a JSON object, kept and shown as it is" },                    \
	{ "soft_budget", ARG_MONEY, 0, "kept and shown; no warning is made of it yet" }
static const struct command_arg args_key_create[] = {
	KEY_FIELDS,
	{ "key", ARG_STRING, 0, "text of the key, beginning with sk-; made at random when missing" },
	{ 0 },
};
static const struct command_arg args_key_update[] = {
	{ "key", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "the key, its hash or its alias" },
	KEY_FIELDS,
	{ "spend", ARG_MONEY, 0, "set what it has spent in this period" },
	{ 0 },
};
static const struct command_arg args_key_one[] = {
	{ "key", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "the key, its hash or its alias" },
	{ 0 },
};
static const struct command_arg args_key_info[] = {
	{ "key", ARG_STRING, ARG_POSITIONAL, "the key, its hash or its alias; by HTTP: the caller's own when missing" },
	{ 0 },
};
static const struct command_arg args_key_delete[] = {
	{ "keys", ARG_LIST, ARG_POSITIONAL | ARG_REPEATED, "keys, hashes or aliases" },
	{ "key_aliases", ARG_LIST, 0, "aliases" },
	{ 0 },
};
static const struct command_arg args_key_list[] = {
	{ "page", ARG_INT, 0, "page, from 1" },
	{ "size", ARG_INT, 0, "keys a page, at most 100" },
	{ "key_alias", ARG_STRING, 0, "only this alias" },
	{ "user_id", ARG_STRING, 0, "only this user's" },
	{ "team_id", ARG_STRING, 0, "only this team's" },
	{ "key_hash", ARG_STRING, 0, "only this hash" },
	{ "return_full_object", ARG_BOOL, 0, "whole rows and not only hashes" },
	{ 0 },
};
static const struct command_arg args_key_reset[] = {
	{ "key", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "the key, its hash or its alias" },
	{ "reset_to", ARG_MONEY, ARG_REQUIRED, "dollars that it has spent from now on" },
	{ 0 },
};
static const struct command_arg args_key_service[] = {
	{ "team_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "team it belongs to" },
	{ "key_alias", ARG_STRING, 0, "name of the key; unique" },
	{ "models", ARG_LIST, 0, "models it may use, '*' patterns allowed; empty: all" },
	{ "max_budget", ARG_MONEY, 0, "dollars it may spend" },
	{ "budget_duration", ARG_DURATION, 0, "the budget starts anew each 30s, 24h, 7d, 1mo" },
	{ "rpm_limit", ARG_INT, 0, "requests a minute" },
	{ "tpm_limit", ARG_INT, 0, "tokens a minute" },
	{ "duration", ARG_DURATION, 0, "expires after 30s, 24h, 30d; -1: never" },
	{ "metadata", ARG_JSON, 0, "a JSON object, kept and shown as it is" },
	{ 0 },
};
static const struct command_arg args_key_bulk[] = {
	{ "keys", ARG_JSON, ARG_REQUIRED | ARG_POSITIONAL,
	  "list of objects, each what `keys update` takes" },
	{ 0 },
};
static const struct command_arg args_key_several[] = {
	{ "keys", ARG_LIST, ARG_REQUIRED | ARG_POSITIONAL | ARG_REPEATED, "keys, hashes or aliases" },
	{ 0 },
};
static const struct command_arg args_key_aliases[] = {
	{ "search", ARG_STRING, ARG_POSITIONAL, "only those with this in them" },
	{ "page", ARG_INT, 0, "page, from 1" },
	{ "size", ARG_INT, 0, "aliases a page, at most 100" },
	{ 0 },
};
static const struct command_arg args_key_rotate[] = {
	{ "key", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "the key, its hash or its alias" },
	{ "new_key", ARG_STRING, 0, "text of the new key; made at random when missing" },
	{ "grace_period", ARG_STRING, 0, "the old text works on for 24h, 7d; without it ends at once" },
	{ 0 },
};
#define TEAM_FIELDS                                                                               \
	{ "team_alias", ARG_STRING, 0, "name of the team" },                                      \
	{ "models", ARG_LIST, 0, "models that its keys may use, '*' patterns allowed; empty: all" }, \
	{ "max_budget", ARG_MONEY, 0, "dollars that its keys may spend together" },               \
	{ "budget_duration", ARG_DURATION, 0, "the budget starts anew each 30s, 24h, 7d, 1mo" },  \
	{ "rpm_limit", ARG_INT, 0, "requests a minute" },                                         \
	{ "tpm_limit", ARG_INT, 0, "tokens a minute" },                                           \
	{ "max_parallel_requests", ARG_INT, 0, "requests at the same time" },                     \
	{ "organization_id", ARG_STRING, 0, "organization it belongs to" },                       \
	{ "blocked", ARG_BOOL, 0, "refuse its keys until it is unblocked" },                      \
	{ "metadata", ARG_JSON, 0, "a JSON object, kept and shown as it is" },                    \
	{ "soft_budget", ARG_MONEY, 0, "kept and shown; no warning is made of it yet" }
#define TEAM_ID { "team_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "id of the team" }
static const struct command_arg args_team_create[] = {
	{ "team_id", ARG_STRING, ARG_POSITIONAL, "its id; made at random when missing" },
	TEAM_FIELDS,
	{ "members_with_roles", ARG_JSON, 0, "list of {role, user_id or user_email}" },
	{ 0 },
};
static const struct command_arg args_team_update[] = {
	TEAM_ID,
	TEAM_FIELDS,
	{ "spend", ARG_MONEY, 0, "set what it has spent in this period" },
	{ 0 },
};
static const struct command_arg args_team_one[] = { TEAM_ID, { 0 } };
static const struct command_arg args_team_delete[] = {
	{ "team_ids", ARG_LIST, ARG_POSITIONAL | ARG_REPEATED, "ids of teams" },
	{ 0 },
};
static const struct command_arg args_team_list[] = {
	{ "organization_id", ARG_STRING, 0, "only this organization's" },
	{ "user_id", ARG_STRING, 0, "only those that this user is in" },
	{ "page", ARG_INT, 0, "page, from 1" },
	{ "page_size", ARG_INT, 0, "teams a page, at most 10000" },
	{ 0 },
};
static const struct command_arg args_team_add[] = {
	TEAM_ID,
	{ "member", ARG_JSON, ARG_REQUIRED | ARG_POSITIONAL,
	  "{role, user_id or user_email}, or a list of them" },
	{ "max_budget_in_team", ARG_MONEY, 0, "kept and shown; does not limit yet" },
	{ 0 },
};
static const struct command_arg args_team_remove[] = {
	TEAM_ID,
	{ "user_id", ARG_STRING, ARG_POSITIONAL, "the user's id" },
	{ "user_email", ARG_STRING, 0, "or the e-mail address" },
	{ 0 },
};
static const struct command_arg args_model[] = {
	{ "model", ARG_STRING, ARG_POSITIONAL, "only this model name" },
	{ 0 },
};
static const struct command_arg args_group[] = {
	{ "model_group", ARG_STRING, ARG_POSITIONAL, "only this model name" },
	{ 0 },
};
static const struct command_arg args_model_needed[] = {
	{ "model", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "a model name, or provider/model" },
	{ 0 },
};
static const struct command_arg args_health[] = {
	{ "model", ARG_STRING, ARG_POSITIONAL, "only this model name" },
	{ "model_id", ARG_STRING, 0, "only this deployment" },
	{ 0 },
};
static const struct command_arg args_spend_logs[] = {
	{ "api_key", ARG_STRING, 0, "only of this key or hash" },
	{ "user_id", ARG_STRING, 0, "only of this user" },
	{ "request_id", ARG_STRING, 0, "only this request" },
	{ "start_date", ARG_STRING, 0, "from this day, YYYY-MM-DD" },
	{ "end_date", ARG_STRING, 0, "to this day, YYYY-MM-DD" },
	{ "limit", ARG_INT, 0, "rows at most (100)" },
	{ "before", ARG_STRING, 0, "only rows older than this request: the next page" },
	{ "summarize", ARG_BOOL, 0, "sums by day instead of rows" },
	{ 0 },
};
static const struct command_arg args_spend_report[] = {
	{ "group_by", ARG_STRING, 0, "day, key, model, user, team or provider (day)" },
	{ "start_date", ARG_STRING, 0, "from this day, YYYY-MM-DD" },
	{ "end_date", ARG_STRING, 0, "to this day, YYYY-MM-DD" },
	{ 0 },
};
static const struct command_arg args_logs[] = {
	{ "lines", ARG_INT, 0, "how many of the newest (50)" },
	{ 0 },
};
static const struct command_arg args_config_show[] = {
	{ "origin", ARG_BOOL, 0, "say where each value comes from" },
	{ 0 },
};
static const struct command_arg args_explain[] = {
	{ "model", ARG_STRING, ARG_POSITIONAL, "model that is asked for; else the body says it" },
	{ "key", ARG_STRING, 0, "whether this key, its text or its hash, may use it" },
	{ "body", ARG_JSON, 0, "a request's body, to go by its length, stream, max_tokens" },
	{ "tokens", ARG_INT, 0, "length of the prompt" },
	{ "max_tokens", ARG_INT, 0, "length of the answer at most" },
	{ "max_cost", ARG_MONEY, 0, "dollars that it may cost" },
	{ "stream", ARG_BOOL, 0, "a stream is asked for" },
	{ "tags", ARG_LIST, 0, "tags of the request" },
	{ 0 },
};
static const struct command_arg args_backup[] = {
	{ "file", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "where the copy goes; must not exist" },
	{ 0 },
};

static const struct command_arg args_audit[] = {
	{ "page", ARG_INT, 0, "page, from 1" },
	{ "page_size", ARG_INT, 0, "rows a page, at most 1000 (10; by llmgwctl 50)" },
	{ "changed_by", ARG_STRING, 0, "only by this user or key" },
	{ "action", ARG_STRING, 0, "created, updated, deleted, blocked, unblocked, rotated or ran" },
	{ "table_name", ARG_STRING, 0, "only of this table, as LiteLLM calls it" },
	{ "object_id", ARG_STRING, 0, "only of this key (its hash), team, user ..." },
	{ "start_date", ARG_STRING, 0, "from this day, YYYY-MM-DD, or time" },
	{ "end_date", ARG_STRING, 0, "to this day, YYYY-MM-DD, or time" },
	{ "sort_by", ARG_STRING, 0, "updated_at" },
	{ "sort_order", ARG_STRING, 0, "desc, the newest first, or asc" },
	{ 0 },
};
static const struct command_arg args_audit_one[] = {
	{ "id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "id of the row" },
	{ 0 },
};
static const struct command_arg args_audit_verify[] = {
	{ "head", ARG_STRING, ARG_POSITIONAL, "a head noted earlier, which must be in the log" },
	{ 0 },
};

static const struct command_column columns_workers[] = {
	{ "SLOT", "slot", COL_INT }, { "PID", "pid", COL_INT }, { "STATE", "state", COL_TEXT },
	{ "GEN", "generation", COL_INT }, { "REQUESTS", "requests", COL_INT },
	{ "STREAMS", "streams", COL_INT }, { "CONNS", "connections", COL_INT },
	{ "RESTARTS", "restarts", COL_INT }, { "UP", "started", COL_AGE },
	{ "LAST END", "last_end", COL_TEXT }, { 0 },
};
static const struct command_column columns_keys[] = {
	{ "ALIAS", "key_alias", COL_TEXT }, { "KEY", "key_name", COL_TEXT },
	{ "MODELS", "models", COL_LIST }, { "SPEND", "spend", COL_MONEY },
	{ "BUDGET", "max_budget", COL_MONEY }, { "RPM", "rpm_limit", COL_INT },
	{ "TPM", "tpm_limit", COL_INT }, { "BLOCKED", "blocked", COL_BOOL },
	{ "EXPIRES", "expires", COL_TIME }, { "HASH", "token", COL_TEXT }, { 0 },
};
static const struct command_column columns_teams[] = {
	{ "TEAM", "team_id", COL_TEXT }, { "ALIAS", "team_alias", COL_TEXT },
	{ "MODELS", "models", COL_LIST }, { "SPEND", "spend", COL_MONEY },
	{ "BUDGET", "max_budget", COL_MONEY }, { "RPM", "rpm_limit", COL_INT },
	{ "TPM", "tpm_limit", COL_INT }, { "BLOCKED", "blocked", COL_BOOL }, { 0 },
};
static const struct command_column columns_models[] = {
	{ "MODEL", "model_name", COL_TEXT }, { "PROVIDER", "provider", COL_TEXT },
	{ "UPSTREAM", "upstream_model", COL_TEXT }, { "BASE", "api_base", COL_TEXT },
	{ "STATE", "state", COL_TEXT }, { "IN FLIGHT", "in_flight", COL_INT },
	{ "REQUESTS", "requests", COL_INT }, { "FAILURES", "failures", COL_INT },
	{ "ID", "id", COL_TEXT }, { 0 },
};
static const struct command_column columns_groups[] = {
	{ "MODEL", "model_group", COL_TEXT }, { "PROVIDERS", "providers", COL_LIST },
	{ "MODE", "mode", COL_TEXT }, { "INPUT", "max_input_tokens", COL_INT },
	{ "OUTPUT", "max_output_tokens", COL_INT }, { "RPM", "rpm", COL_INT },
	{ "TPM", "tpm", COL_INT }, { 0 },
};
static const struct command_column columns_health[] = {
	{ "MODEL", "model_name", COL_TEXT }, { "STATE", "state", COL_TEXT },
	{ "LAST PROBE", "probed", COL_AGE }, { "ERROR", "error", COL_TEXT },
	{ "COOLING S", "cooldown_s", COL_INT }, { "ID", "id", COL_TEXT }, { 0 },
};
static const struct command_column columns_spend_logs[] = {
	{ "START", "startTime", COL_TIME }, { "MODEL", "model", COL_TEXT },
	{ "KEY", "key_alias", COL_TEXT }, { "IN", "prompt_tokens", COL_INT },
	{ "OUT", "completion_tokens", COL_INT }, { "COST", "spend", COL_MONEY },
	{ "STATUS", "status", COL_TEXT }, { "REQUEST", "request_id", COL_TEXT }, { 0 },
};
static const struct command_column columns_spend[] = {
	{ "WHAT", "name", COL_TEXT }, { "REQUESTS", "requests", COL_INT },
	{ "IN", "prompt_tokens", COL_INT }, { "OUT", "completion_tokens", COL_INT },
	{ "COST", "spend", COL_MONEY }, { 0 },
};
static const struct command_column columns_logs[] = { { "RECORD", "line", COL_TEXT }, { 0 } };
static const struct command_column columns_explain[] = {
	{ "CHOSEN", "chosen", COL_BOOL }, { "PROVIDER", "provider", COL_TEXT },
	{ "UPSTREAM", "upstream_model", COL_TEXT }, { "VERDICT", "verdict", COL_TEXT },
	{ "WHY", "why", COL_TEXT }, { "ORDER", "order", COL_INT },
	{ "IN FLIGHT", "in_flight", COL_INT }, { "COST AT MOST", "cost_at_most", COL_MONEY },
	{ "ID", "id", COL_TEXT }, { 0 },
};
static const struct command_column columns_audit[] = {
	{ "WHEN", "updated_at", COL_TIME }, { "BY", "changed_by", COL_TEXT },
	{ "FROM", "address", COL_TEXT }, { "COMMAND", "command", COL_TEXT },
	{ "ACTION", "action", COL_TEXT }, { "TABLE", "table_name", COL_TEXT },
	{ "OBJECT", "object_id", COL_TEXT }, { 0 },
};
static const struct command_column columns_diff[] = {
	{ "KEY", "key", COL_TEXT }, { "RUNNING", "before", COL_TEXT }, { "FILE", "after", COL_TEXT },
	{ "TAKES EFFECT", "takes_effect", COL_TEXT }, { 0 },
};

#ifdef LLMGW_FAULTS
static const struct command_arg args_fault[] = {
	{ "point", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "where; `fault list` has them" },
	{ "how", ARG_LIST, ARG_REQUIRED | ARG_POSITIONAL | ARG_REPEATED,
	  "kill, abort, sleep=MS, errno=NAME or off; after=N, times=N" },
	{ 0 },
};
static const struct command_column columns_faults[] = {
	{ "POINT", "point", COL_TEXT }, { "ARMED", "armed", COL_BOOL }, { "WHERE", "where", COL_TEXT },
	{ 0 },
};
#endif

/* llmgwctl needs the table's words and not the master behind them. */
#ifdef COMMANDS_WITHOUT_RUN
#define RUN(function) NULL
#else
#define RUN(function) function
#endif

const struct command commands[] = {
	{ "status", NULL, NULL, ROLE_VIEW, 0, RUN(ops_status), args_none, NULL, NULL,
	  "what runs: version, generation, workers, models, spend ledger", "llmgwctl status" },
	{ "reload", "POST", "/config/reload", ROLE_ADMIN, CMD_ACTS, RUN(ops_reload), args_none, NULL, NULL,
	  "read the configuration again; answers when every worker has it", "llmgwctl reload" },
	{ "check", NULL, NULL, ROLE_VIEW, 0, RUN(ops_check), args_file, NULL, NULL,
	  "check a configuration file without using it", "llmgwctl check /etc/llmgw/llmgw.yaml" },
	{ "workers list", NULL, NULL, ROLE_VIEW, 0, RUN(ops_workers), args_none, columns_workers,
	  "workers", "list worker processes", "llmgwctl workers" },
	{ "workers restart", NULL, NULL, ROLE_ADMIN, CMD_ACTS, RUN(ops_workers_restart), args_worker, NULL,
	  NULL, "replace workers one by one, finishing what runs", "llmgwctl workers restart" },
	{ "workers drain", NULL, NULL, ROLE_ADMIN, CMD_DESTROYS | CMD_ACTS, RUN(ops_workers_drain),
	  args_worker, NULL, NULL, "let a worker finish and end; another takes its place",
	  "llmgwctl workers drain 1" },
	{ "upgrade", NULL, NULL, ROLE_ADMIN, CMD_ACTS, RUN(ops_upgrade), args_none, NULL, NULL,
	  "replace the running program by the installed one, sockets kept", "llmgwctl upgrade" },
	{ "keys create", "POST", "/key/generate", ROLE_ADMIN, 0, RUN(keys_create),
	  args_key_create, NULL, NULL, "make a key; its text is shown once",
	  "llmgwctl keys create --key-alias research --max-budget 50 --models gpt-4o" },
	{ "keys list", "GET", "/key/list", ROLE_VIEW, 0, RUN(keys_list), args_key_list,
	  columns_keys, "keys", "list keys", "llmgwctl keys list" },
	{ "keys show", "GET", "/key/info", ROLE_ANY_KEY, 0, RUN(keys_info), args_key_info, NULL,
	  NULL, "show one key", "llmgwctl keys show research" },
	{ "keys update", "POST", "/key/update", ROLE_ADMIN, 0, RUN(keys_change), args_key_update,
	  NULL, NULL, "change a key", "llmgwctl keys update research --max-budget 100" },
	{ "keys rotate", "POST", "/key/regenerate", ROLE_ADMIN, CMD_DESTROYS, RUN(keys_regenerate),
	  args_key_rotate, NULL, NULL, "give a key a new text; the old one ends, at once or after a while",
	  "llmgwctl keys rotate research --yes" },
	{ "keys regenerate", "POST", "/key/{id}/regenerate", ROLE_ADMIN, CMD_DESTROYS | CMD_NO_CTL,
	  RUN(keys_regenerate), args_key_rotate, NULL, NULL, "the same, with the key in the path",
	  "curl -X POST localhost:4000/key/research/regenerate" },
	{ "keys reset", "POST", "/key/{id}/reset_spend", ROLE_ADMIN, 0, RUN(keys_reset_spend),
	  args_key_reset, NULL, NULL, "set what a key has spent in this period",
	  "llmgwctl keys reset research --reset-to 0" },
	{ "keys service", "POST", "/key/service-account/generate", ROLE_ADMIN, 0,
	  RUN(keys_service_account), args_key_service, NULL, NULL,
	  "make a key for a team's program: it is no user's", "llmgwctl keys service physics" },
	{ "keys bulk", "POST", "/key/bulk_update", ROLE_ADMIN, 0, RUN(keys_bulk_update),
	  args_key_bulk, NULL, NULL, "change many keys, each for itself",
	  "llmgwctl keys bulk '[{\"key\": \"research\", \"max_budget\": 100}]'" },
	{ "keys several", "POST", "/v2/key/info", ROLE_ADMIN, CMD_READS, RUN(keys_info_several),
	  args_key_several, columns_keys, "info", "show several keys; unknown ones are left out",
	  "llmgwctl keys several research teaching" },
	{ "keys aliases", "GET", "/key/aliases", ROLE_VIEW, 0, RUN(keys_aliases), args_key_aliases,
	  NULL, NULL, "list the aliases of keys", "llmgwctl keys aliases" },
	{ "keys health", "POST", "/key/health", ROLE_ANY_KEY, CMD_NO_CTL, RUN(keys_health),
	  args_none, NULL, NULL, "whether the calling key works",
	  "curl -X POST localhost:4000/key/health" },
	{ "keys block", "POST", "/key/block", ROLE_ADMIN, 0, RUN(keys_block), args_key_one, NULL,
	  NULL, "refuse a key until it is unblocked", "llmgwctl keys block research" },
	{ "keys unblock", "POST", "/key/unblock", ROLE_ADMIN, 0, RUN(keys_unblock), args_key_one,
	  NULL, NULL, "accept a blocked key again", "llmgwctl keys unblock research" },
	{ "keys delete", "POST", "/key/delete", ROLE_ADMIN, CMD_DESTROYS, RUN(keys_delete),
	  args_key_delete, NULL, NULL, "delete keys for good",
	  "llmgwctl keys delete research --yes" },
	{ "teams create", "POST", "/team/new", ROLE_ADMIN, 0, RUN(teams_new), args_team_create,
	  NULL, NULL, "make a team, whose limits hold for its keys together",
	  "llmgwctl teams create physics --max-budget 500 --budget-duration 1mo" },
	{ "teams list", "GET", "/team/list", ROLE_VIEW, 0, RUN(teams_list), args_team_list,
	  columns_teams, NULL, "list teams", "llmgwctl teams list" },
	{ "teams show", "GET", "/team/info", ROLE_VIEW, 0, RUN(teams_info), args_team_one, NULL,
	  NULL, "show one team, its keys and members", "llmgwctl teams show physics" },
	{ "teams update", "POST", "/team/update", ROLE_ADMIN, 0, RUN(teams_update),
	  args_team_update, NULL, NULL, "change a team; all its keys see it at once",
	  "llmgwctl teams update physics --rpm-limit 600" },
	{ "teams block", "POST", "/team/block", ROLE_ADMIN, 0, RUN(teams_block), args_team_one,
	  NULL, NULL, "refuse all keys of a team until it is unblocked",
	  "llmgwctl teams block physics" },
	{ "teams unblock", "POST", "/team/unblock", ROLE_ADMIN, 0, RUN(teams_unblock),
	  args_team_one, NULL, NULL, "accept the keys of a blocked team again",
	  "llmgwctl teams unblock physics" },
	{ "teams delete", "POST", "/team/delete", ROLE_ADMIN, CMD_DESTROYS, RUN(teams_delete),
	  args_team_delete, NULL, NULL, "delete teams and their keys for good",
	  "llmgwctl teams delete physics --yes" },
	{ "teams add", "POST", "/team/member_add", ROLE_ADMIN, 0, RUN(teams_member_add),
	  args_team_add, NULL, NULL, "take users into a team",
	  "llmgwctl teams add physics '{\"user_id\": \"ada\", \"role\": \"admin\"}'" },
	{ "teams remove", "POST", "/team/member_delete", ROLE_ADMIN, CMD_DESTROYS,
	  RUN(teams_member_delete), args_team_remove, NULL, NULL,
	  "take a user out of a team; the user's keys in it are deleted",
	  "llmgwctl teams remove physics ada --yes" },
	{ "models list", NULL, NULL, ROLE_VIEW, 0, RUN(ops_models), args_model, columns_models,
	  "models", "list deployments and their state", "llmgwctl models" },
	{ "models show", NULL, NULL, ROLE_VIEW, 0, RUN(ops_models_show), args_model, NULL, NULL,
	  "all about the deployments of one model", "llmgwctl models show gpt-4o" },
	{ "models info", "GET", "/model/info", ROLE_ANY_KEY, CMD_NO_CTL, RUN(ops_model_info),
	  args_model, NULL, NULL, "deployments as LiteLLM tells them",
	  "curl localhost:4000/model/info" },
	{ "models info v1", "GET", "/v1/model/info", ROLE_ANY_KEY, CMD_NO_CTL, RUN(ops_model_info),
	  args_model, NULL, NULL, "the same", "curl localhost:4000/v1/model/info" },
	{ "models groups", "GET", "/model_group/info", ROLE_ANY_KEY, 0, RUN(models_groups),
	  args_group, columns_groups, "data", "model names: limits, prices, providers",
	  "llmgwctl models groups" },
	{ "models params", "GET", "/utils/supported_openai_params", ROLE_ANY_KEY, 0,
	  RUN(models_params), args_model_needed, NULL, NULL, "which of OpenAI's parameters a model takes",
	  "llmgwctl models params groq/llama-3.3-70b-versatile" },
	{ "health list", "GET", "/health", ROLE_VIEW, 0, RUN(ops_health), args_health,
	  columns_health, "endpoints",
	  "which deployments answer, by their last probe and their traffic", "llmgwctl health" },
	{ "health probe", NULL, NULL, ROLE_ADMIN, CMD_ACTS, RUN(ops_health_probe), args_health,
	  columns_health, "endpoints", "probe deployments now", "llmgwctl health probe gpt-4o" },
	{ "health clear", NULL, NULL, ROLE_ADMIN, CMD_ACTS, RUN(ops_health_clear), args_health, NULL, NULL,
	  "end cooldowns now", "llmgwctl health clear gpt-4o" },
	{ "route explain", "POST", "/route/explain", ROLE_ADMIN, CMD_READS, RUN(route_explain),
	  args_explain, columns_explain, "candidates",
	  "where a request would go now: each candidate, and why or why not",
	  "llmgwctl route explain gpt-4o --tokens 2000" },
	{ "spend report", "GET", "/global/spend/report", ROLE_VIEW, 0, RUN(spend_report),
	  args_spend_report, columns_spend, "rows", "what was spent, by day, key or model",
	  "llmgwctl spend report --group-by model" },
	{ "spend keys", "GET", "/spend/keys", ROLE_VIEW, 0, RUN(spend_keys), args_spend_logs,
	  columns_keys, NULL, "keys by what they spent", "llmgwctl spend keys" },
	{ "spend logs", "GET", "/spend/logs", ROLE_VIEW, 0, RUN(spend_logs), args_spend_logs,
	  columns_spend_logs, NULL, "one row a request, newest first",
	  "llmgwctl spend logs --limit 20" },
	{ "audit list", "GET", "/audit", ROLE_VIEW, 0, RUN(audit_list), args_audit, columns_audit,
	  "audit_logs", "who changed what, newest first", "llmgwctl audit list --action deleted" },
	{ "audit show", "GET", "/audit/{id}", ROLE_VIEW, 0, RUN(audit_show), args_audit_one, NULL,
	  NULL, "one row of the audit log, with the values before and after",
	  "llmgwctl audit show 0b6c6c8e-5f0e-4a86-a1d6-7d9f1f0d2c3b" },
	{ "audit verify", NULL, NULL, ROLE_VIEW, 0, RUN(audit_verify), args_audit_verify, NULL,
	  NULL, "walk the audit log's chain of hashes, and say where it breaks",
	  "llmgwctl audit verify" },
	{ "logs tail", NULL, NULL, ROLE_VIEW, 0, RUN(ops_logs_tail), args_logs, columns_logs,
	  "lines", "the master's newest log records", "llmgwctl logs tail --lines 20" },
	{ "config show", NULL, NULL, ROLE_VIEW, 0, RUN(ops_config_show), args_config_show, NULL,
	  NULL, "the configuration in force, secrets masked", "llmgwctl config show --origin" },
	{ "config diff", NULL, NULL, ROLE_VIEW, 0, RUN(ops_config_diff), args_file, columns_diff,
	  "changes", "what a reload would change", "llmgwctl config diff" },
	{ "backup", NULL, NULL, ROLE_ADMIN, CMD_ACTS, RUN(ops_backup), args_backup, NULL, NULL,
	  "copy the database while running", "llmgwctl backup /var/backups/llmgw.db" },
#ifdef LLMGW_FAULTS
	{ "fault set", NULL, NULL, ROLE_ADMIN, CMD_ACTS, RUN(ops_fault_set), args_fault, columns_faults,
	  "faults", "make the program fail at a place in it",
	  "llmgwctl fault set spend.after_push kill after=3" },
	{ "fault list", NULL, NULL, ROLE_VIEW, 0, RUN(ops_fault_list), args_none, columns_faults,
	  "faults", "places where it can be made to fail", "llmgwctl fault list" },
#endif
};
const size_t commands_count = COUNT(commands);
