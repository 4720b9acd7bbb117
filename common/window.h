/* SPDX-License-Identifier: MIT
 * window.h - limits that a key or a team has in windows of any length, as they stand in its row of
 * the directory: a text of entries, each with a row among the board's windows.
 *
 * A window is a gate of a plan (gate.h) that requests must pass. What one of them counts may
 * depend on its model and on the hour: the first rule that fits says how much. Hours stand on the
 * board as those of deployments do, as the next change. */
#ifndef WINDOW_H
#define WINDOW_H

#include "common/board.h"
#include "common/buf.h"
#include "common/snapshot.h"

/* Of one owner; of one window; bytes. */
enum { WINDOWS_MAX = 10, WINDOW_RULES_MAX = 16, WINDOW_NAME_MAX = 64, WINDOW_MODEL_MAX = 256 };
#define WINDOW_FACTOR_MAX_MILLI (UINT64_C(1000000) * 1000)
#define WINDOW_ANY_HOUR UINT32_MAX

struct window {
	struct snap_gate gate;		/* its row is among the windows; without a name */
	struct str name;		/* as given, or .n 0 */
	uint32_t n_rules;
	struct str rules;		/* window_rule_next() reads them */
};
struct window_rule {
	uint64_t factor_milli;
	uint32_t hours;			/* a row among the board's gates, or WINDOW_ANY_HOUR */
	struct str model;		/* a name, or a pattern with '*'; .n 0: any */
};

/* An entry, and w->n_rules times a rule of it behind. The buffer's cap is the caller's. */
void window_put(struct buf *to, const struct window *w);
void window_put_rule(struct buf *to, const struct window_rule *rule);
/* The first entry of *rest, with its rules, which is cut off; slices point into the text. False:
 * there is none left, or what is left is none. */
bool window_next(struct str *rest, struct window *ret);
bool window_rule_next(struct str *rest, struct window_rule *ret);
/* Whether the rule is of that model; the name may be given with its provider before a '/'. */
bool window_rule_fits(const struct window_rule *rule, struct str model);
/* How much a use counts, x 1000: by the first rule that fits, else as the window says. */
uint64_t window_factor(const struct board *b, const struct window *w, struct str model,
		       uint64_t wall_ns);
/* "requests", "input_tokens": what a gate of a plan counts, as it is called wherever it is named. */
const char *window_unit(uint32_t kind);
/* "5h", "90s": its length. */
const char *window_length(uint64_t span_ns, char text[24]);

#endif
