/* SPDX-License-Identifier: MIT
 * spend_activity.c - /user/daily/activity and its kin: LiteLLM's days with their breakdowns.
 *
 * One page of the daily table's rows is read, newest day first; then each day's rows are sorted by
 * one property after the other and written out group by group. */
#include <errno.h>
#include <stdlib.h>

#include "master/command_job.h"
#include "master/master.h"
#include "master/spend_private.h"

enum { PAGE_ROWS = 50, PAGE_ROWS_MAX = 1000, ALL_ROWS_MAX = 20000 };

enum part { OF_MODEL, OF_GROUP, OF_PROVIDER, OF_ENDPOINT, OF_KEY, OF_ENTITY, PARTS };
struct activity_row {
	int64_t day;
	struct str part[PARTS];		/* .p NULL: it has none */
	struct str alias, team;		/* of the key */
	struct str entity_alias;
	struct spend_sums sums;
};

/* Whose activity. */
struct entity {
	const char *noun, *list_arg, *one_arg;
	const char *from;		/* with the table as s and the entity's name as e.name */
	const char *column, *order;
	const char *named;		/* the alias, in entities[].metadata */
};
#define JOINS                                                                                     \
	" LEFT JOIN spend_names m ON m.id = s.model LEFT JOIN deployments d"                      \
	" ON d.id_hash = s.deployment" SPEND_OF_KEY("s.key_id")
#define DAILY_ORDER                                                                               \
	" ORDER BY s.day DESC, s.key_id DESC, s.team DESC, s.user DESC, s.organization DESC,"     \
	" s.model DESC, s.deployment DESC, s.endpoint DESC"
#define LABEL_ORDER                                                                               \
	" ORDER BY s.day DESC, s.label DESC, s.key_id DESC, s.model DESC, s.deployment DESC,"     \
	" s.endpoint DESC"
static const struct entity entities[] = {
	{ "user", "user_ids", "user_id",
	  " FROM spend_daily s LEFT JOIN spend_names e ON e.id = s.user" JOINS " WHERE 1",
	  "s.user <> 0 AND s.user IN (SELECT id FROM spend_names WHERE name", DAILY_ORDER, "user_alias" },
	{ "team", "team_ids", "team_id",
	  " FROM spend_daily s LEFT JOIN teams t ON t.id = s.team" JOINS " WHERE s.team <> 0",
	  "s.team IN (SELECT id FROM teams WHERE team_id", DAILY_ORDER, "team_alias" },
	{ "organization", "organization_ids", "organization_id",
	  " FROM spend_daily s LEFT JOIN spend_names e ON e.id = s.organization" JOINS
	  " WHERE s.organization <> 0",
	  "s.organization IN (SELECT id FROM spend_names WHERE name", DAILY_ORDER,
	  "organization_alias" },
	{ "customer", "end_user_ids", "end_user_id",
	  " FROM spend_labels s LEFT JOIN spend_names e ON e.id = s.label" JOINS
	  " WHERE s.kind = 5",
	  "s.label IN (SELECT id FROM spend_names WHERE name", LABEL_ORDER,
	  "end_user_alias" },
	{ "tag", "tags", "tag",
	  " FROM spend_labels s LEFT JOIN spend_names e ON e.id = s.label" JOINS
	  " WHERE s.kind = 6",
	  "s.label IN (SELECT id FROM spend_names WHERE name", LABEL_ORDER, "tag_name" },
};
_Static_assert(ROLLUP_END_USER == 5 && ROLLUP_TAG == 6, "as in the texts above");

struct activity_call {
	struct command_call *c;
	const struct entity *of;
	struct spend_range range;
	uint64_t page, size, total;
	bool is_all;			/* not in pages */
	bool is_own;			/* the caller's user alone, or its key where it has none */
	struct activity_row *rows;
	size_t n_rows;
	struct spend_where where;
};

/* ---- reading a page ---- */

static struct str keep(struct activity_call *ac, struct sql *q, int column, bool *failed)
{
	struct str s = sql_get_text(q, column);
	struct str copy = s.n ? arena_dup(ac->c->mem, s) : s;
	*failed |= s.n && !copy.p;
	return s.p && !s.n ? STR("") : copy;
}

enum column { DAY, KEY_ID, KEY_HASH, ALIAS, KEY_TEAM, MODEL, GROUP, PROVIDER, ENDPOINT, ENTITY,
	      ENTITY_ALIAS, SUMS };

