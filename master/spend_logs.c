/* SPDX-License-Identifier: MIT
 * spend_logs.c - single requests, newest first, under LiteLLM's column names. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/journal.h"
#include "master/master.h"
#include "master/spend_private.h"

enum {
	LIMIT = 100, LIMIT_MAX = 10000,
	PAGE = 50, PAGE_MAX = 100,	/* rows of a page */
	TOTAL_MAX = 100000,		/* counted at most: more is told as one more */
	UUID_ROOM = 37
};

struct logs_call {
	struct command_call *c;
	struct spend_range range;
	bool has_before;
	uint8_t request_id[16], before[16];
	uint64_t limit, page;
	const char *sort;		/* of pages: what stands behind ORDER BY */
	struct spend_where where;
};

/* ---- request ids ---- */

static void write_uuid(char out[UUID_ROOM], struct str id)
{
	char hex[33];
	size_t to = 0;
	hash_hex(hex, id.p, 16);
	for (size_t from = 0; from < 32; from++) {
		if (from == 8 || from == 12 || from == 16 || from == 20)
			out[to++] = '-';
		out[to++] = hex[from];
	}
	out[to] = '\0';
}

static bool read_uuid(struct str s, uint8_t ret[16])
{
	char hex[32];
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '-')
			continue;
		if (n == sizeof hex)
			return false;
		hex[n++] = s.p[i];
	}
	return hash_unhex(ret, 16, str_of(hex, n)) == 0;
}

/* ---- one row ---- */

#define ROW                                                                                       \
	"l.request_id, l.key_id, l.model, l.end_user, l.start_ns, l.first_token_ns, l.end_ns,"    \
	" l.cost, l.input, l.output, l.cache_read, l.cache_write, l.reasoning, l.endpoint,"       \
	" l.status, l.outcome, l.flags, l.attempts, l.fallbacks, l.client_ip, l.tags, l.reserve,"                    \
	" coalesce(k.token_hash, x.token_hash), coalesce(k.alias, x.alias),"                      \
	" coalesce(k.user_id, x.user_id), coalesce(t.team_id, k.team_id, x.team_id),"             \
	" coalesce(k.organization_id, x.organization_id), d.model_id, d.model_group, d.provider," \
	" d.model, d.api_base FROM spend_logs l LEFT JOIN keys k ON k.id = l.key_id"              \
	" LEFT JOIN keys_deleted x ON x.id = l.key_id LEFT JOIN teams t ON t.id = l.team"         \
	" LEFT JOIN deployments d ON d.id_hash = l.deployment"
enum column {
	REQUEST_ID, KEY_ID, MODEL, END_USER, START, FIRST_TOKEN, END, COST, INPUT, OUTPUT,
	CACHE_READ, CACHE_WRITE, REASONING, ENDPOINT, STATUS, OUTCOME, FLAGS, ATTEMPTS, FALLBACKS,
	CLIENT_IP, TAGS, RESERVE,
	TOKEN_HASH, ALIAS, USER_ID, TEAM_ID, ORGANIZATION_ID, MODEL_ID, MODEL_GROUP, PROVIDER,
	UPSTREAM_MODEL, API_BASE
};

static void put_ip(struct json_out *o, const char *key, struct str ip)
{
	static const char v4[12] = "\0\0\0\0\0\0\0\0\0\0\xff\xff";
	char text[INET6_ADDRSTRLEN] = "";
	if (ip.n == 16 && memcmp(ip.p, v4, sizeof v4) == 0)
		inet_ntop(AF_INET, ip.p + 12, text, sizeof text);
	else if (ip.n == 16)
		inet_ntop(AF_INET6, ip.p, text, sizeof text);
	json_put_z(o, key, strcmp(text, "::") != 0 ? text : "");
}

static void put_key(struct json_out *o, const char *key, struct sql *q)
{
	char hex[SPEND_KEY_ROOM];
	spend_key_name(hex, q, TOKEN_HASH, sql_get_int(q, KEY_ID));
	json_put_z(o, key, hex);
}

