/* SPDX-License-Identifier: MIT
 * export_output.h - one callback: the batch that grows, the one that is under way, and what waits
 * on the disk. */
#ifndef EXPORT_OUTPUT_H
#define EXPORT_OUTPUT_H

#include "master/export_rows.h"
#include "master/master.h"

struct export_output;
/* name: what it is called in the log and on the disk; dir: the folder for what waits; both stay
 * the caller's. What says prompts and answers lies there sealed, or not at all. */
int export_output_new(struct master *m, const struct export_row *row, const char *name,
		      const char *dir, struct export_output **ret) MUST_USE;
/* Where it is from now on; NULL: nobody is told any more, and what waits goes on waiting. */
void export_output_configure(struct export_output *o, const struct export_target *t);
void export_output_put(struct export_output *o, const struct export_view *v);
/* Whether nothing waits or is under way. */
bool export_output_is_idle(const struct export_output *o);
void export_output_tick(struct export_output *o, uint64_t now_ns);
/* The last of it: what can be sent until then is, the rest goes to the disk. Frees and returns
 * NULL; or returns it, when the loop still has its work. NULL is fine. */
struct export_output *export_output_stop(struct export_output *o, uint64_t until_ns);

#endif
