/* SPDX-License-Identifier: MIT
 * metrics_pairs.h - what the board has counted of requests that ended (common/series.h), as the
 * files of /metrics with LiteLLM's names share it: rows with their labels, those of a key side by
 * side. */
#ifndef METRICS_PAIRS_H
#define METRICS_PAIRS_H

#include "common/series.h"
#include "worker/admin/metrics_page.h"

struct pair {
	const struct board_series *row;
	struct series_name name;
	uint32_t place;			/* its deployment's index, or SNAP_NONE */
	struct label_set of_key, who, base;	/* each is the beginning of the next */
	struct label_set route, status, class;	/* "status_code=..." and "exception_class=..." */
};
struct pairs {
	struct pair *v;			/* of requests, by key */
	size_t n;
	struct pair *attempts;		/* that failed: of no key */
	size_t n_attempts;
};

/* Whose deployments are still there. False: no memory. */
bool metrics_find_pairs(struct scrape *s, struct pairs *ret);
void metrics_put_pairs(struct scrape *s, const struct pairs *pairs);
/* Of a family that has been begun: the failed attempts, with their errors, of deployments that are
 * shown; labels[] are theirs. Returns the sum over the others. */
uint64_t metrics_put_failures(struct scrape *s, const char *name, const struct pairs *pairs,
			      const struct label_set *labels);
/* Budgets of the keys that occur, and of their teams and users. */
void metrics_put_budgets(struct scrape *s, const struct pairs *pairs);

static inline bool pair_same_key(const struct pair *a, const struct pair *b)
{
	return hash_sha256_eq(&a->name.key, &b->name.key);
}

#endif