static bool is_failure(struct sql *q)
{
	return rollup_is_failure(sql_get_int(q, FLAGS), sql_get_int(q, STATUS));
}

static struct str text_or_empty(struct sql *q, int column)
{
	struct str s = sql_get_text(q, column);
	return s.p ? s : STR("");
}

static void put_names(struct json_out *o, struct sql *q)
{
	struct str upstream = sql_get_text(q, UPSTREAM_MODEL);
	put_key(o, "api_key", q);
	json_put_str(o, "key_alias", sql_get_text(q, ALIAS));
	json_put_str(o, "model", upstream.n ? upstream : sql_get_text(q, MODEL));
	json_put_str(o, "model_group", sql_get_text(q, MODEL));
	json_put_str(o, "model_id", text_or_empty(q, MODEL_ID));
	json_put_str(o, "custom_llm_provider", text_or_empty(q, PROVIDER));
	json_put_str(o, "api_base", text_or_empty(q, API_BASE));
	json_put_str(o, "user", text_or_empty(q, USER_ID));
	json_put_str(o, "team_id", sql_get_text(q, TEAM_ID));
	json_put_str(o, "organization_id", sql_get_text(q, ORGANIZATION_ID));
	json_put_str(o, "end_user", text_or_empty(q, END_USER));
	put_ip(o, "requester_ip_address", sql_get_blob(q, CLIENT_IP));
}

static void put_times(struct json_out *o, struct sql *q)
{
	int64_t start = sql_get_int(q, START), end = sql_get_int(q, END);
	int64_t first = sql_get_int(q, FIRST_TOKEN);
	json_put_time(o, "startTime", (uint64_t)start);
	json_put_time(o, "endTime", (uint64_t)end);
	json_put_time(o, "completionStartTime", (uint64_t)(first ? first : end));
	json_put_i64(o, "request_duration_ms", (end - start) / (int64_t)NS_PER_MS);
}

static void put_usage(struct json_out *o, struct sql *q)
{
	json_open(o, "usage_object");
	json_put_i64(o, "prompt_tokens", sql_get_int(q, INPUT));
	json_put_i64(o, "completion_tokens", sql_get_int(q, OUTPUT));
	json_put_i64(o, "total_tokens", sql_get_int(q, INPUT) + sql_get_int(q, OUTPUT));
	json_put_i64(o, "cache_read_input_tokens", sql_get_int(q, CACHE_READ));
	json_put_i64(o, "cache_creation_input_tokens", sql_get_int(q, CACHE_WRITE));
	json_put_i64(o, "reasoning_tokens", sql_get_int(q, REASONING));
	json_close(o);
}

static void put_metadata(struct json_out *o, struct sql *q)
{
	int64_t flags = sql_get_int(q, FLAGS), attempts = sql_get_int(q, ATTEMPTS);
	json_open(o, "metadata");
	put_key(o, "user_api_key", q);
	json_put_str(o, "user_api_key_alias", sql_get_text(q, ALIAS));
	json_put_str(o, "user_api_key_user_id", sql_get_text(q, USER_ID));
	json_put_str(o, "user_api_key_team_id", sql_get_text(q, TEAM_ID));
	json_put_str(o, "user_api_key_org_id", sql_get_text(q, ORGANIZATION_ID));
	json_put_z(o, "status", is_failure(q) ? "failure" : "success");
	put_usage(o, q);
	json_put_i64(o, "attempted_retries", attempts > 1 ? attempts - 1 : 0);
	json_put_i64(o, "fallbacks", sql_get_int(q, FALLBACKS));
	json_put_i64(o, "http_status", sql_get_int(q, STATUS));
	json_put_i64(o, "outcome", sql_get_int(q, OUTCOME));
	json_put_bool(o, "stream", flags & JF_STREAM);
	json_put_bool(o, "estimated", flags & JF_ESTIMATED);
	json_put_bool(o, "cut", flags & JF_CUT);
	json_put_bool(o, "unpriced", flags & JF_UNPRICED);
	json_close(o);
}

