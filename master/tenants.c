/* SPDX-License-Identifier: MIT
 * tenants.c - the kinds of tenants, and how each is shown. */
#include "master/tenants.h"

static const struct tenant_kind kinds[] = {
	{ DIR_USER, "user", { "/user/", "/v2/user/" }, "user_id", "user_ids", "user_id", "user_alias",
	  FIELDS_OF_USER, true, false },
	{ DIR_ORGANIZATION, "organization", { "/organization/" }, "organization_id",
	  "organization_ids", "organization_id", "organization_alias", FIELDS_OF_ORGANIZATION, true,
	  true },
	{ DIR_CUSTOMER, "customer", { "/customer/", "/end_user/" }, "user_id", "user_ids",
	  "end_user_id", "alias", FIELDS_OF_CUSTOMER, false, true },
	{ DIR_TAG, "tag", { "/tag/" }, "name", "name", "names", "description", FIELDS_OF_TAG, false,
	  true },
	{ DIR_BUDGET, "budget", { "/budget/" }, "budget_id", "id", "budgets", NULL,
	  FIELDS_OF_BUDGET, true, false },
};

static bool is_of(const struct command *cmd, const struct tenant_kind *k)
{
	for (size_t i = 0; i < COUNT(k->paths) && k->paths[i]; i++)
		if (str_starts(str_z(cmd->path), str_z(k->paths[i])))
			return true;
	return false;
}

const struct tenant_kind *tenant_kind_of(const struct command *cmd)
{
	const struct tenant_kind *found = NULL;
	for (size_t i = 0; i < COUNT(kinds) && !found; i++)
		if (is_of(cmd, &kinds[i]))
			found = &kinds[i];
	MUST(found);
	return found;
}

int64_t tenant_spend(struct keys *keys, enum dir_kind kind, const struct key_row *row)
{
	return keys_settled_of(keys, ENTITY_OF(kind) | row->id, row->spend);
}

static void put_limits(struct json_out *o, const struct key_row *row)
{
	key_put_money(o, "max_budget", row->max_budget);
	key_put_money(o, "soft_budget", row->soft_budget);
	key_put_limit(o, "max_parallel_requests", row->max_parallel_requests);
	key_put_limit(o, "tpm_limit", row->tpm_limit);
	key_put_limit(o, "rpm_limit", row->rpm_limit);
	json_put_str(o, "budget_duration", row->budget_duration);
	json_put_time(o, "budget_reset_at", row->budget_reset_at);
}

static bool has_limits(const struct key_row *r)
{
	return r->max_budget >= 0 || r->soft_budget >= 0 || r->max_parallel_requests ||
	       r->tpm_limit || r->rpm_limit || r->budget_duration.n || r->budget_id.n;
}

/* Where LiteLLM keeps the limits of some kinds. */
static void put_table(struct json_out *o, const struct key_row *row)
{
	if (!has_limits(row)) {
		json_put_null(o, "litellm_budget_table");
		return;
	}
	json_open(o, "litellm_budget_table");
	json_put_str(o, "budget_id", row->budget_id);
	put_limits(o, row);
	json_close(o);
}

/* {"a":1,"b":2} goes on as members of the object that is open: our own writing. */
static void put_extra(struct json_out *o, struct str extra)
{
	if (extra.n <= 2 || extra.p[0] != '{')
		return;
	BUF_PUT_LIT(o->to, ",");
	buf_put(o->to, str_of(extra.p + 1, extra.n - 2));
}

void tenant_put(struct json_out *o, const struct tenant_kind *k, const struct key_row *row,
		int64_t spend)
{
	json_put_str(o, k->id, row->key_name);
	if (k->alias)
		json_put_str(o, k->alias, row->alias);
	if (k->dir == DIR_USER) {
		json_put_str(o, "user_email", row->email);
		json_put_str(o, "user_role", row->role);
	}
	if (k->dir != DIR_BUDGET) {
		json_put_money(o, "spend", spend);
		json_put_bool(o, "blocked", row->blocked);
		json_put_raw(o, "models", row->models);
		json_put_raw(o, "metadata", row->metadata);
		if (k->dir != DIR_USER)
			json_put_str(o, "budget_id", row->budget_id);
	}
	put_limits(o, row);
	if (k->has_table)
		put_table(o, row);
	json_put_time(o, "created_at", row->created_at);
	json_put_str(o, "created_by", row->created_by);
	json_put_time(o, "updated_at", row->updated_at);
	json_put_str(o, "updated_by", row->updated_by);
	put_extra(o, row->extra);
}
