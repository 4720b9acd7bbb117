/* SPDX-License-Identifier: MIT
 * spend_row.c - a single request of the ledger under LiteLLM's column names, as JSON and as CSV. */
#include <arpa/inet.h>

#include "common/board.h"
#include "common/clock.h"
#include "master/spend_private.h"

/* ---- request ids ---- */

void spend_write_id(char out[SPEND_UUID_ROOM], struct str id)
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
	if (id.n > 16)
		snprintf(out + to, SPEND_UUID_ROOM - to, "/%u", (unsigned char)id.p[16]);
}

size_t spend_read_id(struct str s, uint8_t ret[SPEND_ID_MAX])
{
	struct str uuid = str_cut(&s, '/');
	char hex[32];
	size_t n = 0;
	uint64_t number = 0;
	for (size_t i = 0; i < uuid.n; i++) {
		if (uuid.p[i] == '-')
			continue;
		if (n == sizeof hex)
			return 0;
		hex[n++] = uuid.p[i];
	}
	if (hash_unhex(ret, 16, str_of(hex, n)) < 0)
		return 0;
	if (!s.n)
		return 16;
	if (str_read_u64(s, &number) < 0 || number > 255)
		return 0;
	ret[16] = (uint8_t)number;
	return 17;
}

/* ---- as JSON ---- */

enum { UPSTREAM_ROOM = 256 };	/* of a wildcard's, filled in */
enum column {
	ROW_ID, REQUEST_ID, KEY_ID, MODEL, END_USER, START, FIRST_TOKEN, END, COST, INPUT, OUTPUT,
	CACHE_READ, CACHE_WRITE, REASONING, ENDPOINT, STATUS, OUTCOME, FLAGS, ATTEMPTS, FALLBACKS,
	CLIENT_IP, TAGS,
	TOKEN_HASH, ALIAS, USER_ID, TEAM_ID, ORGANIZATION_ID, MODEL_ID, MODEL_GROUP, PROVIDER,
	UPSTREAM_MODEL, API_BASE
};

