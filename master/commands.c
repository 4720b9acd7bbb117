/* SPDX-License-Identifier: MIT
 * commands.c - THE command table: llmgwctl's verbs, the management API's paths, the manual's
 * list. In the order of the manual page. */
#include "master/commands.h"

#include "master/access_groups.h"
#include "master/commands_ops.h"
#include "master/commands_route.h"
#include "master/keys.h"
#include "master/credentials.h"
#include "master/history.h"
#include "master/models_info.h"
#include "master/models_store.h"
#include "master/settings.h"
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
static const struct command_arg args_key_rotate[] = {
	{ "key", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "the key, its hash or its alias" },
	{ "new_key", ARG_STRING, 0, "text of the new key; made at random when missing" },
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
static const struct command_arg args_model_page[] = {
	{ "page", ARG_INT, 0, "page, from 1" },
	{ "size", ARG_INT, 0, "models a page (50), at most 1000" },
	{ "model", ARG_STRING, 0, "only this model name" },
	{ "search", ARG_STRING, 0, "only where this stands in a name" },
	{ "modelId", ARG_STRING, 0, "only this deployment" },
	{ 0 },
};
static const struct command_arg args_model_new[] = {
	{ "model_name", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "name that clients ask for" },
	{ "litellm_params", ARG_JSON, ARG_REQUIRED | ARG_POSITIONAL,
	  "as in model_list: {\"model\": \"openai/gpt-4o\", \"api_key\": ...}" },
	{ "model_info", ARG_JSON, 0, "as in model_list; an id is made where it has none" },
	{ 0 },
};
static const struct command_arg args_model_update[] = {
	{ "id", ARG_STRING, ARG_POSITIONAL, "id of the model; in the path, or model_info.id" },
	{ "model_name", ARG_STRING, 0, "another name" },
	{ "litellm_params", ARG_JSON, 0, "members that take the place of those it has" },
	{ "model_info", ARG_JSON, 0, "the same of model_info" },
	{ 0 },
};
static const struct command_arg args_model_id[] = {
	{ "id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "id of the model" },
	{ 0 },
};
#define CREDENTIAL_FIELDS                                                                          \
	{ "credential_values", ARG_JSON, ARG_POSITIONAL, "as in litellm_params: {\"api_key\": ...}" }, \
	{ "credential_info", ARG_JSON, 0, "a JSON object, kept and shown as it is" }
static const struct command_arg args_credential_new[] = {
	{ "credential_name", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL,
	  "what litellm_credential_name says" },
	CREDENTIAL_FIELDS,
	{ "model_id", ARG_STRING, 0, "take the values of this model" },
	{ 0 },
};
static const struct command_arg args_credential_update[] = {
	{ "credential_name", ARG_STRING, ARG_POSITIONAL, "its name; by HTTP in the path" },
	CREDENTIAL_FIELDS,
	{ 0 },
};
static const struct command_arg args_credential[] = {
	{ "credential_name", ARG_STRING, ARG_POSITIONAL, "its name; by HTTP in the path" },
	{ 0 },
};
static const struct command_arg args_credential_model[] = {
	{ "model_id", ARG_STRING, ARG_POSITIONAL, "id of a model; by HTTP in the path" },
	{ 0 },
};
static const struct command_arg args_access_group_new[] = {
	{ "access_group", ARG_STRING, ARG_POSITIONAL, "its name; by HTTP, but for new, in the path" },
	{ "model_names", ARG_LIST, ARG_POSITIONAL | ARG_REPEATED, "model names that it stands for" },
	{ 0 },
};
static const struct command_arg args_access_group[] = {
	{ "access_group", ARG_STRING, ARG_POSITIONAL, "its name; by HTTP in the path" },
	{ 0 },
};
#define FALLBACK_TYPE                                                                              \
	{ "fallback_type", ARG_STRING, 0, "general (the default), context_window or content_policy" }
static const struct command_arg args_fallback_set[] = {
	{ "model", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "whose fallbacks" },
	{ "fallback_models", ARG_LIST, ARG_POSITIONAL | ARG_REPEATED, "models to go to, in order" },
	FALLBACK_TYPE,
	{ 0 },
};
static const struct command_arg args_fallback[] = {
	{ "model", ARG_STRING, ARG_POSITIONAL, "whose fallbacks; by HTTP in the path" },
	FALLBACK_TYPE,
	{ 0 },
};
#define CONFIG_TYPE                                                                                \
	{ "config_type", ARG_STRING, 0,                                                           \
	  "general_settings (the default), router_settings or litellm_settings" }
static const struct command_arg args_config_type[] = { CONFIG_TYPE, { 0 } };
static const struct command_arg args_config_field[] = {
	{ "field_name", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "name of the setting" },
	CONFIG_TYPE,
	{ 0 },
};
static const struct command_arg args_config_set[] = {
	{ "field_name", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "name of the setting" },
	{ "field_value", ARG_JSON, ARG_REQUIRED | ARG_POSITIONAL, "its value as JSON" },
	CONFIG_TYPE,
	{ 0 },
};
static const struct command_arg args_config_update[] = {
	{ "general_settings", ARG_JSON, 0, "settings of that section" },
	{ "router_settings", ARG_JSON, 0, "settings of that section" },
	{ "litellm_settings", ARG_JSON, 0, "settings of that section" },
	{ 0 },
};
static const struct command_arg args_version[] = {
	{ "version", ARG_INT, ARG_REQUIRED | ARG_POSITIONAL, "number in `config history`" },
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
static const struct command_column columns_access_groups[] = {
	{ "ACCESS GROUP", "access_group", COL_TEXT }, { "MODELS", "model_names", COL_LIST },
	{ "DEPLOYMENTS", "deployment_count", COL_INT }, { 0 },
};
static const struct command_column columns_settings[] = {
	{ "SETTING", "field_name", COL_TEXT }, { "VALUE", "field_value", COL_TEXT },
	{ "IN DATABASE", "stored_in_db", COL_BOOL }, { "DEFAULT", "field_default_value", COL_TEXT },
	{ 0 },
};
static const struct command_column columns_credentials[] = {
	{ "CREDENTIAL", "credential_name", COL_TEXT }, { "IN DATABASE", "stored_in_db", COL_BOOL },
	{ 0 },
};
static const struct command_column columns_secrets[] = {
	{ "KIND", "kind", COL_TEXT }, { "NAME", "name", COL_TEXT }, { "LABEL", "label", COL_TEXT },
	{ "READABLE", "readable", COL_BOOL }, { "UPDATED", "updated_at", COL_TIME },
	{ "BY", "updated_by", COL_TEXT }, { 0 },
};
static const struct command_column columns_history[] = {
	{ "VERSION", "version", COL_INT }, { "AT", "at", COL_TIME }, { "WHO", "who", COL_TEXT },
	{ "WHAT", "what", COL_TEXT }, { "GENERATION", "generation", COL_INT },
	{ "CAN ROLL BACK", "can_roll_back", COL_BOOL }, { 0 },
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
	{ "reload", "POST", "/config/reload", ROLE_ADMIN, 0, RUN(ops_reload), args_none, NULL, NULL,
	  "read the configuration again; answers when every worker has it", "llmgwctl reload" },
	{ "check", NULL, NULL, ROLE_VIEW, 0, RUN(ops_check), args_file, NULL, NULL,
	  "check a configuration file without using it", "llmgwctl check /etc/llmgw/llmgw.yaml" },
	{ "workers list", NULL, NULL, ROLE_VIEW, 0, RUN(ops_workers), args_none, columns_workers,
	  "workers", "list worker processes", "llmgwctl workers" },
	{ "workers restart", NULL, NULL, ROLE_ADMIN, 0, RUN(ops_workers_restart), args_worker, NULL,
	  NULL, "replace workers one by one, finishing what runs", "llmgwctl workers restart" },
	{ "workers drain", NULL, NULL, ROLE_ADMIN, CMD_DESTROYS, RUN(ops_workers_drain),
	  args_worker, NULL, NULL, "let a worker finish and end; another takes its place",
	  "llmgwctl workers drain 1" },
	{ "upgrade", NULL, NULL, ROLE_ADMIN, 0, RUN(ops_upgrade), args_none, NULL, NULL,
	  "replace the running program by the installed one, sockets kept", "llmgwctl upgrade" },
	{ "keys create", "POST", "/key/generate", ROLE_ADMIN, 0, RUN(keys_generate),
	  args_key_create, NULL, NULL, "make a key; its text is shown once",
	  "llmgwctl keys create --key-alias research --max-budget 50 --models gpt-4o" },
	{ "keys list", "GET", "/key/list", ROLE_VIEW, 0, RUN(keys_list), args_key_list,
	  columns_keys, "keys", "list keys", "llmgwctl keys list" },
	{ "keys show", "GET", "/key/info", ROLE_ANY_KEY, 0, RUN(keys_info), args_key_info, NULL,
	  NULL, "show one key", "llmgwctl keys show research" },
	{ "keys update", "POST", "/key/update", ROLE_ADMIN, 0, RUN(keys_update), args_key_update,
	  NULL, NULL, "change a key", "llmgwctl keys update research --max-budget 100" },
	{ "keys rotate", "POST", "/key/regenerate", ROLE_ADMIN, CMD_DESTROYS, RUN(keys_rotate),
	  args_key_rotate, NULL, NULL, "give a key a new text; the old one ends at once",
	  "llmgwctl keys rotate research --yes" },
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
	{ "models info", "GET", "/model/info", ROLE_ANY_KEY, CMD_NO_CTL, RUN(models_info),
	  args_model, NULL, NULL, "deployments as LiteLLM tells them",
	  "curl localhost:4000/model/info" },
	{ "models info v1", "GET", "/v1/model/info", ROLE_ANY_KEY, CMD_NO_CTL, RUN(models_info),
	  args_model, NULL, NULL, "the same", "curl localhost:4000/v1/model/info" },
	{ "models info v2", "GET", "/v2/model/info", ROLE_VIEW, CMD_NO_CTL, RUN(models_info_paged),
	  args_model_page, NULL, NULL, "the same, page by page",
	  "curl localhost:4000/v2/model/info?page=2" },
	{ "models hub", "GET", "/public/model_hub", ROLE_ANY_KEY, CMD_NO_CTL, RUN(models_hub),
	  args_none, NULL, NULL, "models that are shown to everybody",
	  "curl localhost:4000/public/model_hub" },
	{ "models add", "POST", "/model/new", ROLE_ADMIN, 0, RUN(models_new), args_model_new, NULL,
	  NULL, "add a model; it is stored, and served when this answers",
	  "llmgwctl models add gpt-4o '{\"model\": \"openai/gpt-4o\", \"litellm_credential_name\": "
	  "\"openai\"}'" },
	{ "models update", "POST", "/model/update", ROLE_ADMIN, 0, RUN(models_update),
	  args_model_update, NULL, NULL, "change a model that was added",
	  "llmgwctl models update 6f1c --litellm-params '{\"rpm\": 100}'" },
	{ "models patch", "PATCH", "/model/{name}/update", ROLE_ADMIN, CMD_NO_CTL,
	  RUN(models_update), args_model_update, NULL, NULL, "the same, by the id in the path",
	  "curl -X PATCH localhost:4000/model/6f1c/update -d '{\"model_name\": \"gpt-4o\"}'" },
	{ "models delete", "POST", "/model/delete", ROLE_ADMIN, CMD_DESTROYS, RUN(models_delete),
	  args_model_id, NULL, NULL, "delete a model that was added",
	  "llmgwctl models delete 6f1c --yes" },
	{ "models groups", "GET", "/model_group/info", ROLE_ANY_KEY, 0, RUN(models_groups),
	  args_group, columns_groups, "data", "model names: limits, prices, providers",
	  "llmgwctl models groups" },
	{ "models params", "GET", "/utils/supported_openai_params", ROLE_ANY_KEY, 0,
	  RUN(models_params), args_model_needed, NULL, NULL, "which of OpenAI's parameters a model takes",
	  "llmgwctl models params groq/llama-3.3-70b-versatile" },
	{ "access-groups add", "POST", "/access_group/new", ROLE_ADMIN, 0, RUN(access_groups_new),
	  args_access_group_new, NULL, NULL, "make a name that stands for several models in a key's list",
	  "llmgwctl access-groups add beta gpt-4o claude-opus" },
	{ "access-groups list", "GET", "/access_group/list", ROLE_VIEW, 0, RUN(access_groups_list),
	  args_none, columns_access_groups, "access_groups", "list those names",
	  "llmgwctl access-groups" },
	{ "access-groups show", "GET", "/access_group/{name}/info", ROLE_VIEW, 0,
	  RUN(access_groups_info), args_access_group, NULL, NULL, "show one of them",
	  "llmgwctl access-groups show beta" },
	{ "access-groups update", "PUT", "/access_group/{name}/update", ROLE_ADMIN, 0,
	  RUN(access_groups_update), args_access_group_new, NULL, NULL, "give it other models",
	  "llmgwctl access-groups update beta gpt-4o" },
	{ "access-groups delete", "DELETE", "/access_group/{name}/delete", ROLE_ADMIN, CMD_DESTROYS,
	  RUN(access_groups_delete), args_access_group, NULL, NULL, "delete it; its models stay",
	  "llmgwctl access-groups delete beta --yes" },
	{ "fallbacks set", "POST", "/fallback", ROLE_ADMIN, 0, RUN(fallbacks_set),
	  args_fallback_set, NULL, NULL, "set the models to go to when one fails",
	  "llmgwctl fallbacks set gpt-4o claude-opus" },
	{ "fallbacks show", "GET", "/fallback/{name}", ROLE_VIEW, 0, RUN(fallbacks_show),
	  args_fallback, NULL, NULL, "show them", "llmgwctl fallbacks show gpt-4o" },
	{ "fallbacks delete", "DELETE", "/fallback/{name}", ROLE_ADMIN, CMD_DESTROYS,
	  RUN(fallbacks_delete), args_fallback, NULL, NULL, "delete them",
	  "llmgwctl fallbacks delete gpt-4o --yes" },
	{ "credentials add", "POST", "/credentials", ROLE_ADMIN, 0, RUN(credentials_new),
	  args_credential_new, NULL, NULL, "add a credential, which models name",
	  "llmgwctl credentials add openai '{\"api_key\": \"os.environ/OPENAI_KEY\"}'" },
	{ "credentials list", "GET", "/credentials", ROLE_VIEW, 0, RUN(credentials_list), args_none,
	  columns_credentials, "credentials", "list credentials, their values masked",
	  "llmgwctl credentials" },
	{ "credentials show", "GET", "/credentials/by_name/{name}", ROLE_VIEW, 0,
	  RUN(credentials_by_name), args_credential, NULL, NULL, "show one credential",
	  "llmgwctl credentials show openai" },
	{ "credentials model", "GET", "/credentials/by_model/{name}", ROLE_VIEW, 0,
	  RUN(credentials_by_model), args_credential_model, NULL, NULL,
	  "what a model authenticates with, masked", "llmgwctl credentials model 6f1c" },
	{ "credentials update", "PATCH", "/credentials/{name}", ROLE_ADMIN, 0,
	  RUN(credentials_update), args_credential_update, NULL, NULL, "change a credential",
	  "llmgwctl credentials update openai '{\"api_base\": \"https://eu.api.openai.com/v1\"}'" },
	{ "credentials delete", "DELETE", "/credentials/{name}", ROLE_ADMIN, CMD_DESTROYS,
	  RUN(credentials_delete), args_credential, NULL, NULL, "delete a credential that no model names",
	  "llmgwctl credentials delete openai --yes" },
	{ "secrets list", NULL, NULL, ROLE_VIEW, 0, RUN(secrets_status), args_none, columns_secrets,
	  "secrets", "what is sealed in the database, and whether the key at hand opens it",
	  "llmgwctl secrets" },
	{ "health list", "GET", "/health", ROLE_VIEW, 0, RUN(ops_health), args_health,
	  columns_health, "endpoints",
	  "which deployments answer, by their last probe and their traffic", "llmgwctl health" },
	{ "health probe", NULL, NULL, ROLE_ADMIN, 0, RUN(ops_health_probe), args_health,
	  columns_health, "endpoints", "probe deployments now", "llmgwctl health probe gpt-4o" },
	{ "health clear", NULL, NULL, ROLE_ADMIN, 0, RUN(ops_health_clear), args_health, NULL, NULL,
	  "end cooldowns now", "llmgwctl health clear gpt-4o" },
	{ "route explain", "POST", "/route/explain", ROLE_ADMIN, 0, RUN(route_explain),
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
	{ "logs tail", NULL, NULL, ROLE_VIEW, 0, RUN(ops_logs_tail), args_logs, columns_logs,
	  "lines", "the master's newest log records", "llmgwctl logs tail --lines 20" },
	{ "config show", NULL, NULL, ROLE_VIEW, 0, RUN(ops_config_show), args_config_show, NULL,
	  NULL, "the configuration in force, secrets masked", "llmgwctl config show --origin" },
	{ "config diff", NULL, NULL, ROLE_VIEW, 0, RUN(ops_config_diff), args_file, columns_diff,
	  "changes", "what a reload would change", "llmgwctl config diff" },
	{ "config yaml", "GET", "/config/yaml", ROLE_VIEW, CMD_NO_CTL, RUN(ops_config_show),
	  args_config_show, NULL, NULL, "the same as config show", "curl localhost:4000/config/yaml" },
	{ "config list", "GET", "/config/list", ROLE_VIEW, 0, RUN(settings_list), args_config_type,
	  columns_settings, NULL, "settings of a section, with type and default",
	  "llmgwctl config list --config-type router_settings" },
	{ "config get", "GET", "/config/field/info", ROLE_VIEW, 0, RUN(settings_field),
	  args_config_field, NULL, NULL, "one setting",
	  "llmgwctl config get num_retries --config-type router_settings" },
	{ "config set", "POST", "/config/field/update", ROLE_ADMIN, 0, RUN(settings_field_update),
	  args_config_set, NULL, NULL, "set it in the database, over what the file says",
	  "llmgwctl config set num_retries 3 --config-type router_settings" },
	{ "config unset", "POST", "/config/field/delete", ROLE_ADMIN, 0, RUN(settings_field_delete),
	  args_config_field, NULL, NULL, "delete it there: the file's counts again",
	  "llmgwctl config unset num_retries --config-type router_settings" },
	{ "config update", "POST", "/config/update", ROLE_ADMIN, CMD_NO_CTL, RUN(settings_update),
	  args_config_update, NULL, NULL, "set several",
	  "curl localhost:4000/config/update -d '{\"router_settings\": {\"num_retries\": 3}}'" },
	{ "config callbacks", "GET", "/get/config/callbacks", ROLE_VIEW, CMD_NO_CTL,
	  RUN(settings_callbacks), args_none, NULL, NULL, "callbacks and settings of the router",
	  "curl localhost:4000/get/config/callbacks" },
	{ "router settings", "GET", "/router/settings", ROLE_VIEW, CMD_NO_CTL, RUN(settings_router),
	  args_none, NULL, NULL, "settings of the router", "curl localhost:4000/router/settings" },
	{ "router fields", "GET", "/router/fields", ROLE_VIEW, CMD_NO_CTL,
	  RUN(settings_router_fields), args_none, NULL, NULL, "the same without values",
	  "curl localhost:4000/router/fields" },
	{ "config history", NULL, NULL, ROLE_VIEW, 0, RUN(history_list), args_none, columns_history,
	  "versions", "configurations that were in force, newest first", "llmgwctl config history" },
	{ "config version", NULL, NULL, ROLE_VIEW, 0, RUN(history_show), args_version, NULL, NULL,
	  "one of them, and what it changed", "llmgwctl config version 7" },
	{ "config rollback", NULL, NULL, ROLE_ADMIN, CMD_DESTROYS, RUN(history_rollback),
	  args_version, NULL, NULL,
	  "put an older configuration into force, with the objects that the database had then",
	  "llmgwctl config rollback 7 --yes" },
	{ "backup", NULL, NULL, ROLE_ADMIN, 0, RUN(ops_backup), args_backup, NULL, NULL,
	  "copy the database while running", "llmgwctl backup /var/backups/llmgw.db" },
#ifdef LLMGW_FAULTS
	{ "fault set", NULL, NULL, ROLE_ADMIN, 0, RUN(ops_fault_set), args_fault, columns_faults,
	  "faults", "make the program fail at a place in it",
	  "llmgwctl fault set spend.after_push kill after=3" },
	{ "fault list", NULL, NULL, ROLE_VIEW, 0, RUN(ops_fault_list), args_none, columns_faults,
	  "faults", "places where it can be made to fail", "llmgwctl fault list" },
#endif
};
const size_t commands_count = COUNT(commands);
