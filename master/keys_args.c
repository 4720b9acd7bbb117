/* SPDX-License-Identifier: MIT
 * keys_args.c - LiteLLM's fields of keys and teams: tables say where each goes and whether it acts.
 *
 * What is stored but does not act yet is told to the caller (llmgw_warnings) whenever it is given
 * a value, and so is a member that nobody knows: a limit that does not limit must not be silent. */
#include <errno.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/price.h"
#include "master/keys_fields.h"
#include "master/keys_windows.h"
#include "master/unified_groups.h"

enum { TEXT_MAX = 1024, MODELS_MAX = 48 * 1024, JSON_TEXT_MAX = 256 * 1024 };

static const struct field key_fields[] = {
	COLUMN("key_alias", TEXT, true, alias),
	COLUMN("user_id", TEXT, true, user_id),
	COLUMN("team_id", TEXT, true, team_id),
	COLUMN("organization_id", TEXT, true, organization_id),
	COLUMN("models", NAMES, true, models),
	COLUMN("aliases", OBJECT, false, aliases),
	COLUMN("metadata", OBJECT, true, metadata),
	COLUMN("permissions", OBJECT, false, permissions),
	COLUMN("max_budget", MONEY, true, max_budget),
	COLUMN("soft_budget", MONEY, true, soft_budget),
	COLUMN("spend", SPEND, true, spend),
	COLUMN("budget_duration", PERIOD, true, budget_duration),
	COLUMN("rpm_limit", LIMIT, true, rpm_limit),
	COLUMN("tpm_limit", LIMIT, true, tpm_limit),
	COLUMN("max_parallel_requests", LIMIT, true, max_parallel_requests),
	COLUMN("blocked", BOOL, true, blocked),
	COLUMN("duration", LIFETIME, true, expires),
	{ "key", NO_COLUMN, true, 0 },
	{ "new_key", NO_COLUMN, true, 0 },
	{ "model_rpm_limit", IN_METADATA, true, 0 },
	{ "model_tpm_limit", IN_METADATA, true, 0 },
	{ "rpm_limit_type", IN_METADATA, false, 0 },
	{ "tpm_limit_type", IN_METADATA, false, 0 },
	{ "enforced_params", IN_METADATA, true, 0 },
	{ "temp_budget_increase", IN_METADATA, true, 0 },
	{ "temp_budget_expiry", IN_METADATA, true, 0 },
	{ "tags", IN_METADATA, false, 0 },
	{ "guardrails", IN_METADATA, false, 0 },
	{ "policies", IN_METADATA, false, 0 },
	{ "prompts", IN_METADATA, false, 0 },
	{ "logging", IN_METADATA, true, 0 },
	{ "secret_manager_settings", IN_METADATA, false, 0 },
	{ "allowed_passthrough_routes", IN_METADATA, false, 0 },
	{ "config", IN_EXTRA, false, 0 },
	COLUMN("budget_id", TEXT, true, budget_id),
	{ "project_id", IN_EXTRA, false, 0 },
	{ "agent_id", IN_EXTRA, false, 0 },
	{ "model_max_budget", IN_EXTRA, true, 0 },
	{ "allowed_cache_controls", IN_EXTRA, true, 0 },
	{ "allowed_routes", IN_EXTRA, true, 0 },
	{ "key_type", IN_EXTRA, true, 0 },
	{ "object_permission", IN_EXTRA, false, 0 },
	{ "allowed_vector_store_indexes", IN_EXTRA, false, 0 },
	{ "access_group_ids", IN_EXTRA, true, 0 },
	{ "router_settings", IN_EXTRA, true, 0 },
	{ "auto_rotate", IN_EXTRA, false, 0 },
	{ "rotation_interval", IN_EXTRA, false, 0 },
	{ "send_invite_email", IN_EXTRA, false, 0 },
	{ "limit_windows", IN_EXTRA, true, 0 },
	{ "rpm_burst", IN_EXTRA, true, 0 },
	{ "tpm_input_limit", IN_EXTRA, true, 0 },
	{ "tpm_output_limit", IN_EXTRA, true, 0 },
	{ "grace_period", NO_COLUMN, true, 0 },
	{ "new_master_key", IN_EXTRA, false, 0 },
};
static const struct field team_fields[] = {
	COLUMN("team_alias", TEXT, true, alias),
	COLUMN("organization_id", TEXT, true, organization_id),
	COLUMN("models", NAMES, true, models),
	COLUMN("model_aliases", OBJECT, false, aliases),
	COLUMN("metadata", OBJECT, true, metadata),
	COLUMN("max_budget", MONEY, true, max_budget),
	COLUMN("soft_budget", MONEY, true, soft_budget),
	COLUMN("spend", SPEND, true, spend),
	COLUMN("budget_duration", PERIOD, true, budget_duration),
	COLUMN("rpm_limit", LIMIT, true, rpm_limit),
	COLUMN("tpm_limit", LIMIT, true, tpm_limit),
	COLUMN("max_parallel_requests", LIMIT, true, max_parallel_requests),
	COLUMN("blocked", BOOL, true, blocked),
	{ "team_id", NO_COLUMN, true, 0 },
	{ "members_with_roles", NO_COLUMN, true, 0 },
	{ "admins", NO_COLUMN, false, 0 },
	{ "members", NO_COLUMN, false, 0 },
	{ "tags", IN_METADATA, false, 0 },
	{ "model_rpm_limit", IN_METADATA, true, 0 },
	{ "model_tpm_limit", IN_METADATA, true, 0 },
	{ "rpm_limit_type", IN_METADATA, false, 0 },
	{ "tpm_limit_type", IN_METADATA, false, 0 },
	{ "guardrails", IN_METADATA, false, 0 },
	{ "policies", IN_METADATA, false, 0 },
	{ "prompts", IN_METADATA, false, 0 },
	{ "logging", IN_METADATA, true, 0 },
	{ "secret_manager_settings", IN_METADATA, false, 0 },
	{ "allowed_passthrough_routes", IN_METADATA, false, 0 },
	{ "team_member_budget", IN_METADATA, true, 0 },
	{ "team_member_budget_duration", IN_METADATA, true, 0 },
	{ "team_member_rpm_limit", IN_METADATA, true, 0 },
	{ "team_member_tpm_limit", IN_METADATA, true, 0 },
	{ "team_member_key_duration", IN_METADATA, false, 0 },
	{ "enforced_batch_output_expires_after", IN_METADATA, false, 0 },
	{ "enforced_file_expires_after", IN_METADATA, false, 0 },
	COLUMN("budget_id", TEXT, true, budget_id),
	{ "model_max_budget", IN_EXTRA, true, 0 },
	{ "object_permission", IN_EXTRA, false, 0 },
	{ "team_member_permissions", IN_EXTRA, true, 0 },
	{ "allowed_vector_store_indexes", IN_EXTRA, false, 0 },
	{ "access_group_ids", IN_EXTRA, true, 0 },
	{ "router_settings", IN_EXTRA, true, 0 },
	{ "limit_windows", IN_EXTRA, true, 0 },
	{ "rpm_burst", IN_EXTRA, true, 0 },
	{ "tpm_input_limit", IN_EXTRA, true, 0 },
	{ "tpm_output_limit", IN_EXTRA, true, 0 },
};
/* What an admin of a team may change of it. */
static const struct field permission_fields[] = {
	{ "team_id", NO_COLUMN, true, 0 },
	{ "team_member_permissions", IN_EXTRA, true, 0 },
};
_Static_assert(COUNT(key_fields) <= 64 && COUNT(team_fields) <= 64,
	       "key_change.given has a bit for each");

