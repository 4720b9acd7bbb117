/* SPDX-License-Identifier: MIT
 * ctl_litellm.c - which column of which table of LiteLLM's becomes which argument; and its texts
 * decrypted: base64 of a secretbox under the SHA-256 of the salt key. */
#include <errno.h>

#include "master/ctl_import.h"

#define SAME(name, type) { name, name, type }
#define LIMITS                                                                                    \
	SAME("max_budget", LITELLM_NUMBER), SAME("rpm_limit", LITELLM_NUMBER),                    \
	SAME("tpm_limit", LITELLM_NUMBER), SAME("max_parallel_requests", LITELLM_NUMBER),         \
	SAME("budget_duration", LITELLM_TEXT), SAME("budget_reset_at", LITELLM_TIME)

static const struct litellm_column of_budget[] = {
	SAME("budget_id", LITELLM_TEXT), LIMITS, SAME("soft_budget", LITELLM_NUMBER),
	SAME("model_max_budget", LITELLM_JSON), { 0 },
};
static const struct litellm_column of_organization[] = {
	SAME("organization_id", LITELLM_TEXT), SAME("organization_alias", LITELLM_TEXT),
	SAME("budget_id", LITELLM_TEXT), SAME("metadata", LITELLM_JSON),
	SAME("models", LITELLM_LIST), SAME("spend", LITELLM_NUMBER), { 0 },
};
static const struct litellm_column of_user[] = {
	SAME("user_id", LITELLM_TEXT), LIMITS, SAME("user_alias", LITELLM_TEXT),
	SAME("user_email", LITELLM_TEXT), SAME("user_role", LITELLM_TEXT),
	SAME("models", LITELLM_LIST), SAME("metadata", LITELLM_JSON),
	SAME("spend", LITELLM_NUMBER), SAME("organization_id", LITELLM_TEXT),
	SAME("sso_user_id", LITELLM_TEXT), SAME("allowed_cache_controls", LITELLM_LIST),
	SAME("model_max_budget", LITELLM_JSON), { 0 },
};
static const struct litellm_column of_team[] = {
	SAME("team_id", LITELLM_TEXT), LIMITS, SAME("team_alias", LITELLM_TEXT),
	SAME("organization_id", LITELLM_TEXT), SAME("models", LITELLM_LIST),
	SAME("metadata", LITELLM_JSON), SAME("soft_budget", LITELLM_NUMBER),
	SAME("spend", LITELLM_NUMBER), SAME("blocked", LITELLM_BOOL),
	SAME("model_max_budget", LITELLM_JSON),
	SAME("team_member_permissions", LITELLM_LIST), { 0 },
};
static const struct litellm_column of_member[] = {
	SAME("team_id", LITELLM_TEXT), { "members_with_roles", "member", LITELLM_JSON }, { 0 },
};
static const struct litellm_column of_membership[] = {
	SAME("user_id", LITELLM_TEXT), SAME("team_id", LITELLM_TEXT),
	SAME("spend", LITELLM_NUMBER), SAME("budget_id", LITELLM_TEXT), { 0 },
};
static const struct litellm_column of_org_member[] = {
	SAME("user_id", LITELLM_TEXT), SAME("organization_id", LITELLM_TEXT),
	SAME("user_role", LITELLM_TEXT), SAME("spend", LITELLM_NUMBER),
	SAME("budget_id", LITELLM_TEXT), { 0 },
};
static const struct litellm_column of_key[] = {
	{ "token", "key", LITELLM_TEXT }, LIMITS, SAME("key_name", LITELLM_TEXT),
	SAME("key_alias", LITELLM_TEXT), SAME("spend", LITELLM_NUMBER),
	SAME("expires", LITELLM_TIME), SAME("models", LITELLM_LIST),
	SAME("aliases", LITELLM_JSON), SAME("config", LITELLM_JSON),
	SAME("user_id", LITELLM_TEXT), SAME("team_id", LITELLM_TEXT),
	SAME("organization_id", LITELLM_TEXT), SAME("permissions", LITELLM_JSON),
	SAME("metadata", LITELLM_JSON), SAME("blocked", LITELLM_BOOL),
	SAME("allowed_cache_controls", LITELLM_LIST), SAME("allowed_routes", LITELLM_LIST),
	SAME("model_max_budget", LITELLM_JSON), SAME("budget_id", LITELLM_TEXT),
	SAME("auto_rotate", LITELLM_BOOL), SAME("rotation_interval", LITELLM_TEXT), { 0 },
};
static const struct litellm_column of_customer[] = {
	SAME("user_id", LITELLM_TEXT), SAME("alias", LITELLM_TEXT),
	SAME("spend", LITELLM_NUMBER), SAME("allowed_model_region", LITELLM_TEXT),
	SAME("default_model", LITELLM_TEXT), SAME("budget_id", LITELLM_TEXT),
	SAME("blocked", LITELLM_BOOL), { 0 },
};
static const struct litellm_column of_tag[] = {
	{ "tag_name", "name", LITELLM_TEXT }, SAME("description", LITELLM_TEXT),
	SAME("models", LITELLM_LIST), SAME("spend", LITELLM_NUMBER),
	SAME("budget_id", LITELLM_TEXT), { 0 },
};
static const struct litellm_column of_credential[] = {
	SAME("credential_name", LITELLM_TEXT), SAME("credential_values", LITELLM_SECRETS),
	SAME("credential_info", LITELLM_JSON), { 0 },
};
static const struct litellm_column of_model[] = {
	SAME("model_name", LITELLM_TEXT), SAME("litellm_params", LITELLM_SECRETS),
	SAME("model_info", LITELLM_INFO), { 0 },
};