/* "" where none is known. */
static void write_ip(char out[INET6_ADDRSTRLEN], struct str ip)
{
	static const char v4[12] = "\0\0\0\0\0\0\0\0\0\0\xff\xff";
	out[0] = '\0';
	if (ip.n == 16 && memcmp(ip.p, v4, sizeof v4) == 0)
		inet_ntop(AF_INET, ip.p + 12, out, INET6_ADDRSTRLEN);
	else if (ip.n == 16)
		inet_ntop(AF_INET6, ip.p, out, INET6_ADDRSTRLEN);
	if (strcmp(out, "::") == 0)
		out[0] = '\0';
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
	struct str upstream = sql_get_text(q, UPSTREAM_MODEL), asked = sql_get_text(q, MODEL);
	char name[UPSTREAM_ROOM];
	upstream = snap_fill_model(text_or_empty(q, MODEL_GROUP), upstream, asked, name,
				   sizeof name);
	char ip[INET6_ADDRSTRLEN];
	put_key(o, "api_key", q);
	json_put_str(o, "key_alias", sql_get_text(q, ALIAS));
	json_put_str(o, "model", upstream.n ? upstream : asked);
	json_put_str(o, "model_group", asked);
	json_put_str(o, "model_id", text_or_empty(q, MODEL_ID));
	json_put_str(o, "custom_llm_provider", text_or_empty(q, PROVIDER));
	json_put_str(o, "api_base", text_or_empty(q, API_BASE));
	json_put_str(o, "user", text_or_empty(q, USER_ID));
	json_put_str(o, "team_id", sql_get_text(q, TEAM_ID));
	json_put_str(o, "organization_id", sql_get_text(q, ORGANIZATION_ID));
	json_put_str(o, "end_user", text_or_empty(q, END_USER));
	write_ip(ip, sql_get_blob(q, CLIENT_IP));
	json_put_z(o, "requester_ip_address", ip);
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

static uint64_t count_of(struct sql *q, enum column at)
{
	int64_t v = sql_get_int(q, (int)at);
	return v > 0 ? (uint64_t)v : 0;
}

static void put_cost(struct json_out *o, struct sql *q, const struct cost_book *book)
{
	struct str id = sql_get_text(q, MODEL_ID);
	bool is_cached = sql_get_int(q, FLAGS) & JF_CACHE_HIT;
	struct price_quote room;
	const struct price_quote *quote =
		id.n && !is_cached ? cost_book_find(book, board_deployment_hash(id),
						    sql_get_text(q, MODEL), &room) :
				     NULL;
	struct usage u = { .input = count_of(q, INPUT), .output = count_of(q, OUTPUT),
			   .cache_read = count_of(q, CACHE_READ),
			   .cache_write = count_of(q, CACHE_WRITE),
			   .reasoning = count_of(q, REASONING) };
	cost_split_measure(quote, (uint8_t)sql_get_int(q, ENDPOINT), sql_get_int(q, COST), &u);
	cost_split_put(o, "cost_breakdown", quote, &u, sql_get_int(q, COST));
}

static void put_metadata(struct json_out *o, struct sql *q, const struct cost_book *book)
{
	int64_t flags = sql_get_int(q, FLAGS), attempts = sql_get_int(q, ATTEMPTS);
	json_open(o, "metadata");
	put_key(o, "user_api_key", q);
	json_put_str(o, "user_api_key_alias", sql_get_text(q, ALIAS));
	json_put_str(o, "user_api_key_user_id", sql_get_text(q, USER_ID));
	json_put_str(o, "user_api_key_team_id", sql_get_text(q, TEAM_ID));
	json_put_str(o, "user_api_key_org_id", sql_get_text(q, ORGANIZATION_ID));
	json_put_z(o, "status", is_failure(q) ? "failure" : "success");
	if (is_failure(q))
		spend_put_error(o, sql_get_int(q, STATUS), sql_get_int(q, OUTCOME));
	put_usage(o, q);
	put_cost(o, q, book);
	json_put_i64(o, "attempted_retries", attempts > 1 && !(flags & JF_ATTEMPT) ? attempts - 1 : 0);
	json_put_i64(o, "fallbacks", sql_get_int(q, FALLBACKS));
	json_put_i64(o, "http_status", sql_get_int(q, STATUS));
	json_put_i64(o, "outcome", sql_get_int(q, OUTCOME));
	json_put_z(o, "outcome_name", spend_outcome_name(sql_get_int(q, OUTCOME)));
	json_put_bool(o, "stream", flags & JF_STREAM);
	json_put_bool(o, "estimated", flags & JF_ESTIMATED);
	json_put_bool(o, "cut", flags & JF_CUT);
	json_put_bool(o, "unpriced", flags & JF_UNPRICED);
	json_put_bool(o, "is_silent_experiment", flags & JF_SILENT);
	json_put_bool(o, "is_further_attempt", flags & JF_ATTEMPT);
	json_close(o);
}

void spend_row_put(struct json_out *o, struct sql *q, struct store_db *db,
		   const struct spend_rows *of)
{
	char uuid[SPEND_UUID_ROOM];
	struct str tags = sql_get_text(q, TAGS);
	spend_write_id(uuid, sql_get_blob(q, REQUEST_ID));
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
	texts_put(of->texts, db, sql_get_blob(q, REQUEST_ID), o);
	json_put_z(o, "status", is_failure(q) ? "failure" : "success");
	put_metadata(o, q, of->book);
	json_close(o);
}

/* ---- as CSV ---- */

const char spend_row_csv_head[] =
	"request_id,call_type,api_key,key_alias,user,team_id,organization_id,end_user,model,"
	"model_group,model_id,custom_llm_provider,api_base,startTime,endTime,completionStartTime,"
	"spend,total_tokens,prompt_tokens,completion_tokens,cache_read_input_tokens,"
	"cache_creation_input_tokens,reasoning_tokens,status,http_status,cache_hit,estimated,cut,"
	"unpriced,attempted_retries,requester_ip_address,request_tags,outcome\n";

static bool is_number(struct str s)
{
	size_t digits = 0;
	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = str_skip(s, 1);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '.' && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
		digits += s.p[i] != '.';
	}
	return digits > 0;
}

/* What a spreadsheet would take for a formula. */
static bool is_formula(struct str s)
{
	return s.n && strchr("=+-@\t\r", s.p[0]) && s.p[0] && !is_number(s);
}

