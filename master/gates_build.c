/* SPDX-License-Identifier: MIT
 * gates_build.c - a deployment's gates in the snapshot; see gates.h. A gate's name on the board is
 * a hash of all that makes it the same one: who shares it shares its count. */
#include <errno.h>
#include <stdio.h>

#include "common/hash.h"
#include "common/mem.h"
#include "master/gates.h"
#include "master/gates_private.h"
#include "master/ledger.h"

enum { GATES_MAX = 16 };

static uint64_t more_u64(uint64_t h, uint64_t v)
{
	return hash_stable_more(h, str_of((const char *)&v, sizeof v));
}

static uint64_t more_text(uint64_t h, struct str s)
{
	return hash_stable_more(more_u64(h, s.n), s);
}

const struct config_gate *gates_budget_of(const struct config *c, const struct config_model *cm)
{
	for (size_t i = 0; i < c->provider_budgets.n; i++)
		if (str_eq(c->provider_budgets.v[i].name, cm->provider))
			return &c->provider_budgets.v[i];
	return NULL;
}

uint64_t gates_hash_provider(struct str provider)
{
	return more_text(hash_stable(STR("provider")), provider) | 1;
}

uint64_t gates_hash_own(const struct config_model *cm)
{
	return more_text(hash_stable(STR("deployment")), cm->id) | 1;
}

uint64_t gates_hash_hours(const struct config_hours *h)
{
	uint64_t x = hash_stable(STR("hours"));
	for (size_t i = 0; i < h->n; i++) {
		x = more_u64(x, h->v[i].days);
		x = more_u64(x, (uint64_t)h->v[i].from << 32 | h->v[i].to);
		x = more_text(x, h->v[i].zone);
	}
	return x | 1;
}

/* A plan belongs to its name, else to the key that it is paid by, else to the deployment. */
uint64_t gates_hash_plan(const struct config_gate *p, const struct config_model *cm)
{
	uint64_t x = hash_stable(STR("plan"));
	if (p->name.n) {
		x = more_text(x, p->name);
	} else if (cm->api_key.n) {
		x = more_text(more_text(x, cm->api_base), cm->api_key);
	} else {
		x = more_text(x, cm->id);
	}
	x = more_u64(x, p->kind | (uint64_t)p->is_fixed << 32);
	return more_u64(more_u64(x, p->span_ms), p->limit) | 1;
}

struct snap_gate gates_plan(const struct config_gate *p)
{
	return (struct snap_gate){ .kind = p->kind, .limit = p->limit,
				   .span_ns = p->span_ms * UINT64_C(1000000),
				   .factor_milli = p->factor_milli,
				   .is_fixed = p->is_fixed };
}

struct list {
	struct board *b;
	struct snap_build *to;
	struct snap_gate v[GATES_MAX];
	size_t n;
	int err;
};

static void add(struct list *l, uint64_t hash, struct str name, struct snap_gate g)
{
	if (l->err || l->n == GATES_MAX)
		return;
	l->err = board_place_gate(l->b, hash, &g.row);
	g.name = snap_build_text(l->to, name);
	l->v[l->n++] = g;
}

static void add_plans(struct list *l, const struct config_model *cm)
{
	for (size_t i = 0; i < cm->plans.n; i++) {
		const struct config_gate *p = &cm->plans.v[i];
		char name[160];
		snprintf(name, sizeof name, "plan%s%.*s, %llu s", p->name.n ? " " : "",
			 (int)(p->name.n < 100 ? p->name.n : 100), p->name.n ? p->name.p : "",
			 (unsigned long long)(p->span_ms / 1000));
		add(l, gates_hash_plan(p, cm), str_z(name), gates_plan(p));
	}
}

static void add_budget(struct list *l, const char *whose, struct str name, uint64_t hash,
		       uint64_t limit)
{
	char text[600];
	struct snap_gate g = { .kind = GATE_BUDGET, .limit = limit };
	snprintf(text, sizeof text, "%s %.*s", whose, (int)(name.n < 512 ? name.n : 512), name.p);
	add(l, hash, str_z(text), g);
}

int gates_build(struct board *b, const struct config *c, const struct config_model *cm,
		struct snap_build *to, struct snap_deployment *d)
{
	struct list l = { .b = b, .to = to };
	const struct config_gate *p = gates_budget_of(c, cm);
	if (cm->hours.n)
		add(&l, gates_hash_hours(&cm->hours), STR("access windows"),
		    (struct snap_gate){ .kind = GATE_HOURS });
	if (p)
		add_budget(&l, "provider", p->name, gates_hash_provider(p->name), p->limit);
	if (gates_has_own(cm))
		add_budget(&l, "deployment", cm->id, gates_hash_own(cm), gates_own_limit(cm));
	add_plans(&l, cm);
	if (l.err || !l.n)
		return l.err;
	d->gates = snap_build_gates(to, l.v, l.n);
	d->flags |= DEPLOY_GATED;
	return 0;
}

int gates_build_tags(struct board *b, const struct config *c, struct snap_build *to)
{
	size_t n = c->tag_budgets.n;
	struct snap_gate *v = n ? mem_array(n, sizeof *v) : NULL;
	int err = n && !v ? -ENOMEM : 0;
	for (size_t i = 0; i < n && !err; i++) {
		const struct config_gate *k = &c->tag_budgets.v[i];
		v[i] = (struct snap_gate){ .name = snap_build_text(to, k->name),
					   .kind = GATE_BUDGET, .limit = k->limit };
		err = board_place_gate(b, ledger_tag_hash(k->name), &v[i].row);
	}
	if (!err)
		snap_build_settings(to)->tag_budgets = snap_build_gates(to, v, n);
	mem_free(v);
	return err;
}
