/* SPDX-License-Identifier: MIT
 * window.c - see window.h. Entries are made up to eight bytes with NULs; a text may begin anywhere,
 * so heads are copied. */
#include "common/window.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/gate.h"

enum { ENTRY_ALIGN = 8 };

struct head {
	struct snap_gate gate;
	uint32_t name_bytes, n_rules, rules_bytes, pad;
};
struct rule_head {
	uint64_t factor_milli;
	uint32_t hours, model_bytes;
};
_Static_assert(sizeof(struct head) % ENTRY_ALIGN == 0, "an entry is a multiple of it");
_Static_assert(sizeof(struct rule_head) % ENTRY_ALIGN == 0, "and so is a rule");

static size_t padded(size_t n)
{
	return (n + ENTRY_ALIGN - 1) / ENTRY_ALIGN * ENTRY_ALIGN;
}

static void put_padded(struct buf *to, struct str s)
{
	static const char nuls[ENTRY_ALIGN];
	buf_put(to, s);
	buf_put(to, str_of(nuls, padded(s.n) - s.n));
}

void window_put(struct buf *to, const struct window *w)
{
	struct head h = { .gate = w->gate, .name_bytes = (uint32_t)w->name.n,
			  .n_rules = w->n_rules, .rules_bytes = (uint32_t)w->rules.n };
	buf_put(to, str_of((const char *)&h, sizeof h));
	put_padded(to, w->name);
	buf_put(to, w->rules);
}

void window_put_rule(struct buf *to, const struct window_rule *rule)
{
	struct rule_head h = { .factor_milli = rule->factor_milli, .hours = rule->hours,
			       .model_bytes = (uint32_t)rule->model.n };
	buf_put(to, str_of((const char *)&h, sizeof h));
	put_padded(to, rule->model);
}

bool window_rule_next(struct str *rest, struct window_rule *ret)
{
	struct rule_head h;
	if (rest->n < sizeof h)
		return false;
	memcpy(&h, rest->p, sizeof h);
	if (h.model_bytes > WINDOW_MODEL_MAX || padded(h.model_bytes) > rest->n - sizeof h)
		return false;
	*ret = (struct window_rule){ .factor_milli = h.factor_milli, .hours = h.hours,
				     .model = str_of(rest->p + sizeof h, h.model_bytes) };
	*rest = str_skip(*rest, sizeof h + padded(h.model_bytes));
	return true;
}

static bool is_plan(const struct snap_gate *g)
{
	return g->kind < GATE_KINDS && g->kind != GATE_BUDGET && g->kind != GATE_HOURS &&
	       g->span_ns >= GATE_SPAN_MIN_NS && g->row < BOARD_WINDOWS;
}

bool window_next(struct str *rest, struct window *ret)
{
	struct head h;
	if (rest->n < sizeof h)
		return false;
	memcpy(&h, rest->p, sizeof h);
	size_t room = rest->n - sizeof h, name = padded(h.name_bytes);
	if (h.name_bytes > WINDOW_NAME_MAX || name > room || h.rules_bytes > room - name ||
	    !is_plan(&h.gate))
		return false;
	const char *p = rest->p + sizeof h;
	*ret = (struct window){ .gate = h.gate, .name = str_of(p, h.name_bytes),
				.n_rules = h.n_rules, .rules = str_of(p + name, h.rules_bytes) };
	*rest = str_skip(*rest, sizeof h + name + h.rules_bytes);
	return true;
}

bool window_rule_fits(const struct window_rule *rule, struct str model)
{
	size_t slash = str_find_char(model, '/');
	if (!rule->model.n || str_eq(rule->model, model) || str_matches(rule->model, model))
		return true;
	return slash != SIZE_MAX && (str_eq(rule->model, str_skip(model, slash + 1)) ||
				     str_matches(rule->model, str_skip(model, slash + 1)));
}

uint64_t window_factor(const struct board *b, const struct window *w, struct str model,
		       uint64_t wall_ns)
{
	struct str rest = w->rules;
	struct window_rule rule;
	while (window_rule_next(&rest, &rule))
		if (window_rule_fits(&rule, model) &&
		    (rule.hours >= BOARD_GATES ||
		     gate_is_open_hour(&b->gates[rule.hours], wall_ns)))
			return rule.factor_milli;
	return w->gate.factor_milli;
}

const char *window_unit(uint32_t kind)
{
	static const char *const units[GATE_KINDS] = {
		[GATE_REQUESTS] = "requests", [GATE_TOKENS] = "tokens", [GATE_COST] = "cost",
		[GATE_INPUT] = "input_tokens", [GATE_OUTPUT] = "output_tokens",
	};
	return kind < GATE_KINDS && units[kind] ? units[kind] : "";
}

const char *window_length(uint64_t span_ns, char text[24])
{
	static const struct {
		uint64_t seconds;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	uint64_t s = span_ns / NS_PER_S;
	for (size_t i = 0; i < COUNT(units); i++)
		if (s % units[i].seconds == 0) {
			snprintf(text, 24, "%llu%c", (unsigned long long)(s / units[i].seconds),
				 units[i].unit);
			break;
		}
	return text;
}
