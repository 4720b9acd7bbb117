/* SPDX-License-Identifier: MIT
 * commands.c - THE command table: llmgwctl's verbs, the management API's paths, the manual's
 * list. In the order of the manual page. */
#include "master/commands.h"

#include "master/access_groups.h"
#include "master/alerts.h"
#include "master/cached.h"
#include "master/commands_ops.h"
#include "master/commands_route.h"
#include "master/provider_budgets.h"
#include "master/keys.h"
#include "master/credentials.h"
#include "master/history.h"
#include "master/audit.h"
#include "master/keys_more.h"
#include "master/import_rows.h"
#include "master/models_info.h"
#include "master/newcomers.h"
#include "master/models_store.h"
#include "master/price_import.h"
#include "master/price_list.h"
#include "master/settings.h"
#include "master/spend.h"
#include "master/texts_read.h"
#include "master/teams.h"
#include "master/tenants.h"
#include "master/users_more.h"
#include "master/tokenizers.h"

static const struct command_arg args_none[] = { { 0 } };
static const struct command_arg args_file[] = {
	{ "file", ARG_STRING, ARG_POSITIONAL, "configuration file; the one in force when missing" },
	{ 0 },
};
static const struct command_arg args_worker[] = {
	{ "slot", ARG_INT, ARG_POSITIONAL, "worker's slot number; all when missing" },
	{ 0 },
};
/* Limits for single models; of customers and tags only the last. */
#define MODEL_BUDGET                                                                              \
	{ "model_max_budget", ARG_JSON, 0,                                                        \
	  "{model: {budget_limit, time_period, rpm_limit, tpm_limit}}" }
#define MODEL_FIELDS                                                                              \
	{ "model_rpm_limit", ARG_JSON, 0, "requests a minute of single models: {model: n}" },     \
	{ "model_tpm_limit", ARG_JSON, 0, "tokens a minute of single models: {model: n}" },       \
	MODEL_BUDGET
/* Limits in windows, and how fast requests may come, of keys and teams. */
#define WINDOW_FIELDS                                                                             \
	{ "limit_windows", ARG_JSON, 0,                                                           \
	  "limits in windows: [{duration, kind, requests, tokens or cost, multipliers}]" },       \
	{ "rpm_burst", ARG_INT, 0, "requests that may come at once, and then at an even pace" },    \
	{ "tpm_input_limit", ARG_INT, 0, "tokens of prompts a minute" },                          \
	{ "tpm_output_limit", ARG_INT, 0, "tokens of answers a minute" }
#define KEY_FIELDS                                                                                \
	{ "key_alias", ARG_STRING, 0, "name of the key; unique" },                                \
	{ "models", ARG_LIST, 0, "models it may use, '*' patterns allowed; empty: all" },         \
	{ "max_budget", ARG_MONEY, 0, "dollars it may spend" },                                   \
	{ "budget_duration", ARG_DURATION, 0, "the budget starts anew each 30s, 24h, 7d, 1mo" },  \
	MODEL_FIELDS,                                                                             \
	{ "rpm_limit", ARG_INT, 0, "requests a minute" },                                         \
	{ "tpm_limit", ARG_INT, 0, "tokens a minute" },                                           \
	{ "max_parallel_requests", ARG_INT, 0, "requests at the same time" },                     \
	WINDOW_FIELDS,                                                                            \
	{ "duration", ARG_DURATION, 0, "expires after 30s, 24h, 30d; -1: never" },                \
	{ "user_id", ARG_STRING, 0, "user it belongs to" },                                       \
	{ "team_id", ARG_STRING, 0, "team it belongs to" },                                       \
	{ "organization_id", ARG_STRING, 0, "organization it belongs to" },                       \
	{ "blocked", ARG_BOOL, 0, "refuse it until it is unblocked" },                            \
	{ "metadata", ARG_JSON, 0, "a JSON object, kept and shown as it is" },                    \
	{ "soft_budget", ARG_MONEY, 0, "dollars from which on alerts say so; nothing is refused" }
static const struct command_arg args_alerts_test[] = {
	{ "receiver", ARG_STRING, ARG_POSITIONAL,
	  "slack, discord, teams, webhook or email; all when missing" },
	{ 0 },
};
static const struct command_arg args_services[] = {
	{ "service", ARG_STRING, ARG_REQUIRED,
	  "slack, slack_budget_alerts, discord, teams, webhook or email" },
	{ 0 },
};
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
	MODEL_FIELDS,                                                                             \
	{ "rpm_limit", ARG_INT, 0, "requests a minute" },                                         \
	{ "tpm_limit", ARG_INT, 0, "tokens a minute" },                                           \
	{ "max_parallel_requests", ARG_INT, 0, "requests at the same time" },                     \
	WINDOW_FIELDS,                                                                            \
	{ "organization_id", ARG_STRING, 0, "organization it belongs to" },                       \
	{ "blocked", ARG_BOOL, 0, "refuse its keys until it is unblocked" },                      \
	{ "metadata", ARG_JSON, 0, "a JSON object, kept and shown as it is" },                    \
	{ "soft_budget", ARG_MONEY, 0, "dollars from which on alerts say so; nothing is refused" }
#define TEAM_ID { "team_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "id of the team" }
#define MEMBER_DEFAULTS                                                                           \
	{ "team_member_budget", ARG_MONEY, 0, "dollars that each member may spend who has no budget of its own" }, \
	{ "team_member_budget_duration", ARG_DURATION, 0, "it starts anew each 30s, 24h, 7d, 1mo" }, \
	{ "team_member_rpm_limit", ARG_INT, 0, "requests a minute of such a member" },            \
	{ "team_member_tpm_limit", ARG_INT, 0, "tokens a minute of such a member" }
static const struct command_arg args_team_create[] = {
	{ "team_id", ARG_STRING, ARG_POSITIONAL, "its id; made at random when missing" },
	TEAM_FIELDS,
	{ "members_with_roles", ARG_JSON, 0, "list of {role, user_id or user_email}" },
	MEMBER_DEFAULTS,
	{ 0 },
};
static const struct command_arg args_team_update[] = {
	TEAM_ID,
	TEAM_FIELDS,
	MEMBER_DEFAULTS,
	{ "spend", ARG_MONEY, 0, "set what it has spent in this period" },
	{ 0 },
};
static const struct command_arg args_team_one[] = { TEAM_ID, { 0 } };
static const struct command_arg args_team_callback[] = {
	TEAM_ID,
	{ "callback_name", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL,
	  "one of those that litellm_settings.callbacks may name" },
	{ "callback_type", ARG_STRING, 0, "success, failure or success_and_failure" },
	{ "callback_vars", ARG_JSON, 0, "its address and keys, which are kept sealed" },
	{ 0 }
};
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
static const struct command_arg args_team_available[] = {
	{ "user_id", ARG_STRING, 0, "only those that this user is not in" },
	{ 0 },
};
#define MEMBER_LIMITS                                                                             \
	{ "max_budget_in_team", ARG_MONEY, 0, "dollars of the team's that each may spend" },      \
	{ "rpm_limit", ARG_INT, 0, "requests a minute of each in the team" },                     \
	{ "tpm_limit", ARG_INT, 0, "tokens a minute of each in the team" }
static const struct command_arg args_team_add[] = {
	TEAM_ID,
	{ "member", ARG_JSON, ARG_REQUIRED | ARG_POSITIONAL,
	  "{role, user_id or user_email}, or a list of them" },
	MEMBER_LIMITS,
	{ 0 },
};
static const struct command_arg args_team_bulk[] = {
	TEAM_ID,
	{ "members", ARG_JSON, ARG_POSITIONAL, "list of {role, user_id or user_email}" },
	{ "all_users", ARG_BOOL, 0, "instead: all users that there are" },
	MEMBER_LIMITS,
	{ 0 },
};
static const struct command_arg args_team_models[] = {
	TEAM_ID,
	{ "models", ARG_LIST, ARG_REQUIRED | ARG_POSITIONAL | ARG_REPEATED, "names of models" },
	{ 0 },
};
static const struct command_arg args_team_permit[] = {
	TEAM_ID,
	{ "team_member_permissions", ARG_LIST, ARG_POSITIONAL | ARG_REPEATED,
	  "paths that members may call for their keys, such as /key/generate; '' for none" },
	{ 0 },
};
static const struct command_arg args_team_member[] = {
	TEAM_ID,
	{ "user_id", ARG_STRING, ARG_POSITIONAL, "the user's id" },
	{ "user_email", ARG_STRING, 0, "or the e-mail address" },
	{ "role", ARG_STRING, 0, "admin or user" },
	MEMBER_LIMITS,
	{ 0 },
};
static const struct command_arg args_team_remove[] = {
	TEAM_ID,
	{ "user_id", ARG_STRING, ARG_POSITIONAL, "the user's id" },
	{ "user_email", ARG_STRING, 0, "or the e-mail address" },
	{ 0 },
};
#define TENANT_LIMITS                                                                             \
	{ "max_budget", ARG_MONEY, 0, "dollars to be spent" },                                    \
	{ "budget_duration", ARG_DURATION, 0, "the budget starts anew each 30s, 24h, 7d, 1mo" },  \
	{ "rpm_limit", ARG_INT, 0, "requests a minute" },                                         \
	{ "tpm_limit", ARG_INT, 0, "tokens a minute" },                                           \
	{ "max_parallel_requests", ARG_INT, 0, "requests at the same time" },                     \
	{ "soft_budget", ARG_MONEY, 0, "dollars from which on alerts say so; nothing is refused" }
