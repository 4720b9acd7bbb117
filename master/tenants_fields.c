/* SPDX-License-Identifier: MIT
 * tenants_fields.c - LiteLLM's fields of users, organizations, customers, tags and budgets. */
#include "master/keys_fields.h"

#define LIMITS                                                                                    \
	COLUMN("max_budget", MONEY, true, max_budget),                                            \
	COLUMN("soft_budget", MONEY, true, soft_budget),                                          \
	COLUMN("budget_duration", PERIOD, true, budget_duration),                                 \
	COLUMN("rpm_limit", LIMIT, true, rpm_limit),                                              \
	COLUMN("tpm_limit", LIMIT, true, tpm_limit),                                              \
	COLUMN("max_parallel_requests", LIMIT, true, max_parallel_requests)

/* Limits in windows, as keys and teams have them. */
#define WINDOWS                                                                                   \
	{ "limit_windows", IN_EXTRA, true, 0 }, { "tpm_input_limit", IN_EXTRA, true, 0 },         \
	{ "tpm_output_limit", IN_EXTRA, true, 0 }

static const struct field of_user[] = {
	LIMITS,
	WINDOWS,
	COLUMN("user_alias", TEXT, true, alias),
	COLUMN("user_email", TEXT, true, email),
	COLUMN("user_role", TEXT, true, role),
	COLUMN("models", NAMES, true, models),
	COLUMN("aliases", OBJECT, false, aliases),
	COLUMN("metadata", OBJECT, true, metadata),
	COLUMN("spend", SPEND, true, spend),
	COLUMN("blocked", BOOL, true, blocked),
	COLUMN("organization_id", TEXT, false, organization_id),
	{ "user_id", NO_COLUMN, true, 0 },
	{ "auto_create_key", NO_COLUMN, true, 0 },
	{ "key_alias", NO_COLUMN, true, 0 },
	{ "duration", NO_COLUMN, false, 0 },
	{ "teams", NO_COLUMN, true, 0 },
	{ "send_invite_email", NO_COLUMN, false, 0 },
	{ "password", NO_COLUMN, false, 0 },
	{ "organizations", NO_COLUMN, true, 0 },
	{ "sso_user_id", IN_EXTRA, true, 0 },
	{ "permissions", IN_EXTRA, false, 0 },
	{ "model_max_budget", IN_EXTRA, true, 0 },
	{ "allowed_cache_controls", IN_EXTRA, false, 0 },
	{ "object_permission", IN_EXTRA, false, 0 },
	{ "model_rpm_limit", IN_METADATA, true, 0 },
	{ "model_tpm_limit", IN_METADATA, true, 0 },
	{ "guardrails", IN_METADATA, false, 0 },
	{ "policies", IN_METADATA, false, 0 },
	{ "prompts", IN_METADATA, false, 0 },
};
static const struct field of_organization[] = {
	LIMITS,
	WINDOWS,
	COLUMN("organization_alias", TEXT, true, alias),
	COLUMN("budget_id", TEXT, true, budget_id),
	COLUMN("models", NAMES, true, models),
	COLUMN("metadata", OBJECT, true, metadata),
	COLUMN("spend", SPEND, true, spend),
	COLUMN("blocked", BOOL, true, blocked),
	{ "organization_id", NO_COLUMN, true, 0 },
	{ "model_max_budget", IN_EXTRA, true, 0 },
	{ "object_permission", IN_EXTRA, false, 0 },
	{ "model_rpm_limit", IN_METADATA, true, 0 },
	{ "model_tpm_limit", IN_METADATA, true, 0 },
	{ "tags", IN_METADATA, false, 0 },
};
static const struct field of_customer[] = {
	LIMITS,
	WINDOWS,
	COLUMN("alias", TEXT, true, alias),
	COLUMN("budget_id", TEXT, true, budget_id),
	COLUMN("metadata", OBJECT, true, metadata),
	COLUMN("spend", SPEND, true, spend),
	COLUMN("blocked", BOOL, true, blocked),
	{ "user_id", NO_COLUMN, true, 0 },
	{ "allowed_model_region", IN_EXTRA, false, 0 },
	{ "default_model", IN_EXTRA, false, 0 },
	{ "model_max_budget", IN_EXTRA, true, 0 },
	{ "object_permission", IN_EXTRA, false, 0 },
};
static const struct field of_tag[] = {
	LIMITS,
	WINDOWS,
	COLUMN("description", TEXT, true, alias),
	COLUMN("budget_id", TEXT, true, budget_id),
	COLUMN("spend", SPEND, true, spend),
	COLUMN("blocked", BOOL, true, blocked),
	COLUMN("models", NAMES, false, models),
	{ "name", NO_COLUMN, true, 0 },
	{ "model_info", IN_EXTRA, false, 0 },
	{ "model_max_budget", IN_EXTRA, true, 0 },
};
static const struct field of_budget[] = {
	LIMITS,
	{ "budget_id", NO_COLUMN, true, 0 },
	{ "model_max_budget", IN_EXTRA, true, 0 },
};

const struct field_table user_fields = { of_user, COUNT(of_user) };
const struct field_table organization_fields = { of_organization, COUNT(of_organization) };
const struct field_table customer_fields = { of_customer, COUNT(of_customer) };
const struct field_table tag_fields = { of_tag, COUNT(of_tag) };
const struct field_table budget_fields = { of_budget, COUNT(of_budget) };