void spend_put_csv(struct buf *to, struct str s, bool is_first)
{
	bool quotes = false, is_hidden = is_formula(s);
	for (size_t i = 0; i < s.n; i++)
		quotes |= s.p[i] == ',' || s.p[i] == '"' || s.p[i] == '\n' || s.p[i] == '\r';
	if (!is_first)
		buf_put_char(to, ',');
	if (quotes)
		buf_put_char(to, '"');
	if (is_hidden)
		buf_put_char(to, '\'');
	if (!quotes) {
		buf_put(to, s);
		return;
	}
	while (s.n) {
		struct str part = str_cut(&s, '"');
		buf_put(to, part);
		if (s.p && part.p + part.n < s.p)
			BUF_PUT_LIT(to, "\"\"");
	}
	buf_put_char(to, '"');
}

static void put_z(struct buf *to, const char *z)
{
	spend_put_csv(to, str_z(z), false);
}

static void put_number(struct buf *to, int64_t v)
{
	buf_put_char(to, ',');
	buf_put_i64(to, v);
}

static void put_when(struct buf *to, int64_t wall_ns)
{
	char text[SPEND_TEXT_ROOM] = "";
	if (wall_ns)
		clock_rfc3339(text, (uint64_t)wall_ns);
	put_z(to, text);
}

static void put_csv_names(struct buf *to, struct sql *q)
{
	static const enum column names[] = { ALIAS, USER_ID, TEAM_ID, ORGANIZATION_ID, END_USER };
	char uuid[SPEND_UUID_ROOM], hex[SPEND_KEY_ROOM];
	struct str upstream = sql_get_text(q, UPSTREAM_MODEL);
	spend_write_id(uuid, sql_get_blob(q, REQUEST_ID));
	spend_key_name(hex, q, TOKEN_HASH, sql_get_int(q, KEY_ID));
	buf_put_z(to, uuid);
	put_z(to, spend_call_type(sql_get_int(q, ENDPOINT)));
	put_z(to, hex);
	for (size_t i = 0; i < COUNT(names); i++)
		spend_put_csv(to, sql_get_text(q, (int)names[i]), false);
	spend_put_csv(to, upstream.n ? upstream : sql_get_text(q, MODEL), false);
	spend_put_csv(to, sql_get_text(q, MODEL), false);
	spend_put_csv(to, sql_get_text(q, MODEL_ID), false);
	spend_put_csv(to, sql_get_text(q, PROVIDER), false);
	spend_put_csv(to, sql_get_text(q, API_BASE), false);
}

static void put_csv_flags(struct buf *to, struct sql *q)
{
	static const int flags[] = { JF_CACHE_HIT, JF_ESTIMATED, JF_CUT, JF_UNPRICED };
	put_z(to, is_failure(q) ? "failure" : "success");
	put_number(to, sql_get_int(q, STATUS));
	for (size_t i = 0; i < COUNT(flags); i++)
		put_z(to, sql_get_int(q, FLAGS) & flags[i] ? "true" : "false");
}

void spend_row_put_csv(struct buf *to, struct sql *q)
{
	char money[24], ip[INET6_ADDRSTRLEN];
	int64_t first = sql_get_int(q, FIRST_TOKEN), attempts = sql_get_int(q, ATTEMPTS);
	put_csv_names(to, q);
	put_when(to, sql_get_int(q, START));
	put_when(to, sql_get_int(q, END));
	put_when(to, first ? first : sql_get_int(q, END));
	spend_put_csv(to, str_of(money, json_money(money, sql_get_int(q, COST))), false);
	put_number(to, sql_get_int(q, INPUT) + sql_get_int(q, OUTPUT));
	for (int at = INPUT; at <= REASONING; at++)
		put_number(to, sql_get_int(q, at));
	put_csv_flags(to, q);
	put_number(to, attempts > 1 && !(sql_get_int(q, FLAGS) & JF_ATTEMPT) ? attempts - 1 : 0);
	write_ip(ip, sql_get_blob(q, CLIENT_IP));
	put_z(to, ip);
	spend_put_csv(to, sql_get_text(q, TAGS), false);
	const char *outcome = spend_outcome_name(sql_get_int(q, OUTCOME));
	put_z(to, outcome ? outcome : "");
	buf_put_char(to, '\n');
}

int64_t spend_row_start_ns(struct sql *q)
{
	return sql_get_int(q, START);
}

int64_t spend_row_id(struct sql *q)
{
	return sql_get_int(q, ROW_ID);
}
