/* SPDX-License-Identifier: MIT
 * export_join.h - records of finished requests, and what these asked and were answered, which comes
 * from workers by a ring of its own (common/texts.h).
 *
 * A worker puts a request's texts there before it puts its record, and both rings keep their order:
 * what stands before a record's texts belongs to a record that was lost, so nothing is waited for
 * or kept meanwhile. Secrets of the configuration are overwritten before anybody reads it. */
#ifndef EXPORT_JOIN_H
#define EXPORT_JOIN_H

#include "common/metrics.h"
#include "master/export_texts.h"

struct export_join;
struct export_join *export_join_new(struct metric_row *m) MUST_USE;	/* NULL: no memory */
struct export_join *export_join_free(struct export_join *j);	/* NULL is fine; returns NULL */
/* Whose secrets are hidden from now on. */
void export_join_configure(struct export_join *j, const struct config *c);
/* Fills *ret with what the record's request said, good until the next call; how many bytes that
 * were. False: the record says of no texts. */
bool export_join_take(struct export_join *j, struct text_ring *ring, const struct record *r,
		      struct export_texts *ret, size_t *ret_bytes);

#endif