static const struct field_table table_of_keys = { key_fields, COUNT(key_fields) };
static const struct field_table table_of_teams = { team_fields, COUNT(team_fields) };
static const struct field_table table_of_permissions = { permission_fields,
							 COUNT(permission_fields) };
static const struct field_table *const tables[] = {
	[FIELDS_OF_KEY] = &table_of_keys,
	[FIELDS_OF_TEAM] = &table_of_teams,
	[FIELDS_OF_PERMISSIONS] = &table_of_permissions,
	[FIELDS_OF_USER] = &user_fields,
	[FIELDS_OF_ORGANIZATION] = &organization_fields,
	[FIELDS_OF_CUSTOMER] = &customer_fields,
	[FIELDS_OF_TAG] = &tag_fields,
	[FIELDS_OF_BUDGET] = &budget_fields,
};

static const struct field *find_field(const struct field_table *t, struct str name)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq_z(name, t->v[i].name))
			return &t->v[i];
	return NULL;
}

static bool is_set(const struct key_change *ch, size_t i)
{
	return ch->given >> i & 1;
}

static bool is_given(const struct key_change *ch, enum field_kind kind)
{
	for (size_t i = 0; ch->fields && i < ch->fields->n; i++)
		if (ch->fields->v[i].kind == kind && is_set(ch, i))
			return true;
	return false;
}

