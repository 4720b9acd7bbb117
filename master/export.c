/* SPDX-License-Identifier: MIT
 * export.c - see export.h. */
#include "master/export.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/alerts.h"
#include "master/export_hooks.h"
#include "master/export_join.h"
#include "master/export_output.h"
#include "master/export_own.h"
#include "master/keys.h"
#include "master/otlp_metrics.h"

enum { TICK_MS = 50,
       TAKE_MAX = 1024, TAKE_BYTES = 4 << 20 /* records a tick, and bytes of their texts: the loop
					      * has other work */ };

/* An output with a name of its own: webhooks come and go with configurations. */
enum { HOOK_OUTPUTS = 2 * CONFIG_HOOKS };
struct hook_output {
	char name[CONFIG_HOOK_NAME + 16];
	enum hook_format format;
	struct export_output *o;	/* NULL: free */
};

struct named {				/* a deployment, by its name on the board */
	uint64_t hash;
	const struct config_model *model;
};

struct export {
	struct master *m;
	uv_timer_t timer;
	bool is_on;
	unsigned next_slot;		/* whose ring is read first */
	char dir[4200];
	struct export_output *outputs[EXPORT_ALL];	/* NULL: never configured */
	struct hook_output hooks[HOOK_OUTPUTS];	/* those from EXPORT_HOOK on are of them */
	struct export_own *own;
	struct export_join *join;
	uint64_t success, failure;	/* bits: who is told of what */
	uint64_t by_name;		/* of whom keys or teams alone have named */
	const struct config *config;	/* the one that `names` points into */
	struct named *names;
	size_t n_names;
	struct cost_book *book;		/* of that configuration */
	struct record record;		/* the one under way */
};

/* ---- deployments ---- */

static int compare(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	return (x->hash > y->hash) - (x->hash < y->hash);
}

static void add_name(struct export *e, const struct config_model *m)
{
	e->names[e->n_names++] = (struct named){ board_deployment_hash(m->id), m };
}

/* Without memory attempts go without names. */
static void learn_names(struct export *e)
{
	const struct config *c = e->m->config;
	mem_free(e->names);
	e->n_names = 0;
	e->config = c;
	cost_book_unref(e->book);
	e->book = cost_book_ref(e->m);
	e->names = mem_array(c->n_models + c->n_passes + 1, sizeof *e->names);
	if (!e->names)
		return;
	for (size_t i = 0; i < c->n_models; i++)
		add_name(e, &c->models[i]);
	for (size_t i = 0; i < c->n_passes; i++)
		add_name(e, &c->passes[i].model);
	qsort(e->names, e->n_names, sizeof *e->names, compare);
}

static const struct config_model *find_name(const struct export *e, uint64_t hash)
{
	const struct named want = { .hash = hash };
	const struct named *n =
		e->n_names ? bsearch(&want, e->names, e->n_names, sizeof want, compare) : NULL;
	return n ? n->model : NULL;
}

/* ---- records ---- */

/* Bits of those that the client does not want told. */
static uint64_t skipped(const struct export *e, const struct record *r)
{
	struct str rest = record_text(r, RT_SKIP);
	uint64_t bits = 0;
	while (rest.n && e->m->config->may_skip_callbacks) {
		struct str name = str_trim(str_cut(&rest, ','));
		int who = export_find(e->m->config, name);
		bits |= who >= 0 ? UINT64_C(1) << who : 0;
	}
	return bits;
}

/* A new one; `name` stays the caller's. */
static struct export_output *make(struct export *e, const struct export_row *row, const char *name)
{
	struct export_output *o = NULL;
	if (mkdir(e->dir, 0700) < 0 && errno != EEXIST)
		LOG(LOG_WARN, "export.no_disk", F_INT("errno", errno));
	if (export_output_new(e->m, row, name, e->dir, &o) < 0)
		LOG(LOG_ERROR, "export.ignored", F_Z("callback", name));
	return o;
}

/* On the disk and in the log a webhook is beside those of the table, whose names have no dot. */
static void hook_name(char to[CONFIG_HOOK_NAME + 16], const struct config_hook *h)
{
	snprintf(to, CONFIG_HOOK_NAME + 16, "hook." STR_FMT, STR_ARG(h->name));
}

/* The one of that name and format; else a free one, or one that nobody waits for any more. */
static struct hook_output *find_hook(struct export *e, const struct config_hook *h)
{
	char name[CONFIG_HOOK_NAME + 16];
	struct hook_output *best = NULL;
	hook_name(name, h);
	for (unsigned i = 0; i < HOOK_OUTPUTS; i++) {
		struct hook_output *one = &e->hooks[i];
		if (one->o && one->format == h->format && strcmp(one->name, name) == 0)
			return one;
		bool is_named = false;
		for (unsigned k = EXPORT_HOOK; k < EXPORT_ALL; k++)
			is_named |= one->o && e->outputs[k] == one->o;
		if (!one->o || (!best && !is_named && export_output_is_idle(one->o)))
			best = best && !best->o ? best : one;
	}
	if (!best || (best->o = export_output_stop(best->o, 0)))
		return NULL;
	memcpy(best->name, name, sizeof name);
	best->format = h->format;
	return best;
}

