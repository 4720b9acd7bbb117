/* SPDX-License-Identifier: MIT
 * audit_verify.c - walks the chain of the audit log, some rows a job, and says where it breaks.
 *
 * A chain says that no row was altered, taken out or put in between. Whether the newest ones were
 * cut off, or all of it was made anew, only somebody knows who has noted an earlier head. */
#include <errno.h>

#include "common/json_write.h"
#include "master/audit.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/store.h"

enum { STEP_ROWS = 1000 };

struct verify {				/* lives in the call's arena */
	struct command_call *c;
	struct audit_walk walk;
	bool is_at_end;
};

static int walk_job(struct store_db *db, void *data)
{
	struct verify *v = data;
	int n = audit_walk_rows(db, &v->walk, STEP_ROWS);
	v->is_at_end = n < STEP_ROWS;
	return n < 0 ? n : 0;
}

static void answer(struct verify *v)
{
	struct audit_walk *w = &v->walk;
	char hex[2 * sizeof w->head.b + 1];
	struct command_call *c = v->c;
	struct json_out o = json_out(&c->out);
	if (!w->broken && w->has_wanted && !w->is_wanted_seen)
		w->broken = "the head that was given is not in it";
	hash_hex(hex, w->head.b, sizeof w->head.b);
	json_open(&o, NULL);
	json_put_bool(&o, "ok", !w->broken);
	json_put_i64(&o, "rows", w->rows);
	json_put_z(&o, "head", hex);
	if (w->broken) {
		json_put_i64(&o, "broken_at", w->rows + 1);
		json_put_z(&o, "reason", w->broken);
		c->status = c->kind == CALLER_SOCKET ? 409 : 200;
	}
	json_close(&o);
	command_finish(c);
}

static void on_walked(void *data, int err)
{
	struct verify *v = data;
	if (err)
		command_fail_store(v->c, err);
	else if (v->walk.broken || v->is_at_end)
		answer(v);
	else
		command_read(v, walk_job, on_walked);
}

void audit_verify(struct command_call *c)
{
	struct str head = STR_NONE;
	struct verify *v = command_state(c, sizeof *v);
	if (!v)
		return;
	struct audit_walk *w = &v->walk;
	int err = command_str(c, "head", &head);
	if (err == -EINVAL)
		return;
	w->has_wanted = err == 0;
	if (w->has_wanted && hash_unhex(w->wanted.b, sizeof w->wanted.b, head) < 0) {
		command_fail(c, 400, "invalid_request_error", "head", "head must be 64 hex digits");
		return;
	}
	command_read(v, walk_job, on_walked);
}