static void put_row(struct json_out *o, struct sql *q)
{
	char uuid[UUID_ROOM];
	struct str tags = sql_get_text(q, TAGS);
	write_uuid(uuid, sql_get_blob(q, REQUEST_ID));
	json_open(o, NULL);
	json_put_z(o, "request_id", uuid);
	json_put_z(o, "call_type", spend_call_type(sql_get_int(q, ENDPOINT)));
	put_names(o, q);
	put_times(o, q);
	json_put_money(o, "spend", sql_get_int(q, COST));
	json_put_i64(o, "prompt_tokens", sql_get_int(q, INPUT));
	json_put_i64(o, "completion_tokens", sql_get_int(q, OUTPUT));
	json_put_i64(o, "total_tokens", sql_get_int(q, INPUT) + sql_get_int(q, OUTPUT));
	json_put_z(o, "cache_hit", sql_get_int(q, FLAGS) & JF_CACHE_HIT ? "True" : "False");
	json_put_z(o, "cache_key", "");
	json_put_raw(o, "request_tags", tags.n ? tags : STR("[]"));
	json_put_raw(o, "messages", STR("{}"));
	json_put_raw(o, "response", STR("{}"));
	json_put_z(o, "status", is_failure(q) ? "failure" : "success");
	put_metadata(o, q);
	json_close(o);
}

/* ---- the query ---- */

/* Older than that row: its start bounds the range, its id decides between equals. */
static int only_before(struct store_db *db, struct logs_call *lc)
{
	struct sql *q = sql_query(db, "SELECT start_ns, id FROM spend_logs WHERE request_id = ?");
	char older[96];
	sql_blob(q, 1, lc->before, sizeof lc->before);
	int r = sql_row(q);
	int64_t start_ns = r > 0 ? sql_get_int(q, 0) : -1, id = r > 0 ? sql_get_int(q, 1) : 0;
	sql_end(q);
	spend_where_int(&lc->where, "l.start_ns <=", start_ns);
	snprintf(older, sizeof older, " AND (l.start_ns < ?%d OR l.id < %lld)", lc->where.n,
		 (long long)id);
	spend_where_z(&lc->where, older);
	return r < 0 ? r : 0;
}

static int put_rows(struct json_out *o, struct sql *q, const char *name)
{
	int r;
	json_open_array(o, name);
	while ((r = sql_row(q)) > 0)
		put_row(o, q);
	json_close_array(o);
	return r;
}

static int logs_job(struct store_db *db, void *data)
{
	struct logs_call *lc = data;
	struct json_out o = json_out(&lc->c->out);
	char tail[96];
	int err = lc->has_before ? only_before(db, lc) : 0;
	if (err)
		return err;
	snprintf(tail, sizeof tail, " ORDER BY l.start_ns DESC, l.id DESC LIMIT %llu",
		 (unsigned long long)lc->limit);
	return put_rows(&o, spend_where_query(&lc->where, db, tail), NULL);
}

/* ---- arguments; false: answered ---- */

static bool take_request(struct logs_call *lc, const char *name, uint8_t ret[16], bool *ret_given)
{
	struct str s;
	int err = command_str(lc->c, name, &s);
	*ret_given = !err;
	if (err)
		return err == -ENOENT;
	if (!read_uuid(s, ret))
		memset(ret, 0, 16);	/* another gateway's id, perhaps: there is no such row */
	return true;
}

