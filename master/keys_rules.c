/* SPDX-License-Identifier: MIT
 * keys_rules.c - what of a key's metadata and other fields acts: the paths that it may call, the
 * members that its requests must have, the cache's controls that they may, whether what they say is
 * stored, and a budget that is larger for a while. */
#include <errno.h>
#include <time.h>

#include "common/clock.h"
#include "common/directory.h"
#include "common/price.h"
#include "master/keys_private.h"

/* ---- paths and members ---- */

/* A list that cannot be read lets nothing through: one empty rule, which fits no path. */
static void put_rules(struct arena *a, char kind, const struct json *list, char **at)
{
	if (!json_is_given(list) || (list->type == JSON_ARRAY && !list->count))
		return;
	for (const struct json *j = list->type == JSON_ARRAY ? list->child : list; j; j = j->next) {
		struct str s = json_str(a, j);
		if (s.n && memchr(s.p, 0, s.n))
			s = STR_NONE;
		*(*at)++ = kind;
		if (s.n)
			memcpy(*at, s.p, s.n);
		*at += s.n + 1;		/* the arena gives zeroes */
		if (list->type != JSON_ARRAY)
			break;
	}
}

/* A customer's as LiteLLM has it, of others in their metadata. */
static const char region_name[] = "allowed_model_region";

static bool names(struct str object, const char *member)
{
	return str_find(object, str_z(member)) != SIZE_MAX;
}

struct str key_rules_flat(struct arena *a, enum dir_kind kind, const struct key_row *row)
{
	struct json_error e;
	bool is_key = kind == DIR_KEY;
	bool has_routes = (is_key && names(row->extra, "\"allowed_routes\"")) ||
			  (kind == DIR_CUSTOMER && names(row->extra, region_name));
	/* One with a user is no such, whatever somebody has written there. */
	bool is_service = is_key && !row->user_id.n &&
			  names(row->metadata, "\"service_account_id\"");
	bool has_params = is_service || (is_key && names(row->metadata, "\"enforced_params\"")) ||
			  (kind <= DIR_TEAM && names(row->metadata, "\"priority\"")) ||
			  names(row->metadata, region_name);
	bool has_cache = is_key && names(row->extra, "\"allowed_cache_controls\"");
	if (!has_routes && !has_params && !has_cache)
		return STR("");
	/* An element takes at least three bytes there, and two more than its text here. */
	char *p = arena_alloc(a, row->extra.n + row->metadata.n + 2), *at = p;
	bool has_extra = has_routes || has_cache;
	const struct json *extra = has_extra ? json_parse(a, row->extra, 0, &e) : NULL;
	const struct json *metadata = has_params ? json_parse(a, row->metadata, 0, &e) : NULL;
	if (!p || (has_extra && !extra) || (has_params && !metadata))
		return STR_NONE;
	if (is_key) {
		put_rules(a, RULE_ROUTE, json_get(extra, "allowed_routes"), &at);
		put_rules(a, RULE_CACHE, json_get(extra, "allowed_cache_controls"), &at);
		put_rules(a, RULE_PARAM, json_get(metadata, "enforced_params"), &at);
		if (is_service && json_get(metadata, "service_account_id")) {
			*at = RULE_SERVICE;
			at += 2;
		}
	}
	if (kind <= DIR_TEAM && json_is(json_get(metadata, "priority"), JSON_STRING))
		put_rules(a, RULE_PRIORITY, json_get(metadata, "priority"), &at);
	put_rules(a, RULE_REGION, json_get(kind == DIR_CUSTOMER ? extra : metadata, region_name),
		  &at);
	return str_of(p, (size_t)(at - p));
}

/* ---- names for models ---- */

enum { ALIASES_MAX = 64 };		/* further ones are of no effect */

/* "aliases" of a key, "model_aliases" of a team: { name that is asked for: model that is meant }. */
int key_aliases_add(struct arena *a, enum dir_kind kind, const struct key_row *row,
		    struct str *rules, uint32_t *flags)
{
	struct json_error e;
	unsigned n = 0;
	if (kind > DIR_TEAM || row->aliases.n <= 2)	/* "{}", mostly */
		return 0;
	const struct json *all = json_parse(a, row->aliases, 0, &e);
	char *p = arena_alloc(a, rules->n + row->aliases.n + 4 * ALIASES_MAX), *at = p;
	if (!p || !all)
		return -ENOMEM;
	if (rules->n)
		memcpy(at, rules->p, rules->n);
	at += rules->n;
	for (const struct json *j = all->type == JSON_OBJECT ? all->child : NULL; j; j = j->next) {
		struct str meant = json_str(a, j);
		if (!meant.n || !j->key.n || memchr(meant.p, 0, meant.n) ||
		    memchr(j->key.p, 0, j->key.n) || n++ == ALIASES_MAX)
			continue;
		*at++ = RULE_ALIAS;
		memcpy(at, j->key.p, j->key.n);
		at += j->key.n + 1;	/* the arena gives zeroes */
		*at++ = RULE_MEANT;
		memcpy(at, meant.p, meant.n);
		at += meant.n + 1;
	}
	*rules = str_of(p, (size_t)(at - p));
	*flags |= n ? KEY_ALIASES : 0u;
	return 0;
}