/* ---- warnings ---- */

static const char *nearest(const struct field_table *t, struct str name)
{
	const char *best = NULL;
	unsigned least = 3;
	for (size_t i = 0; i < t->n; i++) {
		unsigned d = str_distance(name, str_z(t->v[i].name), 2);
		if (d < least) {
			least = d;
			best = t->v[i].name;
		}
	}
	return best;
}

void key_change_warn(struct key_change *ch, struct str text)
{
	if (text.p)
		ch->warnings[ch->n_warnings++] = text;
}

static void warn_unknown(struct command_call *c, struct key_change *ch, struct str name)
{
	const char *near = nearest(ch->fields, name);
	name.n = name.n > 100 ? 100 : name.n;
	if (near)
		key_change_warn(ch, arena_printf(c->mem,
				      "'" STR_FMT "' is unknown and was ignored: "
				      "did you mean '%s'?",
				      STR_ARG(name), near));
	else
		key_change_warn(ch, arena_printf(c->mem, "'" STR_FMT "' is unknown and was ignored",
				      STR_ARG(name)));
}

/* null, false, "", [] and {} ask for nothing; so does a key_type of "default". */
static bool asks_for_something(const struct json *j)
{
	switch ((enum json_type)j->type) {
	case JSON_NULL:
	case JSON_FALSE:
		return false;
	case JSON_ARRAY:
	case JSON_OBJECT:
		return j->count > 0;
	case JSON_STRING:
		return j->raw.n > 2 && !str_eq(j->raw, STR("\"default\""));
	case JSON_TRUE:
	case JSON_NUMBER:
		break;
	}
	return true;
}

static void warn_idle(struct command_call *c, struct key_change *ch, const struct field *f,
		      const struct json *j)
{
	if (!f->acts && asks_for_something(j))
		key_change_warn(ch, arena_printf(c->mem, "%s is stored but not acted on yet", f->name));
}

/* ---- reading: what is refused is answered at once, and then nothing may be touched: the call's
 * memory is gone ---- */

static void *place_in(struct key_row *row, const struct field *f)
{
	return (char *)row + f->at;
}

static int refuse(struct command_call *c, const struct field *f, const char *what)
{
	command_fail(c, 400, "invalid_request_error", f->name, "%s %s", f->name, what);
	return -EINVAL;
}

static int read_text(struct command_call *c, const struct field *f, struct str *to)
{
	*to = STR_NONE;
	int err = command_str(c, f->name, to);
	if (err == -ENOENT)
		return 0;
	if (!err && to->n > TEXT_MAX)
		return refuse(c, f, "is longer than 1024 bytes");
	if (!err && to->n == 0)
		*to = STR_NONE;
	return err;
}

