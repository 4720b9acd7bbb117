/* SPDX-License-Identifier: MIT
 * gates.c - see gates.h.
 *
 * Done callbacks of the store come in the order of its jobs, so what a count has read is right
 * when it arrives: each booking before it is in it, and each one behind it is still to come. */
#include "master/gates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/gate.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/gates_private.h"
#include "master/keys_private.h"
#include "master/ledger.h"
#include "master/ledger_rollup.h"
#include "master/store_sql.h"

struct budget_gate {
	uint64_t id_hash;
	uint32_t row;
	struct period period;
	uint64_t from_ns, until_ns;	/* the running period */
	/* Workers count here the requests that began since: earlier ones did not know of it. */
	uint64_t known_ns;
	bool wants_count;
};
struct member {				/* whose costs a budget pays: a deployment, or a tag */
	uint64_t what;			/* as in struct ledger_cost */
	uint32_t budget;		/* its index */
	struct str tag;			/* the configuration's; .p NULL: it is a deployment */
};
struct hours_gate {
	uint32_t row;
	const struct config_hours *hours;	/* the configuration's */
	uint64_t change_ns;		/* 0: never */
};
struct plan_gate {
	uint64_t deployment;
	struct snap_gate gate;
};
struct table {
	struct budget_gate *budgets;
	struct member *members;		/* sorted by what it is */
	struct hours_gate *hours;
	struct plan_gate *plans;
	size_t n_budgets, n_members, n_hours, n_plans;
};
struct gates {
	struct store *store;
	struct board *board;
	struct ledger *ledger;
	struct table t;
	uint64_t number;		/* of the table: counts for an earlier one are void */
	bool is_counting;
};

/* ---- the table ---- */

static void free_table(struct table *t)
{
	mem_free(t->budgets);
	mem_free(t->members);
	mem_free(t->hours);
	mem_free(t->plans);
	*t = (struct table){ 0 };
}

static int by_what(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	return (x->what > y->what) - (x->what < y->what);
}

static struct board_gate *row_of(const struct gates *g, uint32_t row)
{
	return &g->board->gates[row];
}

static void start_period(const struct gates *g, struct budget_gate *k, uint64_t wall_ns)
{
	struct board_gate *row = row_of(g, k->row);
	k->from_ns = period_begin(k->period, wall_ns);
	k->until_ns = period_reset(k->period, wall_ns);
	/* Periods in steps from 1970 end where the next one begins. */
	if (period_begin(k->period, k->until_ns) != k->until_ns)
		k->until_ns = period_begin(k->period, k->until_ns);
	atomic_store(&row->from_ns, k->from_ns);
	atomic_store(&row->until_ns, k->until_ns);
	k->wants_count = true;
}

static struct budget_gate *find_budget(const struct table *t, uint64_t hash)
{
	for (size_t i = 0; i < t->n_budgets; i++)
		if (t->budgets[i].id_hash == hash)
			return &t->budgets[i];
	return NULL;
}

/* One that was there before goes on as it was. */
static void add_budget(struct gates *g, struct table *t, struct member m, uint64_t hash,
		       struct str period, uint64_t wall_ns)
{
	struct budget_gate *k = find_budget(t, hash);
	const struct budget_gate *old = find_budget(&g->t, hash);
	struct period p;
	uint32_t row;
	if (!k) {
		if (period_read(period, &p) < 0 || board_place_gate(g->board, hash, &row) < 0)
			return;
		k = &t->budgets[t->n_budgets++];
		*k = (struct budget_gate){ .id_hash = hash, .row = row, .period = p };
		if (old && old->period.n == p.n && old->period.unit == p.unit) {
			*k = *old;
		} else if (g->number) {
			k->known_ns = old ? old->known_ns : wall_ns;
			for (unsigned w = 0; !old && w < BOARD_WORKERS; w++)
				atomic_store(&row_of(g, row)->words[w], 0);
		}
		if (!k->from_ns)
			start_period(g, k, wall_ns);
	}
	m.budget = (uint32_t)(k - t->budgets);
	t->members[t->n_members++] = m;
}