/* ---- what is said ---- */

static bool is_true(struct arena *a, const struct json *j)
{
	return json_is_true(j) ||
	       (json_is(j, JSON_STRING) && str_eq_nocase(json_str(a, j), STR("true")));
}

/* LiteLLM has it among what a key's own callbacks are told. */
static bool is_redacted(struct arena *a, const struct json *metadata)
{
	const struct json *logging = json_get(metadata, "logging");
	const struct json *settings = json_get(metadata, "callback_settings");
	bool is = is_true(a, json_get(metadata, "turn_off_message_logging"));
	settings = json_is(settings, JSON_OBJECT) ? json_get(settings, "callback_vars") : NULL;
	is |= json_is(settings, JSON_OBJECT) &&
	      is_true(a, json_get(settings, "turn_off_message_logging"));
	for (const struct json *j = json_is(logging, JSON_ARRAY) ? logging->child : NULL; j;
	     j = j->next) {
		const struct json *vars = json_is(j, JSON_OBJECT) ? json_get(j, "callback_vars")
								  : NULL;
		is |= json_is(vars, JSON_OBJECT) &&
		      is_true(a, json_get(vars, "turn_off_message_logging"));
	}
	return is;
}

/* Metadata that cannot be read keeps everything out. */
uint32_t key_texts_flags(struct arena *a, const struct key_row *row)
{
	struct json_error e;
	if (!names(row->metadata, "\"turn_off_message_logging\"") &&
	    !names(row->metadata, "\"no-log\""))
		return 0;
	const struct json *m = json_parse(a, row->metadata, 0, &e);
	if (!json_is(m, JSON_OBJECT))
		return KEY_NO_TEXTS;
	return (is_true(a, json_get(m, "no-log")) ? KEY_NO_TEXTS : 0u) |
	       (is_redacted(a, m) ? KEY_REDACTED : 0u);
}

/* ---- a budget that is larger for a while ---- */

static bool read_digits(struct str *s, size_t n, int *ret)
{
	uint64_t v;
	if (s->n < n || str_read_u64(str_of(s->p, n), &v) != 0)
		return false;
	*ret = (int)v;
	*s = str_skip(*s, n);
	return true;
}

static bool read_char(struct str *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = str_skip(*s, 1);
	return true;
}

/* What stands behind the seconds: a fraction, and UTC in one of its forms. */
static bool is_end_of_time(struct str s)
{
	if (read_char(&s, '.'))
		while (s.n && s.p[0] >= '0' && s.p[0] <= '9')
			s = str_skip(s, 1);
	return !s.n || str_eq(s, STR("Z")) || str_eq(s, STR("+00:00"));
}

int key_time_read(struct str s, uint64_t *ret_ns)
{
	struct tm t = { 0 };
	if (!read_digits(&s, 4, &t.tm_year) || !read_char(&s, '-') ||
	    !read_digits(&s, 2, &t.tm_mon) || !read_char(&s, '-') ||
	    !read_digits(&s, 2, &t.tm_mday))
		return -EINVAL;
	if (s.n && ((!read_char(&s, 'T') && !read_char(&s, ' ')) ||
		    !read_digits(&s, 2, &t.tm_hour) || !read_char(&s, ':') ||
		    !read_digits(&s, 2, &t.tm_min) || !read_char(&s, ':') ||
		    !read_digits(&s, 2, &t.tm_sec) || !is_end_of_time(s)))
		return -EINVAL;
	if (t.tm_year < 1970 || t.tm_year > 2500 || t.tm_mon < 1 || t.tm_mon > 12 ||
	    t.tm_mday < 1 || t.tm_mday > 31 || t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60)
		return -EINVAL;
	t.tm_year -= 1900;
	t.tm_mon--;
	*ret_ns = (uint64_t)timegm(&t) * NS_PER_S;
	return 0;
}

struct temp_budget {
	int64_t nano;			/* more than max_budget; 0: nothing */
	uint64_t until_ns;
};

static struct temp_budget temp_budget_of(struct arena *a, const struct key_row *row)
{
	struct json_error e;
	struct temp_budget none = { 0 }, t = { 0 };
	if (str_find(row->metadata, STR("\"temp_budget_")) == SIZE_MAX)
		return none;
	const struct json *m = json_parse(a, row->metadata, 0, &e);
	const struct json *more = json_get(m, "temp_budget_increase");
	struct str until = json_get_str(a, m, "temp_budget_expiry");
	if (!json_is(more, JSON_NUMBER) || price_read_nano(more->raw, &t.nano) != 0 ||
	    t.nano <= 0 || key_time_read(until, &t.until_ns) != 0)
		return none;
	return t;
}

int64_t key_budget_at(struct arena *a, const struct key_row *row, uint64_t now_ns,
		      uint64_t *ret_until_ns)
{
	*ret_until_ns = 0;
	if (row->max_budget < 0)
		return DIR_NO_LIMIT;
	struct temp_budget t = temp_budget_of(a, row);
	if (now_ns >= t.until_ns || row->max_budget > INT64_MAX - t.nano)
		return row->max_budget;
	*ret_until_ns = t.until_ns;
	return row->max_budget + t.nano;
}
