/* SPDX-License-Identifier: MIT
 * budget_models.h - a budget's limits for single models, lent to whoever has the budget.
 *
 * Each owner of a budget spends by itself, so that its row has to have them: in `extra`, as
 * model_max_budget_of_budget, which keys_models.c reads where the row has no limit of its own. They
 * follow the budget in the transaction that changes it. */
#ifndef BUDGET_MODELS_H
#define BUDGET_MODELS_H

#include "master/keys_private.h"

enum { BUDGET_LENT_MAX = 5000 };	/* owners of a budget whose models change */

struct budget_lent {			/* in an arena; zeros: none */
	struct lent_row {
		enum dir_kind kind;
		struct key_row row;
	} *v;
	size_t n;
};

/* Whether a change of a budget's extra means that its owners are to be told. */
bool budget_models_differ(struct str before, struct str after);
/* A row's extra as it is with a budget of that extra; "{}": with none. 0 or -errno. */
int budget_models_lend(struct store_db *db, struct arena *a, struct str budget_extra,
		       struct key_row *row) MUST_USE;
/* All who have the budget. -E2BIG: they are too many. */
int budget_models_relend(struct store_db *db, struct arena *a, struct str budget_id,
			 struct str budget_extra, struct budget_lent *ret) MUST_USE;
/* After the commit, on the loop. */
int budget_models_publish(struct keys *k, const struct budget_lent *lent) MUST_USE;

#endif
