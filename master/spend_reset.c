/* SPDX-License-Identifier: MIT
 * spend_reset.c - what all keys and teams have spent is set to nothing; requests stay booked.
 *
 * As with a budget's period: the board's totals are read first, then the database begins anew, and
 * then the board gives up just what it had; what was spent meanwhile stays. */
#include <errno.h>

#include "common/budget.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/keys_private.h"
#include "master/master.h"
#include "master/roles.h"
#include "master/spend.h"

struct spend_reset {
	struct command_call *c;
	struct keys *keys;
	uint64_t now_ns;
	size_t n;
	struct entity_total {
		uint64_t id;
		int64_t taken;
	} *v;
};

static int reset_job(struct store_db *db, void *data)
{
	const struct spend_reset *r = data;
	struct sql *q = sql_query(db, "UPDATE keys SET spend = 0, spend_since = ?1");
	sql_int(q, 1, (int64_t)r->now_ns);
	int err = sql_run(q);
	if (err)
		return err;
	q = sql_query(db, "UPDATE teams SET spend = 0, spend_since = ?1");
	sql_int(q, 1, (int64_t)r->now_ns);
	return sql_run(q);
}

static void done(struct spend_reset *r)
{
	mem_free(r->v);
	mem_free(r);
}

static void on_reset(void *data, int err)
{
	struct spend_reset *r = data;
	struct command_call *c = r->c;
	r->keys->is_resetting = false;
	for (size_t i = 0; i < r->n && !err; i++)
		keys_move_settled(r->keys, r->v[i].id, -r->v[i].taken, false);
	if (!err)
		LOG(LOG_INFO, "spend.reset", F_INT("entities", r->n));
	done(r);
	if (err) {
		command_fail_store(c, err);
		return;
	}
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_z(&o, "message", "Spend of all keys and teams was set to nothing");
	json_put_z(&o, "status", "success");
	json_close(&o);
	command_finish(c);
}

/* Those of keys and teams that have spent anything. */
static int read_totals(struct spend_reset *r)
{
	struct entities *e = &r->keys->entities;
	uint64_t id;
	int64_t reserved;
	uint32_t entity, parallel;
	r->v = mem_array(e->used + 1, sizeof *r->v);
	if (!r->v)
		return -ENOMEM;
	for (size_t at = 0; entities_next(e, &at, &id, &entity);) {
		if (entity_kind(id) > DIR_TEAM || id == ENTITY_KEY)
			continue;
		struct entity_total *t = &r->v[r->n];
		budget_read(r->keys->board, entity, &t->taken, &reserved, &parallel);
		t->id = id;
		r->n += t->taken != 0;
	}
	return 0;
}

void spend_reset(struct command_call *c)
{
	if (c->kind == CALLER_HTTP && c->caller_key) {
		role_refuse(c);		/* not with a user's key, be it an administrator's */
		return;
	}
	struct keys *k = c->master->keys;
	if (k->is_resetting || k->is_applying || k->n_late) {
		command_fail(c, 503, "service_unavailable_error", NULL,
			     "a budget period is just beginning: try again");
		return;
	}
	struct spend_reset *r = mem_alloc(sizeof *r);
	if (!r) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	*r = (struct spend_reset){ .c = c, .keys = k, .now_ns = clock_wall_ns() };
	int err = read_totals(r);
	if (!err)
		err = store_write(k->store, reset_job, on_reset, r);
	k->is_resetting = !err;		/* no period takes from the same totals meanwhile */
	if (err) {
		done(r);
		command_fail_store(c, err);
	}
}

/* LiteLLM has views to be built anew; sums are kept with the rows here. */
void spend_refresh(struct command_call *c)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_z(&o, "message", "sums are kept with each request: nothing is to be refreshed");
	json_put_z(&o, "status", "success");
	json_close(&o);
	command_finish(c);
}
