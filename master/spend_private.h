/* SPDX-License-Identifier: MIT
 * spend_private.h - what spend*.c share: days, sums, conditions, and the frame of a report. */
#ifndef SPEND_PRIVATE_H
#define SPEND_PRIVATE_H

#include "common/json_write.h"
#include "master/cost_split.h"
#include "master/keys.h"
#include "master/ledger_rollup.h"
#include "master/spend.h"
#include "master/spend_call.h"
#include "master/store_sql.h"
#include "master/texts_read.h"

enum { SPEND_TEXT_ROOM = 25, SPEND_VALUES = 128, SPEND_SQL_ROOM = 16384, SPEND_UUID_ROOM = 41 };

/* -- spend.c -- */

struct spend_range {			/* from the first day's start to the last one's end */
	uint64_t from_ns, to_ns;	/* to_ns excluded */
	int64_t first_day, last_day;	/* since 1970, both included */
};
/* start_date and end_date; without them all time. false: answered. */
bool spend_take_range(struct command_call *c, struct spend_range *ret);
/* The same under other names, where what is missing leaves *ret as it is. */
bool spend_take_days(struct command_call *c, const char *start, const char *end,
		     struct spend_range *ret);
/* The last 30 days, today included. */
void spend_last_days(struct spend_range *ret);
void spend_day_text(char out[SPEND_TEXT_ROOM], int64_t day);	/* "2026-02-03" */
enum { SPEND_DAY_ROOM = 16 };
void spend_write_month_day(char out[SPEND_DAY_ROOM], int64_t day);	/* "Feb 03" */

/* Begins a report of single requests, whose state begins with one of these: job on the reader, then
 * the answer. -ENOENT is 404. */
struct spend_rows {
	struct command_call *c;
	struct cost_book *book;		/* prices, to divide costs by; or NULL */
	struct texts_reader *texts;	/* what was said is shown, too; or NULL */
};
void spend_start_rows(struct command_call *c, store_job_fn *job, struct spend_rows *data);
void spend_summary(struct command_call *c);	/* /spend/logs?summarize=true */

struct spend_sums {
	int64_t requests, failed, unpriced, input, output, cache_read, cache_write, reasoning, cost;
};
/* Money in two halves: no sum of what a row may hold overflows. */
#define SPEND_COST " sum(s.cost >> 30), sum(s.cost & 1073741823)"
#define SPEND_SUMS                                                                                \
	" sum(s.requests), sum(s.failed), sum(s.unpriced), sum(s.input), sum(s.output),"          \
	" sum(s.cache_read), sum(s.cache_write), sum(s.reasoning)," SPEND_COST
/* The same of one row. */
#define SPEND_ROW                                                                                 \
	" s.requests, s.failed, s.unpriced, s.input, s.output, s.cache_read, s.cache_write,"      \
	" s.reasoning, s.cost >> 30, s.cost & 1073741823"
/* Sums of what spend_totals knows of each thing of kind ?3 between the days ?1 and ?2. */
#define SPEND_TOTALS                                                                              \
	" (SELECT id, sum(requests) AS requests, sum(failed) AS failed,"                          \
	" sum(unpriced) AS unpriced, sum(input) AS input, sum(output) AS output,"                 \
	" sum(cache_read) AS cache_read, sum(cache_write) AS cache_write,"                        \
	" sum(reasoning) AS reasoning, sum(cost >> 30) AS high, sum(cost & 1073741823) AS low"    \
	" FROM spend_totals WHERE span = 0 AND kind = ?3 AND at BETWEEN ?1 AND ?2 GROUP BY id) s"
#define SPEND_TOTALS_SUMS                                                                         \
	" sum(s.requests), sum(s.failed), sum(s.unpriced), sum(s.input), sum(s.output),"          \
	" sum(s.cache_read), sum(s.cache_write), sum(s.reasoning), sum(s.high), sum(s.low)"
#define SPEND_OF_KEY(id)                                                                          \
	" LEFT JOIN keys k ON k.id = " id " LEFT JOIN keys_deleted x ON x.id = " id
int64_t spend_read_cost(struct sql *q, int at);		/* two columns */
void spend_read_sums(struct sql *q, int at, struct spend_sums *ret);	/* ten columns */
void spend_add_sums(struct spend_sums *to, const struct spend_sums *s);

/* LiteLLM's name of a key: its hash in hex, or "litellm_proxy_master_key" for key 0. Column
 * `hash` holds keys.token_hash or NULL. */
enum { SPEND_KEY_ROOM = 65 };
void spend_key_name(char out[SPEND_KEY_ROOM], struct sql *q, int hash, int64_t key_id);

/* -- spend_row.c: a single request under LiteLLM's column names -- */

/* Who came with a token and no key: then key_id is the number of its user on the board, 3 << 56 and
 * that of its row, or of its team. */