static void add_hours(struct gates *g, struct table *t, const struct config_hours *h)
{
	struct hours_gate k = { .hours = h };
	if (board_place_gate(g->board, gates_hash_hours(h), &k.row) == 0)
		t->hours[t->n_hours++] = k;
}

static void add_plans(struct gates *g, struct table *t, const struct config_model *cm)
{
	for (size_t i = 0; i < cm->plans.n; i++) {
		struct plan_gate k = { board_deployment_hash(cm->id), gates_plan(&cm->plans.v[i]) };
		if (board_place_gate(g->board, gates_hash_plan(&cm->plans.v[i], cm),
				     &k.gate.row) == 0)
			t->plans[t->n_plans++] = k;
	}
}

static void add_model(struct gates *g, struct table *t, const struct config *c,
		      const struct config_model *cm, uint64_t wall_ns)
{
	const struct config_gate *p = gates_budget_of(c, cm);
	struct member m = { .what = board_deployment_hash(cm->id) };
	if (p)
		add_budget(g, t, m, gates_hash_provider(p->name), p->period, wall_ns);
	if (gates_has_own(cm))
		add_budget(g, t, m, gates_hash_own(cm), cm->budget_duration, wall_ns);
	if (cm->hours.n)
		add_hours(g, t, &cm->hours);
	add_plans(g, t, cm);
}

static void add_tags(struct gates *g, struct table *t, const struct config *c, uint64_t wall_ns)
{
	for (size_t i = 0; i < c->tag_budgets.n; i++) {
		const struct config_gate *p = &c->tag_budgets.v[i];
		struct member m = { .what = ledger_tag_hash(p->name), .tag = p->name };
		add_budget(g, t, m, m.what, p->period, wall_ns);
	}
}

static const struct config_model *model_at(const struct config *c, size_t i)
{
	return i < c->n_models ? &c->models[i] : &c->passes[i - c->n_models].model;
}