static const struct litellm_column of_spend[] = {
	SAME("request_id", LITELLM_TEXT), SAME("call_type", LITELLM_TEXT),
	SAME("api_key", LITELLM_TEXT), SAME("spend", LITELLM_NUMBER),
	SAME("prompt_tokens", LITELLM_NUMBER), SAME("completion_tokens", LITELLM_NUMBER),
	SAME("startTime", LITELLM_TIME), SAME("endTime", LITELLM_TIME),
	SAME("completionStartTime", LITELLM_TIME), SAME("model", LITELLM_TEXT),
	SAME("model_id", LITELLM_TEXT), SAME("model_group", LITELLM_TEXT),
	SAME("custom_llm_provider", LITELLM_TEXT), SAME("api_base", LITELLM_TEXT),
	SAME("user", LITELLM_TEXT), SAME("cache_hit", LITELLM_TEXT),
	SAME("request_tags", LITELLM_JSON), SAME("team_id", LITELLM_TEXT),
	SAME("organization_id", LITELLM_TEXT), SAME("end_user", LITELLM_TEXT),
	SAME("requester_ip_address", LITELLM_TEXT), SAME("status", LITELLM_TEXT), { 0 },
};

const struct litellm_table litellm_tables[] = {
	{ "LiteLLM_BudgetTable", "budget", "budget_id", of_budget, NULL },
	{ "LiteLLM_OrganizationTable", "organization", "organization_id", of_organization, NULL },
	{ "LiteLLM_UserTable", "user", "user_id", of_user, "auto_create_key" },
	{ "LiteLLM_OrganizationMembership", "org-member", "user_id", of_org_member, NULL },
	{ "LiteLLM_TeamTable", "team", "team_id", of_team, NULL },
	{ "LiteLLM_TeamTable", "member", "team_id", of_member, NULL },
	{ "LiteLLM_TeamMembership", "membership", "user_id", of_membership, NULL },
	{ "LiteLLM_VerificationToken", "key", "token", of_key, NULL },
	{ "LiteLLM_EndUserTable", "customer", "user_id", of_customer, NULL },
	{ "LiteLLM_TagTable", "tag", "tag_name", of_tag, NULL },
	{ "LiteLLM_CredentialsTable", "credential", "credential_name", of_credential, NULL },
	{ "LiteLLM_ProxyModelTable", "model", "model_id", of_model, NULL },
	{ "LiteLLM_SpendLogs", "spend", "request_id", of_spend, NULL },
};
const size_t litellm_tables_count = COUNT(litellm_tables);

struct str litellm_value(const struct pg_block *b, const struct str *values, const char *column)
{
	for (size_t i = 0; i < b->n_columns; i++)
		if (str_eq_z(b->columns[i], column))
			return values[i];
	return STR_NONE;
}

struct str litellm_decrypt(struct arena *a, const struct litellm_key *key, struct str text)
{
	size_t n;
	struct str plain = arena_dup(a, text);
	char *base64 = (char *)(uintptr_t)plain.p, *sealed = arena_alloc(a, text.n + 1),
	     *out = arena_alloc(a, text.n + 1);
	if (!base64 || !sealed || !out || !key->is_given)
		return STR_NONE;
	for (size_t i = 0; i < text.n; i++)	/* of both alphabets */
		base64[i] = text.p[i] == '-' ? '+' : text.p[i] == '_' ? '/' : text.p[i];
	if (!hash_unbase64(sealed, text.n, plain, &n) ||
	    !hash_open_secretbox(out, text.n, &key->key, str_of(sealed, n), &n))
		return STR_NONE;
	plain = str_of(out, n);
	return str_is_utf8(plain) ? plain : STR_NONE;
}

static int refuse(struct arena *a, struct str *reterr, const char *column, const char *what)
{
	*reterr = arena_printf(a, "%s %s", column, what);
	return -EINVAL;
}