static int read_row(struct activity_call *ac, struct sql *q, struct activity_row *ret)
{
	char hex[SPEND_KEY_ROOM];
	bool failed = false;
	spend_key_name(hex, q, KEY_HASH, sql_get_int(q, KEY_ID));
	ret->day = sql_get_int(q, DAY);
	ret->part[OF_KEY] = arena_dup(ac->c->mem, str_z(hex));
	ret->part[OF_GROUP] = keep(ac, q, GROUP, &failed);
	ret->part[OF_MODEL] = keep(ac, q, MODEL, &failed);
	if (!ret->part[OF_MODEL].n)
		ret->part[OF_MODEL] = ret->part[OF_GROUP];
	ret->part[OF_PROVIDER] = keep(ac, q, PROVIDER, &failed);
	if (!ret->part[OF_PROVIDER].n)
		ret->part[OF_PROVIDER] = STR("unknown");
	ret->part[OF_ENDPOINT] = str_z(spend_call_path(sql_get_int(q, ENDPOINT)));
	ret->part[OF_ENTITY] = keep(ac, q, ENTITY, &failed);
	ret->entity_alias = keep(ac, q, ENTITY_ALIAS, &failed);
	ret->alias = keep(ac, q, ALIAS, &failed);
	ret->team = keep(ac, q, KEY_TEAM, &failed);
	spend_read_sums(q, SUMS, &ret->sums);
	return failed || !ret->part[OF_KEY].p ? -ENOMEM : 0;
}

#define SELECT(name, alias)                                                                       \
	"SELECT s.day, s.key_id, coalesce(k.token_hash, x.token_hash), coalesce(k.alias, x.alias)," \
	" coalesce(k.team_id, x.team_id), d.model, m.name, d.provider, s.endpoint, " name ", "     \
	alias "," SPEND_ROW

static int read_total(struct activity_call *ac, struct store_db *db)
{
	struct spend_where *w = arena_alloc(ac->c->mem, sizeof *w);
	if (!w)
		return -ENOMEM;
	*w = ac->where;
	spend_where_count(w, "SELECT count(*)");
	struct sql *q = spend_where_query(w, db, "");
	int r = sql_row(q);
	if (r > 0)
		ac->total = (uint64_t)sql_get_int(q, 0);
	sql_end(q);
	return r < 0 ? r : 0;
}

static int read_page(struct activity_call *ac, struct store_db *db)
{
	struct str tail = arena_printf(ac->c->mem, "%s LIMIT %llu OFFSET %llu", ac->of->order,
				       (unsigned long long)ac->size,
				       (unsigned long long)((ac->page - 1) * ac->size));
	const char *z = tail.p ? arena_dup_z(ac->c->mem, tail) : NULL;
	uint64_t left = ac->total > (ac->page - 1) * ac->size ?
			ac->total - (ac->page - 1) * ac->size : 0;
	uint64_t most = left < ac->size ? left : ac->size;
	ac->rows = arena_array(ac->c->mem, (size_t)most + 1, sizeof *ac->rows);
	if (!z || !ac->rows)
		return -ENOMEM;
	struct sql *q = spend_where_query(&ac->where, db, z);
	int r = 0, err = 0;
	while (!err && ac->n_rows < most && (r = sql_row(q)) > 0) {
		err = read_row(ac, q, &ac->rows[ac->n_rows]);
		ac->n_rows += !err;
	}
	sql_end(q);
	return err ? err : r < 0 ? r : 0;
}

/* ---- writing ---- */

static void put_metrics(struct json_out *o, const struct spend_sums *s)
{
	json_open(o, "metrics");
	json_put_money(o, "spend", s->cost);
	json_put_i64(o, "prompt_tokens", s->input);
	json_put_i64(o, "completion_tokens", s->output);
	json_put_i64(o, "cache_read_input_tokens", s->cache_read);
	json_put_i64(o, "cache_creation_input_tokens", s->cache_write);
	json_put_i64(o, "total_tokens", s->input + s->output);
	json_put_i64(o, "successful_requests", s->requests - s->failed);
	json_put_i64(o, "failed_requests", s->failed);
	json_put_i64(o, "api_requests", s->requests);
	json_close(o);
}

static void sum_rows(const struct activity_row *rows, size_t n, struct spend_sums *ret)
{
	*ret = (struct spend_sums){ 0 };
	for (size_t i = 0; i < n; i++)
		spend_add_sums(ret, &rows[i].sums);
}

static void put_sums(struct json_out *o, const struct activity_row *rows, size_t n)
{
	struct spend_sums s;
	sum_rows(rows, n, &s);
	put_metrics(o, &s);
}

static void put_key_metadata(struct json_out *o, const struct activity_row *row)
{
	json_open(o, "metadata");
	json_put_str(o, "key_alias", row->alias);
	json_put_str(o, "team_id", row->team);
	json_close(o);
}