static int read_money(struct command_call *c, const struct field *f, int64_t *to)
{
	*to = MONEY_NONE;
	int err = command_money(c, f->name, to);
	return err == -ENOENT ? 0 : err;
}

static int read_limit(struct command_call *c, const struct field *f, int64_t *to)
{
	uint64_t v = 0;
	int err = command_u64(c, f->name, &v);
	if (err == -EINVAL)
		return err;
	if (!err && v == 0)
		return refuse(c, f, "must be at least 1; block it to let nothing through");
	*to = v > INT32_MAX ? INT32_MAX : (int64_t)v;	/* beyond any rate: as good as it gets */
	return 0;
}

static int read_flag(struct command_call *c, const struct field *f, bool *to)
{
	*to = false;
	int err = command_bool(c, f->name, to);
	return err == -ENOENT ? 0 : err;
}

/* An object as it stands, also when it comes as a string of JSON (a form, a command line). */
static int read_json(struct command_call *c, const struct field *f, const struct json *j,
		     enum json_type type, struct str *to)
{
	struct json_error e;
	*to = type == JSON_ARRAY ? STR("[]") : STR("{}");
	if (j->type == JSON_NULL)
		return 0;
	if (j->type == JSON_STRING && json_str(c->mem, j).n)
		j = json_parse(c->mem, json_str(c->mem, j), JSON_ONE_KEY, &e);
	if (!j || j->type != type)
		return refuse(c, f, type == JSON_ARRAY ? "must be a list" : "must be an object");
	if (j->raw.n > JSON_TEXT_MAX)
		return refuse(c, f, "is larger than 256 KiB");
	*to = j->raw;
	return 0;
}

static int read_names(struct command_call *c, const struct field *f, const struct json *j,
		      struct str *to)
{
	if (j->type == JSON_STRING && j->raw.n > 2 && j->raw.p[1] != '[')
		return refuse(c, f, "must be a list");
	int err = read_json(c, f, j, JSON_ARRAY, to);
	if (err)
		return err;
	if (to->n > MODELS_MAX)
		return refuse(c, f, "is larger than 48 KiB");
	if (!key_models_flat(c->mem, *to).p)
		return refuse(c, f, "must be a list of names");
	return 0;
}

static int read_period_text(struct command_call *c, const struct field *f, struct str *text,
			    struct period *p)
{
	*text = STR_NONE;
	int err = command_str(c, f->name, text);
	if (err == -ENOENT || (!err && (str_eq(*text, STR("-1")) || !text->n))) {
		*text = STR_NONE;
		return 0;
	}
	if (!err && period_read(*text, p) != 0)
		return refuse(c, f,
			      "must be a number with s, m, h, d, w or mo behind it, such as 30d");
	return err;
}

static int read_lifetime(struct command_call *c, const struct field *f, struct key_change *ch)
{
	struct str text;
	struct period p;
	int err = read_period_text(c, f, &text, &p);
	if (err)
		return err;
	ch->to.expires = text.p ? period_after(p, ch->now_ns) : 0;
	return 0;
}

static int read_period(struct command_call *c, const struct field *f, struct key_change *ch)
{
	struct str text;
	struct period p;
	int err = read_period_text(c, f, &text, &p);
	if (err)
		return err;
	ch->to.budget_duration = text;
	ch->to.budget_reset_at = text.p ? period_reset(p, ch->now_ns) : 0;
	return 0;
}

static int read_spend(struct command_call *c, const struct field *f, struct key_change *ch)
{
	ch->to.spend = 0;
	ch->to.spend_since = ch->now_ns;
	int err = command_money(c, f->name, &ch->to.spend);
	return err == -ENOENT ? 0 : err;
}