static int put_secrets(struct json_out *o, struct arena *a, const struct litellm_column *col,
		       const struct json *object, const struct litellm_key *key,
		       struct str *reterr)
{
	if (!json_is(object, JSON_OBJECT))
		return refuse(a, reterr, col->column, "is no object");
	json_open(o, col->arg);
	for (const struct json *j = object->child; j; j = j->next) {
		json_key(o, j->key);
		if (j->type != JSON_STRING) {
			json_put_raw(o, NULL, j->raw);
			continue;
		}
		struct str plain = litellm_decrypt(a, key, json_str(a, j));
		if (!plain.p) {
			*reterr = arena_printf(a, "%s." STR_FMT " cannot be decrypted: %s",
					       col->column, STR_ARG(j->key), key->is_given ?
					       "LITELLM_SALT_KEY is not the one that sealed it" :
					       "set LITELLM_SALT_KEY");
			return -EINVAL;
		}
		json_put_str(o, NULL, plain);
	}
	json_close(o);
	return 0;
}

static void put_info(struct json_out *o, const struct litellm_column *col, const struct json *info,
		     struct str id)
{
	json_open(o, col->arg);
	const struct json *j = json_is(info, JSON_OBJECT) ? info->child : NULL;
	for (; j; j = j->next) {
		if (str_eq_z(j->key, "id"))
			continue;
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
	json_put_str(o, "id", id);
	json_close(o);
}

static int put_list(struct json_out *o, struct arena *a, const struct litellm_column *col,
		    struct str v, struct str *reterr)
{
	struct str one;
	int r = pg_array_open(&v);
	if (r == 0) {
		json_open_array(o, col->arg);
		while ((r = pg_array_next(&v, a, &one)) > 0)
			json_put_str(o, NULL, one);
		json_close_array(o);
	}
	return r ? refuse(a, reterr, col->column, "is no list") : 0;
}

static int put_value(struct json_out *o, struct arena *a, const struct litellm_column *col,
		     struct str v, struct str id, const struct litellm_key *key,
		     struct str *reterr)
{
	struct json_error e;
	const struct json *j = NULL;
	double number;
	uint64_t ns;
	if (col->type == LITELLM_JSON || col->type == LITELLM_SECRETS ||
	    col->type == LITELLM_INFO) {
		j = json_parse(a, v, JSON_ONE_KEY, &e);
		if (!j)
			return refuse(a, reterr, col->column, "is no JSON");
	}
	switch (col->type) {
	case LITELLM_TEXT:
		json_put_str(o, col->arg, v);
		return 0;
	case LITELLM_NUMBER:
		j = json_parse(a, v, 0, &e);
		if (!json_is(j, JSON_NUMBER) || json_read_double(j, &number) != 0)
			return refuse(a, reterr, col->column, "is no number");
		json_put_raw(o, col->arg, v);
		return 0;
	case LITELLM_BOOL:
		if (!str_eq(v, STR("t")) && !str_eq(v, STR("f")))
			return refuse(a, reterr, col->column, "is neither t nor f");
		json_put_bool(o, col->arg, v.p[0] == 't');
		return 0;
	case LITELLM_JSON:
		json_put_raw(o, col->arg, j->raw);
		return 0;
	case LITELLM_LIST:
		return put_list(o, a, col, v, reterr);
	case LITELLM_TIME:
		if (pg_read_time(v, &ns) != 0)
			return refuse(a, reterr, col->column, "is no time");
		json_put_u64(o, col->arg, ns);
		return 0;
	case LITELLM_SECRETS:
		return put_secrets(o, a, col, j, key, reterr);
	case LITELLM_INFO:
		put_info(o, col, j, id);
		return 0;
	}
	return 0;
}

int litellm_put_row(struct buf *to, struct arena *a, const struct litellm_table *t,
		    const struct pg_block *b, const struct str *values,
		    const struct litellm_key *key, struct str *reterr)
{
	struct json_out o = json_out(to);
	struct str id = litellm_value(b, values, t->name);
	if (!id.n)
		return refuse(a, reterr, t->name, "is empty");
	json_open(&o, NULL);
	if (t->constant)
		json_put_bool(&o, t->constant, false);
	for (const struct litellm_column *col = t->columns; col->column; col++) {
		struct str v = litellm_value(b, values, col->column);
		bool needs_object = col->type == LITELLM_INFO;
		int err = v.p || needs_object ? put_value(&o, a, col, v.p ? v : STR("{}"), id, key,
							  reterr) : 0;
		if (err)
			return err;
	}
	if (strcmp(t->kind, "model") == 0)
		json_put_str(&o, "id", id);
	json_close(&o);
	return to->failed ? refuse(a, reterr, "the row", "is too long") : 0;
}