static int cmp_by(const struct activity_row *a, const struct activity_row *b, enum part part)
{
	int order = str_cmp(a->part[part], b->part[part]);
	return order ? order : str_cmp(a->part[OF_KEY], b->part[OF_KEY]);
}

#define CMP(name, part)                                                                           \
	static int name(const void *a, const void *b)                                             \
	{                                                                                         \
		return cmp_by(a, b, part);                                                        \
	}
CMP(cmp_model, OF_MODEL)
CMP(cmp_group, OF_GROUP)
CMP(cmp_provider, OF_PROVIDER)
CMP(cmp_endpoint, OF_ENDPOINT)
CMP(cmp_key, OF_KEY)
CMP(cmp_entity, OF_ENTITY)

/* How many rows from the first on are alike in this. */
static size_t run_of(const struct activity_row *rows, size_t n, enum part part)
{
	size_t same = 1;
	while (same < n && str_eq(rows[same].part[part], rows[0].part[part]))
		same++;
	return same;
}

static void put_keys(struct json_out *o, const char *name, const struct activity_row *rows,
		     size_t n)
{
	json_open(o, name);
	while (n) {
		size_t same = run_of(rows, n, OF_KEY);
		json_key(o, rows->part[OF_KEY]);
		json_open(o, NULL);
		put_sums(o, rows, same);
		put_key_metadata(o, rows);
		json_close(o);
		rows += same;
		n -= same;
	}
	json_close(o);
}

/* rows are sorted by part, then by key. What has no name is in the day's sums alone, as there. */
static void put_part(struct json_out *o, const struct activity_call *ac, const char *name,
		     const struct activity_row *rows, size_t n, enum part part)
{
	json_open(o, name);
	while (n) {
		size_t same = run_of(rows, n, part);
		if (rows->part[part].n) {
			json_key(o, rows->part[part]);
			json_open(o, NULL);
			put_sums(o, rows, same);
			json_open(o, "metadata");
			if (part == OF_ENTITY && rows->entity_alias.p)
				json_put_str(o, ac->of->named, rows->entity_alias);
			json_close(o);
			put_keys(o, "api_key_breakdown", rows, same);
			json_close(o);
		}
		rows += same;
		n -= same;
	}
	json_close(o);
}

static void put_day(struct json_out *o, const struct activity_call *ac, struct activity_row *rows,
		    size_t n)
{
	static const struct {
		const char *name;
		enum part part;
		int (*cmp)(const void *, const void *);
	} parts[] = {
		{ "models", OF_MODEL, cmp_model }, { "model_groups", OF_GROUP, cmp_group },
		{ "providers", OF_PROVIDER, cmp_provider },
		{ "endpoints", OF_ENDPOINT, cmp_endpoint }, { "entities", OF_ENTITY, cmp_entity },
	};
	char text[SPEND_TEXT_ROOM];
	spend_day_text(text, rows->day);
	json_open(o, NULL);
	json_put_z(o, "date", text);
	put_sums(o, rows, n);
	json_open(o, "breakdown");
	json_open(o, "mcp_servers");
	json_close(o);
	for (size_t i = 0; i < COUNT(parts); i++) {
		qsort(rows, n, sizeof *rows, parts[i].cmp);
		put_part(o, ac, parts[i].name, rows, n, parts[i].part);
	}
	qsort(rows, n, sizeof *rows, cmp_key);
	put_keys(o, "api_keys", rows, n);
	json_close(o);
	json_close(o);
}

static void put_answer(struct json_out *o, struct activity_call *ac)
{
	struct spend_sums total;
	json_open(o, NULL);
	json_open_array(o, "results");
	for (size_t i = 0, n; i < ac->n_rows; i += n) {
		for (n = 1; i + n < ac->n_rows && ac->rows[i + n].day == ac->rows[i].day; n++)
			;
		put_day(o, ac, &ac->rows[i], n);
	}
	json_close_array(o);
	sum_rows(ac->rows, ac->n_rows, &total);
	json_open(o, "metadata");
	json_put_money(o, "total_spend", total.cost);
	json_put_i64(o, "total_prompt_tokens", total.input);
	json_put_i64(o, "total_completion_tokens", total.output);
	json_put_i64(o, "total_tokens", total.input + total.output);
	json_put_i64(o, "total_api_requests", total.requests);
	json_put_i64(o, "total_successful_requests", total.requests - total.failed);
	json_put_i64(o, "total_failed_requests", total.failed);
	json_put_i64(o, "total_cache_read_input_tokens", total.cache_read);
	json_put_i64(o, "total_cache_creation_input_tokens", total.cache_write);
	json_put_u64(o, "page", ac->page);
	json_put_u64(o, "total_pages", (ac->total + ac->size - 1) / ac->size);
	json_put_bool(o, "has_more", ac->page * ac->size < ac->total);
	json_close(o);
	json_close(o);
}