static struct export_output *hook_output(struct export *e, const struct config_hook *h)
{
	struct hook_output *one = find_hook(e, h);
	if (one && !one->o)
		one->o = make(e, &export_formats[h->format], one->name);
	if (!one)
		LOG(LOG_ERROR, "export.ignored", F_STR("callback", h->name));
	return one ? one->o : NULL;
}

/* Makes what it needs when it is named for the first time. */
static void configure(struct export *e, unsigned who, bool is_wanted)
{
	const struct config *c = e->m->config;
	struct export_target t = { 0 };
	const char *missing = is_wanted ? export_read(c, who, &t) : NULL;
	egress_set(&t.egress, &c->allow_private, t.is_strangers);
	if (is_wanted && !missing && !e->outputs[who])
		e->outputs[who] = who < EXPORT_KINDS
					  ? make(e, &export_rows[who], export_rows[who].name)
					  : hook_output(e, &c->hooks[who - EXPORT_HOOK]);
	if (e->outputs[who])
		export_output_configure(e->outputs[who], is_wanted && !missing ? &t : NULL);
	mem_wipe(&t, sizeof t);
}

/* Traces that the configuration does not ask for have no sampler: they are told of. */
static bool is_sampled(const struct export *e, const struct record *r, unsigned who)
{
	return who >= EXPORT_KINDS || !export_rows[who].sampled_only || r->flags & RF_SAMPLED ||
	       !((e->success | e->failure) >> who & 1);
}

/* Somebody has named them for the first time. */
static void learn_wanted(struct export *e, uint64_t bits)
{
	e->by_name |= bits;
	for (unsigned i = 0; bits && i < EXPORT_ALL; i++)
		if (bits >> i & 1)
			configure(e, i, true);
}

static struct export_owner owner_of(const struct export *e, const struct record *r)
{
	struct export_owner o = { .max_budget_nano = DIR_NO_LIMIT };
	struct str team = record_text(r, RT_TEAM);
	struct str organization = record_text(r, RT_ORGANIZATION);
	struct dir_key k;
	struct sha256 hash;
	memcpy(hash.b, r->key_hash, sizeof hash.b);
	if (r->flags & RF_HAS_KEY && dir_find(e->m->dir, &hash, &k) && k.entity < BOARD_ENTITIES) {
		o.has_key = true;
		o.max_budget_nano = k.max_budget_nano;
		o.spend_nano = atomic_load_explicit(&e->m->board.entities[k.entity].settled,
						    memory_order_relaxed);
	}
	if (team.n && dir_find_named(e->m->dir, DIR_TEAM, team, &k))
		o.team_alias = k.alias;
	if (organization.n && dir_find_named(e->m->dir, DIR_ORGANIZATION, organization, &k))
		o.organization_alias = k.alias;
	return o;
}

static void tell(struct export *e, const struct record *r, const struct export_texts *texts)
{
	uint64_t skip = skipped(e, r);
	uint64_t who = (r->flags & RF_FAILED ? e->failure : e->success) & ~skip;
	struct export_view v = { .r = r, .texts = texts, .text_most = TEXT_MOST };
	for (unsigned i = 0; i < r->n_attempts; i++)
		v.model[i] = find_name(e, r->attempts[i].deployment);
	struct str id = record_text(r, RT_DEPLOYMENT);
	struct price_quote room;
	if (r->flags & RF_SETTLED && id.n)
		v.quote = cost_book_find(e->book, board_deployment_hash(id),
					 record_text(r, RT_MODEL), &room);
	if (r->flags & RF_NO_LOG)
		who = 0;
	else if (r->flags & RF_OWN || e->m->config->n_teams)
		export_own_tell(e->own, &v, skip, &who);
	if (who)
		v.owner = owner_of(e, r);
	learn_wanted(e, who & ~(e->success | e->failure | e->by_name));
	for (unsigned i = 0; who && i < EXPORT_ALL; i++)
		if (e->outputs[i] && who >> i & 1 && is_sampled(e, r, i))
			export_output_put(e->outputs[i], &v);
	if (otlp_metrics_want_records(e->m->otlp))
		otlp_metrics_record(e->m->otlp, r);
	if (alerts_want_records(e->m->alerts))
		alerts_record(e->m->alerts, &v);
}

