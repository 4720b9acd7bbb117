/* SPDX-License-Identifier: MIT
 * fuzz_limit_windows.c - whatever stands in a key's extra, of its limits in windows only good ones
 * are taken: within their bounds, no two of them one, and the same when they are read again. What
 * the directory would hold of them is read back as it was. */
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/window.h"
#include "master/keys_windows.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { MEMORY = 8 << 20 };

static void check_one(const struct key_window *w)
{
	MUST(window_unit(w->gate.kind)[0] && w->gate.limit && w->gate.is_fixed <= 1);
	MUST(w->gate.span_ns >= NS_PER_S && w->gate.span_ns % NS_PER_S == 0);
	MUST(w->gate.factor_milli <= WINDOW_FACTOR_MAX_MILLI && w->name.n <= WINDOW_NAME_MAX);
	MUST(w->n_rules <= WINDOW_RULES_MAX && w->id_hash > BOARD_GONE);
	for (uint32_t i = 0; i < w->n_rules; i++) {
		const struct key_window_rule *r = &w->rules[i];
		MUST(r->factor_milli <= WINDOW_FACTOR_MAX_MILLI);
		MUST(r->model.n <= WINDOW_MODEL_MAX && r->hours.days <= ZONE_ALL_DAYS);
		MUST(r->hours.from <= ZONE_DAY_MINUTES && r->hours.to <= ZONE_DAY_MINUTES);
		MUST(!r->hours.zone.n || zone_is_known(r->hours.zone));
	}
}

static void check_again(struct arena *a, const struct key_row *row, const struct key_window *v,
			size_t n)
{
	struct key_window *again;
	size_t m;
	if (key_windows_of(a, DIR_KEY, row, &again, &m) < 0)
		return;			/* no memory for it twice */
	MUST(m == n);
	for (size_t i = 0; i < n; i++)
		MUST(v[i].id_hash == again[i].id_hash && v[i].gate.limit == again[i].gate.limit);
}

static void check_text(const struct key_window *v, size_t n)
{
	struct buf text, rules;
	struct window w;
	struct window_rule rule;
	buf_init(&text, MEMORY);
	for (size_t i = 0; i < n; i++) {
		w = (struct window){ .gate = v[i].gate, .name = v[i].name, .n_rules = v[i].n_rules };
		buf_init(&rules, MEMORY);
		for (uint32_t k = 0; k < v[i].n_rules; k++)
			window_put_rule(&rules, &(struct window_rule){
					.factor_milli = v[i].rules[k].factor_milli,
					.model = v[i].rules[k].model });
		w.rules = buf_str(&rules);
		window_put(&text, &w);
		buf_done(&rules);
	}
	struct str rest = buf_str(&text);
	for (size_t i = 0; i < n; i++) {
		MUST(window_next(&rest, &w) && w.gate.limit == v[i].gate.limit);
		MUST(str_eq(w.name, v[i].name));
		for (uint32_t k = 0; k < v[i].n_rules; k++)
			MUST(window_rule_next(&w.rules, &rule) &&
			     str_eq(rule.model, v[i].rules[k].model) &&
			     rule.factor_milli == v[i].rules[k].factor_milli);
		MUST(!w.rules.n);
	}
	MUST(!rest.n);
	buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena *a = arena_new(MEMORY);
	struct key_row row = { .id = 7, .extra = { (const char *)p, n } };
	struct key_window *v;
	size_t count;
	MUST(a && hash_init() == 0);
	if (key_windows_of(a, DIR_KEY, &row, &v, &count) == 0) {
		MUST(count <= WINDOWS_MAX);
		for (size_t i = 0; i < count; i++) {
			check_one(&v[i]);
			for (size_t k = 0; k < i; k++)
				MUST(v[i].id_hash != v[k].id_hash);
		}
		check_again(a, &row, v, count);
		check_text(v, count);
	}
	arena_free(a);
	return 0;
}