static int fill_table(struct gates *g, struct table *t, const struct config *c, uint64_t wall_ns)
{
	size_t n = c->n_models + c->n_passes, budgets = c->tag_budgets.n, hours = 0, plans = 0;
	for (size_t i = 0; i < n; i++) {
		const struct config_model *cm = model_at(c, i);
		budgets += (size_t)(gates_budget_of(c, cm) != NULL) + (size_t)gates_has_own(cm);
		hours += cm->hours.n > 0;
		plans += cm->plans.n;
	}
	*t = (struct table){ .budgets = mem_array(budgets + 1, sizeof *t->budgets),
			     .members = mem_array(budgets + 1, sizeof *t->members),
			     .hours = mem_array(hours + 1, sizeof *t->hours),
			     .plans = mem_array(plans + 1, sizeof *t->plans) };
	if (!t->budgets || !t->members || !t->hours || !t->plans) {
		free_table(t);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		add_model(g, t, c, model_at(c, i), wall_ns);
	add_tags(g, t, c, wall_ns);
	qsort(t->members, t->n_members, sizeof *t->members, by_what);
	return 0;
}

/* ---- hours ---- */

static void turn_hours(struct gates *g, struct hours_gate *k, uint64_t wall_ns)
{
	bool is_open = zone_is_open(k->hours->v, k->hours->n, wall_ns, &k->change_ns);
	atomic_store(&row_of(g, k->row)->hours, (k->change_ns & ~UINT64_C(1)) | is_open);
}

/* ---- what the database says ---- */

struct count_one {
	uint64_t deployment, from_ns;
	struct str tag;			/* in `texts`; .p NULL: of the deployment */
	uint32_t row;
	int64_t sum;
};
struct count {
	struct gates *g;
	uint64_t number, now_ns;
	struct count_one *v;
	size_t n;
	char *texts;			/* the configuration may be another before it is done */
};

static int add_sum(struct sql *q, int64_t *sum)
{
	int r = sql_row(q);
	if (r > 0) {
		int64_t more = sql_get_int(q, 0);
		*sum = more > PRICE_NANO_MAX - *sum ? PRICE_NANO_MAX : *sum + more;
		sql_end(q);
	}
	return r < 0 ? r : 0;
}

static struct sql *query_rows(struct store_db *db, const struct count_one *k)
{
	struct sql *q = sql_query(db, k->tag.p ?
		"SELECT sum(cost) FROM spend_logs WHERE start_ns >= ? AND start_ns < ?"
		" AND tags IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)" :
		"SELECT sum(cost) FROM spend_logs WHERE start_ns >= ? AND start_ns < ?"
		" AND deployment = ?");
	if (k->tag.p)
		sql_text(q, 3, k->tag);
	else
		sql_int(q, 3, (int64_t)k->deployment);
	return q;
}

static struct sql *query_days(struct store_db *db, const struct count_one *k)
{
	struct sql *q = sql_query(db, k->tag.p ?
		"SELECT sum(cost) FROM spend_labels WHERE day >= ? AND kind = 6 AND label ="
		" (SELECT id FROM spend_names WHERE name = ?)" :
		"SELECT sum(cost) FROM spend_daily WHERE day >= ? AND deployment = ?");
	if (k->tag.p)
		sql_text(q, 2, k->tag);
	else
		sql_int(q, 2, (int64_t)k->deployment);
	return q;
}
_Static_assert(ROLLUP_TAG == 6, "as in the text above");

/* The rest of the first day from the rows, whole days from their sums. */
static int read_sum(struct store_db *db, struct count_one *k)
{
	const uint64_t day_ns = UINT64_C(86400) * NS_PER_S;
	uint64_t midnight = (k->from_ns + day_ns - 1) / day_ns * day_ns;
	int err = 0;
	k->sum = 0;
	if (midnight != k->from_ns) {
		struct sql *q = query_rows(db, k);
		sql_int(q, 1, (int64_t)k->from_ns);
		sql_int(q, 2, (int64_t)midnight);
		err = add_sum(q, &k->sum);
	}
	if (!err) {
		struct sql *q = query_days(db, k);
		sql_int(q, 1, (int64_t)(midnight / day_ns));
		err = add_sum(q, &k->sum);
	}
	return err;
}

static int count_job(struct store_db *db, void *data)
{
	struct count *c = data;
	int err = 0;
	for (size_t i = 0; i < c->n && !err; i++)
		err = read_sum(db, &c->v[i]);
	return err;
}

static void take_counts(struct gates *g, const struct count *c)
{
	for (size_t i = 0; i < c->n; i++)
		atomic_store(&row_of(g, c->v[i].row)->booked, 0);
	for (size_t i = 0; i < c->n; i++) {
		_Atomic int64_t *at = &row_of(g, c->v[i].row)->booked;
		int64_t sum = atomic_load(at);
		atomic_store(at, c->v[i].sum > PRICE_NANO_MAX - sum ? PRICE_NANO_MAX
								    : sum + c->v[i].sum);
	}
}

static void free_count(struct count *c)
{
	mem_free(c->v);
	mem_free(c->texts);
	mem_free(c);
}

static void on_counted(void *data, int err)
{
	struct count *c = data;
	struct gates *g = c->g;
	g->is_counting = false;
	if (!err && c->number == g->number) {
		take_counts(g, c);
	} else if (c->number == g->number) {
		LOG(LOG_WARN, "gates.count_failed", F_Z("error", strerror(-err)));
		for (size_t i = 0; i < g->t.n_budgets; i++)
			g->t.budgets[i].wants_count = true;
	}
	free_count(c);
}

/* The tags' names go along. */
static size_t bytes_of_tags(const struct gates *g)
{
	size_t n = 0;
	for (size_t i = 0; i < g->t.n_members; i++)
		n += g->t.members[i].tag.n;
	return n;
}

static struct str copy_tag(char **at, struct str tag)
{
	struct str s = str_of(*at, tag.n);
	if (!tag.p)
		return STR_NONE;
	memcpy(*at, tag.p, tag.n);
	*at += tag.n;
	return s;
}

/* Of the budgets that want one. NULL: none does, or there is no memory now. */
static struct count *new_count(struct gates *g, uint64_t wall_ns)
{
	struct count *c = mem_alloc(sizeof *c);
	if (!c)
		return NULL;
	*c = (struct count){ .g = g, .number = g->number, .now_ns = wall_ns,
			     .v = mem_array(g->t.n_members + 1, sizeof *c->v),
			     .texts = mem_alloc(bytes_of_tags(g) + 1) };
	char *at = c->texts;
	for (size_t i = 0; c->v && at && i < g->t.n_members; i++) {
		const struct member *m = &g->t.members[i];
		const struct budget_gate *k = &g->t.budgets[m->budget];
		if (k->wants_count)
			c->v[c->n++] = (struct count_one){ .deployment = m->what,
							   .from_ns = k->from_ns, .row = k->row,
							   .tag = copy_tag(&at, m->tag) };
	}
	if (c->n)
		return c;
	free_count(c);
	return NULL;
}

static void clear_wants(struct gates *g)
{
	for (size_t i = 0; i < g->t.n_budgets; i++)
		g->t.budgets[i].wants_count = false;
}

static void count_now(struct gates *g, uint64_t wall_ns)
{
	struct count *c = g->is_counting ? NULL : new_count(g, wall_ns);
	if (!c)
		return;
	if (store_write(g->store, count_job, on_counted, c) < 0) {
		free_count(c);
		return;
	}
	clear_wants(g);
	g->is_counting = true;
}

static void count_and_wait(struct gates *g, uint64_t wall_ns)
{
	struct count *c = new_count(g, wall_ns);
	if (!c)
		return;
	if (store_write_wait(g->store, count_job, c) == 0) {
		take_counts(g, c);
		clear_wants(g);
	}
	free_count(c);
}

/* ---- plans, at start: the board is new, the windows are not ---- */

static int64_t used_by(struct sql *q, const struct snap_gate *g)
{
	return sql_get_int(q, g->kind == GATE_REQUESTS ? 1 : g->kind == GATE_TOKENS ? 2 : 3);
}

static int restore_plan(struct store_db *db, struct gates *g, const struct plan_gate *k,
			uint64_t now_ns)
{
	struct sql *q = sql_query(db,
		"SELECT max(start_ns), count(*), sum(input + output), sum(cost) FROM spend_logs"
		" WHERE start_ns >= ?1 AND deployment = ?2 AND attempts > 0 GROUP BY start_ns / ?3");
	int r;
	sql_int(q, 1, (int64_t)gate_plan_begin(&k->gate, now_ns));
	sql_int(q, 2, (int64_t)k->deployment);
	sql_int(q, 3, (int64_t)(k->gate.span_ns / 60));
	while ((r = sql_row(q)) > 0) {
		int64_t n = used_by(q, &k->gate);
		gate_plan_add(row_of(g, k->gate.row), &k->gate, (uint64_t)sql_get_int(q, 0),
			      n > 0 ? (uint64_t)n : 0);
	}
	return r;
}

static int restore_job(struct store_db *db, void *data)
{
	struct count *c = data;
	int err = 0;
	for (size_t i = 0; i < c->g->t.n_plans && !err; i++)
		err = restore_plan(db, c->g, &c->g->t.plans[i], c->now_ns);
	return err;
}

static bool is_new_board(const struct gates *g)
{
	for (unsigned w = 0; w < BOARD_WORKERS; w++)
		if (atomic_load(&g->board->workers[w].started_ns))
			return false;
	return true;
}

static void restore_plans(struct gates *g, uint64_t wall_ns)
{
	struct count c = { .g = g, .now_ns = wall_ns };
	if (!g->t.n_plans || !is_new_board(g))
		return;
	if (store_write_wait(g->store, restore_job, &c) < 0)
		LOG(LOG_WARN, "gates.count_failed", F_Z("error", "plans begin anew"));
}

/* ---- what the ledger books ---- */

static const struct member *first_member(const struct table *t, uint64_t what)
{
	size_t low = 0, high = t->n_members;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (t->members[mid].what < what)
			low = mid + 1;
		else
			high = mid;
	}
	return &t->members[low];
}

