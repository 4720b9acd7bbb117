/* SPDX-License-Identifier: MIT
 * keys_json.c - a key and a team as LiteLLM's API shows them. */
#include "master/keys_private.h"

struct str key_hash_hex(struct arena *a, const struct sha256 *hash)
{
	char *hex = arena_alloc(a, sizeof hash->b * 2 + 1);
	if (!hex)
		return STR_NONE;
	hash_hex(hex, hash->b, sizeof hash->b);
	return str_of(hex, sizeof hash->b * 2);
}

static void put_hash(struct json_out *o, const char *key, const struct sha256 *hash)
{
	char hex[sizeof hash->b * 2 + 1];
	hash_hex(hex, hash->b, sizeof hash->b);
	json_put_z(o, key, hex);
}

void key_put_money(struct json_out *o, const char *key, int64_t nano)
{
	if (nano < 0)
		json_put_null(o, key);
	else
		json_put_money(o, key, nano);
}

void key_put_limit(struct json_out *o, const char *key, int64_t v)
{
	if (v)
		json_put_i64(o, key, v);
	else
		json_put_null(o, key);
}

static void put_names(struct json_out *o, const struct key_row *row, bool with_token)
{
	if (with_token) {
		put_hash(o, "token", &row->hash);
		put_hash(o, "token_id", &row->hash);
	}
	json_put_str(o, "key_name", row->key_name);
	json_put_str(o, "key_alias", row->alias);
	json_put_str(o, "user_id", row->user_id);
	json_put_str(o, "team_id", row->team_id);
	json_put_str(o, "organization_id", row->organization_id);
}

static void put_limits(struct json_out *o, const struct key_row *row, int64_t spend)
{
	json_put_raw(o, "models", row->models);
	json_put_money(o, "spend", spend);
	key_put_money(o, "max_budget", row->max_budget);
	key_put_money(o, "soft_budget", row->soft_budget);
	json_put_str(o, "budget_duration", row->budget_duration);
	json_put_time(o, "budget_reset_at", row->budget_reset_at);
	key_put_limit(o, "rpm_limit", row->rpm_limit);
	key_put_limit(o, "tpm_limit", row->tpm_limit);
	key_put_limit(o, "max_parallel_requests", row->max_parallel_requests);
	json_put_bool(o, "blocked", row->blocked);
	json_put_str(o, "budget_id", row->budget_id);
}

static void put_times(struct json_out *o, const struct key_row *row)
{
	json_put_time(o, "created_at", row->created_at);
	json_put_str(o, "created_by", row->created_by);
	json_put_time(o, "updated_at", row->updated_at);
	json_put_str(o, "updated_by", row->updated_by);
	json_put_time(o, "last_active", row->last_used);
	json_put_null(o, "litellm_budget_table");
}

/* {"a":1,"b":2} goes on as members of the object that is open: our own writing, so its braces
 * are where they must be. */
static void put_extra(struct json_out *o, struct str extra)
{
	if (extra.n <= 2 || extra.p[0] != '{')
		return;
	BUF_PUT_LIT(o->to, ",");
	buf_put(o->to, str_of(extra.p + 1, extra.n - 2));
}

void key_put(struct json_out *o, const struct key_row *row, int64_t spend, bool with_token)
{
	put_names(o, row, with_token);
	put_limits(o, row, spend);
	json_put_time(o, "expires", row->expires);
	json_put_raw(o, "aliases", row->aliases);
	key_logging_put_masked(o, "metadata", row->metadata);
	json_put_raw(o, "permissions", row->permissions);
	put_times(o, row);
	put_extra(o, row->extra);
}

void team_put(struct json_out *o, const struct key_row *row, int64_t spend, struct str members)
{
	json_put_str(o, "team_id", row->team_id);
	json_put_str(o, "team_alias", row->alias);
	json_put_str(o, "organization_id", row->organization_id);
	json_put_raw(o, "admins", STR("[]"));
	json_put_raw(o, "members", STR("[]"));
	json_put_raw(o, "members_with_roles", members.n ? members : STR("[]"));
	put_limits(o, row, spend);
	json_put_raw(o, "model_aliases", row->aliases);
	key_logging_put_masked(o, "metadata", row->metadata);
	json_put_null(o, "model_id");
	json_put_null(o, "litellm_model_table");
	put_times(o, row);
	put_extra(o, row->extra);
}

size_t key_put_room(const struct key_row *r)
{
	size_t raw = r->models.n + r->aliases.n + r->metadata.n + r->permissions.n + r->extra.n;
	size_t texts = r->alias.n + r->user_id.n + r->team_id.n + r->organization_id.n +
		       r->created_by.n + r->updated_by.n + r->budget_id.n;
	return 4096 + raw + 6 * texts;	/* an escaped byte takes six */
}

void key_put_warnings(struct json_out *o, const struct str *warnings, size_t n)
{
	if (!n)
		return;
	json_open_array(o, "llmgw_warnings");
	for (size_t i = 0; i < n; i++)
		json_put_str(o, NULL, warnings[i]);
	json_close_array(o);
}