static int read_field(struct command_call *c, const struct field *f, const struct json *j,
		      struct key_change *ch)
{
	void *to = place_in(&ch->to, f);
	switch (f->kind) {
	case TEXT:
		return read_text(c, f, to);
	case MONEY:
		return read_money(c, f, to);
	case LIMIT:
		return read_limit(c, f, to);
	case BOOL:
		return read_flag(c, f, to);
	case OBJECT:
		return read_json(c, f, j, JSON_OBJECT, to);
	case NAMES:
		return read_names(c, f, j, to);
	case LIFETIME:
		return read_lifetime(c, f, ch);
	case PERIOD:
		return read_period(c, f, ch);
	case SPEND:
		return read_spend(c, f, ch);
	case IN_METADATA:
	case IN_EXTRA:
	case NO_COLUMN:
		break;
	}
	return 0;
}

/* Times that another gateway has reckoned already take the place of what is made of durations. */
static int read_imported(struct command_call *c, struct str name, struct key_change *ch)
{
	const struct field *lifetime = find_field(ch->fields, STR("duration"));
	uint64_t ns = 0;
	if (str_eq_z(name, "expires") && lifetime && lifetime->kind == LIFETIME) {
		if (command_u64(c, "expires", &ns) == -EINVAL)
			return -EINVAL;
		ch->to.expires = ns;
		ch->given |= UINT64_C(1) << (lifetime - ch->fields->v);
	} else if (str_eq_z(name, "budget_reset_at")) {
		if (command_u64(c, "budget_reset_at", &ns) == -EINVAL)
			return -EINVAL;
		if (ns && ch->to.budget_duration.n)
			ch->to.budget_reset_at = ns;
	}
	return 0;
}

int key_change_read(struct command_call *c, enum key_fields of, struct key_change *ret)
{
	if ((of == FIELDS_OF_KEY || of == FIELDS_OF_TEAM) && key_logging_read(c) != 0)
		return -EINVAL;
	*ret = (struct key_change){ .fields = tables[of], .now_ns = clock_wall_ns(),
				    .args = c->args };
	ret->warnings = arena_array(c->mem, c->args->count + 3, sizeof *ret->warnings);
	if (!ret->warnings) {
		command_fail(c, 413, "invalid_request_error", NULL, "the request is too large");
		return -EINVAL;
	}
	for (const struct json *j = c->args->child; j; j = j->next) {
		const struct field *f = find_field(ret->fields, j->key);
		if (!f && c->is_import) {
			if (read_imported(c, j->key, ret) != 0)
				return -EINVAL;
			continue;
		}
		if (!f) {
			warn_unknown(c, ret, j->key);
			continue;
		}
		int err = read_field(c, f, j, ret);
		if (!err)
			err = key_model_check(c, j);
		if (!err && of != FIELDS_OF_BUDGET)
			err = key_windows_check(c, j);
		if (!err)
			err = key_groups_check(c, j);
		if (err)
			return err;
		ret->given |= UINT64_C(1) << (f - ret->fields->v);
		warn_idle(c, ret, f, j);
	}
	if (of == FIELDS_OF_KEY || of == FIELDS_OF_TEAM)
		key_logging_warn(c, ret);
	return 0;
}

/* ---- applying ---- */

static void copy_field(const struct field *f, const struct key_row *from, struct key_row *to)
{
	const char *src = (const char *)from + f->at;
	char *dst = place_in(to, f);
	switch (f->kind) {
	case TEXT:
	case OBJECT:
	case NAMES:
		memcpy(dst, src, sizeof(struct str));
		break;
	case MONEY:
	case LIMIT:
		memcpy(dst, src, sizeof(int64_t));
		break;
	case BOOL:
		memcpy(dst, src, sizeof(bool));
		break;
	case LIFETIME:
		to->expires = from->expires;
		break;
	case PERIOD:
		to->budget_duration = from->budget_duration;
		to->budget_reset_at = from->budget_reset_at;
		break;
	case SPEND:
		to->spend = from->spend;
		to->spend_since = from->spend_since;
		break;
	case IN_METADATA:
	case IN_EXTRA:
	case NO_COLUMN:
		break;
	}
}