static void book(struct gates *g, unsigned slot, const struct ledger_cost *c)
{
	const struct table *t = &g->t;
	for (const struct member *m = first_member(t, c->what);
	     m < t->members + t->n_members && m->what == c->what; m++) {
		const struct budget_gate *k = &t->budgets[m->budget];
		struct board_gate *row = row_of(g, k->row);
		if (c->start_ns >= k->from_ns)
			atomic_fetch_add(&row->booked, c->cost);
		if (slot < BOARD_WORKERS && c->start_ns >= k->known_ns)
			atomic_fetch_sub(&row->words[slot], (uint64_t)c->cost);
	}
}

static void on_booked(void *data, unsigned slot, const struct ledger_cost *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		book(data, slot, &v[i]);
}

/* All that the worker has counted is booked: what stands there now is a remainder. */
static void on_settled(void *data, unsigned slot)
{
	struct gates *g = data;
	for (size_t i = 0; i < g->t.n_budgets; i++) {
		_Atomic uint64_t *at = &row_of(g, g->t.budgets[i].row)->words[slot];
		if (atomic_load_explicit(at, memory_order_relaxed))
			atomic_store(at, 0);
	}
}

static void on_lost(void *data)
{
	struct gates *g = data;
	for (size_t i = 0; i < g->t.n_budgets; i++)
		g->t.budgets[i].wants_count = true;
}

