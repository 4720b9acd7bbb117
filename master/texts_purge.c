/* SPDX-License-Identifier: MIT
 * texts_purge.c - `spend purge`: what was said before a day is deleted, a slice at a time, so that
 * the ledger never waits long. What the requests cost stays. */
#include <errno.h>

#include "common/log.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/spend_private.h"
#include "master/texts_read.h"

enum { SLICE = 64 };			/* rows deleted in one job */

struct purge {
	struct command_call *c;
	int64_t before_ns;
	bool is_dry;
	unsigned slice;			/* what the last job deleted */
	uint64_t rows, bytes;
};

static int count_job(struct store_db *db, void *data)
{
	struct purge *p = data;
	struct sql *q = sql_query(db, "SELECT count(*), coalesce(sum(size), 0) FROM spend_texts"
				      " WHERE start_ns < ?");
	sql_int(q, 1, p->before_ns);
	int r = sql_row(q);
	if (r > 0) {
		p->rows = (uint64_t)sql_get_int(q, 0);
		p->bytes = (uint64_t)sql_get_int(q, 1);
	}
	sql_end(q);
	return r < 0 ? r : 0;
}

static int read_total(struct store_db *db, int64_t *ret)
{
	struct sql *q = sql_query(db, "SELECT bytes FROM spend_texts_total");
	int r = sql_row(q);
	*ret = r > 0 ? sql_get_int(q, 0) : 0;
	sql_end(q);
	return r < 0 ? r : 0;
}

static int purge_job(struct store_db *db, void *data)
{
	struct purge *p = data;
	int64_t before, after;
	int err = read_total(db, &before);
	if (err)
		return err;
	struct sql *q = sql_query(db,
		"DELETE FROM spend_texts WHERE number IN (SELECT number FROM spend_texts"
		" WHERE start_ns < ?1 ORDER BY start_ns LIMIT ?2)");
	sql_int(q, 1, p->before_ns);
	sql_int(q, 2, SLICE);
	err = sql_run(q);
	p->slice = err ? 0 : (unsigned)sql_changes(db);
	if (!err)
		err = read_total(db, &after);
	if (!err)
		p->bytes += (uint64_t)(before - after);
	return err;
}

static void answer(struct purge *p)
{
	struct json_out o = json_out(&p->c->out);
	json_open(&o, NULL);
	json_put_bool(&o, "dry_run", p->is_dry);
	json_put_u64(&o, "requests", p->rows);
	json_put_u64(&o, "bytes", p->bytes);
	json_close(&o);
	if (!p->is_dry)
		LOG(LOG_INFO, "texts.purged", F_INT("requests", p->rows), F_INT("bytes", p->bytes));
	command_finish(p->c);
}

static void on_job(void *data, int err)
{
	struct purge *p = data;
	p->rows += p->slice;
	bool has_more = !err && p->slice == SLICE;
	if (has_more)
		err = store_write(p->c->master->store, purge_job, on_job, p);
	if (err)
		command_fail_store(p->c, err);
	else if (!has_more)
		answer(p);
}

void texts_purge(struct command_call *c)
{
	struct purge *p = command_state(c, sizeof *p);
	struct spend_range range = { 0 };
	struct str given;
	if (!p)
		return;
	if (command_str(c, "before", &given) || !spend_take_days(c, "before", "before", &range) ||
	    command_bool(c, "dry_run", &p->is_dry) == -EINVAL)
		return;
	p->before_ns = (int64_t)range.from_ns;
	if (p->is_dry)
		command_read(p, count_job, on_job);
	else
		command_write(p, purge_job, on_job);
}