/* From all rings in turn, so that a busy worker keeps nobody from being heard. A slot that never
 * had a worker has a ring that nobody has touched: it is left so. */
static void drain(struct export *e, unsigned most, size_t most_bytes)
{
	struct board *b = &e->m->board;
	struct export_texts texts;
	size_t n;
	if (e->config != e->m->config)
		learn_names(e);
	for (unsigned i = 0; i < BOARD_WORKERS && most; i++) {
		unsigned slot = (e->next_slot + i) % BOARD_WORKERS;
		if (!atomic_load_explicit(&b->workers[slot].started_ns, memory_order_relaxed))
			continue;
		while (most && record_take(&b->records[slot], &e->record)) {
			bool has_texts = export_join_take(e->join, &b->told[slot], &e->record,
							  &texts, &n);
			tell(e, &e->record, has_texts ? &texts : NULL);
			most = n < most_bytes ? most - 1 : 0;
			most_bytes -= n < most_bytes ? n : most_bytes;
		}
	}
	e->next_slot = (e->next_slot + 1) % BOARD_WORKERS;
}

static void on_tick(uv_timer_t *t)
{
	struct export *e = t->data;
	uint64_t now = clock_ns();
	drain(e, TAKE_MAX, TAKE_BYTES);
	for (unsigned i = 0; i < EXPORT_KINDS; i++)
		if (e->outputs[i])
			export_output_tick(e->outputs[i], now);
	for (unsigned i = 0; i < HOOK_OUTPUTS; i++)
		if (e->hooks[i].o)
			export_output_tick(e->hooks[i].o, now);
	export_own_tick(e->own, now);
}

/* ---- life ---- */

/* Their numbers are of one configuration: whom keys or teams name is learned anew. */
static void configure_hooks(struct export *e)
{
	e->by_name &= (UINT64_C(1) << EXPORT_HOOK) - 1;
	for (unsigned i = 0; i < HOOK_OUTPUTS; i++)
		if (e->hooks[i].o)
			export_output_configure(e->hooks[i].o, NULL);
	for (unsigned who = EXPORT_HOOK; who < EXPORT_ALL; who++)
		e->outputs[who] = NULL;
	for (unsigned who = EXPORT_HOOK; who < EXPORT_ALL; who++)
		if ((e->success | e->failure) >> who & 1)
			configure(e, who, true);
}

void export_configure(struct export *e)
{
	const struct config *c = e->m->config;
	bool was_on = e->is_on;
	e->success = c->export_success;
	e->failure = c->export_failure;
	e->is_on = e->success | e->failure || c->n_teams || alerts_want_records(e->m->alerts) ||
		   otlp_metrics_want_records(e->m->otlp) || keys_have_logged(e->m->keys);
	export_own_configure(e->own);
	export_join_configure(e->join, c);
	for (unsigned i = 0; i < EXPORT_KINDS; i++)
		configure(e, i, (e->success | e->failure | e->by_name) >> i & 1);
	configure_hooks(e);
	learn_names(e);
	if (e->is_on && !was_on)
		uv_timer_start(&e->timer, on_tick, TICK_MS, TICK_MS);
}

void export_look(struct export *e)
{
	if (e->is_on || !keys_have_logged(e->m->keys))
		return;
	e->is_on = true;
	uv_timer_start(&e->timer, on_tick, 0, TICK_MS);
}

int export_new(struct master *m, struct export **ret)
{
	struct export *e = mem_alloc(sizeof *e);
	if (!e)
		return -ENOMEM;
	e->m = m;
	snprintf(e->dir, sizeof e->dir, "%s/export", m->opt.state_dir);
	e->own = export_own_new(m, e->dir);
	e->join = export_join_new(&m->board.metrics[BOARD_WORKERS]);
	if (!e->own || !e->join) {
		mem_free(e->own);
		export_join_free(e->join);
		mem_free(e);
		return -ENOMEM;
	}
	uv_timer_init(m->loop, &e->timer);
	e->timer.data = e;
	*ret = e;
	return 0;
}

void export_stop(struct export *e, uint64_t patience_ms)
{
	if (!e)
		return;
	uint64_t until = clock_ns() + patience_ms * NS_PER_MS;
	uv_timer_stop(&e->timer);
	if (e->is_on)
		drain(e, BOARD_WORKERS * RECORDS, SIZE_MAX);
	for (unsigned i = 0; i < EXPORT_KINDS; i++)
		e->outputs[i] = export_output_stop(e->outputs[i], until);
	for (unsigned i = 0; i < HOOK_OUTPUTS; i++)
		e->hooks[i].o = export_output_stop(e->hooks[i].o, until);
	export_own_stop(e->own, until);
	e->join = export_join_free(e->join);
	mem_free(e->names);
	e->names = NULL;
	e->book = cost_book_unref(e->book);
}
