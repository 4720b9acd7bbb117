/* SPDX-License-Identifier: MIT
 * health_history.c - see health_history.h. */
#include "master/health_history.h"

#include <errno.h>
#include <stdio.h>

#include "common/json_write.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/store_sql.h"

enum { LIMIT = 100, LIMIT_MAX = 1000 };

/* ---- writing ---- */

static int write_job(struct store_db *db, void *data)
{
	const struct health_notes *h = data;
	int err = 0;
	for (size_t i = 0; i < h->n && !err; i++) {
		const struct health_note *n = &h->v[i];
		struct sql *q = sql_query(db,
			"INSERT INTO health_checks (model_id, model_name, is_well, error, took_ms,"
			" checked_by, checked_at) VALUES (?, ?, ?, ?, ?, ?, ?)");
		sql_text(q, 1, str_z(n->model_id));
		sql_text(q, 2, str_z(n->model_name));
		sql_int(q, 3, n->is_well);
		sql_text(q, 4, str_z(n->error));
		sql_int(q, 5, (int64_t)n->took_ms);
		sql_text(q, 6, str_z(h->by));
		sql_int(q, 7, (int64_t)n->at_wall_ns);
		err = sql_run(q);
	}
	if (err)
		return err;
	struct sql *q = sql_query(db, "DELETE FROM health_checks WHERE number <="
				      " (SELECT max(number) FROM health_checks) - ?");
	sql_int(q, 1, HEALTH_ROWS);
	return sql_run(q);
}

static void on_written(void *data, int err)
{
	if (err)
		LOG(LOG_WARN, "probe.ignored", F_Z("why", "it could not be written down"));
	mem_free(data);
}

void health_history_write(struct store *s, struct health_notes *notes)
{
	int err = store_write(s, write_job, on_written, notes);
	if (err)
		on_written(notes, err);
}

/* ---- showing ---- */

struct history_call {
	struct command_call *c;
	struct str model;
	uint64_t limit, offset;
	int64_t is_well;		/* -1: both */
};

#define COLUMNS                                                                                   \
	"number, model_id, model_name, is_well, error, took_ms, checked_by, checked_at"
enum column { NUMBER, MODEL_ID, MODEL_NAME, IS_WELL, ERROR, TOOK, CHECKED_BY, CHECKED_AT };

static void put_check(struct json_out *o, struct sql *q)
{
	char id[24];
	int64_t is_well = sql_get_int(q, IS_WELL);
	struct str error = sql_get_text(q, ERROR);
	uint64_t at = (uint64_t)sql_get_int(q, CHECKED_AT);
	snprintf(id, sizeof id, "%lld", (long long)sql_get_int(q, NUMBER));
	json_open(o, NULL);
	json_put_z(o, "health_check_id", id);
	json_put_str(o, "model_name", sql_get_text(q, MODEL_NAME));
	json_put_str(o, "model_id", sql_get_text(q, MODEL_ID));
	json_put_z(o, "status", is_well ? "healthy" : "unhealthy");
	json_put_i64(o, "healthy_count", is_well);
	json_put_i64(o, "unhealthy_count", !is_well);
	json_put_str(o, "error_message", error.n ? error : STR_NONE);
	json_put_i64(o, "response_time_ms", sql_get_int(q, TOOK));
	json_put_null(o, "details");
	json_put_str(o, "checked_by", sql_get_text(q, CHECKED_BY));
	json_put_time(o, "checked_at", at);
	json_put_time(o, "created_at", at);
	json_close(o);
}

static int history_job(struct store_db *db, void *data)
{
	struct history_call *h = data;
	struct json_out o = json_out(&h->c->out);
	struct sql *q = sql_query(db, "SELECT " COLUMNS " FROM health_checks"
		" WHERE (?1 IS NULL OR model_name = ?1) AND (?2 < 0 OR is_well = ?2)"
		" ORDER BY number DESC LIMIT ?3 OFFSET ?4");
	uint64_t n = 0;
	int r;
	sql_text(q, 1, h->model.n ? h->model : STR_NONE);
	sql_int(q, 2, h->is_well);
	sql_int(q, 3, (int64_t)h->limit);
	sql_int(q, 4, (int64_t)h->offset);
	json_open(&o, NULL);
	json_open_array(&o, "health_checks");
	for (; (r = sql_row(q)) > 0; n++)
		put_check(&o, q);
	json_close_array(&o);
	json_put_u64(&o, "total_records", n);
	json_put_u64(&o, "limit", h->limit);
	json_put_u64(&o, "offset", h->offset);
	json_close(&o);
	return r;
}

/* false: answered. */
static bool take_status(struct history_call *h)
{
	struct str s = STR("");
	if (command_str(h->c, "status_filter", &s) == -EINVAL)
		return false;
	h->is_well = !s.n ? -1 : str_eq(s, STR("healthy"));
	if (!s.n || h->is_well || str_eq(s, STR("unhealthy")))
		return true;
	command_fail(h->c, 400, "invalid_request_error", "status_filter",
		     "status_filter is healthy or unhealthy");
	return false;
}

void health_history(struct command_call *c)
{
	struct history_call *h = command_state(c, sizeof *h);
	if (!h)
		return;
	h->limit = LIMIT;
	if (command_str(c, "model", &h->model) == -EINVAL || !take_status(h) ||
	    command_u64(c, "limit", &h->limit) == -EINVAL ||
	    command_u64(c, "offset", &h->offset) == -EINVAL)
		return;
	if (h->limit < 1 || h->limit > LIMIT_MAX || h->offset > HEALTH_ROWS)
		command_fail(c, 400, "invalid_request_error", "limit",
			     "limit is 1 to %d, offset at most %d", LIMIT_MAX, HEALTH_ROWS);
	else
		command_read(h, history_job, command_done);
}

static int latest_job(struct store_db *db, void *data)
{
	struct history_call *h = data;
	struct json_out o = json_out(&h->c->out);
	struct sql *q = sql_query(db, "SELECT " COLUMNS " FROM health_checks WHERE number IN"
		" (SELECT max(number) FROM health_checks GROUP BY model_id) ORDER BY model_name,"
		" model_id");
	uint64_t n = 0;
	int r;
	json_open(&o, NULL);
	json_open(&o, "latest_health_checks");
	for (; (r = sql_row(q)) > 0; n++) {
		json_key(&o, sql_get_text(q, MODEL_ID));
		put_check(&o, q);
	}
	json_close(&o);
	json_put_u64(&o, "total_models", n);
	json_close(&o);
	return r;
}

void health_latest(struct command_call *c)
{
	struct history_call *h = command_state(c, sizeof *h);
	if (h)
		command_read(h, latest_job, command_done);
}