/* Filters by a text each. */
static const struct text_filter {
	const char *arg, *condition, *behind;
} text_filters[] = {
	{ "user_id", "l.key_id IN (SELECT id FROM keys WHERE user_id =",
	  " UNION ALL SELECT id FROM keys_deleted WHERE user_id =" },
	{ "team_id", "l.team = (SELECT id FROM teams WHERE team_id =", NULL },
	{ "key_alias", "l.key_id = (SELECT id FROM keys WHERE alias =", NULL },
	{ "end_user", "(l.end_user =", NULL },
	{ "model", "(l.model =", "OR d.model =" },
	{ "model_id", "(d.model_id =", NULL },
	{ "model_group", "(l.model =", NULL },
	{ "custom_llm_provider", "(d.provider =", NULL },
	{ "tag", "l.tags IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(l.tags) j WHERE j.value =",
	  NULL },
};

static bool take_texts(struct logs_call *lc)
{
	for (size_t i = 0; i < COUNT(text_filters); i++) {
		const struct text_filter *f = &text_filters[i];
		struct str s;
		int err = command_str(lc->c, f->arg, &s);
		if (err == -EINVAL)
			return false;
		if (err || !s.n)
			continue;
		spend_where_str(&lc->where, f->condition, s);
		if (f->behind)
			spend_where_again(&lc->where, f->behind);
		spend_where_z(&lc->where, ")");
	}
	return true;
}

/* success or failure, as rollup_is_failure() says. */
static bool take_status(struct logs_call *lc)
{
	struct str s;
	int err = command_str(lc->c, "status_filter", &s);
	if (err || !s.n)
		return err != -EINVAL;
	bool is_failure = str_eq(s, STR("failure"));
	if (!is_failure && !str_eq(s, STR("success"))) {
		command_fail(lc->c, 400, "invalid_request_error", "status_filter",
			     "status_filter is success or failure");
		return false;
	}
	spend_where_int(&lc->where, "(l.flags & 8 <> 0 OR l.status >= 400) =", is_failure);
	return true;
}

static bool take_money(struct logs_call *lc, const char *name, const char *condition)
{
	int64_t nano;
	int err = command_money(lc->c, name, &nano);
	if (!err)
		spend_where_int(&lc->where, condition, nano);
	return err != -EINVAL;
}

static bool take_filters(struct logs_call *lc)
{
	struct command_call *c = lc->c;
	struct str key;
	bool has_request = false;
	int err = command_str(c, "api_key", &key);
	if (err == -EINVAL || !spend_take_range(c, &lc->range) ||
	    !take_request(lc, "request_id", lc->request_id, &has_request))
		return false;
	spend_where_init(&lc->where, "SELECT " ROW " WHERE 1");
	spend_where_int(&lc->where, "l.start_ns >=", (int64_t)lc->range.from_ns);
	spend_where_int(&lc->where, "l.start_ns <", (int64_t)lc->range.to_ns);
	if (!err && key.n)
		spend_where_key(&lc->where, c, "l.key_id", key);
	if (has_request)
		spend_where_blob(&lc->where, "l.request_id =",
				 str_of((const char *)lc->request_id, sizeof lc->request_id));
	return take_texts(lc) && take_status(lc) &&
	       take_money(lc, "min_spend", "l.cost >=") &&
	       take_money(lc, "max_spend", "l.cost <=") && spend_where_is_whole(&lc->where, c);
}

static bool take_number(struct logs_call *lc, const char *name, uint64_t most, uint64_t *ret)
{
	if (command_u64(lc->c, name, ret) == -EINVAL)
		return false;
	if (*ret >= 1 && *ret <= most)
		return true;
	command_fail(lc->c, 400, "invalid_request_error", name, "%s is 1 to %llu", name,
		     (unsigned long long)most);
	return false;
}

static struct logs_call *logs_new(struct command_call *c)
{
	struct logs_call *lc = arena_alloc(c->mem, sizeof *lc);
	if (!lc) {
		command_fail_store(c, -ENOMEM);
		return NULL;
	}
	lc->c = c;
	return take_filters(lc) ? lc : NULL;
}

