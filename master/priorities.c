/* SPDX-License-Identifier: MIT
 * priorities.c - see priorities.h. Shares are LiteLLM's: a number, or an object that says how many
 * requests or tokens a minute it is; where all of them are more than 1, each is less in proportion.
 * Whoever has no class shares default_priority, beside them. */
#include "master/priorities.h"

#include <errno.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/mem.h"

enum { CLASSES_MAX = 32, CLASS_NAME_MAX = 64 };
enum { SHARE, OF_RPM, OF_TPM };		/* config_gate.kind; a share's limit is in millionths */
#define WHOLE UINT64_C(1000000)
#define MINUTE_NS (60 * NS_PER_S)

/* ---- from YAML, and back ---- */

static bool wrong(struct reader *r, const struct yaml *y)
{
	complain(r, COMPLAINT_ERROR, &y->place,
		 "a priority wants a share of 0 to 1, or {type: percent, rpm or tpm, value}");
	return false;
}

static bool read_share(struct reader *r, const struct yaml *y, struct config_gate *g)
{
	double share;
	if (y->kind != YAML_SCALAR || str_read_double(y->text, &share) < 0 ||
	    !(share >= 0 && share <= 1))
		return wrong(r, y);
	g->kind = SHARE;
	g->limit = (uint64_t)(share * (double)WHOLE + 0.5);
	return true;
}

static bool read_class(struct reader *r, const struct yaml *y, struct config_gate *g)
{
	const struct yaml *type = yaml_get(y, "type"), *value = yaml_get(y, "value");
	*g = (struct config_gate){ .name = keep(r, y->key) };
	if (!y->key.n || y->key.n > CLASS_NAME_MAX) {
		complain(r, COMPLAINT_ERROR, &y->place, "a priority's name has 1 to %d bytes",
			 CLASS_NAME_MAX);
		return false;
	}
	if (y->kind != YAML_MAP)
		return read_share(r, y, g);
	if (!type || type->kind != YAML_SCALAR || !value || value->kind != YAML_SCALAR)
		return wrong(r, y);
	if (str_eq(type->text, STR("percent")))
		return read_share(r, value, g);
	bool is_rpm = str_eq(type->text, STR("rpm"));
	if (!(is_rpm || str_eq(type->text, STR("tpm"))) ||
	    str_read_u64(value->text, &g->limit) < 0 || g->limit > UINT32_MAX)
		return wrong(r, value);
	g->kind = is_rpm ? OF_RPM : OF_TPM;
	return true;
}

bool priorities_set(struct reader *r, struct config_gates *at, const struct directive *d,
		    const struct yaml *y)
{
	struct config_gates list = { 0 };
	if (y->kind != YAML_MAP || y->count > CLASSES_MAX) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s wants a map of at most %d priorities",
			 d->name, CLASSES_MAX);
		return false;
	}
	list.v = keep_array(r, y->count, sizeof *list.v);
	for (const struct yaml *e = y->child; list.v && e; e = e->next)
		list.n += read_class(r, e, &list.v[list.n]);
	*at = list;
	return list.v != NULL;
}

void priorities_put(struct json_out *o, const char *key, const struct config_gates *g)
{
	json_open(o, key);
	for (size_t i = 0; i < g->n; i++) {
		const struct config_gate *p = &g->v[i];
		json_key(o, p->name);
		if (p->kind == SHARE) {
			json_put_double(o, NULL, (double)p->limit / (double)WHOLE);
			continue;
		}
		json_open(o, NULL);
		json_put_z(o, "type", p->kind == OF_RPM ? "rpm" : "tpm");
		json_put_u64(o, "value", p->limit);
		json_close(o);
	}
	json_close(o);
}

/* ---- into a snapshot ---- */

struct capacity {
	uint64_t rpm, tpm;		/* of all deployments of a group; 0: none says */
};

static struct capacity capacity_of(const struct config *c, struct str group)
{
	struct capacity all = { 0, 0 };
	for (size_t i = 0; i < c->n_models; i++) {
		if (!str_eq(c->models[i].model_name, group))
			continue;
		all.rpm += c->models[i].rpm;
		all.tpm += c->models[i].tpm;
	}
	return all;
}

/* In millionths of the whole. */
static uint64_t share_of(const struct config_gate *p, struct capacity all)
{
	uint64_t whole = p->kind == OF_RPM ? all.rpm : all.tpm;
	if (p->kind == SHARE)
		return p->limit;
	return whole && p->limit < whole ? p->limit * WHOLE / whole : WHOLE;
}

static uint64_t board_name(struct str group, uint32_t kind, const char *role, struct str class)
{
	uint64_t h = hash_stable_more(hash_stable(STR("priority")), group);
	h = hash_stable_more(h, str_of((const char *)&kind, sizeof kind));
	return hash_stable_more(hash_stable_more(h, str_z(role)), class) | 1;
}

struct list {
	struct board *b;
	struct snap_build *to;
	struct snap_gate v[2 * (CLASSES_MAX + 2)];
	size_t n;
	int err;
};

static void add(struct list *l, uint32_t kind, uint64_t hash, struct str class, uint64_t whole,
		uint64_t share)
{
	uint64_t limit = (uint64_t)((unsigned __int128)whole * share / WHOLE);
	struct snap_gate g = { .name = snap_build_text(l->to, class), .kind = kind,
			       .limit = limit ? limit : 1, .span_ns = MINUTE_NS,
			       .factor_milli = 1000 };
	if (!l->err)
		l->err = board_place_gate(l->b, hash, &g.row);
	l->v[l->n++] = g;
}

static void add_kind(struct list *l, const struct config *c, struct str group, uint32_t kind,
		     uint64_t whole, struct capacity all)
{
	uint64_t sum = 0;
	if (!whole)
		return;
	for (size_t i = 0; i < c->priorities.n; i++)
		sum += share_of(&c->priorities.v[i], all);
	add(l, kind, board_name(group, kind, "whole", STR("")), STR(""), whole, WHOLE);
	add(l, kind, board_name(group, kind, "rest", STR("")), STR(""), whole,
	    c->set.default_priority_milli * (WHOLE / 1000));
	for (size_t i = 0; i < c->priorities.n; i++) {
		const struct config_gate *p = &c->priorities.v[i];
		uint64_t share = share_of(p, all);
		add(l, kind, board_name(group, kind, "class", p->name), p->name, whole,
		    sum > WHOLE ? share * WHOLE / sum : share);
	}
}

int priorities_build(struct board *b, const struct config *c, struct str group,
		     struct snap_build *to, struct snap_group *g)
{
	struct capacity all = capacity_of(c, group);
	if (!c->priorities.n || (!all.rpm && !all.tpm))
		return 0;
	struct list *l = mem_alloc(sizeof *l);
	if (!l)
		return -ENOMEM;
	*l = (struct list){ .b = b, .to = to };
	add_kind(l, c, group, GATE_REQUESTS, all.rpm, all);
	add_kind(l, c, group, GATE_TOKENS, all.tpm, all);
	int err = l->err;
	if (!err)
		g->reserved = snap_build_gates(to, l->v, l->n);
	mem_free(l);
	return err;
}