#define SPEND_TOKEN_USER "216172782113783808"
#define SPEND_TOKEN_TEAM "144115188075855872"
#define SPEND_LOG_ROW                                                                             \
	"l.id, l.request_id, l.key_id, l.model, l.end_user, l.start_ns, l.first_token_ns, l.end_ns," \
	" l.cost, l.input, l.output, l.cache_read, l.cache_write, l.reasoning, l.endpoint,"       \
	" l.status, l.outcome, l.flags, l.attempts, l.fallbacks, l.client_ip, l.tags,"            \
	" coalesce(k.token_hash, x.token_hash), coalesce(k.alias, x.alias),"                      \
	" coalesce(k.user_id, x.user_id, u.name), coalesce(t.team_id, k.team_id, x.team_id),"             \
	" coalesce(k.organization_id, x.organization_id, t.organization_id), d.model_id, d.model_group, d.provider," \
	" d.model, d.api_base FROM spend_logs l LEFT JOIN keys k ON k.id = l.key_id"              \
	" LEFT JOIN keys_deleted x ON x.id = l.key_id LEFT JOIN teams t ON t.id = l.team"         \
	" LEFT JOIN tenants u ON u.kind = 3 AND u.id = CASE WHEN l.key_id > " SPEND_TOKEN_USER    \
	" THEN l.key_id - " SPEND_TOKEN_USER " END"                                               \
	" LEFT JOIN deployments d ON d.id_hash = l.deployment"
/* A row's id as it is shown: its request's as a UUID, and "/3" behind it where it is that of another
 * attempt. Returns how many bytes it has; 0: it is none. */
enum { SPEND_ID_MAX = 17 };
size_t spend_read_id(struct str s, uint8_t ret[SPEND_ID_MAX]);
void spend_write_id(char out[SPEND_UUID_ROOM], struct str id);
/* The row that a query with SPEND_LOG_ROW stands at, as a JSON object or as a line of CSV. */
void spend_row_put(struct json_out *o, struct sql *q, struct store_db *db,
		   const struct spend_rows *of);
void spend_row_put_csv(struct buf *to, struct sql *q);
int64_t spend_row_start_ns(struct sql *q);
int64_t spend_row_id(struct sql *q);
extern const char spend_row_csv_head[];
/* One value of a line of CSV (RFC 4180), a comma before it unless it is the first. */
void spend_put_csv(struct buf *to, struct str s, bool is_first);

struct spend_where;

/* -- spend_errors.c -- */

/* NULL: a later program has written it. */
const char *spend_outcome_name(int64_t number);
/* Of a row `l` of spend_logs: that it failed. */
#define SPEND_FAILED "(l.flags & 8 <> 0 OR l.status >= 400)"
/* Failures whose outcome's name, type or code is that word, or has it in it, in any case. */
void spend_where_outcomes(struct spend_where *w, struct str word, bool is_part);
/* How a request failed, as LiteLLM's error_information. */
void spend_put_error(struct json_out *o, int64_t status, int64_t outcome);

/* -- spend_focus.c: lines of FOCUS -- */

/* Rows of spend_daily in the order of their primary key, from the one behind `behind` on (NULL:
 * from the first). */
struct sql *spend_focus_query(struct store_db *db, const int64_t *behind, int64_t first_day,
			      int64_t last_day, int rows);
void spend_focus_put_head(struct buf *to);
/* The lines of the row that q stands at; ret_key is its primary key. 0 or -errno. */
int spend_focus_put(struct buf *to, struct store_db *db, struct sql *q,
		    int64_t ret_key[8]) MUST_USE;

/* -- spend_where.c: conditions that are made up on the spot, every value bound -- */

struct spend_where {			/* in a call's arena: there is nothing to free */
	char sql[SPEND_SQL_ROOM];
	size_t n_sql;
	struct spend_value {
		enum { SPEND_INT, SPEND_STR, SPEND_BLOB } kind;
		int64_t i;
		struct str s;
	} v[SPEND_VALUES];
	int n;
	bool failed;			/* too many values, or too long */
};
/* Begins with a query up to "WHERE 1"; every call adds " AND ..." with its value behind it. */
void spend_where_init(struct spend_where *w, const char *sql);
void spend_where_z(struct spend_where *w, const char *sql);	/* as it is */
void spend_where_int(struct spend_where *w, const char *condition, int64_t v);
void spend_where_str(struct spend_where *w, const char *condition, struct str s);
void spend_where_blob(struct spend_where *w, const char *condition, struct str s);
/* As it is, with the value that was bound last. */
void spend_where_again(struct spend_where *w, const char *condition);
/* "column IN (...)" with the comma separated members of list. */
void spend_where_list(struct spend_where *w, const char *column, struct str list);
/* A key by its text, its hash or LiteLLM's name of the master key; column is a keys.id. On the
 * loop. */
void spend_where_key(struct spend_where *w, struct command_call *c, const char *column,
		     struct str key);
/* Puts `select` in the place of what stands before " FROM spend_...", for counting. */
void spend_where_count(struct spend_where *w, const char *select);
/* Whether all of it fitted; else the call is answered with 400. */
bool spend_where_is_whole(const struct spend_where *w, struct command_call *c);
/* Prepares what stands there with `tail` behind it, and binds; good until the next one. */
struct sql *spend_where_query(struct spend_where *w, struct store_db *db, const char *tail);

#endif
