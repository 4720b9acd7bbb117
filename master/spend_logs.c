/* SPDX-License-Identifier: MIT
 * spend_logs.c - single requests, newest first, under LiteLLM's column names. */
#include <arpa/inet.h>
#include <errno.h>

#include "common/clock.h"
#include "common/journal.h"
#include "master/master.h"
#include "master/spend_private.h"

enum { LIMIT = 100, LIMIT_MAX = 10000, SQL_ROOM = 4096, UUID_ROOM = 37 };

struct logs_call {
	struct command_call *c;
	struct spend_range range;
	struct str user_id;
	struct sha256 hash;
	bool has_key, is_master, has_request, has_before;
	uint8_t request_id[16], before[16];
	uint64_t limit;
	int64_t before_id;
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
	" l.status, l.outcome, l.flags, l.attempts, l.fallbacks, l.client_ip,"                    \
	" coalesce(k.token_hash, x.token_hash), coalesce(k.alias, x.alias),"                      \
	" coalesce(k.user_id, x.user_id), coalesce(t.team_id, k.team_id, x.team_id),"             \
	" coalesce(k.organization_id, x.organization_id), d.model_id, d.model_group, d.provider," \
	" d.model, d.api_base FROM spend_logs l LEFT JOIN keys k ON k.id = l.key_id"              \
	" LEFT JOIN keys_deleted x ON x.id = l.key_id LEFT JOIN teams t ON t.id = l.team"         \
	" LEFT JOIN deployments d ON d.id_hash = l.deployment"
enum column {
	REQUEST_ID, KEY_ID, MODEL, END_USER, START, FIRST_TOKEN, END, COST, INPUT, OUTPUT,
	CACHE_READ, CACHE_WRITE, REASONING, ENDPOINT, STATUS, OUTCOME, FLAGS, ATTEMPTS, FALLBACKS,
	CLIENT_IP,
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
	struct sha256 hash;
	char hex[sizeof hash.b * 2 + 1] = "litellm_proxy_master_key";
	if (sql_get_sha256(q, TOKEN_HASH, &hash))
		hash_hex(hex, hash.b, sizeof hash.b);
	else if (sql_get_int(q, KEY_ID) != 0)
		hex[0] = '\0';
	json_put_z(o, key, hex);
}

static bool is_failure(struct sql *q)
{
	int64_t status = sql_get_int(q, STATUS);
	return (sql_get_int(q, FLAGS) & JF_FAILED) || status >= 400;
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

/* LiteLLM's words. */
static const char *call_type(int64_t call)
{
	switch (call) {
	case JOURNAL_CALL_CHAT:
		return "acompletion";
	case JOURNAL_CALL_TEXT:
		return "atext_completion";
	case JOURNAL_CALL_EMBED:
		return "aembedding";
	case JOURNAL_CALL_RERANK:
		return "arerank";
	case JOURNAL_CALL_MODERATION:
		return "amoderation";
	case JOURNAL_CALL_IMAGE:
		return "aimage_generation";
	case JOURNAL_CALL_IMAGE_EDIT:
		return "aimage_edit";
	case JOURNAL_CALL_SPEECH:
		return "aspeech";
	case JOURNAL_CALL_TRANSCRIPTION:
		return "atranscription";
	case JOURNAL_CALL_RESOURCE:
	case JOURNAL_CALL_PASS:
		return "pass_through_endpoint";
	case JOURNAL_CALL_REALTIME:
		return "_arealtime";
	default:
		return "";
	}
}

static void put_row(struct json_out *o, struct sql *q)
{
	char uuid[UUID_ROOM];
	write_uuid(uuid, sql_get_blob(q, REQUEST_ID));
	json_open(o, NULL);
	json_put_z(o, "request_id", uuid);
	json_put_z(o, "call_type", call_type(sql_get_int(q, ENDPOINT)));
	put_names(o, q);
	put_times(o, q);
	json_put_money(o, "spend", sql_get_int(q, COST));
	json_put_i64(o, "prompt_tokens", sql_get_int(q, INPUT));
	json_put_i64(o, "completion_tokens", sql_get_int(q, OUTPUT));
	json_put_i64(o, "total_tokens", sql_get_int(q, INPUT) + sql_get_int(q, OUTPUT));
	json_put_z(o, "cache_hit", sql_get_int(q, FLAGS) & JF_CACHE_HIT ? "True" : "False");
	json_put_z(o, "cache_key", "");
	json_put_raw(o, "request_tags", STR("[]"));
	json_put_raw(o, "messages", STR("{}"));
	json_put_raw(o, "response", STR("{}"));
	json_put_z(o, "status", is_failure(q) ? "failure" : "success");
	put_metadata(o, q);
	json_close(o);
}

/* ---- the query ---- */

/* The id that a key has, or had before it was deleted; -1: nobody's. */
static int find_key(struct store_db *db, struct logs_call *lc, int64_t *ret)
{
	struct sql *q = sql_query(db, "SELECT id FROM keys WHERE token_hash = ?1 "
				      "UNION ALL "
				      "SELECT id FROM keys_deleted WHERE token_hash = ?1");
	*ret = lc->is_master ? 0 : -1;
	if (lc->is_master)
		return 0;
	sql_blob(q, 1, lc->hash.b, sizeof lc->hash.b);
	int r = sql_row(q);
	if (r > 0)
		*ret = sql_get_int(q, 0);
	sql_end(q);
	return r < 0 ? r : 0;
}

/* Older than that row: its start bounds the range, its id decides between equals. */
static int find_before(struct store_db *db, struct logs_call *lc)
{
	struct sql *q = sql_query(db, "SELECT start_ns, id FROM spend_logs WHERE request_id = ?");
	sql_blob(q, 1, lc->before, sizeof lc->before);
	int r = sql_row(q);
	uint64_t end_ns = r > 0 ? (uint64_t)sql_get_int(q, 0) + 1 : 0;
	lc->before_id = r > 0 ? sql_get_int(q, 1) : 0;
	sql_end(q);
	if (end_ns > lc->range.to_ns)
		lc->has_before = false;		/* newer than all that was asked for */
	else
		lc->range.to_ns = end_ns;
	return r < 0 ? r : 0;
}

static struct sql *prepare(struct store_db *db, const struct logs_call *lc)
{
	struct buf text;
	buf_init(&text, SQL_ROOM);
	buf_put_z(&text, "SELECT " ROW " WHERE l.start_ns >= ?1 AND l.start_ns < ?2");
	if (lc->has_key)
		buf_put_z(&text, " AND l.key_id = ?3");
	if (lc->user_id.n)
		buf_put_z(&text, " AND l.key_id IN (SELECT id FROM keys WHERE user_id = ?4"
				 " UNION ALL SELECT id FROM keys_deleted WHERE user_id = ?4)");
	if (lc->has_request)
		buf_put_z(&text, " AND l.request_id = ?5");
	if (lc->has_before)
		buf_put_z(&text, " AND (l.start_ns < ?2 - 1 OR l.id < ?6)");
	buf_put_z(&text, " ORDER BY l.start_ns DESC, l.id DESC LIMIT ?7");
	const char *z = buf_z(&text);
	struct sql *q = sql_dynamic(db, z ? z : "");
	buf_done(&text);
	return q;
}

static int logs_job(struct store_db *db, void *data)
{
	struct logs_call *lc = data;
	struct json_out o = json_out(&lc->c->out);
	int64_t key_id = 0;
	int r = lc->has_key ? find_key(db, lc, &key_id) : 0;
	if (!r && lc->has_before)
		r = find_before(db, lc);
	if (r)
		return r;
	struct sql *q = prepare(db, lc);
	sql_int(q, 1, (int64_t)lc->range.from_ns);
	sql_int(q, 2, (int64_t)lc->range.to_ns);
	if (lc->has_key)
		sql_int(q, 3, key_id);
	if (lc->user_id.n)
		sql_text(q, 4, lc->user_id);
	if (lc->has_request)
		sql_blob(q, 5, lc->request_id, sizeof lc->request_id);
	if (lc->has_before)
		sql_int(q, 6, lc->before_id);
	sql_int(q, 7, (int64_t)lc->limit);
	json_open_array(&o, NULL);
	while ((r = sql_row(q)) > 0)
		put_row(&o, q);
	sql_end(q);
	json_close_array(&o);
	return r;
}

/* ---- arguments; false: answered ---- */

static bool take_request(struct command_call *c, const char *name, uint8_t ret[16], bool *ret_given)
{
	struct str s;
	int err = command_str(c, name, &s);
	if (err)
		return err == -ENOENT;
	*ret_given = true;
	if (!read_uuid(s, ret))
		memset(ret, 0, 16);	/* another gateway's id, perhaps: there is no such row */
	return true;
}

static bool take_key(struct logs_call *lc)
{
	struct str s;
	int err = command_str(lc->c, "api_key", &s);
	if (err)
		return err == -ENOENT;
	lc->has_key = true;
	if (hash_unhex(lc->hash.b, sizeof lc->hash.b, s) != 0)
		lc->hash = hash_sha256(s);
	lc->is_master = keys_is_master(lc->c->master->keys, &lc->hash) ||
			str_eq(s, STR("litellm_proxy_master_key"));
	return true;
}

static bool take_all(struct logs_call *lc)
{
	struct command_call *c = lc->c;
	lc->limit = LIMIT;
	if (!take_key(lc) || !spend_take_range(c, &lc->range) ||
	    command_str(c, "user_id", &lc->user_id) == -EINVAL ||
	    !take_request(c, "request_id", lc->request_id, &lc->has_request) ||
	    !take_request(c, "before", lc->before, &lc->has_before) ||
	    command_u64(c, "limit", &lc->limit) == -EINVAL)
		return false;
	if (lc->limit >= 1 && lc->limit <= LIMIT_MAX)
		return true;
	command_fail(c, 400, "invalid_request_error", "limit", "limit is 1 to %d", LIMIT_MAX);
	return false;
}

void spend_logs(struct command_call *c)
{
	struct logs_call *lc = arena_alloc(c->mem, sizeof *lc);
	bool is_summary = false;
	if (!lc) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	if (command_bool(c, "summarize", &is_summary) == -EINVAL)
		return;
	if (is_summary) {
		spend_summary(c);
		return;
	}
	lc->c = c;
	if (take_all(lc))
		spend_start(c, logs_job, lc);
}