static bool is_of(const struct key_change *ch, const struct json *j, enum field_kind kind)
{
	const struct field *f = find_field(ch->fields, j->key);
	return f && f->kind == kind;
}

static bool is_replaced(const struct key_change *ch, const struct json *old, enum field_kind kind)
{
	for (const struct json *j = ch->args->child; j; j = j->next)
		if (is_of(ch, j, kind) && str_eq(j->key, old->key))
			return true;
	return false;
}

static void put_members(struct json_out *o, const struct key_change *ch, const struct json *old,
			enum field_kind kind)
{
	json_open(o, NULL);
	for (const struct json *j = old->child; j; j = j->next) {
		if (is_replaced(ch, j, kind))
			continue;
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
	for (const struct json *j = ch->args->child; j; j = j->next) {
		if (!is_of(ch, j, kind) || j->type == JSON_NULL)
			continue;
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
	json_close(o);
}

/* Puts the arguments of that kind into an object, in the place of what has their names. */
static int merge_members(const struct key_change *ch, enum field_kind kind, struct arena *a,
			 struct str *object)
{
	struct json_error e;
	struct buf text;
	if (!is_given(ch, kind))
		return 0;
	const struct json *old = json_parse(a, object->n ? *object : STR("{}"), 0, &e);
	if (!old || old->type != JSON_OBJECT)
		return -ENOMEM;
	buf_init(&text, 8u << 20);
	struct json_out o = json_out(&text);
	put_members(&o, ch, old, kind);
	struct str merged = text.failed ? STR_NONE : arena_dup(a, buf_str(&text));
	buf_done(&text);
	if (!merged.p)
		return -ENOMEM;
	*object = merged;
	return 0;
}

int key_change_apply(const struct key_change *ch, struct arena *a, struct key_row *row)
{
	struct str was = row->metadata;
	for (size_t i = 0; ch->fields && i < ch->fields->n; i++)
		if (is_set(ch, i))
			copy_field(&ch->fields->v[i], &ch->to, row);
	row->updated_at = ch->now_ns;
	int err = merge_members(ch, IN_METADATA, a, &row->metadata);
	if (!err)
		err = key_logging_keep(a, was, &row->metadata);
	return err ? err : merge_members(ch, IN_EXTRA, a, &row->extra);
}

bool key_change_sets_spend(const struct key_change *ch)
{
	return is_given(ch, SPEND);
}

bool key_change_sets_period(const struct key_change *ch)
{
	return is_given(ch, PERIOD);
}

/* ---- model lists ---- */

struct str key_models_flat(struct arena *a, struct str json)
{
	struct json_error e;
	if (str_eq(json, STR("[]")))
		return STR("");
	const struct json *list = json_parse(a, json, 0, &e);
	char *p = arena_alloc(a, json.n + 1), *end = p;
	if (!json_is(list, JSON_ARRAY) || !p)
		return STR_NONE;
	/* Exclusions first: who reads the list need not read on behind a name that fits. */
	for (int others = 0; others < 2; others++)
		for (const struct json *j = list->child; j; j = j->next) {
			struct str name = json_str(a, j);
			if (!name.n || memchr(name.p, 0, name.n) || str_eq(name, STR("!")))
				return STR_NONE;
			if ((name.p[0] != '!') != others)
				continue;
			memcpy(end, name.p, name.n);
			end += name.n + 1;	/* the arena gives zeroes */
		}
	return str_of(p, (size_t)(end - p));
}

bool key_models_are_all(struct str flat)
{
	if (!flat.n)
		return true;
	if (flat.p[0] == '!')
		return false;
	while (flat.n)
		if (dir_name_is_all(str_cut(&flat, '\0')))
			return true;
	return false;
}