#define TENANT_MORE                                                                               \
	{ "metadata", ARG_JSON, 0, "a JSON object, kept and shown as it is" },                    \
	{ "blocked", ARG_BOOL, 0, "refuse requests until it is unblocked" }
#define BUDGET_REF { "budget_id", ARG_STRING, 0, "budget whose limits hold where none is given" }
#define USER_FIELDS                                                                               \
	TENANT_LIMITS, TENANT_MORE, MODEL_FIELDS,                                                 \
	{ "user_alias", ARG_STRING, 0, "name of the user" },                                      \
	{ "user_email", ARG_STRING, 0, "e-mail address" },                                        \
	{ "user_role", ARG_STRING, 0, "proxy_admin, proxy_admin_viewer, internal_user, internal_user_viewer" }, \
	{ "models", ARG_LIST, 0, "models that the user's keys without a team may use" }
static const struct command_arg args_user_create[] = {
	{ "user_id", ARG_STRING, ARG_POSITIONAL, "its id; made at random when missing" },
	USER_FIELDS,
	{ "auto_create_key", ARG_BOOL, 0, "make a key of the user, too (true)" },
	{ "key_alias", ARG_STRING, 0, "name of that key" },
	{ "teams", ARG_LIST, 0, "ids of teams to be a member of" },
	{ "organizations", ARG_LIST, 0, "ids of organizations to be a member of" },
	{ 0 },
};
static const struct command_arg args_user_update[] = {
	{ "user_id", ARG_STRING, ARG_POSITIONAL, "id of the user; user_email may say it, too" },
	USER_FIELDS,
	{ "spend", ARG_MONEY, 0, "set what has been spent in this period" },
	{ 0 },
};
static const struct command_arg args_user_one[] = {
	{ "user_id", ARG_STRING, ARG_POSITIONAL, "id of the user; by HTTP: the caller's own when missing" },
	{ 0 },
};
static const struct command_arg args_user_sync[] = {
	{ "user_id", ARG_STRING, ARG_POSITIONAL, "id of the user" },
	{ "user_role", ARG_STRING, 0, "what it is to be" },
	{ "teams", ARG_LIST, ARG_REPEATED,
	  "ids of all teams that it is to be in; it leaves others, with its keys in them" },
	{ "only_join", ARG_BOOL, 0, "it leaves none" },
	{ "team_alias", ARG_STRING, 0, "of a team whose id is wanted" },
	{ "organization_alias", ARG_STRING, 0, "of an organization whose id is wanted" },
	{ 0 },
};
static const struct command_arg args_user_delete[] = {
	{ "user_ids", ARG_LIST, ARG_REQUIRED | ARG_POSITIONAL | ARG_REPEATED, "ids of users" },
	{ 0 },
};
static const struct command_arg args_user_list[] = {
	{ "role", ARG_STRING, 0, "only of this role" },
	{ "user_email", ARG_STRING, 0, "only whose address has this in it" },
	{ "team", ARG_STRING, 0, "only members of this team" },
	{ "page", ARG_INT, 0, "page, from 1" },
	{ "page_size", ARG_INT, 0, "users a page, at most 10000" },
	{ 0 },
};
static const struct command_arg args_user_bulk[] = {
	{ "users", ARG_JSON, ARG_POSITIONAL, "list of objects, each what `users update` takes" },
	{ "all_users", ARG_BOOL, 0, "instead: all users that there are" },
	{ "user_updates", ARG_JSON, 0, "what all users get" },
	{ 0 },
};
#define ORGANIZATION_FIELDS                                                                       \
	TENANT_LIMITS, TENANT_MORE, BUDGET_REF, MODEL_FIELDS,                                     \
	{ "models", ARG_LIST, 0, "models that its teams and keys may use; empty: all" }