void spend_logs(struct command_call *c)
{
	bool is_summary = false;
	if (command_bool(c, "summarize", &is_summary) == -EINVAL)
		return;
	if (is_summary) {
		spend_summary(c);
		return;
	}
	struct logs_call *lc = logs_new(c);
	if (!lc)
		return;
	lc->limit = LIMIT;
	if (take_number(lc, "limit", LIMIT_MAX, &lc->limit) &&
	    take_request(lc, "before", lc->before, &lc->has_before))
		spend_start(c, logs_job, lc);
}

/* ---- /spend/logs/v2: pages, and how many there are ---- */

static int count_rows(struct store_db *db, const struct logs_call *lc, uint64_t *ret)
{
	struct spend_where *w = arena_alloc(lc->c->mem, sizeof *w);
	char tail[64];
	if (!w)
		return -ENOMEM;
	*w = lc->where;
	snprintf(tail, sizeof tail, " LIMIT %d)", TOTAL_MAX + 1);
	spend_where_count(w, "SELECT count(*) FROM (SELECT 1");
	struct sql *q = spend_where_query(w, db, tail);
	int r = sql_row(q);
	if (r > 0)
		*ret = (uint64_t)sql_get_int(q, 0);
	sql_end(q);
	return r < 0 ? r : 0;
}

static int pages_job(struct store_db *db, void *data)
{
	struct logs_call *lc = data;
	struct json_out o = json_out(&lc->c->out);
	uint64_t total = 0;
	char tail[160];
	int err = count_rows(db, lc, &total);
	snprintf(tail, sizeof tail, " ORDER BY %s LIMIT %llu OFFSET %llu", lc->sort,
		 (unsigned long long)lc->limit,
		 (unsigned long long)((lc->page - 1) * lc->limit));
	json_open(&o, NULL);
	if (!err)
		err = put_rows(&o, spend_where_query(&lc->where, db, tail), "data");
	json_put_u64(&o, "total", total);
	json_put_u64(&o, "page", lc->page);
	json_put_u64(&o, "page_size", lc->limit);
	json_put_u64(&o, "total_pages", (total + lc->limit - 1) / lc->limit);
	json_close(&o);
	return err;
}

static bool take_sort(struct logs_call *lc)
{
	static const struct {
		const char *by, *down, *up;
	} sorts[] = {
		{ "startTime", "l.start_ns DESC, l.id DESC", "l.start_ns, l.id" },
		{ "endTime", "l.end_ns DESC, l.id DESC", "l.end_ns, l.id" },
		{ "spend", "l.cost DESC, l.id DESC", "l.cost, l.id" },
		{ "total_tokens", "l.input + l.output DESC, l.id DESC", "l.input + l.output, l.id" },
		{ "request_duration_ms", "l.end_ns - l.start_ns DESC, l.id DESC",
		  "l.end_ns - l.start_ns, l.id" },
		{ "model", "l.model DESC, l.id DESC", "l.model, l.id" },
	};
	struct str by = STR("startTime"), order = STR("desc");
	if (command_str(lc->c, "sort_by", &by) == -EINVAL ||
	    command_str(lc->c, "sort_order", &order) == -EINVAL)
		return false;
	for (size_t i = 0; i < COUNT(sorts); i++)
		if (str_eq_z(by, sorts[i].by))
			lc->sort = str_eq(order, STR("asc")) ? sorts[i].up : sorts[i].down;
	if (lc->sort)
		return true;
	command_fail(lc->c, 400, "invalid_request_error", "sort_by",
		     "sort_by is startTime, endTime, spend, total_tokens, request_duration_ms or "
		     "model");
	return false;
}

void spend_logs_pages(struct command_call *c)
{
	struct logs_call *lc = logs_new(c);
	if (!lc)
		return;
	lc->limit = PAGE;
	lc->page = 1;
	if (take_number(lc, "page_size", PAGE_MAX, &lc->limit) &&
	    take_number(lc, "page", 1000000, &lc->page) && take_sort(lc))
		spend_start(c, pages_job, lc);
}