static int activity_job(struct store_db *db, void *data)
{
	struct activity_call *ac = data;
	struct json_out o = json_out(&ac->c->out);
	int err = read_total(ac, db);
	if (!err)
		err = read_page(ac, db);
	if (!err)
		put_answer(&o, ac);
	return err;
}

/* ---- arguments; false: answered ---- */

static bool take_page(struct activity_call *ac)
{
	struct command_call *c = ac->c;
	ac->page = 1;
	ac->size = ac->is_all ? ALL_ROWS_MAX : PAGE_ROWS;
	if (ac->is_all)
		return true;
	return command_page(c, "page_size", PAGE_ROWS_MAX, &ac->page, &ac->size);
}

static bool take_days(struct activity_call *ac)
{
	struct command_call *c = ac->c;
	if (!json_is_given(json_get(c->args, "start_date")) ||
	    !json_is_given(json_get(c->args, "end_date"))) {
		command_fail(c, 400, "invalid_request_error", "start_date",
			     "Please provide start_date and end_date");
		return false;
	}
	return spend_take_range(c, &ac->range);
}

/* ids, comma separated, or one. */
static bool take_entities(struct activity_call *ac)
{
	struct str list;
	int err = command_str(ac->c, ac->of->list_arg, &list);
	if (err == -ENOENT)
		err = command_str(ac->c, ac->of->one_arg, &list);
	if (err == -EINVAL)
		return false;
	if (err == -ENOENT || !str_trim(list).n)
		return true;
	spend_where_list(&ac->where, ac->of->column, list);
	spend_where_z(&ac->where, ")");
	return true;
}

/* What a key may see that is nobody's who may see all. */
static void only_own(struct activity_call *ac)
{
	spend_where_int(&ac->where,
			"((s.user <> 0 AND s.user = (SELECT n.id FROM keys o JOIN spend_names n"
			" ON n.name = o.user_id WHERE o.id =", (int64_t)ac->c->caller_key);
	spend_where_again(&ac->where, ")) OR (s.user = 0 AND s.key_id =");
	spend_where_z(&ac->where, "))");
}

static bool take_filters(struct activity_call *ac)
{
	struct command_call *c = ac->c;
	struct str s;
	int err = command_str(c, "api_key", &s);
	if (!err)
		spend_where_key(&ac->where, c, "s.key_id", s);
	if (err == -EINVAL || (err = command_str(c, "model", &s)) == -EINVAL)
		return false;
	if (!err) {
		spend_where_str(&ac->where, "(m.name =", s);
		spend_where_again(&ac->where, "OR d.model =");
		spend_where_z(&ac->where, ")");
	}
	if (!ac->is_own && !take_entities(ac))
		return false;
	if (ac->is_own)
		only_own(ac);
	return spend_where_is_whole(&ac->where, c);
}

static void activity(struct command_call *c, const char *noun)
{
	struct activity_call *ac = command_state(c, sizeof *ac);
	if (!ac)
		return;
	for (size_t i = 0; i < COUNT(entities); i++)
		if (strcmp(entities[i].noun, noun) == 0)
			ac->of = &entities[i];
	MUST(ac->of);
	ac->is_own = !c->is_admin && !c->is_viewer;
	ac->is_all = c->command->path && str_ends(str_z(c->command->path), STR("/aggregated"));
	bool is_team = strcmp(noun, "team") == 0;
	spend_where_init(&ac->where, is_team ? SELECT("t.team_id", "t.alias") :
					       SELECT("e.name", "NULL"));
	spend_where_z(&ac->where, ac->of->from);
	if (!take_page(ac) || !take_days(ac))
		return;
	spend_where_int(&ac->where, "s.day >=", ac->range.first_day);
	spend_where_int(&ac->where, "s.day <=", ac->range.last_day);
	if (take_filters(ac))
		command_read(ac, activity_job, command_done);
}

void spend_activity_user(struct command_call *c)
{
	activity(c, "user");
}

void spend_activity_team(struct command_call *c)
{
	activity(c, "team");
}

void spend_activity_organization(struct command_call *c)
{
	activity(c, "organization");
}

void spend_activity_customer(struct command_call *c)
{
	activity(c, "customer");
}

void spend_activity_tag(struct command_call *c)
{
	activity(c, "tag");
}