static const struct command_arg args_org_create[] = {
	{ "organization_alias", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "name of the organization" },
	{ "organization_id", ARG_STRING, 0, "its id; made at random when missing" },
	ORGANIZATION_FIELDS,
	{ 0 },
};
static const struct command_arg args_org_update[] = {
	{ "organization_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "id of the organization" },
	{ "organization_alias", ARG_STRING, 0, "name of the organization" },
	ORGANIZATION_FIELDS,
	{ "spend", ARG_MONEY, 0, "set what has been spent in this period" },
	{ 0 },
};
static const struct command_arg args_org_one[] = {
	{ "organization_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "id of the organization" },
	{ 0 },
};
#define ORG_MEMBER_BUDGET                                                                         \
	{ "max_budget_in_organization", ARG_MONEY, 0, "dollars that each may spend there" }
static const struct command_arg args_org_add[] = {
	{ "organization_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "id of the organization" },
	{ "member", ARG_JSON, ARG_REQUIRED | ARG_POSITIONAL,
	  "{role, user_id or user_email}, or a list of them" },
	ORG_MEMBER_BUDGET,
	{ 0 },
};
#define ORG_MEMBER                                                                                \
	{ "organization_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "id of the organization" }, \
	{ "user_id", ARG_STRING, ARG_POSITIONAL, "the user's id" },                               \
	{ "user_email", ARG_STRING, 0, "or the e-mail address" }
static const struct command_arg args_org_member[] = {
	ORG_MEMBER,
	{ "role", ARG_STRING, 0, "org_admin, internal_user or internal_user_viewer" },
	ORG_MEMBER_BUDGET,
	{ 0 },
};
static const struct command_arg args_org_remove[] = { ORG_MEMBER, { 0 } };
static const struct command_arg args_org_delete[] = {
	{ "organization_ids", ARG_LIST, ARG_REQUIRED | ARG_POSITIONAL | ARG_REPEATED, "ids of organizations" },
	{ 0 },
};
static const struct command_arg args_page[] = {
	{ "page", ARG_INT, 0, "page, from 1" },
	{ "page_size", ARG_INT, 0, "rows a page, at most 10000" },
	{ 0 },
};
#define CUSTOMER_FIELDS                                                                           \
	TENANT_LIMITS, TENANT_MORE, BUDGET_REF, MODEL_BUDGET,                                     \
	{ "alias", ARG_STRING, 0, "name of the customer" }
static const struct command_arg args_customer_create[] = {
	{ "user_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "what requests call the customer" },
	CUSTOMER_FIELDS,
	{ 0 },
};
static const struct command_arg args_customer_update[] = {
	{ "user_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "what requests call the customer" },
	CUSTOMER_FIELDS,
	{ "spend", ARG_MONEY, 0, "set what has been spent in this period" },
	{ 0 },
};
static const struct command_arg args_customer_one[] = {
	{ "end_user_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "what requests call the customer" },
	{ 0 },
};
static const struct command_arg args_customer_many[] = {
	{ "user_ids", ARG_LIST, ARG_REQUIRED | ARG_POSITIONAL | ARG_REPEATED, "ids of customers" },
	{ 0 },
};
static const struct command_arg args_budget_create[] = {
	{ "budget_id", ARG_STRING, ARG_POSITIONAL, "its id; made at random when missing" },
	TENANT_LIMITS,
	{ 0 },
};
static const struct command_arg args_budget_update[] = {
	{ "budget_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "id of the budget" },
	TENANT_LIMITS,
	{ 0 },
};
static const struct command_arg args_budget_some[] = {
	{ "budgets", ARG_LIST, ARG_REQUIRED | ARG_POSITIONAL | ARG_REPEATED, "ids of budgets" },
	{ 0 },
};
static const struct command_arg args_budget_one[] = {
	{ "budget_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "id of the budget" },
	{ 0 },
};
static const struct command_arg args_budget_delete[] = {
	{ "id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "id of the budget" },
	{ 0 },
};
#define TAG_FIELDS                                                                                \
	TENANT_LIMITS, BUDGET_REF, MODEL_BUDGET,                                                  \
	{ "description", ARG_STRING, 0, "what it is for" },                                       \
	{ "blocked", ARG_BOOL, 0, "refuse requests that name it" }
static const struct command_arg args_tag_create[] = {
	{ "name", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "the tag, as requests name it" },
	TAG_FIELDS,
	{ 0 },
};
static const struct command_arg args_tag_update[] = {
	{ "name", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "the tag, as requests name it" },
	TAG_FIELDS,
	{ "spend", ARG_MONEY, 0, "set what has been spent in this period" },
	{ 0 },
};
static const struct command_arg args_tag_some[] = {
	{ "names", ARG_LIST, ARG_REQUIRED | ARG_POSITIONAL | ARG_REPEATED, "tags" },
	{ 0 },
};
static const struct command_arg args_tag_one[] = {
	{ "name", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "the tag" },
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
#define SPEND_DAYS                                                                                \
	{ "start_date", ARG_STRING, 0, "from this day, YYYY-MM-DD" },                             \
	{ "end_date", ARG_STRING, 0, "to this day, YYYY-MM-DD" }
#define SPEND_ROWS                                                                                \
	{ "api_key", ARG_STRING, 0, "only of this key or hash" },                                 \
	{ "key_alias", ARG_STRING, 0, "only of the key with this alias" },                        \
	{ "user_id", ARG_STRING, 0, "only of this user" },                                        \
	{ "team_id", ARG_STRING, 0, "only of this team" },                                        \
	{ "end_user", ARG_STRING, 0, "only of this end user" },                                   \
	{ "tag", ARG_STRING, 0, "only with this tag" },                                           \
	{ "model", ARG_STRING, 0, "only of this model, as asked or as sent" },                    \
	{ "model_id", ARG_STRING, 0, "only of this deployment" },                                 \
	{ "model_group", ARG_STRING, 0, "only of this model, as asked" },                         \
	{ "custom_llm_provider", ARG_STRING, 0, "only of this provider" },                        \
	{ "request_id", ARG_STRING, 0, "only this request" },                                     \
	{ "status_filter", ARG_STRING, 0, "only success or only failure" },                       \
	{ "min_spend", ARG_MONEY, 0, "only what cost as much or more" },                          \
	{ "max_spend", ARG_MONEY, 0, "only what cost as much or less" },                          \
	SPEND_DAYS
#define SPEND_TEXTS(doc) { "texts", ARG_BOOL, 0, doc }
static const struct command_arg args_spend_logs[] = {
	SPEND_ROWS,
	SPEND_TEXTS("prompts and answers, too, as far as they are kept; for administrators"),
	{ "limit", ARG_INT, 0, "rows at most (100)" },
	{ "before", ARG_STRING, 0, "only rows older than this request: the next page" },
	{ "summarize", ARG_BOOL, 0, "sums by day instead of rows" },
	{ 0 },
};
static const struct command_arg args_spend_pages[] = {
	SPEND_ROWS,
	SPEND_TEXTS("prompts and answers, too, as far as they are kept; for administrators"),
	{ "page", ARG_INT, 0, "page, from 1" },
	{ "page_size", ARG_INT, 0, "rows a page, at most 100 (50)" },
	{ "sort_by", ARG_STRING, 0,
	  "startTime, endTime, spend, total_tokens, request_duration_ms or model (startTime)" },
	{ "sort_order", ARG_STRING, 0, "asc or desc (desc)" },
	{ 0 },
};
static const struct command_arg args_spend_show[] = {
	{ "request_id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "the request" },
	SPEND_TEXTS("with prompt and answer, for administrators; false: without"),
	{ 0 },
};
static const struct command_arg args_spend_purge[] = {
	{ "before", ARG_STRING, ARG_REQUIRED, "what was said before this day, YYYY-MM-DD" },
	{ "dry_run", ARG_BOOL, 0, "only say how much that is" },
	{ 0 },
};
static const struct command_arg args_spend_export[] = {
	SPEND_TEXTS("with jsonl: prompts and answers, too, as far as they are kept"),
	{ "format", ARG_STRING, 0, "csv or jsonl: single requests; focus: charges a day (csv)" },
	{ "start", ARG_STRING, 0, "from this day, YYYY-MM-DD" },
	{ "end", ARG_STRING, 0, "to this day, YYYY-MM-DD" },
	{ "out", ARG_STRING, 0, "file to write; standard output when missing; by HTTP nothing" },
	{ "cursor", ARG_STRING, 0, "by HTTP: `next` of the page before" },
	{ 0 },
};
static const struct command_arg args_estimate[] = {
	{ "model", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "a model name, or provider/model" },
	{ "input_tokens", ARG_INT, 0, "tokens of the prompt" },
	{ "output_tokens", ARG_INT, 0, "tokens of the answer" },
	{ "num_requests_per_day", ARG_INT, 0, "requests a day" },
	{ "num_requests_per_month", ARG_INT, 0, "requests a month" },
	{ 0 },
};
static const struct command_arg args_calculate[] = {
	{ "completion_response", ARG_JSON, ARG_REQUIRED | ARG_POSITIONAL, "an answer with its usage" },
	{ "model", ARG_STRING, 0, "model name; that of the answer when missing" },
	{ 0 },
};
static const struct command_arg args_spend_keys[] = {
	{ "limit", ARG_INT, 0, "rows at most (100)" },
	{ 0 },
};
static const struct command_arg args_spend_report[] = {
	{ "group_by", ARG_STRING, 0,
	  "day, hour, model, key, user, team, organization, customer, tag, provider, deployment or "
	  "endpoint (day)" },
	SPEND_DAYS,
	{ 0 },
};
static const struct command_arg args_spend_list[] = {
	SPEND_DAYS,
	{ "limit", ARG_INT, 0, "rows at most (1000)" },
	{ 0 },
};
static const struct command_arg args_spend_days[] = {
	SPEND_DAYS,
	{ "api_key", ARG_STRING, 0, "only of this key or hash" },
	{ 0 },
};
static const struct command_arg args_spend_tags[] = {
	SPEND_DAYS,
	{ "tags", ARG_STRING, 0, "only these, comma separated" },
	{ "limit", ARG_INT, 0, "rows at most (1000)" },
	{ 0 },
};
static const struct command_arg args_spend_end_users[] = {
	{ "startTime", ARG_STRING, 0, "from this day, YYYY-MM-DD" },
	{ "endTime", ARG_STRING, 0, "to this day, YYYY-MM-DD" },
	{ "api_key", ARG_STRING, 0, "only of this key or hash" },
	{ "limit", ARG_INT, 0, "rows at most (100)" },
	{ 0 },
};
static const struct command_arg args_spend_details[] = {
	{ "group_by", ARG_STRING, 0, "team, customer or api_key (team)" },
	SPEND_DAYS,
	{ "api_key", ARG_STRING, 0, "only of this key or hash" },
	{ "internal_user_id", ARG_STRING, 0, "only of this user's keys" },
	{ "team_id", ARG_STRING, 0, "only of this team" },
	{ "customer_id", ARG_STRING, 0, "only of this end user" },
	{ 0 },
};
#define SPEND_ACTIVITY(list, one, what)                                                           \
	{ "start_date", ARG_STRING, ARG_POSITIONAL, "from this day, YYYY-MM-DD; needed" },        \
	{ "end_date", ARG_STRING, ARG_POSITIONAL, "to this day, YYYY-MM-DD; needed" },            \
	{ list, ARG_STRING, 0, "only these " what ", comma separated" },                          \
	{ one, ARG_STRING, 0, "only this one" },                                                  \
	{ "model", ARG_STRING, 0, "only of this model, as asked or as sent" },                    \
	{ "api_key", ARG_STRING, 0, "only of this key or hash" },                                 \
	{ "page", ARG_INT, 0, "page, from 1" },                                                   \
	{ "page_size", ARG_INT, 0, "sums a page, at most 1000 (50)" },                            \
	{ 0 }
static const struct command_arg args_activity_user[] = {
	SPEND_ACTIVITY("user_ids", "user_id", "users") };
static const struct command_arg args_activity_team[] = {
	SPEND_ACTIVITY("team_ids", "team_id", "teams") };
static const struct command_arg args_activity_organization[] = {
	SPEND_ACTIVITY("organization_ids", "organization_id", "organizations") };
static const struct command_arg args_activity_customer[] = {
	SPEND_ACTIVITY("end_user_ids", "end_user_id", "end users") };
static const struct command_arg args_activity_tag[] = {
	SPEND_ACTIVITY("tags", "tag", "tags") };
static const struct command_arg args_top[] = {
	{ "by", ARG_STRING, 0, "a row for each model, provider or deployment (model)" },
	{ "sort", ARG_STRING, 0, "first those with the most: requests, in-flight, failures, tokens, "
				 "cost or name (requests)" },
	{ "interval", ARG_DURATION, 0, "how long between two looks (1s)" },
	{ "once", ARG_BOOL, 0, "show one table and end" },
	{ 0 },
};
static const struct command_arg args_logs[] = {
	{ "lines", ARG_INT, 0, "how many of the newest (50)" },
	{ "level", ARG_STRING, 0, "only these and worse: error, warn, info, debug" },
	{ "event", ARG_STRING, 0, "only events of this name; * stands for anything" },
	{ "grep", ARG_STRING, 0, "only records that have this text in them" },
	{ "follow", ARG_BOOL, 0, "go on with new ones as they come, until interrupted" },
	{ 0 },
};
static const struct command_arg args_config_show[] = {
	{ "origin", ARG_BOOL, 0, "say where each value comes from" },
	{ 0 },
};
static const struct command_arg args_config_explain[] = {
	{ "directive", ARG_STRING, ARG_POSITIONAL | ARG_REQUIRED,
	  "its name, with or without its section; a section; a pattern with *" },
	{ 0 },
};
static const struct command_arg args_convert[] = {
	{ "file", ARG_STRING, ARG_POSITIONAL | ARG_REQUIRED,
	  "its configuration: LiteLLM's config.yaml, Bifrost's config.json, a Portkey config" },
	{ "from", ARG_STRING, 0, "litellm, bifrost or portkey, where the file does not tell" },
	{ "out", ARG_STRING, 0, "file to write; standard output when missing" },
	{ "model", ARG_STRING, 0, "what clients ask for, of a Portkey config (default)" },
	{ "with_secrets", ARG_BOOL, 0, "secrets go along; else os.environ/NAME takes their place" },
	{ 0 },
};
static const struct command_arg args_explain[] = {
	{ "model", ARG_STRING, ARG_POSITIONAL, "model that is asked for; else the body says it" },
	{ "call_id", ARG_STRING, 0, "instead: why the request of that call id went where it went" },
	{ "key", ARG_STRING, 0, "whether this key, its text or its hash, may use it" },
	{ "body", ARG_JSON, 0, "a request's body, to go by its length, stream, max_tokens" },
	{ "tokens", ARG_INT, 0, "length of the prompt" },
	{ "max_tokens", ARG_INT, 0, "length of the answer at most" },
	{ "max_cost", ARG_MONEY, 0, "dollars that it may cost" },
	{ "stream", ARG_BOOL, 0, "a stream is asked for" },
	{ "tags", ARG_LIST, 0, "tags of the request" },
	{ "region", ARG_STRING, 0, "where deployments must be: eu, us, or as providers call it" },
	{ 0 },
};
static const struct command_arg args_price_list[] = {
	{ "model", ARG_STRING, ARG_POSITIONAL, "only models of this name, '*' patterns allowed" },
	{ "imported", ARG_BOOL, 0, "only prices that were imported" },
	{ "unknown", ARG_BOOL, 0, "models without a price instead: of the configuration, and those "
				  "asked for in the last 31 days" },
	{ 0 },
};
static const struct command_arg args_price_import[] = {
	{ "prices", ARG_JSON, ARG_REQUIRED | ARG_POSITIONAL | ARG_FILE,
	  "LiteLLM's price map, model_prices_and_context_window.json; at most 16 MiB" },
	{ "dry_run", ARG_BOOL, 0, "only say what would change" },
	{ 0 },
};
static const struct command_arg args_price_reset[] = {
	{ "model", ARG_STRING, ARG_POSITIONAL, "only of models of this name, '*' patterns allowed" },
	{ "dry_run", ARG_BOOL, 0, "only say what would change" },
	{ 0 },
};
#define ENCODING_ARG(flags)                                                                       \
	{ "encoding", ARG_STRING, ARG_REQUIRED | (flags), "cl100k_base or o200k_base" }
static const struct command_arg args_tokenizer_import[] = {
	{ "ranks", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL | ARG_FILE,
	  "its file of ranks: lines of a token in base64, a space, its rank" },
	ENCODING_ARG(0),
	{ 0 },
};
static const struct command_arg args_encoding[] = { ENCODING_ARG(ARG_POSITIONAL), { 0 } };
static const struct command_arg args_import[] = {
	{ "dump", ARG_STRING, 0, "a dump of its database, as pg_dump --format=plain makes it" },
	{ "database_url", ARG_STRING, 0,
	  "or the database itself, postgresql://...; else DATABASE_URL; - reads a line" },
	{ "overwrite", ARG_BOOL, 0, "change what exists already to what is imported" },
	{ "spend_logs", ARG_BOOL, 0, "its single requests, too, for reports; nobody pays for them again" },
	{ "dry_run", ARG_BOOL, 0, "only say what would come" },
	{ 0 },
};
static const struct command_arg args_doctor[] = {
	{ "online", ARG_BOOL, 0, "connect to each provider, and check its certificate" },
	{ "config", ARG_STRING, 0, "the configuration (/etc/llmgw/llmgw.yaml)" },
	{ "state_dir", ARG_STRING, 0, "the state directory (/var/lib/llmgw, or as llmgw finds it)" },
	{ "runtime_dir", ARG_STRING, 0, "the folder of the control socket" },
	{ 0 },
};
static const struct command_arg args_wait[] = {
	{ "for", ARG_STRING, ARG_POSITIONAL,
	  "ready: it serves; idle: no request runs; generation=N: so many configurations (ready)" },
	{ 0 },
};
static const struct command_arg args_bench[] = {
	{ "model", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "model that is asked" },
	{ "rate", ARG_INT, 0, "requests a second, however long answers take; else one after the other" },
	{ "concurrency", ARG_INT, 0, "requests at the same time (8), with --rate at most (256)" },
	{ "duration", ARG_DURATION, 0, "how long requests are sent (10s)" },
	{ "requests", ARG_INT, 0, "end after so many" },
	{ "stream", ARG_BOOL, 0, "ask for streams" },
	{ "prompt", ARG_STRING, 0, "what is asked (Hello)" },
	{ "max_tokens", ARG_INT, 0, "length of an answer at most (16)" },
	{ "max_budget", ARG_MONEY, 0, "dollars after which the gateway refuses (1); not with --url" },
	{ 0 },
};
static const struct command_arg args_import_rows[] = {
	{ "kind", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL,
	  "budget, organization, user, org-member, team, member, membership, key, customer, tag, "
	  "credential, model or spend" },
	{ "rows", ARG_JSON, ARG_REQUIRED | ARG_POSITIONAL,
	  "list of what the kind's create command takes; of keys the hash instead of the text" },
	{ "overwrite", ARG_BOOL, 0, "change what exists already to what is imported" },
	{ 0 },
};
static const struct command_arg args_backup[] = {
	{ "file", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "where the copy goes; must not exist" },
	{ 0 },
};

static const struct command_arg args_restore[] = {
	{ "file", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "a copy that `backup` has made" },
	{ "state_dir", ARG_STRING, 0, "of the gateway; else where llmgw has it by itself" },
	{ "dry_run", ARG_BOOL, 0, "only check the file" },
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

static const struct command_arg args_cache_keys[] = {
	{ "keys", ARG_LIST, ARG_REQUIRED | ARG_POSITIONAL | ARG_REPEATED,
	  "names of answers, as x-litellm-cache-key gave them" },
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
static const struct command_column columns_available[] = {
	{ "TEAM", "team_id", COL_TEXT }, { "ALIAS", "team_alias", COL_TEXT },
	{ "MODELS", "models", COL_LIST }, { "BLOCKED", "blocked", COL_BOOL }, { 0 },
};
#define COLUMNS_LIMITS                                                                            \
	{ "SPEND", "spend", COL_MONEY }, { "BUDGET", "max_budget", COL_MONEY },                   \
	{ "RPM", "rpm_limit", COL_INT }, { "TPM", "tpm_limit", COL_INT }
static const struct command_column columns_users[] = {
	{ "USER", "user_id", COL_TEXT }, { "ALIAS", "user_alias", COL_TEXT },
	{ "EMAIL", "user_email", COL_TEXT }, { "ROLE", "user_role", COL_TEXT }, COLUMNS_LIMITS,
	{ "BLOCKED", "blocked", COL_BOOL }, { 0 },
};
static const struct command_column columns_orgs[] = {
	{ "ORGANIZATION", "organization_id", COL_TEXT }, { "ALIAS", "organization_alias", COL_TEXT },
	{ "MODELS", "models", COL_LIST }, COLUMNS_LIMITS, { 0 },
};
static const struct command_column columns_customers[] = {
	{ "CUSTOMER", "user_id", COL_TEXT }, { "ALIAS", "alias", COL_TEXT }, COLUMNS_LIMITS,
	{ "BLOCKED", "blocked", COL_BOOL }, { 0 },
};
static const struct command_column columns_budgets[] = {
	{ "BUDGET", "budget_id", COL_TEXT }, { "DOLLARS", "max_budget", COL_MONEY },
	{ "EACH", "budget_duration", COL_TEXT }, { "RPM", "rpm_limit", COL_INT },
	{ "TPM", "tpm_limit", COL_INT }, { "PARALLEL", "max_parallel_requests", COL_INT }, { 0 },
};
static const struct command_column columns_budget[] = {
	{ "SETTING", "field_name", COL_TEXT }, { "VALUE", "field_value", COL_TEXT },
	{ "WHAT", "field_description", COL_TEXT }, { 0 },
};
static const struct command_column columns_tags[] = {
	{ "TAG", "name", COL_TEXT }, { "DESCRIPTION", "description", COL_TEXT }, COLUMNS_LIMITS, { 0 },
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
static const struct command_column columns_activity[] = {
	{ "DAY", "date", COL_TEXT }, { "REQUESTS", "metrics.api_requests", COL_INT },
	{ "FAILED", "metrics.failed_requests", COL_INT },
	{ "IN", "metrics.prompt_tokens", COL_INT },
	{ "OUT", "metrics.completion_tokens", COL_INT }, { "COST", "metrics.spend", COL_MONEY },
	{ 0 },
};
static const struct command_column columns_spend_users[] = {
	{ "USER", "user_id", COL_TEXT }, { "COST", "spend", COL_MONEY }, { 0 },
};
static const struct command_column columns_provider_budgets[] = {
	{ "OF", "of", COL_TEXT }, { "NAME", "name", COL_TEXT }, { "LIMIT", "budget_limit", COL_MONEY },
	{ "PERIOD", "time_period", COL_TEXT }, { "SPEND", "spend", COL_MONEY },
	{ "RESET", "budget_reset_at", COL_TIME }, { 0 },
};
static const struct command_column columns_spend_tags[] = {
	{ "TAG", "individual_request_tag", COL_TEXT }, { "REQUESTS", "log_count", COL_INT },
	{ "COST", "total_spend", COL_MONEY }, { 0 },
};
static const struct command_column columns_global_days[] = {
	{ "DAY", "date", COL_TEXT }, { "COST", "spend", COL_MONEY }, { 0 },
};
static const struct command_column columns_global_keys[] = {
	{ "KEY", "key_alias", COL_TEXT }, { "NAME", "key_name", COL_TEXT },
	{ "COST", "total_spend", COL_MONEY }, { "HASH", "api_key", COL_TEXT }, { 0 },
};
static const struct command_column columns_global_models[] = {
	{ "MODEL", "model", COL_TEXT }, { "COST", "total_spend", COL_MONEY }, { 0 },
};
static const struct command_column columns_global_teams[] = {
	{ "TEAM", "team_id", COL_TEXT }, { "COST", "total_spend", COL_MONEY }, { 0 },
};
static const struct command_column columns_global_tags[] = {
	{ "TAG", "name", COL_TEXT }, { "REQUESTS", "log_count", COL_INT },
	{ "COST", "spend", COL_MONEY }, { 0 },
};
static const struct command_column columns_global_providers[] = {
	{ "PROVIDER", "provider", COL_TEXT }, { "COST", "spend", COL_MONEY }, { 0 },
};
static const struct command_column columns_end_users[] = {
	{ "END USER", "end_user", COL_TEXT }, { "REQUESTS", "total_count", COL_INT },
	{ "COST", "total_spend", COL_MONEY }, { 0 },
};
static const struct command_column columns_global_activity[] = {
	{ "DAY", "date", COL_TEXT }, { "REQUESTS", "api_requests", COL_INT },
	{ "TOKENS", "total_tokens", COL_INT }, { 0 },
};
static const struct command_column columns_model_activity[] = {
	{ "MODEL", "model", COL_TEXT }, { "REQUESTS", "sum_api_requests", COL_INT },
	{ "TOKENS", "sum_total_tokens", COL_INT }, { 0 },
};
static const struct command_column columns_config_explain[] = {
	{ "DIRECTIVE", "directive", COL_TEXT }, { "TYPE", "type", COL_TEXT },
	{ "DEFAULT", "default", COL_TEXT }, { "VALUE", "value", COL_TEXT },
	{ "AT", "takes_effect", COL_TEXT }, { "WHAT", "doc", COL_TEXT }, { 0 },
};
static const struct command_column columns_top[] = {
	{ "NAME", "name", COL_TEXT }, { "IN FLIGHT", "in_flight", COL_INT },
	{ "REQ/S", "requests_s", COL_INT }, { "FAILED %", "failed_percent", COL_INT },
	{ "TOKENS/S", "tokens_s", COL_INT }, { "FIRST TOKEN", "first_token", COL_INT },
	{ "$/HOUR", "cost_hour", COL_MONEY }, { "STATE", "state", COL_TEXT }, { 0 },
};
static const struct command_column columns_logs[] = { { "RECORD", "line", COL_TEXT }, { 0 } };
static const struct command_column columns_explain[] = {
	{ "CHOSEN", "chosen", COL_BOOL }, { "PROVIDER", "provider", COL_TEXT },
	{ "UPSTREAM", "upstream_model", COL_TEXT }, { "VERDICT", "verdict", COL_TEXT },
	{ "WHY", "why", COL_TEXT }, { "ORDER", "order", COL_INT },
	{ "IN FLIGHT", "in_flight", COL_INT }, { "COST AT MOST", "cost_at_most", COL_MONEY },
	{ "ID", "id", COL_TEXT }, { 0 },
};
static const struct command_column columns_alerts[] = {
	{ "TYPE", "type", COL_TEXT },
	{ "HOST", "host", COL_TEXT },
	{ "RESULT", "result", COL_TEXT },
	{ "STATUS", "status", COL_INT },
	{ 0 },
};
static const struct command_column columns_audit[] = {
	{ "WHEN", "updated_at", COL_TIME }, { "BY", "changed_by", COL_TEXT },
	{ "FROM", "address", COL_TEXT }, { "COMMAND", "command", COL_TEXT },
	{ "ACTION", "action", COL_TEXT }, { "TABLE", "table_name", COL_TEXT },
	{ "OBJECT", "object_id", COL_TEXT }, { 0 },
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
static const struct command_column columns_doctor[] = {
	{ "RESULT", "result", COL_TEXT }, { "CHECK", "check", COL_TEXT },
	{ "WHAT", "text", COL_TEXT }, { "TO DO", "hint", COL_TEXT }, { 0 },
};
static const struct command_column columns_prices[] = {
	{ "MODEL", "model", COL_TEXT }, { "PROVIDER", "litellm_provider", COL_TEXT },
	{ "MODE", "mode", COL_TEXT }, { "INPUT $/1M", "input_per_million", COL_TEXT },
	{ "OUTPUT $/1M", "output_per_million", COL_TEXT }, { "SOURCE", "source", COL_TEXT },
	{ "UNPRICED REQUESTS", "unpriced_requests", COL_INT }, { 0 },
};
static const struct command_column columns_price_import[] = {
	{ "MODEL", "model", COL_TEXT }, { "RESULT", "result", COL_TEXT },
	{ "INPUT", "input", COL_TEXT }, { "OUTPUT", "output", COL_TEXT },
	{ "WHY", "why", COL_TEXT }, { 0 },
};
static const struct command_column columns_tokenizers[] = {
	{ "ENCODING", "encoding", COL_TEXT }, { "INSTALLED", "installed", COL_BOOL },
	{ "TOKENS", "tokens", COL_INT }, { "BYTES", "bytes", COL_INT }, { 0 },
};
static const struct command_column columns_import[] = {
	{ "KIND", "kind", COL_TEXT }, { "FOUND", "found", COL_INT },
	{ "CREATED", "created", COL_INT }, { "REPLACED", "replaced", COL_INT },
	{ "EXIST ALREADY", "exists", COL_INT }, { "REFUSED", "refused", COL_INT }, { 0 },
};
static const struct command_column columns_import_rows[] = {
	{ "NAME", "name", COL_TEXT }, { "RESULT", "result", COL_TEXT }, { "WHY", "why", COL_TEXT },
	{ 0 },
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
	{ "wait", NULL, NULL, ROLE_VIEW, CMD_LOCAL | CMD_NO_HTTP, NULL, args_wait, NULL, NULL,
	  "wait until the gateway serves, for scripts; --timeout says how long",
	  "llmgwctl wait ready --timeout 30s" },
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
	  "llmgwctl workers drain 1 --yes" },
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
	{ "teams create", "POST", "/team/new", ROLE_ADMIN, 0, RUN(teams_create), args_team_create,
	  NULL, NULL, "make a team, whose limits hold for its keys together",
	  "llmgwctl teams create physics --max-budget 500 --budget-duration 1mo" },
	{ "teams list", "GET", "/team/list", ROLE_VIEW, 0, RUN(teams_list), args_team_list,
	  columns_teams, NULL, "list teams", "llmgwctl teams list" },
	{ "teams show", "GET", "/team/info", ROLE_VIEW, 0, RUN(teams_info), args_team_one, NULL,
	  NULL, "show one team, its keys and members", "llmgwctl teams show physics" },
	{ "teams available", "GET", "/team/available", ROLE_VIEW, 0, RUN(teams_available),
	  args_team_available, columns_available, NULL,
	  "list the teams that users may join by themselves", "llmgwctl teams available" },
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
	{ "teams member", "POST", "/team/member_update", ROLE_ADMIN, 0, RUN(teams_member_update),
	  args_team_member, NULL, NULL, "change a member's role, or limits in the team",
	  "llmgwctl teams member physics ada --max-budget-in-team 5" },
	{ "teams remove", "POST", "/team/member_delete", ROLE_ADMIN, CMD_DESTROYS,
	  RUN(teams_member_delete), args_team_remove, NULL, NULL,
	  "take a user out of a team; the user's keys in it are deleted",
	  "llmgwctl teams remove physics ada --yes" },
	{ "teams bulk", "POST", "/team/bulk_member_add", ROLE_ADMIN, 0, RUN(teams_bulk_member_add),
	  args_team_bulk, NULL, NULL, "take many users into a team, each for itself",
	  "llmgwctl teams bulk physics '[{\"user_id\": \"ada\"}, {\"user_id\": \"bob\"}]'" },
	{ "teams allow", "POST", "/team/model/add", ROLE_ADMIN, 0, RUN(teams_model_add),
	  args_team_models, NULL, NULL, "put names into a team's list of models",
	  "llmgwctl teams allow physics gpt-4o" },
	{ "teams disallow", "POST", "/team/model/delete", ROLE_ADMIN, 0, RUN(teams_model_delete),
	  args_team_models, NULL, NULL, "take names out of a team's list of models",
	  "llmgwctl teams disallow physics gpt-4o" },
	{ "teams callback", "POST", "/team/{id}/callback", ROLE_ADMIN, 0, RUN(teams_callback_add),
	  args_team_callback, NULL, NULL,
	  "tell a callback of a team's requests, with variables of the team's own",
	  "llmgwctl teams callback physics langfuse --callback-type failure" },
	{ "teams callbacks", "GET", "/team/{id}/callback", ROLE_VIEW, 0, RUN(teams_callbacks),
	  args_team_one, NULL, NULL, "which callbacks are told of a team's requests",
	  "llmgwctl teams callbacks physics" },
	{ "teams mute", "POST", "/team/{id}/disable_logging", ROLE_ADMIN, 0,
	  RUN(teams_disable_logging), args_team_one, NULL, NULL,
	  "take a team's own callbacks away", "llmgwctl teams mute physics" },
	{ "teams permissions", "GET", "/team/permissions_list", ROLE_VIEW, 0,
	  RUN(teams_permissions_list), args_team_one, NULL, NULL,
	  "by which commands a team's members change their keys in it",
	  "llmgwctl teams permissions physics" },
	{ "teams permit", "POST", "/team/permissions_update", ROLE_ADMIN, 0,
	  RUN(teams_permissions_update), args_team_permit, NULL, NULL,
	  "say by which commands a team's members change their keys in it",
	  "llmgwctl teams permit physics /key/generate /key/update" },
	{ "users create", "POST", "/user/new", ROLE_ADMIN, 0, RUN(users_create), args_user_create,
	  NULL, NULL, "make a user, whose limits hold for all its keys",
	  "llmgwctl users create ada --max-budget 20 --user-role internal_user" },
	{ "users list", "GET", "/user/list", ROLE_VIEW, 0, RUN(tenants_list), args_user_list,
	  columns_users, "users", "list users",
	  "llmgwctl users list" },
	{ "users show", "GET", "/user/info", ROLE_VIEW, 0, RUN(tenants_info), args_user_one,
	  NULL, NULL, "show one user, its keys and teams",
	  "llmgwctl users show ada" },
	{ "users update", "POST", "/user/update", ROLE_ADMIN, 0, RUN(tenants_update), args_user_update,
	  NULL, NULL, "change a user; all its keys see it at once",
	  "llmgwctl users update ada --rpm-limit 60" },
	{ "users sync", "POST", "/user/sync", ROLE_ADMIN, 0, RUN(users_sync), args_user_sync,
	  NULL, NULL, "make a user's role and teams what an identity provider says",
	  "llmgwctl users sync ada --user-role internal_user --teams physics" },
	{ "users delete", "POST", "/user/delete", ROLE_ADMIN, CMD_DESTROYS, RUN(tenants_delete), args_user_delete,
	  NULL, NULL, "delete users and their keys for good",
	  "llmgwctl users delete ada --yes" },
	{ "users bulk", "POST", "/user/bulk_update", ROLE_ADMIN, 0, RUN(users_bulk_update),
	  args_user_bulk, NULL, NULL, "change many users, each for itself, or all alike",
	  "llmgwctl users bulk '[{\"user_id\": \"ada\", \"max_budget\": 50}]'" },
	{ "users roles", "GET", "/user/available_roles", ROLE_ANY_KEY, 0, RUN(users_roles), args_none,
	  NULL, NULL, "roles that a user may have", "llmgwctl users roles" },
	{ "orgs create", "POST", "/organization/new", ROLE_ADMIN, 0, RUN(tenants_new), args_org_create,
	  NULL, NULL, "make an organization, which stands above teams",
	  "llmgwctl orgs create Science --max-budget 5000 --budget-duration 1mo" },
	{ "orgs list", "GET", "/organization/list", ROLE_VIEW, 0, RUN(tenants_list), args_page,
	  columns_orgs, NULL, "list organizations",
	  "llmgwctl orgs list" },
	{ "orgs show", "GET", "/organization/info", ROLE_VIEW, 0, RUN(tenants_info), args_org_one,
	  NULL, NULL, "show one organization, its teams and members",
	  "llmgwctl orgs show science" },
	{ "orgs update", "PATCH", "/organization/update", ROLE_ADMIN, 0, RUN(tenants_update), args_org_update,
	  NULL, NULL, "change an organization",
	  "llmgwctl orgs update science --max-budget 6000" },
	{ "orgs delete", "DELETE", "/organization/delete", ROLE_ADMIN, CMD_DESTROYS, RUN(tenants_delete), args_org_delete,
	  NULL, NULL, "delete organizations that have neither teams nor keys",
	  "llmgwctl orgs delete science --yes" },
	{ "orgs add", "POST", "/organization/member_add", ROLE_ADMIN, 0, RUN(orgs_member_add),
	  args_org_add, NULL, NULL, "take users into an organization",
	  "llmgwctl orgs add science '{\"user_id\": \"ada\", \"role\": \"org_admin\"}'" },
	{ "orgs member", "PATCH", "/organization/member_update", ROLE_ADMIN, 0,
	  RUN(orgs_member_update), args_org_member, NULL, NULL, "change a member's role there",
	  "llmgwctl orgs member science ada --role internal_user" },
	{ "orgs remove", "DELETE", "/organization/member_delete", ROLE_ADMIN, CMD_DESTROYS,
	  RUN(orgs_member_delete), args_org_remove, NULL, NULL,
	  "take a user out of an organization; keys and teams stay",
	  "llmgwctl orgs remove science ada --yes" },
	{ "customers create", "POST", "/customer/new", ROLE_ADMIN, 0, RUN(tenants_new), args_customer_create,
	  NULL, NULL, "make a customer, whom requests name as their user",
	  "llmgwctl customers create shop-17 --max-budget 3 --budget-duration 1mo" },
	{ "customers list", "GET", "/customer/list", ROLE_VIEW, 0, RUN(tenants_list), args_page,
	  columns_customers, NULL, "list customers",
	  "llmgwctl customers list" },
	{ "customers show", "GET", "/customer/info", ROLE_VIEW, 0, RUN(tenants_info), args_customer_one,
	  NULL, NULL, "show one customer",
	  "llmgwctl customers show shop-17" },
	{ "customers update", "POST", "/customer/update", ROLE_ADMIN, 0, RUN(tenants_update), args_customer_update,
	  NULL, NULL, "change a customer",
	  "llmgwctl customers update shop-17 --rpm-limit 6" },
	{ "customers block", "POST", "/customer/block", ROLE_ADMIN, 0, RUN(tenants_block), args_customer_many,
	  NULL, NULL, "refuse requests for customers, known or not",
	  "llmgwctl customers block shop-17" },
	{ "customers unblock", "POST", "/customer/unblock", ROLE_ADMIN, 0, RUN(tenants_unblock), args_customer_many,
	  NULL, NULL, "accept requests for them again",
	  "llmgwctl customers unblock shop-17" },
	{ "customers delete", "POST", "/customer/delete", ROLE_ADMIN, CMD_DESTROYS, RUN(tenants_delete), args_customer_many,
	  NULL, NULL, "delete customers and their limits for good",
	  "llmgwctl customers delete shop-17 --yes" },
	{ "customers create end_user", "POST", "/end_user/new", ROLE_ADMIN, CMD_NO_CTL, RUN(tenants_new), args_customer_create,
	  NULL, NULL, "the same",
	  "curl localhost:4000/end_user/new" },
	{ "customers list end_user", "GET", "/end_user/list", ROLE_VIEW, CMD_NO_CTL, RUN(tenants_list), args_page,
	  columns_customers, NULL, "the same",
	  "curl localhost:4000/end_user/list" },
	{ "customers show end_user", "GET", "/end_user/info", ROLE_VIEW, CMD_NO_CTL, RUN(tenants_info), args_customer_one,
	  NULL, NULL, "the same",
	  "curl localhost:4000/end_user/info" },
	{ "customers update end_user", "POST", "/end_user/update", ROLE_ADMIN, CMD_NO_CTL, RUN(tenants_update), args_customer_update,
	  NULL, NULL, "the same",
	  "curl localhost:4000/end_user/update" },
	{ "customers block end_user", "POST", "/end_user/block", ROLE_ADMIN, CMD_NO_CTL, RUN(tenants_block), args_customer_many,
	  NULL, NULL, "the same",
	  "curl localhost:4000/end_user/block" },
	{ "customers unblock end_user", "POST", "/end_user/unblock", ROLE_ADMIN, CMD_NO_CTL, RUN(tenants_unblock), args_customer_many,
	  NULL, NULL, "the same",
	  "curl localhost:4000/end_user/unblock" },
	{ "customers delete end_user", "POST", "/end_user/delete", ROLE_ADMIN, CMD_NO_CTL, RUN(tenants_delete), args_customer_many,
	  NULL, NULL, "the same",
	  "curl localhost:4000/end_user/delete" },
	{ "budgets create", "POST", "/budget/new", ROLE_ADMIN, 0, RUN(tenants_new), args_budget_create,
	  NULL, NULL, "make a budget, which keys, teams and others may share by its id",
	  "llmgwctl budgets create free --max-budget 1 --budget-duration 1d" },
	{ "budgets list", "GET", "/budget/list", ROLE_VIEW, 0, RUN(tenants_list), args_page,
	  columns_budgets, NULL, "list budgets",
	  "llmgwctl budgets list" },
	{ "budgets show", "POST", "/budget/info", ROLE_VIEW, 0, RUN(tenants_info), args_budget_some,
	  NULL, NULL, "show budgets",
	  "llmgwctl budgets show free" },
	{ "budgets update", "POST", "/budget/update", ROLE_ADMIN, 0, RUN(tenants_update), args_budget_update,
	  NULL, NULL, "change a budget for all who have it, at once",
	  "llmgwctl budgets update free --max-budget 2" },
	{ "budgets settings", "GET", "/budget/settings", ROLE_VIEW, 0, RUN(budgets_settings),
	  args_budget_one, columns_budget, NULL, "settings of a budget, with type and value",
	  "llmgwctl budgets settings free" },
	{ "budgets delete", "POST", "/budget/delete", ROLE_ADMIN, CMD_DESTROYS, RUN(tenants_delete), args_budget_delete,
	  NULL, NULL, "delete a budget; whoever had it has no limit of it any more",
	  "llmgwctl budgets delete free --yes" },
	{ "tags create", "POST", "/tag/new", ROLE_ADMIN, 0, RUN(tenants_new), args_tag_create,
	  NULL, NULL, "give a tag of requests limits",
	  "llmgwctl tags create batch --max-budget 100" },
	{ "tags list", "GET", "/tag/list", ROLE_VIEW, 0, RUN(tenants_list), args_page,
	  columns_tags, NULL, "list tags that have limits",
	  "llmgwctl tags list" },
	{ "tags show", "POST", "/tag/info", ROLE_VIEW, 0, RUN(tenants_info), args_tag_some,
	  NULL, NULL, "show tags",
	  "llmgwctl tags show batch" },
	{ "tags update", "POST", "/tag/update", ROLE_ADMIN, 0, RUN(tenants_update), args_tag_update,
	  NULL, NULL, "change a tag's limits",
	  "llmgwctl tags update batch --max-budget 200" },
	{ "tags delete", "POST", "/tag/delete", ROLE_ADMIN, CMD_DESTROYS, RUN(tenants_delete), args_tag_one,
	  NULL, NULL, "delete a tag's limits for good",
	  "llmgwctl tags delete batch --yes" },
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
	{ "health probe", NULL, NULL, ROLE_ADMIN, CMD_ACTS, RUN(ops_health_probe), args_health,
	  columns_health, "endpoints", "probe deployments now", "llmgwctl health probe gpt-4o" },
	{ "health clear", NULL, NULL, ROLE_ADMIN, CMD_ACTS, RUN(ops_health_clear), args_health, NULL, NULL,
	  "end cooldowns now", "llmgwctl health clear gpt-4o" },
	{ "route explain", "POST", "/route/explain", ROLE_ADMIN, CMD_READS, RUN(route_explain),
	  args_explain, columns_explain, "candidates",
	  "where a request would go now: each candidate, and why or why not",
	  "llmgwctl route explain gpt-4o --tokens 2000" },
	{ "provider budgets", "GET", "/provider/budgets", ROLE_VIEW, 0, RUN(provider_budgets),
	  args_none, columns_provider_budgets, "budgets",
	  "what providers and tags may spend, and have spent",
	  "llmgwctl provider budgets" },
	{ "cache stats", "GET", "/cache/stats", ROLE_VIEW, 0, RUN(cached_stats), args_none, NULL, NULL,
	  "the response cache: what it holds, and how often it helped", "llmgwctl cache stats" },
	{ "cache flush", "POST", "/cache/flushall", ROLE_ADMIN, CMD_DESTROYS | CMD_ACTS,
	  RUN(cached_flush), args_none, NULL, NULL, "forget all answers of the response cache",
	  "llmgwctl cache flush --yes" },
	{ "cache delete", "POST", "/cache/delete", ROLE_ADMIN, CMD_ACTS, RUN(cached_delete),
	  args_cache_keys, NULL, NULL, "forget single answers",
	  "llmgwctl cache delete 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8" },
	{ "cache ping", "GET", "/cache/ping", ROLE_ANY_KEY, 0, RUN(cached_ping), args_none, NULL, NULL,
	  "whether the response cache works", "llmgwctl cache ping" },
	{ "spend report", NULL, NULL, ROLE_VIEW, 0, RUN(spend_report), args_spend_report,
	  columns_spend, "rows", "what was spent, by anything",
	  "llmgwctl spend report --group-by model" },
	{ "spend keys", "GET", "/spend/keys", ROLE_VIEW, 0, RUN(spend_keys), args_spend_keys,
	  columns_keys, NULL, "keys by what they spent", "llmgwctl spend keys" },
	{ "spend users", "GET", "/spend/users", ROLE_VIEW, 0, RUN(spend_users), args_spend_list,
	  columns_spend_users, NULL, "users by what their keys spent", "llmgwctl spend users" },
	{ "spend tags", "GET", "/spend/tags", ROLE_VIEW, 0, RUN(spend_tags), args_spend_list,
	  columns_spend_tags, NULL, "tags by what was spent under them", "llmgwctl spend tags" },
	{ "spend logs", "GET", "/spend/logs", ROLE_VIEW, 0, RUN(spend_logs), args_spend_logs,
	  columns_spend_logs, NULL, "one row a request, newest first",
	  "llmgwctl spend logs --limit 20" },
	{ "spend logs v2", "GET", "/spend/logs/v2", ROLE_VIEW, CMD_NO_CTL, RUN(spend_logs_pages),
	  args_spend_pages, columns_spend_logs, "data", "single requests in pages",
	  "curl localhost:4000/spend/logs/v2" },
	{ "spend logs ui", "GET", "/spend/logs/ui", ROLE_VIEW, CMD_NO_CTL, RUN(spend_logs_pages),
	  args_spend_pages, columns_spend_logs, "data", "single requests in pages",
	  "curl localhost:4000/spend/logs/ui" },
	{ "spend show", "GET", "/spend/logs/ui/{id}", ROLE_VIEW, 0, RUN(spend_show),
	  args_spend_show, NULL, NULL, "one request; to an administrator with prompt and answer",
	  "llmgwctl spend show 0198c1d2-7a3e-7c11-8a55-0242ac120002" },
	{ "spend purge", "POST", "/spend/texts/purge", ROLE_ADMIN, CMD_DESTROYS | CMD_ACTS,
	  RUN(texts_purge), args_spend_purge, NULL, NULL,
	  "delete prompts and answers; what the requests cost stays",
	  "llmgwctl spend purge --before 2026-11-01 --dry-run" },
	{ "spend export", "GET", "/spend/export", ROLE_VIEW, CMD_PAGES, RUN(spend_export),
	  args_spend_export, NULL, NULL, "all requests, or FOCUS charges, as text",
	  "llmgwctl spend export --format focus --start 2026-11-01 --out november.csv" },
	{ "spend estimate", "POST", "/cost/estimate", ROLE_ANY_KEY, 0, RUN(spend_estimate),
	  args_estimate, NULL, NULL, "what requests of so many tokens would cost",
	  "llmgwctl spend estimate gpt-4o --input-tokens 1000 --output-tokens 500" },
	{ "spend calculate", "POST", "/spend/calculate", ROLE_ANY_KEY, 0, RUN(spend_calculate),
	  args_calculate, NULL, NULL, "what an answer costs, by its usage",
	  "llmgwctl spend calculate '{\"model\": \"gpt-4o\", \"usage\": {\"prompt_tokens\": 9}}'" },
	{ "spend user-days", "GET", "/user/daily/activity", ROLE_ANY_KEY, 0,
	  RUN(spend_activity_user), args_activity_user, columns_activity, "results",
	  "days of users, with models, providers, keys",
	  "llmgwctl spend user-days 2026-11-01 2026-11-30" },
	{ "spend activity aggregated", "GET", "/user/daily/activity/aggregated", ROLE_ANY_KEY,
	  CMD_NO_CTL, RUN(spend_activity_user), args_activity_user, columns_activity, "results",
	  "days of users on one page", "curl localhost:4000/user/daily/activity/aggregated" },
	{ "spend team-days", "GET", "/team/daily/activity", ROLE_VIEW, 0,
	  RUN(spend_activity_team), args_activity_team, columns_activity, "results",
	  "days of teams", "llmgwctl spend team-days 2026-11-01 2026-11-30 --team-id physics" },
	{ "spend org-days", "GET", "/organization/daily/activity", ROLE_VIEW, 0,
	  RUN(spend_activity_organization), args_activity_organization, columns_activity,
	  "results", "days of organizations",
	  "llmgwctl spend org-days 2026-11-01 2026-11-30" },
	{ "spend customer-days", "GET", "/customer/daily/activity", ROLE_VIEW, 0,
	  RUN(spend_activity_customer), args_activity_customer, columns_activity, "results",
	  "days of end users", "llmgwctl spend customer-days 2026-11-01 2026-11-30" },
	{ "spend activity end_user", "GET", "/end_user/daily/activity", ROLE_VIEW, CMD_NO_CTL,
	  RUN(spend_activity_customer), args_activity_customer, columns_activity, "results",
	  "days of customers, by the other name", "curl localhost:4000/end_user/daily/activity" },
	{ "spend tag-days", "GET", "/tag/daily/activity", ROLE_VIEW, 0,
	  RUN(spend_activity_tag), args_activity_tag, columns_activity, "results", "days of tags",
	  "llmgwctl spend tag-days 2026-11-01 2026-11-30 --tags prod" },
	{ "spend total", "GET", "/global/spend", ROLE_VIEW, 0, RUN(spend_global),
	  args_spend_list, NULL, NULL, "what was spent in 30 days, or between two",
	  "llmgwctl spend total" },
	{ "spend reset", "POST", "/global/spend/reset", ROLE_ADMIN, CMD_DESTROYS | CMD_ACTS,
	  RUN(spend_reset), args_none, NULL, NULL,
	  "set what all keys and teams have spent to nothing; requests stay in the books",
	  "llmgwctl spend reset --yes" },
	{ "spend by-day", "GET", "/global/spend/logs", ROLE_VIEW, 0, RUN(spend_global_logs),
	  args_spend_days, columns_global_days, NULL, "what was spent, day by day",
	  "llmgwctl spend by-day" },
	{ "spend by-key", "GET", "/global/spend/keys", ROLE_VIEW, 0, RUN(spend_global_keys),
	  args_spend_list, columns_global_keys, NULL, "by key", "llmgwctl spend by-key" },
	{ "spend by-model", "GET", "/global/spend/models", ROLE_VIEW, 0,
	  RUN(spend_global_models), args_spend_list, columns_global_models, NULL, "by model",
	  "llmgwctl spend by-model" },
	{ "spend by-team", "GET", "/global/spend/teams", ROLE_VIEW, 0,
	  RUN(spend_global_teams), args_spend_list, columns_global_teams, "total_spend_per_team",
	  "by team", "llmgwctl spend by-team" },
	{ "spend by-tag", "GET", "/global/spend/tags", ROLE_VIEW, 0, RUN(spend_global_tags),
	  args_spend_tags, columns_global_tags, "spend_per_tag", "by tag",
	  "llmgwctl spend by-tag --tags prod,test" },
	{ "spend global tag_names", "GET", "/global/spend/all_tag_names", ROLE_VIEW, CMD_NO_CTL,
	  RUN(spend_global_tag_names), args_spend_list, NULL, NULL, "names of all tags",
	  "curl localhost:4000/global/spend/all_tag_names" },
	{ "spend by-provider", "GET", "/global/spend/provider", ROLE_VIEW, 0,
	  RUN(spend_global_provider), args_spend_list, columns_global_providers, NULL,
	  "by provider", "llmgwctl spend by-provider" },
	{ "spend by-customer", "POST", "/global/spend/end_users", ROLE_VIEW, 0,
	  RUN(spend_global_end_users), args_spend_end_users, columns_end_users, NULL,
	  "by end user", "llmgwctl spend by-customer" },
	{ "spend global report", "GET", "/global/spend/report", ROLE_VIEW, CMD_NO_CTL,
	  RUN(spend_global_report), args_spend_details, NULL, NULL,
	  "what teams, customers or keys spent with which model",
	  "curl localhost:4000/global/spend/report?group_by=team" },
	{ "spend activity", "GET", "/global/activity", ROLE_VIEW, 0,
	  RUN(spend_global_activity), args_spend_list, columns_global_activity, "daily_data",
	  "requests and tokens by day", "llmgwctl spend activity" },
	{ "spend model-days", "GET", "/global/activity/model", ROLE_VIEW, 0,
	  RUN(spend_global_activity_models), args_spend_list, columns_model_activity, NULL,
	  "requests and tokens by model and day", "llmgwctl spend model-days" },
	{ "audit list", "GET", "/audit", ROLE_VIEW, 0, RUN(audit_list), args_audit, columns_audit,
	  "audit_logs", "who changed what, newest first", "llmgwctl audit list --action deleted" },
	{ "audit show", "GET", "/audit/{id}", ROLE_VIEW, 0, RUN(audit_show), args_audit_one, NULL,
	  NULL, "one row of the audit log, with the values before and after",
	  "llmgwctl audit show 0b6c6c8e-5f0e-4a86-a1d6-7d9f1f0d2c3b" },
	{ "audit verify", NULL, NULL, ROLE_VIEW, 0, RUN(audit_verify), args_audit_verify, NULL,
	  NULL, "walk the audit log's chain of hashes, and say where it breaks",
	  "llmgwctl audit verify" },
	{ "alerts test", NULL, NULL, ROLE_ADMIN, CMD_ACTS, RUN(alerts_test), args_alerts_test,
	  columns_alerts, "receivers", "send a test message to receivers of alerts, and say what came back",
	  "llmgwctl alerts test slack" },
	{ "alerts services", "GET", "/health/services", ROLE_ADMIN, CMD_NO_CTL,
	  RUN(alerts_services), args_services, NULL, NULL,
	  "the same for one kind of receiver, as LiteLLM does it",
	  "curl localhost:4000/health/services?service=slack" },
	{ "top", NULL, NULL, ROLE_VIEW, CMD_LIVE, RUN(watch_top), args_top, columns_top, "rows",
	  "a live view of what is asked for; q ends it, p pauses, s sorts otherwise",
	  "llmgwctl top --by provider" },
	{ "logs tail", NULL, NULL, ROLE_VIEW, CMD_LIVE, RUN(watch_logs), args_logs, columns_logs,
	  "lines", "the master's newest log records",
	  "llmgwctl logs tail --follow --level warn" },
	{ "config show", NULL, NULL, ROLE_VIEW, 0, RUN(ops_config_show), args_config_show, NULL,
	  NULL, "the configuration in force, secrets masked", "llmgwctl config show --origin" },
	{ "config diff", NULL, NULL, ROLE_VIEW, 0, RUN(ops_config_diff), args_file, columns_diff,
	  "changes", "what a reload would change", "llmgwctl config diff" },
	{ "config explain", NULL, NULL, ROLE_VIEW, 0, RUN(ops_config_explain),
	  args_config_explain, columns_config_explain, "directives",
	  "what a directive means, may be, and is now", "llmgwctl config explain cooldown_time" },
	{ "config convert", NULL, NULL, ROLE_VIEW, CMD_LOCAL | CMD_NO_HTTP, NULL, args_convert, NULL,
	  NULL, "another gateway's configuration as one of llmgw's, with notes on what is otherwise",
	  "llmgwctl config convert --from bifrost config.json --out llmgw.yaml" },
	{ "config yaml", "GET", "/config/yaml", ROLE_VIEW, CMD_NO_CTL, RUN(ops_config_show),
	  args_config_show, NULL, NULL, "the same as config show", "curl localhost:4000/config/yaml" },
	{ "config discounts", "GET", "/config/cost_discount_config", ROLE_VIEW, 0,
	  RUN(ops_config_discounts), args_none, NULL, NULL,
	  "what providers take off their list prices", "llmgwctl config discounts" },
	{ "config margins", "GET", "/config/cost_margin_config", ROLE_VIEW, 0,
	  RUN(ops_config_margins), args_none, NULL, NULL,
	  "what is put on top of prices", "llmgwctl config margins" },
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
	{ "config rollback", NULL, NULL, ROLE_ADMIN, CMD_DESTROYS | CMD_ACTS,
	  RUN(history_rollback), args_version, NULL, NULL,
	  "put an older configuration into force, with the objects that the database had then",
	  "llmgwctl config rollback 7 --yes" },
	{ "doctor", NULL, NULL, ROLE_ADMIN, CMD_LOCAL | CMD_NO_HTTP, NULL, args_doctor,
	  columns_doctor, "checks",
	  "look at this machine and the configuration, and say what is to be mended",
	  "llmgwctl doctor --online" },
	{ "bench", NULL, NULL, ROLE_ADMIN, CMD_LOCAL | CMD_NO_HTTP, NULL, args_bench, NULL, NULL,
	  "send requests and say how long they took; it asks before it costs money",
	  "llmgwctl bench gpt-4o --rate 20 --duration 2s --yes" },
	{ "prices list", "GET", "/prices", ROLE_VIEW, 0, RUN(price_list), args_price_list,
	  columns_prices, "rows", "list prices that are in force, or models without one",
	  "llmgwctl prices list 'gpt-4o*'" },
	{ "prices import", "POST", "/reload/model_cost_map", ROLE_ADMIN, CMD_LARGE,
	  RUN(price_import), args_price_import, columns_price_import, "rows",
	  "take LiteLLM's price map: its prices go before those that are shipped",
	  "llmgwctl prices import model_prices_and_context_window.json --dry-run" },
	{ "prices reset", "DELETE", "/prices", ROLE_ADMIN, CMD_DESTROYS, RUN(price_reset),
	  args_price_reset, columns_price_import, "rows",
	  "forget imported prices: those that are shipped count again",
	  "llmgwctl prices reset 'gpt-4o*' --yes" },
	{ "prices export", "GET", "/public/litellm_model_cost_map", ROLE_ANY_KEY, 0,
	  RUN(price_export), args_none, NULL, NULL,
	  "all prices that are in force, as LiteLLM's price map", "llmgwctl prices export --json" },
	{ "prices status", "GET", "/schedule/model_cost_map_reload/status", ROLE_VIEW, 0,
	  RUN(price_status), args_none, NULL, NULL, "when prices were imported last",
	  "llmgwctl prices status" },
	{ "tokenizer import", NULL, NULL, ROLE_ADMIN, CMD_LARGE | CMD_ACTS,
	  RUN(tokenizers_import), args_tokenizer_import, NULL, NULL,
	  "install an encoding of OpenAI's models: their tokens are counted exactly then",
	  "llmgwctl tokenizer import o200k_base.tiktoken --encoding o200k_base" },
	{ "tokenizer list", NULL, NULL, ROLE_VIEW, 0, RUN(tokenizers_list), args_none,
	  columns_tokenizers, NULL, "encodings, and which are installed", "llmgwctl tokenizer list" },
	{ "tokenizer remove", NULL, NULL, ROLE_ADMIN, CMD_DESTROYS | CMD_ACTS,
	  RUN(tokenizers_remove), args_encoding, NULL, NULL,
	  "remove one: tokens are estimated again", "llmgwctl tokenizer remove o200k_base --yes" },
	{ "import litellm", NULL, NULL, ROLE_ADMIN, CMD_LOCAL | CMD_NO_HTTP, NULL, args_import,
	  columns_import, "kinds",
	  "take keys, teams, users, budgets, models and what they spent from a LiteLLM database",
	  "llmgwctl import litellm --dump litellm.sql --dry-run" },
	/* What it changes, the commands do that it calls: they are noted. */
	{ "import rows", NULL, NULL, ROLE_ADMIN, CMD_NO_HTTP | CMD_READS, RUN(import_rows),
	  args_import_rows,
	  columns_import_rows, "rows", "take rows that were read elsewhere",
	  "llmgwctl import rows budget '[{\"budget_id\": \"free\", \"max_budget\": 1}]'" },
	{ "backup", NULL, NULL, ROLE_ADMIN, CMD_ACTS, RUN(ops_backup), args_backup, NULL, NULL,
	  "copy the database while running", "llmgwctl backup /var/backups/llmgw.db" },
	{ "restore", NULL, NULL, ROLE_ADMIN, CMD_LOCAL | CMD_NO_HTTP | CMD_DESTROYS, NULL,
	  args_restore, NULL, NULL, "put a copy into the database's place, while the gateway is stopped",
	  "llmgwctl restore /var/backups/llmgw.db --dry-run" },
#ifdef LLMGW_FAULTS
	{ "fault set", NULL, NULL, ROLE_ADMIN, CMD_ACTS, RUN(ops_fault_set), args_fault, columns_faults,
	  "faults", "make the program fail at a place in it",
	  "llmgwctl fault set spend.after_push kill after=3" },
	{ "fault list", NULL, NULL, ROLE_VIEW, 0, RUN(ops_fault_list), args_none, columns_faults,
	  "faults", "places where it can be made to fail", "llmgwctl fault list" },
#endif
};
const size_t commands_count = COUNT(commands);
