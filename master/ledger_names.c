/* SPDX-License-Identifier: MIT
 * ledger_names.c - what deployments' numbers mean, kept for reports after the configuration has
 * moved on. */
#include <errno.h>

#include "common/arena.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/ledger_private.h"

enum { NAMES_MEMORY_MAX = 256 << 20 };

struct names {
	struct arena *mem;
	struct ledger_name *v;
	size_t n;
};

static int names_job(struct store_db *db, void *data)
{
	const struct names *names = data;
	int err = 0;
	for (size_t i = 0; i < names->n && !err; i++) {
		const struct ledger_name *v = &names->v[i];
		struct sql *q = sql_query(db,
			"INSERT INTO deployments (id_hash, model_id, model_group, provider, model,"
			" api_base) VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
			" model_id = excluded.model_id, model_group = excluded.model_group,"
			" provider = excluded.provider, model = excluded.model,"
			" api_base = excluded.api_base");
		sql_int(q, 1, (int64_t)v->id_hash);
		sql_text(q, 2, v->model_id);
		sql_text(q, 3, v->model_group);
		sql_text(q, 4, v->provider);
		sql_text(q, 5, v->model);
		sql_text(q, 6, v->api_base);
		err = sql_run(q);
	}
	return err;
}

static void on_named(void *data, int err)
{
	struct names *names = data;
	if (err)
		LOG(LOG_WARN, "ledger.names_unwritten", F_Z("error", strerror(-err)));
	arena_free(names->mem);
	mem_free(names);
}

static struct str copy_text(struct arena *a, struct str s, bool *failed)
{
	struct str copy = s.n ? arena_dup(a, s) : STR("");
	*failed |= !copy.p;
	return copy;
}

static bool copy_names(struct names *to, const struct ledger_name *from, size_t n)
{
	bool failed = false;
	to->v = arena_array(to->mem, n, sizeof *to->v);
	for (to->n = 0; to->v && to->n < n; to->n++) {
		const struct ledger_name *f = &from[to->n];
		to->v[to->n] = (struct ledger_name){
			.id_hash = f->id_hash,
			.model_id = copy_text(to->mem, f->model_id, &failed),
			.model_group = copy_text(to->mem, f->model_group, &failed),
			.provider = copy_text(to->mem, f->provider, &failed),
			.model = copy_text(to->mem, f->model, &failed),
			.api_base = copy_text(to->mem, f->api_base, &failed),
		};
	}
	return to->v && !failed;
}

int ledger_name_deployments(struct ledger *l, const struct ledger_name *v, size_t n)
{
	struct names *names = mem_alloc(sizeof *names);
	int err = -ENOMEM;
	if (names)
		names->mem = arena_new(NAMES_MEMORY_MAX);
	if (names && names->mem && copy_names(names, v, n))
		err = store_write(l->store, names_job, on_named, names);
	if (err && names) {
		arena_free(names->mem);
		mem_free(names);
	}
	return err;
}
