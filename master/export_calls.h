/* SPDX-License-Identifier: MIT
 * export_calls.h - a batch on its way: as one call, or, for who takes only so many records at a
 * time (row->call_rows), or is asked for each alone (to->is_each, of a row whose batches are
 * lines), as several. */
#ifndef EXPORT_CALLS_H
#define EXPORT_CALLS_H

#include <stdatomic.h>

#include "master/export_rows.h"
#include "master/post.h"

struct export_calls {
	const struct export_row *row;
	const struct export_target *to;
	struct str batch;
	uint32_t n;			/* records in it */
	uint64_t until_ns;		/* no call begins later, or takes longer */
	const _Atomic bool *gives_up;
	void **easy;			/* see post.h */
	/* What came of it; the three make n. */
	uint32_t n_sent, n_refused, n_left;
	struct buf left;		/* a batch of those, unless all are; the caller frees it */
	struct post_result result;	/* of the last call that was not taken whole */
};
/* A call to there: its address, headers and way, without a body. */
struct post export_post(const struct export_target *t);
/* A call that is refused is not made again; one that fails ends it, and all the rest is left. */
void export_calls_send(struct export_calls *c);
/* Cuts the next call off the lines of a batch, at least one and as many as the row allows, and
 * appends its body to *body. Returns its lines. */
struct str export_calls_cut(const struct export_row *row, const struct export_target *t,
			    struct str *rest, struct buf *body);

#endif