/* ---- what is told ---- */

struct gates_state gates_budget_state(const struct gates *g, bool is_tag, struct str name)
{
	const struct budget_gate *k =
		find_budget(&g->t, is_tag ? ledger_tag_hash(name) : gates_hash_provider(name));
	struct snap_gate gate = { .kind = GATE_BUDGET, .row = k ? k->row : 0 };
	if (!k)
		return (struct gates_state){ 0 };
	return (struct gates_state){ (int64_t)gate_used(g->board, &gate, 0), k->until_ns };
}

/* ---- life ---- */

int gates_new(struct store *s, struct board *b, struct ledger *l, struct gates **ret)
{
	struct gates *g = mem_alloc(sizeof *g);
	if (!g)
		return -ENOMEM;
	*g = (struct gates){ .store = s, .board = b, .ledger = l };
	*ret = g;
	return 0;
}

void gates_configure(struct gates *g, const struct config *c, uint64_t wall_ns)
{
	static const struct ledger_watch watch = { on_booked, on_settled, on_lost, false };
	static const struct ledger_watch tag_watch = { on_booked, on_settled, on_lost, true };
	struct table t;
	bool is_first = g->number == 0, was_counting = g->is_counting;
	if (fill_table(g, &t, c, wall_ns) < 0) {
		LOG(LOG_ERROR, "gates.count_failed", F_Z("error", "no memory"));
		free_table(&g->t);	/* its hours are those of another configuration */
		return;
	}
	free_table(&g->t);
	g->t = t;
	g->number++;
	for (size_t i = 0; i < t.n_budgets; i++)	/* what is under way is void */
		t.budgets[i].wants_count |= was_counting;
	ledger_watch(g->ledger, c->tag_budgets.n ? &tag_watch : t.n_budgets ? &watch : NULL, g);
	for (size_t i = 0; i < t.n_hours; i++)
		turn_hours(g, &t.hours[i], wall_ns);
	if (!is_first) {
		g->is_counting = false;
		count_now(g, wall_ns);
		return;
	}
	count_and_wait(g, wall_ns);
	restore_plans(g, wall_ns);
}

void gates_tick(struct gates *g, uint64_t wall_ns)
{
	for (size_t i = 0; i < g->t.n_budgets; i++) {
		struct budget_gate *k = &g->t.budgets[i];
		/* Also when the clock was set back. */
		if (wall_ns >= k->until_ns || wall_ns < k->from_ns)
			start_period(g, k, wall_ns);
	}
	for (size_t i = 0; i < g->t.n_hours; i++) {
		struct hours_gate *k = &g->t.hours[i];
		if (k->change_ns && wall_ns >= k->change_ns)
			turn_hours(g, k, wall_ns);
	}
	count_now(g, wall_ns);
}
